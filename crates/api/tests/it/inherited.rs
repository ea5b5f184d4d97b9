//! The webhook address of the Pipelinq adapter: its answers, and which connection is meant.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_adapters::generic::{Generic, sign};
use switchhook_adapters::zammad::Zammad;
use switchhook_engine::adapter::Secret;

use crate::client::Answer;
use crate::world::{Tenant, World, config};

const PATHS: [&str; 2] = [
    "/api/cti/webhook",
    "/index.php/apps/pipelinq/api/cti/webhook",
];

async fn world() -> World {
    let adapters: Vec<Arc<dyn switchhook_engine::adapter::Adapter>> =
        vec![Arc::new(Dialpad), Arc::new(Generic), Arc::new(Zammad)];
    World::with_adapters(config(), adapters).await
}

async fn connect(world: &World, tenant: &Tenant, platform: &str, secret: &str, config: Value) {
    let path = format!("/internal/apps/{}/connections", tenant.id);
    let body = json!({"platform": platform, "webhook_secret": secret, "config": config});
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

fn event(id: &str) -> String {
    json!({"event": "ringing", "call_id": id, "at": "2026-11-22T11:59:00Z",
        "from": "+31612345021", "to": "+31850001200", "direction": "in", "extension": "100"})
    .to_string()
}

async fn post(world: &World, path: &str, body: &str, secret: &str, key: Option<&str>) -> Answer {
    let signature = sign(body.as_bytes(), &Secret::new(secret));
    let request = world
        .ask(Method::POST, path)
        .header("x-pipelinq-signature", signature);
    let request = match key {
        Some(key) => request.header("x-app-api-key", key),
        None => request,
    };
    Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
}

async fn calls(world: &World, tenant: &Tenant) -> Vec<Value> {
    let answer = world.get(tenant, "/api/calls").await;
    answer.body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_connection_whose_secret_fits_takes_it() {
    let world = world().await;
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    connect(&world, &a, "generic", "secret of a", json!({})).await;
    connect(&world, &b, "generic", "secret of b", json!({})).await;
    for (at, prefix) in PATHS.iter().enumerate() {
        // The platform's name in any case.
        let path = format!("{prefix}/Generic");
        let answer = post(
            &world,
            &path,
            &event(&format!("c{at}")),
            "secret of b",
            None,
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["ok"], true);
        let known = calls(&world, &b).await;
        assert_eq!(known.len(), at + 1);
        let id = answer.body["contactmomentId"].as_str().unwrap();
        assert!(known.iter().any(|call| call["id"] == id), "{id}");
        assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.text);
        // The same again says nothing new.
        let again = post(
            &world,
            &path,
            &event(&format!("c{at}")),
            "secret of b",
            None,
        )
        .await;
        assert_eq!(again.body, json!({"ok": true, "contactmomentId": null}));
    }
    assert!(calls(&world, &a).await.is_empty());
}

#[tokio::test]
async fn what_is_not_believed_is_422_as_the_document_says() {
    let world = world().await;
    let path = format!("{}/generic", PATHS[0]);
    let none = post(&world, &path, &event("c"), "any secret", None).await;
    let unlogged = json!({"error": "Invalid webhook signature", "logged": false});
    assert_eq!(
        (none.status, &none.body),
        (422, &unlogged),
        "no connection at all"
    );
    let tenant = world.tenant("a").await;
    connect(&world, &tenant, "generic", "the secret", json!({})).await;
    let wrong = post(&world, &path, &event("c"), "another secret", None).await;
    let logged = json!({"error": "Invalid webhook signature", "logged": true});
    assert_eq!((wrong.status, &wrong.body), (422, &logged));
    let bare = world.ask(Method::POST, &path).body(event("c"));
    let bare = Answer::of(bare.send().await.unwrap()).await;
    assert_eq!((bare.status, &bare.body), (422, &logged));
    let log = format!("/internal/apps/{}/notifications", tenant.id);
    let rows = world.operate(Method::GET, &log, None).await;
    assert_eq!(
        rows.body["data"].as_array().unwrap().len(),
        2,
        "{}",
        rows.text
    );
    assert!(calls(&world, &tenant).await.is_empty());
}

#[tokio::test]
async fn a_secret_that_two_apps_hold_needs_a_key() {
    let world = world().await;
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    connect(&world, &a, "generic", "one secret for both", json!({})).await;
    connect(&world, &b, "generic", "one secret for both", json!({})).await;
    let path = format!("{}/generic", PATHS[0]);
    let secret = "one secret for both";
    let whose = post(&world, &path, &event("c"), secret, None).await;
    assert_eq!(whose.status, 422, "{}", whose.text);
    let keyed = post(&world, &path, &event("c"), secret, Some(&b.key)).await;
    assert_eq!(keyed.status, 200, "{}", keyed.text);
    assert!(calls(&world, &a).await.is_empty());
    assert_eq!(calls(&world, &b).await.len(), 1);
    let unknown = post(
        &world,
        &path,
        &event("c"),
        secret,
        Some("no key of anybody"),
    )
    .await;
    assert_eq!(unknown.status, 422, "{}", unknown.text);
}

#[tokio::test]
async fn an_unknown_platform_is_404_in_the_predecessors_words() {
    let world = world().await;
    let answer = post(
        &world,
        &format!("{}/Acme", PATHS[0]),
        "{}",
        "any secret",
        None,
    )
    .await;
    let wanted = json!({"error": "CTI adapter not registered for platform: acme"});
    assert_eq!((answer.status, answer.body), (404, wanted));
}

#[tokio::test]
async fn what_cannot_be_parsed_is_400_and_kept() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    connect(&world, &tenant, "generic", "the secret", json!({})).await;
    let path = format!("{}/generic", PATHS[0]);
    let broken = post(&world, &path, "{\"event\":", "the secret", None).await;
    let wanted = json!({"error": "The webhook payload could not be parsed."});
    assert_eq!((broken.status, &broken.body), (400, &wanted));
    let odd = post(&world, &path, "{\"event\":\"ringing\"}", "the secret", None).await;
    assert_eq!(odd.body, json!({"ok": true, "contactmomentId": null}));
    let log = format!("/internal/apps/{}/notifications", tenant.id);
    let rows = world.operate(Method::GET, &log, None).await;
    let rows = rows.body["data"].as_array().unwrap().clone();
    assert!(
        rows.len() == 2 && rows.iter().all(|row| row["verdict"] == "dead"),
        "{rows:?}"
    );
}

/// Zammad's decision is the answer, at either address.
#[tokio::test]
async fn zammads_decision_is_the_answer() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    let settings = json!({"blocked_numbers": ["0612345099", "4930555*"],
        "caller_ids": ["4989*=498999998145", "49*=493023125877"],
        "default_caller_id": "496990009111"});
    connect(&world, &tenant, "zammad", "the secret", settings).await;
    let path = format!("{}/zammad?secret=the%20secret", PATHS[0]);
    let ask = async |event: &str, direction: &str, from: &str, to: &str, id: &str| {
        let body = json!({"event": event, "direction": direction, "from": from, "to": to,
            "callId": id, "user": "Christopher Miller", "cause": "cancel"});
        let answer = world.ask(Method::POST, &path).json(&body);
        let answer = Answer::of(answer.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    };
    let reject = json!({"action": "reject", "reason": "busy"});
    assert_eq!(
        ask("newCall", "in", "31612345099", "31850001200", "1").await,
        reject
    );
    assert_eq!(
        ask("newCall", "in", "493055571600", "31850001200", "2").await,
        reject
    );
    assert_eq!(
        ask("newCall", "in", "31612345021", "31850001200", "3").await,
        json!({})
    );
    assert_eq!(
        ask("hangup", "in", "31612345099", "31850001200", "1").await,
        json!({})
    );
    let dial =
        |shown: &str, number: &str| json!({"action": "dial", "caller_id": shown, "number": number});
    for (to, shown) in [
        ("498912345678", "498999998145"),
        ("493012345678", "493023125877"),
        ("31612345021", "496990009111"),
    ] {
        let answer = ask("newCall", "out", "493023125741", to, to).await;
        assert_eq!(answer, dial(shown, to));
    }
    let known = calls(&world, &tenant).await;
    let refused: Vec<_> = known
        .iter()
        .filter(|call| call["status"] == "rejected")
        .collect();
    assert_eq!(refused.len(), 2, "{known:#?}");
    assert!(refused.iter().all(|call| call["end_cause"] == "blocked"));
}
