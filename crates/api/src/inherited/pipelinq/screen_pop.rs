//! Who is calling, asked by number.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use switchhook_domain::contact::{PopAction, judge};
use switchhook_domain::phone::PhoneNumber;
use switchhook_engine::rights::Scope;
use switchhook_engine::store::ContactQuery;
use utoipa::ToSchema;

use super::{given, in_their_form, required};
use crate::answer;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::contacts::{ContactRecord, plan, record};
use crate::openapi::errors;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{Inner, Shared};

/// How many contacts with one number are looked at.
const LOOKED_AT: u32 = 100;

/// A number that calls.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ScreenPop {
    /// In any spelling.
    #[serde(default, rename = "fromNumber")]
    #[schema(required = true, nullable = false, example = "0612345678")]
    from_number: Option<String>,
}

/// A contact that fits.
#[derive(Serialize, ToSchema)]
#[schema(as = ScreenPopMatch)]
pub(crate) struct PopMatch {
    #[serde(flatten)]
    contact: ContactRecord,
    /// Always `contact`.
    #[serde(rename = "_matchType")]
    #[schema(example = "contact")]
    match_type: &'static str,
}

/// Who has the number.
#[derive(Serialize, ToSchema)]
#[schema(as = ScreenPopAnswer)]
pub(crate) struct Popped {
    /// One: show it; several: let the agent choose; none: take the caller in.
    action: PopAction,
    /// The first three by name.
    matches: Vec<PopMatch>,
    /// E.164; null when it is no telephone number.
    #[schema(example = "+31612345678")]
    e164: Option<String>,
    /// As it was given.
    #[serde(rename = "rawNumber")]
    raw_number: String,
    /// E.164, or empty.
    #[serde(rename = "e164Number")]
    e164_number: String,
    /// How long to wait before showing it, in milliseconds.
    #[serde(rename = "delayMs")]
    delay_ms: u32,
}

errors!(PopErrors: CALLER CHANGE []);

/// Look a caller up
///
/// As the predecessor's clients ask for it. Nothing is opened anywhere: the pops of live calls
/// come by the socket.
#[utoipa::path(
    post, path = "/api/cti/screen-pop", tag = "Contact moments", operation_id = "look_caller_up",
    request_body(content = ScreenPop, example = json!({ "fromNumber": "0612345678" })),
    responses((status = 200, description = "Who has the number.", body = Popped), PopErrors),
    security(("key" = ["contacts:read"]), ("session" = [])),
)]
pub(crate) async fn look_up(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::ContactsRead)?;
    Params::none(&uri)?;
    let asked = body::json(&headers, body, shared.config.max_json).await;
    let Object(ScreenPop { from_number }) = asked.map_err(in_their_form)?;
    let number = given(from_number)
        .ok_or_else(|| in_their_form(required("fromNumber", "fromNumber is required")))?;
    let popped = find(&shared, &caller, number).await?;
    answer::plain(StatusCode::OK, &popped)
}

async fn find(shared: &Inner, caller: &Caller, raw_number: String) -> Result<Popped, Problem> {
    let country = &caller.access.app.country;
    let number = PhoneNumber::parse(&raw_number, &plan(country));
    let e164 = number.e164.clone();
    let contacts = match &e164 {
        None => Vec::new(),
        Some(e164) => {
            let query = ContactQuery {
                number: Some(e164.clone()),
                limit: LOOKED_AT,
                ..ContactQuery::default()
            };
            shared.store.contacts(caller.app(), &query).await?.0
        }
    };
    let found = judge(&number, &contacts);
    let best = found.best.iter().filter_map(|hit| {
        let contact = contacts.iter().find(|contact| contact.id == hit.id)?;
        Some(PopMatch {
            contact: record(contact.clone(), country),
            match_type: "contact",
        })
    });
    let settings = shared.moments.settings(caller.app()).await?;
    Ok(Popped {
        action: found.action(),
        matches: best.collect(),
        e164_number: e164.clone().unwrap_or_default(),
        e164,
        raw_number,
        delay_ms: settings.screen_pop_delay_ms,
    })
}
