//! Whose rows a transaction sees and writes: what row-level security goes by (migration V9).
//!
//! A scope is stated where a transaction begins and ends with it, so there is none on a connection
//! that lies in the pool, however its last user left it. What runs without a scope sees no row of
//! any app. The only session that has one throughout is a connection of one's own that is never
//! handed out, see [`EVERYWHERE_FOR_SESSION`].

use std::fmt::Write;

use switchhook_domain::id::AppId;

/// For a connection of one's own, whose whole work crosses apps: migrations, the listener.
pub(super) const EVERYWHERE_FOR_SESSION: &str = "SET switchhook.apps = '*'";

/// How a transaction begins.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Each statement sees what was committed before it.
    Write,
    /// All reads at one instant.
    Read,
}

/// The value of the setting. Only ids and `*`, so nothing in it needs quoting.
pub(super) struct Scope(String);

impl Scope {
    /// These apps and no other.
    pub(super) fn apps(apps: impl IntoIterator<Item = AppId>) -> Self {
        let mut list = String::new();
        for app in apps {
            if !list.is_empty() {
                list.push(',');
            }
            // Writing to a String does not fail.
            let _ = write!(list, "{}", app.0);
        }
        Self(list)
    }

    /// All apps.
    pub(super) fn everywhere() -> Self {
        Self("*".to_owned())
    }

    /// No app: for tables of the whole server.
    pub(super) fn no_app() -> Self {
        Self(String::new())
    }

    /// Begins a transaction and states the scope, as one command: if either fails, what follows
    /// fails too or sees nothing.
    pub(super) fn begin(&self, mode: Mode) -> String {
        let mode = match mode {
            Mode::Write => "",
            Mode::Read => " ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        format!("BEGIN{mode}; SET LOCAL switchhook.apps = '{}'", self.0)
    }
}
