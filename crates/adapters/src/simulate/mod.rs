//! Plays phone platforms: byte-true, correctly signed notifications of whole calls, for tests,
//! the demo and `switchhook simulate`.
//!
//! [`dialpad()`] gives the posts Dialpad would send, [`asterisk()`] the ARI frames of a PBX,
//! [`ringcentral()`] the posts of RingCentral. What
//! comes out is a plan, not a player: each [`Step`] says when it is due, and whoever plays it
//! keeps the time. The same [`CallSeed`] gives the same bytes on every machine. [`Disturb`] makes
//! a bad network of it.
//!
//! Not here: sockets, sleeping, and any rule about calls. Names and numbers are invented; the
//! numbers lie in ranges that are used for examples.

mod asterisk;
mod callvoip;
mod cast;
mod dialpad;
mod disturb;
mod flat;
mod plot;
mod ringcentral;
mod wildix;

pub use asterisk::asterisk;
pub use callvoip::callvoip;
pub use cast::{CallSeed, Caller, Colleague};
pub use dialpad::dialpad;
pub use disturb::Disturb;
pub use flat::{aircall, generic, threecx, zammad};
pub use ringcentral::ringcentral;
pub use wildix::wildix;

use switchhook_domain::call::Status;

/// One notification and when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it arrives, in milliseconds since [`CallSeed::start`]. Ascending.
    pub after_ms: u64,
    /// The body of the post, or the frame of the socket.
    pub body: Vec<u8>,
    /// `Content-Type` of the post; `application/json` for frames.
    pub content_type: &'static str,
    /// Headers of the post apart from the content type, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A platform's way of telling a whole call: the steps of one scenario, signed with the secret;
/// empty where the platform has no words for it.
pub type Player = fn(Scenario, &CallSeed, &str) -> Vec<Step>;

/// Who plays each platform: one line each, sorted by name.
const PLAYERS: &[(&str, Player)] = &[
    ("3cx", threecx),
    ("aircall", aircall),
    ("asterisk", |scenario, seed, _| asterisk(scenario, seed)),
    ("callvoip", callvoip),
    ("dialpad", dialpad),
    ("generic", generic),
    ("ringcentral", ringcentral),
    ("wildix", wildix),
    ("zammad", zammad),
];

/// Who plays the platform of that name.
#[must_use]
pub fn player(platform: &str) -> Option<Player> {
    let mut players = PLAYERS.iter();
    players.find(|(name, _)| *name == platform).map(|(_, p)| *p)
}

/// The platforms that can be played, sorted.
pub fn played() -> impl Iterator<Item = &'static str> {
    PLAYERS.iter().map(|(name, _)| *name)
}

macro_rules! scenarios {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:expr, $story:literal;)*) => {
        /// A course that a call can take.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scenario {
            $($(#[$doc])* $variant,)*
        }

        impl Scenario {
            /// Every scenario.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence: what happens.
            #[must_use]
            pub fn story(self) -> &'static str {
                match self { $(Self::$variant => $story,)* }
            }

            /// The status in which the record of the call ends; `None` where there is no call.
            #[must_use]
            pub fn status(self) -> Option<Status> {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

scenarios! {
    /// Answered by the agent and ended normally.
    Answered = "answered", Some(Status::Ended),
        "A customer calls, the agent answers and they talk.";
    /// Rings out.
    Missed = "missed", Some(Status::Missed),
        "A customer calls and nobody answers.";
    /// The agent is on another call.
    Busy = "busy", Some(Status::Missed),
        "A customer calls while the agent is on another call.";
    /// Declined by the agent (Asterisk), refused by the block list (Dialpad).
    Rejected = "rejected", Some(Status::Rejected),
        "The call is declined, or refused by the block list.";
    /// Held and taken back.
    Hold = "hold", Some(Status::Ended),
        "The agent answers, puts the customer on hold once and takes them back.";
    /// Blind transfer to a colleague.
    Transfer = "transfer", Some(Status::Ended),
        "The agent answers and hands the customer over to a colleague.";
    /// Rings out into the mailbox.
    Voicemail = "voicemail", Some(Status::Voicemail),
        "Nobody answers and the customer leaves a message.";
    /// Answered, with a recording afterwards.
    Recording = "recording", Some(Status::Ended),
        "The agent answers, and a recording of the call follows.";
    /// The agent dials and is answered.
    OutboundAnswered = "outbound-answered", Some(Status::Ended),
        "The agent dials a customer, who answers.";
    /// The agent dials and nobody answers.
    OutboundNoAnswer = "outbound-no-answer", Some(Status::Ended),
        "The agent dials a customer, who does not answer.";
    /// Answered; the caller shows no number.
    Withheld = "withheld", Some(Status::Ended),
        "Somebody who shows no number calls, and the agent answers.";
    /// Two agents ring, the second answers.
    RingGroup = "ring-group", Some(Status::Ended),
        "The phones of two agents ring together, and the second answers.";
    /// Text messages in both directions.
    Sms = "sms", None,
        "A customer sends a text message and gets an answer.";
    /// The agent becomes available, busy and unavailable.
    Presence = "presence", None,
        "The agent becomes available, takes a call and finishes the paperwork.";
}

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace('_', "-");
        Self::ALL
            .iter()
            .copied()
            .find(|scenario| scenario.name() == name)
    }
}
