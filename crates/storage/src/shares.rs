//! Shares of what all apps use together, so that one app that asks for much waits for itself and
//! not the others for it: how many reads of one app run at a time, and in what order waiting
//! writes are taken.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use switchhook_domain::id::AppId;
use switchhook_engine::store::{StoreError, StoreResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queue::MAX_WAIT;

/// How many of one app may be in one commit: fewer than there may be at all, so that whoever comes
/// behind a flood waits for a short commit.
pub(crate) const EACH: usize = 64;
/// Apps remembered beyond those that read at the moment.
const IDLE_APPS: usize = 1024;

/// How much of one app runs, or waits further in, at a time. The rest waits here.
pub(crate) struct Shares {
    each: usize,
    apps: Mutex<HashMap<AppId, Arc<Semaphore>>>,
}

impl Shares {
    /// So many for each app, at least one.
    pub(crate) fn of(each: usize) -> Self {
        Self {
            each: each.max(1),
            apps: Mutex::default(),
        }
    }

    /// Waits for the app's turn, at most [`MAX_WAIT`]. The turn ends when dropped.
    pub(crate) async fn turn(&self, app: AppId) -> StoreResult<OwnedSemaphorePermit> {
        let share = self.share(app);
        if let Ok(turn) = share.clone().try_acquire_owned() {
            return Ok(turn);
        }
        tokio::time::timeout(MAX_WAIT, share.acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| StoreError::Unavailable("too much of this app waits".to_owned()))
    }

    fn share(&self, app: AppId) -> Arc<Semaphore> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if apps.len() >= IDLE_APPS {
            // A permit and a caller that waits both hold their semaphore.
            apps.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let new = || Arc::new(Semaphore::new(self.each));
        apps.entry(app).or_insert_with(new).clone()
    }
}

/// What waits, by app, taken in turn: one of each app, then another of each, and of one app no
/// more at a time than its limit. Of one app, and of what belongs to none, in order.
pub(crate) struct Lanes<T> {
    lanes: BTreeMap<Option<AppId>, VecDeque<T>>,
    count: usize,
    /// The lane that was served last; the next one is first.
    last: Option<Option<AppId>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            count: 0,
            last: None,
        }
    }
}

impl<T> Lanes<T> {
    /// Puts one in at the end of its lane.
    pub(crate) fn push(&mut self, app: Option<AppId>, item: T) {
        self.lanes.entry(app).or_default().push_back(item);
        self.count += 1;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes up to `most`, and up to `each` of one lane; stops when their weights reach `heavy`.
    pub(crate) fn take(
        &mut self,
        most: usize,
        each: usize,
        heavy: usize,
        weight: impl Fn(&T) -> usize,
    ) -> Vec<T> {
        let mut taken = Vec::with_capacity(self.count.min(most));
        let mut load = 0_usize;
        let (mut rounds, mut in_round) = (0, 0);
        while taken.len() < most && load < heavy {
            let Some(lane) = self.next_lane() else { break };
            if in_round == 0 {
                // As many as there are lanes make a round.
                if rounds == each {
                    break;
                }
                (rounds, in_round) = (rounds + 1, self.lanes.len());
            }
            in_round -= 1;
            self.last = Some(lane);
            let Some(item) = self.lanes.get_mut(&lane).and_then(VecDeque::pop_front) else {
                break;
            };
            load = load.saturating_add(weight(&item));
            taken.push(item);
            self.count -= 1;
            if self.lanes.get(&lane).is_some_and(VecDeque::is_empty) {
                self.lanes.remove(&lane);
            }
        }
        taken
    }

    fn next_lane(&self) -> Option<Option<AppId>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.last.and_then(|last| {
            let mut later = self.lanes.range((Excluded(last), Unbounded));
            later.next().map(|(lane, _)| *lane)
        });
        after.or_else(|| self.lanes.keys().next().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    fn app(n: u128) -> AppId {
        AppId(Uuid::from_u128(n))
    }

    #[test]
    fn a_flood_of_one_app_does_not_hold_up_another() {
        let mut lanes = Lanes::default();
        for n in 0..1000 {
            lanes.push(Some(app(1)), n);
        }
        lanes.push(Some(app(2)), 5000);
        lanes.push(None, 6000);
        let first = lanes.take(8, 4, usize::MAX, |_| 1);
        assert!(first.contains(&5000) && first.contains(&6000), "{first:?}");
        let flood: Vec<_> = first.iter().filter(|n| **n < 1000).copied().collect();
        assert_eq!(flood, [0, 1, 2, 3], "in order, and no more than its share");
        assert_eq!(lanes.len(), 996);
    }

    #[test]
    fn everything_is_taken_once_and_in_the_order_of_its_lane() {
        let mut lanes = Lanes::default();
        for n in 0..300_u32 {
            lanes.push((n % 7 > 0).then(|| app(u128::from(n % 7))), n);
        }
        let mut taken = Vec::new();
        while !lanes.is_empty() {
            let some = lanes.take(16, 5, 10, |_| 1);
            assert!((1..=10).contains(&some.len()), "{some:?}");
            taken.extend(some);
        }
        for lane in 0..7 {
            let of_lane: Vec<_> = taken.iter().filter(|n| **n % 7 == lane).collect();
            assert!(of_lane.is_sorted(), "{of_lane:?}");
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..300).collect::<Vec<_>>());
        assert!(lanes.take(1, 1, 1, |_| 1).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_waits_for_itself_only() {
        let shares = Shares::of(2);
        let (_one, two) = (shares.turn(app(1)).await, shares.turn(app(1)).await);
        let third = tokio::time::timeout(Duration::from_secs(1), shares.turn(app(1)));
        third.await.unwrap_err();
        drop(shares.turn(app(2)).await.unwrap());
        drop(two);
        drop(shares.turn(app(1)).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_is_an_error_and_idle_apps_are_forgotten() {
        let shares = Shares::of(0);
        let _held = shares.turn(app(0)).await.unwrap();
        assert!(matches!(
            shares.turn(app(0)).await,
            Err(StoreError::Unavailable(_))
        ));
        for n in 1..5000 {
            drop(shares.turn(app(n)).await.unwrap());
        }
        assert!(shares.apps.lock().unwrap().len() <= IDLE_APPS);
        assert!(shares.share(app(0)).available_permits() == 0);
    }
}
