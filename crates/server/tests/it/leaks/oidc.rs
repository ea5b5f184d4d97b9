//! Signing in at an identity provider: the client's secret, state, nonce, verifier, cookie, code,
//! ID token and access token; at a provider that throws back what it refuses.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::json;
use switchhook_engine::ports::{Clock, SystemClock};
use switchhook_testkit::vendors::{Answered, Asked, StandIn, Vendor};

use super::drive::{Drive, with_query};
use super::platform::{field, of_query, thrown_back};

/// An Ed25519 key made for tests, PKCS#8, and its public half.
const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v_VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ACCOUNT: &str = "jan@example.nl";

/// An OpenID provider with one account.
#[derive(Default)]
pub(super) struct Provider {
    pub(super) client_secret: String,
    pub(super) access: String,
    /// Our own address and the nonce of the sign-in under way, as the browser brings them.
    sign_in: Mutex<(String, String)>,
    /// The last ID token given out.
    given: Mutex<String>,
}

impl Provider {
    pub(super) fn new([client_secret, access]: [String; 2]) -> Self {
        Self {
            client_secret,
            access,
            ..Self::default()
        }
    }

    fn id_token(&self) -> String {
        let (issuer, nonce) = self.sign_in.lock().unwrap().clone();
        let now = SystemClock.now().as_second();
        // The address is told by the user info alone, which shows that it is asked.
        let claims = json!({
            "iss": issuer, "aud": "harbour", "sub": "4711", "nonce": nonce,
            "iat": now, "exp": now + 300,
        });
        let der = URL_SAFE_NO_PAD.decode(PRIVATE).unwrap();
        let key = EncodingKey::from_ed_der(&der);
        let token = encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap();
        self.given.lock().unwrap().clone_from(&token);
        token
    }

    /// Whether the client proved itself, both parts encoded as in a form.
    fn knows(&self, asked: &Asked) -> bool {
        let form = reqwest::Url::parse_with_params("form:/", [("", &self.client_secret)]);
        let form = form.unwrap();
        let secret = form.query().unwrap().trim_start_matches('=').to_owned();
        let basic = format!("Basic {}", STANDARD.encode(format!("harbour:{secret}")));
        asked.header("authorization") == Some(basic.as_str())
    }
}

#[async_trait::async_trait]
impl Vendor for Provider {
    async fn answer(&self, asked: &Asked) -> Answered {
        let (issuer, _) = self.sign_in.lock().unwrap().clone();
        match asked.path.as_str() {
            "/.well-known/openid-configuration" => {
                let issuer = format!("http://{}", asked.header("host").unwrap_or_default());
                let at = |path: &str| format!("{issuer}{path}");
                let about = json!({
                    "issuer": issuer, "authorization_endpoint": at("/authorize"),
                    "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
                    "userinfo_endpoint": at("/me"),
                });
                Answered::json(200, about)
            }
            "/keys" => {
                let key = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": PUBLIC });
                Answered::json(200, json!({ "keys": [key] }))
            }
            "/token" if self.knows(asked) && field(asked, "code") != "refused" => {
                assert!(!issuer.is_empty());
                let tokens = json!({
                    "id_token": self.id_token(), "access_token": self.access,
                    "token_type": "Bearer", "expires_in": 300,
                });
                Answered::json(200, tokens)
            }
            "/me" if asked.bearer() == Some(self.access.as_str()) => {
                let told = json!({ "sub": "4711", "email": ACCOUNT, "email_verified": true });
                Answered::json(200, told)
            }
            _ => thrown_back(asked),
        }
    }
}

impl Drive {
    /// Signs in at the provider: what it refuses first, then well, then with what is used up.
    pub(super) async fn oidc(&mut self, provider: &StandIn<Provider>) {
        let vendor = provider.vendor();
        for code in ["refused".to_owned(), self.plant("OIDC code")] {
            let begin = self.request(Method::GET, "/sign-in/oidc");
            let (to, cookie) = self.leads_out("sign-in elsewhere", begin).await;
            let (state, nonce) = (of_query(&to, "state"), of_query(&to, "nonce"));
            *vendor.sign_in.lock().unwrap() = (provider.url().to_owned(), nonce.clone());
            let query = [("code", code.as_str()), ("state", state.as_str())];
            let back = with_query("/sign-in/oidc/callback", &query);
            let back = |drive: &Self| drive.browser(Method::GET, &back, &cookie);
            if code == "refused" {
                let request = back(self);
                let (status, _) = self.ask(request).await;
                assert_eq!(status, 303, "to the page, with the reason");
            } else {
                let request = back(self);
                self.session("session of a sign-in elsewhere", request)
                    .await;
                self.used(&code);
                // The ID token was believed, and so was the nonce in it.
                self.secrets.keep("OIDC nonce", &nonce);
                self.used(&nonce);
                // It is over: the same once more leads nowhere.
                let request = back(self);
                assert_eq!(self.ask(request).await.0, 303);
            }
            let asked = provider.asked_of("POST", "/token");
            let asked = asked.last().unwrap();
            assert_eq!(field(asked, "code"), code, "state and cookie were good");
            self.used(&state);
            self.used(cookie.split_once('=').unwrap().1);
            let verifier = field(asked, "code_verifier");
            self.secrets.keep("OIDC verifier", &verifier);
            self.used(&verifier);
        }
        let given = vendor.given.lock().unwrap().clone();
        self.secrets.keep("OIDC ID token", &given);
        let told = provider.asked_of("GET", "/me");
        assert!(vendor.knows(provider.asked_of("POST", "/token").last().unwrap()));
        assert_eq!(told.last().unwrap().bearer(), Some(vendor.access.as_str()));
        for secret in [&given, &vendor.client_secret, &vendor.access] {
            self.used(secret);
        }
    }
}
