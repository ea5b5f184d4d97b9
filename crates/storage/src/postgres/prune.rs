//! Deleting what is too old: raw notifications, and the beginning of each log.

use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use switchhook_engine::store::StoreResult;
use uuid::Uuid;

use super::apps;
use super::reader::Readers;
use super::session::{At, column};

pub(super) async fn prune(
    db: &Readers,
    notifications_before: Timestamp,
    events_before: Timestamp,
    limit: u32,
) -> StoreResult<(u64, u64)> {
    let (mut notifications, mut events) = (0, 0);
    let limit = u64::from(limit);
    let mut all: Vec<AppId> = apps::all(db).await?.into_iter().map(|app| app.id).collect();
    all.sort_unstable();
    for app in all {
        let room = limit - notifications;
        notifications += old_notifications(db, app, At::from(notifications_before), room).await?;
        events += old_events(db, app, At::from(events_before), limit - events).await?;
    }
    Ok((notifications, events))
}

/// Walks from the oldest id, which is the oldest in time, to the first one to be kept.
async fn old_notifications(db: &Readers, app: AppId, before: At, room: u64) -> StoreResult<u64> {
    let sql = "SELECT id, received_at AS at FROM notifications WHERE app_id = $1 \
               ORDER BY id LIMIT $2";
    let rows = db.of(app).query(sql, &[&app.0, &sql_limit(room)]).await?;
    let mut old: Vec<Uuid> = Vec::new();
    for row in &rows {
        if column::<At>(row, "at")?.0 >= before.0 {
            break;
        }
        old.push(column(row, "id")?);
    }
    if old.is_empty() {
        return Ok(0);
    }
    db.of(app)
        .execute(
            "DELETE FROM notifications WHERE app_id = $1 AND id = ANY($2)",
            &[&app.0, &old],
        )
        .await
}

/// The same for events: the log loses its beginning, never its middle.
async fn old_events(db: &Readers, app: AppId, before: At, room: u64) -> StoreResult<u64> {
    let sql = "SELECT seq, recorded_at AS at FROM events WHERE app_id = $1 ORDER BY seq LIMIT $2";
    let rows = db.of(app).query(sql, &[&app.0, &sql_limit(room)]).await?;
    let mut last: Option<i64> = None;
    for row in &rows {
        if column::<At>(row, "at")?.0 >= before.0 {
            break;
        }
        last = Some(column(row, "seq")?);
    }
    let Some(last) = last else { return Ok(0) };
    db.of(app)
        .execute(
            "DELETE FROM events WHERE app_id = $1 AND seq <= $2",
            &[&app.0, &last],
        )
        .await
}

fn sql_limit(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
