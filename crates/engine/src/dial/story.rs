//! What the engine itself says of a call it was asked to place, as signals of the fold, and the
//! changes they make. Everything here may be said twice: a repetition changes nothing.

use jiff::SignedDuration;
use switchhook_domain::Timestamp;
use switchhook_domain::cause::{Cause, EndedBy, Reason};
use switchhook_domain::dial::DialCause;
use switchhook_domain::id::{AppId, CallId, DialId, IdMint};
use switchhook_domain::phone::PhoneNumber;
use switchhook_domain::signal::{CallFact, DIAL_KEY, Party, Signal};

use super::policy;
use crate::command::Fault;
use crate::connections::ReadyConnection;
use crate::seal;
use crate::store::{Changeset, Dial, FoldInput};

/// How long nothing may come of a dial before it is given up.
pub const DEADLINE: SignedDuration = SignedDuration::from_secs(60);

/// The key every signal about the call carries.
pub(super) fn key(dial: &Dial) -> String {
    format!("{DIAL_KEY}{}", dial.id)
}

/// The id of a dial with an idempotency key is made of the key, so that a repetition finds it.
pub(super) fn keyed_id(app: AppId, idempotency_key: &str) -> DialId {
    let digest = seal::digest(format!("{app}\n{idempotency_key}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    DialId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Where the ids of the pending call come from: of the dial alone, so that the call can be made
/// again after a crash, as the same call.
fn seed(id: DialId) -> u128 {
    id.0.as_u128().wrapping_add(1)
}

/// The id the pending call will have: the first its change gives out.
pub(super) fn call_id(id: DialId, requested_at: Timestamp) -> CallId {
    IdMint::new(requested_at, seed(id)).call()
}

/// The change that makes the pending call.
pub(super) fn pending(dial: &Dial, keys: &[String], connection: &ReadyConnection) -> Changeset {
    let at = dial.requested_at;
    let mut names = vec![key(dial)];
    names.extend(keys.iter().cloned());
    let plan = &connection.context.numbers;
    let target = policy::target(&dial.target, plan)
        .unwrap_or_else(|_| PhoneNumber::parse(&dial.target, plan));
    let requested = CallFact::Requested {
        dial: dial.id,
        agent: Party {
            extension: dial.agent_extension.clone(),
            user_id: dial.agent_user_id.clone(),
            ..Party::default()
        },
        target,
    };
    let mut signals = vec![
        Signal::call(at, &names, CallFact::Started),
        Signal::call(at, &names, requested),
    ];
    if let Some(shown) = &dial.caller_id {
        let shown = PhoneNumber::parse(shown, plan);
        signals.push(Signal::call(at, &names, CallFact::Line(shown)));
    }
    change(dial, connection, (at, seed(dial.id)), signals)
}

/// The change that ties the platform's names to the pending call.
pub(super) fn linked(
    dial: &Dial,
    connection: &ReadyConnection,
    now: (Timestamp, u128),
) -> Changeset {
    let mut names = vec![key(dial)];
    names.extend(dial.platform_keys.iter().cloned());
    let at = dial.placed_at.unwrap_or(now.0);
    let signals = vec![Signal::call(at, &names, CallFact::Linked)];
    change(dial, connection, now, signals)
}

/// The change that ends the call and tells why it came to nothing.
pub(super) fn failed(
    dial: &Dial,
    connection: &ReadyConnection,
    now: (Timestamp, u128),
) -> Option<Changeset> {
    let failure = dial.failure.as_ref()?;
    let at = dial.settled_at.unwrap_or(now.0);
    let names = [key(dial)];
    let told = CallFact::DialFailed {
        dial: dial.id,
        cause: DialCause::from_name(&failure.cause).unwrap_or(DialCause::PlatformError),
        detail: failure.detail.clone(),
    };
    let ended = CallFact::Ended {
        cause: Cause::reason(Reason::Failed),
        by: Some(EndedBy::System),
    };
    let signals = vec![
        Signal::call(at, &names, told),
        Signal::call(at, &names, ended),
    ];
    Some(change(dial, connection, now, signals))
}

fn change(
    dial: &Dial,
    connection: &ReadyConnection,
    (at, random): (Timestamp, u128),
    signals: Vec<Signal>,
) -> Changeset {
    Changeset {
        app_id: dial.app_id,
        at,
        random,
        notification: None,
        fold: Some(FoldInput {
            connection_id: dial.connection_id,
            platform: connection.adapter.spec().platform.into(),
            country: connection.app.country.as_str().into(),
            signals,
            settle: Vec::new(),
            deeds: Vec::new(),
            roster: None,
            history: false,
        }),
        tasks: Vec::new(),
        events: Vec::new(),
        link: None,
    }
}

/// The cause a refused request has in our words.
pub(super) fn cause_of(fault: Fault) -> DialCause {
    match fault {
        Fault::NotSupported => DialCause::NotSupported,
        Fault::Credentials => DialCause::Credentials,
        Fault::Permission => DialCause::Permission,
        Fault::Settings => DialCause::Settings,
        Fault::Device => DialCause::DeviceOffline,
        Fault::Target => DialCause::TargetRefused,
        Fault::RateLimited => DialCause::RateLimited,
        Fault::Gone | Fault::State | Fault::Platform => DialCause::PlatformError,
        Fault::Unreachable => DialCause::Unreachable,
        Fault::Uncertain => DialCause::Uncertain,
    }
}
