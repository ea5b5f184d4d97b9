//! Call-backs as the predecessor's clients know them: the same tasks by its addresses, with its
//! names of members beside ours. Members that are not known are passed over, as ever. What may be
//! done and by whom is the same as everywhere ([`super::steps`]).

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchhook_domain::id::AgentId;
use switchhook_domain::moment::{Author, AuthorKind};
use switchhook_domain::task::{AttemptResult, Task, TaskAssignee};
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use super::reader;
use super::said::{AttemptRequest, assignee};
use super::steps::{Asked, StepErrors, optional, required};
use super::who::must_see_to_others;
use crate::answer;
use crate::auth::Caller;
use crate::inherited::pipelinq::in_their_form;
use crate::params::uuid;
use crate::problem::{Code, Problem};
use crate::state::{Inner, Shared};

/// A try, in the predecessor's words.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CallbackAttempt {
    /// `bereikt`, `niet_bereikt`, `niet_bereikbaar` (the same), `geen_gehoor` or `voicemail`.
    #[schema(example = "geen_gehoor")]
    result: String,
    /// Free text.
    #[serde(default)]
    notes: Option<String>,
}

/// Taking a call-back, in the predecessor's words.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct CallbackClaim {
    /// For which agent; who is an agent takes it for themselves when this is left out.
    agent_id: Option<String>,
}

/// What came of a call-back, in the predecessor's words.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct CallbackResult {
    /// What came of it.
    result_text: Option<String>,
}

/// Who is to have a call-back, in the predecessor's words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallbackAssignee {
    /// An agent's id, `crm_user_id` or e-mail address; or the name of a queue.
    #[schema(example = "user_abc123")]
    assignee: String,
    /// `user` or `group`; `user` when left out.
    #[serde(default)]
    #[schema(example = "user")]
    assignee_type: Option<String>,
}

/// A call-back after something was done with it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Callback {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The task, with the predecessor's members beside ours: `assigneeUserId`, `assigneeGroupId`,
    /// `callbackPhoneNumber`, `clientId`, `createdBy`, `completedAt`, `resultText`, and
    /// `timestamp` and `agentUserId` of every attempt.
    #[schema(value_type = Task)]
    task: Value,
    /// True after three tries in vain.
    suggest_close: bool,
    /// How many tries there were.
    #[schema(example = 1)]
    attempt_count: usize,
}

/// An author as the predecessor named people.
fn user_id(by: &Author) -> Value {
    match by.kind {
        AuthorKind::Agent | AuthorKind::Person | AuthorKind::Key => json!(by.id),
        AuthorKind::System => Value::Null,
    }
}

fn shown(task: &Task) -> Result<Response, Problem> {
    let mut value = serde_json::to_value(task).map_err(|error| {
        tracing::error!(%error, "a task cannot be written as JSON");
        Problem::internal()
    })?;
    if let Some(attempts) = value["attempts"].as_array_mut() {
        for (shown, attempt) in attempts.iter_mut().zip(&task.attempts) {
            shown["timestamp"] = json!(attempt.at);
            shown["agentUserId"] = user_id(&attempt.by);
        }
    }
    let assignee = task.assignee.as_ref().map(|agent| agent.id);
    value["assigneeUserId"] = json!(assignee);
    value["assigneeGroupId"] = json!(task.queue);
    value["callbackPhoneNumber"] = json!(task.callback_number);
    value["clientId"] = json!(task.contact.as_ref().map(|contact| contact.id));
    value["createdBy"] = user_id(&task.created_by);
    value["completedAt"] = json!(task.completed_at);
    value["resultText"] = json!(task.result);
    let callback = Callback {
        success: true,
        task: value,
        suggest_close: task.suggest_close,
        attempt_count: task.attempts.len(),
    };
    answer::plain(StatusCode::OK, &callback)
}

/// Record an attempt at a call-back
///
/// As the predecessor's clients do it; new clients use `POST /api/tasks/{id}/attempts`. Also at
/// `/index.php/apps/pipelinq/api/callbacks/{id}/attempts`.
#[utoipa::path(
    post, path = "/api/callbacks/{id}/attempts", tag = "Tasks",
    operation_id = "add_callback_attempt",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = CallbackAttempt,
        example = json!({"result": "geen_gehoor", "notes": "Morgen weer"})),
    responses((status = 200, description = "The call-back.", body = Callback), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn attempt(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let tried = attempt_it(&shared, &caller, &id, request).await;
    tried.map_err(in_their_form)
}

async fn attempt_it(
    shared: &Inner,
    caller: &Caller,
    id: &str,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(shared, caller, id, &parts).await?;
    let said: CallbackAttempt = required(shared, &parts, body).await?;
    let result = match said.result.trim() {
        "niet_bereikbaar" => Some(AttemptResult::NotReached),
        word => AttemptResult::from_name(word),
    };
    let problem = "must be one of bereikt, niet_bereikt, geen_gehoor, voicemail";
    let attempt = AttemptRequest {
        result: result.ok_or_else(|| Problem::field("result", problem))?,
        notes: said.notes,
        version: None,
    };
    shown(&asked.attempt(attempt).await?)
}

/// Claim a call-back
///
/// As the predecessor's clients do it; new clients use `POST /api/tasks/{id}/claim`. Who comes
/// second is refused with 403, as there. Also at
/// `/index.php/apps/pipelinq/api/callbacks/{id}/claim`.
#[utoipa::path(
    post, path = "/api/callbacks/{id}/claim", tag = "Tasks", operation_id = "claim_callback",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = CallbackClaim, example = json!({})),
    responses((status = 200, description = "The call-back.", body = Callback), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn claim(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let taken = claim_it(&shared, &caller, &id, request).await;
    taken.map_err(in_their_form)
}

async fn claim_it(
    shared: &Inner,
    caller: &Caller,
    id: &str,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(shared, caller, id, &parts).await?;
    let said: CallbackClaim = optional(shared, &parts, body).await?;
    let claimed = asked.claim(said.agent_id.as_deref(), None).await;
    shown(&claimed.map_err(|problem| match problem.code() {
        Code::Conflict => {
            let reason = problem.detail().to_owned();
            problem
                .with("reason", reason)
                .with_status(StatusCode::FORBIDDEN)
        }
        _ => problem,
    })?)
}

/// Complete a call-back
///
/// As the predecessor's clients do it; new clients use `POST /api/tasks/{id}/complete`. Also at
/// `/index.php/apps/pipelinq/api/callbacks/{id}/complete`.
#[utoipa::path(
    post, path = "/api/callbacks/{id}/complete", tag = "Tasks",
    operation_id = "complete_callback",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = CallbackResult, example = json!({"resultText": "Afspraak gemaakt"})),
    responses((status = 200, description = "The call-back.", body = Callback), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn complete(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let done = complete_it(&shared, &caller, &id, request).await;
    done.map_err(in_their_form)
}

async fn complete_it(
    shared: &Inner,
    caller: &Caller,
    id: &str,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(shared, caller, id, &parts).await?;
    let said: CallbackResult = optional(shared, &parts, body).await?;
    shown(&asked.complete(said.result_text, None).await?)
}

/// Reassign a call-back
///
/// As the predecessor's clients do it; new clients use `POST /api/tasks/{id}/assign`. To an agent,
/// or to a queue and to nobody. Also at
/// `/index.php/apps/pipelinq/api/callbacks/{id}/reassign`.
#[utoipa::path(
    post, path = "/api/callbacks/{id}/reassign", tag = "Tasks",
    operation_id = "reassign_callback",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = CallbackAssignee,
        example = json!({"assignee": "user_abc123", "assigneeType": "user"})),
    responses((status = 200, description = "The call-back.", body = Callback), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn reassign(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let given = reassign_it(&shared, &caller, &id, request).await;
    given.map_err(in_their_form)
}

async fn reassign_it(
    shared: &Inner,
    caller: &Caller,
    id: &str,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(shared, caller, id, &parts).await?;
    must_see_to_others(&asked.doer)?;
    let said: CallbackAssignee = required(shared, &parts, body).await?;
    let (agent, queue) = match said.assignee_type.as_deref() {
        None | Some("user") => {
            let agent = somebody(shared, caller, said.assignee.trim()).await?;
            (Some(agent), None)
        }
        Some("group") => {
            let queue = reader(shared, caller).queue(Some(said.assignee))?;
            let problem = "must not be empty";
            let queue = queue.ok_or_else(|| Problem::field("assignee", problem))?;
            (None, Some(Some(queue)))
        }
        Some(_) => {
            let problem = "must be one of user, group";
            return Err(Problem::field("assigneeType", problem));
        }
    };
    shown(&asked.assign(Some(agent), queue, None).await?)
}

/// An agent by any name the business software may have for them.
async fn somebody(shared: &Inner, caller: &Caller, name: &str) -> Result<TaskAssignee, Problem> {
    let roster = shared.intake.agents().latest(caller.app()).await?;
    let by_id = uuid(name).and_then(|id| roster.get(AgentId(id)));
    let found = by_id
        .or_else(|| roster.by_crm_user_id(name))
        .or_else(|| roster.by_email(name));
    let problem = "is not an agent of this app who takes calls";
    let found = found.filter(|agent| agent.active).map(assignee);
    found.ok_or_else(|| Problem::field("assignee", problem))
}
