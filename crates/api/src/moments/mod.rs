//! Contact moments: what people say of calls. Reading them, writing drafts and dispositions, and
//! saying who the caller is. What is decided is decided in the engine; here are the routes.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::de::DeserializeOwned;
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, CallId, ContactId};
use switchhook_domain::moment::MomentStatus;
use switchhook_engine::moments::Found;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::CallQuery;

use crate::agents::own_agent;
use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::author::writer;
use crate::body::{self, Object};
use crate::calls::{SINCE, UNTIL};
use crate::openapi::errors;
use crate::paging::{Pagination, Paging, write_cursor};
use crate::params::{Params, path_id};
use crate::problem::Problem;
use crate::schemas::{One, Page};
use crate::state::{Inner, Shared};

mod body_of;

use body_of::{
    CallerRequest, ContactChoice, DisposedMoment, DispositionRequest, MomentDetail, MomentDraft,
    WrapUpRequest,
};
pub(crate) use body_of::{MomentRecord, TaskRequest, not_found};

/// What the list understands besides the names of its times.
const KNOWN: [&str; 8] = [
    "status",
    "mine",
    "agent_id",
    "outcome",
    "contact_id",
    "limit",
    "offset",
    "cursor",
];

errors!(ListErrors: CALLER [InvalidCursor]);
errors!(GetErrors: CALLER [InvalidId, CallNotFound]);
errors!(WriteErrors: CALLER CHANGE [InvalidId, CallNotFound, Conflict]);
errors!(ContactErrors: CALLER CHANGE [InvalidId, CallNotFound, ContactNotFound, Conflict]);

/// List contact moments
///
/// Newest call first. All conditions must hold. What waits for its disposition is
/// `status=disposition-pending`. Calls from before there were contact moments are shown as
/// completed with version 0, when no status is asked for.
#[utoipa::path(
    get, path = "/api/contact-moments", tag = "Contact moments",
    operation_id = "list_contact_moments",
    params(
        ("status" = Option<String>, Query, example = "disposition-pending",
            description = "`pending`, `disposition-pending` or `completed`."),
        ("mine" = Option<bool>, Query,
            description = "`true`: only those of the agent who asks; nobody else has any."),
        ("agent_id" = Option<String>, Query, description = "Of calls this agent took."),
        ("outcome" = Option<String>, Query, description = "With this outcome."),
        ("contact_id" = Option<String>, Query, description = "With this contact."),
        ("since" = Option<String>, Query,
            description = "The call started at or after: RFC 3339, epoch seconds, or a date (UTC). \
                Also `date_from`, `start_date`, `started_after`."),
        ("until" = Option<String>, Query,
            description = "The call started before; of a date the day is included. Also \
                `date_to`, `end_date`, `started_before`."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000. Prefer `cursor`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of contact moments.", body = Page<MomentRecord>),
        ListErrors,
    ),
    security(("key" = ["moments:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::MomentsRead)?;
    let params = Params::read(&uri, &[&KNOWN[..], &SINCE, &UNTIL].concat())?;
    let paging = Paging::read(&params)?;
    let Some(query) = query(&shared, &caller, &params, paging).await? else {
        let none: [MomentRecord; 0] = [];
        return answer::list(&none, &paging.describe(0, 0));
    };
    let page = shared.store.calls(caller.app(), &query).await?;
    let mut records = Vec::with_capacity(page.calls.len());
    for record in &page.calls {
        trace.shows_call(record.as_ref());
        let call: Call = serde_json::from_str(record).map_err(|error| {
            tracing::error!(%error, "a call record cannot be read");
            Problem::internal()
        })?;
        records.push(MomentRecord::from(call));
    }
    let pagination = Pagination {
        limit: query.limit,
        offset: query.offset,
        total: page.total,
        has_more: page.next.is_some(),
        next_cursor: page.next.map(write_cursor),
    };
    answer::list(&records, &pagination)
}

/// The conditions of the list; `None` when nothing can meet them.
async fn query(
    shared: &Inner,
    caller: &Caller,
    params: &Params,
    paging: Paging,
) -> Result<Option<CallQuery>, Problem> {
    let status = params.one("status")?.map(|word| {
        let mut all = MomentStatus::ALL.into_iter();
        all.find(|status| status.as_str() == word).ok_or_else(|| {
            let problem = "must be pending, disposition-pending or completed";
            Problem::parameter("status", problem)
        })
    });
    let mine = match params.one("mine")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::parameter("mine", "must be true or false")),
    };
    let mut agent_id = params.id("agent_id")?.map(AgentId);
    if mine && agent_id.is_some() {
        let problem = "cannot be given together with mine; use one of them";
        return Err(Problem::parameter("agent_id", problem));
    }
    let query = CallQuery {
        moment: status.transpose()?,
        outcome: params.one("outcome")?.map(|code| code.trim().to_owned()),
        contact_id: params.id("contact_id")?.map(ContactId),
        since: params.time_of(&SINCE, 0)?,
        until: params.time_of(&UNTIL, 1)?,
        limit: paging.limit,
        offset: paging.offset,
        after: paging.after,
        ..CallQuery::default()
    };
    if mine {
        agent_id = own_agent(shared, caller).await?.map(|agent| agent.id);
        if agent_id.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(CallQuery { agent_id, ..query }))
}

/// Get a contact moment
///
/// Its id is that of its call. Of a call that became part of another one: that one's.
#[utoipa::path(
    get, path = "/api/contact-moments/{id}", tag = "Contact moments",
    operation_id = "get_contact_moment",
    params(("id" = String, Path, description = "The id of the call.",
        example = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b")),
    responses(
        (status = 200, description = "The contact moment.", body = One<MomentDetail>),
        GetErrors,
    ),
    security(("key" = ["moments:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::MomentsRead)?;
    Params::none(&uri)?;
    let id = CallId(path_id(&id, "contact moment")?);
    let found = shared.moments.find(&caller.access.app, id).await?;
    let task = match found.moment.task_id {
        Some(id) => shared.store.task(caller.app(), id).await?,
        None => None,
    };
    let record = serde_json::to_vec(&found.call).unwrap_or_default();
    trace.shows_call(&record);
    let moment = found.into();
    answer::one(StatusCode::OK, &MomentDetail { moment, task })
}

/// Save a draft
///
/// Keeps what an agent is writing while the call lasts and after; nobody is told. A completed
/// contact moment takes no drafts: correct its disposition. Agents write on calls they took
/// themselves and on calls no agent took; supervisors, administrators and keys on all.
#[utoipa::path(
    patch, path = "/api/contact-moments/{id}", tag = "Contact moments",
    operation_id = "save_contact_moment_draft",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = MomentDraft, example = json!({ "notes": "Invoice 4711" })),
    responses(
        (status = 200, description = "The contact moment.", body = One<MomentRecord>),
        WriteErrors,
    ),
    security(("key" = ["moments:write"]), ("session" = [])),
)]
pub(crate) async fn draft(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = begin(&caller, &id, &uri)?;
    let draft: MomentDraft = read(&shared, &headers, body).await?;
    let (app, by) = (&caller.access.app, writer(&shared, &caller).await?);
    shown(shared.moments.draft(app, id, &by, draft.into()).await?)
}

/// Give the disposition
///
/// Completes the contact moment and, where the outcome asks for one, makes the follow-up task,
/// both or neither. Sent twice it is answered the same and makes no second task. A disposition
/// that was given is corrected by another one with the version you have seen; the task of the
/// first is closed when the second needs none and nobody has touched it, and stays otherwise.
#[utoipa::path(
    post, path = "/api/contact-moments/{id}/disposition", tag = "Contact moments",
    operation_id = "give_disposition",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = DispositionRequest, example = json!({
        "subject": "Question about an invoice", "outcome": "callback",
        "notes": "Wants to know why it is higher", "task": { "deadline": "2026-12-01T16:00:00Z" }
    })),
    responses(
        (status = 200, description = "The contact moment and its task.",
            body = One<DisposedMoment>),
        WriteErrors,
    ),
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
    let id = begin(&caller, &id, &uri)?;
    let given: DispositionRequest = read(&shared, &headers, body).await?;
    let app = &caller.access.app;
    let by = writer(&shared, &caller).await?;
    was(&shared, &caller, &trace, id).await?;
    let disposed = shared.moments.complete(app, id, &by, given.into()).await?;
    let disposed = DisposedMoment {
        contact_moment: disposed.found.into(),
        task: disposed.task,
    };
    answer::one(StatusCode::OK, &disposed)
}

/// Say who the caller is
///
/// Links a contact to the call, or none of the directory. What was chosen counts more than what
/// the directory finds. With `remember` the caller's number is added to the contact; no right to
/// change contacts is needed for that.
#[utoipa::path(
    put, path = "/api/contact-moments/{id}/contact", tag = "Contact moments",
    operation_id = "choose_contact",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = ContactChoice, example = json!({
        "contact_id": "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b", "remember": true
    })),
    responses(
        (status = 200, description = "The contact moment.", body = One<MomentRecord>),
        ContactErrors,
    ),
    security(("key" = ["moments:write"]), ("session" = [])),
)]
pub(crate) async fn choose(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = begin(&caller, &id, &uri)?;
    let choice: ContactChoice = read(&shared, &headers, body).await?;
    let app = &caller.access.app;
    let by = writer(&shared, &caller).await?;
    was(&shared, &caller, &trace, id).await?;
    let choice = (choice.contact_id, choice.remember);
    shown(shared.moments.choose(app, id, &by, choice).await?)
}

/// Take in a new caller
///
/// Makes a contact with the number they called from, and links it to the call. No right to change
/// contacts is needed for that.
#[utoipa::path(
    post, path = "/api/contact-moments/{id}/contact", tag = "Contact moments",
    operation_id = "take_in_caller",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = CallerRequest, example = json!({
        "name": "Jan de Vries", "organisation": "Gemeente Voorbeeld"
    })),
    responses(
        (status = 201, description = "The contact moment.", body = One<MomentRecord>,
            headers(("location" = String, description = "Where the contact is."))),
        WriteErrors,
    ),
    security(("key" = ["moments:write"]), ("session" = [])),
)]
pub(crate) async fn take_in(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = begin(&caller, &id, &uri)?;
    let new: CallerRequest = read(&shared, &headers, body).await?;
    let (app, by) = (&caller.access.app, writer(&shared, &caller).await?);
    let found = shared.moments.take_in(app, id, &by, new.into()).await?;
    let contact = found.call.contact.as_ref().map(|contact| contact.id);
    let location = contact.map(|id| format!("/api/contacts/{id}"));
    let mut response = answer::one(StatusCode::CREATED, &MomentRecord::from(found))?;
    let location = location.and_then(|at| HeaderValue::from_str(&at).ok());
    if let Some(at) = location {
        response.headers_mut().insert(header::LOCATION, at);
    }
    Ok(response)
}

/// Stay in wrap-up
///
/// While a call waits for its disposition its agent places no calls, for as long as the work
/// settings say or until the time given here. Giving the disposition ends it, and so does a time
/// that has passed.
#[utoipa::path(
    post, path = "/api/contact-moments/{id}/wrap-up", tag = "Contact moments",
    operation_id = "stay_in_wrap_up",
    params(("id" = String, Path, description = "The id of the call.")),
    request_body(content = WrapUpRequest, example = json!({ "until": null })),
    responses(
        (status = 200, description = "The contact moment.", body = One<MomentRecord>),
        WriteErrors,
    ),
    security(("key" = ["moments:write"]), ("session" = [])),
)]
pub(crate) async fn wrap_up(
    State(shared): State<Shared>,
    (caller, trace): (Caller, Trace),
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = begin(&caller, &id, &uri)?;
    let asked: WrapUpRequest = read(&shared, &headers, body).await?;
    let app = &caller.access.app;
    let by = writer(&shared, &caller).await?;
    was(&shared, &caller, &trace, id).await?;
    shown(shared.moments.wrap_up(app, id, &by, asked.until).await?)
}

/// What every change asks first.
fn begin(caller: &Caller, id: &str, uri: &Uri) -> Result<CallId, Problem> {
    caller.needs(Scope::MomentsWrite)?;
    Params::none(uri)?;
    Ok(CallId(path_id(id, "contact moment")?))
}

async fn read<T: DeserializeOwned>(
    shared: &Inner,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let Object(read) = body::json(headers, body, shared.config.max_json).await?;
    Ok(read)
}

/// Puts on record how the moment stood before.
pub(crate) async fn was(
    shared: &Inner,
    caller: &Caller,
    trace: &Trace,
    id: CallId,
) -> Result<(), Problem> {
    let found = shared.moments.find(&caller.access.app, id).await?;
    trace.before(&found.moment);
    Ok(())
}

fn shown(found: Found) -> Result<Response, Problem> {
    answer::one(StatusCode::OK, &MomentRecord::from(found))
}
