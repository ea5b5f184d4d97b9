//! What one app feels of a flood on another: a steady, modest load of webhooks and reads, alone
//! and beside a flood, in rounds that take turns within one run, so that what else the machine
//! does falls on both. The flood is paced, many times what one app is allowed: a client that took
//! all it can of the cores would measure itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::child::{Server, Tenant};
use super::cpu::Cpu;
use super::http::{Connection, get};
use super::{Figure, accept, figure, millis, percentile};

/// Calls of the noisy app before it begins, for its lists to be worth the name.
const CALLS: u64 = 10_000;
/// Webhooks a second of the quiet app.
const HOOKS: u32 = 10;
/// Its keys, and reads a second with each.
const KEYS: usize = 3;
const READS: u32 = 4;
/// What the flood reads. No call has this agent, and no index helps to find that out: as heavy as a
/// list gets.
const LIST: &str = "/api/calls?limit=100&agent=nobody";
/// The flood's connections for each request a second, and for each list. What is over the limit of
/// a webhook address is held back for two seconds: fewer connections would slow the flood down.
const POSTING: f64 = 2.5;
const READING: f64 = 0.3;

/// Picks the times of one kind of request.
type TimesOf = fn(&Taken) -> &Vec<Duration>;

/// How the flood is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood {
    /// Webhooks a second.
    pub(super) hooks: u32,
    /// Heavy lists a second.
    pub(super) reads: u32,
    /// Rounds, each once alone and once beside the flood.
    pub(super) rounds: u32,
    /// How long half a round takes.
    pub(super) time: Duration,
    /// Whether the server limits its callers as it does when nothing is configured.
    pub(super) limits: bool,
}

/// What the quiet app's requests took.
#[derive(Default)]
struct Taken {
    hooks: Vec<Duration>,
    reads: Vec<Duration>,
    failed: u64,
}

/// Both apps on one server.
pub(super) async fn measure(
    store: &str,
    database_url: Option<String>,
    flood: Flood,
) -> anyhow::Result<Vec<Figure>> {
    let server = Server::full(database_url).await?;
    let (noisy, quiet) = (server.tenant("noisy").await?, server.tenant("quiet").await?);
    let mut keys = vec![quiet.key.clone()];
    for _ in 1..KEYS {
        keys.push(server.key(&quiet).await?);
    }
    let maker = noisy.clone();
    let about = usize::try_from(CALLS * 4)?;
    let requests = tokio::task::spawn_blocking(move || accept::calls(&maker, about)).await?;
    super::lists::fill(&server.address, &requests).await?;
    // What a database does about a filling, it would do in the midst of one half or the other.
    server.look_over().await?;
    let requests = Arc::new(requests);
    let mut probe = Connection::open(&server.address).await?;
    let status = probe.request(&get(LIST, &noisy.key)).await?;
    anyhow::ensure!(status == 200, "the list of the flood is answered {status}");
    let server = if flood.limits {
        server.again(true).await?
    } else {
        server
    };
    let maker = quiet.clone();
    let steady = tokio::task::spawn_blocking(move || accept::calls(&maker, 8_000)).await?;
    let quiet = Quiet {
        address: server.address.clone(),
        hooks: Arc::new(steady),
        keys,
        next: Arc::default(),
    };
    quiet.load(flood.time).await?;
    let (mut alone, mut beside) = (Half::default(), Half::default());
    let sent = Arc::new(Sent::default());
    for _ in 0..flood.rounds {
        alone.round(&server, &quiet, flood.time).await?;
        let going = Arc::new(AtomicBool::new(true));
        let noise = noise(&server, &noisy, &requests, flood, &going, &sent);
        // It is well under way when the measurement begins.
        tokio::time::sleep(flood.time / 5).await;
        beside.round(&server, &quiet, flood.time).await?;
        going.store(false, Ordering::Relaxed);
        noise.join_all().await;
    }
    Ok(figures(store, flood, &alone, &beside, &sent))
}

/// The rounds alone, or those beside the flood.
#[derive(Default)]
struct Half {
    rounds: Vec<Taken>,
    cpu: Cpu,
}

impl Half {
    async fn round(
        &mut self,
        server: &Server,
        quiet: &Quiet,
        time: Duration,
    ) -> anyhow::Result<()> {
        let pid = server.pid()?;
        let from = Cpu::now(pid);
        self.rounds.push(quiet.load(time).await?);
        self.cpu.add(from, Cpu::now(pid));
        Ok(())
    }

    /// The median of what each round's p99 was, in milliseconds, and what there is to say of it.
    fn p99(&self, of: fn(&Taken) -> &Vec<Duration>) -> (f64, String) {
        let mut all = Vec::new();
        let mut rounds = Vec::new();
        for round in &self.rounds {
            let mut taken = of(round).clone();
            taken.sort_unstable();
            rounds.push(millis(percentile(&taken, 0.99)));
            all.extend(taken);
        }
        all.sort_unstable();
        let told: Vec<String> = rounds.iter().map(|p99| format!("{p99:.1}")).collect();
        rounds.sort_unstable_by(f64::total_cmp);
        let (low, high) = (rounds.len().saturating_sub(1) / 2, rounds.len() / 2);
        let median = |index: usize| rounds.get(index).copied().unwrap_or_default();
        let note = format!(
            "rounds {}; together p50 {:.2}, p99 {:.2} ms of {}",
            told.join(" "),
            millis(percentile(&all, 0.5)),
            millis(percentile(&all, 0.99)),
            all.len()
        );
        (f64::midpoint(median(low), median(high)), note)
    }
}

fn figures(store: &str, flood: Flood, alone: &Half, beside: &Half, sent: &Sent) -> Vec<Figure> {
    let mut figures = Vec::new();
    let limits = if flood.limits { "limits" } else { "no limits" };
    let kinds: [(&str, TimesOf); 2] = [
        ("webhook", |taken| &taken.hooks),
        ("read", |taken| &taken.reads),
    ];
    for (kind, of) in kinds {
        let what = |rest: &str| format!("{store}, {limits}, {kind}, {rest}");
        let (before, note) = alone.p99(of);
        figures.push(figure(&what("alone, p99"), before, "ms", note));
        let (after, note) = beside.p99(of);
        figures.push(figure(&what("beside a flood, p99"), after, "ms", note));
        let ratio = after / before.max(f64::MIN_POSITIVE);
        let cpu = format!("alone, {}; beside, {}", alone.cpu.note(), beside.cpu.note());
        figures.push(figure(&what("p99 ratio"), ratio, "×", cpu));
    }
    let rounds = alone.rounds.iter().chain(&beside.rounds);
    let failed: u64 = rounds.map(|round| round.failed).sum();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let failed = failed as f64;
    let note = format!(
        "of the quiet app; the flood asked {} times and got {} refusals",
        count(&sent.all),
        count(&sent.refused)
    );
    figures.push(figure(
        &format!("{store}, {limits}, failed"),
        failed,
        "",
        note,
    ));
    figures
}

impl Taken {
    fn add(&mut self, more: Self) {
        self.hooks.extend(more.hooks);
        self.reads.extend(more.reads);
        self.failed += more.failed;
    }
}

/// The app that is measured.
struct Quiet {
    address: String,
    hooks: Arc<Vec<Vec<u8>>>,
    keys: Vec<String>,
    next: Arc<AtomicU64>,
}

impl Quiet {
    /// Its load for so long.
    async fn load(&self, time: Duration) -> anyhow::Result<Taken> {
        let mut workers = tokio::task::JoinSet::new();
        let (hooks, next) = (self.hooks.clone(), self.next.clone());
        let request = move || {
            let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
            hooks[index % hooks.len()].clone()
        };
        let address = self.address.clone();
        workers.spawn(async move {
            let (hooks, failed) = steadily(&address, HOOKS, time, request).await?;
            let reads = Vec::new();
            anyhow::Ok(Taken {
                hooks,
                reads,
                failed,
            })
        });
        for key in &self.keys {
            let paths = ["/api/calls?limit=50", "/api/calls/active"];
            let requests = paths.map(|path| get(path, key));
            let mut turn = requests.into_iter().cycle();
            let request = move || turn.next().unwrap_or_default();
            let address = self.address.clone();
            workers.spawn(async move {
                let (reads, failed) = steadily(&address, READS, time, request).await?;
                let hooks = Vec::new();
                anyhow::Ok(Taken {
                    hooks,
                    reads,
                    failed,
                })
            });
        }
        let mut taken = Taken::default();
        while let Some(worker) = workers.join_next().await {
            taken.add(worker??);
        }
        Ok(taken)
    }
}

/// So many requests a second on one connection; what each took, and how many were refused.
async fn steadily(
    address: &str,
    rate: u32,
    time: Duration,
    mut request: impl FnMut() -> Vec<u8>,
) -> anyhow::Result<(Vec<Duration>, u64)> {
    let mut connection = Connection::open(address).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let (mut taken, mut failed) = (Vec::new(), 0);
    let start = Instant::now();
    while start.elapsed() < time {
        ticks.tick().await;
        let request = request();
        let sent = Instant::now();
        let status = connection.request(&request).await?;
        taken.push(sent.elapsed());
        failed += u64::from(!(200..300).contains(&status));
    }
    Ok((taken, failed))
}

/// What the flood did.
#[derive(Default)]
struct Sent {
    all: AtomicU64,
    refused: AtomicU64,
}

/// The flood of the other app, until it is told to stop.
fn noise(
    server: &Server,
    noisy: &Tenant,
    requests: &Arc<Vec<Vec<u8>>>,
    flood: Flood,
    going: &Arc<AtomicBool>,
    sent: &Arc<Sent>,
) -> tokio::task::JoinSet<()> {
    let mut workers = tokio::task::JoinSet::new();
    let list = Arc::new(vec![get(LIST, &noisy.key)]);
    let parts = [
        (POSTING, flood.hooks, requests),
        (READING, flood.reads, &list),
    ];
    for (connections, rate, requests) in parts {
        if rate == 0 {
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of connections"
        )]
        let connections = (connections * f64::from(rate)).ceil() as u32;
        let pause = Duration::from_secs(1) * connections / rate;
        for number in 0..connections {
            let (address, requests) = (server.address.clone(), requests.clone());
            let (going, sent) = (going.clone(), sent.clone());
            workers.spawn(async move {
                // One after the other, not all at once.
                let first = tokio::time::Instant::now() + pause * number / connections;
                let mut ticks = tokio::time::interval_at(first, pause);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
                let mut index = usize::try_from(number).unwrap_or(0);
                let mut connection = Connection::open(&address).await.ok();
                while going.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    let Some(open) = &mut connection else {
                        connection = Connection::open(&address).await.ok();
                        continue;
                    };
                    let status = open.request(&requests[index % requests.len()]).await;
                    index += usize::try_from(connections).unwrap_or(1);
                    sent.all.fetch_add(1, Ordering::Relaxed);
                    if !status.as_ref().is_ok_and(|status| *status < 300) {
                        sent.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    if status.is_err() {
                        connection = None;
                    }
                }
            });
        }
    }
    workers
}
