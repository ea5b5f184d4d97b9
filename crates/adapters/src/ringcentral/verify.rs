//! Whether a post comes from RingCentral.
//!
//! RingCentral signs nothing. Each post carries the token the subscription was made with
//! (`Verification-Token`; platforms.md, section 2.1). Older guides and the predecessor call the
//! header `Validation-Token`, and the predecessor also sends it as a bearer; all are compared
//! with the connection's webhook secrets, in constant time.

use std::borrow::Cow;

use switchhook_engine::adapter::{ConnectionContext, Inbound, Rejection, Reply};

use crate::signed;

/// The longest validation token echoed, in bytes. RingCentral's have some forty; the whole
/// answer must stay below 1,024 bytes.
const MAX_ECHO: usize = 256;

/// The question RingCentral asks when a subscription is made: an empty post that wants its
/// `Validation-Token` back. A post with a body is never taken for one, whatever its headers.
pub(super) fn handshake(inbound: &Inbound<'_>) -> Option<Reply> {
    let token = inbound.header("validation-token")?;
    let asks = inbound.body.trim_ascii().is_empty();
    let printable = token.len() <= MAX_ECHO && token.bytes().all(|b| b.is_ascii_graphic());
    (asks && printable).then(|| Reply {
        status: 200,
        headers: vec![("Validation-Token", token.to_owned())],
        content_type: "application/json",
        body: Vec::new(),
    })
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
    let bearer = inbound.header("authorization").and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let given = [
        inbound.header("verification-token"),
        inbound.header("validation-token"),
        bearer,
    ];
    let mut given = given.into_iter().flatten().peekable();
    if given.peek().is_none() {
        return Err(Rejection::Unsigned(
            "RingCentral sends Verification-Token when the subscription has one",
        ));
    }
    if given.any(|token| signed::is_one_of(secrets, token.trim())) {
        Ok(Cow::Borrowed(inbound.body))
    } else {
        Err(Rejection::BadSignature)
    }
}
