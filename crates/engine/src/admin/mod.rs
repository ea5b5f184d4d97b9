//! Setting things up: apps, keys and connections. Used by the operator routes and the command
//! line alike, so that both say the same and check the same. Changing a connection that is there
//! is in the child module `change`, everything about keys in `keys`.

mod change;
mod keys;

use std::sync::Arc;

use reqwest::Url;
use serde_json::{Map, Value};
use switchhook_domain::id::{AppId, ConnectionId, IdMint};
use switchhook_domain::phone::NumberPlan;

use crate::access::{Gate, NewKey};
use crate::adapter::{Adapter, ConfigField, DecodeError, FieldKind, Secret};
use crate::connections::{Connections, place};
use crate::outbound::Reach;
use crate::ports::{Clock, Entropy};
use crate::references::{FORMS, is_reference};
use crate::rights::Scopes;
use crate::seal::random_text;
use crate::store::{App, Connection, Store, StoreError};

pub use self::change::{Change, Rotated};
pub use self::keys::{AppChange, KeyWish, MAX_KEYS, MAX_OVERLAP, OVERLAP, Replaced, current};

/// The longest name of anything.
pub const MAX_NAME: usize = 200;
/// The shortest webhook secret.
const MIN_SECRET: usize = 8;
/// The longest text setting.
pub const MAX_SETTING: usize = 4096;

/// Why something could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// A value is missing or wrong.
    #[error("`{field}` {problem}")]
    Invalid {
        /// Path of the field.
        field: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// There is no such app, key or connection.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The app is switched off.
    #[error("the app is not active")]
    InactiveApp,
    /// The key no longer works, or has been replaced already.
    #[error("the key no longer works or has been replaced already")]
    KeyOver,
    /// The app has as many keys that work as it may have.
    #[error("the app has {MAX_KEYS} keys that work already; revoke one first")]
    TooManyKeys,
    /// The database is away or refused.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::NotFound(what),
            other => Self::Store(other),
        }
    }
}

impl AdminError {
    fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// A new connection as asked for.
#[derive(Clone, Debug, Default)]
pub struct NewConnection {
    /// The platform's name.
    pub platform: String,
    /// What the administrator calls it.
    pub name: String,
    /// Settings and credentials together, as the platform's spec names them.
    pub config: Map<String, Value>,
    /// Secret the platform signs with; generated when absent.
    pub webhook_secret: Option<String>,
}

/// A connection that was made: the only time its secret is shown.
#[derive(Debug)]
pub struct CreatedConnection {
    /// The row.
    pub row: Connection,
    /// The webhook secret, when it was made up here: who gave one knows it.
    pub webhook_secret: Option<String>,
}

/// Settings that fit the platform's spec, with the secrets among them sealed and set apart.
#[derive(Default)]
struct CheckedConfig {
    config: Map<String, Value>,
    credentials: Map<String, Value>,
}

/// Setting things up.
#[derive(Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    connections: Arc<Connections>,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// One change of a connection at a time: it is read, changed and written back.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Wires it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        connections: Arc<Connections>,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            store,
            connections,
            gate,
            clock,
            entropy,
            changing: Arc::default(),
        }
    }

    fn mint(&self) -> IdMint {
        IdMint::new(self.clock.now(), self.entropy.random())
    }

    /// Makes an app and its first key.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_app(
        &self,
        name: &str,
        country: Option<&str>,
    ) -> Result<(App, NewKey), AdminError> {
        let name = checked_name(name, "name")?;
        let country = checked_country(country.unwrap_or("NL"), "country")?;
        let mint = self.mint();
        let app = App {
            id: AppId(mint.uuid()),
            name,
            country,
            active: true,
            epoch: mint.uuid(),
            created_at: self.clock.now(),
        };
        self.store.create_app(&app).await?;
        let key = self.gate.new_key(app.id, "first key", Scopes::ALL, None);
        self.store.create_key(&key.row).await?;
        Ok((app, key))
    }

    /// The app, or why there is none.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn app(&self, id: AppId) -> Result<App, AdminError> {
        self.store.app(id).await?.ok_or(AdminError::NotFound("app"))
    }

    /// Makes a connection: settings are checked against the platform's spec, secrets sealed.
    ///
    /// # Errors
    /// See [`AdminError`]; nothing is stored then.
    pub async fn create_connection(
        &self,
        app: AppId,
        new: NewConnection,
    ) -> Result<CreatedConnection, AdminError> {
        let app = self.app(app).await?;
        self.look_up(&new.config, new.webhook_secret.as_deref())
            .await;
        let Some(adapter) = self.connections.platforms().get(&new.platform) else {
            let known: Vec<_> = self
                .connections
                .platforms()
                .all()
                .iter()
                .map(|a| a.spec().platform)
                .collect();
            let problem = format!("must be one of {}", known.join(", "));
            return Err(AdminError::invalid("platform", problem));
        };
        let spec = adapter.spec();
        let name = if new.name.trim().is_empty() {
            spec.title.to_owned()
        } else {
            new.name.clone()
        };
        let name = checked_name(&name, "name")?;
        let id = ConnectionId(self.mint().uuid());
        let CheckedConfig {
            config,
            credentials,
        } = self.checked_config(app.id, id, &*adapter, CheckedConfig::default(), new.config)?;
        let given = new.webhook_secret;
        let given = given
            .map(|secret| self.checked_secret(secret))
            .transpose()?;
        let made = given.is_none().then(|| random_text(&*self.entropy, 32));
        let secret = given.or_else(|| made.clone()).unwrap_or_default();
        let row = Connection {
            id,
            app_id: app.id,
            platform: spec.platform.to_owned(),
            name,
            hook_id: random_text(&*self.entropy, 24),
            config,
            credentials,
            webhook_secrets: vec![self.seal(app.id, id, "webhook_secret", &secret)],
            created_at: self.clock.now(),
            link: None,
            last_heard_at: None,
        };
        self.checked_by_adapter(app, &row)?;
        self.store.create_connection(&row).await?;
        self.connections.refresh().await?;
        Ok(CreatedConnection {
            row,
            webhook_secret: made,
        })
    }

    /// Deletes a connection; its calls stay.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn delete_connection(&self, app: AppId, id: ConnectionId) -> Result<(), AdminError> {
        self.store.delete_connection(app, id).await?;
        self.connections.refresh().await?;
        Ok(())
    }

    /// Asks OpenConnector for what is given by reference to it, so that the checks find it.
    async fn look_up(&self, config: &Map<String, Value>, secret: Option<&str>) {
        let given = config.values().filter_map(Value::as_str).chain(secret);
        let given: Vec<String> = given.map(str::to_owned).collect();
        self.connections.look_up(given).await;
    }

    fn checked_secret(&self, secret: String) -> Result<String, AdminError> {
        if is_reference(&secret) {
            let opened = self.connections.resolve(&Secret::new(secret.as_str()));
            let opened =
                opened.map_err(|error| AdminError::invalid("webhook_secret", error.to_string()))?;
            if opened.expose().chars().count() < MIN_SECRET {
                let problem = format!("refers to a secret of less than {MIN_SECRET} characters");
                return Err(AdminError::invalid("webhook_secret", problem));
            }
            return Ok(secret);
        }
        if !(MIN_SECRET..=MAX_SETTING).contains(&secret.chars().count()) {
            let problem = format!("must be at least {MIN_SECRET} characters, or {FORMS}");
            return Err(AdminError::invalid("webhook_secret", problem));
        }
        Ok(secret)
    }

    fn seal(&self, app: AppId, id: ConnectionId, field: &str, secret: &str) -> String {
        let secret = Secret::new(secret);
        self.connections
            .keys()
            .seal(&secret, &place(app, id, field), &*self.entropy)
    }

    /// What the spec cannot say is checked by the adapter itself.
    fn checked_by_adapter(&self, app: App, row: &Connection) -> Result<(), AdminError> {
        let Some(ready) = self.connections.prepare(Arc::new(app), row.clone()) else {
            return Ok(());
        };
        let checked = ready.adapter.check_config(&ready.context);
        checked.map_err(|error| match error {
            DecodeError::Field { field, problem } => {
                AdminError::invalid(format!("config.{field}"), problem)
            }
            other => AdminError::invalid("config", other.to_string()),
        })
    }

    /// An address that can only lead where nothing is called is refused now; a name is judged
    /// whenever it is dialled.
    fn checked_address(
        &self,
        field: &ConfigField,
        value: &Value,
        path: &str,
    ) -> Result<(), AdminError> {
        let text = value.as_str().unwrap_or_default();
        let outbound = self.connections.outbound();
        let url = |reach| match Url::parse(text) {
            Ok(url) => outbound.check(reach, &url),
            // What is no address at all is for the adapter to refuse.
            Err(_) => Ok(()),
        };
        let checked = match field.kind {
            FieldKind::Url => url(Reach::Cloud),
            FieldKind::PbxUrl => url(Reach::Pbx),
            FieldKind::PbxHost => outbound.check_host(Reach::Pbx, text),
            FieldKind::Text
            | FieldKind::Secret
            | FieldKind::Integer
            | FieldKind::Boolean
            | FieldKind::Choice(_)
            | FieldKind::List => Ok(()),
        };
        checked.map_err(|refused| AdminError::invalid(path, refused.to_string()))
    }

    /// What was set before with what is given now: a member replaces, null takes away.
    fn checked_config(
        &self,
        app: AppId,
        id: ConnectionId,
        adapter: &dyn Adapter,
        before: CheckedConfig,
        given: Map<String, Value>,
    ) -> Result<CheckedConfig, AdminError> {
        let fields = adapter.spec().config;
        let CheckedConfig {
            mut config,
            mut credentials,
        } = before;
        for (name, value) in given {
            let path = format!("config.{name}");
            // A mapping may have made a secret of what was none, or have dropped it: what is set
            // anew stands in one place only.
            let was = [config.remove(&name), credentials.remove(&name)];
            if value.is_null() && (was.iter().any(Option::is_some) || name == "country") {
                continue;
            }
            if name == "country" {
                let country = value.as_str().unwrap_or_default();
                config.insert(name, checked_country(country, &path)?.into());
                continue;
            }
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let known: Vec<_> = fields.iter().map(|field| field.name).collect();
                let problem = format!(
                    "is not a setting of {}; known: {}",
                    adapter.spec().title,
                    known.join(", ")
                );
                return Err(AdminError::invalid(path, problem));
            };
            if value.is_null() {
                continue;
            }
            let value = checked_value(field, value, &path)?;
            self.checked_address(field, &value, &path)?;
            if field.kind == FieldKind::Secret {
                let secret = value.as_str().unwrap_or_default();
                let opened = self.connections.resolve(&Secret::new(secret));
                opened.map_err(|error| AdminError::invalid(path, error.to_string()))?;
                credentials.insert(name.clone(), self.seal(app, id, &name, secret).into());
            } else {
                config.insert(name, value);
            }
        }
        for field in fields
            .iter()
            .filter(|field| field.required && field.default.is_none())
        {
            if !config.contains_key(field.name) && !credentials.contains_key(field.name) {
                let problem = format!("is required: {}", field.help);
                return Err(AdminError::invalid(
                    format!("config.{}", field.name),
                    problem,
                ));
            }
        }
        Ok(CheckedConfig {
            config,
            credentials,
        })
    }
}

fn checked_name(name: &str, field: &str) -> Result<String, AdminError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(AdminError::invalid(field, "must not be empty"));
    }
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let problem = format!("must be at most {MAX_NAME} characters without control characters");
        return Err(AdminError::invalid(field, problem));
    }
    Ok(name.to_owned())
}

fn checked_country(country: &str, field: &str) -> Result<String, AdminError> {
    NumberPlan::for_country(country)
        .map(|plan| plan.country)
        .ok_or_else(|| {
            AdminError::invalid(field, "must be a two-letter country code such as NL or BE")
        })
}

fn checked_value(field: &ConfigField, value: Value, path: &str) -> Result<Value, AdminError> {
    let text = |value: &Value| match value {
        Value::String(text) if text.len() <= MAX_SETTING => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let wrong = |what: &str| AdminError::invalid(path, format!("must be {what}; {}", field.help));
    match field.kind {
        FieldKind::Text | FieldKind::PbxHost | FieldKind::Secret => {
            let text = text(&value).filter(|text| !text.is_empty());
            text.map(Value::from).ok_or_else(|| wrong("a text"))
        }
        FieldKind::Url | FieldKind::PbxUrl => {
            let schemes = ["http://", "https://", "ws://", "wss://"];
            let url = text(&value).filter(|url| schemes.iter().any(|s| url.starts_with(s)));
            url.map(Value::from).ok_or_else(|| wrong("a URL"))
        }
        FieldKind::Integer => match &value {
            Value::Number(number) if number.is_i64() => Ok(value),
            Value::String(text) => {
                let number = text
                    .trim()
                    .parse::<i64>()
                    .map_err(|_| wrong("a whole number"))?;
                Ok(number.into())
            }
            _ => Err(wrong("a whole number")),
        },
        FieldKind::Boolean => match &value {
            Value::Bool(_) => Ok(value),
            Value::String(text) if text == "true" => Ok(true.into()),
            Value::String(text) if text == "false" => Ok(false.into()),
            _ => Err(wrong("true or false")),
        },
        FieldKind::Choice(words) => {
            let word = text(&value).filter(|text| words.contains(&text.as_str()));
            word.map(Value::from)
                .ok_or_else(|| wrong(&format!("one of {}", words.join(", "))))
        }
        FieldKind::List => {
            let items = match value {
                Value::Array(items) => items.iter().map(text).collect::<Option<Vec<_>>>(),
                Value::String(ref lines) => Some(
                    lines
                        .split([',', '\n'])
                        .map(|line| line.trim().to_owned())
                        .collect(),
                ),
                _ => None,
            };
            let items = items.filter(|items| items.len() <= 1000);
            let items = items.map(|items| items.into_iter().filter(|i| !i.is_empty()));
            items
                .map(|items| items.collect())
                .ok_or_else(|| wrong("a list of texts"))
        }
    }
}
