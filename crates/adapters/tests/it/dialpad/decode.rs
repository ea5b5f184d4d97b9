//! Understanding: exact ids, tolerant shapes, and no panic for anything.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use switchhook_adapters::UNDATED;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::signal::{CallFact, Fact, LegFact, LegKind, MAX_KEYS, Signal};
use switchhook_engine::adapter::{Adapter, DecodeError, Decoded};

use crate::fixture::{self, connection};

fn decode(payload: &[u8]) -> Result<Decoded, DecodeError> {
    Dialpad.decode(payload, &connection(&["s"]))
}

fn decode_json(payload: &Value) -> Result<Decoded, DecodeError> {
    decode(payload.to_string().as_bytes())
}

fn ringing() -> Value {
    json!({
        "call_id": 5_600_000_000_000_001_u64, "state": "ringing",
        "event_timestamp": 1_767_000_001_200_u64, "direction": "inbound",
        "date_started": 1_767_000_000_100_u64, "external_number": "+31612345678",
        "internal_number": "+31201234567", "target": {"id": 4, "type": "user"}
    })
}

fn legs(decoded: &Decoded) -> Vec<&LegFact> {
    let leg = |signal: &'_ Signal| -> bool { matches!(signal.fact, Fact::Leg { .. }) };
    decoded
        .signals
        .iter()
        .filter(|signal| leg(signal))
        .filter_map(|signal| match &signal.fact {
            Fact::Leg { fact, .. } => Some(fact),
            _ => None,
        })
        .collect()
}

/// Rules of the contract that hold for whatever was decoded.
fn assert_contract(decoded: &Decoded) {
    for signal in &decoded.signals {
        let about_call = matches!(signal.fact, Fact::Call(_) | Fact::Leg { .. });
        assert_eq!(about_call, !signal.keys.is_empty(), "{signal:?}");
        assert!(signal.keys.len() <= MAX_KEYS);
    }
    assert!(decoded.event.chars().count() <= 64);
}

#[test]
fn ids_are_exact_to_64_bits() {
    let mut event = ringing();
    event["call_id"] = json!(9_007_199_254_740_993_u64);
    event["master_call_id"] = json!("18446744073709551615");
    event["entry_point_call_id"] = json!(0);
    event["operator_call_id"] = json!(9_007_199_254_740_995_u64);
    let decoded = decode_json(&event).unwrap();
    assert_eq!(
        decoded.signals[0].keys,
        [
            "dp:9007199254740993",
            "dp:18446744073709551615",
            "dp:9007199254740995"
        ]
    );
    let lossy =
        br#"{"call_id":9007199254740993.0,"state":"ringing","event_timestamp":1767000001200}"#;
    assert_eq!(
        decode(lossy).unwrap_err().to_string(),
        "field `call_id` must be a whole number of at most 64 bits, or a text"
    );
}

#[test]
fn every_documented_state_is_understood_and_new_ones_do_no_harm() {
    let states = "admin admin_recording ai_playbook barge blocked call_transcription calling \
        connected csat dispositions eavesdrop hangup hold merged missed monitor parked pcsat \
        postcall preanswer queued recap_action_items recap_outcome recap_purposes recap_summary \
        recording ringing takeover transcription voicemail voicemail_uploaded \
        teleported_in_2031";
    for state in states.split_whitespace() {
        let mut event = ringing();
        event["state"] = json!(state);
        let decoded = decode_json(&event).unwrap();
        assert_eq!(decoded.event, state);
        assert!(!decoded.signals.is_empty(), "{state}");
        assert_contract(&decoded);
    }
    let mut event = ringing();
    event["state"] = json!("teleported");
    let told = decode_json(&event).unwrap().signals;
    assert!(
        matches!(
            told[..],
            [Signal {
                fact: Fact::Call(CallFact::Linked),
                ..
            }]
        ),
        "{told:?}"
    );
}

#[test]
fn a_later_connected_is_a_resume_and_the_first_is_not() {
    let mut event = ringing();
    event["state"] = json!("connected");
    event["date_connected"] = json!(1_767_000_001_000_u64);
    assert!(!legs(&decode_json(&event).unwrap()).contains(&&LegFact::Resumed));
    event["event_timestamp"] = json!(1_767_000_009_000_u64);
    let decoded = decode_json(&event).unwrap();
    assert!(legs(&decoded).contains(&&LegFact::Resumed));
    assert!(legs(&decoded).contains(&&LegFact::Answered));
}

#[test]
fn a_hangup_alone_tells_of_the_ring_and_the_answer() {
    let mut event = ringing();
    event["state"] = json!("hangup");
    event["date_rang"] = json!(1_767_000_001_000_u64);
    event["date_connected"] = json!(1_767_000_002_000_u64);
    event["date_ended"] = json!(1_767_000_003_000_u64);
    let decoded = decode_json(&event).unwrap();
    let facts = legs(&decoded);
    assert!(facts.contains(&&LegFact::Rang) && facts.contains(&&LegFact::Answered));
    assert!(facts.iter().any(|fact| matches!(fact, LegFact::Ended(_))));
    assert!(!facts.contains(&&LegFact::Moved));
}

#[test]
fn the_two_halves_of_a_transfer() {
    let mut gave = ringing();
    gave["state"] = json!("hangup");
    gave["is_transferred"] = json!(true);
    gave["date_connected"] = json!(1_767_000_001_000_u64);
    let decoded = decode_json(&gave).unwrap();
    assert!(legs(&decoded).contains(&&LegFact::Moved));
    let mut took = gave.clone();
    took["transferred_from"] = json!({"id": 5, "type": "user", "call_id": 77});
    let decoded = decode_json(&took).unwrap();
    assert!(
        !legs(&decoded).contains(&&LegFact::Moved),
        "the taker's hang-up is an end"
    );
    assert!(decoded.signals.iter().any(|signal| matches!(&signal.fact,
        Fact::Call(CallFact::Transferred { from: Some(from), .. }) if from == "77")));
}

#[test]
fn a_menu_or_queue_that_picks_up_is_no_answer() {
    for (kind, operator, direction, answers) in [
        ("call_router", Value::Null, "inbound", false),
        ("callcenter", Value::Null, "inbound", false),
        ("callcenter", json!(77), "inbound", true),
        ("callcenter", Value::Null, "outbound", true),
        ("room", Value::Null, "inbound", true),
        ("user", Value::Null, "inbound", true),
    ] {
        let mut event = ringing();
        event["state"] = json!("connected");
        event["direction"] = json!(direction);
        event["operator_call_id"] = operator;
        event["target"] = json!({"id": 4, "type": kind, "name": "Menu"});
        for date in [Value::Null, json!(1_767_000_001_000_u64)] {
            event["date_connected"] = date;
            let decoded = decode_json(&event).unwrap();
            let facts = legs(&decoded);
            assert_eq!(
                facts.contains(&&LegFact::Answered),
                answers,
                "{kind} {direction}"
            );
            let routing = |fact: &&&LegFact| {
                matches!(
                    fact,
                    LegFact::Seen {
                        kind: LegKind::Routing,
                        ..
                    }
                )
            };
            assert_eq!(facts.iter().any(|fact| routing(&fact)), kind != "user");
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    for (payload, fault) in [
        (json!({}), "field `state` is missing"),
        (json!({"state": "ringing"}), "field `state` is missing"),
        (
            json!({"state": "ringing", "call_id": null}),
            "field `call_id` is missing",
        ),
        (
            json!({"state": null, "call_id": 1}),
            "field `state` is missing",
        ),
        (
            json!({"state": "ringing", "call_id": 1}),
            "field `event_timestamp` is missing",
        ),
        (
            json!({"event_type": "call.ring"}),
            "field `call_id` is missing",
        ),
        (
            json!({"event_type": "call.ring", "call": {"from": "1"}}),
            "field `call.id` is missing",
        ),
        (
            json!({"message_status": "pending"}),
            "field `id` is missing",
        ),
        (
            json!({"on_duty_status": "wrapup"}),
            "field `event_timestamp` is missing",
        ),
    ] {
        let error = decode_json(&payload).unwrap_err().to_string();
        assert!(error.starts_with(fault), "{payload}: {error}");
    }
    for syntax in ["", "{", "[]", "12", "\"x\"", "{}{}", "\u{feff}{}"] {
        let error = decode(syntax.as_bytes());
        assert!(error.is_err(), "{syntax}");
    }
}

#[test]
fn errors_never_quote_a_value() {
    let mut event = ringing();
    event["external_number"] = json!(["+31612345678"]);
    event["contact"] = json!({"name": "Jan"});
    let error = decode_json(&event).unwrap_err().to_string();
    assert!(!error.contains("612"), "{error}");
}

#[test]
fn depth_and_size_are_bounded() {
    for open in ["{\"a\":", "["] {
        let deep = open.repeat(200_000);
        assert!(matches!(
            decode(deep.as_bytes()),
            Err(DecodeError::Syntax(_))
        ));
    }
    let mut event = ringing();
    event["call_id"] = json!("9".repeat(100_000));
    assert_eq!(
        decode_json(&event).unwrap_err().to_string(),
        "field `call_id` is too long"
    );
    let mut event = ringing();
    event["external_number"] = json!("9".repeat(100));
    event["contact"] = json!({"name": "x".repeat(1_000_000)});
    event["state"] = json!("s".repeat(1_000_000));
    assert_contract(&decode_json(&event).unwrap());
}

#[test]
fn events_without_any_time_are_marked() {
    let payload = json!({"event_type": "call.ring",
        "call": {"id": 999_888_777, "direction": "inbound", "from": "+15551234567"}});
    let decoded = decode_json(&payload).unwrap();
    assert_eq!(decoded.event, "call.ring");
    assert!(decoded.signals.iter().all(|signal| signal.at == UNDATED));
    let mut signals = decoded.signals;
    let now = "2026-11-22T10:00:00Z".parse().unwrap();
    switchhook_adapters::date_undated(&mut signals, now);
    assert!(signals.iter().all(|signal| signal.at == now));
}

#[test]
fn names_of_the_dialect_that_are_unknown_are_read_and_left() {
    let moved = json!({"state": "call.ring", "call": {"id": 1, "direction": "in"}});
    assert_eq!(decode_json(&moved).unwrap().event, "call.ring");
    for event in ["contact.updated", "call.exploded", "fax.received"] {
        let decoded = decode_json(&json!({"event_type": event, "call": {"id": 1}})).unwrap();
        assert_eq!(decoded.event, event);
        let only_linked = |s: &Signal| matches!(s.fact, Fact::Call(CallFact::Linked));
        assert!(decoded.signals.iter().all(only_linked));
    }
}

/// Puts values of every JSON type in the place of every member of every kind of event, one at a
/// time.
#[test]
fn any_member_may_be_of_any_type() {
    let strange = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(9_007_199_254_740_993_u64),
        json!(""),
        json!("x"),
        json!("{}"),
        json!([]),
        json!([null]),
        json!([1]),
        json!(["x"]),
        json!([{}]),
        json!([[]]),
        json!({}),
        json!({"id": 1}),
        json!({"id": {}}),
        json!({"type": 1}),
        json!("\u{0}\u{202e}"),
    ];
    let mut tried = 0;
    let mut seen = BTreeSet::new();
    for scenario in fixture::scenarios("dialpad") {
        for (name, payload) in fixture::notifications(&scenario, &Dialpad) {
            let original: Value = serde_json::from_slice(&payload).unwrap();
            let event = decode(&payload).unwrap().event;
            for path in paths(&original) {
                if !seen.insert((event.clone(), path.clone())) {
                    continue;
                }
                for value in &strange {
                    let mut mutated = original.clone();
                    *mutated.pointer_mut(&path).unwrap() = value.clone();
                    match decode_json(&mutated) {
                        Ok(decoded) => assert_contract(&decoded),
                        Err(DecodeError::Field { field, .. }) => {
                            assert!(!field.is_empty(), "{name} {path}");
                        }
                        Err(error) => panic!("{name} {path}: {error}"),
                    }
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

/// JSON pointers of every value below the root.
fn paths(value: &Value) -> Vec<String> {
    let below = |name: String, inner: &Value| {
        let mut found = vec![format!("/{name}")];
        found.extend(
            paths(inner)
                .into_iter()
                .map(|rest| format!("/{name}{rest}")),
        );
        found
    };
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, inner)| below(name.clone(), inner))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, inner)| below(at.to_string(), inner))
            .collect(),
        _ => Vec::new(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9+]{0,16}".prop_map(Value::from),
    ];
    let names = "id|type|name|phone|call|data|call_id|duration|url";
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&payload);
    }

    #[test]
    fn any_members_are_answered(
        members in proptest::collection::btree_map(
            "state|call_id|event_timestamp|direction|target|contact|date_[a-z]{4,9}|event_type|\
             type|call|data|message|sms|voicemail|recording|recording_details|recording_url|\
             transcription_text|voicemail_link|message_status|to_number|id|on_duty_status|\
             hold_time|is_transferred|transferred_from|group_id|entry_point_target",
            any_json(), 0..12),
        event in prop_oneof![Just(""), Just("call.ring"), Just("call.ended"),
            Just("sms.received"), Just("voicemail.received"), Just("call.recording.completed")],
    ) {
        let mut payload = json!(members);
        if !event.is_empty() {
            payload["event_type"] = json!(event);
        }
        if let Ok(decoded) = decode_json(&payload) {
            assert_contract(&decoded);
        }
    }
}
