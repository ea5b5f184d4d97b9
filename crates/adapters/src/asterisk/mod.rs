//! Asterisk: every call of a PBX, seen over ARI (16 and later) or AMI (any version), without a
//! change of its dialplan and without taking a call into our hands.
//!
//! | file | what |
//! |---|---|
//! | `form`, `config` | the settings of a connection: what is asked, what it means |
//! | `channel` | channel names, whose endpoint is whose, numbers |
//! | `happening` | one event, in a form that ARI and AMI share |
//! | `ari`, `ami` | from JSON and from AMI messages to happenings |
//! | `facts` | from happenings to signals, with `dialling`, `transfers`, `extras`, `causes` |
//! | `snapshot` | from the list of channels to signals, after a (re)connect |
//! | `live_ari`, `outbound` | the WebSocket that we open, and the one that the PBX opens |
//! | `hearing`, `resync`, `rest` | what both do with frames, what they ask, and how |
//! | `live_ami`, `listing` | the AMI session that listens, and the lists it asks for |
//! | `ami_session`, `ami_actions` | AMI on the wire, and one session for one command |
//! | `relay`, `relay_extras`, `verify` | posted events, and whether to believe them |
//! | `reach`, `originate`, `control` | placing and steering calls |
//! | `users` | the agents' endpoints |
//! | `diagnose` | the doctor |
//! | `link` | time limits |
//!
//! Set-up, settings and limits for administrators: `docs/adapters/asterisk.md`.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Capability, ConnectionContext, DecodeError, Decoded, FrameSocket,
    Inbound, LinkError, NotificationSink, Rejection, Transport,
};
use switchhook_engine::command::{
    CallHandle, Check, CommandError, Control, Originate, Originated, Session,
};
use switchhook_engine::platform_users::UserPage;
use tokio_util::sync::CancellationToken;

use self::config::Interface;
use crate::json::{self, Fields};

mod ami;
mod ami_actions;
mod ami_session;
mod ari;
mod causes;
mod channel;
mod config;
mod control;
mod diagnose;
mod dialling;
mod extras;
mod facts;
mod form;
mod happening;
mod hearing;
mod link;
mod listing;
mod live_ami;
mod live_ari;
mod originate;
mod outbound;
mod reach;
mod relay;
mod relay_extras;
mod rest;
mod resync;
mod snapshot;
mod transfers;
mod users;
mod verify;

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct Asterisk;

static SPEC: AdapterSpec = AdapterSpec {
    platform: "asterisk",
    title: "Asterisk",
    summary: "We keep a connection to the PBX open (ARI, or AMI for old ones), or the PBX keeps \
              one to us, and listen to all its calls; the dialplan stays as it is. Or a script \
              at the PBX posts its events.",
    config: &form::FIELDS,
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
        Capability::Originate,
        Capability::ControlAnswer,
        Capability::ControlHangUp,
        Capability::ControlReject,
        Capability::ControlHold,
        Capability::ControlTransferBlind,
        Capability::ControlTransferAttended,
        Capability::ControlDtmf,
        Capability::ControlMute,
        Capability::ControlPark,
        Capability::ControlRecording,
        Capability::ListUsers,
    ],
    lacks: &[
        (
            Capability::Messages,
            "Asterisk carries text messages between phones but keeps none of them.",
        ),
        (
            Capability::Transcript,
            "Asterisk does not write down what is said.",
        ),
    ],
    transports: &[
        Transport::Socket,
        Transport::InboundSocket,
        Transport::Webhook,
    ],
    bad_signature_status: 401,
};

#[async_trait]
impl Adapter for Asterisk {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn call_key(&self, external_call_id: &str) -> String {
        format!("chan:{external_call_id}")
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        config::check(connection)
    }

    /// Only asked for HTTP; frames of a socket need no proof, for somebody logged in before.
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
        let rules = config::rules(connection);
        let setting = facts::Setting {
            rules: &rules,
            plan: &connection.numbers,
        };
        if is_json(payload) {
            let map = json::object(payload)?;
            if map.contains_key("type") || !is_relayed(&map) {
                return Ok(decoded(&ari::statement(Fields::root(&map))?, setting));
            }
            let text = relay::lines(&map);
            let (event, signals) = relay::signals(&ami::Block::parse(&text), setting)?;
            return Ok(Decoded {
                signals,
                event,
                adoption: None,
            });
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

    fn is_live(&self, connection: &ConnectionContext) -> bool {
        let interface = config::interface(connection);
        matches!(interface, Ok(Interface::Ari | Interface::Ami) | Err(_))
    }

    fn awaits_socket(&self, connection: &ConnectionContext) -> bool {
        config::interface(connection) == Ok(Interface::AriOutbound)
    }

    async fn connect(
        &self,
        connection: Arc<ConnectionContext>,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        let fault = |error: DecodeError| LinkError::Misconfigured(error.to_string());
        match config::interface(&connection).map_err(fault)? {
            Interface::Ari => {
                let access = config::ari(&connection).map_err(fault)?;
                live_ari::run(&connection, &access, sink.as_ref(), &stop).await
            }
            Interface::Ami => {
                let access = config::ami(&connection).map_err(fault)?;
                live_ami::run(&connection, &access, sink.as_ref(), &stop).await
            }
            Interface::AriOutbound | Interface::Relay => Err(LinkError::Misconfigured(
                "with this interface the PBX comes to us".to_owned(),
            )),
        }
    }

    async fn serve(
        &self,
        connection: Arc<ConnectionContext>,
        socket: Box<dyn FrameSocket>,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        outbound::serve(&connection, socket, sink.as_ref(), &stop).await
    }

    fn lacks(&self, capability: Capability, connection: &ConnectionContext) -> Option<String> {
        let never = SPEC.lacks.iter().find(|(lacked, _)| *lacked == capability);
        match never {
            Some((_, why)) => Some((*why).to_owned()),
            None => control::lacks(capability, connection),
        }
    }

    fn keys_of(&self, originate: &Originate) -> Vec<String> {
        originate::keys(originate)
    }

    async fn originate(
        &self,
        session: &Session,
        originate: &Originate,
    ) -> Result<Originated, CommandError> {
        originate::place(&session.connection, originate).await
    }

    async fn control(
        &self,
        session: &Session,
        call: &CallHandle,
        control: &Control,
    ) -> Result<(), CommandError> {
        control::carry_out(&session.connection, call, control).await
    }

    async fn users(
        &self,
        session: &Session,
        _after: Option<&str>,
    ) -> Result<UserPage, CommandError> {
        users::all(&session.connection).await
    }

    async fn diagnose(&self, session: &Session) -> Vec<Check> {
        diagnose::all(&session.connection).await
    }
}

/// True for an event of a relay; an event of ARI has a `type`.
fn is_relayed(map: &serde_json::Map<String, serde_json::Value>) -> bool {
    let named = |name: &str| name.eq_ignore_ascii_case("event") || name == "event_type";
    map.keys().any(|name| named(name))
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
