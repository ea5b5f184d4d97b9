//! One WebSocket on the wire: small buffers, large messages in pieces, and no wait without end.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::protocol::{Close, MAX_MESSAGE};
use super::watch::Ticket;

/// What clients send is short; what does not fit is read in several goes.
const READ_BUFFER: usize = 512;
/// Messages are cut into frames of this size. The library copies a frame before it is written
/// and never gives that memory back, so this bounds what an idle socket keeps.
const PIECE: usize = 4 * 1024;
/// How long the client has to read the close frame.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A socket.
pub(crate) struct Socket(WebSocketStream<TokioIo<Upgraded>>);

/// What a client sent.
pub(crate) enum Heard {
    /// A text for us.
    Text(String),
    /// A sign of life.
    Alive,
}

impl Socket {
    pub(crate) async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(PIECE * 4)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let io = TokioIo::new(upgraded);
        Self(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await)
    }

    /// What the client says next. May be dropped while it waits.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Close> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Ok(Heard::Text(text.as_str().to_owned())),
            Some(Ok(Message::Close(_))) | None => Err(Close::Gone),
            Some(Ok(_)) => Ok(Heard::Alive),
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                Err(Close::TooLarge)
            }
            Some(Err(_)) => Err(Close::Gone),
        }
    }

    /// Sends a text that is known to be UTF-8. Waits at most `longest` for each piece, and not
    /// at all when the ticket ends.
    pub(crate) async fn say(
        &mut self,
        text: Bytes,
        ticket: &mut Ticket,
        longest: Duration,
    ) -> Result<(), Close> {
        let count = text.len().div_ceil(PIECE).max(1);
        for index in 0..count {
            let piece = text.slice(index * PIECE..((index + 1) * PIECE).min(text.len()));
            let kind = if index == 0 {
                Data::Text
            } else {
                Data::Continue
            };
            let frame = Frame::message(piece, OpCode::Data(kind), index + 1 == count);
            self.send(Message::Frame(frame), ticket, longest).await?;
        }
        Ok(())
    }

    /// Asks whether the client is still there.
    pub(crate) async fn ping(
        &mut self,
        ticket: &mut Ticket,
        longest: Duration,
    ) -> Result<(), Close> {
        self.send(Message::Ping(Bytes::new()), ticket, longest)
            .await
    }

    async fn send(
        &mut self,
        message: Message,
        ticket: &mut Ticket,
        longest: Duration,
    ) -> Result<(), Close> {
        tokio::select! {
            biased;
            sent = self.0.send(message) => sent.map_err(|_| Close::Gone),
            end = ended(ticket) => Err(end),
            () = tokio::time::sleep(longest) => Err(Close::TooSlow),
        }
    }

    /// Says why and hangs up.
    pub(crate) async fn close(mut self, why: Close) {
        let frame = why.frame().map(|(code, reason)| CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        });
        let says_why = frame.is_some();
        let farewell = async {
            // Without a reason this still answers the client's own close frame.
            if self.0.close(frame).await.is_ok() && says_why {
                // Until the client's own close frame, so that it reads ours before the end.
                while let Some(Ok(_)) = self.0.next().await {}
            }
        };
        // A client that does not read is left.
        let _ = tokio::time::timeout(CLOSE_TIME, farewell).await;
    }
}

/// Waits until the ticket ends.
pub(crate) async fn ended(ticket: &mut Ticket) -> Close {
    match ticket.wait_for(Option::is_some).await {
        Ok(end) => end.unwrap_or(Close::GoingAway),
        // The watch is gone, and with it the server.
        Err(_) => Close::GoingAway,
    }
}
