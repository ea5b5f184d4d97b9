//! How a mapped platform proves who it is: the `[signature]` section, and the check it stands
//! for. There is no scheme that believes everybody. A tolerance for old signatures is not among
//! the settings: the check has no clock, and a repeated notification changes nothing.

use std::borrow::Cow;

use serde_json::Value;
use switchhook_engine::adapter::{Inbound, Rejection, Secret};

use super::path::{Path, Scope};
use super::toml::Section;
use crate::flat::auth::{self, Encoding, Hash};
use crate::flat::form;

/// What is compared with the secret, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// A keyed hash.
    Hmac(Hash),
    /// The secret itself.
    Token,
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`; the password is the secret.
    Basic,
}

/// Where the signature or token stands.
#[derive(Clone, Debug)]
enum Carrier {
    Header(String),
    Query(String),
    Field(Path),
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Body,
    Header(String),
    Text(String),
}

/// A compiled `[signature]` section.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    scheme: Scheme,
    carrier: Carrier,
    encoding: Encoding,
    prefix: String,
    signed: Vec<Part>,
}

const SCHEMES: [(&str, (Scheme, bool)); 6] = [
    ("hmac-sha256", (Scheme::Hmac(Hash::Sha256), false)),
    ("hmac-sha1", (Scheme::Hmac(Hash::Sha1), false)),
    ("token", (Scheme::Token, false)),
    ("bearer", (Scheme::Bearer, false)),
    ("basic", (Scheme::Basic, false)),
    ("secret-url", (Scheme::Token, true)),
];

/// Reads the section.
pub(super) fn read(section: Section<'_>) -> Option<Signature> {
    if !section.is_there() {
        section.fault(
            "scheme",
            "is missing: say in [signature] how the platform proves itself",
        );
        return None;
    }
    let named = section.required("scheme", "\"hmac-sha256\"");
    let chosen = named.and_then(|_| section.choice("scheme", &SCHEMES));
    let carriers = [
        section
            .text("header")
            .map(|name| header(&section, "header", name)),
        section
            .text("query")
            .map(|name| Some(Carrier::Query(name.to_owned()))),
        section.text("field").map(|path| match Path::parse(path) {
            Ok(path) => Some(Carrier::Field(path)),
            Err(problem) => {
                section.fault("field", problem);
                None
            }
        }),
    ];
    let carriers: Vec<Carrier> = carriers.into_iter().flatten().flatten().collect();
    let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encoding = section.choice_or("encoding", &encodings, Encoding::Hex);
    let prefix = section.text("prefix");
    let signed = section.text("signed");
    let signed = signed.map_or_else(|| Some(vec![Part::Body]), |text| parts(&section, text));
    let signature = chosen.and_then(|(scheme, in_url)| {
        let carrier = carrier(&section, scheme, in_url, carriers)?;
        Some(Signature {
            scheme,
            carrier,
            encoding,
            prefix: prefix.unwrap_or_default().to_owned(),
            signed: signed?,
        })
    });
    section.finish();
    signature
}

fn header(section: &Section<'_>, key: &str, name: &str) -> Option<Carrier> {
    let fits = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !fits {
        section.fault(key, "must be the name of a header, such as x-signature");
        return None;
    }
    Some(Carrier::Header(name.to_ascii_lowercase()))
}

fn carrier(
    section: &Section<'_>,
    scheme: Scheme,
    in_url: bool,
    given: Vec<Carrier>,
) -> Option<Carrier> {
    let fixed = match scheme {
        Scheme::Bearer | Scheme::Basic => Some(Carrier::Header("authorization".to_owned())),
        Scheme::Token if in_url => Some(Carrier::Query("secret".to_owned())),
        Scheme::Token | Scheme::Hmac(_) => None,
    };
    if in_url && matches!(given.as_slice(), [Carrier::Query(_)]) {
        return given.into_iter().next();
    }
    match (fixed, given.as_slice()) {
        (Some(fixed), []) => Some(fixed),
        (Some(_), _) => {
            section.fault(
                "scheme",
                "says already where the proof stands; leave the others out",
            );
            None
        }
        (None, [Carrier::Field(_)]) if matches!(scheme, Scheme::Hmac(_)) => {
            section.fault(
                "field",
                "cannot be in the body it signs; use header or query",
            );
            None
        }
        (None, [_]) => given.into_iter().next(),
        (None, _) => {
            let problem = "needs exactly one of header, query and field: where the proof stands";
            section.fault("scheme", problem);
            None
        }
    }
}

/// `{header:x-timestamp}.{body}` in parts.
fn parts(section: &Section<'_>, template: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let Some(open) = rest.find('{') else {
            parts.push(Part::Text(rest.to_owned()));
            break;
        };
        if open > 0 {
            parts.push(Part::Text(rest[..open].to_owned()));
        }
        let inner = rest[open + 1..].split_once('}');
        let part = inner.and_then(|(name, _)| match name.split_once(':') {
            None if name == "body" => Some(Part::Body),
            Some(("header", name)) => match header(section, "signed", name)? {
                Carrier::Header(name) => Some(Part::Header(name)),
                Carrier::Query(_) | Carrier::Field(_) => None,
            },
            _ => None,
        });
        let (Some(part), Some((_, after))) = (part, inner) else {
            let problem = "must be made of {body}, {header:name} and other text";
            section.fault("signed", problem);
            return None;
        };
        parts.push(part);
        rest = after;
    }
    if !parts.contains(&Part::Body) {
        section.fault(
            "signed",
            "must contain {body}: what is not signed is not believed",
        );
        return None;
    }
    Some(parts)
}

impl Signature {
    /// Decides whether the bytes are believed; gives what is to be read.
    pub(super) fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        secrets: &[Secret],
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        auth::must_have_secret(secrets)?;
        let in_query = inbound.body.trim_ascii().is_empty();
        let given = self.given(inbound).ok_or(Rejection::Unsigned(
            "it is not where the platform's mapping says",
        ))?;
        let given = given.trim();
        let given = given
            .strip_prefix(self.prefix.as_str())
            .ok_or(Rejection::BadSignature)?;
        let fits = match self.scheme {
            Scheme::Hmac(_) if in_query => {
                return Err(Rejection::Malformed(
                    "a signature covers the body, which is empty",
                ));
            }
            Scheme::Hmac(hash) => {
                let signature = auth::decode(given, self.encoding);
                let signature = signature.ok_or(Rejection::BadSignature)?;
                let signed = self.signed(inbound)?;
                auth::signature_fits(hash, secrets, &signed, &signature)
            }
            Scheme::Token | Scheme::Bearer | Scheme::Basic => auth::secret_fits(secrets, given),
        };
        if !fits {
            return Err(Rejection::BadSignature);
        }
        Ok(match (&self.carrier, in_query) {
            (_, false) => Cow::Borrowed(inbound.body),
            (Carrier::Query(name), true) => Cow::Owned(form::of_query(inbound.query, &[name])),
            (_, true) => Cow::Owned(form::of_query(inbound.query, &[])),
        })
    }

    fn given(&self, inbound: &Inbound<'_>) -> Option<String> {
        match (self.scheme, &self.carrier) {
            (Scheme::Bearer, _) => auth::bearer(inbound).map(str::to_owned),
            (Scheme::Basic, _) => auth::basic_password(inbound),
            (_, Carrier::Header(name)) => inbound.header(name).map(str::to_owned),
            (_, Carrier::Query(name)) => inbound.query(name).map(str::to_owned),
            (_, Carrier::Field(path)) => {
                let body = Value::Object(form::object(inbound.body).ok()?);
                let scope = Scope {
                    whole: &body,
                    item: &body,
                };
                path.text(scope).map(Cow::into_owned)
            }
        }
    }

    fn signed<'p>(&'p self, inbound: &Inbound<'p>) -> Result<Vec<&'p [u8]>, Rejection> {
        let part = |part: &'p Part| match part {
            Part::Body => Ok(inbound.body),
            Part::Text(text) => Ok(text.as_bytes()),
            Part::Header(name) => {
                inbound
                    .header(name)
                    .map(str::as_bytes)
                    .ok_or(Rejection::Unsigned(
                        "a header that the signature covers is missing",
                    ))
            }
        };
        self.signed.iter().map(part).collect()
    }

    /// What a sender puts beside a body it signs: headers and query parameters. For the
    /// simulator; a token in the body is the player's own business.
    pub(super) fn prove(&self, body: &[u8], secret: &Secret) -> Proof {
        let mut proof = Proof::default();
        let value = match self.scheme {
            Scheme::Hmac(hash) => {
                let headers: Vec<&str> = self.signed.iter().filter_map(Part::header).collect();
                proof.headers = headers
                    .iter()
                    .map(|h| ((*h).to_owned(), "0".to_owned()))
                    .collect();
                let parts: Vec<&[u8]> = self.signed.iter().map(|p| p.played(body)).collect();
                let signature = auth::mac(hash, secret.expose().as_bytes(), &parts);
                auth::encode(&signature, self.encoding)
            }
            Scheme::Token => secret.expose().to_owned(),
            Scheme::Bearer => format!("Bearer {}", secret.expose()),
            Scheme::Basic => {
                let pair = format!("switchhook:{}", secret.expose());
                format!("Basic {}", auth::encode(pair.as_bytes(), Encoding::Base64))
            }
        };
        let value = format!("{}{value}", self.prefix);
        match &self.carrier {
            Carrier::Header(name) => proof.headers.push((name.clone(), value)),
            Carrier::Query(name) => proof.query.push((name.clone(), value)),
            Carrier::Field(_) => {}
        }
        proof
    }
}

impl Part {
    fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            Self::Body | Self::Text(_) => None,
        }
    }

    fn played<'p>(&'p self, body: &'p [u8]) -> &'p [u8] {
        match self {
            Self::Body => body,
            Self::Text(text) => text.as_bytes(),
            Self::Header(_) => b"0",
        }
    }
}

/// What a sender puts beside a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Query parameters.
    pub query: Vec<(String, String)>,
}
