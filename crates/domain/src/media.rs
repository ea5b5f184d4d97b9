//! What hangs off a call or stands beside it: recordings, voicemail, transcripts, messages and
//! presence. Metadata only; audio never passes through Switchhook.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::phone::PhoneNumber;

/// Where a recording stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// The platform is recording or still preparing the file.
    #[default]
    Pending,
    /// A link exists.
    Available,
    /// The link passed the vendor's expiry.
    Expired,
    /// The platform says it no longer exists.
    Gone,
}

/// One recording of a call, as merged so far. Keyed by the platform's id (or its URL).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recording {
    /// The furthest state reported.
    pub state: RecordingState,
    /// Where the platform keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the link stops working, as far as the vendor said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When recording began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Length in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
}

impl Recording {
    /// Joins two reports of the same recording, field by field; order does not matter.
    pub fn merge(&mut self, other: Self) {
        self.state = self.state.max(other.state);
        self.url = self.url.take().max(other.url);
        self.expires_at = self.expires_at.max(other.expires_at);
        self.started_at = earliest(self.started_at, other.started_at);
        self.duration_ms = self.duration_ms.max(other.duration_ms);
    }
}

/// A message left for us, as merged so far. Keyed by the platform's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Voicemail {
    /// Where the platform keeps the audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What was said, as far as the platform wrote it down. The longest text wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// Length in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// When it was left, earliest report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
}

impl Voicemail {
    /// Joins two reports of the same voicemail; a missing value never erases a known one.
    pub fn merge(&mut self, other: Self) {
        self.url = self.url.take().max(other.url);
        self.transcript = longer(self.transcript.take(), other.transcript);
        self.duration_ms = self.duration_ms.max(other.duration_ms);
        self.left_at = earliest(self.left_at, other.left_at);
    }
}

/// The way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageDirection {
    /// From outside to one of ours.
    Inbound,
    /// From one of ours to outside.
    Outbound,
}

/// How far the delivery of a message has got. Later variants are further.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Accepted by the platform.
    #[default]
    Pending,
    /// Delivered.
    Delivered,
    /// Could not be delivered.
    Failed,
}

/// One text message (SMS). The same id comes again for each delivery status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The platform's id.
    pub external_id: String,
    /// Inbound or outbound.
    pub direction: MessageDirection,
    /// Who sent it.
    pub from: PhoneNumber,
    /// Who was to get it; up to ten on Dialpad.
    pub to: Vec<PhoneNumber>,
    /// The text; `None` when the platform may not export it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The platform's id of the user on our side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Delivery status.
    pub status: MessageStatus,
    /// Why delivery failed, in the platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When it was sent, platform time.
    pub sent_at: Timestamp,
}

/// Whether an agent can take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Free to take a call.
    Available,
    /// Talking or ringing.
    OnCall,
    /// Finishing the paperwork of the last call.
    WrapUp,
    /// Signed on but not taking calls.
    Away,
    /// Not reachable.
    Offline,
}

/// Presence of one agent as a platform reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceReport {
    /// Extension, when the platform names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// The platform's user id, when it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The agent's e-mail, when the platform names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The state.
    pub presence: Presence,
}

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn longer(a: Option<String>, b: Option<String>) -> Option<String> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if (b.len(), &b) > (a.len(), &a) { b } else { a }),
        (a, b) => a.or(b),
    }
}
