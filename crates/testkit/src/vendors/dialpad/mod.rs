//! Dialpad's API as far as a CTI needs it: placing and steering calls, webhooks, subscriptions,
//! the call log, share links, OAuth. Strict: bodies and words as published, ids that exist,
//! scopes, limits. Whole numbers of 64 bits are answered as texts, as Dialpad does. Where Dialpad
//! does not say how it refuses, the answer is the strictest of the documented ones.

mod facts;
mod oauth;
mod subscriptions;
mod users;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Answered, Asked, Field, Vendor, Window, check};

pub use oauth::{CLIENT_ID, CLIENT_SECRET};

/// The id of the company.
pub const COMPANY: &str = "4600000000000001";

/// A key or access token.
pub(super) struct Key {
    scopes: Vec<String>,
    admin: bool,
}

/// A call that is going on.
struct Call {
    user: u64,
    over: bool,
}

/// Everything Dialpad has written down.
pub(super) struct Books {
    next: u64,
    keys: BTreeMap<String, Key>,
    users: BTreeMap<u64, Value>,
    calls: BTreeMap<u64, Call>,
    log: Vec<Value>,
    recordings: Vec<String>,
    webhooks: BTreeMap<u64, Value>,
    subscriptions: BTreeMap<(String, u64), Value>,
    windows: BTreeMap<String, Window>,
    redirect_uris: Vec<String>,
    person_agrees: bool,
    codes: BTreeMap<String, oauth::Code>,
    refresh_tokens: BTreeMap<String, String>,
    token_life: u64,
}

impl Books {
    pub(super) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A Dialpad with one company.
pub struct Dialpad(Mutex<Books>);

impl Default for Dialpad {
    fn default() -> Self {
        Self(Mutex::new(Books {
            next: 5_600_000_000_000_000,
            keys: BTreeMap::new(),
            users: BTreeMap::new(),
            calls: BTreeMap::new(),
            log: Vec::new(),
            recordings: Vec::new(),
            webhooks: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            windows: BTreeMap::new(),
            redirect_uris: Vec::new(),
            person_agrees: true,
            codes: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            token_life: 3600,
        }))
    }
}

/// An error as Dialpad commonly writes it.
pub(super) fn error(status: u16, message: &str) -> Answered {
    let errors = [json!({ "domain": "global", "message": message, "reason": "error" })];
    let body = json!({ "error": { "code": status, "message": message, "errors": errors } });
    Answered::json(status, body)
}

impl Dialpad {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows this API key, of a company administrator or not, with these scopes.
    #[must_use]
    pub fn with_key(self, key: &str, admin: bool, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self.books()
            .keys
            .insert(key.to_owned(), Key { scopes, admin });
        self
    }

    /// Knows this user.
    #[must_use]
    pub fn with_user(self, id: u64, extension: &str, number: &str) -> Self {
        let user = json!({
            "id": id.to_string(), "company_id": COMPANY, "display_name": "Ada", "state": "active",
            "emails": ["ada@example.com"], "extension": extension, "phone_numbers": [number],
        });
        self.books().users.insert(id, user);
        self
    }

    /// Sends browsers back to this address.
    #[must_use]
    pub fn with_redirect(self, uri: &str) -> Self {
        self.books().redirect_uris.push(uri.to_owned());
        self
    }

    /// Whether the person who is asked to sign in agrees.
    pub fn person_agrees(&self, agrees: bool) {
        self.books().person_agrees = agrees;
    }

    /// How long new access tokens work, in seconds, as the answer says.
    pub fn token_life(&self, seconds: u64) {
        self.books().token_life = seconds;
    }

    /// Access tokens that were given out stop working.
    pub fn expire_tokens(&self) {
        self.books()
            .keys
            .retain(|key, _| !key.starts_with("access-"));
    }

    /// The administrator takes the app's access back: no token works any more.
    pub fn take_access_back(&self) {
        self.expire_tokens();
        self.books().refresh_tokens.clear();
    }

    /// A call of a user that is going on; its id.
    pub fn call_of(&self, user: u64) -> u64 {
        let mut books = self.books();
        let id = books.id();
        books.calls.insert(id, Call { user, over: false });
        id
    }

    /// A concluded call, as `GET /api/v2/call` shows it.
    pub fn log(&self, call: Value) {
        self.books().log.push(call);
    }

    /// A recording that exists.
    pub fn record(&self, id: &str) {
        self.books().recordings.push(id.to_owned());
    }

    /// The webhooks there are.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Value> {
        self.books().webhooks.values().cloned().collect()
    }

    /// The subscriptions of a kind: `call`, `sms`, `agent_status`.
    #[must_use]
    pub fn subscriptions(&self, kind: &str) -> Vec<Value> {
        let books = self.books();
        let all = books.subscriptions.iter();
        let of_kind = all.filter(|((known, _), _)| known == kind);
        of_kind.map(|(_, value)| value.clone()).collect()
    }

    /// An administrator makes something by hand, outside all limits: a POST below `/api/v2/` with
    /// one of the keys. Gives what Dialpad answers.
    pub fn by_hand(&self, key: &str, path: &str, body: &Value) -> Answered {
        let header = |name: &str, value: String| (name.to_owned(), value);
        let asked = Asked {
            method: "POST".to_owned(),
            path: format!("/api/v2/{path}"),
            query: Vec::new(),
            headers: vec![
                header("authorization", format!("Bearer {key}")),
                header("content-type", "application/json".to_owned()),
            ],
            body: body.to_string().into_bytes(),
        };
        let mut books = self.books();
        let answer = api(&mut books, &asked).unwrap_or_else(|refusal| refusal);
        books.windows.clear();
        answer
    }

    /// An administrator deletes all hooks and subscriptions.
    pub fn forget_subscriptions(&self) {
        let mut books = self.books();
        books.webhooks.clear();
        books.subscriptions.clear();
    }
}

#[async_trait]
impl Vendor for Dialpad {
    async fn answer(&self, asked: &Asked) -> Answered {
        let mut books = self.books();
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/oauth2/authorize") => oauth::authorize(&mut books, asked),
            ("POST", "/oauth2/token") => oauth::token(&mut books, asked),
            ("POST", "/oauth2/deauthorize") => oauth::deauthorize(&mut books, asked),
            _ => api(&mut books, asked).unwrap_or_else(|refusal| refusal),
        }
    }
}

type Result<T> = std::result::Result<T, Answered>;

fn api(books: &mut Books, asked: &Asked) -> Result<Answered> {
    let key = asked.bearer().and_then(|token| books.keys.get(token));
    let Some(key) = key else {
        return Err(error(401, "Invalid credentials"));
    };
    let (admin, scopes) = (key.admin, key.scopes.clone());
    let may = |admin_only: bool, scope: Option<&str>| {
        let lacks = scope.is_some_and(|scope| !scopes.iter().any(|known| known == scope));
        match (admin_only && !admin, lacks) {
            (true, _) => Err(error(403, "Requires a company admin API key")),
            (_, true) => Err(error(403, "The API key lacks a scope")),
            _ => Ok(()),
        }
    };
    within_limits(books, asked)?;
    let Some(path) = asked.path.strip_prefix("/api/v2/") else {
        return Err(error(404, "Not found"));
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("POST", ["call"]) => ring(books, asked),
        ("GET", ["call"]) => {
            may(true, Some("calls:list"))?;
            call_log(books, asked)
        }
        ("PUT", ["call", id, "actions", "hangup"]) => {
            living(books, id)?.over = true;
            Ok(Answered::empty(200))
        }
        ("POST", ["call", id, "transfer"]) => transfer(books, id, asked),
        ("PATCH", ["users", id, "activecall"]) => active_call(books, id, asked),
        ("GET", ["users"]) => users::list(books, asked),
        ("GET", ["company"]) => {
            may(true, None)?;
            let company = json!({ "id": COMPANY, "name": "Acme BV", "state": "active" });
            Ok(Answered::json(200, company))
        }
        ("POST", ["recordingsharelink"]) => share(books, asked),
        (_, ["webhooks", ..]) => subscriptions::webhooks(books, asked, &parts[1..]),
        (_, ["subscriptions", kind, ..]) => {
            may(*kind == "agent_status", None)?;
            subscriptions::subscriptions(books, asked, kind, &parts[2..])
        }
        _ => Err(error(404, "Not found")),
    }
}

fn within_limits(books: &mut Books, asked: &Asked) -> Result<()> {
    let mut groups = vec![("company".to_owned(), facts::COMPANY_LIMIT)];
    let mut group = format!("{} {}", asked.method, asked.path);
    if let Some(user) = asked.json().get("user_id") {
        group = format!("{group} {user}");
    }
    groups.push((group, facts::limit(&asked.method, &asked.path)));
    for (group, (requests, every)) in groups {
        let window = books.windows.entry(group);
        let window = window.or_insert_with(|| Window::new(requests, every));
        if let Err(wait) = window.take() {
            let seconds = wait.as_secs() + 1;
            let refusal = error(429, "Rate limit exceeded");
            return Err(refusal.with("retry-after", seconds.to_string()));
        }
    }
    Ok(())
}

/// The JSON body, checked.
fn body(asked: &Asked, fields: &[Field]) -> Result<Value> {
    let kind = asked.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(error(400, "Content-Type must be application/json"));
    }
    let body = asked.json();
    check(&body, fields).map_err(|fault| error(400, &fault))?;
    Ok(body)
}

/// An int64 of a path.
fn number(text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| error(400, "the id must be an int64"))
}

fn phone(body: &Value, pointer: &str) -> Result<()> {
    let number = body
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default();
    let digits = number.strip_prefix('+').unwrap_or_default();
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(())
        .ok_or_else(|| error(400, "the phone number must be e164-formatted"))
}

/// A page of two, so that every client has to turn pages.
fn page(asked: &Asked, items: &[Value]) -> Result<Answered> {
    const SIZE: usize = 2;
    let from = match asked.query("cursor") {
        None => 0,
        Some(cursor) => cursor
            .strip_prefix("page-")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| error(400, "invalid cursor"))?,
    };
    let shown: Vec<_> = items.iter().skip(from).take(SIZE).collect();
    let mut body = json!({ "items": shown });
    if from + SIZE < items.len() {
        body["cursor"] = format!("page-{}", from + SIZE).into();
    }
    Ok(Answered::json(200, body))
}

fn living<'a>(books: &'a mut Books, id: &str) -> Result<&'a mut Call> {
    let call = books.calls.get_mut(&number(id)?);
    let call = call.ok_or_else(|| error(404, "Call not found"))?;
    if call.over {
        return Err(error(409, "The call is not active"));
    }
    Ok(call)
}

fn ring(books: &mut Books, asked: &Asked) -> Result<Answered> {
    let body = body(asked, facts::RING_CALL)?;
    phone(&body, "/phone_number")?;
    if body["outbound_caller_id"] != "blocked" && !body["outbound_caller_id"].is_null() {
        phone(&body, "/outbound_caller_id")?;
    }
    let user = body["user_id"].as_u64().unwrap_or_default();
    if !books.users.contains_key(&user) {
        return Err(error(404, "User not found"));
    }
    let id = books.id();
    books.calls.insert(id, Call { user, over: false });
    Ok(Answered::json(200, json!({ "call_id": id.to_string() })))
}

fn transfer(books: &mut Books, id: &str, asked: &Asked) -> Result<Answered> {
    let body = body(asked, facts::TRANSFER)?;
    if body["to"].get("number").is_some() {
        phone(&body, "/to/number")?;
    }
    let user = body["to"]["target_id"].as_u64();
    if user.is_some_and(|user| !books.users.contains_key(&user)) {
        return Err(error(404, "Target not found"));
    }
    living(books, id)?.over = true;
    let to = body["to"].get("number").cloned().unwrap_or_default();
    let answer = json!({
        "call_id": id, "transferred_to_number": to, "transferred_to_state": "preanswer",
    });
    Ok(Answered::json(200, answer))
}

fn active_call(books: &mut Books, id: &str, asked: &Asked) -> Result<Answered> {
    let user = number(id)?;
    let body = body(asked, facts::ACTIVE_CALL)?;
    let mut calls = books.calls.iter();
    let call = calls.rfind(|(_, call)| call.user == user && !call.over);
    let (id, _) = call.ok_or_else(|| error(404, "No active call"))?;
    let on = &body["is_recording"];
    let answer = json!({ "call_state": "connected", "id": id.to_string(), "is_recording": on });
    Ok(Answered::json(200, answer))
}

fn call_log(books: &mut Books, asked: &Asked) -> Result<Answered> {
    let known = |name: &str| facts::CALL_LIST.contains(&name);
    if asked.query.iter().any(|(name, _)| !known(name)) {
        return Err(error(400, "unknown parameter"));
    }
    let time = |name: &str| asked.query(name).map(number).transpose();
    let (after, before) = (time("started_after")?, time("started_before")?);
    let within = |call: &&Value| {
        let at = call["date_started"]
            .as_str()
            .and_then(|at| at.parse::<u64>().ok());
        at.is_some_and(|at| at >= after.unwrap_or(0) && at < before.unwrap_or(u64::MAX))
    };
    let items: Vec<_> = books.log.iter().rev().filter(within).cloned().collect();
    page(asked, &items)
}

fn share(books: &mut Books, asked: &Asked) -> Result<Answered> {
    let body = body(asked, facts::SHARE_LINK)?;
    let id = body["recording_id"].as_str().unwrap_or_default().to_owned();
    if !books.recordings.contains(&id) {
        return Err(error(404, "Recording not found"));
    }
    let link = books.id();
    let answer = json!({
        "access_link": format!("https://dialpad.com/shared/recording/{link}"),
        "id": link.to_string(), "item_id": id, "type": body["recording_type"],
        "privacy": body.get("privacy").cloned().unwrap_or_else(|| "owner".into()),
    });
    Ok(Answered::json(200, answer))
}
