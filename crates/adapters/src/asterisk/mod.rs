//! Asterisk: every call of a PBX, seen over ARI (16 and later) or AMI (any version), without a
//! change of its dialplan and without taking a call into our hands.
//!
//! | file | what |
//! |---|---|
//! | `config` | the settings of a connection |
//! | `channel` | channel names, whose endpoint is whose, numbers |
//! | `happening` | one event, in a form that ARI and AMI share |
//! | `ari`, `ami` | from JSON and from AMI messages to happenings |
//! | `facts` | from happenings to signals, with `dialling`, `transfers`, `extras`, `causes` |
//! | `snapshot` | from the list of channels to signals, after a (re)connect |
//! | `live_ari`, `resync` | the WebSocket, and the requests beside it |
//! | `live_ami`, `listing` | the AMI session, and the lists it asks for |
//! | `link` | time limits of both |
//!
//! Set-up, settings and limits for administrators: `docs/adapters/asterisk.md`.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, Inbound, LinkError,
    NotificationSink, Rejection, Transport,
};
use tokio_util::sync::CancellationToken;

use crate::json::{self, Fields};

mod ami;
mod ari;
mod causes;
mod channel;
mod config;
mod dialling;
mod extras;
mod facts;
mod happening;
mod link;
mod listing;
mod live_ami;
mod live_ari;
mod resync;
mod snapshot;
mod transfers;

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct Asterisk;

static SPEC: AdapterSpec = AdapterSpec {
    platform: "asterisk",
    title: "Asterisk",
    summary: "We keep a connection to the PBX open (ARI, or AMI for old ones) and listen to all \
              its calls; the dialplan stays as it is.",
    config: &config::FIELDS,
    capabilities: &[
        Capability::Ringing,
        Capability::Answered,
        Capability::Hold,
        Capability::Transfer,
        Capability::Rejected,
        Capability::Voicemail,
        Capability::Recording,
        Capability::Presence,
        Capability::Queue,
    ],
    lacks: &[],
    transports: &[Transport::Socket],
    bad_signature_status: 401,
};

#[async_trait]
impl Adapter for Asterisk {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        config::check(connection)
    }

    /// Only asked for HTTP; frames of our own socket need no proof, for we logged in at the PBX.
    fn verify<'a>(
        &self,
        _inbound: &Inbound<'a>,
        _connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        Err(Rejection::Unsigned(
            "Asterisk events arrive over the live connection",
        ))
    }

    fn decode(
        &self,
        payload: &[u8],
        connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        let rules = config::rules(connection);
        let setting = facts::Setting {
            rules: &rules,
            plan: &connection.numbers,
        };
        if is_json(payload) {
            let map = json::object(payload)?;
            return Ok(decoded(&ari::statement(Fields::root(&map))?, setting));
        }
        let text = String::from_utf8_lossy(payload);
        let block = ami::Block::parse(text.trim_start());
        let statement = ami::statement(&block)?;
        Ok(statement.map_or_else(Decoded::default, |statement| decoded(&statement, setting)))
    }

    /// ARI: one event a line. AMI: messages end with an empty line.
    fn split<'a>(&self, recorded: &'a [u8]) -> Vec<&'a [u8]> {
        if is_json(recorded) {
            return recorded
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
                .collect();
        }
        ami::split(recorded)
    }

    fn is_live(&self, _connection: &ConnectionContext) -> bool {
        true
    }

    async fn connect(
        &self,
        connection: Arc<ConnectionContext>,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        let fault = |error: DecodeError| LinkError::Misconfigured(error.to_string());
        match config::interface(&connection).map_err(fault)? {
            config::Interface::Ari => {
                let access = config::ari(&connection).map_err(fault)?;
                live_ari::run(&connection, &access, sink.as_ref(), &stop).await
            }
            config::Interface::Ami => {
                let access = config::ami(&connection).map_err(fault)?;
                live_ami::run(&connection, &access, sink.as_ref(), &stop).await
            }
        }
    }
}

fn decoded(statement: &happening::Statement<'_>, setting: facts::Setting<'_>) -> Decoded {
    Decoded {
        signals: facts::signals(statement.at, &statement.happening, setting),
        event: statement.event.to_owned(),
        adoption: None,
    }
}

fn is_json(payload: &[u8]) -> bool {
    payload.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}
