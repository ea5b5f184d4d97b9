//! Where phone platforms post to. The bytes go on exactly as they came; nothing of them is logged
//! here, and the answer says no more than the platform needs.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::{AppId, CallId};
use switchhook_engine::adapter::{Inbound, Rejection, Reply};
use switchhook_engine::intake::{IntakeError, MAX_BODY, Received};
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::{by_key, key_header};
use crate::body;
use crate::openapi::errors;
use crate::problem::{Code, Problem};
use crate::state::Shared;

/// Addresses that platforms post to.
const HOOKS: [&str; 3] = [
    "/webhooks/",
    "/api/cti/webhook/",
    "/index.php/apps/pipelinq/api/cti/webhook/",
];

/// Whether platforms post to this path.
pub(crate) fn is_hook(path: &str) -> bool {
    HOOKS.iter().any(|hook| path.starts_with(hook))
}

/// What became of a notification.
#[derive(Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// True: it is stored, durably. Do not send it again.
    #[schema(example = true)]
    received: bool,
    /// False when it is stored but was not understood; left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    understood: Option<bool>,
    /// Why it was not understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// What became of a notification, in the words of the Pipelinq adapter.
#[derive(Serialize, ToSchema)]
pub(crate) struct PipelinqReceipt {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
    /// The call it is about; `null` when it told nothing new about any.
    #[serde(rename = "contactmomentId")]
    #[schema(value_type = Option<String>)]
    contactmoment_id: Option<CallId>,
}

/// An error, in the words of the Pipelinq adapter.
#[derive(Serialize, ToSchema)]
pub(crate) struct PipelinqError {
    /// What is wrong.
    #[schema(example = "Invalid webhook signature")]
    error: String,
    /// True when the event log of a connection tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    logged: Option<bool>,
}

errors!(PipelinqErrors: [
    BodyTooSlow, BodyTooLarge, InternalError,
    ConnectionUnusable, BacklogFull, StoreUnavailable, TimedOut,
]);
errors!(HookErrors: [
    WebhookMalformed, SignatureInvalid, HookNotFound, BodyTooSlow, BodyTooLarge, InternalError,
    ConnectionUnusable, BacklogFull, StoreUnavailable, TimedOut,
]);
errors!(GetHookErrors: [
    WebhookMalformed, SignatureInvalid, HookNotFound, MethodNotAllowed, InternalError,
    ConnectionUnusable, BacklogFull, StoreUnavailable, TimedOut,
]);
errors!(InheritedErrors: [
    WebhookMalformed, SignatureInvalid, WebhookAppUnknown, KeyInvalid, BodyTooSlow, BodyTooLarge,
    InternalError, ConnectionUnusable, BacklogFull, StoreUnavailable, TimedOut,
]);

/// Take in a notification
///
/// Where a platform posts to. Each connection has its own address and its own secret. The answer
/// comes after the notification is stored; what is believed but not understood is kept and
/// acknowledged as well, because sending it again would not help.
#[utoipa::path(
    post, path = "/webhooks/{platform}/{hook_id}", tag = "Webhooks", operation_id = "take_webhook",
    params(
        ("platform" = String, Path, description = "The platform.", example = "dialpad"),
        ("hook_id" = String, Path, description = "The opaque id of the connection's hook."),
    ),
    request_body(content = String, content_type = "application/octet-stream",
        description = "What the platform sends, signed as it does."),
    responses((status = 200, description = "It is stored.", body = Receipt), HookErrors),
    security(()),
)]
pub(crate) async fn hook(
    State(shared): State<Shared>,
    trace: Trace,
    Path((platform, hook_id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read(body, MAX_BODY).await?;
    let parts = Parts::of(&headers, &uri);
    taken(
        &shared,
        &trace,
        (&platform, &hook_id),
        &parts.inbound(&body),
    )
    .await
}

/// Take in a notification that is all in its address
///
/// For platforms whose webhooks may be set to `GET` (CallVoip's dial plan). What the address says
/// is believed, limited, stored and answered as a post would be. Any other platform posts: 405.
#[utoipa::path(
    get, path = "/webhooks/{platform}/{hook_id}", tag = "Webhooks",
    operation_id = "take_webhook_by_get",
    params(
        ("platform" = String, Path, description = "The platform.", example = "callvoip"),
        ("hook_id" = String, Path, description = "The opaque id of the connection's hook."),
    ),
    responses((status = 200, description = "It is stored.", body = Receipt), GetHookErrors),
    security(()),
)]
pub(crate) async fn hook_by_get(
    State(shared): State<Shared>,
    trace: Trace,
    Path((platform, hook_id)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let adapter = shared.connections.platforms().get(&platform);
    // The framework takes a HEAD for a GET; nobody tells anything with one.
    if method != Method::GET || !adapter.is_some_and(|adapter| adapter.tells_by_get()) {
        return only_posts();
    }
    let parts = Parts::of(&headers, &uri);
    taken(&shared, &trace, (&platform, &hook_id), &parts.inbound(&[])).await
}

/// A bare refusal, which is put into words where those of the framework are.
fn only_posts() -> Result<Response, Problem> {
    let response = Response::builder()
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header(header::ALLOW, "POST");
    response
        .body(Body::empty())
        .map_err(|_| Problem::internal())
}

async fn taken(
    shared: &Shared,
    trace: &Trace,
    (platform, hook_id): (&str, &str),
    inbound: &Inbound<'_>,
) -> Result<Response, Problem> {
    let received = shared.intake.webhook(platform, hook_id, inbound).await;
    if let Err(IntakeError::Rejected { .. }) = &received
        && let Some(connection) = shared.connections.by_hook(hook_id).await?
    {
        trace.about(connection.app.id);
    }
    answer(received, Code::HookNotFound)
}

/// Take in a Dialpad notification, inherited address
///
/// The predecessor's address, without a hook id. The connection is found by the account in the
/// body and the secret that fits, or by the key of an app.
#[utoipa::path(
    post, path = "/webhooks/dialpad", tag = "Webhooks", operation_id = "take_dialpad_webhook",
    params(("x-app-api-key" = Option<String>, Header, description = "Names the app.")),
    request_body(content = String, content_type = "application/jwt",
        description = "A compact JWT, or JSON with `x-dialpad-signature`."),
    responses((status = 200, description = "It is stored.", body = Receipt), InheritedErrors),
    security((), ("key" = [])),
)]
pub(crate) async fn dialpad(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read(body, MAX_BODY).await?;
    let own_header = shared.config.app_key_header.as_deref();
    let named = own_header.and_then(|name| headers.get(name)?.to_str().ok());
    let app = match named {
        Some(key) => app_of_key(&shared, key).await?,
        None => named_app(&shared, &headers).await?,
    };
    let parts = Parts::of(&headers, &uri);
    let inbound = parts.inbound(&body);
    let received = shared
        .intake
        .inherited_webhook("dialpad", app, &inbound)
        .await;
    let is_json = body.trim_ascii().first() == Some(&b'{');
    answer(received, Code::WebhookAppUnknown).map_err(|problem| {
        if is_json || problem.code() != Code::SignatureInvalid {
            return problem;
        }
        let detail = "Invalid JWT signature. Compare the secret at Dialpad with the one of the \
                      connection.";
        Problem::new(Code::SignatureInvalid, detail)
    })
}

/// Take in a notification, the Pipelinq adapter's address
///
/// The address and the answers of the Pipelinq CTI adapter. The connection is the one of that
/// platform whose secret fits; a key in the headers decides between apps that hold the same one.
/// What a platform expects as its own answer (Zammad's decision) is given instead.
#[utoipa::path(
    post, path = "/api/cti/webhook/{platform}", tag = "Webhooks",
    operation_id = "take_pipelinq_webhook",
    params(
        ("platform" = String, Path, description = "The platform, any case.", example = "callvoip"),
        ("x-app-api-key" = Option<String>, Header, description = "Names the app."),
    ),
    request_body(content = String, content_type = "application/octet-stream",
        description = "What the platform sends, signed as it does."),
    responses(
        (status = 200, description = "It is stored.", body = PipelinqReceipt),
        (status = 400, description = "Believed and stored, but not readable.",
            body = PipelinqError),
        (status = 404, description = "No such platform.", body = PipelinqError),
        (status = 422, description = "Not believed.", body = PipelinqError),
        PipelinqErrors,
    ),
    security((), ("key" = [])),
)]
pub(crate) async fn pipelinq(
    State(shared): State<Shared>,
    Path(platform): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read(body, MAX_BODY).await?;
    let platform = platform.trim().to_ascii_lowercase();
    if shared.connections.platforms().get(&platform).is_none() {
        let error = format!("CTI adapter not registered for platform: {platform}");
        return pipelinq_error(StatusCode::NOT_FOUND, error, None);
    }
    let app = match named_app(&shared, &headers).await {
        Ok(app) => app,
        Err(problem) if problem.code() == Code::KeyInvalid => return unbelieved(false),
        Err(problem) => return Err(problem),
    };
    let parts = Parts::of(&headers, &uri);
    let inbound = parts.inbound(&body);
    let received = shared.intake.inherited_webhook(&platform, app, &inbound);
    let call = match received.await {
        Ok(
            Received::Question(reply)
            | Received::Accepted {
                reply: Some(reply), ..
            },
        ) => return platform_reply(reply),
        Ok(Received::Accepted { call, .. }) => call,
        // Not even of the platform's format: the predecessor's 400. What is of the format but
        // says something odd it answered as taken in, without a record.
        Ok(Received::Dead(reason)) if reason.starts_with("not readable") => {
            let error = "The webhook payload could not be parsed.".to_owned();
            return pipelinq_error(StatusCode::BAD_REQUEST, error, None);
        }
        Ok(Received::Dead(_)) => None,
        Err(IntakeError::Rejected { .. }) => return unbelieved(true),
        // Nobody holds a secret for this platform: whatever comes is not believed.
        Err(IntakeError::UnknownHook | IntakeError::InactiveApp) => return unbelieved(false),
        Err(error) => return refused(error, Code::WebhookAppUnknown),
    };
    let receipt = PipelinqReceipt {
        ok: true,
        contactmoment_id: call,
    };
    answer::plain(StatusCode::OK, &receipt)
}

/// The same under the path that a Nextcloud puts before it.
#[utoipa::path(
    post, path = "/index.php/apps/pipelinq/api/cti/webhook/{platform}", tag = "Webhooks",
    operation_id = "take_pipelinq_webhook_in_nextcloud",
    params(("platform" = String, Path, description = "The platform, any case.")),
    request_body(content = String, content_type = "application/octet-stream",
        description = "What the platform sends, signed as it does."),
    responses(
        (status = 200, description = "It is stored.", body = PipelinqReceipt),
        (status = 400, description = "Believed and stored, but not readable.",
            body = PipelinqError),
        (status = 404, description = "No such platform.", body = PipelinqError),
        (status = 422, description = "Not believed.", body = PipelinqError),
        PipelinqErrors,
    ),
    security((), ("key" = [])),
)]
pub(crate) async fn pipelinq_in_nextcloud(
    shared: State<Shared>,
    platform: Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    pipelinq(shared, platform, uri, headers, body).await
}

fn unbelieved(logged: bool) -> Result<Response, Problem> {
    let error = "Invalid webhook signature".to_owned();
    pipelinq_error(StatusCode::UNPROCESSABLE_ENTITY, error, Some(logged))
}

fn pipelinq_error(
    status: StatusCode,
    error: String,
    logged: Option<bool>,
) -> Result<Response, Problem> {
    answer::plain(status, &PipelinqError { error, logged })
}

/// The app a key in the headers names. An app that is switched off looks like a key that is none.
async fn named_app(shared: &Shared, headers: &HeaderMap) -> Result<Option<AppId>, Problem> {
    match key_header(headers) {
        Some(key) => app_of_key(shared, key).await,
        None => Ok(None),
    }
}

async fn app_of_key(shared: &Shared, key: &str) -> Result<Option<AppId>, Problem> {
    match by_key(shared, key).await {
        Ok(caller) => Ok(Some(caller.app())),
        Err(problem) if problem.code() == Code::AppInactive => {
            let detail = "Invalid API key: it is wrong, has expired or was revoked.";
            Err(Problem::new(Code::KeyInvalid, detail))
        }
        Err(problem) => Err(problem),
    }
}

/// Headers and query as adapters read them.
pub(crate) struct Parts {
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl Parts {
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let readable = headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        // Platforms may put anything into the query; what cannot be read is not there.
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        Self {
            headers: readable.collect(),
            query: query.map(|Query(pairs)| pairs).unwrap_or_default(),
        }
    }

    pub(crate) fn inbound<'a>(&'a self, body: &'a [u8]) -> Inbound<'a> {
        let kind = header::CONTENT_TYPE;
        let content_type = self.headers.iter().find(|(name, _)| *name == kind.as_str());
        Inbound {
            body,
            content_type: content_type.map_or("", |(_, value)| value.as_str()),
            headers: &self.headers,
            query: &self.query,
        }
    }
}

fn answer(received: Result<Received, IntakeError>, unknown: Code) -> Result<Response, Problem> {
    let receipt = match received {
        Ok(Received::Question(reply)) => return platform_reply(reply),
        Ok(Received::Accepted {
            reply: Some(reply), ..
        }) => return platform_reply(reply),
        Ok(Received::Accepted { .. }) => Receipt {
            received: true,
            understood: None,
            reason: None,
        },
        Ok(Received::Dead(reason)) => Receipt {
            received: true,
            understood: Some(false),
            reason: Some(reason),
        },
        Err(error) => return refused(error, unknown),
    };
    answer::plain(StatusCode::OK, &receipt)
}

/// An answer in the platform's own form.
fn platform_reply(reply: Reply) -> Result<Response, Problem> {
    let mut response = Response::builder().status(reply.status);
    if !reply.content_type.is_empty() {
        response = response.header(header::CONTENT_TYPE, reply.content_type);
    }
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let response = response.body(Body::from(reply.body));
    response.map_err(|_| {
        let detail = "The answer the platform asked for cannot be sent.";
        Problem::new(Code::WebhookMalformed, detail)
    })
}

fn refused(error: IntakeError, unknown: Code) -> Result<Response, Problem> {
    Err(match error {
        IntakeError::UnknownHook | IntakeError::InactiveApp if unknown == Code::HookNotFound => {
            let detail = "No connection has this webhook address. Copy webhook_url from the \
                          connection again.";
            Problem::new(unknown, detail)
        }
        IntakeError::UnknownHook | IntakeError::InactiveApp => {
            let detail = "Unknown or unauthorized app. Make a connection for this account, and use \
                          its own webhook address.";
            Problem::new(unknown, detail)
        }
        IntakeError::Rejected { rejection, status } => return rejected(&rejection, status),
        IntakeError::Misconfigured(reason) => {
            tracing::warn!(
                reason,
                "a webhook came for a connection that cannot be used"
            );
            let detail = "The connection cannot be used at the moment. Its operator is told why.";
            Problem::new(Code::ConnectionUnusable, detail)
        }
        IntakeError::Unavailable(_) => Problem::new(
            Code::StoreUnavailable,
            "The database does not answer. Send it again in a moment.",
        ),
        IntakeError::TooMany(wait) => {
            let detail = "Too many notifications of this connection wait already. Send it again \
                          after the time in Retry-After.";
            Problem::new(Code::BacklogFull, detail).after(wait)
        }
    })
}

/// The status is the platform's; where that is the usual 401, a body that is not even of the
/// shape that carries a signature gets 400, as the predecessor answered.
fn rejected(rejection: &Rejection, status: u16) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
    if status.is_success() {
        // A platform that punishes every other answer is told nothing.
        let receipt = Receipt {
            received: true,
            understood: None,
            reason: None,
        };
        return answer::plain(status, &receipt);
    }
    let problem = match rejection {
        Rejection::Malformed(what) if status == StatusCode::UNAUTHORIZED => {
            let detail = format!("Invalid JWT format: {what}.");
            return Err(Problem::new(Code::WebhookMalformed, detail));
        }
        Rejection::Malformed(what) => format!("The body carries no signature: {what}."),
        Rejection::Unsigned(what) => format!("Invalid webhook signature: none was found; {what}."),
        Rejection::BadSignature => {
            "Invalid webhook signature. Compare the secret at the platform with the one of the \
             connection."
                .to_owned()
        }
    };
    Err(Problem::new(Code::SignatureInvalid, problem).with_status(status))
}
