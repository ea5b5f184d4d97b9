//! Fresh stores for tests: in memory, in a temporary SQLite file, in a PostgreSQL database cloned
//! from a template that was migrated once.
//!
//! PostgreSQL is used when `SWITCHHOOK_TEST_POSTGRES` names a server on which databases may be
//! made, for instance the one of `testbed/postgres.sh start`. Without it those tests are left
//! out with a loud word; where `CI` is `true` that is a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use switchhook_engine::store::Store;
use switchhook_storage::{OpenOptions, open};
use switchhook_testkit::memory::MemoryStore;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// Small, so that the tests see what happens at the bound.
pub const SCAN_LIMIT: u32 = 7;

/// How stores are opened in tests.
pub fn options() -> OpenOptions {
    OpenOptions {
        scan_limit: SCAN_LIMIT,
        ..OpenOptions::default()
    }
}

/// A place for a store, and what has to be cleaned up after it.
pub struct Place {
    /// Its address; empty in memory.
    pub url: String,
    _folder: Option<tempfile::TempDir>,
    database: Option<String>,
}

impl Place {
    /// Opens a store there.
    pub async fn open(&self) -> Arc<dyn Store> {
        if self.url.is_empty() {
            return Arc::new(MemoryStore::new(SCAN_LIMIT));
        }
        open(&self.url, options()).await.unwrap()
    }

    /// Removes it.
    pub async fn clean(self) {
        if let Some(name) = &self.database {
            let client = connect(&server().unwrap()).await;
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            client.batch_execute(&sql).await.unwrap();
        }
    }
}

/// In memory.
pub async fn memory() -> Option<Place> {
    Some(Place {
        url: String::new(),
        _folder: None,
        database: None,
    })
}

/// In a temporary file.
pub async fn sqlite() -> Option<Place> {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    Some(Place {
        url,
        _folder: Some(folder),
        database: None,
    })
}

/// In a database of its own; `None` when there is no server.
pub async fn postgres() -> Option<Place> {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = server()?;
    let template = TEMPLATE.get_or_init(|| make_template(&server)).await;
    let name = format!("{}{}", prefix(), NEXT.fetch_add(1, Ordering::Relaxed));
    let client = connect(&server).await;
    let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
    client.batch_execute(&sql).await.unwrap();
    Some(Place {
        url: at_database(&server, &name),
        _folder: None,
        database: Some(name),
    })
}

/// An empty database, not migrated.
pub async fn empty_postgres() -> Option<Place> {
    let server = server()?;
    let name = format!("{}empty_{:x}", prefix(), rand_suffix());
    connect(&server)
        .await
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    Some(Place {
        url: at_database(&server, &name),
        _folder: None,
        database: Some(name),
    })
}

/// A plain connection to an address.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn server() -> Option<String> {
    let url = std::env::var("SWITCHHOOK_TEST_POSTGRES")
        .ok()
        .filter(|url| !url.is_empty());
    if url.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "SWITCHHOOK_TEST_POSTGRES is not set, and in CI the PostgreSQL tests must run"
        );
        eprintln!(
            "LEFT OUT: SWITCHHOOK_TEST_POSTGRES is not set; testbed/postgres.sh start prints it"
        );
    }
    url
}

fn prefix() -> String {
    format!("sh_test_{}_", std::process::id())
}

fn rand_suffix() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

fn at_database(server: &str, name: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// Sweeps out what tests of dead processes left behind, and migrates the template.
async fn make_template(server: &str) -> String {
    let client = connect(server).await;
    let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'sh\\_test\\_%'";
    for row in client.query(sql, &[]).await.unwrap() {
        let name: String = row.get(0);
        let pid = name.split('_').nth(2).unwrap_or_default();
        if !std::path::Path::new("/proc").join(pid).exists() {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            // Another test run may do the same at this moment.
            drop(client.batch_execute(&sql).await);
        }
    }
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let bypasses: bool = client.query_one(sql, &[]).await.unwrap().get(0);
    assert!(
        !bypasses,
        "SWITCHHOOK_TEST_POSTGRES must name an ordinary role, or row-level security is not tested; \
         testbed/postgres.sh makes one"
    );
    let name = format!("{}template", prefix());
    client
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let store = open(&at_database(server, &name), OpenOptions::default())
        .await
        .unwrap();
    store.close().await;
    drop(store);
    // A connection that is just ending would still count as a user of the template.
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    while client
        .query_one(sql, &[&name])
        .await
        .unwrap()
        .get::<_, i64>(0)
        > 0
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    name
}
