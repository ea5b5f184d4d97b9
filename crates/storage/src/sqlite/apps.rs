//! Apps.

use rusqlite::{Connection, Row, params};
use switchhook_domain::id::AppId;
use switchhook_engine::store::{App, StoreError, StoreResult};

use super::session::{blob, conflict, fault, optional, uuid};
use crate::columns::{micros, time};

const COLUMNS: &str = "id, name, country, active, epoch, created_at";

pub(super) fn create(conn: &Connection, app: &App) -> StoreResult<()> {
    let sql = "INSERT INTO apps (id, name, country, active, epoch, created_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    statement
        .execute(params![
            blob(&app.id.0),
            app.name,
            app.country,
            app.active,
            blob(&app.epoch),
            micros(app.created_at),
        ])
        .map(drop)
        .map_err(conflict("app"))
}

pub(super) fn one(conn: &Connection, id: AppId) -> StoreResult<Option<App>> {
    let sql = format!("SELECT {COLUMNS} FROM apps WHERE id = ?1");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    optional(statement.query_row([blob(&id.0)], from_row))
}

pub(super) fn all(conn: &Connection) -> StoreResult<Vec<App>> {
    let sql = format!("SELECT {COLUMNS} FROM apps ORDER BY created_at, id");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let rows = statement.query_map([], from_row).map_err(fault)?;
    rows.collect::<rusqlite::Result<_>>().map_err(fault)
}

pub(super) fn update(conn: &Connection, app: &App) -> StoreResult<()> {
    let sql = "UPDATE apps SET name = ?2, country = ?3, active = ?4 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement
        .execute(params![blob(&app.id.0), app.name, app.country, app.active])
        .map_err(fault)?;
    if found == 0 {
        Err(StoreError::NotFound("app"))
    } else {
        Ok(())
    }
}

/// Fails unless the app exists.
pub(super) fn must_exist(conn: &Connection, id: AppId) -> StoreResult<()> {
    one(conn, id)?.map(drop).ok_or(StoreError::NotFound("app"))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<App> {
    Ok(App {
        id: AppId(uuid(row, 0)?),
        name: row.get(1)?,
        country: row.get(2)?,
        active: row.get(3)?,
        epoch: uuid(row, 4)?,
        created_at: time(row.get(5)?),
    })
}
