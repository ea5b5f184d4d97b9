//! Every client of ours leaves through the guard: what is not allowed is not called, a redirect
//! is not followed, an answer without end is cut, and a platform's credentials are shown to the
//! platform's own host only.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use switchhook_adapters::asterisk::Asterisk;
use switchhook_adapters::callvoip::CallVoip;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_adapters::mapped;
use switchhook_adapters::oauth::HttpTokens;
use switchhook_adapters::wildix::Wildix;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_engine::adapter::{Adapter, ConnectionContext, Secret};
use switchhook_engine::command::{ClientAuth, Fault, OAuthEndpoints};
use switchhook_engine::oauth::{TokenEndpoint, TokenRequest};
use switchhook_engine::outbound::Guard;
use switchhook_testkit::vendors::loopback;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::asking::{connected, dial, session};

/// A server that says one thing to everybody, over and over when told to, and keeps what it heard.
struct Hostile {
    url: String,
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Hostile {
    async fn start(says: &str, then: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, says) = (heard.clone(), says.to_owned());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, says, then) = (kept.clone(), says.clone(), then.clone());
                tokio::spawn(async move {
                    let mut bytes = vec![0; 16 * 1024];
                    let read =
                        tokio::time::timeout(Duration::from_secs(2), stream.read(&mut bytes));
                    let read = read.await.map_or(0, Result::unwrap_or_default);
                    let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                    kept.lock().unwrap().push(text);
                    drop(stream.write_all(says.as_bytes()).await);
                    while let Some(more) = &then
                        && stream.write_all(more).await.is_ok()
                    {}
                });
            }
        });
        let url = format!("http://127.0.0.1:{port}");
        Self { url, port, heard }
    }

    /// Sends everybody on to `to`.
    async fn redirecting(to: &str) -> Self {
        let says = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}/stolen\r\nconnection: close\r\n\
             content-length: 0\r\n\r\n"
        );
        Self::start(&says, None).await
    }

    async fn silent() -> Self {
        let says = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        Self::start(says, None).await
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

const MAPPING: &str = "platform = \"acme-guarded\"\ntitle = \"Acme\"\nsummary = \"Acme posts.\"\n\
    signature = { scheme = \"bearer\" }\ncall = { id = \"id\" }\n\
    events = { path = \"event\", map = { a = \"ended\" } }\n\
    setting = [{ name = \"base\", label = \"b\", help = \"b\", kind = \"url\" }]\n\
    [originate]\nmethod = \"POST\"\nurl = \"BASE/dial/{target}\"\n";

/// A connection of each platform we ask, all of them led to `at`.
fn everybody(at: &Hostile) -> Vec<(Arc<dyn Adapter>, ConnectionContext)> {
    let url = &at.url;
    let ami = json!({"transport": "ami", "username": "cti", "ami_host": "127.0.0.1",
        "ami_port": at.port});
    let queue = json!({"sqs_queue_url": format!("{url}/1/q"), "sqs_endpoint": url,
        "sqs_access_key_id": "id", "sqs_region": "eu-west-1"});
    let mapping = mapped::compile(&MAPPING.replace("BASE", "{setting.base}")).unwrap();
    let made = |adapter: Arc<dyn Adapter>, config: &Value, secret: (&str, &str)| {
        (adapter, connected(config, &[secret]))
    };
    vec![
        made(
            Arc::new(Dialpad),
            &json!({"base_url": url}),
            ("api_key", "top-secret"),
        ),
        made(
            Arc::new(CallVoip),
            &json!({"api_base_url": url}),
            ("api_key", "top-secret"),
        ),
        made(
            Arc::new(Wildix),
            &json!({"pbx_url": url}),
            ("api_token", "top-secret"),
        ),
        made(
            Arc::new(Wildix),
            &queue,
            ("sqs_secret_access_key", "top-secret"),
        ),
        made(
            Arc::new(Asterisk),
            &json!({"url": url, "username": "cti"}),
            ("password", "top-secret"),
        ),
        made(Arc::new(Asterisk), &ami, ("password", "top-secret")),
        made(
            Arc::new(mapping),
            &json!({"base": url}),
            ("none", "top-secret"),
        ),
    ]
}

/// Everything one may be asked to do, and what it says.
async fn asked(adapter: &dyn Adapter, connection: ConnectionContext) -> String {
    let (session, _) = session(connection);
    let checks = adapter.diagnose(&session).await;
    let mut said: Vec<String> = checks.into_iter().map(|check| check.detail).collect();
    if let Err(error) = adapter.originate(&session, &dial("+31612345678")).await {
        said.push(error.detail);
    }
    said.join("\n")
}

#[tokio::test]
async fn what_is_not_allowed_is_not_called_by_any_client() {
    let here = Hostile::silent().await;
    for (adapter, mut connection) in everybody(&here) {
        connection.outbound = Guard::default();
        let said = asked(&*adapter, connection).await;
        let platform = adapter.spec().platform;
        assert!(
            said.contains("outbound.allow_private"),
            "{platform}: {said}"
        );
    }
    assert_eq!(here.heard(), [""; 0]);
}

#[tokio::test]
async fn no_client_follows_a_redirect() {
    let target = Hostile::silent().await;
    let first = Hostile::redirecting(&target.url).await;
    for (adapter, connection) in everybody(&first) {
        let before = first.heard().len();
        asked(&*adapter, connection).await;
        assert!(
            first.heard().len() > before,
            "{} asked",
            adapter.spec().platform
        );
    }
    assert_eq!(target.heard(), [""; 0]);
}

#[tokio::test]
async fn no_client_reads_without_end() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).into_bytes();
    let here = Hostile::start(head, Some(piece)).await;
    for (adapter, connection) in everybody(&here) {
        let platform = adapter.spec().platform;
        let asking = asked(&*adapter, connection);
        let said = tokio::time::timeout(Duration::from_secs(60), asking).await;
        assert!(!said.expect("it ends").is_empty(), "{platform}");
    }
}

#[tokio::test]
async fn token_requests_stay_where_they_are_sent() {
    let target = Hostile::silent().await;
    let first = Hostile::redirecting(&target.url).await;
    let endpoints = OAuthEndpoints {
        token_url: format!("{}/token", first.url),
        revoke_url: None,
        client_auth: ClientAuth::Body,
        ..endpoints()
    };
    let request = TokenRequest::Refresh {
        refresh_token: Secret::new("refresh"),
    };
    let refused = HttpTokens::default().grant(&endpoints, &request).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.fault, Fault::Settings);
    assert!(
        refused.detail.contains("outbound.allow_private"),
        "{}",
        refused.detail
    );
    assert_eq!(first.heard(), [""; 0]);
    let led_on = HttpTokens(loopback()).grant(&endpoints, &request).await;
    assert_eq!(led_on.unwrap_err().fault, Fault::Platform);
    assert_eq!((first.heard().len(), target.heard().len()), (1, 0));
}

fn endpoints() -> OAuthEndpoints {
    let config = json!({"client_id": "id"});
    let connection = connected(&config, &[("client_secret", "s")]);
    Dialpad.oauth(&connection).unwrap()
}

#[test]
fn a_mapping_cannot_name_an_inner_host_of_its_own() {
    let inner = mapped::compile(&MAPPING.replace("BASE", "http://169.254.169.254")).unwrap();
    let mut connection = connected(&json!({}), &[]);
    connection.outbound = Guard::default();
    let refused = inner.check_config(&connection).unwrap_err().to_string();
    assert!(
        refused.contains("169.254.169.254") && refused.contains("link-local"),
        "{refused}"
    );
    let outer = mapped::compile(&MAPPING.replace("BASE", "https://api.acme.example")).unwrap();
    outer.check_config(&connection).unwrap();
}

/// A link says where a recording lies; whoever made it up does not get our sign-in for it.
#[tokio::test]
async fn a_recording_that_lies_elsewhere_is_not_asked_for_there() {
    let elsewhere = Hostile::silent().await;
    let platform = Hostile::silent().await;
    let known = Recording {
        state: RecordingState::Available,
        url: Some(format!("{}/rec/6000000000000001.mp3", elsewhere.url)),
        ..Recording::default()
    };
    let config = json!({"base_url": platform.url, "recording_links": "company"});
    let (desk, _) = session(connected(&config, &[("api_key", "top-secret")]));
    for id in [
        "6000000000000001",
        &format!("{}/x", elsewhere.url),
        "//127.0.0.1/x",
    ] {
        // Whatever comes of it: who was asked is what counts.
        drop(Dialpad.recheck_recording(&desk, id, &known).await);
    }
    assert_eq!(elsewhere.heard(), [""; 0]);
    let heard = platform.heard();
    assert!(
        heard[0].contains("top-secret"),
        "the platform itself is shown it: {heard:?}"
    );
}
