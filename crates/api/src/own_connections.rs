//! An app's own connections, as its page needs them: which there are, which place calls, and what
//! can be done to calls of each. Making and deleting them is the operators'
//! ([`crate::connections`]).

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::ConnectionId;
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use crate::answer;
use crate::auth::Caller;
use crate::control::{ActionView, views};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::schemas::All;
use crate::state::Shared;

/// A connection, as those who use it see it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnConnection {
    /// Its id.
    id: ConnectionId,
    /// The platform.
    #[schema(example = "asterisk")]
    platform: String,
    /// What people call it.
    name: String,
    /// True when calls can be placed through it now.
    places_calls: bool,
    /// Why not, one sentence.
    why_not: Option<String>,
    /// What can be done to its calls, whatever state they are in.
    actions: Vec<ActionView>,
}

errors!(ListErrors: CALLER []);

/// List own connections
///
/// By name: which connections the app has, whether calls can be placed through each, and what can
/// be done to its calls. What a call allows at the moment is at `GET /api/calls/{id}/actions`.
#[utoipa::path(
    get, path = "/api/connections", tag = "Calls", operation_id = "list_own_connections",
    responses(
        (status = 200, description = "The app's connections.", body = All<OwnConnection>),
        ListErrors,
    ),
    security(("key" = ["settings:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsRead)?;
    Params::none(&uri)?;
    let app = caller.app();
    let mut own = shared.connections.all();
    own.retain(|connection| connection.app.id == app);
    own.sort_by(|a, b| (&a.row.name, a.row.id).cmp(&(&b.row.name, b.row.id)));
    let own = own.into_iter().map(|connection| {
        let refusal = shared.controls.places_calls(&connection).err();
        let problem = refusal.map(Problem::from);
        OwnConnection {
            id: connection.row.id,
            platform: connection.row.platform.clone(),
            name: connection.row.name.clone(),
            places_calls: problem.is_none(),
            why_not: problem.map(|problem| problem.detail().to_owned()),
            actions: views(shared.controls.abilities(&connection)),
        }
    });
    answer::one(StatusCode::OK, &own.collect::<Vec<_>>())
}
