//! A Dialpad call event, read into types and believed field by field.
//!
//! What lives here: the field names of "Call events" (developers.dialpad.com/docs/call-events)
//! and the checks on them. What does not: what an event means for a call, which is
//! [`super::decode`].

use std::borrow::Cow;

use switchhook_domain::Timestamp;
use switchhook_domain::id::DialId;
use switchhook_domain::signal::{DIAL_KEY, Direction, LegKind};
use switchhook_engine::adapter::DecodeError;

use crate::json::Fields;

/// Somebody or something on Dialpad's side: a user, or a group that routes to users.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    /// Lower case, without underscores: `user`, `callcenter`, `office`, …; empty when not said.
    pub(super) kind: String,
    pub(super) name: Option<&'a str>,
    pub(super) email: Option<&'a str>,
    pub(super) phone: Option<Cow<'a, str>>,
}

impl<'a> Target<'a> {
    /// True when anything in it says who it is.
    fn names_somebody(&self) -> bool {
        let texts = [self.name, self.email];
        self.id.is_some() || self.phone.is_some() || texts.iter().any(Option::is_some)
    }

    fn read(fields: Fields<'a>) -> Result<Self, DecodeError> {
        let kind = fields.text("type")?.unwrap_or_default();
        Ok(Self {
            id: fields.id("id")?,
            kind: kind
                .chars()
                .filter(|c| *c != '_')
                .map(|c| c.to_ascii_lowercase())
                .collect(),
            name: fields.first_words(&["name", "display_name"]),
            email: fields.words("email"),
            phone: match fields.number("phone")? {
                Some(phone) => Some(phone),
                None => fields.number("phone_number")?,
            },
        })
    }

    fn find(root: &Fields<'a>, name: &'static str) -> Result<Option<Self>, DecodeError> {
        root.object(name, name)?.map(Self::read).transpose()
    }

    /// Users are agents; everything else (office, department, callcenter, callrouter, room,
    /// staffgroup, …) is on the way to one.
    pub(super) fn leg_kind(&self) -> LegKind {
        if self.kind.is_empty() || self.kind == "user" {
            LegKind::Agent
        } else {
            LegKind::Routing
        }
    }

    /// The name callers wait under, for the kinds in which people wait.
    pub(super) fn queue(&self) -> Option<&'a str> {
        matches!(self.kind.as_str(), "callcenter" | "department" | "office")
            .then_some(self.name)
            .flatten()
    }
}

/// The times of one leg. Each is a fact in itself, whichever event carries it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dates {
    pub(super) started: Option<Timestamp>,
    pub(super) queued: Option<Timestamp>,
    pub(super) rang: Option<Timestamp>,
    pub(super) connected: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

impl Dates {
    /// Events built from a template carry dates of another call; a leg cannot ring, answer or
    /// end before it began, so such a date is as good as none.
    fn read(root: &Fields<'_>) -> Result<Self, DecodeError> {
        let started = root.time("date_started")?;
        let after = |at: &Timestamp| started.is_none_or(|started| *at >= started);
        let rang = root.time("date_rang")?.filter(after);
        let first_rang = root.time("date_first_rang")?.filter(after);
        Ok(Self {
            started,
            queued: root.time("date_queued")?.filter(after),
            rang: rang.or(first_rang),
            connected: root.time("date_connected")?.filter(after),
            ended: root.time("date_ended")?.filter(after),
        })
    }

    fn latest(&self) -> Option<Timestamp> {
        let all = [
            self.started,
            self.queued,
            self.rang,
            self.connected,
            self.ended,
        ];
        all.into_iter().flatten().max()
    }
}

/// One call event.
#[derive(Clone, Debug)]
pub(super) struct CallEvent<'a> {
    pub(super) root: Fields<'a>,
    /// The event's kind, as written.
    pub(super) state: &'a str,
    /// Dialpad's `call_id`: one leg.
    pub(super) leg: String,
    /// When it was reported, by Dialpad's clock.
    pub(super) at: Timestamp,
    pub(super) direction: Option<Direction>,
    pub(super) internal: bool,
    pub(super) dates: Dates,
    pub(super) external_number: Option<Cow<'a, str>>,
    pub(super) internal_number: Option<Cow<'a, str>>,
    pub(super) contact_name: Option<&'a str>,
    pub(super) target: Option<Target<'a>>,
    pub(super) entry_point: Option<Target<'a>>,
    pub(super) entry_point_call: Option<Cow<'a, str>>,
    pub(super) master_call: Option<Cow<'a, str>>,
    pub(super) operator_call: Option<Cow<'a, str>>,
    /// The id behind `CallCenter:`, `Department:` or `Office:`.
    pub(super) group: Option<&'a str>,
    pub(super) is_transferred: bool,
    /// Who handed the call over, and the leg they had.
    pub(super) transferred_from: Option<(Target<'a>, Option<Cow<'a, str>>)>,
    /// Time on hold in milliseconds.
    pub(super) hold_ms: Option<i64>,
}

impl<'a> CallEvent<'a> {
    /// Reads a call event; `root` has a `state` and a `call_id`.
    pub(super) fn read(root: Fields<'a>) -> Result<Self, DecodeError> {
        let state = root
            .text("state")?
            .ok_or_else(|| root.fault("state", "is missing"))?;
        let leg = root
            .id("call_id")?
            .ok_or_else(|| root.fault("call_id", "is missing"))?;
        let dates = Dates::read(&root)?;
        let at = root.time("event_timestamp")?.or_else(|| dates.latest());
        let at = at.ok_or_else(|| root.fault("event_timestamp", "is missing"))?;
        let contact = root.object("contact", "contact")?;
        let external_number = match (root.number("external_number")?, contact) {
            (None, Some(contact)) => contact.number("phone")?,
            (number, _) => number,
        };
        let transferred_from = match root.object("transferred_from", "transferred_from")? {
            // Dialpad sends `{}` for nobody; members it may add there name nobody either.
            Some(fields) => {
                let (from, leg) = (Target::read(fields)?, fields.id("call_id")?);
                let says = from.names_somebody() || leg.is_some();
                says.then_some((from, leg))
            }
            None => None,
        };
        Ok(Self {
            root,
            state,
            leg: leg.into_owned(),
            at,
            direction: read_direction(&root)?,
            internal: root.flag("is_internal")?,
            dates,
            external_number,
            internal_number: root.number("internal_number")?,
            contact_name: contact.and_then(|contact| contact.words("name")),
            target: Target::find(&root, "target")?,
            entry_point: Target::find(&root, "entry_point_target")?,
            entry_point_call: root.id("entry_point_call_id")?,
            master_call: root.id("master_call_id")?,
            operator_call: root.id("operator_call_id")?,
            group: root
                .text("group_id")?
                .and_then(|id| id.split_once(':'))
                .map(|(_, id)| id),
            is_transferred: root.flag("is_transferred")?,
            transferred_from,
            hold_ms: root.millis("hold_time", 1.0)?.filter(|ms| *ms > 0),
        })
    }

    /// Every name of the conversation that the event mentions.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys = vec![key(&self.leg)];
        let others = [
            &self.master_call,
            &self.entry_point_call,
            &self.operator_call,
        ];
        for id in others.into_iter().flatten() {
            let name = key(id);
            if !keys.contains(&name) {
                keys.push(name);
            }
        }
        keys.extend(dial_key(self.root.words("custom_data")));
        keys
    }
}

/// What the key of a call id begins with.
pub(super) const KEY: &str = "dp:";

/// The key of a conversation for one of its call ids.
pub(super) fn key(call_id: &str) -> String {
    format!("{KEY}{call_id}")
}

/// The key of a call we asked for: `custom_data` comes back with its events. Anything else that
/// stands there is other people's.
fn dial_key(custom_data: Option<&str>) -> Option<String> {
    let id: DialId = custom_data?.strip_prefix(DIAL_KEY)?.parse().ok()?;
    Some(format!("{DIAL_KEY}{id}"))
}

/// `inbound`/`outbound`, and the predecessor's other spellings of them.
pub(super) fn read_direction(fields: &Fields<'_>) -> Result<Option<Direction>, DecodeError> {
    let Some(word) = fields.text("direction")? else {
        return Ok(None);
    };
    match word.to_ascii_lowercase().as_str() {
        "inbound" | "incoming" | "in" => Ok(Some(Direction::Inbound)),
        "outbound" | "outgoing" | "out" => Ok(Some(Direction::Outbound)),
        "internal" => Ok(Some(Direction::Internal)),
        _ => Err(fields.fault("direction", "must be inbound or outbound")),
    }
}
