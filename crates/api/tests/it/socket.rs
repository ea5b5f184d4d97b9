//! The socket: every way in, every way out, and no event lost in between.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use switchhook_domain::Timestamp;
use tokio_tungstenite::tungstenite::Message;

use crate::world::{World, config};

const ELSEWHERE: &str = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";

#[tokio::test]
async fn four_ways_in() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let key = tenant.key.as_str();
    let cookie = crate::signing::session(&world, &tenant, None).await;
    let origin = format!("http://{}", world.address);
    let query = format!("?api_key={key}");
    let ways = [
        ("header", "", vec![("x-app-api-key", key)]),
        ("other header", "", vec![("x-api-key", key)]),
        ("query", &query, vec![]),
        (
            "cookie",
            "",
            vec![("cookie", cookie.as_str()), ("origin", origin.as_str())],
        ),
        ("first message", "", vec![]),
        ("the predecessor's first message", "", vec![]),
    ];
    for (way, query, headers) in ways {
        let mut client = world.connect(query, &headers).await;
        match way {
            "first message" => {
                client
                    .say(json!({"type": "auth", "api_key": key}).to_string())
                    .await;
            }
            "the predecessor's first message" => {
                let said = json!({"type": "subscribe", "app_id": tenant.id, "api_key": key});
                client.say(said.to_string()).await;
            }
            _ => {}
        }
        let hello = client.frame().await;
        assert_eq!(hello["type"], "hello", "{way}");
        assert_eq!(hello["app_id"], tenant.id.as_str(), "{way}");
        assert_eq!(hello["recovered"], false, "{way}");
        assert_eq!(hello["ping_seconds"], 30, "{way}");
        assert!(hello.get("reason").is_none(), "{way}");
        assert_eq!(hello["server_time"], "2026-11-22T12:00:00.000Z");
        assert_eq!(client.frame().await["type"], "snapshot", "{way}");
    }
}

#[tokio::test]
async fn no_way_in() {
    let config = switchhook_api::ApiConfig {
        ws: switchhook_api::WsConfig {
            auth_timeout: Duration::from_millis(200),
            ..switchhook_api::WsConfig::default()
        },
        ..config()
    };
    let world = World::with(config).await;
    let tenant = world.tenant("a").await;
    let wrong = format!("{}x", &tenant.key[..tenant.key.len() - 1]);
    let wrong = wrong.as_str();
    assert_eq!(
        world
            .connect("", &[("x-api-key", wrong)])
            .await
            .closed()
            .await,
        4401
    );
    assert_eq!(
        world
            .connect(&format!("?api_key={wrong}"), &[])
            .await
            .closed()
            .await,
        4401
    );
    assert_eq!(
        world.connect("", &[]).await.closed().await,
        4401,
        "nothing said in time"
    );
    for (text, code) in [
        ("hello".to_owned(), 4400),
        ("{}".to_owned(), 4400),
        (json!({"type": "ping"}).to_string(), 4400),
        (json!({"type": "auth"}).to_string(), 4401),
        (json!({"type": "auth", "api_key": wrong}).to_string(), 4401),
    ] {
        let mut client = world.connect("", &[]).await;
        client.say(text.as_str()).await;
        assert_eq!(client.closed().await, code, "{text}");
    }
    // The cookie of a browser works for pages of this server only.
    let cookie = crate::signing::session(&world, &tenant, None).await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        assert_eq!(
            world.try_connect("", &headers).await.err(),
            Some(403),
            "{origin:?}"
        );
    }
    let ended = "switchhook_session=nonsense";
    let origin = format!("http://{}", world.address);
    let headers = [("cookie", ended), ("origin", origin.as_str())];
    assert_eq!(world.connect("", &headers).await.closed().await, 4401);
    let key = ("x-api-key", tenant.key.as_str());
    assert_eq!(world.try_connect("?after=x", &[key]).await.err(), Some(400));
    assert_eq!(world.try_connect("?epoch=x", &[key]).await.err(), Some(400));
    assert_eq!(
        world.try_connect("?colour=red", &[key]).await.err(),
        Some(400)
    );
}

#[tokio::test]
async fn the_snapshot_is_true_for_its_seq() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 0..40 {
        world.ring(&hook, index).await;
    }
    let (mut client, hello, snapshot) = world.listen(&tenant).await;
    assert_eq!(hello["seq"], 120);
    assert_eq!(
        (&snapshot["seq"], &snapshot["epoch"]),
        (&hello["seq"], &hello["epoch"])
    );
    let calls = snapshot["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 40);
    assert!(
        snapshot.to_string().len() > 16 * 1024,
        "it comes in several frames"
    );
    let active = world.get(&tenant, "/api/calls/active?limit=100").await.body;
    assert_eq!(active["data"], snapshot["calls"]);
    world.ring(&hook, 50).await;
    assert_eq!(client.frame().await["seq"], 121);
}

#[tokio::test]
async fn what_was_missed_comes_after_resuming() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 0..3 {
        world.ring(&hook, index).await;
    }
    let (mut client, hello, _) = world.listen(&tenant).await;
    let (seq, epoch) = (
        hello["seq"].as_u64().unwrap(),
        hello["epoch"].as_str().unwrap(),
    );
    world.ring(&hook, 3).await;
    assert_eq!(client.frame().await["seq"], seq + 1);
    drop(client);
    for index in 4..7 {
        world.ring(&hook, index).await;
    }
    let key = ("x-api-key", tenant.key.as_str());
    let query = format!("?after={}&epoch={epoch}", seq + 1);
    let mut by_query = world.connect(&query, &[key]).await;
    let mut by_message = world.connect("", &[]).await;
    let auth = json!({"type": "auth", "api_key": tenant.key, "after": seq + 1, "epoch": epoch});
    by_message.say(auth.to_string()).await;
    for client in [&mut by_query, &mut by_message] {
        let hello = client.frame().await;
        assert_eq!(hello["recovered"], true, "{hello}");
        assert_eq!(hello["seq"], seq + 12);
        for expected in seq + 2..=seq + 12 {
            let frame = client.frame().await;
            assert_eq!(
                (&frame["type"], frame["seq"].as_u64()),
                (&json!("event"), Some(expected))
            );
        }
    }
    world.ring(&hook, 9).await;
    assert_eq!(by_query.frame().await["seq"], seq + 13);
    // Nothing missed: nothing sent but what is new.
    let mut current = world
        .connect(&format!("?after={}&epoch={epoch}", seq + 15), &[key])
        .await;
    assert_eq!(current.frame().await["recovered"], true);
    world.ring(&hook, 10).await;
    assert_eq!(current.frame().await["seq"], seq + 16);
}

#[tokio::test]
async fn what_cannot_be_resumed_says_why_and_gives_the_snapshot() {
    let config = switchhook_api::ApiConfig {
        ws: switchhook_api::WsConfig {
            max_resume: 15,
            ..switchhook_api::WsConfig::default()
        },
        ..config()
    };
    let world = World::with(config).await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 0..10 {
        world.ring(&hook, index).await;
    }
    let log = world.get(&tenant, "/api/events?limit=1").await.body["pagination"].clone();
    let epoch = log["epoch"].as_str().unwrap();
    let later = world.clock.advance(jiff::SignedDuration::from_hours(1));
    world
        .store
        .inner
        .prune(Timestamp::UNIX_EPOCH, later, 3)
        .await
        .unwrap();
    for (query, reason) in [
        ("?after=28".to_owned(), "epoch_missing"),
        (format!("?after=28&epoch={ELSEWHERE}"), "epoch_changed"),
        (format!("?after=31&epoch={epoch}"), "ahead_of_log"),
        (format!("?after=1&epoch={epoch}"), "log_truncated"),
        (format!("?after=4&epoch={epoch}"), "too_far_behind"),
    ] {
        let key = ("x-api-key", tenant.key.as_str());
        let mut client = world.connect(&query, &[key]).await;
        let hello = client.frame().await;
        assert_eq!(hello["recovered"], false, "{query}");
        assert_eq!(hello["reason"], reason, "{query}");
        let snapshot = client.frame().await;
        assert_eq!(
            (&snapshot["type"], &snapshot["seq"]),
            (&json!("snapshot"), &json!(30))
        );
    }
}

#[tokio::test]
async fn nothing_is_lost_while_sockets_open_in_a_storm() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let storm = async {
        for index in 0..150 {
            assert_eq!(world.ring(&hook, index).await.status, 200);
        }
    };
    let listeners = async {
        let mut clients = Vec::new();
        for _ in 0..30 {
            clients.push(world.listen(&tenant).await);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        clients
    };
    let ((), clients) = tokio::join!(storm, listeners);
    for (mut client, hello, snapshot) in clients {
        assert_eq!(hello["seq"], snapshot["seq"]);
        let first = snapshot["seq"].as_u64().unwrap() + 1;
        for seq in first..=300 {
            assert_eq!(client.frame().await["seq"], seq);
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_other_words_are_passed_over() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let (mut client, ..) = world.listen(&tenant).await;
    for text in [
        "",
        "nonsense",
        "{}",
        "[1]",
        r#"{"type":"subscribe"}"#,
        r#"{"type":7}"#,
    ] {
        client.say(text).await;
    }
    client
        .0
        .send(Message::Binary(vec![1, 2, 3].into()))
        .await
        .unwrap();
    client.say(r#"{"type":"ping"}"#).await;
    let pong = client.frame().await;
    assert_eq!(
        pong,
        json!({"type": "pong", "server_time": "2026-11-22T12:00:00.000Z"})
    );
    client.0.send(Message::Ping(vec![7].into())).await.unwrap();
    let answer = client.0.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong(vec![7].into()));
}
