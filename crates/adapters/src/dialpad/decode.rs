//! What a Dialpad call event means: one event to a handful of order-free facts.
//!
//! What lives here: the table of states ("Call events" and the `call_states` enumeration of
//! `POST /api/v2/subscriptions/call`) and what each says about a leg or a call. What does not:
//! the field names ([`super::payload`], [`super::media`]), and any memory: an event is
//! understood by itself, and its dates are facts whichever event carries them.

use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{
    CallFact, Direction, LegFact, LegKind, Outcome, Party, Signal, TransferKind,
};
use switchhook_engine::adapter::DecodeError;

use super::media;
use super::payload::{CallEvent, Dates, Target};
use crate::json::label;

/// What kind of statement a state is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A step in the life of the leg.
    Step,
    /// Something that became known later: recording, voicemail, transcript.
    Late,
    /// Something about the call that no record needs: supervision, ratings, summaries; also
    /// states that Dialpad invents after this was written.
    Note,
}

fn kind_of(state: &str) -> Kind {
    match state {
        "calling" | "ringing" | "preanswer" | "queued" | "connected" | "hold" | "parked"
        | "hangup" | "missed" | "blocked" | "voicemail" => Kind::Step,
        "voicemail_uploaded" | "recording" | "admin_recording" | "call_transcription"
        | "transcription" => Kind::Late,
        // admin, ai_playbook, barge, csat, dispositions, eavesdrop, merged, monitor, pcsat,
        // postcall, recap_*, takeover.
        _ => Kind::Note,
    }
}

/// A `connected` this much later than the answer is a call taken back from hold: Dialpad has no
/// state of its own for it. In milliseconds.
const RESUME_AFTER: i64 = 1_000;

/// Collects statements about one leg and its call.
struct Teller<'e, 'a> {
    event: &'e CallEvent<'a>,
    plan: &'e NumberPlan,
    keys: Vec<String>,
    kind: LegKind,
    /// The dates that may be believed.
    dates: Dates,
    told: Vec<Signal>,
}

/// The facts of one call event.
pub(super) fn signals(
    event: &CallEvent<'_>,
    plan: &NumberPlan,
) -> Result<Vec<Signal>, DecodeError> {
    let kind = kind_of(event.state);
    // A late event repeats the dates of a call that is over. Without an end they are those of
    // another moment, and the events of the call itself have told better.
    let settled = kind == Kind::Step || event.dates.ended.is_some();
    let mut teller = Teller {
        event,
        plan,
        keys: event.keys(),
        kind: leg_kind(event),
        dates: if settled {
            event.dates
        } else {
            Dates::default()
        },
        told: Vec::with_capacity(12),
    };
    if kind == Kind::Note {
        teller.call(event.at, CallFact::Linked);
        return Ok(teller.told);
    }
    teller.introduce();
    teller.tell_dates();
    teller.tell_state();
    teller.tell_transfer();
    for fact in media::facts(event)? {
        teller.call(event.at, fact);
    }
    Ok(teller.told)
}

fn leg_kind(event: &CallEvent<'_>) -> LegKind {
    match (&event.target, event.direction) {
        (Some(target), _) => target.leg_kind(),
        (None, Some(Direction::Outbound)) => LegKind::Agent,
        (None, _) => LegKind::Routing,
    }
}

impl<'a> Teller<'_, 'a> {
    fn call(&mut self, at: Timestamp, fact: CallFact) {
        self.told.push(Signal::call(at, &self.keys, fact));
    }

    fn leg(&mut self, at: Timestamp, fact: LegFact) {
        self.told
            .push(Signal::leg(at, &self.keys, &self.event.leg, fact));
    }

    fn since(&self) -> Timestamp {
        self.dates.started.unwrap_or(self.event.at)
    }

    /// Who and what: the leg, the outside party, our line, the way in, the queue.
    fn introduce(&mut self) {
        let event = self.event;
        let since = self.since();
        let line = event
            .internal_number
            .as_deref()
            .map(|raw| PhoneNumber::parse(raw, self.plan));
        let party = self.party(event.target.as_ref(), line.as_ref());
        let origin = event.direction == Some(Direction::Outbound) && self.kind == LegKind::Agent;
        self.leg(
            since,
            LegFact::Seen {
                kind: self.kind,
                origin,
                party,
            },
        );
        self.introduce_way_in(since);
        if let Some(direction) = event.direction {
            let stated = if event.internal {
                Direction::Internal
            } else {
                direction
            };
            self.call(event.at, CallFact::Direction(stated));
        }
        let remote = self.remote();
        if let (true, Some(number)) = (event.internal && origin, &remote.number) {
            self.call(since, CallFact::Dialled(number.clone()));
        }
        if remote != Party::default() {
            self.call(since, CallFact::Remote(remote));
        }
        if let Some(line) = line {
            self.call(since, CallFact::Line(line));
        }
        if let Some(queue) = self.queue() {
            let at = self.dates.queued.unwrap_or(since);
            self.call(at, CallFact::Queue(label(queue)));
        }
    }

    /// The leg on which an inbound call came in, when we know it by reference only.
    fn introduce_way_in(&mut self, since: Timestamp) {
        let event = self.event;
        let Some(way_in) = &event.entry_point else {
            return;
        };
        let id = event
            .entry_point_call
            .as_ref()
            .or(event.master_call.as_ref());
        let Some(id) = id.filter(|id| **id != event.leg) else {
            return;
        };
        // Its own events say better whose leg it is; until then nobody is on it.
        let party = self.party(Some(way_in), None);
        let fact = LegFact::Seen {
            kind: LegKind::Routing,
            origin: false,
            party,
        };
        self.told.push(Signal::leg(since, &self.keys, id, fact));
    }

    fn party(&self, target: Option<&Target<'a>>, line: Option<&PhoneNumber>) -> Party {
        let Some(target) = target else {
            return Party::default();
        };
        let number = target.phone.as_deref().map(|raw| match line {
            Some(line) if line.raw == raw => line.clone(),
            _ => PhoneNumber::parse(raw, self.plan),
        });
        let is_user = target.leg_kind() == LegKind::Agent;
        Party {
            number,
            name: target.name.map(label),
            extension: None,
            user_id: target.id.as_deref().filter(|_| is_user).map(str::to_owned),
            email: target.email.filter(|_| is_user).map(label),
        }
    }

    fn remote(&self) -> Party {
        let event = self.event;
        let number = match event.external_number.as_deref() {
            Some(raw) => Some(PhoneNumber::parse(raw, self.plan)),
            // The field is there and empty: the caller did not show a number.
            None if event.direction == Some(Direction::Inbound)
                && event.root.has("external_number") =>
            {
                Some(PhoneNumber::withheld())
            }
            None => None,
        };
        // For unknown callers Dialpad repeats the number as the name.
        let name = event
            .contact_name
            .filter(|name| name.chars().any(char::is_alphabetic));
        Party {
            number,
            name: name.map(label),
            ..Party::default()
        }
    }

    /// The group whose callers wait: the leg's own target, else the way in, unless the call has
    /// since gone to another group.
    fn queue(&self) -> Option<&'a str> {
        let event = self.event;
        let own = event.target.as_ref().and_then(Target::queue);
        let way_in = event
            .entry_point
            .as_ref()
            .filter(|target| match event.group {
                Some(group) => target.id.as_deref() == Some(group),
                None => true,
            });
        own.or_else(|| way_in.and_then(Target::queue))
    }

    fn tell_dates(&mut self) {
        let Dates {
            rang,
            connected,
            ended,
            ..
        } = self.dates;
        if let Some(at) = rang {
            self.leg(at, LegFact::Rang);
        }
        if let Some(at) = connected.filter(|_| self.answers()) {
            self.leg(at, LegFact::Answered);
        }
        if let Some(at) = ended {
            self.leg(at, LegFact::Ended(self.end_cause()));
        }
    }

    /// A menu or queue that picked up to play a greeting is no answer: an inbound leg of a group
    /// is answered when it names the leg of the agent who took it.
    fn answers(&self) -> bool {
        let person = self.kind == LegKind::Agent
            || self
                .event
                .target
                .as_ref()
                .is_some_and(|target| target.kind == "room");
        let outbound = self.event.direction == Some(Direction::Outbound);
        person || outbound || self.event.operator_call.is_some()
    }

    fn end_cause(&self) -> Cause {
        let left_message = ["voicemail_link", "voicemail_recording_id"]
            .iter()
            .any(|name| self.event.root.get(name).is_some());
        Cause::reason(match self.event.state {
            "blocked" => Reason::Blocked,
            _ if self.dates.connected.is_some() => Reason::Normal,
            "voicemail" => Reason::Voicemail,
            _ if left_message => Reason::Voicemail,
            // Dialpad does not tell a declined call from one that rang out.
            _ => Reason::NoAnswer,
        })
    }

    fn tell_state(&mut self) {
        let at = self.event.at;
        let ended = self.dates.ended;
        match self.event.state {
            "calling" | "ringing" if self.dates.rang.is_none() => self.leg(at, LegFact::Rang),
            "connected" => self.tell_connected(),
            "hold" | "parked" => self.leg(at, LegFact::Held),
            "hangup" | "missed" | "blocked" if ended.is_none() => {
                self.leg(at, LegFact::Ended(self.end_cause()));
            }
            "voicemail" => self.call(at, CallFact::VoicemailReached),
            _ => {}
        }
        match self.event.state {
            "missed" => self.call(at, CallFact::Outcome(Outcome::Missed)),
            "blocked" => {
                self.call(at, CallFact::Outcome(Outcome::Rejected));
                let cause = Cause::reason(Reason::Blocked);
                let end = CallFact::Ended {
                    cause,
                    by: Some(EndedBy::System),
                };
                self.call(ended.unwrap_or(at), end);
            }
            "hangup" => {
                if let Some(ms) = self.event.hold_ms {
                    self.call(at, CallFact::HoldTotal(ms));
                }
            }
            _ => {}
        }
    }

    fn tell_connected(&mut self) {
        let at = self.event.at;
        match self.dates.connected {
            None if self.answers() => self.leg(at, LegFact::Answered),
            Some(since) if at.as_millisecond() - since.as_millisecond() > RESUME_AFTER => {
                self.leg(at, LegFact::Resumed);
            }
            _ => {}
        }
    }

    /// `is_transferred` marks both halves: the leg that handed the call over, when it hangs up,
    /// and the leg that took it, which also carries `transferred_from`.
    fn tell_transfer(&mut self) {
        let event = self.event;
        if self.kind != LegKind::Agent {
            return;
        }
        let beginning = matches!(
            event.state,
            "calling" | "ringing" | "preanswer" | "queued" | "connected"
        );
        if event.transferred_from.is_some() || (event.is_transferred && beginning) {
            let by_leg = event
                .transferred_from
                .as_ref()
                .and_then(|(_, call)| call.as_ref());
            let from = by_leg
                .or(event.master_call.as_ref())
                .filter(|id| **id != event.leg);
            let target = event.target.as_ref();
            let to = target.and_then(|target| target.phone.as_deref().or(target.name));
            let fact = CallFact::Transferred {
                kind: TransferKind::Unknown,
                from: from.map(|id| id.clone().into_owned()),
                to: to.map(label),
            };
            self.call(self.since(), fact);
        } else if event.is_transferred && event.state == "hangup" && self.dates.connected.is_some()
        {
            self.leg(event.at, LegFact::Moved);
        }
    }
}
