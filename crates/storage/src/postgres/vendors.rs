//! What we hold at vendors: tokens, subscriptions, sign-ins under way, leases, mapping files.
//! Each decision is one statement, so that it is right with any number of nodes.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{
    OAuthStart, StoreError, StoreResult, StoredMapping, StoredSubscription, StoredTokens,
    VendorStore,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::reader::Scoped;
use super::session::{At, column, column_time, column_time_opt};
use crate::columns::{bytes32, clean, damaged, from_json, key, micros, to_json};

const TOKENS: &str = "connection_id, app_id, sealed, expires_at, version, updated_at, fault";
const SUBSCRIPTIONS: &str = "connection_id, app_id, state, due_at, confirmed_at, fault, failures";
const STARTS: &str = "state_hash, app_id, connection_id, browser_hash, sealed_verifier, \
                      redirect_uri, return_to, expires_at";

#[async_trait]
impl VendorStore for PostgresStore {
    async fn tokens(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<StoredTokens>> {
        let sql =
            format!("SELECT {TOKENS} FROM oauth_tokens WHERE connection_id = $1 AND app_id = $2");
        let found = self.readers.of(app).one(&sql, &[&id.0, &app.0]).await?;
        found.as_ref().map(tokens_from_row).transpose()
    }

    async fn put_tokens(&self, tokens: &StoredTokens, expected: u64) -> StoreResult<bool> {
        put_tokens(&self.readers.of(tokens.app_id), tokens, expected).await
    }

    async fn delete_tokens(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        let sql = "DELETE FROM oauth_tokens WHERE connection_id = $1 AND app_id = $2";
        self.readers
            .of(app)
            .execute(sql, &[&id.0, &app.0])
            .await
            .map(drop)
    }

    async fn expiring_tokens(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredTokens>> {
        let sql = format!(
            "SELECT {TOKENS} FROM oauth_tokens WHERE fault IS NULL \
             AND expires_at IS NOT NULL AND expires_at < $1 \
             ORDER BY expires_at, connection_id LIMIT $2"
        );
        let params: [&(dyn ToSql + Sync); 2] = [&At::from(before), &i64::from(limit)];
        // The keeper renews those of all apps.
        let rows = self.readers.everywhere().query(&sql, &params).await?;
        rows.iter().map(tokens_from_row).collect()
    }

    async fn subscription(
        &self,
        app: AppId,
        id: ConnectionId,
    ) -> StoreResult<Option<StoredSubscription>> {
        let sql = format!(
            "SELECT {SUBSCRIPTIONS} FROM subscriptions WHERE connection_id = $1 AND app_id = $2"
        );
        let found = self.readers.of(app).one(&sql, &[&id.0, &app.0]).await?;
        found.as_ref().map(subscription_from_row).transpose()
    }

    async fn put_subscription(&self, new: &StoredSubscription) -> StoreResult<()> {
        put_subscription(&self.readers.of(new.app_id), new).await
    }

    async fn delete_subscription(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        let sql = "DELETE FROM subscriptions WHERE connection_id = $1 AND app_id = $2";
        self.readers
            .of(app)
            .execute(sql, &[&id.0, &app.0])
            .await
            .map(drop)
    }

    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredSubscription>> {
        let sql = format!(
            "SELECT {SUBSCRIPTIONS} FROM subscriptions WHERE due_at <= $1 \
             ORDER BY due_at, connection_id LIMIT $2"
        );
        let params: [&(dyn ToSql + Sync); 2] = [&At::from(now), &i64::from(limit)];
        // The keeper renews those of all apps.
        let rows = self.readers.everywhere().query(&sql, &params).await?;
        rows.iter().map(subscription_from_row).collect()
    }

    async fn take_lease(
        &self,
        name: &str,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<bool> {
        let sql = "INSERT INTO leases AS l (name, owner, held_until) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, \
                   held_until = excluded.held_until \
                   WHERE l.owner = excluded.owner OR l.held_until <= $4";
        let (name, now, until) = (key(name), At::from(now), At::from(until));
        let params: [&(dyn ToSql + Sync); 4] = [&name, &owner, &until, &now];
        Ok(self.readers.no_app().execute(sql, &params).await? == 1)
    }

    async fn release_lease(&self, name: &str, owner: Uuid) -> StoreResult<()> {
        let sql = "DELETE FROM leases WHERE name = $1 AND owner = $2";
        let released = self
            .readers
            .no_app()
            .execute(sql, &[&key(name), &owner])
            .await;
        released.map(drop)
    }

    async fn put_oauth_start(&self, start: &OAuthStart, now: Timestamp) -> StoreResult<()> {
        let sql = "DELETE FROM oauth_starts WHERE expires_at <= $1";
        // What is over goes for all apps.
        let all = self.readers.everywhere();
        all.execute(sql, &[&At::from(now)]).await?;
        put_oauth_start(&self.readers.of(start.app_id), start).await
    }

    async fn take_oauth_start(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OAuthStart>> {
        // Of two at once, the one that deletes the row has it.
        let sql = format!("DELETE FROM oauth_starts WHERE state_hash = $1 RETURNING {STARTS}");
        // A state does not say whose it is.
        let db = self.readers.everywhere();
        let taken = db.one(&sql, &[&state_hash.as_slice()]).await?;
        let start = taken.as_ref().map(start_from_row).transpose()?;
        Ok(start.filter(|start| micros(start.expires_at) > micros(now)))
    }

    async fn mappings(&self) -> StoreResult<Vec<StoredMapping>> {
        let sql = "SELECT platform, text, updated_at FROM mappings ORDER BY platform";
        let rows = self.readers.no_app().query(sql, &[]).await?;
        let read = |row: &Row| {
            Ok(StoredMapping {
                platform: column(row, "platform")?,
                text: column(row, "text")?,
                updated_at: column_time(row, "updated_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn put_mapping(&self, mapping: &StoredMapping) -> StoreResult<()> {
        let sql = "INSERT INTO mappings (platform, text, updated_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (platform) DO UPDATE SET text = excluded.text, \
                   updated_at = excluded.updated_at";
        let (platform, text) = (clean(&mapping.platform), clean(&mapping.text));
        let updated_at = At::from(mapping.updated_at);
        self.readers
            .no_app()
            .execute(sql, &[&platform, &text, &updated_at])
            .await
            .map(drop)
    }

    async fn delete_mapping(&self, platform: &str) -> StoreResult<bool> {
        let sql = "DELETE FROM mappings WHERE platform = $1";
        Ok(self
            .readers
            .no_app()
            .execute(sql, &[&clean(platform)])
            .await?
            == 1)
    }
}

async fn put_tokens(db: &Scoped<'_>, tokens: &StoredTokens, expected: u64) -> StoreResult<bool> {
    // Both ways the old version is compared where the row is locked.
    let sql = if expected == 0 {
        format!(
            "INSERT INTO oauth_tokens ({TOKENS}) SELECT id, app_id, $3::text, \
             $4::timestamptz, $5::bigint, $6::timestamptz, $7::text FROM connections \
             WHERE id = $1 AND app_id = $2 AND $8::bigint = 0 \
             ON CONFLICT (connection_id) DO NOTHING"
        )
    } else {
        "UPDATE oauth_tokens SET sealed = $3, expires_at = $4, version = $5, \
         updated_at = $6, fault = $7 \
         WHERE connection_id = $1 AND app_id = $2 AND version = $8"
            .to_owned()
    };
    let expires_at = tokens.expires_at.map(At::from);
    let sealed = clean(&tokens.sealed);
    let fault = tokens.fault.as_deref().map(clean);
    let params: [&(dyn ToSql + Sync); 8] = [
        &tokens.connection_id.0,
        &tokens.app_id.0,
        &sealed,
        &expires_at,
        &version(tokens.version)?,
        &At::from(tokens.updated_at),
        &fault,
        &version(expected)?,
    ];
    if db.execute(&sql, &params).await? == 1 {
        return Ok(true);
    }
    connection_must_exist(db, tokens.app_id, tokens.connection_id).await?;
    Ok(false)
}

async fn put_subscription(db: &Scoped<'_>, new: &StoredSubscription) -> StoreResult<()> {
    let sql = format!(
        "INSERT INTO subscriptions ({SUBSCRIPTIONS}) SELECT id, app_id, $3::text, \
         $4::timestamptz, $5::timestamptz, $6::text, $7::bigint FROM connections \
         WHERE id = $1 AND app_id = $2 \
         ON CONFLICT (connection_id) DO UPDATE SET state = excluded.state, \
         due_at = excluded.due_at, confirmed_at = excluded.confirmed_at, \
         fault = excluded.fault, failures = excluded.failures"
    );
    let state = to_json(&new.state, "subscriptions", "state")?;
    let confirmed_at = new.confirmed_at.map(At::from);
    let fault = new.fault.as_deref().map(clean);
    let params: [&(dyn ToSql + Sync); 7] = [
        &new.connection_id.0,
        &new.app_id.0,
        &state,
        &At::from(new.due_at),
        &confirmed_at,
        &fault,
        &i64::from(new.failures),
    ];
    stored(db.execute(&sql, &params).await?)
}

async fn put_oauth_start(db: &Scoped<'_>, start: &OAuthStart) -> StoreResult<()> {
    let sql = format!(
        "INSERT INTO oauth_starts ({STARTS}) SELECT $3::bytea, app_id, id, $4::bytea, \
         $5::text, $6::text, $7::text, $8::timestamptz FROM connections \
         WHERE id = $1 AND app_id = $2 \
         ON CONFLICT (state_hash) DO UPDATE SET app_id = excluded.app_id, \
         connection_id = excluded.connection_id, browser_hash = excluded.browser_hash, \
         sealed_verifier = excluded.sealed_verifier, redirect_uri = excluded.redirect_uri, \
         return_to = excluded.return_to, expires_at = excluded.expires_at"
    );
    let (verifier, redirect) = (clean(&start.sealed_verifier), clean(&start.redirect_uri));
    let return_to = start.return_to.as_deref().map(clean);
    let params: [&(dyn ToSql + Sync); 8] = [
        &start.connection_id.0,
        &start.app_id.0,
        &start.state_hash.as_slice(),
        &start.browser_hash.as_slice(),
        &verifier,
        &redirect,
        &return_to,
        &At::from(start.expires_at),
    ];
    stored(db.execute(&sql, &params).await?)
}

/// Of what is inserted beside its connection: no row means that there is no such connection.
fn stored(rows: u64) -> StoreResult<()> {
    if rows == 0 {
        return Err(StoreError::NotFound("connection"));
    }
    Ok(())
}

/// Fails unless the app has this connection.
async fn connection_must_exist(db: &Scoped<'_>, app: AppId, id: ConnectionId) -> StoreResult<()> {
    let sql = "SELECT 1 FROM connections WHERE id = $1 AND app_id = $2";
    let found = db.one(sql, &[&id.0, &app.0]).await?;
    found.map(drop).ok_or(StoreError::NotFound("connection"))
}

fn version(version: u64) -> StoreResult<i64> {
    i64::try_from(version).map_err(|_| damaged("oauth_tokens", "version"))
}

fn tokens_from_row(row: &Row) -> StoreResult<StoredTokens> {
    let version: i64 = column(row, "version")?;
    Ok(StoredTokens {
        connection_id: ConnectionId(column(row, "connection_id")?),
        app_id: AppId(column(row, "app_id")?),
        sealed: column(row, "sealed")?,
        expires_at: column_time_opt(row, "expires_at")?,
        version: u64::try_from(version).map_err(|_| damaged("oauth_tokens", "version"))?,
        updated_at: column_time(row, "updated_at")?,
        fault: column(row, "fault")?,
    })
}

fn subscription_from_row(row: &Row) -> StoreResult<StoredSubscription> {
    let failures: i64 = column(row, "failures")?;
    Ok(StoredSubscription {
        connection_id: ConnectionId(column(row, "connection_id")?),
        app_id: AppId(column(row, "app_id")?),
        state: from_json(column(row, "state")?, "subscriptions", "state")?,
        due_at: column_time(row, "due_at")?,
        confirmed_at: column_time_opt(row, "confirmed_at")?,
        fault: column(row, "fault")?,
        failures: u32::try_from(failures).map_err(|_| damaged("subscriptions", "failures"))?,
    })
}

fn start_from_row(row: &Row) -> StoreResult<OAuthStart> {
    let table = "oauth_starts";
    Ok(OAuthStart {
        state_hash: bytes32(column(row, "state_hash")?, table, "state_hash")?,
        app_id: AppId(column(row, "app_id")?),
        connection_id: ConnectionId(column(row, "connection_id")?),
        browser_hash: bytes32(column(row, "browser_hash")?, table, "browser_hash")?,
        sealed_verifier: column(row, "sealed_verifier")?,
        redirect_uri: column(row, "redirect_uri")?,
        return_to: column(row, "return_to")?,
        expires_at: column_time(row, "expires_at")?,
    })
}
