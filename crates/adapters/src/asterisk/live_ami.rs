//! The live connection over AMI: one TCP session that hears every call. What the messages say is
//! [`super::ami`]'s matter, the wire [`super::ami_session`]'s.
//!
//! * Asterisk sends times only with `timestampevents=yes`. Where they are absent the time of
//!   receipt is written into the message, so that a recorded message can be read again later.
//! * There is no replay: after the login all channels are listed, and events wait meanwhile.

use switchhook_domain::Timestamp;
use switchhook_engine::adapter::{
    Adapter, ConnectionContext, LinkError, LinkState, NotificationSink,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Asterisk;
use super::ami::Block;
use super::ami_session::{self, Messages, say};
use super::config::AmiAccess;
use super::link::{KEEP_ALIVE, MAX_WAITING, PATIENCE, SILENT_TICKS, stalled, too_much};
use super::listing::{ACTIONS, Listing, Progress};
use super::live_ari::retry;

/// The classes of events we need: calls, queues, own events of the dialplan, and the dialplan
/// itself, which alone tells of voicemail and recordings. The user's `read=` decides.
const EVENTS: &str = "system,call,agent,user,dialplan";

/// Connects once, and stays until the session breaks or `stop` is cancelled.
pub(super) async fn run(
    connection: &ConnectionContext,
    access: &AmiAccess,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = session(connection, access, sink) => ended,
    }
}

async fn session(
    connection: &ConnectionContext,
    access: &AmiAccess,
    sink: &dyn NotificationSink,
) -> Result<(), LinkError> {
    let (mut messages, mut writer) = ami_session::open(access, EVENTS).await?;
    let gap_from = sink.last_heard();
    say(&mut writer, ACTIONS).await?;
    listen(connection, sink, &mut messages, &mut writer, gap_from).await
}

async fn listen(
    connection: &ConnectionContext,
    sink: &dyn NotificationSink,
    messages: &mut Messages<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    gap_from: Option<Timestamp>,
) -> Result<(), LinkError> {
    let mut ticks = interval(KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut silent = 0;
    let listed_by = Instant::now() + 3 * PATIENCE;
    let mut listing = Some((Listing::default(), Vec::new()));
    loop {
        tokio::select! {
            message = messages.next() => {
                silent = 0;
                let raw = message?;
                let text = String::from_utf8_lossy(&raw);
                let block = Block::parse(&text);
                if block.get("ActionID").is_some() {
                    let Some((answers, _)) = listing.as_mut() else { continue };
                    let progress = answers.take(&block, &raw);
                    if progress == Progress::Going {
                        continue;
                    }
                    let Some((answers, waiting)) = listing.take() else { continue };
                    if progress == Progress::Done {
                        let signals = answers.signals(connection, sink.now(), gap_from);
                        sink.signals("snapshot", signals).await;
                    } else {
                        tracing::warn!("may not list channels; give the AMI user write=reporting");
                    }
                    for frame in waiting {
                        sink.frame(frame).await;
                    }
                    sink.link(LinkState::Up).await;
                } else {
                    let frame = with_time(&block, &raw, sink.now());
                    if !is_wanted(&frame, connection) {
                        continue;
                    }
                    match listing.as_mut() {
                        Some((_, waiting)) if waiting.len() < MAX_WAITING => waiting.push(frame),
                        Some(_) => return Err(too_much()),
                        None => sink.frame(frame).await,
                    }
                }
            }
            () = sleep_until(listed_by), if listing.is_some() => {
                return Err(retry("the PBX did not list its channels in time"));
            }
            _ = ticks.tick() => {
                if silent >= SILENT_TICKS {
                    return Err(stalled());
                }
                silent += 1;
                say(writer, "Action: Ping\r\nActionID: sh-alive\r\n\r\n").await?;
            }
        }
    }
}

/// False for messages that say nothing about a call; there are dozens of these a call, and among
/// them the keys that callers press, which may be PINs: they go no further. What cannot be read is
/// handed on, so that it is recorded.
fn is_wanted(frame: &[u8], connection: &ConnectionContext) -> bool {
    Asterisk
        .decode(frame, connection)
        .map_or(true, |decoded| !decoded.signals.is_empty())
}

/// The message with a time: its own, or that of its receipt.
fn with_time(block: &Block<'_>, raw: &[u8], now: Timestamp) -> Vec<u8> {
    if block.get("Timestamp").is_some() || block.get("Event").is_none() {
        return raw.to_vec();
    }
    let micros = now.as_microsecond();
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let mut frame = raw.to_vec();
    if !frame.ends_with(b"\n") {
        frame.extend_from_slice(b"\r\n");
    }
    frame.extend_from_slice(format!("Timestamp: {seconds}.{rest:06}\r\n").as_bytes());
    frame
}
