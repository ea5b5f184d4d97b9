//! `GET /ws`: the same events as `GET /api/events`, the moment they are committed.
//!
//! Start reading at [`session`]. The socket's library is used without the framework's wrapper,
//! because only so can large messages be sent in pieces, which keeps idle sockets small.

pub(crate) mod limits;
pub(crate) mod protocol;
pub(crate) mod session;
mod socket;
pub(crate) mod watch;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use self::protocol::Resume;
use self::session::{Dialect, Visitor, refusal, shown};
use self::socket::Socket;
use crate::auth::{by_session, cross_site, is_same_origin, key_header, session_cookie};
use crate::cors;
use crate::inherited::{Inherited, frames};
use crate::limits::pass::Pass;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Code, Problem};
use crate::state::{Inner, Shared};

errors!(WsErrors: [
    InvalidParameter, CrossSiteRequest, OriginNotAllowed, UpgradeRequired, RateLimited,
    TooManyConnections,
]);

/// Listen to events
///
/// A WebSocket. The key comes in a header, in `api_key`, in the cookie of a page of this server,
/// or in the first message `{"type":"auth","api_key":"…"}` within 10 seconds.
///
/// The server says `hello`, then either the missing events (`recovered: true`, when `after` and
/// `epoch` name a position that is still in reach) or a `snapshot` of all open calls, then every
/// event as an `EventFrame`. `{"type":"ping"}` is answered with `{"type":"pong"}`. Large messages
/// come in several frames.
///
/// Close codes: 4400 bad first message, 4401 key or session missing, wrong or revoked, 4403 app
/// switched off or scope `events:read` missing, 4408 too slow (resume with the last `seq`),
/// 4429 too many messages, 1001 server going away, 1009 message too large, 1013 try again later.
#[utoipa::path(
    get, path = "/ws", tag = "Events", operation_id = "listen",
    params(
        ("api_key" = Option<String>, Query,
            description = "The API key, where headers cannot be set. Prefer the first message: \
                addresses end up in logs."),
        ("after" = Option<u64>, Query,
            description = "The last `seq` already known.",
            example = 120),
        ("epoch" = Option<uuid::Uuid>, Query, description = "The epoch `after` belongs to."),
    ),
    responses((status = 101, description = "The socket is open."), WsErrors),
    security((), ("key" = []), ("key_query" = []), ("session" = [])),
)]
pub(crate) async fn upgrade(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let Ok(response) = create_response_with_body(&request, axum::body::Body::empty) else {
        return Err(not_a_handshake());
    };
    let (mut parts, _) = request.into_parts();
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(not_a_handshake());
    };
    let dialect = match parts.extensions.get::<Inherited>() {
        Some(_) => Dialect::Inherited,
        None => Dialect::Native,
    };
    let params = Params::read(&parts.uri, &["api_key", "after", "epoch"])?;
    let after = match params.one("after")? {
        Some(_) => Some(params.number("after", 0, 0..=u64::MAX)?),
        None => None,
    };
    let resume = Resume {
        after,
        epoch: params.id("epoch")?,
    };
    cors::may_listen(&parts.headers, &shared.config)?;
    let visitor = match dialect {
        Dialect::Native => visitor(&shared, &parts, &params).await?,
        Dialect::Inherited => frames::visitor(&shared, &parts, &params).await?,
    };
    let full = || {
        let detail = "The most WebSocket connections are open. Try again later.";
        Problem::new(Code::TooManyConnections, detail)
    };
    let mut place = shared.counts.enter().ok_or_else(full)?;
    if let Visitor::Known(caller) = &visitor
        && !place.belongs_to(caller.app())
    {
        return Err(full());
    }
    let tracker = shared.sockets.clone();
    tracker.spawn(async move {
        // An upgrade that fails is a client that went away.
        if let Ok(upgraded) = upgrade.await {
            let socket = Socket::new(upgraded).await;
            session::run(socket, shared, (visitor, dialect), resume, place).await;
        }
    });
    Ok(response.into_response())
}

fn not_a_handshake() -> Problem {
    let detail = "This address speaks WebSocket. Connect with a WebSocket client, version 13; a \
                  proxy in between must pass Upgrade and Connection on.";
    Problem::new(Code::UpgradeRequired, detail)
}

/// Whoever shows a credential in the handshake is checked at once. One that is no good is let in
/// only to be told so by a close code, the one thing a browser's script can see.
async fn visitor(shared: &Inner, parts: &Parts, params: &Params) -> Result<Visitor, Problem> {
    let (headers, pass) = (&parts.headers, Pass::of(parts));
    let checked = if let Some(key) = key_header(headers) {
        shown(shared, &pass, key).await
    } else if let Some(key) = params.one("api_key")? {
        shown(shared, &pass, key).await
    } else if let Some(token) = session_cookie(headers, shared.is_https()) {
        if !is_same_origin(headers, shared.config.public_url.as_deref()) {
            return Err(cross_site());
        }
        let caller = by_session(shared, token).await;
        if let Ok(caller) = &caller {
            shared.limits.may_open_socket(caller)?;
        }
        caller
    } else {
        return Ok(Visitor::Silent(pass));
    };
    Ok(match checked {
        Ok(caller) => Visitor::Known(Box::new(caller)),
        // Letting in whoever comes too often would be what they want.
        Err(problem) if problem.code() == Code::RateLimited => return Err(problem),
        Err(problem) => Visitor::Refused(refusal(&problem)),
    })
}
