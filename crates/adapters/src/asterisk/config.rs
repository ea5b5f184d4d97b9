//! The settings of an Asterisk connection: what is allowed, and how they read once they are
//! checked. What a form asks for is [`super::form`]'s matter, how calls are placed
//! [`super::reach`]'s.

use reqwest::Url;
use serde_json::Value;
use switchhook_engine::adapter::{ConnectionContext, DecodeError, Secret};
use switchhook_engine::outbound::Guard;

use super::channel::EndpointRules;
use super::reach;

/// The longest name or pattern of an endpoint.
const MAX_PATTERN: usize = 128;

/// By which way the events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// We open a WebSocket.
    Ari,
    /// We open a manager session.
    Ami,
    /// The PBX opens a WebSocket to us.
    AriOutbound,
    /// Something at the PBX posts its events.
    Relay,
}

/// How to reach ARI.
#[derive(Clone, Debug)]
pub(super) struct AriAccess {
    /// Ends with a slash; `http` or `https`.
    pub(super) base: Url,
    pub(super) app: String,
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) verify_tls: bool,
    pub(super) outbound: Guard,
}

/// How to reach AMI.
#[derive(Clone, Debug)]
pub(super) struct AmiAccess {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) secret: Secret,
    pub(super) outbound: Guard,
}

/// Which interface a connection uses; an unknown word is a fault.
pub(super) fn interface(connection: &ConnectionContext) -> Result<Interface, DecodeError> {
    match connection.text("transport").unwrap_or("ari") {
        "ari" => Ok(Interface::Ari),
        "ami" => Ok(Interface::Ami),
        "ari_outbound" => Ok(Interface::AriOutbound),
        "webhook" => Ok(Interface::Relay),
        _ => Err(DecodeError::field(
            "transport",
            "must be `ari`, `ami`, `ari_outbound` or `webhook`",
        )),
    }
}

/// Checks everything a connection of that interface needs, and what it may have beside it.
pub(super) fn check(connection: &ConnectionContext) -> Result<(), DecodeError> {
    let interface = interface(connection)?;
    match interface {
        Interface::Ari => ari(connection).map(drop)?,
        Interface::Ami => ami(connection).map(drop)?,
        Interface::AriOutbound => app(connection).map(drop)?,
        Interface::Relay => {
            if connection.text("url").is_some() {
                ari(connection).map(drop)?;
            }
        }
    }
    if interface != Interface::Ami && connection.text("ami_username").is_some() {
        control_ami(connection).map(drop)?;
    }
    for name in ["agent_endpoints", "trunk_endpoints", "voicemail_contexts"] {
        let unfit = |text: &&str| text.len() > MAX_PATTERN || text.chars().any(char::is_control);
        if list(connection, name).iter().any(unfit) {
            return Err(DecodeError::field(
                name,
                "must be names of at most 128 characters",
            ));
        }
    }
    reach::check(connection)?;
    flag(connection, "report_presence", true).map(drop)
}

/// The endpoint rules of a connection. Never fails: what is unfit was refused by [`check`].
pub(super) fn rules(connection: &ConnectionContext) -> EndpointRules<'_> {
    let mailboxes = if connection.config.contains_key("voicemail_contexts") {
        list(connection, "voicemail_contexts")
    } else {
        vec!["mailbox"]
    };
    EndpointRules {
        agents: list(connection, "agent_endpoints"),
        trunks: list(connection, "trunk_endpoints"),
        mailboxes,
        presence: flag(connection, "report_presence", true).unwrap_or(true),
    }
}

/// What ARI needs.
pub(super) fn ari(connection: &ConnectionContext) -> Result<AriAccess, DecodeError> {
    let app = app(connection)?;
    let user = user(connection, "username")?;
    if user.contains(':') {
        return Err(DecodeError::field("username", "must not contain a colon"));
    }
    Ok(AriAccess {
        base: base_url(connection)?,
        app: app.to_owned(),
        user,
        password: password(connection, "password")?,
        verify_tls: flag(connection, "verify_tls", true)?,
        outbound: connection.outbound.clone(),
    })
}

/// Our name at the PBX.
pub(super) fn app(connection: &ConnectionContext) -> Result<&str, DecodeError> {
    let app = connection.text("app").unwrap_or("switchhook");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if app.len() > 64 || !app.chars().all(plain) {
        return Err(DecodeError::field(
            "app",
            "must be at most 64 letters, digits, - _ or .",
        ));
    }
    Ok(app)
}

/// What AMI needs to listen.
pub(super) fn ami(connection: &ConnectionContext) -> Result<AmiAccess, DecodeError> {
    ami_of(connection, "username", "password")
}

/// What AMI needs beside another interface.
pub(super) fn control_ami(connection: &ConnectionContext) -> Result<AmiAccess, DecodeError> {
    ami_of(connection, "ami_username", "ami_password")
}

fn ami_of(
    connection: &ConnectionContext,
    user_field: &str,
    password_field: &str,
) -> Result<AmiAccess, DecodeError> {
    let host = connection.text("ami_host");
    let host = host.ok_or_else(|| DecodeError::field("ami_host", "is needed for AMI"))?;
    let fit = |c: char| c.is_ascii_alphanumeric() || ".-:_[]%".contains(c);
    if host.len() > 255 || !host.chars().all(fit) {
        return Err(DecodeError::field(
            "ami_host",
            "must be a host name or an address",
        ));
    }
    let port = match connection.config.get("ami_port") {
        None | Some(Value::Null) => Some(5038),
        Some(Value::Number(number)) => number.as_u64().and_then(|n| u16::try_from(n).ok()),
        Some(Value::String(text)) if text.trim().is_empty() => Some(5038),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let port = port.filter(|port| *port != 0);
    Ok(AmiAccess {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.ok_or_else(|| DecodeError::field("ami_port", "must be a port, 1 to 65535"))?,
        user: user(connection, user_field)?,
        secret: password(connection, password_field)?,
        outbound: connection.outbound.clone(),
    })
}

fn base_url(connection: &ConnectionContext) -> Result<Url, DecodeError> {
    let fault = |problem: &str| DecodeError::field("url", problem);
    let text = connection
        .text("url")
        .ok_or_else(|| fault("is needed for ARI"))?;
    let text = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https://{rest}"),
        _ => text.to_owned(),
    };
    let mut url =
        Url::parse(&text).map_err(|_| fault("must be an address such as http://pbx:8088"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(fault("must begin with http:// or https:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault(
            "must not contain a user name or password; they have fields of their own",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fault("must not contain ? or #"));
    }
    // People copy the address with the path of the interface; the prefix is what we need.
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix("/ari/events")
        .or(path.strip_suffix("/ari"))
        .unwrap_or(path);
    let path = format!("{path}/");
    url.set_path(&path);
    Ok(url)
}

fn user(connection: &ConnectionContext, field: &str) -> Result<String, DecodeError> {
    let user = connection.text(field);
    let user = user.ok_or_else(|| DecodeError::field(field, "is missing"))?;
    one_line(field, user)?;
    Ok(user.to_owned())
}

fn password(connection: &ConnectionContext, field: &str) -> Result<Secret, DecodeError> {
    let password = connection.credentials.get(field);
    let password = password.ok_or_else(|| DecodeError::field(field, "is missing"))?;
    if password.expose().is_empty() {
        return Err(DecodeError::field(field, "is empty"));
    }
    one_line(field, password.expose())?;
    Ok(password.clone())
}

/// A line end would begin a new header of AMI or HTTP.
fn one_line(field: &str, text: &str) -> Result<(), DecodeError> {
    if text.chars().any(char::is_control) || text.len() > 256 {
        return Err(DecodeError::field(
            field,
            "must be one line of at most 256 characters",
        ));
    }
    Ok(())
}

pub(super) fn flag(
    connection: &ConnectionContext,
    name: &str,
    default: bool,
) -> Result<bool, DecodeError> {
    match connection.config.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "" => Ok(default),
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(DecodeError::field(name, "must be true or false")),
        },
        Some(_) => Err(DecodeError::field(name, "must be true or false")),
    }
}

/// A list setting: an array of texts, or one text with a value a line.
fn list<'a>(connection: &'a ConnectionContext, name: &str) -> Vec<&'a str> {
    let texts: Vec<&str> = match connection.config.get(name) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.split(['\n', ',']).collect(),
        _ => Vec::new(),
    };
    texts
        .into_iter()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect()
}
