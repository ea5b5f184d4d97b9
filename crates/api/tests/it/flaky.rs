//! A store that can be taken away, to see what the outside is told then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchhook_domain::Timestamp;
use switchhook_domain::contact::Contact;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::fold::{CallState, PresenceState};
use switchhook_domain::id::{
    AgentTokenId, AppId, CallId, ConnectionId, ContactId, DialId, KeyId, MessageId, NotificationId,
    RecordingId, TaskId, UserId, VoicemailId,
};
use switchhook_domain::task::Task;
use switchhook_engine::store::*;
use tokio::sync::broadcast;
use uuid::Uuid;

/// A store behind a switch.
pub(crate) struct Flaky {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) away: AtomicBool,
    /// The one operation that fails meanwhile; empty for none.
    pub(crate) broken: Mutex<&'static str>,
    /// The one operation whose answer is late by this long, though it is done.
    pub(crate) late: Mutex<(&'static str, Duration)>,
    /// How often the keys of an app were read.
    pub(crate) key_reads: AtomicUsize,
}

impl Flaky {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            away: AtomicBool::default(),
            broken: Mutex::default(),
            late: Mutex::default(),
            key_reads: AtomicUsize::default(),
        }
    }
}

macro_rules! pass {
    ($port:ident { $($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)* } $($more:tt)*) => {
        #[async_trait::async_trait]
        impl $port for Flaky {
            $(async fn $name(&self, $($arg: $kind),*) -> StoreResult<$out> {
                let broken = *self.broken.lock().unwrap() == stringify!($name);
                if broken || self.away.load(Ordering::Relaxed) {
                    return Err(StoreError::Unavailable("switched off".to_owned()));
                }
                if stringify!($name) == "keys" {
                    self.key_reads.fetch_add(1, Ordering::Relaxed);
                }
                let out = self.inner.$name($($arg),*).await;
                let (late, by) = *self.late.lock().unwrap();
                if late == stringify!($name) {
                    tokio::time::sleep(by).await;
                }
                out
            })*

            $($more)*
        }
    };
}

pass! { Store {
    commit(changeset: Changeset) -> Committed;
    events_after(app: AppId, after: u64, limit: u32, types: &[EventType]) -> Vec<Arc<Event>>;
    log_position(app: AppId) -> LogPosition;
    snapshot(app: AppId) -> Snapshot;
    calls(app: AppId, query: &CallQuery) -> CallPage;
    call(app: AppId, id: CallId) -> Option<String>;
    messages(app: AppId, query: &MessageQuery) -> (Vec<StoredMessage>, u64);
    due_calls(now: Timestamp, limit: u32) -> Vec<DueCall>;
    notifications(app: AppId, limit: u32, before: Option<NotificationId>) -> Vec<Notification>;
    prune(notifications: Timestamp, events: Timestamp, limit: u32) -> (u64, u64);
    create_app(app: &App) -> ();
    app(id: AppId) -> Option<App>;
    apps() -> Vec<App>;
    update_app(app: &App) -> ();
    put_sign_in_link(grant: &Grant) -> ();
    take_sign_in_link(hash: &[u8; 32], now: Timestamp) -> Option<Grant>;
    put_session(grant: &Grant) -> ();
    session(hash: &[u8; 32], now: Timestamp) -> Option<Grant>;
    delete_session(hash: &[u8; 32]) -> ();
    create_connection(connection: &Connection) -> ();
    connection(app: AppId, id: ConnectionId) -> Option<Connection>;
    connection_by_hook(hook_id: &str) -> Option<Connection>;
    connections(app: Option<AppId>) -> Vec<Connection>;
    update_connection(connection: &Connection) -> ();
    delete_connection(app: AppId, id: ConnectionId) -> ();
    put_contacts(app: AppId, contacts: &[Contact]) -> ();
    contact(app: AppId, id: ContactId) -> Option<Contact>;
    contacts(app: AppId, query: &ContactQuery) -> (Vec<Contact>, u64);
    delete_contact(app: AppId, id: ContactId) -> ();
    ping() -> ();
}
    fn wakes(&self) -> broadcast::Receiver<Wake> {
        self.inner.wakes()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl LoadStore for Flaky {
    fn load(&self) -> StoreLoad {
        self.inner.load()
    }
}

pass! { KeyStore {
    create_key(key: &ApiKey) -> ();
    key_by_lookup(lookup: &str) -> Option<ApiKey>;
    key(app: AppId, id: KeyId) -> Option<ApiKey>;
    keys(app: AppId) -> Vec<ApiKey>;
    revoke_key(app: AppId, id: KeyId, at: Timestamp) -> ();
    rename_key(app: AppId, id: KeyId, name: &str) -> ();
    rotate_key(new: &ApiKey, old_until: Timestamp) -> ();
    unclaimed_keys(now: Timestamp, limit: u32) -> Vec<ApiKey>;
    claim_key(app: AppId, id: KeyId, claim: &KeyClaim) -> bool;
    keys_used(uses: &[KeyUse]) -> ();
} }

pass! { DialStore {
    create_dial(dial: &Dial) -> Option<Dial>;
    dial(app: AppId, id: DialId) -> Option<Dial>;
    dial_of_call(app: AppId, call: CallId) -> Option<Dial>;
    update_dial(dial: &Dial, from: &[DialState]) -> bool;
    open_dials(app: AppId, connection: ConnectionId, since: Timestamp) -> Vec<Dial>;
    due_dials(now: Timestamp, limit: u32) -> Vec<Dial>;
    dials_since(app: AppId, agent: &str, since: Timestamp) -> u32;
    dial_policy(app: AppId) -> Option<DialPolicy>;
    put_dial_policy(app: AppId, policy: &DialPolicy) -> ();
} }

pass! { AgentStore {
    roster_version(app: AppId) -> u64;
    roster(app: AppId) -> StoredRoster;
    change_roster(app: AppId, seen: u64, change: &RosterChange) -> bool;
    put_agent_token(token: &AgentToken, now: Timestamp) -> ();
    agent_token(hash: &[u8; 32], now: Timestamp) -> Option<AgentToken>;
    delete_agent_token(app: AppId, id: AgentTokenId) -> bool;
} }

pass! { WorkStore {
    task(app: AppId, id: TaskId) -> Option<Task>;
    tasks(app: AppId, query: &TaskQuery) -> (Vec<Task>, u64);
    due_tasks(now: Timestamp, limit: u32) -> Vec<(AppId, Task)>;
    work_settings(app: AppId) -> Option<WorkSettings>;
    put_work_settings(app: AppId, settings: &WorkSettings) -> ();
} }

pass! { IdempotencyStore {
    claim_request(request: &KeyedRequest, now: Timestamp, until: Timestamp) -> Claim;
    keep_answer(request: &KeyedRequest, answer: &str, until: Timestamp) -> bool;
    release_request(request: &KeyedRequest) -> ();
    forget_requests(now: Timestamp, limit: u32) -> u64;
} }

pass! { ImportStore {
    import_position(source: &str, part: &str) -> Option<String>;
    put_import_position(source: &str, part: &str, position: Option<&str>) -> ();
} }

pass! { MediaStore {
    recordings(app: AppId, query: &RecordingQuery) -> MediaPage<StoredRecording>;
    recording(app: AppId, id: RecordingId) -> Option<StoredRecording>;
    due_recordings(now: Timestamp, limit: u32) -> Vec<StoredRecording>;
    recording_checked(app: AppId, id: RecordingId, check: RecordingCheck) -> bool;
    voicemails(app: AppId, query: &VoicemailQuery) -> MediaPage<StoredVoicemail>;
    voicemail(app: AppId, id: VoicemailId) -> Option<StoredVoicemail>;
    delete_voicemail(app: AppId, id: VoicemailId) -> ();
    message(app: AppId, id: MessageId) -> Option<StoredMessage>;
    presence(app: AppId, limit: u32, offset: u32) -> (Vec<StoredPresence>, u64);
} }

pass! { PeopleStore {
    is_untouched() -> bool;
    set_up(hash: &[u8; 32], now: Timestamp, app: &App, person: &Person) -> bool;
    create_person(person: &Person) -> ();
    person(app: AppId, id: UserId) -> Option<Person>;
    people(app: AppId, limit: u32, offset: u32) -> (Vec<Person>, u64);
    people_by_email(email: &str) -> Vec<Person>;
    people_by_identity(issuer: &str, subject: &str) -> Vec<Person>;
    update_person(app: AppId, id: UserId, change: &PersonChange) -> Person;
    delete_person(app: AppId, id: UserId) -> ();
    put_one_time(token: &OneTime, now: Timestamp) -> ();
    one_time(purpose: Purpose, hash: &[u8; 32], now: Timestamp) -> Option<OneTime>;
    take_one_time(purpose: Purpose, hash: &[u8; 32], now: Timestamp) -> Option<OneTime>;
    redeem(purpose: Purpose, hash: &[u8; 32], now: Timestamp, change: &PersonChange)
        -> Option<Person>;
    start_session(session: &PersonSession) -> bool;
    touch_session(hash: &[u8; 32], now: Timestamp, expires_at: Timestamp, limit: i64) -> ();
    person_sessions(app: AppId, id: UserId, now: Timestamp) -> Vec<PersonSession>;
    end_session(app: AppId, id: UserId, hash: &[u8; 32]) -> bool;
    end_sessions(app: AppId, id: UserId, keep: Option<[u8; 32]>) -> u64;
} }

pass! { StateStore {
    call_state(app: AppId, id: CallId) -> Option<CallState>;
    presence_states(app: AppId, connection: ConnectionId) -> Vec<PresenceState>;
} }

pass! { VendorStore {
    tokens(app: AppId, connection: ConnectionId) -> Option<StoredTokens>;
    put_tokens(tokens: &StoredTokens, expected: u64) -> bool;
    delete_tokens(app: AppId, connection: ConnectionId) -> ();
    expiring_tokens(before: Timestamp, limit: u32) -> Vec<StoredTokens>;
    subscription(app: AppId, connection: ConnectionId) -> Option<StoredSubscription>;
    put_subscription(subscription: &StoredSubscription) -> ();
    delete_subscription(app: AppId, connection: ConnectionId) -> ();
    due_subscriptions(now: Timestamp, limit: u32) -> Vec<StoredSubscription>;
    take_lease(name: &str, owner: Uuid, now: Timestamp, until: Timestamp) -> bool;
    release_lease(name: &str, owner: Uuid) -> ();
    put_oauth_start(start: &OAuthStart, now: Timestamp) -> ();
    take_oauth_start(state_hash: &[u8; 32], now: Timestamp) -> Option<OAuthStart>;
    mappings() -> Vec<StoredMapping>;
    put_mapping(mapping: &StoredMapping) -> ();
    delete_mapping(platform: &str) -> bool;
} }

pass! { AuditStore {
    audit_head(app: Option<AppId>) -> Option<(u64, [u8; 32])>;
    append_audit(entry: &AuditEntry) -> bool;
    begin_deed(begun: &BegunDeed) -> ();
    end_deed(entry: &AuditEntry, begun: &BegunDeed) -> bool;
    claim_due_deeds(now: Timestamp, again: Timestamp, limit: u32) -> Vec<BegunDeed>;
    audit(app: Option<AppId>, query: &AuditQuery) -> Vec<AuditEntry>;
    audit_after(app: Option<AppId>, after: u64, limit: u32) -> Vec<AuditEntry>;
    audit_chains() -> Vec<Option<AppId>>;
} }

pass! { InstallationStore {
    installation_key(name: &str) -> Option<String>;
    keep_installation_key(name: &str, sealed: &str) -> String;
    sealed_after(table: SealedTable, after: Option<&[u8]>, limit: u32) -> Vec<SealedRow>;
    reseal(before: &SealedRow, sealed: &str, more: &str) -> bool;
} }
