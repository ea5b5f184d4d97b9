//! Placing a call: CallOut on the agent's own device where one is online, which names the call at
//! once; else RingOut, which calls the agent's number first and is known again by who calls whom.

use serde_json::{Value, json};
use switchhook_domain::phone::{NumberKind, PhoneNumber};
use switchhook_engine::command::{CommandError, Fault, Originate, Originated, Session};

use super::{api, devices, session_key};

/// See [`switchhook_engine::adapter::Adapter::originate`].
pub(super) async fn originate(
    session: &Session,
    originate: &Originate,
) -> Result<Originated, CommandError> {
    let agent = &originate.agent;
    // CallOut shows the number of the device; a chosen one needs RingOut.
    if originate.caller_id.is_some() {
        return ring_out(session, originate).await;
    }
    let device = agent.device_id.as_deref();
    let extension = match device {
        Some(_) => None,
        None => devices::extension_id(session, agent).await?,
    };
    let device = devices::find(session, device, extension.as_deref()).await?;
    match device {
        Some(device) => call_out(session, &device, &originate.target).await,
        None if agent.extension.is_some() => ring_out(session, originate).await,
        None => Err(devices::none("call with")),
    }
}

/// `POST /telephony/call-out`: the device rings, then the target.
pub(super) async fn call_out(
    session: &Session,
    device: &str,
    target: &PhoneNumber,
) -> Result<Originated, CommandError> {
    let to = match target.kind {
        NumberKind::Extension => json!({ "extensionNumber": dialled(target)? }),
        _ => json!({ "phoneNumber": dialled(target)? }),
    };
    let body = json!({ "from": { "deviceId": device }, "to": to });
    let path = api::account("telephony/call-out");
    let answer = api::ask_once(session, &path, api::HEAVY, body).await?;
    let id = answer.json.pointer("/session/id").and_then(Value::as_str);
    Ok(Originated {
        keys: id.map(session_key).into_iter().collect(),
    })
}

/// `POST /ring-out` in the name of the user who signed in: the agent's number rings, then the
/// target. The answer's id is not that of the session.
async fn ring_out(session: &Session, originate: &Originate) -> Result<Originated, CommandError> {
    let Some(from) = originate.agent.extension.as_deref() else {
        let detail = "To show a chosen number RingCentral has to ring the agent's extension \
                      first, and the agent has none here: enter it.";
        return Err(CommandError::new(Fault::Device, detail));
    };
    let mut body = json!({
        "from": { "phoneNumber": from },
        "to": { "phoneNumber": dialled(&originate.target)? },
        "playPrompt": false,
    });
    if let Some(caller_id) = &originate.caller_id {
        body["callerId"] = json!({ "phoneNumber": caller_id });
    }
    let path = api::account("extension/~/ring-out");
    let answer = api::ask_once(session, &path, api::HEAVY, body).await?;
    refused(&answer.json).map_or_else(|| Ok(Originated::default()), Err)
}

/// A RingOut can be accepted by HTTP and refused in its status.
fn refused(json: &Value) -> Option<CommandError> {
    let status = json.pointer("/status/callStatus").and_then(Value::as_str)?;
    let (fault, detail) = match status {
        "Invalid" | "NosuchUser" | "CannotReach" => (
            Fault::Target,
            "RingCentral cannot reach the number asked for.",
        ),
        "InternationalDisabled" | "DestinationBlocked" => (
            Fault::Permission,
            "RingCentral does not allow this account to call that destination.",
        ),
        "NotEnoughFunds" => (
            Fault::Permission,
            "The RingCentral account has no credit left.",
        ),
        "RingOutFromThisNumberIsNotSupported" => (
            Fault::Device,
            "RingCentral does not place calls from the agent's number.",
        ),
        "GenericError" | "Error" => (Fault::Platform, "RingCentral could not place the call."),
        _ => return None,
    };
    Some(CommandError::new(fault, detail))
}

/// The number as RingCentral wants it: E.164, or the digits of an extension.
pub(super) fn dialled(target: &PhoneNumber) -> Result<&str, CommandError> {
    let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_digit() || b == b'+');
    let number = target.canonical().filter(|text| !text.is_empty());
    number.filter(plain).ok_or_else(|| {
        let detail = "RingCentral calls telephone numbers and extensions only.";
        CommandError::new(Fault::Target, detail)
    })
}
