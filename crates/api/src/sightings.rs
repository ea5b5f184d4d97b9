//! Who was shown which recording. An answer that leads to recordings, voicemails or transcripts is
//! put on record once an hour for each reader and thing, so that a page that looks every few
//! seconds does not fill the log, and off the request's way. Not here: what such an answer is; the
//! handlers say so.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use switchhook_domain::Timestamp;
use switchhook_engine::audit::Deed;
use switchhook_engine::store::Actor;
use tokio::sync::Semaphore;

use crate::audit::note;
use crate::state::Inner;

/// How long the same thing shown to the same reader is not told again, in seconds.
const AGAIN_AFTER: i64 = 3600;
/// How many are remembered for that; beyond it all are forgotten, and told again.
const REMEMBERED: usize = 20_000;
/// How many entries may be on their way to the disk while their readers have their answers.
const ON_THE_WAY: usize = 64;

/// What was shown lately, and what is on its way into the log.
#[derive(Debug)]
pub(crate) struct Sightings {
    lately: Mutex<(i64, BTreeSet<(String, String)>)>,
    places: Arc<Semaphore>,
}

impl Default for Sightings {
    fn default() -> Self {
        Self {
            lately: Mutex::default(),
            places: Arc::new(Semaphore::new(ON_THE_WAY)),
        }
    }
}

impl Sightings {
    /// Leaves only those things this reader was not shown lately.
    pub(crate) fn keep_new(&self, now: Timestamp, reader: &Actor, shown: &mut Vec<String>) {
        if shown.is_empty() {
            return;
        }
        let hour = now.as_second().div_euclid(AGAIN_AFTER);
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.0 != hour || lately.1.len() > REMEMBERED {
            *lately = (hour, BTreeSet::new());
        }
        let who = format!("{} {}", reader.id, reader.name);
        shown.retain(|thing| lately.1.insert((who.clone(), thing.clone())));
    }

    /// Puts it on record while the request goes on; waits when too many are on their way.
    pub(crate) async fn note_later(&self, shared: &Inner, deed: Deed) {
        let audit = shared.audit.clone();
        match self.places.clone().try_acquire_owned() {
            Ok(place) => {
                // A shutdown waits for these as it does for sockets.
                shared.sockets.spawn(async move {
                    note(&audit, deed).await;
                    drop(place);
                });
            }
            Err(_) => note(&audit, deed).await,
        }
    }
}

/// The parts of a call record that lead to something to be heard.
#[derive(Deserialize)]
struct Record<'a> {
    id: &'a str,
    #[serde(default)]
    recordings: Vec<Link>,
    voicemail: Option<Link>,
    transcript: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Link {
    url: Option<String>,
    transcript: Option<serde::de::IgnoredAny>,
}

impl Link {
    fn leads(&self) -> bool {
        self.url.is_some() || self.transcript.is_some()
    }
}

/// The id of the call of this record when the record leads to something to be heard or read.
pub(crate) fn leads_to_recordings(record: &[u8]) -> Option<&str> {
    // Most records do not; a look for the words is much cheaper than reading them.
    let text = std::str::from_utf8(record).ok()?;
    let none = |name: &str| {
        let begins = |text: &str| text.starts_with("null") || text.starts_with("[]");
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(name) {
            if !begins(after) {
                return false;
            }
            rest = after;
        }
        true
    };
    if none("\"recordings\":") && none("\"voicemail\":") && none("\"transcript\":") {
        return None;
    }
    let record: Record<'_> = serde_json::from_str(text).ok()?;
    let leads = record.recordings.iter().chain(&record.voicemail);
    (record.transcript.is_some() || leads.into_iter().any(Link::leads)).then_some(record.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchhook_engine::store::ActorKind;

    fn reader(id: &str) -> Actor {
        Actor {
            kind: ActorKind::Key,
            id: id.to_owned(),
            name: "API key".to_owned(),
        }
    }

    #[test]
    fn the_same_is_told_once_an_hour_for_each_reader() {
        let sightings = Sightings::default();
        let shown = |reader: &Actor, at: &str| {
            let mut shown = vec!["recording 1".to_owned(), "recording 2".to_owned()];
            sightings.keep_new(at.parse().unwrap(), reader, &mut shown);
            shown.len()
        };
        assert_eq!(shown(&reader("a"), "2026-11-22T10:00:00Z"), 2);
        assert_eq!(shown(&reader("a"), "2026-11-22T10:59:00Z"), 0);
        assert_eq!(shown(&reader("b"), "2026-11-22T10:59:00Z"), 2);
        assert_eq!(shown(&reader("a"), "2026-11-22T11:00:00Z"), 2);
    }

    #[test]
    fn only_records_that_lead_to_something_count() {
        for (record, leads) in [
            (
                r#"{"id":"7","recordings":[],"voicemail":null,"transcript":null}"#,
                false,
            ),
            (r#"{"id":"7","recordings":[{"id":"r","url":null}]}"#, false),
            (
                r#"{"id":"7","recordings":[{"id":"r","url":"https://x.example/r"}]}"#,
                true,
            ),
            (
                r#"{"id":"7","recordings":[],"voicemail":{"url":"https://x.example/v"}}"#,
                true,
            ),
            (
                r#"{"id":"7","recordings":[],"voicemail":null,"transcript":"hello"}"#,
                true,
            ),
            (r#"{"id":"7","note":"\"recordings\":[{"}"#, false),
            ("nonsense", false),
        ] {
            let found = leads_to_recordings(record.as_bytes());
            assert_eq!(found, leads.then_some("7"), "{record}");
        }
    }
}
