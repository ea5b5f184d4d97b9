//! RingCentral: telephony sessions in, facts out; and its REST API for everything asked of it.
//!
//! Start reading at `decode` (what a change of a party means) with `role` (whose party it is) and
//! `payload` (RingCentral's field names). `mailbox`, `messages` and `presence` are the other
//! events, `predecessor` the JSON of the adapter that came before this one. `api` is how
//! RingCentral is asked; `originate`, `control`, `devices`, `subscription`, `calllog`,
//! `recordings`, `users`, `diagnose` and `oauth` what for; `socket` is the way in for servers
//! without a public address. Set-up and limits: `docs/adapters/ringcentral.md`.

mod api;
mod calllog;
mod control;
mod decode;
mod devices;
mod diagnose;
mod mailbox;
mod messages;
mod oauth;
mod originate;
mod payload;
mod predecessor;
mod presence;
mod recordings;
mod role;
mod socket;
mod spec;
mod subscription;
mod users;
mod verify;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::media::Recording;
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, Inbound, LinkError,
    NotificationSink, Rejection, Reply,
};
use switchhook_engine::command::{
    CallHandle, Check, CommandError, Control, HalfSubscribed, OAuthEndpoints, Originate,
    Originated, RecordingSeen, Session, Subscribed, Wanted,
};
use switchhook_engine::platform_users::UserPage;
use tokio_util::sync::CancellationToken;

use crate::json::{self, Fields};
use payload::Topic;

/// The longest event name kept for the log, in characters.
const MAX_EVENT_NAME: usize = 64;

/// The RingCentral adapter.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingCentral;

/// The key of a telephony session: its id as it is, `s-…`.
fn session_key(session_id: &str) -> String {
    session_id.to_owned()
}

#[async_trait]
impl Adapter for RingCentral {
    fn spec(&self) -> &'static AdapterSpec {
        &spec::SPEC
    }

    fn call_key(&self, external_call_id: &str) -> String {
        session_key(external_call_id)
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if connection
            .text(spec::ACCOUNT_ID)
            .is_some_and(|id| !digits(id))
        {
            return Err(DecodeError::field(spec::ACCOUNT_ID, "must be digits only"));
        }
        if let Some(listed) = routing(connection).iter().find(|id| !digits(id)) {
            let problem = format!("must be extension ids, digits only: `{listed}` is none");
            return Err(DecodeError::field(spec::ROUTING_EXTENSIONS, problem));
        }
        let needs_client = [spec::JWT, spec::CLIENT_SECRET];
        let given = |name: &&str| connection.credentials.contains_key(*name);
        if connection.text(spec::CLIENT_ID).is_none() && needs_client.iter().any(given) {
            let problem = "is needed for the secret or the JWT credential";
            return Err(DecodeError::field(spec::CLIENT_ID, problem));
        }
        if by_socket(connection) && connection.text(spec::CLIENT_ID).is_none() {
            let problem = "is needed to open a socket; without an app events come by webhook only";
            return Err(DecodeError::field(spec::CLIENT_ID, problem));
        }
        Ok(())
    }

    fn handshake(&self, inbound: &Inbound<'_>, _connection: &ConnectionContext) -> Option<Reply> {
        verify::handshake(inbound)
    }

    fn reply(
        &self,
        _payload: &[u8],
        _decoded: &Decoded,
        _connection: &ConnectionContext,
    ) -> Option<Reply> {
        // RingCentral reads nothing but the status, and asks for answers below 1,024 bytes.
        Some(Reply {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json",
            body: Vec::new(),
        })
    }

    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        verify::verify(inbound, connection)
    }

    fn decode(
        &self,
        payload: &[u8],
        connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        let map = json::object(payload)?;
        let root = Fields::root(&map);
        let body = root.object("body", "body")?;
        let event = root.words("event").unwrap_or_default();
        let plan = &connection.numbers;
        let Some(body) = body.filter(|body| !predecessor_form(event, &root, body)) else {
            let body = body.unwrap_or(root);
            let read = predecessor::read(&root, &body, plan)?;
            let (name, signals) = read.ok_or_else(|| {
                root.fault("event", "is missing: this is no event of RingCentral's")
            })?;
            return Ok(decoded(&name, signals));
        };
        let mut tail = event.split('?').next().unwrap_or(event).rsplit('/');
        Ok(match payload::topic(event) {
            Topic::Voicemail => decoded("voicemail", mailbox::signals(event, &root, &body, plan)?),
            Topic::Message => decoded("sms", vec![messages::signal(event, &root, &body, plan)?]),
            Topic::Presence => {
                let signals = presence::signal(event, &root, &body)?;
                decoded("presence", signals.into_iter().collect())
            }
            Topic::Reminder => decoded("subscription", Vec::new()),
            Topic::Session => session(&root, &body, connection)?,
            Topic::Other if body.has("parties") => session(&root, &body, connection)?,
            Topic::Other => decoded(tail.next().unwrap_or_default(), Vec::new()),
        })
    }

    fn account_hint(&self, inbound: &Inbound<'_>) -> Option<String> {
        let map = json::object(inbound.body).ok()?;
        let root = Fields::root(&map);
        if let Some(id) = payload::path_id(root.words("event")?, "account") {
            return Some(id.to_owned());
        }
        let body = root.object("body", "body").ok().flatten()?;
        let Some(Value::Object(party)) = body.list("parties").first() else {
            return None;
        };
        let id = Fields::root(party).id("accountId").ok().flatten()?;
        Some(id.into_owned())
    }

    fn lacks(&self, capability: Capability, connection: &ConnectionContext) -> Option<String> {
        let known = spec::SPEC.lacks.iter().find(|(c, _)| *c == capability);
        if let Some((_, why)) = known {
            return Some((*why).to_owned());
        }
        let signs_in = connection.text(spec::CLIENT_ID).is_some();
        (capability.is_command() && !signs_in).then(|| {
            "The connection only listens: enter the client id of an app and sign in.".to_owned()
        })
    }

    async fn originate(
        &self,
        session: &Session,
        wanted: &Originate,
    ) -> Result<Originated, CommandError> {
        originate::originate(session, wanted).await
    }

    async fn control(
        &self,
        session: &Session,
        call: &CallHandle,
        wanted: &Control,
    ) -> Result<(), CommandError> {
        control::control(session, call, wanted).await
    }

    async fn users(
        &self,
        session: &Session,
        after: Option<&str>,
    ) -> Result<UserPage, CommandError> {
        users::page(session, after).await
    }

    fn oauth(&self, connection: &ConnectionContext) -> Option<OAuthEndpoints> {
        oauth::endpoints(connection)
    }

    fn is_live(&self, connection: &ConnectionContext) -> bool {
        by_socket(connection) && connection.text(spec::CLIENT_ID).is_some()
    }

    fn asks_over_link(&self) -> bool {
        // Over the REST API, which works whether or not events come.
        false
    }

    async fn connect_signed_in(
        &self,
        session: Session,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        socket::run(&session, &*sink, &stop).await
    }

    fn keeps_subscription(&self, connection: &ConnectionContext) -> bool {
        // The subscription of a socket lives and ends with it.
        connection.text(spec::CLIENT_ID).is_some() && !by_socket(connection)
    }

    async fn subscribe(
        &self,
        session: &Session,
        wanted: &Wanted,
    ) -> Result<Subscribed, HalfSubscribed> {
        subscription::subscribe(session, wanted).await
    }

    async fn unsubscribe(&self, session: &Session, state: &Value) -> Result<(), CommandError> {
        subscription::unsubscribe(session, state).await
    }

    async fn diagnose(&self, session: &Session) -> Vec<Check> {
        diagnose::diagnose(session).await
    }

    async fn reconcile(
        &self,
        session: &Session,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Signal>, CommandError> {
        calllog::reconcile(session, from, to).await
    }

    async fn recheck_recording(
        &self,
        session: &Session,
        recording_id: &str,
        known: &Recording,
    ) -> Result<RecordingSeen, CommandError> {
        recordings::recheck(session, recording_id, known).await
    }
}

/// True when events come over a socket of ours.
fn by_socket(connection: &ConnectionContext) -> bool {
    connection.text(spec::TRANSPORT) == Some(spec::WEBSOCKET)
}

/// The extension ids that are no people; a text of several lines is a list too.
fn routing(connection: &ConnectionContext) -> Vec<&str> {
    let lines = match connection.config.get(spec::ROUTING_EXTENSIONS) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.lines().collect(),
        _ => Vec::new(),
    };
    let lines = lines.into_iter().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

/// Only calls and presence exist in the predecessor's form.
fn predecessor_form(event: &str, root: &Fields<'_>, body: &Fields<'_>) -> bool {
    match payload::topic(event) {
        Topic::Session => predecessor::is_predecessor(root, body),
        Topic::Other => !event.starts_with("/restapi/") || body.has("parties"),
        _ => false,
    }
}

fn session(
    root: &Fields<'_>,
    body: &Fields<'_>,
    connection: &ConnectionContext,
) -> Result<Decoded, DecodeError> {
    let session = payload::Session::read(root, body)?;
    let routing = routing(connection);
    let reading = decode::Reading {
        plan: &connection.numbers,
        routing: &routing,
    };
    let (signals, adoption) = decode::signals(&session, reading);
    let code = session.parties.first().map_or("", |p| p.code.as_str());
    Ok(Decoded {
        adoption,
        ..decoded(&format!("session.{code}"), signals)
    })
}

fn decoded(event: &str, signals: Vec<Signal>) -> Decoded {
    let event = event.chars().filter(|c| !c.is_control());
    Decoded {
        signals,
        event: event.take(MAX_EVENT_NAME).collect(),
        adoption: None,
    }
}
