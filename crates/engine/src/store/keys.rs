//! API keys as stored: never the keys themselves. How a key is made, checked and claimed is
//! decided in [`crate::access`]; here is only what lasts. Keys are never deleted, so that what
//! became of them can always be told.

use std::fmt;

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};

use super::StoreResult;
use crate::rights::Scopes;

/// What a key that is shown is compared with.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyProof {
    /// Keyed hash of the whole key.
    Hash([u8; 32]),
    /// The bcrypt text of an imported key that has not been shown yet: it has no look-up and no
    /// keyed hash until then, see [`KeyStore::claim_key`].
    Bcrypt(String),
}

impl fmt::Debug for KeyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash(_) => "Hash(…)",
            Self::Bcrypt(_) => "Bcrypt(…)",
        })
    }
}

/// An API key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub app_id: AppId,
    /// What it is called.
    pub name: String,
    /// The part it is found by; unique over all apps. Of a key with a bcrypt text it is one that
    /// no key that is shown can have.
    pub lookup: String,
    /// What a key that is shown is compared with.
    pub proof: KeyProof,
    /// First and last characters, for people; empty while they are not known.
    pub hint: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last shown, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The key it was made to replace. A key is replaced once.
    pub replaces: Option<KeyId>,
}

impl ApiKey {
    /// True when it has not been revoked and has not run out. Whether its app is switched on is
    /// another matter.
    #[must_use]
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

/// What an imported key gets when it is shown for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyClaim {
    /// The part it is found by from now on.
    pub lookup: String,
    /// Keyed hash of the whole key.
    pub hash: [u8; 32],
    /// First and last characters of the key.
    pub hint: String,
}

/// A key was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Whose.
    pub app_id: AppId,
    /// Which.
    pub key_id: KeyId,
    /// When.
    pub at: Timestamp,
}

/// API keys.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Stores a new key. A look-up that is taken is a conflict.
    async fn create_key(&self, key: &ApiKey) -> StoreResult<()>;

    /// The key of that look-up part, revoked ones included.
    async fn key_by_lookup(&self, lookup: &str) -> StoreResult<Option<ApiKey>>;

    /// One key of an app, revoked ones included.
    async fn key(&self, app: AppId, id: KeyId) -> StoreResult<Option<ApiKey>>;

    /// The keys of an app, newest first, revoked ones included.
    async fn keys(&self, app: AppId) -> StoreResult<Vec<ApiKey>>;

    /// Revokes a key. Revoking twice keeps the first time.
    async fn revoke_key(&self, app: AppId, id: KeyId, at: Timestamp) -> StoreResult<()>;

    /// Gives a key another name.
    async fn rename_key(&self, app: AppId, id: KeyId, name: &str) -> StoreResult<()>;

    /// Stores a key that replaces another of its app ([`ApiKey::replaces`]), and lets that one end
    /// at `old_until` unless it ends sooner; where that is not after the new key was made, it is
    /// revoked. Both or neither.
    ///
    /// # Errors
    /// Not found when there is no such key in the app or it is revoked; a conflict when it has
    /// been replaced before.
    async fn rotate_key(&self, new: &ApiKey, old_until: Timestamp) -> StoreResult<()>;

    /// Keys of all apps that still have a bcrypt text and are neither revoked nor run out, oldest
    /// first.
    async fn unclaimed_keys(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<ApiKey>>;

    /// Gives a key with a bcrypt text its look-up, keyed hash and hint, and erases the bcrypt
    /// text. False, and nothing changed, when that has happened before.
    async fn claim_key(&self, app: AppId, id: KeyId, claim: &KeyClaim) -> StoreResult<bool>;

    /// Notes when keys were last shown; a later time stays. Unknown keys are passed over.
    async fn keys_used(&self, uses: &[KeyUse]) -> StoreResult<()>;
}
