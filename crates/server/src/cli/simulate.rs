//! `switchhook simulate`: plays phone platform, with whole calls, correctly signed; on request
//! over a bad network.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use switchhook_adapters::simulate::{self, CallSeed, Disturb, Scenario, Step};
use switchhook_engine::ports::{Clock, Entropy, SystemClock, SystemEntropy};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::pbx::Pbx;
use super::{Failure, Outcome, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which platform to play. Asterisk listens on --listen and plays to whoever connects; the
    /// others post to --url.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(simulate::played()))]
    platform: String,
    /// Where the posts go: the webhook address of a connection.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The connection's webhook secret: the posts are signed with it as the platform does.
    #[arg(long, env = "SWITCHHOOK_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Where the simulated PBX listens.
    #[arg(long, default_value = "127.0.0.1:8088", value_name = "HOST:PORT")]
    listen: String,
    /// User and password the simulated PBX lets in.
    #[arg(
        long,
        default_value = "switchhook:switchhook",
        value_name = "USER:PASSWORD"
    )]
    user: String,
    /// What happens in the calls; may be given several times. All that the platform has words for,
    /// in turn, when left out.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Lists the scenarios and whether the platform has them, and does nothing.
    #[arg(long)]
    list: bool,
    /// Prints the notifications, one a line, and sends nothing.
    #[arg(long)]
    print: bool,
    /// Calls begun per second.
    #[arg(long, default_value_t = 0.5)]
    rate: f64,
    /// How many calls; without it, calls go on until interrupted.
    #[arg(long)]
    count: Option<u64>,
    /// Pace of each call: 1 is life, 0.1 ten times as fast.
    #[arg(long, default_value_t = 1.0)]
    pace: f64,
    /// Share of notifications that get lost, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    drop: f64,
    /// Share of notifications that come twice, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    dup: f64,
    /// Share of notifications that come at the wrong time, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    shuffle: f64,
    /// Decides everything that is left to chance. Random when left out, and printed.
    #[arg(long)]
    seed: Option<u64>,
}

pub(super) async fn run(args: Args) -> Outcome {
    if args.list {
        let has = |scenario| {
            if is_played(&args.platform, scenario) {
                "yes"
            } else {
                "no"
            }
        };
        let row = |s: &Scenario| [s.name(), has(*s), s.story()].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = Scenario::ALL.iter().map(row).collect();
        output::table(&rows);
        return Ok(());
    }
    let scenarios = scenarios(&args.platform, &args.scenario)?;
    if !(args.rate > 0.0 && args.rate <= 1000.0) {
        return Err(Failure::Usage(
            "--rate must be between 0 and 1000 calls a second".to_owned(),
        ));
    }
    let seed = args.seed.unwrap_or_else(random_seed);
    if args.print {
        let count = args.count.unwrap_or(1);
        for index in 0..count {
            let call = call_seed(&args, seed, index);
            let scenario = scenarios[pick(index, scenarios.len())];
            for step in plan(
                &args,
                scenario,
                &call,
                args.secret.as_deref().unwrap_or("secret"),
            ) {
                output::say(&String::from_utf8_lossy(&step.body));
            }
        }
        return Ok(());
    }
    output::remark(&format!("seed {seed}"));
    let target = Arc::new(Target::open(&args).await?);
    let bar = progress(args.count);
    let calls = args.count.unwrap_or(u64::MAX);
    let mut playing = tokio::task::JoinSet::new();
    let mut next = Instant::now();
    for index in 0..calls {
        tokio::time::sleep_until(next).await;
        next += Duration::from_secs_f64(1.0 / args.rate);
        let scenario = scenarios[pick(index, scenarios.len())];
        let call = call_seed(&args, seed, index);
        let secret = args.secret.as_deref().unwrap_or_default();
        let steps = plan(&args, scenario, &call, secret);
        let (target, bar) = (target.clone(), bar.clone());
        playing.spawn(async move {
            play(&target, &steps).await;
            bar.inc(1);
            bar.set_message(target.report());
        });
        while playing.try_join_next().is_some() {}
    }
    while playing.join_next().await.is_some() {}
    bar.finish_and_clear();
    output::say(&target.report());
    Ok(())
}

/// Whether a platform has words for a scenario.
fn is_played(platform: &str, scenario: Scenario) -> bool {
    let seed = CallSeed::new(1, SystemClock.now());
    simulate::player(platform).is_some_and(|play| !play(scenario, &seed, "secret").is_empty())
}

/// The scenarios of these names, or all that the platform has words for.
fn scenarios(platform: &str, names: &[String]) -> Result<Vec<Scenario>, Failure> {
    let all = Scenario::ALL.iter().copied();
    let played: Vec<Scenario> = all.filter(|s| is_played(platform, *s)).collect();
    if names.is_empty() {
        return Ok(played);
    }
    let known = || {
        let names: Vec<_> = played.iter().map(|s| s.name()).collect();
        names.join(", ")
    };
    let find = |name: &String| {
        let found = Scenario::from_name(name).filter(|scenario| played.contains(scenario));
        let refuse = || {
            format!(
                "{platform} plays no scenario `{name}`; there are {}",
                known()
            )
        };
        found.ok_or_else(|| Failure::Usage(refuse()))
    };
    names.iter().map(find).collect()
}

fn random_seed() -> u64 {
    let bytes = SystemEntropy.random().to_be_bytes();
    bytes[..6]
        .iter()
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

fn pick(index: u64, of: usize) -> usize {
    usize::try_from(index).unwrap_or(0) % of.max(1)
}

fn call_seed(args: &Args, seed: u64, index: u64) -> CallSeed {
    CallSeed::new(seed.wrapping_add(index), SystemClock.now()).paced(args.pace)
}

fn plan(args: &Args, scenario: Scenario, call: &CallSeed, secret: &str) -> Vec<Step> {
    let player = simulate::player(&args.platform);
    let steps = player.map_or_else(Vec::new, |play| play(scenario, call, secret));
    disturb(args, call.seed).apply(steps)
}

fn disturb(args: &Args, seed: u64) -> Disturb {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000 before the cast"
    )]
    let permille = |share: f64| (share.clamp(0.0, 1.0) * 1000.0).round() as u16;
    Disturb {
        drop: permille(args.drop),
        dup: permille(args.dup),
        shuffle: permille(args.shuffle),
        seed,
    }
}

fn progress(count: Option<u64>) -> ProgressBar {
    let bar = count.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template("{spinner} {pos} calls  {msg}  {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Plays the steps when they are due.
pub(super) async fn play(target: &Target, steps: &[Step]) {
    let start = Instant::now();
    for step in steps {
        tokio::time::sleep_until(start + Duration::from_millis(step.after_ms)).await;
        target.send(step).await;
    }
}

/// Where simulated notifications go.
pub(super) enum Target {
    /// Posts to a webhook.
    Webhook {
        /// The client, made once.
        client: reqwest::Client,
        /// The webhook address.
        url: String,
        /// Posts answered with 2xx.
        accepted: AtomicU64,
        /// Posts answered otherwise, or not at all.
        refused: AtomicU64,
    },
    /// Plays to the event socket of a simulated PBX.
    Pbx(Pbx),
}

impl Target {
    async fn open(args: &Args) -> anyhow::Result<Self> {
        if args.platform == "asterisk" {
            let Some((user, password)) = args.user.split_once(':') else {
                bail!("--user must be USER:PASSWORD");
            };
            let listener = TcpListener::bind(&args.listen)
                .await
                .with_context(|| format!("cannot listen on {}", args.listen))?;
            output::remark(&format!(
                "The simulated PBX is at http://{}",
                listener.local_addr()?
            ));
            return Ok(Self::pbx(Pbx::new(user, password), listener));
        }
        let url = args
            .url
            .clone()
            .context("--url is needed: the webhook address")?;
        args.secret
            .as_ref()
            .context("--secret is needed: the connection's webhook secret")?;
        Self::webhook(url)
    }

    /// Serves a simulated PBX on a listener.
    pub(super) fn pbx(pbx: Pbx, listener: TcpListener) -> Self {
        let router = pbx.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self::Pbx(pbx)
    }

    /// Posts to a webhook address.
    pub(super) fn webhook(url: String) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self::Webhook {
            client,
            url,
            accepted,
            refused,
        })
    }

    async fn send(&self, step: &Step) {
        match self {
            Self::Pbx(pbx) => pbx.play(&step.body),
            Self::Webhook {
                client,
                url,
                accepted,
                refused,
            } => {
                let mut request = client.post(url).header("content-type", step.content_type);
                for (name, value) in &step.headers {
                    request = request.header(name, value);
                }
                let answer = request.body(step.body.clone()).send().await;
                let good = answer.is_ok_and(|answer| answer.status().is_success());
                if good { accepted } else { refused }.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn report(&self) -> String {
        match self {
            Self::Pbx(_) => String::new(),
            Self::Webhook {
                accepted, refused, ..
            } => format!(
                "{} accepted, {} refused",
                accepted.load(Ordering::Relaxed),
                refused.load(Ordering::Relaxed)
            ),
        }
    }
}
