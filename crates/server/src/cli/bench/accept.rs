//! How many webhooks a second are accepted: verified, folded, committed with fsync, answered 2xx;
//! against what the HTTP stack can do when nothing is behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::ports::{Clock, SystemClock};

use super::child::{Server, Tenant};
use super::http::{Connection, Rate, post};
use super::percentile;

/// The rate of empty POSTs.
pub(super) async fn ceiling(connections: usize, time: Duration) -> anyhow::Result<Rate> {
    let server = Server::empty().await?;
    let body = vec![b'x'; 1200];
    let request = post("/empty", "application/json", &body);
    load(&server.address, Arc::new(vec![request]), connections, time).await
}

/// The rate of durable accepts. Whole calls, each notification once, interleaved over calls.
pub(super) async fn durable(
    database_url: Option<String>,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Rate> {
    let server = Server::full(database_url).await?;
    let tenant = server.tenant("accept").await?;
    let requests = tokio::task::spawn_blocking(move || calls(&tenant, 40_000)).await?;
    load(&server.address, Arc::new(requests), connections, time).await
}

/// About so many requests: ring, answer and hang-up of many calls, one state of all calls of a
/// block after another, so that neighbours are different calls as they are in life.
pub(super) fn calls(tenant: &Tenant, about: usize) -> Vec<Vec<u8>> {
    let mut requests = Vec::with_capacity(about + 512);
    let mut seed = 0_u64;
    while requests.len() < about {
        let block: Vec<_> = (0..128)
            .map(|_| {
                seed += 1;
                let call = CallSeed::new(seed, SystemClock.now());
                simulate::dialpad(Scenario::Answered, &call, &tenant.secret)
            })
            .collect();
        let longest = block.iter().map(Vec::len).max().unwrap_or(0);
        for index in 0..longest {
            let steps = block.iter().filter_map(|steps| steps.get(index));
            requests.extend(steps.map(|s| post(&tenant.hook, s.content_type, &s.body)));
        }
    }
    requests
}

/// Sends the requests over so many connections, from the start again when they run out.
pub(super) async fn load(
    address: &str,
    requests: Arc<Vec<Vec<u8>>>,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Rate> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    let start = Instant::now();
    let warm = time / 5;
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        let (requests, next) = (requests.clone(), next.clone());
        workers.spawn(async move {
            let mut taken = Vec::new();
            let mut failed = 0_u64;
            while start.elapsed() < time + warm {
                let index = next.fetch_add(1, Ordering::Relaxed) % requests.len();
                let sent = Instant::now();
                let status = connection.request(&requests[index]).await?;
                if sent.duration_since(start) >= warm {
                    taken.push(sent.elapsed());
                    failed += u64::from(!(200..300).contains(&status));
                }
            }
            anyhow::Ok((taken, failed))
        });
    }
    let mut taken = Vec::new();
    let mut failed = 0;
    while let Some(worker) = workers.join_next().await {
        let (more, bad) = worker??;
        taken.extend(more);
        failed += bad;
    }
    taken.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let per_second = taken.len() as f64 / time.as_secs_f64();
    Ok(Rate {
        per_second,
        p50: percentile(&taken, 0.5),
        p99: percentile(&taken, 0.99),
        failed,
    })
}
