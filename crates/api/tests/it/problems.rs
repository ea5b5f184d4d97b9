//! Errors have one shape, whoever finds them.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::Answer;
use crate::world::{OPERATOR, World};

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn what_the_framework_refuses_looks_like_everything_else() {
    let world = World::new().await;
    let apps = || {
        world
            .ask(Method::POST, "/internal/apps")
            .bearer_auth(OPERATOR)
    };
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let named_deep = format!(r#"{{"name":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let cases = [
        (
            "no route",
            world.ask(Method::GET, "/nothing"),
            404,
            "route_not_found",
        ),
        (
            "no method",
            world.ask(Method::PUT, "/api/calls"),
            405,
            "method_not_allowed",
        ),
        (
            "no method",
            world.ask(Method::DELETE, "/health"),
            405,
            "method_not_allowed",
        ),
        ("no body", apps(), 400, "invalid_body"),
        (
            "blank body",
            apps().header("content-type", json).body("  "),
            400,
            "invalid_body",
        ),
        (
            "no type",
            apps().body("{}"),
            415,
            "unsupported_content_type",
        ),
        (
            "a form",
            apps()
                .header("content-type", "application/x-www-form-urlencoded")
                .body("name=x"),
            415,
            "unsupported_content_type",
        ),
        (
            "text",
            apps().header("content-type", "text/plain").body("{}"),
            415,
            "unsupported_content_type",
        ),
        (
            "no JSON",
            apps().header("content-type", json).body("{name"),
            400,
            "invalid_body",
        ),
        (
            "cut",
            apps().header("content-type", json).body(r#"{"name":"x"#),
            400,
            "invalid_body",
        ),
        ("a list", apps().json(&json!([1])), 400, "invalid_body"),
        (
            "deep",
            apps().header("content-type", json).body(deep),
            400,
            "invalid_body",
        ),
        (
            "named deep",
            apps().header("content-type", json).body(named_deep),
            400,
            "invalid_field",
        ),
        (
            "not UTF-8",
            apps()
                .header("content-type", json)
                .body(vec![b'"', 0xff, b'"']),
            400,
            "invalid_body",
        ),
        (
            "large",
            apps().json(&json!({"name": "x".repeat(300_000)})),
            413,
            "body_too_large",
        ),
        (
            "bad escape",
            world
                .ask(Method::GET, "/api/calls/%ff")
                .header("x-api-key", "x"),
            401,
            "key_invalid",
        ),
        (
            "long",
            world.ask(Method::GET, &format!("/health?{}", "x".repeat(9000))),
            414,
            "uri_too_long",
        ),
        (
            "fat",
            world
                .ask(Method::GET, "/health")
                .header("cookie", "x".repeat(40_000)),
            431,
            "headers_too_large",
        ),
    ];
    for (what, request, status, code) in cases {
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (status, code),
            "{what}: {}",
            answer.text
        );
        if status == 405 {
            assert!(answer.header("allow").contains("GET"), "{what}");
        }
    }
    let charset = apps().header("content-type", "Application/JSON; charset=utf-8");
    let answer = send(charset.body(r#"{"name":"x"}"#)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn a_path_that_cannot_be_decoded_is_a_bad_request() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let answer = world.get(&tenant, "/api/calls/%ff").await;
    assert_eq!((answer.status, answer.problem()), (400, "bad_request"));
}

#[tokio::test]
async fn the_request_id_is_taken_over_when_it_is_sane() {
    let world = World::new().await;
    let ask = |id: &str| {
        send(
            world
                .ask(Method::GET, "/nothing")
                .header("x-request-id", id),
        )
    };
    assert_eq!(
        ask("abc-123_X.y").await.header("x-request-id"),
        "abc-123_X.y"
    );
    for bad in ["", "a b", "<script>", &"x".repeat(65)] {
        let answer = ask(bad).await;
        answer.problem();
        assert_ne!(answer.header("x-request-id"), bad);
        assert_eq!(answer.header("x-request-id").len(), 36);
    }
    let health = send(
        world
            .ask(Method::GET, "/health")
            .header("x-request-id", "good"),
    )
    .await;
    assert_eq!(health.header("x-request-id"), "good");
}

#[tokio::test]
async fn no_other_site_may_read_and_nothing_is_told_about_the_server() {
    let world = World::new().await;
    for path in ["/", "/health", "/api/calls", "/nothing"] {
        let answer = send(
            world
                .ask(Method::GET, path)
                .header("origin", "https://evil.example"),
        )
        .await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(answer.header("server"), "", "{path}");
        assert_eq!(answer.header("x-powered-by"), "", "{path}");
    }
    let preflight = world
        .ask(Method::OPTIONS, "/api/calls")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "GET");
    assert_eq!(send(preflight).await.status, 405);
}

#[tokio::test]
async fn a_body_that_never_comes_does_not_hold_the_server() {
    let config = switchhook_api::ApiConfig {
        timeout: std::time::Duration::from_millis(300),
        ..crate::world::config()
    };
    let world = World::with(config).await;
    let mut stream = tokio::net::TcpStream::connect(&world.address)
        .await
        .unwrap();
    let head = "POST /webhooks/dialpad/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = [0_u8; 4096];
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read(&mut text));
    let size = read.await.expect("an answer in time").unwrap();
    let text = String::from_utf8_lossy(&text[..size]).into_owned();
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert!(text.contains("timed_out"), "{text}");
}
