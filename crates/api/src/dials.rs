//! Placing calls: somebody asks, and gets the pending call with its dial.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchhook_domain::call::Call;
use switchhook_domain::dial::DialCause;
use switchhook_domain::id::{CallId, ConnectionId, DialId};
use switchhook_engine::command::AgentDevice;
use switchhook_engine::dial::DialRequest;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{Dial, DialState};
use utoipa::ToSchema;

use crate::agents::acting_as;
use crate::answer;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id, uuid};
use crate::problem::{Code, Problem};
use crate::refusals::failed_dial;
use crate::schemas::{One, words};
use crate::state::Shared;

/// An agent, as the phone platform knows them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentName {
    /// Extension.
    #[serde(default)]
    #[schema(nullable = false, example = "100")]
    pub(crate) extension: Option<String>,
    /// The platform's id of the user.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(crate) user_id: Option<String>,
    /// One device among several, where the platform tells them apart.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(crate) device_id: Option<String>,
}

impl From<AgentName> for AgentDevice {
    fn from(name: AgentName) -> Self {
        Self {
            extension: name.extension,
            user_id: name.user_id,
            device_id: name.device_id,
        }
    }
}

/// A call to be placed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCall {
    /// Who is called: a telephone number in any spelling of the app's country, or an extension.
    #[schema(example = "0612345678")]
    to: String,
    /// Who calls: this agent's device rings first.
    #[serde(default)]
    #[schema(nullable = false)]
    agent: Option<AgentName>,
    /// The same, when an extension is all there is to say.
    #[serde(default)]
    #[schema(nullable = false, example = "100")]
    extension: Option<String>,
    /// The connection to use; may be left out when the app has only one that places calls.
    #[serde(default)]
    #[schema(nullable = false)]
    connection_id: Option<String>,
    /// The number to show, one of those the app's dial policy lists.
    #[serde(default)]
    #[schema(nullable = false)]
    caller_id: Option<String>,
}

/// Why a dial came to nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = DialFailure)]
pub(crate) struct FailureView {
    /// Machine word.
    #[schema(value_type = DialCause)]
    cause: String,
    /// One sentence.
    detail: String,
}

/// A call somebody asked us to place.
#[derive(Serialize, ToSchema)]
#[schema(as = Dial)]
pub(crate) struct DialView {
    /// Its id.
    id: DialId,
    /// The call.
    call_id: CallId,
    /// The connection it goes through.
    connection_id: ConnectionId,
    /// How far it has got.
    #[schema(schema_with = states)]
    state: &'static str,
    /// Who is called: E.164, or an extension.
    #[schema(example = "+31612345678")]
    target: String,
    /// Extension of the agent who calls.
    extension: Option<String>,
    /// The platform's user id of the agent who calls.
    user_id: Option<String>,
    /// The number that is shown; null for the platform's own choice.
    caller_id: Option<String>,
    /// Why it came to nothing.
    failure: Option<FailureView>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    requested_at: String,
    /// When the platform accepted it.
    #[schema(value_type = Option<String>, format = DateTime)]
    placed_at: Option<String>,
    /// When it joined or failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<String>,
}

fn states() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let about = "`requested`: stored, the platform may or may not have heard of it; `placed`: the \
                 platform accepted it; `joined`: the call has begun; `failed`: it came to nothing.";
    words(about, DialState::ALL.into_iter().map(DialState::as_str))
}

impl From<Dial> for DialView {
    fn from(dial: Dial) -> Self {
        Self {
            id: dial.id,
            call_id: dial.call_id,
            connection_id: dial.connection_id,
            state: dial.state.as_str(),
            target: dial.target,
            extension: dial.agent_extension,
            user_id: dial.agent_user_id,
            caller_id: dial.caller_id,
            failure: dial.failure.map(|failure| FailureView {
                cause: failure.cause,
                detail: failure.detail,
            }),
            requested_at: answer::time(dial.requested_at),
            placed_at: dial.placed_at.map(answer::time),
            settled_at: dial.settled_at.map(answer::time),
        }
    }
}

/// A call that was placed.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlacedCall {
    /// The id of the call.
    call_id: CallId,
    /// The id of the request.
    dial_id: DialId,
    /// The call: it is there before the platform's first event.
    #[schema(value_type = Call)]
    call: Box<RawValue>,
    /// The request it came from.
    dial: DialView,
}

errors!(CreateErrors: CALLER CHANGE PLACING []);
errors!(GetErrors: CALLER [InvalidId, DialNotFound]);

/// Place a call
///
/// The agent's own device rings first; when it is picked up, the target is called. The answer
/// comes when the phone platform has accepted the request, with the pending call: it is in the
/// list of open calls from then on, and its events follow. Nothing is dialled twice: repeat a
/// request whose answer was lost with the same `Idempotency-Key`, and the same call is answered
/// again.
#[utoipa::path(
    post, path = "/api/calls", tag = "Calls", operation_id = "place_call",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Names this request: 1 to 255 visible ASCII characters. The same key with \
            the same body is the same call; with another body it is refused.")),
    request_body(content = NewCall, example = json!({ "to": "0612345678", "extension": "100" })),
    responses(
        (status = 201, description = "The call and its dial.", body = One<PlacedCall>,
            headers(("location" = String, description = "Where the call is."))),
        CreateErrors,
    ),
    security(("key" = ["calls:control"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsControl)?;
    Params::none(&uri)?;
    let Object(new): Object<NewCall> = body::json(&headers, body, shared.config.max_json).await?;
    let agent = match (new.agent, new.extension) {
        (Some(_), Some(_)) => {
            let problem = "says the same as `agent`; give one of them";
            return Err(Problem::field("extension", problem));
        }
        (Some(agent), None) => agent,
        (None, extension) => AgentName {
            extension,
            ..AgentName::default()
        },
    };
    let request = DialRequest {
        connection: connection(new.connection_id.as_deref())?,
        agent: agent.into(),
        own: acting_as(&shared, &caller).await?,
        click: false,
        target: new.to,
        caller_id: new.caller_id,
        idempotency_key: idempotency_key(&headers)?,
        requested_by: requested_by(&caller),
    };
    let dial = shared.dialler.request(&caller.access.app, request).await?;
    if let Some(problem) = failed_dial(&dial) {
        return Err(problem);
    }
    let record = record(&shared, &dial).await?;
    let location = format!("/api/calls/{}", dial.call_id);
    let placed = PlacedCall {
        call_id: dial.call_id,
        dial_id: dial.id,
        call: RawValue::from_string(record).map_err(|_| Problem::internal())?,
        dial: dial.into(),
    };
    let mut response = answer::one(StatusCode::CREATED, &placed)?;
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// Get a dial
///
/// How far a call that was asked for has got, and why it came to nothing.
#[utoipa::path(
    get, path = "/api/dials/{id}", tag = "Calls", operation_id = "get_dial",
    params(("id" = String, Path, description = "The id of the dial.",
        example = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b")),
    responses((status = 200, description = "The dial.", body = One<DialView>), GetErrors),
    security(("key" = ["calls:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsRead)?;
    Params::none(&uri)?;
    let id = DialId(path_id(&id, "dial")?);
    let Some(dial) = shared.dialler.dial(caller.app(), id).await? else {
        let detail = "Dial not found. Take the id from the answer to the request that placed it.";
        return Err(Problem::new(Code::DialNotFound, detail));
    };
    answer::one(StatusCode::OK, &DialView::from(dial))
}

/// The record of a dial's call.
pub(crate) async fn record(shared: &Shared, dial: &Dial) -> Result<String, Problem> {
    let record = shared.store.call(dial.app_id, dial.call_id).await?;
    record.ok_or_else(|| {
        tracing::error!(dial.id = %dial.id, "a dial has no call");
        Problem::internal()
    })
}

/// The connection a body names.
pub(crate) fn connection(text: Option<&str>) -> Result<Option<ConnectionId>, Problem> {
    let id = text.map(|text| uuid(text).map(ConnectionId));
    id.map(|id| id.ok_or_else(|| Problem::field("connection_id", "must be a UUID")))
        .transpose()
}

/// What the client named its request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let (Some(key), None) = (given.next(), given.next()) else {
        return match headers.contains_key("idempotency-key") {
            true => Err(Problem::parameter(
                "Idempotency-Key",
                "is given more than once",
            )),
            false => Ok(None),
        };
    };
    let problem = "must be 1 to 255 visible ASCII characters";
    let key = key.to_str();
    key.map(|key| Some(key.to_owned()))
        .map_err(|_| Problem::parameter("Idempotency-Key", problem))
}

/// Who asks, for the audit.
pub(crate) fn requested_by(caller: &Caller) -> String {
    match caller.access.key_id {
        Some(key) => format!("key:{key}"),
        None => format!("session:{}", caller.access.role.as_str()),
    }
}
