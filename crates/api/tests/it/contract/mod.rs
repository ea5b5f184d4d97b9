//! The contract of the Dialpad CTI server before this one, route by route, written from its
//! documents. Asked under the base path, where a backend of that server asks; the routes are the
//! same at the root, in our words ([`the_root_answers_the_same`]).
//!
//! Keys (`…/api-key…`) and user mappings (`…/users/…`) have their tests beside their routes.

mod calls;
mod errors;
mod media;
mod pipelinq;
mod public;
mod socket;
mod webhook;
pub(crate) mod webhooks;

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::sign_header;
use switchhook_engine::adapter::Secret;

use crate::client::Answer;
use crate::world::{Hook, OPERATOR, Tenant, World};

/// Where a backend of the predecessor points to.
pub(crate) const BASE: &str = "/dialpad-cti-server";

/// A server with one app that has a Dialpad connection.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) tenant: Tenant,
    pub(crate) hook: Hook,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let tenant = world.tenant("Backend").await;
        let hook = world.hook(&tenant).await;
        Self {
            world,
            tenant,
            hook,
        }
    }

    /// Reads as the app, under the base path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.world.get(&self.tenant, &format!("{BASE}{path}")).await
    }

    /// Asks as the operator, under the base path.
    pub(crate) async fn operate(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let path = format!("{BASE}{path}");
        self.world.operate(method, &path, body).await
    }

    /// Posts JSON in the predecessor's dialect, signed as its tools do.
    pub(crate) async fn post(&self, payload: &Value) -> Answer {
        let body = payload.to_string();
        let signature = sign_header(body.as_bytes(), &Secret::new(self.hook.secret.as_str()));
        let path = format!("{BASE}/webhooks/dialpad");
        let request = self
            .world
            .ask(Method::POST, &path)
            .header("content-type", "application/json")
            .header("x-dialpad-signature", signature)
            .body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Posts and expects it to be taken in.
    pub(crate) async fn hear(&self, payload: &Value) {
        let answer = self.post(payload).await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &json!({"received": true})),
            "{payload}"
        );
    }

    /// Without any credential, under the base path.
    pub(crate) async fn bare(&self, method: Method, path: &str) -> Answer {
        let request = self.world.ask(method, &format!("{BASE}{path}"));
        Answer::of(request.send().await.unwrap()).await
    }
}

/// Events of call `id`, as the predecessor's tools and guides write them.
pub(crate) fn event(kind: &str, id: u64, more: &Value) -> Value {
    let mut call = json!({
        "id": id, "direction": "inbound", "from": "+15551234567", "to": "+15559876543",
        "user_id": 12345,
    });
    for (name, value) in more.as_object().unwrap() {
        call[name] = value.clone();
    }
    json!({"event_type": kind, "organization_id": 123_456, "call": call})
}

/// A call of that many seconds, begun that many minutes after ten.
pub(crate) async fn talk(bench: &Bench, id: u64, minute: u32, seconds: u32) {
    let begun = format!("2026-01-27T10:{minute:02}:00Z");
    let ended = format!(
        "2026-01-27T10:{:02}:{:02}Z",
        minute + seconds / 60,
        seconds % 60
    );
    let started = json!({ "started_at": begun });
    bench.hear(&event("call.ring", id, &started)).await;
    bench.hear(&event("call.started", id, &started)).await;
    let over = json!({ "started_at": begun, "ended_at": ended, "duration": seconds });
    bench.hear(&event("call.ended", id, &over)).await;
}

/// Every route is the same at the root: same status, same data.
#[tokio::test]
async fn the_root_answers_the_same() {
    let bench = Bench::new().await;
    talk(&bench, 999_888_777, 0, 300).await;
    for path in [
        "/api/calls",
        "/api/calls/active",
        "/api/messages",
        "/api/voicemails",
        "/status",
    ] {
        let (inherited, native) = (
            bench.get(path).await,
            bench.world.get(&bench.tenant, path).await,
        );
        assert_eq!(inherited.status, 200, "{path}: {}", inherited.text);
        assert_eq!(inherited.body, native.body, "{path}");
    }
    let beside = bench
        .world
        .get(&bench.tenant, "/dialpad-cti-servers/api/calls")
        .await;
    assert_eq!((beside.status, beside.problem()), (404, "route_not_found"));
    let operator = bench
        .world
        .ask(Method::GET, &format!("{BASE}/internal/apps"));
    let operator = operator.bearer_auth(OPERATOR).send().await.unwrap();
    assert_eq!(operator.status(), 200);
}
