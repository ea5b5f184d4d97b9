//! Changing the master key of a real server, on SQLite and on PostgreSQL: nothing stops working,
//! and a wrong key does not start.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use switchhook_adapters::dialpad::sign_jwt;
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::adapter::Secret;
use switchhook_engine::ports::{Clock, SystemClock};

use crate::bed::text;
use crate::database::Database;
use crate::program::{App, Server};

const SIGNED_WITH: &str = "a secret that Dialpad signs with";
const CURRENT: &str = "SWITCHHOOK__SECURITY__MASTER_KEY";
const PREVIOUS: &str = "SWITCHHOOK__SECURITY__PREVIOUS_MASTER_KEYS";

/// An installation whose master keys a test changes.
struct Installation<'a> {
    folder: &'a Path,
    database: &'a str,
}

impl Installation<'_> {
    fn run(&self, keys: [&str; 2], arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_switchhook"))
            .args(arguments)
            .current_dir(self.folder)
            .env("SWITCHHOOK__DATABASE__URL", self.database)
            .env(CURRENT, keys[0])
            .env(PREVIOUS, keys[1])
            .output()
            .expect("the program runs")
    }

    fn start(&self, [current, previous]: [&str; 2]) -> Server {
        let settings = [(CURRENT, current), (PREVIOUS, previous)];
        Server::start_on(self.folder, self.database, &settings, Stdio::inherit())
    }

    /// Never `serve` with these keys: a clear word, and no key in it.
    fn refuses(&self, keys: [&str; 2]) {
        for arguments in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["secrets", "status"],
        ] {
            let refused = self.run(keys, arguments);
            let told = text(&refused);
            assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {told}");
            assert!(told.contains("needs another master key"), "{told}");
            assert!(told.contains("security.previous_master_keys"), "{told}");
            assert!(!told.contains(keys[0]), "{told}");
        }
    }
}

fn new_key() -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["secrets", "new-key"])
        .output()
        .unwrap();
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// The key of the app is good, and a call that Dialpad tells of is believed and found again.
async fn works(server: &Server, app: &App, path: &str, call: u64) {
    server.get(app, "/api/calls").await;
    let seed = CallSeed::new(call, SystemClock.now());
    let secret = SIGNED_WITH;
    let url = format!("{}{path}", server.url);
    let post = async |body: Vec<u8>| {
        let request = server.client().post(&url).body(body);
        let request = request.header("content-type", "application/jwt");
        request.send().await.unwrap().status().as_u16()
    };
    for step in simulate::dialpad(Scenario::Missed, &seed, secret) {
        assert_eq!(post(step.body).await, 200);
    }
    let forged = sign_jwt(b"{\"state\":\"ringing\"}", &Secret::new("another secret"));
    assert_eq!(post(forged).await, 401, "the secret is asked for");
    let calls = server.get(app, "/api/calls?limit=100").await;
    assert_eq!(calls["pagination"]["total"], call, "{calls:#}");
}

async fn rotation(database: &str) {
    let folder = tempfile::tempdir().unwrap();
    let here = Installation {
        folder: folder.path(),
        database,
    };
    let (old, new, wrong) = (new_key(), new_key(), new_key());
    let server = here.start([&old, ""]);
    let app = server.app("Bakery").await;
    let config = json!({ "api_key": "an administrator's key", "subscriptions": "by_hand" });
    let body = json!({ "platform": "dialpad", "webhook_secret": SIGNED_WITH, "config": config });
    let made = server.connection(&app, &body).await;
    let hook = made["webhook_url"].as_str().unwrap();
    let hook = hook[hook.find("/webhooks/").unwrap()..].to_owned();
    works(&server, &app, &hook, 1).await;
    drop(server);

    here.refuses([&wrong, ""]);
    here.refuses([&new, ""]);
    let both = here.start([&new, &old]);
    works(&both, &app, &hook, 2).await;
    // While it runs: webhook secret, credential and the installation's own key.
    let done = here.run([&new, &old], &["secrets", "reseal"]);
    let told = text(&done);
    assert!(done.status.success(), "{told}");
    assert!(told.contains("3 secrets sealed anew"), "{told}");
    works(&both, &app, &hook, 3).await;
    drop(both);

    let status = here.run([&new, ""], &["secrets", "status"]);
    assert!(status.status.success(), "{}", text(&status));
    assert!(!text(&status).contains("former"), "{}", text(&status));
    let server = here.start([&new, ""]);
    works(&server, &app, &hook, 4).await;
    let path = format!("/internal/apps/{}/api-key", app.id);
    let request = server.client().post(format!("{}{path}", server.url));
    let request = request
        .bearer_auth(crate::program::OPERATOR)
        .json(&json!({}));
    assert!(request.send().await.unwrap().status().is_success());
    drop(server);
    let audit = here.run([&new, ""], &["audit", "verify"]);
    assert!(audit.status.success(), "{}", text(&audit));
    here.refuses([&old, ""]);
}

#[tokio::test]
async fn the_master_key_is_changed_and_nothing_stops_working() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    rotation(&format!("sqlite://{}", file.display())).await;
}

#[tokio::test]
async fn the_master_key_is_changed_on_postgres_too() {
    let Some(database) = Database::new().await else {
        return;
    };
    rotation(&database.url).await;
    database.clean().await;
}

#[tokio::test]
async fn the_key_file_beside_the_database_holds_former_keys_below() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db.key");
    let database = format!("sqlite://{}", folder.path().join("test.db").display());
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_switchhook"))
            .args(arguments)
            .args(["--database-url", &database])
            .current_dir(folder.path())
            .output()
            .expect("the program runs")
    };
    let first = run(&["secrets", "status"]);
    assert!(first.status.success(), "{}", text(&first));
    let (old, new) = (std::fs::read_to_string(&file).unwrap(), new_key());
    std::fs::write(&file, format!("{new}\n{old}\n")).unwrap();
    let done = run(&["secrets", "reseal"]);
    assert!(
        text(&done).contains("1 secrets sealed anew"),
        "{}",
        text(&done)
    );
    std::fs::write(&file, format!("{new}\n")).unwrap();
    let status = run(&["secrets", "status"]);
    assert!(status.status.success(), "{}", text(&status));
    std::fs::write(&file, &old).unwrap();
    assert_eq!(run(&["secrets", "status"]).status.code(), Some(1));
}
