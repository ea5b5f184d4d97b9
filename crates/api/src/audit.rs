//! What goes on record, and reading it. Every request that changes something is recorded with
//! who asked, from where and how it ended, without the handlers' doing: they only add what was so
//! before. Refused credentials and signatures are recorded too, so many a minute and no more, so
//! that nobody can fill the disk. Not here: how entries are chained and kept (the engine).

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchhook_domain::id::{AppId, UserId};
use switchhook_engine::audit::{Audit, Begun, Deed};
use switchhook_engine::rights::Scope;
use switchhook_engine::store::{Actor, ActorKind, AuditEntry, AuditQuery};
use utoipa::ToSchema;

use crate::answer;
use crate::auth::{By, Caller, Operator};
use crate::client::Client;
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::{Carried, Code, Problem};
use crate::schemas::All;
use crate::sightings;
use crate::state::{Inner, Shared};

/// Routes that sign in although they are read.
const LINKS: [&str; 2] = ["/sign-in", "/sign-in/oidc/callback"];
/// Where drafts are kept while somebody writes, every few seconds: nobody relies on them, and what
/// they become is put on record with the disposition.
const DRAFTS: &str = "/api/contact-moments/{id}";
/// Entries a minute for credentials and signatures that were refused.
const REFUSED_PER_MINUTE: u32 = 60;
/// The largest answer that is put on record, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;
/// The page size when none is asked for.
const DEFAULT_LIMIT: u64 = 100;
/// The largest page.
const MAX_LIMIT: u64 = 1000;
/// The largest number an entry can have: what a database column holds.
const MAX_NO: u64 = i64::MAX as u64;

/// What is found out about a request on its way through: filled by the extractors of credentials
/// and by handlers, read when the answer is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    /// What the request would change, when it would.
    plan: Option<Plan>,
    /// That it has begun was written down.
    begun: Option<Begun>,
    actor: Option<Actor>,
    app: Option<AppId>,
    before: Option<Value>,
    /// Whose account somebody tried to come into.
    suspect: Option<(AppId, UserId)>,
    /// What is told instead of the answer; makes the request worth an entry.
    told: Option<Value>,
    /// Recordings and the like that the answer shows.
    shown: Vec<String>,
}

/// What is known of a request that would change something before anybody has looked at it.
#[derive(Clone, Debug)]
struct Plan {
    address: Option<String>,
    request_id: String,
    action: String,
    target: String,
}

impl Trace {
    fn with(&self, change: impl FnOnce(&mut Found)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The trace of this request.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Somebody with a good key or session.
    pub(crate) fn caller(&self, caller: &Caller) {
        let access = &caller.access;
        let (kind, id, name) = match caller.by {
            By::Key => {
                let id = access.key_id.map(|key| key.to_string());
                (ActorKind::Key, id.unwrap_or_default(), "API key")
            }
            By::Token(_) => {
                let id = access.agent_id.map(|agent| agent.to_string());
                (ActorKind::Session, id.unwrap_or_default(), "agent token")
            }
            By::Session(hash) => {
                let id = hash.iter().take(4).map(|byte| format!("{byte:02x}"));
                let user = access.user_id.map(|user| user.to_string());
                let id = user.unwrap_or_else(|| id.collect());
                (ActorKind::Session, id, access.role.as_str())
            }
        };
        let name = name.to_owned();
        self.with(|found| {
            found.app = Some(caller.app());
            found.actor = Some(Actor { kind, id, name });
        });
    }

    /// Somebody with the operators' secret.
    pub(crate) fn operator(&self) {
        let actor = Actor {
            kind: ActorKind::Operator,
            id: String::new(),
            name: "operator".to_owned(),
        };
        self.with(|found| found.actor = Some(actor));
    }

    /// Writes down that whoever was found out to be asking is about to change something. What
    /// comes after it may change it; what ends without an entry gets one from `Audit::settle`.
    ///
    /// # Errors
    /// When the database is away: nothing may be changed then.
    pub(crate) async fn begin(&self, shared: &Inner) -> Result<(), Problem> {
        let mut deed = None;
        self.with(|found| {
            if let (Some(plan), Some(actor)) = (found.plan.take(), &found.actor) {
                deed = Some(Deed {
                    app_id: found.app,
                    actor: actor.clone(),
                    address: plan.address,
                    request_id: Some(plan.request_id),
                    action: plan.action,
                    target: plan.target,
                    status: 0,
                    before: None,
                    after: None,
                });
            }
        });
        if let Some(deed) = deed {
            let begun = shared.audit.begin(shared.mint().uuid(), &deed).await?;
            self.with(|found| found.begun = Some(begun));
        }
        Ok(())
    }

    /// The app it is about, where the credential does not say.
    pub(crate) fn about(&self, app: AppId) {
        self.with(|found| found.app = Some(app));
    }

    /// Whose account somebody tried to come into.
    pub(crate) fn suspect(&self, app: AppId, user: UserId) {
        self.with(|found| found.suspect = Some((app, user)));
    }

    /// What was so before the change.
    pub(crate) fn before(&self, value: &impl Serialize) {
        let value = serde_json::to_value(value).ok();
        self.with(|found| found.before = value);
    }

    /// Puts the request on record though it changes nothing, with this instead of its answer.
    pub(crate) fn tell(&self, value: Value) {
        self.with(|found| found.told = Some(value));
    }

    /// The answer leads to a recording, or shows what was said: what kind of thing, and its id.
    pub(crate) fn shows(&self, what: &str, id: impl std::fmt::Display) {
        self.with(|found| found.shown.push(format!("{what} {id}")));
    }

    /// The same of a call record, when it leads to any.
    pub(crate) fn shows_call(&self, record: &[u8]) {
        if let Some(id) = sightings::leads_to_recordings(record) {
            self.shows("call", id);
        }
    }
}

impl axum::extract::FromRequestParts<Shared> for Trace {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// Counts what is put on record for strangers.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<(i64, u32)>);

impl Refusals {
    /// Whether one more may be noted, and how many of an earlier minute were not.
    fn count(&self, minute: i64) -> (bool, u32) {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if count.0 != minute {
            left_out = count.1.saturating_sub(REFUSED_PER_MINUTE);
            *count = (minute, 0);
        }
        count.1 = count.1.saturating_add(1);
        (count.1 <= REFUSED_PER_MINUTE, left_out)
    }
}

/// A request as it will be put on record.
pub(crate) struct Witness {
    trace: Trace,
    client: Client,
    request_id: String,
    method: Method,
    route: String,
    target: String,
}

impl Witness {
    /// Notes who and what, and gives the request a trace to be filled.
    pub(crate) fn new(request: &mut Request, client: Client, request_id: &str) -> Self {
        let trace = Trace::default();
        let route = request.extensions().get::<MatchedPath>();
        let witness = Self {
            trace: trace.clone(),
            client,
            request_id: request_id.to_owned(),
            method: request.method().clone(),
            route: route.map_or("-", MatchedPath::as_str).to_owned(),
            target: request.uri().path().to_owned(),
        };
        if witness.changes() {
            let plan = Plan {
                address: client.address.map(|address| address.to_string()),
                request_id: request_id.to_owned(),
                action: witness.action(),
                target: witness.target.clone(),
            };
            trace.with(|found| found.plan = Some(plan));
        }
        request.extensions_mut().insert(trace);
        witness
    }

    fn action(&self) -> String {
        format!("{} {}", self.method, self.route)
    }

    /// True for what changes something; platforms' notifications are kept as such elsewhere.
    fn changes(&self) -> bool {
        let looks = matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let operators = self.route.starts_with("/internal/");
        let hook = self.route.contains("webhook") && !operators;
        let draft = self.method == Method::PATCH && self.route == DRAFTS;
        LINKS.contains(&&*self.route) || !looks && !hook && !draft && self.route != "-"
    }

    /// True for a credential, a sign-in link or a signature that was not good. Nothing at all is
    /// no credential.
    fn is_refusal(&self, code: Option<Code>) -> bool {
        let bad = [
            Code::KeyInvalid,
            Code::OperatorSecretWrong,
            Code::SignatureInvalid,
            Code::LinkExpired,
        ];
        let password = code == Some(Code::SignInRefused) && self.route == "/api/sign-in";
        password || code.map_or(LINKS.contains(&&*self.route), |code| bad.contains(&code))
    }

    /// The app in the path of an operator's request that worked: it is for that app to see.
    fn app_of_path(&self, status: StatusCode) -> Option<AppId> {
        let inside = self.route.starts_with("/internal/apps/{app_id}");
        let id = self.target.split('/').nth(3).filter(|_| inside)?;
        id.parse().ok().filter(|_| status.is_success())
    }

    /// Puts the request on record, if it belongs there, and gives the answer back.
    pub(crate) async fn record(self, shared: &Inner, mut response: Response) -> Response {
        let code = response.extensions().get::<Carried>();
        let code = code.map(|Carried(problem)| problem.code());
        let mut found = {
            let mut found = self.trace.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *found)
        };
        let (actor, app, before) = (found.actor.take(), found.app, found.before.take());
        let suspect = found.suspect;
        let now = shared.clock.now();
        let status = response.status();
        if let (Some(actor), true) = (&actor, status.is_success()) {
            shared.sightings.keep_new(now, actor, &mut found.shown);
        }
        let worth_it = match (&actor, code) {
            (Some(_), _) => self.changes() || found.told.is_some() || !found.shown.is_empty(),
            (None, code) => self.is_refusal(code) && self.is_counted(shared, now).await,
        };
        if !worth_it {
            return response;
        }
        let shown = !found.shown.is_empty() && !self.changes();
        let after = match code {
            Some(code) => Some(json!({ "code": code.as_str() })),
            None if found.told.is_some() => found.told.take(),
            None if shown => Some(json!({ "shown": found.shown })),
            None => told(&mut response).await,
        };
        let stranger = actor.is_none();
        let deed = Deed {
            app_id: app
                .or(suspect.map(|(app, _)| app))
                .or_else(|| self.app_of_path(status)),
            actor: actor.unwrap_or_else(|| Actor {
                kind: ActorKind::Stranger,
                id: suspect.map_or_else(String::new, |(_, user)| user.to_string()),
                name: suspect.map_or("unknown", |_| "as this person").to_owned(),
            }),
            address: self.client.address.map(|address| address.to_string()),
            action: self.action(),
            request_id: Some(self.request_id),
            // What a stranger puts into a path is not kept, and hook ids are half a secret.
            target: if stranger { self.route } else { self.target },
            status: status.as_u16(),
            before,
            after,
        };
        if shown {
            // Who only looks does not wait for the disk, as long as few do so at once.
            shared.sightings.note_later(shared, deed).await;
        } else {
            end(&shared.audit, found.begun.take(), deed).await;
        }
        response
    }

    /// Counts a refusal; true when it may be noted. How many were left out is noted as soon as
    /// another minute's come.
    async fn is_counted(&self, shared: &Inner, now: switchhook_domain::Timestamp) -> bool {
        let (may, left_out) = shared.refusals.count(now.as_second() / 60);
        if left_out > 0 {
            let deed = Deed {
                app_id: None,
                actor: Actor {
                    kind: ActorKind::Stranger,
                    id: String::new(),
                    name: "unknown".to_owned(),
                },
                address: None,
                request_id: None,
                action: "refusals.left_out".to_owned(),
                target: "credentials and signatures".to_owned(),
                status: 0,
                before: None,
                after: Some(json!({ "count": left_out })),
            };
            note(&shared.audit, deed).await;
        }
        may
    }
}

/// Puts a deed on record; that it could not be is for the operator to see.
pub(crate) async fn note(audit: &Audit, deed: Deed) {
    end(audit, None, deed).await;
}

/// The same of one that may have begun: what cannot be put on record now is, later, as cut short.
async fn end(audit: &Audit, begun: Option<Begun>, deed: Deed) {
    let noted = match begun {
        Some(begun) => audit.end(begun, deed).await,
        None => audit.note(deed).await,
    };
    if let Err(error) = noted {
        tracing::error!(%error, "a deed could not be put on record");
    }
}

/// The answer as JSON, when it is some; the answer itself stays as it was.
async fn told(response: &mut Response) -> Option<Value> {
    let kind = response.headers().get(header::CONTENT_TYPE)?;
    let json = kind.to_str().is_ok_and(|kind| kind.contains("json"));
    let small = response.body().size_hint().exact()? <= MAX_ANSWER;
    if !json || !small {
        return None;
    }
    let body = std::mem::take(response.body_mut());
    let bytes = to_bytes(body, usize::MAX).await.ok()?;
    let value = serde_json::from_slice(&bytes).ok();
    *response.body_mut() = Body::from(bytes);
    value
}

/// One entry of the audit log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Its place in the log, from 1, without gaps.
    #[schema(example = 42)]
    no: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who: `key`, `session`, `operator`, `platform` or `stranger`, with the id they are known by.
    #[schema(value_type = Object)]
    actor: Actor,
    /// From which address.
    address: Option<String>,
    /// The id of the request.
    request_id: Option<String>,
    /// What: method and route, or a command of the command line.
    #[schema(example = "POST /internal/apps/{app_id}/connections")]
    action: String,
    /// To what: the path.
    target: String,
    /// The status it ended with; 0 for commands, and for what was cut short.
    #[schema(example = 201)]
    status: u16,
    /// What was so before, secrets taken out; null where it is not known.
    #[schema(value_type = Option<Object>)]
    before: Option<Box<RawValue>>,
    /// The answer, secrets taken out; only its `code` when it was refused, and `outcome: unknown`
    /// when it was cut short and may have been done or not.
    #[schema(value_type = Option<Object>)]
    after: Option<Box<RawValue>>,
    /// Keyed hash over this entry and the one before, hexadecimal.
    hash: String,
}

impl Entry {
    fn of(entry: AuditEntry) -> Self {
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        let hash = entry.hash.iter().map(|byte| format!("{byte:02x}"));
        Self {
            no: entry.no,
            at: answer::time(entry.at),
            actor: entry.actor,
            address: entry.address,
            request_id: entry.request_id,
            action: entry.action,
            target: entry.target,
            status: entry.status,
            before: raw(entry.before),
            after: raw(entry.after),
            hash: hash.collect(),
        }
    }
}

errors!(AuditErrors: CALLER []);
errors!(OperatorAuditErrors: OPERATOR [InvalidParameter]);

/// Read the audit log
///
/// Who changed what in this app, the newest first. Only administrators and API keys read it.
#[utoipa::path(
    get, path = "/api/audit", tag = "Audit", operation_id = "list_audit",
    params(
        ("limit" = Option<u32>, Query, example = 100,
            description = "1 to 1000; 100 when left out."),
        ("before" = Option<u64>, Query,
            description = "Only entries with a smaller `no`: the next page."),
        ("action" = Option<String>, Query, description = "Only this action.",
            example = "DELETE /api/contacts/{id}"),
        ("since" = Option<String>, Query, description = "Only from then on, RFC 3339."),
        ("until" = Option<String>, Query, description = "Only before then, RFC 3339."),
    ),
    responses((status = 200, description = "The entries.", body = All<Entry>), AuditErrors),
    security(("key" = ["audit:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::AuditRead)?;
    page(&shared, Some(caller.app()), &uri).await
}

/// Read the operators' audit log
///
/// What was done with the operators' secret and belongs to no app, and credentials that were
/// refused before it was known whose they are.
#[utoipa::path(
    get, path = "/internal/audit", tag = "Audit", operation_id = "list_operator_audit",
    params(
        ("limit" = Option<u32>, Query, example = 100,
            description = "1 to 1000; 100 when left out."),
        ("before" = Option<u64>, Query,
            description = "Only entries with a smaller `no`: the next page."),
        ("action" = Option<String>, Query, description = "Only this action.",
            example = "POST /internal/apps"),
        ("since" = Option<String>, Query, description = "Only from then on, RFC 3339."),
        ("until" = Option<String>, Query, description = "Only before then, RFC 3339."),
    ),
    responses(
        (status = 200, description = "The entries.", body = All<Entry>),
        OperatorAuditErrors,
    ),
    security(("operator" = [])),
)]
pub(crate) async fn operators(
    State(shared): State<Shared>,
    _: Operator,
    uri: Uri,
) -> Result<Response, Problem> {
    page(&shared, None, &uri).await
}

async fn page(shared: &Inner, app: Option<AppId>, uri: &Uri) -> Result<Response, Problem> {
    let params = Params::read(uri, &["limit", "before", "action", "since", "until"])?;
    let limit = params.number("limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?;
    let before = params.one("before")?.is_some();
    let query = AuditQuery {
        action: params.one("action")?.map(str::to_owned),
        since: params.time("since")?,
        until: params.time("until")?,
        before: before
            .then(|| params.number("before", 1, 1..=MAX_NO))
            .transpose()?,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    let entries = shared.store.audit(app, &query).await?;
    let entries: Vec<_> = entries.into_iter().map(Entry::of).collect();
    answer::one(StatusCode::OK, &entries)
}
