//! Signing in at the identity provider: sending the browser there, and taking it back. Whatever
//! goes wrong leads to the page with a word of ours; nothing the provider says is shown.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use switchhook_engine::people::SESSION_MOST;
use switchhook_engine::people::oidc::{OidcError, OidcFault, SIGN_IN_LIFE};

use super::{see_other, set_cookie, visit};
use crate::apps::absolute;
use crate::audit::Trace;
use crate::auth::by_session;
use crate::openapi::errors;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

/// The cookie that binds a sign-in to its browser.
const COOKIE: &str = "switchhook_oidc";
/// Where the provider sends browsers back to.
const CALLBACK: &str = "/sign-in/oidc/callback";
/// The longest parameter that is read, in bytes.
const MAX_VALUE: usize = 4096;

errors!(OidcErrors: [RateLimited, StoreUnavailable, TimedOut, InternalError]);

/// Sign in at the identity provider
///
/// For browsers: leads to the provider. What goes wrong leads to `/?sign_in_error=…`.
#[utoipa::path(
    get, path = "/sign-in/oidc", tag = "Session", operation_id = "begin_oidc_sign_in",
    responses(
        (status = 303, description = "To the provider, or to the page with the reason.",
            headers(
                ("location" = String, description = "Where to go on."),
                ("set-cookie" = String, description = "Binds the sign-in to this browser."),
            )),
        OidcErrors,
    ),
    security(()),
)]
pub(crate) async fn begin(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let redirect_uri = absolute(&shared, &headers, CALLBACK);
    match shared.people.begin_oidc(&redirect_uri).await {
        Ok(begun) => {
            let mut response = see_other(&begun.url);
            bind(
                &shared,
                &mut response,
                &begun.browser,
                SIGN_IN_LIFE.as_secs(),
            );
            Ok(response)
        }
        Err(error) => failed(&error),
    }
}

/// Come back from the identity provider
///
/// Where the provider sends the browser. The sign-in must have begun in the same browser, within
/// ten minutes, and is finished once.
#[utoipa::path(
    get, path = "/sign-in/oidc/callback", tag = "Session", operation_id = "finish_oidc_sign_in",
    params(
        ("state" = Option<String>, Query, description = "What the sign-in began with."),
        ("code" = Option<String>, Query, description = "What the provider gave."),
        ("error" = Option<String>, Query, description = "Why it gave nothing."),
    ),
    responses(
        (status = 303, description = "To the page, signed in or with the reason.",
            headers(
                ("location" = String, description = "`/`, or `/?sign_in_error=…`."),
                ("set-cookie" = String, description = "The session, when signed in."),
            )),
        OidcErrors,
    ),
    security(()),
)]
pub(crate) async fn finish(
    State(shared): State<Shared>,
    trace: Trace,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let signed_in = match returned(&shared, &parts.uri, &parts.headers) {
        Err(error) => Err(error),
        Ok((browser, state, code)) => {
            let redirect_uri = absolute(&shared, &parts.headers, CALLBACK);
            let taken = shared
                .people
                .take_oidc(&browser, &state, &redirect_uri)
                .await;
            match (taken, code) {
                (Err(error), _) => Err(error),
                (Ok(_), None) => Err(OidcFault::Refused.into()),
                (Ok(ask), Some(code)) => {
                    let visit = visit(&parts);
                    shared.people.finish_oidc(&ask, &code, &visit).await
                }
            }
        }
    };
    let mut response = match signed_in {
        Err(error) => {
            if let OidcError::Disabled(app) = &error {
                trace.about(*app);
            }
            failed(&error)?
        }
        Ok(signed_in) => {
            trace.caller(&by_session(&shared, &signed_in.token).await?);
            let mut response = see_other("/");
            let life = SESSION_MOST.as_secs();
            set_cookie(&shared, &mut response, &signed_in.token, life);
            response
        }
    };
    bind(&shared, &mut response, "", 0);
    Ok(response)
}

/// The cookie, the state and the code that came back; a refusal brings no code.
fn returned(
    shared: &Inner,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(String, String, Option<String>), OidcError> {
    if shared.people.oidc().is_none() {
        return Err(OidcError::NotConfigured);
    }
    // Providers add parameters of their own, so what is not known is passed over here.
    let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let one = |name: &str| {
        let mut found = query.iter().filter(|(known, _)| known == name);
        let (first, second) = (found.next(), found.next());
        let value = first.filter(|_| second.is_none()).map(|(_, value)| value);
        value.filter(|value| !value.is_empty() && value.len() <= MAX_VALUE)
    };
    let state = one("state").ok_or(OidcError::State)?;
    let lines = headers.get_all(header::COOKIE).iter();
    let mut cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let browser = cookies.find(|(name, value)| *name == COOKIE && !value.is_empty());
    let (_, browser) = browser.ok_or(OidcError::State)?;
    let code = one("code").filter(|_| one("error").is_none());
    Ok((browser.to_owned(), state.clone(), code.cloned()))
}

fn failed(error: &OidcError) -> Result<Response, Problem> {
    match error {
        OidcError::Store(error) => Err(error.clone().into()),
        error => {
            tracing::info!(%error, "a sign-in at the identity provider came to nothing");
            Ok(see_other(&format!("/?sign_in_error={}", error.word())))
        }
    }
}

fn bind(shared: &Inner, response: &mut Response, value: &str, seconds: i64) {
    let secure = if shared.is_https() { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={value}; Path=/sign-in/oidc; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
