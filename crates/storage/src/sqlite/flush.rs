//! Writing what a batch changed, table by table, inside the writer's transaction.

use rusqlite::{CachedStatement, Connection, params};
use switchhook_domain::id::{AppId, CallId, MessageId};
use switchhook_engine::store::{StoreResult, look_at};

use super::events::place;
use super::session::{blob, conflict, fault};
use crate::columns::{MessageFilters, damaged, micros, to_json};
use crate::working::{CallRow, Pending, Stored, TaskRow, WorkingSet};

/// Writes everything pending and notes it as written.
pub(super) fn flush(conn: &Connection, set: &mut WorkingSet) -> StoreResult<()> {
    let pending = std::mem::take(&mut set.pending);
    write_notifications(conn, set, &pending)?;
    delete_calls(conn, &pending)?;
    write_calls(conn, set, &pending)?;
    write_keys(conn, &pending)?;
    write_messages(conn, set, &pending)?;
    write_presence(conn, &pending)?;
    write_recordings(conn, set, &pending)?;
    write_voicemails(conn, set, &pending)?;
    write_tasks(conn, set, &pending)?;
    write_events(conn, set, &pending)?;
    write_connections(conn, &pending)
}

/// The small number of an app.
fn number(set: &WorkingSet, app: AppId) -> StoreResult<i64> {
    set.heads
        .get(&app)
        .map(|head| head.no)
        .ok_or_else(|| damaged("apps", "no"))
}

fn prepare<'c>(conn: &'c Connection, sql: &str) -> StoreResult<CachedStatement<'c>> {
    conn.prepare_cached(sql).map_err(fault)
}

fn write_notifications(conn: &Connection, set: &WorkingSet, pending: &Pending) -> StoreResult<()> {
    if pending.notifications.is_empty() {
        return Ok(());
    }
    let mut insert = prepare(
        conn,
        "INSERT INTO notifications (app, id, connection_id, received_at, verdict, reason, \
         event, content_type, digest, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for work in &pending.notifications {
        let Some(note) = &work.changeset.notification else {
            continue;
        };
        insert
            .execute(params![
                number(set, work.changeset.app_id)?,
                blob(&note.id.0),
                blob(&note.connection_id.0),
                micros(note.received_at),
                note.verdict.as_str(),
                note.reason,
                note.event,
                note.content_type,
                note.digest,
                note.body,
            ])
            .map_err(conflict("notification"))?;
    }
    Ok(())
}

fn delete_calls(conn: &Connection, pending: &Pending) -> StoreResult<()> {
    for (_, _, row) in &pending.deleted {
        prepare(conn, "DELETE FROM calls WHERE row = ?1")?
            .execute([row])
            .map_err(fault)?;
        prepare(conn, "DELETE FROM call_bodies WHERE row = ?1")?
            .execute([row])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_calls(conn: &Connection, set: &mut WorkingSet, pending: &Pending) -> StoreResult<()> {
    for place in &pending.calls {
        write_call(conn, set, place)?;
    }
    Ok(())
}

fn write_call(conn: &Connection, set: &mut WorkingSet, place: &(AppId, CallId)) -> StoreResult<()> {
    let no = number(set, place.0)?;
    let Some(entry) = set.calls.get_mut(place) else {
        return Ok(());
    };
    let Some(changed) = entry.changed.take() else {
        return Ok(());
    };
    let columns = CallRow::new(place.0, entry, &changed);
    let state = to_json(&entry.state, "call_bodies", "state")?;
    let record = to_json(&changed.call, "call_bodies", "record")?;
    let row = match &entry.stored {
        None => {
            insert_call(conn, no, &columns)?;
            let row = conn.last_insert_rowid();
            prepare(
                conn,
                "INSERT INTO call_bodies (row, state, record) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![row, state, record])
            .map_err(conflict("call"))?;
            row
        }
        Some(Stored {
            row,
            columns: known,
        }) => {
            // An index costs only when one of its columns is named, changed or not.
            match known {
                Some(known) if *known == columns => {}
                Some(known) if known.same_place(&columns) => update_call(conn, *row, &columns)?,
                _ => move_call(conn, *row, &columns)?,
            }
            prepare(
                conn,
                "UPDATE call_bodies SET state = ?2, record = ?3 WHERE row = ?1",
            )?
            .execute(params![row, state, record])
            .map_err(fault)?;
            *row
        }
    };
    entry.stored = Some(Stored {
        row,
        columns: Some(columns),
    });
    Ok(())
}

fn insert_call(conn: &Connection, no: i64, call: &CallRow) -> StoreResult<()> {
    let sql = "INSERT INTO calls (app, id, connection_id, platform, visible, open, status, \
               direction, from_number, to_number, agent_extension, agent_user, sort_at, due_at, \
               duration_seconds, agent_id, agent_crm, moment, outcome, contact_id) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, \
               ?17, ?18, ?19, ?20)";
    let written = prepare(conn, sql)?.execute(params![
        no,
        blob(&call.id.0),
        blob(&call.connection_id.0),
        call.platform,
        call.visible,
        call.open,
        call.status,
        call.direction,
        call.from_number,
        call.to_number,
        call.agent_extension,
        call.agent_user,
        call.sort_at,
        call.due_at,
        call.duration_seconds,
        call.agent_id.as_ref().map(|id| blob(&id.0)),
        call.agent_crm,
        call.moment,
        call.outcome,
        call.contact_id.as_ref().map(|id| blob(&id.0)),
    ]);
    written.map(drop).map_err(conflict("call"))
}

/// Everything that may have changed, indexed columns included.
fn move_call(conn: &Connection, row: i64, call: &CallRow) -> StoreResult<()> {
    let sql = "UPDATE calls SET visible = ?2, open = ?3, status = ?4, direction = ?5, \
               from_number = ?6, to_number = ?7, agent_extension = ?8, agent_user = ?9, \
               sort_at = ?10, due_at = ?11, duration_seconds = ?12, agent_id = ?13, \
               agent_crm = ?14, moment = ?15, outcome = ?16, contact_id = ?17 WHERE row = ?1";
    let written = prepare(conn, sql)?.execute(params![
        row,
        call.visible,
        call.open,
        call.status,
        call.direction,
        call.from_number,
        call.to_number,
        call.agent_extension,
        call.agent_user,
        call.sort_at,
        call.due_at,
        call.duration_seconds,
        call.agent_id.as_ref().map(|id| blob(&id.0)),
        call.agent_crm,
        call.moment,
        call.outcome,
        call.contact_id.as_ref().map(|id| blob(&id.0)),
    ]);
    written.map(drop).map_err(fault)
}

/// What changes with most notifications of a call.
fn update_call(conn: &Connection, row: i64, call: &CallRow) -> StoreResult<()> {
    let sql = "UPDATE calls SET status = ?2, direction = ?3, agent_extension = ?4, \
               agent_user = ?5, due_at = ?6, duration_seconds = ?7, agent_id = ?8, \
               agent_crm = ?9, outcome = ?10, contact_id = ?11 WHERE row = ?1";
    let written = prepare(conn, sql)?.execute(params![
        row,
        call.status,
        call.direction,
        call.agent_extension,
        call.agent_user,
        call.due_at,
        call.duration_seconds,
        call.agent_id.as_ref().map(|id| blob(&id.0)),
        call.agent_crm,
        call.outcome,
        call.contact_id.as_ref().map(|id| blob(&id.0)),
    ]);
    written.map(drop).map_err(fault)
}

fn write_keys(conn: &Connection, pending: &Pending) -> StoreResult<()> {
    if pending.keys.is_empty() {
        return Ok(());
    }
    let mut upsert = prepare(
        conn,
        "INSERT INTO call_keys (connection_id, key, call_id) VALUES (?1, ?2, ?3) \
         ON CONFLICT (connection_id, key) DO UPDATE SET call_id = excluded.call_id",
    )?;
    for ((connection, text), (_, call)) in &pending.keys {
        upsert
            .execute(params![blob(&connection.0), text, blob(&call.0)])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_messages(conn: &Connection, set: &WorkingSet, pending: &Pending) -> StoreResult<()> {
    for ((connection, id), (app, state)) in &pending.messages {
        let sql = "INSERT INTO messages (connection_id, external_id, app, sent_at, state, \
                   record, id, direction, from_number, to_numbers, user_id) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
                   ON CONFLICT (connection_id, external_id) DO UPDATE SET \
                   sent_at = excluded.sent_at, state = excluded.state, record = excluded.record, \
                   id = excluded.id, direction = excluded.direction, \
                   from_number = excluded.from_number, to_numbers = excluded.to_numbers, \
                   user_id = excluded.user_id";
        let filters = MessageFilters::of(&state.message);
        let named = MessageId::of(*connection, &state.message.external_id);
        let record = to_json(&state.message, "messages", "record")?;
        let whole = to_json(state, "messages", "state")?;
        let sent_at = micros(state.message.sent_at);
        prepare(conn, sql)?
            .execute(params![
                blob(&connection.0),
                id,
                number(set, *app)?,
                sent_at,
                whole,
                record,
                blob(&named.0),
                state.message.direction.as_str(),
                filters.from_number,
                filters.to_numbers,
                filters.user_id,
            ])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_recordings(conn: &Connection, set: &WorkingSet, pending: &Pending) -> StoreResult<()> {
    for (id, noted) in &pending.recordings {
        let record = &noted.record;
        let sql = "INSERT INTO recordings AS r (id, app, call_id, state, sort_at, record, \
                   created_at, updated_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT (id) DO UPDATE SET call_id = excluded.call_id, \
                   state = excluded.state, sort_at = excluded.sort_at, \
                   record = excluded.record, updated_at = excluded.updated_at, \
                   due_at = excluded.due_at, failures = 0 \
                   WHERE r.record IS NOT excluded.record";
        prepare(conn, sql)?
            .execute(params![
                blob(&id.0),
                number(set, noted.app)?,
                blob(&record.call_id.0),
                record.state.as_str(),
                micros(record.sort_at),
                to_json(record, "recordings", "record")?,
                micros(noted.first),
                micros(noted.at),
                look_at(record.state, record.expires_at, noted.at).map(micros),
            ])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_voicemails(conn: &Connection, set: &WorkingSet, pending: &Pending) -> StoreResult<()> {
    for (id, noted) in &pending.voicemails {
        let record = &noted.record;
        let sql = "INSERT INTO voicemails AS v (id, app, call_id, agent_extension, agent_user, \
                   sort_at, record, created_at, updated_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT (id) DO UPDATE SET call_id = excluded.call_id, \
                   agent_extension = excluded.agent_extension, \
                   agent_user = excluded.agent_user, sort_at = excluded.sort_at, \
                   record = excluded.record, updated_at = excluded.updated_at \
                   WHERE v.record IS NOT excluded.record AND v.record IS NOT NULL";
        let agent = record.agent.as_ref();
        prepare(conn, sql)?
            .execute(params![
                blob(&id.0),
                number(set, noted.app)?,
                blob(&record.call_id.0),
                agent.and_then(|agent| agent.extension.as_ref()),
                agent.and_then(|agent| agent.user_id.as_ref()),
                micros(record.sort_at),
                to_json(record, "voicemails", "record")?,
                micros(noted.first),
                micros(noted.at),
            ])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_tasks(conn: &Connection, set: &WorkingSet, pending: &Pending) -> StoreResult<()> {
    for ((app, _), write) in &pending.tasks {
        let sql = "INSERT INTO tasks (app, id, version, status, open, kind, assignee, queue, \
                   contact_id, call_id, number, deadline, priority, created_at, due_at, record) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
                   ?16) \
                   ON CONFLICT (app, id) DO UPDATE SET version = excluded.version, \
                   status = excluded.status, open = excluded.open, kind = excluded.kind, \
                   assignee = excluded.assignee, queue = excluded.queue, \
                   contact_id = excluded.contact_id, call_id = excluded.call_id, \
                   number = excluded.number, deadline = excluded.deadline, \
                   priority = excluded.priority, created_at = excluded.created_at, \
                   due_at = excluded.due_at, record = excluded.record";
        let task = TaskRow::new(write);
        prepare(conn, sql)?
            .execute(params![
                number(set, *app)?,
                blob(&task.id),
                task.version,
                task.status,
                task.open,
                task.kind,
                task.assignee.as_ref().map(blob),
                task.queue,
                task.contact.as_ref().map(blob),
                task.call.as_ref().map(blob),
                task.number,
                task.deadline,
                task.priority,
                task.created_at,
                task.due_at,
                to_json(&write.task, "tasks", "record")?,
            ])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_presence(conn: &Connection, pending: &Pending) -> StoreResult<()> {
    for ((connection, name), (_, state)) in &pending.presence {
        let sql = "INSERT INTO presence (connection_id, key, state) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (connection_id, key) DO UPDATE SET state = excluded.state";
        let whole = to_json(state, "presence", "state")?;
        prepare(conn, sql)?
            .execute(params![blob(&connection.0), name, whole])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_events(conn: &Connection, set: &WorkingSet, pending: &Pending) -> StoreResult<()> {
    if pending.events.is_empty() {
        return Ok(());
    }
    let mut insert = prepare(
        conn,
        "INSERT INTO events (place, id, kind, call_id, at, recorded_at, data) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for event in &pending.events {
        insert
            .execute(params![
                place(number(set, event.app_id)?, event.seq)?,
                blob(&event.id.0),
                event.kind.as_str(),
                event.call_id.as_ref().map(|id| blob(&id.0)),
                micros(event.at),
                micros(event.recorded_at),
                event.data.get(),
            ])
            .map_err(conflict("event"))?;
    }
    for app in &pending.heads {
        let head = set.heads.get(app).copied().unwrap_or_default();
        let seq = i64::try_from(head.seq).map_err(|_| damaged("apps", "head_seq"))?;
        prepare(conn, "UPDATE apps SET head_seq = ?2 WHERE no = ?1")?
            .execute(params![head.no, seq])
            .map_err(fault)?;
    }
    Ok(())
}

fn write_connections(conn: &Connection, pending: &Pending) -> StoreResult<()> {
    for ((app, id), status) in &pending.links {
        let sql = "UPDATE connections SET link = ?3 WHERE id = ?2 AND app_id = ?1";
        let status = to_json(status, "connections", "link")?;
        prepare(conn, sql)?
            .execute(params![blob(&app.0), blob(&id.0), status])
            .map_err(fault)?;
    }
    for ((app, id), at) in &pending.heard {
        let sql = "UPDATE connections SET last_heard_at = max(ifnull(last_heard_at, ?3), ?3) \
                   WHERE id = ?2 AND app_id = ?1";
        prepare(conn, sql)?
            .execute(params![blob(&app.0), blob(&id.0), micros(*at)])
            .map_err(fault)?;
    }
    Ok(())
}
