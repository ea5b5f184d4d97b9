//! The events that are not about calls: presence of a user and of a user's telephone, and the
//! fate of a text message.

use std::borrow::Cow;

use switchhook_domain::media::{
    Message, MessageDirection, MessageStatus, Presence, PresenceReport,
};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::adapter::DecodeError;

use super::event::Event;
use crate::json::label;

/// `presence:telephony` and `presence:user`; none when it names nobody or says nothing we know.
pub(super) fn presence(event: &Event<'_>, kind: &str) -> Result<Option<Signal>, DecodeError> {
    let data = &event.data;
    let status = data.text("status")?.unwrap_or_default();
    let state = if kind == "presence:telephony" {
        telephone(status)
    } else {
        person(status)
    };
    let extension = data.number("extension")?;
    let email = data.words("email");
    let (Some(presence), true) = (state, extension.is_some() || email.is_some()) else {
        return Ok(None);
    };
    let report = PresenceReport {
        extension: extension.map(|extension| label(&extension)),
        user_id: None,
        email: email.map(label),
        presence,
    };
    Ok(Some(Signal {
        at: event.at,
        keys: Vec::new(),
        fact: Fact::Presence(report),
    }))
}

/// `registered`, `ringing`, `talking`, `rt` (talking while it rings), "User presence telephony" of
/// the set-up guide.
fn telephone(status: &str) -> Option<Presence> {
    Some(match status.to_ascii_lowercase().as_str() {
        "registered" | "idle" => Presence::Available,
        "ringing" | "talking" | "rt" => Presence::OnCall,
        "unregistered" | "offline" => Presence::Offline,
        _ => return None,
    })
}

/// `dnd` and, by the same guide, Available, Away, Busy.
fn person(status: &str) -> Option<Presence> {
    Some(match status.to_ascii_lowercase().as_str() {
        "available" | "online" => Presence::Available,
        "dnd" | "away" | "busy" => Presence::Away,
        "offline" => Presence::Offline,
        _ => return None,
    })
}

/// `sms:status`: how far a message of ours got. The text is not reported.
pub(super) fn message(event: &Event<'_>, plan: &NumberPlan) -> Result<Signal, DecodeError> {
    let data = &event.data;
    let id = data
        .id("id")?
        .ok_or_else(|| data.fault("id", "is missing"))?;
    let number = |name| -> Result<PhoneNumber, DecodeError> {
        let raw: Option<Cow<'_, str>> = data.number(name)?;
        Ok(PhoneNumber::parse(raw.as_deref().unwrap_or_default(), plan))
    };
    let status = data
        .text("status")?
        .unwrap_or_default()
        .to_ascii_uppercase();
    let status = match status.as_str() {
        "DELIVERED" => MessageStatus::Delivered,
        "FAILED" | "UNDELIVERED" | "REJECTED" | "EXPIRED" => MessageStatus::Failed,
        _ => MessageStatus::Pending,
    };
    let message = Message {
        external_id: id.into_owned(),
        direction: MessageDirection::Outbound,
        from: number("from")?,
        to: vec![number("to")?],
        text: None,
        user_id: None,
        status,
        failure: data.words("reason").map(label),
        sent_at: event.at,
    };
    Ok(Signal {
        at: event.at,
        keys: Vec::new(),
        fact: Fact::Message(Box::new(message)),
    })
}
