//! Operators: the voicemails of an app, at the predecessor's addresses. What a voicemail is, and
//! the app's own routes, are in [`crate::voicemails`].

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::id::{AppId, VoicemailId};
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Operator;
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::Shared;
use crate::voicemails::{KNOWN, VoicemailRecord, query, shown};

/// A voicemail that was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct VoicemailDeleted {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// For people.
    #[schema(example = "Voicemail deleted")]
    message: &'static str,
}

errors!(ListErrors: OPERATOR [InvalidId, InvalidCursor]);
errors!(OneErrors: OPERATOR [InvalidId, VoicemailNotFound]);

/// List the voicemails of an app
///
/// Newest first. An app that does not exist has none.
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/voicemails", tag = "Voicemails",
    operation_id = "list_voicemails_of_app",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("dialpad_user_id" = Option<String>, Query,
            description = "Extension or platform user id of the one who was called. Also \
                `agent`, `user`, `user_id`."),
        ("since" = Option<String>, Query, description = "Left at or after."),
        ("until" = Option<String>, Query, description = "Left before."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000. Prefer `cursor`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of voicemails.", body = Page<VoicemailRecord>),
        ListErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let app = AppId(path_id(&app_id, "app")?);
    let params = Params::read(&uri, &KNOWN)?;
    let paging = Paging::read(&params)?;
    let page = shared
        .store
        .voicemails(app, &query(&params, paging)?)
        .await?;
    let records: Vec<_> = page.items.into_iter().map(VoicemailRecord::from).collect();
    shown(&trace, &records);
    trace.about(app);
    answer::list(&records, &paging.describe_media(page.total, page.next))
}

/// Get one voicemail of an app
#[utoipa::path(
    get, path = "/internal/apps/{app_id}/voicemails/{id}", tag = "Voicemails",
    operation_id = "get_voicemail_of_app",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("id" = String, Path, description = "Our id of the voicemail."),
    ),
    responses(
        (status = 200, description = "The voicemail.", body = One<VoicemailRecord>),
        OneErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    _: Operator,
    trace: Trace,
    Path((app_id, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = AppId(path_id(&app_id, "app")?);
    let id = VoicemailId(path_id(&id, "voicemail")?);
    let Some(found) = shared.store.voicemail(app, id).await? else {
        let detail = "Voicemail not found. Take the id from the list.";
        return Err(Problem::new(Code::VoicemailNotFound, detail));
    };
    let record = VoicemailRecord::from(found);
    shown(&trace, std::slice::from_ref(&record));
    trace.about(app);
    answer::one(StatusCode::OK, &record)
}

/// Delete a voicemail of an app
///
/// What is known of it here goes and does not come back; the audio at the platform and the call
/// stay.
#[utoipa::path(
    delete, path = "/internal/apps/{app_id}/voicemails/{id}", tag = "Voicemails",
    operation_id = "delete_voicemail_of_app",
    params(
        ("app_id" = String, Path, description = "The app."),
        ("id" = String, Path, description = "Our id of the voicemail."),
    ),
    responses((status = 200, description = "It is gone.", body = VoicemailDeleted), OneErrors),
    security(("operator" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    (_, trace): (Operator, Trace),
    Path((app_id, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::none(&uri)?;
    let app = AppId(path_id(&app_id, "app")?);
    let id = VoicemailId(path_id(&id, "voicemail")?);
    if let Some(found) = shared.store.voicemail(app, id).await? {
        trace.before(&VoicemailRecord::from(found));
    }
    shared.store.delete_voicemail(app, id).await?;
    let deleted = VoicemailDeleted {
        success: true,
        message: "Voicemail deleted",
    };
    answer::plain(StatusCode::OK, &deleted)
}
