//! Servers that misbehave in ways a real PBX cannot be made to, and a sink that remembers. They
//! imitate nothing of Asterisk beyond what a test needs; the real one has tests of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use switchhook_domain::Timestamp;
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{
    ConnectionContext, LinkError, LinkState, NotificationSink, Secret, Taken,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::fixture;

/// What the adapter handed over.
#[derive(Debug, Default)]
pub(super) struct Sink {
    heard: Mutex<Vec<Heard>>,
    changed: Notify,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Frame(String),
    Signals(Vec<Signal>),
    Link(LinkState),
}

impl Sink {
    fn push(&self, heard: Heard) {
        self.heard.lock().unwrap().push(heard);
        self.changed.notify_waiters();
    }

    pub(super) fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until something has been heard.
    pub(super) async fn until(&self, wanted: impl Fn(&[Heard]) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if wanted(&self.all()) {
                    return;
                }
                changed.await;
            }
        };
        let heard = || self.all();
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .unwrap_or_else(|_| panic!("never heard; only {:?}", heard()));
    }

    pub(super) async fn up(&self) {
        self.until(|heard| heard.contains(&Heard::Link(LinkState::Up)))
            .await;
    }

    pub(super) fn frames(&self) -> Vec<String> {
        let frame = |heard| match heard {
            Heard::Frame(text) => Some(text),
            Heard::Signals(_) | Heard::Link(_) => None,
        };
        self.all().into_iter().filter_map(frame).collect()
    }
}

#[async_trait]
impl NotificationSink for Sink {
    async fn frame(&self, bytes: Vec<u8>) {
        self.push(Heard::Frame(String::from_utf8_lossy(&bytes).into_owned()));
    }

    async fn signals(&self, _event: &str, signals: Vec<Signal>) {
        self.push(Heard::Signals(signals));
    }

    async fn deliver(&self, _: &[u8], _: &[(String, String)]) -> Result<Taken, LinkError> {
        unreachable!("Asterisk sends no queue messages")
    }

    async fn link(&self, state: LinkState) {
        self.push(Heard::Link(state));
    }

    fn now(&self) -> Timestamp {
        "2026-11-22T12:00:00.5Z".parse().unwrap()
    }

    fn last_heard(&self) -> Option<Timestamp> {
        Some("2026-11-22T11:00:00Z".parse().unwrap())
    }
}

/// A connection with the given settings and the password `secret`.
pub(super) fn connection(config: &serde_json::Value) -> Arc<ConnectionContext> {
    let mut connection = fixture::connection(&[]);
    connection.config = config.as_object().unwrap().clone();
    connection
        .config
        .insert("username".to_owned(), json!("cti"));
    connection
        .credentials
        .insert("password".to_owned(), Secret::new("secret"));
    Arc::new(connection)
}

pub(super) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads up to an empty line.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// An ARI that answers every event socket and request with `status`, when it is not 200.
#[derive(Clone, Copy, Debug)]
pub(super) struct FakeAri {
    pub(super) status: u16,
    pub(super) channels: &'static str,
    pub(super) endpoints: &'static str,
    /// How long the list of channels takes.
    pub(super) slow: Duration,
}

impl Default for FakeAri {
    fn default() -> Self {
        Self {
            status: 200,
            channels: "[]",
            endpoints: "[]",
            slow: Duration::ZERO,
        }
    }
}

impl FakeAri {
    /// Serves; event sockets come out of the channel. Returns the settings that lead here.
    pub(super) async fn start(
        self,
    ) -> (
        Arc<ConnectionContext>,
        tokio::sync::mpsc::Receiver<WebSocketStream<TcpStream>>,
    ) {
        let (listener, port) = listen().await;
        let (sender, sockets) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.serve(stream, sender.clone()));
            }
        });
        (
            connection(&json!({"url": format!("http://127.0.0.1:{port}/pbx")})),
            sockets,
        )
    }

    async fn serve(
        self,
        mut stream: TcpStream,
        sockets: tokio::sync::mpsc::Sender<WebSocketStream<TcpStream>>,
    ) {
        loop {
            let head = head(&mut stream).await;
            let Some(target) = head.split_whitespace().nth(1).map(str::to_owned) else {
                return;
            };
            assert!(
                head.contains("authorization: Basic Y3RpOnNlY3JldA=="),
                "{head}"
            );
            if self.status != 200 {
                let answer = format!("HTTP/1.1 {} No\r\nContent-Length: 0\r\n\r\n", self.status);
                let _ = stream.write_all(answer.as_bytes()).await;
                return;
            }
            let key = head
                .lines()
                .find_map(|line| line.strip_prefix("sec-websocket-key: "));
            if let Some(key) = key {
                assert_eq!(target, "/pbx/ari/events?app=switchhook&subscribeAll=true");
                let accept = derive_accept_key(key.trim().as_bytes());
                let answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
                sockets.send(socket).await.unwrap();
                return;
            }
            let (status, body) = match target.as_str() {
                "/pbx/ari/asterisk/ping" => (
                    200,
                    r#"{"ping":"pong","timestamp":"2026-11-22T11:59:59.000+0000"}"#,
                ),
                "/pbx/ari/channels" => {
                    tokio::time::sleep(self.slow).await;
                    (200, self.channels)
                }
                "/pbx/ari/bridges" => (200, "[]"),
                "/pbx/ari/endpoints" => (200, self.endpoints),
                _ => (403, r#"{"message":"Write access denied"}"#),
            };
            let length = content_length(&head);
            let mut posted = vec![0; length];
            stream.read_exact(&mut posted).await.unwrap();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

fn content_length(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    line.map_or(0, |text| text.trim().parse().unwrap())
}

/// The manager's side of a session, up to and with the login.
pub(super) async fn manager_login(stream: &mut TcpStream, answer: &str) {
    say(stream, "Asterisk Call Manager/11.0.0\r\n").await;
    let challenge = head(stream).await;
    assert!(challenge.contains("AuthType: MD5"), "{challenge}");
    say(
        stream,
        "Response: Success\r\nActionID: sh-challenge\r\nChallenge: 661837648\r\n\r\n",
    )
    .await;
    let login = head(stream).await;
    assert!(!login.contains("secret"), "the secret itself is never sent");
    // md5("661837648secret")
    assert!(
        login.contains("Key: 71167f576be44dff35e65dd211ab0d2a"),
        "{login}"
    );
    say(stream, &format!("{answer}ActionID: sh-login\r\n\r\n")).await;
}

pub(super) async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}
