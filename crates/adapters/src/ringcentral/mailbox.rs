//! Voicemail. The event of a voicemail names the caller, the mailbox and the time, but not the
//! call it was left in. Both therefore carry a key made of the three: a call that reached a mailbox
//! and ended there carries those of the two moments, and the voicemail those of the moments at
//! which that can have been. The same caller cannot end two calls to one extension within
//! so short a time.

use std::collections::BTreeSet;

use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::media::Voicemail;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, Party, Signal};
use switchhook_engine::adapter::DecodeError;

use super::payload::path_id;
use crate::json::{Fields, label};

/// How finely ends are told apart, in milliseconds.
const GRAIN: i64 = 5_000;
/// How far the voicemail's own times may be off the end of its call, in grains either way.
const SLACK: i64 = 2;

/// The key of a call of that caller that was at the mailbox of that extension. A caller who shows
/// no number cannot be told from another.
pub(super) fn moment_key(extension: &str, caller: &PhoneNumber, at: Timestamp) -> Option<String> {
    key(extension, caller, at.as_millisecond().div_euclid(GRAIN))
}

fn key(extension: &str, caller: &PhoneNumber, grain: i64) -> Option<String> {
    let number = caller.canonical()?;
    Some(format!("mailbox:{extension}:{number}:{grain}"))
}

/// The name of a voicemail, which the call log uses too.
pub(super) fn key_of(id: &str) -> String {
    format!("voicemail:{id}")
}

/// The facts of a voicemail event.
pub(super) fn signals(
    event: &str,
    root: &Fields<'_>,
    body: &Fields<'_>,
    plan: &NumberPlan,
) -> Result<Vec<Signal>, DecodeError> {
    let id = body.id("id")?;
    let id = id.ok_or_else(|| body.fault("id", "is missing"))?;
    let left_at = match body.time("creationTime")? {
        Some(at) => at,
        None => root
            .time("timestamp")?
            .ok_or_else(|| body.fault("creationTime", "is missing"))?,
    };
    let from = body.object("from", "body.from")?;
    let caller = match &from {
        Some(from) => from.number("phoneNumber")?,
        None => None,
    };
    let caller = caller.map_or_else(PhoneNumber::withheld, |raw| PhoneNumber::parse(&raw, plan));
    let duration_ms = duration(body)?;
    let owner = root.id("ownerId")?;
    let extension = path_id(event, "extension").or(owner.as_deref());
    let mut keys = vec![key_of(&id)];
    if let Some(extension) = extension {
        keys.extend(moments(extension, &caller, left_at, duration_ms));
    }
    let remote = Party {
        number: Some(caller),
        name: from.and_then(|from| from.words("name")).map(label),
        ..Party::default()
    };
    let voicemail = Voicemail {
        url: audio(body),
        transcript: None,
        duration_ms,
        left_at: Some(left_at),
    };
    let facts = [
        CallFact::Direction(Direction::Inbound),
        CallFact::Remote(remote),
        CallFact::Voicemail {
            id: id.into_owned(),
            voicemail,
        },
    ];
    let told = facts.into_iter();
    Ok(told
        .map(|fact| Signal::call(left_at, &keys, fact))
        .collect())
}

/// When the call of a voicemail can have reached the mailbox or ended: `creationTime` is the
/// moment the message began or was stored, so about then, or about its length before or after.
fn moments(
    extension: &str,
    caller: &PhoneNumber,
    left_at: Timestamp,
    duration_ms: Option<i64>,
) -> BTreeSet<String> {
    let at = left_at.as_millisecond();
    let length = duration_ms.unwrap_or(0);
    let moments = [at, at.saturating_add(length), at.saturating_sub(length)];
    let grains = moments.iter().flat_map(|moment| {
        let grain = moment.div_euclid(GRAIN);
        grain - SLACK..=grain + SLACK
    });
    grains
        .filter_map(|grain| key(extension, caller, grain))
        .collect()
}

fn attachments<'a>(body: &Fields<'a>) -> impl Iterator<Item = Fields<'a>> {
    body.list("attachments")
        .iter()
        .filter_map(|item| match item {
            Value::Object(map) => Some(Fields::at(map, "body.attachments[]")),
            _ => None,
        })
}

/// `vmDuration` is in seconds.
fn duration(body: &Fields<'_>) -> Result<Option<i64>, DecodeError> {
    for attachment in attachments(body) {
        if let Some(ms) = attachment.millis("vmDuration", 1_000.0)? {
            return Ok(Some(ms));
        }
    }
    Ok(None)
}

fn audio(body: &Fields<'_>) -> Option<String> {
    let mut all = attachments(body);
    let audio = all.find(|a| a.words("type") == Some("AudioRecording"))?;
    let uri = audio.words("uri")?;
    super::recordings::web_address(uri).map(str::to_owned)
}
