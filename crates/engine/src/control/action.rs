//! What can be done to a call, by name, and what somebody asks for.

use crate::adapter::Capability;

/// Something that can be done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Pick up for the agent.
    Answer,
    /// Decline a ringing call.
    Reject,
    /// End the call.
    Hangup,
    /// Put the other side on hold.
    Hold,
    /// Take it back.
    Resume,
    /// Hand the call to someone without asking first.
    TransferBlind,
    /// Ask first.
    TransferAttended,
    /// Send tones.
    Dtmf,
    /// Switch the agent's microphone off.
    Mute,
    /// Switch it on.
    Unmute,
    /// Park the call.
    Park,
    /// Pause or go on recording.
    Recording,
}

impl Action {
    /// Every action, in the order in which a page shows them.
    pub const ALL: [Self; 12] = [
        Self::Answer,
        Self::Reject,
        Self::Hangup,
        Self::Hold,
        Self::Resume,
        Self::TransferBlind,
        Self::TransferAttended,
        Self::Dtmf,
        Self::Mute,
        Self::Unmute,
        Self::Park,
        Self::Recording,
    ];

    /// The name in the API and the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Reject => "reject",
            Self::Hangup => "hangup",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::TransferBlind => "transfer_blind",
            Self::TransferAttended => "transfer_attended",
            Self::Dtmf => "dtmf",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Park => "park",
            Self::Recording => "recording",
        }
    }

    /// What a platform must be able to do for it.
    #[must_use]
    pub fn needs(self) -> Capability {
        match self {
            Self::Answer => Capability::ControlAnswer,
            Self::Reject => Capability::ControlReject,
            Self::Hangup => Capability::ControlHangUp,
            Self::Hold | Self::Resume => Capability::ControlHold,
            Self::TransferBlind => Capability::ControlTransferBlind,
            Self::TransferAttended => Capability::ControlTransferAttended,
            Self::Dtmf => Capability::ControlDtmf,
            Self::Mute | Self::Unmute => Capability::ControlMute,
            Self::Park => Capability::ControlPark,
            Self::Recording => Capability::ControlRecording,
        }
    }
}

/// Something somebody asks to be done to a call, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Pick up for the agent.
    Answer,
    /// Decline a ringing call.
    Reject,
    /// End the call.
    Hangup,
    /// Put the other side on hold.
    Hold,
    /// Take it back.
    Resume,
    /// Hand the call to someone.
    Transfer {
        /// Where to, as typed.
        to: String,
        /// True to ask first.
        attended: bool,
    },
    /// Send tones.
    Dtmf(String),
    /// Switch the agent's microphone off.
    Mute,
    /// Switch it on.
    Unmute,
    /// Park the call.
    Park,
    /// True to record, false to pause.
    Recording(bool),
}

impl Order {
    /// What it is.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Answer => Action::Answer,
            Self::Reject => Action::Reject,
            Self::Hangup => Action::Hangup,
            Self::Hold => Action::Hold,
            Self::Resume => Action::Resume,
            Self::Transfer { attended: true, .. } => Action::TransferAttended,
            Self::Transfer { .. } => Action::TransferBlind,
            Self::Dtmf(_) => Action::Dtmf,
            Self::Mute => Action::Mute,
            Self::Unmute => Action::Unmute,
            Self::Park => Action::Park,
            Self::Recording(_) => Action::Recording,
        }
    }
}
