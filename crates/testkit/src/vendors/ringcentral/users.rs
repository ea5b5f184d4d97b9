//! The account's extensions as its list of them shows them, with the list's filters and pages.

use serde_json::{Value, json};

use super::limits::{self, Group};
use super::{Answered, Asked, Extension, RingCentral, State, error, forbidden};

/// The parameters of the list; `email`, `status` and `type` may be given several times.
const LIST: [&str; 6] = [
    "email",
    "extensionNumber",
    "page",
    "perPage",
    "status",
    "type",
];
/// The words of `status`.
const STATES: [&str; 5] = [
    "Disabled",
    "Enabled",
    "Frozen",
    "NotActivated",
    "Unassigned",
];
/// The words of `type`.
const KINDS: [&str; 18] = [
    "Announcement",
    "ApplicationExtension",
    "Bot",
    "DelegatedLinesGroup",
    "Department",
    "DigitalUser",
    "FaxUser",
    "FlexibleUser",
    "IvrMenu",
    "Limited",
    "PagingOnly",
    "ParkLocation",
    "ProxyAdmin",
    "SharedLinesGroup",
    "Site",
    "User",
    "VirtualUser",
    "Voicemail",
];

/// Whose extension it is.
#[derive(Clone, Debug)]
pub(super) struct Person {
    name: String,
    email: Option<String>,
    kind: String,
    status: String,
}

impl Person {
    /// A user without an e-mail address.
    pub(super) fn of(number: &str) -> Self {
        Self {
            name: format!("User {number}"),
            email: None,
            kind: "User".to_owned(),
            status: "Enabled".to_owned(),
        }
    }
}

impl RingCentral {
    /// Adds an extension without telephones, or changes whose one is: its kind (`User`,
    /// `Department`, `IvrMenu`, …), name and, for people, e-mail address.
    pub fn hire(&self, id: &str, number: &str, kind: &str, name: &str, email: Option<&str>) {
        let mut state = self.state();
        let person = Person {
            name: name.to_owned(),
            email: email.map(str::to_owned),
            kind: kind.to_owned(),
            status: "Enabled".to_owned(),
        };
        if let Some(known) = state.extensions.iter_mut().find(|e| e.id == id) {
            known.person = person;
            return;
        }
        state.extensions.push(Extension {
            id: id.to_owned(),
            number: number.to_owned(),
            devices: Vec::new(),
            active_calls: Vec::new(),
            person,
        });
    }

    /// Gives an extension another status: `Disabled`, `NotActivated`, …
    pub fn set_status(&self, id: &str, status: &str) {
        let mut state = self.state();
        let found = state.extensions.iter_mut().find(|e| e.id == id);
        if let Some(extension) = found {
            status.clone_into(&mut extension.person.status);
        }
    }
}

/// Ids are whole numbers in these answers.
pub(super) fn shown(extension: &Extension) -> Value {
    let person = &extension.person;
    let mut shown = json!({
        "id": extension.id.parse::<u64>().ok(), "extensionNumber": extension.number,
        "name": person.name, "type": person.kind, "status": person.status,
    });
    if let Some(email) = &person.email {
        let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, ""));
        shown["contact"] = json!({ "firstName": first, "lastName": last, "email": email });
    }
    shown
}

/// `listExtensions`.
pub(super) fn list(state: &mut State, asked: &Asked) -> Answered {
    if let Some(refused) = limits::take(state, Group::Medium) {
        return refused;
    }
    if state.denied.contains("ReadAccounts") {
        return forbidden("ReadAccounts");
    }
    let invalid = |name: &str| error(400, "CMN-101", &format!("Parameter [{name}] is invalid"));
    if let Some((name, _)) = (asked.query.iter()).find(|(name, _)| !LIST.contains(&name.as_str())) {
        return invalid(name);
    }
    let all = |name: &str| {
        let pairs = asked.query.iter().filter(|(known, _)| known == name);
        pairs.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let (states, kinds, emails) = (all("status"), all("type"), all("email"));
    if states.iter().any(|word| !STATES.contains(word)) {
        return invalid("status");
    }
    if kinds.iter().any(|word| !KINDS.contains(word)) {
        return invalid("type");
    }
    let number = |name: &str, default: usize, most: usize| match asked.query(name) {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|n| (1..=most).contains(n)),
    };
    let Some(per_page) = number("perPage", 100, 1000) else {
        return invalid("perPage");
    };
    let Some(page) = number("page", 1, 1_000_000) else {
        return invalid("page");
    };
    let wanted = asked.query("extensionNumber");
    let one_of = |words: &[&str], word: &str| words.is_empty() || words.contains(&word);
    let fits = |e: &&Extension| {
        wanted.is_none_or(|number| e.number == number)
            && one_of(&states, &e.person.status)
            && one_of(&kinds, &e.person.kind)
            && one_of(&emails, e.person.email.as_deref().unwrap_or_default())
    };
    let found: Vec<Value> = state.extensions.iter().filter(fits).map(shown).collect();
    let pages = found.len().div_ceil(per_page).max(1);
    let from = (page - 1) * per_page;
    let records: Vec<_> = found.iter().skip(from).take(per_page).collect();
    let mut body = json!({
        "uri": "https://platform.ringcentral.com/restapi/v1.0/account/~/extension",
        "paging": { "page": page, "perPage": per_page, "totalPages": pages,
            "totalElements": found.len() },
        "navigation": { "firstPage": {}, "lastPage": {} },
        "records": records,
    });
    if page < pages {
        let uri = format!("https://platform.ringcentral.com/…?page={}", page + 1);
        body["navigation"]["nextPage"] = json!({ "uri": uri });
    }
    Answered::json(200, body)
}
