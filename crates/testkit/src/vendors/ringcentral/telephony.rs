//! Telephony sessions with state: a request that does not fit the state of its party is refused
//! with 409, as RingCentral does.

use serde_json::{Value, json};

use super::super::{Answered, Asked, Field, Kind, optional, required};
use super::{ACCOUNT, Group, RingCentral, State, error, fitting, forbidden, limits};

const NUMBER: &[Field] = &[required("phoneNumber", Kind::Text)];
const EXTENSION: &[Field] = &[required("extensionNumber", Kind::Text)];
const DEVICE: &[Field] = &[required("deviceId", Kind::Text)];
const FORWARDING: &[Field] = &[required("forwardingNumberId", Kind::Text)];
const CALL_OUT: &[Field] = &[
    required("from", Kind::Object(DEVICE)),
    required("to", Kind::OneOf(&[NUMBER, EXTENSION])),
    optional("countryId", Kind::Id),
];
const RING_OUT: &[Field] = &[
    required("from", Kind::OneOf(&[NUMBER, FORWARDING])),
    required("to", Kind::Object(NUMBER)),
    optional("callerId", Kind::Object(NUMBER)),
    optional("playPrompt", Kind::Boolean),
    optional("country", Kind::Object(&[required("id", Kind::Text)])),
];
const HOLD: &[Field] = &[optional(
    "proto",
    Kind::Word(&["Auto", "RC", "BroadWorks", "DisconnectHolder"]),
)];
const TARGETS: &[&[Field]] = &[
    NUMBER,
    EXTENSION,
    &[required("voicemail", Kind::Text)],
    &[required("parkOrbit", Kind::Text)],
    &[required("extensionId", Kind::Text)],
];
const BRIDGE: &[Field] = &[
    required("telephonySessionId", Kind::Text),
    required("partyId", Kind::Text),
];
const PARTY: &[Field] = &[required(
    "party",
    Kind::Object(&[
        optional("muted", Kind::Boolean),
        optional("standAlone", Kind::Boolean),
    ]),
)];
const RECORDING: &[Field] = &[required("active", Kind::Boolean)];

impl RingCentral {
    /// Begins a session of an outside caller with one agent's party in that state
    /// (`Proceeding`, `Answered`, …); gives the ids of session and party.
    pub fn session(&self, extension: &str, code: &str) -> (String, String) {
        let mut state = self.state();
        let middle = format!("aa11bb22cc33{:020x}", state.next_id());
        let party = |nth: u8, extension: Value, direction: &str, code: &str| {
            json!({ "id": format!("p-{middle}-{nth}"), "accountId": ACCOUNT,
                "extensionId": extension, "direction": direction,
                "status": { "code": code }, "muted": false, "recordings": [] })
        };
        let parties = json!([
            party(1, Value::Null, "Outbound", "Answered"),
            party(2, json!(extension), "Inbound", code)
        ]);
        let id = format!("s-{middle}");
        let session = json!({ "id": id, "origin": { "type": "Call" }, "parties": parties });
        state.sessions.insert(id.clone(), session);
        (id, format!("p-{middle}-2"))
    }

    /// A party as it stands now; `Null` when there is none.
    #[must_use]
    pub fn party(&self, session: &str, party: &str) -> Value {
        let mut state = self.state();
        let found = find(&mut state, session, party);
        found.map_or(Value::Null, |party| party.clone())
    }

    /// The sessions there are.
    #[must_use]
    pub fn sessions(&self) -> Vec<Value> {
        self.state().sessions.values().cloned().collect()
    }
}

fn find<'s>(state: &'s mut State, session: &str, party: &str) -> Option<&'s mut Value> {
    let parties = state.sessions.get_mut(session)?.get_mut("parties")?;
    let mut parties = parties.as_array_mut()?.iter_mut();
    parties.find(|p| p["id"].as_str() == Some(party))
}

pub(super) fn answer(state: &mut State, asked: &Asked, rest: &[&str]) -> Answered {
    let places = rest == ["call-out"];
    let group = if places { Group::Heavy } else { Group::Light };
    if let Some(refused) = limits::take(state, group) {
        return refused;
    }
    if state.denied.contains("CallControl") {
        return forbidden("CallControl");
    }
    match (asked.method.as_str(), rest) {
        ("POST", ["call-out"]) => call_out(state, asked),
        ("GET", ["sessions", id]) => match state.sessions.get(*id) {
            Some(session) => Answered::json(200, session.clone()),
            None => unknown(),
        },
        ("DELETE", ["sessions", id]) => match state.sessions.get_mut(*id) {
            Some(session) => {
                let parties = session["parties"].as_array_mut();
                for party in parties.into_iter().flatten() {
                    party["status"] = json!({ "code": "Disconnected" });
                }
                Answered::empty(204)
            }
            None => unknown(),
        },
        (_, ["sessions", id, "parties", party, "bridge"]) => bridge(state, asked, id, party),
        (_, ["sessions", id, "parties", party, action @ ..]) => {
            let devices = devices_of(state, id, party);
            let next = state.next_id();
            let Some(found) = find(state, id, party) else {
                return unknown();
            };
            of_party(found, asked, action, &devices, next)
        }
        _ => unknown(),
    }
}

fn unknown() -> Answered {
    let message = "Resource for parameter [telephonySessionId] is not found";
    error(404, "CMN-102", message)
}

fn devices_of(state: &mut State, session: &str, party: &str) -> Vec<String> {
    let extension = find(state, session, party).map(|p| p["extensionId"].clone());
    let extension = extension.and_then(|id| id.as_str().map(str::to_owned));
    let found = extension.and_then(|id| state.extension(&id).cloned());
    let devices = found.map(|e| e.devices).unwrap_or_default();
    let ids = devices.iter().filter_map(|d| d["id"].as_str());
    ids.map(str::to_owned).collect()
}

/// What may be asked of one party, and in which states.
fn of_party(
    party: &mut Value,
    asked: &Asked,
    action: &[&str],
    devices: &[String],
    next: u64,
) -> Answered {
    let code = party["status"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let ringing = matches!(code.as_str(), "Setup" | "Proceeding");
    let up = matches!(code.as_str(), "Answered" | "Hold");
    let wrong = || error(409, "TAS-102", &format!("The party is in the state {code}"));
    let plain = asked.body.is_empty();
    let status = |code: &str| json!({ "code": code });
    match (asked.method.as_str(), action) {
        ("GET", []) => return Answered::json(200, party.clone()),
        ("PATCH", []) => match fitting(asked, PARTY) {
            Ok(_) if !up => return wrong(),
            Ok(body) => party["muted"] = body["party"]["muted"].clone(),
            Err(refused) => return refused,
        },
        ("POST", ["hold"]) => {
            if let (false, Err(refused)) = (plain, fitting(asked, HOLD)) {
                return refused;
            }
            if code != "Answered" {
                return wrong();
            }
            party["status"] = status("Hold");
        }
        ("POST", ["unhold"]) if plain && code == "Hold" => party["status"] = status("Answered"),
        ("POST", ["answer"]) => match fitting(asked, DEVICE) {
            Ok(body) if !devices.iter().any(|d| body["deviceId"] == **d) => {
                return error(400, "CMN-101", "Parameter [deviceId] value is invalid");
            }
            Ok(_) if !ringing => return wrong(),
            Ok(_) => party["status"] = status("Answered"),
            Err(refused) => return refused,
        },
        ("POST", ["reject"]) if plain && ringing => {
            party["status"] = json!({ "code": "Disconnected", "reason": "Rejected" });
            return Answered::empty(204);
        }
        ("POST", ["transfer"]) => {
            let body = asked.json();
            let fitting = TARGETS.iter().filter(|t| super::check(&body, t).is_ok());
            if fitting.count() != 1 {
                return error(400, "CMN-101", "Parameter [target] value is invalid");
            }
            if !up {
                return wrong();
            }
            party["status"] = json!({ "code": "Disconnected", "reason": "BlindTransfer" });
        }
        ("POST", ["park"]) if plain && up => {
            party["status"] = status("Parked");
            return Answered::json(201, party.clone());
        }
        ("POST", ["recordings"]) if plain && up => {
            let recording = json!({ "id": next.to_string(), "active": true });
            party["recordings"] = json!([recording]);
            return Answered::json(201, recording);
        }
        ("PATCH", ["recordings", id]) => {
            let recordings = party["recordings"].as_array_mut();
            let mut recordings = recordings.into_iter().flatten();
            let Some(recording) = recordings.find(|r| r["id"].as_str() == Some(id)) else {
                return unknown();
            };
            match fitting(asked, RECORDING) {
                Ok(body) => recording["active"] = body["active"].clone(),
                Err(refused) => return refused,
            }
            return Answered::json(200, recording.clone());
        }
        ("POST", ["unhold" | "reject" | "park" | "recordings"]) if plain => return wrong(),
        _ => return error(400, "CMN-101", "The request is not one of call control"),
    }
    Answered::json(200, party.clone())
}

/// Two parties of one agent, both up, become one conversation of the others.
fn bridge(state: &mut State, asked: &Asked, session: &str, party: &str) -> Answered {
    let body = match fitting(asked, BRIDGE) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (other_session, other) = (word("telephonySessionId"), word("partyId"));
    let read = |state: &mut State, session: &str, party: &str| {
        find(state, session, party).map(|p| (p["extensionId"].clone(), p["status"].clone()))
    };
    let one = read(state, session, party);
    let two = read(state, &other_session, &other);
    let (Some((mine, first)), Some((theirs, second))) = (one, two) else {
        return unknown();
    };
    if mine != theirs || mine.is_null() {
        return error(403, "TAS-104", "The parties are of two extensions");
    }
    let up = |status: &Value| matches!(status["code"].as_str(), Some("Answered" | "Hold"));
    if !up(&first) || !up(&second) {
        return error(409, "TAS-102", "A party is in the wrong state");
    }
    let gone = |session: &str, party: &str| {
        json!({ "code": "Gone", "reason": "AttendedTransfer",
            "peerId": { "telephonySessionId": session, "partyId": party } })
    };
    if let Some(found) = find(state, &other_session, &other) {
        found["status"] = gone(session, party);
    }
    let Some(found) = find(state, session, party) else {
        return unknown();
    };
    found["status"] = gone(&other_session, &other);
    Answered::json(200, found.clone())
}

fn call_out(state: &mut State, asked: &Asked) -> Answered {
    let body = match fitting(asked, CALL_OUT) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let device = &body["from"]["deviceId"];
    let online = |d: &Value| d["id"] == *device && d["status"] == "Online";
    let owner = state
        .extensions
        .iter()
        .find(|e| e.devices.iter().any(online));
    let Some(owner) = owner.map(|e| e.id.clone()) else {
        return error(400, "CMN-101", "Parameter [from.deviceId] value is invalid");
    };
    let middle = format!("cc99bb22cc33{:020x}", state.next_id());
    let id = format!("s-{middle}");
    let session = json!({ "id": id, "origin": { "type": "CallOut" },
        "creationTime": state.clock.now().to_string(),
        "parties": [{ "id": format!("p-{middle}-1"), "accountId": ACCOUNT,
            "extensionId": owner, "direction": "Outbound", "from": { "deviceId": device },
            "to": body["to"], "status": { "code": "Setup" }, "recordings": [] }] });
    state.sessions.insert(id, session.clone());
    Answered::json(201, json!({ "session": session }))
}

/// The two-leg call; its answer names no telephony session.
pub(super) fn ring_out(state: &mut State, asked: &Asked, extension: &str) -> Answered {
    if let Some(refused) = limits::take(state, Group::Heavy) {
        return refused;
    }
    if state.denied.contains("RingOut") {
        return forbidden("RingOut");
    }
    if state.extension(extension).is_none() {
        return unknown();
    }
    if let Err(refused) = fitting(asked, RING_OUT) {
        return refused;
    }
    let id = format!("Y3MxNzI2NjI2{}", state.next_id());
    let status = json!({ "callStatus": "InProgress", "callerStatus": "InProgress",
        "calleeStatus": "InProgress" });
    Answered::json(
        200,
        json!({ "id": id, "uri": format!("{}/{id}", asked.path), "status": status }),
    )
}
