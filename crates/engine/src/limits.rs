//! Vendors' rate limits, kept on our side: a bucket of tokens for each account and group of
//! requests. Which requests belong to which group, and how many are allowed, the adapters say
//! ([`RateLimit`]). Each node counts for itself; where several nodes together pass a limit, the
//! vendor's own "too many" ([`Limits::hold_back`]) puts it right.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use switchhook_domain::Timestamp;

use crate::command::{CommandError, Fault, Limits, RateLimit};
use crate::ports::Clock;

/// Buckets kept before those that are full again are thrown away. A bucket is made only for an
/// account that sends requests, so this bounds the memory, not the accounts.
const MANY_BUCKETS: usize = 4096;
/// The longest a vendor may make us hold back.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    account: Arc<str>,
    /// Whom the limit is for where it is narrower than the account; empty for the whole account.
    whom: String,
    limit: RateLimit,
}

/// Tokens that come back one by one, each `per_seconds` after it was used: no stretch of that
/// length ever holds more requests than allowed, wherever it begins.
#[derive(Debug, Default)]
struct Bucket {
    /// When the tokens that are out were or will be used, oldest first; never more than the limit.
    used: VecDeque<Timestamp>,
    /// Nothing goes out before.
    held_until: Option<Timestamp>,
}

impl Bucket {
    /// When the next request may go out.
    fn next(&self, limit: &RateLimit, now: Timestamp) -> Timestamp {
        let full = self.used.len() >= requests(limit);
        let free = self.used.front().filter(|_| full);
        let free = free.map_or(now, |used| after(*used, window(limit)));
        free.max(self.held_until.unwrap_or(now)).max(now)
    }

    fn forget_past(&mut self, limit: &RateLimit, now: Timestamp) {
        while (self.used.front()).is_some_and(|used| after(*used, window(limit)) <= now) {
            self.used.pop_front();
        }
        self.held_until = self.held_until.filter(|until| *until > now);
    }

    fn use_one(&mut self, limit: &RateLimit, at: Timestamp) {
        if self.used.len() >= requests(limit) {
            self.used.pop_front();
        }
        self.used.push_back(at);
    }
}

/// A limit of no requests at all would stop a connection for ever: it is read as one.
fn requests(limit: &RateLimit) -> usize {
    usize::try_from(limit.requests).unwrap_or(usize::MAX).max(1)
}

fn window(limit: &RateLimit) -> Duration {
    Duration::from_secs(u64::from(limit.per_seconds))
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    then.duration_since(now)
        .max(SignedDuration::ZERO)
        .unsigned_abs()
}

/// The buckets of all accounts of this process. Clones see the same.
#[derive(Clone, Debug)]
pub struct Buckets {
    clock: Arc<dyn Clock>,
    buckets: Arc<Mutex<HashMap<Key, Bucket>>>,
}

impl Buckets {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            buckets: Arc::default(),
        }
    }

    /// The limits of one account. Connections that share an account at the vendor give the same
    /// name and share its limits.
    #[must_use]
    pub fn account(&self, name: &str) -> Arc<dyn Limits> {
        Arc::new(Account {
            name: name.into(),
            all: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token if it may be used within `patience`; returns how long to wait until then.
    fn reserve(&self, key: Key, patience: Duration) -> Result<Duration, Duration> {
        let now = self.clock.now();
        let limit = key.limit;
        let mut buckets = self.lock();
        if buckets.len() >= MANY_BUCKETS && !buckets.contains_key(&key) {
            buckets.retain(|key, bucket| {
                bucket.forget_past(&key.limit, now);
                !bucket.used.is_empty() || bucket.held_until.is_some()
            });
        }
        let bucket = buckets.entry(key).or_default();
        bucket.forget_past(&limit, now);
        let at = bucket.next(&limit, now);
        let wait = until(now, at);
        if wait > patience {
            return Err(wait);
        }
        bucket.use_one(&limit, at);
        Ok(wait)
    }

    /// How long this group is still held back.
    fn held(&self, key: &Key) -> Duration {
        let held = self.lock().get(key).and_then(|bucket| bucket.held_until);
        held.map_or(Duration::ZERO, |then| until(self.clock.now(), then))
    }
}

#[derive(Debug)]
struct Account {
    name: Arc<str>,
    all: Buckets,
}

impl Account {
    fn key(&self, limit: &RateLimit, whom: &str) -> Key {
        Key {
            account: self.name.clone(),
            whom: whom.to_owned(),
            limit: *limit,
        }
    }
}

#[async_trait]
impl Limits for Account {
    async fn turn(&self, limit: &RateLimit, patience: Duration) -> Result<(), CommandError> {
        self.turn_for(limit, "", patience).await
    }

    async fn turn_for(
        &self,
        limit: &RateLimit,
        whom: &str,
        patience: Duration,
    ) -> Result<(), CommandError> {
        let key = self.key(limit, whom);
        let wait = (self.all.reserve(key.clone(), patience)).map_err(too_many)?;
        if wait.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
        // Somebody else may have been told "too many" meanwhile.
        let held = self.all.held(&key);
        if held.is_zero() {
            return Ok(());
        }
        if wait + held > patience {
            return Err(too_many(held));
        }
        tokio::time::sleep(held).await;
        Ok(())
    }

    fn hold_back(&self, limit: &RateLimit, wait: Duration) {
        self.hold_back_for(limit, "", wait);
    }

    fn hold_back_for(&self, limit: &RateLimit, whom: &str, wait: Duration) {
        let then = after(self.all.clock.now(), wait.min(LONGEST_HOLD));
        let mut buckets = self.all.lock();
        let bucket = buckets.entry(self.key(limit, whom)).or_default();
        bucket.held_until = bucket.held_until.max(Some(then));
    }
}

fn too_many(wait: Duration) -> CommandError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let detail =
        format!("The platform's rate limit for this account is reached: try again in {seconds} s.");
    CommandError::new(Fault::RateLimited, detail).after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemClock;

    /// A clock that shows tokio's paused time, so that waiting and reading it agree.
    #[derive(Debug)]
    struct Paused(tokio::time::Instant, Timestamp);

    impl Clock for Paused {
        fn now(&self) -> Timestamp {
            after(self.1, self.0.elapsed())
        }
    }

    const SLOW: RateLimit = RateLimit {
        group: "slow",
        requests: 3,
        per_seconds: 60,
    };
    const PATIENT: Duration = Duration::from_secs(600);

    fn paused() -> Buckets {
        Buckets::new(Arc::new(Paused(
            tokio::time::Instant::now(),
            SystemClock.now(),
        )))
    }

    async fn seconds(work: impl Future<Output = Result<(), CommandError>>) -> u64 {
        let began = tokio::time::Instant::now();
        work.await.unwrap();
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn no_stretch_holds_more_than_is_allowed() {
        let account = paused().account("a");
        let mut at = Vec::new();
        let began = tokio::time::Instant::now();
        for i in 0..12 {
            tokio::time::sleep(Duration::from_secs(i % 5)).await;
            account.turn(&SLOW, PATIENT).await.unwrap();
            at.push(began.elapsed());
        }
        for pair in at.windows(4) {
            assert!(pair[3] - pair[0] >= Duration::from_secs(60), "{at:?}");
        }
        assert!(
            at[2] < Duration::from_secs(5),
            "what is allowed is not slowed"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn impatience_is_told_how_long_and_costs_nothing() {
        let account = paused().account("a");
        for _ in 0..3 {
            account.turn(&SLOW, Duration::ZERO).await.unwrap();
        }
        for _ in 0..3 {
            let refused = account.turn(&SLOW, Duration::from_secs(5)).await;
            let refused = refused.unwrap_err();
            assert_eq!(refused.fault, Fault::RateLimited);
            assert_eq!(refused.retry_after, Some(Duration::from_secs(60)));
        }
        assert_eq!(seconds(account.turn(&SLOW, PATIENT)).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_people_and_groups_do_not_slow_one_another() {
        let buckets = paused();
        let (a, b) = (buckets.account("a"), buckets.account("b"));
        let other = RateLimit {
            group: "other",
            ..SLOW
        };
        for _ in 0..3 {
            a.turn(&SLOW, Duration::ZERO).await.unwrap();
            b.turn(&SLOW, Duration::ZERO).await.unwrap();
            a.turn(&other, Duration::ZERO).await.unwrap();
            a.turn_for(&SLOW, "ada", Duration::ZERO).await.unwrap();
            a.turn_for(&SLOW, "bob", Duration::ZERO).await.unwrap();
        }
        assert!(a.turn_for(&SLOW, "ada", Duration::ZERO).await.is_err());
        let same = buckets.account("a");
        assert!(
            same.turn(&SLOW, Duration::ZERO).await.is_err(),
            "one account, one bucket"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_goes_out_during_a_penalty_and_the_longest_counts() {
        let account = paused().account("a");
        account.hold_back(&SLOW, Duration::from_secs(90));
        account.hold_back(&SLOW, Duration::from_secs(10));
        assert!(account.turn(&SLOW, Duration::from_secs(60)).await.is_err());
        assert_eq!(seconds(account.turn(&SLOW, PATIENT)).await, 90);
        account.hold_back(&SLOW, Duration::from_secs(u64::MAX));
        let refused = account.turn(&SLOW, PATIENT).await.unwrap_err();
        assert_eq!(refused.retry_after, Some(LONGEST_HOLD));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_already_is_held_back_too() {
        let account = paused().account("a");
        for _ in 0..3 {
            account.turn(&SLOW, Duration::ZERO).await.unwrap();
        }
        let waiting = seconds(account.turn(&SLOW, PATIENT));
        let penalty = async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            account.hold_back(&SLOW, Duration::from_secs(60));
        };
        let (waited, ()) = tokio::join!(waiting, penalty);
        assert_eq!(waited, 110);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_by_those_who_ask() {
        let buckets = paused();
        for i in 0..MANY_BUCKETS + 10 {
            let account = buckets.account(&i.to_string());
            account.turn(&SLOW, Duration::ZERO).await.unwrap();
            if i == MANY_BUCKETS - 1 {
                tokio::time::sleep(Duration::from_secs(61)).await;
            }
        }
        assert!(buckets.lock().len() <= 10);
    }
}
