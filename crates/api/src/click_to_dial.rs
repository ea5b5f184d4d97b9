//! Click-to-dial as the predecessor's clients ask for it: one address more for the same thing,
//! with the members of both of its lines in the answer. What is decided is decided in
//! [`crate::dials`]; here are only the names and the statuses those clients know.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchhook_domain::id::{CallId, DialId};
use switchhook_engine::command::AgentDevice;
use switchhook_engine::dial::DialRequest;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::Dial;
use utoipa::ToSchema;

use crate::agents::acting_as;
use crate::answer;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::dials::{connection, idempotency_key, record, requested_by};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::refusals::failed_dial;
use crate::state::Shared;

/// What a client asks for. Members that are not known are passed over, as ever.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct ClickToDial {
    /// Who is called, in any spelling.
    #[serde(default, rename = "targetNumber")]
    #[schema(required = true, nullable = false, example = "0612345678")]
    target_number: Option<String>,
    /// The extension that rings first.
    #[serde(default)]
    #[schema(required = true, nullable = false, example = "100")]
    extension: Option<String>,
    /// The connection to use; may be left out when the app has only one that places calls.
    #[serde(default)]
    #[schema(nullable = false)]
    connection_id: Option<String>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Clicked {
    /// True: the extension will ring.
    #[schema(example = true)]
    success: bool,
    /// The platform's id of the call; null until it has named one.
    external_call_id: Option<String>,
    /// The contact moment: the id of the call.
    contactmoment_id: CallId,
    /// The same, by its other name.
    interaction_id: CallId,
    /// Null; a sentence when it did not work.
    error: Option<String>,
    /// The platform.
    #[schema(example = "asterisk")]
    platform: Option<String>,
    /// Always `initiated`.
    #[schema(example = "initiated")]
    status: &'static str,
    /// For the agent.
    message: &'static str,
    /// Our id of the call.
    call_id: CallId,
    /// Our id of the request.
    dial_id: DialId,
}

errors!(ClickErrors: CALLER CHANGE PLACING []);

/// Click to dial
///
/// As the predecessor's clients ask for it; new clients use `POST /api/calls`. Errors carry the
/// predecessor's members beside those of every problem.
#[utoipa::path(
    post, path = "/api/cti/click-to-dial", tag = "Calls", operation_id = "click_to_dial",
    params(("Idempotency-Key" = Option<String>, Header, description = "As for `POST /api/calls`.")),
    request_body(content = ClickToDial,
        example = json!({ "targetNumber": "0612345678", "extension": "100" })),
    responses((status = 200, description = "The extension will ring.", body = Clicked),
        ClickErrors),
    security(("key" = ["calls:control"]), ("session" = [])),
)]
pub(crate) async fn native(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsControl)?;
    click(&shared, &caller, &uri, &headers, body).await
}

/// Click to dial, inherited address
#[utoipa::path(
    post, path = "/index.php/apps/pipelinq/api/cti/click-to-dial", tag = "Calls",
    operation_id = "click_to_dial_inherited",
    params(("Idempotency-Key" = Option<String>, Header, description = "As for `POST /api/calls`.")),
    request_body(content = ClickToDial,
        example = json!({ "targetNumber": "0612345678", "extension": "100" })),
    responses((status = 200, description = "The extension will ring.", body = Clicked),
        ClickErrors),
    security(("key" = ["calls:control"]), ("session" = [])),
)]
pub(crate) async fn inherited(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsControl)?;
    click(&shared, &caller, &uri, &headers, body).await
}

async fn click(
    shared: &Shared,
    caller: &Caller,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(uri)?;
    let Object(asked): Object<ClickToDial> = body::json(headers, body, shared.config.max_json)
        .await
        .map_err(|problem| inherited_form(problem, None))?;
    let platform = |dial: &Dial| {
        let connection = shared.connections.get(dial.connection_id);
        connection.map(|c| c.adapter.spec().platform.to_owned())
    };
    let dial = place(shared, caller, headers, asked)
        .await
        .map_err(|problem| inherited_form(problem, None))?;
    if let Some(problem) = failed_dial(&dial) {
        return Err(inherited_form(problem, platform(&dial)));
    }
    let record: Value = serde_json::from_str(&record(shared, &dial).await?).unwrap_or_default();
    let external = record["external_call_id"].as_str();
    let clicked = Clicked {
        success: true,
        external_call_id: external.filter(|id| !id.is_empty()).map(str::to_owned),
        contactmoment_id: dial.call_id,
        interaction_id: dial.call_id,
        error: None,
        platform: platform(&dial),
        status: "initiated",
        message: "Call initiated — your extension will ring momentarily",
        call_id: dial.call_id,
        dial_id: dial.id,
    };
    answer::plain(StatusCode::OK, &clicked)
}

async fn place(
    shared: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    asked: ClickToDial,
) -> Result<Dial, Problem> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let required = |name: &str| {
        let detail = "targetNumber and extension are required";
        Problem::new(Code::InvalidField, detail).at(name)
    };
    let target = given(asked.target_number).ok_or_else(|| required("targetNumber"))?;
    let extension = given(asked.extension).ok_or_else(|| required("extension"))?;
    let request = DialRequest {
        connection: connection(asked.connection_id.as_deref())?,
        agent: AgentDevice {
            extension: Some(extension.trim().to_owned()),
            ..AgentDevice::default()
        },
        own: acting_as(shared, caller).await?,
        click: true,
        target,
        caller_id: None,
        idempotency_key: idempotency_key(headers)?,
        requested_by: requested_by(caller),
    };
    let dial = shared.dialler.request(&caller.access.app, request).await;
    dial.map_err(Problem::from)
}

/// A problem with the members and the status the predecessor's clients know.
fn inherited_form(problem: Problem, platform: Option<String>) -> Problem {
    let status = match problem.code() {
        // Dialling is not set up, or not allowed. 409 meant one thing to them: on another call.
        Code::DialRefused | Code::NotSupported => Some(StatusCode::BAD_REQUEST),
        _ => None,
    };
    let detail = problem.detail().to_owned();
    let problem = problem
        .with("externalCallId", Value::Null)
        .with("contactmomentId", Value::Null)
        .with("interactionId", Value::Null)
        .with("platform", platform)
        .with("error", detail);
    match status {
        Some(status) => problem.with_status(status),
        None => problem,
    }
}
