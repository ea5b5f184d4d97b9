//! What the facts say about the course of a call: which way it goes, who began it, when somebody
//! answered, whether it is over.

use jiff::SignedDuration;

use crate::Timestamp;
use crate::call::Status;
use crate::facts::{Facts, LegFacts};
use crate::signal::{DIAL_KEY, Direction, LegKind};
use crate::time::seconds_between;

/// A leg and the platform's id of it.
pub(super) type Leg<'a> = (&'a String, &'a LegFacts);

/// Things that happen within this much of one another happen at the same moment to a person.
pub(super) const NEAR: SignedDuration = SignedDuration::from_secs(2);

/// The facts with their legs sorted by whose they are, and the first conclusions.
pub(super) struct Reading<'a> {
    pub(super) facts: &'a Facts,
    pub(super) agents: Vec<Leg<'a>>,
    pub(super) externals: Vec<Leg<'a>>,
    pub(super) routing: Vec<Leg<'a>>,
    pub(super) direction: Option<Direction>,
    pub(super) answered_at: Option<Timestamp>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        let mut legs: Vec<Leg<'a>> = facts
            .legs
            .iter()
            .filter(|(_, leg)| leg.kind != LegKind::Helper)
            .collect();
        legs.sort_by_key(|(id, leg)| (leg.seen_at, *id));
        let of = |kind| {
            legs.iter()
                .copied()
                .filter(move |(_, leg)| leg.kind == kind)
                .collect()
        };
        let mut reading = Self {
            facts,
            agents: of(LegKind::Agent),
            externals: of(LegKind::External),
            routing: of(LegKind::Routing),
            direction: None,
            answered_at: None,
        };
        reading.direction = reading.read_direction();
        reading.answered_at = reading.read_answered_at();
        reading
    }

    pub(super) fn people(&self) -> impl Iterator<Item = Leg<'a>> {
        self.agents.iter().chain(&self.externals).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Leg<'a>> {
        self.people().chain(self.routing.iter().copied())
    }

    pub(super) fn origin(&self) -> Option<Leg<'a>> {
        self.all()
            .filter(|(_, leg)| leg.origin)
            .min_by_key(|(id, leg)| (leg.seen_at, *id))
    }

    pub(super) fn knows_remote(&self) -> bool {
        self.facts.remote.number.is_some() || self.facts.remote.name.is_some()
    }

    /// True while a call that was asked for, of us or of the platform itself, has only got as far
    /// as the agent's own device, or not even that: its pick-up is no answer, its ring not the
    /// called party's. A platform without legs for the outside says who is there in another way.
    fn is_reaching_out(&self) -> bool {
        let outbound = self.direction == Some(Direction::Outbound);
        // A device that dials does not ring: this one was called first.
        let rang = |(_, leg): Leg<'a>| leg.kind == LegKind::Agent && leg.rang_at.is_some();
        let asked = self.facts.requested.is_some() || self.origin().is_some_and(rang);
        outbound && asked && self.externals.is_empty() && !self.knows_remote()
    }

    pub(super) fn read_direction(&self) -> Option<Direction> {
        // Whoever asked for the call knows best which way it goes.
        if let Some(requested) = &self.facts.requested {
            let outside = requested.target.e164.is_some();
            return Some(if outside {
                Direction::Outbound
            } else {
                Direction::Internal
            });
        }
        if let Some(stated) = &self.facts.direction {
            return Some(stated.value);
        }
        let Some((_, origin)) = self.origin() else {
            let both = !self.agents.is_empty() && !self.externals.is_empty();
            if self.originated() {
                return both.then_some(Direction::Outbound);
            }
            // Ours were called and none of ours began it: somebody outside did.
            let called = !self.agents.is_empty() && self.knows_remote();
            return called.then_some(Direction::Inbound);
        };
        match origin.kind {
            LegKind::External => Some(Direction::Inbound),
            LegKind::Agent if !self.externals.is_empty() || self.knows_remote() => {
                Some(Direction::Outbound)
            }
            LegKind::Agent => {
                let dialled = self.facts.dialled.as_ref().map(|d| &d.value);
                let outside = dialled.is_some_and(|n| n.e164.is_some());
                Some(if outside {
                    Direction::Outbound
                } else {
                    Direction::Internal
                })
            }
            LegKind::Routing | LegKind::Helper => None,
        }
    }

    pub(super) fn read_answered_at(&self) -> Option<Timestamp> {
        let up = |legs: &[Leg<'a>]| -> Vec<Leg<'a>> {
            legs.iter()
                .copied()
                .filter(|(_, leg)| leg.answered_at.is_some())
                .collect()
        };
        if self.is_reaching_out() {
            return None;
        }
        let agents = up(&self.agents);
        if !self.externals.is_empty() {
            let externals = up(&self.externals);
            // Forwarded to a telephone outside: two outside parties talk, none of ours.
            return earliest_meeting(&agents, &externals)
                .or_else(|| earliest_meeting(&externals, &externals));
        }
        if self.direction == Some(Direction::Internal) && !self.knows_remote() {
            return earliest_meeting(&agents, &agents);
        }
        let own = agents.iter().filter_map(|(_, leg)| leg.answered_at).min();
        own.or_else(|| {
            self.routing
                .iter()
                .filter_map(|(_, leg)| leg.answered_at)
                .min()
        })
    }

    pub(super) fn rang_at(&self) -> Option<Timestamp> {
        let first = |legs: &[Leg<'a>]| legs.iter().filter_map(|(_, leg)| leg.rang_at).min();
        let called = self
            .agents
            .iter()
            .filter(|(_, leg)| !leg.origin)
            .filter_map(|(_, l)| l.rang_at)
            .min();
        match self.direction {
            _ if self.is_reaching_out() => None,
            Some(Direction::Outbound) if !self.externals.is_empty() => first(&self.externals),
            Some(Direction::Outbound) => first(&self.agents),
            Some(Direction::Internal) => called,
            _ => called.or_else(|| first(&self.routing)),
        }
    }

    /// Until somebody answered; unanswered, until the last device stopped (the caller may go on
    /// to a mailbox after that), the mailbox took over or it was over.
    pub(super) fn ring_seconds(
        &self,
        rang_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
    ) -> Option<i64> {
        let devices = || self.agents.iter().filter(|(_, leg)| leg.rang_at.is_some());
        let stopped = || {
            let ends: Option<Vec<Timestamp>> = devices().map(|(_, leg)| leg.end()).collect();
            ends?.into_iter().max()
        };
        let unanswered = || stopped().into_iter().chain(ended_at).min();
        let rang_at = rang_at?;
        let mailbox = self.facts.voicemail_at.filter(|at| *at > rang_at);
        let stopped = self
            .answered_at
            .or_else(|| unanswered().into_iter().chain(mailbox).min())?;
        Some(seconds_between(rang_at, stopped))
    }

    pub(super) fn started_at(&self) -> Option<Timestamp> {
        let legs = self.all().filter_map(|(_, leg)| leg.seen_at).min();
        [legs, self.facts.started_at].into_iter().flatten().min()
    }

    /// The platform's id of the leg that began the conversation, as far as known.
    pub(super) fn external_call_id(&self) -> String {
        let first = || self.all().min_by_key(|(id, leg)| (leg.seen_at, *id));
        let leg = self.origin().or_else(first).map(|(id, _)| id.clone());
        let named = |key: &&String| !key.starts_with(DIAL_KEY);
        let key = || self.facts.keys.iter().find(named);
        leg.or_else(|| key().map(|key| without_kind(key).to_owned()))
            .unwrap_or_default()
    }

    pub(super) fn has_anchor(&self) -> bool {
        self.facts.direction.is_some()
            || self.facts.requested.is_some()
            || self.knows_remote()
            || self.origin().is_some()
            || self.originated()
    }

    /// Begun by the platform on somebody's order (click-to-dial through a technical half-leg):
    /// everybody on it was called.
    pub(super) fn originated(&self) -> bool {
        self.facts
            .legs
            .values()
            .any(|leg| leg.kind == LegKind::Helper && leg.origin)
    }

    /// A call that was sent on, and nobody has been seen at the other end yet.
    pub(super) fn waits_for_successor(&self) -> bool {
        self.agents.iter().any(|(id, leg)| {
            let followed = |(other, next): Leg<'a>| {
                let picked_up = next.answered_at.is_some() && next.kind == LegKind::Agent;
                other != *id && !next.moved && (picked_up || next.seen_at > leg.answered_at)
            };
            leg.moved && leg.answered_at.is_some() && !self.all().any(followed)
        })
    }

    pub(super) fn is_over(&self) -> bool {
        if self.facts.stated_end.at.is_some() || self.facts.lost_at.is_some() {
            return true;
        }
        if self.facts.quiet && self.is_soft_end() {
            return true;
        }
        if !self.has_anchor() || self.waits_for_successor() {
            return false;
        }
        let ended = |legs: &[Leg<'a>]| legs.iter().all(|(_, leg)| leg.end().is_some());
        let people = self.agents.len() + self.externals.len();
        if people == 0 {
            return !self.routing.is_empty() && ended(&self.routing);
        }
        if ended(&self.agents) && ended(&self.externals) {
            return self.answered_at.is_some() || ended(&self.routing);
        }
        // One person alone is no conversation. Before an answer it may still be told why the
        // device stopped, which decides between missed and declined: that is a soft end.
        let left = self
            .agents
            .iter()
            .filter(|(_, leg)| leg.end().is_none())
            .count();
        self.answered_at.is_some()
            && !self.externals.is_empty()
            && ended(&self.externals)
            && left <= 1
    }

    /// Nobody is left to talk: everyone who answered has gone, and whoever still seems to ring is
    /// a device of the group that somebody else answered for, or one whose caller has gone.
    pub(super) fn is_soft_end(&self) -> bool {
        let over = |leg: &LegFacts| leg.end().is_some();
        let caller_gone = self.answered_at.is_none()
            && self.externals.iter().any(|(_, leg)| leg.origin)
            && self.externals.iter().all(|(_, leg)| over(leg));
        let gone = |leg: &LegFacts| {
            let rang_before = |at| leg.rang_at.is_some_and(|rang| rang < at);
            let lost_the_race =
                leg.answered_at.is_none() && self.answered_at.is_some_and(rang_before);
            over(leg) || lost_the_race || caller_gone
        };
        let somebody_went = self.people().any(|(_, leg)| over(leg));
        self.has_anchor() && somebody_went && self.people().all(|(_, leg)| gone(leg))
    }

    pub(super) fn is_voicemail(&self) -> bool {
        let reached = self.facts.voicemail_at.is_some();
        let still_ringing = self.agents.iter().any(|(_, leg)| {
            leg.rang_at > self.facts.voicemail_at && leg.end().is_none() && !leg.origin
        });
        reached && self.answered_at.is_none() && !still_ringing
    }

    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        if let Some(at) = self.facts.stated_end.at {
            return Some(at);
        }
        let last = |legs: &[Leg<'a>]| legs.iter().filter_map(|(_, leg)| leg.end()).max();
        let externals_over = self.externals.iter().all(|(_, leg)| leg.end().is_some());
        let people = if !self.externals.is_empty() && externals_over {
            last(&self.externals)
        } else {
            last(&self.agents).max(last(&self.externals))
        };
        people
            .or_else(|| last(&self.routing))
            .or(self.facts.lost_at)
    }

    pub(super) fn missing(&self, status: Status, soft_end: bool) -> Vec<String> {
        let mut missing = Vec::new();
        if self.direction.is_none() {
            missing.push("direction".to_owned());
        }
        if !self.has_anchor() {
            missing.push("origin".to_owned());
        }
        // When the platform says that the whole conversation is over, every leg of it is.
        if status.is_terminal() && self.facts.stated_end.at.is_none() {
            for (id, leg) in self.people() {
                if leg.ended_at.is_none() {
                    missing.push(format!("leg_end:{id}"));
                }
                if self.lacks_its_answer(leg) {
                    missing.push(format!("answer:{id}"));
                }
            }
        }
        if self.facts.lost_at.is_some() && self.facts.stated_end.at.is_none() {
            missing.push("end".to_owned());
        }
        if self.waits_for_successor() {
            missing.push("transfer_target".to_owned());
        }
        let line_known = match self.direction {
            Some(Direction::Inbound | Direction::Outbound) => self.facts.line.is_some(),
            Some(Direction::Internal) | None => true,
        };
        if !line_known {
            missing.push("line".to_owned());
        }
        if soft_end {
            missing.push("end_not_confirmed".to_owned());
        }
        for (from, to) in &self.facts.gaps {
            match from {
                Some(from) => missing.push(format!("gap:{from}/{to}")),
                None => missing.push(format!("gap:/{to}")),
            }
        }
        missing
    }

    /// It must have picked up, and nothing has told when. A leg that stopped while another talked
    /// may be a device of a group that stopped ringing without a word; one that stayed to the end
    /// is not.
    fn lacks_its_answer(&self, leg: &LegFacts) -> bool {
        let stayed = || match (leg.end(), self.ended_at()) {
            (Some(left), Some(end)) => end.duration_since(left) <= NEAR,
            _ => false,
        };
        leg.up_by.is_some_and(|by| match leg.answered_at {
            Some(at) => at >= by,
            None => self.answered_at.is_none() || stayed(),
        })
    }

    pub(super) fn is_visible(&self) -> bool {
        let somebody = self.people().next().is_some() || !self.routing.is_empty();
        let there = somebody || self.knows_remote() || self.facts.requested.is_some();
        self.has_anchor() && there
    }
}

/// The earliest moment at which a leg of `ours` and another of `theirs` were both up.
fn earliest_meeting(ours: &[Leg<'_>], theirs: &[Leg<'_>]) -> Option<Timestamp> {
    let mut best: Option<Timestamp> = None;
    for (our_id, our) in ours {
        for (their_id, their) in theirs {
            if our_id == their_id {
                continue;
            }
            let Some(at) = our.answered_at.max(their.answered_at) else {
                continue;
            };
            let alive = |leg: &LegFacts| leg.end().is_none_or(|end| end >= at);
            if alive(our) && alive(their) && best.is_none_or(|known| at < known) {
                best = Some(at);
            }
        }
    }
    best
}

/// A key as the platform itself writes it: without the word an adapter puts before it (`chan:…`).
fn without_kind(key: &str) -> &str {
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    match key.split_once(':') {
        Some((word, id)) if is_word(word) && !id.is_empty() => id,
        _ => key,
    }
}
