//! Whether an agent is still finishing their last call, as far as the app's own records say.

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, AppId};
use switchhook_domain::moment::MomentStatus;

use crate::store::{CallQuery, Store, StoreResult};

/// How many of an agent's calls that wait are looked at: whoever leaves more undone than these is
/// judged by the newest.
const LOOKED_AT: u32 = 5;

/// True while a call of this agent waits for its disposition and they have asked for time that
/// has not passed, or, where they have not asked, it ended less than `seconds` ago. Giving the
/// disposition ends it.
pub(crate) async fn in_wrap_up(
    store: &dyn Store,
    (app, agent): (AppId, AgentId),
    now: Timestamp,
    seconds: u32,
) -> StoreResult<bool> {
    let query = CallQuery {
        moment: Some(MomentStatus::DispositionPending),
        agent_id: Some(agent),
        limit: LOOKED_AT,
        ..CallQuery::default()
    };
    let page = store.calls(app, &query).await?;
    let calls = page.calls.iter();
    let mut calls = calls.filter_map(|record| serde_json::from_str::<Call>(record).ok());
    Ok(calls.any(|call| lasts(&call, now, seconds)))
}

fn lasts(call: &Call, now: Timestamp, seconds: u32) -> bool {
    let asked = call.contact_moment.as_ref().and_then(|m| m.wrap_up_until);
    match (asked, call.ended_at) {
        (Some(until), _) => until > now,
        (None, Some(ended)) => ended + SignedDuration::from_secs(seconds.into()) > now,
        (None, None) => false,
    }
}
