//! The way in: a notification is verified, decoded, folded and committed, and only then is the
//! platform told that it arrived.
//!
//! What cannot be understood is kept as `dead` and acknowledged, because platforms punish 4xx and
//! would send it again for ever. What cannot be believed leaves only a digest, and no more than
//! [`REJECTED_PER_MINUTE`] rows a minute for each connection, so that nobody can fill the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{CallId, ConnectionId, IdMint, NotificationId};
use switchhook_domain::signal::{DIAL_KEY, MAX_KEYS, Signal, date_undated};

use crate::adapter::{Adoption, DecodeError, Decoded, Inbound, Rejection, Reply};
use crate::agents::Agents;
use crate::connections::{Connections, ReadyConnection};
use crate::metrics::{EventLabels, Metrics, NotificationLabels};
use crate::pace::Pace;
use crate::ports::{Clock, Entropy};
use crate::redact;
use crate::seal;
use crate::store::{
    Changeset, Committed, Dial, FoldInput, Notification, Store, StoreError, StoreResult, Verdict,
};

/// The largest body taken in, in bytes. Transcripts of Dialpad pass 100 kB.
pub const MAX_BODY: usize = 1024 * 1024;
/// The most rows a minute for rejected notifications of one connection.
pub const REJECTED_PER_MINUTE: u32 = 30;

/// How long after it was asked for a dial may still be found again by number and agent.
pub const ADOPTION_SECONDS: i64 = 120;

/// What became of a webhook.
#[derive(Debug)]
pub enum Received {
    /// No notification but a question of the platform; this is the answer. Nothing was stored.
    Question(Reply),
    /// Committed.
    Accepted {
        /// How many events it gave.
        events: usize,
        /// The call they are about; `None` when nothing about a call was new.
        call: Option<CallId>,
        /// The answer the platform expects, when ours will not do.
        reply: Option<Reply>,
    },
    /// Committed as not understood, with the reason.
    Dead(String),
}

/// Why a webhook was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// No connection has this hook, or it belongs to another platform.
    #[error("no connection has this hook")]
    UnknownHook,
    /// The app is switched off.
    #[error("the app is not active")]
    InactiveApp,
    /// Not believed. The status is the one that does the least harm with this platform.
    #[error("{rejection}")]
    Rejected {
        /// Why.
        rejection: Rejection,
        /// HTTP status to answer with.
        status: u16,
    },
    /// The connection cannot work: a secret does not open.
    #[error("the connection is not usable: {0}")]
    Misconfigured(String),
    /// The database is away; the platform should try again.
    #[error("{0}")]
    Unavailable(String),
    /// Too many of this connection wait already; the platform should try again after this time.
    #[error("too many notifications wait")]
    TooMany(Duration),
}

/// The way in.
#[derive(Clone)]
pub struct Intake {
    store: Arc<dyn Store>,
    connections: Arc<Connections>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    agents: Agents,
    rejected: Arc<Mutex<HashMap<ConnectionId, (i64, u32)>>>,
    pace: Option<Arc<dyn Pace>>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

impl Intake {
    /// Wires the way in.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        connections: Arc<Connections>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Metrics,
    ) -> Self {
        let agents = Agents::new(store.clone(), clock.clone(), entropy.clone());
        Self {
            store,
            connections,
            clock,
            entropy,
            metrics,
            agents,
            rejected: Arc::default(),
            pace: None,
        }
    }

    /// The same with a pace for webhooks.
    #[must_use]
    pub fn with_pace(mut self, pace: Arc<dyn Pace>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Takes in a webhook for a hook id.
    ///
    /// # Errors
    /// See [`IntakeError`]; `Ok` means committed.
    pub async fn webhook(
        &self,
        platform: &str,
        hook_id: &str,
        inbound: &Inbound<'_>,
    ) -> Result<Received, IntakeError> {
        let connection = self.connections.by_hook(hook_id).await?;
        let connection = connection
            .filter(|c| c.row.platform.eq_ignore_ascii_case(platform.trim()))
            .ok_or(IntakeError::UnknownHook)?;
        self.for_connection(&connection, inbound, self.pace.as_deref())
            .await
    }

    /// Takes in a webhook that names no hook, as the predecessors' routes do: the connection is
    /// the one of that platform (and of `app`, when a key named one) whose account the body
    /// names and whose secret fits; a body that names no account must fit exactly one secret.
    ///
    /// # Errors
    /// See [`IntakeError`]; `Ok` means committed.
    pub async fn inherited_webhook(
        &self,
        platform: &str,
        app: Option<switchhook_domain::id::AppId>,
        inbound: &Inbound<'_>,
    ) -> Result<Received, IntakeError> {
        let mut candidates: Vec<ReadyConnection> = self.connections.all();
        candidates.retain(|c| {
            c.row.platform == platform && c.app.active && app.is_none_or(|app| c.app.id == app)
        });
        candidates.sort_by_key(|c| c.row.id);
        let platforms = self.connections.platforms();
        let adapter = platforms.get(platform).ok_or(IntakeError::UnknownHook)?;
        let status = adapter.spec().bad_signature_status;
        if let Some(account) = adapter.account_hint(inbound) {
            let named = |c: &ReadyConnection| c.context.text("company_id") == Some(&account);
            if candidates.iter().any(named) {
                candidates.retain(named);
            }
        }
        let mut fitting = candidates
            .iter()
            .filter(|c| c.adapter.verify(inbound, &c.context).is_ok());
        match (fitting.next(), fitting.next(), candidates.as_slice()) {
            (Some(only), None, _) | (None, None, [only]) => {
                self.for_connection(only, inbound, self.pace.as_deref())
                    .await
            }
            (None, None, []) => Err(IntakeError::UnknownHook),
            _ => Err(IntakeError::Rejected {
                rejection: Rejection::BadSignature,
                status,
            }),
        }
    }

    async fn for_connection(
        &self,
        connection: &ReadyConnection,
        inbound: &Inbound<'_>,
        pace: Option<&dyn Pace>,
    ) -> Result<Received, IntakeError> {
        if !connection.app.active {
            return Err(IntakeError::InactiveApp);
        }
        if let Some(fault) = &connection.fault {
            return Err(IntakeError::Misconfigured(fault.clone()));
        }
        if let Some(reply) = connection.adapter.handshake(inbound, &connection.context) {
            return Ok(Received::Question(reply));
        }
        let payload = match connection.adapter.verify(inbound, &connection.context) {
            Ok(payload) => payload,
            Err(rejection) => return self.reject(connection, inbound, rejection).await,
        };
        if let Some(pace) = pace {
            let turn = pace.turn(connection.row.id).await;
            turn.map_err(IntakeError::TooMany)?;
        }
        let started = Instant::now();
        let decoded = self.decoded(connection, &payload).await?;
        let reply = decoded.as_ref().ok().and_then(|decoded| {
            let (adapter, context) = (&connection.adapter, &connection.context);
            adapter.reply(&payload, decoded, context)
        });
        let (changeset, outcome) = self.understand(connection, inbound, decoded);
        let committed = self.take_in(changeset, outcome.is_some(), started).await?;
        Ok(match outcome {
            None => Received::Accepted {
                events: committed.events.len(),
                call: committed.events.iter().find_map(|event| event.call_id),
                reply,
            },
            Some(reason) => Received::Dead(reason),
        })
    }

    /// Takes in a message of a queue, as a webhook of this connection.
    ///
    /// # Errors
    /// See [`IntakeError`]; `Ok` means committed.
    pub async fn message(
        &self,
        connection: &ReadyConnection,
        inbound: &Inbound<'_>,
    ) -> Result<Received, IntakeError> {
        self.for_connection(connection, inbound, None).await
    }

    /// Decodes one believed payload, and joins it to the dial it belongs to when the platform
    /// carries nothing of ours back. Fails only when the database is away.
    async fn decoded(
        &self,
        connection: &ReadyConnection,
        payload: &[u8],
    ) -> StoreResult<Result<Decoded, DecodeError>> {
        let decoded = connection.adapter.decode(payload, &connection.context);
        let mut decoded = match decoded {
            Ok(decoded) => decoded,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(adoption) = decoded.adoption.take() {
            self.adopt(connection, &adoption, &mut decoded.signals)
                .await?;
        }
        Ok(Ok(decoded))
    }

    /// Puts the key of an open dial on the signals that are about its call.
    async fn adopt(
        &self,
        connection: &ReadyConnection,
        adoption: &Adoption,
        signals: &mut [Signal],
    ) -> StoreResult<()> {
        let since = self.clock.now() - SignedDuration::from_secs(ADOPTION_SECONDS);
        let (app, id) = (connection.app.id, connection.row.id);
        let open = self.store.open_dials(app, id, since).await?;
        let known = |asked: &Option<String>, seen: &Option<String>| {
            asked.is_some() && seen.is_some() && asked == seen
        };
        let unnamed = |dial: &Dial| {
            let nobody = adoption.extension.is_none() && adoption.user_id.is_none();
            nobody && dial.target == adoption.dialled
        };
        let found = open.iter().find(|dial| {
            let same_agent = known(&dial.agent_extension, &adoption.extension)
                || known(&dial.agent_user_id, &adoption.user_id);
            dial.platform_keys.is_empty()
                && (same_agent && dial.target == adoption.dialled || unnamed(dial))
        });
        if let Some(dial) = found {
            let key = format!("{DIAL_KEY}{}", dial.id);
            for signal in signals.iter_mut().filter(|s| !s.keys.is_empty()) {
                signal.keys.push(key.clone());
            }
        }
        Ok(())
    }

    /// The change a believed notification means, and why not if it is dead.
    fn understand(
        &self,
        connection: &ReadyConnection,
        inbound: &Inbound<'_>,
        decoded: Result<Decoded, DecodeError>,
    ) -> (Changeset, Option<String>) {
        let mut notification = self.notification(connection, inbound, Verdict::Accepted);
        let (signals, reason) = match decoded {
            Ok(mut decoded) => {
                decoded
                    .signals
                    .retain(|signal| signal.keys.len() <= MAX_KEYS);
                date_undated(&mut decoded.signals, notification.received_at);
                notification.event = Some(decoded.event);
                (decoded.signals, None)
            }
            Err(error) => {
                notification.verdict = Verdict::Dead;
                notification.reason = Some(error.to_string());
                (Vec::new(), Some(error.to_string()))
            }
        };
        self.count(connection, notification.verdict);
        (
            self.changeset(connection, signals, Some(notification)),
            reason,
        )
    }

    /// Takes in one frame of a live socket. A frame that is understood but says nothing of
    /// interest leaves no trace.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn frame(
        &self,
        connection: &ReadyConnection,
        bytes: &[u8],
    ) -> StoreResult<Committed> {
        let started = Instant::now();
        let inbound = Inbound::body_only(bytes);
        let decoded = self.decoded(connection, bytes).await?;
        let (changeset, dead) = self.understand(connection, &inbound, decoded);
        let nothing = changeset
            .fold
            .as_ref()
            .is_none_or(|fold| fold.signals.is_empty());
        if nothing && dead.is_none() {
            return Ok(Committed::default());
        }
        self.take_in(changeset, dead.is_some(), started).await
    }

    /// Commits what a notification means, and counts it.
    async fn take_in(
        &self,
        changeset: Changeset,
        dead: bool,
        started: Instant,
    ) -> StoreResult<Committed> {
        let committed = self.commit(changeset).await;
        let (took, processed) = (started.elapsed(), &self.metrics.processed);
        if committed.is_err() || dead {
            processed.fail();
        } else {
            processed.count(self.clock.now(), took);
        }
        if committed.is_ok() {
            self.metrics.intake_seconds.observe(took.as_secs_f64());
        }
        committed
    }

    /// Takes in what an adapter itself concludes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn signals(
        &self,
        connection: &ReadyConnection,
        signals: Vec<Signal>,
    ) -> StoreResult<Committed> {
        self.commit(self.changeset(connection, signals, None)).await
    }

    async fn reject(
        &self,
        connection: &ReadyConnection,
        inbound: &Inbound<'_>,
        rejection: Rejection,
    ) -> Result<Received, IntakeError> {
        self.count(connection, Verdict::Rejected);
        if self.may_note_rejection(connection.row.id) {
            let mut notification = self.notification(connection, inbound, Verdict::Rejected);
            notification.body = None;
            notification.reason = Some(rejection.to_string());
            self.commit(self.changeset(connection, Vec::new(), Some(notification)))
                .await?;
        }
        let status = connection.adapter.spec().bad_signature_status;
        Err(IntakeError::Rejected { rejection, status })
    }

    fn may_note_rejection(&self, id: ConnectionId) -> bool {
        let minute = self.clock.now().as_second() / 60;
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = rejected.entry(id).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 += 1;
        entry.1 <= REJECTED_PER_MINUTE
    }

    fn notification(
        &self,
        connection: &ReadyConnection,
        inbound: &Inbound<'_>,
        verdict: Verdict,
    ) -> Notification {
        let now = self.clock.now();
        let mint = IdMint::new(now, self.entropy.random());
        let content_type = inbound.content_type;
        // Some platforms prove themselves with the secret itself, in the body.
        let context = &connection.context;
        let secrets = context.webhook_secrets.iter();
        let secrets: Vec<_> = secrets.chain(context.credentials.values()).collect();
        Notification {
            id: NotificationId(mint.uuid()),
            connection_id: connection.row.id,
            received_at: now,
            verdict,
            reason: None,
            event: None,
            content_type: (!content_type.is_empty())
                .then(|| content_type.chars().take(100).collect()),
            digest: seal::digest(inbound.body),
            body: Some(redact::bytes(inbound.body, &secrets)),
        }
    }

    fn changeset(
        &self,
        connection: &ReadyConnection,
        signals: Vec<Signal>,
        notification: Option<Notification>,
    ) -> Changeset {
        let at: Timestamp = notification
            .as_ref()
            .map_or_else(|| self.clock.now(), |n| n.received_at);
        Changeset {
            app_id: connection.app.id,
            at,
            random: self.entropy.random(),
            notification,
            fold: (!signals.is_empty()).then(|| FoldInput {
                connection_id: connection.row.id,
                platform: connection.adapter.spec().platform.into(),
                country: connection.app.country.as_str().into(),
                signals,
                settle: Vec::new(),
                deeds: Vec::new(),
                roster: None,
                history: false,
            }),
            tasks: Vec::new(),
            events: Vec::new(),
            link: None,
        }
    }

    /// Commits a change, with the app's agents at hand, and counts its events.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn commit(&self, mut changeset: Changeset) -> StoreResult<Committed> {
        if let Some(fold) = &mut changeset.fold {
            self.agents.attend(changeset.app_id, fold).await;
        }
        let committed = self.store.commit(changeset).await;
        match &committed {
            Ok(committed) => {
                for event in &committed.events {
                    let labels = EventLabels {
                        r#type: event.kind.as_str(),
                    };
                    self.metrics.events.get_or_create(&labels).inc();
                }
            }
            Err(StoreError::Unavailable(_)) => {
                self.metrics.store_unavailable.inc();
            }
            Err(_) => {}
        }
        committed
    }

    fn count(&self, connection: &ReadyConnection, verdict: Verdict) {
        let labels = NotificationLabels {
            platform: connection.adapter.spec().platform,
            verdict: verdict.as_str(),
        };
        self.metrics.notifications.get_or_create(&labels).inc();
    }

    /// The agents of all apps.
    #[must_use]
    pub fn agents(&self) -> &Agents {
        &self.agents
    }

    /// The clock the way in reads.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The entropy the way in draws from.
    #[must_use]
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }
}
