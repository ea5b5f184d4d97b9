//! The command line: what each command takes, and the exit codes. 0 done, 1 it failed, 2 the
//! command or the configuration is wrong and nothing was started.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Environment, Overrides};
use crate::telemetry;

mod adapter;
mod agent;
mod app;
mod audit;
mod bench;
mod config;
mod connection;
mod deeds;
mod demo;
mod doctor;
mod fold;
mod import;
mod key;
mod listen;
mod migrate;
mod output;
mod pbx;
mod secrets;
mod serve;
mod simulate;
mod user;

/// Joins phone platforms and business software: every call a record, an event and a screen.
#[derive(Debug, Parser)]
#[command(name = "switchhook", version, about, max_term_width = 100)]
struct Cli {
    /// Configuration file; default: $SWITCHHOOK_CONFIG, then ./switchhook.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Database, such as sqlite://calls.db or postgres://user:password@host/name.
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(serve::Args),
    /// Runs the server with a demo app, contacts and simulated calls, and prints a sign-in link.
    Demo(demo::Args),
    /// Shows what a platform's notifications amount to: reads a file, prints calls and events.
    Fold(fold::Args),
    /// Plays phone platform: sends correctly signed notifications.
    Simulate(simulate::Args),
    /// Prints an app's events as they happen.
    Listen(listen::Args),
    /// Checks configuration, database and connections, and says what to do.
    Doctor(doctor::Args),
    /// Brings the database up to date, or shows where it stands.
    Migrate(migrate::Args),
    /// Shows and checks the configuration.
    Config(config::Args),
    /// Checks mapping files, and runs them over recorded notifications.
    Adapter(adapter::Args),
    /// Makes, lists and renames apps, switches them off and on, and makes sign-in links.
    App(app::Args),
    /// Makes, lists, replaces and revokes API keys.
    Key(key::Args),
    /// Finds out which users of a platform are which agents.
    Agent(agent::Args),
    /// Invites and lists people, makes links for them, shuts them out.
    User(user::Args),
    /// Adds, lists and removes connections to phone platforms.
    Connection(connection::Args),
    /// Takes over what another system recorded.
    Import(import::Args),
    /// Checks the audit log and writes it out.
    Audit(audit::Args),
    /// Says which master keys secrets are sealed under, and seals them anew.
    Secrets(secrets::Args),
    /// Prints the OpenAPI document.
    Openapi,
    /// Measures this machine: accepting, latency, sockets, lists.
    Bench(bench::Args),
}

/// What a command that failed wants the shell to know.
#[derive(Debug)]
enum Failure {
    /// Something went wrong: exit code 1.
    Failed(anyhow::Error),
    /// The command line or configuration is wrong: exit code 2.
    Usage(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

type Outcome = Result<(), Failure>;

/// What every command can use.
struct Context {
    overrides: Overrides,
    environment: Environment,
}

impl Context {
    fn config(&self) -> Result<Config, Failure> {
        Config::load(&self.overrides, &self.environment).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
            let what = if faults.len() == 1 {
                "a fault"
            } else {
                "faults"
            };
            Failure::Usage(format!(
                "the configuration has {what}:\n{}",
                lines.join("\n")
            ))
        })
    }
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let overrides = Overrides {
        file: cli.config,
        database_url: cli.database_url,
        ..Overrides::default()
    };
    let context = Context {
        overrides,
        environment,
    };
    match block_on(cli.command, context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            output::complain(&message);
            ExitCode::from(2)
        }
    }
}

fn block_on(command: Command, context: Context) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(args, context).await,
            Command::Demo(args) => demo::run(args, context).await,
            Command::Fold(args) => fold::run(&args),
            Command::Simulate(args) => simulate::run(args).await,
            Command::Listen(args) => listen::run(args, &context).await,
            Command::Doctor(args) => doctor::run(&args, &context).await,
            Command::Migrate(args) => migrate::run(&args, &context).await,
            Command::Config(args) => config::run(&args, &context),
            Command::Adapter(args) => adapter::run(&args),
            Command::App(args) => app::run(args, &context).await,
            Command::Key(args) => key::run(args, &context).await,
            Command::Agent(args) => agent::run(args, &context).await,
            Command::User(args) => user::run(args, &context).await,
            Command::Connection(args) => connection::run(args, &context).await,
            Command::Import(args) => import::run(args, &context).await,
            Command::Audit(args) => audit::run(args, &context).await,
            Command::Secrets(args) => secrets::run(&args, &context).await,
            Command::Openapi => {
                output::say(switchhook_api::openapi_json().trim_end());
                Ok(())
            }
            Command::Bench(args) => bench::run(args).await,
        }
    })
}

/// Starts logging as configured.
fn start_logging(config: &Config) {
    telemetry::start(&config.log_level, config.log_json);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
