//! What we ask of a phone platform: to place a call, to steer one, to send us its events. The
//! adapter turns these words into the platform's requests ([`crate::adapter::Adapter`]); who may
//! ask for what is decided before ([`crate::dial`], [`crate::control`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::id::DialId;
use switchhook_domain::media::Recording;
use switchhook_domain::phone::PhoneNumber;
use switchhook_domain::signal::LegKind;

use crate::adapter::{Capability, ConnectionContext, Secret};
use crate::ports::Clock;

/// Whose fault a failed request is, and so what may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The platform cannot do it, or not with this connection's settings.
    NotSupported,
    /// The platform does not accept our credentials: sign in again, or give others.
    Credentials,
    /// The credentials are good but lack a right or a scope.
    Permission,
    /// A setting of the connection is wrong.
    Settings,
    /// The agent's device is not there or not registered.
    Device,
    /// The number or extension asked for is not one the platform can reach.
    Target,
    /// The call is over or not known to the platform.
    Gone,
    /// The call is in no state for this (holding a call that is held).
    State,
    /// Too many requests; wait as long as is said.
    RateLimited,
    /// The platform failed.
    Platform,
    /// The platform did not answer, or could not be reached, before it can have heard us.
    Unreachable,
    /// We do not know whether it was done: the answer was lost. Never repeated by itself when it
    /// costs money.
    Uncertain,
}

impl Fault {
    /// The machine word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSupported => "not_supported",
            Self::Credentials => "credentials",
            Self::Permission => "permission",
            Self::Settings => "settings",
            Self::Device => "device",
            Self::Target => "target",
            Self::Gone => "gone",
            Self::State => "state",
            Self::RateLimited => "rate_limited",
            Self::Platform => "platform",
            Self::Unreachable => "unreachable",
            Self::Uncertain => "uncertain",
        }
    }

    /// True when the same request may work a little later without anybody changing anything.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Platform | Self::Unreachable | Self::Uncertain
        )
    }
}

/// A request to a platform that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// Whose fault it is.
    pub fault: Fault,
    /// One sentence for the agent or administrator: what is wrong and what to do. No secrets and
    /// no numbers in it.
    pub detail: String,
    /// How long to wait before the next try, when the platform said.
    pub retry_after: Option<Duration>,
}

impl CommandError {
    /// A failure.
    #[must_use]
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self {
            fault,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The platform cannot do this, and why.
    #[must_use]
    pub fn not_supported(why: impl Into<String>) -> Self {
        Self::new(Fault::NotSupported, why)
    }

    /// The same, to be tried again after that time.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for CommandError {}

/// Where access tokens come from. The engine keeps them, refreshed ahead of expiry by one node
/// at a time.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// A token that is good now.
    async fn token(&self) -> Result<Secret, CommandError>;

    /// The platform refused this token although it should be good: gets another one, once.
    async fn renew(&self, refused: &Secret) -> Result<Secret, CommandError>;
}

/// Keeps requests to one account below the vendor's limits.
#[async_trait]
pub trait Limits: Send + Sync + fmt::Debug {
    /// Waits for its turn in a group of requests. Fails with [`Fault::RateLimited`] when the wait
    /// would be longer than `patience`.
    async fn turn(&self, limit: &RateLimit, patience: Duration) -> Result<(), CommandError>;

    /// The vendor said "too many": nothing of the group goes out before that time has passed.
    fn hold_back(&self, limit: &RateLimit, wait: Duration);

    /// As [`Self::turn`], for a limit the vendor counts for each user or number of the account
    /// (`whom`) rather than for the account.
    async fn turn_for(
        &self,
        limit: &RateLimit,
        _whom: &str,
        patience: Duration,
    ) -> Result<(), CommandError> {
        self.turn(limit, patience).await
    }

    /// As [`Self::hold_back`], for one user or number of the account.
    fn hold_back_for(&self, limit: &RateLimit, _whom: &str, wait: Duration) {
        self.hold_back(limit, wait);
    }
}

/// A vendor's limit for a group of requests of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// The vendor's name of the group, such as `heavy`.
    pub group: &'static str,
    /// How many requests.
    pub requests: u32,
    /// In how many seconds.
    pub per_seconds: u32,
}

/// One connection, with what a request to its platform needs.
#[derive(Clone)]
pub struct Session {
    /// Settings and credentials.
    pub connection: Arc<ConnectionContext>,
    /// OAuth access tokens; for connections without OAuth every question fails with
    /// [`Fault::Credentials`].
    pub tokens: Arc<dyn AccessTokens>,
    /// The vendor's limits, for this connection's account.
    pub limits: Arc<dyn Limits>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("connection", &self.connection.id)
            .finish_non_exhaustive()
    }
}

/// How the platform knows an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentDevice {
    /// Extension.
    pub extension: Option<String>,
    /// User id.
    pub user_id: Option<String>,
    /// One device among several of the agent, where the platform tells them apart.
    pub device_id: Option<String>,
}

/// A call to place: the agent's device rings first, then the target is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originate {
    /// Our id of the request: platforms that echo something back echo this.
    pub dial_id: DialId,
    /// Who calls.
    pub agent: AgentDevice,
    /// Who is called: E.164 or an extension, already checked against the app's policy.
    pub target: PhoneNumber,
    /// The number to show, E.164, already checked; `None` for the platform's own choice.
    pub caller_id: Option<String>,
}

/// What the platform made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Originated {
    /// The names under which the platform's events will speak of this call, in the form in which
    /// the adapter puts them on signals; empty when the answer names none.
    pub keys: Vec<String>,
}

/// Something to do to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Pick up for the agent.
    Answer,
    /// End the call (for the agent's side at least).
    HangUp,
    /// Decline a ringing call.
    Reject,
    /// Put the other side on hold.
    Hold,
    /// Take it back.
    Resume,
    /// Hand the call to someone without asking first: E.164 or an extension.
    TransferBlind {
        /// Where to.
        to: PhoneNumber,
    },
    /// Ask first: the platform rings the target while the other side is on hold.
    TransferAttended {
        /// Where to.
        to: PhoneNumber,
    },
    /// Send tones.
    Dtmf {
        /// `0`–`9`, `*`, `#`, `A`–`D`, at most 32.
        digits: String,
    },
    /// Switch the agent's microphone off or on.
    Mute {
        /// True for off.
        on: bool,
    },
    /// Park the call for somebody to pick up.
    Park,
    /// Pause or go on recording.
    Recording {
        /// True to record.
        on: bool,
    },
}

impl Control {
    /// What a platform must be able to do for it.
    #[must_use]
    pub fn needs(&self) -> Capability {
        match self {
            Self::Answer => Capability::ControlAnswer,
            Self::HangUp => Capability::ControlHangUp,
            Self::Reject => Capability::ControlReject,
            Self::Hold | Self::Resume => Capability::ControlHold,
            Self::TransferBlind { .. } => Capability::ControlTransferBlind,
            Self::TransferAttended { .. } => Capability::ControlTransferAttended,
            Self::Dtmf { .. } => Capability::ControlDtmf,
            Self::Mute { .. } => Capability::ControlMute,
            Self::Park => Capability::ControlPark,
            Self::Recording { .. } => Capability::ControlRecording,
        }
    }
}

/// A leg of a call as a command needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLeg {
    /// The platform's id.
    pub id: String,
    /// Whose leg it is.
    pub kind: LegKind,
    /// Extension or device name.
    pub extension: Option<String>,
    /// The platform's user id.
    pub user_id: Option<String>,
    /// E.164 number of whoever is on it, where known: platforms whose API names calls otherwise
    /// than their events are asked by it.
    pub number: Option<String>,
    /// True once it picked up.
    pub answered: bool,
    /// True once it is over.
    pub ended: bool,
}

/// A call as a command needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHandle {
    /// Every name the platform gave it, as its adapter put them on signals.
    pub keys: Vec<String>,
    /// The platform's id of the conversation, as the record shows it.
    pub external_call_id: String,
    /// Its legs, oldest first.
    pub legs: Vec<CallLeg>,
    /// The agent who asks, where that is known: the command is for this agent's leg.
    pub agent: AgentDevice,
}

impl CallHandle {
    /// The living leg a command is for: the asking agent's, else the answered agent's, else the
    /// one being rung.
    #[must_use]
    pub fn agent_leg(&self) -> Option<&CallLeg> {
        let alive = || {
            let legs = self.legs.iter();
            legs.filter(|leg| leg.kind == LegKind::Agent && !leg.ended)
        };
        let asked = |leg: &&CallLeg| {
            let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
            same(&leg.extension, &self.agent.extension) || same(&leg.user_id, &self.agent.user_id)
        };
        alive()
            .rfind(asked)
            .or_else(|| alive().rfind(|leg| leg.answered))
            .or_else(|| alive().next_back())
    }

    /// The living leg of the outside party.
    #[must_use]
    pub fn outside_leg(&self) -> Option<&CallLeg> {
        let mut legs = self.legs.iter().rev();
        legs.find(|leg| leg.kind == LegKind::External && !leg.ended)
    }
}

/// What the vendor should send us, and where.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Our address for this connection, `https://…/webhooks/{platform}/{hook_id}`.
    pub webhook_url: String,
    /// What we made there before, as the adapter wrote it; `Value::Null` the first time.
    pub state: Value,
}

/// What stands at the vendor now.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribed {
    /// The vendor's ids, for the next time; no secrets.
    pub state: Value,
    /// When it must be renewed at the latest; `None` when it lasts.
    pub expires_at: Option<Timestamp>,
    /// True when something that should have stood there was gone: events may have been missed.
    pub was_lost: bool,
}

/// A subscription that went wrong half way.
#[derive(Clone, Debug)]
pub struct HalfSubscribed {
    /// What stands at the vendor now all the same; kept, so that the next try goes on there or
    /// takes it back.
    pub state: Value,
    /// What went wrong.
    pub error: CommandError,
}

/// One thing the doctor looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, in a few words: `sign-in`, `subscription`.
    pub name: String,
    /// True when it is as it should be.
    pub ok: bool,
    /// One sentence: what is so, or what is wrong and what to do about it.
    pub detail: String,
}

impl Check {
    /// All is well.
    #[must_use]
    pub fn good(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: true,
            detail: detail.into(),
        }
    }

    /// Something is wrong.
    #[must_use]
    pub fn bad(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: false,
            detail: detail.into(),
        }
    }
}

/// How a vendor's OAuth works (RFC 6749, with PKCE of RFC 7636).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthEndpoints {
    /// Where the person's browser is sent.
    pub authorize_url: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: String,
    /// Where tokens are revoked, if there is such a place.
    pub revoke_url: Option<String>,
    /// Client id.
    pub client_id: String,
    /// Client secret; `None` for a public client.
    pub client_secret: Option<Secret>,
    /// How the client proves itself.
    pub client_auth: ClientAuth,
    /// Scopes to ask for, separated by spaces.
    pub scope: String,
    /// More parameters of the authorize address.
    pub extra: Vec<(String, String)>,
    /// The grant the connection uses.
    pub grant: Grant,
    /// How a token is revoked.
    pub revoke: Revoke,
}

/// How a client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `Authorization: Basic`.
    Basic,
    /// `client_id` and `client_secret` in the body.
    Body,
}

/// How a connection gets its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A person signs in; needs `GET /auth/…`.
    AuthorizationCode,
    /// A signed assertion of the vendor stands for a person (RFC 7523).
    Jwt(Secret),
}

/// How a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// `token=…` in the body, client authenticated (RFC 7009).
    Token,
    /// An empty POST with the access token as bearer (Dialpad).
    Bearer,
}

/// What a look at a recording at the platform showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSeen {
    /// What is known about it now.
    pub recording: Recording,
}
