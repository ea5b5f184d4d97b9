//! Asking ARI for the calls in progress, and telling it which events not to send.
//!
//! Requests: `PUT /ari/applications/{app}/eventFilter` (16.3), `GET /ari/asterisk/ping` (16.2),
//! `/ari/channels`, `/ari/bridges`, `/ari/endpoints`. All but the first are open to a read-only
//! user.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::Timestamp;
use switchhook_domain::media::Presence;
use switchhook_domain::signal::Signal;
use switchhook_domain::time;
use switchhook_engine::adapter::{ConnectionContext, LinkError, NotificationSink};

use super::config;
use super::facts::Setting;
use super::live_ari::{refused, retry};
use super::rest::{Ask, Rest, Trouble};
use super::snapshot::{self, Live};
use super::{ari, channel};
use crate::json::Fields;

/// Events that say nothing of a call record. Keys that callers press may be PINs and card
/// numbers: they are kept out even where the PBX cannot be told to.
pub(super) const UNWANTED: [&str; 13] = [
    "ChannelDtmfReceived",
    "ChannelTalkingFinished",
    "ChannelTalkingStarted",
    "ChannelToneDetected",
    "ContactStatusChange",
    "EndpointStateChange",
    "PeerStatusChange",
    "PlaybackContinuing",
    "PlaybackFinished",
    "PlaybackStarted",
    "StasisEnd",
    "StasisStart",
    "TextMessageReceived",
];

/// Sets the filter, asks for everything, and puts it into signals. The time is the PBX's, taken
/// just before the lists.
pub(super) async fn ari(
    connection: &ConnectionContext,
    app: &str,
    rest: &dyn Rest,
    sink: &dyn NotificationSink,
    gap_from: Option<Timestamp>,
) -> Result<Vec<Signal>, LinkError> {
    filter(app, rest).await?;
    let at = pbx_time(rest).await?.unwrap_or_else(|| sink.now());
    let channels = list(rest, "channels").await?;
    let bridges = list(rest, "bridges").await?;
    let endpoints = list(rest, "endpoints").await?;
    let rules = config::rules(connection);
    let live = Live {
        channels: objects(&channels)
            .filter_map(|item| ari::channel(item).ok())
            .collect(),
        bridges: objects(&bridges)
            .filter_map(|item| ari::bridge(item).ok())
            .collect(),
        presence: objects(&endpoints)
            .filter_map(|item| endpoint(item, &rules))
            .collect(),
    };
    let setting = Setting {
        rules: &rules,
        plan: &connection.numbers,
    };
    Ok(snapshot::signals(&live, at, gap_from, setting))
}

/// Asterisk 16 keeps an application's filter over a reconnect, so it is always set anew. A user
/// who may not write listens to everything; what is not wanted is dropped here as well.
async fn filter(app: &str, rest: &dyn Rest) -> Result<(), LinkError> {
    let unwanted: Vec<Value> = UNWANTED
        .iter()
        .map(|kind| json!({ "type": kind }))
        .collect();
    let path = format!("applications/{app}/eventFilter");
    let ask = Ask::new(Method::PUT, path).json(json!({ "disallowed": unwanted }));
    let answer = rest.ask(ask).await.map_err(Trouble::link)?;
    if !answer.is_success() {
        let status = answer.status;
        tracing::debug!(status, "the PBX did not take the event filter");
    }
    Ok(())
}

async fn pbx_time(rest: &dyn Rest) -> Result<Option<Timestamp>, LinkError> {
    let answer = rest.ask(Ask::get("asterisk/ping")).await;
    let answer = answer.map_err(Trouble::link)?;
    if answer.status == 404 {
        return Ok(None);
    }
    if !answer.is_success() {
        return Err(refused(answer.status));
    }
    let json = answer.json();
    let at = json.get("timestamp").and_then(Value::as_str);
    Ok(at.and_then(time::parse_lenient))
}

async fn list(rest: &dyn Rest, path: &str) -> Result<Vec<Value>, LinkError> {
    let answer = rest.ask(Ask::get(path)).await.map_err(Trouble::link)?;
    if !answer.is_success() {
        return Err(refused(answer.status));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_| retry(&format!("the PBX's answer to `ari/{path}` is not a list")))
}

fn objects(items: &[Value]) -> impl Iterator<Item = Fields<'_>> {
    items.iter().filter_map(Value::as_object).map(Fields::root)
}

/// The presence of an agent's endpoint. Whether a phone rings is told by the next event.
fn endpoint<'a>(
    item: Fields<'a>,
    rules: &channel::EndpointRules<'_>,
) -> Option<(&'a str, Presence)> {
    let (technology, resource) = (item.words("technology")?, item.words("resource")?);
    rules.agent_of_device(&format!("{technology}/{resource}"))?;
    let presence = match item.words("state")? {
        "online" if item.list("channel_ids").is_empty() => Presence::Available,
        "online" => Presence::OnCall,
        "offline" => Presence::Offline,
        _ => return None,
    };
    Some((resource, presence))
}
