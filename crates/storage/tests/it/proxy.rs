//! A TCP proxy in front of PostgreSQL that cuts connections at chosen moments.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// When to cut the next connection that commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    BeforeCommit = 1,
    /// The server commits, and nobody hears of it.
    AfterCommit = 2,
}

/// The proxy.
pub struct Proxy {
    /// The address of the same database through the proxy.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cut: AtomicU8,
    closed: AtomicBool,
    open: Mutex<Vec<AbortHandle>>,
}

impl Proxy {
    /// Starts one for a database.
    pub async fn start(url: &str) -> Self {
        let (head, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (own, server) = (Arc::clone(&shared), server.to_owned());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if own.closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                let task = tokio::spawn(carry(client, server, Arc::clone(&own)));
                own.open.lock().unwrap().push(task.abort_handle());
            }
        });
        Self {
            url: format!("{head}@{address}/{database}"),
            shared,
        }
    }

    /// Cuts the next connection that commits.
    pub fn next(&self, cut: Cut) {
        self.shared.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether what [`Self::next`] asked for has happened.
    pub fn has_cut(&self) -> bool {
        self.shared.cut.load(Ordering::SeqCst) == 0
    }

    /// Cuts all connections and takes no more.
    pub fn close_all(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        for task in self.shared.open.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    /// Takes connections again.
    pub fn open_again(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, shared: Arc<Shared>) {
    let (mut up, mut down) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let commits = up[..count].windows(6).any(|word| word == b"COMMIT");
                let cut = if commits { shared.cut.swap(0, Ordering::SeqCst) } else { 0 };
                if cut == Cut::BeforeCommit as u8 {
                    return;
                }
                if server.write_all(&up[..count]).await.is_err() {
                    return;
                }
                if cut == Cut::AfterCommit as u8 {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
