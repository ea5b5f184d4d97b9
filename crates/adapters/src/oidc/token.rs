//! What an ID token must say before anybody is believed to be somebody: OpenID Connect Core 1.0
//! section 3.1.3.7. Nothing here asks the network or the clock.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_engine::access::same_secret;
use switchhook_engine::people::oidc::Identity;

/// By how much our clocks may differ, in seconds.
const SKEW: i64 = 60;
/// The longest token read, in bytes.
const MAX_TOKEN: usize = 64 * 1024;
/// The longest subject (OpenID Connect Core, section 2), in characters.
const MAX_SUBJECT: usize = 255;
/// The most roles that are read.
const MAX_ROLES: usize = 500;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Malformed,
    Algorithm,
    UnknownKey,
    Signature,
    Issuer,
    Audience,
    Expired,
    TooEarly,
    Nonce,
    Subject,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "it is no signed token",
            Self::Algorithm => "it is signed in a way that proves nothing",
            Self::UnknownKey => "its key is not the provider's",
            Self::Signature => "its signature is wrong",
            Self::Issuer => "it is of another issuer",
            Self::Audience => "it is for somebody else",
            Self::Expired => "its time is over",
            Self::TooEarly => "it is of the future: compare the clocks",
            Self::Nonce => "it is of another sign-in",
            Self::Subject => "it names nobody",
        }
    }
}

/// What a token must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

impl Expected<'_> {
    /// The claims of a token that is good.
    pub(super) fn verify(&self, token: &str, keys: &JwkSet) -> Result<Value, Verdict> {
        if token.len() > MAX_TOKEN {
            return Err(Verdict::Malformed);
        }
        let header = decode_header(token).map_err(|_| Verdict::Malformed)?;
        if !is_asymmetric(header.alg) {
            return Err(Verdict::Algorithm);
        }
        let key = find(keys, header.kid.as_deref(), header.alg).ok_or(Verdict::UnknownKey)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| Verdict::UnknownKey)?;
        // The signature is checked there, everything else here, against our own clock.
        let mut rules = Validation::new(header.alg);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let claims = decode::<Value>(token, &key, &rules).map_err(|_| Verdict::Signature)?;
        let claims = claims.claims;
        self.fits(&claims).map(|()| claims)
    }

    fn fits(&self, claims: &Value) -> Result<(), Verdict> {
        if claims["iss"].as_str() != Some(self.issuer) {
            return Err(Verdict::Issuer);
        }
        let audience: Vec<&str> = match &claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let party = claims["azp"].as_str();
        let ours = audience.contains(&self.client_id)
            && party.map_or(audience.len() == 1, |party| party == self.client_id);
        if !ours {
            return Err(Verdict::Audience);
        }
        let now = self.now.as_second();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and then is refused"
        )]
        let whole = |at: f64| at as i64;
        let time = |name: &str| {
            let value = &claims[name];
            value.as_i64().or_else(|| value.as_f64().map(whole))
        };
        if time("exp").is_none_or(|at| at.saturating_add(SKEW) <= now) {
            return Err(Verdict::Expired);
        }
        let early = |at: i64| at > now + SKEW;
        if time("iat").is_none_or(early) || time("nbf").is_some_and(early) {
            return Err(Verdict::TooEarly);
        }
        let nonce = claims["nonce"].as_str();
        if !nonce.is_some_and(|nonce| same_secret(nonce, self.nonce)) {
            return Err(Verdict::Nonce);
        }
        let subject = claims["sub"].as_str().map_or(0, |sub| sub.chars().count());
        if (1..=MAX_SUBJECT).contains(&subject) {
            Ok(())
        } else {
            Err(Verdict::Subject)
        }
    }
}

/// With a shared secret anybody who knows the public key could sign.
fn is_asymmetric(algorithm: Algorithm) -> bool {
    use Algorithm as A;
    matches!(
        algorithm,
        A::RS256
            | A::RS384
            | A::RS512
            | A::PS256
            | A::PS384
            | A::PS512
            | A::ES256
            | A::ES384
            | A::EdDSA
    )
}

fn find<'k>(keys: &'k JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<&'k Jwk> {
    let fits = |key: &&Jwk| {
        use Algorithm as A;
        let signs = key
            .common
            .public_key_use
            .as_ref()
            .is_none_or(|what| *what == PublicKeyUse::Signature);
        let family = match (&key.algorithm, algorithm) {
            (AlgorithmParameters::RSA(_), A::ES256 | A::ES384 | A::EdDSA) => false,
            (AlgorithmParameters::RSA(_), _) => true,
            (AlgorithmParameters::EllipticCurve(_), A::ES256 | A::ES384) => true,
            (AlgorithmParameters::OctetKeyPair(_), A::EdDSA) => true,
            _ => false,
        };
        let named = kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
        signs && family && named
    };
    let mut fitting = keys.keys.iter().filter(fits);
    let first = fitting.next()?;
    // Without a name there must be no choice.
    (kid.is_some() || fitting.next().is_none()).then_some(first)
}

/// A claim by its name, or by the path to it.
pub(super) fn claim<'c>(claims: &'c Value, name: &str) -> Option<&'c Value> {
    let whole = claims.get(name);
    let inside = || {
        name.split('.')
            .try_fold(claims, |value, part| value.get(part))
    };
    whole.or_else(inside).filter(|value| !value.is_null())
}

/// Whom the claims name.
pub(super) fn identity(issuer: &str, claims: &Value, role_claim: Option<&str>) -> Identity {
    let text = |name: &str| claims[name].as_str().map(str::to_owned);
    let roles = role_claim.and_then(|name| claim(claims, name));
    let roles: Vec<&str> = match roles {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let roles = roles.into_iter().take(MAX_ROLES).map(str::to_owned);
    Identity {
        issuer: issuer.to_owned(),
        subject: text("sub").unwrap_or_default(),
        email: text("email"),
        // Some providers write the word instead of the value.
        email_verified: claims["email_verified"] == true || claims["email_verified"] == "true",
        name: text("name"),
        roles: roles.collect(),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;
    /// An Ed25519 key made for these tests, PKCS#8.
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v_VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn keys() -> JwkSet {
        let own = json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "one", "x": PUBLIC,
        });
        serde_json::from_value(json!({ "keys": [own] })).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "switchhook", "sub": "4711", "nonce": "n",
            "exp": NOW + 300, "iat": NOW, "email": "jan@example.nl", "email_verified": true,
        })
    }

    fn signed(kid: Option<&str>, claims: &Value) -> String {
        use base64::Engine as _;
        let der = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(PRIVATE);
        let key = EncodingKey::from_ed_der(&der.unwrap());
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &key).unwrap()
    }

    fn expected() -> Expected<'static> {
        Expected {
            issuer: "https://id.example",
            client_id: "switchhook",
            nonce: "n",
            now: Timestamp::from_second(NOW).unwrap(),
        }
    }

    #[test]
    fn a_good_token_is_believed() {
        for kid in [Some("one"), None] {
            let token = signed(kid, &claims());
            assert_eq!(expected().verify(&token, &keys()), Ok(claims()));
        }
    }

    #[test]
    fn every_claim_counts() {
        for (change, verdict) in [
            (json!({ "iss": "https://id.example/" }), Verdict::Issuer),
            (json!({ "iss": null }), Verdict::Issuer),
            (json!({ "aud": "other" }), Verdict::Audience),
            (json!({ "aud": ["switchhook", "other"] }), Verdict::Audience),
            (json!({ "aud": null }), Verdict::Audience),
            (json!({ "azp": "other" }), Verdict::Audience),
            (json!({ "exp": NOW - 60 }), Verdict::Expired),
            (json!({ "exp": null }), Verdict::Expired),
            (json!({ "exp": "soon" }), Verdict::Expired),
            (json!({ "iat": NOW + 61 }), Verdict::TooEarly),
            (json!({ "iat": null }), Verdict::TooEarly),
            (json!({ "nbf": NOW + 61 }), Verdict::TooEarly),
            (json!({ "nonce": "m" }), Verdict::Nonce),
            (json!({ "nonce": null }), Verdict::Nonce),
            (json!({ "sub": "" }), Verdict::Subject),
            (json!({ "sub": "x".repeat(256) }), Verdict::Subject),
        ] {
            let mut changed = claims();
            let members = changed.as_object_mut().unwrap();
            members.extend(change.as_object().unwrap().clone());
            let token = signed(Some("one"), &changed);
            assert_eq!(expected().verify(&token, &keys()), Err(verdict), "{change}");
        }
        for change in [
            json!({ "exp": NOW - 59 }),
            json!({ "iat": NOW + 60 }),
            json!({ "aud": ["switchhook", "other"], "azp": "switchhook" }),
        ] {
            let mut changed = claims();
            let members = changed.as_object_mut().unwrap();
            members.extend(change.as_object().unwrap().clone());
            let token = signed(Some("one"), &changed);
            assert!(expected().verify(&token, &keys()).is_ok(), "{change}");
        }
    }

    #[test]
    fn a_signature_proves_what_it_should() {
        let good = signed(Some("one"), &claims());
        let verdict = |token: &str| expected().verify(token, &keys()).unwrap_err();
        assert_eq!(
            verdict(&signed(Some("two"), &claims())),
            Verdict::UnknownKey
        );
        let (head, signature) = good.rsplit_once('.').unwrap();
        let other = signed(Some("one"), &json!({ "sub": "other" }));
        let (_, wrong) = other.rsplit_once('.').unwrap();
        assert_eq!(verdict(&format!("{head}.{wrong}")), Verdict::Signature);
        assert_eq!(verdict(&format!("{head}.")), Verdict::Signature);
        let (header, _) = head.split_once('.').unwrap();
        let (_, body) = other.split_once('.').unwrap();
        let (body, _) = body.split_once('.').unwrap();
        assert_eq!(
            verdict(&format!("{header}.{body}.{signature}")),
            Verdict::Signature
        );
        for bad in ["", "x", "..", "a.b.c", &"x".repeat(MAX_TOKEN + 1)] {
            assert_eq!(verdict(bad), Verdict::Malformed, "{bad:.10}");
        }
        // Nothing signed, and signed with what everybody knows.
        let none = "eyJhbGciOiJub25lIn0.e30.";
        assert_eq!(verdict(none), Verdict::Malformed);
        let shared = EncodingKey::from_secret(PUBLIC.as_bytes());
        let confused = encode(&Header::new(Algorithm::HS256), &claims(), &shared).unwrap();
        assert_eq!(verdict(&confused), Verdict::Algorithm);
    }

    #[test]
    fn roles_stand_where_the_operator_says() {
        let claims = json!({
            "sub": "1", "groups": ["a", "b"], "realm_access": { "roles": ["c"] }, "role": "d",
            "https://x.example/roles": ["e"], "email_verified": "true",
        });
        let roles = |name| identity("i", &claims, Some(name)).roles;
        assert_eq!(roles("groups"), ["a", "b"]);
        assert_eq!(roles("realm_access.roles"), ["c"]);
        assert_eq!(roles("role"), ["d"]);
        assert_eq!(roles("https://x.example/roles"), ["e"]);
        assert!(roles("nothing.here").is_empty());
        assert!(identity("i", &claims, None).email_verified);
        assert!(!identity("i", &json!({ "email_verified": "1" }), None).email_verified);
    }
}
