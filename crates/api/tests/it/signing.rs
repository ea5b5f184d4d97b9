//! Signing in by link, the session, signing out, and requests of other sites.

use reqwest::Method;
use serde_json::json;

use crate::client::Answer;
use crate::world::{Tenant, World, config};

async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

async fn link(world: &World, tenant: &Tenant, role: Option<&str>) -> String {
    let path = format!("/internal/apps/{}/sign-in-link", tenant.id);
    let body = role.map(|role| json!({ "role": role }));
    let made = world.operate(Method::POST, &path, body.as_ref()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let url = made.body["data"]["url"].as_str().unwrap();
    url[url.find("/sign-in").unwrap()..].to_owned()
}

/// Signs in and gives the cookie.
pub(crate) async fn session(world: &World, tenant: &Tenant, role: Option<&str>) -> String {
    let path = link(world, tenant, role).await;
    let answer = send(world.ask(Method::GET, &path)).await;
    assert_eq!(answer.status, 303);
    answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_link_works_once() {
    let world = World::new().await;
    let tenant = world.tenant("Klantcontact").await;
    let path = link(&world, &tenant, None).await;
    // A program that looks first does not use it up.
    let head = send(world.ask(Method::HEAD, &path)).await;
    assert_eq!(head.header("set-cookie"), "");
    let answer = send(world.ask(Method::GET, &path)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie");
    for part in [
        "switchhook_session=",
        "; Path=/",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Max-Age=43200",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    for path in [&path, "/sign-in?token=nonsense", "/sign-in", "/sign-in?x=1"] {
        let again = send(world.ask(Method::GET, path)).await;
        assert_eq!(
            (again.status, again.header("location")),
            (303, "/?link=expired"),
            "{path}"
        );
        assert_eq!(again.header("set-cookie"), "");
    }
    let late = link(&world, &tenant, None).await;
    world.clock.advance(jiff::SignedDuration::from_mins(31));
    let late = send(world.ask(Method::GET, &late)).await;
    assert_eq!(late.header("location"), "/?link=expired");
}

#[tokio::test]
async fn behind_https_the_cookie_is_secure() {
    let config = switchhook_api::ApiConfig {
        public_url: Some("https://cti.example.nl".to_owned()),
        ..config()
    };
    let world = World::with(config).await;
    let tenant = world.tenant("a").await;
    let path = format!("/internal/apps/{}/sign-in-link", tenant.id);
    let made = world.operate(Method::POST, &path, None).await;
    let url = made.body["data"]["url"].as_str().unwrap();
    assert!(
        url.starts_with("https://cti.example.nl/sign-in?token="),
        "{url}"
    );
    let answer = send(world.ask(Method::GET, &url["https://cti.example.nl".len()..])).await;
    assert!(answer.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn a_session_reads_and_changes_as_its_role_may() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let contact = json!({"name": "Jan", "numbers": ["0612345678"]});
    for (role, may) in [("admin", true), ("supervisor", false), ("agent", false)] {
        let cookie = session(&world, &tenant, Some(role)).await;
        let me = send(world.ask(Method::GET, "/api/me").header("cookie", &cookie)).await;
        assert_eq!(me.body["data"]["role"], role);
        assert_eq!(me.body["data"]["by"], "session");
        let post = world
            .ask(Method::POST, "/api/contacts")
            .header("cookie", &cookie)
            .header("sec-fetch-site", "same-origin")
            .json(&contact);
        let answer = send(post).await;
        if may {
            assert_eq!(answer.status, 201);
        } else {
            assert_eq!((answer.status, answer.problem()), (403, "role_not_allowed"));
        }
    }
    let bad = format!("/internal/apps/{}/sign-in-link", tenant.id);
    let bad = world
        .operate(Method::POST, &bad, Some(&json!({"role": "king"})))
        .await;
    assert_eq!(bad.body["field"], "role");
    let cookie = session(&world, &tenant, None).await;
    world.clock.advance(jiff::SignedDuration::from_hours(13));
    let late = send(world.ask(Method::GET, "/api/me").header("cookie", &cookie)).await;
    assert_eq!((late.status, late.problem()), (401, "key_invalid"));
}

#[tokio::test]
async fn a_cookie_does_not_work_from_another_site() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let cookie = session(&world, &tenant, None).await;
    let contact = json!({"name": "Jan", "numbers": []});
    let host = format!("http://{}", world.address);
    for (headers, status) in [
        (vec![], 403),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (
            vec![("sec-fetch-site", "same-site"), ("origin", host.as_str())],
            403,
        ),
        (vec![("origin", "null")], 403),
        (vec![("origin", host.as_str())], 201),
        (vec![("sec-fetch-site", "same-origin")], 201),
    ] {
        for path in ["/api/contacts", "/sign-out"] {
            if path == "/sign-out" && status != 403 {
                continue;
            }
            let mut request = world.ask(Method::POST, path).header("cookie", &cookie);
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let request = if path == "/sign-out" {
                request
            } else {
                request.json(&contact)
            };
            let answer = send(request).await;
            assert_eq!(answer.status, status, "{path} {headers:?}");
            if status == 403 {
                assert_eq!(answer.problem(), "cross_site_request");
            }
        }
    }
    // A key is no cookie: programs say nothing about where they are.
    assert_eq!(
        world.post(&tenant, "/api/contacts", &contact).await.status,
        201
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_sockets() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let cookie = session(&world, &tenant, None).await;
    let origin = format!("http://{}", world.address);
    let headers = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let mut client = world.connect("", &headers).await;
    assert_eq!(client.frame().await["type"], "hello");
    let out = world
        .ask(Method::POST, "/sign-out")
        .header("cookie", &cookie)
        .header("origin", &origin);
    let answer = send(out).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(client.closed().await, 4401);
    let me = send(world.ask(Method::GET, "/api/me").header("cookie", &cookie)).await;
    assert_eq!((me.status, me.problem()), (401, "key_invalid"));
    // Nobody can be signed out twice, and that is no error.
    assert_eq!(send(world.ask(Method::POST, "/sign-out")).await.status, 204);
}
