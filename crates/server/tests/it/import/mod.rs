//! `switchhook import dialpad-cti-server` from a real PostgreSQL database with the old server's
//! tables, into SQLite and into PostgreSQL.

use std::process::{Command, Output};

use serde_json::Value;

use crate::database::Database;
use crate::program::Server;

const APP: &str = "00000000-0000-4000-8000-00000000000a";
const OFF: &str = "00000000-0000-4000-8000-00000000000b";
/// A key as the old server gave it to a client.
const KEY: &str = "raw_5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
const MASTER_KEY: &str = "abababababababababababababababababababababababababababababababab";

/// A database with the old server's tables and rows.
async fn of_the_old_server() -> Option<Database> {
    let database = Database::new().await?;
    let client = database.client().await;
    for sql in [include_str!("schema.sql"), include_str!("rows.sql")] {
        client.batch_execute(sql).await.unwrap();
    }
    let key = "UPDATE apps SET api_key = $1 WHERE name = 'Gemeente'";
    client.execute(key, &[&stored_key()]).await.unwrap();
    Some(database)
}

/// What the old server kept of the key.
fn stored_key() -> String {
    bcrypt::hash(KEY, 10).unwrap()
}

fn import(target: &str, from: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", target, "import", "dialpad-cti-server"])
        .args(["--from", "env:OLD_DATABASE"])
        .args(more)
        .env("OLD_DATABASE", from)
        .env("SWITCHHOOK__SECURITY__MASTER_KEY", MASTER_KEY)
        .output()
        .unwrap()
}

/// The row of a part in the table a run ends with: there, taken over, had before, refused.
fn counts(output: &Output, part: &str) -> Vec<u64> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{told}");
    let line = text.lines().find(|line| line.starts_with(part));
    let line = line.unwrap_or_else(|| panic!("no {part} in {text}"));
    let cells = line.split_whitespace().skip(1);
    cells.map(|cell| cell.parse().unwrap()).collect()
}

/// The entries of a log with this action, as the command line writes it out.
fn entries(target: &str, app: Option<&str>, action: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", target, "audit", "export"])
        .args(app.into_iter().flat_map(|app| ["--app", app]))
        .env("SWITCHHOOK__SECURITY__MASTER_KEY", MASTER_KEY)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let all = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|entry| entry["action"] == action).collect()
}

/// After the first run: what was taken over is in the logs of the apps and of the operators.
fn on_record(target: &str) {
    for app in [APP, OFF] {
        let made = &entries(target, Some(app), "import app")[0];
        assert_eq!(
            (&made["before"], &made["after"]["id"]),
            (&Value::Null, &app.into())
        );
        let connection = &entries(target, Some(app), "import connection")[0];
        assert_eq!(connection["after"]["platform"], "dialpad");
    }
    let key = &entries(target, Some(APP), "import key")[0];
    assert_eq!(key["after"]["name"], "imported key");
    assert!(!key.to_string().contains(&KEY[..20]), "{key}");
    let rows = &entries(target, Some(APP), "import rows")[0];
    assert_eq!(rows["after"]["taken_over"]["calls"], 452, "{rows}");
    assert_eq!(
        entries(target, None, "import begin").len(),
        1,
        "a dry run is none"
    );
    let end = &entries(target, None, "import end")[0];
    assert_eq!(end["after"]["calls"]["taken_over"], 453, "{end}");
    assert_eq!(
        end["after"]["dialpad_user_mappings"]["taken_over"], 3,
        "{end}"
    );
}

async fn get(server: &Server, app: &str, key: &str, path: &str) -> Value {
    let url = format!("{}{path}", server.url);
    let request = server.client().get(url).header("x-app-api-key", key);
    let answer = request.send().await.unwrap();
    assert!(
        answer.status().is_success(),
        "{app} {path}: {}",
        answer.status()
    );
    answer.json().await.unwrap()
}

#[tokio::test]
async fn what_the_old_server_recorded_is_taken_over_once_and_told_to_nobody() {
    let Some(old) = of_the_old_server().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let target = format!("sqlite://{}", folder.path().join("test.db").display());
    let settings = [("SWITCHHOOK__SECURITY__MASTER_KEY", MASTER_KEY)];

    let survey = import(&target, &old.url, &["--dry-run"]);
    assert_eq!(counts(&survey, "calls"), [453]);
    let first = import(&target, &old.url, &["--timezone", "Europe/Amsterdam"]);
    assert_eq!(counts(&first, "apps"), [2, 2, 0, 0]);
    assert_eq!(counts(&first, "calls"), [453, 453, 0, 0]);
    assert_eq!(counts(&first, "voicemails"), [1, 1, 0, 0]);
    assert_eq!(counts(&first, "messages"), [2, 2, 0, 0]);

    assert_eq!(counts(&first, "dialpad_user_mappings"), [3, 3, 0, 0]);

    on_record(&target);
    let server = Server::start_with(folder.path(), &settings);
    // The very key that its clients hold; at the second use the hash is ours.
    let key = KEY.to_owned();
    let calls = get(&server, APP, &key, "/api/calls?limit=100").await;
    assert_eq!(calls["pagination"]["total"], 452);
    let newest = &calls["data"][0];
    assert_eq!(newest["dialpad_call_id"], "5700000000000450");
    assert_eq!(newest["status"], "ended");
    assert_eq!(newest["started_at"], "2026-03-01T16:29:54Z", "in UTC");
    assert_eq!(newest["duration_seconds"], 42);
    assert_eq!(newest["dialpad_user_id"], "12345");
    assert_eq!(newest["agent"]["crm_user_id"], "user_abc123");
    let stolen = server.client().get(format!("{}/api/calls", server.url));
    let stolen = stolen.header("x-app-api-key", stored_key()).send().await;
    assert_eq!(stolen.unwrap().status(), 401, "the stored hash is no key");
    let active = get(&server, APP, &key, "/api/calls/active").await;
    assert_eq!(
        active["data"].as_array().unwrap().len(),
        0,
        "what rang in February is over"
    );
    let voicemails = get(&server, APP, &key, "/api/voicemails").await;
    assert_eq!(
        voicemails["pagination"]["total"], 1,
        "told twice, kept once"
    );
    assert_eq!(voicemails["data"][0]["transcript"], "Hi John");
    let messages = get(&server, APP, &key, "/api/messages").await;
    assert_eq!(messages["pagination"]["total"], 2);
    let events = get(&server, APP, &key, "/api/events?after=0").await;
    assert_eq!(events["data"].as_array().unwrap().len(), 0, "{events}");
    drop(server);

    // New rows since, and one that names nothing: the next run takes what is new.
    let client = old.client().await;
    let more = "INSERT INTO calls (id, app_id, dialpad_call_id, status, created_at, \
        from_number, direction) VALUES \
        ('ffffffff-ffff-4fff-bfff-ffffffffffff', $1::text::uuid, 5700000000000999, 'missed', \
         '2026-03-02 10:00', '+15551110009', 'inbound')";
    client.execute(more, &[&APP]).await.unwrap();
    let second = import(&target, &old.url, &["--timezone", "Europe/Amsterdam"]);
    assert_eq!(counts(&second, "apps"), [2, 0, 2, 0]);
    assert_eq!(counts(&second, "calls"), [454, 1, 453, 0]);
    let third = import(
        &target,
        &old.url,
        &["--timezone", "Europe/Amsterdam", "--again"],
    );
    assert_eq!(counts(&third, "calls"), [454, 454, 0, 0]);
    let server = Server::start_with(folder.path(), &settings);
    let again = get(&server, APP, &key, "/api/calls?limit=1").await;
    assert_eq!(again["pagination"]["total"], 453, "nothing twice");
    let events = get(&server, APP, &key, "/api/events?after=0").await;
    assert_eq!(events["data"].as_array().unwrap().len(), 0, "{events}");
    drop(server);
    old.clean().await;
}

#[tokio::test]
async fn an_import_into_postgres_goes_on_where_it_was_killed() {
    let Some(old) = of_the_old_server().await else {
        return;
    };
    let new = Database::new().await.unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", &new.url, "import", "dialpad-cti-server"])
        .args(["--from", &old.url])
        .env("SWITCHHOOK__SECURITY__MASTER_KEY", MASTER_KEY)
        .spawn()
        .unwrap();
    // Somewhere in the middle of the calls, or before, or after: it makes no difference.
    let client = new.client().await;
    // Past the second wall: this looks at the tables, not through the server.
    let everything = "SET switchhook.apps = '*'";
    client.batch_execute(everything).await.unwrap();
    for _ in 0..2_000 {
        let sql = "SELECT to_regclass('imports') IS NOT NULL AND EXISTS (SELECT 1 FROM \
                   pg_stat_user_tables WHERE relname = 'imports' AND n_tup_ins > 0) AS begun";
        let begun: bool = client.query_one(sql, &[]).await.unwrap().get("begun");
        if begun || child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let again = import(&new.url, &old.url, &[]);
    let told = counts(&again, "calls");
    assert_eq!(told[0], 453);
    assert_eq!(told[1] + told[2], 453);
    let sql = "SELECT count(*) AS calls, count(DISTINCT id) AS ids FROM calls \
               WHERE app_id = $1::text::uuid AND visible";
    let row = client.query_one(sql, &[&APP]).await.unwrap();
    let calls: (i64, i64) = (row.get("calls"), row.get("ids"));
    assert_eq!(calls, (452, 452));
    let row = client.query_one(sql, &[&OFF]).await.unwrap();
    assert_eq!(row.get::<_, i64>("calls"), 1);
    let events = "SELECT count(*) AS events FROM events";
    let row = client.query_one(events, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>("events"), 0);
    old.clean().await;
    new.clean().await;
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_in_words() {
    let Some(empty) = Database::new().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let target = format!("sqlite://{}", folder.path().join("test.db").display());
    let refused = import(&target, &empty.url, &[]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        told.contains("not the database of a Dialpad CTI server"),
        "{told}"
    );
    let away = import(&target, "postgres://nobody:hush@127.0.0.1:1/x", &[]);
    let told = String::from_utf8_lossy(&away.stderr).into_owned();
    assert!(told.contains("cannot read the database"), "{told}");
    assert!(!told.contains("hush"), "{told}");
    empty.clean().await;
}
