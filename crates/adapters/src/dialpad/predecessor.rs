//! The JSON dialect of the CTI server that came before this one. Its own tools, tests and some
//! relays post it: `{"event_type":"call.ring","call":{…}}`, or the same members flat. Dialpad
//! itself never does.
//!
//! Durations are seconds here and times are ISO or epoch. Many of these events carry no time at
//! all; their signals are dated [`UNDATED`].

use std::borrow::Cow;

use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::media::{Message, MessageDirection, MessageStatus, Voicemail};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{
    CallFact, Direction, Fact, LegFact, LegKind, Outcome, Party, Signal,
};
use switchhook_engine::adapter::DecodeError;

use super::media::{blob_id, recording};
use super::payload::{key, read_direction};
use super::sms::recipients;
use crate::UNDATED;
use crate::json::{Fields, prose, web_address};

/// Milliseconds of one unit of this dialect's durations.
const SECONDS: f64 = 1_000.0;

/// The event's name: `event_type`, `event`, `type`, or `state` where that holds a name of this
/// dialect.
pub(super) fn event_name<'a>(root: &Fields<'a>) -> Result<Option<&'a str>, DecodeError> {
    for name in ["event_type", "event", "type"] {
        if let Some(event) = root.text(name)? {
            return Ok(Some(event));
        }
    }
    Ok(root.words("state").filter(|state| state.contains('.')))
}

/// True when the payload is in this dialect although it may look like one of Dialpad's own.
pub(super) fn is_predecessor(root: &Fields<'_>) -> bool {
    root.words("event_type")
        .is_some_and(|event| event.contains('.'))
}

/// What an event of this dialect says; nothing when its name is not one of the dialect's.
pub(super) fn signals(
    event: &str,
    root: &Fields<'_>,
    plan: &NumberPlan,
) -> Result<Vec<Signal>, DecodeError> {
    let (family, step) = event.split_once('.').unwrap_or((event, ""));
    match (family, step) {
        ("voicemail", _) | ("call", "voicemail") => voicemail(root, plan),
        ("call", "recording" | "recording.completed" | "recording.ready")
        | ("recording", "completed" | "ready") => recorded(root),
        ("call", step) => call(step, root, plan),
        ("sms" | "message", step) => Ok(vec![message(step, root, plan)?]),
        _ => Ok(Vec::new()),
    }
}

/// The object an event is about: a member of the payload, of its `data`, or the payload itself.
fn subject<'a>(
    root: &Fields<'a>,
    names: &[(&'static str, &'static str)],
) -> Result<Option<Fields<'a>>, DecodeError> {
    let data = root.object("data", "data")?;
    for (name, path) in names {
        if let Some(found) = root.object(name, name)? {
            return Ok(Some(found));
        }
        if let Some(found) = data
            .map(|data| data.object(name, path))
            .transpose()?
            .flatten()
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// When the event happened, as far as it says.
fn event_time(subject: &Fields<'_>, root: &Fields<'_>) -> Result<Option<Timestamp>, DecodeError> {
    const NAMES: [&str; 3] = ["event_timestamp", "timestamp", "occurred_at"];
    Ok(match subject.first_time(&NAMES)? {
        Some(at) => Some(at),
        None => root.first_time(&NAMES)?,
    })
}

/// Our side of a call, by any of the names the dialect has for it.
fn user<'a>(subject: &Fields<'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    if let Some(id) = subject.first_id(&["user_id", "dialpad_user_id"])? {
        return Ok(Some(id));
    }
    if let Some(owner) = subject.object("owner", "owner")?
        && let Some(id) = owner.id("id")?
    {
        return Ok(Some(id));
    }
    match subject.object("target", "target")? {
        Some(target) if target.words("type").is_none_or(|kind| kind == "user") => target.id("id"),
        _ => Ok(None),
    }
}

/// Direction and the two numbers, as facts of the call.
fn introduce(
    subject: &Fields<'_>,
    plan: &NumberPlan,
) -> Result<(Option<Direction>, Vec<CallFact>), DecodeError> {
    let first = |names: [&str; 3]| -> Result<Option<PhoneNumber>, DecodeError> {
        for name in names {
            if let Some(raw) = subject.number(name)? {
                return Ok(Some(PhoneNumber::parse(&raw, plan)));
            }
        }
        Ok(None)
    };
    let from = first(["from", "from_number", "caller"])?;
    let to = first(["to", "to_number", "callee"])?;
    let direction = read_direction(subject)?;
    let (remote, line) = if direction == Some(Direction::Outbound) {
        (to, from)
    } else {
        (from, to)
    };
    let mut facts: Vec<CallFact> = direction.map(CallFact::Direction).into_iter().collect();
    facts.extend(remote.map(|number| {
        CallFact::Remote(Party {
            number: Some(number),
            ..Party::default()
        })
    }));
    facts.extend(line.map(CallFact::Line));
    Ok((direction, facts))
}

fn call(step: &str, root: &Fields<'_>, plan: &NumberPlan) -> Result<Vec<Signal>, DecodeError> {
    let nested = subject(root, &[("call", "data.call")])?;
    let flat = nested.is_none();
    let subject = nested.unwrap_or(*root);
    // In the flat form `id` may be the event's own id.
    let names = if flat {
        ["call_id", "id"]
    } else {
        ["id", "call_id"]
    };
    let id = subject.first_id(&names)?;
    let id = id.ok_or_else(|| subject.fault(if flat { "call_id" } else { "id" }, "is missing"))?;
    let keys = [key(&id)];
    let said = event_time(&subject, root)?;
    let started = subject.first_time(&["started_at", "start_time", "created_at"])?;
    let ended = subject.first_time(&["ended_at", "end_time"])?;
    let at = said.or(ended).or(started).unwrap_or(UNDATED);
    let (direction, facts) = introduce(&subject, plan)?;
    let mut told: Vec<Signal> = facts
        .into_iter()
        .map(|fact| Signal::call(at, &keys, fact))
        .collect();
    let mut leg = |at, fact| told.push(Signal::leg(at, &keys, &id, fact));
    let party = Party {
        user_id: user(&subject)?.map(Cow::into_owned),
        ..Party::default()
    };
    let origin = direction == Some(Direction::Outbound);
    let seen = [started, ended, said]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(UNDATED);
    leg(
        seen,
        LegFact::Seen {
            kind: LegKind::Agent,
            origin,
            party,
        },
    );
    let end = ended.or(said).unwrap_or(UNDATED);
    match step {
        "ring" | "ringing" => leg(started.unwrap_or(at), LegFact::Rang),
        "started" | "answered" | "connected" => leg(started.unwrap_or(at), LegFact::Answered),
        "held" | "hold" => leg(at, LegFact::Held),
        "resumed" | "resume" | "unhold" | "unheld" => leg(at, LegFact::Resumed),
        "ended" | "hangup" | "completed" => {
            let talk = talk_ms(&subject)?.filter(|ms| *ms > 0);
            let answered = talk.and_then(|ms| end.checked_sub(millis(ms)).ok());
            if let (Some(answered), true) = (answered, end != UNDATED) {
                leg(answered, LegFact::Answered);
            }
            let cause = talk
                .map(|_| Cause::reason(Reason::Normal))
                .unwrap_or_default();
            leg(end, LegFact::Ended(cause));
        }
        "missed" => {
            leg(end, LegFact::Ended(Cause::reason(Reason::NoAnswer)));
            told.push(Signal::call(at, &keys, CallFact::Outcome(Outcome::Missed)));
        }
        "rejected" | "declined" => {
            leg(end, LegFact::Ended(Cause::reason(Reason::Rejected)));
            told.push(Signal::call(
                at,
                &keys,
                CallFact::Outcome(Outcome::Rejected),
            ));
        }
        _ => told = vec![Signal::call(at, &keys, CallFact::Linked)],
    }
    Ok(told)
}

fn talk_ms(subject: &Fields<'_>) -> Result<Option<i64>, DecodeError> {
    Ok(match subject.millis("duration", SECONDS)? {
        Some(ms) => Some(ms),
        None => subject.millis("duration_seconds", SECONDS)?,
    })
}

fn millis(ms: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_millis(ms)
}

fn recorded(root: &Fields<'_>) -> Result<Vec<Signal>, DecodeError> {
    let subject = subject(root, &[("recording", "data.recording")])?.unwrap_or(*root);
    let call = root.object("call", "call")?;
    let id = match subject.first_id(&["call_id", "dialpad_call_id"])? {
        Some(id) => Some(id),
        None => match call {
            Some(call) => call.first_id(&["id", "call_id"])?,
            None => root.id("call_id")?,
        },
    };
    let id = id.ok_or_else(|| subject.fault("call_id", "is missing"))?;
    let url = subject
        .first_words(&["url", "download_url", "recording_url"])
        .and_then(web_address);
    let own = subject.first_id(&["recording_id", "id"])?;
    let name = own.as_deref().or_else(|| url.map(blob_id)).unwrap_or(&id);
    let mut fact = recording(name, url);
    if let CallFact::Recording { recording, .. } = &mut fact {
        recording.duration_ms = talk_ms(&subject)?;
        recording.started_at = subject.first_time(&["started_at", "start_time"])?;
    }
    let at = event_time(&subject, root)?.unwrap_or(UNDATED);
    Ok(vec![Signal::call(at, &[key(&id)], fact)])
}

fn voicemail(root: &Fields<'_>, plan: &NumberPlan) -> Result<Vec<Signal>, DecodeError> {
    let subject = subject(root, &[("voicemail", "data.voicemail")])?.unwrap_or(*root);
    let url = subject
        .first_words(&["recording_url", "audio_url", "url"])
        .and_then(web_address);
    let own = subject.first_id(&["voicemail_id", "id"])?;
    let name = own.as_deref().or_else(|| url.map(blob_id));
    let call_id = subject.first_id(&["call_id", "dialpad_call_id"])?;
    let name = name.or(call_id.as_deref());
    let name = name.ok_or_else(|| subject.fault("call_id", "is missing"))?;
    let call_key = call_id
        .as_deref()
        .map_or_else(|| format!("dp:voicemail:{name}"), key);
    let keys = [call_key];
    let left_at = match event_time(&subject, root)? {
        Some(at) => Some(at),
        None => subject.first_time(&["received_at", "created_at"])?,
    };
    let at = left_at.unwrap_or(UNDATED);
    let (_, facts) = introduce(&subject, plan)?;
    let mut told: Vec<Signal> = facts
        .into_iter()
        .map(|fact| Signal::call(at, &keys, fact))
        .collect();
    if call_id.is_none() {
        told.push(Signal::call(
            at,
            &keys,
            CallFact::Direction(Direction::Inbound),
        ));
    }
    if let (Some(call_id), Some(user)) = (&call_id, user(&subject)?) {
        let party = Party {
            user_id: Some(user.into_owned()),
            ..Party::default()
        };
        let seen = LegFact::Seen {
            kind: LegKind::Agent,
            origin: false,
            party,
        };
        told.push(Signal::leg(at, &keys, call_id, seen));
    }
    let voicemail = Voicemail {
        url: url.map(str::to_owned),
        transcript: subject.words("transcript").map(prose),
        duration_ms: talk_ms(&subject)?,
        left_at,
    };
    let fact = CallFact::Voicemail {
        id: name.to_owned(),
        voicemail,
    };
    told.push(Signal::call(at, &keys, fact));
    Ok(told)
}

fn message(step: &str, root: &Fields<'_>, plan: &NumberPlan) -> Result<Signal, DecodeError> {
    let names = [("message", "data.message"), ("sms", "data.sms")];
    // A flat payload may carry its text in `message`, which is then no object.
    let nested = match root.words("message") {
        Some(_) => None,
        None => subject(root, &names)?,
    };
    let subject = nested.unwrap_or(*root);
    let own = if nested.is_some() {
        ["id", "message_id"]
    } else {
        ["message_id", "id"]
    };
    let id = match subject.first_id(&own)? {
        Some(id) => Some(id),
        None => root.first_id(&["message_id", "id"])?,
    };
    let id = id.ok_or_else(|| subject.fault("id", "is missing"))?;
    let said = match read_direction(&subject)? {
        Some(direction) => Some(direction),
        None => read_direction(root)?,
    };
    let direction = match (said, step) {
        (Some(Direction::Inbound), _) | (None, "received" | "inbound") => MessageDirection::Inbound,
        _ => MessageDirection::Outbound,
    };
    let first = |names: &[&str]| -> Result<Option<Cow<'_, str>>, DecodeError> {
        for name in names {
            if let Some(raw) = subject.number(name)? {
                return Ok(Some(raw));
            }
        }
        root.number("from")
    };
    let from = first(&["from", "from_number", "sender"])?;
    let mut to = Vec::new();
    for (fields, name) in [
        (&subject, "to"),
        (&subject, "to_number"),
        (&subject, "recipient"),
        (root, "to"),
    ] {
        if to.is_empty() {
            to = recipients(fields, name, plan)?;
        }
    }
    let sent_at = match subject.first_time(&["sent_at", "timestamp", "created_at"])? {
        Some(at) => Some(at),
        None => root.first_time(&["time", "timestamp", "event_timestamp"])?,
    };
    let sent_at = sent_at.unwrap_or(UNDATED);
    let delivered = step == "delivered" || matches!(subject.words("status"), Some("delivered"));
    let message = Message {
        external_id: id.into_owned(),
        direction,
        from: PhoneNumber::parse(from.as_deref().unwrap_or_default(), plan),
        to,
        text: subject
            .first_words(&["text", "body", "message"])
            .or_else(|| root.words("text"))
            .map(prose),
        user_id: user(&subject)?.map(Cow::into_owned),
        status: if delivered {
            MessageStatus::Delivered
        } else {
            MessageStatus::Pending
        },
        failure: None,
        sent_at,
    };
    Ok(Signal {
        at: sent_at,
        keys: Vec::new(),
        fact: Fact::Message(Box::new(message)),
    })
}
