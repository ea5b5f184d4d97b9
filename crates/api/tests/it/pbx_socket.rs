//! The sockets that a PBX opens to us, with a client that speaks as Asterisk does: who may open
//! one, that there is one for each connection, and what is told of it. The real PBX has a test of
//! its own (`crates/server/tests/it/real_dial.rs`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::asterisk::Asterisk;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::world::{Tenant, World, config};

const SECRET: &str = "sesame-sesame";
/// `pbx:sesame-sesame`
const BASIC: &str = "Basic cGJ4OnNlc2FtZS1zZXNhbWU=";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Bench {
    world: World,
    tenant: Tenant,
    id: String,
    path: String,
}

impl Bench {
    async fn new() -> Self {
        Self::with(json!({ "transport": "ari_outbound", "report_presence": false })).await
    }

    async fn with(settings: Value) -> Self {
        let world = World::with_adapters(config(), vec![Arc::new(Asterisk)]).await;
        let tenant = world.tenant("a").await;
        let body = json!({
            "platform": "asterisk", "name": "pbx", "config": settings, "webhook_secret": SECRET,
        });
        let path = format!("/internal/apps/{}/connections", tenant.id);
        let made = world.operate(Method::POST, &path, Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let data = &made.body["data"];
        Self {
            id: data["id"].as_str().unwrap().to_owned(),
            path: format!("/asterisk/{}", data["hook_id"].as_str().unwrap()),
            world,
            tenant,
        }
    }

    async fn connect(&self, authorization: &str) -> Result<Socket, u16> {
        let address = format!("ws://{}{}", self.world.address, self.path);
        let mut request = address.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", authorization.parse().unwrap());
        headers.insert("sec-websocket-protocol", "ari".parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "ari");
                Ok(socket)
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn state(&self, wanted: &str) -> Value {
        for _ in 0..100 {
            let ready = self.world.ask(Method::GET, "/ready").send().await.unwrap();
            let ready: Value = ready.json().await.unwrap();
            if ready["connections"][0]["state"] == wanted {
                return ready["connections"][0].clone();
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("never {wanted}");
    }

    async fn events(&self) -> Vec<String> {
        let page = self.world.get(&self.tenant, "/api/events").await;
        let events = page.body["data"].as_array().unwrap().clone();
        let names = events.iter().filter_map(|event| event["event"].as_str());
        names.map(str::to_owned).collect()
    }
}

/// Answers requests as a PBX without calls does, until the snapshot has been asked for.
async fn answer(socket: &mut Socket) -> Vec<String> {
    let mut asked = Vec::new();
    while asked.last().map(String::as_str) != Some("endpoints") {
        let request = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let request: Value = serde_json::from_str(&request).unwrap();
        assert_eq!(request["type"], "RESTRequest");
        let uri = request["uri"].as_str().unwrap().to_owned();
        let body = if uri == "asterisk/ping" { "{}" } else { "[]" };
        let answer = json!({
            "type": "RESTResponse", "request_id": request["request_id"], "status_code": 200,
            "transaction_id": request["transaction_id"], "message_body": body, "uri": uri,
        });
        let answer = Message::text(answer.to_string());
        socket.send(answer).await.unwrap();
        asked.push(uri);
    }
    asked
}

/// Waits until the other side has closed.
async fn closed(mut socket: Socket) {
    let end = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), end)
        .await
        .expect("it is closed");
}

#[tokio::test]
async fn only_who_knows_the_secret_may_open_one() {
    let bench = Bench::new().await;
    for wrong in ["Basic cGJ4Om5vbnNlbnNl", "Basic", "Bearer x"] {
        assert_eq!(bench.connect(wrong).await.err(), Some(401), "{wrong}");
    }
    let plain = bench.world.ask(Method::GET, &bench.path);
    let plain = plain.header("authorization", BASIC).send().await.unwrap();
    assert_eq!(plain.status(), 426);
    let nobody = bench.world.ask(Method::GET, "/asterisk/nonesuch");
    let nobody = nobody.send().await.unwrap();
    assert_eq!(nobody.status(), 404);
    let live = Bench::with(json!({
        "transport": "webhook",
    }));
    assert_eq!(live.await.connect(BASIC).await.err(), Some(404));
}

#[tokio::test]
async fn what_it_says_is_committed_and_its_end_is_told() {
    let bench = Bench::new().await;
    let mut socket = bench.connect(BASIC).await.unwrap();
    let asked = answer(&mut socket).await;
    assert_eq!(
        asked,
        [
            "applications/switchhook/eventFilter",
            "asterisk/ping",
            "channels",
            "bridges",
            "endpoints",
        ]
    );
    bench.state("up").await;
    let ringing = json!({
        "type": "ChannelStateChange", "timestamp": "2026-11-22T11:59:59.500+0000",
        "channel": { "id": "17.1", "name": "PJSIP/trunk-00000001", "state": "Ring",
            "caller": { "name": "", "number": "+31612345678" }, "dialplan": { "exten": "1" } },
    });
    let ringing = Message::text(ringing.to_string());
    socket.send(ringing).await.unwrap();
    for _ in 0..100 {
        let calls = bench.world.get(&bench.tenant, "/api/calls").await;
        if calls.body["data"][0]["external_call_id"] == "17.1" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let calls = bench.world.get(&bench.tenant, "/api/calls").await;
    assert_eq!(calls.body["data"][0]["from_number"], "+31612345678");
    drop(socket);
    let down = bench.state("down").await;
    assert!(
        down["reason"].as_str().unwrap().contains("closed"),
        "{down}"
    );
    let events = bench.events().await;
    assert!(
        events.contains(&"connection.degraded".to_owned()),
        "{events:?}"
    );
    // Back again: restored.
    let mut socket = bench.connect(BASIC).await.unwrap();
    answer(&mut socket).await;
    bench.state("up").await;
    let events = bench.events().await;
    assert!(
        events.contains(&"connection.restored".to_owned()),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_newer_socket_takes_the_place_of_an_older() {
    let bench = Bench::new().await;
    let mut older = bench.connect(BASIC).await.unwrap();
    answer(&mut older).await;
    bench.state("up").await;
    let mut newer = bench.connect(BASIC).await.unwrap();
    closed(older).await;
    answer(&mut newer).await;
    bench.state("up").await;
    let events = bench.events().await;
    assert!(
        !events.contains(&"connection.degraded".to_owned()),
        "it never was away: {events:?}"
    );
    // The server goes down: so does the socket, and nobody is told that the PBX failed.
    bench.world.stop.cancel();
    bench.world.links.close().await;
    closed(newer).await;
    assert!(bench.world.links.states().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_taken_away_ends_its_socket() {
    let bench = Bench::new().await;
    let mut socket = bench.connect(BASIC).await.unwrap();
    answer(&mut socket).await;
    bench.state("up").await;
    let path = format!(
        "/internal/apps/{}/connections/{}",
        bench.tenant.id, bench.id
    );
    let gone = bench.world.operate(Method::DELETE, &path, None).await;
    assert!((200..300).contains(&gone.status), "{}", gone.text);
    closed(socket).await;
    assert!(bench.connect(BASIC).await.is_err());
}

#[tokio::test]
async fn a_connection_that_is_changed_ends_its_socket_and_takes_the_next() {
    let bench = Bench::new().await;
    let mut socket = bench.connect(BASIC).await.unwrap();
    answer(&mut socket).await;
    bench.state("up").await;
    let path = format!(
        "/internal/apps/{}/connections/{}",
        bench.tenant.id, bench.id
    );
    let body = json!({ "webhook_secret": "another-sesame" });
    let changed = bench.world.operate(Method::PATCH, &path, Some(&body)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    closed(socket).await;
    // Until it has opened the next, nobody claims that it is up.
    bench.state("starting").await;
    assert!(bench.connect(BASIC).await.is_err(), "the former secret");
    // `pbx:another-sesame`
    let basic = "Basic cGJ4OmFub3RoZXItc2VzYW1l";
    let mut socket = bench.connect(basic).await.unwrap();
    answer(&mut socket).await;
    bench.state("up").await;
    let events = bench.events().await;
    assert!(events.is_empty(), "it never was away: {events:?}");
}

#[tokio::test]
async fn a_socket_that_never_comes_is_told_after_a_while() {
    let bench = Bench::new().await;
    bench.world.links.reconcile();
    assert_eq!(bench.state("starting").await["reason"], Value::Null);
    tokio::time::pause();
    tokio::time::advance(switchhook_engine::link::AWAITED_FOR).await;
    bench.world.links.reconcile();
    tokio::time::resume();
    let down = bench.state("down").await;
    let reason = down["reason"].as_str().unwrap();
    assert!(reason.contains("has not connected"), "{reason}");
}
