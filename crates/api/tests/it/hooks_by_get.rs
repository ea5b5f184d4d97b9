//! Webhooks told by `GET`, all of it in the address (CallVoip's dial plan): believed, stored and
//! limited as a post is, and of no other platform.

use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use switchhook_adapters::callvoip::CallVoip;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_api::{ApiConfig, LimitsConfig};

use crate::client::Answer;
use crate::world::{Tenant, World, config};

const TOLD: &str = "uuid=b587f4ee-718d-11ed-88ee-b97829e8fee4&caller_number=31612345021&\
    callee_number=31201234567&event_time=1795341600000&call_start_time=1795341597000";

/// A server that speaks both, and a CallVoip connection of an app: path and secret.
async fn with_hook(config: ApiConfig) -> (World, Tenant, String, String) {
    let world = World::with_adapters(config, vec![Arc::new(Dialpad), Arc::new(CallVoip)]).await;
    let tenant = world.tenant("a").await;
    let list = format!("/internal/apps/{}/connections", tenant.id);
    let made = json!({ "platform": "callvoip", "name": "c" });
    let made = world.operate(Method::POST, &list, Some(&made)).await.body;
    let word = |name: &str| made["data"][name].as_str().unwrap().to_owned();
    let path = format!("/webhooks/callvoip/{}", word("hook_id"));
    (world, tenant, path, word("webhook_secret"))
}

async fn get(world: &World, path: &str) -> Answer {
    Answer::of(world.ask(Method::GET, path).send().await.unwrap()).await
}

async fn log(world: &World, tenant: &Tenant) -> Vec<Value> {
    let path = format!("/internal/apps/{}/notifications?limit=100", tenant.id);
    let answer = world.operate(Method::GET, &path, None).await;
    answer.body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_call_told_by_get_is_a_call_told_by_post() {
    let (world, tenant, path, secret) = with_hook(config()).await;
    let told = get(&world, &format!("{path}?token={secret}&{TOLD}")).await;
    assert_eq!((told.status, told.text.as_str()), (200, "ok"));
    assert!(told.header("content-type").starts_with("text/plain"));
    let calls = world.get(&tenant, "/api/calls?limit=10").await.body;
    assert_eq!(calls["pagination"]["total"], 1, "{calls:#}");
    assert_eq!(calls["data"][0]["from_number"], "+31612345021", "{calls:#}");
    // The same again, by GET and by POST: nothing new.
    let again = get(&world, &format!("{path}?{TOLD}&secret={secret}")).await;
    assert_eq!(again.status, 200);
    let body = json!({ "uuid": "b587f4ee-718d-11ed-88ee-b97829e8fee4",
        "caller_number": "31612345021", "callee_number": "31201234567",
        "event_time": "1795341600000", "call_start_time": "1795341597000" });
    let post = format!("{path}?token={secret}");
    let posted = world.deliver(&post, "application/json", body.to_string());
    assert_eq!(posted.await.status, 200);
    let same = world.get(&tenant, "/api/calls?limit=10").await.body;
    assert_eq!(same, calls);
    for row in log(&world, &tenant).await {
        assert!(!row.to_string().contains(&secret), "{row:#}");
    }
}

#[tokio::test]
async fn what_is_not_believed_by_post_is_not_by_get() {
    let (world, tenant, path, secret) = with_hook(config()).await;
    for query in ["", "?token=", "?token=wrong", &format!("?{TOLD}")] {
        let answer = get(&world, &format!("{path}{query}")).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (401, "signature_invalid"),
            "{query}"
        );
    }
    // Only the dial plan's own event is believed by a token.
    let event = get(
        &world,
        &format!("{path}?token={secret}&event=hangup&{TOLD}"),
    )
    .await;
    assert_eq!(event.status, 401);
    // A block that adds nothing to its address tells nothing, and is not asked again.
    let bare = get(&world, &format!("{path}?token={secret}")).await;
    assert_eq!(
        (bare.status, &bare.body["understood"]),
        (200, &json!(false))
    );
    let verdicts: Vec<Value> = log(&world, &tenant)
        .await
        .iter_mut()
        .map(|row| row["verdict"].take())
        .collect();
    assert_eq!(verdicts.iter().filter(|v| **v == "rejected").count(), 5);
    assert_eq!(verdicts.iter().filter(|v| **v == "dead").count(), 1);
    let calls = world.get(&tenant, "/api/calls?limit=10").await.body;
    assert_eq!(calls["pagination"]["total"], 0);
}

#[tokio::test]
async fn unknown_hooks_and_those_of_another_platform_look_the_same() {
    let (world, _, path, secret) = with_hook(config()).await;
    let other = world.tenant("b").await;
    let theirs = world.hook(&other).await;
    let theirs = theirs.path.rsplit('/').next().unwrap().to_owned();
    let unknown = "nosuchhooknosuchhooknosuchhook00";
    let mut texts = Vec::new();
    for hook in [unknown, &theirs, &path[path.len() - 8..]] {
        let path = format!("/webhooks/callvoip/{hook}?token={secret}&{TOLD}");
        let answer = get(&world, &path).await;
        assert_eq!((answer.status, answer.problem()), (404, "hook_not_found"));
        texts.push(answer.body["detail"].clone());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1);
    assert!(log(&world, &other).await.is_empty());
}

#[tokio::test]
async fn no_other_platform_and_no_other_method_tells_so() {
    let (world, tenant, path, secret) = with_hook(config()).await;
    let dialpad = world.hook(&tenant).await;
    let head = world.ask(Method::HEAD, &format!("{path}?token={secret}&{TOLD}"));
    assert_eq!(head.send().await.unwrap().status(), 405);
    for path in [dialpad.path.as_str(), "/webhooks/nobody/x"] {
        let answer = get(&world, path).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (405, "method_not_allowed")
        );
        assert_eq!(answer.header("allow"), "POST");
    }
    let calls = world.get(&tenant, "/api/calls?limit=10").await.body;
    assert_eq!(calls["pagination"]["total"], 0);
}

#[tokio::test]
async fn gets_keep_the_pace_that_posts_keep() {
    let limits = LimitsConfig {
        hook_notifications: 2,
        hook_wait: std::time::Duration::from_millis(300),
        hook_backlog: 1,
        ..LimitsConfig::off()
    };
    let config = ApiConfig { limits, ..config() };
    let (world, tenant, path, secret) = with_hook(config).await;
    let paths = (0..8).map(|n| format!("{path}?token={secret}&{TOLD}{n}"));
    let paths: Vec<String> = paths.collect();
    let told = paths.iter().map(|path| get(&world, path));
    let told = futures_util::future::join_all(told).await;
    let (taken, refused): (Vec<_>, Vec<_>) = told.iter().partition(|a| a.status == 200);
    assert!(taken.len() < 8 && taken.len() >= 2, "{} taken", taken.len());
    for answer in refused {
        assert_eq!((answer.status, answer.problem()), (503, "backlog_full"));
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(log(&world, &tenant).await.len(), taken.len());
}
