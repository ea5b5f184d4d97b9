//! What apps, keys, people, connections and sealed secrets look like in the audit log when they
//! are put on record by themselves, as the command line does: everything that can be changed, and
//! of secrets only that they are there and whether they are others. A request over HTTP is put on
//! record with its answer instead. Not here: taking out what must not be shown (the parent).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::reseal::Tally;
use crate::store::{ApiKey, App, Connection, Person};

/// Something that is shown in the audit log.
pub trait OnRecord {
    /// What is said of it there.
    fn on_record(&self) -> Value;
}

impl OnRecord for App {
    fn on_record(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "country": self.country, "active": self.active,
            "created_at": self.created_at,
        })
    }
}

impl OnRecord for ApiKey {
    fn on_record(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "hint": self.hint, "scopes": self.scopes.names(),
            "created_at": self.created_at, "expires_at": self.expires_at,
            "revoked_at": self.revoked_at, "last_used_at": self.last_used_at,
            "replaces": self.replaces,
        })
    }
}

impl OnRecord for Person {
    fn on_record(&self) -> Value {
        json!({
            "id": self.id, "email": self.email, "name": self.name, "role": self.role.as_str(),
            "active": self.active,
            "state": self.joined_at.map_or("invited", |_| "joined"),
            "has_password": self.password.is_some(), "has_identity": self.identity.is_some(),
            "created_at": self.created_at, "last_sign_in_at": self.last_sign_in_at,
        })
    }
}

impl OnRecord for Connection {
    fn on_record(&self) -> Value {
        let sealed = self.credentials.iter();
        let sealed = sealed.map(|(name, sealed)| format!("{name} {}", mark(sealed)));
        let signed = self.webhook_secrets.iter().map(|sealed| mark_of(sealed));
        json!({
            "id": self.id, "platform": self.platform, "name": self.name, "config": self.config,
            "sealed": sealed.collect::<Vec<_>>(),
            "signed_with": signed.collect::<Vec<_>>(),
            "created_at": self.created_at,
        })
    }
}

impl OnRecord for Tally {
    fn on_record(&self) -> Value {
        let rows = self.sealed.iter().map(|((table, key), count)| {
            json!({ "table": table.as_str(), "master_key": key, "count": count })
        });
        let stuck = self.stuck.len();
        let rows: Vec<_> = rows.collect();
        json!({ "sealed": rows, "resealed": self.resealed, "stuck": stuck })
    }
}

fn mark(sealed: &Value) -> String {
    mark_of(sealed.as_str().unwrap_or_default())
}

/// Tells one sealed text from another. It is made of the sealed text, which is another each time
/// something is sealed: the same secret set again looks like another one, and nobody can try
/// guesses against it.
fn mark_of(sealed: &str) -> String {
    let hash = Sha256::digest(sealed.as_bytes());
    hash.iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::redacted;
    use switchhook_domain::id::{AppId, ConnectionId};
    use uuid::Uuid;

    fn connection(api_key: &str, secrets: &[&str]) -> Connection {
        Connection {
            id: ConnectionId(Uuid::from_u128(1)),
            app_id: AppId(Uuid::from_u128(2)),
            platform: "dialpad".to_owned(),
            name: "Dialpad".to_owned(),
            hook_id: "the hook id is half a secret".to_owned(),
            config: json!({ "country": "BE" }).as_object().cloned().unwrap(),
            credentials: json!({ "api_key": api_key }).as_object().cloned().unwrap(),
            webhook_secrets: secrets.iter().map(|&text| text.to_owned()).collect(),
            created_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            link: None,
            last_heard_at: None,
        }
    }

    #[test]
    fn that_a_secret_is_another_shows_and_no_secret_does() {
        let before = redacted(&connection("v1.aaa", &["v1.bbb"]).on_record());
        let after = redacted(&connection("v1.ccc", &["v1.ddd", "v1.bbb"]).on_record());
        assert_ne!(before["sealed"], after["sealed"]);
        assert!(
            before["sealed"][0]
                .as_str()
                .unwrap()
                .starts_with("api_key ")
        );
        assert_eq!(before["signed_with"][0], after["signed_with"][1]);
        assert_eq!(before["config"]["country"], "BE");
        for hidden in ["v1.aaa", "v1.bbb", "v1.ccc", "v1.ddd", "half a secret"] {
            assert!(!format!("{before}{after}").contains(hidden), "{hidden}");
        }
    }
}
