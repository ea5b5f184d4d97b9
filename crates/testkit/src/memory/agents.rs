//! Agents and their tokens of the reference store.

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::agent::Agent;
use switchhook_domain::id::{AgentTokenId, AppId};
use switchhook_engine::store::{
    AgentStore, AgentToken, RosterChange, StoreError, StoreResult, StoredRoster,
};

use super::{MemoryStore, micros};

#[async_trait]
impl AgentStore for MemoryStore {
    async fn roster_version(&self, app: AppId) -> StoreResult<u64> {
        Ok(self.all().rosters.get(&app).map_or(0, |r| r.version))
    }

    async fn roster(&self, app: AppId) -> StoreResult<StoredRoster> {
        Ok(self.all().rosters.get(&app).cloned().unwrap_or_default())
    }

    async fn change_roster(
        &self,
        app: AppId,
        seen: u64,
        change: &RosterChange,
    ) -> StoreResult<bool> {
        let mut all = self.all();
        all.app_must_exist(app)?;
        let roster = all.rosters.entry(app).or_default();
        if roster.version != seen {
            return Ok(false);
        }
        roster.version += 1;
        let gone = |agent: &Agent| {
            change.delete.contains(&agent.id) || change.put.iter().any(|new| new.id == agent.id)
        };
        roster.agents.retain(|agent| !gone(agent));
        roster.agents.extend(change.put.iter().map(|agent| Agent {
            created_at: micros(agent.created_at),
            updated_at: micros(agent.updated_at),
            ..agent.clone()
        }));
        all.agent_tokens
            .retain(|_, t| t.app_id != app || !change.delete.contains(&t.agent_id));
        Ok(true)
    }

    async fn put_agent_token(&self, token: &AgentToken, now: Timestamp) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(token.app_id)?;
        let (app, now) = (token.app_id, micros(now));
        all.agent_tokens
            .retain(|_, t| t.app_id != app || t.expires_at > now);
        let roster = all.rosters.get(&app);
        let known = roster.is_some_and(|r| r.agents.iter().any(|a| a.id == token.agent_id));
        if !known {
            return Err(StoreError::NotFound("agent"));
        }
        let kept = AgentToken {
            created_at: micros(token.created_at),
            expires_at: micros(token.expires_at),
            ..token.clone()
        };
        all.agent_tokens.insert(token.token_hash, kept);
        Ok(())
    }

    async fn agent_token(
        &self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<AgentToken>> {
        let (all, now) = (self.all(), micros(now));
        let Some(token) = all.agent_tokens.get(hash).filter(|t| t.expires_at > now) else {
            return Ok(None);
        };
        let roster = all.rosters.get(&token.app_id);
        let takes_calls = |a: &Agent| a.id == token.agent_id && a.active;
        let agent = roster.is_some_and(|r| r.agents.iter().any(takes_calls));
        let key = token.key_id.is_none_or(|id| {
            all.keys.values().any(|key| {
                let good = key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now);
                key.id == id && key.app_id == token.app_id && good
            })
        });
        let person = token.user_id.is_none_or(|id| {
            let known = all.people.get(&id);
            known.is_some_and(|person| person.app_id == token.app_id && person.active)
        });
        Ok((agent && key && person).then(|| token.clone()))
    }

    async fn delete_agent_token(&self, app: AppId, id: AgentTokenId) -> StoreResult<bool> {
        let mut all = self.all();
        let before = all.agent_tokens.len();
        all.agent_tokens
            .retain(|_, t| t.app_id != app || t.id != id);
        Ok(all.agent_tokens.len() < before)
    }
}
