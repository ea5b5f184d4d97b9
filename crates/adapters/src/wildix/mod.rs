//! Wildix: signed events in by webhook or queue, requests to the PBX out.
//!
//! Start reading at `verify` (is it from Wildix), then `event` (the envelope), then `first` and
//! `second` (what the two generations of call events mean). `queue` reads the SQS channel,
//! `control` places and steers calls, `users` lists colleagues.
//! Set-up and limits: `docs/adapters/wildix.md`.

mod api;
mod beside;
mod cause;
mod control;
mod doctor;
mod event;
mod first;
mod flow;
mod media;
#[cfg(feature = "sqs")]
mod queue;
mod s2s;
mod second;
mod spec;
mod users;
mod verify;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, Inbound, LinkError,
    NotificationSink, Rejection, Secret,
};
use switchhook_engine::command::{
    CallHandle, Check, CommandError, Control, Originate, Originated, Session,
};
use switchhook_engine::platform_users::UserPage;
use tokio_util::sync::CancellationToken;

use crate::json::{self, Fields, label};
use crate::signed;
use event::Event;

/// The Wildix adapter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wildix;

#[async_trait]
impl Adapter for Wildix {
    fn spec(&self) -> &'static AdapterSpec {
        &spec::SPEC
    }

    fn call_key(&self, external_call_id: &str) -> String {
        event::key(external_call_id)
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        api::check_config(connection)?;
        check_queue(connection)
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
        let kind = root
            .text("type")?
            .ok_or_else(|| root.fault("type", "is missing: this is no event of Wildix"))?;
        let plan = &connection.numbers;
        let event = || Event::read(root);
        let (signals, adoption) = match kind {
            "call:start" | "call:update" | "call:end" => first::signals(&event()?, kind, plan)?,
            "call:live:progress"
            | "call:live:completed"
            | "call:live:interrupted"
            | "call:completed" => second::signals(&event()?, kind, plan)?,
            "presence:telephony" | "presence:user" => {
                let signal = beside::presence(&event()?, kind)?;
                (signal.into_iter().collect(), None)
            }
            "sms:status" => (vec![beside::message(&event()?, plan)?], None),
            // call:live:transcription, conference:*, presence:conference, chat events, and
            // whatever is invented later: kept in the event log, no part of a record.
            _ => (Vec::new(), None),
        };
        Ok(Decoded {
            signals,
            event: label(kind),
            adoption,
        })
    }

    fn account_hint(&self, inbound: &Inbound<'_>) -> Option<String> {
        let map = json::object(inbound.body).ok()?;
        let root = Fields::root(&map);
        let found = root.first_id(&["company", "pbx", "integrationId"]).ok()?;
        found.map(Cow::into_owned)
    }

    fn is_live(&self, connection: &ConnectionContext) -> bool {
        connection.text(spec::SQS_URL).is_some()
    }

    #[cfg(feature = "sqs")]
    async fn connect(
        &self,
        connection: Arc<ConnectionContext>,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        queue::consume(&connection, sink.as_ref(), &stop).await
    }

    #[cfg(not(feature = "sqs"))]
    async fn connect(
        &self,
        _connection: Arc<ConnectionContext>,
        _sink: Arc<dyn NotificationSink>,
        _stop: CancellationToken,
    ) -> Result<(), LinkError> {
        Err(LinkError::Misconfigured(
            "This build cannot read SQS queues: it was made without the feature `sqs`.".to_owned(),
        ))
    }

    fn lacks(&self, capability: Capability, connection: &ConnectionContext) -> Option<String> {
        if let Some((_, why)) = spec::SPEC
            .lacks
            .iter()
            .find(|(what, _)| *what == capability)
        {
            return Some((*why).to_owned());
        }
        if capability.is_command() {
            return api::unusable(connection);
        }
        None
    }

    async fn originate(
        &self,
        session: &Session,
        originate: &Originate,
    ) -> Result<Originated, CommandError> {
        control::originate(session, originate).await
    }

    async fn control(
        &self,
        session: &Session,
        call: &CallHandle,
        control: &Control,
    ) -> Result<(), CommandError> {
        control::control(session, call, control).await
    }

    async fn users(
        &self,
        session: &Session,
        after: Option<&str>,
    ) -> Result<UserPage, CommandError> {
        users::page(session, after).await
    }

    async fn diagnose(&self, session: &Session) -> Vec<Check> {
        doctor::diagnose(session).await
    }
}

/// The settings of the queue belong together.
fn check_queue(connection: &ConnectionContext) -> Result<(), DecodeError> {
    for (name, most) in [
        (spec::SQS_MAX_RECEIVES, 100),
        (spec::SQS_VISIBILITY, 43_200),
    ] {
        let given = connection.config.get(name);
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
        if given.is_some_and(|given| !number(given).is_some_and(|n| (1..=most).contains(&n))) {
            let problem = format!("must be a whole number from 1 to {most}");
            return Err(DecodeError::field(name, problem));
        }
    }
    if connection.text(spec::SQS_URL).is_none() {
        return Ok(());
    }
    if !cfg!(feature = "sqs") {
        let problem = "cannot be used: this build was made without the feature `sqs`";
        return Err(DecodeError::field(spec::SQS_URL, problem));
    }
    if connection.text(spec::SQS_KEY_ID).is_none() {
        let problem = "is required to read the queue";
        return Err(DecodeError::field(spec::SQS_KEY_ID, problem));
    }
    if !connection.credentials.contains_key(spec::SQS_SECRET_KEY) {
        let problem = "is required to read the queue";
        return Err(DecodeError::field(spec::SQS_SECRET_KEY, problem));
    }
    if region(connection).is_none() {
        let problem = "is required: the queue's address does not name its region";
        return Err(DecodeError::field(spec::SQS_REGION, problem));
    }
    Ok(())
}

/// The queue's region: as set, or from `https://sqs.<region>.amazonaws.com/…`; anything will do
/// for a server that is not AWS.
fn region(connection: &ConnectionContext) -> Option<String> {
    if let Some(region) = connection.text(spec::SQS_REGION) {
        return Some(region.to_owned());
    }
    let url = reqwest::Url::parse(connection.text(spec::SQS_URL)?).ok()?;
    let host = url.host_str()?;
    let mut parts = host.split('.');
    let named = match (parts.next(), parts.next()) {
        (Some("sqs" | "sqs-fips"), Some(region)) => Some(region),
        (Some(region), Some("queue")) => Some(region),
        _ => None,
    };
    let amazon = host.contains(".amazonaws.com") || host.contains(".api.aws");
    match named.filter(|_| amazon) {
        Some(region) => Some(region.to_owned()),
        None if connection.text(spec::SQS_ENDPOINT).is_some() => Some("us-east-1".to_owned()),
        None => None,
    }
}

/// The value of `x-signature` for a body, as Wildix makes it.
#[must_use]
pub fn sign(body: &[u8], secret: &Secret) -> String {
    signed::hex_of(secret, body)
}
