//! Deadlines that pass. At its deadline a task is told to be overdue, once. What nobody has taken
//! by the end of the next business day is given up (`verlopen`); what an agent has is never given
//! up by itself. Several nodes may look at once: whoever writes first has told it, and the version
//! refuses the others. When a task is due is said in `telling.rs`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use switchhook_domain::Timestamp;
use switchhook_domain::hours::BusinessHours;
use switchhook_domain::id::AppId;
use switchhook_domain::task::{Step, Task};
use tokio_util::sync::CancellationToken;

use super::telling::{due_at, expires_at, is_untold};
use super::{empty, updated};
use crate::intake::Intake;
use crate::store::{Changeset, Store, StoreError, StoreResult, TaskWrite};

/// How often it looks.
pub const EVERY: Duration = Duration::from_secs(5);
/// How many tasks it takes at a time.
const BATCH: u32 = 200;

/// Looks until `stop`.
pub async fn run(store: &dyn Store, intake: &Intake, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = once(store, intake).await {
            tracing::warn!(%error, "cannot look at tasks that are due");
        }
    }
}

/// Looks once. Returns how many tasks were due.
///
/// # Errors
/// When the database is away; what was done is done.
pub async fn once(store: &dyn Store, intake: &Intake) -> StoreResult<usize> {
    let now = intake.clock().now();
    let due = store.due_tasks(now, BATCH).await?;
    let count = due.len();
    let mut hours: BTreeMap<AppId, BusinessHours> = BTreeMap::new();
    for (app, task) in due {
        let hours = match hours.entry(app) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(empty) => {
                let settings = store.work_settings(app).await?.unwrap_or_default();
                empty.insert(settings.hours)
            }
        };
        let nothing = empty(app, now, intake.entropy().random());
        match intake.commit(looked_at(task, hours, nothing)).await {
            Ok(_) => {}
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            // Somebody was faster, and has said when it is due again.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {}
            Err(error) => tracing::warn!(%error, "a task that is due cannot be written"),
        }
    }
    Ok(count)
}

/// What becomes of a task that is due. What has no reason to be, such as after other business
/// hours were set, is only put off.
fn looked_at(task: Task, hours: &BusinessHours, mut change: Changeset) -> Changeset {
    let now = change.at;
    let step = step(&task, hours, now);
    let after = match step {
        Some(Step::Overdue) => task.overdue(now).ok(),
        Some(Step::Expired) => task.expire(now).ok(),
        _ => None,
    };
    if let (Some(step), Some(after)) = (step, after) {
        let (write, events) = updated(&task, after, step, hours);
        change.tasks.push(write);
        change.events = events;
    } else {
        change.tasks.push(TaskWrite {
            expected: Some(task.version),
            due_at: due_at(&task, hours),
            task,
        });
    }
    change
}

/// What is to be told of a task now. One that was never told to be overdue is not given up
/// before, however long nobody has looked.
fn step(task: &Task, hours: &BusinessHours, now: Timestamp) -> Option<Step> {
    if !task.status.is_open() || task.deadline.is_none_or(|deadline| now < deadline) {
        return None;
    }
    if is_untold(task) {
        return Some(Step::Overdue);
    }
    let over = expires_at(task, hours).is_some_and(|at| at <= now);
    over.then_some(Step::Expired)
}
