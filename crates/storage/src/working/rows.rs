//! The columns of calls and tasks that lists filter and sort by.

use switchhook_domain::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, AppId, CallId, ConnectionId, ContactId};
use switchhook_domain::task::TaskPriority;
use switchhook_engine::store::TaskWrite;
use uuid::Uuid;

use super::{Changed, Entry};
use crate::columns::{clean, direction_name, key, micros};

/// The narrow row of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallRow {
    pub(crate) app_id: AppId,
    pub(crate) id: CallId,
    pub(crate) connection_id: ConnectionId,
    pub(crate) platform: String,
    pub(crate) visible: bool,
    pub(crate) open: bool,
    pub(crate) status: String,
    pub(crate) direction: Option<String>,
    pub(crate) from_number: Option<String>,
    pub(crate) to_number: Option<String>,
    pub(crate) agent_extension: Option<String>,
    pub(crate) agent_user: Option<String>,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) agent_crm: Option<String>,
    /// Where its contact moment stands.
    pub(crate) moment: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) contact_id: Option<ContactId>,
    pub(crate) duration_seconds: Option<i64>,
    pub(crate) sort_at: i64,
    pub(crate) due_at: Option<i64>,
}

impl CallRow {
    /// The row of a changed call.
    pub(crate) fn new(app_id: AppId, entry: &Entry, changed: &Changed) -> Self {
        let call = &changed.call;
        let agent = call.agent.as_ref();
        let moment = call.contact_moment.as_ref();
        Self {
            app_id,
            id: call.id,
            connection_id: entry.state.connection_id,
            platform: clean(&call.platform).into_owned(),
            visible: changed.visible,
            open: entry.open,
            status: call.status.as_str().to_owned(),
            direction: call.direction.map(|d| direction_name(d).to_owned()),
            from_number: call.from_number.as_deref().map(|n| key(n).into_owned()),
            to_number: call.to_number.as_deref().map(|n| key(n).into_owned()),
            agent_extension: agent
                .and_then(|a| a.extension.as_deref())
                .map(|a| clean(a).into()),
            agent_user: agent
                .and_then(|a| a.user_id.as_deref())
                .map(|a| clean(a).into()),
            agent_id: agent.and_then(|a| a.id),
            agent_crm: agent
                .and_then(|a| a.crm_user_id.as_deref())
                .map(|id| clean(id).into()),
            moment: moment.map(|m| m.status.as_str().to_owned()),
            outcome: moment
                .and_then(|m| m.outcome.as_deref())
                .map(|code| clean(code).into()),
            contact_id: call.contact.as_ref().map(|contact| contact.id),
            duration_seconds: call.duration_seconds,
            sort_at: sort_at(call),
            due_at: changed.due_at.map(micros),
        }
    }

    /// True when no column that has an index, apart from `due_at`, differs.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.visible == other.visible
            && self.open == other.open
            && self.sort_at == other.sort_at
            && self.moment == other.moment
            && self.from_number == other.from_number
            && self.to_number == other.to_number
    }
}

/// Where a call stands in lists: its start, or its creation where no start is known.
fn sort_at(call: &Call) -> i64 {
    micros(call.started_at.unwrap_or(call.created_at))
}

/// The columns of a task. What of it is no column is only in its record.
#[derive(Clone, Debug)]
pub(crate) struct TaskRow {
    pub(crate) id: Uuid,
    pub(crate) version: u32,
    pub(crate) status: &'static str,
    pub(crate) open: bool,
    pub(crate) kind: &'static str,
    pub(crate) assignee: Option<Uuid>,
    pub(crate) queue: Option<String>,
    pub(crate) contact: Option<Uuid>,
    pub(crate) call: Option<Uuid>,
    pub(crate) number: Option<String>,
    pub(crate) deadline: i64,
    pub(crate) priority: i64,
    pub(crate) created_at: i64,
    pub(crate) due_at: Option<i64>,
}

impl TaskRow {
    /// The row of a task to be written.
    pub(crate) fn new(write: &TaskWrite) -> Self {
        let task = &write.task;
        Self {
            id: task.id.0,
            version: task.version,
            status: task.status.as_str(),
            open: task.status.is_open(),
            kind: task.r#type.as_str(),
            assignee: task.assignee.as_ref().map(|agent| agent.id.0),
            queue: task.queue.as_deref().map(|name| clean(name).into()),
            contact: task.contact.as_ref().map(|contact| contact.id.0),
            call: task.call_id.map(|call| call.0),
            number: task.callback_number.as_deref().map(|n| clean(n).into()),
            deadline: task.deadline.map_or_else(no_deadline, micros),
            // In the order of the type: the least first.
            priority: match task.priority {
                TaskPriority::Low => 0,
                TaskPriority::Normal => 1,
                TaskPriority::High => 2,
            },
            created_at: micros(task.created_at),
            due_at: write.due_at.map(micros),
        }
    }
}

/// What stands in the column of a task without a deadline: the end of time, after all others.
fn no_deadline() -> i64 {
    micros(Timestamp::MAX)
}
