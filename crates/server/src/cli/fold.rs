//! `switchhook fold`: what an adapter makes of recorded notifications. No server and no database:
//! the tool to look at a capture, and to see what a change of an adapter changes.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Map;
use switchhook_domain::Timestamp;
use switchhook_domain::call::Call;
use switchhook_domain::event::EventDraft;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::date_undated;
use switchhook_engine::adapter::{Adapter, ConnectionContext, Inbound, Secret};
use switchhook_engine::outbound::Guard;

use super::{Failure, Outcome, output};
use crate::wire;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The platform whose notifications these are.
    platform: String,
    /// File of notifications, one body or frame a line (AMI: one message a block); - for standard
    /// input.
    file: PathBuf,
    /// Prints {"calls":[…],"events":[…]} in the API's own JSON.
    #[arg(long)]
    json: bool,
    /// Checks signatures with this secret. Without it, bodies that carry a signature are read
    /// unverified only when they are plain JSON.
    #[arg(long)]
    secret: Option<String>,
    /// Country whose national numbers are read.
    #[arg(long, default_value = "NL")]
    country: String,
    /// A setting of the connection; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

#[derive(Serialize)]
struct EventOut<'a> {
    event: &'a str,
    at: Timestamp,
    call_id: Option<switchhook_domain::id::CallId>,
    data: &'a serde_json::value::RawValue,
}

pub(super) fn run(args: &Args) -> Outcome {
    let platforms = wire::platforms();
    let adapter = platforms.get(&args.platform).ok_or_else(|| {
        let known: Vec<_> = platforms.all().iter().map(|a| a.spec().platform).collect();
        Failure::Usage(format!(
            "there is no platform {}; known: {}",
            args.platform,
            known.join(", ")
        ))
    })?;
    let connection = connection(args, &*adapter)?;
    let recorded = read(args)?;
    let mut replay = Replay::new(adapter.spec().platform, &args.country);
    let mut now = Timestamp::UNIX_EPOCH;
    let mut troubles = 0_usize;
    for (index, bytes) in adapter.split(&recorded).into_iter().enumerate() {
        match understand(&*adapter, bytes, &connection, args.secret.is_some()) {
            Ok(mut signals) => {
                now = signals
                    .iter()
                    .map(|signal| signal.at)
                    .max()
                    .unwrap_or(now)
                    .max(now);
                date_undated(&mut signals, now);
                replay.notification(now, &signals);
            }
            Err(problem) => {
                troubles += 1;
                output::remark(&format!("notification {}: {problem}", index + 1));
            }
        }
    }
    let (calls, events) = replay.finish();
    if args.json {
        print_json(&calls, &events)?;
    } else {
        print_people(&calls, &events);
    }
    if troubles > 0 {
        output::remark(&format!("{troubles} notifications were not understood."));
    }
    Ok(())
}

fn understand(
    adapter: &dyn Adapter,
    bytes: &[u8],
    connection: &ConnectionContext,
    verify: bool,
) -> Result<Vec<switchhook_domain::signal::Signal>, String> {
    let inbound = Inbound::body_only(bytes);
    let payload = if verify {
        adapter
            .verify(&inbound, connection)
            .map_err(|error| error.to_string())?
    } else {
        std::borrow::Cow::Borrowed(bytes)
    };
    let decoded = adapter
        .decode(&payload, connection)
        .map_err(|error| error.to_string())?;
    Ok(decoded.signals)
}

fn read(args: &Args) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(&args.file)
            .with_context(|| format!("cannot read {}", args.file.display()))?;
    }
    Ok(bytes)
}

fn connection(args: &Args, adapter: &dyn Adapter) -> Result<ConnectionContext, Failure> {
    let numbers = NumberPlan::for_country(&args.country)
        .ok_or_else(|| Failure::Usage(format!("{} is no two-letter country code", args.country)))?;
    let mut config = Map::new();
    for field in adapter.spec().config {
        if let Some(default) = field.default {
            config.insert(field.name.to_owned(), default.into());
        }
    }
    for setting in &args.settings {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("`{setting}` is no setting: write KEY=VALUE")))?;
        config.insert(key.to_owned(), value.into());
    }
    Ok(ConnectionContext {
        app_id: AppId(uuid::Uuid::nil()),
        id: ConnectionId(uuid::Uuid::nil()),
        name: "fold".to_owned(),
        config,
        credentials: std::collections::BTreeMap::new(),
        webhook_secrets: args
            .secret
            .iter()
            .map(|secret| Secret::new(secret.as_str()))
            .collect(),
        numbers,
        outbound: Guard::default(),
    })
}

fn print_json(calls: &[Call], events: &[EventDraft]) -> anyhow::Result<()> {
    let events: Vec<EventOut<'_>> = events
        .iter()
        .map(|e| EventOut {
            event: e.kind.as_str(),
            at: e.at,
            call_id: e.call_id,
            data: &e.data,
        })
        .collect();
    output::json(&serde_json::json!({ "calls": calls, "events": events }))
}

fn print_people(calls: &[Call], events: &[EventDraft]) {
    if calls.is_empty() {
        output::say("No calls.");
    }
    for call in calls {
        let side = |number: Option<&String>| number.map_or("?", String::as_str).to_owned();
        let seconds = |s: Option<i64>| s.map_or_else(String::new, time_text);
        output::say(&format!(
            "{} {} → {}  {}",
            call.status.as_str(),
            side(call.from_number.as_ref()),
            side(call.to_number.as_ref()),
            call.id
        ));
        let agent = call.agent.as_ref().and_then(|a| {
            a.extension
                .as_ref()
                .or(a.name.as_ref())
                .or(a.user_id.as_ref())
                .cloned()
        });
        output::say(&format!(
            "  agent {}  ring {}  talk {}  hold {}  cause {}  ended by {}",
            agent.unwrap_or_else(|| "–".to_owned()),
            seconds(call.ring_seconds),
            seconds(call.duration_seconds),
            time_text(call.hold_seconds),
            name(call.end_cause),
            name(call.ended_by),
        ));
        for missing in &call.missing {
            output::say(&format!("  missing: {missing}"));
        }
    }
    for event in events {
        output::say(&format!("{}  {}", event.at, event.kind.as_str()));
    }
}

/// The word the API uses.
fn name<T: Serialize>(value: Option<T>) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or("–").to_owned()
}

/// `m:ss`.
fn time_text(seconds: i64) -> String {
    let seconds = seconds.max(0);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
