//! What the routes need: handed in by the server, shared by all requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use prometheus_client::registry::Registry;
use switchhook_domain::Timestamp;
use switchhook_domain::id::IdMint;
use switchhook_engine::access::Gate;
use switchhook_engine::adapter::Secret;
use switchhook_engine::admin::Admin;
use switchhook_engine::audit::Audit;
use switchhook_engine::connections::Connections;
use switchhook_engine::control::Controls;
use switchhook_engine::diagnosis::Doctor;
use switchhook_engine::dial::Dialler;
use switchhook_engine::hub::Hub;
use switchhook_engine::idempotency::Idempotency;
use switchhook_engine::intake::Intake;
use switchhook_engine::keeper::Keeper;
use switchhook_engine::link::Links;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::moments::Moments;
use switchhook_engine::oauth::Tokens;
use switchhook_engine::people::People;
use switchhook_engine::ports::Clock;
use switchhook_engine::store::Store;
use switchhook_engine::tasks::Tasks;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Refusals;
use crate::inherited::metrics::Requests;
use crate::limits::hooks::Hooks;
use crate::limits::{Limits, LimitsConfig};
use crate::sightings::Sightings;
use crate::ws::limits::Sockets;
use crate::ws::watch::Watch;

/// Settings of the HTTP side.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The operators' bearer secret. Without one, `/internal` and `/metrics` answer 503.
    pub internal_secret: Option<Secret>,
    /// The address people and platforms use, such as `https://cti.example.nl`; no slash at the
    /// end. Cookies are `Secure` when it is https.
    pub public_url: Option<String>,
    /// `production`, `sandbox` or a word of the operator's own; told by `/health`.
    pub environment: String,
    /// The port that is listened on; told by `/health`.
    pub port: u16,
    /// True when TLS is spoken here, not by a proxy before us.
    pub tls: bool,
    /// The proxies whose word about address and scheme of a client is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// True when requests over plain HTTP are sent on or refused, hooks and health checks apart.
    pub require_https: bool,
    /// The version; told by `/health`.
    pub version: String,
    /// When the server started.
    pub started_at: Timestamp,
    /// The largest JSON body, in bytes.
    pub max_json: usize,
    /// The largest body of an import, in bytes.
    pub max_import: usize,
    /// How long a request may take.
    pub timeout: Duration,
    /// Limits of the WebSocket.
    pub ws: WsConfig,
    /// The webhook secret of connections that `POST /internal/webhooks/create` makes without one.
    pub inherited_webhook_secret: Option<Secret>,
    /// A header that names the app by its key at `/webhooks/dialpad`, beside the usual ones; in
    /// lower case.
    pub app_key_header: Option<String>,
    /// How much one caller may ask.
    pub limits: LimitsConfig,
    /// Origins whose pages may use the API, such as `https://crm.example.nl`.
    pub cors_origins: Vec<String>,
    /// Which pages may show ours in a frame: the value of `frame-ancestors`.
    pub frame_ancestors: String,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            internal_secret: None,
            public_url: None,
            environment: "sandbox".to_owned(),
            port: 4000,
            tls: false,
            trusted_proxies: Vec::new(),
            require_https: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            max_json: 256 * 1024,
            max_import: 4 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            ws: WsConfig::default(),
            inherited_webhook_secret: None,
            app_key_header: None,
            limits: LimitsConfig::default(),
            cors_origins: Vec::new(),
            frame_ancestors: "'self'".to_owned(),
        }
    }
}

/// Limits of the WebSocket.
#[derive(Clone, Debug)]
pub struct WsConfig {
    /// The most sockets of this process.
    pub max_sockets: usize,
    /// The most sockets of one app in this process.
    pub max_sockets_per_app: usize,
    /// How far behind a client may be and still get the missing events, in events.
    pub max_resume: u64,
    /// How long a client has for its first message.
    pub auth_timeout: Duration,
    /// How often the server pings.
    pub ping: Duration,
    /// After how much silence a client is considered dead.
    pub silence: Duration,
    /// How long one frame may wait for the client to take it.
    pub send_timeout: Duration,
    /// How long after a client fell behind and caught up it may do so again; sooner than that it
    /// is closed as too slow. [`Duration::MAX`] closes it the first time.
    pub lag_pause: Duration,
    /// How often keys, sessions and apps of open sockets are looked at.
    pub watch: Duration,
}

impl Default for WsConfig {
    fn default() -> Self {
        Self {
            max_sockets: 10_000,
            max_sockets_per_app: 2_000,
            max_resume: 10_000,
            auth_timeout: Duration::from_secs(10),
            ping: Duration::from_secs(30),
            silence: Duration::from_secs(75),
            send_timeout: Duration::from_secs(15),
            lag_pause: Duration::from_secs(60),
            watch: Duration::from_millis(400),
        }
    }
}

/// What the routes need.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The way in for webhooks; also lends its clock and entropy.
    pub intake: Intake,
    /// Committed events for the sockets.
    pub hub: Hub,
    /// Checks credentials.
    pub gate: Arc<Gate>,
    /// People and how they sign in.
    pub people: People,
    /// Sets apps, keys and connections up.
    pub admin: Admin,
    /// Connections in memory.
    pub connections: Arc<Connections>,
    /// Live connections.
    pub links: Links,
    /// Sign-ins at platforms.
    pub tokens: Tokens,
    /// Hooks and subscriptions at platforms.
    pub keeper: Keeper,
    /// Looks at connections.
    pub doctor: Doctor,
    /// Places calls.
    pub dialler: Dialler,
    /// Steers calls.
    pub controls: Controls,
    /// What is counted.
    pub metrics: Metrics,
    /// Where the counts are read from.
    pub registry: Arc<Registry>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub config: ApiConfig,
    /// Cancelled when the server goes down: `/ready` says so, sockets are closed with 1001.
    pub stop: CancellationToken,
    /// The tasks of open sockets. After `stop`: `close()` it, then `wait()` for a while, so that
    /// every client hears why.
    pub sockets: TaskTracker,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The state as handlers see it: one pointer.
pub(crate) type Shared = Arc<Inner>;

/// What was handed in, and what the routes keep for themselves.
pub(crate) struct Inner {
    pub(crate) api: ApiState,
    pub(crate) watch: Watch,
    pub(crate) counts: Sockets,
    pub(crate) audit: Audit,
    pub(crate) moments: Moments,
    pub(crate) idempotency: Idempotency,
    pub(crate) tasks: Tasks,
    pub(crate) refusals: Refusals,
    pub(crate) requests: Requests,
    pub(crate) sightings: Sightings,
    pub(crate) limits: Limits,
}

impl Inner {
    pub(crate) fn new(mut api: ApiState) -> Shared {
        let limits = Limits::new(&api.config.limits, &api.clock);
        if let Some(hooks) = Hooks::new(&api.config.limits, &api.clock) {
            api.intake = api.intake.with_pace(Arc::new(hooks));
        }
        let watch = Watch::new(&api);
        let counts = Sockets::new(&api.config.ws, api.metrics.clone());
        let keys = api.connections.keys().clone();
        let idempotency = Idempotency::new(
            api.store.clone(),
            keys.clone(),
            api.clock.clone(),
            api.intake.entropy().clone(),
        );
        let tasks = Tasks::new(api.store.clone(), api.intake.clone());
        let audit = Audit::new(api.store.clone(), api.clock.clone(), keys);
        let moments = Moments::new(api.store.clone(), api.intake.clone());
        Arc::new(Self {
            api,
            watch,
            counts,
            audit,
            moments,
            idempotency,
            tasks,
            refusals: Refusals::default(),
            requests: Requests::default(),
            sightings: Sightings::default(),
            limits,
        })
    }

    /// A source of ids for one change.
    pub(crate) fn mint(&self) -> IdMint {
        IdMint::new(self.api.clock.now(), self.api.intake.entropy().random())
    }

    /// True when people reach this server by https.
    pub(crate) fn is_https(&self) -> bool {
        self.api
            .config
            .public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }
}

impl std::ops::Deref for Inner {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.api
    }
}
