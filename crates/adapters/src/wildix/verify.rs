//! Whether a body comes from Wildix: lower-case hex HMAC-SHA256 of the exact bytes ("How to set up
//! Webhook integration": `x-signature` on webhooks, the message attribute `X-SIGNATURE` on SQS).
//!
//! On a webhook the key is the secret Wildix made for the integration. On a queue it is the AWS
//! secret access key that was typed into the integration (the vendor's `wildix-webhook-example`),
//! which may or may not be the one we read the queue with; both settings are tried.

use std::borrow::Cow;

use switchhook_engine::adapter::{ConnectionContext, Inbound, Rejection, Secret};

use super::spec;
use crate::signed;

/// The header, and what the queue's attribute is handed over as.
pub(super) const HEADER: &str = "x-signature";

/// See [`switchhook_engine::adapter::Adapter::verify`].
pub(super) fn verify<'a>(
    inbound: &Inbound<'a>,
    connection: &ConnectionContext,
) -> Result<Cow<'a, [u8]>, Rejection> {
    let secrets = secrets(connection);
    if secrets.iter().all(|secret| signed::is_blank(secret)) {
        return Err(Rejection::Unsigned(
            "the connection has no secret to check it with; copy it from the integration in WMS",
        ));
    }
    let given = inbound.header(HEADER).ok_or(Rejection::Unsigned(
        "Wildix signs with x-signature; is this address called by something else?",
    ))?;
    let given = given.trim();
    let is_lower = !given.bytes().any(|byte| byte.is_ascii_uppercase());
    let signature = signed::from_hex(given).filter(|_| is_lower);
    let signature = signature.ok_or(Rejection::BadSignature)?;
    if signed::fits(secrets, inbound.body, &signature) {
        Ok(Cow::Borrowed(inbound.body))
    } else {
        Err(Rejection::BadSignature)
    }
}

fn secrets(connection: &ConnectionContext) -> Vec<&Secret> {
    let keys = [spec::SQS_SIGNING_KEY, spec::SQS_SECRET_KEY];
    let keys = keys
        .iter()
        .filter_map(|name| connection.credentials.get(*name));
    connection.webhook_secrets.iter().chain(keys).collect()
}
