//! Raw notifications, for the event log of the page.

use switchhook_domain::id::{AppId, ConnectionId, NotificationId};
use switchhook_engine::store::{Notification, StoreResult};
use tokio_postgres::Row;
use uuid::Uuid;

use super::reader::Readers;
use super::session::{column, column_time};
use crate::columns::{bytes32, verdict};

pub(super) async fn list(
    db: &Readers,
    app: AppId,
    limit: u32,
    before: Option<NotificationId>,
) -> StoreResult<Vec<Notification>> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    let sql = "SELECT id, connection_id, received_at, verdict, reason, event, content_type, \
               digest, body FROM notifications WHERE app_id = $1 AND id < $2 \
               ORDER BY id DESC LIMIT $3";
    let rows = db
        .of(app)
        .query(sql, &[&app.0, &before, &i64::from(limit)])
        .await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> StoreResult<Notification> {
    Ok(Notification {
        id: NotificationId(column(row, "id")?),
        connection_id: ConnectionId(column(row, "connection_id")?),
        received_at: column_time(row, "received_at")?,
        verdict: verdict(column(row, "verdict")?)?,
        reason: column(row, "reason")?,
        event: column(row, "event")?,
        content_type: column(row, "content_type")?,
        digest: bytes32(column(row, "digest")?, "notifications", "digest")?,
        body: column(row, "body")?,
    })
}
