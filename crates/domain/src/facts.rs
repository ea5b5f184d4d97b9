//! The facts of one conversation: a value that only ever grows.
//!
//! [`Facts::apply`] takes one signal in. Every member is merged by minimum, maximum or union, so
//! that signals may come in any order, twice, or late, and two halves of a conversation can be
//! joined at any time with the same result ([`Facts::merge`] is commutative, associative and
//! idempotent; `tests/fold_laws.rs` proves it over permutations of recorded calls).
//!
//! Nothing is concluded here. What the facts mean is said in [`crate::derive`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::cause::{Cause, EndedBy};
use crate::media::{Recording, Voicemail, earliest};
use crate::phone::{NumberKind, PhoneNumber};
use crate::signal::{
    CallFact, Direction, Fact, LegFact, LegKind, Outcome, Party, Signal, TransferKind,
};

/// The most legs kept of one call; a platform that reports more is misbehaving.
pub const MAX_LEGS: usize = 256;
/// The most holds, bridge moves, transfers, recordings and gaps kept of one call or leg, each.
pub const MAX_MARKS: usize = 512;
/// The longest transcript kept, in bytes.
pub const MAX_TRANSCRIPT: usize = 64 * 1024;

/// A value with the rank of its source and the time it was said. Merging keeps the higher rank;
/// among equals what was said first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said<T> {
    rank: u8,
    at: Reverse<Timestamp>,
    /// What was said.
    pub value: T,
}

impl<T> Said<T> {
    fn new(rank: u8, at: Timestamp, value: T) -> Self {
        Self {
            rank,
            at: Reverse(at),
            value,
        }
    }
}

/// A value that may change while the call lasts; the latest one counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Latest<T> {
    at: Timestamp,
    /// What was said.
    pub value: T,
}

/// Who is on one side, each member from its best source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartyFacts {
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Said<PhoneNumber>>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Said<String>>,
    /// Extension or device name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<Said<String>>,
    /// The platform's user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Said<String>>,
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Said<String>>,
}

impl PartyFacts {
    fn apply(&mut self, at: Timestamp, party: &Party) {
        let number = party.number.as_ref();
        join(
            &mut self.number,
            number.map(|n| Said::new(rank(n.kind), at, n.clone())),
        );
        for (slot, text) in [
            (&mut self.name, &party.name),
            (&mut self.extension, &party.extension),
            (&mut self.user_id, &party.user_id),
            (&mut self.email, &party.email),
        ] {
            let text = text.as_ref().filter(|text| !text.trim().is_empty());
            join(slot, text.map(|text| Said::new(0, at, text.clone())));
        }
    }

    fn merge(&mut self, other: Self) {
        join(&mut self.number, other.number);
        join(&mut self.name, other.name);
        join(&mut self.extension, other.extension);
        join(&mut self.user_id, other.user_id);
        join(&mut self.email, other.email);
    }
}

/// A number that can be called back is worth more than one that cannot.
fn rank(kind: NumberKind) -> u8 {
    match kind {
        NumberKind::Unknown => 0,
        NumberKind::Withheld => 1,
        NumberKind::Sip => 2,
        NumberKind::Extension => 3,
        NumberKind::ShortCode => 4,
        NumberKind::Emergency => 5,
        NumberKind::Public => 6,
    }
}

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

    fn apply(&mut self, at: Timestamp, fact: &LegFact) {
        match fact {
            LegFact::Seen {
                kind,
                origin,
                party,
            } => {
                self.kind = self.kind.max(*kind);
                self.origin |= origin;
                self.party.apply(at, party);
            }
            LegFact::Party(party) => self.party.apply(at, party),
            LegFact::Rang => self.rang_at = earliest(self.rang_at, Some(at)),
            LegFact::Answered => self.answered_at = earliest(self.answered_at, Some(at)),
            LegFact::Held => bounded_insert(&mut self.holds, (at, HoldMark::Held)),
            LegFact::Resumed => bounded_insert(&mut self.holds, (at, HoldMark::Resumed)),
            LegFact::Joined { bridge } => {
                bounded_insert(&mut self.bridges, (at, BridgeMark::Joined, bridge.clone()));
            }
            LegFact::Left { bridge } => {
                bounded_insert(&mut self.bridges, (at, BridgeMark::Left, bridge.clone()));
            }
            LegFact::Cause(cause) => self.cause = self.cause.merge(*cause),
            LegFact::HungUp => self.hung_up_at = earliest(self.hung_up_at, Some(at)),
            LegFact::Moved => self.moved = true,
            LegFact::Ended(cause) => {
                self.cause = self.cause.merge(*cause);
                self.ended_at = self.ended_at.max(Some(at));
            }
        }
        self.seen_at = earliest(self.seen_at, Some(at));
    }

    fn merge(&mut self, other: Self) {
        self.kind = self.kind.max(other.kind);
        self.origin |= other.origin;
        self.party.merge(other.party);
        self.seen_at = earliest(self.seen_at, other.seen_at);
        self.rang_at = earliest(self.rang_at, other.rang_at);
        self.answered_at = earliest(self.answered_at, other.answered_at);
        union(&mut self.holds, other.holds);
        union(&mut self.bridges, other.bridges);
        self.cause = self.cause.merge(other.cause);
        self.hung_up_at = earliest(self.hung_up_at, other.hung_up_at);
        self.moved |= other.moved;
        self.ended_at = self.ended_at.max(other.ended_at);
        self.lost_at = earliest(self.lost_at, other.lost_at);
    }
}

/// One transfer as reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TransferFact {
    /// When.
    pub at: Timestamp,
    /// How.
    pub kind: TransferKind,
    /// Leg id of the one who transferred.
    pub from: Option<String>,
    /// Extension or number it went to.
    pub to: Option<String>,
}

/// The end as the platform states it for the whole conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedEnd {
    /// Latest statement.
    pub at: Option<Timestamp>,
    /// Why.
    pub cause: Cause,
    /// Who.
    pub by: Option<EndedBy>,
}

/// Everything known about one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The platform's names of it.
    pub keys: BTreeSet<String>,
    /// Its legs by the platform's id.
    pub legs: BTreeMap<String, LegFacts>,
    /// Earliest statement that it exists, apart from its legs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Direction as stated; platforms correct themselves, so the latest counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Latest<Direction>>,
    /// The outside party, where there is no leg for it.
    pub remote: PartyFacts,
    /// Our own line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Said<PhoneNumber>>,
    /// What was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialled: Option<Said<PhoneNumber>>,
    /// The queue it is or was in; the latest counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Latest<String>>,
    /// The end as stated for the whole.
    pub stated_end: StatedEnd,
    /// The outcome as stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Transfers.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub transfers: BTreeSet<TransferFact>,
    /// Earliest time a voicemail box was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail_at: Option<Timestamp>,
    /// Voicemails left, by the platform's id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub voicemails: BTreeMap<String, Voicemail>,
    /// Recordings, by the platform's id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub recordings: BTreeMap<String, Recording>,
    /// What was said, longest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// Sum of holds in milliseconds as stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_total_ms: Option<i64>,
    /// Spans in which nobody listened while this call was open.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub gaps: BTreeSet<(Option<Timestamp>, Timestamp)>,
    /// When the reaper gave the call up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<Timestamp>,
    /// When a quiet while confirmed that nothing more would ring.
    #[serde(skip_serializing_if = "is_false")]
    pub quiet: bool,
    /// Latest platform time of any signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
}

impl Facts {
    /// Takes one signal in. [`Fact::Snapshot`], [`Fact::Message`] and [`Fact::Presence`] are not
    /// about one call and change nothing here.
    pub fn apply(&mut self, signal: &Signal) {
        for key in &signal.keys {
            bounded_insert(&mut self.keys, key.clone());
        }
        match &signal.fact {
            Fact::Call(fact) => self.apply_call(signal.at, fact),
            Fact::Leg { leg, fact } => {
                if let Some(known) = self.legs.get_mut(leg) {
                    known.apply(signal.at, fact);
                } else if self.legs.len() < MAX_LEGS {
                    self.legs
                        .entry(leg.clone())
                        .or_default()
                        .apply(signal.at, fact);
                }
            }
            Fact::Snapshot { .. } | Fact::Message(_) | Fact::Presence(_) => return,
        }
        self.last_at = self.last_at.max(Some(signal.at));
    }

    fn apply_call(&mut self, at: Timestamp, fact: &CallFact) {
        match fact {
            CallFact::Linked => {}
            CallFact::Started => self.started_at = earliest(self.started_at, Some(at)),
            CallFact::Direction(direction) => {
                join(
                    &mut self.direction,
                    Some(Latest {
                        at,
                        value: *direction,
                    }),
                );
            }
            CallFact::Remote(party) => self.remote.apply(at, party),
            CallFact::Line(number) => {
                join(
                    &mut self.line,
                    Some(Said::new(rank(number.kind), at, number.clone())),
                );
            }
            CallFact::Dialled(number) => {
                join(
                    &mut self.dialled,
                    Some(Said::new(rank(number.kind), at, number.clone())),
                );
            }
            CallFact::Queue(name) => {
                join(
                    &mut self.queue,
                    Some(Latest {
                        at,
                        value: name.clone(),
                    }),
                );
            }
            CallFact::Ended { cause, by } => {
                self.stated_end.at = self.stated_end.at.max(Some(at));
                self.stated_end.cause = self.stated_end.cause.merge(*cause);
                self.stated_end.by = self.stated_end.by.max(*by);
            }
            CallFact::Outcome(outcome) => self.outcome = self.outcome.max(Some(*outcome)),
            CallFact::Transferred { kind, from, to } => {
                let fact = TransferFact {
                    at,
                    kind: *kind,
                    from: from.clone(),
                    to: to.clone(),
                };
                bounded_insert(&mut self.transfers, fact);
            }
            CallFact::VoicemailReached => {
                self.voicemail_at = earliest(self.voicemail_at, Some(at));
            }
            CallFact::Voicemail { id, voicemail } => {
                if let Some(slot) = bounded_entry(&mut self.voicemails, id) {
                    slot.merge(voicemail.clone());
                }
                self.voicemail_at = earliest(self.voicemail_at, Some(at));
            }
            CallFact::Recording { id, recording } => {
                if let Some(slot) = bounded_entry(&mut self.recordings, id) {
                    slot.merge(recording.clone());
                }
            }
            CallFact::Transcript(text) => self.merge_transcript(Some(cut(text))),
            CallFact::HoldTotal(ms) => {
                self.hold_total_ms = self.hold_total_ms.max(Some((*ms).max(0)));
            }
        }
    }

    /// Marks legs that were found gone, and the span in which nobody listened. Returns whether
    /// anything about the call changed.
    pub fn apply_snapshot(
        &mut self,
        at: Timestamp,
        live: &BTreeSet<String>,
        gap_from: Option<Timestamp>,
    ) -> bool {
        let mut changed = false;
        for (id, leg) in &mut self.legs {
            if leg.end().is_none() && !live.contains(id) {
                leg.lost_at = Some(at);
                changed = true;
            }
        }
        if let (true, Some(from)) = (changed, gap_from) {
            bounded_insert(&mut self.gaps, (Some(from), at));
        } else if changed {
            bounded_insert(&mut self.gaps, (None, at));
        }
        changed
    }

    /// Joins what is known about two halves of one conversation.
    pub fn merge(&mut self, other: Self) {
        union(&mut self.keys, other.keys);
        for (id, leg) in other.legs {
            if self.legs.len() < MAX_LEGS || self.legs.contains_key(&id) {
                self.legs.entry(id).or_default().merge(leg);
            }
        }
        self.started_at = earliest(self.started_at, other.started_at);
        join(&mut self.direction, other.direction);
        self.remote.merge(other.remote);
        join(&mut self.line, other.line);
        join(&mut self.dialled, other.dialled);
        join(&mut self.queue, other.queue);
        self.stated_end.at = self.stated_end.at.max(other.stated_end.at);
        self.stated_end.cause = self.stated_end.cause.merge(other.stated_end.cause);
        self.stated_end.by = self.stated_end.by.max(other.stated_end.by);
        self.outcome = self.outcome.max(other.outcome);
        union(&mut self.transfers, other.transfers);
        self.voicemail_at = earliest(self.voicemail_at, other.voicemail_at);
        for (id, voicemail) in other.voicemails {
            if let Some(slot) = bounded_entry(&mut self.voicemails, &id) {
                slot.merge(voicemail);
            }
        }
        for (id, recording) in other.recordings {
            if let Some(slot) = bounded_entry(&mut self.recordings, &id) {
                slot.merge(recording);
            }
        }
        self.merge_transcript(other.transcript);
        self.hold_total_ms = self.hold_total_ms.max(other.hold_total_ms);
        union(&mut self.gaps, other.gaps);
        self.lost_at = earliest(self.lost_at, other.lost_at);
        self.quiet |= other.quiet;
        self.last_at = self.last_at.max(other.last_at);
    }

    fn merge_transcript(&mut self, other: Option<String>) {
        let key = |text: &Option<String>| text.as_ref().map(|t| (t.len(), t.clone()));
        if key(&other) > key(&self.transcript) {
            self.transcript = other;
        }
    }
}

fn join<T: Ord>(slot: &mut Option<T>, other: Option<T>) {
    if other > *slot {
        *slot = other;
    }
}

fn bounded_insert<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if set.len() < MAX_MARKS {
        set.insert(value);
    }
}

fn bounded_entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, id: &str) -> Option<&'a mut T> {
    if map.len() >= MAX_MARKS && !map.contains_key(id) {
        return None;
    }
    Some(map.entry(id.to_owned()).or_default())
}

fn union<T: Ord>(set: &mut BTreeSet<T>, other: BTreeSet<T>) {
    for value in other {
        bounded_insert(set, value);
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_TRANSCRIPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
