//! The store on PostgreSQL: see the crate's documentation for the shape.
//!
//! Row-level security is the second wall between apps: every transaction states whose rows it is
//! about ([`scope`]). [`writer::Session`] for the call path and [`reader::Readers`] for everything
//! else are the only ones that hold connections.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::contact::Contact;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{AppId, CallId, ConnectionId, ContactId, NotificationId};
use switchhook_engine::store::{
    App, CallPage, CallQuery, Changeset, Committed, Connection, ContactQuery, DueCall, Grant,
    LoadStore, LogPosition, MessageQuery, Notification, Snapshot, Store, StoreError, StoreLoad,
    StoreResult, StoredMessage, Wake,
};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::OpenOptions;
use crate::migrate::{self, MigrationStatus};
use crate::queue::{MAX_WAIT, closed};
use crate::shares::Shares;
use crate::tally::Tally;
use crate::working::Work;

mod accounts;
mod agents;
mod apps;
mod audit;
mod calls;
mod connections;
mod contacts;
mod dials;
mod events;
mod flush;
mod idempotency;
mod imports;
mod installation;
mod keys;
mod listen;
mod load;
mod media;
mod messages;
mod notifications;
mod people;
mod pool;
mod prune;
mod reader;
pub(crate) mod role;
mod scope;
pub(crate) mod session;
mod states;
mod vendors;
#[cfg(test)]
mod walls;
mod work;
mod writer;

use listen::Listener;
use pool::Split;
use reader::Readers;
use session::Target;
use writer::{Desk, Job, Writer};

/// Wake-ups a receiver may fall behind before it has to read the log.
const WAKES: usize = 4096;

/// The store.
pub(crate) struct PostgresStore {
    writers: Vec<mpsc::Sender<Job>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    listener: JoinHandle<()>,
    sweeper: JoinHandle<()>,
    desks: Vec<Arc<Desk>>,
    queued: Tally,
    closing: watch::Sender<bool>,
    readers: Readers,
    wakes: broadcast::Sender<Wake>,
    scan_limit: u32,
    /// Of the pooled connections, and of the places in a writer's queue.
    reading: Shares,
    writing: Shares,
    /// Of lists that no index serves: each app has one at a time.
    scanning: Shares,
}

/// Opens the database.
pub(crate) async fn open(url: &str, options: OpenOptions) -> StoreResult<PostgresStore> {
    let split = Split::of(&options)?;
    let target = Target::parse(url)?;
    if options.migrate {
        let mut client = target.connect().await?;
        // What migrations change, they change for all apps.
        let all = client.batch_execute(scope::EVERYWHERE_FOR_SESSION).await;
        all.map_err(session::fault)?;
        migrate::run_postgres(&mut client).await?;
        messages::name_unnamed(&client).await?;
    }
    let (wakes, _) = broadcast::channel(WAKES);
    let (closing, _) = watch::channel(false);
    let node: Arc<str> = format!("{:016x}", RandomState::new().build_hasher().finish()).into();
    let count = split.writers;
    let desks: Vec<Arc<Desk>> = (0..count).map(|_| Arc::default()).collect();
    let mut writers = Vec::with_capacity(count);
    let mut tasks = Vec::with_capacity(count);
    for desk in &desks {
        let (jobs, queue) = mpsc::channel((options.queue / count).max(1));
        writers.push(jobs);
        let writer = Writer {
            target: target.clone(),
            jobs: queue,
            closing: closing.subscribe(),
            wakes: wakes.clone(),
            node: Arc::clone(&node),
            session: None,
            desk: Arc::clone(desk),
            meter: options.meter.clone(),
        };
        tasks.push(tokio::spawn(writer.run()));
    }
    let readers = Readers::new(&target, split.readers)?;
    let sweeper = pool::sweeper(readers.clone(), split.kept, options.idle_timeout);
    let heads = HashMap::new();
    let listener = Listener {
        target,
        wakes: wakes.clone(),
        node,
        heads,
    };
    let store = PostgresStore {
        writers,
        tasks: Mutex::new(tasks),
        listener: tokio::spawn(listener.run()),
        sweeper: tokio::spawn(sweeper),
        desks,
        queued: Tally::default(),
        closing,
        readers,
        wakes,
        scan_limit: options.scan_limit.max(1),
        reading: Shares::of(split.readers / 2),
        writing: Shares::of(options.queue / count / 4),
        scanning: Shares::of(1),
    };
    store.ping().await?;
    store.warn_without_second_wall().await;
    Ok(store)
}

/// Which migrations the database has and lacks.
pub(crate) async fn migration_status(url: &str) -> StoreResult<MigrationStatus> {
    let client = Target::parse(url)?.connect().await?;
    let applied = migrate::postgres_applied(&client).await?;
    Ok(migrate::status(&migrate::postgres(), applied))
}

/// Statistics and the visibility map of our tables, now instead of at some minute later.
pub(crate) async fn look_over(url: &str) -> StoreResult<()> {
    let client = Target::parse(url)?.connect().await?;
    let sql = "SELECT string_agg(quote_ident(relname), ', ') AS names FROM pg_class \
               WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    let row = client.query_one(sql, &[]).await.map_err(session::fault)?;
    let names: Option<String> = session::column(&row, "names")?;
    let Some(names) = names else { return Ok(()) };
    let sql = format!("VACUUM (ANALYZE) {names}");
    client.batch_execute(&sql).await.map_err(session::fault)
}

impl PostgresStore {
    /// An app has the same writer all the time, so that its changesets keep their order.
    fn writer(&self, app: AppId) -> &mpsc::Sender<Job> {
        let tail = u64::from_be_bytes([0, 0, 0, 0, 0, 0, 0, app.0.as_bytes()[15]]);
        let index = usize::try_from(tail).unwrap_or(0) % self.writers.len();
        &self.writers[index]
    }

    /// Says so when the second wall does not stand.
    async fn warn_without_second_wall(&self) {
        if matches!(self.readers.second_wall_stands().await, Ok(false)) {
            tracing::warn!(
                "row-level security does not hold for the role of the database address: it is a \
                 superuser or has BYPASSRLS; give Switchhook an ordinary role \
                 (docs/guide/operating.md, The database role)"
            );
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
        self.sweeper.abort();
    }
}

impl LoadStore for PostgresStore {
    fn load(&self) -> StoreLoad {
        let mut load = StoreLoad {
            queued: self.queued.now(),
            ..self.readers.load()
        };
        for desk in &self.desks {
            desk.count(&mut load);
        }
        load
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, changeset: Changeset) -> StoreResult<Committed> {
        let _queued = self.queued.one();
        let (reply, answer) = oneshot::channel();
        let writer = self.writer(changeset.app_id);
        let _place = self.writing.turn(changeset.app_id).await?;
        let work = Arc::new(Work::new(changeset));
        let job = Job {
            work,
            reply,
            since: Instant::now(),
        };
        writer
            .send_timeout(job, MAX_WAIT)
            .await
            .map_err(|error| match error {
                SendTimeoutError::Timeout(_) => {
                    StoreError::Unavailable("too much is waiting".to_owned())
                }
                SendTimeoutError::Closed(_) => closed(),
            })?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    fn wakes(&self) -> broadcast::Receiver<Wake> {
        self.wakes.subscribe()
    }

    async fn events_after(
        &self,
        app: AppId,
        after: u64,
        limit: u32,
        types: &[EventType],
    ) -> StoreResult<Vec<Arc<Event>>> {
        let _turn = self.reading.turn(app).await?;
        events::after(&self.readers, app, after, limit, types).await
    }

    async fn log_position(&self, app: AppId) -> StoreResult<LogPosition> {
        events::position(&self.readers, app).await
    }

    async fn snapshot(&self, app: AppId) -> StoreResult<Snapshot> {
        let _turn = self.reading.turn(app).await?;
        calls::snapshot(&self.readers, app).await
    }

    async fn calls(&self, app: AppId, query: &CallQuery) -> StoreResult<CallPage> {
        let _scan = if query.is_scan() {
            Some(self.scanning.turn(app).await?)
        } else {
            None
        };
        let _turn = self.reading.turn(app).await?;
        calls::list(&self.readers, app, query, self.scan_limit).await
    }

    async fn call(&self, app: AppId, id: CallId) -> StoreResult<Option<String>> {
        calls::one(&self.readers, app, id).await
    }

    async fn messages(
        &self,
        app: AppId,
        query: &MessageQuery,
    ) -> StoreResult<(Vec<StoredMessage>, u64)> {
        let _turn = self.reading.turn(app).await?;
        messages::list(&self.readers, app, query).await
    }

    async fn due_calls(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DueCall>> {
        calls::due(&self.readers, now, limit).await
    }

    async fn notifications(
        &self,
        app: AppId,
        limit: u32,
        before: Option<NotificationId>,
    ) -> StoreResult<Vec<Notification>> {
        let _turn = self.reading.turn(app).await?;
        notifications::list(&self.readers, app, limit, before).await
    }

    async fn prune(
        &self,
        notifications_before: Timestamp,
        events_before: Timestamp,
        limit: u32,
    ) -> StoreResult<(u64, u64)> {
        prune::prune(&self.readers, notifications_before, events_before, limit).await
    }

    async fn create_app(&self, app: &App) -> StoreResult<()> {
        apps::create(&self.readers, app).await
    }

    async fn app(&self, id: AppId) -> StoreResult<Option<App>> {
        apps::one(&self.readers, id).await
    }

    async fn apps(&self) -> StoreResult<Vec<App>> {
        apps::all(&self.readers).await
    }

    async fn update_app(&self, app: &App) -> StoreResult<()> {
        apps::update(&self.readers, app).await
    }

    async fn put_sign_in_link(&self, grant: &Grant) -> StoreResult<()> {
        people::put_sign_in_link(&self.readers, grant).await
    }

    async fn take_sign_in_link(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<Grant>> {
        people::take_sign_in_link(&self.readers, hash, now).await
    }

    async fn put_session(&self, grant: &Grant) -> StoreResult<()> {
        people::put_session(&self.readers, grant).await
    }

    async fn session(&self, hash: &[u8; 32], now: Timestamp) -> StoreResult<Option<Grant>> {
        people::session(&self.readers, hash, now).await
    }

    async fn delete_session(&self, hash: &[u8; 32]) -> StoreResult<()> {
        people::delete_session(&self.readers, hash).await
    }

    async fn create_connection(&self, connection: &Connection) -> StoreResult<()> {
        connections::create(&self.readers, connection).await
    }

    async fn connection(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<Connection>> {
        connections::one(&self.readers, app, id).await
    }

    async fn connection_by_hook(&self, hook_id: &str) -> StoreResult<Option<Connection>> {
        connections::by_hook(&self.readers, hook_id).await
    }

    async fn connections(&self, app: Option<AppId>) -> StoreResult<Vec<Connection>> {
        connections::list(&self.readers, app).await
    }

    async fn update_connection(&self, connection: &Connection) -> StoreResult<()> {
        connections::update(&self.readers, connection).await
    }

    async fn delete_connection(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        connections::delete(&self.readers, app, id).await
    }

    async fn put_contacts(&self, app: AppId, contacts: &[Contact]) -> StoreResult<()> {
        contacts::put(&self.readers, app, contacts).await
    }

    async fn contact(&self, app: AppId, id: ContactId) -> StoreResult<Option<Contact>> {
        contacts::one(&self.readers, app, id).await
    }

    async fn contacts(&self, app: AppId, query: &ContactQuery) -> StoreResult<(Vec<Contact>, u64)> {
        let _turn = self.reading.turn(app).await?;
        contacts::list(&self.readers, app, query).await
    }

    async fn delete_contact(&self, app: AppId, id: ContactId) -> StoreResult<()> {
        contacts::delete(&self.readers, app, id).await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.readers.no_app().query("SELECT 1", &[]).await.map(drop)
    }

    async fn close(&self) {
        self.closing.send_replace(true);
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        for task in tasks {
            drop(task.await);
        }
        self.listener.abort();
        self.sweeper.abort();
        self.readers.close();
    }
}
