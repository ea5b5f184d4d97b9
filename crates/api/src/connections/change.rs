//! Operators: changing a connection that is there, and rotating its webhook secret. Nothing is
//! checked here: that is the engine's, the same as at creation.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};
use switchhook_domain::id::ConnectionId;
use switchhook_engine::admin::Change;
use switchhook_engine::store::Connection;
use utoipa::ToSchema;

use super::{ConnectionView, find, view};
use crate::answer;
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::{One, SecretText};
use crate::state::Shared;

/// What should be otherwise about a connection; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionChange {
    /// What people call it.
    #[serde(default)]
    #[schema(example = "Dialpad klantcontact")]
    name: Option<String>,
    /// Settings and credentials, as the platform's list of settings names them: a member replaces
    /// the one of its name, null takes it away, and what is not named stays. Credentials
    /// may be given by reference, as in `SecretText`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// The one secret the platform signs with from now on. `POST …/webhook-secret` lets the former
    /// be believed for a while.
    #[serde(default)]
    #[schema(value_type = Option<SecretText>)]
    webhook_secret: Option<String>,
}

/// A new webhook secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretRotation {
    /// The new secret; made when left out.
    #[serde(default)]
    #[schema(value_type = Option<SecretText>)]
    webhook_secret: Option<String>,
    /// True when the former secret is believed as well, until the next rotation.
    #[serde(default = "yes")]
    #[schema(default = true)]
    keep_old: bool,
}

impl Default for SecretRotation {
    fn default() -> Self {
        Self {
            webhook_secret: None,
            keep_old: yes(),
        }
    }
}

fn yes() -> bool {
    true
}

errors!(ChangeErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, ConnectionNotFound]);

/// Change a connection
///
/// What is given replaces what was so, with the checks of a creation; the platform, the webhook
/// address and the calls stay. It counts from the next notification on; a live link is closed and
/// opened again, and what was set up at the platform is looked at anew.
#[utoipa::path(
    patch, path = "/internal/apps/{app_id}/connections/{connection_id}",
    tag = "Operators: connections", operation_id = "update_connection",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("connection_id" = String, Path, description = "The connection."),
    ),
    request_body(content = ConnectionChange, example = json!({
        "name": "Dialpad klantcontact", "config": { "api_key": "env:DIALPAD_API_KEY" }
    })),
    responses(
        (status = 200, description = "The connection as it is now.", body = One<ConnectionView>),
        ChangeErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn update(
    State(shared): State<Shared>,
    _: Operator,
    Path(place): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let Object(change): Object<ConnectionChange> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    let before = before(&shared, &place, &parts).await?;
    let (app, id) = (before.app_id, before.id);
    let change = Change {
        name: change.name,
        config: change.config.unwrap_or_default(),
        webhook_secret: change.webhook_secret,
    };
    let row = shared.admin.update_connection(app, id, change).await?;
    follow(&shared, id).await?;
    answer::one(StatusCode::OK, &view(&shared, &parts.headers, row).await?)
}

/// Rotate the webhook secret of a connection
///
/// Notifications signed with the new secret are believed at once, and those signed with the former
/// until the next rotation: enter the new one at the platform meanwhile. To end it, give the new
/// secret once more with `keep_old` false. Without a `webhook_secret` one is made and shown this
/// once. Where Switchhook keeps the webhook at the platform, it sets the new secret there itself.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/connections/{connection_id}/webhook-secret",
    tag = "Operators: connections", operation_id = "rotate_webhook_secret",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("connection_id" = String, Path, description = "The connection."),
    ),
    request_body(content = Option<SecretRotation>, example = json!({ "keep_old": true })),
    responses(
        (status = 200, description = "The connection, with the secret when it was made here.",
            body = One<ConnectionView>),
        ChangeErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn rotate(
    State(shared): State<Shared>,
    _: Operator,
    Path(place): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let wanted: Option<Object<SecretRotation>> =
        body::json_or_default(&parts.headers, body, shared.config.max_json).await?;
    let Object(wanted) = wanted.unwrap_or_default();
    let before = before(&shared, &place, &parts).await?;
    let (app, id) = (before.app_id, before.id);
    let rotated = shared
        .admin
        .rotate_webhook_secret(app, id, wanted.webhook_secret, wanted.keep_old)
        .await?;
    follow(&shared, id).await?;
    let mut view = view(&shared, &parts.headers, rotated.row).await?;
    view.webhook_secret = rotated.webhook_secret;
    answer::one(StatusCode::OK, &view)
}

/// The connection of the ids in a path as it is now, put on record as what was before.
async fn before(
    shared: &Shared,
    (app_id, connection_id): &(String, String),
    parts: &Parts,
) -> Result<Connection, Problem> {
    let row = find(shared, app_id, connection_id).await?;
    let seen = view(shared, &parts.headers, row.clone()).await?;
    Trace::of(parts).before(&seen);
    Ok(row)
}

/// Has what runs for a connection go on with its new settings.
async fn follow(shared: &Shared, id: ConnectionId) -> Result<(), Problem> {
    shared.links.reconcile();
    if let Some(connection) = shared.connections.get(id) {
        shared.keeper.nudge(&connection).await?;
    }
    Ok(())
}
