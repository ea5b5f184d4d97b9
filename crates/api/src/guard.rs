//! Headers that protect whoever reads an answer, on every answer, whoever wrote it. A page sets
//! its own where it needs others (`page`). CORS is put around everything here too, so that a page
//! of a named origin can read refusals as well.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tower::{Layer, ServiceExt};
use tower_http::cors::CorsLayer;

use crate::cors;
use crate::page::POLICY;
use crate::state::ApiConfig;

/// What an answer for programs may do in a browser that shows it: nothing.
const NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
/// Set where nobody set another. Answers are about people and not for caches.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("geolocation=(), camera=(), payment=()"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// What every answer gets, made once.
pub(crate) struct Guard {
    cors: Option<CorsLayer>,
    /// The policy of pages, with the frames the operator allows.
    policy: HeaderValue,
}

impl Guard {
    pub(crate) fn new(config: &ApiConfig) -> Arc<Self> {
        let policy = format!("{POLICY}; frame-ancestors {}", config.frame_ancestors);
        let policy = HeaderValue::from_str(&policy);
        Arc::new(Self {
            cors: cors::layer(&config.cors_origins),
            policy: policy.unwrap_or(NOTHING),
        })
    }

    fn protect(&self, headers: &mut HeaderMap) {
        for (name, value) in HEADERS {
            headers.entry(name).or_insert(value);
        }
        let policy = headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(NOTHING);
        if *policy == POLICY {
            *policy = self.policy.clone();
        }
    }
}

/// The outermost middleware.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let cors = guard.cors.as_ref().filter(|_| cors::concerns(&request));
    let mut response = match cors {
        Some(cors) => match cors.layer(next).oneshot(request).await {
            Ok(response) => response,
            Err(never) => gone(never),
        },
        None => next.run(request).await,
    };
    guard.protect(response.headers_mut());
    response
}

fn gone(never: Infallible) -> Response {
    match never {}
}
