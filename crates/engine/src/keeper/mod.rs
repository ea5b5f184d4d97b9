//! The subscription keeper: hooks and event subscriptions at the vendors are made, looked at on
//! schedule, renewed well before they run out, made anew when they are gone (and the gap filled
//! from the vendor's call log), and taken back when a connection is deleted. One node at a time
//! looks after a connection. What went wrong half way is kept, so that the next try goes on from
//! there. What is made at a vendor, and how, is the adapter's
//! ([`crate::adapter::Adapter::subscribe`]).

mod course;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::id::ConnectionId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::adapter::KeptHook;
use crate::command::{CommandError, Fault};
use crate::connections::{Connections, ReadyConnection};
use crate::intake::Intake;
use crate::oauth::Tokens;
use crate::session::Sessions;
use crate::store::{Store, StoreResult, StoredSubscription};

/// How often it looks for what is due.
pub const EVERY: Duration = Duration::from_secs(10);
/// How often a subscription that lasts is looked at all the same.
pub const CHECK_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// The longest wait between two tries.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// How long one try may take; a vendor's answer may take ten seconds, and there are several.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a node may work on one connection: longer than a try and a look at the call log.
const LEASE: Duration = Duration::from_secs(300);
/// How many are looked after at once, and taken from the database at a time.
const AT_ONCE: usize = 8;
const BATCH: u32 = 100;
/// How often deleting waits for a node that is at work on the same connection: 10 s in all.
const RELEASE_TRIES: u32 = 20;

/// What stands in [`StoredSubscription::state`]: what the adapter wrote, and a gap that is still
/// to be filled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    made: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap_from: Option<Timestamp>,
}

/// The right to work on one connection.
struct Turn {
    name: String,
    owner: Uuid,
}

impl Kept {
    fn of(row: &StoredSubscription) -> Self {
        serde_json::from_value(row.state.clone()).unwrap_or_default()
    }

    fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Keeps the subscriptions of all connections. Clones are the same.
#[derive(Clone)]
pub struct Keeper {
    store: Arc<dyn Store>,
    connections: Arc<Connections>,
    sessions: Sessions,
    tokens: Tokens,
    intake: Intake,
    public_url: Option<Arc<str>>,
    /// Connections whose row is there: looked for once.
    known: Arc<Mutex<BTreeSet<ConnectionId>>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Wires it. `public_url` is the address vendors reach this server by, without a slash at the
    /// end.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        connections: Arc<Connections>,
        sessions: Sessions,
        tokens: Tokens,
        intake: Intake,
        public_url: Option<&str>,
    ) -> Self {
        Self {
            store,
            connections,
            sessions,
            tokens,
            intake,
            public_url: public_url.map(|url| url.trim_end_matches('/').into()),
            known: Arc::default(),
        }
    }

    /// Looks until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.once().await {
                tracing::warn!(%error, "cannot look after subscriptions");
            }
        }
    }

    /// Looks once: refreshes tokens that run out soon, and looks after every subscription that is
    /// due. Returns how many were.
    ///
    /// # Errors
    /// When the database is away; what was done is done.
    pub async fn once(&self) -> StoreResult<usize> {
        self.tokens
            .refresh_ahead(|id| self.connections.get(id).filter(usable))
            .await?;
        self.begin_new().await?;
        let due = self.store.due_subscriptions(self.now(), BATCH).await?;
        let count = due.len();
        let work = futures_util::stream::iter(due);
        work.for_each_concurrent(AT_ONCE, |row| async move {
            let id = row.connection_id;
            if let Err(error) = self.look_after(&row).await {
                tracing::warn!(connection.id = %id, %error, "cannot look after a subscription");
            }
        })
        .await;
        Ok(count)
    }

    /// Has a connection looked at with the next look: somebody signed in, changed something at the
    /// vendor, or changed the connection; then what it keeps there no longer is taken back.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn nudge(&self, connection: &ReadyConnection) -> StoreResult<()> {
        let row = &connection.row;
        let known = self.store.subscription(row.app_id, row.id).await?;
        if known.is_none() && !connection.adapter.keeps_subscription(&connection.context) {
            return Ok(());
        }
        let known = known.unwrap_or_else(|| self.first_row(connection));
        let due_at = self.now();
        let nudged = StoredSubscription { due_at, ..known };
        self.store.put_subscription(&nudged).await
    }

    /// Looks after a connection at once, and waits for it; 10 s at most when another node is at
    /// work on it. Returns what is kept then; `None` when nothing is.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn look_now(
        &self,
        connection: &ReadyConnection,
    ) -> StoreResult<Option<StoredSubscription>> {
        self.nudge(connection).await?;
        let (app, id) = (connection.row.app_id, connection.row.id);
        let mut row = self.store.subscription(app, id).await?;
        for _ in 0..RELEASE_TRIES {
            let Some(seen) = &row else { break };
            self.look_after(seen).await?;
            row = self.store.subscription(app, id).await?;
            if row.as_ref().is_none_or(|row| row.due_at > self.now()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(row)
    }

    /// The hook kept for a connection, and how it stands.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hook(
        &self,
        connection: &ReadyConnection,
    ) -> StoreResult<Option<(KeptHook, StoredSubscription)>> {
        let (app, id) = (connection.row.app_id, connection.row.id);
        let row = self.store.subscription(app, id).await?;
        Ok(row.and_then(|row| {
            let hook = connection.adapter.kept_hook(&Kept::of(&row).made)?;
            Some((hook, row))
        }))
    }

    fn first_row(&self, connection: &ReadyConnection) -> StoredSubscription {
        StoredSubscription {
            app_id: connection.row.app_id,
            connection_id: connection.row.id,
            state: Kept::default().value(),
            due_at: self.now(),
            confirmed_at: None,
            fault: None,
            failures: 0,
        }
    }

    /// Takes back at the vendor what was made for a connection, and its sign-in: before it is
    /// deleted. Returns what could not be taken back, one sentence each.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release(&self, connection: &ReadyConnection) -> StoreResult<Vec<String>> {
        let row = &connection.row;
        let mut left = Vec::new();
        let mut turn = None;
        for _ in 0..RELEASE_TRIES {
            turn = self.take(row.id).await?;
            if turn.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        if let Some(kept) = self.store.subscription(row.app_id, row.id).await? {
            let made = Kept::of(&kept).made;
            if !made.is_null()
                && let Err(error) = self.unsubscribe(connection, &made).await
            {
                left.push(format!(
                    "What was set up at the platform could not be taken back: {error}"
                ));
            }
            self.store.delete_subscription(row.app_id, row.id).await?;
        }
        left.extend(self.tokens.disconnect(connection).await?);
        if let Some(turn) = turn {
            self.give_back(turn).await;
        }
        Ok(left)
    }

    async fn unsubscribe(
        &self,
        connection: &ReadyConnection,
        made: &Value,
    ) -> Result<(), CommandError> {
        let session = self.sessions.open(connection);
        let asked = connection.adapter.unsubscribe(&session, made);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(result) => result,
            Err(_) => Err(took_too_long()),
        }
    }

    /// Makes a row for every connection that should have a subscription and has none.
    async fn begin_new(&self) -> StoreResult<()> {
        self.known()
            .retain(|id| self.connections.get(*id).is_some());
        for connection in self.connections.all() {
            let row = &connection.row;
            let wanted = usable(&connection)
                && connection.adapter.keeps_subscription(&connection.context)
                && !self.known().contains(&row.id);
            if !wanted {
                continue;
            }
            if self.store.subscription(row.app_id, row.id).await?.is_none() {
                let new = self.first_row(&connection);
                self.store.put_subscription(&new).await?;
            }
            self.known().insert(row.id);
        }
        Ok(())
    }

    async fn look_after(&self, seen: &StoredSubscription) -> StoreResult<()> {
        let Some(turn) = self.take(seen.connection_id).await? else {
            return Ok(());
        };
        // Another node may have been here between our look and our turn.
        let row = self
            .store
            .subscription(seen.app_id, seen.connection_id)
            .await?;
        let connection = self.as_stored(seen).await?.filter(usable);
        let result = match (row, &connection) {
            (Some(row), Some(connection)) if row.due_at <= self.now() => {
                if connection.adapter.keeps_subscription(&connection.context) {
                    self.subscribe(connection, row).await
                } else {
                    self.drop_unwanted(connection, &row).await
                }
            }
            // Switched off or not usable: looked at again when it is.
            (Some(row), None) => self.later(&row, CHECK_EVERY).await,
            _ => Ok(()),
        };
        if let Some(connection) = &connection
            && self.was_changed(connection).await?
        {
            self.nudge(connection).await?;
        }
        self.give_back(turn).await;
        result
    }

    /// True when somebody changed the connection while it was looked after by its former
    /// settings: their [`Self::nudge`] has been written over.
    async fn was_changed(&self, connection: &ReadyConnection) -> StoreResult<bool> {
        let row = &connection.row;
        let stored = self.store.connection(row.app_id, row.id).await?;
        Ok(stored.is_some_and(|stored| !stored.is_set_up_as(row)))
    }

    /// The connection with the settings it has in the database: another node, or the command
    /// line, may have changed it and asked for this very look.
    async fn as_stored(&self, seen: &StoredSubscription) -> StoreResult<Option<ReadyConnection>> {
        let id = seen.connection_id;
        let stored = self.store.connection(seen.app_id, id).await?;
        let known = self.connections.get(id);
        if let (Some(stored), Some(known)) = (&stored, &known)
            && !known.row.is_set_up_as(stored)
        {
            self.connections.refresh().await?;
            return Ok(self.connections.get(id));
        }
        Ok(known)
    }

    async fn drop_unwanted(
        &self,
        connection: &ReadyConnection,
        row: &StoredSubscription,
    ) -> StoreResult<()> {
        let made = Kept::of(row).made;
        if made.is_null() || self.unsubscribe(connection, &made).await.is_ok() {
            self.known().remove(&row.connection_id);
            return (self.store)
                .delete_subscription(row.app_id, row.connection_id)
                .await;
        }
        self.later(row, LONGEST_WAIT).await
    }

    async fn later(&self, row: &StoredSubscription, wait: SignedDuration) -> StoreResult<()> {
        let due_at = self.now() + self.jittered(wait);
        let next = StoredSubscription {
            due_at,
            ..row.clone()
        };
        self.store.put_subscription(&next).await
    }

    /// A turn at a connection, when nobody else has one: neither another node nor another task
    /// of this one.
    async fn take(&self, connection: ConnectionId) -> StoreResult<Option<Turn>> {
        let now = self.now();
        let turn = Turn {
            name: format!("subscription:{connection}"),
            owner: Uuid::from_u128(self.intake.entropy().random()),
        };
        let taken = (self.store).take_lease(&turn.name, turn.owner, now, now + LEASE);
        Ok(taken.await?.then_some(turn))
    }

    async fn give_back(&self, turn: Turn) {
        // A lease that is not given back runs out by itself.
        let _ = self.store.release_lease(&turn.name, turn.owner).await;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<ConnectionId>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.intake.clock().now()
    }
}

fn usable(connection: &ReadyConnection) -> bool {
    connection.app.active && connection.fault.is_none()
}

fn took_too_long() -> CommandError {
    let detail = "The platform did not answer in time.";
    CommandError::new(Fault::Unreachable, detail)
}
