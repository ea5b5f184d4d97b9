//! Dialpad's two steps to its events: a webhook with our address and secret, and subscriptions
//! for calls, messages and agent status that point at it. What stands there already is found by
//! our address and used; what differs is changed; doubles are deleted; what is gone is made anew.
//! Nothing of others, under another address, is touched.

use reqwest::Method;
use serde_json::{Map, Value, json};
use switchhook_engine::adapter::{ConnectionContext, KeptHook};
use switchhook_engine::command::{
    CommandError, Fault, HalfSubscribed, Session, Subscribed, Wanted,
};

use super::{api, spec};

/// The kinds of events, calls first: without those the rest is of little use.
const KINDS: [&str; 3] = ["call", "sms", "agent_status"];

/// True when we make and keep subscriptions for a connection.
pub(super) fn keeps(connection: &ConnectionContext) -> bool {
    api::auth(connection).is_some() && connection.text(spec::SUBSCRIPTIONS) != Some("by_hand")
}

/// What is subscribed to, unless it is the whole company: its type and id.
pub(super) fn target(connection: &ConnectionContext) -> Option<(&str, &str)> {
    let kind = connection
        .text(spec::TARGET_TYPE)
        .filter(|kind| *kind != "company")?;
    Some((kind, connection.text(spec::TARGET_ID)?))
}

/// What we made before.
struct State(Map<String, Value>);

impl State {
    fn of(state: &Value) -> Self {
        Self(state.as_object().cloned().unwrap_or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.into());
    }
}

/// The webhook in what we made.
pub(super) fn kept_hook(state: &Value) -> Option<KeptHook> {
    let state = State::of(state);
    Some(KeptHook {
        id: state.get("webhook")?.to_owned(),
        url: state.get("hook_url")?.to_owned(),
        signature: ("HS256", "jwt"),
    })
}

/// Makes what is missing and changes what differs.
pub(super) async fn subscribe(
    session: &Session,
    wanted: &Wanted,
) -> Result<Subscribed, HalfSubscribed> {
    let mut state = State::of(&wanted.state);
    // Before anything is made: what is made and then not heard of is found by the address.
    state.set("hook_url", &wanted.webhook_url);
    match stand(session, &wanted.webhook_url, &mut state).await {
        Ok(was_lost) => Ok(Subscribed {
            state: Value::Object(state.0),
            expires_at: None,
            was_lost,
        }),
        Err(error) => Err(HalfSubscribed {
            state: Value::Object(state.0),
            error,
        }),
    }
}

/// Returns whether something that stood was gone.
async fn stand(session: &Session, url: &str, state: &mut State) -> Result<bool, CommandError> {
    let (webhook, doubles) = webhook(session, url, state.get("webhook")).await?;
    let mut was_lost = state.get("webhook").is_some_and(|known| known != webhook);
    state.set("webhook", &webhook);
    for kind in KINDS {
        let known = state.get(kind).map(str::to_owned);
        match subscription(session, kind, &webhook, &doubles, known.as_deref()).await {
            Ok(id) => {
                was_lost |= known.is_some_and(|known| known != id);
                state.set(kind, &id);
            }
            // Agent status is for administrators' keys only; calls and messages work without.
            Err(error) if kind == "agent_status" && error.fault == Fault::Permission => {
                state.0.remove(kind);
            }
            Err(error) => return Err(error),
        }
    }
    for double in doubles {
        delete(session, &format!("webhooks/{double}")).await?;
    }
    Ok(was_lost)
}

/// The webhook with our address and secret, and others with the same address.
async fn webhook(
    session: &Session,
    url: &str,
    known: Option<&str>,
) -> Result<(String, Vec<String>), CommandError> {
    let secret = session.connection.webhook_secrets.first().ok_or_else(|| {
        let detail = "This connection has no webhook secret, so Dialpad's events could not be \
                      believed: give it a new one with `switchhook connection secret`.";
        CommandError::new(Fault::Settings, detail)
    })?;
    let all = api::list(session, "webhooks", &[]).await?;
    let mut ours: Vec<(String, &Value)> = all
        .iter()
        .filter(|webhook| webhook["hook_url"] == url)
        .filter_map(|webhook| Some((api::id(&webhook["id"])?, webhook)))
        .collect();
    ours.sort_by_key(|(id, _)| Some(id.as_str()) != known);
    let body = json!({ "hook_url": url, "secret": secret.expose() });
    let Some(((id, first), doubles)) = ours.split_first() else {
        let request = api::request(session, Method::POST, "webhooks")?
            .limited(&[api::COMPANY, api::NEW_WEBHOOK])
            .json(body);
        let made = api::send(session, request).await?;
        let id = api::id(&made.json["id"]).ok_or_else(unreadable)?;
        return Ok((id, Vec::new()));
    };
    if first["signature"]["secret"] != secret.expose() {
        let request = api::request(session, Method::PATCH, &format!("webhooks/{id}"))?;
        api::send(session, request.json(body)).await?;
    }
    let doubles = doubles.iter().map(|(id, _)| id.clone()).collect();
    Ok((id.clone(), doubles))
}

/// The one subscription of a kind that points at the webhook and is as it should be.
async fn subscription(
    session: &Session,
    kind: &str,
    webhook: &str,
    doubles: &[String],
    known: Option<&str>,
) -> Result<String, CommandError> {
    let path = format!("subscriptions/{kind}");
    let wanted = wanted(&session.connection, kind, webhook)?;
    let ours_or_double = |id: &str| id == webhook || doubles.iter().any(|double| double == id);
    let mut ours = pointing(session, kind, ours_or_double).await?;
    ours.sort_by_key(|(id, _)| Some(id.as_str()) != known);
    let Some(((id, first), doubles)) = ours.split_first() else {
        let request = api::request(session, Method::POST, &path)?.json(wanted);
        let made = api::send(session, request).await?;
        return api::id(&made.json["id"]).ok_or_else(unreadable);
    };
    if !is_so(first, &wanted, webhook) {
        let request = api::request(session, Method::PATCH, &format!("{path}/{id}"))?;
        api::send(session, request.json(wanted)).await?;
    }
    for (double, _) in doubles {
        delete(session, &format!("{path}/{double}")).await?;
    }
    Ok(id.clone())
}

/// Subscriptions of a kind whose webhook is one of those.
async fn pointing(
    session: &Session,
    kind: &str,
    at: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Value)>, CommandError> {
    let all = api::list(session, &format!("subscriptions/{kind}"), &[]).await?;
    let ours = all.into_iter().filter_map(|subscription| {
        let webhook = api::id(&subscription["webhook"]["id"])?;
        let id = api::id(&subscription["id"])?;
        at(&webhook).then_some((id, subscription))
    });
    Ok(ours.collect())
}

/// The body of a subscription.
fn wanted(
    connection: &ConnectionContext,
    kind: &str,
    webhook: &str,
) -> Result<Value, CommandError> {
    let mut body = json!({ "endpoint_id": api::int64(webhook, "webhook id")?, "enabled": true });
    match kind {
        "call" => body["call_states"] = call_states(connection),
        "sms" => {
            body["direction"] = "all".into();
            body["status"] = true.into();
        }
        _ => body["agent_type"] = "callcenter".into(),
    }
    if let (Some((target_type, id)), "call" | "sms") = (target(connection), kind) {
        body["target_type"] = target_type.into();
        body["target_id"] = api::int64(id, "target_id")?.into();
    }
    Ok(body)
}

fn call_states(connection: &ConnectionContext) -> Value {
    let chosen = connection
        .config
        .get(spec::CALL_STATES)
        .and_then(Value::as_array);
    match chosen.filter(|states| !states.is_empty()) {
        Some(states) => Value::Array(states.clone()),
        None => json!(spec::USUAL_STATES),
    }
}

/// True when a subscription has all we want; Dialpad writes numbers of 64 bits as texts, and
/// lists in an order of its own.
fn is_so(subscription: &Value, wanted: &Value, webhook: &str) -> bool {
    let points = api::id(&subscription["webhook"]["id"]).is_some_and(|id| id == webhook);
    let same = |(name, value): (&String, &Value)| match name.as_str() {
        "endpoint_id" => points,
        "target_id" => api::id(&subscription[name]) == api::id(value),
        "call_states" => words(&subscription[name]) == words(value),
        _ => subscription[name] == *value,
    };
    wanted
        .as_object()
        .is_some_and(|wanted| wanted.iter().all(same))
}

fn words(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    let mut words: Vec<_> = items.filter_map(Value::as_str).collect();
    words.sort_unstable();
    words
}

/// Takes back what stands under our address, and what we remember to have made.
pub(super) async fn unsubscribe(session: &Session, state: &Value) -> Result<(), CommandError> {
    let state = State::of(state);
    let (url, known) = (state.get("hook_url"), state.get("webhook"));
    let webhooks = api::list(session, "webhooks", &[]).await?;
    let ours: Vec<String> = webhooks
        .iter()
        .filter_map(|webhook| {
            let id = api::id(&webhook["id"])?;
            let by_url = url.is_some() && webhook["hook_url"].as_str() == url;
            (by_url || known == Some(id.as_str())).then_some(id)
        })
        .collect();
    for kind in KINDS {
        let found = pointing(session, kind, |id| ours.iter().any(|our| our == id)).await;
        let found = match found {
            Err(error) if kind == "agent_status" && error.fault == Fault::Permission => continue,
            found => found?,
        };
        for (id, _) in found {
            delete(session, &format!("subscriptions/{kind}/{id}")).await?;
        }
    }
    for id in ours {
        delete(session, &format!("webhooks/{id}")).await?;
    }
    Ok(())
}

/// Deletes; what is gone already is as it should be.
async fn delete(session: &Session, path: &str) -> Result<(), CommandError> {
    let request = api::request(session, Method::DELETE, path)?;
    match api::send(session, request).await {
        Err(error) if error.fault == Fault::Gone => Ok(()),
        result => result.map(drop),
    }
}

fn unreadable() -> CommandError {
    CommandError::new(Fault::Platform, "Dialpad's answer names no id.")
}
