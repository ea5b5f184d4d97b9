//! The routes for apps and their keys as the predecessor's document has them (its sections 1.6 and
//! 6), spoken to the way a backend written against it does.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::world::{Tenant, World};

fn texts(answer: &Answer, members: &[&str]) {
    for member in members {
        assert!(
            answer.body[*member].is_string(),
            "{member}: {}",
            answer.text
        );
    }
    assert_eq!(answer.body["success"], true);
}

async fn works(world: &World, key: &str) -> bool {
    let tenant = Tenant {
        id: String::new(),
        key: key.to_owned(),
    };
    world.get(&tenant, "/api/me").await.status == 200
}

fn hint(key: &str) -> String {
    format!("{}...{}", &key[..8], &key[key.len() - 4..])
}

#[tokio::test]
async fn an_app_is_made_with_its_key() {
    let world = World::new().await;
    let made = world
        .operate(
            Method::POST,
            "/internal/apps",
            Some(&json!({"name": " CRM "})),
        )
        .await;
    assert_eq!(made.status, 201);
    texts(
        &made,
        &[
            "message",
            "app_id",
            "app_name",
            "api_key",
            "created_at",
            "warning",
            "usage",
        ],
    );
    assert_eq!(made.body["app_name"], "CRM");
    assert!(works(&world, made.body["api_key"].as_str().unwrap()).await);
    for body in [
        json!({}),
        json!({"name": "  "}),
        json!({"name": 7}),
        json!({"name": null}),
    ] {
        let refused = world
            .operate(Method::POST, "/internal/apps", Some(&body))
            .await;
        assert_eq!((refused.status, refused.problem()), (400, "invalid_field"));
        assert_eq!(refused.body["error"], "Invalid request", "{body}");
        let message = "name is required and must be a non-empty string";
        assert_eq!(refused.body["message"], message, "{body}");
    }
    // The predecessor answered HTML to this.
    let none = world.operate(Method::POST, "/internal/apps", None).await;
    assert_eq!(
        (none.status, &none.body["error"]),
        (400, &json!("Invalid request"))
    );
}

#[tokio::test]
async fn a_key_is_made_or_rotated_and_the_old_one_has_a_day() {
    let world = World::new().await;
    let tenant = world.tenant("CRM").await;
    let base = format!("/internal/apps/{}/api-key", tenant.id);
    let mut last = tenant.key.clone();
    for path in [base.clone(), format!("{base}/rotate")] {
        let made = world.operate(Method::POST, &path, None).await;
        assert_eq!(made.status, 200, "{}", made.text);
        texts(
            &made,
            &[
                "message",
                "api_key",
                "app_id",
                "app_name",
                "generated_at",
                "warning",
                "usage",
            ],
        );
        let message = made.body["message"].as_str().unwrap();
        assert!(
            message.starts_with("API key rotated successfully. "),
            "{message}"
        );
        let key = made.body["api_key"].as_str().unwrap().to_owned();
        assert!(works(&world, &key).await && works(&world, &last).await);
        world.clock.advance(SignedDuration::from_hours(24));
        assert!(works(&world, &key).await && !works(&world, &last).await);
        last = key;
    }
    // As the predecessor did it: at once.
    let now = json!({"overlap_seconds": 0});
    let made = world.operate(Method::POST, &base, Some(&now)).await;
    let key = made.body["api_key"].as_str().unwrap();
    assert!(works(&world, key).await && !works(&world, &last).await);
    assert!(made.body["replaced"]["revoked_at"].is_string());
}

#[tokio::test]
async fn a_key_is_revoked_and_made_anew() {
    let world = World::new().await;
    let tenant = world.tenant("CRM").await;
    let base = format!("/internal/apps/{}/api-key", tenant.id);
    for _ in 0..2 {
        // The second time there is none.
        let gone = world
            .operate(Method::POST, &format!("{base}/revoke"), None)
            .await;
        assert_eq!(gone.status, 200, "{}", gone.text);
        texts(&gone, &["message", "app_id", "app_name", "revoked_at"]);
        assert!(!works(&world, &tenant.key).await);
        world.clock.advance(SignedDuration::from_secs(1));
    }
    let made = world.operate(Method::POST, &base, None).await;
    let message = made.body["message"].as_str().unwrap();
    assert!(
        message.starts_with("API key created successfully. "),
        "{message}"
    );
    assert!(works(&world, made.body["api_key"].as_str().unwrap()).await);
}

#[tokio::test]
async fn the_status_says_what_to_do() {
    let world = World::new().await;
    let tenant = world.tenant("CRM").await;
    let base = format!("/internal/apps/{}/api-key", tenant.id);
    let path = format!("{base}/status");
    let status = async || world.operate(Method::GET, &path, None).await;
    let fresh = status().await;
    assert_eq!(fresh.status, 200);
    texts(&fresh, &["app_id", "app_name", "key_hint", "last_rotated"]);
    assert_eq!(fresh.body["has_active_key"], true);
    assert_eq!(fresh.body["key_hint"], hint(&tenant.key));
    assert_eq!(fresh.body["last_rotated"], "Never");
    assert_eq!(fresh.body["action_needed"], Value::Null);
    world.clock.advance(SignedDuration::from_secs(60));
    let made = world.operate(Method::POST, &base, None).await;
    let after = status().await;
    assert_eq!(after.body["last_rotated"], made.body["generated_at"]);
    assert_eq!(
        after.body["key_hint"],
        hint(made.body["api_key"].as_str().unwrap())
    );
    world
        .operate(Method::POST, &format!("{base}/revoke"), None)
        .await;
    let none = status().await;
    assert_eq!(none.body["has_active_key"], false);
    assert_eq!(none.body["key_hint"], Value::Null);
    assert_eq!(none.body["action_needed"], "Generate a new API key");
    assert_eq!(none.body["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_log_of_keys_has_hints_that_match() {
    let world = World::new().await;
    let tenant = world.tenant("CRM").await;
    let base = format!("/internal/apps/{}/api-key", tenant.id);
    world.clock.advance(SignedDuration::from_secs(1));
    let made = world.operate(Method::POST, &base, None).await;
    let second = made.body["api_key"].as_str().unwrap();
    world.clock.advance(SignedDuration::from_secs(1));
    let at_once = json!({"overlap_seconds": 0});
    let made = world.operate(Method::POST, &base, Some(&at_once)).await;
    let third = made.body["api_key"].as_str().unwrap();
    world.clock.advance(SignedDuration::from_secs(1));
    let only = json!({"key_id": made.body["key_id"]});
    world
        .operate(Method::POST, &format!("{base}/revoke"), Some(&only))
        .await;
    let log = world
        .operate(Method::GET, &format!("{base}/audit"), None)
        .await;
    assert_eq!(log.status, 200);
    let (total, limit, offset) = (&log.body["total"], &log.body["limit"], &log.body["offset"]);
    assert_eq!((total, limit, offset), (&json!(4), &json!(50), &json!(0)));
    assert_eq!(log.body["app_id"], tenant.id);
    let rows = log.body["audit_log"].as_array().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (&row["action"], &row["old_key_hint"], &row["new_key_hint"]))
        .collect();
    let (first, second, third) = (hint(&tenant.key), hint(second), hint(third));
    assert_eq!(
        told,
        [
            (&json!("revoked"), &json!(third), &Value::Null),
            (&json!("rotated"), &json!(second), &json!(third)),
            (&json!("rotated"), &json!(first), &json!(second)),
            (&json!("created"), &Value::Null, &json!(first)),
        ]
    );
    let mut ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row["app_id"] == tenant.id && row["created_at"].is_string())
    );
    let page = format!("{base}/audit?limit=2&offset=1");
    let page = world.operate(Method::GET, &page, None).await;
    assert_eq!(page.body["audit_log"], json!(rows[1..3]));
    for bad in ["limit=0", "limit=x", "offset=-1", "page=1"] {
        let answer = world
            .operate(Method::GET, &format!("{base}/audit?{bad}"), None)
            .await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_parameter")
        );
    }
}

#[tokio::test]
async fn unknown_and_inactive_apps_are_refused_in_the_documents_words() {
    let world = World::new().await;
    let tenant = world.tenant("CRM").await;
    let routes = [
        (Method::POST, ""),
        (Method::POST, "/rotate"),
        (Method::POST, "/revoke"),
        (Method::GET, "/status"),
        (Method::GET, "/audit"),
    ];
    for (method, route) in &routes {
        let path = format!("/internal/apps/no-uuid/api-key{route}");
        let bad = world.operate(method.clone(), &path, None).await;
        assert_eq!((bad.status, bad.problem()), (400, "invalid_id"), "{route}");
        assert_eq!(bad.body["error"], "Invalid request");
        assert_eq!(bad.body["message"], "app_id must be a valid UUID");
        let path = format!("/internal/apps/{}/api-key{route}", uuid::Uuid::from_u128(1));
        let unknown = world.operate(method.clone(), &path, None).await;
        assert_eq!((unknown.status, unknown.problem()), (404, "app_not_found"));
        assert_eq!(unknown.body["error"], "App not found", "{route}");
    }
    let off = json!({"active": false});
    let path = format!("/internal/apps/{}", tenant.id);
    world.operate(Method::PATCH, &path, Some(&off)).await;
    let base = format!("{path}/api-key");
    let made = world.operate(Method::POST, &base, None).await;
    assert_eq!((made.status, made.problem()), (403, "app_inactive"));
    assert_eq!(made.body["error"], "App is not active");
    // Looking and revoking go on.
    let status = world
        .operate(Method::GET, &format!("{base}/status"), None)
        .await;
    assert_eq!(
        (status.status, &status.body["is_active"]),
        (200, &json!(false))
    );
    let gone = world
        .operate(Method::POST, &format!("{base}/revoke"), None)
        .await;
    assert_eq!(gone.status, 200);
    let no_secret = world.ask(Method::GET, &format!("{base}/status"));
    let no_secret = Answer::of(no_secret.send().await.unwrap()).await;
    assert_eq!(
        (no_secret.status, &no_secret.body["error"]),
        (401, &json!("Unauthorized"))
    );
}
