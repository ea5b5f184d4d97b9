//! The page, built once from `ui/` and embedded in the binary. No request of it leaves this
//! server, and the policy sent along would not let it.

use std::borrow::Cow;

use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::answer;
use crate::inherited::Inherited;
use crate::openapi::errors;
use crate::problem::{Code, Problem};

/// What pages may do: nothing but load and talk to this server. Who may show them in a frame is
/// added by `guard`, as configured.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'";
/// Addresses of views inside the page; a browser that asks for one gets the page.
const VIEWS: [&str; 3] = ["/", "/set-up", "/invitation"];
/// Where the bundler puts files whose names change with their content.
const HASHED: &str = "/assets/";

/// What `npm run build` left in `ui/dist`.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Files;

/// Shown when the server was built without the page.
const WITHOUT: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>Switchhook</title><link rel=\"stylesheet\" href=\"/docs/style.css\"></head>\
<body><main><h1>Switchhook is running</h1>\
<p>This server was built without its page. Everything else works.</p>\
<ul><li>Build the page: <code>npm ci &amp;&amp; npm run build</code> in <code>ui/</code>, then \
build the server again.</li>\
<li><a href=\"/docs\">API reference</a></li><li><a href=\"/ready\">Is it ready?</a></li></ul>\
</main></body></html>\n";

errors!(PageErrors: []);

/// The page
///
/// For people. Who is not signed in is told how to get a link.
#[utoipa::path(
    get, path = "/", tag = "Server", operation_id = "get_page",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        PageErrors,
    ),
    security(()),
)]
pub(crate) async fn page(inherited: Option<Extension<Inherited>>, headers: HeaderMap) -> Response {
    if inherited.is_some() {
        return answer::json(StatusCode::OK, r#"{"message":"CTI Server is running"}"#);
    }
    shell(&headers)
}

fn shell(headers: &HeaderMap) -> Response {
    match Files::get("index.html") {
        Some(file) => serve("index.html", file, false, headers),
        None => html(StatusCode::OK, WITHOUT.to_owned()),
    }
}

/// Everything no route is for: files of the page, views of the page, or nothing.
pub(crate) async fn fallback(request: Request) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads {
        if let Some(response) = file(request.uri(), request.headers()) {
            return response;
        }
        if VIEWS.contains(&request.uri().path()) {
            return shell(request.headers());
        }
    }
    let detail = "There is no such route. All routes are listed at /docs.";
    Problem::new(Code::RouteNotFound, detail).into_response()
}

fn file(uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let path = uri.path();
    let name = path
        .strip_prefix('/')
        .filter(|name| !name.is_empty() && !name.contains(".."))?;
    let file = Files::get(name)?;
    Some(serve(name, file, path.starts_with(HASHED), headers))
}

fn serve(name: &str, file: EmbeddedFile, hashed: bool, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("W/\"{hex}\"");
    let asked = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let known = asked.is_some_and(|asked| asked.split(',').any(|one| one.trim() == tag));
    let cache = if hashed {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match file.data {
            Cow::Borrowed(bytes) => bytes.into_response(),
            Cow::Owned(bytes) => bytes.into_response(),
        }
    };
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let is_text = name.ends_with(".html") || name.ends_with(".js") || name.ends_with(".css");
    let kind = match kind.to_str() {
        Ok(text) if is_text && !text.contains("charset") => {
            HeaderValue::from_str(&format!("{text}; charset=utf-8")).unwrap_or(kind)
        }
        _ => kind,
    };
    let into = response.headers_mut();
    into.insert(header::CONTENT_TYPE, kind);
    into.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        into.insert(header::ETAG, tag);
    }
    secured(response)
}

/// A page made here.
pub(crate) fn html(status: StatusCode, text: String) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let cache = HeaderValue::from_static("no-cache");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    secured((status, headers, text).into_response())
}

/// Adds the headers that protect a page.
pub(crate) fn secured(mut response: Response) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "geolocation=(), camera=(), payment=()",
        ),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
