//! Who is on the other end of a request, and over what: the address and the scheme, taken from
//! the connection, or from what a proxy says when the operator named that proxy as trusted. What
//! anybody else writes into those headers is not read. Also here: what follows from the scheme
//! where HTTPS is required.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use ipnet::IpNet;

use crate::problem::{Code, Problem};
use crate::state::ApiConfig;
use crate::webhooks::is_hook;

/// How long browsers remember that this server is only to be reached by HTTPS: a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// Reached by load balancers that may know no HTTPS; so are the hooks, by platforms.
const ALWAYS_OPEN: [&str; 3] = ["/health", "/ready", "/metrics"];

/// The other end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address; `None` in tests without a connection.
    pub(crate) address: Option<IpAddr>,
    /// True when it reached us, or the trusted proxy before us, by HTTPS.
    pub(crate) https: bool,
}

impl Client {
    /// The other end of this request.
    pub(crate) fn of(request: &Request, config: &ApiConfig) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let trusted = |ip: &IpAddr| config.trusted_proxies.iter().any(|net| net.contains(ip));
        if !peer.as_ref().is_some_and(trusted) {
            let https = config.tls;
            return Self {
                address: peer,
                https,
            };
        }
        // Each proxy adds the address it was called from at the end: the last one that is not a
        // proxy of ours is the client. What stands before it is the client's own word.
        let headers = request.headers();
        let hops = words(headers, "x-forwarded-for").into_iter().rev();
        let mut hops = hops.map_while(address);
        Self {
            address: hops.find(|ip| !trusted(ip)).or(peer),
            https: words(headers, "x-forwarded-proto").last() == Some(&"https"),
        }
    }
}

impl Client {
    /// The address that this client's failures are counted by.
    pub(crate) fn countable(&self, config: &ApiConfig) -> Option<IpAddr> {
        countable(self.address?, &config.trusted_proxies)
    }
}

/// The address that failures and connections are counted by; none where many share it: a trusted
/// proxy's own, and the loopback address while no proxy is named, since behind one that was
/// forgotten everybody has it, and who guesses keys would lock all others out.
#[must_use]
pub fn countable(address: IpAddr, proxies: &[IpNet]) -> Option<IpAddr> {
    let address = address.to_canonical();
    let local = address.is_loopback() && proxies.is_empty();
    let proxy = proxies.iter().any(|net| net.contains(&address));
    (!local && !proxy).then_some(address)
}

/// The words of a header that is a list, over all its lines.
fn words<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|l| l.split(',')).map(str::trim).collect()
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse().ok();
    ip.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
        .map(|ip: IpAddr| ip.to_canonical())
}

/// What a request over plain HTTP gets where HTTPS is required; `None` when it may go on.
pub(crate) fn insist(request: &Request, client: Client, config: &ApiConfig) -> Option<Problem> {
    let path = request.uri().path();
    let open = ALWAYS_OPEN.iter().any(|open| path.starts_with(open)) || is_hook(path);
    let local = client.address.is_none_or(|ip| ip.is_loopback());
    if !config.require_https || client.https || open || local {
        return None;
    }
    let detail = "This server is only to be used by HTTPS. If a key or cookie was sent with \
                  this request, others may have read it: replace it.";
    let problem = Problem::new(Code::HttpsRequired, detail);
    let base = config.public_url.as_deref();
    let base = base.filter(|base| base.starts_with("https://"));
    let may_follow = matches!(*request.method(), Method::GET | Method::HEAD);
    match base.filter(|_| may_follow) {
        Some(base) => {
            let rest = request.uri().path_and_query();
            let target = format!("{base}{}", rest.map_or("/", |rest| rest.as_str()));
            Some(problem.redirecting(&target))
        }
        None => Some(problem),
    }
}

/// Tells the browser to come by HTTPS from now on.
pub(crate) fn remember_https(response: &mut Response, client: Client, config: &ApiConfig) {
    if config.require_https && client.https {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Networks as an operator writes them: `10.0.0.0/8`, or one address.
///
/// # Errors
/// Names the one that is neither.
pub fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let words = text.split([',', ' ']).map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    words
        .map(|word| {
            let one = || word.parse::<IpAddr>().map(IpNet::from);
            word.parse::<IpNet>()
                .or_else(|_| one())
                .map_err(|_| format!("{word} is no address and no network such as 10.0.0.0/8"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(peer: &str, headers: &[(&str, &str)]) -> Request {
        let mut builder = Request::builder().uri("/api/calls?limit=1");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let mut request = builder.body(Body::empty()).unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }

    fn config() -> ApiConfig {
        ApiConfig {
            trusted_proxies: networks("10.0.0.0/8, 192.0.2.7").unwrap(),
            require_https: true,
            public_url: Some("https://cti.example".to_owned()),
            ..ApiConfig::default()
        }
    }

    fn client(peer: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let client = Client::of(&request(peer, headers), &config());
        (client.address.unwrap().to_string(), client.https)
    }

    #[test]
    fn nobody_but_a_trusted_proxy_may_say_who_calls() {
        let forged = [
            ("x-forwarded-for", "198.51.100.9"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(
            client("203.0.113.5:1", &forged),
            ("203.0.113.5".to_owned(), false)
        );
        assert_eq!(
            client("10.1.2.3:1", &forged),
            ("198.51.100.9".to_owned(), true)
        );
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
        let headers = [
            ("x-forwarded-for", "1.1.1.1, 198.51.100.9"),
            ("x-forwarded-for", "192.0.2.7, 10.9.9.9"),
            ("x-forwarded-proto", "http, https"),
        ];
        assert_eq!(
            client("10.1.2.3:1", &headers),
            ("198.51.100.9".to_owned(), true)
        );
        let junk = [("x-forwarded-for", "8.8.8.8, nonsense")];
        assert_eq!(client("10.1.2.3:1", &junk).0, "10.1.2.3");
        let ported = [("x-forwarded-for", "[2001:db8::1]:443")];
        assert_eq!(client("10.1.2.3:1", &ported).0, "2001:db8::1");
    }

    #[test]
    fn plain_http_is_sent_on_or_refused_and_hooks_are_not() {
        let config = config();
        let asked = |method: &Method, uri: &str, peer: &str| {
            let mut request = request(peer, &[]);
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.parse().unwrap();
            let client = Client::of(&request, &config);
            let problem = insist(&request, client, &config)?;
            Some(axum::response::IntoResponse::into_response(problem).status())
        };
        let outside = "203.0.113.5:1";
        assert_eq!(asked(&Method::GET, "/api/calls", outside).unwrap(), 308);
        assert_eq!(asked(&Method::POST, "/api/calls", outside).unwrap(), 403);
        assert_eq!(asked(&Method::POST, "/webhooks/dialpad/x", outside), None);
        assert_eq!(asked(&Method::POST, "/api/cti/webhook/x", outside), None);
        assert_eq!(asked(&Method::GET, "/health", outside), None);
        assert_eq!(asked(&Method::GET, "/api/calls", "127.0.0.1:1"), None);
    }

    #[test]
    fn networks_are_read_or_named() {
        assert_eq!(networks("").unwrap(), []);
        assert!(
            networks("10.0.0.0/8 example")
                .unwrap_err()
                .contains("example")
        );
    }
}
