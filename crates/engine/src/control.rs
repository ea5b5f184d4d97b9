//! Steering calls: finds the call, its connection and every name the platform gave it, asks
//! whether this can be done now, and hands it to the adapter. What comes of it is told by the
//! platform's own events; nothing is written here.

use std::sync::Arc;
use std::time::Duration;

use switchhook_domain::call::{Call, Status};
use switchhook_domain::facts::LegFacts;
use switchhook_domain::fold::CallState;
use switchhook_domain::id::CallId;
use switchhook_domain::phone::PhoneNumber;
use switchhook_domain::signal::{DIAL_KEY, Direction};
use tokio_util::task::TaskTracker;

use crate::adapter::Capability;
use crate::command::{AgentDevice, CallHandle, CallLeg, CommandError, Control, Fault};
use crate::connections::{Connections, ReadyConnection};
use crate::dial::{Refusal, SessionSource, can_now, check_agent, policy};
use crate::link::Links;
use crate::metrics::{ControlLabels, Metrics};
use crate::store::{App, Store, StoreError, StoreResult};

/// How long the platform's answer is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How often a call may have become part of another.
const MAX_MERGES: usize = 4;
/// The most tones of one request.
const MAX_DIGITS: usize = 32;

/// Something that can be done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Pick up for the agent.
    Answer,
    /// Decline a ringing call.
    Reject,
    /// End the call.
    Hangup,
    /// Put the other side on hold.
    Hold,
    /// Take it back.
    Resume,
    /// Hand the call to someone without asking first.
    TransferBlind,
    /// Ask first.
    TransferAttended,
    /// Send tones.
    Dtmf,
    /// Switch the agent's microphone off.
    Mute,
    /// Switch it on.
    Unmute,
    /// Park the call.
    Park,
    /// Pause or go on recording.
    Recording,
}

impl Action {
    /// Every action, in the order in which a page shows them.
    pub const ALL: [Self; 12] = [
        Self::Answer,
        Self::Reject,
        Self::Hangup,
        Self::Hold,
        Self::Resume,
        Self::TransferBlind,
        Self::TransferAttended,
        Self::Dtmf,
        Self::Mute,
        Self::Unmute,
        Self::Park,
        Self::Recording,
    ];

    /// The name in the API and the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Reject => "reject",
            Self::Hangup => "hangup",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::TransferBlind => "transfer_blind",
            Self::TransferAttended => "transfer_attended",
            Self::Dtmf => "dtmf",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Park => "park",
            Self::Recording => "recording",
        }
    }

    /// What a platform must be able to do for it.
    #[must_use]
    pub fn needs(self) -> Capability {
        match self {
            Self::Answer => Capability::ControlAnswer,
            Self::Reject => Capability::ControlReject,
            Self::Hangup => Capability::ControlHangUp,
            Self::Hold | Self::Resume => Capability::ControlHold,
            Self::TransferBlind => Capability::ControlTransferBlind,
            Self::TransferAttended => Capability::ControlTransferAttended,
            Self::Dtmf => Capability::ControlDtmf,
            Self::Mute | Self::Unmute => Capability::ControlMute,
            Self::Park => Capability::ControlPark,
            Self::Recording => Capability::ControlRecording,
        }
    }
}

/// Something somebody asks to be done to a call, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Pick up for the agent.
    Answer,
    /// Decline a ringing call.
    Reject,
    /// End the call.
    Hangup,
    /// Put the other side on hold.
    Hold,
    /// Take it back.
    Resume,
    /// Hand the call to someone.
    Transfer {
        /// Where to, as typed.
        to: String,
        /// True to ask first.
        attended: bool,
    },
    /// Send tones.
    Dtmf(String),
    /// Switch the agent's microphone off.
    Mute,
    /// Switch it on.
    Unmute,
    /// Park the call.
    Park,
    /// True to record, false to pause.
    Recording(bool),
}

impl Order {
    /// What it is.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Answer => Action::Answer,
            Self::Reject => Action::Reject,
            Self::Hangup => Action::Hangup,
            Self::Hold => Action::Hold,
            Self::Resume => Action::Resume,
            Self::Transfer { attended: true, .. } => Action::TransferAttended,
            Self::Transfer { .. } => Action::TransferBlind,
            Self::Dtmf(_) => Action::Dtmf,
            Self::Mute => Action::Mute,
            Self::Unmute => Action::Unmute,
            Self::Park => Action::Park,
            Self::Recording(_) => Action::Recording,
        }
    }
}

/// Why something is not done to a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlRefusal {
    /// The app has no such call.
    #[error("call not found")]
    UnknownCall,
    /// The call is over.
    #[error("the call is over")]
    Over,
    /// The call is in no state for this; one sentence.
    #[error("wrong state: {0}")]
    WrongState(String),
    /// Turned away for a reason that dialling has too.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The platform did not do it.
    #[error("{0}")]
    Failed(CommandError),
}

impl From<StoreError> for ControlRefusal {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// Whether an action is possible now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possible {
    /// The action.
    pub action: Action,
    /// Why not.
    pub refusal: Option<ControlRefusal>,
}

struct Found {
    call: Call,
    state: CallState,
    connection: ReadyConnection,
}

/// Steers calls. Cheap to clone.
#[derive(Clone)]
pub struct Controls {
    store: Arc<dyn Store>,
    connections: Arc<Connections>,
    links: Links,
    sessions: Arc<dyn SessionSource>,
    metrics: Metrics,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Controls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controls").finish_non_exhaustive()
    }
}

impl Controls {
    /// Wires it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        connections: Arc<Connections>,
        links: Links,
        sessions: Arc<dyn SessionSource>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            connections,
            links,
            sessions,
            metrics,
            tasks: TaskTracker::new(),
        }
    }

    /// Does something to a call, for an agent where one is named. Gives the id of the call it was
    /// done to: the one asked for, or the one that has become.
    ///
    /// # Errors
    /// [`ControlRefusal`].
    pub async fn act(
        &self,
        app: &App,
        id: CallId,
        agent: AgentDevice,
        order: &Order,
    ) -> Result<CallId, ControlRefusal> {
        check_agent(&agent)?;
        let found = self.find(app, id).await?;
        let handle = handle(&found, agent);
        let action = order.action();
        self.possible(&found, &handle, action)?;
        let control = self.control(app, &found, &handle, order).await?;
        let (connection, sessions) = (found.connection, self.sessions.clone());
        let labels = |outcome| ControlLabels {
            platform: connection.adapter.spec().platform,
            action: action.as_str(),
            outcome,
        };
        // Half of a transfer is worse than none: it goes on when the client has hung up.
        let task = self.tasks.spawn({
            let connection = connection.clone();
            async move {
                let session = sessions.open(&connection);
                let asked = connection.adapter.control(&session, &handle, &control);
                tokio::time::timeout(ANSWER_LIMIT, asked).await
            }
        });
        let done = match task.await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(CommandError::new(
                Fault::Uncertain,
                "The phone platform did not answer in time. See what the phone does.",
            )),
            Err(_) => {
                tracing::error!(action = action.as_str(), "steering a call panicked");
                return Err(Refusal::Broken.into());
            }
        };
        let outcome = done.as_ref().map_or_else(|e| e.fault.as_str(), |()| "done");
        self.metrics.controls.get_or_create(&labels(outcome)).inc();
        match done {
            Ok(()) => Ok(found.call.id),
            Err(error) if error.fault == Fault::NotSupported => {
                Err(Refusal::NotSupported(error.detail).into())
            }
            Err(error) if error.fault == Fault::Gone => Err(ControlRefusal::Over),
            Err(error) if error.fault == Fault::State => {
                Err(ControlRefusal::WrongState(error.detail))
            }
            Err(error) => Err(ControlRefusal::Failed(error)),
        }
    }

    /// For each action whether it is possible now, and if not why.
    ///
    /// # Errors
    /// [`ControlRefusal::UnknownCall`], or what keeps the question from being answered.
    pub async fn actions(
        &self,
        app: &App,
        id: CallId,
        agent: AgentDevice,
    ) -> Result<Vec<Possible>, ControlRefusal> {
        check_agent(&agent)?;
        let found = self.find(app, id).await?;
        let handle = handle(&found, agent);
        let possible = |action| Possible {
            action,
            refusal: self.possible(&found, &handle, action).err(),
        };
        Ok(Action::ALL.map(possible).to_vec())
    }

    /// Waits for commands under way to be answered; for an orderly stop.
    pub async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn find(&self, app: &App, id: CallId) -> Result<Found, ControlRefusal> {
        let state = self.living(app, id).await?;
        let state = state.ok_or(ControlRefusal::UnknownCall)?;
        let connection = self.connections.get(state.connection_id);
        let connection = connection.filter(|c| c.app.id == app.id);
        let Some(connection) = connection else {
            let why = "The connection this call came through is gone.";
            return Err(Refusal::NotSupported(why.to_owned()).into());
        };
        Ok(Found {
            call: state.derive(&app.country).call,
            state,
            connection,
        })
    }

    /// The call, or the one it has become part of.
    async fn living(&self, app: &App, id: CallId) -> StoreResult<Option<CallState>> {
        let mut found = self.store.call_state(app.id, id).await?;
        for _ in 0..MAX_MERGES {
            let Some(next) = found.as_ref().and_then(|call| call.merged_into) else {
                break;
            };
            found = self.store.call_state(app.id, next).await?;
        }
        Ok(found)
    }

    fn possible(
        &self,
        found: &Found,
        handle: &CallHandle,
        action: Action,
    ) -> Result<(), ControlRefusal> {
        if found.call.status.is_terminal() {
            return Err(ControlRefusal::Over);
        }
        can_now(&found.connection, &self.links, action.needs())?;
        if handle.keys.is_empty() {
            return Err(wrong("The phone platform has not begun this call yet."));
        }
        in_state(found, handle, action).map_or(Ok(()), |why| Err(wrong(why)))
    }

    /// The command for the adapter. Handing a call to a number is dialling it.
    async fn control(
        &self,
        app: &App,
        found: &Found,
        handle: &CallHandle,
        order: &Order,
    ) -> Result<Control, ControlRefusal> {
        Ok(match order {
            Order::Answer => Control::Answer,
            Order::Reject => Control::Reject,
            Order::Hangup => Control::HangUp,
            Order::Hold => Control::Hold,
            Order::Resume => Control::Resume,
            Order::Transfer { to, attended } => {
                let to = self.transfer_target(app, found, handle, to).await?;
                if *attended {
                    Control::TransferAttended { to }
                } else {
                    Control::TransferBlind { to }
                }
            }
            Order::Dtmf(digits) => Control::Dtmf {
                digits: tones(digits)?,
            },
            Order::Mute => Control::Mute { on: true },
            Order::Unmute => Control::Mute { on: false },
            Order::Park => Control::Park,
            Order::Recording(on) => Control::Recording { on: *on },
        })
    }

    async fn transfer_target(
        &self,
        app: &App,
        found: &Found,
        handle: &CallHandle,
        typed: &str,
    ) -> Result<PhoneNumber, ControlRefusal> {
        let rules = self.store.dial_policy(app.id).await?.unwrap_or_default();
        let refused = |reason| Refusal::Refused {
            field: "to",
            reason,
        };
        let plan = &found.connection.context.numbers;
        let target = policy::target(typed, plan).map_err(refused)?;
        let own = handle.agent_leg().and_then(|leg| leg.extension.as_deref());
        if own.is_some() && target.canonical() == own {
            return Err(refused(policy::Reason::OwnExtension).into());
        }
        policy::allow(&rules, app, &target).map_err(refused)?;
        Ok(target)
    }
}

fn wrong(why: &str) -> ControlRefusal {
    ControlRefusal::WrongState(why.to_owned())
}

/// Why the call is in no state for an action.
fn in_state(found: &Found, handle: &CallHandle, action: Action) -> Option<&'static str> {
    let call = &found.call;
    let own = handle.agent_leg();
    let picked_up = own.is_some_and(|leg| leg.answered);
    let talking = matches!(call.status, Status::Active | Status::Held);
    // A platform that does not report holds leaves us guessing: it may know better.
    let (adapter, context) = (&found.connection.adapter, &found.connection.context);
    let sees_holds = adapter.lacks(Capability::Hold, context).is_none();
    match action {
        Action::Hangup => None,
        Action::Answer if own.is_none() => Some("No device of an agent rings on this call."),
        Action::Answer if picked_up => Some("The agent has picked up already."),
        Action::Reject if call.direction == Some(Direction::Outbound) => {
            Some("Only a call that comes in can be declined. Hang up instead.")
        }
        Action::Reject if call.status != Status::Ringing => {
            Some("The call has been answered. Hang up instead.")
        }
        Action::Reject if own.is_none() => Some("No device of an agent rings on this call."),
        Action::Answer | Action::Reject => None,
        _ if !talking => Some("Nobody has answered yet."),
        Action::Hold if call.status == Status::Held && sees_holds => {
            Some("The call is on hold already.")
        }
        Action::Resume if call.status == Status::Active && sees_holds => {
            Some("The call is not on hold.")
        }
        Action::Hold
        | Action::Resume
        | Action::TransferBlind
        | Action::TransferAttended
        | Action::Dtmf
        | Action::Mute
        | Action::Unmute
        | Action::Park
        | Action::Recording => None,
    }
}

fn tones(digits: &str) -> Result<String, Refusal> {
    let is_tone = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
    let digits = digits.to_ascii_uppercase();
    if (1..=MAX_DIGITS).contains(&digits.len()) && digits.chars().all(is_tone) {
        return Ok(digits);
    }
    let problem = "must be 1 to 32 tones: 0 to 9, *, # and A to D";
    Err(Refusal::field("digits", problem))
}

/// The call as the adapter needs to know it.
fn handle(found: &Found, agent: AgentDevice) -> CallHandle {
    let facts = &found.state.facts;
    let keys = facts.keys.iter().filter(|key| !key.starts_with(DIAL_KEY));
    let mut legs: Vec<(&String, &LegFacts)> = facts.legs.iter().collect();
    legs.sort_by_key(|(id, leg)| (leg.seen_at, *id));
    let legs = legs.into_iter().map(|(id, leg)| {
        let party = leg.party.view();
        CallLeg {
            id: id.clone(),
            kind: leg.kind,
            extension: party.extension,
            user_id: party.user_id,
            answered: leg.answered_at.is_some(),
            ended: leg.end().is_some(),
        }
    });
    CallHandle {
        keys: keys.cloned().collect(),
        external_call_id: found.call.external_call_id.clone(),
        legs: legs.collect(),
        agent,
    }
}
