//! What we hold at vendors: tokens, subscriptions, sign-ins under way, leases, mapping files.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{
    OAuthStart, StoreError, StoreResult, StoredMapping, StoredSubscription, StoredTokens,
    VendorStore,
};
use uuid::Uuid;

use super::SqliteStore;
use super::connections;
use super::session::{blob, fault, optional, text, uuid};
use crate::columns::{bytes32, damaged, from_json, micros, time, to_json};

const TOKENS: &str = "connection_id, app_id, sealed, expires_at, version, updated_at, fault";
const SUBSCRIPTIONS: &str = "connection_id, app_id, state, due_at, confirmed_at, fault, failures";
const STARTS: &str = "state_hash, app_id, connection_id, browser_hash, sealed_verifier, \
                      redirect_uri, return_to, expires_at";

#[async_trait]
impl VendorStore for SqliteStore {
    async fn tokens(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<StoredTokens>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {TOKENS} FROM oauth_tokens WHERE connection_id = ?1 AND app_id = ?2"
            );
            Ok(list(c, &sql, params![blob(&id.0), blob(&app.0)], tokens_from_row)?.pop())
        })
        .await
    }

    async fn put_tokens(&self, tokens: &StoredTokens, expected: u64) -> StoreResult<bool> {
        let tokens = tokens.clone();
        self.write(move |c| put_tokens(c, &tokens, expected)).await
    }

    async fn delete_tokens(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        self.write(move |c| {
            let sql = "DELETE FROM oauth_tokens WHERE connection_id = ?1 AND app_id = ?2";
            execute(c, sql, params![blob(&id.0), blob(&app.0)]).map(drop)
        })
        .await
    }

    async fn expiring_tokens(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredTokens>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {TOKENS} FROM oauth_tokens WHERE fault IS NULL \
                 AND expires_at IS NOT NULL AND expires_at < ?1 \
                 ORDER BY expires_at, connection_id LIMIT ?2"
            );
            list(c, &sql, params![micros(before), limit], tokens_from_row)
        })
        .await
    }

    async fn subscription(
        &self,
        app: AppId,
        id: ConnectionId,
    ) -> StoreResult<Option<StoredSubscription>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {SUBSCRIPTIONS} FROM subscriptions \
                 WHERE connection_id = ?1 AND app_id = ?2"
            );
            let found = list(
                c,
                &sql,
                params![blob(&id.0), blob(&app.0)],
                subscription_from_row,
            );
            Ok(found?.pop())
        })
        .await
    }

    async fn put_subscription(&self, new: &StoredSubscription) -> StoreResult<()> {
        let new = new.clone();
        self.write(move |c| put_subscription(c, &new)).await
    }

    async fn delete_subscription(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        self.write(move |c| {
            let sql = "DELETE FROM subscriptions WHERE connection_id = ?1 AND app_id = ?2";
            execute(c, sql, params![blob(&id.0), blob(&app.0)]).map(drop)
        })
        .await
    }

    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredSubscription>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {SUBSCRIPTIONS} FROM subscriptions WHERE due_at <= ?1 \
                 ORDER BY due_at, connection_id LIMIT ?2"
            );
            list(c, &sql, params![micros(now), limit], subscription_from_row)
        })
        .await
    }

    async fn take_lease(
        &self,
        name: &str,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<bool> {
        let name = name.to_owned();
        self.write(move |c| {
            let sql = "INSERT INTO leases AS l (name, owner, held_until) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, \
                       held_until = excluded.held_until \
                       WHERE l.owner = excluded.owner OR l.held_until <= ?4";
            let params = params![name, blob(&owner), micros(until), micros(now)];
            Ok(execute(c, sql, params)? == 1)
        })
        .await
    }

    async fn release_lease(&self, name: &str, owner: Uuid) -> StoreResult<()> {
        let name = name.to_owned();
        self.write(move |c| {
            let sql = "DELETE FROM leases WHERE name = ?1 AND owner = ?2";
            execute(c, sql, params![name, blob(&owner)]).map(drop)
        })
        .await
    }

    async fn put_oauth_start(&self, start: &OAuthStart, now: Timestamp) -> StoreResult<()> {
        let start = start.clone();
        self.write(move |c| put_oauth_start(c, &start, now)).await
    }

    async fn take_oauth_start(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OAuthStart>> {
        let hash = *state_hash;
        self.write(move |c| {
            let sql = format!("DELETE FROM oauth_starts WHERE state_hash = ?1 RETURNING {STARTS}");
            let taken = list(c, &sql, params![hash], start_from_row)?.pop();
            Ok(taken.filter(|start| micros(start.expires_at) > micros(now)))
        })
        .await
    }

    async fn mappings(&self) -> StoreResult<Vec<StoredMapping>> {
        self.read(|c| {
            let sql = "SELECT platform, text, updated_at FROM mappings ORDER BY platform";
            list(c, sql, params![], |row| {
                Ok(StoredMapping {
                    platform: row.get(0).map_err(fault)?,
                    text: row.get(1).map_err(fault)?,
                    updated_at: time(row.get(2).map_err(fault)?),
                })
            })
        })
        .await
    }

    async fn put_mapping(&self, mapping: &StoredMapping) -> StoreResult<()> {
        let mapping = mapping.clone();
        self.write(move |c| {
            let sql = "INSERT INTO mappings (platform, text, updated_at) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (platform) DO UPDATE SET text = excluded.text, \
                       updated_at = excluded.updated_at";
            let params = params![mapping.platform, mapping.text, micros(mapping.updated_at)];
            execute(c, sql, params).map(drop)
        })
        .await
    }

    async fn delete_mapping(&self, platform: &str) -> StoreResult<bool> {
        let platform = platform.to_owned();
        self.write(move |c| {
            let sql = "DELETE FROM mappings WHERE platform = ?1";
            Ok(execute(c, sql, params![platform])? == 1)
        })
        .await
    }
}

/// Fails unless the app has this connection.
fn connection_must_exist(conn: &Sql, app: AppId, id: ConnectionId) -> StoreResult<()> {
    let found = connections::one(conn, app, id)?;
    found.map(drop).ok_or(StoreError::NotFound("connection"))
}

fn put_tokens(conn: &Sql, tokens: &StoredTokens, expected: u64) -> StoreResult<bool> {
    connection_must_exist(conn, tokens.app_id, tokens.connection_id)?;
    let sql = "SELECT version FROM oauth_tokens WHERE connection_id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let known =
        optional(statement.query_row([blob(&tokens.connection_id.0)], |row| row.get::<_, i64>(0)))?;
    if known.unwrap_or(0) != version(expected)? {
        return Ok(false);
    }
    // Nothing comes between: there is one writer.
    let sql = format!(
        "INSERT INTO oauth_tokens ({TOKENS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (connection_id) DO UPDATE SET sealed = excluded.sealed, \
         expires_at = excluded.expires_at, version = excluded.version, \
         updated_at = excluded.updated_at, fault = excluded.fault"
    );
    let params = params![
        blob(&tokens.connection_id.0),
        blob(&tokens.app_id.0),
        tokens.sealed,
        tokens.expires_at.map(micros),
        version(tokens.version)?,
        micros(tokens.updated_at),
        tokens.fault,
    ];
    Ok(execute(conn, &sql, params)? == 1)
}

fn put_subscription(conn: &Sql, new: &StoredSubscription) -> StoreResult<()> {
    connection_must_exist(conn, new.app_id, new.connection_id)?;
    let sql = format!(
        "INSERT INTO subscriptions ({SUBSCRIPTIONS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (connection_id) DO UPDATE SET state = excluded.state, \
         due_at = excluded.due_at, confirmed_at = excluded.confirmed_at, \
         fault = excluded.fault, failures = excluded.failures"
    );
    let params = params![
        blob(&new.connection_id.0),
        blob(&new.app_id.0),
        to_json(&new.state, "subscriptions", "state")?,
        micros(new.due_at),
        new.confirmed_at.map(micros),
        new.fault,
        new.failures,
    ];
    execute(conn, &sql, params).map(drop)
}

fn put_oauth_start(conn: &Sql, start: &OAuthStart, now: Timestamp) -> StoreResult<()> {
    connection_must_exist(conn, start.app_id, start.connection_id)?;
    let sql = "DELETE FROM oauth_starts WHERE expires_at <= ?1";
    execute(conn, sql, params![micros(now)])?;
    let sql = format!(
        "INSERT OR REPLACE INTO oauth_starts ({STARTS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
    );
    let params = params![
        start.state_hash,
        blob(&start.app_id.0),
        blob(&start.connection_id.0),
        start.browser_hash,
        start.sealed_verifier,
        start.redirect_uri,
        start.return_to,
        micros(start.expires_at),
    ];
    execute(conn, &sql, params).map(drop)
}

fn execute(conn: &Sql, sql: &str, params: impl rusqlite::Params) -> StoreResult<usize> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    statement.execute(params).map_err(fault)
}

fn list<T>(
    conn: &Sql,
    sql: &str,
    params: impl rusqlite::Params,
    from_row: impl Fn(&Row<'_>) -> StoreResult<T>,
) -> StoreResult<Vec<T>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn version(version: u64) -> StoreResult<i64> {
    i64::try_from(version).map_err(|_| damaged("oauth_tokens", "version"))
}

fn tokens_from_row(row: &Row<'_>) -> StoreResult<StoredTokens> {
    let version: i64 = row.get(4).map_err(fault)?;
    Ok(StoredTokens {
        connection_id: ConnectionId(uuid(row, 0).map_err(fault)?),
        app_id: AppId(uuid(row, 1).map_err(fault)?),
        sealed: row.get(2).map_err(fault)?,
        expires_at: row.get::<_, Option<i64>>(3).map_err(fault)?.map(time),
        version: u64::try_from(version).map_err(|_| damaged("oauth_tokens", "version"))?,
        updated_at: time(row.get(5).map_err(fault)?),
        fault: row.get(6).map_err(fault)?,
    })
}

fn subscription_from_row(row: &Row<'_>) -> StoreResult<StoredSubscription> {
    Ok(StoredSubscription {
        connection_id: ConnectionId(uuid(row, 0).map_err(fault)?),
        app_id: AppId(uuid(row, 1).map_err(fault)?),
        state: from_json(text(row, 2).map_err(fault)?, "subscriptions", "state")?,
        due_at: time(row.get(3).map_err(fault)?),
        confirmed_at: row.get::<_, Option<i64>>(4).map_err(fault)?.map(time),
        fault: row.get(5).map_err(fault)?,
        failures: row.get(6).map_err(fault)?,
    })
}

fn start_from_row(row: &Row<'_>) -> StoreResult<OAuthStart> {
    let hash = |index, column| -> StoreResult<[u8; 32]> {
        let bytes: Vec<u8> = row.get(index).map_err(fault)?;
        bytes32(&bytes, "oauth_starts", column)
    };
    Ok(OAuthStart {
        state_hash: hash(0, "state_hash")?,
        app_id: AppId(uuid(row, 1).map_err(fault)?),
        connection_id: ConnectionId(uuid(row, 2).map_err(fault)?),
        browser_hash: hash(3, "browser_hash")?,
        sealed_verifier: row.get(4).map_err(fault)?,
        redirect_uri: row.get(5).map_err(fault)?,
        return_to: row.get(6).map_err(fault)?,
        expires_at: time(row.get(7).map_err(fault)?),
    })
}
