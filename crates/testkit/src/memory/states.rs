//! States beneath the records of the reference store.

use async_trait::async_trait;
use switchhook_domain::fold::{CallState, PresenceState};
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_engine::store::{PRESENCE_LIMIT, StateStore, StoreResult};

use super::MemoryStore;

#[async_trait]
impl StateStore for MemoryStore {
    async fn call_state(&self, app: AppId, id: CallId) -> StoreResult<Option<CallState>> {
        let all = self.all();
        Ok(all.calls.get(&(app, id)).map(|call| call.state.clone()))
    }

    async fn presence_states(
        &self,
        app: AppId,
        connection: ConnectionId,
    ) -> StoreResult<Vec<PresenceState>> {
        let all = self.all();
        let known = all.connections.get(&connection);
        if known.is_none_or(|known| known.app_id != app) {
            return Ok(Vec::new());
        }
        let states = all.presence.iter().filter(|((id, _), _)| *id == connection);
        let states = states.map(|(_, (_, state))| state.clone());
        Ok(states.take(PRESENCE_LIMIT as usize).collect())
    }
}
