//! Damaged notifications: cut off, with members nobody knows, with events nobody knows.

use serde_json::{Map, Value, json};
use switchhook_domain::signal::{CallFact, Fact, Signal};
use switchhook_engine::adapter::Adapter;

use super::{as_json, notifications};
use crate::fixture::{SECRET, connection};

/// Platforms that keep what they do not know as dead, and why that is right there.
const DEAD: &[(&str, &str)] = &[];

/// A prefix of a body is an error or says nothing: never half a call. Texts that are no JSON carry
/// no end of their own; for them the signature over the whole is what tells, and here only that
/// nothing breaks.
#[test]
fn a_body_that_is_cut_off_is_never_half_a_call() {
    let connection = connection(&[SECRET]);
    let mut cut = 0;
    for one in notifications(3) {
        let is_json = as_json(&one.body).is_some();
        for end in 0..one.body.len() {
            let prefix = &one.body[..end];
            cut += 1;
            let Ok(decoded) = one.adapter.decode(prefix, &connection) else {
                continue;
            };
            let whole = is_json && serde_json::from_slice::<Value>(prefix).is_ok();
            assert!(
                !is_json || whole || decoded.signals.is_empty(),
                "{} cut at {end} says {:?}",
                one.name,
                decoded.signals
            );
        }
    }
    assert!(cut > 10_000, "only {cut} prefixes");
}

/// One member fewer, whichever: understood or refused by name, never a panic.
#[test]
fn a_missing_member_is_survived() {
    let connection = connection(&[SECRET]);
    for one in notifications(5) {
        let Some(Value::Object(whole)) = as_json(&one.body) else {
            continue;
        };
        for name in whole.keys() {
            let mut some = whole.clone();
            some.remove(name);
            let _ = one.adapter.decode(&bytes(&some.into()), &connection);
            for other in [
                Value::Null,
                json!(-1),
                json!(""),
                json!([]),
                json!({}),
                json!(true),
            ] {
                let mut wrong = whole.clone();
                wrong.insert(name.clone(), other);
                let _ = one.adapter.decode(&bytes(&wrong.into()), &connection);
            }
        }
    }
}

#[test]
fn members_that_nobody_knows_change_nothing() {
    let connection = connection(&[SECRET]);
    for one in notifications(10) {
        let Some(mut more) = as_json(&one.body) else {
            continue;
        };
        let expected = one.adapter.decode(&one.body, &connection).unwrap();
        add_unknown(&mut more);
        let got = one.adapter.decode(&bytes(&more), &connection);
        assert_eq!(
            got.as_ref(),
            Ok(&expected),
            "{} with more members",
            one.name
        );
    }
}

fn add_unknown(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(add_unknown);
            let unknown = json!({"a": [1, null, "x"], "b": {"c": 0.5}});
            members.insert("zz_added_by_the_vendor".to_owned(), unknown);
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown),
        _ => {}
    }
}

/// An event that nobody knows says nothing about any call. Where the vendor reserves the right to
/// add events it is kept quietly; elsewhere it may be dead, so that somebody looks.
#[test]
fn an_unknown_event_says_nothing() {
    let connection = connection(&[SECRET]);
    let mut renamed = 0;
    for one in notifications(2) {
        let Some(Value::Object(body)) = as_json(&one.body) else {
            continue;
        };
        let event = one.adapter.decode(&one.body, &connection).unwrap().event;
        let Some(body) = rename(&body, &event) else {
            continue;
        };
        renamed += 1;
        check_unknown(one.adapter, &one.name, &bytes(&body.into()));
    }
    assert!(renamed > 50, "only {renamed} events were renamed");
}

fn check_unknown(adapter: &dyn Adapter, name: &str, body: &[u8]) {
    let platform = adapter.spec().platform;
    let dead = DEAD.iter().any(|(known, _)| *known == platform);
    match adapter.decode(body, &connection(&[SECRET])) {
        Ok(decoded) => {
            // That ids belong together is no word about the call; nor is the state of an agent,
            // which some platforms put beside the event's name.
            let says = |signal: &&Signal| {
                !matches!(
                    signal.fact,
                    Fact::Call(CallFact::Linked) | Fact::Presence(_)
                )
            };
            let said: Vec<&Signal> = decoded.signals.iter().filter(says).collect();
            assert!(said.is_empty(), "{name} renamed says {said:?}");
        }
        Err(error) => assert!(dead, "{name} renamed is dead: {error}"),
    }
}

/// The body with another name of the event, where a member of the first level holds it.
fn rename(body: &Map<String, Value>, event: &str) -> Option<Map<String, Value>> {
    let (name, _) = body
        .iter()
        .find(|(_, value)| value.as_str() == Some(event))?;
    let mut renamed = body.clone();
    renamed.insert(name.clone(), json!("zz_event_of_tomorrow"));
    Some(renamed)
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
