//! Contact moments: the business record of one call, opened by the call and closed by the agent's
//! disposition. A contact moment is the other half of a call and has its id; what people have said
//! of it is kept here, and where it stands follows from that and from the call. Not here: the tasks
//! that come of it (that is [`crate::task`]) and who may say what (that is the engine's).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;
use crate::call::{Call, ContactView, Status};
use crate::id::{CallId, TaskId};
use crate::signal::Direction;

/// The most characters of a subject.
pub const MAX_SUBJECT: usize = 255;
/// The most characters of notes.
pub const MAX_NOTES: usize = 10_000;
/// The most characters of an outcome's code.
pub const MAX_OUTCOME: usize = 40;

/// Where a contact moment stands. The names are the predecessor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MomentStatus {
    /// The call lasts.
    Pending,
    /// The call is over and waits for its disposition.
    DispositionPending,
    /// Somebody gave the disposition, or the call leaves nothing to say.
    Completed,
}

impl MomentStatus {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pending, Self::DispositionPending, Self::Completed];

    /// The name in the API and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::DispositionPending => "disposition-pending",
            Self::Completed => "completed",
        }
    }
}

/// What kind of author somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    /// An agent, by an embedded panel's token or as the person they are.
    Agent,
    /// A person with an account who is no agent.
    Person,
    /// A backend, by its key.
    Key,
    /// Switchhook itself, from what the call shows.
    System,
}

/// Who said something of a contact moment or a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Author {
    /// What kind of author.
    pub kind: AuthorKind,
    /// The id of the agent, person or key; null for the system.
    pub id: Option<Uuid>,
    /// The name as it was then.
    pub name: Option<String>,
}

impl Author {
    /// Switchhook itself.
    pub const SYSTEM: Self = Self {
        kind: AuthorKind::System,
        id: None,
        name: None,
    };
}

/// What a person says of a call: a draft while they write, the disposition in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MomentText {
    /// What it was about, at most [`MAX_SUBJECT`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The code of the outcome, such as `resolved`, at most [`MAX_OUTCOME`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Free text, at most [`MAX_NOTES`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl MomentText {
    /// True when nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// What somebody did, and when, by our clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Author,
}

/// What is stored of a contact moment, beside its call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moment {
    /// Counts the deeds, so that nobody overwrites what they have not seen.
    pub version: u32,
    /// What was written last.
    pub text: MomentText,
    /// Who wrote last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Touch>,
    /// Who gave the disposition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Touch>,
    /// The follow-up task that came of the disposition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// How long the agent asked to be left in wrap-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap_up_until: Option<Timestamp>,
    /// True once a person has said who the caller is: the directory is not asked any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contact_chosen: bool,
}

/// What somebody does to a contact moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Keeps what is being written.
    Draft(MomentText),
    /// Gives the disposition, or corrects the one given; names the task made with it.
    Complete(MomentText, Option<TaskId>),
    /// Says who the caller is; `None`: nobody of the directory.
    Contact(Option<ContactView>),
    /// Asks to be left in wrap-up until then; `None`: as long as the app's settings say.
    WrapUp(Option<Timestamp>),
}

/// A deed, for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallDeed {
    /// Whose contact moment.
    pub call: CallId,
    /// Who does it.
    pub by: Author,
    /// The version they have seen; `None`: whatever it is.
    pub expected: Option<u32>,
    /// What they do.
    pub deed: Deed,
}

/// Why a deed was not done. Nothing of its changeset was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeedError {
    /// There is no such call, or it became part of another one.
    #[error("call not found")]
    NotFound,
    /// Somebody was faster.
    #[error("the contact moment has changed")]
    Changed,
}

impl Moment {
    /// Does a deed on the contact moment of a call with this contact; whether anything changed.
    /// What is so already is no change, whichever version was seen: somebody who did not hear the
    /// answer may say it again.
    pub(crate) fn apply(
        &mut self,
        deed: &CallDeed,
        contact: Option<&ContactView>,
        at: Timestamp,
    ) -> Result<bool, DeedError> {
        if self.says(&deed.deed, contact) {
            return Ok(false);
        }
        if deed.expected.is_some_and(|seen| seen != self.version) {
            return Err(DeedError::Changed);
        }
        let touch = || {
            Some(Touch {
                at,
                by: deed.by.clone(),
            })
        };
        match &deed.deed {
            Deed::Draft(_) if self.closed.is_some() => return Err(DeedError::Changed),
            Deed::Draft(text) => {
                self.text = text.clone();
                self.edited = touch();
            }
            Deed::Complete(text, task) => {
                self.text = text.clone();
                self.edited = touch();
                self.closed = touch();
                self.task_id = task.or(self.task_id);
            }
            Deed::Contact(_) => self.contact_chosen = true,
            Deed::WrapUp(until) => self.wrap_up_until = *until,
        }
        self.version = self.version.saturating_add(1);
        Ok(true)
    }

    /// True when a deed would change nothing.
    fn says(&self, deed: &Deed, contact: Option<&ContactView>) -> bool {
        match deed {
            Deed::Draft(text) => self.closed.is_none() && *text == self.text,
            Deed::Complete(text, task) => {
                let same = *text == self.text && (task.is_none() || *task == self.task_id);
                self.closed.is_some() && same
            }
            Deed::Contact(chosen) => self.contact_chosen && chosen.as_ref() == contact,
            Deed::WrapUp(until) => *until == self.wrap_up_until,
        }
    }

    /// Takes over what was said of a call that turned out to be part of this one. What was said
    /// for good counts before what was only written down, and that before nothing; what the one
    /// leaves open the other fills in, and notes of both are kept.
    pub(crate) fn merge(&mut self, mut other: Self) {
        let versions = (self.version, other.version);
        let weight = |m: &Self| (m.closed.is_some(), !m.text.is_empty());
        if weight(&other) > weight(self) {
            std::mem::swap(self, &mut other);
        }
        self.text.fill_in(other.text);
        self.edited = self.edited.take().or(other.edited);
        self.task_id = self.task_id.or(other.task_id);
        self.wrap_up_until = self.wrap_up_until.or(other.wrap_up_until);
        self.contact_chosen |= other.contact_chosen;
        self.version = match versions {
            // Nothing was done to one of them: what was seen of the other is what is left.
            (own, 0) => own,
            (0, theirs) => theirs,
            (own, theirs) => own.max(theirs).saturating_add(1),
        };
    }
}

impl MomentText {
    /// Takes from another text what this one leaves open.
    fn fill_in(&mut self, other: Self) {
        self.subject = self.subject.take().or(other.subject);
        self.outcome = self.outcome.take().or(other.outcome);
        self.notes = match (self.notes.take(), other.notes) {
            (Some(own), Some(theirs)) if own != theirs => {
                let both = own.chars().chain("\n\n".chars()).chain(theirs.chars());
                Some(both.take(MAX_NOTES).collect())
            }
            (own, theirs) => own.or(theirs),
        };
    }
}

/// A contact moment as everybody sees it, within its call and by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MomentView {
    /// Its id: that of its call.
    pub id: CallId,
    /// Where it stands.
    pub status: MomentStatus,
    /// What it was about.
    pub subject: Option<String>,
    /// The outcome: the agent's; or, where nobody need say it, what the call shows.
    pub outcome: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// What the call suggests while nobody has said: `no-answer`, `callback`.
    pub suggested_outcome: Option<String>,
    /// To be sent back with a change, so that nobody overwrites what they have not seen.
    pub version: u32,
    /// How long the agent asked to be left in wrap-up; null: as the app's settings say.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub wrap_up_until: Option<Timestamp>,
    /// When somebody last wrote, by our clock.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub edited_at: Option<Timestamp>,
    /// When it was completed.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub completed_at: Option<Timestamp>,
    /// Who completed it.
    pub completed_by: Option<Author>,
    /// The follow-up task that came of it.
    pub task_id: Option<TaskId>,
}

/// What a call means for its contact moment as long as nobody has said anything.
struct Reading {
    status: MomentStatus,
    outcome: Option<&'static str>,
    suggested: Option<&'static str>,
}

impl Reading {
    fn of(call: &Call) -> Self {
        let done = |outcome| Self {
            status: MomentStatus::Completed,
            outcome,
            suggested: None,
        };
        let asks = |suggested| Self {
            status: MomentStatus::DispositionPending,
            outcome: None,
            suggested,
        };
        if !call.status.is_terminal() {
            return Self {
                status: MomentStatus::Pending,
                outcome: None,
                suggested: None,
            };
        }
        let answered = call.answered_at.is_some();
        match (call.direction, call.status) {
            // Colleagues talk: nothing to be said of it, though one may.
            (Some(Direction::Internal), _) => done(None),
            (Some(Direction::Outbound), _) if answered => asks(None),
            // Nobody was rung: there was no contact.
            (Some(Direction::Outbound), _) if call.rang_at.is_none() => done(Some(NO_ANSWER)),
            (Some(Direction::Outbound), _) => asks(Some(NO_ANSWER)),
            (_, Status::Voicemail) => asks(Some(CALLBACK)),
            (_, Status::Missed) => done(Some(ABANDONED)),
            (_, Status::Rejected) => done(None),
            _ => asks(None),
        }
    }
}

const NO_ANSWER: &str = "no-answer";
const CALLBACK: &str = "callback";
const ABANDONED: &str = "abandoned";

/// The contact moment of a call as it stands; null for a call that became part of another one.
#[must_use]
pub(crate) fn view(moment: &Moment, call: &Call) -> Option<MomentView> {
    if call.merged_into.is_some() {
        return None;
    }
    let reading = Reading::of(call);
    let closed = moment.closed.as_ref();
    let (status, by_call) = match closed {
        Some(_) => (MomentStatus::Completed, false),
        None => (reading.status, reading.status == MomentStatus::Completed),
    };
    let text = moment.text.clone();
    let known = |word: Option<&'static str>| word.map(str::to_owned);
    let outcome = text.outcome.or_else(|| known(reading.outcome));
    Some(MomentView {
        id: call.id,
        status,
        subject: text.subject,
        suggested_outcome: known(reading.suggested).filter(|_| closed.is_none()),
        outcome,
        notes: text.notes,
        version: moment.version,
        wrap_up_until: moment.wrap_up_until,
        edited_at: moment.edited.as_ref().map(|touch| touch.at),
        completed_at: closed
            .map(|touch| touch.at)
            .or_else(|| call.ended_at.filter(|_| by_call)),
        completed_by: closed
            .map(|touch| touch.by.clone())
            .or_else(|| by_call.then_some(Author::SYSTEM)),
        task_id: moment.task_id,
    })
}
