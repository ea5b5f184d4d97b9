//! The list: what waits for its disposition, whose it is, and page by page.

use serde_json::{Value, json};

use super::Office;
use crate::world::Tenant;

impl Office {
    async fn list(&self, who: &Tenant, query: &str) -> Vec<String> {
        let answer = self
            .desk
            .world
            .get(who, &format!("/api/contact-moments{query}"))
            .await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        let items = answer.body["data"].as_array().unwrap().clone();
        assert_eq!(answer.body["pagination"]["total"], items.len(), "{query}");
        for item in &items {
            assert_eq!(item["id"], item["call"]["id"]);
            assert_eq!(item["status"], item["call"]["contact_moment"]["status"]);
        }
        items
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn moments_are_listed_by_what_one_looks_for() {
    let office = Office::new().await;
    let body = json!({"name": "Jan", "numbers": [crate::dialling::TARGET]});
    let world = &office.desk.world;
    let jan = world
        .post(&office.desk.tenant, "/api/contacts", &body)
        .await;
    let jan = jan.body["data"]["id"].as_str().unwrap().to_owned();
    let done = office.talked("call:1").await;
    let said = json!({"subject": "x", "outcome": "resolved"});
    office.dispose(&office.anna, &done, said).await;
    let missed = office.missed("call:2").await;
    office.desk.later(60).await;
    let waits = office.talked("call:3").await;
    let (_, lasts) = office.ringing("call:4").await;
    let key = &office.desk.tenant;
    assert_eq!(office.list(key, "").await.len(), 4);
    assert_eq!(
        office.list(key, "?status=disposition-pending").await,
        std::slice::from_ref(&waits)
    );
    assert_eq!(
        office.list(key, "?status=pending").await,
        std::slice::from_ref(&lasts)
    );
    let completed = office.list(key, "?status=completed").await;
    assert_eq!(completed.len(), 2);
    assert!(completed.contains(&done) && completed.contains(&missed));
    assert_eq!(office.list(key, "?outcome=abandoned").await, [missed]);
    assert_eq!(office.list(key, "?outcome=resolved").await, [done]);
    assert_eq!(
        office.list(key, &format!("?contact_id={jan}")).await.len(),
        4
    );
    let anna = office.annas_id.as_str().unwrap();
    let query = format!("?agent_id={anna}&status=disposition-pending");
    assert_eq!(office.list(key, &query).await, std::slice::from_ref(&waits));
    let mine = "?mine=true&status=disposition-pending";
    assert_eq!(office.list(&office.anna, mine).await, [waits]);
    assert!(office.list(&office.bram, mine).await.is_empty());
    assert!(office.list(key, mine).await.is_empty(), "a key is no agent");
    let them = world.tenant("them").await;
    assert!(office.list(&them, "").await.is_empty());
    assert!(
        office
            .list(&them, &format!("?agent_id={anna}"))
            .await
            .is_empty()
    );
    let page = office.desk.get("/api/contact-moments?limit=3").await.body;
    assert_eq!(page["pagination"]["has_more"], true);
    let next = page["pagination"]["next_cursor"].as_str().unwrap();
    let rest = office
        .desk
        .get(&format!("/api/contact-moments?limit=3&cursor={next}"))
        .await;
    assert_eq!(rest.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(rest.body["pagination"]["next_cursor"], Value::Null);
    for (query, field) in [
        ("status=done", "status"),
        ("mine=1", "mine"),
        (&*format!("mine=true&agent_id={anna}"), "agent_id"),
        ("agent_id=x", "agent_id"),
        ("contact_id=x", "contact_id"),
        ("colour=red", "colour"),
        ("limit=0", "limit"),
    ] {
        let refused = office
            .desk
            .get(&format!("/api/contact-moments?{query}"))
            .await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field)),
            "{query}"
        );
    }
}
