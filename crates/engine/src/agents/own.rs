//! Agents who act for themselves dial and steer from what is theirs and nothing else: with the
//! token of a panel, or signed in with the role agent. Pure.

use switchhook_domain::agent::{IdentityKind, Names, Place, Roster};
use switchhook_domain::fold::CallState;
use switchhook_domain::id::AgentId;
use switchhook_domain::signal::LegKind;

use crate::command::AgentDevice;

/// The device that rings for an agent who acts for themselves: what they name must be theirs on
/// this connection, and where they name nothing it is the nearest of their names. `None` when it
/// is not theirs, or they have none. A device id cannot be checked, so none may be named.
#[must_use]
pub(crate) fn own_device(
    roster: &Roster,
    place: Place<'_>,
    agent: AgentId,
    asked: &AgentDevice,
) -> Option<AgentDevice> {
    let me = roster.get(agent).filter(|me| me.active)?;
    if asked.device_id.is_some() {
        return None;
    }
    if asked.extension.is_none() && asked.user_id.is_none() {
        let first = |kind| {
            me.names_at(place, kind)
                .first()
                .map(|name| (*name).to_owned())
        };
        let device = AgentDevice {
            extension: first(IdentityKind::Extension),
            user_id: first(IdentityKind::User),
            device_id: None,
        };
        let some = device.extension.is_some() || device.user_id.is_some();
        return some.then_some(device);
    }
    let extension = asked.extension.as_deref().map(|extension| Names {
        extension: Some(extension),
        ..Names::default()
    });
    let user = asked.user_id.as_deref().map(|user_id| Names {
        user_id: Some(user_id),
        ..Names::default()
    });
    let mine = |names: Names<'_>| is(roster, place, agent, names);
    let all = extension.into_iter().chain(user).all(mine);
    all.then(|| asked.clone())
}

/// The same for a call that is there: the agent must be on it, or be rung by it.
#[must_use]
pub(crate) fn own_part(
    roster: &Roster,
    state: &CallState,
    agent: AgentId,
    asked: &AgentDevice,
) -> Option<AgentDevice> {
    let place = Place {
        platform: &state.platform,
        connection: state.connection_id,
    };
    let legs = state.facts.legs.values();
    let open = legs.filter(|leg| leg.kind != LegKind::External && leg.end().is_none());
    let asking = state.facts.requested.as_ref().map(|asked| &asked.agent);
    let mut parts = open.map(|leg| &leg.party).chain(asking);
    let part = parts.find(|party| is(roster, place, agent, party.names()))?;
    if *asked != AgentDevice::default() {
        return own_device(roster, place, agent, asked);
    }
    let names = part.names();
    Some(AgentDevice {
        extension: names.extension.map(str::to_owned),
        user_id: names.user_id.map(str::to_owned),
        device_id: None,
    })
}

fn is(roster: &Roster, place: Place<'_>, agent: AgentId, names: Names<'_>) -> bool {
    let found = roster.find(place, names);
    found.is_some_and(|found| found.agent.id == agent)
}
