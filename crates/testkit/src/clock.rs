//! Time and chance that tests own.

use std::sync::Mutex;
use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use switchhook_engine::ports::{Clock, Entropy};

/// A clock that stands still until it is told to go on.
#[derive(Debug)]
pub struct TestClock {
    now: Mutex<Timestamp>,
}

impl Default for TestClock {
    /// Starts on 22 November 2026 at noon, UTC.
    fn default() -> Self {
        Self::at(Timestamp::constant(1_795_348_800, 0))
    }
}

impl TestClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            now: Mutex::new(now),
        }
    }

    /// Goes on by this much (or back), and returns the new time.
    pub fn advance(&self, by: SignedDuration) -> Timestamp {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
        *now
    }

    /// Shows this time from now on.
    pub fn set(&self, to: Timestamp) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that look random and are the same for the same seed (SplitMix64). For tests only.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(seed),
        }
    }

    /// The next number.
    pub fn next_u64(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next_u64().to_be_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_only_when_told() {
        let clock = TestClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(
            clock.now().duration_since(start),
            SignedDuration::from_secs(5)
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(a.random(), b.random());
        assert_ne!(a.random(), SeededEntropy::new(8).random());
    }
}
