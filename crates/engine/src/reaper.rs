//! The reaper: looks at calls whose time has come. It closes unanswered calls that have been
//! quiet, gives up calls whose end was never reported, and calls ended records final. All it does
//! is hand the calls to the fold; the rules are in [`switchhook_domain::fold`].

use std::collections::BTreeMap;
use std::time::Duration;

use switchhook_domain::id::{AppId, ConnectionId};
use tokio_util::sync::CancellationToken;

use crate::intake::Intake;
use crate::store::{Changeset, DueCall, FoldInput, Store, StoreResult};

/// How often it looks.
pub const EVERY: Duration = Duration::from_secs(2);
/// How many calls it takes at a time.
const BATCH: u32 = 500;

/// Looks until `stop`.
pub async fn run(store: &dyn Store, intake: &Intake, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = once(store, intake).await {
            tracing::warn!(%error, "cannot look at calls that are due");
        }
    }
}

/// Looks once. Returns how many calls were due.
///
/// # Errors
/// When the database is away; what was done is done.
pub async fn once(store: &dyn Store, intake: &Intake) -> StoreResult<usize> {
    let due = store.due_calls(intake.clock().now(), BATCH).await?;
    let count = due.len();
    let mut groups: BTreeMap<(AppId, ConnectionId), Vec<DueCall>> = BTreeMap::new();
    for call in due {
        groups
            .entry((call.app_id, call.connection_id))
            .or_default()
            .push(call);
    }
    for ((app_id, connection_id), calls) in groups {
        let Some(first) = calls.first() else { continue };
        let fold = FoldInput {
            connection_id,
            platform: first.platform.as_str().into(),
            country: first.country.as_str().into(),
            signals: Vec::new(),
            settle: calls.iter().map(|call| call.call_id).collect(),
            deeds: Vec::new(),
            roster: None,
            history: false,
        };
        let changeset = Changeset {
            app_id,
            at: intake.clock().now(),
            random: intake.entropy().random(),
            notification: None,
            fold: Some(fold),
            tasks: Vec::new(),
            events: Vec::new(),
            link: None,
        };
        intake.commit(changeset).await?;
    }
    Ok(count)
}
