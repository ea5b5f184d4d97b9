//! The doctor of a connection, for the app and for operators, and the predecessor's question
//! whether the connection works.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use futures_util::future::try_join_all;
use serde::Serialize;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::diagnosis::Diagnosis;
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use crate::answer;
use crate::auth::{Caller, Operator};
use crate::connections;
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::Shared;

/// What the doctor found.
#[derive(Serialize, ToSchema)]
#[schema(as = Diagnosis)]
pub(crate) struct DiagnosisView {
    /// True when nothing is wrong.
    ok: bool,
    /// One sentence: what is wrong and what to do, or that all is well.
    #[schema(example = "Dialpad does not accept the API key: make a new one.")]
    summary: String,
    /// Everything that was looked at, in order.
    checks: Vec<CheckView>,
}

/// One thing the doctor looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = Check)]
pub(crate) struct CheckView {
    /// What it was.
    #[schema(example = "sign-in")]
    name: String,
    /// True when it is as it should be.
    ok: bool,
    /// One sentence.
    detail: String,
}

/// Whether the app's connection works.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionTest {
    /// True when nothing is wrong.
    ok: bool,
    /// The platform; empty when there is no connection.
    #[schema(example = "dialpad")]
    platform: String,
    /// One sentence.
    message: String,
}

impl From<Diagnosis> for DiagnosisView {
    fn from(found: Diagnosis) -> Self {
        let checks = found.checks.into_iter().map(|check| CheckView {
            name: check.name,
            ok: check.ok,
            detail: check.detail,
        });
        Self {
            ok: found.ok,
            summary: found.summary,
            checks: checks.collect(),
        }
    }
}

errors!(OwnErrors: CALLER [InvalidId, ConnectionNotFound]);
errors!(OperatorErrors: OPERATOR [InvalidId, AppNotFound, ConnectionNotFound]);
errors!(TestErrors: CALLER []);

/// Diagnose a connection
///
/// Looks at everything a connection needs and really asks the platform. The first thing that is
/// wrong is the summary.
#[utoipa::path(
    get, path = "/api/connections/{connection_id}/diagnosis", tag = "Connections",
    operation_id = "diagnose_own_connection",
    params(("connection_id" = String, Path, description = "The connection.")),
    responses(
        (status = 200, description = "What was found.", body = One<DiagnosisView>),
        OwnErrors,
    ),
    security(("key" = ["settings:read"]), ("session" = [])),
)]
pub(crate) async fn own(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsRead)?;
    Params::none(&uri)?;
    let id = ConnectionId(path_id(&id, "connection")?);
    look(&shared, caller.app(), id).await
}

/// Diagnose a connection, as operator
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/connections/{connection_id}/diagnosis",
    tag = "Operators: connections", operation_id = "diagnose_connection",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("connection_id" = String, Path, description = "The connection."),
    ),
    responses(
        (status = 200, description = "What was found.", body = One<DiagnosisView>),
        OperatorErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn operator(
    State(shared): State<Shared>,
    _: Operator,
    Path((app_id, connection_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let row = connections::find(&shared, &app_id, &connection_id).await?;
    look(&shared, row.app_id, row.id).await
}

async fn look(shared: &Shared, app: AppId, id: ConnectionId) -> Result<Response, Problem> {
    if shared.connections.get(id).is_none() {
        // Another node may just have made it.
        shared.connections.refresh().await?;
    }
    let connection = shared.connections.get(id).filter(|c| c.app.id == app);
    let connection = connection.ok_or_else(|| {
        let detail = "Connection not found. Take the id from the list of this app's connections.";
        Problem::new(Code::ConnectionNotFound, detail)
    })?;
    let found = shared.doctor.look(&connection).await?;
    answer::one(StatusCode::OK, &DiagnosisView::from(found))
}

/// Test the connection
///
/// The predecessor's question, with its answer: all connections of the app are looked at, the
/// first that does not work is told.
#[utoipa::path(
    get, path = "/api/cti/test-connection", tag = "Connections",
    operation_id = "test_connection",
    responses((status = 200, description = "Whether it works.", body = ConnectionTest), TestErrors),
    security(("key" = ["settings:read"]), ("session" = [])),
)]
pub(crate) async fn test(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::SettingsRead)?;
    Params::none(&uri)?;
    let mut connections: Vec<ReadyConnection> = shared.connections.all();
    connections.retain(|connection| connection.app.id == caller.app());
    connections.sort_by_key(|connection| connection.row.id);
    let looks = connections
        .iter()
        .map(|connection| shared.doctor.look(connection));
    let found = try_join_all(looks).await?;
    let mut seen: Vec<_> = connections.iter().zip(found).collect();
    seen.sort_by_key(|(_, found)| found.ok);
    let test = match seen.into_iter().next() {
        None => ConnectionTest {
            ok: false,
            platform: String::new(),
            message: "No CTI platform configured.".to_owned(),
        },
        Some((connection, found)) => ConnectionTest {
            ok: found.ok,
            platform: connection.row.platform.clone(),
            message: found.summary,
        },
    };
    answer::plain(StatusCode::OK, &test)
}
