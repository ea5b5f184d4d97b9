//! A real PBX, real SIP phones: for each course a call can take, the record, the events and the
//! frames are what a person who listened in would expect. One test, since there is one PBX.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bed::{self, Pbx, ami_port, ari_port};
use crate::program::{App, Frames, Server};

/// What a person would expect of a scenario: members of the record, and the events in order
/// (`call.updated` and pops left aside).
struct Story {
    scenario: &'static str,
    record: Value,
    events: &'static [&'static str],
}

fn story(scenario: &'static str, record: Value, events: &'static [&'static str]) -> Story {
    Story {
        scenario,
        record,
        events,
    }
}

const ANSWERED: &[&str] = &["call.ring", "call.started", "call.ended"];
const MISSED: &[&str] = &["call.ring", "call.missed"];
fn stories() -> Vec<Story> {
    [answered(), unanswered(), moved(), outbound()]
        .into_iter()
        .flatten()
        .collect()
}

fn inbound(mut more: Value) -> Value {
    more["direction"] = "inbound".into();
    more["from_number"] = "+31612345678".into();
    more
}

fn agent(extension: &str) -> Value {
    json!({ "extension": extension })
}

fn answered() -> Vec<Story> {
    vec![
        story(
            "answered",
            inbound(json!({
                "status": "ended", "agent": agent("100"), "end_cause": "normal",
                "ended_by": "remote", "to_number": "+31201234567", "hangup_cause": 16,
                "hold_seconds": 0,
            })),
            ANSWERED,
        ),
        story(
            "answered-agent-hangs-up",
            inbound(json!({ "status": "ended", "agent": agent("100"), "ended_by": "agent" })),
            ANSWERED,
        ),
        story(
            "hold-resume",
            inbound(json!({ "status": "ended", "agent": agent("100") })),
            &[
                "call.ring",
                "call.started",
                "call.held",
                "call.resumed",
                "call.ended",
            ],
        ),
        story(
            "queue",
            inbound(json!({ "status": "ended", "agent": agent("100"), "queue": "support" })),
            ANSWERED,
        ),
        story(
            "ring-group",
            inbound(json!({ "status": "ended", "agent": agent("100") })),
            ANSWERED,
        ),
        story(
            "caller-withheld",
            json!({ "status": "ended", "direction": "inbound", "from_number": null }),
            ANSWERED,
        ),
    ]
}

fn unanswered() -> Vec<Story> {
    vec![
        story(
            "missed",
            inbound(json!({
                "status": "missed", "end_cause": "no_answer", "ended_by": "system",
                "answered_at": null, "duration_seconds": 0, "ring_seconds": 12,
            })),
            MISSED,
        ),
        story(
            "busy",
            inbound(json!({ "status": "missed", "end_cause": "busy" })),
            MISSED,
        ),
        story(
            "declined",
            inbound(json!({
                "status": "rejected", "end_cause": "rejected", "agent": agent("100"),
                "ended_by": "agent",
            })),
            &["call.ring", "call.rejected"],
        ),
        story(
            "cancelled",
            inbound(json!({ "status": "missed", "end_cause": "cancelled", "ended_by": "remote" })),
            MISSED,
        ),
        story(
            "voicemail",
            inbound(json!({ "status": "voicemail", "end_cause": "voicemail" })),
            &["call.ring", "call.missed", "voicemail.received"],
        ),
    ]
}

fn moved() -> Vec<Story> {
    vec![
        story(
            "blind-transfer",
            inbound(json!({
                "status": "ended", "agent": agent("101"), "to_number": "+31201234567",
                "transfers": [{ "kind": "blind", "from": "100", "to": "101" }],
            })),
            &[
                "call.ring",
                "call.started",
                "call.transferred",
                "call.ended",
            ],
        ),
        story(
            "attended-transfer-ami",
            inbound(json!({
                "status": "ended", "agent": agent("101"),
                "transfers": [{ "kind": "attended", "from": "100" }],
            })),
            &[
                "call.ring",
                "call.started",
                "call.held",
                "call.resumed",
                "call.transferred",
                "call.ended",
            ],
        ),
    ]
}

fn outbound() -> Vec<Story> {
    let record = json!({
        "status": "ended", "direction": "outbound", "agent": agent("100"),
        "to_number": "+31612345678",
    });
    vec![
        story("outbound", record.clone(), ANSWERED),
        story("click-to-dial", record, ANSWERED),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_course_of_a_call_on_a_real_pbx() {
    let Some(_pbx) = Pbx::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let app = server.app("real pbx").await;
    let connection = json!({
        "platform": "asterisk",
        "name": "real",
        "config": {
            "url": format!("http://127.0.0.1:{}", ari_port()),
            "username": "cti",
            "password": "ctisecret",
        },
    });
    server.connection(&app, &connection).await;
    contact(&server, &app).await;
    link_is_up(&server, &app).await;
    let fallback = connect_by_ami(&server).await;
    let mut frames = server.listen(&app).await;
    let mut problems = Vec::new();
    for story in stories() {
        frames.drain(Duration::from_millis(100)).await;
        let before = total(&server, &app).await;
        let before_ami = total(&server, &fallback).await;
        bed::play(story.scenario);
        if let Err(problem) = same_by_ami(&server, &fallback, &story, before_ami).await {
            problems.push(format!("{} by AMI: {problem}", story.scenario));
        }
        if let Err(problem) = judge(&server, &app, &story, &mut frames, before).await {
            problems.push(format!("{}: {problem}", story.scenario));
        }
    }
    if let Err(problem) = attended_by_phone(&server, &app, &mut frames).await {
        problems.push(format!("attended-transfer: {problem}"));
    }
    if let Err(problem) = restart(&server, &app, &mut frames).await {
        problems.push(format!("pbx-restart-mid-call: {problem}"));
    }
    assert!(
        problems.is_empty(),
        "{} of the stories:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// A second app hears of the same calls over AMI, the way for a PBX without ARI.
async fn connect_by_ami(server: &Server) -> App {
    let app = server.app("real pbx by AMI").await;
    let connection = json!({
        "platform": "asterisk",
        "name": "real, by AMI",
        "config": {
            "transport": "ami",
            "ami_host": "127.0.0.1",
            "ami_port": ami_port(),
            "username": "cti",
            "password": "amisecret",
        },
    });
    server.connection(&app, &connection).await;
    link_is_up(server, &app).await;
    app
}

/// The record is the same whichever way the PBX told it.
async fn same_by_ami(server: &Server, app: &App, story: &Story, before: u64) -> Result<(), String> {
    let call = the_new_call(server, app, before).await?;
    contains(&story.record, &call, "call")
}

/// The one conversation that came and ended since there were `before`.
async fn the_new_call(server: &Server, app: &App, before: u64) -> Result<Value, String> {
    let over = |page: &Value| {
        let now = page["pagination"]["total"].as_u64().unwrap_or(0);
        now > before && !page["data"][0]["ended_at"].is_null()
    };
    let page = server
        .wait_for(app, "/api/calls?limit=5", Duration::from_secs(15), over)
        .await;
    let calls = page["pagination"]["total"].as_u64().unwrap() - before;
    if calls != 1 {
        return Err(format!(
            "{calls} calls instead of one conversation: {page:#}"
        ));
    }
    Ok(page["data"][0].clone())
}

async fn contact(server: &Server, app: &App) {
    let body = json!({
        "name": "Jan de Vries",
        "numbers": [{ "number": "0612345678", "label": "mobile" }],
    });
    let url = format!("{}/api/contacts", server.url);
    let request = server
        .client()
        .post(url)
        .header("x-api-key", &app.key)
        .json(&body);
    assert!(request.send().await.unwrap().status().is_success());
}

async fn total(server: &Server, app: &App) -> u64 {
    let page = server.get(app, "/api/calls?limit=1").await;
    page["pagination"]["total"].as_u64().unwrap()
}

async fn link_is_up(server: &Server, app: &App) {
    let up = |status: &Value| status["data"]["connections"]["up"] == 1;
    server
        .wait_for(app, "/status", Duration::from_secs(60), up)
        .await;
}

async fn judge(
    server: &Server,
    app: &App,
    story: &Story,
    frames: &mut Frames,
    before: u64,
) -> Result<(), String> {
    let call = &the_new_call(server, app, before).await?;
    contains(&story.record, call, "call")?;
    if !call["missing"].as_array().is_some_and(Vec::is_empty) {
        return Err(format!("something is missing: {}", call["missing"]));
    }
    if call["from_number"] == "+31612345678" && call["contact"]["name"] != "Jan de Vries" {
        return Err(format!("the caller was not found: {}", call["contact"]));
    }
    if story.scenario == "hold-resume" && call["hold_seconds"].as_i64().unwrap_or(0) < 1 {
        return Err(format!("held for {} s", call["hold_seconds"]));
    }
    let heard = frames.drain(Duration::from_millis(1_500)).await;
    let told: Vec<&str> = heard
        .iter()
        .filter(|frame| frame["call_id"] == call["id"])
        .filter_map(|frame| frame["event"].as_str())
        .filter(|event| *event != "call.updated" && !event.starts_with("screen_pop"))
        .filter(|event| !event.starts_with("contact_moment."))
        .collect();
    if told != story.events {
        return Err(format!("told {told:?} instead of {:?}", story.events));
    }
    pops(story, call, &heard)?;
    in_order(&heard)
}

fn pops(story: &Story, call: &Value, heard: &[Value]) -> Result<(), String> {
    let opened: Vec<&Value> = heard
        .iter()
        .filter(|f| f["event"] == "screen_pop.opened")
        .collect();
    let rings = call["direction"] == "inbound" && story.events.contains(&"call.ring");
    if !rings {
        return Ok(());
    }
    let known = call["from_number"] == "+31612345678";
    let action = if known { "navigate" } else { "intake" };
    let fits = |pop: &&Value| {
        pop["data"]["action"] == action && pop["data"]["agent"]["extension"] == "100"
    };
    if opened.iter().any(fits) {
        Ok(())
    } else {
        Err(format!("no pop for 100: {opened:?}"))
    }
}

fn in_order(heard: &[Value]) -> Result<(), String> {
    let seqs: Vec<u64> = heard
        .iter()
        .filter_map(|frame| frame["seq"].as_u64())
        .collect();
    match seqs.windows(2).find(|pair| pair[1] != pair[0] + 1) {
        Some(pair) => Err(format!("frame {} came after {}", pair[1], pair[0])),
        None => Ok(()),
    }
}

/// Everything in `expected` must be in `actual`.
fn contains(expected: &Value, actual: &Value, path: &str) -> Result<(), String> {
    match (expected, actual) {
        (Value::Object(members), _) => members.iter().try_for_each(|(name, value)| {
            contains(value, &actual[name], &format!("{path}.{name}"))
        }),
        (Value::Array(items), Value::Array(there)) if items.len() == there.len() => items
            .iter()
            .zip(there)
            .try_for_each(|(item, there)| contains(item, there, &format!("{path}[]"))),
        // Seconds on a busy machine: one more or less is the same to a person.
        (Value::Number(a), Value::Number(b)) if path.ends_with("_seconds") => {
            let (a, b) = (a.as_i64().unwrap_or(0), b.as_i64().unwrap_or(i64::MAX));
            if (a - b).abs() <= 1 {
                Ok(())
            } else {
                Err(format!("{path}: {b} instead of {a}"))
            }
        }
        _ if expected == actual => Ok(()),
        _ => Err(format!("{path}: {actual} instead of {expected}")),
    }
}

/// A phone's own attended transfer begins a second, internal call; both become one conversation.
async fn attended_by_phone(server: &Server, app: &App, frames: &mut Frames) -> Result<(), String> {
    frames.drain(Duration::from_millis(100)).await;
    bed::play("attended-transfer");
    let heard = frames.drain(Duration::from_secs(2)).await;
    let started = heard
        .iter()
        .find(|f| f["event"] == "call.ring" && f["direction"] == "inbound");
    let id = started
        .and_then(|f| f["call_id"].as_str())
        .ok_or("the caller never rang")?;
    let call = server.get(app, &format!("/api/calls/{id}")).await["data"].clone();
    let expected = json!({
        "status": "ended", "direction": "inbound", "agent": { "extension": "101" },
        "from_number": "+31612345678", "merged_into": null,
        "transfers": [{ "kind": "attended", "from": "100" }],
    });
    contains(&expected, &call, "call")?;
    // The consultation was told as a call of its own before it was known to be part of this one.
    let page = server.get(app, "/api/calls?limit=3").await;
    for other in page["data"].as_array().unwrap() {
        let newer = other["started_at"].as_str() >= call["started_at"].as_str();
        if other["id"] != call["id"] && newer && other["merged_into"] != call["id"] {
            return Err(format!("another call was left over: {other:#}"));
        }
    }
    in_order(&heard)
}

/// The PBX dies in mid-call: the call is over, its end is marked as not reported, and subscribers
/// hear of the gap.
async fn restart(server: &Server, app: &App, frames: &mut Frames) -> Result<(), String> {
    frames.drain(Duration::from_millis(100)).await;
    bed::play("pbx-restart-mid-call");
    link_is_up(server, app).await;
    let over = |page: &Value| !page["data"][0]["ended_at"].is_null();
    let page = server
        .wait_for(app, "/api/calls?limit=1", Duration::from_secs(30), over)
        .await;
    let call = &page["data"][0];
    contains(
        &json!({ "status": "ended", "end_cause": "lost" }),
        call,
        "call",
    )?;
    let gap = call["missing"].as_array().is_some_and(|missing| {
        missing
            .iter()
            .any(|m| m.as_str().is_some_and(|m| m.starts_with("gap:")))
    });
    if !gap {
        return Err(format!("the gap is not noted: {}", call["missing"]));
    }
    let heard = frames.drain(Duration::from_secs(2)).await;
    for event in ["connection.degraded", "connection.restored", "call.ended"] {
        if !heard.iter().any(|frame| frame["event"] == event) {
            return Err(format!("{event} was not told"));
        }
    }
    in_order(&heard)
}
