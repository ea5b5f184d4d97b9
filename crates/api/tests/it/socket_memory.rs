//! What an idle socket costs. The clients are another process, so that only the server's half is
//! measured; run by hand: `cargo test -p switchhook-api -- --ignored --nocapture memory`.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{World, config, until};

const SOCKETS: i64 = 2000;
/// What DESIGN.md allows an idle socket, in KiB.
const ALLOWED: i64 = 9;

/// Memory of this process in KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "measures this process, so nothing else may run in it"]
async fn memory_of_an_idle_socket() {
    let ws = switchhook_api::WsConfig {
        max_sockets_per_app: 5000,
        ..Default::default()
    };
    let world = World::with(switchhook_api::ApiConfig { ws, ..config() }).await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    for index in 0..20 {
        world.ring(&hook, index).await;
    }
    let (_first, ..) = world.listen(&tenant).await;
    let before = resident();
    let mut clients = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "socket_memory::the_other_process"])
        .env("SWITCHHOOK_TEST_SERVER", &world.address)
        .env("SWITCHHOOK_TEST_KEY", &tenant.key)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until("all are open", || world.metrics.sockets.get() > SOCKETS).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let idle = resident();
    let each = |now: i64| (now - before) * 1024 / SOCKETS;
    println!(
        "idle: {} bytes a socket (snapshot of 20 calls sent)",
        each(idle)
    );
    for index in 100..120 {
        world.ring(&hook, index).await;
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    println!(
        "after 40 events to each: {} bytes a socket",
        each(resident())
    );
    clients.kill().await.unwrap();
    assert!(each(idle) < ALLOWED * 1024, "{} bytes", each(idle));
}

#[tokio::test]
#[ignore = "the clients of the test above"]
async fn the_other_process() {
    let (Ok(address), Ok(key)) = (
        std::env::var("SWITCHHOOK_TEST_SERVER"),
        std::env::var("SWITCHHOOK_TEST_KEY"),
    ) else {
        return;
    };
    let head = format!(
        "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         x-api-key: {key}\r\n\r\n"
    );
    for _ in 0..SOCKETS {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0_u8; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {}
        });
    }
    std::future::pending::<()>().await;
}
