//! What an app allows to be dialled.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::phone::NumberPlan;
use switchhook_engine::dial::policy;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::DialPolicy;
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::One;
use crate::state::Shared;

/// What an app allows to be dialled. Members that are left out have their default.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[schema(as = DialPolicy)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PolicyView {
    /// True when nothing may be dialled at all.
    off: bool,
    /// ISO 3166-1 alpha-2 codes of the countries that may be dialled; empty for the app's own.
    #[schema(value_type = Vec<String>, example = json!(["NL", "BE"]))]
    countries: BTreeSet<String>,
    /// Beginnings of numbers that are allowed beside the countries. Numbers that cost extra are
    /// allowed only so.
    #[schema(value_type = Vec<String>, example = json!(["+4420"]))]
    allowed_prefixes: BTreeSet<String>,
    /// Beginnings of numbers that are refused, whatever else allows them.
    #[schema(value_type = Vec<String>, example = json!(["+31900", "+31906"]))]
    refused_prefixes: BTreeSet<String>,
    /// The most calls one agent may place a minute; 0 for the default of 10.
    per_agent_per_minute: u32,
    /// The numbers the app may show, E.164; empty: only what the platform shows by itself.
    #[schema(value_type = Vec<String>, example = json!(["+31201234567"]))]
    caller_ids: BTreeSet<String>,
    /// Shown when a request names none; one of `caller_ids`.
    #[schema(example = "+31201234567")]
    default_caller_id: Option<String>,
}

impl From<DialPolicy> for PolicyView {
    fn from(policy: DialPolicy) -> Self {
        Self {
            off: policy.off,
            countries: policy.countries,
            allowed_prefixes: policy.allowed_prefixes,
            refused_prefixes: policy.refused_prefixes,
            per_agent_per_minute: policy.per_agent_per_minute,
            caller_ids: policy.caller_ids,
            default_caller_id: policy.default_caller_id,
        }
    }
}

impl From<PolicyView> for DialPolicy {
    fn from(view: PolicyView) -> Self {
        Self {
            off: view.off,
            countries: view.countries,
            allowed_prefixes: view.allowed_prefixes,
            refused_prefixes: view.refused_prefixes,
            per_agent_per_minute: view.per_agent_per_minute,
            caller_ids: view.caller_ids,
            default_caller_id: view.default_caller_id,
        }
    }
}

errors!(GetErrors: CALLER []);
errors!(PutErrors: CALLER CHANGE []);

/// Get the dial policy
///
/// What the app allows to be dialled. Before anything is set: its own country and extensions, and
/// no numbers that cost extra.
#[utoipa::path(
    get, path = "/api/dial-policy", tag = "Calls", operation_id = "get_dial_policy",
    responses((status = 200, description = "The policy.", body = One<PolicyView>), GetErrors),
    security(("key" = ["settings:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsRead)?;
    Params::none(&uri)?;
    let policy = shared.store.dial_policy(caller.app()).await?;
    let view = PolicyView::from(policy.unwrap_or_default());
    answer::one(StatusCode::OK, &view)
}

/// Set the dial policy
///
/// Replaces the whole policy. It counts for the next call that is asked for, and for the targets
/// of transfers.
#[utoipa::path(
    put, path = "/api/dial-policy", tag = "Calls", operation_id = "set_dial_policy",
    request_body(content = PolicyView, example = json!({
        "countries": ["NL", "BE"], "refused_prefixes": ["+31900"],
        "caller_ids": ["+31201234567"], "default_caller_id": "+31201234567"
    })),
    responses((status = 200, description = "The policy as it is kept.", body = One<PolicyView>),
        PutErrors),
    security(("key" = ["settings:write"]), ("session" = [])),
)]
pub(crate) async fn put(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsWrite)?;
    Params::none(&uri)?;
    let Object(view): Object<PolicyView> =
        body::json(&headers, body, shared.config.max_json).await?;
    let plan = NumberPlan::for_country(&caller.access.app.country).unwrap_or_default();
    let policy = policy::checked(view.into(), &plan)
        .map_err(|fault| Problem::field(fault.field, &fault.problem))?;
    let app = caller.app();
    let before = shared.store.dial_policy(app).await?;
    trace.before(&PolicyView::from(before.unwrap_or_default()));
    shared.store.put_dial_policy(app, &policy).await?;
    answer::one(StatusCode::OK, &PolicyView::from(policy))
}
