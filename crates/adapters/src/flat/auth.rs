//! How a sender proves who it is: a signature over the body, or the secret itself. All checks are
//! in constant time, over every secret of the connection, and a blank secret fits nothing.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use switchhook_engine::adapter::{Inbound, Rejection, Secret};

/// The longest signature or token read, in bytes.
const MAX_GIVEN: usize = 4096;

/// Base64 with or without padding.
const STANDARD_ANY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA1, for platforms that know nothing better.
    Sha1,
}

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Hexadecimal, any case.
    Hex,
    /// Base64, padded or not, either alphabet.
    Base64,
}

/// The keyed hash of several parts, one after the other.
pub(crate) fn mac(hash: Hash, secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length is accepted by HMAC, so neither can fail.
    match hash {
        Hash::Sha256 => Hmac::<Sha256>::new_from_slice(secret).map(|mut mac| {
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }),
        Hash::Sha1 => Hmac::<Sha1>::new_from_slice(secret).map(|mut mac| {
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }),
    }
    .unwrap_or_default()
}

/// A signature as text.
pub(crate) fn encode(signature: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => signature.iter().map(|byte| format!("{byte:02x}")).collect(),
        Encoding::Base64 => STANDARD.encode(signature),
    }
}

/// The bytes of a signature.
pub(crate) fn decode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_GIVEN {
        return None;
    }
    match encoding {
        Encoding::Hex => unhex(text.as_bytes()),
        Encoding::Base64 => STANDARD_ANY
            .decode(text)
            .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')))
            .ok(),
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = text.as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect()).flatten()
}

fn usable(secrets: &[Secret]) -> impl Iterator<Item = &str> {
    let exposed = secrets.iter().map(Secret::expose);
    exposed.filter(|secret| !secret.trim().is_empty())
}

/// Fails closed when there is nothing to check with.
pub(crate) fn must_have_secret(secrets: &[Secret]) -> Result<(), Rejection> {
    match usable(secrets).next() {
        Some(_) => Ok(()),
        None => Err(Rejection::Unsigned(
            "the connection has no webhook secret to check it with",
        )),
    }
}

/// Whether `signature` is that of the parts under any of the secrets.
pub(crate) fn signature_fits(
    hash: Hash,
    secrets: &[Secret],
    parts: &[&[u8]],
    signature: &[u8],
) -> bool {
    let mut fits = Choice::from(0);
    for secret in usable(secrets) {
        fits |= mac(hash, secret.as_bytes(), parts)
            .as_slice()
            .ct_eq(signature);
    }
    fits.into()
}

/// Whether `given` is one of the secrets. Compared by digest, so that not even the length shows.
pub(crate) fn secret_fits(secrets: &[Secret], given: &str) -> bool {
    if given.trim().is_empty() || given.len() > MAX_GIVEN {
        return false;
    }
    let given = Sha256::digest(given.trim().as_bytes());
    let mut fits = Choice::from(0);
    for secret in usable(secrets) {
        let expected = Sha256::digest(secret.trim().as_bytes());
        fits |= expected.as_slice().ct_eq(given.as_slice());
    }
    fits.into()
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer<'a>(inbound: &Inbound<'a>) -> Option<&'a str> {
    authorization(inbound, "bearer ")
}

/// The password of `Authorization: Basic …`, whoever the user is.
pub(crate) fn basic_password(inbound: &Inbound<'_>) -> Option<String> {
    let pair = decode(authorization(inbound, "basic ")?, Encoding::Base64)?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':')
        .map(|(_, password)| password.to_owned())
}

fn authorization<'a>(inbound: &Inbound<'a>, scheme: &str) -> Option<&'a str> {
    let value = inbound.header("authorization")?.trim();
    let head = value.get(..scheme.len())?;
    let rest = value.get(scheme.len()..)?;
    head.eq_ignore_ascii_case(scheme).then_some(rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_exact_in_either_writing() {
        let secrets = [Secret::new("old"), Secret::new("key")];
        // RFC 2202 and RFC 4231 have no such key; these are from `openssl dgst -hmac key`.
        let body: &[u8] = b"The quick brown fox jumps over the lazy dog";
        for (hash, hex) in [
            (
                Hash::Sha256,
                "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
            ),
            (Hash::Sha1, "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"),
        ] {
            let signature = decode(hex, Encoding::Hex).unwrap();
            assert!(signature_fits(hash, &secrets, &[body], &signature));
            assert!(signature_fits(
                hash,
                &secrets,
                &[&body[..9], &body[9..]],
                &signature
            ));
            assert!(!signature_fits(hash, &secrets[..1], &[body], &signature));
            assert!(!signature_fits(hash, &secrets, &[body], &signature[1..]));
            let base64 = encode(&signature, Encoding::Base64);
            assert_eq!(decode(&base64, Encoding::Base64).unwrap(), signature);
            assert_eq!(encode(&signature, Encoding::Hex), hex);
        }
    }

    #[test]
    fn a_blank_secret_fits_nothing() {
        let blank = [Secret::new(" ")];
        assert!(!secret_fits(&blank, " "));
        assert!(!secret_fits(&blank, ""));
        assert!(must_have_secret(&blank).is_err());
        let signature = mac(Hash::Sha256, b" ", &[b"x"]);
        assert!(!signature_fits(Hash::Sha256, &blank, &[b"x"], &signature));
    }

    #[test]
    fn what_is_no_signature_is_none() {
        for text in ["", "0", "0g", "+1", "é1"] {
            assert_eq!(decode(text, Encoding::Hex), None, "{text}");
        }
        assert_eq!(decode("????", Encoding::Base64), None);
    }
}
