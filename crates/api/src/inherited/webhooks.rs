//! Operators: an app's webhook at Dialpad, at the predecessor's addresses. A webhook there is a
//! connection here with its hook and subscriptions kept at Dialpad; these routes make, show and
//! end that. What is kept, and how, is the engine's keeper's.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::KeptHook;
use switchhook_engine::admin::Change;
use switchhook_engine::admin::NewConnection;
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::store::StoredSubscription;
use utoipa::ToSchema;

use crate::answer;
use crate::apps::absolute;
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem, app_inactive};
use crate::schemas::SecretText;
use crate::state::Shared;

const PLATFORM: &str = "dialpad";

/// A webhook to be made. Everything may be left out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebhookRequest {
    /// An address of this server, as the predecessor wanted to be told. Each connection has its
    /// own address here; the answer says which.
    webhook_url: Option<String>,
    /// The secret Dialpad should sign with. That of a connection that is there already is
    /// believed too, until the next one.
    #[schema(value_type = Option<SecretText>)]
    webhook_secret: Option<String>,
}

/// A webhook that stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookCreated {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// For people.
    #[schema(example = "Webhook created successfully")]
    message: &'static str,
    /// Dialpad's id of it.
    #[schema(example = "5600000000000001")]
    webhook_id: String,
    /// Where Dialpad posts to.
    hook_url: String,
    /// What is left to do.
    next_step: &'static str,
    /// The connection it belongs to.
    connection_id: ConnectionId,
}

/// A webhook at Dialpad. Its secret is never shown.
#[derive(Serialize, ToSchema)]
#[schema(as = DialpadWebhook)]
pub(crate) struct WebhookView {
    /// The connection it belongs to.
    id: ConnectionId,
    /// Whose.
    app_id: AppId,
    /// Dialpad's id of it.
    #[schema(example = "5600000000000001")]
    webhook_id: String,
    /// Where Dialpad posts to.
    hook_url: String,
    /// How Dialpad signs.
    #[schema(example = "HS256")]
    algo: &'static str,
    /// In which form.
    #[schema(example = "jwt")]
    signature_type: &'static str,
    /// What is wrong with it, when the last look failed.
    fault: Option<String>,
    /// When its connection was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When Dialpad last confirmed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<String>,
}

/// The webhooks of an app.
#[derive(Serialize, ToSchema)]
pub(crate) struct Webhooks {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// How many.
    #[schema(example = 1)]
    count: usize,
    /// All of them.
    webhooks: Vec<WebhookView>,
}

/// One webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneWebhook {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// The webhook.
    webhook: WebhookView,
}

/// A webhook that is gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookDeleted {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// For people.
    message: &'static str,
}

errors!(CreateErrors: OPERATOR OPERATOR_BODY [
    AppNotFound, AppInactive, ConnectionNotFound, PlatformRefused,
]);
errors!(ListErrors: OPERATOR []);
errors!(OneErrors: OPERATOR [WebhookNotFound]);
errors!(DeleteErrors: OPERATOR [WebhookNotFound, PlatformRefused]);

/// Make an app's webhook at Dialpad
///
/// Makes webhook and subscriptions for calls, messages and agent status, or sees that they stand:
/// asking again makes nothing twice. The app's oldest Dialpad connection is used, or one is made
/// where the operator has set credentials for all (`DIALPAD_API_KEY`).
#[utoipa::path(
    post, path = "/internal/webhooks/create", tag = "Operators: connections",
    operation_id = "create_dialpad_webhook",
    params(("app_id" = String, Query, description = "The app.")),
    request_body(content = Option<WebhookRequest>),
    responses(
        (status = 201, description = "It stands at Dialpad.", body = WebhookCreated),
        CreateErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let app = app_of(&Params::read(&uri, &["app_id"])?)?.ok_or_else(no_app_id)?;
    let Object(new): Object<WebhookRequest> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    if let Some(url) = &new.webhook_url {
        is_ours(&shared, &headers, url)?;
    }
    let app = shared.admin.app(app).await?;
    if !app.active {
        return Err(app_inactive());
    }
    trace.about(app.id);
    let connection = standing(&shared, app.id, new.webhook_secret).await?;
    let kept = shared.keeper.look_now(&connection).await?;
    if let Some(fault) = kept.and_then(|row| row.fault) {
        let detail = "Failed to create webhook in Dialpad. The details say why; it is tried \
                      again in the background.";
        return Err(Problem::new(Code::PlatformRefused, detail).with("details", fault));
    }
    let Some((hook, _)) = shared.keeper.hook(&connection).await? else {
        let detail = "Dialpad webhook created but no ID in response. Look again in a moment.";
        return Err(Problem::new(Code::PlatformRefused, detail));
    };
    let created = WebhookCreated {
        success: true,
        message: "Webhook created successfully",
        webhook_id: hook.id,
        hook_url: hook.url,
        next_step: "None: subscriptions for call, SMS and agent status events stand too",
        connection_id: connection.row.id,
    };
    answer::plain(StatusCode::CREATED, &created)
}

/// List an app's webhooks at Dialpad
#[utoipa::path(
    get, path = "/internal/webhooks", tag = "Operators: connections",
    operation_id = "list_dialpad_webhooks",
    params(("app_id" = String, Query, description = "The app.")),
    responses((status = 200, description = "Its webhooks.", body = Webhooks), ListErrors),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    uri: Uri,
) -> Result<Response, Problem> {
    let app = app_of(&Params::read(&uri, &["app_id"])?)?.ok_or_else(no_app_id)?;
    let kept = kept(&shared, Some(app)).await?;
    let webhooks: Vec<_> = kept.into_iter().map(view).collect();
    let list = Webhooks {
        success: true,
        count: webhooks.len(),
        webhooks,
    };
    answer::plain(StatusCode::OK, &list)
}

/// Get a webhook at Dialpad
#[utoipa::path(
    get, path = "/internal/webhooks/{webhook_id}", tag = "Operators: connections",
    operation_id = "get_dialpad_webhook",
    params(
        ("webhook_id" = String, Path, description = "Dialpad's id of it."),
        ("app_id" = Option<String>, Query, description = "Only when it is of this app."),
    ),
    responses((status = 200, description = "The webhook.", body = OneWebhook), OneErrors),
    security(("operator" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    _: Operator,
    Path(webhook_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let app = app_of(&Params::read(&uri, &["app_id"])?)?;
    let webhook = view(find(&shared, app, &webhook_id).await?);
    let one = OneWebhook {
        success: true,
        webhook,
    };
    answer::plain(StatusCode::OK, &one)
}

/// Delete a webhook at Dialpad
///
/// Takes webhook and subscriptions back at Dialpad too. The connection stays, with its events set
/// up by hand from then on; `POST /internal/webhooks/create` sets them up again.
#[utoipa::path(
    delete, path = "/internal/webhooks/{webhook_id}", tag = "Operators: connections",
    operation_id = "delete_dialpad_webhook",
    params(
        ("webhook_id" = String, Path, description = "Dialpad's id of it."),
        ("app_id" = Option<String>, Query, description = "Only when it is of this app."),
    ),
    responses((status = 200, description = "It is gone.", body = WebhookDeleted), DeleteErrors),
    security(("operator" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(webhook_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let app = app_of(&Params::read(&uri, &["app_id"])?)?;
    let (connection, hook, row) = find(&shared, app, &webhook_id).await?;
    trace.about(connection.row.app_id);
    trace.before(&view((connection.clone(), hook, row)));
    let connection = match connection.adapter.by_hand() {
        Some((name, word)) => set(&shared, &connection, name, word.into()).await?,
        None => connection,
    };
    if shared.keeper.look_now(&connection).await?.is_some() {
        let detail = "Failed to delete webhook in Dialpad. It is tried again in the background.";
        return Err(Problem::new(Code::PlatformRefused, detail));
    }
    let deleted = WebhookDeleted {
        success: true,
        message: "Webhook removed here and in Dialpad, with its subscriptions.",
    };
    answer::plain(StatusCode::OK, &deleted)
}

/// The app's connection, made where there is none, with hook and subscriptions to be kept.
async fn standing(
    shared: &Shared,
    app: AppId,
    secret: Option<String>,
) -> Result<ReadyConnection, Problem> {
    let mut all = of(shared, Some(app));
    let (made, connection) = if all.is_empty() {
        let default = shared.config.inherited_webhook_secret.as_ref();
        let new = NewConnection {
            platform: PLATFORM.to_owned(),
            webhook_secret: secret.or_else(|| default.map(|secret| secret.expose().to_owned())),
            ..NewConnection::default()
        };
        let made = shared.admin.create_connection(app, new).await?;
        (true, known(shared, made.row.id)?)
    } else {
        let connection = all.swap_remove(0);
        let row = &connection.row;
        if secret.is_some() {
            let admin = &shared.admin;
            admin
                .rotate_webhook_secret(app, row.id, secret, true)
                .await?;
        }
        (false, known(shared, row.id)?)
    };
    let connection = match connection.adapter.by_hand() {
        Some((name, word)) if connection.row.config.get(name) == Some(&Value::from(word)) => {
            set(shared, &connection, name, Value::Null).await?
        }
        _ => connection,
    };
    if connection.adapter.keeps_subscription(&connection.context) {
        return Ok(connection);
    }
    if made {
        shared
            .admin
            .delete_connection(app, connection.row.id)
            .await?;
    }
    let detail = "No Dialpad connection found and DIALPAD_API_KEY is not configured. Give a \
                  connection an API key or sign in for it, or set DIALPAD_API_KEY.";
    Err(Problem::new(Code::ConnectionNotFound, detail))
}

/// Changes one setting of a connection.
async fn set(
    shared: &Shared,
    connection: &ReadyConnection,
    name: &str,
    value: Value,
) -> Result<ReadyConnection, Problem> {
    let change = Change {
        config: Map::from_iter([(name.to_owned(), value)]),
        ..Change::default()
    };
    let row = &connection.row;
    shared
        .admin
        .update_connection(row.app_id, row.id, change)
        .await?;
    known(shared, row.id)
}

fn known(shared: &Shared, id: ConnectionId) -> Result<ReadyConnection, Problem> {
    shared.connections.get(id).ok_or_else(Problem::internal)
}

/// Dialpad connections, the oldest first.
fn of(shared: &Shared, app: Option<AppId>) -> Vec<ReadyConnection> {
    let mut all = shared.connections.all();
    all.retain(|c| c.row.platform == PLATFORM && app.is_none_or(|app| c.app.id == app));
    all.sort_by_key(|c| (c.row.created_at, c.row.id));
    all
}

type Kept = (ReadyConnection, KeptHook, StoredSubscription);

async fn kept(shared: &Shared, app: Option<AppId>) -> Result<Vec<Kept>, Problem> {
    let mut kept = Vec::new();
    for connection in of(shared, app) {
        if let Some((hook, row)) = shared.keeper.hook(&connection).await? {
            kept.push((connection, hook, row));
        }
    }
    Ok(kept)
}

async fn find(shared: &Shared, app: Option<AppId>, id: &str) -> Result<Kept, Problem> {
    let mut all = kept(shared, app).await?.into_iter();
    all.find(|(_, hook, _)| hook.id == id).ok_or_else(|| {
        let detail = "Webhook not found. Take the id from the list of the app's webhooks.";
        Problem::new(Code::WebhookNotFound, detail)
    })
}

fn view((connection, hook, row): Kept) -> WebhookView {
    let (algo, signature_type) = hook.signature;
    WebhookView {
        id: connection.row.id,
        app_id: connection.row.app_id,
        webhook_id: hook.id,
        hook_url: hook.url,
        algo,
        signature_type,
        fault: row.fault,
        created_at: answer::time(connection.row.created_at),
        updated_at: row.confirmed_at.map(answer::time),
    }
}

fn app_of(params: &Params) -> Result<Option<AppId>, Problem> {
    Ok(params.id("app_id")?.map(AppId))
}

fn no_app_id() -> Problem {
    let detail = "app_id query parameter required. Name the app by its id.";
    Problem::new(Code::InvalidParameter, detail).at("app_id")
}

/// Events are for this server: an address elsewhere would send them to somebody else.
fn is_ours(shared: &Shared, headers: &HeaderMap, url: &str) -> Result<(), Problem> {
    let own = absolute(shared, headers, "");
    let rest = url.strip_prefix(own.as_str());
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Ok(());
    }
    let problem = format!("must begin with {own}, the address of this server; leave it out");
    Err(Problem::field("webhook_url", &problem))
}
