//! A call that somebody asked us to place: it is there before the platform speaks, keeps its id
//! whatever the platform says first, and its failure is told once.

use serde_json::Value;
use switchhook_domain::call::{Call, Status};
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::dial::DialCause;
use switchhook_domain::event::EventType;
use switchhook_domain::id::DialId;
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::{CallFact, DIAL_KEY, Direction, LegFact, LegKind, Party, Signal};
use uuid::Uuid;

use super::{at, number};

const DIAL: DialId = DialId(Uuid::from_u128(7));

fn key() -> String {
    format!("{DIAL_KEY}{DIAL}")
}

fn agent() -> Party {
    Party {
        extension: Some("100".to_owned()),
        ..Party::default()
    }
}

/// What is said when the call is asked for.
fn asked(target: &str) -> Vec<Signal> {
    let requested = CallFact::Requested {
        dial: DIAL,
        agent: agent(),
        target: number(target),
    };
    vec![
        Signal::call(at(0), &[key()], CallFact::Started),
        Signal::call(at(0), &[key()], requested),
    ]
}

/// What the platform says: it rings the agent, who picks up, and then the other side does.
fn platform(keys: &[&str]) -> Vec<Signal> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let seen = |ms, leg: &str, kind, party| {
        let fact = LegFact::Seen {
            kind,
            origin: false,
            party,
        };
        Signal::leg(at(ms), &keys, leg, fact)
    };
    let outside = Party {
        number: Some(number("+31612345678")),
        name: Some("Jan".to_owned()),
        ..Party::default()
    };
    vec![
        seen(1_000, "a", LegKind::Agent, agent()),
        Signal::leg(at(1_100), &keys, "a", LegFact::Rang),
        Signal::leg(at(3_000), &keys, "a", LegFact::Answered),
        seen(3_100, "b", LegKind::External, outside),
        Signal::leg(at(3_500), &keys, "b", LegFact::Rang),
        Signal::leg(at(6_000), &keys, "b", LegFact::Answered),
    ]
}

fn linked() -> Signal {
    Signal::call(at(900), &[key(), "p1".to_owned()], CallFact::Linked)
}

fn played(batches: &[&[Signal]]) -> Replay {
    let mut replay = Replay::new("test", "NL");
    for batch in batches {
        replay.notification(at(10_000), batch);
    }
    replay
}

fn kinds(replay: &Replay) -> Vec<EventType> {
    replay.events().iter().map(|event| event.kind).collect()
}

/// The calls without what differs by itself: ids.
fn plain(replay: &Replay) -> Vec<Call> {
    let mut calls = replay.calls();
    calls.retain(|call| call.merged_into.is_none());
    for call in &mut calls {
        call.id = switchhook_domain::id::CallId(Uuid::nil());
    }
    calls
}

#[test]
fn a_call_that_was_asked_for_is_there_before_the_platform_speaks() {
    let replay = played(&[&asked("0612345678")]);
    let [call] = &replay.calls()[..] else {
        panic!("one call");
    };
    assert_eq!(call.status, Status::Ringing);
    assert_eq!(call.direction, Some(Direction::Outbound));
    assert_eq!(call.to_number.as_deref(), Some("+31612345678"));
    assert_eq!(call.from_number.as_deref(), Some("100"));
    let agent = call.agent.as_ref().unwrap();
    assert_eq!(agent.extension.as_deref(), Some("100"));
    assert_eq!(call.external_call_id, "", "the platform has given no name");
    assert_eq!(call.started_at, Some(at(0)));
    let told = [EventType::CallUpdated, EventType::ContactMomentOpened];
    assert_eq!(kinds(&replay), told);
}

#[test]
fn until_a_leg_is_seen_the_platforms_own_name_of_the_call_is_shown() {
    for (name, shown) in [
        ("chan:17.1", "17.1"),
        ("dp:5600", "5600"),
        ("s-a0d1:2", "s-a0d1:2"),
        ("chan:", "chan:"),
    ] {
        let named = Signal::call(at(900), &[key(), name.to_owned()], CallFact::Linked);
        let replay = played(&[&asked("0612345678"), &[named]]);
        assert_eq!(replay.calls()[0].external_call_id, shown);
    }
}

#[test]
fn an_extension_that_is_asked_for_is_an_internal_call() {
    let replay = played(&[&asked("200")]);
    let call = &replay.calls()[0];
    assert_eq!(call.direction, Some(Direction::Internal));
    assert_eq!(call.to_number.as_deref(), Some("200"));
    assert_eq!(call.from_number.as_deref(), Some("100"));
}

#[test]
fn the_agents_own_pick_up_is_no_answer() {
    let (asked, platform) = (asked("0612345678"), platform(&["p1"]));
    let mut replay = played(&[&asked, &[linked()], &platform[..3]]);
    let call = &replay.calls()[0];
    assert_eq!(call.status, Status::Ringing);
    assert_eq!((call.rang_at, call.answered_at), (None, None));
    replay.notification(at(10_000), &platform[3..]);
    let call = &replay.calls()[0];
    assert_eq!(call.status, Status::Active);
    assert_eq!(call.rang_at, Some(at(3_500)));
    assert_eq!(call.answered_at, Some(at(6_000)));
    assert_eq!(call.to.as_ref().unwrap().name.as_deref(), Some("Jan"));
    let started = kinds(&replay);
    let started = started
        .iter()
        .filter(|kind| **kind == EventType::CallStarted);
    assert_eq!(started.count(), 1);
}

#[test]
fn nor_is_it_when_the_platform_was_asked_by_somebody_else() {
    let dialled = CallFact::Dialled(number("0612345678"));
    let keys = ["p1".to_owned()];
    let began = LegFact::Seen {
        kind: LegKind::Agent,
        origin: true,
        party: agent(),
    };
    let own = [
        Signal::call(at(1_000), &keys, dialled),
        Signal::leg(at(1_000), &keys, "a", began),
    ];
    let platform = platform(&["p1"]);
    let mut replay = played(&[&own, &platform[..3]]);
    let call = &replay.calls()[0];
    assert_eq!(call.direction, Some(Direction::Outbound));
    assert_eq!((call.status, call.answered_at), (Status::Ringing, None));
    assert!(!kinds(&replay).contains(&EventType::CallStarted));
    replay.notification(at(10_000), &platform[3..]);
    assert_eq!(replay.calls()[0].answered_at, Some(at(6_000)));
    assert!(kinds(&replay).contains(&EventType::CallStarted));
}

#[test]
fn the_id_that_was_given_out_stays_whatever_comes_first() {
    let (asked, link, own) = (asked("0612345678"), [linked()], platform(&["p1"]));
    let first: Vec<_> = played(&[&asked]).calls().iter().map(|c| c.id).collect();
    // The answer to the request first, then the platform's events.
    let usual = played(&[&asked, &link, &own]);
    // The platform's events come before the answer, and have been told as a call of their own.
    let early = played(&[&asked, &own, &link]);
    // In the middle of them.
    let middle = played(&[&asked, &own[..4], &link, &own[4..]]);
    // The events themselves carry the id back; the answer never came.
    let echoed = platform(&["p1", &key()]);
    let echo = played(&[&asked, &echoed]);
    for replay in [&usual, &early, &middle, &echo] {
        let calls = replay.calls();
        let alive: Vec<_> = calls.iter().filter(|c| c.merged_into.is_none()).collect();
        assert_eq!(alive.len(), 1);
        assert_eq!(alive[0].id, first[0]);
        assert_eq!(plain(replay), plain(&usual));
        let merged = calls.iter().find(|c| c.merged_into.is_some());
        assert!(merged.is_none_or(|call| call.merged_into == Some(first[0])));
    }
    // Even when the platform spoke before the request was stored, the call asked for survives.
    let late = played(&[&own, &asked, &link]);
    let alive = late
        .calls()
        .into_iter()
        .find(|call| call.merged_into.is_none());
    let told = late.events().iter().find(|event| {
        let data: Value = serde_json::from_str(event.data.get()).unwrap();
        data["call"]["agent"]["extension"] == "100" && data["call"]["legs"] == Value::Array(vec![])
    });
    assert_eq!(told.unwrap().call_id, alive.map(|call| call.id));
}

#[test]
fn two_calls_that_were_asked_for_both_keep_their_ids() {
    let other = DialId(Uuid::from_u128(8));
    let requested = CallFact::Requested {
        dial: other,
        agent: agent(),
        target: number("200"),
    };
    let other_key = format!("{DIAL_KEY}{other}");
    let second = [Signal::call(
        at(50),
        std::slice::from_ref(&other_key),
        requested,
    )];
    let link = [Signal::call(at(60), &[key(), other_key], CallFact::Linked)];
    let replay = played(&[&asked("0612345678"), &second, &link]);
    let calls = replay.calls();
    assert_eq!(calls.len(), 2, "an id that was given out is never gone");
    let merged = calls.iter().filter(|call| call.merged_into.is_some());
    assert_eq!(merged.count(), 1);
}

#[test]
fn a_failure_is_told_once_with_its_cause_and_ends_the_call() {
    let failed = |ms| {
        let fact = CallFact::DialFailed {
            dial: DIAL,
            cause: DialCause::DeviceOffline,
            detail: "The phone is not registered.".to_owned(),
        };
        let ended = CallFact::Ended {
            cause: Cause::reason(Reason::Failed),
            by: Some(EndedBy::System),
        };
        [
            Signal::call(at(ms), &[key()], fact),
            Signal::call(at(ms), &[key()], ended),
        ]
    };
    for target in ["0612345678", "200"] {
        let asked = asked(target);
        let replay = played(&[&asked, &failed(500), &failed(700), &failed(500)]);
        let call = &replay.calls()[0];
        assert_eq!(call.status, Status::Ended);
        assert_eq!(call.end_cause, Some(Reason::Failed));
        let told: Vec<_> = replay.events().iter().collect();
        let failures: Vec<_> = told
            .iter()
            .filter(|event| event.kind == EventType::DialFailed)
            .collect();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].call_id, Some(call.id));
        let data: Value = serde_json::from_str(failures[0].data.get()).unwrap();
        assert_eq!(data["dial"]["id"], DIAL.to_string());
        assert_eq!(data["dial"]["cause"], "device_offline");
        assert_eq!(data["dial"]["agent"]["extension"], "100");
        assert_eq!(data["dial"]["target"], call.to_number.clone().unwrap());
        assert_eq!(data["call"]["status"], "ended");
        let ends = told
            .iter()
            .filter(|event| event.kind == EventType::CallEnded);
        assert_eq!(ends.count(), 1);
    }
}
