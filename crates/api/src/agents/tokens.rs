//! Short-lived tokens for embedded panels: a backend mints one with its key, the panel in the
//! agent's browser uses it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use switchhook_domain::agent::{Agent, IdentityKind, Names, Place, Roster};
use switchhook_domain::id::{AgentId, AgentTokenId, ConnectionId};
use switchhook_engine::agents::MAX_MINUTES;
use switchhook_engine::rights::{Role, Scope};
use utoipa::ToSchema;

use super::AgentSummary;
use crate::answer;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id, uuid};
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::{Inner, Shared};

/// How long a token lives when nothing is said, in minutes.
const DEFAULT_MINUTES: u64 = 60;

/// Whose token, and for how long. Exactly one of the first four says whose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AgentTokenRequest)]
pub(crate) struct TokenRequest {
    /// The agent by our id.
    #[serde(default)]
    agent_id: Option<String>,
    /// The agent by e-mail address.
    #[serde(default)]
    email: Option<String>,
    /// The agent by their id in the business software.
    #[serde(default)]
    #[schema(example = "user_abc123")]
    crm_user_id: Option<String>,
    /// The agent by extension.
    #[serde(default)]
    extension: Option<String>,
    /// The connection of the extension; needed when several have it.
    #[serde(default)]
    connection_id: Option<String>,
    /// How long it works, 1 to 720; 60 when left out.
    #[serde(default)]
    #[schema(example = 60, minimum = 1, maximum = 720)]
    minutes: Option<u64>,
}

/// A new token, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenCreated {
    /// Its id, for ending it.
    id: AgentTokenId,
    /// The token. It is not stored and cannot be shown again.
    #[schema(example = "sht_…")]
    token: String,
    /// As whom.
    agent: AgentSummary,
    /// What it may do: what both an agent and the key that minted it may.
    #[schema(value_type = Vec<String>, example = json!(["calls:read", "events:read"]))]
    scopes: Vec<&'static str>,
    /// Until when it works.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

errors!(CreateErrors: CALLER CHANGE [AgentNotFound]);
errors!(DeleteErrors: CALLER [InvalidId, CrossSiteRequest, AgentTokenNotFound]);

/// Mint a token for an agent's panel
///
/// It works like a key in `x-app-api-key`, as `Authorization: Bearer`, and on `/ws`, for what both
/// an agent and the key that minted it may do, and only as that agent: calls are placed from their
/// own extension, and only calls they are on are steered. It ends with its time, with the key that
/// minted it (revoked or expired) or the person (shut out), with its app, and when the agent is
/// switched off or deleted; its sockets are closed within a second.
#[utoipa::path(
    post, path = "/api/agent-tokens", tag = "Agents", operation_id = "create_agent_token",
    request_body(content = TokenRequest,
        example = json!({"crm_user_id": "user_abc123", "minutes": 60})),
    responses((status = 201, description = "The token.", body = One<TokenCreated>), CreateErrors),
    security(("key" = ["agents:token"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsToken)?;
    Params::none(&uri)?;
    let Object(asked): Object<TokenRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let minutes = asked.minutes.unwrap_or(DEFAULT_MINUTES);
    let life = i64::try_from(minutes)
        .ok()
        .filter(|_| (1..=MAX_MINUTES).contains(&minutes));
    let Some(life) = life.map(SignedDuration::from_mins) else {
        let problem = format!("must be a whole number from 1 to {MAX_MINUTES}");
        return Err(Problem::field("minutes", &problem));
    };
    let agents = shared.intake.agents();
    let roster = agents.latest(caller.app()).await?;
    let agent = whose(&shared, &caller, &roster, &asked)?;
    let by = (caller.access.key_id, caller.access.user_id);
    let token = agents.mint(caller.app(), agent.id, by, life).await?;
    let created = TokenCreated {
        id: token.row.id,
        token: token.text,
        agent: agent.into(),
        scopes: caller.access.scopes.and(Role::Agent.scopes()).names(),
        expires_at: answer::time(token.row.expires_at),
    };
    answer::one(StatusCode::CREATED, &created)
}

fn whose<'a>(
    shared: &Inner,
    caller: &Caller,
    roster: &'a Roster,
    asked: &TokenRequest,
) -> Result<&'a Agent, Problem> {
    let TokenRequest {
        agent_id,
        email,
        crm_user_id,
        extension,
        connection_id,
        ..
    } = asked;
    let given = [agent_id, email, crm_user_id, extension];
    if given.iter().filter(|one| one.is_some()).count() != 1 {
        let problem = "or exactly one of `email`, `crm_user_id` and `extension` must say whose";
        return Err(Problem::field("agent_id", problem));
    }
    if connection_id.is_some() && extension.is_none() {
        let problem = "belongs to an extension; leave it out";
        return Err(Problem::field("connection_id", problem));
    }
    let found = if let Some(id) = agent_id {
        let id = uuid(id).ok_or_else(|| Problem::field("agent_id", "must be a UUID"))?;
        roster.get(AgentId(id))
    } else if let Some(email) = email {
        roster.by_email(email)
    } else if let Some(id) = crm_user_id {
        roster.by_crm_user_id(id)
    } else {
        let extension = extension.as_deref().unwrap_or_default();
        by_extension(shared, caller, roster, extension, connection_id.as_deref())?
    };
    found.filter(|agent| agent.active).ok_or_else(|| {
        let detail = "Agent not found, or not active. Take them from the list of agents.";
        Problem::new(Code::AgentNotFound, detail)
    })
}

fn by_extension<'a>(
    shared: &Inner,
    caller: &Caller,
    roster: &'a Roster,
    extension: &str,
    connection: Option<&str>,
) -> Result<Option<&'a Agent>, Problem> {
    let Some(id) = connection else {
        let mut named = roster.named(IdentityKind::Extension, extension);
        let first = named.next().map(|(agent, _)| agent);
        if named.any(|(agent, _)| Some(agent.id) != first.map(|first| first.id)) {
            let problem = "is required: several agents have this extension";
            return Err(Problem::field("connection_id", problem));
        }
        return Ok(first);
    };
    let id = uuid(id).ok_or_else(|| Problem::field("connection_id", "must be a UUID"))?;
    let found = shared.connections.get(ConnectionId(id));
    let Some(connection) = found.filter(|found| found.app.id == caller.app()) else {
        let problem = "is not a connection of this app";
        return Err(Problem::field("connection_id", problem));
    };
    let place = Place {
        platform: &connection.row.platform,
        connection: connection.row.id,
    };
    let names = Names {
        extension: Some(extension),
        ..Names::default()
    };
    Ok(roster.find(place, names).map(|found| found.agent))
}

/// End a token
///
/// At once; its sockets are closed within a second.
#[utoipa::path(
    delete, path = "/api/agent-tokens/{id}", tag = "Agents", operation_id = "delete_agent_token",
    params(("id" = String, Path, description = "The id of the token, from when it was minted.")),
    responses((status = 204, description = "It is over."), DeleteErrors),
    security(("key" = ["agents:token"]), ("session" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::AgentsToken)?;
    Params::none(&uri)?;
    let id = AgentTokenId(path_id(&id, "token")?);
    if !shared.intake.agents().end_token(caller.app(), id).await? {
        let detail = "Token not found. Take the id from the answer that showed the token.";
        return Err(Problem::new(Code::AgentTokenNotFound, detail));
    }
    shared.watch.look();
    Ok(StatusCode::NO_CONTENT)
}
