//! Agents on the command line: a platform's users are mapped to them beside a server that runs.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;

use crate::program::{App, Server};

const KEY: &str = "an administrator's key";
const ADA: u64 = 4_900_000_000_000_001;

/// The program on the database of a folder.
async fn switchhook(folder: &Path, args: &[&str]) -> Output {
    let database = format!("sqlite://{}", folder.join("test.db").display());
    let mut program = Command::new(env!("CARGO_BIN_EXE_switchhook"));
    program
        .args(["--database-url", &database])
        .args(args)
        .current_dir(folder)
        .env("SWITCHHOOK__LOG__LEVEL", "warn")
        .env("SWITCHHOOK__OUTBOUND__ALLOW_PRIVATE", "127.0.0.1");
    // The stand-in answers from this very test.
    let ran = tokio::task::spawn_blocking(move || program.output()).await;
    ran.unwrap().expect("the program runs")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

async fn agents(server: &Server, app: &App) -> Vec<Value> {
    let list = server.get(app, "/api/agents").await;
    list["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platforms_users_are_mapped_from_the_command_line() {
    let vendor = Vendor::default()
        .with_key(KEY, true, &["calls:list"])
        .with_person(ADA, "101", "Ada", &["ada@pbx.example"], "active")
        .with_person(ADA + 1, "102", "Bob", &["bob@pbx.example"], "active")
        .with_person(ADA + 2, "103", "Hall", &[], "active");
    let vendor = StandIn::start(vendor).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (app, other) = (server.app("One").await, server.app("Two").await);
    let config = json!({ "api_key": KEY, "base_url": vendor.url() });
    let body = json!({ "platform": "dialpad", "name": "Office", "config": config });
    let connection = server.connection(&app, &body).await;
    let id = connection["id"].as_str().unwrap();
    let ada = json!({ "name": "Ada de Boer", "email": "ADA@pbx.example" });
    let request = server
        .client()
        .request(Method::POST, format!("{}/api/agents", server.url));
    let request = request.header("x-api-key", &app.key).json(&ada);
    assert_eq!(request.send().await.unwrap().status(), 201);

    let run = async |more: &[&str]| {
        let command = ["agent", "match", "--app", &app.id, "--connection", id];
        switchhook(folder.path(), &[&command, more].concat()).await
    };
    let dry = run(&["--dry-run"]).await;
    assert!(dry.status.success(), "{}", said(&dry));
    assert!(
        said(&dry).contains("Nothing was changed."),
        "{}",
        said(&dry)
    );
    assert!(
        said(&dry).contains("1 matched, 1 no_agent, 1 no_email"),
        "{}",
        said(&dry)
    );
    assert_eq!(agents(&server, &app).await[0]["identities"], json!([]));

    let done = run(&["--create-missing"]).await;
    assert!(done.status.success(), "{}", said(&done));
    let table = String::from_utf8_lossy(&done.stdout).into_owned();
    let line = |start: u64| {
        let found = table
            .lines()
            .find(|line| line.starts_with(&start.to_string()));
        found.unwrap_or_else(|| panic!("{table}")).to_owned()
    };
    assert!(
        line(ADA).contains("matched") && line(ADA).ends_with("Ada de Boer"),
        "{table}"
    );
    assert!(line(ADA + 1).contains("created"), "{table}");
    assert!(line(ADA + 2).contains("no email"), "{table}");
    let agents = agents(&server, &app).await;
    assert_eq!(agents.len(), 2);
    assert_eq!(agents[0]["identities"][0]["value"], ADA.to_string());
    let log = server.get(&app, "/api/audit").await;
    let entries = log["data"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["action"] == "agent match");
    let entry = entry.unwrap_or_else(|| panic!("{log:#}"));
    assert_eq!(entry["before"]["agents"].as_array().unwrap().len(), 1);
    assert_eq!(entry["after"]["agents"].as_array().unwrap().len(), 2);
    assert_eq!(entry["after"]["counts"]["created"], 1);

    let foreign = ["agent", "match", "--app", &other.id, "--connection", id];
    let foreign = switchhook(folder.path(), &foreign).await;
    assert_eq!(foreign.status.code(), Some(2), "{}", said(&foreign));
    assert!(
        said(&foreign).contains("no such connection"),
        "{}",
        said(&foreign)
    );
    let alone = run(&["--create-without-email"]).await;
    assert_eq!(alone.status.code(), Some(2), "{}", said(&alone));
}
