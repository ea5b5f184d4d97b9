//! How far imports have come, in the reference store.

use async_trait::async_trait;
use switchhook_engine::store::{ImportStore, StoreResult};

use super::MemoryStore;

#[async_trait]
impl ImportStore for MemoryStore {
    async fn import_position(&self, source: &str, part: &str) -> StoreResult<Option<String>> {
        let place = (source.to_owned(), part.to_owned());
        Ok(self.all().imports.get(&place).cloned())
    }

    async fn put_import_position(
        &self,
        source: &str,
        part: &str,
        position: Option<&str>,
    ) -> StoreResult<()> {
        let place = (source.to_owned(), part.to_owned());
        let mut all = self.all();
        match position {
            Some(position) => drop(all.imports.insert(place, position.to_owned())),
            None => drop(all.imports.remove(&place)),
        }
        Ok(())
    }
}
