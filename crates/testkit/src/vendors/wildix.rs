//! A Wildix PBX, as far as its API reaches calls: call control v2 (or a PBX too old for it), the
//! older Originate, and the list of colleagues. Written from docs.wildix.com, the PBX's own
//! `/api/v1/doc/` and the vendor's `s2s-client-php`: strict about sign-in and bodies, and it keeps
//! the calls it was told of.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answered, Asked, Field, Kind, Vendor, check, optional, required};

/// How a request may prove itself.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// A simple token or a company API key.
    Token(String),
    /// A server-to-server application.
    Application {
        /// `X-APP-ID`.
        id: String,
        /// `iss`.
        name: String,
        /// The key of the token's signature.
        secret: String,
    },
}

/// A call as the PBX lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whose list it is on.
    pub user: String,
    /// `sipCallId`.
    pub id: String,
    /// `callerNumber`.
    pub caller: String,
    /// `calleeNumber`.
    pub callee: String,
    /// `RINGING`, `TALKING` or `HOLD`.
    pub state: String,
}

/// The PBX.
#[derive(Debug)]
pub struct Wildix {
    /// What it accepts.
    pub sign_in: SignIn,
    /// False for a PBX whose WMS has no call control v2.
    pub has_call_control: bool,
    /// Its extensions.
    pub users: Vec<String>,
    /// Extensions of people of whom more is known: name and e-mail address.
    pub people: Vec<(String, String, String)>,
    /// Now, in seconds since 1970; tokens are looked at by it.
    pub now: i64,
    calls: Mutex<Vec<Listed>>,
}

const MAKE_CALL: &[Field] = &[
    required("destination", Kind::Text),
    optional("device", Kind::Text),
];
const CALL: &[Field] = &[required("sipCallId", Kind::Text)];
const ANSWER: &[Field] = &[
    required("sipCallId", Kind::Text),
    optional("device", Kind::Text),
];
const HANG_UP: &[Field] = &[
    required("sipCallId", Kind::Text),
    optional("reason", Kind::Text),
];
const TRANSFER: &[Field] = &[
    required("sipCallId", Kind::Text),
    required("destination", Kind::Text),
];
const DTMF: &[Field] = &[
    required("sipCallId", Kind::Text),
    required("digits", Kind::Text),
];
const ORIGINATE: &[Field] = &[
    required("channel", Kind::Text),
    required("context", Kind::Text),
    required("exten", Kind::Text),
    required("priority", Kind::Text),
    optional("async", Kind::Text),
    optional("callerid", Kind::Text),
    optional("timeout", Kind::Text),
    optional("variable", Kind::Text),
    optional("account", Kind::Text),
];

impl Wildix {
    /// A PBX with these extensions and no calls.
    #[must_use]
    pub fn new(sign_in: SignIn, users: &[&str]) -> Self {
        Self {
            sign_in,
            has_call_control: true,
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            people: Vec::new(),
            now: 0,
            calls: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listed>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls it has.
    #[must_use]
    pub fn calls(&self) -> Vec<Listed> {
        self.lock().clone()
    }

    /// A call that came about without the API.
    pub fn add(&self, user: &str, id: &str, caller: &str, callee: &str) {
        self.lock().push(Listed {
            user: user.to_owned(),
            id: id.to_owned(),
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            state: "TALKING".to_owned(),
        });
    }

    /// Ends every call of that id.
    pub fn remove(&self, id: &str) {
        self.lock().retain(|call| call.id != id);
    }

    fn accepts(&self, asked: &Asked) -> bool {
        let Some(token) = asked.bearer() else {
            return false;
        };
        match &self.sign_in {
            SignIn::Token(known) => token == known,
            SignIn::Application { id, name, secret } => {
                let named = asked.header("x-app-id") == Some(id);
                named && self.is_signed(asked, token, (id, name, secret))
            }
        }
    }

    /// Whether the token is the application's, in time, and made for this very request.
    fn is_signed(&self, asked: &Asked, token: &str, app: (&str, &str, &str)) -> bool {
        let (id, name, secret) = app;
        let Some((head, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            return false;
        };
        mac.update(head.as_bytes());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        if mac.verify_slice(&signature).is_err() {
            return false;
        }
        let claims = head.split('.').nth(1);
        let claims = claims.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let claims: Value = claims
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default();
        let (from, until) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        let in_time = from.is_some_and(|from| from <= self.now + 60)
            && until.is_some_and(|until| until > self.now && until <= self.now + 360);
        let host = asked.header("host").unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let mut canonical = format!("{}{}", asked.method, asked.path);
        canonical.push_str(&pairs(vec![
            ("host".to_owned(), host.to_owned()),
            ("x-app-id".to_owned(), id.to_owned()),
        ]));
        canonical.push_str(&pairs(asked.query.clone()));
        if asked.method == "POST" {
            let body = asked.json();
            let members = body.as_object().into_iter().flatten();
            let flat = members.map(|(name, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), text)
            });
            canonical.push_str(&pairs(flat.collect()));
        }
        let digest = Sha256::digest(canonical.as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        in_time
            && claims["iss"] == *name
            && claims["sign"]["alg"] == "sha256"
            && claims["sign"]["headers"] == json!(["Host", "X-APP-ID"])
            && claims["sign"]["hash"] == digest
    }

    /// The list with its window; a PBX gives no more than a hundred at a time.
    fn colleagues(&self, asked: &Asked) -> Answered {
        let known = [
            "count",
            "start",
            "fields",
            "fields[]",
            "search",
            "searchFields",
        ];
        let strange = |name: &str| !known.contains(&name);
        if asked.query.iter().any(|(name, _)| strange(name)) {
            return refused(400, "Bad Request");
        }
        let number = |name: &str, default: usize| match asked.query(name) {
            None => Some(default),
            Some(text) => text.parse().ok(),
        };
        let Some((start, count)) = number("start", 0).zip(number("count", 100)) else {
            return refused(400, "Bad Request");
        };
        let plain = self.users.iter().map(|user| {
            json!({ "id": format!("7{user}"), "extension": user, "name": format!("User {user}") })
        });
        let people = self.people.iter().map(|(extension, name, email)| {
            json!({ "id": format!("7{extension}"), "extension": extension, "name": name,
                "email": email, "mobilePhone": "", "officePhone": "" })
        });
        let total = self.users.len() + self.people.len();
        let shown = plain.chain(people).skip(start).take(count.min(100));
        result(&json!({ "records": shown.collect::<Vec<_>>(), "total": total }))
    }

    fn originate(&self, asked: &Asked) -> Answered {
        let body = asked.json();
        if let Err(problem) = check(&body, ORIGINATE) {
            return refused(400, &problem);
        }
        let channel = body["channel"].as_str().unwrap_or_default();
        let user = channel
            .strip_prefix("Local/")
            .and_then(|c| c.strip_suffix("@users"));
        if !user.is_some_and(|user| self.users.iter().any(|known| known == user)) {
            return refused(404, "Not Found");
        }
        result(&json!("Success"))
    }

    fn call_control(&self, asked: &Asked, action: &str) -> Answered {
        let user = asked.query("user").unwrap_or_default();
        if !self.has_call_control || !self.users.iter().any(|known| known == user) {
            return refused(404, "Not Found");
        }
        let body = asked.json();
        let fields = match (asked.method.as_str(), action) {
            ("GET", "list-calls") => return self.listed(user),
            ("POST", "make-call") => MAKE_CALL,
            ("POST", "answer") => ANSWER,
            ("POST", "hangup") => HANG_UP,
            ("POST", "hold" | "unhold") => CALL,
            ("POST", "blind-transfer" | "attendant-transfer") => TRANSFER,
            ("POST", "dtmf") => DTMF,
            _ => return refused(404, "Not Found"),
        };
        if let Err(problem) = check(&body, fields) {
            return refused(400, &problem);
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if action == "make-call" {
            let mut calls = self.lock();
            let id = format!("made-{}@pbx", calls.len());
            calls.push(Listed {
                user: user.to_owned(),
                id,
                caller: user.to_owned(),
                callee: text("destination"),
                state: "RINGING".to_owned(),
            });
            return result(&json!({}));
        }
        self.steer(user, action, &text("sipCallId"))
    }

    fn listed(&self, user: &str) -> Answered {
        let calls = self.calls().into_iter().filter(|call| call.user == user);
        let calls: Vec<Value> = calls
            .map(|call| {
                json!({ "sipCallId": call.id, "callerNumber": call.caller, "callerName": "",
                    "calleeNumber": call.callee, "calleeName": "", "state": call.state,
                    "duration": 3 })
            })
            .collect();
        result(&json!({ "calls": calls }))
    }

    fn steer(&self, user: &str, action: &str, id: &str) -> Answered {
        let mut calls = self.lock();
        let found = calls
            .iter()
            .position(|call| call.user == user && call.id == id);
        let Some(at) = found else {
            return refused(404, "Not Found");
        };
        let call = &mut calls[at];
        let (from, to) = match action {
            "answer" => ("RINGING", "TALKING"),
            "hold" => ("TALKING", "HOLD"),
            "unhold" => ("HOLD", "TALKING"),
            "hangup" | "blind-transfer" => {
                calls.remove(at);
                return result(&json!({}));
            }
            _ => return result(&json!({})),
        };
        if call.state != from {
            return refused(409, "Conflict");
        }
        to.clone_into(&mut call.state);
        result(&json!({}))
    }
}

/// `name:value;`, sorted by name in lower case.
fn pairs(mut of: Vec<(String, String)>) -> String {
    of.iter_mut()
        .for_each(|(name, _)| name.make_ascii_lowercase());
    of.sort();
    let written = of
        .iter()
        .map(|(name, value)| format!("{name}:{};", value.trim()));
    written.collect()
}

fn result(what: &Value) -> Answered {
    Answered::json(200, json!({ "type": "result", "result": what }))
}

/// As the PBX says no.
#[must_use]
pub fn refused(status: u16, reason: &str) -> Answered {
    let reason = format!("{status} {reason}");
    let body = json!({ "type": "error", "reason": reason, "code": status });
    Answered::json(status, body)
}

#[async_trait]
impl Vendor for Wildix {
    async fn answer(&self, asked: &Asked) -> Answered {
        if !self.accepts(asked) {
            return refused(401, "Unauthorized");
        }
        let path = asked.path.as_str();
        if let Some(action) = path.strip_prefix("/api/v2/call-control/") {
            return self.call_control(asked, action);
        }
        match (asked.method.as_str(), path) {
            ("GET", "/api/v1/PBX/Colleagues") => self.colleagues(asked),
            ("POST", "/api/v1/Originate") => self.originate(asked),
            _ => refused(404, "Not Found"),
        }
    }
}
