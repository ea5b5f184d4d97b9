//! Death at any moment: what was acknowledged is there, once, and nothing is there by half.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use switchhook_domain::event::{EventDraft, EventType};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{Changeset, StoreError};
use switchhook_storage::{OpenOptions, open};
use switchhook_testkit::clock::SeededEntropy;
use switchhook_testkit::conformance::world::{Talk, World, records};

use crate::backends;
use crate::proxy::{Cut, Proxy};

/// Set for a child process: the address of the store it works on.
pub const CHILD_URL: &str = "SWITCHHOOK_TEST_CHILD_URL";
/// Set for a child process: what its changesets are made from.
const CHILD_SEED: &str = "SWITCHHOOK_TEST_CHILD_SEED";

/// Not a test: what the child processes of the tests below do.
#[test]
fn child() {
    let Ok(url) = std::env::var(CHILD_URL) else {
        return;
    };
    let seed: u64 = std::env::var(CHILD_SEED).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&url, OpenOptions::default()).await.unwrap();
        let world = Arc::new(World::new(&store, seed).await);
        say(&format!("app {}", world.app.id));
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    for n in 0.. {
                        let talk = Talk::new(&format!("{task}-{n}"), "+31612345678", "201", n);
                        let committed =
                            world.store.commit(world.heard(talk.rings())).await.unwrap();
                        for event in committed.events {
                            say(&format!("ack {} {}", event.seq, event.id));
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Starts this test program again as a child.
pub fn spawn_child(test: &str, envs: &[(&str, &str)]) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(envs.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kill_9() {
    let place = backends::sqlite().await.unwrap();
    let entropy = SeededEntropy::new(std::process::id().into());
    for round in 0..10_u64 {
        let seed = entropy.next_u64().to_string();
        let mut child = spawn_child(
            "durability::child",
            &[(CHILD_URL, &place.url), (CHILD_SEED, &seed)],
        );
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // From the very first commits to a well filled log.
        let enough = entropy.below(40 * (round + 1));
        let (mut app, mut acked) = (None, Vec::new());
        for line in &mut lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                [.., "app", id] => app = Some(id.parse().unwrap()),
                ["ack", seq, id] => {
                    acked.push((seq.parse::<u64>().unwrap(), (*id).to_owned()));
                    if acked.len() as u64 >= enough {
                        break;
                    }
                }
                _ => {}
            }
        }
        child.kill().unwrap();
        // What it still said before it died counts too; half a line does not.
        for line in lines.map_while(Result::ok) {
            if let ["ack", seq, id] = line.split(' ').collect::<Vec<_>>().as_slice()
                && id.len() == 36
            {
                acked.push((seq.parse().unwrap(), (*id).to_owned()));
            }
        }
        child.wait().unwrap();
        check_after_death(&place.url, app.expect("an app"), &acked).await;
    }
    place.clean().await;
}

async fn check_after_death(url: &str, app: switchhook_domain::id::AppId, acked: &[(u64, String)]) {
    let store = open(url, OpenOptions::default()).await.unwrap();
    let log = store.events_after(app, 0, 1_000_000, &[]).await.unwrap();
    let position = store.log_position(app).await.unwrap();
    assert_eq!(
        position.head,
        log.len() as u64,
        "the counter and the log agree"
    );
    for (index, event) in log.iter().enumerate() {
        assert_eq!(event.seq, index as u64 + 1, "no gap");
    }
    for (seq, id) in acked {
        let found = log.get(usize::try_from(*seq).unwrap() - 1);
        assert_eq!(
            found.map(|event| event.id.to_string()),
            Some(id.clone()),
            "acknowledged"
        );
    }
    // Every changeset gave one notification, one call and three events.
    let notes = store.notifications(app, 1_000_000, None).await.unwrap();
    assert_eq!(notes.len() * 3, log.len(), "nothing by half");
    let (mut calls, mut after) = (BTreeSet::new(), None);
    loop {
        let query = switchhook_engine::store::CallQuery {
            limit: 100,
            after,
            ..Default::default()
        };
        let page = store.calls(app, &query).await.unwrap();
        calls.extend(records(&page).into_iter().map(|call| call.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let told: BTreeSet<_> = log.iter().filter_map(|event| event.call_id).collect();
    assert_eq!(
        calls, told,
        "no call without its events, no event without its call"
    );
    store.close().await;
}

/// A changeset that can be told from every other.
fn marked(world: &World, mark: u64) -> Changeset {
    let mut change = world.nothing();
    change.random = world.entropy.random();
    let data = serde_json::value::to_raw_value(&serde_json::json!({ "mark": mark })).unwrap();
    let kind = EventType::ConnectionRestored;
    change.events = vec![EventDraft {
        kind,
        call_id: None,
        at: change.at,
        data,
    }];
    change
}

async fn marks(world: &World) -> Vec<u64> {
    let read = |text: &str| {
        text.trim_start_matches("{\"mark\":")
            .trim_end_matches('}')
            .parse()
    };
    world
        .log()
        .await
        .iter()
        .map(|event| read(event.data.get()).unwrap())
        .collect()
}

/// Connections are cut again and again while eight callers commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_cut_connections() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let store = place.open().await;
    let world = Arc::new(World::new(&store, 1).await);
    let over = Arc::new(AtomicBool::new(false));
    let cutter = {
        let (over, url) = (Arc::clone(&over), place.url.clone());
        tokio::spawn(async move {
            let client = backends::connect(&url).await;
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            while !over.load(Ordering::SeqCst) {
                client.query(sql, &[]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        })
    };
    let next = Arc::new(AtomicU64::new(1));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (world, next) = (Arc::clone(&world), Arc::clone(&next));
            tokio::spawn(async move {
                let (mut acked, mut refused) = (Vec::new(), Vec::new());
                let end = Instant::now() + Duration::from_secs(3);
                while Instant::now() < end {
                    let mark = next.fetch_add(1, Ordering::SeqCst);
                    match world.store.commit(marked(&world, mark)).await {
                        Ok(_) => acked.push(mark),
                        Err(StoreError::Unavailable(_)) => refused.push(mark),
                        Err(error) => panic!("{error}"),
                    }
                }
                (acked, refused)
            })
        })
        .collect();
    let (mut acked, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for writer in writers {
        let (good, bad) = writer.await.unwrap();
        acked.extend(good);
        refused.extend(bad);
    }
    over.store(true, Ordering::SeqCst);
    cutter.await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let found = settled(&world).await;
    let unique: BTreeSet<u64> = found.iter().copied().collect();
    assert_eq!(unique.len(), found.len(), "nothing twice");
    assert!(acked.is_subset(&unique), "nothing lost");
    assert!(
        unique
            .iter()
            .all(|mark| acked.contains(mark) || refused.contains(mark))
    );
    assert!(
        acked.len() > 20,
        "and it went on: {} acknowledged",
        acked.len()
    );
    let log = world.log().await;
    assert!(log.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    store.close().await;
    place.clean().await;
}

/// Reads may meet a connection that was just cut.
async fn settled(world: &World) -> Vec<u64> {
    for _ in 0..20 {
        if world.store.ping().await.is_ok() {
            break;
        }
    }
    marks(world).await
}

/// The connection breaks before or after the server heard of COMMIT, and nobody hears the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_asks_what_became_of_a_commit() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let proxy = Proxy::start(&place.url).await;
    let store = open(&proxy.url, OpenOptions::default()).await.unwrap();
    let world = World::new(&store, 1).await;
    let mut expected = Vec::new();
    for mark in 1..=8_u64 {
        proxy.next(if mark % 2 == 0 {
            Cut::AfterCommit
        } else {
            Cut::BeforeCommit
        });
        let committed = store.commit(marked(&world, mark)).await.unwrap();
        assert_eq!(committed.events.len(), 1);
        assert_eq!(committed.events[0].seq, mark);
        assert!(proxy.has_cut(), "the connection was cut");
        expected.push(mark);
    }
    assert_eq!(marks(&world).await, expected);
    store.close().await;
    place.clean().await;
}

/// A database that is away is said so in bounded time, and used again when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_away_is_said_in_time() {
    let Some(place) = backends::postgres().await else {
        return;
    };
    let proxy = Proxy::start(&place.url).await;
    let store = open(&proxy.url, OpenOptions::default()).await.unwrap();
    let world = World::new(&store, 1).await;
    store.commit(marked(&world, 1)).await.unwrap();
    proxy.close_all();
    let began = Instant::now();
    let refused = store.commit(marked(&world, 2)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    proxy.open_again();
    store.commit(marked(&world, 3)).await.unwrap();
    assert_eq!(marks(&world).await, [1, 3]);
    store.close().await;
    assert!(matches!(
        store.commit(marked(&world, 4)).await,
        Err(StoreError::Unavailable(_))
    ));
    place.clean().await;

    let began = Instant::now();
    let nobody = open(
        "postgres://switchhook@127.0.0.1:1/none",
        OpenOptions::default(),
    )
    .await;
    assert!(matches!(nobody.err(), Some(StoreError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// What cannot be read back fails alone, with the place and without the data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_call_fails_alone() {
    let place = backends::sqlite().await.unwrap();
    let store = place.open().await;
    let world = World::new(&store, 1).await;
    let (broken, sound) = (
        Talk::new("broken", "+31612345678", "201", 0),
        Talk::new("sound", "+31687654321", "202", 0),
    );
    world.hear(broken.rings()).await;
    world.hear(sound.rings()).await;
    let path = place.url.trim_start_matches("sqlite://").to_owned();
    let other = rusqlite::Connection::open(path).unwrap();
    other
        .execute(
            "UPDATE call_bodies SET state = '{\"secret\":1' WHERE row = 1",
            [],
        )
        .unwrap();
    let (bad, good) = tokio::join!(
        store.commit(world.heard(broken.answered())),
        store.commit(world.heard(sound.answered())),
    );
    let error = bad.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(place) if place.contains("call_bodies.state")));
    assert!(!error.to_string().contains("secret"));
    let told = good.unwrap().events.len() as u64;
    assert!(told > 0);
    assert_eq!(
        store.log_position(world.app.id).await.unwrap().head,
        6 + told
    );
    store.close().await;
}

/// A second process that holds the database makes us wait, then say so, and forget nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_said_in_time() {
    let place = backends::sqlite().await.unwrap();
    let store = place.open().await;
    let world = World::new(&store, 1).await;
    let path = place.url.trim_start_matches("sqlite://").to_owned();
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let refused = store.commit(marked(&world, 1)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(
        store.log_position(world.app.id).await.unwrap().head,
        0,
        "reads go on"
    );
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(marked(&world, 2)).await.unwrap();
    assert_eq!(marks(&world).await, [2]);
    store.close().await;
}
