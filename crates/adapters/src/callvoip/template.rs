//! A request as an administrator describes it: `METHOD /path {"json":"body"}`, with words in
//! braces that are filled in. What is filled in goes into the values of the parsed body and,
//! encoded, into single parts of the path: it cannot become anything else there.

use reqwest::Method;
use serde_json::{Map, Value};

/// The words that may stand in braces.
const WORDS: [&str; 8] = [
    "extension",
    "user_id",
    "device_id",
    "target",
    "caller_id",
    "dial_id",
    "call_id",
    "to",
];

/// A described request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    /// Its method.
    pub(super) method: Method,
    path: String,
    body: Value,
}

/// What the words stand for; a word that is not here is not known.
pub(super) type Values<'a> = [(&'static str, Option<&'a str>)];

impl Template {
    /// Reads a description. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (method, rest) = text.split_once(' ').unwrap_or((text, ""));
        let method = match method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => return Err("must begin with GET, POST, PUT, PATCH or DELETE".to_owned()),
        };
        let rest = rest.trim();
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        if !path.starts_with('/') || path.contains("//") || path.contains("..") {
            return Err("must have a path that begins with / after the method".to_owned());
        }
        let body = match body.trim() {
            "" => Value::Null,
            body => serde_json::from_str(body)
                .map_err(|error| format!("must end with a JSON body: {error}"))?,
        };
        let template = Self {
            method,
            path: path.to_owned(),
            body,
        };
        let mut words = Vec::new();
        words_of(&template.path, &mut words);
        each_text(&template.body, &mut |text| words_of(text, &mut words));
        match words.iter().find(|word| !WORDS.contains(&word.as_str())) {
            Some(word) => Err(format!(
                "has an unknown word {{{word}}}; known: {}",
                WORDS.join(", ")
            )),
            None => Ok(template),
        }
    }

    /// The path with everything filled in, or the word that is needed and not known.
    pub(super) fn path(&self, values: &Values<'_>) -> Result<String, String> {
        let mut missing = None;
        let path = filled(&self.path, &mut |word| match value_of(values, word) {
            Some(value) => encoded(value),
            None => {
                missing = Some(word.to_owned());
                String::new()
            }
        });
        missing.map_or(Ok(path), Err)
    }

    /// The body with everything filled in. A member that is nothing but a word that is not known
    /// is left out.
    pub(super) fn body(&self, values: &Values<'_>) -> Value {
        fill(&self.body, values).unwrap_or(Value::Null)
    }
}

fn fill(value: &Value, values: &Values<'_>) -> Option<Value> {
    Some(match value {
        Value::String(text) => {
            if let Some(word) = only_word(text) {
                return value_of(values, word).map(Value::from);
            }
            let word = &mut |word: &str| value_of(values, word).unwrap_or_default().to_owned();
            Value::from(filled(text, word))
        }
        Value::Object(members) => {
            let members = members.iter();
            let members = members.filter_map(|(k, v)| Some((k.clone(), fill(v, values)?)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().filter_map(|v| fill(v, values)).collect(),
        other => other.clone(),
    })
}

fn value_of<'a>(values: &Values<'a>, word: &str) -> Option<&'a str> {
    let found = values.iter().find(|(name, _)| *name == word);
    found.and_then(|(_, value)| *value)
}

fn only_word(text: &str) -> Option<&str> {
    let word = text.strip_prefix('{')?.strip_suffix('}')?;
    (!word.contains(['{', '}'])).then_some(word)
}

/// The text with each `{word}` replaced.
fn filled(text: &str, word: &mut dyn FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        out.push_str(&word(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn words_of(text: &str, words: &mut Vec<String>) {
    filled(text, &mut |word| {
        words.push(word.to_owned());
        String::new()
    });
}

fn each_text(value: &Value, of: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => of(text),
        Value::Object(members) => members.values().for_each(|value| each_text(value, of)),
        Value::Array(items) => items.iter().for_each(|value| each_text(value, of)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Percent-encoded but for what is never special in a path (RFC 3986, "unreserved", without the
/// dot, which alone could climb).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_filled_in_and_cannot_break_out() {
        let text =
            r#"POST /calls/{call_id}/x {"to":"{to}","n":["{caller_id}",1],"s":"sip:{to}@x"}"#;
        let template = Template::parse(text).unwrap();
        let evil = r#"../a?b#","x":"1"#;
        let values = [("call_id", Some(evil)), ("to", Some(evil))];
        let path = template.path(&values).unwrap();
        assert_eq!(path, "/calls/%2E%2E%2Fa%3Fb%23%22%2C%22x%22%3A%221/x");
        let body = template.body(&values);
        assert_eq!(
            body,
            json!({"to": evil, "n": [1], "s": format!("sip:{evil}@x")})
        );
        assert_eq!(
            template.path(&[("to", Some("1"))]),
            Err("call_id".to_owned())
        );
    }

    #[test]
    fn a_wrong_description_says_what_is_wrong() {
        for (text, part) in [
            ("", "must begin with GET"),
            ("post /x", "must begin with GET"),
            ("POST", "must have a path"),
            ("POST x", "must have a path"),
            ("POST //evil.example/x", "must have a path"),
            ("POST /a/../b", "must have a path"),
            ("POST /x {", "must end with a JSON body"),
            (r#"POST /x {"a":"{nobody}"}"#, "unknown word {nobody}"),
            ("POST /{nobody}", "unknown word {nobody}"),
        ] {
            let said = Template::parse(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
