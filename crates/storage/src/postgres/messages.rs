//! Text messages.

use switchhook_domain::id::AppId;
use switchhook_engine::store::{COUNT_LIMIT, MessageQuery, StoreResult};

use super::reader::{Readers, at_once};
use super::session::{column, column_count, fault};

pub(super) async fn list(
    db: &Readers,
    app: AppId,
    query: &MessageQuery,
) -> StoreResult<(Vec<String>, u64)> {
    let mut client = db.get().await?;
    let reads = at_once(&mut client).await?;
    let sql = format!(
        "SELECT count(*) AS total FROM (SELECT 1 FROM messages WHERE app_id = $1 \
         LIMIT {COUNT_LIMIT}) n"
    );
    let counted = reads.query_one(&sql, &[&app.0]).await.map_err(fault)?;
    let total = column_count(&counted, "total")?;
    let sql = format!(
        "SELECT record FROM messages WHERE app_id = $1 \
         ORDER BY sent_at DESC, connection_id DESC, external_id DESC LIMIT {} OFFSET {}",
        query.limit.clamp(1, 100),
        query.offset
    );
    let rows = reads.query(&sql, &[&app.0]).await.map_err(fault)?;
    reads.commit().await.map_err(fault)?;
    let records = rows.iter().map(|row| column(row, "record"));
    Ok((records.collect::<StoreResult<_>>()?, total))
}
