//! What the predecessor's documents promise to be measured: `GET /metrics` as JSON under the base
//! path, and the sockets of each app. Our own metrics are OpenMetrics, in [`crate::metrics`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::AppId;
use utoipa::ToSchema;

use crate::answer;
use crate::auth::Operator;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::One;
use crate::state::{Inner, Shared};

/// Requests since the start.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    all: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
}

impl Requests {
    /// Counts one that was answered with this status after that time.
    pub(crate) fn count(&self, status: u16, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.all.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        if status >= 500 {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Serialize)]
struct Memory {
    heap_used_mb: u64,
    heap_total_mb: u64,
    external_mb: u64,
}

#[derive(Serialize)]
struct InheritedMetrics {
    timestamp: String,
    memory: Memory,
    uptime_seconds: f64,
    memory_usage_mb: u64,
    active_connections: usize,
    total_requests: u64,
    error_rate: f64,
    avg_response_time_ms: f64,
    database_connection_pool: Pool,
    event_processor: EventProcessor,
}

/// Connections to the database; on SQLite the threads that read and write.
#[derive(Serialize)]
struct Pool {
    idle: usize,
    active: usize,
    waiting: usize,
}

/// Events are taken in as they arrive; what can queue is their commit.
#[derive(Serialize)]
struct EventProcessor {
    processed_last_minute: u64,
    queue_length: usize,
    error_count: u64,
    avg_processing_time_ms: f64,
}

/// The metrics in the predecessor's form.
pub(crate) fn json(shared: &Inner) -> Result<Response, Problem> {
    let now = shared.clock.now();
    let uptime = now.duration_since(shared.config.started_at).as_secs_f64();
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let all = read(&shared.requests.all);
    #[expect(
        clippy::cast_precision_loss,
        reason = "averages of counts far below 2^52"
    )]
    let per_request = |count: u64| count as f64 / all.max(1) as f64;
    let (used, total) = memory();
    let load = shared.store.load();
    let processed = &shared.metrics.processed;
    let metrics = InheritedMetrics {
        timestamp: answer::time(now),
        // There is no managed heap: resident memory, its highest, and nothing outside it.
        memory: Memory {
            heap_used_mb: used,
            heap_total_mb: total,
            external_mb: 0,
        },
        uptime_seconds: uptime.max(0.0),
        memory_usage_mb: used,
        active_connections: shared.counts.open().0,
        total_requests: all,
        error_rate: per_request(read(&shared.requests.failed)),
        avg_response_time_ms: per_request(read(&shared.requests.micros)) / 1000.0,
        database_connection_pool: Pool {
            idle: load.idle,
            active: load.active,
            waiting: load.waiting,
        },
        event_processor: EventProcessor {
            processed_last_minute: processed.last_minute(now),
            queue_length: load.queued,
            error_count: processed.failed(),
            avg_processing_time_ms: processed.average_ms(),
        },
    };
    answer::plain(StatusCode::OK, &metrics)
}

/// Resident memory and the most there ever was, in MiB; 0 where the system does not say.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let mib = |name: &str| kib(name).map_or(0, |kib| kib.div_ceil(1024));
    (mib("VmRSS:"), mib("VmHWM:"))
}

/// Open sockets.
#[derive(Serialize, ToSchema)]
pub(crate) struct SocketStats {
    /// Open in this process, those that have not said whose they are included.
    #[schema(example = 12)]
    total_connections: usize,
    /// The most this process takes.
    max_connections: usize,
    /// The most one app may have.
    max_connections_per_app: usize,
    /// The apps that have any.
    apps: Vec<AppSockets>,
}

/// Open sockets of one app.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppSockets {
    /// The app.
    app_id: AppId,
    /// How many.
    #[schema(example = 3)]
    connections: usize,
}

errors!(StatsErrors: OPERATOR []);

/// Count WebSocket connections
///
/// Of this process.
#[utoipa::path(
    get, path = "/internal/monitoring/websocket/stats", tag = "Server",
    operation_id = "get_websocket_stats",
    responses((status = 200, description = "How many are open.", body = One<SocketStats>),
        StatsErrors),
    security(("operator" = [])),
)]
pub(crate) async fn sockets(
    State(shared): State<Shared>,
    _: Operator,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let (total_connections, by_app) = shared.counts.open();
    let apps = by_app.into_iter().map(|(app_id, connections)| AppSockets {
        app_id,
        connections,
    });
    let stats = SocketStats {
        total_connections,
        max_connections: shared.config.ws.max_sockets,
        max_connections_per_app: shared.config.ws.max_sockets_per_app,
        apps: apps.collect(),
    };
    answer::one(StatusCode::OK, &stats)
}
