//! The predecessor's `DB_MAX_CLIENTS` and `DB_IDLE_TIMEOUT` on the program itself.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::Client;

use crate::database::Database;
use crate::program::{OPERATOR, Server};

const MASTER_KEY: &str = "abababababababababababababababababababababababababababababababab";
/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections to this database but the one that asks.
async fn counted(watch: &Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
               AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    watch.query_one(sql, &[]).await.unwrap().get(0)
}

/// The value of a metric in the OpenMetrics text.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_predecessors_pool_size_and_idle_timeout_hold() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DB_MAX_CLIENTS", "6"),
        ("DB_IDLE_TIMEOUT", "700"),
        ("DB_POOL_MIN", "0"),
        ("SWITCHHOOK__SECURITY__MASTER_KEY", MASTER_KEY),
        ("SWITCHHOOK__LIMITS__KEY_REQUESTS", "0"),
        ("SWITCHHOOK__LIMITS__APP_REQUESTS", "0"),
        ("SWITCHHOOK__LIMITS__OPERATOR_REQUESTS", "0"),
    ];
    let server = Server::start_on(folder.path(), &database.url, &settings, Stdio::inherit());
    let app = server.app("pool").await;
    let watch = database.client().await;
    let mut most = 0;
    for _ in 0..20 {
        let asking = (0..12).map(|n| {
            let (client, key) = (server.client(), &app.key);
            let url = format!("{}/api/contacts", server.url);
            let contact = json!({"name": format!("Contact {n}"), "numbers": ["+31612345678"]});
            async move {
                let made = client.post(&url).header("x-api-key", key).json(&contact);
                let read = client.get(&url).header("x-api-key", key);
                let (made, read) = tokio::join!(made.send(), read.send());
                assert_eq!(made.unwrap().status(), 201);
                assert_eq!(read.unwrap().status(), 200);
            }
        });
        let (_, now) = tokio::join!(futures_util::future::join_all(asking), counted(&watch));
        most = most.max(now);
    }
    assert!((4..=6).contains(&most), "{most} connections at most");
    let metrics = server.client().get(format!("{}/metrics", server.url));
    let metrics = metrics.bearer_auth(OPERATOR).send().await.unwrap();
    let text = metrics.text().await.unwrap();
    let state = |state| {
        value(
            &text,
            &format!("switchhook_database_connections{{{state}}}"),
        )
    };
    let open = state("state=\"idle\"").unwrap() + state("state=\"active\"").unwrap();
    assert!((1.0..=5.0).contains(&open), "all but the listener: {text}");
    assert_eq!(value(&text, "switchhook_database_waiting"), Some(0.0));
    assert_eq!(value(&text, "switchhook_writes_queued"), Some(0.0));
    // What the server does by itself needs one now and then; the others go.
    let since = Instant::now();
    while counted(&watch).await > 4 {
        assert!(since.elapsed() < PATIENCE, "idle connections stay");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(server);
    database.clean().await;
}

#[test]
fn too_few_connections_are_refused_with_the_variables_name() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .env("DATABASE_URL", "postgres://u@127.0.0.1:1/d")
        .env("DB_MAX_CLIENTS", "2")
        .env("SWITCHHOOK__SECURITY__MASTER_KEY", MASTER_KEY)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("$DB_MAX_CLIENTS"), "{told}");
    assert!(told.contains("at least 4"), "{told}");
}
