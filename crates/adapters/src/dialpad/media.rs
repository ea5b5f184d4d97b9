//! What hangs off a Dialpad call: recordings, voicemail and transcripts, in the several fields in
//! which "Call events" carry them. Metadata and links only; no audio is fetched.
//!
//! Dialpad names one recording in up to three ways (`call_recording_ids`, `recording_details`,
//! the last part of a blob address); [`blob_id`] makes one id of them, so that a recording that
//! is announced at hang-up and linked minutes later stays one recording.

use serde_json::Value;
use switchhook_domain::media::{Recording, RecordingState, Voicemail};
use switchhook_domain::signal::CallFact;
use switchhook_engine::adapter::DecodeError;

use super::payload::CallEvent;
use crate::json::{Fields, id_of, prose, web_address};

/// Everything the event says about media, as facts of the call.
pub(super) fn facts(event: &CallEvent<'_>) -> Result<Vec<CallFact>, DecodeError> {
    let root = &event.root;
    let mut facts = Vec::new();
    for item in root.list("recording_details") {
        let Value::Object(map) = item else {
            return Err(root.fault("recording_details", "must be a list of objects"));
        };
        facts.extend(detail(Fields::at(map, "recording_details[]"))?);
    }
    for name in ["recording_url", "admin_recording_urls"] {
        for item in root.list(name) {
            let Value::String(url) = item else {
                return Err(root.fault(name, "must be a list of addresses"));
            };
            facts.extend(web_address(url).map(|url| recording(blob_id(url), Some(url))));
        }
    }
    for item in root.list("call_recording_ids") {
        let id = id_of(item).map_err(|problem| root.fault("call_recording_ids", problem))?;
        facts.extend(id.map(|id| recording(&id, None)));
    }
    facts.extend(voicemail_or_transcript(event)?);
    Ok(facts)
}

/// One of `recording_details`: a recording, or a voicemail among them.
fn detail(fields: Fields<'_>) -> Result<Option<CallFact>, DecodeError> {
    let url = fields.words("url").and_then(web_address);
    let id = fields.id("id")?;
    let Some(id) = id.as_deref().or_else(|| url.map(blob_id)) else {
        return Ok(None);
    };
    let duration_ms = fields.millis("duration", 1.0)?;
    let started_at = fields.time("start_time")?;
    if fields.words("recording_type") == Some("voicemail") {
        let voicemail = Voicemail {
            url: url.map(str::to_owned),
            transcript: None,
            duration_ms,
            left_at: started_at,
        };
        return Ok(Some(CallFact::Voicemail {
            id: id.to_owned(),
            voicemail,
        }));
    }
    let mut fact = recording(id, url);
    if let CallFact::Recording { recording, .. } = &mut fact {
        recording.duration_ms = duration_ms;
        recording.started_at = started_at;
    }
    Ok(Some(fact))
}

/// A recording that is announced (no link yet) or can be fetched.
pub(super) fn recording(id: &str, url: Option<&str>) -> CallFact {
    let state = if url.is_some() {
        RecordingState::Available
    } else {
        RecordingState::Pending
    };
    let recording = Recording {
        state,
        url: url.map(str::to_owned),
        ..Recording::default()
    };
    CallFact::Recording {
        id: id.to_owned(),
        recording,
    }
}

fn voicemail_or_transcript(event: &CallEvent<'_>) -> Result<Option<CallFact>, DecodeError> {
    let root = &event.root;
    let text = root.words("transcription_text");
    let url = root.words("voicemail_link").and_then(web_address);
    let id = root.id("voicemail_recording_id")?;
    let Some(id) = id.as_deref().or_else(|| url.map(blob_id)) else {
        return Ok(text.map(|text| CallFact::Transcript(prose(text))));
    };
    let voicemail = Voicemail {
        url: url.map(str::to_owned),
        transcript: text.map(prose),
        duration_ms: None,
        left_at: Some(event.at),
    };
    Ok(Some(CallFact::Voicemail {
        id: id.to_owned(),
        voicemail,
    }))
}

/// `6000000000000001` of `https://dialpad.com/blob/callrecording/6000000000000001.mp3`; any other
/// address is its own id.
pub(super) fn blob_id(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let file = path.rsplit('/').next().unwrap_or_default();
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    let is_id = path.contains("/blob/")
        && stem.len() >= 6
        && stem.bytes().all(|byte| byte.is_ascii_digit());
    if is_id { stem } else { url }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_address_carries_the_id() {
        let url = "https://dialpad.com/blob/callrecording/6000000000000001.mp3";
        assert_eq!(blob_id(url), "6000000000000001");
        assert_eq!(blob_id(&format!("{url}?token=1.2")), "6000000000000001");
        let other = "https://files.example/r/latest.mp3";
        assert_eq!(blob_id(other), other);
    }

    #[test]
    fn only_web_addresses_pass() {
        assert_eq!(web_address("javascript:alert(1)"), None);
        assert_eq!(web_address("https://a b"), None);
        assert_eq!(
            web_address(" https://example.com/x "),
            Some("https://example.com/x")
        );
    }
}
