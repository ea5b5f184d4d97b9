//! How many sockets there are, in all and for each app, and that there are not too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use switchhook_domain::id::AppId;
use switchhook_engine::metrics::Metrics;

use crate::state::WsConfig;

/// Counts sockets.
#[derive(Clone)]
pub(crate) struct Sockets(Arc<Inner>);

struct Inner {
    max: usize,
    max_per_app: usize,
    metrics: Metrics,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_app: HashMap<AppId, usize>,
}

/// The place of one socket; given back when dropped.
pub(crate) struct Place {
    sockets: Sockets,
    app: Option<AppId>,
}

impl Sockets {
    pub(crate) fn new(config: &WsConfig, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            max: config.max_sockets,
            max_per_app: config.max_sockets_per_app,
            metrics,
            counts: Mutex::default(),
        }))
    }

    /// A place for a socket whose app is not known yet. `None` when the process is full.
    pub(crate) fn enter(&self) -> Option<Place> {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.0.max {
            return None;
        }
        counts.all += 1;
        self.0.metrics.sockets.inc();
        Some(Place {
            sockets: self.clone(),
            app: None,
        })
    }
}

impl Sockets {
    /// How many are open, in all and by app; those that have not said whose they are count in
    /// the sum only.
    pub(crate) fn open(&self) -> (usize, Vec<(AppId, usize)>) {
        let counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_app: Vec<_> = counts.by_app.iter().map(|(app, n)| (*app, *n)).collect();
        by_app.sort_unstable();
        (counts.all, by_app)
    }
}

impl Place {
    /// Counts the socket for its app too, once. `false` when the app is full.
    pub(crate) fn belongs_to(&mut self, app: AppId) -> bool {
        if self.app.is_some() {
            return true;
        }
        let inner = &self.sockets.0;
        let mut counts = inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.by_app.entry(app).or_default();
        if *count >= inner.max_per_app {
            return false;
        }
        *count += 1;
        self.app = Some(app);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let inner = &self.sockets.0;
        let mut counts = inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        inner.metrics.sockets.dec();
        let Some(app) = self.app else { return };
        if let Some(count) = counts.by_app.get_mut(&app) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_app.remove(&app);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let config = WsConfig {
            max_sockets: 3,
            max_sockets_per_app: 1,
            ..WsConfig::default()
        };
        let metrics = Metrics::register(&mut Registry::default());
        let sockets = Sockets::new(&config, metrics.clone());
        let app = AppId(Uuid::from_u128(1));
        let mut first = sockets.enter().unwrap();
        assert!(first.belongs_to(app));
        let mut second = sockets.enter().unwrap();
        assert!(!second.belongs_to(app));
        assert!(second.belongs_to(AppId(Uuid::from_u128(2))));
        let third = sockets.enter().unwrap();
        assert!(sockets.enter().is_none());
        assert_eq!(metrics.sockets.get(), 3);
        drop((first, third));
        assert_eq!(metrics.sockets.get(), 1);
        assert!(sockets.enter().unwrap().belongs_to(app));
    }
}
