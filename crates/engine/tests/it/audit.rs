//! The audit log: what is put on record stays as it was written, or it shows.

use std::sync::Arc;

use serde_json::json;
use switchhook_domain::id::AppId;
use switchhook_engine::audit::{Audit, Broken, Deed, HEADINGS, line, row};
use switchhook_engine::seal::MasterKey;
use switchhook_engine::store::{Actor, ActorKind, AuditEntry, AuditQuery, AuditStore, Store};
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

#[tokio::test]
async fn what_was_taken_off_the_end_shows_against_a_hash_kept_elsewhere() {
    let store = Arc::new(MemoryStore::default());
    let audit = log(&store, 1);
    for _ in 0..4 {
        audit.note(deed("app.created")).await.unwrap();
    }
    let kept = audit.verify(None).await.unwrap().unwrap().head;
    audit.note(deed("app.created")).await.unwrap();
    let grown = audit.verify_against(None, &[kept]).await.unwrap().unwrap();
    assert_eq!((grown.entries, grown.met), (5, vec![kept]));

    let shortened = Arc::new(MemoryStore::default());
    for entry in store.audit_after(None, 0, 3).await.unwrap() {
        assert!(shortened.append_audit(&entry).await.unwrap());
    }
    let audit = log(&shortened, 1);
    let whole = audit.verify_against(None, &[kept]).await.unwrap().unwrap();
    assert_eq!(
        (whole.entries, whole.met.len()),
        (3, 0),
        "alone it looks whole"
    );
}

fn read(audit: &Audit, lines: &[String]) -> Result<Result<u64, u64>, String> {
    let lines = lines.iter().map(|line| Ok(line.clone()));
    let found = audit.verify_lines(lines, &[])?;
    Ok(found.map(|whole| whole.entries).map_err(|broken| broken.no))
}

#[tokio::test]
async fn an_export_is_checked_without_the_database() {
    let store = Arc::new(MemoryStore::default());
    let audit = log(&store, 1);
    for i in 0..5 {
        let mut deed = deed("app.created");
        // Numbers and letters that a reader of JSON may spell otherwise.
        deed.after = Some(json!({"n": 1.0e21, "m": 0.1, "ü": "\u{1F4DE}\n", "i": i}));
        audit.note(deed).await.unwrap();
    }
    let mut before = [0; 32];
    let mut lines = Vec::new();
    for entry in store.audit_after(None, 0, 10).await.unwrap() {
        lines.push(line(&entry, &before));
        before = entry.hash;
    }
    assert_eq!(read(&audit, &lines), Ok(Ok(5)));
    assert_eq!(read(&audit, &lines[2..]), Ok(Ok(3)), "a part of it");
    assert_eq!(read(&log(&store, 2), &lines), Ok(Err(1)), "another key");
    let mut changed = lines.clone();
    changed[3] = changed[3].replace("app.created", "app.deleted");
    assert_eq!(read(&audit, &changed), Ok(Err(4)));
    let mut removed = lines.clone();
    removed.remove(2);
    assert_eq!(read(&audit, &removed), Ok(Err(4)));
    let mut twice = lines.clone();
    twice.insert(2, lines[1].clone());
    assert_eq!(read(&audit, &twice), Ok(Err(2)));
    let mut begun = lines[2..].to_vec();
    let previous = begun[0].find("\"previous\":\"").unwrap() + 12;
    begun[0].replace_range(previous..previous + 2, "zz");
    assert!(read(&audit, &begun).is_err_and(|error| error.contains("line 1")));
}

#[test]
fn rows_for_people_are_quoted_and_run_nothing() {
    let entry = AuditEntry {
        app_id: None,
        no: 1,
        at: "2026-11-22T12:00:00Z".parse().unwrap(),
        actor: deed("x").actor,
        address: None,
        request_id: Some("=cmd|'/c calc'!A0".to_owned()),
        action: "a, \"b\"".to_owned(),
        target: "-1".to_owned(),
        status: 201,
        before: None,
        after: Some("{\"a\":1}".to_owned()),
        hash: [0xab; 32],
    };
    let row = row(&entry);
    let begin = [
        "1,2026-11-22T12:00:00Z,,operator,,operator,,'=cmd|'/c calc'!A0,",
        "\"a, \"\"b\"\"\",'-1,201,,\"{\"\"a\"\":1}\",abab",
    ];
    let begin = begin.concat();
    assert!(row.starts_with(&begin), "{row}");
    assert_eq!(HEADINGS.split(',').count(), 14);
}

#[tokio::test]
async fn what_was_begun_and_never_ended_is_on_record_as_cut_short() {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(TestClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
    let port: Arc<dyn Store> = store.clone();
    let audit = Audit::new(port, clock.clone(), MasterKey::new([1; 32]));
    let id = uuid::Uuid::from_u128;
    let app = AppId(id(7));
    let begin = async |no, app_id| {
        let deed = Deed {
            app_id,
            before: Some(json!({"name": "old", "password": "planted"})),
            ..deed("app.changed")
        };
        audit.begin(id(no), &deed).await.unwrap()
    };
    // One ends as it should, and leaves one entry.
    let begun = begin(1, None).await;
    audit.end(begun, deed("app.changed")).await.unwrap();
    // Of two nobody hears again: a process was killed, a client hung up.
    drop((begin(2, Some(app)).await, begin(3, None).await));
    assert_eq!(audit.settle().await.unwrap(), 0, "they may still be at it");
    clock.advance(jiff::SignedDuration::from_mins(5));
    assert_eq!(audit.settle().await.unwrap(), 2);
    clock.advance(jiff::SignedDuration::from_hours(1));
    assert_eq!(audit.settle().await.unwrap(), 0, "once");

    let all = store.audit_after(None, 0, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    let cut = &store.audit_after(Some(app), 0, 10).await.unwrap()[0];
    assert_eq!((cut.action.as_str(), cut.status), ("app.changed", 0));
    assert_eq!(cut.actor, deed("").actor);
    assert_eq!(cut.request_id.as_deref(), Some("r1"));
    let side = |side: &Option<String>| -> serde_json::Value {
        serde_json::from_str(side.as_deref().unwrap()).unwrap()
    };
    assert_eq!(side(&cut.before), json!({"name": "old", "password": "…"}));
    let after = json!({"outcome": "unknown", "begun_at": "2026-11-22T12:00:00Z"});
    assert_eq!(side(&cut.after), after);
    for chain in [None, Some(app)] {
        assert!(audit.verify(chain).await.unwrap().is_ok());
    }
}
