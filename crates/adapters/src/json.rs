//! Reading other people's JSON: lenient about the many spellings of one thing, strict about what
//! must not be guessed, and exact about which field was at fault.
//!
//! What lives here: [`object`] (bytes to an object, with a bounded depth) and [`Fields`] (named
//! access with the path for error messages). What does not: the meaning of any field. Values are
//! never quoted in errors, for they may be numbers or names of people.

use std::borrow::Cow;

use serde_json::{Map, Value};
use switchhook_domain::Timestamp;
use switchhook_domain::time;
use switchhook_engine::adapter::DecodeError;

/// The largest duration believed, in milliseconds: one year.
const MAX_MILLIS: f64 = 366.0 * 86_400_000.0;

/// The longest id believed, in bytes; platforms use up to some forty.
const MAX_ID: usize = 160;

/// Reads a payload that must be one JSON object. Nesting beyond 128 levels is a syntax error
/// (`serde_json`'s own limit), so hostile depth cannot exhaust the stack.
pub(crate) fn object(payload: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    match serde_json::from_slice(payload) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(DecodeError::Syntax(
            "the payload must be a JSON object".to_owned(),
        )),
        Err(error) => Err(DecodeError::Syntax(error.to_string())),
    }
}

/// The most items of a list that are read.
const MAX_ITEMS: usize = 100;

/// The longest name or label kept, in characters.
const MAX_LABEL: usize = 200;

/// A name as people write it: bounded, and without control characters.
pub(crate) fn label(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_LABEL)
        .collect()
}

/// A longer text, bounded to 64 KiB.
pub(crate) fn prose(text: &str) -> String {
    let mut end = text.len().min(64 * 1024);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// An address a browser may open, or nothing: links end up on people's screens.
pub(crate) fn web_address(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = text.len() <= 2048 && !text.contains(|c: char| c.is_control() || c == ' ');
    (fits && (text.starts_with("https://") || text.starts_with("http://"))).then_some(text)
}

/// A time of day without an offset, as databases write it: read as UTC.
fn without_offset(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
    time::parse_lenient(&format!("{civil}Z"))
}

/// The members of one object, and where it was found. Cheap to copy; a path is only put together
/// when there is a fault to name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'static str,
}

impl<'a> Fields<'a> {
    /// The members of the outermost object.
    pub(crate) fn root(map: &'a Map<String, Value>) -> Self {
        Self { map, path: "" }
    }

    /// The members of an object that was found at `path`.
    pub(crate) fn at(map: &'a Map<String, Value>, path: &'static str) -> Self {
        Self { map, path }
    }

    /// A fault of one of the members.
    pub(crate) fn fault(&self, name: &str, problem: &str) -> DecodeError {
        let field = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        DecodeError::field(field, problem)
    }

    /// A member that says something: absent, `null`, `""`, `{}` and `[]` all stand for none.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        })
    }

    /// True when the member is there at all, whatever its value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// An object; `path` is where its own faults are reported.
    pub(crate) fn object(
        &self,
        name: &str,
        path: &'static str,
    ) -> Result<Option<Fields<'a>>, DecodeError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields { map, path })),
            Some(_) => Err(self.fault(name, "must be an object")),
        }
    }

    /// A text on which something depends.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, DecodeError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(_) => Err(self.fault(name, "must be a text")),
        }
    }

    /// A text that is nice to have: anything else than a text is as good as none.
    pub(crate) fn words(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str).map(str::trim)
    }

    /// The first of several texts that are nice to have.
    pub(crate) fn first_words(&self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.words(name))
    }

    /// A platform's id: a text or a whole number of up to 64 bits, never through a float. Zero
    /// stands for none.
    pub(crate) fn id(&self, name: &str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => id_of(value)
                .map_err(|problem| self.fault(name, problem))
                .map(|id| id.filter(|text| text != "0")),
        }
    }

    /// The first of several ids.
    pub(crate) fn first_id(&self, names: &[&str]) -> Result<Option<Cow<'a, str>>, DecodeError> {
        for name in names {
            if let Some(id) = self.id(name)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// A telephone number as written: a text, or digits written as a whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => id_of(value).map_err(|problem| self.fault(name, problem)),
        }
    }

    /// A time in any of the platforms' spellings; 0 stands for none.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, DecodeError> {
        let at = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) if number.as_f64() == Some(0.0) => return Ok(None),
            Some(Value::Number(number)) => number.as_f64().and_then(time::from_epoch),
            Some(Value::String(text)) => time::parse_lenient(text).or_else(|| without_offset(text)),
            Some(_) => None,
        };
        at.map(Some).ok_or_else(|| {
            self.fault(
                name,
                "must be a time: epoch milliseconds or seconds, or RFC 3339",
            )
        })
    }

    /// The first of several times.
    pub(crate) fn first_time(&self, names: &[&str]) -> Result<Option<Timestamp>, DecodeError> {
        for name in names {
            if let Some(at) = self.time(name)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// A duration, times `scale` in milliseconds: whole or fractional, number or text. A
    /// duration that cannot be (negative, longer than a year) is as good as none.
    pub(crate) fn millis(&self, name: &str, scale: f64) -> Result<Option<i64>, DecodeError> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse::<f64>().ok(),
            Some(_) => None,
        };
        let Some(number) = number else {
            return Err(self.fault(name, "must be a duration: a number"));
        };
        let millis = (number * scale).round();
        if !(0.0..=MAX_MILLIS).contains(&millis) {
            return Ok(None);
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded to a year above")]
        Ok(Some(millis as i64))
    }

    /// Yes or no; absent is no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, DecodeError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(yes)) => Ok(*yes),
            Some(Value::Number(number)) => Ok(number.as_f64() != Some(0.0)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(self.fault(name, "must be true or false")),
        }
    }

    /// The items of a list, at most [`MAX_ITEMS`]; a single value stands for a list of one.
    pub(crate) fn list(&self, name: &str) -> &'a [Value] {
        match self.get(name) {
            None => &[],
            Some(Value::Array(items)) => items.get(..MAX_ITEMS).unwrap_or(items),
            Some(single) => std::slice::from_ref(single),
        }
    }
}

/// A value as an id, or what is wrong with it.
pub(crate) fn id_of(value: &Value) -> Result<Option<Cow<'_, str>>, &'static str> {
    match value {
        Value::String(text) if text.len() > MAX_ID => Err("is too long"),
        Value::String(text) => Ok(Some(text.trim())
            .filter(|t| !t.is_empty())
            .map(Cow::Borrowed)),
        Value::Number(number) if number.is_u64() || number.is_i64() => {
            Ok(Some(Cow::Owned(number.to_string())))
        }
        Value::Number(_) => Err("must be a whole number of at most 64 bits, or a text"),
        _ => Err("must be a whole number or a text"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn an_id_is_exact_or_refused() {
        let map = map(
            json!({"a": 9_007_199_254_740_993_u64, "b": "0042", "c": 0, "d": 1.5,
            "e": true, "f": 18_446_744_073_709_551_615_u64, "g": -7}),
        );
        let fields = Fields::root(&map);
        assert_eq!(fields.id("a").unwrap().unwrap(), "9007199254740993");
        assert_eq!(fields.id("b").unwrap().unwrap(), "0042");
        assert_eq!(fields.id("c").unwrap(), None);
        assert_eq!(fields.id("f").unwrap().unwrap(), "18446744073709551615");
        assert_eq!(fields.id("g").unwrap().unwrap(), "-7");
        assert_eq!(fields.id("nowhere").unwrap(), None);
        assert!(
            fields
                .id("d")
                .unwrap_err()
                .to_string()
                .starts_with("field `d` must be")
        );
        assert!(fields.id("e").is_err());
        let big = object(br#"{"a":18446744073709551616}"#).unwrap();
        assert!(
            Fields::root(&big).id("a").is_err(),
            "beyond 64 bits it would lose digits"
        );
    }

    #[test]
    fn the_path_of_a_nested_fault_is_named() {
        let map = map(json!({"target": {"id": [1]}}));
        let target = Fields::root(&map)
            .object("target", "target")
            .unwrap()
            .unwrap();
        let fault = target.id("id").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "field `target.id` must be a whole number or a text"
        );
    }

    #[test]
    fn nothing_is_spelled_in_five_ways() {
        let map = map(json!({"a": null, "b": {}, "c": [], "d": "  "}));
        let fields = Fields::root(&map);
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(fields.get(name), None, "{name}");
            assert!(fields.object(name, "x").unwrap().is_none());
            assert_eq!(fields.time(name).unwrap(), None);
            assert_eq!(fields.millis(name, 1.0).unwrap(), None);
        }
        assert!(fields.has("a") && !fields.has("e"));
    }

    #[test]
    fn times_and_durations_in_any_spelling() {
        let map = map(
            json!({"ms": 1_767_000_001_200_i64, "f": 1_767_000_001_200.4,
            "s": 1_767_000_001, "t": "1767000001200", "iso": "2025-12-29T09:20:01.2Z",
            "db": "2025-12-29 09:20:01.2",
            "d": 8951.03, "text": "12.5", "neg": -3, "no": "soon", "zero": 0}),
        );
        let fields = Fields::root(&map);
        let at = |name| fields.time(name).unwrap().unwrap().as_millisecond();
        assert_eq!(at("ms"), 1_767_000_001_200);
        assert_eq!(at("f"), 1_767_000_001_200);
        assert_eq!(at("s"), 1_767_000_001_000);
        assert_eq!(at("t"), 1_767_000_001_200);
        assert_eq!(at("iso"), 1_767_000_001_200);
        assert_eq!(at("db"), 1_767_000_001_200);
        assert_eq!(fields.time("zero").unwrap(), None);
        assert!(fields.time("no").is_err());
        assert_eq!(fields.millis("d", 1.0).unwrap(), Some(8951));
        assert_eq!(fields.millis("text", 1000.0).unwrap(), Some(12_500));
        assert_eq!(fields.millis("neg", 1.0).unwrap(), None);
        assert!(fields.millis("no", 1.0).is_err());
    }

    #[test]
    fn texts_and_lists_are_bounded() {
        assert_eq!(label("Jan\u{0}\r\n de Vries"), "Jan de Vries");
        assert_eq!(label(&"é".repeat(1_000)).chars().count(), MAX_LABEL);
        assert!(prose(&"é".repeat(100_000)).len() <= 64 * 1024);
        let map = map(json!({"many": vec![1; 5_000], "one": 1}));
        assert_eq!(Fields::root(&map).list("many").len(), MAX_ITEMS);
        assert_eq!(Fields::root(&map).list("one").len(), 1);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "{\"a\":".repeat(100_000);
        assert!(matches!(
            object(deep.as_bytes()),
            Err(DecodeError::Syntax(_))
        ));
    }
}
