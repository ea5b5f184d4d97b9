//! Placing and steering calls at Dialpad. It has operations to place a call, to end one, to
//! transfer without asking first and to switch recording; there is none to answer, hold, mute,
//! reject, park or dial digits.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::phone::{NumberKind, PhoneNumber};
use switchhook_domain::signal::DIAL_KEY;
use switchhook_engine::command::{
    AgentDevice, CallHandle, CommandError, Control, Fault, Originate, Originated, Session,
};

use super::{api, payload};

/// Places a call: Dialpad rings the user's devices, then dials (`POST /api/v2/call`).
pub(super) async fn originate(
    session: &Session,
    originate: &Originate,
) -> Result<Originated, CommandError> {
    let user = user_id(&originate.agent)?;
    let mut body = json!({
        "phone_number": dialable(&originate.target)?,
        "user_id": api::int64(user, "agent's user id")?,
        // Comes back with every event of the call, so the two find each other.
        "custom_data": format!("{DIAL_KEY}{}", originate.dial_id),
    });
    if let Some(caller_id) = &originate.caller_id {
        body["outbound_caller_id"] = caller_id.as_str().into();
    }
    if let Some(device) = &originate.agent.device_id {
        body["device_id"] = device.as_str().into();
    }
    let request = api::request(session, Method::POST, "call")?
        .limited(&[api::COMPANY])
        .limited_for(&api::PLACE, user)
        .json(body)
        .once();
    let answer = api::send(session, request).await.map_err(|mut error| {
        if error.fault == Fault::Gone {
            error.fault = Fault::Device;
            error.detail = "Dialpad does not know the agent's user id.".to_owned();
        }
        error
    })?;
    let id = answer.json.get("call_id").and_then(api::id);
    Ok(Originated {
        keys: id.map(|id| payload::key(&id)).into_iter().collect(),
    })
}

/// Does something to a call.
pub(super) async fn control(
    session: &Session,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    match control {
        Control::HangUp => {
            let path = format!("call/{}/actions/hangup", call_id(call)?);
            let request = api::request(session, Method::PUT, &path)?;
            match api::send(session, request).await {
                // Over is what was asked for.
                Err(error) if error.fault == Fault::Gone => Ok(()),
                result => result.map(drop),
            }
        }
        Control::TransferBlind { to } => {
            let path = format!("call/{}/transfer", call_id(call)?);
            let to = destination(session, to).await?;
            let request = api::request(session, Method::POST, &path)?;
            let request = request.json(json!({ "to": to })).once();
            api::send(session, request).await.map(drop)
        }
        Control::Recording { on } => {
            let leg = call.agent_leg().and_then(|leg| leg.user_id.as_deref());
            let user = leg.or(call.agent.user_id.as_deref());
            let user = user.ok_or_else(no_user)?;
            let path = format!("users/{}/activecall", api::int64(user, "agent's user id")?);
            let request = api::request(session, Method::PATCH, &path)?;
            let request = request.json(json!({ "is_recording": on }));
            api::send(session, request).await.map(drop)
        }
        Control::Answer
        | Control::Reject
        | Control::Hold
        | Control::Resume
        | Control::TransferAttended { .. }
        | Control::Dtmf { .. }
        | Control::Mute { .. }
        | Control::Park => Err(CommandError::not_supported(
            "Dialpad's API has no operation for this: use the Dialpad app.",
        )),
    }
}

fn no_user() -> CommandError {
    let detail = "The agent has no Dialpad user id: enter it with the agent, so that Dialpad \
                  knows whose phone is meant.";
    CommandError::new(Fault::Device, detail)
}

fn user_id(agent: &AgentDevice) -> Result<&str, CommandError> {
    agent.user_id.as_deref().ok_or_else(no_user)
}

/// Dialpad dials public numbers only.
fn dialable(target: &PhoneNumber) -> Result<&str, CommandError> {
    target.e164.as_deref().ok_or_else(|| {
        let detail = "Dialpad places calls to public numbers only, not to extensions.";
        CommandError::new(Fault::Target, detail)
    })
}

/// The call id a command is for: the agent's leg, else the conversation itself. It goes into a
/// path, so it must be a number.
fn call_id(call: &CallHandle) -> Result<u64, CommandError> {
    let leg = call.agent_leg().map(|leg| leg.id.as_str());
    let keyed = call
        .keys
        .iter()
        .find_map(|key| key.strip_prefix(payload::KEY));
    let id = leg.or(keyed).unwrap_or(&call.external_call_id);
    id.parse().map_err(|_| {
        let detail = "Dialpad has not said yet which call this is: try again in a moment.";
        CommandError::new(Fault::State, detail)
    })
}

/// Where to: a number, or the user with that extension.
async fn destination(session: &Session, to: &PhoneNumber) -> Result<Value, CommandError> {
    if let Some(number) = &to.e164 {
        return Ok(json!({ "number": number }));
    }
    let unknown = |detail: &str| CommandError::new(Fault::Target, detail);
    if to.kind != NumberKind::Extension {
        return Err(unknown(
            "Dialpad transfers to public numbers and extensions only.",
        ));
    }
    let users = api::list(session, "users", &[("state", "active".to_owned())]).await?;
    let same = |user: &&Value| user["extension"].as_str() == Some(to.raw.as_str());
    let user = users
        .iter()
        .find(same)
        .and_then(|user| api::id(&user["id"]));
    let user = user.ok_or_else(|| unknown("No Dialpad user has this extension."))?;
    let target_id = api::int64(&user, "user id")?;
    Ok(json!({ "target_id": target_id, "target_type": "user" }))
}
