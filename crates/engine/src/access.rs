//! Who is asking: API keys, sign-in links and sessions.
//!
//! A key is `sh_<8 characters>_<43 characters>`: the first part finds the row, the second is 256
//! random bits. Only a keyed hash is stored, the comparison is constant-time, and the cost does
//! not depend on how many keys there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use subtle::ConstantTimeEq;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AgentId, AppId, IdMint, KeyId, UserId};

use crate::keyring::KeyRing;
use crate::ports::{Clock, Entropy};
use crate::rights::Scopes;
use crate::seal::{digest, random_text};
use crate::store::{ApiKey, App, Grant, Role, Store, StoreResult};

/// How long a sign-in link works.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_mins(30);
/// How long a session lasts.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// How long a key read from the database is believed. Revoking takes effect within this on every
/// node, at once on the node that does it.
const CACHE_LIFE: Duration = Duration::from_secs(1);
/// The most keys remembered.
const CACHE_SIZE: usize = 10_000;

/// Why a credential is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not a key or token of ours, or not one any more. Deliberately one answer for all cases.
    #[error("the credential is not valid")]
    Invalid,
    /// The app is switched off.
    #[error("the app is not active")]
    InactiveApp,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Access {
    /// The app they may see.
    pub app: Arc<App>,
    /// The key, when it was one.
    pub key_id: Option<KeyId>,
    /// The person, when they have an account.
    pub user_id: Option<UserId>,
    /// The agent, when it is the token of an embedded panel.
    pub agent_id: Option<AgentId>,
    /// As what.
    pub role: Role,
    /// What they may do.
    pub scopes: Scopes,
}

/// A new key: the only time its text exists.
#[derive(Debug)]
pub struct NewKey {
    /// The key itself, to be shown once.
    pub text: String,
    /// The row.
    pub row: ApiKey,
}

type Cached = (Instant, ApiKey, Arc<App>);

/// Checks credentials.
pub struct Gate {
    store: Arc<dyn Store>,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    cache: Mutex<HashMap<String, Cached>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        keys: impl Into<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            store,
            keys: keys.into(),
            clock,
            entropy,
            cache: Mutex::default(),
        }
    }

    /// Makes a key for an app. It is not stored yet.
    #[must_use]
    pub fn new_key(&self, app_id: AppId, name: &str, expires_at: Option<Timestamp>) -> NewKey {
        let now = self.clock.now();
        let lookup: String = random_text(&*self.entropy, 12)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .chain(std::iter::repeat('0'))
            .take(8)
            .collect();
        let text = format!("sh_{lookup}_{}", random_text(&*self.entropy, 32));
        let row = ApiKey {
            id: KeyId(IdMint::new(now, self.entropy.random()).uuid()),
            app_id,
            name: name.to_owned(),
            hash: self.keys.hash(&text),
            hint: hint(&text),
            lookup,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        NewKey { text, row }
    }

    /// Whose key this is.
    ///
    /// # Errors
    /// The outer error when the database is away, the inner when the key is not good.
    pub async fn key(&self, text: &str) -> StoreResult<Result<Access, AccessError>> {
        let Some(lookup) = lookup_part(text) else {
            return Ok(Err(AccessError::Invalid));
        };
        let Some((key, app)) = self.find(lookup).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        let same: bool = self.keys.hash(text).ct_eq(&key.hash).into();
        let expired = key.expires_at.is_some_and(|at| at <= self.clock.now());
        Ok(if !same || expired || key.revoked_at.is_some() {
            Err(AccessError::Invalid)
        } else if !app.active {
            Err(AccessError::InactiveApp)
        } else {
            Ok(Access {
                app,
                key_id: Some(key.id),
                user_id: None,
                agent_id: None,
                role: Role::Admin,
                scopes: Scopes::ALL,
            })
        })
    }

    async fn find(&self, lookup: &str) -> StoreResult<Option<(ApiKey, Arc<App>)>> {
        {
            let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, key, app)) = cache
                .get(lookup)
                .filter(|(at, ..)| at.elapsed() < CACHE_LIFE)
            {
                let _ = at;
                return Ok(Some((key.clone(), app.clone())));
            }
        }
        let Some(key) = self.store.key_by_lookup(lookup).await? else {
            return Ok(None);
        };
        let Some(app) = self.store.app(key.app_id).await? else {
            return Ok(None);
        };
        let app = Arc::new(app);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_SIZE {
            cache.clear();
        }
        cache.insert(
            lookup.to_owned(),
            (Instant::now(), key.clone(), app.clone()),
        );
        Ok(Some((key, app)))
    }

    /// Forgets what was read from the database, after a revocation.
    pub fn forget_cached(&self) {
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Makes a one-time sign-in link's token for an app.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_in_link(&self, app_id: AppId, role: Role) -> StoreResult<String> {
        let token = random_text(&*self.entropy, 32);
        let grant = self.grant(&token, app_id, role, LINK_LIFE);
        self.store.put_sign_in_link(&grant).await?;
        Ok(token)
    }

    /// Exchanges a sign-in token for a session token. `None` when it was used or is too old.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_in(&self, token: &str) -> StoreResult<Option<String>> {
        let hash = digest(token.as_bytes());
        let Some(link) = self
            .store
            .take_sign_in_link(&hash, self.clock.now())
            .await?
        else {
            return Ok(None);
        };
        let session = random_text(&*self.entropy, 32);
        let grant = self.grant(&session, link.app_id, link.role, SESSION_LIFE);
        self.store.put_session(&grant).await?;
        Ok(Some(session))
    }

    fn grant(&self, token: &str, app_id: AppId, role: Role, life: SignedDuration) -> Grant {
        let now = self.clock.now();
        let expires_at = now.checked_add(life).unwrap_or(now);
        Grant {
            token_hash: digest(token.as_bytes()),
            app_id,
            role,
            user_id: None,
            agent_id: None,
            key_id: None,
            expires_at,
        }
    }

    /// Whose session this is.
    ///
    /// # Errors
    /// The outer error when the database is away, the inner when the session is not good.
    pub async fn session(&self, token: &str) -> StoreResult<Result<Access, AccessError>> {
        let hash = digest(token.as_bytes());
        let Some(grant) = self.store.session(&hash, self.clock.now()).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        let Some(app) = self.store.app(grant.app_id).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        if !app.active {
            return Ok(Err(AccessError::InactiveApp));
        }
        Ok(Ok(Access {
            app: Arc::new(app),
            key_id: grant.key_id,
            user_id: grant.user_id,
            agent_id: grant.agent_id,
            role: grant.role,
            scopes: grant.role.scopes(),
        }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_out(&self, token: &str) -> StoreResult<()> {
        self.store.delete_session(&digest(token.as_bytes())).await
    }
}

fn lookup_part(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("sh_")?;
    let (lookup, secret) = rest.split_once('_')?;
    (lookup.len() == 8 && secret.len() == 43 && text.is_ascii()).then_some(lookup)
}

/// First eight and last four characters: enough to recognise, not enough to use.
fn hint(text: &str) -> String {
    let tail = text.len().saturating_sub(4);
    format!("{}...{}", &text[..text.len().min(8)], &text[tail..])
}

/// Compares a bearer token with the operator's secret in constant time.
#[must_use]
pub fn same_secret(given: &str, expected: &str) -> bool {
    // Hashing first makes the lengths equal, so that not even the length is told.
    digest(given.as_bytes())
        .ct_eq(&digest(expected.as_bytes()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_shape_is_looked_up() {
        let good = format!("sh_abcdefgh_{}", "x".repeat(43));
        assert_eq!(lookup_part(&good), Some("abcdefgh"));
        for bad in [
            "",
            "sh_",
            "sh_abc_def",
            "raw_abc",
            "sh_abcdefgh",
            "sh_abcdefgh_short",
        ] {
            assert_eq!(lookup_part(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_hint_gives_nothing_away() {
        assert_eq!(hint("sh_abcdefgh_0123456789wxyz"), "sh_abcde...wxyz");
    }

    #[test]
    fn secrets_compare_by_value() {
        assert!(same_secret("a", "a"));
        assert!(!same_secret("a", "b"));
        assert!(!same_secret("", "a"));
    }
}
