//! The list of Dialpad's users, against the stand-in, whose pages hold two.

use serde_json::json;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::command::Fault;
use switchhook_engine::platform_users::PlatformUser;
use switchhook_testkit::vendors::dialpad::Dialpad as Vendor;
use switchhook_testkit::vendors::{Answered, Fault as Wrong, StandIn};

use super::stand::{ADA, Desk, KEY};

async fn desk() -> Desk {
    let vendor = Vendor::default()
        .with_key(KEY, true, &[])
        .with_user(ADA, "101", "+31201234567")
        .with_person(
            ADA + 1,
            "102",
            "Bob Bakker",
            &["Bob@example.com", "b@x.nl"],
            "active",
        )
        .with_person(ADA + 2, "", "Lobby", &[], "active")
        .with_person(ADA + 3, "104", "Gone", &["gone@example.com"], "suspended");
    Desk::of(
        StandIn::start(vendor).await.unwrap(),
        &json!({}),
        &[("api_key", KEY)],
    )
    .await
}

#[tokio::test]
async fn every_page_of_active_users_is_read() {
    let desk = desk().await;
    let first = Dialpad.users(&desk.session, None).await.unwrap();
    assert_eq!(first.users.len(), 2);
    let ada = PlatformUser {
        id: Some(ADA.to_string()),
        name: Some("Ada".to_owned()),
        email: Some("ada@example.com".to_owned()),
        extension: Some("101".to_owned()),
        numbers: vec!["+31201234567".to_owned()],
        state: Some("active".to_owned()),
        device: None,
    };
    assert_eq!(first.users[0], ada);
    assert_eq!(first.users[1].email.as_deref(), Some("Bob@example.com"));
    let second = Dialpad.users(&desk.session, first.next.as_deref()).await;
    let second = second.unwrap();
    assert_eq!((second.users.len(), second.next), (1, None));
    let lobby = &second.users[0];
    assert_eq!((&lobby.email, &lobby.extension), (&None, &None));
    let asked = desk.vendor.asked_of("GET", "/api/v2/users");
    assert!(
        asked
            .iter()
            .all(|asked| asked.query("state") == Some("active"))
    );
    assert!(asked.iter().all(|asked| asked.query("limit").is_none()));
}

#[tokio::test]
async fn a_refusal_says_whose_fault_it_is() {
    let desk = desk().await;
    let refusal = || Answered::json(403, json!({"error": {"message": "admins only"}}));
    desk.vendor
        .fail("GET", "/api/v2/users", Wrong::Answer(refusal()));
    let error = Dialpad.users(&desk.session, None).await.unwrap_err();
    assert_eq!(error.fault, Fault::Permission);
    assert!(
        error.detail.contains("company administrator"),
        "{}",
        error.detail
    );
    let limited = Answered::json(429, json!({})).with("retry-after", "7");
    desk.vendor
        .fail("GET", "/api/v2/users", Wrong::Answer(limited));
    let error = Dialpad.users(&desk.session, None).await.unwrap_err();
    assert_eq!(error.fault, Fault::RateLimited);
    assert_eq!(error.retry_after.unwrap().as_secs(), 7);
    let silent = Desk::with(&json!({}), &[]).await;
    let why = Dialpad.lacks(Capability::ListUsers, &silent.session.connection);
    assert!(why.unwrap().contains("only listens"));
}
