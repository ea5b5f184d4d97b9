//! Connections.

use rusqlite::{Connection as Sql, Row, params};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{Connection, StoreError, StoreResult};

use super::apps::must_exist;
use super::session::{blob, conflict, fault, text, uuid};
use crate::columns::{from_json, micros, time, to_json};

const TABLE: &str = "connections";
const COLUMNS: &str = "id, app_id, platform, name, hook_id, config, credentials, \
                       webhook_secrets, created_at, link, last_heard_at";

pub(super) fn create(conn: &Sql, connection: &Connection) -> StoreResult<()> {
    must_exist(conn, connection.app_id)?;
    let link = connection
        .link
        .as_ref()
        .map(|link| to_json(link, TABLE, "link"))
        .transpose()?;
    let sql = format!(
        "INSERT INTO connections ({COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    statement
        .execute(params![
            blob(&connection.id.0),
            blob(&connection.app_id.0),
            connection.platform,
            connection.name,
            connection.hook_id,
            to_json(&connection.config, TABLE, "config")?,
            to_json(&connection.credentials, TABLE, "credentials")?,
            to_json(&connection.webhook_secrets, TABLE, "webhook_secrets")?,
            micros(connection.created_at),
            link,
            connection.last_heard_at.map(micros),
        ])
        .map(drop)
        .map_err(conflict("connection"))
}

pub(super) fn one(conn: &Sql, app: AppId, id: ConnectionId) -> StoreResult<Option<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = ?1 AND app_id = ?2");
    let mut found = query(conn, &sql, params![blob(&id.0), blob(&app.0)])?;
    Ok(found.pop())
}

pub(super) fn by_hook(conn: &Sql, hook_id: &str) -> StoreResult<Option<Connection>> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE hook_id = ?1");
    let mut found = query(conn, &sql, params![hook_id])?;
    Ok(found.pop())
}

pub(super) fn list(conn: &Sql, app: Option<AppId>) -> StoreResult<Vec<Connection>> {
    match app {
        Some(app) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM connections WHERE app_id = ?1 ORDER BY created_at, id"
            );
            query(conn, &sql, params![blob(&app.0)])
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM connections ORDER BY created_at, id");
            query(conn, &sql, params![])
        }
    }
}

pub(super) fn update(conn: &Sql, connection: &Connection) -> StoreResult<()> {
    let sql = "UPDATE connections \
               SET name = ?3, config = ?4, credentials = ?5, webhook_secrets = ?6 \
               WHERE id = ?1 AND app_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement
        .execute(params![
            blob(&connection.id.0),
            blob(&connection.app_id.0),
            connection.name,
            to_json(&connection.config, TABLE, "config")?,
            to_json(&connection.credentials, TABLE, "credentials")?,
            to_json(&connection.webhook_secrets, TABLE, "webhook_secrets")?,
        ])
        .map_err(fault)?;
    if found == 0 {
        Err(StoreError::NotFound("connection"))
    } else {
        Ok(())
    }
}

pub(super) fn delete(conn: &Sql, app: AppId, id: ConnectionId) -> StoreResult<()> {
    let sql = "DELETE FROM connections WHERE id = ?1 AND app_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement
        .execute(params![blob(&id.0), blob(&app.0)])
        .map_err(fault)?;
    if found == 0 {
        Err(StoreError::NotFound("connection"))
    } else {
        Ok(())
    }
}

fn query(conn: &Sql, sql: &str, params: impl rusqlite::Params) -> StoreResult<Vec<Connection>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> StoreResult<Connection> {
    let link: Option<String> = row.get(9).map_err(fault)?;
    Ok(Connection {
        id: ConnectionId(uuid(row, 0).map_err(fault)?),
        app_id: AppId(uuid(row, 1).map_err(fault)?),
        platform: row.get(2).map_err(fault)?,
        name: row.get(3).map_err(fault)?,
        hook_id: row.get(4).map_err(fault)?,
        config: from_json(text(row, 5).map_err(fault)?, TABLE, "config")?,
        credentials: from_json(text(row, 6).map_err(fault)?, TABLE, "credentials")?,
        webhook_secrets: from_json(text(row, 7).map_err(fault)?, TABLE, "webhook_secrets")?,
        created_at: time(row.get(8).map_err(fault)?),
        link: link
            .map(|link| from_json(&link, TABLE, "link"))
            .transpose()?,
        last_heard_at: row.get::<_, Option<i64>>(10).map_err(fault)?.map(time),
    })
}
