//! What a signed event means. Both vocabularies are read: `recording` and `recording_ready`,
//! `presence` and `presence_changed`, `hangup` and `ended`. One event is about one call and, where
//! it names an extension, about that extension's leg of it.

use jiff::SignedDuration;
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::media::{Presence, PresenceReport, Recording, RecordingState, Voicemail};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{
    CallFact, Direction, Fact, LegFact, LegKind, Outcome, Party, Signal, TransferKind, UNDATED,
};
use switchhook_engine::adapter::{Adoption, DecodeError};

use super::event::{Event, party};
use crate::json::{Fields, label, web_address};

/// What an event says, and which dial it may belong to; nothing when its name is not known.
pub(super) fn signals(
    name: &str,
    root: Fields<'_>,
    plan: &NumberPlan,
) -> Result<(Vec<Signal>, Option<Adoption>), DecodeError> {
    let name = name.trim().to_ascii_lowercase();
    let step = match name.as_str() {
        "presence" | "presence_changed" => {
            return Ok((presence(&root)?.into_iter().collect(), None));
        }
        "ringing" | "ring" => Step::Rang,
        "answered" | "answer" => Step::Answered,
        "hold" | "held" => Step::Held,
        "resume" | "resumed" | "unhold" => Step::Resumed,
        "transferred" | "transfer" => Step::Transferred,
        "hangup" | "ended" | "end" => Step::Ended,
        "missed" => Step::Missed,
        "abandoned" => Step::Abandoned,
        "rejected" => Step::Rejected,
        "voicemail" => Step::Voicemail,
        "recording" | "recording_ready" => Step::Recording,
        _ => return Ok((Vec::new(), None)),
    };
    let event = Event::read(root, plan)?;
    let mut teller = Teller::new(&event);
    teller.introduce();
    teller.tell(step, plan)?;
    Ok((teller.told, adoption(&event)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Rang,
    Answered,
    Held,
    Resumed,
    Transferred,
    Ended,
    Missed,
    Abandoned,
    Rejected,
    Voicemail,
    Recording,
}

struct Teller<'e, 'a> {
    event: &'e Event<'a>,
    /// Our side's leg, where the event names one.
    own: Option<String>,
    told: Vec<Signal>,
}

impl<'e, 'a> Teller<'e, 'a> {
    fn new(event: &'e Event<'a>) -> Self {
        let who = event.extension.as_ref().or(event.user.as_ref());
        let calling = event.calling.is_some() && event.calling == event.extension;
        let own = who.map(|who| {
            if calling {
                event.id.clone().into_owned()
            } else {
                format!("{}:{who}", event.id)
            }
        });
        Self {
            event,
            own,
            told: Vec::with_capacity(8),
        }
    }

    fn call(&mut self, fact: CallFact) {
        let signal = Signal::call(self.event.at, &self.event.keys, fact);
        self.told.push(signal);
    }

    fn leg(&mut self, leg: &str, fact: LegFact) {
        let signal = Signal::leg(self.event.at, &self.event.keys, leg, fact);
        self.told.push(signal);
    }

    fn own(&mut self, fact: LegFact) {
        if let Some(leg) = self.own.clone() {
            self.leg(&leg, fact);
        }
    }

    /// Who takes part; said anew by every event, so that any of them may be lost.
    fn introduce(&mut self) {
        let event = self.event;
        let (began, keys) = (event.began, &event.keys);
        let mut since = |fact| self.told.push(Signal::call(began, keys, fact));
        since(CallFact::Started);
        if let Some(line) = &event.line {
            since(CallFact::Line(line.clone()));
        }
        if let Some(queue) = event.root.first_words(&["queue", "skill"]) {
            since(CallFact::Queue(label(queue)));
        }
        if let (Direction::Internal, Some(dialled)) = (event.direction, &event.remote) {
            since(CallFact::Dialled(dialled.clone()));
        }
        self.call(CallFact::Direction(event.direction));
        self.other_side();
        if let Some(leg) = self.own.clone() {
            let party = Party {
                extension: event.extension.clone(),
                user_id: event.user.clone(),
                ..Party::default()
            };
            let seen = LegFact::Seen {
                kind: LegKind::Agent,
                origin: leg == *event.id,
                party,
            };
            self.told.push(Signal::leg(began, keys, &leg, seen));
        }
    }

    /// The leg called like the call: the outside party's, or the calling extension's.
    fn other_side(&mut self) {
        let event = self.event;
        let (kind, party) = match (event.direction, &event.remote, &event.calling) {
            (Direction::Internal, _, Some(extension)) => {
                let party = Party {
                    extension: Some(extension.clone()),
                    ..Party::default()
                };
                (LegKind::Agent, party)
            }
            (Direction::Inbound | Direction::Outbound, Some(number), _) => {
                (LegKind::External, party(number.clone(), event.name))
            }
            _ => return,
        };
        let seen = LegFact::Seen {
            kind,
            origin: event.direction != Direction::Outbound,
            party,
        };
        let signal = Signal::leg(event.began, &event.keys, &event.id, seen);
        self.told.push(signal);
    }

    /// True when the event says who the other side is.
    fn has_other_side(&self) -> bool {
        let event = self.event;
        match event.direction {
            Direction::Internal => event.calling.is_some(),
            Direction::Inbound | Direction::Outbound => event.remote.is_some(),
        }
    }

    /// Of both sides.
    fn both(&mut self, fact: &LegFact) {
        self.own(fact.clone());
        if self.has_other_side() && self.own.as_deref() != Some(&*self.event.id) {
            let id = self.event.id.clone();
            self.leg(&id, fact.clone());
        }
    }

    fn tell(&mut self, step: Step, plan: &NumberPlan) -> Result<(), DecodeError> {
        let no_answer = Cause::reason(Reason::NoAnswer);
        match step {
            Step::Rang if self.event.direction == Direction::Outbound => {
                let id = self.event.id.clone();
                self.leg(&id, LegFact::Rang);
            }
            Step::Rang => self.own(LegFact::Rang),
            Step::Answered => self.both(&LegFact::Answered),
            Step::Held => self.own(LegFact::Held),
            Step::Resumed => self.own(LegFact::Resumed),
            Step::Transferred => self.transferred(plan)?,
            Step::Ended => self.ended()?,
            Step::Missed => self.unanswered(no_answer, None, Outcome::Missed),
            Step::Abandoned => {
                let cause = Cause::reason(Reason::Cancelled);
                self.unanswered(cause, Some(EndedBy::Remote), Outcome::Missed);
            }
            Step::Rejected => {
                let mut cause = self.cause()?;
                cause.reason = Some(Reason::Rejected);
                self.unanswered(cause, Some(EndedBy::Agent), Outcome::Rejected);
            }
            Step::Voicemail => self.voicemail()?,
            Step::Recording => {}
        }
        self.recording(step)
    }

    /// `cause` is a Q.850 number.
    fn cause(&self) -> Result<Cause, DecodeError> {
        let root = &self.event.root;
        let Some(text) = root.id("cause")? else {
            return Ok(Cause::default());
        };
        match text.parse() {
            Ok(number) => Ok(Cause::q850(number)),
            Err(_) => Err(root.fault("cause", "must be a Q.850 number")),
        }
    }

    /// `duration` says since when this extension has talked: the answer, should its own event be
    /// lost. True when it has.
    fn talked(&mut self) -> bool {
        let event = self.event;
        let Some(talk) = event.duration_ms.filter(|ms| *ms > 0) else {
            return false;
        };
        let earlier = event.at.checked_sub(SignedDuration::from_millis(talk));
        let answered = earlier.ok().filter(|_| event.is_dated());
        let answered = answered.unwrap_or(event.at);
        // Without a start of its own an event begins when it happens.
        let answered = if event.began < event.at {
            answered.max(event.began)
        } else {
            answered
        };
        let from = self.told.len();
        self.both(&LegFact::Answered);
        for signal in self.told.iter_mut().skip(from) {
            signal.at = answered;
        }
        true
    }

    fn ended(&mut self) -> Result<(), DecodeError> {
        let mut cause = self.cause()?;
        // Another device of the group took the call: this is the end of one leg only.
        if cause.reason == Some(Reason::AnsweredElsewhere) {
            self.own(LegFact::Ended(cause));
            return Ok(());
        }
        let talk = self.talked();
        if talk {
            cause.reason = Some(Reason::Normal);
        } else if cause.reason == Some(Reason::Normal) {
            // Cleared in the ordinary way; whether somebody had answered, other events say.
            cause.reason = None;
        }
        self.both(&LegFact::Ended(cause));
        self.call(CallFact::Ended { cause, by: None });
        Ok(())
    }

    fn unanswered(&mut self, cause: Cause, by: Option<EndedBy>, outcome: Outcome) {
        self.both(&LegFact::Ended(cause));
        self.call(CallFact::Outcome(outcome));
        self.call(CallFact::Ended { cause, by });
    }

    fn transferred(&mut self, plan: &NumberPlan) -> Result<(), DecodeError> {
        let root = &self.event.root;
        let mut to = None;
        for name in ["transfer_to", "transferTo", "target"] {
            if to.is_none() {
                to = root.number(name)?.map(|raw| PhoneNumber::parse(&raw, plan));
            }
        }
        let kind = match root
            .words("transfer_type")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("blind" | "cold") => TransferKind::Blind,
            Some("attended" | "warm") => TransferKind::Attended,
            _ => TransferKind::Unknown,
        };
        self.call(CallFact::Transferred {
            kind,
            from: self.own.clone(),
            to: to.and_then(|to| to.canonical().map(str::to_owned)),
        });
        self.talked();
        self.own(LegFact::Moved);
        self.own(LegFact::Ended(Cause::reason(Reason::Transferred)));
        Ok(())
    }

    fn voicemail(&mut self) -> Result<(), DecodeError> {
        let root = &self.event.root;
        let nested = root.object("voicemail", "voicemail")?;
        let url = match nested {
            Some(nested) => nested.words("url"),
            None => root.words("voicemail_url"),
        };
        self.own(LegFact::Ended(Cause::reason(Reason::Voicemail)));
        let Some(url) = url.and_then(web_address) else {
            self.call(CallFact::VoicemailReached);
            return Ok(());
        };
        let voicemail = Voicemail {
            url: Some(url.to_owned()),
            transcript: root.words("transcript").map(label),
            duration_ms: self.event.duration_ms,
            left_at: self.event.is_dated().then_some(self.event.at),
        };
        let id = url.to_owned();
        self.call(CallFact::Voicemail { id, voicemail });
        Ok(())
    }

    /// `recording_url`, or `recording` with `url` and `expiresAt`; on any event.
    fn recording(&mut self, step: Step) -> Result<(), DecodeError> {
        let root = &self.event.root;
        let nested = root.object("recording", "recording")?;
        let url = match nested {
            Some(nested) => nested.words("url"),
            None => root.words("recording_url"),
        };
        let expires_at = match nested {
            Some(nested) => nested.first_time(&["expiresAt", "expires_at"])?,
            None => root.time("recording_expires_at")?,
        };
        let url = url.and_then(web_address);
        if url.is_none() && step != Step::Recording {
            return Ok(());
        }
        let recording = Recording {
            state: if url.is_some() {
                RecordingState::Available
            } else {
                RecordingState::Pending
            },
            url: url.map(str::to_owned),
            expires_at,
            ..Recording::default()
        };
        // Neither dialect has an id for recordings; a call has one.
        let id = self.event.id.clone().into_owned();
        self.call(CallFact::Recording { id, recording });
        Ok(())
    }
}

/// The five words of the predecessor, and what comes close to them.
fn presence(root: &Fields<'_>) -> Result<Option<Signal>, DecodeError> {
    let state = root.first_words(&["presence", "presenceState", "state"]);
    let state = state.unwrap_or_default().to_ascii_lowercase();
    let presence = match state.as_str() {
        "available" | "online" | "idle" => Presence::Available,
        "on-call" | "oncall" | "on_call" | "busy" | "talking" | "ringing" => Presence::OnCall,
        "wrap-up" | "wrapup" | "wrap_up" => Presence::WrapUp,
        "away" | "dnd" => Presence::Away,
        "offline" => Presence::Offline,
        "" => return Err(root.fault("presence", "is missing")),
        _ => return Ok(None),
    };
    let extension = root.number("extension")?.map(|text| label(&text));
    let user_id = root.first_id(&["user", "userId", "user_id"])?;
    let at = root.first_time(&["event_time", "timestamp"])?;
    let report = PresenceReport {
        extension,
        user_id: user_id.map(std::borrow::Cow::into_owned),
        email: root.words("email").map(label),
        presence,
    };
    Ok(Some(Signal {
        at: at.unwrap_or(UNDATED),
        keys: Vec::new(),
        fact: Fact::Presence(report),
    }))
}

/// Calls of ours may be ones that were asked for here; the answer to the request need not have
/// named their id.
fn adoption(event: &Event<'_>) -> Option<Adoption> {
    if event.direction == Direction::Inbound {
        return None;
    }
    let dialled = event.remote.as_ref()?.canonical()?.to_owned();
    let calling = event.calling.clone();
    Some(Adoption {
        dialled,
        extension: calling.or_else(|| event.extension.clone()),
        user_id: event.user.clone(),
    })
}
