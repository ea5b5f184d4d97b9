//! `switchhook user`: people of an app, straight on the database, for whoever has the machine.

use serde_json::{Value, json};
use switchhook_domain::id::{AppId, UserId};
use switchhook_engine::audit::OnRecord;
use switchhook_engine::people::{Edit, NewLink, PeopleError, address};
use switchhook_engine::rights::Role;
use switchhook_engine::store::Person;

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
    /// Invites somebody, or anew, and prints the link, once; good for seven days.
    Invite {
        /// Their e-mail address.
        email: String,
        /// admin, supervisor, agent or read_only.
        #[arg(long, default_value = "agent",
            value_parser = ["admin", "supervisor", "agent", "read_only"])]
        role: String,
        /// Their name.
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists the people of an app.
    List,
    /// Prints a link with which somebody sets a new password, within an hour.
    ResetLink {
        /// Their e-mail address or id.
        who: String,
    },
    /// Prints the link that sets a new server up: works while there is no app and nobody.
    SetUpLink,
    /// Shuts somebody out: their sessions end, their sockets are closed within a second.
    Disable {
        /// Their e-mail address or id.
        who: String,
    },
    /// Lets somebody in again.
    Enable {
        /// Their e-mail address or id.
        who: String,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Outcome {
    let parts = Parts::build(context.config()?).await?;
    let outcome = command(&parts, args).await;
    parts.store.close().await;
    outcome
}

async fn command(parts: &Parts, args: Args) -> Outcome {
    if let Command::SetUpLink = args.command {
        return set_up_link(parts).await;
    }
    let app = app::find(parts, args.app.as_deref()).await?.id;
    match args.command {
        Command::Invite { email, role, name } => {
            let role = Role::from_name(&role).unwrap_or(Role::Agent);
            let known = known(parts, app, &email).await?;
            let action = "user invite";
            let invite = async {
                let name = name.as_deref();
                let link = parts.people.invite(app, &email, name, role).await;
                let link = link.map_err(told)?;
                Ok((linked(action, known.as_ref(), &link), link))
            };
            let link = deeds::record(parts, Some(app), (action, "person"), invite).await?;
            show(parts, &link);
            output::remark("The link works once, within seven days. It is shown this once.");
        }
        Command::List => list(parts, app).await?,
        Command::ResetLink { who } => {
            let person = find(parts, app, &who).await?;
            let action = "user reset-link";
            let reset = async {
                let link = parts.people.reset_link(app, person.id).await;
                let link = link.map_err(told)?;
                Ok((linked(action, Some(&person), &link), link))
            };
            let target = format!("person {}", person.id);
            let link = deeds::record(parts, Some(app), (action, &target), reset).await?;
            show(parts, &link);
            output::remark("The link works once, within an hour. It is shown this once.");
        }
        Command::Disable { who } => switch(parts, app, &who, false).await?,
        Command::Enable { who } => switch(parts, app, &who, true).await?,
        Command::SetUpLink => {}
    }
    Ok(())
}

async fn set_up_link(parts: &Parts) -> Outcome {
    let Some(token) = parts.people.set_up_link().await? else {
        let text = "this server is set up already; see `switchhook user invite`";
        return Err(Failure::Usage(text.to_owned()));
    };
    note_set_up_link(parts, "user set-up-link").await?;
    let base = app::base_url(parts);
    output::say(&format!("{base}/set-up?token={token}"));
    output::remark("The link works once, within an hour.");
    Ok(())
}

/// Puts on record that whoever reads the terminal can set the server up.
pub(super) async fn note_set_up_link(parts: &Parts, action: &str) -> anyhow::Result<()> {
    let done = Done {
        app: None,
        action,
        target: "set-up".to_owned(),
        before: None,
        after: Some(json!({ "role": "admin", "works_minutes": 60 })),
    };
    deeds::note(parts, done).await
}

async fn list(parts: &Parts, app: AppId) -> Outcome {
    let heading = ["ID", "E-MAIL", "NAME", "ROLE", "STATE", "LAST SIGN-IN"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    loop {
        let seen = u32::try_from(rows.len() - 1).unwrap_or(u32::MAX);
        let (page, _) = parts.store.people(app, 100, seen).await?;
        if page.is_empty() {
            break;
        }
        rows.extend(page.into_iter().map(|person| {
            let state = match (person.active, person.joined_at) {
                (false, _) => "shut out",
                (true, None) => "invited",
                (true, Some(_)) => "joined",
            };
            let last = person.last_sign_in_at;
            let last = last.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
            vec![
                person.id.to_string(),
                person.email,
                person.name,
                person.role.as_str().to_owned(),
                state.to_owned(),
                last.unwrap_or_default(),
            ]
        }));
    }
    output::table(&rows);
    Ok(())
}

async fn switch(parts: &Parts, app: AppId, who: &str, active: bool) -> Outcome {
    let person = find(parts, app, who).await?;
    let edit = Edit {
        active: Some(active),
        ..Edit::default()
    };
    let (action, words) = if active {
        ("user enable", "Let in again.")
    } else {
        ("user disable", "Shut out.")
    };
    let switch = async {
        let edited = parts.people.edit(app, person.id, &edit).await;
        let edited = edited.map_err(told)?;
        let after = edited.on_record();
        Ok((done(action, Some(&person), &edited, after), ()))
    };
    let target = format!("person {}", person.id);
    deeds::record(parts, Some(app), (action, &target), switch).await?;
    output::say(words);
    Ok(())
}

async fn find(parts: &Parts, app: AppId, who: &str) -> Result<Person, Failure> {
    let found = match who.parse::<UserId>() {
        Ok(id) => parts.store.person(app, id).await?,
        Err(_) => known(parts, app, who).await?,
    };
    found.ok_or_else(|| Failure::Usage(format!("nobody called {who} is in this app")))
}

/// Who has this address in the app.
async fn known(parts: &Parts, app: AppId, email: &str) -> Result<Option<Person>, Failure> {
    let email = address(email).unwrap_or_default();
    let known = parts.store.people_by_email(&email).await?;
    Ok(known.into_iter().find(|one| one.app_id == app))
}

fn done<'a>(action: &'a str, before: Option<&Person>, person: &Person, after: Value) -> Done<'a> {
    Done {
        app: Some(person.app_id),
        action,
        target: format!("person {}", person.id),
        before: before.map(Person::on_record),
        after: Some(after),
    }
}

/// The same where they were given a link: until when it works.
fn linked<'a>(action: &'a str, before: Option<&Person>, link: &NewLink) -> Done<'a> {
    let mut after = link.person.on_record();
    after["link_until"] = json!(link.expires_at);
    done(action, before, &link.person, after)
}

fn show(parts: &Parts, link: &NewLink) {
    let base = app::base_url(parts);
    output::say(&format!("{base}/invitation?token={}", link.token));
}

/// What whoever typed the command can do something about is their fault, not ours.
fn told(error: PeopleError) -> Failure {
    match error {
        PeopleError::Taken => Failure::Usage("somebody with this address has joined".to_owned()),
        PeopleError::LastAdmin => Failure::Usage(
            "the app would be left without an administrator; make somebody else one first"
                .to_owned(),
        ),
        PeopleError::Invalid { field, problem } => Failure::Usage(format!("{field} {problem}")),
        other => other.into(),
    }
}
