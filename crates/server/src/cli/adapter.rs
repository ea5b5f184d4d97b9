//! `switchhook adapter`: checks a mapping file, and runs it over recorded notifications. No
//! server and no database. Exit code 1 when a fixture gives another record than it should, 2 when
//! the file itself has faults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use switchhook_adapters::mapped::{self, Mapped};
use switchhook_domain::Timestamp;
use switchhook_domain::cause::Reason;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::date_undated;
use switchhook_domain::signal::{CallFact, Fact, LegFact, Outcome as End, Signal, UNDATED};
use switchhook_engine::adapter::{Adapter, Capability, ConnectionContext};
use switchhook_engine::outbound::Guard;

use super::{Failure, Outcome, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Checks a mapping file and tells every fault with line, column and key.
    Check {
        /// The mapping file.
        file: PathBuf,
    },
    /// Runs a mapping file over folders of recorded notifications.
    Test {
        /// The mapping file.
        file: PathBuf,
        /// Folder with a folder for each scenario: notifications `01_….json` in order, and
        /// perhaps `record.json` with what must come of them.
        #[arg(long, value_name = "DIR")]
        fixtures: PathBuf,
        /// Country whose national numbers are read.
        #[arg(long, default_value = "NL")]
        country: String,
    },
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Check { file } => {
            let mapped = compile(file)?;
            let spec = mapped.spec();
            let able: Vec<String> = spec.capabilities.iter().map(|c| name(*c)).collect();
            let (title, platform) = (spec.title, spec.platform);
            output::say(&format!("{title} ({platform}): {}", able.join(", ")));
            Ok(())
        }
        Command::Test {
            file,
            fixtures,
            country,
        } => test(&compile(file)?, fixtures, country),
    }
}

fn compile(file: &Path) -> Result<Mapped, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
    mapped::compile(&text).map_err(|faults| {
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| format!("  {}:{fault}", file.display()))
            .collect();
        Failure::Usage(format!(
            "the mapping file has faults:\n{}",
            lines.join("\n")
        ))
    })
}

fn test(mapped: &Mapped, fixtures: &Path, country: &str) -> Outcome {
    let plan = NumberPlan::for_country(country)
        .ok_or_else(|| Failure::Usage(format!("{country} is no two-letter country code")))?;
    let connection = connection(plan);
    let scenarios = folders(fixtures)?;
    let mut shown = BTreeSet::new();
    let mut failed = 0_usize;
    for scenario in &scenarios {
        let title = scenario.file_name().unwrap_or_default().to_string_lossy();
        let (folded, told) = fold(mapped, scenario, &connection, country)?;
        shown.extend(told.iter().filter_map(capability));
        let record = scenario.join("record.json");
        if !record.exists() {
            output::say(&format!("{title}: no record.json; this came of it:"));
            output::json(&folded)?;
            continue;
        }
        let text = std::fs::read(&record)?;
        let expected: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not JSON", record.display()))?;
        let mut found = Vec::new();
        differences("", &expected, &folded, &mut found);
        let verdict = if found.is_empty() { "ok" } else { "DIFFERS" };
        output::say(&format!("{title}: {verdict}"));
        for difference in &found {
            output::say(&format!("  {difference}"));
        }
        failed += usize::from(!found.is_empty());
    }
    coverage(mapped, &shown);
    if failed > 0 {
        let all = scenarios.len();
        return Err(anyhow::anyhow!("{failed} of {all} scenarios give another record").into());
    }
    Ok(())
}

/// What the platform reports and no scenario shows, and what it lacks.
fn coverage(mapped: &Mapped, shown: &BTreeSet<Capability>) {
    let spec = mapped.spec();
    let reported = spec.capabilities.iter().filter(|c| !c.is_command());
    for capability in reported.filter(|capability| !shown.contains(capability)) {
        output::say(&format!("not shown by any scenario: {}", name(*capability)));
    }
    for (capability, why) in spec.lacks.iter().filter(|(c, _)| !c.is_command()) {
        output::say(&format!("lacks {}: {why}", name(*capability)));
    }
}

fn folders(fixtures: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(fixtures)
        .with_context(|| format!("cannot read {}", fixtures.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    found.sort();
    if found.is_empty() {
        bail!("{} has no folders of notifications", fixtures.display());
    }
    Ok(found)
}

fn connection(numbers: NumberPlan) -> ConnectionContext {
    ConnectionContext {
        app_id: AppId(uuid::Uuid::nil()),
        id: ConnectionId(uuid::Uuid::nil()),
        name: "test".to_owned(),
        config: Map::new(),
        credentials: std::collections::BTreeMap::new(),
        webhook_secrets: Vec::new(),
        numbers,
        outbound: Guard::default(),
    }
}

/// Decodes and folds the notifications of a scenario in the order of their names.
fn fold(
    mapped: &Mapped,
    scenario: &Path,
    connection: &ConnectionContext,
    country: &str,
) -> anyhow::Result<(Value, Vec<Signal>)> {
    let entries = std::fs::read_dir(scenario)?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let numbered = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut files: Vec<PathBuf> = paths.filter(numbered).collect();
    files.sort();
    let mut replay = Replay::new(mapped.spec().platform, country);
    let mut now = Timestamp::UNIX_EPOCH;
    let mut told = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file)?;
        for body in mapped.split(&bytes) {
            let decoded = mapped.decode(body, connection);
            let mut signals = decoded
                .with_context(|| format!("{} is not understood", file.display()))?
                .signals;
            let dated = signals
                .iter()
                .map(|signal| signal.at)
                .filter(|at| *at != UNDATED);
            now = dated.max().unwrap_or(now).max(now);
            date_undated(&mut signals, now);
            replay.notification(now, &signals);
            told.append(&mut signals);
        }
    }
    let (calls, events) = replay.finish();
    let names = events.iter().map(|event| event.kind.as_str());
    // `call.updated` says that anything else changed, and is not part of a story. Nor is what is
    // told of contact moments, which follows from the records.
    let beside = |name: &str| name == "call.updated" || name.starts_with("contact_moment.");
    let events: Vec<&str> = names.filter(|name| !beside(name)).collect();
    Ok((json!({ "calls": calls, "events": events }), told))
}

/// Everything in `expected` must be in `actual`; lists must be equally long.
fn differences(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, value) in members {
                let there = actual.get(name).unwrap_or(&Value::Null);
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                differences(&inner, value, there, found);
            }
        }
        (Value::Array(items), Value::Array(there)) if items.len() == there.len() => {
            for (at, (item, there)) in items.iter().zip(there).enumerate() {
                differences(&format!("{path}[{at}]"), item, there, found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: expected {expected}, found {actual}")),
    }
}

/// The capability a signal shows.
fn capability(signal: &Signal) -> Option<Capability> {
    let declined = |reason| matches!(reason, Some(Reason::Rejected | Reason::Blocked));
    Some(match &signal.fact {
        Fact::Message(_) => Capability::Messages,
        Fact::Presence(_) => Capability::Presence,
        Fact::Snapshot { .. } => return None,
        Fact::Leg { fact, .. } => match fact {
            LegFact::Rang => Capability::Ringing,
            LegFact::Answered => Capability::Answered,
            LegFact::Held | LegFact::Resumed => Capability::Hold,
            LegFact::Ended(cause) if declined(cause.reason) => Capability::Rejected,
            _ => return None,
        },
        Fact::Call(fact) => match fact {
            CallFact::Queue(_) => Capability::Queue,
            CallFact::Transferred { .. } => Capability::Transfer,
            CallFact::Outcome(End::Rejected) => Capability::Rejected,
            CallFact::Voicemail { .. } | CallFact::VoicemailReached => Capability::Voicemail,
            CallFact::Recording { .. } => Capability::Recording,
            CallFact::Transcript(_) => Capability::Transcript,
            _ => return None,
        },
    })
}

/// A capability as the API writes it.
fn name(capability: Capability) -> String {
    let value = serde_json::to_value(capability).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
