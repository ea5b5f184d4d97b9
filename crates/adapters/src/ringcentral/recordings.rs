//! Recordings: a party announces one by its id while the call lasts; the link is there when
//! RingCentral has stored it. The link itself needs the connection's sign-in to be opened.

use reqwest::Method;
use serde_json::Value;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_engine::command::{CommandError, Fault, RecordingSeen, Session};

use super::api;

/// The longest web address kept, in bytes.
const MAX_ADDRESS: usize = 2048;

/// An address a browser may open, or nothing: links end up on people's screens.
pub(super) fn web_address(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = text.len() <= MAX_ADDRESS && !text.contains(|c: char| c.is_control() || c == ' ');
    (fits && (text.starts_with("https://") || text.starts_with("http://"))).then_some(text)
}

/// See [`switchhook_engine::adapter::Adapter::recheck_recording`].
pub(super) async fn recheck(
    session: &Session,
    recording_id: &str,
    known: &Recording,
) -> Result<RecordingSeen, CommandError> {
    if !api::is_id(recording_id) {
        let detail = "RingCentral has no recording of such an id.";
        return Err(CommandError::new(Fault::Gone, detail));
    }
    let path = api::account(&format!("recording/{recording_id}"));
    let mut recording = known.clone();
    match api::ask(session, Method::GET, &path, api::HEAVY, None).await {
        Ok(answer) => {
            let url = answer.json.get("contentUri").and_then(Value::as_str);
            recording.url = url.and_then(web_address).map(str::to_owned);
            recording.state = RecordingState::Available;
            let seconds = answer.json.get("duration").and_then(Value::as_i64);
            recording.duration_ms = seconds.and_then(|s| s.checked_mul(1_000));
        }
        // Not stored yet, or too short to be kept; one that was there has been deleted.
        Err(error) if error.fault == Fault::Gone => {
            if known.state != RecordingState::Pending {
                recording.state = RecordingState::Gone;
            }
        }
        Err(error) => return Err(error),
    }
    Ok(RecordingSeen { recording })
}
