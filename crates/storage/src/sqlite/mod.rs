//! The store on SQLite: see the crate's documentation for the shape.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use async_trait::async_trait;
use rusqlite::Connection as Sql;
use switchhook_domain::Timestamp;
use switchhook_domain::contact::Contact;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{AppId, CallId, ConnectionId, ContactId, NotificationId};
use switchhook_engine::store::{
    App, CallPage, CallQuery, Changeset, Committed, Connection, ContactQuery, DueCall, Grant,
    LoadStore, LogPosition, MessageQuery, Notification, Snapshot, Store, StoreError, StoreLoad,
    StoreResult, StoredMessage, Wake,
};
use tokio::sync::{broadcast, oneshot};

use crate::migrate::{self, MigrationStatus};
use crate::queue::{Queue, closed};
use crate::shares::Shares;
use crate::tally::Tally;
use crate::working::{Work, WorkingSet};
use crate::{Durability, OpenOptions};

mod accounts;
mod agents;
mod apps;
mod audit;
mod calls;
mod checkpoint;
mod connections;
mod contacts;
mod dials;
mod events;
mod flush;
mod idempotency;
mod imports;
mod installation;
mod keys;
mod load;
mod media;
mod messages;
mod notifications;
mod people;
mod prune;
mod reader;
mod session;
mod states;
mod vendors;
mod work;
mod writer;

use checkpoint::Checkpoint;
use reader::Readers;
use writer::{Commit, Job, Task, Writer};

/// Wake-ups a receiver may fall behind before it has to read the log.
const WAKES: usize = 4096;

/// The store.
pub(crate) struct SqliteStore {
    queue: Arc<Queue<Job>>,
    readers: Readers,
    queued: Tally,
    busy: Arc<Tally>,
    wakes: broadcast::Sender<Wake>,
    writer: Mutex<Option<JoinHandle<()>>>,
    scan_limit: u32,
    /// Of the readers, and of the places in the writer's queue.
    reading: Shares,
    writing: Shares,
    /// Of lists that no index serves: each app has one at a time.
    scanning: Shares,
}

/// Opens the file, making it when it is not there.
pub(crate) async fn open(path: PathBuf, options: OpenOptions) -> StoreResult<SqliteStore> {
    blocking(move || start(&path, &options, None)).await
}

/// Opens a new file in a temporary folder that goes with the store.
pub(crate) async fn open_temporary(options: OpenOptions) -> StoreResult<SqliteStore> {
    blocking(move || {
        let folder = tempfile::Builder::new().prefix("switchhook-").tempdir();
        let folder = folder.map_err(|error| {
            StoreError::Unavailable(format!("no temporary folder: {}", error.kind()))
        })?;
        let path = folder.path().join("switchhook.db");
        let options = OpenOptions {
            durability: Durability::Normal,
            ..options
        };
        start(&path, &options, Some(folder))
    })
    .await
}

/// Which migrations the file has and lacks.
pub(crate) async fn migration_status(path: PathBuf) -> StoreResult<MigrationStatus> {
    blocking(move || {
        if !path.exists() {
            return Ok(migrate::status(&migrate::sqlite(), Vec::new()));
        }
        let applied = migrate::sqlite_applied(&session::open_reader(&path)?)?;
        Ok(migrate::status(&migrate::sqlite(), applied))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> StoreResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(closed()))
}

fn start(
    path: &Path,
    options: &OpenOptions,
    folder: Option<tempfile::TempDir>,
) -> StoreResult<SqliteStore> {
    let mut conn = session::open_writer(path, options.durability)?;
    session::found(&conn)?;
    if options.migrate {
        migrate::run_sqlite(&mut conn)?;
        messages::name_unnamed(&conn)?;
    }
    let queue = Arc::new(Queue::new(options.queue));
    let (wakes, _) = broadcast::channel(WAKES);
    let busy = Arc::<Tally>::default();
    let writer = Writer {
        queue: Arc::clone(&queue),
        wakes: wakes.clone(),
        checkpoint: Checkpoint::start(path, options.durability)?,
        set: WorkingSet::default(),
        version: session::single(&conn, "PRAGMA data_version")?,
        conn,
        busy: Arc::clone(&busy),
        meter: options.meter.clone(),
    };
    let readers = Readers::start(path, options.readers)?;
    let writer = std::thread::Builder::new()
        .name("sqlite-write".to_owned())
        .spawn(move || {
            writer.run();
            drop(folder);
        })
        .map_err(no_thread)?;
    let scan_limit = options.scan_limit.max(1);
    Ok(SqliteStore {
        queue,
        readers,
        queued: Tally::default(),
        busy,
        wakes,
        writer: Mutex::new(Some(writer)),
        scan_limit,
        reading: Shares::of(options.readers / 2),
        writing: Shares::of(options.queue / 4),
        scanning: Shares::of(1),
    })
}

/// The error of a thread that could not be started.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_thread(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("no thread: {}", error.kind()))
}

impl SqliteStore {
    async fn read<T, F>(&self, read: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Sql) -> StoreResult<T> + Send + 'static,
    {
        self.readers.read(read).await
    }

    async fn write<T, F>(&self, write: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnMut(&Sql) -> StoreResult<T> + Send + 'static,
    {
        let _queued = self.queued.one();
        let (task, answer) = Task::new(write);
        self.queue.push(Job::Write(Box::new(task))).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.close();
        self.readers.close();
    }
}

impl LoadStore for SqliteStore {
    fn load(&self) -> StoreLoad {
        let mut load = StoreLoad {
            queued: self.queued.now(),
            ..self.readers.load()
        };
        let writing = self.busy.now();
        load.active += writing;
        load.idle += 1_usize.saturating_sub(writing);
        load
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, changeset: Changeset) -> StoreResult<Committed> {
        let _queued = self.queued.one();
        let (reply, answer) = oneshot::channel();
        let app = changeset.app_id;
        let work = Arc::new(Work::new(changeset));
        let _place = self.writing.turn(app).await?;
        let commit = Commit {
            work,
            reply,
            since: Instant::now(),
            outcome: Ok(Vec::new()),
        };
        self.queue.push_for(Some(app), Job::Commit(commit)).await?;
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
        let types: Arc<[EventType]> = types.into();
        let (mut found, mut after) = (Vec::new(), after);
        loop {
            let room = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if room == 0 {
                return Ok(found);
            }
            let types = Arc::clone(&types);
            let part = self
                .read(move |c| events::after(c, app, after, room, &types))
                .await?;
            found.extend(part.events);
            match part.more_after {
                Some(more) => after = more,
                None => return Ok(found),
            }
        }
    }

    async fn log_position(&self, app: AppId) -> StoreResult<LogPosition> {
        self.readers
            .read_at_once(move |c| events::position(c, app))
            .await
    }

    async fn snapshot(&self, app: AppId) -> StoreResult<Snapshot> {
        let _turn = self.reading.turn(app).await?;
        self.readers
            .read_at_once(move |c| calls::snapshot(c, app))
            .await
    }

    async fn calls(&self, app: AppId, query: &CallQuery) -> StoreResult<CallPage> {
        let _scan = if query.is_scan() {
            Some(self.scanning.turn(app).await?)
        } else {
            None
        };
        let _turn = self.reading.turn(app).await?;
        let (query, scan_limit) = (query.clone(), self.scan_limit);
        self.readers
            .read_at_once(move |c| calls::list(c, app, &query, scan_limit))
            .await
    }

    async fn call(&self, app: AppId, id: CallId) -> StoreResult<Option<String>> {
        self.read(move |c| calls::one(c, app, id)).await
    }

    async fn messages(
        &self,
        app: AppId,
        query: &MessageQuery,
    ) -> StoreResult<(Vec<StoredMessage>, u64)> {
        let _turn = self.reading.turn(app).await?;
        let query = query.clone();
        self.readers
            .read_at_once(move |c| messages::list(c, app, &query))
            .await
    }

    async fn due_calls(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DueCall>> {
        self.read(move |c| calls::due(c, now, limit)).await
    }

    async fn notifications(
        &self,
        app: AppId,
        limit: u32,
        before: Option<NotificationId>,
    ) -> StoreResult<Vec<Notification>> {
        let _turn = self.reading.turn(app).await?;
        self.read(move |c| notifications::list(c, app, limit, before))
            .await
    }

    async fn prune(
        &self,
        notifications_before: Timestamp,
        events_before: Timestamp,
        limit: u32,
    ) -> StoreResult<(u64, u64)> {
        self.write(move |c| prune::prune(c, notifications_before, events_before, limit))
            .await
    }

    async fn create_app(&self, app: &App) -> StoreResult<()> {
        let app = app.clone();
        self.write(move |c| apps::create(c, &app)).await
    }

    async fn app(&self, id: AppId) -> StoreResult<Option<App>> {
        self.read(move |c| apps::one(c, id)).await
    }

    async fn apps(&self) -> StoreResult<Vec<App>> {
        self.read(apps::all).await
    }

    async fn update_app(&self, app: &App) -> StoreResult<()> {
        let app = app.clone();
        self.write(move |c| apps::update(c, &app)).await
    }

    async fn put_sign_in_link(&self, grant: &Grant) -> StoreResult<()> {
        let grant = grant.clone();
        self.write(move |c| people::put_sign_in_link(c, &grant))
            .await
    }

    async fn take_sign_in_link(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<Grant>> {
        let hash = *hash;
        self.write(move |c| people::take_sign_in_link(c, &hash, now))
            .await
    }

    async fn put_session(&self, grant: &Grant) -> StoreResult<()> {
        let grant = grant.clone();
        self.write(move |c| people::put_session(c, &grant)).await
    }

    async fn session(&self, hash: &[u8; 32], now: Timestamp) -> StoreResult<Option<Grant>> {
        let hash = *hash;
        self.read(move |c| people::session(c, &hash, now)).await
    }

    async fn delete_session(&self, hash: &[u8; 32]) -> StoreResult<()> {
        let hash = *hash;
        self.write(move |c| people::delete_session(c, &hash)).await
    }

    async fn create_connection(&self, connection: &Connection) -> StoreResult<()> {
        let connection = connection.clone();
        self.write(move |c| connections::create(c, &connection))
            .await
    }

    async fn connection(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<Connection>> {
        self.read(move |c| connections::one(c, app, id)).await
    }

    async fn connection_by_hook(&self, hook_id: &str) -> StoreResult<Option<Connection>> {
        let hook_id = hook_id.to_owned();
        self.read(move |c| connections::by_hook(c, &hook_id)).await
    }

    async fn connections(&self, app: Option<AppId>) -> StoreResult<Vec<Connection>> {
        self.read(move |c| connections::list(c, app)).await
    }

    async fn update_connection(&self, connection: &Connection) -> StoreResult<()> {
        let connection = connection.clone();
        self.write(move |c| connections::update(c, &connection))
            .await
    }

    async fn delete_connection(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        self.write(move |c| connections::delete(c, app, id)).await
    }

    async fn put_contacts(&self, app: AppId, contacts: &[Contact]) -> StoreResult<()> {
        let contacts = contacts.to_vec();
        self.write(move |c| contacts::put(c, app, &contacts)).await
    }

    async fn contact(&self, app: AppId, id: ContactId) -> StoreResult<Option<Contact>> {
        self.read(move |c| contacts::one(c, app, id)).await
    }

    async fn contacts(&self, app: AppId, query: &ContactQuery) -> StoreResult<(Vec<Contact>, u64)> {
        let _turn = self.reading.turn(app).await?;
        let query = query.clone();
        self.readers
            .read_at_once(move |c| contacts::list(c, app, &query))
            .await
    }

    async fn delete_contact(&self, app: AppId, id: ContactId) -> StoreResult<()> {
        self.write(move |c| contacts::delete(c, app, id)).await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.read(|c| session::single::<i64>(c, "SELECT 1").map(drop))
            .await
    }

    async fn close(&self) {
        self.queue.close();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            drop(tokio::task::spawn_blocking(move || writer.join()).await);
        }
        self.readers.close();
    }
}
