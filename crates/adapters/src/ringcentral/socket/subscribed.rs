//! The subscription over the socket: what is asked, and what the answers mean. There is one for
//! each connection; asking again replaces it. RingCentral says that it renews such subscriptions
//! by itself; where an answer names an end all the same, we renew before it comes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_engine::command::CommandError;
use tokio::time::Instant;

use super::super::subscription::{self, Seen};
use super::super::{api, subscription::ROOT};
use super::PATIENCE;
use super::frames::{self, Message};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Subscribe,
    Renew,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Asked {
    id: String,
    what: What,
    /// When it has taken too long.
    pub(super) until: Instant,
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Answer {
    /// Events flow under this subscription; to be renewed then.
    Stands(String, Option<Instant>),
    /// It cannot be renewed: ask for another one.
    Gone,
}

impl Asked {
    fn new(id: String, what: What) -> Self {
        let until = Instant::now() + PATIENCE;
        Self { id, what, until }
    }

    /// Asks for the events we want: the request and its text.
    pub(super) fn subscribe() -> (Self, String) {
        let body = json!({
            "eventFilters": subscription::FILTERS,
            "deliveryMode": { "transportType": "WebSocket" },
        });
        let (id, text) = frames::request(&Method::POST, ROOT, Some(body));
        (Self::new(id, What::Subscribe), text)
    }

    /// Renews a subscription.
    pub(super) fn renew(subscription: &str) -> (Self, String) {
        let path = format!("{ROOT}/{subscription}/renew");
        let (id, text) = frames::request(&Method::POST, &path, None);
        (Self::new(id, What::Renew), text)
    }

    /// True for the message that answers it.
    pub(super) fn is_answered_by(&self, message: &Message<'_>) -> bool {
        self.id == message.meta.message_id
    }

    /// Reads the answer.
    pub(super) fn answer(&self, message: &Message<'_>) -> Result<Answer, CommandError> {
        let json = message.json();
        let good = message.is_success();
        if self.what == What::Renew && !good {
            return Ok(Answer::Gone);
        }
        if !good {
            return Err(api::refusal(message.meta.status.unwrap_or(500), &json));
        }
        let seen = Seen(&json);
        if !api::is_id(seen.id()) || !seen.is_well() {
            return Err(subscription::no_calls());
        }
        Ok(Answer::Stands(seen.id().to_owned(), renew_at(&json)))
    }
}

/// When half of its time is over.
fn renew_at(subscription: &Value) -> Option<Instant> {
    let left = subscription.get("expiresIn").and_then(Value::as_u64)?;
    let half = Duration::from_secs(left) / 2;
    // A day at most, so that no number of theirs is too large; a connection lasts no longer.
    let half = half.clamp(Duration::from_secs(1), Duration::from_secs(86_400));
    Some(Instant::now() + half)
}
