//! `switchhook audit` on a database that somebody has had their hands in, on SQLite and on
//! PostgreSQL under an ordinary role, for whom row-level security holds.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tokio_postgres::Client;

use crate::database::Database;
use crate::program::{App, Server};

/// An installation and a way into its database past the program.
struct Place<'a> {
    folder: &'a Path,
    database: String,
    key: String,
    /// `None` on SQLite.
    postgres: Option<Client>,
}

impl Place<'_> {
    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_switchhook"))
            .args(["--database-url", &self.database, "audit"])
            .args(args)
            .current_dir(self.folder)
            .env("SWITCHHOOK__LOG__LEVEL", "warn")
            .env("SWITCHHOOK__SECURITY__MASTER_KEY", &self.key)
            .output()
            .expect("the program runs")
    }

    /// The exit code of `verify` and everything that was said.
    fn verify(&self, args: &[&str]) -> (i32, String) {
        result(&self.run(&[&["verify"], args].concat()))
    }

    /// SQL by somebody who has the database.
    async fn by_hand(&self, sql: &str) {
        match &self.postgres {
            Some(client) => client.batch_execute(sql).await.unwrap(),
            None => {
                let file = self.database.trim_start_matches("sqlite://");
                let conn = rusqlite::Connection::open(file).unwrap();
                conn.execute_batch(sql).unwrap();
            }
        }
    }

    /// Takes away what guards the log in the database, and keeps a copy.
    async fn disarm(&self) {
        self.by_hand(match self.postgres {
            Some(_) => {
                "SET switchhook.apps = '*'; ALTER TABLE audit DISABLE TRIGGER USER; \
                 CREATE TABLE kept AS SELECT * FROM audit"
            }
            None => {
                "DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays; DROP TRIGGER audit_holds; \
                 CREATE TABLE kept AS SELECT * FROM audit"
            }
        })
        .await;
    }

    /// Which rows are of an app, and not of the operators.
    fn of_app(&self) -> &'static str {
        match self.postgres {
            Some(_) => "chain <> '00000000-0000-0000-0000-000000000000'",
            None => "length(replace(hex(chain), '0', '')) > 0",
        }
    }

    /// A server with an app and four connections: its log has four entries.
    async fn fill(&self) -> App {
        let settings = [("SWITCHHOOK__SECURITY__MASTER_KEY", self.key.as_str())];
        let server = Server::start_on(self.folder, &self.database, &settings, Stdio::inherit());
        let app = server.app("One").await;
        for i in 0..4 {
            let body = json!({"platform": "generic", "name": format!("PBX {i}"), "config": {}});
            server.connection(&app, &body).await;
        }
        app
    }
}

fn result(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&text).into_owned())
}

/// The hash of the newest entry of an app's log.
fn head(said: &str, app: &App) -> String {
    let line = said.lines().find(|line| line.contains(&app.id)).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

async fn tampering(place: &Place<'_>) {
    let app = place.fill().await;
    let (code, said) = place.verify(&[]);
    assert_eq!(code, 0, "{said}");
    let head = head(&said, &app);
    assert_eq!(place.verify(&["--head", &head]).0, 0);
    let nobodys = "0".repeat(64);
    assert_eq!(place.verify(&["--head", &nobodys]).0, 1);
    assert_eq!(place.verify(&["--head", "abc"]).0, 2);

    export(place, &head);
    place.disarm().await;
    let restore = "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept";
    let app_row = place.of_app();
    let mut tampered = vec![
        (
            format!("UPDATE audit SET target = 'x' WHERE no = 2 AND {app_row}"),
            "BROKEN at 2",
        ),
        (
            format!("UPDATE audit SET after = '{{}}' WHERE no = 1 AND {app_row}"),
            "BROKEN at 1",
        ),
        (
            format!("DELETE FROM audit WHERE no = 3 AND {app_row}"),
            "BROKEN at 4",
        ),
        (
            format!(
                "INSERT INTO audit SELECT chain, 99, at, actor, address, request_id, action, \
                 target, status, before, after, hash FROM kept WHERE no = 1 AND {app_row}"
            ),
            "BROKEN at 99",
        ),
    ];
    // The operators' own log is looked at too.
    let operators = format!("UPDATE audit SET status = 500 WHERE no = 1 AND NOT ({app_row})");
    tampered.push((operators, "BROKEN at 1"));
    for (sql, at) in tampered {
        place.by_hand(&sql).await;
        let (code, said) = place.verify(&[]);
        assert!(code == 1 && said.contains(at), "{sql}: {said}");
        place.by_hand(restore).await;
        assert_eq!(place.verify(&[]).0, 0);
    }
    let cut = format!("DELETE FROM audit WHERE no >= 4 AND {app_row}");
    place.by_hand(&cut).await;
    assert_eq!(place.verify(&[]).0, 0, "a shorter chain is whole by itself");
    let (code, said) = place.verify(&["--head", &head]);
    assert!(code == 1 && said.contains("taken off an end"), "{said}");
    let all = format!("DELETE FROM audit WHERE {app_row}");
    place.by_hand(&all).await;
    let (code, said) = place.verify(&["--head", &head]);
    assert!(code == 1 && said.contains("taken off an end"), "{said}");
}

/// An export is checked without the database, and a changed one is found out.
fn export(place: &Place<'_>, head: &str) {
    let export = place.run(&["export", "--app", "One"]);
    let file = place.folder.join("export.ndjson");
    std::fs::write(&file, &export.stdout).unwrap();
    let name = file.to_str().unwrap();
    let (code, said) = place.verify(&["--file", name, "--head", head]);
    assert_eq!(code, 0, "{said}");
    let (_, log) = result(&place.run(&["export", "--app", "One"]));
    assert!(
        log.contains("\"action\":\"audit export\""),
        "exports are on record: {log}"
    );
    let text = String::from_utf8(export.stdout).unwrap();
    assert_eq!(text.lines().count(), 4);
    std::fs::write(&file, text.replace("PBX 2", "PBX 9")).unwrap();
    let (code, said) = place.verify(&["--file", name]);
    assert!(code == 1 && said.contains("BROKEN at 3"), "{said}");
    let short: String = text.split_inclusive('\n').take(3).collect();
    std::fs::write(&file, short).unwrap();
    let (code, said) = place.verify(&["--file", name, "--head", head]);
    assert!(code == 1 && said.contains("taken off an end"), "{said}");
    std::fs::write(&file, text.replacen("{\"no\":", "{\"nr\":", 1)).unwrap();
    let (code, said) = place.verify(&["--file", name]);
    assert!(code == 1 && said.contains("line 1"), "{said}");
}

#[tokio::test]
async fn tampering_is_found_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    tampering(&Place {
        folder: folder.path(),
        database: format!("sqlite://{}", folder.path().join("test.db").display()),
        key: "cd".repeat(32),
        postgres: None,
    })
    .await;
}

#[tokio::test]
async fn tampering_is_found_on_the_command_line_on_postgres_too() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let client = database.client().await;
    let place = Place {
        folder: folder.path(),
        database: database.url.clone(),
        key: "cd".repeat(32),
        postgres: Some(client),
    };
    tampering(&place).await;
    // All this under a role for whom the second wall stands.
    let sql = "SELECT row_security_active('audit') AND NOT rolsuper AND NOT rolbypassrls \
               FROM pg_roles WHERE rolname = current_user";
    let row = place.postgres.as_ref().unwrap().query_one(sql, &[]).await;
    assert!(row.unwrap().get::<_, bool>(0), "an ordinary role");
    database.clean().await;
}
