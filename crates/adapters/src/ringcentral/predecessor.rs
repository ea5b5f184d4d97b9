//! The JSON of the CTI adapter that came before this one, which relays and test tools still
//! post: RingCentral's words with fewer of its members (no party ids, no times), under `body` or
//! flat, beside a generic form with an event name. RingCentral itself never does.
//!
//! One call is one leg here, and nothing carries a time: signals are dated [`UNDATED`] unless
//! one is given.

use std::borrow::Cow;

use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::media::{Presence, PresenceReport, Recording, RecordingState};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{
    CallFact, Direction, Fact, LegFact, LegKind, Outcome, Party, Signal,
};
use switchhook_engine::adapter::DecodeError;

use super::recordings::web_address;
use super::session_key;
use crate::UNDATED;
use crate::json::{Fields, label};

/// True when a session's payload is in this dialect: a party of RingCentral's has an id, and its
/// event a time.
pub(super) fn is_predecessor(root: &Fields<'_>, body: &Fields<'_>) -> bool {
    let has_time = body.has("eventTime") || root.has("timestamp");
    let parties = body.list("parties");
    let named = |item: &Value| item.get("id").is_some();
    let nameless = parties.is_empty() || !parties.iter().all(named);
    !has_time || nameless && !root.has("uuid")
}

/// What happened, in this dialect's words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Ringing,
    Answered,
    Held,
    Resumed,
    Ended,
    Missed,
    Rejected,
    Voicemail,
    Recording,
    Presence,
    Other,
}

/// `status.code` of the first party, `telephonyStatus`, or an event name.
fn step(word: &str) -> Step {
    match word.to_ascii_lowercase().as_str() {
        "setup" | "proceeding" | "ringing" => Step::Ringing,
        "answered" | "callconnected" => Step::Answered,
        "parked" | "hold" | "onhold" | "held" => Step::Held,
        "resumed" | "unhold" => Step::Resumed,
        "disconnected" | "nocall" | "ended" | "hangup" => Step::Ended,
        "missed" => Step::Missed,
        "rejected" => Step::Rejected,
        "voicemail" | "abandoned" => Step::Voicemail,
        "recording" | "recording_ready" => Step::Recording,
        "presence" | "presence_changed" => Step::Presence,
        _ => Step::Other,
    }
}

/// The name and the facts of a payload; `None` when it is not in this dialect either.
pub(super) fn read(
    root: &Fields<'_>,
    body: &Fields<'_>,
    plan: &NumberPlan,
) -> Result<Option<(String, Vec<Signal>)>, DecodeError> {
    let first = match body.list("parties").first() {
        Some(Value::Object(map)) => Some(Fields::at(map, "body.parties[]")),
        Some(_) => return Err(body.fault("parties", "must be a list of objects")),
        None => None,
    };
    let status = match &first {
        Some(party) => party.object("status", "body.parties[].status")?,
        None => None,
    };
    let presence = body.first_words(&["presenceStatus", "presenceState"]);
    let event = root.words("event").filter(|event| !event.starts_with('/'));
    let word = status
        .and_then(|status| status.words("code"))
        .or_else(|| body.words("telephonyStatus"))
        .or(event)
        .or(presence.map(|_| "presence"));
    let Some(word) = word else { return Ok(None) };
    let step = step(word);
    let call = body.first_id(&["telephonySessionId", "sessionId", "callId"])?;
    let about = first.unwrap_or(*body);
    let extension = match about.first_id(&["extensionId", "extension"])? {
        Some(id) => Some(id),
        None => body.first_id(&["extensionId", "extension"])?,
    };
    let (Some(call), false) = (call, step == Step::Presence) else {
        let signal = presence.and_then(|word| report(word, extension, body));
        let understood = step == Step::Presence || signal.is_some();
        let signals: Vec<Signal> = signal.into_iter().collect();
        return Ok(understood.then(|| (word.to_owned(), signals)));
    };
    if step == Step::Other {
        // A word of tomorrow: kept in the event log, and no call is made of who is named in it.
        return Ok(Some((word.to_owned(), Vec::new())));
    }
    let at = match body.time("eventTime")? {
        Some(at) => at,
        None => root.time("timestamp")?.unwrap_or(UNDATED),
    };
    let mut telling = Telling {
        at,
        keys: vec![session_key(&call)],
        leg: call.into_owned(),
        told: Vec::new(),
    };
    telling.introduce(&about, body, extension, plan)?;
    telling.step(step, body)?;
    Ok(Some((word.to_owned(), telling.told)))
}

struct Telling {
    at: Timestamp,
    keys: Vec<String>,
    leg: String,
    told: Vec<Signal>,
}

impl Telling {
    fn call(&mut self, fact: CallFact) {
        self.told.push(Signal::call(self.at, &self.keys, fact));
    }

    fn leg(&mut self, at: Timestamp, fact: LegFact) {
        self.told.push(Signal::leg(at, &self.keys, &self.leg, fact));
    }

    fn introduce(
        &mut self,
        about: &Fields<'_>,
        body: &Fields<'_>,
        extension: Option<Cow<'_, str>>,
        plan: &NumberPlan,
    ) -> Result<(), DecodeError> {
        let direction = match about.words("direction").or_else(|| body.words("direction")) {
            Some(word) if word.eq_ignore_ascii_case("inbound") => Some(Direction::Inbound),
            Some(word) if word.eq_ignore_ascii_case("outbound") => Some(Direction::Outbound),
            _ => None,
        };
        let party = Party {
            extension: extension.map(Cow::into_owned),
            user_id: body.first_id(&["userId"])?.map(Cow::into_owned),
            ..Party::default()
        };
        let origin = direction == Some(Direction::Outbound);
        let kind = LegKind::Agent;
        self.leg(
            self.at,
            LegFact::Seen {
                kind,
                origin,
                party,
            },
        );
        if let Some(direction) = direction {
            self.call(CallFact::Direction(direction));
        }
        let (from, to) = (number(about, "from", plan)?, number(about, "to", plan)?);
        let (remote, line) = if origin { (to, from) } else { (from, to) };
        if let Some(number) = remote {
            self.call(CallFact::Remote(Party {
                number: Some(number),
                ..Party::default()
            }));
        }
        if let Some(line) = line {
            self.call(CallFact::Line(line));
        }
        if let Some(queue) = body.words("queue") {
            self.call(CallFact::Queue(label(queue)));
        }
        Ok(())
    }

    fn step(&mut self, step: Step, body: &Fields<'_>) -> Result<(), DecodeError> {
        let at = self.at;
        let reason = |reason| LegFact::Ended(Cause::reason(reason));
        match step {
            Step::Ringing => self.leg(at, LegFact::Rang),
            Step::Answered => {
                self.leg(at, LegFact::Answered);
                self.leg(at, LegFact::Resumed);
            }
            Step::Held => self.leg(at, LegFact::Held),
            Step::Resumed => self.leg(at, LegFact::Resumed),
            Step::Ended => {
                let told = body.millis("duration", 1_000.0)?;
                let talk = told.filter(|ms| *ms > 0);
                let answered = talk.and_then(|ms| {
                    let talk = jiff::SignedDuration::from_millis(ms);
                    at.checked_sub(talk).ok().filter(|_| at != UNDATED)
                });
                if let Some(answered) = answered {
                    self.leg(answered, LegFact::Answered);
                }
                if told != Some(0) {
                    // Missed calls have words of their own.
                    self.leg(at, LegFact::WasUp);
                }
                let cause = talk.map(|_| Cause::reason(Reason::Normal));
                self.leg(at, LegFact::Ended(cause.unwrap_or_default()));
            }
            Step::Missed => {
                self.leg(at, reason(Reason::NoAnswer));
                self.call(CallFact::Outcome(Outcome::Missed));
            }
            Step::Rejected => {
                self.leg(at, reason(Reason::Rejected));
                self.call(CallFact::Outcome(Outcome::Rejected));
            }
            Step::Voicemail => {
                self.leg(at, reason(Reason::Voicemail));
                self.call(CallFact::VoicemailReached);
            }
            Step::Recording | Step::Presence | Step::Other => {}
        }
        if let Some(recording) = body.object("recording", "body.recording")? {
            let url = recording.first_words(&["contentUri", "url"]);
            if let Some(url) = url.and_then(web_address) {
                self.call(CallFact::Recording {
                    id: url.to_owned(),
                    recording: Recording {
                        state: RecordingState::Available,
                        url: Some(url.to_owned()),
                        expires_at: recording.first_time(&["expirationTime", "expiresAt"])?,
                        ..Recording::default()
                    },
                });
            }
        }
        Ok(())
    }
}

/// A number under a party (`from.phoneNumber`) or flat (`from`).
fn number(
    about: &Fields<'_>,
    name: &'static str,
    plan: &NumberPlan,
) -> Result<Option<PhoneNumber>, DecodeError> {
    let raw = match about.get(name) {
        Some(Value::Object(side)) => Fields::at(side, name).number("phoneNumber")?,
        _ => about.number(name)?,
    };
    Ok(raw.map(|raw| PhoneNumber::parse(&raw, plan)))
}

fn report(word: &str, extension: Option<Cow<'_, str>>, body: &Fields<'_>) -> Option<Signal> {
    let user_id = body.first_id(&["userId"]).ok().flatten();
    if extension.is_none() && user_id.is_none() {
        return None;
    }
    let presence = match word.to_ascii_lowercase().as_str() {
        "available" => Presence::Available,
        "on-call" | "on_call" | "oncall" => Presence::OnCall,
        "wrap-up" | "wrap_up" => Presence::WrapUp,
        "offline" => Presence::Offline,
        _ => Presence::Away,
    };
    Some(Signal {
        at: UNDATED,
        keys: Vec::new(),
        fact: Fact::Presence(PresenceReport {
            extension: extension.map(Cow::into_owned),
            user_id: user_id.map(Cow::into_owned),
            email: None,
            presence,
        }),
    })
}
