//! Presence of agents, as the platforms reported it last. Only reading.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::ConnectionId;
use switchhook_domain::media::Presence;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::StoredPresence;
use utoipa::ToSchema;

use crate::answer;
use crate::auth::Caller;
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::Page;
use crate::state::Shared;

/// Whether an agent can take a call, who says so, and since when.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentPresence)]
pub(crate) struct PresenceRecord {
    /// Extension, when the platform names one.
    extension: Option<String>,
    /// The platform's user id, when it names one.
    user_id: Option<String>,
    /// The agent's e-mail, when the platform names one.
    email: Option<String>,
    /// The state.
    presence: Presence,
    /// The platform that reported it.
    platform: String,
    /// The connection it came through.
    connection_id: ConnectionId,
    /// Since when, by the platform's clock.
    #[schema(value_type = String, format = DateTime)]
    since: String,
}

impl From<StoredPresence> for PresenceRecord {
    fn from(stored: StoredPresence) -> Self {
        Self {
            extension: stored.report.extension,
            user_id: stored.report.user_id,
            email: stored.report.email,
            presence: stored.report.presence,
            platform: stored.platform,
            connection_id: stored.connection_id,
            since: answer::time(stored.at),
        }
    }
}

errors!(ListErrors: CALLER []);

/// List presence
///
/// One entry for each agent and connection that reports presence, by the agent's name there.
#[utoipa::path(
    get, path = "/api/presence", tag = "Presence", operation_id = "list_presence",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000."),
    ),
    responses(
        (status = 200, description = "A page of agents.", body = Page<PresenceRecord>),
        ListErrors,
    ),
    security(("key" = ["agents:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsRead)?;
    let params = Params::read(&uri, &["limit", "offset"])?;
    let paging = Paging::read(&params)?;
    let found = shared
        .store
        .presence(caller.app(), paging.limit, paging.offset);
    let (found, total) = found.await?;
    let records: Vec<_> = found.into_iter().map(PresenceRecord::from).collect();
    answer::list(&records, &paging.describe(records.len(), total))
}
