//! `switchhook key`: API keys of an app, straight on the database. A server that runs notices
//! within a second.

use jiff::SignedDuration;
use serde_json::{Value, json};
use switchhook_domain::Timestamp;
use switchhook_domain::id::KeyId;
use switchhook_domain::time::parse_lenient;
use switchhook_engine::access::NewKey;
use switchhook_engine::admin::KeyWish;
use switchhook_engine::audit::OnRecord;
use switchhook_engine::rights::Scopes;
use switchhook_engine::store::{ApiKey, App};

use super::deeds::{self, Done};
use super::{Context, Failure, Outcome, app, output};
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Id or name of the app; may be left out when there is only one.
    #[arg(long, global = true)]
    app: Option<String>,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Makes a further key and prints it, once. Keys that are there go on working.
    Create {
        /// What it is called: the program that will use it.
        name: String,
        #[command(flatten)]
        wish: Wish,
    },
    /// Lists the keys: names, hints and scopes, never the keys.
    List,
    /// Replaces a key by a new one like it and prints that, once. The old one goes on working for
    /// a day, or as long as `--overlap` says, and then stops by itself.
    Rotate {
        /// The key's id, as `list` shows it.
        id: KeyId,
        /// What the new key is called; like the old one when left out.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        wish: Wish,
        /// Seconds the old key goes on working, up to 2592000 (30 days); 0 revokes it at once.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap: u32,
    },
    /// Revokes a key; its sockets are closed within a second.
    Revoke {
        /// The key's id, as `list` shows it.
        id: KeyId,
    },
}

/// What a new key may do, and for how long.
#[derive(Debug, clap::Args)]
struct Wish {
    /// What it may do, such as `calls:read,events:read`; `all` for everything. When left out:
    /// everything, or what the key may that it replaces.
    #[arg(long, value_delimiter = ',', value_name = "SCOPE,…")]
    scopes: Vec<String>,
    /// When it stops working by itself, such as 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<Timestamp>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    parse_lenient(text).ok_or_else(|| "give a time such as 2027-01-01T00:00:00Z".to_owned())
}

impl Wish {
    fn read(self, name: Option<String>, overlap: Option<u32>) -> Result<KeyWish, Failure> {
        let scopes = if self.scopes.is_empty() {
            None
        } else {
            let read = Scopes::parse(self.scopes.iter().map(String::as_str));
            Some(read.map_err(|error| Failure::Usage(error.to_string()))?)
        };
        Ok(KeyWish {
            name,
            scopes,
            expires_at: self.expires,
            overlap: overlap.map(|seconds| SignedDuration::from_secs(seconds.into())),
        })
    }
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
        Command::Create { name, wish } => {
            let wish = wish.read(Some(name), None)?;
            let action = "key create";
            let create = async {
                let key = parts.admin.create_key(app.id, wish).await?;
                let after = Some(key.row.on_record());
                Ok((done(action, &app, key.row.id, None, after), key))
            };
            let key = deeds::record(parts, Some(app.id), (action, "key"), create).await?;
            tell(&key, args.json)
        }
        Command::List => list(parts, &app, args.json).await,
        Command::Rotate {
            id,
            name,
            wish,
            overlap,
        } => {
            let wish = wish.read(name, Some(overlap))?;
            let action = "key rotate";
            let rotate = async {
                let made = parts.admin.rotate_key(app.id, id, wish).await?;
                let before = made.old.as_ref().map(ApiKey::on_record);
                let after = Some(made.key.row.on_record());
                Ok((done(action, &app, id, before, after), made))
            };
            let target = format!("key {id}");
            let made = deeds::record(parts, Some(app.id), (action, &target), rotate).await?;
            if let Some(until) = made.old_until {
                let until = until.strftime("%Y-%m-%d %H:%M UTC");
                output::remark(&format!("The old key works until {until}."));
            }
            tell(&made.key, args.json)
        }
        Command::Revoke { id } => {
            let action = "key revoke";
            let revoke = async {
                let before = Some(parts.admin.key(app.id, id).await?.on_record());
                parts.admin.revoke_key(app.id, id).await?;
                let after = Some(parts.admin.key(app.id, id).await?.on_record());
                Ok((done(action, &app, id, before, after), ()))
            };
            let target = format!("key {id}");
            deeds::record(parts, Some(app.id), (action, &target), revoke).await?;
            output::say("Revoked.");
            Ok(())
        }
    }
}

fn done<'a>(
    action: &'a str,
    app: &App,
    key: KeyId,
    before: Option<Value>,
    after: Option<Value>,
) -> Done<'a> {
    Done {
        app: Some(app.id),
        action,
        target: format!("key {key}"),
        before,
        after,
    }
}

fn tell(key: &NewKey, as_json: bool) -> Outcome {
    if as_json {
        output::json(&json!({ "api_key": key.text, "key": key.row.on_record() }))?;
        return Ok(());
    }
    output::say(&key.text);
    output::remark("The key is shown this once.");
    Ok(())
}

async fn list(parts: &Parts, app: &App, as_json: bool) -> Outcome {
    let keys = parts.store.keys(app.id).await?;
    if as_json {
        let keys: Vec<_> = keys.iter().map(ApiKey::on_record).collect();
        output::json(&keys)?;
        return Ok(());
    }
    let heading = [
        "ID",
        "NAME",
        "HINT",
        "SINCE",
        "LAST USED",
        "STATE",
        "SCOPES",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let now = parts.clock.now();
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    rows.extend(keys.into_iter().map(|key| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {}", minute(at)),
            (None, Some(at)) if at <= now => format!("expired {}", minute(at)),
            (None, Some(at)) => format!("until {}", minute(at)),
            (None, None) => "good".to_owned(),
        };
        vec![
            key.id.to_string(),
            key.name,
            key.hint,
            key.created_at.strftime("%Y-%m-%d").to_string(),
            key.last_used_at.map_or_else(|| "never".to_owned(), minute),
            state,
            key.scopes.to_text(),
        ]
    }));
    output::table(&rows);
    Ok(())
}
