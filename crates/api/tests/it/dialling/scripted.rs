//! A platform that does what a test tells it to, and writes down what it was asked.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, Adoption, Capability, ConnectionContext, DecodeError, Decoded, Inbound,
    Rejection, Transport,
};
use switchhook_engine::command::{
    CallHandle, CommandError, Control, Originate, Originated, Session,
};

static SPEC: AdapterSpec = AdapterSpec {
    platform: "scripted",
    title: "Scripted",
    summary: "Posts what a test says.",
    config: &[],
    capabilities: &[
        Capability::Hold,
        Capability::Originate,
        Capability::ControlAnswer,
        Capability::ControlHangUp,
        Capability::ControlReject,
        Capability::ControlHold,
        Capability::ControlTransferBlind,
        Capability::ControlTransferAttended,
        Capability::ControlDtmf,
        Capability::ControlMute,
        Capability::ControlRecording,
    ],
    lacks: &[(Capability::ControlPark, "Scripted has no place to park.")],
    transports: &[Transport::Webhook],
    bad_signature_status: 401,
};

/// How the platform answers a request.
pub(crate) enum Reply {
    /// It accepts, and names the call so.
    Keys(&'static [&'static str]),
    /// It refuses.
    Fail(CommandError),
    /// It answers only after this long.
    Slow(Duration, &'static [&'static str]),
    /// It never answers.
    Never,
    /// The adapter has a fault.
    Panic,
}

/// What the script says and what was asked. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) replies: Arc<Mutex<VecDeque<Reply>>>,
    pub(crate) dialled: Arc<Mutex<Vec<Originate>>>,
    pub(crate) steered: Arc<Mutex<Vec<(CallHandle, Control)>>>,
    pub(crate) refuses: Arc<Mutex<Option<CommandError>>>,
    /// Names the platform lets us choose.
    pub(crate) chosen: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(crate) fn then(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    pub(crate) fn dials(&self) -> usize {
        self.dialled.lock().unwrap().len()
    }
}

pub(crate) struct Scripted(pub(crate) Script);

#[async_trait::async_trait]
impl Adapter for Scripted {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        let given = inbound.header("x-secret");
        let good = connection.webhook_secrets.iter().map(|s| s.expose());
        if good.into_iter().any(|secret| Some(secret) == given) {
            return Ok(Cow::Borrowed(inbound.body));
        }
        Err(Rejection::BadSignature)
    }

    fn decode(
        &self,
        payload: &[u8],
        _connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        let body: Value = serde_json::from_slice(payload).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let adoption = body.get("adoption").map(|adoption| Adoption {
            dialled: text(&adoption["dialled"]).unwrap_or_default(),
            extension: text(&adoption["extension"]),
            user_id: text(&adoption["user_id"]),
        });
        Ok(Decoded {
            signals: serde_json::from_value(body["signals"].clone()).unwrap(),
            event: "scripted".to_owned(),
            adoption,
        })
    }

    fn keys_of(&self, _originate: &Originate) -> Vec<String> {
        self.0.chosen.lock().unwrap().clone()
    }

    async fn originate(
        &self,
        _session: &Session,
        originate: &Originate,
    ) -> Result<Originated, CommandError> {
        self.0.dialled.lock().unwrap().push(originate.clone());
        let reply = self.0.replies.lock().unwrap().pop_front();
        let named = |keys: &[&str]| Originated {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        match reply {
            None => Ok(Originated::default()),
            Some(Reply::Keys(keys)) => Ok(named(keys)),
            Some(Reply::Fail(error)) => Err(error),
            Some(Reply::Slow(time, keys)) => {
                tokio::time::sleep(time).await;
                Ok(named(keys))
            }
            Some(Reply::Never) => std::future::pending().await,
            Some(Reply::Panic) => panic!("the script says so"),
        }
    }

    async fn control(
        &self,
        _session: &Session,
        call: &CallHandle,
        control: &Control,
    ) -> Result<(), CommandError> {
        let asked = (call.clone(), control.clone());
        self.0.steered.lock().unwrap().push(asked);
        self.0.refuses.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}
