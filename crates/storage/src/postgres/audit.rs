//! The audit log.

use async_trait::async_trait;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{AuditEntry, AuditQuery, AuditStore, StoreResult};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::reader::Scoped;
use super::session::{At, column, column_count, column_time};
use crate::columns::{bytes32, clean, damaged, from_json, to_json};

const TABLE: &str = "audit";
const COLUMNS: &str = "chain, no, at, actor, address, request_id, action, target, status, \
                       before, after, hash";

fn chain(app: Option<AppId>) -> Uuid {
    app.map_or(Uuid::nil(), |app| app.0)
}

impl PostgresStore {
    /// The chain as the scope: the operators' own is guarded like an app's.
    fn of_chain(&self, app: Option<AppId>) -> Scoped<'_> {
        self.readers.of(AppId(chain(app)))
    }
}

#[async_trait]
impl AuditStore for PostgresStore {
    async fn audit_head(&self, app: Option<AppId>) -> StoreResult<Option<(u64, [u8; 32])>> {
        let sql = "SELECT no, hash FROM audit WHERE chain = $1 ORDER BY no DESC LIMIT 1";
        let found = self.of_chain(app).one(sql, &[&chain(app)]).await?;
        let head = found.map(|row| Ok((column_count(&row, "no")?, hash(&row)?)));
        head.transpose()
    }

    async fn append_audit(&self, entry: &AuditEntry) -> StoreResult<bool> {
        let sql = format!(
            "INSERT INTO audit ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
             $11, $12) ON CONFLICT (chain, no) DO NOTHING"
        );
        let no = i64::try_from(entry.no).map_err(|_| damaged(TABLE, "no"))?;
        let actor = to_json(&entry.actor, TABLE, "actor")?;
        let params: [&(dyn ToSql + Sync); 12] = [
            &chain(entry.app_id),
            &no,
            &At::from(entry.at),
            &actor,
            &entry.address,
            &entry.request_id,
            &entry.action,
            &entry.target,
            &i32::from(entry.status),
            &entry.before,
            &entry.after,
            &&entry.hash[..],
        ];
        Ok(self.of_chain(entry.app_id).execute(&sql, &params).await? == 1)
    }

    async fn audit(&self, app: Option<AppId>, query: &AuditQuery) -> StoreResult<Vec<AuditEntry>> {
        // Only what is asked for, so that an index can serve it.
        let when = |given: bool, so: &'static str, none: &'static str| {
            if given { so } else { none }
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE chain = $1 AND no < $2 \
             AND {} AND {} AND {} ORDER BY no DESC LIMIT $6",
            when(query.action.is_some(), "action = $3", "$3::text IS NULL"),
            when(query.since.is_some(), "at >= $4", "$4::timestamptz IS NULL"),
            when(query.until.is_some(), "at < $5", "$5::timestamptz IS NULL"),
        );
        let before = query.before.and_then(|no| i64::try_from(no).ok());
        let action = query.action.as_deref().map(clean);
        let (since, until) = (query.since.map(At::from), query.until.map(At::from));
        let params: [&(dyn ToSql + Sync); 6] = [
            &chain(app),
            &before.unwrap_or(i64::MAX),
            &action,
            &since,
            &until,
            &i64::from(query.limit),
        ];
        let rows = self.of_chain(app).query(&sql, &params).await?;
        rows.iter().map(entry).collect()
    }

    async fn audit_after(
        &self,
        app: Option<AppId>,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE chain = $1 AND no > $2 ORDER BY no LIMIT $3"
        );
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let params: [&(dyn ToSql + Sync); 3] = [&chain(app), &after, &i64::from(limit)];
        let rows = self.of_chain(app).query(&sql, &params).await?;
        rows.iter().map(entry).collect()
    }

    async fn audit_chains(&self) -> StoreResult<Vec<Option<AppId>>> {
        let sql = "SELECT DISTINCT chain FROM audit ORDER BY chain";
        // Which chains there are, of all apps, is what is asked for.
        let rows = self.readers.everywhere().query(sql, &[]).await?;
        rows.iter()
            .map(|row| Ok(owner(column(row, "chain")?)))
            .collect()
    }
}

fn owner(chain: Uuid) -> Option<AppId> {
    (!chain.is_nil()).then_some(AppId(chain))
}

fn hash(row: &Row) -> StoreResult<[u8; 32]> {
    let hash: &[u8] = column(row, "hash")?;
    bytes32(hash, TABLE, "hash")
}

fn entry(row: &Row) -> StoreResult<AuditEntry> {
    let status: i32 = column(row, "status")?;
    Ok(AuditEntry {
        app_id: owner(column(row, "chain")?),
        no: column_count(row, "no")?,
        at: column_time(row, "at")?,
        actor: from_json(column(row, "actor")?, TABLE, "actor")?,
        address: column(row, "address")?,
        request_id: column(row, "request_id")?,
        action: column(row, "action")?,
        target: column(row, "target")?,
        status: u16::try_from(status).map_err(|_| damaged(TABLE, "status"))?,
        before: column(row, "before")?,
        after: column(row, "after")?,
        hash: hash(row)?,
    })
}
