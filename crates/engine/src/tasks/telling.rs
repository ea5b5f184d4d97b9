//! What goes with a written task: the event that tells of it and when to look at it again. Pure;
//! whoever commits a task takes both from here, so that the same is told and kept everywhere.

use serde::Serialize;
use serde_json::value::RawValue;
use switchhook_domain::Timestamp;
use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::hours::BusinessHours;
use switchhook_domain::task::{Step, Task, TaskStatus};

use crate::store::TaskWrite;

#[derive(Serialize)]
struct Told<'a> {
    task: &'a Task,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

fn draft(kind: EventType, task: &Task, reason: Option<&'static str>) -> EventDraft {
    // Nothing of a task can fail to be JSON; an event without its payload is better than none.
    let data = serde_json::value::to_raw_value(&Told { task, reason });
    let empty = || RawValue::from_string("{}".to_owned()).unwrap_or_default();
    EventDraft {
        kind,
        call_id: task.call_id,
        at: task.updated_at,
        data: data.unwrap_or_else(|_| empty()),
    }
}

/// A new task to be written, and the event that tells of it. Both belong into one changeset.
#[must_use]
pub fn created(task: Task, hours: &BusinessHours) -> (TaskWrite, EventDraft) {
    let event = draft(EventType::TaskCreated, &task, None);
    let write = TaskWrite {
        due_at: due_at(&task, hours),
        task,
        expected: None,
    };
    (write, event)
}

/// A changed task to be written, and the events that tell of it. A change that comes after the
/// deadline and before anybody has told of that tells it first, since the task will look as if
/// it had been told.
#[must_use]
pub fn updated(
    before: &Task,
    after: Task,
    step: Step,
    hours: &BusinessHours,
) -> (TaskWrite, Vec<EventDraft>) {
    let mut events = Vec::new();
    let missed = before.status.is_open()
        && step != Step::Overdue
        && before
            .deadline
            .is_some_and(|deadline| before.updated_at < deadline && deadline <= after.updated_at);
    if missed {
        let reason = Some(Step::Overdue.as_str());
        events.push(EventDraft {
            at: after.updated_at,
            ..draft(EventType::TaskUpdated, before, reason)
        });
    }
    events.push(draft(EventType::TaskUpdated, &after, Some(step.as_str())));
    let write = TaskWrite {
        due_at: due_at(&after, hours),
        expected: Some(before.version),
        task: after,
    };
    (write, events)
}

/// True when nobody has told yet that its deadline has passed.
pub(super) fn is_untold(task: &Task) -> bool {
    task.deadline
        .is_some_and(|deadline| task.updated_at < deadline)
}

/// When a task that has passed its deadline is given up: at the end of the business day after the
/// deadline, or after the last change if that came later. `None` for what an agent has, and for
/// what has no deadline: these are never given up by themselves.
pub(super) fn expires_at(task: &Task, hours: &BusinessHours) -> Option<Timestamp> {
    let deadline = task.deadline?;
    let free = task.status == TaskStatus::Open && task.assignee.is_none();
    free.then(|| hours.deadline(deadline.max(task.updated_at)))
}

/// When to look at a task again: at its deadline, and when it is given up.
pub(super) fn due_at(task: &Task, hours: &BusinessHours) -> Option<Timestamp> {
    if !task.status.is_open() {
        return None;
    }
    if is_untold(task) {
        return task.deadline;
    }
    expires_at(task, hours)
}
