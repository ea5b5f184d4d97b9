//! OAuth tokens of connections: kept sealed, refreshed ahead of expiry by one task of one node at
//! a time, given up and told when the vendor no longer takes them. How a person signs in is in
//! [`sign_in`]; how a vendor's OAuth differs is in its [`OAuthEndpoints`]; the requests themselves
//! are made behind the port [`TokenEndpoint`].

mod keeping;
pub mod sign_in;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde::Serialize;
use switchhook_domain::Timestamp;
use switchhook_domain::id::ConnectionId;
use uuid::Uuid;

use crate::adapter::Secret;
use crate::command::{AccessTokens, CommandError, Fault, Grant, OAuthEndpoints};
use crate::connections::ReadyConnection;
use crate::keyring::KeyRing;
use crate::ports::{Clock, Entropy};
use crate::store::{Store, StoreError, StoreResult, StoredTokens};

/// A token that lives no longer than this is refreshed before it is used.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How far ahead of their expiry tokens are refreshed without anybody asking.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How many tokens one look ahead refreshes.
const BATCH: u32 = 100;
/// A token younger than this that is refused will not get better by another refresh.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// What a token endpoint is asked.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// The code a person's browser brought back (RFC 6749 section 4.1.3, RFC 7636).
    Code {
        /// The code.
        code: Secret,
        /// The redirect address of the authorisation request, repeated.
        redirect_uri: String,
        /// The PKCE verifier.
        verifier: Secret,
    },
    /// A refresh token (RFC 6749 section 6).
    Refresh {
        /// The token.
        refresh_token: Secret,
    },
    /// A signed assertion (RFC 7523).
    Jwt {
        /// The assertion.
        assertion: Secret,
    },
}

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The access token.
    pub access_token: Secret,
    /// A refresh token; `None` when the vendor gave none, and the one in use stays good.
    pub refresh_token: Option<Secret>,
    /// How long the access token works, when the vendor says.
    pub expires_in: Option<Duration>,
}

/// The HTTP side of OAuth. A refusal that only a person can put right (`invalid_grant`) is
/// [`Fault::Credentials`], a client that is not accepted is [`Fault::Settings`].
#[async_trait]
pub trait TokenEndpoint: Send + Sync + fmt::Debug {
    /// The address a browser is sent to: the authorisation address with these parameters.
    fn authorize_url(
        &self,
        endpoints: &OAuthEndpoints,
        parameters: &[(&str, &str)],
    ) -> Result<String, CommandError>;

    /// Asks for tokens.
    async fn grant(
        &self,
        endpoints: &OAuthEndpoints,
        request: &TokenRequest,
    ) -> Result<Granted, CommandError>;

    /// Has the vendor forget the tokens. A vendor without such a place is no error.
    async fn revoke(
        &self,
        endpoints: &OAuthEndpoints,
        access_token: &Secret,
        refresh_token: Option<&Secret>,
    ) -> Result<(), CommandError>;
}

/// How a connection's sign-in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInState {
    /// Nobody has signed in yet.
    Missing,
    /// Tokens are there, and are refreshed as needed.
    Good,
    /// The vendor does not take them any more: somebody must sign in again.
    Failed,
}

/// What is known about a connection's sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInStatus {
    /// How it stands.
    pub state: SignInState,
    /// What is wrong and what to do.
    pub reason: Option<String>,
    /// When the access token in use runs out.
    pub expires_at: Option<Timestamp>,
}

/// Tokens that could not be stored yet, and the version they replace.
type Unsaved = HashMap<ConnectionId, (StoredTokens, u64)>;

struct Parts {
    store: Arc<dyn Store>,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    endpoint: Arc<dyn TokenEndpoint>,
    /// This process, among those that share the database.
    node: Uuid,
    /// One refresh at a time for each connection of this process.
    refreshing: Mutex<HashMap<ConnectionId, Arc<tokio::sync::Mutex<()>>>>,
    unsaved: Mutex<Unsaved>,
}

/// The tokens of all connections. Clones are the same.
#[derive(Clone)]
pub struct Tokens(Arc<Parts>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Wires it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        keys: impl Into<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        endpoint: Arc<dyn TokenEndpoint>,
    ) -> Self {
        let node = Uuid::from_u128(entropy.random());
        Self(Arc::new(Parts {
            store,
            keys: keys.into(),
            clock,
            entropy,
            endpoint,
            node,
            refreshing: Mutex::default(),
            unsaved: Mutex::default(),
        }))
    }

    /// Takes over tokens that another system was granted, unless the connection has some of its
    /// own. Returns whether they were taken.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_over(
        &self,
        connection: &ReadyConnection,
        granted: &Granted,
    ) -> StoreResult<bool> {
        let tokens = self.seal(connection, granted, None, 1);
        self.0.store.put_tokens(&tokens, 0).await
    }

    /// The tokens of one connection, as requests use them.
    #[must_use]
    pub fn of(&self, connection: &ReadyConnection) -> Arc<dyn AccessTokens> {
        Arc::new(OfConnection {
            tokens: self.clone(),
            connection: connection.clone(),
        })
    }

    /// How the sign-in of a connection stands; `None` when it does not sign in by OAuth.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn status(&self, connection: &ReadyConnection) -> StoreResult<Option<SignInStatus>> {
        let Some(endpoints) = connection.adapter.oauth(&connection.context) else {
            return Ok(None);
        };
        let row = &connection.row;
        let stored = self.0.store.tokens(row.app_id, row.id).await?;
        let by_person = endpoints.grant == Grant::AuthorizationCode;
        Ok(Some(match stored {
            None => SignInStatus {
                state: SignInState::Missing,
                reason: by_person.then(|| NOT_SIGNED_IN.to_owned()),
                expires_at: None,
            },
            Some(stored) => SignInStatus {
                state: match stored.fault {
                    Some(_) => SignInState::Failed,
                    None => SignInState::Good,
                },
                reason: stored.fault,
                expires_at: stored.expires_at,
            },
        }))
    }

    /// Refreshes what runs out soon, of connections of this server. Returns how many it looked
    /// at. What fails is tried again by the next look, or by the next request.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn refresh_ahead(
        &self,
        find: impl Fn(ConnectionId) -> Option<ReadyConnection>,
    ) -> StoreResult<usize> {
        let before = self.0.clock.now() + AHEAD;
        let soon = self.0.store.expiring_tokens(before, BATCH).await?;
        let count = soon.len();
        for stored in soon {
            let Some(connection) = find(stored.connection_id) else {
                continue;
            };
            if let Err(error) = self.refresh_if_it_helps(&connection, &stored).await {
                tracing::warn!(connection.id = %stored.connection_id, %error, "cannot refresh");
            }
        }
        Ok(count)
    }

    /// Has the vendor forget the tokens of a connection and forgets them here. Returns what could
    /// not be taken back at the vendor.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn disconnect(&self, connection: &ReadyConnection) -> StoreResult<Option<String>> {
        let row = &connection.row;
        let Some(stored) = self.0.store.tokens(row.app_id, row.id).await? else {
            return Ok(None);
        };
        let left = self.revoke(connection, &stored).await.err();
        self.0.store.delete_tokens(row.app_id, row.id).await?;
        self.lock_unsaved().remove(&row.id);
        Ok(left
            .map(|error| format!("The sign-in could not be taken back at the platform: {error}")))
    }
}

/// What is told while nobody has signed in.
const NOT_SIGNED_IN: &str = "Nobody has signed in at the platform yet: open a sign-in link of \
                             this connection.";

struct OfConnection {
    tokens: Tokens,
    connection: ReadyConnection,
}

#[async_trait]
impl AccessTokens for OfConnection {
    async fn token(&self) -> Result<Secret, CommandError> {
        self.tokens.token(&self.connection).await
    }

    async fn renew(&self, refused: &Secret) -> Result<Secret, CommandError> {
        self.tokens.renew(&self.connection, refused).await
    }
}

fn away(error: &StoreError) -> CommandError {
    tracing::warn!(%error, "cannot read or store tokens");
    let detail = "The database does not answer, so the platform could not be asked.";
    CommandError::new(Fault::Unreachable, detail)
}
