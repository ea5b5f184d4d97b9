//! The [`Store`] port on SQLite and PostgreSQL.
//!
//! [`open`] chooses by the address: `sqlite://…` or `postgres://…`. Both sides promise the same,
//! and have files of the same names, each resource in one: `calls.rs`, `contacts.rs` and so on.
//! What they share is what is not SQL: `working`, the rules of a batch of changesets.
//!
//! * **SQLite**: one writer thread commits whatever waits as one group, reader threads read, and
//!   a thread of its own moves the write-ahead log into the database.
//! * **PostgreSQL**: one or two writer tasks per node do the same in one pipelined transaction
//!   under the lock of the apps' rows; several nodes may share one database.
//!
//! No transaction is ever open while other code of the program runs. Tests of the promises are in
//! `switchhook_testkit::conformance`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchhook_engine::metrics::CommitMeter;
use switchhook_engine::store::{SCAN_LIMIT, Store, StoreError, StoreResult};

mod call_filter;
mod columns;
mod migrate;
mod postgres;
pub mod predecessor;
mod queue;
mod shares;
mod sqlite;
mod tally;
mod task_filter;
mod working;

pub use migrate::{MigrationStatus, Version};
pub use postgres::role::Role;

/// How safe a commit is when it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives the loss of power (SQLite `synchronous=FULL`).
    #[default]
    Full,
    /// It survives the death of the process; after a loss of power the last moments may be
    /// missing, never damaged (SQLite `synchronous=NORMAL`). PostgreSQL has its own setting.
    Normal,
}

/// How to open a store. The defaults suit a server.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// How safe a commit is; SQLite only.
    pub durability: Durability,
    /// Reader threads (SQLite) or pooled connections for reading (PostgreSQL).
    pub readers: usize,
    /// Writers; PostgreSQL only. Apps are spread over them.
    pub writers: usize,
    /// The most connections of this node to PostgreSQL, those of the writers and the one that
    /// listens included; at least [`MIN_CONNECTIONS`]. `None`: as many as `readers` and `writers`
    /// ask for. When a connection breaks there may be one more for a moment, to ask what became
    /// of its transaction.
    pub max_connections: Option<usize>,
    /// So many connections to PostgreSQL stay open though there is nothing to do, counted as
    /// above. Those of the writers and the listener always do.
    pub min_connections: usize,
    /// Pooled connections to PostgreSQL above that number are closed when they were not used for
    /// so long. Zero: never.
    pub idle_timeout: Duration,
    /// How many writes may wait. Whoever comes then waits for a place, at most five seconds.
    pub queue: usize,
    /// How many calls one page of a list looks at; see [`SCAN_LIMIT`].
    pub scan_limit: u32,
    /// Whether to bring the schema up to date first.
    pub migrate: bool,
    /// Where commits are counted.
    pub meter: CommitMeter,
}

/// The fewest connections to PostgreSQL a node can work with: one that writes, one that listens
/// for other nodes, and two to read, so that one app does not take all of them.
pub const MIN_CONNECTIONS: usize = 4;

impl Default for OpenOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            durability: Durability::Full,
            readers: cores.clamp(2, 4),
            writers: 2,
            max_connections: None,
            min_connections: 4,
            idle_timeout: Duration::from_secs(30),
            queue: 4096,
            scan_limit: SCAN_LIMIT,
            migrate: true,
            meter: CommitMeter::default(),
        }
    }
}

/// What an address points at.
#[derive(Clone, PartialEq, Eq)]
enum Address {
    /// A SQLite file.
    Sqlite(std::path::PathBuf),
    /// A SQLite file in a temporary folder of its own.
    SqliteTemporary,
    /// A PostgreSQL server.
    Postgres(String),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite {}", path.display()),
            Self::SqliteTemporary => f.write_str("sqlite temporary"),
            // May hold a password.
            Self::Postgres(_) => f.write_str("postgres …"),
        }
    }
}

impl Address {
    fn parse(url: &str) -> StoreResult<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return Err(StoreError::Unusable(
                "its address must begin with sqlite:// or postgres://".to_owned(),
            ));
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let path = path.split('?').next().unwrap_or(path);
        match path {
            ":memory:" => Ok(Self::SqliteTemporary),
            "" => Err(StoreError::Unusable("its address names no file".to_owned())),
            path => Ok(Self::Sqlite(path.into())),
        }
    }
}

/// Opens a store by its address and brings its schema up to date: `sqlite://relative.db`,
/// `sqlite:///absolute.db`, `sqlite::memory:` (a temporary file that goes with the store), or
/// `postgres://…`, where `sslmode=require` and better verify the server's certificate.
pub async fn open(url: &str, options: OpenOptions) -> StoreResult<Arc<dyn Store>> {
    Ok(match Address::parse(url)? {
        Address::Sqlite(path) => Arc::new(sqlite::open(path, options).await?),
        Address::SqliteTemporary => Arc::new(sqlite::open_temporary(options).await?),
        Address::Postgres(url) => Arc::new(postgres::open(&url, options).await?),
    })
}

/// Which migrations the database at this address has and lacks. Changes nothing.
pub async fn migration_status(url: &str) -> StoreResult<MigrationStatus> {
    match Address::parse(url)? {
        Address::Sqlite(path) => sqlite::migration_status(path).await,
        Address::SqliteTemporary => Ok(migrate::status(&migrate::sqlite(), Vec::new())),
        Address::Postgres(url) => postgres::migration_status(&url).await,
    }
}

/// Lets the database at this address look at what it holds, after much was written at once, so
/// that it need not do so in the middle of other work: `VACUUM (ANALYZE)` on PostgreSQL. On SQLite
/// there is nothing to do: statements name their indexes.
pub async fn look_over(url: &str) -> StoreResult<()> {
    match Address::parse(url)? {
        Address::Sqlite(_) | Address::SqliteTemporary => Ok(()),
        Address::Postgres(url) => postgres::look_over(&url).await,
    }
}

/// The database role of this address; `None` for SQLite, which has none. Changes nothing.
pub async fn role(url: &str) -> StoreResult<Option<Role>> {
    match Address::parse(url)? {
        Address::Sqlite(_) | Address::SqliteTemporary => Ok(None),
        Address::Postgres(url) => postgres::role::role(&url).await.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let file = |path: &str| Address::Sqlite(path.into());
        for (url, expected) in [
            ("sqlite://data/switchhook.db", file("data/switchhook.db")),
            (
                "sqlite:///var/lib/switchhook.db",
                file("/var/lib/switchhook.db"),
            ),
            ("sqlite:switchhook.db?mode=rwc", file("switchhook.db")),
            ("sqlite::memory:", Address::SqliteTemporary),
            ("sqlite://:memory:", Address::SqliteTemporary),
            (
                "postgresql://h/d",
                Address::Postgres("postgresql://h/d".to_owned()),
            ),
        ] {
            assert_eq!(Address::parse(url).unwrap(), expected, "{url}");
        }
        for url in ["", "mysql://h/d", "sqlite:", "sqlite://", "/var/lib/x.db"] {
            assert!(
                matches!(Address::parse(url), Err(StoreError::Unusable(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let address = Address::parse("postgres://user:secret@h/d").unwrap();
        assert!(!format!("{address:?}").contains("secret"));
    }
}
