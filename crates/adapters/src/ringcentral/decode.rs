//! What a change of a telephony session means: each party it names, to a handful of order-free
//! facts.
//!
//! Everybody on a call is a party: the caller, menus, queues, agents, mailboxes. The first
//! `Answered` is usually the caller's own party when a menu picks up, and the first
//! `Disconnected` that menu's. So every party is a leg of its own, and only parties that show a
//! person on them are an agent's ([`Role::of`]). What does not live here: field names
//! ([`super::payload`]) and any memory of other notifications.

use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::media::Recording;
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, LegFact, LegKind, Party as Who, Signal, TransferKind};
use switchhook_engine::adapter::Adoption;

use super::payload::{Party, Session, Side};
use super::role::{Part, Role};
use super::session_key;
use crate::json::label;

/// What is needed to read a party beside the party.
#[derive(Clone, Copy)]
pub(super) struct Reading<'e> {
    /// How to read national numbers.
    pub(super) plan: &'e NumberPlan,
    /// Extension ids that are no people, from the settings.
    pub(super) routing: &'e [&'e str],
}

/// Everything the notification says, and how it may belong to a call that was asked for here.
pub(super) fn signals(
    session: &Session<'_>,
    reading: Reading<'_>,
) -> (Vec<Signal>, Option<Adoption>) {
    let mut told = Vec::new();
    let mut adoption = None;
    for party in &session.parties {
        let role = Role::of(session, party, reading.routing);
        adoption = adoption.or_else(|| adoption_of(session, party, role, reading.plan));
        let mut teller = Teller {
            session,
            party,
            role,
            plan: reading.plan,
            keys: keys(session, party, reading.plan),
            told: &mut told,
        };
        teller.introduce();
        teller.tell_state();
        teller.tell_media();
    }
    (told, adoption)
}

/// The names of the conversation, this session's and that of the session it went on in.
fn keys(session: &Session<'_>, party: &Party<'_>, plan: &NumberPlan) -> Vec<String> {
    let mut keys = vec![session_key(&session.id)];
    // A supervisor who listens in is no part of the conversation.
    let supervises = party.reason.as_deref() == Some("supervising");
    if let Some(peer) = party.peer.as_ref().filter(|_| !supervises) {
        keys.extend(peer.session.as_deref().map(session_key));
    }
    let at_mailbox = matches!(party.code.as_str(), "voicemail" | "disconnected");
    if at_mailbox
        && party.missed
        && let Some(extension) = &party.extension_id
    {
        let caller = party.from.number.as_deref().unwrap_or_default();
        let caller = PhoneNumber::parse(caller, plan);
        keys.extend(super::mailbox::moment_key(extension, &caller, session.at));
    }
    keys
}

/// A RingOut carries nothing of ours back; it is known by who calls whom.
fn adoption_of(
    session: &Session<'_>,
    party: &Party<'_>,
    role: Role,
    plan: &NumberPlan,
) -> Option<Adoption> {
    let asked_for = matches!(session.origin, "RingOut" | "CallOut");
    if !asked_for || party.code == "gone" {
        return None;
    }
    let other = role.other_side(party);
    let (dialled, user_id) = match role.part {
        Part::Caller if party.extension_id.is_some() => (other, party.extension_id.as_deref()),
        Part::Callee if party.extension_id.is_none() => {
            (role.own_side(party), party.from.extension_id.as_deref())
        }
        Part::Caller | Part::Callee => return None,
    };
    let dialled = PhoneNumber::parse(dialled.number.as_deref()?, plan);
    Some(Adoption {
        dialled: dialled.canonical()?.to_owned(),
        extension: None,
        user_id: user_id.map(str::to_owned),
    })
}

struct Teller<'e, 'a> {
    session: &'e Session<'a>,
    party: &'e Party<'a>,
    role: Role,
    plan: &'e NumberPlan,
    keys: Vec<String>,
    told: &'e mut Vec<Signal>,
}

impl<'a> Teller<'_, 'a> {
    fn call(&mut self, fact: CallFact) {
        let at = self.session.at;
        self.told.push(Signal::call(at, &self.keys, fact));
    }

    fn leg(&mut self, fact: LegFact) {
        let at = self.session.at;
        let leg = Signal::leg(at, &self.keys, &self.party.id, fact);
        self.told.push(leg);
    }

    fn number(&self, side: &Side<'a>) -> Option<PhoneNumber> {
        let raw = side.number.as_deref()?;
        Some(PhoneNumber::parse(raw, self.plan))
    }

    fn is_person(&self) -> bool {
        matches!(self.role.kind, LegKind::Agent | LegKind::External)
    }

    /// Who is on the leg, who is on the other side, our line, the queue.
    fn introduce(&mut self) {
        let (party, role) = (self.party, self.role);
        let who = self.who();
        self.leg(LegFact::Seen {
            kind: role.kind,
            origin: role.part == Part::Caller && role.kind != LegKind::Routing,
            party: who,
        });
        let other = role.other_side(party);
        let number = self.number(other);
        match (role.kind, role.part) {
            // The outside caller reached the number that was dialled.
            (LegKind::External, Part::Caller) => self.line(&party.to),
            (LegKind::External, Part::Callee) => self.line(&party.from),
            (_, Part::Callee) if other.extension_id.is_none() => {
                self.line(&party.to);
                let who = Who {
                    number: Some(number.unwrap_or_else(PhoneNumber::withheld)),
                    name: self.caller_name(),
                    ..Who::default()
                };
                self.call(CallFact::Remote(who));
            }
            (_, Part::Callee) => {}
            (_, Part::Caller) => self.introduce_dialled(other, number),
        }
        let is_queue = party.queue_call || party.reason.as_deref() == Some("agentanswered");
        let queue = party.queue_name.or(party.to.name).filter(|_| is_queue);
        if let Some(queue) = queue {
            self.call(CallFact::Queue(label(queue)));
        }
    }

    /// What one of ours dialled. That it is outside is sure only once it was answered: until
    /// then RingCentral has not looked it up, and it may be a number of a colleague.
    fn introduce_dialled(&mut self, other: &Side<'a>, number: Option<PhoneNumber>) {
        let Some(number) = number else { return };
        let called_back = self.role.is_called_back;
        let outside = number.kind == NumberKind::Public && other.extension_id.is_none();
        if outside && (self.party.code == "answered" || called_back) {
            self.call(CallFact::Remote(Who {
                number: Some(number.clone()),
                ..Who::default()
            }));
        }
        if outside && !called_back {
            self.line(&self.party.from);
        }
        self.call(CallFact::Dialled(number));
    }

    fn line(&mut self, side: &Side<'a>) {
        if let Some(number) = self.number(side) {
            self.call(CallFact::Line(number));
        }
    }

    fn who(&self) -> Who {
        let side = self.role.own_side(self.party);
        let number = self.number(side);
        if self.party.extension_id.is_none() {
            let shown = self.role.part == Part::Callee;
            let name = if shown {
                side.name.and_then(person)
            } else {
                self.caller_name()
            };
            return Who {
                number: Some(number.unwrap_or_else(PhoneNumber::withheld)),
                name,
                ..Who::default()
            };
        }
        // In a call through a queue the side is the queue's and not the agent's.
        let own = side.extension_id.is_none() || side.extension_id == self.party.extension_id;
        let number = number.filter(|_| own);
        let short = |number: &PhoneNumber| number.kind == NumberKind::Extension;
        Who {
            extension: number.as_ref().filter(|n| short(n)).map(|n| n.raw.clone()),
            number: number.filter(|n| n.kind == NumberKind::Public),
            name: side.name.filter(|_| own).and_then(person),
            user_id: self.party.extension_id.as_deref().map(str::to_owned),
            email: None,
        }
    }

    /// The caller's name; a queue puts its own in front of it.
    fn caller_name(&self) -> Option<String> {
        let party = self.party;
        let name = party.from.name.map(|name| {
            let queue = party.queue_name.or(party.to.name).unwrap_or_default();
            let rest = name.strip_prefix(queue).filter(|_| party.queue_call);
            rest.map_or(name, |rest| rest.trim_start_matches([' ', '-']))
        });
        party.caller_name.or(name).and_then(person)
    }

    fn tell_state(&mut self) {
        match self.party.code.as_str() {
            "setup" => self.tell_up(),
            "proceeding" => {
                self.tell_up();
                if self.role.rings() {
                    self.leg(LegFact::Rang);
                }
            }
            "answered" => self.tell_answered(),
            "hold" | "parked" => {
                self.tell_was_up();
                self.leg(LegFact::Held);
                if self.party.reason.as_deref() == Some("parklocation") {
                    self.leg(LegFact::Moved);
                }
            }
            // The guides write `VoiceMail` and `VMScreening`, the SDK `Voicemail`.
            "voicemail" | "voicemailscreening" | "vmscreening" => {
                self.leg(LegFact::Cause(Cause::reason(Reason::Voicemail)));
                self.call(CallFact::VoicemailReached);
            }
            "disconnected" | "gone" => self.tell_end(),
            // FaxReceive, Tds, and whatever comes later.
            _ => {}
        }
    }

    /// Whoever began the call has the telephone in hand from the start, unless it was RingCentral
    /// that called them first. Their `Answered` only says that a menu or a device picked up.
    fn tell_up(&mut self) {
        let began = self.role.part == Part::Caller && !self.role.is_called_back;
        if began && self.is_person() {
            self.leg(LegFact::Answered);
        }
    }

    fn tell_answered(&mut self) {
        self.leg(LegFact::Answered);
        // The same word stands for a call taken back from hold.
        self.leg(LegFact::Resumed);
        let outside = self.role.other_side(self.party).extension_id.is_none();
        let other = match self.role.part {
            // When a person answers, whoever called is up, known or not.
            Part::Callee if self.is_person() => Some("1"),
            // A caller's `Answered` towards the outside comes with the answer over there.
            Part::Caller if self.role.kind == LegKind::Agent && outside => {
                Some("2").filter(|_| !self.role.is_called_back)
            }
            _ => None,
        };
        if let Some(nth) = other {
            self.of_other(nth, LegFact::Answered);
        }
    }

    /// What this says about the first or second party of the session, caller and called. A leg
    /// of which nothing else is known stays hidden, so this claims nobody's presence.
    fn of_other(&mut self, nth: &str, fact: LegFact) {
        let at = self.session.at;
        if let Some((call, own)) = self.party.id.rsplit_once('-')
            && own != nth
        {
            let other = format!("{call}-{nth}");
            self.told.push(Signal::leg(at, &self.keys, &other, fact));
        }
    }

    /// A party that holds, parks or hands over must have answered before.
    fn tell_was_up(&mut self) {
        if self.is_person() {
            self.leg(LegFact::Answered);
            self.leg(LegFact::WasUp);
        }
    }

    fn tell_end(&mut self) {
        let reason = self.party.reason.as_deref();
        let moved = moved(reason);
        match moved {
            Some(Move::Transfer(kind)) => {
                self.tell_was_up();
                self.tell_transfer(kind);
            }
            Some(Move::Same) => self.tell_was_up(),
            Some(Move::Unanswered) | None => {}
        }
        if moved.is_some() {
            self.leg(LegFact::Moved);
        }
        let plain = reason.is_none() || matches!(reason, Some("callfinished" | "calldropped"));
        if plain && moved.is_none() && self.party.code == "disconnected" {
            // Ends come in the order in which the parties left.
            self.leg(LegFact::Parted);
            if self.role.part == Part::Callee && !self.party.missed {
                // No reason and not missed: it had been answered, as far as RingCentral says.
                self.leg(LegFact::WasUp);
            }
        }
        self.leg(LegFact::Ended(Cause {
            reason: end_reason(reason, self.party.missed),
            q850: None,
        }));
    }

    fn tell_transfer(&mut self, kind: TransferKind) {
        // Both halves of an attended transfer say the same; one of them is told.
        let peer = self.party.peer.as_ref().and_then(|p| p.party.as_deref());
        if peer.is_some_and(|peer| peer < self.party.id.as_ref()) {
            return;
        }
        self.call(CallFact::Transferred {
            kind,
            from: Some(self.party.id.clone().into_owned()),
            to: None,
        });
    }

    fn tell_media(&mut self) {
        for id in &self.party.recordings {
            self.call(CallFact::Recording {
                id: id.clone().into_owned(),
                recording: Recording::default(),
            });
        }
    }
}

/// How a party left a call that goes on.
#[derive(Clone, Copy)]
enum Move {
    /// To somebody else.
    Transfer(TransferKind),
    /// To another device or place, by the same person.
    Same,
    /// On its way, before anybody answered it.
    Unanswered,
}

fn moved(reason: Option<&str>) -> Option<Move> {
    Some(match reason? {
        "blindtransfer" | "rcctransfer" | "dtmftransfer" => Move::Transfer(TransferKind::Blind),
        "attendedtransfer" => Move::Transfer(TransferKind::Attended),
        "callflip" | "callswitch" | "parklocation" | "callpark" => Move::Same,
        "callredirected" | "callerinputredirect" | "agentanswered" | "pickup" | "takeover" => {
            Move::Unanswered
        }
        _ => return None,
    })
}

/// `status.reason`, as far as it says why (platforms.md, section 2.1).
fn end_reason(reason: Option<&str>, missed: bool) -> Option<Reason> {
    Some(match reason {
        None if missed => Reason::NoAnswer,
        None | Some("callfinished" | "calldropped" | "agentdropped") => Reason::Normal,
        Some("rejected") => Reason::Rejected,
        Some("noanswer" | "timeout") => Reason::NoAnswer,
        Some("cancelled") => Reason::Cancelled,
        Some("targetbusy") => Reason::Busy,
        Some("invalidnumber" | "nosuchuser") => Reason::Unreachable,
        Some("internationaldisabled" | "destinationblocked" | "notenoughfunds") => Reason::Blocked,
        Some("internalerror") => Reason::Failed,
        Some("voicemail") => Reason::Voicemail,
        Some("agentanswered" | "pickup" | "takeover") => Reason::AnsweredElsewhere,
        reason if moved(reason).is_some() => Reason::Transferred,
        Some(_) => return None,
    })
}

/// A name somebody would say: not a number repeated, not a word for "unknown".
fn person(name: &str) -> Option<String> {
    let withheld = [
        "anonymous",
        "unknown",
        "restricted",
        "private",
        "unavailable",
    ];
    let says = name.chars().any(char::is_alphabetic)
        && !withheld.contains(&name.trim().to_ascii_lowercase().as_str());
    says.then(|| label(name))
}
