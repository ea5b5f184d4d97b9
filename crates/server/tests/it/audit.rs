//! `switchhook audit` on a database that somebody has had their hands in.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::program::Server;

fn audit(folder: &Path, args: &[&str]) -> Output {
    let database = format!("sqlite://{}", folder.join("test.db").display());
    Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", &database, "audit"])
        .args(args)
        .current_dir(folder)
        .env("SWITCHHOOK__LOG__LEVEL", "warn")
        .output()
        .expect("the program runs")
}

/// The exit code and everything that was said.
fn result(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn tampering_is_found_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let app = server.app("One").await;
    for i in 0..4 {
        let body = json!({"platform": "generic", "name": format!("PBX {i}"), "config": {}});
        server.connection(&app, &body).await;
    }
    drop(server);
    let verify = |args: &[&str]| result(&audit(folder.path(), &[&["verify"], args].concat()));
    let (code, said) = verify(&[]);
    assert_eq!(code, 0, "{said}");
    let line = said.lines().find(|line| line.contains(&app.id)).unwrap();
    let head = line.split_whitespace().last().unwrap().to_owned();
    assert_eq!(verify(&["--head", &head]).0, 0);
    assert_eq!(
        verify(&["--head", &"0".repeat(64)]).0,
        1,
        "nobody has such an entry"
    );
    assert_eq!(verify(&["--head", "abc"]).0, 2);

    let export = audit(folder.path(), &["export", "--app", "One"]);
    let file = folder.path().join("export.ndjson");
    std::fs::write(&file, &export.stdout).unwrap();
    let name = file.to_str().unwrap();
    let (code, said) = verify(&["--file", name, "--head", &head]);
    assert_eq!(code, 0, "{said}");
    let (_, log) = result(&audit(folder.path(), &["export", "--app", "One"]));
    assert!(
        log.contains("\"action\":\"audit export\""),
        "exports are on record: {log}"
    );
    let text = String::from_utf8(export.stdout).unwrap();
    std::fs::write(&file, text.replace("PBX 2", "PBX 9")).unwrap();
    let (code, said) = verify(&["--file", name]);
    assert!(code == 1 && said.contains("BROKEN at 3"), "{said}");
    std::fs::write(&file, text.replacen("{\"no\":", "{\"nr\":", 1)).unwrap();
    let (code, said) = verify(&["--file", name]);
    assert!(code == 1 && said.contains("line 1"), "{said}");

    let conn = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    let by_hand = |sql: &str| conn.execute_batch(sql).unwrap();
    by_hand("DROP TRIGGER audit_keeps; DROP TRIGGER audit_stays; DROP TRIGGER audit_holds;");
    by_hand("CREATE TABLE kept AS SELECT * FROM audit");
    let restore = "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept";
    let app_row = "length(replace(hex(chain), '0', '')) > 0";
    for (sql, at) in [
        (
            format!("UPDATE audit SET target = 'x' WHERE no = 2 AND {app_row}"),
            "BROKEN at 2",
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
    ] {
        by_hand(&sql);
        let (code, said) = verify(&[]);
        assert!(code == 1 && said.contains(at), "{sql}: {said}");
        by_hand(restore);
        assert_eq!(verify(&[]).0, 0);
    }
    by_hand(&format!("DELETE FROM audit WHERE no >= 4 AND {app_row}"));
    assert_eq!(verify(&[]).0, 0, "a shorter chain is whole by itself");
    let (code, said) = verify(&["--head", &head]);
    assert!(code == 1 && said.contains("taken off an end"), "{said}");
}
