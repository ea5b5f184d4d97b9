//! Browsers: pages of other origins, and the headers that protect whoever reads an answer.

use reqwest::Method;
use serde_json::json;
use switchhook_api::ApiConfig;

use crate::client::Answer;
use crate::world::{Tenant, World, config};

const CRM: &str = "https://crm.example.nl";
const EVIL: &str = "https://evil.example";

async fn world() -> (World, Tenant) {
    let world = World::with(ApiConfig {
        cors_origins: vec![CRM.to_owned()],
        public_url: Some("https://cti.example.nl".to_owned()),
        ..config()
    });
    let world = world.await;
    let tenant = world.tenant("A").await;
    (world, tenant)
}

async fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let request = world
        .ask(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "x-app-api-key");
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_use_the_api_with_a_key() {
    let (world, tenant) = world().await;
    let asked = preflight(&world, "/api/calls", CRM).await;
    assert_eq!(asked.status, 200);
    assert_eq!(asked.header("access-control-allow-origin"), CRM);
    assert!(
        asked
            .header("access-control-allow-headers")
            .contains("x-app-api-key")
    );
    assert!(
        asked
            .header("access-control-allow-methods")
            .contains("PATCH")
    );
    assert_eq!(asked.header("access-control-allow-credentials"), "");
    assert_eq!(asked.header("x-content-type-options"), "nosniff");
    for (key, status) in [(tenant.key.as_str(), 200), ("wrong", 401)] {
        let request = world.ask(Method::GET, "/api/calls").header("origin", CRM);
        let request = request.header("x-api-key", key).send().await.unwrap();
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), CRM);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        assert!(
            answer.header("vary").contains("origin"),
            "{:?}",
            answer.headers
        );
        let told = answer.header("access-control-expose-headers");
        for name in ["ratelimit-remaining", "retry-after", "x-request-id"] {
            assert!(told.contains(name), "{told}");
        }
    }
}

#[tokio::test]
async fn other_origins_and_other_routes_are_told_nothing() {
    let (world, tenant) = world().await;
    let evil = preflight(&world, "/api/calls", EVIL).await;
    assert_eq!(evil.header("access-control-allow-origin"), "");
    for path in [
        "/internal/apps",
        "/webhooks/dialpad",
        "/api/cti/webhook/dialpad",
        "/auth/dialpad/authorize",
        "/sign-in",
        "/metrics",
    ] {
        let answer = preflight(&world, path, CRM).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(answer.status, 405, "{path}");
    }
    let nobody = World::new().await;
    let answer = preflight(&nobody, "/api/calls", CRM).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (405, "method_not_allowed")
    );
    // No preflight, no question of a browser.
    let plain = world.ask(Method::OPTIONS, "/api/calls").send().await;
    assert_eq!(plain.unwrap().status(), 405);
    drop(tenant);
}

#[tokio::test]
async fn the_socket_is_for_our_pages_named_origins_and_programs() {
    let (world, tenant) = world().await;
    let key = ("x-api-key", tenant.key.as_str());
    let here = format!("http://{}", world.address);
    for origin in [CRM, "https://cti.example.nl", &here] {
        world.connect("", &[key, ("origin", origin)]).await;
    }
    world.connect("", &[key]).await;
    for origin in [EVIL, "null", "https://crm.example.nl.evil.example"] {
        let refused = world.try_connect("", &[key, ("origin", origin)]).await;
        assert_eq!(refused.err(), Some(403), "{origin}");
    }
    let browser = [key, ("origin", EVIL), ("sec-fetch-site", "cross-site")];
    assert_eq!(world.try_connect("", &browser).await.err(), Some(403));
    // A named origin may not use the cookie of a signed-in browser.
    let cookie = [("cookie", "__Host-switchhook_session=x"), ("origin", CRM)];
    assert_eq!(world.try_connect("", &cookie).await.err(), Some(403));
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect() {
    let (world, tenant) = world().await;
    for path in [
        "/",
        "/health",
        "/ready",
        "/docs",
        "/docs/style.css",
        "/openapi.json",
        "/api/calls",
        "/nothing",
        "/internal/apps",
        "/sign-in",
        "/ws",
        "/webhooks/dialpad",
    ] {
        let answer = world.get(&tenant, path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        for name in [
            "referrer-policy",
            "permissions-policy",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "cache-control",
        ] {
            assert!(!answer.header(name).is_empty(), "{path} lacks {name}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors"), "{path}: {policy}");
    }
    let calls = world.get(&tenant, "/api/calls").await;
    assert_eq!(calls.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_operator_decides_who_may_frame_the_page() {
    let world = World::with(ApiConfig {
        frame_ancestors: format!("'self' {CRM}"),
        ..config()
    });
    let world = world.await;
    let page = Answer::of(world.ask(Method::GET, "/").send().await.unwrap()).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.ends_with(&format!("frame-ancestors 'self' {CRM}")),
        "{policy}"
    );
    assert!(policy.contains("script-src 'self'"), "{policy}");
    let api = Answer::of(world.ask(Method::GET, "/api/calls").send().await.unwrap()).await;
    let policy = api.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[tokio::test]
async fn https_is_insisted_on_without_breaking_hooks_and_health_checks() {
    let world = World::with(ApiConfig {
        require_https: true,
        public_url: Some("https://cti.example.nl".to_owned()),
        trusted_proxies: switchhook_api::networks("127.0.0.1").unwrap(),
        ..config()
    });
    let world = world.await;
    let tenant = world.tenant("A").await;
    let body = json!({ "platform": "dialpad", "name": "Dialpad", "config": {} });
    let path = format!("/internal/apps/{}/connections", tenant.id);
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    let hook = format!(
        "/webhooks/dialpad/{}",
        made.body["data"]["hook_id"].as_str().unwrap()
    );
    let ask = async |method: Method, path: &str, scheme: &str| {
        let request = world
            .ask(method, path)
            .header("x-forwarded-for", "203.0.113.5")
            .header("x-forwarded-proto", scheme)
            .header("x-api-key", &tenant.key);
        Answer::of(request.send().await.unwrap()).await
    };
    let sent_on = ask(Method::GET, "/api/calls?limit=1", "http").await;
    assert_eq!(sent_on.status, 308);
    let target = "https://cti.example.nl/api/calls?limit=1";
    assert_eq!(sent_on.header("location"), target);
    assert_eq!(sent_on.header("strict-transport-security"), "");
    let refused = ask(Method::POST, "/api/contacts", "http").await;
    assert_eq!((refused.status, refused.problem()), (403, "https_required"));
    for path in ["/health", "/ready"] {
        assert_eq!(ask(Method::GET, path, "http").await.status, 200, "{path}");
    }
    let webhook = ask(Method::POST, &hook, "http").await;
    assert!([400, 401].contains(&webhook.status), "{}", webhook.text);
    let webhook = ask(Method::POST, "/api/cti/webhook/dialpad", "http").await;
    assert_eq!(webhook.status, 422, "{}", webhook.text);
    let secure = ask(Method::GET, "/api/calls", "https").await;
    assert_eq!(secure.status, 200);
    assert!(
        secure
            .header("strict-transport-security")
            .contains("max-age=")
    );
}
