//! Mapping files through the operators' routes: put, used, replaced, deleted, refused.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;

use crate::client::Answer;
use crate::world::{OPERATOR, World, config};

pub(crate) const ACME: &str = r#"platform = "acme"
title = "Acme Voice"
summary = "Acme posts call events as JSON with a bearer token."

[signature]
scheme = "bearer"

[call]
id = "call.id"

[events]
path = "event"

[events.map]
"call.ringing" = "ringing"
"call.over" = "missed"

[times]
at = "at"

[direction]
otherwise = "inbound"

[numbers]
from = "call.from"
to = "call.to"

[agent]
extension = "call.ext"
"#;

const PATH: &str = "/internal/platforms/acme/mapping";

async fn put(world: &World, path: &str, kind: &str, text: &str) -> Answer {
    let request = world.ask(Method::PUT, path).bearer_auth(OPERATOR);
    let request = request.header("content-type", kind).body(text.to_owned());
    Answer::of(request.send().await.unwrap()).await
}

async fn origin(world: &World, platform: &str) -> Option<String> {
    let all = world
        .operate(Method::GET, "/internal/platforms", None)
        .await;
    let mut platforms = all.body["data"].as_array().unwrap().iter();
    let found = platforms.find(|p| p["platform"] == platform)?;
    found["origin"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_mapping_is_a_platform_until_it_is_deleted() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    assert_eq!(origin(&world, "dialpad").await.as_deref(), Some("built_in"));
    assert_eq!(origin(&world, "acme").await, None);
    let answer = put(&world, PATH, "application/toml", ACME).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["data"]["capabilities"], json!(["ringing"]));
    assert_eq!(origin(&world, "acme").await.as_deref(), Some("stored"));
    let got = world.operate(Method::GET, PATH, None).await;
    assert_eq!(got.text, ACME);

    let connections = format!("/internal/apps/{}/connections", tenant.id);
    let body = json!({"platform": "acme", "webhook_secret": "a long secret"});
    let made = world.operate(Method::POST, &connections, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let hook = made.body["data"]["hook_id"].as_str().unwrap();
    let hook = format!("/webhooks/acme/{hook}");
    let event = |name: &str| {
        json!({"event": name, "at": "2026-11-22T11:59:00Z", "call": {"id": 7,
            "from": "+31612345021", "to": "+31850001200", "ext": "100"}})
    };
    let post = async |body: Value| {
        let request = world
            .ask(Method::POST, &hook)
            .bearer_auth("a long secret")
            .json(&body);
        Answer::of(request.send().await.unwrap()).await
    };
    assert_eq!(post(event("call.ringing")).await.status, 200);
    // In use: it can be replaced, and its calls go on, but not deleted.
    let replaced = ACME.replace("\"missed\"", "[\"ended\"]");
    assert_eq!(
        put(&world, PATH, "text/plain; charset=utf-8", &replaced)
            .await
            .status,
        200
    );
    assert_eq!(post(event("call.over")).await.status, 200);
    let calls = world.get(&tenant, "/api/calls").await;
    assert_eq!(calls.body["data"][0]["status"], "missed", "{}", calls.text);
    assert_eq!(calls.body["data"][0]["agent"]["extension"], "100");
    let refused = world.operate(Method::DELETE, PATH, None).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (409, "platform_in_use")
    );

    let id = made.body["data"]["id"].as_str().unwrap();
    let gone = world
        .operate(Method::DELETE, &format!("{connections}/{id}"), None)
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(world.operate(Method::DELETE, PATH, None).await.status, 204);
    assert_eq!(origin(&world, "acme").await, None);
    for method in [Method::GET, Method::DELETE] {
        let answer = world.operate(method, PATH, None).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (404, "mapping_not_found")
        );
    }
}

#[tokio::test]
async fn a_faulty_mapping_changes_nothing_and_says_everything() {
    let world = World::new().await;
    let faulty = ACME
        .replace("bearer", "hope")
        .replace("\"missed\"", "\"vanished\"");
    let answer = put(&world, PATH, "application/toml", &faulty).await;
    assert_eq!((answer.status, answer.problem()), (400, "mapping_invalid"));
    let faults = answer.body["faults"].as_array().unwrap();
    let fields: Vec<_> = faults
        .iter()
        .map(|f| f["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["signature.scheme", "events.map.call.over"],
        "{}",
        answer.text
    );
    assert_eq!(
        (&faults[0]["line"], &faults[0]["column"]),
        (&json!(6), &json!(10))
    );
    assert_eq!(origin(&world, "acme").await, None);
    let other = put(
        &world,
        "/internal/platforms/other/mapping",
        "text/plain",
        ACME,
    )
    .await;
    assert_eq!((other.status, other.problem()), (400, "mapping_invalid"));
    let json = put(&world, PATH, "application/json", ACME).await;
    assert_eq!(
        (json.status, json.problem()),
        (415, "unsupported_content_type")
    );
    let long = put(&world, PATH, "text/plain", &"#".repeat(70_000)).await;
    assert_eq!((long.status, long.problem()), (413, "body_too_large"));
}

#[tokio::test]
async fn a_built_in_platform_cannot_be_replaced() {
    let world = World::with_adapters(config(), vec![Arc::new(Dialpad)]).await;
    let path = "/internal/platforms/dialpad/mapping";
    let text = ACME.replace("platform = \"acme\"", "platform = \"dialpad\"");
    let taken = put(&world, path, "text/plain", &text).await;
    assert_eq!((taken.status, taken.problem()), (409, "platform_taken"));
    let taken = world.operate(Method::DELETE, path, None).await;
    assert_eq!((taken.status, taken.problem()), (409, "platform_taken"));
}

#[tokio::test]
async fn only_operators_may() {
    let world = World::new().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = world.ask(method, PATH).body(ACME);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
    }
}

/// What another node stored is spoken here after the next look at the database.
#[tokio::test]
async fn a_mapping_of_another_node_is_spoken_after_a_refresh() {
    use switchhook_engine::store::{StoredMapping, VendorStore};
    let world = World::new().await;
    let mapping = StoredMapping {
        platform: "acme".to_owned(),
        text: ACME.to_owned(),
        updated_at: "2026-11-22T12:00:00Z".parse().unwrap(),
    };
    world.store.put_mapping(&mapping).await.unwrap();
    assert_eq!(origin(&world, "acme").await, None);
    world.connections.refresh().await.unwrap();
    assert_eq!(origin(&world, "acme").await.as_deref(), Some("stored"));
    assert!(world.store.delete_mapping("acme").await.unwrap());
    world.connections.refresh().await.unwrap();
    assert_eq!(origin(&world, "acme").await, None);
}
