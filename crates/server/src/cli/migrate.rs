//! `switchhook migrate`: brings the database up to date. `serve` does the same at its start.

use anyhow::Context as _;
use serde_json::json;
use switchhook_storage::{MigrationStatus, OpenOptions};

use super::deeds::{self, Done};
use super::{Context, Outcome, output};
use crate::config::Config;
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shows what has been applied and what has not, and changes nothing.
    #[arg(long)]
    status: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> Outcome {
    let config = context.config()?;
    let url = config.database_url.expose();
    let before = standing(url).await?;
    if !args.status {
        let store = switchhook_storage::open(url, OpenOptions::default())
            .await
            .context("cannot bring the database up to date")?;
        store.close().await;
    }
    let status = standing(url).await?;
    if !args.status && !before.pending.is_empty() {
        note(config.clone(), &before, &status).await;
    }
    let mut rows = vec![vec!["MIGRATION".to_owned(), "STATE".to_owned()]];
    let groups = [
        (&status.applied, "applied"),
        (&status.pending, "to do"),
        (&status.unknown, "unknown"),
    ];
    for (versions, state) in groups {
        rows.extend(versions.iter().map(|version| {
            vec![
                format!("{:04} {}", version.number, version.name),
                state.to_owned(),
            ]
        }));
    }
    output::table(&rows);
    Ok(())
}

async fn standing(url: &str) -> anyhow::Result<MigrationStatus> {
    let status = switchhook_storage::migration_status(url).await;
    status.context("cannot read the migrations")
}

/// Puts on record which migrations were applied. For this alone the master key is needed: where
/// there is none yet, the database's own table of migrations has to do.
async fn note(config: Config, before: &MigrationStatus, after: &MigrationStatus) {
    let newest = |status: &MigrationStatus| {
        let version = status.applied.last();
        let version = version.map(|version| format!("{:04} {}", version.number, version.name));
        Some(json!({ "newest": version, "applied": status.applied.len() }))
    };
    let done = Done {
        app: None,
        action: "migrate",
        target: "database".to_owned(),
        before: newest(before),
        after: newest(after),
    };
    let noted = async {
        let parts = Parts::build(config).await?;
        let noted = deeds::note(&parts, done).await;
        parts.store.close().await;
        noted
    };
    if let Err(error) = noted.await {
        output::remark(&format!("This is not in the audit log: {error:#}"));
    }
}
