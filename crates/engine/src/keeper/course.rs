//! One try at one subscription, and what follows from it: the gap to fill, the next look, the
//! next try, what is told.

use jiff::SignedDuration;
use serde_json::{Value, json};
use switchhook_domain::Timestamp;
use switchhook_domain::event::{EventDraft, EventType};

use super::{CHECK_EVERY, Keeper, Kept, LONGEST_WAIT, PATIENCE, took_too_long};
use crate::adapter::Transport;
use crate::command::{CommandError, Fault, HalfSubscribed, Subscribed, Wanted};
use crate::connections::ReadyConnection;
use crate::store::{Changeset, StoreResult, StoredSubscription};

/// The first wait after a failed try; doubled each time.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// The shortest time between two looks, however soon a subscription runs out.
const SHORTEST: SignedDuration = SignedDuration::from_secs(20);
/// From so many failed tries on a fault is told; one that only a person can put right at once.
const TELL_AFTER: u32 = 3;
/// Due for longer than this without anybody looking: no node was running, so events may have been
/// missed.
const LATE: SignedDuration = SignedDuration::from_mins(10);
/// How far before the beginning of a gap the call log is read: calls that were under way then.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// The longest gap that is filled.
const LONGEST_GAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why the platform cannot post to us, and the ways out.
fn no_address(connection: &ReadyConnection) -> CommandError {
    let sockets = connection.adapter.spec().transports;
    let otherwise = if sockets.contains(&Transport::Socket) {
        ", or have the connection keep a socket open, which needs no address"
    } else {
        ""
    };
    let detail = format!(
        "This server does not know the address the platform reaches it by: set \
         server.public_url{otherwise}."
    );
    CommandError::new(Fault::Settings, detail)
}

impl Keeper {
    pub(super) async fn subscribe(
        &self,
        connection: &ReadyConnection,
        row: StoredSubscription,
    ) -> StoreResult<()> {
        let mut kept = Kept::of(&row);
        let late = self.now().duration_since(row.due_at) > LATE;
        match self.ask(connection, &kept.made).await {
            Ok(made) => {
                let gap = made.was_lost || (late && row.confirmed_at.is_some());
                if gap && kept.gap_from.is_none() {
                    kept.gap_from = self.gap_of(connection, &row);
                }
                self.confirmed(connection, row, kept, made).await
            }
            Err(half) => {
                kept.made = half.state;
                self.failed(connection, row, &kept, &half.error).await
            }
        }
    }

    async fn ask(
        &self,
        connection: &ReadyConnection,
        made: &Value,
    ) -> Result<Subscribed, HalfSubscribed> {
        let half = |error| HalfSubscribed {
            state: made.clone(),
            error,
        };
        let Some(public_url) = &self.public_url else {
            return Err(half(no_address(connection)));
        };
        let wanted = Wanted {
            webhook_url: format!(
                "{public_url}/webhooks/{}/{}",
                connection.row.platform, connection.row.hook_id
            ),
            state: made.clone(),
        };
        let session = self.sessions.open(connection);
        let asked = connection.adapter.subscribe(&session, &wanted);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(result) => result,
            Err(_) => Err(half(took_too_long())),
        }
    }

    /// It stands: fills a gap, tells that all is well again, and says when to look next.
    async fn confirmed(
        &self,
        connection: &ReadyConnection,
        row: StoredSubscription,
        mut kept: Kept,
        made: Subscribed,
    ) -> StoreResult<()> {
        kept.made = made.state;
        if let Some(from) = kept.gap_from {
            // Kept before the call log is read: a crash in between must not lose the gap.
            let state = kept.value();
            let begun = StoredSubscription {
                state,
                ..row.clone()
            };
            self.store.put_subscription(&begun).await?;
            match self.fill(connection, from).await? {
                Err(error) if error.fault.is_passing() => {
                    return self.failed(connection, begun, &kept, &error).await;
                }
                Err(error) => {
                    tracing::warn!(connection.id = %row.connection_id, %error, "a gap stays");
                }
                Ok(()) => {}
            }
            kept.gap_from = None;
        }
        let now = self.now();
        if row.failures >= TELL_AFTER {
            self.tell(connection, None).await?;
        }
        let next = StoredSubscription {
            state: kept.value(),
            due_at: now + self.until_next(made.expires_at),
            confirmed_at: Some(now),
            fault: None,
            failures: 0,
            ..row
        };
        self.store.put_subscription(&next).await
    }

    async fn failed(
        &self,
        connection: &ReadyConnection,
        row: StoredSubscription,
        kept: &Kept,
        error: &CommandError,
    ) -> StoreResult<()> {
        let told = row.failures >= TELL_AFTER;
        let needs_a_person = !error.fault.is_passing();
        let failures = row.failures.saturating_add(1);
        let failures = if needs_a_person {
            failures.max(TELL_AFTER)
        } else {
            failures
        };
        if failures >= TELL_AFTER && !told {
            self.tell(connection, Some(&error.detail)).await?;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << row.failures.min(10));
        let asked = error.retry_after.and_then(|wait| wait.try_into().ok());
        let wait = doubled.min(LONGEST_WAIT).max(asked.unwrap_or(FIRST_WAIT));
        let next = StoredSubscription {
            state: kept.value(),
            due_at: self.now() + self.jittered(wait),
            fault: Some(error.detail.clone()),
            failures,
            ..row
        };
        self.store.put_subscription(&next).await
    }

    /// Where the gap begins: when we last knew that events came.
    fn gap_of(&self, connection: &ReadyConnection, row: &StoredSubscription) -> Option<Timestamp> {
        let known = row.confirmed_at.max(connection.row.last_heard_at)?;
        Some((known - OVERLAP).max(self.now() - LONGEST_GAP))
    }

    async fn fill(
        &self,
        connection: &ReadyConnection,
        from: Timestamp,
    ) -> StoreResult<Result<(), CommandError>> {
        let session = self.sessions.open(connection);
        let asked = connection.adapter.reconcile(&session, from, self.now());
        let signals = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(signals)) => signals,
            Ok(Err(error)) => return Ok(Err(error)),
            Err(_) => return Ok(Err(took_too_long())),
        };
        if !signals.is_empty() {
            self.intake.signals(connection, signals).await?;
        }
        Ok(Ok(()))
    }

    async fn tell(&self, connection: &ReadyConnection, fault: Option<&str>) -> StoreResult<()> {
        let row = &connection.row;
        let at = self.now();
        let kind = match fault {
            Some(_) => EventType::ConnectionDegraded,
            None => EventType::ConnectionRestored,
        };
        let data = json!({ "connection": {
            "id": row.id, "platform": row.platform, "name": row.name,
            "state": if fault.is_some() { "down" } else { "up" },
            "reason": fault, "since": at,
        }});
        let draft = serde_json::value::to_raw_value(&data).map(|data| EventDraft {
            kind,
            call_id: None,
            at,
            data,
        });
        let changeset = Changeset {
            app_id: row.app_id,
            at,
            random: self.intake.entropy().random(),
            notification: None,
            fold: None,
            tasks: Vec::new(),
            events: draft.into_iter().collect(),
            link: None,
        };
        self.intake.commit(changeset).await.map(drop)
    }

    /// Half of what is left, at most [`CHECK_EVERY`].
    fn until_next(&self, expires_at: Option<Timestamp>) -> SignedDuration {
        let left = expires_at.map(|at| at.duration_since(self.now()) / 2);
        let wait = left.map_or(CHECK_EVERY, |left| left.min(CHECK_EVERY));
        self.jittered(wait).max(SHORTEST)
    }

    /// Up to a tenth less, so that a hundred connections do not ask at once.
    pub(super) fn jittered(&self, wait: SignedDuration) -> SignedDuration {
        let byte = i32::from(self.intake.entropy().random().to_be_bytes()[0]);
        wait - wait / 10 * byte / 255
    }
}
