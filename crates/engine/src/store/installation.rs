//! What the installation as a whole keeps: its own keys, and every sealed text of every table as
//! it is stored, so that all can be sealed anew. What is in a sealed text is not known here.

use async_trait::async_trait;
use switchhook_domain::id::{AppId, ConnectionId};

use super::StoreResult;

/// A table that holds sealed texts. A new one is added here, and every store then has to name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealedTable {
    /// The installation's own keys.
    InstallationKeys,
    /// Credentials and webhook secrets of connections.
    Connections,
    /// Tokens of sign-ins at platforms.
    OauthTokens,
    /// Sign-ins that have begun.
    OauthStarts,
}

impl SealedTable {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::InstallationKeys,
        Self::Connections,
        Self::OauthTokens,
        Self::OauthStarts,
    ];

    /// The table's name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstallationKeys => "installation_keys",
            Self::Connections => "connections",
            Self::OauthTokens => "oauth_tokens",
            Self::OauthStarts => "oauth_starts",
        }
    }
}

/// The sealed texts of one row, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// The table.
    pub table: SealedTable,
    /// The row's primary key: pages go by it. A name in UTF-8, an id or a hash.
    pub key: Vec<u8>,
    /// Whose it is; `None` for the installation's.
    pub owner: Option<(AppId, ConnectionId)>,
    /// The sealed column. Of a connection: its credentials, a JSON object of sealed texts.
    pub sealed: String,
    /// Of a connection: its webhook secrets, a JSON list of sealed texts. Empty elsewhere.
    pub more: String,
}

/// What the installation as a whole keeps.
#[async_trait]
pub trait InstallationStore: Send + Sync {
    /// The sealed key of that name.
    async fn installation_key(&self, name: &str) -> StoreResult<Option<String>>;

    /// Keeps a sealed key unless there is one of that name. Returns the one that is there then, so
    /// that of several nodes that start at once all go on with the same.
    async fn keep_installation_key(&self, name: &str, sealed: &str) -> StoreResult<String>;

    /// The rows of a table after the one with that key, in the order of the keys.
    async fn sealed_after(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> StoreResult<Vec<SealedRow>>;

    /// Puts other sealed texts in place of those of `before`; false, and nothing done, when the
    /// row holds something else by now.
    async fn reseal(&self, before: &SealedRow, sealed: &str, more: &str) -> StoreResult<bool>;
}
