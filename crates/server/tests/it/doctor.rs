//! `switchhook doctor` on what the database stands on: files others can read, roles that go
//! through the second wall.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::database::Database;

/// The findings under this name: whether each is good, and what it says.
fn doctor(folder: &Path, database: &str, what: &str) -> Vec<(bool, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_switchhook"))
        .args(["--database-url", database, "doctor", "--json"])
        .current_dir(folder)
        .env("SWITCHHOOK__SERVER__LISTEN", "127.0.0.1:0")
        .env("SWITCHHOOK__LOG__LEVEL", "error")
        .env("INTERNAL_API_SECRET", "a-secret-of-operators")
        .env("SWITCHHOOK__SECURITY__MASTER_KEY", "cd".repeat(32))
        .output()
        .expect("the program runs");
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", crate::bed::text(&output)));
    assert_eq!(output.status.code(), Some(1), "there is no app yet");
    let mut found = findings.into_iter().filter(|one| one["what"] == what);
    let told = |one: Value| {
        (
            one["good"] == true,
            one["says"].as_str().unwrap().to_owned(),
        )
    };
    let first = found.next().unwrap_or_else(|| panic!("nothing on {what}"));
    std::iter::once(first).chain(found).map(told).collect()
}

fn mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_database_file_that_others_can_read_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let url = format!("sqlite://{}", file.display());
    let ask = || doctor(folder.path(), &url, "database file");
    let [(good, says)] = ask().try_into().unwrap();
    assert!(!good && says.contains("was not there"), "{says}");
    mode(folder.path(), 0o755);
    let [(good, says)] = ask().try_into().unwrap();
    assert!(good, "made private: {says}");

    mode(&file, 0o644);
    let [(good, says)] = ask().try_into().unwrap();
    assert!(
        !good && says.contains("every user of this machine can read"),
        "{says}"
    );
    assert!(
        says.contains(&format!("chmod o-rwx {}", file.display())),
        "{says}"
    );
    // Nobody gets there.
    mode(folder.path(), 0o700);
    assert!(ask()[0].0);
    mode(folder.path(), 0o755);
    mode(&file, 0o640);
    assert!(ask()[0].0, "a group is the operator's own business");

    let key = folder.path().join("test.db.key");
    std::fs::write(&key, "cd".repeat(32)).unwrap();
    mode(&key, 0o646);
    let [(good, says)] = ask().try_into().unwrap();
    assert!(
        !good && says.contains("read or write") && says.contains("test.db.key"),
        "{says}"
    );
    mode(&key, 0o600);
    mode(folder.path(), 0o777);
    let [(good, says)] = ask().try_into().unwrap();
    assert!(!good && says.contains("can replace what is in"), "{says}");
    mode(folder.path(), 0o700);
    let [(good, says)] = doctor(folder.path(), "sqlite::memory:", "database file")
        .try_into()
        .unwrap();
    assert!(!good && says.contains("is temporary"), "{says}");
}

#[tokio::test]
async fn a_role_that_goes_through_the_second_wall_is_a_finding() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ask = |url: &str| {
        let [only] = doctor(folder.path(), url, "database role")
            .try_into()
            .unwrap();
        only
    };
    let (good, says) = ask(&database.url);
    assert!(
        good && says.contains("connects as switchhook, an ordinary role"),
        "{says}"
    );

    // Its owner switches the wall off for itself.
    let owner = database.client().await;
    let sql = "ALTER TABLE calls NO FORCE ROW LEVEL SECURITY; \
               ALTER TABLE contacts DISABLE ROW LEVEL SECURITY";
    owner.batch_execute(sql).await.unwrap();
    let (good, says) = ask(&database.url);
    assert!(
        !good && says.contains("does not hold on calls, contacts:"),
        "{says}"
    );
    let sql = "ALTER TABLE calls FORCE ROW LEVEL SECURITY; \
               ALTER TABLE contacts ENABLE ROW LEVEL SECURITY";
    owner.batch_execute(sql).await.unwrap();
    assert!(ask(&database.url).0);

    // The cluster of the test bed has a superuser beside the ordinary role.
    let admin = database.url.replacen("switchhook@", "admin@", 1);
    let (good, says) = ask(&admin);
    assert!(
        !good && says.contains("connects as admin, a superuser"),
        "{says}"
    );
    assert!(
        says.contains("ordinary role that owns its database"),
        "{says}"
    );
    let (client, connection) = tokio_postgres::connect(&admin, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let role = format!("bypasses_{}", std::process::id());
    let sql = format!("CREATE ROLE {role} LOGIN BYPASSRLS IN ROLE switchhook");
    client.batch_execute(&sql).await.unwrap();
    let url = database.url.replacen("switchhook@", &format!("{role}@"), 1);
    let (good, says) = ask(&url);
    let sql = format!("DROP ROLE {role}");
    client.batch_execute(&sql).await.unwrap();
    assert!(!good && says.contains("has BYPASSRLS"), "{says}");
    assert!(
        says.contains(&format!("ALTER ROLE \"{role}\" NOBYPASSRLS")),
        "{says}"
    );
    drop((client, owner));
    database.clean().await;
}
