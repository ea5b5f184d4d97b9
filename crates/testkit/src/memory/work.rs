//! Tasks and settings for wrap-up of the reference store.

use std::cmp::Reverse;

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::id::{AppId, TaskId};
use switchhook_domain::task::Task;
use switchhook_engine::store::{
    Assigned, COUNT_LIMIT, Changeset, StoreError, StoreResult, TaskQuery, TaskSort, WorkSettings,
    WorkStore,
};

use super::{All, MemoryStore, micros};

/// A task and when to look at it again.
#[derive(Clone, Debug)]
pub(super) struct StoredTask {
    task: Task,
    due_at: Option<Timestamp>,
}

impl All {
    /// Refuses tasks of another version than the one they were read with.
    pub(super) fn check_tasks(&self, change: &Changeset) -> StoreResult<()> {
        for write in &change.tasks {
            let known = self.tasks.get(&(change.app_id, write.task.id));
            if known.map(|known| known.task.version) != write.expected {
                return Err(StoreError::Conflict("task"));
            }
        }
        Ok(())
    }

    pub(super) fn write_tasks(&mut self, change: &Changeset) {
        for write in &change.tasks {
            let stored = StoredTask {
                task: write.task.clone(),
                due_at: write.due_at.map(micros),
            };
            self.tasks.insert((change.app_id, write.task.id), stored);
        }
    }
}

fn shows(query: &TaskQuery, task: &Task) -> bool {
    let whose = match query.assigned {
        None => true,
        Some(Assigned::Nobody) => task.assignee.is_none(),
        Some(Assigned::To(id)) => task.assignee.as_ref().is_some_and(|agent| agent.id == id),
    };
    let contact = task.contact.as_ref().map(|contact| contact.id);
    whose
        && (query.statuses.is_empty() || query.statuses.contains(&task.status))
        && (query.kinds.is_empty() || query.kinds.contains(&task.r#type))
        && (query.queue.is_none() || query.queue == task.queue)
        && (query.contact_id.is_none() || query.contact_id == contact)
        && (query.call_id.is_none() || query.call_id == task.call_id)
        && (query.number.is_none() || query.number == task.callback_number)
        && query
            .due_before
            .is_none_or(|before| task.deadline.is_some_and(|deadline| deadline < before))
}

#[async_trait]
impl WorkStore for MemoryStore {
    async fn task(&self, app: AppId, id: TaskId) -> StoreResult<Option<Task>> {
        Ok(self
            .all()
            .tasks
            .get(&(app, id))
            .map(|known| known.task.clone()))
    }

    async fn tasks(&self, app: AppId, query: &TaskQuery) -> StoreResult<(Vec<Task>, u64)> {
        let all = self.all();
        let own = all.tasks.iter().filter(|((owner, _), _)| *owner == app);
        let mut found: Vec<Task> = own
            .map(|(_, known)| known.task.clone())
            .filter(|task| shows(query, task))
            .collect();
        match query.sort {
            TaskSort::Deadline => found.sort_by_key(|task| {
                let deadline = (task.deadline.is_none(), task.deadline);
                (deadline, Reverse(task.priority), Reverse(task.id))
            }),
            TaskSort::Newest => found.sort_by_key(|task| Reverse((task.created_at, task.id))),
        }
        let total = u64::try_from(found.len())
            .unwrap_or(u64::MAX)
            .min(COUNT_LIMIT);
        let page = found.into_iter().skip(query.offset as usize);
        Ok((page.take(query.limit as usize).collect(), total))
    }

    async fn due_tasks(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<(AppId, Task)>> {
        let all = self.all();
        let mut due: Vec<_> = all
            .tasks
            .iter()
            .filter_map(|((app, id), known)| Some((known.due_at?, *id, *app, &known.task)))
            .filter(|(at, ..)| *at <= now)
            .collect();
        due.sort_by_key(|(at, id, ..)| (*at, *id));
        let due = due.into_iter().take(limit as usize);
        Ok(due.map(|(_, _, app, task)| (app, task.clone())).collect())
    }

    async fn work_settings(&self, app: AppId) -> StoreResult<Option<WorkSettings>> {
        Ok(self.all().work_settings.get(&app).cloned())
    }

    async fn put_work_settings(&self, app: AppId, settings: &WorkSettings) -> StoreResult<()> {
        let mut all = self.all();
        all.app_must_exist(app)?;
        all.work_settings.insert(app, settings.clone());
        Ok(())
    }
}
