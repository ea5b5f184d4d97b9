//! Supervision of live connections: one task for each, which connects, listens, and when the link
//! breaks waits a little (longer each time, with jitter, so that a hundred servers do not knock
//! at once) and connects again. What the link is doing is stored with the connection and told by
//! `connection.degraded` and `connection.restored`.
//!
//! Sockets that a platform opens to us are served by the child module `inbound`.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use serde_json::json;
use switchhook_domain::Timestamp;
use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::id::ConnectionId;
use switchhook_domain::signal::Signal;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adapter::{Inbound, LinkError, LinkState, NotificationSink, Secret, Taken};
use crate::connections::{Connections, ReadyConnection};
use crate::intake::{Intake, IntakeError, Received};
use crate::metrics::{Metrics, PlatformLabels};
use crate::session::Sessions;
use crate::store::{Changeset, Connection, LinkStatus, StoreError};

mod inbound;

pub use inbound::AWAITED_FOR;

use self::inbound::Served;

/// Frames that may wait for the database; the socket is read no further while it is full.
const QUEUE: usize = 1024;
/// Commits under way at once for one connection.
const IN_FLIGHT: usize = 64;
/// The first wait after a broken link.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The first wait while the database is away.
const FIRST_DATABASE_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between two tries at the database.
const LONGEST_DATABASE_WAIT: Duration = Duration::from_secs(5);
/// The wait after an error that needs a person.
const MISCONFIGURED_WAIT: Duration = Duration::from_secs(60);

enum Item {
    Frame(Vec<u8>),
    Signals(Vec<Signal>),
    Link(LinkState),
}

struct Running {
    /// What it was started for.
    row: Arc<Connection>,
    stop: CancellationToken,
    /// Ends the wait between two tries.
    again: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Keeps the live connections of this process.
#[derive(Clone)]
pub struct Links {
    connections: Arc<Connections>,
    intake: Intake,
    sessions: Sessions,
    metrics: Metrics,
    running: Arc<Mutex<HashMap<ConnectionId, Running>>>,
    states: Arc<Mutex<HashMap<ConnectionId, LinkStatus>>>,
    served: Arc<Mutex<HashMap<ConnectionId, Served>>>,
    /// Since when a socket has been waited for that never came.
    awaited: Arc<Mutex<HashMap<ConnectionId, Instant>>>,
    numbers: Arc<AtomicU64>,
    closing: CancellationToken,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    /// A supervisor without connections; [`Self::reconcile`] starts them.
    #[must_use]
    pub fn new(connections: Arc<Connections>, intake: Intake, metrics: Metrics) -> Self {
        let sessions = Sessions::new(intake.clock().clone());
        Self {
            connections,
            intake,
            sessions,
            metrics,
            running: Arc::default(),
            states: Arc::default(),
            served: Arc::default(),
            awaited: Arc::default(),
            numbers: Arc::default(),
            closing: CancellationToken::new(),
        }
    }

    /// The same, with how platforms are asked that give out a socket to those who sign in.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }

    /// Starts what should run and does not, stops what should not and does. What runs with other
    /// settings than it should have now is stopped and started again.
    pub fn reconcile(&self) {
        let mut usable = self.connections.all();
        usable.retain(|c| c.app.active && c.fault.is_none());
        self.reconcile_awaited(&usable);
        let live = usable.into_iter().filter(|c| c.adapter.is_live(&c.context));
        let live: HashMap<ConnectionId, ReadyConnection> = live.map(|c| (c.row.id, c)).collect();
        let mut running = lock(&self.running);
        running.retain(|id, task| {
            let wanted = live.contains_key(id) && !task.task.is_finished();
            if !wanted {
                task.stop.cancel();
            }
            wanted
        });
        for (id, connection) in live {
            let former = running.remove(&id);
            let next = match former {
                Some(same) if same.row.is_set_up_as(&connection.row) => same,
                former => self.start(connection, former),
            };
            running.insert(id, next);
        }
    }

    /// Starts a link, once the one whose place it takes is over: of that everything is committed
    /// before anything of this one.
    fn start(&self, connection: ReadyConnection, former: Option<Running>) -> Running {
        let (row, stop) = (connection.row.clone(), CancellationToken::new());
        let former = former.map(|former| {
            former.stop.cancel();
            former.task
        });
        let again = Arc::new(Notify::new());
        let (links, token, asked) = (self.clone(), stop.clone(), again.clone());
        let task = tokio::spawn(async move {
            if let Some(former) = former {
                // A task that panicked has been logged by the runtime; it is over, too.
                let _ = former.await;
            }
            links.supervise(connection, token, &asked).await;
        });
        Running {
            row,
            stop,
            again,
            task,
        }
    }

    /// Tries a link that is down at once: something was put right, such as a sign-in.
    pub fn try_again(&self, connection: ConnectionId) {
        if let Some(running) = lock(&self.running).get(&connection) {
            running.again.notify_waiters();
        }
    }

    /// The present state of every live connection of this process.
    #[must_use]
    pub fn states(&self) -> HashMap<ConnectionId, LinkStatus> {
        lock(&self.states).clone()
    }

    /// Stops all and waits for what they hold to be committed.
    pub async fn close(&self) {
        let running: Vec<Running> = {
            let mut running = lock(&self.running);
            running.drain().map(|(_, task)| task).collect()
        };
        self.closing.cancel();
        for task in &running {
            task.stop.cancel();
        }
        for task in running {
            // A task that panicked has been logged by the runtime; there is nothing to wait for.
            let _ = task.task.await;
        }
        self.close_served().await;
    }

    /// A sink for one connection and the task that commits what it is given.
    fn listen(
        &self,
        connection: &ReadyConnection,
        stop: &CancellationToken,
    ) -> (Arc<Sink>, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let heard = connection
            .row
            .last_heard_at
            .map_or(i64::MIN, Timestamp::as_microsecond);
        let sink = Arc::new(Sink {
            sender,
            connection: connection.clone(),
            intake: self.intake.clone(),
            stop: stop.clone(),
            heard: AtomicI64::new(heard),
            left: Mutex::default(),
        });
        let work = self
            .clone()
            .work(connection.clone(), receiver, stop.clone());
        (sink, tokio::spawn(work))
    }

    async fn supervise(self, connection: ReadyConnection, stop: CancellationToken, again: &Notify) {
        let (sink, worker) = self.listen(&connection, &stop);
        let mut wait = FIRST_WAIT;
        while !stop.is_cancelled() {
            let began = std::time::Instant::now();
            let session = self.sessions.open(&connection);
            let ended = connection
                .adapter
                .connect_signed_in(session, sink.clone(), stop.clone())
                .await;
            if stop.is_cancelled() {
                break;
            }
            if began.elapsed() > LONGEST_WAIT * 2 {
                wait = FIRST_WAIT;
            }
            let (reason, pause) = match ended {
                Ok(()) => ("the platform closed the connection".to_owned(), wait),
                Err(LinkError::Retry(reason)) => (reason, wait),
                Err(LinkError::Misconfigured(reason)) => (reason, MISCONFIGURED_WAIT),
            };
            tracing::warn!(connection.id = %connection.row.id, reason, "link is down");
            sink.link(LinkState::Down(reason)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            let pause = pause.mul_f64(0.5 + self.jitter());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = again.notified() => wait = FIRST_WAIT,
                () = stop.cancelled() => {}
            }
        }
        drop(sink);
        // As above: a panic has been logged.
        let _ = worker.await;
        self.forget(&connection);
    }

    fn jitter(&self) -> f64 {
        let byte = self.intake.entropy().random().to_be_bytes()[0];
        f64::from(byte) / 255.0
    }

    /// Commits what a link hears, in order, with several commits under way.
    async fn work(
        self,
        connection: ReadyConnection,
        mut items: mpsc::Receiver<Item>,
        stop: CancellationToken,
    ) {
        let mut under_way = FuturesOrdered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                item = items.recv(), if under_way.len() < IN_FLIGHT => {
                    let Some(item) = item else { break };
                    under_way.push_back(self.take(&connection, item, &stop));
                }
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Commits one item. While the database is away it is tried again, so that nothing is lost;
    /// the bounded queue then stops the socket.
    async fn take(&self, connection: &ReadyConnection, item: Item, stop: &CancellationToken) {
        let mut wait = FIRST_DATABASE_WAIT;
        loop {
            let result = match &item {
                Item::Frame(bytes) => self.intake.frame(connection, bytes).await.map(drop),
                Item::Signals(signals) => self
                    .intake
                    .signals(connection, signals.clone())
                    .await
                    .map(drop),
                Item::Link(state) => self.note(connection, state).await,
            };
            match result {
                Ok(()) => return,
                Err(StoreError::Unavailable(_)) if !stop.is_cancelled() => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_DATABASE_WAIT);
                }
                Err(error) => {
                    tracing::error!(connection.id = %connection.row.id, %error, "frame is lost");
                    return;
                }
            }
        }
    }

    async fn note(
        &self,
        connection: &ReadyConnection,
        state: &LinkState,
    ) -> Result<(), StoreError> {
        let now = self.intake.clock().now();
        let (up, reason) = match state {
            LinkState::Up => (true, None),
            LinkState::Down(reason) => (false, Some(reason.clone())),
        };
        let row = &connection.row;
        let before = self
            .states()
            .get(&row.id)
            .cloned()
            .or_else(|| row.link.clone());
        let changed = before.as_ref().is_none_or(|known| known.up != up);
        let since = before.filter(|_| !changed).map_or(now, |known| known.since);
        let status = LinkStatus {
            up,
            reason: reason.clone(),
            since,
        };
        let labels = PlatformLabels {
            platform: connection.adapter.spec().platform,
        };
        let known = {
            let mut states = lock(&self.states);
            states.insert(row.id, status.clone())
        };
        let was_up = known.as_ref().is_some_and(|known| known.up);
        match (was_up, up) {
            (false, true) => drop(self.metrics.links_up.get_or_create(&labels).inc()),
            (true, false) => drop(self.metrics.links_up.get_or_create(&labels).dec()),
            _ => {}
        }
        if known.as_ref() == Some(&status) {
            return Ok(());
        }
        // The first time a link comes up is no restoration, and a first failure is a degradation.
        let kind = match (changed, up) {
            (true, false) => Some(EventType::ConnectionDegraded),
            (true, true) if row.link.is_some() || known.is_some() => {
                Some(EventType::ConnectionRestored)
            }
            _ => None,
        };
        let data = json!({ "connection": {
            "id": row.id, "platform": row.platform, "name": row.name,
            "state": if up { "up" } else { "down" }, "reason": reason, "since": since,
        }});
        let events = kind.into_iter().filter_map(|kind| {
            let data = serde_json::value::to_raw_value(&data).ok()?;
            Some(EventDraft {
                kind,
                call_id: None,
                at: now,
                data,
            })
        });
        let changeset = Changeset {
            app_id: connection.app.id,
            at: now,
            random: self.intake.entropy().random(),
            notification: None,
            fold: None,
            tasks: Vec::new(),
            events: events.collect(),
            link: Some((row.id, status)),
        };
        self.intake.commit(changeset).await.map(drop)
    }

    fn forget(&self, connection: &ReadyConnection) {
        let mut states = lock(&self.states);
        if states
            .remove(&connection.row.id)
            .is_some_and(|state| state.up)
        {
            let labels = PlatformLabels {
                platform: connection.adapter.spec().platform,
            };
            self.metrics.links_up.get_or_create(&labels).dec();
        }
    }

    /// The connections that are live but down, with the reason: what `/ready` tells.
    #[must_use]
    pub fn down(&self) -> BTreeSet<(ConnectionId, String)> {
        let states = self.states().into_iter().filter(|(_, state)| !state.up);
        states
            .map(|(id, state)| (id, state.reason.unwrap_or_default()))
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink {
    sender: mpsc::Sender<Item>,
    connection: ReadyConnection,
    intake: Intake,
    stop: CancellationToken,
    heard: AtomicI64,
    /// What one run leaves for the next.
    left: Mutex<Option<Secret>>,
}

impl Sink {
    async fn put(&self, item: Item) {
        // The worker only goes away when the supervisor stops; what comes then is not wanted.
        let _ = self.sender.send(item).await;
    }
}

#[async_trait]
impl NotificationSink for Sink {
    async fn frame(&self, bytes: Vec<u8>) {
        self.heard
            .store(self.now().as_microsecond(), Ordering::Relaxed);
        self.put(Item::Frame(bytes)).await;
    }

    async fn signals(&self, _event: &str, signals: Vec<Signal>) {
        self.put(Item::Signals(signals)).await;
    }

    async fn deliver(&self, body: &[u8], headers: &[(String, String)]) -> Result<Taken, LinkError> {
        self.heard
            .store(self.now().as_microsecond(), Ordering::Relaxed);
        let inbound = Inbound {
            body,
            content_type: "",
            headers,
            query: &[],
        };
        let mut wait = FIRST_DATABASE_WAIT;
        loop {
            match self.intake.message(&self.connection, &inbound).await {
                Ok(Received::Dead(reason)) => return Ok(Taken::Dead(reason)),
                Ok(Received::Accepted { .. } | Received::Question(_)) => {
                    return Ok(Taken::Committed);
                }
                Err(IntakeError::Rejected { rejection, .. }) => {
                    return Ok(Taken::Rejected(rejection.to_string()));
                }
                Err(IntakeError::Unavailable(_)) if !self.stop.is_cancelled() => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_DATABASE_WAIT);
                }
                Err(IntakeError::Unavailable(reason)) => return Err(LinkError::Retry(reason)),
                Err(error) => return Err(LinkError::Misconfigured(error.to_string())),
            }
        }
    }

    async fn link(&self, state: LinkState) {
        self.put(Item::Link(state)).await;
    }

    fn now(&self) -> Timestamp {
        self.intake.clock().now()
    }

    fn last_heard(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.heard.load(Ordering::Relaxed)).ok()
    }

    fn recall(&self) -> Option<Secret> {
        lock(&self.left).clone()
    }

    fn remember(&self, what: Option<Secret>) {
        *lock(&self.left) = what;
    }
}
