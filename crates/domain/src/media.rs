//! What hangs off a call or stands beside it: recordings, voicemail, transcripts, messages and
//! presence. Metadata only; audio never passes through Switchhook.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::phone::PhoneNumber;

/// Where a recording stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// The platform is recording or still preparing the file.
    #[default]
    Pending,
    /// A link exists.
    Available,
    /// The link passed the vendor's expiry.
    Expired,
    /// The platform says it no longer exists.
    Gone,
}

impl RecordingState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Available, Self::Expired, Self::Gone];

    /// The name in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Expired => "expired",
            Self::Gone => "gone",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One recording of a call, as merged so far. Keyed by the platform's id (or its URL).
///
/// A link can run out and come back, so state, link and expiry are not merged by rank but by when
/// they were said: the latest word counts, whatever order the words arrive in. `Pending` says
/// nothing that could take back another state. That a link has run out is no word of the platform
/// but follows from its expiry and from how far our clock has got ([`Self::standing`]); so a link
/// with a later expiry is good again by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Recording {
    /// The state last reported; see [`Self::standing`] for what it means now.
    pub state: RecordingState,
    /// Where the platform keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the link stops working, as far as the vendor said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When recording began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Length in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// When the above was said. Adapters leave it empty: the facts take the signal's time.
    #[serde(default, skip_serializing_if = "Dated::is_empty")]
    pub dated: Dated,
    /// An expiry that our clock has passed. Adapters leave it empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<Timestamp>,
}

/// When each part of a [`Recording`] was said that a later word replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dated {
    /// The state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Timestamp>,
    /// The link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Timestamp>,
    /// The expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Timestamp>,
}

impl Dated {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The latest of the three.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.state.max(self.url).max(self.expiry)
    }
}

impl Recording {
    /// The same, said at that time.
    #[must_use]
    pub fn said_at(mut self, at: Timestamp) -> Self {
        self.dated = Dated {
            state: (self.state != RecordingState::Pending).then_some(at),
            url: self.url.is_some().then_some(at),
            expiry: self.expires_at.is_some().then_some(at),
        };
        self
    }

    /// Joins two reports of the same recording, part by part; order does not matter.
    pub fn merge(&mut self, mut other: Self) {
        let state = |r: &Self| (r.state != RecordingState::Pending, r.dated.state, r.state);
        if state(&other) > state(self) {
            self.state = other.state;
            self.dated.state = other.dated.state;
        }
        // An unknown link or expiry is less than any.
        let url = |r: &Self| (r.url.is_some(), r.dated.url);
        if (url(&other), &other.url) > (url(self), &self.url) {
            self.url = other.url.take();
            self.dated.url = other.dated.url;
        }
        let expiry = |r: &Self| (r.expires_at.is_some(), r.dated.expiry, r.expires_at);
        if expiry(&other) > expiry(self) {
            self.expires_at = other.expires_at;
            self.dated.expiry = other.dated.expiry;
        }
        self.started_at = earliest(self.started_at, other.started_at);
        self.duration_ms = self.duration_ms.max(other.duration_ms);
        self.passed = self.passed.max(other.passed);
    }

    /// When the link there is now stops working: an expiry said before the link was is that of an
    /// older one.
    #[must_use]
    pub fn expiry(&self) -> Option<Timestamp> {
        self.expires_at
            .filter(|_| self.dated.expiry >= self.dated.url)
    }

    /// Where it stands: what the platform said last, and whether the link has run out since.
    #[must_use]
    pub fn standing(&self) -> RecordingState {
        let over = self.expiry().is_some_and(|at| self.passed >= Some(at));
        if self.state == RecordingState::Available && over {
            RecordingState::Expired
        } else {
            self.state
        }
    }
}

/// A message left for us, as merged so far. Keyed by the platform's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Voicemail {
    /// Where the platform keeps the audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What was said, as far as the platform wrote it down. The longest text wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// Length in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<i64>,
    /// When it was left, earliest report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
}

impl Voicemail {
    /// Joins two reports of the same voicemail; a missing value never erases a known one.
    pub fn merge(&mut self, other: Self) {
        self.url = self.url.take().max(other.url);
        self.transcript = longer(self.transcript.take(), other.transcript);
        self.duration_ms = self.duration_ms.max(other.duration_ms);
        self.left_at = earliest(self.left_at, other.left_at);
    }
}

/// The way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageDirection {
    /// From outside to one of ours.
    Inbound,
    /// From one of ours to outside.
    Outbound,
}

impl MessageDirection {
    /// The name in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    /// The direction of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Inbound, Self::Outbound]
            .into_iter()
            .find(|direction| direction.as_str() == name)
    }
}

/// How far the delivery of a message has got. Later variants are further.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Accepted by the platform.
    #[default]
    Pending,
    /// Delivered.
    Delivered,
    /// Could not be delivered.
    Failed,
}

/// One text message (SMS). The same id comes again for each delivery status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The platform's id.
    pub external_id: String,
    /// Inbound or outbound.
    pub direction: MessageDirection,
    /// Who sent it.
    pub from: PhoneNumber,
    /// Who was to get it; up to ten on Dialpad.
    pub to: Vec<PhoneNumber>,
    /// The text; `None` when the platform may not export it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The platform's id of the user on our side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Delivery status.
    pub status: MessageStatus,
    /// Why delivery failed, in the platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When it was sent, platform time.
    pub sent_at: Timestamp,
}

/// Whether an agent can take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Free to take a call.
    Available,
    /// Talking or ringing.
    OnCall,
    /// Finishing the paperwork of the last call.
    WrapUp,
    /// Signed on but not taking calls.
    Away,
    /// Not reachable.
    Offline,
}

/// Presence of one agent as a platform reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceReport {
    /// Extension, when the platform names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// The platform's user id, when it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The agent's e-mail, when the platform names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The state.
    pub presence: Presence,
}

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn longer(a: Option<String>, b: Option<String>) -> Option<String> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if (b.len(), &b) > (a.len(), &a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    }

    fn link(url: &str, said: i64, expires: Option<i64>) -> Recording {
        Recording {
            state: RecordingState::Available,
            url: Some(url.to_owned()),
            expires_at: expires.map(at),
            ..Recording::default()
        }
        .said_at(at(said))
    }

    fn passed(second: i64) -> Recording {
        Recording {
            passed: Some(at(second)),
            ..Recording::default()
        }
    }

    /// The same, whatever the order.
    fn merged(parts: &[Recording]) -> Recording {
        let join = |mut whole: Recording, part: &Recording| {
            whole.merge(part.clone());
            whole
        };
        let whole = parts.iter().fold(Recording::default(), join);
        assert_eq!(parts.iter().rev().fold(Recording::default(), join), whole);
        assert_eq!(parts.iter().fold(whole.clone(), join), whole);
        whole
    }

    #[test]
    fn a_link_runs_out_and_comes_back() {
        let first = link("https://example.com/a", 10, Some(100));
        assert_eq!(
            merged(&[first.clone(), passed(99)]).standing(),
            RecordingState::Available
        );
        let over = merged(&[first.clone(), passed(100)]);
        assert_eq!(over.standing(), RecordingState::Expired);
        // A fresh link, said before or after the old one ran out, is good until its own expiry.
        for said in [50, 150] {
            let fresh = link("https://example.com/0", said, Some(300));
            let back = merged(&[first.clone(), passed(100), fresh.clone()]);
            assert_eq!(back.standing(), RecordingState::Available);
            assert_eq!(back.url, fresh.url);
            let gone_by = merged(&[back, passed(300)]);
            assert_eq!(gone_by.standing(), RecordingState::Expired);
        }
        // The old expiry says nothing about a link without one.
        let lasting = link("https://example.com/b", 150, None);
        let back = merged(&[first, passed(100), lasting]);
        assert_eq!(
            (back.standing(), back.expiry()),
            (RecordingState::Available, None)
        );
    }

    #[test]
    fn the_last_word_of_the_platform_counts_and_an_announcement_is_none() {
        let say = |state, said| {
            Recording {
                state,
                ..Recording::default()
            }
            .said_at(at(said))
        };
        use RecordingState::{Available, Gone, Pending};
        for (words, expected) in [
            (vec![say(Pending, 9), say(Available, 1)], Available),
            (vec![say(Gone, 9), say(Available, 1)], Gone),
            (vec![say(Gone, 1), say(Available, 9)], Available),
            (vec![say(Gone, 5), say(Available, 5)], Gone),
            (vec![say(Pending, 5)], Pending),
        ] {
            assert_eq!(merged(&words).standing(), expected, "{words:?}");
        }
        let known = merged(&[link("https://example.com/a", 1, None), say(Gone, 9)]);
        assert!(known.url.is_some(), "a word without a link takes none away");
    }

    #[test]
    fn what_older_versions_stored_is_read() {
        let old = r#"{"state":"available","url":"https://example.com/a"}"#;
        let old: Recording = serde_json::from_str(old).unwrap_or_default();
        assert_eq!(old.standing(), RecordingState::Available);
        let newer = merged(&[old, link("https://example.com/0", 1, None)]);
        assert_eq!(newer.url.as_deref(), Some("https://example.com/0"));
    }
}
