//! Frames of an ARI socket on their way to the sink, whoever opened it: which are handed on, and
//! that they wait while the calls in progress are listed.

use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{
    Adapter, ConnectionContext, LinkError, LinkState, NotificationSink,
};

use super::Asterisk;
use super::link::{MAX_WAITING, too_much};

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was dealt with.
    Done,
    /// Another client took our application's name: nothing more will come.
    Replaced,
}

/// Frames on their way.
pub(super) struct Hearing<'a> {
    connection: &'a ConnectionContext,
    sink: &'a dyn NotificationSink,
    waiting: Option<Vec<Vec<u8>>>,
}

impl<'a> Hearing<'a> {
    /// While the calls in progress are listed.
    pub(super) fn new(connection: &'a ConnectionContext, sink: &'a dyn NotificationSink) -> Self {
        Self {
            connection,
            sink,
            waiting: Some(Vec::new()),
        }
    }

    /// True until [`Self::listed`].
    pub(super) fn is_listing(&self) -> bool {
        self.waiting.is_some()
    }

    /// The calls in progress are known: they go first, then what waited, then the link is up.
    pub(super) async fn listed(&mut self, signals: Vec<Signal>) {
        self.sink.signals("snapshot", signals).await;
        for frame in self.waiting.take().unwrap_or_default() {
            self.sink.frame(frame).await;
        }
        self.sink.link(LinkState::Up).await;
    }

    /// Takes in a frame. Most say nothing about a call; there are dozens of these a call, and
    /// among them the keys that callers press, which may be PINs: they go no further. What
    /// cannot be read is handed on, so that it is recorded.
    pub(super) async fn frame(&mut self, frame: Vec<u8>) -> Result<Heard, LinkError> {
        match Asterisk.decode(&frame, self.connection) {
            Ok(decoded) if decoded.event == "ApplicationReplaced" => return Ok(Heard::Replaced),
            Ok(decoded) if decoded.signals.is_empty() => return Ok(Heard::Done),
            Ok(_) | Err(_) => {}
        }
        match self.waiting.as_mut() {
            Some(waiting) if waiting.len() < MAX_WAITING => waiting.push(frame),
            Some(_) => return Err(too_much()),
            None => self.sink.frame(frame).await,
        }
        Ok(Heard::Done)
    }
}
