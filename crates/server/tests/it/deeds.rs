//! Every command that changes something leaves an entry in the audit log with what was so before
//! and is so now, without secrets: on SQLite and on PostgreSQL, run as an operator runs it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::bed::text;
use crate::database::Database;
use crate::program::Server;

/// Commands that change nothing here, each with the reason.
const CHANGE_NOTHING: &[(&str, &str)] = &[
    (
        "serve",
        "what is asked of it is on record by request; its set-up link is tested below",
    ),
    ("demo", "has a test below: it does not end by itself"),
    ("fold", "reads a file"),
    (
        "simulate",
        "posts to a server, which judges it as it judges every platform",
    ),
    ("listen", "reads from a server"),
    ("doctor", "looks"),
    ("config", "reads the configuration"),
    ("adapter", "reads files"),
    ("app list", "reads"),
    ("key list", "reads"),
    ("user list", "reads"),
    ("connection list", "reads"),
    ("connection platforms", "lists what this build speaks"),
    (
        "agent match",
        "has a test of its own, beside a platform that lists its users: agents.rs",
    ),
    (
        "import dialpad-cti-server",
        "has a test of its own, beside a database to import: import/",
    ),
    ("audit verify", "reads"),
    ("secrets status", "reads"),
    ("secrets new-key", "prints a key that is used nowhere yet"),
    ("openapi", "prints"),
    ("bench", "works on throw-away databases of its own"),
];

/// An operator at the machine.
struct Desk<'a> {
    folder: &'a Path,
    database: String,
    key: Option<String>,
    /// The commands that were run, without what was given to them.
    done: RefCell<BTreeSet<String>>,
}

impl Desk<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchhook"));
        command
            .args(["--database-url", &self.database])
            .args(arguments)
            .current_dir(self.folder)
            .env("SWITCHHOOK__LOG__LEVEL", "warn");
        if let Some(key) = &self.key {
            command.env("SWITCHHOOK__SECURITY__MASTER_KEY", key);
        }
        command.output().expect("the program runs")
    }

    /// What a command prints.
    fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The entries of a log, the oldest first.
    fn entries(&self, app: Option<&str>) -> Vec<Value> {
        let mut arguments = vec!["audit", "export"];
        arguments.extend(app.into_iter().flat_map(|app| ["--app", app]));
        let lines = self.say(&arguments);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Runs a changing command; what it printed, and the entry it left, which is the newest but
    /// for those of looking.
    fn deed(&self, app: Option<&str>, action: &str, arguments: &[&str]) -> (String, Value) {
        let said = self.say(arguments);
        self.done.borrow_mut().insert(action.to_owned());
        let mut entries = self.entries(app);
        entries.retain(|entry| entry["action"] != "audit export");
        let entry = entries.pop().unwrap_or_default();
        assert_eq!(entry["action"], action, "{arguments:?}");
        assert_eq!(entry["actor"]["kind"], "operator");
        assert_eq!(entry["actor"]["name"], "command line");
        (said, entry)
    }
}

fn member<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn apps_and_keys(desk: &Desk<'_>, secrets: &mut Vec<String>) {
    let (said, made) = desk.deed(Some("One"), "app create", &["app", "create", "One"]);
    secrets.push(member(&said, "Key").to_owned());
    assert_eq!(made["before"], Value::Null);
    assert_eq!(made["after"]["name"], "One");
    assert_eq!(made["after"]["first_key"]["name"], "first key");
    let rename = ["app", "rename", "One", "Two", "--country", "BE"];
    let (_, renamed) = desk.deed(Some("Two"), "app rename", &rename);
    assert_eq!(
        (&renamed["before"]["name"], &renamed["after"]["name"]),
        (&"One".into(), &"Two".into())
    );
    assert_eq!(
        (&renamed["before"]["country"], &renamed["after"]["country"]),
        (&"NL".into(), &"BE".into())
    );
    let (_, off) = desk.deed(Some("Two"), "app deactivate", &["app", "deactivate", "Two"]);
    assert_eq!(
        (&off["before"]["active"], &off["after"]["active"]),
        (&true.into(), &false.into())
    );
    let (_, on) = desk.deed(Some("Two"), "app activate", &["app", "activate", "Two"]);
    assert_eq!(
        (&on["before"]["active"], &on["after"]["active"]),
        (&false.into(), &true.into())
    );
    let (said, link) = desk.deed(Some("Two"), "app link", &["app", "link", "--role", "agent"]);
    secrets.push(said.trim().split_once("token=").unwrap().1.to_owned());
    assert_eq!(
        (&link["before"], &link["after"]["role"]),
        (&Value::Null, &"agent".into())
    );

    let create = ["key", "create", "CRM", "--scopes", "calls:read"];
    let (said, made) = desk.deed(Some("Two"), "key create", &create);
    secrets.push(said.trim().to_owned());
    assert_eq!(
        (&made["before"], &made["after"]["name"]),
        (&Value::Null, &"CRM".into())
    );
    let id = made["after"]["id"].as_str().unwrap();
    let (said, rotated) = desk.deed(Some("Two"), "key rotate", &["key", "rotate", id]);
    secrets.push(said.trim().to_owned());
    assert_eq!(
        (&rotated["before"]["id"], &rotated["after"]["replaces"]),
        (&id.into(), &id.into())
    );
    let id = rotated["after"]["id"].as_str().unwrap();
    let (_, revoked) = desk.deed(Some("Two"), "key revoke", &["key", "revoke", id]);
    assert_eq!(revoked["before"]["revoked_at"], Value::Null);
    assert!(revoked["after"]["revoked_at"].is_string());
}

fn people(desk: &Desk<'_>, secrets: &mut Vec<String>) {
    let token = |said: &str| said.trim().split_once("token=").unwrap().1.to_owned();
    let invite = |role| ["user", "invite", "jan@example.nl", "--role", role];
    let (said, invited) = desk.deed(Some("Two"), "user invite", &invite("agent"));
    secrets.push(token(&said));
    assert_eq!(invited["before"], Value::Null);
    assert_eq!(invited["after"]["email"], "jan@example.nl");
    assert!(invited["after"]["link_until"].is_string());
    let (said, again) = desk.deed(Some("Two"), "user invite", &invite("supervisor"));
    secrets.push(token(&said));
    assert_eq!(
        (&again["before"]["role"], &again["after"]["role"]),
        (&"agent".into(), &"supervisor".into())
    );
    let who = "jan@example.nl";
    let (_, off) = desk.deed(Some("Two"), "user disable", &["user", "disable", who]);
    assert_eq!(
        (&off["before"]["active"], &off["after"]["active"]),
        (&true.into(), &false.into())
    );
    let (_, on) = desk.deed(Some("Two"), "user enable", &["user", "enable", who]);
    assert_eq!(
        (&on["before"]["active"], &on["after"]["active"]),
        (&false.into(), &true.into())
    );
    let refused = desk.run(&["user", "reset-link", who]);
    assert_eq!(
        refused.status.code(),
        Some(2),
        "has not joined: {}",
        text(&refused)
    );
}

/// A link for somebody who has joined, which takes a server.
async fn reset_link(desk: &Desk<'_>, secrets: &mut Vec<String>) {
    let who = "jan@example.nl";
    let token = |said: &str| said.trim().split_once("token=").unwrap().1.to_owned();
    let invited = token(&desk.say(&["user", "invite", who]));
    let settings = desk
        .key
        .as_deref()
        .map(|key| ("SWITCHHOOK__SECURITY__MASTER_KEY", key));
    let settings: Vec<_> = settings.into_iter().collect();
    let server = Server::start_on(desk.folder, &desk.database, &settings, Stdio::inherit());
    let body = json!({ "token": invited, "password": "vier woorden op een rij" });
    let url = format!("{}/api/invitations/accept", server.url);
    let joined = server.client().post(url).json(&body).send().await.unwrap();
    assert_eq!(joined.status(), 200);
    drop(server);
    let (said, reset) = desk.deed(Some("Two"), "user reset-link", &["user", "reset-link", who]);
    secrets.push(token(&said));
    assert_eq!(
        (&reset["before"]["state"], &reset["after"]["email"]),
        (&"joined".into(), &who.into())
    );
    assert!(reset["after"]["link_until"].is_string());
}

fn connections(desk: &Desk<'_>, secrets: &mut Vec<String>) {
    let planted = [
        "planted-api-key",
        "planted-webhook-secret",
        "another-api-key",
    ];
    secrets.extend(planted.map(str::to_owned));
    let key = format!("api_key={}", planted[0]);
    let add = [
        "connection",
        "add",
        "dialpad",
        "--name",
        "D",
        "--set",
        &key,
        "--set",
        "subscriptions=by_hand",
        "--webhook-secret",
        planted[1],
    ];
    let (_, made) = desk.deed(Some("Two"), "connection add", &add);
    assert_eq!(
        (&made["before"], &made["after"]["name"]),
        (&Value::Null, &"D".into())
    );
    assert_eq!(made["after"]["config"]["subscriptions"], "by_hand");
    let id = made["after"]["id"].as_str().unwrap();
    let other = format!("api_key={}", planted[2]);
    let set = ["connection", "set", id, &other, "country=BE"];
    let (_, changed) = desk.deed(Some("Two"), "connection set", &set);
    assert_eq!(changed["before"], made["after"]);
    assert_eq!(changed["after"]["config"]["country"], "BE");
    let sealed = |side: &Value| side["sealed"][0].as_str().unwrap().to_owned();
    assert!(
        sealed(&changed["after"]).starts_with("api_key "),
        "{changed}"
    );
    assert_ne!(
        sealed(&changed["before"]),
        sealed(&changed["after"]),
        "it is another"
    );
    let (said, rotated) = desk.deed(
        Some("Two"),
        "connection secret",
        &["connection", "secret", id],
    );
    secrets.push(member(&said, "Secret").to_owned());
    assert_eq!(rotated["before"], changed["after"]);
    assert_eq!(
        rotated["before"]["signed_with"][0],
        rotated["after"]["signed_with"][1]
    );

    let (_, anew) = desk.deed(None, "secrets reseal", &["secrets", "reseal"]);
    assert_eq!(anew["before"]["resealed"], 0);
    assert!(
        anew["before"]["sealed"].as_array().unwrap().len() > 1,
        "{anew}"
    );
    assert!(
        anew["after"]["resealed"].is_number() && anew["after"]["stuck"] == 0,
        "{anew}"
    );
    let (_, gone) = desk.deed(
        Some("Two"),
        "connection remove",
        &["connection", "remove", id],
    );
    assert_eq!(
        (&gone["before"]["id"], &gone["before"]["name"]),
        (&id.into(), &"D".into())
    );
    assert_eq!(gone["after"]["left_at_platform"], Value::Array(vec![]));
}

/// The verbs of a command as its own help lists them; none when it has none.
fn verbs(desk: &Desk<'_>, command: &[&str]) -> Vec<String> {
    let help = desk.say(&[command, &["--help"]].concat());
    let Some((_, list)) = help.split_once("Commands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    let words = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = words.filter_map(|line| line.split_whitespace().next());
    words
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

/// Nothing that the help lists was forgotten by this test.
fn nothing_is_forgotten(desk: &Desk<'_>) {
    let known: Vec<&str> = CHANGE_NOTHING.iter().map(|(command, _)| *command).collect();
    let mut met = BTreeSet::new();
    for command in verbs(desk, &[]) {
        let verbs = verbs(desk, &[&command]);
        let all = verbs.iter().map(|verb| format!("{command} {verb}"));
        let all: Vec<String> = if verbs.is_empty() {
            vec![command.clone()]
        } else {
            all.collect()
        };
        for one in all {
            let known = known.contains(&one.as_str()) || known.contains(&command.as_str());
            let done = desk.done.borrow().contains(&one);
            assert!(
                known != done,
                "`{one}`: put it in one of the two lists of this test"
            );
            met.insert(one);
        }
    }
    assert!(met.len() > 35, "{met:?}");
}

async fn walk(database: String, key: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk {
        folder: folder.path(),
        database,
        key,
        done: RefCell::default(),
    };
    let mut secrets = Vec::new();
    let (_, migrated) = desk.deed(None, "migrate", &["migrate"]);
    assert_eq!(migrated["before"]["applied"], 0);
    assert!(
        migrated["after"]["applied"].as_u64().unwrap() >= 13,
        "{migrated}"
    );
    let (said, link) = desk.deed(None, "user set-up-link", &["user", "set-up-link"]);
    secrets.push(said.trim().split_once("token=").unwrap().1.to_owned());
    assert_eq!(
        (&link["before"], &link["after"]["role"]),
        (&Value::Null, &"admin".into())
    );
    apps_and_keys(&desk, &mut secrets);
    people(&desk, &mut secrets);
    connections(&desk, &mut secrets);
    reset_link(&desk, &mut secrets).await;
    let before = desk.entries(None).len();
    let export = desk.entries(None).pop().unwrap();
    assert_eq!(
        (&export["action"], &export["after"]["exported"]["up_to"]),
        (&"audit export".into(), &before.into())
    );
    desk.done.borrow_mut().insert("audit export".to_owned());

    let all = format!("{:?}{:?}", desk.entries(None), desk.entries(Some("Two")));
    for secret in &secrets {
        assert!(
            secret.len() > 8 && !all.contains(secret),
            "{secret} is on record"
        );
    }
    nothing_is_forgotten(&desk);
    assert!(desk.say(&["audit", "verify"]).contains("whole"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_command_is_on_record_with_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    walk(
        format!("sqlite://{}", folder.path().join("test.db").display()),
        None,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_command_is_on_record_on_postgres_too() {
    let Some(database) = Database::new().await else {
        return;
    };
    walk(database.url.clone(), Some("ab".repeat(32))).await;
    database.clean().await;
}

/// Starts a command that does not end by itself and waits for a line of its output.
fn until_it_says(folder: &Path, arguments: &[&str], wanted: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = String::new();
    for line in lines.map_while(Result::ok) {
        told.push_str(&line);
        told.push('\n');
        if line.starts_with(wanted) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.contains(wanted), "{told}");
    told
}

#[test]
fn what_a_demo_sets_up_and_a_first_start_offers_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let desk = |file: &str| Desk {
        folder: folder.path(),
        database: format!("sqlite://{}", folder.path().join(file).display()),
        key: None,
        done: RefCell::default(),
    };
    let demo = ["demo", "--listen", "127.0.0.1:0", "--data-dir", "."];
    for _ in 0..2 {
        until_it_says(folder.path(), &demo, "OPERATOR");
    }
    let entries = desk("demo.db").entries(Some("Demo"));
    let of = |action: &str| {
        let found = entries.iter().filter(|entry| entry["action"] == action);
        found.collect::<Vec<_>>()
    };
    for (action, times) in [
        ("demo app", 1),
        ("demo contacts", 1),
        ("demo key", 2),
        ("demo link", 2),
    ] {
        assert_eq!(of(action).len(), times, "{action}");
        assert!(
            of(action).iter().all(|entry| entry["after"].is_object()),
            "{action}"
        );
    }
    // Fresh connections at each start: those of the first go when the second comes.
    let (made, gone) = (of("demo connection"), of("demo connection removed"));
    assert!(made.len() > 2 && made.len() == 2 * gone.len());
    for gone in gone {
        assert!(
            gone["before"]["platform"].is_string() && gone["after"].is_null(),
            "{gone}"
        );
    }
    assert!(!format!("{entries:?}").contains("demo-pbx-password"));

    let database = desk("test.db").database;
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        &database,
    ];
    let told = until_it_says(folder.path(), &serve, "SET-UP LINK");
    let entries = desk("test.db").entries(None);
    let offered = entries
        .iter()
        .find(|entry| entry["action"] == "serve set-up-link");
    assert_eq!(offered.unwrap()["after"]["role"], "admin");
    let token = told.trim().split_once("token=").unwrap().1;
    assert!(!format!("{entries:?}").contains(token));
}
