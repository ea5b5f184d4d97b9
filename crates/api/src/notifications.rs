//! Operators: what platforms sent and what became of it.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::{ConnectionId, NotificationId};
use switchhook_engine::store::Notification;
use utoipa::ToSchema;

use crate::answer;
use crate::apps;
use crate::auth::Operator;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::Shared;

/// The page size when none is asked for.
const DEFAULT_LIMIT: u64 = 20;
/// The largest page.
const MAX_LIMIT: u64 = 100;
/// How much of a body is shown, in bytes.
const MAX_SHOWN: usize = 64 * 1024;

/// What a platform sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationView {
    /// Its id.
    id: NotificationId,
    /// The connection it came through.
    connection_id: ConnectionId,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    received_at: String,
    /// `accepted`, `rejected` (not believed) or `dead` (believed, not understood).
    #[schema(example = "accepted")]
    verdict: &'static str,
    /// Why it was rejected or dead.
    reason: Option<String>,
    /// The platform's own name of the event.
    #[schema(example = "connected")]
    event: Option<String>,
    /// `Content-Type` as received.
    content_type: Option<String>,
    /// SHA-256 of the body, hexadecimal.
    digest: String,
    /// Length of the body in bytes; null when it was not kept.
    size: Option<usize>,
    /// The body as text, up to 64 KiB; null when it was not believed.
    body: Option<String>,
    /// True when the body is longer than what is shown.
    body_truncated: bool,
}

/// A page of notifications.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer")]
pub(crate) struct NotificationPage {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// Newest first.
    data: Vec<NotificationView>,
    /// Where this page lies.
    pagination: Before,
}

/// Where a page of notifications lies.
#[derive(Serialize, ToSchema)]
pub(crate) struct Before {
    /// The most entries of this page.
    limit: u64,
    /// True when there may be more.
    has_more: bool,
    /// Pass this as `before` for older ones.
    next_before: Option<NotificationId>,
}

impl From<Notification> for NotificationView {
    fn from(notification: Notification) -> Self {
        let body = notification.body.as_deref();
        Self {
            id: notification.id,
            connection_id: notification.connection_id,
            received_at: answer::time(notification.received_at),
            verdict: notification.verdict.as_str(),
            reason: notification.reason.clone(),
            event: notification.event.clone(),
            content_type: notification.content_type.clone(),
            digest: notification
                .digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            size: body.map(<[u8]>::len),
            body: body.map(|body| {
                String::from_utf8_lossy(&body[..body.len().min(MAX_SHOWN)]).into_owned()
            }),
            body_truncated: body.is_some_and(|body| body.len() > MAX_SHOWN),
        }
    }
}

errors!(ListErrors: OPERATOR [InvalidId, AppNotFound]);

/// Read the event log of an app's connections
///
/// What platforms sent, newest first, with what became of it.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/notifications", tag = "Operators: connections",
    operation_id = "list_notifications",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 when left out."),
        ("before" = Option<String>, Query,
            description = "Only older than this one: `next_before` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of notifications.", body = NotificationPage),
        ListErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "before"])?;
    let limit = params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
    let before = params.id("before")?.map(NotificationId);
    let app = apps::find(&shared, &app_id).await?;
    let wanted = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = shared.store.notifications(app.id, wanted, before).await?;
    let has_more = found.len() as u64 >= limit;
    let next_before = found.last().map(|last| last.id).filter(|_| has_more);
    let views: Vec<_> = found.into_iter().map(NotificationView::from).collect();
    let page = Before {
        limit,
        has_more,
        next_before,
    };
    let mut response = answer::list(&views, &page)?;
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}
