//! The audit log: what is put on record stays as it was written, or it shows.

use std::sync::Arc;

use serde_json::json;
use switchhook_engine::audit::{Audit, Broken, Deed};
use switchhook_engine::seal::MasterKey;
use switchhook_engine::store::{Actor, ActorKind, AuditQuery, AuditStore, Store};
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::memory::MemoryStore;

fn log(store: &Arc<MemoryStore>, key: u8) -> Audit {
    let clock = TestClock::at("2026-11-22T12:00:00Z".parse().unwrap());
    let store: Arc<dyn Store> = store.clone();
    Audit::new(store, Arc::new(clock), MasterKey::new([key; 32]))
}

fn deed(action: &str) -> Deed {
    Deed {
        app_id: None,
        actor: Actor {
            kind: ActorKind::Operator,
            id: String::new(),
            name: "operator".to_owned(),
        },
        address: Some("198.51.100.9".to_owned()),
        request_id: Some("r1".to_owned()),
        action: action.to_owned(),
        target: "/internal/apps".to_owned(),
        status: 201,
        before: None,
        after: Some(json!({"name": "CRM", "webhook_secret": "planted"})),
    }
}

#[tokio::test]
async fn a_chain_is_whole_though_several_nodes_write_it() {
    let store = Arc::new(MemoryStore::default());
    let nodes = [log(&store, 1), log(&store, 1)];
    let writes = (0..40).map(|i| {
        let node = nodes[i % 2].clone();
        tokio::spawn(async move { node.note(deed("app.created")).await.unwrap() })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    let whole = nodes[0].verify(None).await.unwrap().unwrap();
    assert_eq!(whole.entries, 40);
    let query = AuditQuery {
        limit: 1,
        ..AuditQuery::default()
    };
    let shown = store.audit(None, &query).await.unwrap();
    assert!(!shown[0].after.as_ref().unwrap().contains("planted"));
}

#[tokio::test]
async fn an_entry_that_was_changed_put_in_or_taken_out_shows() {
    let store = Arc::new(MemoryStore::default());
    let audit = log(&store, 1);
    for _ in 0..3 {
        audit.note(deed("app.created")).await.unwrap();
    }
    let honest = store.audit_after(None, 0, 10).await.unwrap();
    let broken = async |entries: Vec<switchhook_engine::store::AuditEntry>| {
        let store = Arc::new(MemoryStore::default());
        for entry in entries {
            assert!(store.append_audit(&entry).await.unwrap());
        }
        log(&store, 1).verify(None).await.unwrap().map_err(|b| b.no)
    };
    assert!(broken(honest.clone()).await.is_ok());

    let mut changed = honest.clone();
    changed[1].target = "/internal/apps/other".to_owned();
    assert_eq!(broken(changed).await, Err(2));
    let mut moved = honest.clone();
    // The same bytes in a row, but in other members.
    moved[1].action = "app.create".to_owned();
    moved[1].target = "d/internal/apps".to_owned();
    assert_eq!(broken(moved).await, Err(2));
    let mut gap = honest.clone();
    gap.remove(1);
    assert_eq!(broken(gap).await, Err(3));
    let mut closed = honest.clone();
    closed.remove(1);
    closed[1].no = 2;
    assert_eq!(broken(closed).await, Err(2));
}

#[tokio::test]
async fn without_the_key_nobody_can_write_a_chain_of_their_own() {
    let store = Arc::new(MemoryStore::default());
    log(&store, 2).note(deed("app.created")).await.unwrap();
    let found = log(&store, 1).verify(None).await.unwrap();
    assert!(matches!(found, Err(Broken { no: 1, .. })), "{found:?}");
}
