//! The first generation of events (guide of August 2023): `call:start`, `call:update`, `call:end`.
//!
//! `status` says `CONNECTING` to the end in every published example and is not read: the type of
//! the event and the cause of the end are the truth. When somebody picked up is never said; a
//! normal clearing says that somebody did, so the talk begins no later than it ends.

use std::borrow::Cow;

use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, Outcome, Signal};
use switchhook_engine::adapter::{Adoption, DecodeError};

use super::cause::End;
use super::event::{Event, Participant, has_flag, leads_outside};
use crate::json::label;

/// What an event of this generation says, and which dial it may belong to.
pub(super) fn signals(
    event: &Event<'_>,
    kind: &str,
    plan: &NumberPlan,
) -> Result<(Vec<Signal>, Option<Adoption>), DecodeError> {
    let id = event.call_id()?;
    let call = Call {
        id: &id,
        keys: event.keys()?,
        event,
        caller: Participant::read(&event.data, "caller")?,
        callee: Participant::read(&event.data, "callee")?,
        destination: event.data.number("destination")?,
        plan,
    };
    let mut told = call.introduced();
    if kind == "call:end" {
        call.ended(&mut told)?;
    }
    Ok((told, call.adoption()))
}

struct Call<'e, 'a> {
    id: &'e str,
    keys: Vec<String>,
    event: &'e Event<'a>,
    caller: Option<Participant<'a>>,
    callee: Option<Participant<'a>>,
    destination: Option<Cow<'a, str>>,
    plan: &'e NumberPlan,
}

impl Call<'_, '_> {
    fn call(&self, fact: CallFact) -> Signal {
        Signal::call(self.event.at, &self.keys, fact)
    }

    fn leg(&self, leg: &str, fact: LegFact) -> Signal {
        Signal::leg(self.event.at, &self.keys, leg, fact)
    }

    fn callee_leg(&self, callee: &Participant<'_>) -> String {
        format!("{}:{}", self.id, callee.leg_name())
    }

    fn direction(&self) -> Option<Direction> {
        let caller = self.caller.as_ref()?;
        let outside = match (&self.callee, self.destination.as_deref()) {
            (Some(callee), _) => !callee.local,
            (None, Some(destination)) => leads_outside(destination, self.plan),
            (None, None) => false,
        };
        Some(match (caller.local, outside) {
            (false, _) => Direction::Inbound,
            (true, true) => Direction::Outbound,
            (true, false) => Direction::Internal,
        })
    }

    /// Who takes part, and which way it goes; said anew by every event.
    fn introduced(&self) -> Vec<Signal> {
        let data = &self.event.data;
        let mut told = vec![self.call(CallFact::Started)];
        if let Some(caller) = &self.caller {
            let seen = LegFact::Seen {
                kind: caller.kind(),
                origin: true,
                party: caller.party(None, self.plan),
            };
            told.push(self.leg(self.id, seen));
        }
        if let Some(callee) = &self.callee {
            let leg = self.callee_leg(callee);
            let seen = LegFact::Seen {
                kind: callee.kind(),
                origin: false,
                party: callee.party(self.destination.as_deref(), self.plan),
            };
            told.push(self.leg(&leg, seen));
            told.push(self.leg(&leg, LegFact::Rang));
        }
        let direction = self.direction();
        told.extend(direction.map(|direction| self.call(CallFact::Direction(direction))));
        if let (Some(Direction::Outbound | Direction::Internal), Some(dialled)) =
            (direction, self.destination.as_deref())
        {
            let number = PhoneNumber::parse(dialled, self.plan);
            told.push(self.call(CallFact::Dialled(number)));
        }
        if let Some(queue) = data.first_words(&["queueName"]) {
            told.push(self.call(CallFact::Queue(label(queue))));
        }
        if let Some(service) = data.words("service")
            && leads_outside(service, self.plan)
        {
            let line = PhoneNumber::parse(service, self.plan);
            told.push(self.call(CallFact::Line(line)));
        }
        if has_flag(data, "voicemail") {
            told.push(self.call(CallFact::VoicemailReached));
        }
        told
    }

    fn ended(&self, told: &mut Vec<Signal>) -> Result<(), DecodeError> {
        let end = End::read(&self.event.data)?;
        let voicemail = has_flag(&self.event.data, "voicemail");
        let talked = end.is_normal() && self.callee.is_some() && !voicemail;
        let from_outside = self.caller.as_ref().is_some_and(|caller| !caller.local);
        let cause = end.cause(talked, from_outside);
        let callee = self.callee.as_ref().map(|callee| self.callee_leg(callee));
        let caller = self.caller.as_ref().map(|_| self.id.to_owned());
        for leg in caller.iter().chain(&callee) {
            if talked {
                told.push(self.leg(leg, LegFact::Answered));
            }
            told.push(self.leg(leg, LegFact::Ended(cause)));
        }
        let unanswered = !talked && !voicemail && self.direction() == Some(Direction::Inbound);
        if unanswered && end.is_unsaid() {
            told.push(self.call(CallFact::Outcome(Outcome::Missed)));
        }
        let by = end.by(self.caller.as_ref(), self.callee.as_ref());
        told.push(self.call(CallFact::Ended { cause, by }));
        Ok(())
    }

    fn adoption(&self) -> Option<Adoption> {
        let caller = self.caller.as_ref().filter(|caller| caller.local)?;
        let dialled = self.destination.as_deref().or_else(|| {
            let callee = self.callee.as_ref()?;
            callee.phone.as_deref()
        })?;
        let dialled = PhoneNumber::parse(dialled, self.plan);
        Some(Adoption {
            dialled: dialled.canonical()?.to_owned(),
            extension: caller.extension.as_deref().map(str::to_owned),
            user_id: caller.user_id(),
        })
    }
}
