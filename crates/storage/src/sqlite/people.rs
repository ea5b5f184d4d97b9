//! Who may come in: API keys, one-time sign-in links, sessions.

use rusqlite::{Connection, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AgentId, AppId, KeyId, UserId};
use switchhook_engine::store::{ApiKey, Grant, Role, StoreError, StoreResult};

use super::apps::must_exist;
use super::session::{blob, conflict, fault, optional, text, uuid, uuid_opt};
use crate::columns::{damaged, micros, time};

const GRANT: &str = "app_id, role, user_id, agent_id, key_id, expires_at";
const KEY: &str = "id, app_id, name, lookup, hash, hint, created_at, expires_at, revoked_at";

pub(super) fn create_key(conn: &Connection, key: &ApiKey) -> StoreResult<()> {
    must_exist(conn, key.app_id)?;
    let sql = format!("INSERT INTO api_keys ({KEY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    statement
        .execute(params![
            blob(&key.id.0),
            blob(&key.app_id.0),
            key.name,
            key.lookup,
            key.hash,
            key.hint,
            micros(key.created_at),
            key.expires_at.map(micros),
            key.revoked_at.map(micros),
        ])
        .map(drop)
        .map_err(conflict("key"))
}

pub(super) fn key_by_lookup(conn: &Connection, lookup: &str) -> StoreResult<Option<ApiKey>> {
    let sql = format!("SELECT {KEY} FROM api_keys WHERE lookup = ?1");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    optional(statement.query_row([lookup], key_from_row))
}

pub(super) fn keys(conn: &Connection, app: AppId) -> StoreResult<Vec<ApiKey>> {
    let sql =
        format!("SELECT {KEY} FROM api_keys WHERE app_id = ?1 ORDER BY created_at DESC, id DESC");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let rows = statement
        .query_map([blob(&app.0)], key_from_row)
        .map_err(fault)?;
    rows.collect::<rusqlite::Result<_>>().map_err(fault)
}

pub(super) fn revoke_key(
    conn: &Connection,
    app: AppId,
    id: KeyId,
    at: Timestamp,
) -> StoreResult<()> {
    let sql = "UPDATE api_keys SET revoked_at = ifnull(revoked_at, ?3) \
               WHERE id = ?1 AND app_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement
        .execute(params![blob(&id.0), blob(&app.0), micros(at)])
        .map_err(fault)?;
    if found == 0 {
        Err(StoreError::NotFound("key"))
    } else {
        Ok(())
    }
}

pub(super) fn put_sign_in_link(conn: &Connection, grant: &Grant) -> StoreResult<()> {
    put(conn, "sign_in_links", grant)
}

/// Takes the link, and sweeps out the links and sessions whose time is over.
pub(super) fn take_sign_in_link(
    conn: &Connection,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<Grant>> {
    let grant = find(conn, "sign_in_links", hash, now)?;
    conn.prepare_cached("DELETE FROM sign_in_links WHERE token_hash = ?1 OR expires_at <= ?2")
        .and_then(|mut statement| statement.execute(params![hash, micros(now)]))
        .map_err(fault)?;
    conn.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1")
        .and_then(|mut statement| statement.execute(params![micros(now)]))
        .map_err(fault)?;
    Ok(grant)
}

pub(super) fn put_session(conn: &Connection, grant: &Grant) -> StoreResult<()> {
    put(conn, "sessions", grant)
}

pub(super) fn session(
    conn: &Connection,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<Grant>> {
    find(conn, "sessions", hash, now)
}

pub(super) fn delete_session(conn: &Connection, hash: &[u8; 32]) -> StoreResult<()> {
    conn.prepare_cached("DELETE FROM sessions WHERE token_hash = ?1")
        .and_then(|mut statement| statement.execute(params![hash]))
        .map(drop)
        .map_err(fault)
}

fn put(conn: &Connection, table: &str, grant: &Grant) -> StoreResult<()> {
    must_exist(conn, grant.app_id)?;
    let sql = format!(
        "INSERT INTO {table} (token_hash, {GRANT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (token_hash) DO UPDATE SET app_id = excluded.app_id, role = excluded.role, \
         user_id = excluded.user_id, agent_id = excluded.agent_id, key_id = excluded.key_id, \
         expires_at = excluded.expires_at"
    );
    let expires_at = micros(grant.expires_at);
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    statement
        .execute(params![
            grant.token_hash,
            blob(&grant.app_id.0),
            grant.role.as_str(),
            grant.user_id.as_ref().map(|id| blob(&id.0)),
            grant.agent_id.as_ref().map(|id| blob(&id.0)),
            grant.key_id.as_ref().map(|id| blob(&id.0)),
            expires_at
        ])
        .map(drop)
        .map_err(fault)
}

fn find(
    conn: &Connection,
    table: &str,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<Grant>> {
    let sql = format!("SELECT {GRANT} FROM {table} WHERE token_hash = ?1 AND expires_at > ?2");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let found = statement.query_row(params![hash, micros(now)], |row| {
        let grant = |role| {
            Ok::<_, rusqlite::Error>(Grant {
                token_hash: *hash,
                app_id: AppId(uuid(row, 0)?),
                role,
                user_id: uuid_opt(row, 2)?.map(UserId),
                agent_id: uuid_opt(row, 3)?.map(AgentId),
                key_id: uuid_opt(row, 4)?.map(KeyId),
                expires_at: time(row.get(5)?),
            })
        };
        Role::from_name(text(row, 1)?).map(grant).transpose()
    });
    let Some(grant) = optional(found)? else {
        return Ok(None);
    };
    grant.map(Some).ok_or_else(|| damaged(table, "role"))
}

fn key_from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: KeyId(uuid(row, 0)?),
        app_id: AppId(uuid(row, 1)?),
        name: row.get(2)?,
        lookup: row.get(3)?,
        hash: row.get(4)?,
        hint: row.get(5)?,
        created_at: time(row.get(6)?),
        expires_at: row.get::<_, Option<i64>>(7)?.map(time),
        revoked_at: row.get::<_, Option<i64>>(8)?.map(time),
    })
}
