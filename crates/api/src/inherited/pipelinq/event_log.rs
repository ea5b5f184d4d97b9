//! What platforms sent an app, as the predecessor's administrators read it. The bodies are not
//! shown here: the operators' list has them.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use jiff::SignedDuration;
use serde::Serialize;
use switchhook_domain::Timestamp;
use switchhook_domain::signal::{DIAL_KEY, Fact, Signal};
use switchhook_engine::adapter::Inbound;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{Notification, Verdict};
use utoipa::ToSchema;

use crate::answer;
use crate::auth::Caller;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

/// The page size when none is asked for.
const DEFAULT_LIMIT: u64 = 50;
/// The largest page.
const MAX_LIMIT: u64 = 200;
/// How many are read at once.
const BATCH: u32 = 100;
/// How many are looked at for one page.
const MAX_LOOKED_AT: usize = 10_000;
/// How far back it goes.
const REACH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a platform sent.
#[derive(Serialize, ToSchema)]
#[schema(as = InheritedEvent)]
pub(crate) struct LoggedEvent {
    /// When it arrived.
    #[schema(format = DateTime)]
    received_at: String,
    /// The platform; null when its connection was deleted.
    #[schema(example = "callvoip")]
    platform: Option<String>,
    /// The platform's own name of the event; `unknown` where it was not understood.
    #[schema(example = "ringing")]
    event_type: String,
    /// The platform's id of the call, where it names one.
    external_call_id: Option<String>,
    /// When it was dealt with; null for what was not believed.
    #[schema(format = DateTime)]
    processed_at: Option<String>,
    /// `signature_invalid`, or why it was not understood.
    processing_error: Option<String>,
    /// Whether it was believed.
    signature_valid: bool,
}

/// A page of them.
#[derive(Serialize, ToSchema)]
#[schema(as = InheritedEventLog)]
pub(crate) struct EventLog {
    /// Newest first.
    events: Vec<LoggedEvent>,
    /// As asked for.
    #[schema(example = 50)]
    limit: u64,
    /// As asked for.
    #[schema(example = 0)]
    offset: u64,
}

/// What is looked for.
struct Wanted<'a> {
    platform: Option<&'a str>,
    event_type: Option<&'a str>,
}

errors!(ListErrors: CALLER []);

/// Read the event log, inherited address
///
/// What platforms sent in the last 30 days, newest first, without the bodies. At most the newest
/// 10,000 are looked through.
#[utoipa::path(
    get, path = "/api/cti/event-log", tag = "Contact moments", operation_id = "read_cti_event_log",
    params(
        ("platform" = Option<String>, Query, description = "Of this platform.",
            example = "dialpad"),
        ("event_type" = Option<String>, Query,
            description = "With this name, any case. Also `eventType`.", example = "ringing"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 10000."),
    ),
    responses((status = 200, description = "A page of events.", body = EventLog), ListErrors),
    security(("key" = ["audit:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::AuditRead)?;
    let known = ["platform", "event_type", "eventType", "limit", "offset"];
    let params = Params::read(&uri, &known)?;
    let limit = params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
    let offset = params.number("offset", 0, 0..=MAX_LOOKED_AT as u64)?;
    let wanted = Wanted {
        platform: params.one("platform")?.map(str::trim),
        event_type: params
            .first_of(&["event_type", "eventType"])?
            .map(|(_, name)| name.trim()),
    };
    let most = usize::try_from(limit + offset).unwrap_or(usize::MAX);
    let found = find(&shared, &caller, &wanted, most).await?;
    let events = found
        .into_iter()
        .skip(usize::try_from(offset).unwrap_or(usize::MAX));
    let log = EventLog {
        events: events.map(|note| shown(&shared, &note)).collect(),
        limit,
        offset,
    };
    answer::plain(StatusCode::OK, &log)
}

/// The newest that fit, at most so many.
async fn find(
    shared: &Inner,
    caller: &Caller,
    wanted: &Wanted<'_>,
    most: usize,
) -> Result<Vec<Notification>, Problem> {
    let oldest: Timestamp = shared.clock.now() - REACH;
    let (mut found, mut before) = (Vec::new(), None);
    for _ in 0..MAX_LOOKED_AT / BATCH as usize {
        let page = shared.store.notifications(caller.app(), BATCH, before);
        let page = page.await?;
        let more = page.len() >= BATCH as usize;
        before = page.last().map(|last| last.id);
        for note in page {
            if note.received_at < oldest || found.len() >= most {
                return Ok(found);
            }
            if fits(shared, &note, wanted) {
                found.push(note);
            }
        }
        if !more {
            break;
        }
    }
    Ok(found)
}

fn fits(shared: &Inner, note: &Notification, wanted: &Wanted<'_>) -> bool {
    let same = |wanted: Option<&str>, is: &str| wanted.is_none_or(|w| w.eq_ignore_ascii_case(is));
    let platform = platform(shared, note).unwrap_or_default();
    same(wanted.platform, &platform) && same(wanted.event_type, event_type(note))
}

fn platform(shared: &Inner, note: &Notification) -> Option<String> {
    let connection = shared.connections.get(note.connection_id)?;
    Some(connection.row.platform.clone())
}

fn event_type(note: &Notification) -> &str {
    note.event.as_deref().unwrap_or("unknown")
}

fn shown(shared: &Inner, note: &Notification) -> LoggedEvent {
    let believed = note.verdict != Verdict::Rejected;
    let received_at = answer::time(note.received_at);
    LoggedEvent {
        platform: platform(shared, note),
        event_type: event_type(note).to_owned(),
        external_call_id: call_id(shared, note),
        processed_at: believed.then(|| received_at.clone()),
        processing_error: match note.verdict {
            Verdict::Accepted => None,
            Verdict::Rejected => Some("signature_invalid".to_owned()),
            Verdict::Dead => note.reason.clone(),
        },
        signature_valid: believed,
        received_at,
    }
}

/// The platform's id of the call, read from the body again.
fn call_id(shared: &Inner, note: &Notification) -> Option<String> {
    let body = note
        .body
        .as_deref()
        .filter(|_| note.verdict == Verdict::Accepted)?;
    let connection = shared.connections.get(note.connection_id)?;
    let (adapter, context) = (&connection.adapter, &connection.context);
    // What came as a signed token is stored as one.
    let decoded = adapter.decode(body, context).or_else(|error| {
        let payload = adapter.verify(&Inbound::body_only(body), context);
        payload.map_or(Err(error), |payload| adapter.decode(&payload, context))
    });
    let decoded = decoded.ok()?;
    decoded.signals.iter().find_map(named)
}

fn named(signal: &Signal) -> Option<String> {
    if let Fact::Leg { leg, .. } = &signal.fact {
        return Some(leg.clone());
    }
    let mut keys = signal.keys.iter().filter(|key| !key.starts_with(DIAL_KEY));
    let key = keys.next()?;
    let is_kind = |kind: &str| !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase());
    let rest = key.split_once(':').filter(|(kind, _)| is_kind(kind));
    Some(rest.map_or(key.as_str(), |(_, rest)| rest).to_owned())
}
