//! Tokens: authorization code with PKCE, JWT bearer, refresh tokens that work once.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::{Answered, Asked};
use super::{ACCOUNT, Group, RingCentral, limits};

/// How long access tokens work, in seconds.
const ACCESS_LIFE: u32 = 3600;
/// How long refresh tokens work, in seconds.
const REFRESH_LIFE: u32 = 604_800;

#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Codes by their text: PKCE challenge and redirect address.
    codes: BTreeMap<String, (String, String)>,
    jwts: BTreeSet<String>,
    /// The one access token that works, and the refresh token that belongs to it.
    access: Option<String>,
    refresh: Option<String>,
    /// The sign-in they are of: it stays when they are refreshed.
    sign_in: u64,
    /// For tests that do not sign in: all of one sign-in.
    given: BTreeSet<String>,
    given_sign_in: u64,
}

impl Tokens {
    /// The sign-in of an access token that works.
    pub(super) fn sign_in(&self, token: &str) -> Option<u64> {
        if self.access.as_deref() == Some(token) {
            return Some(self.sign_in);
        }
        self.given.contains(token).then_some(self.given_sign_in)
    }
}

impl RingCentral {
    /// An access token that works until it is revoked.
    #[must_use]
    pub fn token(&self) -> String {
        let mut state = self.state();
        let token = format!("given-{}", state.next_id());
        state.tokens.given.insert(token.clone());
        token
    }

    /// Tokens handed out from now on are of another sign-in.
    pub fn sign_in_anew(&self) {
        let mut state = self.state();
        let id = state.next_id();
        state.tokens.given_sign_in = id;
    }

    /// Every access token stops working; refresh tokens go on.
    pub fn expire_tokens(&self) {
        let mut state = self.state();
        state.tokens.access = None;
        state.tokens.given.clear();
    }

    /// Accepts this JWT credential.
    pub fn accept_jwt(&self, jwt: &str) {
        self.state().tokens.jwts.insert(jwt.to_owned());
    }

    /// A person opens the authorize address and agrees: the code that the redirect carries.
    ///
    /// # Errors
    /// What RingCentral would say of the address.
    pub fn consent(&self, query: &[(String, String)]) -> Result<String, String> {
        let get = |name: &str| {
            let found = query.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        if get("response_type") != "code" || get("client_id") != self.client_id {
            return Err("OAU-113: wrong client or response type".to_owned());
        }
        if get("code_challenge_method") != "S256" || get("code_challenge").len() != 43 {
            return Err("OAU-241: PKCE with S256 is needed".to_owned());
        }
        let mut state = self.state();
        let code = format!("code-{}", state.next_id());
        let asked = (get("code_challenge"), get("redirect_uri"));
        state.tokens.codes.insert(code.clone(), asked);
        Ok(code)
    }

    pub(super) fn oauth(&self, asked: &Asked, rest: &str) -> Answered {
        if asked.method != "POST" {
            return oauth_error(400, "invalid_request");
        }
        if let Some(refused) = limits::take(&mut self.state(), Group::Auth) {
            return refused;
        }
        let form = asked.form();
        let get = |name: &str| {
            let found = form.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        if !self.knows_client(asked, get("client_id")) {
            return oauth_error(401, "invalid_client");
        }
        let mut state = self.state();
        if rest == "revoke" {
            let token = get("token");
            let tokens = &mut state.tokens;
            tokens.given.remove(token);
            if [&tokens.access, &tokens.refresh]
                .iter()
                .any(|t| t.as_deref() == Some(token))
            {
                // The whole session ends.
                tokens.access = None;
                tokens.refresh = None;
            }
            return Answered::empty(200);
        }
        let tokens = &mut state.tokens;
        let good = match get("grant_type") {
            "authorization_code" => {
                let hash = Sha256::digest(get("code_verifier"));
                let challenge = URL_SAFE_NO_PAD.encode(hash);
                let stored = tokens.codes.remove(get("code"));
                stored.is_some_and(|(known, redirect)| {
                    known == challenge && redirect == get("redirect_uri")
                })
            }
            "refresh_token" => {
                let fits = tokens.refresh.as_deref() == Some(get("refresh_token"));
                tokens.refresh = tokens.refresh.take().filter(|_| !fits);
                fits
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => tokens.jwts.contains(get("assertion")),
            _ => return oauth_error(400, "unsupported_grant_type"),
        };
        if !good {
            return oauth_error(400, "invalid_grant");
        }
        let id = state.next_id();
        let (access, refresh) = (format!("access-{id}"), format!("refresh-{id}"));
        if get("grant_type") != "refresh_token" {
            state.tokens.sign_in = id;
        }
        state.tokens.access = Some(access.clone());
        state.tokens.refresh = Some(refresh.clone());
        Answered::json(
            200,
            json!({ "access_token": access, "token_type": "bearer", "expires_in": ACCESS_LIFE,
                "refresh_token": refresh, "refresh_token_expires_in": REFRESH_LIFE,
                "scope": "CallControl ReadAccounts SubscriptionWebhook", "owner_id": ACCOUNT,
                "endpoint_id": "e1", "session_id": id.to_string() }),
        )
    }

    /// A confidential app proves itself by Basic, a public one by its id alone.
    fn knows_client(&self, asked: &Asked, in_body: &str) -> bool {
        match &self.client_secret {
            None => in_body == self.client_id,
            Some(secret) => {
                let pair = STANDARD.encode(format!("{}:{secret}", self.client_id));
                asked.header("authorization") == Some(&format!("Basic {pair}"))
            }
        }
    }
}

fn oauth_error(status: u16, word: &str) -> Answered {
    Answered::json(
        status,
        json!({ "error": word, "errors": [{ "errorCode": "OAU-250", "message": word }] }),
    )
}
