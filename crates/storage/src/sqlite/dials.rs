//! Dials, and what an app allows to be dialled.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, OptionalExtension, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, ConnectionId, DialId};
use switchhook_engine::store::{Dial, DialFailure, DialPolicy, DialState, DialStore, StoreResult};

use super::SqliteStore;
use super::apps::must_exist;
use super::session::{blob, conflict, fault, optional, text, uuid};
use crate::columns::{bytes32, damaged, from_json, key, micros, time, to_json};

const TABLE: &str = "dials";
const COLUMNS: &str = "id, app_id, connection_id, call_id, idempotency_key, request_digest, \
                       agent_extension, agent_user_id, target, caller_id, requested_by, state, \
                       failure_cause, failure_detail, platform_keys, requested_at, placed_at, \
                       settled_at, due_at";
/// The most open dials of a connection that are listed; what the port promises.
const OPEN_LIMIT: i64 = 100;

#[async_trait]
impl DialStore for SqliteStore {
    async fn create_dial(&self, dial: &Dial) -> StoreResult<Option<Dial>> {
        let dial = dial.clone();
        self.write(move |c| create(c, &dial)).await
    }

    async fn dial(&self, app: AppId, id: DialId) -> StoreResult<Option<Dial>> {
        self.read(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM dials WHERE id = ?1 AND app_id = ?2");
            Ok(query(c, &sql, params![blob(&id.0), blob(&app.0)])?.pop())
        })
        .await
    }

    async fn dial_of_call(&self, app: AppId, call: CallId) -> StoreResult<Option<Dial>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM dials WHERE app_id = ?1 AND call_id = ?2 \
                 ORDER BY id LIMIT 1"
            );
            Ok(query(c, &sql, params![blob(&app.0), blob(&call.0)])?.pop())
        })
        .await
    }

    async fn update_dial(&self, dial: &Dial, from: &[DialState]) -> StoreResult<bool> {
        let (dial, from) = (dial.clone(), from.to_vec());
        self.write(move |c| update(c, &dial, &from)).await
    }

    async fn open_dials(
        &self,
        app: AppId,
        connection: ConnectionId,
        since: Timestamp,
    ) -> StoreResult<Vec<Dial>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM dials WHERE connection_id = ?1 AND app_id = ?2 \
                 AND state IN ('requested', 'placed') AND requested_at >= ?3 \
                 ORDER BY requested_at DESC, id DESC LIMIT {OPEN_LIMIT}"
            );
            query(
                c,
                &sql,
                params![blob(&connection.0), blob(&app.0), micros(since)],
            )
        })
        .await
    }

    async fn due_dials(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<Dial>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM dials WHERE due_at IS NOT NULL AND due_at <= ?1 \
                 ORDER BY due_at, id LIMIT ?2"
            );
            query(c, &sql, params![micros(now), limit])
        })
        .await
    }

    async fn dials_since(&self, app: AppId, agent: &str, since: Timestamp) -> StoreResult<u32> {
        let agent = agent.to_owned();
        self.read(move |c| {
            let sql = "SELECT count(*) FROM dials WHERE app_id = ?1 AND requested_at >= ?2 \
                       AND (agent_extension = ?3 OR agent_user_id = ?3)";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let count: i64 = statement
                .query_row(params![blob(&app.0), micros(since), agent], |row| {
                    row.get(0)
                })
                .map_err(fault)?;
            Ok(u32::try_from(count).unwrap_or(u32::MAX))
        })
        .await
    }

    async fn dial_policy(&self, app: AppId) -> StoreResult<Option<DialPolicy>> {
        self.read(move |c| {
            let sql = "SELECT policy FROM dial_policies WHERE app_id = ?1";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let found = statement.query_row([blob(&app.0)], |row| row.get::<_, String>(0));
            optional(found)?
                .map(|policy| from_json(&policy, "dial_policies", "policy"))
                .transpose()
        })
        .await
    }

    async fn put_dial_policy(&self, app: AppId, policy: &DialPolicy) -> StoreResult<()> {
        let policy = to_json(policy, "dial_policies", "policy")?;
        self.write(move |c| {
            must_exist(c, app)?;
            let sql = "INSERT INTO dial_policies (app_id, policy) VALUES (?1, ?2) \
                       ON CONFLICT (app_id) DO UPDATE SET policy = excluded.policy";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            statement
                .execute(params![blob(&app.0), policy])
                .map(drop)
                .map_err(fault)
        })
        .await
    }
}

fn create(conn: &Sql, dial: &Dial) -> StoreResult<Option<Dial>> {
    must_exist(conn, dial.app_id)?;
    let idempotency_key = dial.idempotency_key.as_deref().map(key);
    if let Some(key) = &idempotency_key {
        let sql = format!("SELECT {COLUMNS} FROM dials WHERE app_id = ?1 AND idempotency_key = ?2");
        let known = query(conn, &sql, params![blob(&dial.app_id.0), key])?.pop();
        if known.is_some() {
            return Ok(known);
        }
    }
    let sql = format!(
        "INSERT INTO dials ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
         ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    statement
        .execute(params![
            blob(&dial.id.0),
            blob(&dial.app_id.0),
            blob(&dial.connection_id.0),
            blob(&dial.call_id.0),
            idempotency_key,
            dial.request_digest,
            dial.agent_extension,
            dial.agent_user_id,
            dial.target,
            dial.caller_id,
            dial.requested_by,
            dial.state.as_str(),
            dial.failure.as_ref().map(|failure| &failure.cause),
            dial.failure.as_ref().map(|failure| &failure.detail),
            to_json(&dial.platform_keys, TABLE, "platform_keys")?,
            micros(dial.requested_at),
            dial.placed_at.map(micros),
            dial.settled_at.map(micros),
            dial.due_at.map(micros),
        ])
        .map_err(conflict("dial"))?;
    Ok(None)
}

fn update(conn: &Sql, dial: &Dial, from: &[DialState]) -> StoreResult<bool> {
    let sql = "SELECT state FROM dials WHERE id = ?1 AND app_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let state = statement
        .query_row(params![blob(&dial.id.0), blob(&dial.app_id.0)], |row| {
            row.get::<_, String>(0)
        })
        .optional()
        .map_err(fault)?;
    let state = state.as_deref().and_then(DialState::from_name);
    if !state.is_some_and(|state| from.contains(&state)) {
        return Ok(false);
    }
    let sql = "UPDATE dials SET state = ?3, failure_cause = ?4, failure_detail = ?5, \
               platform_keys = ?6, placed_at = ?7, settled_at = ?8, due_at = ?9 \
               WHERE id = ?1 AND app_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let changed = statement
        .execute(params![
            blob(&dial.id.0),
            blob(&dial.app_id.0),
            dial.state.as_str(),
            dial.failure.as_ref().map(|failure| &failure.cause),
            dial.failure.as_ref().map(|failure| &failure.detail),
            to_json(&dial.platform_keys, TABLE, "platform_keys")?,
            dial.placed_at.map(micros),
            dial.settled_at.map(micros),
            dial.due_at.map(micros),
        ])
        .map_err(fault)?;
    Ok(changed == 1)
}

fn query(conn: &Sql, sql: &str, params: impl rusqlite::Params) -> StoreResult<Vec<Dial>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> StoreResult<Dial> {
    let digest: Vec<u8> = row.get(5).map_err(fault)?;
    let state = DialState::from_name(text(row, 11).map_err(fault)?);
    let cause: Option<String> = row.get(12).map_err(fault)?;
    let detail: Option<String> = row.get(13).map_err(fault)?;
    let at = |index| -> StoreResult<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(index).map_err(fault)?.map(time))
    };
    Ok(Dial {
        id: DialId(uuid(row, 0).map_err(fault)?),
        app_id: AppId(uuid(row, 1).map_err(fault)?),
        connection_id: ConnectionId(uuid(row, 2).map_err(fault)?),
        call_id: CallId(uuid(row, 3).map_err(fault)?),
        idempotency_key: row.get(4).map_err(fault)?,
        request_digest: bytes32(&digest, TABLE, "request_digest")?,
        agent_extension: row.get(6).map_err(fault)?,
        agent_user_id: row.get(7).map_err(fault)?,
        target: row.get(8).map_err(fault)?,
        caller_id: row.get(9).map_err(fault)?,
        requested_by: row.get(10).map_err(fault)?,
        state: state.ok_or_else(|| damaged(TABLE, "state"))?,
        failure: cause.map(|cause| DialFailure {
            cause,
            detail: detail.unwrap_or_default(),
        }),
        platform_keys: from_json(text(row, 14).map_err(fault)?, TABLE, "platform_keys")?,
        requested_at: at(15)?.ok_or_else(|| damaged(TABLE, "requested_at"))?,
        placed_at: at(16)?,
        settled_at: at(17)?,
        due_at: at(18)?,
    })
}
