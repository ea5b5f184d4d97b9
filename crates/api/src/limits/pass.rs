//! What one request carries through the limits: from which address it comes, how its caller
//! stands after it, and what is told about that in the headers of its answer.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::bucket::Standing;
use super::{Limits, whole_seconds};
use crate::auth::Caller;
use crate::client::Client;
use crate::problem::{Carried, Code, Problem};
use crate::state::ApiConfig;
use crate::webhooks::is_hook;

/// The headers of the limits, as the draft's sixth version names them.
pub(crate) const HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];
/// Routes on which people sign in, here or at a platform.
const SIGN_INS: [&str; 7] = [
    "/sign-in",
    "/auth/",
    "/authorize",
    "/api/sign-in",
    "/api/set-up",
    "/api/invitations/look",
    "/api/invitations/accept",
];

/// One request's way through the limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass {
    address: Option<IpAddr>,
    signs_in: bool,
    /// Credentials on a hook are never held against an address, which may be a platform's for all
    /// its customers.
    hook: bool,
    found: Arc<Mutex<Found>>,
}

#[derive(Debug, Default)]
struct Found {
    /// True when it came with a key or the operators' secret.
    tried: bool,
    standing: Option<Standing>,
}

impl Pass {
    /// Gives the request its pass.
    pub(crate) fn new(request: &mut Request, client: Client, config: &ApiConfig) -> Self {
        let path = request.uri().path();
        let pass = Self {
            address: client.countable(config),
            signs_in: SIGN_INS.iter().any(|prefix| path.starts_with(prefix)),
            hook: is_hook(path),
            found: Arc::default(),
        };
        request.extensions_mut().insert(pass.clone());
        pass
    }

    /// The pass of this request.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Why this request is not let in, whatever it wants.
    pub(crate) fn at_the_door(&self, limits: &Limits) -> Option<Problem> {
        if self.signs_in {
            return limits.may_sign_in(self.address).err();
        }
        None
    }

    /// Refuses to look at a key or secret when too many of this address were wrong.
    pub(crate) fn may_try(&self, limits: &Limits) -> Result<(), Problem> {
        limits.may_try(self.address)?;
        self.found().tried = true;
        Ok(())
    }

    /// Counts a request of an app.
    pub(crate) fn caller(&self, limits: &Limits, caller: &Caller) -> Result<(), Problem> {
        let (standing, result) = limits.caller(caller);
        self.found().standing = standing;
        result
    }

    /// Counts a request of an operator.
    pub(crate) fn operator(&self, limits: &Limits) -> Result<(), Problem> {
        let (standing, result) = limits.operator();
        self.found().standing = standing;
        result
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what came of it, where that was a failure.
    pub(crate) fn note(&self, limits: &Limits, response: &Response) {
        let code = response.extensions().get::<Carried>();
        let code = code.map(|Carried(problem)| problem.code());
        let status = response.status();
        let wrong = matches!(code, Some(Code::KeyInvalid | Code::OperatorSecretWrong));
        if wrong && !self.hook && self.found().tried {
            limits.tried_in_vain(self.address);
        }
        if self.signs_in && code != Some(Code::RateLimited) && did_not_sign_in(status, response) {
            limits.signed_in_in_vain(self.address);
        }
    }

    /// Counts a key that was refused on a socket.
    pub(crate) fn refused(&self, limits: &Limits, problem: &Problem) {
        if problem.code() == Code::KeyInvalid {
            limits.tried_in_vain(self.address);
        }
    }

    /// Tells the caller how they stand.
    pub(crate) fn tell(&self, response: &mut Response) {
        let Some(standing) = self.found().standing else {
            return;
        };
        let policy = format!("{};w={}", standing.limit, standing.window);
        let Ok(policy) = HeaderValue::from_str(&policy) else {
            return;
        };
        let reset = whole_seconds(standing.reset);
        let values = [
            policy,
            standing.limit.into(),
            standing.remaining.into(),
            reset.into(),
        ];
        for (name, value) in HEADERS.into_iter().zip(values) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Refused, or led back to the page with the reason.
fn did_not_sign_in(status: StatusCode, response: &Response) -> bool {
    let target = response.headers().get(header::LOCATION);
    let target = target.and_then(|target| target.to_str().ok());
    let led_back = |to: &str| to == crate::sign_in::EXPIRED || to.contains("sign_in_error=");
    status.is_client_error() || target.is_some_and(led_back)
}
