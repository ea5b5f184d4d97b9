//! The log: reading on from a position.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use serde_json::value::RawValue;
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{AppId, CallId, EventId};
use switchhook_engine::store::{LogPosition, StoreError, StoreResult};

use super::session::{blob, fault, optional, text, uuid, uuid_opt};
use crate::columns::{damaged, time};

/// How many bits of an event's key are its `seq`; the rest is the small number of the app.
const SEQ_BITS: u32 = 40;
/// How many events one read looks at when only some types are wanted. Between two such reads
/// other readers have their turn.
pub(super) const STRIDE: u64 = 5_000;

/// The key of an event.
pub(super) fn place(no: i64, seq: u64) -> StoreResult<i64> {
    let seq = i64::try_from(seq).ok().filter(|seq| *seq < 1 << SEQ_BITS);
    let seq = seq.ok_or_else(|| damaged("apps", "head_seq"))?;
    Ok((no << SEQ_BITS) | seq)
}

/// The small number, epoch and head of an app.
pub(super) fn head(conn: &Connection, app: AppId) -> StoreResult<Option<(i64, LogPosition)>> {
    let sql = "SELECT no, epoch, head_seq FROM apps WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row([blob(&app.0)], |row| {
        let head: i64 = row.get(2)?;
        let head = u64::try_from(head).unwrap_or(0);
        Ok((
            row.get(0)?,
            LogPosition {
                epoch: uuid(row, 1)?,
                head,
                oldest: head + 1,
            },
        ))
    });
    optional(found)
}

pub(super) fn position(conn: &Connection, app: AppId) -> StoreResult<LogPosition> {
    let (no, mut position) = head(conn, app)?.ok_or(StoreError::NotFound("app"))?;
    let sql = "SELECT min(place) FROM events WHERE place BETWEEN ?1 AND ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let first: Option<i64> = statement
        .query_row(params![place(no, 0)?, place(no, position.head)?], |row| {
            row.get(0)
        })
        .map_err(fault)?;
    if let Some(first) = first {
        position.oldest = seq_of(first);
    }
    Ok(position)
}

/// A part of the log.
pub(super) struct Part {
    /// The events wanted, in order.
    pub(super) events: Vec<Arc<Event>>,
    /// Where to read on; `None` at the end of the log.
    pub(super) more_after: Option<u64>,
}

/// Reads on from a position. With types named, looks at [`STRIDE`] events at most.
pub(super) fn after(
    conn: &Connection,
    app: AppId,
    after: u64,
    limit: u32,
    types: &[EventType],
) -> StoreResult<Part> {
    let Some((no, position)) = head(conn, app)? else {
        return Ok(Part {
            events: Vec::new(),
            more_after: None,
        });
    };
    if after >= position.head {
        return Ok(Part {
            events: Vec::new(),
            more_after: None,
        });
    }
    let until = if types.is_empty() {
        position.head
    } else {
        position.head.min(after + STRIDE)
    };
    let mut values = vec![
        Value::Integer(place(no, after)?),
        Value::Integer(place(no, until)?),
        Value::Integer(limit.into()),
    ];
    let mut wanted = String::new();
    if !types.is_empty() {
        let marks = types.iter().map(|kind| {
            values.push(Value::Text(kind.as_str().to_owned()));
            format!("?{}", values.len())
        });
        let marks: Vec<String> = marks.collect();
        wanted = format!(" AND kind IN ({})", marks.join(", "));
    }
    let sql = format!(
        "SELECT place, id, kind, call_id, at, recorded_at, data FROM events \
         WHERE place > ?1 AND place <= ?2{wanted} ORDER BY place LIMIT ?3"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let mut rows = statement.query(params_from_iter(&values)).map_err(fault)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        events.push(Arc::new(from_row(row, app)?));
    }
    let more_after = (until < position.head).then_some(until);
    Ok(Part { events, more_after })
}

fn seq_of(place: i64) -> u64 {
    u64::try_from(place & ((1 << SEQ_BITS) - 1)).unwrap_or(0)
}

fn from_row(row: &Row<'_>, app_id: AppId) -> StoreResult<Event> {
    let kind = text(row, 2).map_err(fault)?;
    let data = text(row, 6).map_err(fault)?.to_owned();
    Ok(Event {
        seq: seq_of(row.get(0).map_err(fault)?),
        id: EventId(uuid(row, 1).map_err(fault)?),
        app_id,
        kind: EventType::from_name(kind).ok_or_else(|| damaged("events", "kind"))?,
        call_id: uuid_opt(row, 3).map_err(fault)?.map(CallId),
        at: time(row.get(4).map_err(fault)?),
        recorded_at: time(row.get(5).map_err(fault)?),
        data: RawValue::from_string(data).map_err(|_| damaged("events", "data"))?,
    })
}
