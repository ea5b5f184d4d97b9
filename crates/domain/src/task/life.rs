//! The life of a task: open, in hand, done or given up, and open again. Every step is a function
//! of the task, what is asked and when; it gives the task as it shall be, or says why not. Nothing
//! here knows who may do what, nor the clock.

use super::{
    Attempt, AttemptResult, MAX_ATTEMPTS, Task, TaskAssignee, TaskContact, TaskKind, TaskPriority,
    TaskSource, TaskStatus, VAIN_ATTEMPTS,
};
use crate::Timestamp;
use crate::id::{CallId, TaskId};
use crate::moment::Author;

/// Why a step was not taken. The task stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is done or given up; it would have to be opened again first.
    #[error("the task is over")]
    Over(TaskStatus),
    /// It is not over, so there is nothing to open again.
    #[error("the task is not over")]
    NotOver(TaskStatus),
    /// Somebody else has it.
    #[error("the task has been claimed by somebody else")]
    Claimed(TaskAssignee),
    /// Nobody has it, so nobody can give it back.
    #[error("nobody has the task")]
    Free,
    /// It keeps as many tries as a task can.
    #[error("the task has {MAX_ATTEMPTS} attempts already")]
    TooManyAttempts,
    /// The preferred time would end before it begins.
    #[error("the preferred time ends before it begins")]
    PreferredTime,
    /// The deadline has passed already.
    #[error("the deadline has passed already")]
    Deadline,
}

/// What happened to a task, as `task.updated` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An agent took it.
    Claimed,
    /// It was given back.
    Released,
    /// It was given to an agent or a queue, or taken from one.
    Assigned,
    /// Somebody tried to reach the other side.
    Attempt,
    /// It is done.
    Completed,
    /// It was opened again.
    Reopened,
    /// What it says was changed.
    Edited,
    /// Its deadline has passed.
    Overdue,
    /// It was given up.
    Expired,
}

impl Step {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::Assigned => "assigned",
            Self::Attempt => "attempt",
            Self::Completed => "completed",
            Self::Reopened => "reopened",
            Self::Edited => "edited",
            Self::Overdue => "overdue",
            Self::Expired => "expired",
        }
    }
}

/// A number to call back, as it is kept and as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackNumber {
    /// E.164 or an extension.
    pub canonical: String,
    /// As a person of the app's country reads it.
    pub display: String,
}

/// What a new task says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub kind: TaskKind,
    /// What it is about, within [`super::MAX_SUBJECT`].
    pub subject: String,
    /// More about it, within [`super::MAX_TEXT`].
    pub description: Option<String>,
    /// How much it matters.
    pub priority: TaskPriority,
    /// By when.
    pub deadline: Option<Timestamp>,
    /// The agent who is to do it.
    pub assignee: Option<TaskAssignee>,
    /// The queue whose agents may take it.
    pub queue: Option<String>,
    /// The contact it is about.
    pub contact: Option<TaskContact>,
    /// The call it came of.
    pub call_id: Option<CallId>,
    /// The number to call.
    pub callback: Option<CallbackNumber>,
    /// Not before this time.
    pub preferred_from: Option<Timestamp>,
    /// Nor after this.
    pub preferred_to: Option<Timestamp>,
    /// Where it comes from.
    pub source: TaskSource,
}

/// What of a task is to be changed; `None` leaves it, `Some(None)` empties it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskEdit {
    /// What it is about, within [`super::MAX_SUBJECT`].
    pub subject: Option<String>,
    /// More about it, within [`super::MAX_TEXT`].
    pub description: Option<Option<String>>,
    /// How much it matters.
    pub priority: Option<TaskPriority>,
    /// By when; a new one must lie ahead.
    pub deadline: Option<Option<Timestamp>>,
    /// The number to call.
    pub callback: Option<Option<CallbackNumber>>,
    /// Not before this time.
    pub preferred_from: Option<Option<Timestamp>>,
    /// Nor after this.
    pub preferred_to: Option<Option<Timestamp>>,
}

/// Times as they are stored: what lies beneath a microsecond is cut off.
fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn times_fit(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<(), Refusal> {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => Err(Refusal::PreferredTime),
        _ => Ok(()),
    }
}

impl NewTask {
    /// Refuses times that make no sense for a task that is made now.
    ///
    /// # Errors
    /// A deadline that is not ahead, or a preferred time that ends before it begins.
    pub fn check_times(&self, at: Timestamp) -> Result<(), Refusal> {
        if self.deadline.is_some_and(|deadline| deadline <= at) {
            return Err(Refusal::Deadline);
        }
        times_fit(self.preferred_from, self.preferred_to)
    }

    /// The task, made by somebody at that time.
    #[must_use]
    pub fn made(self, by: Author, at: Timestamp) -> Task {
        let at = micros(at);
        let (number, display) = split(self.callback);
        Task {
            id: self.id,
            version: 1,
            r#type: self.kind,
            status: TaskStatus::Open,
            priority: self.priority,
            subject: self.subject,
            description: self.description,
            deadline: self.deadline.map(micros),
            assignee: self.assignee,
            queue: self.queue,
            contact: self.contact,
            call_id: self.call_id,
            callback_number: number,
            callback_display: display,
            preferred_from: self.preferred_from.map(micros),
            preferred_to: self.preferred_to.map(micros),
            source: self.source,
            attempts: Vec::new(),
            suggest_close: false,
            created_at: at,
            created_by: by,
            updated_at: at,
            completed_at: None,
            completed_by: None,
            result: None,
        }
    }
}

fn split(number: Option<CallbackNumber>) -> (Option<String>, Option<String>) {
    number
        .map(|number| (number.canonical, number.display))
        .unzip()
}

impl Task {
    fn must_be_open(&self) -> Result<(), Refusal> {
        if self.status.is_open() {
            return Ok(());
        }
        Err(Refusal::Over(self.status))
    }

    /// The same a version later; as it was where nothing is different.
    fn next(&self, at: Timestamp, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        if next != *self {
            next.version = self.version.saturating_add(1);
            next.updated_at = micros(at);
        }
        next
    }

    /// An agent takes it in hand. Who has it already keeps it, and nothing changes.
    ///
    /// # Errors
    /// When it is over, or somebody else has it.
    pub fn claim(&self, agent: &TaskAssignee, at: Timestamp) -> Result<Self, Refusal> {
        self.must_be_open()?;
        if let Some(holder) = self.assignee.as_ref().filter(|own| own.id != agent.id) {
            return Err(Refusal::Claimed(holder.clone()));
        }
        Ok(self.next(at, |task| task.take(agent)))
    }

    fn take(&mut self, agent: &TaskAssignee) {
        self.status = TaskStatus::InProgress;
        self.assignee.get_or_insert_with(|| agent.clone());
    }

    /// It is given back: open to everybody, or to its queue.
    ///
    /// # Errors
    /// When it is over, or nobody has it.
    pub fn release(&self, at: Timestamp) -> Result<Self, Refusal> {
        self.must_be_open()?;
        if self.assignee.is_none() && self.status == TaskStatus::Open {
            return Err(Refusal::Free);
        }
        Ok(self.next(at, |task| {
            task.assignee = None;
            task.status = TaskStatus::Open;
        }))
    }

    /// It is given to an agent, or to nobody; with `queue` also to a queue, or to none. An agent
    /// who gets it has it not in hand yet.
    ///
    /// # Errors
    /// When it is over.
    pub fn assign(
        &self,
        agent: Option<TaskAssignee>,
        queue: Option<Option<String>>,
        at: Timestamp,
    ) -> Result<Self, Refusal> {
        self.must_be_open()?;
        Ok(self.next(at, |task| {
            let id = |one: &Option<TaskAssignee>| one.as_ref().map(|agent| agent.id);
            if id(&agent) != id(&task.assignee) {
                task.assignee = agent;
                task.status = TaskStatus::Open;
            }
            if let Some(queue) = queue {
                task.queue = queue;
            }
        }))
    }

    /// Somebody tried to reach the other side. An agent who tries what nobody has takes it in
    /// hand. That somebody was reached does not complete it: there may be more to do.
    ///
    /// # Errors
    /// When it is over, or keeps as many tries as it can.
    pub fn attempt(&self, attempt: Attempt, agent: Option<&TaskAssignee>) -> Result<Self, Refusal> {
        self.must_be_open()?;
        if self.attempts.len() >= MAX_ATTEMPTS {
            return Err(Refusal::TooManyAttempts);
        }
        let attempt = Attempt {
            at: micros(attempt.at),
            ..attempt
        };
        Ok(self.next(attempt.at, |task| {
            let own = |holder: &TaskAssignee| agent.is_some_and(|agent| agent.id == holder.id);
            if let Some(agent) = agent
                && task.assignee.as_ref().is_none_or(own)
            {
                task.take(agent);
            }
            task.attempts.push(attempt);
            task.suggest_close = task.is_in_vain();
        }))
    }

    /// True when the last tries were all in vain.
    fn is_in_vain(&self) -> bool {
        let reached = |attempt: &&Attempt| attempt.result == AttemptResult::Reached;
        let last = self.attempts.iter().rev();
        last.take_while(|attempt| !reached(attempt)).count() >= VAIN_ATTEMPTS
    }

    /// It is done. It stays with the agent who had it; what nobody had was done by `agent`.
    ///
    /// # Errors
    /// When it is over already.
    pub fn complete(
        &self,
        result: Option<String>,
        by: Author,
        agent: Option<&TaskAssignee>,
        at: Timestamp,
    ) -> Result<Self, Refusal> {
        self.must_be_open()?;
        Ok(self.next(at, |task| {
            if task.assignee.is_none() {
                task.assignee = agent.cloned();
            }
            task.status = TaskStatus::Done;
            task.completed_at = Some(micros(at));
            task.completed_by = Some(by);
            task.result = result;
        }))
    }

    /// It is open again, with whoever had it. A deadline that has passed becomes `deadline`, so
    /// that it is not given up at once.
    ///
    /// # Errors
    /// When it is not over.
    pub fn reopen(&self, deadline: Option<Timestamp>, at: Timestamp) -> Result<Self, Refusal> {
        if self.status.is_open() {
            return Err(Refusal::NotOver(self.status));
        }
        Ok(self.next(at, |task| {
            task.status = TaskStatus::Open;
            task.completed_at = None;
            task.completed_by = None;
            task.result = None;
            if task.deadline.is_some_and(|deadline| deadline <= at) {
                task.deadline = deadline.map(micros);
            }
        }))
    }

    /// It is given up: its time has passed.
    ///
    /// # Errors
    /// When it is over already.
    pub fn expire(&self, at: Timestamp) -> Result<Self, Refusal> {
        self.must_be_open()?;
        Ok(self.next(at, |task| {
            task.status = TaskStatus::Expired;
            task.completed_at = Some(micros(at));
            task.completed_by = Some(Author::SYSTEM);
        }))
    }

    /// It is told that its deadline has passed; a new version, so that it is told once.
    ///
    /// # Errors
    /// When it is over.
    pub fn overdue(&self, at: Timestamp) -> Result<Self, Refusal> {
        self.must_be_open()?;
        Ok(Self {
            version: self.version.saturating_add(1),
            updated_at: micros(at),
            ..self.clone()
        })
    }

    /// What it says is changed.
    ///
    /// # Errors
    /// When it is over, when a new deadline is not ahead, or when the preferred time would end
    /// before it begins.
    pub fn edit(&self, edit: TaskEdit, at: Timestamp) -> Result<Self, Refusal> {
        self.must_be_open()?;
        let deadline = edit.deadline.map(|deadline| deadline.map(micros));
        let new = deadline
            .flatten()
            .filter(|_| deadline != Some(self.deadline));
        if new.is_some_and(|deadline| deadline <= at) {
            return Err(Refusal::Deadline);
        }
        let next = self.next(at, |task| {
            put(&mut task.subject, edit.subject);
            put(&mut task.description, edit.description);
            put(&mut task.priority, edit.priority);
            put(&mut task.deadline, deadline);
            if let Some(callback) = edit.callback {
                (task.callback_number, task.callback_display) = split(callback);
            }
            put(
                &mut task.preferred_from,
                edit.preferred_from.map(|at| at.map(micros)),
            );
            put(
                &mut task.preferred_to,
                edit.preferred_to.map(|at| at.map(micros)),
            );
        });
        times_fit(next.preferred_from, next.preferred_to)?;
        Ok(next)
    }
}

fn put<T>(place: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *place = new;
    }
}
