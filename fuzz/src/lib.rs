//! What the fuzz targets share: how fuzzed bytes become a notification, and what must hold of
//! every notification whatever is in it. The targets choose what is fed in; nothing here knows a
//! platform, so that a new line in the adapters' registry is fuzzed without a line here.

pub mod seeds;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use switchhook_adapters::{UNDATED, date_undated};
use switchhook_domain::Timestamp;
use switchhook_domain::fold::{LOST_AFTER, QUIET_AFTER};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::replay::Replay;
use switchhook_engine::adapter::{Adapter, ConnectionContext, FieldKind, Inbound, Secret};
use switchhook_engine::outbound::Guard;

/// The secret of the fuzzed connection. What does not hold it cannot be signed with it.
const SECRET: &str = "fuzz-9b1f0c77e2d84a55";
/// Between the body and the headers in a fuzzed notification; no fixture holds it.
const HEADERS: &[u8] = b"\n\x00headers\n";

/// A connection of that platform. Variant 0 has the settings nobody touched; others choose other
/// words where there is a choice.
fn connection(adapter: &dyn Adapter, variant: usize) -> ConnectionContext {
    let mut config = Map::new();
    let mut credentials = BTreeMap::new();
    for (at, field) in adapter.spec().config.iter().enumerate() {
        let value = match field.kind {
            FieldKind::Secret => {
                credentials.insert(field.name.to_owned(), Secret::new(SECRET));
                continue;
            }
            FieldKind::Choice(words) if variant > 0 => {
                words.get((variant + at) % words.len().max(1))
            }
            FieldKind::Boolean if variant > 0 => ["true", "false"].get((variant >> (at % 4)) & 1),
            _ => None,
        };
        let Some(text) = value.copied().or(field.default) else {
            continue;
        };
        let value = match field.kind {
            FieldKind::Boolean => Value::Bool(text == "true"),
            FieldKind::Integer => text.parse::<i64>().map_or(Value::Null, Value::from),
            FieldKind::List => text.split('\n').map(Value::from).collect(),
            _ => Value::from(text),
        };
        config.insert(field.name.to_owned(), value);
    }
    ConnectionContext {
        app_id: nil::<AppId>(),
        id: nil::<ConnectionId>(),
        name: "fuzz".to_owned(),
        config,
        credentials,
        webhook_secrets: vec![Secret::new(SECRET)],
        numbers: NumberPlan::default(),
        outbound: Guard::default(),
    }
}

fn nil<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "00000000-0000-0000-0000-000000000000"
        .parse()
        .expect("an id")
}

struct Notification<'a> {
    body: &'a [u8],
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

/// Bytes as a notification: a body, and after a mark headers one a line; lines that begin with `?`
/// are of the query.
fn notification(data: &[u8]) -> Notification<'_> {
    let at = data
        .windows(HEADERS.len())
        .position(|window| window == HEADERS);
    let (body, rest) = at.map_or((data, &data[..0]), |at| {
        (&data[..at], &data[at + HEADERS.len()..])
    });
    let (mut headers, mut query) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(rest).lines().take(32) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim().to_owned();
        match name.strip_prefix('?') {
            Some(name) => query.push((name.to_owned(), value)),
            None => headers.push((name.trim().to_ascii_lowercase(), value)),
        }
    }
    Notification {
        body,
        headers,
        query,
    }
}

/// Verifies, decodes and folds a notification, whatever it is. Panics where something that must
/// hold does not.
pub fn take(adapter: &dyn Adapter, data: &[u8]) {
    let fuzzed = notification(data);
    let content_type = fuzzed
        .headers
        .iter()
        .find(|(name, _)| name == "content-type");
    let inbound = Inbound {
        body: fuzzed.body,
        content_type: content_type.map_or("", |(_, value)| value.as_str()),
        headers: &fuzzed.headers,
        query: &fuzzed.query,
    };
    let variant = fuzzed.body.len() % 4;
    let connection = connection(adapter, variant);
    let _ = adapter.account_hint(&inbound);
    let _ = adapter.handshake(&inbound, &connection);
    let verified = adapter.verify(&inbound, &connection);
    let holds_secret = data
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes());
    if variant == 0 && !holds_secret {
        assert!(verified.is_err(), "believed without a signature");
    }
    if let Ok(payload) = &verified {
        understand(adapter, payload, &connection);
    }
    for one in adapter.split(fuzzed.body).into_iter().take(64) {
        understand(adapter, one, &connection);
    }
    understand(adapter, fuzzed.body, &connection);
}

fn understand(adapter: &dyn Adapter, payload: &[u8], connection: &ConnectionContext) {
    let first = adapter.decode(payload, connection);
    assert_eq!(
        first,
        adapter.decode(payload, connection),
        "the same bytes, another answer"
    );
    let Ok(decoded) = first else { return };
    let _ = adapter.reply(payload, &decoded, connection);
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().expect("a time");
    let mut signals = decoded.signals;
    date_undated(&mut signals, now);
    assert!(
        signals.iter().all(|signal| signal.at != UNDATED),
        "a signal without a time"
    );
    let mut replay = Replay::new(adapter.spec().platform, "NL");
    replay.notification(now, &signals);
    replay.notification(now, &signals);
    replay.settle(QUIET_AFTER);
    replay.settle(LOST_AFTER);
    let (calls, _) = replay.finish();
    for call in calls {
        serde_json::to_vec(&call).expect("a record is JSON");
    }
}
