//! The live connection over AMI: one TCP session that hears every call. What the messages say is
//! [`super::ami`]'s matter.
//!
//! * The secret is never sent: the login answers a challenge (MD5, which is what AMI offers). The
//!   session itself is plain text; it belongs on a private network.
//! * Asterisk sends times only with `timestampevents=yes`. Where they are absent the time of
//!   receipt is written into the message, so that a recorded message can be read again later.
//! * There is no replay: after the login all channels are listed, and events wait meanwhile.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::{
    Adapter, ConnectionContext, LinkError, LinkState, NotificationSink,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Asterisk;
use super::ami::Block;
use super::config::AmiAccess;
use super::link::{KEEP_ALIVE, MAX_WAITING, PATIENCE, SILENT_TICKS, stalled, too_much};
use super::listing::{ACTIONS, Listing, Progress};
use super::live_ari::retry;

/// The longest message; real ones have two kilobytes.
const MAX_MESSAGE: usize = 64 * 1024;
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
    let at = format!("{} port {}", access.host, access.port);
    let stream = timeout(
        PATIENCE,
        TcpStream::connect((access.host.as_str(), access.port)),
    )
    .await
    .map_err(|_| retry(&format!("cannot reach the PBX at {at}: no answer")))?
    .map_err(|error| retry(&format!("cannot reach the PBX at {at}: {error}")))?;
    let (reader, mut writer) = stream.into_split();
    let mut messages = Messages {
        reader: BufReader::new(reader),
        pending: Vec::new(),
        seen: 0,
    };
    timeout(PATIENCE, login(&mut messages, &mut writer, access))
        .await
        .map_err(|_| retry("the PBX did not answer the login in time"))??;
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

async fn login(
    messages: &mut Messages<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    access: &AmiAccess,
) -> Result<(), LinkError> {
    let greeting = messages.line().await?;
    if !greeting.starts_with(b"Asterisk Call Manager/") {
        return Err(LinkError::Misconfigured(
            "this is not the port of an Asterisk manager: see `ami_host` and `ami_port`".to_owned(),
        ));
    }
    say(
        writer,
        "Action: Challenge\r\nActionID: sh-challenge\r\nAuthType: MD5\r\n\r\n",
    )
    .await?;
    let answer = messages.answer("sh-challenge").await?;
    let text = String::from_utf8_lossy(&answer);
    let block = Block::parse(&text);
    let Some(challenge) = block.get("Challenge") else {
        return Err(retry("the PBX offers no challenge to log in with"));
    };
    let mut hash = Md5::new();
    hash.update(challenge.as_bytes());
    hash.update(access.secret.expose().as_bytes());
    let mut key = String::with_capacity(32);
    for byte in hash.finalize() {
        let _ = write!(key, "{byte:02x}");
    }
    let user = &access.user;
    say(
        writer,
        &format!(
            "Action: Login\r\nActionID: sh-login\r\nAuthType: MD5\r\nUsername: {user}\r\n\
             Key: {key}\r\nEvents: {EVENTS}\r\n\r\n"
        ),
    )
    .await?;
    let answer = messages.answer("sh-login").await?;
    let text = String::from_utf8_lossy(&answer);
    if Block::parse(&text).get("Response") == Some("Success") {
        return Ok(());
    }
    Err(LinkError::Misconfigured(
        "the PBX refused the user name or secret, or does not permit our address: compare \
         `username`, `password` and `permit` with manager.conf"
            .to_owned(),
    ))
}

async fn say(writer: &mut (impl AsyncWrite + Unpin), text: &str) -> Result<(), LinkError> {
    match timeout(PATIENCE, writer.write_all(text.as_bytes())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(broke(&error)),
        Err(_) => Err(stalled()),
    }
}

/// Messages out of a stream of bytes. What was read is kept here, so that waiting for a message
/// may be broken off at any time.
struct Messages<R> {
    reader: BufReader<R>,
    pending: Vec<u8>,
    /// How much of `pending` has been searched for an end.
    seen: usize,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// The next message, without the empty line that ends it.
    async fn next(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            if let Some((length, ending)) = end_of_message(&self.pending, self.seen) {
                let rest = self.pending.split_off(length + ending);
                let mut message = std::mem::replace(&mut self.pending, rest);
                message.truncate(length);
                self.seen = 0;
                if !message.iter().all(u8::is_ascii_whitespace) {
                    return Ok(message);
                }
                continue;
            }
            self.seen = self.pending.len().saturating_sub(3);
            self.more().await?;
        }
    }

    /// The answer to one of our actions; events before it are passed over.
    async fn answer(&mut self, action: &str) -> Result<Vec<u8>, LinkError> {
        loop {
            let message = self.next().await?;
            let text = String::from_utf8_lossy(&message);
            let block = Block::parse(&text);
            if block.get("Response").is_some() && block.get("ActionID") == Some(action) {
                return Ok(message);
            }
        }
    }

    /// One line, for the greeting, which no empty line follows.
    async fn line(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                return Ok(std::mem::replace(&mut self.pending, rest));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), LinkError> {
        let chunk = self
            .reader
            .fill_buf()
            .await
            .map_err(|error| broke(&error))?;
        if chunk.is_empty() {
            return Err(retry("the PBX closed the connection"));
        }
        // Complete messages are taken out before more is read: this is one without an end.
        if self.pending.len() > MAX_MESSAGE {
            return Err(retry(
                "the PBX sent a message without an end; is this the AMI port?",
            ));
        }
        self.pending.extend_from_slice(chunk);
        let taken = chunk.len();
        self.reader.consume(taken);
        Ok(())
    }
}

/// Where the first message ends, and how long its ending is.
fn end_of_message(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(from..)?;
    rest.windows(2)
        .position(|pair| pair == b"\n\n")
        .map(|at| (from + at + 1, 1))
        .into_iter()
        .chain(
            rest.windows(4)
                .position(|four| four == b"\r\n\r\n")
                .map(|at| (from + at + 2, 2)),
        )
        .min()
}

fn broke(error: &std::io::Error) -> LinkError {
    retry(&format!("the connection to the PBX broke: {error}"))
}
