//! How far imports have come.

use async_trait::async_trait;
use rusqlite::params;
use switchhook_engine::store::{ImportStore, StoreResult};

use super::SqliteStore;
use super::session::{fault, optional};

#[async_trait]
impl ImportStore for SqliteStore {
    async fn import_position(&self, source: &str, part: &str) -> StoreResult<Option<String>> {
        let place = [source.to_owned(), part.to_owned()];
        self.read(move |conn| {
            let sql = "SELECT position FROM imports WHERE source = ?1 AND part = ?2";
            let mut statement = conn.prepare_cached(sql).map_err(fault)?;
            optional(statement.query_row(place, |row| row.get(0)))
        })
        .await
    }

    async fn put_import_position(
        &self,
        source: &str,
        part: &str,
        position: Option<&str>,
    ) -> StoreResult<()> {
        let (source, part) = (source.to_owned(), part.to_owned());
        let position = position.map(str::to_owned);
        self.write(move |conn| {
            let done = match &position {
                Some(position) => conn
                    .prepare_cached(
                        "INSERT INTO imports (source, part, position) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (source, part) DO UPDATE SET position = excluded.position",
                    )
                    .and_then(|mut put| put.execute(params![source, part, position])),
                None => conn
                    .prepare_cached("DELETE FROM imports WHERE source = ?1 AND part = ?2")
                    .and_then(|mut gone| gone.execute(params![source, part])),
            };
            done.map(drop).map_err(fault)
        })
        .await
    }
}
