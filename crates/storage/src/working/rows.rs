//! The columns of a call that lists filter and sort by.

use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, AppId, CallId, ConnectionId};

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
    pub(crate) duration_seconds: Option<i64>,
    pub(crate) sort_at: i64,
    pub(crate) due_at: Option<i64>,
}

impl CallRow {
    /// The row of a changed call.
    pub(crate) fn new(app_id: AppId, entry: &Entry, changed: &Changed) -> Self {
        let call = &changed.call;
        let agent = call.agent.as_ref();
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
            && self.from_number == other.from_number
            && self.to_number == other.to_number
    }
}

/// Where a call stands in lists: its start, or its creation where no start is known.
fn sort_at(call: &Call) -> i64 {
    micros(call.started_at.unwrap_or(call.created_at))
}
