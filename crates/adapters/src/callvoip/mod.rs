//! CallVoip: signed events of a relay, the platform's own dial-plan webhook, and requests to an
//! API that each customer describes in the settings.
//!
//! Start reading at `verify` (two ways of being believed), then `event` (which fields the dialects
//! use) and `decode` (what an event means). `native` is the dial plan's one-shot webhook, `api` the
//! requests out. Set-up and limits: `docs/adapters/callvoip.md`.

mod api;
mod decode;
mod event;
mod native;
mod spec;
mod template;
mod verify;

use std::borrow::Cow;

use async_trait::async_trait;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, Inbound, Rejection,
    Reply, Secret,
};
use switchhook_engine::command::{
    CallHandle, Check, CommandError, Control, Originate, Originated, Session,
};

use crate::json::{self, Fields, label};
use crate::signed;

/// The CallVoip adapter.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallVoip;

#[async_trait]
impl Adapter for CallVoip {
    fn spec(&self) -> &'static AdapterSpec {
        &spec::SPEC
    }

    fn call_key(&self, external_call_id: &str) -> String {
        event::key(external_call_id)
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        verify::check_config(connection)?;
        api::check_config(connection)
    }

    fn tells_by_get(&self) -> bool {
        // The dial plan's Webhook block posts or gets, as it is set.
        true
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
        let map = native::object(payload)?;
        let root = Fields::root(&map);
        let plan = &connection.numbers;
        match root.text("event")? {
            Some(name) => {
                let (signals, adoption) = decode::signals(name, root, plan)?;
                Ok(Decoded {
                    signals,
                    event: label(name),
                    adoption,
                })
            }
            None => Ok(Decoded {
                signals: native::signals(&root, plan)?,
                event: native::EVENT.to_owned(),
                adoption: None,
            }),
        }
    }

    fn reply(
        &self,
        _payload: &[u8],
        decoded: &Decoded,
        connection: &ConnectionContext,
    ) -> Option<Reply> {
        (decoded.event == native::EVENT).then(|| native::reply(connection))
    }

    fn account_hint(&self, inbound: &Inbound<'_>) -> Option<String> {
        let map = json::object(inbound.body).ok()?;
        let id = Fields::root(&map).id("com_id").ok()?;
        id.map(Cow::into_owned)
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
            return api::lacks(capability, connection);
        }
        None
    }

    async fn originate(
        &self,
        session: &Session,
        originate: &Originate,
    ) -> Result<Originated, CommandError> {
        api::originate(session, originate).await
    }

    async fn control(
        &self,
        session: &Session,
        call: &CallHandle,
        control: &Control,
    ) -> Result<(), CommandError> {
        api::control(session, call, control).await
    }

    async fn diagnose(&self, session: &Session) -> Vec<Check> {
        api::diagnose(session).await
    }
}

/// The value of `X-Pipelinq-Signature` for a body.
#[must_use]
pub fn sign(body: &[u8], secret: &Secret) -> String {
    signed::hex_of(secret, body)
}
