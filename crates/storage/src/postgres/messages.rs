//! Text messages: the list, and what older versions did not write about them.

use switchhook_domain::id::AppId;
use switchhook_engine::store::{COUNT_LIMIT, MessageQuery, StoreResult, StoredMessage};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::media::message_from_row;
use super::reader::Readers;
use super::session::{At, column, column_count, fault};
use crate::columns::{MessageFilters, clean, recipient};

/// Every condition that is not given is true of all.
const WANTED: &str = "app_id = $1 AND ($2::text IS NULL OR direction = $2) \
                      AND ($3::timestamptz IS NULL OR sent_at >= $3) \
                      AND ($4::timestamptz IS NULL OR sent_at < $4) \
                      AND ($5::text IS NULL OR from_number = $5) \
                      AND ($6::text IS NULL OR position($6 IN to_numbers) > 0) \
                      AND ($7::text IS NULL OR user_id = $7)";

pub(super) async fn list(
    db: &Readers,
    app: AppId,
    query: &MessageQuery,
) -> StoreResult<(Vec<StoredMessage>, u64)> {
    let reads = db.of(app).read().await?;
    let direction = query.direction.map(|direction| direction.as_str());
    let (since, until) = (query.since.map(At::from), query.until.map(At::from));
    let from = query.from_number.as_deref().map(clean);
    let to = query.to_number.as_deref().map(recipient);
    let user = query.user_id.as_deref().map(clean);
    let params: [&(dyn ToSql + Sync); 7] = [&app.0, &direction, &since, &until, &from, &to, &user];
    let sql = format!(
        "SELECT count(*) AS total FROM (SELECT 1 FROM messages WHERE {WANTED} \
         LIMIT {COUNT_LIMIT}) n"
    );
    let counted = reads.query_one(&sql, &params).await?;
    let total = column_count(&counted, "total")?;
    let sql = format!(
        "SELECT connection_id, record FROM messages WHERE {WANTED} \
         ORDER BY sent_at DESC, connection_id DESC, external_id DESC LIMIT {} OFFSET {}",
        query.limit.clamp(1, 100),
        query.offset
    );
    let rows = reads.query(&sql, &params).await?;
    reads.commit().await?;
    let found = rows.iter().map(message_from_row);
    Ok((found.collect::<StoreResult<_>>()?, total))
}

/// Gives the messages that an older version stored their ids and directions. Nodes that do this
/// at once write the same.
pub(super) async fn name_unnamed(client: &Client) -> StoreResult<()> {
    loop {
        let sql = "SELECT connection_id, record, external_id FROM messages WHERE id IS NULL \
                   LIMIT 500";
        let rows = client.query(sql, &[]).await.map_err(fault)?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut keys: Vec<&str> = Vec::new();
        let (mut connections, mut ids) = (Vec::<Uuid>::new(), Vec::<Uuid>::new());
        let mut directions = Vec::new();
        let (mut from, mut to, mut users) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let stored = message_from_row(row)?;
            keys.push(column(row, "external_id")?);
            connections.push(stored.connection_id.0);
            ids.push(stored.id.0);
            directions.push(stored.message.direction.as_str());
            let filters = MessageFilters::of(&stored.message);
            from.push(filters.from_number);
            to.push(filters.to_numbers);
            users.push(filters.user_id);
        }
        let sql = "UPDATE messages m SET id = q.id, direction = q.direction, \
                   from_number = q.from_number, to_numbers = q.to_numbers, user_id = q.user_id \
                   FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], \
                   $6::text[], $7::text[]) AS q (connection_id, external_id, id, direction, \
                   from_number, to_numbers, user_id) \
                   WHERE m.connection_id = q.connection_id AND m.external_id = q.external_id";
        let params: [&(dyn ToSql + Sync); 7] =
            [&connections, &keys, &ids, &directions, &from, &to, &users];
        client.execute(sql, &params).await.map_err(fault)?;
    }
}
