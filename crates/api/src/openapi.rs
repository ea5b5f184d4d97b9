//! The description of the API, made from the handlers themselves. `openapi/switchhook.json` is
//! its committed form; a test keeps the two equal.

use std::collections::BTreeMap;

use switchhook_domain::event::EventType;
use utoipa::PartialSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, Components, ContactBuilder, InfoBuilder, LicenseBuilder, Object, OpenApi,
    OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, tag::TagBuilder,
};

use crate::problem::Code;
pub(crate) use crate::refusals::{ASKING, PLACING, STEERING};
use crate::schemas::{ProblemBody, words};

/// What every route that needs a key or a session may answer.
pub(crate) const CALLER: &[Code] = &[
    Code::InvalidParameter,
    Code::KeyMissing,
    Code::KeyInvalid,
    Code::AppInactive,
    Code::RoleNotAllowed,
    Code::ScopeMissing,
    Code::RateLimited,
    Code::InternalError,
    Code::StoreUnavailable,
    Code::TimedOut,
];
/// What every route that changes something for a key or a session may answer besides.
pub(crate) const CHANGE: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidField,
    Code::CrossSiteRequest,
    Code::BodyTooLarge,
    Code::BodyTooSlow,
    Code::UnsupportedContentType,
];
/// What every operators' route may answer.
pub(crate) const OPERATOR: &[Code] = &[
    Code::InvalidParameter,
    Code::OperatorSecretMissing,
    Code::OperatorSecretWrong,
    Code::OperatorSecretNotSet,
    Code::RateLimited,
    Code::InternalError,
    Code::StoreUnavailable,
    Code::TimedOut,
];
/// What every operators' route with a body may answer besides.
pub(crate) const OPERATOR_BODY: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidField,
    Code::BodyTooLarge,
    Code::BodyTooSlow,
    Code::UnsupportedContentType,
];

/// Declares the errors of a route, for its `responses(…)`.
macro_rules! errors {
    ($vis:vis $name:ident: $($group:ident)* [$($code:ident),* $(,)?]) => {
        $vis struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                crate::openapi::problems(&[
                    $(crate::openapi::$group,)*
                    &[$(crate::problem::Code::$code),*],
                ])
            }
        }
    };
}
pub(crate) use errors;

/// The responses for some codes, one for each status, with an example for each code.
pub(crate) fn problems(groups: &[&[Code]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in groups.iter().flat_map(|group| group.iter()) {
        let codes = by_status.entry(code.status().as_u16()).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    let described = by_status.into_iter().map(|(status, codes)| {
        let names: Vec<_> = codes
            .iter()
            .map(|code| format!("`{}`", code.as_str()))
            .collect();
        let examples = codes.iter().map(|code| {
            let place = format!("#/components/examples/{}", code.as_str());
            (
                code.as_str().to_owned(),
                RefOr::<Example>::Ref(Ref::new(place)),
            )
        });
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .examples_from_iter(examples)
            .build();
        let response = ResponseBuilder::new()
            .description(names.join(", "))
            .content("application/problem+json", content)
            .build();
        (status.to_string(), RefOr::T(response))
    });
    described.collect()
}

/// How a problem of this code looks.
fn example(code: Code) -> serde_json::Value {
    let page = code.page();
    // The first paragraph under "What happened".
    let what = page
        .split("## What happened\n\n")
        .nth(1)
        .and_then(|rest| rest.split('\n').next());
    let detail = what.unwrap_or(code.title());
    let reason = code.status().canonical_reason().unwrap_or("Error");
    serde_json::json!({
        "type": format!("/docs/errors/{}", code.as_str()),
        "title": code.title(),
        "status": code.status().as_u16(),
        "code": code.as_str(),
        "detail": detail,
        "request_id": "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b",
        "success": false,
        "error": reason,
        "message": detail,
    })
}

const INTRODUCTION: &str = "\
Phone platforms in, one correct call record, one ordered event stream out.

**Keys.** Apps send their API key as `x-app-api-key` (or `x-api-key`). People use the page, whose \
session is a cookie. Operators send `Authorization: Bearer <INTERNAL_API_SECRET>` to `/internal` \
and `/metrics`.

**Lists** answer `{\"success\":true,\"data\":[…],\"pagination\":{…}}`, single things \
`{\"success\":true,\"data\":{…}}`. Parameters that are not known are refused, never ignored.

**Errors** are `application/problem+json` with a `code` from a closed set; each code has a page at \
`/docs/errors/<code>`.

**Repeating.** A `POST` that takes an `Idempotency-Key` is carried out once and answered the \
same as often as it is sent within a day.

**Ids** are texts. Times are RFC 3339, UTC. What is not known is `null`.

**Events** carry `seq`, gapless and in order for each app, the same in `GET /api/events` and on \
`/ws`: take the snapshot, remember the last `seq` and `epoch`, and ask for what came after.";

/// The frame of the document, to which the routes add themselves.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Switchhook")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(INTRODUCTION))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .contact(Some(ContactBuilder::new().name(Some("Switchhook")).build()))
        .build();
    let tags = [
        ("Calls", "One record for each conversation."),
        (
            "Events",
            "What happened, in order, by polling or by WebSocket.",
        ),
        (
            "Contact moments",
            "What people say of calls: notes, dispositions, who the caller is; how agents work.",
        ),
        ("Contacts", "The directory callers are looked up in."),
        ("Messages", "Text messages."),
        (
            "Recordings",
            "Recordings of calls: where the platforms keep them.",
        ),
        ("Voicemails", "Voicemails that were left."),
        (
            "Tasks",
            "What is left to do after a call: call-backs, follow-ups, questions.",
        ),
        (
            "Agents",
            "The people who take calls, the names platforms have for them, and tokens for panels.",
        ),
        ("Presence", "Which agents can take a call."),
        (
            "Audit",
            "Who changed what, from where, and what was so before.",
        ),
        (
            "Keys",
            "API keys of one's own app: several, named, with scopes.",
        ),
        ("Session", "Who is asking, signing in and out."),
        ("People", "Who may sign in to an app, and as what."),
        ("Connections", "Whether the phone platforms can be reached."),
        (
            "Platform sign-in",
            "For browsers: an administrator of the phone system signs in there.",
        ),
        ("Webhooks", "Where phone platforms post to."),
        ("Operators: apps and keys", "Tenants and their keys."),
        (
            "Operators: agents",
            "Users of Dialpad mapped to the business software, as the predecessor did.",
        ),
        (
            "Operators: connections",
            "Links of an app to its phone platforms, and what they sent.",
        ),
        ("Server", "Health, metrics and this description."),
    ];
    let tags =
        tags.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .components(Some(components()))
        .build()
}

/// Shapes, examples and credentials that many routes share.
fn components() -> Components {
    let mut components = Components::new();
    components
        .schemas
        .insert("Problem".to_owned(), ProblemBody::schema());
    components
        .schemas
        .insert("ProblemCode".to_owned(), Code::schema());
    components.examples = Code::ALL
        .iter()
        .map(|code| {
            let example = ExampleBuilder::new()
                .summary(code.title())
                .value(Some(example(*code)));
            (code.as_str().to_owned(), RefOr::T(example.build()))
        })
        .collect();
    let schemes = [
        (
            "key",
            api_key(ApiKey::Header(described(
                "x-app-api-key",
                "The API key of an app.",
            ))),
        ),
        (
            "key_alias",
            api_key(ApiKey::Header(described(
                "x-api-key",
                "The same, by its other name.",
            ))),
        ),
        (
            "key_query",
            api_key(ApiKey::Query(described(
                "api_key",
                "For browsers' WebSockets only.",
            ))),
        ),
        (
            "session",
            api_key(ApiKey::Cookie(described(
                crate::auth::COOKIE,
                "A browser's session.",
            ))),
        ),
        (
            "operator",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("The server's INTERNAL_API_SECRET."))
                    .build(),
            ),
        ),
    ];
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
    components
}

fn api_key(key: ApiKey) -> SecurityScheme {
    SecurityScheme::ApiKey(key)
}

fn described(name: &str, text: &str) -> ApiKeyValue {
    ApiKeyValue::with_description(name, text)
}

/// The description of the whole API.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut api = crate::router::routes().into_openapi();
    crate::idempotency::describe(&mut api);
    if let Some(components) = &mut api.components {
        // The derive does not see names that a macro gave.
        let names = EventType::ALL.iter().map(|kind| kind.as_str());
        components
            .schemas
            .insert("EventType".to_owned(), words("What happened.", names));
    }
    let schemas = api
        .components
        .iter_mut()
        .flat_map(|components| &mut components.schemas);
    for (name, schema) in schemas {
        if let RefOr::T(Schema::Object(object)) = schema
            && !PARTIAL.contains(&name.as_str())
        {
            refer(name, object);
            always_there(object);
        }
    }
    api
}

/// What clients send, and what differs from event to event; in everything else a member without
/// a value is there, as null.
const PARTIAL: &[&str] = &[
    "AgentName",
    "AgentChange",
    "AgentBatch",
    "IdentityRequest",
    "AgentTokenRequest",
    "UserMapRequest",
    "UserBatchRequest",
    "ClickToDial",
    "ControlRequest",
    "NewCall",
    "NewContact",
    "NewApp",
    "NewKey",
    "AppChange",
    "KeyChange",
    "KeyReplacement",
    "KeyRevocation",
    "KeyRotation",
    "NewLink",
    "NewPerson",
    "OwnChange",
    "PasswordChange",
    "PersonEdit",
    "AcceptRequest",
    "SetUpRequest",
    "SignInRequest",
    "TokenRequest",
    "ConnectionChange",
    "ConnectionRequest",
    "DialPolicy",
    "InheritedConfigChange",
    "Outcome",
    "SecretRotation",
    "WorkSettingsRequest",
    "EventData",
];

/// An envelope names what it holds instead of repeating it.
fn refer(name: &str, object: &mut Object) {
    let Some((envelope, held)) = name.split_once('_') else {
        return;
    };
    let held = Ref::from_schema_name(held);
    let data: RefOr<Schema> = match envelope {
        "One" => held.into(),
        _ => RefOr::T(ArrayBuilder::new().items(held).into()),
    };
    object.properties.insert("data".to_owned(), data);
}

/// Marks the members that may be null as required: records are written whole. A member that is
/// left out when it has no value is described as one that cannot be null.
fn always_there(object: &mut Object) {
    for (name, member) in &object.properties {
        if may_be_null(member) && !object.required.contains(name) {
            object.required.push(name.clone());
        }
    }
}

fn may_be_null(schema: &RefOr<Schema>) -> bool {
    let is_null = |kind: &SchemaType| match kind {
        SchemaType::Type(one) => *one == Type::Null,
        SchemaType::Array(several) => several.contains(&Type::Null),
        SchemaType::AnyValue => false,
    };
    match schema {
        RefOr::T(Schema::Object(object)) => is_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => is_null(&array.schema_type),
        RefOr::T(Schema::OneOf(one_of)) => one_of.items.iter().any(may_be_null),
        _ => false,
    }
}

/// The description as it is committed: JSON, indented, with a line break at the end.
#[must_use]
pub fn openapi_json() -> String {
    // The document is made of texts and numbers; writing it cannot fail.
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
