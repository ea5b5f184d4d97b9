//! RingCentral's own WebSocket: events without a public address, for servers behind a firewall.
//!
//! A signed-in request gives out a socket ([`mod@open`]); the server says how long things last,
//! we subscribe over the socket ([`mod@subscribed`]), and each event is what a webhook would have
//! carried, so it goes the webhook's way ([`mod@listen`]; shapes in `frames`). After a break the
//! session is gone on with under its name (`memory`), and RingCentral sends what was missed;
//! where that fails, or comes too late, the call log fills the gap (`gap`).
//!
//! Sources: RingCentral's developer guides on WebSockets (`ringcentral/ringcentral-api-docs`,
//! `docs/notifications/websockets/`), its client library (`ringcentral/ringcentral-extensible`,
//! `packages/extensions/ws`) and the recovery experiments of a RingCentral engineer
//! (`tylerlong/rc-ws-recover-test`): a session without a subscription is not recovered
//! (`WSG-1005`), nor one of another sign-in (`WSG-1003`), and an unknown name (`WSG-400`) ends the
//! connection.

mod frames;
mod gap;
mod listen;
mod memory;
mod open;
mod subscribed;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use switchhook_engine::adapter::{LinkError, NotificationSink};
use switchhook_engine::command::{CommandError, Fault, Session};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::upgrade::Socket;
use memory::Memory;

/// How long the handshake, the first message, one request or one write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that ended on schedule is followed by the next at once, when it lasted this long.
const SHORTEST: Duration = Duration::from_secs(1);

/// How a connection came to its end, where nothing is wrong.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// We were told to stop.
    Stopped,
    /// RingCentral ends every connection after a day, and silent ones: the next follows.
    Scheduled(String),
}

/// Stays connected until the link breaks or `stop` is cancelled. An end on schedule is no break.
pub(super) async fn run(
    session: &Session,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let mut memory = Memory::of(sink);
    loop {
        let began = Instant::now();
        let ended = once(session, sink, stop, &mut memory).await;
        memory.leave(sink);
        match ended? {
            End::Stopped => return Ok(()),
            End::Scheduled(reason) if began.elapsed() < SHORTEST => {
                return Err(LinkError::Retry(reason));
            }
            End::Scheduled(reason) => {
                let id = session.connection.id;
                tracing::debug!(connection.id = %id, reason, "the socket is opened anew");
            }
        }
    }
}

/// One connection.
async fn once(
    session: &Session,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
    memory: &mut Memory,
) -> Result<End, LinkError> {
    let recover = memory.recoverable(sink.now());
    let opening = async {
        let ticket = open::ticket(session).await.map_err(broken)?;
        let opened = timeout(PATIENCE, open::open(session, &ticket, recover.as_ref())).await;
        let late = |_| retry("RingCentral did not answer the WebSocket handshake in time");
        opened.map_err(late)?
    };
    let socket: Socket = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(End::Stopped),
        socket = opening => socket?,
    };
    let (mut writer, mut reader) = socket.split();
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(End::Stopped),
        ended = listen::listen(session, sink, memory, (&mut writer, &mut reader)) => ended,
    };
    // A polite end; the other side may be gone, so it is given a moment and no more.
    let _ = timeout(Duration::from_secs(1), writer.close()).await;
    ended
}

/// Asks whether a socket is given out, without opening it.
pub(super) async fn may_open(session: &Session) -> Result<(), CommandError> {
    open::ticket(session).await.map(drop)
}

/// What a request that did not work means to the link.
fn broken(error: CommandError) -> LinkError {
    match error.fault {
        Fault::Credentials | Fault::Permission | Fault::Settings | Fault::NotSupported => {
            LinkError::Misconfigured(error.detail)
        }
        _ => LinkError::Retry(error.detail),
    }
}

fn retry(reason: impl Into<String>) -> LinkError {
    LinkError::Retry(reason.into())
}
