//! Steering a call that runs in the dialplan, not in our hands. Over ARI such a channel can only be
//! hung up (everything else answers 409, "Channel not in Stasis application"); the rest is AMI's.
//!
//! Several actions are acknowledged before anything has happened. Where the PBX tells of the
//! effect it is waited for, so that "done" means done.

use std::time::Duration;

use reqwest::Method;
use switchhook_domain::signal::LegKind;
use switchhook_engine::adapter::{Capability, ConnectionContext};
use switchhook_engine::command::{CallHandle, CallLeg, CommandError, Control, Fault};

use super::ami::Block;
use super::ami_actions::Manager;
use super::originate::{NO_WAY, leads_nowhere, no_client, not_connected, refused};
use super::outbound;
use super::reach::{self, AriWay};
use super::rest::{Ask, Http, Rest, Trouble};

/// How long an effect may take to be told of.
const EFFECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a tone sounds, in milliseconds, and how long it is quiet after it.
const TONE_MS: u64 = 160;
const TONE_GAP: Duration = Duration::from_millis(TONE_MS + 90);

/// Why this connection cannot do something that Asterisk can; `None` when it can.
pub(super) fn lacks(capability: Capability, connection: &ConnectionContext) -> Option<String> {
    let has_ami = reach::ami(connection).is_some();
    let why = match capability {
        Capability::Originate | Capability::ControlHangUp | Capability::ControlReject => {
            (!has_ami && reach::ari(connection).is_none()).then_some(NO_WAY)
        }
        Capability::ControlAnswer | Capability::ControlHold if has_ami => {
            (!reach::phones_obey(connection)).then_some(
                "Only the phone itself can do this. Where the agents' phones obey SIP NOTIFY, \
                 say so in the connection's settings (`phones_obey`).",
            )
        }
        Capability::ControlAnswer
        | Capability::ControlHold
        | Capability::ControlTransferBlind
        | Capability::ControlTransferAttended
        | Capability::ControlDtmf
        | Capability::ControlMute
        | Capability::ControlPark
        | Capability::ControlRecording => (!has_ami).then_some(
            "ARI cannot do this to a call in the dialplan, AMI can: enter `ami_host`, \
             `ami_username` and `ami_password` in the connection's settings.",
        ),
        Capability::ListUsers => reach::ari(connection)
            .is_none()
            .then_some(super::users::NO_ARI),
        Capability::Ringing
        | Capability::Answered
        | Capability::Hold
        | Capability::Transfer
        | Capability::Rejected
        | Capability::Voicemail
        | Capability::Recording
        | Capability::Messages
        | Capability::Presence
        | Capability::Queue
        | Capability::Transcript => None,
    };
    why.map(str::to_owned)
}

/// Does it.
pub(super) async fn carry_out(
    connection: &ConnectionContext,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    if let Some(why) = lacks(control.needs(), connection) {
        return Err(CommandError::not_supported(why));
    }
    let Some(access) = reach::ami(connection) else {
        return by_ari(connection, call, control).await;
    };
    let mut manager = Manager::open(&access).await?;
    let done = by_ami(&mut manager, connection, call, control).await;
    manager.close().await;
    done
}

async fn by_ami(
    manager: &mut Manager,
    connection: &ConnectionContext,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    match control {
        Control::HangUp | Control::Reject => {
            let cause = if *control == Control::Reject {
                "21"
            } else {
                "16"
            };
            let channel = to_end(call, control)?;
            let fields = [("Action", "Hangup"), ("Channel", channel), ("Cause", cause)];
            manager.done(&fields).await
        }
        Control::Answer => {
            let channel = id(ringing(call)?)?;
            notify(manager, channel, "talk", |block| is_up(block, channel)).await
        }
        Control::Hold | Control::Resume => {
            let channel = id(agent(call)?)?;
            let (word, wanted) = match control {
                Control::Hold => ("hold", "Hold"),
                _ => ("talk", "Unhold"),
            };
            notify(manager, channel, word, |block| is(block, wanted, channel)).await
        }
        Control::TransferBlind { to } => {
            let (channel, exten) = (id(agent(call)?)?, reach::settings(connection)?.digits(to)?);
            transfer(manager, connection, ("BlindTransfer", channel, &exten)).await
        }
        Control::TransferAttended { to } => {
            let (channel, exten) = (id(agent(call)?)?, reach::settings(connection)?.digits(to)?);
            transfer(manager, connection, ("Atxfer", channel, &exten)).await?;
            begun(manager, channel).await
        }
        Control::Dtmf { digits } => tones(manager, id(other(call)?)?, digits).await,
        Control::Mute { on } => {
            let (channel, state) = (id(agent(call)?)?, if *on { "on" } else { "off" });
            let fields = [
                ("Action", "MuteAudio"),
                ("Channel", channel),
                ("Direction", "in"),
                ("State", state),
            ];
            manager.done(&fields).await
        }
        Control::Park => {
            let (parked, by) = (id(other(call)?)?, id(agent(call)?)?);
            let fields = [
                ("Action", "Park"),
                ("Channel", parked),
                ("TimeoutChannel", by),
            ];
            manager.done(&fields).await
        }
        Control::Recording { on } => recording(manager, call, *on).await,
    }
}

async fn by_ari(
    connection: &ConnectionContext,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    let channel = to_end(call, control)?;
    let reason = match control {
        Control::Reject => "rejected",
        _ => "normal",
    };
    let ask = Ask::new(Method::DELETE, format!("channels/{channel}")).with("reason", reason);
    match reach::ari(connection) {
        Some(AriWay::Http(access)) => {
            end(&Http::new(&access).map_err(|error| no_client(&error))?, ask).await
        }
        Some(AriWay::Socket) => {
            let lane = outbound::lane(connection.id).ok_or_else(not_connected)?;
            end(&lane, ask).await
        }
        None => Err(CommandError::not_supported(NO_WAY)),
    }
}

async fn end(rest: &dyn Rest, ask: Ask) -> Result<(), CommandError> {
    match rest.ask(ask).await.map_err(Trouble::command)?.status {
        200..=299 => Ok(()),
        404 => Err(gone()),
        status => Err(refused(status)),
    }
}

/// A NOTIFY inside the call, and its effect.
async fn notify(
    manager: &mut Manager,
    channel: &str,
    word: &str,
    effect: impl FnMut(&Block<'_>) -> bool,
) -> Result<(), CommandError> {
    let variable = format!("Event={word}");
    let fields = [
        ("Action", "PJSIPNotify"),
        ("Channel", channel),
        ("Variable", &variable),
    ];
    manager.done(&fields).await?;
    let mut effect = effect;
    let seen = manager.hear(EFFECT_WITHIN, |block| effect(block).then_some(()));
    seen.await.ok_or_else(|| {
        let detail = "The phone was asked but did nothing: it may not obey SIP NOTIFY (Event: \
                      talk, hold), or not from this PBX.";
        CommandError::new(Fault::Device, detail)
    })
}

async fn transfer(
    manager: &mut Manager,
    connection: &ConnectionContext,
    (action, channel, exten): (&str, &str, &str),
) -> Result<(), CommandError> {
    let context = reach::settings(connection)?.context;
    if !manager.leads_somewhere(context, exten).await {
        return Err(leads_nowhere(context));
    }
    let fields = [
        ("Action", action),
        ("Channel", channel),
        ("Context", context),
        ("Exten", exten),
    ];
    let reply = manager.action(&fields).await?;
    if reply.message().contains("feature code") {
        return Err(no_feature());
    }
    reply.accepted()
}

/// The other side is put on hold when the consultation begins. Where the dialplan does not permit
/// transfers by feature code, nothing happens but tones.
async fn begun(manager: &mut Manager, channel: &str) -> Result<(), CommandError> {
    let held = |block: &Block<'_>| is(block, "Hold", channel).then_some(());
    manager
        .hear(EFFECT_WITHIN, held)
        .await
        .ok_or_else(no_feature)
}

fn no_feature() -> CommandError {
    let detail = "The PBX permits no attended transfer of this call: it needs `atxfer` in \
                  features.conf, and Dial() with t and T (Queue() too) in the dialplan.";
    CommandError::new(Fault::NotSupported, detail)
}

async fn tones(manager: &mut Manager, channel: &str, digits: &str) -> Result<(), CommandError> {
    let fits = |byte: u8| byte.is_ascii_digit() || b"*#ABCD".contains(&byte);
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(fits) {
        let detail = "Tones are 0 to 9, *, # and A to D, at most 32.";
        return Err(CommandError::new(Fault::Target, detail));
    }
    let duration = TONE_MS.to_string();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 {
            tokio::time::sleep(TONE_GAP).await;
        }
        let digit = digit.to_string();
        let fields = [
            ("Action", "PlayDTMF"),
            ("Channel", channel),
            ("Digit", &digit),
            ("Duration", &duration),
        ];
        manager.done(&fields).await?;
    }
    Ok(())
}

/// Which channel is recorded, the dialplan decided: whichever it is.
async fn recording(manager: &mut Manager, call: &CallHandle, on: bool) -> Result<(), CommandError> {
    let state = if on { "0" } else { "1" };
    for leg in call.legs.iter().filter(|leg| !leg.ended) {
        let fields = [
            ("Action", "MixMonitorMute"),
            ("Channel", id(leg)?),
            ("Direction", "both"),
            ("State", state),
        ];
        match manager.done(&fields).await {
            Ok(()) => return Ok(()),
            Err(error) if matches!(error.fault, Fault::State | Fault::Gone) => {}
            Err(error) => return Err(error),
        }
    }
    let detail = "The PBX records nothing of this call: recording is begun by the dialplan \
                  (MixMonitor).";
    Err(CommandError::new(Fault::State, detail))
}

fn is(block: &Block<'_>, event: &str, channel: &str) -> bool {
    block.get("Event") == Some(event) && block.get("Uniqueid") == Some(channel)
}

fn is_up(block: &Block<'_>, channel: &str) -> bool {
    is(block, "Newstate", channel) && block.get("ChannelStateDesc") == Some("Up")
}

/// The channel whose end is asked for: the agent's, or the outside party's when no agent has one.
fn to_end<'c>(call: &'c CallHandle, control: &Control) -> Result<&'c str, CommandError> {
    if *control == Control::Reject {
        return id(ringing(call)?);
    }
    let leg = call.agent_leg().or_else(|| call.outside_leg());
    id(leg.ok_or_else(gone)?)
}

fn agent(call: &CallHandle) -> Result<&CallLeg, CommandError> {
    call.agent_leg().ok_or_else(gone)
}

fn ringing(call: &CallHandle) -> Result<&CallLeg, CommandError> {
    let leg = agent(call)?;
    if leg.answered {
        let detail = "The call has been answered already.";
        return Err(CommandError::new(Fault::State, detail));
    }
    Ok(leg)
}

/// Whom the agent talks to: the outside party, or in an internal call the other agent.
fn other(call: &CallHandle) -> Result<&CallLeg, CommandError> {
    let agent = call.agent_leg();
    let other = || {
        let mut legs = call.legs.iter().rev();
        legs.find(|leg| leg.kind == LegKind::Agent && !leg.ended && Some(*leg) != agent)
    };
    call.outside_leg().or_else(other).ok_or_else(gone)
}

/// A leg's channel. Ids come from notifications; what would mean something in an address or a
/// header is no id of Asterisk's.
fn id(leg: &CallLeg) -> Result<&str, CommandError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.;:".contains(&byte);
    let fits = !leg.id.is_empty() && leg.id.len() <= 150 && leg.id.bytes().all(plain);
    fits.then_some(leg.id.as_str()).ok_or_else(gone)
}

fn gone() -> CommandError {
    CommandError::new(
        Fault::Gone,
        "The call is over, or has moved to another device.",
    )
}
