//! `switchhook audit`: checks the audit log and writes it out; and puts on record what the other
//! commands change.

use std::io::Write as _;

use anyhow::anyhow;
use serde_json::{Value, json};
use switchhook_domain::id::AppId;
use switchhook_engine::audit::Deed;
use switchhook_engine::store::{Actor, ActorKind, AuditEntry};

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
    /// taken out. Keep the printed hashes elsewhere: compared later, they also show that nothing
    /// was taken off the end.
    Verify,
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
        Command::Verify => verify(&parts).await,
        Command::Export { app } => export(&parts, app.as_deref()).await,
    };
    parts.store.close().await;
    outcome
}

async fn verify(parts: &Parts) -> Outcome {
    let heading = ["LOG OF", "ENTRIES", "STATE", "LAST HASH"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let mut broken = 0;
    for chain in parts.audit.chains().await? {
        let name = chain.map_or("the operators".to_owned(), |app| app.to_string());
        rows.push(match parts.audit.verify(chain).await? {
            Ok(whole) => {
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
    match broken {
        0 => Ok(()),
        broken => Err(Failure::Failed(anyhow!(
            "{broken} of the logs were tampered with, or written under another master key"
        ))),
    }
}

async fn export(parts: &Parts, name: Option<&str>) -> Outcome {
    let chain = match name {
        Some(name) => Some(app::find(parts, Some(name)).await?.id),
        None => None,
    };
    let mut out = std::io::stdout().lock();
    let mut last = 0;
    loop {
        let page = parts.store.audit_after(chain, last, PAGE).await?;
        for entry in &page {
            writeln!(out, "{}", line(entry))?;
            last = entry.no;
        }
        if page.is_empty() {
            return Ok(out.flush()?);
        }
    }
}

fn line(entry: &AuditEntry) -> serde_json::Value {
    let side = |text: &Option<String>| {
        let text = text.as_deref();
        text.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
    };
    json!({
        "no": entry.no, "at": entry.at, "app_id": entry.app_id, "actor": entry.actor,
        "address": entry.address, "request_id": entry.request_id, "action": entry.action,
        "target": entry.target, "status": entry.status, "before": side(&entry.before),
        "after": side(&entry.after), "hash": hex(&entry.hash),
    })
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts on record what a command has done.
pub(super) async fn note(parts: &Parts, app: AppId, action: &str, target: &str) -> Outcome {
    note_change(parts, app, (action, target), None, None).await
}

/// Puts on record what a command has changed, with what was so before and is so now.
pub(super) async fn note_change(
    parts: &Parts,
    app: AppId,
    (action, target): (&str, &str),
    before: Option<Value>,
    after: Option<Value>,
) -> Outcome {
    let deed = Deed {
        app_id: Some(app),
        actor: Actor {
            kind: ActorKind::Operator,
            id: String::new(),
            name: "command line".to_owned(),
        },
        address: None,
        request_id: None,
        action: action.to_owned(),
        target: target.to_owned(),
        status: 0,
        before,
        after,
    };
    Ok(parts.audit.note(deed).await?)
}
