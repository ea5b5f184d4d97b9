//! Contacts, and the candidates for a number.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use switchhook_domain::contact::Contact;
use switchhook_domain::id::{AppId, ContactId};
use switchhook_domain::phone::{PhoneNumber, tail};
use switchhook_engine::store::{
    CANDIDATE_LIMIT, COUNT_LIMIT, ContactQuery, StoreError, StoreResult,
};

use super::apps::must_exist;
use super::session::{blob, fault, optional, text, uuid};
use crate::columns::{from_json, key, search_needle, search_text, sort_name, to_json};

pub(super) fn put(conn: &Connection, app: AppId, contacts: &[Contact]) -> StoreResult<()> {
    must_exist(conn, app)?;
    let mut upsert = conn
        .prepare_cached(
            "INSERT INTO contacts (app_id, id, sort_name, search, record) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (app_id, id) DO UPDATE SET \
             sort_name = excluded.sort_name, search = excluded.search, record = excluded.record",
        )
        .map_err(fault)?;
    let mut forget = conn
        .prepare_cached("DELETE FROM contact_numbers WHERE app_id = ?1 AND contact_id = ?2")
        .map_err(fault)?;
    let mut number = conn
        .prepare_cached(
            "INSERT INTO contact_numbers (app_id, contact_id, position, e164, tail) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .map_err(fault)?;
    for contact in contacts {
        let record = to_json(contact, "contacts", "record")?;
        let (app, id) = (blob(&app.0), blob(&contact.id.0));
        upsert
            .execute(params![
                app,
                id,
                sort_name(contact),
                search_text(contact),
                record
            ])
            .map_err(fault)?;
        forget.execute(params![app, id]).map_err(fault)?;
        for (position, entry) in (0_i64..).zip(&contact.numbers) {
            let e164 = entry.number.e164.as_deref().map(key);
            let tail = entry.number.digits_tail();
            number
                .execute(params![app, id, position, e164, tail])
                .map_err(fault)?;
        }
    }
    Ok(())
}

pub(super) fn one(conn: &Connection, app: AppId, id: ContactId) -> StoreResult<Option<Contact>> {
    let sql = "SELECT record FROM contacts WHERE app_id = ?1 AND id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement.query_row(params![blob(&app.0), blob(&id.0)], |row| {
        row.get::<_, String>(0)
    });
    optional(found)?
        .map(|record| from_json(&record, "contacts", "record"))
        .transpose()
}

pub(super) fn list(
    conn: &Connection,
    app: AppId,
    query: &ContactQuery,
) -> StoreResult<(Vec<Contact>, u64)> {
    let mut wheres = "app_id = ?1".to_owned();
    let mut values = vec![Value::Blob(blob(&app.0).to_vec())];
    if let Some(number) = &query.number {
        values.push(Value::Text(key(number).into_owned()));
        wheres.push_str(
            " AND id IN (SELECT contact_id FROM contact_numbers WHERE app_id = ?1 AND e164 = ?2)",
        );
    }
    if let Some(text) = &query.text {
        values.push(Value::Text(search_needle(text)));
        wheres.push_str(&format!(" AND instr(search, ?{}) > 0", values.len()));
    }
    let sql =
        format!("SELECT count(*) FROM (SELECT 1 FROM contacts WHERE {wheres} LIMIT {COUNT_LIMIT})");
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let total: i64 = statement
        .query_row(params_from_iter(&values), |row| row.get(0))
        .map_err(fault)?;
    values.push(Value::Integer(query.limit.clamp(1, 100).into()));
    values.push(Value::Integer(query.offset.into()));
    let sql = format!(
        "SELECT record FROM contacts WHERE {wheres} ORDER BY sort_name, id LIMIT ?{} OFFSET ?{}",
        values.len() - 1,
        values.len()
    );
    Ok((
        records(conn, &sql, params_from_iter(&values))?,
        u64::try_from(total).unwrap_or(0),
    ))
}

pub(super) fn delete(conn: &Connection, app: AppId, id: ContactId) -> StoreResult<()> {
    let sql = "DELETE FROM contacts WHERE app_id = ?1 AND id = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let found = statement
        .execute(params![blob(&app.0), blob(&id.0)])
        .map_err(fault)?;
    if found == 0 {
        Err(StoreError::NotFound("contact"))
    } else {
        Ok(())
    }
}

/// The contacts to be judged for a number: those who have it; if nobody has, those whose number
/// ends alike. At most [`CANDIDATE_LIMIT`], the oldest ids first.
pub(super) fn candidates(
    conn: &Connection,
    app: AppId,
    number: &PhoneNumber,
) -> StoreResult<Vec<Contact>> {
    let Some(e164) = number.e164.as_deref() else {
        return Ok(Vec::new());
    };
    let exact = by_number(conn, app, "e164", &key(e164))?;
    if !exact.is_empty() {
        return Ok(exact);
    }
    tail(e164).map_or_else(|| Ok(Vec::new()), |tail| by_number(conn, app, "tail", tail))
}

fn by_number(
    conn: &Connection,
    app: AppId,
    column: &str,
    value: &str,
) -> StoreResult<Vec<Contact>> {
    // The index gives the ids in order; a contact that has the number twice comes twice.
    let sql = format!(
        "SELECT contact_id FROM contact_numbers WHERE app_id = ?1 AND {column} = ?2 \
         ORDER BY contact_id"
    );
    let mut statement = conn.prepare_cached(&sql).map_err(fault)?;
    let mut rows = statement
        .query(params![blob(&app.0), value])
        .map_err(fault)?;
    let mut ids: Vec<ContactId> = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let id = ContactId(uuid(row, 0).map_err(fault)?);
        if ids.last() != Some(&id) {
            ids.push(id);
        }
        if ids.len() >= CANDIDATE_LIMIT as usize {
            break;
        }
    }
    let found = ids.into_iter().map(|id| one(conn, app, id));
    found.filter_map(StoreResult::transpose).collect()
}

fn records(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> StoreResult<Vec<Contact>> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    let mut rows = statement.query(params).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(from_json(
            text(row, 0).map_err(fault)?,
            "contacts",
            "record",
        )?);
    }
    Ok(found)
}
