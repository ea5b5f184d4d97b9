//! What every request passes through: its id, its limits, its deadline, and the one place where
//! errors are written, so that a framework's rejection looks like every other answer.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::audit::Witness;
use crate::client::{Client, insist, remember_https};
use crate::inherited::{Inherited, in_its_words};
use crate::limits::pass::Pass;
use crate::problem::{Carried, Code, Problem};
use crate::state::{Inner, Shared};

/// The longest path with query, in bytes.
const MAX_URI: usize = 8 * 1024;
/// The largest headers, in bytes.
const MAX_HEADERS: usize = 32 * 1024;
/// The longest request id taken over from the client.
const MAX_REQUEST_ID: usize = 64;
/// The header of the request id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware around all routes.
pub(crate) async fn outer(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&shared, request.headers());
    let method = request.method().clone();
    let is_hook = request.uri().path().starts_with("/webhooks/");
    // The template, never the path itself: paths hold hook ids, queries hold keys.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let inherited = request
        .extensions()
        .get::<Inherited>()
        .map(|_| request.uri().path().to_owned());
    let client = Client::of(&request, &shared.config);
    request.extensions_mut().insert(client);
    let witness = Witness::new(&mut request, client, &id);
    let pass = Pass::new(&mut request, client, &shared.config);
    let refused = too_large(&request)
        .or_else(|| insist(&request, client, &shared.config))
        .or_else(|| pass.at_the_door(&shared.limits));
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => bounded(shared.config.timeout, request, next).await,
    };
    pass.note(&shared.limits, &response);
    response = witness.record(&shared, response).await;
    let mut pushed_back = false;
    if let Some(Carried(problem)) = response.extensions_mut().remove::<Carried>() {
        let problem = match &inherited {
            Some(path) => in_its_words(problem, path),
            None => problem,
        };
        pushed_back = problem.code() == Code::BacklogFull;
        response = merged(problem.write(&id), &response);
    } else if is_bare_error(&response) {
        let problem = from_framework(&response, is_hook);
        response = merged(problem.write(&id), &response);
    }
    remember_https(&mut response, client, &shared.config);
    pass.tell(&mut response);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let status = response.status().as_u16();
    let took = started.elapsed();
    shared.requests.count(status, took);
    // What is only told to come again is no failure, and a flood must not buy log lines.
    if status >= 500 && !pushed_back {
        tracing::warn!(request.id = %id, %method, route, status, ?took, "request failed");
    } else {
        tracing::debug!(request.id = %id, %method, route, status, ?took, "request");
    }
    response
}

/// The answer of what comes further in, or one of our own when that panics or takes longer.
pub(crate) async fn bounded(limit: Duration, request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a handler panicked; the request was answered 500");
            Problem::internal().into_response()
        }
        Err(_) => {
            let detail = "The server could not finish in time. Read the state, then try again.";
            Problem::new(Code::TimedOut, detail).into_response()
        }
    }
}

fn request_id(shared: &Inner, headers: &HeaderMap) -> String {
    let given = headers
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match given.filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(fits)) {
        Some(given) => given.to_owned(),
        None => shared.mint().uuid().to_string(),
    }
}

fn too_large(request: &Request) -> Option<Problem> {
    let uri = request.uri();
    let length = uri.path().len() + uri.query().map_or(0, str::len);
    if length > MAX_URI {
        let detail = format!("The address has {length} bytes; at most {MAX_URI} are taken.");
        return Some(Problem::new(Code::UriTooLong, detail));
    }
    let size: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    (size > MAX_HEADERS).then(|| {
        let detail = format!("The headers have {size} bytes; at most {MAX_HEADERS} are taken.");
        Problem::new(Code::HeadersTooLarge, detail)
    })
}

/// An error that no handler of ours wrote.
fn is_bare_error(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|kind| kind != "application/problem+json" && kind != "application/json")
}

fn from_framework(response: &Response, is_hook: bool) -> Problem {
    let status = response.status();
    let allow = response.headers().get(header::ALLOW).cloned();
    let problem = match status {
        StatusCode::NOT_FOUND => {
            let detail = "There is no such route. All routes are listed at /docs.";
            Problem::new(Code::RouteNotFound, detail)
        }
        StatusCode::METHOD_NOT_ALLOWED if is_hook => {
            let detail = "This is a webhook address: platforms post to it. Enter it in the \
                          platform's webhook settings; opening it in a browser does nothing.";
            Problem::new(Code::MethodNotAllowed, detail)
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = allow
                .as_ref()
                .and_then(|allow| allow.to_str().ok())
                .unwrap_or("none");
            Problem::new(
                Code::MethodNotAllowed,
                format!("This route does not take this method. Allowed: {allowed}."),
            )
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            Code::BodyTooLarge,
            "The body is larger than this route takes.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            Code::UnsupportedContentType,
            "The body must be JSON, sent with Content-Type: application/json.",
        ),
        status if status.is_client_error() => {
            let detail = "The request could not be read. Check the encoding of path and headers.";
            Problem::new(Code::BadRequest, detail).with_status(status)
        }
        _ => Problem::internal(),
    };
    match allow {
        Some(allow) => problem.allowing(allow),
        None => problem,
    }
}

/// The written problem with what the first response had beside its body (cookies, policies).
fn merged(mut written: Response, first: &Response) -> Response {
    for (name, value) in first.headers() {
        let of_body = [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
        ];
        if !of_body.contains(name) && !written.headers().contains_key(name) {
            written.headers_mut().insert(name, value.clone());
        }
    }
    written
}
