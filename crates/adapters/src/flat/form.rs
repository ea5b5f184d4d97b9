//! Bodies of flat fields: JSON, a form as browsers and `curl` send it (URL-encoded or multipart),
//! or a query string, all read into one JSON object. What a field means is said elsewhere.

use reqwest::Url;
use serde_json::{Map, Value};
use switchhook_engine::adapter::{DecodeError, split_recorded};

use crate::json;

/// The most fields of a form that are read.
const MAX_FIELDS: usize = 200;
/// The longest boundary of a multipart form, in bytes (RFC 2046 allows 70 and two dashes).
const MAX_BOUNDARY: usize = 74;

/// Reads a payload by its shape: JSON, multipart, or URL-encoded.
pub(crate) fn object(payload: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    match payload.trim_ascii_start() {
        [b'{' | b'[', ..] => json::object(payload),
        [b'-', b'-', ..] => multipart(payload.trim_ascii_start()),
        [] => Err(DecodeError::Syntax("the payload is empty".to_owned())),
        text => {
            let Ok(text) = std::str::from_utf8(text) else {
                let what = "the payload is neither JSON nor a form";
                return Err(DecodeError::Syntax(what.to_owned()));
            };
            url_encoded(text.trim_ascii_end())
        }
    }
}

/// Cuts a recording into notifications; a multipart form is one, whatever its lines.
pub(crate) fn split(recorded: &[u8]) -> Vec<&[u8]> {
    if recorded.trim_ascii_start().starts_with(b"--") {
        return vec![recorded];
    }
    split_recorded(recorded)
}

fn url_encoded(text: &str) -> Result<Map<String, Value>, DecodeError> {
    let no_form = || DecodeError::Syntax("the payload is neither JSON nor a form".to_owned());
    if !text.contains('=') || text.contains(char::is_whitespace) {
        return Err(no_form());
    }
    let mut url = Url::parse("form:/").map_err(|_| no_form())?;
    url.set_query(Some(text));
    Ok(fields(url.query_pairs().map(|(name, value)| {
        (name.into_owned(), value.into_owned())
    })))
}

/// Pairs as an object. A name given twice, or written `name[]`, is a list.
fn fields(pairs: impl Iterator<Item = (String, String)>) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in pairs.take(MAX_FIELDS) {
        let list = name.ends_with("[]");
        let name = name.strip_suffix("[]").unwrap_or(&name).to_owned();
        let value = Value::String(value);
        match map.get_mut(&name) {
            Some(Value::Array(items)) => items.push(value),
            Some(single) => *single = Value::Array(vec![single.take(), value]),
            None if list => drop(map.insert(name, Value::Array(vec![value]))),
            None => drop(map.insert(name, value)),
        }
    }
    map
}

/// Multipart forms without files. The boundary is the first line, so no header is needed.
fn multipart(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    let broken = |what: &str| DecodeError::Syntax(format!("the multipart form {what}"));
    let text = std::str::from_utf8(body).map_err(|_| broken("is not text"))?;
    let (boundary, _) = text
        .split_once('\n')
        .ok_or_else(|| broken("has no parts"))?;
    let boundary = boundary.trim_end();
    if !(3..=MAX_BOUNDARY).contains(&boundary.len()) {
        return Err(broken("has no boundary"));
    }
    let mut pairs = Vec::new();
    for part in text.split(boundary).skip(1).take(MAX_FIELDS) {
        if part.starts_with("--") {
            break;
        }
        let part = part.trim_start_matches(['\r', '\n']);
        let Some((head, value)) = part
            .split_once("\r\n\r\n")
            .or_else(|| part.split_once("\n\n"))
        else {
            return Err(broken("has a part without a value"));
        };
        let Some(name) = part_name(head) else {
            return Err(broken("has a part without a name"));
        };
        let value = value.strip_suffix('\n').unwrap_or(value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        pairs.push((name, value.to_owned()));
    }
    Ok(fields(pairs.into_iter()))
}

fn part_name(head: &str) -> Option<String> {
    let mut lines = head.lines();
    let disposition = lines.find(|line| {
        let name = line.split(':').next().unwrap_or_default();
        name.eq_ignore_ascii_case("content-disposition")
    })?;
    let (_, rest) = disposition.split_once("name=\"")?;
    Some(rest.split('"').next()?.to_owned())
}

/// A query string as a form body, without the parameters that prove who sent it.
pub(crate) fn of_query(query: &[(String, String)], proofs: &[&str]) -> Vec<u8> {
    let told = query
        .iter()
        .filter(|(name, _)| !proofs.contains(&name.as_str()));
    let pairs: Vec<(String, String)> = told.cloned().collect();
    crate::vendor::form(&pairs).into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_event_in_four_writings_is_one_object() {
        let multipart = "--xx\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\nnewCall\r\n\
                         --xx\r\nContent-Disposition: form-data; name=\"user[]\"\r\n\r\nAda & Bob\r\n\
                         --xx--\r\n";
        let query = [
            ("event", "newCall"),
            ("user[]", "Ada & Bob"),
            ("secret", "s"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let query = of_query(&query, &["secret"]);
        for payload in [
            br#"{"event":"newCall","user":["Ada & Bob"]}"#.as_slice(),
            b"event=newCall&user%5B%5D=Ada+%26+Bob\r\n",
            multipart.as_bytes(),
            &query,
        ] {
            let map = object(payload).unwrap();
            assert_eq!(
                Value::Object(map),
                json!({"event": "newCall", "user": ["Ada & Bob"]})
            );
        }
    }

    #[test]
    fn what_is_no_form_is_an_error() {
        for payload in [
            b"".as_slice(),
            b"  ",
            b"hello",
            b"hello world=1",
            b"\xff=1",
            b"--",
            b"--x\nno head\n--x--",
            b"[1,2]",
            b"{\"a\":",
        ] {
            assert!(
                matches!(object(payload), Err(DecodeError::Syntax(_))),
                "{payload:?}"
            );
        }
    }
}
