//! The telephones of an extension: call control answers and dials on one of them.

use reqwest::Method;
use serde_json::Value;
use switchhook_engine::command::{AgentDevice, CommandError, Fault, Session};

use super::api;

/// Kinds that can ring and dial, the best first.
const KINDS: [&str; 6] = [
    "HardPhone",
    "SoftPhone",
    "OtherPhone",
    "WebPhone",
    "WebRTC",
    "Room",
];

/// The extension id of an agent: as known, or looked up by the extension's number.
pub(super) async fn extension_id(
    session: &Session,
    agent: &AgentDevice,
) -> Result<Option<String>, CommandError> {
    if let Some(id) = agent.user_id.as_deref().filter(|id| api::is_id(id)) {
        return Ok(Some(id.to_owned()));
    }
    let Some(number) = agent.extension.as_deref().filter(|n| is_number(n)) else {
        return Ok(None);
    };
    let path = api::account(&format!(
        "extension?extensionNumber={number}&status=Enabled"
    ));
    let answer = api::ask(session, Method::GET, &path, api::MEDIUM, None).await?;
    let records = answer.json.get("records").and_then(Value::as_array);
    let found = records
        .into_iter()
        .flatten()
        .find(|record| record.get("extensionNumber").and_then(Value::as_str) == Some(number));
    Ok(found.and_then(|record| text_id(record.get("id")?)))
}

fn is_number(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Ids are numbers in some answers and texts in others.
pub(super) fn text_id(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The device to use: the one named, else the best of those that are online; `None` when there
/// is none.
pub(super) async fn find(
    session: &Session,
    device: Option<&str>,
    extension_id: Option<&str>,
) -> Result<Option<String>, CommandError> {
    if let Some(device) = device {
        return Ok(Some(device.to_owned()));
    }
    let Some(extension) = extension_id.filter(|id| api::is_id(id)) else {
        return Ok(None);
    };
    let path = api::account(&format!("extension/{extension}/device"));
    let answer = api::ask(session, Method::GET, &path, api::LIGHT, None).await?;
    let records = answer.json.get("records").and_then(Value::as_array);
    let word = |record: &Value, name| record.get(name).and_then(Value::as_str).map(str::to_owned);
    let online = records
        .into_iter()
        .flatten()
        .filter(|record| word(record, "status").as_deref() == Some("Online"));
    let ranked = online.filter_map(|record| {
        let kind = word(record, "type")?;
        let rank = KINDS.iter().position(|known| *known == kind)?;
        Some((rank, text_id(record.get("id")?)?))
    });
    Ok(ranked.min().map(|(_, id)| id))
}

/// There is no telephone to do it with.
pub(super) fn none(what: &str) -> CommandError {
    let detail = format!(
        "No telephone of the agent is online at RingCentral to {what}: open the app or plug in \
         the telephone."
    );
    CommandError::new(Fault::Device, detail)
}
