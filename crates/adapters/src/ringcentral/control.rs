//! Steering a call by the agent's party of its telephony session (platforms.md, section 2.3).
//! All requests are of the Light group; 409 means that the party is in no state for it.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_engine::command::{CallHandle, CallLeg, CommandError, Control, Fault, Session};

use super::originate::{call_out, dialled};
use super::{api, devices, session_key};

/// The agent's party of a call.
struct Target<'a> {
    session_id: String,
    leg: &'a CallLeg,
}

impl<'a> Target<'a> {
    fn of(call: &'a CallHandle) -> Result<Self, CommandError> {
        let leg = call.agent_leg().filter(|leg| api::is_id(&leg.id));
        let found = leg.and_then(|leg| {
            let session_id = session_of(&leg.id, &call.keys)?;
            Some(Self { session_id, leg })
        });
        found.ok_or_else(|| {
            let detail = "No party of the agent is known of this call at RingCentral.";
            CommandError::new(Fault::Gone, detail)
        })
    }

    fn path(&self, action: &str) -> String {
        api::party(&self.session_id, &self.leg.id, action)
    }
}

/// The session a party belongs to: ids of both share their middle (`p-<id>-2`, `s-<id>`); else
/// the only session the call has.
fn session_of(party_id: &str, keys: &[String]) -> Option<String> {
    let sessions = || {
        keys.iter()
            .filter(|key| key.starts_with("s-") && api::is_id(key))
    };
    let middle = party_id
        .strip_prefix("p-")
        .and_then(|id| id.rsplit_once('-'));
    let own = middle.map(|(middle, _)| session_key(&format!("s-{middle}")));
    let own = own.filter(|own| sessions().any(|key| key == own));
    own.or_else(|| {
        let mut all = sessions();
        let first = all.next()?;
        all.next().is_none().then(|| first.clone())
    })
}

/// See [`switchhook_engine::adapter::Adapter::control`].
pub(super) async fn control(
    session: &Session,
    call: &CallHandle,
    control: &Control,
) -> Result<(), CommandError> {
    let target = Target::of(call)?;
    let post = async |action: &str, body: Option<Value>| {
        let path = target.path(action);
        let answer = api::ask(session, Method::POST, &path, api::LIGHT, body).await;
        answer.map(drop)
    };
    match control {
        Control::Answer => {
            let extension = target.leg.user_id.as_deref();
            let named = call.agent.device_id.as_deref();
            let device = devices::find(session, named, extension).await?;
            let device = device.ok_or_else(|| devices::none("answer with"))?;
            post("/answer", Some(json!({ "deviceId": device }))).await
        }
        Control::HangUp => {
            let path = api::account(&format!("telephony/sessions/{}", target.session_id));
            let answer = api::ask(session, Method::DELETE, &path, api::LIGHT, None).await;
            answer.map(drop)
        }
        Control::Reject => post("/reject", None).await,
        Control::Hold => post("/hold", Some(json!({ "proto": "Auto" }))).await,
        Control::Resume => post("/unhold", None).await,
        Control::TransferBlind { to } => {
            let name = match to.kind {
                NumberKind::Extension => "extensionNumber",
                _ => "phoneNumber",
            };
            post("/transfer", Some(json!({ name: dialled(to)? }))).await
        }
        Control::TransferAttended { to } => attended(session, call, &target, to).await,
        Control::Mute { on } => {
            let body = json!({ "party": { "muted": on } });
            let path = target.path("");
            let answer = api::ask(session, Method::PATCH, &path, api::LIGHT, Some(body)).await;
            answer.map(drop)
        }
        Control::Park => post("/park", None).await,
        Control::Recording { on } => record(session, &target, *on).await,
        Control::Dtmf { .. } => Err(CommandError::not_supported(
            "RingCentral's call control has no request that sends tones.",
        )),
    }
}

/// Asking first: asked for the first time, the customer is put on hold and the agent's telephone
/// calls the target. Asked again once the target has answered, the two calls are joined
/// (`bridge`, which wants two parties of one agent).
async fn attended(
    session: &Session,
    call: &CallHandle,
    target: &Target<'_>,
    to: &PhoneNumber,
) -> Result<(), CommandError> {
    let extension = target.leg.user_id.as_deref().filter(|id| api::is_id(id));
    let extension = extension.ok_or_else(|| devices::none("ask with"))?;
    let path = format!("extension/{extension}/presence?detailedTelephonyState=true");
    let path = api::account(&path);
    let answer = api::ask(session, Method::GET, &path, api::LIGHT, None).await?;
    let asking = consultation(
        &answer.json,
        &target.session_id,
        to,
        &session.connection.numbers,
    );
    match asking {
        Some(Consultation::Ringing) => {
            let detail = "The person asked has not answered yet.";
            Err(CommandError::new(Fault::State, detail))
        }
        Some(Consultation::Up { session_id, party }) => {
            let body = json!({ "telephonySessionId": session_id, "partyId": party });
            let path = target.path("/bridge");
            let answer = api::ask(session, Method::POST, &path, api::LIGHT, Some(body)).await;
            answer.map(drop)
        }
        None => {
            dialled(to)?;
            let named = call.agent.device_id.as_deref();
            let device = devices::find(session, named, Some(extension)).await?;
            let device = device.ok_or_else(|| devices::none("ask with"))?;
            let hold = Some(json!({ "proto": "Auto" }));
            let path = target.path("/hold");
            let held = api::ask(session, Method::POST, &path, api::LIGHT, hold).await;
            // Already on hold is as good.
            if let Err(error) = held
                && error.fault != Fault::State
            {
                return Err(error);
            }
            call_out(session, &device, to).await.map(drop)
        }
    }
}

/// The agent's other call, to the person asked.
#[derive(Debug, PartialEq, Eq)]
enum Consultation {
    Ringing,
    Up { session_id: String, party: String },
}

/// Finds it among the agent's active calls.
fn consultation(
    presence: &Value,
    session_id: &str,
    to: &PhoneNumber,
    plan: &NumberPlan,
) -> Option<Consultation> {
    let calls = presence.get("activeCalls")?.as_array()?;
    calls.iter().find_map(|call| {
        let word = |name| call.get(name).and_then(Value::as_str);
        let other = word("telephonySessionId").filter(|id| *id != session_id)?;
        let dialled = PhoneNumber::parse(word("to")?, plan);
        let asked = word("direction") == Some("Outbound")
            && dialled.canonical().is_some()
            && dialled.canonical() == to.canonical();
        if !asked {
            return None;
        }
        match word("telephonyStatus") {
            Some("CallConnected" | "OnHold") => Some(Consultation::Up {
                session_id: other.to_owned(),
                party: word("partyId")?.to_owned(),
            }),
            Some("Ringing") => Some(Consultation::Ringing),
            _ => None,
        }
    })
}

/// A recording that exists is paused and resumed; without one, recording begins.
async fn record(session: &Session, target: &Target<'_>, on: bool) -> Result<(), CommandError> {
    let answer = api::ask(session, Method::GET, &target.path(""), api::LIGHT, None).await?;
    let recordings = answer.json.get("recordings").and_then(Value::as_array);
    let is_active = |recording: &&Value| recording.get("active") == Some(&Value::Bool(true));
    let mut all = recordings.into_iter().flatten();
    let found = if on {
        all.next_back()
    } else {
        all.rfind(is_active)
    };
    let id = found.and_then(|recording| recording.get("id")?.as_str());
    let (method, path, body) = match (id.filter(|id| api::is_id(id)), on) {
        (Some(_), true) if found.as_ref().is_some_and(is_active) => return Ok(()),
        (Some(id), on) => {
            let path = target.path(&format!("/recordings/{id}"));
            (Method::PATCH, path, Some(json!({ "active": on })))
        }
        (None, true) => (Method::POST, target.path("/recordings"), None),
        (None, false) => {
            let detail = "This call is not being recorded.";
            return Err(CommandError::new(Fault::State, detail));
        }
    };
    let answer = api::ask(session, method, &path, api::LIGHT, body).await;
    answer.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_names_its_session() {
        let keys = ["mailbox:1:2:3", "s-aa11", "s-bb22"].map(str::to_owned);
        assert_eq!(session_of("p-bb22-1", &keys).as_deref(), Some("s-bb22"));
        assert_eq!(session_of("cs17-2", &keys), None, "which of the two?");
        assert_eq!(session_of("cs17-2", &keys[..2]).as_deref(), Some("s-aa11"));
    }
}
