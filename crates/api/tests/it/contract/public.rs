//! §1.1 and §1.3: what needs no key, and the addresses of the sign-in.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::{BASE, Bench};
use crate::client::Answer;
use crate::world::OPERATOR;

#[tokio::test]
async fn the_server_says_that_it_runs() {
    let bench = Bench::new().await;
    let root = bench.bare(Method::GET, "/").await;
    let wanted = json!({"message": "CTI Server is running"});
    assert_eq!((root.status, root.body), (200, wanted.clone()));
    assert_eq!(bench.bare(Method::GET, "").await.body, wanted);
    let health = bench.bare(Method::GET, "/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.body["status"], "healthy");
    assert!(health.body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(health.body["uptime"].is_f64());
    assert_eq!(health.body["environment"], "sandbox");
    assert!(health.body["port"].is_u64());
}

/// With the bearer secret, as its README says; its code asked for none.
#[tokio::test]
async fn metrics_are_the_documents_json() {
    let bench = Bench::new().await;
    let none = bench.bare(Method::GET, "/metrics").await;
    assert_eq!(none.status, 401);
    let (mut socket, ..) = bench.world.listen(&bench.tenant).await;
    let path = format!("{BASE}/metrics");
    let request = bench.world.ask(Method::GET, &path).bearer_auth(OPERATOR);
    let metrics = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(metrics.status, 200, "{}", metrics.text);
    let body = &metrics.body;
    assert!(body["timestamp"].is_string() && body["uptime_seconds"].is_f64());
    for member in ["heap_used_mb", "heap_total_mb", "external_mb"] {
        assert!(body["memory"][member].is_u64(), "{member}: {body}");
    }
    assert!(body["memory_usage_mb"].as_u64() > Some(0), "{body}");
    assert_eq!(body["active_connections"], 1);
    assert!(body["total_requests"].as_u64() >= Some(3), "{body}");
    assert_eq!(body["error_rate"], 0.0);
    assert!(body["avg_response_time_ms"].as_f64() > Some(0.0), "{body}");
    let pool = &body["database_connection_pool"];
    for member in ["idle", "active", "waiting"] {
        assert!(pool[member].is_u64(), "{member}: {body}");
    }
    let processor = &body["event_processor"];
    for member in ["processed_last_minute", "queue_length", "error_count"] {
        assert_eq!(processor[member], 0, "{member}: {body}");
    }
    assert_eq!(processor["avg_processing_time_ms"], 0.0);
    socket.say("x").await;
}

/// As the owner's guide lists them, with the figures of what was taken in.
#[tokio::test]
async fn the_event_processor_is_measured() {
    let bench = Bench::new().await;
    let ring = json!({"event_type": "call.ring", "call": {"id": 999_888_777,
        "direction": "inbound", "from": "+31612345678", "to": "+31201234567", "user_id": 12345}});
    assert_eq!(bench.post(&ring).await.status, 200);
    assert_eq!(bench.post(&json!({"no": "event"})).await.status, 200);
    let processor = async || {
        let metrics = bench.operate(Method::GET, "/metrics", None).await;
        metrics.body["event_processor"].clone()
    };
    let measured = processor().await;
    assert_eq!(measured["processed_last_minute"], 1, "{measured}");
    assert_eq!(measured["error_count"], 1, "{measured}");
    assert_eq!(measured["queue_length"], 0, "{measured}");
    let average = measured["avg_processing_time_ms"].as_f64();
    assert!(average > Some(0.0), "{measured}");
    bench.world.clock.advance(SignedDuration::from_secs(61));
    let later = processor().await;
    assert_eq!(later["processed_last_minute"], 0, "{later}");
    assert_eq!(later["avg_processing_time_ms"].as_f64(), average);
}

#[tokio::test]
async fn open_sockets_are_counted_by_app() {
    let bench = Bench::new().await;
    let path = "/internal/monitoring/websocket/stats";
    let none = bench.operate(Method::GET, path, None).await;
    assert_eq!(none.body["data"]["total_connections"], 0, "{}", none.text);
    let (_first, ..) = bench.world.listen(&bench.tenant).await;
    let (_second, ..) = bench.world.listen(&bench.tenant).await;
    let two = bench.operate(Method::GET, path, None).await;
    assert_eq!(two.body["success"], true);
    assert_eq!(two.body["data"]["total_connections"], 2);
    let own = json!([{"app_id": bench.tenant.id, "connections": 2}]);
    assert_eq!(two.body["data"]["apps"], own);
}

/// The README's address, that of the guides and that of the code; none of them without a
/// credential any more, because whoever called them could take an app over.
#[tokio::test]
async fn a_sign_in_begins_at_any_of_its_addresses() {
    let bench = Bench::new().await;
    for path in [
        "/authorize",
        "/auth/dialpad/authorize",
        "/auth/dialpad/connect",
    ] {
        let of = |app: &str| format!("{path}?app_id={app}");
        let stranger = bench.bare(Method::GET, &of(&bench.tenant.id)).await;
        assert_eq!(stranger.status, 401, "{path}");
        let missing = bench.get(path).await;
        assert_eq!(missing.status, 400, "{path}: {}", missing.text);
        assert_eq!(missing.body["error"], "Missing app_id in query", "{path}");
        let unknown = of("019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b");
        let unknown = bench.operate(Method::GET, &unknown, None).await;
        assert_eq!(
            (unknown.status, &unknown.body["error"]),
            (404, &json!("App not found"))
        );
    }
    let path = format!("/auth/dialpad/disconnect/{}", bench.tenant.id);
    let stranger = bench.bare(Method::POST, &path).await;
    assert_eq!(stranger.status, 401, "{}", stranger.text);
    let nobody = bench.operate(Method::POST, &path, None).await;
    assert_eq!(nobody.status, 404, "{}", nobody.text);
    let bad = bench
        .operate(Method::POST, "/auth/dialpad/disconnect/x", None)
        .await;
    assert_eq!(
        (bad.status, &bad.body["error"]),
        (400, &json!("Invalid app_id format"))
    );
    let callback = bench
        .bare(Method::GET, "/auth/dialpad/callback?code=c")
        .await;
    assert_eq!(callback.status, 400, "{}", callback.text);
}
