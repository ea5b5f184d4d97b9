//! Presence of agents, as the platforms reported it last, with who it is by the mappings there
//! are now. Only reading.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::agent::{Names, Place, Roster};
use switchhook_domain::id::{AgentId, AppId, ConnectionId};
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
use crate::state::{Inner, Shared};

/// How many reports are read at once to find those of one agent.
const BATCH: u32 = 100;
/// The most reports that are looked through for those of one agent.
const MAX_LOOKED_AT: u32 = 10_000;

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
    /// Which agent it is; null where nobody is mapped.
    agent: Option<PresentAgent>,
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

/// Whose presence it is, as in the events.
#[derive(Serialize, ToSchema)]
pub(crate) struct PresentAgent {
    /// Our id.
    id: AgentId,
    /// Name.
    #[schema(example = "Anna de Boer")]
    name: String,
    /// Their id in the app's business software.
    #[schema(example = "user_abc123")]
    crm_user_id: Option<String>,
}

impl PresenceRecord {
    fn new(stored: StoredPresence, roster: &Roster) -> Self {
        let agent = whose(&stored, roster);
        Self {
            extension: stored.report.extension,
            user_id: stored.report.user_id,
            email: stored.report.email,
            agent,
            presence: stored.report.presence,
            platform: stored.platform,
            connection_id: stored.connection_id,
            since: answer::time(stored.at),
        }
    }
}

/// Who it is that a report names, by the rules that calls and events have too.
fn whose(stored: &StoredPresence, roster: &Roster) -> Option<PresentAgent> {
    let place = Place {
        platform: &stored.platform,
        connection: stored.connection_id,
    };
    let names = Names {
        extension: stored.report.extension.as_deref(),
        user_id: stored.report.user_id.as_deref(),
        email: stored.report.email.as_deref(),
    };
    roster.find(place, names).map(|found| PresentAgent {
        id: found.agent.id,
        name: found.agent.name.clone(),
        crm_user_id: found.agent.crm_user_id.clone(),
    })
}

errors!(ListErrors: CALLER []);

/// List presence
///
/// One entry for each agent and connection that reports presence, by the agent's name there. Who it
/// is in the app, `agent`, is said by the mappings there are now.
#[utoipa::path(
    get, path = "/api/presence", tag = "Presence", operation_id = "list_presence",
    params(
        ("agent_id" = Option<String>, Query, description = "Of this agent, by our id; of an \
            unknown one there is none."),
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
    let params = Params::read(&uri, &["agent_id", "limit", "offset"])?;
    let paging = Paging::read(&params)?;
    let agent = params.id("agent_id")?.map(AgentId);
    let roster = shared.intake.agents().latest(caller.app()).await?;
    let (records, total) = match agent {
        Some(agent) => {
            let all = of_agent(&shared, caller.app(), &roster, agent).await?;
            let total = all.len() as u64;
            let page = all.into_iter().skip(paging.offset as usize);
            (page.take(paging.limit as usize).collect::<Vec<_>>(), total)
        }
        None => {
            let found = shared
                .store
                .presence(caller.app(), paging.limit, paging.offset);
            let (found, total) = found.await?;
            let record = |stored| PresenceRecord::new(stored, &roster);
            (found.into_iter().map(record).collect(), total)
        }
    };
    answer::list(&records, &paging.describe(records.len(), total))
}

/// All reports of one agent. Which they are is known only once the roster was asked, so all of the
/// app's are looked through.
async fn of_agent(
    shared: &Inner,
    app: AppId,
    roster: &Roster,
    agent: AgentId,
) -> Result<Vec<PresenceRecord>, Problem> {
    let mut own = Vec::new();
    if roster.get(agent).is_none() {
        return Ok(own);
    }
    for offset in (0..MAX_LOOKED_AT).step_by(BATCH as usize) {
        let (found, total) = shared.store.presence(app, BATCH, offset).await?;
        let records = found
            .into_iter()
            .map(|one| PresenceRecord::new(one, roster));
        own.extend(records.filter(|one| one.agent.as_ref().is_some_and(|a| a.id == agent)));
        if u64::from(offset + BATCH) >= total {
            break;
        }
    }
    Ok(own)
}
