//! `Idempotency-Key`: a request is carried out once, however often it is sent, and answered the
//! same; another caller's key is another key; what holds a secret is kept sealed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_engine::store::Store;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Answer, PATIENCE};
use crate::flaky::Flaky;
use crate::stores::{fresh, postgres, server};
use crate::world::{OPERATOR, Tenant, World, config};

const CONTACTS: &str = "/api/contacts";

/// Sends JSON as an app, under a key.
async fn keyed(world: &World, tenant: &Tenant, path: &str, key: &str, body: &Value) -> Answer {
    let request = world.ask(Method::POST, path).json(body);
    let request = request.header("x-api-key", &tenant.key);
    Answer::of(request.header("idempotency-key", key).send().await.unwrap()).await
}

/// The same as the operator.
async fn operated(world: &World, path: &str, key: &str, body: &Value) -> Answer {
    let request = world.ask(Method::POST, path).json(body);
    let request = request.bearer_auth(OPERATOR);
    Answer::of(request.header("idempotency-key", key).send().await.unwrap()).await
}

/// A contact to be made.
fn named(name: &str) -> Value {
    json!({"name": name, "numbers": ["0612345678"]})
}

async fn contacts(world: &World, tenant: &Tenant) -> u64 {
    let list = world.get(tenant, CONTACTS).await;
    list.body["pagination"]["total"].as_u64().unwrap()
}

#[track_caller]
fn is_replay(again: &Answer, first: &Answer) {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    for name in ["content-type", "location", "cache-control"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.header("idempotency-replayed"), "");
}

#[tokio::test]
async fn a_repeated_request_is_answered_again_and_not_carried_out() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let jan = named("Jan");
    let first = keyed(&world, &tenant, CONTACTS, "k", &jan).await;
    assert_eq!(first.status, 201, "{}", first.text);
    for _ in 0..2 {
        let again = keyed(&world, &tenant, CONTACTS, "k", &jan).await;
        is_replay(&again, &first);
    }
    assert_eq!(contacts(&world, &tenant).await, 1);
    // Large enough to be compressed; what is kept is what was written.
    let long = json!({"name": "Piet", "numbers": ["0612345678"], "note": "x".repeat(1500)});
    let gzip = async |key: &str| {
        let request = world.ask(Method::POST, CONTACTS).json(&long);
        let request = request.header("x-api-key", &tenant.key);
        let request = request.header("accept-encoding", "gzip");
        Answer::of(request.header("idempotency-key", key).send().await.unwrap()).await
    };
    let first = gzip("long").await;
    assert_eq!(first.body["data"]["name"], "Piet", "{}", first.text);
    is_replay(&gzip("long").await, &first);
    // Without a key, and under another one, it is another request.
    assert_eq!(world.post(&tenant, CONTACTS, &jan).await.status, 201);
    let other = keyed(&world, &tenant, CONTACTS, "l", &jan).await;
    assert_eq!(
        (other.status, other.header("idempotency-replayed")),
        (201, "")
    );
    assert_eq!(contacts(&world, &tenant).await, 4);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let first = keyed(&world, &tenant, CONTACTS, "k", &named("Jan")).await;
    assert_eq!(first.status, 201);
    let other = keyed(&world, &tenant, CONTACTS, "k", &named("Piet")).await;
    assert_eq!(
        (other.status, other.problem()),
        (409, "idempotency_conflict")
    );
    assert_eq!(contacts(&world, &tenant).await, 1);
    // Another operation has keys of its own; another target of one has not.
    let agent = json!({"name": "Jan"});
    let made = keyed(&world, &tenant, "/api/agents", "k", &agent).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.body["data"]["id"].as_str().unwrap();
    let identity = json!({"platform": "dialpad", "kind": "user", "value": "1"});
    let path = |id: &str| format!("/api/agents/{id}/identities");
    let added = keyed(&world, &tenant, &path(id), "k", &identity).await;
    assert!(added.status < 300, "{}", added.text);
    let elsewhere = path("019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b");
    let other = keyed(&world, &tenant, &elsewhere, "k", &identity).await;
    assert_eq!(other.problem(), "idempotency_conflict");
}

#[tokio::test]
async fn a_key_is_its_callers_alone() {
    let world = World::new().await;
    let (ours, theirs) = (world.tenant("a").await, world.tenant("b").await);
    let key = json!({"name": "second"});
    let first = keyed(&world, &ours, "/api/keys", "k", &key).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let secret = |answer: &Answer| {
        let key = &answer.body["data"]["api_key"];
        key.as_str()
            .unwrap_or_else(|| panic!("{}", answer.text))
            .to_owned()
    };
    let ours_secret = secret(&first);
    is_replay(&keyed(&world, &ours, "/api/keys", "k", &key).await, &first);
    // Another app gets a key of its own, not ours.
    let foreign = keyed(&world, &theirs, "/api/keys", "k", &key).await;
    assert_eq!(
        (foreign.status, foreign.header("idempotency-replayed")),
        (201, "")
    );
    assert!(!foreign.text.contains(&ours_secret));
    // Another key of the same app is another caller.
    let second = Tenant {
        id: ours.id.clone(),
        key: ours_secret.clone(),
    };
    let own = keyed(&world, &second, "/api/keys", "k", &key).await;
    assert_eq!(
        (own.status, own.header("idempotency-replayed")),
        (201, ""),
        "{}",
        own.text
    );
    assert!(!own.text.contains(&ours_secret));
    // Whoever is nobody, or is not any more, hears nothing of it.
    let stranger = Tenant {
        id: ours.id.clone(),
        key: "sh_00000000_none".to_owned(),
    };
    let refused = keyed(&world, &stranger, "/api/keys", "k", &key).await;
    assert_eq!((refused.status, refused.problem()), (401, "key_invalid"));
    let path = format!("/internal/apps/{}/api-key/revoke", ours.id);
    let revoked = world.operate(Method::POST, &path, None).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    let refused = keyed(&world, &ours, "/api/keys", "k", &key).await;
    assert_eq!((refused.status, refused.problem()), (401, "key_invalid"));
}

#[tokio::test]
async fn operators_have_keys_too() {
    let world = World::new().await;
    let app = json!({"name": "Once"});
    let first = operated(&world, "/internal/apps", "k", &app).await;
    assert_eq!(first.status, 201, "{}", first.text);
    is_replay(&operated(&world, "/internal/apps", "k", &app).await, &first);
    let all = world.operate(Method::GET, "/internal/apps", None).await;
    assert_eq!(
        all.body["data"].as_array().unwrap().len(),
        1,
        "{}",
        all.text
    );
    let id = first.body["app_id"].as_str().unwrap();
    let path = format!("/internal/apps/{id}/connections");
    let body = json!({"platform": "dialpad", "name": "Dialpad", "config": {}});
    let made = operated(&world, &path, "k", &body).await;
    assert!(
        made.body["data"]["webhook_secret"].is_string(),
        "{}",
        made.text
    );
    is_replay(&operated(&world, &path, "k", &body).await, &made);
    let wrong = world.ask(Method::POST, &path).json(&body);
    let wrong = wrong.bearer_auth("not the secret of the operators");
    let wrong = wrong.header("idempotency-key", "k").send().await.unwrap();
    assert_eq!(Answer::of(wrong).await.problem(), "operator_secret_wrong");
    // That it was shown again is on record, and that nothing was made.
    let entries = world.operate(Method::GET, "/internal/audit", None).await;
    let entries = entries.body["data"].as_array().unwrap().clone();
    let replayed = entries.iter().filter(|entry| {
        entry["action"] == "POST /internal/apps" && entry["after"] == json!({"replayed": true})
    });
    assert_eq!(replayed.count(), 1, "{entries:?}");
}

#[tokio::test]
async fn of_many_at_once_one_is_carried_out() {
    let world = Arc::new(World::new().await);
    let tenant = world.tenant("a").await;
    let mut asked = Vec::new();
    for _ in 0..12 {
        let (world, tenant) = (Arc::clone(&world), tenant.clone());
        asked.push(tokio::spawn(async move {
            // As a client does that is told to come again.
            loop {
                let answer = keyed(&world, &tenant, CONTACTS, "k", &named("Jan")).await;
                if answer.status == 201 {
                    return answer.text;
                }
                assert_eq!(answer.problem(), "idempotency_in_progress");
                assert_eq!((answer.status, answer.header("retry-after")), (409, "1"));
            }
        }));
    }
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(contacts(&world, &tenant).await, 1);
}

/// Who hangs up before the answer comes again and hears it; nothing is done twice, and the key is
/// not left taken.
#[tokio::test]
async fn a_request_goes_on_when_its_client_has_gone() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let body = named("Jan").to_string();
    for round in 0..12 {
        let key = format!("gone-{round}");
        let request = format!(
            "POST {CONTACTS} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            tenant.key,
            body.len()
        );
        let mut socket = TcpStream::connect(&world.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        // Sooner and later, so that it is caught at different places.
        tokio::time::sleep(Duration::from_micros(150 * round)).await;
        drop(socket);
        let started = Instant::now();
        while keyed(&world, &tenant, CONTACTS, &key, &named("Jan"))
            .await
            .status
            != 201
        {
            assert!(started.elapsed() < PATIENCE, "the key stays taken");
        }
    }
    assert_eq!(contacts(&world, &tenant).await, 12);
}

#[tokio::test]
async fn what_came_to_nothing_may_be_tried_again() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let bad = keyed(&world, &tenant, CONTACTS, "k", &json!({"name": 1})).await;
    assert_eq!(bad.status, 400);
    let mended = keyed(&world, &tenant, CONTACTS, "k", &named("Jan")).await;
    assert_eq!(mended.status, 201, "{}", mended.text);
    world.store.away.store(true, Ordering::Relaxed);
    let away = keyed(&world, &tenant, CONTACTS, "l", &named("Piet")).await;
    assert_eq!(away.status, 503);
    world.store.away.store(false, Ordering::Relaxed);
    let back = keyed(&world, &tenant, CONTACTS, "l", &named("Piet")).await;
    assert_eq!(back.status, 201, "{}", back.text);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let jan = named("Jan");
    let first = keyed(&world, &tenant, CONTACTS, "k", &jan).await;
    world
        .clock
        .advance(SignedDuration::from_hours(24) - SignedDuration::from_secs(1));
    is_replay(&keyed(&world, &tenant, CONTACTS, "k", &jan).await, &first);
    world.clock.advance(SignedDuration::from_secs(2));
    let anew = keyed(&world, &tenant, CONTACTS, "k", &jan).await;
    assert_eq!(
        (anew.status, anew.header("idempotency-replayed")),
        (201, "")
    );
    assert_eq!(contacts(&world, &tenant).await, 2);
}

#[tokio::test]
async fn a_key_is_checked_before_anything_is_done() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let long = "x".repeat(256);
    for key in ["", "two words", &long] {
        let answer = keyed(&world, &tenant, CONTACTS, key, &named("Jan")).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_parameter")
        );
        assert_eq!(answer.body["field"], "Idempotency-Key");
    }
    let twice = world.ask(Method::POST, CONTACTS).json(&named("Jan"));
    let twice = twice.header("x-api-key", &tenant.key);
    let twice = twice
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    let twice = Answer::of(twice.send().await.unwrap()).await;
    assert_eq!(twice.body["field"], "Idempotency-Key");
    assert_eq!(contacts(&world, &tenant).await, 0);
    let longest = keyed(&world, &tenant, CONTACTS, &long[1..], &named("Jan")).await;
    assert_eq!(longest.status, 201);
}

async fn node(store: Arc<dyn Store>) -> World {
    World::over(
        Arc::new(Flaky::over(store)),
        config(),
        vec![Arc::new(Dialpad)],
        switchhook_engine::people::PeopleSettings::default(),
    )
    .await
}

/// Also what a restart is: another process, the same database, nothing remembered. Gives the secret
/// of a key that was made.
async fn two_nodes(store: Arc<dyn Store>) -> String {
    let (here, there) = (node(store.clone()).await, node(store).await);
    let tenant = here.tenant("a").await;
    let key = json!({"name": "second"});
    let first = keyed(&here, &tenant, "/api/keys", "k", &key).await;
    assert_eq!(first.status, 201, "{}", first.text);
    is_replay(
        &keyed(&there, &tenant, "/api/keys", "k", &key).await,
        &first,
    );
    let jan = named("Jan");
    let (one, two) = tokio::join!(
        keyed(&here, &tenant, CONTACTS, "k", &jan),
        keyed(&there, &tenant, CONTACTS, "k", &jan),
    );
    assert!([one.status, two.status].contains(&201));
    assert_eq!(contacts(&here, &tenant).await, 1);
    let secret = first.body["data"]["api_key"].as_str();
    secret
        .unwrap_or_else(|| panic!("{}", first.text))
        .to_owned()
}

#[tokio::test]
async fn a_key_holds_across_nodes() {
    let (store, _database) = fresh().await;
    two_nodes(store).await;
}

#[tokio::test]
async fn a_key_holds_across_nodes_on_postgres() {
    let Some(server) = server() else {
        return;
    };
    let (store, database) = postgres(&server).await;
    let secret = two_nodes(store).await;
    let client = database.client().await;
    let sql = "SELECT answer, i::text AS row FROM idempotency i";
    let rows = client.query(sql, &[]).await.unwrap();
    assert_eq!(rows.len(), 2, "a key and a contact");
    for row in rows {
        let (answer, row): (String, String) = (row.get("answer"), row.get("row"));
        assert!(answer.starts_with("v1."), "{answer}");
        for plain in [&*secret, "Jan", "second", "\"success\""] {
            assert!(!row.contains(plain), "{plain} stands in the database");
        }
    }
}

/// Every `POST` of the description takes a key, but those that say here why not.
#[test]
fn every_post_takes_a_key_or_is_named_here() {
    /// Calls have keys of their own; notifications are understood once by themselves; who signs in
    /// gets a new session; ending something twice is ending it; the same disposition twice is one,
    /// at the predecessor's address too.
    const WITHOUT: [&str; 19] = [
        "accept_invitation",
        "attach_recording_inherited",
        "change_own_password",
        "click_to_dial",
        "click_to_dial_inherited",
        "disconnect_platform",
        "give_disposition_inherited",
        "look_at_invitation",
        "look_caller_up",
        "place_call",
        "set_up",
        "sign_in_with_password",
        "sign_out",
        "stay_in_wrap_up",
        "take_dialpad_webhook",
        "take_pipelinq_webhook",
        "take_pipelinq_webhook_in_nextcloud",
        "take_webhook",
        "test_connection",
    ];
    let api: Value = serde_json::from_str(&switchhook_api::openapi_json()).unwrap();
    for (path, item) in api["paths"].as_object().unwrap() {
        let Some(post) = item.get("post") else {
            continue;
        };
        let id = post["operationId"].as_str().unwrap();
        let replayed = post["responses"]
            .as_object()
            .unwrap()
            .values()
            .any(|answer| answer["headers"].get("idempotency-replayed").is_some());
        assert_eq!(replayed, !WITHOUT.contains(&id), "{path} ({id})");
        if replayed {
            let parameters = post["parameters"].as_array().unwrap();
            let named = parameters.iter().filter(|p| p["name"] == "Idempotency-Key");
            assert_eq!(named.count(), 1, "{path}");
            let conflict = post["responses"]["409"]["description"].as_str().unwrap();
            assert!(conflict.contains("`idempotency_in_progress`"), "{path}");
        }
    }
}
