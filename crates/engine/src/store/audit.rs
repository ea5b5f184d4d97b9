//! The audit log as stored: one chain of entries for each app, and one for the operators. What
//! goes into an entry and how entries are chained is decided in [`crate::audit`]; here is only
//! what lasts.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use uuid::Uuid;

use super::StoreResult;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// What they are known by: the id of a key, the start of a session's hash, a user's id; empty
    /// for operators and strangers.
    pub id: String,
    /// A name for people.
    pub name: String,
}

/// What kind of somebody did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A program with an API key.
    Key,
    /// A person in a browser.
    Session,
    /// Somebody with the operators' secret, or at the command line.
    Operator,
    /// A phone platform.
    Platform,
    /// Nobody known: a credential that was not good, or none.
    Stranger,
}

/// One entry. It never changes and is never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose chain; `None` for the operators'.
    pub app_id: Option<AppId>,
    /// Its place in the chain, from 1, without gaps.
    pub no: u64,
    /// When, by our clock.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// From which address, when it came over the network.
    pub address: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// What was done: a word such as `key.created`, or method and route.
    pub action: String,
    /// To what: the path of the request, or a thing and its id.
    pub target: String,
    /// The HTTP status it ended with; 0 where there was no request.
    pub status: u16,
    /// What was so before, JSON text, secrets taken out.
    pub before: Option<String>,
    /// What is so now, JSON text, secrets taken out.
    pub after: Option<String>,
    /// Keyed hash over this entry and the hash of the one before.
    pub hash: [u8; 32],
}

/// A deed that has begun: what is known of it before anything is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunDeed {
    /// Its id, of no meaning elsewhere.
    pub id: Uuid,
    /// In whose chain its entry will stand; `None` for the operators'.
    pub app_id: Option<AppId>,
    /// When it began.
    pub begun_at: Timestamp,
    /// When nothing is expected of it any more.
    pub due_at: Timestamp,
    /// Who, what and from where: JSON text, made and read in [`crate::audit`].
    pub deed: String,
}

/// Which entries a list should show; the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only this action.
    pub action: Option<String>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only before then.
    pub until: Option<Timestamp>,
    /// Only entries with a smaller number.
    pub before: Option<u64>,
    /// How many, 1 to 1000.
    pub limit: u32,
}

/// The audit log.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Number and hash of the last entry of a chain; `None` when it is empty.
    async fn audit_head(&self, app: Option<AppId>) -> StoreResult<Option<(u64, [u8; 32])>>;

    /// Appends an entry. False, and nothing stored, when its number is taken: somebody else was
    /// quicker, and it must be chained anew.
    async fn append_audit(&self, entry: &AuditEntry) -> StoreResult<bool>;

    /// Keeps that a deed has begun; returns when that will survive.
    async fn begin_deed(&self, begun: &BegunDeed) -> StoreResult<()>;

    /// As [`Self::append_audit`], and in the same transaction forgets that this deed has begun,
    /// when it is remembered still. When the number is taken it stays remembered.
    async fn end_deed(&self, entry: &AuditEntry, begun: &BegunDeed) -> StoreResult<bool>;

    /// Deeds of all chains whose time has come, the oldest first. They are due again at `again`,
    /// so that others who ask meanwhile do not get them too.
    async fn claim_due_deeds(
        &self,
        now: Timestamp,
        again: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<BegunDeed>>;

    /// Entries of a chain, the newest first.
    async fn audit(&self, app: Option<AppId>, query: &AuditQuery) -> StoreResult<Vec<AuditEntry>>;

    /// Entries of a chain with a greater number, the oldest first.
    async fn audit_after(
        &self,
        app: Option<AppId>,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>>;

    /// Every chain there is; the operators' first.
    async fn audit_chains(&self) -> StoreResult<Vec<Option<AppId>>>;
}
