//! Apps and their API keys: made, renamed, replaced with an overlap, revoked, switched off.

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};

use super::{Admin, AdminError, checked_country, checked_name};
use crate::access::NewKey;
use crate::rights::Scopes;
use crate::store::{ApiKey, App, StoreError};

/// How long a key that is replaced goes on working when nothing is said.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// The longest such time.
pub const MAX_OVERLAP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The most keys of an app that work at the same time; while keys are being replaced, twice that.
pub const MAX_KEYS: usize = 100;
/// How often the key to be replaced is looked for when others replace it first.
const TRIES: usize = 5;

/// What a new key should be like.
#[derive(Clone, Debug, Default)]
pub struct KeyWish {
    /// What it is called; the name of the key it replaces, or `API key`.
    pub name: Option<String>,
    /// What it may do; as much as the key it replaces, or everything.
    pub scopes: Option<Scopes>,
    /// When it stops working by itself; when the key it replaces would have, or never.
    pub expires_at: Option<Timestamp>,
    /// How long the key it replaces goes on working; [`OVERLAP`] when nothing is said.
    pub overlap: Option<SignedDuration>,
}

/// A key that was made, and the one it replaces as it was before.
#[derive(Debug)]
pub struct Replaced {
    /// The new one.
    pub key: NewKey,
    /// The old one, as it was; `None` when there was none to replace.
    pub old: Option<ApiKey>,
    /// Until when that works.
    pub old_until: Option<Timestamp>,
}

/// What should be different about an app; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct AppChange {
    /// Its name.
    pub name: Option<String>,
    /// How its national numbers are read.
    pub country: Option<String>,
    /// Whether it is switched on.
    pub active: Option<bool>,
}

impl Admin {
    /// Makes a further key.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_key(&self, app: AppId, wish: KeyWish) -> Result<NewKey, AdminError> {
        let app = self.active_app(app).await?;
        self.check_room(&self.store.keys(app.id).await?, MAX_KEYS)?;
        let key = self.wished(app.id, wish, None)?;
        self.store.create_key(&key.row).await?;
        Ok(key)
    }

    /// Makes a key that replaces another, which goes on working for a while.
    ///
    /// # Errors
    /// See [`AdminError`]; a key that no longer works cannot be replaced.
    pub async fn rotate_key(
        &self,
        app: AppId,
        id: KeyId,
        wish: KeyWish,
    ) -> Result<Replaced, AdminError> {
        let app = self.active_app(app).await?;
        let keys = self.store.keys(app.id).await?;
        let old = keys.iter().find(|key| key.id == id);
        let old = old.ok_or(AdminError::NotFound("key"))?.clone();
        self.check_room(&keys, 2 * MAX_KEYS)?;
        if !old.works_at(self.clock.now()) || keys.iter().any(|key| key.replaces == Some(id)) {
            return Err(AdminError::KeyOver);
        }
        match self.replace(app.id, old, wish).await {
            Err(AdminError::Store(StoreError::Conflict(_))) => Err(AdminError::KeyOver),
            other => other,
        }
    }

    /// What an app with one key wants: that key is replaced, or a first one made.
    ///
    /// # Errors
    /// See [`AdminError`]; where several keys work it must be said which one is meant.
    pub async fn create_or_rotate(
        &self,
        app: AppId,
        wish: KeyWish,
    ) -> Result<Replaced, AdminError> {
        let app = self.active_app(app).await?;
        for _ in 0..TRIES {
            let keys = self.store.keys(app.id).await?;
            self.check_room(&keys, 2 * MAX_KEYS)?;
            let mut current = current(&keys, self.clock.now());
            let (old, more) = (current.next(), current.next());
            if more.is_some() {
                let problem = "is required: this app has several keys, say which one to replace";
                return Err(AdminError::invalid("key_id", problem));
            }
            let Some(old) = old.cloned() else {
                let key = self.create_key(app.id, wish).await?;
                return Ok(Replaced {
                    key,
                    old: None,
                    old_until: None,
                });
            };
            match self.replace(app.id, old, wish.clone()).await {
                // Somebody else has just replaced or revoked it.
                Err(AdminError::Store(StoreError::Conflict(_)) | AdminError::NotFound("key")) => {}
                other => return other,
            }
        }
        Err(AdminError::KeyOver)
    }

    async fn replace(
        &self,
        app: AppId,
        old: ApiKey,
        wish: KeyWish,
    ) -> Result<Replaced, AdminError> {
        let overlap = wish.overlap.unwrap_or(OVERLAP);
        if !(SignedDuration::ZERO..=MAX_OVERLAP).contains(&overlap) {
            let problem = format!("must be 0 to {}", MAX_OVERLAP.as_secs());
            return Err(AdminError::invalid("overlap_seconds", problem));
        }
        let key = self.wished(app, wish, Some(&old))?;
        let made = key.row.created_at;
        let until = made.checked_add(overlap).unwrap_or(made);
        self.store.rotate_key(&key.row, until).await?;
        self.gate.forget_cached();
        let old_until = old.expires_at.map_or(until, |at| at.min(until));
        Ok(Replaced {
            key,
            old: Some(old),
            old_until: Some(old_until),
        })
    }

    fn wished(
        &self,
        app: AppId,
        wish: KeyWish,
        old: Option<&ApiKey>,
    ) -> Result<NewKey, AdminError> {
        if wish.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(AdminError::invalid("expires_at", "must be in the future"));
        }
        let scopes = wish.scopes.or(old.map(|old| old.scopes));
        let scopes = scopes.unwrap_or(Scopes::ALL);
        if scopes == Scopes::NONE {
            return Err(AdminError::invalid(
                "scopes",
                "must name at least one scope",
            ));
        }
        let name = wish.name.or(old.map(|old| old.name.clone()));
        let name = checked_name(name.as_deref().unwrap_or("API key"), "name")?;
        let expires_at = wish.expires_at.or(old.and_then(|old| old.expires_at));
        let mut key = self.gate.new_key(app, &name, scopes, expires_at);
        key.row.replaces = old.map(|old| old.id);
        Ok(key)
    }

    fn check_room(&self, keys: &[ApiKey], most: usize) -> Result<(), AdminError> {
        let now = self.clock.now();
        let working = keys.iter().filter(|key| key.works_at(now)).count();
        if working < most {
            Ok(())
        } else {
            Err(AdminError::TooManyKeys)
        }
    }

    /// One key of an app.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn key(&self, app: AppId, id: KeyId) -> Result<ApiKey, AdminError> {
        let found = self.store.key(app, id).await?;
        found.ok_or(AdminError::NotFound("key"))
    }

    /// Gives a key another name, and the key back.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn rename_key(
        &self,
        app: AppId,
        id: KeyId,
        name: &str,
    ) -> Result<ApiKey, AdminError> {
        let name = checked_name(name, "name")?;
        self.store.rename_key(app, id, &name).await?;
        self.key(app, id).await
    }

    /// Revokes a key and says when it was revoked.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn revoke_key(&self, app: AppId, id: KeyId) -> Result<Timestamp, AdminError> {
        let now = self.clock.now();
        self.store.revoke_key(app, id, now).await?;
        self.gate.forget_cached();
        Ok(self.key(app, id).await?.revoked_at.unwrap_or(now))
    }

    /// Revokes every key of an app that works.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn revoke_keys(&self, app: AppId) -> Result<Timestamp, AdminError> {
        let now = self.clock.now();
        for key in self.store.keys(app).await? {
            if key.works_at(now) {
                self.store.revoke_key(app, key.id, now).await?;
            }
        }
        self.gate.forget_cached();
        Ok(now)
    }

    /// Renames an app, switches it off or on.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn change_app(&self, id: AppId, change: AppChange) -> Result<App, AdminError> {
        let _one_at_a_time = self.changing.lock().await;
        let mut app = self.app(id).await?;
        if let Some(name) = change.name {
            app.name = checked_name(&name, "name")?;
        }
        if let Some(country) = change.country {
            app.country = checked_country(&country, "country")?;
        }
        app.active = change.active.unwrap_or(app.active);
        self.store.update_app(&app).await?;
        self.gate.forget_cached();
        self.connections.refresh().await?;
        Ok(app)
    }

    async fn active_app(&self, id: AppId) -> Result<App, AdminError> {
        let app = self.app(id).await?;
        if app.active {
            Ok(app)
        } else {
            Err(AdminError::InactiveApp)
        }
    }
}

/// The keys that work and that nothing replaces.
pub fn current(keys: &[ApiKey], now: Timestamp) -> impl Iterator<Item = &ApiKey> {
    keys.iter().filter(move |key| {
        key.works_at(now) && !keys.iter().any(|other| other.replaces == Some(key.id))
    })
}
