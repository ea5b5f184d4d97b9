//! Text messages (the `message-store/instant?type=SMS` filter). The same id comes again when
//! RingCentral reports how far an outbound message got.

use serde_json::Value;
use switchhook_domain::media::{Message, MessageDirection, MessageStatus};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::adapter::DecodeError;

use super::payload::path_id;
use crate::json::{Fields, label, prose};

/// The one signal of a message event.
pub(super) fn signal(
    event: &str,
    root: &Fields<'_>,
    body: &Fields<'_>,
    plan: &NumberPlan,
) -> Result<Signal, DecodeError> {
    let id = body.id("id")?;
    let id = id.ok_or_else(|| body.fault("id", "is missing"))?;
    let direction = match body.text("direction")? {
        Some(word) if word.eq_ignore_ascii_case("outbound") => MessageDirection::Outbound,
        Some(_) => MessageDirection::Inbound,
        None => return Err(body.fault("direction", "is missing")),
    };
    let sent_at = body.time("creationTime")?;
    let sent_at = sent_at.ok_or_else(|| body.fault("creationTime", "is missing"))?;
    let at = body.time("lastModifiedTime")?.unwrap_or(sent_at);
    let from = match body.object("from", "body.from")? {
        Some(from) => number(&from, plan)?,
        None => None,
    };
    let mut to = Vec::new();
    for item in body.list("to") {
        if let Value::Object(map) = item {
            to.extend(number(&Fields::at(map, "body.to[]"), plan)?);
        }
    }
    let owner = root.id("ownerId")?;
    let (status, failure) = status(body);
    let message = Message {
        external_id: id.into_owned(),
        direction,
        from: from.unwrap_or_else(PhoneNumber::withheld),
        to,
        text: body.words("subject").map(prose),
        user_id: path_id(event, "extension")
            .or(owner.as_deref())
            .map(str::to_owned),
        status,
        failure,
        sent_at,
    };
    Ok(Signal {
        at,
        keys: Vec::new(),
        fact: Fact::Message(Box::new(message)),
    })
}

/// Between colleagues a message has an extension number and no telephone number.
fn number(side: &Fields<'_>, plan: &NumberPlan) -> Result<Option<PhoneNumber>, DecodeError> {
    let raw = match side.number("phoneNumber")? {
        Some(raw) => Some(raw),
        None => side.number("extensionNumber")?,
    };
    Ok(raw.map(|raw| PhoneNumber::parse(&raw, plan)))
}

/// `messageStatus`: `Queued`, `Sent`, `Delivered`, `DeliveryFailed`, `SendingFailed`, `Received`.
fn status(body: &Fields<'_>) -> (MessageStatus, Option<String>) {
    let failure = body.words("smsDeliveryErrorCode").map(label);
    match body.words("messageStatus") {
        Some("Delivered") => (MessageStatus::Delivered, None),
        Some("DeliveryFailed" | "SendingFailed") => (MessageStatus::Failed, failure),
        _ => (MessageStatus::Pending, None),
    }
}
