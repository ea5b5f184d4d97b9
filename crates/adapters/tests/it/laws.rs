//! The laws of the fold over every recorded call of every platform: whatever order the
//! notifications come in, however often, the same call comes out; what is lost on the way is
//! either made up for by the rest or said to be missing; and subscribers hear nothing twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use switchhook_adapters::registry;
use switchhook_domain::Timestamp;
use switchhook_domain::call::{Call, Status};
use switchhook_domain::event::EventType;
use switchhook_domain::fold::{LOST_AFTER, QUIET_AFTER};
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::{CallFact, Fact, Signal, date_undated};

use crate::fixture::{decode, notifications, scenarios};

struct Recorded {
    name: String,
    platform: &'static str,
    batches: Vec<Vec<Signal>>,
}

fn recorded() -> Vec<Recorded> {
    let mut all = Vec::new();
    for adapter in registry().all() {
        let platform = adapter.spec().platform;
        for scenario in scenarios(platform) {
            let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
            let mut batches = decode(adapter, &notifications(&scenario, adapter));
            let arrived: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
            for batch in &mut batches {
                date_undated(batch, arrived);
            }
            batches.retain(|batch| !batch.is_empty());
            all.push(Recorded {
                name: format!("{platform}/{name}"),
                platform,
                batches,
            });
        }
    }
    assert!(all.len() > 40, "the fixtures are there");
    all
}

struct Run {
    calls: Vec<Call>,
    events: Vec<(EventType, Option<String>, Value)>,
}

fn run(platform: &str, batches: &[&Vec<Signal>]) -> Run {
    let mut replay = Replay::new(platform, "NL");
    let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    for batch in batches {
        replay.notification(now, batch);
    }
    replay.settle(QUIET_AFTER);
    // Time passes: the reaper gives up what was never reported to be over.
    replay.settle(LOST_AFTER);
    let (calls, events) = replay.finish();
    let events = events.into_iter().map(|event| {
        let data: Value = serde_json::from_str(event.data.get()).unwrap();
        (event.kind, event.call_id.map(|id| id.to_string()), data)
    });
    // A call that became part of another was told to be over and is one with that other.
    let calls = calls
        .into_iter()
        .filter(|call| call.merged_into.is_none())
        .collect();
    Run {
        calls,
        events: events.collect(),
    }
}

/// The record without what depends on when we heard of it.
fn essence(call: &Call) -> Value {
    let mut value = serde_json::to_value(call).unwrap();
    for member in ["id", "created_at", "updated_at"] {
        value.as_object_mut().unwrap().remove(member);
    }
    if let Some(moment) = value["contact_moment"].as_object_mut() {
        moment.remove("id");
    }
    value
}

fn essences(calls: &[Call]) -> Vec<Value> {
    let mut all: Vec<Value> = calls.iter().map(essence).collect();
    all.sort_by_key(ToString::to_string);
    all
}

fn check_telling(name: &str, run: &Run) {
    let mut stage: BTreeMap<&str, u8> = BTreeMap::new();
    let mut marks = Vec::new();
    for (kind, call, data) in &run.events {
        let Some(call) = call else { continue };
        let rank = match kind {
            EventType::CallRing => 1,
            EventType::CallStarted => 2,
            EventType::CallEnded | EventType::CallMissed | EventType::CallRejected => 3,
            EventType::ScreenPopOpened => {
                let mark = format!("{call} pop {}", data["leg"]);
                assert!(!marks.contains(&mark), "{name}: {mark} twice");
                marks.push(mark);
                continue;
            }
            _ => continue,
        };
        let before = stage.insert(call, rank).unwrap_or(0);
        assert!(before < rank, "{name}: {kind:?} after stage {before}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(seed in any::<u64>()) {
        for call in recorded() {
            let ordered: Vec<&Vec<Signal>> = call.batches.iter().collect();
            let expected = run(call.platform, &ordered);
            check_telling(&call.name, &expected);
            let shuffled = shuffle(&ordered, seed, true);
            let got = run(call.platform, &shuffled);
            check_telling(&call.name, &got);
            prop_assert_eq!(
                essences(&got.calls), essences(&expected.calls),
                "{} in another order", call.name
            );
        }
    }
}

/// Told in the order in which it happened, the word about the end fits the record: no call is told
/// to be missed that turns out to have been declined a moment later.
#[test]
fn the_end_is_told_once_and_right() {
    for call in recorded() {
        let ordered: Vec<&Vec<Signal>> = call.batches.iter().collect();
        let told = run(call.platform, &ordered);
        for record in &told.calls {
            let id = record.id.to_string();
            let ends = [
                EventType::CallEnded,
                EventType::CallMissed,
                EventType::CallRejected,
            ];
            let said: Vec<EventType> = told
                .events
                .iter()
                .filter(|(kind, call, _)| ends.contains(kind) && call.as_ref() == Some(&id))
                .map(|(kind, ..)| *kind)
                .collect();
            let right = match record.status {
                Status::Rejected => EventType::CallRejected,
                Status::Missed | Status::Voicemail => EventType::CallMissed,
                _ => EventType::CallEnded,
            };
            assert_eq!(said, [right], "{} ended as {:?}", call.name, record.status);
        }
    }
}

/// Every notification left out in turn: either the record is the same to within the moment that
/// neighbouring notifications are apart, or it says what is missing.
#[test]
fn what_is_lost_is_made_up_for_or_said() {
    let mut silent = Vec::new();
    let mut runs = 0;
    for call in recorded() {
        let ordered: Vec<&Vec<Signal>> = call.batches.iter().collect();
        let expected = run(call.platform, &ordered);
        for left_out in 0..ordered.len() {
            let mut some = ordered.clone();
            some.remove(left_out);
            runs += 1;
            let got = run(call.platform, &some);
            check_telling(&call.name, &got);
            if got.calls.is_empty() {
                // It was the only word about the call.
                continue;
            }
            if is_only_word_of_voicemail(&ordered, left_out) {
                continue;
            }
            let told = got.calls.iter().any(|call| !call.missing.is_empty());
            if let Some(difference) = differs(&expected.calls, &got.calls)
                && !told
            {
                let facts = &ordered[left_out];
                silent.push(format!(
                    "{} without {left_out} {facts:?}: {difference}",
                    call.name
                ));
            }
        }
    }
    assert!(runs > 500, "only {runs} runs");
    assert!(
        silent.is_empty(),
        "{} silent losses:\n{}",
        silent.len(),
        silent.join("\n")
    );
}

/// A mailbox that is told of once cannot be made up for by the rest.
fn is_only_word_of_voicemail(batches: &[&Vec<Signal>], index: usize) -> bool {
    let tells = |batch: &Vec<Signal>| {
        batch.iter().any(|signal| {
            matches!(
                signal.fact,
                Fact::Call(CallFact::VoicemailReached | CallFact::Voicemail { .. })
            )
        })
    };
    tells(batches[index]) && batches.iter().filter(|batch| tells(batch)).count() == 1
}

/// What differs in what a person would read off the records. Details that only one notification
/// of a real platform ever says (a queue's name, a recording, a transfer) cannot be made up for
/// by others and are not compared; nor is the last word on who hung up.
fn differs(expected: &[Call], got: &[Call]) -> Option<String> {
    if expected.len() != got.len() {
        return Some(format!("{} calls instead of {}", got.len(), expected.len()));
    }
    for (a, b) in expected.iter().zip(got) {
        let same = |what: &str, a: &Value, b: &Value| {
            (a != b).then(|| format!("{what}: {b} instead of {a}"))
        };
        let (left, right) = (essence(a), essence(b));
        for what in ["status", "direction", "from_number", "to_number"] {
            if let Some(difference) = same(what, &left[what], &right[what]) {
                return Some(difference);
            }
        }
        let who = |call: &Call| {
            call.agent
                .as_ref()
                .map(|a| (a.extension.clone(), a.user_id.clone()))
        };
        if who(a) != who(b) {
            return Some(format!("agent: {:?} instead of {:?}", who(b), who(a)));
        }
        if let Some(difference) = same(
            "answered",
            &a.answered_at.is_some().into(),
            &b.answered_at.is_some().into(),
        ) {
            return Some(difference);
        }
        let apart = |a: Option<i64>, b: Option<i64>| (a.unwrap_or(0) - b.unwrap_or(0)).abs();
        if apart(a.duration_seconds, b.duration_seconds) > 3 {
            return Some(format!(
                "talk {:?} instead of {:?}",
                b.duration_seconds, a.duration_seconds
            ));
        }
    }
    None
}

/// A permutation, with some notifications twice.
fn shuffle<'a>(batches: &[&'a Vec<Signal>], seed: u64, repeat: bool) -> Vec<&'a Vec<Signal>> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).unwrap()
    };
    let mut all = batches.to_vec();
    if repeat {
        let again: Vec<_> = batches
            .iter()
            .filter(|_| next() % 3 == 0)
            .copied()
            .collect();
        all.extend(again);
    }
    for index in (1..all.len()).rev() {
        all.swap(index, next() % (index + 1));
    }
    all
}
