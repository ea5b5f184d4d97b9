//! Signatures of outbound notifications, so that a receiver can know who sent them.
//!
//! Two schemes: *Standard Webhooks* (`webhook-id`, `webhook-timestamp`, `webhook-signature`),
//! which covers id and time and so stops replays, and the one of Wildix's document (`x-signature`,
//! lower-case hexadecimal HMAC-SHA256 of the exact body), for receivers written against it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::Secret;

/// The prefix of a Standard Webhooks secret.
pub const SECRET_PREFIX: &str = "whsec_";

/// The three headers of a Standard Webhooks delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardHeaders {
    /// `webhook-id`: the same for every try of one delivery.
    pub id: String,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`: one `v1,…` for each secret, so that secrets can be changed over.
    pub signature: String,
}

/// Signs a delivery by the Standard Webhooks scheme with each of the secrets, the newest first. A
/// secret without the `whsec_` prefix, or that is not base64 behind it, is taken as it is.
#[must_use]
pub fn standard(id: &str, at: Timestamp, body: &[u8], secrets: &[Secret]) -> StandardHeaders {
    let timestamp = at.as_second().to_string();
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let encoded = secret.expose().strip_prefix(SECRET_PREFIX);
            let key = encoded.and_then(|text| STANDARD.decode(text).ok());
            let key = key.unwrap_or_else(|| secret.expose().as_bytes().to_vec());
            let mut mac = keyed(&key);
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    StandardHeaders {
        id: id.to_owned(),
        timestamp,
        signature: signatures.join(" "),
    }
}

/// The value of `x-signature` as Wildix's document has it.
#[must_use]
pub fn wildix(body: &[u8], secret: &Secret) -> String {
    let mut mac = keyed(secret.expose().as_bytes());
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::new_from_slice(key).expect("any key length is allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_of_standard_webhooks() {
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let headers = standard("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body, &[secret]);
        assert_eq!(
            headers.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(headers.timestamp, "1614265330");
    }

    #[test]
    fn two_secrets_give_two_signatures_while_they_change_over() {
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let secrets = [Secret::new("new secret"), Secret::new("old secret")];
        let headers = standard("msg_1", at, b"{}", &secrets);
        let parts: Vec<&str> = headers.signature.split(' ').collect();
        assert_eq!(parts.len(), 2);
        let old = standard("msg_1", at, b"{}", &secrets[1..]);
        assert_eq!(parts[1], old.signature);
    }

    #[test]
    fn the_published_vector_of_hmac_sha256() {
        // RFC 4231, test case 2.
        let signature = wildix(b"what do ya want for nothing?", &Secret::new("Jefe"));
        assert_eq!(
            signature,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
