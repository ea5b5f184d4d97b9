//! The adapter contract: what a phone platform must be able to do for us.
//!
//! An adapter is a stateless translator. `verify` and `decode` are pure and synchronous: same
//! bytes, same answer, no clock, no network; they are run from fixtures, by property tests and
//! by fuzzers. Only [`Adapter::connect`] touches the network. How to add one:
//! `ARCHITECTURE.md`, "Adding a platform".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_domain::media::Recording;
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::signal::Signal;
use tokio_util::sync::CancellationToken;

use crate::command::{
    CallHandle, Check, CommandError, Control, HalfSubscribed, OAuthEndpoints, Originate,
    Originated, RecordingSeen, Session, Subscribed, Wanted,
};
use crate::outbound::Guard;
use crate::platform_users::UserPage;

/// A text that must not be shown: credentials and webhook secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. Every use of this is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What an adapter says about itself.
#[derive(Clone, Debug)]
pub struct AdapterSpec {
    /// The platform's name in URLs, the API and the database: lower case, no spaces.
    pub platform: &'static str,
    /// The name a person reads.
    pub title: &'static str,
    /// One sentence for the administrator: how events arrive.
    pub summary: &'static str,
    /// The settings of a connection, in the order in which a form should ask for them.
    pub config: &'static [ConfigField],
    /// What it can do.
    pub capabilities: &'static [Capability],
    /// What it cannot do and why, one sentence each for the agent or administrator. Together with
    /// `capabilities` this names every [`Capability`] once.
    pub lacks: &'static [(Capability, &'static str)],
    /// How notifications arrive.
    pub transports: &'static [Transport],
    /// The status code for a bad signature, so that this platform does the least harm with it.
    pub bad_signature_status: u16,
}

impl AdapterSpec {
    /// Why the platform cannot do something, whatever the settings; `None` when it can.
    #[must_use]
    pub fn why_not(&self, capability: Capability) -> Option<String> {
        if self.capabilities.contains(&capability) {
            return None;
        }
        let why = self.lacks.iter().find(|(lacked, _)| *lacked == capability);
        Some(why.map_or_else(
            || format!("{} cannot do this.", self.title),
            |(_, why)| (*why).to_owned(),
        ))
    }
}

/// How notifications arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// The platform posts to us.
    Webhook,
    /// We keep a socket open.
    Socket,
    /// We read a queue.
    Queue,
    /// The platform keeps a socket open to us.
    InboundSocket,
}

/// Something a platform can do. The fixtures must show every reporting capability claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Reports ringing.
    Ringing,
    /// Reports the answer.
    Answered,
    /// Reports hold and resume.
    Hold,
    /// Reports transfers.
    Transfer,
    /// Tells a declined call from a missed one.
    Rejected,
    /// Reports voicemail.
    Voicemail,
    /// Reports recordings.
    Recording,
    /// Reports text messages.
    Messages,
    /// Reports presence.
    Presence,
    /// Reports the queue of a call.
    Queue,
    /// Reports what was said, as text.
    Transcript,
    /// Places a call for an agent.
    Originate,
    /// Picks up for an agent.
    ControlAnswer,
    /// Ends a call.
    ControlHangUp,
    /// Declines a ringing call.
    ControlReject,
    /// Holds and resumes.
    ControlHold,
    /// Transfers without asking first.
    ControlTransferBlind,
    /// Transfers after asking first.
    ControlTransferAttended,
    /// Sends tones.
    ControlDtmf,
    /// Mutes and unmutes.
    ControlMute,
    /// Parks.
    ControlPark,
    /// Pauses and resumes recording.
    ControlRecording,
    /// Lists its users, to find out which of them are agents.
    ListUsers,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 23] = [
        Self::Ringing,
        Self::Answered,
        Self::Hold,
        Self::Transfer,
        Self::Rejected,
        Self::Voicemail,
        Self::Recording,
        Self::Messages,
        Self::Presence,
        Self::Queue,
        Self::Transcript,
        Self::Originate,
        Self::ControlAnswer,
        Self::ControlHangUp,
        Self::ControlReject,
        Self::ControlHold,
        Self::ControlTransferBlind,
        Self::ControlTransferAttended,
        Self::ControlDtmf,
        Self::ControlMute,
        Self::ControlPark,
        Self::ControlRecording,
        Self::ListUsers,
    ];

    /// True for what it can be asked to do, false for what it reports.
    #[must_use]
    pub fn is_command(self) -> bool {
        self >= Self::Originate
    }
}

/// What a setting looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// `http`, `https`, `ws` or `wss` address of something on the internet.
    Url,
    /// The same of a PBX, which may stand in a private network.
    #[serde(rename = "url")]
    PbxUrl,
    /// Host name or address of a PBX, which may stand in a private network.
    #[serde(rename = "text")]
    PbxHost,
    /// Credential: sealed at rest, never returned. May be given by reference
    /// ([`crate::references`]).
    Secret,
    /// Whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// One of the given words.
    Choice(&'static [&'static str]),
    /// Several lines of text, each one value.
    List,
}

/// One setting of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConfigField {
    /// Member of the `config` object.
    pub name: &'static str,
    /// The name a person reads.
    pub label: &'static str,
    /// One sentence of help, with an example.
    pub help: &'static str,
    /// What it looks like.
    pub kind: FieldKind,
    /// True when a connection cannot work without it.
    pub required: bool,
    /// Used when it is not given.
    pub default: Option<&'static str>,
}

/// A connection as an adapter sees it: settings resolved, secrets opened.
#[derive(Clone, Debug)]
pub struct ConnectionContext {
    /// Whose connection.
    pub app_id: AppId,
    /// Our id of it.
    pub id: ConnectionId,
    /// The name the administrator gave it.
    pub name: String,
    /// Settings, defaults filled in; members of [`FieldKind::Secret`] are not here.
    pub config: Map<String, Value>,
    /// Credentials by the name of their setting.
    pub credentials: BTreeMap<String, Secret>,
    /// The webhook secret; a second one while it is being rotated. The first is the newer one.
    pub webhook_secrets: Vec<Secret>,
    /// How to read national numbers.
    pub numbers: NumberPlan,
    /// The way out: every connection to the platform is opened through it.
    pub outbound: Guard,
}

impl ConnectionContext {
    /// A text setting, trimmed; `None` when absent or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.config
            .get(name)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }
}

/// A notification that came by HTTP, before anything is believed of it.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The body exactly as received.
    pub body: &'a [u8],
    /// `Content-Type`, as received; empty when there was none.
    pub content_type: &'a str,
    /// All headers, names in lower case; a value that is no text is left out.
    pub headers: &'a [(String, String)],
    /// The query string, decoded, in order.
    pub query: &'a [(String, String)],
}

impl<'a> Inbound<'a> {
    /// A notification without headers or query, as fixtures and sockets give it.
    #[must_use]
    pub fn body_only(body: &'a [u8]) -> Self {
        Self {
            body,
            content_type: "",
            headers: &[],
            query: &[],
        }
    }

    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first query parameter of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&'a str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why a notification is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no signature where the platform puts one.
    #[error("no signature found; {0}")]
    Unsigned(&'static str),
    /// The signature does not fit the bytes and the secret.
    #[error("the signature does not match")]
    BadSignature,
    /// The bytes are not even in the shape that carries a signature.
    #[error("not a signed body: {0}")]
    Malformed(&'static str),
}

/// Why a believed notification could not be understood. It is kept as `dead` with this reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the format it should be.
    #[error("not readable: {0}")]
    Syntax(String),
    /// A field is missing or has the wrong type; its path is named.
    #[error("field `{field}` {problem}")]
    Field {
        /// Path of the field, such as `target.id`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl DecodeError {
    /// A field at fault.
    #[must_use]
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// An answer in the platform's own form, given in place of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// `Content-Type`; empty for none.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// How a decoded event may belong to a call that was asked for here, where the platform carries
/// nothing of ours back: the engine looks for an open dial with these and joins the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The number dialled, E.164 or an extension.
    pub dialled: String,
    /// The agent's extension, where the event names it.
    pub extension: Option<String>,
    /// The agent's user id at the platform, where the event names it.
    pub user_id: Option<String>,
}

/// What a notification turned out to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// What it says; empty when it is understood but of no interest to a call record.
    pub signals: Vec<Signal>,
    /// The platform's own name of the event, for the event log (`ringing`, `ChannelHold`, …).
    pub event: String,
    /// Set on an outbound call's events by platforms that carry nothing of ours back.
    pub adoption: Option<Adoption>,
}

/// A hook of ours at a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHook {
    /// The platform's id of it.
    pub id: String,
    /// Where it posts to.
    pub url: String,
    /// How the platform signs: algorithm and form, in its own words.
    pub signature: (&'static str, &'static str),
}

/// What became of a notification handed over by a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Committed: delete it at the queue.
    Committed,
    /// Committed as believed but not understood, with the reason: delete it, it is kept here.
    Dead(String),
    /// Not believed; only a digest is kept.
    Rejected(String),
}

/// A socket somebody opened to us, as an adapter sees it: text frames both ways.
#[async_trait]
pub trait FrameSocket: Send {
    /// The next text frame; `None` when the other side is gone.
    async fn receive(&mut self) -> Option<Vec<u8>>;

    /// Sends a text frame; false when the other side is gone.
    async fn send(&mut self, text: String) -> bool;
}

/// What a live socket tells the supervisor about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Connected and subscribed; notifications flow from now on.
    Up,
    /// Not connected; the sentence says why and what to do, for the administrator.
    Down(String),
}

/// Where a live socket puts what it hears. Cheap to clone.
#[async_trait]
pub trait NotificationSink: Send + Sync {
    /// Hands over one frame, in the order received. Returns once there is room in the bounded
    /// queue; frames of one connection are folded in the order of these calls.
    async fn frame(&self, bytes: Vec<u8>);

    /// Hands over what the adapter itself concludes (a snapshot after reconnecting).
    async fn signals(&self, event: &str, signals: Vec<Signal>);

    /// Hands over a message of a queue with what came beside it (`headers` in lower case), and
    /// waits until it is committed. Verified like a webhook. While the database is away this
    /// waits; it fails only when the connection is being stopped or cannot be used.
    async fn deliver(&self, body: &[u8], headers: &[(String, String)]) -> Result<Taken, LinkError>;

    /// Reports the state of the link. Repeating a state changes nothing.
    async fn link(&self, state: LinkState);

    /// Now, by the engine's clock.
    fn now(&self) -> Timestamp;

    /// When the last frame was taken in before this run, if known: the start of a gap.
    fn last_heard(&self) -> Option<Timestamp>;

    /// What the last run of this connection in this process left with [`Self::remember`].
    fn recall(&self) -> Option<Secret> {
        None
    }

    /// Leaves something for the next run: what it needs to go on where this one broke. It is kept
    /// in memory, and forgotten when the connection is changed or the process ends.
    fn remember(&self, _what: Option<Secret>) {}
}

/// Why a live socket came to an end. The supervisor waits and calls `connect` again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// Worth trying again soon.
    #[error("{0}")]
    Retry(String),
    /// Trying again will not help before somebody changes something (credentials, settings).
    #[error("{0}")]
    Misconfigured(String),
}

/// A phone platform. See the module documentation.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// What it is and what it can do.
    fn spec(&self) -> &'static AdapterSpec;

    /// Checks the settings of a new connection beyond what the field list says. The error names
    /// the field at fault.
    fn check_config(&self, _connection: &ConnectionContext) -> Result<(), DecodeError> {
        Ok(())
    }

    /// The key of the call that has this id at the platform, as [`Signal::keys`] spell it. Where
    /// a record shows the id of a leg, that leg's id leads to its call too.
    fn call_key(&self, external_call_id: &str) -> String {
        format!("call:{external_call_id}")
    }

    /// Answers what is no notification but a question of the platform (RingCentral's
    /// `Validation-Token`, a `GET` that tests the address); asked before `verify`.
    fn handshake(&self, _inbound: &Inbound<'_>, _connection: &ConnectionContext) -> Option<Reply> {
        None
    }

    /// The answer the platform expects to a notification that was taken in, where ours will not
    /// do (a routing decision, a size limit).
    fn reply(
        &self,
        _payload: &[u8],
        _decoded: &Decoded,
        _connection: &ConnectionContext,
    ) -> Option<Reply> {
        None
    }

    /// True when the platform can also tell with a `GET`, all of it in the address; `verify` then
    /// sees no body.
    fn tells_by_get(&self) -> bool {
        false
    }

    /// Decides whether the bytes come from the platform: over the raw bytes, in constant time,
    /// failing closed when no secret is set. Returns what `decode` should read, which is the
    /// body itself or what was wrapped in it.
    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection>;

    /// Understands a believed payload.
    fn decode(
        &self,
        payload: &[u8],
        connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError>;

    /// Cuts a recorded stream into notifications, for `switchhook fold` and the fixtures: one a
    /// line, or JSON values one after the other however they are laid out, unless the platform
    /// frames otherwise.
    fn split<'a>(&self, recorded: &'a [u8]) -> Vec<&'a [u8]> {
        split_recorded(recorded)
    }

    /// For webhooks that arrive without a hook id: what in the verified-or-not payload names the
    /// account (Dialpad's company id). Never trusted by itself; the signature is still checked
    /// against the connection it leads to.
    fn account_hint(&self, _inbound: &Inbound<'_>) -> Option<String> {
        None
    }

    /// True when a connection with these settings keeps a socket or queue of ours.
    fn is_live(&self, _connection: &ConnectionContext) -> bool {
        false
    }

    /// True when a connection with these settings waits for the platform to open a socket to us:
    /// while there is none, it is down.
    fn awaits_socket(&self, _connection: &ConnectionContext) -> bool {
        false
    }

    /// True when the platform is asked for things over the live connection, or nothing should be
    /// asked of it while that is down.
    fn asks_over_link(&self) -> bool {
        true
    }

    /// Keeps one live connection until it breaks or `stop` is cancelled. The supervisor adds the
    /// jittered reconnect; this function connects once.
    async fn connect(
        &self,
        _connection: Arc<ConnectionContext>,
        _sink: Arc<dyn NotificationSink>,
        _stop: CancellationToken,
    ) -> Result<(), LinkError> {
        Err(LinkError::Misconfigured(
            "this platform keeps no live connection".to_owned(),
        ))
    }

    /// The same where opening the socket takes a signed-in request; this is what the supervisor
    /// calls.
    async fn connect_signed_in(
        &self,
        session: Session,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        self.connect(session.connection, sink, stop).await
    }

    /// Serves a socket the platform opened to us, after `verify` believed its request headers.
    async fn serve(
        &self,
        _connection: Arc<ConnectionContext>,
        _socket: Box<dyn FrameSocket>,
        _sink: Arc<dyn NotificationSink>,
        _stop: CancellationToken,
    ) -> Result<(), LinkError> {
        Err(LinkError::Misconfigured(
            "this platform opens no socket to us".to_owned(),
        ))
    }

    /// Why this connection cannot do something, one sentence; `None` when it can. The default
    /// reads the spec; override it where settings decide (no AMI user, no OAuth yet).
    fn lacks(&self, capability: Capability, _connection: &ConnectionContext) -> Option<String> {
        self.spec().why_not(capability)
    }

    /// The names the platform's events will give a call we are about to place, where we choose
    /// them ourselves (Asterisk's channel ids): the pending call carries them from the start.
    fn keys_of(&self, _originate: &Originate) -> Vec<String> {
        Vec::new()
    }

    /// Places a call. Asked at most once for each dial; must not repeat a request that may have
    /// been carried out.
    async fn originate(
        &self,
        _session: &Session,
        _originate: &Originate,
    ) -> Result<Originated, CommandError> {
        Err(CommandError::not_supported(
            "This platform places no calls for others.",
        ))
    }

    /// Does something to a call.
    async fn control(
        &self,
        _session: &Session,
        _call: &CallHandle,
        _control: &Control,
    ) -> Result<(), CommandError> {
        Err(CommandError::not_supported(
            "This platform lets nobody else steer its calls.",
        ))
    }

    /// One page of the platform's users, those who can take calls: the first one, or the one that
    /// `after` (a `next` of the page before) names. Changes nothing.
    async fn users(
        &self,
        _session: &Session,
        _after: Option<&str>,
    ) -> Result<UserPage, CommandError> {
        Err(CommandError::not_supported(
            "This platform cannot be asked for its users.",
        ))
    }

    /// How this connection signs in, when it uses OAuth.
    fn oauth(&self, _connection: &ConnectionContext) -> Option<OAuthEndpoints> {
        None
    }

    /// True when a connection with these settings has hooks or subscriptions of ours at the
    /// vendor that we make and keep.
    fn keeps_subscription(&self, _connection: &ConnectionContext) -> bool {
        false
    }

    /// Makes the vendor send us its events, or sees that it still does: idempotent. What is there
    /// already is found and used, what is gone is made anew, what runs out is renewed.
    async fn subscribe(
        &self,
        _session: &Session,
        wanted: &Wanted,
    ) -> Result<Subscribed, HalfSubscribed> {
        Err(HalfSubscribed {
            state: wanted.state.clone(),
            error: CommandError::not_supported("This platform has no subscriptions to keep."),
        })
    }

    /// Takes back at the vendor what `subscribe` made; what is gone already is no error.
    async fn unsubscribe(&self, _session: &Session, _state: &Value) -> Result<(), CommandError> {
        Ok(())
    }

    /// The hook in what `subscribe` made.
    fn kept_hook(&self, _state: &Value) -> Option<KeptHook> {
        None
    }

    /// The setting that leaves hooks and subscriptions to people, and its value then.
    fn by_hand(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Looks at the connection as a doctor would, really calling the platform: the first bad
    /// check is what the administrator is told.
    async fn diagnose(&self, _session: &Session) -> Vec<Check> {
        Vec::new()
    }

    /// What the platform's own call log says of a time we were not listening.
    async fn reconcile(
        &self,
        _session: &Session,
        _from: Timestamp,
        _to: Timestamp,
    ) -> Result<Vec<Signal>, CommandError> {
        Ok(Vec::new())
    }

    /// Looks at one recording again: its link, its expiry, whether it still exists.
    async fn recheck_recording(
        &self,
        _session: &Session,
        _recording_id: &str,
        _known: &Recording,
    ) -> Result<RecordingSeen, CommandError> {
        Err(CommandError::not_supported(
            "This platform cannot be asked about a recording.",
        ))
    }
}

/// The usual way to cut a recorded stream; see [`Adapter::split`].
#[must_use]
pub fn split_recorded(recorded: &[u8]) -> Vec<&[u8]> {
    json_values(recorded).unwrap_or_else(|| {
        recorded
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
            .collect()
    })
}

/// The JSON objects of a text, or `None` when there is anything else in it.
fn json_values(recorded: &[u8]) -> Option<Vec<&[u8]>> {
    let mut values = Vec::new();
    let mut stream =
        serde_json::Deserializer::from_slice(recorded).into_iter::<serde::de::IgnoredAny>();
    let mut from = 0;
    while let Some(value) = stream.next() {
        value.ok()?;
        let cut = recorded.get(from..stream.byte_offset())?.trim_ascii();
        cut.starts_with(b"{").then(|| values.push(cut))?;
        from = stream.byte_offset();
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::json_values;

    #[test]
    fn json_is_cut_however_it_is_laid_out() {
        let one_a_line = b"{\"a\":1}\n{\"b\":2}\n";
        let laid_out = b"{\n  \"a\": 1\n}\n\n{ \"b\": [\n2 ] }\n";
        assert_eq!(
            json_values(one_a_line).unwrap(),
            [&b"{\"a\":1}"[..], b"{\"b\":2}"]
        );
        assert_eq!(json_values(laid_out).unwrap().len(), 2);
        assert_eq!(json_values(b""), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_json_alone_is_cut_by_lines() {
        assert_eq!(json_values(b"eyJh.eyJi.c2ln\n"), None);
        assert_eq!(json_values(b"{\"a\":1}\n{broken\n"), None);
        assert_eq!(json_values(b"1 2 3"), None);
    }
}
