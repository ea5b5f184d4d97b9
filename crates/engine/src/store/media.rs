//! What hangs off calls or stands beside them, as stored: recordings and voicemails as entities
//! of their own, messages and presence to be read one by one. Never audio.
//!
//! Nothing here is written by itself: rows of recordings and voicemails are made from a call's
//! facts in the same transaction as the call ([`media_of`]), so that record, entity and event
//! agree. Only what is ours is set apart from that: when a recording was looked at again, and
//! that somebody deleted a voicemail.

use async_trait::async_trait;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use switchhook_domain::Timestamp;
use switchhook_domain::call::{AgentView, Call};
use switchhook_domain::fold::CallState;
use switchhook_domain::id::{AppId, CallId, ConnectionId, MessageId, RecordingId, VoicemailId};
use switchhook_domain::media::{Message, PresenceReport, Recording, RecordingState};
use uuid::Uuid;

use super::StoreResult;

/// A pending recording is asked for after that time.
pub const PENDING_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// A link is looked at again that long before it runs out.
pub const BEFORE_EXPIRY: SignedDuration = SignedDuration::from_mins(10);
/// A platform is not asked about the same link more often than that.
pub const SPACING: SignedDuration = SignedDuration::from_mins(30);
/// A recording that can be fetched is looked at again after that time.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What the facts say of one recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRecord {
    /// Our id: [`RecordingId::of`] connection and platform's id.
    pub id: RecordingId,
    /// The call; the surviving one when two were joined.
    pub call_id: CallId,
    /// A name of the call by which the fold finds it.
    pub call_key: String,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// The platform.
    pub platform: String,
    /// The platform's id, or the link where it has none.
    pub external_id: String,
    /// Where it stands.
    pub state: RecordingState,
    /// When the link stops working, as far as the vendor said.
    pub expires_at: Option<Timestamp>,
    /// Its place in lists: its beginning, else the call's.
    pub sort_at: Timestamp,
    /// Everything known, as merged.
    pub known: Recording,
}

/// A recording as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecording {
    /// Whose.
    pub app_id: AppId,
    /// What the facts say.
    pub record: RecordingRecord,
    /// When we first heard of it.
    pub created_at: Timestamp,
    /// When the above last changed.
    pub updated_at: Timestamp,
    /// When the platform last answered about it.
    pub checked_at: Option<Timestamp>,
    /// When to ask the platform again; `None` when there is nothing more to ask.
    pub due_at: Option<Timestamp>,
    /// Failed looks since the last that worked.
    pub failures: u32,
}

/// What a look at a recording leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingCheck {
    /// When the platform answered; `None` leaves the last answer's time.
    pub checked_at: Option<Timestamp>,
    /// When to look again.
    pub due_at: Option<Timestamp>,
    /// Failed looks since the last that worked.
    pub failures: u32,
}

/// What the facts say of one voicemail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoicemailRecord {
    /// Our id: [`VoicemailId::of`] connection and platform's id.
    pub id: VoicemailId,
    /// The call.
    pub call_id: CallId,
    /// The platform's id of the call.
    pub external_call_id: String,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// The platform.
    pub platform: String,
    /// The platform's id.
    pub external_id: String,
    /// Where the platform keeps the audio.
    pub url: Option<String>,
    /// What was said.
    pub transcript: Option<String>,
    /// Length in whole seconds.
    pub duration_seconds: Option<i64>,
    /// When it was left.
    pub left_at: Option<Timestamp>,
    /// Who left it, canonical form.
    pub from_number: Option<String>,
    /// Whom they had called, canonical form.
    pub to_number: Option<String>,
    /// Who was called.
    pub agent: Option<AgentView>,
    /// Its place in lists: when it was left, else the call's beginning.
    pub sort_at: Timestamp,
}

/// A voicemail as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVoicemail {
    /// Whose.
    pub app_id: AppId,
    /// What the facts say.
    pub record: VoicemailRecord,
    /// When we first heard of it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A message as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Our id: [`MessageId::of`] connection and platform's id.
    pub id: MessageId,
    /// The connection it came through.
    pub connection_id: ConnectionId,
    /// The message.
    pub message: Message,
}

/// An agent's presence as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPresence {
    /// The connection that reported it.
    pub connection_id: ConnectionId,
    /// Its platform.
    pub platform: String,
    /// The report.
    pub report: PresenceReport,
    /// Since when it has been so, platform time.
    pub at: Timestamp,
}

/// A position in a list of media: newest first, then the greater id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaCursor {
    /// The place of the last one shown.
    pub sort_at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

/// A page of recordings or voicemails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPage<T> {
    /// The entries, newest first.
    pub items: Vec<T>,
    /// How many match in all, counted up to [`super::COUNT_LIMIT`].
    pub total: u64,
    /// Where the next page starts; `None` on the last.
    pub next: Option<MediaCursor>,
}

/// Which recordings a list should show. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingQuery {
    /// Of this call.
    pub call_id: Option<CallId>,
    /// Any of these; empty for all.
    pub states: Vec<RecordingState>,
    /// Begun at or after.
    pub since: Option<Timestamp>,
    /// Begun before.
    pub until: Option<Timestamp>,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many to pass over; 0 when `after` is given.
    pub offset: u32,
    /// Go on after this position.
    pub after: Option<MediaCursor>,
}

/// Which voicemails a list should show. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoicemailQuery {
    /// Extension or platform user id of the one who was called.
    pub agent: Option<String>,
    /// Left at or after.
    pub since: Option<Timestamp>,
    /// Left before.
    pub until: Option<Timestamp>,
    /// How many, 1 to 100.
    pub limit: u32,
    /// How many to pass over; 0 when `after` is given.
    pub offset: u32,
    /// Go on after this position.
    pub after: Option<MediaCursor>,
}

/// What hangs off calls or stands beside them.
#[async_trait]
pub trait MediaStore: Send + Sync {
    /// A list of recordings, newest first.
    async fn recordings(
        &self,
        app: AppId,
        query: &RecordingQuery,
    ) -> StoreResult<MediaPage<StoredRecording>>;

    /// One recording.
    async fn recording(&self, app: AppId, id: RecordingId) -> StoreResult<Option<StoredRecording>>;

    /// Recordings of all apps whose `due_at` has passed, oldest first.
    async fn due_recordings(&self, now: Timestamp, limit: u32)
    -> StoreResult<Vec<StoredRecording>>;

    /// Notes what a look at a recording gave; false when there is no such recording. What the
    /// facts say stays as it is.
    async fn recording_checked(
        &self,
        app: AppId,
        id: RecordingId,
        check: RecordingCheck,
    ) -> StoreResult<bool>;

    /// A list of voicemails, newest first.
    async fn voicemails(
        &self,
        app: AppId,
        query: &VoicemailQuery,
    ) -> StoreResult<MediaPage<StoredVoicemail>>;

    /// One voicemail.
    async fn voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<Option<StoredVoicemail>>;

    /// Deletes a voicemail: what is known of it goes, and it does not come back when its call is
    /// heard of again. The call stays. [`super::StoreError::NotFound`] when there is none.
    async fn delete_voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<()>;

    /// One message.
    async fn message(&self, app: AppId, id: MessageId) -> StoreResult<Option<StoredMessage>>;

    /// The presence of an app's agents by name and connection, as far as the connections still
    /// exist, and the capped total.
    async fn presence(
        &self,
        app: AppId,
        limit: u32,
        offset: u32,
    ) -> StoreResult<(Vec<StoredPresence>, u64)>;
}

/// The rows that belong to a call, as its facts stand. Empty for most calls.
#[must_use]
pub fn media_of(state: &CallState, call: &Call) -> (Vec<RecordingRecord>, Vec<VoicemailRecord>) {
    let begun = call.started_at.unwrap_or(call.created_at);
    let connection = state.connection_id;
    let key = state.facts.keys.first();
    let recordings = state
        .facts
        .recordings
        .iter()
        .map(|(id, known)| RecordingRecord {
            id: RecordingId::of(connection, id),
            call_id: state.id,
            call_key: key.cloned().unwrap_or_default(),
            connection_id: connection,
            platform: state.platform.clone(),
            external_id: id.clone(),
            state: known.standing(),
            expires_at: known.expiry(),
            sort_at: known.started_at.unwrap_or(begun),
            known: known.clone(),
        });
    let voicemails = state
        .facts
        .voicemails
        .iter()
        .map(|(id, known)| VoicemailRecord {
            id: VoicemailId::of(connection, id),
            call_id: state.id,
            external_call_id: call.external_call_id.clone(),
            connection_id: connection,
            platform: state.platform.clone(),
            external_id: id.clone(),
            url: known.url.clone(),
            transcript: known.transcript.clone(),
            duration_seconds: known.duration_ms.map(|ms| (ms + 500) / 1000),
            left_at: known.left_at,
            from_number: call.from_number.clone(),
            to_number: call.to_number.clone(),
            agent: call.agent.clone(),
            sort_at: known.left_at.unwrap_or(begun),
        });
    (recordings.collect(), voicemails.collect())
}

/// When a recording that stands so at `now` should be looked at: a pending one after some
/// minutes; one that can be fetched once a day, before its link runs out if that does not mean to
/// ask more often than [`SPACING`], and when it does run out. What is expired or gone waits for
/// the platform to speak of it again.
#[must_use]
pub fn look_at(
    state: RecordingState,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let later = |wait: SignedDuration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
    match state {
        RecordingState::Pending => Some(later(PENDING_AFTER)),
        RecordingState::Available => {
            let daily = later(LOOK_AGAIN);
            let Some(end) = expires_at else {
                return Some(daily);
            };
            let ahead = end.checked_sub(BEFORE_EXPIRY).unwrap_or(end);
            Some(ahead.max(end.min(later(SPACING))).min(daily))
        }
        RecordingState::Expired | RecordingState::Gone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_looked_at_before_they_run_out_but_not_all_the_time() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |minutes: i64| now + SignedDuration::from_mins(minutes);
        let link = |minutes| look_at(RecordingState::Available, Some(after(minutes)), now);
        for (expires, expected) in [
            (-5, -5),
            (5, 5),
            (30, 30),
            (65, 55),
            (120, 110),
            (10_000, 24 * 60),
        ] {
            assert_eq!(link(expires), Some(after(expected)), "{expires}");
        }
        let lasting = look_at(RecordingState::Available, None, now);
        assert_eq!(lasting, Some(after(24 * 60)));
        let pending = look_at(RecordingState::Pending, None, now);
        assert_eq!(pending, Some(after(5)));
        assert_eq!(look_at(RecordingState::Gone, Some(after(5)), now), None);
    }
}
