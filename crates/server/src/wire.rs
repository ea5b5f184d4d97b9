//! The one place where all parts meet: configuration in, a running server out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::serve::ListenerExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::registry::Registry;
use switchhook_adapters::oauth::HttpTokens;
use switchhook_api::{ApiConfig, ApiState, WsConfig};
use switchhook_engine::access::Gate;
use switchhook_engine::admin::Admin;
use switchhook_engine::audit::Audit;
use switchhook_engine::connections::{Connections, Platforms};
use switchhook_engine::control::Controls;
use switchhook_engine::diagnosis::Doctor;
use switchhook_engine::dial::Dialler;
use switchhook_engine::hub::Hub;
use switchhook_engine::intake::Intake;
use switchhook_engine::keeper::Keeper;
use switchhook_engine::keyring::KeyRing;
use switchhook_engine::link::Links;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::oauth::Tokens;
use switchhook_engine::openconnector::Sources;
use switchhook_engine::outbound::Guard;
use switchhook_engine::people::oidc::IdentityProvider;
use switchhook_engine::people::{People, PeopleSettings};
use switchhook_engine::ports::{Clock, Entropy, SystemClock, SystemEntropy};
use switchhook_engine::reaper;
use switchhook_engine::recordings::Recheck;
use switchhook_engine::seal::MasterKey;
use switchhook_engine::session::Sessions;
use switchhook_engine::store::Store;
use switchhook_engine::tasks::overdue;
use switchhook_storage::OpenOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::Config;
use crate::listening::{self, Doors};
use crate::tls::Tls;

/// How long a shutdown may take before what is left is dropped. Nothing acknowledged is lost by
/// that: it is in the database.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// How often connections changed by other nodes are looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// How often deeds that were cut short are looked for.
const SETTLE_EVERY: Duration = Duration::from_secs(60);
/// How often old notifications and events are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How many rows are deleted at a time, so that no commit waits long.
const PRUNE_BATCH: u32 = 5_000;

/// Everything a command or the server needs, wired.
#[derive(Clone)]
pub struct Parts {
    /// The configuration it was made from.
    pub config: Arc<Config>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Connections in memory.
    pub connections: Arc<Connections>,
    /// The way in.
    pub intake: Intake,
    /// Listeners.
    pub hub: Hub,
    /// Credentials.
    pub gate: Arc<Gate>,
    /// People and how they sign in.
    pub people: People,
    /// Setting things up.
    pub admin: Admin,
    /// Who changed what.
    pub audit: Audit,
    /// Live connections.
    pub links: Links,
    /// Sign-ins at platforms.
    pub tokens: Tokens,
    /// What requests to platforms need.
    pub sessions: Sessions,
    /// Hooks and subscriptions at platforms.
    pub keeper: Keeper,
    /// Looks at connections.
    pub doctor: Doctor,
    /// Places calls.
    pub dialler: Dialler,
    /// Steers calls.
    pub controls: Controls,
    /// Counters.
    pub metrics: Metrics,
    /// Where the counters are registered.
    pub registry: Arc<Registry>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// TLS of our own, its files read.
    pub tls: Option<Tls>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// The platforms of this build.
#[must_use]
pub fn platforms() -> Platforms {
    Platforms::new(switchhook_adapters::registry().shared())
        .with_compiler(switchhook_adapters::mapped::compiler)
}

/// The same, with those of the configured folder of mapping files.
fn platforms_of(config: &Config) -> anyhow::Result<Platforms> {
    let platforms = platforms();
    let Some(folder) = &config.mappings else {
        return Ok(platforms);
    };
    match crate::config::mappings::read(folder) {
        Ok(adapters) => adapters.into_iter().for_each(|a| platforms.put_file(a)),
        // The configuration was checked; the folder has changed since.
        Err(faults) => bail!("the mapping files have faults; the first: {}", faults[0]),
    }
    Ok(platforms)
}

impl Parts {
    /// Opens the database (migrating it) and wires everything.
    ///
    /// # Errors
    /// When the database cannot be opened or the master key is missing or cannot be stored.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let tls = config.tls.clone().map(Tls::open).transpose()?;
        let (current, previous) = master_keys(&config, &*entropy)?;
        let url = config.database_url.expose();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let mut options = OpenOptions {
            meter: metrics.commits.clone(),
            ..OpenOptions::default()
        };
        config.pool.apply(&mut options);
        let store = switchhook_storage::open(url, options)
            .await
            .context("cannot open the database")?;
        let keys = KeyRing::unlock(&*store, current, previous, &*entropy).await?;
        let connections = connections(&config, &store, &keys).await?;
        let intake = Intake::new(
            store.clone(),
            connections.clone(),
            clock.clone(),
            entropy.clone(),
            metrics.clone(),
        );
        let audit = Audit::new(store.clone(), clock.clone(), keys.clone());
        let (tokens, sessions) = signing_in(&keys, &intake, &connections, &store);
        let links = Links::new(connections.clone(), intake.clone(), metrics.clone());
        let links = links.with_sessions(sessions.clone());
        let asking = (tokens, sessions);
        let asking = Asking::new(&config, asking, &intake, &links, &connections, &store);
        let gate = Arc::new(Gate::new(
            store.clone(),
            keys,
            clock.clone(),
            entropy.clone(),
        ));
        let sessions = Arc::new(asking.sessions.clone());
        Ok(Self {
            dialler: Dialler::new(
                store.clone(),
                connections.clone(),
                links.clone(),
                intake.clone(),
                sessions.clone(),
                metrics.clone(),
            ),
            controls: Controls::new(
                store.clone(),
                connections.clone(),
                links.clone(),
                sessions,
                metrics.clone(),
                intake.agents().clone(),
            ),
            audit,
            people: people(&config, &store, &clock, &entropy),
            admin: Admin::new(
                store.clone(),
                connections.clone(),
                gate.clone(),
                clock.clone(),
                entropy,
            ),
            hub: Hub::new(store.clone(), clock.clone(), metrics.clone()),
            links,
            tokens: asking.tokens,
            sessions: asking.sessions,
            keeper: asking.keeper,
            doctor: asking.doctor,
            config: Arc::new(config),
            store,
            connections,
            intake,
            gate,
            metrics,
            registry: Arc::new(registry),
            clock,
            tls,
        })
    }

    fn api_state(&self, stop: CancellationToken, sockets: TaskTracker) -> ApiState {
        ApiState {
            store: self.store.clone(),
            intake: self.intake.clone(),
            hub: self.hub.clone(),
            gate: self.gate.clone(),
            people: self.people.clone(),
            admin: self.admin.clone(),
            connections: self.connections.clone(),
            links: self.links.clone(),
            tokens: self.tokens.clone(),
            keeper: self.keeper.clone(),
            doctor: self.doctor.clone(),
            dialler: self.dialler.clone(),
            controls: self.controls.clone(),
            metrics: self.metrics.clone(),
            registry: self.registry.clone(),
            clock: self.clock.clone(),
            config: ApiConfig {
                internal_secret: self.config.internal_api_secret.clone(),
                public_url: self.config.public_url.clone(),
                environment: self.config.environment.clone(),
                port: self.config.listen.port(),
                tls: self.config.tls.is_some(),
                trusted_proxies: self.config.trusted_proxies.clone(),
                require_https: self.config.require_https,
                started_at: self.clock.now(),
                inherited_webhook_secret: self.config.inherited.webhook_secret.clone(),
                app_key_header: self.config.inherited.app_key_header.clone(),
                limits: self.config.limits.clone(),
                cors_origins: self.config.cors_origins.clone(),
                frame_ancestors: self.config.frame_ancestors.clone(),
                ws: WsConfig {
                    max_sockets: self.config.max_sockets,
                    max_sockets_per_app: self.config.max_sockets_per_app,
                    ..WsConfig::default()
                },
                ..ApiConfig::default()
            },
            stop,
            sockets,
        }
    }

    /// Serves until `stop`, then winds down: sockets are told, live links closed, the writer
    /// drained.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let tasks = TaskTracker::new();
        let jobs = CancellationToken::new();
        self.start_jobs(&tasks, &jobs);
        self.links.reconcile();
        let sockets = TaskTracker::new();
        let router = switchhook_api::router(self.api_state(stop.clone(), sockets.clone()));
        let doors = Doors::new(
            self.config.max_connections,
            self.config.trusted_proxies.clone(),
        );
        let mut server = match self.tls.clone() {
            None => {
                let listener = listener.tap_io(quick);
                Box::pin(listening::serve(listener, router, doors, stop.clone()))
                    as BoxFuture<'static, ()>
            }
            Some(tls) => {
                let listener = tls
                    .listen(listener)
                    .tap_io(|stream| quick(stream.get_mut().0));
                tasks.spawn(tls.watch(jobs.clone()));
                Box::pin(listening::serve(listener, router, doors, stop.clone()))
            }
        };
        tokio::select! {
            () = &mut server => {}
            () = stop.cancelled() => {
                if tokio::time::timeout(SHUTDOWN_LIMIT, server).await.is_err() {
                    tracing::warn!("some requests were not answered in time");
                }
            }
        }
        sockets.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, sockets.wait())
            .await
            .is_err()
        {
            tracing::warn!("some sockets did not close in time");
        }
        // What was asked of a platform is written down before the writer goes.
        let asked = async { tokio::join!(self.dialler.close(), self.controls.close()) };
        if tokio::time::timeout(SHUTDOWN_LIMIT, asked).await.is_err() {
            tracing::warn!("a request to a platform was not answered in time");
        }
        self.links.close().await;
        jobs.cancel();
        tasks.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("background work did not stop in time");
        }
        self.store.close().await;
        Ok(())
    }

    fn start_jobs(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (hub, token) = (self.hub.clone(), stop.clone());
        tasks.spawn(async move { hub.run(token).await });
        let (parts, token) = (self.clone(), stop.clone());
        tasks.spawn(async move { reaper::run(&*parts.store, &parts.intake, token).await });
        let (parts, token) = (self.clone(), stop.clone());
        tasks.spawn(async move { overdue::run(&*parts.store, &parts.intake, token).await });
        let (gate, token) = (self.gate.clone(), stop.clone());
        tasks.spawn(async move { gate.run(token).await });
        let (keeper, token) = (self.keeper.clone(), stop.clone());
        tasks.spawn(async move { keeper.run(token).await });
        let (parts, token) = (self.clone(), stop.clone());
        tasks.spawn(async move { parts.recheck_recordings(token).await });
        let (dialler, token) = (self.dialler.clone(), stop.clone());
        tasks.spawn(async move { dialler.run(token).await });
        let (parts, token) = (self.clone(), stop.clone());
        tasks.spawn(async move { parts.refresh_connections(token).await });
        let (parts, token) = (self.clone(), stop.clone());
        tasks.spawn(async move { parts.prune(token).await });
        let (parts, token) = (self.clone(), stop.clone());
        tasks.spawn(async move { parts.settle_deeds(token).await });
    }

    async fn recheck_recordings(&self, stop: CancellationToken) {
        let recheck = Recheck {
            store: &*self.store,
            connections: &self.connections,
            intake: &self.intake,
            sessions: &self.sessions,
            node: Uuid::from_u128(self.intake.entropy().random()),
        };
        recheck.run(stop).await;
    }

    async fn refresh_connections(&self, stop: CancellationToken) {
        while sleep(REFRESH_EVERY, &stop).await {
            match self.connections.refresh().await {
                Ok(()) => self.links.reconcile(),
                Err(error) => tracing::warn!(%error, "cannot read the connections"),
            }
        }
    }

    /// Deletes the answers to requests with a key that are past their time.
    async fn forget_requests(&self, now: Timestamp) {
        loop {
            match self.store.forget_requests(now, PRUNE_BATCH).await {
                Ok(gone) if gone >= u64::from(PRUNE_BATCH) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot delete answers that are past their time");
                    return;
                }
            }
        }
    }

    /// Puts on record what was cut short, here or on another node.
    async fn settle_deeds(&self, stop: CancellationToken) {
        loop {
            match self.audit.settle().await {
                Ok(0) => {}
                Ok(deeds) => tracing::warn!(deeds, "deeds that were cut short are on record now"),
                Err(error) => tracing::warn!(%error, "cannot look for deeds that were cut short"),
            }
            if !sleep(SETTLE_EVERY, &stop).await {
                return;
            }
        }
    }

    async fn prune(&self, stop: CancellationToken) {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        while sleep(PRUNE_EVERY, &stop).await {
            let now = self.clock.now();
            let notifications = now - days(self.config.notifications_days);
            let events = now - days(self.config.events_days);
            self.forget_requests(now).await;
            loop {
                match self.store.prune(notifications, events, PRUNE_BATCH).await {
                    Ok((0, 0)) => break,
                    Ok((notifications, events)) => {
                        tracing::info!(notifications, events, "deleted what is past its time");
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot delete what is past its time");
                        break;
                    }
                }
            }
        }
    }
}

/// People, with the identity provider where there is one.
fn people(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> People {
    let oidc = config.people.oidc.clone().map(|(provider, rules)| {
        let provider = switchhook_adapters::oidc::OidcProvider::new(provider);
        let provider: Arc<dyn IdentityProvider> = Arc::new(provider);
        (provider, rules)
    });
    let settings = PeopleSettings {
        passwords: config.people.passwords,
        oidc,
    };
    People::new(store.clone(), clock.clone(), entropy.clone(), settings)
}

/// What a server needs to ask platforms for something.
struct Asking {
    tokens: Tokens,
    sessions: Sessions,
    keeper: Keeper,
    doctor: Doctor,
}

/// The connections as they stand in the store, with what they fall back on and may refer to.
async fn connections(
    config: &Config,
    store: &Arc<dyn Store>,
    keys: &KeyRing,
) -> anyhow::Result<Arc<Connections>> {
    let own = config.own.clone();
    let references = config.secret_files.clone();
    let references = references.without(own.files, own.variables);
    let connections = Connections::new(store.clone(), platforms_of(config)?, keys.clone())
        .with_defaults(config.inherited.defaults.clone())
        .with_sources(Sources::new(config.openconnector.clone()))
        .with_references(references)
        .with_outbound(Guard::new(config.outbound.clone()));
    let refreshed = connections.refresh().await;
    refreshed.context("cannot read the connections")?;
    Ok(Arc::new(connections))
}

/// How platforms are signed in at and asked.
fn signing_in(
    keys: &KeyRing,
    intake: &Intake,
    connections: &Arc<Connections>,
    store: &Arc<dyn Store>,
) -> (Tokens, Sessions) {
    let tokens = Tokens::new(
        store.clone(),
        keys.clone(),
        intake.clock().clone(),
        intake.entropy().clone(),
        Arc::new(HttpTokens(connections.outbound().clone())),
    );
    let sessions = Sessions::new(intake.clock().clone()).with_tokens(tokens.clone());
    (tokens, sessions)
}

impl Asking {
    fn new(
        config: &Config,
        (tokens, sessions): (Tokens, Sessions),
        intake: &Intake,
        links: &Links,
        connections: &Arc<Connections>,
        store: &Arc<dyn Store>,
    ) -> Self {
        let (clock, public_url) = (intake.clock(), config.public_url.as_deref());
        let keeper = Keeper::new(
            store.clone(),
            connections.clone(),
            sessions.clone(),
            tokens.clone(),
            intake.clone(),
            public_url,
        );
        let doctor = Doctor::new(
            store.clone(),
            sessions.clone(),
            tokens.clone(),
            links.clone(),
            clock.clone(),
            public_url,
        );
        Self {
            tokens,
            sessions,
            keeper,
            doctor,
        }
    }
}

/// Without it small frames wait for one another; failing to set it is no fault.
fn quick(stream: &mut TcpStream) {
    drop(stream.set_nodelay(true));
}

/// Sleeps; false when it is time to stop.
async fn sleep(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = stop.cancelled() => false,
    }
}

/// The current master key and the previous ones: as configured, or from the file beside an SQLite
/// database, made on first use. Its first line is the current key, further ones are previous.
fn master_keys(
    config: &Config,
    entropy: &dyn Entropy,
) -> anyhow::Result<(MasterKey, Vec<MasterKey>)> {
    let mut previous = config.previous_master_keys.clone();
    if let Some(key) = &config.master_key {
        return Ok((key.clone(), previous));
    }
    let Some(file) = key_file(config.database_url.expose()) else {
        bail!("security.master_key must be set for this database");
    };
    if !file.exists() {
        let (key, text) = MasterKey::generate(entropy);
        write_private(&file, &text)
            .with_context(|| format!("cannot write the master key {}", file.display()))?;
        return Ok((key, previous));
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read the master key {}", file.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys = lines.map(MasterKey::parse).collect::<Result<Vec<_>, _>>();
    let mut keys = keys
        .with_context(|| format!("in {}", file.display()))?
        .into_iter();
    let current = keys.next();
    let current = current.with_context(|| format!("{} holds no key", file.display()))?;
    previous.splice(0..0, keys);
    Ok((current, previous))
}

/// `PATH.key` for `sqlite://PATH`; in-memory databases have none.
#[must_use]
pub fn key_file(url: &str) -> Option<PathBuf> {
    let path = sqlite_path(url)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".key");
    Some(PathBuf::from(name))
}

/// The file of an SQLite URL.
#[must_use]
pub fn sqlite_path(url: &str) -> Option<&Path> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or(path);
    (!path.is_empty() && path != ":memory:").then(|| Path::new(path))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_lies_beside_the_database() {
        assert_eq!(
            key_file("sqlite:///a/b.db"),
            Some(PathBuf::from("/a/b.db.key"))
        );
        assert_eq!(
            key_file("sqlite://b.db?x=1"),
            Some(PathBuf::from("b.db.key"))
        );
        assert_eq!(key_file("sqlite::memory:"), None);
        assert_eq!(key_file("postgres://x"), None);
    }

    #[tokio::test]
    async fn the_predecessors_credentials_are_for_connections_without_their_own() {
        use serde_json::{Map, json};
        use switchhook_engine::admin::NewConnection;

        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("x.db").display());
        let environment = crate::config::Environment::from_pairs([
            ("DIALPAD_API_KEY", "the operator's key"),
            ("NODE_ENV", "production"),
            ("DIALPAD_SCOPES", "calls:list"),
            ("DATABASE_URL", url.as_str()),
        ]);
        let config = Config::load(&crate::config::Overrides::default(), &environment).unwrap();
        let parts = Parts::build(config).await.unwrap();
        let (app, _) = parts.admin.create_app("App", None).await.unwrap();
        let make = async |platform: &str, settings: serde_json::Value| {
            let config: Map<_, _> = settings.as_object().unwrap().clone();
            let new = NewConnection {
                platform: platform.to_owned(),
                config,
                ..NewConnection::default()
            };
            let made = parts.admin.create_connection(app.id, new).await.unwrap();
            let context = parts.connections.get(made.row.id).unwrap().context;
            let key = context.credentials.get("api_key");
            let key = key.map(|key| key.expose().to_owned());
            let text = |name: &str| context.text(name).map(str::to_owned);
            (key, text("base_url"), text("scopes"))
        };
        let some = |text: &str| Some(text.to_owned());
        let (key, base, scopes) = make("dialpad", json!({})).await;
        assert_eq!(key, some("the operator's key"));
        assert_eq!(base, some("https://dialpad.com"));
        assert_eq!(scopes, some("calls:list"));
        // What it sets itself stays, and one with credentials of its own gets nothing.
        let (_, base, _) = make("dialpad", json!({"base_url": "https://own.example"})).await;
        assert_eq!(base, some("https://own.example"));
        let (key, _, scopes) = make("dialpad", json!({"api_key": "own"})).await;
        assert_eq!(key, some("own"));
        assert_ne!(scopes, some("calls:list"));
        let (key, ..) = make("generic", json!({})).await;
        assert_eq!(key, None, "another platform's connection gets none of it");
        parts.store.close().await;
    }

    #[test]
    fn a_master_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("x.db").display());
        let config = Config {
            database_url: switchhook_engine::adapter::Secret::new(url),
            ..Config::default()
        };
        let (first, _) = master_keys(&config, &SystemEntropy).unwrap();
        let (second, _) = master_keys(&config, &SystemEntropy).unwrap();
        assert_eq!(first.id(), second.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join("x.db.key"))
                .unwrap()
                .permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
        }
    }
}
