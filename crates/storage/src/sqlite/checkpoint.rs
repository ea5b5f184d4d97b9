//! Moving the write-ahead log into the database, on a thread and a connection of its own, so
//! that no commit has to do it. Only when the log has grown far too long does the writer help:
//! while it does, nobody writes, and the log can start at its beginning again.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use switchhook_engine::store::StoreResult;

use super::session::{PAGE, fault, open_writer};
use crate::Durability;

/// Groups after which the thread is woken.
const EVERY: u32 = 32;
/// How long what is in the log may stay there while nothing happens.
const IDLE: Duration = Duration::from_secs(2);
/// The length of the log, in pages, at which the writer helps: 128 MiB.
const TOO_LONG: i64 = 128 * 1024 * 1024 / PAGE;

/// What the writer and the thread tell each other.
pub(super) struct Checkpoint {
    state: Mutex<State>,
    wake: Condvar,
    /// Held while the log is moved.
    moving: Mutex<()>,
    /// Pages in the log when it was last looked at.
    length: AtomicI64,
}

#[derive(Default)]
struct State {
    groups: u32,
    closed: bool,
}

impl Checkpoint {
    /// Starts the thread.
    pub(super) fn start(path: &Path, durability: Durability) -> StoreResult<Arc<Self>> {
        let conn = open_writer(path, durability)?;
        let shared = Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            moving: Mutex::default(),
            length: AtomicI64::new(0),
        });
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || own.run(&conn))
            .map_err(super::no_thread)?;
        Ok(shared)
    }

    fn run(&self, conn: &Connection) {
        loop {
            let mut state = self.lock();
            while state.groups < EVERY && !state.closed {
                let waited = self.wake.wait_timeout(state, IDLE);
                let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = next;
                if timeout.timed_out() && state.groups > 0 {
                    break;
                }
            }
            if state.closed {
                return;
            }
            state.groups = 0;
            drop(state);
            self.move_log(conn);
        }
    }

    /// One pass. What cannot be moved now, because someone reads it, is moved by the next.
    fn move_log(&self, conn: &Connection) {
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        match conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)) {
            Ok(length) => self.length.store(length, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(error = %fault(error), "the write-ahead log was not moved");
            }
        }
    }

    /// The writer has committed a group on this connection.
    pub(super) fn written(&self, conn: &Connection) {
        let mut state = self.lock();
        state.groups = state.groups.saturating_add(1);
        let due = state.groups == EVERY;
        drop(state);
        if due {
            self.wake.notify_one();
        }
        if self.length.load(Ordering::Relaxed) > TOO_LONG {
            // While this thread moves the rest nobody writes, so nothing is left to be moved,
            // and the next commit begins at the beginning of the log.
            self.move_log(conn);
            self.length.store(0, Ordering::Relaxed);
        }
    }

    /// Ends the thread and empties the log.
    pub(super) fn close(&self, conn: &Connection) {
        self.lock().closed = true;
        self.wake.notify_one();
        drop(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
