//! The facts of one conversation: a value that only ever grows.
//!
//! [`Facts::apply`] takes one signal in. Every member is merged by minimum, maximum or union, so
//! that signals may come in any order, twice, or late, and two halves of a conversation can be
//! joined at any time with the same result ([`Facts::merge`] is commutative, associative and
//! idempotent; `tests/fold_laws.rs` proves it over permutations of recorded calls).
//!
//! Nothing is concluded here. What the facts mean is said in [`crate::derive`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::cause::{Cause, EndedBy};
use crate::dial::DialCause;
use crate::id::DialId;
use crate::media::{Recording, Voicemail, earliest};
use crate::phone::PhoneNumber;
use crate::signal::{CallFact, Direction, Fact, LegKind, Outcome, Signal, TransferKind};

mod leg;
mod party;

pub use leg::{BridgeMark, HoldMark, LegFacts};
pub use party::{Latest, PartyFacts, Said};

use party::rank;

/// The most legs kept of one call; a platform that reports more is misbehaving.
pub const MAX_LEGS: usize = 256;
/// The most holds, bridge moves, transfers, recordings and gaps kept of one call or leg, each.
pub const MAX_MARKS: usize = 512;
/// The longest transcript kept, in bytes.
pub const MAX_TRANSCRIPT: usize = 64 * 1024;

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

/// Somebody asked us to place the call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestFact {
    /// When, by our clock.
    pub at: Timestamp,
    /// Our id of the request.
    pub dial: DialId,
    /// Who calls.
    pub agent: PartyFacts,
    /// Who is called.
    pub target: PhoneNumber,
}

/// What was asked for came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DialFailureFact {
    /// When, by our clock.
    pub at: Timestamp,
    /// Our id of the request.
    pub dial: DialId,
    /// Why.
    pub cause: DialCause,
    /// One sentence for the agent.
    pub detail: String,
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
    /// The earliest request to place it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested: Option<RequestFact>,
    /// Requests that came to nothing.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub dial_failures: BTreeSet<DialFailureFact>,
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
    /// Takes one signal in. Returns whether it said anything new. [`Fact::Snapshot`],
    /// [`Fact::Message`] and [`Fact::Presence`] are not about one call and change nothing here.
    pub fn apply(&mut self, signal: &Signal) -> bool {
        let mut news = false;
        for key in &signal.keys {
            if !self.keys.contains(key) {
                news |= bounded_insert(&mut self.keys, key.clone());
            }
        }
        news |= match &signal.fact {
            Fact::Call(fact) => self.apply_call(signal.at, fact),
            Fact::Leg { leg, fact } => {
                if let Some(known) = self.legs.get_mut(leg) {
                    known.apply(signal.at, fact)
                } else if self.legs.len() < MAX_LEGS {
                    self.legs
                        .entry(leg.clone())
                        .or_default()
                        .apply(signal.at, fact)
                } else {
                    false
                }
            }
            Fact::Snapshot { .. } | Fact::Message(_) | Fact::Presence(_) => return news,
        };
        // A later word about something known is a sign of life, but no news by itself.
        self.last_at = self.last_at.max(Some(signal.at));
        news
    }

    fn apply_call(&mut self, at: Timestamp, fact: &CallFact) -> bool {
        match fact {
            CallFact::Linked => false,
            CallFact::Requested {
                dial,
                agent,
                target,
            } => {
                let mut named = PartyFacts::default();
                named.apply(at, agent);
                let request = RequestFact {
                    at,
                    dial: *dial,
                    agent: named,
                    target: target.clone(),
                };
                first(&mut self.requested, Some(request))
            }
            CallFact::DialFailed {
                dial,
                cause,
                detail,
            } => {
                let failure = DialFailureFact {
                    at,
                    dial: *dial,
                    cause: *cause,
                    detail: detail.clone(),
                };
                bounded_insert(&mut self.dial_failures, failure)
            }
            CallFact::Started => update(&mut self.started_at, |known| earliest(known, Some(at))),
            CallFact::Direction(direction) => join(
                &mut self.direction,
                Some(Latest {
                    at,
                    value: *direction,
                }),
            ),
            CallFact::Remote(party) => self.remote.apply(at, party),
            CallFact::Line(number) => join(
                &mut self.line,
                Some(Said::new(rank(number.kind), at, number.clone())),
            ),
            CallFact::Dialled(number) => join(
                &mut self.dialled,
                Some(Said::new(rank(number.kind), at, number.clone())),
            ),
            CallFact::Queue(name) => join(
                &mut self.queue,
                Some(Latest {
                    at,
                    value: name.clone(),
                }),
            ),
            CallFact::Ended { cause, by } => update(&mut self.stated_end, |known| StatedEnd {
                at: known.at.max(Some(at)),
                cause: known.cause.merge(*cause),
                by: known.by.max(*by),
            }),
            CallFact::Outcome(outcome) => {
                update(&mut self.outcome, |known| known.max(Some(*outcome)))
            }
            CallFact::Transferred { kind, from, to } => {
                let fact = TransferFact {
                    at,
                    kind: *kind,
                    from: from.clone(),
                    to: to.clone(),
                };
                bounded_insert(&mut self.transfers, fact)
            }
            CallFact::VoicemailReached => {
                update(&mut self.voicemail_at, |known| earliest(known, Some(at)))
            }
            CallFact::Voicemail { id, voicemail } => {
                let reached = update(&mut self.voicemail_at, |known| earliest(known, Some(at)));
                merged(&mut self.voicemails, id, |known| {
                    known.merge(voicemail.clone());
                }) | reached
            }
            CallFact::Recording { id, recording } => merged(&mut self.recordings, id, |known| {
                known.merge(recording.clone().said_at(at));
            }),
            CallFact::Transcript(text) => self.merge_transcript(Some(cut(text))),
            CallFact::HoldTotal(ms) => update(&mut self.hold_total_ms, |known| {
                known.max(Some((*ms).max(0)))
            }),
        }
    }

    /// Marks legs that were there before `at` and were found gone, and the span in which nobody
    /// listened. Returns whether anything about the call changed.
    pub fn apply_snapshot(
        &mut self,
        at: Timestamp,
        live: &BTreeSet<String>,
        gap_from: Option<Timestamp>,
    ) -> bool {
        let mut changed = false;
        for (id, leg) in &mut self.legs {
            let was_there = leg.seen_at.is_none_or(|seen| seen <= at);
            if leg.end().is_none() && was_there && !live.contains(id) {
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

    /// True when the platform will not say how it goes on, and nobody else has: no leg of one of
    /// ours is known.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        let ours = |leg: &LegFacts| leg.kind == LegKind::Agent;
        self.outcome == Some(Outcome::Untold) && !self.legs.values().any(ours)
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
        first(&mut self.requested, other.requested);
        union(&mut self.dial_failures, other.dial_failures);
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

    /// The longer text is the more complete one.
    fn merge_transcript(&mut self, other: Option<String>) -> bool {
        let length = |text: &Option<String>| text.as_ref().map(String::len);
        let longer = (length(&other), &other) > (length(&self.transcript), &self.transcript);
        if longer {
            self.transcript = other;
        }
        longer
    }
}

/// Puts a value in the place of the known one; true when it is another one.
fn update<T: PartialEq + Copy>(slot: &mut T, value: impl FnOnce(T) -> T) -> bool {
    let known = *slot;
    *slot = value(known);
    *slot != known
}

/// Keeps the greater value; true when it is the other one.
fn join<T: Ord>(slot: &mut Option<T>, other: Option<T>) -> bool {
    let news = other > *slot;
    if news {
        *slot = other;
    }
    news
}

/// Keeps the smaller value; true when it is the other one.
fn first<T: Ord>(slot: &mut Option<T>, other: Option<T>) -> bool {
    let Some(other) = other else { return false };
    let news = slot.as_ref().is_none_or(|known| other < *known);
    if news {
        *slot = Some(other);
    }
    news
}

fn bounded_insert<T: Ord>(set: &mut BTreeSet<T>, value: T) -> bool {
    set.len() < MAX_MARKS && set.insert(value)
}

fn bounded_entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, id: &str) -> Option<&'a mut T> {
    if map.len() >= MAX_MARKS && !map.contains_key(id) {
        return None;
    }
    Some(map.entry(id.to_owned()).or_default())
}

/// Merges into the entry of that id; true when the entry is new or has changed.
fn merged<T: Default + Clone + PartialEq>(
    map: &mut BTreeMap<String, T>,
    id: &str,
    merge: impl FnOnce(&mut T),
) -> bool {
    let is_new = !map.contains_key(id);
    let Some(slot) = bounded_entry(map, id) else {
        return false;
    };
    let before = slot.clone();
    merge(slot);
    is_new || *slot != before
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
