//! Connections: a secret in every setting that is one, by value and by reference, made, changed and
//! rotated; notifications with the right proof, a wrong one and none.

use reqwest::Method;
use serde_json::{Map, Value, json};
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::ports::{Clock, SystemClock};
use switchhook_testkit::vendors::openconnector::{self, OpenConnector};

use super::drive::{CLOSED, Drive, NAME, PUBLIC, with_query};

/// The variable and the file that hold secrets; the file lies in a folder of its own.
const VARIABLE: &str = "REFERRED_SECRET";
const FOLDER: &str = "referred";

impl Drive {
    /// Lays secrets down where references lead.
    pub(super) fn referred(&mut self) {
        let folder = self.folder.join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let (variable, file) = (
            self.plant("secret of a variable"),
            self.plant("secret of a file"),
        );
        std::fs::write(folder.join("secret"), format!("{file}\n")).unwrap();
        std::fs::write(
            self.folder.join("outside"),
            self.secrets.plant("file out of bounds"),
        )
        .unwrap();
        self.set(VARIABLE, &variable);
        let folder = folder.display().to_string();
        self.set("SWITCHHOOK__SECURITY__SECRET_FILES", &folder);
    }

    /// A connection of every platform, with a secret in every setting that is one.
    pub(super) async fn connections(
        &mut self,
        app: &str,
        key: &str,
        echo: &str,
    ) -> Vec<(String, String)> {
        let platforms = self.operator(Method::GET, "/internal/platforms");
        let (_, platforms) = self.ask(platforms).await;
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
            let (status, answer) = self.ask(request).await;
            assert_eq!(status, 201, "{platform}: {answer:#}");
            let id = answer["data"]["id"].as_str().unwrap().to_owned();
            let hook = answer["data"]["webhook_url"].as_str().unwrap_or_default();
            let hook = hook.trim_start_matches(PUBLIC).to_owned();
            let path = format!("{path}/{id}");
            self.opens(&path, given.values().chain([&secret.clone().into()]))
                .await;
            self.notifications(platform, &hook, &secret).await;
            self.changes(platform, &path, &hook, &given).await;
            let by_key = format!("/api/connections/{id}/diagnosis");
            let by_key = self.request(Method::GET, &by_key).header("x-api-key", key);
            self.ask(by_key).await;
            let diagnosis = self.operator(Method::GET, &format!("{path}/diagnosis"));
            self.ask(diagnosis).await;
            made.push((platform.to_owned(), id));
        }
        assert!(made.len() >= 6, "{made:?}");
        made
    }

    /// The connection stands, which it does only when every secret of it was sealed and opens
    /// again: these were used.
    async fn opens<'a>(&mut self, path: &str, secrets: impl Iterator<Item = &'a Value>) {
        let request = self.operator(Method::GET, path);
        let (status, answer) = self.ask(request).await;
        assert_eq!(status, 200, "{answer:#}");
        assert_eq!(answer["data"]["fault"], Value::Null, "{answer:#}");
        for secret in secrets.filter_map(Value::as_str) {
            // References are shown to be used where they are followed.
            if secret.starts_with("Plant/") {
                self.used(secret);
            }
        }
    }

    /// A fresh secret for every setting of that kind.
    fn given(&mut self, platform: &str, spec: &Value) -> Map<String, Value> {
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
        hook: &str,
        given: &Map<String, Value>,
    ) {
        let mut config = Map::new();
        for (i, name) in given.keys().enumerate() {
            let new = match i {
                1 => format!("env:{VARIABLE}"),
                2 => format!("file:{FOLDER}/secret"),
                _ => self.plant(&format!("{platform} {name}, changed")),
            };
            config.insert(name.clone(), new.into());
        }
        let secret = self.plant(&format!("webhook secret of {platform}, changed"));
        let body = json!({ "config": config, "webhook_secret": secret });
        let request = self.operator(Method::PATCH, path).json(&body);
        let (status, answer) = self.ask(request).await;
        assert_eq!(status, 200, "{platform}: {answer:#}");
        self.opens(path, config.values().chain([&secret.into()]))
            .await;
        let rotate = format!("{path}/webhook-secret");
        let request = self.operator(Method::POST, &rotate);
        let pointer = "/data/webhook_secret";
        let (made, _) = self
            .delivered("generated webhook secret", request, pointer)
            .await;
        if self.plays(platform, hook, &made, 2).await {
            self.used(&made);
        } else {
            self.opens(path, std::iter::empty()).await;
            self.used(&made);
        }
        let secret = self.plant(&format!("webhook secret of {platform}, rotated"));
        let body = json!({ "webhook_secret": secret });
        let request = self.operator(Method::POST, &rotate).json(&body);
        assert_eq!(self.ask(request).await.0, 200);
        self.opens(path, [&secret.into()].into_iter()).await;
    }

    /// Plays a call as the platform tells of it, signed with that. Whether it was believed.
    async fn plays(&mut self, platform: &str, hook: &str, secret: &str, call: u64) -> bool {
        let Some(play) = simulate::player(platform).filter(|_| !hook.is_empty()) else {
            return false;
        };
        let seed = CallSeed::new(call, SystemClock.now());
        for step in play(Scenario::Answered, &seed, secret) {
            let request = self.request(Method::POST, hook).body(step.body);
            let mut request = request.header("content-type", step.content_type);
            for (name, value) in step.headers {
                request = request.header(name, value);
            }
            let (status, answer) = self.ask(request).await;
            // A PBX on a live socket does not post.
            if status == 401 && platform == "asterisk" {
                return false;
            }
            assert_eq!(status / 100, 2, "{platform}: {answer:#}");
        }
        true
    }

    /// Calls as the platform tells of them, then the same with wrong and missing proof.
    async fn notifications(&mut self, platform: &str, hook: &str, secret: &str) {
        if hook.is_empty() {
            return;
        }
        self.plays(platform, hook, secret, 1).await;
        let wrong = self.plant(&format!("wrong webhook secret of {platform}"));
        let seed = CallSeed::new(1, SystemClock.now());
        let played = simulate::player(platform);
        for step in played
            .map(|play| play(Scenario::Missed, &seed, &wrong))
            .into_iter()
            .flatten()
        {
            let request = self.request(Method::POST, hook).body(step.body);
            let mut request = request.header("content-type", step.content_type);
            for (name, value) in step.headers {
                request = request.header(name, value);
            }
            let (status, answer) = self.ask(request).await;
            assert_eq!(status, 401, "{platform}: {answer:#}");
        }
        let unsigned = format!("{{\"secret\":\"{secret}\",\"event\":\"{wrong}");
        for body in [unsigned, secret.to_owned()] {
            let bare = self.request(Method::POST, hook).body(body.clone());
            let bearer = self.request(Method::POST, hook).bearer_auth(&wrong);
            for request in [bare, bearer.body(body)] {
                let (status, answer) = self.ask(request).await;
                assert_eq!(status / 100, 4, "{platform}: {answer:#}");
            }
        }
        let query = [("token", wrong.as_str()), ("secret", wrong.as_str())];
        let query = self.request(Method::POST, &with_query(hook, &query));
        let (status, answer) = self.ask(query.body("{}")).await;
        assert_eq!(status / 100, 4, "{platform}: {answer:#}");
        self.used(&wrong);
    }

    /// Webhook secrets by reference, each of which opens its hook; and references that may not be.
    pub(super) async fn references(&mut self, app: &str, nextcloud: &OpenConnector) {
        let kept = self.plant("secret kept in OpenConnector");
        nextcloud.keep([json!({ "slug": "pbx", "secret": kept })]);
        let path = format!("/internal/apps/{app}/connections");
        let variable = self.settings.iter().find(|(name, _)| name == VARIABLE);
        let variable = variable.unwrap().1.clone();
        let file = std::fs::read_to_string(self.folder.join(FOLDER).join("secret")).unwrap();
        for (reference, secret) in [
            (format!("env:{VARIABLE}"), variable),
            (format!("file:{FOLDER}/secret"), file.trim_end().to_owned()),
            ("openconnector:pbx".to_owned(), kept),
        ] {
            let body = json!({ "platform": "generic", "webhook_secret": reference });
            let request = self.operator(Method::POST, &path).json(&body);
            let (status, answer) = self.ask(request).await;
            assert_eq!(status, 201, "{reference}: {answer:#}");
            let hook = answer["data"]["webhook_url"].as_str().unwrap();
            let hook = hook.trim_start_matches(PUBLIC).to_owned();
            let event = json!({
                "event": "ringing", "call_id": "1", "from": "0612345678", "extension": "100",
                "to": "+31850001200", "direction": "inbound",
            });
            let request = self.request(Method::POST, &hook).bearer_auth(&secret);
            let (status, answer) = self.ask(request.json(&event)).await;
            assert_eq!(status, 200, "{reference}: {answer:#}");
            self.used(&secret);
        }
        self.used(openconnector::PASSWORD);
        let outside = std::fs::read_to_string(self.folder.join("outside")).unwrap();
        for reference in [
            "file:outside",
            "file:referred/../outside",
            "file:referred/missing",
            "env:INTERNAL_API_SECRET",
            "env:SWITCHHOOK__SECURITY__MASTER_KEY",
            "env:OIDC_SECRET",
            "openconnector:other",
            "openconnector:pbx/apikey",
        ] {
            let body = json!({ "platform": "generic", "webhook_secret": reference });
            let request = self.operator(Method::POST, &path).json(&body);
            let (status, answer) = self.ask(request).await;
            assert_eq!(status, 400, "{reference}: {answer:#}");
        }
        self.used(&outside);
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
