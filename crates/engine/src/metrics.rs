//! What the server counts. Names are fixed here and nowhere else; labels are types, so that a
//! number or a name of a person can never become one.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::processed::Processed;
use crate::store::StoreLoad;

/// Platform and verdict of a notification.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NotificationLabels {
    /// The platform's name.
    pub platform: &'static str,
    /// `accepted`, `rejected` or `dead`.
    pub verdict: &'static str,
}

/// Type of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// The event's name.
    pub r#type: &'static str,
}

/// Platform of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PlatformLabels {
    /// The platform's name.
    pub platform: &'static str,
}

/// Platform of a dial and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DialLabels {
    /// The platform's name.
    pub platform: &'static str,
    /// `joined`, `refused`, or the cause of the failure
    /// ([`switchhook_domain::dial::DialCause`]).
    pub outcome: &'static str,
}

/// Platform of a command to a call and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControlLabels {
    /// The platform's name.
    pub platform: &'static str,
    /// What was asked for, such as `hold`.
    pub action: &'static str,
    /// `done`, or whose fault it was ([`crate::command::Fault`]).
    pub outcome: &'static str,
}

/// What the connections to the database do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DatabaseLabels {
    /// `idle` or `active`.
    pub state: &'static str,
}

/// Counts the commits of a store.
#[derive(Clone, Debug)]
pub struct CommitMeter {
    /// Writes in one transaction.
    writes: Histogram,
    /// How long it took, in seconds.
    seconds: Histogram,
}

impl Default for CommitMeter {
    fn default() -> Self {
        Self {
            // The most in one is 256.
            writes: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            seconds: seconds(),
        }
    }
}

impl CommitMeter {
    /// Counts one transaction with so many writes.
    pub fn committed(&self, writes: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
        self.writes.observe(writes as f64);
        self.seconds.observe(took.as_secs_f64());
    }
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

/// All metrics. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Notifications taken in.
    pub notifications: Family<NotificationLabels, Counter>,
    /// Events committed.
    pub events: Family<EventLabels, Counter>,
    /// From the last byte of a notification to the commit, in seconds.
    pub intake_seconds: Histogram,
    /// From the commit to the hand-over to the sockets, in seconds.
    pub fanout_seconds: Histogram,
    /// Sockets open.
    pub sockets: Gauge,
    /// Sockets closed because their client was too slow.
    pub slow_clients: Counter,
    /// Live connections that are up.
    pub links_up: Family<PlatformLabels, Gauge>,
    /// Calls somebody asked us to place.
    pub dials: Family<DialLabels, Counter>,
    /// Commands to calls.
    pub controls: Family<ControlLabels, Counter>,
    /// Requests that found the database away.
    pub store_unavailable: Counter,
    /// Connections to the database; see [`StoreLoad`]. These three are as of the last
    /// [`Metrics::show`].
    pub database_connections: Family<DatabaseLabels, Gauge>,
    /// Reads that wait for one.
    pub database_waiting: Gauge,
    /// Writes that are not committed yet.
    pub writes_queued: Gauge,
    /// Commits of the store.
    pub commits: CommitMeter,
    /// What became of notifications, for the predecessor's form.
    pub processed: Processed,
}

impl Metrics {
    /// Registers all metrics under the prefix `switchhook`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            notifications: Family::default(),
            events: Family::default(),
            intake_seconds: seconds(),
            fanout_seconds: seconds(),
            sockets: Gauge::default(),
            slow_clients: Counter::default(),
            links_up: Family::default(),
            dials: Family::default(),
            controls: Family::default(),
            store_unavailable: Counter::default(),
            database_connections: Family::default(),
            database_waiting: Gauge::default(),
            writes_queued: Gauge::default(),
            commits: CommitMeter::default(),
            processed: Processed::default(),
        };
        let r = registry.sub_registry_with_prefix("switchhook");
        r.register(
            "notifications",
            "Notifications taken in",
            metrics.notifications.clone(),
        );
        r.register(
            "events",
            "Events committed to the log",
            metrics.events.clone(),
        );
        r.register(
            "intake_seconds",
            "Time from a received notification to its commit",
            metrics.intake_seconds.clone(),
        );
        r.register(
            "fanout_seconds",
            "Time from the commit of an event to its hand-over to the sockets",
            metrics.fanout_seconds.clone(),
        );
        r.register(
            "sockets",
            "WebSocket connections open",
            metrics.sockets.clone(),
        );
        r.register(
            "slow_clients",
            "WebSocket connections closed because the client was too slow",
            metrics.slow_clients.clone(),
        );
        r.register(
            "links_up",
            "Live platform connections that are up",
            metrics.links_up.clone(),
        );
        r.register(
            "dials",
            "Calls somebody asked us to place, by what came of them",
            metrics.dials.clone(),
        );
        r.register(
            "controls",
            "Commands to calls, by what came of them",
            metrics.controls.clone(),
        );
        r.register(
            "store_unavailable",
            "Requests that found the database away",
            metrics.store_unavailable.clone(),
        );
        metrics.register_database(r);
        metrics
    }

    fn register_database(&self, r: &mut Registry) {
        r.register(
            "database_connections",
            "Connections to the database, or threads that read and write it",
            self.database_connections.clone(),
        );
        r.register(
            "database_waiting",
            "Reads that wait for a connection to the database",
            self.database_waiting.clone(),
        );
        r.register(
            "writes_queued",
            "Writes handed over and not committed yet",
            self.writes_queued.clone(),
        );
        r.register(
            "commit_writes",
            "Writes committed together in one transaction",
            self.commits.writes.clone(),
        );
        r.register(
            "commit_seconds",
            "Time one transaction of the writer took",
            self.commits.seconds.clone(),
        );
    }

    /// Shows how busy the store is now.
    pub fn show(&self, load: StoreLoad) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (state, count) in [("idle", load.idle), ("active", load.active)] {
            let labels = DatabaseLabels { state };
            let connections = self.database_connections.get_or_create(&labels);
            connections.set(gauge(count));
        }
        self.database_waiting.set(gauge(load.waiting));
        self.writes_queued.set(gauge(load.queued));
    }
}
