//! Answers in the one shape: `{"success":true,"data":…}`, with `pagination` beside a list.
//! Records come from the store as JSON texts and are passed on as they are.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use switchhook_domain::Timestamp;

use crate::problem::Problem;

/// A JSON answer. Records of people are not for caches.
pub(crate) fn json(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = (status, text.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Anything that can be written as JSON.
pub(crate) fn plain(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    Ok(json(status, text(value)?))
}

/// One thing.
pub(crate) fn one(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    Ok(one_raw(status, &text(value)?))
}

/// One record that is JSON already.
pub(crate) fn one_raw(status: StatusCode, record: &str) -> Response {
    json(status, format!(r#"{{"success":true,"data":{record}}}"#))
}

/// A list of records that are JSON already.
pub(crate) fn list_raw<T: AsRef<[u8]>>(
    records: &[T],
    pagination: &impl Serialize,
) -> Result<Response, Problem> {
    let pagination = text(pagination)?;
    let size: usize = records.iter().map(|record| record.as_ref().len() + 1).sum();
    let mut body = Vec::with_capacity(size + pagination.len() + 64);
    body.extend_from_slice(br#"{"success":true,"data":"#);
    push_array(&mut body, records);
    body.extend_from_slice(br#","pagination":"#);
    body.extend_from_slice(pagination.as_bytes());
    body.push(b'}');
    Ok(json(StatusCode::OK, body))
}

/// A list of things.
pub(crate) fn list(
    records: &[impl Serialize],
    pagination: &impl Serialize,
) -> Result<Response, Problem> {
    let records = records.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    list_raw(&records, pagination)
}

/// Writes texts that are JSON already as an array.
pub(crate) fn push_array<T: AsRef<[u8]>>(body: &mut Vec<u8>, records: &[T]) {
    body.push(b'[');
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record.as_ref());
    }
    body.push(b']');
}

fn text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        Problem::internal()
    })
}

/// A time as the API writes it: RFC 3339, UTC, milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
