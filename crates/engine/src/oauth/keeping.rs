//! Reading, refreshing and giving up the tokens of one connection. A refresh token that rotates
//! is worth as much as a password and works once, so: one refresh at a time (a lock within the
//! process, a lease between nodes), stored under compare-and-set, and never dropped because the
//! database happens to be away.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;
use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::id::ConnectionId;

use super::{
    AHEAD, FRESH, Granted, MARGIN, NOT_SIGNED_IN, SignInState, TokenRequest, Tokens, Unsaved, away,
};
use crate::adapter::Secret;
use crate::command::{CommandError, Fault, Grant, OAuthEndpoints};
use crate::connections::{ReadyConnection, place};
use crate::store::{Changeset, StoreError, StoreResult, StoredTokens};

/// How long a refresh may hold the lease: longer than a vendor may take to answer.
const LEASE: Duration = Duration::from_secs(60);
/// How often a node that waits for another's refresh looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it looks at most: 20 s in all.
const LOOKS: u32 = 200;
/// How long a refused assertion is not offered again.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// Tries to store what was granted, before it is kept in memory only.
const STORE_TRIES: u32 = 6;
/// The first wait between them; doubled each time, 3 s in all.
const STORE_WAIT: Duration = Duration::from_millis(50);

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Pair {
    access: String,
    refresh: Option<String>,
}

/// Tokens as opened.
pub(super) struct Opened {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
}

fn lease(connection: ConnectionId) -> String {
    format!("oauth:{connection}")
}

/// An error only a person can put right.
fn sign_in_again(detail: impl Into<String>) -> CommandError {
    CommandError::new(Fault::Credentials, detail)
}

impl Tokens {
    pub(super) fn lock_unsaved(&self) -> MutexGuard<'_, Unsaved> {
        self.0
            .unsaved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn token(&self, connection: &ReadyConnection) -> Result<Secret, CommandError> {
        let stored = self.stored(connection).await.map_err(|e| away(&e))?;
        if let Some(good) = self.good(connection, stored.as_ref())? {
            return Ok(good);
        }
        self.refresh(connection, stored.map_or(0, |t| t.version))
            .await
    }

    pub(super) async fn renew(
        &self,
        connection: &ReadyConnection,
        refused: &Secret,
    ) -> Result<Secret, CommandError> {
        let stored = self.stored(connection).await.map_err(|e| away(&e))?;
        let Some(stored) = stored else {
            return Err(sign_in_again(NOT_SIGNED_IN));
        };
        if let Some(good) = self.good(connection, Some(&stored))?
            && good != *refused
        {
            return Ok(good);
        }
        if self.0.clock.now().duration_since(stored.updated_at) < FRESH {
            let detail = "The platform refuses a token it has just given: look at the rights of \
                          the app at the platform.";
            return Err(CommandError::new(Fault::Permission, detail));
        }
        self.refresh(connection, stored.version).await
    }

    /// Refreshes tokens that run out soon, if there is anything to refresh them with.
    pub(super) async fn refresh_if_it_helps(
        &self,
        connection: &ReadyConnection,
        stored: &StoredTokens,
    ) -> Result<(), CommandError> {
        let Some(endpoints) = connection.adapter.oauth(&connection.context) else {
            return Ok(());
        };
        let opened = self.open(connection, stored)?;
        let over = stored.expires_at.is_some_and(|at| at <= self.0.clock.now());
        if opened.refresh.is_some() || over || endpoints.grant != Grant::AuthorizationCode {
            self.refresh(connection, stored.version).await?;
        }
        Ok(())
    }

    /// The tokens as stored, or those that are newer and could not be stored yet.
    async fn stored(&self, connection: &ReadyConnection) -> StoreResult<Option<StoredTokens>> {
        let id = connection.row.id;
        let unsaved = self.lock_unsaved().get(&id).cloned();
        if let Some((tokens, expected)) = unsaved {
            if self.0.store.put_tokens(&tokens, expected).await.is_err() {
                return Ok(Some(tokens));
            }
            // Stored now, or overtaken by a new sign-in: either way the database is right.
            self.lock_unsaved().remove(&id);
        }
        self.0.store.tokens(connection.row.app_id, id).await
    }

    /// The access token, if it still lives long enough to be used.
    fn good(
        &self,
        connection: &ReadyConnection,
        stored: Option<&StoredTokens>,
    ) -> Result<Option<Secret>, CommandError> {
        let Some(stored) = stored else {
            return Ok(None);
        };
        if let Some(fault) = &stored.fault {
            // Nobody signs in for an assertion; the platform may take it again.
            let asserts = connection.adapter.oauth(&connection.context);
            let asserts = asserts.is_some_and(|oauth| oauth.grant != Grant::AuthorizationCode);
            if asserts && self.0.clock.now().duration_since(stored.updated_at) > ASK_AGAIN {
                return Ok(None);
            }
            return Err(sign_in_again(fault));
        }
        let needed = self.0.clock.now() + MARGIN;
        if stored.expires_at.is_some_and(|at| at <= needed) {
            return Ok(None);
        }
        self.open(connection, stored).map(|pair| Some(pair.access))
    }

    /// Gets new tokens in place of those of version `seen` (0: there are none).
    async fn refresh(
        &self,
        connection: &ReadyConnection,
        seen: u64,
    ) -> Result<Secret, CommandError> {
        let id = connection.row.id;
        let endpoints = connection.adapter.oauth(&connection.context);
        let Some(endpoints) = endpoints else {
            let detail = "This connection is not set up to sign in by OAuth.";
            return Err(CommandError::new(Fault::Settings, detail));
        };
        let mine = {
            let mut locks = (self.0.refreshing.lock()).unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(id).or_default().clone()
        };
        let _one_at_a_time = mine.lock().await;
        let name = lease(id);
        for _ in 0..LOOKS {
            let stored = self.stored(connection).await.map_err(|e| away(&e))?;
            if stored.as_ref().is_some_and(|tokens| tokens.version > seen)
                && let Some(good) = self.good(connection, stored.as_ref())?
            {
                return Ok(good);
            }
            let now = self.0.clock.now();
            let until = now + LEASE;
            let taken = self.0.store.take_lease(&name, self.0.node, now, until);
            if taken.await.map_err(|e| away(&e))? {
                // Whoever held the lease may have finished between our look and our turn.
                let latest = self.stored(connection).await.map_err(|e| away(&e))?;
                let done = latest.as_ref().map_or(0, |t| t.version) != seen;
                let result = match self.good(connection, latest.as_ref()) {
                    Ok(Some(good)) if done => Ok(good),
                    Err(error) => Err(error),
                    Ok(_) => self.exchange(connection, &endpoints, latest).await,
                };
                // A lease that is not given back runs out by itself.
                let _ = self.0.store.release_lease(&name, self.0.node).await;
                return result;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let detail = "Another node is signing in at the platform and does not finish.";
        Err(CommandError::new(Fault::Unreachable, detail))
    }

    /// Asks the vendor and stores what it gives. Holds the lease.
    async fn exchange(
        &self,
        connection: &ReadyConnection,
        endpoints: &OAuthEndpoints,
        stored: Option<StoredTokens>,
    ) -> Result<Secret, CommandError> {
        let old = match &stored {
            Some(stored) => Some(self.open(connection, stored)?),
            None => None,
        };
        let refresh = old.and_then(|old| old.refresh);
        let asked = match (&refresh, &endpoints.grant) {
            (Some(refresh_token), _) => {
                let refresh_token = refresh_token.clone();
                let request = TokenRequest::Refresh { refresh_token };
                let granted = self.0.endpoint.grant(endpoints, &request).await;
                match (granted, &endpoints.grant) {
                    // An assertion outlives refresh tokens.
                    (Err(error), Grant::Jwt(assertion)) if error.fault == Fault::Credentials => {
                        self.assert(endpoints, assertion).await
                    }
                    (granted, _) => granted,
                }
            }
            (None, Grant::Jwt(assertion)) => self.assert(endpoints, assertion).await,
            (None, Grant::AuthorizationCode) if stored.is_some() => Err(sign_in_again(
                "The sign-in at the platform has run out, and the platform gave nothing to renew \
                 it with: sign in again, and let the app ask for offline access.",
            )),
            (None, Grant::AuthorizationCode) => return Err(sign_in_again(NOT_SIGNED_IN)),
        };
        match asked {
            Ok(granted) => {
                let version = stored.map_or(0, |stored| stored.version);
                let tokens = self.seal(connection, &granted, refresh, version + 1);
                self.keep(&tokens, version).await;
                Ok(granted.access_token)
            }
            Err(error) => {
                if let (Fault::Credentials, Some(stored)) = (error.fault, stored) {
                    self.give_up(connection, stored, &error.detail).await;
                }
                Err(error)
            }
        }
    }

    async fn assert(
        &self,
        endpoints: &OAuthEndpoints,
        assertion: &Secret,
    ) -> Result<Granted, CommandError> {
        let assertion = assertion.clone();
        let request = TokenRequest::Jwt { assertion };
        self.0.endpoint.grant(endpoints, &request).await
    }

    /// Stores tokens, in memory when the database stays away. A version that is no longer there
    /// means that somebody signed in anew meanwhile: theirs count.
    async fn keep(&self, tokens: &StoredTokens, expected: u64) {
        let mut wait = STORE_WAIT;
        for _ in 0..STORE_TRIES {
            match self.0.store.put_tokens(tokens, expected).await {
                Ok(_) | Err(StoreError::NotFound(_)) => return,
                Err(error) => {
                    let connection = tokens.connection_id;
                    tracing::warn!(connection.id = %connection, %error, "cannot store tokens");
                }
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        let kept = (tokens.clone(), expected);
        self.lock_unsaved().insert(tokens.connection_id, kept);
    }

    /// Marks tokens as worthless and tells so, once.
    async fn give_up(&self, connection: &ReadyConnection, stored: StoredTokens, why: &str) {
        let expected = stored.version;
        let faulty = StoredTokens {
            fault: Some(why.to_owned()),
            version: expected + 1,
            updated_at: self.0.clock.now(),
            ..stored
        };
        match self.0.store.put_tokens(&faulty, expected).await {
            Ok(true) => self.tell(connection, Some(why)).await,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "cannot store that a sign-in has run out"),
        }
    }

    /// Tells the app's log that a sign-in is lost (with the reason) or good again.
    pub(super) async fn tell(&self, connection: &ReadyConnection, fault: Option<&str>) {
        let now = self.0.clock.now();
        let kind = match fault {
            Some(_) => EventType::ConnectionDegraded,
            None => EventType::ConnectionRestored,
        };
        let row = &connection.row;
        let data = json!({ "connection": {
            "id": row.id, "platform": row.platform, "name": row.name,
            "state": if fault.is_some() { "down" } else { "up" },
            "reason": fault, "since": now,
        }});
        let Ok(data) = serde_json::value::to_raw_value(&data) else {
            return;
        };
        let changeset = Changeset {
            app_id: row.app_id,
            at: now,
            random: self.0.entropy.random(),
            notification: None,
            fold: None,
            tasks: Vec::new(),
            events: vec![EventDraft {
                kind,
                call_id: None,
                at: now,
                data,
            }],
            link: None,
        };
        if let Err(error) = self.0.store.commit(changeset).await {
            tracing::warn!(connection.id = %row.id, %error, "cannot tell how a sign-in stands");
        }
    }

    pub(super) async fn revoke(
        &self,
        connection: &ReadyConnection,
        stored: &StoredTokens,
    ) -> Result<(), CommandError> {
        let Some(endpoints) = connection.adapter.oauth(&connection.context) else {
            return Ok(());
        };
        // Only a living token can take itself back, and one the vendor no longer takes needs no
        // taking back.
        let access = match self.token(connection).await {
            Ok(access) => access,
            Err(error) if error.fault == Fault::Credentials => return Ok(()),
            Err(error) => return Err(error),
        };
        let latest = self.stored(connection).await.map_err(|e| away(&e))?;
        let refresh = match self.open(connection, latest.as_ref().unwrap_or(stored)) {
            Ok(opened) => opened.refresh,
            Err(_) => None,
        };
        let endpoint = &self.0.endpoint;
        endpoint.revoke(&endpoints, &access, refresh.as_ref()).await
    }

    pub(super) fn seal(
        &self,
        connection: &ReadyConnection,
        granted: &Granted,
        old_refresh: Option<Secret>,
        version: u64,
    ) -> StoredTokens {
        let row = &connection.row;
        let now = self.0.clock.now();
        let refresh = granted.refresh_token.clone().or(old_refresh);
        let pair = Pair {
            access: granted.access_token.expose().to_owned(),
            refresh: refresh.map(|token| token.expose().to_owned()),
        };
        let text = serde_json::to_string(&pair).unwrap_or_default();
        let place = place(row.app_id, row.id, "oauth_tokens");
        let keys = &self.0.keys;
        StoredTokens {
            app_id: row.app_id,
            connection_id: row.id,
            sealed: keys.seal(&Secret::new(text), &place, &*self.0.entropy),
            expires_at: (granted.expires_in).and_then(|life| now.checked_add(life).ok()),
            version,
            updated_at: now,
            fault: None,
        }
    }

    pub(super) fn open(
        &self,
        connection: &ReadyConnection,
        stored: &StoredTokens,
    ) -> Result<Opened, CommandError> {
        let place = place(stored.app_id, stored.connection_id, "oauth_tokens");
        let text = self.0.keys.open(&stored.sealed, &place);
        let pair = text
            .ok()
            .and_then(|text| serde_json::from_str::<Pair>(text.expose()).ok());
        let pair = pair.ok_or_else(|| {
            let name = &connection.row.name;
            sign_in_again(format!(
                "The stored sign-in of {name} does not open with this server's master key: set \
                 the key it was sealed under, or sign in again."
            ))
        })?;
        Ok(Opened {
            access: Secret::new(pair.access),
            refresh: pair.refresh.map(Secret::new),
        })
    }
}

const _: () = assert!(
    AHEAD.as_secs() > MARGIN.as_secs(),
    "ahead means before it is needed"
);

impl SignInState {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Good => "good",
            Self::Failed => "failed",
        }
    }
}
