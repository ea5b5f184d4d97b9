//! What the server counts, for Prometheus.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::auth::Operator;
use crate::inherited::{self, Inherited};
use crate::openapi::errors;
use crate::problem::Problem;
use crate::state::Shared;

/// What `prometheus-client` writes.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

errors!(MetricsErrors: OPERATOR []);

/// Metrics
///
/// OpenMetrics text, which Prometheus reads. Under `/dialpad-cti-server` a few numbers as JSON.
#[utoipa::path(
    get, path = "/metrics", tag = "Server", operation_id = "get_metrics",
    responses(
        (status = 200, description = "All metrics.", body = String,
            content_type = "application/openmetrics-text"),
        MetricsErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn metrics(
    State(shared): State<Shared>,
    _: Operator,
    inherited: Option<Extension<Inherited>>,
) -> Result<Response, Problem> {
    if inherited.is_some() {
        return inherited::metrics::json(&shared);
    }
    shared.metrics.show(shared.store.load());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &shared.registry).map_err(|_| {
        tracing::error!("the metrics cannot be written");
        Problem::internal()
    })?;
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
