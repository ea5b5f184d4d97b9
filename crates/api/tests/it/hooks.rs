//! Everything that may be posted to a webhook address: a clear answer, a row with its verdict,
//! and no panic.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::{sign_header, sign_jwt};
use switchhook_engine::adapter::Secret;

use crate::client::Answer;
use crate::world::{Hook, OPERATOR, Tenant, World, fixture, ringing};

async fn log(world: &World, tenant: &Tenant) -> Vec<Value> {
    let path = format!("/internal/apps/{}/notifications?limit=100", tenant.id);
    let answer = world.operate(Method::GET, &path, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["data"].as_array().unwrap().clone()
}

fn signed(hook: &Hook, payload: &[u8]) -> Vec<u8> {
    sign_jwt(payload, &Secret::new(hook.secret.as_str()))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn what_is_not_believed_leaves_only_a_digest() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let good = ringing(1).to_string();
    let forged = sign_jwt(good.as_bytes(), &Secret::new("another secret"));
    let mut changed = signed(&hook, good.as_bytes());
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let none = "eyJhbGciOiJub25lIn0.e30.x".to_owned();
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let cases: [(&str, &str, Vec<u8>, u16, &str); 10] = [
        (
            "a forged signature",
            "application/jwt",
            forged,
            401,
            "signature_invalid",
        ),
        (
            "a changed body",
            "application/jwt",
            changed,
            401,
            "signature_invalid",
        ),
        (
            "alg none",
            "application/jwt",
            none.into(),
            400,
            "webhook_malformed",
        ),
        (
            "an empty body",
            "application/jwt",
            Vec::new(),
            400,
            "webhook_malformed",
        ),
        (
            "JSON without signature",
            "application/json",
            good.clone().into(),
            401,
            "signature_invalid",
        ),
        (
            "a form",
            "application/x-www-form-urlencoded",
            b"a=b".to_vec(),
            400,
            "webhook_malformed",
        ),
        (
            "no text",
            "application/octet-stream",
            vec![0xff, 0xfe, 0],
            400,
            "webhook_malformed",
        ),
        (
            "truncated JSON",
            "application/json",
            good[..90].into(),
            401,
            "signature_invalid",
        ),
        (
            "deep nesting",
            "application/json",
            deep.into(),
            400,
            "webhook_malformed",
        ),
        (
            "half a JWT",
            "application/jwt",
            b"eyJhbGciOiJIUzI1NiJ9.e30".to_vec(),
            400,
            "webhook_malformed",
        ),
    ];
    for (index, (what, kind, body, status, code)) in cases.into_iter().enumerate() {
        world.clock.advance(jiff::SignedDuration::from_millis(5));
        let answer = world.deliver(&hook.path, kind, body).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (status, code),
            "{what}: {}",
            answer.text
        );
        let rows = log(&world, &tenant).await;
        assert_eq!(rows.len(), index + 1, "{what}");
        assert_eq!(rows[0]["verdict"], "rejected", "{what}");
        assert_eq!(rows[0]["body"], Value::Null, "{what}");
        assert_eq!(rows[0]["digest"].as_str().map(str::len), Some(64), "{what}");
        assert!(rows[0]["reason"].is_string(), "{what}");
    }
    assert_eq!(
        world.get(&tenant, "/api/calls").await.body["pagination"]["total"],
        0
    );
}

#[tokio::test]
async fn what_is_believed_but_not_understood_is_kept_and_acknowledged() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let mut no_state = ringing(1);
    no_state.as_object_mut().unwrap().remove("state");
    let mut wrong_types = ringing(2);
    wrong_types["date_started"] = json!({"when": "now"});
    wrong_types["call_id"] = json!([1, 2]);
    let truncated = ringing(3).to_string();
    let deep = format!(
        r#"{{"call_id":1,"state":"ringing","x":{}1{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    for (what, payload) in [
        ("no state", no_state.to_string()),
        ("wrong types", wrong_types.to_string()),
        ("truncated JSON", truncated[..200].to_owned()),
        ("deep nesting", deep),
        ("no object", "[1,2,3]".to_owned()),
        ("no JSON", "hello".to_owned()),
        ("nothing", String::new()),
    ] {
        let body = signed(&hook, payload.as_bytes());
        world.clock.advance(jiff::SignedDuration::from_millis(5));
        let answer = world.deliver(&hook.path, "application/jwt", body).await;
        let rows = log(&world, &tenant).await;
        if what == "nothing" {
            // A JWT with an empty part is none.
            assert_eq!(answer.problem(), "webhook_malformed");
            continue;
        }
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        assert_eq!(answer.body["received"], true, "{what}");
        assert_eq!(answer.body["understood"], false, "{what}: {}", answer.text);
        assert_eq!(rows[0]["verdict"], "dead", "{what}");
        assert_eq!(rows[0]["reason"], answer.body["reason"], "{what}");
        assert!(rows[0]["body"].is_string(), "{what}");
    }
    assert_eq!(
        world.get(&tenant, "/api/calls").await.body["pagination"]["total"],
        0
    );
}

#[tokio::test]
async fn an_unknown_state_is_no_error() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let mut payload = ringing(1);
    payload["state"] = "levitating".into();
    let answer = world.dialpad(&hook, &payload).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(log(&world, &tenant).await.len(), 1);
}

#[tokio::test]
async fn replays_and_disorder_end_in_the_same_record() {
    let world = World::new().await;
    let names = ["01_ringing", "02_connected", "03_hangup"];
    let mut records = Vec::new();
    for order in [
        vec![0, 1, 2],
        vec![2, 1, 0],
        vec![2, 0, 2, 1, 1, 0],
        vec![1, 2, 0],
    ] {
        let tenant = world.tenant("a").await;
        let hook = world.hook(&tenant).await;
        for index in &order {
            let answer = world
                .dialpad(&hook, &fixture("answered", names[*index]))
                .await;
            assert_eq!(
                (answer.status, &answer.body),
                (200, &json!({"received": true}))
            );
        }
        let rows = log(&world, &tenant).await;
        assert_eq!(rows.len(), order.len());
        assert!(rows.iter().all(|row| row["verdict"] == "accepted"));
        let mut list = world.get(&tenant, "/api/calls").await.body;
        assert_eq!(list["pagination"]["total"], 1, "{order:?}");
        let call = list["data"][0].as_object_mut().unwrap();
        for ours in ["id", "connection_id", "created_at", "updated_at"] {
            call.remove(ours);
        }
        call["contact_moment"].as_object_mut().unwrap().remove("id");
        records.push(call.clone());
    }
    assert!(
        records.windows(2).all(|pair| pair[0] == pair[1]),
        "{records:#?}"
    );
}

#[tokio::test]
async fn addresses_that_are_none() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let body = signed(&hook, ringing(1).to_string().as_bytes());
    let hook_id = hook.path.rsplit('/').next().unwrap();
    for path in [
        "/webhooks/dialpad/nosuchhooknosuchhooknosuchhook00".to_owned(),
        "/webhooks/dialpad/x".to_owned(),
        "/webhooks/dialpad/%00%ff".to_owned(),
        format!("/webhooks/asterisk/{hook_id}"),
        format!("/webhooks/dialpad/{}", &hook_id[1..]),
    ] {
        let answer = world.deliver(&path, "application/jwt", body.clone()).await;
        let code = answer.problem();
        assert!(
            matches!(code, "hook_not_found" | "bad_request"),
            "{path}: {}",
            answer.text
        );
        assert!(matches!(answer.status, 404 | 400), "{path}");
    }
    // A platform's name is read in any case.
    let path = format!("/webhooks/Dialpad/{hook_id}");
    assert_eq!(
        world.deliver(&path, "application/jwt", body).await.status,
        200
    );
    let opened = Answer::of(world.ask(Method::GET, &hook.path).send().await.unwrap()).await;
    assert_eq!(
        (opened.status, opened.problem()),
        (405, "method_not_allowed")
    );
    assert_eq!(opened.header("allow"), "POST");
    assert!(
        opened.body["detail"]
            .as_str()
            .unwrap()
            .contains("webhook settings")
    );
}

#[tokio::test]
async fn a_body_of_two_megabytes_is_refused_in_words() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let big = vec![b'x'; 2 * 1024 * 1024];
    let answer = world
        .deliver(&hook.path, "application/jwt", big.clone())
        .await;
    assert_eq!((answer.status, answer.problem()), (413, "body_too_large"));
    // And as large as it may be, it is read.
    let most = vec![b'x'; 1024 * 1024];
    let answer = world.deliver(&hook.path, "application/jwt", most).await;
    assert_eq!(answer.problem(), "webhook_malformed");
    let json = Answer::of(
        world
            .ask(Method::POST, "/api/contacts")
            .header("x-api-key", &tenant.key)
            .header("content-type", "application/json")
            .body(big)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((json.status, json.problem()), (413, "body_too_large"));
}

#[tokio::test]
async fn the_inherited_address_finds_the_connection_by_its_secret() {
    let world = World::new().await;
    let path = "/webhooks/dialpad";
    let payload = ringing(1).to_string();
    let nobody = world
        .deliver(path, "application/jwt", b"a.b.c".to_vec())
        .await;
    assert_eq!(
        (nobody.status, nobody.problem()),
        (401, "webhook_app_unknown")
    );
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let (hook, other) = (world.hook(&one).await, world.hook(&two).await);
    let body = signed(&hook, payload.as_bytes());
    assert_eq!(
        world
            .deliver(path, "application/jwt", body.clone())
            .await
            .status,
        200
    );
    assert_eq!(
        world.get(&one, "/api/calls").await.body["pagination"]["total"],
        1
    );
    assert_eq!(
        world.get(&two, "/api/calls").await.body["pagination"]["total"],
        0
    );
    // The predecessor's JSON with a signature in a header.
    let json = fixture("predecessor-call", "01_ring").to_string();
    let signature = sign_header(json.as_bytes(), &Secret::new(other.secret.as_str()));
    let send = |key: &str| {
        world
            .ask(Method::POST, path)
            .header("content-type", "application/json")
            .header("x-dialpad-signature", signature.as_str())
            .header("x-app-api-key", key)
            .body(json.clone())
            .send()
    };
    let answer = Answer::of(send(&two.key).await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    // The key of another app leads to another secret.
    let answer = Answer::of(send(&one.key).await.unwrap()).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (401, "signature_invalid")
    );
    let answer = Answer::of(send("sh_nonsense").await.unwrap()).await;
    assert_eq!((answer.status, answer.problem()), (401, "key_invalid"));
}

#[tokio::test]
async fn a_database_that_is_away_asks_for_another_try() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    world
        .store
        .away
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = world.ring(&hook, 1).await;
    assert_eq!(
        (answer.status, answer.problem()),
        (503, "store_unavailable")
    );
    assert_eq!(answer.header("retry-after"), "2");
    let list = world.get(&tenant, "/api/calls").await;
    assert_eq!((list.status, list.problem()), (503, "store_unavailable"));
    let ready = Answer::of(world.ask(Method::GET, "/ready").send().await.unwrap()).await;
    assert_eq!((ready.status, ready.problem()), (503, "store_unavailable"));
    assert_eq!(ready.body["ready"], false);
    let health = Answer::of(world.ask(Method::GET, "/health").send().await.unwrap()).await;
    assert_eq!(health.status, 200);
    world
        .store
        .away
        .store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.ring(&hook, 1).await.status, 200);
}

#[tokio::test]
async fn the_answer_is_small() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let answer = world.ring(&hook, 1).await;
    let size: usize = answer
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    assert!(size < 512, "{:?}", answer.headers);
    assert!(!answer.text.contains(OPERATOR));
}
