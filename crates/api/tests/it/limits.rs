//! How much one caller may ask: what is counted together, what is not, and what is told.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_api::{ApiConfig, LimitsConfig, networks};

use crate::client::Answer;
use crate::world::{OPERATOR, Tenant, World, config, ringing};

fn limited(limits: LimitsConfig) -> ApiConfig {
    ApiConfig { limits, ..config() }
}

/// As behind a proxy, so that addresses count: the one of the tests is the proxy's.
fn proxied(limits: LimitsConfig) -> ApiConfig {
    ApiConfig {
        trusted_proxies: networks("127.0.0.1").unwrap(),
        ..limited(limits)
    }
}

fn keys(key_requests: u32, app_requests: u32) -> LimitsConfig {
    LimitsConfig {
        key_requests,
        app_requests,
        ..LimitsConfig::off()
    }
}

impl World {
    async fn asked_by(&self, address: &str, method: Method, path: &str, key: &str) -> Answer {
        let request = self.ask(method, path).header("x-forwarded-for", address);
        let request = request.header("x-api-key", key);
        Answer::of(request.send().await.unwrap()).await
    }

    async fn another_key(&self, tenant: &Tenant) -> Tenant {
        let path = format!("/internal/apps/{}/api-key", tenant.id);
        let made = self.operate(Method::POST, &path, None).await;
        Tenant {
            key: made.body["api_key"].as_str().unwrap().to_owned(),
            ..tenant.clone()
        }
    }
}

#[track_caller]
fn is_too_many(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert_eq!(answer.problem(), "rate_limited");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!(wait > 0, "{wait}");
    assert_eq!(answer.body["retry_after"], wait);
}

#[tokio::test]
async fn who_is_over_is_told_so_and_for_how_long() {
    let world = World::with(limited(keys(3, 0))).await;
    let tenant = world.tenant("A").await;
    for left in ["2", "1", "0"] {
        let answer = world.get(&tenant, "/api/calls").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "3;w=60");
        assert_eq!(answer.header("ratelimit-limit"), "3");
        assert_eq!(answer.header("ratelimit-remaining"), left);
    }
    let over = world.get(&tenant, "/api/calls").await;
    is_too_many(&over);
    assert_eq!(over.header("retry-after"), "20");
    assert_eq!(over.header("ratelimit-remaining"), "0");
    assert_eq!(over.header("ratelimit-reset"), "60");
    world.clock.advance(SignedDuration::from_secs(20));
    assert_eq!(world.get(&tenant, "/api/calls").await.status, 200);
    is_too_many(&world.get(&tenant, "/api/calls").await);
}

#[tokio::test]
async fn a_flood_of_one_app_uses_up_nobody_elses_limit() {
    let world = World::with(limited(keys(3, 5))).await;
    let (noisy, quiet) = (world.tenant("noisy").await, world.tenant("quiet").await);
    for _ in 0..20 {
        world.get(&noisy, "/api/calls").await;
    }
    is_too_many(&world.get(&noisy, "/api/calls").await);
    let answer = world.get(&quiet, "/api/calls").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("ratelimit-remaining"), "2");
}

#[tokio::test]
async fn keys_are_counted_each_for_itself_and_all_together() {
    let world = World::with(limited(keys(3, 5))).await;
    let one = world.tenant("A").await;
    let two = world.another_key(&one).await;
    for _ in 0..3 {
        assert_eq!(world.get(&one, "/api/calls").await.status, 200);
    }
    let over = world.get(&one, "/api/calls").await;
    is_too_many(&over);
    assert_eq!(over.header("ratelimit-policy"), "3;w=60");
    for _ in 0..2 {
        assert_eq!(world.get(&two, "/api/calls").await.status, 200);
    }
    // The second key has one left, the app none.
    let over = world.get(&two, "/api/calls").await;
    is_too_many(&over);
    assert_eq!(over.header("ratelimit-policy"), "5;w=60");
}

#[tokio::test]
async fn the_operators_secret_has_its_own() {
    let limits = LimitsConfig {
        operator_requests: 2,
        ..LimitsConfig::off()
    };
    let world = World::with(limited(limits)).await;
    for _ in 0..2 {
        let answer = world.operate(Method::GET, "/internal/apps", None).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-limit"), "2");
    }
    is_too_many(&world.operate(Method::GET, "/internal/apps", None).await);
    let health = world.ask(Method::GET, "/health").send().await.unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn the_body_of_one_too_many_is_not_read() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::with(limited(keys(1, 0))).await;
    let tenant = world.tenant("A").await;
    world.get(&tenant, "/api/calls").await;
    let mut stream = tokio::net::TcpStream::connect(&world.address)
        .await
        .unwrap();
    // The body is announced and never sent: an answer can only come before it is read.
    let head = format!(
        "POST /api/contacts HTTP/1.1\r\nHost: x\r\nx-api-key: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
        tenant.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    let read = stream.read_exact(&mut answer);
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), read).await;
    read.expect("it waits for the body").unwrap();
    assert_eq!(answer, b"HTTP/1.1 429");
}

#[tokio::test]
async fn refused_floods_do_not_fill_the_audit_log() {
    let world = World::with(limited(keys(1, 0))).await;
    let tenant = world.tenant("A").await;
    let body = json!({ "name": "X", "numbers": [] });
    for _ in 0..5 {
        world.post(&tenant, "/api/contacts", &body).await;
    }
    world.clock.advance(SignedDuration::from_mins(5));
    let audit = world.get(&tenant, "/api/audit").await;
    let actions = audit.body["data"].as_array().unwrap().iter();
    let contacts = actions.filter(|entry| entry["action"] == "POST /api/contacts");
    assert_eq!(contacts.count(), 1, "{}", audit.text);
}

#[tokio::test]
async fn keys_cannot_be_guessed_at_speed() {
    let limits = LimitsConfig {
        failed_keys: 3,
        ..LimitsConfig::off()
    };
    let world = World::with(proxied(limits)).await;
    let tenant = world.tenant("A").await;
    let wrong = "sh_abcdefgh_0123456789012345678901234567890123456789012";
    for _ in 0..3 {
        let refused = world.asked_by("2001:db8::1", Method::GET, "/api/calls", wrong);
        assert_eq!(refused.await.problem(), "key_invalid");
    }
    // The same subscriber's next address, and with a good key: nothing is looked at any more.
    for key in [wrong, &tenant.key] {
        is_too_many(
            &world
                .asked_by("2001:db8::2", Method::GET, "/api/calls", key)
                .await,
        );
    }
    let elsewhere = world.asked_by("2001:db8:1::1", Method::GET, "/api/calls", &tenant.key);
    assert_eq!(elsewhere.await.status, 200);
    // The operators' secret is guessed on the same account.
    let request = world.ask(Method::GET, "/internal/apps");
    let request = request.header("x-forwarded-for", "2001:db8::3");
    let request = request.bearer_auth(OPERATOR).send().await.unwrap();
    is_too_many(&Answer::of(request).await);
    // On the socket, by header and by first message.
    let from = ("x-forwarded-for", "2001:db8::4");
    let headers = [from, ("x-api-key", tenant.key.as_str())];
    assert_eq!(world.try_connect("", &headers).await.err(), Some(429));
    let mut client = world.connect("", &[from]).await;
    client
        .say(json!({"type":"auth","api_key":tenant.key}).to_string())
        .await;
    assert_eq!(client.closed().await, 1013);
    world.clock.advance(SignedDuration::from_mins(1));
    let later = world.asked_by("2001:db8::1", Method::GET, "/api/calls", &tenant.key);
    assert_eq!(later.await.status, 200);
}

#[tokio::test]
async fn who_is_no_proxy_cannot_say_who_calls() {
    let limits = LimitsConfig {
        failed_keys: 2,
        ..LimitsConfig::off()
    };
    let world = World::with(ApiConfig {
        trusted_proxies: networks("10.0.0.0/8").unwrap(),
        ..limited(limits)
    });
    let world = world.await;
    for address in ["192.0.2.1", "192.0.2.2"] {
        world
            .asked_by(address, Method::GET, "/api/calls", "wrong")
            .await;
    }
    is_too_many(
        &world
            .asked_by("192.0.2.3", Method::GET, "/api/calls", "wrong")
            .await,
    );
}

#[tokio::test]
async fn without_a_named_proxy_nobody_is_locked_out_with_all_others() {
    let limits = LimitsConfig {
        failed_keys: 1,
        ..LimitsConfig::off()
    };
    let world = World::with(limited(limits)).await;
    let tenant = world.tenant("A").await;
    for _ in 0..5 {
        world
            .asked_by("192.0.2.1", Method::GET, "/api/calls", "wrong")
            .await;
    }
    assert_eq!(world.get(&tenant, "/api/calls").await.status, 200);
}

#[tokio::test]
async fn failed_sign_ins_are_counted_and_good_ones_are_not() {
    let limits = LimitsConfig {
        failed_sign_ins: 2,
        ..LimitsConfig::off()
    };
    let world = World::with(proxied(limits)).await;
    let tenant = world.tenant("A").await;
    let path = format!("/internal/apps/{}/sign-in-link", tenant.id);
    let sign_in = async |address: &str, path: &str| {
        let request = world.ask(Method::GET, path);
        let request = request.header("x-forwarded-for", address).send();
        Answer::of(request.await.unwrap()).await
    };
    for _ in 0..4 {
        let link = world.operate(Method::POST, &path, None).await;
        let url = link.body["data"]["url"].as_str().unwrap();
        let (_, token) = url.split_once("/sign-in").unwrap();
        let signed_in = sign_in("192.0.2.1", &format!("/sign-in{token}")).await;
        assert_eq!(signed_in.header("location"), "/");
    }
    for _ in 0..2 {
        let failed = sign_in("192.0.2.1", "/sign-in?token=wrong").await;
        assert_eq!(failed.status, 303);
    }
    is_too_many(&sign_in("192.0.2.1", "/sign-in?token=wrong").await);
    is_too_many(&sign_in("192.0.2.1", "/auth/dialpad/callback").await);
    assert_eq!(
        sign_in("192.0.2.2", "/sign-in?token=wrong").await.status,
        303
    );
    world.clock.advance(SignedDuration::from_mins(8));
    assert_eq!(
        sign_in("192.0.2.1", "/sign-in?token=wrong").await.status,
        303
    );
}

#[tokio::test]
async fn hooks_are_never_refused_by_address_and_slowed_before_they_are_refused() {
    let limits = LimitsConfig {
        hook_notifications: 2,
        hook_wait: std::time::Duration::from_millis(300),
        hook_backlog: 2,
        failed_keys: 1,
        failed_sign_ins: 1,
        ..LimitsConfig::off()
    };
    let world = World::with(proxied(limits)).await;
    let (one, two) = (world.tenant("A").await, world.tenant("B").await);
    let (hook, other) = (world.hook(&one).await, world.hook(&two).await);
    // What is not believed takes nobody's turn, however often it comes.
    for _ in 0..5 {
        let refused = world.deliver(&hook.path, "application/jwt", "x.y.z").await;
        assert!([400, 401].contains(&refused.status), "{}", refused.text);
    }
    let start = std::time::Instant::now();
    for n in 0..2 {
        assert_eq!(world.ring(&hook, n).await.status, 200);
    }
    let at_once = start.elapsed();
    let more = (2..7).map(|n| world.ring(&hook, n));
    let more = futures_util::future::join_all(more).await;
    assert!(start.elapsed() - at_once >= std::time::Duration::from_millis(300));
    let taken = more.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 2, "held back, then taken in");
    let refused = more.iter().filter(|answer| answer.status != 200);
    for answer in refused {
        assert_eq!(
            answer.status, 503,
            "never 429, which platforms do not send again"
        );
        assert_eq!(answer.problem(), "backlog_full");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(world.ring(&other, 1).await.status, 200);
    let calls = world.get(&one, "/api/calls").await;
    assert_eq!(calls.body["pagination"]["total"], 4, "{}", calls.text);
    // The predecessor's address has the same pace.
    let start = std::time::Instant::now();
    let jwt = switchhook_adapters::dialpad::sign_jwt(
        ringing(9).to_string().as_bytes(),
        &switchhook_engine::adapter::Secret::new(hook.secret.as_str()),
    );
    let inherited = world
        .deliver("/webhooks/dialpad", "application/jwt", jwt)
        .await;
    assert_eq!(inherited.status, 200, "{}", inherited.text);
    assert!(start.elapsed() >= std::time::Duration::from_millis(300));
}

#[tokio::test]
async fn sockets_are_opened_and_spoken_to_within_limits() {
    let limits = LimitsConfig {
        socket_messages: 5,
        socket_opens: 3,
        ..LimitsConfig::off()
    };
    let world = World::with(limited(limits)).await;
    let (one, two) = (world.tenant("A").await, world.tenant("B").await);
    let (mut chatty, ..) = world.listen(&one).await;
    for _ in 0..6 {
        chatty.say(r#"{"type":"ping"}"#).await;
    }
    assert_eq!(chatty.closed().await, 4429);
    let _second = world.listen(&one).await;
    let _third = world.listen(&one).await;
    let refused = world.try_connect("", &[("x-api-key", &one.key)]).await;
    assert_eq!(refused.err(), Some(429));
    let _other = world.listen(&two).await;
    assert_eq!(
        world.get(&one, "/api/calls").await.status,
        200,
        "another limit"
    );
}

/// Every route that takes JSON, with a body nested deeper than anything means.
#[tokio::test]
async fn deep_json_is_refused_on_every_route() {
    let world = World::new().await;
    let tenant = world.tenant("A").await;
    let hook = world.hook(&tenant).await;
    let api = serde_json::to_value(switchhook_api::openapi()).unwrap();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let mut refused = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, about) in item.as_object().unwrap() {
            let content = &about["requestBody"]["content"];
            if content["application/json"].is_null() {
                continue;
            }
            let path = path
                .replace("{app_id}", &tenant.id)
                .replace("{connection_id}", &hook.connection_id)
                .replace("{platform}", "dialpad")
                .replace("{action}", "hangup")
                .replace("{id}", "01890000-0000-7000-8000-000000000000");
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            let answer = world.ask(method.clone(), &path).body(deep.clone());
            let answer = answer.header("content-type", "application/json");
            let answer = if about["security"].to_string().contains("operator") {
                answer.bearer_auth(OPERATOR)
            } else {
                answer.header("x-api-key", &tenant.key)
            };
            let answer = Answer::of(answer.send().await.unwrap()).await;
            let known: &[u16] = &[400, 404, 409];
            assert!(
                known.contains(&answer.status),
                "{method} {path}: {}",
                answer.text
            );
            answer.problem();
            refused += u32::from(answer.status == 400);
        }
    }
    assert!(refused > 6, "{refused}");
    // A believed webhook of that depth is kept as not understood, and acknowledged.
    let secret = switchhook_engine::adapter::Secret::new(hook.secret.as_str());
    let jwt = switchhook_adapters::dialpad::sign_jwt(deep.as_bytes(), &secret);
    let answer = world.deliver(&hook.path, "application/jwt", jwt).await;
    assert_eq!(
        answer.body["understood"],
        Value::Bool(false),
        "{}",
        answer.text
    );
}
