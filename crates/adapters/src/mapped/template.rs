//! Texts with placeholders, such as `{target}` or `{setting.api_url}`. What is put in is escaped
//! for its place: in an address every character that means something there is percent-encoded,
//! in a body it is a JSON string or number and nothing else.

use serde_json::{Map, Value};

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 500;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A placeholder, and whether it is to be written as a JSON number.
    Name(String, bool),
}

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

/// Why a template gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// This placeholder has no value.
    Missing(String),
    /// The value of this placeholder cannot stand here.
    Unfit(String),
}

impl Template {
    /// Reads a template whose placeholders are all `known`.
    pub(super) fn parse(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Self, String> {
        if text.len() > MAX_TEMPLATE {
            return Err(format!("must be at most {MAX_TEMPLATE} characters"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            }
            let inner = &rest[open + 1..];
            let (name, after) = inner.split_once('}').ok_or("has a { without its }")?;
            let (name, number) = match name.strip_suffix(":number") {
                Some(name) => (name, true),
                None => (name, false),
            };
            if !known(name) {
                let shown: String = name.chars().take(40).collect();
                return Err(format!("has a placeholder that is not known: {{{shown}}}"));
            }
            pieces.push(Piece::Name(name.to_owned(), number));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// True when the template begins with this placeholder.
    pub(super) fn begins_with(&self, wanted: &str) -> bool {
        matches!(self.0.first(), Some(Piece::Name(name, false)) if name == wanted)
    }

    /// The text before the first placeholder.
    pub(super) fn head(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// The text behind the first piece.
    pub(super) fn second(&self) -> Option<&str> {
        match self.0.get(1) {
            Some(Piece::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// An address. A placeholder it begins with is an address itself and stands as it is.
    pub(super) fn address(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String, Gap> {
        let mut out = String::new();
        for (at, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Name(name, _) => {
                    let text = value(name).ok_or_else(|| Gap::Missing(name.clone()))?;
                    if at == 0 {
                        out.push_str(text.trim_end_matches('/'));
                        continue;
                    }
                    // `..` would climb out of its place, encoded or not.
                    if text.is_empty() || text.bytes().all(|byte| byte == b'.') {
                        return Err(Gap::Unfit(name.clone()));
                    }
                    out.push_str(&encode(&text));
                }
            }
        }
        Ok(out)
    }

    /// A JSON string; a number when the whole template is one placeholder that asks for it.
    fn json(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<Value, Gap> {
        if let [Piece::Name(name, true)] = self.0.as_slice() {
            let text = value(name).ok_or_else(|| Gap::Missing(name.clone()))?;
            let number: Result<u64, _> = text.parse();
            return number
                .map(Value::from)
                .map_err(|_| Gap::Unfit(name.clone()));
        }
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Name(name, _) => {
                    out.push_str(&value(name).ok_or_else(|| Gap::Missing(name.clone()))?);
                }
            }
        }
        Ok(Value::String(out))
    }
}

/// Everything but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// A body with templates in the place of texts.
#[derive(Clone, Debug)]
pub(super) enum BodyTemplate {
    Text(Template),
    Fixed(Value),
    Object(Vec<(String, BodyTemplate)>),
    List(Vec<BodyTemplate>),
}

impl BodyTemplate {
    /// The body. A member that is nothing but a placeholder without a value is left out when the
    /// placeholder may be missing.
    pub(super) fn fill(
        &self,
        value: &dyn Fn(&str) -> Option<String>,
        may_be_missing: &dyn Fn(&str) -> bool,
    ) -> Result<Value, Gap> {
        match self {
            Self::Text(template) => template.json(value),
            Self::Fixed(fixed) => Ok(fixed.clone()),
            Self::Object(members) => {
                let mut map = Map::new();
                for (name, member) in members {
                    match member.fill(value, may_be_missing) {
                        Err(Gap::Missing(what)) if may_be_missing(&what) => {}
                        filled => drop(map.insert(name.clone(), filled?)),
                    }
                }
                Ok(Value::Object(map))
            }
            Self::List(items) => {
                let filled = items.iter().map(|item| item.fill(value, may_be_missing));
                filled.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        Some(match name {
            "base" => "https://api.example.com/".to_owned(),
            "target" => "+31612345678".to_owned(),
            "evil" => "../x?y=\"}&#\r\n%".to_owned(),
            "dots" => "..".to_owned(),
            _ => return None,
        })
    }

    #[test]
    fn what_is_put_into_an_address_stays_in_its_place() {
        let parse = |text| Template::parse(text, &|_| true).unwrap();
        let address = |text| parse(text).address(&value);
        assert_eq!(
            address("{base}/calls/{target}").unwrap(),
            "https://api.example.com/calls/%2B31612345678"
        );
        assert_eq!(
            address("{base}/c?to={evil}").unwrap(),
            "https://api.example.com/c?to=..%2Fx%3Fy%3D%22%7D%26%23%0D%0A%25"
        );
        assert_eq!(
            address("{base}/{dots}/x"),
            Err(Gap::Unfit("dots".to_owned()))
        );
        assert_eq!(address("{base}/{no}"), Err(Gap::Missing("no".to_owned())));
    }

    #[test]
    fn what_is_put_into_a_body_is_a_string() {
        let parse = |text| Template::parse(text, &|_| true).unwrap();
        let body = BodyTemplate::Object(vec![
            ("a".to_owned(), BodyTemplate::Text(parse("x{evil}"))),
            ("b".to_owned(), BodyTemplate::Text(parse("{no}"))),
        ]);
        let filled = body.fill(&value, &|name| name == "no").unwrap();
        assert_eq!(filled["a"], "x../x?y=\"}&#\r\n%");
        assert!(filled.get("b").is_none());
        assert!(body.fill(&value, &|_| false).is_err());
        assert!(Template::parse("{a", &|_| true).is_err());
        assert!(Template::parse("{a}", &|_| false).is_err());
    }
}
