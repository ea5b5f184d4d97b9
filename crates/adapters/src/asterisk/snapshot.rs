//! The calls in progress, as signals: said once after every (re)connect, because Asterisk does
//! not repeat what happened while nobody listened.

use std::collections::BTreeSet;

use switchhook_domain::Timestamp;
use switchhook_domain::media::Presence;
use switchhook_domain::phone::{NumberKind, PhoneNumber};
use switchhook_domain::signal::{CallFact, Fact, LegFact, LegKind, Party, Signal};

use super::channel::{Channel, State};
use super::facts::{Setting, Told};
use super::happening::Bridge;

/// What the PBX answered when it was asked.
#[derive(Debug, Default)]
pub(super) struct Live<'a> {
    /// All channels.
    pub(super) channels: Vec<Channel<'a>>,
    /// All bridges, with the ids of the channels in them.
    pub(super) bridges: Vec<Bridge<'a>>,
    /// Agents' endpoints and their state, where the PBX tells.
    pub(super) presence: Vec<(&'a str, Presence)>,
}

/// The signals: first which legs are alive, then all that is known of each.
pub(super) fn signals(
    live: &Live<'_>,
    at: Timestamp,
    gap_from: Option<Timestamp>,
    setting: Setting<'_>,
) -> Vec<Signal> {
    let ids: BTreeSet<String> = live.channels.iter().map(|c| c.id.to_string()).collect();
    let mut told = Told::new(at, setting);
    let fact = Fact::Snapshot {
        live: ids,
        gap_from,
    };
    told.signals.push(Signal {
        at,
        keys: Vec::new(),
        fact,
    });
    for channel in &live.channels {
        let among = |bridge: &&Bridge<'_>| bridge.channels.contains(&channel.id);
        let bridges: Vec<&Bridge<'_>> = live.bridges.iter().filter(among).collect();
        told.about(&[channel], &bridges);
        told.shown(channel);
        alive(&mut told, channel, setting);
        for bridge in bridges {
            told.joined(bridge, channel);
        }
    }
    if setting.rules.presence {
        for (endpoint, presence) in &live.presence {
            told.present(endpoint, *presence);
        }
    }
    told.signals
}

/// What a later look at a channel can still tell of its beginning.
fn alive(told: &mut Told<'_>, channel: &Channel<'_>, setting: Setting<'_>) {
    let kind = setting.rules.kind_of(&channel.name);
    if kind == LegKind::Helper {
        return;
    }
    let origin = channel.bears_call().unwrap_or_else(|| {
        channel.state == State::Ring || (channel.state == State::Up && !channel.was_dialled())
    });
    // A called trunk shows the number that was dialled, a calling one the caller.
    let party = if kind == LegKind::External && !channel.caller.number.is_empty() {
        Party {
            number: Some(channel.caller_number(setting.plan)),
            name: channel.caller_name(setting.plan),
            ..Party::default()
        }
    } else {
        Party::default()
    };
    told.leg(
        channel,
        LegFact::Seen {
            kind,
            origin,
            party,
        },
    );
    let line = PhoneNumber::parse(&channel.exten, setting.plan);
    let came_in = kind == LegKind::External && origin && !channel.was_dialled();
    if came_in && line.kind == NumberKind::Public {
        told.call(CallFact::Line(line));
    }
}
