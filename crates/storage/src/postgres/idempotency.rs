//! Requests that came with a key.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_engine::store::{Claim, IdempotencyStore, KeyedRequest, StoreResult};

use super::PostgresStore;
use super::session::{At, column};

#[async_trait]
impl IdempotencyStore for PostgresStore {
    /// Of several at once the key lets one in; the others wait for it and find its row.
    async fn claim_request(
        &self,
        request: &KeyedRequest,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Claim> {
        let sql = "INSERT INTO idempotency (app_id, id, digest, owner, expires_at) \
                   VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (app_id, id) DO UPDATE SET digest = excluded.digest, \
                   owner = excluded.owner, answer = NULL, expires_at = excluded.expires_at \
                   WHERE idempotency.expires_at <= $6";
        let (app, id, digest) = (&request.app.0, &&request.id[..], &&request.digest[..]);
        let (now, until) = (At::from(now), At::from(until));
        let db = self.readers.of(request.app);
        let claimed = db
            .execute(sql, &[app, id, digest, &request.owner, &until, &now])
            .await?;
        if claimed == 1 {
            return Ok(Claim::Yours);
        }
        let sql = "SELECT digest = $3 AS same, answer FROM idempotency \
                   WHERE app_id = $1 AND id = $2";
        // Gone meanwhile: whoever had it let go of it, and it can be claimed again.
        let Some(row) = db.one(sql, &[app, id, digest]).await? else {
            return Ok(Claim::Busy);
        };
        Ok(match (column(&row, "same")?, column(&row, "answer")?) {
            (false, _) => Claim::Different,
            (true, Some(answer)) => Claim::Answered(answer),
            (true, None) => Claim::Busy,
        })
    }

    async fn keep_answer(
        &self,
        request: &KeyedRequest,
        answer: &str,
        until: Timestamp,
    ) -> StoreResult<bool> {
        let sql = "UPDATE idempotency SET answer = $4, expires_at = $5 \
                   WHERE app_id = $1 AND id = $2 AND owner = $3 AND answer IS NULL";
        let (app, id) = (&request.app.0, &&request.id[..]);
        let db = self.readers.of(request.app);
        let kept = db
            .execute(sql, &[app, id, &request.owner, &answer, &At::from(until)])
            .await?;
        Ok(kept == 1)
    }

    async fn release_request(&self, request: &KeyedRequest) -> StoreResult<()> {
        let sql = "DELETE FROM idempotency \
                   WHERE app_id = $1 AND id = $2 AND owner = $3 AND answer IS NULL";
        let (app, id) = (&request.app.0, &&request.id[..]);
        let db = self.readers.of(request.app);
        db.execute(sql, &[app, id, &request.owner]).await.map(drop)
    }

    async fn forget_requests(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        let sql = "DELETE FROM idempotency WHERE (app_id, id) IN (SELECT app_id, id \
                   FROM idempotency WHERE expires_at <= $1 LIMIT $2)";
        // What is past its time goes, whosever it is.
        let db = self.readers.everywhere();
        db.execute(sql, &[&At::from(now), &i64::from(limit)]).await
    }
}
