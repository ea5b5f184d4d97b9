//! What RingCentral's call log says of a time we were not listening ("Call Log", detailed view),
//! in the same words and under the same keys as the events of the sessions would have used.
//!
//! The log knows less: a connected leg has one start and one length, so ringing and talking are
//! not told apart, and there is no word about holds.

use std::borrow::Cow;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Map, Value};
use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::media::{Recording, RecordingState, Voicemail};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Outcome, Party, Signal};
use switchhook_engine::adapter::DecodeError;
use switchhook_engine::command::{CommandError, Fault, Session};

use super::recordings::web_address;
use super::{api, mailbox, session_key};
use crate::json::{Fields, label};

/// Records on a page, of at most 1,000.
const PAGE: usize = 250;
/// The most pages read for one gap: the group allows ten requests a minute.
const MAX_PAGES: usize = 8;

/// See [`switchhook_engine::adapter::Adapter::reconcile`].
pub(super) async fn reconcile(
    session: &Session,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Signal>, CommandError> {
    match read(session, "call-log", from, to).await {
        // Without the right to the company's log there is still the user's own.
        Err(error) if error.fault == Fault::Permission => {
            read(session, "extension/~/call-log", from, to).await
        }
        read => read,
    }
}

async fn read(
    session: &Session,
    log: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Signal>, CommandError> {
    let plan = &session.connection.numbers;
    let mut told = Vec::new();
    for page in 1..=MAX_PAGES {
        let path = api::account(&format!(
            "{log}?view=Detailed&type=Voice&dateFrom={from}&dateTo={to}&perPage={PAGE}&page={page}"
        ));
        let answer = api::ask(session, Method::GET, &path, api::HEAVY, None).await?;
        let records = answer.json.get("records").and_then(Value::as_array);
        for record in records.into_iter().flatten() {
            match record.as_object().map(|record| signals(record, plan)) {
                Some(Ok(signals)) => told.extend(signals),
                Some(Err(error)) => tracing::warn!(%error, "a call log record is not readable"),
                None => {}
            }
        }
        let more = answer.json.pointer("/navigation/nextPage/uri");
        if more.is_none() {
            break;
        }
    }
    Ok(told)
}

/// How a record or leg ended, by `result`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Answered,
    Missed(Reason),
    Rejected(Reason),
    Voicemail,
    Unfinished,
    Unknown,
}

fn ending(result: &str) -> Ending {
    match result {
        "Accepted" | "Call connected" => Ending::Answered,
        "Missed" | "No Answer" | "Answered Not Accepted" | "Stopped" => {
            Ending::Missed(Reason::NoAnswer)
        }
        "Hang Up" | "Abandoned" => Ending::Missed(Reason::Cancelled),
        "Busy" => Ending::Missed(Reason::Busy),
        "Answered Elsewhere" => Ending::Missed(Reason::AnsweredElsewhere),
        "Wrong Number" | "IP Phone Offline" => Ending::Missed(Reason::Unreachable),
        "Call Failed" | "Call Failure" | "Internal Error" => Ending::Missed(Reason::Failed),
        "Rejected" | "Declined" => Ending::Rejected(Reason::Rejected),
        "Blocked" | "Restricted Number" | "Not Allowed" => Ending::Rejected(Reason::Blocked),
        "Voicemail" | "Sent to Voicemail" => Ending::Voicemail,
        "In Progress" => Ending::Unfinished,
        _ => Ending::Unknown,
    }
}

fn cause(ending: Ending) -> Cause {
    Cause {
        reason: match ending {
            Ending::Answered => Some(Reason::Normal),
            Ending::Missed(reason) | Ending::Rejected(reason) => Some(reason),
            Ending::Voicemail => Some(Reason::Voicemail),
            Ending::Unfinished | Ending::Unknown => None,
        },
        q850: None,
    }
}

/// One record or one of its legs.
struct Entry<'a> {
    fields: Fields<'a>,
    session: Cow<'a, str>,
    start: Timestamp,
    end: Timestamp,
    inbound: bool,
    ending: Ending,
    from: Option<Fields<'a>>,
    to: Option<Fields<'a>>,
}

impl<'a> Entry<'a> {
    fn read(fields: Fields<'a>, session: Cow<'a, str>) -> Result<Self, DecodeError> {
        let start = fields.time("startTime")?;
        let start = start.ok_or_else(|| fields.fault("startTime", "is missing"))?;
        let length = match fields.millis("durationMs", 1.0)? {
            Some(ms) => Some(ms),
            None => fields.millis("duration", 1_000.0)?,
        };
        let length = SignedDuration::from_millis(length.unwrap_or(0));
        let direction = fields.text("direction")?.unwrap_or_default();
        Ok(Self {
            session,
            start,
            end: start.checked_add(length).unwrap_or(start),
            inbound: direction.eq_ignore_ascii_case("inbound"),
            ending: ending(fields.words("result").unwrap_or_default()),
            from: fields.object("from", "from")?,
            to: fields.object("to", "to")?,
            fields,
        })
    }

    fn remote(&self) -> Option<&Fields<'a>> {
        let side = if self.inbound { &self.from } else { &self.to };
        side.as_ref()
    }

    fn own(&self) -> Option<&Fields<'a>> {
        let side = if self.inbound { &self.to } else { &self.from };
        side.as_ref()
    }

    /// Between colleagues both sides have an extension.
    fn is_internal(&self) -> bool {
        self.remote().is_some_and(|side| {
            side.get("extensionId").is_some() || side.get("extensionNumber").is_some()
        })
    }
}

/// The facts of one record. Records without a session (faxes, old ones) have nothing to join.
pub(super) fn signals(
    record: &Map<String, Value>,
    plan: &NumberPlan,
) -> Result<Vec<Signal>, DecodeError> {
    let fields = Fields::root(record);
    let Some(session) = super::payload::session_id(&fields)? else {
        return Ok(Vec::new());
    };
    let entry = Entry::read(fields, session)?;
    let mut keys = vec![session_key(&entry.session)];
    let message = fields.object("message", "message")?;
    let message_id = match &message {
        Some(message) => message.id("id")?,
        None => None,
    };
    keys.extend(message_id.as_deref().map(mailbox::key_of));
    let mut told = vec![Signal::call(entry.start, &keys, CallFact::Started)];
    told.extend(introduction(&entry, &keys, plan)?);
    let legs = fields.list("legs");
    let mut legs_told = 0;
    for item in legs {
        let Value::Object(map) = item else { continue };
        let leg = Fields::at(map, "legs[]");
        let session = super::payload::session_id(&leg)?.unwrap_or(entry.session.clone());
        let leg = Entry::read(leg, session)?;
        legs_told += usize::from(tell_leg(&leg, None, &keys, &mut told)?);
    }
    if legs_told == 0 {
        let name = fields.id("id")?;
        let name = name.map(|id| format!("log:{id}"));
        tell_leg(&entry, name, &keys, &mut told)?;
    }
    tell_end(&entry, &keys, &mut told);
    if let Some(fact) = recording(&entry)? {
        told.push(Signal::call(entry.start, &keys, fact));
    }
    if let (Some(message), Some(id)) = (message, message_id) {
        let voicemail = Voicemail {
            url: message
                .words("uri")
                .and_then(web_address)
                .map(str::to_owned),
            ..Voicemail::default()
        };
        let id = id.into_owned();
        let fact = CallFact::Voicemail { id, voicemail };
        told.push(Signal::call(entry.end, &keys, fact));
    }
    Ok(told)
}

fn introduction(
    entry: &Entry<'_>,
    keys: &[String],
    plan: &NumberPlan,
) -> Result<Vec<Signal>, DecodeError> {
    let number = |side: Option<&Fields<'_>>| -> Result<Option<PhoneNumber>, DecodeError> {
        let raw = match side {
            Some(side) => side.number("phoneNumber")?,
            None => None,
        };
        Ok(raw.map(|raw| PhoneNumber::parse(&raw, plan)))
    };
    let mut facts = Vec::new();
    // A half of a transfer goes the way of the call it became part of.
    let joined = ["transferTarget", "transferee"];
    let is_half = joined.iter().any(|name| entry.fields.get(name).is_some());
    if !entry.is_internal() {
        let direction = if entry.inbound {
            Direction::Inbound
        } else {
            Direction::Outbound
        };
        facts.extend((!is_half).then_some(CallFact::Direction(direction)));
        let name = entry.remote().and_then(|side| side.words("name"));
        facts.push(CallFact::Remote(Party {
            number: Some(number(entry.remote())?.unwrap_or_else(PhoneNumber::withheld)),
            name: name.map(label),
            ..Party::default()
        }));
        facts.extend(number(entry.own())?.map(CallFact::Line));
    }
    let told = facts.into_iter();
    Ok(told
        .map(|fact| Signal::call(entry.start, keys, fact))
        .collect())
}

/// An agent's leg: one with an extension and, where the log gives it, the id of its party.
fn tell_leg(
    entry: &Entry<'_>,
    name: Option<String>,
    keys: &[String],
    told: &mut Vec<Signal>,
) -> Result<bool, DecodeError> {
    let party = entry.fields.id("partyId")?.map(Cow::into_owned);
    let Some(leg) = party.or(name) else {
        return Ok(false);
    };
    let extension = match entry.fields.object("extension", "extension")? {
        Some(extension) => extension.id("id")?,
        None => None,
    };
    let Some(extension) = extension else {
        return Ok(false);
    };
    let own = entry.own();
    let mut say = |at, fact| told.push(Signal::leg(at, keys, &leg, fact));
    say(
        entry.start,
        LegFact::Seen {
            kind: LegKind::Agent,
            origin: !entry.inbound,
            party: Party {
                name: own.and_then(|side| side.words("name")).map(label),
                extension: own
                    .and_then(|side| side.words("extensionNumber"))
                    .map(str::to_owned),
                user_id: Some(extension.into_owned()),
                ..Party::default()
            },
        },
    );
    match entry.ending {
        Ending::Answered => say(entry.start, LegFact::Answered),
        Ending::Missed(_) | Ending::Rejected(_) if entry.inbound => {
            say(entry.start, LegFact::Rang);
        }
        _ => {}
    }
    if entry.ending != Ending::Unfinished {
        say(entry.end, LegFact::Ended(cause(entry.ending)));
    }
    Ok(true)
}

fn tell_end(entry: &Entry<'_>, keys: &[String], told: &mut Vec<Signal>) {
    let mut say = |fact| told.push(Signal::call(entry.end, keys, fact));
    match entry.ending {
        Ending::Unfinished => return,
        Ending::Missed(_) if entry.inbound => say(CallFact::Outcome(Outcome::Missed)),
        Ending::Rejected(_) if entry.inbound => say(CallFact::Outcome(Outcome::Rejected)),
        Ending::Voicemail => say(CallFact::VoicemailReached),
        _ => {}
    }
    // The two halves of a transfer end one after the other.
    if entry.fields.get("transferTarget").is_none() {
        let cause = cause(entry.ending);
        say(CallFact::Ended { cause, by: None });
    }
}

fn recording(entry: &Entry<'_>) -> Result<Option<CallFact>, DecodeError> {
    let Some(found) = entry.fields.object("recording", "recording")? else {
        return Ok(None);
    };
    let Some(id) = found.id("id")? else {
        return Ok(None);
    };
    let url = found.words("contentUri").and_then(web_address);
    let state = match url {
        Some(_) => RecordingState::Available,
        None => RecordingState::Pending,
    };
    Ok(Some(CallFact::Recording {
        id: id.into_owned(),
        recording: Recording {
            state,
            url: url.map(str::to_owned),
            ..Recording::default()
        },
    }))
}
