//! The reference store: plain maps behind one lock. No speed, no durability, and so little code
//! that what it does is what the port says. The real stores are compared with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::contact::Contact;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::fold::{CallState, MessageState, PresenceState};
use switchhook_domain::id::{
    AppId, CallId, ConnectionId, ContactId, DialId, KeyId, NotificationId, RecordingId, TaskId,
    UserId, VoicemailId,
};
use switchhook_engine::store::{
    AgentToken, ApiKey, App, AuditEntry, BegunDeed, CallPage, CallQuery, Changeset, Committed,
    Connection, ContactQuery, Dial, DialPolicy, DueCall, Grant, LoadStore, LogPosition,
    MessageQuery, Notification, OAuthStart, OneTime, Person, PersonSession, SCAN_LIMIT,
    SNAPSHOT_LIMIT, Snapshot, Store, StoreError, StoreLoad, StoreResult, StoredMapping,
    StoredMessage, StoredRecording, StoredRoster, StoredSubscription, StoredTokens, Wake,
    WorkSettings,
};
use tokio::sync::broadcast;
use uuid::Uuid;

mod accounts;
mod agents;
mod audit;
mod commit;
mod dials;
mod idempotency;
mod imports;
mod installation;
mod keys;
mod lists;
mod media;
mod states;
mod vendors;
mod work;

/// The store.
#[derive(Debug)]
pub struct MemoryStore {
    all: Mutex<All>,
    wakes: broadcast::Sender<Wake>,
    scan_limit: u32,
}

#[derive(Debug)]
struct StoredCall {
    state: CallState,
    call: Call,
    visible: bool,
    due_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct All {
    apps: BTreeMap<AppId, App>,
    heads: BTreeMap<AppId, u64>,
    events: BTreeMap<(AppId, u64), Arc<Event>>,
    calls: BTreeMap<(AppId, CallId), StoredCall>,
    call_keys: BTreeMap<(ConnectionId, String), CallId>,
    messages: BTreeMap<(ConnectionId, String), (AppId, MessageState)>,
    presence: BTreeMap<(ConnectionId, String), (AppId, PresenceState)>,
    notifications: BTreeMap<(AppId, NotificationId), Notification>,
    connections: BTreeMap<ConnectionId, Connection>,
    contacts: BTreeMap<(AppId, ContactId), Contact>,
    keys: BTreeMap<KeyId, ApiKey>,
    links: BTreeMap<[u8; 32], Grant>,
    sessions: BTreeMap<[u8; 32], Grant>,
    people: BTreeMap<UserId, Person>,
    one_times: BTreeMap<[u8; 32], OneTime>,
    /// What people see of their sessions, beside `sessions`.
    person_sessions: BTreeMap<[u8; 32], PersonSession>,
    imports: BTreeMap<(String, String), String>,
    keyed_requests: BTreeMap<(AppId, [u8; 32]), idempotency::Known>,
    audit: BTreeMap<(Option<AppId>, u64), AuditEntry>,
    begun: BTreeMap<Uuid, BegunDeed>,
    dials: BTreeMap<DialId, Dial>,
    dial_policies: BTreeMap<AppId, DialPolicy>,
    rosters: BTreeMap<AppId, StoredRoster>,
    agent_tokens: BTreeMap<[u8; 32], AgentToken>,
    tokens: BTreeMap<ConnectionId, StoredTokens>,
    subscriptions: BTreeMap<ConnectionId, StoredSubscription>,
    leases: BTreeMap<String, (Uuid, Timestamp)>,
    oauth_starts: BTreeMap<[u8; 32], OAuthStart>,
    mappings: BTreeMap<String, StoredMapping>,
    installation_keys: BTreeMap<String, String>,
    recordings: BTreeMap<RecordingId, StoredRecording>,
    voicemails: BTreeMap<VoicemailId, media::Voicemail>,
    tasks: BTreeMap<(AppId, TaskId), work::StoredTask>,
    work_settings: BTreeMap<AppId, WorkSettings>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(SCAN_LIMIT)
    }
}

impl MemoryStore {
    /// An empty store whose lists look at that many calls a page.
    #[must_use]
    pub fn new(scan_limit: u32) -> Self {
        let (wakes, _) = broadcast::channel(4096);
        Self {
            all: Mutex::default(),
            wakes,
            scan_limit,
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To the microsecond, as a database keeps it.
fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

impl All {
    fn app_must_exist(&self, id: AppId) -> StoreResult<()> {
        self.apps
            .get(&id)
            .map(drop)
            .ok_or(StoreError::NotFound("app"))
    }

    fn position(&self, app: AppId) -> StoreResult<LogPosition> {
        let found = self.apps.get(&app).ok_or(StoreError::NotFound("app"))?;
        let head = self.heads.get(&app).copied().unwrap_or(0);
        let oldest = self.events.range((app, 0)..=(app, u64::MAX)).next();
        let oldest = oldest.map_or(head + 1, |((_, seq), _)| *seq);
        Ok(LogPosition {
            epoch: found.epoch,
            head,
            oldest,
        })
    }
}

/// Nothing ever waits here.
impl LoadStore for MemoryStore {
    fn load(&self) -> StoreLoad {
        StoreLoad::default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, changeset: Changeset) -> StoreResult<Committed> {
        let mut all = self.all();
        let events = all.commit(&changeset)?;
        if let Some(last) = events.last() {
            let app_id = changeset.app_id;
            drop(self.wakes.send(Wake {
                app_id,
                head: last.seq,
                events: events.clone(),
            }));
        }
        Ok(Committed { events })
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
        let all = self.all();
        let log = all
            .events
            .range((app, after.saturating_add(1))..=(app, u64::MAX));
        let wanted = log.filter(|(_, event)| types.is_empty() || types.contains(&event.kind));
        Ok(wanted
            .take(limit as usize)
            .map(|(_, event)| Arc::clone(event))
            .collect())
    }

    async fn log_position(&self, app: AppId) -> StoreResult<LogPosition> {
        self.all().position(app)
    }

    async fn snapshot(&self, app: AppId) -> StoreResult<Snapshot> {
        let all = self.all();
        let position = all.position(app)?;
        let open = CallQuery {
            open_only: true,
            ..CallQuery::default()
        };
        let calls = all.matching(app, &open, u32::MAX).into_iter();
        let calls = calls
            .take(SNAPSHOT_LIMIT as usize)
            .map(lists::record)
            .collect();
        Ok(Snapshot {
            epoch: position.epoch,
            seq: position.head,
            calls,
        })
    }

    async fn calls(&self, app: AppId, query: &CallQuery) -> StoreResult<CallPage> {
        Ok(self.all().calls(app, query, self.scan_limit))
    }

    async fn call(&self, app: AppId, id: CallId) -> StoreResult<Option<String>> {
        Ok(self.all().calls.get(&(app, id)).map(lists::record))
    }

    async fn messages(
        &self,
        app: AppId,
        query: &MessageQuery,
    ) -> StoreResult<(Vec<StoredMessage>, u64)> {
        Ok(self.all().messages(app, query))
    }

    async fn due_calls(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DueCall>> {
        Ok(self.all().due(now, limit))
    }

    async fn notifications(
        &self,
        app: AppId,
        limit: u32,
        before: Option<NotificationId>,
    ) -> StoreResult<Vec<Notification>> {
        let all = self.all();
        let newest = all.notifications.iter().rev();
        let wanted = newest
            .filter(|((owner, id), _)| *owner == app && before.is_none_or(|before| *id < before));
        Ok(wanted
            .take(limit as usize)
            .map(|(_, note)| note.clone())
            .collect())
    }

    async fn prune(
        &self,
        notifications_before: Timestamp,
        events_before: Timestamp,
        limit: u32,
    ) -> StoreResult<(u64, u64)> {
        Ok(self
            .all()
            .prune(micros(notifications_before), micros(events_before), limit))
    }

    async fn create_app(&self, app: &App) -> StoreResult<()> {
        let mut all = self.all();
        if all.apps.contains_key(&app.id) {
            return Err(StoreError::Conflict("app"));
        }
        let app = App {
            created_at: micros(app.created_at),
            ..app.clone()
        };
        all.apps.insert(app.id, app);
        Ok(())
    }

    async fn app(&self, id: AppId) -> StoreResult<Option<App>> {
        Ok(self.all().apps.get(&id).cloned())
    }

    async fn apps(&self) -> StoreResult<Vec<App>> {
        let mut apps: Vec<App> = self.all().apps.values().cloned().collect();
        apps.sort_by_key(|app| (app.created_at, app.id));
        Ok(apps)
    }

    async fn update_app(&self, app: &App) -> StoreResult<()> {
        let mut all = self.all();
        let known = all.apps.get_mut(&app.id);
        let known = known.ok_or(StoreError::NotFound("app"))?;
        known.name.clone_from(&app.name);
        known.country.clone_from(&app.country);
        known.active = app.active;
        Ok(())
    }

    async fn put_sign_in_link(&self, grant: &Grant) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(grant.app_id)?;
        let grant = Grant {
            expires_at: micros(grant.expires_at),
            ..grant.clone()
        };
        all.links.insert(grant.token_hash, grant);
        Ok(())
    }

    async fn take_sign_in_link(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<Grant>> {
        let taken = self.all().links.remove(hash);
        Ok(taken.filter(|grant| grant.expires_at > micros(now)))
    }

    async fn put_session(&self, grant: &Grant) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(grant.app_id)?;
        let grant = Grant {
            expires_at: micros(grant.expires_at),
            ..grant.clone()
        };
        all.sessions.insert(grant.token_hash, grant);
        Ok(())
    }

    async fn session(&self, hash: &[u8; 32], now: Timestamp) -> StoreResult<Option<Grant>> {
        let all = self.all();
        Ok(all
            .sessions
            .get(hash)
            .filter(|grant| grant.expires_at > micros(now))
            .cloned())
    }

    async fn delete_session(&self, hash: &[u8; 32]) -> StoreResult<()> {
        self.all().sessions.remove(hash);
        Ok(())
    }

    async fn create_connection(&self, connection: &Connection) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(connection.app_id)?;
        let taken =
            |known: &Connection| known.id == connection.id || known.hook_id == connection.hook_id;
        if all.connections.values().any(taken) {
            return Err(StoreError::Conflict("connection"));
        }
        let connection = Connection {
            created_at: micros(connection.created_at),
            last_heard_at: connection.last_heard_at.map(micros),
            ..connection.clone()
        };
        all.connections.insert(connection.id, connection);
        Ok(())
    }

    async fn connection(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<Connection>> {
        Ok(self
            .all()
            .connections
            .get(&id)
            .filter(|known| known.app_id == app)
            .cloned())
    }

    async fn connection_by_hook(&self, hook_id: &str) -> StoreResult<Option<Connection>> {
        Ok(self
            .all()
            .connections
            .values()
            .find(|known| known.hook_id == hook_id)
            .cloned())
    }

    async fn connections(&self, app: Option<AppId>) -> StoreResult<Vec<Connection>> {
        let all = self.all();
        let wanted = all
            .connections
            .values()
            .filter(|c| app.is_none_or(|app| c.app_id == app));
        let mut wanted: Vec<Connection> = wanted.cloned().collect();
        wanted.sort_by_key(|connection| (connection.created_at, connection.id));
        Ok(wanted)
    }

    async fn update_connection(&self, connection: &Connection) -> StoreResult<()> {
        let mut all = self.all();
        let known = all.connections.get_mut(&connection.id);
        let known = known.filter(|known| known.app_id == connection.app_id);
        let known = known.ok_or(StoreError::NotFound("connection"))?;
        known.name.clone_from(&connection.name);
        known.config.clone_from(&connection.config);
        known.credentials.clone_from(&connection.credentials);
        let secrets = &connection.webhook_secrets;
        known.webhook_secrets.clone_from(secrets);
        Ok(())
    }

    async fn delete_connection(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        let mut all = self.all();
        all.connections
            .get(&id)
            .filter(|connection| connection.app_id == app)
            .ok_or(StoreError::NotFound("connection"))?;
        all.connections.remove(&id);
        all.tokens.remove(&id);
        all.subscriptions.remove(&id);
        all.oauth_starts
            .retain(|_, start| start.connection_id != id);
        Ok(())
    }

    async fn put_contacts(&self, app: AppId, contacts: &[Contact]) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(app)?;
        all.contacts
            .extend(contacts.iter().map(|c| ((app, c.id), c.clone())));
        Ok(())
    }

    async fn contact(&self, app: AppId, id: ContactId) -> StoreResult<Option<Contact>> {
        Ok(self.all().contacts.get(&(app, id)).cloned())
    }

    async fn contacts(&self, app: AppId, query: &ContactQuery) -> StoreResult<(Vec<Contact>, u64)> {
        Ok(self.all().contacts(app, query))
    }

    async fn delete_contact(&self, app: AppId, id: ContactId) -> StoreResult<()> {
        let gone = self.all().contacts.remove(&(app, id));
        gone.map(drop).ok_or(StoreError::NotFound("contact"))
    }

    async fn ping(&self) -> StoreResult<()> {
        Ok(())
    }

    async fn close(&self) {}
}
