//! Wrap-up: whoever has not said what came of their last call places none for a while, where the
//! app wants it so; and the switch for click-to-dial.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::Office;
use crate::client::Answer;
use crate::world::Tenant;

impl Office {
    async fn dial(&self, who: &Tenant, extension: Option<&str>) -> Answer {
        let mut body = json!({"to": "0612345679"});
        if let Some(extension) = extension {
            body["extension"] = json!(extension);
        }
        self.desk.world.post(who, "/api/calls", &body).await
    }

    async fn busy(&self, who: &Tenant, extension: Option<&str>) -> bool {
        let answer = self.dial(who, extension).await;
        match (answer.status, answer.status == 409) {
            (409, _) => assert_eq!(answer.problem(), "agent_busy"),
            (status, _) => assert_eq!(status, 201, "{}", answer.text),
        }
        answer.status == 409
    }

    async fn put(&self, body: Value) {
        let path = "/api/work-settings";
        let world = &self.desk.world;
        let kept = world
            .change(&self.desk.tenant, Method::PUT, path, Some(&body))
            .await;
        assert_eq!(kept.status, 200, "{}", kept.text);
    }

    async fn until(&self, call: &str, until: Value) -> Answer {
        self.send(
            &self.anna,
            Method::POST,
            call,
            "/wrap-up",
            json!({"until": until}),
        )
        .await
    }

    fn ahead(&self, seconds: i64) -> Value {
        let at = self.desk.now() + SignedDuration::from_secs(seconds);
        json!(at.to_string())
    }
}

#[tokio::test]
async fn an_agent_in_wrap_up_may_be_kept_from_dialling_until_the_disposition() {
    let office = Office::new().await;
    let call = office.talked("call:1").await;
    let key = office.desk.tenant.clone();
    assert!(!office.busy(&office.anna, None).await, "unless set, no");
    office.put(json!({"dial_in_wrap_up": false})).await;
    assert!(office.busy(&office.anna, None).await);
    assert!(
        office.busy(&key, Some("100")).await,
        "whoever asks for them"
    );
    assert!(!office.busy(&office.bram, None).await, "others are free");
    let said = json!({"subject": "x", "outcome": "resolved"});
    office.dispose(&office.anna, &call, said).await;
    assert!(!office.busy(&office.anna, None).await);
}

#[tokio::test]
async fn wrap_up_ends_by_itself() {
    let office = Office::new().await;
    let a_minute = json!({"wrap_up_seconds": 60, "dial_in_wrap_up": false});
    office.put(a_minute).await;
    office.talked("call:1").await;
    assert!(office.busy(&office.anna, None).await);
    office.desk.later(61).await;
    assert!(!office.busy(&office.anna, None).await);
    let off = Office::new().await;
    let none = json!({"wrap_up_seconds": 0, "dial_in_wrap_up": false});
    off.put(none).await;
    off.talked("call:1").await;
    assert!(!off.busy(&off.anna, None).await, "switched off");
}

#[tokio::test]
async fn wrap_up_is_made_longer_and_ended() {
    let office = Office::new().await;
    office.put(json!({"dial_in_wrap_up": false})).await;
    let call = office.talked("call:1").await;
    let longer = office.until(&call, office.ahead(600)).await;
    assert_eq!(longer.status, 200, "{}", longer.text);
    assert!(longer.body["data"]["wrap_up_until"].is_string());
    office.desk.later(300).await;
    assert!(
        office.busy(&office.anna, None).await,
        "longer than the settings say"
    );
    let back = office.until(&call, Value::Null).await;
    assert_eq!(back.body["data"]["wrap_up_until"], Value::Null);
    office.until(&call, office.ahead(600)).await;
    let over = office.until(&call, office.ahead(-1)).await;
    assert_eq!(over.status, 200, "{}", over.text);
    assert!(!office.busy(&office.anna, None).await);
    for (until, field) in [(office.ahead(3700), "until"), (json!("soon"), "until")] {
        let refused = office.until(&call, until).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field))
        );
    }
}

#[tokio::test]
async fn the_switch_for_click_to_dial_counts_on_the_server() {
    let office = Office::new().await;
    office.put(json!({"click_to_dial_enabled": false})).await;
    let key = office.desk.tenant.clone();
    for path in [
        "/api/cti/click-to-dial",
        "/index.php/apps/pipelinq/api/cti/click-to-dial",
    ] {
        let body = json!({"targetNumber": "0612345679", "extension": "100"});
        for who in [&key, &office.anna] {
            let refused = office.desk.world.post(who, path, &body).await;
            assert_eq!(
                (refused.status, refused.problem()),
                (400, "dial_refused"),
                "{path}"
            );
            assert_eq!(refused.body["reason"], "off");
        }
    }
    let refused = office.dial(&office.anna, None).await;
    assert_eq!((refused.status, refused.problem()), (403, "dial_refused"));
    let placed = office.dial(&key, Some("100")).await;
    assert_eq!(placed.status, 201, "a backend dials: {}", placed.text);
}
