//! Where this server may connect to. Every connection it opens goes through a [`Guard`]: names
//! are resolved here, every address is judged after that, and the address that was judged is the
//! one that is dialled, so that a name cannot point inside a moment later (DNS rebinding).
//! Redirects are never followed, nothing is waited for or read without an end.
//!
//! Two kinds of places ([`Reach`]): a vendor's cloud must be on the internet, a PBX may stand in
//! a private network as well. This machine, its link, the metadata services of clouds and
//! everything else that is special is called only where the operator says so
//! (`outbound.allow_private`). Not here: what is asked and what the answers mean.

mod address;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, Url};
use tokio::net::TcpStream;

pub use self::address::{Kind, judge};

/// How long the other side may take to accept a connection.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long an exchange may take when the caller does not say.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 32;

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Something on the internet: a vendor's API, a queue, a receiver of events.
    Cloud,
    /// A PBX, which may be in a private network.
    Pbx,
}

/// What the operator allows beside the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Networks that may be called, whatever stands there.
    networks: Vec<IpNet>,
    /// Names that may be called, wherever they lead; lower case.
    hosts: BTreeSet<String>,
    /// True when a PBX may be in a private network.
    private_pbx: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            hosts: BTreeSet::new(),
            private_pbx: true,
        }
    }
}

impl Policy {
    /// Reads what is allowed: addresses, networks and host names, separated by commas.
    ///
    /// # Errors
    /// What is none of them, in words.
    pub fn allowing(text: &str) -> Result<Self, String> {
        let mut policy = Self::default();
        let words = text.split([',', ' ', '\n']).map(str::trim);
        for word in words.filter(|word| !word.is_empty()) {
            let network = word.parse::<IpNet>();
            match network.or_else(|_| word.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => policy.networks.push(network),
                Err(_) => _ = policy.hosts.insert(host_name(word)?),
            }
        }
        Ok(policy)
    }

    /// With or without PBXs in private networks.
    #[must_use]
    pub fn private_pbx(mut self, allowed: bool) -> Self {
        self.private_pbx = allowed;
        self
    }

    /// Why an address must not be called; `None` when it may.
    fn against(&self, reach: Reach, host: &str, address: IpAddr) -> Option<&'static str> {
        let kind = match judge(address) {
            Kind::Public => return None,
            Kind::Private(_) if reach == Reach::Pbx && self.private_pbx => return None,
            Kind::Private(kind) | Kind::Special(kind) => kind,
        };
        let address = address.to_canonical();
        let allowed = self.allows_name(host)
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address));
        (!allowed).then_some(kind)
    }

    fn allows_name(&self, host: &str) -> bool {
        self.hosts.contains(&plain(host))
    }
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn host_name(word: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if word.len() > 253 || !word.chars().all(fits) || word.starts_with(['.', '-']) {
        return Err(format!(
            "{word} is no address, no network such as 10.0.0.0/8 and no host name"
        ));
    }
    Ok(plain(word))
}

/// An address that must not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "leads to an address of a kind that is not called ({kind}); give another one, or have the \
     operator allow it with outbound.allow_private"
)]
pub struct Refused {
    /// What kind of address it is.
    pub kind: &'static str,
}

impl Refused {
    /// The refusal in what a client failed with, if that was it.
    #[must_use]
    pub fn within<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refused) = error.downcast_ref() {
                return Some(refused);
            }
            // `io::Error` shows the source of what it carries, not what it carries.
            if let Some(carried) = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                && let Some(refused) = carried.downcast_ref()
            {
                return Some(refused);
            }
            next = error.source();
        }
        None
    }
}

/// Finds the addresses of a name.
#[async_trait]
pub trait Names: fmt::Debug + Send + Sync {
    /// The addresses of a name, as they are now.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The names as this machine knows them.
#[derive(Clone, Copy, Debug, Default)]
struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|at| at.ip()).take(MAX_ADDRESSES).collect())
    }
}

#[derive(Debug)]
struct Rules {
    policy: Policy,
    names: Arc<dyn Names>,
}

impl Rules {
    /// The addresses of a host that may be called: one at least.
    async fn addresses(&self, reach: Reach, host: &str) -> io::Result<Vec<IpAddr>> {
        let bare = host.trim_matches(['[', ']']);
        let found = match bare.parse() {
            Ok(literal) => vec![literal],
            Err(_) => self.names.lookup(host).await?,
        };
        let mut against = None;
        let mut allowed = Vec::new();
        for address in found.into_iter().take(MAX_ADDRESSES) {
            match self.policy.against(reach, host, address) {
                None => allowed.push(address),
                Some(kind) => against = Some(kind),
            }
        }
        match against {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(kind) => {
                let refused = Refused { kind };
                Err(io::Error::new(io::ErrorKind::PermissionDenied, refused))
            }
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
        }
    }
}

/// Resolves for an HTTP client, which dials what it is given.
struct Resolver {
    rules: Arc<Rules>,
    reach: Reach,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (rules, reach) = (self.rules.clone(), self.reach);
        Box::pin(async move {
            let found = rules.addresses(reach, name.as_str()).await?;
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as reqwest::dns::Addrs)
        })
    }
}

struct Shared {
    rules: Arc<Rules>,
    cloud: OnceLock<Result<Client, String>>,
    pbx: OnceLock<Result<Client, String>>,
}

/// The one way out. Cheap to clone; clones share their connections. The default one allows the
/// internet, and PBXs in private networks.
#[derive(Clone)]
pub struct Guard(Arc<Shared>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.0.rules.policy).finish()
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl Guard {
    /// A guard with this machine's names.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self::with_names(policy, Arc::new(SystemNames))
    }

    /// A guard with other names.
    #[must_use]
    pub fn with_names(policy: Policy, names: Arc<dyn Names>) -> Self {
        Self(Arc::new(Shared {
            rules: Arc::new(Rules { policy, names }),
            cloud: OnceLock::new(),
            pbx: OnceLock::new(),
        }))
    }

    /// Judges a host as it is written: a literal address, or a name that can only be this
    /// machine. For settings, where other names are judged when they are dialled.
    ///
    /// # Errors
    /// When it must not be called.
    pub fn check_host(&self, reach: Reach, host: &str) -> Result<(), Refused> {
        let bare = host.trim_matches(['[', ']']);
        let (name, policy) = (plain(host), &self.0.rules.policy);
        let local = name == "localhost" || name.ends_with(".localhost");
        let literal = bare.parse().ok();
        let address = literal.or(local.then_some(IpAddr::from([127, 0, 0, 1])));
        let kind = address.and_then(|address| policy.against(reach, host, address));
        kind.map_or(Ok(()), |kind| Err(Refused { kind }))
    }

    /// Judges the host of an address as [`Self::check_host`] does, in whatever way it is written
    /// (`0x7f.1`, `2130706433`).
    ///
    /// # Errors
    /// When it must not be called.
    pub fn check(&self, reach: Reach, url: &Url) -> Result<(), Refused> {
        self.check_host(reach, url.host_str().unwrap_or_default())
    }

    /// A client for requests of the given reach, to be finished by the caller. Send nothing
    /// through it that did not pass [`Self::check`]: literal addresses are not resolved.
    pub fn client(&self, reach: Reach) -> ClientBuilder {
        let resolver = Resolver {
            rules: self.0.rules.clone(),
            reach,
        };
        Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(PATIENCE)
            .dns_resolver(resolver)
            .user_agent(concat!("switchhook/", env!("CARGO_PKG_VERSION")))
    }

    /// A request through the shared client of that reach. It has ten seconds unless given another
    /// limit. Connections are kept open and shared, whoever's they are; nothing of a tenant is in
    /// them.
    ///
    /// # Errors
    /// When the address must not be called, or there can be no client.
    pub fn request(
        &self,
        reach: Reach,
        method: Method,
        url: Url,
    ) -> Result<RequestBuilder, RequestError> {
        self.check(reach, &url)?;
        let place = match reach {
            Reach::Cloud => &self.0.cloud,
            Reach::Pbx => &self.0.pbx,
        };
        let client = place.get_or_init(|| self.client(reach).build().map_err(|e| e.to_string()));
        match client {
            Ok(client) => Ok(client.request(method, url)),
            Err(error) => Err(RequestError::NoClient(error.clone())),
        }
    }

    /// A bare connection.
    ///
    /// # Errors
    /// When no address of the host may be called or answers.
    pub async fn dial(&self, reach: Reach, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.0.rules.addresses(reach, host).await?;
        let addresses: Vec<_> = addresses
            .into_iter()
            .map(|at| SocketAddr::new(at, port))
            .collect();
        let dialled = TcpStream::connect(&*addresses);
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        tokio::time::timeout(CONNECT_PATIENCE, dialled)
            .await
            .map_err(late)?
    }
}

/// Why there is no request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestError {
    /// The address must not be called.
    #[error("the address {0}")]
    Refused(#[from] Refused),
    /// There can be no client.
    #[error("no HTTP client: {0}")]
    NoClient(String),
}

/// Reads an answer's body up to `max` bytes; `None` when it has more, without reading them.
///
/// # Errors
/// When the answer breaks off.
pub async fn read(response: &mut Response, max: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let told = response.content_length().unwrap_or(0);
    if usize::try_from(told).is_ok_and(|told| told > max) {
        return Ok(None);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
