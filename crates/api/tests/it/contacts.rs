//! Contacts: made, imported, found, matched, deleted.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::world::{World, ringing};

#[tokio::test]
async fn a_contact_is_made_found_and_deleted() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let body = json!({
        "name": "Jan de Vries", "organisation": "Gemeente", "email": "jan@example.nl",
        "note": "belt graag terug", "url": "https://crm.example.nl/7",
        "numbers": ["0612345678", {"number": "020 123 4567", "label": "work"}, "100"],
    });
    let made = world.post(&tenant, "/api/contacts", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let contact = &made.body["data"];
    assert_eq!(contact["numbers"][0]["number"], "+31612345678");
    assert_eq!(contact["numbers"][0]["raw"], "0612345678");
    assert_eq!(contact["numbers"][1]["label"], "work");
    assert_eq!(contact["numbers"][1]["display"], "020 123 4567");
    assert_eq!(contact["numbers"][2]["kind"], "extension");
    let path = made.header("location").to_owned();
    assert_eq!(world.get(&tenant, &path).await.body["data"], *contact);
    for (query, count) in [
        ("", 1),
        ("?q=VRIES", 1),
        ("?q=gemeente", 1),
        ("?q=piet", 0),
        ("?number=06-12345678", 1),
        ("?number=%2B31201234567", 1),
        ("?number=0612345679", 0),
    ] {
        let list = world
            .get(&tenant, &format!("/api/contacts{query}"))
            .await
            .body;
        assert_eq!(list["pagination"]["total"], count, "{query}");
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }
    let delete = || {
        world
            .ask(Method::DELETE, &path)
            .header("x-api-key", &tenant.key)
            .send()
    };
    assert_eq!(delete().await.unwrap().status(), 204);
    let again = Answer::of(delete().await.unwrap()).await;
    assert_eq!((again.status, again.problem()), (404, "contact_not_found"));
}

#[tokio::test]
async fn an_imported_contact_is_matched_to_the_call() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let hook = world.hook(&tenant).await;
    let list = json!([
        {"name": "Bakkerij Jansen", "numbers": ["0612000007"]},
        {"name": "Anna", "numbers": [{"number": "0612000008", "label": "mobile"}]},
    ]);
    let made = world.post(&tenant, "/api/contacts/import", &list).await;
    assert_eq!(
        (made.status, &made.body["data"]["imported"]),
        (201, &json!(2)),
        "{}",
        made.text
    );
    assert_eq!(made.body["data"]["ids"].as_array().unwrap().len(), 2);
    world.dialpad(&hook, &ringing(8)).await;
    let call = world.get(&tenant, "/api/calls").await.body["data"][0].clone();
    assert_eq!(call["contact"]["name"], "Anna");
    assert_eq!(call["contact"]["id"], made.body["data"]["ids"][1]);
    let list = world.get(&tenant, "/api/contacts?limit=1").await.body;
    assert_eq!(list["data"][0]["name"], "Anna");
    assert_eq!(list["pagination"]["has_more"], true);
    assert_eq!(list["pagination"]["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_wrong_contact_is_refused_with_its_place() {
    let world = World::new().await;
    let tenant = world.tenant("a").await;
    let many: Vec<Value> = (0..21).map(|_| json!("0612345678")).collect();
    for (body, field) in [
        (json!({"numbers": []}), "name"),
        (json!({"name": "x"}), "numbers"),
        (json!({"name": "", "numbers": []}), "name"),
        (json!({"name": "a\u{0}b", "numbers": []}), "name"),
        (json!({"name": "x", "numbers": ["anonymous"]}), "numbers[0]"),
        (
            json!({"name": "x", "numbers": ["0612345678", 7]}),
            "numbers[1]",
        ),
        (json!({"name": "x", "numbers": many}), "numbers"),
        (
            json!({"name": "x", "numbers": [], "url": "javascript:alert(1)"}),
            "url",
        ),
        (
            json!({"name": "x", "numbers": [], "email": "nobody"}),
            "email",
        ),
        (json!({"name": "x", "numbers": [], "id": "7"}), "id"),
        (
            json!({"name": "x", "numbers": [{"number": "100", "label": "x".repeat(300)}]}),
            "numbers[0].label",
        ),
    ] {
        let answer = world.post(&tenant, "/api/contacts", &body).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_field"),
            "{body}"
        );
        assert_eq!(answer.body["field"], field, "{body}: {}", answer.text);
    }
    let list = json!([{"name": "x", "numbers": []}, {"name": " ", "numbers": []}]);
    let answer = world.post(&tenant, "/api/contacts/import", &list).await;
    assert_eq!(answer.body["field"], "[1].name");
    let long: Vec<_> = (0..1001)
        .map(|_| json!({"name": "x", "numbers": []}))
        .collect();
    let answer = world
        .post(&tenant, "/api/contacts/import", &Value::Array(long))
        .await;
    assert_eq!(answer.problem(), "invalid_field");
    assert_eq!(
        world.get(&tenant, "/api/contacts").await.body["pagination"]["total"],
        0
    );
}
