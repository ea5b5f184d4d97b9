//! The page, its files and the reference: policies, caching, compression.

use reqwest::Method;
use switchhook_api::problem::Code;

use crate::client::Answer;
use crate::world::World;

async fn get(world: &World, path: &str) -> Answer {
    Answer::of(world.ask(Method::GET, path).send().await.unwrap()).await
}

#[track_caller]
fn assert_guarded(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn the_page_is_served_or_explains_itself() {
    let world = World::new().await;
    let page = get(&world, "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text.contains("Switchhook"));
    assert_guarded(&page);
    let link_expired = get(&world, "/?link=expired").await;
    assert_eq!(link_expired.status, 200);
    if let Some((_, rest)) = page.text.split_once("/assets/") {
        let name = rest.split('"').next().unwrap();
        let asset = get(&world, &format!("/assets/{name}")).await;
        assert_eq!(asset.status, 200);
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_guarded(&asset);
        let tag = page.header("etag");
        let request = world.ask(Method::GET, "/").header("if-none-match", tag);
        let again = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
    }
}

#[tokio::test]
async fn what_is_no_file_is_a_problem_and_never_a_page() {
    let world = World::new().await;
    for path in [
        "/nothing",
        "/assets/nothing.js",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/index",
        "/calls",
        "/api",
        "/api/",
        "/api/calls/",
    ] {
        let answer = get(&world, path).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (404, "route_not_found"),
            "{path}"
        );
    }
    let post = Answer::of(world.ask(Method::POST, "/nothing").send().await.unwrap()).await;
    assert_eq!((post.status, post.problem()), (404, "route_not_found"));
}

#[tokio::test]
async fn the_reference_shows_every_route_and_every_code() {
    let world = World::new().await;
    let docs = get(&world, "/docs").await;
    assert_eq!(docs.status, 200);
    assert_guarded(&docs);
    let api = get(&world, "/openapi.json").await.body;
    for (path, item) in api["paths"].as_object().unwrap() {
        assert!(
            docs.text.contains(&format!("<code>{path}</code>")),
            "{path}"
        );
        for about in item.as_object().unwrap().values() {
            let id = about["operationId"].as_str().unwrap();
            assert!(docs.text.contains(&format!("id=\"{id}\"")), "{id}");
            assert!(docs.text.contains(&format!("href=\"#{id}\"")), "{id}");
        }
    }
    for name in api["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            docs.text.contains(&format!("id=\"schema-{name}\"")),
            "{name}"
        );
    }
    // Nothing from outside, nothing inline.
    for bad in ["src=\"http", "href=\"http", "<script", "style=\"", "<style"] {
        assert!(!docs.text.contains(bad), "{bad}");
    }
    for code in Code::ALL {
        let page = get(&world, &format!("/docs/errors/{}", code.as_str())).await;
        assert_eq!(page.status, 200);
        assert!(
            page.text
                .contains(&format!("<h1>{}", code.title().replace('\'', "&#39;"))),
            "{}",
            page.text
        );
        assert_guarded(&page);
    }
    let unknown = get(&world, "/docs/errors/nothing").await;
    assert_eq!(unknown.status, 404);
    let style = get(&world, "/docs/style.css").await;
    assert_eq!(
        (style.status, style.header("content-type")),
        (200, "text/css; charset=utf-8")
    );
}

#[tokio::test]
async fn long_answers_are_compressed_when_asked_and_webhooks_never() {
    let world = World::new().await;
    let zipped = |path: &str| {
        let request = world
            .ask(Method::GET, path)
            .header("accept-encoding", "gzip");
        async move { request.send().await.unwrap() }
    };
    let docs = zipped("/docs").await;
    assert_eq!(docs.headers()["content-encoding"], "gzip");
    let bytes = docs.bytes().await.unwrap();
    assert_eq!(&bytes[..2], [0x1f, 0x8b]);
    let plain = get(&world, "/docs").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(plain.text.len() > 4 * bytes.len());
    let health = zipped("/health").await;
    assert!(health.headers().get("content-encoding").is_none());
    let problem = zipped("/api/calls").await;
    assert!(problem.headers().get("content-encoding").is_none());
}
