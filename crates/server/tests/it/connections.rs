//! Connections on the command line: made, changed, given another secret; each of it on record,
//! and followed by the server that runs on the same database.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::program::Server;

fn switchhook(folder: &Path, args: &[&str]) -> Output {
    let database = format!("sqlite://{}", folder.join("test.db").display());
    Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", &database])
        .args(args)
        .current_dir(folder)
        .env("SWITCHHOOK__LOG__LEVEL", "warn")
        .output()
        .expect("the program runs")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The word after another, where a line begins with that.
fn after(output: &Output, name: &str) -> String {
    let text = said(output);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("no {name} in {text}"))
        .to_owned()
}

#[tokio::test]
async fn a_connection_is_finished_after_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let app = server.app("One").await;
    let run = |args: &[&str]| switchhook(folder.path(), args);

    let made = run(&["connection", "add", "generic", "--name", "PBX"]);
    assert!(made.status.success(), "{}", said(&made));
    let (id, first) = (after(&made, "Connection"), after(&made, "Secret"));
    let address = after(&made, "Webhook");
    let path = address
        .split_once("/webhooks/")
        .expect("a webhook address")
        .1;
    let url = format!("{}/webhooks/{path}", server.url);
    let post = async |secret: &str, call: &str| {
        let event = json!({
            "event": "ringing", "call_id": call, "from": "0470123456", "to": "+31850001200",
            "direction": "inbound", "extension": "100",
        });
        let request = server.client().post(&url).bearer_auth(secret).json(&event);
        request.send().await.unwrap().status().as_u16()
    };
    // The server looks at the database every few seconds.
    let comes_true = async |secret: &str, status: u16| {
        let began = Instant::now();
        while post(secret, "settling").await != status {
            assert!(began.elapsed() < Duration::from_secs(30), "never {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    comes_true(&first, 200).await;

    let set = run(&["connection", "set", &id, "country=be", "--name", "Gent"]);
    assert!(set.status.success(), "{}", said(&set));
    assert!(said(&set).contains("Gent"));
    let rotated = run(&["connection", "secret", &id, "--secret", "shown-there"]);
    assert!(rotated.status.success(), "{}", said(&rotated));
    assert!(!said(&rotated).contains("shown-there"), "they know it");
    comes_true("shown-there", 200).await;
    assert_eq!(post(&first, "1").await, 200, "both are believed");
    let calls: serde_json::Value = server
        .client()
        .get(format!("{}/api/calls", server.url))
        .header("x-api-key", &app.key)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let numbers = calls["data"].to_string();
    assert!(numbers.contains("+32470123456"), "{numbers}");
    let ended = ["connection", "secret", &id, "--secret", "shown-there"];
    let ended = run(&[&ended[..], &["--drop-old"]].concat());
    assert!(ended.status.success(), "{}", said(&ended));
    comes_true(&first, 401).await;
    assert_eq!(post("shown-there", "2").await, 200);
    let made = run(&["connection", "secret", &id]);
    comes_true(&after(&made, "Secret"), 200).await;

    // Without a value a setting is taken away.
    let set = run(&["connection", "set", &id, "country="]);
    assert!(set.status.success(), "{}", said(&set));
    for (args, code, what) in [
        (vec!["set", &id], 2, "nothing to change"),
        (vec!["set", &id, "country"], 2, "write KEY=VALUE"),
        (vec!["set", &id, "colour=red"], 1, "config.colour"),
        (vec!["set", &app.id, "country=be"], 1, "not found"),
        (vec!["secret", &id, "--secret", "short"], 1, "8 characters"),
        (vec!["secret", &app.id], 1, "not found"),
    ] {
        let refused = run(&[&["connection"], &args[..]].concat());
        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(what), "{args:?}: {said}");
    }

    let log = said(&run(&["audit", "export", "--app", "One"]));
    // What was refused is on record too, as that.
    for (action, done, refused) in [("connection set", 2, 2), ("connection secret", 3, 2)] {
        let action = format!("\"action\":\"{action}\"");
        let found = log.lines().filter(|line| line.contains(&action));
        let failed = |line: &&str| line.contains("\"after\":{\"outcome\":\"failed\"}");
        let (failed, good): (Vec<_>, Vec<_>) = found.partition(failed);
        assert_eq!(
            (good.len(), failed.len()),
            (done, refused),
            "{action}: {log}"
        );
    }
    assert!(!log.contains("shown-there"), "{log}");
}
