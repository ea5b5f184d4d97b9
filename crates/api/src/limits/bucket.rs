//! One kind of limit: a token bucket for each of many keys, in a bounded amount of memory. The
//! arithmetic is `governor`'s; here is where its state is kept, a look that takes nothing, and
//! what is told about it. Not here: which keys there are, and what follows from being over.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use switchhook_domain::Timestamp;
use switchhook_engine::ports::Clock;

/// The most keys remembered by one kind of limit, about 5 MB. Who comes then takes the place of
/// those that have used least.
const MAX_KEYS: usize = 50_000;
/// How many make room at once, so that making room stays cheap.
const ROOM: usize = MAX_KEYS / 8;

/// How a key stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many a window.
    pub(crate) limit: u32,
    /// The window in seconds.
    pub(crate) window: u64,
    /// How many are left now.
    pub(crate) remaining: u32,
    /// How long until all of them are there again.
    pub(crate) reset: Duration,
    /// How long to wait when this one was too many.
    pub(crate) wait: Option<Duration>,
}

type Limiter<S, K> = RateLimiter<K, S, Steady, StateInformationMiddleware>;

/// A bucket for each key: as many at once as the limit, refilled evenly over the window.
pub(crate) struct Bucket<K: Hash + Eq + Clone> {
    limit: u32,
    window: Duration,
    taking: Limiter<Kept<K>, K>,
    looking: Limiter<Look<K>, K>,
}

impl<K: Hash + Eq + Clone> Bucket<K> {
    /// So many a window. `None` for 0: no limit.
    pub(crate) fn new(limit: u32, window: Duration, clock: &Arc<dyn Clock>) -> Option<Self> {
        let burst = NonZeroU32::new(limit)?;
        let quota = Quota::with_period(window / limit)?.allow_burst(burst);
        let clock = Steady::new(clock.clone());
        let kept = Kept(Arc::default());
        let look = Look(kept.clone());
        Some(Self {
            limit,
            window,
            looking: RateLimiter::new(quota, look, clock.clone()),
            taking: RateLimiter::new(quota, kept, clock),
        })
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&self, key: &K) -> Standing {
        let taken = self.taking.check_key(key);
        self.standing(
            taken
                .map(|left| left.remaining_burst_capacity())
                .map_err(|until| until.wait_time_from(self.taking.clock().now())),
        )
    }

    /// How long until there is one; `None` when there is one now. Takes nothing.
    pub(crate) fn wait(&self, key: &K) -> Option<Duration> {
        let looked = self.looking.check_key(key).err()?;
        Some(looked.wait_time_from(self.looking.clock().now()))
    }

    fn standing(&self, taken: Result<u32, Duration>) -> Standing {
        let remaining = taken.unwrap_or(0);
        Standing {
            limit: self.limit,
            window: self.window.as_secs(),
            remaining,
            reset: self.window / self.limit * self.limit.saturating_sub(remaining),
            wait: taken.err(),
        }
    }
}

/// When each key's bucket will be full again, in nanoseconds of [`Steady`].
struct Kept<K>(Arc<Mutex<HashMap<K, u64>>>);

impl<K> Clone for Kept<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Hash + Eq + Clone> Kept<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for Kept<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut kept = self.lock();
        if let Some(full_at) = kept.get_mut(key) {
            let (told, next) = judge(Some(Nanos::from(*full_at)))?;
            *full_at = next.as_u64();
            return Ok(told);
        }
        let (told, next) = judge(None)?;
        if kept.len() >= MAX_KEYS {
            make_room(&mut kept);
        }
        kept.insert(key.clone(), next.as_u64());
        Ok(told)
    }
}

/// Forgets those that are full again soonest: the first of them are full already.
fn make_room<K: Hash + Eq + Clone>(kept: &mut HashMap<K, u64>) {
    let mut times: Vec<u64> = kept.values().copied().collect();
    let (_, last, _) = times.select_nth_unstable(ROOM.min(kept.len() - 1));
    let last = *last;
    kept.retain(|_, full_at| *full_at > last);
}

/// The same state, of which nothing is changed.
struct Look<K>(Kept<K>);

impl<K: Hash + Eq + Clone> StateStore for Look<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let full_at = self.0.lock().get(key).copied();
        judge(full_at.map(Nanos::from)).map(|(told, _)| told)
    }
}

/// Our clock as `governor` wants it. When it is set back it stands still instead, or everybody
/// would have to wait until it has caught up.
#[derive(Clone)]
struct Steady(Arc<State>);

struct State {
    clock: Arc<dyn Clock>,
    origin: Timestamp,
    /// The last time told, and how much is added to the clock's.
    told: Mutex<(i128, i128)>,
}

impl Steady {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(State {
            origin: clock.now(),
            clock,
            told: Mutex::default(),
        }))
    }
}

impl GovernorClock for Steady {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let state = &self.0;
        let since = state.clock.now().as_nanosecond() - state.origin.as_nanosecond();
        let mut told = state.told.lock().unwrap_or_else(PoisonError::into_inner);
        if since + told.1 < told.0 {
            told.1 = told.0 - since;
        }
        told.0 = since + told.1;
        u64::try_from(told.0).unwrap_or(u64::MAX).into()
    }
}

#[cfg(test)]
mod tests {
    use switchhook_testkit::clock::TestClock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn bucket(limit: u32) -> (Arc<TestClock>, Bucket<u32>) {
        let clock = Arc::new(TestClock::default());
        let port: Arc<dyn Clock> = clock.clone();
        (clock, Bucket::new(limit, MINUTE, &port).unwrap())
    }

    #[test]
    fn as_many_as_the_limit_then_evenly_over_the_window() {
        let (clock, bucket) = bucket(6);
        let first = bucket.take(&1);
        assert_eq!((first.limit, first.window, first.remaining), (6, 60, 5));
        assert_eq!(first.reset, Duration::from_secs(10));
        for left in (0..5).rev() {
            assert_eq!(bucket.take(&1).remaining, left);
        }
        let over = bucket.take(&1);
        assert_eq!(over.remaining, 0);
        assert_eq!(over.wait, Some(Duration::from_secs(10)));
        assert_eq!(bucket.take(&2).wait, None, "another key has its own");
        clock.advance(jiff::SignedDuration::from_secs(10));
        assert_eq!(bucket.take(&1).wait, None);
        assert!(bucket.take(&1).wait.is_some());
    }

    #[test]
    fn a_look_takes_nothing() {
        let (_, bucket) = bucket(1);
        assert_eq!((bucket.wait(&1), bucket.wait(&1)), (None, None));
        bucket.take(&1);
        assert!(bucket.wait(&1).is_some());
    }

    #[test]
    fn zero_is_no_limit() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        assert!(Bucket::<u32>::new(0, MINUTE, &clock).is_none());
    }

    #[test]
    fn memory_is_bounded_and_who_is_over_is_not_forgotten() {
        let (_, bucket) = bucket(2);
        bucket.take(&0);
        bucket.take(&0);
        for key in 1..=u32::try_from(MAX_KEYS).unwrap() * 2 {
            bucket.take(&key);
        }
        assert!(bucket.looking.check_key(&0).is_err());
        let keys = bucket.taking.into_state_store().lock().len();
        assert!(keys <= MAX_KEYS, "{keys}");
    }

    #[test]
    fn a_clock_that_is_set_back_blocks_nobody() {
        let (clock, bucket) = bucket(6);
        clock.advance(jiff::SignedDuration::from_hours(1));
        bucket.take(&1);
        clock.set(clock.now() - jiff::SignedDuration::from_hours(1));
        assert_eq!(bucket.take(&1).wait, None);
    }
}
