//! A whole server in this process on a free port, and a few short ways to speak to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use switchhook_adapters::dialpad::{Dialpad, sign_jwt};
use switchhook_adapters::oauth::HttpTokens;
use switchhook_api::{ApiConfig, ApiState, LimitsConfig, router};
use switchhook_engine::access::Gate;
use switchhook_engine::adapter::{Adapter, Secret};
use switchhook_engine::admin::Admin;
use switchhook_engine::connections::{Connections, Platforms};
use switchhook_engine::control::Controls;
use switchhook_engine::diagnosis::Doctor;
use switchhook_engine::dial::Dialler;
use switchhook_engine::hub::Hub;
use switchhook_engine::intake::Intake;
use switchhook_engine::keeper::Keeper;
use switchhook_engine::link::Links;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::oauth::Tokens;
use switchhook_engine::people::{People, PeopleSettings};
use switchhook_engine::ports::{Clock, SystemEntropy};
use switchhook_engine::seal::MasterKey;
use switchhook_engine::session::Sessions;
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::vendors::loopback;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Answer, Client, PATIENCE};
use crate::flaky::Flaky;

pub(crate) const OPERATOR: &str = "operator-secret-for-tests";
/// A server and what it stands on.
pub(crate) struct World {
    pub(crate) address: String,
    pub(crate) store: Arc<Flaky>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) metrics: Metrics,
    pub(crate) links: Links,
    pub(crate) keeper: Keeper,
    pub(crate) gate: Arc<Gate>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) intake: Intake,
    pub(crate) dialler: Dialler,
    pub(crate) people: People,
    pub(crate) stop: CancellationToken,
    pub(crate) sockets: TaskTracker,
    http: reqwest::Client,
}

/// An app of a world.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// A Dialpad connection of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) connection_id: String,
    pub(crate) path: String,
    pub(crate) secret: String,
}

pub(crate) fn config() -> ApiConfig {
    ApiConfig {
        internal_secret: Some(Secret::new(OPERATOR)),
        // They have tests of their own.
        limits: LimitsConfig::off(),
        ..ApiConfig::default()
    }
}

/// What asks platforms.
struct Asking {
    tokens: Tokens,
    keeper: Keeper,
    doctor: Doctor,
}

impl Asking {
    fn new(
        (store, clock, connections): (Arc<Flaky>, Arc<TestClock>, Arc<Connections>),
        intake: &Intake,
        links: &Links,
        public_url: Option<&str>,
    ) -> Self {
        let master = connections.keys().clone();
        let (entropy, endpoint) = (Arc::new(SystemEntropy), Arc::new(HttpTokens(loopback())));
        let tokens = Tokens::new(store.clone(), master, clock.clone(), entropy, endpoint);
        let sessions = Sessions::new(clock.clone()).with_tokens(tokens.clone());
        let keeper = Keeper::new(
            store.clone(),
            connections,
            sessions.clone(),
            tokens.clone(),
            intake.clone(),
            public_url,
        );
        let links = links.clone();
        let doctor = Doctor::new(store, sessions, tokens.clone(), links, clock, public_url);
        Self {
            tokens,
            keeper,
            doctor,
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: ApiConfig) -> Self {
        Self::with_adapters(config, vec![Arc::new(Dialpad)]).await
    }

    pub(crate) async fn with_adapters(config: ApiConfig, adapters: Vec<Arc<dyn Adapter>>) -> Self {
        Self::with_people(config, adapters, PeopleSettings::default()).await
    }

    pub(crate) async fn with_people(
        config: ApiConfig,
        adapters: Vec<Arc<dyn Adapter>>,
        settings: PeopleSettings,
    ) -> Self {
        Self::over(Arc::new(Flaky::default()), config, adapters, settings).await
    }

    /// A node over a store that others may have too.
    pub(crate) async fn over(
        store: Arc<Flaky>,
        mut config: ApiConfig,
        adapters: Vec<Arc<dyn Adapter>>,
        settings: PeopleSettings,
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        let entropy = Arc::new(SystemEntropy);
        let master = MasterKey::new([7; 32]);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let platforms =
            Platforms::new(adapters).with_compiler(switchhook_adapters::mapped::compiler);
        let connections = Connections::new(store.clone(), platforms, master.clone());
        let connections = Arc::new(connections.with_outbound(loopback()));
        let intake = Intake::new(
            store.clone(),
            connections.clone(),
            clock.clone(),
            entropy.clone(),
            metrics.clone(),
        );
        let gate = Arc::new(Gate::new(
            store.clone(),
            master,
            clock.clone(),
            entropy.clone(),
        ));
        let people = People::new(store.clone(), clock.clone(), entropy.clone(), settings);
        let admin = Admin::new(
            store.clone(),
            connections.clone(),
            gate.clone(),
            clock.clone(),
            entropy,
        );
        let hub = Hub::new(store.clone(), clock.clone(), metrics.clone());
        let links = Links::new(connections.clone(), intake.clone(), metrics.clone());
        let base = (store.clone(), clock.clone(), connections.clone());
        let asking = Asking::new(base, &intake, &links, config.public_url.as_deref());
        let keeper = asking.keeper.clone();
        let (dialler, controls) = commanding(&connections, &links, &intake, &store, &metrics);
        let (stop, sockets) = (CancellationToken::new(), TaskTracker::new());
        let follow = hub.clone();
        tokio::spawn({
            let stop = stop.clone();
            async move { follow.run(stop).await }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        config.port = address.port();
        config.started_at = clock.now();
        let app = router(ApiState {
            store: store.clone(),
            intake: intake.clone(),
            hub,
            gate: gate.clone(),
            people: people.clone(),
            admin,
            connections: connections.clone(),
            links: links.clone(),
            tokens: asking.tokens,
            keeper: asking.keeper,
            doctor: asking.doctor,
            dialler: dialler.clone(),
            controls,
            metrics: metrics.clone(),
            registry: Arc::new(registry),
            clock: clock.clone(),
            config,
            stop: stop.clone(),
            sockets: sockets.clone(),
        });
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let http = browser();
        let address = address.to_string();
        Self {
            address,
            store,
            clock,
            metrics,
            links,
            keeper,
            gate,
            connections,
            intake,
            dialler,
            people,
            stop,
            sockets,
            http,
        }
    }

    /// A request to be completed and sent.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Reads as an app.
    pub(crate) async fn get(&self, tenant: &Tenant, path: &str) -> Answer {
        let request = self
            .ask(Method::GET, path)
            .header("x-app-api-key", &tenant.key);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Another node, or this one after a crash: the same database, nothing remembered.
    pub(crate) fn another_dialler(&self) -> Dialler {
        let Self {
            connections,
            links,
            intake,
            store,
            metrics,
            ..
        } = self;
        commanding(connections, links, intake, store, metrics).0
    }

    /// Sends JSON as an app.
    pub(crate) async fn post(&self, tenant: &Tenant, path: &str, body: &Value) -> Answer {
        let request = self
            .ask(Method::POST, path)
            .header("x-api-key", &tenant.key)
            .json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Asks as the operator.
    pub(crate) async fn operate(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.ask(method, path).bearer_auth(OPERATOR);
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let body = json!({ "name": name, "country": "NL" });
        let made = self
            .operate(Method::POST, "/internal/apps", Some(&body))
            .await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        let text = |member: &str| made.body[member].as_str().unwrap().to_owned();
        Tenant {
            id: text("app_id"),
            key: text("api_key"),
        }
    }

    pub(crate) async fn hook(&self, tenant: &Tenant) -> Hook {
        let body = json!({ "platform": "dialpad", "name": "Dialpad", "config": {} });
        let path = format!("/internal/apps/{}/connections", tenant.id);
        let made = self.operate(Method::POST, &path, Some(&body)).await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        let text = |member: &str| made.body["data"][member].as_str().unwrap().to_owned();
        let url = text("webhook_url");
        let path = url.split_once(&self.address).unwrap().1.to_owned();
        Hook {
            connection_id: text("id"),
            path,
            secret: text("webhook_secret"),
        }
    }

    /// Posts a body to a webhook address.
    pub(crate) async fn deliver(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self
            .ask(Method::POST, path)
            .header("content-type", kind)
            .body(body.into());
        Answer::of(request.send().await.unwrap()).await
    }

    /// Posts a payload signed as Dialpad does.
    pub(crate) async fn dialpad(&self, hook: &Hook, payload: &Value) -> Answer {
        let jwt = sign_jwt(
            payload.to_string().as_bytes(),
            &Secret::new(hook.secret.as_str()),
        );
        self.deliver(&hook.path, "application/jwt", jwt).await
    }

    /// One more call that rings, from its own number.
    pub(crate) async fn ring(&self, hook: &Hook, index: u64) -> Answer {
        self.dialpad(hook, &ringing(index)).await
    }

    pub(crate) async fn connect(&self, query: &str, headers: &[(&str, &str)]) -> Client {
        self.try_connect(query, headers).await.unwrap()
    }

    /// Opens a socket, or gives the status it was refused with.
    pub(crate) async fn try_connect(
        &self,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Client, u16> {
        let url = format!("ws://{}/ws{query}", self.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Client(stream)),
            Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => {
                Err(refused.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// A socket of a tenant, with its hello and its snapshot.
    pub(crate) async fn listen(&self, tenant: &Tenant) -> (Client, Value, Value) {
        let mut client = self.connect("", &[("x-app-api-key", &tenant.key)]).await;
        let hello = client.frame().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        let snapshot = client.frame().await;
        assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
        (client, hello, snapshot)
    }
}

/// A client that follows nothing by itself.
fn browser() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// What asks platforms for something.
fn commanding(
    connections: &Arc<Connections>,
    links: &Links,
    intake: &Intake,
    store: &Arc<Flaky>,
    metrics: &Metrics,
) -> (Dialler, Controls) {
    let sessions = Arc::new(Sessions::new(intake.clock().clone()));
    let dialler = Dialler::new(
        store.clone(),
        connections.clone(),
        links.clone(),
        intake.clone(),
        sessions.clone(),
        metrics.clone(),
    );
    let controls = Controls::new(
        store.clone(),
        connections.clone(),
        links.clone(),
        sessions,
        metrics.clone(),
        intake.agents().clone(),
    );
    (dialler, controls)
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never came true");
}

/// A recorded notification of Dialpad.
pub(crate) fn fixture(scenario: &str, name: &str) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialpad");
    let text = std::fs::read(format!("{root}/{scenario}/{name}.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The recorded ringing of a call, as another call.
pub(crate) fn ringing(index: u64) -> Value {
    let mut payload = fixture("answered", "01_ringing");
    payload["call_id"] = (5_610_000_000_100_000_u64 + index).into();
    payload["external_number"] = format!("+316120{index:05}").into();
    let at = 1_795_341_600_000_u64 + index * 1000;
    for (member, offset) in [
        ("date_started", 120),
        ("date_first_rang", 900),
        ("date_rang", 900),
        ("event_timestamp", 950),
    ] {
        payload[member] = (at + offset).into();
    }
    payload
}

/// The hang-up of such a call, unanswered.
pub(crate) fn hung_up(index: u64) -> Value {
    let mut payload = ringing(index);
    let at = 1_795_341_600_000_u64 + index * 1000;
    payload["state"] = "hangup".into();
    payload["date_ended"] = (at + 20_000).into();
    payload["event_timestamp"] = (at + 20_100).into();
    payload
}
