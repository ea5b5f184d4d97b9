//! The predecessor's routes for the key of an app. There an app had one key; here it may have
//! several, so what these routes do to "the key" is said where it matters. The log of keys is read
//! from the keys themselves, which are never deleted; who did it is in the audit log.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::admin::{KeyWish, Replaced, current};
use switchhook_engine::store::{ApiKey, App};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer;
use crate::apps::{self, USAGE, WARNING};
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body::{self, Object};
use crate::keys::{KeyView, key_id, wish};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::state::Shared;

/// The page size when none is asked for.
const DEFAULT_LIMIT: u64 = 50;
/// The largest page.
const MAX_LIMIT: u64 = 1000;
/// The furthest offset.
const MAX_OFFSET: u64 = 100_000;

/// A key to be made, and the one it replaces.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyReplacement {
    /// Which key to replace; may be left out while the app has only one.
    #[serde(default)]
    key_id: Option<String>,
    /// What the new key is called; like the old one when left out.
    #[serde(default)]
    #[schema(example = "CRM", max_length = 200)]
    name: Option<String>,
    /// What the new key may do; as much as the old one when left out, everything if there is none.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// When the new key stops working by itself; when the old one would have, when left out.
    #[serde(default)]
    #[schema(example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
    /// How long the old key goes on working, in seconds: 0 to 2592000 (30 days); a day when left
    /// out. 0 revokes it at once, as the predecessor did.
    #[serde(default)]
    #[schema(example = 86400, maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

/// Which key to revoke.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRevocation {
    /// Only this key; every key of the app when left out.
    #[serde(default)]
    key_id: Option<String>,
}

/// A new key, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyCreated {
    /// Always true.
    success: bool,
    /// For people.
    #[schema(example = "API key rotated successfully. Save the new key now.")]
    message: String,
    /// The key. It is not stored and cannot be shown again.
    #[schema(example = "sh_a1b2c3d4_…")]
    api_key: String,
    /// Its id, for revoking it.
    key_id: KeyId,
    /// What is known about it from now on.
    key: KeyView,
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
    /// The key it replaces, with the time until which that works.
    replaced: Option<KeyView>,
    /// For people.
    warning: &'static str,
    /// How to use the key.
    usage: &'static str,
}

/// Keys were revoked.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeysRevoked {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
    /// Whose.
    app_id: AppId,
    /// The name of the app.
    app_name: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    revoked_at: String,
    /// Which keys worked until then.
    revoked: Vec<KeyId>,
}

/// How the keys of an app stand.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyStatus {
    /// Always true.
    success: bool,
    /// Whose.
    app_id: AppId,
    /// The name of the app.
    app_name: String,
    /// False when the app is switched off.
    is_active: bool,
    /// True when a key works.
    has_active_key: bool,
    /// First and last characters of the newest key that works.
    #[schema(example = "sh_a1b2c...wxyz")]
    key_hint: Option<String>,
    /// When a key was last replaced, or `Never`.
    #[schema(example = "Never")]
    last_rotated: String,
    /// The same; null for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    rotated_at: Option<String>,
    /// For people: null when there is nothing to be done.
    action_needed: Option<&'static str>,
    /// Every key, newest first, revoked ones included.
    keys: Vec<KeyView>,
}

/// Something that happened to a key.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyStory {
    /// Its id.
    id: Uuid,
    /// Whose key.
    app_id: AppId,
    /// `created`, `rotated` or `revoked`.
    #[schema(example = "rotated")]
    action: &'static str,
    /// First and last characters of the key that ended, or will.
    old_key_hint: Option<String>,
    /// First and last characters of the key that began.
    #[schema(example = "sh_a1b2c...wxyz")]
    new_key_hint: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// The key it happened to.
    key_id: KeyId,
    #[serde(skip)]
    at: Timestamp,
}

/// What happened to the keys of an app.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyStories {
    /// Always true.
    success: bool,
    /// Whose.
    app_id: AppId,
    /// The newest first.
    audit_log: Vec<KeyStory>,
    /// How many there are in all.
    total: usize,
    /// The most entries of this page, as asked for.
    limit: u64,
    /// How many were passed over.
    offset: u64,
}

errors!(ReplaceErrors: OPERATOR OPERATOR_BODY
    [InvalidId, AppNotFound, AppInactive, KeyNotFound, KeyOver, TooManyKeys]);
errors!(RevokeErrors: OPERATOR OPERATOR_BODY [InvalidId, AppNotFound, KeyNotFound]);
errors!(ReadErrors: OPERATOR [InvalidId, AppNotFound]);

/// Refusals in the predecessor's words.
fn words(problem: Problem) -> Problem {
    match problem.code() {
        Code::AppInactive => problem.with("error", "App is not active"),
        Code::InternalError => problem.with("error", "Failed to generate API key"),
        _ => problem,
    }
}

/// The key a body names.
fn named(key: Option<&str>) -> Result<Option<KeyId>, Problem> {
    let key = key.map(|text| key_id(text).map_err(|problem| problem.at("key_id")));
    key.transpose()
}

/// Make or replace the API key
///
/// Without a key that works it makes one. With one it replaces it: the old key goes on working for
/// a day, or `overlap_seconds`, and then stops by itself. Where an app has several keys, `key_id`
/// says which; `POST …/keys` makes a further one.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/api-key", tag = "Operators: apps and keys",
    operation_id = "create_or_rotate_api_key",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = Option<KeyReplacement>, description = "May be left out."),
    responses((status = 200, description = "The key.", body = KeyCreated), ReplaceErrors),
    security(("operator" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    replace(&shared, &trace, &app_id, &headers, body)
        .await
        .map_err(words)
}

/// Replace the API key
///
/// The same as `POST …/api-key`, by the name the predecessor's documents promised.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/api-key/rotate", tag = "Operators: apps and keys",
    operation_id = "rotate_api_key",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = Option<KeyReplacement>, description = "May be left out."),
    responses((status = 200, description = "The key.", body = KeyCreated), ReplaceErrors),
    security(("operator" = [])),
)]
pub(crate) async fn rotate(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    replace(&shared, &trace, &app_id, &headers, body)
        .await
        .map_err(words)
}

async fn replace(
    shared: &Shared,
    trace: &Trace,
    app_id: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Object(new): Object<KeyReplacement> =
        body::json_or_default(headers, body, shared.config.max_json).await?;
    let key = named(new.key_id.as_deref())?;
    let wish: KeyWish = wish(
        new.name,
        new.scopes.as_deref(),
        new.expires_at.as_deref(),
        new.overlap_seconds,
    )?;
    let app = apps::find(shared, app_id).await?;
    let replaced = match key {
        Some(key) => shared.admin.rotate_key(app.id, key, wish).await?,
        None => shared.admin.create_or_rotate(app.id, wish).await?,
    };
    shared.watch.look();
    let now = shared.clock.now();
    let Replaced { key, old, .. } = replaced;
    let message = match &old {
        None => "API key created successfully. Save it now.",
        Some(_) => {
            "API key rotated successfully. Save the new key now; the old one stops working \
                    at the time given in `replaced`."
        }
    };
    let after = match &old {
        Some(old) => shared.store.key(app.id, old.id).await?,
        None => None,
    };
    if let Some(old) = old {
        trace.before(&KeyView::of(old, now));
    }
    let created = KeyCreated {
        success: true,
        message: message.to_owned(),
        api_key: key.text,
        key_id: key.row.id,
        app_id: app.id,
        app_name: app.name,
        generated_at: answer::time(key.row.created_at),
        expires_at: key.row.expires_at.map(answer::time),
        key: KeyView::of(key.row, now),
        replaced: after.map(|key| KeyView::of(key, now)),
        warning: WARNING,
        usage: USAGE,
    };
    answer::plain(StatusCode::OK, &created)
}

/// Revoke the API key
///
/// Every key of the app, or the one `key_id` names. They stop working at once and their sockets
/// are closed within a second. It is no error when there was none.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/api-key/revoke", tag = "Operators: apps and keys",
    operation_id = "revoke_api_keys",
    params(("app_id" = String, Path, description = "The app.")),
    request_body(content = Option<KeyRevocation>, description = "May be left out."),
    responses((status = 200, description = "It is revoked.", body = KeysRevoked), RevokeErrors),
    security(("operator" = [])),
)]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(which): Object<KeyRevocation> =
        body::json_or_default(&headers, body, shared.config.max_json).await?;
    let key = named(which.key_id.as_deref())?;
    let app = apps::find(&shared, &app_id).await?;
    let now = shared.clock.now();
    let mut before = shared.store.keys(app.id).await?;
    before.retain(|one| one.works_at(now) && key.is_none_or(|key| key == one.id));
    let revoked = before.iter().map(|key| key.id).collect();
    let before: Vec<_> = before
        .into_iter()
        .map(|key| KeyView::of(key, now))
        .collect();
    trace.before(&before);
    let revoked_at = match key {
        Some(key) => shared.admin.revoke_key(app.id, key).await?,
        None => shared.admin.revoke_keys(app.id).await?,
    };
    shared.watch.look();
    let answer = KeysRevoked {
        success: true,
        message: "API key revoked successfully.",
        app_id: app.id,
        app_name: app.name,
        revoked_at: answer::time(revoked_at),
        revoked,
    };
    answer::plain(StatusCode::OK, &answer)
}

/// How the API key stands
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/api-key/status", tag = "Operators: apps and keys",
    operation_id = "get_api_key_status",
    params(("app_id" = String, Path, description = "The app.")),
    responses((status = 200, description = "How it stands.", body = KeyStatus), ReadErrors),
    security(("operator" = [])),
)]
pub(crate) async fn status(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    trace.shows("keys of app", app.id);
    let keys = shared.store.keys(app.id).await?;
    answer::plain(StatusCode::OK, &standing(app, keys, shared.clock.now()))
}

fn standing(app: App, keys: Vec<ApiKey>, now: Timestamp) -> KeyStatus {
    let newest = current(&keys, now).next();
    let newest = newest.or_else(|| keys.iter().find(|key| key.works_at(now)));
    let has_active_key = newest.is_some();
    let hint = newest.map(|key| key.hint.clone());
    let rotated_at = last_rotated(&keys).map(answer::time);
    KeyStatus {
        success: true,
        app_id: app.id,
        app_name: app.name,
        is_active: app.active,
        has_active_key,
        key_hint: hint.filter(|hint| !hint.is_empty()),
        last_rotated: rotated_at.clone().unwrap_or_else(|| "Never".to_owned()),
        rotated_at,
        action_needed: (!has_active_key).then_some("Generate a new API key"),
        keys: keys.into_iter().map(|key| KeyView::of(key, now)).collect(),
    }
}

/// When a key was last made in the place of another, replaced or revoked; a further key beside one
/// that works is no rotation. The newest key comes first.
fn last_rotated(keys: &[ApiKey]) -> Option<Timestamp> {
    let newest_first = keys.iter().enumerate();
    let mut rotations = newest_first.filter(|(at, key)| {
        let older = keys.get(at + 1..).unwrap_or_default();
        let in_place = older.iter().all(|older| !older.works_at(key.created_at));
        key.replaces.is_some() || !older.is_empty() && in_place
    });
    rotations.next().map(|(_, key)| key.created_at)
}

/// What happened to the API keys
///
/// The newest first, with the hints of the keys themselves. Who did it, and from where, is in the
/// audit log of the app.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/api-key/audit", tag = "Operators: apps and keys",
    operation_id = "list_api_key_audit",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 50 when left out.",
            example = 50),
        ("offset" = Option<u32>, Query, description = "How many to pass over.", example = 0),
    ),
    responses((status = 200, description = "What happened.", body = KeyStories), ReadErrors),
    security(("operator" = [])),
)]
pub(crate) async fn audit(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["limit", "offset"])?;
    let limit = params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
    let offset = params.number("offset", 0, 0..=MAX_OFFSET)?;
    let app = apps::find(&shared, &app_id).await?;
    trace.shows("keys of app", app.id);
    let stories = stories(&shared.store.keys(app.id).await?);
    let total = stories.len();
    let pass = usize::try_from(offset).unwrap_or(usize::MAX);
    let take = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = KeyStories {
        success: true,
        app_id: app.id,
        audit_log: stories.into_iter().skip(pass).take(take).collect(),
        total,
        limit,
        offset,
    };
    answer::plain(StatusCode::OK, &page)
}

/// What the keys tell of themselves, the newest first.
fn stories(keys: &[ApiKey]) -> Vec<KeyStory> {
    let shown = |key: &ApiKey| Some(key.hint.clone()).filter(|hint| !hint.is_empty());
    let mut stories = Vec::new();
    for key in keys {
        let old = key.replaces;
        let old = old.and_then(|old| keys.iter().find(|other| other.id == old));
        stories.push(KeyStory {
            id: key.id.0,
            app_id: key.app_id,
            action: if old.is_some() { "rotated" } else { "created" },
            old_key_hint: old.and_then(shown),
            new_key_hint: shown(key),
            created_at: answer::time(key.created_at),
            key_id: key.id,
            at: key.created_at,
        });
        let successor = keys.iter().find(|other| other.replaces == Some(key.id));
        // Replaced without an overlap: that is told with its successor.
        let told = |at: &Timestamp| successor.is_some_and(|next| next.created_at == *at);
        if let Some(at) = key.revoked_at.filter(|at| !told(at)) {
            stories.push(KeyStory {
                // An id of its own that stays the same: that of the key, with one bit turned.
                id: Uuid::from_u128(key.id.0.as_u128() ^ 1),
                app_id: key.app_id,
                action: "revoked",
                old_key_hint: shown(key),
                new_key_hint: None,
                created_at: answer::time(at),
                key_id: key.id,
                at,
            });
        }
    }
    stories.sort_by_key(|story| std::cmp::Reverse((story.at, story.id)));
    stories
}
