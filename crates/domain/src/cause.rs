//! Why a leg or call ended: the normalised reason, the Q.850 number it came from where there was
//! one, and who ended it. Adapters translate their platform's words into these.

use serde::{Deserialize, Serialize};

/// The normalised reason. The order is the order of preference when two sources disagree about
/// the same leg: a later variant is the more telling one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Closed by the reaper: the end was never reported.
    Lost,
    /// Ended in the ordinary way.
    Normal,
    /// Something broke on the way; the platform did not say more.
    Failed,
    /// Rang until the time ran out.
    NoAnswer,
    /// The caller gave up before anyone answered.
    Cancelled,
    /// No circuit or channel free.
    Congestion,
    /// The device or number could not be reached.
    Unreachable,
    /// The called party was busy.
    Busy,
    /// The called party declined.
    Rejected,
    /// Refused by a rule of the platform, such as a block list.
    Blocked,
    /// Another device of the same group took the call.
    AnsweredElsewhere,
    /// Went on to voicemail.
    Voicemail,
    /// The leg left because the call moved on to someone else.
    Transferred,
}

impl Reason {
    /// The reason for a Q.850 cause number as Asterisk and Wildix report it. `None` for 0, which
    /// means "not known", and for numbers that say nothing about why.
    #[must_use]
    pub fn from_q850(cause: u8) -> Option<Self> {
        Some(match cause {
            16 | 31 => Self::Normal,
            17 => Self::Busy,
            18 | 19 => Self::NoAnswer,
            20 | 27 | 1 | 2 | 3 | 22 | 28 => Self::Unreachable,
            21 => Self::Rejected,
            26 => Self::AnsweredElsewhere,
            34 | 42 | 44 | 58 => Self::Congestion,
            38 | 41 | 88 | 102 | 111 => Self::Failed,
            _ => return None,
        })
    }
}

/// Who ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The platform: a time-out, a queue rule, an administrator.
    System,
    /// The outside party.
    Remote,
    /// One of ours.
    Agent,
}

/// Everything a platform said about one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// The normalised reason, when one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The Q.850 number as received, 0 included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q850: Option<u8>,
}

impl Cause {
    /// A cause known by its reason alone.
    #[must_use]
    pub fn reason(reason: Reason) -> Self {
        Self {
            reason: Some(reason),
            q850: None,
        }
    }

    /// A cause known by its Q.850 number.
    #[must_use]
    pub fn q850(cause: u8) -> Self {
        Self {
            reason: Reason::from_q850(cause),
            q850: Some(cause),
        }
    }

    /// Merges two statements about the same end: the more telling reason, and a number other
    /// than "not known" before 0.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            reason: self.reason.max(other.reason),
            q850: self.q850.max(other.q850),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_telling_statement_wins_in_either_order() {
        let timeout = Cause::reason(Reason::NoAnswer);
        let declined = Cause::q850(21);
        assert_eq!(timeout.merge(declined), declined.merge(timeout));
        assert_eq!(timeout.merge(declined).reason, Some(Reason::Rejected));
    }

    #[test]
    fn an_unknown_number_gives_no_reason() {
        assert_eq!(Cause::q850(0).reason, None);
        assert_eq!(Cause::q850(127).reason, None);
    }
}
