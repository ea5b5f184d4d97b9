//! Who may come in: one-time sign-in links and sessions.

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AgentId, AppId, KeyId, UserId};
use switchhook_engine::store::{Grant, Role, StoreResult};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::reader::Readers;
use super::session::{At, column, column_time};
use crate::columns::damaged;

const GRANT: &str = "app_id, role, user_id, agent_id, key_id, expires_at";

pub(super) async fn put_sign_in_link(db: &Readers, grant: &Grant) -> StoreResult<()> {
    put(db, "sign_in_links", grant).await
}

/// Takes the link, and sweeps out the links and sessions whose time is over.
pub(super) async fn take_sign_in_link(
    db: &Readers,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<Grant>> {
    let now = At::from(now);
    // Of two at once, the one that deletes the row has it.
    let sql = format!("DELETE FROM sign_in_links WHERE token_hash = $1 RETURNING {GRANT}");
    // A link does not say whose it is, and what is over goes for all apps.
    let db = db.everywhere();
    let taken = db.one(&sql, &[&hash.as_slice()]).await?;
    db.execute("DELETE FROM sign_in_links WHERE expires_at <= $1", &[&now])
        .await?;
    db.execute("DELETE FROM sessions WHERE expires_at <= $1", &[&now])
        .await?;
    let Some(row) = taken else { return Ok(None) };
    let grant = grant_from_row(&row, hash)?;
    Ok(Some(grant).filter(|grant| At::from(grant.expires_at).0 > now.0))
}

pub(super) async fn put_session(db: &Readers, grant: &Grant) -> StoreResult<()> {
    put(db, "sessions", grant).await
}

pub(super) async fn session(
    db: &Readers,
    hash: &[u8; 32],
    now: Timestamp,
) -> StoreResult<Option<Grant>> {
    let sql = format!("SELECT {GRANT} FROM sessions WHERE token_hash = $1 AND expires_at > $2");
    // A cookie does not say whose it is.
    let params: [&(dyn ToSql + Sync); 2] = [&hash.as_slice(), &At::from(now)];
    let found = db.everywhere().one(&sql, &params).await?;
    found.map(|row| grant_from_row(&row, hash)).transpose()
}

pub(super) async fn delete_session(db: &Readers, hash: &[u8; 32]) -> StoreResult<()> {
    let sql = "DELETE FROM sessions WHERE token_hash = $1";
    // A cookie does not say whose it is.
    let db = db.everywhere();
    db.execute(sql, &[&hash.as_slice()]).await.map(drop)
}

async fn put(db: &Readers, table: &str, grant: &Grant) -> StoreResult<()> {
    let sql = format!(
        "INSERT INTO {table} (token_hash, {GRANT}) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (token_hash) DO UPDATE SET app_id = excluded.app_id, role = excluded.role, \
         user_id = excluded.user_id, agent_id = excluded.agent_id, key_id = excluded.key_id, \
         expires_at = excluded.expires_at"
    );
    let (hash, expires_at) = (grant.token_hash.as_slice(), At::from(grant.expires_at));
    db.of(grant.app_id)
        .execute(
            &sql,
            &[
                &hash,
                &grant.app_id.0,
                &grant.role.as_str(),
                &grant.user_id.map(|id| id.0),
                &grant.agent_id.map(|id| id.0),
                &grant.key_id.map(|id| id.0),
                &expires_at,
            ],
        )
        .await
        .map(drop)
}

fn grant_from_row(row: &Row, hash: &[u8; 32]) -> StoreResult<Grant> {
    let role = Role::from_name(column(row, "role")?);
    Ok(Grant {
        token_hash: *hash,
        app_id: AppId(column(row, "app_id")?),
        role: role.ok_or_else(|| damaged("a grant", "role"))?,
        user_id: column::<Option<Uuid>>(row, "user_id")?.map(UserId),
        agent_id: column::<Option<Uuid>>(row, "agent_id")?.map(AgentId),
        key_id: column::<Option<Uuid>>(row, "key_id")?.map(KeyId),
        expires_at: column_time(row, "expires_at")?,
    })
}
