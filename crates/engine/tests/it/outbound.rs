//! The way out: what is refused before and after names are resolved, that the address judged is
//! the address dialled, and that neither redirects nor endless answers lead anywhere.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use switchhook_engine::outbound::{Guard, Names, Policy, Reach, Refused, RequestError, read};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Names that lead somewhere else each time they are asked for.
#[derive(Debug, Default)]
struct Fickle {
    answers: Mutex<VecDeque<Vec<&'static str>>>,
    asked: AtomicUsize,
}

impl Fickle {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers),
            asked: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Names for Fickle {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = self.answers.lock().unwrap().pop_front();
        let next = next.ok_or_else(|| io::Error::other("asked too often"))?;
        Ok(next.iter().map(|text| text.parse().unwrap()).collect())
    }
}

/// A server that says the same to everybody and then closes, and counts them.
struct Sayer {
    port: u16,
    met: Arc<AtomicUsize>,
}

impl Sayer {
    async fn start(host: &str, port: u16, says: impl Into<String>) -> Self {
        let listener = TcpListener::bind((host, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let met = Arc::new(AtomicUsize::new(0));
        let (count, says) = (met.clone(), says.into());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut bytes = [0; 4096];
                drop(stream.read(&mut bytes).await);
                drop(stream.write_all(says.as_bytes()).await);
            }
        });
        Self { port, met }
    }

    fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";

async fn ask(guard: &Guard, reach: Reach, url: &str) -> Result<reqwest::Response, Option<Refused>> {
    match guard.request(reach, Method::GET, url.parse().unwrap()) {
        Ok(request) => request
            .send()
            .await
            .map_err(|error| Refused::within(&error).cloned()),
        Err(RequestError::Refused(refused)) => Err(Some(refused)),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_literal_address_inside_is_refused_however_it_is_written() {
    let here = Sayer::start("127.0.0.1", 0, HELLO).await;
    let guard = Guard::default();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "LOCALHOST.",
        "any.localhost",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "１２７.0.0.1",
    ] {
        for reach in [Reach::Cloud, Reach::Pbx] {
            let url = format!("http://{host}:{}/", here.port);
            let refused = ask(&guard, reach, &url).await.unwrap_err();
            assert!(refused.is_some(), "{host} was tried as {reach:?}");
        }
    }
    assert_eq!(here.met(), 0);
}

#[test]
fn a_pbx_may_stand_in_a_private_network_and_a_cloud_may_not() {
    let guard = Guard::default();
    let strict = Guard::new(Policy::default().private_pbx(false));
    for host in [
        "10.0.0.5",
        "192.168.1.10",
        "172.16.3.4",
        "100.64.1.2",
        "[fd12::5]",
    ] {
        assert!(guard.check_host(Reach::Cloud, host).is_err(), "{host}");
        assert!(guard.check_host(Reach::Pbx, host).is_ok(), "{host}");
        assert!(strict.check_host(Reach::Pbx, host).is_err(), "{host}");
    }
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "localhost",
    ] {
        assert!(guard.check_host(Reach::Pbx, host).is_err(), "{host}");
    }
}

#[test]
fn the_operator_allows_networks_addresses_and_names() {
    let policy = Policy::allowing("10.1.0.0/16, 127.0.0.1 fd12::/64,Pbx.Internal.").unwrap();
    let guard = Guard::new(policy.private_pbx(false));
    for host in [
        "10.1.2.3",
        "127.0.0.1",
        "::ffff:10.1.2.3",
        "fd12::9",
        "localhost",
    ] {
        assert!(guard.check_host(Reach::Cloud, host).is_ok(), "{host}");
    }
    for host in ["10.2.0.1", "127.0.0.2", "fd13::9"] {
        assert!(guard.check_host(Reach::Cloud, host).is_err(), "{host}");
    }
    for wrong in ["10.0.0.0/33", "http://x", "a b/c", ".example", "*"] {
        assert!(Policy::allowing(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn an_allowed_name_may_lead_anywhere() {
    let here = Sayer::start("127.0.0.1", 0, HELLO).await;
    let names = Fickle::new(&[&["127.0.0.1"], &["127.0.0.1"]]);
    let guard = Guard::with_names(Policy::allowing("pbx.internal").unwrap(), names);
    let url = |host: &str| format!("http://{host}:{}/", here.port);
    assert!(
        ask(&guard, Reach::Cloud, &url("PBX.internal."))
            .await
            .is_ok()
    );
    let other = ask(&guard, Reach::Cloud, &url("other.internal")).await;
    assert_eq!(other.unwrap_err().unwrap().kind, "loopback");
    assert_eq!(here.met(), 1);
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    let outside = Sayer::start("127.0.0.2", 0, HELLO).await;
    let inside = Sayer::start("127.0.0.1", outside.port, HELLO).await;
    // Judged fit, and inside if it were looked up again.
    let names = Fickle::new(&[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.1"]]);
    let guard = Guard::with_names(Policy::allowing("127.0.0.2").unwrap(), names.clone());
    let url = format!("http://rebind.example:{}/", outside.port);
    let first = ask(&guard, Reach::Cloud, &url).await.unwrap();
    assert_eq!(first.text().await.unwrap(), "hello");
    assert_eq!(
        names.asked.load(Ordering::SeqCst),
        1,
        "one look-up for one connection"
    );
    let second = ask(&guard, Reach::Cloud, &url).await.unwrap_err();
    assert_eq!(second.unwrap().kind, "loopback");
    let bare = guard.dial(Reach::Pbx, "rebind.example", inside.port).await;
    assert!(Refused::within(&bare.unwrap_err()).is_some());
    assert_eq!((outside.met(), inside.met()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_called_are() {
    let outside = Sayer::start("127.0.0.2", 0, HELLO).await;
    let inside = Sayer::start("127.0.0.1", outside.port, HELLO).await;
    let both: &[&str] = &["127.0.0.1", "169.254.169.254", "127.0.0.2"];
    let guard = Guard::with_names(
        Policy::allowing("127.0.0.2").unwrap(),
        Fickle::new(&[both, both]),
    );
    let url = format!("http://both.example:{}/", outside.port);
    assert!(ask(&guard, Reach::Cloud, &url).await.is_ok());
    let dialled = guard.dial(Reach::Pbx, "both.example", outside.port).await;
    assert_eq!(
        dialled.unwrap().peer_addr().unwrap().ip().to_string(),
        "127.0.0.2"
    );
    assert_eq!(inside.met(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let target = Sayer::start("127.0.0.1", 0, HELLO).await;
    let away = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\n\
         connection: close\r\ncontent-length: 0\r\n\r\n",
        target.port
    );
    let first = Sayer::start("127.0.0.1", 0, away).await;
    let guard = Guard::new(Policy::allowing("127.0.0.1").unwrap());
    let url = format!("http://127.0.0.1:{}/", first.port);
    let answer = ask(&guard, Reach::Cloud, &url).await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!((first.met(), target.met()), (1, 0));
}

/// Sends body without end and counts what it got rid of.
async fn endless(head: &'static str, piece: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        drop(stream.read(&mut asked).await);
        drop(stream.write_all(head.as_bytes()).await);
        while stream.write_all(piece.as_bytes()).await.is_ok() {
            count.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    (port, sent)
}

#[tokio::test]
async fn a_body_without_end_is_cut() {
    // 16 bytes in a chunk.
    const PIECE: &str = "10\r\n0123456789abcdef\r\n";
    let guard = Guard::new(Policy::allowing("127.0.0.1").unwrap());
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let (port, sent) = endless(head, PIECE).await;
    let url = format!("http://127.0.0.1:{port}/");
    let mut answer = ask(&guard, Reach::Cloud, &url).await.unwrap();
    assert_eq!(read(&mut answer, 64 * 1024).await.unwrap(), None);
    drop(answer);
    // It ends with the connection, not with the sender's patience; buffers of the kernel apart.
    let start = std::time::Instant::now();
    let mut last = 0;
    while sent.load(Ordering::SeqCst) != last {
        assert!(start.elapsed() < Duration::from_secs(10), "it still reads");
        last = sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    let guard = Guard::new(Policy::allowing("127.0.0.1").unwrap());
    let big = "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\nx";
    let here = Sayer::start("127.0.0.1", 0, big).await;
    let url = format!("http://127.0.0.1:{}/", here.port);
    let mut answer = ask(&guard, Reach::Cloud, &url).await.unwrap();
    assert_eq!(read(&mut answer, 1024).await.unwrap(), None);
    let small = Sayer::start("127.0.0.1", 0, HELLO).await;
    let url = format!("http://127.0.0.1:{}/", small.port);
    let mut answer = ask(&guard, Reach::Cloud, &url).await.unwrap();
    assert_eq!(read(&mut answer, 5).await.unwrap().unwrap(), b"hello");
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let guard = Guard::new(Policy::allowing("127.0.0.1").unwrap());
    let start = tokio::time::Instant::now();
    assert_eq!(ask(&guard, Reach::Cloud, &url).await.unwrap_err(), None);
    assert!(start.elapsed() <= Duration::from_secs(11));
    drop(listener);
}

#[tokio::test]
async fn the_refusal_names_the_way_out() {
    let guard = Guard::with_names(Policy::default(), Fickle::new(&[&["10.0.0.1"]]));
    let refused = ask(&guard, Reach::Cloud, "http://inside.example/").await;
    let said = refused.unwrap_err().unwrap().to_string();
    assert!(
        said.contains("private") && said.contains("outbound.allow_private"),
        "{said}"
    );
}
