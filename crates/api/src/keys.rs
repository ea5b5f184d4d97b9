//! API keys of an app, for operators: several side by side, named, with scopes. What the keys of
//! an app look like and what may be asked of them is here too, for `own_keys` (the app itself) and
//! `inherited_keys` (the predecessor's routes).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_domain::time::parse_lenient;
use switchhook_engine::access::NewKey as MadeKey;
use switchhook_engine::admin::{KeyWish, Replaced};
use switchhook_engine::rights::{Scope, Scopes};
use switchhook_engine::store::ApiKey;
use utoipa::ToSchema;

use crate::answer;
use crate::apps::{self, USAGE, WARNING};
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::Problem;
use crate::schemas::{All, One};
use crate::state::{Inner, Shared};

/// A key to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What it is called.
    #[serde(default)]
    #[schema(example = "CRM", max_length = 200)]
    name: Option<String>,
    /// What it may do; everything that whoever makes it may, when left out.
    #[serde(default)]
    #[schema(example = json!(["calls:read", "events:read"]))]
    scopes: Option<Vec<String>>,
    /// When it stops working by itself.
    #[serde(default)]
    #[schema(example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
}

/// A key to be replaced by a new one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRotation {
    /// What the new key is called; like the old one when left out.
    #[serde(default)]
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What the new key may do; as much as the old one when left out.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// When the new key stops working by itself; when the old one would have, when left out.
    #[serde(default)]
    expires_at: Option<String>,
    /// How long the old key goes on working, in seconds: 0 to 2592000 (30 days); a day when left
    /// out. 0 revokes it at once.
    #[serde(default)]
    #[schema(example = 86400, maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

/// What should be different about a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyChange {
    /// What it is called.
    #[schema(example = "Wallboard", max_length = 200)]
    pub(crate) name: String,
}

/// A key, without the key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct KeyView {
    /// Its id.
    id: KeyId,
    /// What it is called.
    name: String,
    /// First and last characters; null for an imported key that has not been used yet.
    #[schema(example = "sh_a1b2c...wxyz")]
    hint: Option<String>,
    /// What it may do; `all` for everything.
    #[schema(example = json!(["calls:read", "events:read"]))]
    scopes: Vec<&'static str>,
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
    /// When it was last used, to about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<String>,
    /// The key it was made to replace.
    replaces: Option<KeyId>,
}

/// A new key, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyMade {
    /// The key. It is not stored and cannot be shown again.
    #[schema(example = "sh_a1b2c3d4_…")]
    api_key: String,
    /// What is known about it from now on.
    key: KeyView,
    /// The key it replaces, as it is now.
    replaced: Option<KeyView>,
    /// For people.
    warning: &'static str,
    /// How to use the key.
    usage: &'static str,
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

impl KeyView {
    pub(crate) fn of(key: ApiKey, now: Timestamp) -> Self {
        Self {
            active: key.works_at(now),
            id: key.id,
            name: key.name,
            hint: Some(key.hint).filter(|hint| !hint.is_empty()),
            scopes: key.scopes.names(),
            created_at: answer::time(key.created_at),
            expires_at: key.expires_at.map(answer::time),
            revoked_at: key.revoked_at.map(answer::time),
            last_used_at: key.last_used_at.map(answer::time),
            replaces: key.replaces,
        }
    }
}

/// What was asked for, understood.
pub(crate) fn wish(
    name: Option<String>,
    scopes: Option<&[String]>,
    expires_at: Option<&str>,
    overlap_seconds: Option<u32>,
) -> Result<KeyWish, Problem> {
    let expires_at = expires_at.map(|text| {
        let problem = "must be a time such as 2027-01-01T00:00:00Z";
        parse_lenient(text).ok_or_else(|| Problem::field("expires_at", problem))
    });
    Ok(KeyWish {
        name,
        scopes: scopes.map(read_scopes).transpose()?,
        expires_at: expires_at.transpose()?,
        overlap: overlap_seconds.map(|seconds| SignedDuration::from_secs(seconds.into())),
    })
}

fn read_scopes(names: &[String]) -> Result<Scopes, Problem> {
    let unknown = |name: &&String| *name != Scopes::ALL_WORD && name.parse::<Scope>().is_err();
    if let Some(at) = names.iter().position(|name| unknown(&name)) {
        let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let problem = format!("must be `all` or one of {}", known.join(", "));
        return Err(Problem::field(&format!("scopes[{at}]"), &problem));
    }
    let read = Scopes::parse(names.iter().map(String::as_str));
    read.map_err(|_| Problem::field("scopes", "must be names of scopes"))
}

impl TryFrom<NewKey> for KeyWish {
    type Error = Problem;

    fn try_from(new: NewKey) -> Result<Self, Problem> {
        wish(
            new.name,
            new.scopes.as_deref(),
            new.expires_at.as_deref(),
            None,
        )
    }
}

impl TryFrom<KeyRotation> for KeyWish {
    type Error = Problem;

    fn try_from(new: KeyRotation) -> Result<Self, Problem> {
        let KeyRotation {
            name,
            scopes,
            expires_at,
            overlap_seconds,
        } = new;
        wish(
            name,
            scopes.as_deref(),
            expires_at.as_deref(),
            overlap_seconds,
        )
    }
}

/// The id of a key in a path.
pub(crate) fn key_id(text: &str) -> Result<KeyId, Problem> {
    path_id(text, "key").map(KeyId)
}

/// The answer to a list of keys. Who looks at them makes use of the right to manage them, and that
/// is on record too.
pub(crate) async fn listed(shared: &Inner, trace: &Trace, app: AppId) -> Result<Response, Problem> {
    trace.shows("keys of app", app);
    let now = shared.clock.now();
    let keys = shared.store.keys(app).await?;
    let keys: Vec<_> = keys.into_iter().map(|key| KeyView::of(key, now)).collect();
    answer::one(StatusCode::OK, &keys)
}

/// The answer to a new key.
pub(crate) fn made(shared: &Inner, key: MadeKey) -> Result<Response, Problem> {
    let made = KeyMade {
        api_key: key.text,
        key: KeyView::of(key.row, shared.clock.now()),
        replaced: None,
        warning: WARNING,
        usage: USAGE,
    };
    answer::one(StatusCode::CREATED, &made)
}

/// The answer to a key that replaces another, whose sockets hear of it where it is over.
pub(crate) async fn rotated(
    shared: &Inner,
    trace: &Trace,
    replaced: Replaced,
) -> Result<Response, Problem> {
    shared.watch.look();
    let now = shared.clock.now();
    let Replaced { key, old, .. } = replaced;
    let after = match &old {
        Some(old) => shared.store.key(old.app_id, old.id).await?,
        None => None,
    };
    if let Some(old) = old {
        trace.before(&KeyView::of(old, now));
    }
    let made = KeyMade {
        api_key: key.text,
        key: KeyView::of(key.row, now),
        replaced: after.map(|key| KeyView::of(key, now)),
        warning: WARNING,
        usage: USAGE,
    };
    answer::one(StatusCode::CREATED, &made)
}

/// Renames a key and answers with it.
pub(crate) async fn renamed(
    shared: &Inner,
    trace: &Trace,
    (app, key): (AppId, KeyId),
    name: &str,
) -> Result<Response, Problem> {
    let now = shared.clock.now();
    trace.before(&KeyView::of(shared.admin.key(app, key).await?, now));
    let key = shared.admin.rename_key(app, key, name).await?;
    answer::one(StatusCode::OK, &KeyView::of(key, now))
}

/// Revokes a key, and closes its sockets.
pub(crate) async fn revoked(
    shared: &Inner,
    trace: &Trace,
    (app_id, key_id): (AppId, KeyId),
) -> Result<Response, Problem> {
    let before = shared.admin.key(app_id, key_id).await?;
    trace.before(&KeyView::of(before, shared.clock.now()));
    let revoked_at = shared.admin.revoke_key(app_id, key_id).await?;
    shared.watch.look();
    let answer = KeyRevoked {
        success: true,
        message: "API key revoked.",
        app_id,
        key_id,
        revoked_at: answer::time(revoked_at),
    };
    answer::plain(StatusCode::OK, &answer)
}

errors!(CreateErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, AppInactive, TooManyKeys]);
errors!(ListErrors: OPERATOR [InvalidId, AppNotFound]);
errors!(RotateErrors: OPERATOR OPERATOR_BODY
    [InvalidId, AppNotFound, AppInactive, KeyNotFound, KeyOver, TooManyKeys]);
errors!(ChangeErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, KeyNotFound]);
errors!(RevokeErrors: OPERATOR [InvalidId, AppNotFound, KeyNotFound]);

/// Make a further API key
///
/// Those there are go on working.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/keys", tag = "Operators: apps and keys",
    operation_id = "create_key",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = Option<NewKey>, description = "May be left out."),
    responses((status = 201, description = "The key.", body = One<KeyMade>), CreateErrors),
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
    let app = apps::find(&shared, &app_id).await?;
    let key = shared.admin.create_key(app.id, new.try_into()?).await?;
    made(&shared, key)
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
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    listed(&shared, &trace, app.id).await
}

/// Replace an API key
///
/// Makes a new key like it; the old one goes on working for a while, and then stops by itself.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/keys/{key_id}/rotate", tag = "Operators: apps and keys",
    operation_id = "rotate_key",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("key_id" = String, Path, description = "The id of the old key."),
    ),
    request_body(content = Option<KeyRotation>, description = "May be left out."),
    responses((status = 201, description = "The new key.", body = One<KeyMade>), RotateErrors),
    security(("operator" = [])),
)]
pub(crate) async fn rotate(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path((app_id, key)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let key = key_id(&key)?;
    let Object(new): Object<KeyRotation> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let app = apps::find(&shared, &app_id).await?;
    let replaced = shared
        .admin
        .rotate_key(app.id, key, new.try_into()?)
        .await?;
    rotated(&shared, &trace, replaced).await
}

/// Rename an API key
#[utoipa::path(
    patch, path = "/internal/apps/{app_id}/keys/{key_id}", tag = "Operators: apps and keys",
    operation_id = "rename_key",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("key_id" = String, Path, description = "The id of the key."),
    ),
    request_body = KeyChange,
    responses((status = 200, description = "The key.", body = One<KeyView>), ChangeErrors),
    security(("operator" = [])),
)]
pub(crate) async fn rename(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path((app_id, key)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let key = key_id(&key)?;
    let Object(change): Object<KeyChange> =
        body::json(&headers, body, shared.config.max_json).await?;
    let app = apps::find(&shared, &app_id).await?;
    renamed(&shared, &trace, (app.id, key), &change.name).await
}

/// Revoke an API key
///
/// It stops working at once, and its sockets are closed within a second, on every node.
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
    (_, trace): (Operator, Trace),
    Path((app_id, key)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let key = key_id(&key)?;
    let app = apps::find(&shared, &app_id).await?;
    revoked(&shared, &trace, (app.id, key)).await
}
