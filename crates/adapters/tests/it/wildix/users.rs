//! The PBX's colleagues, against the stand-in.

use serde_json::json;
use switchhook_adapters::wildix::Wildix;
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::command::{Fault, Session};
use switchhook_engine::platform_users::PlatformUser;
use switchhook_testkit::vendors::wildix::{SignIn, Wildix as Pbx, refused};
use switchhook_testkit::vendors::{Fault as Planned, StandIn};

use crate::asking::{connected, session};

const PATH: &str = "/api/v1/PBX/Colleagues";

async fn pbx() -> (StandIn<Pbx>, Session) {
    let users: Vec<String> = (0..150).map(|nth| format!("{}", 200 + nth)).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut pbx = Pbx::new(SignIn::Token("simple-token".to_owned()), &users);
    let person = |parts: [&str; 3]| {
        let [extension, name, email] = parts.map(str::to_owned);
        (extension, name, email)
    };
    pbx.people = vec![person(["100", "Ada Bakker", "Ada@example.com"])];
    let pbx = StandIn::start(pbx).await.unwrap();
    let config = json!({ "pbx_url": pbx.url() });
    let session = session(connected(&config, &[("api_token", "simple-token")])).0;
    (pbx, session)
}

#[tokio::test]
async fn every_page_of_colleagues_is_read() {
    let (pbx, session) = pbx().await;
    let first = Wildix.users(&session, None).await.unwrap();
    assert_eq!(first.users.len(), 100);
    let second = Wildix.users(&session, first.next.as_deref()).await.unwrap();
    assert_eq!((second.users.len(), &second.next), (51, &None));
    let ada = PlatformUser {
        name: Some("Ada Bakker".to_owned()),
        email: Some("Ada@example.com".to_owned()),
        extension: Some("100".to_owned()),
        // The stand-in has them empty; the engine drops empty texts.
        numbers: vec![String::new(), String::new()],
        ..PlatformUser::default()
    };
    assert_eq!(
        second.users.last(),
        Some(&ada),
        "no id: Wildix's events name none"
    );
    assert_eq!(pbx.asked_of("GET", PATH).len(), 2);
}

#[tokio::test]
async fn a_refusal_says_what_the_token_lacks() {
    let (pbx, session) = pbx().await;
    pbx.fail("GET", PATH, Planned::Answer(refused(403, "Forbidden")));
    let error = Wildix.users(&session, None).await.unwrap_err();
    assert_eq!(error.fault, Fault::Permission);
    assert!(error.detail.contains("colleagues:read"), "{}", error.detail);
    let silent = connected(&json!({}), &[]);
    let why = Wildix.lacks(Capability::ListUsers, &silent).unwrap();
    assert!(why.contains("pbx_url"), "{why}");
}
