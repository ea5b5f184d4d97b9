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
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::{ConnectionContext, LinkError, NotificationSink};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::config::AriAccess;
use super::hearing::{Heard, Hearing};
use super::link::{KEEP_ALIVE, PATIENCE, SILENT_TICKS, stalled};
use super::rest::{Http, unreachable_pbx};
use super::resync;
use crate::upgrade::{Refusal, Socket, upgrade};

/// The largest event; real ones have a few kilobytes.
const MAX_FRAME: usize = 1024 * 1024;

/// Connects once, and stays until the link breaks or `stop` is cancelled.
pub(super) async fn run(
    connection: &ConnectionContext,
    access: &AriAccess,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let http = Http::new(access)?;
    let socket = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        socket = timeout(PATIENCE, open(&http)) => {
            socket.map_err(|_| retry("the PBX did not answer the WebSocket handshake in time"))??
        }
    };
    let (mut writer, mut reader) = socket.split();
    let gap_from = sink.last_heard();
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = listen(connection, &http, sink, (&mut writer, &mut reader), gap_from) => {
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
    http: &Http<'_>,
    sink: &dyn NotificationSink,
    (writer, reader): Halves<'_>,
    gap_from: Option<Timestamp>,
) -> Result<(), LinkError> {
    let mut ticks = interval(KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut silent = 0;
    let app = http.access.app.as_str();
    let snapshot = resync::ari(connection, app, http, sink, gap_from);
    tokio::pin!(snapshot);
    let mut hearing = Hearing::new(connection, sink);
    loop {
        tokio::select! {
            signals = &mut snapshot, if hearing.is_listing() => hearing.listed(signals?).await,
            message = reader.next() => {
                silent = 0;
                let Some(frame) = frame_of(message)? else { continue };
                if hearing.frame(frame).await? == Heard::Replaced {
                    return Err(replaced(app));
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

/// Opens `GET /ari/events`.
async fn open(http: &Http<'_>) -> Result<Socket, LinkError> {
    let access = http.access;
    let mut url = access.base.clone();
    url.set_path(&format!("{}ari/events", access.base.path()));
    url.query_pairs_mut()
        .append_pair("app", &access.app)
        .append_pair("subscribeAll", "true");
    let request = http.client.get(url);
    let request = request.basic_auth(&access.user, Some(access.password.expose()));
    upgrade(request, MAX_FRAME)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Broken(error) => unreachable_pbx(access, &error).link(),
            Refusal::Status(status) => refused(status),
            Refusal::NoWebSocket => {
                retry("the answer to the WebSocket handshake is not from a WebSocket server")
            }
        })
}

/// What a status other than the expected one means to the administrator.
pub(super) fn refused(status: u16) -> LinkError {
    match status {
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

/// Another client took our application's name.
pub(super) fn replaced(app: &str) -> LinkError {
    retry(&format!(
        "another system has connected to the PBX as application `{app}`: give this connection an \
         `app` name of its own, or stop the other one"
    ))
}

pub(super) fn retry(reason: &str) -> LinkError {
    LinkError::Retry(reason.to_owned())
}
