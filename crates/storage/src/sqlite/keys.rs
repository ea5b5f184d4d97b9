//! API keys: what may be shown to come in, never the keys themselves.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::rights::Scopes;
use switchhook_engine::store::{
    ApiKey, KeyClaim, KeyProof, KeyStore, KeyUse, StoreError, StoreResult,
};

use super::SqliteStore;
use super::apps::must_exist;
use super::session::{blob, conflict, fault, uuid, uuid_opt};
use crate::columns::{damaged, micros, time};

const TABLE: &str = "api_keys";
const COLUMNS: &str = "id, app_id, name, lookup, hash, hint, created_at, expires_at, revoked_at, \
                       scopes, last_used_at, replaces, bcrypt";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn create_key(&self, key: &ApiKey) -> StoreResult<()> {
        let key = key.clone();
        self.write(move |c| insert(c, &key)).await
    }

    async fn key_by_lookup(&self, lookup: &str) -> StoreResult<Option<ApiKey>> {
        let lookup = lookup.to_owned();
        self.read(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE lookup = ?1");
            Ok(query(c, &sql, [lookup])?.pop())
        })
        .await
    }

    async fn key(&self, app: AppId, id: KeyId) -> StoreResult<Option<ApiKey>> {
        self.read(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE id = ?1 AND app_id = ?2");
            Ok(query(c, &sql, params![blob(&id.0), blob(&app.0)])?.pop())
        })
        .await
    }

    async fn keys(&self, app: AppId) -> StoreResult<Vec<ApiKey>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM api_keys WHERE app_id = ?1 ORDER BY created_at DESC, id DESC"
            );
            query(c, &sql, [blob(&app.0)])
        })
        .await
    }

    async fn revoke_key(&self, app: AppId, id: KeyId, at: Timestamp) -> StoreResult<()> {
        self.write(move |c| {
            let sql = "UPDATE api_keys SET revoked_at = ifnull(revoked_at, ?3) \
                       WHERE id = ?1 AND app_id = ?2";
            found(execute(
                c,
                sql,
                params![blob(&id.0), blob(&app.0), micros(at)],
            )?)
        })
        .await
    }

    async fn rename_key(&self, app: AppId, id: KeyId, name: &str) -> StoreResult<()> {
        let name = name.to_owned();
        self.write(move |c| {
            let sql = "UPDATE api_keys SET name = ?3 WHERE id = ?1 AND app_id = ?2";
            found(execute(c, sql, params![blob(&id.0), blob(&app.0), name])?)
        })
        .await
    }

    async fn rotate_key(&self, new: &ApiKey, old_until: Timestamp) -> StoreResult<()> {
        let new = new.clone();
        self.write(move |c| {
            let Some(old) = new.replaces else {
                return Err(StoreError::NotFound("key"));
            };
            let sql = "UPDATE api_keys SET \
                       expires_at = min(ifnull(expires_at, ?3), ?3), \
                       revoked_at = CASE WHEN ?3 <= ?4 THEN ?4 END \
                       WHERE id = ?1 AND app_id = ?2 AND revoked_at IS NULL";
            let (until, made) = (micros(old_until), micros(new.created_at));
            let ended = params![blob(&old.0), blob(&new.app_id.0), until, made];
            found(execute(c, sql, ended)?)?;
            insert(c, &new)
        })
        .await
    }

    async fn unclaimed_keys(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<ApiKey>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM api_keys WHERE bcrypt IS NOT NULL AND revoked_at IS NULL \
                 AND (expires_at IS NULL OR expires_at > ?1) ORDER BY created_at, id LIMIT ?2"
            );
            query(c, &sql, params![micros(now), limit])
        })
        .await
    }

    async fn claim_key(&self, app: AppId, id: KeyId, claim: &KeyClaim) -> StoreResult<bool> {
        let claim = claim.clone();
        self.write(move |c| {
            let sql = "UPDATE api_keys SET lookup = ?3, hash = ?4, hint = ?5, bcrypt = NULL \
                       WHERE id = ?1 AND app_id = ?2 AND bcrypt IS NOT NULL";
            let (id, app) = (blob(&id.0), blob(&app.0));
            let values = params![id, app, claim.lookup, claim.hash, claim.hint];
            Ok(execute(c, sql, values)? > 0)
        })
        .await
    }

    async fn keys_used(&self, uses: &[KeyUse]) -> StoreResult<()> {
        let uses = uses.to_vec();
        self.write(move |c| {
            let sql = "UPDATE api_keys SET last_used_at = max(ifnull(last_used_at, ?3), ?3) \
                       WHERE id = ?1 AND app_id = ?2";
            for one in &uses {
                let (id, app) = (blob(&one.key_id.0), blob(&one.app_id.0));
                execute(c, sql, params![id, app, micros(one.at)])?;
            }
            Ok(())
        })
        .await
    }
}

fn insert(conn: &Connection, key: &ApiKey) -> StoreResult<()> {
    must_exist(conn, key.app_id)?;
    let sql = format!(
        "INSERT INTO api_keys ({COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    let (hash, bcrypt) = match &key.proof {
        KeyProof::Hash(hash) => (hash.as_slice(), None),
        KeyProof::Bcrypt(text) => (&[][..], Some(text)),
    };
    execute(
        conn,
        &sql,
        params![
            blob(&key.id.0),
            blob(&key.app_id.0),
            key.name,
            key.lookup,
            hash,
            key.hint,
            micros(key.created_at),
            key.expires_at.map(micros),
            key.revoked_at.map(micros),
            key.scopes.to_text(),
            key.last_used_at.map(micros),
            key.replaces.as_ref().map(|id| blob(&id.0)),
            bcrypt,
        ],
    )
    .map(drop)
}

fn execute(conn: &Connection, sql: &str, params: impl Params) -> StoreResult<usize> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    statement.execute(params).map_err(conflict("key"))
}

fn found(rows: usize) -> StoreResult<()> {
    if rows == 0 {
        Err(StoreError::NotFound("key"))
    } else {
        Ok(())
    }
}

fn query(conn: &Connection, sql: &str, params: impl Params) -> StoreResult<Vec<ApiKey>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let rows = statement.query_map(params, |row| Ok(from_row(row)));
    let rows = rows.map_err(fault)?;
    rows.map(|row| row.map_err(fault)?).collect()
}

fn from_row(row: &Row<'_>) -> StoreResult<ApiKey> {
    let scopes: String = row.get(9).map_err(fault)?;
    let scopes = Scopes::parse([&*scopes]).map_err(|_| damaged(TABLE, "scopes"))?;
    let bcrypt: Option<String> = row.get(12).map_err(fault)?;
    let proof = match bcrypt {
        Some(text) => KeyProof::Bcrypt(text),
        None => KeyProof::Hash(row.get(4).map_err(fault)?),
    };
    let when = |index: usize| {
        let at = row.get::<_, Option<i64>>(index).map_err(fault)?;
        Ok::<_, StoreError>(at.map(time))
    };
    Ok(ApiKey {
        id: KeyId(uuid(row, 0).map_err(fault)?),
        app_id: AppId(uuid(row, 1).map_err(fault)?),
        name: row.get(2).map_err(fault)?,
        lookup: row.get(3).map_err(fault)?,
        proof,
        hint: row.get(5).map_err(fault)?,
        scopes,
        created_at: time(row.get(6).map_err(fault)?),
        expires_at: when(7)?,
        revoked_at: when(8)?,
        last_used_at: when(10)?,
        replaces: uuid_opt(row, 11).map_err(fault)?.map(KeyId),
    })
}
