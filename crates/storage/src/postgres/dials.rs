//! Being written.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::*;
use switchhook_engine::store::*;

use super::PostgresStore;

#[async_trait]
impl DialStore for PostgresStore {
    async fn create_dial(&self, _dial: &Dial) -> StoreResult<Option<Dial>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn dial(&self, _app: AppId, _id: DialId) -> StoreResult<Option<Dial>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn dial_of_call(&self, _app: AppId, _call: CallId) -> StoreResult<Option<Dial>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn update_dial(&self, _dial: &Dial, _from: &[DialState]) -> StoreResult<bool> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn open_dials(
        &self,
        _app: AppId,
        _connection: ConnectionId,
        _since: Timestamp,
    ) -> StoreResult<Vec<Dial>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn due_dials(&self, _now: Timestamp, _limit: u32) -> StoreResult<Vec<Dial>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn dials_since(&self, _app: AppId, _agent: &str, _since: Timestamp) -> StoreResult<u32> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn dial_policy(&self, _app: AppId) -> StoreResult<Option<DialPolicy>> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
    async fn put_dial_policy(&self, _app: AppId, _policy: &DialPolicy) -> StoreResult<()> {
        Err(StoreError::Unavailable("being written".to_owned()))
    }
}
