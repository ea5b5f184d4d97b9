//! API keys: what may be shown to come in, never the keys themselves.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::rights::Scopes;
use switchhook_engine::store::{
    ApiKey, KeyClaim, KeyProof, KeyStore, KeyUse, StoreError, StoreResult,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::session::{At, column, column_time, column_time_opt};
use crate::columns::{bytes32, clean, damaged};

const TABLE: &str = "api_keys";
const COLUMNS: &str = "id, app_id, name, lookup, hash, hint, created_at, expires_at, revoked_at, \
                       scopes, last_used_at, replaces, bcrypt";
const VALUES: &str = "$1::uuid, $2::uuid, $3::text, $4::text, $5::bytea, $6::text, \
                      $7::timestamptz, $8::timestamptz, $9::timestamptz, $10::text, \
                      $11::timestamptz, $12::uuid, $13::text";

#[async_trait]
impl KeyStore for PostgresStore {
    async fn create_key(&self, key: &ApiKey) -> StoreResult<()> {
        let sql = format!("INSERT INTO api_keys ({COLUMNS}) VALUES ({VALUES})");
        let values = Values::of(key);
        let db = self.readers.of(key.app_id);
        db.execute(&sql, &values.params()).await.map(drop)
    }

    async fn key_by_lookup(&self, lookup: &str) -> StoreResult<Option<ApiKey>> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE lookup = $1");
        // Whose key it is, is the question.
        let db = self.readers.everywhere();
        let row = db.one(&sql, &[&clean(lookup)]).await?;
        row.as_ref().map(from_row).transpose()
    }

    async fn key(&self, app: AppId, id: KeyId) -> StoreResult<Option<ApiKey>> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1 AND app_id = $2");
        let row = self.readers.of(app).one(&sql, &[&id.0, &app.0]).await?;
        row.as_ref().map(from_row).transpose()
    }

    async fn keys(&self, app: AppId) -> StoreResult<Vec<ApiKey>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE app_id = $1 ORDER BY created_at DESC, id DESC"
        );
        let rows = self.readers.of(app).query(&sql, &[&app.0]).await?;
        rows.iter().map(from_row).collect()
    }

    async fn revoke_key(&self, app: AppId, id: KeyId, at: Timestamp) -> StoreResult<()> {
        let sql = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) \
                   WHERE id = $1 AND app_id = $2";
        let values: [&(dyn ToSql + Sync); 3] = [&id.0, &app.0, &At::from(at)];
        found(self.readers.of(app).execute(sql, &values).await?)
    }

    async fn rename_key(&self, app: AppId, id: KeyId, name: &str) -> StoreResult<()> {
        let sql = "UPDATE api_keys SET name = $3 WHERE id = $1 AND app_id = $2";
        let values: [&(dyn ToSql + Sync); 3] = [&id.0, &app.0, &clean(name)];
        found(self.readers.of(app).execute(sql, &values).await?)
    }

    async fn rotate_key(&self, new: &ApiKey, old_until: Timestamp) -> StoreResult<()> {
        // One statement: the new key is stored only where the old one could be ended.
        let sql = format!(
            "WITH ended AS ( \
             UPDATE api_keys SET expires_at = least(coalesce(expires_at, $14), $14), \
             revoked_at = CASE WHEN $14::timestamptz <= $7 THEN $7 END \
             WHERE id = $12 AND app_id = $2 AND revoked_at IS NULL RETURNING id) \
             INSERT INTO api_keys ({COLUMNS}) SELECT {VALUES} FROM ended"
        );
        let (values, until) = (Values::of(new), At::from(old_until));
        let mut params = values.params().to_vec();
        params.push(&until);
        found(self.readers.of(new.app_id).execute(&sql, &params).await?)
    }

    async fn unclaimed_keys(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<ApiKey>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE bcrypt IS NOT NULL AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $1) ORDER BY created_at, id LIMIT $2"
        );
        let (now, limit) = (At::from(now), i64::from(limit));
        // Whose key somebody shows, is the question.
        let db = self.readers.everywhere();
        let rows = db.query(&sql, &[&now, &limit]).await?;
        rows.iter().map(from_row).collect()
    }

    async fn claim_key(&self, app: AppId, id: KeyId, claim: &KeyClaim) -> StoreResult<bool> {
        let sql = "UPDATE api_keys SET lookup = $3, hash = $4, hint = $5, bcrypt = NULL \
                   WHERE id = $1 AND app_id = $2 AND bcrypt IS NOT NULL";
        let hash = claim.hash.as_slice();
        let (lookup, hint) = (clean(&claim.lookup), clean(&claim.hint));
        let values: [&(dyn ToSql + Sync); 5] = [&id.0, &app.0, &lookup, &hash, &hint];
        Ok(self.readers.of(app).execute(sql, &values).await? > 0)
    }

    async fn keys_used(&self, uses: &[KeyUse]) -> StoreResult<()> {
        let sql = "UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at) \
                   FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) \
                   AS used (app_id, id, at) \
                   WHERE api_keys.id = used.id AND api_keys.app_id = used.app_id";
        let apps: Vec<Uuid> = uses.iter().map(|one| one.app_id.0).collect();
        let ids: Vec<Uuid> = uses.iter().map(|one| one.key_id.0).collect();
        let times: Vec<At> = uses.iter().map(|one| At::from(one.at)).collect();
        let values: [&(dyn ToSql + Sync); 3] = [&apps, &ids, &times];
        // Keys of all apps at once; each row is matched with its own app.
        let db = self.readers.everywhere();
        db.execute(sql, &values).await.map(drop)
    }
}

/// A key as columns.
struct Values<'a> {
    key: &'a ApiKey,
    texts: [std::borrow::Cow<'a, str>; 3],
    hash: &'a [u8],
    created_at: At,
    times: [Option<At>; 3],
    scopes: String,
    replaces: Option<Uuid>,
    bcrypt: Option<&'a str>,
}

impl<'a> Values<'a> {
    fn of(key: &'a ApiKey) -> Self {
        let (hash, bcrypt) = match &key.proof {
            KeyProof::Hash(hash) => (hash.as_slice(), None),
            KeyProof::Bcrypt(text) => (&[][..], Some(&**text)),
        };
        let times = [key.expires_at, key.revoked_at, key.last_used_at];
        Self {
            key,
            texts: [&key.name, &key.lookup, &key.hint].map(|text| clean(text)),
            hash,
            created_at: At::from(key.created_at),
            times: times.map(|at| at.map(At::from)),
            scopes: key.scopes.to_text(),
            replaces: key.replaces.map(|id| id.0),
            bcrypt,
        }
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 13] {
        [
            &self.key.id.0,
            &self.key.app_id.0,
            &self.texts[0],
            &self.texts[1],
            &self.hash,
            &self.texts[2],
            &self.created_at,
            &self.times[0],
            &self.times[1],
            &self.scopes,
            &self.times[2],
            &self.replaces,
            &self.bcrypt,
        ]
    }
}

fn found(rows: u64) -> StoreResult<()> {
    if rows == 0 {
        Err(StoreError::NotFound("key"))
    } else {
        Ok(())
    }
}

fn from_row(row: &Row) -> StoreResult<ApiKey> {
    let scopes: &str = column(row, "scopes")?;
    let scopes = Scopes::parse([scopes]).map_err(|_| damaged(TABLE, "scopes"))?;
    let proof = match column::<Option<String>>(row, "bcrypt")? {
        Some(text) => KeyProof::Bcrypt(text),
        None => KeyProof::Hash(bytes32(column(row, "hash")?, TABLE, "hash")?),
    };
    Ok(ApiKey {
        id: KeyId(column(row, "id")?),
        app_id: AppId(column(row, "app_id")?),
        name: column(row, "name")?,
        lookup: column(row, "lookup")?,
        proof,
        hint: column(row, "hint")?,
        scopes,
        created_at: column_time(row, "created_at")?,
        expires_at: column_time_opt(row, "expires_at")?,
        revoked_at: column_time_opt(row, "revoked_at")?,
        last_used_at: column_time_opt(row, "last_used_at")?,
        replaces: column::<Option<Uuid>>(row, "replaces")?.map(KeyId),
    })
}
