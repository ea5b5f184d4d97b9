//! Errors as the outside sees them: one closed list of codes, one shape (RFC 9457 with the
//! members of the predecessor), one page for each code.
//!
//! A handler returns a [`Problem`]; `outer` gives it the id of the request and writes
//! it. Texts here are for strangers: never a credential, a telephone number or a body.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use switchhook_engine::admin::AdminError;
use switchhook_engine::people::PeopleError;
use switchhook_engine::store::StoreError;

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong. The set is closed; each has a page in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Code {
            $(#[doc = $title] #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status that goes with it, unless a platform's contract wants another.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The same title for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// The page that explains it, Markdown. A code without a page does not compile.
            #[must_use]
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$variant => {
                        include_str!(concat!("../../../docs/errors/", $name, ".md"))
                    })*
                }
            }

            /// The code of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", BAD_REQUEST, "Bad request";
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "Invalid parameter";
    InvalidId = "invalid_id", BAD_REQUEST, "Invalid id";
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "Invalid cursor";
    InvalidBody = "invalid_body", BAD_REQUEST, "Invalid body";
    InvalidField = "invalid_field", BAD_REQUEST, "Invalid field";
    MappingInvalid = "mapping_invalid", BAD_REQUEST, "Mapping file has faults";
    WebhookMalformed = "webhook_malformed", BAD_REQUEST, "Webhook body is malformed";
    SignInUnknown = "sign_in_unknown", BAD_REQUEST, "Sign-in is not known";
    SignInRefused = "sign_in_refused", BAD_REQUEST, "Sign-in was refused";
    KeyMissing = "key_missing", UNAUTHORIZED, "API key is missing";
    KeyInvalid = "key_invalid", UNAUTHORIZED, "API key or session is not valid";
    OperatorSecretMissing = "operator_secret_missing", UNAUTHORIZED,
        "Operator's secret is missing";
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, "Webhook signature is not valid";
    WebhookAppUnknown = "webhook_app_unknown", UNAUTHORIZED, "No app for this webhook";
    LinkExpired = "link_expired", FORBIDDEN, "Link was used or is too old";
    AppInactive = "app_inactive", FORBIDDEN, "App is switched off";
    ScopeMissing = "scope_missing", FORBIDDEN, "The key lacks a scope";
    RoleNotAllowed = "role_not_allowed", FORBIDDEN, "Role is not allowed to do this";
    PasswordsOff = "passwords_off", FORBIDDEN, "Passwords are switched off";
    CrossSiteRequest = "cross_site_request", FORBIDDEN, "Request from another site";
    OperatorSecretWrong = "operator_secret_wrong", FORBIDDEN, "Operator's secret is wrong";
    DialRefused = "dial_refused", FORBIDDEN, "Number may not be dialled";
    NotOwnExtension = "not_own_extension", FORBIDDEN, "Not the agent's own extension";
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN, "Origin is not allowed";
    HttpsRequired = "https_required", FORBIDDEN, "HTTPS is required";
    RouteNotFound = "route_not_found", NOT_FOUND, "Route not found";
    CallNotFound = "call_not_found", NOT_FOUND, "Call not found";
    DialNotFound = "dial_not_found", NOT_FOUND, "Dial not found";
    ContactNotFound = "contact_not_found", NOT_FOUND, "Contact not found";
    AgentNotFound = "agent_not_found", NOT_FOUND, "Agent not found";
    TaskNotFound = "task_not_found", NOT_FOUND, "Task not found";
    IdentityNotFound = "identity_not_found", NOT_FOUND, "Identity not found";
    AgentTokenNotFound = "agent_token_not_found", NOT_FOUND, "Agent token not found";
    UserMappingNotFound = "user_mapping_not_found", NOT_FOUND, "User mapping not found";
    RecordingNotFound = "recording_not_found", NOT_FOUND, "Recording not found";
    VoicemailNotFound = "voicemail_not_found", NOT_FOUND, "Voicemail not found";
    MessageNotFound = "message_not_found", NOT_FOUND, "Message not found";
    TranscriptNotFound = "transcript_not_found", NOT_FOUND, "Transcript not found";
    AppNotFound = "app_not_found", NOT_FOUND, "App not found";
    KeyNotFound = "key_not_found", NOT_FOUND, "Key not found";
    ConnectionNotFound = "connection_not_found", NOT_FOUND, "Connection not found";
    PersonNotFound = "person_not_found", NOT_FOUND, "Person not found";
    SessionNotFound = "session_not_found", NOT_FOUND, "Session not found";
    NotSignedIn = "not_signed_in", NOT_FOUND, "Nobody is signed in at the platform";
    HookNotFound = "hook_not_found", NOT_FOUND, "Hook not found";
    MappingNotFound = "mapping_not_found", NOT_FOUND, "Mapping not found";
    WebhookNotFound = "webhook_not_found", NOT_FOUND, "Webhook not found";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    BodyTooSlow = "body_too_slow", REQUEST_TIMEOUT, "Body came too slowly";
    KeyOver = "key_over", CONFLICT, "Key is over";
    TooManyKeys = "too_many_keys", CONFLICT, "App has too many keys";
    AlreadyExists = "already_exists", CONFLICT, "Exists already";
    AppChoiceNeeded = "app_choice_needed", CONFLICT, "Several apps fit";
    LastAdmin = "last_admin", CONFLICT, "Last administrator";
    PlatformInUse = "platform_in_use", CONFLICT, "Platform is in use";
    PlatformTaken = "platform_taken", CONFLICT, "Platform's name is taken";
    SignInNotPossible = "sign_in_not_possible", CONFLICT, "Connection does not sign in";
    AgentBusy = "agent_busy", CONFLICT, "Agent is busy";
    CallOver = "call_over", CONFLICT, "Call is over";
    WrongState = "wrong_state", CONFLICT, "Call is in no state for this";
    Conflict = "conflict", CONFLICT, "Conflicts with how it stands now";
    NotSupported = "not_supported", CONFLICT, "Not supported";
    IdempotencyConflict = "idempotency_conflict", CONFLICT, "Idempotency key is taken";
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT,
        "Request is being carried out";
    EpochChanged = "epoch_changed", CONFLICT, "Log has begun anew";
    LogTruncated = "log_truncated", GONE, "Log no longer reaches back that far";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Body is too large";
    UriTooLong = "uri_too_long", URI_TOO_LONG, "Address is too long";
    UnsupportedContentType = "unsupported_content_type", UNSUPPORTED_MEDIA_TYPE,
        "Content type is not supported";
    UpgradeRequired = "upgrade_required", UPGRADE_REQUIRED, "Upgrade to WebSocket required";
    TooManyConnections = "too_many_connections", TOO_MANY_REQUESTS,
        "Too many WebSocket connections";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    DialRateLimited = "dial_rate_limited", TOO_MANY_REQUESTS, "Too many calls by one agent";
    SignInThrottled = "sign_in_throttled", TOO_MANY_REQUESTS, "Too many failed sign-ins";
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Headers are too large";
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    PlatformRefused = "platform_refused", BAD_GATEWAY, "Phone platform refused";
    PlatformUnreachable = "platform_unreachable", BAD_GATEWAY,
        "Phone platform cannot be reached";
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "Database is away";
    BacklogFull = "backlog_full", SERVICE_UNAVAILABLE, "Too many notifications wait";
    ConnectionUnusable = "connection_unusable", SERVICE_UNAVAILABLE, "Connection is not usable";
    OperatorSecretNotSet = "operator_secret_not_set", SERVICE_UNAVAILABLE,
        "Operator's secret is not set";
    TimedOut = "timed_out", SERVICE_UNAVAILABLE, "Took too long";
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE, "Server is shutting down";
}

/// After how many seconds a client should try again when the server is at fault.
const RETRY_AFTER: u32 = 2;

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    field: Option<String>,
    retry_after: Option<u32>,
    allow: Option<HeaderValue>,
    location: Option<HeaderValue>,
    extra: Map<String, Value>,
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

impl Problem {
    /// A problem with its sentence: what is wrong and the way out.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = code.status();
        let retry = matches!(
            code,
            Code::StoreUnavailable
                | Code::ConnectionUnusable
                | Code::TimedOut
                | Code::ShuttingDown
                | Code::TooManyConnections
        );
        Self(Box::new(Inner {
            code,
            status,
            detail: detail.into(),
            field: None,
            retry_after: retry.then_some(RETRY_AFTER),
            allow: None,
            location: None,
            extra: Map::new(),
        }))
    }

    /// A query parameter at fault.
    #[must_use]
    pub fn parameter(name: &str, problem: &str) -> Self {
        Self::new(
            Code::InvalidParameter,
            format!("Parameter `{name}` {problem}."),
        )
        .at(name)
    }

    /// A member of the body at fault.
    #[must_use]
    pub fn field(path: &str, problem: &str) -> Self {
        Self::new(Code::InvalidField, format!("Field `{path}` {problem}.")).at(path)
    }

    /// A fault of ours. The cause goes to the log, not to the client.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "The server made a mistake. Report it with the request_id if it stays.";
        Self::new(Code::InternalError, detail)
    }

    /// Names the parameter or member at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Answers with another status than the code's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Says after how long to try again.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.0.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// Names the methods that are allowed.
    #[must_use]
    pub fn allowing(mut self, methods: HeaderValue) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// Sends the client elsewhere for good, with the same method (308).
    #[must_use]
    pub(crate) fn redirecting(mut self, target: &str) -> Self {
        if let Ok(target) = HeaderValue::from_str(target) {
            self.0.location = Some(target);
            self.0.status = StatusCode::PERMANENT_REDIRECT;
        }
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The parameter or member at fault.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Writes the answer, body and headers.
    pub(crate) fn write(self, request_id: &str) -> Response {
        let problem = *self.0;
        let reason = problem.status.canonical_reason().unwrap_or("Error");
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put(
            "type",
            format!("/docs/errors/{}", problem.code.as_str()).into(),
        );
        put("title", problem.code.title().into());
        put("status", problem.status.as_u16().into());
        put("code", problem.code.as_str().into());
        put("detail", problem.detail.as_ref().into());
        if let Some(field) = problem.field {
            put("field", field.into());
        }
        put("request_id", request_id.into());
        put("success", false.into());
        put("error", reason.into());
        put("message", problem.detail.as_ref().into());
        body.extend(problem.extra);
        let text = Value::Object(body).to_string();
        let mut response = (problem.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = problem.allow {
            headers.insert(header::ALLOW, allow);
        }
        if let Some(location) = problem.location {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// Carries a problem through the middleware to the place that writes it.
#[derive(Clone, Debug)]
pub(crate) struct Carried(pub(crate) Problem);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(Carried(self));
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "The database does not answer. Try again in a moment.",
            ),
            StoreError::Conflict(what) => {
                Self::new(Code::AlreadyExists, format!("The {what} exists already."))
            }
            StoreError::NotFound(what) => not_found(what),
            error => {
                tracing::error!(%error, "the store is at fault");
                Self::internal()
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Invalid { field, problem } => Self::field(&field, &problem),
            AdminError::NotFound(what) => not_found(what),
            AdminError::InactiveApp => app_inactive(),
            AdminError::KeyOver => {
                let detail = "The key no longer works or has been replaced already. Take its \
                              successor from the list, or make a new key.";
                Self::new(Code::KeyOver, detail)
            }
            AdminError::TooManyKeys => {
                let detail = "The app has as many keys that work as it may have. Revoke one that \
                              is not used.";
                Self::new(Code::TooManyKeys, detail)
            }
            AdminError::Store(error) => error.into(),
        }
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Invalid { field, problem } => Self::field(field, problem),
            PeopleError::Refused(_) => Self::new(
                Code::SignInRefused,
                "Address or password is wrong, or the account may not sign in. Ask an \
                 administrator for a link to set a new password.",
            )
            .with_status(StatusCode::UNAUTHORIZED),
            PeopleError::Throttled(wait) => Self::new(
                Code::SignInThrottled,
                "Too many failed sign-ins. Wait, then try again.",
            )
            .after(wait),
            PeopleError::ChooseApp(apps) => {
                let apps = apps.into_iter();
                let apps = apps.map(|app| json!({ "id": app.id, "name": app.name }));
                let detail = "The password fits in several apps. Send app_id with the one to use.";
                Self::new(Code::AppChoiceNeeded, detail).with("apps", apps.collect::<Vec<_>>())
            }
            PeopleError::LinkExpired => Self::new(
                Code::LinkExpired,
                "The link was used, replaced or is too old. Ask for a new one.",
            ),
            PeopleError::NoPasswords => Self::new(
                Code::PasswordsOff,
                "Nobody signs in with a password here. Sign in at the identity provider.",
            ),
            PeopleError::InactiveApp => app_inactive(),
            PeopleError::LastAdmin => Self::new(
                Code::LastAdmin,
                "The app would be left without an administrator. Make somebody else one first.",
            ),
            PeopleError::Taken => Self::new(
                Code::AlreadyExists,
                "Somebody with this address is in the app already. Change them instead.",
            )
            .at("email"),
            PeopleError::NotFound(what) => not_found(what),
            PeopleError::Busy => Self::new(
                Code::TimedOut,
                "Too many people sign in at this moment. Try again shortly.",
            ),
            PeopleError::Store(error) => error.into(),
        }
    }
}

/// The app is switched off.
pub(crate) fn app_inactive() -> Problem {
    let detail = "App is not active. Ask the operator of this server to switch it on.";
    Problem::new(Code::AppInactive, detail)
}

/// Something the store or the engine did not find, by its word for it.
pub(crate) fn not_found(what: &str) -> Problem {
    let code = match what {
        "app" => Code::AppNotFound,
        "key" | "api key" => Code::KeyNotFound,
        "connection" => Code::ConnectionNotFound,
        "contact" => Code::ContactNotFound,
        "call" => Code::CallNotFound,
        "recording" => Code::RecordingNotFound,
        "voicemail" => Code::VoicemailNotFound,
        "message" => Code::MessageNotFound,
        "dial" => Code::DialNotFound,
        "agent" => Code::AgentNotFound,
        "task" => Code::TaskNotFound,
        "person" => Code::PersonNotFound,
        "session" => Code::SessionNotFound,
        _ => Code::RouteNotFound,
    };
    let name = code.title();
    Problem::new(
        code,
        format!("{name}. Check the id; a list of what there is shows all ids."),
    )
}
