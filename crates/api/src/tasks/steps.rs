//! What is done with a task: taking it and giving it back, giving it to somebody, trying to reach
//! the other side, completing it and opening it again.

use std::collections::BTreeSet;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use switchhook_domain::id::TaskId;
use switchhook_domain::task::{Attempt, Step, Task, TaskAssignee};
use switchhook_engine::rights::Scope;
use switchhook_engine::tasks::{Doer, Scene, StepFault, TaskFault};
use utoipa::ToSchema;

use super::reader;
use super::said::{
    AssignManyRequest, AssignRequest, AttemptRequest, ClaimRequest, CompleteRequest, Seen,
};
use super::who::{doer, must_see_to_others, own};
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id, uuid};
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::{Inner, Shared};

/// The most tasks that are given to somebody at once.
const MAX_ASSIGN: usize = 100;

errors!(pub(super) StepErrors: CALLER CHANGE [InvalidId, TaskNotFound, Conflict]);
errors!(AssignManyErrors: CALLER CHANGE []);

/// A request about one task: the caller was let in and the task is there.
pub(super) struct Asked<'a> {
    shared: &'a Inner,
    caller: &'a Caller,
    id: TaskId,
    pub(super) doer: Doer,
}

impl<'a> Asked<'a> {
    /// Looks for the task first: whoever asks of one that is not there hears that, whatever else
    /// they say.
    pub(super) async fn of(
        shared: &'a Inner,
        caller: &'a Caller,
        id: &str,
        parts: &Parts,
    ) -> Result<Self, Problem> {
        Params::none(&parts.uri)?;
        let id = TaskId(path_id(id, "task")?);
        Trace::of(parts).before(&shared.tasks.get(caller.app(), id).await?);
        Ok(Self {
            shared,
            caller,
            id,
            doer: doer(shared, caller).await?,
        })
    }

    pub(super) async fn step(
        &self,
        seen: Option<u32>,
        step: Step,
        change: impl Fn(&Scene<'_>) -> Result<Task, StepFault>,
    ) -> Result<Task, TaskFault> {
        let app = self.caller.app();
        let tasks = &self.shared.tasks;
        tasks.change(app, self.id, seen, step, change).await
    }

    /// The agent who is to take it: who was named, else the caller.
    pub(super) async fn taker(&self, named: Option<&str>) -> Result<TaskAssignee, Problem> {
        let named = reader(self.shared, self.caller)
            .agent("agent_id", named)
            .await?;
        let Some(named) = named else {
            return own(&self.doer);
        };
        let same = self
            .doer
            .agent
            .as_ref()
            .is_some_and(|own| own.id == named.id);
        if !same {
            must_see_to_others(&self.doer)?;
        }
        Ok(named)
    }

    pub(super) async fn claim(
        &self,
        named: Option<&str>,
        seen: Option<u32>,
    ) -> Result<Task, Problem> {
        let taker = self.taker(named).await?;
        let claimed = self.step(seen, Step::Claimed, |scene| {
            Ok(scene.task.claim(&taker, scene.at)?)
        });
        Ok(claimed.await?)
    }

    pub(super) async fn attempt(&self, said: AttemptRequest) -> Result<Task, Problem> {
        let notes = reader(self.shared, self.caller).long("notes", said.notes)?;
        let doer = &self.doer;
        let tried = self.step(said.version, Step::Attempt, |scene| {
            doer.may_touch(scene.task)?;
            let attempt = Attempt {
                at: scene.at,
                result: said.result,
                notes: notes.clone(),
                by: doer.by.clone(),
            };
            Ok(scene.task.attempt(attempt, doer.agent.as_ref())?)
        });
        Ok(tried.await?)
    }

    pub(super) async fn complete(
        &self,
        result: Option<String>,
        seen: Option<u32>,
    ) -> Result<Task, Problem> {
        let result = reader(self.shared, self.caller).long("result", result)?;
        let doer = &self.doer;
        let done = self.step(seen, Step::Completed, |scene| {
            doer.may_touch(scene.task)?;
            let (by, agent) = (doer.by.clone(), doer.agent.as_ref());
            Ok(scene.task.complete(result.clone(), by, agent, scene.at)?)
        });
        Ok(done.await?)
    }

    pub(super) async fn assign(
        &self,
        agent: Option<Option<TaskAssignee>>,
        queue: Option<Option<String>>,
        seen: Option<u32>,
    ) -> Result<Task, TaskFault> {
        self.step(seen, Step::Assigned, |scene| {
            let agent = agent.clone().unwrap_or_else(|| scene.task.assignee.clone());
            Ok(scene.task.assign(agent, queue.clone(), scene.at)?)
        })
        .await
    }
}

/// A body that may be left out.
pub(super) async fn optional<T: DeserializeOwned + Default>(
    shared: &Inner,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<T, Problem> {
    let limit = shared.config.max_json;
    let Object(said): Object<T> = body::json_or_default(&parts.headers, body, limit).await?;
    Ok(said)
}

/// A body that must be there.
pub(super) async fn required<T: DeserializeOwned>(
    shared: &Inner,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<T, Problem> {
    let limit = shared.config.max_json;
    let Object(said): Object<T> = body::json(&parts.headers, body, limit).await?;
    Ok(said)
}

/// Claim a task
///
/// An agent takes it in hand: it becomes theirs and `in_behandeling`. Who claims a task that
/// somebody else has is told so. A key and a person who is no agent name the agent.
#[utoipa::path(
    post, path = "/api/tasks/{id}/claim", tag = "Tasks", operation_id = "claim_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = ClaimRequest, example = json!({"version": 1})),
    responses((status = 200, description = "The task.", body = One<Task>), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn claim(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&shared, &caller, &id, &parts).await?;
    let said: ClaimRequest = optional(&shared, &parts, body).await?;
    let task = asked.claim(said.agent_id.as_deref(), said.version).await?;
    answer::one(StatusCode::OK, &task)
}

/// Release a task
///
/// It is given back and `open` again, to everybody or to its queue.
#[utoipa::path(
    post, path = "/api/tasks/{id}/release", tag = "Tasks", operation_id = "release_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = Seen, example = json!({"version": 2})),
    responses((status = 200, description = "The task.", body = One<Task>), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn release(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&shared, &caller, &id, &parts).await?;
    let said: Seen = optional(&shared, &parts, body).await?;
    let doer = &asked.doer;
    let released = asked.step(said.version, Step::Released, |scene| {
        doer.may_touch(scene.task)?;
        Ok(scene.task.release(scene.at)?)
    });
    answer::one(StatusCode::OK, &released.await?)
}

/// Assign a task
///
/// To an agent, to nobody, to a queue. An agent who gets it has not begun: it is `open` until they
/// claim it. For supervisors, administrators and keys.
#[utoipa::path(
    post, path = "/api/tasks/{id}/assign", tag = "Tasks", operation_id = "assign_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = AssignRequest, example = json!({"agent_id": null, "queue": "Verkoop"})),
    responses((status = 200, description = "The task.", body = One<Task>), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn assign(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&shared, &caller, &id, &parts).await?;
    must_see_to_others(&asked.doer)?;
    let said: AssignRequest = required(&shared, &parts, body).await?;
    let (agent, queue) = destination(&shared, &caller, said.agent_id, said.queue).await?;
    let task = asked.assign(agent, queue, said.version).await?;
    answer::one(StatusCode::OK, &task)
}

type Destination = (Option<Option<TaskAssignee>>, Option<Option<String>>);

/// To whom tasks are given.
async fn destination(
    shared: &Inner,
    caller: &Caller,
    agent_id: Option<Option<String>>,
    queue: Option<Option<String>>,
) -> Result<Destination, Problem> {
    if agent_id.is_none() && queue.is_none() {
        let problem = "is required, or queue: an agent's id, or null for nobody";
        return Err(Problem::field("agent_id", problem));
    }
    let reader = reader(shared, caller);
    let agent = match agent_id {
        None => None,
        Some(id) => Some(reader.agent("agent_id", id.as_deref()).await?),
    };
    let queue = queue.map(|queue| reader.queue(queue)).transpose()?;
    Ok((agent, queue))
}

/// Record an attempt
///
/// That somebody tried to reach the other side. An agent who tries what nobody has takes it in
/// hand. After three in vain, one after the other, `suggest_close` is true; `bereikt` does not
/// complete the task by itself.
#[utoipa::path(
    post, path = "/api/tasks/{id}/attempts", tag = "Tasks", operation_id = "add_task_attempt",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = AttemptRequest,
        example = json!({"result": "geen_gehoor", "notes": "Morgen na tienen weer"})),
    responses((status = 200, description = "The task.", body = One<Task>), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn attempt(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&shared, &caller, &id, &parts).await?;
    let said: AttemptRequest = required(&shared, &parts, body).await?;
    answer::one(StatusCode::OK, &asked.attempt(said).await?)
}

/// Complete a task
///
/// It is `afgerond`.
#[utoipa::path(
    post, path = "/api/tasks/{id}/complete", tag = "Tasks", operation_id = "complete_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = CompleteRequest, example = json!({"result": "Offerte toegelicht"})),
    responses((status = 200, description = "The task.", body = One<Task>), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn complete(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&shared, &caller, &id, &parts).await?;
    let said: CompleteRequest = optional(&shared, &parts, body).await?;
    let task = asked.complete(said.result, said.version).await?;
    answer::one(StatusCode::OK, &task)
}

/// Reopen a task
///
/// What is `afgerond` or `verlopen` is `open` again, with whoever had it. A deadline that has
/// passed becomes the end of the next business day.
#[utoipa::path(
    post, path = "/api/tasks/{id}/reopen", tag = "Tasks", operation_id = "reopen_task",
    params(("id" = String, Path, description = "Our id of the task.")),
    request_body(content = Seen, example = json!({"version": 4})),
    responses((status = 200, description = "The task.", body = One<Task>), StepErrors),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn reopen(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&shared, &caller, &id, &parts).await?;
    let said: Seen = optional(&shared, &parts, body).await?;
    let doer = &asked.doer;
    let opened = asked.step(said.version, Step::Reopened, |scene| {
        doer.may_touch(scene.task)?;
        let deadline = scene.settings.hours.deadline(scene.at);
        Ok(scene.task.reopen(Some(deadline), scene.at)?)
    });
    answer::one(StatusCode::OK, &opened.await?)
}

/// What came of giving several tasks to somebody.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct AssignedMany {
    /// The tasks that were given, in the order asked for.
    changed: Vec<Task>,
    /// The rest of them.
    refused: Vec<NotAssigned>,
}

/// A task that was not given to somebody.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotAssigned {
    /// The id as it was sent.
    id: String,
    /// The code of the problem that it would have been by itself.
    reason: Code,
    /// The same as a sentence.
    detail: String,
}

/// Assign several tasks
///
/// Each by itself: what cannot be given is named, and the others are.
#[utoipa::path(
    post, path = "/api/tasks/assign", tag = "Tasks", operation_id = "assign_tasks",
    request_body(content = AssignManyRequest, example = json!({
        "task_ids": ["019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"], "agent_id": null,
        "queue": "Verkoop"
    })),
    responses(
        (status = 200, description = "What came of it.", body = One<AssignedMany>),
        AssignManyErrors,
    ),
    security(("key" = ["tasks:write"]), ("session" = [])),
)]
pub(crate) async fn assign_many(
    State(shared): State<Shared>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::TasksWrite)?;
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let doer = doer(&shared, &caller).await?;
    must_see_to_others(&doer)?;
    let said: AssignManyRequest = required(&shared, &parts, body).await?;
    if said.task_ids.is_empty() || said.task_ids.len() > MAX_ASSIGN {
        return Err(Problem::field("task_ids", "must have 1 to 100 entries"));
    }
    let bad = said.task_ids.iter().position(|id| uuid(id).is_none());
    if let Some(index) = bad {
        return Err(Problem::field(
            &format!("task_ids[{index}]"),
            "must be a UUID",
        ));
    }
    let (agent, queue) = destination(&shared, &caller, said.agent_id, said.queue).await?;
    let mut came = AssignedMany::default();
    let mut before = Vec::new();
    let mut seen = BTreeSet::new();
    for text in said.task_ids {
        let Some(id) = uuid(&text).map(TaskId).filter(|id| seen.insert(*id)) else {
            continue;
        };
        before.extend(shared.tasks.get(caller.app(), id).await);
        let asked = Asked {
            shared: &shared,
            caller: &caller,
            id,
            doer: doer.clone(),
        };
        match asked.assign(agent.clone(), queue.clone(), None).await {
            Ok(task) => came.changed.push(task),
            Err(TaskFault::Store(error)) => return Err(error.into()),
            Err(fault) => {
                let problem = Problem::from(fault);
                came.refused.push(NotAssigned {
                    id: text,
                    reason: problem.code(),
                    detail: problem.detail().to_owned(),
                });
            }
        }
    }
    Trace::of(&parts).before(&before);
    answer::one(StatusCode::OK, &came)
}
