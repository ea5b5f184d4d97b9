//! The calls in progress, asked for over AMI: which actions are sent, and the answers collected
//! into signals.
//!
//! `Ping` gives the PBX's time, `BridgeList` tells holding bridges from others, `DeviceStateList`
//! gives presence, `CoreShowChannels` the channels. The manager answers a session's actions in
//! order, so the end of the last is the end of all.

use std::borrow::Cow;

use switchhook_domain::Timestamp;
use switchhook_domain::media::Presence;
use switchhook_domain::signal::Signal;
use switchhook_domain::time;
use switchhook_engine::adapter::ConnectionContext;

use super::ami::Block;
use super::config;
use super::extras::presence_of;
use super::facts::Setting;
use super::happening::Bridge;
use super::snapshot::{self, Live};

/// The most list items kept; a PBX with more calls is beyond AMI.
const MAX_ITEMS: usize = 50_000;

/// What is sent after the login. Every answer bears its `ActionID`.
pub(super) const ACTIONS: &str = "Action: Ping\r\nActionID: sh-time\r\n\r\n\
    Action: BridgeList\r\nActionID: sh-bridges\r\n\r\n\
    Action: DeviceStateList\r\nActionID: sh-devices\r\n\r\n\
    Action: CoreShowChannels\r\nActionID: sh-channels\r\n\r\n";

/// Answers, collected until the last one is there.
#[derive(Debug, Default)]
pub(super) struct Listing {
    at: Option<Timestamp>,
    items: Vec<Vec<u8>>,
}

/// Whether more answers are to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More to come.
    Going,
    /// Complete.
    Done,
    /// The user may not list channels.
    Refused,
}

impl Listing {
    /// Takes in a message that bears one of our action ids.
    pub(super) fn take(&mut self, block: &Block<'_>, raw: &[u8]) -> Progress {
        let about = block.get("ActionID").unwrap_or_default();
        let over = block.get("EventList") == Some("Complete");
        let refused = block.get("Response") == Some("Error");
        match about {
            "sh-time" => self.at = block.get("Timestamp").and_then(time::parse_lenient),
            "sh-channels" if over => return Progress::Done,
            "sh-channels" if refused => return Progress::Refused,
            _ if block.get("Event").is_some() && self.items.len() < MAX_ITEMS => {
                self.items.push(raw.to_vec());
            }
            _ => {}
        }
        Progress::Going
    }

    /// The signals of all that was collected.
    pub(super) fn signals(
        &self,
        connection: &ConnectionContext,
        now: Timestamp,
        gap_from: Option<Timestamp>,
    ) -> Vec<Signal> {
        let texts: Vec<Cow<'_, str>> = self
            .items
            .iter()
            .map(|item| String::from_utf8_lossy(item))
            .collect();
        let rules = config::rules(connection);
        let mut live = Live::default();
        let mut members: Vec<(&str, &str)> = Vec::new();
        for text in &texts {
            let block = Block::parse(text);
            match block.get("Event") {
                Some("BridgeListItem") => live.bridges.extend(block.bridge("")),
                Some("DeviceStateChange") => {
                    live.presence
                        .extend(presence(block.get("Device"), block.get("State"), &rules));
                }
                Some("CoreShowChannel") => {
                    live.channels.extend(block.channel(""));
                    members.extend(block.get("BridgeId").zip(block.get("Uniqueid")));
                }
                _ => {}
            }
        }
        for (bridge, channel) in members {
            fill(&mut live.bridges, bridge, channel);
        }
        let setting = Setting {
            rules: &rules,
            plan: &connection.numbers,
        };
        snapshot::signals(&live, self.at.unwrap_or(now), gap_from, setting)
    }
}

/// Puts a channel into its bridge. A bridge made after the bridges were listed is not known to be
/// a holding one, and almost never is.
fn fill<'a>(bridges: &mut Vec<Bridge<'a>>, id: &'a str, channel: &'a str) {
    if let Some(known) = bridges.iter_mut().find(|bridge| bridge.id == id) {
        known.channels.push(channel.into());
        return;
    }
    bridges.push(Bridge {
        id: id.into(),
        mixing: true,
        channels: vec![channel.into()],
    });
}

fn presence<'a>(
    device: Option<&'a str>,
    state: Option<&str>,
    rules: &super::channel::EndpointRules<'_>,
) -> Option<(&'a str, Presence)> {
    Some((rules.agent_of_device(device?)?, presence_of(state?)?))
}
