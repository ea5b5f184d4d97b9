//! The second generation of events (docs.wildix.com, 2024 and later): `call:live:progress` while
//! the call lasts, `call:live:completed` and `call:live:interrupted` when it is over,
//! `call:completed` when everything about it is stored. Each carries all flows known so far, so
//! any one of them can stand for those before it.

use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{
    CallFact, Direction, LegFact, LegKind, Outcome, Signal, TransferKind,
};
use switchhook_engine::adapter::{Adoption, DecodeError};

use super::cause::End;
use super::event::{Event, Participant, key, leads_outside};
use super::flow::Flow;
use super::media;
use crate::json::label;

/// What an event of this generation says, and which dial it may belong to.
pub(super) fn signals(
    event: &Event<'_>,
    kind: &str,
    plan: &NumberPlan,
) -> Result<(Vec<Signal>, Option<Adoption>), DecodeError> {
    let id = event.call_id()?;
    let flows = Flow::all(event)?;
    let mut teller = Teller {
        id: &id,
        keys: keys(event, &flows)?,
        event,
        plan,
        flows: &flows,
        told: Vec::with_capacity(16),
    };
    teller.call(event.at, CallFact::Started);
    let over = kind != "call:live:progress";
    for flow in &flows {
        teller.flow(flow)?;
        if over {
            teller.flow_over(flow)?;
        }
    }
    for fact in media::facts(&event.data, event.at)? {
        teller.call(event.at, fact);
    }
    if over {
        teller.over(kind)?;
    }
    let told = std::mem::take(&mut teller.told);
    Ok((told, teller.adoption()))
}

/// Every name of the call; a flow that was merged from another call names it.
fn keys(event: &Event<'_>, flows: &[Flow<'_>]) -> Result<Vec<String>, DecodeError> {
    let mut keys = event.keys()?;
    for flow in flows {
        let other = flow.fields.words("mergeWith");
        // A call's id is `<company>_<seconds>.<n>`; anything else is the index of a flow.
        if let Some(other) = other.filter(|other| other.contains('_') && keys.len() < 8) {
            keys.push(key(other));
        }
    }
    Ok(keys)
}

struct Teller<'e, 'a> {
    id: &'e str,
    keys: Vec<String>,
    event: &'e Event<'a>,
    plan: &'e NumberPlan,
    flows: &'e [Flow<'a>],
    told: Vec<Signal>,
}

impl<'a> Teller<'_, 'a> {
    fn call(&mut self, at: Timestamp, fact: CallFact) {
        self.told.push(Signal::call(at, &self.keys, fact));
    }

    fn leg(&mut self, at: Timestamp, leg: &str, fact: LegFact) {
        self.told.push(Signal::leg(at, &self.keys, leg, fact));
    }

    /// The leg that began the call is called like the call, every other one after who is on it.
    fn leg_id(&self, who: &Participant<'_>, is_caller: bool) -> String {
        let first = self.flows.first().filter(|flow| flow.index == 0);
        let began = match first.and_then(|flow| flow.caller.as_ref()) {
            Some(caller) => caller.is(who),
            None => is_caller && !who.local,
        };
        if began {
            self.id.to_owned()
        } else {
            format!("{}:{}", self.id, who.leg_name())
        }
    }

    /// Both participants of a flow, with their legs.
    fn parties<'f>(&self, flow: &'f Flow<'a>) -> Vec<(&'f Participant<'a>, String)> {
        let caller = flow.caller.iter().map(|who| (who, true));
        let callee = flow.callee.iter().map(|who| (who, false));
        let both = caller.chain(callee);
        both.map(|(who, is_caller)| (who, self.leg_id(who, is_caller)))
            .collect()
    }

    /// What every event says of a flow: who, where to, ringing, answer, hold.
    fn flow(&mut self, flow: &Flow<'a>) -> Result<(), DecodeError> {
        let at = self.event.at;
        let began = flow.began(self.event)?;
        let direction = self.direction(flow);
        if let Some(direction) = direction.filter(|_| flow.index == 0) {
            self.call(at, CallFact::Direction(direction));
        }
        let outside = flow.remote_phone.as_deref();
        for (who, leg) in self.parties(flow) {
            let seen = LegFact::Seen {
                kind: who.kind(),
                origin: leg == self.id,
                party: who.party(outside, self.plan),
            };
            self.leg(began, &leg, seen);
            if leg != self.id {
                self.leg(flow.rang(at).max(began), &leg, LegFact::Rang);
            }
            if flow.has_talked() {
                self.leg(flow.answered(at).max(began), &leg, LegFact::Answered);
            }
            if who.local && flow.is_held() {
                self.leg(at, &leg, LegFact::Held);
            } else if who.local && flow.is_talking() && flow.ended().is_none() {
                self.leg(at, &leg, LegFact::Resumed);
            }
        }
        self.numbers(flow, direction, began);
        if let Some(queue) = flow.fields.words("queueName") {
            self.call(began, CallFact::Queue(label(queue)));
        }
        Ok(())
    }

    fn numbers(&mut self, flow: &Flow<'a>, direction: Option<Direction>, began: Timestamp) {
        if let Some(line) = flow.fields.words("serviceNumber") {
            let line = PhoneNumber::parse(line, self.plan);
            // Of an outbound call it may be the extension that called.
            if line.e164.is_some() {
                self.call(began, CallFact::Line(line));
            }
        }
        let ours = matches!(direction, Some(Direction::Outbound | Direction::Internal));
        if let (true, 0, Some(dialled)) = (ours, flow.index, flow.destination.as_deref()) {
            let number = PhoneNumber::parse(dialled, self.plan);
            self.call(began, CallFact::Dialled(number));
        }
    }

    /// Who is on the two ends says more than `direction`, which is `INTERNAL` at the start of
    /// some calls that lead outside.
    fn direction(&self, flow: &Flow<'_>) -> Option<Direction> {
        let stated = flow.fields.words("direction").map(str::to_ascii_uppercase);
        let outside = match (&flow.callee, flow.destination.as_deref()) {
            (Some(callee), _) => !callee.local,
            (None, Some(destination)) => leads_outside(destination, self.plan),
            (None, None) => flow.remote_phone.is_some(),
        };
        match (&flow.caller, stated.as_deref()) {
            (Some(caller), _) if !caller.local => Some(Direction::Inbound),
            (Some(_), _) if outside => Some(Direction::Outbound),
            (Some(_), _) => Some(Direction::Internal),
            (None, Some("INBOUND")) => Some(Direction::Inbound),
            (None, Some("OUTBOUND")) => Some(Direction::Outbound),
            (None, Some("INTERNAL")) => Some(Direction::Internal),
            (None, _) => None,
        }
    }

    /// A flow of a call that is over.
    fn flow_over(&mut self, flow: &Flow<'a>) -> Result<(), DecodeError> {
        let at = flow.ended().unwrap_or(self.event.at);
        let next = self.flows.iter().find(|other| other.index > flow.index);
        let moved = flow.transferred().filter(|_| flow.has_talked());
        let cause = match (&moved, next) {
            (Some(_), _) => Cause::reason(Reason::Transferred),
            (None, Some(_)) if !flow.has_talked() => Cause::reason(self.unanswered(flow)),
            (None, _) => self.cause()?,
        };
        for (who, leg) in self.parties(flow) {
            // Why the outside party left is said by the last flow.
            let stays = next.is_some() && !who.local;
            let cause = if stays { Cause::default() } else { cause };
            self.leg(at, &leg, LegFact::Ended(cause));
            if moved.is_some() && who.local {
                self.leg(at, &leg, LegFact::Moved);
            }
        }
        // The time is the same in both events about the end, so that it stays one transfer.
        if let (Some(kind), Some(at)) = (moved, flow.ended()) {
            let from = self.parties(flow).into_iter().find(|(who, _)| who.local);
            let to = next.and_then(|next| {
                let callee = next
                    .callee
                    .as_ref()
                    .and_then(|who| who.extension.as_deref());
                callee.or(next.destination.as_deref())
            });
            let fact = CallFact::Transferred {
                kind: match kind.as_str() {
                    "BLIND" => TransferKind::Blind,
                    "ATTENDED" | "ATTENDANT" | "CONSULTATIVE" => TransferKind::Attended,
                    _ => TransferKind::Unknown,
                },
                from: from.map(|(_, leg)| leg),
                to: to.map(label),
            };
            self.call(at, fact);
        }
        for fact in media::facts(&flow.fields, at)? {
            self.call(at, fact);
        }
        if flow.reached_voicemail() {
            self.call(at, CallFact::VoicemailReached);
        }
        Ok(())
    }

    /// Why a flow that others followed came to nothing.
    fn unanswered(&self, flow: &Flow<'_>) -> Reason {
        let later = |other: &Flow<'_>| other.index > flow.index && other.has_talked();
        if self.flows.iter().any(later) && flow.transferred().is_none() {
            Reason::AnsweredElsewhere
        } else {
            Reason::NoAnswer
        }
    }

    fn end(&self) -> Result<End, DecodeError> {
        let stated = End::read(&self.event.data)?;
        let last = self.flows.last().map(|flow| flow.end);
        Ok(match last {
            Some(last) if stated.is_unsaid() => last,
            _ => stated,
        })
    }

    fn cause(&self) -> Result<Cause, DecodeError> {
        let talked = self.flows.iter().any(Flow::has_talked);
        let first = self.flows.first().and_then(|flow| flow.caller.as_ref());
        let from_outside = first.is_some_and(|caller| !caller.local);
        let end = self.end()?;
        if !talked && end.is_unsaid() {
            return Ok(Cause::reason(Reason::NoAnswer));
        }
        Ok(end.cause(talked, from_outside))
    }

    /// The call as a whole is over.
    fn over(&mut self, kind: &str) -> Result<(), DecodeError> {
        let at = self.flows.iter().filter_map(Flow::ended).max();
        let at = at.unwrap_or(self.event.at);
        if kind == "call:live:interrupted" {
            let cause = Cause::reason(Reason::Failed);
            let by = Some(EndedBy::System);
            self.call(at, CallFact::Ended { cause, by });
            return Ok(());
        }
        let cause = self.cause()?;
        let missed = self.flows.iter().all(|flow| flow.outcome == "MISSED");
        let declined = cause.reason == Some(Reason::Rejected);
        if missed && !declined && !self.flows.is_empty() {
            self.call(at, CallFact::Outcome(Outcome::Missed));
        }
        let last = self.flows.last();
        let by = last.and_then(|flow| {
            let end = self.end().ok()?;
            end.by(flow.caller.as_ref(), flow.callee.as_ref())
        });
        self.call(at, CallFact::Ended { cause, by });
        Ok(())
    }

    fn adoption(&self) -> Option<Adoption> {
        let first = self.flows.first().filter(|flow| flow.index == 0)?;
        let caller = first
            .caller
            .as_ref()
            .filter(|who| who.kind() == LegKind::Agent)?;
        let callee = first.callee.as_ref().and_then(|who| who.phone.as_deref());
        let dialled = first.destination.as_deref().or(callee)?;
        let dialled = PhoneNumber::parse(dialled, self.plan);
        Some(Adoption {
            dialled: dialled.canonical()?.to_owned(),
            extension: caller.extension.as_deref().map(str::to_owned),
            user_id: caller.user_id(),
        })
    }
}
