//! Many agents at once: all or nothing, every fault with its place.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchhook_domain::id::AgentId;
use switchhook_engine::agents::AgentFault;
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use super::change::AgentChange;
use super::record;
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::Shared;

/// The most agents of one request.
const MAX_BATCH: usize = 1000;

/// Agents to be made or changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentBatch {
    /// The agents, at most 1,000. Each is found by its `email` or its `crm_user_id`, or made.
    #[schema(value_type = Vec<AgentChange>)]
    agents: Vec<Object<AgentChange>>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentBatchDone {
    /// How many were made.
    created: usize,
    /// How many were there already.
    updated: usize,
    /// Our ids, in the order of the request.
    ids: Vec<AgentId>,
}

errors!(BatchErrors: CALLER CHANGE [AlreadyExists]);

/// Create and change agents
///
/// At most 1,000 at a time; all or none. Each is found by `email` or `crm_user_id`, one of which
/// it must have, and made when there is none. When some are at fault nothing is done, and `errors`
/// names each with its `index`.
#[utoipa::path(
    post, path = "/api/agents/batch", tag = "Agents", operation_id = "batch_agents",
    request_body(content = AgentBatch, example = json!({"agents": [
        {"name": "Anna de Boer", "email": "anna@example.nl", "crm_user_id": "user_abc123"},
        {"name": "Bram Smit", "email": "bram@example.nl",
         "identities": [{"kind": "extension", "value": "101"}]}
    ]})),
    responses((status = 200, description = "Done.", body = One<AgentBatchDone>), BatchErrors),
    security(("key" = ["agents:write"]), ("session" = [])),
)]
pub(crate) async fn batch(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::AgentsWrite)?;
    Params::none(&uri)?;
    let Object(AgentBatch { agents: new }) =
        body::json(&headers, body, shared.config.max_import).await?;
    if new.len() > MAX_BATCH {
        let problem = format!("has {} entries; at most {MAX_BATCH} are taken", new.len());
        return Err(Problem::field("agents", &problem));
    }
    let (mut drafts, mut faults) = (Vec::with_capacity(new.len()), Vec::new());
    for (index, Object(new)) in new.into_iter().enumerate() {
        match new.draft(&shared, caller.app(), "") {
            Ok(draft) => drafts.push(draft),
            Err(problem) => faults.push(fault(index, &problem)),
        }
    }
    if !faults.is_empty() {
        return Err(faulty(faults));
    }
    let before = shared.intake.agents().latest(caller.app()).await?;
    let done = shared
        .intake
        .agents()
        .change(caller.app(), |edit| {
            let (mut done, mut faults) = (Vec::with_capacity(drafts.len()), Vec::new());
            for (index, draft) in drafts.iter().enumerate() {
                match edit.upsert(draft) {
                    Ok((agent, is_new)) => done.push((agent.id, is_new)),
                    Err(fault) => faults.push((index, fault)),
                }
            }
            if faults.is_empty() {
                Ok(done)
            } else {
                Err(AgentFault::Several(faults))
            }
        })
        .await?;
    shared.watch.look();
    let updated = done.iter().filter(|(_, is_new)| !is_new);
    let before = updated.filter_map(|(id, _)| before.get(*id).cloned());
    let before: Vec<_> = before.map(|was| record(caller.app(), was)).collect();
    if !before.is_empty() {
        trace.before(&before);
    }
    let created = done.iter().filter(|(_, is_new)| *is_new).count();
    let answer = AgentBatchDone {
        created,
        updated: done.len() - created,
        ids: done.into_iter().map(|(id, _)| id).collect(),
    };
    answer::one(StatusCode::OK, &answer)
}

/// The problem of a batch whose entries are at fault.
pub(super) fn several(faults: Vec<(usize, AgentFault)>) -> Problem {
    let each = faults.into_iter();
    faulty(each.map(|(index, one)| fault(index, &one.into())).collect())
}

fn fault(index: usize, problem: &Problem) -> Value {
    json!({
        "index": index, "code": problem.code().as_str(), "field": problem.field_name(),
        "detail": problem.detail(),
    })
}

fn faulty(errors: Vec<Value>) -> Problem {
    let index = errors.first().map(|first| first["index"].clone());
    let taken = errors
        .iter()
        .all(|one| one["code"] == Code::AlreadyExists.as_str());
    let code = if taken {
        Code::AlreadyExists
    } else {
        Code::InvalidField
    };
    let detail = format!(
        "{} of the agents are at fault, and nothing was done. `errors` names each by its index.",
        errors.len()
    );
    let place = format!("agents[{}]", index.unwrap_or_default());
    Problem::new(code, detail).at(place).with("errors", errors)
}
