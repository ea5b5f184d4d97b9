//! `switchhook migrate`: brings the database up to date. `serve` does the same at its start.

use anyhow::Context as _;
use switchhook_storage::OpenOptions;

use super::{Context, Outcome, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shows what has been applied and what has not, and changes nothing.
    #[arg(long)]
    status: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> Outcome {
    let config = context.config()?;
    let url = config.database_url.expose();
    if !args.status {
        let store = switchhook_storage::open(url, OpenOptions::default())
            .await
            .context("cannot bring the database up to date")?;
        store.close().await;
    }
    let status = switchhook_storage::migration_status(url)
        .await
        .context("cannot read the migrations")?;
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
