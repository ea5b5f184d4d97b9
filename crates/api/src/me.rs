//! Who is asking, and how their app stands.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::store::{CallQuery, LogPosition};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::agents::{AgentSummary, own_agent};
use crate::answer;
use crate::auth::{By, Caller};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::One;
use crate::sign_in::Account;
use crate::state::Shared;

/// An app, as those who belong to it see it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnApp {
    /// Its id.
    id: AppId,
    /// Its name.
    #[schema(example = "Klantcontact")]
    name: String,
    /// ISO 3166-1 alpha-2: how national numbers are read and shown.
    #[schema(example = "NL")]
    country: String,
}

/// An app by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppName {
    /// Its id.
    pub(crate) id: AppId,
    /// Its name.
    #[schema(example = "Klantcontact")]
    pub(crate) name: String,
}

/// Who is asking.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The app they may see.
    app: OwnApp,
    /// `admin`, `supervisor`, `agent` or `read_only`.
    #[schema(example = "admin")]
    role: &'static str,
    /// `key`, `session` or `token`.
    #[schema(example = "key")]
    by: &'static str,
    /// The id of the key, when it was one, or of the key that minted the token.
    key_id: Option<KeyId>,
    /// The agent they are, where one is known.
    agent: Option<AgentSummary>,
    /// The person, when they have an account.
    user: Option<Account>,
    /// What they may do; `all` for everything.
    #[schema(example = json!(["calls:read", "events:read"]))]
    scopes: Vec<&'static str>,
}

/// How the app stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppStatus {
    /// The app.
    app: OwnApp,
    /// How many connections it has, and how many of the live ones are up and down.
    connections: ConnectionCounts,
    /// How many calls are not over; counted up to 10,000.
    active_calls: u64,
    /// Where its log stands.
    log: LogStatus,
}

/// Connections of an app, counted.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct ConnectionCounts {
    /// All.
    total: usize,
    /// Live ones that are up.
    up: usize,
    /// Live ones that are down.
    down: usize,
}

/// Where a log stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogStatus {
    /// Its epoch.
    epoch: Uuid,
    /// The highest `seq`.
    head: u64,
    /// The lowest `seq` still kept.
    oldest: u64,
}

impl From<LogPosition> for LogStatus {
    fn from(position: LogPosition) -> Self {
        Self {
            epoch: position.epoch,
            head: position.head,
            oldest: position.oldest,
        }
    }
}

fn own(caller: &Caller) -> OwnApp {
    let app = &caller.access.app;
    OwnApp {
        id: app.id,
        name: app.name.clone(),
        country: app.country.clone(),
    }
}

errors!(MeErrors: CALLER []);

/// Who am I
#[utoipa::path(
    get, path = "/api/me", tag = "Session", operation_id = "get_me",
    responses((status = 200, description = "Who is asking.", body = One<Me>), MeErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn me(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let agent = own_agent(&shared, &caller).await?;
    let person = match caller.access.user_id {
        Some(id) => shared.store.person(caller.app(), id).await?,
        None => None,
    };
    let me = Me {
        app: own(&caller),
        role: caller.access.role.as_str(),
        by: match caller.by {
            By::Key => "key",
            By::Session(_) => "session",
            By::Token(_) => "token",
        },
        key_id: caller.access.key_id,
        agent: agent.as_ref().map(AgentSummary::from),
        user: person.map(Account::from),
        scopes: caller.access.scopes.names(),
    };
    answer::one(StatusCode::OK, &me)
}

/// How the app stands
#[utoipa::path(
    get, path = "/status", tag = "Session", operation_id = "get_status",
    responses((status = 200, description = "A summary.", body = One<AppStatus>), MeErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn status(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = caller.app();
    let open = CallQuery {
        open_only: true,
        limit: 1,
        ..CallQuery::default()
    };
    let page = shared.store.calls(app, &open).await?;
    let log = shared.store.log_position(app).await?.into();
    let states = shared.links.states();
    let own_connections = shared
        .connections
        .all()
        .into_iter()
        .filter(|c| c.app.id == app);
    let connections = own_connections.fold(ConnectionCounts::default(), |mut counts, c| {
        counts.total += 1;
        match states.get(&c.row.id).map(|state| state.up) {
            Some(true) => counts.up += 1,
            Some(false) => counts.down += 1,
            None => {}
        }
        counts
    });
    let status = AppStatus {
        app: own(&caller),
        connections,
        active_calls: page.total,
        log,
    };
    answer::one(StatusCode::OK, &status)
}
