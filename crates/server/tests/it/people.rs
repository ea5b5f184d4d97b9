//! People at the real program: the set-up link on the console, and the command line.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

const PASSWORD: &str = "vier woorden op een rij";

fn program(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchhook"));
    let database = format!("sqlite://{}", folder.join("test.db").display());
    command
        .current_dir(folder)
        .env("SWITCHHOOK__DATABASE__URL", database)
        .env("SWITCHHOOK__SERVER__LISTEN", "127.0.0.1:0");
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the server; its first lines, up to the one that holds `last`.
fn serve(folder: &std::path::Path, last: &str) -> (Running, Vec<String>) {
    let mut child = program(folder)
        .arg("serve")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        let end = line.contains(last);
        told.push(line);
        if end {
            break;
        }
    }
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (Running(child), told)
}

fn run(folder: &std::path::Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", crate::bed::text(output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn token(link: &str) -> &str {
    link.split_once("token=").unwrap().1.trim()
}

async fn post(url: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(30))
        .build()
        .unwrap()
        .post(format!("{url}{path}"))
        .json(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_console_shows_how_to_set_a_new_server_up_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let (server, told) = serve(folder.path(), "listening");
    let url = told[1].rsplit_once(" on ").unwrap().1.to_owned();
    let link = &told[0];
    assert!(link.starts_with("SET-UP LINK "), "{told:?}");
    assert!(link.contains(&format!("{url}/set-up?token=")), "{told:?}");
    let page = reqwest::get(link.split_whitespace().last().unwrap())
        .await
        .unwrap();
    assert_eq!(page.status(), 200, "the page is there");
    let body = json!({
        "token": token(link), "app_name": "Klantcontact", "country": "NL", "name": "Jan Jansen",
        "email": "jan@example.nl", "password": PASSWORD,
    });
    let (status, answer) = post(&url, "/api/set-up", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(post(&url, "/api/set-up", &body).await.0, 403, "once");
    drop(server);
    let again = run(folder.path(), &["user", "set-up-link"]);
    assert_eq!(again.status.code(), Some(2), "{}", crate::bed::text(&again));
    let (_server, told) = serve(folder.path(), "listening");
    assert!(!told.join("\n").contains("SET-UP"), "{told:?}");
    let url = told[0].rsplit_once(" on ").unwrap().1.to_owned();
    let body = json!({ "email": "jan@example.nl", "password": PASSWORD });
    assert_eq!(post(&url, "/api/sign-in", &body).await.0, 200);
}

#[tokio::test]
async fn whoever_has_the_machine_looks_after_people() {
    let folder = tempfile::tempdir().unwrap();
    let link = out(&run(folder.path(), &["user", "set-up-link"]));
    assert!(link.contains("/set-up?token="), "{link}");
    out(&run(folder.path(), &["app", "create", "Klantcontact"]));
    let invite = ["user", "invite", "jan@example.nl", "--role", "admin"];
    let link = out(&run(folder.path(), &invite));
    let list = out(&run(folder.path(), &["user", "list"]));
    assert!(
        list.contains("jan@example.nl") && list.contains("invited"),
        "{list}"
    );
    let (_server, told) = serve(folder.path(), "listening");
    let url = told[0].rsplit_once(" on ").unwrap().1.to_owned();
    let body = json!({ "token": token(&link), "password": PASSWORD });
    let (status, answer) = post(&url, "/api/invitations/accept", &body).await;
    assert_eq!(status, 200, "{answer}");
    let only = run(folder.path(), &["user", "disable", "jan@example.nl"]);
    assert_eq!(only.status.code(), Some(2), "the last administrator");
    out(&run(
        folder.path(),
        &["user", "invite", "piet@example.nl", "--name", "Piet"],
    ));
    out(&run(folder.path(), &["user", "disable", "piet@example.nl"]));
    out(&run(folder.path(), &["user", "enable", "piet@example.nl"]));
    let link = out(&run(
        folder.path(),
        &["user", "reset-link", "jan@example.nl"],
    ));
    let body = json!({ "token": token(&link), "password": "een heel ander wachtwoord" });
    assert_eq!(post(&url, "/api/invitations/accept", &body).await.0, 200);
}
