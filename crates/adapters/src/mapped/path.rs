//! Where a value stands in a body: `data.user.id`, `parties[0].name`, `parties[role=agent].id`,
//! `["name.with.dots"].x`. A path is compiled once and never walks further than its own length.

use std::borrow::Cow;

use serde_json::Value;

/// The most steps of a path.
const MAX_STEPS: usize = 12;
/// The longest path, in bytes.
const MAX_PATH: usize = 200;
/// The longest text read from a body, in bytes; longer ones are cut by whoever keeps them.
const MAX_VALUE: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member of an object.
    Member(String),
    /// An item of a list, from 0.
    Item(usize),
    /// The first item of a list whose member has this text.
    Where(String, String),
}

/// A compiled path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Begins at the whole payload even where each item of a batch is read by itself.
    whole: bool,
    steps: Vec<Step>,
    text: String,
}

/// What a path is looked up in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'v> {
    /// The whole payload.
    pub(super) whole: &'v Value,
    /// The item of the batch, or the whole payload.
    pub(super) item: &'v Value,
}

impl Path {
    /// Reads a path.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATH {
            return Err(format!("must be at most {MAX_PATH} characters long"));
        }
        let (whole, mut rest) = match text.strip_prefix('$') {
            Some(rest) => (true, rest.strip_prefix('.').unwrap_or(rest)),
            None => (false, text),
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inner) => bracket(inner)?,
                None => {
                    let end = rest.find(['.', '[']).unwrap_or(rest.len());
                    (Step::Member(rest[..end].to_owned()), &rest[end..])
                }
            };
            if matches!(&step, Step::Member(name) if name.is_empty()) {
                return Err("has an empty step; write it like data.user.id".to_owned());
            }
            steps.push(step);
            rest = match after.strip_prefix('.') {
                Some("") => return Err("must not end in a dot".to_owned()),
                Some(after) => after,
                None if after.is_empty() || after.starts_with('[') => after,
                None => return Err("needs a dot after a closing bracket".to_owned()),
            };
        }
        match steps.len() {
            0 if !whole => Err("must name a field, such as data.user.id".to_owned()),
            0..=MAX_STEPS => Ok(Self {
                whole,
                steps,
                text: text.to_owned(),
            }),
            _ => Err(format!("must have at most {MAX_STEPS} steps")),
        }
    }

    /// The path as written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The value there; `null` is none.
    pub(super) fn find<'v>(&self, scope: Scope<'v>) -> Option<&'v Value> {
        let start = if self.whole { scope.whole } else { scope.item };
        let found = self.steps.iter().try_fold(start, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Item(at) => value.get(at),
            Step::Where(name, wanted) => value.as_array()?.iter().find(|item| {
                let text = item.get(name).and_then(text_of);
                text.is_some_and(|text| text == wanted.as_str())
            }),
        });
        found.filter(|value| !value.is_null())
    }

    /// The value as a text that says something: texts trimmed, numbers and truth values as
    /// written.
    pub(super) fn text<'v>(&self, scope: Scope<'v>) -> Option<Cow<'v, str>> {
        self.find(scope)
            .and_then(text_of)
            .filter(|text| !text.is_empty())
    }
}

fn bracket(inner: &str) -> Result<(Step, &str), String> {
    if let Some(quoted) = inner.strip_prefix('"') {
        let (name, rest) = quoted
            .split_once("\"]")
            .ok_or("has a quote without its end")?;
        return Ok((Step::Member(name.to_owned()), rest));
    }
    let (content, rest) = inner
        .split_once(']')
        .ok_or("has a bracket without its end")?;
    if let Ok(at) = content.parse() {
        return Ok((Step::Item(at), rest));
    }
    let bad = "has brackets that hold neither a number, name=value nor \"a name\"";
    let (name, value) = content.split_once('=').ok_or(bad)?;
    if name.is_empty() {
        return Err(bad.to_owned());
    }
    Ok((Step::Where(name.to_owned(), value.to_owned()), rest))
}

fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if text.len() <= MAX_VALUE => Some(Cow::Borrowed(text.trim())),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "true" } else { "false" })),
        _ => None,
    }
}

/// Where a field's text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The first of these paths that says something.
    First(Vec<Path>),
    /// All of these, one after the other; none of them may be missing.
    Joined(Vec<Path>, String),
    /// The same text for every event.
    Always(String),
}

impl Source {
    /// The text.
    pub(super) fn text<'v>(&'v self, scope: Scope<'v>) -> Option<Cow<'v, str>> {
        match self {
            Self::First(paths) => paths.iter().find_map(|path| path.text(scope)),
            Self::Joined(paths, with) => {
                let texts: Option<Vec<_>> = paths.iter().map(|path| path.text(scope)).collect();
                texts.map(|texts| Cow::Owned(texts.join(with)))
            }
            Self::Always(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// What to call it in an error.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::First(paths) | Self::Joined(paths, _) => {
                paths.first().map_or("", |path| path.as_str())
            }
            Self::Always(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let value = json!({"data": {"id": 7, "on": true, "a.b": " x "},
            "parties": [{"role": "customer", "n": "1"}, {"role": "agent", "n": "2"}]});
        let scope = Scope {
            whole: &value,
            item: &value["data"],
        };
        for (path, wanted) in [
            ("id", Some("7")),
            ("on", Some("true")),
            ("[\"a.b\"]", Some("x")),
            ("$.parties[1].n", Some("2")),
            ("$.parties[role=customer].n", Some("1")),
            ("$.parties[role=nobody].n", None),
            ("$.parties[9].n", None),
            ("$.data.id.x", None),
            ("$.parties", None),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(path.text(scope).as_deref(), wanted, "{}", path.as_str());
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        let deep = "a.".repeat(20);
        for text in [
            "", ".", "a..b", "a.", "a[", "a[]", "a[x]", "a[=x]", "a[0]b", "a[\"x]", &deep,
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        assert!(Path::parse(&"a".repeat(300)).is_err());
    }
}
