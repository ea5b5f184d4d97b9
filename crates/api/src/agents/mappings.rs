//! Operators: users of Dialpad mapped to the business software, by the predecessor's routes and
//! in its words. A mapping is a name of an agent; the agent is found or made by its id in the
//! business software.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchhook_domain::agent::{Agent, Identity, IdentityKind, Roster};
use switchhook_domain::id::{AgentId, AppId, IdentityId};
use switchhook_engine::agents::{AgentFault, Mapping};
use switchhook_engine::store::App;
use utoipa::ToSchema;

use crate::answer;
use crate::apps;
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::paging::{MAX_OFFSET, Pagination};
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::{Inner, Shared};

/// The platform whose users they are.
const PLATFORM: &str = "dialpad";
/// The most mappings of one request.
const MAX_BATCH: usize = 1000;
/// The page size when none is asked for, as the predecessor had it.
const DEFAULT_LIMIT: u64 = 100;
/// The largest page.
const MAX_LIMIT: u64 = 1000;
/// The most digits of a user id.
const MAX_DIGITS: usize = 20;

/// A user of Dialpad and who it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct UserMapRequest {
    /// Dialpad's user id: a positive number, or the same as text.
    #[schema(value_type = Object, example = "6004200420042004")]
    dialpad_user_id: Value,
    /// The id in the business software.
    #[schema(value_type = Object, example = "user_abc123")]
    crm_user_id: Value,
}

/// Many of them.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct UserBatchRequest {
    /// The mappings, at most 1,000.
    #[schema(value_type = Vec<UserMapRequest>)]
    mappings: Value,
}

/// A mapping.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserMapping {
    /// Its id.
    id: IdentityId,
    /// Whose.
    app_id: AppId,
    /// Dialpad's user id.
    #[schema(example = "6004200420042004")]
    dialpad_user_id: String,
    /// The id in the business software.
    #[schema(example = "user_abc123")]
    crm_user_id: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

/// A user was mapped.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserMapped {
    /// Always true.
    success: bool,
    /// The mapping.
    data: UserMapping,
    /// For people.
    message: &'static str,
}

/// Users were mapped.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsersMapped {
    /// Always true.
    success: bool,
    /// For people.
    message: String,
    /// How many.
    count: usize,
}

/// A mapping was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct MappingDeleted {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
}

errors!(MapErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound]);
errors!(ListErrors: OPERATOR [InvalidId, AppNotFound]);
errors!(GetErrors: OPERATOR [InvalidId, AppNotFound, UserMappingNotFound]);

fn row(app_id: AppId, identity: &Identity, crm_user_id: &str) -> UserMapping {
    UserMapping {
        id: identity.id,
        app_id,
        dialpad_user_id: identity.value.clone(),
        crm_user_id: crm_user_id.to_owned(),
        created_at: answer::time(identity.created_at),
        updated_at: answer::time(identity.updated_at),
    }
}

/// All mappings, newest first.
fn all(roster: &Roster) -> Vec<(&Agent, &Identity, &str)> {
    let mapped = roster.agents().iter().filter_map(|agent| {
        let crm = agent.crm_user_id.as_deref()?;
        Some((agent, crm))
    });
    let mut all: Vec<_> = mapped
        .flat_map(|(agent, crm)| agent.identities.iter().map(move |own| (agent, own, crm)))
        .filter(|(_, own, _)| is_mapping(own))
        .collect();
    all.sort_by_key(|(_, own, _)| std::cmp::Reverse((own.created_at, own.id)));
    all
}

fn is_mapping(identity: &Identity) -> bool {
    identity.kind == IdentityKind::User && identity.platform.as_deref() == Some(PLATFORM)
}

fn not_found() -> Problem {
    Problem::new(Code::UserMappingNotFound, "Mapping not found")
}

/// A user id of Dialpad in a body.
fn user_id(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    positive(&text).then_some(text)
}

fn positive(text: &str) -> bool {
    let digits = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits && !text.starts_with('0')
}

/// A user id of Dialpad in a path.
fn path_user(text: &str) -> Result<&str, Problem> {
    if positive(text) {
        return Ok(text);
    }
    let detail = "dialpad_user_id must be a positive integer";
    Err(Problem::new(Code::InvalidId, detail).at("dialpad_user_id"))
}

/// The two ids of a mapping, or what is wrong with them.
fn checked(asked: &UserMapRequest) -> Result<(String, String), Problem> {
    let crm = match &asked.crm_user_id {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let missing = |value: &Value| value.is_null() || value.as_str() == Some("");
    let lacks = if missing(&asked.dialpad_user_id) {
        Some("dialpad_user_id")
    } else {
        crm.is_empty().then_some("crm_user_id")
    };
    if let Some(field) = lacks {
        let detail = "Missing required fields: dialpad_user_id and crm_user_id.";
        return Err(Problem::new(Code::InvalidField, detail)
            .at(field)
            .with("error", "Missing required fields")
            .with("required", json!(["dialpad_user_id", "crm_user_id"])));
    }
    let user = user_id(&asked.dialpad_user_id).ok_or_else(|| {
        let detail = "dialpad_user_id must be a positive integer";
        Problem::new(Code::InvalidField, detail)
            .at("dialpad_user_id")
            .with("error", "Invalid request")
    })?;
    Ok((user, crm))
}

/// Map a user of Dialpad
///
/// The agent with that `crm_user_id` is found or made, and the user is theirs from now on.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/users/map", tag = "Operators: agents",
    operation_id = "map_user",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = UserMapRequest),
    responses((status = 200, description = "The mapping.", body = UserMapped), MapErrors),
    security(("operator" = [])),
)]
pub(crate) async fn map(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    let Object(asked): Object<UserMapRequest> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let (user, crm) = checked(&asked)?;
    note_before(&shared, &trace, app.id, |mapped| mapped == user).await?;
    let agents = shared.intake.agents();
    let Mapping {
        identity,
        crm_user_id,
    } = agents
        .change(app.id, |edit| edit.map(PLATFORM, &user, &crm))
        .await?;
    let mapped = UserMapped {
        success: true,
        data: row(app.id, &identity, &crm_user_id),
        message: "User mapping created/updated",
    };
    answer::plain(StatusCode::OK, &mapped)
}

/// Map many users of Dialpad
///
/// At most 1,000; all or none.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/users/batch-map", tag = "Operators: agents",
    operation_id = "map_users",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = UserBatchRequest),
    responses((status = 200, description = "How many.", body = UsersMapped), MapErrors),
    security(("operator" = [])),
)]
pub(crate) async fn batch(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    let Object(asked): Object<UserBatchRequest> =
        body::json_or_default(&headers, body, shared.config.max_import).await?;
    let Value::Array(entries) = asked.mappings else {
        return Err(not_a_list("mappings must be an array"));
    };
    if entries.len() > MAX_BATCH {
        let detail = format!(
            "mappings has {} entries; at most {MAX_BATCH} fit",
            entries.len()
        );
        return Err(not_a_list(detail));
    }
    let mut pairs = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let place = |problem: Problem| {
            let field = problem.field_name().map(|field| format!(".{field}"));
            problem.at(format!("mappings[{index}]{}", field.unwrap_or_default()))
        };
        let entry: UserMapRequest = match entry {
            Value::Object(_) => serde_json::from_value(entry).unwrap_or_default(),
            _ => UserMapRequest::default(),
        };
        pairs.push(checked(&entry).map_err(place)?);
    }
    let count = pairs.len();
    let users: BTreeSet<&str> = pairs.iter().map(|(user, _)| user.as_str()).collect();
    note_before(&shared, &trace, app.id, |mapped| users.contains(mapped)).await?;
    shared
        .intake
        .agents()
        .change(app.id, |edit| {
            for (index, (user, crm)) in pairs.iter().enumerate() {
                let within = |fault: AgentFault| fault.within(&format!("mappings[{index}]."));
                edit.map(PLATFORM, user, crm).map_err(within)?;
            }
            Ok(())
        })
        .await?;
    let mapped = UsersMapped {
        success: true,
        message: format!("Batch mapped {count} users"),
        count,
    };
    answer::plain(StatusCode::OK, &mapped)
}

/// For the audit log: whose these users were until now, where they were anybody's.
async fn note_before(
    shared: &Inner,
    trace: &Trace,
    app: AppId,
    meant: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    let roster = shared.intake.agents().latest(app).await?;
    let all = all(&roster).into_iter();
    let before = all.filter(|(_, own, _)| meant(&own.value));
    let before: Vec<_> = before.map(|(_, own, crm)| row(app, own, crm)).collect();
    if !before.is_empty() {
        trace.before(&before);
    }
    Ok(())
}

fn not_a_list(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(Code::InvalidField, detail)
        .at("mappings")
        .with("error", "Invalid request")
        .with(
            "expected",
            json!({"mappings": "array of {dialpad_user_id, crm_user_id}"}),
        )
}

/// List mapped users of Dialpad
///
/// Newest first.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/users/mappings", tag = "Operators: agents",
    operation_id = "list_user_mappings",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 when left out."),
        ("offset" = Option<u32>, Query, description = "How many to pass over."),
    ),
    responses((status = 200, description = "A page.", body = Page<UserMapping>), ListErrors),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "offset"])?;
    let limit = params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
    let offset = params.number("offset", 0, 0..=MAX_OFFSET)?;
    let (app, roster) = roster(&shared, &app_id).await?;
    let all = all(&roster);
    let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let page: Vec<_> = all
        .iter()
        .skip(small(offset))
        .take(small(limit))
        .map(|(_, own, crm)| row(app.id, own, crm))
        .collect();
    let total = all.len() as u64;
    let pagination = Pagination {
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        total,
        has_more: !page.is_empty() && offset + (page.len() as u64) < total,
        next_cursor: None,
    };
    answer::list(&page, &pagination)
}

async fn roster(shared: &Inner, app_id: &str) -> Result<(App, std::sync::Arc<Roster>), Problem> {
    let id = AppId(path_id(app_id, "app")?);
    let app = shared.admin.app(id).await?;
    let roster = shared.intake.agents().latest(app.id).await?;
    Ok((app, roster))
}

/// Get the mapping of a user of Dialpad
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/users/mappings/dialpad/{dialpad_user_id}",
    tag = "Operators: agents", operation_id = "get_user_mapping",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("dialpad_user_id" = String, Path, description = "Dialpad's user id."),
    ),
    responses((status = 200, description = "The mapping.", body = One<UserMapping>), GetErrors),
    security(("operator" = [])),
)]
pub(crate) async fn by_user(
    State(shared): State<Shared>,
    _: Operator,
    Path((app_id, user)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let user = path_user(&user)?;
    let (app, roster) = roster(&shared, &app_id).await?;
    let all = all(&roster);
    let found = all.iter().find(|(_, own, _)| own.value == user);
    let (_, own, crm) = found.ok_or_else(not_found)?;
    answer::one(StatusCode::OK, &row(app.id, own, crm))
}

/// Get the mapping of an id in the business software
///
/// Where several users of Dialpad are mapped to it, the newest.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/users/mappings/crm/{crm_user_id}",
    tag = "Operators: agents", operation_id = "get_user_mapping_by_crm",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("crm_user_id" = String, Path, description = "The id in the business software."),
    ),
    responses((status = 200, description = "The mapping.", body = One<UserMapping>), GetErrors),
    security(("operator" = [])),
)]
pub(crate) async fn by_crm(
    State(shared): State<Shared>,
    _: Operator,
    Path((app_id, crm)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let (app, roster) = roster(&shared, &app_id).await?;
    let all = all(&roster);
    let found = all.iter().find(|(.., own)| *own == crm);
    let (_, own, crm) = found.ok_or_else(not_found)?;
    answer::one(StatusCode::OK, &row(app.id, own, crm))
}

/// Delete a mapping
#[utoipa::path(
    delete, path = "/internal/apps/{app_id}/users/mappings/{mapping_id}",
    tag = "Operators: agents", operation_id = "delete_user_mapping",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("mapping_id" = String, Path, description = "The id of the mapping."),
    ),
    responses((status = 200, description = "It is gone.", body = MappingDeleted), GetErrors),
    security(("operator" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path((app_id, mapping_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let id = IdentityId(path_id(&mapping_id, "mapping")?);
    remove(&shared, &trace, &app_id, |own| own.id == id).await
}

/// Delete the mapping of a user of Dialpad
#[utoipa::path(
    delete, path = "/internal/apps/{app_id}/users/mappings/dialpad/{dialpad_user_id}",
    tag = "Operators: agents", operation_id = "delete_user_mapping_by_user",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("dialpad_user_id" = String, Path, description = "Dialpad's user id."),
    ),
    responses((status = 200, description = "It is gone.", body = MappingDeleted), GetErrors),
    security(("operator" = [])),
)]
pub(crate) async fn delete_by_user(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path((app_id, user)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let user = path_user(&user)?;
    remove(&shared, &trace, &app_id, |own| own.value == user).await
}

/// Deletes every mapping that is meant; there must be one.
async fn remove(
    shared: &Inner,
    trace: &Trace,
    app_id: &str,
    meant: impl Fn(&Identity) -> bool,
) -> Result<Response, Problem> {
    let (app, roster) = roster(shared, app_id).await?;
    let all = all(&roster);
    let gone: Vec<_> = all.iter().filter(|(_, own, _)| meant(own)).collect();
    let (_, own, crm) = gone.first().ok_or_else(not_found)?;
    trace.about(app.id);
    trace.before(&row(app.id, own, crm));
    let ids: Vec<(AgentId, IdentityId)> = gone
        .iter()
        .map(|(agent, own, _)| (agent.id, own.id))
        .collect();
    let done = shared
        .intake
        .agents()
        .change(app.id, |edit| {
            for (agent, identity) in &ids {
                edit.drop_identity(*agent, *identity)?;
            }
            Ok(())
        })
        .await;
    match done {
        // Somebody else was faster.
        Err(AgentFault::UnknownAgent | AgentFault::UnknownIdentity) => Err(not_found()),
        Err(fault) => Err(fault.into()),
        Ok(()) => {
            let deleted = MappingDeleted {
                success: true,
                message: "Mapping deleted",
            };
            answer::plain(StatusCode::OK, &deleted)
        }
    }
}
