//! Dialpad text messages ("SMS events", developers.dialpad.com/docs/sms-events). The same id
//! comes again for each delivery status; the text is there only when the API key has the scope
//! `message_content_export`.

use serde_json::Value;
use switchhook_domain::media::{Message, MessageDirection, MessageStatus};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Direction, Fact, Signal};
use switchhook_engine::adapter::DecodeError;

use super::payload::read_direction;
use crate::json::{Fields, id_of, label, prose};

/// True when the payload is about a message: it has no `call_id` and one of a message's members.
pub(super) fn is_message(root: &Fields<'_>) -> bool {
    let telling = [
        "message_status",
        "text_content",
        "message_delivery_result",
        "mms",
    ];
    let to_list = matches!(root.get("to_number"), Some(Value::Array(_)));
    !root.has("call_id") && (to_list || telling.iter().any(|name| root.has(name)))
}

/// The one signal of a message event.
pub(super) fn signal(root: &Fields<'_>, plan: &NumberPlan) -> Result<Signal, DecodeError> {
    let id = root
        .id("id")?
        .ok_or_else(|| root.fault("id", "is missing"))?;
    let direction = match read_direction(root)? {
        Some(Direction::Inbound) => MessageDirection::Inbound,
        Some(Direction::Outbound | Direction::Internal) => MessageDirection::Outbound,
        None => return Err(root.fault("direction", "is missing")),
    };
    let sent_at = root.first_time(&["created_date", "event_timestamp"])?;
    let sent_at = sent_at.ok_or_else(|| root.fault("created_date", "is missing"))?;
    let at = root.time("event_timestamp")?.unwrap_or(sent_at);
    let from = root.number("from_number")?;
    let target = root.object("target", "target")?;
    let user_id = match target {
        Some(target) if target.text("type")?.is_none_or(|kind| kind == "user") => {
            target.id("id")?
        }
        _ => None,
    };
    let (status, failure) = status(root);
    let message = Message {
        external_id: id.into_owned(),
        direction,
        from: PhoneNumber::parse(from.as_deref().unwrap_or_default(), plan),
        to: recipients(root, "to_number", plan)?,
        text: root.first_words(&["text_content", "text"]).map(prose),
        user_id: user_id.map(std::borrow::Cow::into_owned),
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

/// The receivers: a list, or one number.
pub(super) fn recipients(
    fields: &Fields<'_>,
    name: &str,
    plan: &NumberPlan,
) -> Result<Vec<PhoneNumber>, DecodeError> {
    let mut numbers = Vec::new();
    for item in fields.list(name) {
        let raw = id_of(item).map_err(|problem| fields.fault(name, problem))?;
        numbers.extend(raw.map(|raw| PhoneNumber::parse(&raw, plan)));
    }
    Ok(numbers)
}

/// `message_status` is `pending`, `success` or `failed`; `message_delivery_result` says why.
fn status(root: &Fields<'_>) -> (MessageStatus, Option<String>) {
    let result = root
        .words("message_delivery_result")
        .filter(|result| *result != "accepted");
    match root.words("message_status") {
        Some("success" | "delivered") => (MessageStatus::Delivered, None),
        Some("failed" | "undelivered") => (MessageStatus::Failed, result.map(label)),
        _ => (MessageStatus::Pending, None),
    }
}
