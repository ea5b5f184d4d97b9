//! Migrations: once, together, and never backwards.

use std::io::Read;

use refinery::Target;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{StoreError, StoreResult, StoredTokens};
use switchhook_storage::{MigrationStatus, OpenOptions, migration_status, open};
use uuid::Uuid;

use crate::backends;
use crate::durability::{CHILD_URL, spawn_child};

fn counts(status: &MigrationStatus) -> (usize, usize, usize) {
    (
        status.applied.len(),
        status.pending.len(),
        status.unknown.len(),
    )
}

async fn starts(url: &str) -> StoreResult<()> {
    let store = open(url, OpenOptions::default()).await?;
    store.ping().await?;
    store.close().await;
    Ok(())
}

fn refuses_the_future(opened: StoreResult<()>) {
    let error = opened.unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
    assert!(
        error.to_string().contains("newer version of Switchhook"),
        "{error}"
    );
    assert!(error.to_string().contains("99 flying_cars"), "{error}");
}

const FUTURE: &str = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                      VALUES (99, 'flying_cars', '2030-01-01T00:00:00Z', '1')";

#[tokio::test]
async fn sqlite_runs_once_and_refuses_the_future() {
    let place = backends::sqlite().await.unwrap();
    let before = migration_status(&place.url).await.unwrap();
    assert_eq!((before.applied.len(), before.unknown.len()), (0, 0));
    assert!(!before.pending.is_empty());
    starts(&place.url).await.unwrap();
    starts(&place.url).await.unwrap();
    let after = migration_status(&place.url).await.unwrap();
    assert_eq!(counts(&after), (before.pending.len(), 0, 0));
    let path = place.url.trim_start_matches("sqlite://").to_owned();
    let conn = rusqlite::Connection::open(&path).unwrap();
    let mode: String = conn
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    conn.execute(FUTURE, []).unwrap();
    refuses_the_future(starts(&place.url).await);
    assert_eq!(migration_status(&place.url).await.unwrap().unknown.len(), 1);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o077, 0, "for its owner only");
    }
}

#[tokio::test]
async fn postgres_runs_once_and_refuses_the_future() {
    let Some(place) = backends::empty_postgres().await else {
        return;
    };
    let before = migration_status(&place.url).await.unwrap();
    assert_eq!((before.applied.len(), before.unknown.len()), (0, 0));
    let (a, b, c) = tokio::join!(starts(&place.url), starts(&place.url), starts(&place.url));
    for started in [a, b, c] {
        started.unwrap();
    }
    starts(&place.url).await.unwrap();
    let after = migration_status(&place.url).await.unwrap();
    assert_eq!(counts(&after), (before.pending.len(), 0, 0));
    backends::connect(&place.url)
        .await
        .batch_execute(FUTURE)
        .await
        .unwrap();
    refuses_the_future(starts(&place.url).await);
    place.clean().await;
}

pub(crate) mod sqlite_files {
    refinery::embed_migrations!("../../migrations/sqlite");
}

pub(crate) mod postgres_files {
    refinery::embed_migrations!("../../migrations/postgres");
}

/// What a database of the first version held is still there, and what is new works beside it.
async fn has_grown(url: &str, app: AppId, connection: ConnectionId) {
    let pending = migration_status(url).await.unwrap().pending;
    assert_eq!(pending.first().map(|version| version.number), Some(2));
    let store = open(url, OpenOptions::default()).await.unwrap();
    assert_eq!(migration_status(url).await.unwrap().pending, []);
    assert_eq!(store.app(app).await.unwrap().unwrap().name, "Old");
    let found = store.connection(app, connection).await.unwrap();
    assert_eq!(found.unwrap().hook_id, "hook");
    let tokens = StoredTokens {
        app_id: app,
        connection_id: connection,
        sealed: "sealed".to_owned(),
        expires_at: None,
        version: 1,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
        fault: None,
    };
    assert!(store.put_tokens(&tokens, 0).await.unwrap());
    store.delete_connection(app, connection).await.unwrap();
    assert_eq!(store.tokens(app, connection).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn a_sqlite_file_of_the_first_version_grows() {
    let place = backends::sqlite().await.unwrap();
    let (app, connection) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut conn = rusqlite::Connection::open(place.url.trim_start_matches("sqlite://")).unwrap();
    sqlite_files::migrations::runner()
        .set_target(Target::Version(1))
        .run(&mut conn)
        .unwrap();
    conn.execute(
        "INSERT INTO apps (id, name, country, active, epoch, created_at) \
         VALUES (?1, 'Old', 'NL', 1, ?1, 0)",
        [app.as_bytes()],
    )
    .unwrap();
    conn.execute(
        "INSERT INTO connections VALUES (?2, ?1, 'dialpad', 'Old', 'hook', '{}', '{}', '[]', 0, \
         NULL, NULL)",
        [app.as_bytes(), connection.as_bytes()],
    )
    .unwrap();
    drop(conn);
    has_grown(&place.url, AppId(app), ConnectionId(connection)).await;
}

#[tokio::test]
async fn a_postgres_database_of_the_first_version_grows() {
    let Some(place) = backends::empty_postgres().await else {
        return;
    };
    let (app, connection) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut client = backends::connect(&place.url).await;
    postgres_files::migrations::runner()
        .set_target(Target::Version(1))
        .run_async(&mut client)
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "INSERT INTO apps (id, name, country, active, epoch, created_at) \
             VALUES ('{app}', 'Old', 'NL', true, '{app}', now()); \
             INSERT INTO connections VALUES ('{connection}', '{app}', 'dialpad', 'Old', 'hook', \
             '{{}}', '{{}}', '[]', now(), NULL, NULL)"
        ))
        .await
        .unwrap();
    has_grown(&place.url, AppId(app), ConnectionId(connection)).await;
    place.clean().await;
}

/// Not a test: what the child processes of the next one do.
#[test]
fn child() {
    let Ok(url) = std::env::var(CHILD_URL) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(starts(&url)).unwrap();
    println!("started");
}

#[tokio::test]
async fn sqlite_processes_that_start_together_all_start() {
    for _ in 0..3 {
        let place = backends::sqlite().await.unwrap();
        let children: Vec<_> = (0..4)
            .map(|_| spawn_child("migrations::child", &[(CHILD_URL, &place.url)]))
            .collect();
        for mut child in children {
            let mut said = String::new();
            child
                .stdout
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            assert!(
                child.wait().unwrap().success() && said.contains("started"),
                "{said}"
            );
        }
        assert_eq!(migration_status(&place.url).await.unwrap().pending.len(), 0);
    }
}

#[tokio::test]
async fn nonsense_is_unusable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.db");
    std::fs::write(&path, vec![b'x'; 4096]).unwrap();
    for url in [
        "mysql://h/d",
        "nothing",
        &format!("sqlite://{}", path.display()),
    ] {
        let refused = open(url, OpenOptions::default()).await.err().unwrap();
        assert!(
            matches!(refused, StoreError::Unusable(_) | StoreError::Damaged(_)),
            "{refused}"
        );
    }
}

/// Every table has statistics after it, and none before.
#[tokio::test]
async fn a_database_looks_over_all_its_tables() {
    let Some(place) = backends::empty_postgres().await else {
        return;
    };
    place.open().await.close().await;
    let client = backends::connect(&place.url).await;
    let sql = "SELECT count(*) FILTER (WHERE reltuples < 0), count(*) FROM pg_class \
               WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    let counts = async || {
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let (without, tables) = counts().await;
    assert!(without > 10 && tables > 20, "{without} of {tables}");
    switchhook_storage::look_over(&place.url).await.unwrap();
    assert_eq!(counts().await, (0, tables));
    drop(client);
    place.clean().await;
}
