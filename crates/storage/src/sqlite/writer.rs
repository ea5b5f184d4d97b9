//! The writer: the only thread that changes the database. It takes everything that waits,
//! commits it as one group, and only then answers. It never waits to collect more: while one
//! group is being made durable the next one gathers by itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use switchhook_domain::event::Event;
use switchhook_domain::id::AppId;
use switchhook_engine::metrics::CommitMeter;
use switchhook_engine::store::{Committed, StoreError, StoreResult, Wake};
use tokio::sync::{broadcast, oneshot};

use super::checkpoint::Checkpoint;
use super::flush::flush;
use super::load::{OwnDirectory, load};
use super::session::{fault, single};
use crate::queue::{MAX_WAIT, Queue};
use crate::shares::EACH;
use crate::tally::Tally;
use crate::working::{Work, WorkingSet};

/// The most jobs in one group.
const GROUP: usize = 256;
/// The most bytes of raw notifications in one group, roughly.
const GROUP_BYTES: usize = 16 * 1024 * 1024;
/// Calls kept in memory between groups.
const KEPT_CALLS: usize = 20_000;

/// Something for the writer to do.
pub(super) enum Job {
    /// A changeset.
    Commit(Commit),
    /// Anything else that writes.
    Write(Box<dyn Write>),
}

/// A changeset, and who waits for it.
pub(super) struct Commit {
    pub(super) work: Arc<Work>,
    pub(super) reply: oneshot::Sender<StoreResult<Committed>>,
    pub(super) since: Instant,
    /// What came of it in the group being made.
    pub(super) outcome: StoreResult<Vec<Arc<Event>>>,
}

/// A write of any other kind. It may be tried again when its group could not be committed.
pub(super) trait Write: Send {
    /// Does it and keeps the result. An error means that its own changes must go.
    fn run(&mut self, conn: &Connection) -> Result<(), ()>;
    /// Answers: with the result, or with what happened to the group.
    fn answer(self: Box<Self>, failed: Option<StoreError>);
}

/// A [`Write`] made of a function.
pub(super) struct Task<T, F> {
    run: F,
    result: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T, F> Task<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> StoreResult<T> + Send,
{
    pub(super) fn new(run: F) -> (Self, oneshot::Receiver<StoreResult<T>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                run,
                result: None,
                reply,
            },
            answer,
        )
    }
}

impl<T, F> Write for Task<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> StoreResult<T> + Send,
{
    fn run(&mut self, conn: &Connection) -> Result<(), ()> {
        let result = (self.run)(conn);
        let ok = result.is_ok();
        self.result = Some(result);
        ok.then_some(()).ok_or(())
    }

    fn answer(self: Box<Self>, failed: Option<StoreError>) {
        let result = match (failed, self.result) {
            (None, Some(result)) | (Some(_), Some(result @ Err(_))) => result,
            (Some(error), _) => Err(error),
            (None, None) => Err(StoreError::Unavailable("the write was not done".to_owned())),
        };
        // Whoever asked may have gone.
        drop(self.reply.send(result));
    }
}

/// The writer's own things.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) queue: Arc<Queue<Job>>,
    pub(super) wakes: broadcast::Sender<Wake>,
    pub(super) checkpoint: Arc<Checkpoint>,
    pub(super) set: WorkingSet,
    /// Changes when another process has written.
    pub(super) version: i64,
    /// Counts one while a group is made.
    pub(super) busy: Arc<Tally>,
    pub(super) meter: CommitMeter,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        // Should this thread die, whoever waits must not wait for ever.
        let _guard = Abandon(Arc::clone(&self.queue));
        let busy = Arc::clone(&self.busy);
        while let Some(jobs) = self.queue.take(GROUP, EACH, GROUP_BYTES, Job::weight) {
            let _busy = busy.one();
            let jobs = refuse_old(jobs);
            if !jobs.is_empty() {
                self.group(jobs);
            }
            self.checkpoint.written(&self.conn);
        }
        self.checkpoint.close(&self.conn);
    }

    /// Commits the jobs together, or one by one when something about them is wrong.
    fn group(&mut self, mut jobs: Vec<Job>) {
        let started = Instant::now();
        match self.attempt(&mut jobs) {
            Ok(()) => {
                self.meter.committed(jobs.len(), started.elapsed());
                self.answer(jobs);
            }
            Err(StoreError::Unavailable(why)) => {
                tracing::warn!(error = %why, jobs = jobs.len(), "a group of writes was not stored");
                refuse(jobs, &StoreError::Unavailable(why));
            }
            Err(error) if jobs.len() == 1 => refuse(jobs, &error),
            Err(_) => {
                for job in jobs {
                    self.group(vec![job]);
                }
            }
        }
    }

    /// One transaction. On an error nothing of it remains, in memory or on disk.
    fn attempt(&mut self, jobs: &mut [Job]) -> StoreResult<()> {
        let done = self.transact(jobs);
        if done.is_err() {
            if !self.conn.is_autocommit() {
                drop(self.conn.execute_batch("ROLLBACK"));
            }
            self.set.clear();
        } else {
            self.set.trim(KEPT_CALLS);
        }
        done
    }

    fn transact(&mut self, jobs: &mut [Job]) -> StoreResult<()> {
        run(&self.conn, "BEGIN IMMEDIATE")?;
        let version = single(&self.conn, "PRAGMA data_version")?;
        if version != self.version {
            self.version = version;
            self.set.clear();
        }
        for job in jobs {
            match job {
                Job::Commit(commit) => commit.outcome = self.change(&commit.work)?,
                Job::Write(write) => self.write(write.as_mut())?,
            }
        }
        flush(&self.conn, &mut self.set)?;
        run(&self.conn, "COMMIT")
    }

    /// Takes one changeset in. The outer error is the database's, the inner one its own.
    fn change(&mut self, work: &Arc<Work>) -> StoreResult<StoreResult<Vec<Arc<Event>>>> {
        if work.needs.open_calls {
            flush(&self.conn, &mut self.set)?;
        }
        match load(&self.conn, &mut self.set, work) {
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => return Ok(Err(error)),
            Ok(()) => {}
        }
        let directory = OwnDirectory {
            conn: &self.conn,
            app: work.changeset.app_id,
            error: RefCell::default(),
        };
        let outcome = match self.set.fold(work, &directory) {
            Err(error) => return Ok(Err(error)),
            Ok(outcome) => outcome,
        };
        match directory.error.into_inner() {
            Some(error @ StoreError::Unavailable(_)) => Err(error),
            Some(error) => Ok(Err(error)),
            None => Ok(Ok(self.set.absorb(work, outcome))),
        }
    }

    fn write(&mut self, write: &mut dyn Write) -> StoreResult<()> {
        flush(&self.conn, &mut self.set)?;
        run(&self.conn, "SAVEPOINT job")?;
        if write.run(&self.conn).is_err() {
            run(&self.conn, "ROLLBACK TO job")?;
        }
        // It may have made or deleted what the set believes.
        self.set.connections.clear();
        self.set.heads.clear();
        run(&self.conn, "RELEASE job")
    }

    /// Wakes the readers of the log, then answers.
    fn answer(&self, jobs: Vec<Job>) {
        let mut logs: BTreeMap<AppId, Vec<Arc<Event>>> = BTreeMap::new();
        for job in &jobs {
            if let Job::Commit(Commit {
                outcome: Ok(events),
                work,
                ..
            }) = job
                && !events.is_empty()
            {
                logs.entry(work.changeset.app_id)
                    .or_default()
                    .extend(events.iter().cloned());
            }
        }
        for (app_id, events) in logs {
            let head = events.last().map_or(0, |event| event.seq);
            // Nobody may be listening.
            drop(self.wakes.send(Wake {
                app_id,
                head,
                events,
            }));
        }
        for job in jobs {
            match job {
                Job::Commit(commit) => {
                    drop(
                        commit
                            .reply
                            .send(commit.outcome.map(|events| Committed { events })),
                    );
                }
                Job::Write(write) => write.answer(None),
            }
        }
    }
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Self::Commit(commit) => commit.work.weight(),
            Self::Write(_) => 1024,
        }
    }
}

fn run(conn: &Connection, sql: &str) -> StoreResult<()> {
    let mut statement = conn.prepare_cached(sql).map_err(fault)?;
    statement.execute([]).map(drop).map_err(fault)
}

/// Answers the changesets that have waited too long: their senders have given up or will.
fn refuse_old(jobs: Vec<Job>) -> Vec<Job> {
    let fresh = |job: &Job| match job {
        Job::Commit(commit) => commit.since.elapsed() < MAX_WAIT + Duration::from_millis(500),
        Job::Write(_) => true,
    };
    if jobs.iter().all(fresh) {
        return jobs;
    }
    let (fresh, old) = jobs.into_iter().partition(fresh);
    refuse(
        old,
        &StoreError::Unavailable("the database was too slow".to_owned()),
    );
    fresh
}

fn refuse(jobs: Vec<Job>, error: &StoreError) {
    for job in jobs {
        match job {
            Job::Commit(commit) => drop(commit.reply.send(Err(error.clone()))),
            Job::Write(write) => write.answer(Some(error.clone())),
        }
    }
}

struct Abandon(Arc<Queue<Job>>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
