//! Values that several sources speak of, and who is on one side of a call.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::join;
use crate::Timestamp;
use crate::agent::Names;
use crate::call::AgentView;
use crate::phone::{NumberKind, PhoneNumber};
use crate::signal::Party;

/// A value with the rank of its source and the time it was said. Merging keeps the higher rank;
/// among equals what was said first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said<T> {
    rank: u8,
    at: Reverse<Timestamp>,
    /// What was said.
    pub value: T,
}

impl<T> Said<T> {
    pub(super) fn new(rank: u8, at: Timestamp, value: T) -> Self {
        Self {
            rank,
            at: Reverse(at),
            value,
        }
    }
}

/// A value that may change while the call lasts; the latest one counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Latest<T> {
    pub(super) at: Timestamp,
    /// What was said.
    pub value: T,
}

/// Who is on one side, each member from its best source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct PartyFacts {
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Said<PhoneNumber>>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Said<String>>,
    /// Extension or device name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<Said<String>>,
    /// The platform's user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Said<String>>,
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Said<String>>,
}

impl PartyFacts {
    pub(super) fn apply(&mut self, at: Timestamp, party: &Party) -> bool {
        let number = party.number.as_ref();
        let number = number.map(|n| Said::new(rank(n.kind), at, n.clone()));
        let mut news = join(&mut self.number, number);
        for (slot, text) in [
            (&mut self.name, &party.name),
            (&mut self.extension, &party.extension),
            (&mut self.user_id, &party.user_id),
            (&mut self.email, &party.email),
        ] {
            let text = text.as_ref().filter(|text| !text.trim().is_empty());
            news |= join(slot, text.map(|text| Said::new(0, at, text.clone())));
        }
        news
    }

    /// The same as records show an agent.
    #[must_use]
    pub fn view(&self) -> AgentView {
        let said = |value: &Option<Said<String>>| value.as_ref().map(|v| v.value.clone());
        AgentView {
            id: None,
            extension: said(&self.extension),
            user_id: said(&self.user_id),
            email: said(&self.email),
            name: said(&self.name),
            crm_user_id: None,
        }
    }

    /// The names the platform gives for who is on it.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        fn said(value: Option<&Said<String>>) -> Option<&str> {
            value.map(|said| said.value.as_str())
        }
        Names {
            extension: said(self.extension.as_ref()),
            user_id: said(self.user_id.as_ref()),
            email: said(self.email.as_ref()),
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        join(&mut self.number, other.number);
        join(&mut self.name, other.name);
        join(&mut self.extension, other.extension);
        join(&mut self.user_id, other.user_id);
        join(&mut self.email, other.email);
    }
}

/// A number that can be called back is worth more than one that cannot.
pub(super) fn rank(kind: NumberKind) -> u8 {
    match kind {
        NumberKind::Unknown => 0,
        NumberKind::Withheld => 1,
        NumberKind::Sip => 2,
        NumberKind::Extension => 3,
        NumberKind::ShortCode => 4,
        NumberKind::Emergency => 5,
        NumberKind::Public => 6,
    }
}
