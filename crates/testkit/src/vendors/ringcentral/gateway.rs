//! RingCentral's WebSocket gateway, on a port of its own as RingCentral's is on a host of its own:
//! one-time tokens in the address, `ConnectionDetails` first, one subscription for each session,
//! events, heartbeats, both timeouts, and sessions that can be gone on with for a while.
//!
//! From the developer guides on WebSockets, RingCentral's OpenAPI document and the recovery
//! experiments of a RingCentral engineer (`tylerlong/rc-ws-recover-test`). What a client does that
//! it should not is noted ([`RingCentral::misdeeds`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::super::{Answered, Asked, check, server};
use super::{Group, RingCentral, State, error, forbidden, limits, subscriptions};

/// How long a token for a socket works, in seconds.
const TICKET_LIFE: u64 = 30;
/// Orders that may wait for one socket.
const ORDERS: usize = 1024;

/// What `ConnectionDetails` says, in seconds, and what it does not say.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long after a break a session can be gone on with.
    pub recovery_timeout: u64,
    /// How many events of a break are kept.
    pub recovery_buffer_size: usize,
    /// How long a client may say nothing.
    pub idle_timeout: u64,
    /// How long a connection may last.
    pub absolute_timeout: u64,
    /// How long a subscription lasts that is not renewed.
    pub expires_in: u64,
    /// How often clients are pinged.
    pub ping_every: Duration,
    /// How long a client may take to answer a ping.
    pub pong_within: Duration,
    /// How long the first word takes; nothing may be said before.
    pub first_word_after: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            recovery_timeout: 180,
            recovery_buffer_size: 100,
            idle_timeout: 1_800,
            absolute_timeout: 86_400,
            expires_in: 900,
            ping_every: Duration::from_secs(30),
            pong_within: Duration::from_secs(10),
            first_word_after: Duration::ZERO,
        }
    }
}

/// What is done to an open socket.
#[derive(Debug)]
enum Order {
    Say(String),
    /// The line goes dead, without a word.
    Cut,
    Close,
}

#[derive(Clone, Debug)]
struct Subscribed {
    id: String,
    expires_at: Instant,
}

#[derive(Debug)]
struct Session {
    sign_in: u64,
    sequence: i64,
    /// Every name it had.
    names: BTreeSet<String>,
    subscription: Option<Subscribed>,
    socket: Option<(u64, mpsc::Sender<Order>)>,
    lost_at: Option<Instant>,
    kept: VecDeque<String>,
}

/// What the gateway remembers.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    uri: Option<String>,
    terms: Terms,
    tickets: BTreeMap<String, (u64, Instant)>,
    sessions: BTreeMap<u64, Session>,
    misdeeds: Vec<String>,
    /// How each connection began: the recovery state, or nothing for a new session.
    begun: Vec<Option<String>>,
    heartbeats: usize,
    renewals: usize,
}

/// The open gateway. Closes, with every socket, when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
        let mut state = lock(&self.state);
        state.sockets.uri = None;
        for session in state.sockets.sessions.values_mut() {
            if session.socket.take().is_some() {
                session.lost_at = Some(Instant::now());
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RingCentral {
    /// Opens the gateway.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn open_gateway(&self, terms: Terms) -> io::Result<Gateway> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let uri = format!("ws://{}/ws", listener.local_addr()?);
        let state = self.state.clone();
        {
            let mut state = lock(&state);
            state.sockets.uri = Some(uri);
            state.sockets.terms = terms;
        }
        let task = tokio::spawn(accept(listener, state.clone()));
        Ok(Gateway { state, task })
    }

    /// Tells an event to every subscription over a socket; one without a socket now gets it when
    /// its session goes on. Returns how many have heard it at once.
    pub async fn tell(&self, event: &Value) -> usize {
        let mut to = Vec::new();
        {
            let mut state = self.state();
            let id = state.next_id().to_string();
            let terms = state.sockets.terms;
            for session in state.sockets.sessions.values_mut() {
                let now = Instant::now();
                let Some(subscribed) = &session.subscription else {
                    continue;
                };
                if subscribed.expires_at < now {
                    continue;
                }
                let mut event = event.clone();
                event["subscriptionId"] = json!(subscribed.id);
                session.sequence += 1;
                let text = message("ServerNotification", &id, session, Some(event));
                match &session.socket {
                    Some((_, socket)) => to.push((socket.clone(), text)),
                    None => {
                        session.kept.push_back(text);
                        while session.kept.len() > terms.recovery_buffer_size {
                            session.kept.pop_front();
                        }
                    }
                }
            }
        }
        let told = to.len();
        for (socket, text) in to {
            // A socket that broke meanwhile hears nothing.
            let _ = socket.send(Order::Say(text)).await;
        }
        told
    }

    /// The number of open sockets whose sessions have a subscription.
    #[must_use]
    pub fn listening(&self) -> usize {
        let state = self.state();
        let sessions = state.sockets.sessions.values();
        let up = sessions.filter(|s| s.socket.is_some() && s.subscription.is_some());
        up.count()
    }

    /// Breaks every open socket, without a word.
    pub async fn cut_sockets(&self) {
        self.order(|| Order::Cut).await;
    }

    /// Closes every open socket, politely.
    pub async fn close_sockets(&self) {
        self.order(|| Order::Close).await;
    }

    /// Says this on every open socket.
    pub async fn say(&self, text: &str) {
        self.order(|| Order::Say(text.to_owned())).await;
    }

    /// Loses every session: those that are gone on with fail.
    pub fn forget_sessions(&self) {
        for session in self.state().sockets.sessions.values_mut() {
            session.subscription = None;
            session.kept.clear();
        }
    }

    /// Forgets even the names of sessions that have no socket: going on with one is an error.
    pub fn forget_names(&self) {
        let mut state = self.state();
        state.sockets.sessions.retain(|_, s| s.socket.is_some());
    }

    /// What clients did that they should not have.
    #[must_use]
    pub fn misdeeds(&self) -> Vec<String> {
        self.state().sockets.misdeeds.clone()
    }

    /// How each connection began: `Successful`, `Failed`, or nothing for a new session.
    #[must_use]
    pub fn begun(&self) -> Vec<Option<String>> {
        self.state().sockets.begun.clone()
    }

    /// How many heartbeats came.
    #[must_use]
    pub fn heartbeats(&self) -> usize {
        self.state().sockets.heartbeats
    }

    /// How often subscriptions over sockets were renewed.
    #[must_use]
    pub fn renewals(&self) -> usize {
        self.state().sockets.renewals
    }

    async fn order(&self, order: impl Fn() -> Order) {
        let sockets: Vec<_> = {
            let state = self.state();
            let sessions = state.sockets.sessions.values();
            sessions.filter_map(|s| Some(s.socket.clone()?.1)).collect()
        };
        for socket in sockets {
            // It may have broken by itself.
            let _ = socket.send(order()).await;
        }
    }
}

/// `POST /restapi/oauth/wstoken`.
pub(super) fn ticket(state: &mut State, asked: &Asked, sign_in: u64) -> Answered {
    if let Some(refused) = limits::take(state, Group::Auth) {
        return refused;
    }
    if asked.method != "POST" {
        return error(405, "CMN-405", "Method is not allowed");
    }
    if state.denied.contains("WebSocketsSubscription") {
        return forbidden("WebSocketsSubscription");
    }
    let Some(uri) = state.sockets.uri.clone() else {
        return error(503, "CMN-211", "Service is temporary unavailable");
    };
    let token = format!("U0pDMDFQMDdQQ{:x}/+=", state.next_id());
    let ticket = (sign_in, Instant::now());
    state.sockets.tickets.insert(token.clone(), ticket);
    Answered::json(
        200,
        json!({ "ws_access_token": token, "uri": uri, "expires_in": TICKET_LIFE }),
    )
}

/// A message of the server; it carries the newest name of the session.
fn message(kind: &str, id: &str, session: &mut Session, body: Option<Value>) -> String {
    let name = format!("wsc-{}-{}+/=", session.sign_in, session.sequence);
    session.names.insert(name.clone());
    let meta = json!({ "type": kind, "messageId": id, "status": 200,
        "wsc": { "token": name, "sequence": session.sequence },
        "headers": { "RCRequestId": id } });
    let parts: Vec<Value> = std::iter::once(meta).chain(body).collect();
    Value::Array(parts).to_string()
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        let state = state.clone();
        open.spawn(async move {
            let mut query = Vec::new();
            let mut sign_in = None;
            #[expect(clippy::result_large_err, reason = "the trait's own type")]
            let shake =
                |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
                    query = server::pairs(request.uri().query().unwrap_or_default());
                    sign_in = admitted(&mut lock(&state), request.uri().path(), &query);
                    match sign_in {
                        Some(_) => Ok(response),
                        None => {
                            let mut refused = ErrorResponse::new(None);
                            *refused.status_mut() = axum::http::StatusCode::UNAUTHORIZED;
                            Err(refused)
                        }
                    }
                };
            let socket = tokio_tungstenite::accept_hdr_async(stream, shake).await;
            if let (Ok(socket), Some(sign_in)) = (socket, sign_in) {
                let wsc = query.into_iter().find(|(name, _)| name == "wsc");
                serve(socket, &state, sign_in, wsc.map(|(_, wsc)| wsc)).await;
            }
        });
    }
}

/// The sign-in of a token that was not used yet and is not too old.
fn admitted(state: &mut State, path: &str, query: &[(String, String)]) -> Option<u64> {
    let token = query.iter().find(|(name, _)| name == "access_token");
    let ticket = token.and_then(|(_, token)| state.sockets.tickets.remove(token));
    let known = query
        .iter()
        .all(|(name, _)| matches!(name.as_str(), "access_token" | "wsc"));
    let (sign_in, at) = ticket?;
    if path != "/ws" || !known {
        state.sockets.misdeeds.push(format!("asked for {path}"));
        return None;
    }
    (at.elapsed() < Duration::from_secs(TICKET_LIFE)).then_some(sign_in)
}

/// A socket at work.
struct Line<'a> {
    socket: WebSocketStream<TcpStream>,
    state: &'a Arc<Mutex<State>>,
    session: u64,
    seen: BTreeSet<String>,
}

async fn serve(
    mut socket: WebSocketStream<TcpStream>,
    state: &Arc<Mutex<State>>,
    sign_in: u64,
    wsc: Option<String>,
) {
    let terms = lock(state).sockets.terms;
    if let Ok(Some(Ok(early))) = tokio::time::timeout(terms.first_word_after, socket.next()).await {
        let misdeed = format!("said something before it was told how: {early}");
        lock(state).sockets.misdeeds.push(misdeed);
    }
    let (orders, mut ordered) = mpsc::channel(ORDERS);
    let Some((session, number, words)) = begin(&mut lock(state), sign_in, wsc.as_deref(), orders)
    else {
        let refused = json!([{ "type": "Error", "messageId": "0", "status": 400 },
            { "errorCode": "WSG-400", "message": "Malformed WebSocket session context token" }]);
        let _ = socket.send(Message::text(refused.to_string())).await;
        let _ = socket.close(None).await;
        return;
    };
    let mut line = Line {
        socket,
        state,
        session,
        seen: BTreeSet::new(),
    };
    line.talk(terms, words, &mut ordered).await;
    let mut state = lock(state);
    if let Some(session) = state.sockets.sessions.get_mut(&session)
        && session.socket.as_ref().is_some_and(|(n, _)| *n == number)
    {
        session.socket = None;
        session.lost_at = Some(Instant::now());
    }
}

/// Begins a session or goes on with one: its id, the socket's number and the first words. `None`
/// for a name that is none.
fn begin(
    state: &mut State,
    sign_in: u64,
    wsc: Option<&str>,
    orders: mpsc::Sender<Order>,
) -> Option<(u64, u64, Vec<String>)> {
    let (number, fresh) = (state.next_id(), state.next_id());
    let now = state.clock.now().to_string();
    let sockets = &mut state.sockets;
    let terms = sockets.terms;
    let former = match wsc {
        Some(wsc) => {
            let mut sessions = sockets.sessions.iter();
            let found = sessions.find(|(_, s)| s.names.contains(wsc));
            Some(found.map(|(id, _)| *id)?)
        }
        None => None,
    };
    let failed = former.and_then(|id| {
        let session = sockets.sessions.get(&id)?;
        let late = session
            .lost_at
            .is_some_and(|at| at.elapsed() >= Duration::from_secs(terms.recovery_timeout));
        match session {
            Session { sign_in: other, .. } if *other != sign_in => Some("WSG-1003"),
            Session {
                subscription: None, ..
            } => Some("WSG-1005"),
            _ if late => Some("WSG-1005"),
            _ => None,
        }
    });
    let recovered = former.is_some() && failed.is_none();
    let id = former.filter(|_| recovered).unwrap_or(fresh);
    let session = sockets.sessions.entry(id).or_insert_with(|| Session {
        sign_in,
        sequence: 0,
        names: BTreeSet::new(),
        subscription: None,
        socket: None,
        lost_at: None,
        kept: VecDeque::new(),
    });
    session.sequence += 1;
    session.socket = Some((number, orders));
    session.lost_at = None;
    let mut details = json!({ "creationTime": now, "maxConnectionsPerSession": 50,
        "recoveryBufferSize": terms.recovery_buffer_size,
        "recoveryTimeout": terms.recovery_timeout, "idleTimeout": terms.idle_timeout,
        "absoluteTimeout": terms.absolute_timeout, "maxActiveRequests": 10 });
    let outcome = former.map(|_| if recovered { "Successful" } else { "Failed" });
    if let Some(outcome) = outcome {
        details["recoveryState"] = json!(outcome);
    }
    if let Some(code) = failed {
        details["recoveryErrorCode"] = json!(code);
    }
    let id_of = format!("156eec30-1111-4111-8111-{number:012x}");
    let mut words = vec![message("ConnectionDetails", &id_of, session, Some(details))];
    words.extend(session.kept.drain(..));
    sockets.begun.push(outcome.map(str::to_owned));
    Some((id, number, words))
}

impl Line<'_> {
    async fn talk(&mut self, terms: Terms, words: Vec<String>, orders: &mut mpsc::Receiver<Order>) {
        for word in words {
            if self.socket.send(Message::text(word)).await.is_err() {
                return;
            }
        }
        let idle = Duration::from_secs(terms.idle_timeout);
        let over = tokio::time::sleep(Duration::from_secs(terms.absolute_timeout));
        tokio::pin!(over);
        let mut heard = tokio::time::Instant::now();
        let mut pings = tokio::time::interval(terms.ping_every);
        let mut pinged: Option<tokio::time::Instant> = None;
        pings.tick().await;
        loop {
            tokio::select! {
                message = self.socket.next() => {
                    let Some(Ok(message)) = message else { return };
                    match message {
                        Message::Pong(_) => pinged = None,
                        Message::Close(_) => return,
                        Message::Text(text) => {
                            heard = tokio::time::Instant::now();
                            let Some(answer) = self.answer(&text) else { return };
                            if self.socket.send(Message::text(answer)).await.is_err() {
                                return;
                            }
                        }
                        Message::Ping(_) | Message::Binary(_) | Message::Frame(_) => {}
                    }
                }
                order = orders.recv() => match order {
                    Some(Order::Say(text)) => {
                        if self.socket.send(Message::text(text)).await.is_err() {
                            return;
                        }
                    }
                    Some(Order::Close) => {
                        let _ = self.socket.close(None).await;
                        return;
                    }
                    Some(Order::Cut) | None => return,
                },
                () = &mut over => return self.end("WSG-903", "Absolute timeout expired").await,
                () = tokio::time::sleep_until(heard + idle) => {
                    return self.end("WSG-902", "Idle timeout expired").await;
                }
                _ = pings.tick() => {
                    if pinged.is_some_and(|at| at.elapsed() > terms.pong_within) {
                        self.misdeed("did not answer a ping");
                        return;
                    }
                    pinged.get_or_insert_with(tokio::time::Instant::now);
                    let _ = self.socket.send(Message::Ping(Vec::new().into())).await;
                }
            }
        }
    }

    async fn end(&mut self, code: &str, words: &str) {
        let error = json!([{ "type": "Error", "messageId": "0", "status": 408 },
            { "errorCode": code, "message": words }]);
        let _ = self.socket.send(Message::text(error.to_string())).await;
        let _ = self.socket.close(None).await;
    }

    fn misdeed(&self, what: &str) {
        lock(self.state).sockets.misdeeds.push(what.to_owned());
    }

    /// The answer to a message; `None` for one that ends the socket.
    fn answer(&mut self, text: &str) -> Option<String> {
        let parts: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
        let meta = parts.first().cloned().unwrap_or_default();
        let (kind, id) = (meta["type"].as_str(), meta["messageId"].as_str());
        let Some((kind, id)) = kind.zip(id).filter(|(_, id)| !id.is_empty()) else {
            self.misdeed(&format!("said what is no message: {text}"));
            return None;
        };
        if !self.seen.insert(id.to_owned()) {
            self.misdeed("used the id of a message again");
        }
        let state = self.state.clone();
        let mut state = lock(&state);
        if kind == "Heartbeat" {
            state.sockets.heartbeats += 1;
            if parts.len() != 1 {
                state
                    .sockets
                    .misdeeds
                    .push("a heartbeat has no body".to_owned());
            }
            return Some(json!([{ "type": "Heartbeat", "messageId": id }]).to_string());
        }
        let known = ["type", "messageId", "method", "path", "headers", "query"];
        let fields = meta.as_object().into_iter().flatten();
        let strange = fields
            .map(|(name, _)| name)
            .find(|n| !known.contains(&n.as_str()));
        if kind != "ClientRequest" || strange.is_some() {
            let misdeed = format!("asked in another form: {text}");
            state.sockets.misdeeds.push(misdeed);
            return None;
        }
        let answered = requested(&mut state, self.session, &meta, parts.get(1));
        let session = state.sockets.sessions.get_mut(&self.session)?;
        session.sequence += 1;
        let text = message("ClientRequest", id, session, Some(answered.body));
        let mut parts: Value = serde_json::from_str(&text).unwrap_or_default();
        parts[0]["status"] = json!(answered.status);
        Some(parts.to_string())
    }
}

/// A request over a socket.
fn requested(state: &mut State, id: u64, meta: &Value, body: Option<&Value>) -> Answered {
    let path = meta["path"].as_str().unwrap_or_default();
    let rest = path.strip_prefix("/restapi/v1.0/subscription");
    let parts: Vec<&str> = rest
        .unwrap_or("?")
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let renews = matches!(parts.as_slice(), [_, "renew"]);
    let group = if renews { Group::Light } else { Group::Medium };
    if let Some(refused) = limits::take(state, group) {
        return refused;
    }
    let life = Duration::from_secs(state.sockets.terms.expires_in);
    match (meta["method"].as_str(), parts.as_slice()) {
        (Some("POST"), []) => {
            let body = body.cloned().unwrap_or_default();
            if let Err(problem) = check(&body, subscriptions::BY_SOCKET) {
                return error(400, "CMN-101", &format!("Parameter {problem}"));
            }
            let (filters, disabled) = subscriptions::resolved(state, &body);
            let subscription = format!("2db5fcc4-580e-4581-a277-{:012x}", state.next_id());
            let shown = json!({ "id": subscription, "status": "Active",
                "uri": format!("/restapi/v1.0/subscription/{subscription}"),
                "creationTime": state.clock.now().to_string(),
                "eventFilters": filters, "disabledFilters": disabled,
                "expiresIn": life.as_secs(), "deliveryMode": { "transportType": "WebSocket",
                "encryption": false } });
            if let Some(session) = state.sockets.sessions.get_mut(&id) {
                session.subscription = Some(Subscribed {
                    id: subscription,
                    expires_at: Instant::now() + life,
                });
            }
            Answered::json(200, shown)
        }
        (Some("POST"), [known, "renew"]) => {
            let session = state.sockets.sessions.get_mut(&id);
            let subscribed = session.and_then(|s| s.subscription.as_mut());
            let alive = subscribed.filter(|s| s.id == **known && s.expires_at > Instant::now());
            let Some(subscribed) = alive else {
                let words = "Resource for parameter [subscriptionId] is not found";
                return error(404, "CMN-102", words);
            };
            subscribed.expires_at = Instant::now() + life;
            state.sockets.renewals += 1;
            Answered::json(
                200,
                json!({ "id": known, "status": "Active", "eventFilters":
                    ["/restapi/v1.0/account/400100100/telephony/sessions"],
                    "expiresIn": life.as_secs() }),
            )
        }
        _ => error(404, "CMN-102", "Resource is not found"),
    }
}
