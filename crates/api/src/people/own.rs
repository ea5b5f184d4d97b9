//! What everybody may do to their own account: name, password, sessions.

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use switchhook_engine::people::{Edit, session_name};
use switchhook_engine::store::{Person, PersonSession};
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::{By, Caller};
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::schemas::{All, One};
use crate::sign_in::{Account, visit};
use crate::state::{Inner, Shared};

/// The length of a session's name.
const NAME: usize = 24;

/// What is changed of one's own account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnChange {
    /// A new name.
    #[schema(example = "Jan Jansen", max_length = 200)]
    name: String,
}

/// A new password for oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The present one.
    current: String,
    /// The new one, 12 to 128 characters.
    #[schema(example = "vier woorden op een rij")]
    new: String,
}

/// A session of one's own.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnSession)]
pub(crate) struct SessionView {
    /// Its name, for ending it.
    #[schema(example = "0123456789abcdef01234567")]
    id: String,
    /// True for the one that is asking.
    current: bool,
    /// How they signed in: `password`, `oidc`, `invitation`, `reset` or `set_up`.
    #[schema(example = "password")]
    by: String,
    /// From which address.
    address: Option<String>,
    /// What the browser calls itself.
    browser: Option<String>,
    /// When they signed in.
    #[schema(value_type = String, format = DateTime)]
    started_at: String,
    /// When it was last used, to a few minutes.
    #[schema(value_type = String, format = DateTime)]
    seen_at: String,
    /// When it ends unless it is used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

impl SessionView {
    fn of(session: PersonSession, own: By) -> Self {
        Self {
            id: session_name(&session.token_hash),
            current: own == By::Session(session.token_hash),
            by: session.way,
            address: session.address,
            browser: session.browser,
            started_at: answer::time(session.started_at),
            seen_at: answer::time(session.seen_at),
            expires_at: answer::time(session.expires_at),
        }
    }
}

errors!(RenameErrors: CALLER CHANGE [PersonNotFound]);
errors!(PasswordErrors: CALLER CHANGE [PersonNotFound, PasswordsOff, SignInThrottled]);
errors!(SessionErrors: CALLER [PersonNotFound]);
errors!(EndErrors: CALLER [PersonNotFound, CrossSiteRequest]);
errors!(EndOneErrors: CALLER [PersonNotFound, SessionNotFound, CrossSiteRequest]);

/// The account of whoever is asking.
async fn own(shared: &Inner, caller: &Caller) -> Result<(Person, [u8; 32]), Problem> {
    let none = || {
        let detail = "This is for people with an account. API keys and sign-in links have none.";
        Problem::new(Code::PersonNotFound, detail)
    };
    let By::Session(hash) = caller.by else {
        return Err(none());
    };
    let id = caller.access.user_id.ok_or_else(none)?;
    let person = shared.store.person(caller.app(), id).await?;
    Ok((person.ok_or_else(none)?, hash))
}

/// Change one's own name
#[utoipa::path(
    patch, path = "/api/me", tag = "Session", operation_id = "update_me",
    request_body = OwnChange,
    responses((status = 200, description = "The account.", body = One<Account>), RenameErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn rename(
    State(shared): State<Shared>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let (person, _) = own(&shared, &caller).await?;
    let Object(asked): Object<OwnChange> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    let edit = Edit {
        name: Some(asked.name),
        ..Edit::default()
    };
    Trace::of(&parts).before(&Account::from(person.clone()));
    let person = shared.people.edit(person.app_id, person.id, &edit).await?;
    answer::one(StatusCode::OK, &Account::from(person))
}

/// Change one's own password
///
/// The other sessions end; this one goes on.
#[utoipa::path(
    post, path = "/api/me/password", tag = "Session", operation_id = "change_own_password",
    request_body = PasswordChange,
    responses((status = 204, description = "Changed."), PasswordErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn password(
    State(shared): State<Shared>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let (person, hash) = own(&shared, &caller).await?;
    let Object(asked): Object<PasswordChange> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    Trace::of(&parts).before(&Account::from(person.clone()));
    shared
        .people
        .change_password(&person, &asked.current, &asked.new, hash, &visit(&parts))
        .await?;
    shared.watch.look();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// List one's own sessions
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/me/sessions", tag = "Session", operation_id = "list_own_sessions",
    responses((status = 200, description = "The sessions.", body = All<SessionView>),
        SessionErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn sessions(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let (person, _) = own(&shared, &caller).await?;
    answer::one(StatusCode::OK, &views(&shared, &person, caller.by).await?)
}

async fn views(shared: &Inner, person: &Person, by: By) -> Result<Vec<SessionView>, Problem> {
    let sessions = shared.people.sessions(person.app_id, person.id).await?;
    let views = sessions.into_iter();
    Ok(views.map(|one| SessionView::of(one, by)).collect())
}

/// Sign out everywhere
///
/// Ends all of one's own sessions, this one included. Their sockets are closed within a second.
#[utoipa::path(
    delete, path = "/api/me/sessions", tag = "Session", operation_id = "end_own_sessions",
    responses((status = 204, description = "Signed out everywhere."), EndErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn end_sessions(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let (person, _) = own(&shared, &caller).await?;
    let (app, id) = (person.app_id, person.id);
    trace.before(&views(&shared, &person, caller.by).await?);
    shared.people.end_sessions(app, id, None).await?;
    shared.watch.look();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// End a session of one's own
#[utoipa::path(
    delete, path = "/api/me/sessions/{id}", tag = "Session", operation_id = "end_own_session",
    params(("id" = String, Path, description = "The id of the session.")),
    responses((status = 204, description = "Ended."), EndOneErrors),
    security(("key" = []), ("session" = [])),
)]
pub(crate) async fn end_session(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let (person, _) = own(&shared, &caller).await?;
    // What cannot be a session's name is nobody's session.
    if id.len() != NAME {
        let detail = "Session not found. Take the id from the list of sessions.";
        return Err(Problem::new(Code::SessionNotFound, detail));
    }
    let (app, user) = (person.app_id, person.id);
    let mut before = views(&shared, &person, caller.by).await?;
    before.retain(|session| session.id == id);
    trace.before(&before.first());
    shared.people.end_session(app, user, &id).await?;
    shared.watch.look();
    Ok(StatusCode::NO_CONTENT.into_response())
}
