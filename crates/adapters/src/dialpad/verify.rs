//! Whether a body comes from Dialpad.
//!
//! With a secret on the webhook, Dialpad posts a compact JWT and nothing else: no signature
//! header exists ("Webhooks", `signature.type` `jwt`, `algo` `HS256`). The content type of that
//! post is not documented, so the shape of the body decides. The predecessor's tools sign a JSON
//! body in a header instead; that is accepted too, under the same secret.

use std::borrow::Cow;

use serde_json::Value;
use switchhook_engine::adapter::{ConnectionContext, Inbound, Rejection};

use super::signature::{decode_base64url, decode_header_signature};
use crate::signed::fits;

/// Longest JWT header read; Dialpad's has 36 characters.
const MAX_HEADER: usize = 1024;

/// The three parts of a compact JWT, still encoded.
struct Jwt<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    /// What is signed: header, dot, payload.
    signed: &'a [u8],
}

impl<'a> Jwt<'a> {
    /// Cuts a body that has the shape of a compact JWT.
    fn cut(body: &'a [u8]) -> Option<Self> {
        let body = unquoted(body);
        let first = body.iter().position(|byte| *byte == b'.')?;
        let second = body.iter().rposition(|byte| *byte == b'.')?;
        let (signed, signature) = (body.get(..second)?, body.get(second + 1..)?);
        let (header, payload) = (signed.get(..first)?, signed.get(first + 1..)?);
        let fits = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| is_base64(*byte));
        let all = fits(header) && fits(payload) && fits(signature);
        all.then_some(Self {
            header,
            payload,
            signature,
            signed,
        })
    }

    /// `alg` is ours to choose, not the sender's: HS256 and nothing else, and no extension that
    /// must be understood.
    fn is_hs256(&self) -> bool {
        let short = Some(self.header).filter(|header| header.len() <= MAX_HEADER);
        let json = short.and_then(decode_base64url);
        let header: Option<Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
        header.is_some_and(|header| {
            header.get("alg").and_then(Value::as_str) == Some("HS256")
                && header.get("crit").is_none()
        })
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=')
}

/// The body without white space around it and without one pair of quotes.
fn unquoted(body: &[u8]) -> &[u8] {
    let body = body.trim_ascii();
    match body {
        [b'"', inner @ .., b'"'] => inner.trim_ascii(),
        _ => body,
    }
}

/// See [`switchhook_engine::adapter::Adapter::verify`].
pub(super) fn verify<'a>(
    inbound: &Inbound<'a>,
    connection: &ConnectionContext,
) -> Result<Cow<'a, [u8]>, Rejection> {
    if connection
        .webhook_secrets
        .iter()
        .all(|secret| secret.expose().trim().is_empty())
    {
        return Err(Rejection::Unsigned(
            "the connection has no webhook secret to check it with",
        ));
    }
    if let Some(jwt) = Jwt::cut(inbound.body) {
        return verify_jwt(&jwt, connection).map(Cow::Owned);
    }
    if inbound.body.trim_ascii().first() == Some(&b'{') {
        return verify_header(inbound, connection).map(|()| Cow::Borrowed(inbound.body));
    }
    Err(Rejection::Malformed(
        "neither a compact JWT nor a JSON object",
    ))
}

fn verify_jwt(jwt: &Jwt<'_>, connection: &ConnectionContext) -> Result<Vec<u8>, Rejection> {
    if !jwt.is_hs256() {
        return Err(Rejection::Malformed("the JWT is not signed with HS256"));
    }
    let signature = decode_base64url(jwt.signature).ok_or(Rejection::BadSignature)?;
    if !fits(&connection.webhook_secrets, jwt.signed, &signature) {
        return Err(Rejection::BadSignature);
    }
    decode_base64url(jwt.payload).ok_or(Rejection::Malformed("the JWT payload is not base64url"))
}

fn verify_header(inbound: &Inbound<'_>, connection: &ConnectionContext) -> Result<(), Rejection> {
    let configured = connection
        .text(super::spec::SIGNATURE_HEADER)
        .map(str::to_ascii_lowercase);
    let names = [
        configured.as_deref(),
        Some("x-dialpad-signature"),
        Some("x-signature"),
    ];
    let given = names
        .into_iter()
        .flatten()
        .find_map(|name| inbound.header(name));
    let given = given.ok_or(Rejection::Unsigned(
        "set a secret on the Dialpad webhook, so that it posts a signed JWT",
    ))?;
    let signature = decode_header_signature(given).ok_or(Rejection::BadSignature)?;
    if fits(&connection.webhook_secrets, inbound.body, &signature) {
        Ok(())
    } else {
        Err(Rejection::BadSignature)
    }
}

/// The payload of a body, believed or not: for finding the connection, never for anything else.
pub(super) fn unverified_payload<'a>(body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if let Some(jwt) = Jwt::cut(body) {
        return decode_base64url(jwt.payload).map(Cow::Owned);
    }
    (body.trim_ascii().first() == Some(&b'{')).then_some(Cow::Borrowed(body))
}
