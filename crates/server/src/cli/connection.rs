//! `switchhook connection`: connections to phone platforms, straight on the database.

use serde_json::{Map, Value, json};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::admin::{AdminError, Change, NewConnection};
use switchhook_engine::audit::OnRecord;
use switchhook_engine::references::FORMS;
use switchhook_engine::store::Connection;

use super::deeds::{self, Done};
use super::{Context, Failure, Outcome, app, output};
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
        #[arg(long, help = secret_help("Secret the platform signs with"))]
        webhook_secret: Option<String>,
    },
    /// Lists the connections and how they are doing.
    List,
    /// Changes settings of a connection; what is not named stays.
    Set {
        /// The connection's id, as `list` shows it.
        id: ConnectionId,
        /// A setting and its new value; without a value it is taken away. `platforms NAME` lists
        /// them.
        #[arg(value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// What it is called from now on.
        #[arg(long)]
        name: Option<String>,
    },
    /// Gives a connection a new webhook secret. The former is believed too, until the next one.
    Secret {
        /// The connection's id, as `list` shows it.
        id: ConnectionId,
        #[arg(long, help = secret_help("The secret the platform shows"))]
        secret: Option<String>,
        /// Believe the former secret no longer.
        #[arg(long)]
        drop_old: bool,
    },
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

fn secret_help(what: &str) -> String {
    format!("{what}; made up when left out. May be {FORMS}")
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
            let action = "connection add";
            let add = async {
                let made = parts.admin.create_connection(app.id, new).await?;
                let after = Some(made.row.on_record());
                Ok((done(action, (app.id, made.row.id), None, after), made))
            };
            let app = Some(app.id);
            let made = deeds::record(parts, app, (action, "connection"), add).await?;
            let base = app::base_url(parts);
            let row = made.row;
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
            remove(parts, app.id, id).await?;
            output::say("Removed.");
        }
        Command::Set { id, settings, name } => {
            let config = without_values_null(parse_settings(&settings)?);
            set(parts, app.id, id, name, config).await?;
        }
        Command::Secret {
            id,
            secret,
            drop_old,
        } => rotate(parts, app.id, id, secret, !drop_old).await?,
        Command::Platforms { .. } => {}
    }
    Ok(())
}

async fn remove(parts: &Parts, app: AppId, id: ConnectionId) -> Outcome {
    let action = "connection remove";
    let remove = async {
        let before = found(parts, app, id).await?.on_record();
        let mut left_there = Vec::new();
        if let Some(connection) = parts.connections.get(id) {
            left_there = parts.keeper.release(&connection).await?;
        }
        parts.admin.delete_connection(app, id).await?;
        let after = json!({ "left_at_platform": left_there });
        Ok((
            done(action, (app, id), Some(before), Some(after)),
            left_there,
        ))
    };
    let target = format!("connection {id}");
    let left_there = deeds::record(parts, Some(app), (action, &target), remove).await?;
    left_there.iter().for_each(|left| output::remark(left));
    Ok(())
}

/// The connection as it is now.
async fn found(parts: &Parts, app: AppId, id: ConnectionId) -> Result<Connection, Failure> {
    let found = parts.store.connection(app, id).await?;
    Ok(found.ok_or(AdminError::NotFound("connection"))?)
}

async fn set(
    parts: &Parts,
    app: AppId,
    id: ConnectionId,
    name: Option<String>,
    config: Map<String, Value>,
) -> Outcome {
    if name.is_none() && config.is_empty() {
        let nothing = "nothing to change: give KEY=VALUE or --name".to_owned();
        return Err(Failure::Usage(nothing));
    }
    let change = Change {
        name,
        config,
        webhook_secret: None,
    };
    let action = "connection set";
    let update = async {
        let before = Some(found(parts, app, id).await?.on_record());
        let row = parts.admin.update_connection(app, id, change).await?;
        let after = Some(row.on_record());
        Ok((done(action, (app, id), before, after), row))
    };
    let target = format!("connection {id}");
    let row = deeds::record(parts, Some(app), (action, &target), update).await?;
    follow(parts, id).await?;
    output::say(&format!("Changed     {id}  {}", row.name));
    Ok(())
}

async fn rotate(
    parts: &Parts,
    app: AppId,
    id: ConnectionId,
    secret: Option<String>,
    keep_old: bool,
) -> Outcome {
    let action = "connection secret";
    let rotate = async {
        let before = Some(found(parts, app, id).await?.on_record());
        let admin = &parts.admin;
        let rotated = admin.rotate_webhook_secret(app, id, secret, keep_old);
        let rotated = rotated.await?;
        let after = Some(rotated.row.on_record());
        Ok((done(action, (app, id), before, after), rotated))
    };
    let target = format!("connection {id}");
    let rotated = deeds::record(parts, Some(app), (action, &target), rotate).await?;
    follow(parts, id).await?;
    output::say(&format!("Changed     {id}  {}", rotated.row.name));
    if let Some(secret) = rotated.webhook_secret {
        output::say(&format!("Secret      {secret}"));
        output::remark("The secret is shown this once.");
    }
    if rotated.row.webhook_secrets.len() > 1 {
        output::remark(
            "The former secret is believed too. To end that, give the new one again with \
             --drop-old.",
        );
    }
    Ok(())
}

/// Has what is set up at the platform looked at anew; a running server reads the rest by itself.
async fn follow(parts: &Parts, id: ConnectionId) -> Outcome {
    if let Some(connection) = parts.connections.get(id) {
        parts.keeper.nudge(&connection).await?;
    }
    Ok(())
}

pub(super) fn done(
    action: &str,
    (app, id): (AppId, ConnectionId),
    before: Option<Value>,
    after: Option<Value>,
) -> Done<'_> {
    Done {
        app: Some(app),
        action,
        target: format!("connection {id}"),
        before,
        after,
    }
}

/// The settings with null, which takes away, for those without a value.
fn without_values_null(settings: Map<String, Value>) -> Map<String, Value> {
    let settings = settings.into_iter().map(|(key, value)| {
        let empty = value.as_str().is_some_and(|text| text.trim().is_empty());
        (key, if empty { Value::Null } else { value })
    });
    settings.collect()
}

fn parse_settings(settings: &[String]) -> Result<Map<String, Value>, Failure> {
    let pairs = settings.iter().enumerate().map(|(i, setting)| {
        // It is not repeated: somebody may have written the secret alone.
        let told = || format!("setting {} has no `=`: write KEY=VALUE", i + 1);
        let parted = setting.split_once('=');
        let (key, value) = parted.ok_or_else(|| Failure::Usage(told()))?;
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
