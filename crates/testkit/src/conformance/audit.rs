//! The audit log: chains that only grow.

use std::sync::Arc;

use switchhook_domain::id::AppId;
use switchhook_engine::store::{Actor, ActorKind, AuditEntry, AuditQuery, BegunDeed, Store};
use uuid::Uuid;

use super::world::World;

fn entry(app: Option<AppId>, no: u64, action: &str) -> AuditEntry {
    let at = "2026-11-22T12:00:00.000001Z"
        .parse::<jiff::Timestamp>()
        .unwrap();
    AuditEntry {
        app_id: app,
        no,
        at: at + jiff::SignedDuration::from_secs(i64::try_from(no).unwrap()),
        actor: Actor {
            kind: ActorKind::Key,
            id: "7".to_owned(),
            name: "CRM \u{1F4DE}".to_owned(),
        },
        address: Some("198.51.100.9".to_owned()),
        request_id: None,
        action: action.to_owned(),
        target: "/api/contacts".to_owned(),
        status: 201,
        before: None,
        after: Some("{\"a\":1}".to_owned()),
        hash: [u8::try_from(no).unwrap(); 32],
    }
}

fn query(limit: u32) -> AuditQuery {
    AuditQuery {
        limit,
        ..AuditQuery::default()
    }
}

/// What is appended comes back whole, by chain and by condition.
pub async fn entries_are_appended_and_found(store: Arc<dyn Store>) {
    let world = World::new(&store, 17).await;
    let app = Some(world.app.id);
    assert_eq!(store.audit_head(app).await.unwrap(), None);
    for no in 1..=5 {
        let action = if no == 3 { "odd" } else { "even" };
        assert!(store.append_audit(&entry(app, no, action)).await.unwrap());
    }
    assert!(store.append_audit(&entry(None, 1, "even")).await.unwrap());
    assert_eq!(store.audit_head(app).await.unwrap(), Some((5, [5; 32])));
    assert_eq!(store.audit_chains().await.unwrap(), [None, app]);

    let numbers = |found: Vec<AuditEntry>| found.iter().map(|e| e.no).collect::<Vec<_>>();
    let all = store.audit(app, &query(10)).await.unwrap();
    assert_eq!(all[2], entry(app, 3, "odd"));
    assert_eq!(numbers(all), [5, 4, 3, 2, 1]);
    let before = AuditQuery {
        before: Some(4),
        ..query(2)
    };
    assert_eq!(numbers(store.audit(app, &before).await.unwrap()), [3, 2]);
    let odd = AuditQuery {
        action: Some("odd".to_owned()),
        ..query(10)
    };
    assert_eq!(numbers(store.audit(app, &odd).await.unwrap()), [3]);
    let between = AuditQuery {
        since: Some(entry(app, 2, "").at),
        until: Some(entry(app, 4, "").at),
        ..query(10)
    };
    assert_eq!(numbers(store.audit(app, &between).await.unwrap()), [3, 2]);
    assert_eq!(
        numbers(store.audit_after(app, 3, 10).await.unwrap()),
        [4, 5]
    );
    assert_eq!(numbers(store.audit_after(None, 0, 10).await.unwrap()), [1]);
    let stranger = Some(AppId(uuid::Uuid::from_u128(7)));
    assert_eq!(store.audit(stranger, &query(10)).await.unwrap(), []);
}

/// Two that want the same place: one gets it, the other is told.
pub async fn of_several_with_one_number_one_is_kept(store: Arc<dyn Store>) {
    let world = World::new(&store, 17).await;
    let app = Some(world.app.id);
    let tries = (0..8).map(|i| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let entry = entry(app, 1, &i.to_string());
            store.append_audit(&entry).await.unwrap()
        })
    });
    let mut kept = 0;
    for one in tries.collect::<Vec<_>>() {
        kept += usize::from(one.await.unwrap());
    }
    assert_eq!(kept, 1);
    assert_eq!(store.audit(app, &query(10)).await.unwrap().len(), 1);
}

/// A deed that has begun is remembered until its entry is there, and given out once when its time
/// has come, whichever log it is of.
pub async fn what_has_begun_is_remembered_until_it_is_on_record(store: Arc<dyn Store>) {
    let world = World::new(&store, 17).await;
    let app = Some(world.app.id);
    let start = entry(app, 1, "").at;
    let at = |minutes| start + jiff::SignedDuration::from_mins(minutes);
    let begun = |id: u128, app| BegunDeed {
        id: Uuid::from_u128(id),
        app_id: app,
        begun_at: at(i64::try_from(id).unwrap()),
        due_at: at(10),
        deed: "{\"action\":\"\u{1F4DE}\"}".to_owned(),
    };
    let (first, second, third) = (begun(1, app), begun(2, None), begun(3, None));
    for one in [&first, &second, &third] {
        store.begin_deed(one).await.unwrap();
    }
    let claim = async |now, again| store.claim_due_deeds(at(now), at(again), 10).await.unwrap();
    assert_eq!(claim(9, 11).await, [], "it may still end by itself");

    assert!(store.end_deed(&entry(app, 1, "one"), &first).await.unwrap());
    assert_eq!(store.audit_head(app).await.unwrap(), Some((1, [1; 32])));
    // Its number is taken: nothing is written, and it stays remembered.
    assert!(
        !store
            .end_deed(&entry(app, 1, "two"), &second)
            .await
            .unwrap()
    );
    let again = |one: &BegunDeed| BegunDeed {
        due_at: at(12),
        ..one.clone()
    };
    assert_eq!(claim(10, 12).await, [again(&second), again(&third)]);
    assert_eq!(claim(11, 13).await, [], "somebody has them");
    // What began in the operators' log ends in that of an app.
    assert!(
        store
            .end_deed(&entry(app, 2, "two"), &second)
            .await
            .unwrap()
    );
    let due = claim(12, 14).await;
    assert_eq!(due.iter().map(|one| one.id).collect::<Vec<_>>(), [third.id]);
    assert!(
        store
            .end_deed(&entry(None, 1, "three"), &third)
            .await
            .unwrap()
    );
    // Whoever comes late writes an entry all the same.
    assert!(
        store
            .end_deed(&entry(None, 2, "three"), &third)
            .await
            .unwrap()
    );
    assert_eq!(claim(60, 61).await, []);
    assert_eq!(store.audit_after(None, 0, 10).await.unwrap().len(), 2);
}
