//! `switchhook import`: takes over what another system recorded. Can be stopped and run again at
//! any time: it goes on where it was, and what is there already is not taken twice.

use jiff::tz::TimeZone;

use super::{Context, Failure, Outcome};
use crate::wire::Parts;

mod cti_server;
mod dialect;
mod settling;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, clap::Subcommand)]
enum Source {
    /// Takes over the PostgreSQL database of the Dialpad CTI server: apps with the keys that
    /// their clients hold, connections, user mappings, calls, voicemails and messages. Nothing
    /// of it is told to subscribers, and the old database is only read.
    DialpadCtiServer(CtiServerArgs),
}

/// How to read the database of the Dialpad CTI server.
#[derive(Debug, clap::Args)]
pub(super) struct CtiServerArgs {
    /// Its address, such as postgres://user:password@host/CTI, or env:NAME, file:PATH.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Only this app, by its id there.
    #[arg(long, value_name = "ID")]
    app: Option<uuid::Uuid>,
    /// The country its apps read national numbers by.
    #[arg(long, default_value = "US", value_name = "CODE")]
    country: String,
    /// The time zone of the machine it ran on: it kept times without one.
    #[arg(long, default_value = "UTC", value_name = "ZONE", value_parser = zone)]
    timezone: TimeZone,
    /// The DIALPAD_WEBHOOK_SECRET it ran with, or env:NAME, file:PATH: events that Dialpad still
    /// signs with it are believed. Without it each app gets a new one.
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Option<String>,
    /// The OAuth client id it ran with; needed to take over sign-ins at Dialpad.
    #[arg(long, value_name = "ID", requires = "client_secret")]
    client_id: Option<String>,
    /// The OAuth client secret it ran with, or env:NAME, file:PATH.
    #[arg(long, value_name = "SECRET", requires = "client_id")]
    client_secret: Option<String>,
    /// Begins again from the first row instead of where the last run stopped.
    #[arg(long)]
    again: bool,
    /// Says what there is and takes nothing over.
    #[arg(long)]
    dry_run: bool,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "is not a time zone such as Europe/Amsterdam".to_owned())
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    let config = context.config()?;
    let database = config.database_url.clone();
    let parts = Parts::build(config).await?;
    let outcome = match &args.source {
        Source::DialpadCtiServer(args) => cti_server::run(&parts, args).await,
    };
    parts.store.close().await;
    if outcome.is_ok()
        && let Err(error) = switchhook_storage::look_over(database.expose()).await
    {
        // It will do so by itself, a little later.
        tracing::warn!(%error, "the database did not look over what was taken over");
    }
    outcome.map_err(Failure::Failed)
}
