//! A platform for tests that signs in by OAuth, and an authorisation server for it that is as
//! strict as a real one: codes and refresh tokens work once, PKCE is checked.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prometheus_client::registry::Registry;
use serde_json::{Map, Value};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, ConnectionContext, DecodeError, Decoded, Inbound, LinkError, LinkState,
    NotificationSink, Rejection, Secret,
};
use switchhook_engine::command::{
    ClientAuth, CommandError, Fault, Grant, HalfSubscribed, OAuthEndpoints, Revoke, Session,
    Subscribed, Wanted,
};
use switchhook_engine::connections::{Connections, Platforms, ReadyConnection};
use switchhook_engine::intake::Intake;
use switchhook_engine::keeper::Keeper;
use switchhook_engine::link::Links;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::oauth::{Granted, TokenEndpoint, TokenRequest, Tokens};
use switchhook_engine::ports::{Clock, SystemEntropy};
use switchhook_engine::seal::{MasterKey, digest};
use switchhook_engine::session::Sessions;
use switchhook_engine::store::{App, Connection, Store};
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::memory::MemoryStore;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

static SPEC: AdapterSpec = AdapterSpec {
    platform: "acme",
    title: "Acme",
    summary: "For tests.",
    config: &[],
    capabilities: &[],
    lacks: &[],
    transports: &[],
    bad_signature_status: 401,
};

/// The sign-in a run of the link found, and what the run before it left.
type Found = (Result<String, Fault>, Option<String>);

/// What a subscription at the platform does next, and what it was asked.
#[derive(Default)]
pub(crate) struct Vendor {
    pub(crate) next: Mutex<Vec<Result<Subscribed, HalfSubscribed>>>,
    pub(crate) wanted: Mutex<Vec<Wanted>>,
    pub(crate) reconciled: Mutex<Vec<(jiff::Timestamp, jiff::Timestamp)>>,
    pub(crate) log: Mutex<Vec<switchhook_domain::signal::Signal>>,
    pub(crate) log_fails: Mutex<Option<CommandError>>,
    pub(crate) unsubscribed: Mutex<Vec<Value>>,
    pub(crate) unsubscribe_fails: Mutex<bool>,
    /// What the next runs of the link leave and how they end; after that one with a sign-in stays
    /// up.
    pub(crate) runs: Mutex<VecDeque<(Option<&'static str>, LinkError)>>,
    /// True for a platform with a link.
    pub(crate) is_live: Mutex<bool>,
    /// What each run found: the sign-in and what the one before it left.
    pub(crate) found: Mutex<Vec<Found>>,
    /// Told when the next subscription is asked for, and waited for before it is answered.
    pause: Mutex<Option<(Arc<Notify>, Arc<Notify>)>>,
}

impl Vendor {
    /// Has the next subscription wait: the first is told when it is asked for, the second lets
    /// it go on.
    pub(crate) fn pause_next(&self) -> (Arc<Notify>, Arc<Notify>) {
        let pause = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        *self.pause.lock().unwrap() = Some(pause.clone());
        pause
    }
}

/// The adapter.
pub(crate) struct Acme {
    pub(crate) grant: Grant,
    pub(crate) vendor: Arc<Vendor>,
}

#[async_trait]
impl Adapter for Acme {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn verify<'a>(
        &self,
        _inbound: &Inbound<'a>,
        _connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        Err(Rejection::BadSignature)
    }

    fn decode(
        &self,
        _payload: &[u8],
        _connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        Ok(Decoded::default())
    }

    fn oauth(&self, _connection: &ConnectionContext) -> Option<OAuthEndpoints> {
        Some(OAuthEndpoints {
            authorize_url: "https://acme.example/authorize".to_owned(),
            token_url: "https://acme.example/token".to_owned(),
            revoke_url: Some("https://acme.example/revoke".to_owned()),
            client_id: "client".to_owned(),
            client_secret: Some(Secret::new("client secret")),
            client_auth: ClientAuth::Basic,
            scope: "calls".to_owned(),
            extra: Vec::new(),
            grant: self.grant.clone(),
            revoke: Revoke::Token,
        })
    }

    fn keeps_subscription(&self, _connection: &ConnectionContext) -> bool {
        true
    }

    fn is_live(&self, _connection: &ConnectionContext) -> bool {
        *self.vendor.is_live.lock().unwrap()
    }

    async fn connect_signed_in(
        &self,
        session: Session,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        let token = session.tokens.token().await;
        let token = token.map(|token| token.expose().to_owned());
        let signed_in = token.is_ok();
        let left = sink.recall().map(|left| left.expose().to_owned());
        let token = token.map_err(|error| error.fault);
        self.vendor.found.lock().unwrap().push((token, left));
        let next = self.vendor.runs.lock().unwrap().pop_front();
        match next {
            Some((leaves, end)) => {
                sink.remember(leaves.map(Secret::new));
                return Err(end);
            }
            None if !signed_in => return Err(LinkError::Misconfigured("sign in".to_owned())),
            None => sink.link(LinkState::Up).await,
        }
        stop.cancelled().await;
        Ok(())
    }

    async fn subscribe(
        &self,
        _session: &Session,
        wanted: &Wanted,
    ) -> Result<Subscribed, HalfSubscribed> {
        self.vendor.wanted.lock().unwrap().push(wanted.clone());
        let pause = self.vendor.pause.lock().unwrap().take();
        if let Some((reached, go_on)) = pause {
            reached.notify_one();
            go_on.notified().await;
        }
        self.vendor.next.lock().unwrap().remove(0)
    }

    async fn unsubscribe(&self, _session: &Session, state: &Value) -> Result<(), CommandError> {
        if *self.vendor.unsubscribe_fails.lock().unwrap() {
            return Err(CommandError::new(Fault::Unreachable, "Acme is away."));
        }
        self.vendor.unsubscribed.lock().unwrap().push(state.clone());
        Ok(())
    }

    async fn reconcile(
        &self,
        _session: &Session,
        from: jiff::Timestamp,
        to: jiff::Timestamp,
    ) -> Result<Vec<switchhook_domain::signal::Signal>, CommandError> {
        self.vendor.reconciled.lock().unwrap().push((from, to));
        if let Some(error) = self.vendor.log_fails.lock().unwrap().take() {
            return Err(error);
        }
        Ok(self.vendor.log.lock().unwrap().clone())
    }
}

/// What the authorisation server knows.
#[derive(Default)]
pub(crate) struct Server {
    pub(crate) asked: Mutex<Vec<&'static str>>,
    pub(crate) revoked: Mutex<Vec<String>>,
    challenges: Mutex<BTreeMap<String, String>>,
    refresh: Mutex<BTreeSet<String>>,
    issued: Mutex<u32>,
    pub(crate) fail_next: Mutex<Option<CommandError>>,
    pub(crate) without_refresh: Mutex<bool>,
    pub(crate) delay: Mutex<Duration>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

pub(crate) fn invalid_grant() -> CommandError {
    CommandError::new(Fault::Credentials, "Sign in again.")
}

impl Server {
    /// A person agrees: the code for what the address asked.
    pub(crate) fn agree(&self, authorize_url: &str) -> (String, String) {
        let query = authorize_url.split_once('?').unwrap().1;
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(n, _)| *n == name).unwrap().1.to_owned()
        };
        assert_eq!(value("code_challenge_method"), "S256");
        let code = format!("code-{}", self.challenges.lock().unwrap().len());
        let mut challenges = self.challenges.lock().unwrap();
        challenges.insert(code.clone(), value("code_challenge"));
        (code, value("state"))
    }

    fn issue(&self) -> Granted {
        let mut issued = self.issued.lock().unwrap();
        *issued += 1;
        let refresh = format!("refresh-{issued}");
        let rotates = !*self.without_refresh.lock().unwrap();
        if rotates {
            self.refresh.lock().unwrap().insert(refresh.clone());
        }
        Granted {
            access_token: Secret::new(format!("access-{issued}")),
            refresh_token: rotates.then(|| Secret::new(refresh)),
            expires_in: Some(Duration::from_secs(3600)),
        }
    }
}

#[async_trait]
impl TokenEndpoint for Server {
    fn authorize_url(
        &self,
        endpoints: &OAuthEndpoints,
        parameters: &[(&str, &str)],
    ) -> Result<String, CommandError> {
        let pairs: Vec<_> = parameters.iter().map(|(n, v)| format!("{n}={v}")).collect();
        Ok(format!("{}?{}", endpoints.authorize_url, pairs.join("&")))
    }

    async fn grant(
        &self,
        _endpoints: &OAuthEndpoints,
        request: &TokenRequest,
    ) -> Result<Granted, CommandError> {
        let name = match request {
            TokenRequest::Code { .. } => "code",
            TokenRequest::Refresh { .. } => "refresh",
            TokenRequest::Jwt { .. } => "jwt",
        };
        self.asked.lock().unwrap().push(name);
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        if let Some(error) = self.fail_next.lock().unwrap().take() {
            return Err(error);
        }
        let good = match request {
            TokenRequest::Code { code, verifier, .. } => {
                let challenge = self.challenges.lock().unwrap().remove(code.expose());
                let hashed = URL_SAFE_NO_PAD.encode(digest(verifier.expose().as_bytes()));
                challenge == Some(hashed)
            }
            TokenRequest::Refresh { refresh_token } => {
                (self.refresh.lock().unwrap()).remove(refresh_token.expose())
            }
            TokenRequest::Jwt { assertion } => assertion.expose() == "assertion",
        };
        if good {
            Ok(self.issue())
        } else {
            Err(invalid_grant())
        }
    }

    async fn revoke(
        &self,
        _endpoints: &OAuthEndpoints,
        access_token: &Secret,
        _refresh_token: Option<&Secret>,
    ) -> Result<(), CommandError> {
        if let Some(error) = self.fail_next.lock().unwrap().take() {
            return Err(error);
        }
        let token = access_token.expose().to_owned();
        self.revoked.lock().unwrap().push(token);
        Ok(())
    }
}

/// One database, one authorisation server, one connection.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) server: Arc<Server>,
    pub(crate) vendor: Arc<Vendor>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) connection: ReadyConnection,
    pub(crate) key: MasterKey,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Grant::AuthorizationCode).await
    }

    pub(crate) async fn with(grant: Grant) -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(TestClock::default());
        let key = MasterKey::new([9; 32]);
        let vendor = Arc::new(Vendor::default());
        let adapter = Arc::new(Acme {
            grant,
            vendor: vendor.clone(),
        });
        let connections = Arc::new(Connections::new(
            store.clone(),
            Platforms::new([adapter as Arc<dyn Adapter>]),
            key.clone(),
        ));
        let app = App {
            id: AppId(Uuid::from_u128(1)),
            name: "Klantcontact".to_owned(),
            country: "NL".to_owned(),
            active: true,
            epoch: Uuid::from_u128(2),
            created_at: clock.now(),
        };
        store.create_app(&app).await.unwrap();
        let row = Connection {
            id: ConnectionId(Uuid::from_u128(3)),
            app_id: app.id,
            platform: "acme".to_owned(),
            name: "Head office".to_owned(),
            hook_id: "hook-of-head-office".to_owned(),
            config: Map::new(),
            credentials: Map::new(),
            webhook_secrets: Vec::new(),
            created_at: clock.now(),
            link: None,
            last_heard_at: None,
        };
        store.create_connection(&row).await.unwrap();
        connections.refresh().await.unwrap();
        let connection = connections.get(row.id).unwrap();
        Self {
            store,
            clock,
            server: Arc::default(),
            vendor,
            connections,
            connection,
            key,
        }
    }

    /// One node's view of the tokens; call it twice for two nodes.
    pub(crate) fn tokens(&self) -> Tokens {
        Tokens::new(
            self.store.clone(),
            self.key.clone(),
            self.clock.clone(),
            Arc::new(SystemEntropy),
            self.server.clone(),
        )
    }

    /// One node's keeper.
    pub(crate) fn keeper(&self, public_url: Option<&str>) -> Keeper {
        let mut registry = Registry::default();
        let intake = Intake::new(
            self.store.clone(),
            self.connections.clone(),
            self.clock.clone(),
            Arc::new(SystemEntropy),
            Metrics::register(&mut registry),
        );
        let tokens = self.tokens();
        let sessions = Sessions::new(self.clock.clone()).with_tokens(tokens.clone());
        let (store, connections) = (self.store.clone(), self.connections.clone());
        Keeper::new(store, connections, sessions, tokens, intake, public_url)
    }

    /// One node's links, and the tokens they sign in with.
    pub(crate) fn links(&self) -> (Links, Tokens) {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (store, connections) = (self.store.clone(), self.connections.clone());
        let (clock, entropy) = (self.clock.clone(), Arc::new(SystemEntropy));
        let intake = Intake::new(store, connections, clock, entropy, metrics.clone());
        let tokens = self.tokens();
        let sessions = Sessions::new(self.clock.clone()).with_tokens(tokens.clone());
        let links = Links::new(self.connections.clone(), intake, metrics);
        (links.with_sessions(sessions), tokens)
    }

    /// Signs in.
    pub(crate) async fn sign_in(&self, tokens: &Tokens) {
        let back = "https://cti.example/auth/acme/callback";
        let begun = tokens.begin(&self.connection, back, None, None).await;
        let begun = begun.unwrap();
        let (code, state) = self.server.agree(&begun.authorize_url);
        let returned = tokens.returned(&state, Some(&begun.browser)).await.unwrap();
        let finished = tokens.finish(&self.connection, returned, Secret::new(code));
        finished.await.unwrap();
    }

    /// The names of the events told so far.
    pub(crate) async fn told(&self) -> Vec<&'static str> {
        let app = self.connection.app.id;
        let events = self.store.events_after(app, 0, 100, &[]).await.unwrap();
        events.iter().map(|event| event.kind.as_str()).collect()
    }
}
