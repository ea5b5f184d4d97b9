//! A stand-in for RingCentral's REST API, from its published OpenAPI document and developer
//! guides: tokens, subscriptions that really call the webhook, telephony sessions with state,
//! RingOut and CallOut, devices, presence, call log and recordings; and for its WebSocket gateway.
//! Strict about sign-in, bodies and rate limits. Here: what it remembers, and which request goes
//! where.

mod gateway;
mod limits;
mod log;
mod oauth;
mod subscriptions;
mod telephony;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use switchhook_engine::ports::Clock;

use super::{Answered, Asked, Field, Vendor, check};
use limits::Groups;

pub use gateway::{Gateway, Terms};
pub use limits::Group;

/// The account behind the token.
pub const ACCOUNT: &str = "400100100";

/// RingCentral, as one app of one account sees it.
#[derive(Debug)]
pub struct RingCentral {
    client_id: String,
    client_secret: Option<String>,
    state: Arc<Mutex<State>>,
}

/// An extension of the account.
#[derive(Clone, Debug)]
struct Extension {
    id: String,
    number: String,
    devices: Vec<Value>,
    active_calls: Vec<Value>,
    /// What the list of extensions shows besides.
    person: users::Person,
}

#[derive(Debug)]
struct State {
    clock: Arc<dyn Clock>,
    groups: Groups,
    tokens: oauth::Tokens,
    /// Permissions the app or its user lacks.
    denied: BTreeSet<&'static str>,
    extensions: Vec<Extension>,
    sessions: BTreeMap<String, Value>,
    subscriptions: Vec<subscriptions::Subscription>,
    call_log: Vec<Value>,
    recordings: BTreeMap<String, Value>,
    sockets: gateway::Sockets,
    /// Counts ids up.
    last_id: u64,
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn extension(&self, id: &str) -> Option<&Extension> {
        // `~` is the extension of whoever signed in: the first.
        let own = (id == "~").then(|| self.extensions.first()).flatten();
        own.or_else(|| self.extensions.iter().find(|e| e.id == id))
    }
}

impl RingCentral {
    /// An account with two extensions, 101 (`400100100`, whose user signs in) and 102
    /// (`400100101`), each with one telephone that is online.
    #[must_use]
    pub fn new(client_id: &str, client_secret: Option<&str>, clock: Arc<dyn Clock>) -> Self {
        let extension = |id: &str, number: &str, device: &str| Extension {
            id: id.to_owned(),
            number: number.to_owned(),
            devices: vec![
                json!({ "id": format!("{device}9"), "type": "SoftPhone", "status": "Offline" }),
                json!({ "id": device, "type": "HardPhone", "status": "Online" }),
            ],
            active_calls: Vec::new(),
            person: users::Person::of(number),
        };
        let state = State {
            extensions: vec![
                extension(ACCOUNT, "101", "801000001"),
                extension("400100101", "102", "801000002"),
            ],
            clock,
            groups: Groups::default(),
            tokens: oauth::Tokens::default(),
            denied: BTreeSet::new(),
            sessions: BTreeMap::new(),
            subscriptions: Vec::new(),
            call_log: Vec::new(),
            recordings: BTreeMap::new(),
            sockets: gateway::Sockets::default(),
            last_id: 0,
        };
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.map(str::to_owned),
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets so many requests of a group through in a minute, in place of the published number.
    pub fn allow(&self, group: Group, requests: usize) {
        self.state().groups.allow(group, requests);
    }

    /// Takes a permission away: `CallControl`, `ReadPresence`, `ReadMessages`, `ReadCallLog`,
    /// `ReadCallRecording`, `ReadAccounts`, `RingOut`, `WebSocketsSubscription` or, for the
    /// company's log, `FullCompanyCallLog`.
    pub fn deny(&self, permission: &'static str) {
        self.state().denied.insert(permission);
    }

    /// Takes an extension's telephones off the line.
    pub fn unplug(&self, extension: &str) {
        let mut state = self.state();
        let found = state.extensions.iter_mut().find(|e| e.id == extension);
        if let Some(extension) = found {
            for device in &mut extension.devices {
                device["status"] = json!("Offline");
            }
        }
    }

    /// Shows this among an extension's active calls.
    pub fn talks(&self, extension: &str, active_call: Value) {
        let mut state = self.state();
        let found = state.extensions.iter_mut().find(|e| e.id == extension);
        if let Some(extension) = found {
            extension.active_calls.push(active_call);
        }
    }

    fn route(&self, asked: &Asked) -> Answered {
        let Some(path) = asked.path.strip_prefix("/restapi/v1.0/") else {
            return error(404, "CMN-404", "Resource is not found");
        };
        let parts: Vec<&str> = path.split('/').collect();
        let mut state = self.state();
        match parts.as_slice() {
            ["subscription", rest @ ..] => subscriptions::kept(&mut state, asked, rest),
            ["account", account, rest @ ..] if matches!(*account, "~" | ACCOUNT) => {
                account_route(&mut state, asked, rest)
            }
            _ => error(404, "CMN-102", "Resource is not found"),
        }
    }
}

fn account_route(state: &mut State, asked: &Asked, rest: &[&str]) -> Answered {
    match (asked.method.as_str(), rest) {
        (_, ["telephony", rest @ ..]) => telephony::answer(state, asked, rest),
        ("GET", ["call-log"]) => log::company(state, asked),
        ("GET", ["extension", "~", "call-log"]) => log::own(state, asked),
        ("GET", ["recording", id]) => log::recording(state, id),
        ("POST", ["extension", id, "ring-out"]) => telephony::ring_out(state, asked, id),
        ("GET", ["extension"]) => users::list(state, asked),
        ("GET", ["extension", id, rest @ ..]) => {
            if let Some(refused) = limits::take(state, Group::Light) {
                return refused;
            }
            let Some(extension) = state.extension(id) else {
                return error(
                    404,
                    "CMN-102",
                    "Resource for parameter [extensionId] is not found",
                );
            };
            match rest {
                [] => Answered::json(200, users::shown(extension)),
                ["device"] => Answered::json(200, json!({ "records": extension.devices })),
                ["presence"] => presence(state, extension, asked),
                _ => error(404, "CMN-102", "Resource is not found"),
            }
        }
        _ => error(404, "CMN-102", "Resource is not found"),
    }
}

fn presence(state: &State, extension: &Extension, asked: &Asked) -> Answered {
    if state.denied.contains("ReadPresence") {
        return forbidden("ReadPresence");
    }
    let mut body = json!({ "presenceStatus": "Available", "telephonyStatus": "NoCall",
        "userStatus": "Available", "dndStatus": "TakeAllCalls" });
    if asked.query("detailedTelephonyState") == Some("true") {
        body["activeCalls"] = json!(extension.active_calls);
    }
    Answered::json(200, body)
}

#[async_trait]
impl Vendor for RingCentral {
    async fn answer(&self, asked: &Asked) -> Answered {
        let socket = asked.path == "/restapi/oauth/wstoken";
        if let (false, Some(rest)) = (socket, asked.path.strip_prefix("/restapi/oauth/")) {
            return self.oauth(asked, rest);
        }
        let token = asked.bearer().unwrap_or_default();
        let Some(sign_in) = self.state().tokens.sign_in(token) else {
            return error(401, "OAU-213", "Token not found");
        };
        if socket {
            return gateway::ticket(&mut self.state(), asked, sign_in);
        }
        let has_body = !asked.body.is_empty();
        let json = asked
            .header("content-type")
            .is_some_and(|t| t.starts_with("application/json"));
        if has_body && !json {
            return error(415, "CMN-415", "Unsupported media type");
        }
        let makes = asked.method == "POST" && asked.path == "/restapi/v1.0/subscription";
        if makes {
            return self.subscribe(asked).await;
        }
        self.route(asked)
    }
}

/// RingCentral's form of an error, code and sentence twice.
fn error(status: u16, code: &str, message: &str) -> Answered {
    Answered::json(
        status,
        json!({ "errorCode": code, "message": message,
            "errors": [{ "errorCode": code, "message": message }] }),
    )
}

fn forbidden(permission: &str) -> Answered {
    let message = format!(
        "In order to call this API endpoint, application needs to have [{permission}] permission"
    );
    error(403, "CMN-401", &message)
}

/// A body that does not fit the published fields.
fn fitting(asked: &Asked, fields: &[Field]) -> Result<Value, Answered> {
    let body = asked.json();
    match check(&body, fields) {
        Ok(()) => Ok(body),
        Err(problem) => Err(error(400, "CMN-101", &format!("Parameter {problem}"))),
    }
}
