//! From a webhook to the frame on the agents' sockets, and what an idle socket costs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::ports::{Clock, SystemClock};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::child::{Server, Tenant};
use super::http::{Connection, post};
use super::{Figure, figure, millis, percentile};

type Socket = WebSocketStream<TcpStream>;

async fn connect(server: &Server, tenant: &Tenant) -> anyhow::Result<Socket> {
    let mut request = format!("ws://{}/ws", server.address).into_client_request()?;
    request
        .headers_mut()
        .insert("x-api-key", tenant.key.parse()?);
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let stream = TcpStream::connect(&server.address).await?;
    stream.set_nodelay(true)?;
    Ok(client_async_with_config(request, stream, Some(config))
        .await?
        .0)
}

/// When each call's first notification was sent, by its Dialpad id.
type Sent = Arc<Mutex<HashMap<String, Instant>>>;

/// Webhook in to `call.ring` frame out, at a steady rate, with all sockets listening.
pub(super) async fn latency(
    sockets: usize,
    apps: usize,
    rate: u64,
    time: Duration,
) -> anyhow::Result<Vec<Figure>> {
    let server = Server::full(None).await?;
    let apps = apps.clamp(1, sockets.max(1));
    let mut tenants = Vec::new();
    for index in 0..apps {
        tenants.push(server.tenant(&format!("latency {index}")).await?);
    }
    let sent: Sent = Arc::default();
    let taken: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let mut listeners = tokio::task::JoinSet::new();
    for index in 0..sockets {
        let socket = connect(&server, &tenants[index % apps]).await?;
        listeners.spawn(listen(socket, sent.clone(), taken.clone()));
    }
    let webhook = ring(&server, &tenants, rate, time, &sent).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    listeners.abort_all();
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    taken.sort_unstable();
    let (p50, p99) = (percentile(&taken, 0.5), percentile(&taken, 0.99));
    let expected = webhook * u64::try_from(sockets / apps)?;
    let note = format!(
        "{} of {expected} frames; {sockets} sockets over {apps} apps, {rate} calls/s",
        taken.len()
    );
    Ok(vec![
        figure("webhook → frame, p50", millis(p50), "ms", note),
        figure("webhook → frame, p99", millis(p99), "ms", ""),
    ])
}

async fn listen(mut socket: Socket, sent: Sent, taken: Arc<Mutex<Vec<Duration>>>) {
    while let Some(Ok(message)) = socket.next().await {
        let now = Instant::now();
        let Message::Text(text) = message else {
            continue;
        };
        if !text.contains("\"event\":\"call.ring\"") {
            continue;
        }
        let id = text
            .split("\"dialpad_call_id\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = id.and_then(|id| sent.get(id)) {
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push(now.duration_since(*at));
        }
    }
}

/// Posts the first ring of so many calls a second. Returns how many were accepted.
async fn ring(
    server: &Server,
    tenants: &[Tenant],
    rate: u64,
    time: Duration,
    sent: &Sent,
) -> anyhow::Result<u64> {
    let total = rate * time.as_secs();
    let mut connection = Vec::new();
    for _ in 0..8 {
        connection.push(Connection::open(&server.address).await?);
    }
    let mut posts = tokio::task::JoinSet::new();
    let mut accepted = 0_u64;
    let mut due = tokio::time::Instant::now();
    let gap = Duration::from_secs_f64(1.0 / f64::from(u32::try_from(rate.max(1))?));
    for index in 0..total {
        let tenant = &tenants[usize::try_from(index)? % tenants.len()];
        let call = CallSeed::new(1_000_000 + index, SystemClock.now());
        let steps = simulate::dialpad(Scenario::Answered, &call, &tenant.secret);
        let Some((step, id)) = steps
            .first()
            .and_then(|step| Some((step, call_id(&step.body)?)))
        else {
            continue;
        };
        let request = post(&tenant.hook, step.content_type, &step.body);
        tokio::time::sleep_until(due).await;
        due += gap;
        while connection.is_empty() {
            if let Some(done) = posts.join_next().await {
                connection.push(done??);
            }
        }
        while let Some(done) = posts.try_join_next() {
            connection.push(done??);
        }
        let Some(mut free) = connection.pop() else {
            continue;
        };
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Instant::now());
        accepted += 1;
        posts.spawn(async move {
            free.request(&request).await?;
            anyhow::Ok(free)
        });
    }
    while posts.join_next().await.is_some() {}
    Ok(accepted)
}

/// The Dialpad call id inside a signed body.
fn call_id(jwt: &[u8]) -> Option<String> {
    use base64::Engine as _;
    let text = std::str::from_utf8(jwt).ok()?;
    let payload = text.split('.').nth(1)?;
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .ok()?;
    let value: serde_json::Value = serde_json::from_slice(&json).ok()?;
    Some(value["call_id"].to_string().trim_matches('"').to_owned())
}

/// What an idle socket costs in the server's memory.
pub(super) async fn memory(sockets: usize) -> anyhow::Result<Figure> {
    let server = Server::full(None).await?;
    let tenant = server.tenant("memory").await?;
    // The first sockets pay for what is made once.
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(connect(&server, &tenant).await?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.memory_kib()?;
    for _ in 0..sockets {
        open.push(connect(&server, &tenant).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = server.memory_kib()?;
    #[expect(clippy::cast_precision_loss, reason = "a count of sockets")]
    let each = (after - before) / sockets as f64;
    let note = format!("{sockets} sockets; server at {:.0} MiB", after / 1024.0);
    Ok(figure("idle socket", each, "KiB", note))
}
