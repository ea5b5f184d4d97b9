//! Wildix's SQS channel against an SQS-compatible server: the program reads with the official
//! SDK; a message is deleted when what it says is stored, and only then.

mod consumer;
mod moto;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use switchhook_adapters::simulate::{self, CallSeed, Scenario, Step};
use switchhook_adapters::wildix::sign;
use switchhook_engine::adapter::Secret;

use crate::program::{App, Server};
use moto::Moto;

/// With this Wildix signs what it puts into the queue.
const AWS_SECRET: &str = "aws-secret-of-the-integration";

/// The posts of one simulated call, as Wildix would put them into the queue.
fn call(scenario: Scenario, seed: u64) -> Vec<Step> {
    let start = "2026-11-22T12:00:00Z".parse().unwrap();
    simulate::wildix(scenario, &CallSeed::new(seed, start), AWS_SECRET)
}

fn signature(step: &Step) -> Option<&str> {
    step.headers.first().map(|(_, value)| value.as_str())
}

/// Settings of a connection that reads that queue.
fn settings(moto: &Moto, queue: &str, more: &Value) -> Value {
    let mut config = json!({
        "sqs_queue_url": queue, "sqs_endpoint": moto.url, "sqs_access_key_id": "test",
        "sqs_secret_access_key": AWS_SECRET, "sqs_visibility_seconds": 2,
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

async fn connected(server: &Server, config: Value) -> App {
    let app = server.app("sqs").await;
    let body = json!({ "platform": "wildix", "name": "queue", "config": config });
    server.connection(&app, &body).await;
    app
}

async fn all_events(server: &Server, app: &App) -> Vec<Value> {
    let mut told = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("/api/events?after={after}&limit=500");
        let page = server.get(app, &path).await;
        let events = page["data"].as_array().unwrap().clone();
        let Some(last) = events.last() else {
            return told;
        };
        after = last["seq"].as_u64().unwrap();
        told.extend(events);
    }
}

fn ended(told: &[Value]) -> Vec<String> {
    let of = |event: &Value| {
        event["data"]["call"]["external_call_id"]
            .as_str()
            .map(str::to_owned)
    };
    let over = told.iter().filter(|event| event["event"] == "call.ended");
    over.filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_queue_is_stored_and_then_deleted() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for name in ["plain", "ordered.fifo"] {
        let queue = moto.queue(name).await;
        let app = connected(&server, settings(&moto, &queue, &json!({}))).await;
        for step in call(Scenario::Transfer, 1) {
            moto.put(&queue, &step.body, signature(&step)).await;
        }
        let listed = server
            .wait_for(&app, "/api/calls", Duration::from_secs(20), |calls| {
                calls["data"][0]["status"] == "ended"
            })
            .await;
        assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(listed["data"][0]["agent"]["extension"], "101", "{name}");
        moto.wait_empty(&queue, Duration::from_secs(10)).await;
    }
}

/// `kill -9` while a queue is being read: whatever was stored and not yet deleted comes again and
/// takes effect once; whatever was not stored comes again and is.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_mid_batch_loses_nothing_and_does_nothing_twice() {
    let Some(moto) = Moto::start() else { return };
    let queue = moto.queue("kill").await;
    let mut expected = BTreeSet::new();
    let mut steps = Vec::new();
    for seed in 0..60 {
        let call = call(Scenario::Answered, seed);
        let first: Value = serde_json::from_slice(&call[0].body).unwrap();
        expected.insert(first["id"].as_str().unwrap().to_owned());
        steps.extend(call);
    }
    for step in &steps {
        moto.put(&queue, &step.body, signature(step)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let app = connected(&server, settings(&moto, &queue, &json!({}))).await;
    let mut interrupted = 0;
    for pause in [120, 170, 230, 90, 310, 140] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let (waiting, hidden) = moto.counts(&queue).await;
        interrupted += u64::from(waiting > 0 && hidden > 0);
        server = server.kill_and_restart();
    }
    assert!(interrupted > 0, "no kill fell into a batch");
    moto.wait_empty(&queue, Duration::from_secs(60)).await;

    let told = all_events(&server, &app).await;
    for (index, event) in told.iter().enumerate() {
        assert_eq!(
            event["seq"].as_u64().unwrap(),
            index as u64 + 1,
            "a gap in the log"
        );
    }
    let ends = ended(&told);
    let once: BTreeSet<String> = ends.iter().cloned().collect();
    assert_eq!(ends.len(), once.len(), "a call was told to be over twice");
    assert_eq!(once, expected, "every call is there");
}

/// What is believed and not understood is kept here with the reason; what nobody believes is
/// tried again, noted, and set aside.
#[tokio::test(flavor = "multi_thread")]
async fn poison_is_set_aside_with_the_reason() {
    let Some(moto) = Moto::start() else { return };
    let (queue, letters) = (moto.queue("poison").await, moto.queue("letters").await);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let more = json!({ "sqs_dead_letter_url": letters, "sqs_max_receives": 2,
        "sqs_visibility_seconds": 1 });
    let app = connected(&server, settings(&moto, &queue, &more)).await;
    let broken = br#"{"type":"call:start","id":"#;
    let good = sign(broken, &Secret::new(AWS_SECRET));
    moto.put(&queue, broken, Some(&good)).await;
    moto.put(&queue, br#"{"id":"forged"}"#, Some(&"0".repeat(64)))
        .await;
    moto.put(&queue, br#"{"id":"unsigned"}"#, None).await;
    for step in call(Scenario::Answered, 7) {
        moto.put(&queue, &step.body, signature(&step)).await;
    }
    moto.wait_empty(&queue, Duration::from_secs(30)).await;
    let calls = server.get(&app, "/api/calls").await;
    assert_eq!(
        calls["data"].as_array().unwrap().len(),
        1,
        "the good call came through"
    );

    let mut aside = moto.take(&letters).await;
    aside.sort_by_key(|message| message["Body"].as_str().unwrap().to_owned());
    assert_eq!(aside.len(), 2, "{aside:#?}");
    assert_eq!(aside[0]["Body"], r#"{"id":"forged"}"#);
    let reason = |n: usize| &aside[n]["MessageAttributes"]["SWITCHHOOK-REASON"]["StringValue"];
    assert!(reason(0).as_str().unwrap().contains("does not match"));
    assert!(reason(1).as_str().unwrap().contains("no signature"));
    let kept = &aside[0]["MessageAttributes"]["X-SIGNATURE"]["StringValue"];
    assert_eq!(kept.as_str().unwrap(), "0".repeat(64));

    let path = format!("apps/{}/notifications?limit=50", app.id);
    let noted = server.internal_get(&path).await;
    let verdicts = |verdict: &str| {
        let all = noted["data"].as_array().unwrap().iter();
        all.filter(|one| one["verdict"] == verdict).count()
    };
    assert_eq!(verdicts("dead"), 1, "{noted:#}");
    assert_eq!(
        verdicts("rejected"),
        4,
        "two tries of two messages: {noted:#}"
    );
}
