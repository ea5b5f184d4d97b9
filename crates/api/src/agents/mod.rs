//! Agents: the people who take calls. Reading and changing them; what is said of many at once,
//! of single names, of tokens and by the predecessor's routes is in the modules beneath. The
//! rules themselves are the engine's ([`switchhook_engine::agents`]).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::agent::{Agent, Identity, IdentityKind, MappedBy, fold_email};
use switchhook_domain::id::{AgentId, AppId, ConnectionId, IdentityId, UserId};
use switchhook_engine::agents::AgentFault;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::Role;
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::{By, Caller};
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::refusals::not_own;
use crate::schemas::{One, Page};
use crate::state::{Inner, Shared};

pub(crate) mod batch;
mod change;
pub(crate) mod identities;
pub(crate) mod mappings;
pub(crate) mod matching;
pub(crate) mod tokens;

use change::AgentChange;

/// An agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
pub(crate) struct AgentRecord {
    /// Our id.
    id: AgentId,
    /// Whose.
    app_id: AppId,
    /// Name.
    #[schema(example = "Anna de Boer")]
    name: String,
    /// E-mail address; unique in the app.
    #[schema(example = "anna@example.nl")]
    email: Option<String>,
    /// Their id in the app's business software; unique in the app.
    #[schema(example = "user_abc123")]
    crm_user_id: Option<String>,
    /// Their account, when they sign in to our page.
    user_id: Option<UserId>,
    /// False for somebody who takes no calls any more.
    active: bool,
    /// How platforms name them.
    identities: Vec<IdentityRecord>,
    /// When they were made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When they last changed, identities included.
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// One name a platform has for an agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct IdentityRecord {
    /// Our id of it.
    id: IdentityId,
    /// The platform that uses it; null for all.
    #[schema(example = "dialpad")]
    platform: Option<String>,
    /// The connection it is good for; null for all of the platform.
    connection_id: Option<ConnectionId>,
    /// What kind of name.
    kind: IdentityKind,
    /// The name.
    #[schema(example = "6004200420042004")]
    value: String,
    /// Who said so: a person or program, or the e-mail address the platform named beside it.
    by: MappedBy,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// An agent in few words.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentSummary {
    /// Our id.
    id: AgentId,
    /// Name.
    name: String,
    /// E-mail address.
    email: Option<String>,
    /// Their id in the app's business software.
    crm_user_id: Option<String>,
}

impl From<&Agent> for AgentSummary {
    fn from(agent: &Agent) -> Self {
        Self {
            id: agent.id,
            name: agent.name.clone(),
            email: agent.email.clone(),
            crm_user_id: agent.crm_user_id.clone(),
        }
    }
}

impl From<Identity> for IdentityRecord {
    fn from(identity: Identity) -> Self {
        Self {
            id: identity.id,
            platform: identity.platform,
            connection_id: identity.connection_id,
            kind: identity.kind,
            value: identity.value,
            by: identity.by,
            created_at: answer::time(identity.created_at),
            updated_at: answer::time(identity.updated_at),
        }
    }
}

/// An agent as the API shows it.
pub(crate) fn record(app_id: AppId, agent: Agent) -> AgentRecord {
    AgentRecord {
        id: agent.id,
        app_id,
        name: agent.name,
        email: agent.email,
        crm_user_id: agent.crm_user_id,
        user_id: agent.user_id,
        active: agent.active,
        identities: agent.identities.into_iter().map(Into::into).collect(),
        created_at: answer::time(agent.created_at),
        updated_at: answer::time(agent.updated_at),
    }
}

impl From<AgentFault> for Problem {
    fn from(fault: AgentFault) -> Self {
        match fault {
            AgentFault::UnknownAgent => {
                let detail = "Agent not found. Take the id from the list.";
                Self::new(Code::AgentNotFound, detail)
            }
            AgentFault::UnknownIdentity => {
                let detail = "Identity not found. Take its id from the agent.";
                Self::new(Code::IdentityNotFound, detail)
            }
            AgentFault::Field { field, problem } => Self::field(&field, &problem),
            AgentFault::Taken { field, by } => {
                let detail = format!("`{field}` belongs to another agent of this app already.");
                Self::new(Code::AlreadyExists, detail)
                    .at(field)
                    .with("agent_id", by.to_string())
            }
            AgentFault::TooMany(why) => Self::new(Code::InvalidField, why),
            AgentFault::Several(faults) => batch::several(faults),
            AgentFault::Busy => {
                let detail = "Others are changing the agents of this app. Try again in a moment.";
                Self::new(Code::StoreUnavailable, detail)
            }
            AgentFault::Store(error) => error.into(),
        }
    }
}

/// The agent somebody is: of a token, or of the person who is signed in.
pub(crate) async fn own_agent(shared: &Inner, caller: &Caller) -> Result<Option<Agent>, Problem> {
    let agents = shared.intake.agents();
    if let Some(id) = caller.access.agent_id {
        let roster = agents.latest(caller.app()).await?;
        return Ok(roster.get(id).cloned());
    }
    let Some(user) = caller.access.user_id else {
        return Ok(None);
    };
    let person = shared.store.person(caller.app(), user).await?;
    let email = person.as_ref().map(|person| person.email.as_str());
    Ok(agents.of_person(caller.app(), user, email).await?)
}

/// The agent on whose own behalf somebody dials and steers; `None` for those who may do so for
/// anybody. Somebody with the role agent who is no agent has nothing of their own.
pub(crate) async fn acting_as(shared: &Inner, caller: &Caller) -> Result<Option<AgentId>, Problem> {
    match caller.by {
        By::Key => return Ok(None),
        By::Session(_) if caller.access.role != Role::Agent => return Ok(None),
        By::Session(_) | By::Token(_) => {}
    }
    let agent = own_agent(shared, caller).await?;
    agent.map(|agent| Some(agent.id)).ok_or_else(not_own)
}

errors!(ListErrors: CALLER []);
errors!(CreateErrors: CALLER CHANGE [AlreadyExists]);
errors!(GetErrors: CALLER [InvalidId, AgentNotFound]);
errors!(UpdateErrors: CALLER CHANGE [InvalidId, AgentNotFound, AlreadyExists]);
errors!(DeleteErrors: CALLER [InvalidId, CrossSiteRequest, AgentNotFound]);

/// List agents
///
/// By name. All conditions must hold.
#[utoipa::path(
    get, path = "/api/agents", tag = "Agents", operation_id = "list_agents",
    params(
        ("text" = Option<String>, Query, description = "Part of the name, e-mail address or \
            `crm_user_id`, any case."),
        ("email" = Option<String>, Query, description = "This e-mail address, any case."),
        ("crm_user_id" = Option<String>, Query, description = "This id in the business software."),
        ("platform_user_id" = Option<String>, Query, description = "With this user id at any \
            platform."),
        ("extension" = Option<String>, Query, description = "With this extension at any PBX."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "How many to pass over."),
    ),
    responses((status = 200, description = "A page.", body = Page<AgentRecord>), ListErrors),
    security(("key" = ["agents:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsRead)?;
    let names = [
        "text",
        "email",
        "crm_user_id",
        "platform_user_id",
        "extension",
        "limit",
        "offset",
    ];
    let params = Params::read(&uri, &names)?;
    let paging = Paging::read(&params)?;
    let filter = Filter {
        text: params.one("text")?.map(str::to_lowercase),
        email: params.one("email")?,
        crm_user_id: params.one("crm_user_id")?,
        user: params.one("platform_user_id")?,
        extension: params.one("extension")?,
    };
    let roster = shared.intake.agents().latest(caller.app()).await?;
    let fitting = roster.agents().iter().filter(|agent| filter.fits(agent));
    let total = fitting.clone().count() as u64;
    let page: Vec<_> = fitting
        .skip(paging.offset as usize)
        .take(paging.limit as usize)
        .map(|agent| record(caller.app(), agent.clone()))
        .collect();
    answer::list(&page, &paging.describe(page.len(), total))
}

struct Filter<'a> {
    text: Option<String>,
    email: Option<&'a str>,
    crm_user_id: Option<&'a str>,
    user: Option<&'a str>,
    extension: Option<&'a str>,
}

impl Filter<'_> {
    fn fits(&self, agent: &Agent) -> bool {
        let text = |needle: &String| {
            let texts = [
                Some(&agent.name),
                agent.email.as_ref(),
                agent.crm_user_id.as_ref(),
            ];
            let mut texts = texts.into_iter().flatten();
            texts.any(|text| text.to_lowercase().contains(needle))
        };
        let email = |email: &str| {
            let own = agent.email.as_deref().map(fold_email);
            own == Some(fold_email(email))
        };
        let named = |kind, value: &str| {
            let mut own = agent.identities.iter();
            own.any(|own| own.kind == kind && own.value == value)
        };
        self.text.as_ref().is_none_or(text)
            && self.email.is_none_or(email)
            && self
                .crm_user_id
                .is_none_or(|id| agent.crm_user_id.as_deref() == Some(id))
            && self.user.is_none_or(|id| named(IdentityKind::User, id))
            && self
                .extension
                .is_none_or(|ext| named(IdentityKind::Extension, ext))
    }
}

/// Create an agent
#[utoipa::path(
    post, path = "/api/agents", tag = "Agents", operation_id = "create_agent",
    request_body(content = AgentChange, example = json!({
        "name": "Anna de Boer", "email": "anna@example.nl", "crm_user_id": "user_abc123",
        "identities": [{"kind": "extension", "value": "100"}]
    })),
    responses(
        (status = 201, description = "The agent.", body = One<AgentRecord>,
            headers(("location" = String, description = "Where it is."))),
        CreateErrors,
    ),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    Params::none(&uri)?;
    let Object(new): Object<AgentChange> =
        body::json(&headers, body, shared.config.max_json).await?;
    let draft = new.draft(&shared, caller.app(), "")?;
    let agents = shared.intake.agents();
    let agent = agents
        .change(caller.app(), |edit| edit.create(&draft))
        .await?;
    let location = format!("/api/agents/{}", agent.id);
    let mut response = answer::one(StatusCode::CREATED, &record(caller.app(), agent))?;
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// Get one agent
#[utoipa::path(
    get, path = "/api/agents/{id}", tag = "Agents", operation_id = "get_agent",
    params(("id" = String, Path, description = "Our id of the agent.")),
    responses((status = 200, description = "The agent.", body = One<AgentRecord>), GetErrors),
    security(("key" = ["agents:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsRead)?;
    Params::none(&uri)?;
    let id = AgentId(path_id(&id, "agent")?);
    let agent = find(&shared, caller.app(), id).await?;
    answer::one(StatusCode::OK, &record(caller.app(), agent))
}

/// Change an agent
///
/// What is left out stays; `null` empties it. `identities` are added to those there are. Calls
/// that are over keep the agent they were taken by; what is heard from now on carries the change.
#[utoipa::path(
    patch, path = "/api/agents/{id}", tag = "Agents", operation_id = "update_agent",
    params(("id" = String, Path, description = "Our id of the agent.")),
    request_body(content = AgentChange, example = json!({"active": false})),
    responses((status = 200, description = "The agent.", body = One<AgentRecord>), UpdateErrors),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn update(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let id = AgentId(path_id(&id, "agent")?);
    let Object(new): Object<AgentChange> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    let draft = new.draft(&shared, caller.app(), "")?;
    let before = find(&shared, caller.app(), id).await?;
    Trace::of(&parts).before(&record(caller.app(), before));
    let agents = shared.intake.agents();
    let agent = agents
        .change(caller.app(), |edit| edit.update(id, &draft))
        .await?;
    shared.watch.look();
    answer::one(StatusCode::OK, &record(caller.app(), agent))
}

/// Delete an agent
///
/// Their tokens end, and sockets opened with them are closed within a second. Calls keep their
/// name.
#[utoipa::path(
    delete, path = "/api/agents/{id}", tag = "Agents", operation_id = "delete_agent",
    params(("id" = String, Path, description = "Our id of the agent.")),
    responses((status = 204, description = "It is gone."), DeleteErrors),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    Params::none(&uri)?;
    let id = AgentId(path_id(&id, "agent")?);
    let agents = shared.intake.agents();
    let gone = agents.change(caller.app(), |edit| edit.delete(id)).await?;
    trace.before(&record(caller.app(), gone));
    shared.watch.look();
    Ok(StatusCode::NO_CONTENT)
}

async fn find(shared: &Inner, app: AppId, id: AgentId) -> Result<Agent, Problem> {
    let roster = shared.intake.agents().latest(app).await?;
    let found = roster.get(id).cloned();
    found.ok_or_else(|| AgentFault::UnknownAgent.into())
}
