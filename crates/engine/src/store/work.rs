//! The agent's work as stored: follow-up tasks and an app's settings for wrap-up. Tasks are written
//! with [`Changeset::tasks`](super::Changeset::tasks), in one transaction with the events that tell
//! of them and with the disposition they came of. Contact moments are part of their call and have
//! no store of their own.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::hours::BusinessHours;
use switchhook_domain::id::{AgentId, AppId, CallId, ContactId, TaskId};
use switchhook_domain::task::{Task, TaskKind, TaskStatus};

use super::StoreResult;

/// A task to be written, as part of a changeset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskWrite {
    /// The task as it shall be.
    pub task: Task,
    /// The version it was read with; `None`: it is new. Another version in the store refuses the
    /// whole changeset with [`StoreError::Conflict`](super::StoreError::Conflict).
    pub expected: Option<u32>,
    /// When it should be looked at again; `None`: never.
    pub due_at: Option<Timestamp>,
}

/// Whose tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// This agent's.
    To(AgentId),
    /// Nobody's yet.
    Nobody,
}

/// What a list of tasks is sorted by; the same value: the greater id first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSort {
    /// The earliest deadline first, then the highest priority; those without a deadline last.
    #[default]
    Deadline,
    /// The newest first.
    Newest,
}

/// Which tasks a list should show. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Any of these; empty for all.
    pub statuses: Vec<TaskStatus>,
    /// Any of these; empty for all.
    pub kinds: Vec<TaskKind>,
    /// Whose.
    pub assigned: Option<Assigned>,
    /// Of this queue.
    pub queue: Option<String>,
    /// About this contact.
    pub contact_id: Option<ContactId>,
    /// That came of this call.
    pub call_id: Option<CallId>,
    /// To call this number, canonical form.
    pub number: Option<String>,
    /// Whose deadline is before this.
    pub due_before: Option<Timestamp>,
    /// The order.
    pub sort: TaskSort,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many to pass over.
    pub offset: u32,
}

/// An outcome an app has beside the six that every app has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomOutcome {
    /// What it is called on the wire, such as `sold`.
    pub code: String,
    /// What people read.
    pub label: String,
    /// The task that comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskKind>,
}

/// How an app's agents work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkSettings {
    /// Outcomes beside the six that every app has.
    pub outcomes: Vec<CustomOutcome>,
    /// The queue to which escalated calls go.
    pub escalation_queue: Option<String>,
    /// How long an agent is left in wrap-up after a call, in seconds; 0: not at all.
    pub wrap_up_seconds: u32,
    /// False: agents in wrap-up place no calls. By default they may, for a call-back is often the
    /// first thing to be done.
    pub dial_in_wrap_up: bool,
    /// False: nothing pops.
    pub screen_pop_enabled: bool,
    /// How long screens wait before they show a caller, in milliseconds; the call itself is shown
    /// at once.
    pub screen_pop_delay_ms: u32,
    /// False: nobody dials with a click.
    pub click_to_dial_enabled: bool,
    /// When somebody is there.
    pub hours: BusinessHours,
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self {
            outcomes: Vec::new(),
            escalation_queue: None,
            wrap_up_seconds: 180,
            dial_in_wrap_up: true,
            screen_pop_enabled: true,
            screen_pop_delay_ms: 0,
            click_to_dial_enabled: true,
            hours: BusinessHours::default(),
        }
    }
}

/// Tasks and settings that last.
#[async_trait]
pub trait WorkStore: Send + Sync {
    /// One task.
    async fn task(&self, app: AppId, id: TaskId) -> StoreResult<Option<Task>>;

    /// A list of tasks, and the capped total ([`COUNT_LIMIT`](super::COUNT_LIMIT)).
    async fn tasks(&self, app: AppId, query: &TaskQuery) -> StoreResult<(Vec<Task>, u64)>;

    /// Tasks of all apps whose `due_at` has passed, the longest ago first.
    async fn due_tasks(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(AppId, Task)>>;

    /// How an app's agents work; `None` when it has said nothing.
    async fn work_settings(&self, app: AppId) -> StoreResult<Option<WorkSettings>>;

    /// Stores how an app's agents work.
    async fn put_work_settings(&self, app: AppId, settings: &WorkSettings) -> StoreResult<()>;
}
