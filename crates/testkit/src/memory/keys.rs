//! API keys of the reference store.

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::store::{
    ApiKey, KeyClaim, KeyProof, KeyStore, KeyUse, StoreError, StoreResult,
};

use super::{All, MemoryStore, micros};

/// Times as a database keeps them.
fn kept(key: &ApiKey) -> ApiKey {
    ApiKey {
        created_at: micros(key.created_at),
        expires_at: key.expires_at.map(micros),
        revoked_at: key.revoked_at.map(micros),
        last_used_at: key.last_used_at.map(micros),
        ..key.clone()
    }
}

impl All {
    fn insert_key(&mut self, key: &ApiKey) -> StoreResult<()> {
        self.app_must_exist(key.app_id)?;
        let same = |known: &ApiKey| {
            known.id == key.id
                || known.lookup == key.lookup
                || key.replaces.is_some() && known.replaces == key.replaces
        };
        if self.keys.values().any(same) {
            return Err(StoreError::Conflict("key"));
        }
        self.keys.insert(key.id, kept(key));
        Ok(())
    }

    fn key_mut(&mut self, app: AppId, id: KeyId) -> StoreResult<&mut ApiKey> {
        let key = self.keys.get_mut(&id).filter(|key| key.app_id == app);
        key.ok_or(StoreError::NotFound("key"))
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn create_key(&self, key: &ApiKey) -> StoreResult<()> {
        self.all().insert_key(key)
    }

    async fn key_by_lookup(&self, lookup: &str) -> StoreResult<Option<ApiKey>> {
        let all = self.all();
        let mut keys = all.keys.values();
        Ok(keys.find(|key| key.lookup == lookup).cloned())
    }

    async fn key(&self, app: AppId, id: KeyId) -> StoreResult<Option<ApiKey>> {
        Ok(self.all().key_mut(app, id).ok().cloned())
    }

    async fn keys(&self, app: AppId) -> StoreResult<Vec<ApiKey>> {
        let all = self.all();
        let keys = all.keys.values().filter(|key| key.app_id == app);
        let mut keys: Vec<_> = keys.cloned().collect();
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        Ok(keys)
    }

    async fn revoke_key(&self, app: AppId, id: KeyId, at: Timestamp) -> StoreResult<()> {
        let mut all = self.all();
        let key = all.key_mut(app, id)?;
        key.revoked_at = key.revoked_at.or(Some(micros(at)));
        Ok(())
    }

    async fn rename_key(&self, app: AppId, id: KeyId, name: &str) -> StoreResult<()> {
        name.clone_into(&mut self.all().key_mut(app, id)?.name);
        Ok(())
    }

    async fn rotate_key(&self, new: &ApiKey, old_until: Timestamp) -> StoreResult<()> {
        let mut all = self.all();
        let old_id = new.replaces.ok_or(StoreError::NotFound("key"))?;
        let old = all.key_mut(new.app_id, old_id)?;
        if old.revoked_at.is_some() {
            return Err(StoreError::NotFound("key"));
        }
        all.insert_key(new)?;
        let (until, made) = (micros(old_until), micros(new.created_at));
        let old = all.key_mut(new.app_id, old_id)?;
        old.expires_at = Some(old.expires_at.map_or(until, |at| at.min(until)));
        old.revoked_at = (until <= made).then_some(made);
        Ok(())
    }

    async fn unclaimed_keys(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<ApiKey>> {
        let all = self.all();
        let wanted = all
            .keys
            .values()
            .filter(|key| matches!(key.proof, KeyProof::Bcrypt(_)) && key.works_at(micros(now)));
        let mut keys: Vec<_> = wanted.cloned().collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        keys.truncate(limit as usize);
        Ok(keys)
    }

    async fn claim_key(&self, app: AppId, id: KeyId, claim: &KeyClaim) -> StoreResult<bool> {
        let mut all = self.all();
        let taken = all
            .keys
            .values()
            .any(|key| key.id != id && key.lookup == claim.lookup);
        let Ok(key) = all.key_mut(app, id) else {
            return Ok(false);
        };
        if !matches!(key.proof, KeyProof::Bcrypt(_)) {
            return Ok(false);
        }
        if taken {
            return Err(StoreError::Conflict("key"));
        }
        key.lookup.clone_from(&claim.lookup);
        key.hint.clone_from(&claim.hint);
        key.proof = KeyProof::Hash(claim.hash);
        Ok(true)
    }

    async fn keys_used(&self, uses: &[KeyUse]) -> StoreResult<()> {
        let mut all = self.all();
        for one in uses {
            if let Ok(key) = all.key_mut(one.app_id, one.key_id) {
                key.last_used_at = key.last_used_at.max(Some(micros(one.at)));
            }
        }
        Ok(())
    }
}
