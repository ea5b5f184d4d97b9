//! `switchhook doctor`: looks at everything a start would need and says in one sentence each what
//! is wrong and what to do. Changes nothing but the database's schema version. Whether the
//! database is safe from other users, of the machine or of the database, is in `database`.

mod database;

use std::time::Duration;

use serde::Serialize;

use super::{Context, Failure, Outcome, output};
use crate::wire::Parts;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Finding {
    what: String,
    good: bool,
    says: String,
}

fn finding(what: impl Into<String>, good: bool, says: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        good,
        says: says.into(),
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Outcome {
    let config = context.config()?;
    let mut findings = vec![finding("configuration", true, "is good")];
    let secret = config.internal_api_secret.is_some();
    findings.push(finding(
        "operator secret",
        secret,
        if secret {
            "is set"
        } else {
            "is not set, so /internal and /metrics are closed; set INTERNAL_API_SECRET"
        },
    ));
    let listen = config.listen;
    findings.push(address(listen).await);
    let there = database::is_there(&config);
    match Parts::build(config).await {
        Ok(parts) => {
            look_inside(&parts, &mut findings).await;
            findings.extend(database::look(&parts.config, there).await);
            parts.store.close().await;
        }
        Err(error) => findings.push(finding("database", false, format!("{error:#}"))),
    }
    report(args, &findings)
}

/// Free, or taken by a Switchhook that runs.
async fn address(listen: std::net::SocketAddr) -> Finding {
    let Err(error) = tokio::net::TcpListener::bind(listen).await else {
        return finding("address", true, format!("{listen} is free"));
    };
    let url = format!("http://{listen}/health");
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(2))
        .build();
    let answer = match client {
        Ok(client) => client.get(url).send().await.ok(),
        Err(_) => None,
    };
    if answer.is_some_and(|answer| answer.status().is_success()) {
        return finding("address", true, format!("a server answers on {listen}"));
    }
    finding(
        "address",
        false,
        format!("{listen} cannot be listened on: {error}"),
    )
}

async fn look_inside(parts: &Parts, findings: &mut Vec<Finding>) {
    let ping = tokio::time::timeout(Duration::from_secs(5), parts.store.ping()).await;
    findings.push(match ping {
        Ok(Ok(())) => finding("database", true, "answers and is up to date"),
        Ok(Err(error)) => finding("database", false, error.to_string()),
        Err(_) => finding("database", false, "does not answer within 5 seconds"),
    });
    let apps = parts.store.apps().await.unwrap_or_default();
    findings.push(if apps.is_empty() {
        finding(
            "apps",
            false,
            "there is none; make one with `switchhook app create NAME`",
        )
    } else {
        finding("apps", true, format!("there are {}", apps.len()))
    });
    let mut connections = parts.connections.all();
    connections.sort_by_key(|c| c.row.id);
    if connections.is_empty() {
        let says = "there is none; add one with `switchhook connection add PLATFORM`";
        findings.push(finding("connections", false, says));
    }
    for connection in connections {
        let what = format!("{} ({})", connection.row.name, connection.row.platform);
        findings.push(match parts.doctor.look(&connection).await {
            Ok(found) => finding(what, found.ok, found.summary),
            Err(error) => finding(what, false, error.to_string()),
        });
    }
}

fn report(args: &Args, findings: &[Finding]) -> Outcome {
    if args.json {
        output::json(&findings)?;
    } else {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|f| {
                let mark = if f.good { "ok" } else { "!!" };
                vec![mark.to_owned(), f.what.clone(), f.says.clone()]
            })
            .collect();
        output::table(&rows);
    }
    let bad = findings.iter().filter(|f| !f.good).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!(
        "{bad} of {} need attention",
        findings.len()
    )))
}
