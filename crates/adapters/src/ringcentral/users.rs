//! The account's extensions that are people (`GET …/extension`, Medium, right `ReadAccounts`).

use reqwest::Method;
use serde_json::Value;
use switchhook_engine::command::{CommandError, Session};
use switchhook_engine::platform_users::{PlatformUser, UserPage};

use super::api;

/// How many a page; the rate limit allows 40 pages a minute.
const PER_PAGE: usize = 250;
/// Kinds of extensions that somebody takes calls on; queues, menus and the like are others.
const KINDS: [&str; 3] = ["User", "DigitalUser", "FlexibleUser"];
/// Who works, or will once they have signed in.
const STATES: [&str; 2] = ["Enabled", "NotActivated"];

/// One page; `after` is its number.
pub(super) async fn page(session: &Session, after: Option<&str>) -> Result<UserPage, CommandError> {
    let page = after.and_then(|page| page.parse().ok()).unwrap_or(1_u32);
    let mut query = format!("perPage={PER_PAGE}&page={page}");
    let words = |name, words: &[&str]| {
        let pairs = words.iter().map(|word| format!("&{name}={word}"));
        pairs.collect::<String>()
    };
    query.push_str(&words("status", &STATES));
    query.push_str(&words("type", &KINDS));
    let path = api::account(&format!("extension?{query}"));
    let answer = api::ask(session, Method::GET, &path, api::MEDIUM, None).await?;
    let records = answer.json.get("records").and_then(Value::as_array);
    let records: &[Value] = records.map(Vec::as_slice).unwrap_or_default();
    let more = match answer
        .json
        .pointer("/paging/totalPages")
        .and_then(Value::as_u64)
    {
        Some(pages) => u64::from(page) < pages,
        None => answer.json.pointer("/navigation/nextPage/uri").is_some(),
    };
    Ok(UserPage {
        users: records.iter().filter_map(user).collect(),
        next: (more && !records.is_empty()).then(|| page.saturating_add(1).to_string()),
    })
}

fn user(record: &Value) -> Option<PlatformUser> {
    let text = |pointer: &str| record.pointer(pointer)?.as_str().map(str::to_owned);
    // The filter asks for these; an answer that does not heed it must not make a menu a person.
    if !text("/type").is_none_or(|kind| KINDS.contains(&kind.as_str())) {
        return None;
    }
    let full = || {
        let parts = [text("/contact/firstName"), text("/contact/lastName")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    let numbers = [text("/contact/businessPhone"), text("/contact/mobilePhone")];
    Some(PlatformUser {
        id: Some(super::devices::text_id(record.get("id")?)?),
        name: text("/name").or_else(full),
        email: text("/contact/email"),
        extension: text("/extensionNumber"),
        numbers: numbers.into_iter().flatten().collect(),
        state: text("/status"),
        device: None,
    })
}
