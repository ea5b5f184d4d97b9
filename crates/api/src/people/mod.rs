//! People of an app, for its administrators and for operators: inviting, changing, removing them.
//! What everybody does to their own account is in `own`; coming in is in [`crate::sign_in`].

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use switchhook_domain::id::UserId;
use switchhook_engine::people::{Edit, NewLink, address};
use switchhook_engine::rights::{Role, Scope};
use switchhook_engine::store::Person;
use utoipa::ToSchema;

use crate::answer;
use crate::apps::{self, absolute};
use crate::audit::Trace;
use crate::auth::{By, Caller, Operator};
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::Shared;

pub(crate) mod own;

/// Somebody with an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(crate) struct PersonView {
    /// Their id.
    id: UserId,
    /// Their address.
    #[schema(example = "jan@example.nl")]
    email: String,
    /// Their name.
    #[schema(example = "Jan Jansen")]
    name: String,
    /// `admin`, `supervisor`, `agent` or `read_only`.
    #[schema(example = "agent")]
    role: &'static str,
    /// False when they were shut out.
    active: bool,
    /// `invited` until the invitation is taken up, then `joined`.
    #[schema(example = "joined")]
    state: &'static str,
    /// True when they have a password.
    has_password: bool,
    /// True when they have signed in at the identity provider.
    has_identity: bool,
    /// When the account was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When they last signed in.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sign_in_at: Option<String>,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            id: person.id,
            email: person.email,
            name: person.name,
            role: person.role.as_str(),
            active: person.active,
            state: person.joined_at.map_or("invited", |_| "joined"),
            has_password: person.password.is_some(),
            has_identity: person.identity.is_some(),
            created_at: answer::time(person.created_at),
            last_sign_in_at: person.last_sign_in_at.map(answer::time),
        }
    }
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    /// Their address.
    #[schema(example = "jan@example.nl")]
    email: String,
    /// Their name; they can change it.
    #[serde(default)]
    #[schema(example = "Jan Jansen", max_length = 200)]
    name: Option<String>,
    /// `admin`, `supervisor`, `agent` or `read_only`.
    #[schema(example = "agent")]
    role: String,
}

/// What is changed of a person; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonEdit {
    /// A new name.
    #[serde(default)]
    #[schema(example = "Jan Jansen", max_length = 200)]
    name: Option<String>,
    /// Another role; ends their sessions.
    #[serde(default)]
    #[schema(example = "supervisor")]
    role: Option<String>,
    /// False shuts them out and ends their sessions.
    #[serde(default)]
    active: Option<bool>,
}

/// A link for a person, which is shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct PersonLink {
    /// For whom.
    person: PersonView,
    /// The link. It works once and cannot be shown again.
    #[schema(example = "https://cti.example.nl/invitation?token=…")]
    url: String,
    /// When it stops working.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

errors!(ListErrors: CALLER []);
errors!(InviteErrors: CALLER CHANGE [AlreadyExists]);
errors!(OperatorInviteErrors: OPERATOR OPERATOR_BODY [
    InvalidId, AppNotFound, AppInactive, AlreadyExists,
]);
errors!(GetErrors: CALLER [InvalidId, PersonNotFound]);
errors!(ChangeErrors: CALLER CHANGE [InvalidId, PersonNotFound, LastAdmin]);
errors!(DeleteErrors: CALLER [InvalidId, PersonNotFound, LastAdmin, CrossSiteRequest]);
errors!(LinkErrors: CALLER [
    InvalidId, PersonNotFound, InvalidField, PasswordsOff, CrossSiteRequest,
]);

/// List people
///
/// Everybody with an account in the app and everybody invited, by address.
#[utoipa::path(
    get, path = "/api/people", tag = "People", operation_id = "list_people",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "How many to pass over."),
    ),
    responses((status = 200, description = "The people.", body = Page<PersonView>), ListErrors),
    security(("key" = ["people:write"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::People)?;
    let params = Params::read(&uri, &["limit", "offset"])?;
    let paging = Paging::read(&params)?;
    let (limit, offset) = (paging.limit, paging.offset);
    let (people, total) = shared.store.people(caller.app(), limit, offset).await?;
    let people: Vec<_> = people.into_iter().map(PersonView::from).collect();
    answer::list(&people, &paging.describe(people.len(), total))
}

/// Invite somebody
///
/// The link is for them alone and works once, for seven days; nobody sends it for you. Inviting
/// somebody again who has not joined gives a new link, and the old ones stop working.
#[utoipa::path(
    post, path = "/api/people", tag = "People", operation_id = "invite_person",
    request_body = NewPerson,
    responses((status = 201, description = "The link.", body = One<PersonLink>), InviteErrors),
    security(("key" = ["people:write"]), ("session" = [])),
)]
pub(crate) async fn invite(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::People)?;
    Params::none(&uri)?;
    let Object(new): Object<NewPerson> = body::json(&headers, body, shared.config.max_json).await?;
    let role = role(&new.role)?;
    may_give(&caller, role)?;
    let email = address(&new.email).unwrap_or_default();
    let known = shared.store.people_by_email(&email).await?;
    let known = known.into_iter().find(|one| one.app_id == caller.app());
    known.map_or(Ok(()), |known| may_give(&caller, known.role))?;
    let link = shared
        .people
        .invite(caller.app(), &new.email, new.name.as_deref(), role)
        .await?;
    shared.watch.look();
    linked(&shared, &headers, link)
}

/// Invite somebody as operator
///
/// The same for operators, who need no account: how the first administrator of an app comes in.
#[utoipa::path(
    post, path = "/internal/apps/{app_id}/people", tag = "Operators: apps and keys",
    operation_id = "invite_person_as_operator",
    params(("app_id" = String, Path, description = "The app.")),
    request_body = NewPerson,
    responses(
        (status = 201, description = "The link.", body = One<PersonLink>),
        OperatorInviteErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn invite_as_operator(
    State(shared): State<Shared>,
    _: Operator,
    Path(app_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = apps::find(&shared, &app_id).await?;
    let Object(new): Object<NewPerson> = body::json(&headers, body, shared.config.max_json).await?;
    let role = role(&new.role)?;
    let link = shared
        .people
        .invite(app.id, &new.email, new.name.as_deref(), role)
        .await?;
    shared.watch.look();
    linked(&shared, &headers, link)
}

/// Get a person
#[utoipa::path(
    get, path = "/api/people/{id}", tag = "People", operation_id = "get_person",
    params(("id" = String, Path, description = "The id of the person.")),
    responses((status = 200, description = "The person.", body = One<PersonView>), GetErrors),
    security(("key" = ["people:write"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::People)?;
    Params::none(&uri)?;
    let id = UserId(path_id(&id, "person")?);
    let person = shared.people.person(caller.app(), id).await?;
    answer::one(StatusCode::OK, &PersonView::from(person))
}

/// Change a person
///
/// Another role and being shut out end their sessions at once; their sockets are closed within a
/// second. The last active administrator stays one.
#[utoipa::path(
    patch, path = "/api/people/{id}", tag = "People", operation_id = "update_person",
    params(("id" = String, Path, description = "The id of the person.")),
    request_body = PersonEdit,
    responses((status = 200, description = "The person.", body = One<PersonView>), ChangeErrors),
    security(("key" = ["people:write"]), ("session" = [])),
)]
pub(crate) async fn change(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::People)?;
    let (parts, body) = request.into_parts();
    Params::none(&parts.uri)?;
    let id = UserId(path_id(&id, "person")?);
    let Object(asked): Object<PersonEdit> =
        body::json(&parts.headers, body, shared.config.max_json).await?;
    let edit = Edit {
        role: asked.role.as_deref().map(role).transpose()?,
        name: asked.name,
        active: asked.active,
    };
    let known = shared.people.person(caller.app(), id).await?;
    may_give(&caller, known.role)?;
    edit.role.map_or(Ok(()), |role| may_give(&caller, role))?;
    trace.before(&PersonView::from(known));
    let person = shared.people.edit(caller.app(), id, &edit).await?;
    shared.watch.look();
    answer::one(StatusCode::OK, &PersonView::from(person))
}

/// Delete a person
///
/// Their sessions end at once. What they did stays in the audit log.
#[utoipa::path(
    delete, path = "/api/people/{id}", tag = "People", operation_id = "delete_person",
    params(("id" = String, Path, description = "The id of the person.")),
    responses((status = 204, description = "Deleted."), DeleteErrors),
    security(("key" = ["people:write"]), ("session" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::People)?;
    Params::none(&uri)?;
    let id = UserId(path_id(&id, "person")?);
    let known = shared.people.person(caller.app(), id).await?;
    may_give(&caller, known.role)?;
    trace.before(&PersonView::from(known));
    shared.people.remove(caller.app(), id).await?;
    shared.watch.look();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Make a password link
///
/// With it the person sets a new password, once, within an hour; all their sessions end then. A
/// new link makes the old one worthless.
#[utoipa::path(
    post, path = "/api/people/{id}/reset-link", tag = "People",
    operation_id = "create_password_link",
    params(("id" = String, Path, description = "The id of the person.")),
    responses((status = 201, description = "The link.", body = One<PersonLink>), LinkErrors),
    security(("key" = ["people:write"]), ("session" = [])),
)]
pub(crate) async fn reset_link(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.needs(Scope::People)?;
    Params::none(&uri)?;
    let id = UserId(path_id(&id, "person")?);
    let known = shared.people.person(caller.app(), id).await?;
    may_give(&caller, known.role)?;
    let link = shared.people.reset_link(caller.app(), id).await?;
    linked(&shared, &headers, link)
}

fn linked(shared: &Shared, headers: &HeaderMap, link: NewLink) -> Result<Response, Problem> {
    let answer = PersonLink {
        person: link.person.into(),
        url: absolute(
            shared,
            headers,
            &format!("/invitation?token={}", link.token),
        ),
        expires_at: answer::time(link.expires_at),
    };
    answer::one(StatusCode::CREATED, &answer)
}

fn role(name: &str) -> Result<Role, Problem> {
    let problem = "must be one of admin, supervisor, agent, read_only";
    Role::from_name(name).ok_or_else(|| Problem::field("role", problem))
}

/// Nobody gives away, or takes over, more than they have themselves.
fn may_give(caller: &Caller, role: Role) -> Result<(), Problem> {
    if caller.access.scopes.covers(role.scopes()) {
        return Ok(());
    }
    let name = role.as_str();
    let detail = format!("This would need every right of the role {name}. Use one who has them.");
    let code = match caller.by {
        By::Key => Code::ScopeMissing,
        By::Session(_) | By::Token(_) => Code::RoleNotAllowed,
    };
    Err(Problem::new(code, detail))
}
