//! The platform's events find the call that was asked for, and its id stays, whatever comes first.

use std::time::Duration;

use serde_json::{Value, json};
use switchhook_domain::signal::{CallFact, Direction};

use super::scripted::Reply;
use super::{Desk, Story, TARGET};
use crate::world::until;

/// The whole talk was told under one id.
async fn one_call(desk: &Desk, id: &Value) {
    let call = desk.call(id).await;
    assert_eq!(call["status"], "ended");
    assert_eq!(call["to_number"], TARGET);
    assert_eq!(call["duration_seconds"], 22);
    assert_eq!(call["legs"].as_array().unwrap().len(), 2);
    assert_eq!(call["merged_into"], Value::Null);
    let list = desk.get("/api/calls").await;
    assert_eq!(list.body["pagination"]["total"], 1, "{}", list.text);
    for kind in ["call.started", "call.ended"] {
        let told = desk.events(kind).await;
        let own: Vec<_> = told
            .iter()
            .filter(|event| event["data"]["call"]["id"] == *id)
            .collect();
        assert_eq!(own.len(), 1, "{kind}");
    }
    assert_eq!(desk.events("dial.failed").await, [] as [Value; 0]);
}

#[tokio::test]
async fn by_the_names_of_the_answer() {
    let desk = Desk::new().await;
    desk.script.then(Reply::Keys(&["call:1"]));
    let placed = desk.dial(TARGET).await;
    let id = &placed.body["data"]["call"]["id"];
    let story = Story::new(&["call:1"], desk.now());
    desk.hear(&story.agent_rings()).await;
    let ringing = desk.call(id).await;
    assert_eq!(ringing["answered_at"], Value::Null);
    desk.later(2).await;
    let dial = &placed.body["data"]["dial"]["id"];
    assert_eq!(desk.state(dial).await["state"], "joined");
    assert_eq!(desk.counted("joined"), 1);
    desk.hear(&story.talk()).await;
    assert_eq!(desk.call(id).await["status"], "active");
    desk.later(120).await;
    desk.hear(&story.ends()).await;
    one_call(&desk, id).await;
}

#[tokio::test]
async fn when_the_events_come_before_the_answer() {
    let desk = Desk::new().await;
    desk.script
        .then(Reply::Slow(Duration::from_millis(400), &["call:2"]));
    let early = async {
        until("the platform was asked", || desk.script.dials() == 1).await;
        let story = Story::new(&["call:2"], desk.now());
        // Everything up to the talk is told, as a call of its own.
        let way = CallFact::Direction(Direction::Outbound);
        desk.hear(&[story.call(0, way)]).await;
        desk.hear(&story.agent_rings()).await;
        desk.hear(&story.talk()).await;
        assert_eq!(desk.open_calls().await.len(), 2);
        story
    };
    let (placed, story) = tokio::join!(desk.dial(TARGET), early);
    assert_eq!(placed.status, 201, "{}", placed.text);
    let id = &placed.body["data"]["call"]["id"];
    assert_eq!(placed.body["data"]["call"]["status"], "active");
    assert_eq!(desk.open_calls().await.len(), 1);
    desk.hear(&story.ends()).await;
    one_call(&desk, id).await;
}

#[tokio::test]
async fn by_names_that_were_chosen_beforehand() {
    let desk = Desk::new().await;
    desk.script
        .chosen
        .lock()
        .unwrap()
        .push("chan:own".to_owned());
    desk.script
        .then(Reply::Slow(Duration::from_millis(400), &[]));
    let early = async {
        until("the platform was asked", || desk.script.dials() == 1).await;
        let story = Story::new(&["chan:own", "linked:3"], desk.now());
        desk.hear(&story.agent_rings()).await;
        assert_eq!(desk.open_calls().await.len(), 1);
        // The job sees it before the answer comes.
        desk.later(3).await;
        story
    };
    let (placed, story) = tokio::join!(desk.dial(TARGET), early);
    assert_eq!(
        placed.body["data"]["dial"]["state"], "joined",
        "{}",
        placed.text
    );
    assert_ne!(placed.body["data"]["dial"]["placed_at"], Value::Null);
    desk.hear(&story.talk()).await;
    desk.hear(&story.ends()).await;
    one_call(&desk, &placed.body["data"]["call"]["id"]).await;
}

#[tokio::test]
async fn by_number_and_agent_where_the_platform_names_nothing() {
    for adoption in [
        json!({ "dialled": TARGET, "extension": "100" }),
        json!({ "dialled": TARGET }),
    ] {
        let desk = Desk::new().await;
        let placed = desk.dial(TARGET).await;
        let story = Story::new(&["call:4"], desk.now());
        let told = story.agent_rings();
        desk.hear_with(&told, Some(adoption)).await;
        assert_eq!(desk.open_calls().await.len(), 1);
        desk.hear(&story.talk()).await;
        desk.hear(&story.ends()).await;
        one_call(&desk, &placed.body["data"]["call"]["id"]).await;
    }
}

#[tokio::test]
async fn another_agents_call_is_not_adopted() {
    let desk = Desk::new().await;
    desk.dial(TARGET).await;
    for (key, adoption) in [
        ("call:5", json!({ "dialled": TARGET, "extension": "101" })),
        (
            "call:6",
            json!({ "dialled": "+31612345679", "extension": "100" }),
        ),
    ] {
        let story = Story::new(&[key], desk.now());
        desk.hear_with(&story.rings_in(), Some(adoption)).await;
    }
    assert_eq!(desk.open_calls().await.len(), 3);
    // A dial whose names the platform gave is found by them alone.
    let desk = Desk::new().await;
    desk.script.then(Reply::Keys(&["call:7"]));
    desk.dial(TARGET).await;
    let story = Story::new(&["call:8"], desk.now());
    let adoption = json!({ "dialled": TARGET, "extension": "100" });
    desk.hear_with(&story.rings_in(), Some(adoption)).await;
    assert_eq!(desk.open_calls().await.len(), 2);
}

#[tokio::test]
async fn a_link_that_a_crash_prevented_is_made_up_for() {
    use switchhook_engine::store::{DialState, DialStore};
    let desk = Desk::new().await;
    let placed = desk.dial(TARGET).await;
    let app = desk.tenant.id.parse().unwrap();
    let id = placed.body["data"]["dial"]["id"].as_str().unwrap();
    let id = id.parse().unwrap();
    // The row was written, the names did not reach the call.
    let mut dial = desk.world.store.dial(app, id).await.unwrap().unwrap();
    dial.platform_keys = vec!["call:9".to_owned()];
    let written = desk.world.store.update_dial(&dial, &[DialState::Placed]);
    assert!(written.await.unwrap());
    desk.later(2).await;
    let keys = desk.keys(&placed.body["data"]["call"]["id"]).await;
    assert!(keys.contains(&"call:9".to_owned()), "{keys:?}");
    let story = Story::new(&["call:9"], desk.now());
    desk.hear(&story.agent_rings()).await;
    desk.hear(&story.talk()).await;
    desk.hear(&story.ends()).await;
    one_call(&desk, &placed.body["data"]["call"]["id"]).await;
}

#[tokio::test]
async fn a_connection_that_is_deleted_ends_the_wait() {
    let desk = Desk::new().await;
    let placed = desk.dial(TARGET).await;
    let path = format!(
        "/internal/apps/{}/connections/{}",
        desk.tenant.id, desk.hook.connection_id
    );
    let gone = desk.world.operate(reqwest::Method::DELETE, &path, None);
    assert_eq!(gone.await.status, 204);
    desk.later(3).await;
    let dial = desk.state(&placed.body["data"]["dial"]["id"]).await;
    assert_eq!(dial["state"], "failed");
    assert_eq!(dial["failure"]["cause"], "connection_gone");
    desk.later(60).await;
}
