//! What an app allows to be dialled, set and kept.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, TARGET};
use crate::client::Answer;

async fn put(desk: &Desk, policy: &Value) -> Answer {
    let request = desk.world.ask(Method::PUT, "/api/dial-policy");
    let request = request.header("x-api-key", &desk.tenant.key).json(policy);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn the_policy_is_set_kept_and_obeyed() {
    let desk = Desk::new().await;
    let start = desk.get("/api/dial-policy").await;
    assert_eq!(start.status, 200, "{}", start.text);
    assert_eq!(start.body["data"]["off"], false);
    assert_eq!(start.body["data"]["countries"], json!([]));
    let policy = json!({
        "countries": ["de", "nl"], "refused_prefixes": ["+31900"],
        "caller_ids": ["020 1234567", "+31201234568"], "default_caller_id": "0201234567",
        "per_agent_per_minute": 2,
    });
    let set = put(&desk, &policy).await;
    assert_eq!(set.status, 200, "{}", set.text);
    assert_eq!(set.body["data"]["countries"], json!(["DE", "NL"]));
    assert_eq!(set.body["data"]["default_caller_id"], "+31201234567");
    assert_eq!(desk.get("/api/dial-policy").await.body, set.body);
    let placed = desk.dial("+49 30 123456").await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    assert_eq!(placed.body["data"]["call"]["from_number"], "+31201234567");
    let asked = json!({ "to": TARGET, "extension": "100", "caller_id": "0201234568" });
    let placed = desk.place(&asked).await;
    assert_eq!(placed.body["data"]["call"]["from_number"], "+31201234568");
    let shown = desk.script.dialled.lock().unwrap()[1].caller_id.clone();
    assert_eq!(shown.as_deref(), Some("+31201234568"));
    assert_eq!(desk.dial(TARGET).await.problem(), "dial_rate_limited");
    put(&desk, &json!({ "off": true })).await;
    let off = desk
        .place(&json!({ "to": "200", "extension": "101" }))
        .await;
    assert_eq!((off.status, off.problem()), (403, "dial_refused"));
    assert_eq!(off.body["reason"], "off");
    // Another app has its own.
    let other = desk.world.tenant("other").await;
    let theirs = desk.world.get(&other, "/api/dial-policy").await;
    assert_eq!(theirs.body["data"]["off"], false);
}

#[tokio::test]
async fn a_policy_that_makes_no_sense_is_refused_by_member() {
    let desk = Desk::new().await;
    for (policy, field) in [
        (json!({ "countries": ["Holland"] }), "countries"),
        (json!({ "allowed_prefixes": ["0900"] }), "allowed_prefixes"),
        (
            json!({ "refused_prefixes": ["+31 900"] }),
            "refused_prefixes",
        ),
        (json!({ "caller_ids": ["100"] }), "caller_ids"),
        (
            json!({ "default_caller_id": "+31201234567" }),
            "default_caller_id",
        ),
        (
            json!({ "per_agent_per_minute": 1000 }),
            "per_agent_per_minute",
        ),
        (
            json!({ "per_agent_per_minute": -1 }),
            "per_agent_per_minute",
        ),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let answer = put(&desk, &policy).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid_field"),
            "{policy}"
        );
        assert_eq!(answer.body["field"], field, "{policy}");
    }
    let kept = desk.get("/api/dial-policy").await;
    assert_eq!(kept.body["data"]["countries"], json!([]));
}
