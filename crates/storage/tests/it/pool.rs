//! How many connections to PostgreSQL a node holds, and what a store says of its load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchhook_domain::id::ContactId;
use switchhook_engine::store::{ContactQuery, Store, StoreError};
use switchhook_storage::{OpenOptions, open};
use switchhook_testkit::conformance::world::{Talk, World};
use tokio_postgres::Client;

use crate::backends::{self, Place};

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn opened(place: &Place, max: usize, min: usize, idle: Duration) -> Arc<dyn Store> {
    let options = OpenOptions {
        max_connections: Some(max),
        min_connections: min,
        idle_timeout: idle,
        ..backends::options()
    };
    open(&place.url, options).await.unwrap()
}

/// How many connections the server counts in this database, its own and this one's left out.
async fn counted(watch: &Client) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
               AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let count: i64 = watch.query_one(sql, &[]).await.unwrap().get(0);
    usize::try_from(count).unwrap()
}

async fn until(what: &str, mut there: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !there().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// Writes and reads of several apps at once, more than there are connections.
async fn press(store: &Arc<dyn Store>, rounds: usize) {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let seed = SEED.fetch_add(1, Ordering::Relaxed);
        let world = Arc::new(World::new(store, seed).await);
        for caller in 0..6 {
            let world = Arc::clone(&world);
            tasks.push(tokio::spawn(async move {
                for round in 0..rounds {
                    let key = format!("{caller}-{round}");
                    let talk = Talk::new(&key, "+31612345678", "21", 1_000);
                    world.store.commit(world.heard(talk.rings())).await.unwrap();
                    let (store, id) = (&world.store, world.app.id);
                    store.contacts(id, &ContactQuery::default()).await.unwrap();
                    store.snapshot(id).await.unwrap();
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_never_holds_more_connections_than_it_may() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    for max in [4, 7] {
        let store = opened(&place, max, 0, Duration::ZERO).await;
        let watch = backends::connect(&place.url).await;
        // The connection that looked at the migrations ends in its own time.
        until("only the store's", async || counted(&watch).await <= 2).await;
        let pressing = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { press(&store, 20).await })
        };
        let mut most = 0;
        while !pressing.is_finished() {
            most = most.max(counted(&watch).await);
        }
        pressing.await.unwrap();
        assert_eq!(most, max, "all are used under load, and none more");
        store.close().await;
        until("all are closed", async || counted(&watch).await == 0).await;
    }
    place.clean().await;
}

#[tokio::test]
async fn too_few_connections_are_refused_before_anything_is_touched() {
    let options = OpenOptions {
        max_connections: Some(3),
        ..backends::options()
    };
    // Nobody is there, and nobody is asked.
    let refused = open("postgres://u@127.0.0.1:1/d", options).await.err();
    let Some(StoreError::Unusable(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("at least 4"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_go_away_down_to_the_minimum() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let watch = backends::connect(&place.url).await;
    let soon = Duration::from_millis(400);
    // Two writers and the listener stay in any case.
    for (min, left) in [(0, 3), (5, 5)] {
        let store = opened(&place, 10, min, soon).await;
        press(&store, 10).await;
        let full = counted(&watch).await;
        assert!(full > left, "{full} after the load");
        until("the idle ones are closed", async || {
            counted(&watch).await == left
        })
        .await;
        tokio::time::sleep(soon * 3).await;
        assert_eq!(counted(&watch).await, left, "and no others");
        // Those that were closed are made anew when they are needed.
        press(&store, 2).await;
        store.close().await;
        until("all are closed", async || counted(&watch).await == 0).await;
    }
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_of_postgres_is_told() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let store = opened(&place, 6, 0, Duration::ZERO).await;
    // Of these apps both writers have some.
    let worlds = [World::new(&store, 1).await, World::new(&store, 2).await];
    let lock = backends::connect(&place.url).await;
    lock.batch_execute("BEGIN; LOCK TABLE contacts, calls IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for world in worlds.iter().cycle().take(10) {
        let (store, id) = (Arc::clone(&store), world.app.id);
        tasks.push(tokio::spawn(async move {
            store.contact(id, ContactId(id.0)).await.map(drop)
        }));
    }
    for world in &worlds {
        let talk = Talk::new("held", "+31612345678", "21", 1_000);
        let (store, change) = (Arc::clone(&store), world.heard(talk.rings()));
        tasks.push(tokio::spawn(
            async move { store.commit(change).await.map(drop) },
        ));
    }
    until("three readers and both writers are held", async || {
        let load = store.load();
        load.active == 5 && load.idle == 0 && load.waiting == 7 && load.queued == 2
    })
    .await;
    lock.batch_execute("ROLLBACK").await.unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    until("all have nothing to do", async || {
        let load = store.load();
        load.idle == 5 && load.active + load.waiting + load.queued == 0
    })
    .await;
    store.close().await;
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_of_sqlite_is_told() {
    let place = backends::sqlite().await.unwrap();
    let options = OpenOptions {
        readers: 2,
        ..backends::options()
    };
    let store = open(&place.url, options).await.unwrap();
    let world = World::new(&store, 1).await;
    until("two read and one writes, and all are idle", async || {
        let load = store.load();
        load.idle == 3 && load.active + load.waiting + load.queued == 0
    })
    .await;
    let path = place.url.strip_prefix("sqlite://").unwrap();
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = Vec::new();
    for n in 0..3 {
        let talk = Talk::new(&format!("held-{n}"), "+31612345678", "21", 1_000);
        let (store, change) = (Arc::clone(&store), world.heard(talk.rings()));
        tasks.push(tokio::spawn(async move { store.commit(change).await }));
    }
    until("the writer is held and three wait", async || {
        let load = store.load();
        load.active == 1 && load.queued == 3
    })
    .await;
    other.execute_batch("ROLLBACK").unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.load().queued, 0);
    store.close().await;
}
