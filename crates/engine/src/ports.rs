//! Time and chance as ports: handed in, so that tests own them and runs can be repeated.

use std::fmt::Debug;

use switchhook_domain::Timestamp;

/// What time it is.
pub trait Clock: Send + Sync + Debug {
    /// Now, UTC, to the microsecond: what a database keeps.
    fn now(&self) -> Timestamp;
}

/// Unpredictable bytes.
pub trait Entropy: Send + Sync + Debug {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// A random number.
    fn random(&self) -> u128 {
        let mut bytes = [0_u8; 16];
        self.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "without random numbers no key or id is safe: stopping is the only answer"
        )]
        getrandom::fill(buffer).expect("the operating system gives random numbers");
    }
}
