//! Whether a notification may be believed. A relay signs the exact body (HMAC-SHA256 in a header).
//! The dial plan's webhook cannot sign: there the webhook secret stands in its address as
//! `?token=…`, and believes nothing but that one event. An address is seen by proxies and logs, so
//! it does not stand in for a signature.

use std::borrow::Cow;

use serde_json::{Map, Value};
use switchhook_engine::adapter::{ConnectionContext, DecodeError, Inbound, Rejection, Secret};

use super::{native, spec};
use crate::signed;

/// Where signatures are looked for besides the configured header: the predecessor's two names.
const HEADERS: [&str; 2] = ["x-pipelinq-signature", "x-signature"];

/// The parameters of the address that carry the secret.
const TOKENS: [&str; 2] = ["token", "secret"];

/// The most parameters read from the address of a `GET`.
const MAX_PARAMETERS: usize = 64;

/// See [`switchhook_engine::adapter::Adapter::check_config`].
pub(super) fn check_config(connection: &ConnectionContext) -> Result<(), DecodeError> {
    let name = connection.text(spec::SIGNATURE_HEADER).unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.bytes().all(fits) {
        return Ok(());
    }
    let problem = "must be the name of a header, such as x-pipelinq-signature";
    Err(DecodeError::field(spec::SIGNATURE_HEADER, problem))
}

/// See [`switchhook_engine::adapter::Adapter::verify`].
pub(super) fn verify<'a>(
    inbound: &Inbound<'a>,
    connection: &ConnectionContext,
) -> Result<Cow<'a, [u8]>, Rejection> {
    let secrets = &connection.webhook_secrets;
    if secrets.iter().all(signed::is_blank) {
        return Err(Rejection::Unsigned(
            "the connection has no webhook secret to check it with",
        ));
    }
    let configured = connection.text(spec::SIGNATURE_HEADER);
    let configured = configured.map(str::to_ascii_lowercase);
    let mut names = configured.as_deref().into_iter().chain(HEADERS);
    if let Some(given) = names.find_map(|name| inbound.header(name)) {
        let signature = signature(given, connection).ok_or(Rejection::BadSignature)?;
        return if signed::fits(secrets, inbound.body, &signature) {
            Ok(Cow::Borrowed(inbound.body))
        } else {
            Err(Rejection::BadSignature)
        };
    }
    by_token(inbound, secrets)
}

/// 64 hex digits of either case, with or without `sha256=`; base64 when the settings say so.
fn signature(given: &str, connection: &ConnectionContext) -> Option<Vec<u8>> {
    let given = given.trim();
    let given = given.strip_prefix("sha256=").unwrap_or(given);
    if connection.text(spec::SIGNATURE_ENCODING) == Some(spec::BASE64) {
        return signed::from_base64(given);
    }
    signed::from_hex(given)
}

fn by_token<'a>(inbound: &Inbound<'a>, secrets: &[Secret]) -> Result<Cow<'a, [u8]>, Rejection> {
    let given = TOKENS.iter().find_map(|name| inbound.query(name));
    let given = given.ok_or(Rejection::Unsigned(
        "a relay signs the body in X-Pipelinq-Signature; the dial plan's webhook needs \
         ?token=<secret> in its address",
    ))?;
    if !signed::is_one_of(secrets, given) {
        return Err(Rejection::BadSignature);
    }
    let payload = if inbound.body.trim_ascii().is_empty() {
        Cow::Owned(from_query(inbound.query))
    } else {
        Cow::Borrowed(inbound.body)
    };
    // What does not parse cannot be taken for anything else later on.
    let names_event = native::object(&payload).is_ok_and(|map| map.contains_key("event"));
    if names_event {
        return Err(Rejection::Unsigned(
            "only the dial plan's own event is believed by a token; any other needs a signature",
        ));
    }
    Ok(payload)
}

/// A `GET` carries no body; what a relay put into the address is read like one.
fn from_query(query: &[(String, String)]) -> Vec<u8> {
    let told = query
        .iter()
        .filter(|(name, _)| !TOKENS.contains(&name.as_str()))
        .take(MAX_PARAMETERS)
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(told.collect::<Map<String, Value>>())
        .to_string()
        .into_bytes()
}
