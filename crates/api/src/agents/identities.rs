//! Single names of agents at platforms, mapped by hand.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use switchhook_domain::id::{AgentId, IdentityId};
use switchhook_engine::rights::Scope;

use super::change::IdentityRequest;
use super::{AgentRecord, IdentityRecord, record};
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::Problem;
use crate::schemas::One;
use crate::state::Shared;

errors!(CreateErrors: CALLER CHANGE [InvalidId, AgentNotFound, AlreadyExists]);
errors!(DeleteErrors: CALLER [InvalidId, CrossSiteRequest, AgentNotFound, IdentityNotFound]);

/// Map an extension or platform user to an agent
///
/// By hand. A name that an e-mail address had mapped to somebody else is taken from them; one
/// that was mapped to somebody else by hand is refused.
#[utoipa::path(
    post, path = "/api/agents/{id}/identities", tag = "Agents",
    operation_id = "create_agent_identity",
    params(("id" = String, Path, description = "Our id of the agent.")),
    request_body(content = IdentityRequest, example = json!({
        "kind": "user", "platform": "dialpad", "value": "6004200420042004"
    })),
    responses((status = 201, description = "The agent.", body = One<AgentRecord>), CreateErrors),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    Params::none(&uri)?;
    let id = AgentId(path_id(&id, "agent")?);
    let Object(new): Object<IdentityRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let new = new.checked(&shared, caller.app(), "")?;
    let agents = shared.intake.agents();
    if let Some(before) = agents.latest(caller.app()).await?.get(id).cloned() {
        trace.before(&record(caller.app(), before));
    }
    let (agent, _) = agents
        .change(caller.app(), |edit| edit.identify(id, &new))
        .await?;
    answer::one(StatusCode::CREATED, &record(caller.app(), agent))
}

/// Take an extension or platform user away from an agent
///
/// A platform user with the agent's own e-mail address is mapped to them again when next heard
/// of; map it to somebody else to prevent that.
#[utoipa::path(
    delete, path = "/api/agents/{id}/identities/{identity_id}", tag = "Agents",
    operation_id = "delete_agent_identity",
    params(
        ("id" = String, Path, description = "Our id of the agent."),
        ("identity_id" = String, Path, description = "Our id of the identity."),
    ),
    responses((status = 204, description = "It is gone."), DeleteErrors),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path((id, identity_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    Params::none(&uri)?;
    let id = AgentId(path_id(&id, "agent")?);
    let identity_id = IdentityId(path_id(&identity_id, "identity")?);
    let agents = shared.intake.agents();
    let gone = agents
        .change(caller.app(), |edit| edit.drop_identity(id, identity_id))
        .await?;
    trace.before(&IdentityRecord::from(gone));
    Ok(StatusCode::NO_CONTENT)
}
