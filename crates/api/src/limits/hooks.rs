//! How fast notifications of one hook are taken in. What is believed is never refused for being
//! one of many while it can be held back instead: no platform sends again what was answered 429,
//! and several send nothing again at all. Over the limit a notification waits for its turn, less
//! long than any platform waits for an answer, and is then taken in all the same. Only when very
//! many wait already, the answer is 503, which most platforms try again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use switchhook_domain::id::ConnectionId;
use switchhook_engine::pace::Pace;
use switchhook_engine::ports::Clock;

use super::bucket::Bucket;
use super::{LimitsConfig, MINUTE};

/// The pace of all hooks.
pub(crate) struct Hooks {
    buckets: Bucket<ConnectionId>,
    wait: Duration,
    backlog: usize,
    waiting: Mutex<HashMap<ConnectionId, usize>>,
}

impl Hooks {
    /// As configured; `None` when there is no limit.
    pub(crate) fn new(config: &LimitsConfig, clock: &Arc<dyn Clock>) -> Option<Self> {
        Some(Self {
            buckets: Bucket::new(config.hook_notifications, MINUTE, clock)?,
            wait: config.hook_wait,
            backlog: config.hook_backlog,
            waiting: Mutex::default(),
        })
    }

    /// A place among those that wait; `None` when there is none left.
    fn place(&self, hook: ConnectionId) -> Option<Place<'_>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(hook).or_default();
        if *count >= self.backlog {
            return None;
        }
        *count += 1;
        Some(Place { hooks: self, hook })
    }
}

#[async_trait]
impl Pace for Hooks {
    async fn turn(&self, hook: ConnectionId) -> Result<(), Duration> {
        let Some(mut wait) = self.buckets.take(&hook).wait else {
            return Ok(());
        };
        let Some(_place) = self.place(hook) else {
            return Err(wait.max(self.wait));
        };
        let mut left = self.wait;
        loop {
            let pause = wait.min(left);
            tokio::time::sleep(pause).await;
            left = left.saturating_sub(pause);
            match self.buckets.take(&hook).wait {
                Some(longer) if !left.is_zero() => wait = longer,
                _ => return Ok(()),
            }
        }
    }
}

/// One that waits; dropped when its turn has come or its sender has gone.
struct Place<'a> {
    hooks: &'a Hooks,
    hook: ConnectionId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let waiting = self.hooks.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.hook) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.hook);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use switchhook_testkit::clock::TestClock;
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;

    fn hooks(backlog: usize) -> Hooks {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let config = LimitsConfig {
            hook_notifications: 2,
            hook_backlog: backlog,
            ..LimitsConfig::off()
        };
        Hooks::new(&config, &clock).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_too_many_is_held_back_and_taken_in_all_the_same() {
        let (hooks, hook) = (hooks(8), ConnectionId(Uuid::from_u128(1)));
        let start = Instant::now();
        hooks.turn(hook).await.unwrap();
        hooks.turn(hook).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        hooks.turn(hook).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        hooks.turn(ConnectionId(Uuid::from_u128(2))).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(2), "not the neighbour");
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_no_more() {
        let (hooks, hook) = (hooks(2), ConnectionId(Uuid::from_u128(1)));
        let turns = (0..5).map(|_| hooks.turn(hook));
        let turns = futures_util::future::join_all(turns).await;
        let refused = turns.iter().filter(|turn| turn.is_err()).count();
        assert_eq!(refused, 1, "two at once, two held back");
        assert!(hooks.waiting.lock().unwrap().is_empty());
    }
}
