//! What became of notifications, in the figures the predecessor's documents promise: how many in
//! the last minute, how many could not be taken in, how long one takes. Our own figures are in
//! [`crate::metrics`]; these cannot be read back out of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchhook_domain::Timestamp;

/// Seconds that are remembered.
const SECONDS: usize = 60;

/// The figures. Clones count together.
#[derive(Clone, Debug)]
pub struct Processed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For each second of a minute the second it was counted in, above, and the count, below.
    slots: [AtomicU64; SECONDS],
    all: AtomicU64,
    micros: AtomicU64,
    failed: AtomicU64,
}

impl Default for Processed {
    fn default() -> Self {
        Self(Arc::new(Inner {
            slots: [const { AtomicU64::new(0) }; SECONDS],
            all: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }
}

impl Processed {
    /// Counts one that was taken in now, after this time.
    pub fn count(&self, now: Timestamp, took: Duration) {
        let second = second(now);
        let slot = &self.0.slots[usize::try_from(second).unwrap_or(0) % SECONDS];
        // The number of a second and its count are changed together, so that nothing is counted
        // twice. A count of another minute begins anew.
        slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
            let count = if old >> 32 == second {
                old & u64::from(u32::MAX)
            } else {
                0
            };
            Some(second << 32 | (count + 1).min(u64::from(u32::MAX)))
        })
        .ok();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.all.fetch_add(1, Ordering::Relaxed);
        self.0.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts one that was not understood or could not be stored.
    pub fn fail(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were taken in within the last minute: this second and the 59 before it.
    #[must_use]
    pub fn last_minute(&self, now: Timestamp) -> u64 {
        let now = second(now);
        let slots = self.0.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        let counts = slots.filter_map(|slot| {
            let fresh = now.checked_sub(slot >> 32)? < SECONDS as u64;
            fresh.then_some(slot & u64::from(u32::MAX))
        });
        counts.sum()
    }

    /// How many could not be taken in since the start.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// How long one took on average since the start, in milliseconds.
    #[must_use]
    pub fn average_ms(&self) -> f64 {
        let all = self.0.all.load(Ordering::Relaxed);
        let micros = self.0.micros.load(Ordering::Relaxed);
        #[expect(
            clippy::cast_precision_loss,
            reason = "an average of counts below 2^52"
        )]
        let average = micros as f64 / all.max(1) as f64 / 1000.0;
        average
    }
}

/// Whole seconds since 1970, in 32 bits.
fn second(now: Timestamp) -> u64 {
    let second = u32::try_from(now.as_second()).unwrap_or(0);
    u64::from(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    #[test]
    fn what_is_older_than_a_minute_does_not_count() {
        let processed = Processed::default();
        for second in 0..100 {
            for _ in 0..=second % 3 {
                processed.count(at(second), Duration::from_millis(2));
            }
            let seconds = (second - 59).max(0)..=second;
            let wanted: i64 = seconds.map(|second| second % 3 + 1).sum();
            assert_eq!(processed.last_minute(at(second)), wanted.unsigned_abs());
        }
        assert_eq!(processed.last_minute(at(158)), 1);
        assert_eq!(processed.last_minute(at(159)), 0);
        assert!((processed.average_ms() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn many_threads_lose_none() {
        let processed = Processed::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        processed.count(at(0), Duration::ZERO);
                        processed.fail();
                    }
                });
            }
        });
        assert_eq!(processed.last_minute(at(0)), 4000);
        assert_eq!(processed.failed(), 4000);
    }
}
