//! What is asked before a call is placed, in this order: through which connection, to whom,
//! whether the app allows it, which number is shown, how often this agent has dialled, whether the
//! agent is free, and whether the connection can do it now.

use std::time::Duration;

use jiff::SignedDuration;
use switchhook_domain::agent::{Names, Place};
use switchhook_domain::call::Status;
use switchhook_domain::fold::PresenceState;
use switchhook_domain::id::ConnectionId;
use switchhook_domain::media::Presence;
use switchhook_domain::phone::PhoneNumber;

use super::policy;
use super::request::{DialRequest, Refusal};
use super::{Dialler, Inner};
use crate::adapter::Capability;
use crate::agents::own::own_device;
use crate::command::AgentDevice;
use crate::connections::ReadyConnection;
use crate::moments::in_wrap_up;
use crate::store::{App, CallQuery, StoreResult, WorkSettings};

/// The time over which an agent's calls are counted, in seconds.
const WINDOW: i64 = 60;
/// How old a report of presence may be before it is worth nothing: as old as a call without a
/// sign of life.
const STALE: SignedDuration = switchhook_domain::fold::LOST_AFTER;

/// A request that may be carried out.
pub(super) struct Cleared {
    pub(super) connection: ReadyConnection,
    pub(super) target: PhoneNumber,
    pub(super) caller_id: Option<String>,
}

impl Dialler {
    /// Asks everything there is to ask.
    pub(super) async fn clear(
        &self,
        app: &App,
        request: &mut DialRequest,
    ) -> Result<Cleared, Refusal> {
        let connection = self.inner.choose(app, request.connection)?;
        let own = self.inner.own_device(app, request, &connection).await;
        let cleared = match own {
            Ok(device) => {
                request.agent = device;
                self.clear_for(app, request, &connection).await
            }
            Err(refusal) => Err(refusal),
        };
        if cleared.is_err() {
            self.inner.count(&connection, "refused");
        }
        let (target, caller_id) = cleared?;
        Ok(Cleared {
            connection,
            target,
            caller_id,
        })
    }

    async fn clear_for(
        &self,
        app: &App,
        request: &DialRequest,
        connection: &ReadyConnection,
    ) -> Result<(PhoneNumber, Option<String>), Refusal> {
        let inner = &self.inner;
        let plan = &connection.context.numbers;
        let rules = inner.store.dial_policy(app.id).await?.unwrap_or_default();
        let work = inner.store.work_settings(app.id).await?.unwrap_or_default();
        let refused = |field| move |reason| Refusal::Refused { field, reason };
        if request.is_click() && !work.click_to_dial_enabled {
            return Err(refused("to")(policy::Reason::Off));
        }
        let target = policy::target(&request.target, plan).map_err(refused("to"))?;
        if target.canonical() == request.agent.extension.as_deref() {
            return Err(refused("to")(policy::Reason::OwnExtension));
        }
        policy::allow(&rules, app, &target).map_err(refused("to"))?;
        let asked = request.caller_id.as_deref();
        let shown = policy::caller_id(&rules, asked, plan).map_err(refused("caller_id"))?;
        let limit = policy::per_agent_per_minute(&rules);
        inner.within_limit(app, &request.agent, limit).await?;
        let busy = inner.is_busy(app, connection, &request.agent).await?
            || inner
                .is_wrapping_up(app, connection, request, &work)
                .await?;
        if busy {
            return Err(Refusal::Busy);
        }
        inner.can(connection, Capability::Originate)?;
        Ok((target, shown))
    }
}

impl Inner {
    /// The device that rings: the one named, which must be their own for an agent who acts for
    /// themselves.
    async fn own_device(
        &self,
        app: &App,
        request: &DialRequest,
        connection: &ReadyConnection,
    ) -> Result<AgentDevice, Refusal> {
        let Some(agent) = request.own else {
            return Ok(request.agent.clone());
        };
        let roster = self.intake.agents().latest(app.id).await?;
        let place = Place {
            platform: connection.adapter.spec().platform,
            connection: connection.row.id,
        };
        let device = own_device(&roster, place, agent, &request.agent);
        device.ok_or(Refusal::NotOwn)
    }

    /// The connection named, or the only one of the app that places calls.
    fn choose(&self, app: &App, named: Option<ConnectionId>) -> Result<ReadyConnection, Refusal> {
        let field = |problem: &str| Refusal::field("connection_id", problem);
        if let Some(id) = named {
            let found = self.connections.get(id).filter(|c| c.app.id == app.id);
            return found.ok_or_else(|| field("is not a connection of this app"));
        }
        let mut own = self.connections.all();
        own.retain(|c| c.app.id == app.id);
        let able =
            |c: &&ReadyConnection| c.adapter.lacks(Capability::Originate, &c.context).is_none();
        let mut candidates = own.iter().filter(able);
        match (candidates.next(), candidates.next(), own.as_slice()) {
            (Some(only), None, _) | (None, _, [only]) => Ok(only.clone()),
            (None, _, []) => Err(field("is required, and this app has no connection yet")),
            (None, ..) => Err(field("is required: no connection of this app places calls")),
            (Some(_), Some(_), _) => Err(field(
                "is required: several connections of this app place calls",
            )),
        }
    }

    async fn within_limit(
        &self,
        app: &App,
        agent: &AgentDevice,
        limit: u32,
    ) -> Result<(), Refusal> {
        if !self.is_over_limit(app, agent, limit, 0).await? {
            return Ok(());
        }
        // The smallest wait after which enough of the calls lie more than a minute back.
        let (mut low, mut high) = (0, WINDOW);
        while low + 1 < high {
            let middle = i64::midpoint(low, high);
            if self.is_over_limit(app, agent, limit, middle).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
        let wait = Duration::from_secs(u64::try_from(high).unwrap_or(60));
        Err(Refusal::TooMany { limit, wait })
    }

    /// Whether the limit will still be reached after so many seconds.
    async fn is_over_limit(
        &self,
        app: &App,
        agent: &AgentDevice,
        limit: u32,
        after: i64,
    ) -> StoreResult<bool> {
        // A call exactly a minute old no longer counts.
        let window = SignedDuration::from_secs(WINDOW - after) - SignedDuration::from_micros(1);
        let since = self.now() - window;
        for name in [&agent.extension, &agent.user_id].into_iter().flatten() {
            if self.store.dials_since(app.id, name, since).await? >= limit {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// On a call, or finishing the last one. An agent who is away may still dial, and one who is
    /// reported offline too: the platform knows better whether the device is there.
    async fn is_busy(
        &self,
        app: &App,
        connection: &ReadyConnection,
        agent: &AgentDevice,
    ) -> StoreResult<bool> {
        let id = connection.row.id;
        let oldest = self.now() - STALE;
        let states = self.store.presence_states(app.id, id).await?;
        let theirs = states.iter().filter(|state| is_agent(state, agent));
        let last = theirs.max_by_key(|state| state.at);
        let engaged = |state: &PresenceState| {
            let busy = matches!(state.report.presence, Presence::OnCall | Presence::WrapUp);
            busy && state.at > oldest
        };
        if last.is_some_and(engaged) {
            return Ok(true);
        }
        for name in [&agent.extension, &agent.user_id].into_iter().flatten() {
            let query = CallQuery {
                open_only: true,
                statuses: vec![Status::Active, Status::Held],
                connection_id: Some(id),
                agent: Some(name.clone()),
                limit: 1,
                ..CallQuery::default()
            };
            if !self.store.calls(app.id, &query).await?.calls.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the agent whose device it is still has to say what came of their last call.
    async fn is_wrapping_up(
        &self,
        app: &App,
        connection: &ReadyConnection,
        request: &DialRequest,
        work: &WorkSettings,
    ) -> StoreResult<bool> {
        if work.dial_in_wrap_up {
            return Ok(false);
        }
        let roster = self.intake.agents().latest(app.id).await?;
        let place = Place {
            platform: connection.adapter.spec().platform,
            connection: connection.row.id,
        };
        let names = Names {
            extension: request.agent.extension.as_deref(),
            user_id: request.agent.user_id.as_deref(),
            email: None,
        };
        let found = roster.find(place, names).map(|found| found.agent.id);
        let Some(agent) = request.own.or(found) else {
            return Ok(false);
        };
        let who = (app.id, agent);
        in_wrap_up(&*self.store, who, self.now(), work.wrap_up_seconds).await
    }

    /// Whether the connection can be asked for something now.
    pub(crate) fn can(
        &self,
        connection: &ReadyConnection,
        capability: Capability,
    ) -> Result<(), Refusal> {
        can_now(connection, &self.links, capability)
    }
}

/// Whether a connection can be asked for something now: usable, able, and its live link not down
/// where that is how it is asked.
///
/// # Errors
/// [`Refusal::Unusable`], [`Refusal::NotSupported`] or [`Refusal::Down`].
pub(crate) fn can_now(
    connection: &ReadyConnection,
    links: &crate::link::Links,
    capability: Capability,
) -> Result<(), Refusal> {
    if connection.fault.is_some() {
        return Err(Refusal::Unusable);
    }
    if let Some(why) = connection.adapter.lacks(capability, &connection.context) {
        return Err(Refusal::NotSupported(why));
    }
    let adapter = &connection.adapter;
    if !adapter.is_live(&connection.context) || !adapter.asks_over_link() {
        return Ok(());
    }
    let link = links.states().remove(&connection.row.id);
    match link.or_else(|| connection.row.link.clone()) {
        Some(link) if !link.up => {
            let why = "The connection to the phone platform is down. Try again in a moment.";
            Err(Refusal::Down(link.reason.unwrap_or_else(|| why.to_owned())))
        }
        _ => Ok(()),
    }
}

fn is_agent(state: &PresenceState, agent: &AgentDevice) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    same(&state.report.extension, &agent.extension) || same(&state.report.user_id, &agent.user_id)
}
