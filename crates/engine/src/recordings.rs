//! The recordings' keeper: asks platforms again about recordings that are not ready yet, whose
//! link is about to run out, or that nobody has looked at for a day, and says so when a link has
//! run out. What it sees is committed as a signal like any other, so that record, entity and event
//! agree. When a recording is due is decided in [`crate::store::look_at`]; here is what is done
//! then. Audio is never fetched.

use std::time::Duration;

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::media::{Dated, Recording, RecordingState};
use switchhook_domain::signal::{CallFact, Signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::command::{CommandError, Fault};
use crate::connections::{Connections, ReadyConnection};
use crate::intake::Intake;
use crate::session::Sessions;
use crate::store::media::{LOOK_AGAIN, PENDING_AFTER, SPACING};
use crate::store::{
    Changeset, FoldInput, RecordingCheck, Store, StoreError, StoreResult, StoredRecording, look_at,
};

/// How often it looks for what is due.
pub const EVERY: Duration = Duration::from_secs(30);
/// How many recordings it takes at a time.
const BATCH: u32 = 100;
/// How long a platform may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The name of the lease: one node does this at a time.
const LEASE: &str = "recordings";
/// How long the lease lasts; longer than one recording takes.
const LEASE_FOR: SignedDuration = SignedDuration::from_mins(2);
/// A recording that is still not ready after that time is not asked for any more.
const READY_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Links are kept fresh for that long; then they run out when they do. Without an end, every
/// recording there ever was would be asked for every day.
const KEPT_FRESH: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The wait after the first failed look; it doubles with each.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// The longest wait after a failed look.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(6);
/// After so many failed looks in a row, which take more than a day, it is left as it is.
const TRIES: u32 = 12;

/// What the keeper works with.
pub struct Recheck<'a> {
    /// Where recordings are.
    pub store: &'a dyn Store,
    /// Whom to ask.
    pub connections: &'a Connections,
    /// The way in for what is seen.
    pub intake: &'a Intake,
    /// How to ask.
    pub sessions: &'a Sessions,
    /// This node, for the lease.
    pub node: Uuid,
}

impl std::fmt::Debug for Recheck<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recheck").finish_non_exhaustive()
    }
}

/// What came of asking.
enum Asked {
    /// Nothing was asked: too soon, or the connection cannot be used.
    No,
    /// The platform answered.
    Seen(Recording),
    /// It cannot be asked about recordings.
    Never,
    /// It failed; perhaps it said how long to wait.
    Failed(Option<Duration>),
}

impl Recheck<'_> {
    /// Looks until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                done = self.once() => if let Err(error) = done {
                    tracing::warn!(%error, "cannot look at recordings that are due");
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks once. Returns how many recordings were looked at: none when another node does it.
    ///
    /// # Errors
    /// When the database is away; what was done is done.
    pub async fn once(&self) -> StoreResult<usize> {
        if !self.holds_lease().await? {
            return Ok(0);
        }
        let due = self.store.due_recordings(self.now(), BATCH).await?;
        let mut looked = 0;
        for recording in due {
            if !self.holds_lease().await? {
                break;
            }
            self.look(&recording).await?;
            looked += 1;
        }
        Ok(looked)
    }

    fn now(&self) -> Timestamp {
        self.intake.clock().now()
    }

    async fn holds_lease(&self) -> StoreResult<bool> {
        let now = self.now();
        let until = after(now, LEASE_FOR);
        self.store.take_lease(LEASE, self.node, now, until).await
    }

    async fn look(&self, stored: &StoredRecording) -> StoreResult<()> {
        let record = &stored.record;
        let connection = self.connections.get(record.connection_id);
        let Some(connection) = connection.filter(|c| c.app.id == stored.app_id) else {
            // It was deleted, or this build does not speak its platform: nobody to ask.
            let check = RecordingCheck {
                checked_at: None,
                due_at: None,
                failures: stored.failures,
            };
            return self.note(stored, check).await;
        };
        let asked = self.ask(stored, &connection).await;
        let now = self.now();
        let (news, known) = news(&record.known, &asked, now);
        if let Some(news) = news {
            match self.tell(stored, &connection, news, now).await {
                Ok(()) => {}
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, recording.id = %record.id, "not told");
                }
            }
        }
        self.note(stored, next(stored, &known, &asked, now)).await
    }

    async fn note(&self, stored: &StoredRecording, check: RecordingCheck) -> StoreResult<()> {
        let noted = self
            .store
            .recording_checked(stored.app_id, stored.record.id, check);
        noted.await.map(drop)
    }

    async fn ask(&self, stored: &StoredRecording, connection: &ReadyConnection) -> Asked {
        let record = &stored.record;
        let spacing = match record.state {
            RecordingState::Pending => PENDING_AFTER,
            RecordingState::Available | RecordingState::Expired => SPACING,
            RecordingState::Gone => return Asked::No,
        };
        let now = self.now();
        let too_soon = stored.checked_at.is_some_and(|at| after(at, spacing) > now);
        if too_soon || connection.fault.is_some() || !connection.app.active {
            return Asked::No;
        }
        let session = self.sessions.open(connection);
        let asking =
            connection
                .adapter
                .recheck_recording(&session, &record.external_id, &record.known);
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        let answer = answer.unwrap_or_else(|_| {
            let late = "The platform did not answer in time.";
            Err(CommandError::new(Fault::Unreachable, late))
        });
        match answer {
            Ok(seen) => Asked::Seen(Recording {
                dated: Dated::default(),
                passed: None,
                ..seen.recording
            }),
            Err(error) if error.fault == Fault::NotSupported => Asked::Never,
            Err(error) if error.fault == Fault::Gone => Asked::Seen(Recording {
                state: RecordingState::Gone,
                ..Recording::default()
            }),
            Err(error) => {
                let fault = error.fault.as_str();
                tracing::debug!(recording.id = %record.id, fault, "a recording was not told of");
                Asked::Failed(error.retry_after)
            }
        }
    }

    /// Commits what is new as a signal about the call.
    async fn tell(
        &self,
        stored: &StoredRecording,
        connection: &ReadyConnection,
        news: Recording,
        now: Timestamp,
    ) -> StoreResult<()> {
        let record = &stored.record;
        let fact = CallFact::Recording {
            id: record.external_id.clone(),
            recording: news,
        };
        let at = said_at(&record.known, now);
        let keys = std::slice::from_ref(&record.call_key);
        let fold = FoldInput {
            connection_id: record.connection_id,
            platform: record.platform.as_str().into(),
            country: connection.app.country.as_str().into(),
            signals: vec![Signal::call(at, keys, fact)],
            settle: Vec::new(),
            deeds: Vec::new(),
            roster: None,
            history: false,
        };
        let changeset = Changeset {
            app_id: stored.app_id,
            at: now,
            random: self.intake.entropy().random(),
            notification: None,
            fold: Some(fold),
            tasks: Vec::new(),
            events: Vec::new(),
            link: None,
        };
        self.intake.commit(changeset).await.map(drop)
    }
}

fn after(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// When what we have just seen is so: now, but after what the platform said before, whose clock
/// may be ahead of ours.
fn said_at(known: &Recording, now: Timestamp) -> Timestamp {
    let later = |at| after(at, SignedDuration::from_millis(1));
    known
        .dated
        .latest()
        .map_or(now, |said| now.max(later(said)))
}

/// What is to be told, if anything, and what is known then.
fn news(known: &Recording, asked: &Asked, now: Timestamp) -> (Option<Recording>, Recording) {
    let mut news = match asked {
        Asked::Seen(seen) => seen.clone(),
        Asked::No | Asked::Never | Asked::Failed(_) => Recording::default(),
    };
    let mut merged = known.clone();
    merged.merge(news.clone().said_at(said_at(known, now)));
    if merged.state == RecordingState::Available {
        news.passed = merged.expiry().filter(|end| *end <= now);
        merged.passed = merged.passed.max(news.passed);
    }
    let told = |r: &Recording| {
        let place = (r.url.clone(), r.expiry(), r.started_at, r.duration_ms);
        (r.standing(), place)
    };
    let changed = told(&merged) != told(known);
    (changed.then_some(news), merged)
}

/// When to look again.
fn next(
    stored: &StoredRecording,
    known: &Recording,
    asked: &Asked,
    now: Timestamp,
) -> RecordingCheck {
    let (state, expiry) = (known.standing(), known.expiry());
    let age = now.duration_since(stored.created_at);
    // When there is nothing to ask, a link still runs out.
    let end = expiry.filter(|end| state == RecordingState::Available && *end > now);
    let usual = match state {
        RecordingState::Pending => {
            (age < READY_WITHIN).then(|| after(now, PENDING_AFTER.max(age / 2).min(LOOK_AGAIN)))
        }
        RecordingState::Available if age < KEPT_FRESH => look_at(state, expiry, now),
        RecordingState::Available => end,
        // It ran out before it was time to ask again.
        RecordingState::Expired if age < KEPT_FRESH => Some(after(now, SPACING)),
        RecordingState::Expired | RecordingState::Gone => None,
    };
    let failures = stored.failures.saturating_add(1);
    match asked {
        Asked::No => RecordingCheck {
            checked_at: None,
            due_at: usual,
            failures: stored.failures,
        },
        Asked::Never => RecordingCheck {
            checked_at: None,
            due_at: end,
            failures: 0,
        },
        Asked::Seen(_) => RecordingCheck {
            checked_at: Some(now),
            due_at: usual.filter(|_| state != RecordingState::Expired),
            failures: 0,
        },
        Asked::Failed(_) if failures >= TRIES => RecordingCheck {
            checked_at: None,
            due_at: end,
            failures,
        },
        Asked::Failed(wait) => {
            let doubled = FIRST_WAIT
                .checked_mul(1 << failures.saturating_sub(1).min(16))
                .unwrap_or(LONGEST_WAIT);
            let told = wait.and_then(|wait| SignedDuration::try_from(wait).ok());
            let wait = doubled.min(LONGEST_WAIT).max(told.unwrap_or_default());
            let again = after(now, wait);
            RecordingCheck {
                checked_at: None,
                due_at: Some(end.map_or(again, |end| end.min(again))),
                failures,
            }
        }
    }
}
