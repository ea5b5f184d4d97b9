//! Coming in by a link: setting the server up, taking up an invitation, setting a new password.
//! The page shows what the link is for and sends its token in a body; looking uses nothing up, so
//! that programs that open links before people do cannot spoil them.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_engine::people::SetUp;
use utoipa::ToSchema;

use super::{Visited, Welcome, refused, welcome};
use crate::answer;
use crate::audit::Trace;
use crate::body::{self, Object};
use crate::openapi::errors;
use crate::params::Params;
use crate::people::PersonView;
use crate::problem::Problem;
use crate::schemas::One;
use crate::state::Shared;

/// A link's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// What stands in the link after `token=`.
    token: String,
}

/// What the first visit makes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUpRequest {
    /// What stands in the link after `token=`.
    token: String,
    /// The name of the first app.
    #[schema(example = "Klantcontact", max_length = 200)]
    app_name: String,
    /// ISO 3166-1 alpha-2: how its national numbers are read. `NL` when left out.
    #[serde(default)]
    #[schema(example = "NL")]
    country: Option<String>,
    /// The administrator's name.
    #[schema(example = "Jan Jansen", max_length = 200)]
    name: String,
    /// Their address.
    #[schema(example = "jan@example.nl")]
    email: String,
    /// Their password, 12 to 128 characters.
    #[schema(example = "vier woorden op een rij")]
    password: String,
}

/// An invitation taken up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptRequest {
    /// What stands in the link after `token=`.
    token: String,
    /// The person's name; that of the invitation when left out. It stays where the link only sets
    /// a new password.
    #[serde(default)]
    #[schema(example = "Jan Jansen", max_length = 200)]
    name: Option<String>,
    /// Their password, 12 to 128 characters.
    #[schema(example = "vier woorden op een rij")]
    password: String,
}

/// The name of an app.
#[derive(Serialize, ToSchema)]
pub(crate) struct NamedApp {
    /// The name.
    #[schema(example = "Klantcontact")]
    name: String,
}

/// What a link is for.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitationView)]
pub(crate) struct LinkView {
    /// Into which app it leads.
    app: NamedApp,
    /// For whom.
    #[schema(example = "jan@example.nl")]
    email: String,
    /// Their name.
    name: String,
    /// As what.
    #[schema(example = "agent")]
    role: &'static str,
    /// `invitation`, or `reset` when it only sets a new password.
    #[schema(example = "invitation")]
    purpose: &'static str,
    /// When it stops working.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

errors!(LookErrors: [
    InvalidParameter, InvalidBody, InvalidField, BodyTooLarge, BodyTooSlow,
    UnsupportedContentType, CrossSiteRequest, RateLimited, LinkExpired, AppInactive,
    StoreUnavailable, TimedOut, InternalError,
]);
errors!(UseErrors: [
    InvalidParameter, InvalidBody, InvalidField, BodyTooLarge, BodyTooSlow,
    UnsupportedContentType, CrossSiteRequest, RateLimited, LinkExpired, AppInactive, PasswordsOff,
    StoreUnavailable, TimedOut, InternalError,
]);

/// Set the server up
///
/// With the token of the set-up link that the console shows while there is no app and nobody:
/// makes the first app and its administrator, who is signed in. Works once.
#[utoipa::path(
    post, path = "/api/set-up", tag = "Session", operation_id = "set_up",
    request_body = SetUpRequest,
    responses(
        (status = 200, description = "Set up and signed in.", body = One<Welcome>,
            headers(("set-cookie" = String, description = "The session."))),
        UseErrors,
    ),
    security(()),
)]
pub(crate) async fn set_up(
    State(shared): State<Shared>,
    trace: Trace,
    Visited(visit): Visited,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(asked): Object<SetUpRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let new = SetUp {
        app_name: asked.app_name,
        country: asked.country.unwrap_or_else(|| "NL".to_owned()),
        name: asked.name,
        email: asked.email,
        password: asked.password,
    };
    let signed_in = shared.people.set_up(&asked.token, &new, &visit).await;
    let signed_in = signed_in.map_err(|error| refused(&trace, error))?;
    welcome(&shared, &trace, signed_in).await
}

/// Look at an invitation
///
/// What the link is for: an invitation, or a new password. Uses nothing up.
#[utoipa::path(
    post, path = "/api/invitations/look", tag = "Session", operation_id = "look_at_invitation",
    request_body = TokenRequest,
    responses(
        (status = 200, description = "What it is for.", body = One<LinkView>),
        LookErrors,
    ),
    security(()),
)]
pub(crate) async fn look_at_invitation(
    State(shared): State<Shared>,
    _: Visited,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(asked): Object<TokenRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let looked = shared.people.look(&asked.token).await?;
    let view = LinkView {
        app: NamedApp {
            name: looked.app.name,
        },
        email: looked.person.email,
        name: looked.person.name,
        role: looked.person.role.as_str(),
        purpose: if looked.is_reset {
            "reset"
        } else {
            "invitation"
        },
        expires_at: answer::time(looked.expires_at),
    };
    answer::one(StatusCode::OK, &view)
}

/// Take up an invitation
///
/// Name and password, and the first session. With the link of a new password only the password is
/// set, and every session of before ends. Works once.
#[utoipa::path(
    post, path = "/api/invitations/accept", tag = "Session", operation_id = "accept_invitation",
    request_body = AcceptRequest,
    responses(
        (status = 200, description = "Joined and signed in.", body = One<Welcome>,
            headers(("set-cookie" = String, description = "The session."))),
        UseErrors,
    ),
    security(()),
)]
pub(crate) async fn accept_invitation(
    State(shared): State<Shared>,
    trace: Trace,
    Visited(visit): Visited,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(asked): Object<AcceptRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let name = asked.name.as_deref();
    if let Ok(looked) = shared.people.look(&asked.token).await {
        trace.before(&PersonView::from(looked.person));
    }
    let signed_in = shared
        .people
        .accept(&asked.token, name, &asked.password, &visit)
        .await;
    let signed_in = signed_in.map_err(|error| refused(&trace, error))?;
    shared.watch.look();
    welcome(&shared, &trace, signed_in).await
}
