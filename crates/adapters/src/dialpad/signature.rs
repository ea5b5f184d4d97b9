//! HMAC-SHA256 as Dialpad and the predecessor use it: over the first two parts of a JWT, or over
//! a JSON body. Making and checking live side by side so that the simulator cannot drift from
//! the check.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, general_purpose::URL_SAFE_NO_PAD};
use switchhook_engine::adapter::Secret;

use crate::signed::mac;

/// base64url with or without padding.
const URL_SAFE_ANY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The only header we write, and the one Dialpad sends.
const HS256_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Reads base64url, padded or not. The predecessor also let standard base64 pass.
pub(super) fn decode_base64url(text: &[u8]) -> Option<Vec<u8>> {
    if text.iter().any(|byte| matches!(byte, b'+' | b'/')) {
        let swapped: Vec<u8> = text.iter().map(|byte| swap_alphabet(*byte)).collect();
        return URL_SAFE_ANY.decode(swapped).ok();
    }
    URL_SAFE_ANY.decode(text).ok()
}

fn swap_alphabet(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

/// A header's signature: base64 in either alphabet, or 64 hex digits.
pub(super) fn decode_header_signature(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = text.strip_prefix("sha256=").unwrap_or(text);
    if text.len() == 64 {
        return hex(text.as_bytes());
    }
    decode_base64url(text.as_bytes())
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        })
        .collect()
}

/// The body Dialpad posts for this payload: a compact JWT, HS256.
#[must_use]
pub fn sign_jwt(payload: &[u8], secret: &Secret) -> Vec<u8> {
    let header = URL_SAFE_NO_PAD.encode(HS256_HEADER);
    let mut jwt = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = mac(secret, jwt.as_bytes()).unwrap_or_default();
    jwt.push('.');
    jwt.push_str(&URL_SAFE_NO_PAD.encode(signature));
    jwt.into_bytes()
}

/// The header value the predecessor's tools send with a JSON body: standard base64.
#[must_use]
pub fn sign_header(body: &[u8], secret: &Secret) -> String {
    STANDARD.encode(mac(secret, body).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact() {
        assert_eq!(hex(b"00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!(hex(b"0"), None);
        assert_eq!(hex(b"zz"), None);
    }
}
