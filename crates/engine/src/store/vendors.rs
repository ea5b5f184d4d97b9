//! What we hold at the platforms' vendors, as stored: OAuth tokens, the hooks and subscriptions
//! we made there, sign-ins under way, leases that keep several nodes from doing the same work at
//! once, and mapping files. Tokens and verifiers are sealed before they come here.

use async_trait::async_trait;
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, ConnectionId};
use uuid::Uuid;

use super::StoreResult;

/// The OAuth tokens of a connection, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTokens {
    /// Whose.
    pub app_id: AppId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// Access token, refresh token and what belongs to them, sealed as one JSON text.
    pub sealed: String,
    /// When the access token stops working.
    pub expires_at: Option<Timestamp>,
    /// Counts up with every change, from 1: tokens are replaced only by whoever saw the last.
    pub version: u64,
    /// When they were stored.
    pub updated_at: Timestamp,
    /// Why the last refresh failed for good, one sentence: somebody must sign in again.
    pub fault: Option<String>,
}

/// What we made at a vendor so that its events come to us.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSubscription {
    /// Whose.
    pub app_id: AppId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The vendor's ids of hooks and subscriptions, as the adapter wrote them; no secrets.
    pub state: Value,
    /// When it should be looked at again: renewed, or tried anew.
    pub due_at: Timestamp,
    /// When the vendor last confirmed it.
    pub confirmed_at: Option<Timestamp>,
    /// Why the last try failed, one sentence.
    pub fault: Option<String>,
    /// Failed tries since the last that worked.
    pub failures: u32,
}

/// A sign-in at a vendor that has begun: found by the hash of its `state`, taken once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthStart {
    /// SHA-256 of the `state` parameter.
    pub state_hash: [u8; 32],
    /// Whose.
    pub app_id: AppId,
    /// The connection that will hold the tokens.
    pub connection_id: ConnectionId,
    /// SHA-256 of the cookie that binds it to one browser.
    pub browser_hash: [u8; 32],
    /// The PKCE verifier, sealed.
    pub sealed_verifier: String,
    /// The redirect address that was asked for; the token request must repeat it.
    pub redirect_uri: String,
    /// Where the person's browser goes afterwards: a path of ours.
    pub return_to: Option<String>,
    /// When it stops being worth anything.
    pub expires_at: Timestamp,
}

/// A mapping file: a platform without Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMapping {
    /// The platform's name.
    pub platform: String,
    /// The TOML text, as it was given.
    pub text: String,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// What we hold at vendors.
#[async_trait]
pub trait VendorStore: Send + Sync {
    /// The tokens of a connection.
    async fn tokens(
        &self,
        app: AppId,
        connection: ConnectionId,
    ) -> StoreResult<Option<StoredTokens>>;

    /// Stores tokens if those stored now have version `expected` (0: none are stored); false, and
    /// nothing changed, otherwise. A connection that is gone is [`super::StoreError::NotFound`].
    async fn put_tokens(&self, tokens: &StoredTokens, expected: u64) -> StoreResult<bool>;

    /// Forgets the tokens of a connection.
    async fn delete_tokens(&self, app: AppId, connection: ConnectionId) -> StoreResult<()>;

    /// Tokens of all apps that expire before `before` and have no fault, soonest first.
    async fn expiring_tokens(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredTokens>>;

    /// What we made at the vendor for a connection.
    async fn subscription(
        &self,
        app: AppId,
        connection: ConnectionId,
    ) -> StoreResult<Option<StoredSubscription>>;

    /// Stores it, replacing what was. A connection that is gone is
    /// [`super::StoreError::NotFound`].
    async fn put_subscription(&self, subscription: &StoredSubscription) -> StoreResult<()>;

    /// Forgets it.
    async fn delete_subscription(&self, app: AppId, connection: ConnectionId) -> StoreResult<()>;

    /// Subscriptions of all apps whose `due_at` has passed, oldest first.
    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredSubscription>>;

    /// Takes or prolongs a lease: true when `owner` holds it until `until` now, which it does
    /// when nobody held it, its time was over at `now`, or `owner` held it already.
    async fn take_lease(
        &self,
        name: &str,
        owner: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<bool>;

    /// Gives a lease back, if `owner` holds it.
    async fn release_lease(&self, name: &str, owner: Uuid) -> StoreResult<()>;

    /// Stores a sign-in that has begun, and forgets those whose time was over at `now`.
    async fn put_oauth_start(&self, start: &OAuthStart, now: Timestamp) -> StoreResult<()>;

    /// Takes a sign-in: it works once, and not after its time.
    async fn take_oauth_start(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> StoreResult<Option<OAuthStart>>;

    /// All mapping files, by platform.
    async fn mappings(&self) -> StoreResult<Vec<StoredMapping>>;

    /// Stores a mapping file, replacing that of the same platform.
    async fn put_mapping(&self, mapping: &StoredMapping) -> StoreResult<()>;

    /// Deletes a mapping file; false when there is none.
    async fn delete_mapping(&self, platform: &str) -> StoreResult<bool>;
}
