//! What the simulator plays must be believed, understood, and tell the story it promises.

use std::collections::BTreeSet;

use serde_json::Value;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_adapters::registry;
use switchhook_adapters::simulate::{self, CallSeed, Disturb, Scenario, Step};
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{Adapter, Inbound};

use crate::fixture::{self, SECRET, connection};

pub(crate) fn seed(number: u64) -> CallSeed {
    CallSeed::new(number, "2026-11-22T09:00:00Z".parse().unwrap())
}

fn dialpad(scenario: Scenario, seed: &CallSeed) -> Vec<Step> {
    simulate::dialpad(scenario, seed, SECRET)
}

/// Verifies and decodes as the server does.
fn understood(adapter: &dyn Adapter, steps: &[Step]) -> Vec<Vec<Signal>> {
    let connection = connection(&[SECRET]);
    let one = |step: &Step| {
        let inbound = Inbound {
            content_type: step.content_type,
            headers: &step.headers,
            ..Inbound::body_only(&step.body)
        };
        let payload = if adapter.spec().platform == "asterisk" {
            step.body.as_slice().into()
        } else {
            adapter.verify(&inbound, &connection).unwrap()
        };
        adapter.decode(&payload, &connection).unwrap().signals
    };
    steps.iter().map(one).collect()
}

pub(crate) fn assert_story(platform: &str, scenario: Scenario, seed: &CallSeed, folded: &Value) {
    let name = format!("{platform} {} seed {}", scenario.name(), seed.seed);
    let calls = folded["calls"].as_array().unwrap();
    let Some(status) = scenario.status() else {
        assert!(calls.is_empty(), "{name}: {calls:?}");
        return;
    };
    assert_eq!(calls.len(), 1, "{name} is one conversation: {calls:#?}");
    let call = &calls[0];
    assert_eq!(call["status"], status.as_str(), "{name}: {call:#}");
    assert_eq!(call["missing"], serde_json::json!([]), "{name}: {call:#}");
    let outbound = matches!(
        scenario,
        Scenario::OutboundAnswered | Scenario::OutboundNoAnswer
    );
    let direction = if outbound { "outbound" } else { "inbound" };
    assert_eq!(call["direction"], direction, "{name}");
    let outside = if outbound {
        &call["to_number"]
    } else {
        &call["from_number"]
    };
    let shown = scenario != Scenario::Withheld;
    assert_eq!(
        outside.as_str(),
        shown.then_some(seed.caller.number.as_str()),
        "{name}"
    );
    let answered = !matches!(
        scenario,
        Scenario::Missed
            | Scenario::Busy
            | Scenario::Rejected
            | Scenario::Voicemail
            | Scenario::OutboundNoAnswer
    );
    assert_eq!(
        call["answered_at"].is_string(),
        answered,
        "{name}: {call:#}"
    );
    assert_eq!(
        call["duration_seconds"].as_i64().unwrap() > 0,
        answered,
        "{name}"
    );
    let by_second = matches!(scenario, Scenario::Transfer | Scenario::RingGroup);
    if answered {
        let who = if by_second {
            &seed.colleague
        } else {
            &seed.agent
        };
        let agent = &call["agent"];
        let known = agent["user_id"].as_str() == Some(who.user_id.to_string().as_str())
            || agent["extension"] == who.extension.as_str();
        assert!(known, "{name}: {agent}");
    }
    let transfers = call["transfers"].as_array().unwrap().len();
    assert_eq!(
        transfers,
        usize::from(scenario == Scenario::Transfer),
        "{name}"
    );
    let holds = call["holds"].as_array().unwrap().len();
    assert_eq!(holds, usize::from(scenario == Scenario::Hold), "{name}");
    let recordings = call["recordings"].as_array().unwrap().len();
    assert_eq!(
        recordings,
        usize::from(scenario == Scenario::Recording),
        "{name}"
    );
    assert_eq!(
        call["voicemail"].is_object(),
        scenario == Scenario::Voicemail,
        "{name}"
    );
}

#[test]
fn every_scenario_tells_its_story_at_dialpad() {
    for number in 0..20 {
        for scenario in Scenario::ALL.iter().copied() {
            let seed = seed(number).paced([1.0, 0.05, 3.0][usize::try_from(number % 3).unwrap()]);
            let batches = understood(&Dialpad, &dialpad(scenario, &seed));
            assert!(!batches.is_empty());
            let folded = fixture::fold("dialpad", &batches);
            assert_story("dialpad", scenario, &seed, &folded);
            let messages = folded["messages"].as_array().unwrap().len();
            assert_eq!(messages, if scenario == Scenario::Sms { 2 } else { 0 });
            let presence = folded["presence"].as_array().unwrap().len();
            assert_eq!(presence, if scenario == Scenario::Presence { 4 } else { 0 });
        }
    }
}

/// As every scenario ends at Dialpad, and over a bad network too; what is lost breaks nothing.
#[test]
fn every_scenario_tells_its_story_at_ringcentral() {
    let adapter = registry().get("ringcentral").unwrap();
    for number in 0..20 {
        for scenario in Scenario::ALL.iter().copied() {
            let seed = seed(number).paced([1.0, 0.05, 3.0][usize::try_from(number % 3).unwrap()]);
            let steps = simulate::ringcentral(scenario, &seed, SECRET);
            assert_eq!(steps, simulate::ringcentral(scenario, &seed, SECRET));
            assert!(steps.is_sorted_by_key(|step| step.after_ms));
            let bad = Disturb {
                drop: 0,
                dup: 300,
                shuffle: 500,
                seed: number,
            };
            // At twenty times the pace of life a voicemail would overtake its own call.
            let bad_too = number % 3 != 1;
            let arrived = [steps.clone(), bad.apply(steps.clone())];
            for steps in arrived.iter().take(1 + usize::from(bad_too)) {
                let folded = fixture::fold("ringcentral", &understood(adapter, steps));
                assert_story("ringcentral", scenario, &seed, &folded);
                let messages = folded["messages"].as_array().unwrap().len();
                assert_eq!(messages, if scenario == Scenario::Sms { 2 } else { 0 });
                let told = folded["presence"].as_array().unwrap();
                assert_eq!(told.is_empty(), scenario != Scenario::Presence);
            }
            let lossy = Disturb { drop: 400, ..bad };
            let some = understood(adapter, &lossy.apply(steps));
            let folded = fixture::fold("ringcentral", &some);
            // A voicemail whose call's last events are all lost stands alone.
            let most = if scenario == Scenario::Voicemail {
                2
            } else {
                1
            };
            let calls = folded["calls"].as_array().unwrap().len();
            assert!(calls <= most, "{}", scenario.name());
        }
    }
}

#[test]
fn every_scenario_tells_its_story_at_asterisk() {
    let adapter = registry().get("asterisk").unwrap();
    for number in 0..20 {
        for scenario in Scenario::ALL.iter().copied() {
            let seed = seed(number);
            let batches = understood(adapter, &simulate::asterisk(scenario, &seed));
            let folded = fixture::fold("asterisk", &batches);
            assert_story("asterisk", scenario, &seed, &folded);
        }
    }
}

/// Whatever a platform has words for ends in the same story, also over a bad network.
#[test]
fn every_scenario_tells_its_story_at_callvoip_and_wildix() {
    for (platform, silent) in [("callvoip", 1), ("wildix", 1)] {
        let adapter = registry().get(platform).unwrap();
        let player = simulate::player(platform).unwrap();
        let connection = connection(&[SECRET]);
        let mut without_words = BTreeSet::new();
        for number in 0..20 {
            for scenario in Scenario::ALL.iter().copied() {
                let pace = [1.0, 0.05, 3.0][usize::try_from(number % 3).unwrap()];
                let seed = seed(number).paced(pace);
                let steps = player(scenario, &seed, SECRET);
                if steps.is_empty() {
                    without_words.insert(scenario);
                    continue;
                }
                assert_eq!(
                    steps,
                    player(scenario, &seed, SECRET),
                    "the same bytes again"
                );
                assert!(steps.is_sorted_by_key(|step| step.after_ms));
                for (dup, shuffle) in [(0, 0), (300, 500)] {
                    let bad = Disturb {
                        drop: 0,
                        dup,
                        shuffle,
                        seed: number,
                    };
                    let one = |step: &Step| {
                        let inbound = Inbound {
                            headers: &step.headers,
                            ..Inbound::body_only(&step.body)
                        };
                        let payload = adapter.verify(&inbound, &connection).unwrap();
                        adapter.decode(&payload, &connection).unwrap().signals
                    };
                    let steps = bad.apply(steps.clone());
                    let batches: Vec<Vec<Signal>> = steps.iter().map(one).collect();
                    let folded = fixture::fold(platform, &batches);
                    assert_story(platform, scenario, &seed, &folded);
                }
            }
        }
        assert_eq!(without_words.len(), silent, "{platform}: {without_words:?}");
        assert!(without_words.contains(&Scenario::Sms));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_other_calls() {
    for scenario in Scenario::ALL.iter().copied() {
        let mut bodies = BTreeSet::new();
        assert_eq!(dialpad(scenario, &seed(1)), dialpad(scenario, &seed(1)));
        assert_eq!(
            simulate::asterisk(scenario, &seed(1)),
            simulate::asterisk(scenario, &seed(1))
        );
        // The presence of an agent depends on nobody who calls.
        let seeds = if scenario == Scenario::Presence {
            0..1
        } else {
            0..50
        };
        for number in seeds {
            let first = dialpad(scenario, &seed(number)).remove(0);
            assert!(
                bodies.insert(first.body),
                "{} of seed {number} again",
                scenario.name()
            );
        }
        assert_eq!(
            Scenario::from_name(&scenario.name().to_uppercase()),
            Some(scenario)
        );
        assert!(scenario.story().ends_with('.'));
    }
    assert_eq!(Scenario::from_name("nonesuch"), None);
}

#[test]
fn steps_are_in_order_and_follow_the_pace() {
    for scenario in Scenario::ALL.iter().copied() {
        for (slow, fast) in [
            (
                dialpad(scenario, &seed(3)),
                dialpad(scenario, &seed(3).paced(0.1)),
            ),
            (
                simulate::asterisk(scenario, &seed(3)),
                simulate::asterisk(scenario, &seed(3).paced(0.1)),
            ),
        ] {
            assert!(
                slow.is_sorted_by_key(|step| step.after_ms),
                "{}",
                scenario.name()
            );
            assert!(
                fast.is_sorted_by_key(|step| step.after_ms),
                "{}",
                scenario.name()
            );
            assert_eq!(slow.len(), fast.len());
            if let (Some(slow), Some(fast)) = (slow.last(), fast.last()) {
                assert!(slow.after_ms < 400_000);
                assert!(
                    fast.after_ms <= slow.after_ms / 5 + 200,
                    "{}",
                    scenario.name()
                );
            }
        }
    }
}

/// Doubles and disorder cost nothing: the same record in the end.
#[test]
fn a_bad_network_does_not_change_the_record() {
    for number in 0..15 {
        for scenario in Scenario::ALL.iter().copied() {
            let seed = seed(number);
            let steps = dialpad(scenario, &seed);
            let bad = Disturb {
                drop: 0,
                dup: 300,
                shuffle: 500,
                seed: number,
            };
            let folded = fixture::fold("dialpad", &understood(&Dialpad, &bad.apply(steps)));
            assert_story("dialpad", scenario, &seed, &folded);
        }
    }
}

/// Whatever is lost, nothing breaks, and no call is told twice.
#[test]
fn lost_notifications_never_break_the_fold() {
    for number in 0..15 {
        for scenario in Scenario::ALL.iter().copied() {
            let bad = Disturb {
                drop: 400,
                dup: 100,
                shuffle: 300,
                seed: number,
            };
            let steps = bad.apply(dialpad(scenario, &seed(number)));
            let folded = fixture::fold("dialpad", &understood(&Dialpad, &steps));
            assert!(
                folded["calls"].as_array().unwrap().len() <= 1,
                "{}",
                scenario.name()
            );
        }
    }
}
