//! Agents from outside: made, mapped, found in calls and events, and kept within their app.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::world::{Tenant, World, fixture, ringing};

/// The user and address of the fixtures' agent, as Dialpad tells them.
pub(crate) fn target() -> (String, String) {
    let target = &ringing(1)["target"];
    (
        target["id"].to_string().trim_matches('"').to_owned(),
        target["email"].as_str().unwrap().to_owned(),
    )
}

impl World {
    pub(crate) async fn change(
        &self,
        tenant: &Tenant,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let request = self.ask(method, path).header("x-app-api-key", &tenant.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Answer::of(request.send().await.unwrap()).await
    }

    /// A new agent of a tenant.
    pub(crate) async fn agent(&self, tenant: &Tenant, body: &Value) -> Value {
        let made = self.post(tenant, "/api/agents", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["data"].clone()
    }
}

fn path(agent: &Value) -> String {
    format!("/api/agents/{}", agent["id"].as_str().unwrap())
}

#[tokio::test]
async fn an_agent_is_made_found_changed_and_deleted() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let hook = world.hook(&us).await;
    let body = json!({
        "name": " Anna de Boer ", "email": "Anna@example.nl", "crm_user_id": "user_1",
        "identities": [
            {"kind": "extension", "value": "100", "connection_id": hook.connection_id},
            {"kind": "user", "value": "600", "platform": "dialpad"},
        ],
    });
    let anna = world.agent(&us, &body).await;
    assert_eq!(anna["name"], "Anna de Boer");
    assert_eq!(anna["app_id"], us.id);
    assert_eq!(anna["active"], true);
    assert_eq!(anna["identities"][0]["platform"], "dialpad");
    assert_eq!(anna["identities"][0]["by"], "hand");
    let bram = world.agent(&us, &json!({"name": "Bram"})).await;
    // The same in another app is another agent.
    let body_there = json!({"name": "Anna", "email": "anna@example.nl", "crm_user_id": "user_1"});
    world.agent(&them, &body_there).await;

    for (query, found) in [
        ("", 2),
        ("?text=BOER", 1),
        ("?text=user_1", 1),
        ("?email=anna@EXAMPLE.nl", 1),
        ("?crm_user_id=user_1", 1),
        ("?crm_user_id=user_", 0),
        ("?platform_user_id=600", 1),
        ("?extension=100", 1),
        ("?extension=600", 0),
        ("?limit=1", 2),
    ] {
        let list = world.get(&us, &format!("/api/agents{query}")).await;
        assert_eq!(
            list.body["pagination"]["total"], found,
            "{query} {}",
            list.text
        );
    }
    for bad in ["?colour=red", "?text=", "?limit=0", "?limit=x"] {
        let list = world.get(&us, &format!("/api/agents{bad}")).await;
        assert_eq!(
            (list.status, list.problem()),
            (400, "invalid_parameter"),
            "{bad}"
        );
    }
    let change = json!({"email": null, "name": "Anna B"});
    let changed = world
        .change(&us, Method::PATCH, &path(&anna), Some(&change))
        .await;
    assert_eq!(
        changed.body["data"]["email"],
        Value::Null,
        "{}",
        changed.text
    );
    assert_eq!(changed.body["data"]["crm_user_id"], "user_1");
    assert_eq!(
        changed.body["data"]["identities"].as_array().unwrap().len(),
        2
    );

    let foreign = world
        .change(&them, Method::DELETE, &path(&bram), None)
        .await;
    assert_eq!(
        (foreign.status, foreign.problem()),
        (404, "agent_not_found")
    );
    let gone = world.change(&us, Method::DELETE, &path(&bram), None).await;
    assert_eq!(gone.status, 204);
    assert_eq!(world.get(&us, &path(&bram)).await.status, 404);
}

#[tokio::test]
async fn what_an_agent_may_not_be_is_named() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let foreign = world.hook(&them).await.connection_id;
    let anna = json!({"name": "Anna", "email": "anna@example.nl", "crm_user_id": "user_1",
        "identities": [{"kind": "extension", "value": "100"}]});
    let anna = world.agent(&us, &anna).await;
    let long = "x".repeat(201);
    let with = |identity: Value| json!({"name": "B", "identities": [identity]});
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": long}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "B", "email": "nobody"}), "email"),
        (json!({"name": "B", "email": "a@b@c"}), "email"),
        (json!({"name": "B", "crm_user_id": ""}), "crm_user_id"),
        (json!({"name": "B", "user_id": "7"}), "user_id"),
        (
            with(json!({"kind": "user", "value": ""})),
            "identities[0].value",
        ),
        (
            with(json!({"kind": "email", "value": "x"})),
            "identities[0].value",
        ),
        (
            with(json!({"kind": "user", "value": "1", "platform": "nokia"})),
            "identities[0].platform",
        ),
        (
            with(json!({"kind": "user", "value": "1", "connection_id": foreign})),
            "identities[0].connection_id",
        ),
    ] {
        let refused = world.post(&us, "/api/agents", &body).await;
        assert_eq!(refused.status, 400, "{body} {}", refused.text);
        assert_eq!(refused.body["field"], field, "{body}");
    }
    for (body, field) in [
        (json!({"name": "B", "email": "ANNA@example.nl"}), "email"),
        (json!({"name": "B", "crm_user_id": "user_1"}), "crm_user_id"),
        (
            with(json!({"kind": "extension", "value": "100"})),
            "identities[0].value",
        ),
    ] {
        let taken = world.post(&us, "/api/agents", &body).await;
        assert_eq!(
            (taken.status, taken.problem()),
            (409, "already_exists"),
            "{body}"
        );
        assert_eq!(taken.body["field"], field);
        assert_eq!(taken.body["agent_id"], anna["id"]);
    }
    let list = world.get(&us, "/api/agents").await;
    assert_eq!(list.body["pagination"]["total"], 1, "nothing half done");
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_names_each_fault() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    let batch = json!({"agents": [
        {"name": "Anna", "email": "anna@example.nl"},
        {"name": "Bram", "crm_user_id": "b", "identities": [{"kind": "extension", "value": "1"}]},
    ]});
    let made = world.post(&us, "/api/agents/batch", &batch).await;
    assert_eq!(made.body["data"]["created"], 2, "{}", made.text);
    let again = json!({"agents": [
        {"name": "Anna B", "email": "ANNA@example.nl", "crm_user_id": "a"},
        {"name": "Carla", "crm_user_id": "c"},
    ]});
    let again = world.post(&us, "/api/agents/batch", &again).await;
    assert_eq!(again.body["data"]["created"], 1, "{}", again.text);
    assert_eq!(again.body["data"]["updated"], 1);
    assert_eq!(again.body["data"]["ids"][0], made.body["data"]["ids"][0]);

    let faulty = json!({"agents": [
        {"name": "Dirk", "crm_user_id": "d"},
        {"name": "Nobody"},
        {"name": "Eva", "crm_user_id": "e", "identities": [{"kind": "extension", "value": "1"}]},
        {"name": "Both", "email": "anna@example.nl", "crm_user_id": "b"},
    ]});
    let refused = world.post(&us, "/api/agents/batch", &faulty).await;
    assert_eq!((refused.status, refused.problem()), (400, "invalid_field"));
    let errors = refused.body["errors"].as_array().unwrap();
    let seen: Vec<_> = errors
        .iter()
        .map(|e| (&e["index"], &e["code"], &e["field"]))
        .collect();
    let seen = serde_json::to_value(seen).unwrap();
    assert_eq!(
        seen,
        json!([
            [1, "invalid_field", "email"],
            [2, "already_exists", "identities[0].value"],
            [3, "already_exists", "crm_user_id"],
        ])
    );
    let list = world.get(&us, "/api/agents").await;
    assert_eq!(list.body["pagination"]["total"], 3);
    let many: Vec<Value> = (0..1001)
        .map(|n| json!({"name": "x", "crm_user_id": n.to_string()}))
        .collect();
    let refused = world
        .post(&us, "/api/agents/batch", &json!({"agents": many}))
        .await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (400, &json!("agents"))
    );
    let full = world
        .post(&us, "/api/agents/batch", &json!({"agents": many[1..]}))
        .await;
    assert_eq!(full.body["data"]["created"], 1000, "{}", full.text);
}

#[tokio::test]
async fn a_call_carries_the_agent_mapped_by_hand() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let (hook, theirs) = (world.hook(&us).await, world.hook(&them).await);
    let (user, _) = target();
    let identity = json!({"kind": "user", "platform": "dialpad", "value": user});
    let body = json!({"name": "Anna", "crm_user_id": "user_1", "identities": [identity]});
    let anna = world.agent(&us, &body).await;
    let (mut socket, ..) = world.listen(&us).await;
    world.ring(&hook, 1).await;
    world.ring(&theirs, 1).await;
    let frame = socket.frame().await;
    assert_eq!(frame["event"], "call.ring", "{frame}");
    assert_eq!(frame["target_crm_user"], "user_1");
    assert_eq!(frame["data"]["call"]["agent"]["id"], anna["id"]);
    let pop = socket.frame().await;
    assert_eq!(pop["event"], "screen_pop.opened");
    assert_eq!(pop["data"]["agent"]["id"], anna["id"]);
    assert_eq!(pop["data"]["agent"]["crm_user_id"], "user_1");
    for list in ["/api/calls", "/api/calls/active"] {
        let call = world.get(&us, list).await.body["data"][0].clone();
        assert_eq!(call["agent"]["id"], anna["id"], "{call}");
        assert_eq!(call["agent"]["name"], "Anna");
        assert_eq!(call["agent"]["crm_user_id"], "user_1");
    }
    let event = world.get(&us, "/api/events").await.body["data"][0].clone();
    assert_eq!(event["target_crm_user"], "user_1");
    let other = world.get(&them, "/api/calls").await.body["data"][0].clone();
    assert_eq!(
        other["agent"]["id"],
        Value::Null,
        "another app's agents are their own"
    );
    let event = world.get(&them, "/api/events").await.body["data"][0].clone();
    assert!(
        event.get("target_crm_user").is_none(),
        "left out without a mapping: {event}"
    );

    // What is heard after a change carries the change; calls that are over stay.
    let moved = json!({"name": "Bram", "crm_user_id": "user_2"});
    let bram = world.agent(&us, &moved).await;
    let id = anna["identities"][0]["id"].as_str().unwrap();
    let gone = format!("{}/identities/{id}", path(&anna));
    assert_eq!(
        world.change(&us, Method::DELETE, &gone, None).await.status,
        204
    );
    let new = format!("{}/identities", path(&bram));
    let added = world.post(&us, &new, &identity).await;
    assert_eq!(added.status, 201, "{}", added.text);
    world.ring(&hook, 2).await;
    let calls = world.get(&us, "/api/calls").await.body["data"].clone();
    assert_eq!(calls[0]["agent"]["name"], "Bram");
    assert_eq!(calls[1]["agent"]["name"], "Anna");

    // Calls are found by what their records say, on both lists.
    let listed = async |tenant: &Tenant, query: &str| {
        let mut found = Vec::new();
        for list in ["/api/calls", "/api/calls/active"] {
            let answer = world.get(tenant, &format!("{list}?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let calls = answer.body["data"].as_array().unwrap().iter();
            found.push(calls.map(|call| call["id"].clone()).collect::<Vec<_>>());
        }
        assert_eq!(found[0], found[1], "both calls ring");
        found.remove(0)
    };
    let of = |agent: &Value| format!("agent_id={}", agent["id"].as_str().unwrap());
    assert_eq!(listed(&us, &of(&anna)).await, [calls[1]["id"].clone()]);
    assert_eq!(listed(&us, &of(&bram)).await, [calls[0]["id"].clone()]);
    assert_eq!(
        listed(&us, "crm_user_id=user_1").await,
        [calls[1]["id"].clone()]
    );
    assert_eq!(listed(&us, "crm_user_id=user_9").await, [Value::Null; 0]);
    let both = format!("{}&crm_user_id=user_1", of(&bram));
    assert_eq!(listed(&us, &both).await, [Value::Null; 0]);
    assert_eq!(listed(&them, &of(&anna)).await, [Value::Null; 0]);
    assert_eq!(listed(&them, "crm_user_id=user_1").await, [Value::Null; 0]);
    for bad in ["agent_id=7", "agent_id=", "crm_user_id="] {
        let answer = world.get(&us, &format!("/api/calls?{bad}")).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_parameter"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_platform_user_is_mapped_by_the_same_address_but_never_over_a_hand() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    let hook = world.hook(&us).await;
    let (user, email) = target();
    let anna = json!({"name": "Anna", "email": email.to_uppercase()});
    let anna = world.agent(&us, &anna).await;
    world.ring(&hook, 1).await;
    let call = world.get(&us, "/api/calls").await.body["data"][0].clone();
    assert_eq!(call["agent"]["id"], anna["id"], "{call}");
    let now = world.get(&us, &path(&anna)).await.body["data"].clone();
    let learnt = &now["identities"][0];
    assert_eq!(learnt["value"], user);
    assert_eq!(learnt["by"], "email");
    assert_eq!(learnt["connection_id"], hook.connection_id);
    world.ring(&hook, 2).await;
    let again = world.get(&us, &path(&anna)).await.body["data"].clone();
    assert_eq!(
        again["identities"].as_array().unwrap().len(),
        1,
        "learnt once"
    );

    // A hand counts more, for the same connection too, and nothing is learnt over it.
    let identity = json!({"kind": "user", "value": user, "connection_id": hook.connection_id});
    let bram = json!({"name": "Bram", "identities": [identity]});
    let bram = world.agent(&us, &bram).await;
    world.ring(&hook, 3).await;
    let call = world.get(&us, "/api/calls").await.body["data"][0].clone();
    assert_eq!(call["agent"]["id"], bram["id"]);
    let anna = world.get(&us, &path(&anna)).await.body["data"].clone();
    assert_eq!(anna["identities"], json!([]), "taken by a hand");
}

#[tokio::test]
async fn presence_says_whose_it_is() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    let hook = world.hook(&us).await;
    let body = fixture("agent-status", "01_wrapup");
    world.dialpad(&hook, &body).await;
    let event = world
        .get(&us, "/api/events?types=presence.changed")
        .await
        .body["data"][0]
        .clone();
    let presence = &event["data"]["presence"];
    assert_eq!(presence["agent"], Value::Null, "{event}");
    let user = presence["user_id"].as_str().expect("a user id");
    let identity = json!({"kind": "user", "value": user});
    let anna = json!({"name": "Anna", "crm_user_id": "user_1", "identities": [identity]});
    let anna = world.agent(&us, &anna).await;
    let them = world.hook(&us).await;
    world.dialpad(&them, &body).await;
    let events = world
        .get(&us, "/api/events?types=presence.changed")
        .await
        .body["data"]
        .clone();
    assert_eq!(
        events[1]["data"]["presence"]["agent"]["id"], anna["id"],
        "{events}"
    );
    assert!(events[0].get("target_crm_user").is_none(), "{events}");
    assert_eq!(events[1]["target_crm_user"], "user_1");
}
