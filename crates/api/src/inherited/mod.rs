//! What only the Dialpad CTI server before this one had. The whole server is also served under
//! [`BASE`], so that a backend written against that server changes its base URL and nothing else:
//! there the socket speaks its frames ([`frames`]), errors carry its words ([`in_its_words`]), and
//! parameters are read as leniently as it read them. Its routes that have no counterpart among
//! ours are in the child modules and answer at the root too.

pub(crate) mod frames;
pub(crate) mod metrics;
pub(crate) mod pipelinq;
pub(crate) mod voicemails;
pub(crate) mod webhooks;

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

use crate::paging::MAX_LIMIT;
use crate::problem::{Code, Problem};

/// Where the whole server is served a second time, in the predecessor's words.
pub(crate) const BASE: &str = "/dialpad-cti-server";

/// Where the predecessor's page, an app of a Nextcloud, looks for call-backs. They are served at
/// the root too.
const CALLBACKS: &str = "/index.php/apps/pipelinq/api/callbacks/";
/// How much of it is taken off.
const OF_PIPELINQ: &str = "/index.php/apps/pipelinq";

/// Marks a request that came under [`BASE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inherited;

/// Takes the base path off, before any route is looked for.
pub(crate) async fn under_base(mut request: Request) -> Request {
    if let Some(uri) = without_base(request.uri()) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Inherited);
    } else if let Some(uri) = callbacks(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn callbacks(uri: &Uri) -> Option<Uri> {
    uri.path().strip_prefix(CALLBACKS)?;
    let target = uri.path_and_query()?.as_str().strip_prefix(OF_PIPELINQ)?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

fn without_base(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(BASE)?;
    let rest = match rest {
        "" => "/",
        rest if rest.starts_with('/') => rest,
        _ => return None,
    };
    let query = uri.query().map(lenient).filter(|query| !query.is_empty());
    let target = match query {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// The query as the predecessor read it: what is empty is not there, a page size that is none is
/// the usual one, and one that is too large is the largest.
fn lenient(query: &str) -> String {
    let kept = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, value.parse::<i64>()) {
            _ if value.is_empty() => None,
            ("limit", Err(_) | Ok(0)) | ("offset", Err(_)) => None,
            ("limit", Ok(limit)) if limit > MAX_LIMIT.cast_signed() => {
                Some(format!("limit={MAX_LIMIT}"))
            }
            _ => Some(pair.to_owned()),
        }
    });
    kept.collect::<Vec<_>>().join("&")
}

/// A problem as the predecessor put it: `message` (and `error`, where that server wrote its text
/// there) is its text, without our way out; `detail` has the whole sentence. `path` is without
/// the base.
pub(crate) fn in_its_words(problem: Problem, path: &str) -> Problem {
    let short = short(problem.detail()).to_owned();
    let operators = path.starts_with("/internal/");
    match problem.code() {
        // Its own words, whole.
        Code::OperatorSecretMissing => problem,
        Code::OperatorSecretNotSet => {
            problem.with("error", "Internal authentication not configured")
        }
        Code::KeyInvalid => problem.with("message", "Invalid API key"),
        Code::InvalidId if operators => {
            let text = if path.contains("/voicemails/") {
                "app_id and voicemail_id must be valid UUIDs"
            } else {
                "app_id must be a valid UUID"
            };
            problem
                .with("error", "Invalid request")
                .with("message", text)
        }
        Code::InvalidId if path.starts_with("/auth/") => problem
            .with("error", "Invalid app_id format")
            .with("message", "Invalid app_id format"),
        Code::InvalidField | Code::InvalidBody if operators => problem
            .with("error", "Invalid request")
            .with("message", short),
        Code::KeyMissing | Code::OperatorSecretWrong => problem.with("message", short),
        _ if path.starts_with("/api/") || path == "/ws" => problem.with("message", short),
        _ => problem.with("error", short.as_str()).with("message", short),
    }
}

/// A sentence up to where the way out begins.
fn short(detail: &str) -> &str {
    let ends = [". ", ": "].iter().filter_map(|end| detail.find(end)).min();
    ends.map_or(detail, |end| &detail[..end])
        .trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_taken_off_and_nothing_else_is() {
        for (given, wanted) in [
            ("/dialpad-cti-server", Some("/")),
            ("/dialpad-cti-server/", Some("/")),
            ("/dialpad-cti-server?x=1", Some("/?x=1")),
            (
                "/dialpad-cti-server/api/calls?limit=5&from=%2B31",
                Some("/api/calls?limit=5&from=%2B31"),
            ),
            (
                "/dialpad-cti-server/api/calls?limit=500&offset=x",
                Some("/api/calls?limit=100"),
            ),
            (
                "/dialpad-cti-server/api/calls?limit=0&status=",
                Some("/api/calls"),
            ),
            (
                "/dialpad-cti-server/api/calls?limit=-5",
                Some("/api/calls?limit=-5"),
            ),
            ("/dialpad-cti-servers/api/calls", None),
            ("/api/calls?limit=500", None),
        ] {
            let found = without_base(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), wanted, "{given}");
        }
    }

    #[test]
    fn call_backs_are_found_where_the_predecessors_page_looks() {
        for (given, wanted) in [
            (
                "/index.php/apps/pipelinq/api/callbacks/x/claim?y=1",
                Some("/api/callbacks/x/claim?y=1"),
            ),
            ("/index.php/apps/pipelinq/api/cti/config", None),
            ("/api/callbacks/x/claim", None),
        ] {
            let found = callbacks(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), wanted, "{given}");
        }
    }

    #[test]
    fn a_sentence_is_cut_before_the_way_out() {
        for (whole, cut) in [
            (
                "Call not found. Take the id from the list.",
                "Call not found",
            ),
            (
                "Invalid call ID format: it must be a UUID such as x.",
                "Invalid call ID format",
            ),
            ("Cannot do it.", "Cannot do it"),
            ("", ""),
        ] {
            assert_eq!(short(whole), cut);
        }
    }
}
