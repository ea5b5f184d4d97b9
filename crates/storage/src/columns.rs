//! How values become columns, the same on both sides: times, texts that a database would refuse
//! or could not index, names of enumerations, JSON.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use switchhook_domain::Timestamp;
use switchhook_domain::call::Status;
use switchhook_domain::contact::Contact;
use switchhook_domain::media::Message;
use switchhook_domain::signal::Direction;
use switchhook_engine::store::{StoreError, StoreResult, Verdict};

/// The longest text used as a key; PostgreSQL cannot index more than about 2,700 bytes.
const MAX_KEY: usize = 512;

/// The longest part of a name that decides the order of a list, in characters.
const MAX_SORT: usize = 200;

/// Microseconds since 1970.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The time of that many microseconds since 1970.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The time as it comes back from the database.
pub(crate) fn whole_micros(at: Timestamp) -> Timestamp {
    time(micros(at))
}

/// The text without NUL characters, which PostgreSQL refuses.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text as a key: clean, and of bounded length. What is longer keeps its beginning and gets
/// a digest of the whole.
pub(crate) fn key(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_KEY {
        return clean(text);
    }
    let mut end = MAX_KEY - 80;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let digest: String = Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Cow::Owned(format!("{}#{digest}", clean(&text[..end])))
}

/// What a list of contacts is sorted by.
pub(crate) fn sort_name(contact: &Contact) -> String {
    clean(&contact.name)
        .to_lowercase()
        .chars()
        .take(MAX_SORT)
        .collect()
}

/// What a text search looks in.
pub(crate) fn search_text(contact: &Contact) -> String {
    let parts = [
        Some(&contact.name),
        contact.organisation.as_ref(),
        contact.email.as_ref(),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    clean(&parts.join("\n")).to_lowercase()
}

/// What a text search looks for.
pub(crate) fn search_needle(text: &str) -> String {
    clean(text.trim()).to_lowercase()
}

/// The name of a direction in the database.
pub(crate) fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Internal => "internal",
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

/// The verdict of that name.
pub(crate) fn verdict(name: &str) -> StoreResult<Verdict> {
    [Verdict::Accepted, Verdict::Rejected, Verdict::Dead]
        .into_iter()
        .find(|verdict| verdict.as_str() == name)
        .ok_or_else(|| damaged("notifications", "verdict"))
}

/// The statuses of calls that are not over, for `IN (…)`.
pub(crate) fn open_statuses() -> Vec<&'static str> {
    Status::ALL
        .iter()
        .filter(|s| !s.is_terminal())
        .map(|s| s.as_str())
        .collect()
}

/// 32 bytes from a column.
pub(crate) fn bytes32(bytes: &[u8], table: &str, column: &str) -> StoreResult<[u8; 32]> {
    bytes.try_into().map_err(|_| damaged(table, column))
}

/// Reads JSON of our own.
pub(crate) fn from_json<T: DeserializeOwned>(
    text: &str,
    table: &str,
    column: &str,
) -> StoreResult<T> {
    // The message of serde_json may quote the data: only the place is told.
    serde_json::from_str(text).map_err(|_| damaged(table, column))
}

/// Writes JSON.
pub(crate) fn to_json<T: Serialize>(value: &T, table: &str, column: &str) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|_| damaged(table, column))
}

/// The columns of a message that lists filter by.
pub(crate) struct MessageFilters {
    pub(crate) from_number: Option<String>,
    /// One a line, with a line's end before and after.
    pub(crate) to_numbers: String,
    pub(crate) user_id: Option<String>,
}

impl MessageFilters {
    pub(crate) fn of(message: &Message) -> Self {
        let to = message.to.iter().filter_map(|to| to.canonical());
        Self {
            from_number: message.from.canonical().map(|n| clean(n).into_owned()),
            to_numbers: to.fold("\n".to_owned(), |all, number| {
                format!("{all}{}\n", clean(number))
            }),
            user_id: message.user_id.as_deref().map(|id| clean(id).into_owned()),
        }
    }
}

/// What to look for among recipients.
pub(crate) fn recipient(number: &str) -> String {
    format!("\n{}\n", clean(number))
}

/// The error for a value that cannot be read back.
pub(crate) fn damaged(table: &str, column: &str) -> StoreError {
    StoreError::Damaged(format!("{table}.{column}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_differ() {
        let long = "é".repeat(2_000);
        let longer = "é".repeat(2_001);
        assert!(key(&long).len() <= MAX_KEY);
        assert_ne!(key(&long), key(&longer));
        assert_eq!(key("linked:1.2"), "linked:1.2");
        assert_eq!(key("a\0b"), "a\u{FFFD}b");
    }

    #[test]
    fn times_come_back_to_the_microsecond() {
        let at: Timestamp = "2026-11-22T01:52:38.086123456Z".parse().unwrap();
        assert_eq!(whole_micros(at).to_string(), "2026-11-22T01:52:38.086123Z");
    }
}
