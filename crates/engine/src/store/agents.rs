//! Agents as they are stored, and the tokens of their embedded panels. The rules of agents are
//! not here: a back end keeps the roster of an app as one value with a version, and replaces it
//! only for whoever saw the last one ([`crate::agents`]).

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::agent::Agent;
use switchhook_domain::id::{AgentId, AgentTokenId, AppId, KeyId, UserId};

use super::StoreResult;

/// The roster of an app as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRoster {
    /// Counted up by every change; 0 when there was none yet.
    pub version: u64,
    /// All agents with their identities, in no particular order.
    pub agents: Vec<Agent>,
}

/// A change of a roster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterChange {
    /// Agents to insert or replace, each whole, with all identities.
    pub put: Vec<Agent>,
    /// Agents to delete, with their tokens.
    pub delete: Vec<AgentId>,
}

/// The token of an agent in an embedded panel, by the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentToken {
    /// Its id.
    pub id: AgentTokenId,
    /// Whose app.
    pub app_id: AppId,
    /// As whom.
    pub agent_id: AgentId,
    /// The key that minted it; it ends with the key. `None` when a person did.
    pub key_id: Option<KeyId>,
    /// The person who minted it; it ends when they are shut out. `None` when a key did.
    pub user_id: Option<UserId>,
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Agents and their tokens.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// The version of an app's roster; 0 for one that was never changed.
    async fn roster_version(&self, app: AppId) -> StoreResult<u64>;

    /// All agents of an app and the version they are true for, read at one instant.
    async fn roster(&self, app: AppId) -> StoreResult<StoredRoster>;

    /// Changes a roster, all or nothing, when it still has the version `seen`. Returns whether it
    /// had.
    async fn change_roster(
        &self,
        app: AppId,
        seen: u64,
        change: &RosterChange,
    ) -> StoreResult<bool>;

    /// Stores a token, and sweeps out those of the app whose time is over.
    async fn put_agent_token(&self, token: &AgentToken, now: Timestamp) -> StoreResult<()>;

    /// The token of that hash, unless its time is over, its agent is gone or not active, the key
    /// that minted it is revoked or expired, or the person who did is gone or shut out.
    async fn agent_token(&self, hash: &[u8; 32], now: Timestamp)
    -> StoreResult<Option<AgentToken>>;

    /// Deletes a token. Returns whether there was one of that id in the app.
    async fn delete_agent_token(&self, app: AppId, id: AgentTokenId) -> StoreResult<bool>;
}
