//! Recordings, voicemails, single messages and presence of the reference store.

use async_trait::async_trait;
use jiff::Timestamp;
use switchhook_domain::fold::{ChangedCall, Folded, MessageState};
use switchhook_domain::id::{AppId, ConnectionId, MessageId, RecordingId, VoicemailId};
use switchhook_engine::store::{
    COUNT_LIMIT, MediaCursor, MediaPage, MediaStore, RecordingCheck, RecordingQuery, StoreError,
    StoreResult, StoredMessage, StoredPresence, StoredRecording, StoredVoicemail, VoicemailQuery,
    look_at, media_of,
};
use uuid::Uuid;

use super::{All, MemoryStore, micros};

/// A voicemail, and whether somebody deleted it.
#[derive(Debug)]
pub(super) struct Voicemail {
    stored: StoredVoicemail,
    deleted: bool,
}

impl All {
    /// The rows beside the calls that changed; before the calls themselves are replaced.
    pub(super) fn write_media(&mut self, app: AppId, at: Timestamp, folded: &Folded) {
        let merged = |changed: &ChangedCall| changed.state.merged_into.is_some();
        let joined = !folded.deleted.is_empty() || folded.calls.iter().any(merged);
        let at = micros(at);
        for changed in folded.calls.iter().filter(|changed| !merged(changed)) {
            let (recordings, voicemails) = media_of(&changed.state, &changed.call);
            let known = self.calls.get(&(app, changed.state.id));
            let same = known.is_some_and(|known| {
                known.state.facts.recordings == changed.state.facts.recordings
            });
            for record in recordings {
                if same && !joined {
                    break;
                }
                let id = record.id;
                let known = self.recordings.get(&id);
                if known.is_some_and(|known| known.record == record) {
                    continue;
                }
                let due_at = look_at(record.state, record.expires_at, at);
                let stored = StoredRecording {
                    app_id: app,
                    created_at: known.map_or(at, |known| known.created_at),
                    updated_at: at,
                    checked_at: known.and_then(|known| known.checked_at),
                    due_at: due_at.map(micros),
                    failures: 0,
                    record,
                };
                self.recordings.insert(id, stored);
            }
            for record in voicemails {
                let id = record.id;
                let known = self.voicemails.get(&id);
                if known.is_some_and(|known| known.deleted || known.stored.record == record) {
                    continue;
                }
                let stored = StoredVoicemail {
                    app_id: app,
                    created_at: known.map_or(at, |known| known.stored.created_at),
                    updated_at: at,
                    record,
                };
                let deleted = false;
                self.voicemails.insert(id, Voicemail { stored, deleted });
            }
        }
    }
}

/// A message as it is given out.
pub(super) fn message(connection_id: ConnectionId, state: &MessageState) -> StoredMessage {
    StoredMessage {
        id: MessageId::of(connection_id, &state.message.external_id),
        connection_id,
        message: state.message.clone(),
    }
}

/// The page of a list, newest first, of those between the times.
fn page<T>(
    mut items: Vec<T>,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    (limit, offset, after): (u32, u32, Option<MediaCursor>),
    place: impl Fn(&T) -> (Timestamp, Uuid),
) -> MediaPage<T> {
    let place = |item: &T| {
        let (sort_at, id) = place(item);
        (micros(sort_at), id)
    };
    items.retain(|item| {
        let (at, _) = place(item);
        since.is_none_or(|since| micros(since) <= at)
            && until.is_none_or(|until| at < micros(until))
    });
    items.sort_by_key(|item| std::cmp::Reverse(place(item)));
    let total = (items.len() as u64).min(COUNT_LIMIT);
    if let Some(after) = after {
        items.retain(|item| place(item) < (micros(after.sort_at), after.id));
    }
    items.drain(..items.len().min(offset as usize));
    let limit = limit.clamp(1, 100) as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| {
        let (sort_at, id) = place(last);
        MediaCursor { sort_at, id }
    });
    MediaPage { items, total, next }
}

#[async_trait]
impl MediaStore for MemoryStore {
    async fn recordings(
        &self,
        app: AppId,
        query: &RecordingQuery,
    ) -> StoreResult<MediaPage<StoredRecording>> {
        let all = self.all();
        let wanted = all.recordings.values().filter(|found| {
            found.app_id == app
                && query.call_id.is_none_or(|id| id == found.record.call_id)
                && (query.states.is_empty() || query.states.contains(&found.record.state))
        });
        let times = (query.since, query.until);
        let part = (query.limit, query.offset, query.after);
        Ok(page(wanted.cloned().collect(), times, part, |found| {
            (found.record.sort_at, found.record.id.0)
        }))
    }

    async fn recording(&self, app: AppId, id: RecordingId) -> StoreResult<Option<StoredRecording>> {
        let all = self.all();
        let found = all.recordings.get(&id).filter(|r| r.app_id == app);
        Ok(found.cloned())
    }

    async fn due_recordings(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredRecording>> {
        let all = self.all();
        let due = |r: &&StoredRecording| r.due_at.is_some_and(|at| at <= micros(now));
        let mut found: Vec<_> = all.recordings.values().filter(due).cloned().collect();
        found.sort_by_key(|found| (found.due_at, found.record.id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn recording_checked(
        &self,
        app: AppId,
        id: RecordingId,
        check: RecordingCheck,
    ) -> StoreResult<bool> {
        let mut all = self.all();
        let known = all.recordings.get_mut(&id).filter(|r| r.app_id == app);
        let Some(known) = known else {
            return Ok(false);
        };
        known.checked_at = check.checked_at.map(micros).or(known.checked_at);
        known.due_at = check.due_at.map(micros);
        known.failures = check.failures;
        Ok(true)
    }

    async fn voicemails(
        &self,
        app: AppId,
        query: &VoicemailQuery,
    ) -> StoreResult<MediaPage<StoredVoicemail>> {
        let all = self.all();
        let of = |found: &StoredVoicemail, agent: &String| {
            found.record.agent.as_ref().is_some_and(|a| {
                a.extension.as_ref() == Some(agent) || a.user_id.as_ref() == Some(agent)
            })
        };
        let kept = all.voicemails.values().filter(|found| !found.deleted);
        let wanted = kept.map(|found| &found.stored).filter(|found| {
            found.app_id == app && query.agent.as_ref().is_none_or(|agent| of(found, agent))
        });
        let times = (query.since, query.until);
        let part = (query.limit, query.offset, query.after);
        Ok(page(wanted.cloned().collect(), times, part, |found| {
            (found.record.sort_at, found.record.id.0)
        }))
    }

    async fn voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<Option<StoredVoicemail>> {
        let all = self.all();
        let found = all.voicemails.get(&id).filter(|found| !found.deleted);
        let found = found.map(|found| &found.stored);
        Ok(found.filter(|found| found.app_id == app).cloned())
    }

    async fn delete_voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<()> {
        let mut all = self.all();
        let known = all.voicemails.get_mut(&id);
        let known = known.filter(|known| known.stored.app_id == app && !known.deleted);
        let known = known.ok_or(StoreError::NotFound("voicemail"))?;
        known.deleted = true;
        Ok(())
    }

    async fn message(&self, app: AppId, id: MessageId) -> StoreResult<Option<StoredMessage>> {
        let all = self.all();
        let own = all.messages.iter().filter(|(_, (owner, _))| *owner == app);
        let mut own = own.map(|((connection, _), (_, state))| message(*connection, state));
        Ok(own.find(|found| found.id == id))
    }

    async fn presence(
        &self,
        app: AppId,
        limit: u32,
        offset: u32,
    ) -> StoreResult<(Vec<StoredPresence>, u64)> {
        let all = self.all();
        let own = all.presence.iter().filter(|(_, (owner, _))| *owner == app);
        let mut own: Vec<_> = own
            .filter_map(|((id, key), (_, state))| Some((key, id, all.connections.get(id)?, state)))
            .collect();
        own.sort_by_key(|(key, id, _, _)| (*key, *id));
        let total = (own.len() as u64).min(COUNT_LIMIT);
        let shown = own.into_iter().skip(offset as usize);
        let shown = shown.take(limit.clamp(1, 100) as usize);
        let stored = shown.map(|(_, id, connection, state)| StoredPresence {
            connection_id: *id,
            platform: connection.platform.clone(),
            report: state.report.clone(),
            at: state.at,
        });
        Ok((stored.collect(), total))
    }
}
