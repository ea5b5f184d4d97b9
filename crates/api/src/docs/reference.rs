//! The reference page: every route by group, with its parameters, bodies, answers and a command
//! line to try it.

use serde_json::{Map, Value};

use super::markdown::{escape, inline, render, table};
use super::schema;
use super::{Order, document};
use crate::problem::Code;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One route.
struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    about: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        self.about["operationId"].as_str().unwrap_or_default()
    }

    /// The ways to prove who is asking, by name.
    fn schemes(&self) -> Vec<&str> {
        let all = self.about["security"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        all.iter()
            .filter_map(Value::as_object)
            .flat_map(|one| one.keys())
            .map(String::as_str)
            .collect()
    }
}

/// The whole page.
pub(super) fn page(api: &Value, order: &Order) -> String {
    let operations = operations(api, order);
    let no_tags = Vec::new();
    let tags = api["tags"].as_array().unwrap_or(&no_tags);
    let mut nav =
        String::from("<nav aria-label=\"Contents\"><p class=\"brand\">Switchhook</p><ul>");
    let mut main = format!(
        "<h1>API reference</h1>{}<p class=\"meta\">Version {} · \
         <a href=\"/openapi.json\">OpenAPI document</a></p>",
        render(api["info"]["description"].as_str().unwrap_or_default()),
        escape(api["info"]["version"].as_str().unwrap_or_default()),
    );
    for tag in tags {
        let name = tag["name"].as_str().unwrap_or_default();
        let anchor = anchor(name);
        let own: Vec<_> = operations
            .iter()
            .filter(|operation| operation.about["tags"][0] == name)
            .collect();
        nav.push_str(&format!(
            "<li><a href=\"#{anchor}\">{}</a><ul>",
            escape(name)
        ));
        main.push_str(&format!(
            "<h2 id=\"{anchor}\">{}</h2><p>{}</p>",
            escape(name),
            inline(tag["description"].as_str().unwrap_or_default())
        ));
        for operation in own {
            let title = escape(
                operation.about["summary"]
                    .as_str()
                    .unwrap_or(operation.id()),
            );
            nav.push_str(&format!(
                "<li><a href=\"#{}\">{title}</a></li>",
                operation.id()
            ));
            main.push_str(&section(api, operation));
        }
        nav.push_str("</ul></li>");
    }
    nav.push_str(
        "<li><a href=\"#errors\">Errors</a></li>\
         <li><a href=\"#schemas\">Schemas</a></li></ul></nav>",
    );
    main.push_str(&error_list());
    main.push_str("<h2 id=\"schemas\">Schemas</h2>");
    main.push_str(&schema::section(api, order));
    document("API reference", &nav, &main)
}

fn operations<'a>(api: &'a Value, order: &'a Order) -> Vec<Operation<'a>> {
    let all = order.paths.iter().flat_map(|path| {
        let item = &api["paths"][path];
        METHODS.iter().filter_map(move |method| {
            let about = item.get(*method)?;
            Some(Operation {
                path,
                method,
                about,
            })
        })
    });
    all.collect()
}

fn section(api: &Value, operation: &Operation<'_>) -> String {
    let about = operation.about;
    let auth = match operation.schemes().as_slice() {
        [] => "Needs no credential.",
        ["operator"] => "For operators: <code>Authorization: Bearer …</code>",
        _ => "Needs an API key, or the session of a browser.",
    };
    format!(
        "<section class=\"op\" id=\"{id}\"><h3>{summary}</h3>\
         <p class=\"route\"><span class=\"method {method}\">{upper}</span> <code>{path}</code></p>\
         {text}<p class=\"meta\">{auth}</p>{parameters}{body}{curl}{answers}</section>",
        id = operation.id(),
        summary = inline(about["summary"].as_str().unwrap_or_default()),
        method = operation.method,
        upper = operation.method.to_ascii_uppercase(),
        path = escape(operation.path),
        text = render(about["description"].as_str().unwrap_or_default()),
        parameters = parameters(about),
        body = body(api, about),
        curl = curl(api, operation),
        answers = answers(api, about),
    )
}

fn parameters(about: &Value) -> String {
    let Some(parameters) = about["parameters"].as_array().filter(|all| !all.is_empty()) else {
        return String::new();
    };
    let rows = parameters.iter().map(|parameter| {
        let example = parameter["example"].as_str().map(str::to_owned);
        let example = example.or_else(|| parameter["example"].as_i64().map(|n| n.to_string()));
        let example = example.map(|text| {
            format!(
                "<br><span class=\"meta\">Such as</span> <code>{}</code>",
                escape(&text)
            )
        });
        format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}{}</td></tr>",
            escape(parameter["name"].as_str().unwrap_or_default()),
            escape(parameter["in"].as_str().unwrap_or_default()),
            inline(parameter["description"].as_str().unwrap_or_default()),
            example.unwrap_or_default(),
        )
    });
    let rows: String = rows.collect();
    format!(
        "<h4>Parameters</h4>{}",
        table(["Name", "In", "Meaning"], &rows)
    )
}

/// The first media type of a body or an answer.
fn content(holder: &Value) -> Option<(&String, &Value)> {
    holder["content"].as_object()?.iter().next()
}

fn body(api: &Value, about: &Value) -> String {
    let Some((kind, content)) = content(&about["requestBody"]) else {
        return String::new();
    };
    let text = about["requestBody"]["description"]
        .as_str()
        .map(inline)
        .unwrap_or_default();
    let shape = schema::kind(&content["schema"]);
    let example = if kind == "application/json" {
        block(&example_body(api, content))
    } else {
        String::new()
    };
    format!(
        "<h4>Body</h4><p><code>{}</code> {shape}. {text}</p>{example}",
        escape(kind)
    )
}

fn example_body(api: &Value, content: &Value) -> Value {
    let given = content.get("example").cloned();
    given.unwrap_or_else(|| schema::example(api, &content["schema"], 0))
}

fn block(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("<pre><code>{}</code></pre>", escape(&text))
}

fn curl(api: &Value, operation: &Operation<'_>) -> String {
    let mut line = String::from("curl");
    if operation.method != "get" {
        line.push_str(&format!(" -X {}", operation.method.to_ascii_uppercase()));
    }
    match operation.schemes().as_slice() {
        [] => {}
        ["operator"] => line.push_str(" -H \"Authorization: Bearer $INTERNAL_API_SECRET\""),
        _ => line.push_str(" -H \"x-app-api-key: $SWITCHHOOK_KEY\""),
    }
    if let Some((kind, content)) = content(&operation.about["requestBody"]) {
        line.push_str(&format!(" -H 'content-type: {kind}'"));
        if kind == "application/json" {
            line.push_str(&format!(" \\\n  --data '{}'", example_body(api, content)));
        } else {
            line.push_str(" --data-binary @body");
        }
    }
    line.push_str(&format!(" \\\n  \"$SWITCHHOOK_URL{}\"", operation.path));
    if operation.path == "/ws" {
        line = "websocat -H \"x-app-api-key: $SWITCHHOOK_KEY\" ws://127.0.0.1:4000/ws".to_owned();
    }
    format!("<h4>Try it</h4><pre><code>{}</code></pre>", escape(&line))
}

fn answers(api: &Value, about: &Value) -> String {
    let empty = Map::new();
    let answers = about["responses"].as_object().unwrap_or(&empty);
    let mut rows = String::new();
    let mut example = String::new();
    for (status, answer) in answers {
        let shape = content(answer).map(|(_, content)| schema::kind(&content["schema"]));
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(status),
            linked(answer["description"].as_str().unwrap_or_default()),
            shape.unwrap_or_default()
        ));
        if let Some((kind, content)) = content(answer)
            && kind == "application/json"
            && status.starts_with('2')
        {
            let body = example_body(api, content);
            example = format!(
                "<details><summary>Example answer</summary>{}</details>",
                block(&body)
            );
        }
    }
    let table = table(["Status", "Meaning", "Body"], &rows);
    format!("<h4>Answers</h4>{table}{example}")
}

/// A description in which every known code leads to its page.
fn linked(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| {
        if index % 2 == 1 && Code::from_name(part).is_some() {
            format!("<a href=\"/docs/errors/{part}\"><code>{part}</code></a>")
        } else if index % 2 == 1 {
            format!("<code>{}</code>", escape(part))
        } else {
            inline(part)
        }
    });
    parts.collect()
}

fn error_list() -> String {
    let rows = Code::ALL.iter().map(|code| {
        format!(
            "<tr><td>{}</td><td><a href=\"/docs/errors/{name}\"><code>{name}</code></a></td>\
             <td>{}</td></tr>",
            code.status().as_u16(),
            escape(code.title()),
            name = code.as_str(),
        )
    });
    let rows: String = rows.collect();
    let table = table(["Status", "Code", "Title"], &rows);
    format!("<h2 id=\"errors\">Errors</h2><p>The set is closed.</p>{table}")
}

fn anchor(name: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    format!("group-{}", name.chars().map(keep).collect::<String>())
}
