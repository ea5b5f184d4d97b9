//! `switchhook secrets`: which master keys the sealed secrets need, sealing them anew after a
//! change of keys, and a fresh key. What to do when is in docs/guide/operating.md.

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use switchhook_engine::audit::OnRecord;
use switchhook_engine::ports::SystemEntropy;
use switchhook_engine::reseal::{self, Tally};
use switchhook_engine::seal::MasterKey;

use super::deeds::{self, Done};
use super::{Context, Failure, Outcome, output};
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Says which keys seal how many secrets of which table, and whether each one opens.
    Status,
    /// Seals every secret under the current master key. Servers may run meanwhile, and it may be
    /// stopped and run again.
    Reseal,
    /// Prints a fresh master key.
    NewKey,
}

pub(super) async fn run(args: &Args, context: &Context) -> Outcome {
    if matches!(args.command, Command::NewKey) {
        output::say(&MasterKey::generate(&SystemEntropy).1);
        return Ok(());
    }
    let parts = Parts::build(context.config()?).await?;
    let outcome = match args.command {
        Command::Reseal => anew(&parts).await,
        Command::Status | Command::NewKey => status(&parts).await,
    };
    parts.store.close().await;
    outcome
}

async fn status(parts: &Parts) -> Outcome {
    let keys = parts.connections.keys();
    let tally = reseal::status(&*parts.store, keys).await?;
    show(&tally, keys.current_id())
}

async fn anew(parts: &Parts) -> Outcome {
    let keys = parts.connections.keys();
    let style = ProgressStyle::with_template("{spinner} {pos} rows looked at, {per_sec}")?;
    let bar = ProgressBar::new_spinner().with_style(style);
    let (action, target) = (
        "secrets reseal",
        format!("master key {}", keys.current_id()),
    );
    let reseal = async {
        let before = reseal::status(&*parts.store, keys).await?.on_record();
        let tally = reseal::reseal(&*parts.store, keys, &SystemEntropy, || bar.inc(1)).await?;
        let done = Done {
            app: None,
            action,
            target: target.clone(),
            before: Some(before),
            after: Some(tally.on_record()),
        };
        Ok((done, tally))
    };
    let tally = deeds::record(parts, None, (action, &target), reseal).await?;
    bar.finish_and_clear();
    output::say(&format!("{} secrets sealed anew", tally.resealed));
    show(&tally, keys.current_id())?;
    let left = tally.sealed.keys().any(|(_, key)| key != keys.current_id());
    if left {
        return Err(Failure::Failed(anyhow!(
            "some secrets were changed meanwhile by a server that seals under a former key: \
             restart every server with the new key, then run this again"
        )));
    }
    Ok(())
}

fn show(tally: &Tally, current: &str) -> Outcome {
    let heading = ["TABLE", "MASTER KEY", "SECRETS", ""];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for ((table, key), count) in &tally.sealed {
        let which = if key == current { "current" } else { "former" };
        let table = table.as_str().to_owned();
        rows.push(vec![
            table,
            key.clone(),
            count.to_string(),
            which.to_owned(),
        ]);
    }
    output::table(&rows);
    if tally.stuck.is_empty() {
        return Ok(());
    }
    let lines = tally
        .stuck
        .iter()
        .map(|stuck| format!("  {} {}: {}", stuck.table.as_str(), stuck.place, stuck.why));
    Err(Failure::Failed(anyhow!(
        "{} secrets do not open:\n{}",
        tally.stuck.len(),
        lines.collect::<Vec<_>>().join("\n")
    )))
}
