//! What a socket may not do: be too many, too large, too slow, too silent.

use std::time::Duration;

use switchhook_api::{ApiConfig, WsConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::world::{Tenant, World, config, fixture, until};

fn limited(ws: WsConfig) -> ApiConfig {
    ApiConfig { ws, ..config() }
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_socket() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let (mut client, ..) = world.listen(&tenant).await;
    client.say("x".repeat(16 * 1024)).await;
    client.say(r#"{"type":"ping"}"#).await;
    assert_eq!(client.frame().await["type"], "pong", "16 KiB are read");
    client.say("x".repeat(16 * 1024 + 1)).await;
    assert_eq!(client.closed().await, 1009);
    let mut unknown = world.connect("", &[]).await;
    unknown.say("x".repeat(20 * 1024)).await;
    assert_eq!(unknown.closed().await, 1009);
}

#[tokio::test]
async fn there_may_be_so_many_and_no_more() {
    let world = World::with(limited(WsConfig {
        max_sockets: 4,
        max_sockets_per_app: 2,
        ..WsConfig::default()
    }))
    .await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let key = |tenant: &Tenant| [("x-api-key", tenant.key.clone())];
    let open = |tenant: &Tenant| {
        let [(name, value)] = key(tenant);
        let world = &world;
        async move { world.try_connect("", &[(name, value.as_str())]).await }
    };
    let (first, _, _) = world.listen(&one).await;
    let (_second, _, _) = world.listen(&one).await;
    assert_eq!(open(&one).await.err(), Some(429), "the app is full");
    // Who says the key only later is told by a close code.
    let mut late = world.connect("", &[]).await;
    late.say(serde_json::json!({"type": "auth", "api_key": one.key}).to_string())
        .await;
    assert_eq!(late.closed().await, 1013);
    drop(late);
    let (_third, _, _) = world.listen(&two).await;
    until("three are left", || world.metrics.sockets.get() == 3).await;
    let _fourth = world.connect("", &[]).await;
    until("all are taken", || world.metrics.sockets.get() == 4).await;
    assert_eq!(open(&two).await.err(), Some(429), "the server is full");
    drop(first);
    until("a place is free", || world.metrics.sockets.get() < 4).await;
    assert!(open(&two).await.is_ok());
}

#[tokio::test]
async fn a_client_that_says_nothing_for_too_long_is_dropped() {
    let world = World::with(limited(WsConfig {
        ping: Duration::from_millis(100),
        silence: Duration::from_millis(450),
        ..WsConfig::default()
    }))
    .await;
    let tenant = world.tenant("a").await;
    // This one answers pings as it reads.
    let (mut alive, ..) = world.listen(&tenant).await;
    // This one reads and never writes.
    let mut dead = raw(&world, &tenant, None).await;
    until("both are in", || world.metrics.sockets.get() == 2).await;
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        dead.read_to_end(&mut all).await.unwrap();
        all
    });
    let ping = async {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            alive.say(r#"{"type":"ping"}"#).await;
            alive.frame().await;
        }
    };
    ping.await;
    assert_eq!(world.metrics.sockets.get(), 1);
    let heard = reading.await.unwrap();
    assert!(
        heard.windows(2).any(|pair| pair == [0x89, 0x00]),
        "it was pinged"
    );
}

/// A handshake by hand, with a small receive buffer when asked.
async fn raw(world: &World, tenant: &Tenant, buffer: Option<u32>) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(size) = buffer {
        socket.set_recv_buffer_size(size).unwrap();
    }
    let mut stream = socket
        .connect(world.address.parse().unwrap())
        .await
        .unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         x-api-key: {}\r\n\r\n",
        tenant.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Makes many large events quickly: one call whose record grows, then changes often.
async fn flood(world: &World, hook: &crate::world::Hook, count: u64) {
    let mut payload = fixture("answered", "03_hangup");
    payload["transcription_text"] = "de beller vraagt naar de openingstijden. "
        .repeat(300)
        .into();
    for index in 0..count {
        payload["call_id"] = (5_610_000_000_200_000 + index).into();
        assert_eq!(world.dialpad(hook, &payload).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_that_does_not_keep_up_is_closed_as_too_slow() {
    let world = World::with(limited(WsConfig {
        lag_pause: Duration::MAX,
        send_timeout: Duration::from_secs(60),
        ..WsConfig::default()
    }))
    .await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let mut slow = raw(&world, &tenant, Some(4096)).await;
    let (mut quick, ..) = world.listen(&tenant).await;
    let reading = async {
        for seq in 1..=1600 {
            assert_eq!(quick.frame().await["seq"], seq, "the others do not wait");
        }
    };
    tokio::join!(flood(&world, &hook, 1600), reading);
    let mut all = Vec::new();
    let mut end = [0_u8; 64 * 1024];
    while let Ok(size) = slow.read(&mut end).await {
        if size == 0 {
            break;
        }
        all.extend_from_slice(&end[..size]);
    }
    let code = 4408_u16.to_be_bytes();
    let tail = &all[all.len().saturating_sub(200)..];
    assert!(tail.windows(2).any(|pair| pair == code), "closed with 4408");
    until("it is counted", || world.metrics.slow_clients.get() == 1).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_is_left() {
    let world = World::with(limited(WsConfig {
        send_timeout: Duration::from_millis(300),
        ..WsConfig::default()
    }))
    .await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let _stuck = raw(&world, &tenant, Some(4096)).await;
    until("it is in", || world.metrics.sockets.get() == 1).await;
    flood(&world, &hook, 600).await;
    until("it is gone", || world.metrics.sockets.get() == 0).await;
    assert_eq!(world.metrics.slow_clients.get(), 1);
}

#[tokio::test]
async fn credentials_are_looked_at_once_for_all_their_sockets() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(world.listen(&tenant).await);
    }
    let reads = || {
        world
            .store
            .key_reads
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    let before = reads();
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let looks = reads() - before;
    assert!(
        (1..=5).contains(&looks),
        "{looks} looks in 1.3 s for 40 sockets"
    );
}
