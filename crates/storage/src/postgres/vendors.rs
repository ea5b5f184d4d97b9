//! Being written.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::*;
use switchhook_engine::store::*;
use uuid::Uuid;

use super::PostgresStore;

#[async_trait]
impl VendorStore for PostgresStore {
    async fn tokens(
        &self,
        _app: AppId,
        _connection: ConnectionId,
    ) -> StoreResult<Option<StoredTokens>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn put_tokens(&self, _tokens: &StoredTokens, _expected: u64) -> StoreResult<bool> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn delete_tokens(&self, _app: AppId, _connection: ConnectionId) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn expiring_tokens(
        &self,
        _before: Timestamp,
        _limit: u32,
    ) -> StoreResult<Vec<StoredTokens>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn subscription(
        &self,
        _app: AppId,
        _connection: ConnectionId,
    ) -> StoreResult<Option<StoredSubscription>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn put_subscription(&self, _subscription: &StoredSubscription) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn delete_subscription(&self, _app: AppId, _connection: ConnectionId) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn due_subscriptions(
        &self,
        _now: Timestamp,
        _limit: u32,
    ) -> StoreResult<Vec<StoredSubscription>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn take_lease(
        &self,
        _name: &str,
        _owner: Uuid,
        _now: Timestamp,
        _until: Timestamp,
    ) -> StoreResult<bool> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn release_lease(&self, _name: &str, _owner: Uuid) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn put_oauth_start(&self, _start: &OAuthStart, _now: Timestamp) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn take_oauth_start(
        &self,
        _state_hash: &[u8; 32],
        _now: Timestamp,
    ) -> StoreResult<Option<OAuthStart>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn mappings(&self) -> StoreResult<Vec<StoredMapping>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn put_mapping(&self, _mapping: &StoredMapping) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn delete_mapping(&self, _platform: &str) -> StoreResult<bool> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
}
