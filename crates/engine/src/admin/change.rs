//! Changing a connection that is there: its name, its settings, its webhook secret. Its platform,
//! its webhook address and its calls stay. What is refused leaves everything as it was.

use serde_json::{Map, Value};
use switchhook_domain::id::{AppId, ConnectionId};

use super::{Admin, AdminError, CheckedConfig, checked_name};
use crate::connections::place;
use crate::seal::random_text;
use crate::store::{App, Connection};

/// What should be otherwise about a connection; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What the administrator calls it.
    pub name: Option<String>,
    /// Settings and credentials together, as the platform's spec names them: a member replaces
    /// the one of its name, null takes it away.
    pub config: Map<String, Value>,
    /// The one secret the platform signs with from now on.
    pub webhook_secret: Option<String>,
}

/// A connection with another webhook secret: the only time a generated one is shown.
#[derive(Debug)]
pub struct Rotated {
    /// The row.
    pub row: Connection,
    /// The new secret, when it was made here.
    pub webhook_secret: Option<String>,
}

impl Admin {
    /// Changes a connection, with the checks of its creation, and returns it as it is then. A
    /// webhook secret that is given here is the only one believed from then on;
    /// [`Self::rotate_webhook_secret`] lets the former be believed too.
    ///
    /// # Errors
    /// See [`AdminError`]; nothing is changed then.
    pub async fn update_connection(
        &self,
        app: AppId,
        id: ConnectionId,
        change: Change,
    ) -> Result<Connection, AdminError> {
        let _turn = self.changing.lock().await;
        let (app, before) = self.app_and_connection(app, id).await?;
        self.look_up(&change.config, change.webhook_secret.as_deref())
            .await;
        let mut row = before.clone();
        if let Some(name) = &change.name {
            row.name = checked_name(name, "name")?;
        }
        if !change.config.is_empty() {
            let platform = &before.platform;
            let Some(adapter) = self.connections.platforms().get(platform) else {
                let problem = format!(
                    "cannot be checked: this server does not speak {platform}; bring its mapping \
                     back first"
                );
                return Err(AdminError::invalid("config", problem));
            };
            let known = CheckedConfig {
                config: before.config.clone(),
                credentials: before.credentials.clone(),
            };
            let checked = self.checked_config(app.id, id, &*adapter, known, change.config)?;
            (row.config, row.credentials) = (checked.config, checked.credentials);
        }
        if let Some(secret) = change.webhook_secret {
            let secret = self.checked_secret(secret)?;
            row.webhook_secrets = self.secrets_with(&before, &secret, false);
        }
        if row.config != before.config || row.credentials != before.credentials {
            self.checked_by_adapter(app, &row)?;
        }
        self.keep_changed(&before, row).await
    }

    /// Gives a connection a new webhook secret, a generated one when none is given. The former is
    /// believed as well until the next rotation, unless `keep_old` is false. Giving the present
    /// secret again changes nothing, or with `keep_old` false ends a rotation.
    ///
    /// # Errors
    /// See [`AdminError`]; nothing is changed then.
    pub async fn rotate_webhook_secret(
        &self,
        app: AppId,
        id: ConnectionId,
        secret: Option<String>,
        keep_old: bool,
    ) -> Result<Rotated, AdminError> {
        let _turn = self.changing.lock().await;
        let (_, before) = self.app_and_connection(app, id).await?;
        self.look_up(&Map::new(), secret.as_deref()).await;
        let generated = secret.is_none();
        let secret = match secret {
            Some(secret) => self.checked_secret(secret)?,
            None => random_text(&*self.entropy, 32),
        };
        let mut row = before.clone();
        row.webhook_secrets = self.secrets_with(&before, &secret, keep_old);
        let row = self.keep_changed(&before, row).await?;
        Ok(Rotated {
            row,
            webhook_secret: generated.then_some(secret),
        })
    }

    async fn app_and_connection(
        &self,
        app: AppId,
        id: ConnectionId,
    ) -> Result<(App, Connection), AdminError> {
        let app = self.app(app).await?;
        let row = self.store.connection(app.id, id).await?;
        Ok((app, row.ok_or(AdminError::NotFound("connection"))?))
    }

    /// The sealed secrets of a connection once this is the newest: two at most.
    fn secrets_with(&self, before: &Connection, secret: &str, keep_old: bool) -> Vec<String> {
        let (app, id) = (before.app_id, before.id);
        let place = place(app, id, "webhook_secret");
        let present = before.webhook_secrets.first();
        let keys = self.connections.keys();
        let opened = present.and_then(|sealed| keys.open(sealed, &place).ok());
        // A request that is sent again must not push out the secret that is still in use.
        let again = opened.is_some_and(|opened| opened.expose() == secret);
        match (present, again, keep_old) {
            (_, true, true) => before.webhook_secrets.clone(),
            (Some(present), true, false) => vec![present.clone()],
            (present, _, _) => {
                let new = self.seal(app, id, "webhook_secret", secret);
                let former = present.filter(|_| keep_old).cloned();
                [Some(new), former].into_iter().flatten().collect()
            }
        }
    }

    async fn keep_changed(
        &self,
        before: &Connection,
        row: Connection,
    ) -> Result<Connection, AdminError> {
        if !row.is_set_up_as(before) {
            self.store.update_connection(&row).await?;
            self.connections.refresh().await?;
        }
        Ok(row)
    }
}
