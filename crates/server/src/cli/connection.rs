//! `switchhook connection`: connections to phone platforms, straight on the database.

use serde_json::{Map, Value};
use switchhook_domain::id::ConnectionId;
use switchhook_engine::admin::NewConnection;

use super::{Context, Failure, Outcome, app, audit, output};
use crate::wire::{self, Parts};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Id or name of the app; may be left out when there is only one.
    #[arg(long, global = true)]
    app: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Adds a connection and prints its webhook address and secret, once.
    Add {
        /// The platform, as `platforms` lists it.
        platform: String,
        /// What it is called.
        #[arg(long, default_value = "")]
        name: String,
        /// A setting; may be given several times. `platforms NAME` lists them.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// Secret the platform signs with; made up when left out. May be env:NAME or file:PATH.
        #[arg(long)]
        webhook_secret: Option<String>,
    },
    /// Lists the connections and how they are doing.
    List,
    /// Removes a connection; its calls stay.
    Remove {
        /// The connection's id, as `list` shows it.
        id: ConnectionId,
    },
    /// Lists the platforms, or the settings of one.
    Platforms {
        /// The platform whose settings to list.
        name: Option<String>,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    if let Command::Platforms { name } = &args.command {
        return platforms(name.as_deref());
    }
    let parts = Parts::build(context.config()?).await?;
    let outcome = command(&parts, args).await;
    parts.store.close().await;
    outcome
}

async fn command(parts: &Parts, args: Args) -> Outcome {
    let app = app::find(parts, args.app.as_deref()).await?;
    match args.command {
        Command::Add {
            platform,
            name,
            settings,
            webhook_secret,
        } => {
            let config = parse_settings(&settings)?;
            let new = NewConnection {
                platform,
                name,
                config,
                webhook_secret,
            };
            let made = parts.admin.create_connection(app.id, new).await?;
            let base = app::base_url(parts);
            let row = made.row;
            audit::note(
                parts,
                app.id,
                "connection add",
                &format!("connection {}", row.id),
            )
            .await?;
            output::say(&format!("Connection  {}  {}", row.id, row.name));
            output::say(&format!(
                "Webhook     {base}/webhooks/{}/{}",
                row.platform, row.hook_id
            ));
            if let Some(secret) = made.webhook_secret {
                output::say(&format!("Secret      {secret}"));
                output::remark("The secret is shown this once.");
            }
        }
        Command::List => {
            let heading = ["ID", "PLATFORM", "NAME", "LIVE LINK"];
            let mut rows = vec![heading.map(str::to_owned).to_vec()];
            for row in parts.store.connections(Some(app.id)).await? {
                let link = match row.link {
                    None => "–".to_owned(),
                    Some(link) if link.up => "up".to_owned(),
                    Some(link) => format!("down: {}", link.reason.unwrap_or_default()),
                };
                rows.push(vec![row.id.to_string(), row.platform, row.name, link]);
            }
            output::table(&rows);
        }
        Command::Remove { id } => {
            let known = parts.connections.get(id).filter(|c| c.app.id == app.id);
            if let Some(connection) = known {
                for left in parts.keeper.release(&connection).await? {
                    output::remark(&left);
                }
            }
            parts.admin.delete_connection(app.id, id).await?;
            audit::note(
                parts,
                app.id,
                "connection remove",
                &format!("connection {id}"),
            )
            .await?;
            output::say("Removed.");
        }
        Command::Platforms { .. } => {}
    }
    Ok(())
}

fn parse_settings(settings: &[String]) -> Result<Map<String, Value>, Failure> {
    let pairs = settings.iter().map(|setting| {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("`{setting}` is no setting: write KEY=VALUE")))?;
        Ok((key.trim().to_owned(), Value::from(value)))
    });
    pairs.collect()
}

fn platforms(name: Option<&str>) -> Outcome {
    let platforms = wire::platforms();
    let Some(name) = name else {
        let mut rows = vec![vec!["PLATFORM".to_owned(), "HOW EVENTS ARRIVE".to_owned()]];
        rows.extend(platforms.all().iter().map(|adapter| {
            let spec = adapter.spec();
            vec![spec.platform.to_owned(), spec.summary.to_owned()]
        }));
        output::table(&rows);
        return Ok(());
    };
    let adapter = platforms
        .get(name)
        .ok_or_else(|| Failure::Usage(format!("there is no platform {name}")))?;
    let heading = ["SETTING", "NEEDED", "DEFAULT", "WHAT IT IS"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(adapter.spec().config.iter().map(|field| {
        let needed = if field.required { "yes" } else { "no" };
        let default = field.default.unwrap_or("");
        vec![
            field.name.to_owned(),
            needed.to_owned(),
            default.to_owned(),
            field.help.to_owned(),
        ]
    }));
    output::table(&rows);
    Ok(())
}
