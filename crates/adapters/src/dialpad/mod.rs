//! Dialpad: signed webhooks in, facts out.
//!
//! Start reading at `verify` (is it from Dialpad), then the private module `decode` (what a
//! call event means). `payload` and `media` hold Dialpad's field names, `sms` and `presence` the
//! two events that are not about calls, `predecessor` the JSON dialect of the CTI server that
//! came before this one. Set-up and limits: `docs/adapters/dialpad.md`.

mod decode;
mod media;
mod payload;
mod predecessor;
mod presence;
mod signature;
mod sms;
mod spec;
mod verify;

use std::borrow::Cow;

use async_trait::async_trait;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, ConnectionContext, DecodeError, Decoded, Inbound, Rejection,
};

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
        Ok(())
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
}

fn decoded(event: &str, signals: Vec<switchhook_domain::signal::Signal>) -> Decoded {
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
