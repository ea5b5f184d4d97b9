//! Things that are not as they should be: an app that is switched off, a secret that does not
//! open, an adapter with a defect, a sender that floods.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Map, Value, json};
use switchhook_adapters::dialpad::{Dialpad, sign_jwt};
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::adapter::*;
use switchhook_engine::connections::place;
use switchhook_engine::keyring::KeyRing;
use switchhook_engine::ports::{Clock as _, SystemEntropy};
use switchhook_engine::rights::Scopes;
use switchhook_engine::seal::MasterKey;
use switchhook_engine::store::{App, Connection, KeyStore as _, Store as _};
use uuid::Uuid;

use crate::client::Answer;
use crate::world::{Tenant, World, config, ringing};

/// Puts an app straight into the store, with a key.
async fn app(world: &World, number: u128, active: bool) -> Tenant {
    let id = AppId(Uuid::from_u128(number));
    let now = world.clock.now();
    let app = App {
        id,
        name: "x".to_owned(),
        country: "NL".to_owned(),
        active,
        epoch: id.0,
        created_at: now,
    };
    world.store.create_app(&app).await.unwrap();
    let key = world.gate.new_key(id, "key", Scopes::ALL, None);
    world.store.create_key(&key.row).await.unwrap();
    Tenant {
        id: id.to_string(),
        key: key.text,
    }
}

/// Puts a Dialpad connection straight into the store, its secret sealed under a key.
async fn connection(world: &World, tenant: &Tenant, number: u128, key: &KeyRing) -> String {
    let app_id: AppId = tenant.id.parse().unwrap();
    let id = ConnectionId(Uuid::from_u128(number));
    let sealed = place(app_id, id, "webhook_secret");
    let hook_id = format!("hook{number:0>28}");
    let row = Connection {
        id,
        app_id,
        platform: "dialpad".to_owned(),
        name: "x".to_owned(),
        hook_id: hook_id.clone(),
        config: Map::new(),
        credentials: Map::new(),
        webhook_secrets: vec![key.seal(&Secret::new("a secret"), &sealed, &SystemEntropy)],
        created_at: world.clock.now(),
        link: None,
        last_heard_at: None,
    };
    world.store.create_connection(&row).await.unwrap();
    world.connections.refresh().await.unwrap();
    format!("/webhooks/dialpad/{hook_id}")
}

#[tokio::test]
async fn an_app_that_is_switched_off_is_closed_on_every_side() {
    let world = World::new().await;
    let off = app(&world, 77, false).await;
    let refused = world.get(&off, "/api/calls").await;
    assert_eq!((refused.status, refused.problem()), (403, "app_inactive"));
    let key = off.key.as_str();
    assert_eq!(
        world
            .connect("", &[("x-api-key", key)])
            .await
            .closed()
            .await,
        4403
    );
    let mut by_message = world.connect("", &[]).await;
    by_message
        .say(json!({"type": "auth", "api_key": key}).to_string())
        .await;
    assert_eq!(by_message.closed().await, 4403);
    // From outside, its webhook does not exist.
    let path = connection(&world, &off, 1, world.connections.keys()).await;
    let jwt = sign_jwt(ringing(1).to_string().as_bytes(), &Secret::new("a secret"));
    let answer = world.deliver(&path, "application/jwt", jwt.clone()).await;
    assert_eq!((answer.status, answer.problem()), (404, "hook_not_found"));
    let nowhere = format!("{}x", &path[..path.len() - 1]);
    let unknown = world
        .deliver(&nowhere, "application/jwt", jwt.clone())
        .await;
    assert_eq!(unknown.body["detail"], answer.body["detail"]);
    let request = world
        .ask(Method::POST, "/webhooks/dialpad")
        .header("x-app-api-key", key);
    let inherited = Answer::of(request.body(jwt).send().await.unwrap()).await;
    assert_eq!(
        (inherited.status, inherited.problem()),
        (401, "key_invalid")
    );
}

#[tokio::test]
async fn a_secret_that_does_not_open_asks_for_another_try_and_is_told_to_operators() {
    let world = World::new().await;
    let tenant = app(&world, 78, true).await;
    let path = connection(&world, &tenant, 2, &MasterKey::new([9; 32]).into()).await;
    let jwt = sign_jwt(ringing(1).to_string().as_bytes(), &Secret::new("a secret"));
    let answer = world.deliver(&path, "application/jwt", jwt).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (503, "connection_unusable")
    );
    assert!(!answer.header("retry-after").is_empty());
    let list = format!("/internal/apps/{}/connections", tenant.id);
    let list = world.operate(Method::GET, &list, None).await;
    let fault = list.body["data"][0]["fault"].as_str().unwrap();
    assert!(fault.contains("master key"), "{fault}");
    let ready = Answer::of(world.ask(Method::GET, "/ready").send().await.unwrap()).await;
    assert_eq!(ready.body["degraded"], true);
}

/// An adapter with a defect.
struct Broken;

static SPEC: AdapterSpec = AdapterSpec {
    platform: "broken",
    title: "Broken",
    summary: "For tests.",
    config: &[],
    capabilities: &[],
    lacks: &[],
    transports: &[Transport::Webhook],
    bad_signature_status: 202,
};

#[async_trait]
impl Adapter for Broken {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn verify<'a>(
        &self,
        inbound: &Inbound<'a>,
        _: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        match inbound.query("then") {
            Some("panic") => panic!("a defect"),
            Some("believe") => Ok(Cow::Borrowed(inbound.body)),
            _ => Err(Rejection::BadSignature),
        }
    }

    fn decode(&self, _: &[u8], _: &ConnectionContext) -> Result<Decoded, DecodeError> {
        Err(DecodeError::field("a.b", "is not understood"))
    }
}

#[tokio::test]
async fn a_defect_is_a_500_and_the_server_goes_on() {
    let world = World::with_adapters(config(), vec![Arc::new(Dialpad), Arc::new(Broken)]).await;
    let tenant = world.tenant("a").await;
    let list = format!("/internal/apps/{}/connections", tenant.id);
    let made = world
        .operate(Method::POST, &list, Some(&json!({"platform": "broken"})))
        .await;
    let hook_id = made.body["data"]["hook_id"].as_str().unwrap();
    let path = |then: &str| format!("/webhooks/broken/{hook_id}?then={then}");
    let answer = world.deliver(&path("panic"), "text/plain", "x").await;
    assert_eq!((answer.status, answer.problem()), (500, "internal_error"));
    assert!(!answer.text.contains("defect"));
    // What is not believed is answered as the platform needs it.
    let answer = world.deliver(&path("refuse"), "text/plain", "x").await;
    assert_eq!(
        (answer.status, &answer.body),
        (202, &json!({"received": true}))
    );
    let answer = world.deliver(&path("believe"), "text/plain", "x").await;
    assert_eq!(
        (answer.status, &answer.body["understood"]),
        (200, &Value::Bool(false))
    );
    let rows = format!("/internal/apps/{}/notifications", tenant.id);
    let rows = world.operate(Method::GET, &rows, None).await.body;
    assert_eq!(rows["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_flood_of_forgeries_cannot_fill_the_disk() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for _ in 0..60 {
        let answer = world.deliver(&hook.path, "application/jwt", "a.b.c").await;
        assert_eq!(answer.status, 400);
    }
    let rows = format!("/internal/apps/{}/notifications?limit=100", tenant.id);
    let rows = world.operate(Method::GET, &rows, None).await.body;
    assert_eq!(rows["data"].as_array().unwrap().len(), 30);
}
