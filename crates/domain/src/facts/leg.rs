//! The facts of one leg.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{PartyFacts, bounded_insert, is_false, union, update};
use crate::Timestamp;
use crate::cause::Cause;
use crate::media::earliest;
use crate::signal::{LegFact, LegKind};

/// What a leg did with the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldMark {
    /// Put it on hold.
    Held,
    /// Took it back.
    Resumed,
}

/// What a leg did with a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeMark {
    /// Left it. Before [`BridgeMark::Joined`], so that leaving and joining at one instant reads
    /// as a move.
    Left,
    /// Joined it.
    Joined,
}

/// The facts of one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegFacts {
    /// Whose leg it is.
    pub kind: LegKind,
    /// True when it began the conversation.
    #[serde(skip_serializing_if = "is_false")]
    pub origin: bool,
    /// Who is on it.
    pub party: PartyFacts,
    /// Earliest time it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Earliest ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rang_at: Option<Timestamp>,
    /// Earliest answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Earliest time by which it must have picked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_by: Option<Timestamp>,
    /// True when its end stands in the order in which the parties left.
    #[serde(skip_serializing_if = "is_false")]
    pub parted: bool,
    /// Holds and resumes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub holds: BTreeSet<(Timestamp, HoldMark)>,
    /// Bridges joined and left.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub bridges: BTreeSet<(Timestamp, BridgeMark, String)>,
    /// Why it ended, from all that was said about it.
    pub cause: Cause,
    /// Earliest time its own party hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hung_up_at: Option<Timestamp>,
    /// True when the call moved on without it.
    #[serde(skip_serializing_if = "is_false")]
    pub moved: bool,
    /// Latest end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was found gone after nobody had listened; a reported end wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<Timestamp>,
}

impl Default for LegFacts {
    fn default() -> Self {
        Self {
            kind: LegKind::Helper,
            origin: false,
            party: PartyFacts::default(),
            seen_at: None,
            rang_at: None,
            answered_at: None,
            up_by: None,
            parted: false,
            holds: BTreeSet::new(),
            bridges: BTreeSet::new(),
            cause: Cause::default(),
            hung_up_at: None,
            moved: false,
            ended_at: None,
            lost_at: None,
        }
    }
}

impl LegFacts {
    /// When it was over, as far as known.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.ended_at.or(self.lost_at)
    }

    /// Takes one statement in. Returns whether it said anything new.
    pub(super) fn apply(&mut self, at: Timestamp, fact: &LegFact) -> bool {
        let news = match fact {
            LegFact::Seen {
                kind,
                origin,
                party,
            } => {
                let kind = update(&mut self.kind, |known| known.max(*kind));
                let origin = update(&mut self.origin, |known| known | origin);
                self.party.apply(at, party) | kind | origin
            }
            LegFact::Party(party) => self.party.apply(at, party),
            LegFact::Rang => update(&mut self.rang_at, |known| earliest(known, Some(at))),
            LegFact::Answered => update(&mut self.answered_at, |known| earliest(known, Some(at))),
            LegFact::Held => bounded_insert(&mut self.holds, (at, HoldMark::Held)),
            LegFact::Resumed => bounded_insert(&mut self.holds, (at, HoldMark::Resumed)),
            LegFact::Joined { bridge } => {
                bounded_insert(&mut self.bridges, (at, BridgeMark::Joined, bridge.clone()))
            }
            LegFact::Left { bridge } => {
                bounded_insert(&mut self.bridges, (at, BridgeMark::Left, bridge.clone()))
            }
            LegFact::WasUp => update(&mut self.up_by, |known| earliest(known, Some(at))),
            LegFact::Parted => update(&mut self.parted, |_| true),
            LegFact::Cause(cause) => update(&mut self.cause, |known| known.merge(*cause)),
            LegFact::HungUp => update(&mut self.hung_up_at, |known| earliest(known, Some(at))),
            LegFact::Moved => update(&mut self.moved, |_| true),
            LegFact::Ended(cause) => {
                let cause = update(&mut self.cause, |known| known.merge(*cause));
                update(&mut self.ended_at, |known| known.max(Some(at))) | cause
            }
        };
        update(&mut self.seen_at, |known| earliest(known, Some(at))) | news
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.kind = self.kind.max(other.kind);
        self.origin |= other.origin;
        self.party.merge(other.party);
        self.seen_at = earliest(self.seen_at, other.seen_at);
        self.rang_at = earliest(self.rang_at, other.rang_at);
        self.answered_at = earliest(self.answered_at, other.answered_at);
        self.up_by = earliest(self.up_by, other.up_by);
        self.parted |= other.parted;
        union(&mut self.holds, other.holds);
        union(&mut self.bridges, other.bridges);
        self.cause = self.cause.merge(other.cause);
        self.hung_up_at = earliest(self.hung_up_at, other.hung_up_at);
        self.moved |= other.moved;
        self.ended_at = self.ended_at.max(other.ended_at);
        self.lost_at = earliest(self.lost_at, other.lost_at);
    }
}
