//! Agents, and the tokens of their embedded panels.

use async_trait::async_trait;
use rusqlite::{Connection as Sql, Row, params};
use switchhook_domain::Timestamp;
use switchhook_domain::agent::Agent;
use switchhook_domain::id::{AgentId, AgentTokenId, AppId, KeyId, UserId};
use switchhook_engine::store::{
    AgentStore, AgentToken, RosterChange, StoreError, StoreResult, StoredRoster,
};

use super::SqliteStore;
use super::apps::must_exist;
use super::session::{blob, fault, optional, uuid, uuid_opt};
use crate::columns::{clean, from_json, micros, time, to_json};

const TABLE: &str = "agents";
const COLUMNS: &str =
    "app_id, id, name, email, crm_user_id, user_id, active, identities, created_at, updated_at";
const TOKEN: &str = "token_hash, app_id, id, agent_id, key_id, created_at, expires_at, user_id";

#[async_trait]
impl AgentStore for SqliteStore {
    async fn roster_version(&self, app: AppId) -> StoreResult<u64> {
        self.read(move |c| version(c, app)).await
    }

    async fn roster(&self, app: AppId) -> StoreResult<StoredRoster> {
        self.read(move |c| {
            // One read transaction, so that both are of one instant.
            let instant = c.unchecked_transaction().map_err(fault)?;
            Ok(StoredRoster {
                version: version(&instant, app)?,
                agents: agents(&instant, app)?,
            })
        })
        .await
    }

    async fn change_roster(
        &self,
        app: AppId,
        seen: u64,
        change: &RosterChange,
    ) -> StoreResult<bool> {
        let change = change.clone();
        self.write(move |c| {
            must_exist(c, app)?;
            if version(c, app)? != seen {
                return Ok(false);
            }
            apply(c, app, &change)?;
            Ok(true)
        })
        .await
    }

    async fn put_agent_token(&self, token: &AgentToken, now: Timestamp) -> StoreResult<()> {
        let token = token.clone();
        self.write(move |c| put_token(c, &token, now)).await
    }

    async fn agent_token(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<AgentToken>> {
        let hash = *hash;
        self.read(move |c| {
            let sql = "SELECT t.token_hash, t.app_id, t.id, t.agent_id, t.key_id, t.created_at, \
                       t.expires_at, t.user_id FROM agent_tokens t \
                       JOIN agents a ON a.app_id = t.app_id AND a.id = t.agent_id \
                       LEFT JOIN api_keys k ON k.id = t.key_id AND k.app_id = t.app_id \
                       LEFT JOIN people p ON p.id = t.user_id AND p.app_id = t.app_id \
                       WHERE t.token_hash = ?1 AND t.expires_at > ?2 AND a.active <> 0 \
                       AND (t.user_id IS NULL OR p.active <> 0) \
                       AND (t.key_id IS NULL OR (k.id IS NOT NULL AND k.revoked_at IS NULL \
                       AND (k.expires_at IS NULL OR k.expires_at > ?2)))";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            optional(statement.query_row(params![hash, micros(now)], token_from_row))
        })
        .await
    }

    async fn delete_agent_token(&self, app: AppId, id: AgentTokenId) -> StoreResult<bool> {
        self.write(move |c| {
            let sql = "DELETE FROM agent_tokens WHERE app_id = ?1 AND id = ?2";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let gone = statement
                .execute(params![blob(&app.0), blob(&id.0)])
                .map_err(fault)?;
            Ok(gone > 0)
        })
        .await
    }
}

fn version(conn: &Sql, app: AppId) -> StoreResult<u64> {
    let sql = "SELECT version FROM rosters WHERE app_id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = optional(statement.query_row([blob(&app.0)], |row| row.get::<_, i64>(0)))?;
    Ok(found.map_or(0, |version| u64::try_from(version).unwrap_or(0)))
}

fn agents(conn: &Sql, app: AppId) -> StoreResult<Vec<Agent>> {
    let sql = format!("SELECT {COLUMNS} FROM agents WHERE app_id = ?1");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let rows = statement
        .query_map([blob(&app.0)], |row| Ok(agent_from_row(row)))
        .map_err(fault)?;
    rows.map(|row| row.map_err(fault)?).collect()
}

fn apply(conn: &Sql, app: AppId, change: &RosterChange) -> StoreResult<()> {
    let sql = "INSERT INTO rosters (app_id, version) VALUES (?1, 1) \
               ON CONFLICT (app_id) DO UPDATE SET version = version + 1";
    let mut count = conn.prepare_cached(sql).map_err(fault)?;
    count.execute([blob(&app.0)]).map_err(fault)?;
    let sql = "DELETE FROM agents WHERE app_id = ?1 AND id = ?2";
    let mut delete = conn.prepare_cached(sql).map_err(fault)?;
    for id in &change.delete {
        delete
            .execute(params![blob(&app.0), blob(&id.0)])
            .map_err(fault)?;
    }
    let sql = format!(
        "INSERT INTO agents ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (app_id, id) DO UPDATE SET name = excluded.name, email = excluded.email, \
         crm_user_id = excluded.crm_user_id, user_id = excluded.user_id, \
         active = excluded.active, identities = excluded.identities, \
         updated_at = excluded.updated_at"
    );
    let mut put = conn.prepare_cached(&sql).map_err(fault)?;
    let text = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
    for agent in &change.put {
        put.execute(params![
            blob(&app.0),
            blob(&agent.id.0),
            clean(&agent.name),
            text(&agent.email),
            text(&agent.crm_user_id),
            agent.user_id.as_ref().map(|id| blob(&id.0)),
            agent.active,
            to_json(&agent.identities, TABLE, "identities")?,
            micros(agent.created_at),
            micros(agent.updated_at),
        ])
        .map_err(fault)?;
    }
    Ok(())
}

fn put_token(conn: &Sql, token: &AgentToken, now: Timestamp) -> StoreResult<()> {
    must_exist(conn, token.app_id)?;
    let sql = "DELETE FROM agent_tokens WHERE app_id = ?1 AND expires_at <= ?2";
    conn.prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![blob(&token.app_id.0), micros(now)]))
        .map_err(fault)?;
    let sql = format!(
        "INSERT INTO agent_tokens ({TOKEN}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 \
         WHERE EXISTS (SELECT 1 FROM agents WHERE app_id = ?2 AND id = ?4)"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let put = statement
        .execute(params![
            token.token_hash,
            blob(&token.app_id.0),
            blob(&token.id.0),
            blob(&token.agent_id.0),
            token.key_id.as_ref().map(|id| blob(&id.0)),
            micros(token.created_at),
            micros(token.expires_at),
            token.user_id.as_ref().map(|id| blob(&id.0)),
        ])
        .map_err(fault)?;
    if put == 0 {
        return Err(StoreError::NotFound("agent"));
    }
    Ok(())
}

fn agent_from_row(row: &Row<'_>) -> StoreResult<Agent> {
    let identities: String = row.get(7).map_err(fault)?;
    Ok(Agent {
        id: AgentId(uuid(row, 1).map_err(fault)?),
        name: row.get(2).map_err(fault)?,
        email: row.get(3).map_err(fault)?,
        crm_user_id: row.get(4).map_err(fault)?,
        user_id: uuid_opt(row, 5).map_err(fault)?.map(UserId),
        active: row.get(6).map_err(fault)?,
        identities: from_json(&identities, TABLE, "identities")?,
        created_at: time(row.get(8).map_err(fault)?),
        updated_at: time(row.get(9).map_err(fault)?),
    })
}

fn token_from_row(row: &Row<'_>) -> rusqlite::Result<AgentToken> {
    Ok(AgentToken {
        token_hash: row.get(0)?,
        app_id: AppId(uuid(row, 1)?),
        id: AgentTokenId(uuid(row, 2)?),
        agent_id: AgentId(uuid(row, 3)?),
        key_id: uuid_opt(row, 4)?.map(KeyId),
        created_at: time(row.get(5)?),
        expires_at: time(row.get(6)?),
        user_id: uuid_opt(row, 7)?.map(UserId),
    })
}
