//! Operators: apps, keys, connections, platforms, the event log, health and metrics.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::id::AppId;
use switchhook_engine::adapter::*;
use switchhook_engine::store::{App, Store as _};
use tokio_util::sync::CancellationToken;

use crate::client::Answer;
use crate::world::{World, config, until};

/// A platform with a live link that a test can break.
struct Wire;

static SPEC: AdapterSpec = AdapterSpec {
    platform: "wire",
    title: "Wire",
    summary: "For tests.",
    config: &[
        ConfigField {
            name: "mood",
            label: "Mood",
            help: "How the link should be, such as good.",
            kind: FieldKind::Choice(&["good", "bad"]),
            required: true,
            default: None,
        },
        ConfigField {
            name: "password",
            label: "Password",
            help: "Any.",
            kind: FieldKind::Secret,
            required: false,
            default: None,
        },
    ],
    capabilities: &[],
    lacks: &[],
    transports: &[Transport::Socket],
    bad_signature_status: 401,
};

#[async_trait]
impl Adapter for Wire {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn verify<'a>(
        &self,
        _: &Inbound<'a>,
        _: &ConnectionContext,
    ) -> Result<std::borrow::Cow<'a, [u8]>, Rejection> {
        Err(Rejection::BadSignature)
    }

    fn decode(&self, _: &[u8], _: &ConnectionContext) -> Result<Decoded, DecodeError> {
        Ok(Decoded::default())
    }

    fn is_live(&self, _: &ConnectionContext) -> bool {
        true
    }

    async fn connect(
        &self,
        connection: Arc<ConnectionContext>,
        sink: Arc<dyn NotificationSink>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        if connection.text("mood") == Some("bad") {
            return Err(LinkError::Misconfigured("the password is wrong".to_owned()));
        }
        sink.link(LinkState::Up).await;
        stop.cancelled().await;
        Ok(())
    }
}

async fn world() -> World {
    World::with_adapters(config(), vec![Arc::new(Dialpad), Arc::new(Wire)]).await
}

#[tokio::test]
async fn an_app_is_made_with_a_key_that_is_shown_once() {
    let world = world().await;
    let body = json!({"name": " Klantcontact ", "country": "be"});
    let made = world
        .operate(Method::POST, "/internal/apps", Some(&body))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.body["success"], true);
    assert_eq!(made.body["app_name"], "Klantcontact");
    for member in ["message", "app_id", "created_at", "warning", "usage"] {
        assert!(made.body[member].is_string(), "{member}: {}", made.text);
    }
    let key = made.body["api_key"].as_str().unwrap();
    assert!(key.starts_with("sh_") && key.len() == 55, "{key}");
    let id = made.body["app_id"].as_str().unwrap();
    let one = world
        .operate(Method::GET, &format!("/internal/apps/{id}"), None)
        .await;
    assert_eq!(one.body["data"]["country"], "BE");
    assert_eq!(one.body["data"]["active"], true);
    assert!(!one.text.contains(key));
    let me = Answer::of(
        world
            .ask(Method::GET, "/api/me")
            .header("x-api-key", key)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        me.body["data"]["app"],
        json!({"id": id, "name": "Klantcontact", "country": "BE"})
    );
    assert_eq!(me.body["data"]["role"], "admin");
    assert_eq!(me.body["data"]["by"], "key");
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "x", "country": "Narnia"}), "country"),
        (json!({"name": "x", "colour": "red"}), "colour"),
    ] {
        let answer = world
            .operate(Method::POST, "/internal/apps", Some(&body))
            .await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_field"),
            "{body}"
        );
        assert_eq!(answer.body["field"], field, "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn keys_overlap_and_end() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    let base = format!("/internal/apps/{}", tenant.id);
    let made = world
        .operate(Method::POST, &format!("{base}/api-key"), None)
        .await;
    assert_eq!(made.status, 200, "{}", made.text);
    for member in [
        "message",
        "api_key",
        "app_id",
        "app_name",
        "generated_at",
        "warning",
        "usage",
    ] {
        assert!(made.body[member].is_string(), "{member}");
    }
    let second = crate::world::Tenant {
        id: tenant.id.clone(),
        key: made.body["api_key"].as_str().unwrap().to_owned(),
    };
    assert_eq!(world.get(&tenant, "/api/me").await.status, 200);
    assert_eq!(world.get(&second, "/api/me").await.status, 200);
    let list = world
        .operate(Method::GET, &format!("{base}/keys"), None)
        .await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2);
    assert!(!list.text.contains(&second.key) && !list.text.contains(&tenant.key));
    let key_id = made.body["key_id"].as_str().unwrap();
    let path = format!("{base}/keys/{key_id}");
    let revoked = world.operate(Method::DELETE, &path, None).await;
    assert_eq!(revoked.status, 200);
    assert_eq!(revoked.body["key_id"], key_id);
    let refused = world.get(&second, "/api/me").await;
    assert_eq!((refused.status, refused.problem()), (401, "key_invalid"));
    assert_eq!(world.get(&tenant, "/api/me").await.status, 200);
    let again = world.operate(Method::DELETE, &path, None).await;
    assert_eq!(again.body["revoked_at"], revoked.body["revoked_at"]);
    for (body, field) in [
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"expires_at": "soon"}), "expires_at"),
        (json!({"name": ""}), "name"),
    ] {
        let answer = world
            .operate(Method::POST, &format!("{base}/api-key"), Some(&body))
            .await;
        assert_eq!(answer.problem(), "invalid_field", "{body}");
        assert_eq!(answer.body["field"], field);
    }
}

#[tokio::test]
async fn a_connection_shows_its_secret_once_and_its_credentials_never() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    let base = format!("/internal/apps/{}/connections", tenant.id);
    let body = json!({"platform": "wire", "config": {"mood": "good", "password": "hunter2222"}});
    let made = world.operate(Method::POST, &base, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let data = &made.body["data"];
    assert_eq!(data["credentials"], json!(["password"]));
    assert_eq!(data["config"], json!({"mood": "good"}));
    assert_eq!(data["webhook_url"], Value::Null);
    assert_eq!(data["live"], true);
    assert!(!made.text.contains("hunter2222"));
    let path = format!("{base}/{}", data["id"].as_str().unwrap());
    assert_eq!(made.header("location"), path);
    let links = world.links.clone();
    until("the link is up", || {
        links.states().values().any(|state| state.up)
    })
    .await;
    let one = world.operate(Method::GET, &path, None).await;
    assert_eq!(one.body["data"]["state"], "up");
    assert_eq!(one.body["data"].get("webhook_secret"), None);
    let gone = world.operate(Method::DELETE, &path, None).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    let missing = world.operate(Method::GET, &path, None).await;
    assert_eq!(
        (missing.status, missing.problem()),
        (404, "connection_not_found")
    );
    for (body, field) in [
        (json!({"platform": "teams"}), "platform"),
        (json!({"config": {}}), "platform"),
        (json!({"platform": "wire", "config": {}}), "config.mood"),
        (
            json!({"platform": "wire", "config": {"mood": "so-so"}}),
            "config.mood",
        ),
        (
            json!({"platform": "dialpad", "config": {"colour": "red"}}),
            "config.colour",
        ),
        (
            json!({"platform": "dialpad", "config": {"company_id": "x"}}),
            "config.company_id",
        ),
        (
            json!({"platform": "dialpad", "webhook_secret": "short"}),
            "webhook_secret",
        ),
        (json!({"platform": "dialpad", "config": 7}), "config"),
    ] {
        let answer = world.operate(Method::POST, &base, Some(&body)).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_field"),
            "{body}"
        );
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let list = world.operate(Method::GET, &base, None).await;
    assert_eq!(list.body["data"], json!([]));
}

#[tokio::test]
async fn a_link_that_is_down_is_told_with_its_reason() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    let (mut client, ..) = world.listen(&tenant).await;
    let base = format!("/internal/apps/{}/connections", tenant.id);
    let body = json!({"platform": "wire", "name": "PBX", "config": {"mood": "bad"}});
    world.operate(Method::POST, &base, Some(&body)).await;
    let frame = client.frame().await;
    assert_eq!(frame["event"], "connection.degraded");
    assert_eq!(frame["call_id"], Value::Null);
    assert_eq!(
        frame["data"]["connection"]["reason"],
        "the password is wrong"
    );
    let ready = Answer::of(world.ask(Method::GET, "/ready").send().await.unwrap()).await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.body["degraded"], true);
    assert_eq!(ready.body["connections"][0]["state"], "down");
    assert_eq!(
        ready.body["connections"][0]["reason"],
        "the password is wrong"
    );
    let status = world.get(&tenant, "/status").await;
    assert_eq!(
        status.body["data"]["connections"],
        json!({"total": 1, "up": 0, "down": 1})
    );
    assert_eq!(status.body["data"]["log"]["head"], 1);
    assert_eq!(status.body["data"]["active_calls"], 0);
}

#[tokio::test]
async fn platforms_tell_their_settings() {
    let world = world().await;
    let list = world
        .operate(Method::GET, "/internal/platforms", None)
        .await;
    let platforms = list.body["data"].as_array().unwrap();
    assert_eq!(platforms.len(), 2);
    assert_eq!(platforms[0]["platform"], "dialpad");
    assert_eq!(platforms[1]["config"][0]["kind"], "choice");
    assert_eq!(platforms[1]["config"][0]["choices"], json!(["good", "bad"]));
    assert_eq!(platforms[1]["transports"], json!(["socket"]));
}

#[tokio::test]
async fn the_event_log_is_paged_backwards() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 0..5 {
        world.ring(&hook, index).await;
        world.clock.advance(jiff::SignedDuration::from_millis(5));
    }
    let mut path = format!("/internal/apps/{}/notifications?limit=2", tenant.id);
    let base = path.clone();
    let mut seen = Vec::new();
    loop {
        let page = world.operate(Method::GET, &path, None).await.body;
        let rows = page["data"].as_array().unwrap();
        seen.extend(
            rows.iter()
                .map(|row| row["received_at"].as_str().unwrap().to_owned()),
        );
        assert!(
            rows.iter()
                .all(|row| row["event"] == "ringing" && row["size"].is_u64())
        );
        match page["pagination"]["next_before"].as_str() {
            Some(before) => path = format!("{base}&before={before}"),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!((seen.len(), &seen), (5, &sorted));
}

#[tokio::test]
async fn an_app_that_is_switched_off_sees_nothing() {
    let world = world().await;
    let at = switchhook_domain::Timestamp::constant(1_795_000_000, 0);
    let id = AppId(uuid::Uuid::from_u128(77));
    let app = App {
        id,
        name: "off".to_owned(),
        country: "NL".to_owned(),
        active: false,
        epoch: id.0,
        created_at: at,
    };
    world.store.create_app(&app).await.unwrap();
    let base = format!("/internal/apps/{id}");
    for (path, body) in [
        ("api-key", json!({})),
        ("sign-in-link", json!({})),
        ("connections", json!({"platform": "dialpad"})),
    ] {
        let path = format!("{base}/{path}");
        let answer = world.operate(Method::POST, &path, Some(&body)).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (403, "app_inactive"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_and_metrics_speak() {
    let world = world().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    world.ring(&hook, 1).await;
    world.clock.advance(jiff::SignedDuration::from_secs(90));
    let health = Answer::of(world.ask(Method::GET, "/health").send().await.unwrap()).await;
    assert_eq!(health.status, 200);
    assert_eq!(health.body["status"], "healthy");
    assert_eq!(health.body["uptime"], 90.0);
    assert_eq!(health.body["environment"], "sandbox");
    assert!(world.address.ends_with(&health.body["port"].to_string()));
    assert!(health.body["timestamp"].as_str().unwrap().ends_with('Z'));
    let ready = Answer::of(world.ask(Method::GET, "/ready").send().await.unwrap()).await;
    assert_eq!(
        (ready.status, &ready.body["degraded"]),
        (200, &json!(false))
    );
    let metrics = world.operate(Method::GET, "/metrics", None).await;
    assert_eq!(metrics.status, 200);
    let line = r#"switchhook_notifications_total{platform="dialpad",verdict="accepted"} 1"#;
    assert!(metrics.text.contains(line), "{}", metrics.text);
    assert!(!metrics.text.contains("+316"));
    for name in [
        "switchhook_database_connections{state=\"idle\"}",
        "switchhook_database_connections{state=\"active\"}",
        "switchhook_database_waiting",
        "switchhook_writes_queued",
        "switchhook_commit_writes_count",
        "switchhook_commit_seconds_count",
    ] {
        let line = metrics.text.lines().find(|line| line.starts_with(name));
        assert!(line.is_some(), "{name}: {}", metrics.text);
    }
    world.stop.cancel();
    let ready = Answer::of(world.ask(Method::GET, "/ready").send().await.unwrap()).await;
    assert_eq!((ready.status, ready.problem()), (503, "shutting_down"));
}
