//! What the database stands on: on PostgreSQL the role, and whether row-level security holds for
//! it; on SQLite the file, and whether other users of the machine can get at it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use switchhook_storage::Role;

use super::{Finding, finding};
use crate::config::Config;
use crate::wire::{key_file, sqlite_path};

/// Permissions of others: to read, to write, and to go through a folder.
const READ: u32 = 0o004;
const WRITE: u32 = 0o002;
const THROUGH: u32 = 0o001;
/// In a folder with this bit only the owner of a file may replace it.
const STICKY: u32 = 0o1000;

/// Whether the database file was there before anything opened it; true where there is none to be.
pub(super) fn is_there(config: &Config) -> bool {
    sqlite_path(config.database_url.expose()).is_none_or(Path::exists)
}

/// Everything there is to say of it.
pub(super) async fn look(config: &Config, was_there: bool) -> Vec<Finding> {
    let url = config.database_url.expose();
    match switchhook_storage::role(url).await {
        Ok(Some(role)) => vec![of_role(&role)],
        Ok(None) => match sqlite_path(url) {
            Some(path) => of_file(path, key_file(url), was_there),
            None => vec![finding(
                "database file",
                false,
                "is temporary: everything is gone when the server stops; set database.url",
            )],
        },
        Err(error) => vec![finding("database role", false, error.to_string())],
    }
}

fn of_role(role: &Role) -> Finding {
    let name = &role.name;
    let read = "(docs/guide/operating.md, The database role)";
    let (good, says) = if role.is_superuser {
        let says = format!(
            "connects as {name}, a superuser, for whom row-level security does not hold: give \
             Switchhook an ordinary role that owns its database {read}"
        );
        (false, says)
    } else if role.bypasses {
        let says = format!(
            "connects as {name}, which has BYPASSRLS, so that row-level security does not hold: \
             ALTER ROLE \"{name}\" NOBYPASSRLS {read}"
        );
        (false, says)
    } else if role.open_tables.is_empty() {
        let says = format!(
            "connects as {name}, an ordinary role; row-level security holds for it on every table \
             with rows of apps"
        );
        (true, says)
    } else {
        let says = format!(
            "connects as {name}, and row-level security does not hold on {}: ALTER TABLE each of \
             them ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY {read}",
            role.open_tables.join(", ")
        );
        (false, says)
    };
    finding("database role", good, says)
}

fn of_file(path: &Path, key: Option<PathBuf>, was_there: bool) -> Vec<Finding> {
    let shown = path.display();
    if !was_there {
        let says = format!(
            "{shown} was not there and has been made just now; if there should be one, \
             database.url names another folder (it counts from where the program is started)"
        );
        return vec![finding("database file", false, says)];
    }
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let files = [path.to_owned(), beside("-wal"), beside("-shm")];
    let open = files.into_iter().chain(key).filter(|file| is_open(file));
    let open: Vec<_> = open.map(|file| file.display().to_string()).collect();
    let mut faults = Vec::new();
    if !open.is_empty() {
        faults.push(format!(
            "every user of this machine can read or write {}: chmod o-rwx {}",
            open.join(", "),
            open.join(" ")
        ));
    }
    faults.extend(path.parent().and_then(fault_of_folder));
    if faults.is_empty() {
        let says = format!("{shown} is there and out of reach for other users of the machine");
        return vec![finding("database file", true, says)];
    }
    let faults = faults.into_iter();
    faults
        .map(|says| finding("database file", false, says))
        .collect()
}

/// Whether others may read or write a file, and can get to it.
fn is_open(file: &Path) -> bool {
    let about = fs::metadata(file);
    about.is_ok_and(|about| about.mode() & (READ | WRITE) > 0) && is_reachable(file)
}

/// A folder in which others may put another file in the place of ours.
fn fault_of_folder(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    });
    let folder = folder.ok()?;
    let mode = fs::metadata(&folder).ok()?.mode();
    let open = mode & WRITE > 0 && mode & STICKY == 0 && is_reachable(&folder);
    let shown = folder.display();
    open.then(|| {
        format!("every user of this machine can replace what is in {shown}: chmod o-w {shown}")
    })
}

/// Whether others can go through every folder above.
fn is_reachable(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else {
        return true;
    };
    let mut above = path.ancestors().skip(1);
    above.all(|folder| fs::metadata(folder).is_ok_and(|about| about.mode() & THROUGH > 0))
}
