//! Text messages: the list, and what older versions did not write about them.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use switchhook_domain::id::AppId;
use switchhook_engine::store::{COUNT_LIMIT, MessageQuery, StoreResult, StoredMessage};

use super::media::message_from_row;
use super::session::{blob, fault};
use crate::columns::{MessageFilters, clean, micros, recipient};

pub(super) fn list(
    conn: &Connection,
    app: AppId,
    query: &MessageQuery,
) -> StoreResult<(Vec<StoredMessage>, u64)> {
    let mut wanted = "app = (SELECT no FROM apps WHERE id = ?)".to_owned();
    let mut values = vec![Value::Blob(app.0.as_bytes().to_vec())];
    let word = |word: &str| Value::Text(word.to_owned());
    let text = |text: &Option<String>| text.as_deref().map(|text| word(&clean(text)));
    let to = query.to_number.as_deref().map(recipient);
    let conditions = [
        ("direction = ?", query.direction.map(|d| word(d.as_str()))),
        ("from_number = ?", text(&query.from_number)),
        ("instr(to_numbers, ?) > 0", to.map(Value::Text)),
        ("user_id = ?", text(&query.user_id)),
        ("sent_at >= ?", query.since.map(|at| micros(at).into())),
        ("sent_at < ?", query.until.map(|at| micros(at).into())),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            wanted = format!("{wanted} AND {condition}");
            values.push(value);
        }
    }
    let sql =
        format!("SELECT count(*) FROM (SELECT 1 FROM messages WHERE {wanted} LIMIT {COUNT_LIMIT})");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let total: i64 = statement
        .query_row(params_from_iter(&values), |row| row.get(0))
        .map_err(fault)?;
    let sql = format!(
        "SELECT connection_id, record FROM messages WHERE {wanted} \
         ORDER BY sent_at DESC, connection_id DESC, external_id DESC LIMIT {} OFFSET {}",
        query.limit.clamp(1, 100),
        query.offset
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let mut rows = statement.query(params_from_iter(&values)).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(message_from_row(row)?);
    }
    Ok((found, u64::try_from(total).unwrap_or(0)))
}

/// Gives the messages that an older version stored their ids and directions.
pub(super) fn name_unnamed(conn: &Connection) -> StoreResult<()> {
    loop {
        let sql = "SELECT connection_id, record, external_id FROM messages WHERE id IS NULL \
                   LIMIT 500";
        let mut statement = conn.prepare_cached(sql).map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        let mut unnamed = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            let key: String = row.get(2).map_err(fault)?;
            unnamed.push((message_from_row(row)?, key));
        }
        if unnamed.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE messages SET id = ?3, direction = ?4, from_number = ?5, \
                   to_numbers = ?6, user_id = ?7 \
                   WHERE connection_id = ?1 AND external_id = ?2";
        let mut update = conn.prepare_cached(sql).map_err(fault)?;
        for (stored, key) in unnamed {
            let filters = MessageFilters::of(&stored.message);
            update
                .execute(params![
                    blob(&stored.connection_id.0),
                    key,
                    blob(&stored.id.0),
                    stored.message.direction.as_str(),
                    filters.from_number,
                    filters.to_numbers,
                    filters.user_id,
                ])
                .map_err(fault)?;
        }
    }
}
