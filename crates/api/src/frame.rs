//! The wire form of an event, the same on the socket and in `GET /api/events`: our envelope, the
//! flat members the predecessor's clients read, and the payload as it lies in the log. The
//! payload is looked into once and never rebuilt.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchhook_domain::call::{AgentView, Call, Status};
use switchhook_domain::contact::{Match, PopAction};
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{CallId, ConnectionId, EventId};
use switchhook_domain::moment::MomentView;
use switchhook_domain::signal::Direction;
use switchhook_domain::task::Task;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer;

/// About how long an event is without its payload, in bytes.
const ENVELOPE: usize = 640;

/// The members of a call that are repeated outside it, as they are written there.
#[derive(Default, Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    dialpad_call_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dialpad_user_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    direction: Option<&'a RawValue>,
    #[serde(borrow, default)]
    from_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    agent: Option<Agent<'a>>,
    #[serde(borrow, default)]
    duration_seconds: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Agent<'a> {
    #[serde(borrow, default)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    crm_user_id: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    call: Option<Head<'a>>,
    /// Whose screen a pop is for.
    #[serde(borrow, default)]
    agent: Option<Agent<'a>>,
    #[serde(borrow, default)]
    presence: Option<Presence<'a>>,
}

/// Of a report of presence, whose it is.
#[derive(Default, Deserialize)]
struct Presence<'a> {
    #[serde(borrow, default)]
    agent: Option<Agent<'a>>,
}

/// What goes over the wire, in this order.
#[derive(Serialize)]
struct Wire<'a> {
    r#type: &'static str,
    event: &'static str,
    seq: u64,
    id: EventId,
    epoch: Uuid,
    call_id: Option<CallId>,
    dialpad_call_id: Option<&'a RawValue>,
    at: String,
    timestamp: String,
    direction: Option<&'a RawValue>,
    from_number: Option<&'a RawValue>,
    to_number: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    duration_seconds: Option<&'a RawValue>,
    /// Left out where nobody is mapped, as the predecessor did.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_crm_user: Option<&'a RawValue>,
    data: &'a RawValue,
}

/// The frame of an event.
pub(crate) fn event(event: &Event, epoch: Uuid) -> Bytes {
    let raw = event.data.get();
    // A payload of another shape simply has nothing to repeat.
    let data = serde_json::from_str::<Data<'_>>(raw).unwrap_or_default();
    let head = data.call.unwrap_or_default();
    let present = data.presence.and_then(|presence| presence.agent);
    let told = data.agent.or(present).and_then(|agent| agent.crm_user_id);
    let target = head.agent.as_ref().and_then(|agent| agent.crm_user_id);
    let wire = Wire {
        r#type: "event",
        event: event.kind.as_str(),
        seq: event.seq,
        id: event.id,
        epoch,
        call_id: event.call_id,
        dialpad_call_id: head.dialpad_call_id,
        at: answer::time(event.at),
        timestamp: answer::time(event.recorded_at),
        direction: head.direction,
        from_number: head.from_number,
        to_number: head.to_number,
        status: head.status,
        user_id: head
            .agent
            .and_then(|agent| agent.user_id)
            .or(head.dialpad_user_id),
        duration_seconds: head.duration_seconds,
        target_crm_user: told.or(target),
        data: &event.data,
    };
    let mut text = Vec::with_capacity(raw.len() + ENVELOPE);
    // Texts, numbers and JSON that is JSON already: writing them into memory cannot fail.
    let written = serde_json::to_writer(&mut text, &wire);
    debug_assert!(written.is_ok(), "an event can be written");
    text.into()
}

/// One event as it goes over the wire; for the description of the API only.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `event` writes")]
pub(crate) struct EventFrame {
    /// Always `event`.
    #[schema(example = "event")]
    r#type: String,
    /// What happened.
    event: EventType,
    /// Its place in the app's log: gapless, in the order of commits.
    #[schema(example = 121)]
    seq: u64,
    /// Unique id of the event.
    id: EventId,
    /// The epoch of the log; positions of different epochs cannot be compared.
    epoch: Uuid,
    /// Our id of the call; null for events that are about none.
    call_id: Option<CallId>,
    /// The platform's id, for Dialpad calls.
    dialpad_call_id: Option<String>,
    /// When it happened, by the platform's clock.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T01:52:38.086Z")]
    at: String,
    /// When it was recorded, by ours.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T01:52:38.090Z")]
    timestamp: String,
    /// Which way the call goes.
    direction: Option<Direction>,
    /// The calling number.
    #[schema(example = "+31612345678")]
    from_number: Option<String>,
    /// The called number.
    #[schema(example = "+31201234567")]
    to_number: Option<String>,
    /// Where the call stands after this event.
    status: Option<Status>,
    /// The platform's id of the agent.
    user_id: Option<String>,
    /// Talk time, once the call is over.
    duration_seconds: Option<i64>,
    /// The agent's id in the business software; left out where nobody is mapped.
    #[schema(nullable = false, example = "user_abc123")]
    target_crm_user: Option<String>,
    /// The payload; what is in it depends on the event.
    data: EventData,
}

/// The payload of an event: `call` for everything about calls, and what belongs beside it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the fold writes")]
pub(crate) struct EventData {
    /// The whole record after this event.
    #[schema(nullable = false)]
    call: Option<Call>,
    /// `screen_pop.opened`: what the screen should do.
    #[schema(nullable = false)]
    action: Option<PopAction>,
    /// `screen_pop.*`: the agent whose screen it is; null when the platform names a group.
    agent: Option<AgentView>,
    /// `screen_pop.*`: the leg that rings.
    #[schema(nullable = false)]
    leg: Option<String>,
    /// `screen_pop.opened`: the best matches.
    #[schema(nullable = false)]
    matches: Option<Vec<Match>>,
    /// `screen_pop.opened`: how many matched in all.
    #[schema(nullable = false)]
    total: Option<usize>,
    /// `screen_pop.closed`: `answered_elsewhere` or `ended`. `task.updated`: `claimed`, `released`,
    /// `assigned`, `attempt`, `completed`, `reopened`, `edited`, `overdue` or `expired`.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// `contact_moment.*`: the contact moment, as it stands in the call too.
    #[schema(nullable = false)]
    contact_moment: Option<MomentView>,
    /// `task.*`: the task after this event.
    #[schema(nullable = false)]
    task: Option<Task>,
    /// `connection.*`: the connection.
    #[schema(nullable = false)]
    connection: Option<ConnectionState>,
    /// `message.*`: the message as the platform sent it.
    #[schema(value_type = Option<Object>, nullable = false)]
    message: Option<serde_json::Value>,
    /// `presence.changed`: who, and how they are now.
    #[schema(value_type = Option<Object>, nullable = false)]
    presence: Option<serde_json::Value>,
}

/// A connection in an event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the engine writes")]
pub(crate) struct ConnectionState {
    /// Its id.
    id: ConnectionId,
    /// Its platform.
    platform: String,
    /// The name it was given.
    name: String,
    /// `up` or `down`.
    state: String,
    /// Why it is down.
    reason: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: String,
}

/// Whose log an event would be in; used by tests.
#[cfg(test)]
pub(crate) fn sample(seq: u64, data: &str) -> Event {
    let at = switchhook_domain::Timestamp::from_millisecond(1_795_312_358_086).unwrap();
    Event {
        seq,
        id: EventId(Uuid::from_u128(u128::from(seq))),
        app_id: switchhook_domain::id::AppId(Uuid::from_u128(9)),
        kind: EventType::CallRing,
        call_id: Some(CallId(Uuid::from_u128(5))),
        at,
        recorded_at: at,
        data: RawValue::from_string(data.to_owned()).unwrap(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn frame(data: &str) -> Value {
        serde_json::from_slice(&event(&sample(121, data), Uuid::from_u128(3))).unwrap()
    }

    #[test]
    fn the_flat_members_are_those_of_the_call() {
        let frame = frame(
            r#"{"call":{"dialpad_call_id":"5600000000000001","direction":"inbound","from_number":
            "+31612345678","to_number":null,"status":"ringing","agent":{"user_id":"49"},
            "duration_seconds":null}}"#,
        );
        assert_eq!(frame["event"], "call.ring");
        assert_eq!(frame["seq"], 121);
        assert_eq!(frame["dialpad_call_id"], "5600000000000001");
        assert_eq!(frame["direction"], "inbound");
        assert_eq!(frame["from_number"], "+31612345678");
        assert_eq!(frame["to_number"], Value::Null);
        assert_eq!(frame["user_id"], "49");
        assert_eq!(frame["at"], "2026-11-22T01:52:38.086Z");
        assert_eq!(frame["data"]["call"]["status"], "ringing");
    }

    #[test]
    fn a_payload_without_a_call_has_empty_flat_members() {
        for data in [
            r#"{"connection":{"state":"down"}}"#,
            "{}",
            "[]",
            r#"{"call":7}"#,
        ] {
            let frame = frame(data);
            assert_eq!(frame["status"], Value::Null, "{data}");
            assert_eq!(frame["data"], serde_json::from_str::<Value>(data).unwrap());
        }
        assert_eq!(frame("{}")["type"], json!("event"));
    }
}
