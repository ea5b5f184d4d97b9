//! Steering calls: answer, hang up, hold and the rest, and what of it is possible now.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::id::CallId;
use switchhook_engine::command::AgentDevice;
use switchhook_engine::control::{Action, Behalf, Order, Possible};
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use crate::agents::acting_as;
use crate::answer;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::dials::AgentName;
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{All, One, words};
use crate::state::Shared;

/// What to do, beside the action in the address. Each member belongs to some actions only.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlRequest {
    /// The agent who asks: it is done for this agent's device. May be left out when only one
    /// agent is on the call.
    #[serde(default)]
    #[schema(nullable = false)]
    agent: Option<AgentName>,
    /// `transfer`: who gets the call, a number or an extension.
    #[serde(default)]
    #[schema(nullable = false, example = "200")]
    to: Option<String>,
    /// `transfer`: `blind`, without asking first, or `attended`.
    #[serde(default)]
    #[schema(nullable = false, example = "blind")]
    kind: Option<String>,
    /// `dtmf`: 1 to 32 tones of `0` to `9`, `*`, `#` and `A` to `D`.
    #[serde(default)]
    #[schema(nullable = false, example = "1#")]
    digits: Option<String>,
    /// `recording`: true to record, false to pause.
    #[serde(default)]
    #[schema(nullable = false)]
    on: Option<bool>,
}

/// The platform has taken the command.
#[derive(Serialize, ToSchema)]
pub(crate) struct Commanded {
    /// The call: the one asked for, or the one it has become part of.
    call_id: CallId,
    /// What was asked for.
    #[schema(example = "hold")]
    action: String,
    /// Always `accepted`: what comes of it is told by the call's events.
    #[schema(example = "accepted")]
    status: &'static str,
}

/// Whether something can be done to a call now.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActionView {
    /// The action.
    #[schema(schema_with = actions_schema)]
    action: &'static str,
    /// True when it can.
    possible: bool,
    /// Why not, as the code the action would answer: `not_supported`, `wrong_state`, `call_over`,
    /// `platform_unreachable` or `connection_unusable`.
    #[schema(example = "not_supported")]
    code: Option<&'static str>,
    /// Why not, one sentence.
    reason: Option<String>,
    /// For `transfer`: which ways are possible, `blind` and `attended`; left out otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kinds: Option<Vec<&'static str>>,
}

fn actions_schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let mut names: Vec<_> = Action::ALL.into_iter().map(address).collect();
    names.dedup();
    words("What can be done.", names.into_iter())
}

/// The action as the address names it: both ways to transfer are one.
fn address(action: Action) -> &'static str {
    match action {
        Action::TransferBlind | Action::TransferAttended => "transfer",
        other => other.as_str(),
    }
}

/// All actions as the page draws them.
pub(crate) fn views(possible: Vec<Possible>) -> Vec<ActionView> {
    let mut views: Vec<ActionView> = Vec::new();
    for one in possible {
        let kind = match one.action {
            Action::TransferBlind => Some("blind"),
            Action::TransferAttended => Some("attended"),
            _ => None,
        };
        let mut view = ActionView::from(one);
        if let Some(kind) = kind {
            view.kinds = Some(view.possible.then_some(kind).into_iter().collect());
        }
        match views.last_mut().filter(|last| last.action == view.action) {
            Some(last) => last.join(view),
            None => views.push(view),
        }
    }
    views
}

impl ActionView {
    /// Takes in another way to do the same: one that is possible is enough, and what is only not
    /// possible now is more than what never is.
    fn join(&mut self, other: Self) {
        let never = self.code == Some(Code::NotSupported.as_str());
        let kinds = [self.kinds.take(), other.kinds.clone()];
        let kinds = kinds.into_iter().flatten().flatten().collect();
        if !self.possible && (other.possible || never) {
            *self = other;
        }
        self.kinds = Some(kinds);
    }
}

impl From<Possible> for ActionView {
    fn from(possible: Possible) -> Self {
        let action = address(possible.action);
        let problem = possible.refusal.map(Problem::from);
        Self {
            action,
            possible: problem.is_none(),
            code: problem.as_ref().map(|problem| problem.code().as_str()),
            reason: problem.map(|problem| problem.detail().to_owned()),
            kinds: None,
        }
    }
}

errors!(ActionsErrors: CALLER [InvalidId, InvalidField, CallNotFound, NotSupported]);
errors!(ControlErrors: CALLER CHANGE STEERING [RouteNotFound]);

/// What can be done to a call
///
/// Every action, whether it is possible now, and if not why: the platform cannot do it
/// (`not_supported`), or the call is in no state for it.
#[utoipa::path(
    get, path = "/api/calls/{id}/actions", tag = "Calls", operation_id = "list_call_actions",
    params(
        ("id" = String, Path, description = "Our id of the call.",
            example = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"),
        ("extension" = Option<String>, Query, description = "The agent who would do it."),
        ("user_id" = Option<String>, Query, description = "The same, by the platform's user id."),
    ),
    responses((status = 200, description = "All actions.", body = All<ActionView>), ActionsErrors),
    security(("key" = ["calls:read"]), ("session" = [])),
)]
pub(crate) async fn actions(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsRead)?;
    let params = Params::read(&uri, &["extension", "user_id"])?;
    let id = CallId(path_id(&id, "call")?);
    let agent = AgentDevice {
        extension: params.one("extension")?.map(str::to_owned),
        user_id: params.one("user_id")?.map(str::to_owned),
        device_id: None,
    };
    let behalf = Behalf {
        device: agent,
        own: acting_as(&shared, &caller).await?,
    };
    let app = &caller.access.app;
    let possible = shared.controls.actions(app, id, behalf).await?;
    answer::one(StatusCode::OK, &views(possible))
}

/// Do something to a call
///
/// `answer`, `hangup`, `reject`, `hold`, `resume`, `transfer` (with `to` and `kind`), `dtmf` (with
/// `digits`), `mute`, `unmute`, `park`, `recording` (with `on`). The answer comes when the phone
/// platform has taken the command; what comes of it is told by the call's events.
#[utoipa::path(
    post, path = "/api/calls/{id}/{action}", tag = "Calls", operation_id = "control_call",
    params(
        ("id" = String, Path, description = "Our id of the call.",
            example = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"),
        ("action" = String, Path, description = "What to do: `answer`, `hangup`, `reject`, \
            `hold`, `resume`, `transfer`, `dtmf`, `mute`, `unmute`, `park` or `recording`.",
            example = "hold"),
    ),
    request_body(content = ControlRequest, example = json!({ "agent": { "extension": "100" } })),
    responses(
        (status = 202, description = "The platform has taken it.", body = One<Commanded>),
        ControlErrors,
    ),
    security(("key" = ["calls:control"]), ("session" = [])),
)]
pub(crate) async fn control(
    State(shared): State<Shared>,
    caller: Caller,
    Path((id, action)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsControl)?;
    Params::none(&uri)?;
    let id = CallId(path_id(&id, "call")?);
    let Object(asked): Object<ControlRequest> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let order = order(&action, &asked)?;
    let behalf = Behalf {
        device: asked.agent.unwrap_or_default().into(),
        own: acting_as(&shared, &caller).await?,
    };
    let app = &caller.access.app;
    let call_id = shared.controls.act(app, id, behalf, &order).await?;
    let commanded = Commanded {
        call_id,
        action,
        status: "accepted",
    };
    answer::one(StatusCode::ACCEPTED, &commanded)
}

/// The order an address and a body make, every member in its place.
fn order(action: &str, asked: &ControlRequest) -> Result<Order, Problem> {
    let order = match action {
        "answer" => Order::Answer,
        "reject" => Order::Reject,
        "hangup" => Order::Hangup,
        "hold" => Order::Hold,
        "resume" => Order::Resume,
        "mute" => Order::Mute,
        "unmute" => Order::Unmute,
        "park" => Order::Park,
        "transfer" => Order::Transfer {
            to: asked.to.clone().ok_or_else(|| required("to"))?,
            attended: attended(asked.kind.as_deref())?,
        },
        "dtmf" => Order::Dtmf(asked.digits.clone().ok_or_else(|| required("digits"))?),
        "recording" => Order::Recording(asked.on.ok_or_else(|| required("on"))?),
        _ => {
            let detail = "There is no such action. Possible are answer, hangup, reject, hold, \
                          resume, transfer, dtmf, mute, unmute, park and recording.";
            return Err(Problem::new(Code::RouteNotFound, detail));
        }
    };
    for (member, given, belongs) in [
        ("to", asked.to.is_some(), action == "transfer"),
        ("kind", asked.kind.is_some(), action == "transfer"),
        ("digits", asked.digits.is_some(), action == "dtmf"),
        ("on", asked.on.is_some(), action == "recording"),
    ] {
        if given && !belongs {
            let problem = format!(
                "has no meaning for `{}`; leave it out",
                order.action().as_str()
            );
            return Err(Problem::field(member, &problem));
        }
    }
    Ok(order)
}

fn required(member: &str) -> Problem {
    Problem::field(member, "is required")
}

fn attended(kind: Option<&str>) -> Result<bool, Problem> {
    match kind {
        Some("blind") => Ok(false),
        Some("attended") => Ok(true),
        Some(_) => Err(Problem::field("kind", "must be blind or attended")),
        None => Err(required("kind")),
    }
}
