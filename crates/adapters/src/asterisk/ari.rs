//! ARI: JSON events from `/ari/events` (Asterisk 16 and later) into [`Happening`]s, and the
//! objects of `GET /ari/channels` and `/ari/bridges`, which have the same shape.
//!
//! Field names: `rest-api/api-docs/events.json` of Asterisk. Unknown events and fields are passed
//! over; a field whose absence makes an event meaningless is named in the error.

use std::borrow::Cow;

use serde_json::Value;
use switchhook_domain::time;
use switchhook_engine::adapter::DecodeError;

use super::channel::{CallerId, Channel, State, may_show};
use super::happening::{Bridge, DialAttempt, DialStage, Happening, RawCause, Statement};
use crate::json::Fields;

/// Reads one event.
pub(super) fn statement<'a>(event: Fields<'a>) -> Result<Statement<'a>, DecodeError> {
    let name = event
        .text("type")?
        .ok_or_else(|| event.fault("type", "is missing"))?;
    let at = event
        .time("timestamp")?
        .ok_or_else(|| event.fault("timestamp", "is missing"))?;
    Ok(Statement {
        at,
        event: name,
        happening: happening(name, event)?,
    })
}

fn happening<'a>(name: &str, event: Fields<'a>) -> Result<Happening<'a>, DecodeError> {
    Ok(match name {
        "ChannelCreated" => Happening::Created(own_channel(event)?),
        "ChannelStateChange" => Happening::Shown(own_channel(event)?),
        "ChannelCallerId" => Happening::Named(own_channel(event)?),
        "ChannelDialplan" => application(event)?,
        "Dial" => dial(event)?,
        "ChannelEnteredBridge" => Happening::Entered(own_bridge(event)?, own_channel(event)?),
        "ChannelLeftBridge" => Happening::Left(own_bridge(event)?, own_channel(event)?),
        "BridgeMerged" => {
            let from = bridge_in(event, "bridge_from", "bridge_from")?.unwrap_or_default();
            Happening::Merged(own_bridge(event)?, from)
        }
        "ChannelHold" => Happening::Held(own_channel(event)?),
        "ChannelUnhold" => Happening::Resumed(own_channel(event)?),
        "ChannelHangupRequest" => Happening::HangupAsked {
            channel: own_channel(event)?,
            cause: cause(event),
            soft: event.flag("soft")?,
        },
        "ChannelDestroyed" => Happening::Destroyed {
            channel: own_channel(event)?,
            cause: cause(event),
        },
        "BridgeBlindTransfer" if event.words("result") == Some("Success") => blind(event)?,
        "BridgeAttendedTransfer" if event.words("result") == Some("Success") => attended(event)?,
        "ChannelVarset" => variable(event)?,
        "ChannelUserevent" => user_event(event)?,
        "DeviceStateChanged" => device(event)?,
        _ => Happening::Nothing,
    })
}

/// A channel object; a member of an event or an item of `GET /ari/channels`.
pub(super) fn channel(fields: Fields<'_>) -> Result<Channel<'_>, DecodeError> {
    let id = fields
        .id("id")?
        .ok_or_else(|| fields.fault("id", "is missing"))?;
    let name = fields
        .text("name")?
        .ok_or_else(|| fields.fault("name", "is missing"))?;
    let dialplan = part(fields, "dialplan");
    let vars = part(fields, "channelvars");
    let var = |name: &str| vars.and_then(|vars| vars.words(name));
    Ok(Channel {
        id,
        name: name.into(),
        state: State::parse(fields.words("state").unwrap_or_default()),
        caller: caller_id(fields, "caller"),
        connected: caller_id(fields, "connected"),
        context: words(dialplan, "context"),
        exten: words(dialplan, "exten"),
        app: words(dialplan, "app_name"),
        app_data: words(dialplan, "app_data"),
        linked: var("CHANNEL(linkedid)").map(Cow::Borrowed),
        created: fields.words("creationtime").and_then(time::parse_lenient),
        may_show: may_show(var),
    })
}

/// A bridge object; a member of an event or an item of `GET /ari/bridges`.
pub(super) fn bridge(fields: Fields<'_>) -> Result<Bridge<'_>, DecodeError> {
    let id = fields
        .id("id")?
        .ok_or_else(|| fields.fault("id", "is missing"))?;
    let holding = fields.words("bridge_type") == Some("holding")
        || fields.words("technology") == Some("holding_bridge");
    let channels = fields.list("channels").iter().filter_map(Value::as_str);
    Ok(Bridge {
        id,
        mixing: !holding,
        channels: channels.map(Cow::Borrowed).collect(),
    })
}

fn part<'a>(fields: Fields<'a>, name: &str) -> Option<Fields<'a>> {
    fields
        .get(name)
        .and_then(Value::as_object)
        .map(|map| Fields::at(map, ""))
}

fn words<'a>(fields: Option<Fields<'a>>, name: &str) -> Cow<'a, str> {
    fields
        .and_then(|fields| fields.words(name))
        .unwrap_or_default()
        .into()
}

fn caller_id<'a>(fields: Fields<'a>, name: &str) -> CallerId<'a> {
    let id = part(fields, name);
    CallerId {
        name: words(id, "name"),
        number: words(id, "number"),
    }
}

fn cause(event: Fields<'_>) -> RawCause {
    let whole = |name| event.get(name).and_then(Value::as_u64);
    RawCause {
        q850: whole("cause").and_then(|cause| u8::try_from(cause).ok()),
        sip: whole("tech_cause").and_then(|cause| u16::try_from(cause).ok()),
    }
}

fn channel_in<'a>(
    event: Fields<'a>,
    name: &'static str,
) -> Result<Option<Channel<'a>>, DecodeError> {
    event.object(name, name)?.map(channel).transpose()
}

fn own_channel(event: Fields<'_>) -> Result<Channel<'_>, DecodeError> {
    channel_in(event, "channel")?.ok_or_else(|| event.fault("channel", "is missing"))
}

fn bridge_in<'a>(
    event: Fields<'a>,
    name: &str,
    path: &'static str,
) -> Result<Option<Bridge<'a>>, DecodeError> {
    event.object(name, path)?.map(bridge).transpose()
}

fn own_bridge(event: Fields<'_>) -> Result<Bridge<'_>, DecodeError> {
    bridge_in(event, "bridge", "bridge")?.ok_or_else(|| event.fault("bridge", "is missing"))
}

fn channels_in<'a>(
    event: Fields<'a>,
    names: &[&'static str],
) -> Result<Vec<Channel<'a>>, DecodeError> {
    let mut found = Vec::new();
    for name in names {
        found.extend(channel_in(event, name)?);
    }
    Ok(found)
}

fn application(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    let app = event.words("dialplan_app").unwrap_or_default();
    if !is_telling_application(app) {
        return Ok(Happening::Nothing);
    }
    // Before 16.4 the channel does not show its application; the event always does.
    let app_data = event.words("dialplan_app_data").unwrap_or_default();
    let channel = own_channel(event)?;
    Ok(Happening::Application(Channel {
        app: app.into(),
        app_data: app_data.into(),
        ..channel
    }))
}

/// The dialplan applications that say something about the call.
pub(super) fn is_telling_application(name: &str) -> bool {
    ["Queue", "VoiceMail", "MixMonitor", "Record"]
        .iter()
        .any(|app| app.eq_ignore_ascii_case(name))
}

fn dial(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    Ok(Happening::Dial(Box::new(DialAttempt {
        caller: channel_in(event, "caller")?,
        peer: channel_in(event, "peer")?.ok_or_else(|| event.fault("peer", "is missing"))?,
        forwarded: channel_in(event, "forwarded")?,
        stage: DialStage::parse(event.words("dialstatus").unwrap_or_default()),
        dialstring: event.words("dialstring").unwrap_or_default().into(),
    })))
}

fn blind(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    Ok(Happening::BlindTransfer {
        transferer: own_channel(event)?,
        exten: event.words("exten").unwrap_or_default().into(),
        others: channels_in(event, &["transferee", "replace_channel"])?,
        bridge: bridge_in(event, "bridge", "bridge")?,
    })
}

fn attended(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    const OTHERS: [&str; 5] = [
        "transferee",
        "replace_channel",
        "destination_link_first_leg",
        "destination_link_second_leg",
        "destination_threeway_channel",
    ];
    let mut bridges = Vec::new();
    for name in [
        "transferer_first_leg_bridge",
        "transferer_second_leg_bridge",
    ] {
        bridges.extend(bridge_in(event, name, name)?);
    }
    Ok(Happening::AttendedTransfer {
        legs: channels_in(event, &["transferer_first_leg", "transferer_second_leg"])?,
        target: channel_in(event, "transfer_target")?,
        others: channels_in(event, &OTHERS)?,
        bridges,
        leaves: event.words("destination_type") != Some("threeway"),
    })
}

fn variable(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    let name = event.words("variable").unwrap_or_default();
    // Dozens a call; a global variable has no channel.
    if !is_wanted_variable(name) || event.get("channel").is_none() {
        return Ok(Happening::Nothing);
    }
    Ok(Happening::Variable {
        channel: own_channel(event)?,
        name: name.into(),
        value: event.words("value").unwrap_or_default().into(),
    })
}

/// The variables that say something about the call.
pub(super) fn is_wanted_variable(name: &str) -> bool {
    matches!(name, "MIXMONITOR_FILENAME" | "VMSTATUS")
}

fn user_event(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    let content = part(event, "userevent");
    let told = |name| words(content, name);
    if event.get("channel").is_none()
        || !is_message_left(
            event.words("eventname").unwrap_or_default(),
            &told("Status"),
        )
    {
        return Ok(Happening::Nothing);
    }
    Ok(Happening::MessageLeft(own_channel(event)?))
}

/// The event by which a dialplan with a mailbox of its own (made of `Record()`) says that a
/// message was left: `UserEvent(MailboxMessage,Mailbox: 100,Status: ${RECORD_STATUS},…)`.
pub(super) fn is_message_left(name: &str, record_status: &str) -> bool {
    name == "MailboxMessage"
        && matches!(
            record_status,
            "DTMF" | "HANGUP" | "OPERATOR" | "SILENCE" | "TIMEOUT"
        )
}

fn device(event: Fields<'_>) -> Result<Happening<'_>, DecodeError> {
    let Some(state) = event.object("device_state", "device_state")? else {
        return Err(event.fault("device_state", "is missing"));
    };
    Ok(Happening::Device {
        device: state.words("name").unwrap_or_default().into(),
        state: state.words("state").unwrap_or_default().into(),
    })
}
