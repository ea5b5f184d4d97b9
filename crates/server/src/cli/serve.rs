//! `switchhook serve`: runs the server until it is told to stop.

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Context, Outcome, output, start_logging, user};
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on, such as 127.0.0.1:4000.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The address others reach this server by, such as https://cti.example.com.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Folder of mapping files: every *.toml in it is a platform.
    #[arg(long, value_name = "DIR")]
    mappings: Option<String>,
}

pub(super) async fn run(args: Args, mut context: Context) -> Outcome {
    context.overrides.listen = args.listen;
    context.overrides.public_url = args.public_url;
    context.overrides.mappings = args.mappings;
    let config = context.config()?;
    start_logging(&config);
    let listen = config.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let parts = Parts::build(config).await?;
    if parts.config.internal_api_secret.is_none() {
        output::remark("INTERNAL_API_SECRET is not set: the operator routes are closed.");
    }
    for warning in parts.config.warnings() {
        tracing::warn!("{warning}");
    }
    let address = listener.local_addr()?;
    let scheme = if parts.config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    offer_set_up(&parts, &format!("{scheme}://{address}")).await?;
    output::say(&format!("Switchhook is listening on {scheme}://{address}"));
    parts.serve(listener, stop_on_signal()?).await?;
    Ok(())
}

/// Shows how to set a new server up; a new link at each start, until one is used.
async fn offer_set_up(parts: &Parts, local: &str) -> Outcome {
    if let Some(token) = parts.people.set_up_link().await? {
        user::note_set_up_link(parts, "serve set-up-link").await?;
        let base = parts.config.public_url.as_deref().unwrap_or(local);
        output::say(&format!("SET-UP LINK  {base}/set-up?token={token}"));
        output::remark("Nobody has set this server up. The link works once, within an hour.");
    }
    Ok(())
}

/// Cancelled by the first SIGTERM or SIGINT; the second ends the process at once.
pub(super) fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                output::remark("Stopping; once more to stop at once.");
                token.cancel();
            } else {
                std::process::exit(1);
            }
        }
    });
    Ok(stop)
}
