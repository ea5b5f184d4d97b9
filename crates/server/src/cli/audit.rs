//! `switchhook audit`: checks the audit log and writes it out. What other commands change is put
//! on record in `deeds`.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_json::json;
use switchhook_domain::id::AppId;
use switchhook_engine::audit::{Broken, Whole, hex, line, unhex};

use super::deeds::{self, Done};
use super::{Context, Failure, Outcome, app, output};
use crate::wire::Parts;

/// Entries read at a time.
const PAGE: u32 = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reads every chain from its beginning and says whether an entry was changed, put in or
    /// taken out. Keep the printed hashes elsewhere: given later with --head, they also show that
    /// nothing was taken off the end.
    Verify {
        /// A hash that was printed earlier: some log must still have the entry. May be repeated.
        #[arg(long = "head", value_name = "HASH")]
        heads: Vec<String>,
        /// Check an export instead, made under this server's master key.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Writes the log to standard output, one JSON object a line, the oldest first.
    Export {
        /// Id or name of the app; the operators' own log when left out.
        #[arg(long)]
        app: Option<String>,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    let parts = Parts::build(context.config()?).await?;
    let outcome = match args.command {
        Command::Verify { heads, file } => match file {
            Some(file) => verify_file(&parts, &file, &heads),
            None => verify(&parts, &heads).await,
        },
        Command::Export { app } => export(&parts, app.as_deref()).await,
    };
    parts.store.close().await;
    outcome
}

/// The hashes given with `--head`.
fn hashes(given: &[String]) -> Result<Vec<[u8; 32]>, Failure> {
    let read = |text: &String| {
        let wrong = || Failure::Usage(format!("`{text}` is no hash of 64 hexadecimal digits"));
        unhex(text).ok_or_else(wrong)
    };
    given.iter().map(read).collect()
}

async fn verify(parts: &Parts, heads: &[String]) -> Outcome {
    let kept = hashes(heads)?;
    let mut found = Vec::new();
    for chain in parts.audit.chains().await? {
        found.push((chain, parts.audit.verify_against(chain, &kept).await?));
    }
    judge(&found, &kept)
}

fn verify_file(parts: &Parts, file: &Path, heads: &[String]) -> Outcome {
    let kept = hashes(heads)?;
    let opened = std::fs::File::open(file);
    let opened = opened.with_context(|| format!("cannot read {}", file.display()))?;
    let lines = std::io::BufReader::new(opened).lines();
    let checked = parts.audit.verify_lines(lines, &kept);
    let checked = checked.map_err(|error| anyhow!("{}, {error}", file.display()))?;
    let chain = match &checked {
        Ok(whole) => whole.app_id,
        Err(broken) => broken.app_id,
    };
    judge(&[(chain, checked)], &kept)
}

/// Shows what was found, and fails when something is wrong.
fn judge(found: &[(Option<AppId>, Result<Whole, Broken>)], kept: &[[u8; 32]]) -> Outcome {
    let heading = ["LOG OF", "ENTRIES", "STATE", "LAST HASH"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let (mut broken, mut met) = (0, Vec::new());
    for (chain, checked) in found {
        let name = chain.map_or("the operators".to_owned(), |app| app.to_string());
        rows.push(match checked {
            Ok(whole) => {
                met.extend(&whole.met);
                let hash = hex(&whole.head);
                vec![name, whole.entries.to_string(), "whole".to_owned(), hash]
            }
            Err(fault) => {
                broken += 1;
                let state = format!("BROKEN at {}: {}", fault.no, fault.what);
                vec![name, String::new(), state, String::new()]
            }
        });
    }
    output::table(&rows);
    if broken > 0 {
        return Err(Failure::Failed(anyhow!(
            "{broken} of the logs were tampered with, or written under another master key"
        )));
    }
    match kept.iter().find(|hash| !met.contains(hash)) {
        None => Ok(()),
        Some(hash) => Err(Failure::Failed(anyhow!(
            "no log has the entry {}: entries were taken off an end, or it is of another log",
            hex(hash)
        ))),
    }
}

async fn export(parts: &Parts, name: Option<&str>) -> Outcome {
    let chain = match name {
        Some(name) => Some(app::find(parts, Some(name)).await?.id),
        None => None,
    };
    let (mut last, end) = parts.audit.span(chain, None, None).await?;
    let done = Done {
        app: chain,
        action: "audit export",
        target: "audit".to_owned(),
        before: None,
        after: Some(json!({ "exported": { "up_to": end } })),
    };
    deeds::note(parts, done).await?;
    let mut out = std::io::stdout().lock();
    let mut hash = [0; 32];
    while last < end {
        let page = parts.store.audit_after(chain, last, PAGE).await?;
        for entry in page.iter().filter(|entry| entry.no <= end) {
            writeln!(out, "{}", line(entry, &hash))?;
            (last, hash) = (entry.no, entry.hash);
        }
        if page.is_empty() {
            break;
        }
    }
    Ok(out.flush()?)
}
