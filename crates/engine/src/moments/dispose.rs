//! Dispositions: what came of a call, said for good, with the task that is left. Given twice they
//! are the same; corrected, they take a task back that nobody has touched. The task of a
//! disposition has an id made of the call and its kind, so that no call ever has two of one kind.

use switchhook_domain::Timestamp;
use switchhook_domain::event::EventDraft;
use switchhook_domain::id::{AgentId, CallId};
use switchhook_domain::moment::{Deed, MAX_NOTES, MAX_OUTCOME, MAX_SUBJECT, MomentText};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::task::{
    CallbackNumber, NewTask, Refusal, Step, Task, TaskAssignee, TaskKind, TaskPriority, TaskStatus,
};

use super::{Change, Found, MomentFault, Moments, TRIES, Writer, checked};
use crate::store::{App, TaskWrite, WorkSettings};
use crate::tasks::{self, TaskWish};
use crate::work_settings;

/// The result of a task that a correction took back.
const WITHDRAWN: &str = "Withdrawn: the outcome of the call was corrected.";
/// The longest name of a queue, in characters.
const MAX_QUEUE: usize = 200;

/// What somebody asks of the task beside the disposition. What is left out follows from outcome
/// and call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskAsked {
    /// What is to be done.
    pub kind: Option<TaskKind>,
    /// What it is about.
    pub subject: Option<String>,
    /// More about it.
    pub description: Option<String>,
    /// By when.
    pub deadline: Option<Timestamp>,
    /// How much it matters.
    pub priority: Option<TaskPriority>,
    /// The agent who is to do it.
    pub assignee: Option<AgentId>,
    /// The queue whose agents may take it.
    pub queue: Option<String>,
    /// The number to call, in any spelling.
    pub callback_number: Option<String>,
    /// Not before this time.
    pub preferred_from: Option<Timestamp>,
    /// Nor after this.
    pub preferred_to: Option<Timestamp>,
}

/// Whether a disposition that was given may be given again with other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Only by somebody who says which version they have seen.
    WithVersion,
    /// By anybody: the predecessor's clients know no versions.
    Always,
}

/// A disposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// What it was about.
    pub subject: String,
    /// The code of the outcome.
    pub outcome: String,
    /// Free text.
    pub notes: Option<String>,
    /// What is asked of the task.
    pub task: Option<TaskAsked>,
    /// The version they have seen.
    pub seen: Option<u32>,
    /// Whether it may correct another one.
    pub correction: Correction,
}

/// What came of a disposition.
#[derive(Clone, Debug)]
pub struct Disposed {
    /// The moment as it stands.
    pub found: Found,
    /// The task that is left, when one is.
    pub task: Option<Task>,
}

/// A disposition that may be given.
struct Said {
    text: MomentText,
    wish: Option<TaskWish>,
    settings: WorkSettings,
    seen: Option<u32>,
    correction: Correction,
}

impl Moments {
    /// Gives the disposition, or corrects the one given. The same again changes nothing and makes
    /// no second task.
    ///
    /// # Errors
    /// [`MomentFault`].
    pub async fn complete(
        &self,
        app: &App,
        id: CallId,
        writer: &Writer,
        given: Disposition,
    ) -> Result<Disposed, MomentFault> {
        let said = self.said(app, given).await?;
        let mut last = 0;
        for _ in 0..TRIES {
            let found = self.for_writer(app, id, writer).await?;
            last = found.moment.version;
            let now = self.now();
            let (text, wish) = (&said.text, said.wish.clone());
            let new = tasks::new_of_disposition(&found.call, text, wish, &said.settings, now);
            let known = match &new {
                Some(new) => self.store.task(app.id, new.id).await?,
                None => None,
            };
            let known = known.filter(|known| !is_withdrawn(known) || found.text() == said.text);
            if said.is_given(&found, new.as_ref(), known.as_ref())? {
                return Ok(Disposed { found, task: known });
            }
            let wanted = new.as_ref().map(|new| new.id);
            let change = self.change_of(app, &found, writer, &said, new).await?;
            if self.commit(app, &found, writer, change).await? {
                let found = self.find(app, found.call.id).await?;
                let task = match wanted {
                    Some(id) => self.store.task(app.id, id).await?,
                    None => None,
                };
                return Ok(Disposed { found, task });
            }
        }
        Err(MomentFault::Changed { version: last })
    }

    /// Reads a disposition.
    async fn said(&self, app: &App, given: Disposition) -> Result<Said, MomentFault> {
        let required = |name: &str| MomentFault::field(name, "must not be empty");
        let subject = checked(&given.subject, "subject", MAX_SUBJECT)?;
        let subject = subject.ok_or_else(|| required("subject"))?;
        let outcome = checked(&given.outcome, "outcome", MAX_OUTCOME)?;
        let outcome = outcome.ok_or_else(|| required("outcome"))?;
        let notes = given.notes.map(|notes| checked(&notes, "notes", MAX_NOTES));
        let notes = notes.transpose()?.flatten();
        let settings = self.settings(app.id).await?;
        if work_settings::task_of(&settings, &outcome).is_none() {
            return Err(MomentFault::UnknownOutcome(outcome));
        }
        let wish = match given.task {
            Some(asked) => Some(self.wish(app, asked).await?),
            None => None,
        };
        Ok(Said {
            text: MomentText {
                subject: Some(subject),
                outcome: Some(outcome),
                notes,
            },
            wish,
            settings,
            seen: given.seen,
            correction: given.correction,
        })
    }

    /// Reads what is asked of the task.
    async fn wish(&self, app: &App, asked: TaskAsked) -> Result<TaskWish, MomentFault> {
        let text = |text: Option<String>, name, most| {
            text.map_or(Ok(None), |text| checked(&text, name, most))
        };
        let assignee = match asked.assignee {
            None => None,
            Some(id) => {
                let roster = self.intake.agents().latest(app.id).await?;
                let agent = roster.get(id).filter(|agent| agent.active);
                let agent = agent.ok_or_else(|| {
                    let problem = "is not an active agent of this app";
                    MomentFault::field("task.assignee_agent_id", problem)
                })?;
                let name = agent.name.clone();
                Some(TaskAssignee { id, name })
            }
        };
        let callback = asked.callback_number.map(|typed| {
            let plan = NumberPlan::for_country(&app.country).unwrap_or_default();
            let number = PhoneNumber::parse(&typed, &plan);
            let canonical = number.canonical().map(str::to_owned);
            let canonical = canonical.ok_or_else(|| {
                let problem = "must be a telephone number or an extension";
                MomentFault::field("task.callback_number", problem)
            })?;
            let display = number.display(&app.country);
            Ok::<_, MomentFault>(CallbackNumber { canonical, display })
        });
        Ok(TaskWish {
            kind: asked.kind,
            subject: text(asked.subject, "task.subject", MAX_SUBJECT)?,
            description: text(asked.description, "task.description", MAX_NOTES)?,
            deadline: asked.deadline,
            priority: asked.priority,
            assignee,
            queue: text(asked.queue, "task.queue", MAX_QUEUE)?,
            callback: callback.transpose()?,
            preferred_from: asked.preferred_from,
            preferred_to: asked.preferred_to,
        })
    }

    /// What is to be written: the disposition, its task, and one that is taken back.
    async fn change_of(
        &self,
        app: &App,
        found: &Found,
        writer: &Writer,
        said: &Said,
        new: Option<NewTask>,
    ) -> Result<Change, MomentFault> {
        let (now, hours) = (self.now(), &said.settings.hours);
        let wanted = new.as_ref().map(|new| new.id);
        let mut written: Vec<(TaskWrite, Vec<EventDraft>)> = Vec::new();
        let last = match found.moment.task_id.filter(|id| Some(*id) != wanted) {
            Some(id) => self.store.task(app.id, id).await?,
            None => None,
        };
        if let Some(last) = last.filter(is_untouched) {
            let (by, why) = (writer.author.clone(), Some(WITHDRAWN.to_owned()));
            if let Ok(closed) = last.complete(why, by, None, now) {
                written.push(tasks::updated(&last, closed, Step::Completed, hours));
            }
        }
        if let Some(new) = new {
            match self.store.task(app.id, new.id).await? {
                None => {
                    new.check_times(now).map_err(|refusal| fault(&refusal))?;
                    let (write, event) =
                        tasks::created(new.made(writer.author.clone(), now), hours);
                    written.push((write, vec![event]));
                }
                Some(known) if is_withdrawn(&known) => {
                    if let Ok(again) = known.reopen(new.deadline, now) {
                        written.push(tasks::updated(&known, again, Step::Reopened, hours));
                    }
                }
                // Somebody has it in hand, or has done it.
                Some(_) => {}
            }
        }
        let mut change = Change::from(Deed::Complete(said.text.clone(), wanted));
        for (write, events) in written {
            change.tasks.push(write);
            change.events.extend(events);
        }
        Ok(change)
    }
}

impl Said {
    /// True when this very disposition was given already; refuses one that may not be given.
    fn is_given(
        &self,
        found: &Found,
        new: Option<&NewTask>,
        known: Option<&Task>,
    ) -> Result<bool, MomentFault> {
        let version = found.moment.version;
        let closed = found.is_closed();
        let same = closed && found.text() == self.text;
        if same && (new.is_none() || known.is_some()) {
            return Ok(true);
        }
        if self.seen.is_some_and(|seen| seen != version) {
            return Err(MomentFault::Changed { version });
        }
        let blind = self.seen.is_none() && self.correction == Correction::WithVersion;
        if closed && !same && blind {
            return Err(MomentFault::Completed { version });
        }
        Ok(false)
    }
}

/// Nobody has done anything with it.
fn is_untouched(task: &Task) -> bool {
    task.status == TaskStatus::Open && task.version == 1
}

fn is_withdrawn(task: &Task) -> bool {
    task.status == TaskStatus::Done && task.result.as_deref() == Some(WITHDRAWN)
}

fn fault(refusal: &Refusal) -> MomentFault {
    match refusal {
        Refusal::Deadline => MomentFault::field("task.deadline", "must lie ahead"),
        Refusal::PreferredTime => {
            MomentFault::field("task.preferred_to", "must be after `preferred_from`")
        }
        other => MomentFault::field("task", format!("cannot be made: {other}")),
    }
}
