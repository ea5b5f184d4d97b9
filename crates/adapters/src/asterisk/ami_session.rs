//! A session with the Asterisk manager, on the wire: connecting, logging in, cutting the stream
//! into messages. What the messages say is [`super::ami`]'s matter; what is done with a session,
//! [`super::live_ami`]'s and [`super::ami_actions`]'s.
//!
//! The secret is never sent: the login answers a challenge (MD5, which is what AMI offers). The
//! session itself is plain text; it belongs on a private network.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use switchhook_engine::adapter::LinkError;
use switchhook_engine::outbound::{Reach, Refused};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::ami::Block;
use super::config::AmiAccess;
use super::link::{PATIENCE, stalled};
use super::live_ari::retry;

/// The longest message; real ones have two kilobytes.
const MAX_MESSAGE: usize = 64 * 1024;

/// Connects and logs in; `events` are the classes of events that are wanted.
pub(super) async fn open(
    access: &AmiAccess,
    events: &str,
) -> Result<(Messages<OwnedReadHalf>, OwnedWriteHalf), LinkError> {
    let at = format!("{} port {}", access.host, access.port);
    let dialled = access
        .outbound
        .dial(Reach::Pbx, &access.host, access.port)
        .await;
    let stream = dialled.map_err(|error| match Refused::within(&error) {
        Some(refused) => retry(&format!("`ami_host` {refused}")),
        None => retry(&format!("cannot reach the PBX at {at}: {error}")),
    })?;
    let (reader, mut writer) = stream.into_split();
    let mut messages = Messages {
        reader: BufReader::new(reader),
        pending: Vec::new(),
        seen: 0,
    };
    timeout(PATIENCE, login(&mut messages, &mut writer, access, events))
        .await
        .map_err(|_| retry("the PBX did not answer the login in time"))??;
    Ok((messages, writer))
}

async fn login(
    messages: &mut Messages<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    access: &AmiAccess,
    events: &str,
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
             Key: {key}\r\nEvents: {events}\r\n\r\n"
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

/// Sends some bytes, within the time limit.
pub(super) async fn say(
    writer: &mut (impl AsyncWrite + Unpin),
    text: &str,
) -> Result<(), LinkError> {
    match timeout(PATIENCE, writer.write_all(text.as_bytes())).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(broke(&error)),
        Err(_) => Err(stalled()),
    }
}

/// Messages out of a stream of bytes. What was read is kept here, so that waiting for a message
/// may be broken off at any time.
pub(super) struct Messages<R> {
    reader: BufReader<R>,
    pending: Vec<u8>,
    /// How much of `pending` has been searched for an end.
    seen: usize,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// The next message, without the empty line that ends it.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, LinkError> {
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
    pub(super) async fn answer(&mut self, action: &str) -> Result<Vec<u8>, LinkError> {
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
