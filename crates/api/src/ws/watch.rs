//! Watches the credentials of open sockets: one look a moment for each credential in use, however
//! many sockets it has. A key that is revoked, a session that ends, an app that is switched off
//! and a server that goes down all reach their sockets from here.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{Store, StoreResult};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::protocol::Close;
use crate::state::ApiState;

/// What a socket was let in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// An API key.
    Key(AppId, KeyId),
    /// A browser's session, by the hash of its token.
    Session(AppId, [u8; 32]),
    /// The token of a panel, by its hash.
    Token(AppId, [u8; 32]),
}

impl Credential {
    fn app(self) -> AppId {
        match self {
            Self::Key(app, _) | Self::Session(app, _) | Self::Token(app, _) => app,
        }
    }
}

/// Tells a socket that its time is over, and why.
pub(crate) type Ticket = watch::Receiver<Option<Close>>;

/// Watches credentials.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    every: Duration,
    look: Notify,
    running: AtomicBool,
    entries: Mutex<HashMap<Credential, watch::Sender<Option<Close>>>>,
}

impl Watch {
    pub(crate) fn new(api: &ApiState) -> Self {
        Self(Arc::new(Inner {
            store: api.store.clone(),
            clock: api.clock.clone(),
            stop: api.stop.clone(),
            every: api.config.ws.watch,
            look: Notify::new(),
            running: AtomicBool::new(false),
            entries: Mutex::default(),
        }))
    }

    /// Watches a credential for one more socket.
    pub(crate) fn enter(&self, credential: Credential) -> Ticket {
        if !self.0.running.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.0.clone().run());
        }
        let mut entries = self.entries();
        let first = self.0.stop.is_cancelled().then_some(Close::GoingAway);
        let sender = entries
            .entry(credential)
            .or_insert_with(|| watch::channel(first).0);
        sender.subscribe()
    }

    /// Looks at once: something was revoked here.
    pub(crate) fn look(&self) {
        self.0.look.notify_one();
    }

    fn entries(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<Credential, watch::Sender<Option<Close>>>> {
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    async fn run(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return self.end_all(),
                () = self.look.notified() => {}
                () = tokio::time::sleep(self.every) => {}
            }
            // The database being away is no reason to send anybody home.
            if let Err(error) = self.check().await {
                tracing::debug!(%error, "cannot check the credentials of open sockets");
            }
        }
    }

    fn end_all(&self) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in entries.values() {
            sender.send_replace(Some(Close::GoingAway));
        }
    }

    async fn check(&self) -> StoreResult<()> {
        let in_use: Vec<Credential> = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.retain(|_, sender| sender.receiver_count() > 0);
            entries.keys().copied().collect()
        };
        if in_use.is_empty() {
            return Ok(());
        }
        let apps = self.store.apps().await?;
        let active: BTreeSet<AppId> = apps
            .into_iter()
            .filter(|app| app.active)
            .map(|app| app.id)
            .collect();
        let with_keys: BTreeSet<AppId> = in_use
            .iter()
            .filter(|credential| matches!(credential, Credential::Key(..)))
            .map(|credential| credential.app())
            .collect();
        let now = self.clock.now();
        let mut good = BTreeSet::new();
        for app in with_keys.intersection(&active) {
            let keys = self.store.keys(*app).await?.into_iter();
            let works = keys.filter(|key| key.works_at(now));
            good.extend(works.map(|key| key.id));
        }
        for credential in in_use {
            let end = if active.contains(&credential.app()) {
                let is_good = match credential {
                    Credential::Key(_, key) => good.contains(&key),
                    Credential::Session(app, hash) => self.stands(app, &hash, now).await?,
                    Credential::Token(_, hash) => {
                        self.store.agent_token(&hash, now).await?.is_some()
                    }
                };
                (!is_good).then_some(Close::Unauthorized)
            } else {
                Some(Close::InactiveApp)
            };
            if end.is_some() {
                let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(sender) = entries.get(&credential) {
                    sender.send_replace(end);
                }
            }
        }
        Ok(())
    }

    /// Whether a session is good still, and the key that minted it, if it is a token.
    async fn stands(&self, app: AppId, hash: &[u8; 32], now: Timestamp) -> StoreResult<bool> {
        let Some(grant) = self.store.session(hash, now).await? else {
            return Ok(false);
        };
        let Some(id) = grant.key_id else {
            return Ok(true);
        };
        let key = self.store.key(app, id).await?;
        Ok(key.is_some_and(|key| key.works_at(now)))
    }
}
