//! Placing and steering calls, against the stand-in.

use std::time::Duration;

use serde_json::json;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::id::DialId;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::command::{AgentDevice, Control, Fault, Originate};
use switchhook_testkit::vendors::{Answered, Fault as Wrong};
use uuid::Uuid;

use super::stand::{ADA, Desk, KEY, ada, handle};
use crate::fixture;

fn number(raw: &str) -> PhoneNumber {
    PhoneNumber::parse(raw, &NumberPlan::default())
}

fn originate() -> Originate {
    Originate {
        dial_id: DialId(Uuid::from_u128(0x77)),
        agent: ada(),
        target: number("+31612345678"),
        caller_id: Some("+31201234500".to_owned()),
    }
}

#[tokio::test]
async fn a_call_is_placed_and_its_events_carry_the_dial() {
    let desk = Desk::new().await;
    let placed = Dialpad
        .originate(&desk.session, &originate())
        .await
        .unwrap();
    let asked = desk.vendor.asked_of("POST", "/api/v2/call");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].bearer(), Some(KEY));
    let dial = format!("dial:{}", Uuid::from_u128(0x77));
    assert_eq!(
        asked[0].json(),
        json!({
            "phone_number": "+31612345678", "user_id": ADA, "custom_data": dial,
            "outbound_caller_id": "+31201234500",
        })
    );
    // The events of that call, as Dialpad sends them, have both names.
    let call_id = placed.keys[0].strip_prefix("dp:").unwrap();
    let event = json!({
        "call_id": call_id.parse::<u64>().unwrap(), "state": "calling", "direction": "outbound",
        "event_timestamp": 1_795_341_600_000_u64, "custom_data": dial,
        "external_number": "+31612345678", "target": { "id": ADA, "type": "user" },
    });
    let connection = fixture::connection(&[]);
    let decoded = Dialpad
        .decode(event.to_string().as_bytes(), &connection)
        .unwrap();
    let keys = &decoded.signals[0].keys;
    assert!(
        keys.contains(&placed.keys[0]) && keys.contains(&dial),
        "{keys:?}"
    );
    for other in ["crm:42", "dial:", "dial:42", "dial:'; --"] {
        let mut event = event.clone();
        event["custom_data"] = other.into();
        let decoded = Dialpad
            .decode(event.to_string().as_bytes(), &connection)
            .unwrap();
        assert_eq!(decoded.signals[0].keys, placed.keys, "{other}");
    }
}

#[tokio::test]
async fn every_way_of_not_placing_a_call_is_named_and_none_is_repeated() {
    let refusal =
        |status| Wrong::Answer(Answered::json(status, json!({"error": {"message": "no"}})));
    for (wrong, fault) in [
        (refusal(400), Fault::Target),
        (refusal(401), Fault::Credentials),
        (refusal(403), Fault::Permission),
        (refusal(404), Fault::Device),
        (refusal(409), Fault::State),
        (refusal(429), Fault::RateLimited),
        (refusal(500), Fault::Uncertain),
        (Wrong::Drop, Fault::Uncertain),
        (Wrong::LoseAnswer, Fault::Uncertain),
    ] {
        let desk = Desk::new().await;
        let what = format!("{wrong:?}");
        desk.vendor.fail("POST", "/api/v2/call", wrong);
        let error = Dialpad
            .originate(&desk.session, &originate())
            .await
            .unwrap_err();
        assert_eq!(error.fault, fault, "{what}: {error}");
        assert_eq!(
            desk.vendor.asked_of("POST", "/api/v2/call").len(),
            1,
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_dialpad_cannot_dial_is_not_asked() {
    let desk = Desk::new().await;
    let extension = Originate {
        target: number("102"),
        ..originate()
    };
    let nobody = Originate {
        agent: AgentDevice::default(),
        ..originate()
    };
    for (asked, fault) in [(extension, Fault::Target), (nobody, Fault::Device)] {
        let error = Dialpad.originate(&desk.session, &asked).await.unwrap_err();
        assert_eq!(error.fault, fault);
    }
    assert!(desk.vendor.asked().is_empty());
}

#[tokio::test]
async fn five_calls_a_minute_for_each_user_and_retry_after_is_kept() {
    let desk = Desk::new().await;
    for _ in 0..5 {
        Dialpad
            .originate(&desk.session, &originate())
            .await
            .unwrap();
    }
    let error = Dialpad
        .originate(&desk.session, &originate())
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::RateLimited);
    assert_eq!(error.retry_after, Some(Duration::from_secs(60)));
    let asked = desk.vendor.asked_of("POST", "/api/v2/call").len();
    assert_eq!(asked, 5, "the sixth did not even go out");

    let desk = Desk::new().await;
    let later = Answered::empty(429).with("retry-after", "17");
    desk.vendor
        .fail("POST", "/api/v2/call", Wrong::Answer(later));
    for _ in 0..2 {
        let error = Dialpad
            .originate(&desk.session, &originate())
            .await
            .unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
    }
    assert_eq!(desk.vendor.asked_of("POST", "/api/v2/call").len(), 1);
}

#[tokio::test]
async fn a_call_is_hung_up_transferred_and_recorded() {
    let desk = Desk::new().await;
    let vendor = desk.vendor.vendor();
    let ask = async |call: u64, control: Control| {
        Dialpad
            .control(&desk.session, &handle(call), &control)
            .await
    };
    let call = vendor.call_of(ADA);
    ask(call, Control::Recording { on: false }).await.unwrap();
    ask(call, Control::HangUp).await.unwrap();
    let error = ask(call, Control::HangUp).await.unwrap_err();
    assert_eq!(error.fault, Fault::State);
    ask(1, Control::HangUp).await.unwrap();
    let error = ask(call, Control::Recording { on: true })
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Gone);

    let call = vendor.call_of(ADA);
    let to = number("+31201234599");
    ask(call, Control::TransferBlind { to }).await.unwrap();
    let call = vendor.call_of(ADA);
    ask(call, Control::TransferBlind { to: number("101") })
        .await
        .unwrap();
    let path = format!("/api/v2/call/{call}/transfer");
    let body = desk.vendor.asked_of("POST", &path)[0].json();
    assert_eq!(
        body,
        json!({ "to": { "target_id": ADA, "target_type": "user" } })
    );
    let error = ask(call, Control::TransferBlind { to: number("999") })
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Target);
}

#[tokio::test]
async fn a_call_without_a_known_id_is_not_asked_for() {
    let desk = Desk::new().await;
    let mut call = handle(7);
    call.legs.clear();
    call.keys = vec!["dial:x".to_owned()];
    call.external_call_id = "../company".to_owned();
    let error = Dialpad
        .control(&desk.session, &call, &Control::HangUp)
        .await;
    assert_eq!(error.unwrap_err().fault, Fault::State);
    assert!(desk.vendor.asked().is_empty());
}

#[tokio::test]
async fn what_dialpad_lacks_is_said_with_the_reason() {
    let desk = Desk::new().await;
    let spec = Dialpad.spec();
    for capability in Capability::ALL {
        let can = spec.capabilities.contains(&capability);
        let lacks = Dialpad.lacks(capability, &desk.connection.context);
        assert_eq!(lacks.is_none(), can, "{capability:?}");
        assert!(lacks.is_none_or(|why| why.ends_with('.')));
    }
    for control in [
        Control::Answer,
        Control::Reject,
        Control::Hold,
        Control::Resume,
        Control::Park,
        Control::Mute { on: true },
        Control::Dtmf {
            digits: "1".to_owned(),
        },
        Control::TransferAttended { to: number("101") },
    ] {
        let error = Dialpad
            .control(&desk.session, &handle(7), &control)
            .await
            .unwrap_err();
        assert_eq!(error.fault, Fault::NotSupported, "{control:?}");
    }
    let listens = Desk::with(&json!({}), &[]).await;
    let why = Dialpad
        .lacks(Capability::Originate, &listens.connection.context)
        .unwrap();
    assert!(why.contains("API key"), "{why}");
    let error = Dialpad
        .originate(&listens.session, &originate())
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Credentials);
}
