//! One event of Asterisk in a form that ARI and AMI share, so that the same story gives the same
//! record whichever way it came.
//!
//! [`super::ari`] and [`super::ami`] make these; [`super::facts`] says what they mean.

use std::borrow::Cow;

use switchhook_domain::Timestamp;

use super::channel::Channel;

/// An event, its time and its name.
#[derive(Clone, Debug)]
pub(super) struct Statement<'a> {
    /// By the PBX's clock.
    pub(super) at: Timestamp,
    /// Asterisk's own name of it.
    pub(super) event: &'a str,
    /// What it says.
    pub(super) happening: Happening<'a>,
}

/// Why a channel ends, as Asterisk writes it: a Q.850 number, and the SIP status behind it
/// (20.17, 22.7, 23.1 and later).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RawCause {
    pub(super) q850: Option<u8>,
    pub(super) sip: Option<u16>,
}

/// A bridge as an event shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bridge<'a> {
    pub(super) id: Cow<'a, str>,
    /// False for holding bridges (parking, music on hold), where people cannot hear one another.
    pub(super) mixing: bool,
    /// Ids of the channels in it; ARI only.
    pub(super) channels: Vec<Cow<'a, str>>,
}

/// A dial attempt as an event shows it.
#[derive(Clone, Debug)]
pub(super) struct DialAttempt<'a> {
    /// Absent when the PBX itself dials (originate).
    pub(super) caller: Option<Channel<'a>>,
    pub(super) peer: Channel<'a>,
    /// Where the peer's phone forwarded the call to.
    pub(super) forwarded: Option<Channel<'a>>,
    pub(super) stage: DialStage,
    /// What was dialled; told when the attempt begins.
    pub(super) dialstring: Cow<'a, str>,
}

/// How far a dial attempt has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialStage {
    /// The peer exists (`dialstatus` is empty; AMI `DialBegin`).
    Begun,
    /// The peer's device rings.
    Ringing,
    /// Underway in a way that says nothing new (`PROGRESS`, `PROCEEDING`).
    Underway,
    /// Final: the peer picked up.
    Answered,
    /// Final, with Asterisk's word for it.
    Failed(DialFailure),
}

/// Why a dial attempt came to nothing (`DIALSTATUS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialFailure {
    Busy,
    NoAnswer,
    Cancelled,
    Congestion,
    Unavailable,
    Refused,
    Other,
}

impl DialStage {
    /// Reads `dialstatus` of ARI or `DialStatus` of AMI.
    pub(super) fn parse(status: &str) -> Self {
        match status {
            "" => Self::Begun,
            "RINGING" => Self::Ringing,
            "PROGRESS" | "PROCEEDING" => Self::Underway,
            "ANSWER" => Self::Answered,
            "BUSY" => Self::Failed(DialFailure::Busy),
            "NOANSWER" => Self::Failed(DialFailure::NoAnswer),
            "CANCEL" => Self::Failed(DialFailure::Cancelled),
            "CONGESTION" => Self::Failed(DialFailure::Congestion),
            "CHANUNAVAIL" => Self::Failed(DialFailure::Unavailable),
            "DONTCALL" | "TORTURE" => Self::Failed(DialFailure::Refused),
            _ => Self::Failed(DialFailure::Other),
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Happening<'a> {
    /// A channel came into being.
    Created(Channel<'a>),
    /// A channel shows itself; nothing more.
    Shown(Channel<'a>),
    /// A channel's own name or number was set.
    Named(Channel<'a>),
    /// A dial attempt moved on.
    Dial(Box<DialAttempt<'a>>),
    /// A channel entered a bridge.
    Entered(Bridge<'a>, Channel<'a>),
    /// A channel left a bridge.
    Left(Bridge<'a>, Channel<'a>),
    /// One bridge was poured into another.
    Merged(Bridge<'a>, Bridge<'a>),
    /// A channel's party put the other side on hold.
    Held(Channel<'a>),
    /// A channel's party took the other side back.
    Resumed(Channel<'a>),
    /// Somebody asked for a channel to end: its own party, or the PBX when `soft`.
    HangupAsked {
        channel: Channel<'a>,
        cause: RawCause,
        soft: bool,
    },
    /// A channel is gone.
    Destroyed {
        channel: Channel<'a>,
        cause: RawCause,
    },
    /// Sent on without asking first.
    BlindTransfer {
        transferer: Channel<'a>,
        exten: Cow<'a, str>,
        /// Transferee and stand-in.
        others: Vec<Channel<'a>>,
        bridge: Option<Bridge<'a>>,
    },
    /// Sent on after asking first.
    AttendedTransfer {
        /// The transferer's channels to the outside and to the target; often the same.
        legs: Vec<Channel<'a>>,
        target: Option<Channel<'a>>,
        /// Transferee, stand-ins, links.
        others: Vec<Channel<'a>>,
        bridges: Vec<Bridge<'a>>,
        /// False when the transferer stays in a three-way call.
        leaves: bool,
    },
    /// A channel runs a dialplan application.
    Application(Channel<'a>),
    /// A channel variable was set.
    Variable {
        channel: Channel<'a>,
        name: Cow<'a, str>,
        value: Cow<'a, str>,
    },
    /// A caller waits in a queue.
    Queued {
        channel: Channel<'a>,
        queue: Cow<'a, str>,
    },
    /// The dialplan says that a message was left in a mailbox of its own making.
    MessageLeft(Channel<'a>),
    /// A device changed its state.
    Device {
        device: Cow<'a, str>,
        state: Cow<'a, str>,
    },
    /// Understood, and of no interest to a call record.
    Nothing,
}
