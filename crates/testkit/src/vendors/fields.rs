//! The check of a JSON body against the fields a vendor publishes: unknown, mistyped and missing
//! ones are refused by name, as strict vendors do.

use serde_json::Value;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text that is not empty.
    Text,
    /// A whole number, or the same as a text of digits where the vendor takes that.
    Id,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words.
    Words(&'static [&'static str]),
    /// An object with these fields.
    Object(&'static [Field]),
    /// An object that fits exactly one of these.
    OneOf(&'static [&'static [Field]]),
    /// A list of texts.
    Texts,
}

/// One field of a body.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// True when it must be there.
    pub required: bool,
}

/// A field that must be there.
#[must_use]
pub const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

/// A field that may be there.
#[must_use]
pub const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

/// Checks an object.
///
/// # Errors
/// The first thing that does not fit, with the path of the field.
pub fn check(body: &Value, fields: &[Field]) -> Result<(), String> {
    let Some(object) = body.as_object() else {
        return Err("the body must be a JSON object".to_owned());
    };
    for name in object.keys() {
        if !fields.iter().any(|field| field.name == name) {
            return Err(format!("`{name}` is not a field"));
        }
    }
    for field in fields {
        match object.get(field.name) {
            None if field.required => return Err(format!("`{}` is missing", field.name)),
            None => {}
            Some(value) => {
                fits(value, field.kind).map_err(|problem| format!("`{}` {problem}", field.name))?;
            }
        }
    }
    Ok(())
}

fn fits(value: &Value, kind: Kind) -> Result<(), String> {
    let so = |fits: bool, what: &str| fits.then_some(()).ok_or(format!("must be {what}"));
    match kind {
        Kind::Text => so(
            value.as_str().is_some_and(|text| !text.is_empty()),
            "a text",
        ),
        Kind::Id => {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            so(
                value.is_u64() || value.as_str().is_some_and(digits),
                "an id",
            )
        }
        Kind::Integer => so(value.is_i64(), "a whole number"),
        Kind::Boolean => so(value.is_boolean(), "true or false"),
        Kind::Word(words) => so(
            value.as_str().is_some_and(|word| words.contains(&word)),
            &format!("one of {}", words.join(", ")),
        ),
        Kind::Words(words) => {
            let word = |value: &Value| value.as_str().is_some_and(|w| words.contains(&w));
            let fits = value.as_array().is_some_and(|list| list.iter().all(word));
            so(fits, &format!("a list of {}", words.join(", ")))
        }
        Kind::Object(fields) => check(value, fields),
        Kind::OneOf(kinds) => {
            let fitting = kinds.iter().filter(|fields| check(value, fields).is_ok());
            so(fitting.count() == 1, "exactly one of the allowed shapes")
        }
        Kind::Texts => {
            let list = value.as_array();
            so(
                list.is_some_and(|list| list.iter().all(Value::is_string)),
                "a list of texts",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_of_being_wrong_is_named() {
        const FIELDS: &[Field] = &[
            required("to", Kind::Text),
            optional("user", Kind::Id),
            optional("state", Kind::Word(&["on", "off"])),
            optional(
                "target",
                Kind::OneOf(&[&[required("a", Kind::Text)], &[required("b", Kind::Id)]]),
            ),
        ];
        for (body, fault) in [
            (json!([]), "the body"),
            (json!({}), "`to` is missing"),
            (json!({"to": 7}), "`to` must"),
            (json!({"to": "x", "too": "x"}), "`too` is not"),
            (json!({"to": "x", "user": "u7"}), "`user` must"),
            (json!({"to": "x", "state": "of"}), "`state` must"),
            (
                json!({"to": "x", "target": {"a": "x", "b": 1}}),
                "`target` must",
            ),
        ] {
            let said = check(&body, FIELDS).unwrap_err();
            assert!(said.starts_with(fault), "{body}: {said}");
        }
        let good = json!({"to": "x", "user": "7", "state": "on", "target": {"b": 1}});
        check(&good, FIELDS).unwrap();
    }
}
