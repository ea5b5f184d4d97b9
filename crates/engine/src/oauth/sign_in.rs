//! A person signs in at a vendor for one connection: authorization code with PKCE (RFC 6749
//! section 4.1, RFC 7636). The `state` is random, known here by its hash only, bound to one app,
//! one connection and one browser, works once and not for long.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use subtle::ConstantTimeEq;
use switchhook_domain::id::{AppId, ConnectionId};

use super::{TokenRequest, Tokens};
use crate::adapter::Secret;
use crate::command::{CommandError, Fault, Grant, OAuthEndpoints};
use crate::connections::{ReadyConnection, place};
use crate::seal::{digest, random_text};
use crate::store::{OAuthStart, StoreError};

/// How long a sign-in may take.
pub const LIFE: SignedDuration = SignedDuration::from_mins(10);
/// Random bytes of a state, a browser's cookie and a verifier (64 characters).
const RANDOM: usize = 48;
/// How often new tokens are offered to a store where others change them at the same time.
const TRIES: u32 = 5;

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub authorize_url: String,
    /// The cookie that makes it this browser's sign-in.
    pub browser: Secret,
}

/// Whose sign-in has come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The app.
    pub app_id: AppId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// Where the person's browser goes next: a path of ours.
    pub return_to: Option<String>,
    start: OAuthStart,
}

/// Why a sign-in came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The state is not one of ours, was used, or its time is over.
    #[error("the sign-in is not known, was finished already, or took too long")]
    UnknownState,
    /// It was begun in another browser.
    #[error("the sign-in was begun in another browser")]
    OtherBrowser,
    /// The vendor refused, or our settings do not fit it.
    #[error("{0}")]
    Platform(CommandError),
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CommandError> for SignInError {
    fn from(error: CommandError) -> Self {
        Self::Platform(error)
    }
}

impl Tokens {
    /// Begins a sign-in for a connection. `browser` is the cookie of a browser that is signing in
    /// already, so that two windows of it do not get in each other's way.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn begin(
        &self,
        connection: &ReadyConnection,
        redirect_uri: &str,
        browser: Option<&Secret>,
        return_to: Option<String>,
    ) -> Result<Begun, SignInError> {
        let endpoints = by_person(connection)?;
        let parts = &self.0;
        let entropy = &*parts.entropy;
        let now = parts.clock.now();
        let state = random_text(entropy, RANDOM);
        let verifier = random_text(entropy, RANDOM);
        let known = browser.filter(|cookie| cookie.expose().len() == RANDOM / 3 * 4);
        let browser = match known {
            Some(cookie) => cookie.clone(),
            None => Secret::new(random_text(entropy, RANDOM)),
        };
        let row = &connection.row;
        let place = place(row.app_id, row.id, "oauth_verifier");
        let start = OAuthStart {
            state_hash: digest(state.as_bytes()),
            app_id: row.app_id,
            connection_id: row.id,
            browser_hash: digest(browser.expose().as_bytes()),
            sealed_verifier: (parts.keys).seal(&Secret::new(&*verifier), &place, entropy),
            redirect_uri: redirect_uri.to_owned(),
            return_to,
            expires_at: now + LIFE,
        };
        let challenge = URL_SAFE_NO_PAD.encode(digest(verifier.as_bytes()));
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", endpoints.client_id.as_str()),
            ("redirect_uri", redirect_uri),
            ("state", state.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        if !endpoints.scope.is_empty() {
            parameters.push(("scope", endpoints.scope.as_str()));
        }
        let extra = endpoints.extra.iter();
        parameters.extend(extra.map(|(name, value)| (name.as_str(), value.as_str())));
        let authorize_url = parts.endpoint.authorize_url(&endpoints, &parameters)?;
        parts.store.put_oauth_start(&start, now).await?;
        Ok(Begun {
            authorize_url,
            browser,
        })
    }

    /// A browser came back with this state: whose sign-in it is. Works once, whatever comes of it.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn returned(
        &self,
        state: &str,
        browser: Option<&Secret>,
    ) -> Result<Returned, SignInError> {
        let hash = digest(state.as_bytes());
        let now = self.0.clock.now();
        let start = self.0.store.take_oauth_start(&hash, now).await?;
        let start = start.ok_or(SignInError::UnknownState)?;
        let cookie = browser.map(|cookie| digest(cookie.expose().as_bytes()));
        let same = cookie.is_some_and(|hash| bool::from(hash.ct_eq(&start.browser_hash)));
        if !same {
            return Err(SignInError::OtherBrowser);
        }
        Ok(Returned {
            app_id: start.app_id,
            connection_id: start.connection_id,
            return_to: start.return_to.clone(),
            start,
        })
    }

    /// Exchanges the code for tokens and keeps them.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn finish(
        &self,
        connection: &ReadyConnection,
        returned: Returned,
        code: Secret,
    ) -> Result<(), SignInError> {
        let row = &connection.row;
        if (row.app_id, row.id) != (returned.app_id, returned.connection_id) {
            return Err(SignInError::UnknownState);
        }
        let endpoints = by_person(connection)?;
        let place = place(row.app_id, row.id, "oauth_verifier");
        let verifier = (self.0.keys).open(&returned.start.sealed_verifier, &place);
        let request = TokenRequest::Code {
            code,
            redirect_uri: returned.start.redirect_uri,
            verifier: verifier.map_err(|_| SignInError::UnknownState)?,
        };
        let granted = self.0.endpoint.grant(&endpoints, &request).await?;
        for _ in 0..TRIES {
            let before = self.0.store.tokens(row.app_id, row.id).await?;
            let version = before.as_ref().map_or(0, |tokens| tokens.version);
            let tokens = self.seal(connection, &granted, None, version + 1);
            if self.0.store.put_tokens(&tokens, version).await? {
                self.lock_unsaved().remove(&row.id);
                if before.is_some_and(|tokens| tokens.fault.is_some()) {
                    self.tell(connection, None).await;
                }
                return Ok(());
            }
        }
        Err(SignInError::Store(StoreError::Conflict("sign-in")))
    }
}

fn by_person(connection: &ReadyConnection) -> Result<OAuthEndpoints, SignInError> {
    let endpoints = connection.adapter.oauth(&connection.context);
    let endpoints = endpoints.filter(|e| e.grant == Grant::AuthorizationCode);
    endpoints.ok_or_else(|| {
        let title = connection.adapter.spec().title;
        let detail = format!(
            "This {title} connection has no OAuth client, so nobody can sign in for it: set \
             client_id and client_secret, or use its other credentials."
        );
        SignInError::Platform(CommandError::new(Fault::Settings, detail))
    })
}
