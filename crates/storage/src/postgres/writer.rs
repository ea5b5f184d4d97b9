//! A writer: commits whatever waits for its apps in one transaction, and only then answers.
//!
//! A batch takes two round trips: one to lock the apps and load, one to write and commit. It is
//! tried again whole when the database says so or goes away. When the connection breaks between
//! sending `COMMIT` and hearing of it, PostgreSQL is asked what became of the transaction, so
//! that nothing happens twice.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{maybe_done, poll_fn, try_join_all};
use switchhook_domain::event::Event;
use switchhook_domain::id::AppId;
use switchhook_engine::metrics::CommitMeter;
use switchhook_engine::store::{Committed, StoreError, StoreLoad, StoreResult, Wake};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::flush::{self, flush_and_commit};
use super::load::{self, Contacts, Fetched};
use super::session::{Target, fault, in_time};
use crate::queue::MAX_WAIT;
use crate::shares::{EACH, Lanes};
use crate::working::{Work, WorkingSet};

/// The most changesets in one batch.
const BATCH: usize = 256;
/// The most changesets taken out of the queue and put in order by app.
const WAITING: usize = 2048;
/// The most bytes of raw notifications in one batch, roughly.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// How long one round trip of a batch may take.
const ATTEMPT: Duration = Duration::from_secs(8);
/// How long PostgreSQL is asked what became of a transaction. Longer than a changeset may wait:
/// what is still not known then is answered as an error and not tried again.
const RESOLVE: Duration = Duration::from_secs(10);
/// Changesets folded before other tasks of the program have their turn.
const STRIDE: usize = 32;

/// The number of the transaction, by which its fate can be asked.
pub(super) const XID: &str = "SELECT pg_current_xact_id()::text AS xid";

/// Every statement of a batch finds its rows by key. Left alone, a plan made while a new database
/// is empty reads whole tables, and is kept until they are analysed for the first time.
pub(super) const PLANS: &str =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// A changeset, and who waits for it.
pub(super) struct Job {
    pub(super) work: Arc<Work>,
    pub(super) reply: oneshot::Sender<StoreResult<Committed>>,
    pub(super) since: Instant,
}

type Outcome = StoreResult<Vec<Arc<Event>>>;

/// A connection of the writer's own, with all its statements prepared.
pub(super) struct Session {
    client: Client,
    statements: HashMap<String, Statement>,
    /// The number of its process on the server.
    pid: i32,
}

impl Session {
    pub(super) async fn connect(target: &Target) -> StoreResult<Self> {
        let client = target.connect().await?;
        // A node that hangs must not hold the lock of an app for ever.
        let settings = "SET lock_timeout = '6s'; SET statement_timeout = '30s'; \
                        SET idle_in_transaction_session_timeout = '10s'; \
                        SET default_transaction_isolation = 'read committed'";
        client.batch_execute(settings).await.map_err(fault)?;
        client.batch_execute(PLANS).await.map_err(fault)?;
        let row = client
            .query_one("SELECT pg_backend_pid() AS pid", &[])
            .await
            .map_err(fault)?;
        let pid = super::session::column(&row, "pid")?;
        let mut texts = load::statements();
        texts.extend(flush::statements());
        texts.push(XID.to_owned());
        let prepared = texts.into_iter().map(|text| async {
            let statement = client.prepare(&text).await.map_err(fault)?;
            Ok::<_, StoreError>((text, statement))
        });
        let statements = try_join_all(prepared).await?.into_iter().collect();
        Ok(Self {
            client,
            statements,
            pid,
        })
    }

    /// Sends the steps one behind the other without waiting, and gives their rows, or the first
    /// error: the first that failed is the reason why the later ones did. A step that cannot
    /// even be sent stops those behind it, a `COMMIT` above all.
    pub(super) async fn pipeline(&self, steps: &[Step<'_>]) -> StoreResult<Vec<Vec<Row>>> {
        let mut sent: Vec<_> = steps
            .iter()
            .map(|step| Box::pin(maybe_done(self.send(step))))
            .collect();
        // A step is sent when it is first polled; the server has not answered by then.
        for step in &mut sent {
            poll_fn(|context| {
                let _ = step.poll_unpin(context);
                Poll::Ready(())
            })
            .await;
            if let Some(Err(error)) = step.as_mut().output_mut() {
                return Err(error.clone());
            }
        }
        let mut found = Vec::with_capacity(sent.len());
        for step in &mut sent {
            step.as_mut().await;
            found.push(
                step.as_mut()
                    .take_output()
                    .unwrap_or_else(|| Ok(Vec::new()))?,
            );
        }
        Ok(found)
    }

    async fn send(&self, step: &Step<'_>) -> StoreResult<Vec<Row>> {
        match step {
            Step::Run(sql) => self.client.batch_execute(sql).await.map(|()| Vec::new()),
            Step::Skip => return Ok(Vec::new()),
            Step::Query(sql, params) => {
                let statement = self.statements.get(*sql).ok_or_else(|| {
                    StoreError::Unavailable("a statement was not prepared".to_owned())
                })?;
                self.client.query(statement, params).await
            }
        }
        .map_err(fault)
    }
}

/// A step of a pipeline.
pub(super) enum Step<'a> {
    /// A command.
    Run(&'a str),
    /// One of the prepared statements.
    Query(&'a str, Vec<&'a (dyn ToSql + Sync)>),
    /// Nothing, in the place of a statement that is not needed.
    Skip,
}

impl<'a> Step<'a> {
    /// A statement, if it is wanted.
    pub(super) fn when<const N: usize>(
        wanted: bool,
        sql: &'a str,
        params: [&'a (dyn ToSql + Sync); N],
    ) -> Self {
        if wanted {
            Self::Query(sql, params.to_vec())
        } else {
            Self::Skip
        }
    }
}

/// The writer's own things.
pub(super) struct Writer {
    pub(super) target: Target,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) wakes: broadcast::Sender<Wake>,
    /// The name of this node in notifications.
    pub(super) node: Arc<str>,
    pub(super) session: Option<Session>,
    pub(super) desk: Arc<Desk>,
    pub(super) meter: CommitMeter,
}

/// What can be seen of a writer from outside.
#[derive(Debug, Default)]
pub(super) struct Desk {
    open: AtomicBool,
    busy: AtomicBool,
}

impl Desk {
    /// Adds the writer's connection, if it has one.
    pub(super) fn count(&self, load: &mut StoreLoad) {
        if self.busy.load(Ordering::Relaxed) {
            load.active += 1;
        } else if self.open.load(Ordering::Relaxed) {
            load.idle += 1;
        }
    }
}

impl Writer {
    /// Works until the store is closed and what was handed over is done.
    pub(super) async fn run(mut self) {
        let mut waiting = Lanes::default();
        loop {
            while waiting.is_empty() {
                tokio::select! {
                    biased;
                    job = self.jobs.recv() => match job {
                        Some(job) => waiting.push(Some(job.work.changeset.app_id), job),
                        None => return,
                    },
                    // Changed, or the store is gone.
                    _ = self.closing.wait_for(|closing| *closing), if !self.jobs.is_closed() => {
                        self.jobs.close();
                    }
                }
            }
            while waiting.len() < WAITING
                && let Ok(job) = self.jobs.try_recv()
            {
                waiting.push(Some(job.work.changeset.app_id), job);
            }
            let weight = |job: &Job| job.work.weight();
            self.desk.busy.store(true, Ordering::Relaxed);
            self.batch(waiting.take(BATCH, EACH, BATCH_BYTES, weight))
                .await;
            let open = self.session.is_some();
            self.desk.open.store(open, Ordering::Relaxed);
            self.desk.busy.store(false, Ordering::Relaxed);
        }
    }

    /// Commits the jobs together, or one by one when something about them is wrong.
    async fn batch(&mut self, mut jobs: Vec<Job>) {
        let mut pause = Duration::from_millis(25);
        let mut why = StoreError::Unavailable("the database was too slow".to_owned());
        loop {
            jobs = refuse_old(jobs, &why);
            if jobs.is_empty() {
                return;
            }
            let started = Instant::now();
            match self.attempt(&jobs).await {
                Ok(outcomes) => {
                    self.meter.committed(jobs.len(), started.elapsed());
                    return self.answer(jobs, outcomes);
                }
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(%error, jobs = jobs.len(), "a batch of writes is tried again");
                    why = error;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(800));
                }
                Err(error) if jobs.len() == 1 => return refuse(jobs, &error),
                Err(_) => {
                    for job in jobs {
                        Box::pin(self.batch(vec![job])).await;
                    }
                    return;
                }
            }
        }
    }

    /// One transaction.
    async fn attempt(&mut self, jobs: &[Job]) -> StoreResult<Vec<Outcome>> {
        let session = match self.session.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => Session::connect(&self.target).await?,
        };
        let done = self.transact(&session, jobs).await;
        match &done {
            Ok(_) => self.session = Some(session),
            // The connection may still be good.
            Err(_)
                if in_time(ATTEMPT, session.pipeline(&[Step::Run("ROLLBACK")]))
                    .await
                    .is_ok() =>
            {
                self.session = Some(session);
            }
            Err(_) => {}
        }
        done
    }

    async fn transact(&self, session: &Session, jobs: &[Job]) -> StoreResult<Vec<Outcome>> {
        let works = jobs.iter().map(|job| job.work.as_ref());
        let (mut set, mut contacts, xid) =
            in_time(ATTEMPT, Box::pin(load::begin(session, works))).await?;
        let mut outcomes = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.iter().enumerate() {
            outcomes.push(change(session, &mut set, &mut contacts, &job.work).await?);
            if index % STRIDE == STRIDE - 1 {
                tokio::task::yield_now().await;
            }
        }
        let commit = Box::pin(flush_and_commit(session, &set, &self.node));
        match in_time(ATTEMPT, commit).await {
            Ok(()) => Ok(outcomes),
            Err(StoreError::Unavailable(why)) => {
                if self.was_committed(session.pid, &xid).await? {
                    Ok(outcomes)
                } else {
                    Err(StoreError::Unavailable(why))
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Asks, on a new connection, what became of a transaction whose end was not heard.
    async fn was_committed(&self, pid: i32, xid: &str) -> StoreResult<bool> {
        let asked = async {
            loop {
                if let Ok(Some(committed)) = fate(&self.target, pid, xid).await {
                    return Ok(committed);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        in_time(RESOLVE, asked).await
    }

    /// Wakes the readers of the log, then answers.
    fn answer(&self, jobs: Vec<Job>, outcomes: Vec<Outcome>) {
        let mut logs: BTreeMap<AppId, Vec<Arc<Event>>> = BTreeMap::new();
        for (job, outcome) in jobs.iter().zip(&outcomes) {
            if let Ok(events) = outcome
                && !events.is_empty()
            {
                let app = job.work.changeset.app_id;
                logs.entry(app).or_default().extend(events.iter().cloned());
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
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            drop(job.reply.send(outcome.map(|events| Committed { events })));
        }
    }
}

/// Takes one changeset in. The outer error is the database's, the inner one its own.
async fn change(
    session: &Session,
    set: &mut WorkingSet,
    contacts: &mut Contacts,
    work: &Arc<Work>,
) -> StoreResult<Outcome> {
    loop {
        let (folded, missing) = {
            let directory = Fetched {
                contacts,
                app: work.changeset.app_id,
                missing: RefCell::default(),
            };
            let folded = set.fold(work, &directory);
            (folded, directory.missing.into_inner())
        };
        if missing.is_empty() {
            return Ok(folded.map(|outcome| set.absorb(work, outcome)));
        }
        in_time(ATTEMPT, contacts.fetch(session, &missing)).await?;
    }
}

/// What became of a transaction: committed or not, or nothing yet.
async fn fate(target: &Target, pid: i32, xid: &str) -> StoreResult<Option<bool>> {
    let client = target.connect().await?;
    // Its process may not have noticed yet that nobody listens.
    client
        .query("SELECT pg_terminate_backend($1)", &[&pid])
        .await
        .map_err(fault)?;
    let sql = "SELECT pg_xact_status($1::text::xid8)::text AS status";
    let row = client.query_one(sql, &[&xid]).await.map_err(fault)?;
    let status: Option<String> = super::session::column(&row, "status")?;
    Ok(match status.as_deref() {
        Some("committed") => Some(true),
        Some("in progress") => None,
        _ => Some(false),
    })
}

/// Answers the changesets that have waited too long: their senders have given up or will.
fn refuse_old(jobs: Vec<Job>, why: &StoreError) -> Vec<Job> {
    let (fresh, old) = jobs
        .into_iter()
        .partition(|job: &Job| job.since.elapsed() < MAX_WAIT);
    refuse(old, why);
    fresh
}

fn refuse(jobs: Vec<Job>, error: &StoreError) {
    for job in jobs {
        drop(job.reply.send(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_cannot_be_sent_stops_the_commit() {
        let Ok(url) = std::env::var("SWITCHHOOK_TEST_POSTGRES") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "PostgreSQL must run in CI"
            );
            eprintln!("LEFT OUT: SWITCHHOOK_TEST_POSTGRES is not set");
            return;
        };
        let client = Target::parse(&url).unwrap().connect().await.unwrap();
        let session = Session {
            client,
            statements: HashMap::new(),
            pid: 0,
        };
        let steps = [
            Step::Run("BEGIN"),
            Step::Run("CREATE TEMP TABLE half (n INT)"),
            Step::Query("never prepared", Vec::new()),
            Step::Run("COMMIT"),
        ];
        session.pipeline(&steps).await.unwrap_err();
        session.pipeline(&[Step::Run("ROLLBACK")]).await.unwrap();
        session
            .pipeline(&[Step::Run("SELECT * FROM half")])
            .await
            .unwrap_err();
        // And one that the server refuses rolls back.
        let steps = [
            Step::Run("BEGIN"),
            Step::Run("SELECT nothing"),
            Step::Run("COMMIT"),
        ];
        let refused = session.pipeline(&steps).await.unwrap_err();
        assert!(refused.to_string().contains("42703"), "{refused}");
    }
}
