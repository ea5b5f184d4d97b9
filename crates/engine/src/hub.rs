//! The hub: committed events to everyone who listens, in the order of the log.
//!
//! One task follows the store's hints. For each app somebody listens to, it keeps the last `seq`
//! it handed out and reads the log wherever the hints have a hole, so that listeners see every
//! event once and in order, whichever node committed it. Listeners that fall more than
//! [`QUEUE`] events behind are told so and start again from the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use switchhook_domain::event::Event;
use switchhook_domain::id::AppId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::ports::Clock;
use crate::store::{Store, StoreResult, Wake};

/// How many events a listener may fall behind.
pub const QUEUE: usize = 1024;
/// How many events are read from the log at a time.
const PAGE: u32 = 500;

/// An event on its way to many listeners: its wire form is made once, by whoever needs it first.
#[derive(Debug)]
pub struct Published {
    /// The event.
    pub event: Arc<Event>,
    wire: OnceLock<Bytes>,
}

impl Published {
    /// Wraps an event.
    #[must_use]
    pub fn new(event: Arc<Event>) -> Self {
        Self {
            event,
            wire: OnceLock::new(),
        }
    }

    /// The wire form, made by `render` on the first call.
    pub fn wire(&self, render: impl FnOnce(&Event) -> Bytes) -> Bytes {
        self.wire.get_or_init(|| render(&self.event)).clone()
    }
}

#[derive(Debug)]
struct Channel {
    sender: broadcast::Sender<Arc<Published>>,
    sent: Option<u64>,
}

/// Committed events to everyone who listens.
#[derive(Clone)]
pub struct Hub {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    channels: Arc<Mutex<HashMap<AppId, Channel>>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub over a store; [`Self::run`] must be running for anything to arrive.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self {
            store,
            clock,
            metrics,
            channels: Arc::default(),
        }
    }

    /// Listens to an app. Read the snapshot or the log *after* this returns and drop what comes
    /// with a `seq` already seen: nothing falls between.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn listen(&self, app: AppId) -> StoreResult<broadcast::Receiver<Arc<Published>>> {
        let receiver = {
            let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
            let channel = channels.entry(app).or_insert_with(|| Channel {
                sender: broadcast::channel(QUEUE).0,
                sent: None,
            });
            channel.sender.subscribe()
        };
        let head = self.store.log_position(app).await?.head;
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get_mut(&app) {
            channel.sent.get_or_insert(head);
        }
        Ok(receiver)
    }

    /// Follows the store until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut wakes = self.store.wakes();
        loop {
            let wake = tokio::select! {
                wake = wakes.recv() => wake,
                () = stop.cancelled() => return,
            };
            match wake {
                Ok(wake) => self.wake(wake).await,
                Err(RecvError::Lagged(_)) => self.catch_up_all().await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn wake(&self, wake: Wake) {
        let Some(sent) = self.position(wake.app_id) else {
            return;
        };
        let contiguous = match (sent, wake.events.first()) {
            (Some(sent), Some(first)) => first.seq <= sent + 1,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if contiguous {
            self.publish(wake.app_id, wake.events);
        } else if sent.is_some_and(|sent| wake.head > sent) {
            self.catch_up(wake.app_id).await;
        }
    }

    /// `None` when nobody listens (any more); the channel is then forgotten.
    fn position(&self, app: AppId) -> Option<Option<u64>> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channels.get(&app)?;
        if channel.sender.receiver_count() == 0 {
            channels.remove(&app);
            return None;
        }
        Some(channel.sent)
    }

    fn publish(&self, app: AppId, events: Vec<Arc<Event>>) {
        let now = self.clock.now();
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(channel) = channels.get_mut(&app) else {
            return;
        };
        for event in events {
            if channel.sent.is_some_and(|sent| event.seq <= sent) {
                continue;
            }
            channel.sent = Some(event.seq);
            let wait = now.duration_since(event.recorded_at).as_secs_f64().max(0.0);
            self.metrics.fanout_seconds.observe(wait);
            // An error only says that the last listener has just gone.
            let _ = channel.sender.send(Arc::new(Published::new(event)));
        }
    }

    /// Reads the log from the last event handed out. The database being away is not fatal: the
    /// next hint, or the next listener's own resume, finds the same hole again.
    async fn catch_up(&self, app: AppId) {
        while let Some(Some(sent)) = self.position(app) {
            match self.store.events_after(app, sent, PAGE, &[]).await {
                Ok(events) if events.is_empty() => return,
                Ok(events) => self.publish(app, events),
                Err(error) => {
                    tracing::warn!(app.id = %app, %error, "cannot read the log for listeners");
                    return;
                }
            }
        }
    }

    async fn catch_up_all(&self) {
        let apps: Vec<AppId> = {
            let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
            channels.keys().copied().collect()
        };
        for app in apps {
            self.catch_up(app).await;
        }
    }
}
