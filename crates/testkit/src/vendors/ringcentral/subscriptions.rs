//! Webhook subscriptions. Making one calls the address with `Validation-Token` and wants it back
//! within three seconds, in an answer of at most 1,024 bytes, status line and headers included.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{Answered, Asked, Field, Kind, optional, required};
use super::{ACCOUNT, Group, RingCentral, State, error, fitting, limits};

/// How long the webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest answer of a webhook to the first question, in bytes.
const MAX_ANSWER: usize = 1024;
/// The longest a webhook subscription may last, in seconds.
const MAX_LIFE: i64 = 315_360_000;
/// The most subscriptions of one user and app.
const MOST: usize = 20;

/// A subscription over a socket, which is told nothing but what it wants to hear of.
pub(super) const BY_SOCKET: &[Field] = &[
    required("eventFilters", Kind::Texts),
    required(
        "deliveryMode",
        Kind::Object(&[required("transportType", Kind::Word(&["WebSocket"]))]),
    ),
];
const DELIVERY: &[Field] = &[
    required("transportType", Kind::Word(&["WebHook"])),
    required("address", Kind::Text),
    optional("verificationToken", Kind::Text),
];
const CREATE: &[Field] = &[
    required("eventFilters", Kind::Texts),
    required("deliveryMode", Kind::Object(DELIVERY)),
    optional("expiresIn", Kind::Integer),
];
const UPDATE: &[Field] = &[
    required("eventFilters", Kind::Texts),
    optional("expiresIn", Kind::Integer),
];

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    id: String,
    filters: Vec<String>,
    disabled: Vec<Value>,
    address: String,
    token: Option<String>,
    life: i64,
    expires_at: Timestamp,
    blacklisted: Option<String>,
}

impl Subscription {
    fn renew(&mut self, now: Timestamp) {
        self.expires_at = later(now, self.life);
    }

    fn shown(&self, now: Timestamp) -> Value {
        let left = self.expires_at.duration_since(now).as_secs();
        let mut shown = json!({
            "uri": format!("/restapi/v1.0/subscription/{}", self.id), "id": self.id,
            "creationTime": now.to_string(), "status": "Active",
            "eventFilters": self.filters, "disabledFilters": self.disabled,
            "expirationTime": self.expires_at.to_string(), "expiresIn": left,
            "deliveryMode": { "transportType": "WebHook", "encryption": false,
                "address": self.address },
        });
        if let Some(reason) = &self.blacklisted {
            shown["status"] = json!("Blacklisted");
            shown["blacklistedData"] =
                json!({ "blacklistedAt": now.to_string(), "reason": reason });
        }
        shown
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    let later = now.checked_add(SignedDuration::from_secs(seconds));
    later.unwrap_or(Timestamp::MAX)
}

/// The permission a filter needs.
fn permission(filter: &str) -> Option<&'static str> {
    [
        ("/telephony/sessions", "CallControl"),
        ("/presence", "ReadPresence"),
        ("/voicemail", "ReadMessages"),
        ("/message-store", "ReadMessages"),
    ]
    .iter()
    .find(|(part, _)| filter.contains(part))
    .map(|(_, permission)| *permission)
}

/// Filters as they stand afterwards, `~` resolved, and those that are left out.
pub(super) fn resolved(state: &State, body: &Value) -> (Vec<String>, Vec<Value>) {
    let wanted = body["eventFilters"].as_array().cloned().unwrap_or_default();
    let (mut filters, mut disabled) = (Vec::new(), Vec::new());
    for filter in wanted.iter().filter_map(Value::as_str) {
        match permission(filter).filter(|p| state.denied.contains(p)) {
            Some(_) => disabled.push(json!({ "filter": filter, "reason": "SUB-406",
                "message": "Not allowed subscribe for events specified" })),
            None => filters.push(filter.replace("/account/~", &format!("/account/{ACCOUNT}"))),
        }
    }
    (filters, disabled)
}

impl RingCentral {
    pub(super) async fn subscribe(&self, asked: &Asked) -> Answered {
        if let Some(refused) = limits::take(&mut self.state(), Group::Medium) {
            return refused;
        }
        let body = match fitting(asked, CREATE) {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let life = body["expiresIn"].as_i64().unwrap_or(604_799);
        if !(1..=MAX_LIFE).contains(&life) {
            return error(400, "CMN-101", "Parameter [expiresIn] value is invalid");
        }
        let address = body["deliveryMode"]["address"].as_str().unwrap_or_default();
        if self.state().subscriptions.len() >= MOST {
            return error(403, "SUB-505", "Subscriptions limit exceeded");
        }
        // The question is asked while the request is still open.
        if let Err(problem) = echoes(address).await {
            let message = format!("WebHook server response is invalid: {problem}");
            return error(400, "SUB-525", &message);
        }
        let mut state = self.state();
        let now = state.clock.now();
        let (filters, disabled) = resolved(&state, &body);
        let token = body["deliveryMode"]["verificationToken"].as_str();
        let mut subscription = Subscription {
            id: format!("dd2f0ff2-580e-4581-a277-{:012x}", state.next_id()),
            filters,
            disabled,
            address: address.to_owned(),
            token: token.map(str::to_owned),
            life,
            expires_at: now,
            blacklisted: None,
        };
        subscription.renew(now);
        let shown = subscription.shown(now);
        state.subscriptions.push(subscription);
        Answered::json(200, shown)
    }

    /// The ids of the subscriptions that stand, in the order in which they were made.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        let state = self.state();
        state.subscriptions.iter().map(|s| s.id.clone()).collect()
    }

    /// Gives up on the address of every subscription, as after ten minutes of failures.
    pub fn blacklist(&self, reason: &str) {
        for subscription in &mut self.state().subscriptions {
            subscription.blacklisted = Some(reason.to_owned());
        }
    }

    /// Forgets every subscription.
    pub fn forget_subscriptions(&self) {
        self.state().subscriptions.clear();
    }

    /// Lets every subscription run out in so many seconds.
    pub fn expire_subscriptions_in(&self, seconds: i64) {
        let mut state = self.state();
        let until = later(state.clock.now(), seconds);
        for subscription in &mut state.subscriptions {
            subscription.expires_at = until;
        }
    }

    /// Posts an event to every subscription that is well, as RingCentral would; the statuses.
    pub async fn deliver(&self, event: &Value) -> Vec<u16> {
        let receivers: Vec<Subscription> = {
            let state = self.state();
            let all = state.subscriptions.iter();
            all.filter(|s| s.blacklisted.is_none()).cloned().collect()
        };
        let mut statuses = Vec::new();
        for receiver in receivers {
            let token = receiver.token.unwrap_or_default();
            let headers = format!("Verification-Token: {token}\r\n");
            let answer = post(&receiver.address, &headers, &event.to_string()).await;
            statuses.push(answer.map_or(0, |answer| status(&answer)));
        }
        statuses
    }
}

/// Everything of subscriptions but making one.
pub(super) fn kept(state: &mut State, asked: &Asked, rest: &[&str]) -> Answered {
    let changes = matches!(asked.method.as_str(), "PUT" | "DELETE");
    let group = if changes { Group::Medium } else { Group::Light };
    if let Some(refused) = limits::take(state, group) {
        return refused;
    }
    let now = state.clock.now();
    let [id, action @ ..] = rest else {
        let shown = state.subscriptions.iter().map(|s| s.shown(now));
        let records: Vec<Value> = shown.collect();
        return Answered::json(200, json!({ "uri": asked.path, "records": records }));
    };
    let Some(index) = state.subscriptions.iter().position(|s| s.id == *id) else {
        return error(
            404,
            "CMN-102",
            "Resource for parameter [subscriptionId] is not found",
        );
    };
    match (asked.method.as_str(), action) {
        ("DELETE", []) => {
            state.subscriptions.remove(index);
            return Answered::empty(204);
        }
        ("POST", ["renew"]) => {
            if !asked.body.is_empty() {
                return error(400, "CMN-101", "This request takes no body");
            }
        }
        ("PUT", []) if !asked.body.is_empty() => {
            let body = match fitting(asked, UPDATE) {
                Ok(body) => body,
                Err(refused) => return refused,
            };
            let (filters, disabled) = resolved(state, &body);
            if let Some(subscription) = state.subscriptions.get_mut(index) {
                subscription.filters = filters;
                subscription.disabled = disabled;
            }
        }
        ("GET" | "PUT", []) => {}
        _ => return error(404, "CMN-102", "Resource is not found"),
    }
    let Some(subscription) = state.subscriptions.get_mut(index) else {
        return error(
            404,
            "CMN-102",
            "Resource for parameter [subscriptionId] is not found",
        );
    };
    if asked.method != "GET" {
        subscription.renew(now);
    }
    Answered::json(200, subscription.shown(now))
}

/// Asks the address for its validation token back.
async fn echoes(address: &str) -> Result<(), String> {
    const TOKEN: &str = "b2f7f1d8-4a8f-4c0e-9d53-validation";
    let headers = format!("Validation-Token: {TOKEN}\r\n");
    let answer = post(address, &headers, "").await?;
    if answer.len() > MAX_ANSWER {
        return Err(format!("{} bytes", answer.len()));
    }
    let text = String::from_utf8_lossy(&answer);
    let mut lines = text.lines().map(str::trim);
    let header = |name: &str, line: &str| {
        let (known, value) = line.split_once(':')?;
        known
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    };
    if status(&answer) != 200 {
        return Err(format!("status {}", status(&answer)));
    }
    let echoed = lines
        .clone()
        .find_map(|line| header("validation-token", line));
    if echoed.as_deref() != Some(TOKEN) {
        return Err("no Validation-Token".to_owned());
    }
    let kind = lines.find_map(|line| header("content-type", line));
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("not application/json".to_owned());
    }
    Ok(())
}

fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    let code = text.split_ascii_whitespace().nth(1);
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A post over a bare socket, so that the answer can be counted to the byte.
async fn post(address: &str, headers: &str, body: &str) -> Result<Vec<u8>, String> {
    let rest = address
        .strip_prefix("http://")
        .ok_or("not an http address")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let exchange = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!(
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: RingCentral-Webhook/8.3\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\
             {headers}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answered = tokio::time::timeout(PATIENCE, exchange).await;
    let answered = answered.map_err(|_| "no answer within 3 s".to_owned())?;
    answered.map_err(|error| error.to_string())
}
