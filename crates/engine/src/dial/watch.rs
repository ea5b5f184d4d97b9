//! The job that follows dials: it sees that the platform's events have taken a call over, gives up
//! those nothing came of, and finishes what a crash left half done. It never asks the platform.

use std::time::Duration;

use switchhook_domain::Timestamp;
use switchhook_domain::dial::DialCause;
use switchhook_domain::fold::CallState;
use switchhook_domain::id::{AppId, CallId};
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, Dialler, Inner, LOOK_EVERY, story};
use crate::connections::ReadyConnection;
use crate::store::{Dial, DialFailure, DialState, StoreError, StoreResult};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How many dials it takes at a time.
const BATCH: u32 = 200;
/// How often a call may have become part of another.
const MAX_MERGES: usize = 4;

impl Dialler {
    /// Looks until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.once().await {
                tracing::warn!(%error, "cannot look at dials that are due");
            }
        }
    }

    /// Looks once. Returns how many dials were due.
    ///
    /// # Errors
    /// When the database is away; what was done is done.
    pub async fn once(&self) -> StoreResult<usize> {
        let due = self.inner.store.due_dials(self.inner.now(), BATCH).await?;
        let count = due.len();
        for dial in due {
            let id = dial.id;
            match self.inner.look(dial).await {
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => tracing::warn!(dial.id = %id, %error, "cannot follow a dial"),
                Ok(()) => {}
            }
        }
        Ok(count)
    }
}

impl Inner {
    async fn look(&self, dial: Dial) -> StoreResult<()> {
        let Some(connection) = self.connections.get(dial.connection_id) else {
            return self.orphaned(dial).await;
        };
        match dial.state {
            DialState::Failed => self.tell_failure(&connection, dial).await.map(drop),
            DialState::Joined => self.settled(dial).await,
            DialState::Requested | DialState::Placed => self.follow(&connection, dial).await,
        }
    }

    async fn follow(&self, connection: &ReadyConnection, dial: Dial) -> StoreResult<()> {
        let call = self.living(dial.app_id, dial.call_id).await?;
        if let Some(call) = &call {
            let is_linked = |key: &String| call.facts.keys.contains(key);
            if !dial.platform_keys.iter().all(is_linked) {
                let link = story::linked(&dial, connection, self.moment());
                self.intake.commit(link).await?;
            }
        }
        let now = self.now();
        let from = [dial.state];
        if call.is_some_and(|call| has_begun(&call, &connection.app.country)) {
            let joined = Dial {
                state: DialState::Joined,
                settled_at: Some(now),
                due_at: None,
                ..dial
            };
            if self.store.update_dial(&joined, &from).await? {
                self.count(connection, "joined");
            }
            return Ok(());
        }
        let deadline = deadline(&dial);
        if now >= deadline {
            let failure = nothing_came(dial.state);
            return self.fail(connection, &dial, &from, failure).await.map(drop);
        }
        let later = Dial {
            due_at: Some((now + LOOK_EVERY).min(deadline)),
            ..dial
        };
        self.store.update_dial(&later, &from).await.map(drop)
    }

    /// The call, or the one it has become part of.
    async fn living(&self, app: AppId, id: CallId) -> StoreResult<Option<CallState>> {
        let mut found = self.store.call_state(app, id).await?;
        for _ in 0..MAX_MERGES {
            let Some(next) = found.as_ref().and_then(|call| call.merged_into) else {
                break;
            };
            found = self.store.call_state(app, next).await?;
        }
        Ok(found)
    }

    /// The connection is gone, or this program no longer speaks its platform: nothing can be said
    /// about the call any more. The reaper closes it.
    async fn orphaned(&self, dial: Dial) -> StoreResult<()> {
        let known = self.store.connection(dial.app_id, dial.connection_id).await;
        if known?.is_some() && self.now() < deadline(&dial) {
            // Made a moment ago by another node, and not known here yet.
            return Ok(());
        }
        let now = self.now();
        let detail = "The connection was deleted before the call began.";
        let gone = Dial {
            state: DialState::Failed,
            failure: dial.failure.clone().or_else(|| {
                Some(DialFailure {
                    cause: DialCause::ConnectionGone.as_str().to_owned(),
                    detail: detail.to_owned(),
                })
            }),
            settled_at: dial.settled_at.or(Some(now)),
            due_at: None,
            ..dial
        };
        self.store.update_dial(&gone, &[dial.state]).await.map(drop)
    }

    async fn settled(&self, dial: Dial) -> StoreResult<()> {
        let settled = Dial {
            due_at: None,
            ..dial
        };
        let from = [settled.state];
        self.store.update_dial(&settled, &from).await.map(drop)
    }
}

fn deadline(dial: &Dial) -> Timestamp {
    dial.requested_at + DEADLINE
}

/// True when the platform's own events speak of the call.
fn has_begun(call: &CallState, country: &str) -> bool {
    let record = call.derive(country).call;
    !call.facts.legs.is_empty() || record.answered_at.is_some() || record.status.is_terminal()
}

fn nothing_came(state: DialState) -> DialFailure {
    let (cause, detail) = if state == DialState::Placed {
        let detail = "The phone platform accepted the call, but nothing came of it. See whether \
                      the phone is on, and whether the connection's events arrive.";
        (DialCause::NoEvents, detail)
    } else {
        let detail = "It is not known whether the phone platform heard the request, and no call \
                      began. See whether the phone rang before dialling again.";
        (DialCause::Uncertain, detail)
    };
    DialFailure {
        cause: cause.as_str().to_owned(),
        detail: detail.to_owned(),
    }
}
