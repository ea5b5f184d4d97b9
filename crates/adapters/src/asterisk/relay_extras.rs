//! What a relayed event says beside the call itself: recordings with their links, queues,
//! voicemails, and the presence of agents.

use switchhook_domain::Timestamp;
use switchhook_domain::media::{Presence, PresenceReport, Recording, RecordingState, Voicemail};
use switchhook_domain::signal::{CallFact, Fact, Signal};
use switchhook_engine::adapter::DecodeError;

use super::ami::Block;
use super::channel::{EndpointRules, split_name};
use super::extras::presence_of;
use super::relay::{first, time_of};
use crate::json::label;

/// The longest link kept.
const MAX_URL: usize = 2_000;

/// The queue and the recording of a call, where the event names them.
pub(super) fn of_call(block: &Block<'_>) -> Result<Vec<CallFact>, DecodeError> {
    let mut facts = Vec::new();
    if let Some(queue) = block.get("Queue") {
        facts.push(CallFact::Queue(label(queue)));
    }
    let is_voicemail = block
        .get("Event")
        .is_some_and(|e| e.eq_ignore_ascii_case("voicemail"));
    if let Some(url) = link(block).filter(|_| !is_voicemail) {
        let expires = [
            "RecordingExpiresAt",
            "recording.expiresAt",
            "recording.expires_at",
        ];
        let recording = Recording {
            state: RecordingState::Available,
            url: Some(url.to_owned()),
            expires_at: time_of(block, &expires)?,
            ..Recording::default()
        };
        // A link that is made anew differs in its signature only.
        let id = url.split(['?', '#']).next().unwrap_or(url).to_owned();
        facts.push(CallFact::Recording { id, recording });
    }
    Ok(facts)
}

/// A voicemail of that call.
pub(super) fn voicemail(call: &str, block: &Block<'_>) -> CallFact {
    CallFact::Voicemail {
        id: format!("voicemail:{call}"),
        voicemail: Voicemail {
            url: link(block).map(str::to_owned),
            ..Voicemail::default()
        },
    }
}

/// The link to a recording; anything but a web address is none.
fn link<'b>(block: &Block<'b>) -> Option<&'b str> {
    let url = first(block, &["RecordingURL", "recording.url", "recording_url"])?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    (web && url.len() <= MAX_URL && !url.contains(char::is_whitespace)).then_some(url)
}

/// The presence of an agent by the state of a device. A state that is not known says nothing.
pub(super) fn presence(
    at: Timestamp,
    block: &Block<'_>,
    rules: &EndpointRules<'_>,
) -> Result<Vec<Signal>, DecodeError> {
    if !rules.presence {
        return Ok(Vec::new());
    }
    let state = first(
        block,
        &[
            "DeviceState",
            "State",
            "presenceState",
            "presence",
            "status",
        ],
    );
    let state = state.ok_or_else(|| DecodeError::field("State", "is missing"))?;
    let device = block.get("Device");
    let extension = match (device, block.get("Channel")) {
        (Some(device), _) if device.contains('/') => match rules.agent_of_device(device) {
            Some(endpoint) => Some(endpoint),
            None => return Ok(Vec::new()),
        },
        // Queues, mailboxes and the like are nobody's device.
        (Some(device), _) if device.contains(':') => return Ok(Vec::new()),
        (_, Some(channel)) => Some(split_name(channel).1).filter(|name| !name.is_empty()),
        (device, None) => device,
    };
    let extension = extension.or_else(|| first(block, &["extension", "Exten"]));
    let user = first(block, &["userId", "user_id"]);
    if extension.is_none() && user.is_none() {
        return Err(DecodeError::field("Device", "is missing"));
    }
    let Some(presence) = presence_of(&state.to_ascii_uppercase()).or_else(|| in_words(state))
    else {
        return Ok(Vec::new());
    };
    let report = PresenceReport {
        extension: extension.map(label),
        user_id: user.map(label),
        email: None,
        presence,
    };
    Ok(vec![Signal {
        at,
        keys: Vec::new(),
        fact: Fact::Presence(report),
    }])
}

/// The neutral words of the predecessor.
fn in_words(state: &str) -> Option<Presence> {
    match state.to_ascii_lowercase().replace('_', "-").as_str() {
        "available" => Some(Presence::Available),
        "on-call" => Some(Presence::OnCall),
        "wrap-up" => Some(Presence::WrapUp),
        "away" => Some(Presence::Away),
        "offline" => Some(Presence::Offline),
        _ => None,
    }
}
