//! The API reference and the pages of the errors, for people: made here from the same document
//! that programs read, without a script and without anything from outside.

mod markdown;
mod reference;
mod schema;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use crate::answer;
use crate::openapi::{errors, openapi, openapi_json};
use crate::page::html;
use crate::problem::{Code, Problem};

static DESCRIPTION: OnceLock<String> = OnceLock::new();
static REFERENCE: OnceLock<String> = OnceLock::new();

errors!(DocsErrors: []);
errors!(ErrorPageErrors: [RouteNotFound]);

/// The description of the API
///
/// OpenAPI 3.1, made from the code that answers.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Server", operation_id = "get_openapi",
    responses(
        (status = 200, description = "The description.", body = serde_json::Value),
        DocsErrors,
    ),
    security(()),
)]
pub(crate) async fn description() -> Response {
    let text = DESCRIPTION.get_or_init(openapi_json);
    answer::json(StatusCode::OK, text.clone())
}

/// The API reference
///
/// For people.
#[utoipa::path(
    get, path = "/docs", tag = "Server", operation_id = "get_docs",
    responses(
        (status = 200, description = "The reference.", body = String, content_type = "text/html"),
        DocsErrors,
    ),
    security(()),
)]
pub(crate) async fn reference() -> Response {
    let text = REFERENCE.get_or_init(|| {
        let typed = openapi();
        // The document is made of texts and numbers; writing it cannot fail.
        let api = serde_json::to_value(&typed).unwrap_or_default();
        reference::page(&api, &Order::of(&typed))
    });
    html(StatusCode::OK, text.clone())
}

/// An error explained
///
/// For people: what happened, why, and what to do.
#[utoipa::path(
    get, path = "/docs/errors/{code}", tag = "Server", operation_id = "get_error_page",
    params(("code" = String, Path, description = "The code.", example = "call_not_found")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        ErrorPageErrors,
    ),
    security(()),
)]
pub(crate) async fn error(Path(code): Path<String>) -> Result<Response, Problem> {
    let code = Code::from_name(&code).ok_or_else(|| {
        Problem::new(
            Code::RouteNotFound,
            "There is no error with this code. See /docs.",
        )
    })?;
    let status = code.status();
    let text = format!(
        "<p class=\"crumbs\"><a href=\"/docs\">API reference</a> / errors</p>{}\
         <p class=\"meta\">Answered with status {} {}.</p>",
        markdown::render(code.page()),
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
    );
    Ok(html(StatusCode::OK, document(code.title(), "", &text)))
}

/// The order in which routes and members were written down, which JSON values do not keep.
struct Order {
    paths: Vec<String>,
    schemas: BTreeMap<String, Vec<String>>,
}

impl Order {
    fn of(api: &OpenApi) -> Self {
        let schemas = api
            .components
            .iter()
            .flat_map(|components| &components.schemas);
        let schemas = schemas.map(|(name, schema)| {
            let members = match schema {
                RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
                _ => Vec::new(),
            };
            (name.clone(), members)
        });
        Self {
            paths: api.paths.paths.keys().cloned().collect(),
            schemas: schemas.collect(),
        }
    }
}

/// The style of these pages.
pub(crate) async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let cache = HeaderValue::from_static("no-cache");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    (headers, include_str!("style.css")).into_response()
}

/// A whole document around its main part.
fn document(title: &str, nav: &str, main: &str) -> String {
    let title = markdown::escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · Switchhook</title>\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head>\
         <body>{nav}<main>{main}</main></body></html>\n"
    )
}
