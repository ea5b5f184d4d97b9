//! Real answers fit the description, member by member: nothing missing, nothing undescribed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, fixture};

/// What is wrong with a value, with its path; empty when it fits.
fn faults(api: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = api.pointer(&reference[1..]).unwrap();
        return faults(api, schema, value, path);
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        let tries: Vec<_> = variants
            .iter()
            .map(|one| faults(api, one, value, path))
            .collect();
        if tries.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        return tries.into_iter().flatten().collect();
    }
    let kinds = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = kinds.is_empty()
        || kinds.contains(&kind)
        || (kind == "integer" && kinds.contains(&"number"));
    if !fits {
        return vec![format!("{path} is {kind}, not {kinds:?}")];
    }
    if let Some(words) = schema["enum"].as_array()
        && !value.is_null()
        && !words.contains(value)
    {
        return vec![format!("{path} is {value}, which is not described")];
    }
    match value {
        Value::Array(items) => {
            let parts = items.iter().enumerate();
            parts
                .flat_map(|(i, item)| faults(api, &schema["items"], item, &format!("{path}[{i}]")))
                .collect()
        }
        Value::Object(members) => {
            let Some(known) = schema["properties"].as_object() else {
                return Vec::new();
            };
            let mut found = Vec::new();
            for name in schema["required"].as_array().into_iter().flatten() {
                if !members.contains_key(name.as_str().unwrap()) {
                    found.push(format!("{path} lacks {name}"));
                }
            }
            for (name, member) in members {
                match known.get(name) {
                    Some(schema) => {
                        found.extend(faults(api, schema, member, &format!("{path}.{name}")));
                    }
                    None => found.push(format!("{path}.{name} is not described")),
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

fn check(api: &Value, method: &str, route: &str, status: u16, body: &Value) {
    let answer = &api["paths"][route][method]["responses"][status.to_string()];
    let kind = if status < 400 {
        "application/json"
    } else {
        "application/problem+json"
    };
    let schema = &answer["content"][kind]["schema"];
    assert!(
        schema.is_object(),
        "{method} {route} does not describe {status}"
    );
    let found = faults(api, schema, body, "$");
    assert!(
        found.is_empty(),
        "{method} {route} {status}: {found:#?}\n{body:#}"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn answers_are_what_the_description_says() {
    let world = World::new().await;
    let api = serde_json::to_value(switchhook_api::openapi()).unwrap();
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let contact = json!({"name": "Jan", "numbers": [{"number": "0612345021", "label": "mobile"}]});
    let made = world.post(&tenant, "/api/contacts", &contact).await;
    check(&api, "post", "/api/contacts", 201, &made.body);
    let contact_id = made.body["data"]["id"].as_str().unwrap().to_owned();
    for (scenario, names) in [
        (
            "answered-hold-transfer",
            vec![
                "01_ringing",
                "02_connected",
                "03_hold",
                "04_connected_resume",
            ],
        ),
        ("answered", vec!["01_ringing", "02_connected", "03_hangup"]),
        (
            "missed-voicemail",
            vec!["01_missed", "02_hangup_unanswered", "04_voicemail_uploaded"],
        ),
        ("recording-late", vec!["01_hangup", "02_recording"]),
        (
            "sms",
            vec!["01_inbound", "02_outbound_pending", "04_outbound_failed"],
        ),
        ("agent-status", vec!["01_wrapup", "02_available"]),
    ] {
        for name in names {
            let answer = world.dialpad(&hook, &fixture(scenario, name)).await;
            check(
                &api,
                "post",
                "/webhooks/{platform}/{hook_id}",
                answer.status,
                &answer.body,
            );
        }
    }
    let call = world.get(&tenant, "/api/calls").await.body["data"][0]["id"].clone();
    let call = format!("/api/calls/{}", call.as_str().unwrap());
    let contact = format!("/api/contacts/{contact_id}");
    let mut media = Vec::new();
    for list in ["recordings", "voicemails", "messages"] {
        let route = format!("/api/{list}");
        let found = world.get(&tenant, &route).await;
        let id = found.body["data"][0]["id"].as_str();
        let id = id.unwrap_or_else(|| panic!("{route}: {}", found.text));
        media.push((format!("{route}/{{id}}"), format!("{route}/{id}")));
    }
    for (route, path) in [
        ("/api/calls", "/api/calls?limit=2"),
        ("/api/calls", "/api/calls?limit=0"),
        ("/api/calls/active", "/api/calls/active"),
        ("/api/calls/{id}", &call),
        ("/api/calls/{id}", "/api/calls/7"),
        ("/api/events", "/api/events?limit=500"),
        ("/api/calls/{id}/transcript", &format!("{call}/transcript")),
        ("/api/messages", "/api/messages"),
        ("/api/recordings", "/api/recordings"),
        ("/api/recordings", "/api/recordings?state=lost"),
        ("/api/voicemails", "/api/voicemails"),
        ("/api/presence", "/api/presence"),
        (&media[0].0, &media[0].1),
        (&media[1].0, &media[1].1),
        (&media[2].0, &media[2].1),
        ("/api/contacts", "/api/contacts"),
        ("/api/contacts/{id}", &contact),
        ("/api/me", "/api/me"),
        ("/status", "/status"),
        ("/health", "/health"),
        ("/ready", "/ready"),
    ] {
        let answer = world.get(&tenant, path).await;
        check(&api, "get", route, answer.status, &answer.body);
    }
    let base = format!("/internal/apps/{}", tenant.id);
    let one = format!("{base}/connections/{}", hook.connection_id);
    let cases = [
        (
            Method::GET,
            "/internal/apps",
            "/internal/apps".to_owned(),
            None,
        ),
        (
            Method::POST,
            "/internal/apps",
            "/internal/apps".to_owned(),
            Some(json!({"name": "b"})),
        ),
        (Method::GET, "/internal/apps/{app_id}", base.clone(), None),
        (
            Method::POST,
            "/internal/apps/{app_id}/api-key",
            format!("{base}/api-key"),
            None,
        ),
        (
            Method::GET,
            "/internal/apps/{app_id}/keys",
            format!("{base}/keys"),
            None,
        ),
        (
            Method::POST,
            "/internal/apps/{app_id}/keys",
            format!("{base}/keys"),
            Some(json!({"scopes": ["keys:write"]})),
        ),
        (
            Method::GET,
            "/internal/apps/{app_id}/api-key/status",
            format!("{base}/api-key/status"),
            None,
        ),
        (
            Method::GET,
            "/internal/apps/{app_id}/api-key/audit",
            format!("{base}/api-key/audit"),
            None,
        ),
        (
            Method::POST,
            "/internal/apps/{app_id}/sign-in-link",
            format!("{base}/sign-in-link"),
            None,
        ),
        (
            Method::GET,
            "/internal/apps/{app_id}/connections",
            format!("{base}/connections"),
            None,
        ),
        (
            Method::POST,
            "/internal/apps/{app_id}/connections",
            format!("{base}/connections"),
            Some(json!({"platform": "dialpad"})),
        ),
        (
            Method::GET,
            "/internal/apps/{app_id}/connections/{connection_id}",
            one,
            None,
        ),
        (
            Method::GET,
            "/internal/apps/{app_id}/notifications",
            format!("{base}/notifications"),
            None,
        ),
        (
            Method::GET,
            "/internal/platforms",
            "/internal/platforms".to_owned(),
            None,
        ),
    ];
    for (method, route, path, body) in cases {
        let answer = world.operate(method.clone(), &path, body.as_ref()).await;
        let method = method.as_str().to_ascii_lowercase();
        check(&api, &method, route, answer.status, &answer.body);
    }
}

#[tokio::test]
async fn tasks_are_what_the_description_says() {
    let world = World::new().await;
    let api = serde_json::to_value(switchhook_api::openapi()).unwrap();
    let tenant = world.tenant("a").await;
    let anna = world.agent(&tenant, &json!({"name": "Anna"})).await;
    let contact = json!({"name": "Jan", "numbers": ["0612345021"]});
    let contact = world.post(&tenant, "/api/contacts", &contact).await;
    let new = json!({"type": "terugbelverzoek", "subject": "Offerte", "queue": "Verkoop",
        "contact_id": contact.body["data"]["id"], "preferred_from": "2026-11-23T09:00:00Z",
        "preferred_to": "2026-11-23T10:00:00Z", "description": "x"});
    let made = world.post(&tenant, "/api/tasks", &new).await;
    check(&api, "post", "/api/tasks", 201, &made.body);
    let id = made.body["data"]["id"].as_str().unwrap().to_owned();
    for (route, body) in [
        ("/api/tasks/{id}/claim", json!({"agent_id": anna["id"]})),
        ("/api/tasks/{id}/release", json!({})),
        ("/api/tasks/{id}/assign", json!({"agent_id": anna["id"]})),
        ("/api/tasks/{id}/attempts", json!({"result": "voicemail"})),
        ("/api/tasks/{id}/complete", json!({"result": "x"})),
        ("/api/tasks/{id}/reopen", json!({})),
        (
            "/api/callbacks/{id}/attempts",
            json!({"result": "voicemail"}),
        ),
    ] {
        let answer = world
            .post(&tenant, &route.replace("{id}", &id), &body)
            .await;
        let mut body = answer.body;
        if let Some(task) = body.get_mut("task").and_then(Value::as_object_mut) {
            // The predecessor's members beside ours are told in words.
            let ours = made.body["data"].as_object().unwrap();
            task.retain(|name, _| ours.contains_key(name));
            task.insert("attempts".to_owned(), json!([]));
        }
        check(&api, "post", route, 200, &body);
    }
    let many = json!({"task_ids": [id, tenant.id], "agent_id": null});
    let many = world.post(&tenant, "/api/tasks/assign", &many).await;
    check(&api, "post", "/api/tasks/assign", 200, &many.body);
    for (route, path) in [
        ("/api/tasks", "/api/tasks".to_owned()),
        ("/api/tasks/{id}", format!("/api/tasks/{id}")),
        ("/api/events", "/api/events".to_owned()),
    ] {
        let answer = world.get(&tenant, &path).await;
        check(&api, "get", route, 200, &answer.body);
    }
}
