//! Why a leg ended: from `DIALSTATUS`, Q.850 and SIP to the normalised reason.

use switchhook_domain::cause::{Cause, Reason};

use super::happening::{DialFailure, RawCause};

/// What Asterisk's word for a failed dial attempt means.
pub(super) fn reason_of(failure: DialFailure) -> Option<Reason> {
    match failure {
        DialFailure::Busy => Some(Reason::Busy),
        DialFailure::NoAnswer => Some(Reason::NoAnswer),
        DialFailure::Cancelled => Some(Reason::Cancelled),
        DialFailure::Congestion => Some(Reason::Congestion),
        DialFailure::Unavailable => Some(Reason::Unreachable),
        DialFailure::Refused => Some(Reason::Rejected),
        DialFailure::Other => None,
    }
}

/// The cause as received; where the Q.850 number says nothing, the SIP status may.
pub(super) fn cause_of(raw: RawCause) -> Cause {
    let cause = raw.q850.map(Cause::q850).unwrap_or_default();
    let by_sip = || match raw.sip {
        Some(486 | 600) => Some(Reason::Busy),
        Some(603 | 607) => Some(Reason::Rejected),
        Some(487) => Some(Reason::Cancelled),
        Some(404 | 410 | 480 | 484 | 604) => Some(Reason::Unreachable),
        Some(408) => Some(Reason::NoAnswer),
        _ => None,
    };
    Cause {
        reason: cause.reason.or_else(by_sip),
        ..cause
    }
}
