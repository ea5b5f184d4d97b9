//! `switchhook key`: API keys of an app, straight on the database.

use switchhook_domain::id::KeyId;

use super::{Context, Outcome, app, audit, output};
use crate::wire::Parts;

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
    /// Makes a key and prints it, once.
    Create {
        /// What it is called.
        name: String,
    },
    /// Lists the keys: names and hints, never the keys.
    List,
    /// Revokes a key; its sockets are closed within a second.
    Revoke {
        /// The key's id, as `list` shows it.
        id: KeyId,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    let parts = Parts::build(context.config()?).await?;
    let outcome = command(&parts, args).await;
    parts.store.close().await;
    outcome
}

async fn command(parts: &Parts, args: Args) -> Outcome {
    let app = app::find(parts, args.app.as_deref()).await?;
    match args.command {
        Command::Create { name } => {
            let key = parts.admin.create_key(app.id, &name, None).await?;
            let target = format!("key {}", key.row.id);
            audit::note(parts, app.id, "key create", &target).await?;
            output::say(&key.text);
            output::remark("The key is shown this once.");
        }
        Command::List => {
            let heading = ["ID", "NAME", "HINT", "SINCE", "STATE"];
            let mut rows = vec![heading.map(str::to_owned).to_vec()];
            for key in parts.store.keys(app.id).await? {
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(at), _) => format!("revoked {}", at.strftime("%Y-%m-%d %H:%M")),
                    (None, Some(at)) => format!("until {}", at.strftime("%Y-%m-%d %H:%M")),
                    (None, None) => "good".to_owned(),
                };
                let since = key.created_at.strftime("%Y-%m-%d").to_string();
                rows.push(vec![key.id.to_string(), key.name, key.hint, since, state]);
            }
            output::table(&rows);
        }
        Command::Revoke { id } => {
            parts.admin.revoke_key(app.id, id).await?;
            audit::note(parts, app.id, "key revoke", &format!("key {id}")).await?;
            output::say("Revoked.");
        }
    }
    Ok(())
}
