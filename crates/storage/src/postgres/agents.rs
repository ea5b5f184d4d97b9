//! Agents, and the tokens of their embedded panels.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::agent::Agent;
use switchhook_domain::id::{AgentId, AgentTokenId, AppId, KeyId, UserId};
use switchhook_engine::store::{
    AgentStore, AgentToken, RosterChange, StoreError, StoreResult, StoredRoster,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::session::{At, column, column_time};
use crate::columns::{bytes32, clean, from_json, to_json};

const TABLE: &str = "agents";
const COLUMNS: &str =
    "app_id, id, name, email, crm_user_id, user_id, active, identities, created_at, updated_at";
const TOKEN: &str = "token_hash, app_id, id, agent_id, key_id, created_at, expires_at, user_id";

#[async_trait]
impl AgentStore for PostgresStore {
    async fn roster_version(&self, app: AppId) -> StoreResult<u64> {
        let sql = "SELECT version FROM rosters WHERE app_id = $1";
        let found = self.readers.of(app).one(sql, &[&app.0]).await?;
        found.map_or(Ok(0), |row| version(&row))
    }

    async fn roster(&self, app: AppId) -> StoreResult<StoredRoster> {
        // One statement, so that version and agents are of one instant; a row of the version
        // alone when there are no agents.
        let sql = format!(
            "SELECT r.version, a.* FROM rosters r \
             LEFT JOIN (SELECT {COLUMNS} FROM agents) a ON a.app_id = r.app_id \
             WHERE r.app_id = $1"
        );
        let rows = self.readers.of(app).query(&sql, &[&app.0]).await?;
        let mut roster = StoredRoster::default();
        for row in &rows {
            roster.version = version(row)?;
            if column::<Option<Uuid>>(row, "id")?.is_some() {
                roster.agents.push(agent_from_row(row)?);
            }
        }
        Ok(roster)
    }

    async fn change_roster(
        &self,
        app: AppId,
        seen: u64,
        change: &RosterChange,
    ) -> StoreResult<bool> {
        change_roster(self, app, seen, change).await
    }

    async fn put_agent_token(&self, token: &AgentToken, now: Timestamp) -> StoreResult<()> {
        let sql = "DELETE FROM agent_tokens WHERE app_id = $1 AND expires_at <= $2";
        let params: [&(dyn ToSql + Sync); 2] = [&token.app_id.0, &At::from(now)];
        let db = self.readers.of(token.app_id);
        db.execute(sql, &params).await?;
        let sql = format!(
            "INSERT INTO agent_tokens ({TOKEN}) \
             SELECT $1::bytea, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6::timestamptz, \
             $7::timestamptz, $8::uuid \
             WHERE EXISTS (SELECT 1 FROM agents WHERE app_id = $2 AND id = $4)"
        );
        let hash = token.token_hash.as_slice();
        let key = token.key_id.map(|id| id.0);
        let user = token.user_id.map(|id| id.0);
        let times = [token.created_at, token.expires_at].map(At::from);
        let params: [&(dyn ToSql + Sync); 8] = [
            &hash,
            &token.app_id.0,
            &token.id.0,
            &token.agent_id.0,
            &key,
            &times[0],
            &times[1],
            &user,
        ];
        if db.execute(&sql, &params).await? == 0 {
            return Err(StoreError::NotFound("agent"));
        }
        Ok(())
    }

    async fn agent_token(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<AgentToken>> {
        let sql = "SELECT t.token_hash, t.app_id, t.id, t.agent_id, t.key_id, t.created_at, \
                   t.expires_at, t.user_id FROM agent_tokens t \
                   JOIN agents a ON a.app_id = t.app_id AND a.id = t.agent_id \
                   LEFT JOIN api_keys k ON k.id = t.key_id AND k.app_id = t.app_id \
                   LEFT JOIN people p ON p.id = t.user_id AND p.app_id = t.app_id \
                   WHERE t.token_hash = $1 AND t.expires_at > $2 AND a.active \
                   AND (t.user_id IS NULL OR p.active) \
                   AND (t.key_id IS NULL OR (k.id IS NOT NULL AND k.revoked_at IS NULL \
                   AND (k.expires_at IS NULL OR k.expires_at > $2)))";
        let params: [&(dyn ToSql + Sync); 2] = [&hash.as_slice(), &At::from(now)];
        // A token does not say whose it is.
        let found = self.readers.everywhere().one(sql, &params).await?;
        found.as_ref().map(token_from_row).transpose()
    }

    async fn delete_agent_token(&self, app: AppId, id: AgentTokenId) -> StoreResult<bool> {
        let sql = "DELETE FROM agent_tokens WHERE app_id = $1 AND id = $2";
        Ok(self.readers.of(app).execute(sql, &[&app.0, &id.0]).await? > 0)
    }
}

/// One statement: of two with the same version seen, the row of the roster lets one in.
async fn change_roster(
    db: &PostgresStore,
    app: AppId,
    seen: u64,
    change: &RosterChange,
) -> StoreResult<bool> {
    let sql = format!(
        "WITH counted AS ( \
             INSERT INTO rosters AS r (app_id, version) SELECT $1::uuid, 1 \
             WHERE $2::bigint = 0 OR EXISTS (SELECT 1 FROM rosters WHERE app_id = $1) \
             ON CONFLICT (app_id) DO UPDATE SET version = r.version + 1 \
             WHERE r.version = $2 RETURNING version), \
         gone AS ( \
             DELETE FROM agents WHERE app_id = $1 AND id = ANY($3) \
             AND EXISTS (SELECT 1 FROM counted)), \
         put AS ( \
             INSERT INTO agents ({COLUMNS}) \
             SELECT $1, a.* FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], \
             $8::uuid[], $9::boolean[], $10::text[], $11::timestamptz[], $12::timestamptz[]) a \
             WHERE EXISTS (SELECT 1 FROM counted) \
             ON CONFLICT (app_id, id) DO UPDATE SET name = excluded.name, \
             email = excluded.email, crm_user_id = excluded.crm_user_id, \
             user_id = excluded.user_id, active = excluded.active, \
             identities = excluded.identities, updated_at = excluded.updated_at) \
         SELECT version FROM counted"
    );
    let seen = i64::try_from(seen).unwrap_or(i64::MAX);
    let delete: Vec<Uuid> = change.delete.iter().map(|id| id.0).collect();
    let put = &change.put;
    let text = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
    let ids: Vec<Uuid> = put.iter().map(|a| a.id.0).collect();
    let names: Vec<String> = put.iter().map(|a| clean(&a.name).into_owned()).collect();
    let emails: Vec<Option<String>> = put.iter().map(|a| text(&a.email)).collect();
    let crm: Vec<Option<String>> = put.iter().map(|a| text(&a.crm_user_id)).collect();
    let users: Vec<Option<Uuid>> = put.iter().map(|a| a.user_id.map(|id| id.0)).collect();
    let active: Vec<bool> = put.iter().map(|a| a.active).collect();
    let identities = put
        .iter()
        .map(|a| to_json(&a.identities, TABLE, "identities"));
    let identities = identities.collect::<StoreResult<Vec<String>>>()?;
    let created: Vec<At> = put.iter().map(|a| At::from(a.created_at)).collect();
    let updated: Vec<At> = put.iter().map(|a| At::from(a.updated_at)).collect();
    let params: [&(dyn ToSql + Sync); 12] = [
        &app.0,
        &seen,
        &delete,
        &ids,
        &names,
        &emails,
        &crm,
        &users,
        &active,
        &identities,
        &created,
        &updated,
    ];
    Ok(db.readers.of(app).one(&sql, &params).await?.is_some())
}

fn version(row: &Row) -> StoreResult<u64> {
    let version: i64 = column(row, "version")?;
    Ok(u64::try_from(version).unwrap_or(0))
}

fn agent_from_row(row: &Row) -> StoreResult<Agent> {
    Ok(Agent {
        id: AgentId(column(row, "id")?),
        name: column(row, "name")?,
        email: column(row, "email")?,
        crm_user_id: column(row, "crm_user_id")?,
        user_id: column::<Option<Uuid>>(row, "user_id")?.map(UserId),
        active: column(row, "active")?,
        identities: from_json(column(row, "identities")?, TABLE, "identities")?,
        created_at: column_time(row, "created_at")?,
        updated_at: column_time(row, "updated_at")?,
    })
}

fn token_from_row(row: &Row) -> StoreResult<AgentToken> {
    Ok(AgentToken {
        token_hash: bytes32(column(row, "token_hash")?, "agent_tokens", "token_hash")?,
        app_id: AppId(column(row, "app_id")?),
        id: AgentTokenId(column(row, "id")?),
        agent_id: AgentId(column(row, "agent_id")?),
        key_id: column::<Option<Uuid>>(row, "key_id")?.map(KeyId),
        user_id: column::<Option<Uuid>>(row, "user_id")?.map(UserId),
        created_at: column_time(row, "created_at")?,
        expires_at: column_time(row, "expires_at")?,
    })
}
