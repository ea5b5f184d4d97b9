//! Every recorded stream must give the record that was written by hand, over ARI and AMI alike.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use switchhook_adapters::asterisk::Asterisk;
use switchhook_domain::signal::Signal;

use crate::fixture;

#[test]
fn every_scenario_gives_its_record() {
    fixture::assert_records(&Asterisk);
}

/// The same call, told in two ways, is one story. Times differ by what the PBX needs to tell it.
#[test]
fn ari_and_ami_tell_the_same_story() {
    let mut compared = 0;
    for scenario in fixture::scenarios("asterisk") {
        let name = name_of(&scenario);
        let other = scenario.with_file_name(format!("{name}-ami"));
        if !other.is_dir() {
            continue;
        }
        let (ari, ami) = (told(&scenario), told(&other));
        assert_eq!(ari.len(), ami.len(), "{name}");
        for (mut ari, mut ami) in ari.into_iter().zip(ami) {
            // This stream was taken with a filter that left variables out.
            if name == "16.28.0-mixmonitor-by-ami" {
                ari.remove("recordings");
                ami.remove("recordings");
            }
            assert_eq!(ari, ami, "{name}");
        }
        compared += 1;
    }
    assert!(compared >= 48, "{compared}");
}

#[test]
fn order_and_repetition_do_not_matter() {
    for scenario in fixture::scenarios("asterisk") {
        let name = name_of(&scenario);
        let batches = decoded(&scenario);
        let expected = settled(&batches);
        let twice: Vec<_> = batches.iter().chain(&batches).cloned().collect();
        assert_eq!(settled(&twice), expected, "{name}, everything twice");
        let reversed: Vec<_> = batches.iter().rev().cloned().collect();
        assert_eq!(settled(&reversed), expected, "{name}, reversed");
        let mut state = 7_u64;
        for round in 0..3 {
            let mut shuffled = batches.clone();
            for at in (1..shuffled.len()).rev() {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let other = usize::try_from(state >> 33).unwrap() % (at + 1);
                shuffled.swap(at, other);
            }
            assert_eq!(settled(&shuffled), expected, "{name}, shuffle {round}");
        }
    }
}

/// A stream in which the PBX says nothing of which channels belong together must give the same
/// calls as one in which it does.
#[test]
fn without_linked_ids_the_same_calls_are_found() {
    let mut compared = 0;
    for scenario in fixture::scenarios("asterisk") {
        let name = name_of(&scenario);
        let mut payloads = fixture::notifications(&scenario, &Asterisk);
        if !payloads.iter().any(|(_, bytes)| has_linked_id(bytes)) {
            continue;
        }
        let with = settled(&fixture::decode(&Asterisk, &payloads));
        for (_, bytes) in &mut payloads {
            *bytes = String::from_utf8_lossy(bytes)
                .replace("CHANNEL(linkedid)", "X")
                .into_bytes();
        }
        let without = settled(&fixture::decode(&Asterisk, &payloads));
        assert_eq!(without, with, "{name}");
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
}

fn has_linked_id(payload: &[u8]) -> bool {
    payload.windows(17).any(|part| part == b"CHANNEL(linkedid)")
}

/// Numbers in every fixture are those of the cast: no stream of a real customer came in by
/// mistake.
#[test]
fn every_number_in_the_fixtures_is_made_up() {
    let known = ["31612345678", "31687654321", "316123431201234567"];
    for scenario in fixture::scenarios("asterisk") {
        for entry in fs::read_dir(&scenario).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("+316") {
                let digits: String = text[at + 1..]
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect();
                assert!(
                    known.contains(&digits.as_str()),
                    "{}: {digits}",
                    path.display()
                );
            }
        }
    }
}

fn name_of(scenario: &Path) -> String {
    scenario.file_name().unwrap().to_string_lossy().into_owned()
}

fn decoded(scenario: &Path) -> Vec<Vec<Signal>> {
    fixture::decode(&Asterisk, &fixture::notifications(scenario, &Asterisk))
}

/// The records without what depends on our own clock.
fn settled(batches: &[Vec<Signal>]) -> Vec<Map<String, Value>> {
    let folded = fixture::fold("asterisk", batches);
    let calls = folded["calls"].as_array().unwrap();
    let mut calls: Vec<_> = calls
        .iter()
        .map(|call| call.as_object().unwrap().clone())
        .collect();
    // Which of two joined calls is kept, and what is left in the other, depends on the order in
    // which they were heard of.
    calls.retain(|call| call["merged_into"].is_null());
    for call in &mut calls {
        for member in ["id", "created_at", "updated_at"] {
            call.remove(member);
        }
        if let Some(moment) = call["contact_moment"].as_object_mut() {
            moment.remove("id");
        }
    }
    calls
}

/// The records without ids and without times finer than a second.
fn told(scenario: &Path) -> Vec<Map<String, Value>> {
    let mut calls = settled(&decoded(scenario));
    for call in &mut calls {
        for member in ["started_at", "rang_at", "answered_at", "ended_at", "holds"] {
            call.remove(member);
        }
        if let Some(moment) = call["contact_moment"].as_object_mut() {
            moment.remove("completed_at");
        }
        for part in ["legs", "transfers", "recordings"] {
            for item in call[part].as_array_mut().unwrap() {
                let item = item.as_object_mut().unwrap();
                item.retain(|name, _| name != "at" && !name.ends_with("_at"));
            }
        }
    }
    calls
}
