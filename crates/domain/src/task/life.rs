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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::id::AgentId;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_795_312_000 + minutes * 60).unwrap()
    }

    fn agent(number: u128) -> TaskAssignee {
        TaskAssignee {
            id: AgentId(Uuid::from_u128(number)),
            name: format!("agent {number}"),
        }
    }

    fn new() -> NewTask {
        NewTask {
            id: TaskId(Uuid::from_u128(9)),
            kind: TaskKind::CallBack,
            subject: "Offerte".to_owned(),
            description: None,
            priority: TaskPriority::Normal,
            deadline: Some(at(60)),
            assignee: None,
            queue: Some("Verkoop".to_owned()),
            contact: None,
            call_id: None,
            callback: None,
            preferred_from: None,
            preferred_to: None,
            source: TaskSource::Hand,
        }
    }

    fn task() -> Task {
        new().made(Author::SYSTEM, at(0))
    }

    fn tried(task: &Task, result: AttemptResult, agent: Option<&TaskAssignee>) -> Task {
        let attempt = Attempt {
            at: at(1),
            result,
            notes: None,
            by: Author::SYSTEM,
        };
        task.attempt(attempt, agent).unwrap()
    }

    #[test]
    fn the_second_to_claim_is_told_who_was_first() {
        let first = task().claim(&agent(1), at(1)).unwrap();
        assert_eq!(
            (first.status, first.version),
            (TaskStatus::InProgress, 2),
            "{first:?}"
        );
        assert_eq!(first.assignee, Some(agent(1)));
        assert_eq!(first.queue.as_deref(), Some("Verkoop"));
        let second = first.claim(&agent(2), at(2));
        assert_eq!(second, Err(Refusal::Claimed(agent(1))));
        // Once more by the same changes nothing.
        assert_eq!(first.claim(&agent(1), at(2)), Ok(first));
    }

    #[test]
    fn what_is_given_back_is_open_to_everybody() {
        let taken = task().claim(&agent(1), at(1)).unwrap();
        let back = taken.release(at(2)).unwrap();
        assert_eq!((back.status, &back.assignee), (TaskStatus::Open, &None));
        assert_eq!(back.release(at(3)), Err(Refusal::Free));
        assert!(back.claim(&agent(2), at(3)).is_ok());
    }

    #[test]
    fn who_gets_a_task_has_it_not_in_hand_yet() {
        let taken = task().claim(&agent(1), at(1)).unwrap();
        let given = taken.assign(Some(agent(2)), None, at(2)).unwrap();
        assert_eq!(
            (given.status, &given.assignee),
            (TaskStatus::Open, &Some(agent(2)))
        );
        assert_eq!(given.queue.as_deref(), Some("Verkoop"));
        let claimed = given.claim(&agent(2), at(3)).unwrap();
        assert_eq!(claimed.status, TaskStatus::InProgress);
        // To whom has it already: nothing changes, in hand it stays.
        assert_eq!(
            claimed.assign(Some(agent(2)), None, at(4)).as_ref(),
            Ok(&claimed)
        );
        let queued = claimed.assign(None, Some(None), at(5)).unwrap();
        assert_eq!(
            (queued.status, queued.assignee, queued.queue),
            (TaskStatus::Open, None, None)
        );
    }

    #[test]
    fn three_tries_in_vain_suggest_to_give_up() {
        use AttemptResult::{NoAnswer, NotReached, Reached, Voicemail};
        let mut now = task();
        for (result, suggests) in [
            (NoAnswer, false),
            (Voicemail, false),
            (NotReached, true),
            (NoAnswer, true),
            (Reached, false),
            (NoAnswer, false),
            (NoAnswer, false),
            (NoAnswer, true),
        ] {
            now = tried(&now, result, None);
            assert_eq!(now.suggest_close, suggests, "{:?}", now.attempts.len());
            assert!(now.status.is_open(), "no try completes a task");
        }
        assert_eq!(now.attempts.len(), 8);
        // Tried by nobody of the agents: nobody has it in hand.
        assert_eq!((now.status, now.assignee), (TaskStatus::Open, None));
    }

    #[test]
    fn who_tries_what_nobody_has_takes_it_in_hand() {
        let own = tried(&task(), AttemptResult::NoAnswer, Some(&agent(1)));
        assert_eq!(
            (own.status, &own.assignee),
            (TaskStatus::InProgress, &Some(agent(1)))
        );
        let other = tried(&own, AttemptResult::NoAnswer, Some(&agent(2)));
        assert_eq!(other.assignee, Some(agent(1)));
    }

    #[test]
    fn a_task_keeps_so_many_tries_and_no_more() {
        let mut now = task();
        for _ in 0..MAX_ATTEMPTS {
            now = tried(&now, AttemptResult::NoAnswer, None);
        }
        let attempt = now.attempts[0].clone();
        assert_eq!(now.attempt(attempt, None), Err(Refusal::TooManyAttempts));
    }

    #[test]
    fn done_and_given_up_can_be_opened_again() {
        let by = Author::SYSTEM;
        let done = task()
            .complete(Some("ja".to_owned()), by, Some(&agent(1)), at(5))
            .unwrap();
        assert_eq!(done.status, TaskStatus::Done);
        assert_eq!(done.assignee, Some(agent(1)), "it was done by somebody");
        assert_eq!(done.completed_at, Some(at(5)));
        assert_eq!(done.result.as_deref(), Some("ja"));
        assert_eq!(
            done.claim(&agent(1), at(6)),
            Err(Refusal::Over(TaskStatus::Done))
        );
        let given_up = task().expire(at(90)).unwrap();
        assert_eq!(given_up.status, TaskStatus::Expired);
        assert_eq!(
            given_up.expire(at(91)),
            Err(Refusal::Over(TaskStatus::Expired))
        );
        for (over, deadline) in [(done, Some(at(60))), (given_up, Some(at(500)))] {
            let now = over.completed_at.unwrap();
            let open = over.reopen(Some(at(500)), now).unwrap();
            assert_eq!(open.status, TaskStatus::Open);
            assert_eq!(
                (open.completed_at, &open.completed_by, &open.result),
                (None, &None, &None)
            );
            assert_eq!(open.assignee, over.assignee);
            assert_eq!(open.deadline, deadline, "one that lies ahead stays");
            assert_eq!(
                open.reopen(None, now),
                Err(Refusal::NotOver(TaskStatus::Open))
            );
        }
    }

    #[test]
    fn times_that_make_no_sense_are_refused() {
        let late = NewTask {
            deadline: Some(at(0)),
            ..new()
        };
        assert_eq!(late.check_times(at(0)), Err(Refusal::Deadline));
        assert_eq!(new().check_times(at(0)), Ok(()));
        let twisted = NewTask {
            preferred_from: Some(at(3)),
            preferred_to: Some(at(3)),
            ..new()
        };
        assert_eq!(twisted.check_times(at(0)), Err(Refusal::PreferredTime));
        let edit = |deadline| TaskEdit {
            deadline: Some(deadline),
            ..TaskEdit::default()
        };
        let task = task();
        assert_eq!(task.edit(edit(Some(at(5))), at(5)), Err(Refusal::Deadline));
        assert_eq!(task.edit(edit(None), at(5)).unwrap().deadline, None);
        // The one it has may be sent back, though it has passed.
        let same = task.edit(edit(task.deadline), at(90));
        assert_eq!(same.as_ref(), Ok(&task));
        let window = TaskEdit {
            preferred_to: Some(Some(at(1))),
            preferred_from: Some(Some(at(2))),
            ..TaskEdit::default()
        };
        assert_eq!(task.edit(window, at(5)), Err(Refusal::PreferredTime));
    }

    #[derive(Clone, Copy, Debug)]
    enum Do {
        Claim(u128),
        Release,
        Assign(Option<u128>),
        Try(bool, Option<u128>),
        Complete(Option<u128>),
        Reopen,
        Expire,
        Overdue,
        Edit,
    }

    fn deeds() -> impl Strategy<Value = Vec<Do>> {
        let who = || proptest::option::of(1_u128..4);
        let one = prop_oneof![
            (1_u128..4).prop_map(Do::Claim),
            Just(Do::Release),
            who().prop_map(Do::Assign),
            (any::<bool>(), who()).prop_map(|(reached, who)| Do::Try(reached, who)),
            who().prop_map(Do::Complete),
            Just(Do::Reopen),
            Just(Do::Expire),
            Just(Do::Overdue),
            Just(Do::Edit),
        ];
        proptest::collection::vec(one, 0..40)
    }

    fn done(task: &Task, what: Do, now: Timestamp) -> Result<Task, Refusal> {
        let by = Author::SYSTEM;
        match what {
            Do::Claim(who) => task.claim(&agent(who), now),
            Do::Release => task.release(now),
            Do::Assign(who) => task.assign(who.map(agent), None, now),
            Do::Try(reached, who) => {
                let result = match reached {
                    true => AttemptResult::Reached,
                    false => AttemptResult::NoAnswer,
                };
                let attempt = Attempt {
                    at: now,
                    result,
                    notes: None,
                    by,
                };
                task.attempt(attempt, who.map(agent).as_ref())
            }
            Do::Complete(who) => task.complete(None, by, who.map(agent).as_ref(), now),
            Do::Reopen => task.reopen(Some(now), now),
            Do::Expire => task.expire(now),
            Do::Overdue => task.overdue(now),
            Do::Edit => {
                let edit = TaskEdit {
                    subject: Some(now.to_string()),
                    ..TaskEdit::default()
                };
                task.edit(edit, now)
            }
        }
    }

    proptest! {
        /// Whatever is done, in whatever order: a change is one version more, nothing else is
        /// none; what is in hand has somebody; what is over says when and what is not does not.
        #[test]
        fn a_task_always_makes_sense(deeds in deeds()) {
            let mut now = task();
            for (minute, what) in deeds.into_iter().enumerate() {
                let when = at(minute as i64 + 1);
                let was_open = now.status.is_open();
                let Ok(next) = done(&now, what, when) else { continue };
                if next == now {
                    continue;
                }
                prop_assert_eq!(next.version, now.version + 1);
                prop_assert_eq!(next.updated_at, when);
                prop_assert_eq!(next.created_at, now.created_at);
                prop_assert!(was_open || matches!(what, Do::Reopen));
                let in_hand = next.status == TaskStatus::InProgress;
                prop_assert!(!in_hand || next.assignee.is_some());
                let over = !next.status.is_open();
                prop_assert_eq!(next.completed_at.is_some(), over);
                prop_assert_eq!(next.completed_by.is_some(), over);
                prop_assert!(over || next.result.is_none());
                now = next;
            }
        }
    }
}
