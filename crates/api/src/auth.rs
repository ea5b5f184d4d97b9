//! Who is asking: an app by its key, a person by the session of the browser, an operator by the
//! bearer secret. A handler that names one of these extractors cannot forget to check.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use switchhook_domain::id::AppId;
use switchhook_engine::access::{Access, AccessError, same_secret};
use switchhook_engine::agents::TOKEN_PREFIX;
use switchhook_engine::rights::{Role, Scope, Scopes};
use switchhook_engine::seal::digest;

use crate::audit::Trace;
use crate::limits::pass::Pass;
use crate::problem::{Code, Problem, app_inactive};
use crate::state::{Inner, Shared};

/// The cookie of a browser session.
pub(crate) const COOKIE: &str = "switchhook_session";
/// The same where people come by https.
const HOST_COOKIE: &str = "__Host-switchhook_session";
/// The headers an API key may come in, the predecessor's first.
pub(crate) const KEY_HEADERS: [&str; 2] = ["x-app-api-key", "x-api-key"];

/// How the caller proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// With an API key.
    Key,
    /// With the session of a browser; the hash of its token.
    Session([u8; 32]),
    /// With the token of an agent's embedded panel; its hash.
    Token([u8; 32]),
}

/// Somebody who may see one app.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// What they may see, and as what.
    pub(crate) access: Access,
    /// How they proved it.
    pub(crate) by: By,
}

impl Caller {
    /// The app they may see.
    pub(crate) fn app(&self) -> AppId {
        self.access.app.id
    }

    /// Refuses those who may not do it. Every handler says first what it needs.
    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.access.scopes.has(scope) {
            return Ok(());
        }
        Err(self.lacks(scope.as_str()))
    }

    /// Refuses to give away more than they have themselves.
    pub(crate) fn may_give(&self, scopes: Scopes) -> Result<(), Problem> {
        let own = self.access.scopes;
        if own.covers(scopes) {
            return Ok(());
        }
        let mut asked = Scope::ALL.iter().filter(|scope| scopes.has(**scope));
        let lacking = asked.find(|scope| !own.has(**scope));
        // Who has each scope by name has not what may be added later.
        Err(self.lacks(lacking.map_or(Scopes::ALL_WORD, |scope| scope.as_str())))
    }

    fn lacks(&self, scope: &str) -> Problem {
        match self.by {
            By::Key => {
                let detail = format!("This API key lacks the scope {scope}. Use one that has it.");
                Problem::new(Code::ScopeMissing, detail).with("scope", scope)
            }
            By::Token(_) if Role::Agent.scopes().names().contains(&scope) => {
                let detail = format!(
                    "Whoever minted this token lacks the scope {scope}. Mint the token with a key \
                     that has it, or as somebody who has."
                );
                Problem::new(Code::ScopeMissing, detail).with("scope", scope)
            }
            By::Token(_) => {
                let detail = format!(
                    "The token of a panel may do what an agent may, and that is not {scope}. Let \
                     your backend do it with its key."
                );
                Problem::new(Code::RoleNotAllowed, detail).with("scope", scope)
            }
            By::Session(_) => {
                let role = self.access.role.as_str();
                let detail = format!(
                    "You are signed in as {role}, which does not include {scope}. Ask an \
                     administrator."
                );
                Problem::new(Code::RoleNotAllowed, detail).with("scope", scope)
            }
        }
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        // Checked and counted already, by a layer of ours.
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let (trace, pass) = (Trace::of(parts), Pass::of(parts));
        if let Some(key) = key_header(&parts.headers) {
            pass.may_try(&shared.limits)?;
            let caller = by_key(shared, key).await?;
            pass.caller(&shared.limits, &caller)?;
            trace.caller(&caller);
            trace.begin(shared).await?;
            return Ok(caller);
        }
        let Some(token) = session_cookie(&parts.headers, shared.is_https()) else {
            let detail = "Missing x-app-api-key header. Send your API key in x-app-api-key or \
                          x-api-key, or sign in with a link.";
            return Err(Problem::new(Code::KeyMissing, detail));
        };
        let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && !is_same_origin(&parts.headers, shared.config.public_url.as_deref()) {
            return Err(cross_site());
        }
        let caller = by_session(shared, token).await?;
        pass.caller(&shared.limits, &caller)?;
        trace.caller(&caller);
        trace.begin(shared).await?;
        Ok(caller)
    }
}

/// Checks an API key, or the token of a panel.
pub(crate) async fn by_key(shared: &Inner, key: &str) -> Result<Caller, Problem> {
    let access = shared.gate.key(key.trim()).await?.map_err(refused)?;
    let by = match access.agent_id {
        Some(_) => By::Token(digest(key.trim().as_bytes())),
        None => By::Key,
    };
    Ok(Caller { access, by })
}

/// Checks a session.
pub(crate) async fn by_session(shared: &Inner, token: &str) -> Result<Caller, Problem> {
    let access = shared.gate.session(token).await?.map_err(refused)?;
    Ok(Caller {
        access,
        by: By::Session(digest(token.as_bytes())),
    })
}

fn refused(error: AccessError) -> Problem {
    match error {
        AccessError::Invalid => Problem::new(
            Code::KeyInvalid,
            "Invalid API key or session: it is wrong, has expired or was revoked.",
        ),
        AccessError::InactiveApp => app_inactive(),
        AccessError::Busy => {
            let detail = "Too many unknown keys are being checked at the moment. Try again in a \
                          moment.";
            Problem::new(Code::TimedOut, detail)
        }
    }
}

/// A request of another site that came with this browser's cookie.
pub(crate) fn cross_site() -> Problem {
    let detail = "A request with the cookie of a browser must come from a page of this server. \
                  Programs use an API key instead.";
    Problem::new(Code::CrossSiteRequest, detail)
}

/// The API key in the headers, or the token of a panel, which may also come as a bearer.
pub(crate) fn key_header(headers: &HeaderMap) -> Option<&str> {
    let named = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        bearer(value).filter(|token| token.starts_with(TOKEN_PREFIX))
    };
    let mut keys = KEY_HEADERS.iter();
    keys.find_map(|name| headers.get(*name)?.to_str().ok())
        .or_else(named)
}

/// The name of the session's cookie. Over https it has the prefix with which browsers see to it
/// that no other host of the domain can set it.
pub(crate) fn cookie_name(https: bool) -> &'static str {
    if https { HOST_COOKIE } else { COOKIE }
}

/// The session's token in the cookies.
pub(crate) fn session_cookie(headers: &HeaderMap, https: bool) -> Option<&str> {
    let wanted = cookie_name(https);
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == wanted && !value.is_empty()).then_some(value)
        })
}

/// Whether a request comes from a page of this server. Browsers say so in `Sec-Fetch-Site`, or
/// by `Origin`; a page of another site can forge neither. Without both the answer is no.
pub(crate) fn is_same_origin(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    let Some(origin) = text("origin").and_then(authority) else {
        return false;
    };
    let public = public_url.and_then(authority);
    let host = text("host").map(str::to_ascii_lowercase);
    public.is_some_and(|public| public == origin) || host.is_some_and(|host| same(&host, &origin))
}

/// Host and port of an address, lower case, with its scheme's own port left out.
fn authority(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or(rest).to_ascii_lowercase();
    let port = match scheme {
        "https" | "wss" => ":443",
        _ => ":80",
    };
    Some(
        authority
            .strip_suffix(port)
            .map_or(authority.clone(), str::to_owned),
    )
}

fn same(host: &str, origin: &str) -> bool {
    host == origin
        || [":80", ":443"]
            .iter()
            .any(|port| host.strip_suffix(port) == Some(origin))
}

/// Somebody who holds the operators' secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator;

impl FromRequestParts<Shared> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        // As above.
        if let Some(operator) = parts.extensions.get::<Self>() {
            return Ok(*operator);
        }
        let expected = shared
            .config
            .internal_secret
            .as_ref()
            .map(|secret| secret.expose());
        let Some(expected) = expected.filter(|secret| !secret.trim().is_empty()) else {
            let detail = "INTERNAL_API_SECRET environment variable is missing. Set it and start \
                          the server again.";
            return Err(Problem::new(Code::OperatorSecretNotSet, detail));
        };
        let given = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some(given) = given.and_then(bearer) else {
            let detail = "Missing or invalid Authorization header. Use: Authorization: Bearer \
                          <secret>";
            return Err(Problem::new(Code::OperatorSecretMissing, detail));
        };
        let pass = Pass::of(parts);
        pass.may_try(&shared.limits)?;
        if same_secret(given, expected) {
            pass.operator(&shared.limits)?;
            let trace = Trace::of(parts);
            trace.operator();
            trace.begin(shared).await?;
            return Ok(Self);
        }
        let detail = "Invalid authentication token. Compare it with INTERNAL_API_SECRET of the \
                      server.";
        Err(Problem::new(Code::OperatorSecretWrong, detail))
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&str, &str)| {
            let name: axum::http::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        };
        pairs.iter().map(parse).collect()
    }

    #[test]
    fn only_pages_of_this_server_are_of_the_same_origin() {
        let public = Some("https://cti.example.nl");
        for (given, expected) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://cti.example.nl"),
                ],
                false,
            ),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://cti.example.nl")], true),
            (&[("origin", "https://CTI.example.nl:443")], true),
            (
                &[
                    ("origin", "https://evil.example"),
                    ("host", "127.0.0.1:4000"),
                ],
                false,
            ),
            (
                &[
                    ("origin", "http://127.0.0.1:4000"),
                    ("host", "127.0.0.1:4000"),
                ],
                true,
            ),
            (
                &[
                    ("origin", "http://127.0.0.1:4001"),
                    ("host", "127.0.0.1:4000"),
                ],
                false,
            ),
            (&[("origin", "null"), ("host", "127.0.0.1:4000")], false),
        ] {
            assert_eq!(
                is_same_origin(&headers(given), public),
                expected,
                "{given:?}"
            );
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let given = headers(&[("cookie", "a=1; switchhook_session=abc; b=2")]);
        assert_eq!(session_cookie(&given, false), Some("abc"));
        assert_eq!(
            session_cookie(&headers(&[("cookie", "xswitchhook_session=abc")]), false),
            None
        );
        assert_eq!(
            session_cookie(&headers(&[("cookie", "switchhook_session=")]), false),
            None
        );
    }

    #[test]
    fn over_https_only_the_hosts_own_cookie_counts() {
        let given = headers(&[(
            "cookie",
            "switchhook_session=planted; __Host-switchhook_session=abc",
        )]);
        assert_eq!(session_cookie(&given, true), Some("abc"));
        let planted = headers(&[("cookie", "switchhook_session=planted")]);
        assert_eq!(session_cookie(&planted, true), None);
    }

    #[test]
    fn a_bearer_is_read_in_any_case() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
    }
}
