//! What the doctor asks RingCentral: who are we, may we steer calls, and how events come: does the
//! subscription live and does RingCentral reach us, or may we open a socket.

use reqwest::Method;
use serde_json::Value;
use switchhook_engine::command::{Check, Fault, Session};

use super::{api, spec};

/// See [`switchhook_engine::adapter::Adapter::diagnose`].
pub(super) async fn diagnose(session: &Session) -> Vec<Check> {
    if session.connection.text(spec::CLIENT_ID).is_none() {
        let detail = "There is no client id, so events are taken in but nothing is asked of \
                      RingCentral; enter that of your app to subscribe and to dial.";
        return vec![Check::bad("sign-in", detail)];
    }
    let sign_in = sign_in(session).await;
    if !sign_in.ok {
        return vec![sign_in];
    }
    let mut checks = vec![sign_in, permissions(session).await];
    if super::by_socket(&session.connection) {
        checks.push(socket(session).await);
    } else {
        checks.extend(subscription(session).await);
    }
    checks
}

/// Whether a socket is given out; how the one in use is, the engine knows.
async fn socket(session: &Session) -> Check {
    match super::socket::may_open(session).await {
        Ok(()) => Check::good("socket", "RingCentral lets us open a socket."),
        Err(error) => Check::bad("socket", error.detail),
    }
}

async fn sign_in(session: &Session) -> Check {
    let path = api::account("extension/~");
    match api::ask(session, Method::GET, &path, api::LIGHT, None).await {
        Ok(answer) => {
            let number = answer.json.get("extensionNumber").and_then(Value::as_str);
            let number = number.unwrap_or("?");
            let detail = format!("RingCentral knows us as extension {number}.");
            Check::good("sign-in", detail)
        }
        Err(error) => Check::bad("sign-in", error.detail),
    }
}

/// Asks for a session that cannot be: without the permission that is forbidden, with it unknown.
async fn permissions(session: &Session) -> Check {
    let path = api::account("telephony/sessions/s-0");
    match api::ask(session, Method::GET, &path, api::LIGHT, None).await {
        Err(error) if error.fault == Fault::Permission => Check::bad(
            "permissions",
            "The app lacks the permission Call Control: add it in the developer console, then \
             sign in again.",
        ),
        Err(error) if error.fault != Fault::Gone => Check::bad("permissions", error.detail),
        _ => Check::good("permissions", "The app may see and steer calls."),
    }
}

async fn subscription(session: &Session) -> Vec<Check> {
    let path = "/restapi/v1.0/subscription";
    let answer = match api::ask(session, Method::GET, path, api::LIGHT, None).await {
        Ok(answer) => answer.json,
        Err(error) => return vec![Check::bad("subscription", error.detail)],
    };
    let records = answer.get("records").and_then(Value::as_array);
    let word = |record: &Value, pointer: &str| {
        let value = record.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let ours: Vec<&Value> = records
        .into_iter()
        .flatten()
        .filter(|r| word(r, "/deliveryMode/address").contains("/webhooks/ringcentral/"))
        .collect();
    let Some(alive) = ours.iter().find(|r| word(r, "/status") == "Active") else {
        let Some(dead) = ours.first() else {
            let detail = "RingCentral has no subscription of ours: it is made within minutes of \
                          the sign-in, or the keeper says why not.";
            return vec![Check::bad("subscription", detail)];
        };
        let reason = word(dead, "/blacklistedData/reason");
        let said: String = reason
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        let detail = format!(
            "RingCentral gave up reaching our webhook address ({said}): make it reachable from \
             the internet; the subscription is then made anew."
        );
        return vec![Check::bad("address", detail)];
    };
    let disabled = alive.get("disabledFilters").and_then(Value::as_array);
    let disabled = disabled.map_or(0, Vec::len);
    let detail = format!("It lives until {}.", word(alive, "/expirationTime"));
    let mut checks = vec![
        Check::good("subscription", detail),
        Check::good("address", "RingCentral reaches our webhook address."),
    ];
    if disabled > 0 {
        let detail = format!(
            "RingCentral leaves out {disabled} of the events we asked for: the app needs the \
             permissions Read Presence and Read Messages for them."
        );
        checks.push(Check::bad("events", detail));
    }
    checks
}
