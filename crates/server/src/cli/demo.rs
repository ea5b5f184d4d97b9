//! `switchhook demo`: a server with a demo app, a directory and every platform that can be played,
//! all over the same wires as real ones: posts over HTTP, the PBX over its event socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use switchhook_adapters::simulate::{self, CallSeed, Caller, Colleague, Player, Scenario};
use switchhook_domain::agent::IdentityKind;
use switchhook_domain::contact::{Contact, ContactNumber};
use switchhook_domain::id::{AgentId, ContactId, IdMint};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_engine::adapter::{Capability, Secret};
use switchhook_engine::admin::{KeyWish, NewConnection};
use switchhook_engine::agents::{Draft, NewIdentity};
use switchhook_engine::audit::OnRecord;
use switchhook_engine::outbound::Policy;
use switchhook_engine::ports::{Clock, Entropy, SystemClock, SystemEntropy};
use switchhook_engine::store::{App, Connection, Role};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::deeds::{self, Done};
use super::pbx::Pbx;
use super::serve::stop_on_signal;
use super::simulate::{Target, play};
use super::{Context, Outcome, connection, output, start_logging};
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:4000", value_name = "HOST:PORT")]
    listen: String,
    /// Folder of the demo's database; kept between runs.
    #[arg(long, default_value = "data/demo", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Seconds between two calls, on average.
    #[arg(long, default_value_t = 6.0)]
    every: f64,
    /// Pace of each call: 1 is life, 0.5 twice as fast.
    #[arg(long, default_value_t = 0.6)]
    pace: f64,
    /// Decides everything that is left to chance. Random when left out.
    #[arg(long)]
    seed: Option<u64>,
}

pub(super) async fn run(args: Args, mut context: Context) -> Outcome {
    context.overrides.listen = Some(args.listen.clone());
    context.overrides.database_url = Some(format!(
        "sqlite://{}",
        args.data_dir.join("demo.db").display()
    ));
    let mut config = context.config()?;
    if config.internal_api_secret.is_none() {
        config.internal_api_secret = Some(Secret::new("demo-operator-secret"));
    }
    // Its PBX is simulated, on this machine.
    config.outbound = Policy::allowing("127.0.0.1").map_err(anyhow::Error::msg)?;
    start_logging(&config);
    std::fs::create_dir_all(&args.data_dir)
        .with_context(|| format!("cannot make the folder {}", args.data_dir.display()))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let base = format!("http://{}", listener.local_addr()?);
    let parts = Parts::build(config).await?;
    let app = demo_app(&parts).await?;
    fill_directory(&parts, &app).await?;
    let targets = connect(&parts, &app, &base).await?;
    let wish = KeyWish {
        name: Some("demo".to_owned()),
        ..KeyWish::default()
    };
    let key = parts.admin.create_key(app.id, wish).await?;
    let target = format!("key {}", key.row.id);
    let after = Some(key.row.on_record());
    note(&parts, &app, "demo key", target, None, after).await?;
    let agent = Some(staff(&parts, &app).await?);
    let token = parts.gate.sign_in_link(app.id, Role::Admin, agent);
    let token = token.await?;
    let target = format!("app {}", app.id);
    let after = Some(json!({ "role": "admin", "works_minutes": 30 }));
    note(&parts, &app, "demo link", target, None, after).await?;
    output::say(&format!("SIGN-IN LINK {base}/sign-in?token={token}"));
    output::say(&format!("API KEY      {}", key.text));
    output::say(&format!(
        "TRY          curl -H 'x-api-key: {}' {base}/api/calls",
        key.text
    ));
    output::say(&format!(
        "OPERATOR     {base}/docs  (secret: demo-operator-secret)"
    ));
    let stop = stop_on_signal()?;
    let seed = args
        .seed
        .unwrap_or_else(|| fold_random(SystemEntropy.random()));
    tokio::spawn(ring(targets, args, seed, stop.clone()));
    parts.serve(listener, stop).await?;
    Ok(())
}

fn fold_random(random: u128) -> u64 {
    let [a, b, c, d, e, f, ..] = random.to_be_bytes();
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

const APP_NAME: &str = "Demo";

async fn demo_app(parts: &Parts) -> anyhow::Result<App> {
    let known = parts
        .store
        .apps()
        .await?
        .into_iter()
        .find(|app| app.name == APP_NAME);
    if let Some(app) = known {
        return Ok(app);
    }
    let (app, key) = parts.admin.create_app(APP_NAME, Some("NL")).await?;
    let mut after = app.on_record();
    after["first_key"] = key.row.on_record();
    let target = format!("app {}", app.id);
    note(parts, &app, "demo app", target, None, Some(after)).await?;
    Ok(app)
}

async fn note(
    parts: &Parts,
    app: &App,
    action: &str,
    target: String,
    before: Option<Value>,
    after: Option<Value>,
) -> anyhow::Result<()> {
    let done = Done {
        app: Some(app.id),
        action,
        target,
        before,
        after,
    };
    deeds::note(parts, done).await
}

struct Person {
    name: &'static str,
    organisation: Option<&'static str>,
    label: &'static str,
    number: &'static str,
    note: Option<&'static str>,
}

const fn person(name: &'static str, label: &'static str, number: &'static str) -> Person {
    Person {
        name,
        organisation: None,
        label,
        number,
        note: None,
    }
}

/// Who calls in the demo. Two people share a number, so that the chooser is seen.
static PEOPLE: [Person; 10] = [
    Person {
        note: Some("Hard of hearing on the left: speak slowly."),
        ..person("Anneke Jansen", "mobile", "+31612345601")
    },
    person("Mohammed el Amrani", "mobile", "+31612345602"),
    Person {
        organisation: Some("Bouwbedrijf De Waal B.V."),
        ..person("Pieter de Waal", "work", "+31201234603")
    },
    person("Fatima Benali", "mobile", "+31612345604"),
    Person {
        organisation: Some("Notariskantoor Van Leeuwen"),
        ..person("Wilma van Leeuwen", "work", "+31701234605")
    },
    person("Thijs Mulder", "home", "+31301234606"),
    person("Lotte Mulder", "home", "+31301234606"),
    person("Yusuf Kaya", "mobile", "+31612345607"),
    Person {
        organisation: Some("Huisartsenpraktijk Oost"),
        ..person("Huisartsenpraktijk Oost", "main", "+31201234608")
    },
    person("Zoë Özdemir-van den Heuvel", "mobile", "+31612345609"),
];

async fn fill_directory(parts: &Parts, app: &App) -> anyhow::Result<()> {
    let plan = NumberPlan::for_country(&app.country).unwrap_or_default();
    let (known, _) = parts.store.contacts(app.id, &Default::default()).await?;
    if !known.is_empty() {
        return Ok(());
    }
    let mint = IdMint::new(SystemClock.now(), SystemEntropy.random());
    let contacts: Vec<Contact> = PEOPLE
        .iter()
        .map(|person| Contact {
            id: ContactId(mint.uuid()),
            name: person.name.to_owned(),
            organisation: person.organisation.map(str::to_owned),
            email: None,
            note: person.note.map(str::to_owned),
            url: None,
            numbers: vec![ContactNumber {
                number: PhoneNumber::parse(person.number, &plan),
                label: Some(person.label.to_owned()),
            }],
        })
        .collect();
    parts.store.put_contacts(app.id, &contacts).await?;
    let after = Some(json!({ "contacts": contacts }));
    note(
        parts,
        app,
        "demo contacts",
        "contacts".to_owned(),
        None,
        after,
    )
    .await
}

/// Who answers in the demo: both agents of the simulated platforms. Whoever opens the link is the
/// first of them.
async fn staff(parts: &Parts, app: &App) -> anyhow::Result<AgentId> {
    let agents = parts.intake.agents();
    let known = agents.latest(app.id).await?;
    let missing: Vec<Draft> = [Colleague::demo(false), Colleague::demo(true)]
        .iter()
        .filter(|colleague| known.by_email(&colleague.email).is_none())
        .map(draft)
        .collect();
    let made = agents
        .change(app.id, |edit| {
            let made = missing.iter().map(|draft| edit.create(draft));
            made.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    if !made.is_empty() {
        let names: Vec<&str> = made.iter().map(|agent| agent.name.as_str()).collect();
        let after = Some(json!({ "agents": names }));
        note(parts, app, "demo agents", "agents".to_owned(), None, after).await?;
    }
    let roster = agents.latest(app.id).await?;
    let first = roster.by_email(&Colleague::demo(false).email);
    Ok(first.context("the demo has lost its agent")?.id)
}

/// A simulated agent as one of the app's: by e-mail address, and by an extension that is theirs
/// wherever they sit.
fn draft(colleague: &Colleague) -> Draft {
    Draft {
        name: Some(colleague.name.clone()),
        email: Some(Some(colleague.email.clone())),
        identities: vec![NewIdentity {
            platform: None,
            connection_id: None,
            kind: IdentityKind::Extension,
            value: colleague.extension.clone(),
        }],
        ..Draft::default()
    }
}

/// A platform that is played, and where it speaks to.
struct Line {
    player: Player,
    target: Arc<Target>,
    secret: String,
    /// True when it tells of calls while they ring.
    rings: bool,
}

/// The one that is no webhook: a PBX whose socket the server opens.
const PBX: &str = "asterisk";

const PBX_PASSWORD: &str = "demo-pbx-password";

/// Fresh connections at each start: the simulated PBX has a new port each time.
async fn connect(parts: &Parts, app: &App, base: &str) -> anyhow::Result<Vec<Line>> {
    for old in parts.store.connections(Some(app.id)).await? {
        parts.admin.delete_connection(app.id, old.id).await?;
        let (ids, before) = ((app.id, old.id), Some(old.on_record()));
        let done = connection::done("demo connection removed", ids, before, None);
        deeds::note(parts, done).await?;
    }
    let mut lines = Vec::new();
    for platform in simulate::played() {
        let adapter = parts.connections.platforms().get(platform);
        let (Some(player), Some(adapter)) = (simulate::player(platform), adapter) else {
            continue;
        };
        let name = format!("{} (simulated)", adapter.spec().title);
        let rings = adapter.spec().capabilities.contains(&Capability::Ringing);
        lines.push(if platform == PBX {
            Line {
                player,
                target: Arc::new(pbx(parts, app, name).await?),
                secret: String::new(),
                rings,
            }
        } else {
            let new = NewConnection {
                platform: platform.to_owned(),
                name,
                ..NewConnection::default()
            };
            let made = parts.admin.create_connection(app.id, new).await?;
            note_made(parts, &made.row).await?;
            let address = format!("{base}/webhooks/{platform}/{}", made.row.hook_id);
            Line {
                player,
                target: Arc::new(Target::webhook(address)?),
                secret: made.webhook_secret.unwrap_or_default(),
                rings,
            }
        });
    }
    // The first call of a demo should be seen ringing: platforms that only tell of calls that are
    // over come last.
    lines.sort_by_key(|line| !line.rings);
    Ok(lines)
}

/// A simulated PBX, and the connection that opens its socket.
async fn pbx(parts: &Parts, app: &App, name: String) -> anyhow::Result<Target> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let config: Map<String, Value> = [
        ("url", format!("http://{}", listener.local_addr()?)),
        ("username", "demo".to_owned()),
        ("password", PBX_PASSWORD.to_owned()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.into()))
    .collect();
    let target = Target::pbx(Pbx::new("demo", PBX_PASSWORD), listener);
    let new = NewConnection {
        platform: PBX.to_owned(),
        name,
        config,
        webhook_secret: None,
    };
    let made = parts.admin.create_connection(app.id, new).await?;
    note_made(parts, &made.row).await?;
    Ok(target)
}

async fn note_made(parts: &Parts, row: &Connection) -> anyhow::Result<()> {
    let (ids, after) = ((row.app_id, row.id), Some(row.on_record()));
    deeds::note(parts, connection::done("demo connection", ids, None, after)).await
}

/// What the demo plays, in turn: mostly ordinary calls.
const PROGRAMME: [Scenario; 12] = [
    Scenario::Answered,
    Scenario::Hold,
    Scenario::Missed,
    Scenario::Transfer,
    Scenario::RingGroup,
    Scenario::Answered,
    Scenario::Voicemail,
    Scenario::OutboundAnswered,
    Scenario::Withheld,
    Scenario::Rejected,
    Scenario::Recording,
    Scenario::Busy,
];

/// Rings until `stop`, from all platforms in turn.
async fn ring(lines: Vec<Line>, args: Args, seed: u64, stop: CancellationToken) {
    let every = Duration::from_secs_f64(args.every.clamp(0.2, 3600.0));
    // The server and the link to the PBX need a moment to stand.
    let mut wait = Duration::from_millis(1_500);
    for index in 0_u64.. {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        wait = every;
        let at = |of: usize| usize::try_from(index).unwrap_or(0) % of;
        let scenario = PROGRAMME[at(PROGRAMME.len())];
        let mut call = CallSeed::new(seed.wrapping_add(index), SystemClock.now()).paced(args.pace);
        // Every fourth caller is nobody we know.
        if index % 4 != 3 {
            let person = &PEOPLE[at(PEOPLE.len())];
            let name = person.name.to_owned();
            call.caller = Caller {
                name,
                number: person.number.to_owned(),
            };
        }
        if index % 2 == 1 {
            call.agent = Colleague::demo(true);
            call.colleague = Colleague::demo(false);
        }
        // A platform that has no words for this scenario leaves it to the next one that has.
        let told = (0..lines.len()).find_map(|skipped| {
            let line = &lines[(at(lines.len()) + skipped) % lines.len()];
            let steps = (line.player)(scenario, &call, &line.secret);
            (!steps.is_empty()).then(|| (line.target.clone(), steps))
        });
        if let Some((target, steps)) = told {
            tokio::spawn(async move { play(&target, &steps).await });
        }
    }
}
