//! The answer to `newCall`: refuse a blocked caller, or show another number. As Zammad gives it
//! (`Integration::CtiController`): `{"action":"reject","reason":"busy"}`,
//! `{"action":"dial","caller_id":…,"number":…}`, else `{}`. Numbers are written as there:
//! international digits without a plus.

use serde_json::{Value, json};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::Direction;
use switchhook_engine::adapter::{ConnectionContext, DecodeError};

use super::Notice;
use super::spec::{BLOCKED, CALLER_IDS, DEFAULT_CALLER_ID};

/// The most lines of a list that are looked at.
const MAX_LINES: usize = 1_000;

/// The decision.
pub(super) fn decide(notice: &Notice<'_>, connection: &ConnectionContext) -> Value {
    match notice.direction {
        Some(Direction::Inbound) if is_blocked(notice.from.as_ref(), connection) => {
            json!({"action": "reject", "reason": "busy"})
        }
        Some(Direction::Outbound) => {
            let number = notice.to.as_ref().and_then(digits);
            let shown = number.as_deref().and_then(|to| caller_id(to, connection));
            match (shown, number) {
                (Some(shown), Some(number)) => {
                    json!({"action": "dial", "caller_id": shown, "number": number})
                }
                _ => json!({}),
            }
        }
        _ => json!({}),
    }
}

/// True for a caller on the list of blocked numbers.
pub(super) fn is_blocked(from: Option<&PhoneNumber>, connection: &ConnectionContext) -> bool {
    let Some(from) = from.and_then(digits) else {
        return false;
    };
    let plan = &connection.numbers;
    lines(connection, BLOCKED).any(|line| Pattern::read(line, plan).fits(&from))
}

fn caller_id(to: &str, connection: &ConnectionContext) -> Option<String> {
    let plan = &connection.numbers;
    let routes = lines(connection, CALLER_IDS).filter_map(|line| line.split_once('='));
    let fitting = routes
        .map(|(pattern, shown)| (Pattern::read(pattern, plan), shown))
        .filter(|(pattern, _)| pattern.fits(to));
    let longest = fitting.max_by_key(|(pattern, _)| pattern.digits.len());
    let shown = longest.map(|(_, shown)| shown);
    let shown = shown.or_else(|| connection.text(DEFAULT_CALLER_ID))?;
    digits(&PhoneNumber::parse(shown, plan))
}

/// A number, or the beginning of one.
struct Pattern {
    digits: String,
    is_beginning: bool,
}

impl Pattern {
    fn read(text: &str, plan: &NumberPlan) -> Self {
        match text.trim().strip_suffix('*') {
            Some(beginning) => Self {
                digits: beginning.chars().filter(char::is_ascii_digit).collect(),
                is_beginning: true,
            },
            None => Self {
                digits: digits(&PhoneNumber::parse(text, plan)).unwrap_or_default(),
                is_beginning: false,
            },
        }
    }

    fn fits(&self, number: &str) -> bool {
        match self.is_beginning {
            true => number.starts_with(&self.digits),
            false => !self.digits.is_empty() && number == self.digits,
        }
    }
}

/// International digits without a plus; of other numbers the digits.
fn digits(number: &PhoneNumber) -> Option<String> {
    let digits: String = number
        .canonical()?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then_some(digits)
}

/// The lines of a list setting: a list of texts, or one text.
fn lines<'a>(connection: &'a ConnectionContext, name: &str) -> impl Iterator<Item = &'a str> {
    let texts: Vec<&str> = match connection.config.get(name) {
        Some(Value::String(text)) => text.lines().collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let told = texts
        .into_iter()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    told.take(MAX_LINES)
}

/// Finds what would never fit anything.
pub(super) fn check(connection: &ConnectionContext) -> Result<(), DecodeError> {
    let plan = &connection.numbers;
    let bad = |text: &str| {
        let pattern = Pattern::read(text, plan);
        pattern.digits.is_empty() && text.trim() != "*"
    };
    if lines(connection, BLOCKED).any(|line| bad(line) || line == "*") {
        let problem = "must be numbers, or beginnings such as 4930555*";
        return Err(DecodeError::field(BLOCKED, problem));
    }
    let route = |line: &str| match line.split_once('=') {
        Some((pattern, shown)) => !bad(pattern) && !bad(shown) && !shown.contains('*'),
        None => false,
    };
    if !lines(connection, CALLER_IDS).all(route) {
        let problem = "must be lines such as 4989*=498999998145";
        return Err(DecodeError::field(CALLER_IDS, problem));
    }
    match connection.text(DEFAULT_CALLER_ID) {
        Some(number) if bad(number) || number.contains('*') => {
            Err(DecodeError::field(DEFAULT_CALLER_ID, "must be a number"))
        }
        _ => Ok(()),
    }
}
