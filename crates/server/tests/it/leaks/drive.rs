//! A drive along everything that takes a secret, remembering each secret and each answer. Answers
//! that show a new secret once are left out.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::ports::{Clock, Entropy, SystemClock, SystemEntropy};
use switchhook_engine::seal::random_text;
use switchhook_testkit::vendors::{Answered, Asked, StandIn, Vendor};
use tokio_tungstenite::tungstenite::Message;

use crate::program::Server;

/// The name of every connection: no secret, and found where the search works.
pub(super) const NAME: &str = "Reception of the harbour";
const CLOSED: &str = "http://127.0.0.1:9";

/// Secrets given or made, and everything answered.
pub(super) struct Drive {
    /// By name.
    pub(super) planted: Vec<(String, String)>,
    /// By request.
    pub(super) answers: Vec<(String, String)>,
    server: Option<Server>,
    operator: String,
}

/// A platform that gives out the tokens planted in it and throws back whatever is asked of it.
struct Echo {
    access: String,
    refresh: String,
}

#[async_trait::async_trait]
impl Vendor for Echo {
    async fn answer(&self, asked: &Asked) -> Answered {
        if asked.path == "/oauth2/token" && field(asked, "code") != "refused" {
            let life = json!({
                "access_token": self.access, "refresh_token": self.refresh,
                "token_type": "bearer", "expires_in": 3600,
            });
            return Answered::json(200, life);
        }
        let said = format!(
            "{:?} {}",
            asked.headers,
            String::from_utf8_lossy(&asked.body)
        );
        Answered::json(
            403,
            json!({ "error": { "message": said }, "error_description": said }),
        )
    }
}

/// A field of a token request.
fn field(asked: &Asked, name: &str) -> String {
    let mut fields = asked.form().into_iter();
    let found = fields.find(|(known, _)| known == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

impl Drive {
    pub(super) async fn along(folder: &Path, url: &str, log: File) -> Self {
        let mut drive = Self {
            planted: Vec::new(),
            answers: Vec::new(),
            server: None,
            operator: String::new(),
        };
        drive.operator = drive.plant("operator secret");
        let key = |drive: &mut Self, name: &str| {
            let mut bytes = [0; 32];
            SystemEntropy.fill(&mut bytes);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            drive.planted.push((name.to_owned(), hex.clone()));
            drive
                .planted
                .push((format!("{name}, bytes"), super::search::latin(&bytes)));
            hex
        };
        let (current, previous) = (key(&mut drive, "master key"), key(&mut drive, "former key"));
        let referred = drive.plant("secret by reference");
        std::fs::write(folder.join("referred"), &referred).unwrap();
        let settings = [
            ("INTERNAL_API_SECRET", drive.operator.as_str()),
            ("SWITCHHOOK__SECURITY__MASTER_KEY", &current),
            ("SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS", &previous),
            ("SWITCHHOOK__LOG__LEVEL", "trace"),
            ("SWITCHHOOK__SERVER__PUBLIC_URL", "https://cti.example.nl"),
            ("REFERRED_SECRET", &referred),
            ("NO_COLOR", "1"),
        ];
        drive.server = Some(Server::start_on(folder, url, &settings, log));
        let echo = StandIn::start(Echo {
            access: drive.plant("access token"),
            refresh: drive.plant("refresh token"),
        });
        let echo = echo.await.unwrap();
        let (app, api_key) = drive.app().await;
        drive.sessions(&app).await;
        let made = drive.connections(&app, &api_key, echo.url()).await;
        drive.sign_in(&app, &made, &echo).await;
        drive.mistakes(&app, &api_key).await;
        drive.sockets(&api_key).await;
        // The keeper and the links have looked at the connections meanwhile.
        tokio::time::sleep(Duration::from_secs(11)).await;
        drive.look_back(&app, &api_key).await;
        drive.server = None;
        drive
    }

    /// A new secret, with characters that are spelled differently here and there.
    fn plant(&mut self, name: &str) -> String {
        let secret = format!("Plant/{}+~Q", random_text(&SystemEntropy, 18));
        self.planted.push((name.to_owned(), secret.clone()));
        secret
    }

    fn keep(&mut self, name: &str, value: &Value) -> String {
        let secret = value.as_str().expect("a secret").to_owned();
        self.planted.push((name.to_owned(), secret.clone()));
        secret
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let server = self.server.as_ref().expect("it runs");
        let url = format!("{}{path}", server.url);
        server.client().request(method, url)
    }

    fn operator(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.operator)
    }

    /// Asks, and keeps the answer to be searched.
    async fn ask(&mut self, request: RequestBuilder) -> (u16, Value) {
        let request = request.build().unwrap();
        let place = format!("{} {}", request.method(), request.url().path());
        let server = self.server.as_ref().expect("it runs");
        let answer = server.client().execute(request).await.unwrap();
        let status = answer.status().as_u16();
        let headers = format!("{:?}", answer.headers());
        let text = super::search::latin(&answer.bytes().await.unwrap());
        let body = serde_json::from_str(&text).unwrap_or_default();
        self.answers
            .push((place, format!("{status} {headers} {text}")));
        (status, body)
    }

    /// Asks for what is shown this once.
    async fn once(&self, request: RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn app(&mut self) -> (String, String) {
        let request = self.operator(Method::POST, "/internal/apps");
        let made = self.once(request.json(&json!({ "name": "Harbour" }))).await;
        let app = made["app_id"].as_str().unwrap().to_owned();
        let path = format!("/internal/apps/{app}/api-key");
        self.keep("first API key", &made["api_key"]);
        let more = self
            .once(self.operator(Method::POST, &path).json(&json!({})))
            .await;
        let key = self.keep("second API key", &more["api_key"]);
        (app, key)
    }

    async fn sessions(&mut self, app: &str) {
        let path = format!("/internal/apps/{app}/sign-in-link");
        let link = self.once(self.operator(Method::POST, &path)).await;
        let url = link["data"]["url"].as_str().unwrap().to_owned();
        let token = url.split_once("token=").unwrap().1.to_owned();
        self.planted
            .push(("sign-in link".to_owned(), token.clone()));
        let path = format!("/sign-in?token={token}");
        let server = self.server.as_ref().unwrap();
        let quiet = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let request = quiet.build().unwrap().get(format!("{}{path}", server.url));
        let answer = request.send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let session = cookie.split_once('=').unwrap().1.to_owned();
        self.planted.push(("session".to_owned(), session));
        for path in [
            "/api/me",
            "/api/connections",
            "/api/audit",
            "/api/me?token=x",
        ] {
            let request = self.request(Method::GET, path).header("cookie", &cookie);
            self.ask(request).await;
        }
        let again = self.request(Method::GET, &path);
        self.ask(again).await;
    }

    /// A connection of every platform, with a secret in every setting that is one.
    async fn connections(&mut self, app: &str, key: &str, echo: &str) -> Vec<(String, String)> {
        let (_, platforms) = self
            .ask(self.operator(Method::GET, "/internal/platforms"))
            .await;
        let mut made = Vec::new();
        for spec in platforms["data"].as_array().unwrap() {
            let platform = spec["platform"].as_str().unwrap();
            let mut config = plain_settings(platform, echo);
            let given = self.given(platform, spec);
            config.as_object_mut().unwrap().extend(given.clone());
            let secret = self.plant(&format!("webhook secret of {platform}"));
            let body = json!({
                "platform": platform, "name": NAME, "config": config, "webhook_secret": secret,
            });
            let path = format!("/internal/apps/{app}/connections");
            let request = self.operator(Method::POST, &path).json(&body);
            // Whoever makes a connection is shown its webhook secret, this once.
            let answer = self.once(request).await;
            let id = answer["data"]["id"].as_str().unwrap().to_owned();
            let hook = answer["data"]["webhook_url"].as_str().unwrap_or_default();
            let hook = hook.trim_start_matches("https://cti.example.nl").to_owned();
            self.notifications(platform, &hook, &secret).await;
            let path = format!("{path}/{id}");
            self.changes(platform, &path, &given).await;
            for (path, by_key) in [
                (format!("/api/connections/{id}/diagnosis"), true),
                (format!("{path}/diagnosis"), false),
                (path, false),
            ] {
                let request = if by_key {
                    self.request(Method::GET, &path).header("x-api-key", key)
                } else {
                    self.operator(Method::GET, &path)
                };
                self.ask(request).await;
            }
            made.push((platform.to_owned(), id));
        }
        assert!(made.len() >= 6, "{made:?}");
        made
    }

    /// A fresh secret for every setting of that kind.
    fn given(&mut self, platform: &str, spec: &Value) -> serde_json::Map<String, Value> {
        let fields = spec["config"].as_array().unwrap();
        let secret = fields.iter().filter(|field| field["kind"] == "secret");
        let names: Vec<&str> = secret.filter_map(|field| field["name"].as_str()).collect();
        let plant = |name: &&str| {
            let secret = self.plant(&format!("{platform} {name}"));
            ((*name).to_owned(), secret.into())
        };
        names.iter().map(plant).collect()
    }

    /// New credentials, by value and by reference, and new webhook secrets.
    async fn changes(
        &mut self,
        platform: &str,
        path: &str,
        given: &serde_json::Map<String, Value>,
    ) {
        let mut config = serde_json::Map::new();
        for (i, name) in given.keys().enumerate() {
            let new = match i {
                1 => "env:REFERRED_SECRET".to_owned(),
                2 => "file:referred".to_owned(),
                _ => self.plant(&format!("{platform} {name}, changed")),
            };
            config.insert(name.clone(), new.into());
        }
        let secret = self.plant(&format!("webhook secret of {platform}, changed"));
        let body = json!({ "config": config, "webhook_secret": secret });
        let (status, answer) = self
            .ask(self.operator(Method::PATCH, path).json(&body))
            .await;
        assert_eq!(status, 200, "{platform}: {answer:#}");
        let rotate = format!("{path}/webhook-secret");
        let made = self.once(self.operator(Method::POST, &rotate)).await;
        self.keep("generated webhook secret", &made["data"]["webhook_secret"]);
        let secret = self.plant(&format!("webhook secret of {platform}, rotated"));
        let body = json!({ "webhook_secret": secret });
        let request = self.operator(Method::POST, &rotate).json(&body);
        assert_eq!(self.ask(request).await.0, 200);
    }

    /// Calls as the platform tells of them, then the same with wrong and missing proof.
    async fn notifications(&mut self, platform: &str, hook: &str, secret: &str) {
        if hook.is_empty() {
            return;
        }
        let seed = CallSeed::new(1, SystemClock.now());
        let wrong = self.plant(&format!("wrong webhook secret of {platform}"));
        let mut bodies = Vec::new();
        if let Some(play) = simulate::player(platform) {
            bodies.extend(play(Scenario::Answered, &seed, secret));
            bodies.extend(play(Scenario::Missed, &seed, &wrong));
        }
        for step in bodies {
            let request = self.request(Method::POST, hook).body(step.body);
            let mut request = request.header("content-type", step.content_type);
            for (name, value) in step.headers {
                request = request.header(name, value);
            }
            self.ask(request).await;
        }
        let unsigned = format!("{{\"secret\":\"{secret}\",\"event\":\"{wrong}");
        for body in [unsigned, secret.to_owned()] {
            let bare = self.request(Method::POST, hook).body(body.clone());
            self.ask(bare).await;
            let bearer = self.request(Method::POST, hook).bearer_auth(&wrong);
            self.ask(bearer.body(body)).await;
        }
        let query = [("token", wrong.as_str()), ("secret", wrong.as_str())];
        let query = self
            .request(Method::POST, &with_query(hook, &query))
            .body("{}");
        self.ask(query).await;
    }

    /// Signs in at Dialpad by a link, well and badly.
    async fn sign_in(&mut self, app: &str, made: &[(String, String)], echo: &StandIn<Echo>) {
        let (_, id) = made
            .iter()
            .find(|(platform, _)| platform == "dialpad")
            .unwrap();
        let path = format!("/internal/apps/{app}/connections/{id}");
        let config = json!({ "api_key": null });
        self.ask(
            self.operator(Method::PATCH, &path)
                .json(&json!({ "config": config })),
        )
        .await;
        let quiet = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let quiet = quiet.build().unwrap();
        for code in ["refused".to_owned(), self.plant("authorization code")] {
            let link = self
                .once(self.operator(Method::POST, &format!("{path}/sign-in-link")))
                .await;
            let url = link["data"]["url"].as_str().unwrap();
            let token = url.split_once("link=").unwrap().1.to_owned();
            self.planted.push(("platform link".to_owned(), token));
            let server = &self.server.as_ref().unwrap().url;
            let begin = url.replacen("https://cti.example.nl", server, 1);
            let begun = quiet.get(begin).send().await.unwrap();
            let to = reqwest::Url::parse(begun.headers()["location"].to_str().unwrap()).unwrap();
            let cookie = begun.headers()["set-cookie"].to_str().unwrap();
            let cookie = cookie.split(';').next().unwrap().to_owned();
            let state = to
                .query_pairs()
                .find(|(name, _)| name == "state")
                .unwrap()
                .1;
            self.planted
                .push(("sign-in state".to_owned(), state.to_string()));
            let cookie_value = cookie.split_once('=').unwrap().1.to_owned();
            self.planted
                .push(("sign-in cookie".to_owned(), cookie_value));
            let query = [("code", code.as_str()), ("state", &state)];
            let back = with_query("/auth/dialpad/callback", &query);
            let back = self.request(Method::GET, &back);
            let (status, answer) = self.ask(back.header("cookie", &cookie)).await;
            assert_eq!(status == 200, code != "refused", "{status} {answer:#}");
        }
        let asked = echo.asked_of("POST", "/oauth2/token");
        let verifier = field(asked.last().unwrap(), "code_verifier");
        self.keep("code verifier", &verifier.into());
        let diagnosis = self.operator(Method::GET, &format!("{path}/diagnosis"));
        self.ask(diagnosis).await;
    }

    /// Requests that are wrong and hold a secret.
    async fn mistakes(&mut self, app: &str, key: &str) {
        let secret = self.plant("secret in a wrong request");
        let path = format!("/internal/apps/{app}/connections");
        for body in [
            json!({ "platform": "generic", "webhook_secret": { "is": secret } }),
            json!({ "platform": "generic", "webhook_secret": [secret] }),
            json!({ "platform": "dialpad", "config": { "api_key": [secret] } }),
            json!({ "platform": "dialpad", "config": { "nothing": secret } }),
            json!({ "platform": "dialpad", "config": { "client_secret": secret } }),
            json!({ "platform": "asterisk", "config": { "url": 1, "password": secret } }),
            json!({ "platform": "nothing", "webhook_secret": secret }),
        ] {
            let request = self.operator(Method::POST, &path).json(&body);
            let (status, answer) = self.ask(request).await;
            assert_eq!(status / 100, 4, "{answer:#}");
        }
        let broken = format!("{{\"platform\":\"generic\",\"webhook_secret\":\"{secret}\" oops");
        let broken = self.operator(Method::POST, &path).body(broken);
        self.ask(broken.header("content-type", "application/json"))
            .await;
        let operator = self.operator.clone();
        for (path, name, value) in [
            ("/api/calls", "x-api-key", secret.as_str()),
            ("/api/calls", "x-app-api-key", &operator),
            (
                "/api/calls",
                "cookie",
                &format!("switchhook_session={secret}"),
            ),
            ("/internal/apps", "authorization", &format!("Bearer {key}")),
            (
                "/internal/apps",
                "authorization",
                &format!("Bearer {secret}"),
            ),
            (
                "/internal/apps",
                "authorization",
                &format!("Basic {secret}"),
            ),
            ("/webhooks/dialpad", "x-app-api-key", key),
        ] {
            let request = self.request(Method::GET, path).header(name, value);
            let (status, _) = self.ask(request).await;
            assert_eq!(status / 100, 4, "{path} {name}");
            let request = self.request(Method::POST, path).header(name, value);
            self.ask(request.body("{")).await;
        }
        for path in [
            "/api/calls",
            "/internal/apps",
            "/ws",
            "/sign-in",
            "/auth/dialpad/callback",
        ] {
            for name in ["api_key", "token", "state"] {
                let path = with_query(path, &[(name, &secret)]);
                let request = self.operator(Method::GET, &path).header("x-api-key", key);
                self.ask(request).await;
            }
        }
    }

    /// Sockets by query, by first message, and by wrong keys.
    async fn sockets(&mut self, key: &str) {
        let wrong = self.plant("wrong key of a socket");
        let server = self.server.as_ref().unwrap().url.replacen("http", "ws", 1);
        for key in [key, &wrong] {
            let by_query = with_query("/ws", &[("api_key", key)]);
            for (path, first) in [(by_query.as_str(), None), ("/ws", Some(key))] {
                let url = format!("{server}{path}");
                let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
                if let Some(key) = first {
                    let auth = json!({ "type": "auth", "api_key": key }).to_string();
                    socket.send(Message::text(auth)).await.unwrap();
                }
                let said = tokio::time::timeout(Duration::from_secs(5), socket.next());
                let said = format!("{:?}", said.await.unwrap().unwrap().unwrap());
                assert_eq!(said.contains("4401"), key == wrong, "{said}");
                self.answers.push(("WebSocket".to_owned(), said));
            }
        }
    }

    /// Everything that shows what was.
    async fn look_back(&mut self, app: &str, key: &str) {
        let app = format!("/internal/apps/{app}");
        for path in [
            "/internal/apps",
            "/internal/audit?limit=100",
            "/internal/audit/export",
            "/internal/audit/export?format=csv",
            &app,
            &format!("{app}/connections"),
            &format!("{app}/keys"),
            &format!("{app}/notifications"),
        ] {
            let request = self.operator(Method::GET, path);
            let (status, body) = self.ask(request).await;
            assert_eq!(status, 200, "{path}: {body:#}");
        }
        for path in [
            "/api/audit?limit=100",
            "/api/audit/export",
            "/api/calls",
            "/api/connections",
            "/api/cti/test-connection",
            "/api/events?after=0",
            "/api/me",
            "/metrics",
            "/status",
        ] {
            let request = self.operator(Method::GET, path).header("x-api-key", key);
            let (status, body) = self.ask(request).await;
            assert_ne!(status, 404, "{path}: {body:#}");
        }
    }
}

/// What a connection needs beside its secrets.
fn plain_settings(platform: &str, echo: &str) -> Value {
    match platform {
        "dialpad" => json!({ "base_url": echo, "client_id": "harbour" }),
        "asterisk" => json!({ "url": CLOSED, "username": "cti" }),
        "ringcentral" => json!({ "client_id": "harbour", "server_url": echo }),
        "wildix" => json!({ "pbx_url": echo }),
        "callvoip" => json!({ "api_base_url": echo }),
        _ => json!({}),
    }
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params(&format!("{CLOSED}{path}"), query).unwrap();
    url.as_str().trim_start_matches(CLOSED).to_owned()
}
