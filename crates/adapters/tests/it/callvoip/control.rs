//! Placing and steering calls by described requests, put to a stand-in of the API.

use serde_json::{Value, json};
use switchhook_adapters::callvoip::CallVoip;
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::command::{Control, Fault, Session};
use switchhook_testkit::vendors::callvoip::CallVoip as Api;
use switchhook_testkit::vendors::{Answered, Fault as Planned, StandIn};

use crate::asking::{call, connected, dial, number, session};

const CUSTOMER: &str = "+31612345021";

fn described(url: &str) -> Value {
    json!({
        "api_base_url": url, "hangup_request": "DELETE /calls/{call_id}",
        "hold_request": "POST /calls/{call_id}/hold",
        "resume_request": "POST /calls/{call_id}/resume",
        "transfer_request": r#"POST /calls/{call_id}/transfer {"to":"{to}"}"#,
        "test_request": "GET /extensions",
    })
}

fn opened(config: &Value) -> Session {
    session(connected(config, &[("api_key", "the-key")])).0
}

/// The predecessor's request, to the letter.
#[tokio::test]
async fn a_call_is_placed_with_the_documented_defaults() {
    let api = StandIn::start(Api::new("the-key")).await.unwrap();
    let (session, limits) = session(connected(
        &json!({"api_base_url": api.url()}),
        &[("api_key", "the-key")],
    ));
    let mut asked = dial(CUSTOMER);
    asked.caller_id = Some("+31303033000".to_owned());
    let made = CallVoip.originate(&session, &asked).await.unwrap();
    assert_eq!(made.keys, ["cv:new-call-1"]);
    let sent = &api.asked()[0];
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("POST", "/calls")
    );
    let body = json!({"extension": "100", "target": CUSTOMER, "callerId": "+31303033000"});
    assert_eq!(sent.json(), body);
    assert_eq!(sent.bearer(), Some("the-key"));
    assert_eq!(
        *limits.turns.lock().unwrap(),
        ["originate"],
        "a hundred a second"
    );
    // Without a number to show there is no such member.
    CallVoip.originate(&session, &dial(CUSTOMER)).await.unwrap();
    assert_eq!(
        api.asked()[1].json(),
        json!({"extension": "100", "target": CUSTOMER})
    );
}

/// The key under which the answer names the call is the one its events carry.
#[tokio::test]
async fn the_answer_and_the_events_name_the_call_alike() {
    let api = StandIn::start(Api::new("the-key")).await.unwrap();
    let session = opened(&described(api.url()));
    let made = CallVoip.originate(&session, &dial(CUSTOMER)).await.unwrap();
    let event = br#"{"event":"ringing","callId":"new-call-1","extension":"100","from":"100",
        "to":"+31612345021","direction":"outbound"}"#;
    let decoded = CallVoip.decode(event, &session.connection).unwrap();
    assert!(
        decoded
            .signals
            .iter()
            .all(|signal| signal.keys == made.keys)
    );
    assert!(
        decoded
            .adoption
            .is_some_and(|adoption| adoption.dialled == CUSTOMER)
    );
}

#[tokio::test]
async fn an_answer_without_an_id_is_a_success() {
    let mut vendor = Api::new("the-key");
    vendor.names_calls = false;
    let api = StandIn::start(vendor).await.unwrap();
    let made = CallVoip
        .originate(&opened(&described(api.url())), &dial(CUSTOMER))
        .await;
    assert!(made.unwrap().keys.is_empty());
    assert_eq!(api.vendor().calls().len(), 1);
}

#[tokio::test]
async fn request_key_and_answer_are_settings() {
    let mut vendor = Api::new("the-key");
    vendor.key_in_header = true;
    let api = StandIn::start(vendor).await.unwrap();
    let mut config = described(api.url());
    config["api_auth"] = json!("x-api-key");
    config["originate_request"] =
        json!(r#"POST /calls {"target":"{target}","extension":"{extension}"}"#);
    config["call_id_field"] = json!("data.id");
    let answer = Answered::json(201, json!({"data": {"id": 77}}));
    api.fail("POST", "/calls", Planned::Answer(answer));
    let made = CallVoip
        .originate(&opened(&config), &dial(CUSTOMER))
        .await
        .unwrap();
    assert_eq!(made.keys, ["cv:77"]);
    assert_eq!(api.asked()[0].header("x-api-key"), Some("the-key"));
    assert_eq!(api.asked()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_call_is_held_resumed_transferred_and_hung_up() {
    let api = StandIn::start(Api::new("the-key")).await.unwrap();
    let session = opened(&described(api.url()));
    let made = CallVoip.originate(&session, &dial(CUSTOMER)).await.unwrap();
    let handle = call(&made.keys[0], CUSTOMER);
    let steer = |control: Control| {
        let (session, handle) = (&session, &handle);
        async move { CallVoip.control(session, handle, &control).await }
    };
    let state = || api.vendor().calls()[0].state.clone();
    steer(Control::Hold).await.unwrap();
    assert_eq!(state(), "held");
    assert_eq!(steer(Control::Hold).await.unwrap_err().fault, Fault::State);
    steer(Control::Resume).await.unwrap();
    steer(Control::TransferBlind { to: number("101") })
        .await
        .unwrap();
    assert_eq!(state(), "transferred");
    steer(Control::HangUp).await.unwrap();
    assert!(api.vendor().calls().is_empty());
    assert_eq!(steer(Control::HangUp).await.unwrap_err().fault, Fault::Gone);
    for control in [
        Control::Answer,
        Control::TransferAttended { to: number("101") },
        Control::Park,
        Control::Mute { on: true },
    ] {
        assert_eq!(steer(control).await.unwrap_err().fault, Fault::NotSupported);
    }
}

#[tokio::test]
async fn whose_fault_it_is() {
    let api = StandIn::start(Api::new("the-key")).await.unwrap();
    let session = opened(&described(api.url()));
    for (planned, fault) in [
        (Planned::Answer(Answered::empty(401)), Fault::Credentials),
        (Planned::Answer(Answered::empty(403)), Fault::Permission),
        (Planned::Answer(Answered::empty(422)), Fault::Target),
        (Planned::Answer(Answered::empty(503)), Fault::Uncertain),
        (Planned::LoseAnswer, Fault::Uncertain),
        (
            Planned::Answer(Answered::empty(429).with("retry-after", "1")),
            Fault::RateLimited,
        ),
    ] {
        api.fail("POST", "/calls", planned.clone());
        let before = api.asked().len();
        let error = CallVoip
            .originate(&session, &dial(CUSTOMER))
            .await
            .unwrap_err();
        assert_eq!(error.fault, fault, "{planned:?}");
        assert_eq!(
            api.asked().len(),
            before + 1,
            "never asked twice: {planned:?}"
        );
    }
    let before = api.asked().len();
    for target in ["sip:attacker@evil.example", "1\",\"x\":\"1", ""] {
        let error = CallVoip
            .originate(&session, &dial(target))
            .await
            .unwrap_err();
        assert_eq!(error.fault, Fault::Target, "{target}");
    }
    assert_eq!(api.asked().len(), before, "not even asked");
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong() {
    let api = StandIn::start(Api::new("the-key")).await.unwrap();
    let found = CallVoip.diagnose(&opened(&described(api.url()))).await;
    assert!(found.iter().all(|check| check.ok), "{found:#?}");
    assert_eq!(api.asked()[0].path, "/extensions");
    let (wrong, _) = session(connected(&described(api.url()), &[("api_key", "old")]));
    let found = CallVoip.diagnose(&wrong).await;
    let bad = found.iter().find(|check| !check.ok).unwrap();
    assert!(bad.detail.contains("set api_key"), "{}", bad.detail);
    // Without a request that is known to exist.
    let plain = opened(&json!({"api_base_url": api.url()}));
    let found = CallVoip.diagnose(&plain).await;
    assert!(found.iter().all(|check| check.ok), "{found:#?}");
    let away = opened(&json!({"api_base_url": "http://127.0.0.1:1"}));
    let found = CallVoip.diagnose(&away).await;
    assert!(found.iter().any(|check| !check.ok), "{found:#?}");
}

#[test]
fn settings_are_checked_and_what_is_lacking_is_said() {
    for (config, field) in [
        (json!({"originate_request": "CALL /x"}), "originate_request"),
        (json!({"hold_request": "POST /{nobody}"}), "hold_request"),
        (
            json!({"api_base_url": "https://x.example?k=1"}),
            "api_base_url",
        ),
        (json!({"api_base_url": "https://x.example"}), "api_key"),
    ] {
        let fault = CallVoip.check_config(&connected(&config, &[])).unwrap_err();
        assert!(fault.to_string().contains(field), "{config}: {fault}");
    }
    let seen_only = connected(&json!({}), &[]);
    let why = CallVoip.lacks(Capability::Originate, &seen_only).unwrap();
    assert!(why.contains("api_base_url"), "{why}");
    let config = json!({"api_base_url": "https://x.example"});
    let able = connected(&config, &[("api_key", "k")]);
    assert_eq!(CallVoip.lacks(Capability::Originate, &able), None);
    let why = CallVoip.lacks(Capability::ControlHangUp, &able).unwrap();
    assert!(why.contains("hangup_request"), "{why}");
    assert!(CallVoip.lacks(Capability::ControlDtmf, &able).is_some());
}
