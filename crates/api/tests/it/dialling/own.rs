//! Agents who act for themselves: from their own extension only, and only calls they are on.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, Story};
use crate::client::Answer;
use crate::world::Tenant;

/// A desk with Anna at 100 and Bram at 101, and a token for each.
async fn desk() -> (Desk, Tenant, Tenant) {
    let desk = Desk::new().await;
    let mut panels = Vec::new();
    for (name, extension) in [("anna", "100"), ("bram", "101")] {
        let here = &desk.hook.connection_id;
        let identity = json!({"kind": "extension", "value": extension, "connection_id": here});
        let body = json!({"name": name, "crm_user_id": name, "identities": [identity]});
        desk.world.agent(&desk.tenant, &body).await;
        let asked = json!({"crm_user_id": name});
        let made = desk
            .world
            .post(&desk.tenant, "/api/agent-tokens", &asked)
            .await;
        panels.push(Tenant {
            key: made.body["data"]["token"].as_str().unwrap().to_owned(),
            ..desk.tenant.clone()
        });
    }
    let bram = panels.pop().unwrap();
    (desk, panels.pop().unwrap(), bram)
}

async fn steer(desk: &Desk, panel: &Tenant, call: &Value, body: Value) -> Answer {
    let path = format!("/api/calls/{}/hangup", call.as_str().unwrap());
    desk.world
        .change(panel, Method::POST, &path, Some(&body))
        .await
}

#[tokio::test]
async fn a_panel_dials_from_its_agents_own_extension_only() {
    let (desk, anna, bram) = desk().await;
    for (panel, agent) in [
        (&bram, json!({"extension": "100"})),
        (&bram, json!({"extension": "999"})),
        (&bram, json!({"extension": "101", "user_id": "somebody"})),
        (&bram, json!({"extension": "101", "device_id": "somebodys"})),
        (&bram, json!({"device_id": "somebodys"})),
    ] {
        let body = json!({"to": "0612345678", "agent": agent});
        let refused = desk.world.post(panel, "/api/calls", &body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "not_own_extension"),
            "{body}"
        );
    }
    let click = json!({"targetNumber": "0612345678", "extension": "100"});
    let refused = desk
        .world
        .post(&bram, "/api/cti/click-to-dial", &click)
        .await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "not_own_extension")
    );
    assert!(
        desk.open_calls().await.is_empty(),
        "the platform heard nothing"
    );

    let placed = desk
        .world
        .post(&anna, "/api/calls", &json!({"to": "0612345678"}))
        .await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    assert_eq!(
        placed.body["data"]["dial"]["extension"], "100",
        "their own is taken"
    );
    assert_eq!(placed.body["data"]["call"]["agent"]["crm_user_id"], "anna");
    let named = json!({"to": "0612345679", "extension": "101"});
    let placed = desk.world.post(&bram, "/api/calls", &named).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
}

#[tokio::test]
async fn a_panel_steers_only_calls_its_agent_is_on() {
    let (desk, anna, bram) = desk().await;
    let story = Story::new(&["call:1"], desk.now());
    desk.hear(&story.rings_in()).await;
    let call = desk.open_calls().await[0]["id"].clone();
    let path = format!("/api/calls/{}/actions", call.as_str().unwrap());
    let actions = desk.world.get(&bram, &path).await;
    let actions = actions.body["data"].as_array().unwrap();
    assert!(
        actions
            .iter()
            .all(|action| action["code"] == "not_own_extension"),
        "{actions:?}"
    );
    for body in [json!({}), json!({"agent": {"extension": "100"}})] {
        let refused = steer(&desk, &bram, &call, body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (403, "not_own_extension")
        );
    }
    let other = json!({"agent": {"extension": "101"}});
    let refused = steer(&desk, &anna, &call, other).await;
    assert_eq!(refused.problem(), "not_own_extension");
    assert!(desk.script.steered.lock().unwrap().is_empty());
    let done = steer(&desk, &anna, &call, json!({})).await;
    assert_eq!(done.status, 202, "{}", done.text);
    let (handle, _) = desk.script.steered.lock().unwrap()[0].clone();
    assert_eq!(handle.agent.extension.as_deref(), Some("100"));
}

#[tokio::test]
async fn somebody_signed_in_as_agent_dials_only_as_the_agent_they_are() {
    let (desk, ..) = desk().await;
    let path = format!("/internal/apps/{}/sign-in-link", desk.tenant.id);
    let link = desk
        .world
        .operate(Method::POST, &path, Some(&json!({"role": "agent"})))
        .await;
    let url = link.body["data"]["url"].as_str().unwrap().to_owned();
    let token = url.split_once("token=").unwrap().1;
    let session = desk.world.gate.sign_in(token).await.unwrap().unwrap();
    let request = desk.world.ask(Method::POST, "/api/calls");
    let request = request
        .header("cookie", format!("switchhook_session={session}"))
        .header("sec-fetch-site", "same-origin")
        .json(&json!({"to": "0612345678", "extension": "100"}));
    let refused = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(
        (refused.status, refused.problem()),
        (403, "not_own_extension")
    );
}
