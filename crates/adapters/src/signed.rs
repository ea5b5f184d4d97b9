//! HMAC-SHA256 over an exact body, carried in a header as hex or base64: the signature of Wildix,
//! and of relays that post for CallVoip. Making and checking live side by side so that the
//! simulator cannot drift from the check. Dialpad's JWT is not here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use switchhook_engine::adapter::Secret;

/// The length of a signature in bytes.
pub(crate) const LENGTH: usize = 32;

/// HMAC-SHA256 of `message`.
pub(crate) fn mac(secret: &Secret, message: &[u8]) -> Option<[u8; LENGTH]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().into())
}

/// The signature as lower-case hex.
pub(crate) fn hex_of(secret: &Secret, message: &[u8]) -> String {
    to_hex(&mac(secret, message).unwrap_or_default())
}

/// Lower-case hex.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 hex digits of either case.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    if text.len() != LENGTH * 2 {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Standard base64 of a signature.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .ok()
        .filter(|bytes| bytes.len() == LENGTH)
}

/// Whether `signature` is that of `message` under any of the secrets. Takes the same time
/// whichever of them fits. A blank secret never fits.
pub(crate) fn fits<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let mut fits = Choice::from(0);
    for secret in secrets.into_iter().filter(|secret| !is_blank(secret)) {
        if let Some(expected) = mac(secret, message) {
            fits |= expected.as_slice().ct_eq(signature);
        }
    }
    fits.into()
}

/// Whether `text` is one of the secrets itself; in constant time, whatever the lengths.
pub(crate) fn is_one_of<'a>(secrets: impl IntoIterator<Item = &'a Secret>, text: &str) -> bool {
    let mut fits = Choice::from(0);
    let blinding = Secret::new("token");
    let given = mac(&blinding, text.as_bytes());
    for secret in secrets.into_iter().filter(|secret| !is_blank(secret)) {
        let known = mac(&blinding, secret.expose().as_bytes());
        if let (Some(known), Some(given)) = (known, given) {
            fits |= known.as_slice().ct_eq(given.as_slice());
        }
    }
    fits.into()
}

/// A secret that protects nothing.
pub(crate) fn is_blank(secret: &Secret) -> bool {
    secret.expose().trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_secret_fits_nothing() {
        let blank = Secret::new(" ");
        let signature = mac(&blank, b"body").unwrap();
        assert!(!fits([&blank], b"body", &signature));
        assert!(!fits([], b"body", &signature));
        assert!(!is_one_of([&blank], " "));
    }

    #[test]
    fn any_of_two_secrets_fits_and_no_other() {
        let (old, new) = (Secret::new("old-secret"), Secret::new("new-secret"));
        let signature = mac(&old, b"body").unwrap();
        assert!(fits([&new, &old], b"body", &signature));
        assert!(!fits([&new], b"body", &signature));
        assert!(!fits([&old], b"body ", &signature));
        assert!(!fits([&old], b"body", &signature[..31]));
        assert!(is_one_of([&new, &old], "old-secret"));
        assert!(!is_one_of([&new, &old], "old-secre"));
    }

    #[test]
    fn hex_is_exact_and_of_either_case() {
        let secret = Secret::new("s");
        let text = hex_of(&secret, b"m");
        let bytes = mac(&secret, b"m").unwrap();
        assert_eq!(from_hex(&text).unwrap(), bytes);
        assert_eq!(from_hex(&text.to_uppercase()).unwrap(), bytes);
        assert_eq!(from_hex(&text[..62]), None);
        assert_eq!(from_hex(&text.replace(&text[..1], "g")), None);
        assert_eq!(from_base64(&STANDARD.encode(bytes)).unwrap(), bytes);
        assert_eq!(from_base64("AAAA"), None);
    }
}
