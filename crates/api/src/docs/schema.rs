//! Schemas of the OpenAPI document as HTML, and example bodies made from them.

use serde_json::{Value, json};

use super::Order;
use super::markdown::{escape, inline, table};

/// How deep an example goes before it stops.
const MAX_DEPTH: usize = 6;

/// The last part of a reference.
fn name_of(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// The type of a schema in a few words, with a link where it has a name.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(name_of(reference));
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for group in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema[group].as_array() {
            let kinds: Vec<_> = variants.iter().map(kind).collect();
            return kinds.join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|w| format!("<code>{}</code>", escape(w)))
            .collect();
        return words.join(" ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    let format = schema["format"]
        .as_str()
        .map(|f| format!(" ({})", escape(f)))
        .unwrap_or_default();
    match &schema["type"] {
        Value::String(name) => format!("{}{format}", escape(name)),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).map(escape).collect();
            format!("{}{format}", names.join(" or "))
        }
        _ => "anything".to_owned(),
    }
}

/// All named schemas.
pub(super) fn section(document: &Value, order: &Order) -> String {
    let parts = order.schemas.iter().map(|(name, order)| {
        let schema = &document["components"]["schemas"][name];
        let name = escape(name);
        let about = schema["description"]
            .as_str()
            .map(|text| format!("<p>{}</p>", inline(text)));
        format!(
            "<section class=\"schema\" id=\"schema-{name}\"><h3>{name}</h3>{}{}</section>",
            about.unwrap_or_default(),
            members(schema, order)
        )
    });
    parts.collect()
}

/// The members of an object, or what else a schema is.
fn members(schema: &Value, order: &[String]) -> String {
    if order.is_empty() {
        return format!("<p>{}</p>", kind(schema));
    }
    let required = schema["required"].as_array();
    let rows = order.iter().map(|name| {
        let member = &schema["properties"][name];
        let always = required.is_some_and(|names| names.iter().any(|known| known == name));
        let mark = if always {
            ""
        } else {
            " <span class=\"opt\">optional</span>"
        };
        format!(
            "<tr><td><code>{}</code>{mark}</td><td>{}</td><td>{}</td></tr>",
            escape(name),
            kind(member),
            inline(description(member))
        )
    });
    let rows: String = rows.collect();
    table(["Member", "Type", "Meaning"], &rows)
}

/// A schema's own description, or that of the variant that is not null.
fn description(schema: &Value) -> &str {
    let variants = schema["oneOf"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let all = std::iter::once(schema).chain(variants);
    all.filter_map(|schema| schema["description"].as_str())
        .next()
        .unwrap_or_default()
}

/// An example of a schema: its own, or one made of its members.
pub(super) fn example(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let named = &document["components"]["schemas"][name_of(reference)];
        return example(document, named, depth + 1);
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    for group in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema[group].as_array() {
            let filled = variants.iter().find(|variant| variant["type"] != "null");
            return filled.map_or(Value::Null, |variant| example(document, variant, depth + 1));
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|words| words.first()) {
        return first.clone();
    }
    let is = |name: &str| match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    };
    if let Some(members) = schema["properties"].as_object() {
        let members = members
            .iter()
            .map(|(name, member)| (name.clone(), example(document, member, depth + 1)));
        return Value::Object(members.collect());
    }
    if schema["items"].is_object() {
        return json!([example(document, &schema["items"], depth + 1)]);
    }
    match schema["format"].as_str() {
        Some("date-time") => return json!("2026-11-22T01:52:38.086Z"),
        Some("uuid") => return json!("019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b"),
        _ => {}
    }
    if is("string") {
        json!("…")
    } else if is("integer") || is("number") {
        json!(0)
    } else if is("boolean") {
        json!(true)
    } else {
        json!({})
    }
}
