//! Filling the time in which no events came: from the call log, as after a lost webhook
//! subscription. Once at once and once later, because RingCentral writes a call there some time
//! after its end. What is told twice changes nothing.

use std::time::Duration;

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_engine::adapter::NotificationSink;
use switchhook_engine::command::Session;
use tokio::time::sleep;

use super::super::calllog;

/// How far before the gap the log is read: calls that were under way then. As the keeper does.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// The longest gap that is filled. As the keeper does.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// When the log is read again: until then it has the calls that ended during the gap.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(120);
/// The wait after a failed try: the minute of RingCentral's penalty.
const WAIT: Duration = Duration::from_secs(65);
/// How often a failing log is tried.
const TRIES: u32 = 10;

/// Reads the call log from a gap's beginning to now, after a while.
pub(super) async fn fill(
    session: &Session,
    sink: &dyn NotificationSink,
    from: Timestamp,
    after: Duration,
) {
    sleep(after).await;
    for _ in 0..TRIES {
        let now = sink.now();
        let from = (from - OVERLAP).max(now - LONGEST);
        match calllog::reconcile(session, from, now).await {
            Ok(signals) if signals.is_empty() => return,
            Ok(signals) => return sink.signals("call log", signals).await,
            Err(error) if error.fault.is_passing() => {
                sleep(error.retry_after.unwrap_or(WAIT)).await;
            }
            Err(error) => {
                let id = session.connection.id;
                tracing::warn!(connection.id = %id, %error, "a gap stays");
                return;
            }
        }
    }
    let id = session.connection.id;
    tracing::warn!(connection.id = %id, "the call log cannot be read; a gap stays");
}
