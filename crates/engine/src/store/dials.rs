//! Dials as stored: one row for every call somebody asked us to place, from before the platform
//! hears of it until the platform's own events have taken over or the end is named. What a dial
//! goes through is decided in [`crate::dial`]; here is only what lasts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId, DialId};

use super::StoreResult;

/// How far a dial has got. It only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialState {
    /// Stored, and the pending call with it; the platform may or may not have heard of it.
    Requested,
    /// The platform accepted it.
    Placed,
    /// The platform's own events speak of the call: it goes on as any other.
    Joined,
    /// It came to nothing; the cause is named.
    Failed,
}

impl DialState {
    /// Every state, first to last.
    pub const ALL: [Self; 4] = [Self::Requested, Self::Placed, Self::Joined, Self::Failed];

    /// The name in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Placed => "placed",
            Self::Joined => "joined",
            Self::Failed => "failed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Why a dial came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialFailure {
    /// Machine word from a closed set, such as `device_offline`; see [`crate::dial`].
    pub cause: String,
    /// One sentence for the agent.
    pub detail: String,
}

/// One call that somebody asked us to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Its id.
    pub id: DialId,
    /// Whose.
    pub app_id: AppId,
    /// The connection it goes through.
    pub connection_id: ConnectionId,
    /// The pending call.
    pub call_id: CallId,
    /// What the client named its request; unique within the app.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the request: the same key with another request is a conflict.
    pub request_digest: [u8; 32],
    /// The agent's extension, as the platform knows it.
    pub agent_extension: Option<String>,
    /// The agent's user id at the platform.
    pub agent_user_id: Option<String>,
    /// The number to dial: E.164, or an extension.
    pub target: String,
    /// The number to show, E.164.
    pub caller_id: Option<String>,
    /// Who asked: a key's id or a session, for the audit.
    pub requested_by: String,
    /// How far it has got.
    pub state: DialState,
    /// Why it failed.
    pub failure: Option<DialFailure>,
    /// The platform's names of the call, as its answer gave them.
    pub platform_keys: Vec<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the platform accepted it.
    pub placed_at: Option<Timestamp>,
    /// When it joined or failed.
    pub settled_at: Option<Timestamp>,
    /// When it should be looked at again; `None` once settled.
    pub due_at: Option<Timestamp>,
}

/// What an app allows to be dialled. Dialling is money: without a policy of its own an app may
/// dial its own country and extensions, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialPolicy {
    /// True when nothing may be dialled at all.
    pub off: bool,
    /// ISO 3166-1 alpha-2 codes of the countries allowed; empty for the app's own.
    pub countries: BTreeSet<String>,
    /// E.164 prefixes allowed beside the countries, such as `+3212`.
    pub allowed_prefixes: BTreeSet<String>,
    /// E.164 prefixes refused whatever else allows them, such as `+31900`.
    pub refused_prefixes: BTreeSet<String>,
    /// The most calls one agent may place a minute; 0 for the default of 10.
    pub per_agent_per_minute: u32,
    /// The numbers the app may show, E.164; empty: only what the platform shows by itself.
    pub caller_ids: BTreeSet<String>,
    /// Shown when a request names none; one of `caller_ids`.
    pub default_caller_id: Option<String>,
}

/// Dials that last.
#[async_trait]
pub trait DialStore: Send + Sync {
    /// Stores a new dial. When the app has one with the same idempotency key, nothing is stored
    /// and that one is given back.
    async fn create_dial(&self, dial: &Dial) -> StoreResult<Option<Dial>>;

    /// One dial.
    async fn dial(&self, app: AppId, id: DialId) -> StoreResult<Option<Dial>>;

    /// The dial a call began with.
    async fn dial_of_call(&self, app: AppId, call: CallId) -> StoreResult<Option<Dial>>;

    /// Replaces a dial if its stored state is one of `from`; false, and nothing changed,
    /// otherwise. State, failure, platform keys and times may change; the rest may not.
    async fn update_dial(&self, dial: &Dial, from: &[DialState]) -> StoreResult<bool>;

    /// Dials of a connection that are `Requested` or `Placed` and were asked for at or after
    /// `since`, newest first, at most 100.
    async fn open_dials(
        &self,
        app: AppId,
        connection: ConnectionId,
        since: Timestamp,
    ) -> StoreResult<Vec<Dial>>;

    /// Dials of all apps whose `due_at` has passed, oldest first.
    async fn due_dials(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Dial>>;

    /// How many dials of an agent (by extension or user id) an app asked for at or after `since`.
    async fn dials_since(&self, app: AppId, agent: &str, since: Timestamp) -> StoreResult<u32>;

    /// What the app allows to be dialled; `None` when it has said nothing.
    async fn dial_policy(&self, app: AppId) -> StoreResult<Option<DialPolicy>>;

    /// Stores what the app allows to be dialled.
    async fn put_dial_policy(&self, app: AppId, policy: &DialPolicy) -> StoreResult<()>;
}
