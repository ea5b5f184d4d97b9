//! The store port: semantic operations on everything that lasts.
//!
//! [`Store::commit`] is the only write of the call path. It takes a [`Changeset`], a value, and
//! carries it out atomically: load what the signals need, fold, write the notification, the calls
//! and the events with the next `seq` of the app. No transaction is ever open across an await, so
//! a back end may commit many changesets together, retry them whole, or order them as it likes
//! within these promises:
//!
//! * What `commit` returned `Ok` for survives the death of the process in the next microsecond.
//! * `seq` is gapless per app and its order is the order of commits: a reader that has seen `n`
//!   will never later find an event with a smaller number.
//! * Changesets handed over one after the other by one caller for one app are folded in that
//!   order.
//! * Every read and write is scoped by the app it names; a foreign id is an unknown id.
//! * Times are kept to the microsecond. A NUL character in a text may come back as U+FFFD.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchhook_domain::Timestamp;
use switchhook_domain::agent::Roster;
use switchhook_domain::call::Status;
use switchhook_domain::contact::Contact;
use switchhook_domain::event::{Event, EventDraft, EventType};
use switchhook_domain::id::{
    AgentId, AppId, CallId, ConnectionId, ContactId, KeyId, NotificationId, UserId,
};
use switchhook_domain::media::MessageDirection;
use switchhook_domain::moment::{CallDeed, DeedError, MomentStatus};
use switchhook_domain::signal::{Direction, Signal};
use tokio::sync::broadcast;
use uuid::Uuid;

pub mod agents;
pub mod audit;
pub mod dials;
pub mod idempotency;
pub mod imports;
pub mod installation;
pub mod keys;
pub mod load;
pub mod media;
pub mod people;
pub mod states;
pub mod vendors;
pub mod work;

pub use crate::rights::Role;
pub use agents::{AgentStore, AgentToken, RosterChange, StoredRoster};
pub use audit::{Actor, ActorKind, AuditEntry, AuditQuery, AuditStore, BegunDeed};
pub use dials::{Dial, DialFailure, DialPolicy, DialState, DialStore};
pub use idempotency::{Claim, IdempotencyStore, KeyedRequest};
pub use imports::ImportStore;
pub use installation::{InstallationStore, SealedRow, SealedTable};
pub use keys::{ApiKey, KeyClaim, KeyProof, KeyStore, KeyUse};
pub use load::{LoadStore, StoreLoad};
pub use media::{
    MediaCursor, MediaPage, MediaStore, RecordingCheck, RecordingQuery, RecordingRecord,
    StoredMessage, StoredPresence, StoredRecording, StoredVoicemail, VoicemailQuery,
    VoicemailRecord, look_at, media_of,
};
pub use people::{LAST_ADMIN, OneTime, PeopleStore, Person, PersonChange, PersonSession, Purpose};
pub use states::{PRESENCE_LIMIT, StateStore};
pub use vendors::{OAuthStart, StoredMapping, StoredSubscription, StoredTokens, VendorStore};
pub use work::{Assigned, CustomOutcome, TaskQuery, TaskSort, TaskWrite, WorkSettings, WorkStore};

/// Why the store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is away or overloaded; trying again may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// There is no such thing in this app.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Something with this value exists already.
    #[error("{0} exists already")]
    Conflict(&'static str),
    /// Stored data cannot be read back; names table and row.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The database cannot be used at all: an address that is none, or a schema of a newer
    /// version. Only opening gives this.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
}

impl From<DeedError> for StoreError {
    fn from(error: DeedError) -> Self {
        match error {
            DeedError::NotFound => Self::NotFound("call"),
            DeedError::Changed => Self::Conflict("contact moment"),
        }
    }
}

/// What the store gives back.
pub type StoreResult<T> = Result<T, StoreError>;

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Believed and understood.
    Accepted,
    /// Not believed; only a digest of the body is kept.
    Rejected,
    /// Believed but not understood; kept whole, with the reason.
    Dead,
}

impl Verdict {
    /// The name in the database and the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
        }
    }
}

/// The raw bytes a platform sent, with their verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Our id.
    pub id: NotificationId,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// When it arrived, by our clock.
    pub received_at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it was rejected or dead.
    pub reason: Option<String>,
    /// The platform's own name of the event.
    pub event: Option<String>,
    /// `Content-Type` as received.
    pub content_type: Option<String>,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// The body, unless rejected; without the secrets of its connection.
    pub body: Option<Vec<u8>>,
}

/// Signals to fold, and calls the reaper should look at.
#[derive(Clone, Debug)]
pub struct FoldInput {
    /// The connection they came through.
    pub connection_id: ConnectionId,
    /// Its platform.
    pub platform: Arc<str>,
    /// The app's country.
    pub country: Arc<str>,
    /// What the platform said, in order of arrival.
    pub signals: Vec<Signal>,
    /// Calls to settle ([`switchhook_domain::fold::Fold::settle`]), loaded by id.
    pub settle: Vec<CallId>,
    /// What people did to contact moments, in order; their calls are loaded by id. One that cannot
    /// be done refuses the whole changeset.
    pub deeds: Vec<CallDeed>,
    /// The agents of the app; `None` where nothing new is said of them.
    pub roster: Option<Arc<Roster>>,
    /// True for what another system recorded: it is kept and nothing of it is told
    /// ([`switchhook_domain::fold::Fold::of_history`]).
    pub history: bool,
}

/// The state of a live link, to be stored with its connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// True when notifications flow.
    pub up: bool,
    /// Why not, and what to do.
    pub reason: Option<String>,
    /// Since when it has been so.
    pub since: Timestamp,
}

/// One atomic unit of change of the call path.
#[derive(Clone, Debug)]
pub struct Changeset {
    /// Whose.
    pub app_id: AppId,
    /// Now, by our clock.
    pub at: Timestamp,
    /// Where the ids come from.
    pub random: u128,
    /// The evidence.
    pub notification: Option<Notification>,
    /// What to fold.
    pub fold: Option<FoldInput>,
    /// Tasks made and changed.
    pub tasks: Vec<TaskWrite>,
    /// Events that are not about a call, or are about its tasks.
    pub events: Vec<EventDraft>,
    /// New state of a live link.
    pub link: Option<(ConnectionId, LinkStatus)>,
}

/// What a commit gave.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// The events with their places in the log, in order; empty when nothing was worth telling.
    pub events: Vec<Arc<Event>>,
}

/// New events in an app's log. Only a hint to look: the log is the truth.
#[derive(Clone, Debug)]
pub struct Wake {
    /// Whose log.
    pub app_id: AppId,
    /// Its highest `seq` now.
    pub head: u64,
    /// The events themselves when they were committed by this process, in order; empty when
    /// another node did it.
    pub events: Vec<Arc<Event>>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Its name.
    pub name: String,
    /// ISO 3166-1 alpha-2: how its national numbers are read and shown.
    pub country: String,
    /// False when an operator switched it off.
    pub active: bool,
    /// Changes when the log starts anew (restore from a backup); positions of another epoch are
    /// worth nothing.
    pub epoch: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A connection as stored: secrets sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose.
    pub app_id: AppId,
    /// The platform.
    pub platform: String,
    /// What the administrator calls it.
    pub name: String,
    /// The opaque id in its webhook URL; unique over all apps.
    pub hook_id: String,
    /// Settings without secrets.
    pub config: Map<String, Value>,
    /// Sealed credentials by the name of their setting, as one JSON object of texts.
    pub credentials: Map<String, Value>,
    /// Sealed webhook secrets, the newest first.
    pub webhook_secrets: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The last known state of its live link, if it has one.
    pub link: Option<LinkStatus>,
    /// When the last notification was accepted.
    pub last_heard_at: Option<Timestamp>,
}

impl Connection {
    /// True when both are set up alike, so that what runs for the one may go on for the other.
    /// What was heard of them does not count.
    #[must_use]
    pub fn is_set_up_as(&self, other: &Self) -> bool {
        self.id == other.id
            && self.platform == other.platform
            && self.hook_id == other.hook_id
            && self.name == other.name
            && self.config == other.config
            && self.credentials == other.credentials
            && self.webhook_secrets == other.webhook_secrets
    }
}

/// A one-time sign-in link or a browser session, by the hash of its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The app it opens.
    pub app_id: AppId,
    /// As what.
    pub role: Role,
    /// The person, when it is one with an account.
    pub user_id: Option<UserId>,
    /// The agent, when it is the token of an embedded panel or was made for one.
    pub agent_id: Option<AgentId>,
    /// The key that minted it, when it is a token: it ends with the key.
    pub key_id: Option<KeyId>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What a list of calls is sorted by. The same value: the newest start first, then the greater id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallSort {
    /// The newest start first.
    #[default]
    Newest,
    /// The oldest start first; positions are passed forwards.
    Oldest,
    /// The longest talk first, among the calls one page looks at ([`SCAN_LIMIT`]); calls that
    /// last come at the end. Such a list has no positions.
    Longest,
    /// The shortest talk first, in the same way.
    Shortest,
}

impl CallSort {
    /// True when a page of it can be gone on from by position.
    #[must_use]
    pub fn has_positions(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }
}

/// Which calls a list should show. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Only calls that are not over: ringing, active or held.
    pub open_only: bool,
    /// Any of these; empty for all.
    pub statuses: Vec<Status>,
    /// This direction.
    pub direction: Option<Direction>,
    /// This calling number, canonical form.
    pub from_number: Option<String>,
    /// This called number, canonical form.
    pub to_number: Option<String>,
    /// This platform.
    pub platform: Option<String>,
    /// This connection.
    pub connection_id: Option<ConnectionId>,
    /// Agent's extension or platform user id.
    pub agent: Option<String>,
    /// Taken by this agent, as the record says.
    pub agent_id: Option<AgentId>,
    /// Taken by an agent with this id in the business software, as the record says.
    pub crm_user_id: Option<String>,
    /// With a contact moment that stands so. What waits for its disposition has an index.
    pub moment: Option<MomentStatus>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// With this contact, as the record says.
    pub contact_id: Option<ContactId>,
    /// Known by one of these names of platforms; `None` for all calls.
    pub keys: Option<Vec<(ConnectionId, String)>>,
    /// Talk time of at least so many seconds; calls that last have none.
    pub min_duration: Option<i64>,
    /// Talk time of at most so many seconds.
    pub max_duration: Option<i64>,
    /// Started at or after.
    pub since: Option<Timestamp>,
    /// Started before.
    pub until: Option<Timestamp>,
    /// The order.
    pub sort: CallSort,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many to pass over; 0 when `after` is given.
    pub offset: u32,
    /// Go on after this position; not with a sort that has none.
    pub after: Option<CallCursor>,
}

impl CallQuery {
    /// True when only what waits for its disposition is wanted, which has an index of its own.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.moment == Some(MomentStatus::DispositionPending)
    }

    /// True when some condition or the order has no index, so that calls are looked at that may
    /// not be shown; see [`SCAN_LIMIT`].
    #[must_use]
    pub fn is_scan(&self) -> bool {
        let numbers = [&self.from_number, &self.to_number];
        let numbers = numbers.into_iter().flatten().count();
        !self.statuses.is_empty()
            || self.direction.is_some()
            || self.platform.is_some()
            || self.connection_id.is_some()
            || self.agent.is_some()
            || self.agent_id.is_some()
            || self.crm_user_id.is_some()
            || (self.moment.is_some() && !self.waits())
            || self.outcome.is_some()
            || self.contact_id.is_some()
            || self.min_duration.is_some()
            || self.max_duration.is_some()
            || !self.sort.has_positions()
            || (self.waits() && self.open_only)
            || numbers > usize::from(!self.open_only && !self.waits())
    }
}

/// A position in a list of calls: by start, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCursor {
    /// Start (or creation, where no start is known) of the last call shown.
    pub sort_at: Timestamp,
    /// Its id.
    pub id: CallId,
}

/// A page of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPage {
    /// The records as JSON texts, ready to be sent.
    pub calls: Vec<String>,
    /// How many match in all, counted up to [`COUNT_LIMIT`].
    pub total: u64,
    /// Where the next page starts; `None` on the last.
    pub next: Option<CallCursor>,
}

/// Totals are counted up to here, so that a list stays fast at any size.
pub const COUNT_LIMIT: u64 = 10_000;

/// How many calls one page looks at, at most. Start, numbers, keys and "open" have an index;
/// status, direction, platform, connection, agent and talk time are tested call by call. A page may
/// therefore be short or empty and still say in [`CallPage::next`] where to go on, and the total
/// counts what matches among as many of the newest calls.
pub const SCAN_LIMIT: u32 = 50_000;

/// The most contacts that are judged for one number.
pub const CANDIDATE_LIMIT: u32 = 100;

/// The open calls of an app, and the position in the log they are true for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The log's epoch.
    pub epoch: Uuid,
    /// The `seq` they are true for.
    pub seq: u64,
    /// The records as JSON texts, newest start first, at most [`SNAPSHOT_LIMIT`].
    pub calls: Vec<String>,
}

/// The most calls a snapshot carries.
pub const SNAPSHOT_LIMIT: u32 = 500;

/// Where an app's log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// The log's epoch.
    pub epoch: Uuid,
    /// The highest `seq`; 0 when nothing has happened.
    pub head: u64,
    /// The lowest `seq` still kept; `head + 1` when none is.
    pub oldest: u64,
}

/// Which contacts a list should show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactQuery {
    /// Part of the name, organisation or e-mail, any case.
    pub text: Option<String>,
    /// This number, E.164.
    pub number: Option<String>,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many to pass over.
    pub offset: u32,
}

/// Which messages a list should show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageQuery {
    /// This direction.
    pub direction: Option<MessageDirection>,
    /// Sent by this number, canonical form.
    pub from_number: Option<String>,
    /// Sent to this number, canonical form, and perhaps to others.
    pub to_number: Option<String>,
    /// The platform's id of the user on our side.
    pub user_id: Option<String>,
    /// Sent at or after.
    pub since: Option<Timestamp>,
    /// Sent before.
    pub until: Option<Timestamp>,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many to pass over.
    pub offset: u32,
}

/// A call whose time for the reaper has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCall {
    /// Whose.
    pub app_id: AppId,
    /// Which.
    pub call_id: CallId,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// Its platform.
    pub platform: String,
    /// The app's country.
    pub country: String,
}

/// Everything that lasts. See the module documentation for the promises.
#[async_trait]
pub trait Store:
    AgentStore
    + AuditStore
    + DialStore
    + IdempotencyStore
    + ImportStore
    + InstallationStore
    + KeyStore
    + LoadStore
    + MediaStore
    + PeopleStore
    + StateStore
    + VendorStore
    + WorkStore
    + Send
    + Sync
    + 'static
{
    // ---- the call path ----------------------------------------------------------------------

    /// Carries out one unit of change.
    async fn commit(&self, changeset: Changeset) -> StoreResult<Committed>;

    /// Hints of new events, own commits first. A receiver that lags must read the log.
    fn wakes(&self) -> broadcast::Receiver<Wake>;

    /// Events with `seq > after`, in order, at most `limit`; of these types when any are named.
    async fn events_after(
        &self,
        app: AppId,
        after: u64,
        limit: u32,
        types: &[EventType],
    ) -> StoreResult<Vec<Arc<Event>>>;

    /// Where the log stands.
    async fn log_position(&self, app: AppId) -> StoreResult<LogPosition>;

    /// Open calls and the position they are true for, read at one instant.
    async fn snapshot(&self, app: AppId) -> StoreResult<Snapshot>;

    /// A list of visible calls, newest start first.
    async fn calls(&self, app: AppId, query: &CallQuery) -> StoreResult<CallPage>;

    /// One call's record as JSON text, merged ones included.
    async fn call(&self, app: AppId, id: CallId) -> StoreResult<Option<String>>;

    /// Messages, newest first, and the capped total.
    async fn messages(
        &self,
        app: AppId,
        query: &MessageQuery,
    ) -> StoreResult<(Vec<StoredMessage>, u64)>;

    /// Calls whose `due_at` has passed, oldest first.
    async fn due_calls(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DueCall>>;

    /// Notifications of an app, newest first, for the event log.
    async fn notifications(
        &self,
        app: AppId,
        limit: u32,
        before: Option<NotificationId>,
    ) -> StoreResult<Vec<Notification>>;

    /// Deletes notifications and events older than these times, at most `limit` of each.
    /// Returns how many went.
    async fn prune(
        &self,
        notifications_before: Timestamp,
        events_before: Timestamp,
        limit: u32,
    ) -> StoreResult<(u64, u64)>;

    // ---- apps, people -----------------------------------------------------------------------

    /// Stores a new app.
    async fn create_app(&self, app: &App) -> StoreResult<()>;

    /// One app.
    async fn app(&self, id: AppId) -> StoreResult<Option<App>>;

    /// All apps, oldest first.
    async fn apps(&self) -> StoreResult<Vec<App>>;

    /// Replaces name, country and whether it is switched on; everything else of it stays.
    async fn update_app(&self, app: &App) -> StoreResult<()>;

    /// Stores a one-time sign-in link.
    async fn put_sign_in_link(&self, grant: &Grant) -> StoreResult<()>;

    /// Takes a sign-in link: it works once, and not after its time.
    async fn take_sign_in_link(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<Grant>>;

    /// Stores a session.
    async fn put_session(&self, grant: &Grant) -> StoreResult<()>;

    /// The session of that hash, unless its time is over.
    async fn session(&self, hash: &[u8; 32], now: Timestamp) -> StoreResult<Option<Grant>>;

    /// Ends a session.
    async fn delete_session(&self, hash: &[u8; 32]) -> StoreResult<()>;

    // ---- connections ------------------------------------------------------------------------

    /// Stores a new connection.
    async fn create_connection(&self, connection: &Connection) -> StoreResult<()>;

    /// One connection.
    async fn connection(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<Connection>>;

    /// The connection of that hook id.
    async fn connection_by_hook(&self, hook_id: &str) -> StoreResult<Option<Connection>>;

    /// The connections of an app, oldest first; of every app when none is named.
    async fn connections(&self, app: Option<AppId>) -> StoreResult<Vec<Connection>>;

    /// Replaces the name, the settings, the credentials and the webhook secrets of a connection;
    /// everything else of it stays. Not found when there is none of that id in its app.
    async fn update_connection(&self, connection: &Connection) -> StoreResult<()>;

    /// Deletes a connection; its calls stay.
    async fn delete_connection(&self, app: AppId, id: ConnectionId) -> StoreResult<()>;

    // ---- contacts ---------------------------------------------------------------------------

    /// Stores contacts, replacing those of the same id.
    async fn put_contacts(&self, app: AppId, contacts: &[Contact]) -> StoreResult<()>;

    /// One contact.
    async fn contact(&self, app: AppId, id: ContactId) -> StoreResult<Option<Contact>>;

    /// A list of contacts by name, and the capped total.
    async fn contacts(&self, app: AppId, query: &ContactQuery) -> StoreResult<(Vec<Contact>, u64)>;

    /// Deletes a contact.
    async fn delete_contact(&self, app: AppId, id: ContactId) -> StoreResult<()>;

    // ---- the store itself -------------------------------------------------------------------

    /// Answers when the database does.
    async fn ping(&self) -> StoreResult<()>;

    /// Ends the writer after what it holds has been committed.
    async fn close(&self);
}
