//! The company's users (`GET /api/v2/users`, a hundred a page, by cursor).

use reqwest::Method;
use serde_json::Value;
use switchhook_engine::command::{CommandError, Session};
use switchhook_engine::platform_users::{PlatformUser, UserPage};

use super::api;

/// The words under which Dialpad's events know a user who can take calls.
const STATE: &str = "active";

/// One page of the active users.
pub(super) async fn page(session: &Session, after: Option<&str>) -> Result<UserPage, CommandError> {
    let mut request = api::request(session, Method::GET, "users")?;
    api::add_query(&mut request.url, &[("state", STATE.to_owned())], after);
    let answer = api::send(session, request).await?;
    let items = answer.json.get("items").and_then(Value::as_array);
    let next = answer.json.get("cursor").and_then(Value::as_str);
    Ok(UserPage {
        users: items.into_iter().flatten().filter_map(user).collect(),
        next: next.filter(|next| !next.is_empty()).map(str::to_owned),
    })
}

fn user(item: &Value) -> Option<PlatformUser> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let texts = |name: &str| {
        let all = item.get(name).and_then(Value::as_array);
        let all = all.into_iter().flatten().filter_map(Value::as_str);
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let full = || {
        let parts = [text("first_name"), text("last_name")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    Some(PlatformUser {
        id: Some(api::id(item.get("id")?)?),
        name: text("display_name").or_else(full),
        // The first is the one they sign in with.
        email: texts("emails").into_iter().next(),
        extension: item.get("extension").and_then(api::id),
        numbers: texts("phone_numbers"),
        state: text("state"),
        device: None,
    })
}
