//! SQLite connections: how they are opened, the pragmas, and what their errors mean.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use switchhook_engine::store::{StoreError, StoreResult};
use uuid::Uuid;

use crate::Durability;

/// How long a statement waits for another process that holds the database.
const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection.
const STATEMENTS: usize = 128;
/// Page cache of the writer in KiB.
const WRITER_CACHE: i64 = 64 * 1024;
/// Page cache of a reader in KiB.
const READER_CACHE: i64 = 8 * 1024;
/// Steps of SQLite's machine, some 0.1 ms of them, after which a reader lets others have the core.
const GIVE_WAY_EVERY: i32 = 4_000;
/// Bytes in a page of a new file. 16 KiB is as fast under load and slower for a lone commit,
/// which then writes twice as much; rows of calls would spill out of 4 KiB.
pub(super) const PAGE: i64 = 8_192;
/// How large the write-ahead log stays on disk after it was used up, in bytes.
const LOG_KEPT: i64 = 256 * 1024 * 1024;

/// Opens the file for writing, made when it is not there, readable by its owner only.
pub(super) fn open_writer(path: &Path, durability: Durability) -> StoreResult<Connection> {
    create_private(path)?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(fault)?;
    prepare(&connection, WRITER_CACHE).map_err(fault)?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    let pragmas = || {
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "journal_size_limit", LOG_KEPT)
    };
    pragmas().map_err(fault)?;
    Ok(connection)
}

/// Turns a new file into what we want: large pages, write-ahead log. Does nothing to one that is
/// so already.
pub(super) fn found(connection: &Connection) -> StoreResult<()> {
    let setup = || -> rusqlite::Result<()> {
        // Both only take effect while the file is empty or not yet in this mode.
        connection.pragma_update(None, "page_size", PAGE)?;
        connection.pragma_update(None, "auto_vacuum", "NONE")?;
        let mode: String = connection.pragma_query_value(None, "journal_mode", |r| r.get(0))?;
        if mode != "wal" {
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        }
        Ok(())
    };
    // Another process that starts at the same moment holds the file for an instant, and the
    // change of mode does not wait by itself.
    for _ in 0..500 {
        match setup() {
            Err(error) if is_busy(&error) => std::thread::sleep(Duration::from_millis(20)),
            other => return other.map_err(fault),
        }
    }
    setup().map_err(fault)
}

/// Opens the file for reading only.
pub(super) fn open_reader(path: &Path) -> StoreResult<Connection> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(fault)?;
    prepare(&connection, READER_CACHE).map_err(fault)?;
    // A list that no index serves computes for milliseconds. Whoever waits for this core meanwhile
    // would wait for the end of its slice.
    let give_way = || {
        std::thread::yield_now();
        false
    };
    let given = connection.progress_handler(GIVE_WAY_EVERY, Some(give_way));
    given.map_err(fault)?;
    Ok(connection)
}

fn prepare(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Statements are prepared once: without this, statements that look at partial indexes would
    // be planned anew for every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -cache_kib)
}

/// Makes the file, and the folder it lies in, before SQLite does, so that nobody else may read
/// it. The log files beside it take over its permissions.
fn create_private(path: &Path) -> StoreResult<()> {
    let problem = |error: std::io::Error| {
        StoreError::Unavailable(format!("cannot make {}: {}", path.display(), error.kind()))
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(problem)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(problem)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// What an error of SQLite means to the caller. Never quotes data.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn fault(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    match &error {
        E::SqliteFailure(cause, _) => {
            let text = rusqlite::ffi::code_to_str(cause.extended_code);
            match cause.code {
                ErrorCode::ConstraintViolation => StoreError::Conflict("row"),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig => {
                    StoreError::Damaged(text.to_owned())
                }
                _ => StoreError::Unavailable(text.to_owned()),
            }
        }
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::Utf8Error(..)
        | E::InvalidColumnType(..) => StoreError::Damaged("a column has another type".to_owned()),
        _ => StoreError::Unavailable("SQLite refused a statement".to_owned()),
    }
}

/// [`fault`], where a broken uniqueness means that this exists already.
pub(super) fn conflict(what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| match fault(error) {
        StoreError::Conflict(_) => StoreError::Conflict(what),
        other => other,
    }
}

/// A UUID as a column.
pub(super) fn blob(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

/// A UUID from a column.
pub(super) fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    row.get(index).map(Uuid::from_bytes)
}

/// A UUID from a column that may be empty.
pub(super) fn uuid_opt(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(row.get::<_, Option<[u8; 16]>>(index)?.map(Uuid::from_bytes))
}

/// Borrows a text column.
pub(super) fn text<'r>(row: &'r Row<'_>, index: usize) -> rusqlite::Result<&'r str> {
    let value = row.get_ref(index)?;
    value.as_str().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

/// The only row, if there is one.
pub(super) fn optional<T>(result: rusqlite::Result<T>) -> StoreResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

/// A value of a pragma or a single-row statement.
pub(super) fn single<T: FromSql>(connection: &Connection, sql: &str) -> StoreResult<T> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.query_row([], |row| row.get(0)).map_err(fault)
}
