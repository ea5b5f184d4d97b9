//! How sockets end: a key revoked here or elsewhere, a server that stops, a database that is away.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn revoking_a_key_closes_its_sockets_within_a_second() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let (mut doomed, ..) = world.listen(&tenant).await;
    let base = format!("/internal/apps/{}", tenant.id);
    let second = world
        .operate(Method::POST, &format!("{base}/keys"), None)
        .await;
    let second = &second.body["data"];
    let other = second["api_key"].as_str().unwrap();
    let mut spared = world.connect("", &[("x-api-key", other)]).await;
    assert_eq!(spared.frame().await["type"], "hello");
    let keys = world
        .operate(Method::GET, &format!("{base}/keys"), None)
        .await
        .body;
    let keys = keys["data"].as_array().unwrap();
    let first = keys
        .iter()
        .find(|key| key["id"] != second["key"]["id"])
        .unwrap();
    let path = format!("{base}/keys/{}", first["id"].as_str().unwrap());
    let started = Instant::now();
    assert_eq!(world.operate(Method::DELETE, &path, None).await.status, 200);
    assert_eq!(doomed.closed().await, 4401);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(spared.frame().await["type"], "snapshot");
    spared.say(r#"{"type":"ping"}"#).await;
    assert_eq!(spared.frame().await["type"], "pong");
}

#[tokio::test]
async fn a_key_revoked_elsewhere_or_expired_closes_its_sockets_too() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let app = switchhook_domain::id::AppId(tenant.id.parse().unwrap());
    let path = format!("/internal/apps/{}/api-key", tenant.id);
    let body = json!({"expires_at": "2026-11-22T13:00:00Z"});
    let short = world.operate(Method::POST, &path, Some(&body)).await.body;
    let short = short["api_key"].as_str().unwrap();
    let mut expiring = world.connect("", &[("x-api-key", short)]).await;
    let (mut revoked, ..) = world.listen(&tenant).await;
    world.clock.advance(jiff::SignedDuration::from_hours(2));
    assert_eq!(expiring.closed().await, 4401);
    let keys = world.store.inner.keys(app).await.unwrap();
    let started = Instant::now();
    for key in keys {
        // As another node does it: past this one's memory.
        world
            .store
            .inner
            .revoke_key(app, key.id, key.created_at)
            .await
            .unwrap();
    }
    assert_eq!(revoked.closed().await, 4401);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let (mut client, ..) = world.listen(&tenant).await;
    let mut silent = world.connect("", &[]).await;
    world.stop.cancel();
    assert_eq!(client.closed().await, 1001);
    assert_eq!(silent.closed().await, 1001);
    world.sockets.close();
    tokio::time::timeout(Duration::from_secs(3), world.sockets.wait())
        .await
        .unwrap();
    assert_eq!(world.metrics.sockets.get(), 0);
}

#[tokio::test]
async fn a_socket_that_finds_the_database_away_may_come_again() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let (mut open, ..) = world.listen(&tenant).await;
    world
        .store
        .away
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let code = world
        .connect("", &[("x-api-key", tenant.key.as_str())])
        .await
        .closed()
        .await;
    assert_eq!(code, 1013);
    // Who is in stays in.
    tokio::time::sleep(Duration::from_millis(900)).await;
    open.say(r#"{"type":"ping"}"#).await;
    assert_eq!(open.frame().await["type"], "pong");
    world
        .store
        .away
        .store(false, std::sync::atomic::Ordering::Relaxed);
    let (_, hello, snapshot) = world.listen(&tenant).await;
    assert_eq!(
        (&hello["seq"], &snapshot["calls"]),
        (&json!(0), &Value::Array(Vec::new()))
    );
}
