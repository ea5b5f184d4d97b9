//! What is held at vendors, in the reference store.

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{
    OAuthStart, StoreError, StoreResult, StoredMapping, StoredSubscription, StoredTokens,
    VendorStore,
};
use uuid::Uuid;

use super::{All, MemoryStore, micros};

impl All {
    fn connection_must_exist(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        let found = self.connections.get(&id).filter(|c| c.app_id == app);
        found.map(drop).ok_or(StoreError::NotFound("connection"))
    }
}

#[async_trait]
impl VendorStore for MemoryStore {
    async fn tokens(&self, app: AppId, id: ConnectionId) -> StoreResult<Option<StoredTokens>> {
        let all = self.all();
        Ok(all.tokens.get(&id).filter(|t| t.app_id == app).cloned())
    }

    async fn put_tokens(&self, tokens: &StoredTokens, expected: u64) -> StoreResult<bool> {
        let mut all = self.all();
        all.connection_must_exist(tokens.app_id, tokens.connection_id)?;
        let known = all.tokens.get(&tokens.connection_id);
        if known.map_or(0, |t| t.version) != expected {
            return Ok(false);
        }
        let kept = StoredTokens {
            expires_at: tokens.expires_at.map(micros),
            updated_at: micros(tokens.updated_at),
            ..tokens.clone()
        };
        all.tokens.insert(tokens.connection_id, kept);
        Ok(true)
    }

    async fn delete_tokens(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        self.all()
            .tokens
            .retain(|known, t| *known != id || t.app_id != app);
        Ok(())
    }

    async fn expiring_tokens(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredTokens>> {
        let all = self.all();
        let soon = |t: &&StoredTokens| {
            t.fault.is_none() && t.expires_at.is_some_and(|at| at < micros(before))
        };
        let mut found: Vec<_> = all.tokens.values().filter(soon).cloned().collect();
        found.sort_by_key(|t| (t.expires_at, t.connection_id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn subscription(
        &self,
        app: AppId,
        id: ConnectionId,
    ) -> StoreResult<Option<StoredSubscription>> {
        let all = self.all();
        let found = all.subscriptions.get(&id).filter(|s| s.app_id == app);
        Ok(found.cloned())
    }

    async fn put_subscription(&self, new: &StoredSubscription) -> StoreResult<()> {
        let mut all = self.all();
        all.connection_must_exist(new.app_id, new.connection_id)?;
        let kept = StoredSubscription {
            due_at: micros(new.due_at),
            confirmed_at: new.confirmed_at.map(micros),
            ..new.clone()
        };
        all.subscriptions.insert(new.connection_id, kept);
        Ok(())
    }

    async fn delete_subscription(&self, app: AppId, id: ConnectionId) -> StoreResult<()> {
        let mut all = self.all();
        all.subscriptions
            .retain(|known, s| *known != id || s.app_id != app);
        Ok(())
    }

    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredSubscription>> {
        let all = self.all();
        let due = all
            .subscriptions
            .values()
            .filter(|s| s.due_at <= micros(now));
        let mut found: Vec<_> = due.cloned().collect();
        found.sort_by_key(|s| (s.due_at, s.connection_id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn take_lease(
        &self,
        name: &str,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<bool> {
        let mut all = self.all();
        let held = all.leases.get(name);
        let free = held.is_none_or(|(by, over)| *by == owner || *over <= micros(now));
        if free {
            all.leases.insert(name.to_owned(), (owner, micros(until)));
        }
        Ok(free)
    }

    async fn release_lease(&self, name: &str, owner: Uuid) -> StoreResult<()> {
        self.all()
            .leases
            .retain(|known, (by, _)| known != name || *by != owner);
        Ok(())
    }

    async fn put_oauth_start(&self, start: &OAuthStart, now: Timestamp) -> StoreResult<()> {
        let mut all = self.all();
        all.connection_must_exist(start.app_id, start.connection_id)?;
        all.oauth_starts.retain(|_, s| s.expires_at > micros(now));
        let kept = OAuthStart {
            expires_at: micros(start.expires_at),
            ..start.clone()
        };
        all.oauth_starts.insert(start.state_hash, kept);
        Ok(())
    }

    async fn take_oauth_start(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OAuthStart>> {
        let found = self.all().oauth_starts.remove(state_hash);
        Ok(found.filter(|start| start.expires_at > micros(now)))
    }

    async fn mappings(&self) -> StoreResult<Vec<StoredMapping>> {
        Ok(self.all().mappings.values().cloned().collect())
    }

    async fn put_mapping(&self, mapping: &StoredMapping) -> StoreResult<()> {
        let kept = StoredMapping {
            updated_at: micros(mapping.updated_at),
            ..mapping.clone()
        };
        let platform = mapping.platform.clone();
        self.all().mappings.insert(platform, kept);
        Ok(())
    }

    async fn delete_mapping(&self, platform: &str) -> StoreResult<bool> {
        Ok(self.all().mappings.remove(platform).is_some())
    }
}
