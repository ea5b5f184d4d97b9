//! On whose contact moments somebody may write, and under which name: the same as for tasks. Not
//! here: what they write.

use switchhook_engine::moments::{Reach, Writer};

use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::Inner;
use crate::tasks::who::doer;

/// Who writes. Agents who act for themselves reach their own calls; everybody else all of them.
pub(crate) async fn writer(shared: &Inner, caller: &Caller) -> Result<Writer, Problem> {
    let doer = doer(shared, caller).await?;
    let reach = match doer.own_only {
        true => Reach::Own(doer.agent.map(|agent| agent.id)),
        false => Reach::All,
    };
    Ok(Writer {
        author: doer.by,
        reach,
    })
}
