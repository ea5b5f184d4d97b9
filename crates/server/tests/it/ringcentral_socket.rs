//! The program against the stand-in of RingCentral over its WebSocket, without a public address: a
//! call told over the socket ends in the record it ends in by webhook, a killed process goes on
//! with the call it was in and looks up what it missed, and no token is logged.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchhook_adapters::simulate::{self, CallSeed, Scenario, Step};
use switchhook_engine::ports::{Clock, SystemClock};
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::ringcentral::{Gateway, Group, RingCentral, Terms};

use crate::program::{App, Server};

const LIMIT: Duration = Duration::from_secs(30);
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.jwt-credential.signature";

struct Vendor {
    stand: StandIn<RingCentral>,
    gateway: Option<Gateway>,
}

impl Vendor {
    async fn start() -> Self {
        let vendor = RingCentral::new("harbour", Some("client-secret"), Arc::new(SystemClock));
        vendor.accept_jwt(JWT);
        vendor.allow(Group::Auth, 100);
        let stand = StandIn::start(vendor).await.unwrap();
        let gateway = stand.vendor().open_gateway(Terms::default()).await.unwrap();
        Self {
            stand,
            gateway: Some(gateway),
        }
    }

    fn connection(&self) -> Value {
        json!({ "platform": "ringcentral", "name": "behind the firewall", "config": {
            "transport": "websocket", "client_id": "harbour", "client_secret": "client-secret",
            "jwt": JWT, "server_url": self.stand.url() } })
    }

    async fn listening(&self) {
        let began = Instant::now();
        while self.stand.vendor().listening() != 1 {
            let asked = self.stand.asked().into_iter().map(|a| a.path);
            assert!(
                began.elapsed() < LIMIT,
                "nobody listens; asked: {:?}",
                asked.collect::<Vec<_>>()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn tell(&self, step: &Step) {
        let event: Value = serde_json::from_slice(&step.body).unwrap();
        assert_eq!(self.stand.vendor().tell(&event).await, 1);
    }
}

fn log_to(folder: &Path, name: &str) -> File {
    File::create(folder.join(name)).unwrap()
}

fn start(folder: &Path, log: File) -> Server {
    let database = format!("sqlite://{}", folder.join("test.db").display());
    let settings = [("SWITCHHOOK__LOG__LEVEL", "trace")];
    Server::start_on(folder, &database, &settings, log)
}

/// Waits for the link of a connection to be in that state.
async fn state(server: &Server, app: &App, connection: &Value, wanted: &str) {
    let id = connection["id"].as_str().unwrap();
    let path = format!("apps/{}/connections/{id}", app.id);
    let began = Instant::now();
    while server.internal_get(&path).await["data"]["state"] != wanted {
        assert!(began.elapsed() < LIMIT, "it is never {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a call's record says, apart from what is another in each run.
async fn record(server: &Server, app: &App) -> Value {
    let over = |answer: &Value| {
        let calls = answer["data"].as_array().unwrap();
        calls.len() == 1 && !calls[0]["ended_at"].is_null()
    };
    let calls = server
        .wait_for(app, "/api/calls?limit=10", LIMIT, over)
        .await;
    let id = calls["data"][0]["id"].as_str().unwrap();
    let mut call = server.get(app, &format!("/api/calls/{id}")).await["data"].take();
    for own in ["id", "connection_id", "app_id", "created_at", "updated_at"] {
        call.as_object_mut().unwrap().remove(own);
    }
    call["contact_moment"].as_object_mut().unwrap().remove("id");
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_the_socket_is_the_call_by_webhook() {
    let vendor = Vendor::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), log_to(folder.path(), "log"));
    let (socket, webhook) = (server.app("socket").await, server.app("webhook").await);
    let made = server.connection(&socket, &vendor.connection()).await;
    let posted = json!({ "platform": "ringcentral", "name": "posted" });
    let posted = server.connection(&webhook, &posted).await;
    vendor.listening().await;
    state(&server, &socket, &made, "up").await;

    let secret = posted["webhook_secret"].as_str().unwrap();
    let hook = posted["hook_id"].as_str().unwrap();
    let seed = CallSeed::new(7, SystemClock.now()).paced(0.01);
    for step in simulate::ringcentral(Scenario::Transfer, &seed, secret) {
        vendor.tell(&step).await;
        let url = format!("{}/webhooks/ringcentral/{hook}", server.url);
        let mut request = server.client().post(url).body(step.body);
        for (name, value) in &step.headers {
            request = request.header(name, value);
        }
        let answer = request.header("content-type", step.content_type).send();
        assert!(answer.await.unwrap().status().is_success());
    }
    let by_socket = record(&server, &socket).await;
    assert_eq!(by_socket, record(&server, &webhook).await);
    assert!(!by_socket["answered_at"].is_null(), "{by_socket:#}");
    assert!(vendor.stand.vendor().subscriptions().is_empty());
    assert_eq!(vendor.stand.vendor().misdeeds(), Vec::<String>::new());

    // A break in between tells nothing twice.
    vendor.stand.vendor().cut_sockets().await;
    let began = Instant::now();
    while vendor.stand.vendor().begun().len() < 2 {
        assert!(began.elapsed() < LIMIT, "the link does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    vendor.listening().await;
    let begun = vendor.stand.vendor().begun();
    assert_eq!(begun, [None, Some("Successful".to_owned())]);
    assert_eq!(by_socket, record(&server, &socket).await);
    drop(server);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("link is down"), "the break was logged: {log}");
    for secret in ["U0pDM", "wsc-", "access-", "refresh-", JWT, "client-secret"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// Killed in the middle of a call, started again: the call goes on, and one that came and went
/// meanwhile is in the call log.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_in_a_call_goes_on_with_it() {
    let mut vendor = Vendor::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let app = server.app("killed").await;
    let made = server.connection(&app, &vendor.connection()).await;
    vendor.listening().await;
    let seed = CallSeed::new(11, SystemClock.now()).paced(0.01);
    let steps = simulate::ringcentral(Scenario::Hold, &seed, "s");
    let (first, rest) = steps.split_at(steps.len() / 2);
    for step in first {
        vendor.tell(step).await;
    }
    let answered = |answer: &Value| {
        let calls = answer["data"].as_array().unwrap();
        calls.len() == 1 && !calls[0]["answered_at"].is_null()
    };
    let path = "/api/calls?limit=10";
    let calls = server.wait_for(&app, path, LIMIT, answered).await;
    let id = calls["data"][0]["id"].as_str().unwrap().to_owned();
    // What was heard last is written beside the calls, a moment later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let start = SystemClock.now();
    vendor
        .stand
        .vendor()
        .log(json!({ "id": "A1", "sessionId": "429180487099",
        "telephonySessionId": "s-meanwhile", "startTime": start.to_string(), "duration": 0,
        "type": "Voice", "direction": "Inbound", "action": "Phone Call", "result": "Missed",
        "from": { "phoneNumber": "+31612345000" }, "to": { "extensionId": "400100100" },
        "legs": [] }));
    server = server.kill_and_restart();
    vendor.listening().await;
    for step in rest {
        vendor.tell(step).await;
    }
    let both = |answer: &Value| {
        let calls = answer["data"].as_array().unwrap();
        calls.len() == 2 && calls.iter().all(|call| !call["ended_at"].is_null())
    };
    let calls = server.wait_for(&app, path, LIMIT, both).await;
    let calls = calls["data"].as_array().unwrap();
    let (same, other): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call["id"] == *id);
    assert_eq!((same.len(), other.len()), (1, 1));
    assert_eq!(same[0]["status"], "ended", "{:#}", same[0]);
    assert_eq!(other[0]["status"], "missed", "{:#}", other[0]);
    let begun = vendor.stand.vendor().begun();
    assert_eq!(begun, [None, None], "a new process begins a new session");
    assert_eq!(vendor.stand.vendor().misdeeds(), Vec::<String>::new());

    // Commands go another way: they are offered while no events come.
    let seed = CallSeed::new(12, SystemClock.now()).paced(0.01);
    let steps = simulate::ringcentral(Scenario::Hold, &seed, "s");
    for step in &steps[..steps.len() / 2] {
        vendor.tell(step).await;
    }
    let third = |answer: &Value| answer["pagination"]["total"] == 3;
    let calls = server.wait_for(&app, path, LIMIT, third).await;
    let id = calls["data"][0]["id"].as_str().unwrap().to_owned();
    drop(vendor.gateway.take());
    state(&server, &app, &made, "down").await;
    let actions = server.get(&app, &format!("/api/calls/{id}/actions")).await;
    let actions = actions["data"].as_array().unwrap();
    let hang_up = actions.iter().find(|a| a["action"] == "hangup").unwrap();
    assert_eq!(hang_up["possible"], true, "{hang_up:#}");
}
