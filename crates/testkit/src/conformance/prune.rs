//! Forgetting what is too old.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_engine::store::Store;

use super::world::{Talk, World, at};

/// From the oldest on, at most so many; the log never loses its middle and never its head.
pub async fn the_log_loses_its_beginning_only(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    for n in 0..10 {
        let talk = Talk::new(&format!("call-{n}"), "+31612345678", "201", n * 1_000);
        world.hear(talk.rings()).await;
        other.hear(talk.rings()).await;
        for world in [&world, &other] {
            world.clock.advance(SignedDuration::from_secs(60));
        }
    }
    let log = world.log().await;
    // Three of each call.
    assert_eq!(log.len(), 30);
    let minute = |n: i64| at(n * 60_000);
    assert_eq!(store.prune(at(-1), at(-1), 100).await.unwrap(), (0, 0));
    // At most so many of each, whosever they are.
    let (mut notifications, mut events) = (0, 0);
    for _ in 0..100 {
        let gone = store.prune(minute(4), minute(6), 3).await.unwrap();
        assert!(gone.0 <= 3 && gone.1 <= 3);
        if gone == (0, 0) {
            break;
        }
        notifications += gone.0;
        events += gone.1;
    }
    assert_eq!((notifications, events), (8, 36));
    for world in [&world, &other] {
        let left = store.notifications(world.app.id, 100, None).await.unwrap();
        assert_eq!(left.len(), 6);
        assert!(left.iter().all(|note| note.received_at >= minute(4)));
        let position = store.log_position(world.app.id).await.unwrap();
        assert_eq!((position.head, position.oldest), (30, 19));
        let seqs: Vec<u64> = world.log().await.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (19..=30).collect::<Vec<u64>>());
        assert_eq!(world.calls().await.len(), 10, "calls stay");
    }
    store.prune(minute(100), minute(100), 1_000).await.unwrap();
    let position = store.log_position(world.app.id).await.unwrap();
    assert_eq!((position.head, position.oldest), (30, 31));
    let talk = Talk::new("next", "+31612345678", "201", 0);
    world.hear(talk.rings()).await;
    let position = store.log_position(world.app.id).await.unwrap();
    assert_eq!(
        (position.head, position.oldest),
        (33, 31),
        "seq goes on where it was"
    );
}
