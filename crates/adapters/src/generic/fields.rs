//! The fields of the generic webhook. Names are forgiving where scripts differ (`timestamp` for
//! `at`), values are forgiving in case and spelling, and what cannot be read is named.

use switchhook_domain::media::{Recording, RecordingState, Voicemail};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Direction, Party, TransferKind, UNDATED};
use switchhook_engine::adapter::DecodeError;

use super::reason;
use crate::flat::{self, Event, Times, Transfer, Word, web_address};
use crate::json::{Fields, label, prose};

/// Milliseconds of one unit of `duration_seconds`.
const SECONDS: f64 = 1_000.0;

/// The event's name, and what it says; nothing when it is not one of ours.
pub(super) fn event(
    root: &Fields<'_>,
    plan: &NumberPlan,
) -> Result<(String, Option<Event>), DecodeError> {
    let name = root.text("event")?;
    let name = name.ok_or_else(|| root.fault("event", "is missing"))?;
    let shown = label(name).chars().take(64).collect();
    let Some(word) = word(name) else {
        return Ok((shown, None));
    };
    let id = root.first_id(&["call_id", "id"])?;
    let id = id.ok_or_else(|| root.fault("call_id", "is missing"))?;
    let at = root
        .first_time(&["at", "timestamp", "time"])?
        .unwrap_or(UNDATED);
    let mut event = Event::new(word, at, id.into_owned());
    event.direction = direction(root)?;
    let number = |name| -> Result<Option<PhoneNumber>, DecodeError> {
        let raw = root.number(name)?;
        Ok(raw.map(|raw| PhoneNumber::parse(&raw, plan)))
    };
    let from = number("from")?;
    event.from = if root.has("from") {
        flat::withheld_when_empty(from, event.direction)
    } else {
        from
    };
    event.to = number("to")?;
    event.remote_name = root.words("name").map(label);
    event.agent = agent(root)?;
    event.queue = root.words("queue").map(label);
    event.transfer = transfer(root)?;
    event.cause = root
        .first_id(&["reason", "cause"])?
        .map(|r| reason::cause(&r))
        .unwrap_or_default();
    event.by = root.words("ended_by").and_then(flat::ended_by);
    event.times = Times {
        started: root.time("started_at")?,
        rang: None,
        answered: root.time("answered_at")?,
        ended: root.time("ended_at")?,
    };
    event.talk_ms = root.millis("duration_seconds", SECONDS)?;
    event.recording = recording(root)?;
    event.voicemail = voicemail(root, word)?;
    if word == Word::Recording && event.recording.is_none() {
        let problem = "or `recording_id` is missing: it says which recording this is about";
        return Err(root.fault("recording_url", problem));
    }
    Ok((shown, Some(event)))
}

/// The event, in the words scripts use.
fn word(name: &str) -> Option<Word> {
    let name = name.trim().to_ascii_lowercase();
    Some(match name.as_str() {
        "ring" | "call.ring" => Word::Ringing,
        "answer" | "connected" => Word::Answered,
        "hold" => Word::Held,
        "unhold" | "resume" => Word::Resumed,
        "transfer" => Word::Transferred,
        "hangup" | "end" | "completed" => Word::Ended,
        "abandoned" | "no_answer" => Word::Missed,
        "reject" | "blocked" => Word::Rejected,
        other => Word::from_name(other)?,
    })
}

fn direction(root: &Fields<'_>) -> Result<Option<Direction>, DecodeError> {
    let Some(text) = root.text("direction")? else {
        return Ok(None);
    };
    let read = flat::direction(text);
    let problem = "must be inbound, outbound or internal";
    read.map(Some)
        .ok_or_else(|| root.fault("direction", problem))
}

fn agent(root: &Fields<'_>) -> Result<Party, DecodeError> {
    let text = |name| -> Result<Option<String>, DecodeError> {
        Ok(root.id(name)?.map(|text| label(&text)))
    };
    Ok(Party {
        number: None,
        name: root
            .words("agent")
            .or_else(|| root.words("agent_name"))
            .map(label),
        extension: text("extension")?,
        user_id: text("user_id")?,
        email: root.words("email").map(label),
    })
}

fn transfer(root: &Fields<'_>) -> Result<Transfer, DecodeError> {
    let kind = match root
        .words("transfer_kind")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("blind") => Some(TransferKind::Blind),
        Some("attended") => Some(TransferKind::Attended),
        _ => None,
    };
    Ok(Transfer {
        to: root.number("transfer_to")?.map(|to| label(&to)),
        kind,
        ..Transfer::default()
    })
}

fn recording(root: &Fields<'_>) -> Result<Option<(String, Recording)>, DecodeError> {
    let url = root.words("recording_url").and_then(web_address);
    let id = root.id("recording_id")?.map(|id| id.into_owned());
    let Some(id) = id.or_else(|| url.map(str::to_owned)) else {
        return Ok(None);
    };
    let state = match url {
        Some(_) => RecordingState::Available,
        None => RecordingState::Pending,
    };
    let recording = Recording {
        state,
        url: url.map(str::to_owned),
        expires_at: root.time("recording_expires_at")?,
        ..Recording::default()
    };
    Ok(Some((id, recording)))
}

fn voicemail(root: &Fields<'_>, word: Word) -> Result<Option<(String, Voicemail)>, DecodeError> {
    let url = root.words("voicemail_url").and_then(web_address);
    let id = root.id("voicemail_id")?.map(|id| id.into_owned());
    let Some(id) = id.or_else(|| url.map(str::to_owned)) else {
        return Ok(None);
    };
    let duration_ms = match word {
        Word::Voicemail => root.millis("duration_seconds", SECONDS)?,
        _ => None,
    };
    let voicemail = Voicemail {
        url: url.map(str::to_owned),
        transcript: root.words("transcript").map(prose),
        duration_ms,
        left_at: None,
    };
    Ok(Some((id, voicemail)))
}
