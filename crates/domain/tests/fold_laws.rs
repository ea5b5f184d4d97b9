//! The laws of the merge and the fold, over generated conversations: order, repetition and
//! grouping of signals must not matter, and subscribers are never told anything twice or
//! backwards. (The same laws over recorded calls of real platforms are tested where the decoders
//! are: `crates/adapters/tests`.)

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "laws/dials.rs"]
mod dials;
#[path = "laws/moments.rs"]
mod moments;

use std::collections::BTreeMap;

use proptest::prelude::*;
use switchhook_domain::Timestamp;
use switchhook_domain::call::{Call, Status};
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::dial::DialCause;
use switchhook_domain::event::EventType;
use switchhook_domain::facts::Facts;
use switchhook_domain::id::DialId;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::{
    CallFact, DIAL_KEY, Direction, LegFact, LegKind, Outcome, Party, Signal, TransferKind,
};
use uuid::Uuid;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_312_358_000 + ms).unwrap()
}

pub(crate) fn number(raw: &str) -> PhoneNumber {
    PhoneNumber::parse(raw, &NumberPlan::default())
}

fn leg_fact() -> impl Strategy<Value = LegFact> {
    let kind = prop_oneof![
        Just(LegKind::Agent),
        Just(LegKind::External),
        Just(LegKind::Routing),
        Just(LegKind::Helper)
    ];
    let cause = prop_oneof![
        Just(Cause::q850(16)),
        Just(Cause::q850(21)),
        Just(Cause::q850(0)),
        Just(Cause::reason(Reason::NoAnswer)),
        Just(Cause::reason(Reason::AnsweredElsewhere)),
    ];
    prop_oneof![
        (kind, any::<bool>(), "[0-9]{3}").prop_map(|(kind, origin, extension)| LegFact::Seen {
            kind,
            origin,
            party: Party {
                extension: Some(extension),
                number: Some(number("0612345678")),
                ..Party::default()
            }
        }),
        Just(LegFact::Rang),
        Just(LegFact::Answered),
        Just(LegFact::Held),
        Just(LegFact::Resumed),
        Just(LegFact::HungUp),
        Just(LegFact::WasUp),
        Just(LegFact::Parted),
        Just(LegFact::Moved),
        "[ab]".prop_map(|bridge| LegFact::Joined { bridge }),
        "[ab]".prop_map(|bridge| LegFact::Left { bridge }),
        cause.clone().prop_map(LegFact::Cause),
        cause.prop_map(LegFact::Ended),
    ]
}

/// Links that come, run out, come back and are taken away.
fn recording() -> impl Strategy<Value = CallFact> {
    let state = prop::sample::select(RecordingState::ALL.to_vec());
    let url = prop::option::of("[ab]");
    let time = || prop::option::of((0_i64..90_000).prop_map(at));
    ("[rs]", state, url, time(), time()).prop_map(|(id, state, url, expires_at, passed)| {
        let recording = Recording {
            state,
            url,
            expires_at,
            passed,
            ..Recording::default()
        };
        CallFact::Recording { id, recording }
    })
}

fn signal() -> impl Strategy<Value = Signal> {
    let call_fact = prop_oneof![
        Just(CallFact::Linked),
        (0_u128..3, "[0-9]{3}").prop_map(|(dial, extension)| CallFact::Requested {
            dial: DialId(Uuid::from_u128(dial)),
            agent: Party {
                extension: Some(extension),
                ..Party::default()
            },
            target: number("0612345678"),
        }),
        (0_u128..3).prop_map(|dial| CallFact::DialFailed {
            dial: DialId(Uuid::from_u128(dial)),
            cause: DialCause::DeviceOffline,
            detail: "The device is not registered.".to_owned(),
        }),
        Just(CallFact::Queue("support".to_owned())),
        Just(CallFact::Queue("sales".to_owned())),
        Just(CallFact::VoicemailReached),
        Just(CallFact::Outcome(Outcome::Untold)),
        Just(CallFact::Outcome(Outcome::Missed)),
        recording(),
        Just(CallFact::Line(number("+31201234567"))),
        Just(CallFact::Transferred {
            kind: TransferKind::Blind,
            from: Some("l1".to_owned()),
            to: Some("101".to_owned())
        }),
    ];
    let time = (0_i64..60_000).prop_map(at);
    // One name in five is of the kind that calls have which were asked for.
    let leg = (0_u8..5).prop_map(|n| match n {
        4 => format!("{DIAL_KEY}1"),
        n => format!("l{n}"),
    });
    prop_oneof![
        4 => (time.clone(), leg.clone(), leg.clone(), leg_fact()).prop_map(
            |(at, leg, other, fact)| Signal::leg(at, &[leg.clone(), other], &leg, fact)
        ),
        1 => (time, leg, call_fact)
            .prop_map(|(at, leg, fact)| Signal::call(at, &[leg], fact)),
    ]
}

pub(crate) fn signals() -> impl Strategy<Value = Vec<Signal>> {
    prop::collection::vec(signal(), 1..40)
}

fn facts(signals: &[Signal]) -> Facts {
    let mut facts = Facts::default();
    for signal in signals {
        facts.apply(signal);
    }
    facts
}

fn shuffled(signals: Vec<Signal>) -> impl Strategy<Value = (Vec<Signal>, Vec<Signal>)> {
    (Just(signals.clone()), Just(signals).prop_shuffle())
}

fn replay(signals: &[Signal]) -> (Vec<Call>, Vec<(EventType, Call)>) {
    let mut replay = Replay::new("test", "NL");
    for signal in signals {
        replay.notification(at(120_000), std::slice::from_ref(signal));
    }
    let (calls, events) = replay.finish();
    let events = events.into_iter().map(|event| {
        let data: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(event.data.get()).unwrap();
        (
            event.kind,
            serde_json::from_value(data["call"].clone()).unwrap(),
        )
    });
    (calls, events.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_signals_does_not_matter((a, b) in signals().prop_flat_map(shuffled)) {
        prop_assert_eq!(facts(&a), facts(&b));
    }

    #[test]
    fn repeating_signals_does_not_matter(signals in signals()) {
        let twice: Vec<Signal> = signals.iter().chain(&signals).cloned().collect();
        prop_assert_eq!(facts(&signals), facts(&twice));
    }

    #[test]
    fn merging_halves_is_applying_the_whole(a in signals(), b in signals(), c in signals()) {
        let whole = facts(&[a.clone(), b.clone(), c.clone()].concat());
        let (a, b, c) = (facts(&a), facts(&b), facts(&c));
        let join = |x: &Facts, y: &Facts| { let mut x = x.clone(); x.merge(y.clone()); x };
        prop_assert_eq!(&join(&join(&a, &b), &c), &whole);
        prop_assert_eq!(&join(&a, &join(&b, &c)), &whole);
        prop_assert_eq!(&join(&c, &join(&b, &a)), &whole);
        prop_assert_eq!(&join(&whole, &whole), &whole);
    }

    #[test]
    fn facts_survive_storage(signals in signals()) {
        let facts = facts(&signals);
        let stored = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<Facts>(&stored).unwrap(), facts);
    }

    #[test]
    fn nothing_is_told_twice_or_backwards(signals in signals()) {
        let (_, events) = replay(&signals);
        let mut once = BTreeMap::new();
        let mut stage = BTreeMap::new();
        for (kind, call) in &events {
            let rank = match kind {
                EventType::CallRing => 1,
                EventType::CallStarted => 2,
                EventType::CallEnded | EventType::CallMissed | EventType::CallRejected => 3,
                _ => 0,
            };
            if rank > 0 {
                let seen = once.entry((call.id, rank)).or_insert(0);
                *seen += 1;
                prop_assert!(*seen == 1, "{:?} was told twice", kind);
                let before = stage.insert(call.id, rank).unwrap_or(0);
                prop_assert!(before < rank, "{:?} came after stage {}", kind, before);
            }
            let over = stage.get(&call.id) == Some(&3);
            prop_assert!(!over || call.status.is_terminal(), "{:?} reopened a call", kind);
        }
    }

    #[test]
    fn a_link_is_shown_while_it_is_good((signals, other) in signals().prop_flat_map(shuffled)) {
        let kept = |signals: &[Signal]| facts(signals).recordings;
        for (id, recording) in kept(&signals) {
            let expired = recording.expiry().is_some_and(|at| recording.passed >= Some(at));
            prop_assert!(recording.standing() != RecordingState::Available || !expired);
            let shuffled = kept(&other);
            prop_assert_eq!(Some(&recording), shuffled.get(&id));
        }
    }

    #[test]
    fn the_record_makes_sense_whatever_the_platform_says(signals in signals()) {
        let (calls, _) = replay(&signals);
        for call in calls {
            prop_assert!(call.hold_seconds >= 0);
            prop_assert!(call.duration_seconds.is_none_or(|d| d >= 0));
            prop_assert!(call.ring_seconds.is_none_or(|d| d >= 0));
            if call.status.is_terminal() {
                prop_assert!(call.end_cause.is_some());
            } else {
                prop_assert!(call.ended_at.is_none() && call.end_cause.is_none());
            }
            for pair in call.holds.windows(2) {
                prop_assert!(pair[0].to.is_some_and(|to| to < pair[1].from), "holds overlap");
            }
        }
    }
}

/// A platform that tells of a call once: it is closed after two quiet minutes, and nothing is
/// concluded from the silence.
#[test]
fn a_call_that_is_told_of_once_is_neither_missed_nor_answered() {
    let keys = ["k".to_owned()];
    let once = [
        CallFact::Direction(Direction::Inbound),
        CallFact::Remote(Party {
            number: Some(number("+31612345001")),
            ..Party::default()
        }),
        CallFact::Outcome(Outcome::Untold),
    ];
    let mut told: Vec<Signal> = once.map(|fact| Signal::call(at(0), &keys, fact)).to_vec();
    let (calls, _) = replay(&told);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].status, Status::Ended);
    assert_eq!(calls[0].end_cause, Some(Reason::Lost));
    assert_eq!(calls[0].answered_at, None);
    assert!(calls[0].missing.contains(&"end".to_owned()));
    // Somebody else who does tell how it went is believed.
    let seen = LegFact::Seen {
        kind: LegKind::Agent,
        origin: false,
        party: Party::default(),
    };
    for fact in [
        seen,
        LegFact::Rang,
        LegFact::Ended(Cause::reason(Reason::NoAnswer)),
    ] {
        told.push(Signal::leg(at(9_000), &keys, "l1", fact));
    }
    let (calls, _) = replay(&told);
    assert_eq!(calls[0].status, Status::Missed);
}
