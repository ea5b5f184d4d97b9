//! The `[originate]` section: how a mapped platform is asked to place a call. The request goes
//! through [`crate::vendor`], to `http` and `https` addresses only, and the host is never made of
//! anything but the file's own text or a setting of the connection.

use reqwest::{Method, Url};
use serde_json::Value;
use switchhook_engine::adapter::{ConnectionContext, DecodeError, FieldKind, Secret};
use switchhook_engine::command::{CommandError, Fault, Originate, Originated, Session};
use switchhook_engine::outbound::Reach;
use toml::de::DeValue;

use super::path::{Path, Scope};
use super::schema::Setting;
use super::template::{BodyTemplate, Gap, Template};
use super::toml::{Faults, Section, Value as TomlValue};
use crate::flat;
use crate::vendor::{self, Auth, Body, Request};

/// How deep a body may be nested, and how many members it may have.
const MAX_DEPTH: usize = 5;

/// What a call's own placeholders are called.
const NAMES: [&str; 7] = [
    "target",
    "target.digits",
    "caller_id",
    "agent.extension",
    "agent.user_id",
    "agent.device_id",
    "dial_id",
];

/// A compiled `[originate]` section.
#[derive(Clone, Debug)]
pub(super) struct OriginateMap {
    method: Method,
    url: Template,
    auth: SignIn,
    body: Option<BodyTemplate>,
    id: Option<Path>,
}

impl OriginateMap {
    /// Refuses a host of the file's own that must not be called; those of settings are checked
    /// as settings.
    pub(super) fn check(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        let Ok(url) = Url::parse(self.url.head()) else {
            return Ok(());
        };
        let checked = connection.outbound.check(Reach::Cloud, &url);
        checked.map_err(|refused| {
            let host = url.host_str().unwrap_or_default();
            DecodeError::field(
                "platform",
                format!("places calls at {host}, which {refused}"),
            )
        })
    }

    /// The setting it signs in with that this connection lacks.
    pub(super) fn missing(&self, connection: &ConnectionContext) -> Option<&str> {
        let lacks = |name: &&str| {
            !connection.credentials.contains_key(*name) && connection.text(name).is_none()
        };
        let names: [Option<&str>; 2] = match &self.auth {
            SignIn::None => [None, None],
            SignIn::Bearer(name) | SignIn::Header(_, name) => [Some(name), None],
            SignIn::Basic(user, password) => [Some(user), Some(password)],
        };
        names.into_iter().flatten().find(lacks)
    }
}

#[derive(Clone, Debug)]
enum SignIn {
    None,
    Bearer(String),
    Basic(String, String),
    /// A header (kept as long as the mapping itself, see `intern`) and the setting in it.
    Header(&'static str, String),
}

/// Reads the section.
pub(super) fn read(
    section: Section<'_>,
    settings: &[Setting],
    faults: &Faults<'_>,
) -> Option<OriginateMap> {
    if !section.is_there() {
        return None;
    }
    let known = |name: &str| {
        let setting = name.strip_prefix("setting.");
        NAMES.contains(&name) || setting.is_some_and(|n| settings.iter().any(|s| s.name == n))
    };
    let methods = [
        ("POST", Method::POST),
        ("PUT", Method::PUT),
        ("GET", Method::GET),
    ];
    let method = section.text("method").unwrap_or("POST");
    let method = methods
        .into_iter()
        .find(|(name, _)| *name == method)
        .map(|(_, m)| m);
    if method.is_none() {
        section.fault("method", "must be POST, PUT or GET");
    }
    let url = section.required("url", "\"{setting.api_url}/calls\"");
    let url = url.and_then(|text| match Template::parse(text, &known) {
        Ok(url) => check_url(&section, url, settings),
        Err(problem) => {
            section.fault("url", problem);
            None
        }
    });
    let auth = sign_in(section.section("auth"), settings);
    let body = section
        .value("body")
        .and_then(|value| body(value, &known, faults, MAX_DEPTH));
    let id = section.text("id").and_then(|text| {
        Path::parse(text)
            .map_err(|problem| section.fault("id", problem))
            .ok()
    });
    section.finish();
    Some(OriginateMap {
        method: method?,
        url: url?,
        auth,
        body,
        id,
    })
}

/// The host must be the file's own, or a setting's.
fn check_url(section: &Section<'_>, url: Template, settings: &[Setting]) -> Option<Template> {
    let by_setting = settings.iter().any(|setting| {
        let name = format!("setting.{}", setting.name);
        let ends = url.goes_on_as_path();
        setting.kind == FieldKind::Url && url.begins_with(&name) && ends
    });
    let rest = url
        .head()
        .strip_prefix("https://")
        .or(url.head().strip_prefix("http://"));
    let by_text = rest.is_some_and(|rest| rest.find('/').is_some_and(|at| at > 0));
    if by_setting || by_text {
        return Some(url);
    }
    let problem = "must begin with https://host/ or with {setting.…}/ of a setting of kind url";
    section.fault("url", problem);
    None
}

fn sign_in(section: Section<'_>, settings: &[Setting]) -> SignIn {
    let setting = |key: &'static str, secret: bool| {
        let name = section.text(key)?;
        let found = settings.iter().find(|setting| setting.name == name);
        match found {
            Some(found) if (found.kind == FieldKind::Secret) == secret => Some(name.to_owned()),
            _ => {
                let kind = if secret {
                    "a setting of kind secret"
                } else {
                    "another setting"
                };
                section.fault(key, format!("must be the name of {kind}"));
                None
            }
        }
    };
    let secret = |key| setting(key, true);
    let kinds = [("none", 0), ("bearer", 1), ("basic", 2), ("header", 3)];
    let auth = match section.choice_or("scheme", &kinds, 0) {
        1 => secret("secret").map(SignIn::Bearer),
        2 => setting("user", false)
            .zip(secret("secret"))
            .map(|(u, s)| SignIn::Basic(u, s)),
        3 => section
            .text("header")
            .zip(secret("secret"))
            .and_then(|(name, secret)| {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let own = ["authorization", "host", "content-length", "content-type"];
                if name.is_empty() || !name.bytes().all(fits) || own.contains(&name) {
                    section.fault(
                        "header",
                        "must be a header in small letters, such as x-api-key",
                    );
                    return None;
                }
                Some(SignIn::Header(super::intern::text(name), secret))
            }),
        _ => Some(SignIn::None),
    };
    if auth.is_none() {
        section.fault(
            "scheme",
            "needs `secret`, and with basic `user`, with header `header`",
        );
    }
    section.finish();
    auth.unwrap_or(SignIn::None)
}

fn body(
    value: &TomlValue<'_>,
    known: &dyn Fn(&str) -> bool,
    faults: &Faults<'_>,
    depth: usize,
) -> Option<BodyTemplate> {
    let fault = |problem: String| {
        faults.at(value.span().start, "originate.body", problem);
        None
    };
    if depth == 0 {
        return fault(format!("must not be nested deeper than {MAX_DEPTH}"));
    }
    match value.get_ref() {
        DeValue::String(text) => match Template::parse(text, known) {
            Ok(template) => Some(BodyTemplate::Text(template)),
            Err(problem) => fault(problem),
        },
        DeValue::Boolean(yes) => Some(BodyTemplate::Fixed(Value::Bool(*yes))),
        DeValue::Integer(number) => match number.to_string().parse::<i64>() {
            Ok(number) => Some(BodyTemplate::Fixed(number.into())),
            Err(_) => fault("must be a whole number of at most 64 bits".to_owned()),
        },
        DeValue::Table(table) => {
            let member = |(key, value): (&toml::Spanned<_>, _)| {
                let key: &toml::de::DeString<'_> = key.get_ref();
                Some((key.to_string(), body(value, known, faults, depth - 1)?))
            };
            Some(BodyTemplate::Object(
                table.iter().filter_map(member).collect(),
            ))
        }
        DeValue::Array(items) => {
            let items = items
                .iter()
                .filter_map(|item| body(item, known, faults, depth - 1));
            Some(BodyTemplate::List(items.collect()))
        }
        DeValue::Float(_) | DeValue::Datetime(_) => {
            fault("must be texts, whole numbers, true or false".to_owned())
        }
    }
}

/// Places a call as the mapping says.
pub(super) async fn place(
    map: &OriginateMap,
    session: &Session,
    asked: &Originate,
) -> Result<Originated, CommandError> {
    let connection = &session.connection;
    let value = |name: &str| placeholder(name, asked, connection);
    let address = map.url.address(&value).map_err(gap)?;
    let url = Url::parse(&address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        let detail = "The platform's address in the connection's settings is no http(s) URL.";
        CommandError::new(Fault::Settings, detail)
    })?;
    let secret = |name: &str| {
        connection.credentials.get(name).ok_or_else(|| {
            let detail = format!("The connection lacks the setting {name}; add it.");
            CommandError::new(Fault::Settings, detail)
        })
    };
    let user;
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    let auth = match &map.auth {
        SignIn::None => Auth::None,
        SignIn::Bearer(name) => Auth::Bearer(secret(name)?),
        SignIn::Basic(name, password) => {
            user = connection.text(name).unwrap_or_default().to_owned();
            Auth::Basic(&user, secret(password)?)
        }
        SignIn::Header(header, name) => {
            headers.push((*header, Secret::expose(secret(name)?).to_owned()));
            Auth::None
        }
    };
    let mut request = Request::new(map.method.clone(), url, auth).once();
    request.headers = headers;
    if let Some(template) = &map.body {
        let optional = |name: &str| name == "caller_id";
        request.body = Body::Json(template.fill(&value, &optional).map_err(gap)?);
    }
    let answer = vendor::send(session, request).await?;
    let scope = Scope {
        whole: &answer.json,
        item: &answer.json,
    };
    let id = map.id.as_ref().and_then(|path| path.text(scope));
    Ok(Originated {
        keys: id.iter().map(|id| flat::key(id)).collect(),
    })
}

fn placeholder(name: &str, asked: &Originate, connection: &ConnectionContext) -> Option<String> {
    let target = || asked.target.canonical().map(str::to_owned);
    match name {
        "target" => target(),
        "target.digits" => target().map(|t| t.trim_start_matches('+').to_owned()),
        "caller_id" => asked.caller_id.clone(),
        "agent.extension" => asked.agent.extension.clone(),
        "agent.user_id" => asked.agent.user_id.clone(),
        "agent.device_id" => asked.agent.device_id.clone(),
        "dial_id" => Some(asked.dial_id.to_string()),
        other => {
            let setting = other.strip_prefix("setting.")?;
            match connection.config.get(setting)? {
                Value::Number(number) => Some(number.to_string()),
                _ => connection.text(setting).map(str::to_owned),
            }
        }
    }
}

fn gap(gap: Gap) -> CommandError {
    match gap {
        Gap::Missing(name) if name.starts_with("agent.") => {
            let what = name.trim_start_matches("agent.").replace('_', " ");
            let detail = format!("The platform needs the agent's {what}, which is not known.");
            CommandError::new(Fault::Device, detail)
        }
        Gap::Missing(name) if name.starts_with("setting.") => {
            let what = name.trim_start_matches("setting.");
            let detail = format!("The connection lacks the setting {what}; add it.");
            CommandError::new(Fault::Settings, detail)
        }
        Gap::Missing(name) | Gap::Unfit(name) => {
            let detail = format!("The platform cannot be asked with this {name}.");
            CommandError::new(Fault::Target, detail)
        }
    }
}
