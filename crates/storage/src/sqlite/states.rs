//! States beneath the records.

use async_trait::async_trait;
use rusqlite::params;
use switchhook_domain::fold::{CallState, PresenceState};
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_engine::store::{PRESENCE_LIMIT, StateStore, StoreResult};

use super::SqliteStore;
use super::session::{blob, fault, optional};
use crate::columns::from_json;

#[async_trait]
impl StateStore for SqliteStore {
    async fn call_state(&self, app: AppId, id: CallId) -> StoreResult<Option<CallState>> {
        self.read(move |conn| {
            let sql = "SELECT b.state FROM calls c JOIN call_bodies b ON b.row = c.row \
                       WHERE c.app = (SELECT no FROM apps WHERE id = ?1) AND c.id = ?2";
            let mut statement = conn.prepare_cached(sql).map_err(fault)?;
            let found =
                statement.query_row([blob(&app.0), blob(&id.0)], |row| row.get::<_, String>(0));
            optional(found)?
                .map(|state| from_json(&state, "call_bodies", "state"))
                .transpose()
        })
        .await
    }

    async fn presence_states(
        &self,
        app: AppId,
        connection: ConnectionId,
    ) -> StoreResult<Vec<PresenceState>> {
        self.read(move |conn| {
            let sql = "SELECT p.state FROM connections c JOIN presence p \
                       ON p.connection_id = c.id WHERE c.app_id = ?1 AND c.id = ?2 LIMIT ?3";
            let mut statement = conn.prepare_cached(sql).map_err(fault)?;
            let rows = statement
                .query_map(
                    params![blob(&app.0), blob(&connection.0), PRESENCE_LIMIT],
                    |row| row.get::<_, String>(0),
                )
                .map_err(fault)?;
            rows.map(|state| from_json(&state.map_err(fault)?, "presence", "state"))
                .collect()
        })
        .await
    }
}
