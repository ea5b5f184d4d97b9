//! An OpenID provider by HTTP: discovery, the code flow with PKCE, the keys its tokens are signed
//! with. What a token must say is decided in `token`; whom it lets in, in
//! [`switchhook_engine::people::oidc`].

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use reqwest::{Method, Url};
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::Secret;
use switchhook_engine::outbound::{Guard, Policy};
use switchhook_engine::people::oidc::{Ask, Identity, IdentityProvider, OidcFault};

use crate::vendor::{self, Answer, Auth, Body, Request};

mod token;

use token::{Expected, Verdict};

/// How long what the provider says of itself, and its keys, are believed.
const KEPT: Duration = Duration::from_secs(3600);
/// How soon its keys are asked for again when a token names one that is not known.
const SOONEST: Duration = Duration::from_secs(30);

/// Where the provider is and who we are there.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// Its issuer, exactly as it calls itself.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// Our secret; none for a public client.
    pub client_secret: Option<Secret>,
    /// What is asked for; `openid` is among it.
    pub scopes: String,
    /// The claim that holds roles or groups, such as `groups` or `realm_access.roles`.
    pub role_claim: Option<String>,
}

/// What the provider says of itself.
#[derive(Clone, Debug)]
struct About {
    authorize: Url,
    token: Url,
    keys: Url,
    userinfo: Option<Url>,
    /// True when it takes the client's secret in the body only.
    secret_in_body: bool,
}

#[derive(Debug, Default)]
struct Kept {
    about: Option<(Instant, About)>,
    keys: Option<(Instant, JwkSet)>,
}

/// An OpenID provider.
#[derive(Debug)]
pub struct OidcProvider {
    config: OidcConfig,
    outbound: Guard,
    kept: Mutex<Kept>,
}

impl OidcProvider {
    /// The provider of this configuration; nothing is asked of it yet.
    #[must_use]
    pub fn new(config: OidcConfig) -> Self {
        let outbound = Guard::new(wherever(&config.issuer));
        let kept = Mutex::default();
        Self {
            config,
            outbound,
            kept,
        }
    }

    fn kept<T>(&self, read: impl FnOnce(&mut Kept) -> T) -> T {
        read(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn get(&self, url: Url, auth: Auth<'_>) -> Result<Value, OidcFault> {
        let request = Request::new(Method::GET, url, auth);
        let answer = vendor::attempt(&self.outbound, &request, None).await;
        good(answer.map_err(|_| OidcFault::Unreachable)?)
    }

    async fn about(&self) -> Result<About, OidcFault> {
        let kept = self.kept(|kept| kept.about.clone());
        if let Some((at, about)) = kept
            && at.elapsed() < KEPT
        {
            return Ok(about);
        }
        let issuer = self.config.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let json = self.get(parsed(&url)?, Auth::None).await?;
        let about = self.read_about(&json)?;
        self.kept(|kept| kept.about = Some((Instant::now(), about.clone())));
        Ok(about)
    }

    fn read_about(&self, json: &Value) -> Result<About, OidcFault> {
        if json["issuer"].as_str() != Some(&*self.config.issuer) {
            tracing::warn!("the identity provider calls itself another issuer than configured");
            return Err(OidcFault::Unreachable);
        }
        let address = |name: &str| {
            let url = json[name].as_str().and_then(|text| Url::parse(text).ok());
            // What begins encrypted stays so.
            let plain = self.config.issuer.starts_with("http://");
            url.filter(|url| url.scheme() == "https" || plain && url.scheme() == "http")
        };
        let needed = |name: &str| {
            address(name).ok_or_else(|| {
                tracing::warn!(
                    endpoint = name,
                    "the identity provider names no such address"
                );
                OidcFault::Unreachable
            })
        };
        let methods = json["token_endpoint_auth_methods_supported"].as_array();
        let takes =
            |method: &str| methods.is_none_or(|methods| methods.iter().any(|one| one == method));
        Ok(About {
            authorize: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            keys: needed("jwks_uri")?,
            userinfo: address("userinfo_endpoint"),
            secret_in_body: !takes("client_secret_basic") && takes("client_secret_post"),
        })
    }

    /// The provider's keys; asked for anew when they are old or `missing` one.
    async fn keys(&self, about: &About, missing: bool) -> Result<JwkSet, OidcFault> {
        let kept = self.kept(|kept| kept.keys.clone());
        if let Some((at, keys)) = kept
            && at.elapsed() < if missing { SOONEST } else { KEPT }
        {
            return Ok(keys);
        }
        let json = self.get(about.keys.clone(), Auth::None).await?;
        // Keys of kinds we do not know stand beside those we do; only the latter count.
        let known = json["keys"].as_array().into_iter().flatten();
        let keys = known.filter_map(|key| serde_json::from_value(key.clone()).ok());
        let keys = JwkSet {
            keys: keys.collect(),
        };
        self.kept(|kept| kept.keys = Some((Instant::now(), keys.clone())));
        Ok(keys)
    }

    async fn redeem(&self, about: &About, code: &str, ask: &Ask) -> Result<Value, OidcFault> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut form = vec![
            pair("grant_type", "authorization_code"),
            pair("code", code),
            pair("redirect_uri", &ask.redirect_uri),
            pair("code_verifier", &ask.verifier),
        ];
        // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        let id = encoded(&self.config.client_id);
        let secret = self.config.client_secret.as_ref();
        let basic = secret.map(|secret| Secret::new(encoded(secret.expose())));
        let auth = match (&basic, secret) {
            (Some(basic), _) if !about.secret_in_body => Auth::Basic(&id, basic),
            (_, secret) => {
                form.push(pair("client_id", &self.config.client_id));
                form.extend(secret.map(|secret| pair("client_secret", secret.expose())));
                Auth::None
            }
        };
        let mut request = Request::new(Method::POST, about.token.clone(), auth);
        request.body = Body::Form(form);
        let answer = vendor::attempt(&self.outbound, &request, None).await;
        let answer = answer.map_err(|_| OidcFault::Unreachable)?;
        if (400..500).contains(&answer.status) {
            let word = answer.json["error"].as_str().unwrap_or_default();
            let known = ["invalid_grant", "invalid_client", "unauthorized_client"];
            let word = known.into_iter().find(|one| *one == word);
            let word = word.unwrap_or("another reason");
            tracing::info!(error = word, "the identity provider did not take the code");
            return Err(OidcFault::Refused);
        }
        good(answer)
    }

    /// Claims the token lacks, from where the provider tells them beside it.
    async fn completed(
        &self,
        about: &About,
        claims: Value,
        access_token: Option<&str>,
    ) -> Result<Value, OidcFault> {
        let role = self.config.role_claim.as_deref();
        let lacks = claims["email"].is_null()
            || role.is_some_and(|role| token::claim(&claims, role).is_none());
        let (true, Some(url), Some(access)) = (lacks, &about.userinfo, access_token) else {
            return Ok(claims);
        };
        let access = Secret::new(access);
        let told = self.get(url.clone(), Auth::Bearer(&access)).await?;
        if told["sub"] != claims["sub"] {
            return Err(OidcFault::Token("the user info is about somebody else"));
        }
        let mut all = told;
        if let (Some(all), Some(own)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(own.clone());
        }
        Ok(all)
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    async fn authorize_url(&self, ask: &Ask) -> Result<String, OidcFault> {
        let mut url = self.about().await?.authorize;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.config.client_id),
            ("redirect_uri", &ask.redirect_uri),
            ("scope", &self.config.scopes),
            ("state", &ask.state),
            ("nonce", &ask.nonce),
            ("code_challenge", &ask.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url.into())
    }

    async fn identify(&self, code: &str, ask: &Ask, now: Timestamp) -> Result<Identity, OidcFault> {
        let about = self.about().await?;
        let tokens = self.redeem(&about, code, ask).await?;
        let id_token = tokens["id_token"]
            .as_str()
            .ok_or(OidcFault::Token("there is none"))?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: &ask.nonce,
            now,
        };
        let keys = self.keys(&about, false).await?;
        let claims = match expected.verify(id_token, &keys) {
            Err(Verdict::UnknownKey) => {
                let keys = self.keys(&about, true).await?;
                expected.verify(id_token, &keys)
            }
            other => other,
        };
        let claims = claims.map_err(|verdict| OidcFault::Token(verdict.as_str()))?;
        let access = tokens["access_token"].as_str();
        let claims = self.completed(&about, claims, access).await?;
        let role = self.config.role_claim.as_deref();
        Ok(token::identity(&self.config.issuer, &claims, role))
    }
}

/// The operator says where the provider is, and many are in a private network: it is called
/// wherever it is, and so is what it names.
fn wherever(issuer: &str) -> Policy {
    let host = Url::parse(issuer).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
    let all = "0.0.0.0/0, ::/0";
    let named = Policy::allowing(&format!("{all}, {host}"));
    named.or_else(|_| Policy::allowing(all)).unwrap_or_default()
}

fn good(answer: Answer) -> Result<Value, OidcFault> {
    if (200..300).contains(&answer.status) && answer.json.is_object() {
        Ok(answer.json)
    } else {
        Err(OidcFault::Unreachable)
    }
}

fn parsed(url: &str) -> Result<Url, OidcFault> {
    Url::parse(url).map_err(|_| OidcFault::Unreachable)
}

/// As in a form.
fn encoded(text: &str) -> String {
    let form = vendor::form(&[(String::new(), text.to_owned())]);
    form.trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn provider(issuer: &str) -> OidcProvider {
        OidcProvider::new(OidcConfig {
            issuer: issuer.to_owned(),
            client_id: "switchhook".to_owned(),
            client_secret: None,
            scopes: "openid email".to_owned(),
            role_claim: None,
        })
    }

    #[test]
    fn a_provider_must_be_whom_it_was_configured_as() {
        let about = |issuer: &str, token: &str| {
            json!({
                "issuer": issuer, "authorization_endpoint": "https://id.example/auth",
                "token_endpoint": token, "jwks_uri": "https://id.example/keys",
            })
        };
        let read = |issuer: &str, json: &Value| provider(issuer).read_about(json).is_ok();
        let good = "https://id.example/token";
        assert!(read(
            "https://id.example",
            &about("https://id.example", good)
        ));
        assert!(!read(
            "https://id.example",
            &about("https://evil.example", good)
        ));
        assert!(!read(
            "https://id.example",
            &about("https://id.example/", good)
        ));
        let plain = about("https://id.example", "http://id.example/token");
        assert!(
            !read("https://id.example", &plain),
            "no step down to plain HTTP"
        );
        assert!(!read(
            "https://id.example",
            &json!({ "issuer": "https://id.example" })
        ));
    }

    #[test]
    fn credentials_are_encoded_as_in_a_form() {
        assert_eq!(encoded("a b+c:d"), "a+b%2Bc%3Ad");
        assert_eq!(encoded("=x"), "%3Dx");
    }
}
