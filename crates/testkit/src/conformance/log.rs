//! The log: places, order, waking, and what a refused changeset leaves behind.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::store::{Store, StoreError, Verdict};
use uuid::Uuid;

use super::world::{Talk, World, at, comparable, kinds};

fn draft(kind: EventType, n: i64) -> EventDraft {
    let data = serde_json::value::to_raw_value(&serde_json::json!({ "n": n })).unwrap();
    EventDraft {
        kind,
        call_id: None,
        at: at(n),
        data,
    }
}

/// `seq` counts from 1 without gaps, per app, and the log says what the commits said.
pub async fn events_are_numbered_without_gaps(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let empty = store.log_position(world.app.id).await.unwrap();
    assert_eq!(
        (empty.head, empty.oldest, empty.epoch),
        (0, 1, world.app.epoch)
    );

    let mut told = Vec::new();
    for n in 0..20 {
        let mut change = world.nothing();
        if n % 5 != 4 {
            change.events.push(draft(EventType::ConnectionDegraded, n));
            change.events.push(draft(EventType::ConnectionRestored, n));
        }
        told.extend(store.commit(change).await.unwrap().events);
        let mut change = other.nothing();
        change.events.push(draft(EventType::ConnectionDegraded, n));
        store.commit(change).await.unwrap();
    }
    let seqs: Vec<u64> = told.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=32).collect::<Vec<u64>>());
    let log = world.log().await;
    let same = |events: &[Arc<_>]| events.iter().map(|e| comparable(e)).collect::<Vec<_>>();
    assert_eq!(same(&log), same(&told));
    assert!(log.windows(2).all(|pair| pair[0].id != pair[1].id));

    let position = store.log_position(world.app.id).await.unwrap();
    assert_eq!((position.head, position.oldest), (32, 1));
    let page = store.events_after(world.app.id, 10, 5, &[]).await.unwrap();
    assert_eq!(
        page.iter().map(|e| e.seq).collect::<Vec<_>>(),
        [11, 12, 13, 14, 15]
    );
    let restored = [EventType::ConnectionRestored, EventType::CallRing];
    let page = store
        .events_after(world.app.id, 10, 3, &restored)
        .await
        .unwrap();
    assert_eq!(page.iter().map(|e| e.seq).collect::<Vec<_>>(), [12, 14, 16]);
    assert!(
        store
            .events_after(world.app.id, 32, 10, &[])
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .events_after(world.app.id, u64::MAX, 10, &[])
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.log_position(other.app.id).await.unwrap().head, 20);
}

/// Whoever commits wakes the readers of the log before the commit returns.
pub async fn wakes_tell_of_own_commits(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let mut wakes = store.wakes();
    store.commit(world.nothing()).await.unwrap();
    let mut change = world.nothing();
    change.events = vec![
        draft(EventType::CallRing, 1),
        draft(EventType::CallStarted, 2),
    ];
    store.commit(change).await.unwrap();
    // Another node's hint, without events, may come as well; the log is the truth.
    let wake = loop {
        let wake = wakes.try_recv().expect("a wake before the commit returned");
        if !wake.events.is_empty() {
            break wake;
        }
    };
    assert_eq!((wake.app_id, wake.head), (world.app.id, 2));
    assert_eq!(
        kinds(&wake.events),
        [EventType::CallRing, EventType::CallStarted]
    );
}

/// What is refused is refused whole, alone, and with a word why.
pub async fn a_refused_changeset_leaves_no_trace(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let nobody = Uuid::from_u128(99);
    let talk = Talk::new("a", "+31612345678", "201", 0);

    let good = world.heard(talk.rings());
    let mut no_app = world.heard(talk.rings());
    no_app.app_id = AppId(nobody);
    let mut no_connection = world.heard(talk.rings());
    if let Some(note) = &mut no_connection.notification {
        note.connection_id = ConnectionId(nobody);
    }
    let mut twice = world.heard(talk.answered());
    twice.notification = good.notification.clone();
    let later = world.heard(talk.answered());

    // All at once, so that they share a group where there are groups.
    let (good, no_app, no_connection, twice, later) = tokio::join!(
        store.commit(good),
        store.commit(no_app),
        store.commit(no_connection),
        store.commit(twice),
        store.commit(later),
    );
    let good = good.unwrap().events;
    assert_eq!(no_app.unwrap_err(), StoreError::NotFound("app"));
    assert_eq!(
        no_connection.unwrap_err(),
        StoreError::NotFound("connection")
    );
    assert_eq!(twice.unwrap_err(), StoreError::Conflict("notification"));
    let later = later.unwrap().events;
    assert!(kinds(&later).contains(&EventType::CallStarted));

    let log = world.log().await;
    assert_eq!(log.len(), good.len() + later.len());
    assert_eq!(
        store.log_position(world.app.id).await.unwrap().head,
        log.len() as u64
    );
    assert_eq!(world.calls().await.len(), 1);
    assert_eq!(
        store
            .notifications(world.app.id, 10, None)
            .await
            .unwrap()
            .len(),
        2
    );
}

/// What one caller hands over one after the other is folded in that order, however many others
/// do the same.
pub async fn commits_of_one_caller_keep_their_order(store: Arc<dyn Store>) {
    let world = Arc::new(World::new(&store, 1).await);
    let callers: Vec<_> = (0..16_i64)
        .map(|caller| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for n in 0..10 {
                    let mut change = world.nothing();
                    change
                        .events
                        .push(draft(EventType::PresenceChanged, caller * 100 + n));
                    let committed = world.store.commit(change).await.unwrap();
                    seqs.extend(committed.events.iter().map(|event| event.seq));
                }
                seqs
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        let seqs = caller.await.unwrap();
        assert!(seqs.is_sorted());
        all.extend(seqs);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=160).collect::<Vec<u64>>());
    for caller in 0..16 {
        let log = world.log().await;
        let of_caller = log.iter().filter_map(|event| {
            let n = event
                .data
                .get()
                .trim_start_matches("{\"n\":")
                .trim_end_matches('}');
            n.parse::<i64>().ok().filter(|n| n / 100 == caller)
        });
        assert!(of_caller.is_sorted());
    }
}

/// The evidence is kept: the body of what was believed, the digest of what was not.
pub async fn notifications_are_kept_with_their_verdict(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let mut kept = Vec::new();
    for verdict in [Verdict::Accepted, Verdict::Rejected, Verdict::Dead] {
        for _ in 0..2 {
            let mut change = world.nothing();
            change.notification = Some(world.notification(verdict));
            kept.extend(change.notification.clone());
            assert!(store.commit(change).await.unwrap().events.is_empty());
            world.clock.advance(SignedDuration::from_millis(10));
        }
    }
    kept.reverse();
    let all = store.notifications(world.app.id, 100, None).await.unwrap();
    assert_eq!(all, kept);
    let page = store
        .notifications(world.app.id, 2, Some(kept[1].id))
        .await
        .unwrap();
    assert_eq!(page, kept[2..4]);
    assert!(
        store
            .notifications(world.app.id, 2, Some(kept[5].id))
            .await
            .unwrap()
            .is_empty()
    );
}
