//! Who is asking: API keys, sign-in links and sessions.
//!
//! A key is `sh_<8 characters>_<43 characters>`: the first part finds the row, the second is 256
//! random bits. Only a keyed hash is stored, the comparison is constant-time, and the cost does
//! not depend on how many keys there are. Keys of the predecessor (`raw_…`, `app_…`, `test_key_…`)
//! go on working: they are found by a look-up made of their keyed hash. Those of which only a
//! bcrypt text was imported get theirs when they are shown for the first time (`claims.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use subtle::ConstantTimeEq;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AgentId, AppId, IdMint, KeyId, UserId};

use crate::agents::token::is_token;
use crate::claims::{Claims, FirstUse};
use crate::key_use::Uses;
use crate::keyring::KeyRing;
use crate::people::{SESSION_IDLE, SESSION_MOST};
use crate::ports::{Clock, Entropy};
use crate::rights::Scopes;
use crate::seal::{digest, random_text};
use crate::store::{AgentToken, ApiKey, App, Grant, KeyClaim, KeyProof, Role, Store, StoreResult};
use tokio_util::sync::CancellationToken;

/// How long a sign-in link works.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_mins(30);
/// How long a session lasts.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// How long a key read from the database is believed. Revoking takes effect within this on every
/// node, at once on the node that does it.
const CACHE_LIFE: Duration = Duration::from_millis(900);
/// How often it is noted that a person's session is used.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The most keys remembered.
const CACHE_SIZE: usize = 10_000;

/// How often it is looked whether the last use of a key should be written.
const USES_EVERY: Duration = Duration::from_secs(15);
/// The shortest and the longest key of the predecessor, in bytes.
const INHERITED_LENGTH: std::ops::RangeInclusive<usize> = 16..=200;
/// The first character of the look-up of such a key; none of ours begins with it.
const INHERITED_MARK: char = '~';
/// The first character of the look-up of a key that has none yet.
const UNCLAIMED_MARK: char = '?';
/// The highest cost of an imported bcrypt text; a comparison takes about a second then.
const MAX_BCRYPT_COST: u32 = 14;

/// Why a credential is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not a key or token of ours, or not one any more. Deliberately one answer for all cases.
    #[error("the credential is not valid")]
    Invalid,
    /// The app is switched off.
    #[error("the app is not active")]
    InactiveApp,
    /// It cannot be said now: too many unknown keys are being compared. Trying again may help.
    #[error("too many unknown keys are being checked")]
    Busy,
}

/// A stored key of the predecessor that cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither a key nor a bcrypt text of cost {MAX_BCRYPT_COST} or less")]
pub struct NotAKey;

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Access {
    /// The app they may see.
    pub app: Arc<App>,
    /// The key, when it was one.
    pub key_id: Option<KeyId>,
    /// The person, when they have an account.
    pub user_id: Option<UserId>,
    /// The agent, when it is the token of an embedded panel, or a session that was begun as one.
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
    cache: Mutex<Cache>,
    claims: Claims,
    uses: Uses,
    /// When sessions of people were last noted as used.
    touched: Mutex<HashMap<[u8; 32], Timestamp>>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<String, Cached>,
    /// Goes up when everything is forgotten, so that what was read before is not kept after.
    generation: u64,
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
            claims: Claims::default(),
            uses: Uses::default(),
            touched: Mutex::default(),
        }
    }

    /// Makes a key for an app. It is not stored yet.
    #[must_use]
    pub fn new_key(
        &self,
        app_id: AppId,
        name: &str,
        scopes: Scopes,
        expires_at: Option<Timestamp>,
    ) -> NewKey {
        let lookup: String = random_text(&*self.entropy, 12)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .chain(std::iter::repeat('0'))
            .take(8)
            .collect();
        let text = format!("sh_{lookup}_{}", random_text(&*self.entropy, 32));
        let row = ApiKey {
            lookup,
            proof: KeyProof::Hash(self.keys.hash(&text)),
            hint: hint(&text),
            scopes,
            expires_at,
            ..self.empty_row(app_id, name)
        };
        NewKey { text, row }
    }

    /// Makes the row of a key that the predecessor stored, so that it goes on working: `stored` is
    /// its bcrypt text or, from the time before those, the key itself. The hint, first eight
    /// characters, `...` and last four, saves comparisons where it is known. It is not stored yet.
    ///
    /// # Errors
    /// When it is neither.
    pub fn imported_key(
        &self,
        app_id: AppId,
        name: &str,
        stored: &str,
        hint: Option<&str>,
    ) -> Result<ApiKey, NotAKey> {
        let row = self.empty_row(app_id, name);
        if stored.starts_with('$') {
            let parts: bcrypt::HashParts = stored.parse().map_err(|_| NotAKey)?;
            if parts.get_cost() > MAX_BCRYPT_COST {
                return Err(NotAKey);
            }
            return Ok(ApiKey {
                lookup: format!("{UNCLAIMED_MARK}{}", row.id),
                proof: KeyProof::Bcrypt(stored.to_owned()),
                hint: hint.unwrap_or_default().to_owned(),
                ..row
            });
        }
        let shown = Shown::read(stored, &self.keys).filter(|shown| shown.inherited);
        let claim = shown.ok_or(NotAKey)?.claim(stored);
        Ok(ApiKey {
            lookup: claim.lookup,
            proof: KeyProof::Hash(claim.hash),
            hint: claim.hint,
            ..row
        })
    }

    fn empty_row(&self, app_id: AppId, name: &str) -> ApiKey {
        let now = self.clock.now();
        ApiKey {
            id: KeyId(IdMint::new(now, self.entropy.random()).uuid()),
            app_id,
            name: name.to_owned(),
            lookup: String::new(),
            proof: KeyProof::Hash([0; 32]),
            hint: String::new(),
            scopes: Scopes::ALL,
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            replaces: None,
        }
    }

    /// Whose key, or whose token of an embedded panel, this is.
    ///
    /// # Errors
    /// The outer error when the database is away, the inner when the key is not good.
    pub async fn key(&self, text: &str) -> StoreResult<Result<Access, AccessError>> {
        if is_token(text) {
            return self.agent_token(text).await;
        }
        let Some(shown) = Shown::read(text, &self.keys) else {
            return Ok(Err(AccessError::Invalid));
        };
        let mut found = self.find(&shown.lookup).await?;
        if found.is_none() && shown.inherited {
            let (claim, now) = (shown.claim(text), self.clock.now());
            let first = self.claims.first_use(&*self.store, text, &claim, now);
            match first.await? {
                FirstUse::Unknown => {}
                FirstUse::Busy => return Ok(Err(AccessError::Busy)),
                FirstUse::Claimed => found = self.find(&shown.lookup).await?,
            }
        }
        let Some((key, app)) = found else {
            return Ok(Err(AccessError::Invalid));
        };
        let now = self.clock.now();
        let same = match &key.proof {
            KeyProof::Hash(hash) => shown.hash.ct_eq(hash).into(),
            KeyProof::Bcrypt(_) => false,
        };
        Ok(if !same || !key.works_at(now) {
            Err(AccessError::Invalid)
        } else if !app.active {
            Err(AccessError::InactiveApp)
        } else {
            self.uses.note(app.id, key.id, now);
            Ok(Access {
                app,
                key_id: Some(key.id),
                user_id: None,
                agent_id: None,
                role: Role::Admin,
                scopes: key.scopes,
            })
        })
    }

    /// Whose token of an embedded panel this is.
    async fn agent_token(&self, text: &str) -> StoreResult<Result<Access, AccessError>> {
        let (hash, now) = (digest(text.as_bytes()), self.clock.now());
        let Some(token) = self.store.agent_token(&hash, now).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        let Some(app) = self.store.app(token.app_id).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        let Some(most) = self.most_of_token(&token).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        if !app.active {
            return Ok(Err(AccessError::InactiveApp));
        }
        Ok(Ok(Access {
            app: Arc::new(app),
            key_id: token.key_id,
            user_id: None,
            agent_id: Some(token.agent_id),
            role: Role::Agent,
            scopes: Role::Agent.scopes().and(most),
        }))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(&self, lookup: &str) -> StoreResult<Option<(ApiKey, Arc<App>)>> {
        // From before it is read: what is old when it arrives is not believed the longer for it.
        let since = Instant::now();
        let generation = {
            let cache = self.cache();
            let fresh = |cached: &&Cached| cached.0.elapsed() < CACHE_LIFE;
            if let Some((_, key, app)) = cache.keys.get(lookup).filter(fresh) {
                return Ok(Some((key.clone(), app.clone())));
            }
            cache.generation
        };
        let Some(key) = self.store.key_by_lookup(lookup).await? else {
            return Ok(None);
        };
        let Some(app) = self.store.app(key.app_id).await? else {
            return Ok(None);
        };
        let app = Arc::new(app);
        let mut cache = self.cache();
        if cache.generation == generation {
            if cache.keys.len() >= CACHE_SIZE {
                cache.keys.clear();
            }
            let cached = (since, key.clone(), app.clone());
            cache.keys.insert(lookup.to_owned(), cached);
        }
        Ok(Some((key, app)))
    }

    /// Forgets what was read from the database, after a revocation.
    pub fn forget_cached(&self) {
        let mut cache = self.cache();
        cache.keys.clear();
        cache.generation += 1;
    }

    /// Writes when keys were last shown, at most once a minute for each; with `all` also the rest.
    ///
    /// # Errors
    /// When the database is away; it is tried again the next time.
    pub async fn write_uses(&self, all: bool) -> StoreResult<()> {
        let due = self.uses.due(self.clock.now(), all);
        if !due.is_empty() {
            self.store.keys_used(&due).await?;
            self.uses.written(&due);
        }
        Ok(())
    }

    /// Writes behind when keys were last shown, until `stop`, and then what is left.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let all = tokio::select! {
                () = tokio::time::sleep(USES_EVERY) => false,
                () = stop.cancelled() => true,
            };
            if let Err(error) = self.write_uses(all).await {
                tracing::warn!(%error, "cannot write when keys were last used");
            }
            if all {
                return;
            }
        }
    }

    /// Makes a one-time sign-in link's token for an app; `agent`: who takes calls with it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_in_link(
        &self,
        app_id: AppId,
        role: Role,
        agent: Option<AgentId>,
    ) -> StoreResult<String> {
        let token = random_text(&*self.entropy, 32);
        let mut grant = self.grant(&token, app_id, role, LINK_LIFE);
        grant.agent_id = agent;
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
        let mut grant = self.grant(&session, link.app_id, link.role, SESSION_LIFE);
        grant.agent_id = link.agent_id;
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
        let Some(most) = self.scopes_of_minter(grant.app_id, grant.key_id).await? else {
            return Ok(Err(AccessError::Invalid));
        };
        if !app.active {
            return Ok(Err(AccessError::InactiveApp));
        }
        if grant.user_id.is_some() {
            self.touch(&hash).await;
        }
        Ok(Ok(Access {
            app: Arc::new(app),
            key_id: grant.key_id,
            user_id: grant.user_id,
            agent_id: grant.agent_id,
            role: grant.role,
            scopes: grant.role.scopes().and(most),
        }))
    }

    /// What a panel's token may do at most: what whoever minted it may. `None` when they no longer
    /// may anything, and the token with them.
    async fn most_of_token(&self, token: &AgentToken) -> StoreResult<Option<Scopes>> {
        let Some(id) = token.user_id else {
            return self.scopes_of_minter(token.app_id, token.key_id).await;
        };
        let person = self.store.person(token.app_id, id).await?;
        Ok(person
            .filter(|person| person.active)
            .map(|person| person.role.scopes()))
    }

    /// What the holder may do at most: what the key may that minted the token. `None` when that
    /// key no longer works, and the token with it.
    async fn scopes_of_minter(
        &self,
        app: AppId,
        key: Option<KeyId>,
    ) -> StoreResult<Option<Scopes>> {
        let Some(id) = key else {
            return Ok(Some(Scopes::ALL));
        };
        let key = self.store.key(app, id).await?;
        let works = key.filter(|key| key.works_at(self.clock.now()));
        Ok(works.map(|key| key.scopes))
    }

    /// A person's session lasts as long as it is used, within limits; noted every few minutes.
    async fn touch(&self, hash: &[u8; 32]) {
        let now = self.clock.now();
        {
            let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
            let lately = |at: &Timestamp| now < *at + TOUCH_EVERY;
            if touched.get(hash).is_some_and(lately) {
                return;
            }
            if touched.len() >= CACHE_SIZE {
                touched.retain(|_, at| lately(at));
            }
            if touched.len() >= CACHE_SIZE {
                touched.clear();
            }
            touched.insert(*hash, now);
        }
        let (until, most) = (now + SESSION_IDLE, SESSION_MOST.as_secs());
        if let Err(error) = self.store.touch_session(hash, now, until, most).await {
            // The session goes on as it was; the next look will try again.
            tracing::debug!(%error, "cannot note that a session is used");
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_out(&self, token: &str) -> StoreResult<()> {
        self.store.delete_session(&digest(token.as_bytes())).await
    }
}

/// A key as somebody shows it.
struct Shown {
    lookup: String,
    hash: [u8; 32],
    /// True when it is not of our own format.
    inherited: bool,
}

impl Shown {
    /// Reads it; `None` for what can be no key.
    fn read(text: &str, keys: &KeyRing) -> Option<Self> {
        if text.starts_with("sh_") {
            let lookup = lookup_part(text)?.to_owned();
            let hash = keys.hash(text);
            return Some(Self {
                lookup,
                hash,
                inherited: false,
            });
        }
        if !is_inherited(text) {
            return None;
        }
        let hash = keys.hash(text);
        let lookup = format!("{INHERITED_MARK}{}", URL_SAFE_NO_PAD.encode(&hash[..15]));
        Some(Self {
            lookup,
            hash,
            inherited: true,
        })
    }

    fn claim(&self, text: &str) -> KeyClaim {
        KeyClaim {
            lookup: self.lookup.clone(),
            hash: self.hash,
            hint: hint(text),
        }
    }
}

fn lookup_part(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("sh_")?;
    let (lookup, secret) = rest.split_once('_')?;
    (lookup.len() == 8 && secret.len() == 43 && text.is_ascii()).then_some(lookup)
}

/// True for what the predecessor may have given out as a key. What it stored, a bcrypt text, is
/// none.
fn is_inherited(text: &str) -> bool {
    INHERITED_LENGTH.contains(&text.len())
        && !text.starts_with('$')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// First eight and last four characters: enough to recognise, not enough to use. Of a short key
/// the first four only.
fn hint(text: &str) -> String {
    if text.len() < 32 {
        return format!("{}...", text.get(..4).unwrap_or_default());
    }
    let (start, tail) = (text.get(..8), text.get(text.len() - 4..));
    format!(
        "{}...{}",
        start.unwrap_or_default(),
        tail.unwrap_or_default()
    )
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
    use crate::seal::MasterKey;

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
        let key = format!("sh_abcdefgh_{}wxyz", "0".repeat(39));
        assert_eq!(hint(&key), "sh_abcde...wxyz");
        assert_eq!(hint("0123456789abcdef"), "0123...");
    }

    #[test]
    fn what_the_predecessor_gave_out_is_looked_up_by_its_hash() {
        let master = KeyRing::from(MasterKey::new([7; 32]));
        let raw = format!("raw_{}", "0a".repeat(32));
        let shown = Shown::read(&raw, &master).unwrap();
        assert!(shown.inherited && shown.lookup.starts_with('~') && shown.lookup.len() == 21);
        let other = Shown::read(&raw, &KeyRing::from(MasterKey::new([8; 32]))).unwrap();
        assert_ne!(shown.lookup, other.lookup, "it needs the master key");
        for good in [
            "test_key_0b9f3e64-6a0e-4f6b-9d5e-0b6a6f1f9a3e",
            "0123456789abcdef",
        ] {
            assert!(Shown::read(good, &master).is_some(), "{good}");
        }
        let bcrypt = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        let long = "x".repeat(201);
        for bad in [
            "",
            "short",
            bcrypt,
            &long,
            "with a space in the middle",
            "sh_abc_def_ghi_jkl",
        ] {
            assert!(Shown::read(bad, &master).is_none(), "{bad}");
        }
    }

    #[test]
    fn secrets_compare_by_value() {
        assert!(same_secret("a", "a"));
        assert!(!same_secret("a", "b"));
        assert!(!same_secret("", "a"));
    }
}
