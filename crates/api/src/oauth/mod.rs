//! Signing in at a platform for a connection, by OAuth: where a browser begins ([`begin`]), where
//! it comes back ([`callback`]), and, here, taking the sign-in back and who may do all this. What
//! a sign-in is, is decided in [`switchhook_engine::oauth`].

pub(crate) mod begin;
pub(crate) mod callback;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{CommandError, Grant};
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::oauth::sign_in::SignInError;
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use crate::answer;
use crate::apps;
use crate::audit::Trace;
use crate::auth::{Caller, Operator};
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem, app_inactive};
use crate::state::Shared;

/// The cookie that makes a sign-in this browser's.
const COOKIE: &str = "switchhook_oauth";
errors!(DisconnectErrors: CALLER [
    CrossSiteRequest, OperatorSecretWrong, OperatorSecretNotSet, InvalidId,
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
        caller.needs(Scope::SettingsWrite)?;
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
    security(("operator" = []), ("key" = ["settings:write"]), ("session" = [])),
)]
pub(crate) async fn disconnect(
    State(shared): State<Shared>,
    (caller, trace): (AnyCaller, Trace),
    Path((platform, app_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = AppId(path_id(&app_id, "app")?);
    caller.may(app)?;
    apps::find(&shared, &app_id).await?;
    trace.about(app);
    let mut signed_in = Vec::new();
    let mut title = None;
    let mut left_at_platform = Vec::new();
    for connection in of_platform(&shared, &platform, app) {
        let row = &connection.row;
        if shared.store.tokens(row.app_id, row.id).await?.is_none() {
            continue;
        }
        signed_in.push(json!({ "id": row.id, "name": row.name }));
        trace.before(&json!({ "signed_in": signed_in }));
        title = Some(connection.adapter.spec().title);
        left_at_platform.extend(shared.keeper.release(&connection).await?);
    }
    let Some(title) = title else {
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
    if oauth.is_some_and(|oauth| oauth.grant == Grant::AuthorizationCode) {
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

/// A sign-in that is not one of ours, or not any more.
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

/// What the platform made of it.
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
