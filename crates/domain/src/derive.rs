//! What the facts mean: the pure step from [`Facts`] to the call record.
//!
//! The rules, in the order in which they are asked:
//! 1. **Legs.** Technical half-legs are hidden. *People* are legs of agents and of outside
//!    parties; *routing* legs (queues, menus, mailboxes) never answer for a person.
//! 2. **Direction**: as stated, else by the leg that began the conversation.
//! 3. **Answered**: inbound and outbound when one of ours and the outside party have both picked
//!    up, at the later of the two times; on platforms without a leg for the outside party, when
//!    one of ours picked up. A trunk that the PBX answered to play music is not an answer.
//! 4. **Over**: as stated; or when every person's leg has ended. A leg that ended because the
//!    call moved on waits for its successor. An unanswered call that still waits in a queue is
//!    over only after a quiet while ([`Derived::soft_end`]).
//! 5. **Status** follows from the two, and never goes back once it was terminal.

use jiff::SignedDuration;

use crate::Timestamp;
use crate::call::{
    AgentView, Call, ContactView, HoldView, LegView, PartyView, RecordingView, Status,
    TransferView, VoicemailView,
};
use crate::cause::{EndedBy, Reason};
use crate::facts::{BridgeMark, Facts, HoldMark, LegFacts, PartyFacts, Said};
use crate::id::{CallId, ConnectionId};
use crate::media::RecordingState;
use crate::phone::PhoneNumber;
use crate::signal::{Direction, LegKind, Outcome};
use crate::time::{seconds, seconds_between};

/// What is known about a call apart from its facts.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// Our id.
    pub id: CallId,
    /// The platform.
    pub platform: &'a str,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The country whose national form the display numbers take.
    pub country: &'a str,
    /// When we first stored it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The contact found for the outside party.
    pub contact: Option<&'a ContactView>,
    /// True once the status has been terminal.
    pub was_terminal: bool,
    /// The call this one became part of.
    pub merged_into: Option<CallId>,
}

/// The record and what only the engine needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The record.
    pub call: Call,
    /// True when it is a conversation somebody should see, and not a fragment that waits to be
    /// joined to one.
    pub visible: bool,
    /// True when nobody is left to answer but the platform has not said that it is over; a quiet
    /// while settles it.
    pub soft_end: bool,
}

type Leg<'a> = (&'a String, &'a LegFacts);

struct Reading<'a> {
    facts: &'a Facts,
    agents: Vec<Leg<'a>>,
    externals: Vec<Leg<'a>>,
    routing: Vec<Leg<'a>>,
    direction: Option<Direction>,
    answered_at: Option<Timestamp>,
}

/// Derives the record.
#[must_use]
pub fn derive(facts: &Facts, frame: &Frame<'_>) -> Derived {
    let reading = Reading::new(facts);
    let over = reading.is_over();
    let soft_end = !over && reading.is_soft_end();
    let voicemail = reading.is_voicemail();
    let terminal = over || voicemail || frame.was_terminal || frame.merged_into.is_some();
    let ended_at = (over || frame.was_terminal)
        .then(|| reading.ended_at())
        .flatten();
    let holds = reading.holds(ended_at);
    let status = reading.status(terminal, voicemail, ended_at, &holds);
    let (end_cause, hangup_cause) = reading.cause(status);
    let (from, to) = reading.sides();
    let rang_at = reading.rang_at();
    let recordings = recordings(facts);
    let call = Call {
        id: frame.id,
        platform: frame.platform.to_owned(),
        connection_id: frame.connection_id,
        external_call_id: reading.external_call_id(),
        dialpad_call_id: None,
        dialpad_user_id: None,
        direction: reading.direction,
        status,
        from_number: from.and_then(|p| canonical(p)),
        to_number: to.and_then(|p| canonical(p)),
        from: from.map(|p| p.view(frame.country)),
        to: to.map(|p| p.view(frame.country)),
        agent: reading.agent(status),
        queue: facts.queue.as_ref().map(|q| q.value.clone()),
        contact: frame.contact.cloned(),
        started_at: reading.started_at(),
        rang_at,
        answered_at: reading.answered_at,
        ended_at,
        created_at: frame.created_at,
        updated_at: frame.updated_at,
        ring_seconds: reading.ring_seconds(rang_at, ended_at),
        duration_seconds: duration_seconds(reading.answered_at, ended_at),
        hold_seconds: hold_seconds(facts, &holds, frame.updated_at),
        end_cause: status.is_terminal().then_some(end_cause).flatten(),
        hangup_cause: status.is_terminal().then_some(hangup_cause).flatten(),
        ended_by: (ended_at.is_some())
            .then(|| reading.ended_by(status))
            .flatten(),
        recording_url: recordings
            .iter()
            .find(|r| r.state == RecordingState::Available)
            .and_then(|r| r.url.clone()),
        recordings,
        voicemail: voicemail_view(facts),
        transcript: facts.transcript.clone(),
        holds,
        transfers: reading.transfers(),
        legs: reading.legs(),
        // What is not known of a call that became part of another is said there.
        missing: if frame.merged_into.is_some() {
            Vec::new()
        } else {
            reading.missing(status, soft_end)
        },
        merged_into: frame.merged_into,
    };
    let call = with_inherited_names(call);
    Derived {
        visible: reading.is_visible(),
        soft_end,
        call,
    }
}

/// The predecessor's names of two members, for the platform it knew.
fn with_inherited_names(mut call: Call) -> Call {
    if call.platform == "dialpad" {
        call.dialpad_call_id = Some(call.external_call_id.clone());
        call.dialpad_user_id = call.agent.as_ref().and_then(|a| a.user_id.clone());
    }
    call
}

/// One side of a call: from a leg, from what was said about the call, or from a bare number.
#[derive(Clone, Copy)]
enum Side<'a> {
    Party(&'a PartyFacts),
    Number(&'a PhoneNumber),
}

impl Side<'_> {
    fn number(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Party(party) => party.number.as_ref().map(|n| &n.value),
            Self::Number(number) => Some(number),
        }
    }

    fn view(self, country: &str) -> PartyView {
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

fn canonical(side: Side<'_>) -> Option<String> {
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
    fn new(facts: &'a Facts) -> Self {
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

    fn people(&self) -> impl Iterator<Item = Leg<'a>> {
        self.agents.iter().chain(&self.externals).copied()
    }

    fn all(&self) -> impl Iterator<Item = Leg<'a>> {
        self.people().chain(self.routing.iter().copied())
    }

    fn origin(&self) -> Option<Leg<'a>> {
        self.all()
            .filter(|(_, leg)| leg.origin)
            .min_by_key(|(id, leg)| (leg.seen_at, *id))
    }

    fn knows_remote(&self) -> bool {
        self.facts.remote.number.is_some() || self.facts.remote.name.is_some()
    }

    fn read_direction(&self) -> Option<Direction> {
        if let Some(stated) = &self.facts.direction {
            return Some(stated.value);
        }
        let Some((_, origin)) = self.origin() else {
            let both = !self.agents.is_empty() && !self.externals.is_empty();
            return (self.originated() && both).then_some(Direction::Outbound);
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

    fn read_answered_at(&self) -> Option<Timestamp> {
        let up = |legs: &[Leg<'a>]| -> Vec<Leg<'a>> {
            legs.iter()
                .copied()
                .filter(|(_, leg)| leg.answered_at.is_some())
                .collect()
        };
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

    fn rang_at(&self) -> Option<Timestamp> {
        let first = |legs: &[Leg<'a>]| legs.iter().filter_map(|(_, leg)| leg.rang_at).min();
        let called = self
            .agents
            .iter()
            .filter(|(_, leg)| !leg.origin)
            .filter_map(|(_, l)| l.rang_at)
            .min();
        match self.direction {
            Some(Direction::Outbound) if !self.externals.is_empty() => first(&self.externals),
            Some(Direction::Outbound) => first(&self.agents),
            Some(Direction::Internal) => called,
            _ => called.or_else(|| first(&self.routing)),
        }
    }

    /// Until somebody answered; unanswered, until the last device stopped (the caller may go on
    /// to a mailbox after that) or it was over.
    fn ring_seconds(&self, rang_at: Option<Timestamp>, ended_at: Option<Timestamp>) -> Option<i64> {
        let devices = || self.agents.iter().filter(|(_, leg)| leg.rang_at.is_some());
        let stopped = || {
            let ends: Option<Vec<Timestamp>> = devices().map(|(_, leg)| leg.end()).collect();
            ends?.into_iter().max()
        };
        let unanswered = || stopped().into_iter().chain(ended_at).min();
        Some(seconds_between(
            rang_at?,
            self.answered_at.or_else(unanswered)?,
        ))
    }

    fn started_at(&self) -> Option<Timestamp> {
        let legs = self.all().filter_map(|(_, leg)| leg.seen_at).min();
        [legs, self.facts.started_at].into_iter().flatten().min()
    }

    /// The platform's id of the leg that began the conversation, as far as known.
    fn external_call_id(&self) -> String {
        let first = || self.all().min_by_key(|(id, leg)| (leg.seen_at, *id));
        let leg = self.origin().or_else(first).map(|(id, _)| id.clone());
        leg.or_else(|| self.facts.keys.first().cloned())
            .unwrap_or_default()
    }

    fn has_anchor(&self) -> bool {
        self.facts.direction.is_some()
            || self.knows_remote()
            || self.origin().is_some()
            || self.originated()
    }

    /// Begun by the platform on somebody's order (click-to-dial through a technical half-leg):
    /// everybody on it was called.
    fn originated(&self) -> bool {
        self.facts
            .legs
            .values()
            .any(|leg| leg.kind == LegKind::Helper && leg.origin)
    }

    /// A call that was sent on, and nobody has been seen at the other end yet.
    fn waits_for_successor(&self) -> bool {
        self.agents.iter().any(|(id, leg)| {
            let followed = |(other, next): Leg<'a>| {
                let picked_up = next.answered_at.is_some() && next.kind == LegKind::Agent;
                other != *id && !next.moved && (picked_up || next.seen_at > leg.answered_at)
            };
            leg.moved && leg.answered_at.is_some() && !self.all().any(followed)
        })
    }

    fn is_over(&self) -> bool {
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
        // One person alone is no conversation: the outside party has gone for good when it began
        // the call or had been answered.
        let alone = self
            .agents
            .iter()
            .filter(|(_, leg)| leg.end().is_none())
            .count()
            <= 1;
        let began = self.externals.iter().any(|(_, leg)| leg.origin);
        !self.externals.is_empty()
            && ended(&self.externals)
            && alone
            && (began || self.answered_at.is_some())
    }

    /// Nobody is left to talk: everyone who answered has gone, and whoever still seems to ring
    /// is a device of the group that somebody else answered for.
    fn is_soft_end(&self) -> bool {
        let gone = |leg: &LegFacts| {
            let lost_the_race = leg.answered_at.is_none()
                && leg
                    .rang_at
                    .is_some_and(|rang| self.answered_at.is_some_and(|at| rang < at));
            leg.end().is_some() || lost_the_race
        };
        let mut somebody_ended = false;
        let all_gone = self.people().all(|(_, leg)| {
            somebody_ended |= leg.end().is_some();
            gone(leg)
        });
        self.has_anchor() && all_gone && somebody_ended
    }

    fn is_voicemail(&self) -> bool {
        let reached = self.facts.voicemail_at.is_some();
        let still_ringing = self.agents.iter().any(|(_, leg)| {
            leg.rang_at > self.facts.voicemail_at && leg.end().is_none() && !leg.origin
        });
        reached && self.answered_at.is_none() && !still_ringing
    }

    fn ended_at(&self) -> Option<Timestamp> {
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

    fn status(
        &self,
        terminal: bool,
        voicemail: bool,
        ended_at: Option<Timestamp>,
        holds: &[HoldView],
    ) -> Status {
        if !terminal {
            return match self.answered_at {
                None => Status::Ringing,
                Some(_) if holds.iter().any(|hold| hold.to.is_none()) => Status::Held,
                Some(_) => Status::Active,
            };
        }
        // An answer that is only known from after the end (clock skew) does not count.
        let answered = self
            .answered_at
            .is_some_and(|at| ended_at.is_none_or(|end| at <= end));
        if answered {
            Status::Ended
        } else if voicemail {
            Status::Voicemail
        } else if self.direction == Some(Direction::Outbound) {
            Status::Ended
        } else if self.was_rejected() {
            Status::Rejected
        } else {
            Status::Missed
        }
    }

    /// Declined by the last device that rang, or as the platform says.
    fn was_rejected(&self) -> bool {
        match self.facts.outcome {
            Some(Outcome::Rejected) => return true,
            Some(Outcome::Missed) => return false,
            None => {}
        }
        if matches!(
            self.facts.stated_end.cause.reason,
            Some(Reason::Rejected | Reason::Blocked)
        ) {
            return true;
        }
        let Some(declined_at) = self
            .agents
            .iter()
            .filter(|(_, leg)| leg.cause.reason == Some(Reason::Rejected))
            .filter_map(|(_, leg)| leg.end())
            .max()
        else {
            return false;
        };
        let rang_later = |leg: &LegFacts| leg.rang_at.is_some_and(|at| at > declined_at);
        let rang_longer = |leg: &LegFacts| {
            leg.rang_at.is_some() && leg.end().is_none_or(|end| end > declined_at + NEAR)
        };
        !self.agents.iter().any(|(_, leg)| {
            leg.cause.reason != Some(Reason::Rejected) && (rang_later(leg) || rang_longer(leg))
        })
    }

    fn agent_leg(&self, status: Status) -> Option<Leg<'a>> {
        let answered = self.agents.iter().filter(|(_, leg)| {
            leg.answered_at.is_some() && (self.answered_at.is_some() || leg.origin)
        });
        let last_talker = answered.max_by_key(|(id, leg)| {
            let left = talk_end(leg);
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

    fn agent(&self, status: Status) -> Option<AgentView> {
        let (_, leg) = self.agent_leg(status)?;
        let party = &leg.party;
        Some(AgentView {
            id: None,
            extension: said(party.extension.as_ref()),
            user_id: said(party.user_id.as_ref()),
            email: said(party.email.as_ref()),
            name: said(party.name.as_ref()),
        })
    }

    /// The outside party: the leg that began the call, else the one that answered first.
    fn remote_side(&self) -> Option<Side<'a>> {
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

    fn sides(&self) -> (Option<Side<'a>>, Option<Side<'a>>) {
        let line = self.facts.line.as_ref().map(|l| Side::Number(&l.value));
        let dialled = self.facts.dialled.as_ref().map(|d| Side::Number(&d.value));
        let party = |leg: Leg<'a>| Side::Party(&leg.1.party);
        let remote = self.remote_side();
        match self.direction {
            Some(Direction::Outbound) => {
                let own = self
                    .agents
                    .iter()
                    .find(|(_, leg)| leg.origin)
                    .or(self.agents.first());
                (line.or(own.copied().map(party)), remote.or(dialled))
            }
            Some(Direction::Internal) => {
                let from = self.origin();
                let other = self
                    .agents
                    .iter()
                    .copied()
                    .find(|(id, _)| Some(*id) != from.map(|(id, _)| id));
                (from.map(party).or(remote), dialled.or(other.map(party)))
            }
            Some(Direction::Inbound) | None => (
                remote,
                line.or(dialled).or(self.agents.first().copied().map(party)),
            ),
        }
    }

    /// Merged hold intervals of all legs, cut to the talk.
    fn holds(&self, ended_at: Option<Timestamp>) -> Vec<HoldView> {
        let Some(answered_at) = self.answered_at else {
            return Vec::new();
        };
        let mut spans: Vec<HoldView> = self.people().flat_map(|(_, leg)| leg_holds(leg)).collect();
        spans.sort_by_key(|span| (span.from, span.to.is_none(), span.to));
        let mut merged: Vec<HoldView> = Vec::new();
        for span in spans {
            let to = match (span.to, ended_at) {
                (Some(to), Some(end)) => Some(to.min(end)),
                (to, end) => to.or(end),
            };
            let from = span.from.max(answered_at);
            if to.is_some_and(|to| to <= from) {
                continue;
            }
            match merged.last_mut() {
                Some(last) if last.to.is_none_or(|end| from <= end) => {
                    last.to = match (last.to, to) {
                        (Some(a), Some(b)) => Some(a.max(b)),
                        _ => None,
                    };
                }
                _ => merged.push(HoldView { from, to }),
            }
        }
        merged
    }

    fn cause(&self, status: Status) -> (Option<Reason>, Option<u8>) {
        let stated = self.facts.stated_end.cause;
        let outside = self.externals.iter().map(|(_, leg)| leg.cause);
        let own = self.agent_leg(status).map(|(_, leg)| leg.cause);
        let number = stated
            .q850
            .or_else(|| {
                if status == Status::Ended {
                    None
                } else {
                    own.and_then(|c| c.q850)
                }
            })
            .filter(|n| *n != 0)
            .or_else(|| outside.clone().filter_map(|c| c.q850).max())
            .or_else(|| own.and_then(|c| c.q850));
        let all_lost = self.people().count() > 0
            && self
                .people()
                .all(|(_, leg)| leg.ended_at.is_none() && leg.lost_at.is_some());
        let lost = self.facts.stated_end.at.is_none()
            && (all_lost
                || self.facts.lost_at.is_some()
                    && self.people().all(|(_, leg)| leg.end().is_none()));
        if lost {
            return (Some(Reason::Lost), number);
        }
        let reason = match status {
            Status::Voicemail => Some(Reason::Voicemail),
            Status::Rejected => stated
                .reason
                .filter(|r| *r == Reason::Blocked)
                .or(own.and_then(|c| c.reason).filter(|r| *r == Reason::Blocked))
                .or(Some(Reason::Rejected)),
            Status::Ended if self.answered_at.is_some() => {
                stated.reason.or_else(|| talk_reason(outside, own))
            }
            Status::Ended => stated
                .reason
                .or_else(|| self.unanswered_reason(outside, own)),
            Status::Missed => stated.reason.or_else(|| self.missed_reason(own)),
            Status::Ringing | Status::Active | Status::Held => None,
        };
        (reason, number)
    }

    fn unanswered_reason(
        &self,
        outside: impl Iterator<Item = crate::cause::Cause>,
        own: Option<crate::cause::Cause>,
    ) -> Option<Reason> {
        let telling = outside
            .filter_map(|c| c.reason)
            .filter(|r| *r != Reason::Normal)
            .max();
        let gave_up = self
            .agents
            .iter()
            .any(|(_, leg)| leg.origin && leg.hung_up_at.is_some());
        telling
            .or(gave_up.then_some(Reason::Cancelled))
            .or_else(|| own.and_then(|c| c.reason).filter(|r| *r != Reason::Normal))
            .or(Some(Reason::NoAnswer))
    }

    fn missed_reason(&self, own: Option<crate::cause::Cause>) -> Option<Reason> {
        let caller_left = self.caller_gave_up();
        let devices = self.agents.iter().filter(|(_, leg)| !leg.origin);
        let telling = devices
            .filter_map(|(_, leg)| leg.cause.reason)
            .filter(|r| !matches!(r, Reason::Normal | Reason::AnsweredElsewhere | Reason::Lost))
            .min();
        caller_left
            .then_some(Reason::Cancelled)
            .or(telling)
            .or_else(|| own.and_then(|c| c.reason).filter(|r| *r != Reason::Normal))
            .or(Some(Reason::NoAnswer))
    }

    fn caller_gave_up(&self) -> bool {
        let origin_left = self
            .origin()
            .is_some_and(|(_, leg)| leg.hung_up_at.is_some());
        let all_cancelled = self.agents.iter().any(|(_, leg)| !leg.origin)
            && self
                .agents
                .iter()
                .filter(|(_, leg)| !leg.origin)
                .all(|(_, leg)| leg.cause.reason == Some(Reason::Cancelled));
        origin_left || all_cancelled
    }

    fn ended_by(&self, status: Status) -> Option<EndedBy> {
        if self.facts.stated_end.by.is_some() {
            return self.facts.stated_end.by;
        }
        let first = self
            .people()
            .filter(|(_, leg)| !leg.moved)
            .filter_map(|(id, leg)| leg.hung_up_at.map(|at| (at, id, leg)))
            // Whoever dropped out of a ring group or was transferred away did not end the call.
            .filter(|(_, _, leg)| self.ended_the_call(leg))
            .min_by_key(|(at, id, _)| (*at, *id));
        let by = first.map(|(_, _, leg)| match leg.kind {
            LegKind::External => EndedBy::Remote,
            LegKind::Agent | LegKind::Routing | LegKind::Helper => EndedBy::Agent,
        });
        by.or(match status {
            Status::Rejected => Some(EndedBy::Agent),
            Status::Missed if self.caller_gave_up() => Some(EndedBy::Remote),
            Status::Missed => Some(EndedBy::System),
            _ if self.facts.lost_at.is_some() => Some(EndedBy::System),
            _ => None,
        })
    }

    /// True when the call went over within moments of this leg's end.
    fn ended_the_call(&self, leg: &LegFacts) -> bool {
        match (leg.hung_up_at, self.ended_at()) {
            (Some(at), Some(end)) => end.duration_since(at) <= NEAR,
            _ => false,
        }
    }

    fn transfers(&self) -> Vec<TransferView> {
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

    fn legs(&self) -> Vec<LegView> {
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

    fn missing(&self, status: Status, soft_end: bool) -> Vec<String> {
        let mut missing = Vec::new();
        if self.direction.is_none() {
            missing.push("direction".to_owned());
        }
        if !self.has_anchor() {
            missing.push("origin".to_owned());
        }
        if status.is_terminal() {
            for (id, leg) in self.people() {
                if leg.ended_at.is_none() {
                    missing.push(format!("leg_end:{id}"));
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

    fn is_visible(&self) -> bool {
        let somebody = self.people().next().is_some() || !self.routing.is_empty();
        self.has_anchor() && (somebody || self.knows_remote())
    }
}

/// Things that happen within this much of one another happen at the same moment to a person.
const NEAR: SignedDuration = SignedDuration::from_secs(2);

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

fn leg_holds(leg: &LegFacts) -> Vec<HoldView> {
    let mut spans = Vec::new();
    let mut open: Option<Timestamp> = None;
    for (at, mark) in &leg.holds {
        match (mark, open) {
            (HoldMark::Held, None) => open = Some(*at),
            (HoldMark::Resumed, Some(from)) => {
                spans.push(HoldView {
                    from,
                    to: Some(*at),
                });
                open = None;
            }
            (HoldMark::Held, Some(_)) | (HoldMark::Resumed, None) => {}
        }
    }
    if let Some(from) = open {
        spans.push(HoldView {
            from,
            to: leg.end(),
        });
    }
    spans
}

fn talk_reason(
    mut outside: impl Iterator<Item = crate::cause::Cause>,
    own: Option<crate::cause::Cause>,
) -> Option<Reason> {
    let telling = |r: Reason| {
        matches!(
            r,
            Reason::Normal | Reason::Failed | Reason::Congestion | Reason::Lost
        )
    };
    outside
        .find_map(|c| c.reason.filter(|r| telling(*r)))
        .or_else(|| own.and_then(|c| c.reason).filter(|r| telling(*r)))
        .or(Some(Reason::Normal))
}

fn duration_seconds(answered_at: Option<Timestamp>, ended_at: Option<Timestamp>) -> Option<i64> {
    let ended_at = ended_at?;
    Some(answered_at.map_or(0, |answered_at| seconds_between(answered_at, ended_at)))
}

fn hold_seconds(facts: &Facts, holds: &[HoldView], now: Timestamp) -> i64 {
    let sum = holds.iter().fold(SignedDuration::ZERO, |sum, hold| {
        let span = hold
            .to
            .unwrap_or(now.max(hold.from))
            .duration_since(hold.from);
        sum.saturating_add(span)
    });
    if holds.is_empty() {
        return facts.hold_total_ms.map_or(0, |ms| (ms + 500) / 1000);
    }
    seconds(sum)
}

fn recordings(facts: &Facts) -> Vec<RecordingView> {
    let mut all: Vec<RecordingView> = facts
        .recordings
        .iter()
        .map(|(id, r)| RecordingView {
            id: id.clone(),
            url: r.url.clone(),
            state: r.state,
            started_at: r.started_at,
            expires_at: r.expires_at,
            duration_seconds: r.duration_ms.map(|ms| (ms + 500) / 1000),
        })
        .collect();
    all.sort_by(|a, b| {
        a.started_at
            .cmp(&b.started_at)
            .then_with(|| a.id.cmp(&b.id))
    });
    all
}

fn voicemail_view(facts: &Facts) -> Option<VoicemailView> {
    let (id, v) = facts
        .voicemails
        .iter()
        .min_by_key(|(id, v)| (v.left_at, *id))?;
    Some(VoicemailView {
        id: id.clone(),
        url: v.url.clone(),
        transcript: v.transcript.clone(),
        duration_seconds: v.duration_ms.map(|ms| (ms + 500) / 1000),
    })
}
