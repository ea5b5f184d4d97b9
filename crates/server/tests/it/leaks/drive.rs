//! A drive along everything that takes a secret, remembering each secret and everything that was
//! said. Where a secret is delivered, which happens once and on purpose, it is cut out of that one
//! answer; the rest of it is searched like everything else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchhook_engine::ports::{Entropy, SystemEntropy};
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::openconnector::{self, OpenConnector};

use super::oidc::Provider;
use super::planted::Secrets;
use super::platform::Echo;
use super::search::latin;
use crate::program::Server;

/// The name of every connection: no secret, and found where the search works.
pub(super) const NAME: &str = "Reception of the harbour";
/// Where the server is found, as it believes.
pub(super) const PUBLIC: &str = "https://cti.example.nl";
pub(super) const CLOSED: &str = "http://127.0.0.1:9";
/// What stands in place of a secret that was delivered.
const CUT: &str = "(delivered)";

/// Secrets given or made, and everything said.
pub(super) struct Drive {
    pub(super) secrets: Secrets,
    /// By request or command.
    pub(super) answers: Vec<(String, String)>,
    pub(super) folder: PathBuf,
    pub(super) url: String,
    pub(super) settings: Vec<(String, String)>,
    pub(super) operator: String,
    server: Option<Server>,
    /// Follows no redirects.
    client: reqwest::Client,
}

impl Drive {
    pub(super) async fn along(folder: &Path, url: &str, log: File) -> Self {
        let mut drive = Self {
            secrets: Secrets::default(),
            answers: Vec::new(),
            folder: folder.to_owned(),
            url: url.to_owned(),
            settings: Vec::new(),
            operator: String::new(),
            server: None,
            client: client(),
        };
        let echo = Echo {
            access: drive.plant("access token"),
            refresh: drive.plant("refresh token"),
        };
        let echo = StandIn::start(echo).await.unwrap();
        let secrets = ["OIDC client secret", "OIDC access token"];
        let provider = Provider::new(secrets.map(|name| drive.plant(name)));
        let provider = StandIn::start(provider).await.unwrap();
        let nextcloud = StandIn::start(OpenConnector::default()).await.unwrap();
        drive.operator = drive.plant("operator secret");
        drive.set("SWITCHHOOK__OIDC__ISSUER", provider.url());
        drive.set("SWITCHHOOK__OIDC__CLIENT_ID", "harbour");
        drive.set("SWITCHHOOK__OIDC__CLIENT_SECRET", "env:OIDC_SECRET");
        drive.set("OIDC_SECRET", &provider.vendor().client_secret.clone());
        drive.set("SWITCHHOOK__OPENCONNECTOR__URL", nextcloud.url());
        drive.set("SWITCHHOOK__OPENCONNECTOR__USERNAME", openconnector::USER);
        let password = openconnector::PASSWORD;
        drive.secrets.keep("password at Nextcloud", password);
        drive.set("SWITCHHOOK__OPENCONNECTOR__PASSWORD", password);
        let (former, set_up) = drive.start(log);

        drive.people(&former, &set_up).await;
        drive.oidc(&provider).await;
        let (app, key) = drive.app().await;
        drive.links(&app).await;
        drive.panels(&key).await;
        let made = drive.connections(&app, &key, echo.url()).await;
        drive.references(&app, nextcloud.vendor()).await;
        drive.sign_in(&app, &made, &echo).await;
        drive.mistakes(&app, &key).await;
        drive.sockets(&key).await;
        drive.imported().await;
        drive.console(&key).await;
        // The keeper and the links have looked at the connections meanwhile.
        tokio::time::sleep(Duration::from_secs(11)).await;
        drive.look_back(&app, &key).await;
        // Its console is the one place where the set-up link stands.
        let said = drive.server().said().replace(&set_up, CUT);
        drive.answers.push(("serve".to_owned(), said));
        drive.server = None;
        drive
    }

    /// Starts the server, its database made under a former master key. Gives the token of a set-up
    /// link of the command line, and of the one on the server's console, where alone it stands.
    fn start(&mut self, log: File) -> (String, String) {
        let current = self.master_key("master key");
        let former = self.master_key("former master key");
        for (name, value) in [
            ("INTERNAL_API_SECRET", self.operator.clone()),
            ("SWITCHHOOK__SECURITY__MASTER_KEY", former.clone()),
            ("SWITCHHOOK__LOG__LEVEL", "trace".to_owned()),
            ("SWITCHHOOK__SERVER__PUBLIC_URL", PUBLIC.to_owned()),
            (
                "SWITCHHOOK__OUTBOUND__ALLOW_PRIVATE",
                "127.0.0.1".to_owned(),
            ),
            ("NO_COLOR", "1".to_owned()),
        ] {
            self.set(name, &value);
        }
        self.referred();
        let link = self.delivered_by(&["user", "set-up-link"], "set-up link", |said| {
            said.split_once("token=").unwrap().1.trim().to_owned()
        });
        self.set("SWITCHHOOK__SECURITY__MASTER_KEY", &current);
        let (code, told) = self.run(&["secrets", "status"]);
        assert_eq!(code, Some(1), "it needs the former key: {told}");
        self.set("SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS", &former);
        let (code, told) = self.run(&["secrets", "status"]);
        assert_eq!(code, Some(0), "{told}");
        self.used_key(&current);
        self.used_key(&former);
        let settings: Vec<(&str, &str)> = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let server = Server::start_on(&self.folder, &self.url, &settings, log);
        let said = server.said();
        let token = said.split_once("token=").unwrap().1;
        let token = token.split_whitespace().next().unwrap().to_owned();
        self.secrets.keep("set-up link of the console", &token);
        self.server = Some(server);
        (link, token)
    }

    /// A master key, searched for as it is written and as it is.
    fn master_key(&mut self, name: &str) -> String {
        let mut bytes = [0; 32];
        SystemEntropy.fill(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.secrets.keep(name, &hex);
        self.secrets.keep(&format!("{name}, bytes"), &latin(&bytes));
        hex
    }

    fn used_key(&mut self, hex: &str) {
        let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..32).map(byte).collect();
        self.used(hex);
        self.used(&latin(&bytes));
    }

    /// A setting or another variable of the server's environment.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn plant(&mut self, name: &str) -> String {
        self.secrets.plant(name)
    }

    pub(super) fn used(&mut self, text: &str) {
        self.secrets.used(text);
    }

    pub(super) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.server().url);
        self.client.request(method, url)
    }

    pub(super) fn operator(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.operator)
    }

    /// A request of a page of this server, with the cookie of a browser.
    pub(super) fn browser(&self, method: Method, path: &str, cookie: &str) -> RequestBuilder {
        let request = self.request(method, path).header("cookie", cookie);
        request.header("sec-fetch-site", "same-origin")
    }

    /// Asks, and keeps the answer to be searched.
    pub(super) async fn ask(&mut self, request: RequestBuilder) -> (u16, Value) {
        let (status, _, body) = self.asked(request, |_, _| None).await;
        (status, body)
    }

    /// Asks for what is shown this once, and cuts it out.
    pub(super) async fn delivered(
        &mut self,
        name: &str,
        request: RequestBuilder,
        pointer: &str,
    ) -> (String, Value) {
        let find = |_: &str, body: &Value| {
            let text = body.pointer(pointer)?.as_str()?;
            // Of a link the token is the secret.
            let token = text.split_once("token=").or(text.split_once("link="));
            Some(token.map_or(text, |(_, token)| token).to_owned())
        };
        let (status, secret, body) = self.asked(request, find).await;
        let secret = secret.unwrap_or_else(|| panic!("{name}: {status} {body:#}"));
        assert_eq!(status / 100, 2, "{name}: {body:#}");
        (self.secrets.keep(name, &secret), body)
    }

    /// Asks for a session: its cookie as a browser sends it back, and its value, cut out.
    pub(super) async fn session(&mut self, name: &str, request: RequestBuilder) -> (String, Value) {
        let mut cookie = String::new();
        let find = |headers: &str, _: &Value| {
            let (_, rest) = headers.split_once("switchhook_session=")?;
            let value = rest.split([';', '"']).next()?.to_owned();
            cookie = format!("__Host-switchhook_session={value}");
            Some(value)
        };
        let (status, secret, body) = self.asked(request, find).await;
        let secret = secret.unwrap_or_else(|| panic!("{name}: {status} {body:#}"));
        self.secrets.keep(name, &secret);
        let me = self.browser(Method::GET, "/api/me", &cookie);
        assert_eq!(self.ask(me).await.0, 200, "{name}");
        self.used(&secret);
        (cookie, body)
    }

    async fn asked(
        &mut self,
        request: RequestBuilder,
        find: impl FnOnce(&str, &Value) -> Option<String>,
    ) -> (u16, Option<String>, Value) {
        let request = request.build().unwrap();
        let place = format!("{} {}", request.method(), request.url().path());
        let answer = self.client.execute(request).await.unwrap();
        let status = answer.status().as_u16();
        let headers = format!("{:?}", answer.headers());
        let text = latin(&answer.bytes().await.unwrap());
        let body = serde_json::from_str(&text).unwrap_or_default();
        let secret = find(&headers, &body);
        let mut said = format!("{status} {headers} {text}");
        if let Some(secret) = &secret {
            said = said.replace(secret.as_str(), CUT);
        }
        self.answers.push((place, said));
        (status, secret, body)
    }

    /// Runs a command with the server's settings. Its code, and what it printed, kept.
    pub(super) fn run(&mut self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.output(arguments, &[]);
        self.keep_output(arguments, &output, None)
    }

    /// The same with more in its environment.
    pub(super) fn run_with(
        &mut self,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> (Option<i32>, String) {
        let output = self.output(arguments, more);
        self.keep_output(arguments, &output, None)
    }

    /// Runs a command that delivers a secret on its standard output.
    pub(super) fn delivered_by(
        &mut self,
        arguments: &[&str],
        name: &str,
        find: impl FnOnce(&str) -> String,
    ) -> String {
        let output = self.output(arguments, &[]);
        let said = latin(&output.stdout);
        let told = latin(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}{told}");
        let secret = find(&said);
        self.keep_output(arguments, &output, Some(&secret));
        self.secrets.keep(name, &secret)
    }

    fn output(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let settings = self.settings.iter();
        Command::new(env!("CARGO_BIN_EXE_switchhook"))
            .args(arguments)
            .current_dir(&self.folder)
            .env("SWITCHHOOK__DATABASE__URL", &self.url)
            .envs(settings.map(|(name, value)| (name.as_str(), value.as_str())))
            .envs(more.iter().copied())
            .output()
            .expect("the program runs")
    }

    fn keep_output(
        &mut self,
        arguments: &[&str],
        output: &Output,
        delivered: Option<&str>,
    ) -> (Option<i32>, String) {
        // The one place where it may stand is standard output, not what is remarked beside it.
        let mut said = latin(&output.stdout);
        if let Some(secret) = delivered {
            said = said.replace(secret, CUT);
        }
        said.push_str(&latin(&output.stderr));
        let place = format!(
            "switchhook {}",
            arguments[..2.min(arguments.len())].join(" ")
        );
        self.answers.push((place, said.clone()));
        (output.status.code(), said)
    }

    /// Everything that shows what was.
    async fn look_back(&mut self, app: &str, key: &str) {
        let app = format!("/internal/apps/{app}");
        for path in [
            "/internal/apps",
            "/internal/audit?limit=100",
            "/internal/audit/export",
            "/internal/audit/export?format=csv",
            "/metrics",
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
            "/api/agents",
            "/api/audit?limit=100",
            "/api/audit/export",
            "/api/calls",
            "/api/connections",
            "/api/cti/test-connection",
            "/api/events?after=0",
            "/api/keys",
            "/api/me",
            "/api/people",
            "/api/sign-in/options",
            "/health",
            "/status",
        ] {
            let request = self.request(Method::GET, path).header("x-api-key", key);
            let (status, body) = self.ask(request).await;
            assert_eq!(status, 200, "{path}: {body:#}");
        }
    }

    /// An app with two keys, each of which opens it.
    async fn app(&mut self) -> (String, String) {
        let request = self.operator(Method::POST, "/internal/apps");
        let request = request.json(&json!({ "name": "Harbour" }));
        let (first, made) = self.delivered("first API key", request, "/api_key").await;
        let app = made["app_id"].as_str().unwrap().to_owned();
        let path = format!("/internal/apps/{app}/api-key");
        let request = self.operator(Method::POST, &path).json(&json!({}));
        let (second, _) = self.delivered("second API key", request, "/api_key").await;
        for key in [&first, &second] {
            let me = self
                .request(Method::GET, "/api/me")
                .header("x-api-key", key);
            assert_eq!(self.ask(me).await.0, 200);
            self.used(key);
        }
        let operator = self.operator.clone();
        self.used(&operator);
        (app, second)
    }
}

fn client() -> reqwest::Client {
    let quiet = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    quiet.timeout(Duration::from_secs(30)).build().unwrap()
}

pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params(&format!("{CLOSED}{path}"), query).unwrap();
    url.as_str().trim_start_matches(CLOSED).to_owned()
}
