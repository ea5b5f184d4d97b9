//! Where a sign-in begins: an operator's link that works once, or a request of an operator or an
//! administrator of the app; and the predecessor's addresses.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::access::LINK_LIFE;
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::oauth::sign_in::LIFE;
use switchhook_engine::seal::{digest, random_text};
use switchhook_engine::store::{Grant, Role};
use utoipa::ToSchema;

use super::{AnyCaller, COOKIE, cookie, no_connection, of_app, ready, refused, signs_in};
use crate::answer;
use crate::apps::absolute;
use crate::auth::Operator;
use crate::connections;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::Shared;

/// A link to sign in at a platform.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformLink {
    /// The link, for one browser, once.
    #[schema(example = "https://cti.example.nl/auth/dialpad/authorize?connection_id=…&link=…")]
    url: String,
    /// Until when it works.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

errors!(LinkErrors: OPERATOR [
    InvalidId, AppNotFound, AppInactive, ConnectionNotFound, SignInNotPossible,
]);
errors!(BeginErrors: CALLER [
    OperatorSecretWrong, InvalidId, AppNotFound, ConnectionNotFound,
    SignInNotPossible, LinkExpired, OperatorSecretNotSet, CrossSiteRequest,
]);

/// Make a link to sign in at a platform
///
/// For an administrator's browser, once, within half an hour.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/connections/{connection_id}/sign-in-link",
    tag = "Operators: connections", operation_id = "create_platform_link",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("connection_id" = String, Path, description = "The connection."),
    ),
    responses((status = 201, description = "The link.", body = One<PlatformLink>), LinkErrors),
    security(("operator" = [])),
)]
pub(crate) async fn link(
    State(shared): State<Shared>,
    _: Operator,
    Path((app_id, connection_id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let row = connections::find(&shared, &app_id, &connection_id).await?;
    let connection = ready(&shared, row.app_id, row.id).await?;
    signs_in(&connection)?;
    let token = random_text(&**shared.intake.entropy(), 32);
    let now = shared.clock.now();
    let expires_at = now.checked_add(LINK_LIFE).unwrap_or(now);
    let grant = Grant {
        token_hash: link_hash(row.id, &token),
        app_id: row.app_id,
        role: Role::Admin,
        user_id: None,
        agent_id: None,
        key_id: None,
        expires_at,
    };
    shared.store.put_sign_in_link(&grant).await?;
    let (platform, id) = (&row.platform, row.id);
    let path = format!("/auth/{platform}/authorize?connection_id={id}&link={token}");
    let link = PlatformLink {
        url: absolute(&shared, &headers, &path),
        expires_at: answer::time(expires_at),
    };
    answer::one(StatusCode::CREATED, &link)
}

/// A link's token is bound to its connection, and opens nothing else.
fn link_hash(connection: ConnectionId, token: &str) -> [u8; 32] {
    digest(format!("platform-link/{connection}/{token}").as_bytes())
}

/// Sign in at Dialpad
///
/// The predecessor's address of `GET /auth/dialpad/authorize`.
#[utoipa::path(
    get, path = "/authorize", tag = "Platform sign-in", operation_id = "authorize",
    params(("app_id" = String, Query, description = "The app whose Dialpad connection it is.")),
    responses(
        (status = 302, description = "To Dialpad.",
            headers(("location" = String, description = "Where a person signs in."))),
        BeginErrors,
    ),
    security(("operator" = []), ("key" = ["settings:write"]), ("session" = [])),
)]
pub(crate) async fn authorize(
    State(shared): State<Shared>,
    caller: AnyCaller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["app_id"])?;
    let app = params.id("app_id")?.ok_or_else(no_app_id)?;
    caller.may(AppId(app))?;
    let connection = of_app(&shared, "dialpad", AppId(app)).await?;
    begin(&shared, &headers, &connection).await
}

/// Sign in at a platform
///
/// For browsers: leads to the platform, where an administrator of the phone system signs in and
/// agrees. The connection is named by `connection_id`, or by `app_id` where the app has just one
/// that signs in. A link made by an operator carries `link` and needs no other credential.
#[utoipa::path(
    get, path = "/auth/{platform}/authorize", tag = "Platform sign-in",
    operation_id = "begin_platform_sign_in",
    params(
        ("platform" = String, Path, description = "The platform."),
        ("connection_id" = Option<String>, Query, description = "The connection."),
        ("app_id" = Option<String>, Query, description = "The app, in place of the connection."),
        ("link" = Option<String>, Query, description = "The token of a link."),
    ),
    responses(
        (status = 302, description = "To the platform.",
            headers(
                ("location" = String, description = "Where a person signs in."),
                ("set-cookie" = String, description = "Binds the sign-in to this browser."),
            )),
        BeginErrors,
    ),
    security(("operator" = []), ("key" = ["settings:write"]), ("session" = [])),
)]
pub(crate) async fn begin_any(
    State(shared): State<Shared>,
    Path(platform): Path<String>,
    mut parts: Parts,
) -> Result<Response, Problem> {
    let params = Params::read(&parts.uri, &["app_id", "connection_id", "link"])?;
    let id = params.id("connection_id")?.map(ConnectionId);
    let connection = if let (Some(id), Some(token)) = (id, params.one("link")?) {
        let now = shared.clock.now();
        let grant = shared
            .store
            .take_sign_in_link(&link_hash(id, token), now)
            .await?;
        let grant = grant.ok_or_else(|| {
            let detail = "The link was used or is too old. Ask the operator for a new one.";
            Problem::new(Code::LinkExpired, detail)
        })?;
        ready(&shared, grant.app_id, id).await?
    } else {
        let caller = AnyCaller::from_request_parts(&mut parts, &shared).await?;
        let app = params.id("app_id")?.map(AppId);
        if let Some(app) = app {
            caller.may(app)?;
        }
        match (id, app) {
            (Some(id), app) => {
                let known = shared.connections.get(id);
                let known = known.filter(|c| app.is_none_or(|app| c.app.id == app));
                let known = known.filter(|c| caller.may(c.app.id).is_ok());
                let known = known.ok_or_else(no_connection)?;
                ready(&shared, known.app.id, id).await?
            }
            (None, Some(app)) => of_app(&shared, &platform, app).await?,
            (None, None) => return Err(no_app_id()),
        }
    };
    if !connection.row.platform.eq_ignore_ascii_case(&platform) {
        return Err(no_connection());
    }
    begin(&shared, &parts.headers, &connection).await
}

/// Sign in at a platform, by its other name
///
/// The predecessor's address of `GET /auth/{platform}/authorize`.
#[utoipa::path(
    get, path = "/auth/{platform}/connect", tag = "Platform sign-in",
    operation_id = "connect_platform",
    params(
        ("platform" = String, Path, description = "The platform."),
        ("connection_id" = Option<String>, Query, description = "The connection."),
        ("app_id" = Option<String>, Query, description = "The app, in place of the connection."),
        ("link" = Option<String>, Query, description = "The token of a link."),
    ),
    responses((status = 302, description = "To the platform."), BeginErrors),
    security(("operator" = []), ("key" = ["settings:write"]), ("session" = [])),
)]
pub(crate) async fn connect(
    state: State<Shared>,
    platform: Path<String>,
    parts: Parts,
) -> Result<Response, Problem> {
    begin_any(state, platform, parts).await
}

async fn begin(
    shared: &Shared,
    headers: &HeaderMap,
    connection: &ReadyConnection,
) -> Result<Response, Problem> {
    signs_in(connection)?;
    let platform = &connection.row.platform;
    let back = absolute(shared, headers, &format!("/auth/{platform}/callback"));
    let browser = cookie(headers);
    let begun = shared
        .tokens
        .begin(connection, &back, browser.as_ref(), None)
        .await;
    let begun = begun.map_err(|error| refused(error, connection))?;
    let mut response = StatusCode::FOUND.into_response();
    let location = HeaderValue::from_str(&begun.authorize_url).map_err(|_| Problem::internal())?;
    let secure = if shared.is_https() { "; Secure" } else { "" };
    let (value, seconds) = (begun.browser.expose(), LIFE.as_secs());
    // Where the browser comes back to, below the path of the public address if that has one.
    let place = back
        .split_once("://")
        .map_or(back.as_str(), |(_, rest)| rest);
    let place = place.find('/').map_or("/auth", |at| &place[at..]);
    let place = place.trim_end_matches(&format!("/{platform}/callback"));
    let cookie = format!(
        "{COOKIE}={value}; Path={place}; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    );
    let out = response.headers_mut();
    out.insert(header::LOCATION, location);
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        out.insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn no_app_id() -> Problem {
    let detail = "Missing app_id in query. Name the app by app_id or the connection by \
                  connection_id.";
    Problem::new(Code::InvalidParameter, detail).at("app_id")
}
