//! The players of flat platforms: believed, understood, and telling the story they promise.

use switchhook_adapters::date_undated;
use switchhook_adapters::generic::Generic;
use switchhook_adapters::mapped::{Aircall, ThreeCx};
use switchhook_adapters::simulate::{CallSeed, Disturb, Scenario, Step, player};
use switchhook_adapters::zammad::Zammad;
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{Adapter, Inbound};

use crate::fixture::{self, SECRET, connection};
use crate::simulate::{assert_story, seed};

/// Verifies and decodes as the server does; what carries no time is dated when it arrives.
fn understood(adapter: &dyn Adapter, steps: &[Step], seed: &CallSeed) -> Vec<Vec<Signal>> {
    let connection = connection(&["an older secret", SECRET]);
    let one = |step: &Step| {
        let inbound = Inbound {
            content_type: step.content_type,
            headers: &step.headers,
            ..Inbound::body_only(&step.body)
        };
        let payload = adapter.verify(&inbound, &connection).unwrap();
        let mut signals = adapter.decode(&payload, &connection).unwrap().signals;
        let after = i64::try_from(step.after_ms).unwrap();
        let arrived = seed.start + jiff::SignedDuration::from_millis(after);
        date_undated(&mut signals, arrived);
        signals
    };
    steps.iter().map(one).collect()
}

fn tells(adapter: &dyn Adapter) -> usize {
    let platform = adapter.spec().platform;
    let play = player(platform).unwrap();
    let mut told = 0;
    for number in 0..10 {
        for scenario in Scenario::ALL.iter().copied() {
            let seed = seed(number);
            let steps = play(scenario, &seed, SECRET);
            assert!(steps.is_sorted_by_key(|step| step.after_ms), "{platform}");
            assert_eq!(
                steps,
                play(scenario, &seed, SECRET),
                "the same seed, the same bytes"
            );
            if steps.is_empty() {
                continue;
            }
            told += usize::from(number == 0);
            let folded = fixture::fold(platform, &understood(adapter, &steps, &seed));
            assert_story(platform, scenario, &seed, &folded);
            let bad = Disturb {
                drop: 0,
                dup: 300,
                shuffle: 500,
                seed: number,
            };
            // Without times of their own, events are told in the order in which they arrive.
            if platform != "zammad" {
                let steps = bad.apply(steps);
                let folded = fixture::fold(platform, &understood(adapter, &steps, &seed));
                assert_story(platform, scenario, &seed, &folded);
            }
        }
    }
    told
}

#[test]
fn every_scenario_tells_its_story_at_the_generic_webhook() {
    assert_eq!(tells(&Generic), Scenario::ALL.len() - 2);
}

#[test]
fn every_scenario_tells_its_story_at_aircall() {
    assert_eq!(tells(&Aircall), Scenario::ALL.len() - 2);
}

#[test]
fn what_zammad_has_words_for_tells_its_story() {
    assert_eq!(tells(&Zammad), 7);
}

#[test]
fn what_3cx_reports_tells_its_story() {
    assert_eq!(tells(&ThreeCx), 8);
}
