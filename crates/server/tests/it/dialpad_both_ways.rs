//! The program against the stand-in of Dialpad, as it would meet Dialpad itself: what a connection
//! needs there is made by the keeper, a call that is placed and the events about it are one, also
//! when the answer was lost, and deleting the connection leaves nothing behind.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::sign_jwt;
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::adapter::Secret;
use switchhook_engine::ports::{Clock, SystemClock};
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;
use switchhook_testkit::vendors::{Fault, StandIn};

use crate::program::{App, Server};

const KEY: &str = "an administrator's key";
/// Where Dialpad would find the server; what it posts there, the test posts to the server itself.
const PUBLIC: &str = "https://cti.example.nl";
const CALL: &str = "/api/v2/call";
/// The keeper looks every ten seconds.
const LIMIT: Duration = Duration::from_secs(25);

struct Hook {
    url: String,
    secret: Secret,
}

/// A call that begins now and is soon over.
fn seed() -> CallSeed {
    CallSeed::new(1, SystemClock.now()).paced(0.05)
}

fn hook(server: &Server, vendor: &StandIn<Vendor>) -> Hook {
    let webhooks = vendor.vendor().webhooks();
    assert_eq!(webhooks.len(), 1, "{webhooks:?}");
    let url = webhooks[0]["hook_url"].as_str().unwrap();
    let secret = webhooks[0]["signature"]["secret"].as_str().unwrap();
    Hook {
        url: url.replacen(PUBLIC, &server.url, 1),
        secret: Secret::new(secret),
    }
}

fn made(vendor: &StandIn<Vendor>) -> [usize; 4] {
    let kinds = ["call", "sms", "agent_status"];
    let [calls, sms, status] = kinds.map(|kind| vendor.vendor().subscriptions(kind).len());
    [vendor.vendor().webhooks().len(), calls, sms, status]
}

/// What Dialpad would post about a call of that id that was asked for with these words.
fn posts(seed: &CallSeed, call: u64, custom_data: &Value, secret: &Secret) -> Vec<Vec<u8>> {
    let steps = simulate::dialpad(Scenario::OutboundAnswered, seed, "another secret");
    let again = steps.into_iter().map(|step| {
        let token = String::from_utf8(step.body).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let mut event: Value = serde_json::from_slice(&payload).unwrap();
        event["call_id"] = call.into();
        event["custom_data"] = custom_data.clone();
        sign_jwt(event.to_string().as_bytes(), secret)
    });
    again.collect()
}

async fn place(server: &Server, app: &App, key: &str, seed: &CallSeed) -> Value {
    let agent = json!({ "user_id": seed.agent.user_id.to_string() });
    let request = server.client().post(format!("{}/api/calls", server.url));
    let request = request.header("x-api-key", &app.key);
    let request = request.header("idempotency-key", key);
    let request = request.json(&json!({ "to": seed.caller.number, "agent": agent }));
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
    assert_eq!(status, 201, "{body:#}");
    body["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_placed_at_dialpad_and_its_events_are_one() {
    let agent = seed().agent;
    let vendor = Vendor::default()
        .with_key(KEY, true, &["calls:list", "recordings_export"])
        .with_user(agent.user_id, &agent.extension, &agent.number);
    let vendor = StandIn::start(vendor).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SWITCHHOOK__SERVER__PUBLIC_URL", PUBLIC)];
    let server = Server::start_with(folder.path(), &settings);
    let app = server.app("Klantcontact").await;
    let config = json!({ "api_key": KEY, "base_url": vendor.url() });
    let body = json!({ "platform": "dialpad", "name": "head office", "config": config });
    let connection = server.connection(&app, &body).await;
    let path = format!(
        "apps/{}/connections/{}",
        app.id,
        connection["id"].as_str().unwrap()
    );
    let start = std::time::Instant::now();
    while server.internal_get(&path).await["data"]["subscription"]["state"] != "good" {
        assert!(
            start.elapsed() < LIMIT,
            "the keeper made nothing: {:?}",
            made(&vendor)
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(made(&vendor), [1, 1, 1, 1]);
    let hook = hook(&server, &vendor);

    for lost in [false, true] {
        if lost {
            vendor.fail("POST", CALL, Fault::LoseAnswer);
        }
        let seed = seed();
        let placed = place(
            &server,
            &app,
            &format!("lost: {lost}").replace(' ', ""),
            &seed,
        )
        .await;
        let id = placed["call_id"].as_str().unwrap();
        let asked = vendor.asked_of("POST", CALL);
        assert_eq!(asked.len(), 1 + usize::from(lost), "asked once each");
        let asked = asked.last().unwrap().json();
        let known = placed["call"]["external_call_id"].as_str().unwrap();
        assert_eq!(known.is_empty(), lost, "{placed:#}");
        let number = known.parse().unwrap_or(5_600_000_000_999_999);
        for body in posts(&seed, number, &asked["custom_data"], &hook.secret) {
            let request = server.client().post(&hook.url).body(body);
            let answer = request.header("content-type", "application/jwt").send();
            assert!(answer.await.unwrap().status().is_success());
        }
        let over = |answer: &Value| !answer["data"]["ended_at"].is_null();
        let path = format!("/api/calls/{id}");
        let call = server.wait_for(&app, &path, LIMIT, over).await["data"].clone();
        assert_eq!(call["direction"], "outbound", "{call:#}");
        assert!(!call["answered_at"].is_null(), "{call:#}");
        assert_eq!(call["external_call_id"], number.to_string());
        assert_eq!(call["merged_into"], Value::Null);
        let calls = server.get(&app, "/api/calls?limit=10").await;
        assert_eq!(
            calls["pagination"]["total"],
            1 + u64::from(lost),
            "{calls:#}"
        );
    }

    let url = format!("{}/internal/{path}", server.url);
    let request = server.client().delete(url);
    let answer = request.bearer_auth(crate::program::OPERATOR).send().await;
    assert!(answer.unwrap().status().is_success());
    assert_eq!(made(&vendor), [0, 0, 0, 0], "nothing is left behind");
}
