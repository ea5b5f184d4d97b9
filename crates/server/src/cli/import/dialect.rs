//! Rows of the Dialpad CTI server as the events that made them: what its clients posted is a
//! dialect the Dialpad adapter reads, so an imported call is folded by the very rules of a live
//! one, and events that still come find it again. Pure; reads no database.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use switchhook_domain::Timestamp;

/// A row's columns.
pub(super) type Columns = Map<String, Value>;

/// Reads rows: the old server kept times without a zone, in that of its machine.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    pub(super) zone: TimeZone,
    /// A call without an end that began before this has long been over.
    pub(super) stale_before: Timestamp,
}

impl Dialect {
    /// A time of a row.
    pub(super) fn time(&self, columns: &Columns, name: &str) -> Option<Timestamp> {
        let text = columns.get(name)?.as_str()?;
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(at);
        }
        let civil: DateTime = text.parse().ok()?;
        civil
            .to_zoned(self.zone.clone())
            .ok()
            .map(|at| at.timestamp())
    }

    /// The events of a call, in order.
    pub(super) fn call(&self, row: &Columns) -> Result<Vec<Value>, &'static str> {
        let id = id(row, "dialpad_call_id").ok_or("it has no dialpad_call_id")?;
        let stored = self.time(row, "created_at");
        let started = self.time(row, "started_at");
        let ended = self.time(row, "ended_at");
        let began = [stored, started, ended].into_iter().flatten().min();
        let began = began.ok_or("it has no time at all")?;
        let status = text(row, "status").unwrap_or("ended");
        let call = json!({
            "id": id, "direction": row.get("direction"), "from": row.get("from_number"),
            "to": row.get("to_number"), "user_id": self::id(row, "dialpad_user_id"),
        });
        let event = |name: &str, at: Timestamp, more: Value| {
            let mut call = call.clone();
            merge(&mut call, more);
            json!({"event_type": name, "timestamp": at.to_string(), "call": call})
        };
        let mut events = vec![event("call.ring", began, json!({"started_at": began}))];
        let was_answered = started.filter(|_| matches!(status, "active" | "ended"));
        if let Some(at) = was_answered {
            events.push(event("call.started", at, json!({"started_at": at})));
        }
        let end = ended.or_else(|| (began < self.stale_before).then_some(began));
        if let Some(end) = end.filter(|_| status != "voicemail" || ended.is_some()) {
            let name = match status {
                "missed" => "call.missed",
                "rejected" => "call.rejected",
                _ => "call.ended",
            };
            let seconds = row
                .get("duration_seconds")
                .filter(|_| was_answered.is_none());
            events.push(event(
                name,
                end,
                json!({"ended_at": end, "duration": seconds}),
            ));
        }
        if let Some(url) = text(row, "recording_url") {
            events.push(json!({"event_type": "call.recording.completed",
                "timestamp": end.unwrap_or(began).to_string(),
                "recording": {"call_id": id, "url": url}}));
        }
        // Where this age of the schema has voicemails of their own, these are told twice and
        // stored once: both are known by their address.
        if let Some(url) = text(row, "voicemail_audio_url") {
            events.push(json!({"event_type": "voicemail.received",
                "timestamp": end.unwrap_or(began).to_string(),
                "voicemail": {"call_id": id, "recording_url": url,
                    "transcript": row.get("voicemail_transcript")}}));
        }
        Ok(events)
    }

    /// The event of a voicemail.
    pub(super) fn voicemail(&self, row: &Columns) -> Result<Vec<Value>, &'static str> {
        let call = id(row, "dialpad_call_id");
        let url = text(row, "recording_url");
        if call.is_none() && url.is_none() {
            return Err("it names neither a call nor a recording");
        }
        let at = self.time(row, "created_at").ok_or("it has no created_at")?;
        Ok(vec![
            json!({"event_type": "voicemail.received", "timestamp": at.to_string(),
            "voicemail": {
                "call_id": call, "user_id": id(row, "dialpad_user_id"),
                "from": row.get("from_number"), "to": row.get("to_number"),
                "recording_url": url, "transcript": row.get("transcript"),
                "duration": row.get("duration_seconds"),
            }}),
        ])
    }

    /// The event of a message.
    pub(super) fn message(&self, row: &Columns) -> Result<Vec<Value>, &'static str> {
        let id = id(row, "dialpad_message_id").ok_or("it has no dialpad_message_id")?;
        let at = self
            .time(row, "sent_at")
            .or_else(|| self.time(row, "created_at"));
        let at = at.ok_or("it has no time")?;
        let direction = text(row, "direction").unwrap_or("inbound");
        let name = match direction {
            "outbound" => "sms.sent",
            _ => "sms.received",
        };
        Ok(vec![json!({"event_type": name, "message": {
            "id": id, "direction": direction, "from": row.get("from_number"),
            "to": numbers(text(row, "to_number").unwrap_or_default()),
            "text": row.get("text"), "user_id": self::id(row, "dialpad_user_id"),
            "sent_at": at.to_string(),
        }})])
    }
}

/// An id of Dialpad's, which has more digits than a float holds, as text.
pub(super) fn id(row: &Columns, name: &str) -> Option<String> {
    match row.get(name)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// A text that is not empty.
pub(super) fn text<'r>(row: &'r Columns, name: &str) -> Option<&'r str> {
    row.get(name)?
        .as_str()
        .filter(|text| !text.trim().is_empty())
}

/// Several recipients were stored as PostgreSQL writes an array: `{"+1…","+1…"}`.
fn numbers(stored: &str) -> Vec<String> {
    let inner = stored.trim().trim_start_matches('{').trim_end_matches('}');
    let each = inner
        .split(',')
        .map(|one| one.trim().trim_matches('"').to_owned());
    each.filter(|one| !one.is_empty()).collect()
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect() -> Dialect {
        Dialect {
            zone: TimeZone::get("Europe/Amsterdam").unwrap(),
            stale_before: "2026-11-22T00:00:00Z".parse().unwrap(),
        }
    }

    fn row(value: Value) -> Columns {
        serde_json::from_value(value).unwrap()
    }

    fn names(events: &[Value]) -> Vec<&str> {
        events
            .iter()
            .filter_map(|event| event["event_type"].as_str())
            .collect()
    }

    #[test]
    fn times_are_read_in_the_zone_of_the_old_machine() {
        let row = row(json!({
            "summer": "2026-07-01T12:00:00.25", "winter": "2026-01-01T12:00:00",
            "zoned": "2026-01-01T12:00:00+00:00", "none": null, "bad": "yesterday",
        }));
        let at = |name: &str| dialect().time(&row, name).map(|at| at.to_string());
        assert_eq!(at("summer").as_deref(), Some("2026-07-01T10:00:00.25Z"));
        assert_eq!(at("winter").as_deref(), Some("2026-01-01T11:00:00Z"));
        assert_eq!(at("zoned").as_deref(), Some("2026-01-01T12:00:00Z"));
        assert_eq!((at("none"), at("bad"), at("missing")), (None, None, None));
    }

    #[test]
    fn a_call_is_told_as_it_happened() {
        let ended = json!({
            "dialpad_call_id": 5_799_876_543_210_001_i64, "direction": "inbound",
            "from_number": "+15551234567", "to_number": "+15559876543", "status": "ended",
            "dialpad_user_id": 12345, "created_at": "2026-01-27T10:59:50",
            "started_at": "2026-01-27T11:00:00", "ended_at": "2026-01-27T11:05:00",
            "duration_seconds": 300, "recording_url": "https://dialpad.com/r/1.mp3",
        });
        let events = dialect().call(&row(ended)).unwrap();
        let expected = [
            "call.ring",
            "call.started",
            "call.ended",
            "call.recording.completed",
        ];
        assert_eq!(names(&events), expected);
        assert_eq!(
            events[0]["call"]["id"], "5799876543210001",
            "no digit is lost"
        );
        assert_eq!(events[0]["timestamp"], "2026-01-27T09:59:50Z");
        assert_eq!(events[2]["call"]["ended_at"], "2026-01-27T10:05:00Z");
    }

    #[test]
    fn a_call_without_an_end_is_over_when_it_is_old() {
        let ringing = |at: &str| {
            let call = json!({"dialpad_call_id": 1, "status": "ringing", "created_at": at});
            let events = dialect().call(&row(call)).unwrap();
            names(&events).join(" ")
        };
        assert_eq!(ringing("2026-01-01T00:00:00"), "call.ring call.ended");
        assert_eq!(ringing("2026-11-22T12:00:00"), "call.ring");
        let nothing = dialect().call(&row(json!({"dialpad_call_id": 1})));
        assert_eq!(nothing, Err("it has no time at all"));
    }

    #[test]
    fn recipients_are_read_from_the_arrays_text() {
        assert_eq!(numbers(r#"{"+15550001111","+15550002222"}"#).len(), 2);
        assert_eq!(numbers("+15550001111"), ["+15550001111"]);
        assert_eq!(numbers("{}"), Vec::<String>::new());
    }
}
