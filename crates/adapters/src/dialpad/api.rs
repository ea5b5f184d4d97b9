//! Asking Dialpad: addresses, sign-in, limits, pages and what a refusal means. What is asked for
//! stands in [`super::calls`], [`super::subscriptions`], [`super::log`] and [`super::users`].
//! Source: Dialpad's OpenAPI document (github.com/dialpad/dialpad-python-sdk,
//! `dialpad_api_spec.json`) and developers.dialpad.com/docs/rate-limits.

use reqwest::{Method, Url};
use serde_json::Value;
use switchhook_engine::adapter::{ConnectionContext, Secret};
use switchhook_engine::command::{
    ClientAuth, CommandError, Fault, Grant, OAuthEndpoints, RateLimit, Revoke, Session,
};

use super::spec;
use crate::json::id_of;
use crate::vendor::{self, Answer, Auth, Request};

/// All requests of a company.
pub(super) const COMPANY: RateLimit = limit("company", 20, 1);
/// Most operations.
pub(super) const MOST: RateLimit = limit("most", 1200, 60);
/// Placing calls, for each user.
pub(super) const PLACE: RateLimit = limit("place", 5, 60);
/// Making webhooks.
pub(super) const NEW_WEBHOOK: RateLimit = limit("new webhook", 100, 60);
/// Making share links.
pub(super) const SHARE: RateLimit = limit("share link", 100, 60);

/// What counts against the company and against a group of its own.
pub(super) const ORDINARY: &[RateLimit] = &[COMPANY, MOST];

const fn limit(group: &'static str, requests: u32, per_seconds: u32) -> RateLimit {
    RateLimit {
        group,
        requests,
        per_seconds,
    }
}

/// The most pages of a list that are read; a hundred entries each.
const MAX_PAGES: usize = 50;

/// How a connection proves itself to the API: its key, or somebody's sign-in.
pub(super) fn auth(connection: &ConnectionContext) -> Option<Auth<'_>> {
    if let Some(key) = connection.credentials.get(spec::API_KEY) {
        return Some(Auth::Bearer(key));
    }
    oauth(connection).map(|_| Auth::OAuth)
}

/// Why the API cannot be asked, when there is nothing to prove oneself with.
pub(super) const NO_CREDENTIALS: &str = "This Dialpad connection only listens: give it an API \
    key, or the client id and secret of an OAuth app, to ask Dialpad for anything.";

/// Dialpad's OAuth for connections with a client and without an API key.
pub(super) fn oauth(connection: &ConnectionContext) -> Option<OAuthEndpoints> {
    if connection.credentials.contains_key(spec::API_KEY) {
        return None;
    }
    let client_id = connection.text(spec::CLIENT_ID)?.to_owned();
    let client_secret: Option<Secret> = connection.credentials.get(spec::CLIENT_SECRET).cloned();
    let base = base(connection);
    Some(OAuthEndpoints {
        authorize_url: format!("{base}/oauth2/authorize"),
        token_url: format!("{base}/oauth2/token"),
        revoke_url: Some(format!("{base}/oauth2/deauthorize")),
        client_id,
        client_secret,
        client_auth: ClientAuth::Body,
        scope: connection.text(spec::SCOPES).unwrap_or_default().to_owned(),
        extra: Vec::new(),
        grant: Grant::AuthorizationCode,
        revoke: Revoke::Bearer,
    })
}

fn base(connection: &ConnectionContext) -> &str {
    let base = connection.text(spec::BASE_URL);
    base.unwrap_or(spec::DEFAULT_BASE).trim_end_matches('/')
}

/// A request to a path below `/api/v2/`.
pub(super) fn request<'a>(
    session: &'a Session,
    method: Method,
    path: &str,
) -> Result<Request<'a>, CommandError> {
    let auth = auth(&session.connection);
    let auth = auth.ok_or_else(|| CommandError::new(Fault::Credentials, NO_CREDENTIALS))?;
    let url = vendor::url(base(&session.connection), &format!("api/v2/{path}"))?;
    Ok(Request::new(method, url, auth).limited(ORDINARY))
}

/// Sends a request; a refusal says whose fault it is, in words for this platform.
pub(super) async fn send(session: &Session, request: Request<'_>) -> Result<Answer, CommandError> {
    let once = request.once;
    let answer = vendor::ask(session, request).await?;
    match vendor::accepted(&answer, once) {
        Ok(()) => Ok(answer),
        Err(error) => Err(explained(session, error)),
    }
}

fn explained(session: &Session, mut error: CommandError) -> CommandError {
    let by_key = session.connection.credentials.contains_key(spec::API_KEY);
    let what_to_do = match (error.fault, by_key) {
        (Fault::Credentials, true) => {
            "Make a new API key at Dialpad (Admin, My Company, Authentication) and give it to \
             this connection."
        }
        (Fault::Credentials, false) => "Sign in at Dialpad again.",
        (Fault::Permission, true) => {
            "The API key must be one of a company administrator, with the scopes this needs."
        }
        (Fault::Permission, false) => {
            "A company administrator must sign in, and the OAuth app needs the scope for this."
        }
        _ => return error,
    };
    error.detail = format!("{} {what_to_do}", error.detail);
    error
}

/// Every entry of a list, page after page.
pub(super) async fn list(
    session: &Session,
    path: &str,
    query: &[(&str, String)],
) -> Result<Vec<Value>, CommandError> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut request = request(session, Method::GET, path)?;
        add_query(&mut request.url, query, cursor.as_deref());
        let mut answer = send(session, request).await?;
        if let Some(Value::Array(items)) = answer.json.get_mut("items").map(Value::take) {
            all.extend(items);
        }
        let next = answer.json.get("cursor").and_then(Value::as_str);
        let next = next.filter(|next| !next.is_empty() && Some(*next) != cursor.as_deref());
        let Some(next) = next else { return Ok(all) };
        cursor = Some(next.to_owned());
    }
    tracing::warn!(connection.id = %session.connection.id, path, "a list of Dialpad is too long");
    Ok(all)
}

/// Puts a query and the cursor of a page into an address.
pub(super) fn add_query(url: &mut Url, query: &[(&str, String)], cursor: Option<&str>) {
    if query.is_empty() && cursor.is_none() {
        return;
    }
    let mut pairs = url.query_pairs_mut();
    pairs.extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
    if let Some(cursor) = cursor {
        pairs.append_pair("cursor", cursor);
    }
}

/// The id of an answer: a text or a whole number.
pub(super) fn id(value: &Value) -> Option<String> {
    id_of(value).ok().flatten().map(|id| id.into_owned())
}

/// An id as Dialpad wants it in bodies: a whole number.
pub(super) fn int64(id: &str, what: &str) -> Result<u64, CommandError> {
    id.trim().parse().map_err(|_| {
        let detail = format!("The {what} is no Dialpad id: Dialpad's ids are whole numbers.");
        CommandError::new(Fault::Settings, detail)
    })
}
