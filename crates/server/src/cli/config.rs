//! `switchhook config`: the default file, and a check of one's own.

use super::{Context, Outcome, output};
use crate::config::DEFAULT_FILE;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints the default file, with every key explained.
    Default,
    /// Checks file, environment and options; says everything that is wrong at once.
    Check,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    match args.command {
        Command::Default => output::say(DEFAULT_FILE.trim_end()),
        Command::Check => {
            let config = context.config()?;
            output::say(&format!(
                "The configuration is good; it would listen on {}.",
                config.listen
            ));
        }
    }
    Ok(())
}
