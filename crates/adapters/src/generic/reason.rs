//! The words PBXs have for why a call ended: ours, Q.850 numbers, Asterisk's `DIALSTATUS` and
//! FreeSWITCH's hang-up causes. A word nobody knows is no reason; the call ends all the same.

use switchhook_domain::cause::{Cause, Reason};

use crate::flat;

/// The cause a script wrote.
pub(super) fn cause(text: &str) -> Cause {
    let text = text.trim();
    if let Ok(number) = text.parse::<u8>() {
        return Cause::q850(number);
    }
    let word = text.to_ascii_lowercase().replace(['-', ' '], "_");
    // Asterisk: variable DIALSTATUS of Dial(); FreeSWITCH: hangup_cause, "Hangup Cause Code
    // Table"; both as their documentation lists them.
    let reason = match word.as_str() {
        "answer" | "answered" | "normal_clearing" | "hangup" => Some(Reason::Normal),
        "noanswer" | "no_user_response" | "timeout" | "allotted_timeout" => Some(Reason::NoAnswer),
        "user_busy" => Some(Reason::Busy),
        "cancel" | "originator_cancel" | "abandoned" => Some(Reason::Cancelled),
        "chanunavail"
        | "unallocated_number"
        | "user_not_registered"
        | "no_route_destination"
        | "invalidargs"
        | "invalid_number_format" => Some(Reason::Unreachable),
        "normal_circuit_congestion" | "switch_congestion" => Some(Reason::Congestion),
        "call_rejected" | "declined" | "dontcall" | "torture" => Some(Reason::Rejected),
        "lose_race" | "picked_off" => Some(Reason::AnsweredElsewhere),
        "attended_transfer" | "blind_transfer" => Some(Reason::Transferred),
        other => flat::reason(other),
    };
    reason.map(Cause::reason).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_of_the_same_end() {
        for (text, reason) in [
            ("busy", Reason::Busy),
            ("BUSY", Reason::Busy),
            ("USER_BUSY", Reason::Busy),
            ("17", Reason::Busy),
            ("NOANSWER", Reason::NoAnswer),
            ("no answer", Reason::NoAnswer),
            ("NO_ANSWER", Reason::NoAnswer),
            ("CANCEL", Reason::Cancelled),
            ("CALL_REJECTED", Reason::Rejected),
            ("blocked", Reason::Blocked),
            ("NORMAL_CLEARING", Reason::Normal),
        ] {
            assert_eq!(cause(text).reason, Some(reason), "{text}");
        }
        assert_eq!(cause("17").q850, Some(17));
        for text in ["", "0", "because", "999"] {
            assert_eq!(cause(text).reason, None, "{text}");
        }
    }
}
