//! What becomes of up to ten messages: calls side by side, the messages of one call in order, all
//! of them kept hidden from other readers until their fate is decided.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use switchhook_engine::adapter::{LinkError, NotificationSink, Taken};

use super::Patience;
use super::client::{Queue, Received};

/// What is to be done with a message.
#[derive(Debug)]
enum Fate {
    /// It is stored here, understood or not.
    Delete,
    /// Nobody believes it; it comes again when its time is up.
    Leave,
    /// The same, too often.
    SetAside(String),
    /// It could not be stored now: somebody else, or we, shall have it at once.
    GiveBack(LinkError),
}

/// Hands messages over and does at the queue what became of each. Fails when nothing more can be
/// stored or the queue cannot be told.
pub(super) async fn handle(
    queue: &Queue,
    received: Vec<Received>,
    sink: &dyn NotificationSink,
    patience: Patience,
) -> Result<(), LinkError> {
    let mut open: Vec<bool> = vec![true; received.len()];
    let groups = by_call(&received);
    let mut under_way: FuturesUnordered<_> = groups
        .into_values()
        .map(|group| one_call(&received, group, sink, patience))
        .collect();
    // A third of the time: one extension may fail and the next still come in time.
    let every = Duration::from_millis(u64::from(patience.visibility.unsigned_abs()) * 1000 / 3);
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    let mut fates: Vec<(usize, Fate)> = Vec::with_capacity(received.len());
    loop {
        tokio::select! {
            biased;
            done = under_way.next() => {
                let Some(done) = done else { break };
                for (at, fate) in done {
                    if let Some(open) = open.get_mut(at) {
                        *open = matches!(fate, Fate::Delete);
                    }
                    fates.push((at, fate));
                }
            }
            _ = beat.tick() => {
                let kept: Vec<&Received> = hidden(&received, &open);
                tracing::debug!(messages = kept.len(), "storing takes long; kept hidden");
                queue.hide(&kept, patience.visibility).await;
            }
        }
    }
    settle(queue, &received, fates).await
}

/// Messages that nobody else may see yet: under way, or stored and not deleted.
fn hidden<'a>(received: &'a [Received], open: &[bool]) -> Vec<&'a Received> {
    let both = received.iter().zip(open);
    both.filter(|(_, open)| **open)
        .map(|(message, _)| message)
        .collect()
}

/// The messages of each call, in the order received. A FIFO queue has groups of its own.
fn by_call(received: &[Received]) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, message) in received.iter().enumerate() {
        let group = message.group.clone().or_else(|| call_of(&message.body));
        let group = group.unwrap_or_else(|| format!("#{at}"));
        groups.entry(group).or_default().push(at);
    }
    groups
}

/// The call an unchecked message says it is about: decides about order only.
fn call_of(body: &str) -> Option<String> {
    let json: Value = serde_json::from_str(body).ok()?;
    let id = json.pointer("/data/id").or_else(|| json.get("id"))?;
    id.as_str().map(str::to_owned)
}

async fn one_call(
    received: &[Received],
    group: Vec<usize>,
    sink: &dyn NotificationSink,
    patience: Patience,
) -> Vec<(usize, Fate)> {
    let mut fates = Vec::with_capacity(group.len());
    for at in group {
        let Some(message) = received.get(at) else {
            continue;
        };
        let taken = sink
            .deliver(message.body.as_bytes(), &message.headers)
            .await;
        let fate = match taken {
            Ok(Taken::Committed) => Fate::Delete,
            Ok(Taken::Dead(reason)) => {
                tracing::warn!(message.id = %message, reason, "a message was not understood");
                Fate::Delete
            }
            Ok(Taken::Rejected(reason)) if message.receives >= patience.max_receives => {
                Fate::SetAside(reason)
            }
            Ok(Taken::Rejected(_)) => Fate::Leave,
            Err(error) => Fate::GiveBack(error),
        };
        fates.push((at, fate));
    }
    fates
}

async fn settle(
    queue: &Queue,
    received: &[Received],
    fates: Vec<(usize, Fate)>,
) -> Result<(), LinkError> {
    let mut stored: Vec<&Received> = Vec::new();
    let mut back: Vec<&Received> = Vec::new();
    let mut broken = None;
    for (at, fate) in fates {
        let Some(message) = received.get(at) else {
            continue;
        };
        match fate {
            Fate::Delete => stored.push(message),
            Fate::Leave => {}
            Fate::SetAside(reason) => {
                tracing::warn!(message.id = %message, reason, "a message is set aside");
                if queue.set_aside(message, &reason).await {
                    stored.push(message);
                }
            }
            Fate::GiveBack(error) => {
                back.push(message);
                broken = Some(error);
            }
        }
    }
    if !back.is_empty() {
        queue.hide(&back, 0).await;
    }
    if !stored.is_empty() {
        queue.delete(&stored).await?;
    }
    broken.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str, group: Option<&str>) -> Received {
        Received {
            receipt: String::new(),
            id: String::new(),
            body: body.to_owned(),
            headers: Vec::new(),
            group: group.map(str::to_owned),
            receives: 1,
        }
    }

    #[test]
    fn messages_of_one_call_stay_together_in_order() {
        let all = [
            message(r#"{"id":"a"}"#, None),
            message(r#"{"id":"x","data":{"id":"b"}}"#, None),
            message(r#"{"id":"a"}"#, None),
            message("broken", None),
            message("broken", None),
            message(r#"{"id":"a"}"#, Some("fifo")),
        ];
        let groups: Vec<Vec<usize>> = by_call(&all).into_values().collect();
        assert_eq!(groups.len(), 5);
        assert!(groups.contains(&vec![0, 2]));
        assert!(groups.contains(&vec![1]));
    }
}
