//! A bounded queue between async callers and threads: whoever puts something in waits for a
//! place without holding a thread, whoever takes out blocks and takes all that waits at once, of
//! each app in turn.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchhook_domain::id::AppId;
use switchhook_engine::store::{StoreError, StoreResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::shares::Lanes;

/// How long a caller waits for a place.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(5);

/// The queue.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    places: Arc<Semaphore>,
}

struct State<T> {
    waiting: Lanes<(T, OwnedSemaphorePermit)>,
    closed: bool,
}

impl<T> Queue<T> {
    /// A queue of that many places.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Lanes::default(),
                closed: false,
            }),
            ready: Condvar::new(),
            places: Arc::new(Semaphore::new(places.max(1))),
        }
    }

    /// Puts one in that belongs to no app; waits for a place at most [`MAX_WAIT`].
    pub(crate) async fn push(&self, item: T) -> StoreResult<()> {
        self.push_for(None, item).await
    }

    /// Puts one in behind those of the same app; waits for a place at most [`MAX_WAIT`].
    pub(crate) async fn push_for(&self, app: Option<AppId>, item: T) -> StoreResult<()> {
        let places = Arc::clone(&self.places);
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => tokio::time::timeout(MAX_WAIT, places.acquire_owned())
                .await
                .map_err(|_| StoreError::Unavailable("too much is waiting".to_owned()))?
                .map_err(|_| closed())?,
        };
        let mut state = self.lock();
        if state.closed {
            return Err(closed());
        }
        state.waiting.push(app, (item, place));
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits until there is something and takes up to `most`, up to `each` of one app; stops
    /// earlier when their weights reach `heavy`. `None` when the queue is closed and empty.
    pub(crate) fn take(
        &self,
        most: usize,
        each: usize,
        heavy: usize,
        weight: impl Fn(&T) -> usize,
    ) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let weight = |(item, _): &(T, OwnedSemaphorePermit)| weight(item);
        let taken = state.waiting.take(most, each, heavy, weight);
        Some(taken.into_iter().map(|(item, _place)| item).collect())
    }

    /// Takes one; see [`Self::take`].
    pub(crate) fn take_one(&self) -> Option<T> {
        self.take(1, 1, usize::MAX, |_| 0)?.pop()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Lets nobody put anything in any more. What is in it can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.places.close();
        self.ready.notify_all();
    }

    /// Closes the queue and drops what is in it, so that whoever waits for an answer hears that
    /// none will come.
    pub(crate) fn abandon(&self) {
        self.close();
        let dropped = std::mem::take(&mut self.lock().waiting);
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a store that was closed.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_all_that_waits_in_order() {
        let queue = Queue::new(8);
        for n in 0..5 {
            queue.push(n).await.unwrap();
        }
        assert_eq!(queue.take(3, 3, usize::MAX, |_| 1), Some(vec![0, 1, 2]));
        assert_eq!(queue.take(3, 3, 1, |_| 1), Some(vec![3]));
        queue.close();
        assert_eq!(queue.take_one(), Some(4));
        assert_eq!(queue.take_one(), None);
        assert!(queue.push(6).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_says_so_in_bounded_time() {
        let queue = Queue::new(1);
        queue.push(1).await.unwrap();
        assert!(matches!(
            queue.push(2).await,
            Err(StoreError::Unavailable(_))
        ));
        assert_eq!(queue.take_one(), Some(1));
        queue.push(3).await.unwrap();
    }
}
