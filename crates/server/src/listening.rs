//! Connections: how many there may be, how long one may take to ask, and serving HTTP/1.1 on them
//! until it is time to stop. No HTTP/2, for the reason in `tls`. Not here: what is answered (the
//! API), and limits on what one caller asks.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use switchhook_api::countable;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::MaxConnections;

/// How long a new connection may take until its first request's headers are there.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// How long a connection may idle, and the next request's headers take. Longer than proxies keep
/// idle connections, so that it is they who hang up.
const NEXT_REQUEST: Duration = Duration::from_secs(75);
/// What is read of a request before its headers must end, in bytes. The API takes less and says
/// so; beyond this the answer is an empty 431.
const MAX_HEAD: usize = 64 * 1024;
/// How often it is told that connections are turned away.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Counts connections.
#[derive(Clone)]
pub struct Doors(Arc<Inner>);

struct Inner {
    max: MaxConnections,
    proxies: Vec<IpNet>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    told: Option<Instant>,
}

impl Doors {
    /// So many, and those of the named proxies in all only.
    #[must_use]
    pub fn new(max: MaxConnections, proxies: Vec<IpNet>) -> Self {
        Self(Arc::new(Inner {
            max,
            proxies,
            state: Mutex::default(),
        }))
    }

    /// A place for a connection, given back when dropped. `None` when there is none left.
    fn enter(&self, peer: IpAddr) -> Option<Place> {
        let inner = &self.0;
        let address = countable(peer, &inner.proxies);
        let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = address.and_then(|address| state.by_address.get(&address));
        let full = state.all >= inner.max.all;
        if full || mine.is_some_and(|mine| *mine >= inner.max.per_address) {
            if state.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
                state.told = Some(Instant::now());
                let open = state.all;
                tracing::warn!(full, open, "connections are turned away");
            }
            return None;
        }
        state.all += 1;
        if let Some(address) = address {
            *state.by_address.entry(address).or_default() += 1;
        }
        Some(Place {
            doors: self.clone(),
            address,
        })
    }
}

struct Place {
    doors: Doors,
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = self.doors.0.state.lock();
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.all = state.all.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Some(count) = state.by_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.by_address.remove(&address);
            }
        }
    }
}

/// Serves until `stop`, then answers what was asked and returns when all connections are gone.
pub async fn serve<L>(mut listener: L, router: Router, doors: Doors, stop: CancellationToken)
where
    L: Listener<Addr = SocketAddr>,
{
    let connections = TaskTracker::new();
    loop {
        let (io, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Some(place) = doors.enter(peer.ip()) else {
            continue;
        };
        let stream = Held { io, _place: place };
        connections.spawn(connection(stream, peer, router.clone(), stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection<I>(stream: Held<I>, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let router = TowerToHyperService::new(router);
    let service = service_fn({
        let asked = asked.clone();
        move |mut request: hyper::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut first = pin!(tokio::time::sleep(FIRST_REQUEST));
    let (mut waiting, mut stopping) = (true, false);
    // How it ends is the client's affair: whoever hangs up in the middle knows that they did.
    loop {
        tokio::select! {
            _ended = connection.as_mut() => return,
            () = first.as_mut(), if waiting => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                waiting = false;
            }
            () = stop.cancelled(), if !stopping => {
                connection.as_mut().graceful_shutdown();
                stopping = true;
            }
        }
    }
}

/// A stream that holds its place as long as it is open, as a WebSocket too.
struct Held<I> {
    io: I,
    _place: Place,
}

impl<I: AsyncRead + Unpin> AsyncRead for Held<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Held<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// No proxy that is here, so that the loopback address counts.
    fn elsewhere() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap()]
    }

    async fn start(max: MaxConnections, proxies: Vec<IpNet>) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "here" }));
        let doors = Doors::new(max, proxies);
        tokio::spawn(serve(listener, router, doors, stop.clone()));
        (address, stop)
    }

    /// Asks once on this connection; an empty text when it was closed.
    async fn ask(stream: &mut TcpStream) -> String {
        // A connection that was closed may refuse the question already.
        drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await);
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    }

    async fn works(address: SocketAddr) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        ask(&mut stream).await.ends_with("here").then_some(stream)
    }

    #[tokio::test]
    async fn connections_of_one_address_are_limited_and_given_back() {
        let max = MaxConnections {
            all: 100,
            per_address: 2,
        };
        let (address, _stop) = start(max, elsewhere()).await;
        let mut first = works(address).await.unwrap();
        let _second = works(address).await.unwrap();
        assert!(works(address).await.is_none());
        assert!(ask(&mut first).await.ends_with("here"), "those there stay");
        drop(first);
        for _ in 0..200 {
            if works(address).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a place that was given back is not given again");
    }

    #[tokio::test]
    async fn a_trusted_proxy_counts_in_all_only() {
        let max = MaxConnections {
            all: 3,
            per_address: 1,
        };
        let (address, _stop) = start(max, vec!["127.0.0.0/8".parse().unwrap()]).await;
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(works(address).await.unwrap());
        }
        assert!(works(address).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asks_is_hung_up_on() {
        let (address, _stop) = start(MaxConnections::default(), Vec::new()).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nx-never: en")
            .await
            .unwrap();
        let start = tokio::time::Instant::now();
        for stream in [&mut silent, &mut slow] {
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
        }
        assert!(start.elapsed() >= FIRST_REQUEST, "{:?}", start.elapsed());
        assert!(start.elapsed() < NEXT_REQUEST, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_a_while() {
        let (address, _stop) = start(MaxConnections::default(), Vec::new()).await;
        let mut stream = works(address).await.unwrap();
        tokio::time::sleep(NEXT_REQUEST - Duration::from_secs(5)).await;
        assert!(ask(&mut stream).await.ends_with("here"));
        let start = tokio::time::Instant::now();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        assert!(start.elapsed() >= NEXT_REQUEST, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn headers_without_end_are_refused() {
        let (address, _stop) = start(MaxConnections::default(), Vec::new()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut request = b"GET / HTTP/1.1\r\nx-long: ".to_vec();
        request.resize(4 * MAX_HEAD, b'a');
        // It may hang up before all of it was sent.
        drop(stream.write_all(&request).await);
        let mut buffer = [0; 64];
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        let answer = String::from_utf8_lossy(&buffer[..read]);
        assert!(read == 0 || answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(works(address).await.is_some());
    }

    #[tokio::test]
    async fn stopping_waits_for_what_was_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, here) = (CancellationToken::new(), CancellationToken::new());
        let router = Router::new().route(
            "/",
            get({
                let here = here.clone();
                || async move {
                    here.cancel();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    "here"
                }
            }),
        );
        let doors = Doors::new(MaxConnections::default(), Vec::new());
        let server = tokio::spawn(serve(listener, router, doors, stop.clone()));
        let asking = tokio::spawn(works(address));
        here.cancelled().await;
        stop.cancel();
        server.await.unwrap();
        assert!(asking.await.unwrap().is_some());
    }
}
