//! The generic webhook: nine fields that any PBX script can post with `curl`, as JSON, as a form
//! or in the query. This is our own format, so `docs/adapters/generic.md` is its definition. Not
//! here: what an event means for a call (`flat`).

mod fields;
mod reason;
mod spec;

use std::borrow::Cow;

use async_trait::async_trait;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, ConnectionContext, DecodeError, Decoded, Inbound, Rejection, Secret,
};

use crate::flat::auth::{self, Encoding, Hash};
use crate::flat::{self, form};
use crate::json::Fields;

/// Query parameters that prove who sends, and are no part of an event.
const PROOFS: [&str; 2] = ["secret", "signature"];

/// The generic webhook.
#[derive(Clone, Copy, Debug, Default)]
pub struct Generic;

#[async_trait]
impl Adapter for Generic {
    fn spec(&self) -> &'static AdapterSpec {
        &spec::SPEC
    }

    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        let secrets = &connection.webhook_secrets;
        auth::must_have_secret(secrets)?;
        let signature = inbound
            .header("x-signature")
            .or_else(|| inbound.header("x-pipelinq-signature"))
            .filter(|s| !s.trim().is_empty());
        let token = auth::bearer(inbound).or_else(|| inbound.query("secret"));
        let in_query = inbound.body.trim_ascii().is_empty();
        match (signature, token) {
            // A signature says nothing about an event that is not in the body.
            (Some(_), _) if in_query => Err(Rejection::Unsigned(
                "X-Signature covers the body, which is empty; send the event in the body",
            )),
            (Some(signature), _) => {
                let text = signature.trim();
                let text = text.strip_prefix("sha256=").unwrap_or(text);
                let bytes = auth::decode(text, Encoding::Hex).ok_or(Rejection::BadSignature)?;
                let fits = auth::signature_fits(Hash::Sha256, secrets, &[inbound.body], &bytes);
                fits.then_some(Cow::Borrowed(inbound.body))
                    .ok_or(Rejection::BadSignature)
            }
            (None, Some(token)) if !auth::secret_fits(secrets, token) => {
                Err(Rejection::BadSignature)
            }
            (None, Some(_)) if in_query => Ok(Cow::Owned(form::of_query(inbound.query, &PROOFS))),
            (None, Some(_)) => Ok(Cow::Borrowed(inbound.body)),
            (None, None) => Err(Rejection::Unsigned(
                "sign the body in X-Signature, or send the secret as a bearer token or ?secret=",
            )),
        }
    }

    fn decode(
        &self,
        payload: &[u8],
        connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        let map = form::object(payload)?;
        let root = Fields::root(&map);
        let (name, event) = fields::event(&root, &connection.numbers)?;
        Ok(Decoded {
            signals: event.as_ref().map(flat::signals).unwrap_or_default(),
            event: name,
            adoption: None,
        })
    }

    fn split<'a>(&self, recorded: &'a [u8]) -> Vec<&'a [u8]> {
        form::split(recorded)
    }
}

/// The value of `X-Signature` for a body.
#[must_use]
pub fn sign(body: &[u8], secret: &Secret) -> String {
    let signature = auth::mac(Hash::Sha256, secret.expose().as_bytes(), &[body]);
    auth::encode(&signature, Encoding::Hex)
}
