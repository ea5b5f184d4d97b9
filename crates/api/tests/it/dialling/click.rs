//! Click-to-dial as the predecessor's clients know it.

use reqwest::Method;
use serde_json::{Value, json};
use switchhook_domain::media::{Presence, PresenceReport};
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::command::{CommandError, Fault};

use super::scripted::Reply;
use super::{Desk, TARGET};
use crate::client::Answer;

const PATHS: [&str; 2] = [
    "/api/cti/click-to-dial",
    "/index.php/apps/pipelinq/api/cti/click-to-dial",
];

async fn click(desk: &Desk, path: &str, body: &Value) -> Answer {
    desk.world.post(&desk.tenant, path, body).await
}

/// The members both of its lines have, of an answer that says no.
fn says_no(answer: &Answer) {
    answer_has_the_members(answer);
    let body = &answer.body;
    assert_eq!(body["success"], false);
    assert_eq!(body["externalCallId"], Value::Null);
    assert_eq!(body["error"], body["detail"]);
}

fn answer_has_the_members(answer: &Answer) {
    let members = [
        "success",
        "externalCallId",
        "contactmomentId",
        "interactionId",
        "error",
        "platform",
        "message",
        "status",
    ];
    for member in members {
        assert!(
            answer.body.get(member).is_some(),
            "{member}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn the_extension_will_ring() {
    for path in PATHS {
        let desk = Desk::new().await;
        desk.script.then(Reply::Keys(&["call:1"]));
        // A user id in the body is passed over, as ever.
        let body = json!({ "targetNumber": "06-12345678", "extension": "100", "userId": "admin" });
        let answer = click(&desk, path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer_has_the_members(&answer);
        let body = &answer.body;
        assert_eq!(body["success"], true);
        assert_eq!(body["externalCallId"], "1");
        assert_eq!(body["contactmomentId"], body["callId"]);
        assert_eq!(body["interactionId"], body["callId"]);
        assert_eq!(body["error"], Value::Null);
        assert_eq!(body["platform"], "scripted");
        assert_eq!(body["status"], "initiated");
        let said = "Call initiated — your extension will ring momentarily";
        assert_eq!(body["message"], said);
        let call = desk.call(&body["callId"]).await;
        assert_eq!(call["to_number"], TARGET);
        assert_eq!(desk.state(&body["dialId"]).await["state"], "placed");
        // A platform that names no call leaves the id open.
        let other = json!({ "targetNumber": TARGET, "extension": "101" });
        let answer = click(&desk, path, &other).await;
        assert_eq!(answer.body["externalCallId"], Value::Null);
    }
}

#[tokio::test]
async fn what_does_not_work_has_the_old_statuses() {
    for path in PATHS {
        let desk = Desk::new().await;
        for body in [
            json!({}),
            json!({ "targetNumber": TARGET }),
            json!({ "extension": "100" }),
            json!({ "targetNumber": "", "extension": " " }),
        ] {
            let answer = click(&desk, path, &body).await;
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.problem(), "invalid_field");
            assert_eq!(
                answer.body["error"],
                "targetNumber and extension are required"
            );
            says_no(&answer);
        }
        for target in ["sip:a@b", "+49 30 123456", "112"] {
            let body = json!({ "targetNumber": target, "extension": "100" });
            let answer = click(&desk, path, &body).await;
            assert_eq!(answer.status, 400, "{target}");
            says_no(&answer);
        }
        let report = PresenceReport {
            extension: Some("100".to_owned()),
            user_id: None,
            email: None,
            presence: Presence::WrapUp,
        };
        desk.hear(&[Signal {
            at: desk.now(),
            keys: Vec::new(),
            fact: Fact::Presence(report),
        }])
        .await;
        let body = json!({ "targetNumber": TARGET, "extension": "100" });
        let busy = click(&desk, path, &body).await;
        assert_eq!((busy.status, busy.problem()), (409, "agent_busy"));
        let said = "Cannot initiate call while on another call";
        assert_eq!(busy.body["error"], said);
        says_no(&busy);
        let refusal = CommandError::new(Fault::Device, "The phone is not registered.");
        desk.script.then(Reply::Fail(refusal));
        let body = json!({ "targetNumber": TARGET, "extension": "101" });
        let refused = click(&desk, path, &body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (502, "platform_refused")
        );
        assert_eq!(refused.body["platform"], "scripted");
        says_no(&refused);
        let refusal = CommandError::new(Fault::NotSupported, "Scripted only listens.");
        desk.script.then(Reply::Fail(refusal));
        let body = json!({ "targetNumber": TARGET, "extension": "102" });
        let cannot = click(&desk, path, &body).await;
        assert_eq!((cannot.status, cannot.problem()), (400, "not_supported"));
        assert_eq!(cannot.body["error"], "Scripted only listens.");
        says_no(&cannot);
    }
}

#[tokio::test]
async fn nobody_clicks_without_a_key() {
    let desk = Desk::new().await;
    for path in PATHS {
        let body = json!({ "targetNumber": TARGET, "extension": "100" });
        let request = desk.world.ask(Method::POST, path).json(&body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.problem()), (401, "key_missing"));
    }
    assert_eq!(desk.script.dials(), 0);
}
