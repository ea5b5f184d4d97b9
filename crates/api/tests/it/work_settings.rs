//! How an app's agents work: what there is before anything is set, what is kept, what is refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::people::join;
use crate::world::{Tenant, World};

const PATH: &str = "/api/work-settings";

async fn put(world: &World, tenant: &Tenant, body: &Value) -> Answer {
    world.change(tenant, Method::PUT, PATH, Some(body)).await
}

#[tokio::test]
async fn settings_are_there_before_anybody_sets_them() {
    let world = World::new().await;
    let tenant = world.tenant("us").await;
    let settings = world.get(&tenant, PATH).await.body["data"].clone();
    assert_eq!(settings["outcomes"], json!([]));
    assert_eq!(settings["wrap_up_seconds"], 180);
    assert_eq!(settings["dial_in_wrap_up"], true);
    assert_eq!(settings["screen_pop_enabled"], true);
    assert_eq!(settings["click_to_dial_enabled"], true);
    assert_eq!(settings["hours"]["time_zone"], "Europe/Amsterdam");
    let open = json!([{"days": [1, 2, 3, 4, 5], "from": "08:00:00", "to": "17:00:00"}]);
    assert_eq!(settings["hours"]["open"], open);
    let built_in = settings["built_in_outcomes"].as_array().unwrap();
    let codes: Vec<_> = built_in
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    let six = [
        "resolved",
        "callback",
        "escalated",
        "wrong-number",
        "no-answer",
        "abandoned",
    ];
    assert_eq!(codes, six);
    assert_eq!(built_in[1]["task"], "terugbelverzoek");
    assert_eq!(built_in[0]["task"], Value::Null);
}

#[tokio::test]
async fn what_is_set_is_kept_for_this_app_only() {
    let world = World::new().await;
    let (us, them) = (world.tenant("us").await, world.tenant("them").await);
    let before = world.get(&them, PATH).await.body["data"].clone();
    let body = json!({
        "outcomes": [{"code": "sold", "label": " Sold ", "task": "opvolgtaak"}],
        "escalation_queue": "Second line", "wrap_up_seconds": 60, "dial_in_wrap_up": false,
        "screen_pop_enabled": false,
        "screen_pop_delay_ms": 2000, "click_to_dial_enabled": false,
        "hours": {"time_zone": "Europe/Brussels",
            "open": [{"days": [1, 7], "from": "09:00", "to": "12:30:00"}],
            "holidays": ["2026-12-25"]},
    });
    let kept = put(&world, &us, &body).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    assert_eq!(kept.body["data"]["outcomes"][0]["label"], "Sold");
    assert_eq!(kept.body["data"]["hours"]["open"][0]["from"], "09:00:00");
    let read = world.get(&us, PATH).await.body["data"].clone();
    assert_eq!(read, kept.body["data"]);
    // An answer can be sent back, and replaces everything.
    assert_eq!(put(&world, &us, &read).await.body["data"], read);
    let bare = put(&world, &us, &json!({})).await;
    assert_eq!(bare.body["data"], before);
    assert_eq!(world.get(&them, PATH).await.body["data"], before);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::new().await;
    let tenant = world.tenant("us").await;
    let sold = json!({"code": "sold", "label": "Sold"});
    let open = |from: &str, to: &str, days: Value| {
        json!({"hours": {"time_zone": "Europe/Amsterdam",
            "open": [{"days": days, "from": from, "to": to}]}})
    };
    for (body, field) in [
        (
            json!({"outcomes": [{"code": "Sold", "label": "x"}]}),
            "outcomes[0].code",
        ),
        (
            json!({"outcomes": [{"code": "resolved", "label": "x"}]}),
            "outcomes[0].code",
        ),
        (json!({"outcomes": [sold, sold]}), "outcomes[1].code"),
        (
            json!({"outcomes": [{"code": "sold", "label": " "}]}),
            "outcomes[0].label",
        ),
        (
            json!({"outcomes": [{"code": "sold", "label": "x", "task": "x"}]}),
            "outcomes[0].task",
        ),
        (json!({"escalation_queue": ""}), "escalation_queue"),
        (json!({"wrap_up_seconds": 3601}), "wrap_up_seconds"),
        (json!({"wrap_up_seconds": -1}), "wrap_up_seconds"),
        (json!({"screen_pop_delay_ms": 5001}), "screen_pop_delay_ms"),
        (
            json!({"hours": {"time_zone": "Mars/Phobos", "open": []}}),
            "hours.time_zone",
        ),
        (open("17:00:00", "08:00:00", json!([1])), "hours.open[0].to"),
        (
            open("08:00:00", "17:00:00", json!([8])),
            "hours.open[0].days",
        ),
        (json!({"colour": "red"}), "colour"),
    ] {
        let refused = put(&world, &tenant, &body).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    assert_eq!(
        world.get(&tenant, PATH).await.body["data"]["wrap_up_seconds"],
        180
    );
}

#[tokio::test]
async fn agents_read_them_and_administrators_set_them() {
    let world = World::new().await;
    let tenant = world.tenant("us").await;
    for (role, may) in [("agent", false), ("supervisor", false), ("admin", true)] {
        let email = format!("{role}@example.nl");
        let person = join(&world, &tenant, &email, role).await;
        assert_eq!(person.get(PATH).await.status, 200, "{role}");
        let request = person.ask(Method::PUT, PATH).json(&json!({}));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status == 200, may, "{role}: {}", answer.text);
    }
}
