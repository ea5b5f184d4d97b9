//! Dialpad: signed webhooks in, facts out; and asking Dialpad for calls, events and its log.
//!
//! Start reading at `verify` (is it from Dialpad), then the private module `decode` (what a
//! call event means). `payload` and `media` hold Dialpad's field names, `sms` and `presence` the
//! two events that are not about calls, `predecessor` the JSON dialect of the CTI server that
//! came before this one. The other direction: `api` (how to ask at all), `calls`,
//! `subscriptions`, `log`, `users`. Set-up and limits: `docs/adapters/dialpad.md`.

mod api;
mod calls;
mod decode;
mod log;
mod media;
mod payload;
mod predecessor;
mod presence;
mod signature;
mod sms;
mod spec;
mod subscriptions;
mod users;
mod verify;

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::media::Recording;
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, Inbound, KeptHook,
    Rejection,
};
use switchhook_engine::command::{
    CallHandle, Check, CommandError, Control, HalfSubscribed, OAuthEndpoints, Originate,
    Originated, RecordingSeen, Session, Subscribed, Wanted,
};
use switchhook_engine::platform_users::UserPage;

use crate::json::{self, Fields};

pub use signature::{sign_header, sign_jwt};

/// The longest event name kept for the log, in characters.
const MAX_EVENT_NAME: usize = 64;

/// The Dialpad adapter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialpad;

#[async_trait]
impl Adapter for Dialpad {
    fn spec(&self) -> &'static AdapterSpec {
        &spec::SPEC
    }

    fn call_key(&self, external_call_id: &str) -> String {
        payload::key(external_call_id)
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        if let Some(name) = connection.text(spec::SIGNATURE_HEADER) {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if !name.bytes().all(fits) {
                let problem = "must be the name of a header, such as x-dialpad-signature";
                return Err(DecodeError::field(spec::SIGNATURE_HEADER, problem));
            }
        }
        if let Some(id) = connection.text(spec::COMPANY_ID)
            && !id.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(DecodeError::field(spec::COMPANY_ID, "must be digits only"));
        }
        check_asking(connection)
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
        let plan = &connection.numbers;
        if sms::is_message(&root) && !predecessor::is_predecessor(&root) {
            return Ok(decoded("sms", vec![sms::signal(&root, plan)?]));
        }
        if presence::is_presence(&root) {
            let signals = presence::signal(&root)?.into_iter().collect();
            return Ok(decoded("agent_status", signals));
        }
        if root.has("state") && root.has("call_id") {
            let event = payload::CallEvent::read(root)?;
            return Ok(decoded(event.state, decode::signals(&event, plan)?));
        }
        if let Some(event) = predecessor::event_name(&root)? {
            return Ok(decoded(event, predecessor::signals(event, &root, plan)?));
        }
        Err(root.fault(
            "state",
            "is missing: this is no call, SMS or agent-status event",
        ))
    }

    fn account_hint(&self, inbound: &Inbound<'_>) -> Option<String> {
        let payload = verify::unverified_payload(inbound.body)?;
        let map = json::object(&payload).ok()?;
        let root = Fields::root(&map);
        let direct = root
            .first_id(&["company_id", "organization_id", "org_id"])
            .ok()
            .flatten();
        let nested = |name, member| {
            let fields = root.object(name, name).ok().flatten()?;
            fields.id(member).ok().flatten()
        };
        direct
            .or_else(|| nested("company", "id"))
            .or_else(|| nested("target", "office_id"))
            .map(Cow::into_owned)
    }

    fn lacks(&self, capability: Capability, connection: &ConnectionContext) -> Option<String> {
        if capability.is_command() && api::auth(connection).is_none() {
            return Some(api::NO_CREDENTIALS.to_owned());
        }
        let lacks = spec::SPEC.lacks.iter();
        let why = lacks.clone().find(|(lacked, _)| *lacked == capability);
        why.map(|(_, why)| (*why).to_owned())
    }

    async fn originate(
        &self,
        session: &Session,
        originate: &Originate,
    ) -> Result<Originated, CommandError> {
        calls::originate(session, originate).await
    }

    async fn control(
        &self,
        session: &Session,
        call: &CallHandle,
        control: &Control,
    ) -> Result<(), CommandError> {
        calls::control(session, call, control).await
    }

    async fn users(
        &self,
        session: &Session,
        after: Option<&str>,
    ) -> Result<UserPage, CommandError> {
        users::page(session, after).await
    }

    fn oauth(&self, connection: &ConnectionContext) -> Option<OAuthEndpoints> {
        api::oauth(connection)
    }

    fn kept_hook(&self, state: &Value) -> Option<KeptHook> {
        subscriptions::kept_hook(state)
    }

    fn by_hand(&self) -> Option<(&'static str, &'static str)> {
        Some((spec::SUBSCRIPTIONS, "by_hand"))
    }

    fn keeps_subscription(&self, connection: &ConnectionContext) -> bool {
        subscriptions::keeps(connection)
    }

    async fn subscribe(
        &self,
        session: &Session,
        wanted: &Wanted,
    ) -> Result<Subscribed, HalfSubscribed> {
        subscriptions::subscribe(session, wanted).await
    }

    async fn unsubscribe(&self, session: &Session, state: &Value) -> Result<(), CommandError> {
        subscriptions::unsubscribe(session, state).await
    }

    async fn diagnose(&self, session: &Session) -> Vec<Check> {
        log::diagnose(session).await
    }

    async fn reconcile(
        &self,
        session: &Session,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Signal>, CommandError> {
        log::reconcile(session, from, to).await
    }

    async fn recheck_recording(
        &self,
        session: &Session,
        recording_id: &str,
        known: &Recording,
    ) -> Result<RecordingSeen, CommandError> {
        log::recheck_recording(session, recording_id, known).await
    }
}

/// Checks the settings for asking Dialpad.
fn check_asking(connection: &ConnectionContext) -> Result<(), DecodeError> {
    let wrong = |field, problem: &str| Err(DecodeError::field(field, problem));
    let client = connection.text(spec::CLIENT_ID).is_some();
    let secret = connection.credentials.contains_key(spec::CLIENT_SECRET);
    if client && !secret && !connection.credentials.contains_key(spec::API_KEY) {
        return wrong(spec::CLIENT_SECRET, "is needed beside client_id");
    }
    if secret && !client {
        return wrong(spec::CLIENT_ID, "is needed beside client_secret");
    }
    let base = connection
        .text(spec::BASE_URL)
        .unwrap_or(spec::DEFAULT_BASE);
    let base = reqwest::Url::parse(base).ok().filter(|url| {
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&url.host_str().unwrap_or(""));
        url.scheme() == "https" || (url.scheme() == "http" && here)
    });
    if base.is_none() {
        return wrong(
            spec::BASE_URL,
            "must be an https address such as https://dialpad.com",
        );
    }
    let kind = connection.text(spec::TARGET_TYPE).unwrap_or("company");
    let id = connection.text(spec::TARGET_ID);
    if id.is_some_and(|id| id.parse::<u64>().is_err()) {
        return wrong(
            spec::TARGET_ID,
            "must be a whole number, such as 4700000000000001",
        );
    }
    if kind != "company" && id.is_none() {
        return wrong(
            spec::TARGET_ID,
            "is needed: the id of what target_type names",
        );
    }
    let states = connection
        .config
        .get(spec::CALL_STATES)
        .and_then(Value::as_array);
    for state in states.into_iter().flatten() {
        let known = state.as_str().is_some_and(|state| {
            spec::USUAL_STATES.contains(&state) || spec::OTHER_STATES.contains(&state)
        });
        if !known {
            let problem = "must be states of Dialpad's list, such as ringing or hangup";
            return wrong(spec::CALL_STATES, problem);
        }
    }
    Ok(())
}

fn decoded(event: &str, signals: Vec<Signal>) -> Decoded {
    let event = event
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_EVENT_NAME)
        .collect();
    Decoded {
        signals,
        event,
        adoption: None,
    }
}
