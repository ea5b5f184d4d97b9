//! The disposition of a call, and a recording somebody tells of, at the predecessor's addresses.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{CallId, TaskId};
use switchhook_domain::signal::Direction;
use switchhook_domain::time::parse_lenient;
use switchhook_engine::moments::{Correction, Disposed, Disposition, Found, MomentFault};
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;

use super::{given, in_their_form, moment_id, required};
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::author::writer;
use crate::body::{self, Object};
use crate::moments::{TaskRequest, was};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::state::Shared;

/// A disposition. Members that are not known are passed over, as ever.
#[derive(Deserialize, ToSchema)]
#[schema(as = InheritedDisposition)]
pub(crate) struct DispositionForm {
    /// What it was about.
    #[serde(default)]
    #[schema(required = true, nullable = false, max_length = 255)]
    subject: Option<String>,
    /// The code of an outcome.
    #[serde(default)]
    #[schema(required = true, nullable = false, example = "callback")]
    outcome: Option<String>,
    /// Free text.
    #[serde(default)]
    #[schema(max_length = 10000)]
    notes: Option<String>,
    /// What is asked of the task, as for our own route.
    #[serde(default)]
    task: Option<TaskRequest>,
}

/// What came of it, with the members of all of the predecessor's lines.
#[derive(Serialize, ToSchema)]
#[schema(as = InheritedDisposed)]
pub(crate) struct DisposedForm {
    /// The outcome.
    #[schema(example = "callback")]
    outcome: String,
    /// The contact moment: the id of the call.
    #[serde(rename = "contactmomentId")]
    contactmoment_id: CallId,
    /// The same, by its other name.
    #[serde(rename = "interactionId")]
    interaction_id: CallId,
    /// The task that is left.
    #[serde(rename = "taskId")]
    task_id: Option<TaskId>,
    /// The record itself.
    contactmoment: ContactmomentForm,
}

/// A contact moment in the predecessor's words.
#[derive(Serialize, ToSchema)]
#[schema(as = InheritedContactMoment)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactmomentForm {
    id: CallId,
    /// Always `telephony`.
    #[schema(example = "telephony")]
    channel: &'static str,
    telephony_platform: String,
    external_call_id: String,
    direction: Option<Direction>,
    from_number: Option<String>,
    to_number: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    duration_seconds: Option<i64>,
    queue_name: Option<String>,
    call_status: &'static str,
    disposition_subject: Option<String>,
    disposition_outcome: Option<String>,
    disposition_notes: Option<String>,
    recording_url: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    recording_retention_expires_at: Option<Timestamp>,
}

impl From<Found> for ContactmomentForm {
    fn from(found: Found) -> Self {
        let (call, moment) = (found.call, found.moment);
        let url = call.recording_url.as_deref();
        let mut recordings = call.recordings.iter();
        let recording = recordings.find(|one| one.url.as_deref() == url);
        Self {
            id: moment.id,
            channel: "telephony",
            recording_retention_expires_at: recording.and_then(|one| one.expires_at),
            telephony_platform: call.platform,
            external_call_id: call.external_call_id,
            direction: call.direction,
            from_number: call.from_number,
            to_number: call.to_number,
            started_at: call.started_at,
            answered_at: call.answered_at,
            ended_at: call.ended_at,
            duration_seconds: call.duration_seconds,
            queue_name: call.queue,
            call_status: moment.status.as_str(),
            disposition_subject: moment.subject,
            disposition_outcome: moment.outcome,
            disposition_notes: moment.notes,
            recording_url: call.recording_url,
        }
    }
}

/// A recording somebody tells of.
#[derive(Deserialize, ToSchema)]
#[schema(as = InheritedRecording)]
pub(crate) struct RecordingForm {
    /// Where it is: http or https.
    #[serde(default, rename = "recordingUrl")]
    #[schema(
        required = true,
        nullable = false,
        example = "https://recordings.example/r/1"
    )]
    recording_url: Option<String>,
    /// Until when the address works.
    #[serde(default, rename = "expiresAt")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// It was done.
#[derive(Serialize, ToSchema)]
#[schema(as = InheritedDone)]
pub(crate) struct Done {
    /// Always true.
    #[schema(example = true)]
    ok: bool,
}

errors!(WriteErrors: CALLER CHANGE [CallNotFound, Conflict]);

/// Give the disposition, inherited address
///
/// As the predecessor's clients do; new clients use
/// `POST /api/contact-moments/{id}/disposition`. Sent twice it makes no second task; another one
/// corrects the first.
#[utoipa::path(
    post, path = "/api/cti/contactmoment/{id}/disposition", tag = "Contact moments",
    operation_id = "give_disposition_inherited",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = DispositionForm, example = json!({
        "subject": "Question about an invoice", "outcome": "callback", "notes": "After five"
    })),
    responses((status = 200, description = "What came of it.", body = DisposedForm), WriteErrors),
    security(("key" = ["moments:write"]), ("session" = [])),
)]
pub(crate) async fn dispose(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::MomentsWrite)?;
    Params::none(&uri)?;
    let id = moment_id(&id)?;
    let form = body::json(&headers, body, shared.config.max_json).await;
    let Object(form): Object<DispositionForm> = form.map_err(in_their_form)?;
    let by = writer(&shared, &caller).await?;
    was(&shared, &caller, &trace, id)
        .await
        .map_err(in_their_form)?;
    let missing = |field| in_their_form(required(field, "subject and outcome are required"));
    let disposition = Disposition {
        subject: given(form.subject).ok_or_else(|| missing("subject"))?,
        outcome: given(form.outcome).ok_or_else(|| missing("outcome"))?,
        notes: form.notes,
        task: form.task.map(Into::into),
        seen: None,
        correction: Correction::Always,
    };
    let app = &caller.access.app;
    let disposed = shared.moments.complete(app, id, &by, disposition).await;
    let Disposed { found, task } = disposed.map_err(refused)?;
    let disposed = DisposedForm {
        outcome: found.moment.outcome.clone().unwrap_or_default(),
        contactmoment_id: found.moment.id,
        interaction_id: found.moment.id,
        task_id: task.map(|task| task.id),
        contactmoment: found.into(),
    };
    answer::plain(StatusCode::OK, &disposed)
}

fn refused(fault: MomentFault) -> Problem {
    if let MomentFault::UnknownOutcome(code) = &fault {
        let text = format!("Unknown disposition outcome: {code}");
        return in_their_form(Problem::new(Code::InvalidField, text).at("outcome"));
    }
    in_their_form(fault.into())
}

/// Tell where a recording is, inherited address
///
/// For platforms that do not tell themselves. The recording becomes one of the call's.
#[utoipa::path(
    post, path = "/api/cti/contactmoment/{id}/recording", tag = "Contact moments",
    operation_id = "attach_recording_inherited",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = RecordingForm, example = json!({
        "recordingUrl": "https://recordings.example/r/1", "expiresAt": "2026-12-31T00:00:00Z"
    })),
    responses((status = 200, description = "It is one of the call's.", body = Done), WriteErrors),
    security(("key" = ["moments:write"]), ("session" = [])),
)]
pub(crate) async fn attach_recording(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::MomentsWrite)?;
    Params::none(&uri)?;
    let id = moment_id(&id)?;
    let form = body::json(&headers, body, shared.config.max_json).await;
    let Object(form): Object<RecordingForm> = form.map_err(in_their_form)?;
    let by = writer(&shared, &caller).await?;
    was(&shared, &caller, &trace, id)
        .await
        .map_err(in_their_form)?;
    let missing = || in_their_form(required("recordingUrl", "recordingUrl is required"));
    let url = given(form.recording_url).ok_or_else(missing)?;
    let expires_at = given(form.expires_at).map(|text| {
        parse_lenient(text.trim()).ok_or_else(|| {
            let problem = "must be a time such as 2026-12-31T00:00:00Z";
            in_their_form(Problem::field("expiresAt", problem))
        })
    });
    let (app, expires_at) = (&caller.access.app, expires_at.transpose()?);
    let attached = shared
        .moments
        .attach_recording(app, id, &by, (&url, expires_at));
    attached.await.map_err(refused)?;
    answer::plain(StatusCode::OK, &Done { ok: true })
}
