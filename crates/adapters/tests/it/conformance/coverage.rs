//! Every platform tells every story, or says why not.

use std::collections::BTreeMap;
use std::fs;

use switchhook_adapters::registry;
use switchhook_engine::adapter::Capability;

use super::story::{self, Story};
use crate::fixture;

/// The stories a platform does not tell, with the reason: `fixtures/<platform>/lacks.toml`.
pub(super) fn lacking(platform: &str) -> BTreeMap<String, String> {
    let file = fixture::folder(platform).join("lacks.toml");
    let text = fs::read_to_string(file).unwrap_or_default();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{platform}/lacks.toml: {error}"))
}

#[test]
fn every_platform_tells_every_story_or_says_why_not() {
    let mut faults = Vec::new();
    for adapter in registry().all() {
        let platform = adapter.spec().platform;
        let (shown, mut lacks) = (story::shown(adapter), lacking(platform));
        for story in Story::ALL {
            let reason = lacks.remove(story.name());
            match (shown.get(story), reason) {
                (None, None) => faults.push(format!(
                    "{platform}: no fixture shows {}, and lacks.toml says nothing of it",
                    story.name()
                )),
                (Some(folders), Some(_)) => faults.push(format!(
                    "{platform}: lacks.toml says it lacks {}, and {folders:?} show it",
                    story.name()
                )),
                (None, Some(reason)) if reason.len() < 15 || !reason.ends_with('.') => {
                    faults.push(format!("{platform}: {} needs a sentence", story.name()));
                }
                _ => {}
            }
        }
        for name in lacks.keys() {
            faults.push(format!("{platform}: lacks.toml knows no story `{name}`"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} gaps:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_capability_is_claimed_or_lacked_exactly_once() {
    let mut faults = Vec::new();
    for adapter in registry().all() {
        let spec = adapter.spec();
        for capability in Capability::ALL {
            let claimed = spec
                .capabilities
                .iter()
                .filter(|c| **c == capability)
                .count();
            let lacked = spec.lacks.iter().filter(|(c, _)| *c == capability).count();
            if claimed + lacked != 1 {
                faults.push(format!(
                    "{}: {capability:?} is claimed {claimed} and lacked {lacked} times",
                    spec.platform
                ));
            }
        }
        for (capability, why) in spec.lacks {
            if why.len() < 15 || !why.ends_with('.') {
                faults.push(format!(
                    "{}: {capability:?} needs a sentence",
                    spec.platform
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
