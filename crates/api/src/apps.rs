//! Operators: apps, and links to sign in to them.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::id::AppId;
use switchhook_engine::access::LINK_LIFE;
use switchhook_engine::admin;
use switchhook_engine::store::{App, Role};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::keys::KeyView;
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem, app_inactive};
use crate::schemas::{All, One};
use crate::state::Shared;

/// An app to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApp {
    /// Its name.
    #[schema(example = "Klantcontact", max_length = 200)]
    name: String,
    /// ISO 3166-1 alpha-2: how its national numbers are read. `NL` when left out.
    #[serde(default)]
    #[schema(example = "NL")]
    country: Option<String>,
}

/// A new app and its first key, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppCreated {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
    /// Its id.
    app_id: AppId,
    /// Its name.
    app_name: String,
    /// The key. It is not stored and cannot be shown again.
    #[schema(example = "sh_a1b2c3d4_…")]
    api_key: String,
    /// What is known about the key from now on.
    key: KeyView,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// For people.
    warning: &'static str,
    /// How to use the key.
    usage: &'static str,
}

/// What should be different about an app.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppChange {
    /// Its name.
    #[serde(default)]
    #[schema(example = "Klantcontact", max_length = 200)]
    name: Option<String>,
    /// ISO 3166-1 alpha-2: how its national numbers are read.
    #[serde(default)]
    #[schema(example = "NL")]
    country: Option<String>,
    /// False switches it off: its keys, people and platforms are refused until it is true again.
    #[serde(default)]
    active: Option<bool>,
}

/// An app, as operators see it.
#[derive(Serialize, ToSchema)]
#[schema(as = App)]
pub(crate) struct AppView {
    /// Its id.
    id: AppId,
    /// Its name.
    name: String,
    /// How its national numbers are read and shown.
    country: String,
    /// False when it was switched off.
    active: bool,
    /// The epoch of its log.
    epoch: Uuid,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
}

/// What a sign-in link should open.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLink {
    /// `admin`, `supervisor` or `agent`; `admin` when left out.
    #[serde(default)]
    #[schema(example = "supervisor")]
    role: Option<String>,
}

/// A link that signs a browser in, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInLink {
    /// The link.
    #[schema(example = "https://cti.example.nl/sign-in?token=…")]
    url: String,
    /// What it opens.
    role: &'static str,
    /// Until when it works.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

/// Shown with every new key.
pub(crate) const WARNING: &str =
    "Store this API key securely. It is shown only once and cannot be retrieved again.";
/// Shown with every new key.
pub(crate) const USAGE: &str = "Include it in the x-app-api-key header of your requests.";

impl From<App> for AppView {
    fn from(app: App) -> Self {
        Self {
            id: app.id,
            name: app.name,
            country: app.country,
            active: app.active,
            epoch: app.epoch,
            created_at: answer::time(app.created_at),
        }
    }
}

errors!(CreateErrors: OPERATOR OPERATOR_BODY [AlreadyExists]);
errors!(ChangeErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound]);
errors!(ListErrors: OPERATOR []);
errors!(GetErrors: OPERATOR [InvalidId, AppNotFound]);
errors!(LinkErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, AppInactive]);

/// Create an app
///
/// Makes a tenant and its first API key. The key is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/internal/apps", tag = "Operators: apps and keys", operation_id = "create_app",
    request_body(content = NewApp, example = json!({"name": "Klantcontact", "country": "NL"})),
    responses(
        (status = 201, description = "The app and its key.", body = AppCreated),
        CreateErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    _: Operator,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let limit = shared.config.max_json;
    let read = body::json::<Object<NewApp>>(&headers, body, limit).await;
    let Object(new) = read.map_err(words)?;
    let made = shared.admin.create_app(&new.name, new.country.as_deref());
    let (app, key) = made.await.map_err(|error| words(error.into()))?;
    let created = AppCreated {
        success: true,
        message: "App created successfully. Save the API key now.",
        app_id: app.id,
        app_name: app.name,
        api_key: key.text,
        key: KeyView::of(key.row, app.created_at),
        created_at: answer::time(app.created_at),
        warning: WARNING,
        usage: USAGE,
    };
    answer::plain(StatusCode::CREATED, &created)
}

/// List apps
///
/// Oldest first.
#[utoipa::path(
    get, path = "/internal/apps", tag = "Operators: apps and keys", operation_id = "list_apps",
    responses((status = 200, description = "All apps.", body = All<AppView>), ListErrors),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let apps: Vec<AppView> = shared
        .store
        .apps()
        .await?
        .into_iter()
        .map(AppView::from)
        .collect();
    answer::one(StatusCode::OK, &apps)
}

/// Get one app
#[utoipa::path(
    get, path = "/internal/apps/{app_id}", tag = "Operators: apps and keys",
    operation_id = "get_app",
    params(("app_id" = String, Path, description = "The app.")),
    responses((status = 200, description = "The app.", body = One<AppView>), GetErrors),
    security(("operator" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = find(&shared, &app_id).await?;
    answer::one(StatusCode::OK, &AppView::from(app))
}

/// Change an app
///
/// Its name, its country, or whether it is switched on. Switched off, it answers 403 to its keys
/// and people, takes no notifications, and its sockets are closed with 4403 within a second, on
/// every node. Nothing is deleted: switched on again, everything is as it was.
#[utoipa::path(
    patch, path = "/internal/apps/{app_id}", tag = "Operators: apps and keys",
    operation_id = "change_app",
    params(("app_id" = String, Path, description = "The app.")),
    request_body = AppChange,
    responses((status = 200, description = "The app.", body = One<AppView>), ChangeErrors),
    security(("operator" = [])),
)]
pub(crate) async fn change(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(change): Object<AppChange> =
        body::json(&headers, body, shared.config.max_json).await?;
    let app = find(&shared, &app_id).await?;
    let id = app.id;
    trace.before(&AppView::from(app));
    let change = admin::AppChange {
        name: change.name,
        country: change.country,
        active: change.active,
    };
    let app = shared.admin.change_app(id, change).await?;
    shared.watch.look();
    shared.links.reconcile();
    answer::one(StatusCode::OK, &AppView::from(app))
}

/// A body that is refused, in the predecessor's words.
fn words(problem: Problem) -> Problem {
    match (problem.code(), problem.field_name()) {
        (Code::InvalidField, Some("name")) if !problem.detail().contains("at most") => {
            let detail = "name is required and must be a non-empty string";
            Problem::new(Code::InvalidField, detail)
                .at("name")
                .with("error", "Invalid request")
        }
        (Code::InvalidField | Code::InvalidBody, _) => problem.with("error", "Invalid request"),
        (Code::InternalError, _) => problem.with("error", "Failed to create app"),
        _ => problem,
    }
}

/// Make a sign-in link
///
/// For one browser, once, within half an hour.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/sign-in-link", tag = "Operators: apps and keys",
    operation_id = "create_sign_in_link",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = Option<NewLink>, description = "May be left out."),
    responses((status = 201, description = "The link.", body = One<SignInLink>), LinkErrors),
    security(("operator" = [])),
)]
pub(crate) async fn sign_in_link(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(new): Object<NewLink> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let role = match new.role.as_deref() {
        None => Role::Admin,
        Some(name) => Role::from_name(name)
            .ok_or_else(|| Problem::field("role", "must be one of admin, supervisor, agent"))?,
    };
    let app = find(&shared, &app_id).await?;
    if !app.active {
        return Err(app_inactive());
    }
    let now = shared.clock.now();
    let token = shared.gate.sign_in_link(app.id, role, None).await?;
    let link = SignInLink {
        url: absolute(&shared, &headers, &format!("/sign-in?token={token}")),
        role: role.as_str(),
        expires_at: answer::time(now.checked_add(LINK_LIFE).unwrap_or(now)),
    };
    answer::one(StatusCode::CREATED, &link)
}

/// The app of an id in the path.
pub(crate) async fn find(shared: &Shared, app_id: &str) -> Result<App, Problem> {
    let id = path_id(app_id, "app").map_err(|_| {
        // The predecessor's words.
        Problem::new(Code::InvalidId, "app_id must be a valid UUID")
            .at("app_id")
            .with("error", "Invalid request")
    })?;
    let app = shared.admin.app(AppId(id)).await.map_err(Problem::from);
    app.map_err(|problem| match problem.code() {
        Code::AppNotFound => problem.with("error", "App not found"),
        _ => problem,
    })
}

/// A path of this server as people outside write it: under the public address, or, where none is
/// set, under the host the operator asked.
pub(crate) fn absolute(shared: &Shared, headers: &HeaderMap, path: &str) -> String {
    if let Some(url) = &shared.config.public_url {
        return format!("{}{path}", url.trim_end_matches('/'));
    }
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .filter(|host| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(fits)
        });
    host.map_or_else(|| path.to_owned(), |host| format!("http://{host}{path}"))
}
