//! The task that comes of a call's disposition, as a value: whoever writes the disposition puts
//! it into the same changeset. Its id follows from the call and the kind, so that a disposition
//! that is sent twice makes one task. Reads no clock and no store.

use switchhook_domain::Timestamp;
use switchhook_domain::call::{Call, PartyView};
use switchhook_domain::id::TaskId;
use switchhook_domain::moment::{Author, MomentText};
use switchhook_domain::signal::Direction;
use switchhook_domain::task::{
    CallbackNumber, NewTask, Task, TaskAssignee, TaskContact, TaskKind, TaskPriority, TaskSource,
};

use crate::store::WorkSettings;

/// What an agent says of the task beside the disposition; what is `None` is filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskWish {
    /// What is to be done; else what the outcome says.
    pub kind: Option<TaskKind>,
    /// Else the subject of the disposition.
    pub subject: Option<String>,
    /// Else the notes of the disposition.
    pub description: Option<String>,
    /// The time agreed; else the end of the next business day.
    pub deadline: Option<Timestamp>,
    /// Else as usual.
    pub priority: Option<TaskPriority>,
    /// Else nobody yet.
    pub assignee: Option<TaskAssignee>,
    /// Else the escalation queue for what is escalated, and the queue of the call for the rest
    /// that no agent gets.
    pub queue: Option<String>,
    /// Else the number of the outside party.
    pub callback: Option<CallbackNumber>,
    /// Not before this time.
    pub preferred_from: Option<Timestamp>,
    /// Nor after this.
    pub preferred_to: Option<Timestamp>,
}

/// The outcome that makes a call-back.
pub const CALLBACK: &str = "callback";
/// The outcome that makes a task for the escalation queue.
pub const ESCALATED: &str = "escalated";

/// The kind of task that an outcome makes; `None`: none.
#[must_use]
pub fn kind_of_outcome(outcome: &str, settings: &WorkSettings) -> Option<TaskKind> {
    match outcome {
        CALLBACK => Some(TaskKind::CallBack),
        ESCALATED => Some(TaskKind::FollowUp),
        other => {
            let own = settings.outcomes.iter().find(|own| own.code == other);
            own.and_then(|own| own.task)
        }
    }
}

/// The task that comes of a disposition; `None` when its outcome makes none and nobody wishes for
/// one. Times and texts are taken as they are: [`NewTask::check_times`] is for whoever reads them.
#[must_use]
pub fn of_disposition(
    call: &Call,
    said: &MomentText,
    wish: Option<TaskWish>,
    settings: &WorkSettings,
    by: &Author,
    at: Timestamp,
) -> Option<Task> {
    let new = new_of_disposition(call, said, wish, settings, at)?;
    Some(new.made(by.clone(), at))
}

/// The same before it is made, so that its times can be checked.
#[must_use]
pub fn new_of_disposition(
    call: &Call,
    said: &MomentText,
    wish: Option<TaskWish>,
    settings: &WorkSettings,
    at: Timestamp,
) -> Option<NewTask> {
    let outcome = said.outcome.as_deref().unwrap_or_default();
    let wished = wish.is_some();
    let wish = wish.unwrap_or_default();
    let kind = wish
        .kind
        .or_else(|| kind_of_outcome(outcome, settings))
        .or_else(|| wished.then_some(TaskKind::FollowUp))?;
    let queue = wish.queue.or_else(|| {
        if outcome == ESCALATED {
            settings.escalation_queue.clone()
        } else if wish.assignee.is_none() {
            call.queue.clone()
        } else {
            None
        }
    });
    let subject = wish.subject.or_else(|| said.subject.clone());
    let contact = call.contact.as_ref().map(|contact| TaskContact {
        id: contact.id,
        name: contact.name.clone(),
    });
    Some(NewTask {
        id: TaskId::of_disposition(call.id, kind.as_str()),
        kind,
        subject: subject.unwrap_or_else(|| kind.as_str().to_owned()),
        description: wish.description.or_else(|| said.notes.clone()),
        priority: wish.priority.unwrap_or(TaskPriority::Normal),
        deadline: wish.deadline.or_else(|| Some(settings.hours.deadline(at))),
        assignee: wish.assignee,
        queue,
        contact,
        call_id: Some(call.id),
        callback: wish.callback.or_else(|| outside(call)),
        preferred_from: wish.preferred_from,
        preferred_to: wish.preferred_to,
        source: TaskSource::Disposition,
    })
}

/// The number of the outside party: who was called on the way out, else who called.
#[must_use]
pub fn outside(call: &Call) -> Option<CallbackNumber> {
    let side: &Option<PartyView> = match call.direction {
        Some(Direction::Outbound) => &call.to,
        Some(Direction::Inbound | Direction::Internal) | None => &call.from,
    };
    let side = side.as_ref()?;
    let canonical = side.number.clone()?;
    let display = side.display.clone().unwrap_or_else(|| canonical.clone());
    Some(CallbackNumber { canonical, display })
}
