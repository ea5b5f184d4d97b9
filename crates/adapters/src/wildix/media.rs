//! What hangs off a call: `attachments` with recordings and voicemails. Links only; they ask for
//! the token of a WMS administrator when opened and are followed by a redirect.

use jiff::SignedDuration;
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::media::{Recording, RecordingState, Voicemail};
use switchhook_domain::signal::CallFact;
use switchhook_engine::adapter::DecodeError;

use crate::json::{Fields, web_address};

/// The attachments of a flow or of the whole call. `at` is when it ended.
pub(super) fn facts(of: &Fields<'_>, at: Timestamp) -> Result<Vec<CallFact>, DecodeError> {
    let mut facts = Vec::new();
    for item in of.list("attachments") {
        let Value::Object(map) = item else {
            return Err(of.fault("attachments", "must be a list of objects"));
        };
        let attachment = Fields::at(map, "attachments[]");
        if let Some(recording) = attachment.object("recording", "attachments[].recording")? {
            facts.extend(recorded(&recording)?);
        }
        if let Some(voicemail) = attachment.object("voicemail", "attachments[].voicemail")? {
            facts.extend(message_left(&voicemail, at));
        }
    }
    Ok(facts)
}

fn recorded(fields: &Fields<'_>) -> Result<Option<CallFact>, DecodeError> {
    let url = fields.words("url").and_then(web_address);
    let Some(id) = fields.words("fileName").or(url) else {
        return Ok(None);
    };
    let (start, end) = (fields.time("start")?, fields.time("end")?);
    let length = start.zip(end).map(|(start, end)| end.duration_since(start));
    let millis = |length: SignedDuration| i64::try_from(length.as_millis()).ok();
    let recording = Recording {
        state: if url.is_some() {
            RecordingState::Available
        } else {
            RecordingState::Pending
        },
        url: url.map(str::to_owned),
        started_at: start,
        duration_ms: length.and_then(millis).filter(|ms| *ms >= 0),
        ..Recording::default()
    };
    Ok(Some(CallFact::Recording {
        id: id.to_owned(),
        recording,
    }))
}

fn message_left(fields: &Fields<'_>, at: Timestamp) -> Option<CallFact> {
    let url = fields.words("url").and_then(web_address);
    let id = fields.words("fileName").or(url)?;
    let voicemail = Voicemail {
        url: url.map(str::to_owned),
        transcript: None,
        duration_ms: None,
        left_at: Some(at),
    };
    Some(CallFact::Voicemail {
        id: id.to_owned(),
        voicemail,
    })
}
