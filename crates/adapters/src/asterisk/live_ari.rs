//! The live connection over ARI: one WebSocket that hears every call, and a few requests after it
//! is up. What the frames say is [`super::ari`]'s matter.
//!
//! * The handshake goes through the HTTP client, so that certificates, time limits and status
//!   codes are handled in one place. A `read_only=yes` user may listen (`res_ari.c` asks for
//!   writing rights on PUT, POST and DELETE only).
//! * The subscription stands before the list of channels is asked for; what arrives meanwhile
//!   waits, so that nothing falls between the two.
//! * Asterisk never pings (`res_http_websocket.c`): we do, and leave a link that stays silent.
//! * After `ApplicationReplaced` Asterisk leaves the socket open and silent: we close it.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, StatusCode, Upgraded, header};
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::{
    Adapter, ConnectionContext, LinkError, LinkState, NotificationSink,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use super::config::AriAccess;
use super::link::{KEEP_ALIVE, MAX_WAITING, PATIENCE, SILENT_TICKS, stalled, too_much};
use super::{Asterisk, resync};

/// The largest event; real ones have a few kilobytes.
const MAX_FRAME: usize = 1024 * 1024;

type Socket = WebSocketStream<Upgraded>;

/// Connects once, and stays until the link breaks or `stop` is cancelled.
pub(super) async fn run(
    connection: &ConnectionContext,
    access: &AriAccess,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let client = client(access)?;
    let socket = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        socket = timeout(PATIENCE, open(&client, access)) => {
            socket.map_err(|_| retry("the PBX did not answer the WebSocket handshake in time"))??
        }
    };
    let (mut writer, mut reader) = socket.split();
    let gap_from = sink.last_heard();
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = listen(connection, access, &client, sink, (&mut writer, &mut reader), gap_from) => {
            ended
        }
    };
    // A polite end; the PBX may be gone, so it is given a moment and no more.
    let _ = timeout(Duration::from_secs(1), writer.close()).await;
    ended
}

type Halves<'s> = (
    &'s mut SplitSink<Socket, Message>,
    &'s mut SplitStream<Socket>,
);

async fn listen(
    connection: &ConnectionContext,
    access: &AriAccess,
    client: &Client,
    sink: &dyn NotificationSink,
    (writer, reader): Halves<'_>,
    gap_from: Option<Timestamp>,
) -> Result<(), LinkError> {
    let mut ticks = interval(KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut silent = 0;
    let snapshot = resync::ari(connection, access, client, sink, gap_from);
    tokio::pin!(snapshot);
    let mut waiting: Option<Vec<Vec<u8>>> = Some(Vec::new());
    loop {
        tokio::select! {
            signals = &mut snapshot, if waiting.is_some() => {
                sink.signals("snapshot", signals?).await;
                for frame in waiting.take().unwrap_or_default() {
                    sink.frame(frame).await;
                }
                sink.link(LinkState::Up).await;
            }
            message = reader.next() => {
                silent = 0;
                let Some(frame) = frame_of(message)? else { continue };
                match sort(&frame, connection) {
                    Sorted::Noise => {}
                    Sorted::Replaced => return Err(replaced(access)),
                    Sorted::Wanted => match waiting.as_mut() {
                        Some(waiting) if waiting.len() < MAX_WAITING => waiting.push(frame),
                        Some(_) => return Err(too_much()),
                        None => sink.frame(frame).await,
                    },
                }
            }
            _ = ticks.tick() => {
                if silent >= SILENT_TICKS {
                    return Err(stalled());
                }
                silent += 1;
                let ping = writer.send(Message::Ping(Vec::new().into()));
                match timeout(PATIENCE, ping).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(retry("the PBX closed the connection")),
                    Err(_) => return Err(stalled()),
                }
            }
        }
    }
}

/// What is to be done with a frame.
enum Sorted {
    /// Handed on; what cannot be read too, so that it is recorded.
    Wanted,
    /// Says nothing about a call. There are dozens of these a call, and among them the keys that
    /// callers press, which may be PINs: they go no further.
    Noise,
    /// Another client took our application's name.
    Replaced,
}

fn sort(frame: &[u8], connection: &ConnectionContext) -> Sorted {
    match Asterisk.decode(frame, connection) {
        Ok(decoded) if decoded.event == "ApplicationReplaced" => Sorted::Replaced,
        Ok(decoded) if decoded.signals.is_empty() => Sorted::Noise,
        Ok(_) | Err(_) => Sorted::Wanted,
    }
}

/// The bytes of a frame that carries any; `None` for the protocol's own.
fn frame_of(
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Result<Option<Vec<u8>>, LinkError> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_bytes().to_vec())),
        Some(Ok(Message::Binary(bytes))) => Ok(Some(bytes.to_vec())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(_))) | None => Err(retry("the PBX closed the connection")),
        Some(Err(error)) => Err(retry(&format!("the connection to the PBX broke: {error}"))),
    }
}

fn client(access: &AriAccess) -> Result<Client, LinkError> {
    Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(PATIENCE)
        .tls_danger_accept_invalid_certs(!access.verify_tls)
        .build()
        .map_err(|error| LinkError::Misconfigured(format!("no HTTP client: {error}")))
}

/// The WebSocket handshake (RFC 6455 §4.1) of `GET /ari/events`.
async fn open(client: &Client, access: &AriAccess) -> Result<Socket, LinkError> {
    let mut url = access.base.clone();
    url.set_path(&format!("{}ari/events", access.base.path()));
    url.query_pairs_mut()
        .append_pair("app", &access.app)
        .append_pair("subscribeAll", "true");
    let key = generate_key();
    let response = client
        .get(url)
        .basic_auth(&access.user, Some(access.password.expose()))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .send()
        .await
        .map_err(|error| unreachable_pbx(access, &error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(response.status()));
    }
    let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accept.map(|value| value.as_bytes()) != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(retry(
            "the answer to the WebSocket handshake is not from a WebSocket server",
        ));
    }
    let stream = response
        .upgrade()
        .await
        .map_err(|error| unreachable_pbx(access, &error))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}

/// What a status other than the expected one means to the administrator.
pub(super) fn refused(status: StatusCode) -> LinkError {
    match status.as_u16() {
        401 => LinkError::Misconfigured(
            "the PBX refused the user name or password: compare `username` and `password` with \
             ari.conf"
                .to_owned(),
        ),
        403 => LinkError::Misconfigured(
            "the PBX does not let this user listen: look at its entry in ari.conf and at \
             http.conf"
                .to_owned(),
        ),
        // A PBX that is starting answers so until its ARI modules are loaded.
        404 => LinkError::Retry(
            "there is no ARI at this address: see that http.conf and ari.conf say enabled=yes, \
             that res_ari_events is loaded, and that `url` bears the prefix of http.conf"
                .to_owned(),
        ),
        300..=399 => LinkError::Misconfigured(
            "the address answers with a redirect: enter the address it leads to".to_owned(),
        ),
        code => retry(&format!("the PBX answered with HTTP status {code}")),
    }
}

/// Why a request did not come through, without the address and its query.
pub(super) fn unreachable_pbx(access: &AriAccess, error: &reqwest::Error) -> LinkError {
    let host = access.base.host_str().unwrap_or_default();
    let port = access.base.port_or_known_default().unwrap_or_default();
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    retry(&format!(
        "cannot reach the PBX at {host} port {port}: {reason}"
    ))
}

fn replaced(access: &AriAccess) -> LinkError {
    retry(&format!(
        "another system has connected to the PBX as application `{}`: give this connection an \
         `app` name of its own, or stop the other one",
        access.app
    ))
}

pub(super) fn retry(reason: &str) -> LinkError {
    LinkError::Retry(reason.to_owned())
}
