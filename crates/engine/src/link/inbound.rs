//! Sockets that a platform opens to us. There is one for each connection: a newer one takes the
//! place of an older, which may be dead without knowing it. What the link is doing is told in the
//! same way as of links of our own making, and that nobody has connected is told too.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchhook_domain::id::ConnectionId;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Item, Links, lock};
use crate::adapter::{FrameSocket, LinkError, LinkState, NotificationSink};
use crate::connections::ReadyConnection;
use crate::store::Connection;

/// How long a platform that opens its sockets to us may take to do so before that is told.
pub const AWAITED_FOR: Duration = Duration::from_secs(15);
/// What is told then.
const NOT_CONNECTED: &str = "the platform has not connected to us: look at its settings for this \
    server, and at the way from there to here";

/// A socket that is being served, or waits for an older one to be done with.
pub(super) struct Served {
    number: u64,
    /// What it was taken in for.
    row: Arc<Connection>,
    stop: CancellationToken,
    /// Cancelled once nothing of it can be told any more.
    over: CancellationToken,
}

/// A socket's turn to be served.
struct Turn {
    number: u64,
    stop: CancellationToken,
    /// The older sockets are done with once this is cancelled.
    after: Option<CancellationToken>,
    over: DropGuard,
}

impl Links {
    /// Serves a socket that a platform opened to us, until it breaks, a newer one takes its place,
    /// the connection is taken away or the server stops. What it hears is committed in order, as
    /// with links of our own making; of an older socket everything is committed before anything
    /// of this one.
    pub async fn serve(
        &self,
        connection: &ReadyConnection,
        socket: Box<dyn FrameSocket>,
        stop: CancellationToken,
    ) {
        let id = connection.row.id;
        let turn = self.turn(&connection.row, &stop);
        if let Some(older) = &turn.after {
            older.cancelled().await;
        }
        if !turn.stop.is_cancelled() {
            self.serve_now(connection, socket, &turn.stop).await;
        }
        let mut served = lock(&self.served);
        if served.get(&id).is_some_and(|s| s.number == turn.number) {
            served.remove(&id);
        }
        drop(served);
        drop(turn.over);
    }

    /// Takes the place of the socket that is served now, which is told to end.
    fn turn(&self, row: &Arc<Connection>, stop: &CancellationToken) -> Turn {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (stop, over) = (stop.child_token(), CancellationToken::new());
        let mut served = lock(&self.served);
        let newest = Served {
            number,
            row: row.clone(),
            stop: stop.clone(),
            over: over.clone(),
        };
        if self.closing.is_cancelled() {
            stop.cancel();
        }
        let after = served.insert(row.id, newest).map(|older| {
            older.stop.cancel();
            older.over
        });
        Turn {
            number,
            stop,
            after,
            over: over.drop_guard(),
        }
    }

    async fn serve_now(
        &self,
        connection: &ReadyConnection,
        socket: Box<dyn FrameSocket>,
        stop: &CancellationToken,
    ) {
        let (sink, worker) = self.listen(connection, stop);
        let context = connection.context.clone();
        let ended = connection
            .adapter
            .serve(context, socket, sink.clone(), stop.clone())
            .await;
        // A socket that was told to end is no broken link.
        if !stop.is_cancelled() {
            let reason = match ended {
                Ok(()) => "the platform closed its connection to us".to_owned(),
                Err(LinkError::Retry(reason) | LinkError::Misconfigured(reason)) => reason,
            };
            tracing::warn!(connection.id = %connection.row.id, reason, "link is down");
            sink.link(LinkState::Down(reason)).await;
        }
        drop(sink);
        // A task that panicked has been logged by the runtime; there is nothing to wait for.
        let _ = worker.await;
        // One with other settings has yet to be opened: until then nothing is known of it.
        let now = self.connections.get(connection.row.id);
        let same = now.is_some_and(|now| now.row.is_set_up_as(&connection.row));
        if !same || self.closing.is_cancelled() {
            self.forget(connection);
        }
    }

    /// Ends the sockets of connections that are no more or were changed (the platform opens a new
    /// one), and tells of those that never came.
    pub(super) fn reconcile_awaited(&self, usable: &[ReadyConnection]) {
        let waits = |c: &&ReadyConnection| c.adapter.awaits_socket(&c.context);
        let waiting: HashMap<ConnectionId, &ReadyConnection> =
            usable.iter().filter(waits).map(|c| (c.row.id, c)).collect();
        let served: BTreeSet<ConnectionId> = {
            let served = lock(&self.served);
            let wanted = |id: &ConnectionId, socket: &Served| {
                let now = waiting.get(id);
                now.is_some_and(|now| now.row.is_set_up_as(&socket.row))
            };
            let unwanted = served.iter().filter(|(id, socket)| !wanted(id, socket));
            unwanted.for_each(|(_, socket)| socket.stop.cancel());
            served.keys().copied().collect()
        };
        let known = self.states();
        let mut awaited = lock(&self.awaited);
        awaited.retain(|id, _| waiting.contains_key(id));
        for (id, connection) in waiting {
            if served.contains(&id) || known.contains_key(&id) {
                awaited.remove(&id);
                continue;
            }
            let since = *awaited.entry(id).or_insert_with(Instant::now);
            if since.elapsed() >= AWAITED_FOR {
                awaited.remove(&id);
                let (links, connection) = (self.clone(), connection.clone());
                tokio::spawn(async move { links.never_came(&connection).await });
            }
        }
    }

    async fn never_came(&self, connection: &ReadyConnection) {
        let id = connection.row.id;
        if lock(&self.served).contains_key(&id) || self.states().contains_key(&id) {
            return;
        }
        let down = Item::Link(LinkState::Down(NOT_CONNECTED.to_owned()));
        self.take(connection, down, &self.closing).await;
    }

    /// Ends every socket and waits for what they hold to be committed.
    pub(super) async fn close_served(&self) {
        let served: Vec<CancellationToken> = {
            let served = lock(&self.served);
            served.values().for_each(|socket| socket.stop.cancel());
            served.values().map(|socket| socket.over.clone()).collect()
        };
        for over in served {
            over.cancelled().await;
        }
    }
}
