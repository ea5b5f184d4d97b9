//! Sealing of platform credentials and webhook secrets at rest, and the hashing of API keys and
//! tokens. XChaCha20-Poly1305 under one master key; the sealed text names the key it needs, so
//! that keys can be changed one secret at a time.
//!
//! A sealed text is bound to its place (`app/connection/field`): copied to another row it does
//! not open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::adapter::Secret;
use crate::ports::Entropy;

/// Why a secret could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text is not something we sealed.
    #[error("not a sealed secret")]
    Format,
    /// It was sealed under another master key.
    #[error("sealed under master key {0}, which this server does not have")]
    OtherKey(String),
    /// It was changed, or belongs to another place.
    #[error("the sealed secret does not open here: it was changed or belongs to another record")]
    Forged,
    /// A reference such as `env:NAME` leads nowhere.
    #[error("{0}")]
    Reference(String),
    /// The master key given is not 32 bytes in base64 or hex.
    #[error("a master key is 32 bytes, written as 64 hexadecimal digits or in base64")]
    BadMasterKey,
}

/// The key all secrets are sealed under.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    sealing: [u8; 32],
    hashing: [u8; 32],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    /// A key from its 32 bytes. Sealing and hashing use keys derived from it, so that neither
    /// tells anything about the other.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let derive = |purpose: &str| keyed_hash(&bytes, purpose.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(&derive("id")[..6]);
        Self {
            id,
            sealing: derive("seal"),
            hashing: derive("hash"),
        }
    }

    /// A key from 64 hexadecimal digits or base64 (either alphabet, padded or not).
    ///
    /// # Errors
    /// [`SealError::BadMasterKey`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        let bytes = if text.len() == 64 {
            (0..32)
                .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
                .collect::<Option<Vec<u8>>>()
        } else {
            let url: String = text
                .trim_end_matches('=')
                .replace('+', "-")
                .replace('/', "_");
            URL_SAFE_NO_PAD.decode(url).ok()
        };
        let bytes: [u8; 32] = bytes
            .and_then(|b| b.try_into().ok())
            .ok_or(SealError::BadMasterKey)?;
        Ok(Self::new(bytes))
    }

    /// A fresh key and its text form, for the key file of a new installation.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> (Self, String) {
        let mut bytes = [0_u8; 32];
        entropy.fill(&mut bytes);
        (Self::new(bytes), URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Names the key without telling anything about it. Every text it seals carries it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key API keys are hashed under in installations that have no key of their own for it.
    pub(crate) fn hashing(&self) -> [u8; 32] {
        self.hashing
    }

    /// Seals a secret for one place.
    #[must_use]
    pub fn seal(&self, secret: &Secret, place: &str, entropy: &dyn Entropy) -> String {
        let mut nonce = [0_u8; 24];
        entropy.fill(&mut nonce);
        let cipher = XChaCha20Poly1305::new(&Key::from(self.sealing));
        let payload = Payload {
            msg: secret.expose().as_bytes(),
            aad: place.as_bytes(),
        };
        // Encryption in memory fails only for texts of 2^38 bytes.
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap_or_default();
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        format!("v1.{}.{}", self.id, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens a secret of this place.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, sealed: &str, place: &str) -> Result<Secret, SealError> {
        let mut parts = sealed.split('.');
        let (Some("v1"), Some(id), Some(body), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SealError::Format);
        };
        if id != self.id {
            return Err(SealError::OtherKey(id.to_owned()));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| SealError::Format)?;
        let (nonce, text) = bytes.split_at_checked(24).ok_or(SealError::Format)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| SealError::Format)?;
        let cipher = XChaCha20Poly1305::new(&Key::from(self.sealing));
        let payload = Payload {
            msg: text,
            aad: place.as_bytes(),
        };
        let plain = cipher
            .decrypt(&nonce, payload)
            .map_err(|_| SealError::Forged)?;
        String::from_utf8(plain)
            .map(Secret::new)
            .map_err(|_| SealError::Forged)
    }
}

/// The id of the master key a sealed text needs; `None` when it is not a sealed text.
#[must_use]
pub fn sealed_under(sealed: &str) -> Option<&str> {
    let mut parts = sealed.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("v1"), Some(id), Some(_), None) if !id.is_empty() => Some(id),
        _ => None,
    }
}

pub(crate) fn keyed_hash(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length is allowed");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// SHA-256, for tokens that are random enough by themselves and for digests of bodies.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A random text of `bytes` random bytes, safe in URLs and headers.
#[must_use]
pub fn random_text(entropy: &dyn Entropy, bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    entropy.fill(&mut buffer);
    URL_SAFE_NO_PAD.encode(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemEntropy;

    #[test]
    fn a_secret_opens_only_at_its_place_and_under_its_key() {
        let (key, _) = MasterKey::generate(&SystemEntropy);
        let (other, _) = MasterKey::generate(&SystemEntropy);
        let sealed = key.seal(&Secret::new("hush"), "app/1/secret", &SystemEntropy);
        assert!(!sealed.contains("hush"));
        assert_eq!(key.open(&sealed, "app/1/secret").unwrap().expose(), "hush");
        assert_eq!(key.open(&sealed, "app/2/secret"), Err(SealError::Forged));
        assert!(matches!(
            other.open(&sealed, "app/1/secret"),
            Err(SealError::OtherKey(_))
        ));
    }

    #[test]
    fn nonsense_never_opens() {
        let (key, _) = MasterKey::generate(&SystemEntropy);
        for text in ["", "v1", "v1.x.y", "v2.a.b", "v1..", "v1.a.b.c", "\u{0}"] {
            assert!(key.open(text, "p").is_err(), "{text}");
        }
        let short = format!("v1.{}.AAAA", key.id);
        assert_eq!(key.open(&short, "p"), Err(SealError::Format));
    }

    #[test]
    fn a_master_key_is_read_in_both_spellings() {
        let (key, text) = MasterKey::generate(&SystemEntropy);
        assert_eq!(MasterKey::parse(&text).unwrap().id, key.id);
        assert_eq!(
            MasterKey::parse(&"ab".repeat(32)).unwrap().id,
            MasterKey::new([0xab; 32]).id
        );
        assert!(MasterKey::parse("short").is_err());
        assert!(MasterKey::parse(&"zz".repeat(32)).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }
}
