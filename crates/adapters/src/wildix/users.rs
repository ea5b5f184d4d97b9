//! The PBX's colleagues (`GET /api/v1/PBX/Colleagues`, by `start` and `count`). Wildix's events
//! name people by extension and e-mail address, never by the id of the colleague, so none is given.

use serde_json::Value;
use switchhook_engine::command::{CommandError, Fault, Session};
use switchhook_engine::platform_users::{PlatformUser, UserPage};

use super::api::{self, Question};
use crate::vendor;

/// How many a page.
const COUNT: usize = 100;

/// One page; `after` is how many to pass over.
pub(super) async fn page(session: &Session, after: Option<&str>) -> Result<UserPage, CommandError> {
    let start = after
        .and_then(|start| start.parse().ok())
        .unwrap_or(0_usize);
    let question = Question::get("/api/v1/PBX/Colleagues")
        .with("start", &start.to_string())
        .with("count", &COUNT.to_string());
    let answer = api::ask(session, question).await?;
    vendor::accepted(&answer, false).map_err(|error| match error.fault {
        Fault::Permission => CommandError::new(
            Fault::Permission,
            "The token may not list colleagues: use that of an administrator, or a key with the \
             scope colleagues:read or pbx:read.",
        ),
        _ => error,
    })?;
    let records = answer.json.pointer("/result/records");
    let records = records.or_else(|| answer.json.get("result"));
    let records = records.and_then(Value::as_array).map(Vec::as_slice);
    let records = records.unwrap_or_default();
    let total = answer.json.pointer("/result/total").and_then(number);
    let read = start.saturating_add(records.len());
    let more = total.map_or(records.len() >= COUNT, |total| read < total);
    Ok(UserPage {
        users: records.iter().map(user).collect(),
        next: (more && !records.is_empty()).then(|| read.to_string()),
    })
}

/// A whole number, which some versions write as text.
fn number(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => usize::try_from(other.as_u64()?).ok(),
    }
}

fn user(record: &Value) -> PlatformUser {
    let text = |name: &str| match record.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let numbers = [text("officePhone"), text("mobilePhone")];
    PlatformUser {
        id: None,
        name: text("name"),
        email: text("email"),
        extension: text("extension"),
        numbers: numbers.into_iter().flatten().collect(),
        state: None,
        device: None,
    }
}
