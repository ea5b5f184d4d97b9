//! Recordings: list, one. Only reading; what is known of them comes from the platforms. Never
//! audio.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::{CallId, ConnectionId, RecordingId};
use switchhook_domain::media::RecordingState;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{RecordingQuery, StoredRecording};
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::Shared;

/// A recording of a call: where the platform keeps it, not the audio itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Recording)]
pub(crate) struct RecordingRecord {
    /// Our id.
    id: RecordingId,
    /// The call.
    call_id: CallId,
    /// The connection it came through.
    connection_id: ConnectionId,
    /// The platform.
    platform: String,
    /// The platform's id, or the link where it has none.
    external_id: String,
    /// Where the platform keeps it; fetching it needs the platform's own rights.
    url: Option<String>,
    /// Whether it can be fetched.
    state: RecordingState,
    /// When the link stops working, as far as the platform said.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// When recording began.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<String>,
    /// Length in whole seconds.
    duration_seconds: Option<i64>,
    /// When we first heard of it.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When the above last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
    /// When the platform last answered a question of ours about it.
    #[schema(value_type = Option<String>, format = DateTime)]
    checked_at: Option<String>,
}

impl From<StoredRecording> for RecordingRecord {
    fn from(stored: StoredRecording) -> Self {
        let record = stored.record;
        Self {
            id: record.id,
            call_id: record.call_id,
            connection_id: record.connection_id,
            platform: record.platform,
            external_id: record.external_id,
            url: record.known.url,
            state: record.state,
            expires_at: record.expires_at.map(answer::time),
            started_at: record.known.started_at.map(answer::time),
            duration_seconds: record.known.duration_ms.map(|ms| (ms + 500) / 1000),
            created_at: answer::time(stored.created_at),
            updated_at: answer::time(stored.updated_at),
            checked_at: stored.checked_at.map(answer::time),
        }
    }
}

errors!(ListErrors: CALLER [InvalidCursor]);
errors!(GetErrors: CALLER [InvalidId, RecordingNotFound]);

/// List recordings
///
/// Newest first. All conditions must hold.
#[utoipa::path(
    get, path = "/api/recordings", tag = "Recordings", operation_id = "list_recordings",
    params(
        ("call_id" = Option<String>, Query, description = "Of this call."),
        ("state" = Option<String>, Query,
            description = "Any of these, repeated or separated by commas: `pending`, \
                `available`, `expired`, `gone`.",
            example = "available"),
        ("since" = Option<String>, Query,
            description = "Begun at or after: RFC 3339, or epoch seconds.",
            example = "2026-11-22T00:00:00Z"),
        ("until" = Option<String>, Query, description = "Begun before.",
            example = "2026-11-23T00:00:00Z"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000. Prefer `cursor`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of recordings.", body = Page<RecordingRecord>),
        ListErrors,
    ),
    security(("key" = ["media:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::MediaRead)?;
    let known = [
        "call_id", "state", "since", "until", "limit", "offset", "cursor",
    ];
    let params = Params::read(&uri, &known)?;
    let paging = Paging::read(&params)?;
    let allowed = "pending, available, expired, gone";
    let query = RecordingQuery {
        call_id: params.id("call_id")?.map(CallId),
        states: params.each("state", RecordingState::from_name, allowed)?,
        since: params.time("since")?,
        until: params.time("until")?,
        limit: paging.limit,
        offset: paging.offset,
        after: paging.media_after(),
    };
    let page = shared.store.recordings(caller.app(), &query).await?;
    let records: Vec<_> = page.items.into_iter().map(RecordingRecord::from).collect();
    for record in records.iter().filter(|record| record.url.is_some()) {
        trace.shows("recording", record.id);
    }
    answer::list(&records, &paging.describe_media(page.total, page.next))
}

/// Get one recording
#[utoipa::path(
    get, path = "/api/recordings/{id}", tag = "Recordings", operation_id = "get_recording",
    params(("id" = String, Path, description = "Our id of the recording.")),
    responses(
        (status = 200, description = "The recording.", body = One<RecordingRecord>),
        GetErrors,
    ),
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
    let id = RecordingId(path_id(&id, "recording")?);
    let Some(found) = shared.store.recording(caller.app(), id).await? else {
        let detail = "Recording not found. Take the id from the list.";
        return Err(Problem::new(Code::RecordingNotFound, detail));
    };
    let record = RecordingRecord::from(found);
    if record.url.is_some() {
        trace.shows("recording", record.id);
    }
    answer::one(StatusCode::OK, &record)
}
