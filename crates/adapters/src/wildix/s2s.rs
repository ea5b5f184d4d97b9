//! The sign-in of a server-to-server application (WMS 5 and later): a token of five minutes for
//! each request, which carries a digest of that request (as Wildix's own `s2s-client-php` makes
//! it).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::Secret;

use crate::signed;

/// How long a token is good, in seconds.
const GOOD_FOR: i64 = 300;

/// What a request is signed over.
#[derive(Debug)]
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// Without the query.
    pub(super) path: &'a str,
    /// Host without port.
    pub(super) host: &'a str,
    pub(super) query: &'a [(String, String)],
    /// `Null` for none.
    pub(super) body: &'a Value,
}

/// An application as WMS shows it.
#[derive(Debug)]
pub(super) struct Application<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) secret: &'a Secret,
}

impl Application<'_> {
    /// The bearer token for one request.
    pub(super) fn token(&self, request: &Signable<'_>, now: Timestamp) -> Secret {
        let digest = Sha256::digest(self.canonical(request).as_bytes());
        let now = now.as_second();
        let claims = json!({
            "iss": self.name, "iat": now, "exp": now + GOOD_FOR,
            "sign": {
                "alg": "sha256", "headers": ["Host", "X-APP-ID"],
                "hash": signed::to_hex(&digest),
            },
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
        let head = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = signed::mac(self.secret, head.as_bytes()).unwrap_or_default();
        Secret::new(format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn canonical(&self, request: &Signable<'_>) -> String {
        let headers = [("host", request.host), ("x-app-id", self.id)];
        let mut text = format!("{}{}", request.method, request.path);
        for (name, value) in headers {
            push(&mut text, name, value.trim());
        }
        let mut query = request.query.to_vec();
        query
            .iter_mut()
            .for_each(|(name, _)| name.make_ascii_lowercase());
        query.sort();
        for (name, value) in &query {
            push(&mut text, name, value.trim());
        }
        if !matches!(request.method, "GET" | "DELETE") {
            text.push_str(&flat(request.body));
        }
        text
    }
}

/// `key:value;` for each member, keys in lower case and sorted, objects within alike.
fn flat(value: &Value) -> String {
    let mut text = String::new();
    let mut members: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            let lower = map
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value));
            lower.collect()
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered
                .map(|(at, value)| (at.to_string(), value))
                .collect()
        }
        _ => Vec::new(),
    };
    members.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, value) in members {
        let inner = match value {
            Value::Object(_) | Value::Array(_) => flat(value),
            Value::Bool(yes) => i32::from(*yes).to_string(),
            Value::String(text) => text.trim().to_owned(),
            Value::Null => String::new(),
            Value::Number(number) => number.to_string(),
        };
        push(&mut text, &name, &inner);
    }
    text
}

fn push(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push(':');
    text.push_str(value);
    text.push(';');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_the_vendors_client_writes_it() {
        let secret = Secret::new("k");
        let application = Application {
            id: "app1",
            name: "switchhook",
            secret: &secret,
        };
        let query = [("User".to_owned(), "1001 ".to_owned())];
        let body = json!({"destination": "+31 20", "Device": {"b": true, "a": [1, " x "]}});
        let request = Signable {
            method: "POST",
            path: "/api/v2/call-control/make-call",
            host: "pbx.example",
            query: &query,
            body: &body,
        };
        assert_eq!(
            application.canonical(&request),
            "POST/api/v2/call-control/make-callhost:pbx.example;x-app-id:app1;user:1001;\
             destination:+31 20;device:a:0:1;1:x;;b:1;;"
        );
        let got = Signable {
            method: "GET",
            ..request
        };
        assert!(
            application.canonical(&got).ends_with("user:1001;"),
            "no body with GET"
        );
    }
}
