//! Which pages of other sites may use this server from a browser: those of origins the operator
//! has named, on the API and the WebSocket, with a key. Never with a cookie, never on the
//! operators' routes, on webhooks or where people sign in. Programs send no `Origin` and are not
//! concerned.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::auth::{KEY_HEADERS, is_same_origin};
use crate::idempotency::REPLAYED;
use crate::limits::pass::HEADERS;
use crate::problem::{Code, Problem};
use crate::state::ApiConfig;
use crate::webhooks::is_hook;

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The answers to browsers; `None` when no origin was named.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<_> = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let sent = [header::CONTENT_TYPE, header::AUTHORIZATION];
    let sent = sent.into_iter().chain(
        KEY_HEADERS
            .into_iter()
            .chain(["idempotency-key", "x-request-id"])
            .map(HeaderName::from_static),
    );
    let told = [
        header::RETRY_AFTER,
        HeaderName::from_static("x-request-id"),
        REPLAYED,
    ];
    let told = told.into_iter().chain(HEADERS);
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(sent.collect::<Vec<_>>())
        .expose_headers(told.collect::<Vec<_>>())
        .max_age(REMEMBERED);
    Some(layer)
}

/// Whether the answer to this request is for pages of other origins at all.
pub(crate) fn concerns(request: &Request) -> bool {
    let path = request.uri().path();
    let open = path.starts_with("/api/") && !is_hook(path);
    // `OPTIONS` that asks for nothing is no question of a browser.
    let asks = |name: HeaderName| request.headers().contains_key(name);
    let preflight = asks(header::ORIGIN) && asks(header::ACCESS_CONTROL_REQUEST_METHOD);
    open && (*request.method() != Method::OPTIONS || preflight)
}

/// Refuses the WebSocket to a page of a site that was not named: CORS does not cover sockets.
///
/// # Errors
/// When there is an origin, and it is neither this server's nor one of those named.
pub(crate) fn may_listen(headers: &HeaderMap, config: &ApiConfig) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let named = |name: &String| name.as_bytes() == origin.as_bytes();
    if config.cors_origins.iter().any(named)
        || is_same_origin(headers, config.public_url.as_deref())
    {
        return Ok(());
    }
    let detail = "A page of this origin may not listen here. The operator names the origins that \
                  may in server.cors_origins.";
    Err(Problem::new(Code::OriginNotAllowed, detail))
}

/// An origin as browsers send it: scheme, host, and the port where it is not the scheme's own.
///
/// # Errors
/// What is wrong with it.
pub fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text} is no origin such as https://crm.example.com, nor null");
    if text == "null" {
        return Ok(text.to_owned());
    }
    let uri: axum::http::Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let bare = format!("{scheme}://{authority}");
    let own_port = matches!(
        (scheme, uri.port_u16()),
        ("http", Some(80)) | ("https", Some(443))
    );
    let web = matches!(scheme, "http" | "https");
    let plain = bare == text && text == text.to_ascii_lowercase();
    if web && plain && !own_port && !authority.as_str().contains(['@', '*']) {
        Ok(bare)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for good in ["https://crm.example.com", "http://localhost:5173", "null"] {
            assert_eq!(origin(good).unwrap(), good);
        }
        for bad in [
            "",
            "*",
            "https://*",
            "https://*.example.com",
            "crm.example.com",
            "https://crm.example.com/",
            "https://crm.example.com/page",
            "https://CRM.example.com",
            "https://crm.example.com:443",
            "https://me@crm.example.com",
            "ftp://crm.example.com",
        ] {
            assert!(origin(bad).unwrap_err().contains("origin"), "{bad}");
        }
    }
}
