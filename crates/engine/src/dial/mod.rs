//! Dialling out: a durable state machine from a request to a call that goes on as any other.
//!
//! A request is checked ([`policy`], `preflight`), its row and its pending call are committed, and
//! only then does the platform hear of it, once: nothing here repeats a request that costs money.
//! The platform's answer ties its own names to the call; its events then find the call by them
//! ([`crate::intake`] finds it by number and agent where a platform gives no names). A dial found
//! half way after a crash is never sent again; `watch` waits for the platform's events until the
//! deadline, then names the cause and ends the call. Every step is a compare-and-set on the row
//! and a change that may be repeated, so several nodes may take the same step at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::dial::DialCause;
use switchhook_domain::id::{AppId, DialId, IdMint};
use switchhook_domain::signal::MAX_KEYS;
use tokio_util::task::TaskTracker;

use crate::command::{AgentDevice, CommandError, Fault, Originate, Originated, Session};
use crate::connections::{Connections, ReadyConnection};
use crate::intake::Intake;
use crate::link::Links;
use crate::metrics::{DialLabels, Metrics};
use crate::session::Sessions;
use crate::store::{App, Dial, DialFailure, DialState, Store, StoreError, StoreResult};

pub mod policy;
mod preflight;
mod request;
mod story;
mod watch;

pub(crate) use preflight::can_now;
pub(crate) use request::check_agent;
pub use request::{DialRequest, MAX_IDEMPOTENCY_KEY, Refusal};
pub use story::DEADLINE;

/// How long the platform's answer is waited for; longer than an adapter waits for its own.
const ANSWER_LIMIT: Duration = Duration::from_secs(25);
/// How long a repetition waits for the answer to the first request.
const AGAIN_LIMIT: Duration = Duration::from_secs(8);
/// How often it looks.
const AGAIN_EVERY: Duration = Duration::from_millis(50);
/// How often an open dial is looked at.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// How often the platform's answer is written down again while the database is away.
const WRITE_TRIES: u32 = 6;
/// The longest name of a call that is kept.
const MAX_KEY: usize = 512;

/// Opens what a request to a platform needs.
pub trait SessionSource: Send + Sync {
    /// A session for one connection.
    fn open(&self, connection: &ReadyConnection) -> Session;
}

pub(crate) struct Inner {
    store: Arc<dyn Store>,
    connections: Arc<Connections>,
    links: Links,
    intake: Intake,
    sessions: Arc<dyn SessionSource>,
    metrics: Metrics,
    tasks: TaskTracker,
    /// One request of an app is checked and stored at a time, so that a limit is a limit.
    turns: Mutex<HashMap<AppId, Arc<tokio::sync::Mutex<()>>>>,
}

impl SessionSource for Sessions {
    fn open(&self, connection: &ReadyConnection) -> Session {
        Self::open(self, connection)
    }
}

/// What became of a request that was carried out.
enum Begun {
    /// It was placed, or failed.
    New(Dial),
    /// Another request with the same key was faster.
    Known(Dial),
}

/// Places calls. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialler").finish_non_exhaustive()
    }
}

impl Dialler {
    /// Wires it; [`Self::run`] does the rest.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        connections: Arc<Connections>,
        links: Links,
        intake: Intake,
        sessions: Arc<dyn SessionSource>,
        metrics: Metrics,
    ) -> Self {
        let inner = Inner {
            store,
            connections,
            links,
            intake,
            sessions,
            metrics,
            tasks: TaskTracker::new(),
            turns: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Places a call, or gives the one this idempotency key already stands for. The dial that
    /// comes back may have failed: its `failure` says why.
    ///
    /// # Errors
    /// [`Refusal`]: the platform has heard nothing.
    pub async fn request(&self, app: &App, request: DialRequest) -> Result<Dial, Refusal> {
        request.check()?;
        let digest = request.digest();
        let keyed = request.idempotency_key.as_deref();
        let keyed = keyed.map(|key| story::keyed_id(app.id, key));
        if let Some(id) = keyed
            && let Some(known) = self.inner.store.dial(app.id, id).await?
        {
            return self.again(known, &digest).await;
        }
        // Once it has begun it is carried through, even when the client has hung up.
        let (dialler, app) = (self.clone(), app.clone());
        let begun = async move { dialler.begin(&app, request, digest).await };
        match self.inner.tasks.spawn(begun).await {
            Ok(Ok(Begun::New(dial))) => Ok(dial),
            Ok(Ok(Begun::Known(dial))) => self.again(dial, &digest).await,
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => {
                tracing::error!("placing a call panicked; it waits for the platform's events");
                Err(Refusal::Broken)
            }
        }
    }

    async fn begin(
        &self,
        app: &App,
        mut request: DialRequest,
        digest: [u8; 32],
    ) -> Result<Begun, Refusal> {
        let turn = self.inner.turn(app.id);
        let held = turn.lock().await;
        let cleared = self.clear(app, &mut request).await?;
        let now = self.inner.now();
        let random = self.inner.intake.entropy().random();
        let keyed = request.idempotency_key.as_deref();
        let id = keyed.map_or_else(
            || DialId(IdMint::new(now, random).uuid()),
            |key| story::keyed_id(app.id, key),
        );
        let connection = cleared.connection;
        let originate = Originate {
            dial_id: id,
            agent: request.agent,
            target: cleared.target,
            caller_id: cleared.caller_id,
        };
        let dial = Dial {
            id,
            app_id: app.id,
            connection_id: connection.row.id,
            call_id: story::call_id(id, now),
            idempotency_key: request.idempotency_key,
            request_digest: digest,
            agent_extension: originate.agent.extension.clone(),
            agent_user_id: originate.agent.user_id.clone(),
            target: originate.target.canonical().unwrap_or_default().to_owned(),
            caller_id: originate.caller_id.clone(),
            requested_by: request.requested_by,
            state: DialState::Requested,
            failure: None,
            platform_keys: Vec::new(),
            requested_at: now,
            placed_at: None,
            settled_at: None,
            due_at: Some(now + LOOK_EVERY),
        };
        if let Some(known) = self.inner.store.create_dial(&dial).await? {
            return Ok(Begun::Known(known));
        }
        let mut chosen = connection.adapter.keys_of(&originate);
        chosen.retain(is_name);
        chosen.truncate(MAX_KEYS - 1);
        let pending = story::pending(&dial, &chosen, &connection);
        self.inner.intake.commit(pending).await?;
        drop(held);
        Ok(Begun::New(
            self.inner.place(&connection, dial, &originate).await,
        ))
    }

    /// One dial.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn dial(&self, app: AppId, id: DialId) -> StoreResult<Option<Dial>> {
        self.inner.store.dial(app, id).await
    }

    /// The same request again: the same call. Waits a little for the first one's answer.
    async fn again(&self, known: Dial, digest: &[u8; 32]) -> Result<Dial, Refusal> {
        if known.request_digest != *digest {
            return Err(Refusal::KeyConflict);
        }
        let mut dial = known;
        let until = tokio::time::Instant::now() + AGAIN_LIMIT;
        while dial.state == DialState::Requested && tokio::time::Instant::now() < until {
            tokio::time::sleep(AGAIN_EVERY).await;
            let now = self.inner.store.dial(dial.app_id, dial.id).await?;
            dial = now.unwrap_or(dial);
        }
        if let Some(connection) = self.inner.connections.get(dial.connection_id) {
            self.inner.ensure_pending(&dial, &connection).await?;
        }
        Ok(dial)
    }

    /// Waits for requests under way to be answered and written down; for an orderly stop.
    pub async fn close(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.intake.clock().now()
    }

    fn moment(&self) -> (Timestamp, u128) {
        (self.now(), self.intake.entropy().random())
    }

    fn turn(&self, app: AppId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Apps nobody waits for need no place in the table.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(app).or_default().clone()
    }

    fn count(&self, connection: &ReadyConnection, outcome: &'static str) {
        let labels = DialLabels {
            platform: connection.adapter.spec().platform,
            outcome,
        };
        self.metrics.dials.get_or_create(&labels).inc();
    }

    /// Makes the pending call, if a crash has kept it from being made.
    async fn ensure_pending(&self, dial: &Dial, connection: &ReadyConnection) -> StoreResult<()> {
        let known = self.store.call_state(dial.app_id, dial.call_id).await?;
        if known.is_none() {
            let pending = story::pending(dial, &[], connection);
            self.intake.commit(pending).await?;
        }
        Ok(())
    }

    /// Asks the platform, once, and writes down what it said.
    async fn place(&self, connection: &ReadyConnection, dial: Dial, originate: &Originate) -> Dial {
        let session = self.sessions.open(connection);
        let asked = connection.adapter.originate(&session, originate);
        let answer = tokio::time::timeout(ANSWER_LIMIT, asked).await;
        let answer = answer.unwrap_or_else(|_| {
            let detail = "The phone platform did not answer in time.";
            Err(CommandError::new(Fault::Uncertain, detail))
        });
        match answer {
            Ok(originated) => self.placed(connection, dial, originated).await,
            Err(error) if error.fault == Fault::Uncertain => dial,
            Err(error) => {
                let failure = DialFailure {
                    cause: story::cause_of(error.fault).as_str().to_owned(),
                    detail: error.detail,
                };
                let from = [DialState::Requested];
                let failed = || self.fail(connection, &dial, &from, failure.clone());
                self.written(failed).await.unwrap_or(dial.clone())
            }
        }
    }

    async fn placed(
        &self,
        connection: &ReadyConnection,
        dial: Dial,
        originated: Originated,
    ) -> Dial {
        let now = self.now();
        let mut keys = originated.keys;
        keys.retain(is_name);
        keys.truncate(MAX_KEYS - 1);
        let placed = Dial {
            state: DialState::Placed,
            platform_keys: keys,
            placed_at: Some(now),
            due_at: Some(now + LOOK_EVERY),
            ..dial
        };
        let write = || async {
            let dial = self.note_placed(placed.clone()).await?;
            let link = story::linked(&dial, connection, self.moment());
            self.intake.commit(link).await?;
            Ok(dial)
        };
        self.written(write).await.unwrap_or(placed)
    }

    /// Notes the platform's names. When its events were faster the dial has joined already, and
    /// stays so.
    async fn note_placed(&self, placed: Dial) -> StoreResult<Dial> {
        if self
            .store
            .update_dial(&placed, &[DialState::Requested])
            .await?
        {
            return Ok(placed);
        }
        let known = self.store.dial(placed.app_id, placed.id).await?;
        let Some(known) = known else {
            return Ok(placed);
        };
        let known = Dial {
            platform_keys: placed.platform_keys,
            placed_at: known.placed_at.or(placed.placed_at),
            ..known
        };
        self.store.update_dial(&known, &[known.state]).await?;
        Ok(known)
    }

    /// Names the cause, if the dial is still in one of these states, and ends the call. Whoever
    /// finds the row failed and still due goes on here.
    async fn fail(
        &self,
        connection: &ReadyConnection,
        dial: &Dial,
        from: &[DialState],
        failure: DialFailure,
    ) -> StoreResult<Dial> {
        let now = self.now();
        let cause = DialCause::from_name(&failure.cause).unwrap_or(DialCause::PlatformError);
        let failed = Dial {
            state: DialState::Failed,
            failure: Some(failure),
            settled_at: Some(now),
            due_at: Some(now),
            ..dial.clone()
        };
        if !self.store.update_dial(&failed, from).await? {
            let known = self.store.dial(dial.app_id, dial.id).await?;
            let known = known.unwrap_or(failed);
            if known.state != DialState::Failed || known.due_at.is_none() {
                return Ok(known);
            }
            return self.tell_failure(connection, known).await;
        }
        self.count(connection, cause.as_str());
        self.tell_failure(connection, failed).await
    }

    /// Ends the call of a dial that has failed. May be done twice.
    async fn tell_failure(&self, connection: &ReadyConnection, dial: Dial) -> StoreResult<Dial> {
        self.ensure_pending(&dial, connection).await?;
        if let Some(change) = story::failed(&dial, connection, self.moment()) {
            self.intake.commit(change).await?;
        }
        let told = Dial {
            due_at: None,
            ..dial
        };
        self.store.update_dial(&told, &[DialState::Failed]).await?;
        Ok(told)
    }

    /// Writes something down, again and again while the database is away: the platform has acted
    /// on it. Gives up at last; the dial is then found by its row.
    async fn written<T, Made>(&self, write: impl Fn() -> Made) -> Option<T>
    where
        Made: Future<Output = StoreResult<T>>,
    {
        let mut wait = Duration::from_millis(100);
        for _ in 0..WRITE_TRIES {
            match write().await {
                Ok(written) => return Some(written),
                Err(StoreError::Unavailable(_)) => {
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(error) => {
                    tracing::warn!(%error, "what came of a dial cannot be written down");
                    return None;
                }
            }
        }
        tracing::warn!("the database stayed away; a dial waits for its deadline");
        None
    }
}

#[expect(clippy::ptr_arg, reason = "the signature `retain` asks for")]
fn is_name(key: &String) -> bool {
    (1..=MAX_KEY).contains(&key.len())
}

/// The agent a stored dial is for.
#[must_use]
pub fn agent_of(dial: &Dial) -> AgentDevice {
    AgentDevice {
        extension: dial.agent_extension.clone(),
        user_id: dial.agent_user_id.clone(),
        device_id: None,
    }
}
