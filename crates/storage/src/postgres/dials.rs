//! Dials, and what an app allows to be dialled.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId, DialId};
use switchhook_engine::store::{
    Dial, DialFailure, DialPolicy, DialState, DialStore, StoreError, StoreResult,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::reader::Scoped;
use super::session::{At, column, column_count, column_time, column_time_opt};
use crate::columns::{bytes32, clean, damaged, from_json, key, to_json};

const TABLE: &str = "dials";
const COLUMNS: &str = "id, app_id, connection_id, call_id, idempotency_key, request_digest, \
                       agent_extension, agent_user_id, target, caller_id, requested_by, state, \
                       failure_cause, failure_detail, platform_keys, requested_at, placed_at, \
                       settled_at, due_at";
/// The most open dials of a connection that are listed; what the port promises.
const OPEN_LIMIT: i64 = 100;

#[async_trait]
impl DialStore for PostgresStore {
    async fn create_dial(&self, dial: &Dial) -> StoreResult<Option<Dial>> {
        create(&self.readers.of(dial.app_id), dial).await
    }

    async fn dial(&self, app: AppId, id: DialId) -> StoreResult<Option<Dial>> {
        let sql = format!("SELECT {COLUMNS} FROM dials WHERE id = $1 AND app_id = $2");
        Ok(query(&self.readers.of(app), &sql, &[&id.0, &app.0])
            .await?
            .pop())
    }

    async fn dial_of_call(&self, app: AppId, call: CallId) -> StoreResult<Option<Dial>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dials WHERE app_id = $1 AND call_id = $2 ORDER BY id LIMIT 1"
        );
        Ok(query(&self.readers.of(app), &sql, &[&app.0, &call.0])
            .await?
            .pop())
    }

    async fn update_dial(&self, dial: &Dial, from: &[DialState]) -> StoreResult<bool> {
        let sql = "UPDATE dials SET state = $4, failure_cause = $5, failure_detail = $6, \
                   platform_keys = $7, placed_at = $8, settled_at = $9, due_at = $10 \
                   WHERE id = $1 AND app_id = $2 AND state = ANY($3)";
        let from: Vec<&str> = from.iter().map(|state| state.as_str()).collect();
        let failure = Failure::of(dial);
        let platform_keys = to_json(&dial.platform_keys, TABLE, "platform_keys")?;
        let times = [dial.placed_at, dial.settled_at, dial.due_at].map(|at| at.map(At::from));
        let params: [&(dyn ToSql + Sync); 10] = [
            &dial.id.0,
            &dial.app_id.0,
            &from,
            &dial.state.as_str(),
            &failure.cause,
            &failure.detail,
            &platform_keys,
            &times[0],
            &times[1],
            &times[2],
        ];
        Ok(self.readers.of(dial.app_id).execute(sql, &params).await? == 1)
    }

    async fn open_dials(
        &self,
        app: AppId,
        connection: ConnectionId,
        since: Timestamp,
    ) -> StoreResult<Vec<Dial>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dials WHERE connection_id = $1 AND app_id = $2 \
             AND state IN ('requested', 'placed') AND requested_at >= $3 \
             ORDER BY requested_at DESC, id DESC LIMIT {OPEN_LIMIT}"
        );
        let since = At::from(since);
        query(
            &self.readers.of(app),
            &sql,
            &[&connection.0, &app.0, &since],
        )
        .await
    }

    async fn due_dials(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Dial>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dials WHERE due_at IS NOT NULL AND due_at <= $1 \
             ORDER BY due_at, id LIMIT $2"
        );
        // Whoever watches dials watches those of all apps.
        let db = self.readers.everywhere();
        query(&db, &sql, &[&At::from(now), &i64::from(limit)]).await
    }

    async fn dials_since(&self, app: AppId, agent: &str, since: Timestamp) -> StoreResult<u32> {
        let sql = "SELECT count(*) AS total FROM dials WHERE app_id = $1 \
                   AND requested_at >= $2 AND (agent_extension = $3 OR agent_user_id = $3)";
        let (since, agent) = (At::from(since), clean(agent));
        let found = self
            .readers
            .of(app)
            .one(sql, &[&app.0, &since, &agent])
            .await?;
        let count = found.map_or(Ok(0), |row| column_count(&row, "total"))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn dial_policy(&self, app: AppId) -> StoreResult<Option<DialPolicy>> {
        let sql = "SELECT policy FROM dial_policies WHERE app_id = $1";
        let found = self.readers.of(app).one(sql, &[&app.0]).await?;
        found
            .map(|row| from_json(column(&row, "policy")?, "dial_policies", "policy"))
            .transpose()
    }

    async fn put_dial_policy(&self, app: AppId, policy: &DialPolicy) -> StoreResult<()> {
        let sql = "INSERT INTO dial_policies (app_id, policy) VALUES ($1, $2) \
                   ON CONFLICT (app_id) DO UPDATE SET policy = excluded.policy";
        let policy = to_json(policy, "dial_policies", "policy")?;
        self.readers
            .of(app)
            .execute(sql, &[&app.0, &policy])
            .await
            .map(drop)
    }
}

/// Of several at once with one idempotency key, the unique index lets one in; the others wait
/// for it and then find it.
async fn create(db: &Scoped<'_>, dial: &Dial) -> StoreResult<Option<Dial>> {
    let sql = format!(
        "INSERT INTO dials ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING"
    );
    let idempotency_key = dial.idempotency_key.as_deref().map(key);
    let digest = dial.request_digest.as_slice();
    let optional = |text: &Option<String>| text.as_deref().map(|t| clean(t).into_owned());
    let (extension, user) = (
        optional(&dial.agent_extension),
        optional(&dial.agent_user_id),
    );
    let (target, caller_id) = (clean(&dial.target), optional(&dial.caller_id));
    let requested_by = clean(&dial.requested_by);
    let failure = Failure::of(dial);
    let platform_keys = to_json(&dial.platform_keys, TABLE, "platform_keys")?;
    let requested_at = At::from(dial.requested_at);
    let times = [dial.placed_at, dial.settled_at, dial.due_at].map(|at| at.map(At::from));
    let params: [&(dyn ToSql + Sync); 19] = [
        &dial.id.0,
        &dial.app_id.0,
        &dial.connection_id.0,
        &dial.call_id.0,
        &idempotency_key,
        &digest,
        &extension,
        &user,
        &target,
        &caller_id,
        &requested_by,
        &dial.state.as_str(),
        &failure.cause,
        &failure.detail,
        &platform_keys,
        &requested_at,
        &times[0],
        &times[1],
        &times[2],
    ];
    if db.execute(&sql, &params).await? == 1 {
        return Ok(None);
    }
    if let Some(key) = &idempotency_key {
        let sql = format!("SELECT {COLUMNS} FROM dials WHERE app_id = $1 AND idempotency_key = $2");
        let known = query(db, &sql, &[&dial.app_id.0, key]).await?.pop();
        if known.is_some() {
            return Ok(known);
        }
    }
    Err(StoreError::Conflict("dial"))
}

/// Why a dial failed, as columns.
struct Failure {
    cause: Option<String>,
    detail: Option<String>,
}

impl Failure {
    fn of(dial: &Dial) -> Self {
        let failure = dial.failure.as_ref();
        Self {
            cause: failure.map(|failure| clean(&failure.cause).into_owned()),
            detail: failure.map(|failure| clean(&failure.detail).into_owned()),
        }
    }
}

async fn query(
    db: &Scoped<'_>,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> StoreResult<Vec<Dial>> {
    db.query(sql, params).await?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> StoreResult<Dial> {
    let state = DialState::from_name(column(row, "state")?);
    let cause: Option<String> = column(row, "failure_cause")?;
    let detail: Option<String> = column(row, "failure_detail")?;
    Ok(Dial {
        id: DialId(column(row, "id")?),
        app_id: AppId(column(row, "app_id")?),
        connection_id: ConnectionId(column(row, "connection_id")?),
        call_id: CallId(column(row, "call_id")?),
        idempotency_key: column(row, "idempotency_key")?,
        request_digest: bytes32(column(row, "request_digest")?, TABLE, "request_digest")?,
        agent_extension: column(row, "agent_extension")?,
        agent_user_id: column(row, "agent_user_id")?,
        target: column(row, "target")?,
        caller_id: column(row, "caller_id")?,
        requested_by: column(row, "requested_by")?,
        state: state.ok_or_else(|| damaged(TABLE, "state"))?,
        failure: cause.map(|cause| DialFailure {
            cause,
            detail: detail.unwrap_or_default(),
        }),
        platform_keys: from_json(column(row, "platform_keys")?, TABLE, "platform_keys")?,
        requested_at: column_time(row, "requested_at")?,
        placed_at: column_time_opt(row, "placed_at")?,
        settled_at: column_time_opt(row, "settled_at")?,
        due_at: column_time_opt(row, "due_at")?,
    })
}
