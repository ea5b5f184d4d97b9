//! Requests to the API the customer has the document of: each is described in the settings
//! ([`super::template`]), and what is not described cannot be done.

use serde_json::Value;
use switchhook_domain::phone::PhoneNumber;
use switchhook_engine::adapter::{Capability, ConnectionContext, DecodeError};
use switchhook_engine::command::{
    CallHandle, Check, CommandError, Control, Fault, Originate, Originated, RateLimit, Session,
};

use super::event::key;
use super::spec;
use super::template::{Template, Values};
use crate::json::id_of;
use crate::vendor::{self, Answer, Auth, Body, Request};

/// A hundred calls a second, the predecessor's limit.
const ORIGINATE_LIMIT: &[RateLimit] = &[RateLimit {
    group: "originate",
    requests: 100,
    per_seconds: 1,
}];

const NO_ADDRESS: &str =
    "The connection has no address of CallVoip's API: set api_base_url and api_key.";

/// See [`switchhook_engine::adapter::Adapter::check_config`].
pub(super) fn check_config(connection: &ConnectionContext) -> Result<(), DecodeError> {
    let names = spec::CONTROLS.iter().map(|(name, _)| *name);
    for name in names.chain([spec::ORIGINATE, spec::TEST]) {
        if let Some(text) = connection.text(name) {
            Template::parse(text).map_err(|problem| DecodeError::field(name, problem))?;
        }
    }
    if let Some(base) = connection.text(spec::BASE_URL) {
        let url = reqwest::Url::parse(base).ok();
        let fits = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.username().is_empty()
        });
        if !fits {
            let problem = "must be the address of the API, such as https://api.callvoip.example/v2";
            return Err(DecodeError::field(spec::BASE_URL, problem));
        }
        if !connection.credentials.contains_key(spec::API_KEY) {
            let problem = "is required with api_base_url";
            return Err(DecodeError::field(spec::API_KEY, problem));
        }
    }
    Ok(())
}

/// Why something cannot be asked for; `None` when it can.
pub(super) fn lacks(capability: Capability, connection: &ConnectionContext) -> Option<String> {
    let has_key = connection.credentials.contains_key(spec::API_KEY);
    if connection.text(spec::BASE_URL).is_none() || !has_key {
        return Some(NO_ADDRESS.to_owned());
    }
    let needed = spec::CONTROLS
        .iter()
        .filter(|(_, what)| *what == capability);
    let mut missing = needed.filter(|(name, _)| connection.text(name).is_none());
    missing.next().map(|(name, _)| not_described(name))
}

fn not_described(name: &str) -> String {
    format!(
        "CallVoip's API is described to customers only: set {name} as your API document has it."
    )
}

fn template(connection: &ConnectionContext, name: &str) -> Result<Template, CommandError> {
    let text = match connection.text(name) {
        Some(text) => text,
        None if name == spec::ORIGINATE => spec::ORIGINATE_DEFAULT,
        None => return Err(CommandError::not_supported(not_described(name))),
    };
    let wrong = |problem| CommandError::new(Fault::Settings, format!("{name} {problem}."));
    Template::parse(text).map_err(wrong)
}

/// Sends a described request. Fails without sending when a word it needs is not known.
async fn send(
    session: &Session,
    template: &Template,
    values: &Values<'_>,
    limits: &[RateLimit],
    once: bool,
) -> Result<Answer, CommandError> {
    let connection = &session.connection;
    let base = connection.text(spec::BASE_URL);
    let key = connection.credentials.get(spec::API_KEY);
    let (Some(base), Some(key)) = (base, key) else {
        return Err(CommandError::new(Fault::Settings, NO_ADDRESS));
    };
    let path = template.path(values).map_err(|word| {
        let detail = format!("CallVoip's API needs the {word}, which is not known.");
        let fault = if word == "call_id" {
            Fault::Gone
        } else {
            Fault::Device
        };
        CommandError::new(fault, detail)
    })?;
    let url = vendor::url(base, &path)?;
    let own_header = connection.text(spec::API_AUTH) == Some(spec::X_API_KEY);
    let auth = if own_header {
        Auth::None
    } else {
        Auth::Bearer(key)
    };
    let mut request = Request::new(template.method.clone(), url, auth).limited(limits);
    if own_header {
        request
            .headers
            .push((spec::X_API_KEY, key.expose().to_owned()));
    }
    let body = template.body(values);
    if !body.is_null() {
        request.body = Body::Json(body);
    }
    request.once = once;
    vendor::send(session, request).await
}

/// See [`switchhook_engine::adapter::Adapter::originate`].
pub(super) async fn originate(
    session: &Session,
    originate: &Originate,
) -> Result<Originated, CommandError> {
    let target = dialable(&originate.target)?;
    let agent = &originate.agent;
    if agent.extension.is_none() && agent.user_id.is_none() {
        let detail = "The agent has no CallVoip extension: enter it with the agent.";
        return Err(CommandError::new(Fault::Device, detail));
    }
    let dial_id = originate.dial_id.to_string();
    let values = [
        ("extension", agent.extension.as_deref()),
        ("user_id", agent.user_id.as_deref()),
        ("device_id", agent.device_id.as_deref()),
        ("target", Some(target.as_str())),
        ("to", Some(target.as_str())),
        ("caller_id", originate.caller_id.as_deref()),
        ("dial_id", Some(dial_id.as_str())),
    ];
    let template = template(&session.connection, spec::ORIGINATE)?;
    let answer = send(session, &template, &values, ORIGINATE_LIMIT, true).await?;
    let field = session.connection.text(spec::CALL_ID_FIELD);
    let id = named(&answer.json, field.unwrap_or("callId"));
    // An answer without an id is a success all the same: the events are matched by number.
    Ok(Originated {
        keys: id.iter().map(|id| key(id)).collect(),
    })
}

/// The id at a dotted path.
fn named(answer: &Value, path: &str) -> Option<String> {
    let mut at = answer;
    for name in path.split('.') {
        at = at.get(name)?;
    }
    let id = id_of(at).ok()??;
    Some(id.into_owned())
}

/// See [`switchhook_engine::adapter::Adapter::control`].
pub(super) async fn control(
    session: &Session,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    let name = match control {
        Control::Answer => "answer_request",
        Control::HangUp => "hangup_request",
        Control::Hold => "hold_request",
        Control::Resume => "resume_request",
        Control::TransferBlind { .. } => "transfer_request",
        Control::TransferAttended { .. } => "attended_transfer_request",
        Control::Recording { on: true } => "recording_on_request",
        Control::Recording { on: false } => "recording_off_request",
        Control::Reject | Control::Dtmf { .. } | Control::Mute { .. } | Control::Park => {
            let mut lacks = spec::SPEC.lacks.iter();
            let why = lacks.find(|(what, _)| *what == control.needs());
            return Err(CommandError::not_supported(why.map_or("", |(_, why)| why)));
        }
    };
    let template = template(&session.connection, name)?;
    let to = match control {
        Control::TransferBlind { to } | Control::TransferAttended { to } => Some(dialable(to)?),
        _ => None,
    };
    let leg = call.agent_leg();
    let extension = call.agent.extension.as_deref();
    let extension = extension.or_else(|| leg?.extension.as_deref());
    let user_id = call.agent.user_id.as_deref();
    let call_id = call.keys.iter().find_map(|known| known.strip_prefix("cv:"));
    let values = [
        ("extension", extension),
        ("user_id", user_id.or_else(|| leg?.user_id.as_deref())),
        ("device_id", call.agent.device_id.as_deref()),
        ("target", to.as_deref()),
        ("to", to.as_deref()),
        ("call_id", call_id),
    ];
    let once = matches!(control, Control::TransferAttended { .. });
    send(session, &template, &values, &[], once).await?;
    Ok(())
}

/// See [`switchhook_engine::adapter::Adapter::diagnose`].
pub(super) async fn diagnose(session: &Session) -> Vec<Check> {
    let connection = &session.connection;
    let secret = if connection
        .webhook_secrets
        .iter()
        .all(crate::signed::is_blank)
    {
        Check::bad(
            "secret",
            "No webhook secret is set, so nothing is believed: set one.",
        )
    } else {
        Check::good(
            "secret",
            "Events are believed when signed with the webhook secret.",
        )
    };
    let mut checks = vec![secret];
    if connection.text(spec::BASE_URL).is_none() {
        let detail = "No API address is set: calls are seen, but not placed or steered.";
        checks.push(Check::good("api", detail));
        return checks;
    }
    let described = connection.text(spec::TEST).is_some();
    let answer = match Template::parse(connection.text(spec::TEST).unwrap_or("GET /")) {
        Ok(template) => send(session, &template, &[], &[], false).await,
        Err(problem) => Err(CommandError::new(
            Fault::Settings,
            format!("test_request {problem}."),
        )),
    };
    checks.push(match answer {
        Ok(_) => Check::good("api", "The API answers and accepts the key."),
        // Without a request that is known to exist, any word of the API but "who are you?" will do.
        Err(error) if !described && matches!(error.fault, Fault::Gone | Fault::Target) => {
            let detail = "The API answers. Whether the key is good shows once test_request is set.";
            Check::good("api", detail)
        }
        Err(error) => Check::bad("api", told(&error)),
    });
    checks
}

fn told(error: &CommandError) -> String {
    match error.fault {
        Fault::Credentials => {
            "The API does not accept the key: make a new one in CallVoip's panel and set api_key."
                .to_owned()
        }
        Fault::Permission => {
            "The key may not do this: give it the rights in CallVoip's panel.".to_owned()
        }
        _ => error.detail.clone(),
    }
}

/// A number as it may be dialled: digits, with or without `+`.
fn dialable(number: &PhoneNumber) -> Result<String, CommandError> {
    let text = number.canonical().unwrap_or_default();
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let detail = "Only telephone numbers and extensions can be dialled.";
        return Err(CommandError::new(Fault::Target, detail));
    }
    Ok(text.to_owned())
}
