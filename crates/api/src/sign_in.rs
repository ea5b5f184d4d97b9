//! Signing in by a link that works once, and signing out.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use switchhook_engine::access::SESSION_LIFE;

use crate::audit::Trace;
use crate::auth::{COOKIE, by_session, cross_site, is_same_origin, session_cookie};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

/// Where a link leads that was used or is too old.
pub(crate) const EXPIRED: &str = "/?link=expired";

errors!(SignInErrors: [RateLimited, StoreUnavailable, TimedOut, InternalError]);
errors!(SignOutErrors: [
    InvalidParameter, CrossSiteRequest, StoreUnavailable, TimedOut, InternalError,
]);

/// Sign in by link
///
/// For browsers: takes the one-time token of a sign-in link, sets the session's cookie and leads
/// to the page. A link that was used or is too old leads to the page, which says so.
#[utoipa::path(
    get, path = "/sign-in", tag = "Session", operation_id = "sign_in",
    params(("token" = Option<String>, Query, description = "The token of the link.")),
    responses(
        (status = 303, description = "To the page, signed in or with the reason.",
            headers(
                ("location" = String, description = "`/`, or `/?link=expired`."),
                ("set-cookie" = String, description = "The session, when signed in."),
            )),
        SignInErrors,
    ),
    security(()),
)]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    trace: Trace,
    method: Method,
    uri: Uri,
) -> Result<Response, Problem> {
    // A mistaken link of a browser leads to the page, never to a text for programs.
    let params = Params::read(&uri, &["token"]).ok();
    let token = params
        .as_ref()
        .and_then(|params| params.one("token").ok().flatten());
    // Programs that look at links before people do must not use them up.
    let token = token.filter(|_| method == Method::GET);
    let session = match token {
        Some(token) => shared.gate.sign_in(token).await?,
        None => None,
    };
    let Some(session) = session else {
        return Ok(see_other(EXPIRED));
    };
    trace.caller(&by_session(&shared, &session).await?);
    let mut response = see_other("/");
    set_cookie(&shared, &mut response, &session, SESSION_LIFE.as_secs());
    Ok(response)
}

/// Sign out
///
/// Ends the session of this browser. Its sockets are closed.
#[utoipa::path(
    post, path = "/sign-out", tag = "Session", operation_id = "sign_out",
    responses(
        (status = 204, description = "Signed out, also when nobody was signed in.",
            headers(("set-cookie" = String, description = "Deletes the cookie."))),
        SignOutErrors,
    ),
    security((), ("session" = [])),
)]
pub(crate) async fn sign_out(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    if let Some(token) = session_cookie(&headers) {
        if !is_same_origin(&headers, shared.config.public_url.as_deref()) {
            return Err(cross_site());
        }
        shared.gate.sign_out(token).await?;
        shared.watch.look();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&shared, &mut response, "", 0);
    Ok(response)
}

fn see_other(to: &'static str) -> Response {
    let headers = [
        (header::LOCATION, HeaderValue::from_static(to)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The token must not travel on in the Referer of what the page loads.
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn set_cookie(shared: &Inner, response: &mut Response, value: &str, seconds: i64) {
    let secure = if shared.is_https() { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
