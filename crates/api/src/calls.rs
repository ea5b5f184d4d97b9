//! Calls: list, open ones, one. Only reading; calls are made by what the platforms say.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use switchhook_domain::call::{Call, Status};
use switchhook_domain::id::{AgentId, CallId, ConnectionId};
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::signal::Direction;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{CallQuery, CallSort};

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
/// The names of the numbers and times, ours first, then those of the predecessor's documents.
pub(crate) const FROM: [&str; 2] = ["from", "from_number"];
pub(crate) const TO: [&str; 2] = ["to", "to_number"];
pub(crate) const SINCE: [&str; 4] = ["since", "date_from", "start_date", "started_after"];
pub(crate) const UNTIL: [&str; 4] = ["until", "date_to", "end_date", "started_before"];
/// The names of a platform's own id of the call.
const EXTERNAL: [&str; 2] = ["external_call_id", "dialpad_call_id"];
/// What both lists understand besides.
const OTHERS: [&str; 13] = [
    "agent_id",
    "crm_user_id",
    "status",
    "direction",
    "platform",
    "connection_id",
    "min_duration",
    "max_duration",
    "sort",
    "order",
    "limit",
    "offset",
    "cursor",
];

/// What the lists understand.
fn known() -> Vec<&'static str> {
    let groups: [&[&'static str]; 7] = [&OTHERS, &AGENT, &FROM, &TO, &SINCE, &UNTIL, &EXTERNAL];
    groups.concat()
}

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
            description = "The calling number, in any spelling. Also `from_number`.",
            example = "0612345678"),
        ("to" = Option<String>, Query,
            description = "The called number, in any spelling. Also `to_number`.",
            example = "+31201234567"),
        ("platform" = Option<String>, Query,
            description = "The platform, such as `dialpad` or `asterisk`.",
            example = "dialpad"),
        ("connection_id" = Option<String>, Query, description = "The connection it came through."),
        ("agent" = Option<String>, Query,
            description = "Extension or platform user id of the agent. Also `user`, `user_id`, \
                `dialpad_user_id`.",
            example = "100"),
        ("agent_id" = Option<String>, Query,
            description = "Our id of the agent, as the record has it: calls from before the agent \
                was mapped carry none."),
        ("crm_user_id" = Option<String>, Query,
            description = "The agent's id in the business software, as the record has it.",
            example = "user_abc123"),
        ("external_call_id" = Option<String>, Query,
            description = "The platform's id of the call, or of one of its legs; RingCentral's \
                telephony session id. With `dialpad_call_id` only Dialpad calls are looked at."),
        ("min_duration" = Option<u32>, Query,
            description = "Talk time of at least so many seconds; calls that last have none."),
        ("max_duration" = Option<u32>, Query,
            description = "Talk time of at most so many seconds."),
        ("since" = Option<String>, Query,
            description = "Started at or after: RFC 3339, epoch seconds, or a date (UTC). Also \
                `date_from`, `start_date`, `started_after`.",
            example = "2026-11-22T00:00:00Z"),
        ("until" = Option<String>, Query,
            description = "Started before; of a date the day is included. Also `date_to`, \
                `end_date`, `started_before`.",
            example = "2026-11-23T00:00:00Z"),
        ("sort" = Option<String>, Query,
            description = "`started_at` (also `date`), or `duration` (also `duration_seconds`), \
                which sorts the newest 50,000 calls that match and pages by `offset` only."),
        ("order" = Option<String>, Query, description = "`desc`, or `asc`."),
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
    let params = Params::read(&uri, &[known().as_slice(), &["open"]].concat())?;
    let mut query = query(&shared, &caller, &params)?;
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
        ("agent_id" = Option<String>, Query, description = "Our id of the agent."),
        ("crm_user_id" = Option<String>, Query,
            description = "The agent's id in the business software."),
        ("status" = Option<String>, Query,
            description = "Only these of the open ones: `ringing`, `active`, `held`."),
        ("external_call_id" = Option<String>, Query,
            description = "The platform's id of the call, or of one of its legs."),
        ("min_duration" = Option<u32>, Query,
            description = "As with the list of all calls; open calls have no talk time yet."),
        ("max_duration" = Option<u32>, Query, description = "The same."),
        ("sort" = Option<String>, Query, description = "`started_at` or `duration`."),
        ("order" = Option<String>, Query, description = "`desc`, or `asc`."),
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
    let params = Params::read(&uri, &known())?;
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
    let allowed = "ringing, active, held, ended, missed, rejected, voicemail";
    let status = |word: &str| {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
    };
    let sort = sort(params)?;
    if paging.after.is_some() && !sort.has_positions() {
        let problem = "cannot be given with sort=duration; use offset";
        return Err(Problem::parameter("cursor", problem));
    }
    Ok(CallQuery {
        open_only: false,
        statuses: params.each("status", status, allowed)?,
        direction: direction.transpose()?,
        from_number: params.phone(&FROM, &plan)?,
        to_number: params.phone(&TO, &plan)?,
        platform: platform.transpose()?,
        connection_id: params.id("connection_id")?.map(ConnectionId),
        agent: params
            .first_of(&AGENT)?
            .map(|(_, agent)| agent.trim().to_owned()),
        agent_id: params.id("agent_id")?.map(AgentId),
        crm_user_id: params.one("crm_user_id")?.map(|id| id.trim().to_owned()),
        moment: None,
        outcome: None,
        contact_id: None,
        keys: names(shared, caller, params)?,
        min_duration: params.seconds("min_duration")?,
        max_duration: params.seconds("max_duration")?,
        since: params.time_of(&SINCE, 0)?,
        until: params.time_of(&UNTIL, 1)?,
        sort,
        limit: paging.limit,
        offset: paging.offset,
        after: paging.after,
    })
}

/// The names that the call of a platform's id has with each of the app's connections.
fn names(
    shared: &Shared,
    caller: &Caller,
    params: &Params,
) -> Result<Option<Vec<(ConnectionId, String)>>, Problem> {
    let Some((name, id)) = params.first_of(&EXTERNAL)? else {
        return Ok(None);
    };
    let of_dialpad = name == "dialpad_call_id";
    let own = shared.connections.all().into_iter().filter(|c| {
        c.app.id == caller.app() && (!of_dialpad || c.adapter.spec().platform == "dialpad")
    });
    let names = own.map(|c| (c.row.id, c.adapter.call_key(id.trim())));
    Ok(Some(names.collect()))
}

fn sort(params: &Params) -> Result<CallSort, Problem> {
    let ascending = match params.one("order")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(Problem::parameter("order", "must be asc or desc")),
    };
    match (params.one("sort")?, ascending) {
        (None | Some("started_at" | "date"), false) => Ok(CallSort::Newest),
        (None | Some("started_at" | "date"), true) => Ok(CallSort::Oldest),
        (Some("duration" | "duration_seconds"), false) => Ok(CallSort::Longest),
        (Some("duration" | "duration_seconds"), true) => Ok(CallSort::Shortest),
        (Some(_), _) => Err(Problem::parameter("sort", "must be started_at or duration")),
    }
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
    let seen = u64::from(query.offset).saturating_add(page.calls.len() as u64);
    let more_by_offset = !query.sort.has_positions() && !page.calls.is_empty();
    for record in &page.calls {
        trace.shows_call(record.as_ref());
    }
    let pagination = Pagination {
        limit: query.limit,
        offset: query.offset,
        total: page.total,
        has_more: page.next.is_some() || (more_by_offset && seen < page.total),
        next_cursor: page.next.map(write_cursor),
    };
    answer::list_raw(&page.calls, &pagination)
}
