//! Signing in at a platform for a connection, by OAuth: where a browser begins, where it comes
//! back, and taking the sign-in back. Who may begin: an operator, an administrator of the app, or
//! whoever holds a link that works once. What a sign-in is, is decided in
//! [`switchhook_engine::oauth`].

use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::access::LINK_LIFE;
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{CommandError, Grant as OAuthGrant};
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::oauth::sign_in::{LIFE, SignInError};
use switchhook_engine::seal::{digest, random_text};
use switchhook_engine::store::{Grant, Role};
use utoipa::ToSchema;

use crate::answer;
use crate::apps::{self, absolute};
use crate::auth::{Caller, Operator};
use crate::connections;
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem, app_inactive};
use crate::schemas::One;
use crate::state::Shared;

/// The cookie that makes a sign-in this browser's.
const COOKIE: &str = "switchhook_oauth";
/// The longest code or state read.
const MAX_VALUE: usize = 4096;

errors!(LinkErrors: OPERATOR [
    InvalidId, AppNotFound, AppInactive, ConnectionNotFound, SignInNotPossible,
]);
errors!(BeginErrors: CALLER [
    RoleNotAllowed, OperatorSecretWrong, InvalidId, AppNotFound, ConnectionNotFound,
    SignInNotPossible, LinkExpired, OperatorSecretNotSet, CrossSiteRequest,
]);
errors!(CallbackErrors: [
    InvalidParameter, SignInUnknown, SignInRefused, PlatformRefused, AppInactive,
    ConnectionNotFound, InternalError, StoreUnavailable, TimedOut,
]);
errors!(DisconnectErrors: CALLER [
    RoleNotAllowed, CrossSiteRequest, OperatorSecretWrong, OperatorSecretNotSet, InvalidId,
    AppNotFound, NotSignedIn,
]);

/// An operator, or somebody of an app.
pub(crate) enum AnyCaller {
    /// May do it for every app.
    Operator,
    /// For their own.
    App(Box<Caller>),
}

impl FromRequestParts<Shared> for AnyCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Operator::from_request_parts(parts, shared)
                .await
                .map(|_| Self::Operator);
        }
        let caller = Caller::from_request_parts(parts, shared).await?;
        caller.may_change()?;
        Ok(Self::App(Box::new(caller)))
    }
}

impl AnyCaller {
    /// Refuses another app than the caller's own, as one that does not exist.
    fn may(&self, app: AppId) -> Result<(), Problem> {
        match self {
            Self::App(caller) if caller.app() != app => Err(no_app()),
            Self::Operator | Self::App(_) => Ok(()),
        }
    }
}

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

/// A sign-in that succeeded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connected {
    /// For people.
    #[schema(example = "Dialpad connected")]
    message: String,
    /// The app.
    app_id: AppId,
    /// The connection that is signed in now.
    connection_id: ConnectionId,
    /// This server's environment.
    #[schema(example = "production")]
    environment: String,
}

/// A sign-in that was taken back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Disconnected {
    /// For people.
    #[schema(example = "App successfully disconnected from Dialpad")]
    message: String,
    /// The app.
    app_id: AppId,
    /// What could not be taken back at the platform; one sentence each.
    left_at_platform: Vec<String>,
}

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
    security(("operator" = []), ("key" = []), ("session" = [])),
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
    security(("operator" = []), ("key" = []), ("session" = [])),
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
    security(("operator" = []), ("key" = []), ("session" = [])),
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
    let cookie =
        format!("{COOKIE}={value}; Path=/auth; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
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

/// Come back from a platform
///
/// Where the platform sends the browser: `code` and `state`, or `error`. The sign-in must have
/// begun in the same browser, within ten minutes, and is finished once.
#[utoipa::path(
    get, path = "/auth/{platform}/callback", tag = "Platform sign-in",
    operation_id = "finish_platform_sign_in",
    params(
        ("platform" = String, Path, description = "The platform."),
        ("state" = Option<String>, Query, description = "What the sign-in began with."),
        ("code" = Option<String>, Query, description = "What the platform gave."),
        ("error" = Option<String>, Query, description = "Why it gave nothing."),
    ),
    responses(
        (status = 200, description = "Signed in; a page for browsers, JSON for others.",
            body = Connected),
        CallbackErrors,
    ),
    security(()),
)]
pub(crate) async fn callback(
    State(shared): State<Shared>,
    Path(platform): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Platforms add parameters of their own, so what is not known is passed over here.
    let query = Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .unwrap_or_default()
        .0;
    let one = |name: &str| {
        let found = query.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty() && v.len() <= MAX_VALUE)
    };
    let state = one("state").ok_or_else(|| {
        Problem::parameter("state", "is missing: begin the sign-in from its link")
    })?;
    let returned = shared
        .tokens
        .returned(state, cookie(&headers).as_ref())
        .await;
    let returned = returned.map_err(unknown)?;
    let connection = ready(&shared, returned.app_id, returned.connection_id).await?;
    if !connection.row.platform.eq_ignore_ascii_case(&platform) {
        return Err(unknown(SignInError::UnknownState));
    }
    let title = connection.adapter.spec().title;
    if let Some(error) = one("error") {
        let detail = match error {
            "access_denied" => format!(
                "The sign-in was refused at {title}: nobody agreed. Open the link again and agree."
            ),
            _ => format!(
                "{title} refused the sign-in: compare client id, scopes and redirect address of \
                 the connection with the app at {title}."
            ),
        };
        return Err(Problem::new(Code::SignInRefused, detail));
    }
    let code = one("code").ok_or_else(|| {
        Problem::parameter(
            "code",
            "is missing: the platform brought no authorization code",
        )
    })?;
    let finished = shared
        .tokens
        .finish(&connection, returned, Secret::new(code))
        .await;
    finished.map_err(|error| refused(error, &connection))?;
    // The subscriptions can be made now.
    shared.keeper.nudge(&connection).await?;
    if headers.get(header::ACCEPT).is_some_and(wants_page) {
        return Ok(page(title));
    }
    let connected = Connected {
        message: format!("{title} connected"),
        app_id: connection.app.id,
        connection_id: connection.row.id,
        environment: shared.config.environment.clone(),
    };
    answer::plain(StatusCode::OK, &connected)
}

fn wants_page(accept: &HeaderValue) -> bool {
    accept
        .to_str()
        .is_ok_and(|accept| accept.contains("text/html"))
}

fn page(title: &str) -> Response {
    // The title is the adapter's; a mapped platform's is the administrator's text.
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} connected\
         </title><h1>{title} is connected</h1><p>You can close this window.</p></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    (StatusCode::OK, headers, html).into_response()
}

/// Take a sign-in back
///
/// Deletes at the platform what was made there, has it forget the tokens, and forgets them here.
#[utoipa::path(
    post, path = "/auth/{platform}/disconnect/{app_id}", tag = "Platform sign-in",
    operation_id = "disconnect_platform",
    params(
        ("platform" = String, Path, description = "The platform."),
        ("app_id" = String, Path, description = "The app."),
    ),
    responses(
        (status = 200, description = "Nobody is signed in any more.", body = Disconnected),
        DisconnectErrors,
    ),
    security(("operator" = []), ("key" = []), ("session" = [])),
)]
pub(crate) async fn disconnect(
    State(shared): State<Shared>,
    caller: AnyCaller,
    Path((platform, app_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = AppId(path_id(&app_id, "app")?);
    caller.may(app)?;
    apps::find(&shared, &app_id).await?;
    let mut found = 0;
    let mut title = None;
    let mut left_at_platform = Vec::new();
    for connection in of_platform(&shared, &platform, app) {
        let row = &connection.row;
        if shared.store.tokens(row.app_id, row.id).await?.is_none() {
            continue;
        }
        found += 1;
        title = Some(connection.adapter.spec().title);
        left_at_platform.extend(shared.keeper.release(&connection).await?);
    }
    let Some(title) = title.filter(|_| found > 0) else {
        let detail = "App not connected to this platform: nobody is signed in for it.";
        return Err(Problem::new(Code::NotSignedIn, detail));
    };
    let disconnected = Disconnected {
        message: format!("App successfully disconnected from {title}"),
        app_id: app,
        left_at_platform,
    };
    answer::plain(StatusCode::OK, &disconnected)
}

/// The connections of an app that sign in at a platform.
fn of_platform(shared: &Shared, platform: &str, app: AppId) -> Vec<ReadyConnection> {
    let all = shared.connections.all().into_iter();
    all.filter(|c| c.app.id == app && c.row.platform.eq_ignore_ascii_case(platform))
        .filter(|c| signs_in(c).is_ok())
        .collect()
}

async fn of_app(shared: &Shared, platform: &str, app: AppId) -> Result<ReadyConnection, Problem> {
    let app = shared.store.app(app).await?.ok_or_else(no_app)?;
    if !app.active {
        return Err(app_inactive());
    }
    match of_platform(shared, platform, app.id).as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(no_connection()),
        _ => Err(Problem::parameter(
            "connection_id",
            "must be given, since the app has several connections that sign in",
        )),
    }
}

async fn ready(shared: &Shared, app: AppId, id: ConnectionId) -> Result<ReadyConnection, Problem> {
    if shared.connections.get(id).is_none() {
        // Another node may just have made it.
        shared.connections.refresh().await?;
    }
    let known = shared.connections.get(id).filter(|c| c.app.id == app);
    let known = known.ok_or_else(no_connection)?;
    if !known.app.active {
        return Err(app_inactive());
    }
    Ok(known)
}

fn signs_in(connection: &ReadyConnection) -> Result<(), Problem> {
    let oauth = connection.adapter.oauth(&connection.context);
    if oauth.is_some_and(|oauth| oauth.grant == OAuthGrant::AuthorizationCode) {
        return Ok(());
    }
    let title = connection.adapter.spec().title;
    let detail = format!(
        "Nobody signs in for this {title} connection: it uses other credentials, or lacks the \
         client id and secret of an OAuth app."
    );
    Err(Problem::new(Code::SignInNotPossible, detail))
}

fn no_app() -> Problem {
    Problem::new(Code::AppNotFound, "App not found. Check the app_id.")
}

fn no_app_id() -> Problem {
    let detail = "Missing app_id in query. Name the app by app_id or the connection by \
                  connection_id.";
    Problem::new(Code::InvalidParameter, detail).at("app_id")
}

fn no_connection() -> Problem {
    let detail = "Connection not found. The app needs a connection to this platform with the \
                  client id and secret of an OAuth app.";
    Problem::new(Code::ConnectionNotFound, detail)
}

fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let lines = headers.get_all(header::COOKIE).iter();
    let cookies = lines.filter_map(|line| line.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == COOKIE && !value.is_empty()).then(|| Secret::new(value))
    })
}

fn unknown(error: SignInError) -> Problem {
    let detail = match error {
        SignInError::OtherBrowser => {
            "This sign-in was begun in another browser, or its cookie is gone. Begin it again \
             from its link, in one browser."
        }
        SignInError::Store(error) => return error.into(),
        SignInError::UnknownState | SignInError::Platform(_) => {
            "This sign-in is not known: it was finished already, or took longer than ten minutes. \
             Begin it again from its link."
        }
    };
    Problem::new(Code::SignInUnknown, detail)
}

fn refused(error: SignInError, connection: &ReadyConnection) -> Problem {
    match error {
        SignInError::Platform(CommandError { fault, detail, .. }) => {
            tracing::warn!(
                connection.id = %connection.row.id, fault = fault.as_str(), "a sign-in failed"
            );
            Problem::new(Code::PlatformRefused, detail).with("fault", fault.as_str())
        }
        error => unknown(error),
    }
}
