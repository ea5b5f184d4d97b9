//! The log: reading on from a position.

use std::sync::Arc;

use serde_json::value::RawValue;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{AppId, CallId, EventId};
use switchhook_engine::store::{LogPosition, StoreError, StoreResult};
use tokio_postgres::Row;
use uuid::Uuid;

use super::reader::Readers;
use super::session::{column, column_count, column_time};
use crate::columns::damaged;

/// How many events one statement looks at when only some types are wanted.
const STRIDE: u64 = 5_000;

const COLUMNS: &str = "seq, id, kind, call_id, at, recorded_at, data";

/// The epoch and head of an app, and its first event, at one instant.
pub(super) async fn position(db: &Readers, app: AppId) -> StoreResult<LogPosition> {
    let sql = "SELECT a.epoch, a.head_seq, \
               (SELECT min(seq) FROM events e WHERE e.app_id = a.id) AS oldest \
               FROM apps a WHERE a.id = $1";
    let row = db
        .of(app)
        .one(sql, &[&app.0])
        .await?
        .ok_or(StoreError::NotFound("app"))?;
    let head = column_count(&row, "head_seq")?;
    let oldest: Option<i64> = column(&row, "oldest")?;
    let oldest = oldest.and_then(|seq| u64::try_from(seq).ok());
    Ok(LogPosition {
        epoch: column(&row, "epoch")?,
        head,
        oldest: oldest.unwrap_or(head + 1),
    })
}

pub(super) async fn after(
    db: &Readers,
    app: AppId,
    after: u64,
    limit: u32,
    types: &[EventType],
) -> StoreResult<Vec<Arc<Event>>> {
    // Beyond what a log can hold there is nothing.
    let Ok(mut from) = i64::try_from(after) else {
        return Ok(Vec::new());
    };
    if types.is_empty() {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE app_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        );
        let rows = db
            .of(app)
            .query(&sql, &[&app.0, &from, &i64::from(limit)])
            .await?;
        return rows.iter().map(|row| from_row(row, app)).collect();
    }
    let kinds: Vec<&str> = types.iter().map(|kind| kind.as_str()).collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE app_id = $1 AND seq > $2 AND seq <= $3 \
         AND kind = ANY($4) ORDER BY seq LIMIT $5"
    );
    let Ok(position) = position(db, app).await else {
        return Ok(Vec::new());
    };
    let head = i64::try_from(position.head).unwrap_or(i64::MAX);
    let stride = i64::try_from(STRIDE).unwrap_or(i64::MAX);
    // What has been forgotten need not be walked through.
    from = from.max(i64::try_from(position.oldest.saturating_sub(1)).unwrap_or(from));
    let mut found = Vec::new();
    while from < head {
        let until = from.saturating_add(stride).min(head);
        let room = i64::from(limit) - i64::try_from(found.len()).unwrap_or(i64::MAX);
        if room <= 0 {
            break;
        }
        for row in db
            .of(app)
            .query(&sql, &[&app.0, &from, &until, &kinds, &room])
            .await?
        {
            found.push(from_row(&row, app)?);
        }
        from = until;
    }
    Ok(found)
}

fn from_row(row: &Row, app_id: AppId) -> StoreResult<Arc<Event>> {
    let data: String = column(row, "data")?;
    let call: Option<Uuid> = column(row, "call_id")?;
    Ok(Arc::new(Event {
        seq: column_count(row, "seq")?,
        id: EventId(column(row, "id")?),
        app_id,
        kind: EventType::from_name(column(row, "kind")?)
            .ok_or_else(|| damaged("events", "kind"))?,
        call_id: call.map(CallId),
        at: column_time(row, "at")?,
        recorded_at: column_time(row, "recorded_at")?,
        data: RawValue::from_string(data).map_err(|_| damaged("events", "data"))?,
    }))
}
