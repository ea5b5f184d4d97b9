//! The Webhook block of a dial plan: one post when a call passes it, all values texts, and nothing
//! after that (callvoip.nl, Telador, Fonzer: "Webhook app"). How the call goes on is never told,
//! so nothing is concluded from the silence.
//!
//! The caller waits for the answer; it is plain text that a Condition block may test.

use serde_json::{Map, Value};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Outcome, Party, Signal};
use switchhook_engine::adapter::{ConnectionContext, DecodeError, Reply};

use super::event::{keys, party};
use super::spec;
use crate::json::{self, Fields};

/// What the event is called in the log; the body names none.
pub(super) const EVENT: &str = "dial_plan";

/// Reads an object. The vendor's printed example lacks the comma between two members; where one
/// text follows another directly there can be nothing else between them, so it is put in.
pub(super) fn object(payload: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    json::object(payload).or_else(|fault| match with_commas(payload) {
        Some(repaired) => json::object(&repaired).map_err(|_| fault),
        None => Err(fault),
    })
}

/// The text with a comma wherever a string follows a string; none when there is no such place.
fn with_commas(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let (mut inside, mut escaped, mut closed, mut repaired) = (false, false, false, false);
    for byte in text.iter().copied() {
        if inside {
            inside = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            closed = !inside;
        } else if byte == b'"' {
            if closed {
                out.push(b',');
                repaired = true;
            }
            (inside, closed) = (true, false);
        } else if !byte.is_ascii_whitespace() {
            closed = false;
        }
        out.push(byte);
    }
    repaired.then_some(out)
}

/// What the block says: somebody calls one of our numbers.
pub(super) fn signals(root: &Fields<'_>, plan: &NumberPlan) -> Result<Vec<Signal>, DecodeError> {
    let Some(id) = root.id("uuid")? else {
        let problem = "is missing: the dial plan's Webhook block must use POST, which alone \
                       carries the call";
        return Err(root.fault("uuid", problem));
    };
    let at = root
        .first_time(&["event_time", "call_start_time"])?
        .ok_or_else(|| root.fault("event_time", "is missing"))?;
    let began = root.time("call_start_time")?.unwrap_or(at).min(at);
    let keys = keys(root, &id)?;
    let remote = match root.number("caller_number")? {
        Some(raw) => PhoneNumber::parse(&raw, plan),
        None => PhoneNumber::withheld(),
    };
    let line = match root.number("callee_number")? {
        Some(raw) => Some(raw),
        None => root.number("dp_ex_number")?,
    };
    let plan_leg = format!("{id}:plan");
    let seen = |kind, party| LegFact::Seen {
        kind,
        origin: kind == LegKind::External,
        party,
    };
    let caller = party(remote, root.words("phonebook_caller_name"));
    let caller = seen(LegKind::External, caller);
    let mut told = vec![
        Signal::call(began, &keys, CallFact::Started),
        Signal::call(at, &keys, CallFact::Direction(Direction::Inbound)),
        Signal::call(at, &keys, CallFact::Outcome(Outcome::Untold)),
        Signal::leg(began, &keys, &id, caller),
        Signal::leg(
            at,
            &keys,
            &plan_leg,
            seen(LegKind::Routing, Party::default()),
        ),
        Signal::leg(at, &keys, &plan_leg, LegFact::Rang),
    ];
    if let Some(line) = line {
        let line = PhoneNumber::parse(&line, plan);
        told.push(Signal::call(began, &keys, CallFact::Line(line)));
    }
    Ok(told)
}

/// 200 and the configured text.
pub(super) fn reply(connection: &ConnectionContext) -> Reply {
    let text = connection.text(spec::DIAL_PLAN_REPLY).unwrap_or("ok");
    Reply {
        status: 200,
        headers: Vec::new(),
        content_type: "text/plain; charset=utf-8",
        body: text.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_comma_is_put_in_and_nothing_else() {
        let printed = br#"{"a":"1" , "b":"x\"y""c":"2"
            "d":"3"}"#;
        let map = object(printed).unwrap();
        assert_eq!(map.len(), 4);
        assert_eq!(map["b"], "x\"y");
        assert_eq!(map["d"], "3");
        for hopeless in [
            &br#"{"a":"1""#[..],
            b"{\"a\":1 2}",
            b"[\"a\" \"b\"]",
            b"",
            b"\"\\",
        ] {
            assert!(object(hopeless).is_err());
        }
    }
}
