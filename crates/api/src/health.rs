//! Whether the server lives, and whether it can work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::ConnectionId;
use utoipa::ToSchema;

use crate::answer;
use crate::openapi::errors;
use crate::problem::{Code, Problem};
use crate::state::{Inner, Shared};

/// How long the database may take to answer.
const PING: Duration = Duration::from_secs(1);

/// The server lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `healthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    timestamp: String,
    /// For how long it has been running, in seconds.
    #[schema(example = 12.5)]
    uptime: f64,
    /// What kind of installation it is.
    #[schema(example = "production")]
    environment: String,
    /// The port it listens on.
    #[schema(example = 4000)]
    port: u16,
    /// Its version.
    version: String,
}

/// The server can work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// True when a live connection is down.
    degraded: bool,
    /// The database answered.
    #[schema(example = "ok")]
    database: &'static str,
    /// Every live connection of this process.
    connections: Vec<LinkView>,
}

/// A live connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkView {
    /// Its id.
    id: ConnectionId,
    /// Its platform.
    #[schema(example = "asterisk")]
    platform: &'static str,
    /// The name it was given.
    name: String,
    /// `up`, `down`, or `starting` as long as nothing is known.
    #[schema(example = "up")]
    state: &'static str,
    /// Why it is down.
    reason: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
}

errors!(HealthErrors: []);
errors!(ReadyErrors: [StoreUnavailable, ShuttingDown]);

/// Is the server alive
///
/// Asks nothing of the database: for restarting a process that hangs, not for routing.
#[utoipa::path(
    get, path = "/health", tag = "Server", operation_id = "get_health",
    responses((status = 200, description = "It lives.", body = Health), HealthErrors),
    security(()),
)]
pub(crate) async fn health(State(shared): State<Shared>) -> Result<Response, Problem> {
    let now = shared.clock.now();
    let config = &shared.config;
    let health = Health {
        status: "healthy",
        timestamp: answer::time(now),
        uptime: now.duration_since(config.started_at).as_secs_f64().max(0.0),
        environment: config.environment.clone(),
        port: config.port,
        version: config.version.clone(),
    };
    answer::plain(StatusCode::OK, &health)
}

/// Can the server work
///
/// For load balancers. Live connections that are down are told, but do not make it 503: the
/// server still serves everything else.
#[utoipa::path(
    get, path = "/ready", tag = "Server", operation_id = "get_ready",
    responses((status = 200, description = "It can work.", body = Ready), ReadyErrors),
    security(()),
)]
pub(crate) async fn ready(State(shared): State<Shared>) -> Result<Response, Problem> {
    if shared.stop.is_cancelled() {
        let detail = "The server is shutting down. Try again in a moment.";
        return Err(Problem::new(Code::ShuttingDown, detail).with("ready", false));
    }
    let ping = tokio::time::timeout(PING, shared.store.ping()).await;
    if !matches!(ping, Ok(Ok(()))) {
        let detail = "The database does not answer. Try again in a moment.";
        let problem = Problem::new(Code::StoreUnavailable, detail);
        return Err(problem.with("ready", false).with("database", "away"));
    }
    let connections = links(&shared);
    let degraded = connections.iter().any(|link| link.state == "down");
    answer::plain(
        StatusCode::OK,
        &Ready {
            status: "ready",
            degraded,
            database: "ok",
            connections,
        },
    )
}

fn links(shared: &Inner) -> Vec<LinkView> {
    let states = shared.links.states();
    let mut all = shared.connections.all();
    all.retain(|c| c.app.active && (c.fault.is_some() || c.is_linked()));
    all.sort_by_key(|c| c.row.id);
    let views = all.into_iter().map(|c| {
        let status = states.get(&c.row.id);
        let state = match (&c.fault, status.map(|status| status.up)) {
            (Some(_), _) | (None, Some(false)) => "down",
            (None, Some(true)) => "up",
            (None, None) => "starting",
        };
        LinkView {
            id: c.row.id,
            platform: c.adapter.spec().platform,
            name: c.row.name.clone(),
            state,
            reason: c
                .fault
                .clone()
                .or_else(|| status.and_then(|status| status.reason.clone())),
            since: status.map(|status| answer::time(status.since)),
        }
    });
    views.collect()
}
