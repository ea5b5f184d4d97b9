//! Voicemails: list, one, delete. What is known of them, never the audio.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::call::AgentView;
use switchhook_domain::id::{AppId, CallId, ConnectionId, VoicemailId};
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{StoredVoicemail, VoicemailQuery};
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

/// The names of the one who was called; all mean the same.
const AGENT: [&str; 4] = ["agent", "user", "user_id", "dialpad_user_id"];
/// What the list understands.
pub(crate) const KNOWN: [&str; 9] = [
    "agent",
    "user",
    "user_id",
    "dialpad_user_id",
    "since",
    "until",
    "limit",
    "offset",
    "cursor",
];

/// A voicemail: who left it, what was said, where the platform keeps it.
#[derive(Serialize, ToSchema)]
#[schema(as = Voicemail)]
pub(crate) struct VoicemailRecord {
    /// Our id.
    id: VoicemailId,
    /// Whose.
    app_id: AppId,
    /// The call.
    call_id: CallId,
    /// The connection it came through.
    connection_id: ConnectionId,
    /// The platform.
    platform: String,
    /// The platform's id.
    external_id: String,
    /// Dialpad's id of the call, for Dialpad calls.
    dialpad_call_id: Option<String>,
    /// Dialpad's id of the one who was called, for Dialpad calls.
    dialpad_user_id: Option<String>,
    /// Who was called.
    agent: Option<AgentView>,
    /// Who left it; null when withheld.
    from_number: Option<String>,
    /// The number they had called.
    to_number: Option<String>,
    /// Where the platform keeps the audio; fetching it needs the platform's own rights.
    url: Option<String>,
    /// The same, by the name the predecessor used.
    recording_url: Option<String>,
    /// What was said, where the platform wrote it down.
    transcript: Option<String>,
    /// Length in whole seconds.
    duration_seconds: Option<i64>,
    /// When it was left.
    #[schema(value_type = Option<String>, format = DateTime)]
    left_at: Option<String>,
    /// When we first heard of it.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: String,
}

impl From<StoredVoicemail> for VoicemailRecord {
    fn from(stored: StoredVoicemail) -> Self {
        let record = stored.record;
        let dialpad = record.platform == "dialpad";
        let user = record.agent.as_ref().and_then(|a| a.user_id.clone());
        Self {
            id: record.id,
            app_id: stored.app_id,
            call_id: record.call_id,
            connection_id: record.connection_id,
            dialpad_call_id: dialpad.then_some(record.external_call_id),
            dialpad_user_id: user.filter(|_| dialpad),
            platform: record.platform,
            external_id: record.external_id,
            agent: record.agent,
            from_number: record.from_number,
            to_number: record.to_number,
            recording_url: record.url.clone(),
            url: record.url,
            transcript: record.transcript,
            duration_seconds: record.duration_seconds,
            left_at: record.left_at.map(answer::time),
            created_at: answer::time(stored.created_at),
            updated_at: answer::time(stored.updated_at),
        }
    }
}

impl VoicemailRecord {
    /// True when it leads to what was said.
    fn can_be_heard(&self) -> bool {
        self.url.is_some() || self.transcript.is_some()
    }
}

errors!(ListErrors: CALLER [InvalidCursor]);
errors!(GetErrors: CALLER [InvalidId, VoicemailNotFound]);
errors!(DeleteErrors: CALLER [InvalidId, VoicemailNotFound, CrossSiteRequest]);

/// List voicemails
///
/// Newest first. All conditions must hold.
#[utoipa::path(
    get, path = "/api/voicemails", tag = "Voicemails", operation_id = "list_voicemails",
    params(
        ("agent" = Option<String>, Query,
            description = "Extension or platform user id of the one who was called. Also `user`, \
                `user_id`, `dialpad_user_id`.",
            example = "100"),
        ("since" = Option<String>, Query,
            description = "Left at or after: RFC 3339, or epoch seconds.",
            example = "2026-11-22T00:00:00Z"),
        ("until" = Option<String>, Query, description = "Left before.",
            example = "2026-11-23T00:00:00Z"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000. Prefer `cursor`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of voicemails.", body = Page<VoicemailRecord>),
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
    let params = Params::read(&uri, &KNOWN)?;
    let paging = Paging::read(&params)?;
    let query = query(&params, paging)?;
    let page = shared.store.voicemails(caller.app(), &query).await?;
    let records: Vec<_> = page.items.into_iter().map(VoicemailRecord::from).collect();
    shown(&trace, &records);
    answer::list(&records, &paging.describe_media(page.total, page.next))
}

/// Notes on record which of these can be heard or read.
pub(crate) fn shown(trace: &Trace, records: &[VoicemailRecord]) {
    for record in records.iter().filter(|record| record.can_be_heard()) {
        trace.shows("voicemail", record.id);
    }
}

/// The conditions of a list.
pub(crate) fn query(params: &Params, paging: Paging) -> Result<VoicemailQuery, Problem> {
    Ok(VoicemailQuery {
        agent: params
            .first_of(&AGENT)?
            .map(|(_, agent)| agent.trim().to_owned()),
        since: params.time("since")?,
        until: params.time("until")?,
        limit: paging.limit,
        offset: paging.offset,
        after: paging.media_after(),
    })
}

/// Get one voicemail
#[utoipa::path(
    get, path = "/api/voicemails/{id}", tag = "Voicemails", operation_id = "get_voicemail",
    params(("id" = String, Path, description = "Our id of the voicemail.")),
    responses(
        (status = 200, description = "The voicemail.", body = One<VoicemailRecord>),
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
    let id = VoicemailId(path_id(&id, "voicemail")?);
    let Some(found) = shared.store.voicemail(caller.app(), id).await? else {
        let detail = "Voicemail not found. Take the id from the list.";
        return Err(Problem::new(Code::VoicemailNotFound, detail));
    };
    let record = VoicemailRecord::from(found);
    if record.can_be_heard() {
        trace.shows("voicemail", record.id);
    }
    answer::one(StatusCode::OK, &record)
}

/// Delete a voicemail
///
/// What is known of it here goes and does not come back; the audio at the platform and the call
/// stay.
#[utoipa::path(
    delete, path = "/api/voicemails/{id}", tag = "Voicemails", operation_id = "delete_voicemail",
    params(("id" = String, Path, description = "Our id of the voicemail.")),
    responses((status = 204, description = "It is gone."), DeleteErrors),
    security(("key" = ["media:write"]), ("session" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::MediaWrite)?;
    Params::none(&uri)?;
    let id = VoicemailId(path_id(&id, "voicemail")?);
    if let Some(found) = shared.store.voicemail(caller.app(), id).await? {
        trace.before(&VoicemailRecord::from(found));
    }
    shared.store.delete_voicemail(caller.app(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
