//! The doctor over HTTP, and what a connection shows of itself, against the stand-in of Dialpad.

use reqwest::Method;
use serde_json::json;
use switchhook_testkit::vendors::StandIn;
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;

use crate::oauth::add;
use crate::world::{World, config};

const KEY: &str = "an administrator's key";

async fn vendor() -> StandIn<Vendor> {
    let vendor = Vendor::default().with_key(KEY, true, &["calls:list"]);
    StandIn::start(vendor).await.unwrap()
}

async fn world() -> World {
    let config = switchhook_api::ApiConfig {
        public_url: Some("https://cti.example.nl".to_owned()),
        ..config()
    };
    World::with(config).await
}

#[tokio::test]
async fn the_doctor_really_asks_and_says_one_sentence() {
    let (world, vendor) = (world().await, vendor().await);
    let tenant = world.tenant("Klantcontact").await;
    let good = json!({ "api_key": KEY, "base_url": vendor.url() });
    let good = add(&world, &tenant, &good).await;
    let path = format!("/api/connections/{good}/diagnosis");
    let early = world.get(&tenant, &path).await.body["data"].clone();
    assert_eq!(early["ok"], false, "its events are not set up yet: {early}");
    world.keeper.once().await.unwrap();
    let found = world.get(&tenant, &path).await.body["data"].clone();
    assert_eq!(found["ok"], true, "{found}");
    let names: Vec<_> = found["checks"].as_array().unwrap().iter().collect();
    assert!(
        names.iter().any(|check| check["name"] == "platform"),
        "{found}"
    );
    assert_eq!(vendor.vendor().webhooks().len(), 1);
    let hook = vendor.vendor().webhooks()[0]["hook_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        hook.starts_with("https://cti.example.nl/webhooks/dialpad/"),
        "{hook}"
    );

    let bad = json!({ "api_key": "revoked", "base_url": vendor.url() });
    let bad = add(&world, &tenant, &bad).await;
    world.keeper.once().await.unwrap();
    let path = format!("/internal/apps/{}/connections/{bad}", tenant.id);
    let shown = world.operate(Method::GET, &path, None).await.body["data"].clone();
    assert_eq!(shown["subscription"]["state"], "failed", "{shown}");
    let path = format!("{path}/diagnosis");
    let found = world.operate(Method::GET, &path, None).await.body["data"].clone();
    assert_eq!(found["ok"], false);
    let summary = found["summary"].as_str().unwrap();
    assert!(summary.contains("new API key"), "{summary}");
    assert!(!found.to_string().contains("revoked"), "no secret is shown");

    let stranger = world.tenant("Stranger").await;
    let theirs = world
        .get(&stranger, &format!("/api/connections/{good}/diagnosis"))
        .await;
    assert_eq!(
        (theirs.status, theirs.problem()),
        (404, "connection_not_found")
    );
}

#[tokio::test]
async fn the_predecessors_question_has_its_answer() {
    let (world, vendor) = (world().await, vendor().await);
    let tenant = world.tenant("Klantcontact").await;
    let paths = [
        "/api/cti/test-connection",
        "/index.php/apps/pipelinq/api/cti/test-connection",
    ];
    for path in paths {
        let answer = world.get(&tenant, path).await;
        let none = json!({
            "ok": false, "platform": "", "message": "No CTI platform configured.",
        });
        assert_eq!((answer.status, &answer.body), (200, &none));
    }
    let config = json!({ "api_key": KEY, "base_url": vendor.url() });
    add(&world, &tenant, &config).await;
    world.keeper.once().await.unwrap();
    for path in paths {
        let answer = world.get(&tenant, path).await.body;
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(answer["platform"], "dialpad");
        assert!(answer["message"].as_str().unwrap().contains("connected"));
    }
}

#[tokio::test]
async fn a_connection_shows_what_it_can_and_how_it_stands_and_is_taken_back() {
    let (world, vendor) = (world().await, vendor().await);
    let tenant = world.tenant("Klantcontact").await;
    let config = json!({ "api_key": KEY, "base_url": vendor.url() });
    let id = add(&world, &tenant, &config).await;
    let path = format!("/internal/apps/{}/connections/{id}", tenant.id);
    world.keeper.once().await.unwrap();
    let shown = world.operate(Method::GET, &path, None).await.body["data"].clone();
    assert_eq!(shown["subscription"]["state"], "good", "{shown}");
    assert_eq!(shown["sign_in"], json!(null));
    assert!(
        shown["capabilities"]
            .as_array()
            .unwrap()
            .contains(&json!("originate"))
    );
    let lacks = shown["lacks"].as_array().unwrap();
    let hold = lacks
        .iter()
        .find(|lack| lack["capability"] == "control_hold")
        .unwrap();
    assert!(
        hold["reason"].as_str().unwrap().contains("Dialpad app"),
        "{hold}"
    );
    let gone = world.operate(Method::DELETE, &path, None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert!(
        vendor.vendor().webhooks().is_empty() && vendor.vendor().subscriptions("call").is_empty()
    );

    let id = add(&world, &tenant, &config).await;
    let path = format!("/internal/apps/{}/connections/{id}", tenant.id);
    world.keeper.once().await.unwrap();
    drop(vendor);
    let gone = world.operate(Method::DELETE, &path, None).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let left = gone.body["data"]["left_at_platform"][0].as_str().unwrap();
    assert!(left.contains("could not be taken back"), "{left}");
    assert_eq!(world.operate(Method::GET, &path, None).await.status, 404);
}
