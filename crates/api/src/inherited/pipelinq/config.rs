//! The predecessor had one configuration for everything; here it is a view over the work settings,
//! the dial policy, the app and its first connection. Switches, delay and caller id are written
//! through it; what belongs to a connection or to the app is set there.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::dial::policy;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{DialPolicy, WorkSettings};
use switchhook_engine::work_settings;
use utoipa::ToSchema;

use super::in_their_form;
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::contacts::plan;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

/// What connections call the address of their platform.
const ADDRESSES: [&str; 5] = ["api_base_url", "base_url", "server_url", "ari_url", "url"];

/// The configuration in the words of the predecessor's first line.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = InheritedConfig)]
pub(crate) struct Config {
    /// The platform of the app's first connection; null without one.
    #[schema(example = "callvoip")]
    platform: Option<String>,
    /// Its address, where it has one.
    api_base_url: Option<String>,
    /// `oauth` where somebody signs in at the platform, else `webhook-secret`.
    #[schema(example = "webhook-secret")]
    auth_method: &'static str,
    /// Always null: how a connection's secrets are given is for its operator to see.
    credentials_ref: Option<String>,
    /// False: clients show no caller by themselves. Can be written.
    screen_pop_enabled: bool,
    /// How long clients wait before they show a caller, 0 to 5000. Can be written.
    screen_pop_delay_ms: u32,
    /// False: nobody dials with a click. Can be written.
    click_to_dial_enabled: bool,
    /// The number that is shown when a request names none. Can be written.
    #[schema(example = "+31201234567")]
    default_outbound_caller_id: Option<String>,
    /// The app's country.
    #[schema(example = "NL")]
    default_country_code: String,
}

/// The same in the words of its second line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InheritedConfigInCamelCase)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CamelConfig {
    platform: Option<String>,
    api_base_url: Option<String>,
    auth_method: &'static str,
    credentials_ref: Option<String>,
    screen_pop_enabled: bool,
    screen_pop_delay_ms: u32,
    click_to_dial_enabled: bool,
    default_outbound_caller_id: Option<String>,
    default_country_code: String,
}

/// The configuration in both.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InheritedConfigAnswer)]
pub(crate) struct ConfigView {
    #[serde(flatten)]
    own: Config,
    /// The same again, named as the second line named it.
    config: CamelConfig,
}

impl From<Config> for ConfigView {
    fn from(own: Config) -> Self {
        let config = own.clone();
        let config = CamelConfig {
            platform: config.platform,
            api_base_url: config.api_base_url,
            auth_method: config.auth_method,
            credentials_ref: config.credentials_ref,
            screen_pop_enabled: config.screen_pop_enabled,
            screen_pop_delay_ms: config.screen_pop_delay_ms,
            click_to_dial_enabled: config.click_to_dial_enabled,
            default_outbound_caller_id: config.default_outbound_caller_id,
            default_country_code: config.default_country_code,
        };
        Self { own, config }
    }
}

/// What is to be changed; what is left out stays. The members that cannot be written here may be
/// sent as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = InheritedConfigChange)]
pub(crate) struct ConfigChange {
    #[serde(default)]
    screen_pop_enabled: Option<bool>,
    #[serde(default)]
    #[schema(maximum = 5000)]
    screen_pop_delay_ms: Option<u32>,
    #[serde(default)]
    click_to_dial_enabled: Option<bool>,
    /// Empty: none.
    #[serde(default)]
    default_outbound_caller_id: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: BTreeMap<String, Value>,
}

/// How things stand.
struct Standing {
    work: WorkSettings,
    policy: DialPolicy,
    first: Option<ReadyConnection>,
}

impl Standing {
    async fn of(shared: &Inner, caller: &Caller) -> Result<Self, Problem> {
        let app = caller.app();
        let mut own = shared.connections.all();
        own.retain(|connection| connection.app.id == app);
        let first = own
            .into_iter()
            .min_by_key(|one| (one.row.created_at, one.row.id));
        Ok(Self {
            work: shared.moments.settings(app).await?,
            policy: shared.store.dial_policy(app).await?.unwrap_or_default(),
            first,
        })
    }

    fn view(&self, caller: &Caller) -> Config {
        let first = self.first.as_ref();
        let address = first.and_then(|connection| {
            let mut named = ADDRESSES.iter();
            named.find_map(|name| connection.row.config.get(*name)?.as_str())
        });
        let signs_in =
            |connection: &ReadyConnection| connection.adapter.oauth(&connection.context).is_some();
        Config {
            platform: first.map(|connection| connection.row.platform.clone()),
            api_base_url: address.map(str::to_owned),
            auth_method: match first.is_some_and(signs_in) {
                true => "oauth",
                false => "webhook-secret",
            },
            credentials_ref: None,
            screen_pop_enabled: self.work.screen_pop_enabled,
            screen_pop_delay_ms: self.work.screen_pop_delay_ms,
            click_to_dial_enabled: self.work.click_to_dial_enabled,
            default_outbound_caller_id: self.policy.default_caller_id.clone(),
            default_country_code: caller.access.app.country.clone(),
        }
    }
}

errors!(GetErrors: CALLER []);
errors!(PutErrors: CALLER CHANGE []);

/// Get the configuration, inherited address
///
/// One view over the work settings, the dial policy, the app and its first connection, for
/// clients of the predecessor. Secrets are not in it.
#[utoipa::path(
    get, path = "/api/cti/config", tag = "Contact moments", operation_id = "get_cti_config",
    responses((status = 200, description = "The configuration.", body = ConfigView), GetErrors),
    security(("key" = ["settings:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsRead)?;
    Params::none(&uri)?;
    let standing = Standing::of(&shared, &caller).await?;
    answer::plain(StatusCode::OK, &ConfigView::from(standing.view(&caller)))
}

/// Change the configuration, inherited address
///
/// Writes `screen_pop_enabled`, `screen_pop_delay_ms`, `click_to_dial_enabled` and
/// `default_outbound_caller_id`. The other members belong to the connection or to the app: they
/// may be sent as they are, and are refused when they differ. Members that are not known are
/// passed over, as ever.
#[utoipa::path(
    put, path = "/api/cti/config", tag = "Contact moments", operation_id = "set_cti_config",
    request_body(content = ConfigChange, example = json!({ "screen_pop_delay_ms": 2000 })),
    responses((status = 200, description = "The configuration as it is kept.", body = ConfigView),
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
    let change = body::json(&headers, body, shared.config.max_json).await;
    let Object(change): Object<ConfigChange> = change.map_err(in_their_form)?;
    let mut standing = Standing::of(&shared, &caller).await?;
    let before = standing.view(&caller);
    trace.before(&before);
    fixed(&change.others, &before).map_err(in_their_form)?;
    let changed = apply(&mut standing, change, &caller).map_err(in_their_form)?;
    if changed {
        let (work, policy) = (&standing.work, &standing.policy);
        shared.store.put_work_settings(caller.app(), work).await?;
        shared.store.put_dial_policy(caller.app(), policy).await?;
    }
    answer::plain(StatusCode::OK, &ConfigView::from(standing.view(&caller)))
}

/// Refuses what cannot be written here, where it is not as it is.
fn fixed(others: &BTreeMap<String, Value>, now: &Config) -> Result<(), Problem> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let at_connection = "is set on the connection, by its operator";
    for (name, is, problem) in [
        ("platform", text(&now.platform), at_connection),
        ("api_base_url", text(&now.api_base_url), at_connection),
        ("auth_method", now.auth_method.to_owned(), at_connection),
        ("credentials_ref", text(&now.credentials_ref), at_connection),
        ("webhook_secret", String::new(), at_connection),
        (
            "default_country_code",
            now.default_country_code.clone(),
            "is set on the app, by its operator",
        ),
    ] {
        let given = match others.get(name) {
            None | Some(Value::Null) => continue,
            Some(given) => given.as_str(),
        };
        if given != Some(&*is) {
            return Err(Problem::field(name, problem));
        }
    }
    Ok(())
}

/// Puts the changes on how things stand; false when there are none.
fn apply(standing: &mut Standing, change: ConfigChange, caller: &Caller) -> Result<bool, Problem> {
    let (work, rules) = (standing.work.clone(), standing.policy.clone());
    let new = WorkSettings {
        screen_pop_enabled: change.screen_pop_enabled.unwrap_or(work.screen_pop_enabled),
        screen_pop_delay_ms: change
            .screen_pop_delay_ms
            .unwrap_or(work.screen_pop_delay_ms),
        click_to_dial_enabled: change
            .click_to_dial_enabled
            .unwrap_or(work.click_to_dial_enabled),
        ..work.clone()
    };
    standing.work = work_settings::checked(new)
        .map_err(|fault| Problem::field(&fault.field, &fault.problem))?;
    if let Some(number) = change.default_outbound_caller_id {
        let number = number.trim();
        let number = (!number.is_empty()).then(|| number.to_owned());
        let mut new = rules.clone();
        new.caller_ids.extend(number.clone());
        new.default_caller_id = number;
        let plan = plan(&caller.access.app.country);
        standing.policy = policy::checked(new, &plan)
            .map_err(|fault| Problem::field("default_outbound_caller_id", &fault.problem))?;
    }
    Ok(standing.work != work || standing.policy != rules)
}
