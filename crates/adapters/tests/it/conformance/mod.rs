//! The suite that every platform passes from its fixtures, built-in or mapped. A new line in the
//! registry is held to all of it without a line here.
//!
//! `story` says what a fixture shows, read off the record it folds to: no folder has to declare
//! it. `coverage` holds each platform to every story, or to a reason in `lacks.toml`. `bodies`
//! damages notifications, `signatures` forges them, `times` shifts them. Order, repetition and
//! loss are the laws' (`crate::laws`), over the same fixtures.

mod bodies;
mod coverage;
mod matrix;
mod signatures;
mod story;
mod times;

use serde_json::Value;
use switchhook_adapters::registry;
use switchhook_engine::adapter::Adapter;

use crate::fixture;

/// A notification of the fixtures.
struct Recorded {
    /// `wildix/answered/01_ringing.json`
    name: String,
    adapter: &'static dyn Adapter,
    body: Vec<u8>,
}

/// Notifications of every platform, of each event at most `each`, so that hours of one PBX do not
/// crowd out the rest.
fn notifications(each: usize) -> Vec<Recorded> {
    let mut all = Vec::new();
    for adapter in registry().all() {
        let platform = adapter.spec().platform;
        let mut seen: std::collections::BTreeMap<String, usize> = Default::default();
        for scenario in fixture::scenarios(platform) {
            let folder = scenario.file_name().unwrap().to_string_lossy().into_owned();
            for (file, body) in fixture::notifications(&scenario, adapter) {
                let connection = fixture::connection(&[fixture::SECRET]);
                let event = adapter.decode(&body, &connection).unwrap().event;
                let count = seen.entry(event).or_default();
                *count += 1;
                if *count <= each {
                    let name = format!("{platform}/{folder}/{file}");
                    all.push(Recorded {
                        name,
                        adapter,
                        body,
                    });
                }
            }
        }
    }
    assert!(all.len() > 100, "the fixtures are there");
    all
}

/// The body as JSON; `None` for forms and other texts.
fn as_json(body: &[u8]) -> Option<Value> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if *first != b'{' && *first != b'[' {
        return None;
    }
    serde_json::from_slice(body).ok()
}
