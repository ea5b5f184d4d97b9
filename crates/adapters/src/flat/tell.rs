//! What a flat event says in signals. Each event is understood by itself: no memory, and every
//! date in it is a fact whichever event carries it.
//!
//! The legs: one of kind *routing*, named as the call, on which the caller waits from the start;
//! and one for each agent, `<call>/<agent>`. A device that stops or declines is therefore not the
//! end of the call: the platform says when that is.

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::phone::PhoneNumber;
use switchhook_domain::signal::{
    CallFact, Direction, LegFact, LegKind, MAX_KEYS, Outcome, Party, Signal, TransferKind, UNDATED,
};

use super::{Event, Word};

/// The longest part of a leg's id that names the agent, in characters.
const MAX_AGENT: usize = 100;

/// The key of a call, from the platform's id.
pub(crate) fn key(call_id: &str) -> String {
    format!("call:{call_id}")
}

/// The facts of one event.
pub(crate) fn signals(event: &Event) -> Vec<Signal> {
    let mut keys = vec![key(&event.call_id)];
    keys.extend(event.keys.iter().map(|id| key(id)));
    keys.dedup();
    keys.truncate(MAX_KEYS);
    let mut teller = Teller {
        event,
        keys,
        told: Vec::with_capacity(10),
    };
    match event.word {
        Word::Ignored => return Vec::new(),
        Word::Recording => teller.call(event.at, CallFact::Linked),
        _ => teller.introduce(),
    }
    teller.tell();
    teller.media();
    teller.told
}

struct Teller<'e> {
    event: &'e Event,
    keys: Vec<String>,
    told: Vec<Signal>,
}

impl Teller<'_> {
    fn call(&mut self, at: Timestamp, fact: CallFact) {
        self.told.push(Signal::call(at, &self.keys, fact));
    }

    fn leg(&mut self, at: Timestamp, leg: &str, fact: LegFact) {
        self.told.push(Signal::leg(at, &self.keys, leg, fact));
    }

    /// The leg of an agent; `None` when nothing tells who it is.
    fn leg_of(&self, party: &Party) -> Option<String> {
        let names = [&party.extension, &party.user_id, &party.email, &party.name];
        let name = names.into_iter().flatten().find(|n| !n.trim().is_empty())?;
        let name: String = name.trim().chars().take(MAX_AGENT).collect();
        Some(format!("{}/{name}", self.event.call_id))
    }

    /// The leg of the event's agent, when it can be told.
    fn own_leg(&self) -> Option<String> {
        match &self.event.leg {
            Some(leg) => Some(format!("{}/{leg}", self.event.call_id)),
            None => self.leg_of(&self.event.agent),
        }
    }

    /// The leg of the event's agent, or that of an agent who is not named.
    fn agent_leg(&self) -> String {
        self.own_leg()
            .unwrap_or_else(|| format!("{}/agent", self.event.call_id))
    }

    fn introduce(&mut self) {
        let event = self.event;
        let since = event.times.started.unwrap_or(event.at);
        let seen = LegFact::Seen {
            kind: LegKind::Routing,
            origin: true,
            party: Party::default(),
        };
        self.leg(since, &event.call_id, seen);
        let direction = event.direction;
        if let Some(direction) = direction {
            self.call(event.at, CallFact::Direction(direction));
        }
        let (remote, line) = match direction {
            Some(Direction::Outbound) => (&event.to, &event.from),
            _ => (&event.from, &event.to),
        };
        let party = Party {
            number: remote.clone(),
            name: event.remote_name.clone(),
            ..Party::default()
        };
        if party != Party::default() {
            self.call(since, CallFact::Remote(party));
        }
        if let Some(number) = line {
            let fact = match direction {
                Some(Direction::Internal) => CallFact::Dialled(number.clone()),
                _ => CallFact::Line(number.clone()),
            };
            self.call(since, fact);
        }
        if let Some(queue) = &event.queue {
            self.call(since, CallFact::Queue(queue.clone()));
        }
        if let Some(leg) = self.own_leg() {
            self.introduce_agent(&leg, &event.agent);
        }
    }

    fn introduce_agent(&mut self, leg: &str, party: &Party) {
        let event = self.event;
        let times = event.times;
        let at = times.rang.or(times.answered).unwrap_or(event.at);
        let seen = LegFact::Seen {
            kind: LegKind::Agent,
            origin: event.direction == Some(Direction::Outbound),
            party: party.clone(),
        };
        self.leg(at, leg, seen);
    }

    /// Picked up by an agent; one who is not named is made known first.
    fn answered(&mut self, at: Timestamp, leg: &str) {
        if leg.strip_prefix(self.event.call_id.as_str()) == Some("/agent") {
            let seen = LegFact::Seen {
                kind: LegKind::Agent,
                origin: self.event.direction == Some(Direction::Outbound),
                party: Party::default(),
            };
            self.leg(at, leg, seen);
        }
        self.leg(at, leg, LegFact::Answered);
    }

    fn tell(&mut self) {
        let event = self.event;
        let at = event.at;
        if let Some(rang) = event.times.rang {
            self.rang(rang);
        }
        match event.word {
            Word::Started | Word::Queued => self.call(at, CallFact::Started),
            Word::Ringing if event.times.rang.is_none() => self.rang(at),
            Word::Answered => {
                let leg = self.agent_leg();
                self.answered(event.times.answered.unwrap_or(at), &leg);
            }
            Word::Held => self.leg(at, &self.agent_leg(), LegFact::Held),
            Word::Resumed => self.leg(at, &self.agent_leg(), LegFact::Resumed),
            Word::Transferred => self.transferred(),
            Word::Left => self.agent_gone(event.cause),
            Word::Declined => self.agent_gone(Cause::reason(Reason::Rejected)),
            Word::Ended | Word::Missed | Word::Rejected => self.ended(),
            Word::Voicemail if event.voicemail.is_none() => {
                self.call(at, CallFact::VoicemailReached);
            }
            Word::Ringing | Word::Voicemail | Word::Recording | Word::Ignored => {}
        }
    }

    /// Nobody named: the call rings where the caller waits.
    fn rang(&mut self, at: Timestamp) {
        let leg = self.own_leg();
        let leg = leg.unwrap_or_else(|| self.event.call_id.clone());
        self.leg(at, &leg, LegFact::Rang);
    }

    fn agent_gone(&mut self, cause: Cause) {
        let cause = match cause.reason {
            None => Cause::reason(Reason::NoAnswer),
            Some(_) => cause,
        };
        match self.own_leg() {
            Some(leg) => self.leg(self.event.at, &leg, LegFact::Ended(cause)),
            None => self.call(self.event.at, CallFact::Linked),
        }
    }

    fn transferred(&mut self) {
        let event = self.event;
        let from = self.leg_of(&event.transfer.from);
        let from = from.or_else(|| self.own_leg());
        let fact = CallFact::Transferred {
            kind: event.transfer.kind.unwrap_or(TransferKind::Unknown),
            from: from.clone(),
            to: event.transfer.to.clone(),
        };
        self.call(event.at, fact);
        if let Some(from) = from {
            self.leg(event.at, &from, LegFact::Moved);
            let cause = Cause::reason(Reason::Transferred);
            self.leg(event.at, &from, LegFact::Ended(cause));
        }
        if let Some(leg) = self.leg_of(&event.transfer.agent) {
            self.introduce_agent(&leg, &event.transfer.agent);
            self.answered(event.at, &leg);
        }
    }

    fn ended(&mut self) {
        let event = self.event;
        let at = event.times.ended.unwrap_or(event.at);
        let talked = event.talk_ms.filter(|ms| *ms > 0);
        let answered = event.times.answered.or_else(|| {
            let talked = SignedDuration::from_millis(talked?);
            // Without a time of its own all that is known is that somebody picked up.
            let since = at.checked_sub(talked).ok();
            if at == UNDATED { Some(at) } else { since }
        });
        let may_have_talked = event.word == Word::Ended;
        if let Some(answered) = answered.filter(|_| may_have_talked) {
            self.answered_by_whom(answered, at);
        }
        let fallback = match event.word {
            Word::Missed => Some(Reason::NoAnswer),
            Word::Rejected => Some(Reason::Rejected),
            _ => answered.map(|_| Reason::Normal),
        };
        let cause = Cause {
            reason: event.cause.reason.or(fallback),
            ..event.cause
        };
        let outcome = match event.word {
            Word::Missed => Some(Outcome::Missed),
            Word::Rejected => Some(Outcome::Rejected),
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.call(at, CallFact::Outcome(outcome));
        }
        let by = event.by.or(match (event.word, cause.reason) {
            (Word::Rejected, Some(Reason::Blocked)) => Some(EndedBy::System),
            (Word::Rejected, _) => Some(EndedBy::Agent),
            _ => None,
        });
        self.call(at, CallFact::Ended { cause, by });
    }

    /// The answer belongs to whoever handed the call over, when the event says that it was; the
    /// one who has it now took it no later than its end.
    fn answered_by_whom(&mut self, answered: Timestamp, ended: Timestamp) {
        let event = self.event;
        let first = self.leg_of(&event.transfer.from);
        let last = self.agent_leg();
        match first {
            Some(first) if first != last => {
                self.introduce_agent(&first, &event.transfer.from);
                self.answered(answered, &first);
                self.answered(ended, &last);
            }
            _ => self.answered(answered, &last),
        }
    }

    fn media(&mut self) {
        let event = self.event;
        if let Some((id, recording)) = &event.recording {
            let fact = CallFact::Recording {
                id: id.clone(),
                recording: recording.clone(),
            };
            self.call(event.at, fact);
        }
        if let Some((id, voicemail)) = &event.voicemail {
            let at = voicemail.left_at.unwrap_or(event.at);
            let fact = CallFact::Voicemail {
                id: id.clone(),
                voicemail: voicemail.clone(),
            };
            self.call(at, fact);
        }
    }
}

/// A number as written; an empty one of an inbound caller was withheld.
pub(crate) fn withheld_when_empty(
    written: Option<PhoneNumber>,
    direction: Option<Direction>,
) -> Option<PhoneNumber> {
    written.or_else(|| (direction == Some(Direction::Inbound)).then(PhoneNumber::withheld))
}
