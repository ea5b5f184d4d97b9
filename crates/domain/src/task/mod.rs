//! Tasks: what is left to do after a call, for an agent or a queue. The kinds, the states and what
//! may follow what ([`life`]); the words on the wire are the predecessor's. Not here: business
//! hours (that is [`crate::hours`]), storage, and who may do what.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::{AgentId, CallId, ContactId, TaskId};
use crate::moment::Author;

pub mod life;

pub use life::{CallbackNumber, NewTask, Refusal, Step, TaskEdit};

/// The most characters of a subject.
pub const MAX_SUBJECT: usize = 255;
/// The most characters of a description, of the notes of a try and of a result.
pub const MAX_TEXT: usize = 10_000;
/// The most characters of a queue's name.
pub const MAX_QUEUE: usize = 255;
/// The most tries one task keeps.
pub const MAX_ATTEMPTS: usize = 100;
/// After so many tries in vain, one after the other, it is suggested to give up.
pub const VAIN_ATTEMPTS: usize = 3;

macro_rules! words {
    ($(#[doc = $about:literal] $name:ident {
        $($(#[$of:meta])* $variant:ident = $word:literal,)+
    })+) => {$(
        #[doc = $about]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The one of that word.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }

        // The derive does not see through a macro's literals.
        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($about.trim()))
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        #[cfg(feature = "schema")]
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

words! {
    /// What is to be done.
    TaskKind {
        /// Call somebody back.
        CallBack = "terugbelverzoek",
        /// Follow something up.
        FollowUp = "opvolgtaak",
        /// Find an answer.
        Question = "informatievraag",
    }

    /// Where a task stands.
    TaskStatus {
        /// Nobody has it in hand.
        Open = "open",
        /// Somebody has.
        InProgress = "in_behandeling",
        /// Done.
        Done = "afgerond",
        /// Its time has passed and it was given up.
        Expired = "verlopen",
    }

    /// How much it matters. In the order of the type: the least first.
    TaskPriority {
        /// Can wait.
        Low = "laag",
        /// As usual.
        Normal = "normaal",
        /// First.
        High = "hoog",
    }

    /// Where a task came from.
    TaskSource {
        /// The disposition of a call.
        Disposition = "disposition",
        /// A call nobody answered.
        MissedCall = "missed_call",
        /// Somebody made it by hand.
        Hand = "hand",
    }

    /// How an attempt to reach somebody went.
    AttemptResult {
        /// They were reached.
        Reached = "bereikt",
        /// They were not.
        NotReached = "niet_bereikt",
        /// It rang and nobody answered.
        NoAnswer = "geen_gehoor",
        /// A voicemail was left.
        Voicemail = "voicemail",
    }
}

impl TaskStatus {
    /// True while something is left to do.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::InProgress)
    }
}

/// One try to reach somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// When, by our clock.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// How it went.
    pub result: AttemptResult,
    /// Free text.
    pub notes: Option<String>,
    /// Who tried.
    pub by: Author,
}

/// Something left to do, in the exact form in which API, events and page show it. Times are UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// To be sent back with a change, so that nobody overwrites what they have not seen.
    pub version: u32,
    /// What is to be done.
    pub r#type: TaskKind,
    /// Where it stands.
    pub status: TaskStatus,
    /// How much it matters.
    pub priority: TaskPriority,
    /// What it is about, 1 to 255 characters.
    pub subject: String,
    /// More about it, at most 10,000 characters.
    pub description: Option<String>,
    /// By when.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub deadline: Option<Timestamp>,
    /// The agent who is to do it.
    pub assignee: Option<TaskAssignee>,
    /// The queue whose agents may take it.
    pub queue: Option<String>,
    /// The contact it is about.
    pub contact: Option<TaskContact>,
    /// The call, and contact moment, it came of.
    pub call_id: Option<CallId>,
    /// The number to call, E.164 or an extension.
    pub callback_number: Option<String>,
    /// The same as a person of the app's country reads it.
    pub callback_display: Option<String>,
    /// Not before this time would they like to be called.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub preferred_from: Option<Timestamp>,
    /// Nor after this.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub preferred_to: Option<Timestamp>,
    /// Where it came from.
    pub source: TaskSource,
    /// The tries so far, oldest first.
    pub attempts: Vec<Attempt>,
    /// True after three tries in vain: it may be time to give up.
    pub suggest_close: bool,
    /// When it was made.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Author,
    /// When it last changed.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// When it was done or given up.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub completed_at: Option<Timestamp>,
    /// Who did it.
    pub completed_by: Option<Author>,
    /// What came of it.
    pub result: Option<String>,
}

/// The agent who is to do a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskAssignee {
    /// Which agent.
    pub id: AgentId,
    /// The name as it was when they got it.
    pub name: String,
}

/// The contact a task is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskContact {
    /// Which contact.
    pub id: ContactId,
    /// The name as it was then.
    pub name: String,
}
