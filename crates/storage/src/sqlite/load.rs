//! Loading what a changeset has to be folded against, inside the writer.

use std::cell::RefCell;

use rusqlite::{Connection, Row, params};
use switchhook_domain::contact::{Matches, judge};
use switchhook_domain::fold::Directory;
use switchhook_domain::id::{AgentId, AppId, CallId, ConnectionId, ContactId, TaskId};
use switchhook_domain::phone::PhoneNumber;
use switchhook_engine::store::{StoreError, StoreResult};

use super::contacts;
use super::session::{blob, fault, optional, text, uuid, uuid_opt};
use crate::columns::{from_json, key};
use crate::working::{CallRow, Entry, Head, Stored, Work, WorkingSet};

/// Loads what is not in the set yet.
pub(super) fn load(conn: &Connection, set: &mut WorkingSet, work: &Work) -> StoreResult<()> {
    let app = work.changeset.app_id;
    load_app(conn, set, app)?;
    for id in work.connections() {
        load_connection(conn, set, id)?;
    }
    // Without an app the fold refuses, whatever was loaded.
    let Some(Head { no, .. }) = set.heads.get(&app).copied() else {
        return Ok(());
    };
    for write in &work.changeset.tasks {
        load_task(conn, set, (app, no), write.task.id)?;
    }
    let Some(input) = &work.changeset.fold else {
        return Ok(());
    };
    let connection = input.connection_id;
    let mut ids: Vec<CallId> = input.settle.clone();
    ids.extend(input.deeds.iter().map(|deed| deed.call));
    for text in work.keys() {
        ids.extend(call_of_key(conn, set, connection, &text)?);
    }
    if work.needs.open_calls {
        ids.extend(open_calls(conn, no, connection)?);
    }
    for id in ids {
        load_call(conn, set, (app, no), id)?;
    }
    for id in &work.needs.messages {
        load_message(conn, set, connection, id)?;
    }
    for name in &work.needs.presence {
        load_presence(conn, set, connection, name)?;
    }
    Ok(())
}

fn load_app(conn: &Connection, set: &mut WorkingSet, app: AppId) -> StoreResult<()> {
    if set.heads.contains_key(&app) {
        return Ok(());
    }
    let sql = "SELECT no, head_seq FROM apps WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row([blob(&app.0)], |row| {
        let seq: i64 = row.get(1)?;
        Ok(Head {
            no: row.get(0)?,
            seq: u64::try_from(seq).unwrap_or(0),
        })
    });
    if let Some(head) = optional(found)? {
        set.heads.insert(app, head);
    }
    Ok(())
}

fn load_connection(conn: &Connection, set: &mut WorkingSet, id: ConnectionId) -> StoreResult<()> {
    if set.connections.contains_key(&id) {
        return Ok(());
    }
    let sql = "SELECT app_id FROM connections WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    if let Some(app) = optional(statement.query_row([blob(&id.0)], |row| uuid(row, 0)))? {
        set.connections.insert(id, AppId(app));
    }
    Ok(())
}

fn call_of_key(
    conn: &Connection,
    set: &mut WorkingSet,
    connection: ConnectionId,
    text: &str,
) -> StoreResult<Option<CallId>> {
    let known = set.keys.entry(connection).or_default();
    if let Some(id) = known.get(text) {
        return Ok(Some(*id));
    }
    let sql = "SELECT call_id FROM call_keys WHERE connection_id = ?1 AND key = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row(params![blob(&connection.0), text], |row| uuid(row, 0));
    let found = optional(found)?.map(CallId);
    if let Some(id) = found {
        known.insert(text.to_owned(), id);
    }
    Ok(found)
}

fn open_calls(conn: &Connection, no: i64, connection: ConnectionId) -> StoreResult<Vec<CallId>> {
    let sql = "SELECT id FROM calls INDEXED BY calls_open \
               WHERE app = ?1 AND open = 1 AND connection_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let rows = statement
        .query_map(params![no, blob(&connection.0)], |row| {
            uuid(row, 0).map(CallId)
        })
        .map_err(fault)?;
    rows.collect::<rusqlite::Result<_>>().map_err(fault)
}

fn load_call(
    conn: &Connection,
    set: &mut WorkingSet,
    (app, no): (AppId, i64),
    id: CallId,
) -> StoreResult<()> {
    if set.calls.contains_key(&(app, id)) {
        return Ok(());
    }
    let sql = "SELECT c.row, c.connection_id, c.platform, c.visible, c.open, c.status, \
               c.direction, c.from_number, c.to_number, c.agent_extension, c.agent_user, \
               c.sort_at, c.due_at, c.duration_seconds, c.agent_id, c.agent_crm, \
               c.moment, c.outcome, c.contact_id, b.state \
               FROM calls c JOIN call_bodies b ON b.row = c.row \
               WHERE c.app = ?1 AND c.id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params![no, blob(&id.0)]).map_err(fault)?;
    let Some(row) = rows.next().map_err(fault)? else {
        return Ok(());
    };
    let columns = call_row(row, app, id).map_err(fault)?;
    let state = from_json(text(row, 19).map_err(fault)?, "call_bodies", "state")?;
    let stored = Stored {
        row: row.get(0).map_err(fault)?,
        columns: Some(columns),
    };
    let open = row.get(4).map_err(fault)?;
    set.calls.insert(
        (app, id),
        Entry {
            state,
            open,
            stored: Some(stored),
            changed: None,
        },
    );
    Ok(())
}

fn call_row(row: &Row<'_>, app_id: AppId, id: CallId) -> rusqlite::Result<CallRow> {
    Ok(CallRow {
        app_id,
        id,
        connection_id: ConnectionId(uuid(row, 1)?),
        platform: row.get(2)?,
        visible: row.get(3)?,
        open: row.get(4)?,
        status: row.get(5)?,
        direction: row.get(6)?,
        from_number: row.get(7)?,
        to_number: row.get(8)?,
        agent_extension: row.get(9)?,
        agent_user: row.get(10)?,
        sort_at: row.get(11)?,
        due_at: row.get(12)?,
        duration_seconds: row.get(13)?,
        agent_id: uuid_opt(row, 14)?.map(AgentId),
        agent_crm: row.get(15)?,
        moment: row.get(16)?,
        outcome: row.get(17)?,
        contact_id: uuid_opt(row, 18)?.map(ContactId),
    })
}

fn load_task(
    conn: &Connection,
    set: &mut WorkingSet,
    (app, no): (AppId, i64),
    id: TaskId,
) -> StoreResult<()> {
    if set.tasks.contains_key(&(app, id)) {
        return Ok(());
    }
    let sql = "SELECT version FROM tasks WHERE app = ?1 AND id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row(params![no, blob(&id.0)], |row| row.get(0));
    if let Some(version) = optional(found)? {
        set.tasks.insert((app, id), version);
    }
    Ok(())
}

fn load_message(
    conn: &Connection,
    set: &mut WorkingSet,
    connection: ConnectionId,
    id: &str,
) -> StoreResult<()> {
    let place = (connection, key(id).into_owned());
    if set.messages.contains_key(&place) {
        return Ok(());
    }
    let sql = "SELECT state FROM messages WHERE connection_id = ?1 AND external_id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row(params![blob(&connection.0), place.1], |row| {
        row.get::<_, String>(0)
    });
    if let Some(state) = optional(found)? {
        set.messages
            .insert(place, from_json(&state, "messages", "state")?);
    }
    Ok(())
}

fn load_presence(
    conn: &Connection,
    set: &mut WorkingSet,
    connection: ConnectionId,
    name: &str,
) -> StoreResult<()> {
    let place = (connection, key(name).into_owned());
    if set.presence.contains_key(&place) {
        return Ok(());
    }
    let sql = "SELECT state FROM presence WHERE connection_id = ?1 AND key = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row(params![blob(&connection.0), place.1], |row| {
        row.get::<_, String>(0)
    });
    if let Some(state) = optional(found)? {
        set.presence
            .insert(place, from_json(&state, "presence", "state")?);
    }
    Ok(())
}

/// The directory of an app, asked with the writer's own connection.
pub(super) struct OwnDirectory<'a> {
    pub(super) conn: &'a Connection,
    pub(super) app: AppId,
    /// What went wrong while it was asked; a fold cannot fail.
    pub(super) error: RefCell<Option<StoreError>>,
}

impl Directory for OwnDirectory<'_> {
    fn find(&self, number: &PhoneNumber) -> Matches {
        match contacts::candidates(self.conn, self.app, number) {
            Ok(found) => judge(number, &found),
            Err(error) => {
                *self.error.borrow_mut() = Some(error);
                Matches::default()
            }
        }
    }
}
