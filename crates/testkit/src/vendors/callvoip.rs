//! The API that the predecessor's set-up document describes for CallVoip, with the ways of steering
//! a call that its vendor lists without showing them (a table of contents is all there is in
//! public): bearer or header key, JSON bodies, a hundred calls a second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Answered, Asked, Field, Kind, Vendor, Window, check, optional, required};

/// The most calls a second.
pub const CALLS_PER_SECOND: usize = 100;

const CALL: &[Field] = &[
    required("extension", Kind::Text),
    required("target", Kind::Text),
    optional("callerId", Kind::Text),
];
const TRANSFER: &[Field] = &[required("to", Kind::Text)];

/// A call it placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// `callId`.
    pub id: String,
    /// Whose telephone rings.
    pub extension: String,
    /// Who is dialled.
    pub target: String,
    /// What it does now: `talking`, `held`, `transferred`.
    pub state: String,
}

/// The API.
#[derive(Debug)]
pub struct CallVoip {
    /// The key it accepts.
    pub key: String,
    /// True when the key is expected in `x-api-key`.
    pub key_in_header: bool,
    /// False when the answer to a placed call names no id.
    pub names_calls: bool,
    calls: Mutex<Vec<Placed>>,
    window: Mutex<Window>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallVoip {
    /// An API that accepts that key as a bearer token.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            key_in_header: false,
            names_calls: true,
            calls: Mutex::default(),
            window: Mutex::new(Window::new(CALLS_PER_SECOND, Duration::from_secs(1))),
        }
    }

    /// The calls it placed.
    #[must_use]
    pub fn calls(&self) -> Vec<Placed> {
        lock(&self.calls).clone()
    }

    fn place(&self, asked: &Asked) -> Answered {
        let body = asked.json();
        if let Err(problem) = check(&body, CALL) {
            return Answered::json(422, json!({ "message": problem }));
        }
        if let Err(wait) = lock(&self.window).take() {
            let wait = wait.as_secs().max(1).to_string();
            let body = json!({ "message": "too many requests" });
            return Answered::json(429, body).with("retry-after", wait);
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let mut calls = lock(&self.calls);
        let id = format!("new-call-{}", calls.len() + 1);
        calls.push(Placed {
            id: id.clone(),
            extension: text("extension"),
            target: text("target"),
            state: "talking".to_owned(),
        });
        if self.names_calls {
            Answered::json(201, json!({ "callId": id }))
        } else {
            Answered::json(202, json!({ "accepted": true }))
        }
    }

    fn steer(&self, asked: &Asked, id: &str, action: &str) -> Answered {
        let mut calls = lock(&self.calls);
        let Some(at) = calls.iter().position(|call| call.id == id) else {
            return Answered::json(404, json!({ "message": "no such call" }));
        };
        let body = asked.json();
        let (from, to) = match (asked.method.as_str(), action) {
            ("DELETE", "") => {
                calls.remove(at);
                return Answered::empty(204);
            }
            ("POST", "hold") => ("talking", "held"),
            ("POST", "resume") => ("held", "talking"),
            ("POST", "transfer") => match check(&body, TRANSFER) {
                Ok(()) => ("talking", "transferred"),
                Err(problem) => return Answered::json(422, json!({ "message": problem })),
            },
            _ => return Answered::json(405, Value::Null),
        };
        let call = &mut calls[at];
        if call.state != from {
            return Answered::json(
                409,
                json!({ "message": format!("the call is {}", call.state) }),
            );
        }
        to.clone_into(&mut call.state);
        Answered::empty(204)
    }
}

#[async_trait]
impl Vendor for CallVoip {
    async fn answer(&self, asked: &Asked) -> Answered {
        let given = if self.key_in_header {
            asked.header("x-api-key")
        } else {
            asked.bearer()
        };
        if given != Some(&self.key) {
            return Answered::json(401, json!({ "message": "unauthorized" }));
        }
        let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["extensions"]) => Answered::json(200, json!([{ "in_number": "100" }])),
            ("POST", ["calls"]) => self.place(asked),
            (_, ["calls", id]) => self.steer(asked, id, ""),
            (_, ["calls", id, action]) => self.steer(asked, id, action),
            _ => Answered::json(404, json!({ "message": "not found" })),
        }
    }
}
