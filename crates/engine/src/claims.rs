//! Imported keys that are shown for the first time. Their owner's server stored them with bcrypt,
//! which has no look-up and costs a twentieth of a second a comparison, so each is compared that
//! way once: when it fits, it gets a look-up and a keyed hash like any other. Guessing cannot burn
//! the processor: one comparison at a time in a process, so many a minute, and what has failed is
//! remembered. Not here: keys of our own format, which never come this way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use switchhook_domain::Timestamp;
use switchhook_domain::id::KeyId;
use tokio::sync::Semaphore;

use crate::store::{ApiKey, KeyClaim, KeyProof, Store, StoreError, StoreResult};

/// The most keys a text is compared with.
const MAX_ROWS: u32 = 500;
/// Comparisons that came to nothing, a minute: about half a minute of one processor.
const FAILURES_PER_MINUTE: usize = 600;
/// The most texts that wait for their turn.
const MAX_WAITING: usize = 32;
/// How long a text that fits nothing is remembered as such.
const FAILED_LIFE: Duration = Duration::from_mins(10);
/// The most of those remembered.
const FAILED_SIZE: usize = 10_000;
/// bcrypt reads no further than this; a longer text cannot be one of its keys.
const BCRYPT_READS: usize = 72;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstUse {
    /// It is no imported key.
    Unknown,
    /// It is one, and from now on it is found by its look-up.
    Claimed,
    /// It cannot be said now; there are too many to compare.
    Busy,
}

/// Compares first uses.
#[derive(Clone)]
pub(crate) struct Claims(Arc<Inner>);

struct Inner {
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: Semaphore,
    state: Mutex<State>,
}

struct State {
    /// What fitted nothing: when, and the newest key it was compared with.
    failed: HashMap<[u8; 32], (Instant, KeyId)>,
    minute: Instant,
    spent: usize,
}

impl Default for Claims {
    fn default() -> Self {
        Self(Arc::new(Inner {
            turn: Arc::default(),
            waiting: Semaphore::new(MAX_WAITING),
            state: Mutex::new(State {
                failed: HashMap::new(),
                minute: Instant::now(),
                spent: 0,
            }),
        }))
    }
}

impl Claims {
    /// Looks for an imported key that this text is, and claims it.
    pub(crate) async fn first_use(
        &self,
        store: &dyn Store,
        text: &str,
        claim: &KeyClaim,
        now: Timestamp,
    ) -> StoreResult<FirstUse> {
        if text.len() > BCRYPT_READS {
            return Ok(FirstUse::Unknown);
        }
        let mut rows = store.unclaimed_keys(now, MAX_ROWS).await?;
        // The predecessor's log tells the first and last characters of most keys.
        rows.retain(|row| row.hint.is_empty() || row.hint == claim.hint);
        let Some(newest) = rows.iter().map(|row| row.id).max() else {
            // Perhaps somebody claimed it between the caller's look and this one.
            let claimed = store.key_by_lookup(&claim.lookup).await?.is_some();
            return Ok(if claimed {
                FirstUse::Claimed
            } else {
                FirstUse::Unknown
            });
        };
        if self.0.failed_lately(&claim.hash, newest) {
            return Ok(FirstUse::Unknown);
        }
        let Ok(_waiting) = self.0.waiting.try_acquire() else {
            return Ok(FirstUse::Busy);
        };
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        if self.0.failed_lately(&claim.hash, newest) {
            return Ok(FirstUse::Unknown);
        }
        if store.key_by_lookup(&claim.lookup).await?.is_some() {
            return Ok(FirstUse::Claimed);
        }
        if !self.0.spend(rows.len()) {
            return Ok(FirstUse::Busy);
        }
        let (inner, text, hash) = (Arc::clone(&self.0), text.to_owned(), claim.hash);
        let found = tokio::task::spawn_blocking(move || {
            // Held to the end, also when nobody waits for the answer any more.
            let _turn = turn;
            let count = rows.len();
            let found = rows.into_iter().find(|row| fits(&text, row));
            inner.settle(hash, newest, count, found.is_some());
            found
        });
        let Some(row) = found.await.ok().flatten() else {
            return Ok(FirstUse::Unknown);
        };
        match store.claim_key(row.app_id, row.id, claim).await {
            // Whoever was quicker, here or on another node, showed the same key.
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(FirstUse::Claimed),
            Err(error) => Err(error),
        }
    }
}

fn fits(text: &str, row: &ApiKey) -> bool {
    match &row.proof {
        KeyProof::Bcrypt(hash) => bcrypt::verify(text, hash).unwrap_or(false),
        KeyProof::Hash(_) => false,
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed_lately(&self, hash: &[u8; 32], newest: KeyId) -> bool {
        let state = self.state();
        let failed = state.failed.get(hash);
        failed.is_some_and(|(at, seen)| at.elapsed() < FAILED_LIFE && *seen >= newest)
    }

    /// Takes comparisons out of this minute's; false when there are none left.
    fn spend(&self, count: usize) -> bool {
        let mut state = self.state();
        if state.minute.elapsed() >= Duration::from_mins(1) {
            (state.minute, state.spent) = (Instant::now(), 0);
        }
        if state.spent >= FAILURES_PER_MINUTE {
            return false;
        }
        state.spent += count;
        true
    }

    /// Comparisons that led to a key are given back; a text that fitted nothing is remembered.
    fn settle(&self, hash: [u8; 32], newest: KeyId, count: usize, found: bool) {
        let mut state = self.state();
        if found {
            state.spent = state.spent.saturating_sub(count);
            return;
        }
        if state.failed.len() >= FAILED_SIZE {
            state.failed.retain(|_, (at, _)| at.elapsed() < FAILED_LIFE);
        }
        if state.failed.len() >= FAILED_SIZE {
            state.failed.clear();
        }
        state.failed.insert(hash, (Instant::now(), newest));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn guesses_have_a_budget_and_good_keys_cost_nothing() {
        let claims = Claims::default();
        let newest = KeyId(Uuid::from_u128(5));
        for number in 0..1000_u32 {
            assert!(claims.0.spend(100), "good key {number}");
            claims.0.settle([0; 32], newest, 100, true);
        }
        let mut guesses = 0;
        while claims.0.spend(100) {
            claims.0.settle([1; 32], newest, 100, false);
            guesses += 1;
        }
        assert_eq!(guesses, FAILURES_PER_MINUTE / 100);
    }

    #[test]
    fn a_failed_guess_is_remembered_until_there_are_newer_keys() {
        let claims = Claims::default();
        let (old, new) = (KeyId(Uuid::from_u128(5)), KeyId(Uuid::from_u128(6)));
        assert!(!claims.0.failed_lately(&[1; 32], old));
        claims.0.settle([1; 32], old, 1, false);
        assert!(claims.0.failed_lately(&[1; 32], old));
        assert!(!claims.0.failed_lately(&[2; 32], old));
        assert!(!claims.0.failed_lately(&[1; 32], new));
        for number in 0..30_000_u32 {
            let mut hash = [9; 32];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            claims.0.settle(hash, old, 1, false);
        }
        assert!(claims.0.state().failed.len() <= FAILED_SIZE);
    }
}
