//! The users of a connection's platform, asked for now, and which agent each of them is: to look
//! at, and to map in one go. The rules are the engine's ([`switchhook_engine::agents`]).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use switchhook_domain::agent::{IdentityKind, Place, Roster};
use switchhook_domain::id::{AgentId, ConnectionId};
use switchhook_engine::agents::{Matched, Missing, Outcome, on_record};
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::platform_users::{Listed, PlatformUser};
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use super::AgentSummary;
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id, uuid};
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::{Inner, Shared};

/// What is to be matched.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchRequest {
    /// The connection whose platform is asked for its users.
    connection_id: String,
    /// True to see what would be done, and do nothing.
    #[serde(default)]
    dry_run: bool,
    /// True to make an agent of each user who is nobody's and has an e-mail address of their own.
    #[serde(default)]
    create_missing: bool,
    /// True to do so, with `create_missing`, of users without an e-mail address as well: on a PBX
    /// that knows none, an agent of each extension.
    #[serde(default)]
    create_without_email: bool,
}

/// What became of a user, or would.
#[derive(Clone, Copy, Serialize, ToSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MatchOutcome {
    /// Mapped to the agent.
    Matched,
    /// The agent's before.
    Already,
    /// An agent was made.
    Created,
    /// Not certain; nothing was done.
    Ambiguous,
    /// No e-mail address, and the extension is nobody's.
    NoEmail,
    /// The e-mail address is no agent's, and the extension is nobody's.
    NoAgent,
    /// The agent is known but cannot be mapped.
    Refused,
}

impl From<Outcome> for MatchOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Matched => Self::Matched,
            Outcome::Already => Self::Already,
            Outcome::Created => Self::Created,
            Outcome::Ambiguous => Self::Ambiguous,
            Outcome::NoEmail => Self::NoEmail,
            Outcome::NoAgent => Self::NoAgent,
            Outcome::Refused => Self::Refused,
        }
    }
}

/// A user of a platform, and which agent it is.
#[derive(Serialize, ToSchema)]
#[schema(as = PlatformUser)]
pub(crate) struct UserRecord {
    /// The platform's user id, as its events name the user; null where they name extensions.
    #[schema(example = "6004200420042004")]
    platform_user_id: Option<String>,
    /// The name the platform shows.
    #[schema(example = "Anna de Boer")]
    name: Option<String>,
    /// E-mail address.
    #[schema(example = "anna@example.nl")]
    email: Option<String>,
    /// Extension.
    #[schema(example = "100")]
    extension: Option<String>,
    /// Numbers of their own, as the platform writes them.
    phone_numbers: Vec<String>,
    /// The platform's own word for the state they are in.
    #[schema(example = "active")]
    state: Option<String>,
    /// The device behind the extension, where that is what the platform lists.
    #[schema(example = "PJSIP/100")]
    device: Option<String>,
    /// What became of them, or would.
    outcome: MatchOutcome,
    /// By what kind of name they were recognised.
    matched_by: Option<IdentityKind>,
    /// The agent; null where there is none, and for one that would only be made.
    agent: Option<AgentSummary>,
    /// Agents it may be, when it is not certain.
    candidates: Vec<AgentSummary>,
    /// Why nothing was done, one sentence.
    detail: Option<String>,
}

/// How many users there are of each outcome.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct MatchCounts {
    /// Mapped now.
    matched: usize,
    /// Mapped before.
    already: usize,
    /// Agents made.
    created: usize,
    /// Not certain.
    ambiguous: usize,
    /// Without an e-mail address.
    no_email: usize,
    /// Of no agent.
    no_agent: usize,
    /// That cannot be mapped.
    refused: usize,
}

impl MatchCounts {
    fn of(matched: &[Matched]) -> Self {
        let mut counts = Self::default();
        for one in matched {
            *match one.outcome {
                Outcome::Matched => &mut counts.matched,
                Outcome::Already => &mut counts.already,
                Outcome::Created => &mut counts.created,
                Outcome::Ambiguous => &mut counts.ambiguous,
                Outcome::NoEmail => &mut counts.no_email,
                Outcome::NoAgent => &mut counts.no_agent,
                Outcome::Refused => &mut counts.refused,
            } += 1;
        }
        counts
    }
}

/// The users of a platform, each with which agent it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserMatches {
    /// The connection that was asked.
    connection_id: ConnectionId,
    /// The platform.
    #[schema(example = "dialpad")]
    platform: String,
    /// True when nothing was changed.
    dry_run: bool,
    /// True when the platform has more than 5,000 users: the rest was not looked at.
    truncated: bool,
    /// How many of each outcome.
    counts: MatchCounts,
    /// The users, in the platform's order.
    users: Vec<UserRecord>,
}

errors!(UsersErrors: CALLER ASKING [InvalidId, ConnectionNotFound]);
errors!(MatchErrors: CALLER CHANGE ASKING []);

/// List the users of a connection's platform
///
/// The platform is asked now, for at most 5,000 users. Beside each stands which agent it is, or
/// would be mapped to by `POST /api/agents/match`. Nothing is changed.
#[utoipa::path(
    get, path = "/api/connections/{connection_id}/users", tag = "Agents",
    operation_id = "list_platform_users",
    params(("connection_id" = String, Path, description = "The connection.")),
    responses(
        (status = 200, description = "The users.", body = One<UserMatches>),
        UsersErrors,
    ),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn users(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    // Who may map them: it asks the platform, and shows people's own numbers.
    caller.needs(Scope::AgentsWrite)?;
    Params::none(&uri)?;
    let id = ConnectionId(path_id(&id, "connection")?);
    let connection = find(&shared, &caller, id).await?.ok_or_else(|| {
        let detail = "Connection not found. Take the id from the list of this app's connections.";
        Problem::new(Code::ConnectionNotFound, detail)
    })?;
    let listed = shared.controls.platform_users(&connection).await?;
    let agents = shared.intake.agents();
    let missing = Missing::default();
    let matched = agents.preview(caller.app(), |edit| {
        edit.match_users(place(&connection), &listed.users, missing)
    });
    let matched = matched.await?;
    let roster = agents.latest(caller.app()).await?;
    let told = matches(&connection, listed, matched, &roster, true);
    answer::one(StatusCode::OK, &told)
}

/// Map the users of a platform to agents
///
/// The connection's platform is asked for its users, at most 5,000. A user whose e-mail address
/// is an agent's, whatever the case of its letters, is mapped to that agent; else one whose
/// extension, which no other user of the platform has, is an agent's. Nothing is guessed: what is
/// not certain is told with the agents it may be. Nobody loses a name to it, and doing it again
/// changes nothing. All of it is done, or nothing.
#[utoipa::path(
    post, path = "/api/agents/match", tag = "Agents", operation_id = "match_agents",
    request_body(content = MatchRequest, example = json!({
        "connection_id": "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b", "dry_run": true
    })),
    responses(
        (status = 200, description = "What became of each user.", body = One<UserMatches>),
        MatchErrors,
    ),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn run(
    State(shared): State<Shared>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let Object(asked): Object<MatchRequest> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    if asked.create_without_email && !asked.create_missing {
        let problem = "says of which missing users agents are made; set `create_missing` too";
        return Err(Problem::field("create_without_email", problem));
    }
    let id = uuid(&asked.connection_id)
        .ok_or_else(|| Problem::field("connection_id", "must be a UUID"))?;
    let connection = find(&shared, &caller, ConnectionId(id)).await?;
    let connection = connection
        .ok_or_else(|| Problem::field("connection_id", "is not a connection of this app"))?;
    let listed = shared.controls.platform_users(&connection).await?;
    let missing = Missing {
        create: asked.create_missing,
        without_email: asked.create_without_email,
    };
    let (agents, app) = (shared.intake.agents(), caller.app());
    let (before, place) = (agents.latest(app).await?, place(&connection));
    let matched = if asked.dry_run {
        agents
            .preview(app, |edit| edit.match_users(place, &listed.users, missing))
            .await?
    } else {
        agents
            .change(app, |edit| edit.match_users(place, &listed.users, missing))
            .await?
    };
    let after = agents.latest(app).await?;
    let (were, are, left_out) = on_record(&matched, &before, &after);
    let told = matches(&connection, listed, matched, &after, asked.dry_run);
    let trace = Trace::of(&parts);
    let mut now = json!({
        "connection_id": told.connection_id, "dry_run": told.dry_run,
        "truncated": told.truncated, "counts": told.counts,
    });
    if !asked.dry_run {
        trace.before(&json!({ "agents": were }));
        now["agents"] = are.into();
        now["agents_left_out"] = left_out.into();
        shared.watch.look();
    }
    trace.tell(now);
    answer::one(StatusCode::OK, &told)
}

/// A connection of the caller's app.
async fn find(
    shared: &Inner,
    caller: &Caller,
    id: ConnectionId,
) -> Result<Option<ReadyConnection>, Problem> {
    if shared.connections.get(id).is_none() {
        // Another node may just have made it.
        shared.connections.refresh().await?;
    }
    let found = shared.connections.get(id);
    Ok(found.filter(|connection| connection.app.id == caller.app()))
}

fn place(connection: &ReadyConnection) -> Place<'_> {
    Place {
        platform: &connection.row.platform,
        connection: connection.row.id,
    }
}

fn matches(
    connection: &ReadyConnection,
    listed: Listed,
    matched: Vec<Matched>,
    roster: &Roster,
    dry_run: bool,
) -> UserMatches {
    let counts = MatchCounts::of(&matched);
    let users = listed.users.into_iter().zip(matched);
    UserMatches {
        connection_id: connection.row.id,
        platform: connection.row.platform.clone(),
        dry_run,
        truncated: listed.truncated,
        counts,
        users: users
            .map(|(user, one)| user_record(user, one, roster))
            .collect(),
    }
}

fn user_record(user: PlatformUser, one: Matched, roster: &Roster) -> UserRecord {
    let summary = |id: AgentId| roster.get(id).map(AgentSummary::from);
    UserRecord {
        platform_user_id: user.id,
        name: user.name,
        email: user.email,
        extension: user.extension,
        phone_numbers: user.numbers,
        state: user.state,
        device: user.device,
        outcome: one.outcome.into(),
        matched_by: one.by,
        agent: one.agent.and_then(summary),
        candidates: one.candidates.into_iter().filter_map(summary).collect(),
        detail: one.detail.map(str::to_owned),
    }
}
