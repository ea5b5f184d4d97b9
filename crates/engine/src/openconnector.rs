//! Secrets that are kept in OpenConnector, an app of Nextcloud: `openconnector:SOURCE` or
//! `openconnector:SOURCE/FIELD` in place of a secret names a source there by id, uuid, slug or
//! name, and one of its fields. They are asked for when connections are read, kept in memory, and
//! stay as they were while Nextcloud is away. Not here: other references (`seal`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::adapter::Secret;
use crate::outbound::{self, Guard, Reach};
use crate::seal::SealError;

/// What such a reference begins with.
const SCHEME: &str = "openconnector:";
/// How long a secret counts before it is asked for again.
const FRESH: Duration = Duration::from_secs(60);
/// How long to wait after a question that was not answered.
const AGAIN: Duration = Duration::from_secs(20);
/// How long a question may take; connections are not read anew meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The fields a secret is looked for in when the reference names none.
const USUAL: [&str; 4] = ["apikey", "password", "secret", "jwt"];

/// Where OpenConnector is, and who asks there.
#[derive(Clone, Debug)]
pub struct Nextcloud {
    /// The address of Nextcloud, without a slash at the end.
    pub url: String,
    /// The user.
    pub username: String,
    /// An app password of that user.
    pub password: Secret,
}

/// Why a source tells no secret.
enum Miss {
    /// It may do so later; what is known counts until then.
    Away(String),
    /// It does not.
    Never(String),
}

struct Held {
    secret: Option<Secret>,
    why: String,
    ask_after: Instant,
}

/// The secrets that are kept there and used here.
pub struct Sources {
    place: Option<Nextcloud>,
    fresh: Duration,
    again: Duration,
    held: RwLock<HashMap<String, Held>>,
}

/// True when a text is such a reference.
#[must_use]
pub fn is_source(text: &str) -> bool {
    text.starts_with(SCHEME)
}

impl Sources {
    /// Secrets of the OpenConnector at this place; none where there is no place.
    #[must_use]
    pub fn new(place: Option<Nextcloud>) -> Self {
        Self {
            place,
            fresh: FRESH,
            again: AGAIN,
            held: RwLock::default(),
        }
    }

    /// The same, asking each time it is told to.
    #[must_use]
    pub fn always_asking(mut self) -> Self {
        (self.fresh, self.again) = (Duration::ZERO, Duration::ZERO);
        self
    }

    /// True when there is a place to ask.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.place.is_some()
    }

    /// Asks for those of these references that are due, each source once, all at the same time.
    pub async fn look_up(&self, references: &BTreeSet<String>, guard: &Guard) {
        let now = Instant::now();
        let due = |reference: &&String| {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            held.get(*reference)
                .is_none_or(|held| held.ask_after <= now)
        };
        let asked: Vec<&String> = references.iter().filter(due).collect();
        let answers = asked.iter().map(|reference| self.ask(reference, guard));
        let answers = join_all(answers).await;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        for (reference, answer) in asked.into_iter().zip(answers) {
            let before = held.remove(reference).and_then(|held| held.secret);
            let (secret, why, wait) = match answer {
                Ok(secret) => (Some(secret), String::new(), self.fresh),
                Err(Miss::Away(why)) => {
                    tracing::warn!(%why, "a secret of OpenConnector could not be read");
                    (before, why, self.again)
                }
                Err(Miss::Never(why)) => (None, why, self.again),
            };
            let ask_after = now + wait;
            held.insert(
                reference.clone(),
                Held {
                    secret,
                    why,
                    ask_after,
                },
            );
        }
    }

    /// The secret of a reference that was looked up.
    ///
    /// # Errors
    /// [`SealError::Reference`] says why there is none.
    pub fn secret(&self, reference: &str) -> Result<Secret, SealError> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let held = held.get(reference);
        let why = || match held {
            Some(held) => held.why.as_str(),
            None if self.is_set() => "it was not asked for yet",
            None => "openconnector.url is not set on this server",
        };
        let secret = held.and_then(|held| held.secret.clone());
        secret.ok_or_else(|| SealError::Reference(format!("{reference}: {}", why())))
    }

    async fn ask(&self, reference: &str, guard: &Guard) -> Result<Secret, Miss> {
        let never = |why: &str| Miss::Never(why.to_owned());
        let name = reference.trim_start_matches(SCHEME);
        let (source, field) = match name.split_once('/') {
            Some((source, field)) => (source, Some(field)),
            None => (name, None),
        };
        if source.is_empty() || field == Some("") {
            return Err(never(
                "write openconnector:SOURCE or openconnector:SOURCE/FIELD",
            ));
        }
        let place = self.place.as_ref();
        let place = place.ok_or_else(|| never("openconnector.url is not set on this server"))?;
        let found = if source.bytes().all(|byte| byte.is_ascii_digit()) {
            read(place, &format!("/{source}"), guard).await?
        } else {
            let all = read(place, "", guard).await?;
            let mut all = all["results"].as_array().into_iter().flatten();
            let named = |known: &&Value| {
                let known = ["uuid", "slug", "name"].map(|name| known[name].as_str());
                known.contains(&Some(source))
            };
            let found = all.find(named).cloned();
            found.ok_or_else(|| never("OpenConnector has no source of that name"))?
        };
        if matches!(&found["isEnabled"], Value::Bool(false)) || found["isEnabled"] == 0 {
            return Err(never("the source is disabled in OpenConnector"));
        }
        secret_of(&found, field).map_err(Miss::Never)
    }
}

async fn read(place: &Nextcloud, path: &str, guard: &Guard) -> Result<Value, Miss> {
    let away = |why: String| Miss::Away(format!("OpenConnector {why}"));
    let url = format!(
        "{}/index.php/apps/openconnector/api/sources{path}",
        place.url
    );
    let url =
        Url::parse(&url).map_err(|_| Miss::Never("openconnector.url is no URL".to_owned()))?;
    // Nextcloud often stands in the same house.
    let request = guard.request(Reach::Pbx, Method::GET, url);
    let request = request.map_err(|error| away(format!("is not called: {error}")))?;
    let request = request
        .basic_auth(&place.username, Some(place.password.expose()))
        .header("accept", "application/json")
        .header("ocs-apirequest", "true")
        .timeout(PATIENCE);
    let unheard = |_| away("does not answer".to_owned());
    let mut response = request.send().await.map_err(unheard)?;
    let status = response.status().as_u16();
    match status {
        200 => {}
        401 | 403 => {
            let why = "refuses openconnector.username and openconnector.password";
            return Err(away(why.to_owned()));
        }
        404 => return Err(Miss::Never("OpenConnector has no such source".to_owned())),
        _ => return Err(away(format!("answers {status}"))),
    }
    let body = outbound::read(&mut response, MAX_ANSWER)
        .await
        .map_err(unheard)?;
    let json = body.and_then(|body| serde_json::from_slice(&body).ok());
    json.ok_or_else(|| away("answers something else than JSON".to_owned()))
}

/// The field of a source; the only usual one that is set when none is named.
fn secret_of(source: &Value, field: Option<&str>) -> Result<Secret, String> {
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(Secret::new(text)),
        Value::Number(number) => Some(Secret::new(number.to_string())),
        _ => None,
    };
    if let Some(field) = field {
        let found = within(source, field).and_then(text);
        return found.ok_or_else(|| "the source has no text in that field".to_owned());
    }
    let mut set = USUAL.iter().filter_map(|name| text(&source[*name]));
    match (set.next(), set.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(format!("the source has none of {}", USUAL.join(", "))),
        _ => Err("the source has several secrets: name one, such as …/apikey".to_owned()),
    }
}

/// A member by its path; names with dots in them are found too.
fn within<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    value.get(path).or_else(|| {
        path.match_indices('.')
            .find_map(|(at, _)| within(value.get(&path[..at])?, &path[at + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_by_its_path() {
        let source = json!({
            "apikey": "a", "password": "", "secret": null, "jwt": null,
            "authenticationConfig": { "client": { "secret": "b" } },
            "configuration": { "headers.Authorization": "c" },
        });
        let found = |field| secret_of(&source, field).map(|s| s.expose().to_owned());
        assert_eq!(found(None).unwrap(), "a");
        assert_eq!(
            found(Some("authenticationConfig.client.secret")).unwrap(),
            "b"
        );
        assert_eq!(
            found(Some("configuration.headers.Authorization")).unwrap(),
            "c"
        );
        assert!(found(Some("password")).is_err() && found(Some("authenticationConfig")).is_err());
        let two = json!({ "apikey": "a", "password": "b" });
        assert!(secret_of(&two, None).unwrap_err().contains("several"));
        assert!(secret_of(&json!({}), None).unwrap_err().contains("none of"));
    }
}
