//! The server all stand-ins run on. It can do what a web framework will not: break a connection
//! at a chosen moment.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Answered, Asked, Fault};

/// The largest body read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// A vendor's API: what it answers to a request, given what it was asked before.
#[async_trait]
pub trait Vendor: Send + Sync + 'static {
    /// The answer.
    async fn answer(&self, asked: &Asked) -> Answered;
}

struct Planned {
    method: String,
    path: String,
    fault: Fault,
}

struct Shared<V> {
    vendor: V,
    asked: Mutex<Vec<Asked>>,
    planned: Mutex<VecDeque<Planned>>,
}

/// A vendor that runs on a free port of this machine until it is dropped.
pub struct StandIn<V> {
    shared: Arc<Shared<V>>,
    url: String,
    task: JoinHandle<()>,
}

impl<V> std::fmt::Debug for StandIn<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIn").field("url", &self.url).finish()
    }
}

impl<V> Drop for StandIn<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<V: Vendor> StandIn<V> {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(vendor: V) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            vendor,
            asked: Mutex::default(),
            planned: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Ok(Self { shared, url, task })
    }

    /// Its base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The vendor itself.
    #[must_use]
    pub fn vendor(&self) -> &V {
        &self.shared.vendor
    }

    /// Everything that was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// What was asked of one method and path, in order.
    #[must_use]
    pub fn asked_of(&self, method: &str, path: &str) -> Vec<Asked> {
        let asked = self.asked().into_iter();
        asked
            .filter(|asked| asked.method == method && asked.path == path)
            .collect()
    }

    /// Makes the next request of this method whose path begins so go wrong, once. Planned faults
    /// are used in the order in which they were planned.
    pub fn fail(&self, method: &str, path: &str, fault: Fault) {
        lock(&self.shared.planned).push_back(Planned {
            method: method.to_owned(),
            path: path.to_owned(),
            fault,
        });
    }

    /// How many planned faults have not happened yet.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        lock(&self.shared.planned).len()
    }
}

async fn serve<V: Vendor>(listener: TcpListener, shared: Arc<Shared<V>>) {
    let mut open = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        let shared = shared.clone();
        open.spawn(async move {
            let service = service_fn(move |request| handle(shared.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // A connection that broke, on purpose or not, is the client's to notice.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle<V: Vendor>(
    shared: Arc<Shared<V>>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let asked = read(request).await?;
    lock(&shared.asked).push(asked.clone());
    let fault = {
        let mut planned = lock(&shared.planned);
        let fits = |p: &Planned| p.method == asked.method && asked.path.starts_with(&p.path);
        let found = planned.iter().position(fits);
        found
            .and_then(|index| planned.remove(index))
            .map(|p| p.fault)
    };
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    match fault {
        None => Ok(written(shared.vendor.answer(&asked).await)),
        Some(Fault::Answer(answer)) => Ok(written(answer)),
        Some(Fault::Drop) => Err(broken()),
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            Ok(written(shared.vendor.answer(&asked).await))
        }
        Some(Fault::LoseAnswer) => {
            shared.vendor.answer(&asked).await;
            Err(broken())
        }
    }
}

async fn read(request: Request<Incoming>) -> io::Result<Asked> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), MAX_BODY).await;
    let headers = head.headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Ok(Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body: body.map_err(io::Error::other)?.to_vec(),
    })
}

fn written(answer: Answered) -> Response<Body> {
    let body = match &answer.body {
        Value::Null => Body::empty(),
        body => Body::from(body.to_string()),
    };
    let mut response = Response::builder().status(answer.status);
    if !answer.body.is_null() {
        response = response.header("content-type", "application/json");
    }
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let failed = |error: axum::http::Error| -> Result<_, Infallible> {
        let mut response = Response::new(Body::from(format!("the stand-in is at fault: {error}")));
        *response.status_mut() = axum::http::StatusCode::NOT_IMPLEMENTED;
        Ok(response)
    };
    let Ok(response) = response.body(body).or_else(failed);
    response
}

/// `application/x-www-form-urlencoded`, decoded, in order; nothing when it is not that.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let uri = Uri::try_from(format!("/?{text}")).ok();
    let query = uri.and_then(|uri| Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
    query.map(|Query(pairs)| pairs).unwrap_or_default()
}
