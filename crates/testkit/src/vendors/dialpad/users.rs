//! The company's users: who they are, and the list of them with its filters.

use serde_json::{Value, json};

use super::{Answered, Asked, Books, COMPANY, Dialpad, Result, error, facts, page};

impl Dialpad {
    /// Knows this person as well, with everything the list of users shows of them: extension,
    /// name, e-mail addresses and state (`active`, `cancelled`, `deleted`, `pending`,
    /// `suspended`). An extension of `""` is none.
    #[must_use]
    pub fn with_person(
        self,
        id: u64,
        extension: &str,
        name: &str,
        emails: &[&str],
        state: &str,
    ) -> Self {
        let extension = Some(extension).filter(|extension| !extension.is_empty());
        let user = json!({
            "id": id.to_string(), "company_id": COMPANY, "display_name": name, "state": state,
            "emails": emails, "extension": extension, "phone_numbers": [], "office_id": COMPANY,
        });
        self.books().users.insert(id, user);
        self
    }
}

/// `users.list`. Without a state only active users are shown.
pub(super) fn list(books: &Books, asked: &Asked) -> Result<Answered> {
    let known = |name: &str| facts::USER_LIST.contains(&name);
    if asked.query.iter().any(|(name, _)| !known(name)) {
        return Err(error(400, "unknown parameter"));
    }
    let state = asked.query("state").unwrap_or("active");
    if state != "all" && !facts::USER_STATES.contains(&state) {
        return Err(error(400, "unknown state"));
    }
    let email = asked.query("email");
    let fits = |user: &&Value| {
        let has = |email: &str| {
            let emails = user["emails"].as_array();
            emails.is_some_and(|own| own.iter().any(|one| one == email))
        };
        (state == "all" || user["state"] == state) && email.is_none_or(has)
    };
    let items: Vec<_> = books.users.values().filter(fits).cloned().collect();
    page(asked, &items)
}
