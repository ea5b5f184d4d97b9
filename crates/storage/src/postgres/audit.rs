//! The audit log.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{AuditEntry, AuditQuery, AuditStore, BegunDeed, StoreResult};
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

fn insert() -> String {
    format!(
        "INSERT INTO audit ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (chain, no) DO NOTHING"
    )
}

/// What an entry's columns are made of where they are not its members.
struct Owned<'e> {
    chain: Uuid,
    no: i64,
    at: At,
    actor: String,
    status: i32,
    hash: &'e [u8],
}

impl<'e> Owned<'e> {
    fn of(entry: &'e AuditEntry) -> StoreResult<Self> {
        Ok(Self {
            chain: chain(entry.app_id),
            no: i64::try_from(entry.no).map_err(|_| damaged(TABLE, "no"))?,
            at: At::from(entry.at),
            actor: to_json(&entry.actor, TABLE, "actor")?,
            status: i32::from(entry.status),
            hash: &entry.hash,
        })
    }

    /// The parameters of [`insert`].
    fn params<'a>(&'a self, entry: &'a AuditEntry) -> Vec<&'a (dyn ToSql + Sync)> {
        vec![
            &self.chain,
            &self.no,
            &self.at,
            &self.actor,
            &entry.address,
            &entry.request_id,
            &entry.action,
            &entry.target,
            &self.status,
            &entry.before,
            &entry.after,
            &self.hash,
        ]
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
        let owned = Owned::of(entry)?;
        let params = owned.params(entry);
        let of_chain = self.of_chain(entry.app_id);
        Ok(of_chain.execute(&insert(), &params).await? == 1)
    }

    async fn begin_deed(&self, begun: &BegunDeed) -> StoreResult<()> {
        let sql = "INSERT INTO audit_begun (id, chain, begun_at, due_at, deed) \
                   VALUES ($1, $2, $3, $4, $5)";
        let params: [&(dyn ToSql + Sync); 5] = [
            &begun.id,
            &chain(begun.app_id),
            &At::from(begun.begun_at),
            &At::from(begun.due_at),
            &clean(&begun.deed),
        ];
        self.of_chain(begun.app_id).execute(sql, &params).await?;
        Ok(())
    }

    async fn end_deed(&self, entry: &AuditEntry, begun: &BegunDeed) -> StoreResult<bool> {
        let sql = format!(
            "WITH appended AS ({} RETURNING no), ended AS (DELETE FROM audit_begun \
             WHERE id = $13 AND chain = $14 AND EXISTS (SELECT FROM appended)) \
             SELECT count(*) AS appended FROM appended",
            insert()
        );
        let (owned, chain_of_begun) = (Owned::of(entry)?, chain(begun.app_id));
        let mut params = owned.params(entry);
        params.extend([&begun.id as &(dyn ToSql + Sync), &chain_of_begun]);
        // What begins in the operators' log may turn out to be an app's.
        let chains = [chain(entry.app_id), chain_of_begun].map(AppId);
        let row = self.readers.of_all(chains).one(&sql, &params).await?;
        let row = row.ok_or_else(|| damaged(TABLE, "no"))?;
        Ok(column_count(&row, "appended")? == 1)
    }

    async fn claim_due_deeds(
        &self,
        now: Timestamp,
        again: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<BegunDeed>> {
        let sql = "UPDATE audit_begun SET due_at = $2 WHERE id IN \
                   (SELECT id FROM audit_begun WHERE due_at <= $1 ORDER BY due_at LIMIT $3 \
                   FOR UPDATE SKIP LOCKED) RETURNING id, chain, begun_at, due_at, deed";
        let params: [&(dyn ToSql + Sync); 3] =
            [&At::from(now), &At::from(again), &i64::from(limit)];
        // What is due, of all apps.
        let rows = self.readers.everywhere().query(sql, &params).await?;
        let claimed = rows.iter().map(|row| {
            Ok(BegunDeed {
                id: column(row, "id")?,
                app_id: owner(column(row, "chain")?),
                begun_at: column_time(row, "begun_at")?,
                due_at: column_time(row, "due_at")?,
                deed: column(row, "deed")?,
            })
        });
        let mut claimed = claimed.collect::<StoreResult<Vec<_>>>()?;
        claimed.sort_by_key(|one| (one.begun_at, one.id));
        Ok(claimed)
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
