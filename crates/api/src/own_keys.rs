//! API keys of one's own app, for those who have the right `keys:write`. Nobody gives away more
//! than they have themselves; a key may revoke or replace itself.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use switchhook_engine::admin::KeyWish;
use switchhook_engine::rights::Scope;

use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::keys::{
    KeyChange, KeyMade, KeyRevoked, KeyRotation, KeyView, NewKey, key_id, listed, made, renamed,
    revoked, rotated,
};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::{All, One};
use crate::state::Shared;

errors!(ListErrors: CALLER []);
errors!(CreateErrors: CALLER CHANGE [TooManyKeys]);
errors!(RotateErrors: CALLER CHANGE [InvalidId, KeyNotFound, KeyOver, TooManyKeys]);
errors!(ChangeErrors: CALLER CHANGE [InvalidId, KeyNotFound]);
errors!(RevokeErrors: CALLER [InvalidId, KeyNotFound, CrossSiteRequest]);

/// List the API keys of the app
///
/// Newest first, revoked ones included: names and hints, never the keys.
#[utoipa::path(
    get, path = "/api/keys", tag = "Keys", operation_id = "list_own_keys",
    responses((status = 200, description = "The keys.", body = All<KeyView>), ListErrors),
    security(("key" = ["keys:write"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::Keys)?;
    Params::none(&uri)?;
    listed(&shared, &trace, caller.app()).await
}

/// Make a further API key
///
/// It may do what whoever makes it may, or less. Those there are go on working.
#[utoipa::path(
    post, path = "/api/keys", tag = "Keys", operation_id = "create_own_key",
    request_body(content = Option<NewKey>, description = "May be left out."),
    responses((status = 201, description = "The key.", body = One<KeyMade>), CreateErrors),
    security(("key" = ["keys:write"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::Keys)?;
    Params::none(&uri)?;
    let Object(new): Object<NewKey> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let mut wish = KeyWish::try_from(new)?;
    let scopes = wish.scopes.unwrap_or(caller.access.scopes);
    caller.may_give(scopes)?;
    wish.scopes = Some(scopes);
    made(&shared, shared.admin.create_key(caller.app(), wish).await?)
}

/// Replace an API key
///
/// Makes a new key like it; the old one goes on working for a while, and then stops by itself.
/// Only who may do all that the new key may, may make it.
#[utoipa::path(
    post, path = "/api/keys/{key_id}/rotate", tag = "Keys", operation_id = "rotate_own_key",
    params(("key_id" = String, Path, description = "The id of the old key.")),
    request_body(content = Option<KeyRotation>, description = "May be left out."),
    responses((status = 201, description = "The new key.", body = One<KeyMade>), RotateErrors),
    security(("key" = ["keys:write"]), ("session" = [])),
)]
pub(crate) async fn rotate(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(key): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::Keys)?;
    Params::none(&uri)?;
    let key = key_id(&key)?;
    let Object(new): Object<KeyRotation> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let mut wish = KeyWish::try_from(new)?;
    let old = shared.admin.key(caller.app(), key).await?;
    let scopes = wish.scopes.unwrap_or(old.scopes);
    caller.may_give(scopes)?;
    wish.scopes = Some(scopes);
    let replaced = shared.admin.rotate_key(caller.app(), key, wish).await?;
    rotated(&shared, &trace, replaced).await
}

/// Rename an API key
#[utoipa::path(
    patch, path = "/api/keys/{key_id}", tag = "Keys", operation_id = "rename_own_key",
    params(("key_id" = String, Path, description = "The id of the key.")),
    request_body = KeyChange,
    responses((status = 200, description = "The key.", body = One<KeyView>), ChangeErrors),
    security(("key" = ["keys:write"]), ("session" = [])),
)]
pub(crate) async fn rename(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(key): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::Keys)?;
    Params::none(&uri)?;
    let key = key_id(&key)?;
    let Object(change): Object<KeyChange> =
        body::json(&headers, body, shared.config.max_json).await?;
    renamed(&shared, &trace, (caller.app(), key), &change.name).await
}

/// Revoke an API key
///
/// It stops working at once, and its sockets are closed within a second, on every node. A key may
/// revoke itself.
#[utoipa::path(
    delete, path = "/api/keys/{key_id}", tag = "Keys", operation_id = "revoke_own_key",
    params(("key_id" = String, Path, description = "The id of the key.")),
    responses((status = 200, description = "It is revoked.", body = KeyRevoked), RevokeErrors),
    security(("key" = ["keys:write"]), ("session" = [])),
)]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(key): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::Keys)?;
    Params::none(&uri)?;
    let key = key_id(&key)?;
    revoked(&shared, &trace, (caller.app(), key)).await
}
