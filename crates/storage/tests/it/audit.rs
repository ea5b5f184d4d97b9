//! The audit log holds against SQL by hand: what is there cannot be changed, replaced or taken out.

use switchhook_engine::store::{Actor, ActorKind, AuditEntry};
use switchhook_storage::{OpenOptions, open};

use crate::backends;

fn entry(no: u64) -> AuditEntry {
    AuditEntry {
        app_id: None,
        no,
        at: "2026-11-22T12:00:00Z".parse().unwrap(),
        actor: Actor {
            kind: ActorKind::Operator,
            id: String::new(),
            name: "operator".to_owned(),
        },
        address: None,
        request_id: None,
        action: "app.created".to_owned(),
        target: "app".to_owned(),
        status: 201,
        before: None,
        after: None,
        hash: [7; 32],
    }
}

const CHANGES: [&str; 3] = [
    "UPDATE audit SET action = 'nothing'",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE no = 2",
];

#[tokio::test]
async fn sqlite_lets_nobody_change_the_audit_log() {
    let place = backends::sqlite().await.unwrap();
    let store = open(&place.url, OpenOptions::default()).await.unwrap();
    for no in 1..=2 {
        assert!(store.append_audit(&entry(no)).await.unwrap());
    }
    let conn = rusqlite::Connection::open(place.url.trim_start_matches("sqlite://")).unwrap();
    for sql in CHANGES {
        let refused = conn.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("only grows"), "{sql}: {refused}");
    }
    let replace = "INSERT OR REPLACE INTO audit SELECT chain, no, at, actor, address, request_id, \
                   'nothing', target, status, before, after, hash FROM audit";
    assert_eq!(conn.execute(replace, []).unwrap(), 0);
    assert!(!store.append_audit(&entry(2)).await.unwrap());
    let found = store.audit_after(None, 0, 10).await.unwrap();
    assert_eq!(found, [entry(1), entry(2)]);
    store.close().await;
    place.clean().await;
}

#[tokio::test]
async fn postgres_lets_nobody_change_the_audit_log() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let store = open(&place.url, OpenOptions::default()).await.unwrap();
    for no in 1..=2 {
        assert!(store.append_audit(&entry(no)).await.unwrap());
    }
    let client = backends::connect(&place.url).await;
    for sql in CHANGES.into_iter().chain(["TRUNCATE audit"]) {
        let refused = client.batch_execute(sql).await.unwrap_err();
        let said = refused
            .as_db_error()
            .map(|error| error.message().to_owned());
        assert_eq!(said.as_deref(), Some("the audit log only grows"), "{sql}");
    }
    let found = store.audit_after(None, 0, 10).await.unwrap();
    assert_eq!(found, [entry(1), entry(2)]);
    store.close().await;
    place.clean().await;
}
