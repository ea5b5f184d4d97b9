//! Operators: connections of an app to its phone platforms, and the platforms there are. Changing
//! a connection that is there is in the child module `change`.

pub(crate) mod change;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::{Capability, FieldKind, Transport};
use switchhook_engine::admin::NewConnection;
use switchhook_engine::connections::Origin;
use switchhook_engine::store::Connection;
use utoipa::ToSchema;

use crate::answer;
use crate::apps::{self, absolute};
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{All, One, SecretText};
use crate::standing::{self, Lack, SignInView, SubscriptionView};
use crate::state::Shared;

/// A connection to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionRequest {
    /// The platform; `GET /internal/platforms` lists them.
    #[schema(example = "dialpad")]
    platform: String,
    /// What people call it; the platform's name when left out.
    #[serde(default)]
    #[schema(example = "Dialpad klantcontact")]
    name: String,
    /// Settings and credentials, as the platform's list of settings names them. Credentials
    /// may be given by reference, as in `SecretText`.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// The secret the platform signs with; made when left out.
    #[serde(default)]
    #[schema(value_type = Option<SecretText>)]
    webhook_secret: Option<String>,
}

/// A connection.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
pub(crate) struct ConnectionView {
    /// Its id.
    id: ConnectionId,
    /// Whose.
    app_id: AppId,
    /// The platform.
    #[schema(example = "dialpad")]
    platform: String,
    /// What people call it.
    name: String,
    /// The opaque id in its webhook address.
    hook_id: String,
    /// Where the platform should post to; null for platforms that do not post.
    webhook_url: Option<String>,
    /// The secret to enter at the platform. Only when it was made here, in the answer to the
    /// creation or rotation that made it; one that was given is not repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhook_secret: Option<String>,
    /// Its settings, without credentials.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// The names of the credentials that are set.
    credentials: Vec<String>,
    /// True when we keep a socket or queue open for it.
    live: bool,
    /// `up`, `down`, `starting`; null when it is not live.
    state: Option<&'static str>,
    /// Why it is down.
    reason: Option<String>,
    /// Since when it has been up or down.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Why it cannot be used at all: a secret that does not open.
    fault: Option<String>,
    /// How its sign-in at the platform stands; null when it does not sign in by OAuth.
    sign_in: Option<SignInView>,
    /// How its hooks and subscriptions at the platform stand; null when it has none of ours.
    subscription: Option<SubscriptionView>,
    /// What it can do.
    #[schema(value_type = Vec<String>)]
    capabilities: Vec<Capability>,
    /// What it cannot do, and why.
    lacks: Vec<Lack>,
    /// When the last notification was accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_heard_at: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
}

/// A connection that was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deleted {
    /// What could not be taken back at the platform; one sentence each.
    left_at_platform: Vec<String>,
}

/// A platform this server speaks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Platform {
    /// Its name in addresses and records.
    #[schema(example = "dialpad")]
    platform: &'static str,
    /// The name people read.
    #[schema(example = "Dialpad")]
    title: &'static str,
    /// How its events arrive.
    summary: &'static str,
    /// The settings of a connection, in the order a form should ask for them.
    config: Vec<Setting>,
    /// What it can do.
    #[schema(value_type = Vec<String>)]
    capabilities: &'static [Capability],
    /// How notifications arrive: `webhook`, `socket`, `queue`.
    #[schema(value_type = Vec<String>)]
    transports: &'static [Transport],
    /// `built_in`; `file` for a mapping of the server's folder; `stored` for one that was put
    /// with `PUT /internal/platforms/{platform}/mapping`.
    #[schema(example = "built_in")]
    origin: &'static str,
}

/// A setting of a connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct Setting {
    /// Member of `config`.
    name: &'static str,
    /// The name people read.
    label: &'static str,
    /// A sentence of help.
    help: &'static str,
    /// `text`, `url`, `secret`, `integer`, `boolean`, `choice` or `list`.
    kind: &'static str,
    /// The words of a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    choices: Option<&'static [&'static str]>,
    /// True when a connection cannot work without it.
    required: bool,
    /// Used when it is not given.
    default: Option<&'static str>,
}

errors!(CreateErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, AppInactive]);
errors!(ListErrors: OPERATOR [InvalidId, AppNotFound]);
errors!(GetErrors: OPERATOR [InvalidId, AppNotFound, ConnectionNotFound]);
errors!(PlatformErrors: OPERATOR []);

/// Make a connection
///
/// The answer has the webhook address and, once, the webhook secret to enter at the platform. A
/// live connection is started at once.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/connections", tag = "Operators: connections",
    operation_id = "create_connection",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = ConnectionRequest, example = json!({
        "platform": "dialpad", "name": "Dialpad klantcontact", "config": {}
    })),
    responses(
        (status = 201, description = "The connection.", body = One<ConnectionView>,
            headers(("location" = String, description = "Where it is."))),
        CreateErrors,
    ),
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
    let Object(new): Object<ConnectionRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let app = apps::find(&shared, &app_id).await?;
    if !app.active {
        return Err(crate::problem::app_inactive());
    }
    let new = NewConnection {
        platform: new.platform,
        name: new.name,
        config: new.config,
        webhook_secret: new.webhook_secret,
    };
    let created = shared.admin.create_connection(app.id, new).await?;
    shared.links.reconcile();
    let location = format!("/internal/apps/{}/connections/{}", app.id, created.row.id);
    let mut view = view(&shared, &headers, created.row).await?;
    view.webhook_secret = created.webhook_secret;
    let mut response = answer::one(StatusCode::CREATED, &view)?;
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// List connections
///
/// Oldest first.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/connections", tag = "Operators: connections",
    operation_id = "list_connections",
    params(("app_id" = String, Path, description = "The app.")),
    responses(
        (status = 200, description = "The connections of the app.", body = All<ConnectionView>),
        ListErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    let rows = shared.store.connections(Some(app.id)).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(view(&shared, &headers, row).await?);
    }
    answer::one(StatusCode::OK, &views)
}

/// Get one connection
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/connections/{connection_id}",
    tag = "Operators: connections", operation_id = "get_connection",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("connection_id" = String, Path, description = "The connection."),
    ),
    responses(
        (status = 200, description = "The connection.", body = One<ConnectionView>),
        GetErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    _: Operator,
    Path((app_id, connection_id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let row = find(&shared, &app_id, &connection_id).await?;
    answer::one(StatusCode::OK, &view(&shared, &headers, row).await?)
}

/// Delete a connection
///
/// What was made for it at the platform is taken back first, and its sign-in. Its webhook address
/// stops working and its live link is closed. Its calls stay.
#[utoipa::path(
    delete, path = "/internal/apps/{app_id}/connections/{connection_id}",
    tag = "Operators: connections", operation_id = "delete_connection",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("connection_id" = String, Path, description = "The connection."),
    ),
    responses(
        (status = 204, description = "It is gone."),
        (status = 200, description = "It is gone here; something is left at the platform.",
            body = One<Deleted>),
        GetErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path((app_id, connection_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let row = find(&shared, &app_id, &connection_id).await?;
    trace.before(&view(&shared, &HeaderMap::new(), row.clone()).await?);
    let left_at_platform = match shared.connections.get(row.id) {
        Some(connection) => shared.keeper.release(&connection).await?,
        None => Vec::new(),
    };
    shared.admin.delete_connection(row.app_id, row.id).await?;
    shared.links.reconcile();
    if left_at_platform.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    answer::one(StatusCode::OK, &Deleted { left_at_platform })
}

/// List platforms
///
/// What this server speaks, and which settings a connection of each has.
#[utoipa::path(
    get, path = "/internal/platforms", tag = "Operators: connections",
    operation_id = "list_platforms",
    responses((status = 200, description = "All platforms.", body = All<Platform>), PlatformErrors),
    security(("operator" = [])),
)]
pub(crate) async fn platforms(
    State(shared): State<Shared>,
    _: Operator,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let known = shared.connections.platforms();
    let platforms = known.all();
    let platforms = platforms.iter().map(|adapter| {
        let spec = adapter.spec();
        let settings = spec.config.iter().map(|field| {
            let (kind, choices) = kind(field.kind);
            Setting {
                name: field.name,
                label: field.label,
                help: field.help,
                kind,
                choices,
                required: field.required,
                default: field.default,
            }
        });
        Platform {
            platform: spec.platform,
            title: spec.title,
            summary: spec.summary,
            config: settings.collect(),
            capabilities: spec.capabilities,
            transports: spec.transports,
            origin: match known.origin(spec.platform) {
                Some(Origin::File) => "file",
                Some(Origin::Stored) => "stored",
                Some(Origin::BuiltIn) | None => "built_in",
            },
        }
    });
    answer::one(StatusCode::OK, &platforms.collect::<Vec<_>>())
}

fn kind(kind: FieldKind) -> (&'static str, Option<&'static [&'static str]>) {
    match kind {
        FieldKind::Text | FieldKind::PbxHost => ("text", None),
        FieldKind::Url | FieldKind::PbxUrl => ("url", None),
        FieldKind::Secret => ("secret", None),
        FieldKind::Integer => ("integer", None),
        FieldKind::Boolean => ("boolean", None),
        FieldKind::Choice(words) => ("choice", Some(words)),
        FieldKind::List => ("list", None),
    }
}

/// The connection of the ids in a path.
pub(crate) async fn find(shared: &Shared, app_id: &str, id: &str) -> Result<Connection, Problem> {
    let id = ConnectionId(path_id(id, "connection")?);
    let app = apps::find(shared, app_id).await?;
    shared.store.connection(app.id, id).await?.ok_or_else(|| {
        let detail = "Connection not found. Take the id from the list of this app's connections.";
        Problem::new(Code::ConnectionNotFound, detail)
    })
}

async fn view(
    shared: &Shared,
    headers: &HeaderMap,
    row: Connection,
) -> Result<ConnectionView, Problem> {
    let ready = shared.connections.get(row.id);
    let live = ready.as_ref().is_some_and(|c| c.is_linked());
    let (sign_in, subscription) = standing::remote(shared, ready.as_ref()).await?;
    let (capabilities, lacks) = standing::abilities(ready.as_ref());
    let posts = ready
        .as_ref()
        .is_none_or(|c| c.adapter.spec().transports.contains(&Transport::Webhook));
    let link = shared.links.states().remove(&row.id).or(row.link);
    let link = link.filter(|_| live);
    let state = live.then(|| match link.as_ref().map(|link| link.up) {
        Some(true) => "up",
        Some(false) => "down",
        None => "starting",
    });
    // Where the platform opens a socket, this is the address to give it.
    let awaits = ready
        .as_ref()
        .is_some_and(|c| c.adapter.awaits_socket(&c.context));
    let place = if awaits { "" } else { "/webhooks" };
    let path = format!("{place}/{}/{}", row.platform, row.hook_id);
    Ok(ConnectionView {
        id: row.id,
        app_id: row.app_id,
        platform: row.platform,
        name: row.name,
        webhook_url: posts.then(|| absolute(shared, headers, &path)),
        hook_id: row.hook_id,
        webhook_secret: None,
        config: row.config,
        credentials: row.credentials.keys().cloned().collect(),
        live,
        state,
        reason: link.as_ref().and_then(|link| link.reason.clone()),
        since: link.map(|link| answer::time(link.since)),
        fault: ready.and_then(|c| c.fault),
        sign_in,
        subscription,
        capabilities,
        lacks,
        last_heard_at: row.last_heard_at.map(answer::time),
        created_at: answer::time(row.created_at),
    })
}
