//! Operators: mapping files, platforms that need no code of ours.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use switchhook_engine::adapter::Capability;
use switchhook_engine::mappings::{self, MAX_MAPPING, MappingError};
use switchhook_engine::store::Store;
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Operator;
use crate::body;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::Shared;

/// The content types a mapping file may be sent as.
const KINDS: [&str; 4] = [
    "",
    "application/toml",
    "text/plain",
    "application/octet-stream",
];

/// A mapping that is in use.
#[derive(Serialize, ToSchema)]
pub(crate) struct MappingView {
    /// The platform's name.
    #[schema(example = "acme")]
    platform: &'static str,
    /// The name people read.
    title: &'static str,
    /// What it can do.
    #[schema(value_type = Vec<String>)]
    capabilities: &'static [Capability],
}

errors!(GetErrors: OPERATOR [MappingNotFound]);
errors!(PutErrors: OPERATOR [
    MappingInvalid, PlatformTaken, UnsupportedContentType, BodyTooLarge, BodyTooSlow,
]);
errors!(DeleteErrors: OPERATOR [MappingNotFound, PlatformTaken, PlatformInUse]);

/// Get a mapping file
///
/// As it was put.
#[utoipa::path(
    get, path = "/internal/platforms/{platform}/mapping", tag = "Operators: connections",
    operation_id = "get_mapping",
    params(("platform" = String, Path, description = "The platform.")),
    responses(
        (status = 200, description = "The file.", body = String,
            content_type = "application/toml"),
        GetErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    _: Operator,
    Path(platform): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let stored = mappings::get(&*shared.store, &platform).await?;
    let stored = stored.ok_or_else(not_found)?;
    let response = Response::builder().header(header::CONTENT_TYPE, "application/toml");
    let response = response.body(Body::from(stored.text));
    response.map_err(|_| Problem::internal())
}

/// Put a mapping file
///
/// Makes a platform of it, or replaces the one it was. Connections of the platform go on with
/// the new file; other nodes follow within seconds. A file with faults changes nothing, and all
/// its faults are told at once.
#[utoipa::path(
    put, path = "/internal/platforms/{platform}/mapping", tag = "Operators: connections",
    operation_id = "put_mapping",
    params(("platform" = String, Path, description = "The name in the file.")),
    request_body(content((String = "text/plain"), (String = "application/toml")),
        description = "The file, at most 64 KiB."),
    responses((status = 200, description = "It is in use.", body = One<MappingView>), PutErrors),
    security(("operator" = [])),
)]
pub(crate) async fn put(
    State(shared): State<Shared>,
    _: Operator,
    Path(platform): Path<String>,
    parts: Parts,
    body: Body,
) -> Result<Response, Problem> {
    Params::none(&parts.uri)?;
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let kind = kind
        .map_or(Some(""), |kind| kind.to_str().ok())
        .unwrap_or("?");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        let detail = "The mapping must be sent as application/toml or text/plain.";
        return Err(Problem::new(Code::UnsupportedContentType, detail));
    }
    let bytes = body::read(body, MAX_MAPPING).await?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let detail = "The mapping file must be text in UTF-8.";
        return Err(Problem::new(Code::MappingInvalid, detail).with("faults", json!([])));
    };
    let (store, platforms) = (&*shared.store, shared.connections.platforms());
    note_before(&Trace::of(&parts), store, &platform).await?;
    let now = shared.clock.now();
    let adapter = mappings::put(store, platforms, &platform, text, now)
        .await
        .map_err(refused)?;
    shared.connections.refresh().await?;
    shared.links.reconcile();
    let spec = adapter.spec();
    let view = MappingView {
        platform: spec.platform,
        title: spec.title,
        capabilities: spec.capabilities,
    };
    answer::one(StatusCode::OK, &view)
}

/// Delete a mapping file
///
/// Refused while connections use the platform.
#[utoipa::path(
    delete, path = "/internal/platforms/{platform}/mapping", tag = "Operators: connections",
    operation_id = "delete_mapping",
    params(("platform" = String, Path, description = "The platform.")),
    responses((status = 204, description = "It is gone."), DeleteErrors),
    security(("operator" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path(platform): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    Params::none(&uri)?;
    note_before(&trace, &*shared.store, &platform).await?;
    let platforms = shared.connections.platforms();
    let deleted = mappings::delete(&*shared.store, platforms, &platform).await;
    deleted.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes the file as it was.
async fn note_before(trace: &Trace, store: &dyn Store, platform: &str) -> Result<(), Problem> {
    if let Some(stored) = mappings::get(store, platform).await? {
        trace.before(&json!({ "mapping": stored.text }));
    }
    Ok(())
}

fn not_found() -> Problem {
    let detail = "No mapping file of this name is stored. GET /internal/platforms lists the \
                  platforms.";
    Problem::new(Code::MappingNotFound, detail)
}

fn refused(error: MappingError) -> Problem {
    match error {
        MappingError::Faulty(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            let detail = format!(
                "The mapping file has {} faults; the first: {first}",
                faults.len()
            );
            let problem = Problem::new(Code::MappingInvalid, detail);
            problem.with("faults", json!(faults))
        }
        MappingError::Taken(what) => Problem::new(Code::PlatformTaken, what),
        MappingError::InUse(count) => {
            let detail = format!("{count} connections use this platform. Delete them first.");
            Problem::new(Code::PlatformInUse, detail)
        }
        MappingError::NotFound => not_found(),
        MappingError::Store(error) => error.into(),
    }
}
