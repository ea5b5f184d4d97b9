//! The predecessor's socket under the base path: who is let in, and the frames it sends. One
//! frame an event, with everything that server spread over two; its ids are numbers where they
//! are numbers at the platform, and `timestamp` is when we committed the event.

use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{ConnectionId, VoicemailId};
use switchhook_domain::media::Message;

use crate::answer;
use crate::auth::key_header;
use crate::limits::pass::Pass;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::state::Inner;
use crate::ws::session::{Visitor, shown};

/// Who stands at the door. The key in the query wins over one in a header, and one that is no
/// good is refused with 403 before the socket opens. Without a key the socket opens, and the
/// first message must bring it.
pub(crate) async fn visitor(
    shared: &Inner,
    parts: &Parts,
    params: &Params,
) -> Result<Visitor, Problem> {
    let pass = Pass::of(parts);
    let header = key_header(&parts.headers);
    let Some(key) = params.one("api_key")?.or(header) else {
        return Ok(Visitor::Silent(pass));
    };
    match shown(shared, &pass, key).await {
        Ok(caller) => Ok(Visitor::Known(Box::new(caller))),
        Err(problem) if problem.code() == Code::KeyInvalid => {
            Err(problem.with_status(StatusCode::FORBIDDEN))
        }
        Err(problem) => Err(problem),
    }
}

/// What the payload of an event says that a frame repeats.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    call: Option<Told>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Told {
    connection_id: ConnectionId,
    external_call_id: String,
    dialpad_user_id: Option<String>,
    agent: Option<Agent>,
    direction: Value,
    from_number: Value,
    to_number: Value,
    status: Value,
    duration_seconds: Option<i64>,
    recording_url: Option<String>,
    voicemail: Option<Voicemail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Agent {
    user_id: Option<String>,
    crm_user_id: Option<String>,
}

#[derive(Deserialize)]
struct Voicemail {
    id: String,
    url: Option<String>,
    transcript: Option<String>,
    duration_seconds: Option<i64>,
}

/// A frame, with its members in the predecessor's order; what an event does not have is left out.
#[derive(Default, Serialize)]
struct Frame {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    voicemail_id: Option<VoicemailId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialpad_message_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialpad_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Value>,
    from_number: Value,
    to_number: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_crm_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<i64>,
    timestamp: String,
}

/// The frames of an event: none for what that server had no word for, one for most. A call that
/// nobody took gets two, because a client of that server waits for `call.ended` and knows no
/// other end.
pub(crate) fn of(event: &Event) -> Vec<Bytes> {
    let payload: Payload = serde_json::from_str(event.data.get()).unwrap_or_default();
    let mut frames = match (event.kind, payload) {
        (
            EventType::MessageReceived | EventType::MessageSent | EventType::MessageDelivered,
            Payload {
                message: Some(message),
                ..
            },
        ) => vec![of_message(&message)],
        (
            kind,
            Payload {
                call: Some(call), ..
            },
        ) => of_call(kind, call),
        _ => Vec::new(),
    };
    for frame in &mut frames {
        if frame.event.is_empty() {
            frame.event = event.kind.as_str();
        }
        frame.timestamp = answer::time(event.recorded_at);
    }
    // Texts and numbers: writing them into memory cannot fail.
    let text = |frame: &Frame| serde_json::to_vec(frame).unwrap_or_default().into();
    frames.iter().map(text).collect()
}

fn of_call(kind: EventType, call: Told) -> Vec<Frame> {
    let agent = call.agent.unwrap_or_default();
    let (user, target) = (call.dialpad_user_id.or(agent.user_id), agent.crm_user_id);
    let frame = |status: Option<Value>| Frame {
        call_id: Some(id(&call.external_call_id)),
        direction: Some(call.direction.clone()),
        from_number: call.from_number.clone(),
        to_number: call.to_number.clone(),
        status,
        user_id: user.as_deref().map(id),
        target_crm_user: target.clone(),
        ..Frame::default()
    };
    let ended = |status: Option<Value>| Frame {
        event: EventType::CallEnded.as_str(),
        duration_seconds: Some(call.duration_seconds.unwrap_or(0)),
        ..frame(status)
    };
    match kind {
        EventType::CallRing => vec![frame(Some("ringing".into()))],
        EventType::CallStarted | EventType::CallResumed => vec![frame(Some("active".into()))],
        EventType::CallHeld => vec![frame(Some("held".into()))],
        EventType::CallEnded => vec![ended(Some("ended".into()))],
        EventType::CallMissed | EventType::CallRejected => {
            let first = frame(Some(call.status.clone()));
            vec![first, ended(Some("ended".into()))]
        }
        EventType::RecordingAvailable => vec![Frame {
            recording_url: call.recording_url.clone(),
            ..frame(Some(call.status.clone()))
        }],
        EventType::VoicemailReceived => {
            let Some(voicemail) = call.voicemail else {
                return Vec::new();
            };
            vec![Frame {
                voicemail_id: Some(VoicemailId::of(call.connection_id, &voicemail.id)),
                call_id: Some(id(&call.external_call_id)),
                dialpad_call_id: Some(call.external_call_id),
                from_number: call.from_number,
                to_number: call.to_number,
                user_id: user.as_deref().map(id),
                target_crm_user: target,
                recording_url: voicemail.url,
                transcript: voicemail.transcript,
                duration_seconds: Some(voicemail.duration_seconds.unwrap_or(0)),
                ..Frame::default()
            }]
        }
        _ => Vec::new(),
    }
}

fn of_message(message: &Message) -> Frame {
    let number = |number: Option<&str>| number.map_or(Value::Null, Value::from);
    let to = message.to.iter().find_map(|to| to.canonical());
    Frame {
        dialpad_message_id: Some(id(&message.external_id)),
        direction: Some(message.direction.as_str().into()),
        from_number: number(message.from.canonical()),
        to_number: number(to),
        text: message.text.clone(),
        status: serde_json::to_value(message.status).ok(),
        user_id: message.user_id.as_deref().map(id),
        ..Frame::default()
    }
}

/// An id as webhooks carry it: a number where it is one.
fn id(text: &str) -> Value {
    let number = text.parse::<i64>().ok();
    let number = number.filter(|number| number.to_string() == text);
    number.map_or_else(|| text.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use switchhook_domain::event::EventType;

    use super::*;
    use crate::frame::sample;

    fn frames(kind: EventType, data: &Value) -> Vec<Value> {
        let event = Event {
            kind,
            ..sample(1, &data.to_string())
        };
        let read = |text: &Bytes| serde_json::from_slice(text).unwrap();
        of(&event).iter().map(read).collect()
    }

    fn call() -> Value {
        json!({"call": {
            "connection_id": "00000000-0000-0000-0000-000000000001",
            "external_call_id": "999888777", "dialpad_user_id": "12345",
            "direction": "inbound", "from_number": "+15551234567", "to_number": null,
            "status": "missed", "duration_seconds": 300, "recording_url": "https://r.example/1",
        }})
    }

    #[test]
    fn ids_are_numbers_where_they_are_numbers() {
        assert_eq!(id("999888777"), json!(999_888_777));
        assert_eq!(id("9223372036854775807"), json!(i64::MAX));
        for text in ["9223372036854775808", "007", "+5", "linked:1.2", ""] {
            assert_eq!(id(text), json!(text));
        }
    }

    #[test]
    fn one_frame_an_event_with_everything_in_it() {
        assert_eq!(
            frames(EventType::CallEnded, &call()),
            [json!({
                "event": "call.ended", "call_id": 999_888_777, "direction": "inbound",
                "from_number": "+15551234567", "to_number": null, "status": "ended",
                "user_id": 12345, "duration_seconds": 300,
                "timestamp": "2026-11-22T01:52:38.086Z",
            })]
        );
        let missed = frames(EventType::CallMissed, &call());
        let told: Vec<_> = missed.iter().map(|f| (&f["event"], &f["status"])).collect();
        assert_eq!(
            told,
            [
                (&json!("call.missed"), &json!("missed")),
                (&json!("call.ended"), &json!("ended"))
            ]
        );
    }

    #[test]
    fn what_that_server_had_no_word_for_is_not_told() {
        for kind in [
            EventType::CallUpdated,
            EventType::CallFinalized,
            EventType::ScreenPopOpened,
            EventType::ConnectionDegraded,
        ] {
            assert!(frames(kind, &call()).is_empty(), "{kind:?}");
        }
        assert!(frames(EventType::CallRing, &json!({"call": 7})).is_empty());
        assert!(frames(EventType::MessageReceived, &call()).is_empty());
    }
}
