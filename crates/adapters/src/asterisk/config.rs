//! The settings of an Asterisk connection: what a form asks for, what is allowed, and how they
//! read once they are checked.

use reqwest::Url;
use serde_json::Value;
use switchhook_engine::adapter::{ConfigField, ConnectionContext, DecodeError, FieldKind, Secret};

use super::channel::EndpointRules;

/// The longest name or pattern of an endpoint.
const MAX_PATTERN: usize = 128;

/// The fields of the form, in the order in which they are asked.
pub(super) static FIELDS: [ConfigField; 12] = [
    ConfigField {
        name: "transport",
        label: "Interface",
        help: "ARI needs Asterisk 16 or later; AMI works with any and is the fallback.",
        kind: FieldKind::Choice(&["ari", "ami"]),
        required: false,
        default: Some("ari"),
    },
    ConfigField {
        name: "url",
        label: "ARI address",
        help: "Address of the PBX's HTTP server, with the prefix of http.conf if it has one, \
               such as http://pbx.example.com:8088. For ARI only.",
        kind: FieldKind::Url,
        required: false,
        default: None,
    },
    ConfigField {
        name: "username",
        label: "User name",
        help: "The user of ari.conf or manager.conf. For ARI a read_only=yes user is enough.",
        kind: FieldKind::Text,
        required: true,
        default: None,
    },
    ConfigField {
        name: "password",
        label: "Password",
        help: "The password of ari.conf or the secret of manager.conf.",
        kind: FieldKind::Secret,
        required: true,
        default: None,
    },
    ConfigField {
        name: "app",
        label: "ARI application",
        help: "The name under which the PBX knows us. Two systems listening to one PBX need two \
               names: the second takes a name over from the first.",
        kind: FieldKind::Text,
        required: false,
        default: Some("switchhook"),
    },
    ConfigField {
        name: "verify_tls",
        label: "Check the certificate",
        help: "Say no only for a PBX with a certificate of its own making, on a network you \
               trust.",
        kind: FieldKind::Boolean,
        required: false,
        default: Some("true"),
    },
    ConfigField {
        name: "ami_host",
        label: "AMI host",
        help: "Name or address of the PBX. For AMI only; its port speaks no TLS, so keep it on a \
               private network.",
        kind: FieldKind::Text,
        required: false,
        default: None,
    },
    ConfigField {
        name: "ami_port",
        label: "AMI port",
        help: "The port of manager.conf.",
        kind: FieldKind::Integer,
        required: false,
        default: Some("5038"),
    },
    ConfigField {
        name: "agent_endpoints",
        label: "Agents' endpoints",
        help: "Endpoints of our own people, one a line, * and ? allowed: 2*, desk-*, SIP/ada. \
               Left empty, every name of two to six digits is an agent.",
        kind: FieldKind::List,
        required: false,
        default: None,
    },
    ConfigField {
        name: "trunk_endpoints",
        label: "Trunks",
        help: "Endpoints that lead outside even though they look like an agent's, one a line.",
        kind: FieldKind::List,
        required: false,
        default: None,
    },
    ConfigField {
        name: "voicemail_contexts",
        label: "Mailbox contexts",
        help: "Dialplan contexts that take messages with Record() instead of VoiceMail(), one a \
               line.",
        kind: FieldKind::List,
        required: false,
        default: Some("mailbox"),
    },
    ConfigField {
        name: "report_presence",
        label: "Report presence",
        help: "Whether the device states of agents' endpoints count as their presence.",
        kind: FieldKind::Boolean,
        required: false,
        default: Some("true"),
    },
];

/// Which interface of Asterisk is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    Ari,
    Ami,
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
}

/// How to reach AMI.
#[derive(Clone, Debug)]
pub(super) struct AmiAccess {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) secret: Secret,
}

/// Which interface a connection uses; an unknown word is a fault.
pub(super) fn interface(connection: &ConnectionContext) -> Result<Interface, DecodeError> {
    match connection.text("transport").unwrap_or("ari") {
        "ari" => Ok(Interface::Ari),
        "ami" => Ok(Interface::Ami),
        _ => Err(DecodeError::field("transport", "must be `ari` or `ami`")),
    }
}

/// Checks everything a connection of that interface needs.
pub(super) fn check(connection: &ConnectionContext) -> Result<(), DecodeError> {
    match interface(connection)? {
        Interface::Ari => ari(connection).map(drop)?,
        Interface::Ami => ami(connection).map(drop)?,
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
    flag(connection, "report_presence").map(drop)
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
        presence: flag(connection, "report_presence").unwrap_or(true),
    }
}

/// What ARI needs.
pub(super) fn ari(connection: &ConnectionContext) -> Result<AriAccess, DecodeError> {
    let app = connection.text("app").unwrap_or("switchhook");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if app.len() > 64 || !app.chars().all(plain) {
        return Err(DecodeError::field(
            "app",
            "must be at most 64 letters, digits, - _ or .",
        ));
    }
    let user = user(connection)?;
    if user.contains(':') {
        return Err(DecodeError::field("username", "must not contain a colon"));
    }
    Ok(AriAccess {
        base: base_url(connection)?,
        app: app.to_owned(),
        user,
        password: password(connection)?,
        verify_tls: flag(connection, "verify_tls")?,
    })
}

/// What AMI needs.
pub(super) fn ami(connection: &ConnectionContext) -> Result<AmiAccess, DecodeError> {
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
        user: user(connection)?,
        secret: password(connection)?,
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

fn user(connection: &ConnectionContext) -> Result<String, DecodeError> {
    let user = connection.text("username");
    let user = user.ok_or_else(|| DecodeError::field("username", "is missing"))?;
    one_line("username", user)?;
    Ok(user.to_owned())
}

fn password(connection: &ConnectionContext) -> Result<Secret, DecodeError> {
    let password = connection.credentials.get("password");
    let password = password.ok_or_else(|| DecodeError::field("password", "is missing"))?;
    if password.expose().is_empty() {
        return Err(DecodeError::field("password", "is empty"));
    }
    one_line("password", password.expose())?;
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

fn flag(connection: &ConnectionContext, name: &str) -> Result<bool, DecodeError> {
    match connection.config.get(name) {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "" | "true" | "yes" => Ok(true),
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
