//! Call-backs as the predecessor's clients ask for them.

use reqwest::Method;
use serde_json::{Value, json};

use super::Desk;
use crate::client::Answer;

/// Both addresses of every route.
const BASES: [&str; 2] = ["", "/index.php/apps/pipelinq"];

#[tokio::test]
async fn attempts_answer_in_the_predecessors_words() {
    let desk = Desk::new().await;
    let id = desk.make(json!({"callback_number": "0612345678"})).await["id"].clone();
    let id = id.as_str().unwrap();
    let results = ["geen_gehoor", "niet_bereikbaar", "voicemail"];
    for (index, result) in results.into_iter().enumerate() {
        let path = format!("{}/api/callbacks/{id}/attempts", BASES[index % 2]);
        // Members that are not known are passed over, as ever.
        let body = json!({"result": result, "notes": "x", "requesttoken": "y"});
        let tried = desk.world.post(&desk.us, &path, &body).await;
        assert_eq!(tried.status, 200, "{}", tried.text);
        assert_eq!(tried.body["attemptCount"], index + 1);
        assert_eq!(tried.body["suggestClose"], index == 2);
        let task = &tried.body["task"];
        assert_eq!(task["callbackPhoneNumber"], "+31612345678");
        assert_eq!(task["callback_number"], "+31612345678");
        let last = &task["attempts"][index];
        assert_eq!(last["timestamp"], last["at"]);
        assert!(last["agentUserId"].is_string(), "{last}");
    }
    let path = format!("/api/callbacks/{id}/attempts");
    let refused = desk
        .world
        .post(&desk.us, &path, &json!({"result": "x"}))
        .await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (400, &json!("result"))
    );
}

#[tokio::test]
async fn a_call_back_is_claimed_once_and_completed() {
    let desk = Desk::new().await;
    let ((anna, agent), (piet, _)) = (desk.agent("Anna").await, desk.agent("Piet").await);
    for base in BASES {
        let id = desk.make(json!({})).await["id"].clone();
        let path = |step: &str| format!("{base}/api/callbacks/{}/{step}", id.as_str().unwrap());
        // As their page sends it: without a body.
        let claimed = anna.ask(Method::POST, &path("claim")).send().await.unwrap();
        let claimed = Answer::of(claimed).await;
        assert_eq!(claimed.status, 200, "{}", claimed.text);
        assert_eq!(claimed.body["task"]["status"], "in_behandeling");
        assert_eq!(claimed.body["task"]["assigneeUserId"], agent["id"]);
        let late = piet.send(Method::POST, &path("claim"), &json!({})).await;
        assert_eq!((late.status, late.problem()), (403, "conflict"));
        for member in ["reason", "error"] {
            assert_eq!(late.body[member], "This task has already been claimed");
        }
        let body = json!({"resultText": "Afspraak gemaakt"});
        let done = anna.send(Method::POST, &path("complete"), &body).await;
        let task = &done.body["task"];
        assert_eq!(task["status"], "afgerond", "{}", done.text);
        assert_eq!(task["resultText"], "Afspraak gemaakt");
        assert_eq!(task["completedAt"], task["completed_at"]);
    }
}

#[tokio::test]
async fn a_call_back_is_reassigned_to_users_and_groups() {
    let desk = Desk::new().await;
    let (anna, agent) = desk.agent("Anna").await;
    let id = desk.make(json!({})).await["id"].clone();
    let path = format!("/api/callbacks/{}/reassign", id.as_str().unwrap());
    let reassign = async |body: Value| desk.world.post(&desk.us, &path, &body).await;
    for name in [&agent["id"], &json!("crm-Anna"), &json!("ANNA@example.nl")] {
        reassign(json!({"assignee": "Verkoop", "assigneeType": "group"})).await;
        let given = reassign(json!({"assignee": name, "assigneeType": "user"})).await;
        let task = &given.body["task"];
        assert_eq!(task["assigneeUserId"], agent["id"], "{}", given.text);
        assert_eq!(task["assigneeGroupId"], "Verkoop");
    }
    let group = reassign(json!({"assignee": "Nazorg", "assigneeType": "group"})).await;
    let task = &group.body["task"];
    assert_eq!(
        (&task["assigneeUserId"], &task["assigneeGroupId"]),
        (&Value::Null, &json!("Nazorg"))
    );
    for (body, field) in [
        (json!({"assignee": "niemand"}), "assignee"),
        (
            json!({"assignee": " ", "assigneeType": "group"}),
            "assignee",
        ),
        (
            json!({"assignee": "x", "assigneeType": "team"}),
            "assigneeType",
        ),
        (json!({}), "assignee"),
    ] {
        let refused = reassign(body).await;
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (400, &json!(field))
        );
    }
    let own = anna
        .send(Method::POST, &path, &json!({"assignee": "crm-Anna"}))
        .await;
    assert_eq!((own.status, own.problem()), (403, "role_not_allowed"));
}
