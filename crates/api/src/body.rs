//! Bodies: read within a limit and a time, and JSON understood with the path of what is wrong.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::problem::{Code, Problem};

/// How much of a body that is too large is read and thrown away, so that the client has sent it
/// and reads the answer.
const DRAIN: usize = 8 * 1024 * 1024;
/// How long a body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(20);

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(SLOWEST, read_all(body, limit)).await {
        Ok(result) => result,
        Err(_) => {
            let seconds = SLOWEST.as_secs();
            let detail =
                format!("The body did not arrive within {seconds} seconds. Send it again.");
            Err(Problem::new(Code::BodyTooSlow, detail))
        }
    }
}

async fn read_all(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let Some(first) = stream.next().await else {
        return Ok(Bytes::new());
    };
    let first = first.map_err(|_| broken())?;
    let mut size = first.len();
    let mut rest: Option<BytesMut> = None;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| broken())?;
        size = size.saturating_add(chunk.len());
        if size > limit {
            rest = None;
            if size > limit.saturating_add(DRAIN) {
                break;
            }
            continue;
        }
        let start = || BytesMut::from(first.as_ref());
        rest.get_or_insert_with(start).extend_from_slice(&chunk);
    }
    if size > limit {
        let detail = format!("The body is larger than the {limit} bytes this route takes.");
        return Err(Problem::new(Code::BodyTooLarge, detail));
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

fn broken() -> Problem {
    Problem::new(
        Code::InvalidBody,
        "The body broke off while it was read. Send it again.",
    )
}

/// Reads a JSON body.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<T, Problem> {
    let bytes = read(body, limit).await?;
    if bytes.trim_ascii().is_empty() {
        let detail = "The body is missing. Send a JSON object with Content-Type: application/json.";
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    if !is_json(headers) {
        let detail = "The body must be JSON, sent with Content-Type: application/json.";
        return Err(Problem::new(Code::UnsupportedContentType, detail));
    }
    parse(&bytes)
}

/// Reads a JSON body that may be left out.
pub(crate) async fn json_or_default<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<T, Problem> {
    let bytes = read(body, limit).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    json(headers, bytes.into(), limit).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = kind
        .and_then(|kind| kind.split(';').next())
        .map(str::trim)
        .unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Understands JSON. What is wrong is named by its path; the value itself is never repeated.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        fault(&path, &inner)
    })?;
    reader.end().map_err(|error| fault(".", &error))?;
    Ok(value)
}

/// A JSON object and nothing else: serde would also read its members from an array, in order.
#[derive(Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

fn fault(path: &str, error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    if !error.is_data() {
        let what = if error.is_eof() {
            "ends too early"
        } else {
            "is not well-formed JSON"
        };
        let what = if error.to_string().starts_with("recursion") {
            "is nested too deep"
        } else {
            what
        };
        let detail = format!("The body {what}, at line {line} column {column}.");
        return Problem::new(Code::InvalidBody, detail);
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    if let Some(name) = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return Problem::field(&joined(path, name), "is required");
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        let known = rest
            .split_once("expected ")
            .map_or("no other", |(_, known)| known);
        let problem = format!("is not known; known: {}", known.replace('`', ""));
        return Problem::field(path, &problem);
    }
    if path == "." {
        let detail = format!("The body has the wrong shape: expected {}.", expected(text));
        return Problem::new(Code::InvalidBody, detail);
    }
    Problem::field(path, &format!("must be {}", expected(text)))
}

/// What serde expected, without the value it found, which may be a secret.
fn expected(text: &str) -> String {
    let other = "in one of the shapes that /docs shows";
    let expected = text
        .rsplit_once("expected ")
        .map_or(other, |(_, what)| what);
    expected.replace("struct ", "an object: ").replace('`', "")
}

fn joined(path: &str, name: &str) -> String {
    if path == "." {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Thing {
        name: String,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Part {
        size: u8,
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (text, code, words) in [
            ("", Code::InvalidBody, "too early"),
            (r#"{"name":"#, Code::InvalidBody, "too early"),
            (r#"{"name":1,}"#, Code::InvalidField, "`name`"),
            ("[]", Code::InvalidBody, "shape"),
            ("{}", Code::InvalidField, "`name` is required"),
            (
                r#"{"name":"x","colour":1}"#,
                Code::InvalidField,
                "`colour` is not known",
            ),
            (
                r#"{"name":"x","parts":[{"size":1},{}]}"#,
                Code::InvalidField,
                "`parts[1].size`",
            ),
            (
                r#"{"name":"x","parts":[{"size":-1}]}"#,
                Code::InvalidField,
                "`parts[0].size`",
            ),
            (r#"{"name":"x"} x"#, Code::InvalidBody, "well-formed"),
        ] {
            let problem = parse::<Thing>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), code, "{text}: {}", problem.detail());
            assert!(
                problem.detail().contains(words),
                "{text}: {}",
                problem.detail()
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_harmless() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let problem = parse::<serde_json::Value>(deep.as_bytes()).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidBody);
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        let problem = parse::<Thing>(br#"{"name":["geheim"]}"#).unwrap_err();
        assert!(!problem.detail().contains("geheim"), "{}", problem.detail());
        let problem = parse::<Vec<u8>>(br#"["geheim"]"#).unwrap_err();
        assert!(!problem.detail().contains("geheim"), "{}", problem.detail());
    }
}
