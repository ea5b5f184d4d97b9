//! Placing a call: the agent's phone rings first, and once it is picked up the dialplan runs as if
//! the agent had dialled. ARI `POST /channels` or AMI `Originate`; which of them the settings
//! decide ([`super::reach`]).
//!
//! * We choose the channel's id, so the keys of the call are known before it exists.
//! * What the phone shows is the connected line, so it is set to whom is called; the caller's
//!   number is left as the phone's own, or set to the number asked for. `callerId` would set both
//!   at once and show the customer their own number.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use switchhook_engine::adapter::{ConnectionContext, LinkError};
use switchhook_engine::command::{CommandError, Fault, Originate, Originated};

use super::ami_actions::Manager;
use super::config::AmiAccess;
use super::outbound;
use super::reach::{self, AriWay};
use super::rest::{Answer, Ask, Http, Rest, Trouble};

/// How long the agent's phone rings, in seconds.
const RING_SECONDS: u32 = 30;
/// How long a phone that cannot be reached takes to be told so over AMI.
const REFUSED_WITHIN: Duration = Duration::from_millis(1_500);

/// The names under which the PBX will speak of a call.
pub(super) fn keys(originate: &Originate) -> Vec<String> {
    let id = reach::channel_id(originate.dial_id);
    vec![format!("chan:{id}"), format!("linked:{id}")]
}

/// What is asked of the PBX.
struct Plan {
    phone: String,
    exten: String,
    context: String,
    channel: String,
    /// Channel variables: who is shown to whom.
    shown: Vec<(&'static str, String)>,
}

fn plan(connection: &ConnectionContext, originate: &Originate) -> Result<Plan, CommandError> {
    let dialling = reach::settings(connection)?;
    let extension = originate.agent.extension.as_deref().ok_or_else(|| {
        let detail = "The agent has no extension: give the agent the one of their phone.";
        CommandError::new(Fault::Device, detail)
    })?;
    let phone = dialling.phone(extension)?;
    let exten = dialling.digits(&originate.target)?;
    let target = originate.target.e164.as_ref().unwrap_or(&exten);
    let mut shown = vec![("CONNECTEDLINE(num,i)", target.clone())];
    if let Some(number) = &originate.caller_id {
        let rest = number.strip_prefix('+').unwrap_or(number);
        if !(1..=20).contains(&rest.len()) || !rest.bytes().all(|b| b.is_ascii_digit()) {
            let detail = "The number to show is none.";
            return Err(CommandError::new(Fault::Target, detail));
        }
        shown.push(("CALLERID(num)", number.clone()));
    }
    Ok(Plan {
        phone,
        exten,
        context: dialling.context.to_owned(),
        channel: reach::channel_id(originate.dial_id),
        shown,
    })
}

/// Places the call.
pub(super) async fn place(
    connection: &ConnectionContext,
    originate: &Originate,
) -> Result<Originated, CommandError> {
    let plan = plan(connection, originate)?;
    if let Some(access) = reach::ami(connection) {
        by_ami(&access, &plan).await?;
    } else {
        match reach::ari(connection) {
            Some(AriWay::Http(access)) => {
                let http = Http::new(&access).map_err(|error| no_client(&error))?;
                by_ari(&http, &plan).await?;
            }
            Some(AriWay::Socket) => {
                let lane = outbound::lane(connection.id).ok_or_else(not_connected)?;
                by_ari(&lane, &plan).await?;
            }
            None => return Err(CommandError::not_supported(NO_WAY)),
        }
    }
    Ok(Originated {
        keys: keys(originate),
    })
}

/// Why nothing can be asked of this PBX.
pub(super) const NO_WAY: &str = "This connection only listens. Enter the address and user of \
    ARI, or the host and user of AMI, in its settings.";

/// A client could not be made.
pub(super) fn no_client(error: &LinkError) -> CommandError {
    CommandError::new(Fault::Settings, super::rest::sentence(&error.to_string()))
}

/// The PBX has no socket open to this process.
pub(super) fn not_connected() -> CommandError {
    let detail = "The PBX is not connected to us at the moment: look at its \
                  websocket_client.conf and ari.conf.";
    CommandError::new(Fault::Unreachable, detail)
}

async fn by_ari(rest: &dyn Rest, plan: &Plan) -> Result<(), CommandError> {
    let variables: serde_json::Map<_, _> = plan
        .shown
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    let ask = Ask::new(Method::POST, "channels")
        .with("endpoint", &*plan.phone)
        .with("extension", &*plan.exten)
        .with("context", &*plan.context)
        .with("priority", "1")
        .with("timeout", RING_SECONDS.to_string())
        .with("channelId", &*plan.channel)
        .json(json!({ "variables": variables }));
    let answer = rest.ask(ask).await.map_err(Trouble::command)?;
    placed(&answer)
}

/// A question that was lost before anything was asked for costs nothing.
pub(super) fn before(trouble: Trouble) -> CommandError {
    let error = trouble.command();
    CommandError::new(Fault::Unreachable, error.detail)
}

/// What ARI's answer to `POST /channels` means (`rest-api/api-docs/channels.json`).
fn placed(answer: &Answer) -> Result<(), CommandError> {
    let (fault, detail) = match answer.status {
        // 409: the channel of this id is there already; the call was placed before.
        200..=299 | 409 => return Ok(()),
        400 | 404 => (
            Fault::Settings,
            "The PBX cannot dial this agent's phone: look at `dial_endpoint` in the connection's \
             settings.",
        ),
        500 => (
            Fault::Device,
            "The agent's phone is not known to the PBX or not registered: see that it is \
             switched on, and that `dial_endpoint` leads to it.",
        ),
        status => return Err(refused(status)),
    };
    Err(CommandError::new(fault, detail))
}

/// What a status means that says nothing about the request.
pub(super) fn refused(status: u16) -> CommandError {
    let (fault, detail) = match status {
        401 => (
            Fault::Credentials,
            "The PBX refuses the user name or password of ARI: compare them with ari.conf."
                .to_owned(),
        ),
        403 => (
            Fault::Permission,
            "The ARI user may only read: set read_only=no in ari.conf, or enter an AMI user in \
             the connection's settings."
                .to_owned(),
        ),
        500.. => (
            Fault::Platform,
            format!("The PBX failed (HTTP {status}): look at its log."),
        ),
        _ => (
            Fault::Platform,
            format!("The PBX answered with HTTP status {status}."),
        ),
    };
    CommandError::new(fault, detail)
}

pub(super) fn leads_nowhere(context: &str) -> CommandError {
    let detail = format!(
        "The dialplan leads nowhere from there: context {context} has no such extension. Look at \
         `dial_context` and `dial_format` in the connection's settings."
    );
    CommandError::new(Fault::Target, detail)
}

async fn by_ami(access: &AmiAccess, plan: &Plan) -> Result<(), CommandError> {
    let mut manager = Manager::open(access).await?;
    if !manager.leads_somewhere(&plan.context, &plan.exten).await {
        return Err(leads_nowhere(&plan.context));
    }
    let timeout = (RING_SECONDS * 1_000).to_string();
    let variables: Vec<String> = plan
        .shown
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut fields = vec![
        ("Action", "Originate"),
        ("Channel", &*plan.phone),
        ("Context", &*plan.context),
        ("Exten", &*plan.exten),
        ("Priority", "1"),
        ("Timeout", &*timeout),
        ("Async", "true"),
        ("ChannelId", &*plan.channel),
    ];
    fields.extend(variables.iter().map(|pair| ("Variable", pair.as_str())));
    manager.done(&fields).await?;
    let refused = manager
        .hear(REFUSED_WITHIN, |block| failed(block, &plan.channel))
        .await;
    manager.close().await;
    refused.unwrap_or(Ok(()))
}

/// What is heard of the call that tells at once how it goes.
fn failed(block: &super::ami::Block<'_>, channel: &str) -> Option<Result<(), CommandError>> {
    match block.get("Event")? {
        // The device rings: all is well.
        "Newstate" if block.get("Uniqueid") == Some(channel) => Some(Ok(())),
        "OriginateResponse"
            if block
                .get("ActionID")
                .is_some_and(|id| id.starts_with("sh-")) =>
        {
            // Reason 0: there is no such device, or nothing is registered for it.
            let unknown = block.get("Reason") == Some("0") || block.get("Uniqueid").is_none();
            if block.get("Response") == Some("Success") || !unknown {
                // Busy, declined: the PBX tells by its events how the call ended.
                return Some(Ok(()));
            }
            let detail = "The agent's phone is not known to the PBX or not registered: see that \
                          it is switched on, and that `dial_endpoint` leads to it.";
            Some(Err(CommandError::new(Fault::Device, detail)))
        }
        _ => None,
    }
}
