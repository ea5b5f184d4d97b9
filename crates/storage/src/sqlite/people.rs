//! Who may come in: one-time sign-in links and sessions.

use rusqlite::{Connection, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AgentId, AppId, KeyId, UserId};
use switchhook_engine::store::{Grant, Role, StoreResult};

use super::apps::must_exist;
use super::session::{blob, fault, optional, text, uuid, uuid_opt};
use crate::columns::{damaged, micros, time};

const GRANT: &str = "app_id, role, user_id, agent_id, key_id, expires_at";

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
