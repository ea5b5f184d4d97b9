//! Stand-ins for vendors' REST APIs: real HTTP servers on a free port, each written from what its
//! vendor publishes and from nothing of ours, so that an adapter that misreads the vendor fails
//! here. This module holds what they share: the server, the record of what was asked, faults on
//! demand, rate limits, and the check of a body against the vendor's fields.

pub mod callvoip;
pub mod dialpad;
mod fields;
pub mod openconnector;
pub mod ringcentral;
mod server;
pub mod wildix;

use std::time::{Duration, Instant};

use serde_json::Value;
use switchhook_engine::outbound::{Guard, Policy};

pub use fields::{Field, Kind, check, optional, required};
pub use server::{StandIn, Vendor};

/// A way out for those who ask stand-ins, which are on this machine.
///
/// # Panics
/// Never: the address is fixed.
#[must_use]
#[expect(clippy::expect_used, reason = "the address is fixed")]
pub fn loopback() -> Guard {
    Guard::new(Policy::allowing("127.0.0.1").expect("an address"))
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, decoded no further than it came.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first query parameter of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        query
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The token of `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as a form, decoded, in order.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        server::pairs(&String::from_utf8_lossy(&self.body))
    }
}

/// What a vendor answers.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// JSON; nothing for `Null`.
    pub body: Value,
}

impl Answered {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::json(status, Value::Null)
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What goes wrong with the next request that fits ([`StandIn::fail`]).
#[derive(Clone, Debug)]
pub enum Fault {
    /// This is answered, and nothing is done.
    Answer(Answered),
    /// It is done, but takes this long.
    Slow(Duration),
    /// The connection breaks before anything is done.
    Drop,
    /// It is done, and the connection breaks before the answer.
    LoseAnswer,
}

/// Requests of one group within a stretch of time, on real time: as many as the vendor allows,
/// then "too many" until the oldest is past.
#[derive(Debug)]
pub struct Window {
    requests: usize,
    every: Duration,
    seen: Vec<Instant>,
}

impl Window {
    /// So many requests in so long.
    #[must_use]
    pub fn new(requests: usize, every: Duration) -> Self {
        let seen = Vec::new();
        Self {
            requests,
            every,
            seen,
        }
    }

    /// Counts a request; when there are too many, how long to wait.
    ///
    /// # Errors
    /// The wait, when there are too many.
    pub fn take(&mut self) -> Result<(), Duration> {
        self.seen.retain(|at| at.elapsed() < self.every);
        if self.seen.len() < self.requests {
            self.seen.push(Instant::now());
            return Ok(());
        }
        let oldest = self.seen.first().map(Instant::elapsed);
        Err(self.every.saturating_sub(oldest.unwrap_or_default()))
    }
}
