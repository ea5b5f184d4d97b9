//! §1.2, §3 and §9: the webhook. Both signatures, both header names, its statuses and texts, and
//! the payloads its tools and guides post.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::{sign_header, sign_jwt};
use switchhook_engine::adapter::Secret;

use super::{BASE, Bench, event};
use crate::client::Answer;
use crate::world::{World, config};

const PATH: &str = "/dialpad-cti-server/webhooks/dialpad";

fn secret(bench: &Bench) -> Secret {
    Secret::new(bench.hook.secret.as_str())
}

async fn send(
    bench: &Bench,
    kind: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let mut request = bench
        .world
        .ask(Method::POST, PATH)
        .header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request.body(body.into()).send().await.unwrap()).await
}

async fn statuses(bench: &Bench) -> Vec<String> {
    let list = bench.get("/api/calls").await.body;
    let calls = list["data"].as_array().unwrap().iter();
    calls
        .map(|call| call["status"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn both_signatures_are_believed() {
    let bench = Bench::new().await;
    let received = json!({"received": true});
    let jwt = |id| {
        sign_jwt(
            event("call.ring", id, &json!({})).to_string().as_bytes(),
            &secret(&bench),
        )
    };
    for (id, kind) in [
        (1, "application/jwt"),
        (2, "application/jwt; charset=utf-8"),
        (3, "Application/JWT"),
        (4, "text/plain"),
    ] {
        let answer = send(&bench, kind, &[], jwt(id)).await;
        assert_eq!((answer.status, &answer.body), (200, &received), "{kind}");
    }
    for (id, header) in [(5, "x-dialpad-signature"), (6, "x-signature")] {
        let body = event("call.ring", id, &json!({})).to_string();
        let signature = sign_header(body.as_bytes(), &secret(&bench));
        let headers = [(header, signature.as_str())];
        let answer = send(&bench, "application/json", &headers, body).await;
        assert_eq!((answer.status, &answer.body), (200, &received), "{header}");
    }
    assert_eq!(statuses(&bench).await.len(), 6);
    // What came before is acknowledged again, and changes nothing.
    let again = send(&bench, "application/jwt", &[], jwt(1)).await;
    assert_eq!((again.status, again.body), (200, received));
    assert_eq!(statuses(&bench).await.len(), 6);
}

#[tokio::test]
async fn what_is_not_believed_is_refused_in_its_words() {
    let bench = Bench::new().await;
    let wrong = Secret::new("not the secret of anybody");
    let body = event("call.ring", 1, &json!({})).to_string();
    let jwt = sign_jwt(body.as_bytes(), &wrong);
    let signature = sign_header(body.as_bytes(), &wrong);
    let signed: &[(&str, &str)] = &[("x-dialpad-signature", &signature)];
    for (kind, headers, body, status, error) in [
        (
            "application/jwt",
            &[][..],
            jwt,
            401,
            "Invalid JWT signature",
        ),
        (
            "application/jwt",
            &[],
            b"no.jwt".to_vec(),
            400,
            "Invalid JWT format",
        ),
        (
            "application/json",
            signed,
            body.clone().into_bytes(),
            401,
            "Invalid webhook signature",
        ),
        (
            "application/json",
            &[],
            body.clone().into_bytes(),
            401,
            "Invalid webhook signature",
        ),
    ] {
        let answer = send(&bench, kind, headers, body.clone()).await;
        let found = (answer.status, answer.body["error"].as_str().unwrap());
        assert_eq!(found, (status, error), "{kind} {headers:?}");
    }
    let empty = World::new().await;
    let request = empty
        .ask(Method::POST, PATH)
        .header("x-dialpad-signature", &signature);
    let nobody = Answer::of(request.body(body).send().await.unwrap()).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.body["error"], "Unknown or unauthorized app");
    assert!(statuses(&bench).await.is_empty());
}

/// Two apps with one secret, as that server's only one was: the organisation decides, or a key,
/// in a header whose name the operator may have chosen.
#[tokio::test]
async fn the_app_is_found_by_organisation_or_by_key() {
    let mut settings = config();
    settings.app_key_header = Some("x-our-app".to_owned());
    let world = World::with(settings).await;
    let mut apps = Vec::new();
    for (name, company) in [("a", "111"), ("b", "222")] {
        let tenant = world.tenant(name).await;
        let path = format!("/internal/apps/{}/connections", tenant.id);
        let body = json!({"platform": "dialpad", "webhook_secret": "one secret for all",
            "config": {"company_id": company}});
        assert_eq!(
            world.operate(Method::POST, &path, Some(&body)).await.status,
            201
        );
        apps.push(tenant);
    }
    let post = async |id: u64, organisation: Value, headers: &[(&str, &str)]| {
        let mut payload = event("call.ring", id, &json!({}));
        payload["organization_id"] = organisation;
        let body = payload.to_string();
        let signature = sign_header(body.as_bytes(), &Secret::new("one secret for all"));
        let mut request = world
            .ask(Method::POST, PATH)
            .header("x-signature", signature);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(1, json!(222), &[]).await, 200);
    assert_eq!(post(2, json!("111"), &[]).await, 200);
    assert_eq!(post(3, json!(333), &[]).await, 401);
    assert_eq!(
        post(4, Value::Null, &[("x-app-api-key", &apps[1].key)]).await,
        200
    );
    assert_eq!(
        post(5, Value::Null, &[("x-our-app", &apps[1].key)]).await,
        200
    );
    assert_eq!(
        post(6, Value::Null, &[("x-our-app", "raw_wrong")]).await,
        401
    );
    let path = format!("{BASE}/api/calls?sort=date&order=asc");
    for (app, wanted) in apps.iter().zip([1, 3]) {
        let list = world.get(app, &path).await;
        assert_eq!(list.body["pagination"]["total"], wanted, "{}", list.text);
    }
}

/// The payloads of §9, word for word, in the order in which they come.
#[tokio::test]
async fn its_tools_payloads_make_a_call() {
    let bench = Bench::new().await;
    let whole = async || bench.get("/api/calls").await.body["data"][0].clone();
    for (payload, status) in [
        (
            json!({"event_type": "call.ring", "call": {"id": 999_888_777, "direction": "inbound",
                "from": "+15551234567", "to": "+15559876543", "user_id": 12345}}),
            "ringing",
        ),
        (
            json!({"event_type": "call.started", "call": {"id": 999_888_777,
                "direction": "inbound", "from": "+15551234567", "to": "+15559876543",
                "user_id": 12345, "started_at": "2026-01-27T10:00:00Z"}}),
            "active",
        ),
        (
            json!({"event_type": "call.ended", "call": {"id": 999_888_777, "direction": "inbound",
                "started_at": "2026-01-27T10:00:00Z", "ended_at": "2026-01-27T10:05:00Z",
                "duration": 300}}),
            "ended",
        ),
        (
            json!({"event_type": "call.recording.completed", "recording": {
                "call_id": 999_888_777, "url": "https://example.com/recordings/test123.mp3"}}),
            "ended",
        ),
    ] {
        bench.hear(&payload).await;
        assert_eq!(whole().await["status"], status, "{payload}");
    }
    let call = whole().await;
    assert_eq!(call["duration_seconds"], 300);
    assert_eq!(
        call["recording_url"],
        "https://example.com/recordings/test123.mp3"
    );
    // The guides' flat form, its `data` form, and names for states that had no handler there.
    for (payload, id, status) in [
        (
            json!({"event_type": "call.ring", "call_id": 9_876_543_210_u64,
                "direction": "inbound", "from_number": "+15551234567",
                "to_number": "+15559876543", "dialpad_user_id": 555,
                "timestamp": 1_769_508_000, "organization_id": 12_345_678}),
            "9876543210",
            "ringing",
        ),
        (
            json!({"event_type": "call.started", "data": {"call": {"id": 8, "direction": "in"}}}),
            "8",
            "active",
        ),
        (
            json!({"event_type": "call.held", "data": {"call": {"id": 8, "direction": "in"}}}),
            "8",
            "held",
        ),
        (
            json!({"event_type": "call.missed", "call": {"id": 9, "direction": "incoming"}}),
            "9",
            "missed",
        ),
        (
            json!({"event_type": "call.rejected", "call": {"id": 10, "direction": "inbound"}}),
            "10",
            "rejected",
        ),
    ] {
        bench.hear(&payload).await;
        let list = bench.get(&format!("/api/calls?dialpad_call_id={id}")).await;
        assert_eq!(
            list.body["data"][0]["status"], status,
            "{payload}: {}",
            list.text
        );
    }
}

/// §10.B: what that server lost. The end before the beginning, a recording before its call, an
/// epoch where it wanted a text, and the same call at two apps.
#[tokio::test]
async fn nothing_is_lost_by_order_or_form() {
    let bench = Bench::new().await;
    let over = json!({"started_at": 1_769_508_000_000_u64, "ended_at": 1_769_508_300_000_u64,
        "duration": 300.4, "metadata": null});
    bench
        .hear(
            &json!({"event_type": "call.recording.completed", "recording":
        {"call_id": 1, "url": "https://example.com/early.mp3"}}),
        )
        .await;
    bench.hear(&event("call.ended", 1, &over)).await;
    bench.hear(&event("call.ring", 1, &json!({}))).await;
    let call = bench.get("/api/calls?dialpad_call_id=1").await.body["data"][0].clone();
    assert_eq!(call["status"], "ended", "{call}");
    assert_eq!(call["duration_seconds"], 300);
    assert_eq!(call["dialpad_user_id"], "12345");
    assert_eq!(call["recording_url"], "https://example.com/early.mp3");
    let other = bench.world.tenant("Other").await;
    let hook = bench.world.hook(&other).await;
    let answer = bench
        .world
        .dialpad(&hook, &event("call.ring", 1, &json!({})))
        .await;
    assert_eq!(answer.status, 200);
    let theirs = bench.world.get(&other, "/api/calls").await.body;
    assert_eq!(theirs["pagination"]["total"], 1);
    let ours = bench.get("/api/calls").await.body;
    assert_eq!(ours["data"][0]["status"], "ended");
}
