//! Throw-away PostgreSQL databases for tests that run the whole program.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

/// A throw-away database on the test server; `None`, said aloud, where there is no server.
pub struct Database {
    server: String,
    name: String,
    /// Where it is, with its name.
    pub url: String,
}

impl Database {
    /// A new, empty one.
    pub async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("SWITCHHOOK_TEST_POSTGRES") else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "SWITCHHOOK_TEST_POSTGRES is not set, and in CI the PostgreSQL tests must run"
            );
            #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
            {
                eprintln!("LEFT OUT: SWITCHHOOK_TEST_POSTGRES is not set");
            }
            return None;
        };
        let no = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("server_{}_{no}", std::process::id());
        let client = connect(&server).await;
        let sql = format!("CREATE DATABASE {name}");
        client.batch_execute(&sql).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        let url = format!("{base}/{name}");
        Some(Self { server, name, url })
    }

    /// A client of its own, past the second wall when it says so.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }

    /// Drops it.
    pub async fn clean(self) {
        let client = connect(&self.server).await;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // An ordinary role may not end a vacuum that has just begun there; it ends by itself.
        for _ in 0..50 {
            if client.batch_execute(&sql).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        client.batch_execute(&sql).await.unwrap();
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}
