//! The app's event log by polling: the same frames as on the socket, from the same positions.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::event::EventType;
use switchhook_engine::rights::Scope;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer;
use crate::auth::Caller;
use crate::frame::{self, EventFrame};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::state::Shared;

/// The page size when none is asked for.
const DEFAULT_LIMIT: u64 = 100;
/// The largest page.
const MAX_LIMIT: u64 = 500;

/// Where a page lies in the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogPage {
    /// The position asked for.
    #[schema(example = 120)]
    after: u64,
    /// Pass this as `after` for what comes next.
    #[schema(example = 121)]
    next_after: u64,
    /// True when there is more already.
    has_more: bool,
    /// The highest `seq` in the log.
    #[schema(example = 121)]
    head: u64,
    /// The lowest `seq` still kept; `head + 1` when none is.
    #[schema(example = 1)]
    oldest: u64,
    /// The log's epoch. When it changes, positions have to be forgotten.
    epoch: Uuid,
}

/// A page of the log.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the answer; the frames come from frame.rs"
)]
pub(crate) struct EventPage {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// In the order of the log.
    data: Vec<EventFrame>,
    /// Where this page lies.
    pagination: LogPage,
}

errors!(EventErrors: CALLER [EpochChanged, LogTruncated]);

/// Read the event log
///
/// Events with a `seq` greater than `after`, in order. `next_after` is the next `after`, even
/// when `types` left everything out. The same positions work on `/ws`.
#[utoipa::path(
    get, path = "/api/events", tag = "Events", operation_id = "list_events",
    params(
        ("after" = Option<u64>, Query,
            description = "The last `seq` already known; 0 for the beginning.",
            example = 120),
        ("limit" = Option<u32>, Query, description = "1 to 500; 100 when left out.", example = 100),
        ("types" = Option<String>, Query,
            description = "Only these, repeated or separated by commas.",
            example = "call.ring,call.ended"),
        ("epoch" = Option<Uuid>, Query,
            description = "The epoch `after` belongs to. When the log has another one the answer \
                is 409."),
    ),
    responses((status = 200, description = "A page of the log.", body = EventPage), EventErrors),
    security(("key" = ["events:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::EventsRead)?;
    let params = Params::read(&uri, &["after", "limit", "types", "epoch"])?;
    let after = params.number("after", 0, 0..=u64::MAX)?;
    let limit = params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
    let types = params.each("types", EventType::from_name, "the event types in /docs")?;
    let epoch = params.id("epoch")?;
    let app = caller.app();
    // Read first: what is committed after this is not jumped over when `types` leaves it out.
    let position = shared.store.log_position(app).await?;
    if let Some(given) = epoch.filter(|given| *given != position.epoch) {
        let detail = format!(
            "The log has begun anew: {given} is not its epoch. Load the present state and go on \
             from the head."
        );
        let problem = Problem::new(Code::EpochChanged, detail).at("epoch");
        return Err(problem
            .with("epoch", position.epoch.to_string())
            .with("head", position.head));
    }
    if after > position.head {
        let problem = format!("is beyond the head of the log, which is {}", position.head);
        return Err(Problem::parameter("after", &problem).with("head", position.head));
    }
    if after.saturating_add(1) < position.oldest {
        let detail = format!(
            "Events before {} have been deleted. Load what you need from /api/calls and go on from \
             there.",
            position.oldest
        );
        let problem = Problem::new(Code::LogTruncated, detail).at("after");
        return Err(problem
            .with("oldest", position.oldest)
            .with("head", position.head));
    }
    let wanted = u32::try_from(limit).unwrap_or(u32::MAX);
    let events = shared
        .store
        .events_after(app, after, wanted, &types)
        .await?;
    let full = events.len() as u64 >= limit;
    let last = events.last().map_or(after, |event| event.seq);
    let next_after = if full { last } else { last.max(position.head) };
    let head = position.head.max(last);
    let frames: Vec<_> = events
        .iter()
        .map(|event| frame::event(event, position.epoch))
        .collect();
    let pagination = LogPage {
        after,
        next_after,
        has_more: next_after < head,
        head,
        oldest: position.oldest,
        epoch: position.epoch,
    };
    answer::list_raw(&frames, &pagination)
}
