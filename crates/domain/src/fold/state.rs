//! What is stored about a call, a message and an agent's presence between two folds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::FoldContext;
use crate::Timestamp;
use crate::call::ContactView;
use crate::contact::Matches;
use crate::derive::{Derived, Frame, derive};
use crate::facts::Facts;
use crate::id::{CallId, ConnectionId};
use crate::media::{Message, PresenceReport};
use crate::signal::DIAL_KEY;

/// Everything stored about a call; the record is derived from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallState {
    /// Our id.
    pub id: CallId,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// The platform.
    pub platform: String,
    /// What is known.
    pub facts: Facts,
    /// How far its events have got.
    pub told: Told,
    /// The contact found for the outside party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactView>,
    /// The other contacts that matched, for the pop.
    #[serde(default)]
    pub matches: Matches,
    /// The number the directory was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// When we first stored it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The call this one became part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<CallId>,
}

/// What subscribers have been told about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The furthest stage.
    pub stage: Stage,
    /// True while the last word was "on hold".
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// True once the record is final.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finalized: bool,
    /// Recordings, voicemails, transfers and pops already told, by kind and id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<String>,
}

/// How far a call has got in the eyes of subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing told.
    #[default]
    Nothing,
    /// `call.ring`.
    Ringing,
    /// `call.started`.
    Started,
    /// `call.ended`, `call.missed` or `call.rejected`.
    Over,
}

impl CallState {
    pub(super) fn new(id: CallId, context: &FoldContext<'_>) -> Self {
        Self {
            id,
            connection_id: context.connection_id,
            platform: context.platform.to_owned(),
            facts: Facts::default(),
            told: Told::default(),
            contact: None,
            matches: Matches::default(),
            matched: None,
            created_at: context.now,
            updated_at: context.now,
            merged_into: None,
        }
    }

    /// True when somebody asked us to place it: its id has been given out.
    pub(super) fn is_asked_for(&self) -> bool {
        self.facts.keys.iter().any(|k| k.starts_with(DIAL_KEY))
    }

    /// The record as it stands, for an app of that country.
    #[must_use]
    pub fn derive(&self, country: &str) -> Derived {
        derive(
            &self.facts,
            &Frame {
                id: self.id,
                platform: &self.platform,
                connection_id: self.connection_id,
                country,
                created_at: self.created_at,
                updated_at: self.updated_at,
                contact: self.contact.as_ref(),
                was_terminal: self.told.stage == Stage::Over,
                merged_into: self.merged_into,
            },
        )
    }
}

/// The stored state of one message, by the platform's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    /// The message with the furthest status reported.
    pub message: Message,
    /// True once its arrival or sending was told.
    pub told: bool,
}

/// The stored presence of one agent on one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceState {
    /// The report that counts: the latest by platform time.
    pub report: PresenceReport,
    /// When it was so, platform time.
    pub at: Timestamp,
}

/// The key under which an agent's presence is stored: extension, user id or e-mail.
#[must_use]
pub fn presence_key(report: &PresenceReport) -> Option<String> {
    let named = [
        ("ext", &report.extension),
        ("user", &report.user_id),
        ("mail", &report.email),
    ];
    named
        .iter()
        .find_map(|(kind, value)| value.as_ref().map(|value| format!("{kind}:{value}")))
}
