//! Asking ARI for the calls in progress, and telling it which events not to send.
//!
//! Requests: `PUT /ari/applications/{app}/eventFilter` (16.3), `GET /ari/asterisk/ping` (16.2),
//! `/ari/channels`, `/ari/bridges`, `/ari/endpoints`. All but the first are open to a read-only
//! user.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use switchhook_domain::Timestamp;
use switchhook_domain::media::Presence;
use switchhook_domain::signal::Signal;
use switchhook_domain::time;
use switchhook_engine::adapter::{ConnectionContext, LinkError, NotificationSink};

use super::config::{self, AriAccess};
use super::facts::Setting;
use super::link::PATIENCE;
use super::live_ari::{refused, retry, unreachable_pbx};
use super::snapshot::{self, Live};
use super::{ari, channel};
use crate::json::Fields;

/// The largest list believed: some ten thousand channels.
const MAX_BODY: usize = 16 * 1024 * 1024;

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
    access: &AriAccess,
    client: &Client,
    sink: &dyn NotificationSink,
    gap_from: Option<Timestamp>,
) -> Result<Vec<Signal>, LinkError> {
    filter(access, client).await?;
    let at = pbx_time(access, client)
        .await?
        .unwrap_or_else(|| sink.now());
    let channels = list(access, client, "ari/channels").await?;
    let bridges = list(access, client, "ari/bridges").await?;
    let endpoints = list(access, client, "ari/endpoints").await?;
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
async fn filter(access: &AriAccess, client: &Client) -> Result<(), LinkError> {
    let unwanted: Vec<Value> = UNWANTED
        .iter()
        .map(|kind| json!({ "type": kind }))
        .collect();
    let path = format!("ari/applications/{}/eventFilter", access.app);
    let request = client
        .put(address(access, &path))
        .basic_auth(&access.user, Some(access.password.expose()))
        .timeout(PATIENCE)
        .json(&json!({ "disallowed": unwanted }));
    let response = request
        .send()
        .await
        .map_err(|error| unreachable_pbx(access, &error))?;
    let status = response.status();
    if !status.is_success() {
        tracing::debug!(
            status = status.as_u16(),
            "the PBX did not take the event filter"
        );
    }
    Ok(())
}

async fn pbx_time(access: &AriAccess, client: &Client) -> Result<Option<Timestamp>, LinkError> {
    let (status, body) = get(access, client, "ari/asterisk/ping").await?;
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !status.is_success() {
        return Err(refused(status));
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(answer
        .get("timestamp")
        .and_then(Value::as_str)
        .and_then(time::parse_lenient))
}

async fn list(access: &AriAccess, client: &Client, path: &str) -> Result<Vec<Value>, LinkError> {
    let (status, body) = get(access, client, path).await?;
    if !status.is_success() {
        return Err(refused(status));
    }
    serde_json::from_slice(&body)
        .map_err(|_| retry(&format!("the PBX's answer to `{path}` is not a list")))
}

async fn get(
    access: &AriAccess,
    client: &Client,
    path: &str,
) -> Result<(StatusCode, Vec<u8>), LinkError> {
    let broken = |error: reqwest::Error| unreachable_pbx(access, &error);
    let request = client
        .get(address(access, path))
        .basic_auth(&access.user, Some(access.password.expose()))
        .timeout(PATIENCE);
    let mut response = request.send().await.map_err(broken)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(retry(&format!("the PBX's answer to `{path}` is too long")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body))
}

fn address(access: &AriAccess, path: &str) -> reqwest::Url {
    let mut url = access.base.clone();
    url.set_path(&format!("{}{path}", access.base.path()));
    url
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
