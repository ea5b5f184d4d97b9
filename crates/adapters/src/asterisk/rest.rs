//! Asking ARI: one request, one answer, over HTTP or over the WebSocket that the PBX opened to
//! us. What is asked stands in [`super::resync`], [`super::originate`], [`super::control`] and
//! [`super::diagnose`].

use async_trait::async_trait;
use reqwest::{Client, Method};
use serde_json::Value;
use switchhook_engine::adapter::LinkError;
use switchhook_engine::command::{CommandError, Fault};
use switchhook_engine::outbound::{self, Reach, Refused};

use super::config::AriAccess;
use super::link::PATIENCE;

/// The largest answer believed: a list of some ten thousand channels.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request. The path begins without a slash and without `ari/`.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Ask {
    /// Reads something.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A request without parameters.
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
        }
    }

    /// With a parameter.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a body.
    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `Null` when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Why there is no answer, one sentence without full stop.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The PBX cannot have heard us.
    Unreachable(String),
    /// It may have.
    Lost(String),
}

impl Trouble {
    /// What it means to a live connection.
    pub(super) fn link(self) -> LinkError {
        match self {
            Self::Unreachable(reason) | Self::Lost(reason) => LinkError::Retry(reason),
        }
    }

    /// What it means to somebody who wants something done.
    pub(super) fn command(self) -> CommandError {
        let (fault, reason) = match self {
            Self::Unreachable(reason) => (Fault::Unreachable, reason),
            Self::Lost(reason) => (Fault::Uncertain, reason),
        };
        CommandError::new(fault, sentence(&reason))
    }
}

/// A reason as a sentence.
pub(super) fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// A way to ask ARI.
#[async_trait]
pub(super) trait Rest: Send + Sync {
    /// One request and its answer.
    async fn ask(&self, ask: Ask) -> Result<Answer, Trouble>;
}

/// Over HTTP.
#[derive(Debug)]
pub(super) struct Http<'a> {
    pub(super) client: Client,
    pub(super) access: &'a AriAccess,
}

impl<'a> Http<'a> {
    /// A client for this PBX.
    pub(super) fn new(access: &'a AriAccess) -> Result<Self, LinkError> {
        let (outbound, base) = (&access.outbound, &access.base);
        let refused = |refused| LinkError::Retry(format!("`url` {refused}"));
        outbound.check(Reach::Pbx, base).map_err(refused)?;
        let client = outbound
            .client(Reach::Pbx)
            .http1_only()
            .no_proxy()
            .tls_danger_accept_invalid_certs(!access.verify_tls)
            .build()
            .map_err(|error| LinkError::Misconfigured(format!("no HTTP client: {error}")))?;
        Ok(Self { client, access })
    }
}

#[async_trait]
impl Rest for Http<'_> {
    async fn ask(&self, ask: Ask) -> Result<Answer, Trouble> {
        let mut url = self.access.base.clone();
        url.set_path(&format!("{}ari/{}", self.access.base.path(), ask.path));
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request = self
            .client
            .request(ask.method, url)
            .basic_auth(&self.access.user, Some(self.access.password.expose()))
            .timeout(PATIENCE);
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let broken = |error: reqwest::Error| unreachable_pbx(self.access, &error);
        let mut response = request.send().await.map_err(broken)?;
        let body = outbound::read(&mut response, MAX_BODY).await;
        let body = body.map_err(broken)?.ok_or_else(|| {
            let path = &ask.path;
            Trouble::Lost(format!("the PBX's answer to `ari/{path}` is too long"))
        })?;
        Ok(Answer {
            status: response.status().as_u16(),
            body,
        })
    }
}

/// Why a request did not come through, without the address and its query.
pub(super) fn unreachable_pbx(access: &AriAccess, error: &reqwest::Error) -> Trouble {
    let host = access.base.host_str().unwrap_or_default();
    let port = access.base.port_or_known_default().unwrap_or_default();
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    if let Some(refused) = Refused::within(error) {
        return Trouble::Unreachable(format!("`url` {refused}"));
    }
    if error.is_connect() {
        return Trouble::Unreachable(format!(
            "cannot reach the PBX at {host} port {port}: {reason}"
        ));
    }
    Trouble::Lost(format!(
        "the PBX at {host} port {port} did not answer: {reason}"
    ))
}
