//! A connection of the adapter to the stand-in of Dialpad, with real sessions.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_adapters::oauth::HttpTokens;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::{Adapter, Secret};
use switchhook_engine::command::{AgentDevice, CallHandle, CallLeg, Session, Wanted};
use switchhook_engine::connections::{Connections, Platforms, ReadyConnection, place};
use switchhook_engine::oauth::Tokens;
use switchhook_engine::ports::{Clock, SystemEntropy};
use switchhook_engine::seal::MasterKey;
use switchhook_engine::session::Sessions;
use switchhook_engine::store::{App, Connection, Store};
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::memory::MemoryStore;
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;
use switchhook_testkit::vendors::loopback;
use uuid::Uuid;

pub(super) const KEY: &str = "an administrator's key";
pub(super) const ADA: u64 = 4_900_000_000_000_001;
pub(super) const BACK: &str = "https://cti.example/auth/dialpad/callback";
pub(super) const HOOK: &str = "https://cti.example/webhooks/dialpad/hook-id";

/// Dialpad with an administrator's key and one user.
pub(super) async fn vendor() -> StandIn<Vendor> {
    let vendor = Vendor::default()
        .with_key(KEY, true, &["calls:list", "recordings_export"])
        .with_key("an agent's key", false, &[])
        .with_user(ADA, "101", "+31201234567")
        .with_redirect(BACK);
    StandIn::start(vendor).await.unwrap()
}

/// What a connection stands on.
pub(super) struct Desk {
    pub(super) vendor: StandIn<Vendor>,
    pub(super) clock: Arc<TestClock>,
    pub(super) connection: ReadyConnection,
    pub(super) tokens: Tokens,
    pub(super) session: Session,
}

impl Desk {
    /// With the administrator's key.
    pub(super) async fn new() -> Self {
        Self::with(&json!({}), &[("api_key", KEY)]).await
    }

    pub(super) async fn with(config: &Value, credentials: &[(&str, &str)]) -> Self {
        Self::of(vendor().await, config, credentials).await
    }

    /// At another Dialpad.
    pub(super) async fn of(
        vendor: StandIn<Vendor>,
        config: &Value,
        credentials: &[(&str, &str)],
    ) -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(TestClock::default());
        let key = MasterKey::new([3; 32]);
        let (app_id, id) = (AppId(Uuid::from_u128(1)), ConnectionId(Uuid::from_u128(2)));
        let app = App {
            id: app_id,
            name: "Klantcontact".to_owned(),
            country: "NL".to_owned(),
            active: true,
            epoch: Uuid::from_u128(3),
            created_at: clock.now(),
        };
        store.create_app(&app).await.unwrap();
        let mut config: Map<String, Value> = config.as_object().unwrap().clone();
        config.insert("base_url".to_owned(), vendor.url().into());
        let seal = |field: &str, secret: &str| {
            key.seal(
                &Secret::new(secret),
                &place(app_id, id, field),
                &SystemEntropy,
            )
        };
        let sealed = credentials.iter();
        let sealed = sealed.map(|(name, secret)| ((*name).to_owned(), seal(name, secret).into()));
        let row = Connection {
            id,
            app_id,
            platform: "dialpad".to_owned(),
            name: "Head office".to_owned(),
            hook_id: "hook-id-of-head-office".to_owned(),
            config,
            credentials: sealed.collect(),
            webhook_secrets: vec![seal("webhook_secret", "the hook's secret")],
            created_at: clock.now(),
            link: None,
            last_heard_at: None,
        };
        store.create_connection(&row).await.unwrap();
        let platforms = Platforms::new([Arc::new(Dialpad) as Arc<dyn Adapter>]);
        let connections =
            Connections::new(store.clone(), platforms, key.clone()).with_outbound(loopback());
        connections.refresh().await.unwrap();
        let connection = connections.get(id).unwrap();
        assert_eq!(connection.fault, None);
        Dialpad.check_config(&connection.context).unwrap();
        let entropy = Arc::new(SystemEntropy);
        let tokens = Tokens::new(
            store,
            key,
            clock.clone(),
            entropy,
            Arc::new(HttpTokens(loopback())),
        );
        let sessions = Sessions::new(clock.clone()).with_tokens(tokens.clone());
        let session = sessions.open(&connection);
        Self {
            vendor,
            clock,
            connection,
            tokens,
            session,
        }
    }

    /// Without an API key: somebody signs in through the OAuth client of the stand-in.
    pub(super) async fn by_oauth() -> Self {
        use switchhook_testkit::vendors::dialpad::{CLIENT_ID, CLIENT_SECRET};
        let config = json!({ "client_id": CLIENT_ID });
        Self::with(&config, &[("client_secret", CLIENT_SECRET)]).await
    }

    /// A person follows the address and comes back; the query they bring.
    pub(super) async fn follow(&self, authorize_url: &str) -> Vec<(String, String)> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = client.get(authorize_url).send().await.unwrap();
        assert_eq!(answer.status(), 302, "{:?}", answer.text().await);
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let url = reqwest::Url::parse(&location).unwrap();
        assert!(location.starts_with(BACK));
        url.query_pairs().into_owned().collect()
    }

    /// Signs in.
    pub(super) async fn sign_in(&self) {
        let begun = self.tokens.begin(&self.connection, BACK, None, None).await;
        let begun = begun.unwrap();
        let query = self.follow(&begun.authorize_url).await;
        let value = |name: &str| query.iter().find(|(n, _)| n == name).unwrap().1.clone();
        let browser = Some(&begun.browser);
        let returned = self
            .tokens
            .returned(&value("state"), browser)
            .await
            .unwrap();
        let code = Secret::new(value("code"));
        self.tokens
            .finish(&self.connection, returned, code)
            .await
            .unwrap();
    }
}

pub(super) fn wanted(state: &Value) -> Wanted {
    Wanted {
        webhook_url: HOOK.to_owned(),
        state: state.clone(),
    }
}

pub(super) fn ada() -> AgentDevice {
    AgentDevice {
        user_id: Some(ADA.to_string()),
        ..AgentDevice::default()
    }
}

/// A call of Ada's as a command knows it.
pub(super) fn handle(call: u64) -> CallHandle {
    CallHandle {
        keys: vec![format!("dp:{call}")],
        external_call_id: call.to_string(),
        legs: vec![CallLeg {
            number: None,
            id: call.to_string(),
            kind: switchhook_domain::signal::LegKind::Agent,
            extension: None,
            user_id: Some(ADA.to_string()),
            answered: true,
            ended: false,
        }],
        agent: ada(),
    }
}
