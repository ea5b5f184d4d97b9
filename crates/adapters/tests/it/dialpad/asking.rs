//! Signing in, looking after the connection, the call log and recordings, against the stand-in.

use jiff::SignedDuration;
use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_engine::adapter::Adapter;
use switchhook_engine::command::{Check, Fault};
use switchhook_engine::oauth::SignInState;
use switchhook_engine::ports::Clock;
use switchhook_testkit::vendors::{Answered, Fault as Wrong};

use super::stand::{BACK, Desk, KEY};
use crate::fixture;

fn bad(checks: &[Check]) -> Vec<&str> {
    let bad = checks.iter().filter(|check| !check.ok);
    bad.map(|check| check.detail.as_str()).collect()
}

#[tokio::test]
async fn a_person_signs_in_and_the_token_is_kept_alive() {
    let desk = Desk::by_oauth().await;
    let said = bad(&Dialpad.diagnose(&desk.session).await).join(" ");
    assert!(said.contains("Nobody has signed in"), "{said}");
    desk.sign_in().await;
    let checks = Dialpad.diagnose(&desk.session).await;
    assert!(bad(&checks).is_empty(), "{checks:?}");
    // Dialpad refuses the token long before its time: renewed once, nobody notices.
    desk.clock.advance(SignedDuration::from_mins(2));
    desk.vendor.vendor().expire_tokens();
    assert!(bad(&Dialpad.diagnose(&desk.session).await).is_empty());
    desk.clock.advance(SignedDuration::from_mins(61));
    assert!(bad(&Dialpad.diagnose(&desk.session).await).is_empty());
    let refreshed = desk.vendor.asked_of("POST", "/oauth2/token").len();
    assert_eq!(refreshed, 3, "one code, two refreshes");
    assert_eq!(
        desk.tokens.disconnect(&desk.connection).await.unwrap(),
        None
    );
    assert_eq!(desk.vendor.asked_of("POST", "/oauth2/deauthorize").len(), 1);
}

#[tokio::test]
async fn a_sign_in_that_dialpad_took_back_is_said() {
    let desk = Desk::by_oauth().await;
    desk.sign_in().await;
    desk.vendor.vendor().take_access_back();
    desk.clock.advance(SignedDuration::from_mins(2));
    let said = bad(&Dialpad.diagnose(&desk.session).await).join(" ");
    assert!(said.contains("sign in again"), "{said}");
    let status = desk.tokens.status(&desk.connection).await.unwrap().unwrap();
    assert_eq!(status.state, SignInState::Failed);
}

#[tokio::test]
async fn a_person_who_says_no_brings_the_reason() {
    let desk = Desk::by_oauth().await;
    desk.vendor.vendor().person_agrees(false);
    let begun = desk
        .tokens
        .begin(&desk.connection, BACK, None, None)
        .await
        .unwrap();
    let query = desk.follow(&begun.authorize_url).await;
    assert!(query.contains(&("error".to_owned(), "access_denied".to_owned())));
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_in_a_sentence() {
    let desk = Desk::new().await;
    let checks = Dialpad.diagnose(&desk.session).await;
    assert!(
        checks.iter().all(|check| check.ok) && checks.len() == 3,
        "{checks:?}"
    );
    let desk = Desk::with(&json!({}), &[("api_key", "an agent's key")]).await;
    let said = Dialpad.diagnose(&desk.session).await;
    assert!(bad(&said)[0].contains("company administrator"), "{said:?}");
    let desk = Desk::new().await;
    let no = Answered::json(403, json!({ "error": { "message": "scope" } }));
    desk.vendor.fail("GET", "/api/v2/call", Wrong::Answer(no));
    let said = Dialpad.diagnose(&desk.session).await;
    assert!(bad(&said)[0].contains("calls:list"), "{said:?}");
    for (wrong, words) in [
        (Wrong::Drop, "did not answer"),
        (Wrong::Answer(Answered::empty(502)), "has a fault"),
    ] {
        let desk = Desk::new().await;
        desk.vendor.fail("GET", "/api/v2/company", wrong);
        let said = Dialpad.diagnose(&desk.session).await;
        assert!(bad(&said)[0].contains(words), "{said:?}");
    }
    let listens = Desk::with(&json!({}), &[]).await;
    assert!(bad(&Dialpad.diagnose(&listens.session).await).is_empty());
    assert!(listens.vendor.asked().is_empty());
}

/// A concluded call, its numbers of 64 bits as texts.
fn concluded(id: u64, started: i64, answered: bool) -> Value {
    let text = |at: i64| Value::from(at.to_string());
    json!({
        "call_id": id.to_string(), "state": "hangup", "direction": "inbound",
        "date_started": text(started), "date_rang": text(started + 1_000),
        "date_connected": if answered { text(started + 8_000) } else { Value::Null },
        "date_ended": text(started + 30_000), "event_timestamp": text(started + 30_500),
        "external_number": "+31612345678", "internal_number": "+31201234567",
        "target": { "id": "4900000000000001", "type": "user", "name": "Ada" },
        "custom_data": null, "duration": 22_000.0,
    })
}

#[tokio::test]
async fn the_call_log_fills_a_gap_page_by_page() {
    let desk = Desk::new().await;
    let to = desk.clock.now();
    let from = to - SignedDuration::from_mins(30);
    let at = |minutes: i64| (to - SignedDuration::from_mins(minutes)).as_millisecond();
    let vendor = desk.vendor.vendor();
    vendor.log(concluded(5_600_000_000_000_001, at(45), true));
    for i in 0..5 {
        let id = 5_600_000_000_000_010 + u64::try_from(i).unwrap();
        vendor.log(concluded(id, at(25 - i), i % 2 == 0));
    }
    vendor.log(json!({ "date_started": at(10).to_string(), "state": 7 }));
    let signals = Dialpad.reconcile(&desk.session, from, to).await.unwrap();
    let folded = fixture::fold("dialpad", &[signals]);
    let calls = folded["calls"].as_array().unwrap();
    let statuses: Vec<_> = calls
        .iter()
        .map(|call| call["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses.len(), 5);
    assert_eq!(
        statuses
            .iter()
            .filter(|status| **status == "missed")
            .count(),
        2
    );
    assert_eq!(
        desk.vendor.asked_of("GET", "/api/v2/call").len(),
        3,
        "pages of two"
    );
}

#[tokio::test]
async fn a_link_to_a_recording_is_made_only_when_chosen() {
    let known = Recording {
        state: RecordingState::Available,
        url: Some("https://dialpad.com/blob/adminrecording/6000000000000001.mp3".to_owned()),
        ..Recording::default()
    };
    let desk = Desk::new().await;
    let looked = Dialpad
        .recheck_recording(&desk.session, "6000000000000001", &known)
        .await;
    assert_eq!(looked.unwrap_err().fault, Fault::NotSupported);
    assert!(desk.vendor.asked().is_empty());

    let config = json!({ "recording_links": "company" });
    let desk = Desk::with(&config, &[("api_key", KEY)]).await;
    desk.vendor.vendor().record("6000000000000001");
    let seen = Dialpad
        .recheck_recording(&desk.session, "6000000000000001", &known)
        .await;
    let url = seen.unwrap().recording.url.unwrap();
    assert!(url.starts_with("https://dialpad.com/shared/"), "{url}");
    let body = desk.vendor.asked_of("POST", "/api/v2/recordingsharelink")[0].json();
    assert_eq!(body["recording_type"], "admincallrecording");
    assert_eq!(body["privacy"], "company");
    let gone = Dialpad
        .recheck_recording(&desk.session, "6000000000000009", &known)
        .await;
    assert_eq!(gone.unwrap().recording.state, RecordingState::Gone);
}
