//! The SQS channel of Wildix: long polling, in order for each call, and a message is deleted only
//! after what it says is stored. Nothing here believes or understands a message; that is done
//! behind [`NotificationSink::deliver`], as for a webhook.
//!
//! A queue delivers at least once. What was stored and not yet deleted when this process died
//! comes again and changes nothing. What nobody believes is tried again, for a secret may be on
//! its way, and set aside after a number of tries, so that no message goes round for ever.

mod batch;
mod client;

use switchhook_engine::adapter::{ConnectionContext, LinkError, LinkState, NotificationSink};
use switchhook_engine::command::Check;
use tokio_util::sync::CancellationToken;

use super::spec;
use client::Queue;

/// How long one request for messages waits for some, in seconds; the longest SQS allows.
const WAIT: i32 = 20;
/// The same for the first request, which only has to show that the queue can be read.
const FIRST_WAIT: i32 = 1;

/// What decides about messages.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// How long a message stays hidden from other readers, in seconds. Extended while storing it
    /// takes longer.
    visibility: i32,
    /// How often a message nobody believes may come.
    max_receives: u32,
}

impl Patience {
    fn of(connection: &ConnectionContext) -> Self {
        let number = |name: &str, default: i64| {
            let value = connection.config.get(name);
            let number = value.and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
            number.unwrap_or(default)
        };
        let visibility = number(spec::SQS_VISIBILITY, 60).clamp(1, 43_200);
        let receives = number(spec::SQS_MAX_RECEIVES, 5).clamp(1, 100);
        Self {
            visibility: i32::try_from(visibility).unwrap_or(60),
            max_receives: u32::try_from(receives).unwrap_or(5),
        }
    }
}

/// Reads the queue until it breaks or `stop` is cancelled. What was begun is finished first.
pub(super) async fn consume(
    connection: &ConnectionContext,
    sink: &dyn NotificationSink,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let queue = Queue::open(connection)?;
    let patience = Patience::of(connection);
    let mut wait = FIRST_WAIT;
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            received = queue.receive(wait, patience.visibility) => received?,
        };
        if wait == FIRST_WAIT {
            sink.link(LinkState::Up).await;
            wait = WAIT;
        }
        if !received.is_empty() {
            batch::handle(&queue, received, sink, patience).await?;
        }
    }
}

/// Looks whether the queue can be read, without taking a message.
pub(super) async fn check(connection: &ConnectionContext) -> Check {
    let looked = match Queue::open(connection) {
        Ok(queue) => queue.look().await,
        Err(error) => Err(error),
    };
    match looked {
        Ok(waiting) => {
            let detail = format!("The queue can be read; about {waiting} messages wait in it.");
            Check::good("queue", detail)
        }
        Err(error) => Check::bad("queue", error.to_string()),
    }
}
