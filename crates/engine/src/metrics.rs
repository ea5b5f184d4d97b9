//! What the server counts. Names are fixed here and nowhere else; labels are types, so that a
//! number or a name of a person can never become one.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

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
}

impl Metrics {
    /// Registers all metrics under the prefix `switchhook`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
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
        metrics
    }
}
