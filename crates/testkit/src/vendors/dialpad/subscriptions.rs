//! Webhooks and event subscriptions: made, listed in pages, changed, deleted.

use serde_json::{Value, json};

use super::{Books, Result, body, error, facts, number, page};
use crate::vendors::{Answered, Asked};

/// `/api/v2/webhooks` and what is below.
pub(super) fn webhooks(books: &mut Books, asked: &Asked, rest: &[&str]) -> Result<Answered> {
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let items: Vec<_> = books.webhooks.values().cloned().collect();
            page(asked, &items)
        }
        ("POST", []) => {
            let new = body(asked, facts::CREATE_WEBHOOK)?;
            let id = books.id();
            let webhook = webhook(id, &new["hook_url"], &new["secret"]);
            books.webhooks.insert(id, webhook.clone());
            Ok(Answered::json(200, webhook))
        }
        (method, [id]) => {
            let id = number(id)?;
            let known = books.webhooks.get(&id).cloned();
            let known = known.ok_or_else(|| error(404, "Webhook not found"))?;
            match method {
                "GET" => Ok(Answered::json(200, known)),
                "PATCH" => {
                    let new = body(asked, facts::UPDATE_WEBHOOK)?;
                    let url = new.get("hook_url").unwrap_or(&known["hook_url"]);
                    let secret = new.get("secret").unwrap_or(&known["signature"]["secret"]);
                    let webhook = webhook(id, url, secret);
                    books.webhooks.insert(id, webhook.clone());
                    Ok(Answered::json(200, webhook))
                }
                "DELETE" => {
                    let text = Value::from(id.to_string());
                    let mut subscriptions = books.subscriptions.values();
                    if subscriptions.any(|known| known["webhook"]["id"] == text) {
                        return Err(error(409, "The webhook has subscriptions"));
                    }
                    books.webhooks.remove(&id);
                    Ok(Answered::json(200, known))
                }
                _ => Err(error(404, "Not found")),
            }
        }
        _ => Err(error(404, "Not found")),
    }
}

fn webhook(id: u64, url: &Value, secret: &Value) -> Value {
    let signature = json!({ "algo": "HS256", "secret": secret, "type": "jwt" });
    json!({ "id": id.to_string(), "hook_url": url, "signature": signature })
}

/// `/api/v2/subscriptions/{kind}` and what is below.
pub(super) fn subscriptions(
    books: &mut Books,
    asked: &Asked,
    kind: &str,
    rest: &[&str],
) -> Result<Answered> {
    let fields = match kind {
        "call" => facts::CALL_SUBSCRIPTION,
        "sms" => facts::CREATE_SMS_SUBSCRIPTION,
        "agent_status" => facts::CREATE_STATUS_SUBSCRIPTION,
        _ => return Err(error(404, "Not found")),
    };
    let of_kind = kind.to_owned();
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let (of, id) = (asked.query("target_type"), asked.query("target_id"));
            if of.is_some_and(|of| !facts::TARGET_TYPES.contains(&of)) {
                return Err(error(400, "unknown target_type"));
            }
            let all = books.subscriptions.iter();
            let fits = |known: &Value| {
                of.is_none_or(|of| known["target_type"] == of)
                    && id.is_none_or(|id| known["target_id"] == id)
            };
            let items = all.filter(|((known, _), value)| *known == of_kind && fits(value));
            page(
                asked,
                &items.map(|(_, value)| value.clone()).collect::<Vec<_>>(),
            )
        }
        ("POST", []) => {
            let new = body(asked, fields)?;
            let id = books.id();
            let made = subscription(books, id, &json!({ "enabled": true }), &new)?;
            books.subscriptions.insert((of_kind, id), made.clone());
            Ok(Answered::json(200, made))
        }
        (method, [id]) => {
            let key = (of_kind, number(id)?);
            let known = books.subscriptions.get(&key).cloned();
            let known = known.ok_or_else(|| error(404, "Subscription not found"))?;
            match method {
                "GET" => Ok(Answered::json(200, known)),
                "PATCH" => {
                    let made = subscription(books, key.1, &known, &body(asked, fields)?)?;
                    books.subscriptions.insert(key, made.clone());
                    Ok(Answered::json(200, made))
                }
                "DELETE" => {
                    books.subscriptions.remove(&key);
                    Ok(Answered::json(200, known))
                }
                _ => Err(error(404, "Not found")),
            }
        }
        _ => Err(error(404, "Not found")),
    }
}

/// A subscription as it is shown: `endpoint_id` turns into the webhook it names.
fn subscription(books: &Books, id: u64, known: &Value, new: &Value) -> Result<Value> {
    let mut made = known.clone();
    for (name, value) in new.as_object().into_iter().flatten() {
        match name.as_str() {
            "endpoint_id" => {
                let webhook = value.as_u64().and_then(|id| books.webhooks.get(&id));
                let webhook = webhook.ok_or_else(|| error(404, "Endpoint not found"))?;
                made["webhook"] = webhook.clone();
            }
            // Numbers of 64 bits are answered as texts.
            "target_id" => made["target_id"] = value.to_string().into(),
            _ => made[name.as_str()] = value.clone(),
        }
    }
    if made.get("webhook").is_none() {
        return Err(error(400, "`endpoint_id` is missing"));
    }
    made["id"] = id.to_string().into();
    Ok(made)
}
