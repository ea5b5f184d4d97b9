//! Changing the master key of a real server on one SQLite file: nothing stops working, and a
//! wrong key does not start.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::bed::text;
use crate::program::Server;

fn switchhook(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(arguments)
        .arg("--database-url")
        .arg(format!("sqlite://{}", folder.join("test.db").display()))
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

fn keys(folder: &Path, lines: &[&str]) {
    std::fs::write(folder.join("test.db.key"), lines.join("\n")).unwrap();
}

#[tokio::test]
async fn the_master_key_is_changed_and_nothing_stops_working() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = Server::start(at);
    let app = server.app("Bakery").await;
    let secret = "a secret that is signed with";
    let body = json!({ "platform": "generic", "webhook_secret": secret });
    let made = server.connection(&app, &body).await;
    let hook = made["webhook_url"].as_str().unwrap().to_owned();
    let path = hook[hook.find("/webhooks/").unwrap()..].to_owned();
    drop(server);

    let old = std::fs::read_to_string(at.join("test.db.key")).unwrap();
    let new = switchhook(at, &["secrets", "new-key"]).stdout;
    let new = String::from_utf8(new).unwrap().trim().to_owned();
    keys(at, &[&new]);
    let refused = switchhook(at, &["secrets", "status"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused);
    assert!(told.contains("needs another master key"), "{told}");
    assert!(!told.contains(&new) && !told.contains(&old), "{told}");

    keys(at, &[&new, &old]);
    let both = Server::start(at);
    both.get(&app, "/api/calls").await;
    let done = switchhook(at, &["secrets", "reseal"]);
    assert!(done.status.success(), "{}", text(&done));
    assert!(
        text(&done).contains("2 secrets sealed anew"),
        "{}",
        text(&done)
    );
    drop(both);

    keys(at, &[&new]);
    let status = switchhook(at, &["secrets", "status"]);
    assert!(status.status.success(), "{}", text(&status));
    assert!(!text(&status).contains("former"), "{}", text(&status));
    let audit = switchhook(at, &["audit", "verify"]);
    assert!(audit.status.success(), "{}", text(&audit));
    let server = Server::start(at);
    server.get(&app, "/api/calls").await;
    let unsigned = server.client().post(format!("{}{path}", server.url));
    let unsigned = unsigned.body("{}").send().await.unwrap().status();
    assert!(
        unsigned.is_client_error(),
        "{unsigned}: the secret opens and is asked for"
    );
}
