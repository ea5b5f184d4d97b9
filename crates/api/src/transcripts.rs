//! What was said in a call, where the platform wrote it down.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::id::CallId;
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::openapi::errors;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::One;
use crate::state::Shared;

/// What was said in a call.
#[derive(Serialize, ToSchema)]
pub(crate) struct Transcript {
    /// The call.
    call_id: CallId,
    /// What was said, as the platform wrote it down.
    text: String,
}

/// What of the record is wanted.
#[derive(Deserialize)]
struct Record {
    transcript: Option<String>,
}

errors!(GetErrors: CALLER [InvalidId, CallNotFound, TranscriptNotFound]);

/// Get the transcript of a call
#[utoipa::path(
    get, path = "/api/calls/{id}/transcript", tag = "Calls", operation_id = "get_transcript",
    params(("id" = String, Path, description = "Our id of the call.")),
    responses((status = 200, description = "The transcript.", body = One<Transcript>), GetErrors),
    security(("key" = ["media:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::MediaRead)?;
    Params::none(&uri)?;
    let call_id = CallId(path_id(&id, "call")?);
    let Some(record) = shared.store.call(caller.app(), call_id).await? else {
        let detail =
            "Call not found. Take the id from the list; calls of other apps are not shown.";
        return Err(Problem::new(Code::CallNotFound, detail));
    };
    let record: Record = serde_json::from_str(&record).map_err(|error| {
        tracing::error!(%error, call.id = %call_id, "a stored call cannot be read");
        Problem::internal()
    })?;
    let Some(text) = record.transcript else {
        let detail = "This call has no transcript. Platforms write one some time after the end of \
                      a call, if at all.";
        return Err(Problem::new(Code::TranscriptNotFound, detail));
    };
    trace.shows("transcript of call", call_id);
    answer::one(StatusCode::OK, &Transcript { call_id, text })
}
