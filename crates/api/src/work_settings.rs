//! How an app's agents work: its outcomes, its hours, its switches. What the settings may say is
//! the engine's; here is their form.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchhook_domain::hours::{BusinessHours, OpenHours};
use switchhook_domain::task::TaskKind;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{CustomOutcome, WorkSettings};
use switchhook_engine::work_settings::{BUILT_IN, checked, task_of};
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

/// An outcome of a call.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    /// What it is called on the wire: a letter, then at most 39 lower-case letters, digits and
    /// dashes.
    #[schema(example = "sold", max_length = 40)]
    code: String,
    /// What people read.
    #[schema(example = "Sold", max_length = 200)]
    label: String,
    /// The task that comes of it; null for none.
    #[serde(default)]
    task: Option<TaskKind>,
}

/// One stretch of opening hours.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    /// The days, 1 for Monday to 7 for Sunday.
    #[schema(example = json!([1, 2, 3, 4, 5]))]
    days: Vec<u8>,
    /// From when, local time.
    #[schema(value_type = String, example = "08:00:00")]
    from: Time,
    /// Until when, local time; `00:00:00` is the day's end.
    #[schema(value_type = String, example = "17:00:00")]
    to: Time,
}

/// When somebody is there.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = BusinessHours)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hours {
    /// IANA time zone.
    #[schema(example = "Europe/Amsterdam")]
    time_zone: String,
    /// The weeks; stretches of one day may not overlap.
    open: Vec<Open>,
    /// Days on which nobody is there.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["2026-12-25"]))]
    holidays: Vec<Date>,
}

impl Default for Hours {
    fn default() -> Self {
        BusinessHours::default().into()
    }
}

/// How an app's agents work. Members that are left out have their default.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WorkSettingsRequest)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Outcomes beside the six that every app has, at most 50.
    outcomes: Vec<Outcome>,
    /// The queue to which escalated calls go.
    #[schema(example = "Second line", max_length = 200)]
    escalation_queue: Option<String>,
    /// How long an agent is left in wrap-up after a call, in seconds, unless they give the
    /// disposition before.
    #[schema(example = 180, maximum = 3600)]
    wrap_up_seconds: u32,
    /// False: agents in wrap-up place no calls.
    dial_in_wrap_up: bool,
    /// False: clients show no caller by themselves.
    screen_pop_enabled: bool,
    /// How long clients wait before they show a caller, in milliseconds.
    #[schema(example = 0, maximum = 5000)]
    screen_pop_delay_ms: u32,
    /// False: nobody dials with a click, and agents place no calls here.
    click_to_dial_enabled: bool,
    /// When somebody is there. Deadlines follow from it.
    hours: Hours,
    /// What the answer adds; passed over, so that an answer can be sent back.
    #[schema(value_type = Value)]
    built_in_outcomes: Value,
}

impl Default for Settings {
    fn default() -> Self {
        let usual = WorkSettings::default();
        Self {
            outcomes: Vec::new(),
            escalation_queue: usual.escalation_queue,
            wrap_up_seconds: usual.wrap_up_seconds,
            dial_in_wrap_up: usual.dial_in_wrap_up,
            screen_pop_enabled: usual.screen_pop_enabled,
            screen_pop_delay_ms: usual.screen_pop_delay_ms,
            click_to_dial_enabled: usual.click_to_dial_enabled,
            hours: usual.hours.into(),
            built_in_outcomes: Value::Null,
        }
    }
}

/// How an app's agents work, with what every app has.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkSettings)]
pub(crate) struct SettingsView {
    /// The app's own outcomes.
    outcomes: Vec<Outcome>,
    /// The outcomes that every app has.
    built_in_outcomes: Vec<Outcome>,
    /// The queue to which escalated calls go.
    escalation_queue: Option<String>,
    /// How long an agent is left in wrap-up after a call, in seconds.
    #[schema(example = 180)]
    wrap_up_seconds: u32,
    /// False: agents in wrap-up place no calls.
    dial_in_wrap_up: bool,
    /// False: clients show no caller by themselves.
    screen_pop_enabled: bool,
    /// How long clients wait before they show a caller, in milliseconds.
    screen_pop_delay_ms: u32,
    /// False: nobody dials with a click, and agents place no calls here.
    click_to_dial_enabled: bool,
    /// When somebody is there.
    hours: Hours,
}

impl From<WorkSettings> for SettingsView {
    fn from(settings: WorkSettings) -> Self {
        let built_in = BUILT_IN.iter().map(|known| Outcome {
            code: known.code.to_owned(),
            label: known.label.to_owned(),
            task: task_of(&settings, known.code).flatten(),
        });
        let built_in_outcomes = built_in.collect();
        let own = settings.outcomes.into_iter().map(|own| Outcome {
            code: own.code,
            label: own.label,
            task: own.task,
        });
        Self {
            outcomes: own.collect(),
            built_in_outcomes,
            escalation_queue: settings.escalation_queue,
            wrap_up_seconds: settings.wrap_up_seconds,
            dial_in_wrap_up: settings.dial_in_wrap_up,
            screen_pop_enabled: settings.screen_pop_enabled,
            screen_pop_delay_ms: settings.screen_pop_delay_ms,
            click_to_dial_enabled: settings.click_to_dial_enabled,
            hours: settings.hours.into(),
        }
    }
}

impl From<BusinessHours> for Hours {
    fn from(hours: BusinessHours) -> Self {
        let open = hours.open.into_iter().map(|open| Open {
            days: open.days,
            from: open.from,
            to: open.to,
        });
        Self {
            time_zone: hours.time_zone,
            open: open.collect(),
            holidays: hours.holidays,
        }
    }
}

impl From<Hours> for BusinessHours {
    fn from(hours: Hours) -> Self {
        let open = hours.open.into_iter().map(|open| OpenHours {
            days: open.days,
            from: open.from,
            to: open.to,
        });
        Self {
            time_zone: hours.time_zone,
            open: open.collect(),
            holidays: hours.holidays,
        }
    }
}

impl From<Settings> for WorkSettings {
    fn from(settings: Settings) -> Self {
        let outcomes = settings.outcomes.into_iter().map(|own| CustomOutcome {
            code: own.code,
            label: own.label,
            task: own.task,
        });
        Self {
            outcomes: outcomes.collect(),
            escalation_queue: settings.escalation_queue,
            wrap_up_seconds: settings.wrap_up_seconds,
            dial_in_wrap_up: settings.dial_in_wrap_up,
            screen_pop_enabled: settings.screen_pop_enabled,
            screen_pop_delay_ms: settings.screen_pop_delay_ms,
            click_to_dial_enabled: settings.click_to_dial_enabled,
            hours: settings.hours.into(),
        }
    }
}

errors!(GetErrors: CALLER []);
errors!(PutErrors: CALLER CHANGE []);

/// Get the work settings
///
/// How the app's agents work: the outcomes of calls, wrap-up, screen pops, click-to-dial and
/// business hours. Agents may read them. Before anything is set: the six outcomes that every app
/// has, three minutes of wrap-up, everything switched on, Monday to Friday from 8 to 17.
#[utoipa::path(
    get, path = "/api/work-settings", tag = "Contact moments", operation_id = "get_work_settings",
    responses((status = 200, description = "The settings.", body = One<SettingsView>), GetErrors),
    security(("key" = ["settings:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsRead)?;
    Params::none(&uri)?;
    let settings = shared.moments.settings(caller.app()).await?;
    answer::one(StatusCode::OK, &SettingsView::from(settings))
}

/// Set the work settings
///
/// Replaces them all. An answer of `GET` can be changed and sent back. Contact moments that have
/// an outcome keep it when the app no longer knows it.
#[utoipa::path(
    put, path = "/api/work-settings", tag = "Contact moments", operation_id = "set_work_settings",
    request_body(content = Settings, example = json!({
        "outcomes": [{ "code": "sold", "label": "Sold", "task": null }],
        "escalation_queue": "Second line", "wrap_up_seconds": 120
    })),
    responses(
        (status = 200, description = "The settings as they are kept.", body = One<SettingsView>),
        PutErrors,
    ),
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
    let Object(new): Object<Settings> = body::json(&headers, body, shared.config.max_json).await?;
    let settings =
        checked(new.into()).map_err(|fault| Problem::field(&fault.field, &fault.problem))?;
    let before = shared.moments.settings(caller.app()).await?;
    trace.before(&SettingsView::from(before));
    shared
        .store
        .put_work_settings(caller.app(), &settings)
        .await?;
    answer::one(StatusCode::OK, &SettingsView::from(settings))
}
