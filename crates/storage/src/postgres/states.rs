//! States beneath the records.

use async_trait::async_trait;
use switchhook_domain::fold::{CallState, PresenceState};
use switchhook_domain::id::{AppId, CallId, ConnectionId};
use switchhook_engine::store::{PRESENCE_LIMIT, StateStore, StoreResult};

use super::PostgresStore;
use super::session::column;
use crate::columns::from_json;

#[async_trait]
impl StateStore for PostgresStore {
    async fn call_state(&self, app: AppId, id: CallId) -> StoreResult<Option<CallState>> {
        let sql = "SELECT state FROM call_bodies WHERE app_id = $1 AND id = $2";
        self.readers
            .of(app)
            .one(sql, &[&app.0, &id.0])
            .await?
            .map(|row| from_json(column(&row, "state")?, "call_bodies", "state"))
            .transpose()
    }

    async fn presence_states(
        &self,
        app: AppId,
        connection: ConnectionId,
    ) -> StoreResult<Vec<PresenceState>> {
        // By the primary key, whose first column the connection is.
        let sql = "SELECT state FROM presence WHERE app_id = $1 AND connection_id = $2 LIMIT $3";
        let limit = i64::from(PRESENCE_LIMIT);
        let rows = self
            .readers
            .of(app)
            .query(sql, &[&app.0, &connection.0, &limit])
            .await?;
        rows.iter()
            .map(|row| from_json(column(row, "state")?, "presence", "state"))
            .collect()
    }
}
