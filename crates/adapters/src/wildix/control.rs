//! Placing and steering calls: call control v2 (`/api/v2/call-control/…`), and the older
//! Originate where a PBX does not know it.
//!
//! The API names a call by its `sipCallId`, which is in none of the events. So the calls of the
//! agent are listed first, and the one with the other party of our call is taken; when that leaves
//! a doubt nothing is done.

use serde_json::{Value, json};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_engine::command::{
    CallHandle, CommandError, Control, Fault, Originate, Originated, Session,
};

use super::api::{self, Question};
use crate::vendor::{self, Answer};

const MAKE_CALL: &str = "/api/v2/call-control/make-call";
const LIST_CALLS: &str = "/api/v2/call-control/list-calls";
/// The older API; rings the device of the extension first, as AMI's Originate does.
const ORIGINATE: &str = "/api/v1/Originate";
/// How long the agent's device may ring, in milliseconds.
const RING_MS: &str = "30000";

/// See [`switchhook_engine::adapter::Adapter::originate`].
pub(super) async fn originate(
    session: &Session,
    originate: &Originate,
) -> Result<Originated, CommandError> {
    let extension = extension(originate.agent.extension.as_deref())?;
    let target = dialable(&originate.target)?;
    let mut body = json!({ "destination": target });
    if let Some(device) = &originate.agent.device_id {
        body["device"] = json!(device);
    }
    let question = Question::post(MAKE_CALL, body).of(&extension).once();
    let answer = api::ask(session, question).await?;
    if answer.status != 404 {
        return done(&answer, true).map(|()| Originated::default());
    }
    // Also what a PBX says that knows call control but not the user: then listing says so, too.
    if knows_call_control(session, &extension).await? {
        let detail = "Wildix does not know the agent's extension, or it has no device on line.";
        return Err(CommandError::new(Fault::Device, detail));
    }
    let mut body = json!({
        "channel": format!("Local/{extension}@users"), "context": "users", "exten": target,
        "priority": "1", "async": "true", "timeout": RING_MS,
    });
    if let Some(caller_id) = &originate.caller_id {
        body["callerid"] = json!(caller_id);
    }
    let answer = api::ask(session, Question::post(ORIGINATE, body).once()).await?;
    done(&answer, true).map(|()| Originated::default())
}

/// True when the PBX has call control at all. An old one answers 404 to every request of it; so
/// does a new one for a user it does not know, which the older API then tells apart.
async fn knows_call_control(session: &Session, extension: &str) -> Result<bool, CommandError> {
    let question = Question::get(LIST_CALLS).of(extension);
    let answer = api::ask(session, question).await?;
    if answer.status == 404 {
        return Ok(false);
    }
    done(&answer, false).map(|()| true)
}

/// See [`switchhook_engine::adapter::Adapter::control`].
pub(super) async fn control(
    session: &Session,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    let leg = call.agent_leg();
    let known = call
        .agent
        .extension
        .as_deref()
        .or_else(|| leg?.extension.as_deref());
    let extension = extension(known)?;
    let to = match control {
        Control::TransferBlind { to } | Control::TransferAttended { to } => Some(dialable(to)?),
        _ => None,
    };
    let (path, mut body) = match control {
        Control::Answer => {
            let device = call.agent.device_id.as_ref();
            let body = device.map_or_else(|| json!({}), |device| json!({ "device": device }));
            ("answer", body)
        }
        Control::HangUp => ("hangup", json!({})),
        Control::Reject => ("hangup", json!({ "reason": "Call Rejected" })),
        Control::Hold => ("hold", json!({})),
        Control::Resume => ("unhold", json!({})),
        Control::TransferBlind { .. } => ("blind-transfer", json!({ "destination": to })),
        Control::TransferAttended { .. } => ("attendant-transfer", json!({ "destination": to })),
        Control::Dtmf { digits } => ("dtmf", json!({ "digits": digits })),
        Control::Mute { .. } | Control::Park | Control::Recording { .. } => {
            let lacks = super::spec::SPEC.lacks.iter();
            let why = lacks.filter(|(what, _)| *what == control.needs());
            let why = why.map(|(_, why)| *why).next().unwrap_or_default();
            return Err(CommandError::not_supported(why));
        }
    };
    body["sipCallId"] = json!(sip_call_id(session, call, &extension).await?);
    let path = format!("/api/v2/call-control/{path}");
    let once = matches!(
        control,
        Control::Dtmf { .. } | Control::TransferAttended { .. }
    );
    let mut question = Question::post(&path, body).of(&extension);
    question.once = once;
    let answer = api::ask(session, question).await?;
    done(&answer, once)
}

/// The API's name of our call, by the agent's list of calls.
async fn sip_call_id(
    session: &Session,
    call: &CallHandle,
    extension: &str,
) -> Result<String, CommandError> {
    let question = Question::get(LIST_CALLS).of(extension);
    let answer = api::ask(session, question).await?;
    if answer.status == 404 {
        return Err(CommandError::not_supported(
            "This PBX has no call control (WMS is too old), or does not know the extension; \
             steer the call on the telephone.",
        ));
    }
    done(&answer, false)?;
    let calls = answer
        .json
        .pointer("/result/calls")
        .and_then(Value::as_array);
    let calls = calls.map(Vec::as_slice).unwrap_or_default();
    let plan = &session.connection.numbers;
    let others = other_numbers(call, extension);
    let fitting: Vec<&Value> = if others.is_empty() {
        calls.iter().collect()
    } else {
        let fits = |listed: &&Value| is_with(listed, &others, plan);
        calls.iter().filter(fits).collect()
    };
    match fitting.as_slice() {
        [] => Err(CommandError::new(
            Fault::Gone,
            "The agent has no such call at the PBX (any more).",
        )),
        [only] => only
            .get("sipCallId")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| {
                let detail = "The PBX lists the call without its id.";
                CommandError::new(Fault::Platform, detail)
            }),
        _ => Err(CommandError::new(
            Fault::State,
            "The agent has several calls that could be this one; choose it on the telephone.",
        )),
    }
}

/// Numbers and extensions of everybody on the call but the agent.
fn other_numbers(call: &CallHandle, extension: &str) -> Vec<String> {
    let others = call.legs.iter().filter(|leg| !leg.ended);
    let others = others.filter(|leg| leg.extension.as_deref() != Some(extension));
    let names = others.flat_map(|leg| [leg.number.clone(), leg.extension.clone()]);
    names.flatten().collect()
}

fn is_with(listed: &Value, others: &[String], plan: &NumberPlan) -> bool {
    ["callerNumber", "calleeNumber"].iter().any(|name| {
        let raw = listed
            .get(*name)
            .and_then(Value::as_str)
            .unwrap_or_default();
        let number = PhoneNumber::parse(raw, plan);
        let canonical = number.canonical().unwrap_or_default();
        !canonical.is_empty() && others.iter().any(|other| other == canonical)
    })
}

/// An extension that is safe in a channel's name.
fn extension(known: Option<&str>) -> Result<String, CommandError> {
    let known = known.map(str::trim).unwrap_or_default();
    if known.is_empty() || known.len() > 20 || !known.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let detail = "The agent has no Wildix extension: enter it with the agent.";
        return Err(CommandError::new(Fault::Device, detail));
    }
    Ok(known.to_owned())
}

/// A number as it may be dialled: digits, with or without `+`.
fn dialable(number: &PhoneNumber) -> Result<String, CommandError> {
    let text = number.canonical().unwrap_or_default();
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let detail = "Only telephone numbers and extensions can be dialled.";
        return Err(CommandError::new(Fault::Target, detail));
    }
    Ok(text.to_owned())
}

/// What a refusal of call control means.
fn done(answer: &Answer, once: bool) -> Result<(), CommandError> {
    vendor::accepted(answer, once).map_err(|mut error| {
        let scope = "The token may not control calls: a company API key needs the scope \
                     callcontrol:*, a simple token that of an administrator.";
        match answer.status {
            403 => scope.clone_into(&mut error.detail),
            401 => {
                let detail = "The PBX does not accept the token: make a new one in WMS and set it \
                              (company API keys work from WMS 7.09 on).";
                detail.clone_into(&mut error.detail);
            }
            404 => {
                let detail = "The PBX does not know the call (any more).";
                detail.clone_into(&mut error.detail);
            }
            _ => {}
        }
        error
    })
}
