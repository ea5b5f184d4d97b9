//! `Idempotency-Key` on requests that create something or set something going: carried out once,
//! answered the same as often as they are sent. One layer around all routes, so that no handler
//! can forget it; which operations it is for stands in [`OPERATIONS`]. Not here: placing a call,
//! whose key lasts as long as the call (`dials`), and how answers are kept (the engine).

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use switchhook_domain::id::AppId;
use switchhook_engine::dial::MAX_IDEMPOTENCY_KEY;
use switchhook_engine::idempotency::{CLAIM, Kept, Named, Ticket, Turn};
use utoipa::PartialSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr, Required, Response as Described};

use crate::audit::Trace;
use crate::auth::{By, Caller, Operator};
use crate::body;
use crate::dials::idempotency_key;
use crate::inherited::Inherited;
use crate::openapi::problems;
use crate::outer;
use crate::problem::{Code, Problem};
use crate::state::{Inner, Shared};

/// The paths whose `POST` takes a key.
pub(crate) const OPERATIONS: [&str; 40] = [
    "/api/agent-tokens",
    "/api/agents",
    "/api/agents/batch",
    "/api/agents/match",
    "/api/agents/{id}/identities",
    "/api/callbacks/{id}/attempts",
    "/api/callbacks/{id}/claim",
    "/api/callbacks/{id}/complete",
    "/api/callbacks/{id}/reassign",
    "/api/calls/{id}/{action}",
    "/api/contact-moments/{id}/contact",
    "/api/contact-moments/{id}/disposition",
    "/api/contacts",
    "/api/contacts/import",
    "/api/keys",
    "/api/keys/{key_id}/rotate",
    "/api/people",
    "/api/people/{id}/reset-link",
    "/api/tasks",
    "/api/tasks/assign",
    "/api/tasks/{id}/assign",
    "/api/tasks/{id}/attempts",
    "/api/tasks/{id}/claim",
    "/api/tasks/{id}/complete",
    "/api/tasks/{id}/release",
    "/api/tasks/{id}/reopen",
    "/internal/apps",
    "/internal/apps/{app_id}/api-key",
    "/internal/apps/{app_id}/api-key/revoke",
    "/internal/apps/{app_id}/api-key/rotate",
    "/internal/apps/{app_id}/connections",
    "/internal/apps/{app_id}/connections/{connection_id}/sign-in-link",
    "/internal/apps/{app_id}/connections/{connection_id}/webhook-secret",
    "/internal/apps/{app_id}/keys",
    "/internal/apps/{app_id}/keys/{key_id}/rotate",
    "/internal/apps/{app_id}/people",
    "/internal/apps/{app_id}/sign-in-link",
    "/internal/apps/{app_id}/users/map",
    "/internal/apps/{app_id}/users/batch-map",
    "/internal/webhooks/create",
];
/// The header the client names its request by.
const KEY: &str = "idempotency-key";
/// Says that an answer was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What of an answer's headers is given again.
const HEADERS: [HeaderName; 3] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::CACHE_CONTROL,
];
/// The largest answer, in bytes: more than the largest import is answered with.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// What the layer may answer by itself, beside refusing the caller. It reads a body also where the
/// handler would not.
const CODES: [Code; 5] = [
    Code::InvalidBody,
    Code::BodyTooSlow,
    Code::BodyTooLarge,
    Code::IdempotencyConflict,
    Code::IdempotencyInProgress,
];
/// When to come again while the request is being carried out.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// The middleware.
pub(crate) async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Some(operation) = operation(&request) else {
        return next.run(request).await;
    };
    let attended = Box::pin(attend(shared, operation, request, next)).await;
    attended.unwrap_or_else(IntoResponse::into_response)
}

/// The operation, when it takes a key and came with one.
fn operation(request: &Request) -> Option<&'static str> {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return None;
    }
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    OPERATIONS.into_iter().find(|known| *known == path)
}

async fn attend(
    shared: Shared,
    operation: &'static str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    // Who asks comes first: nobody else hears even that a key is known.
    let (app, caller) = who(&mut parts, &shared).await?;
    let key = key(&parts.headers)?;
    let body = body::read(body, shared.config.max_import).await?;
    // The answer is kept as text.
    parts.headers.remove(header::ACCEPT_ENCODING);
    let request = Request::from_parts(parts, Body::from(body.clone()));
    let asked = Asked {
        app,
        caller,
        operation,
        key,
        body,
    };
    // On its own from here: what was begun goes on when the client has gone, who will come again
    // and ask what came of it.
    let work = tokio::spawn(Box::pin(asked.settle(shared, request, next)));
    work.await.unwrap_or_else(|_| Err(Problem::internal()))
}

/// A request whose caller is known.
struct Asked {
    app: Option<AppId>,
    caller: String,
    operation: &'static str,
    key: String,
    body: Bytes,
}

impl Asked {
    /// Carries it out if nobody has, and gives the answer.
    async fn settle(
        self,
        shared: Shared,
        request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        let named = Named {
            app: self.app,
            caller: &self.caller,
            operation: self.operation,
            key: &self.key,
        };
        let content = content(&request, &self.body);
        match shared.idempotency.begin(&named, &content).await? {
            Turn::Yours(ticket) => Ok(carry_out(&shared, ticket, request, next).await),
            Turn::Answered(kept) => {
                // Nothing was changed, but what it shows may be a secret.
                let (parts, _) = request.into_parts();
                Trace::of(&parts).tell(json!({ "replayed": true }));
                again(kept)
            }
            Turn::Busy => {
                let detail = "A request with this Idempotency-Key is being carried out. Send it \
                              again in a moment to hear the answer.";
                Err(Problem::new(Code::IdempotencyInProgress, detail).after(COME_AGAIN))
            }
            Turn::Different => {
                let detail = "This Idempotency-Key was used for another request. Use a new key \
                              for each request, and repeat a request unchanged.";
                Err(Problem::new(Code::IdempotencyConflict, detail))
            }
            Turn::Locked => {
                let detail = "The request was carried out, but its answer was sealed under a \
                              master key this server no longer has. Read what is there.";
                Err(Problem::new(Code::IdempotencyConflict, detail))
            }
        }
    }
}

/// The app and the name of whoever asks. The handler finds them in the extensions and does not
/// check and count them again.
async fn who(parts: &mut Parts, shared: &Shared) -> Result<(Option<AppId>, String), Problem> {
    if parts.uri.path().starts_with("/internal/") {
        let operator = Operator::from_request_parts(parts, shared).await?;
        parts.extensions.insert(operator);
        return Ok((None, "operator".to_owned()));
    }
    let caller = Caller::from_request_parts(parts, shared).await?;
    let access = &caller.access;
    let name = match (caller.by, access.key_id, access.user_id, access.agent_id) {
        (By::Key, Some(key), ..) => format!("key:{key}"),
        (By::Session(_), _, Some(user), _) => format!("user:{user}"),
        (By::Token(_), _, _, Some(agent)) => format!("agent:{agent}"),
        (By::Key | By::Session(_) | By::Token(_), ..) => format!("{:?}", caller.by),
    };
    // Who has lost a right since does not hear an answer that needed it.
    let name = format!("{name} {}", access.scopes.to_text());
    let app = caller.app();
    parts.extensions.insert(caller);
    Ok((Some(app), name))
}

/// The key in the headers.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = idempotency_key(headers)?.unwrap_or_default();
    let fits = (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len());
    if fits && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    let problem = "must be 1 to 255 visible ASCII characters";
    Err(Problem::parameter("Idempotency-Key", problem))
}

/// All of a request that must be the same: what it is about, in whose words, and the body.
fn content(request: &Request, body: &[u8]) -> Vec<u8> {
    let inherited = request.extensions().get::<Inherited>().is_some();
    let target = request.uri().path_and_query();
    let target = target.map_or("", |target| target.as_str());
    let mut content = format!("{inherited} {target}\n").into_bytes();
    content.extend_from_slice(body);
    content
}

async fn carry_out(shared: &Inner, ticket: Ticket, request: Request, next: Next) -> Response {
    let response = outer::bounded(CLAIM.unsigned_abs(), request, next).await;
    if !response.status().is_success() {
        // Nothing was done, or nobody knows: the same key may try again.
        if let Err(error) = shared.idempotency.release(ticket).await {
            tracing::warn!(%error, "an idempotency key stays taken for a while");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_ANSWER).await else {
        tracing::error!("an answer is too large to be kept");
        return Problem::internal().into_response();
    };
    keep(shared, ticket, parts.status, &parts.headers, &bytes).await;
    Response::from_parts(parts, Body::from(bytes))
}

/// Keeps an answer. When that fails, the request was carried out all the same, and says so.
async fn keep(
    shared: &Inner,
    ticket: Ticket,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) {
    let header = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let kept = Kept {
        status: status.as_u16(),
        headers: HEADERS.iter().filter_map(header).collect(),
        // Answers are JSON.
        body: String::from_utf8_lossy(body).into_owned(),
    };
    if let Err(error) = shared.idempotency.finish(ticket, &kept).await {
        tracing::warn!(%error, "the answer to a request with an idempotency key was not kept");
    }
}

/// The answer that was given before.
fn again(kept: Kept) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(kept.status).map_err(|_| Problem::internal())?;
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in kept.headers {
        let name = HEADERS.into_iter().find(|known| known.as_str() == name);
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Describes the header at each of the operations.
pub(crate) fn describe(api: &mut OpenApi) {
    for path in OPERATIONS {
        let item = api.paths.paths.get_mut(path);
        if let Some(operation) = item.and_then(|item| item.post.as_mut()) {
            describe_one(operation);
        }
    }
}

fn describe_one(operation: &mut Operation) {
    let description = "Names this request: 1 to 255 visible ASCII characters. Sent again with the \
                       same key and body within 24 hours it is not carried out again, and the same \
                       answer is given; with another body it is refused.";
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(String::schema()))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(RefOr::T(parameter));
    let replayed = HeaderBuilder::new()
        .description(Some("`true` when this answer was given before."))
        .schema(Some(String::schema()))
        .build();
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            let name = REPLAYED.as_str().to_owned();
            response.headers.insert(name, RefOr::T(replayed.clone()));
        }
    }
    let each = |code| problems(&[&[code]]).into_iter().map(move |one| (code, one));
    for (code, (status, added)) in CODES.into_iter().flat_map(each) {
        match (responses.get_mut(&status), added) {
            (Some(RefOr::T(there)), _) if names(there, code) => {}
            (Some(RefOr::T(there)), RefOr::T(added)) => merge(there, added),
            (Some(RefOr::Ref(_)), _) => {}
            (_, added) => drop(responses.insert(status, added)),
        }
    }
}

/// Whether a response is described with this code.
fn names(response: &Described, code: Code) -> bool {
    let name = format!("`{}`", code.as_str());
    response.description.contains(&name)
}

/// Adds the codes of one description to another.
fn merge(there: &mut Described, added: Described) {
    there.description = format!("{}, {}", there.description, added.description);
    for (kind, content) in added.content {
        if let (Some(RefOr::T(there)), RefOr::T(content)) = (there.content.get_mut(&kind), content)
        {
            there.examples.extend(content.examples);
        }
    }
}
