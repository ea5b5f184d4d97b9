//! Calls: list, open ones, one. Only reading; calls are made by what the platforms say.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use switchhook_domain::call::{Call, Status};
use switchhook_domain::id::CallId;
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::signal::Direction;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::CallQuery;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::openapi::errors;
use crate::paging::{Pagination, Paging, write_cursor};
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::Shared;

/// The names of the one who took the call; all mean the same.
const AGENT: [&str; 4] = ["agent", "user", "user_id", "dialpad_user_id"];
/// What the list understands.
const KNOWN: [&str; 16] = [
    "status",
    "direction",
    "from",
    "to",
    "platform",
    "connection_id",
    "agent",
    "user",
    "user_id",
    "dialpad_user_id",
    "since",
    "until",
    "limit",
    "offset",
    "cursor",
    "open",
];
/// What the list of open calls understands: the same without `status` and `open`.
const KNOWN_ACTIVE: [&str; 14] = [
    "direction",
    "from",
    "to",
    "platform",
    "connection_id",
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

errors!(ListErrors: CALLER [InvalidCursor]);
errors!(GetErrors: CALLER [InvalidId, CallNotFound]);

/// List calls
///
/// Newest start first. All conditions must hold. Numbers may be written in any way people of the
/// app's country write them.
#[utoipa::path(
    get, path = "/api/calls", tag = "Calls", operation_id = "list_calls",
    params(
        ("status" = Option<String>, Query,
            description = "Any of these, repeated or separated by commas: `ringing`, `active`, \
                `held`, `ended`, `missed`, `rejected`, `voicemail`.",
            example = "ended,missed"),
        ("open" = Option<bool>, Query, description = "`true`: only calls that are not over."),
        ("direction" = Option<String>, Query,
            description = "`inbound`, `outbound` or `internal`.",
            example = "inbound"),
        ("from" = Option<String>, Query,
            description = "The calling number, in any spelling.",
            example = "0612345678"),
        ("to" = Option<String>, Query,
            description = "The called number, in any spelling.",
            example = "+31201234567"),
        ("platform" = Option<String>, Query,
            description = "The platform, such as `dialpad` or `asterisk`.",
            example = "dialpad"),
        ("connection_id" = Option<String>, Query, description = "The connection it came through."),
        ("agent" = Option<String>, Query,
            description = "Extension or platform user id of the agent. Also `user`, `user_id`, \
                `dialpad_user_id`.",
            example = "100"),
        ("since" = Option<String>, Query,
            description = "Started at or after: RFC 3339, or epoch seconds.",
            example = "2026-11-22T00:00:00Z"),
        ("until" = Option<String>, Query,
            description = "Started before.",
            example = "2026-11-23T00:00:00Z"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out.", example = 50),
        ("offset" = Option<u32>, Query, description = "0 to 100000. Prefer `cursor`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of calls.", body = Page<Call>), ListErrors),
    security(("key" = ["calls:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsRead)?;
    let params = Params::read(&uri, &KNOWN)?;
    let mut query = query(&shared, &caller, &params)?;
    let allowed = "ringing, active, held, ended, missed, rejected, voicemail";
    let status = |word: &str| {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
    };
    query.statuses = params.each("status", status, allowed)?;
    query.open_only = match params.one("open")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::parameter("open", "must be true or false")),
    };
    page(&shared, &caller, &trace, query).await
}

/// List open calls
///
/// Calls that are not over: ringing, active or held.
#[utoipa::path(
    get, path = "/api/calls/active", tag = "Calls", operation_id = "list_active_calls",
    params(
        ("direction" = Option<String>, Query, description = "`inbound`, `outbound` or `internal`."),
        ("from" = Option<String>, Query, description = "The calling number, in any spelling."),
        ("to" = Option<String>, Query, description = "The called number, in any spelling."),
        ("platform" = Option<String>, Query, description = "The platform."),
        ("connection_id" = Option<String>, Query, description = "The connection it came through."),
        ("agent" = Option<String>, Query,
            description = "Extension or platform user id of the agent. Also `user`, `user_id`, \
                `dialpad_user_id`."),
        ("since" = Option<String>, Query, description = "Started at or after."),
        ("until" = Option<String>, Query, description = "Started before."),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000. Prefer `cursor`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of open calls.", body = Page<Call>), ListErrors),
    security(("key" = ["calls:read"]), ("session" = [])),
)]
pub(crate) async fn active(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsRead)?;
    let params = Params::read(&uri, &KNOWN_ACTIVE)?;
    let query = CallQuery {
        open_only: true,
        ..query(&shared, &caller, &params)?
    };
    page(&shared, &caller, &trace, query).await
}

/// Get one call
///
/// Also finds a call that became part of another one: `merged_into` then names that one.
#[utoipa::path(
    get, path = "/api/calls/{id}", tag = "Calls", operation_id = "get_call",
    params(("id" = String, Path, description = "Our id of the call.",
        example = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b")),
    responses(
        (status = 200, description = "The call.", body = One<Call>),
        GetErrors,
    ),
    security(("key" = ["calls:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::CallsRead)?;
    Params::none(&uri)?;
    let id = CallId(path_id(&id, "call")?);
    let Some(record) = shared.store.call(caller.app(), id).await? else {
        let detail =
            "Call not found. Take the id from the list; calls of other apps are not shown.";
        return Err(Problem::new(Code::CallNotFound, detail));
    };
    trace.shows_call(record.as_bytes());
    Ok(answer::one_raw(StatusCode::OK, &record))
}

/// The conditions both lists have.
fn query(shared: &Shared, caller: &Caller, params: &Params) -> Result<CallQuery, Problem> {
    let paging = Paging::read(params)?;
    let plan = NumberPlan::for_country(&caller.access.app.country).unwrap_or_default();
    let direction = params.one("direction")?.map(|word| {
        let word = word.trim().to_ascii_lowercase();
        direction(&word).ok_or_else(|| {
            Problem::parameter("direction", "must be one of inbound, outbound, internal")
        })
    });
    let platform = params.one("platform")?.map(|name| {
        let adapter = shared.connections.platforms().get(name);
        adapter
            .map(|adapter| adapter.spec().platform.to_owned())
            .ok_or_else(|| {
                let known: Vec<_> = shared
                    .connections
                    .platforms()
                    .all()
                    .iter()
                    .map(|a| a.spec().platform)
                    .collect();
                Problem::parameter("platform", &format!("must be one of {}", known.join(", ")))
            })
    });
    Ok(CallQuery {
        open_only: false,
        statuses: Vec::new(),
        direction: direction.transpose()?,
        from_number: params.phone("from", &plan)?,
        to_number: params.phone("to", &plan)?,
        platform: platform.transpose()?,
        connection_id: params
            .id("connection_id")?
            .map(switchhook_domain::id::ConnectionId),
        agent: params
            .first_of(&AGENT)?
            .map(|(_, agent)| agent.trim().to_owned()),
        since: params.time("since")?,
        until: params.time("until")?,
        limit: paging.limit,
        offset: paging.offset,
        after: paging.after,
    })
}

fn direction(word: &str) -> Option<Direction> {
    match word {
        "inbound" => Some(Direction::Inbound),
        "outbound" => Some(Direction::Outbound),
        "internal" => Some(Direction::Internal),
        _ => None,
    }
}

async fn page(
    shared: &Shared,
    caller: &Caller,
    trace: &Trace,
    query: CallQuery,
) -> Result<Response, Problem> {
    let page = shared.store.calls(caller.app(), &query).await?;
    for record in &page.calls {
        trace.shows_call(record.as_ref());
    }
    let pagination = Pagination {
        limit: query.limit,
        offset: query.offset,
        total: page.total,
        has_more: page.next.is_some(),
        next_cursor: page.next.map(write_cursor),
    };
    answer::list_raw(&page.calls, &pagination)
}
