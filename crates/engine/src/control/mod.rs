//! Steering calls: finds the call, its connection and every name the platform gave it, asks
//! whether this can be done now, and hands it to the adapter. What comes of it is told by the
//! platform's own events; nothing is written here.

use std::sync::Arc;
use std::time::Duration;

use switchhook_domain::call::Call;
use switchhook_domain::fold::CallState;
use switchhook_domain::id::{AgentId, CallId};
use switchhook_domain::phone::PhoneNumber;
use tokio_util::task::TaskTracker;

use crate::adapter::Capability;
use crate::agents::Agents;
use crate::agents::own::own_part;
use crate::command::{AgentDevice, CallHandle, CommandError, Control, Fault, Session};
use crate::connections::{Connections, ReadyConnection};
use crate::dial::{Refusal, SessionSource, can_now, check_agent, policy};
use crate::link::Links;
use crate::metrics::{ControlLabels, Metrics};
use crate::store::{App, Store, StoreError, StoreResult};

mod action;
mod ready;

pub use action::{Action, Order};

use ready::{handle, in_state, tones};

/// How long the platform's answer is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How often a call may have become part of another.
const MAX_MERGES: usize = 4;

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
    agents: Agents,
    connections: Arc<Connections>,
    links: Links,
    sessions: Arc<dyn SessionSource>,
    metrics: Metrics,
    tasks: TaskTracker,
}

/// On whose behalf a call is steered.
#[derive(Clone, Debug, Default)]
pub struct Behalf {
    /// The agent's device, where one is named.
    pub device: AgentDevice,
    /// The agent who acts for themselves: only calls they are on, only as themselves. `None` for
    /// those who may steer any call.
    pub own: Option<AgentId>,
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
        agents: Agents,
    ) -> Self {
        Self {
            store,
            agents,
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
        behalf: Behalf,
        order: &Order,
    ) -> Result<CallId, ControlRefusal> {
        check_agent(&behalf.device)?;
        let found = self.find(app, id).await?;
        let agent = self.device(&found, behalf).await?;
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
        behalf: Behalf,
    ) -> Result<Vec<Possible>, ControlRefusal> {
        check_agent(&behalf.device)?;
        let found = self.find(app, id).await?;
        let agent = match self.device(&found, behalf).await {
            Ok(agent) => agent,
            Err(refusal @ ControlRefusal::Refused(Refusal::NotOwn)) => {
                let refused = |action| Possible {
                    action,
                    refusal: Some(refusal.clone()),
                };
                return Ok(Action::ALL.map(refused).to_vec());
            }
            Err(refusal) => return Err(refusal),
        };
        let handle = handle(&found, agent);
        let possible = |action| Possible {
            action,
            refusal: self.possible(&found, &handle, action).err(),
        };
        Ok(Action::ALL.map(possible).to_vec())
    }

    /// What can be done to calls of a connection, whatever state they are in.
    #[must_use]
    pub fn abilities(&self, connection: &ReadyConnection) -> Vec<Possible> {
        let able = |action: Action| Possible {
            action,
            refusal: can_now(connection, &self.links, action.needs())
                .err()
                .map(ControlRefusal::Refused),
        };
        Action::ALL.map(able).to_vec()
    }

    /// Whether calls can be placed through a connection now.
    ///
    /// # Errors
    /// Why not.
    pub fn places_calls(&self, connection: &ReadyConnection) -> Result<(), Refusal> {
        can_now(connection, &self.links, Capability::Originate)
    }

    /// What asking a connection's platform needs.
    pub(crate) fn session(&self, connection: &ReadyConnection) -> Session {
        self.sessions.open(connection)
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

    /// The device it is done from; an agent who acts for themselves must be on the call.
    async fn device(&self, found: &Found, behalf: Behalf) -> Result<AgentDevice, ControlRefusal> {
        let Some(agent) = behalf.own else {
            return Ok(behalf.device);
        };
        let app = found.connection.app.id;
        let roster = self.agents.latest(app).await?;
        let part = own_part(&roster, &found.state, agent, &behalf.device);
        part.ok_or_else(|| Refusal::NotOwn.into())
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
