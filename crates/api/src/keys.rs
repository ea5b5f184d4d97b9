//! Operators: API keys of an app.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_domain::time::parse_lenient;
use switchhook_engine::store::ApiKey;
use utoipa::ToSchema;

use crate::answer;
use crate::apps::{self, USAGE, WARNING};
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::All;
use crate::state::Shared;

/// A key to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What it is called.
    #[serde(default)]
    #[schema(example = "CRM")]
    name: Option<String>,
    /// When it stops working by itself.
    #[serde(default)]
    #[schema(example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
}

/// A new key, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyCreated {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
    /// The key. It is not stored and cannot be shown again.
    #[schema(example = "sh_a1b2c3d4_…")]
    api_key: String,
    /// Its id, for revoking it.
    key_id: KeyId,
    /// Whose.
    app_id: AppId,
    /// The name of the app.
    app_name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    generated_at: String,
    /// When it stops working by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// For people.
    warning: &'static str,
    /// How to use the key.
    usage: &'static str,
}

/// A key, without the key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyView {
    /// Its id.
    id: KeyId,
    /// What it is called.
    name: String,
    /// First and last characters.
    #[schema(example = "sh_a1b2c...wxyz")]
    hint: String,
    /// True when it works.
    active: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When it stops working by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<String>,
}

/// A key was revoked.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyRevoked {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
    /// Whose.
    app_id: AppId,
    /// Which.
    key_id: KeyId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    revoked_at: String,
}

fn view(key: ApiKey, now: Timestamp) -> KeyView {
    let expired = key.expires_at.is_some_and(|at| at <= now);
    KeyView {
        id: key.id,
        name: key.name,
        hint: key.hint,
        active: key.revoked_at.is_none() && !expired,
        created_at: answer::time(key.created_at),
        expires_at: key.expires_at.map(answer::time),
        revoked_at: key.revoked_at.map(answer::time),
    }
}

errors!(CreateErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, AppInactive]);
errors!(ListErrors: OPERATOR [InvalidId, AppNotFound]);
errors!(RevokeErrors: OPERATOR [InvalidId, AppNotFound, KeyNotFound]);

/// Make an API key
///
/// A further key; those there are go on working until they are revoked, so that a change of keys
/// needs no pause.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/api-key", tag = "Operators: apps and keys",
    operation_id = "create_key",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = Option<NewKey>, description = "May be left out."),
    responses((status = 200, description = "The key.", body = KeyCreated), CreateErrors),
    security(("operator" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(new): Object<NewKey> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let expires_at = new.expires_at.as_deref().map(|text| {
        let problem = "must be a time such as 2027-01-01T00:00:00Z";
        parse_lenient(text).ok_or_else(|| Problem::field("expires_at", problem))
    });
    let app = apps::find(&shared, &app_id).await?;
    let name = new.name.as_deref().unwrap_or("API key");
    let key = shared
        .admin
        .create_key(app.id, name, expires_at.transpose()?)
        .await?;
    let created = KeyCreated {
        success: true,
        message: "API key created successfully. Other keys of this app go on working.",
        api_key: key.text,
        key_id: key.row.id,
        app_id: app.id,
        app_name: app.name,
        generated_at: answer::time(key.row.created_at),
        expires_at: key.row.expires_at.map(answer::time),
        warning: WARNING,
        usage: USAGE,
    };
    answer::plain(StatusCode::OK, &created)
}

/// List API keys
///
/// Newest first, revoked ones included.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/keys", tag = "Operators: apps and keys",
    operation_id = "list_keys",
    params(("app_id" = String, Path, description = "The app.")),
    responses((status = 200, description = "The keys.", body = All<KeyView>), ListErrors),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    let now = shared.clock.now();
    let keys = shared.store.keys(app.id).await?;
    let keys: Vec<_> = keys.into_iter().map(|key| view(key, now)).collect();
    answer::one(StatusCode::OK, &keys)
}

/// Revoke an API key
///
/// It stops working at once, and its sockets are closed within a second.
#[utoipa::path(
    delete, path = "/internal/apps/{app_id}/keys/{key_id}", tag = "Operators: apps and keys",
    operation_id = "revoke_key",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("key_id" = String, Path, description = "The id of the key."),
    ),
    responses((status = 200, description = "It is revoked.", body = KeyRevoked), RevokeErrors),
    security(("operator" = [])),
)]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path((app_id, key_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let key_id = KeyId(path_id(&key_id, "key")?);
    let app = apps::find(&shared, &app_id).await?;
    let keys = shared.store.keys(app.id).await?;
    let Some(key) = keys.into_iter().find(|key| key.id == key_id) else {
        let detail = "Key not found. Take the id from the list of this app's keys.";
        return Err(Problem::new(Code::KeyNotFound, detail));
    };
    trace.before(&view(key, shared.clock.now()));
    shared.admin.revoke_key(app.id, key_id).await?;
    shared.watch.look();
    let keys = shared.store.keys(app.id).await?;
    let revoked = keys
        .into_iter()
        .find(|key| key.id == key_id)
        .and_then(|key| key.revoked_at);
    let answer = KeyRevoked {
        success: true,
        message: "API key revoked.",
        app_id: app.id,
        key_id,
        revoked_at: answer::time(revoked.unwrap_or_else(|| shared.clock.now())),
    };
    answer::plain(StatusCode::OK, &answer)
}
