//! The readers: a few threads, each with a read-only connection. Every job is one short read at
//! one instant; none is kept open, so that the write-ahead log can always be moved.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use switchhook_engine::store::{StoreLoad, StoreResult};
use tokio::sync::oneshot;

use super::session::{fault, open_reader};
use crate::queue::{Queue, closed};
use crate::tally::Tally;

/// How many reads may wait.
const PLACES: usize = 1024;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The readers' queue.
pub(super) struct Readers {
    queue: Arc<Queue<Job>>,
    threads: usize,
    busy: Arc<Tally>,
}

impl Readers {
    /// Starts that many threads.
    pub(super) fn start(path: &Path, count: usize) -> StoreResult<Self> {
        let readers = Self {
            queue: Arc::new(Queue::new(PLACES)),
            threads: count.max(1),
            busy: Arc::default(),
        };
        for number in 0..readers.threads {
            let mut conn = open_reader(path)?;
            let queue = Arc::clone(&readers.queue);
            let busy = Arc::clone(&readers.busy);
            std::thread::Builder::new()
                .name(format!("sqlite-read-{number}"))
                .spawn(move || {
                    while let Some(job) = queue.take_one() {
                        let _busy = busy.one();
                        job(&mut conn);
                    }
                })
                .map_err(super::no_thread)?;
        }
        Ok(readers)
    }

    /// Reads on one of the threads.
    pub(super) async fn read<T, F>(&self, read: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = move |conn: &mut Connection| {
            // Whoever asked may have gone: then the work need not be done.
            if !reply.is_closed() {
                drop(reply.send(read(conn)));
            }
        };
        self.queue.push(Box::new(job)).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The same, where several statements must see the same instant.
    pub(super) async fn read_at_once<T, F>(&self, read: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> StoreResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = move |conn: &mut Connection| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Deferred);
            let result = transaction
                .map_err(fault)
                .and_then(|transaction| read(&transaction));
            drop(reply.send(result));
        };
        self.queue.push(Box::new(job)).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// How many threads are at work, and what waits for one.
    pub(super) fn load(&self) -> StoreLoad {
        let active = self.busy.now();
        StoreLoad {
            idle: self.threads.saturating_sub(active),
            active,
            waiting: self.queue.len(),
            queued: 0,
        }
    }

    /// Ends the threads after what waits has been read.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}
