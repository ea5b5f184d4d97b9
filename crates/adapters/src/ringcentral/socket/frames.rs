//! What goes over RingCentral's WebSocket: JSON lists of one or two members, the first about the
//! message, the second its body.
//!
//! Shapes by RingCentral's developer guides "Subscribing to events via WebSockets", "Keeping
//! WebSocket connections alive" and "Recovering a WebSocket session" with their samples
//! (`ringcentral/ringcentral-api-docs`, `docs/notifications/websockets/`), and by the types of its
//! own client library (`ringcentral/ringcentral-extensible`, package `@rc-ex/ws`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchhook_domain::Timestamp;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    /// The first message of the server: how long things last, and whether a session goes on.
    ConnectionDetails,
    /// Our request, and the answer to it.
    ClientRequest,
    /// An event.
    ServerNotification,
    /// A question for a sign of life, and the answer to it.
    Heartbeat,
    /// Something is wrong; after a timeout the server hangs up.
    Error,
    /// A kind that was not published when this was written.
    #[serde(other)]
    Other,
}

/// The name under which a session can be gone on with. It changes as the session does; the one
/// with the highest sequence counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wsc {
    /// For the query of the next connection.
    pub(super) token: String,
    /// Which is the latest.
    #[serde(default)]
    pub(super) sequence: i64,
}

/// The first member.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Meta {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default, rename = "messageId")]
    pub(super) message_id: String,
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) wsc: Option<Wsc>,
}

/// What the server says of the connection, in seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    /// How long after a break a session can be gone on with.
    #[serde(default = "Details::recovery")]
    pub(super) recovery_timeout: u32,
    /// How many events of a break are kept: the newest.
    #[serde(default = "Details::buffer")]
    pub(super) recovery_buffer_size: u32,
    /// How long a client may say nothing.
    #[serde(default = "Details::idle")]
    pub(super) idle_timeout: u32,
    /// How long a connection may last.
    #[serde(default = "Details::absolute")]
    pub(super) absolute_timeout: u32,
    /// `Successful` or `Failed`, when we asked to go on.
    #[serde(default)]
    pub(super) recovery_state: Option<String>,
    /// Why it failed, such as `WSG-1005`.
    #[serde(default)]
    pub(super) recovery_error_code: Option<String>,
}

impl Details {
    fn recovery() -> u32 {
        180
    }

    fn buffer() -> u32 {
        100
    }

    fn idle() -> u32 {
        1_800
    }

    fn absolute() -> u32 {
        86_400
    }

    /// True when the former session goes on, its subscription and what was missed included.
    pub(super) fn is_recovered(&self) -> bool {
        self.recovery_state.as_deref() == Some("Successful")
    }
}

/// What an event says of itself, beside what happened.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    /// The subscription it belongs to.
    #[serde(rename = "subscriptionId")]
    pub(super) subscription_id: String,
    /// When RingCentral told it.
    #[serde(default)]
    pub(super) timestamp: Option<Timestamp>,
}

/// A message of the server. The body is as it was sent, to the byte.
pub(super) struct Message<'a> {
    pub(super) meta: Meta,
    pub(super) body: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads one; `None` when it is none.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let parts: Vec<&'a RawValue> = serde_json::from_slice(text).ok()?;
        let meta = serde_json::from_str(parts.first()?.get()).ok()?;
        let body = parts.get(1).copied();
        Some(Self { meta, body })
    }

    /// The body; `Null` when there is none.
    pub(super) fn json(&self) -> Value {
        let read = |body: &RawValue| serde_json::from_str(body.get()).ok();
        self.body.and_then(read).unwrap_or_default()
    }

    /// What the server says of the connection.
    pub(super) fn details(&self) -> Option<Details> {
        serde_json::from_str(self.body?.get()).ok()
    }

    /// What an event says of itself.
    pub(super) fn event(&self) -> Option<Event> {
        serde_json::from_str(self.body?.get()).ok()
    }

    /// True for the answer to a request that was carried out.
    pub(super) fn is_success(&self) -> bool {
        let good = self.meta.status.is_some_and(|s| (200..300).contains(&s));
        good && self.meta.kind == Kind::ClientRequest
    }
}

/// A request: its id and its text.
pub(super) fn request(method: &Method, path: &str, body: Option<Value>) -> (String, String) {
    let id = message_id();
    let meta = json!({ "type": "ClientRequest", "messageId": id, "method": method.as_str(),
        "path": path });
    let parts: Vec<Value> = std::iter::once(meta).chain(body).collect();
    (id, Value::Array(parts).to_string())
}

/// A question for a sign of life.
pub(super) fn heartbeat() -> String {
    json!([{ "type": "Heartbeat", "messageId": message_id() }]).to_string()
}

/// An id in the shape of a UUID, as the guides show them; it only has to be another each time.
fn message_id() -> String {
    let bytes = STANDARD.decode(generate_key()).unwrap_or_default();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    let (head, tail) = (part(0..8), part(20..32));
    format!(
        "{head}-{}-4{}-8{}-{tail}",
        part(8..12),
        part(13..16),
        part(17..20)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample of the guide, its body laid out over several lines.
    const DETAILS: &str = r#"[{"type":"ConnectionDetails","messageId":"156eec30-1","status":200,
        "wsc":{"token":"RTFhRG5n","sequence":1},"headers":{"RCRequestId":"156eec30-1"}},
        {"creationTime":"2020-09-07T21:50:02.737+0000","maxConnectionsPerSession":50,
        "recoveryBufferSize":100,"recoveryTimeout":180,"idleTimeout":1800,
        "absoluteTimeout":86400,"maxActiveRequests":10}]"#;

    #[test]
    fn the_published_samples_are_read() {
        let message = Message::read(DETAILS.as_bytes()).unwrap();
        assert_eq!(message.meta.kind, Kind::ConnectionDetails);
        assert_eq!(message.meta.wsc.as_ref().unwrap().token, "RTFhRG5n");
        let details = message.details().unwrap();
        assert_eq!(
            (
                details.recovery_timeout,
                details.idle_timeout,
                details.absolute_timeout
            ),
            (180, 1_800, 86_400)
        );
        assert!(!details.is_recovered());
        let recovered =
            DETAILS.replace("\"creationTime\"", "\"recoveryState\":\"Successful\",\"x\"");
        let message = Message::read(recovered.as_bytes()).unwrap();
        assert!(message.details().unwrap().is_recovered());
        let beat = Message::read(br#"[{"type":"Heartbeat","messageId":"1"}]"#).unwrap();
        assert_eq!(
            (beat.meta.kind, beat.body.is_none()),
            (Kind::Heartbeat, true)
        );
        let new = Message::read(br#"[{"type":"Novelty","messageId":"1"},7]"#).unwrap();
        assert_eq!(new.meta.kind, Kind::Other);
        for none in ["", "{}", "[]", "[7]", "[{\"type\":5}]", "\u{fffd}"] {
            assert!(Message::read(none.as_bytes()).is_none(), "{none:?}");
        }
    }

    #[test]
    fn the_body_of_an_event_is_as_it_was_sent() {
        let text = br#"[{"type":"ServerNotification","messageId":"2","status":200}, { "uuid" : "2",
            "subscriptionId":"s-1", "big": 12756735005.0 }]"#;
        let message = Message::read(text).unwrap();
        let body = message.body.unwrap().get();
        assert!(body.starts_with("{ \"uuid\" : \"2\"") && body.ends_with("12756735005.0 }"));
        assert_eq!(message.event().unwrap().subscription_id, "s-1");
    }

    #[test]
    fn requests_have_ids_of_their_own() {
        let (first, text) = request(&Method::POST, "/x", Some(json!({"a": 1})));
        let (second, _) = request(&Method::POST, "/x", None);
        assert_ne!(first, second);
        assert_eq!(first.len(), 36);
        assert!(
            text.contains(&first) && text.ends_with(r#"{"a":1}]"#),
            "{text}"
        );
    }
}
