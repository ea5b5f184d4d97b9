//! The fields of a signed event, in the spellings of both dialects: the predecessor's (`callId`,
//! `from`, `to`, `userId`, `timestamp`) and the one built on the names of the platform's own
//! webhook (`uuid`, `caller_number`, `callee_number`, `user`, `event_time`).

use std::borrow::Cow;

use switchhook_domain::Timestamp;
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_domain::signal::{Direction, Party, UNDATED};
use switchhook_engine::adapter::DecodeError;

use crate::json::{Fields, label};

/// The unit of durations in both dialects, in milliseconds.
const SECONDS: f64 = 1_000.0;

/// A signed event.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) root: Fields<'a>,
    /// The call's id; the prefix of its legs' ids.
    pub(super) id: Cow<'a, str>,
    pub(super) keys: Vec<String>,
    /// When it happened; [`UNDATED`] when it does not say.
    pub(super) at: Timestamp,
    /// When the call began, as far as it says.
    pub(super) began: Timestamp,
    pub(super) direction: Direction,
    /// The number outside; of an internal call the one called.
    pub(super) remote: Option<PhoneNumber>,
    /// Our number.
    pub(super) line: Option<PhoneNumber>,
    /// Of an internal call, the extension that calls.
    pub(super) calling: Option<String>,
    /// Our side: extension and user.
    pub(super) extension: Option<String>,
    pub(super) user: Option<String>,
    pub(super) name: Option<&'a str>,
    /// Talk or, of an end, the whole time since the answer, in milliseconds.
    pub(super) duration_ms: Option<i64>,
}

impl<'a> Event<'a> {
    /// Reads what all events about a call have in common.
    pub(super) fn read(root: Fields<'a>, plan: &NumberPlan) -> Result<Self, DecodeError> {
        let id = root.first_id(&["uuid", "callId", "call_id"])?;
        let id = id.ok_or_else(|| root.fault("callId", "is missing"))?;
        let at = root.first_time(&["event_time", "timestamp"])?;
        let at = at.unwrap_or(UNDATED);
        let began = root.time("call_start_time")?.unwrap_or(at);
        let from = number(&root, &["caller_number", "from"], plan)?;
        let to = number(&root, &["callee_number", "to"], plan)?;
        let direction = direction(&root, from.as_ref(), to.as_ref())?;
        let extension = root.number("extension")?.map(|text| label(&text));
        let user = root.first_id(&["user", "userId", "user_id"])?;
        let written = |number: &PhoneNumber| number.canonical().map(str::to_owned);
        let (remote, line, calling) = match direction {
            // The field is there and empty: the caller does not show a number.
            Direction::Inbound => (from.or_else(|| withheld(&root)), to, None),
            Direction::Outbound => (to, from, None),
            Direction::Internal => (to, None, from.as_ref().and_then(written)),
        };
        Ok(Self {
            keys: keys(&root, &id)?,
            id,
            at,
            began: if at == UNDATED { at } else { began.min(at) },
            direction,
            remote,
            line,
            calling,
            extension,
            user: user.map(Cow::into_owned),
            name: root.first_words(&["phonebook_caller_name", "caller_name", "name"]),
            duration_ms: root.millis("duration", SECONDS)?,
            root,
        })
    }

    /// True when times can be reckoned with.
    pub(super) fn is_dated(&self) -> bool {
        self.at != UNDATED
    }
}

/// Every name of the call.
pub(super) fn keys(root: &Fields<'_>, id: &str) -> Result<Vec<String>, DecodeError> {
    let mut keys = vec![key(id)];
    for name in ["rta_call_id", "sip_call_id"] {
        if let Some(other) = root.id(name)? {
            keys.push(format!("{name}:{other}"));
        }
    }
    Ok(keys)
}

/// A call's id as a key.
pub(super) fn key(id: &str) -> String {
    format!("cv:{id}")
}

/// Somebody outside. For unknown callers some relays repeat the number as the name.
pub(super) fn party(number: PhoneNumber, name: Option<&str>) -> Party {
    let name = name.filter(|name| name.chars().any(char::is_alphabetic));
    Party {
        number: Some(number),
        name: name.map(label),
        ..Party::default()
    }
}

fn number(
    root: &Fields<'_>,
    names: &[&str],
    plan: &NumberPlan,
) -> Result<Option<PhoneNumber>, DecodeError> {
    for name in names {
        if let Some(raw) = root.number(name)? {
            return Ok(Some(PhoneNumber::parse(&raw, plan)));
        }
    }
    Ok(None)
}

fn withheld(root: &Fields<'_>) -> Option<PhoneNumber> {
    let named = ["caller_number", "from"].iter().any(|name| root.has(name));
    named.then(PhoneNumber::withheld)
}

/// As stated; else by which end is an extension. The predecessor took anything else for inbound.
fn direction(
    root: &Fields<'_>,
    from: Option<&PhoneNumber>,
    to: Option<&PhoneNumber>,
) -> Result<Direction, DecodeError> {
    let stated = root.text("direction")?.map(str::to_ascii_lowercase);
    let internal = |number: Option<&PhoneNumber>| {
        number.is_some_and(|number| number.kind == NumberKind::Extension)
    };
    match stated.as_deref() {
        Some("inbound" | "in" | "incoming") => Ok(Direction::Inbound),
        Some("outbound" | "out" | "outgoing") => Ok(Direction::Outbound),
        Some("internal") => Ok(Direction::Internal),
        Some(_) => Err(root.fault("direction", "must be inbound, outbound or internal")),
        None if internal(from) && internal(to) => Ok(Direction::Internal),
        None if internal(from) => Ok(Direction::Outbound),
        None => Ok(Direction::Inbound),
    }
}
