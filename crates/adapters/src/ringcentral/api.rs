//! Requests to RingCentral's REST API: its addresses, its four rate-limit groups and its error
//! codes (platforms.md, sections 2.3 and 2.6). Not here: what is asked for, and waiting and
//! signing in ([`crate::vendor`]).

use reqwest::Method;
use serde_json::Value;
use switchhook_engine::adapter::ConnectionContext;
use switchhook_engine::command::{CommandError, Fault, RateLimit, Session};

use super::spec;
use crate::vendor::{self, Answer, Auth, Request};

/// Reading one thing, call control: 50 a minute for each user and app.
pub(super) const LIGHT: &[RateLimit] = &[group("light", 50)];
/// Lists, making subscriptions: 40 a minute.
pub(super) const MEDIUM: &[RateLimit] = &[group("medium", 40)];
/// Call log, recordings, placing calls: 10 a minute.
pub(super) const HEAVY: &[RateLimit] = &[group("heavy", 10)];

/// Signing in, tokens for sockets: 5 a minute.
pub(super) const AUTH: &[RateLimit] = &[group("auth", 5)];

/// How long RingCentral refuses after its limit was passed; each request meanwhile begins it
/// anew.
const PENALTY: std::time::Duration = std::time::Duration::from_secs(60);

const fn group(group: &'static str, requests: u32) -> RateLimit {
    RateLimit {
        group,
        requests,
        per_seconds: 60,
    }
}

/// Where the connection's REST API is.
pub(super) fn server(connection: &ConnectionContext) -> &str {
    let set = connection.text(spec::SERVER_URL);
    set.unwrap_or(spec::DEFAULT_SERVER)
}

/// A path below the account of the token.
pub(super) fn account(path: &str) -> String {
    format!("/restapi/v1.0/account/~/{path}")
}

/// A path of one party of a telephony session; `action` may be empty.
pub(super) fn party(session_id: &str, party_id: &str, action: &str) -> String {
    let path = format!("telephony/sessions/{session_id}/parties/{party_id}{action}");
    account(&path)
}

/// True when an id may be put into a path: nothing in it that a path gives a meaning to.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    !id.is_empty() && id.len() <= 160 && id.bytes().all(plain)
}

/// One request, and everything but 2xx as an error that says whose fault it is.
pub(super) async fn ask(
    session: &Session,
    method: Method,
    path: &str,
    limits: &'static [RateLimit],
    body: Option<Value>,
) -> Result<Answer, CommandError> {
    send(session, request(session, method, path, limits, body)?).await
}

/// The same, for what must not happen twice.
pub(super) async fn ask_once(
    session: &Session,
    path: &str,
    limits: &'static [RateLimit],
    body: Value,
) -> Result<Answer, CommandError> {
    let request = request(session, Method::POST, path, limits, Some(body))?;
    send(session, request.once()).await
}

fn request(
    session: &Session,
    method: Method,
    path: &str,
    limits: &'static [RateLimit],
    body: Option<Value>,
) -> Result<Request<'static>, CommandError> {
    let url = vendor::url(server(&session.connection), path)?;
    let request = Request::new(method, url, Auth::OAuth).limited(limits);
    Ok(match body {
        Some(body) => request.json(body),
        None => request,
    })
}

async fn send(session: &Session, request: Request<'_>) -> Result<Answer, CommandError> {
    let once = request.once;
    let answer = vendor::ask(session, request).await?;
    match vendor::accepted(&answer, once) {
        Ok(()) => Ok(answer),
        Err(general) => Err(told(&answer.json, general)),
    }
}

/// What an answer other than 2xx means that came by another way than HTTP.
pub(super) fn refusal(status: u16, json: &Value) -> CommandError {
    let answer = Answer {
        status,
        json: json.clone(),
        retry_after: None,
    };
    let general = vendor::accepted(&answer, false).err();
    let detail = "RingCentral gave an answer it should not.";
    let general = general.unwrap_or_else(|| CommandError::new(Fault::Platform, detail));
    told(json, general)
}

/// RingCentral's code of an error, the outer one or that of the first of `errors`.
pub(super) fn error_code(json: &Value) -> &str {
    let code = json
        .get("errorCode")
        .or(json.pointer("/errors/0/errorCode"));
    code.and_then(Value::as_str).unwrap_or_default()
}

/// What the code says better than the status.
fn told(json: &Value, general: CommandError) -> CommandError {
    let (fault, detail) = match error_code(json) {
        code if code.starts_with("OAU-") => (
            Fault::Credentials,
            "RingCentral does not accept the sign-in any more: sign the connection in again.",
        ),
        "CMN-401" | "CMN-408" | "CMN-419" | "SUB-405" | "SUB-406" | "SUB-408" => (
            Fault::Permission,
            "The app or its user lacks a permission at RingCentral: add it in the developer \
             console or the user's role, then sign in again.",
        ),
        "CMN-301" | "CMN-302" | "CMN-303" | "CMN-304" | "CMN-310" => {
            let detail = "RingCentral's rate limit is reached; wait a minute.";
            let wait = general.retry_after.unwrap_or(PENALTY);
            return CommandError::new(Fault::RateLimited, detail).after(wait);
        }
        "SUB-505" => (
            Fault::Settings,
            "RingCentral keeps no more subscriptions for this user and app: delete old ones.",
        ),
        "SUB-524" => (
            Fault::Settings,
            "RingCentral does not trust the certificate of our webhook address: it must be \
             public and carry its full chain.",
        ),
        "SUB-525" | "SUB-526" => (
            Fault::Settings,
            "RingCentral called our webhook address and got no valid answer: it must be \
             reachable from the internet by https.",
        ),
        _ => return general,
    };
    let mut error = CommandError::new(fault, detail);
    error.retry_after = general.retry_after;
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_code_says_more_than_the_status() {
        let general = || CommandError::new(Fault::Target, "refused");
        for (code, fault) in [
            ("OAU-128", Fault::Credentials),
            ("CMN-401", Fault::Permission),
            ("CMN-301", Fault::RateLimited),
            ("SUB-525", Fault::Settings),
            ("CMN-101", Fault::Target),
        ] {
            let outer = json!({ "errorCode": code });
            let inner = json!({"errors": [{ "errorCode": code }]});
            assert_eq!(told(&outer, general()).fault, fault, "{code}");
            assert_eq!(told(&inner, general()).fault, fault, "{code}");
        }
        let limited = told(&json!({"errorCode": "CMN-301"}), general());
        assert_eq!(limited.retry_after, Some(PENALTY));
    }

    #[test]
    fn only_plain_ids_go_into_a_path() {
        assert!(is_id("s-aa11bb22cc33") && is_id("p-aa-2") && is_id("~"));
        for bad in ["", "a/b", "..", "a?b", "a b", "é"] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }
}
