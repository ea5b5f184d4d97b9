//! What a new contact must be.

use serde::Deserialize;
use switchhook_domain::contact::{Contact, ContactNumber};
use switchhook_domain::id::{ContactId, IdMint};
use switchhook_domain::phone::{MAX_RAW, NumberPlan, PhoneNumber};
use utoipa::ToSchema;

use crate::problem::Problem;

/// The most numbers of one contact.
const MAX_NUMBERS: usize = 20;
/// The longest name, organisation or label, in characters.
const MAX_TEXT: usize = 200;
/// The longest note or address, in characters.
const MAX_LONG: usize = 2000;

/// A contact to be stored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContact {
    /// Name as it is shown.
    #[schema(example = "Jan de Vries", max_length = 200)]
    name: String,
    /// Organisation, for a person who belongs to one.
    #[schema(example = "Gemeente Voorbeeld", max_length = 200)]
    #[serde(default)]
    organisation: Option<String>,
    /// E-mail address.
    #[serde(default)]
    #[schema(example = "jan@example.nl")]
    email: Option<String>,
    /// Pinned note that the agent should see first.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: Option<String>,
    /// Where the record lives in the business software: http or https.
    #[serde(default)]
    #[schema(example = "https://crm.example.nl/contacts/42")]
    url: Option<String>,
    /// The numbers, at most 20, in any spelling of the app's country.
    numbers: Vec<NewNumber>,
}

/// One number of a new contact: the number alone, or with a label.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum NewNumber {
    /// The number alone.
    Plain(String),
    /// The number and what it is.
    Labelled {
        /// The number.
        #[schema(example = "06 12345678")]
        number: String,
        /// `mobile`, `home`, `work`, `main` or a word of your own.
        #[serde(default)]
        #[schema(example = "mobile")]
        label: Option<String>,
    },
}

/// Checks a new contact; `at` is where it stands in the body.
pub(crate) fn checked(
    new: NewContact,
    at: &str,
    plan: &NumberPlan,
    mint: &IdMint,
) -> Result<Contact, Problem> {
    let name = text(Some(new.name), at, "name", MAX_TEXT)?;
    let Some(name) = name else {
        return Err(Problem::field(&format!("{at}name"), "must not be empty"));
    };
    let email = text(new.email, at, "email", MAX_TEXT)?;
    if email
        .as_deref()
        .is_some_and(|email| !email.contains('@') || email.contains(' '))
    {
        return Err(Problem::field(
            &format!("{at}email"),
            "must be an e-mail address",
        ));
    }
    let url = text(new.url, at, "url", MAX_LONG)?;
    let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    if url.as_deref().is_some_and(|url| !is_web(url)) {
        return Err(Problem::field(
            &format!("{at}url"),
            "must begin with https:// or http://",
        ));
    }
    if new.numbers.len() > MAX_NUMBERS {
        let problem = format!("must have at most {MAX_NUMBERS} entries");
        return Err(Problem::field(&format!("{at}numbers"), &problem));
    }
    let numbers = new.numbers.into_iter().enumerate().map(|(index, number)| {
        let here = format!("{at}numbers[{index}]");
        let (raw, label) = match number {
            NewNumber::Plain(raw) => (raw, None),
            NewNumber::Labelled { number, label } => (number, label),
        };
        let number = PhoneNumber::parse(&raw, plan);
        if raw.chars().count() > MAX_RAW || number.canonical().is_none() {
            return Err(Problem::field(
                &here,
                "must be a telephone number or an extension",
            ));
        }
        Ok(ContactNumber {
            number,
            label: text(label, &format!("{here}."), "label", MAX_TEXT)?,
        })
    });
    Ok(Contact {
        id: ContactId(mint.uuid()),
        name,
        organisation: text(new.organisation, at, "organisation", MAX_TEXT)?,
        email,
        note: text(new.note, at, "note", MAX_LONG)?,
        url,
        numbers: numbers.collect::<Result<_, _>>()?,
    })
}

/// A text without control characters (line breaks are fine), trimmed; empty counts as absent.
pub(crate) fn text(
    given: Option<String>,
    at: &str,
    name: &str,
    longest: usize,
) -> Result<Option<String>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let given = given.trim();
    let is_bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    if given.chars().count() > longest || given.chars().any(is_bad) {
        let problem = format!("must be at most {longest} characters without control characters");
        return Err(Problem::field(&format!("{at}{name}"), &problem));
    }
    Ok((!given.is_empty()).then(|| given.to_owned()))
}
