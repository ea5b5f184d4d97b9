//! Migrations: embedded SQL files, the same numbers and names on both sides, run at start under
//! a lock, so that two processes that start together do not run them twice. A database that
//! knows a migration we do not know is left alone.

use refinery::Migration;
use switchhook_engine::store::{StoreError, StoreResult};

mod sqlite_files {
    refinery::embed_migrations!("../../migrations/sqlite");
}

mod postgres_files {
    refinery::embed_migrations!("../../migrations/postgres");
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Its number.
    pub number: i32,
    /// Its name.
    pub name: String,
}

/// Which migrations a database has and lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Known and applied.
    pub applied: Vec<Version>,
    /// Known and not applied yet.
    pub pending: Vec<Version>,
    /// Applied but not known: made by a newer version of Switchhook.
    pub unknown: Vec<Version>,
}

impl MigrationStatus {
    /// Refuses a database of the future.
    fn check(self) -> StoreResult<Self> {
        match self.unknown.first() {
            None => Ok(self),
            Some(Version { number, name }) => Err(StoreError::Unusable(format!(
                "it was made by a newer version of Switchhook (migration {number} {name} is not \
                 known to this one); start the newer version, or restore a backup"
            ))),
        }
    }
}

/// The migrations for SQLite.
pub(crate) fn sqlite() -> Vec<Version> {
    versions(sqlite_files::migrations::runner().get_migrations())
}

/// The migrations for PostgreSQL.
pub(crate) fn postgres() -> Vec<Version> {
    versions(postgres_files::migrations::runner().get_migrations())
}

fn versions(migrations: &[Migration]) -> Vec<Version> {
    let mut versions: Vec<Version> = migrations
        .iter()
        .map(|m| Version {
            number: m.version(),
            name: m.name().to_owned(),
        })
        .collect();
    versions.sort();
    versions
}

/// Compares what we know with what the database says.
pub(crate) fn status(known: &[Version], applied: Vec<Version>) -> MigrationStatus {
    let pending = known
        .iter()
        .filter(|v| !applied.contains(v))
        .cloned()
        .collect();
    let (applied, unknown) = applied
        .into_iter()
        .partition(|version| known.contains(version));
    MigrationStatus {
        applied,
        pending,
        unknown,
    }
}

/// What has been applied to a SQLite database.
pub(crate) fn sqlite_applied(conn: &rusqlite::Connection) -> StoreResult<Vec<Version>> {
    let exists = "SELECT count(*) FROM sqlite_master WHERE name = 'refinery_schema_history'";
    let exists: i64 = conn
        .query_row(exists, [], |row| row.get(0))
        .map_err(sqlite_fault)?;
    if exists == 0 {
        return Ok(Vec::new());
    }
    let mut statement = conn
        .prepare("SELECT version, name FROM refinery_schema_history ORDER BY version")
        .map_err(sqlite_fault)?;
    let rows = statement
        .query_map([], |row| {
            Ok(Version {
                number: row.get(0)?,
                name: row.get(1)?,
            })
        })
        .map_err(sqlite_fault)?;
    rows.collect::<rusqlite::Result<_>>().map_err(sqlite_fault)
}

/// Brings a SQLite database up to date, all of it in one transaction: of two processes that start
/// together one waits, and then finds it done.
pub(crate) fn run_sqlite(conn: &mut rusqlite::Connection) -> StoreResult<()> {
    let known = sqlite();
    if status(&known, sqlite_applied(conn)?)
        .check()?
        .pending
        .is_empty()
    {
        return Ok(());
    }
    let transaction = conn
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(sqlite_fault)?;
    let pending = status(&known, sqlite_applied(&transaction)?)
        .check()?
        .pending;
    // The history as refinery keeps it.
    transaction.execute_batch(HISTORY).map_err(sqlite_fault)?;
    let runner = sqlite_files::migrations::runner();
    let mut migrations: Vec<&Migration> = runner.get_migrations().iter().collect();
    migrations.sort();
    for migration in migrations {
        if !pending
            .iter()
            .any(|version| version.number == migration.version())
        {
            continue;
        }
        transaction
            .execute_batch(migration.sql().unwrap_or_default())
            .map_err(sqlite_fault)?;
        let record = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                      VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?3)";
        let checksum = migration.checksum().to_string();
        transaction
            .execute(
                record,
                rusqlite::params![migration.version(), migration.name(), checksum],
            )
            .map_err(sqlite_fault)?;
    }
    transaction.commit().map_err(sqlite_fault)
}

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS refinery_schema_history (\
    version INTEGER PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), \
    checksum VARCHAR(255))";

/// Brings a PostgreSQL database up to date. The lock goes with the connection at the latest.
pub(crate) async fn run_postgres(client: &mut tokio_postgres::Client) -> StoreResult<()> {
    let known = postgres();
    if status(&known, postgres_applied(client).await?)
        .check()?
        .pending
        .is_empty()
    {
        return Ok(());
    }
    client
        .batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))
        .await
        .map_err(postgres_fault)?;
    let done = run_postgres_locked(client, &known).await;
    client
        .batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})"))
        .await
        .map_err(postgres_fault)?;
    done
}

/// The number of the advisory lock: "swhook" in ASCII.
const LOCK: i64 = 0x7377_686f_6f6b;

async fn run_postgres_locked(
    client: &mut tokio_postgres::Client,
    known: &[Version],
) -> StoreResult<()> {
    if status(known, postgres_applied(client).await?)
        .check()?
        .pending
        .is_empty()
    {
        return Ok(());
    }
    let runner = postgres_files::migrations::runner().set_grouped(true);
    runner
        .run_async(client)
        .await
        .map(drop)
        .map_err(|error| refused(&error))
}

/// What has been applied to a PostgreSQL database.
pub(crate) async fn postgres_applied(client: &tokio_postgres::Client) -> StoreResult<Vec<Version>> {
    let exists = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    let exists: bool = client
        .query_one(exists, &[])
        .await
        .map_err(postgres_fault)?
        .get(0);
    if !exists {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, name FROM refinery_schema_history ORDER BY version";
    let rows = client.query(sql, &[]).await.map_err(postgres_fault)?;
    Ok(rows
        .iter()
        .map(|row| Version {
            number: row.get(0),
            name: row.get(1),
        })
        .collect())
}

fn refused(error: &refinery::Error) -> StoreError {
    StoreError::Unusable(format!(
        "its schema could not be brought up to date: {error}"
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn sqlite_fault(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Unusable("the file is no SQLite database".to_owned())
        }
        _ => StoreError::Unavailable(format!("its schema could not be read: {error}")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn postgres_fault(error: tokio_postgres::Error) -> StoreError {
    StoreError::Unavailable(format!("its schema could not be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_migrations() {
        assert_eq!(sqlite(), postgres());
        assert!(!sqlite().is_empty());
        let numbers: Vec<i32> = sqlite().iter().map(|version| version.number).collect();
        assert_eq!(numbers.first(), Some(&1));
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "each number once: {numbers:?}"
        );
    }

    #[test]
    fn the_future_is_refused() {
        let future = Version {
            number: 9_999,
            name: "flying_cars".to_owned(),
        };
        let mut applied = sqlite();
        applied.push(future.clone());
        let status = status(&sqlite(), applied);
        assert_eq!(status.unknown, [future]);
        let error = status.check().unwrap_err().to_string();
        assert!(
            error.contains("newer version") && error.contains("flying_cars"),
            "{error}"
        );
    }
}
