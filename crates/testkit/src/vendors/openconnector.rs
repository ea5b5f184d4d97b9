//! Nextcloud with OpenConnector, as far as its sources are read: by id, or all of them in one list;
//! to nobody without the app password.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answered, Asked, Vendor};

/// Where sources are.
const SOURCES: &str = "/index.php/apps/openconnector/api/sources";

/// The user who may read sources.
pub const USER: &str = "switchhook";
/// Their app password.
pub const PASSWORD: &str = "app-password of Nextcloud";

/// The stand-in.
#[derive(Debug, Default)]
pub struct OpenConnector {
    sources: Mutex<Vec<Value>>,
}

impl OpenConnector {
    /// Replaces all sources. Members that a source always has are filled in.
    pub fn keep(&self, sources: impl IntoIterator<Item = Value>) {
        let whole = |source: Value| {
            let mut whole = json!({
                "id": 1, "uuid": "", "slug": "", "name": "", "isEnabled": true, "location": "",
                "apikey": null, "username": null, "password": null, "secret": null, "jwt": null,
                "authorizationHeader": null, "authenticationConfig": [], "headers": [],
                "configuration": [],
            });
            if let (Some(whole), Value::Object(given)) = (whole.as_object_mut(), source) {
                whole.extend(given);
            }
            whole
        };
        let sources = sources.into_iter().map(whole).collect();
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }
}

#[async_trait]
impl Vendor for OpenConnector {
    async fn answer(&self, asked: &Asked) -> Answered {
        let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        if asked.header("authorization") != Some(basic.as_str()) {
            let message = "Current user is not logged in";
            return Answered::json(401, json!({ "message": message }));
        }
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rest) = asked
            .path
            .strip_prefix(SOURCES)
            .filter(|_| asked.method == "GET")
        else {
            return Answered::empty(404);
        };
        if rest.is_empty() {
            return Answered::json(200, json!({ "results": *sources }));
        }
        let found = rest.strip_prefix('/').and_then(|id| id.parse::<u64>().ok());
        let found = sources.iter().find(|source| source["id"].as_u64() == found);
        match found {
            Some(source) => Answered::json(200, source.clone()),
            None => Answered::json(404, json!({ "error": "Not Found" })),
        }
    }
}
