//! `kill -9` while webhooks pour in: whatever was answered 2xx is there afterwards, took effect
//! once, and is in the log without a gap. While people change things: whatever is changed
//! afterwards is in the audit log. And while agents give dispositions: each is there whole, with
//! its one task, or not at all.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use switchhook_adapters::simulate::{self, CallSeed, Scenario};

use crate::program::Server;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let app = server.app("kill").await;
    let made = server
        .connection(&app, &json!({ "platform": "dialpad", "name": "d" }))
        .await;
    let hook = made["hook_id"].as_str().unwrap().to_owned();
    let secret = made["webhook_secret"].as_str().unwrap().to_owned();
    let acknowledged: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let mut seed = 0_u64;
    for round in 0..4_u64 {
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let from = seed;
            seed += 10_000;
            let url = format!("{}/webhooks/dialpad/{hook}", server.url);
            let (client, secret) = (server.client().clone(), secret.clone());
            let acknowledged = acknowledged.clone();
            senders.spawn(async move {
                for seed in from.. {
                    let call = CallSeed::new(seed, "2026-11-22T12:00:00Z".parse().unwrap());
                    let step = simulate::dialpad(Scenario::Answered, &call, &secret).remove(0);
                    let request = client.post(&url).header("content-type", step.content_type);
                    match request.body(step.body).send().await {
                        Ok(answer) if answer.status().is_success() => {
                            acknowledged.lock().unwrap().insert(seed);
                        }
                        _ => return,
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(300 + 170 * round)).await;
        server = server.kill_and_restart();
        while senders.join_next().await.is_some() {}
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() > 200,
        "only {} were acknowledged",
        acknowledged.len()
    );

    let mut told = Vec::new();
    let mut after = 0;
    loop {
        let page = server
            .get(&app, &format!("/api/events?after={after}&limit=500"))
            .await;
        let events = page["data"].as_array().unwrap().clone();
        let Some(last) = events.last() else { break };
        after = last["seq"].as_u64().unwrap();
        told.extend(events);
    }
    for (index, event) in told.iter().enumerate() {
        assert_eq!(
            event["seq"].as_u64().unwrap(),
            index as u64 + 1,
            "the log has a gap"
        );
    }
    let mut rings: Vec<String> = told
        .iter()
        .filter(|event| event["event"] == "call.ring")
        .map(|event| event["dialpad_call_id"].as_str().unwrap().to_owned())
        .collect();
    rings.sort();
    let before = rings.len();
    rings.dedup();
    assert_eq!(before, rings.len(), "something took effect twice");
    assert!(
        rings.len() >= acknowledged.len(),
        "{} acknowledged, {} told: something acknowledged is lost",
        acknowledged.len(),
        rings.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_before_kill_9_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let app = server.app("kill").await;
    let mut begun = 0_u32;
    for round in 0..6_u64 {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..3 {
            let url = format!("{}/api/contacts", server.url);
            let (http, key) = (server.client().clone(), app.key.clone());
            clients.spawn(async move {
                let body = json!({ "name": format!("Contact {client}"), "numbers": [] });
                loop {
                    let request = http.post(&url).header("x-api-key", &key).json(&body);
                    if request.send().await.is_err() {
                        return;
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(300 + 70 * round)).await;
        server.kill();
        while clients.join_next().await.is_some() {}
        let conn = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
        let count = "SELECT count(*) FROM audit_begun";
        begun += conn
            .query_row(count, [], |row| row.get::<_, u32>(0))
            .unwrap();
        // Five minutes later.
        conn.execute("UPDATE audit_begun SET due_at = 0", [])
            .unwrap();
        drop(conn);
        server = server.restart();
    }
    assert!(begun > 0, "no kill met anybody in the middle");
    let query = "/api/audit?limit=1&action=POST%20/api/contacts";
    server
        .wait_for(&app, query, Duration::from_secs(20), |_| {
            let conn = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
            let count = "SELECT count(*) FROM audit_begun";
            conn.query_row(count, [], |row| row.get::<_, u32>(0))
                .unwrap()
                == 0
        })
        .await;
    let contacts = server.get(&app, "/api/contacts?limit=1").await;
    let contacts = contacts["pagination"]["total"].as_u64().unwrap();
    let contacts = u32::try_from(contacts).unwrap();
    drop(server);
    let conn = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    let count = |which: &str| {
        let sql = format!(
            "SELECT count(*) FROM audit WHERE action = 'POST /api/contacts' AND status {which}"
        );
        conn.query_row(&sql, [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    let (ended, cut_short) = (count("= 201"), count("= 0"));
    assert_eq!(cut_short, begun);
    assert!(contacts > 50, "only {contacts} were made");
    assert!(
        ended <= contacts && contacts <= ended + cut_short,
        "{contacts} made; on record: {ended} made, {cut_short} cut short"
    );
}

/// Calls that are over and wait for their disposition: their ids.
async fn talked(server: &Server, app: &crate::program::App, calls: u64) -> Vec<String> {
    let made = server
        .connection(app, &json!({ "platform": "dialpad", "name": "d" }))
        .await;
    let hook = made["hook_id"].as_str().unwrap();
    let secret = made["webhook_secret"].as_str().unwrap();
    let url = format!("{}/webhooks/dialpad/{hook}", server.url);
    for seed in 0..calls {
        let call = CallSeed::new(seed * 10_000, "2026-11-22T12:00:00Z".parse().unwrap());
        for step in simulate::dialpad(Scenario::Answered, &call, secret) {
            let request = server.client().post(&url).body(step.body);
            let request = request.header("content-type", step.content_type);
            assert!(request.send().await.unwrap().status().is_success());
        }
    }
    let waiting = "/api/contact-moments?status=disposition-pending&limit=100";
    let waiting = server.get(app, waiting).await;
    let waiting = waiting["data"].as_array().unwrap().iter();
    waiting
        .map(|moment| moment["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disposition_survives_kill_9_with_its_one_task_or_was_never_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let app = server.app("kill").await;
    let calls = talked(&server, &app, 40).await;
    assert_eq!(calls.len(), 40);
    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for round in 0..5_u64 {
        let mut clients = tokio::task::JoinSet::new();
        for calls in calls.chunks(10).map(<[String]>::to_vec) {
            let (url, key) = (server.url.clone(), app.key.clone());
            let (http, answered) = (server.client().clone(), answered.clone());
            clients.spawn(async move {
                // Everything again in each round: what was given is given already.
                for id in calls {
                    let body = json!({ "subject": id, "outcome": "callback" });
                    let path = format!("{url}/api/contact-moments/{id}/disposition");
                    let request = http.post(path).header("x-api-key", &key).json(&body);
                    match request.send().await {
                        Ok(answer) if answer.status().is_success() => {
                            answered.lock().unwrap().insert(id);
                        }
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(20 + 25 * round)).await;
        server = server.kill_and_restart();
        while clients.join_next().await.is_some() {}
    }
    let answered = answered.lock().unwrap().clone();
    assert!(!answered.is_empty(), "no disposition was ever answered");
    let query = "/api/events?limit=500&types=task.created,contact_moment.completed";
    let told = server.get(&app, query).await;
    let told = told["data"].as_array().unwrap();
    for id in &calls {
        let found = server
            .get(&app, &format!("/api/contact-moments/{id}"))
            .await;
        let given = found["data"]["status"] == "completed";
        assert!(given || !answered.contains(id), "an answered one is lost");
        let tasks = server.get(&app, &format!("/api/tasks?call_id={id}")).await;
        let tasks = tasks["data"].as_array().unwrap();
        let one = usize::from(given);
        assert_eq!(tasks.len(), one, "one task with each, none without");
        if given {
            assert_eq!(found["data"]["task_id"], tasks[0]["id"]);
        }
        for kind in ["task.created", "contact_moment.completed"] {
            let of_call = |event: &&Value| event["event"] == kind && event["call_id"] == **id;
            assert_eq!(told.iter().filter(of_call).count(), one, "{kind}");
        }
    }
}
