//! Query strings: every route has a closed list of names, and what is not understood is refused
//! with its name. A filter that does not filter would be worse than none.

use std::ops::RangeInclusive;

use axum::extract::Query;
use axum::http::Uri;
use jiff::Span;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use switchhook_domain::Timestamp;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::time::parse_lenient;
use uuid::Uuid;

use crate::problem::{Code, Problem};

/// The longest value of a parameter, in bytes.
const MAX_VALUE: usize = 1024;
/// The longest time in seconds: a year.
const MAX_SECONDS: u64 = 31_536_000;

/// The parameters of a request, checked against the names its route knows.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query of an address.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            let detail = "The query string cannot be read. Encode its values as a URL needs it.";
            return Err(Problem::new(Code::InvalidParameter, detail));
        };
        for (name, value) in &pairs {
            if !known.contains(&name.as_str()) {
                // The name is the client's: shown only as far as it is harmless.
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let problem = match known {
                    [] => "is not known; this route takes none".to_owned(),
                    known => format!("is not known; known are {}", known.join(", ")),
                };
                return Err(Problem::parameter(&name, &problem));
            }
            if value.is_empty() {
                return Err(Problem::parameter(name, "is empty; leave it out instead"));
            }
            if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
                let problem = "is too long, or has control characters in it";
                return Err(Problem::parameter(name, problem));
            }
        }
        Ok(Self(pairs))
    }

    /// Refuses any parameter.
    pub(crate) fn none(uri: &Uri) -> Result<(), Problem> {
        // Most requests have no query at all.
        if uri.query().is_none_or(str::is_empty) {
            return Ok(());
        }
        Self::read(uri, &[]).map(drop)
    }

    /// A parameter that may be given once.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        Ok(self.first_of(&[name])?.map(|(_, value)| value))
    }

    /// A parameter with several names, of which one may be given, once.
    pub(crate) fn first_of(
        &self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, &str)>, Problem> {
        let mut found = self.0.iter().filter_map(|(name, value)| {
            let name = names.iter().find(|known| *known == name)?;
            Some((*name, value.as_str()))
        });
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some((name, _)) if names.len() == 1 => {
                Err(Problem::parameter(name, "is given more than once"))
            }
            Some((name, _)) => {
                let problem = format!("is given beside another of {}", names.join(", "));
                Err(Problem::parameter(name, &problem))
            }
        }
    }

    /// A parameter that may be repeated, or hold several words with commas between.
    pub(crate) fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.0.iter().filter(move |(known, _)| known == name);
        values
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|word| !word.is_empty())
    }

    /// Words of which each must mean something.
    pub(crate) fn each<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Result<Vec<T>, Problem> {
        self.words(name)
            .map(|word| read(&word.to_ascii_lowercase()))
            .collect::<Option<Vec<T>>>()
            .ok_or_else(|| Problem::parameter(name, &format!("must be one of {allowed}")))
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(default);
        };
        let number = text
            .trim()
            .parse::<u64>()
            .ok()
            .filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let problem = match *most {
                u64::MAX => format!("must be a whole number from {least}"),
                most => format!("must be a whole number from {least} to {most}"),
            };
            Problem::parameter(name, &problem)
        })
    }

    /// A whole number of seconds, from 0.
    pub(crate) fn seconds(&self, name: &'static str) -> Result<Option<i64>, Problem> {
        if self.one(name)?.is_none() {
            return Ok(None);
        }
        let seconds = self.number(name, 0, 0..=MAX_SECONDS)?;
        Ok(i64::try_from(seconds).ok())
    }

    /// A time: RFC 3339, epoch, or a date, which begins at midnight UTC.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        self.time_of(&[name], 0)
    }

    /// A time with several names. Of a date the beginning counts, that many days later.
    pub(crate) fn time_of(
        &self,
        names: &[&'static str],
        days: i64,
    ) -> Result<Option<Timestamp>, Problem> {
        let Some((name, text)) = self.first_of(names)? else {
            return Ok(None);
        };
        if let Ok(date) = text.trim().parse::<Date>() {
            let day = date.checked_add(Span::new().days(days)).ok();
            let begins = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
            if let Some(begins) = begins {
                return Ok(Some(begins.timestamp()));
            }
        }
        // An unencoded `+` of an offset arrives as a space.
        let text = text.trim().replace(' ', "+");
        parse_lenient(&text).map(Some).ok_or_else(|| {
            let problem = "must be a time such as 2026-11-22T01:52:38Z, a date, or seconds since \
                           1970";
            Problem::parameter(name, problem)
        })
    }

    /// A telephone number in any spelling of the app's country, in its canonical form.
    pub(crate) fn phone(
        &self,
        names: &[&'static str],
        plan: &NumberPlan,
    ) -> Result<Option<String>, Problem> {
        let Some((name, text)) = self.first_of(names)? else {
            return Ok(None);
        };
        // An unencoded `+` arrives as a space.
        let text = match text.strip_prefix(' ') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("+{rest}"),
            _ => text.to_owned(),
        };
        let number = PhoneNumber::parse(&text, plan);
        number
            .canonical()
            .map(|number| Some(number.to_owned()))
            .ok_or_else(|| {
                Problem::parameter(
                    name,
                    "must be a telephone number, an extension or a SIP address",
                )
            })
    }

    /// An id of ours.
    pub(crate) fn id(&self, name: &'static str) -> Result<Option<Uuid>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        uuid(text)
            .map(Some)
            .ok_or_else(|| Problem::parameter(name, "must be a UUID"))
    }
}

/// A UUID in the one spelling we give out.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// An id in the path.
pub(crate) fn path_id(text: &str, what: &str) -> Result<Uuid, Problem> {
    uuid(text).ok_or_else(|| {
        let detail = format!(
            "Invalid {what} ID format: it must be a UUID such as \
             019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b."
        );
        Problem::new(Code::InvalidId, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, known: &[&str]) -> Result<Params, Problem> {
        Params::read(&format!("/x?{query}").parse().unwrap(), known)
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (query, field) in [
            ("colour=red", "colour"),
            ("limit=", "limit"),
            ("limit=%00", "limit"),
        ] {
            let problem = read(query, &["limit"]).unwrap_err();
            assert_eq!(problem.code(), Code::InvalidParameter, "{query}");
            assert!(problem.detail().contains(field), "{query}");
        }
    }

    #[test]
    fn numbers_have_a_range() {
        let number = |query: &str| read(query, &["limit"])?.number("limit", 50, 1..=100);
        assert_eq!(number("").unwrap(), 50);
        assert_eq!(number("limit=7").unwrap(), 7);
        for bad in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=x",
            "limit=1&limit=2",
            "limit=1.5",
        ] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_found_in_any_spelling() {
        let plan = NumberPlan::default();
        for given in [
            "0612345678",
            "%2B31612345678",
            "+31612345678",
            "31612345678",
            "06-12345678",
        ] {
            let params = read(&format!("from={given}"), &["from"]).unwrap();
            let found = params.phone(&["from"], &plan).unwrap();
            assert_eq!(found.as_deref(), Some("+31612345678"), "{given}");
        }
        assert!(
            read("from=anonymous", &["from"])
                .unwrap()
                .phone(&["from"], &plan)
                .is_err()
        );
    }

    #[test]
    fn words_may_be_repeated_or_joined() {
        let params = read("status=Ringing,active&status=held", &["status"]).unwrap();
        let words: Vec<_> = params.words("status").collect();
        assert_eq!(words, ["Ringing", "active", "held"]);
    }

    #[test]
    fn times_are_read_with_or_without_encoding() {
        for given in [
            "2026-11-22T02:52:38+01:00",
            "2026-11-22T01:52:38Z",
            "1795312358",
        ] {
            let params = read(&format!("since={given}"), &["since"]).unwrap();
            let time = params.time("since").unwrap().unwrap();
            assert_eq!(time.as_second(), 1_795_312_358, "{given}");
        }
        assert!(
            read("since=soon", &["since"])
                .unwrap()
                .time("since")
                .is_err()
        );
    }

    #[test]
    fn only_our_own_spelling_is_an_id() {
        assert!(uuid("019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b").is_some());
        assert!(uuid("019AA1B2-3C4D-7E5F-8A9B-0C1D2E3F4A5B").is_some());
        assert!(uuid("019aa1b23c4d7e5f8a9b0c1d2e3f4a5b").is_none());
        assert!(uuid("{19aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5}").is_none());
    }
}
