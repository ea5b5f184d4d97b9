//! The account's people, against the stand-in.

use switchhook_adapters::ringcentral::RingCentral;
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::command::Fault;
use switchhook_engine::platform_users::PlatformUser;
use switchhook_testkit::vendors::ringcentral::Group;

use super::world::{ADA, World};
use crate::fixture;

const PATH: &str = "/restapi/v1.0/account/~/extension";

#[tokio::test]
async fn people_are_listed_page_by_page_and_queues_are_not() {
    let world = World::new().await;
    let vendor = world.vendor.vendor();
    vendor.hire(ADA, "101", "User", "Ada Bakker", Some("Ada@example.com"));
    vendor.hire(
        "400100900",
        "900",
        "Department",
        "Sales",
        Some("sales@example.com"),
    );
    vendor.hire("400100800", "800", "IvrMenu", "Menu", None);
    for nth in 0..260_u32 {
        let (id, number) = (format!("{}", 500_000_000 + nth), format!("{}", 2000 + nth));
        vendor.hire(&id, &number, "User", &format!("User {nth}"), None);
    }
    vendor.set_status("500000000", "Disabled");
    vendor.set_status("500000001", "NotActivated");
    let first = RingCentral.users(&world.session, None).await.unwrap();
    let ada = PlatformUser {
        id: Some(ADA.to_owned()),
        name: Some("Ada Bakker".to_owned()),
        email: Some("Ada@example.com".to_owned()),
        extension: Some("101".to_owned()),
        state: Some("Enabled".to_owned()),
        ..PlatformUser::default()
    };
    assert_eq!(first.users[0], ada);
    let second = RingCentral
        .users(&world.session, first.next.as_deref())
        .await;
    let second = second.unwrap();
    assert_eq!(second.next, None);
    let all: Vec<_> = first.users.iter().chain(&second.users).collect();
    assert_eq!(all.len(), 2 + 259);
    let has = |extension: &str| {
        all.iter()
            .any(|u| u.extension.as_deref() == Some(extension))
    };
    assert!(has("2001") && has("2259") && !has("2000") && !has("900") && !has("800"));
    assert_eq!(world.vendor.asked_of("GET", PATH).len(), 2);
}

#[tokio::test]
async fn a_missing_right_and_a_reached_limit_are_told_apart() {
    let world = World::new().await;
    world.vendor.vendor().deny("ReadAccounts");
    let error = RingCentral.users(&world.session, None).await.unwrap_err();
    assert_eq!(error.fault, Fault::Permission);
    let world = World::new().await;
    world.vendor.vendor().allow(Group::Medium, 1);
    RingCentral.users(&world.session, None).await.unwrap();
    let error = RingCentral.users(&world.session, None).await.unwrap_err();
    assert_eq!(error.fault, Fault::RateLimited);
    let silent = fixture::connection(&[]);
    let why = RingCentral.lacks(Capability::ListUsers, &silent).unwrap();
    assert!(why.contains("sign in"), "{why}");
}
