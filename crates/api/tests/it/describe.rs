//! The description of the API is complete, up to date, and every code has its page.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use switchhook_api::problem::Code;
use switchhook_engine::references::{FORMS, SETTING};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_committed_description_is_up_to_date() {
    let path = root().join("openapi/switchhook.json");
    let now = switchhook_api::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "run UPDATE_OPENAPI=1 cargo test -p switchhook-api describe"
    );
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = std::fs::read_dir(root().join("docs/errors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".md").unwrap().to_owned())
        .collect();
    let codes: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    assert_eq!(pages, codes);
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {}\n\n`{}`\n", code.title(), code.as_str())));
        for part in [
            "## What happened\n\n",
            "## Why\n\n- ",
            "## What to do\n\n- ",
        ] {
            assert!(page.contains(part), "{} lacks {part:?}", code.as_str());
        }
    }
}

#[test]
fn every_operation_is_described_whole() {
    let api = serde_json::to_value(switchhook_api::openapi()).unwrap();
    assert_eq!(api["openapi"], "3.1.0");
    let mut codes = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, about) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            for member in ["summary", "operationId"] {
                assert!(about[member].is_string(), "{place} lacks {member}");
            }
            assert_eq!(about["tags"].as_array().map(Vec::len), Some(1), "{place}");
            assert!(
                about["security"].is_array(),
                "{place} says nothing about credentials"
            );
            for name in path
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap())
            {
                let all = about["parameters"].as_array().unwrap();
                let found = all.iter().any(|p| p["name"] == name && p["in"] == "path");
                assert!(found, "{place} does not describe {name}");
            }
            for parameter in about["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{place} {parameter}");
            }
            for (status, answer) in about["responses"].as_object().unwrap() {
                let what = answer["description"].as_str().unwrap();
                assert!(!what.is_empty(), "{place} {status}");
                // The predecessor's own errors, at the predecessor's own addresses.
                let inherited = path.contains("/api/cti/webhook/");
                if inherited && ["400", "404", "422"].contains(&status.as_str()) {
                    let own = &answer["content"]["application/json"];
                    let shape = "#/components/schemas/PipelinqError";
                    assert_eq!(own["schema"]["$ref"], shape, "{place} {status}");
                } else if status.as_str() >= "400" {
                    let problem = &answer["content"]["application/problem+json"];
                    assert_eq!(
                        problem["schema"]["$ref"], "#/components/schemas/Problem",
                        "{place}"
                    );
                    let examples = problem["examples"].as_object().unwrap();
                    codes.extend(examples.keys().cloned());
                }
            }
        }
    }
    // These can come from anywhere or nowhere and belong to no operation.
    let general = [
        "bad_request",
        "route_not_found",
        "method_not_allowed",
        "uri_too_long",
        "headers_too_large",
        "https_required",
    ];
    for code in Code::ALL.iter().map(|code| code.as_str()) {
        assert!(
            codes.contains(code) || general.contains(&code),
            "no operation answers {code}"
        );
    }
    references(&api, &api);
}

/// Every reference leads somewhere.
fn references(api: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(api.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|member| references(api, member));
        }
        Value::Array(items) => items.iter().for_each(|item| references(api, item)),
        _ => {}
    }
}

#[test]
fn references_to_secrets_are_explained_once_and_whole() {
    let api: Value = serde_json::from_str(&switchhook_api::openapi_json()).unwrap();
    let told = &api["components"]["schemas"]["SecretText"]["description"];
    let forms = FORMS.replace(" or ", ", ");
    for form in forms.split(", ") {
        assert!(told.as_str().unwrap().contains(form), "{form} in {told}");
    }
    assert!(told.as_str().unwrap().contains(SETTING), "{told}");
    let all = api.to_string();
    assert_eq!(all.matches("file:PATH").count(), 1, "in one place");
    for name in [
        "ConnectionRequest",
        "ConnectionChange",
        "SecretRotation",
        "WebhookRequest",
    ] {
        let member = api["components"]["schemas"][name]["properties"]["webhook_secret"].to_string();
        assert!(
            member.contains("#/components/schemas/SecretText"),
            "{name}: {member}"
        );
    }
}
