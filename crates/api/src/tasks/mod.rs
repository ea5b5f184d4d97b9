//! Follow-up tasks: list, one, make, change. What is done with one is in [`steps`], what requests
//! say of them in [`said`], as whom somebody does it in [`who`]. The rules are the engine's
//! ([`switchhook_engine::tasks`]).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::json;
use switchhook_domain::id::{AgentId, CallId, ContactId, TaskId};
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::task::{Refusal, Step, Task, TaskKind, TaskStatus};
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{Assigned, TaskQuery, TaskSort};
use switchhook_engine::tasks::TaskFault;

use crate::agents::own_agent;
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id, uuid};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::{Inner, Shared};

pub(crate) mod callbacks;
pub(crate) mod said;
pub(crate) mod steps;
pub(crate) mod who;

use said::{NewTaskRequest, Reader, TaskChange};

impl From<TaskFault> for Problem {
    fn from(fault: TaskFault) -> Self {
        match fault {
            TaskFault::NotFound => {
                let detail = "Task not found. Take the id from the list.";
                Self::new(Code::TaskNotFound, detail)
            }
            TaskFault::Changed(version) => {
                let detail = "The task has changed since it was read. Read it again, and decide \
                              with its new version.";
                Self::new(Code::Conflict, detail).with("version", version)
            }
            TaskFault::Refused(refusal, version) => refused(refusal, version),
            TaskFault::NotYours => {
                let detail = "The task is another agent's. An agent works on their own tasks and \
                              on those that nobody has.";
                Self::new(Code::RoleNotAllowed, detail)
            }
            TaskFault::Busy => {
                let detail = "Others are changing this task. Try again in a moment.";
                Self::new(Code::StoreUnavailable, detail)
            }
            TaskFault::Store(error) => error.into(),
        }
    }
}

/// A task is in no state for what was asked.
fn refused(refusal: Refusal, version: u32) -> Problem {
    let conflict = |detail| Problem::new(Code::Conflict, detail).with("version", version);
    match refusal {
        Refusal::Over(status) => conflict("This task is over. Open it again first, with reopen.")
            .with("task_status", status.as_str()),
        Refusal::NotOver(status) => {
            conflict("This task is not over, so it need not be opened again.")
                .with("task_status", status.as_str())
        }
        Refusal::Claimed(holder) => conflict("This task has already been claimed")
            .with("assignee", json!({ "id": holder.id, "name": holder.name })),
        Refusal::Free => conflict("Nobody has this task, so there is nothing to give back."),
        Refusal::TooManyAttempts => {
            conflict("This task has as many attempts as one can have. Complete it.")
        }
        Refusal::PreferredTime => {
            Problem::field("preferred_to", "must be later than preferred_from")
        }
        Refusal::Deadline => Problem::field("deadline", "must lie ahead"),
    }
}

/// Reads what this caller says of tasks.
fn reader<'a>(shared: &'a Inner, caller: &'a Caller) -> Reader<'a> {
    Reader {
        shared,
        app: caller.app(),
        country: &caller.access.app.country,
    }
}

errors!(ListErrors: CALLER []);
errors!(CreateErrors: CALLER CHANGE []);
errors!(GetErrors: CALLER [InvalidId, TaskNotFound]);
errors!(UpdateErrors: CALLER CHANGE [InvalidId, TaskNotFound, Conflict]);

/// List tasks
///
/// The earliest deadline first, unless asked otherwise. All conditions must hold.
#[utoipa::path(
    get, path = "/api/tasks", tag = "Tasks", operation_id = "list_tasks",
    params(
        ("status" = Option<String>, Query, description = "`open`, `in_behandeling`, `afgerond` or \
            `verlopen`; several with commas between, or repeated.", example = "open"),
        ("type" = Option<String>, Query, description = "`terugbelverzoek`, `opvolgtaak` or \
            `informatievraag`; several as above."),
        ("assignee" = Option<String>, Query, description = "`me`, `none` or the id of an agent.",
            example = "none"),
        ("queue" = Option<String>, Query, description = "Of this queue."),
        ("contact_id" = Option<String>, Query, description = "About this contact."),
        ("call_id" = Option<String>, Query, description = "That came of this call."),
        ("number" = Option<String>, Query, description = "To call this number, in any spelling.",
            example = "0612345678"),
        ("overdue" = Option<bool>, Query, description = "`true`: only what is not over and whose \
            deadline has passed."),
        ("sort" = Option<String>, Query, description = "`deadline` (the earliest first, without \
            one last) or `newest`."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "How many to pass over."),
    ),
    responses((status = 200, description = "A page.", body = Page<Task>), ListErrors),
    security(("key" = ["tasks:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksRead)?;
    let names = [
        "status",
        "type",
        "assignee",
        "queue",
        "contact_id",
        "call_id",
        "number",
        "overdue",
        "sort",
        "limit",
        "offset",
    ];
    let params = Params::read(&uri, &names)?;
    let paging = Paging::read(&params)?;
    let plan = NumberPlan::for_country(&caller.access.app.country).unwrap_or_default();
    let sort = match params.one("sort")? {
        None | Some("deadline") => TaskSort::Deadline,
        Some("newest") => TaskSort::Newest,
        Some(_) => {
            return Err(Problem::parameter(
                "sort",
                "must be one of deadline, newest",
            ));
        }
    };
    let words = "terugbelverzoek, opvolgtaak, informatievraag";
    let overdue = overdue(&params)?;
    let query = TaskQuery {
        statuses: statuses(&params, overdue)?,
        kinds: params.each("type", TaskKind::from_name, words)?,
        assigned: assigned(&shared, &caller, &params).await?,
        queue: params.one("queue")?.map(|queue| queue.trim().to_owned()),
        contact_id: params.id("contact_id")?.map(ContactId),
        call_id: params.id("call_id")?.map(CallId),
        number: params.phone(&["number"], &plan)?,
        due_before: overdue.then(|| shared.tasks.now()),
        sort,
        limit: paging.limit,
        offset: paging.offset,
    };
    let (tasks, total) = shared.tasks.list(caller.app(), &query).await?;
    answer::list(&tasks, &paging.describe(tasks.len(), total))
}

fn overdue(params: &Params) -> Result<bool, Problem> {
    match params.one("overdue")? {
        None => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::parameter("overdue", "must be true, or left out")),
    }
}

/// The statuses asked for; what is overdue is not over.
fn statuses(params: &Params, overdue: bool) -> Result<Vec<TaskStatus>, Problem> {
    let words = "open, in_behandeling, afgerond, verlopen";
    let asked = params.each("status", TaskStatus::from_name, words)?;
    if !overdue {
        return Ok(asked);
    }
    if asked.iter().any(|status| !status.is_open()) {
        let problem = "must be open or in_behandeling where overdue is asked for";
        return Err(Problem::parameter("status", problem));
    }
    let open = [TaskStatus::Open, TaskStatus::InProgress];
    Ok(if asked.is_empty() {
        open.to_vec()
    } else {
        asked
    })
}

async fn assigned(
    shared: &Inner,
    caller: &Caller,
    params: &Params,
) -> Result<Option<Assigned>, Problem> {
    let Some(word) = params.one("assignee")? else {
        return Ok(None);
    };
    match word.trim() {
        "none" => Ok(Some(Assigned::Nobody)),
        "me" => {
            let own = own_agent(shared, caller).await?;
            let problem = "is me, and the caller is no agent; name the id of an agent instead";
            let own = own.ok_or_else(|| Problem::parameter("assignee", problem))?;
            Ok(Some(Assigned::To(own.id)))
        }
        id => {
            let id = uuid(id).map(|id| Some(Assigned::To(AgentId(id))));
            let problem = "must be me, none or the id of an agent";
            id.ok_or_else(|| Problem::parameter("assignee", problem))
        }
    }
}

/// Create a task
#[utoipa::path(
    post, path = "/api/tasks", tag = "Tasks", operation_id = "create_task",
    request_body(content = NewTaskRequest, example = json!({
        "type": "terugbelverzoek", "subject": "Bel terug over de offerte",
        "callback_number": "0612345678"
    })),
    responses(
        (status = 201, description = "The task.", body = One<Task>,
            headers(("location" = String, description = "Where it is."))),
        CreateErrors,
    ),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    Params::none(&uri)?;
    let Object(new): Object<NewTaskRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let new = new.checked(&reader(&shared, &caller)).await?;
    let by = who::doer(&shared, &caller).await?.by;
    let task = shared.tasks.create(caller.app(), new, by).await?;
    let mut response = answer::one(StatusCode::CREATED, &task)?;
    if let Ok(value) = HeaderValue::from_str(&format!("/api/tasks/{}", task.id)) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// Get one task
#[utoipa::path(
    get, path = "/api/tasks/{id}", tag = "Tasks", operation_id = "get_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    responses((status = 200, description = "The task.", body = One<Task>), GetErrors),
    security(("key" = ["tasks:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksRead)?;
    Params::none(&uri)?;
    let id = TaskId(path_id(&id, "task")?);
    let task = shared.tasks.get(caller.app(), id).await?;
    answer::one(StatusCode::OK, &task)
}

/// Change what a task says
///
/// What is left out stays; `null` empties it. Only a task that is not over can be changed.
#[utoipa::path(
    patch, path = "/api/tasks/{id}", tag = "Tasks", operation_id = "update_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = TaskChange, example = json!({"priority": "hoog", "version": 1})),
    responses((status = 200, description = "The task.", body = One<Task>), UpdateErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn update(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let (app, id) = (caller.app(), TaskId(path_id(&id, "task")?));
    Trace::of(&parts).before(&shared.tasks.get(app, id).await?);
    let Object(change): Object<TaskChange> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    let seen = change.version;
    let edit = change.checked(&reader(&shared, &caller))?;
    let doer = who::doer(&shared, &caller).await?;
    let edited = shared.tasks.change(app, id, seen, Step::Edited, |scene| {
        doer.may_touch(scene.task)?;
        Ok(scene.task.edit(edit.clone(), scene.at)?)
    });
    answer::one(StatusCode::OK, &edited.await?)
}
