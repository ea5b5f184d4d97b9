//! Where a browser comes back from the platform, with a code or with the reason why there is none.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::Secret;
use switchhook_engine::oauth::sign_in::SignInError;
use utoipa::ToSchema;

use super::{cookie, ready, refused, unknown};
use crate::answer;
use crate::openapi::errors;
use crate::problem::{Code, Problem};
use crate::state::Shared;

/// The longest code or state read.
const MAX_VALUE: usize = 4096;

/// A sign-in that succeeded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connected {
    /// For people.
    #[schema(example = "Dialpad connected")]
    message: String,
    /// The app.
    app_id: AppId,
    /// The connection that is signed in now.
    connection_id: ConnectionId,
    /// This server's environment.
    #[schema(example = "production")]
    environment: String,
}

errors!(CallbackErrors: [
    InvalidParameter, RateLimited, SignInUnknown, SignInRefused, PlatformRefused, AppInactive,
    ConnectionNotFound, InternalError, StoreUnavailable, TimedOut,
]);

/// Come back from a platform
///
/// Where the platform sends the browser: `code` and `state`, or `error`. The sign-in must have
/// begun in the same browser, within ten minutes, and is finished once.
#[utoipa::path(
    get, path = "/auth/{platform}/callback", tag = "Platform sign-in",
    operation_id = "finish_platform_sign_in",
    params(
        ("platform" = String, Path, description = "The platform."),
        ("state" = Option<String>, Query, description = "What the sign-in began with."),
        ("code" = Option<String>, Query, description = "What the platform gave."),
        ("error" = Option<String>, Query, description = "Why it gave nothing."),
    ),
    responses(
        (status = 200, description = "Signed in; a page for browsers, JSON for others.",
            body = Connected),
        CallbackErrors,
    ),
    security(()),
)]
pub(crate) async fn callback(
    State(shared): State<Shared>,
    Path(platform): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Platforms add parameters of their own, so what is not known is passed over here.
    let query = Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .unwrap_or_default()
        .0;
    let one = |name: &str| {
        let found = query.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty() && v.len() <= MAX_VALUE)
    };
    let state = one("state").ok_or_else(|| {
        Problem::parameter("state", "is missing: begin the sign-in from its link")
    })?;
    let returned = shared
        .tokens
        .returned(state, cookie(&headers).as_ref())
        .await;
    let returned = returned.map_err(unknown)?;
    let connection = ready(&shared, returned.app_id, returned.connection_id).await?;
    if !connection.row.platform.eq_ignore_ascii_case(&platform) {
        return Err(unknown(SignInError::UnknownState));
    }
    let title = connection.adapter.spec().title;
    if let Some(error) = one("error") {
        let detail = match error {
            "access_denied" => format!(
                "The sign-in was refused at {title}: nobody agreed. Open the link again and agree."
            ),
            _ => format!(
                "{title} refused the sign-in: compare client id, scopes and redirect address of \
                 the connection with the app at {title}."
            ),
        };
        return Err(Problem::new(Code::SignInRefused, detail));
    }
    let code = one("code").ok_or_else(|| {
        Problem::parameter(
            "code",
            "is missing: the platform brought no authorization code",
        )
    })?;
    let finished = shared
        .tokens
        .finish(&connection, returned, Secret::new(code))
        .await;
    finished.map_err(|error| refused(error, &connection))?;
    // The subscriptions can be made now, and a link that needs the sign-in be opened.
    shared.keeper.nudge(&connection).await?;
    shared.links.try_again(connection.row.id);
    if headers.get(header::ACCEPT).is_some_and(wants_page) {
        return Ok(page(title));
    }
    let connected = Connected {
        message: format!("{title} connected"),
        app_id: connection.app.id,
        connection_id: connection.row.id,
        environment: shared.config.environment.clone(),
    };
    answer::plain(StatusCode::OK, &connected)
}

fn wants_page(accept: &HeaderValue) -> bool {
    accept
        .to_str()
        .is_ok_and(|accept| accept.contains("text/html"))
}

fn page(title: &str) -> Response {
    // The title is the adapter's; a mapped platform's is the administrator's text.
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} connected\
         </title><h1>{title} is connected</h1><p>You can close this window.</p></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    (StatusCode::OK, headers, html).into_response()
}
