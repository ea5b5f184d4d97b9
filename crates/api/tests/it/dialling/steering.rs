//! Commands to calls: the adapter gets every name of the call and its legs, and what cannot be
//! done is said beforehand.

use serde_json::{Value, json};
use switchhook_domain::signal::{CallFact, LegFact, LegKind};
use switchhook_engine::command::{CommandError, Control, Fault};

use super::{Desk, Story, TARGET};
use crate::client::Answer;

impl Desk {
    async fn steer(&self, call: &Value, action: &str, body: Option<Value>) -> Answer {
        let path = format!("/api/calls/{}/{action}", call.as_str().unwrap());
        let request = self.world.ask(reqwest::Method::POST, &path);
        let mut request = request.header("x-api-key", &self.tenant.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// What is possible, and the codes of what is not.
    async fn possible(&self, call: &Value) -> Vec<(String, String)> {
        let path = format!("/api/calls/{}/actions", call.as_str().unwrap());
        let answer = self.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let actions = answer.body["data"].as_array().unwrap().clone();
        assert_eq!(actions.len(), 11);
        let kinds = actions.iter().find(|a| a["action"] == "transfer").unwrap()["kinds"].clone();
        let all = json!(["blind", "attended"]);
        assert!(kinds == all || kinds == json!([]), "{kinds}");
        let said = |action: &Value| {
            let possible = action["possible"] == true;
            assert_eq!(possible, action["code"].is_null());
            assert_eq!(possible, action["reason"].is_null());
            let code = action["code"].as_str().unwrap_or("yes").to_owned();
            (action["action"].as_str().unwrap().to_owned(), code)
        };
        actions.iter().map(said).collect()
    }

    async fn incoming(&self, key: &str) -> (Story, Value) {
        let story = Story::new(&[key, "second-name"], self.now());
        self.hear(&story.rings_in()).await;
        let call = self.open_calls().await[0]["id"].clone();
        (story, call)
    }
}

fn codes(possible: &[(String, String)], code: &str) -> Vec<String> {
    let of = possible.iter().filter(|(_, given)| given == code);
    of.map(|(action, _)| action.clone()).collect()
}

#[tokio::test]
async fn a_command_reaches_the_platform_with_every_name() {
    let desk = Desk::new().await;
    let (story, call) = desk.incoming("call:1").await;
    let steer = |action: &'static str, body| desk.steer(&call, action, body);
    let agent = json!({ "agent": { "extension": "100" } });
    let answer = steer("answer", Some(agent)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.body["data"]["call_id"], call);
    assert_eq!(answer.body["data"]["action"], "answer");
    assert_eq!(answer.body["data"]["status"], "accepted");
    let (handle, control) = desk.script.steered.lock().unwrap()[0].clone();
    assert_eq!(control, Control::Answer);
    assert_eq!(handle.keys, ["call:1", "second-name"]);
    assert_eq!(handle.agent.extension.as_deref(), Some("100"));
    let leg = handle.agent_leg().unwrap();
    assert_eq!((leg.id.as_str(), leg.kind), ("call:1/a", LegKind::Agent));
    assert!(!leg.answered && !leg.ended);
    desk.hear(&story.answered()).await;
    for (action, body, expected) in [
        ("hold", None, Control::Hold),
        ("mute", None, Control::Mute { on: true }),
        ("unmute", None, Control::Mute { on: false }),
        (
            "dtmf",
            Some(json!({ "digits": "12#a" })),
            Control::Dtmf {
                digits: "12#A".to_owned(),
            },
        ),
        (
            "recording",
            Some(json!({ "on": false })),
            Control::Recording { on: false },
        ),
        (
            "transfer",
            Some(json!({ "to": "200", "kind": "blind" })),
            Control::TransferBlind {
                to: super::number("200"),
            },
        ),
        (
            "transfer",
            Some(json!({ "to": TARGET, "kind": "attended" })),
            Control::TransferAttended {
                to: super::number(TARGET),
            },
        ),
        ("hangup", None, Control::HangUp),
    ] {
        let answer = steer(action, body).await;
        assert_eq!(answer.status, 202, "{action}: {}", answer.text);
        let last = desk.script.steered.lock().unwrap().last().cloned();
        let (handle, control) = last.unwrap();
        assert_eq!(control, expected);
        assert!(handle.agent_leg().unwrap().answered);
    }
}

#[tokio::test]
async fn what_is_possible_follows_the_call() {
    let desk = Desk::new().await;
    let (story, call) = desk.incoming("call:1").await;
    let ringing = desk.possible(&call).await;
    assert_eq!(codes(&ringing, "yes"), ["answer", "reject", "hangup"]);
    assert_eq!(codes(&ringing, "not_supported"), ["park"]);
    assert_eq!(codes(&ringing, "wrong_state").len(), 7);
    desk.hear(&story.answered()).await;
    let talking = desk.possible(&call).await;
    assert_eq!(
        codes(&talking, "wrong_state"),
        ["answer", "reject", "resume"]
    );
    desk.hear(&[story.leg(10, "a", LegFact::Held)]).await;
    let held = desk.possible(&call).await;
    assert_eq!(codes(&held, "wrong_state"), ["answer", "reject", "hold"]);
    desk.hear(&story.ends()).await;
    let over = desk.possible(&call).await;
    assert_eq!(codes(&over, "call_over").len(), 11);
    let path = format!(
        "/api/calls/{}/actions?extension=1%262",
        call.as_str().unwrap()
    );
    let bad = desk.get(&path).await;
    assert_eq!((bad.status, bad.problem()), (400, "invalid_field"));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_not_asked() {
    let desk = Desk::new().await;
    let (story, call) = desk.incoming("call:1").await;
    let check = async |action: &str, body: Option<Value>, expected: (u16, &str)| {
        let answer = desk.steer(&call, action, body).await;
        assert_eq!((answer.status, answer.problem()), expected, "{action}");
        answer.body["field"].clone()
    };
    check("hold", None, (409, "wrong_state")).await;
    desk.hear(&story.answered()).await;
    check("reject", None, (409, "wrong_state")).await;
    check("resume", None, (409, "wrong_state")).await;
    let park = desk.steer(&call, "park", None).await;
    assert_eq!((park.status, park.problem()), (409, "not_supported"));
    assert_eq!(park.body["detail"], "Scripted has no place to park.");
    check("explode", None, (404, "route_not_found")).await;
    for (action, body, field) in [
        ("transfer", json!({ "kind": "blind" }), "to"),
        ("transfer", json!({ "to": "200" }), "kind"),
        ("transfer", json!({ "to": "200", "kind": "warm" }), "kind"),
        (
            "transfer",
            json!({ "to": "sip:a@b", "kind": "blind" }),
            "to",
        ),
        ("dtmf", json!({}), "digits"),
        ("dtmf", json!({ "digits": "1;2" }), "digits"),
        ("dtmf", json!({ "digits": "1".repeat(33) }), "digits"),
        ("recording", json!({}), "on"),
        ("hold", json!({ "on": true }), "on"),
        ("hold", json!({ "colour": "red" }), "colour"),
        (
            "hold",
            json!({ "agent": { "extension": "1&2" } }),
            "agent.extension",
        ),
    ] {
        let named = check(action, Some(body), (400, "invalid_field")).await;
        assert_eq!(named, field, "{action}");
    }
    // Handing a call to a number is dialling it.
    let abroad = json!({ "to": "+49 30 123456", "kind": "blind" });
    assert_eq!(
        check("transfer", Some(abroad), (403, "dial_refused")).await,
        "to"
    );
    let own = json!({ "to": "100", "kind": "blind" });
    check("transfer", Some(own), (403, "dial_refused")).await;
    desk.hear(&story.ends()).await;
    check("hangup", None, (409, "call_over")).await;
    assert_eq!(desk.script.steered.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_the_platform_says_no_to() {
    let desk = Desk::new().await;
    let (story, call) = desk.incoming("call:1").await;
    desk.hear(&story.answered()).await;
    for (fault, status, code) in [
        (Fault::Gone, 409, "call_over"),
        (Fault::State, 409, "wrong_state"),
        (Fault::NotSupported, 409, "not_supported"),
        (Fault::Permission, 502, "platform_refused"),
        (Fault::RateLimited, 502, "platform_refused"),
        (Fault::Unreachable, 502, "platform_unreachable"),
        (Fault::Uncertain, 502, "platform_unreachable"),
    ] {
        let error = CommandError::new(fault, "The platform says no.");
        let error = error.after(std::time::Duration::from_millis(6_500));
        *desk.script.refuses.lock().unwrap() = Some(error);
        let answer = desk.steer(&call, "hold", None).await;
        assert_eq!((answer.status, answer.problem()), (status, code));
        if status == 502 {
            assert_eq!(answer.body["cause"], fault.as_str());
            assert_eq!(answer.header("retry-after"), "7");
        }
    }
}

#[tokio::test]
async fn a_call_the_platform_has_not_begun_has_nothing_to_steer() {
    let desk = Desk::new().await;
    let placed = desk.dial(TARGET).await;
    let call = placed.body["data"]["call"]["id"].clone();
    let answer = desk.steer(&call, "hangup", None).await;
    assert_eq!((answer.status, answer.problem()), (409, "wrong_state"));
}

#[tokio::test]
async fn a_call_that_became_part_of_another_leads_to_it() {
    let desk = Desk::new().await;
    let first = Story::new(&["call:1"], desk.now());
    desk.hear(&first.rings_in()).await;
    desk.hear(&first.answered()).await;
    let kept = desk.open_calls().await[0]["id"].clone();
    desk.world.clock.advance(jiff::SignedDuration::from_secs(9));
    let second = Story::new(&["call:2"], desk.now());
    desk.hear(&second.rings_in()).await;
    let open = desk.open_calls().await;
    let lost = open.iter().find(|call| call["id"] != kept).unwrap()["id"].clone();
    let both = Story::new(&["call:1", "call:2"], desk.now());
    desk.hear(&[both.call(1, CallFact::Linked)]).await;
    let answer = desk.steer(&lost, "hold", None).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.body["data"]["call_id"], kept);
    let (handle, _) = desk.script.steered.lock().unwrap()[0].clone();
    assert_eq!(handle.keys, ["call:1", "call:2"]);
}
