//! Contacts. The candidates for a number are fetched by the writer, see `load.rs`.

use switchhook_domain::contact::Contact;
use switchhook_domain::id::{AppId, ContactId};
use switchhook_engine::store::{COUNT_LIMIT, ContactQuery, StoreError, StoreResult};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::reader::Readers;
use super::session::{column, column_count};
use crate::columns::{from_json, key, search_needle, search_text, sort_name, to_json};

pub(super) async fn put(db: &Readers, app: AppId, contacts: &[Contact]) -> StoreResult<()> {
    // Of contacts with the same id the last one counts.
    let mut last: std::collections::BTreeMap<Uuid, &Contact> = std::collections::BTreeMap::new();
    last.extend(contacts.iter().map(|contact| (contact.id.0, contact)));
    let ids: Vec<Uuid> = last.keys().copied().collect();
    let names: Vec<String> = last.values().map(|contact| sort_name(contact)).collect();
    let searches: Vec<String> = last.values().map(|contact| search_text(contact)).collect();
    let records = last
        .values()
        .map(|contact| to_json(contact, "contacts", "record"));
    let records: Vec<String> = records.collect::<StoreResult<_>>()?;
    let (mut owners, mut positions, mut exact, mut tails) = (vec![], vec![], vec![], vec![]);
    for contact in last.values() {
        for (position, entry) in (0_i32..).zip(&contact.numbers) {
            owners.push(contact.id.0);
            positions.push(position);
            exact.push(
                entry
                    .number
                    .e164
                    .as_deref()
                    .map(|e164| key(e164).into_owned()),
            );
            tails.push(entry.number.digits_tail());
        }
    }
    let transaction = db.of(app).write().await?;
    let exists = transaction
        .query_opt("SELECT 1 FROM apps WHERE id = $1 FOR KEY SHARE", &[&app.0])
        .await?;
    if exists.is_none() {
        return Err(StoreError::NotFound("app"));
    }
    let upsert = "INSERT INTO contacts (app_id, id, sort_name, search, record) \
        SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) \
        ON CONFLICT (app_id, id) DO UPDATE SET sort_name = excluded.sort_name, \
        search = excluded.search, record = excluded.record";
    transaction
        .execute(upsert, &[&app.0, &ids, &names, &searches, &records])
        .await?;
    let forget = "DELETE FROM contact_numbers WHERE app_id = $1 AND contact_id = ANY($2)";
    transaction.execute(forget, &[&app.0, &ids]).await?;
    let numbers = "INSERT INTO contact_numbers (app_id, contact_id, position, e164, tail) \
        SELECT $1, * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[])";
    transaction
        .execute(numbers, &[&app.0, &owners, &positions, &exact, &tails])
        .await?;
    transaction.commit().await
}

pub(super) async fn one(db: &Readers, app: AppId, id: ContactId) -> StoreResult<Option<Contact>> {
    let sql = "SELECT record FROM contacts WHERE app_id = $1 AND id = $2";
    db.of(app)
        .one(sql, &[&app.0, &id.0])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

pub(super) async fn list(
    db: &Readers,
    app: AppId,
    query: &ContactQuery,
) -> StoreResult<(Vec<Contact>, u64)> {
    let number = query.number.as_deref().map(key);
    let text = query.text.as_deref().map(search_needle);
    let mut wheres = "app_id = $1".to_owned();
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&app.0];
    if let Some(number) = &number {
        params.push(number);
        wheres.push_str(
            " AND id IN (SELECT contact_id FROM contact_numbers WHERE app_id = $1 AND e164 = $2)",
        );
    }
    if let Some(text) = &text {
        params.push(text);
        wheres.push_str(&format!(" AND position(${} IN search) > 0", params.len()));
    }
    let reads = db.of(app).read().await?;
    let sql = format!(
        "SELECT count(*) AS total FROM (SELECT 1 FROM contacts WHERE {wheres} \
         LIMIT {COUNT_LIMIT}) n"
    );
    let counted = reads.query_one(&sql, &params).await?;
    let total = column_count(&counted, "total")?;
    let sql = format!(
        "SELECT record FROM contacts WHERE {wheres} ORDER BY sort_name, id LIMIT {} OFFSET {}",
        query.limit.clamp(1, 100),
        query.offset
    );
    let rows = reads.query(&sql, &params).await?;
    reads.commit().await?;
    Ok((
        rows.iter().map(from_row).collect::<StoreResult<_>>()?,
        total,
    ))
}

pub(super) async fn delete(db: &Readers, app: AppId, id: ContactId) -> StoreResult<()> {
    let sql = "DELETE FROM contacts WHERE app_id = $1 AND id = $2";
    let found = db.of(app).execute(sql, &[&app.0, &id.0]).await?;
    if found == 0 {
        Err(StoreError::NotFound("contact"))
    } else {
        Ok(())
    }
}

fn from_row(row: &Row) -> StoreResult<Contact> {
    from_json(column(row, "record")?, "contacts", "record")
}
