//! Tokens of embedded panels: who mints them, what they open, what they do not, how they end.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use switchhook_engine::ports::Clock;

use crate::client::Answer;
use crate::people::join;
use crate::world::{Tenant, World};

/// A token for the agent of an app: the tenant with the token in place of its key.
async fn mint(world: &World, tenant: &Tenant, asked: Value) -> (Tenant, Value) {
    let made = world.post(tenant, "/api/agent-tokens", &asked).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let panel = Tenant {
        key: made.body["data"]["token"].as_str().unwrap().to_owned(),
        ..tenant.clone()
    };
    (panel, made.body["data"].clone())
}

async fn anna(world: &World, tenant: &Tenant) -> Value {
    let identity = json!({"kind": "extension", "value": "100"});
    let body = json!({"name": "Anna", "email": "anna@example.nl", "crm_user_id": "user_1",
        "identities": [identity]});
    world.agent(tenant, &body).await
}

#[tokio::test]
async fn a_token_is_minted_for_whom_it_is_asked() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let agent = anna(&world, &us).await;
    for asked in [
        json!({"agent_id": agent["id"]}),
        json!({"email": "ANNA@example.nl"}),
        json!({"crm_user_id": "user_1", "minutes": 720}),
        json!({"extension": "100", "minutes": 1}),
    ] {
        let (panel, data) = mint(&world, &us, asked).await;
        assert!(panel.key.starts_with("sht_"), "{data}");
        assert_eq!(data["agent"]["crm_user_id"], "user_1");
        let me = world.get(&panel, "/api/me").await.body["data"].clone();
        assert_eq!(
            (&me["by"], &me["role"]),
            (&json!("token"), &json!("agent")),
            "{me}"
        );
        assert_eq!(me["agent"]["id"], agent["id"]);
        assert_eq!(me["app"]["id"], us.id);
        let bearer = world.ask(Method::GET, "/api/me").bearer_auth(&panel.key);
        assert_eq!(
            Answer::of(bearer.send().await.unwrap()).await.body["data"],
            me
        );
    }
    for (asked, field) in [
        (json!({}), "agent_id"),
        (
            json!({"email": "anna@example.nl", "extension": "100"}),
            "agent_id",
        ),
        (json!({"agent_id": "x"}), "agent_id"),
        (json!({"email": "anna@example.nl", "minutes": 0}), "minutes"),
        (
            json!({"email": "anna@example.nl", "minutes": 721}),
            "minutes",
        ),
        (
            json!({"email": "anna@example.nl", "connection_id": us.id}),
            "connection_id",
        ),
        (
            json!({"extension": "100", "connection_id": us.id}),
            "connection_id",
        ),
    ] {
        let refused = world.post(&us, "/api/agent-tokens", &asked).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field)),
            "{asked}"
        );
    }
    let asked = json!({"agent_id": agent["id"]});
    let foreign = world.post(&them, "/api/agent-tokens", &asked).await;
    assert_eq!(
        (foreign.status, foreign.problem()),
        (404, "agent_not_found")
    );
}

#[tokio::test]
async fn a_token_opens_what_an_agent_may_see_and_nothing_else() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    anna(&world, &us).await;
    let hook = world.hook(&them).await;
    world.ring(&hook, 1).await;
    let (panel, _) = mint(&world, &us, json!({"email": "anna@example.nl"})).await;
    for open in ["/api/calls", "/api/contacts", "/api/agents", "/api/events"] {
        let answer = world.get(&panel, open).await;
        assert_eq!(answer.status, 200, "{open} {}", answer.text);
    }
    let calls = world.get(&panel, "/api/calls").await.body;
    assert_eq!(
        calls["pagination"]["total"], 0,
        "the other app's are not there"
    );
    let audit = world.get(&panel, "/api/audit").await;
    assert_eq!((audit.status, audit.problem()), (403, "role_not_allowed"));
    for (path, body) in [
        ("/api/agents", json!({"name": "x"})),
        ("/api/agent-tokens", json!({"email": "anna@example.nl"})),
        ("/api/contacts", json!({"name": "x", "numbers": []})),
    ] {
        let refused = world.post(&panel, path, &body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "role_not_allowed"),
            "{path}"
        );
    }
    let operator = world
        .ask(Method::GET, "/internal/apps")
        .bearer_auth(&panel.key);
    assert_eq!(operator.send().await.unwrap().status(), 403);
    let tail = &panel.key[4..];
    for bad in [
        format!("sht_{}", "A".repeat(43)),
        format!("sh_{tail}"),
        panel.key[..46].to_owned(),
    ] {
        let refused = world
            .get(
                &Tenant {
                    key: bad.clone(),
                    ..us.clone()
                },
                "/api/me",
            )
            .await;
        assert_eq!(
            (refused.status, refused.problem()),
            (401, "key_invalid"),
            "{bad}"
        );
    }
    // The text is nowhere but in the answer.
    let audit = world.get(&us, "/api/audit?limit=1000").await;
    assert!(!audit.text.contains(&panel.key), "{}", audit.text);
    assert!(audit.text.contains("create_agent_token") || audit.text.contains("agent-tokens"));
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    anna(&world, &us).await;
    let (panel, _) = mint(
        &world,
        &us,
        json!({"email": "anna@example.nl", "minutes": 5}),
    )
    .await;
    world.clock.advance(SignedDuration::from_secs(299));
    assert_eq!(world.get(&panel, "/api/me").await.status, 200);
    let mut socket = world.connect(&format!("?api_key={}", panel.key), &[]).await;
    assert_eq!(socket.frame().await["type"], "hello");
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(world.get(&panel, "/api/me").await.status, 401);
    assert_eq!(socket.frame().await["type"], "snapshot");
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn ending_a_token_its_agent_or_its_key_closes_its_sockets() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    let agent = anna(&world, &us).await;
    let agent = format!("/api/agents/{}", agent["id"].as_str().unwrap());
    let path = format!("/internal/apps/{}/api-key", us.id);
    let second = world.operate(Method::POST, &path, None).await.body;
    let minting = Tenant {
        key: second["api_key"].as_str().unwrap().to_owned(),
        ..us.clone()
    };
    let key = format!(
        "/internal/apps/{}/keys/{}",
        us.id,
        second["key_id"].as_str().unwrap()
    );
    for how in ["token", "agent", "key"] {
        let (panel, data) = mint(&world, &minting, json!({"email": "anna@example.nl"})).await;
        let header = ("authorization", &*format!("Bearer {}", panel.key));
        let mut socket = match how {
            "key" => {
                let mut socket = world.connect("", &[]).await;
                let hello = json!({"type": "auth", "api_key": panel.key});
                socket.say(&hello.to_string()).await;
                socket
            }
            _ => world.connect("", &[header]).await,
        };
        assert_eq!(socket.frame().await["type"], "hello", "{how}");
        assert_eq!(socket.frame().await["type"], "snapshot", "{how}");
        let started = Instant::now();
        let status = match how {
            "token" => {
                let path = format!("/api/agent-tokens/{}", data["id"].as_str().unwrap());
                world.change(&us, Method::DELETE, &path, None).await.status
            }
            "agent" => {
                let off = json!({"active": false});
                world
                    .change(&us, Method::PATCH, &agent, Some(&off))
                    .await
                    .status
            }
            _ => world.operate(Method::DELETE, &key, None).await.status,
        };
        assert!(matches!(status, 200 | 204), "{how} {status}");
        assert_eq!(socket.closed().await, 4401, "{how}");
        assert!(started.elapsed() < Duration::from_secs(1), "{how}");
        let me = world.get(&panel, "/api/me").await;
        assert_eq!((me.status, me.problem()), (401, "key_invalid"), "{how}");
        let on = json!({"active": true});
        world.change(&us, Method::PATCH, &agent, Some(&on)).await;
    }
}

/// A further key of the tenant, as asked for.
async fn further(world: &World, tenant: &Tenant, asked: Value) -> Tenant {
    let path = format!("/internal/apps/{}/keys", tenant.id);
    let made = world.operate(Method::POST, &path, Some(&asked)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    Tenant {
        key: made.body["data"]["api_key"].as_str().unwrap().to_owned(),
        ..tenant.clone()
    }
}

#[tokio::test]
async fn a_token_may_do_no_more_than_the_key_that_minted_it() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    anna(&world, &us).await;
    let asked = json!({"email": "anna@example.nl"});
    let (_, data) = mint(&world, &us, asked.clone()).await;
    let whole = data["scopes"].as_array().unwrap().clone();
    assert!(whole.contains(&json!("calls:control")), "{data}");
    assert!(
        !whole.contains(&json!("agents:token")),
        "no more than an agent: {data}"
    );

    let scopes = json!({"scopes": ["agents:token", "calls:read", "audit:read"]});
    let reader = further(&world, &us, scopes).await;
    let (panel, data) = mint(&world, &reader, asked.clone()).await;
    assert_eq!(data["scopes"], json!(["calls:read"]));
    let me = world.get(&panel, "/api/me").await;
    assert_eq!(me.body["data"]["scopes"], json!(["calls:read"]));
    assert_eq!(world.get(&panel, "/api/calls").await.status, 200);
    let dial = json!({"to": "0612345678"});
    let refused = world.post(&panel, "/api/calls", &dial).await;
    assert_eq!(
        (refused.status, refused.problem(), &refused.body["scope"]),
        (403, "scope_missing", &json!("calls:control"))
    );
    let click = json!({"targetNumber": "0612345678", "extension": "100"});
    let refused = world.post(&panel, "/api/cti/click-to-dial", &click).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "scope_missing"),
        "{}",
        refused.text
    );
    for (path, problem) in [
        ("/api/contacts", "scope_missing"),
        ("/api/events", "scope_missing"),
        // What no agent may is refused as before, whatever the key may.
        ("/api/audit", "role_not_allowed"),
    ] {
        let refused = world.get(&panel, path).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, problem),
            "{path}"
        );
    }
    let header = ("authorization", &*format!("Bearer {}", panel.key));
    let mut socket = world.connect("", &[header]).await;
    assert_eq!(socket.closed().await, 4403, "it may not listen");

    // The key that mints the token decides, not one that has more.
    let minter = further(&world, &us, json!({"scopes": ["agents:token"]})).await;
    let (empty, data) = mint(&world, &minter, asked).await;
    assert_eq!(data["scopes"], json!([]));
    assert_eq!(
        world.get(&empty, "/api/calls").await.problem(),
        "scope_missing"
    );
}

#[tokio::test]
async fn a_token_and_its_sockets_end_when_the_key_expires_or_the_app_is_switched_off() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    anna(&world, &us).await;
    let asked = json!({"email": "anna@example.nl"});
    let until = (world.clock.now() + SignedDuration::from_secs(120)).to_string();
    let minter = further(&world, &us, json!({"expires_at": until})).await;
    let (panel, _) = mint(&world, &minter, asked.clone()).await;
    world.clock.advance(SignedDuration::from_secs(119));
    let (mut socket, ..) = world.listen(&panel).await;
    assert_eq!(world.get(&panel, "/api/me").await.status, 200);
    let started = Instant::now();
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(socket.closed().await, 4401);
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(world.get(&panel, "/api/me").await.problem(), "key_invalid");

    let (panel, _) = mint(&world, &us, asked).await;
    let (mut socket, ..) = world.listen(&panel).await;
    let started = Instant::now();
    let (app, off) = (
        format!("/internal/apps/{}", us.id),
        json!({"active": false}),
    );
    assert_eq!(
        world.operate(Method::PATCH, &app, Some(&off)).await.status,
        200
    );
    assert_eq!(socket.closed().await, 4403);
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(world.get(&panel, "/api/me").await.problem(), "app_inactive");
}

#[tokio::test]
async fn a_token_and_its_sockets_end_when_who_minted_it_is_shut_out() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    anna(&world, &us).await;
    // An app keeps an administrator.
    join(&world, &us, "chief@example.nl", "admin").await;
    let boss = join(&world, &us, "boss@example.nl", "admin").await;
    let asked = json!({"email": "anna@example.nl"});
    let mut panels = Vec::new();
    for _ in 0..2 {
        let made = boss.send(Method::POST, "/api/agent-tokens", &asked).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let key = made.body["data"]["token"].as_str().unwrap().to_owned();
        let tenant = us.clone();
        panels.push(Tenant { key, ..tenant });
    }
    let dial = json!({"to": "+31201234567"});
    let person = format!("/api/people/{}", boss.id());
    // What its minter may no longer do, it may not either.
    let patch = async |change: Value| {
        let request = world
            .ask(Method::PATCH, &person)
            .header("x-api-key", &us.key);
        let answer = Answer::of(request.json(&change).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    patch(json!({"role": "read_only"})).await;
    let refused = world.post(&panels[0], "/api/calls", &dial).await;
    assert_eq!(refused.problem(), "scope_missing", "{}", refused.text);
    assert_eq!(world.get(&panels[0], "/api/calls").await.status, 200);

    let (mut socket, ..) = world.listen(&panels[1]).await;
    let started = Instant::now();
    patch(json!({"active": false})).await;
    assert_eq!(socket.closed().await, 4401);
    assert!(started.elapsed() < Duration::from_secs(1));
    for panel in &panels {
        assert_eq!(world.get(panel, "/api/me").await.problem(), "key_invalid");
    }
}
