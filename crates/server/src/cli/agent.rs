//! `switchhook agent`: people who take calls and the users of platforms they are, straight on the
//! database; the platform is asked from here.

use std::collections::BTreeMap;

use serde_json::json;
use switchhook_domain::agent::{Place, Roster};
use switchhook_domain::id::ConnectionId;
use switchhook_engine::agents::{Matched, Missing, Outcome as Match, on_record};
use switchhook_engine::connections::ReadyConnection;
use switchhook_engine::platform_users::{Listed, MAX_USERS, PlatformUser};

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
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Asks a platform for its users and maps those that are certain to agents, by e-mail address
    /// and then by extension.
    Match(Matching),
}

#[derive(Debug, clap::Args)]
struct Matching {
    /// The connection's id, as `connection list` shows it.
    #[arg(long)]
    connection: ConnectionId,
    /// Shows what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Makes an agent of each user who is nobody's and has an e-mail address of their own.
    #[arg(long)]
    create_missing: bool,
    /// Makes one of those without an e-mail address as well.
    #[arg(long, requires = "create_missing")]
    create_without_email: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    let parts = Parts::build(context.config()?).await?;
    let Command::Match(matching) = &args.command;
    let outcome = matched(&parts, args.app.as_deref(), matching).await;
    parts.store.close().await;
    outcome
}

async fn matched(parts: &Parts, named: Option<&str>, asked: &Matching) -> Outcome {
    let app = app::find(parts, named).await?.id;
    let known = parts.connections.get(asked.connection);
    let connection = known.filter(|connection| connection.app.id == app);
    let connection = connection.ok_or_else(|| {
        let text = "the app has no such connection; see `switchhook connection list`";
        Failure::Usage(text.to_owned())
    })?;
    let listed = parts.controls.platform_users(&connection).await?;
    let missing = Missing {
        create: asked.create_missing,
        without_email: asked.create_without_email,
    };
    let place = Place {
        platform: &connection.row.platform,
        connection: connection.row.id,
    };
    let (agents, users) = (parts.intake.agents(), &listed.users);
    let before = agents.latest(app).await?;
    let matched = if asked.dry_run {
        let would = agents.preview(app, |edit| edit.match_users(place, users, missing));
        would.await?
    } else {
        let (action, target) = ("agent match", format!("connection {}", connection.row.id));
        let change = async {
            let matched = agents.change(app, |edit| edit.match_users(place, users, missing));
            let matched = matched.await?;
            let (were, are, left_out) = on_record(&matched, &before, &*agents.latest(app).await?);
            let counts = counts(&matched);
            let done = Done {
                app: Some(app),
                action,
                target: target.clone(),
                before: Some(json!({ "agents": were })),
                after: Some(json!({
                    "agents": are, "agents_left_out": left_out, "counts": counts,
                })),
            };
            Ok((done, matched))
        };
        deeds::record(parts, Some(app), (action, &target), change).await?
    };
    let after = agents.latest(app).await?;
    show(&connection, &listed, &matched, &after);
    if asked.dry_run {
        output::remark("Nothing was changed.");
    }
    Ok(())
}

fn counts(matched: &[Matched]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for one in matched {
        *counts.entry(one.outcome.as_str()).or_default() += 1;
    }
    counts
}

fn show(connection: &ReadyConnection, listed: &Listed, matched: &[Matched], roster: &Roster) {
    let heading = ["USER", "EXTENSION", "NAME", "E-MAIL", "OUTCOME", "AGENT"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let users = listed.users.iter().zip(matched);
    rows.extend(users.map(|(user, one)| row(user, one, roster)));
    output::table(&rows);
    let counts: Vec<String> = counts(matched)
        .into_iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let told = if counts.is_empty() {
        "no users".to_owned()
    } else {
        counts.join(", ")
    };
    output::remark(&format!("{}: {told}.", connection.row.name));
    if listed.truncated {
        let text = format!("The platform has more than {MAX_USERS} users; the rest was left out.");
        output::remark(&text);
    }
}

fn row(user: &PlatformUser, one: &Matched, roster: &Roster) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let named = |ids: &[_]| {
        let names = ids.iter().filter_map(|id| roster.get(*id));
        let names: Vec<&str> = names.map(|agent| agent.name.as_str()).collect();
        names.join(" or ")
    };
    let agent = match (&one.agent, one.outcome) {
        (Some(id), _) => named(&[*id]),
        (None, Match::Ambiguous) => named(&one.candidates),
        _ => String::new(),
    };
    let outcome = one.outcome.as_str().replace('_', " ");
    vec![
        text(&user.id),
        text(&user.extension),
        text(&user.name),
        text(&user.email),
        outcome,
        agent,
    ]
}
