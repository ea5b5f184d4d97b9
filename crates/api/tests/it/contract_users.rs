//! The predecessor's user mappings, route by route as its document has them; its defects are not
//! part of the contract.

use reqwest::Method;
use serde_json::{Value, json};

use crate::agents::target;
use crate::client::Answer;
use crate::world::{Tenant, World};

async fn ask(world: &World, tenant: &Tenant, method: Method, rest: &str, body: Value) -> Answer {
    let path = format!("/internal/apps/{}/users/{rest}", tenant.id);
    world
        .operate(method, &path, (!body.is_null()).then_some(&body))
        .await
}

#[tokio::test]
async fn a_user_is_mapped_read_and_deleted() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let body = json!({"dialpad_user_id": 4_900_000_000_000_011_u64, "crm_user_id": "user_1"});
    let made = ask(&world, &us, Method::POST, "map", body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(made.body["success"], true);
    assert_eq!(made.body["message"], "User mapping created/updated");
    let row = made.body["data"].clone();
    assert_eq!(row["app_id"], us.id);
    assert_eq!(
        row["dialpad_user_id"], "4900000000000011",
        "a text, whatever was sent"
    );
    assert_eq!(row["crm_user_id"], "user_1");
    let mut members: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    members.sort();
    let known = [
        "app_id",
        "created_at",
        "crm_user_id",
        "dialpad_user_id",
        "id",
        "updated_at",
    ];
    assert_eq!(members, known);

    // Mapped again it is the same mapping, of somebody else.
    world.clock.advance(jiff::SignedDuration::from_secs(5));
    let body = json!({"dialpad_user_id": "4900000000000011", "crm_user_id": "user_2"});
    let moved = ask(&world, &us, Method::POST, "map", body).await.body["data"].clone();
    assert_eq!(
        (&moved["id"], &moved["created_at"]),
        (&row["id"], &row["created_at"])
    );
    assert_ne!(moved["updated_at"], row["updated_at"]);
    assert_eq!(moved["crm_user_id"], "user_2");
    for rest in ["mappings/dialpad/4900000000000011", "mappings/crm/user_2"] {
        let read = ask(&world, &us, Method::GET, rest, Value::Null).await;
        assert_eq!((read.status, &read.body["data"]), (200, &moved), "{rest}");
        let foreign = ask(&world, &them, Method::GET, rest, Value::Null).await;
        assert_eq!(foreign.status, 404, "{rest}");
        assert_eq!(foreign.body["message"], "Mapping not found");
    }
    let old = ask(&world, &us, Method::GET, "mappings/crm/user_1", Value::Null).await;
    assert_eq!(old.status, 404);
    // It is an agent's name.
    let agents = world
        .get(&us, "/api/agents?platform_user_id=4900000000000011")
        .await
        .body;
    assert_eq!(agents["data"][0]["crm_user_id"], "user_2");

    let one = format!("mappings/{}", row["id"].as_str().unwrap());
    let foreign = ask(&world, &them, Method::DELETE, &one, Value::Null).await;
    assert_eq!(foreign.status, 404);
    let gone = ask(&world, &us, Method::DELETE, &one, Value::Null).await;
    assert_eq!(
        (gone.status, &gone.body["message"]),
        (200, &json!("Mapping deleted"))
    );
    assert_eq!(
        ask(&world, &us, Method::DELETE, &one, Value::Null)
            .await
            .status,
        404
    );
    let body = json!({"dialpad_user_id": 5, "crm_user_id": "user_2"});
    ask(&world, &us, Method::POST, "map", body).await;
    let gone = ask(
        &world,
        &us,
        Method::DELETE,
        "mappings/dialpad/5",
        Value::Null,
    )
    .await;
    assert_eq!(gone.status, 200);
    let gone = ask(
        &world,
        &us,
        Method::DELETE,
        "mappings/dialpad/5",
        Value::Null,
    )
    .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn what_is_wrong_is_400_and_an_unknown_app_404() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    for body in [
        json!({}),
        Value::Null,
        json!({"dialpad_user_id": 7}),
        json!({"crm_user_id": "user_1"}),
        json!({"dialpad_user_id": 7, "crm_user_id": ""}),
    ] {
        let refused = ask(&world, &us, Method::POST, "map", body.clone()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert_eq!(refused.body["error"], "Missing required fields", "{body}");
        assert_eq!(
            refused.body["required"],
            json!(["dialpad_user_id", "crm_user_id"])
        );
    }
    for user in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("abc"),
        json!("1 2"),
        json!([7]),
    ] {
        let body = json!({"dialpad_user_id": user, "crm_user_id": "user_1"});
        let refused = ask(&world, &us, Method::POST, "map", body).await;
        assert_eq!(refused.status, 400, "{user}");
        assert_eq!(
            refused.body["message"],
            "dialpad_user_id must be a positive integer"
        );
        assert_eq!(refused.body["field"], "dialpad_user_id");
    }
    for rest in [
        "mappings/dialpad/abc",
        "mappings/dialpad/-1",
        "mappings/none",
    ] {
        let method = if rest.ends_with("none") {
            Method::DELETE
        } else {
            Method::GET
        };
        let refused = ask(&world, &us, method, rest, Value::Null).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, "invalid_id"),
            "{rest}"
        );
    }
    for query in ["limit=-1", "limit=abc", "limit=1001", "offset=x", "page=1"] {
        let list = ask(
            &world,
            &us,
            Method::GET,
            &format!("mappings?{query}"),
            Value::Null,
        )
        .await;
        assert_eq!(
            (list.status, list.problem()),
            (400, "invalid_parameter"),
            "{query}"
        );
    }
    let nowhere = Tenant {
        id: "019aa1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b".to_owned(),
        key: String::new(),
    };
    let body = json!({"dialpad_user_id": 7, "crm_user_id": "user_1"});
    let unknown = ask(&world, &nowhere, Method::POST, "map", body).await;
    assert_eq!((unknown.status, unknown.problem()), (404, "app_not_found"));
    let unknown = ask(&world, &nowhere, Method::GET, "mappings", Value::Null).await;
    assert_eq!(unknown.status, 404);
    let bad = Tenant {
        id: "x".to_owned(),
        ..nowhere
    };
    let bad = ask(&world, &bad, Method::GET, "mappings", Value::Null).await;
    assert_eq!((bad.status, bad.problem()), (400, "invalid_id"));
}

#[tokio::test]
async fn users_are_mapped_in_batch_and_listed_newest_first() {
    let world = World::new().await;
    let us = world.tenant("us").await;
    let (user, _) = target();
    let body = json!({"mappings": [
        {"dialpad_user_id": user, "crm_user_id": "user_1"},
        {"dialpad_user_id": 2, "crm_user_id": "user_1"},
        {"dialpad_user_id": "3", "crm_user_id": 42},
    ]});
    let done = ask(&world, &us, Method::POST, "batch-map", body).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.body["message"], "Batch mapped 3 users");
    assert_eq!(done.body["count"], 3);
    let list = ask(&world, &us, Method::GET, "mappings?limit=2", Value::Null)
        .await
        .body;
    assert_eq!(list["pagination"]["total"], 3);
    assert_eq!(list["pagination"]["has_more"], true);
    assert_eq!(list["data"][0]["dialpad_user_id"], "3");
    assert_eq!(list["data"][0]["crm_user_id"], "42");
    // Two users may be one person.
    let agents = world.get(&us, "/api/agents?crm_user_id=user_1").await.body;
    assert_eq!(agents["data"][0]["identities"].as_array().unwrap().len(), 2);

    for bad in [
        json!({}),
        json!({"mappings": {}}),
        json!({"mappings": "x"}),
        Value::Null,
    ] {
        let refused = ask(&world, &us, Method::POST, "batch-map", bad).await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body["error"], "Invalid request");
        let expected = json!({"mappings": "array of {dialpad_user_id, crm_user_id}"});
        assert_eq!(refused.body["expected"], expected);
    }
    let body = json!({"mappings": [
        {"dialpad_user_id": 8, "crm_user_id": "user_8"},
        {"dialpad_user_id": "x", "crm_user_id": "user_9"},
    ]});
    let refused = ask(&world, &us, Method::POST, "batch-map", body).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["field"], "mappings[1].dialpad_user_id");
    let list = ask(&world, &us, Method::GET, "mappings", Value::Null)
        .await
        .body;
    assert_eq!(list["pagination"]["total"], 3, "all or nothing");
    let many: Vec<_> = (1..=1001)
        .map(|n| json!({"dialpad_user_id": n, "crm_user_id": "user_1"}))
        .collect();
    let refused = ask(
        &world,
        &us,
        Method::POST,
        "batch-map",
        json!({"mappings": many}),
    )
    .await;
    assert_eq!(refused.status, 400);

    // What was mapped is on the calls.
    let hook = world.hook(&us).await;
    world.ring(&hook, 1).await;
    let call = world.get(&us, "/api/calls").await.body["data"][0].clone();
    assert_eq!(call["agent"]["crm_user_id"], "user_1", "{call}");
}
