//! When keys were last shown: noted in memory with each request, written behind in batches. Not
//! here: when that happens (the server's jobs call [`crate::access::Gate::run`]).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};

use crate::store::KeyUse;

/// How often the time of one key is written at most.
const WRITE_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How long a key that rests is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// The most keys remembered; further ones are noted when there is room again.
const MAX_KEYS: usize = 100_000;

#[derive(Clone, Copy, Debug)]
struct Noted {
    app_id: AppId,
    at: Timestamp,
    written: Option<Timestamp>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<KeyId, Noted>>);

impl Uses {
    /// The key was shown.
    pub(crate) fn note(&self, app_id: AppId, key_id: KeyId, at: Timestamp) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = noted.get_mut(&key_id) {
            known.at = known.at.max(at);
        } else if noted.len() < MAX_KEYS {
            let written = None;
            noted.insert(
                key_id,
                Noted {
                    app_id,
                    at,
                    written,
                },
            );
        }
    }

    /// What should be written now; with `all` also what was written less than a minute ago.
    pub(crate) fn due(&self, now: Timestamp, all: bool) -> Vec<KeyUse> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, one| {
            one.written.is_none_or(|written| written < one.at)
                || now.duration_since(one.at) < REMEMBERED
        });
        let due = noted.iter().filter(|(_, one)| match one.written {
            None => true,
            Some(written) => {
                written < one.at && (all || one.at.duration_since(written) >= WRITE_EVERY)
            }
        });
        due.map(|(key_id, one)| KeyUse {
            app_id: one.app_id,
            key_id: *key_id,
            at: one.at,
        })
        .collect()
    }

    /// These were written.
    pub(crate) fn written(&self, uses: &[KeyUse]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for one in uses {
            if let Some(known) = noted.get_mut(&one.key_id) {
                known.written = known.written.max(Some(one.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_in_steady_use_is_written_once_a_minute_and_at_the_end() {
        let uses = Uses::default();
        let (app, key) = (AppId(Uuid::from_u128(1)), KeyId(Uuid::from_u128(2)));
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let mut written = Vec::new();
        for second in 0..150 {
            uses.note(app, key, at(second));
            let due = uses.due(at(second), false);
            uses.written(&due);
            written.extend(due.iter().map(|one| one.at));
        }
        assert_eq!(written, [at(0), at(60), at(120)]);
        let last = uses.due(at(150), true);
        assert_eq!(last.len(), 1);
        assert_eq!(last[0].at, at(149));
        uses.written(&last);
        assert!(uses.due(at(151), true).is_empty());
        // What rests is forgotten, what could not be written is not.
        uses.due(at(10_000), false);
        assert!(uses.0.lock().unwrap().is_empty());
        uses.note(app, key, at(10_000));
        assert_eq!(uses.due(at(20_000), false).len(), 1);
    }
}
