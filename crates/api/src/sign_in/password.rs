//! Signing in with address and password, and which ways there are.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::id::AppId;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;

use super::{Visited, Welcome, refused, welcome};
use crate::answer;
use crate::audit::Trace;
use crate::body::{self, Object};
use crate::openapi::{errors, problems};
use crate::params::{Params, uuid};
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::Shared;

/// The ways to sign in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Options {
    /// True while nobody has set this server up: the console shows the link.
    set_up_needed: bool,
    /// True when people sign in with a password.
    password: bool,
    /// The identity provider, where there is one.
    oidc: Option<Provider>,
}

/// An identity provider to sign in at.
#[derive(Serialize, ToSchema)]
pub(crate) struct Provider {
    /// What the button says.
    #[schema(example = "Keycloak")]
    name: String,
    /// Where the browser goes.
    #[schema(example = "/sign-in/oidc")]
    url: &'static str,
}

/// Address and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInRequest {
    /// The person's address.
    #[schema(example = "jan@example.nl")]
    email: String,
    /// Their password.
    #[schema(example = "vier woorden op een rij")]
    password: String,
    /// The app, for those who are in several.
    #[serde(default)]
    app_id: Option<String>,
}

/// The refusal, with the status it has here.
struct Unauthorized;

impl utoipa::IntoResponses for Unauthorized {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let described = problems(&[&[Code::SignInRefused]]).into_values();
        described.map(|one| ("401".to_owned(), one)).collect()
    }
}

errors!(OptionErrors: [InvalidParameter, StoreUnavailable, TimedOut, InternalError]);
errors!(SignInErrors: [
    InvalidParameter, InvalidBody, InvalidField, BodyTooLarge, BodyTooSlow,
    UnsupportedContentType, CrossSiteRequest, AppInactive, PasswordsOff, AppChoiceNeeded,
    SignInThrottled, RateLimited, StoreUnavailable, TimedOut, InternalError,
]);

/// List the ways to sign in
#[utoipa::path(
    get, path = "/api/sign-in/options", tag = "Session", operation_id = "list_sign_in_options",
    responses((status = 200, description = "The ways.", body = One<Options>), OptionErrors),
    security(()),
)]
pub(crate) async fn options(State(shared): State<Shared>, uri: Uri) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let provider = shared.people.oidc().map(|(_, rules)| Provider {
        name: rules.name.clone(),
        url: "/sign-in/oidc",
    });
    let options = Options {
        set_up_needed: shared.people.set_up_needed().await?,
        password: shared.people.takes_passwords(),
        oidc: provider,
    };
    answer::one(StatusCode::OK, &options)
}

/// Sign in with a password
///
/// Sets the session's cookie. Whoever is in several apps with the same password is told which
/// (409) and sends `app_id` with the next try. An unknown address, a wrong password and an account
/// that may not sign in are one answer.
#[utoipa::path(
    post, path = "/api/sign-in", tag = "Session", operation_id = "sign_in_with_password",
    request_body = SignInRequest,
    responses(
        (status = 200, description = "Signed in.", body = One<Welcome>,
            headers(("set-cookie" = String, description = "The session."))),
        Unauthorized,
        SignInErrors,
    ),
    security(()),
)]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    trace: Trace,
    Visited(visit): Visited,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let Object(asked): Object<SignInRequest> =
        body::json(&headers, body, shared.config.max_json).await?;
    let app = asked.app_id.as_deref().map(|text| {
        let problem = "must be the id of an app, as the refusal before named it";
        let id = uuid(text).ok_or_else(|| Problem::field("app_id", problem));
        id.map(AppId)
    });
    let signed_in = shared
        .people
        .sign_in(&asked.email, &asked.password, app.transpose()?, &visit)
        .await;
    let signed_in = signed_in.map_err(|error| refused(&trace, error))?;
    welcome(&shared, &trace, signed_in).await
}
