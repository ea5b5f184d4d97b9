//! Recordings, voicemails, single messages and presence: reading, the little that is written
//! apart from a call, and the columns of what is written with one.

use async_trait::async_trait;
use switchhook_domain::Timestamp;
use switchhook_domain::fold::PresenceState;
use switchhook_domain::id::{AppId, ConnectionId, MessageId, RecordingId, VoicemailId};
use switchhook_domain::media::Message;
use switchhook_engine::store::{
    COUNT_LIMIT, MediaCursor, MediaPage, MediaStore, RecordingCheck, RecordingQuery, StoreError,
    StoreResult, StoredMessage, StoredPresence, StoredRecording, StoredVoicemail, VoicemailQuery,
    look_at,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresStore;
use super::reader::Scoped;
use super::session::{At, column, column_count, column_time, column_time_opt};
use super::writer::Step;
use crate::columns::{clean, damaged, from_json, to_json};
use crate::working::{Noted, Pending};

const RECORDING: &str = "app_id, id, record, created_at, updated_at, checked_at, due_at, failures";
const VOICEMAIL: &str = "app_id, id, record, created_at, updated_at";

pub(super) const RECORDINGS: &str = "INSERT INTO recordings AS r (id, app_id, call_id, \
    state, sort_at, record, created_at, updated_at, due_at) \
    SELECT id, app_id, call_id, state, sort_at, record, first, at, due_at \
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], \
    $7::timestamptz[], $8::timestamptz[], $9::timestamptz[]) \
    AS q (id, app_id, call_id, state, sort_at, record, first, at, due_at) \
    ON CONFLICT (id) DO UPDATE SET call_id = excluded.call_id, state = excluded.state, \
    sort_at = excluded.sort_at, record = excluded.record, updated_at = excluded.updated_at, \
    due_at = excluded.due_at, failures = 0 \
    WHERE r.record IS DISTINCT FROM excluded.record";

/// A voicemail that somebody deleted stays so.
pub(super) const VOICEMAILS: &str = "INSERT INTO voicemails AS v (id, app_id, call_id, \
    agent_extension, agent_user, sort_at, record, created_at, updated_at) \
    SELECT id, app_id, call_id, extension, agent, sort_at, record, first, at \
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], \
    $7::text[], $8::timestamptz[], $9::timestamptz[]) \
    AS q (id, app_id, call_id, extension, agent, sort_at, record, first, at) \
    ON CONFLICT (id) DO UPDATE SET call_id = excluded.call_id, \
    agent_extension = excluded.agent_extension, agent_user = excluded.agent_user, \
    sort_at = excluded.sort_at, record = excluded.record, updated_at = excluded.updated_at \
    WHERE v.record IS DISTINCT FROM excluded.record AND v.record IS NOT NULL";

/// Recordings to be written.
#[derive(Default)]
pub(super) struct RecordingColumns {
    id: Vec<Uuid>,
    app: Vec<Uuid>,
    call: Vec<Uuid>,
    state: Vec<&'static str>,
    sort_at: Vec<At>,
    record: Vec<String>,
    first: Vec<At>,
    at: Vec<At>,
    due_at: Vec<Option<At>>,
}

impl RecordingColumns {
    pub(super) fn of(pending: &Pending) -> StoreResult<Self> {
        let mut columns = Self::default();
        for (id, noted) in &pending.recordings {
            let Noted {
                app,
                first,
                at,
                record,
            } = noted;
            let due_at = look_at(record.state, record.expires_at, *at);
            columns.id.push(id.0);
            columns.app.push(app.0);
            columns.call.push(record.call_id.0);
            columns.state.push(record.state.as_str());
            columns.sort_at.push(At::from(record.sort_at));
            columns
                .record
                .push(to_json(record, "recordings", "record")?);
            columns.first.push(At::from(*first));
            columns.at.push(At::from(*at));
            columns.due_at.push(due_at.map(At::from));
        }
        Ok(columns)
    }

    pub(super) fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 9] = [
            &self.id,
            &self.app,
            &self.call,
            &self.state,
            &self.sort_at,
            &self.record,
            &self.first,
            &self.at,
            &self.due_at,
        ];
        Step::when(!self.id.is_empty(), RECORDINGS, params)
    }
}

/// Voicemails to be written.
#[derive(Default)]
pub(super) struct VoicemailColumns {
    id: Vec<Uuid>,
    app: Vec<Uuid>,
    call: Vec<Uuid>,
    extension: Vec<Option<String>>,
    user: Vec<Option<String>>,
    sort_at: Vec<At>,
    record: Vec<String>,
    first: Vec<At>,
    at: Vec<At>,
}

impl VoicemailColumns {
    pub(super) fn of(pending: &Pending) -> StoreResult<Self> {
        let mut columns = Self::default();
        for (id, noted) in &pending.voicemails {
            let Noted {
                app,
                first,
                at,
                record,
            } = noted;
            let agent = record.agent.as_ref();
            let text = |text: &String| clean(text).into_owned();
            columns.id.push(id.0);
            columns.app.push(app.0);
            columns.call.push(record.call_id.0);
            let extension = agent.and_then(|agent| agent.extension.as_ref());
            columns.extension.push(extension.map(text));
            let user = agent.and_then(|agent| agent.user_id.as_ref());
            columns.user.push(user.map(text));
            columns.sort_at.push(At::from(record.sort_at));
            columns
                .record
                .push(to_json(record, "voicemails", "record")?);
            columns.first.push(At::from(*first));
            columns.at.push(At::from(*at));
        }
        Ok(columns)
    }

    pub(super) fn step(&self) -> Step<'_> {
        let params: [&(dyn ToSql + Sync); 9] = [
            &self.id,
            &self.app,
            &self.call,
            &self.extension,
            &self.user,
            &self.sort_at,
            &self.record,
            &self.first,
            &self.at,
        ];
        Step::when(!self.id.is_empty(), VOICEMAILS, params)
    }
}

#[async_trait]
impl MediaStore for PostgresStore {
    async fn recordings(
        &self,
        app: AppId,
        query: &RecordingQuery,
    ) -> StoreResult<MediaPage<StoredRecording>> {
        let _turn = self.reading.turn(app).await?;
        let wanted = "app_id = $1 AND ($2::timestamptz IS NULL OR sort_at >= $2) \
                      AND ($3::timestamptz IS NULL OR sort_at < $3) \
                      AND ($4::uuid IS NULL OR call_id = $4) \
                      AND (cardinality($5::text[]) = 0 OR state = ANY($5))";
        let (since, until) = (query.since.map(At::from), query.until.map(At::from));
        let call = query.call_id.map(|id| id.0);
        let states: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
        let params: [&(dyn ToSql + Sync); 5] = [&app.0, &since, &until, &call, &states];
        let list = List {
            from: "recordings",
            columns: RECORDING,
            wanted,
            page: (query.limit, query.offset, query.after),
        };
        list.read(self.readers.of(app), &params, recording_from_row, |found| {
            (found.record.sort_at, found.record.id.0)
        })
        .await
    }

    async fn recording(&self, app: AppId, id: RecordingId) -> StoreResult<Option<StoredRecording>> {
        let sql = format!("SELECT {RECORDING} FROM recordings WHERE id = $1 AND app_id = $2");
        let found = self.readers.of(app).one(&sql, &[&id.0, &app.0]).await?;
        found.as_ref().map(recording_from_row).transpose()
    }

    async fn due_recordings(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredRecording>> {
        let sql = format!(
            "SELECT {RECORDING} FROM recordings WHERE due_at IS NOT NULL AND due_at <= $1 \
             ORDER BY due_at, id LIMIT $2"
        );
        let params: [&(dyn ToSql + Sync); 2] = [&At::from(now), &i64::from(limit)];
        // Those of all apps are asked about again.
        let rows = self.readers.everywhere().query(&sql, &params).await?;
        rows.iter().map(recording_from_row).collect()
    }

    async fn recording_checked(
        &self,
        app: AppId,
        id: RecordingId,
        check: RecordingCheck,
    ) -> StoreResult<bool> {
        let sql = "UPDATE recordings SET checked_at = coalesce($3, checked_at), due_at = $4, \
                   failures = $5 WHERE id = $1 AND app_id = $2";
        let checked_at = check.checked_at.map(At::from);
        let due_at = check.due_at.map(At::from);
        let failures = i64::from(check.failures);
        let params: [&(dyn ToSql + Sync); 5] = [&id.0, &app.0, &checked_at, &due_at, &failures];
        Ok(self.readers.of(app).execute(sql, &params).await? == 1)
    }

    async fn voicemails(
        &self,
        app: AppId,
        query: &VoicemailQuery,
    ) -> StoreResult<MediaPage<StoredVoicemail>> {
        let _turn = self.reading.turn(app).await?;
        let wanted = "app_id = $1 AND record IS NOT NULL \
                      AND ($2::timestamptz IS NULL OR sort_at >= $2) \
                      AND ($3::timestamptz IS NULL OR sort_at < $3) \
                      AND ($4::text IS NULL OR $4 IN (agent_extension, agent_user))";
        let (since, until) = (query.since.map(At::from), query.until.map(At::from));
        let agent = query.agent.as_deref().map(clean);
        let params: [&(dyn ToSql + Sync); 4] = [&app.0, &since, &until, &agent];
        let list = List {
            from: "voicemails",
            columns: VOICEMAIL,
            wanted,
            page: (query.limit, query.offset, query.after),
        };
        list.read(self.readers.of(app), &params, voicemail_from_row, |found| {
            (found.record.sort_at, found.record.id.0)
        })
        .await
    }

    async fn voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<Option<StoredVoicemail>> {
        let sql = format!(
            "SELECT {VOICEMAIL} FROM voicemails \
             WHERE id = $1 AND app_id = $2 AND record IS NOT NULL"
        );
        let found = self.readers.of(app).one(&sql, &[&id.0, &app.0]).await?;
        found.as_ref().map(voicemail_from_row).transpose()
    }

    async fn delete_voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<()> {
        let sql = "UPDATE voicemails SET record = NULL, agent_extension = NULL, \
                   agent_user = NULL WHERE id = $1 AND app_id = $2 AND record IS NOT NULL";
        match self.readers.of(app).execute(sql, &[&id.0, &app.0]).await? {
            0 => Err(StoreError::NotFound("voicemail")),
            _ => Ok(()),
        }
    }

    async fn message(&self, app: AppId, id: MessageId) -> StoreResult<Option<StoredMessage>> {
        let sql = "SELECT connection_id, record FROM messages WHERE app_id = $2 AND id = $1";
        let found = self.readers.of(app).one(sql, &[&id.0, &app.0]).await?;
        found.as_ref().map(message_from_row).transpose()
    }

    async fn presence(
        &self,
        app: AppId,
        limit: u32,
        offset: u32,
    ) -> StoreResult<(Vec<StoredPresence>, u64)> {
        let _turn = self.reading.turn(app).await?;
        let from = "FROM presence p JOIN connections c ON c.id = p.connection_id \
                    WHERE c.app_id = $1";
        let reads = self.readers.of(app).read().await?;
        let sql = format!("SELECT count(*) AS total FROM (SELECT 1 {from} LIMIT {COUNT_LIMIT}) n");
        let counted = reads.query_one(&sql, &[&app.0]).await?;
        let sql = format!(
            "SELECT p.connection_id, c.platform, p.state {from} \
             ORDER BY p.key, p.connection_id LIMIT {} OFFSET {offset}",
            limit.clamp(1, 100)
        );
        let rows = reads.query(&sql, &[&app.0]).await?;
        reads.commit().await?;
        let found = rows.iter().map(presence_from_row);
        Ok((
            found.collect::<StoreResult<_>>()?,
            column_count(&counted, "total")?,
        ))
    }
}

/// A list by place.
struct List<'a> {
    from: &'static str,
    columns: &'static str,
    /// Conditions; one that is not given is true of all.
    wanted: &'a str,
    page: (u32, u32, Option<MediaCursor>),
}

impl List<'_> {
    /// The page, the total and where to go on.
    async fn read<T>(
        self,
        db: Scoped<'_>,
        params: &[&(dyn ToSql + Sync)],
        from_row: impl Fn(&Row) -> StoreResult<T>,
        place: impl Fn(&T) -> (Timestamp, Uuid),
    ) -> StoreResult<MediaPage<T>> {
        let Self {
            from,
            columns,
            wanted,
            page: (limit, offset, after),
        } = self;
        let reads = db.read().await?;
        let sql = format!(
            "SELECT count(*) AS total FROM (SELECT 1 FROM {from} WHERE {wanted} \
             LIMIT {COUNT_LIMIT}) n"
        );
        let counted = reads.query_one(&sql, params).await?;
        let (sort_at, id) = (after.map(|a| At::from(a.sort_at)), after.map(|a| a.id));
        let mut params = params.to_vec();
        let after = match after {
            None => String::new(),
            Some(_) => {
                params.extend([&sort_at as &(dyn ToSql + Sync), &id]);
                let count = params.len();
                format!(" AND (sort_at, id) < (${}, ${count})", count - 1)
            }
        };
        let limit = limit.clamp(1, 100);
        // One more than is shown tells whether there are more.
        let sql = format!(
            "SELECT {columns} FROM {from} WHERE {wanted}{after} \
             ORDER BY sort_at DESC, id DESC LIMIT {} OFFSET {offset}",
            limit + 1
        );
        let rows = reads.query(&sql, &params).await?;
        reads.commit().await?;
        let more = rows.len() > limit as usize;
        let shown = rows.iter().take(limit as usize).map(from_row);
        let items: Vec<T> = shown.collect::<StoreResult<_>>()?;
        let next = items.last().filter(|_| more).map(|last| {
            let (sort_at, id) = place(last);
            MediaCursor { sort_at, id }
        });
        let total = column_count(&counted, "total")?;
        Ok(MediaPage { items, total, next })
    }
}

fn recording_from_row(row: &Row) -> StoreResult<StoredRecording> {
    let failures: i64 = column(row, "failures")?;
    Ok(StoredRecording {
        app_id: AppId(column(row, "app_id")?),
        record: from_json(column(row, "record")?, "recordings", "record")?,
        created_at: column_time(row, "created_at")?,
        updated_at: column_time(row, "updated_at")?,
        checked_at: column_time_opt(row, "checked_at")?,
        due_at: column_time_opt(row, "due_at")?,
        failures: u32::try_from(failures).map_err(|_| damaged("recordings", "failures"))?,
    })
}

fn voicemail_from_row(row: &Row) -> StoreResult<StoredVoicemail> {
    Ok(StoredVoicemail {
        app_id: AppId(column(row, "app_id")?),
        record: from_json(column(row, "record")?, "voicemails", "record")?,
        created_at: column_time(row, "created_at")?,
        updated_at: column_time(row, "updated_at")?,
    })
}

/// From `connection_id, record`.
pub(super) fn message_from_row(row: &Row) -> StoreResult<StoredMessage> {
    let connection_id = ConnectionId(column(row, "connection_id")?);
    let message: Message = from_json(column(row, "record")?, "messages", "record")?;
    Ok(StoredMessage {
        id: MessageId::of(connection_id, &message.external_id),
        connection_id,
        message,
    })
}

fn presence_from_row(row: &Row) -> StoreResult<StoredPresence> {
    let state: PresenceState = from_json(column(row, "state")?, "presence", "state")?;
    Ok(StoredPresence {
        connection_id: ConnectionId(column(row, "connection_id")?),
        platform: column(row, "platform")?,
        report: state.report,
        at: state.at,
    })
}
