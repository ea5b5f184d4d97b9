//! Why a call ended and who ended it, in Wildix's words: `endCause` is a Q.850 number written as a
//! text, `endCauseStr` the same in words, `endBy` is `CALLER` or `CALLEE`.

use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_engine::adapter::DecodeError;

use super::event::Participant;
use crate::json::Fields;

/// The end as written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    number: Option<u8>,
    words: Option<Reason>,
    by_caller: Option<bool>,
}

impl End {
    /// Reads the three members; each may be missing.
    pub(super) fn read(of: &Fields<'_>) -> Result<Self, DecodeError> {
        let number = match of.id("endCause")? {
            None => None,
            Some(text) => {
                let number: u8 = text
                    .parse()
                    .map_err(|_| of.fault("endCause", "must be a Q.850 number"))?;
                Some(number)
            }
        };
        let by = of.words("endBy").map(str::to_ascii_uppercase);
        let by_caller = match by.as_deref() {
            Some("CALLER") => Some(true),
            Some("CALLEE") => Some(false),
            _ => None,
        };
        Ok(Self {
            number,
            words: of.words("endCauseStr").and_then(in_words),
            by_caller,
        })
    }

    /// True when nothing was said about the end at all.
    pub(super) fn is_unsaid(&self) -> bool {
        self.number.is_none() && self.words.is_none()
    }

    fn reason(&self) -> Option<Reason> {
        self.number.and_then(Reason::from_q850).or(self.words)
    }

    /// True when a conversation was cleared in the ordinary way.
    pub(super) fn is_normal(&self) -> bool {
        self.reason() == Some(Reason::Normal)
    }

    /// Why the call ended. After a conversation the number says little (the vendor's own example
    /// of a call that was talked on ends with 1, "unallocated number"). Before one, a caller who
    /// hangs up gave up, whatever number the PBX puts to it (the guide's example: 21, "Call
    /// Rejected", by `CALLER`), unless both are ours.
    pub(super) fn cause(&self, talked: bool, from_outside: bool) -> Cause {
        let reason = if talked {
            Some(Reason::Normal)
        } else if self.is_normal() || self.gave_up(from_outside) {
            Some(Reason::Cancelled)
        } else {
            self.reason().or(Some(Reason::NoAnswer))
        };
        Cause {
            reason,
            q850: self.number,
        }
    }

    fn gave_up(&self, from_outside: bool) -> bool {
        let declined = self.reason() == Some(Reason::Rejected);
        self.by_caller == Some(true) && (from_outside || !declined)
    }

    /// Whose hand it was.
    pub(super) fn by(
        &self,
        caller: Option<&Participant<'_>>,
        callee: Option<&Participant<'_>>,
    ) -> Option<EndedBy> {
        let who = if self.by_caller? { caller } else { callee };
        who.map(|who| {
            if who.local {
                EndedBy::Agent
            } else {
                EndedBy::Remote
            }
        })
    }
}

/// The texts of Q.850 as PBXs write them.
fn in_words(text: &str) -> Option<Reason> {
    let text = text.to_ascii_lowercase();
    let has = |word: &str| text.contains(word);
    Some(if has("reject") {
        Reason::Rejected
    } else if has("busy") {
        Reason::Busy
    } else if has("no answer") || has("no user respon") {
        Reason::NoAnswer
    } else if has("normal") {
        Reason::Normal
    } else if has("congestion") || has("circuit") {
        Reason::Congestion
    } else if has("unallocated") || has("no route") || has("out of order") {
        Reason::Unreachable
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn end(value: &serde_json::Value) -> End {
        End::read(&Fields::root(value.as_object().unwrap())).unwrap()
    }

    #[test]
    fn the_number_and_the_hand_decide_together() {
        let guide =
            end(&json!({"endCause": "21", "endCauseStr": "Call Rejected", "endBy": "CALLER"}));
        assert_eq!(guide.cause(false, true).reason, Some(Reason::Cancelled));
        assert_eq!(guide.cause(false, true).q850, Some(21));
        assert_eq!(guide.cause(false, false).reason, Some(Reason::Rejected));
        let declined = end(&json!({"endCause": "21", "endBy": "CALLEE"}));
        assert_eq!(declined.cause(false, true).reason, Some(Reason::Rejected));
        for (number, reason) in [
            ("16", Reason::Cancelled),
            ("17", Reason::Busy),
            ("18", Reason::NoAnswer),
            ("19", Reason::NoAnswer),
        ] {
            let end = end(&json!({"endCause": number}));
            assert_eq!(end.cause(false, true).reason, Some(reason), "{number}");
            assert_eq!(
                end.cause(true, true).reason,
                Some(Reason::Normal),
                "{number}"
            );
        }
    }

    #[test]
    fn words_stand_in_for_a_number() {
        let busy = end(&json!({"endCauseStr": "User Busy"}));
        assert_eq!(busy.cause(false, true).reason, Some(Reason::Busy));
        assert!(end(&json!({"endCause": null})).is_unsaid());
        let map = json!({"endCause": "soon"});
        assert!(End::read(&Fields::root(map.as_object().unwrap())).is_err());
    }
}
