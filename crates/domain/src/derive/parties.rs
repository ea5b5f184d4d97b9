//! Who is on a call: the two sides, the agent, the legs and the transfers between them.

use crate::Timestamp;
use crate::call::{AgentView, LegView, PartyView, Status, TransferView};
use crate::cause::Reason;
use crate::facts::{BridgeMark, LegFacts, PartyFacts, Said};
use crate::phone::PhoneNumber;
use crate::signal::Direction;

use super::reading::{Leg, Reading};

/// One side of a call: from a leg, from what was said about the call, or from a bare number.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    Party(&'a PartyFacts),
    Number(&'a PhoneNumber),
}

impl Side<'_> {
    pub(super) fn number(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Party(party) => party.number.as_ref().map(|n| &n.value),
            Self::Number(number) => Some(number),
        }
    }

    pub(super) fn view(self, country: &str) -> PartyView {
        let name = match self {
            Self::Party(party) => said(party.name.as_ref()),
            Self::Number(_) => None,
        };
        let extension = match self {
            Self::Party(party) => said(party.extension.as_ref()),
            Self::Number(_) => None,
        };
        let number = self.number();
        PartyView {
            number: canonical(self),
            raw: number.map(|n| n.raw.clone()).or_else(|| extension.clone()),
            kind: number.map(|n| n.kind),
            display: number.map(|n| n.display(country)).or(extension),
            name,
        }
    }
}

pub(super) fn canonical(side: Side<'_>) -> Option<String> {
    let number = side
        .number()
        .and_then(PhoneNumber::canonical)
        .map(str::to_owned);
    match side {
        Side::Party(party) => number.or_else(|| said(party.extension.as_ref())),
        Side::Number(_) => number,
    }
}

fn said(value: Option<&Said<String>>) -> Option<String> {
    value.map(|v| v.value.clone())
}

impl<'a> Reading<'a> {
    pub(super) fn agent_leg(&self, status: Status) -> Option<Leg<'a>> {
        let answered = self.agents.iter().filter(|(_, leg)| {
            leg.answered_at.is_some() && (self.answered_at.is_some() || leg.origin)
        });
        let last_talker = answered.max_by_key(|(id, leg)| {
            // Said to be over as a whole, it is over for everybody.
            let left = talk_end(leg).or(self.facts.stated_end.at);
            (left.is_none(), left, leg.answered_at, *id)
        });
        let declined = || {
            let mut legs = self.agents.iter();
            legs.find(|(_, leg)| leg.cause.reason == Some(Reason::Rejected))
        };
        let rung = || {
            self.agents
                .iter()
                .filter(|(_, leg)| leg.rang_at.is_some())
                .min_by_key(|(id, leg)| (leg.end().is_some(), leg.rang_at, *id))
        };
        let found = last_talker
            .or_else(|| (status == Status::Rejected).then(declined).flatten())
            .or_else(rung)
            .or_else(|| self.agents.iter().find(|(_, leg)| leg.origin))
            .or_else(|| self.agents.first());
        found.copied()
    }

    pub(super) fn agent(&self, status: Status) -> Option<AgentView> {
        match self.agent_leg(status) {
            Some((_, leg)) => Some(leg.party.view()),
            None => self.facts.requested.as_ref().map(|r| r.agent.view()),
        }
    }

    /// The outside party: the leg that began the call, else the one that answered first.
    pub(super) fn remote_side(&self) -> Option<Side<'a>> {
        let leg = self
            .externals
            .iter()
            .min_by_key(|(id, leg)| (!leg.origin, leg.answered_at.is_none(), leg.seen_at, *id));
        match leg {
            Some((_, leg)) if leg.party != PartyFacts::default() => Some(Side::Party(&leg.party)),
            _ if self.knows_remote() => Some(Side::Party(&self.facts.remote)),
            _ => None,
        }
    }

    /// The one called, where somebody asked us to place the call: the number asked for, with the
    /// platform's name of it when the platform speaks of the same number.
    fn asked_side(&self, remote: Option<Side<'a>>) -> Option<Side<'a>> {
        let target = &self.facts.requested.as_ref()?.target;
        let same = |side: &Side<'_>| canonical(*side).as_deref() == target.canonical();
        Some(remote.filter(same).unwrap_or(Side::Number(target)))
    }

    pub(super) fn sides(&self) -> (Option<Side<'a>>, Option<Side<'a>>) {
        let line = self.facts.line.as_ref().map(|l| Side::Number(&l.value));
        let dialled = self.facts.dialled.as_ref().map(|d| Side::Number(&d.value));
        let party = |leg: Leg<'a>| Side::Party(&leg.1.party);
        let remote = self.remote_side();
        let asking = self.facts.requested.as_ref();
        let asking = asking.map(|r| Side::Party(&r.agent));
        match self.direction {
            Some(Direction::Outbound) => {
                let own = self
                    .agents
                    .iter()
                    .find(|(_, leg)| leg.origin)
                    .or(self.agents.first());
                let from = line.or(own.copied().map(party)).or(asking);
                (from, self.asked_side(remote).or(remote).or(dialled))
            }
            Some(Direction::Internal) => {
                let from = self.origin();
                let other = self
                    .agents
                    .iter()
                    .copied()
                    .find(|(id, _)| Some(*id) != from.map(|(id, _)| id));
                let to = self.asked_side(other.map(party));
                (
                    asking.or(from.map(party)).or(remote),
                    to.or(dialled).or(other.map(party)),
                )
            }
            Some(Direction::Inbound) | None => (
                remote,
                line.or(dialled).or(self.agents.first().copied().map(party)),
            ),
        }
    }

    /// With the name that was said of this number for the call as a whole, where its own leg
    /// names nobody.
    pub(super) fn named(&self, mut view: PartyView) -> PartyView {
        let remote = Side::Party(&self.facts.remote);
        if view.name.is_none() && view.number.is_some() && view.number == canonical(remote) {
            view.name = said(self.facts.remote.name.as_ref());
        }
        view
    }

    pub(super) fn transfers(&self) -> Vec<TransferView> {
        let extension = |id: &String| {
            let party = self.facts.legs.get(id).map(|leg| &leg.party)?;
            said(party.extension.as_ref()).or_else(|| said(party.user_id.as_ref()))
        };
        self.facts
            .transfers
            .iter()
            .map(|fact| TransferView {
                at: fact.at,
                kind: fact.kind,
                from: fact.from.as_ref().and_then(extension),
                to: fact.to.clone(),
            })
            .collect()
    }

    pub(super) fn legs(&self) -> Vec<LegView> {
        let mut legs: Vec<Leg<'a>> = self.all().collect();
        legs.sort_by_key(|(id, leg)| (leg.seen_at, *id));
        legs.into_iter()
            .map(|(id, leg)| LegView {
                id: id.clone(),
                kind: leg.kind,
                extension: said(leg.party.extension.as_ref()),
                user_id: said(leg.party.user_id.as_ref()),
                name: said(leg.party.name.as_ref()),
                number: leg
                    .party
                    .number
                    .as_ref()
                    .and_then(|n| n.value.canonical().map(str::to_owned)),
                started_at: leg.seen_at,
                rang_at: leg.rang_at,
                answered_at: leg.answered_at,
                ended_at: leg.end(),
                end_cause: if leg.ended_at.is_none() && leg.lost_at.is_some() {
                    Some(Reason::Lost)
                } else {
                    leg.cause.reason
                },
                hangup_cause: leg.cause.q850,
            })
            .collect()
    }
}

/// When this leg stopped talking: it left its last bridge, or ended.
fn talk_end(leg: &LegFacts) -> Option<Timestamp> {
    let left = match leg.bridges.last() {
        Some((at, BridgeMark::Left, _)) => Some(*at),
        _ => None,
    };
    match (left, leg.end()) {
        (Some(left), Some(end)) => Some(left.min(end)),
        // Between two bridges a leg may stand alone for a moment; only the end is final.
        (Some(_), None) => None,
        (None, end) => end,
    }
}
