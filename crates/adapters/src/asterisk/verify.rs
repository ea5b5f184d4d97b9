//! Whether a relayed event, or a socket that is opened to us, comes from the PBX.
//!
//! The predecessor's carrier is the secret itself in the address (`signature=` or `secret=`).
//! Better is a header: an HMAC-SHA256 of the body in hex (`X-Signature`), or `Authorization`
//! (Basic with the secret as password, as Asterisk's own WebSocket client sends it, or Bearer).
//! Where a better one is given it alone decides. All comparisons take constant time, and without
//! a secret nothing is believed.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use switchhook_engine::adapter::{ConnectionContext, Inbound, Rejection, Secret};

/// Headers that may carry an HMAC of the body.
const SIGNATURES: [&str; 2] = ["x-signature", "x-pipelinq-signature"];

/// See [`switchhook_engine::adapter::Adapter::verify`].
pub(super) fn verify<'a>(
    inbound: &Inbound<'a>,
    connection: &ConnectionContext,
) -> Result<Cow<'a, [u8]>, Rejection> {
    let transport = connection.text("transport");
    if matches!(transport, Some("ari" | "ami")) {
        return Err(Rejection::Unsigned(
            "this connection is live; events do not come by webhook",
        ));
    }
    let secrets: Vec<&[u8]> = connection
        .webhook_secrets
        .iter()
        .map(|secret| Secret::expose(secret).trim().as_bytes())
        .filter(|secret| !secret.is_empty())
        .collect();
    if secrets.is_empty() {
        return Err(Rejection::Unsigned(
            "the connection has no webhook secret to check it with",
        ));
    }
    let is_relay = transport != Some("ari_outbound");
    let signature = SIGNATURES.iter().find_map(|name| inbound.header(name));
    let believed = if let Some(signature) = signature.filter(|_| is_relay) {
        signed(signature, inbound.body, &secrets)
    } else if let Some(header) = inbound.header("authorization") {
        authorized(header, &secrets)
    } else if let Some(given) = inbound
        .query("signature")
        .or_else(|| inbound.query("secret"))
    {
        is_secret(given.as_bytes(), &secrets)
    } else {
        return Err(Rejection::Unsigned(
            "send the secret as X-Signature, Authorization, or signature= in the address",
        ));
    };
    if believed {
        Ok(Cow::Borrowed(inbound.body))
    } else {
        Err(Rejection::BadSignature)
    }
}

/// Every secret is compared, whichever fits.
fn any(fits: impl Iterator<Item = Choice>) -> bool {
    fits.fold(Choice::from(0), |one, other| one | other).into()
}

fn is_secret(given: &[u8], secrets: &[&[u8]]) -> bool {
    any(secrets.iter().map(|secret| secret.ct_eq(given)))
}

fn authorized(header: &str, secrets: &[&[u8]]) -> bool {
    let Some((scheme, rest)) = header.trim().split_once(' ') else {
        return false;
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return is_secret(rest.trim().as_bytes(), secrets);
    }
    let Ok(pair) = STANDARD.decode(rest.trim()) else {
        return false;
    };
    let colon = pair.iter().position(|byte| *byte == b':');
    let password = colon.and_then(|at| pair.get(at + 1..));
    scheme.eq_ignore_ascii_case("basic")
        && password.is_some_and(|password| is_secret(password, secrets))
}

fn signed(signature: &str, body: &[u8], secrets: &[&[u8]]) -> bool {
    let text = signature.trim();
    let given = text.strip_prefix("sha256=").unwrap_or(text);
    let given = given.to_ascii_lowercase();
    any(secrets.iter().map(|secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
            return Choice::from(0);
        };
        mac.update(body);
        let expected = mac.finalize().into_bytes();
        let hex: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.as_bytes().ct_eq(given.as_bytes())
    }))
}
