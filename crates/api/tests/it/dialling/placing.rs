//! The request: the pending call before the platform hears of it, the platform asked once, every
//! end named, and a repetition that is no second call.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::id::{AppId, ConnectionId, DialId};
use switchhook_engine::command::{CommandError, Fault};
use switchhook_engine::store::{Dial, DialState, DialStore};
use uuid::Uuid;

use super::scripted::Reply;
use super::{Desk, Story, TARGET};
use crate::client::Answer;
use crate::world::until;

#[tokio::test]
async fn the_answer_is_the_call_and_its_dial() {
    let desk = Desk::new().await;
    desk.script.then(Reply::Keys(&["call:77"]));
    let placed = desk.dial("06 1234 5678").await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let (call, dial) = (&placed.body["data"]["call"], &placed.body["data"]["dial"]);
    assert_eq!(call["direction"], "outbound");
    assert_eq!(call["status"], "ringing");
    assert_eq!(call["to_number"], TARGET);
    assert_eq!(call["from_number"], "100");
    assert_eq!(call["agent"]["extension"], "100");
    assert_eq!(call["external_call_id"], "77");
    assert_eq!(call["connection_id"], desk.hook.connection_id);
    assert_eq!(placed.body["data"]["call_id"], call["id"]);
    assert_eq!(placed.body["data"]["dial_id"], dial["id"]);
    assert_eq!(dial["call_id"], call["id"]);
    assert_eq!(dial["state"], "placed");
    assert_eq!(dial["target"], TARGET);
    assert_eq!(dial["extension"], "100");
    assert_eq!(dial["failure"], Value::Null);
    let id = call["id"].as_str().unwrap();
    assert_eq!(placed.header("location"), format!("/api/calls/{id}"));
    let asked = desk.script.dialled.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].dial_id.to_string(), dial["id"].as_str().unwrap());
    assert_eq!(asked[0].target.e164.as_deref(), Some(TARGET));
    assert_eq!(asked[0].agent.extension.as_deref(), Some("100"));
    assert_eq!(asked[0].caller_id, None);
    assert_eq!(desk.state(&dial["id"]).await, *dial);
    assert_eq!(desk.open_calls().await, std::slice::from_ref(call));
    let told = desk.events("call.updated").await;
    assert_eq!(told[0]["data"]["call"]["id"], call["id"]);
    assert_eq!(told[0]["data"]["call"]["external_call_id"], "");
}

#[tokio::test]
async fn the_call_is_there_before_the_platform_answers() {
    let desk = Desk::new().await;
    desk.script
        .chosen
        .lock()
        .unwrap()
        .push("chan:mine".to_owned());
    let slow = Reply::Slow(Duration::from_millis(400), &["call:78"]);
    desk.script.then(slow);
    let look = async {
        until("the platform was asked", || desk.script.dials() == 1).await;
        let open = desk.open_calls().await;
        assert_eq!(open.len(), 1);
        assert_eq!(open[0]["to_number"], TARGET);
        assert_eq!(open[0]["external_call_id"], "mine");
        open[0]["id"].clone()
    };
    let (placed, id) = tokio::join!(desk.dial(TARGET), look);
    assert_eq!(placed.status, 201, "{}", placed.text);
    assert_eq!(placed.body["data"]["call"]["id"], id);
    let keys = desk.keys(&id).await;
    assert_eq!(&keys[..2], ["call:78", "chan:mine"]);
    assert!(keys[2].starts_with("dial:"), "{keys:?}");
}

#[tokio::test]
async fn a_refusal_of_the_platform_ends_the_call_with_its_cause() {
    for (fault, status, code, cause) in [
        (Fault::Device, 502, "platform_refused", "device_offline"),
        (Fault::Target, 502, "platform_refused", "target_refused"),
        (Fault::Credentials, 502, "platform_refused", "credentials"),
        (Fault::RateLimited, 502, "platform_refused", "rate_limited"),
        (Fault::Platform, 502, "platform_refused", "platform_error"),
        (
            Fault::Unreachable,
            502,
            "platform_unreachable",
            "unreachable",
        ),
        (Fault::NotSupported, 409, "not_supported", "not_supported"),
    ] {
        let desk = Desk::new().await;
        desk.script
            .then(Reply::Fail(CommandError::new(fault, "It does not work.")));
        let refused = desk.dial(TARGET).await;
        assert_eq!((refused.status, refused.problem()), (status, code));
        assert_eq!(refused.body["cause"], cause);
        assert_eq!(refused.body["detail"], "It does not work.");
        let call = desk.call(&refused.body["call_id"]).await;
        assert_eq!(call["status"], "ended");
        assert_eq!(call["end_cause"], "failed");
        assert_eq!(call["ended_by"], "system");
        let dial = desk.state(&refused.body["dial_id"]).await;
        assert_eq!(dial["state"], "failed");
        assert_eq!(dial["failure"]["cause"], cause);
        let told = desk.events("dial.failed").await;
        assert_eq!(told.len(), 1);
        let data = &told[0]["data"];
        assert_eq!(data["dial"]["id"], refused.body["dial_id"]);
        assert_eq!(data["dial"]["cause"], cause);
        assert_eq!(data["dial"]["detail"], "It does not work.");
        assert_eq!(data["dial"]["target"], TARGET);
        assert_eq!(data["dial"]["agent"]["extension"], "100");
        assert_eq!(data["call"]["id"], refused.body["call_id"]);
        assert_eq!(desk.open_calls().await, [] as [Value; 0]);
        // Nothing is left to do, and nothing is told again.
        desk.later(120).await;
        assert_eq!(desk.events("dial.failed").await.len(), 1);
        assert_eq!(desk.script.dials(), 1);
        assert_eq!(desk.counted(cause), 1);
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_waits_for_the_platforms_events() {
    let desk = Desk::new().await;
    let lost = CommandError::new(Fault::Uncertain, "The answer was lost.");
    desk.script.then(Reply::Fail(lost.clone()));
    let placed = desk.dial(TARGET).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    assert_eq!(placed.body["data"]["dial"]["state"], "requested");
    desk.later(30).await;
    let id = &placed.body["data"]["dial"]["id"];
    assert_eq!(desk.state(id).await["state"], "requested");
    // Its events carry the id back after all.
    let key = format!("dial:{}", id.as_str().unwrap());
    let story = Story::new(&["call:79", &key], desk.now());
    desk.hear(&story.agent_rings()).await;
    desk.later(2).await;
    assert_eq!(desk.state(id).await["state"], "joined");
    // Another one nothing comes of.
    desk.script.then(Reply::Fail(lost));
    let placed = desk
        .place(&json!({ "to": TARGET, "extension": "101" }))
        .await;
    desk.later(59).await;
    let id = &placed.body["data"]["dial"]["id"];
    assert_eq!(desk.state(id).await["state"], "requested");
    desk.later(1).await;
    let dial = desk.state(id).await;
    assert_eq!(dial["state"], "failed");
    assert_eq!(dial["failure"]["cause"], "uncertain");
    assert_eq!(desk.events("dial.failed").await.len(), 1);
    assert_eq!(desk.script.dials(), 2, "nothing was sent again");
}

#[tokio::test]
async fn what_the_platform_accepts_and_forgets_has_a_deadline() {
    let desk = Desk::new().await;
    let placed = desk.dial(TARGET).await;
    assert_eq!(placed.body["data"]["dial"]["state"], "placed");
    for _ in 0..29 {
        desk.later(2).await;
    }
    let id = &placed.body["data"]["dial"]["id"];
    assert_eq!(desk.state(id).await["state"], "placed");
    desk.later(2).await;
    let dial = desk.state(id).await;
    assert_eq!(dial["failure"]["cause"], "no_events");
    let call = desk.call(&placed.body["data"]["call"]["id"]).await;
    assert_eq!(call["status"], "ended");
    assert_eq!(desk.events("dial.failed").await.len(), 1);
    assert_eq!(desk.counted("no_events"), 1);
}

#[tokio::test]
async fn after_a_crash_nothing_is_sent_again() {
    let desk = Desk::new().await;
    desk.script.then(Reply::Never);
    let hung = tokio::time::timeout(Duration::from_millis(300), desk.dial(TARGET)).await;
    assert!(hung.is_err(), "the platform never answers");
    let open = desk.open_calls().await;
    assert_eq!(open.len(), 1, "the call was stored first");
    // Another process takes over.
    let next = desk.world.another_dialler();
    for seconds in [3, 3, 60] {
        let step = jiff::SignedDuration::from_secs(seconds);
        desk.world.clock.advance(step);
        next.once().await.unwrap();
    }
    assert_eq!(desk.script.dials(), 1);
    let failed = desk.events("dial.failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["data"]["dial"]["cause"], "uncertain");
    assert_eq!(failed[0]["data"]["call"]["id"], open[0]["id"]);
}

#[tokio::test]
async fn a_crash_before_the_call_was_stored_leaves_a_call_that_failed() {
    let desk = Desk::new().await;
    let app: AppId = desk.tenant.id.parse().unwrap();
    let connection: ConnectionId = desk.hook.connection_id.parse().unwrap();
    let now = desk.now();
    // What stands in the database after such a crash: the row and nothing else. The id of the
    // call follows from that of the dial.
    let id = DialId(Uuid::from_u128(0x0199_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0000));
    let seed = id.0.as_u128() + 1;
    let dial = Dial {
        id,
        app_id: app,
        connection_id: connection,
        call_id: switchhook_domain::id::IdMint::new(now, seed).call(),
        idempotency_key: None,
        request_digest: [0; 32],
        agent_extension: Some("100".to_owned()),
        agent_user_id: None,
        target: TARGET.to_owned(),
        caller_id: None,
        requested_by: "key:x".to_owned(),
        state: DialState::Requested,
        failure: None,
        platform_keys: Vec::new(),
        requested_at: now,
        placed_at: None,
        settled_at: None,
        due_at: Some(now),
    };
    assert!(desk.world.store.create_dial(&dial).await.unwrap().is_none());
    desk.later(61).await;
    let call = desk.call(&json!(dial.call_id)).await;
    assert_eq!(call["status"], "ended");
    assert_eq!(call["to_number"], TARGET);
    let failed = desk.events("dial.failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(desk.script.dials(), 0);
    // A crash between the row and the telling of its failure is made good too.
    let half = Dial {
        state: DialState::Failed,
        due_at: Some(now),
        ..desk.world.store.dial(app, dial.id).await.unwrap().unwrap()
    };
    assert!(
        desk.world
            .store
            .update_dial(&half, &[DialState::Failed])
            .await
            .unwrap()
    );
    desk.later(1).await;
    let kept = desk.world.store.dial(app, dial.id).await.unwrap().unwrap();
    assert_eq!(kept.due_at, None);
    assert_eq!(desk.events("dial.failed").await.len(), 1);
}

#[tokio::test]
async fn a_request_goes_on_when_its_client_has_gone() {
    let desk = Desk::new().await;
    desk.script
        .then(Reply::Slow(Duration::from_millis(300), &["call:80"]));
    let gone = tokio::time::timeout(Duration::from_millis(100), desk.dial(TARGET)).await;
    assert!(gone.is_err());
    for _ in 0..100 {
        let open = desk.open_calls().await;
        if open
            .first()
            .is_some_and(|call| call["external_call_id"] == "80")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the platform's answer was lost");
}

#[tokio::test]
async fn a_fault_of_the_adapter_is_a_fault_of_ours_and_no_second_call() {
    let desk = Desk::new().await;
    desk.script.then(Reply::Panic);
    let body = json!({ "to": TARGET, "extension": "100" });
    let broken = desk.place_keyed("k", &body).await;
    assert_eq!((broken.status, broken.problem()), (500, "internal_error"));
    desk.later(61).await;
    assert_eq!(desk.events("dial.failed").await.len(), 1);
    assert_eq!(desk.script.dials(), 1);
}

#[tokio::test]
async fn the_same_key_is_the_same_call() {
    let desk = Desk::new().await;
    let body = json!({ "to": TARGET, "agent": { "extension": "100" } });
    let first = desk.place_keyed("order-1", &body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    // Although the agent is on that very call by now.
    let key = format!(
        "dial:{}",
        first.body["data"]["dial"]["id"].as_str().unwrap()
    );
    let story = Story::new(&["call:81", &key], desk.now());
    desk.hear(&story.agent_rings()).await;
    desk.hear(&story.talk()).await;
    let again = desk.place_keyed("order-1", &body).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(
        again.body["data"]["call"]["id"],
        first.body["data"]["call"]["id"]
    );
    assert_eq!(
        again.body["data"]["dial"]["id"],
        first.body["data"]["dial"]["id"]
    );
    assert_eq!(again.body["data"]["call"]["status"], "active");
    let other = json!({ "to": "0612345679", "agent": { "extension": "100" } });
    let conflict = desk.place_keyed("order-1", &other).await;
    assert_eq!(
        (conflict.status, conflict.problem()),
        (409, "idempotency_conflict")
    );
    assert_eq!(desk.script.dials(), 1);
    // A failure is given again too.
    let refusal = CommandError::new(Fault::Device, "No phone.");
    desk.script.then(Reply::Fail(refusal));
    let body = json!({ "to": TARGET, "extension": "102" });
    let first = desk.place_keyed("order-2", &body).await;
    let again = desk.place_keyed("order-2", &body).await;
    for answer in [&first, &again] {
        assert_eq!((answer.status, answer.problem()), (502, "platform_refused"));
        assert_eq!(answer.body["cause"], "device_offline");
        assert_eq!(answer.body["dial_id"], first.body["dial_id"]);
    }
    assert_eq!(desk.script.dials(), 2);
}

#[tokio::test]
async fn requests_at_the_same_moment_place_one_call() {
    let desk = Desk::new().await;
    desk.script
        .then(Reply::Slow(Duration::from_millis(300), &["call:82"]));
    let body = json!({ "to": TARGET, "extension": "100" });
    let requests = (0..8).map(|_| desk.place_keyed("double-click", &body));
    let answers = futures_util::future::join_all(requests).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(
            answer.body["data"]["call"]["id"],
            answers[0].body["data"]["call"]["id"]
        );
        assert_eq!(answer.body["data"]["dial"]["state"], "placed");
    }
    assert_eq!(desk.script.dials(), 1);
    assert_eq!(desk.open_calls().await.len(), 1);
}

#[tokio::test]
async fn the_key_of_a_request_is_checked() {
    let desk = Desk::new().await;
    let long = "k".repeat(256);
    for key in ["", "a b", "é", &long] {
        let answer = desk
            .place_keyed(key, &json!({ "to": TARGET, "extension": "100" }))
            .await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_parameter")
        );
        assert_eq!(answer.body["field"], "Idempotency-Key");
    }
    let twice = desk.world.ask(Method::POST, "/api/calls");
    let twice = twice
        .header("x-api-key", &desk.tenant.key)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .json(&json!({ "to": TARGET, "extension": "100" }));
    let answer = Answer::of(twice.send().await.unwrap()).await;
    assert_eq!(answer.body["field"], "Idempotency-Key");
    assert_eq!(desk.script.dials(), 0);
}

#[tokio::test]
async fn without_a_database_nothing_is_dialled() {
    let desk = Desk::new().await;
    desk.dial(TARGET).await;
    let away = |away| {
        let order = std::sync::atomic::Ordering::Relaxed;
        desk.world.store.away.store(away, order);
    };
    away(true);
    let refused = desk.dial(TARGET).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    away(false);
    assert_eq!(desk.script.dials(), 1);
}
