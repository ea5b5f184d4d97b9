//! Deleting what is too old: raw notifications, and the beginning of each log.

use rusqlite::{Connection, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use switchhook_engine::store::StoreResult;

use super::apps;
use super::events::{head, place};
use super::session::{blob, fault};
use crate::columns::micros;

pub(super) fn prune(
    conn: &Connection,
    notifications_before: Timestamp,
    events_before: Timestamp,
    limit: u32,
) -> StoreResult<(u64, u64)> {
    let (mut notifications, mut events) = (0, 0);
    let limit = u64::from(limit);
    let mut all: Vec<AppId> = apps::all(conn)?.into_iter().map(|app| app.id).collect();
    all.sort_unstable();
    for app in all {
        notifications += old_notifications(
            conn,
            app,
            micros(notifications_before),
            limit - notifications,
        )?;
        events += old_events(conn, app, micros(events_before), limit - events)?;
    }
    Ok((notifications, events))
}

/// Walks from the oldest id, which is the oldest in time, to the first one to be kept.
fn old_notifications(conn: &Connection, app: AppId, before: i64, limit: u64) -> StoreResult<u64> {
    let mut find = conn
        .prepare_cached(
            "SELECT row, received_at FROM notifications \
             WHERE app = (SELECT no FROM apps WHERE id = ?1) ORDER BY id LIMIT ?2",
        )
        .map_err(fault)?;
    let old = rows_before(&mut find, params![blob(&app.0), sql_limit(limit)], before)?;
    let mut delete = conn
        .prepare_cached("DELETE FROM notifications WHERE row = ?1")
        .map_err(fault)?;
    for row in &old {
        delete.execute([row]).map_err(fault)?;
    }
    Ok(old.len() as u64)
}

/// The same for events: the log loses its beginning, never its middle.
fn old_events(conn: &Connection, app: AppId, before: i64, limit: u64) -> StoreResult<u64> {
    let Some((no, position)) = head(conn, app)? else {
        return Ok(0);
    };
    let (first, last) = (place(no, 0)?, place(no, position.head)?);
    let mut find = conn
        .prepare_cached(
            "SELECT place, recorded_at FROM events WHERE place BETWEEN ?1 AND ?2 \
             ORDER BY place LIMIT ?3",
        )
        .map_err(fault)?;
    let old = rows_before(&mut find, params![first, last, sql_limit(limit)], before)?;
    if let Some(last) = old.last() {
        conn.prepare_cached("DELETE FROM events WHERE place BETWEEN ?1 AND ?2")
            .and_then(|mut statement| statement.execute(params![first, last]))
            .map_err(fault)?;
    }
    Ok(old.len() as u64)
}

fn rows_before(
    find: &mut rusqlite::CachedStatement<'_>,
    params: impl rusqlite::Params,
    before: i64,
) -> StoreResult<Vec<i64>> {
    let mut rows = find.query(params).map_err(fault)?;
    let mut old = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        if row.get::<_, i64>(1).map_err(fault)? >= before {
            break;
        }
        old.push(row.get(0).map_err(fault)?);
    }
    Ok(old)
}

fn sql_limit(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
