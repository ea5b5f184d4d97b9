//! §1.0, §1.4 and §1.6: credentials and errors, in the words of its three error bodies.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BASE, Bench};
use crate::client::Answer;

/// Status, `error` and `message`.
fn words(answer: &Answer) -> (u16, &str, &str) {
    let text = |name: &str| answer.body[name].as_str().unwrap_or_default();
    (answer.status, text("error"), text("message"))
}

#[tokio::test]
async fn the_calls_api_wants_a_key_by_either_name() {
    let bench = Bench::new().await;
    for path in [
        "/api/calls",
        "/api/calls/active",
        "/api/messages",
        "/api/voicemails",
        "/status",
    ] {
        let none = bench.bare(Method::GET, path).await;
        if path.starts_with("/api/") {
            let wanted = (401, "Unauthorized", "Missing x-app-api-key header");
            assert_eq!(words(&none), wanted, "{path}");
        }
        assert_eq!(none.status, 401, "{path}");
        for (name, key, status) in [
            ("x-app-api-key", bench.tenant.key.as_str(), 200),
            ("x-api-key", bench.tenant.key.as_str(), 200),
            ("x-app-api-key", "raw_0123456789abcdef", 401),
            ("x-api-key", "", 401),
        ] {
            let request = bench.world.ask(Method::GET, &format!("{BASE}{path}"));
            let answer = Answer::of(request.header(name, key).send().await.unwrap()).await;
            assert_eq!(answer.status, status, "{path} {name}: {}", answer.text);
            if status == 401 {
                let wanted = (401, "Unauthorized", "Invalid API key");
                assert_eq!(words(&answer), wanted, "{path} {name}");
            }
        }
    }
}

#[tokio::test]
async fn the_internal_api_wants_the_bearer_secret() {
    let bench = Bench::new().await;
    let app = &bench.tenant.id;
    for path in [
        "/internal/apps".to_owned(),
        format!("/internal/webhooks?app_id={app}"),
        "/internal/webhooks/5".to_owned(),
        format!("/internal/apps/{app}/voicemails"),
        "/internal/monitoring/websocket/stats".to_owned(),
    ] {
        let none = bench.bare(Method::GET, &path).await;
        let wanted = "Missing or invalid Authorization header. Use: Authorization: Bearer <secret>";
        assert_eq!(words(&none), (401, "Unauthorized", wanted), "{path}");
        let request = bench.world.ask(Method::GET, &format!("{BASE}{path}"));
        let wrong = request
            .bearer_auth("not the secret of anybody")
            .send()
            .await
            .unwrap();
        let wrong = Answer::of(wrong).await;
        let wanted = (403, "Forbidden", "Invalid authentication token");
        assert_eq!(words(&wrong), wanted, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_its_words() {
    let bench = Bench::new().await;
    let nowhere = "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
    for (kind, word) in [
        ("call", "Call"),
        ("message", "Message"),
        ("voicemail", "Voicemail"),
    ] {
        let gone = bench.get(&format!("/api/{kind}s/{nowhere}")).await;
        assert_eq!(
            words(&gone),
            (404, "Not Found", format!("{word} not found").as_str())
        );
        assert_eq!(gone.body["success"], false);
        let bad = bench.get(&format!("/api/{kind}s/123")).await;
        let message = format!("Invalid {kind} ID format");
        assert_eq!(words(&bad), (400, "Bad Request", message.as_str()));
    }
    let list = bench
        .operate(Method::GET, "/internal/apps/x/voicemails", None)
        .await;
    let wanted = (400, "Invalid request", "app_id must be a valid UUID");
    assert_eq!(words(&list), wanted);
    let path = format!("/internal/apps/{}/voicemails/x", bench.tenant.id);
    for method in [Method::GET, Method::DELETE] {
        let one = bench.operate(method.clone(), &path, None).await;
        let wanted = "app_id and voicemail_id must be valid UUIDs";
        assert_eq!(words(&one), (400, "Invalid request", wanted));
        let path = format!("/internal/apps/{}/voicemails/{nowhere}", bench.tenant.id);
        let gone = bench.operate(method, &path, None).await;
        assert_eq!(
            (gone.status, &gone.body["error"]),
            (404, &json!("Voicemail not found"))
        );
    }
    let route = bench.bare(Method::GET, "/no/such/route").await;
    assert_eq!(route.status, 404);
    assert_eq!(route.header("content-type"), "application/problem+json");
    assert_eq!(route.body["code"], "route_not_found");
}

/// Its documents say 400; its code passed over what it did not know.
#[tokio::test]
async fn parameters_are_read_as_leniently_as_there() {
    let bench = Bench::new().await;
    let limit = async |query: &str| -> Value {
        let answer = bench.get(&format!("/api/calls?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        answer.body["pagination"]["limit"].clone()
    };
    for (query, wanted) in [
        ("limit=7", 7),
        ("limit=0", 50),
        ("limit=many", 50),
        ("limit=500", 100),
        ("limit=&status=&direction=", 50),
        ("offset=none", 50),
        ("status=ENDED&direction=Inbound", 50),
    ] {
        assert_eq!(limit(query).await, wanted, "{query}");
    }
    for query in [
        "status=odd",
        "direction=up",
        "limit=-1",
        "min_duration=x",
        "sort=quality",
    ] {
        let answer = bench.get(&format!("/api/calls?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        assert_eq!(answer.body["error"], "Bad Request");
    }
}
