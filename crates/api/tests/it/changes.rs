//! Operators change a connection that is there: its settings, its name, its webhook secret.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_adapters::generic::Generic;
use switchhook_engine::adapter::*;
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{Store, VendorStore};
use tokio_util::sync::CancellationToken;

use crate::world::{Hook, Tenant, World, config, ringing, until};

/// A platform with a live link that writes down when it is opened and closed, and with what.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<Vec<String>>>);

const fn field(name: &'static str, kind: FieldKind, required: bool) -> ConfigField {
    ConfigField {
        name,
        label: "A setting",
        help: "Any will do.",
        kind,
        required,
        default: None,
    }
}

static SPEC: AdapterSpec = AdapterSpec {
    platform: "line",
    title: "Line",
    summary: "For tests.",
    config: &[
        field("host", FieldKind::Text, true),
        field("port", FieldKind::Integer, false),
        field("password", FieldKind::Secret, false),
    ],
    capabilities: &[],
    lacks: &[],
    transports: &[Transport::Socket],
    bad_signature_status: 401,
};

#[async_trait]
impl Adapter for Line {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn check_config(&self, connection: &ConnectionContext) -> Result<(), DecodeError> {
        if connection.config.get("port") == Some(&json!(0)) {
            return Err(DecodeError::field("port", "must not be 0"));
        }
        Ok(())
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
        let host = connection.text("host").unwrap_or_default();
        let password = connection.credentials.get("password");
        let password = password.map_or("none", |password| password.expose());
        let name = format!("{host} {password}");
        self.0.lock().unwrap().push(format!("opened {name}"));
        sink.link(LinkState::Up).await;
        stop.cancelled().await;
        // The next one may not begin before this one has ended.
        tokio::task::yield_now().await;
        self.0.lock().unwrap().push(format!("closed {name}"));
        Ok(())
    }
}

struct Bench {
    world: World,
    tenant: Tenant,
    line: Line,
}

impl Bench {
    async fn new() -> Self {
        let line = Line::default();
        let adapters: Vec<Arc<dyn Adapter>> =
            vec![Arc::new(Dialpad), Arc::new(Generic), Arc::new(line.clone())];
        let world = World::with_adapters(config(), adapters).await;
        let tenant = world.tenant("a").await;
        Self {
            world,
            tenant,
            line,
        }
    }

    /// Makes a connection and returns what is told of it.
    async fn make(&self, body: Value) -> Value {
        let path = format!("/internal/apps/{}/connections", self.tenant.id);
        let made = self.world.operate(Method::POST, &path, Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["data"].clone()
    }

    fn path(&self, id: &str) -> String {
        format!("/internal/apps/{}/connections/{id}", self.tenant.id)
    }

    /// Changes it and returns what is told of it then.
    async fn change(&self, id: &str, body: Value) -> Value {
        let path = self.path(id);
        let changed = self.world.operate(Method::PATCH, &path, Some(&body)).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        let read = self.world.operate(Method::GET, &path, None).await;
        assert_eq!(changed.body["data"], read.body["data"]);
        read.body["data"].clone()
    }

    async fn rotate(&self, id: &str, body: Option<&Value>) -> Value {
        let path = format!("{}/webhook-secret", self.path(id));
        let rotated = self.world.operate(Method::POST, &path, body).await;
        assert_eq!(rotated.status, 200, "{}", rotated.text);
        rotated.body["data"].clone()
    }

    async fn line_has(&self, story: &[&str]) {
        let log = self.line.0.clone();
        until(&format!("{story:?}"), || {
            log.lock().unwrap().len() >= story.len()
        })
        .await;
        assert_eq!(*self.line.0.lock().unwrap(), story);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_are_believed_and_afterwards_the_new_one_only() {
    let bench = Bench::new().await;
    let first = bench.world.hook(&bench.tenant).await;
    let id = first.connection_id.clone();
    let with = |secret: String| Hook {
        secret,
        ..first.clone()
    };
    let mut calls = 0..;
    let mut answers = async |hook: &Hook| {
        let call = ringing(calls.next().unwrap());
        bench.world.dialpad(hook, &call).await.status
    };
    assert_eq!(answers(&first).await, 200);

    let rotated = bench.rotate(&id, None).await;
    let second = with(text(&rotated["webhook_secret"]));
    assert_ne!(second.secret, first.secret);
    assert!(text(&rotated["webhook_url"]).ends_with(&first.path));
    assert_eq!((answers(&first).await, answers(&second).await), (200, 200));
    let read = bench
        .world
        .operate(Method::GET, &bench.path(&id), None)
        .await;
    assert_eq!(read.body["data"].get("webhook_secret"), None);

    // The next rotation: two at most are believed.
    let body = json!({"webhook_secret": "the-third-secret"});
    let rotated = bench.rotate(&id, Some(&body)).await;
    assert_eq!(rotated.get("webhook_secret"), None, "it is known to them");
    let third = with("the-third-secret".to_owned());
    assert_eq!(answers(&first).await, 401);
    assert_eq!((answers(&second).await, answers(&third).await), (200, 200));
    // Sent again, it does not push out the one that is still in use.
    bench.rotate(&id, Some(&body)).await;
    assert_eq!((answers(&second).await, answers(&third).await), (200, 200));

    let end = json!({"webhook_secret": "the-third-secret", "keep_old": false});
    bench.rotate(&id, Some(&end)).await;
    assert_eq!((answers(&second).await, answers(&third).await), (401, 200));
    // At once, without an overlap.
    let made = bench.rotate(&id, Some(&json!({"keep_old": false}))).await;
    let fourth = with(text(&made["webhook_secret"]));
    assert_eq!((answers(&third).await, answers(&fourth).await), (401, 200));
}

#[tokio::test]
async fn a_secret_the_platform_made_is_set_afterwards() {
    let bench = Bench::new().await;
    let made = bench.world.hook(&bench.tenant).await;
    let id = made.connection_id.clone();
    let shown = "the secret the platform shows";
    bench.change(&id, json!({"webhook_secret": shown})).await;
    let given = Hook {
        secret: shown.to_owned(),
        ..made.clone()
    };
    assert_eq!(bench.world.ring(&given, 1).await.status, 200);
    assert_eq!(bench.world.ring(&made, 2).await.status, 401);
    // What was heard before is still this connection's.
    let read = bench
        .world
        .operate(Method::GET, &bench.path(&id), None)
        .await;
    assert!(read.body["data"]["last_heard_at"].is_string());
}

#[tokio::test]
async fn a_changed_setting_counts_from_the_next_notification_on() {
    let bench = Bench::new().await;
    let made = bench
        .make(json!({"platform": "generic", "name": "PBX", "config": {"country": "NL"}}))
        .await;
    let (id, hook) = (text(&made["id"]), text(&made["hook_id"]));
    let ring = async |call: &str, number: &str| {
        let secret = text(&made["webhook_secret"]);
        let path = format!("/webhooks/generic/{hook}?secret={secret}");
        let event = json!({
            "event": "ringing", "call_id": call, "from": number, "to": "0850001200",
            "direction": "inbound", "extension": "100",
        });
        let body = event.to_string();
        let answer = bench.world.deliver(&path, "application/json", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        bench.world.clock.advance(SignedDuration::from_secs(1));
        let calls = bench.world.get(&bench.tenant, "/api/calls").await.body;
        text(&calls["data"][0]["from_number"])
    };
    assert_eq!(ring("1", "0612345678").await, "+31612345678");
    let changed = bench
        .change(&id, json!({"config": {"country": "be"}}))
        .await;
    assert_eq!(changed["config"], json!({"country": "BE"}));
    assert_eq!(changed["hook_id"], hook.as_str());
    assert_eq!(changed["name"], "PBX");
    assert_eq!(ring("2", "0470123456").await, "+32470123456");
    let changed = bench
        .change(&id, json!({"config": {"country": null}}))
        .await;
    assert_eq!(changed["config"], json!({}));
    assert_eq!(
        ring("3", "0612345678").await,
        "+31612345678",
        "the app's again"
    );
}

#[tokio::test]
async fn a_live_link_is_closed_and_opened_again_with_the_new_settings() {
    let bench = Bench::new().await;
    let (mut client, ..) = bench.world.listen(&bench.tenant).await;
    let made = bench
        .make(json!({"platform": "line", "config": {"host": "one", "password": "first"}}))
        .await;
    let id = text(&made["id"]);
    bench.line_has(&["opened one first"]).await;
    let links = bench.world.links.clone();
    let up = || links.states().values().any(|state| state.up);
    until("the link is up", up).await;

    bench.change(&id, json!({"config": {"host": "two"}})).await;
    let story = ["opened one first", "closed one first", "opened two first"];
    bench.line_has(&story).await;
    until("the link is up again", up).await;

    // Nothing changed, nothing closed: neither by that nor by what is heard meanwhile.
    bench.change(&id, json!({})).await;
    bench.change(&id, json!({"config": {"host": "two"}})).await;
    bench.world.connections.refresh().await.unwrap();
    bench.world.links.reconcile();
    let changed = bench
        .change(
            &id,
            json!({"name": "PBX", "config": {"password": "second"}}),
        )
        .await;
    assert_eq!(
        (&changed["name"], &changed["live"]),
        (&json!("PBX"), &json!(true))
    );
    let mut story = story.to_vec();
    story.extend(["closed two first", "opened two second"]);
    bench.line_has(&story).await;

    bench
        .change(&id, json!({"config": {"password": null}}))
        .await;
    story.extend(["closed two second", "opened two none"]);
    bench.line_has(&story).await;
    until("the link is up at last", up).await;
    bench
        .world
        .operate(Method::DELETE, &bench.path(&id), None)
        .await;
    story.push("closed two none");
    bench.line_has(&story).await;
    until("nothing is left", || links.states().is_empty()).await;
    // It never was broken, so nobody was told.
    let hook = bench.world.hook(&bench.tenant).await;
    bench.world.ring(&hook, 1).await;
    assert_eq!(client.frame().await["event"], "call.ring");
}

#[tokio::test]
async fn another_node_follows_with_its_own_look() {
    let bench = Bench::new().await;
    let made = bench
        .make(json!({"platform": "line", "config": {"host": "one"}}))
        .await;
    bench.line_has(&["opened one none"]).await;
    let (store, mut row) = (bench.world.store.clone(), None);
    for known in store.connections(None).await.unwrap() {
        row = (known.id.to_string() == made["id"]).then_some(known);
    }
    let mut row = row.unwrap();
    row.config.insert("host".to_owned(), "two".into());
    store.update_connection(&row).await.unwrap();
    bench.world.connections.refresh().await.unwrap();
    bench.world.links.reconcile();
    bench
        .line_has(&["opened one none", "closed one none", "opened two none"])
        .await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let bench = Bench::new().await;
    let made = bench
        .make(json!({"platform": "line", "config": {"host": "one", "password": "first"}}))
        .await;
    let id = text(&made["id"]);
    let path = bench.path(&id);
    let read = async || {
        let read = bench.world.operate(Method::GET, &path, None).await;
        let mut data = read.body["data"].clone();
        // The link comes up meanwhile.
        for member in ["state", "since"] {
            data[member] = Value::Null;
        }
        data
    };
    let before = read().await;
    let rows = bench.world.store.connections(None).await.unwrap();
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"platform": "dialpad"}), "platform"),
        (json!({"hook_id": "mine"}), "hook_id"),
        (json!({"config": 7}), "config"),
        (json!({"config": {"colour": "red"}}), "config.colour"),
        (json!({"config": {"colour": null}}), "config.colour"),
        (json!({"config": {"host": null}}), "config.host"),
        (json!({"config": {"port": "many"}}), "config.port"),
        (json!({"config": {"port": 0}}), "config.port"),
        (json!({"config": {"country": "Narnia"}}), "config.country"),
        (
            json!({"name": "Other", "config": {"password": "env:SWITCHHOOK_NOT_SET"}}),
            "config.password",
        ),
        (
            json!({"name": "Other", "webhook_secret": "short"}),
            "webhook_secret",
        ),
        (
            json!({"webhook_secret": "env:SWITCHHOOK_NOT_SET"}),
            "webhook_secret",
        ),
    ] {
        let answer = bench.world.operate(Method::PATCH, &path, Some(&body)).await;
        let got = (answer.status, answer.problem());
        assert_eq!(got, (400, "invalid_field"), "{body}: {}", answer.text);
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let rotation = format!("{path}/webhook-secret");
    for (body, field) in [
        (json!({"webhook_secret": "short"}), "webhook_secret"),
        (json!({"webhook_secret": "file:/nowhere"}), "webhook_secret"),
        (json!({"keep_old": "no"}), "keep_old"),
        (json!({"keep": false}), "keep"),
    ] {
        let answer = bench
            .world
            .operate(Method::POST, &rotation, Some(&body))
            .await;
        let got = (answer.status, answer.problem());
        assert_eq!(got, (400, "invalid_field"), "{body}: {}", answer.text);
        assert_eq!(answer.body["field"], field, "{body}");
    }
    assert_eq!(read().await, before);
    let after = bench.world.store.connections(None).await.unwrap();
    assert!(rows[0].is_set_up_as(&after[0]));
    for path in [
        bench.path("x"),
        bench.path("00000000-0000-7000-8000-000000000000"),
    ] {
        let answer = bench
            .world
            .operate(Method::PATCH, &path, Some(&json!({})))
            .await;
        assert!([400, 404].contains(&answer.status), "{}", answer.text);
        let path = format!("{path}/webhook-secret");
        let answer = bench.world.operate(Method::POST, &path, None).await;
        assert!([400, 404].contains(&answer.status), "{}", answer.text);
    }
}

#[tokio::test]
async fn changes_are_on_record_with_what_was_before_and_without_secrets() {
    let bench = Bench::new().await;
    let made = bench
        .make(json!({"platform": "line", "name": "PBX", "config": {"host": "one"}}))
        .await;
    let id = text(&made["id"]);
    let planted = ["planted-password", "planted-secret", "planted-again"];
    let config = json!({"host": "two", "password": planted[0]});
    let change = json!({"name": "Other", "config": config, "webhook_secret": planted[1]});
    let changed = bench.change(&id, change).await;
    assert_eq!(changed["credentials"], json!(["password"]));
    assert_eq!(changed["config"], json!({"host": "two"}));
    bench
        .rotate(&id, Some(&json!({"webhook_secret": planted[2]})))
        .await;
    let generated = text(&bench.rotate(&id, None).await["webhook_secret"]);

    let log = bench.world.get(&bench.tenant, "/api/audit").await;
    let route = "/internal/apps/{app_id}/connections/{connection_id}";
    let found = log.body["data"].as_array().unwrap();
    let actions: Vec<_> = found.iter().map(|entry| text(&entry["action"])).collect();
    let rotated = format!("POST {route}/webhook-secret");
    let changed = format!("PATCH {route}");
    assert_eq!(actions[..3], [rotated.clone(), rotated, changed]);
    let entry = &found[2];
    assert_eq!(
        (&entry["before"]["name"], &entry["after"]["data"]["name"]),
        (&json!("PBX"), &json!("Other"))
    );
    assert_eq!(entry["before"]["config"], json!({"host": "one"}));
    assert_eq!(found[0]["before"]["name"], "Other");
    for secret in planted.into_iter().chain([generated.as_str()]) {
        assert!(!log.text.contains(secret), "{secret} is on record");
    }
    // And in the database they are sealed.
    let rows = bench.world.store.connections(None).await.unwrap();
    assert!(!format!("{rows:?}").contains("planted"));
}

#[tokio::test]
async fn what_is_set_up_at_the_platform_is_looked_at_again() {
    let bench = Bench::new().await;
    let hook = bench.world.hook(&bench.tenant).await;
    let app = bench.tenant.id.parse().unwrap();
    let id = hook.connection_id.parse().unwrap();
    let store = &bench.world.store;
    let due = async || {
        store
            .subscription(app, id)
            .await
            .unwrap()
            .map(|row| row.due_at)
    };
    bench
        .change(&hook.connection_id, json!({"name": "Other"}))
        .await;
    assert_eq!(due().await, None, "it keeps none");
    let config = json!({"config": {"api_key": "a-key-of-dialpad"}});
    bench.change(&hook.connection_id, config).await;
    assert_eq!(due().await, Some(bench.world.clock.now()));
    let now = bench.world.clock.advance(SignedDuration::from_secs(60));
    bench.rotate(&hook.connection_id, None).await;
    assert_eq!(due().await, Some(now));
    // Also to take back what is wanted no longer.
    let now = bench.world.clock.advance(SignedDuration::from_secs(60));
    let config = json!({"config": {"api_key": null}});
    bench.change(&hook.connection_id, config).await;
    assert_eq!(due().await, Some(now));
}
