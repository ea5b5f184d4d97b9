//! The store under a test's server: the reference store in memory, or one of the real ones, as
//! `SWITCHHOOK_TEST_STORE` says (`memory`, `sqlite` or `postgres`), fresh for each world.
//!
//! A PostgreSQL database is cloned from a template on the server of `SWITCHHOOK_TEST_POSTGRES`.
//! Each test has a process of its own, so the template is made by whoever comes first, named after
//! the migrations it holds, and stays.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use switchhook_engine::store::Store;
use switchhook_storage::{Durability, OpenOptions, open};
use switchhook_testkit::memory::MemoryStore;
use tokio_postgres::{Client, NoTls};

/// Held while the template is made and while the left-overs of dead processes are removed.
const LOCK: i64 = 0x5357_4948_4f4f_4b01;

/// A database of one world, removed when this is dropped.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A connection of one's own, which sees the rows of all apps.
    pub(crate) async fn client(&self) -> Client {
        let client = connect(&at_database(&self.server, &self.name)).await;
        let sql = "SET switchhook.apps = '*'";
        client.batch_execute(sql).await.unwrap();
        client
    }
}

/// A fresh store, and what has to outlive it.
pub(crate) async fn fresh() -> (Arc<dyn Store>, Option<Database>) {
    let kind = std::env::var("SWITCHHOOK_TEST_STORE").unwrap_or_default();
    match kind.as_str() {
        "" | "memory" => (Arc::new(MemoryStore::default()), None),
        // A temporary file, which goes with the store.
        "sqlite" => (opened("sqlite::memory:", true).await, None),
        "postgres" => {
            let server = server().expect("SWITCHHOOK_TEST_STORE=postgres needs its server");
            let (store, database) = postgres(&server).await;
            (store, Some(database))
        }
        other => panic!("SWITCHHOOK_TEST_STORE is {other:?}: not memory, sqlite or postgres"),
    }
}

/// The test server. None when there is none, which in CI is a failure.
pub(crate) fn server() -> Option<String> {
    let url = std::env::var("SWITCHHOOK_TEST_POSTGRES").ok();
    let url = url.filter(|url| !url.is_empty());
    assert!(
        url.is_some() || std::env::var("CI").as_deref() != Ok("true"),
        "SWITCHHOOK_TEST_POSTGRES is not set, and in CI the PostgreSQL tests must run"
    );
    url
}

/// A store in a database of its own.
pub(crate) async fn postgres(server: &str) -> (Arc<dyn Store>, Database) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let client = connect(server).await;
    let template = template(server, &client).await;
    let index = NEXT.fetch_add(1, Ordering::Relaxed);
    // The storage tests sweep names of this form too, by the process in it.
    let name = format!("sh_test_{}_api_{index}", std::process::id());
    // A process that was killed may have had this number.
    drop_database(&client, &name).await.unwrap();
    let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
    client.batch_execute(&sql).await.unwrap();
    let sql = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    client.batch_execute(&sql).await.unwrap();
    let store = opened(&at_database(server, &name), false).await;
    let server = server.to_owned();
    (store, Database { server, name })
}

/// Nothing here tests the loss of power, so no commit waits for the disk.
async fn opened(url: &str, migrate: bool) -> Arc<dyn Store> {
    let options = OpenOptions {
        durability: Durability::Normal,
        migrate,
        ..OpenOptions::default()
    };
    open(url, options).await.unwrap()
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn drop_database(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    client.batch_execute(&sql).await
}

fn at_database(server: &str, name: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// The template with today's migrations, made if it is not there.
async fn template(server: &str, client: &Client) -> String {
    let name = format!("sh_template_{:016x}", migrations());
    if !exists(client, &name).await {
        let lock = "SELECT pg_advisory_lock($1)";
        client.execute(lock, &[&LOCK]).await.unwrap();
        if !exists(client, &name).await {
            make_template(server, client, &name).await;
        }
        let unlock = "SELECT pg_advisory_unlock($1)";
        client.execute(unlock, &[&LOCK]).await.unwrap();
    }
    name
}

async fn exists(client: &Client, name: &str) -> bool {
    let sql = "SELECT 1 FROM pg_database WHERE datname = $1";
    client.query_opt(sql, &[&name]).await.unwrap().is_some()
}

/// Makes it under another name first: a template of its own name is whole.
async fn make_template(server: &str, client: &Client, name: &str) {
    sweep(client).await;
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let bypasses: bool = client.query_one(sql, &[]).await.unwrap().get(0);
    assert!(
        !bypasses,
        "SWITCHHOOK_TEST_POSTGRES must name an ordinary role, or row-level security is not tested; \
         testbed/postgres.sh makes one"
    );
    let making = "sh_template_making";
    drop_database(client, making).await.unwrap();
    let sql = format!("CREATE DATABASE {making}");
    client.batch_execute(&sql).await.unwrap();
    let store = opened(&at_database(server, making), true).await;
    store.close().await;
    drop(store);
    // A connection that is just ending still counts as a user, and would forbid the renaming.
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    loop {
        let users: i64 = client.query_one(sql, &[&making]).await.unwrap().get(0);
        if users == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let sql = format!("ALTER DATABASE {making} RENAME TO {name}");
    client.batch_execute(&sql).await.unwrap();
}

/// Removes what processes that were killed left behind.
async fn sweep(client: &Client) {
    let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'sh\\_test\\_%\\_api\\_%'";
    for row in client.query(sql, &[]).await.unwrap() {
        let name: String = row.get(0);
        let process = name.split('_').nth(2).unwrap_or_default();
        if !std::path::Path::new("/proc").join(process).exists() {
            // The storage tests may do the same at this moment.
            drop(drop_database(client, &name).await);
        }
    }
}

/// What the migrations are, as a number that changes when one is added or edited.
fn migrations() -> u64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.file_name().unwrap().as_encoded_bytes());
        hasher.write(&std::fs::read(&file).unwrap());
    }
    hasher.finish()
}

impl Drop for Database {
    /// On a thread of its own: the test's runtime may be ending.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { drop_database(&connect(&server).await, &name).await })
        });
        // What could not be removed is swept by its process when a template is made.
        drop(removed.join());
    }
}
