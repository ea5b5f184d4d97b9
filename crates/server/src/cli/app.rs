//! `switchhook app`: apps and sign-in links, straight on the database. A server that runs notices
//! within a second; its connections to platforms within some seconds.

use serde_json::{Value, json};
use switchhook_domain::id::AppId;
use switchhook_engine::admin::AppChange;
use switchhook_engine::audit::OnRecord;
use switchhook_engine::store::{App, Role};

use super::deeds::{self, Done};
use super::{Context, Failure, Outcome, output};
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes an app and prints its first API key, once.
    Create {
        /// What it is called.
        name: String,
        /// Country whose national numbers it reads and shows.
        #[arg(long, default_value = "NL")]
        country: String,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists the apps.
    List {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Gives an app another name or country.
    Rename {
        /// Id or name of the app.
        app: String,
        /// What it is called from now on.
        name: String,
        /// Country whose national numbers it reads and shows; stays when left out.
        #[arg(long)]
        country: Option<String>,
    },
    /// Switches an app off: its keys and people are refused, its sockets closed within a second,
    /// and no notifications are taken, until it is activated again. Nothing is deleted.
    Deactivate {
        /// Id or name of the app.
        app: String,
    },
    /// Switches an app on again.
    Activate {
        /// Id or name of the app.
        app: String,
    },
    /// Makes a one-time sign-in link for the page, good for half an hour.
    Link {
        /// Id or name of the app; may be left out when there is only one.
        app: Option<String>,
        /// admin, supervisor, agent or read_only.
        #[arg(long, default_value = "admin",
            value_parser = ["admin", "supervisor", "agent", "read_only"])]
        role: String,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    let parts = Parts::build(context.config()?).await?;
    let outcome = match args.command {
        Command::Create {
            name,
            country,
            json,
        } => create(&parts, &name, &country, json).await,
        Command::List { json } => list(&parts, json).await,
        Command::Rename { app, name, country } => {
            let change = AppChange {
                name: Some(name),
                country,
                active: None,
            };
            alter(&parts, &app, "app rename", change).await
        }
        Command::Deactivate { app } => {
            let change = AppChange {
                active: Some(false),
                ..AppChange::default()
            };
            alter(&parts, &app, "app deactivate", change).await
        }
        Command::Activate { app } => {
            let change = AppChange {
                active: Some(true),
                ..AppChange::default()
            };
            alter(&parts, &app, "app activate", change).await
        }
        Command::Link { app, role } => link(&parts, app.as_deref(), &role).await,
    };
    parts.store.close().await;
    outcome
}

async fn create(parts: &Parts, name: &str, country: &str, as_json: bool) -> Outcome {
    let action = "app create";
    let create = async {
        let (app, key) = parts.admin.create_app(name, Some(country)).await?;
        let mut after = app.on_record();
        after["first_key"] = key.row.on_record();
        Ok((done(action, &app, None, after), (app, key)))
    };
    // Until it is there it has no log of its own.
    let (app, key) = deeds::record(parts, None, (action, "app"), create).await?;
    if as_json {
        output::json(&json!({ "app_id": app.id, "app_name": app.name, "api_key": key.text }))?;
        return Ok(());
    }
    output::say(&format!("App  {}  {}", app.id, app.name));
    output::say(&format!("Key  {}", key.text));
    output::remark("The key is shown this once.");
    Ok(())
}

async fn alter(parts: &Parts, wanted: &str, action: &str, change: AppChange) -> Outcome {
    let before = find(parts, Some(wanted)).await?;
    let change = async {
        let after = parts.admin.change_app(before.id, change).await?;
        let old = Some(before.on_record());
        Ok((done(action, &after, old, after.on_record()), after))
    };
    let target = format!("app {}", before.id);
    let after = deeds::record(parts, Some(before.id), (action, &target), change).await?;
    let state = if after.active { "on" } else { "off" };
    let (id, name, country) = (after.id, &after.name, &after.country);
    output::say(&format!("App  {id}  {name}  {country}  switched {state}"));
    Ok(())
}

async fn list(parts: &Parts, as_json: bool) -> Outcome {
    let apps = parts.store.apps().await?;
    if as_json {
        output::json(&apps)?;
        return Ok(());
    }
    if apps.is_empty() {
        output::remark("There is no app yet. Make one with `switchhook app create NAME`.");
        return Ok(());
    }
    let heading = ["ID", "NAME", "COUNTRY", "ACTIVE", "SINCE"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(apps.iter().map(|app| {
        let active = if app.active { "yes" } else { "no" };
        let since = app.created_at.strftime("%Y-%m-%d").to_string();
        vec![
            app.id.to_string(),
            app.name.clone(),
            app.country.clone(),
            active.to_owned(),
            since,
        ]
    }));
    output::table(&rows);
    Ok(())
}

async fn link(parts: &Parts, app: Option<&str>, role: &str) -> Outcome {
    let app = find(parts, app).await?;
    let role = Role::from_name(role).unwrap_or(Role::Agent);
    let action = "app link";
    let make = async {
        let token = parts.gate.sign_in_link(app.id, role, None).await?;
        let after = json!({ "role": role.as_str(), "works_minutes": 30 });
        Ok((done(action, &app, None, after), token))
    };
    let target = format!("app {}", app.id);
    let token = deeds::record(parts, Some(app.id), (action, &target), make).await?;
    output::say(&format!("{}/sign-in?token={token}", base_url(parts)));
    output::remark(&format!(
        "Works once, within 30 minutes, for {} as {}.",
        app.name,
        role.as_str()
    ));
    Ok(())
}

fn done<'a>(action: &'a str, app: &App, before: Option<Value>, after: Value) -> Done<'a> {
    Done {
        app: Some(app.id),
        action,
        target: format!("app {}", app.id),
        before,
        after: Some(after),
    }
}

/// The address people reach the server by.
pub(super) fn base_url(parts: &Parts) -> String {
    let local = || format!("http://{}", parts.config.listen);
    parts.config.public_url.clone().unwrap_or_else(local)
}

/// The app of that id or name, or the only one.
pub(super) async fn find(parts: &Parts, wanted: Option<&str>) -> Result<App, Failure> {
    let apps = parts.store.apps().await?;
    let Some(wanted) = wanted else {
        return match <[App; 1]>::try_from(apps) {
            Ok([only]) => Ok(only),
            Err(apps) if apps.is_empty() => Err(Failure::Usage(
                "there is no app yet; make one with `switchhook app create NAME`".to_owned(),
            )),
            Err(_) => Err(Failure::Usage(
                "there are several apps: name one".to_owned(),
            )),
        };
    };
    let id = wanted.parse::<AppId>().ok();
    let mut found = apps
        .into_iter()
        .filter(|app| Some(app.id) == id || app.name == wanted);
    match (found.next(), found.next()) {
        (Some(app), None) => Ok(app),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "several apps are called {wanted}: give the id"
        ))),
        (None, _) => Err(Failure::Usage(format!("there is no app {wanted}"))),
    }
}
