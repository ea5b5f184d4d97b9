//! Recordings, voicemails, single messages and presence: reading, and the little that is written
//! apart from a call.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection as Sql, Row, params, params_from_iter};
use switchhook_domain::Timestamp;
use switchhook_domain::fold::PresenceState;
use switchhook_domain::id::{AppId, ConnectionId, MessageId, RecordingId, VoicemailId};
use switchhook_engine::store::{
    COUNT_LIMIT, MediaCursor, MediaPage, MediaStore, RecordingCheck, RecordingQuery, StoreError,
    StoreResult, StoredMessage, StoredPresence, StoredRecording, StoredVoicemail, VoicemailQuery,
};

use super::SqliteStore;
use super::session::{blob, fault, text, uuid};
use crate::columns::{from_json, micros, time};

const RECORDING: &str = "a.id, m.record, m.created_at, m.updated_at, m.checked_at, m.due_at, \
                         m.failures";
const VOICEMAIL: &str = "a.id, m.record, m.created_at, m.updated_at";

/// A condition of a list with its value.
type Condition = (&'static str, Value);

#[async_trait]
impl MediaStore for SqliteStore {
    async fn recordings(
        &self,
        app: AppId,
        query: &RecordingQuery,
    ) -> StoreResult<MediaPage<StoredRecording>> {
        let _turn = self.reading.turn(app).await?;
        let query = query.clone();
        let read = move |c: &Sql| {
            let mut list = List::new("recordings", app, query.since, query.until);
            if let Some(call) = query.call_id {
                list.add("m.call_id = ?", bytes(call.0));
            }
            list.any_of("m.state", query.states.iter().map(|state| state.as_str()));
            let page = (query.limit, query.offset, query.after);
            list.read(c, RECORDING, page, recording_from_row, |found| {
                (found.record.sort_at, found.record.id.0)
            })
        };
        self.readers.read_at_once(read).await
    }

    async fn recording(&self, app: AppId, id: RecordingId) -> StoreResult<Option<StoredRecording>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {RECORDING} FROM recordings m JOIN apps a ON a.no = m.app \
                 WHERE m.id = ?1 AND a.id = ?2"
            );
            let params = params![blob(&id.0), blob(&app.0)];
            Ok(rows(c, &sql, params, recording_from_row)?.pop())
        })
        .await
    }

    async fn due_recordings(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<StoredRecording>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {RECORDING} FROM recordings m JOIN apps a ON a.no = m.app \
                 WHERE m.due_at IS NOT NULL AND m.due_at <= ?1 ORDER BY m.due_at, m.id LIMIT ?2"
            );
            rows(c, &sql, params![micros(now), limit], recording_from_row)
        })
        .await
    }

    async fn recording_checked(
        &self,
        app: AppId,
        id: RecordingId,
        check: RecordingCheck,
    ) -> StoreResult<bool> {
        self.write(move |c| {
            let sql = "UPDATE recordings SET checked_at = ifnull(?3, checked_at), due_at = ?4, \
                       failures = ?5 \
                       WHERE id = ?1 AND app = (SELECT no FROM apps WHERE id = ?2)";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let changed = statement
                .execute(params![
                    blob(&id.0),
                    blob(&app.0),
                    check.checked_at.map(micros),
                    check.due_at.map(micros),
                    check.failures,
                ])
                .map_err(fault)?;
            Ok(changed == 1)
        })
        .await
    }

    async fn voicemails(
        &self,
        app: AppId,
        query: &VoicemailQuery,
    ) -> StoreResult<MediaPage<StoredVoicemail>> {
        let _turn = self.reading.turn(app).await?;
        let query = query.clone();
        let read = move |c: &Sql| {
            let mut list = List::new("voicemails", app, query.since, query.until);
            list.always("m.record IS NOT NULL");
            if let Some(agent) = query.agent {
                let agent = Value::Text(agent);
                list.add("? IN (m.agent_extension, m.agent_user)", agent);
            }
            let page = (query.limit, query.offset, query.after);
            list.read(c, VOICEMAIL, page, voicemail_from_row, |found| {
                (found.record.sort_at, found.record.id.0)
            })
        };
        self.readers.read_at_once(read).await
    }

    async fn voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<Option<StoredVoicemail>> {
        self.read(move |c| {
            let sql = format!(
                "SELECT {VOICEMAIL} FROM voicemails m JOIN apps a ON a.no = m.app \
                 WHERE m.id = ?1 AND a.id = ?2 AND m.record IS NOT NULL"
            );
            let params = params![blob(&id.0), blob(&app.0)];
            Ok(rows(c, &sql, params, voicemail_from_row)?.pop())
        })
        .await
    }

    async fn delete_voicemail(&self, app: AppId, id: VoicemailId) -> StoreResult<()> {
        self.write(move |c| {
            let sql = "UPDATE voicemails SET record = NULL, agent_extension = NULL, \
                       agent_user = NULL WHERE id = ?1 AND record IS NOT NULL \
                       AND app = (SELECT no FROM apps WHERE id = ?2)";
            let mut statement = c.prepare_cached(sql).map_err(fault)?;
            let changed = statement
                .execute(params![blob(&id.0), blob(&app.0)])
                .map_err(fault)?;
            match changed {
                0 => Err(StoreError::NotFound("voicemail")),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn message(&self, app: AppId, id: MessageId) -> StoreResult<Option<StoredMessage>> {
        self.read(move |c| {
            let sql = "SELECT connection_id, record FROM messages \
                       WHERE app = (SELECT no FROM apps WHERE id = ?2) AND id = ?1";
            let params = params![blob(&id.0), blob(&app.0)];
            Ok(rows(c, sql, params, message_from_row)?.pop())
        })
        .await
    }

    async fn presence(
        &self,
        app: AppId,
        limit: u32,
        offset: u32,
    ) -> StoreResult<(Vec<StoredPresence>, u64)> {
        let _turn = self.reading.turn(app).await?;
        let read = move |c: &Sql| {
            let from = "FROM presence p JOIN connections c ON c.id = p.connection_id \
                        WHERE c.app_id = ?1";
            let sql = format!("SELECT count(*) FROM (SELECT 1 {from} LIMIT {COUNT_LIMIT})");
            let mut statement = c.prepare_cached(&sql).map_err(fault)?;
            let total: i64 = statement
                .query_row([blob(&app.0)], |row| row.get(0))
                .map_err(fault)?;
            let sql = format!(
                "SELECT p.connection_id, c.platform, p.state {from} \
                 ORDER BY p.key, p.connection_id LIMIT ?2 OFFSET ?3"
            );
            let params = params![blob(&app.0), limit.clamp(1, 100), offset];
            let found = rows(c, &sql, params, presence_from_row)?;
            Ok((found, u64::try_from(total).unwrap_or(0)))
        };
        self.readers.read_at_once(read).await
    }
}

/// A list by place: its table and conditions.
struct List {
    table: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl List {
    fn new(
        table: &'static str,
        app: AppId,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Self {
        let mut list = Self {
            table,
            conditions: Vec::new(),
            values: Vec::new(),
        };
        let own = "m.app = (SELECT no FROM apps WHERE id = ?)";
        list.add(own, bytes(app.0));
        let times: [Option<Condition>; 2] = [
            since.map(|at| ("m.sort_at >= ?", Value::Integer(micros(at)))),
            until.map(|at| ("m.sort_at < ?", Value::Integer(micros(at)))),
        ];
        for (condition, value) in times.into_iter().flatten() {
            list.add(condition, value);
        }
        list
    }

    fn always(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    fn add(&mut self, condition: &str, value: Value) {
        self.always(condition);
        self.values.push(value);
    }

    fn any_of(&mut self, column: &str, words: impl Iterator<Item = &'static str>) {
        let values: Vec<Value> = words.map(|word| Value::Text(word.to_owned())).collect();
        if !values.is_empty() {
            let marks = vec!["?"; values.len()].join(", ");
            self.always(&format!("{column} IN ({marks})"));
            self.values.extend(values);
        }
    }

    /// The page, the total and where to go on.
    fn read<T>(
        mut self,
        conn: &Sql,
        columns: &str,
        (limit, offset, after): (u32, u32, Option<MediaCursor>),
        from_row: impl Fn(&Row<'_>) -> StoreResult<T>,
        place: impl Fn(&T) -> (Timestamp, uuid::Uuid),
    ) -> StoreResult<MediaPage<T>> {
        let table = self.table;
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {table} m WHERE {} LIMIT {COUNT_LIMIT})",
            self.conditions.join(" AND ")
        );
        let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
        let total: i64 = statement
            .query_row(params_from_iter(&self.values), |row| row.get(0))
            .map_err(fault)?;
        if let Some(after) = after {
            self.add(
                "(m.sort_at, m.id) < (?, ?)",
                Value::Integer(micros(after.sort_at)),
            );
            self.values.push(bytes(after.id));
        }
        let limit = limit.clamp(1, 100);
        // One more than is shown tells whether there are more.
        let sql = format!(
            "SELECT {columns} FROM {table} m JOIN apps a ON a.no = m.app WHERE {} \
             ORDER BY m.sort_at DESC, m.id DESC LIMIT {} OFFSET {offset}",
            self.conditions.join(" AND "),
            limit + 1,
        );
        let mut items = rows(conn, &sql, params_from_iter(&self.values), from_row)?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|last| {
            let (sort_at, id) = place(last);
            MediaCursor { sort_at, id }
        });
        let total = u64::try_from(total).unwrap_or(0);
        Ok(MediaPage { items, total, next })
    }
}

fn bytes(id: uuid::Uuid) -> Value {
    Value::Blob(id.as_bytes().to_vec())
}

fn rows<T>(
    conn: &Sql,
    sql: &str,
    params: impl rusqlite::Params,
    from_row: impl Fn(&Row<'_>) -> StoreResult<T>,
) -> StoreResult<Vec<T>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn recording_from_row(row: &Row<'_>) -> StoreResult<StoredRecording> {
    let at = |index| -> StoreResult<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(index).map_err(fault)?.map(time))
    };
    Ok(StoredRecording {
        app_id: AppId(uuid(row, 0).map_err(fault)?),
        record: from_json(text(row, 1).map_err(fault)?, "recordings", "record")?,
        created_at: time(row.get(2).map_err(fault)?),
        updated_at: time(row.get(3).map_err(fault)?),
        checked_at: at(4)?,
        due_at: at(5)?,
        failures: row.get(6).map_err(fault)?,
    })
}

fn voicemail_from_row(row: &Row<'_>) -> StoreResult<StoredVoicemail> {
    Ok(StoredVoicemail {
        app_id: AppId(uuid(row, 0).map_err(fault)?),
        record: from_json(text(row, 1).map_err(fault)?, "voicemails", "record")?,
        created_at: time(row.get(2).map_err(fault)?),
        updated_at: time(row.get(3).map_err(fault)?),
    })
}

/// From `connection_id, record`.
pub(super) fn message_from_row(row: &Row<'_>) -> StoreResult<StoredMessage> {
    let connection_id = ConnectionId(uuid(row, 0).map_err(fault)?);
    let message: switchhook_domain::media::Message =
        from_json(text(row, 1).map_err(fault)?, "messages", "record")?;
    Ok(StoredMessage {
        id: MessageId::of(connection_id, &message.external_id),
        connection_id,
        message,
    })
}

fn presence_from_row(row: &Row<'_>) -> StoreResult<StoredPresence> {
    let state: PresenceState = from_json(text(row, 2).map_err(fault)?, "presence", "state")?;
    Ok(StoredPresence {
        connection_id: ConnectionId(uuid(row, 0).map_err(fault)?),
        platform: row.get(1).map_err(fault)?,
        report: state.report,
        at: state.at,
    })
}
