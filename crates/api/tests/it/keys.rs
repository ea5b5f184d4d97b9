//! Keys of one's own app, what they may do, keys of the predecessor, and what is on record.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::id::{AppId, KeyId};
use switchhook_engine::rights::Role;
use switchhook_engine::seal::digest;
use switchhook_engine::store::{Grant, KeyProof, KeyStore as _, Store as _};

use crate::client::Answer;
use crate::world::{Tenant, World};

async fn ask(
    world: &World,
    tenant: &Tenant,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let mut request = world.ask(method, path).header("x-api-key", &tenant.key);
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::of(request.send().await.unwrap()).await
}

/// A further key of a tenant.
async fn further(world: &World, tenant: &Tenant, body: Value) -> (Tenant, String) {
    let path = format!("/internal/apps/{}/keys", tenant.id);
    let made = world.operate(Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let data = &made.body["data"];
    let key = Tenant {
        id: tenant.id.clone(),
        key: data["api_key"].as_str().unwrap().to_owned(),
    };
    (key, data["key"]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_app_looks_after_its_own_keys() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    world.clock.advance(SignedDuration::from_secs(1));
    let body = json!({"name": "Wallboard", "scopes": ["calls:read", "events:read"],
        "expires_at": "2027-01-01T00:00:00Z"});
    let made = ask(&world, &tenant, Method::POST, "/api/keys", Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let data = &made.body["data"];
    assert_eq!(data["key"]["scopes"], json!(["calls:read", "events:read"]));
    let wallboard = Tenant {
        id: tenant.id.clone(),
        key: data["api_key"].as_str().unwrap().to_owned(),
    };
    assert_eq!(world.get(&wallboard, "/api/calls").await.status, 200);
    let refused = world.get(&wallboard, "/api/contacts").await;
    assert_eq!((refused.status, refused.problem()), (403, "scope_missing"));
    assert_eq!(refused.body["scope"], "contacts:read");

    let path = format!("/api/keys/{}", data["key"]["id"].as_str().unwrap());
    let renamed = json!({"name": "Reception"});
    let renamed = ask(&world, &tenant, Method::PATCH, &path, Some(&renamed)).await;
    assert_eq!(
        (renamed.status, &renamed.body["data"]["name"]),
        (200, &json!("Reception"))
    );
    world.clock.advance(SignedDuration::from_secs(1));
    let rotate = format!("{path}/rotate");
    let short = json!({"overlap_seconds": 60});
    let next = ask(&world, &tenant, Method::POST, &rotate, Some(&short)).await;
    assert_eq!(next.status, 201, "{}", next.text);
    let new = &next.body["data"]["key"];
    assert_eq!(new["name"], "Reception");
    assert_eq!(new["scopes"], json!(["calls:read", "events:read"]));
    assert_eq!(new["expires_at"], "2027-01-01T00:00:00.000Z");
    assert_eq!(new["replaces"], data["key"]["id"]);
    let again = ask(&world, &tenant, Method::POST, &rotate, None).await;
    assert_eq!((again.status, again.problem()), (409, "key_over"));
    assert_eq!(world.get(&wallboard, "/api/calls").await.status, 200);
    world.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(world.get(&wallboard, "/api/calls").await.status, 401);

    let list = world.get(&tenant, "/api/keys").await;
    let keys = list.body["data"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let active: Vec<_> = keys.iter().map(|key| key["active"] == true).collect();
    assert_eq!(active, [true, false, true]);
    assert!(!list.text.contains(&wallboard.key[12..]));
    // A key may revoke itself.
    let own = format!("/api/keys/{}", keys[2]["id"].as_str().unwrap());
    let gone = ask(&world, &tenant, Method::DELETE, &own, None).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(world.get(&tenant, "/api/me").await.status, 401);
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let all = world.get(&tenant, "/api/keys").await.body["data"][0]["id"].clone();
    let all = all.as_str().unwrap();
    let (clerk, _) = further(
        &world,
        &tenant,
        json!({"scopes": ["keys:write", "calls:read"]}),
    )
    .await;
    for (path, body, scope) in [
        (
            "/api/keys".to_owned(),
            json!({"scopes": ["all"]}),
            "calls:control",
        ),
        (
            "/api/keys".to_owned(),
            json!({"scopes": ["calls:read", "audit:read"]}),
            "audit:read",
        ),
        (
            format!("/api/keys/{all}/rotate"),
            json!({}),
            "calls:control",
        ),
        (
            format!("/api/keys/{all}/rotate"),
            json!({"scopes": ["media:read"]}),
            "media:read",
        ),
    ] {
        let refused = ask(&world, &clerk, Method::POST, &path, Some(&body)).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "scope_missing"),
            "{path} {body}"
        );
        assert_eq!(refused.body["scope"], scope, "{path} {body}");
    }
    assert_eq!(
        world.get(&tenant, "/api/me").await.status,
        200,
        "nothing was replaced"
    );
    let made = ask(&world, &clerk, Method::POST, "/api/keys", None).await;
    assert_eq!(
        made.body["data"]["key"]["scopes"],
        json!(["calls:read", "keys:write"])
    );
    // All there are by name are not what may be added later.
    let names: Vec<_> = switchhook_engine::rights::Scope::ALL
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    let (named, _) = further(&world, &tenant, json!({ "scopes": names })).await;
    let everything = json!({"scopes": ["all"]});
    let refused = ask(&world, &named, Method::POST, "/api/keys", Some(&everything)).await;
    assert_eq!(
        (refused.status, &refused.body["scope"]),
        (403, &json!("all"))
    );
    for (body, field) in [
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["calls:read", "calls:fly"]}), "scopes[1]"),
        (json!({"scopes": ["calls:read calls:control"]}), "scopes[0]"),
        (json!({"scopes": "all"}), "scopes"),
        (json!({"colour": "red"}), "colour"),
    ] {
        let answer = ask(&world, &tenant, Method::POST, "/api/keys", Some(&body)).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_field"),
            "{body}"
        );
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let path = format!("/api/keys/{all}/rotate");
    let long = json!({"overlap_seconds": 2_592_001});
    let answer = ask(&world, &tenant, Method::POST, &path, Some(&long)).await;
    assert_eq!(
        (answer.problem(), &answer.body["field"]),
        ("invalid_field", &json!("overlap_seconds"))
    );
}

#[tokio::test]
async fn an_app_has_only_so_many_keys() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    for _ in 1..100 {
        further(&world, &tenant, json!({})).await;
    }
    let full = ask(&world, &tenant, Method::POST, "/api/keys", None).await;
    assert_eq!((full.status, full.problem()), (409, "too_many_keys"));
    // The inherited route does not guess which of them is meant.
    let path = format!("/internal/apps/{}/api-key", tenant.id);
    let which = world.operate(Method::POST, &path, None).await;
    assert_eq!(
        (which.status, &which.body["field"]),
        (400, &json!("key_id"))
    );
    let keys = world.get(&tenant, "/api/keys").await;
    let named = json!({"key_id": keys.body["data"][0]["id"]});
    let rotated = world.operate(Method::POST, &path, Some(&named)).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
}

/// A key as the predecessor stored it, of that app.
async fn import(world: &World, tenant: &Tenant, text: &str, hint: Option<&str>) -> KeyId {
    let stored = bcrypt::hash(text, 4).unwrap();
    let app = AppId(tenant.id.parse().unwrap());
    let row = world
        .gate
        .imported_key(app, "imported", &stored, hint)
        .unwrap();
    world.store.create_key(&row).await.unwrap();
    row.id
}

#[tokio::test]
async fn keys_of_the_predecessor_go_on_working() {
    let world = World::new().await;
    let (one, two) = (world.tenant("one").await, world.tenant("two").await);
    let raw = format!("raw_{}", "0123456789abcdef".repeat(4));
    let old = "test_key_0b9f3e64-6a0e-4f6b-9d5e-0b6a6f1f9a3e";
    let known = format!("app_{}", "fedcba9876543210".repeat(4));
    let first = import(&world, &one, &raw, None).await;
    import(&world, &two, old, None).await;
    import(&world, &two, &known, Some("app_fedc...3210")).await;
    let stored = match world.store.key(AppId(one.id.parse().unwrap()), first).await {
        Ok(Some(row)) => row,
        other => panic!("{other:?}"),
    };
    let KeyProof::Bcrypt(hash) = &stored.proof else {
        panic!("{stored:?}");
    };
    for bad in [
        hash.as_str(),
        stored.lookup.as_str(),
        &raw[..67],
        "raw_unknown_to_anybody",
    ] {
        let key = Tenant {
            id: String::new(),
            key: bad.to_owned(),
        };
        let refused = world.get(&key, "/api/me").await;
        assert_eq!(
            (refused.status, refused.problem()),
            (401, "key_invalid"),
            "{bad}"
        );
    }
    for (text, tenant) in [(&*raw, &one), (old, &two), (&known, &two)] {
        let key = Tenant {
            id: String::new(),
            key: text.to_owned(),
        };
        // At once, as a backend with several workers does after the move.
        let use_it = || world.get(&key, "/api/me");
        let (a, b, c, d) = tokio::join!(use_it(), use_it(), use_it(), use_it());
        for answer in [a, b, c, d] {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.body["data"]["app"]["id"], tenant.id);
        }
    }
    let claimed = world
        .store
        .key(stored.app_id, first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claimed.hint, "raw_0123...cdef");
    assert!(claimed.lookup.starts_with('~') && matches!(claimed.proof, KeyProof::Hash(_)));
    let left = world
        .store
        .unclaimed_keys(claimed.created_at, 10)
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
    // What is in the table now opens nothing either.
    let key = Tenant {
        id: String::new(),
        key: claimed.lookup.clone(),
    };
    assert_eq!(world.get(&key, "/api/me").await.status, 401);
    // And they are revoked and replaced like any other.
    let path = format!("/internal/apps/{}/keys/{first}/rotate", one.id);
    let at_once = json!({"overlap_seconds": 0});
    assert_eq!(
        world
            .operate(Method::POST, &path, Some(&at_once))
            .await
            .status,
        201
    );
    let key = Tenant {
        id: String::new(),
        key: raw,
    };
    assert_eq!(world.get(&key, "/api/me").await.status, 401);
    assert!(
        world
            .gate
            .imported_key(stored.app_id, "x", "$2b$31$short", None)
            .is_err()
    );
    assert!(
        world
            .gate
            .imported_key(stored.app_id, "x", "short", None)
            .is_err()
    );
}

#[tokio::test]
async fn guessing_imported_keys_is_remembered_and_costs_little() {
    let world = World::new().await;
    let tenant = world.tenant("one").await;
    let stored = bcrypt::hash("raw_somebody_elses_key", 10).unwrap();
    let app = AppId(tenant.id.parse().unwrap());
    for _ in 0..3 {
        let row = world
            .gate
            .imported_key(app, "imported", &stored, None)
            .unwrap();
        world.store.create_key(&row).await.unwrap();
    }
    let guess = Tenant {
        id: String::new(),
        key: "raw_a_guess_of_somebody".to_owned(),
    };
    assert_eq!(world.get(&guess, "/api/me").await.status, 401);
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(world.get(&guess, "/api/me").await.status, 401);
    }
    // A hundred times three comparisons would take many seconds.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn the_last_use_is_written_behind() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let last =
        async || world.get(&tenant, "/api/keys").await.body["data"][0]["last_used_at"].clone();
    assert_eq!(last().await, Value::Null, "not on the way of a request");
    world.gate.write_uses(false).await.unwrap();
    let first = last().await;
    assert!(first.is_string());
    world.clock.advance(SignedDuration::from_secs(30));
    last().await;
    world.gate.write_uses(false).await.unwrap();
    assert_eq!(last().await, first, "at most once a minute");
    world.gate.write_uses(true).await.unwrap();
    assert_ne!(
        last().await,
        first,
        "what is left is written when the server stops"
    );
}

#[tokio::test]
async fn a_token_ends_with_the_key_that_minted_it() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let body = json!({"scopes": ["agents:token", "calls:read", "events:read"]});
    let (_, key) = further(&world, &tenant, body).await;
    let token = "a-token-that-a-neighbour-mints";
    let grant = Grant {
        token_hash: digest(token.as_bytes()),
        app_id: AppId(tenant.id.parse().unwrap()),
        role: Role::Agent,
        user_id: None,
        agent_id: None,
        key_id: Some(key.parse().unwrap()),
        expires_at: "2030-01-01T00:00:00Z".parse().unwrap(),
    };
    world.store.put_session(&grant).await.unwrap();
    let cookie = format!("switchhook_session={token}");
    let get = async |path: &str| {
        let request = world.ask(Method::GET, path).header("cookie", &cookie);
        Answer::of(request.send().await.unwrap()).await
    };
    assert_eq!(get("/api/calls").await.status, 200);
    // It may do no more than the key.
    let refused = get("/api/contacts").await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "role_not_allowed")
    );
    let headers = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
    let mut socket = world.connect("", &headers).await;
    assert_eq!(socket.frame().await["type"], "hello");
    let path = format!("/internal/apps/{}/keys/{key}", tenant.id);
    let started = Instant::now();
    assert_eq!(world.operate(Method::DELETE, &path, None).await.status, 200);
    assert_eq!(get("/api/calls").await.problem(), "key_invalid");
    assert_eq!(socket.closed().await, 4401);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_is_done_to_keys_is_on_record_without_them() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let base = format!("/internal/apps/{}", tenant.id);
    let body = json!({"name": "Wallboard", "scopes": ["calls:read"]});
    world.clock.advance(SignedDuration::from_secs(1));
    let (key, id) = further(&world, &tenant, body).await;
    let path = format!("/api/keys/{id}");
    ask(
        &world,
        &tenant,
        Method::PATCH,
        &path,
        Some(&json!({"name": "Desk"})),
    )
    .await;
    let next = ask(
        &world,
        &tenant,
        Method::POST,
        &format!("{path}/rotate"),
        None,
    )
    .await;
    let next = &next.body["data"];
    let off = world
        .operate(Method::POST, &format!("{base}/api-key/revoke"), None)
        .await;
    assert_eq!(off.body["revoked"].as_array().unwrap().len(), 3);
    let (reader, _) = further(&world, &tenant, json!({"scopes": ["audit:read"]})).await;
    let denied = ask(&world, &reader, Method::POST, "/api/keys", None).await;
    assert_eq!(denied.status, 403);
    let log = world.get(&reader, "/api/audit").await;
    let rows = log.body["data"].as_array().unwrap();
    let find = |action: &str| {
        let row = rows.iter().find(|row| row["action"] == action);
        row.unwrap_or_else(|| panic!("{action}: {}", log.text))
    };
    let made = rows.last().unwrap();
    assert_eq!(made["action"], "POST /internal/apps/{app_id}/keys");
    assert_eq!(made["actor"]["kind"], "operator");
    let after = &made["after"]["data"]["key"];
    assert_eq!(
        (&after["name"], &after["scopes"]),
        (&json!("Wallboard"), &json!(["calls:read"]))
    );
    assert!(
        after["hint"].as_str().unwrap().starts_with("sh_"),
        "{after}"
    );
    let renamed = find("PATCH /api/keys/{key_id}");
    assert_eq!(renamed["before"]["name"], "Wallboard");
    assert_eq!(renamed["after"]["data"]["name"], "Desk");
    assert_eq!(renamed["target"], path);
    assert_eq!(renamed["actor"]["kind"], "key");
    assert!(renamed["address"].is_string() || renamed["address"].is_null());
    assert!(renamed["request_id"].is_string());
    let rotated = find("POST /api/keys/{key_id}/rotate");
    assert_eq!(rotated["before"]["hint"], after["hint"]);
    assert_eq!(rotated["after"]["data"]["key"]["hint"], next["key"]["hint"]);
    assert_eq!(
        rotated["after"]["data"]["replaced"]["scopes"],
        json!(["calls:read"])
    );
    let revoked = find("POST /internal/apps/{app_id}/api-key/revoke");
    assert_eq!(revoked["before"].as_array().unwrap().len(), 3);
    let denied = find("POST /api/keys");
    assert_eq!(
        (&denied["status"], &denied["after"]["code"]),
        (&json!(403), &json!("scope_missing"))
    );
    for secret in [
        &*tenant.key,
        &*key.key,
        next["api_key"].as_str().unwrap(),
        &*reader.key,
    ] {
        assert!(!log.text.contains(&secret[12..]), "a key is on record");
    }
}

/// Once an hour for each reader; and it is written off the request's way.
#[tokio::test]
async fn who_looks_at_keys_is_on_record() {
    let world = World::new().await;
    let (tenant, other) = (world.tenant("a").await, world.tenant("b").await);
    let old = format!("/internal/apps/{}/api-key/status", tenant.id);
    let (reader, _) = further(&world, &tenant, json!({"scopes": ["audit:read"]})).await;
    assert_eq!(world.get(&reader, "/api/keys").await.status, 403);
    for _ in 0..2 {
        assert_eq!(world.get(&tenant, "/api/keys").await.status, 200);
        assert_eq!(world.operate(Method::GET, &old, None).await.status, 200);
    }
    let looks = |log: &str| {
        let own = log.matches("GET /api/keys").count();
        (own, log.matches("/api-key/status\"").count())
    };
    let mut log = String::new();
    for _ in 0..200 {
        log = world.get(&reader, "/api/audit").await.text;
        if looks(&log) == (1, 2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Of the operator's there is one entry too: its route and its path.
    assert_eq!(looks(&log), (1, 2), "{log}");
    let foreign = world.get(&other, "/api/audit").await.text;
    assert!(!foreign.contains("api-key/status"), "{foreign}");
}

#[tokio::test]
async fn an_app_is_renamed_and_switched_off_and_on() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let path = format!("/internal/apps/{}", tenant.id);
    let cookie = crate::signing::session(&world, &tenant, None).await;
    let (mut socket, ..) = world.listen(&tenant).await;
    let change = json!({"name": "Klantcontact", "country": "be"});
    let changed = world.operate(Method::PATCH, &path, Some(&change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let own = world.get(&tenant, "/api/me").await;
    assert_eq!(own.body["data"]["app"]["name"], "Klantcontact");
    assert_eq!(own.body["data"]["app"]["country"], "BE");
    let started = Instant::now();
    let off = world
        .operate(Method::PATCH, &path, Some(&json!({"active": false})))
        .await;
    assert_eq!(off.body["data"]["active"], false);
    assert_eq!(socket.closed().await, 4403);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    let refused = world.get(&tenant, "/api/me").await;
    assert_eq!((refused.status, refused.problem()), (403, "app_inactive"));
    let session = world.ask(Method::GET, "/api/me").header("cookie", &cookie);
    let session = Answer::of(session.send().await.unwrap()).await;
    assert_eq!((session.status, session.problem()), (403, "app_inactive"));
    assert_ne!(world.ring(&hook, 1).await.status, 200);
    let mut late = world.connect("", &[("x-api-key", &tenant.key)]).await;
    assert_eq!(late.closed().await, 4403);
    let on = world
        .operate(Method::PATCH, &path, Some(&json!({"active": true})))
        .await;
    assert_eq!(on.status, 200);
    assert_eq!(world.get(&tenant, "/api/me").await.status, 200);
    assert_eq!(world.ring(&hook, 1).await.status, 200);
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"country": "Narnia"}), "country"),
        (json!({"active": "no"}), "active"),
        (json!({"epoch": 1}), "epoch"),
    ] {
        let answer = world.operate(Method::PATCH, &path, Some(&body)).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_field"),
            "{body}"
        );
        assert_eq!(answer.body["field"], field, "{body}");
    }
    let unknown = format!("/internal/apps/{}", uuid::Uuid::from_u128(1));
    let unknown = world
        .operate(Method::PATCH, &unknown, Some(&json!({"name": "x"})))
        .await;
    assert_eq!(unknown.problem(), "app_not_found");
}
