//! Reading the fixtures of any platform and folding them, as `switchhook fold` does.
//!
//! A scenario is a folder of notifications in the order received (`NN_name.json` and the like),
//! `story.md`, and `record.json`: an object with `calls`, `messages`, `presence` and `events`,
//! each a list of the expected members only. `presence` lists every report, `events` the events
//! of the whole scenario but for `call.updated` and those of contact moments. A `NN_name.jwt` is
//! the same notification as it was posted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use switchhook_adapters::{UNDATED, date_undated};
use switchhook_domain::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_domain::moment::MomentStatus;
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::adapter::{Adapter, ConnectionContext, Secret};
use switchhook_testkit::vendors::loopback;

/// The secret with which the Dialpad fixtures are signed.
pub(crate) const SECRET: &str = "dialpad-test-secret";

/// A connection with the given webhook secrets.
pub(crate) fn connection(secrets: &[&str]) -> ConnectionContext {
    let nil = "00000000-0000-0000-0000-000000000000";
    ConnectionContext {
        app_id: nil.parse::<AppId>().unwrap(),
        id: nil.parse::<ConnectionId>().unwrap(),
        name: "test".to_owned(),
        config: Map::new(),
        credentials: BTreeMap::new(),
        webhook_secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
        numbers: NumberPlan::default(),
        outbound: loopback(),
    }
}

/// `fixtures/` or a folder in it.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

/// The scenario folders of a platform, sorted.
pub(crate) fn scenarios(platform: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder(platform))
        .unwrap_or_else(|error| panic!("fixtures/{platform}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// The notifications of a scenario in order.
pub(crate) fn notifications(scenario: &Path, adapter: &dyn Adapter) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(scenario)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(|c: char| c.is_ascii_digit()) && !name.ends_with(".jwt")
        })
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "{} has no notifications",
        scenario.display()
    );
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&file).unwrap();
        all.extend(
            adapter
                .split(&bytes)
                .into_iter()
                .map(|one| (name.clone(), one.to_vec())),
        );
    }
    all
}

/// A scenario decoded: one batch of signals for each notification.
pub(crate) fn decode(adapter: &dyn Adapter, payloads: &[(String, Vec<u8>)]) -> Vec<Vec<Signal>> {
    let connection = connection(&[SECRET]);
    let decode = |(name, payload): &(String, Vec<u8>)| {
        let decoded = adapter.decode(payload, &connection);
        decoded
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .signals
    };
    payloads.iter().map(decode).collect()
}

/// Folds batches of signals in the order given and shows everything that came of it.
pub(crate) fn fold(platform: &str, batches: &[Vec<Signal>]) -> Value {
    let mut replay = Replay::new(platform, "NL");
    let mut now: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let mut presence = Vec::new();
    for batch in batches {
        let mut batch = batch.clone();
        let latest = batch
            .iter()
            .map(|signal| signal.at)
            .filter(|at| *at != UNDATED)
            .max();
        now = latest.map_or(now, |latest| now.max(latest));
        date_undated(&mut batch, now);
        for signal in &batch {
            if let Fact::Presence(report) = &signal.fact {
                presence.push(json!(report));
            }
        }
        replay.notification(now, &batch);
    }
    let messages: Vec<Value> = replay
        .messages()
        .map(|state| json!(state.message))
        .collect();
    let (calls, events) = replay.finish();
    assert_moments(&calls, &events);
    // `call.updated` says that anything else changed, and is not part of a story. What is told of
    // contact moments follows from the records, and has just been looked at.
    let names = events.iter().map(|event| event.kind.as_str());
    let events: Vec<&str> = names
        .filter(|name| *name != "call.updated" && !name.starts_with("contact_moment."))
        .collect();
    json!({ "calls": calls, "messages": messages, "presence": presence, "events": events })
}

/// Every conversation has its contact moment, told once when it was opened and once when the call
/// left nothing to say.
fn assert_moments(calls: &[Call], events: &[EventDraft]) {
    let told = |kind| {
        let of_kind = events.iter().filter(|event| event.kind == kind);
        let ids: Vec<CallId> = of_kind.filter_map(|event| event.call_id).collect();
        let once: BTreeSet<CallId> = ids.iter().copied().collect();
        assert_eq!(once.len(), ids.len(), "{kind:?} twice");
        once
    };
    let opened = told(EventType::ContactMomentOpened);
    let completed = told(EventType::ContactMomentCompleted);
    assert!(completed.is_subset(&opened));
    for call in calls.iter().filter(|call| call.merged_into.is_none()) {
        let moment = call.contact_moment.as_ref().expect("a contact moment");
        assert!(opened.contains(&call.id));
        let done = moment.status == MomentStatus::Completed;
        assert!(!done || completed.contains(&call.id));
        assert_eq!(
            moment.status == MomentStatus::Pending,
            !call.status.is_terminal()
        );
    }
}

/// Everything in `expected` must be in `actual`; lists must be equally long.
pub(crate) fn differences(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, value) in members {
                let there = actual.get(name).unwrap_or(&Value::Null);
                differences(&format!("{path}.{name}"), value, there, found);
            }
        }
        (Value::Array(items), Value::Array(there)) if items.len() == there.len() => {
            for (at, (item, there)) in items.iter().zip(there).enumerate() {
                differences(&format!("{path}[{at}]"), item, there, found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: expected {expected}, found {actual}")),
    }
}

/// Folds every scenario of a platform and compares with its `record.json`.
pub(crate) fn assert_records(adapter: &dyn Adapter) {
    let platform = adapter.spec().platform;
    let mut faults = Vec::new();
    for scenario in scenarios(platform) {
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        let story = fs::read_to_string(scenario.join("story.md")).unwrap_or_default();
        assert!(
            story.trim().len() > 20,
            "{name}/story.md must tell what happened"
        );
        let record = fs::read(scenario.join("record.json"))
            .unwrap_or_else(|error| panic!("{name}/record.json: {error}"));
        let expected: Value = serde_json::from_slice(&record).unwrap();
        let batches = decode(adapter, &notifications(&scenario, adapter));
        let actual = fold(platform, &batches);
        // RingCentral shows the id of a party, which is no name of its call.
        if platform != "ringcentral" {
            let keys: BTreeSet<&String> = batches.iter().flatten().flat_map(|s| &s.keys).collect();
            for call in actual["calls"].as_array().unwrap() {
                let key = adapter.call_key(call["external_call_id"].as_str().unwrap());
                assert!(keys.contains(&key), "{name}: {key} is not among {keys:?}");
            }
        }
        differences(&name, &expected, &actual, &mut faults);
    }
    assert!(
        faults.is_empty(),
        "{} differences:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
