//! Requests to a vendor's REST API: one way of waiting for our turn, signing in, timing out and
//! telling whose fault it is, for every adapter. Not here: any vendor's paths, bodies or error
//! codes; an adapter may look at the [`Answer`] of a refusal and say it better.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder, Url, header};
use serde_json::Value;
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{CommandError, Fault, RateLimit, Session};
use switchhook_engine::outbound::{self, Guard, Reach, Refused, RequestError};
use switchhook_engine::redact;

/// How long a request may wait for its turn under the vendor's limits before it is given up.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// How long to hold back after a 429 that does not say.
const UNSAID_WAIT: Duration = Duration::from_secs(30);
/// The longest a vendor may make us hold back.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How a request proves who we are.
#[allow(
    clippy::enum_variant_names,
    reason = "OAuth is the name of the protocol"
)]
#[derive(Clone, Debug)]
pub(crate) enum Auth<'a> {
    /// The connection's OAuth access token, renewed once when it is refused.
    OAuth,
    /// A fixed bearer token or API key.
    Bearer(&'a Secret),
    /// User and password.
    Basic(&'a str, &'a Secret),
    /// Not at all.
    None,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// The method.
    pub(crate) method: Method,
    /// The whole address, query included.
    pub(crate) url: Url,
    /// What stands there.
    pub(crate) reach: Reach,
    /// How we prove who we are.
    pub(crate) auth: Auth<'a>,
    /// More headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Body,
    /// The vendor's limits it counts against, all of them.
    pub(crate) limits: &'a [RateLimit],
    /// A limit the vendor counts for each user or number of the account, and for whom.
    pub(crate) limit_of: Option<(&'a RateLimit, &'a str)>,
    /// True when doing it twice would be wrong (placing a call): a lost answer is then
    /// [`Fault::Uncertain`], never "try again".
    pub(crate) once: bool,
}

impl<'a> Request<'a> {
    /// A request without body that may be repeated.
    pub(crate) fn new(method: Method, url: Url, auth: Auth<'a>) -> Self {
        Self {
            method,
            url,
            reach: Reach::Cloud,
            auth,
            headers: Vec::new(),
            body: Body::Empty,
            limits: &[],
            limit_of: None,
            once: false,
        }
    }

    /// With a JSON body.
    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// Counted against these limits.
    pub(crate) fn limited(mut self, limits: &'a [RateLimit]) -> Self {
        self.limits = limits;
        self
    }

    /// Counted against a limit of one user or number of the account as well.
    pub(crate) fn limited_for(mut self, limit: &'a RateLimit, whom: &'a str) -> Self {
        self.limit_of = Some((limit, whom));
        self
    }

    /// Never to be done twice.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

/// A vendor's answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body as JSON; `Null` when it is none.
    pub(crate) json: Value,
    /// `Retry-After` in seconds, when given.
    pub(crate) retry_after: Option<Duration>,
}

/// Sends a request and gives a 2xx answer back; anything else is an error by its status. Use
/// [`ask`] to look at refusals first.
pub(crate) async fn send(session: &Session, request: Request<'_>) -> Result<Answer, CommandError> {
    let once = request.once;
    let answer = ask(session, request).await?;
    accepted(&answer, once).map(|()| answer)
}

/// `Ok` for 2xx, else what the status means in general.
pub(crate) fn accepted(answer: &Answer, once: bool) -> Result<(), CommandError> {
    let said = message(&answer.json);
    let told = |general: &str| match &said {
        Some(said) => format!("{general} The platform says: {said}"),
        None => general.to_owned(),
    };
    let (fault, general) = match answer.status {
        200..=299 => return Ok(()),
        400 | 422 => (Fault::Target, "The platform refuses the request."),
        401 => (
            Fault::Credentials,
            "The platform does not accept our sign-in.",
        ),
        403 => (
            Fault::Permission,
            "The sign-in at the platform lacks a right for this.",
        ),
        404 | 410 => (Fault::Gone, "The platform does not know it (any more)."),
        409 | 412 => (Fault::State, "It is in no state for this."),
        429 => (Fault::RateLimited, "The platform's rate limit is reached."),
        status if status >= 500 && once => (
            Fault::Uncertain,
            "The platform failed while it worked on this; it may have been done.",
        ),
        status if status >= 500 => (Fault::Platform, "The platform has a fault."),
        _ => (
            Fault::Platform,
            "The platform gave an answer it should not.",
        ),
    };
    let mut error = CommandError::new(fault, told(general));
    error.retry_after = answer.retry_after;
    Err(error)
}

/// Sends a request and gives any answer back. Fails when there is none, or no turn. A token that
/// is refused is renewed once; 429 holds the limits back.
pub(crate) async fn ask(session: &Session, request: Request<'_>) -> Result<Answer, CommandError> {
    for limit in request.limits {
        session.limits.turn(limit, TURN_PATIENCE).await?;
    }
    if let Some((limit, whom)) = request.limit_of {
        session.limits.turn_for(limit, whom, TURN_PATIENCE).await?;
    }
    let token = match request.auth {
        Auth::OAuth => Some(session.tokens.token().await?),
        _ => None,
    };
    let outbound = &session.connection.outbound;
    let mut answer = attempt(outbound, &request, token.as_ref()).await?;
    if let (401, Some(refused)) = (answer.status, &token) {
        let renewed = session.tokens.renew(refused).await?;
        answer = attempt(outbound, &request, Some(&renewed)).await?;
    }
    if answer.status == 429 {
        let wait = answer.retry_after.unwrap_or(UNSAID_WAIT).min(LONGEST_WAIT);
        answer.retry_after = Some(wait);
        if let Some((limit, whom)) = request.limit_of {
            // The narrowest limit is the one that was reached.
            session.limits.hold_back_for(limit, whom, wait);
            return Ok(answer);
        }
        for limit in request.limits {
            session.limits.hold_back(limit, wait);
        }
    }
    Ok(answer)
}

/// Sends a request once, as it is: no waiting for a turn, no token but the one given. For token
/// endpoints; everything else goes through [`ask`].
pub(crate) async fn attempt(
    outbound: &Guard,
    request: &Request<'_>,
    token: Option<&Secret>,
) -> Result<Answer, CommandError> {
    let (method, url) = (request.method.clone(), request.url.clone());
    let builder = outbound.request(request.reach, method, url);
    let mut builder = builder.map_err(|error| match error {
        RequestError::Refused(refused) => uncalled(&refused),
        RequestError::NoClient(_) => {
            CommandError::new(Fault::Settings, format!("There is {error}."))
        }
    })?;
    builder = prove(builder, &request.auth, token);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    builder = match &request.body {
        Body::Empty => builder,
        Body::Json(body) => builder.json(body),
        Body::Form(pairs) => builder
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(pairs)),
    };
    let mut response = builder.send().await.map_err(|e| lost(&e, request.once))?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = outbound::read(&mut response, MAX_ANSWER).await;
    let body = body.map_err(|e| lost(&e, request.once))?.ok_or_else(|| {
        let detail = "The platform's answer is too large to be read.";
        CommandError::new(Fault::Platform, detail)
    })?;
    let mut json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if !(200..=299).contains(&status) {
        let given = given(request, token);
        hide(&mut json, &given.iter().collect::<Vec<_>>());
    }
    Ok(Answer {
        status,
        json,
        retry_after,
    })
}

/// What of a request is nobody else's business.
fn given(request: &Request<'_>, token: Option<&Secret>) -> Vec<Secret> {
    let mut given: Vec<Secret> = token.into_iter().cloned().collect();
    match &request.auth {
        Auth::Bearer(secret) => given.push((*secret).clone()),
        Auth::Basic(user, password) => {
            let pair = format!("{user}:{}", password.expose());
            given.extend([Secret::new(STANDARD.encode(pair)), (*password).clone()]);
        }
        Auth::OAuth | Auth::None => {}
    }
    let headers = request.headers.iter().map(|(_, value)| value);
    given.extend(headers.map(Secret::new));
    match &request.body {
        Body::Empty => {}
        Body::Json(body) => confidential(body, &mut given),
        Body::Form(pairs) => {
            let public = ["grant_type", "client_id", "redirect_uri", "scope"];
            let ours = pairs
                .iter()
                .filter(|(name, _)| !public.contains(&name.as_str()));
            given.extend(ours.map(|(_, value)| Secret::new(value)));
        }
    }
    given
}

/// The members of a body whose name says that they are secret.
fn confidential(body: &Value, found: &mut Vec<Secret>) {
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.to_ascii_lowercase();
                let words = ["secret", "token", "password", "key"];
                match value
                    .as_str()
                    .filter(|_| words.iter().any(|word| name.contains(word)))
                {
                    Some(text) => found.push(Secret::new(text)),
                    None => confidential(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| confidential(item, found)),
        _ => {}
    }
}

/// Takes secrets out of every text of an answer: what a platform throws back is shown to people.
fn hide(json: &mut Value, secrets: &[&Secret]) {
    match json {
        Value::String(text) => *text = redact::text(text, secrets).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Object(members) => members.values_mut().for_each(|value| hide(value, secrets)),
        _ => {}
    }
}

fn prove(builder: RequestBuilder, auth: &Auth<'_>, token: Option<&Secret>) -> RequestBuilder {
    match (auth, token) {
        (Auth::OAuth, Some(token)) | (&Auth::Bearer(token), _) => {
            builder.bearer_auth(token.expose())
        }
        (Auth::Basic(user, password), _) => builder.basic_auth(user, Some(password.expose())),
        (Auth::OAuth, None) | (Auth::None, _) => builder,
    }
}

/// What a broken exchange means. The error's own text may hold the address and is not shown.
fn lost(error: &reqwest::Error, once: bool) -> CommandError {
    if let Some(refused) = Refused::within(error) {
        return uncalled(refused);
    }
    if error.is_connect() {
        let detail = "The platform cannot be reached: check the address of the connection and \
                      this server's way to the internet.";
        return CommandError::new(Fault::Unreachable, detail);
    }
    let (fault, detail) = if once {
        let detail = "The platform did not answer in time; it may have been done all the same.";
        (Fault::Uncertain, detail)
    } else {
        let detail = "The platform did not answer in time.";
        (Fault::Unreachable, detail)
    };
    CommandError::new(fault, detail)
}

/// The address of the platform is none that is called.
fn uncalled(refused: &Refused) -> CommandError {
    let detail = format!("The address in the connection's settings {refused}.");
    CommandError::new(Fault::Settings, detail)
}

/// A vendor's error sentence, where it is in one of the usual places: `message`,
/// `error.message`, `error_description`, `reason`, `errors[0].message`.
pub(crate) fn message(json: &Value) -> Option<String> {
    let places = [
        "/message",
        "/error/message",
        "/error_description",
        "/reason",
        "/errors/0/message",
        "/error",
    ];
    let text = places.iter().find_map(|p| json.pointer(p)?.as_str())?;
    let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    (!text.trim().is_empty()).then(|| without_numbers(text.trim()))
}

/// Telephone numbers do not belong in logs and errors: digits from the fifth of a run on become
/// dots.
fn without_numbers(text: &str) -> String {
    let mut run = 0;
    let hidden = text.chars().map(|c| {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        if run > 4 { '·' } else { c }
    });
    hidden.collect()
}

/// A base address and a path, joined whether or not the base ends in a slash.
pub(crate) fn url(base: &str, path: &str) -> Result<Url, CommandError> {
    let joined = format!(
        "{}/{}",
        base.trim_end_matches('/'),
        path.trim_start_matches('/')
    );
    Url::parse(&joined).map_err(|_| {
        let detail = "The address of the platform in the connection's settings is not a URL.";
        CommandError::new(Fault::Settings, detail)
    })
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form(pairs: &[(String, String)]) -> String {
    let mut url = Url::parse("form:/").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url.and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_vendor_says_is_found_without_numbers() {
        let google = json!({"error": {"code": 400, "message": "bad number +31612345678"}});
        assert_eq!(message(&google).unwrap(), "bad number +3161·······");
        assert_eq!(
            message(&json!({"reason": "404 Not Found"})).unwrap(),
            "404 Not Found"
        );
        assert_eq!(message(&Value::Null), None);
    }

    #[test]
    fn what_was_given_is_not_thrown_back() {
        let url = url("https://x.example", "hooks").unwrap();
        let password = Secret::new("open sesame");
        let mut request = Request::new(Method::POST, url, Auth::Basic("ali", &password));
        request
            .headers
            .push(("x-api-key", "forty thieves".to_owned()));
        let body = json!({"hook": [{"signing_secret": "a cave of gold", "url": "https://y"}]});
        let request = request.json(body);
        let token = Secret::new("token/of the day");
        let mut answer = json!({"error": [
            "Basic YWxpOm9wZW4gc2VzYW1l", "open sesame", "key forty thieves", "a cave of gold",
            "token%2Fof%20the%20day", "https://y is no hook",
        ]});
        let given = given(&request, Some(&token));
        hide(&mut answer, &given.iter().collect::<Vec<_>>());
        let left = json!({"error": [
            "Basic ***", "***", "key ***", "***", "***", "https://y is no hook",
        ]});
        assert_eq!(answer, left);
    }

    #[test]
    fn a_lost_server_error_is_uncertain_only_where_it_must_not_be_repeated() {
        let answer = Answer {
            status: 502,
            json: Value::Null,
            retry_after: None,
        };
        assert_eq!(accepted(&answer, true).unwrap_err().fault, Fault::Uncertain);
        assert_eq!(accepted(&answer, false).unwrap_err().fault, Fault::Platform);
    }

    #[test]
    fn forms_are_encoded() {
        let pairs = [("a b".to_owned(), "c&d=é".to_owned())];
        assert_eq!(form(&pairs), "a+b=c%26d%3D%C3%A9");
    }

    #[test]
    fn addresses_are_joined() {
        let joined = url("https://x.example/base/", "/api/v2/call").unwrap();
        assert_eq!(joined.as_str(), "https://x.example/base/api/v2/call");
        assert_eq!(url("nonsense", "x").unwrap_err().fault, Fault::Settings);
    }
}
