//! The envelope all Wildix events share, and who takes part: field names of "Webhooks"
//! (docs.wildix.com, calls and analytics) and of the guide of August 2023. What an event means is
//! not here.

use std::borrow::Cow;

use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::phone::{NumberKind, NumberPlan, PhoneNumber};
use switchhook_domain::signal::{LegKind, Party};
use switchhook_engine::adapter::DecodeError;

use crate::json::{Fields, label};

/// An event of either generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    /// The envelope.
    pub(super) root: Fields<'a>,
    /// What the event is about.
    pub(super) data: Fields<'a>,
    /// When it happened, by the PBX's clock.
    pub(super) at: Timestamp,
}

impl<'a> Event<'a> {
    /// Reads the envelope. `time` is in milliseconds; the one in `data` is when it happened, the
    /// one outside when it was sent.
    pub(super) fn read(root: Fields<'a>) -> Result<Self, DecodeError> {
        let data = root
            .object("data", "data")?
            .ok_or_else(|| root.fault("data", "is missing"))?;
        let at = match data.time("time")? {
            Some(at) => Some(at),
            None => root.time("time")?,
        };
        let at = at.ok_or_else(|| root.fault("time", "is missing"))?;
        Ok(Self { root, data, at })
    }

    /// The call's id: the first generation has it outside, the second in both places.
    pub(super) fn call_id(&self) -> Result<Cow<'a, str>, DecodeError> {
        let inner = self.data.id("id")?;
        let id = match inner {
            Some(id) => Some(id),
            None => self.root.id("id")?,
        };
        id.ok_or_else(|| self.root.fault("id", "is missing"))
    }

    /// Every name of the call. The outer id of the second generation is the call's as well.
    pub(super) fn keys(&self) -> Result<Vec<String>, DecodeError> {
        let mut keys = vec![key(&self.call_id()?)];
        if let Some(outer) = self.root.id("id")? {
            keys.push(key(&outer));
        }
        keys.dedup();
        Ok(keys)
    }
}

/// A call's id as a key.
pub(super) fn key(id: &str) -> String {
    format!("wx:{id}")
}

/// One participant.
#[derive(Clone, Debug)]
pub(super) struct Participant<'a> {
    /// True for one of ours (`LOCAL`).
    pub(super) local: bool,
    /// `phone`, as written.
    pub(super) phone: Option<Cow<'a, str>>,
    /// `userExtension`, or the phone of a user where that is an extension.
    pub(super) extension: Option<Cow<'a, str>>,
    user_id: Option<Cow<'a, str>>,
    name: Option<&'a str>,
    email: Option<&'a str>,
}

impl<'a> Participant<'a> {
    /// Reads `caller` or `callee`; none when it is `null`.
    pub(super) fn read(of: &Fields<'a>, name: &'static str) -> Result<Option<Self>, DecodeError> {
        let Some(fields) = of.object(name, name)? else {
            return Ok(None);
        };
        let kind = fields.text("type")?;
        let kind = kind.ok_or_else(|| fields.fault("type", "is missing"))?;
        let local = match kind.to_ascii_uppercase().as_str() {
            "LOCAL" => true,
            "REMOTE" => false,
            _ => return Err(fields.fault("type", "must be LOCAL or REMOTE")),
        };
        let phone = fields.number("phone")?;
        let extension = match fields.number("userExtension")? {
            Some(extension) => Some(extension),
            None => phone.clone().filter(|_| local),
        };
        Ok(Some(Self {
            local,
            phone,
            extension: extension.filter(|_| local),
            user_id: fields.id("userId")?.filter(|_| local),
            name: fields.words("name"),
            email: fields.words("email"),
        }))
    }

    /// Whose leg it is on.
    pub(super) fn kind(&self) -> LegKind {
        if self.local {
            LegKind::Agent
        } else {
            LegKind::External
        }
    }

    /// The user's id at Wildix.
    pub(super) fn user_id(&self) -> Option<String> {
        self.user_id.clone().map(Cow::into_owned)
    }

    /// True when both are the same person or number.
    pub(super) fn is(&self, other: &Participant<'_>) -> bool {
        self.local == other.local && self.identity() == other.identity()
    }

    fn identity(&self) -> Option<&str> {
        self.extension.as_deref().or(self.phone.as_deref())
    }

    /// The part of the leg's id that tells this participant from others of the call.
    pub(super) fn leg_name(&self) -> &str {
        if self.local {
            self.identity().unwrap_or("user")
        } else {
            "remote"
        }
    }

    /// The outside party's number; nothing written means that it is not shown.
    pub(super) fn number(&self, spare: Option<&str>, plan: &NumberPlan) -> PhoneNumber {
        match self.phone.as_deref().or(spare) {
            Some(raw) => PhoneNumber::parse(raw, plan),
            None => PhoneNumber::withheld(),
        }
    }

    /// Who that is. `spare` is the number where the participant itself names none.
    pub(super) fn party(&self, spare: Option<&str>, plan: &NumberPlan) -> Party {
        // For unknown callers Wildix repeats the number as the name.
        let name = self
            .name
            .filter(|name| name.chars().any(char::is_alphabetic));
        let name = name.map(label);
        if !self.local {
            return Party {
                number: Some(self.number(spare, plan)),
                name,
                ..Party::default()
            };
        }
        Party {
            number: self
                .phone
                .as_deref()
                .map(|raw| PhoneNumber::parse(raw, plan)),
            name,
            extension: self.extension.as_deref().map(label),
            user_id: self.user_id(),
            email: self.email.map(label),
        }
    }
}

/// True for a number one of ours may have dialled that leads outside.
pub(super) fn leads_outside(raw: &str, plan: &NumberPlan) -> bool {
    let kind = PhoneNumber::parse(raw, plan).kind;
    matches!(
        kind,
        NumberKind::Public | NumberKind::ShortCode | NumberKind::Emergency
    )
}

/// `flags` as lower-case words.
pub(super) fn has_flag(of: &Fields<'_>, flag: &str) -> bool {
    let words = of.list("flags").iter().filter_map(Value::as_str);
    words
        .into_iter()
        .any(|word| word.trim().eq_ignore_ascii_case(flag))
}
