//! The audit log.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, OptionalExtension, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{AuditEntry, AuditQuery, AuditStore, BegunDeed, StoreResult};
use uuid::Uuid;

use super::SqliteStore;
use super::session::{blob, fault, text, uuid};
use crate::columns::{bytes32, damaged, from_json, micros, time, to_json};

const TABLE: &str = "audit";
const COLUMNS: &str = "chain, no, at, actor, address, request_id, action, target, status, \
                       before, after, hash";

fn chain(app: Option<AppId>) -> Uuid {
    app.map_or(Uuid::nil(), |app| app.0)
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn audit_head(&self, app: Option<AppId>) -> StoreResult<Option<(u64, [u8; 32])>> {
        self.read(move |c| {
            let sql = "SELECT no, hash FROM audit WHERE chain = ?1 ORDER BY no DESC LIMIT 1";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let found = statement
                .query_row(params![blob(&chain(app))], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()
                .map_err(fault)?;
            let head = found.map(|(no, hash)| Ok((number(no)?, bytes32(&hash, TABLE, "hash")?)));
            head.transpose()
        })
        .await
    }

    async fn append_audit(&self, entry: &AuditEntry) -> StoreResult<bool> {
        let entry = entry.clone();
        self.write(move |c| append(c, &entry)).await
    }

    async fn begin_deed(&self, begun: &BegunDeed) -> StoreResult<()> {
        let begun = begun.clone();
        self.write(move |c| begin(c, &begun)).await
    }

    async fn end_deed(&self, entry: &AuditEntry, begun: &BegunDeed) -> StoreResult<bool> {
        let (entry, begun) = (entry.clone(), begun.clone());
        self.write(move |c| {
            let appended = append(c, &entry)?;
            if appended {
                let sql = "DELETE FROM audit_begun WHERE id = ?1 AND chain = ?2";
                let mut statement = c.prepare_cached(sql).map_err(fault)?;
                let ended = statement.execute(params![blob(&begun.id), blob(&chain(begun.app_id))]);
                ended.map_err(fault)?;
            }
            Ok(appended)
        })
        .await
    }

    async fn claim_due_deeds(
        &self,
        now: Timestamp,
        again: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<BegunDeed>> {
        self.write(move |c| claim(c, micros(now), micros(again), limit))
            .await
    }

    async fn audit(&self, app: Option<AppId>, query: &AuditQuery) -> StoreResult<Vec<AuditEntry>> {
        let query = query.clone();
        self.read(move |c| {
            // Only what is asked for, so that an index can serve it.
            let when = |given: bool, so: &'static str, none: &'static str| {
                if given { so } else { none }
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM audit WHERE chain = ?1 AND no < ?2 \
                 AND {} AND {} AND {} ORDER BY no DESC LIMIT ?6",
                when(query.action.is_some(), "action = ?3", "?3 IS NULL"),
                when(query.since.is_some(), "at >= ?4", "?4 IS NULL"),
                when(query.until.is_some(), "at < ?5", "?5 IS NULL"),
            );
            let before = query.before.and_then(|no| i64::try_from(no).ok());
            let chain = chain(app);
            let params = params![
                blob(&chain),
                before.unwrap_or(i64::MAX),
                query.action,
                query.since.map(micros),
                query.until.map(micros),
                query.limit,
            ];
            entries(c, &sql, params)
        })
        .await
    }

    async fn audit_after(
        &self,
        app: Option<AppId>,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<AuditEntry>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM audit WHERE chain = ?1 AND no > ?2 ORDER BY no LIMIT ?3"
            );
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            entries(c, &sql, params![blob(&chain(app)), after, limit])
        })
        .await
    }

    async fn audit_chains(&self) -> StoreResult<Vec<Option<AppId>>> {
        self.read(|c| {
            let sql = "SELECT DISTINCT chain FROM audit ORDER BY chain";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let mut rows = statement.query([]).map_err(fault)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(fault)? {
                found.push(owner(uuid(row, 0).map_err(fault)?));
            }
            Ok(found)
        })
        .await
    }
}

fn owner(chain: Uuid) -> Option<AppId> {
    (!chain.is_nil()).then_some(AppId(chain))
}

fn number(no: i64) -> StoreResult<u64> {
    u64::try_from(no).map_err(|_| damaged(TABLE, "no"))
}

fn append(conn: &Sql, entry: &AuditEntry) -> StoreResult<bool> {
    let sql = format!(
        "INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (chain, no) DO NOTHING"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let written = statement.execute(params![
        blob(&chain(entry.app_id)),
        i64::try_from(entry.no).map_err(|_| damaged(TABLE, "no"))?,
        micros(entry.at),
        to_json(&entry.actor, TABLE, "actor")?,
        entry.address,
        entry.request_id,
        entry.action,
        entry.target,
        entry.status,
        entry.before,
        entry.after,
        &entry.hash[..],
    ]);
    Ok(written.map_err(fault)? == 1)
}

fn entries(conn: &Sql, sql: &str, params: impl rusqlite::Params) -> StoreResult<Vec<AuditEntry>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(entry(row)?);
    }
    Ok(found)
}

fn entry(row: &Row<'_>) -> StoreResult<AuditEntry> {
    let hash: Vec<u8> = row.get(11).map_err(fault)?;
    Ok(AuditEntry {
        app_id: owner(uuid(row, 0).map_err(fault)?),
        no: number(row.get(1).map_err(fault)?)?,
        at: time(row.get(2).map_err(fault)?),
        actor: from_json(text(row, 3).map_err(fault)?, TABLE, "actor")?,
        address: row.get(4).map_err(fault)?,
        request_id: row.get(5).map_err(fault)?,
        action: row.get(6).map_err(fault)?,
        target: row.get(7).map_err(fault)?,
        status: row.get(8).map_err(fault)?,
        before: row.get(9).map_err(fault)?,
        after: row.get(10).map_err(fault)?,
        hash: bytes32(&hash, TABLE, "hash")?,
    })
}

fn begin(c: &Sql, begun: &BegunDeed) -> StoreResult<()> {
    let sql = "INSERT INTO audit_begun (id, chain, begun_at, due_at, deed) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = c.prepare_cached(sql).map_err(fault)?;
    let chain = chain(begun.app_id);
    let (begun_at, due_at) = (micros(begun.begun_at), micros(begun.due_at));
    let params = params![blob(&begun.id), blob(&chain), begun_at, due_at, begun.deed];
    statement.execute(params).map_err(fault)?;
    Ok(())
}

fn claim(c: &Sql, now: i64, again: i64, limit: u32) -> StoreResult<Vec<BegunDeed>> {
    let sql = "UPDATE audit_begun SET due_at = ?2 WHERE id IN \
               (SELECT id FROM audit_begun WHERE due_at <= ?1 ORDER BY due_at LIMIT ?3) \
               RETURNING id, chain, begun_at, due_at, deed";
    let mut statement = c.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params![now, again, limit]).map_err(fault)?;
    let mut claimed = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        claimed.push(BegunDeed {
            id: uuid(row, 0).map_err(fault)?,
            app_id: owner(uuid(row, 1).map_err(fault)?),
            begun_at: time(row.get(2).map_err(fault)?),
            due_at: time(row.get(3).map_err(fault)?),
            deed: row.get(4).map_err(fault)?,
        });
    }
    claimed.sort_by_key(|one| (one.begun_at, one.id));
    Ok(claimed)
}
