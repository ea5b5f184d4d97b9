//! How far an import has come, so that one that was interrupted goes on where it stopped. What is
//! imported goes the same ways as everything else.

use async_trait::async_trait;

use super::StoreResult;

/// Positions of imports. They belong to no app: an import brings its own.
#[async_trait]
pub trait ImportStore: Send + Sync {
    /// Up to where a part of a source has been taken over; `None` before the first piece.
    async fn import_position(&self, source: &str, part: &str) -> StoreResult<Option<String>>;

    /// Notes how far it has come; `None` forgets it, so that the next run begins anew.
    async fn put_import_position(
        &self,
        source: &str,
        part: &str,
        position: Option<&str>,
    ) -> StoreResult<()>;
}
