//! How many notifications a second a store makes durable: each is folded into its call (as rich
//! as a Dialpad event: nine facts, three keys, 1.2 KB of body) and committed with its events
//! before it is acknowledged.
//!
//! ```text
//! cargo bench -p switchhook-storage                      SQLite, fsync before every answer
//! SWITCHHOOK_BENCH_POSTGRES=postgres://… cargo bench …   PostgreSQL as well, in that database
//! ```

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::SignedDuration;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Party, Signal};
use switchhook_engine::store::{Changeset, Store};
use switchhook_storage::{Durability, OpenOptions, open};
use switchhook_testkit::conformance::world::{START, World, phone};
use tokio::runtime::Runtime;

/// As in the server.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// What is told about one call by its notifications: ringing, connected, hangup.
fn call() -> [Vec<Signal>; 3] {
    let n = CALLS.fetch_add(1, Ordering::Relaxed);
    let begins = START + SignedDuration::from_millis(i64::try_from(n).unwrap() * 10);
    let id = 5_780_678_246_121_472 + n * 3;
    let keys: Vec<String> = (0..3).map(|k| format!("call:{}", id + k)).collect();
    let leg = (id + 1).to_string();
    let caller = Party {
        number: Some(phone(&format!("+316{:08}", n % 100_000_000))),
        name: Some("Jansen Installatietechniek".to_owned()),
        ..Party::default()
    };
    let agent = Party {
        number: Some(phone("+31201234567")),
        name: Some("Fatima el Amrani".to_owned()),
        user_id: Some("5137131486658560".to_owned()),
        email: Some("fatima@example.nl".to_owned()),
        ..Party::default()
    };
    let after = |seconds| begins + SignedDuration::from_secs(seconds);
    let mut told = vec![
        Signal::leg(
            begins,
            &keys,
            &leg,
            LegFact::Seen {
                kind: LegKind::Agent,
                origin: false,
                party: agent,
            },
        ),
        Signal::leg(
            begins,
            &keys,
            &id.to_string(),
            LegFact::Seen {
                kind: LegKind::Routing,
                origin: false,
                party: Party::default(),
            },
        ),
        Signal::call(begins, &keys, CallFact::Direction(Direction::Inbound)),
        Signal::call(begins, &keys, CallFact::Remote(caller)),
        Signal::call(begins, &keys, CallFact::Line(phone("+31201234567"))),
        Signal::call(begins, &keys, CallFact::Queue("Support".to_owned())),
        Signal::leg(after(1), &keys, &leg, LegFact::Rang),
    ];
    let ringing = told.clone();
    told.push(Signal::leg(after(5), &keys, &leg, LegFact::Answered));
    let connected = told.clone();
    let cause = Cause::reason(Reason::Normal);
    told.push(Signal::leg(after(95), &keys, &leg, LegFact::Ended(cause)));
    told.push(Signal::call(after(95), &keys, CallFact::HoldTotal(0)));
    [ringing, connected, told]
}

fn heard(world: &World, signals: Vec<Signal>) -> Changeset {
    world.clock.advance(SignedDuration::from_micros(37));
    let mut change = world.heard(signals);
    if let Some(note) = &mut change.notification {
        note.body = Some(vec![b'x'; 1_200]);
    }
    change
}

/// So many callers at once, together so many notifications; the time until all are acknowledged.
async fn run(world: &Arc<World>, callers: u64, notifications: u64) -> Duration {
    let each = notifications.div_ceil(callers * 3);
    // Made in the order in which they will come, as in life: ids and times go up with them.
    let mut prepared: Vec<Vec<Changeset>> = (0..callers).map(|_| Vec::new()).collect();
    for _ in 0..each {
        let mut calls: Vec<_> = (0..callers).map(|_| call().into_iter()).collect();
        for _ in 0..3 {
            for (caller, call) in prepared.iter_mut().zip(&mut calls) {
                caller.extend(call.next().map(|signals| heard(world, signals)));
            }
        }
    }
    let start = Instant::now();
    let tasks: Vec<_> = prepared
        .into_iter()
        .map(|calls| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                for change in calls {
                    world.store.commit(change).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = start.elapsed();
    let done = u32::try_from(each * callers * 3).unwrap();
    elapsed * u32::try_from(notifications).unwrap() / done
}

fn bench_store(criterion: &mut Criterion, name: &str, url: &str, durability: Durability) {
    let runtime = Runtime::new().unwrap();
    let options = OpenOptions {
        durability,
        ..OpenOptions::default()
    };
    let store: Arc<dyn Store> = runtime.block_on(open(url, options)).unwrap();
    let world = Arc::new(runtime.block_on(World::new(&store, u64::from(std::process::id()))));
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(6))
        .throughput(Throughput::Elements(1));
    for callers in [1, 64, 256] {
        group.bench_function(BenchmarkId::from_parameter(callers), |bencher| {
            bencher.iter_custom(|count| {
                let count = count.max(callers * 3);
                runtime.block_on(run(&world, callers, count))
            });
        });
    }
    group.finish();
    runtime.block_on(store.close());
}

fn sqlite(criterion: &mut Criterion) {
    for (name, durability) in [
        ("sqlite", Durability::Full),
        ("sqlite_normal", Durability::Normal),
    ] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let url = format!("sqlite://{}", folder.path().join("bench.db").display());
        bench_store(criterion, name, &url, durability);
    }
}

fn postgres(criterion: &mut Criterion) {
    if let Ok(url) = std::env::var("SWITCHHOOK_BENCH_POSTGRES") {
        bench_store(criterion, "postgres", &url, Durability::Full);
    }
}

criterion_group!(benches, sqlite, postgres);
criterion_main!(benches);
