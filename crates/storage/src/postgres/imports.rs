//! How far imports have come.

use async_trait::async_trait;
use switchhook_engine::store::{ImportStore, StoreResult};

use super::PostgresStore;
use super::session::column;

#[async_trait]
impl ImportStore for PostgresStore {
    async fn import_position(&self, source: &str, part: &str) -> StoreResult<Option<String>> {
        let sql = "SELECT position FROM imports WHERE source = $1 AND part = $2";
        let row = self.readers.no_app().one(sql, &[&source, &part]).await?;
        row.map(|row| column(&row, "position")).transpose()
    }

    async fn put_import_position(
        &self,
        source: &str,
        part: &str,
        position: Option<&str>,
    ) -> StoreResult<()> {
        let done = match position {
            Some(position) => {
                let sql = "INSERT INTO imports (source, part, position) VALUES ($1, $2, $3) \
                           ON CONFLICT (source, part) DO UPDATE SET position = excluded.position";
                self.readers
                    .no_app()
                    .execute(sql, &[&source, &part, &position])
                    .await
            }
            None => {
                let sql = "DELETE FROM imports WHERE source = $1 AND part = $2";
                self.readers.no_app().execute(sql, &[&source, &part]).await
            }
        };
        done.map(drop)
    }
}
