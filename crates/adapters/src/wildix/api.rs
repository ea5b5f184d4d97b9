//! Requests to the PBX's API: address, sign-in, and its way of saying no. Which requests there
//! are is in `control`.

use reqwest::{Method, Url};
use serde_json::Value;
use switchhook_engine::adapter::{ConnectionContext, DecodeError};
use switchhook_engine::command::{CommandError, Fault, RateLimit, Session};
use switchhook_engine::outbound::Reach;

use super::s2s::{Application, Signable};
use super::spec;
use crate::vendor::{self, Answer, Auth, Body, Request};

/// Wildix publishes no limit; a PBX is a small machine, and this is far more than agents click.
const LIMITS: &[RateLimit] = &[RateLimit {
    group: "pbx",
    requests: 20,
    per_seconds: 1,
}];

/// Why this connection cannot ask its PBX for anything; `None` when it can.
pub(super) fn unusable(connection: &ConnectionContext) -> Option<String> {
    if connection.text(spec::PBX_URL).is_none() {
        return Some(
            "The connection has no PBX address: set pbx_url and a token to place and steer calls."
                .to_owned(),
        );
    }
    let missing = missing(connection)?;
    Some(format!(
        "The connection cannot sign in at the PBX: {missing} is not set."
    ))
}

/// The first setting the chosen sign-in needs and lacks.
fn missing(connection: &ConnectionContext) -> Option<&'static str> {
    let secret = |name| connection.credentials.contains_key(name);
    let text = |name| connection.text(name).is_some();
    let needed: &[(&'static str, bool)] = if signs_requests(connection) {
        &[
            (spec::APP_ID, text(spec::APP_ID)),
            (spec::APP_NAME, text(spec::APP_NAME)),
            (spec::APP_SECRET, secret(spec::APP_SECRET)),
        ]
    } else {
        &[(spec::TOKEN, secret(spec::TOKEN))]
    };
    needed
        .iter()
        .find(|(_, there)| !there)
        .map(|(name, _)| *name)
}

fn signs_requests(connection: &ConnectionContext) -> bool {
    connection.text(spec::AUTH) == Some(spec::AUTH_S2S)
}

/// See [`switchhook_engine::adapter::Adapter::check_config`].
pub(super) fn check_config(connection: &ConnectionContext) -> Result<(), DecodeError> {
    let Some(base) = connection.text(spec::PBX_URL) else {
        return Ok(());
    };
    let url = Url::parse(base).ok();
    let fits = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.query().is_none()
            && url.username().is_empty()
    });
    if !fits {
        let problem = "must be the address of the PBX, such as https://acme.wildixin.com";
        return Err(DecodeError::field(spec::PBX_URL, problem));
    }
    match missing(connection) {
        Some(name) => Err(DecodeError::field(name, "is required with pbx_url")),
        None => Ok(()),
    }
}

/// A question to the PBX.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: Vec<(String, String)>,
    /// `Null` for none.
    pub(super) body: Value,
    /// True when it must not be asked twice.
    pub(super) once: bool,
}

impl<'a> Question<'a> {
    /// A `GET`.
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: Value::Null,
            once: false,
        }
    }

    /// A `POST`.
    pub(super) fn post(path: &'a str, body: Value) -> Self {
        Self {
            method: Method::POST,
            body,
            ..Self::get(path)
        }
    }

    /// For this user.
    pub(super) fn of(mut self, extension: &str) -> Self {
        self.query.push(("user".to_owned(), extension.to_owned()));
        self
    }

    /// With a query parameter.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Never to be asked twice.
    pub(super) fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

/// Asks, and gives any answer back. The PBX says no in the body, sometimes under status 200:
/// `{"type":"error","reason":"404 Not Found","code":404}`; the status given back is what it meant.
pub(super) async fn ask(session: &Session, question: Question<'_>) -> Result<Answer, CommandError> {
    let connection = &session.connection;
    if let Some(why) = unusable(connection) {
        return Err(CommandError::new(Fault::Settings, why));
    }
    let mut url = vendor::url(
        connection.text(spec::PBX_URL).unwrap_or_default(),
        question.path,
    )?;
    for (name, value) in &question.query {
        url.query_pairs_mut().append_pair(name, value);
    }
    let token = if signs_requests(connection) {
        let host = url.host_str().unwrap_or_default();
        let signable = Signable {
            method: question.method.as_str(),
            path: url.path(),
            host,
            query: &question.query,
            body: &question.body,
        };
        application(connection).map(|application| application.token(&signable, session.clock.now()))
    } else {
        connection.credentials.get(spec::TOKEN).cloned()
    };
    // `unusable` has looked at this.
    let token = token.ok_or_else(|| CommandError::new(Fault::Settings, "No token is set."))?;
    let mut request = Request::new(question.method, url, Auth::Bearer(&token)).limited(LIMITS);
    if signs_requests(connection) {
        let id = connection.text(spec::APP_ID).unwrap_or_default();
        request.headers.push(("x-app-id", id.to_owned()));
    }
    if !question.body.is_null() {
        request.body = Body::Json(question.body);
    }
    request.once = question.once;
    request.reach = Reach::Pbx;
    let mut answer = vendor::ask(session, request).await?;
    answer.status = meant(&answer);
    Ok(answer)
}

fn meant(answer: &Answer) -> u16 {
    let refused = answer.json.get("type").and_then(Value::as_str) == Some("error");
    let code = answer.json.get("code").and_then(Value::as_u64);
    match code.and_then(|code| u16::try_from(code).ok()) {
        Some(code) if refused && (400..600).contains(&code) => code,
        _ if refused && answer.status < 400 => 502,
        _ => answer.status,
    }
}

fn application(connection: &ConnectionContext) -> Option<Application<'_>> {
    Some(Application {
        id: connection.text(spec::APP_ID)?,
        name: connection.text(spec::APP_NAME)?,
        secret: connection.credentials.get(spec::APP_SECRET)?,
    })
}
