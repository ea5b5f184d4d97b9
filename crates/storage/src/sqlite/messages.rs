//! Text messages.

use rusqlite::{Connection, params};
use switchhook_domain::id::AppId;
use switchhook_engine::store::{COUNT_LIMIT, MessageQuery, StoreResult};

use super::session::{blob, fault};

pub(super) fn list(
    conn: &Connection,
    app: AppId,
    query: &MessageQuery,
) -> StoreResult<(Vec<String>, u64)> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM messages \
         WHERE app = (SELECT no FROM apps WHERE id = ?1) LIMIT {COUNT_LIMIT})"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let total: i64 = statement
        .query_row([blob(&app.0)], |row| row.get(0))
        .map_err(fault)?;
    let sql = "SELECT record FROM messages WHERE app = (SELECT no FROM apps WHERE id = ?1) \
               ORDER BY sent_at DESC, connection_id DESC, external_id DESC LIMIT ?2 OFFSET ?3";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let rows = statement
        .query_map(
            params![blob(&app.0), query.limit.clamp(1, 100), query.offset],
            |row| row.get(0),
        )
        .map_err(fault)?;
    let records = rows.collect::<rusqlite::Result<_>>().map_err(fault)?;
    Ok((records, u64::try_from(total).unwrap_or(0)))
}
