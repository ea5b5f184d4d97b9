//! Requests that came with a key.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, params};
use switchhook_domain::Timestamp;
use switchhook_engine::store::{Claim, IdempotencyStore, KeyedRequest, StoreResult};

use super::SqliteStore;
use super::session::{blob, fault, optional};
use crate::columns::micros;

#[async_trait]
impl IdempotencyStore for SqliteStore {
    async fn claim_request(
        &self,
        request: &KeyedRequest,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Claim> {
        let request = request.clone();
        self.write(move |c| claim(c, &request, now, until)).await
    }

    async fn keep_answer(
        &self,
        request: &KeyedRequest,
        answer: &str,
        until: Timestamp,
    ) -> StoreResult<bool> {
        let (request, answer) = (request.clone(), answer.to_owned());
        self.write(move |c| {
            let sql = "UPDATE idempotency SET answer = ?4, expires_at = ?5 \
                       WHERE app_id = ?1 AND id = ?2 AND owner = ?3 AND answer IS NULL";
            let (app, id) = (blob(&request.app.0), request.id.as_slice());
            let values = params![app, id, blob(&request.owner), answer, micros(until)];
            let mut keep = c.prepare_cached(sql).map_err(fault)?;
            Ok(keep.execute(values).map_err(fault)? == 1)
        })
        .await
    }

    async fn release_request(&self, request: &KeyedRequest) -> StoreResult<()> {
        let request = request.clone();
        self.write(move |c| {
            let sql = "DELETE FROM idempotency \
                       WHERE app_id = ?1 AND id = ?2 AND owner = ?3 AND answer IS NULL";
            let (app, id) = (blob(&request.app.0), request.id.as_slice());
            let mut release = c.prepare_cached(sql).map_err(fault)?;
            let values = params![app, id, blob(&request.owner)];
            release.execute(values).map(drop).map_err(fault)
        })
        .await
    }

    async fn forget_requests(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        self.write(move |c| {
            let sql = "DELETE FROM idempotency WHERE rowid IN \
                       (SELECT rowid FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)";
            let mut forget = c.prepare_cached(sql).map_err(fault)?;
            let gone = forget.execute(params![micros(now), limit]).map_err(fault)?;
            Ok(u64::try_from(gone).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn claim(c: &Sql, request: &KeyedRequest, now: Timestamp, until: Timestamp) -> StoreResult<Claim> {
    let sql = "INSERT INTO idempotency (app_id, id, digest, owner, expires_at) \
               VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (app_id, id) DO UPDATE SET digest = excluded.digest, \
               owner = excluded.owner, answer = NULL, expires_at = excluded.expires_at \
               WHERE idempotency.expires_at <= ?6";
    let (app, id, digest) = (
        blob(&request.app.0),
        request.id.as_slice(),
        request.digest.as_slice(),
    );
    let owner = blob(&request.owner);
    let values = params![app, id, digest, owner, micros(until), micros(now)];
    let mut claim = c.prepare_cached(sql).map_err(fault)?;
    if claim.execute(values).map_err(fault)? == 1 {
        return Ok(Claim::Yours);
    }
    let sql = "SELECT digest = ?3, answer FROM idempotency WHERE app_id = ?1 AND id = ?2";
    let mut look = c.prepare_cached(sql).map_err(fault)?;
    let found = optional(look.query_row(params![app, id, digest], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, Option<String>>(1)?))
    }))?;
    Ok(match found {
        Some((false, _)) => Claim::Different,
        Some((true, Some(answer))) => Claim::Answered(answer),
        Some((true, None)) | None => Claim::Busy,
    })
}
