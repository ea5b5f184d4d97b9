//! Contacts: the directory callers are looked up in.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::Serialize;
use switchhook_domain::contact::Contact;
use switchhook_domain::id::ContactId;
use switchhook_domain::phone::{NumberKind, NumberPlan};
use switchhook_engine::rights::Scope;
use switchhook_engine::store::ContactQuery;
use utoipa::ToSchema;

use crate::answer;
use crate::audit::Trace;
use crate::auth::Caller;
use crate::body::{self, Object};
use crate::new_contact::{NewContact, checked};
use crate::openapi::errors;
use crate::paging::Paging;
use crate::params::{Params, path_id};
use crate::problem::{Code, Problem};
use crate::schemas::{One, Page};
use crate::state::Shared;

/// The most contacts of one import.
const MAX_IMPORT: usize = 1000;

/// A contact.
#[derive(Serialize, ToSchema)]
#[schema(as = Contact)]
pub(crate) struct ContactRecord {
    /// Our id.
    id: ContactId,
    /// Name as it is shown.
    name: String,
    /// Organisation.
    organisation: Option<String>,
    /// E-mail address.
    email: Option<String>,
    /// Pinned note.
    note: Option<String>,
    /// Where the record lives in the business software.
    url: Option<String>,
    /// The numbers.
    numbers: Vec<NumberRecord>,
}

/// One number of a contact.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactNumber)]
pub(crate) struct NumberRecord {
    /// In its canonical form: E.164 where there is one.
    #[schema(example = "+31612345678")]
    number: Option<String>,
    /// As it was given.
    raw: String,
    /// What it turned out to be.
    kind: NumberKind,
    /// As a person of the app's country reads it.
    #[schema(example = "06 12345678")]
    display: String,
    /// What it is for.
    label: Option<String>,
}

/// What an import did.
#[derive(Serialize, ToSchema)]
pub(crate) struct Imported {
    /// How many contacts were stored.
    #[schema(example = 2)]
    imported: usize,
    /// Their ids, in the order given.
    ids: Vec<ContactId>,
}

pub(crate) fn record(contact: Contact, country: &str) -> ContactRecord {
    let numbers = contact.numbers.into_iter().map(|entry| NumberRecord {
        number: entry.number.canonical().map(str::to_owned),
        kind: entry.number.kind,
        display: entry.number.display(country),
        raw: entry.number.raw,
        label: entry.label,
    });
    ContactRecord {
        id: contact.id,
        name: contact.name,
        organisation: contact.organisation,
        email: contact.email,
        note: contact.note,
        url: contact.url,
        numbers: numbers.collect(),
    }
}

errors!(ListErrors: CALLER []);
errors!(CreateErrors: CALLER CHANGE []);
errors!(GetErrors: CALLER [InvalidId, ContactNotFound]);
errors!(DeleteErrors: CALLER [InvalidId, ContactNotFound, CrossSiteRequest]);

/// List contacts
///
/// By name.
#[utoipa::path(
    get, path = "/api/contacts", tag = "Contacts", operation_id = "list_contacts",
    params(
        ("q" = Option<String>, Query,
            description = "Part of the name, organisation or e-mail address, in any case.",
            example = "vries"),
        ("number" = Option<String>, Query,
            description = "A number they have, in any spelling.",
            example = "0612345678"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when left out."),
        ("offset" = Option<u32>, Query, description = "0 to 100000."),
    ),
    responses(
        (status = 200, description = "A page of contacts.", body = Page<ContactRecord>),
        ListErrors,
    ),
    security(("key" = ["contacts:read"]), ("session" = [])),
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::ContactsRead)?;
    let params = Params::read(&uri, &["q", "number", "limit", "offset"])?;
    let paging = Paging::read(&params)?;
    let country = &caller.access.app.country;
    let query = ContactQuery {
        text: params.one("q")?.map(|text| text.trim().to_owned()),
        number: params.phone(&["number"], &plan(country))?,
        limit: paging.limit,
        offset: paging.offset,
    };
    let (contacts, total) = shared.store.contacts(caller.app(), &query).await?;
    let records: Vec<_> = contacts.into_iter().map(|c| record(c, country)).collect();
    answer::list(&records, &paging.describe(records.len(), total))
}

/// Create a contact
#[utoipa::path(
    post, path = "/api/contacts", tag = "Contacts", operation_id = "create_contact",
    request_body(content = NewContact, example = json!({
        "name": "Jan de Vries", "organisation": "Gemeente Voorbeeld",
        "numbers": ["0612345678", {"number": "020 123 4567", "label": "work"}]
    })),
    responses(
        (status = 201, description = "The contact.", body = One<ContactRecord>,
            headers(("location" = String, description = "Where it is."))),
        CreateErrors,
    ),
    security(("key" = ["contacts:write"]), ("session" = [])),
)]
pub(crate) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::ContactsWrite)?;
    Params::none(&uri)?;
    let Object(new): Object<NewContact> =
        body::json(&headers, body, shared.config.max_json).await?;
    let country = &caller.access.app.country;
    let contact = checked(new, "", &plan(country), &shared.mint())?;
    shared
        .store
        .put_contacts(caller.app(), std::slice::from_ref(&contact))
        .await?;
    let location = format!("/api/contacts/{}", contact.id);
    let mut response = answer::one(StatusCode::CREATED, &record(contact, country))?;
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// Import contacts
///
/// At most 1000 at a time; all or none.
#[utoipa::path(
    post, path = "/api/contacts/import", tag = "Contacts", operation_id = "import_contacts",
    request_body(content = Vec<NewContact>, example = json!([
        {"name": "Jan de Vries", "numbers": ["0612345678"]},
        {"name": "Bakkerij Jansen", "numbers": [{"number": "0201234567", "label": "main"}]}
    ])),
    responses(
        (status = 201, description = "How many were stored.", body = One<Imported>),
        CreateErrors,
    ),
    security(("key" = ["contacts:write"]), ("session" = [])),
)]
pub(crate) async fn import(
    State(shared): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.needs(Scope::ContactsWrite)?;
    Params::none(&uri)?;
    let new: Vec<Object<NewContact>> = body::json(&headers, body, shared.config.max_import).await?;
    if new.len() > MAX_IMPORT {
        let detail = format!(
            "The list has {} contacts; at most {MAX_IMPORT} are taken.",
            new.len()
        );
        return Err(Problem::new(Code::InvalidField, detail).at("."));
    }
    let plan = plan(&caller.access.app.country);
    let mint = shared.mint();
    let contacts = new.into_iter().enumerate();
    let contacts = contacts
        .map(|(index, Object(new))| checked(new, &format!("[{index}]."), &plan, &mint))
        .collect::<Result<Vec<_>, _>>()?;
    shared.store.put_contacts(caller.app(), &contacts).await?;
    let ids: Vec<_> = contacts.iter().map(|contact| contact.id).collect();
    answer::one(
        StatusCode::CREATED,
        &Imported {
            imported: ids.len(),
            ids,
        },
    )
}

/// Get one contact
#[utoipa::path(
    get, path = "/api/contacts/{id}", tag = "Contacts", operation_id = "get_contact",
    params(("id" = String, Path, description = "Our id of the contact.")),
    responses((status = 200, description = "The contact.", body = One<ContactRecord>), GetErrors),
    security(("key" = ["contacts:read"]), ("session" = [])),
)]
pub(crate) async fn get(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.needs(Scope::ContactsRead)?;
    Params::none(&uri)?;
    let id = ContactId(path_id(&id, "contact")?);
    let contact = shared
        .store
        .contact(caller.app(), id)
        .await?
        .ok_or_else(not_found)?;
    answer::one(StatusCode::OK, &record(contact, &caller.access.app.country))
}

/// Delete a contact
///
/// Calls keep the match that was found for them.
#[utoipa::path(
    delete, path = "/api/contacts/{id}", tag = "Contacts", operation_id = "delete_contact",
    params(("id" = String, Path, description = "Our id of the contact.")),
    responses((status = 204, description = "It is gone."), DeleteErrors),
    security(("key" = ["contacts:write"]), ("session" = [])),
)]
pub(crate) async fn delete(
    State(shared): State<Shared>,
    caller: Caller,
    trace: Trace,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::ContactsWrite)?;
    Params::none(&uri)?;
    let id = ContactId(path_id(&id, "contact")?);
    let contact = shared.store.contact(caller.app(), id).await?;
    trace.before(&contact.ok_or_else(not_found)?);
    shared.store.delete_contact(caller.app(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_found() -> Problem {
    let detail = "Contact not found. Take the id from the list.";
    Problem::new(Code::ContactNotFound, detail)
}

pub(crate) fn plan(country: &str) -> NumberPlan {
    NumberPlan::for_country(country).unwrap_or_default()
}
