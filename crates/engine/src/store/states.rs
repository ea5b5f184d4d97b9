//! What a request to a platform needs to know of a call and of an agent: the stored state beneath
//! the record, with every name the platform gave the call, and presence as it was last reported.

use async_trait::async_trait;
use switchhook_domain::fold::{CallState, PresenceState};
use switchhook_domain::id::{AppId, CallId, ConnectionId};

use super::StoreResult;

/// How many agents' presence of one connection is read at most.
pub const PRESENCE_LIMIT: u32 = 10_000;

/// States beneath the records.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Everything stored about a call, merged ones included.
    async fn call_state(&self, app: AppId, id: CallId) -> StoreResult<Option<CallState>>;

    /// The presence of every agent a connection reported, at most [`PRESENCE_LIMIT`], in no
    /// particular order.
    async fn presence_states(
        &self,
        app: AppId,
        connection: ConnectionId,
    ) -> StoreResult<Vec<PresenceState>>;
}
