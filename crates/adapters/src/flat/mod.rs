//! Calls told in flat fields: one word for what happened, two numbers, perhaps an agent. That is
//! what scripts, small PBXs and most vendors' webhooks send, so the generic webhook, Zammad's
//! CTI and every mapped platform end here. Not here: where a field stands in a body, and who may
//! post ([`auth`]).

pub(crate) mod auth;
pub(crate) mod form;
mod tell;

use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::media::{Recording, Voicemail};
use switchhook_domain::phone::PhoneNumber;
use switchhook_domain::signal::{Direction, Party, TransferKind};
use switchhook_engine::adapter::Capability;

pub(crate) use tell::{key, signals, withheld_when_empty};

macro_rules! words {
    ($($variant:ident = $name:literal, $says:literal;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Word { $(#[doc = $says] $variant,)* }

        impl Word {
            /// Every word.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word as people write it.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

words! {
    Started = "started", "The call exists.";
    Queued = "queued", "The caller waits in a queue.";
    Ringing = "ringing", "An agent's device rings.";
    Answered = "answered", "Somebody picked up.";
    Held = "held", "The other side was put on hold.";
    Resumed = "resumed", "The other side was taken back.";
    Transferred = "transferred", "The call was handed to somebody else.";
    Left = "left", "One agent's device stopped, the call goes on.";
    Declined = "declined", "One agent declined, the call goes on.";
    Ended = "ended", "The call is over.";
    Missed = "missed", "The call is over and nobody answered.";
    Rejected = "rejected", "The call is over because it was declined or refused.";
    Voicemail = "voicemail", "The caller reached the mailbox, or left a message.";
    Recording = "recording", "A recording exists.";
    Ignored = "ignored", "Nothing of interest to a call record.";
}

impl Word {
    /// The word of that name, any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        let mut all = Self::ALL.iter().copied();
        all.find(|word| word.as_str().eq_ignore_ascii_case(name))
    }

    /// What a platform that has this word reports.
    pub(crate) fn capability(self) -> Option<Capability> {
        Some(match self {
            Self::Ringing => Capability::Ringing,
            Self::Answered => Capability::Answered,
            Self::Held | Self::Resumed => Capability::Hold,
            Self::Transferred => Capability::Transfer,
            Self::Rejected | Self::Declined => Capability::Rejected,
            Self::Voicemail => Capability::Voicemail,
            Self::Recording => Capability::Recording,
            Self::Queued => Capability::Queue,
            Self::Started | Self::Left | Self::Ended | Self::Missed | Self::Ignored => return None,
        })
    }
}

/// The words a list of these must be one of, for messages.
pub(crate) fn word_list() -> String {
    let names: Vec<&str> = Word::ALL.iter().map(|word| word.as_str()).collect();
    names.join(", ")
}

/// The normalised reason of that name, as the API writes it.
pub(crate) fn reason(name: &str) -> Option<Reason> {
    serde_json::from_value(name.trim().to_ascii_lowercase().into()).ok()
}

/// Who ended a call, by the name the API gives it.
pub(crate) fn ended_by(name: &str) -> Option<EndedBy> {
    serde_json::from_value(name.trim().to_ascii_lowercase().into()).ok()
}

/// A direction in any of the usual spellings.
pub(crate) fn direction(name: &str) -> Option<Direction> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "in" | "inbound" | "incoming" => Direction::Inbound,
        "out" | "outbound" | "outgoing" => Direction::Outbound,
        "internal" | "local" => Direction::Internal,
        _ => return None,
    })
}

/// One thing that happened to one call, as far as the notification says.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// What.
    pub(crate) word: Word,
    /// When; [`switchhook_domain::signal::UNDATED`] when it is not said.
    pub(crate) at: Timestamp,
    /// The platform's id of the call.
    pub(crate) call_id: String,
    /// Further names of it, beside the id.
    pub(crate) keys: Vec<String>,
    /// Which way it goes.
    pub(crate) direction: Option<Direction>,
    /// Who calls, as written.
    pub(crate) from: Option<PhoneNumber>,
    /// Who is called, as written.
    pub(crate) to: Option<PhoneNumber>,
    /// The outside party's name.
    pub(crate) remote_name: Option<String>,
    /// The agent it is about.
    pub(crate) agent: Party,
    /// What names the agent's leg, where that is not the agent.
    pub(crate) leg: Option<String>,
    /// The queue or group.
    pub(crate) queue: Option<String>,
    /// Where it was transferred to.
    pub(crate) transfer: Transfer,
    /// Why it ended.
    pub(crate) cause: Cause,
    /// Who ended it.
    pub(crate) by: Option<EndedBy>,
    /// Times that the notification repeats.
    pub(crate) times: Times,
    /// How long they talked, in milliseconds.
    pub(crate) talk_ms: Option<i64>,
    /// A recording, by its id.
    pub(crate) recording: Option<(String, Recording)>,
    /// A voicemail, by its id.
    pub(crate) voicemail: Option<(String, Voicemail)>,
}

impl Event {
    /// Something that happened, with nothing else known about it.
    pub(crate) fn new(word: Word, at: Timestamp, call_id: String) -> Self {
        Self {
            word,
            at,
            call_id,
            keys: Vec::new(),
            direction: None,
            from: None,
            to: None,
            remote_name: None,
            agent: Party::default(),
            leg: None,
            queue: None,
            transfer: Transfer::default(),
            cause: Cause::default(),
            by: None,
            times: Times::default(),
            talk_ms: None,
            recording: None,
            voicemail: None,
        }
    }
}

/// A transfer, as far as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transfer {
    /// Extension, number or name it went to.
    pub(crate) to: Option<String>,
    /// How.
    pub(crate) kind: Option<TransferKind>,
    /// Who handed it over, where that is not the agent of the event.
    pub(crate) from: Party,
    /// Who has it now, where the event says so.
    pub(crate) agent: Party,
}

/// Times that a notification may carry beside its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// When the call began.
    pub(crate) started: Option<Timestamp>,
    /// When the agent's device began to ring.
    pub(crate) rang: Option<Timestamp>,
    /// When it was answered.
    pub(crate) answered: Option<Timestamp>,
    /// When it was over.
    pub(crate) ended: Option<Timestamp>,
}

/// An address a browser may open: nothing else is passed on.
pub(crate) fn web_address(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = text.len() <= 4096 && !text.contains(|c: char| c.is_control() || c == ' ');
    let web = text.starts_with("https://") || text.starts_with("http://");
    (fits && web).then_some(text)
}
