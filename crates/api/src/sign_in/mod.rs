//! Signing in and out: by a link of the operators (here), by password (`password`), by the links
//! people get (`links`), at an identity provider (`oidc`). Here too: the session's cookie. Whose
//! session it is says [`crate::auth`].

use axum::extract::FromRequestParts;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchhook_domain::id::UserId;
use switchhook_engine::access::SESSION_LIFE;
use switchhook_engine::people::{PeopleError, SESSION_MOST, SignedIn, Visit};
use switchhook_engine::store::Person;
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::{by_session, cookie_name, cross_site, is_same_origin, session_cookie};
use crate::client::Client;
use crate::me::AppName;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

pub(crate) mod links;
pub(crate) mod oidc;
pub(crate) mod password;

/// A person, as they are shown to themselves.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    /// Their id.
    pub(crate) id: UserId,
    /// Their name.
    #[schema(example = "Jan Jansen")]
    pub(crate) name: String,
    /// Their address.
    #[schema(example = "jan@example.nl")]
    pub(crate) email: String,
}

impl From<Person> for Account {
    fn from(person: Person) -> Self {
        Self {
            id: person.id,
            name: person.name,
            email: person.email,
        }
    }
}

/// Somebody has signed in; the session is in the cookie.
#[derive(Serialize, ToSchema)]
pub(crate) struct Welcome {
    /// The app they are in.
    app: AppName,
    /// `admin`, `supervisor`, `agent` or `read_only`.
    #[schema(example = "admin")]
    role: &'static str,
    /// Who they are.
    user: Account,
}

/// Lets somebody in: the cookie, and the sign-in on record as theirs.
async fn welcome(shared: &Inner, trace: &Trace, signed_in: SignedIn) -> Result<Response, Problem> {
    trace.caller(&by_session(shared, &signed_in.token).await?);
    let welcome = Welcome {
        app: AppName {
            id: signed_in.app.id,
            name: signed_in.app.name,
        },
        role: signed_in.person.role.as_str(),
        user: signed_in.person.into(),
    };
    let mut response = answer::one(StatusCode::OK, &welcome)?;
    set_cookie(
        shared,
        &mut response,
        &signed_in.token,
        SESSION_MOST.as_secs(),
    );
    Ok(response)
}

/// Why somebody was not let in, put on record where it is known whose account it is about.
fn refused(trace: &Trace, error: PeopleError) -> Problem {
    if let PeopleError::Refused(Some((app, user))) = &error {
        trace.suspect(*app, *user);
    }
    error.into()
}

/// What the browser says of itself, and where it is.
impl FromRequestParts<Shared> for Visited {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let foreign = ["sec-fetch-site", "origin"]
            .iter()
            .any(|name| parts.headers.contains_key(*name))
            && !is_same_origin(&parts.headers, shared.config.public_url.as_deref());
        // Nobody is signed in by another site's page. Programs send neither header.
        if foreign {
            return Err(cross_site());
        }
        Ok(Self(visit(parts)))
    }
}

/// Where a sign-in comes from; pages of other sites are refused.
pub(crate) struct Visited(pub(crate) Visit);

/// Where a request comes from.
pub(crate) fn visit(parts: &Parts) -> Visit {
    let client = parts.extensions.get::<Client>();
    let address = client.and_then(|client| client.address);
    let browser = parts.headers.get(header::USER_AGENT);
    let browser = browser.and_then(|value| value.to_str().ok());
    Visit {
        address: address.map(|address| address.to_string()),
        browser: browser.map(str::to_owned),
    }
}

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
    trace: Trace,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    if let Some(token) = session_cookie(&headers, shared.is_https()) {
        if !is_same_origin(&headers, shared.config.public_url.as_deref()) {
            return Err(cross_site());
        }
        // A session that was over already is nobody's, and no entry.
        if let Ok(caller) = by_session(&shared, token).await {
            trace.caller(&caller);
        }
        shared.gate.sign_out(token).await?;
        shared.watch.look();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&shared, &mut response, "", 0);
    Ok(response)
}

fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    let headers = [
        (header::LOCATION, to),
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
    let name = cookie_name(shared.is_https());
    let cookie =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
