//! Many writers and readers at once, on one handle and on two (two nodes): the log never has a
//! gap, never moves under a reader, and holds everything that was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchhook_domain::id::AppId;
use switchhook_engine::store::Store;
use switchhook_testkit::conformance::world::{Talk, World};

use crate::backends::{self, Place};

const WRITERS: usize = 6;
const COMMITS: usize = 40;

/// Reads on as a consumer does, and checks that nothing is skipped, until the writers are done
/// and the head is reached.
async fn follow(store: Arc<dyn Store>, app: AppId, done: Arc<AtomicBool>, step: u32) -> u64 {
    let mut last = 0;
    loop {
        let over = done.load(Ordering::SeqCst);
        let events = store.events_after(app, last, step, &[]).await.unwrap();
        for event in &events {
            assert_eq!(event.seq, last + 1, "a gap");
            last = event.seq;
        }
        if events.is_empty() {
            if over && store.log_position(app).await.unwrap().head == last {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn many_writers(handles: Vec<Arc<dyn Store>>) {
    let worlds = [
        World::new(&handles[0], 1).await,
        World::new(&handles[0], 2).await,
    ];
    let worlds = Arc::new(worlds);
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for (index, handle) in handles.iter().enumerate() {
        for world in worlds.iter() {
            let step = [3, 100][index % 2];
            let reader = follow(Arc::clone(handle), world.app.id, Arc::clone(&done), step);
            readers.push(tokio::spawn(reader));
        }
    }
    let mut writers = Vec::new();
    for (node, handle) in handles.iter().enumerate() {
        for writer in 0..WRITERS {
            let (handle, worlds) = (Arc::clone(handle), Arc::clone(&worlds));
            writers.push(tokio::spawn(async move {
                let mut told = Vec::new();
                for n in 0..COMMITS {
                    let world = &worlds[(writer + n) % 2];
                    // Half of the calls are shared by all writers of all nodes.
                    let key = match n % 2 {
                        0 => format!("own-{node}-{writer}-{n}"),
                        _ => format!("shared-{n}"),
                    };
                    let extension = format!("2{node}{writer}");
                    let talk = Talk::new(&key, "+31612345678", &extension, 1_000);
                    let change = world.heard(talk.rings());
                    let committed = handle.commit(change).await.unwrap();
                    assert!(committed.events.is_sorted_by_key(|event| event.seq));
                    told.extend(committed.events);
                }
                told
            }));
        }
    }
    let mut told = BTreeMap::new();
    for writer in writers {
        for event in writer.await.unwrap() {
            let before = told.insert((event.app_id, event.seq), event.id);
            assert!(before.is_none(), "one place given out twice");
        }
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    let mut logged = BTreeMap::new();
    for world in worlds.iter() {
        for event in world.log().await {
            logged.insert((event.app_id, event.seq), event.id);
        }
        let shared = world.calls().await;
        assert!(!shared.is_empty());
    }
    assert_eq!(logged, told, "the log is what was acknowledged");
    let calls: u64 = {
        let mut total = 0;
        for world in worlds.iter() {
            let query = switchhook_engine::store::CallQuery {
                limit: 1,
                ..Default::default()
            };
            total += world.list(query).await.total;
        }
        total
    };
    // A shared key is one call per app, whoever told of it first.
    let own = handles.len() * WRITERS * COMMITS / 2;
    assert_eq!(calls, (own + COMMITS / 2 * 2) as u64);
}

async fn on(place: Option<Place>, nodes: usize) {
    let Some(place) = place else { return };
    let mut handles = Vec::new();
    for _ in 0..nodes {
        handles.push(place.open().await);
    }
    many_writers(handles.clone()).await;
    for handle in &handles {
        handle.close().await;
    }
    place.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_one_process() {
    on(backends::sqlite().await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_two_processes() {
    on(backends::sqlite().await, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_one_node() {
    on(backends::postgres().await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_two_nodes() {
    on(backends::postgres().await, 2).await;
}

/// Another node hears of a commit without asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_wakes_the_other_node() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let (first, second) = (place.open().await, place.open().await);
    let world = World::new(&first, 1).await;
    // The other node must have begun to listen: told again until it hears.
    let mut wakes = second.wakes();
    let mut heard = None;
    for n in 0..50 {
        let talk = Talk::new(&format!("a{n}"), "+31612345678", "201", 0);
        world.hear(talk.rings()).await;
        if let Ok(wake) = tokio::time::timeout(Duration::from_millis(200), wakes.recv()).await {
            heard = Some(wake.unwrap());
            break;
        }
    }
    let heard = heard.expect("a wake");
    assert_eq!(heard.app_id, world.app.id);
    assert!(heard.events.is_empty() && heard.head >= 3);
    // From then on at once.
    let mut own = first.wakes();
    let talk = Talk::new("b", "+31612345678", "201", 0);
    while wakes.try_recv().is_ok() {}
    let began = std::time::Instant::now();
    world.hear(talk.rings()).await;
    let head = first.log_position(world.app.id).await.unwrap().head;
    while wakes.recv().await.unwrap().head < head {}
    assert!(began.elapsed() < Duration::from_secs(2));
    // And its own listeners hear once, with the events.
    let wake = own.recv().await.unwrap();
    assert_eq!((wake.head, wake.events.len()), (head, 3));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(own.try_recv().is_err(), "heard twice of its own commit");
    first.close().await;
    second.close().await;
    place.clean().await;
}
