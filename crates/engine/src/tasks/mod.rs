//! Follow-up tasks: reading, making and changing them. What may follow what is the domain's
//! ([`switchhook_domain::task::life`]); here is who may do it, and that it is written once, in one
//! transaction with the event that tells of it. The task of a disposition is [`of_disposition`],
//! deadlines that pass are looked after by [`overdue`].

use std::sync::Arc;

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AgentId, AppId, IdMint, TaskId};
use switchhook_domain::moment::Author;
use switchhook_domain::task::{NewTask, Refusal, Step, Task, TaskAssignee};

use crate::intake::Intake;
use crate::store::{Changeset, Store, StoreError, StoreResult, TaskQuery, WorkSettings};

mod disposition;
pub mod overdue;
mod telling;

pub use disposition::{
    CALLBACK, ESCALATED, TaskWish, kind_of_outcome, new_of_disposition, of_disposition, outside,
};
pub use telling::{created, updated};

/// How often a change is tried again when somebody else was faster.
const TRIES: u32 = 8;

/// Why nothing was done to a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskFault {
    /// There is no such task in this app.
    #[error("task not found")]
    NotFound,
    /// Somebody was faster; the version it has now.
    #[error("the task has changed")]
    Changed(u32),
    /// It is in no state for this; the version it has now.
    #[error("{0}")]
    Refused(Refusal, u32),
    /// It is another agent's.
    #[error("the task is another agent's")]
    NotYours,
    /// Others change it all the time.
    #[error("the task is being changed by others")]
    Busy,
    /// The database is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who does something to a task.
#[derive(Clone, Debug)]
pub struct Doer {
    /// As whom it is kept.
    pub by: Author,
    /// The agent they are, or for whom they do it.
    pub agent: Option<TaskAssignee>,
    /// True for those who may touch their own tasks only, and those that nobody has.
    pub own_only: bool,
}

impl Doer {
    fn is(&self, id: AgentId) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.id == id)
    }

    /// Refuses what another agent has.
    ///
    /// # Errors
    /// [`StepFault::NotYours`].
    pub fn may_touch(&self, task: &Task) -> Result<(), StepFault> {
        let other = |holder: &TaskAssignee| !self.is(holder.id);
        if self.own_only && task.assignee.as_ref().is_some_and(other) {
            return Err(StepFault::NotYours);
        }
        Ok(())
    }
}

/// What a step may look at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The task as it stands.
    pub task: &'a Task,
    /// How the app's agents work.
    pub settings: &'a WorkSettings,
    /// Now.
    pub at: Timestamp,
}

/// The tasks of all apps. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    store: Stored,
    intake: Intake,
}

/// The store, without its insides in debug output.
#[derive(Clone)]
struct Stored(Arc<dyn Store>);

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Tasks {
    /// The tasks of a store; changes are committed through `intake`, which counts their events.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, intake: Intake) -> Self {
        let store = Stored(store);
        Self { store, intake }
    }

    /// One task.
    ///
    /// # Errors
    /// When there is none of that id in the app, or the database is away.
    pub async fn get(&self, app: AppId, id: TaskId) -> Result<Task, TaskFault> {
        self.store.0.task(app, id).await?.ok_or(TaskFault::NotFound)
    }

    /// A list of tasks, and the capped total.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn list(&self, app: AppId, query: &TaskQuery) -> StoreResult<(Vec<Task>, u64)> {
        self.store.0.tasks(app, query).await
    }

    /// How an app's agents work; as usual where it has said nothing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn settings(&self, app: AppId) -> StoreResult<WorkSettings> {
        Ok(self.store.0.work_settings(app).await?.unwrap_or_default())
    }

    /// Now, by our clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.intake.clock().now()
    }

    /// A new task's id.
    #[must_use]
    pub fn new_id(&self) -> TaskId {
        TaskId(IdMint::new(self.now(), self.intake.entropy().random()).uuid())
    }

    /// Makes a task and tells of it.
    ///
    /// # Errors
    /// When its times make no sense, or the database is away.
    pub async fn create(&self, app: AppId, new: NewTask, by: Author) -> Result<Task, TaskFault> {
        let at = self.now();
        new.check_times(at)
            .map_err(|refusal| TaskFault::Refused(refusal, 0))?;
        let settings = self.settings(app).await?;
        let task = new.made(by, at);
        let (write, event) = created(task.clone(), &settings.hours);
        let mut changeset = self.changeset(app, at);
        changeset.tasks.push(write);
        changeset.events.push(event);
        self.intake.commit(changeset).await?;
        Ok(task)
    }

    /// Takes a step with a task and tells of it; a step that changes nothing is not told. With
    /// `seen` it is taken only with the version that was seen; without, it is tried again on what
    /// somebody else made of the task meanwhile.
    ///
    /// # Errors
    /// When there is no such task, it has changed, the step is refused, or the database is away.
    pub async fn change<F>(
        &self,
        app: AppId,
        id: TaskId,
        seen: Option<u32>,
        step: Step,
        change: F,
    ) -> Result<Task, TaskFault>
    where
        F: Fn(&Scene<'_>) -> Result<Task, StepFault>,
    {
        let settings = self.settings(app).await?;
        for _ in 0..TRIES {
            let task = self.get(app, id).await?;
            if seen.is_some_and(|seen| seen != task.version) {
                return Err(TaskFault::Changed(task.version));
            }
            let at = self.now();
            let scene = Scene {
                task: &task,
                settings: &settings,
                at,
            };
            let after = change(&scene).map_err(|fault| match fault {
                StepFault::Refused(refusal) => TaskFault::Refused(refusal, task.version),
                StepFault::NotYours => TaskFault::NotYours,
            })?;
            if after == task {
                return Ok(task);
            }
            let (write, events) = updated(&task, after.clone(), step, &settings.hours);
            let mut changeset = self.changeset(app, at);
            changeset.tasks.push(write);
            changeset.events = events;
            match self.intake.commit(changeset).await {
                Ok(_) => return Ok(after),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TaskFault::Busy)
    }

    fn changeset(&self, app_id: AppId, at: Timestamp) -> Changeset {
        empty(app_id, at, self.intake.entropy().random())
    }
}

/// A changeset that changes nothing yet.
fn empty(app_id: AppId, at: Timestamp, random: u128) -> Changeset {
    Changeset {
        app_id,
        at,
        random,
        notification: None,
        fold: None,
        tasks: Vec::new(),
        events: Vec::new(),
        link: None,
    }
}

/// Why a step is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepFault {
    /// The task is in no state for it.
    Refused(Refusal),
    /// It is another agent's.
    NotYours,
}

impl From<Refusal> for StepFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
