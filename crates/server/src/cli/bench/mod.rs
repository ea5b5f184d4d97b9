//! `switchhook bench`: what this machine makes of this program, in one run, so that the figures
//! can be compared with one another. The server is a child process of its own with a throw-away
//! database; the load comes from this process, on the same cores.

use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Outcome, output};

mod accept;
mod child;
mod cpu;
mod http;
mod lists;
mod neighbour;
mod sockets;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A PostgreSQL database to measure too; it is filled, use one made for it.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Leaves SQLite out where PostgreSQL is measured.
    #[arg(long, requires = "postgres")]
    postgres_only: bool,
    /// Seconds each load runs.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections that post at once.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Sockets that listen.
    #[arg(long, default_value_t = 1000)]
    sockets: usize,
    /// Apps the sockets are spread over.
    #[arg(long, default_value_t = 50)]
    apps: usize,
    /// Events per second while latency is measured.
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Table sizes for the lists, in calls.
    #[arg(long, default_value = "10000,100000", value_delimiter = ',')]
    calls: Vec<u64>,
    /// Webhooks a second of the flood on a neighbour; the limit of one address is 17.
    #[arg(long, default_value_t = 170)]
    flood_hooks: u32,
    /// Heavy lists a second of the flood on a neighbour; the limit of one key is 5.
    #[arg(long, default_value_t = 50)]
    flood_reads: u32,
    /// Rounds of the neighbour, each once alone and once beside the flood.
    #[arg(long, default_value_t = 6)]
    rounds: u32,
    /// The neighbour only with the limits as shipped, not without any too.
    #[arg(long)]
    limits_only: bool,
    /// Only these parts: ceiling, accept, latency, memory, lists, neighbour.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Serves empty answers; used by the bench itself.
    #[arg(long, hide = true)]
    serve_empty: bool,
}

/// One line of the result.
#[derive(Clone, Debug, Serialize)]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    note: String,
}

fn figure(what: &str, value: f64, unit: &'static str, note: impl Into<String>) -> Figure {
    Figure {
        what: what.to_owned(),
        value,
        unit,
        note: note.into(),
    }
}

pub(super) async fn run(args: Args) -> Outcome {
    if args.serve_empty {
        child::serve_empty().await?;
        return Ok(());
    }
    let wanted = |part: &str| args.only.is_empty() || args.only.iter().any(|only| only == part);
    let time = Duration::from_secs(args.seconds.clamp(1, 600));
    let mut figures = Vec::new();
    let mut ceiling = None;
    if wanted("ceiling") || wanted("accept") {
        let bar = step("empty POST: the ceiling of the HTTP stack");
        let rate = accept::ceiling(args.connections, time)
            .await
            .context("ceiling")?;
        bar.finish_and_clear();
        ceiling = Some(rate.per_second);
        figures.push(figure("empty POST", rate.per_second, "/s", rate.note()));
    }
    if wanted("accept") {
        for (name, url) in stores(&args) {
            let bar = step(&format!("durable accept on {name}"));
            let rate = accept::durable(url, args.connections, time).await?;
            bar.finish_and_clear();
            let share = ceiling.map_or(0.0, |ceiling| 100.0 * rate.per_second / ceiling);
            let note = format!("{share:.0} % of the empty POST; {}", rate.note());
            figures.push(figure(
                &format!("accept, {name}"),
                rate.per_second,
                "/s",
                note,
            ));
        }
    }
    if wanted("latency") {
        let bar = step("webhook to frame");
        figures.extend(sockets::latency(args.sockets, args.apps, args.rate, time).await?);
        bar.finish_and_clear();
    }
    if wanted("memory") {
        let bar = step("memory of idle sockets");
        figures.push(sockets::memory(args.sockets).await?);
        bar.finish_and_clear();
    }
    if wanted("lists") {
        let bar = step("lists against table size");
        figures.extend(lists::measure(&args.calls).await?);
        bar.finish_and_clear();
    }
    if wanted("neighbour") {
        figures.extend(neighbours(&args, time).await?);
    }
    if args.json {
        output::json(&figures)?;
    } else {
        let rows = figures.iter().map(|f| {
            let value = if f.value >= 100.0 {
                format!("{:.0}", f.value)
            } else {
                format!("{:.2}", f.value)
            };
            vec![
                f.what.clone(),
                format!("{value} {}", f.unit),
                f.note.clone(),
            ]
        });
        output::table(&rows.collect::<Vec<_>>());
    }
    Ok(())
}

/// A flood on one app beside the load of another: with the limits as shipped, and without.
async fn neighbours(args: &Args, time: Duration) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, url) in stores(args) {
        for limits in [true, false] {
            if args.limits_only && !limits {
                continue;
            }
            let bar = step(&format!("a flood on a neighbour, {name}"));
            let flood = neighbour::Flood {
                hooks: args.flood_hooks,
                reads: args.flood_reads,
                rounds: args.rounds.clamp(1, 100),
                time,
                limits,
            };
            figures.extend(neighbour::measure(&name, url.clone(), flood).await?);
            bar.finish_and_clear();
        }
    }
    Ok(figures)
}

/// The databases that are measured, by name.
fn stores(args: &Args) -> Vec<(String, Option<String>)> {
    let postgres = args.postgres.iter().cloned();
    let postgres = postgres.map(|url| ("PostgreSQL".to_owned(), Some(url)));
    let sqlite = (!args.postgres_only).then(|| ("SQLite".to_owned(), None));
    sqlite.into_iter().chain(postgres).collect()
}

fn step(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The value below which so much of the sorted values lies.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a slice of a few hundred thousand entries"
    )]
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
