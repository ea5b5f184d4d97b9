//! Why a call is not placed or not steered, as the outside sees it: one code each, a sentence with
//! the way out, and the machine word of the reason beside it.

use std::time::Duration;

use switchhook_engine::command::{CommandError, Fault};
use switchhook_engine::control::ControlRefusal;
use switchhook_engine::dial::Refusal;
use switchhook_engine::dial::policy::Reason;
use switchhook_engine::store::Dial;

use crate::problem::{Code, Problem};

/// What placing a call may answer besides.
pub(crate) const PLACING: &[Code] = &[
    Code::DialRefused,
    Code::NotOwnExtension,
    Code::DialRateLimited,
    Code::AgentBusy,
    Code::IdempotencyConflict,
    Code::NotSupported,
    Code::ConnectionUnusable,
    Code::PlatformRefused,
    Code::PlatformUnreachable,
];
/// What asking a platform for its users may answer besides.
pub(crate) const ASKING: &[Code] = &[
    Code::NotSupported,
    Code::ConnectionUnusable,
    Code::PlatformRefused,
    Code::PlatformUnreachable,
];
/// What steering a call may answer besides.
pub(crate) const STEERING: &[Code] = &[
    Code::InvalidId,
    Code::CallNotFound,
    Code::CallOver,
    Code::WrongState,
    Code::NotSupported,
    Code::DialRefused,
    Code::NotOwnExtension,
    Code::ConnectionUnusable,
    Code::PlatformRefused,
    Code::PlatformUnreachable,
];

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Field { field, problem } if field == "Idempotency-Key" => {
                Self::parameter(field, &problem)
            }
            Refusal::Field { field, problem } => Self::field(field, &problem),
            Refusal::Refused {
                field,
                reason: reason @ Reason::NotANumber,
            } => Self::new(Code::InvalidField, reason.sentence())
                .at(field)
                .with("reason", reason.as_str()),
            Refusal::Refused { field, reason } => Self::new(Code::DialRefused, reason.sentence())
                .at(field)
                .with("reason", reason.as_str()),
            Refusal::TooMany { limit, wait } => {
                let detail = format!(
                    "This agent has placed {limit} calls within a minute, which is as many as \
                     this app allows. Wait a moment."
                );
                Self::new(Code::DialRateLimited, detail).after(wait)
            }
            Refusal::NotOwn => not_own(),
            Refusal::Busy => {
                let detail = "Cannot initiate call while on another call";
                Self::new(Code::AgentBusy, detail)
            }
            Refusal::NotSupported(why) => Self::new(Code::NotSupported, why),
            Refusal::Down(why) => Self::new(Code::PlatformUnreachable, why),
            Refusal::Unusable => {
                let detail = "The connection cannot be used at the moment. Its operator is told \
                              why.";
                Self::new(Code::ConnectionUnusable, detail)
            }
            Refusal::KeyConflict => {
                let detail = "This Idempotency-Key was used for another request. Use a new key \
                              for a new call.";
                Self::new(Code::IdempotencyConflict, detail)
            }
            Refusal::Broken => Self::internal(),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// An agent acts for themselves, and this is not theirs.
pub(crate) fn not_own() -> Problem {
    let detail = "An agent dials and steers from their own extension only, and only calls they \
                  are on. Ask an administrator to map the extension to you.";
    Problem::new(Code::NotOwnExtension, detail)
}

impl From<ControlRefusal> for Problem {
    fn from(refusal: ControlRefusal) -> Self {
        match refusal {
            ControlRefusal::UnknownCall => {
                let detail = "Call not found. Take the id from the list; calls of other apps are \
                              not shown.";
                Self::new(Code::CallNotFound, detail)
            }
            ControlRefusal::Over => {
                let detail = "The call is over. Nothing can be done to it any more.";
                Self::new(Code::CallOver, detail)
            }
            ControlRefusal::WrongState(why) => Self::new(Code::WrongState, why),
            ControlRefusal::Refused(refusal) => refusal.into(),
            ControlRefusal::Failed(error) => failed(error),
        }
    }
}

fn failed(error: CommandError) -> Problem {
    let code = match error.fault {
        Fault::NotSupported => Code::NotSupported,
        Fault::Unreachable | Fault::Uncertain => Code::PlatformUnreachable,
        Fault::Gone => Code::CallOver,
        Fault::State => Code::WrongState,
        Fault::Credentials
        | Fault::Permission
        | Fault::Settings
        | Fault::Device
        | Fault::Target
        | Fault::RateLimited
        | Fault::Platform => Code::PlatformRefused,
    };
    let problem = Problem::new(code, error.detail).with("cause", error.fault.as_str());
    match error.retry_after {
        Some(wait) => problem.after(wait),
        None => problem,
    }
}

/// A dial that has failed, as the answer to its request: the same however often it is asked.
pub(crate) fn failed_dial(dial: &Dial) -> Option<Problem> {
    let failure = dial.failure.as_ref()?;
    let code = match failure.cause.as_str() {
        "not_supported" => Code::NotSupported,
        "unreachable" | "uncertain" | "no_events" => Code::PlatformUnreachable,
        _ => Code::PlatformRefused,
    };
    let problem = Problem::new(code, failure.detail.clone())
        .with("cause", failure.cause.as_str())
        .with("dial_id", dial.id.to_string())
        .with("call_id", dial.call_id.to_string());
    Some(if failure.cause == "rate_limited" {
        problem.after(Duration::from_secs(10))
    } else {
        problem
    })
}
