//! The call record: what anyone may know about one conversation, in the exact form in which the
//! API, the events, the command line and the page show it. Derived from [`crate::facts`] by
//! [`crate::derive`], never edited.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::cause::{EndedBy, Reason};
use crate::contact::Certainty;
use crate::id::{AgentId, CallId, ConnectionId, ContactId};
use crate::media::RecordingState;
use crate::moment::MomentView;
use crate::phone::NumberKind;
use crate::signal::{Direction, LegKind, TransferKind};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody of ours (inbound) or nobody outside (outbound) has answered yet.
    Ringing,
    /// People are talking.
    Active,
    /// One side has put the other on hold.
    Held,
    /// Over, after somebody answered; or outbound without an answer.
    Ended,
    /// Over, and nobody answered.
    Missed,
    /// Over: declined by a person or refused by a rule.
    Rejected,
    /// Over: the caller reached voicemail.
    Voicemail,
}

impl Status {
    /// True when the conversation is over. A terminal call still accepts recordings,
    /// transcripts and corrected times.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Ended | Self::Missed | Self::Rejected | Self::Voicemail
        )
    }

    /// The name in the API and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Active => "active",
            Self::Held => "held",
            Self::Ended => "ended",
            Self::Missed => "missed",
            Self::Rejected => "rejected",
            Self::Voicemail => "voicemail",
        }
    }

    /// Every status, in the order of the type.
    pub const ALL: [Self; 7] = [
        Self::Ringing,
        Self::Active,
        Self::Held,
        Self::Ended,
        Self::Missed,
        Self::Rejected,
        Self::Voicemail,
    ];
}

/// One side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PartyView {
    /// E.164, or the digits of an extension or short number; null when withheld or unknown.
    pub number: Option<String>,
    /// Exactly what the platform wrote.
    pub raw: Option<String>,
    /// What the number turned out to be.
    pub kind: Option<NumberKind>,
    /// The number as a person of the app's country reads it.
    pub display: Option<String>,
    /// The name the platform showed.
    pub name: Option<String>,
}

/// The agent of a call: who answered last, or who is being rung first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgentView {
    /// Our id of the agent, once mapped.
    pub id: Option<AgentId>,
    /// Extension or device name.
    pub extension: Option<String>,
    /// The platform's user id.
    pub user_id: Option<String>,
    /// E-mail address as the platform reported it.
    pub email: Option<String>,
    /// Name: as the app knows the agent once mapped, else as the platform shows it.
    pub name: Option<String>,
    /// The agent's id in the app's business software, once mapped.
    #[serde(default)]
    pub crm_user_id: Option<String>,
}

/// The contact found for the outside party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ContactView {
    /// Our id of the contact.
    pub id: ContactId,
    /// Name.
    pub name: String,
    /// Organisation.
    pub organisation: Option<String>,
    /// Pinned note that the agent should see first.
    #[serde(default)]
    pub note: Option<String>,
    /// Where the record lives in the business software.
    #[serde(default)]
    pub url: Option<String>,
    /// How sure the match is, as a word.
    pub certainty: Certainty,
    /// How sure the match is, 0 to 100.
    pub percent: u8,
    /// One sentence: why this contact.
    pub why: String,
    /// How many contacts matched in all.
    pub total: usize,
}

/// One time the other side was on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HoldView {
    /// When it began, platform time.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub from: Timestamp,
    /// When it ended; null while it lasts.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub to: Option<Timestamp>,
}

/// One time the call moved to someone else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransferView {
    /// When, platform time.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// Blind, attended or not known.
    pub kind: TransferKind,
    /// Extension of the one who transferred.
    pub from: Option<String>,
    /// Extension or number it went to.
    pub to: Option<String>,
}

/// A recording of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RecordingView {
    /// The platform's id of the recording.
    pub id: String,
    /// Where the platform keeps it.
    pub url: Option<String>,
    /// Whether it can be fetched.
    pub state: RecordingState,
    /// When recording began.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When the link stops working.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// Length in whole seconds.
    pub duration_seconds: Option<i64>,
}

/// The voicemail that was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VoicemailView {
    /// The platform's id of the voicemail.
    pub id: String,
    /// Where the platform keeps the audio.
    pub url: Option<String>,
    /// What was said.
    pub transcript: Option<String>,
    /// Length in whole seconds.
    pub duration_seconds: Option<i64>,
}

/// One party's part of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LegView {
    /// The platform's id of the leg.
    pub id: String,
    /// Whose leg it is.
    pub kind: LegKind,
    /// Extension or device name.
    pub extension: Option<String>,
    /// The platform's user id.
    pub user_id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Number in its canonical form.
    pub number: Option<String>,
    /// When it was first seen, platform time.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When it began to ring.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub rang_at: Option<Timestamp>,
    /// When it picked up.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub ended_at: Option<Timestamp>,
    /// Why it was over.
    pub end_cause: Option<Reason>,
    /// The Q.850 number it ended with, as received.
    pub hangup_cause: Option<u8>,
}

/// One conversation. Times are UTC by the platform's clock unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Call {
    /// Our id; survives transfers.
    pub id: CallId,
    /// The platform it came from.
    pub platform: String,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// The platform's id of the conversation (of its first leg).
    pub external_call_id: String,
    /// The same, for Dialpad calls: the name the predecessor used.
    pub dialpad_call_id: Option<String>,
    /// Dialpad's id of the agent, for Dialpad calls.
    pub dialpad_user_id: Option<String>,
    /// Which way it goes; null until that is known.
    pub direction: Option<Direction>,
    /// Where it stands.
    pub status: Status,
    /// The calling number in its canonical form; null when withheld or not known.
    pub from_number: Option<String>,
    /// The called number in its canonical form.
    pub to_number: Option<String>,
    /// The calling side.
    pub from: Option<PartyView>,
    /// The called side.
    pub to: Option<PartyView>,
    /// Who answered last, or who is being rung.
    pub agent: Option<AgentView>,
    /// The queue or group it came through.
    pub queue: Option<String>,
    /// The contact found for the outside party, or chosen by an agent.
    pub contact: Option<ContactView>,
    /// What people have said of it, and what is left to be said.
    #[serde(default)]
    pub contact_moment: Option<MomentView>,
    /// When it began.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When the first device rang.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub rang_at: Option<Timestamp>,
    /// When a person of ours (inbound) or outside (outbound) answered.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    pub ended_at: Option<Timestamp>,
    /// When we first stored it, by our clock.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When the record last changed, by our clock.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// From the first ring to the answer or the end, in whole seconds.
    pub ring_seconds: Option<i64>,
    /// Talk time from answer to end, holds included, in whole seconds; 0 when nobody answered,
    /// null while the call lasts.
    pub duration_seconds: Option<i64>,
    /// Time on hold in whole seconds, so far.
    pub hold_seconds: i64,
    /// Why it ended.
    pub end_cause: Option<Reason>,
    /// The Q.850 number it ended with, as received.
    pub hangup_cause: Option<u8>,
    /// Who ended it.
    pub ended_by: Option<EndedBy>,
    /// The link of the first available recording.
    pub recording_url: Option<String>,
    /// All recordings.
    pub recordings: Vec<RecordingView>,
    /// The voicemail that was left.
    pub voicemail: Option<VoicemailView>,
    /// What was said, where the platform wrote it down.
    pub transcript: Option<String>,
    /// Holds, oldest first.
    pub holds: Vec<HoldView>,
    /// Transfers, oldest first.
    pub transfers: Vec<TransferView>,
    /// Legs, oldest first, without the platform's technical half-legs.
    pub legs: Vec<LegView>,
    /// What we know we do not know, such as `leg_end:<leg>` or `gap:<from>/<to>`.
    pub missing: Vec<String>,
    /// The call this one became part of, when two turned out to be one conversation.
    pub merged_into: Option<CallId>,
}
