//! Raw notifications, for the event log of the page.

use rusqlite::{Connection, Row, params};
use switchhook_domain::id::{AppId, ConnectionId, NotificationId};
use switchhook_engine::store::{Notification, StoreResult};
use uuid::Uuid;

use super::session::{blob, fault, text, uuid};
use crate::columns::{time, verdict};

pub(super) fn list(
    conn: &Connection,
    app: AppId,
    limit: u32,
    before: Option<NotificationId>,
) -> StoreResult<Vec<Notification>> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    let sql = "SELECT id, connection_id, received_at, verdict, reason, event, content_type, \
               digest, body FROM notifications WHERE app = (SELECT no FROM apps WHERE id = ?1) \
               AND id < ?2 \
               ORDER BY id DESC LIMIT ?3";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement
        .query(params![blob(&app.0), blob(&before), limit])
        .map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> StoreResult<Notification> {
    Ok(Notification {
        id: NotificationId(uuid(row, 0).map_err(fault)?),
        connection_id: ConnectionId(uuid(row, 1).map_err(fault)?),
        received_at: time(row.get(2).map_err(fault)?),
        verdict: verdict(text(row, 3).map_err(fault)?)?,
        reason: row.get(4).map_err(fault)?,
        event: row.get(5).map_err(fault)?,
        content_type: row.get(6).map_err(fault)?,
        digest: row.get(7).map_err(fault)?,
        body: row.get(8).map_err(fault)?,
    })
}
