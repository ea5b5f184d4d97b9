//! What a fixture shows, read off what it folds to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use switchhook_domain::signal::{CallFact, Fact};
use switchhook_engine::adapter::Adapter;

use crate::fixture;

macro_rules! stories {
    ($($variant:ident = $name:literal;)*) => {
        /// Something that happens on every phone system, and that a platform tells or does not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Story { $($variant,)* }

        impl Story {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in `lacks.toml` and on the page.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

stories! {
    Answered = "answered";
    Missed = "missed";
    Rejected = "rejected";
    OutboundAnswered = "outbound_answered";
    OutboundNotAnswered = "outbound_not_answered";
    Hold = "hold";
    BlindTransfer = "blind_transfer";
    AttendedTransfer = "attended_transfer";
    Voicemail = "voicemail";
    RecordingLate = "recording_late";
    Withheld = "withheld";
    Messages = "messages";
    Presence = "presence";
}

/// The stories of a platform, each with the folders that show it.
pub(super) fn shown(adapter: &dyn Adapter) -> BTreeMap<Story, BTreeSet<String>> {
    let mut all: BTreeMap<Story, BTreeSet<String>> = BTreeMap::new();
    for scenario in fixture::scenarios(adapter.spec().platform) {
        let name = scenario.file_name().unwrap().to_string_lossy().into_owned();
        for story in of(&scenario, adapter) {
            all.entry(story).or_default().insert(name.clone());
        }
    }
    all
}

fn of(scenario: &Path, adapter: &dyn Adapter) -> BTreeSet<Story> {
    let platform = adapter.spec().platform;
    let batches = fixture::decode(adapter, &fixture::notifications(scenario, adapter));
    let folded = fixture::fold(platform, &batches);
    let mut found = BTreeSet::new();
    for call in folded["calls"].as_array().unwrap() {
        found.extend(of_call(call));
    }
    let some = |what: &str| !folded[what].as_array().unwrap().is_empty();
    if some("messages") {
        found.insert(Story::Messages);
    }
    if some("presence") {
        found.insert(Story::Presence);
    }
    // A recording that is told of when the call was over already.
    let first = batches.iter().position(|batch| {
        let is_recording = |fact: &Fact| matches!(fact, Fact::Call(CallFact::Recording { .. }));
        batch.iter().any(|signal| is_recording(&signal.fact))
    });
    if let Some(first) = first {
        let before = fixture::fold(platform, &batches[..first]);
        let calls = before["calls"].as_array().unwrap();
        if !calls.is_empty() && calls.iter().all(|call| call["ended_at"].is_string()) {
            found.insert(Story::RecordingLate);
        }
    }
    found
}

fn of_call(call: &Value) -> BTreeSet<Story> {
    let mut found = BTreeSet::new();
    let answered = call["answered_at"].is_string();
    match (call["direction"].as_str(), call["status"].as_str()) {
        (Some("outbound"), _) if answered => found.insert(Story::OutboundAnswered),
        (Some("outbound"), _) => found.insert(Story::OutboundNotAnswered),
        (_, Some("missed")) => found.insert(Story::Missed),
        (_, Some("rejected")) => found.insert(Story::Rejected),
        (_, Some("voicemail")) => found.insert(Story::Voicemail),
        (_, Some("ended")) if answered => found.insert(Story::Answered),
        _ => false,
    };
    if !call["holds"].as_array().unwrap().is_empty() {
        found.insert(Story::Hold);
    }
    for transfer in call["transfers"].as_array().unwrap() {
        match transfer["kind"].as_str() {
            Some("blind") => found.insert(Story::BlindTransfer),
            Some("attended") => found.insert(Story::AttendedTransfer),
            _ => false,
        };
    }
    if call["from"]["kind"] == "withheld" {
        found.insert(Story::Withheld);
    }
    found
}
