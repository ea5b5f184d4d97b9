//! The WebSocket that the PBX opens to us (`ari.conf`, `type=outbound_websocket`; Asterisk 20.15,
//! 22.5, 23.0 and later): events come in on it, and requests to ARI go out on it, which is the
//! only way to a PBX behind NAT. Who may open one is decided before ([`super::verify`]).
//!
//! A request is `{"type":"RESTRequest",…}`, its answer `{"type":"RESTResponse",…}` with the same
//! `request_id`. The framework's sockets carry text only, so a link is kept alive by asking for
//! `asterisk/ping`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use switchhook_domain::id::ConnectionId;
use switchhook_engine::adapter::{ConnectionContext, FrameSocket, LinkError, NotificationSink};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::hearing::{Heard, Hearing};
use super::link::{KEEP_ALIVE, PATIENCE, SILENT_TICKS, stalled};
use super::live_ari::{replaced, retry};
use super::rest::{Answer, Ask, Rest, Trouble};
use super::{config, resync};

/// How many requests may wait for the socket.
const MAX_REQUESTS: usize = 64;

/// The way to each PBX that has a socket open to this process: commands come from elsewhere than
/// the task that serves the socket.
static LANES: LazyLock<Mutex<HashMap<ConnectionId, Lane>>> = LazyLock::new(Mutex::default);
/// Tells the lanes of one connection apart, so that an old one does not take a new one away.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A request on its way, and where its answer goes.
struct Pending {
    ask: Ask,
    answer: oneshot::Sender<Answer>,
}

/// A way to ask ARI over a socket that is open now.
#[derive(Clone)]
pub(super) struct Lane {
    number: u64,
    requests: mpsc::Sender<Pending>,
}

/// The lane of a connection, while its PBX has a socket open to us.
pub(super) fn lane(connection: ConnectionId) -> Option<Lane> {
    let lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
    lanes.get(&connection).cloned()
}

#[async_trait]
impl Rest for Lane {
    async fn ask(&self, ask: Ask) -> Result<Answer, Trouble> {
        let (answer, answered) = oneshot::channel();
        let pending = Pending { ask, answer };
        if self.requests.try_send(pending).is_err() {
            let reason = "the PBX's connection to us has just been closed, or is too busy";
            return Err(Trouble::Unreachable(reason.to_owned()));
        }
        match timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Trouble::Lost(
                "the PBX's connection to us was closed before it answered".to_owned(),
            )),
            Err(_) => Err(Trouble::Lost("the PBX did not answer in time".to_owned())),
        }
    }
}

/// Serves one socket until it breaks or `stop` is cancelled.
pub(super) async fn serve(
    connection: &ConnectionContext,
    mut socket: Box<dyn FrameSocket>,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let app = config::app(connection).map_err(|e| LinkError::Misconfigured(e.to_string()))?;
    let (sender, requests) = mpsc::channel(MAX_REQUESTS);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let lane = Lane {
        number,
        requests: sender,
    };
    put(connection.id, lane.clone());
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = listen(connection, app, &lane, sink, (&mut *socket, requests)) => ended,
    };
    take(connection.id, number);
    ended
}

fn put(connection: ConnectionId, lane: Lane) {
    let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
    lanes.insert(connection, lane);
}

fn take(connection: ConnectionId, number: u64) {
    let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
    if lanes.get(&connection).is_some_and(|l| l.number == number) {
        lanes.remove(&connection);
    }
}

async fn listen(
    connection: &ConnectionContext,
    app: &str,
    lane: &Lane,
    sink: &dyn NotificationSink,
    (socket, mut requests): (&mut dyn FrameSocket, mpsc::Receiver<Pending>),
) -> Result<(), LinkError> {
    let mut ticks = interval(KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut silent = 0;
    let snapshot = resync::ari(connection, app, lane, sink, sink.last_heard());
    tokio::pin!(snapshot);
    let mut hearing = Hearing::new(connection, sink);
    let mut open = Open::default();
    loop {
        tokio::select! {
            signals = &mut snapshot, if hearing.is_listing() => hearing.listed(signals?).await,
            frame = socket.receive() => {
                silent = 0;
                let frame = frame.ok_or_else(|| retry("the PBX closed its connection to us"))?;
                match open.answered(&frame) {
                    Said::Answer => {}
                    Said::Gone => return Err(taken_away(app)),
                    Said::Event if hearing.frame(frame).await? == Heard::Replaced => {
                        return Err(replaced(app));
                    }
                    Said::Event => {}
                }
            }
            Some(pending) = requests.recv() => {
                let text = open.request(pending);
                say(socket, text).await?;
            }
            _ = ticks.tick() => {
                if silent >= SILENT_TICKS {
                    return Err(stalled());
                }
                silent += 1;
                say(socket, open.ping()).await?;
            }
        }
    }
}

async fn say(socket: &mut dyn FrameSocket, text: String) -> Result<(), LinkError> {
    match timeout(PATIENCE, socket.send(text)).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(retry("the PBX closed its connection to us")),
        Err(_) => Err(stalled()),
    }
}

fn taken_away(app: &str) -> LinkError {
    retry(&format!(
        "the PBX took application `{app}` away from this connection: see that ari.conf names it \
         in one place only"
    ))
}

/// What a frame is.
enum Said {
    Event,
    Answer,
    /// The application is no longer this connection's.
    Gone,
}

/// Requests that wait for their answers.
#[derive(Default)]
struct Open {
    last: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
}

impl Open {
    /// The text of a request.
    fn request(&mut self, pending: Pending) -> String {
        self.waiting.retain(|_, waiting| !waiting.is_closed());
        self.last += 1;
        self.waiting.insert(self.last, pending.answer);
        request(self.last, &pending.ask)
    }

    /// A sign of life; nobody waits for its answer.
    fn ping(&mut self) -> String {
        self.last += 1;
        request(self.last, &Ask::get("asterisk/ping"))
    }

    /// Hands an answer to whoever waits for it.
    fn answered(&mut self, frame: &[u8]) -> Said {
        #[derive(serde::Deserialize)]
        struct Head<'a> {
            #[serde(borrow, rename = "type")]
            kind: std::borrow::Cow<'a, str>,
        }
        let kind = serde_json::from_slice::<Head<'_>>(frame).map(|head| head.kind);
        match kind.as_deref() {
            Ok("RESTResponse") => {}
            Ok("ApplicationUnregistered") => return Said::Gone,
            Ok(_) | Err(_) => return Said::Event,
        }
        let answer: Value = serde_json::from_slice(frame).unwrap_or_default();
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let id = text("request_id").and_then(|id| id.parse().ok());
        if let Some(waiting) = id.and_then(|id: u64| self.waiting.remove(&id)) {
            let status = answer.get("status_code").and_then(Value::as_u64);
            let status = status.and_then(|status| u16::try_from(status).ok());
            // Whoever asked may have given up.
            let _ = waiting.send(Answer {
                status: status.unwrap_or_default(),
                body: text("message_body").unwrap_or_default().into(),
            });
        }
        Said::Answer
    }
}

/// A request as it goes out.
fn request(id: u64, ask: &Ask) -> String {
    let mut message = json!({
        "type": "RESTRequest",
        "transaction_id": format!("switchhook-{id}"),
        "request_id": id.to_string(),
        "method": ask.method.as_str(),
        "uri": ask.path,
    });
    if !ask.query.is_empty() {
        let pairs = ask.query.iter();
        let pairs: Vec<Value> = pairs
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        message["query_strings"] = pairs.into();
    }
    if let Some(body) = &ask.body {
        message["content_type"] = "application/json".into();
        message["message_body"] = body.to_string().into();
    }
    message.to_string()
}
