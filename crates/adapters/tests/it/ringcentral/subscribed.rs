//! The subscription at RingCentral: made, found again, renewed, replaced, taken back.

use serde_json::{Value, json};
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_engine::adapter::Adapter;
use switchhook_engine::command::{Fault, Session, Subscribed, Wanted};
use switchhook_testkit::vendors::{self, StandIn};

use super::world::{Hook, World};

async fn hook(hook: Hook) -> (StandIn<Hook>, String) {
    let hook = StandIn::start(hook).await.unwrap();
    let address = format!("{}/webhooks/ringcentral/abc", hook.url());
    (hook, address)
}

async fn subscribe(session: &Session, address: &str, state: Value) -> Subscribed {
    let wanted = Wanted {
        webhook_url: address.to_owned(),
        state,
    };
    RingCentral.subscribe(session, &wanted).await.unwrap()
}

async fn refused(session: &Session, address: &str) -> (Fault, Value) {
    let wanted = Wanted {
        webhook_url: address.to_owned(),
        state: Value::Null,
    };
    let half = RingCentral.subscribe(session, &wanted).await.unwrap_err();
    (half.error.fault, half.state)
}

#[tokio::test]
async fn a_subscription_is_made_and_its_events_are_believed() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let made = subscribe(&world.session, &address, Value::Null).await;
    assert!(!made.was_lost && made.expires_at.is_some());
    assert!(!made.state.to_string().contains("hook-secret"));
    let vendor = world.vendor.vendor();
    assert_eq!(vendor.subscriptions().len(), 1);
    assert_eq!(vendor.deliver(&json!({"uuid": "1"})).await, [200]);
}

#[tokio::test]
async fn asking_again_changes_nothing_and_renews_when_it_is_time() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let first = subscribe(&world.session, &address, Value::Null).await;
    let vendor = world.vendor.vendor();
    let ids = vendor.subscriptions();
    let again = subscribe(&world.session, &address, first.state.clone()).await;
    assert_eq!(again, first);
    vendor.expire_subscriptions_in(3600);
    let renewed = subscribe(&world.session, &address, first.state.clone()).await;
    assert_eq!(vendor.subscriptions(), ids);
    let early = first.expires_at.unwrap() - jiff::SignedDuration::from_secs(60);
    assert!(!renewed.was_lost && renewed.expires_at.unwrap() > early);
}

#[tokio::test]
async fn a_lost_or_blacklisted_subscription_is_made_anew_and_said_to_be_lost() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let first = subscribe(&world.session, &address, Value::Null).await;
    let vendor = world.vendor.vendor();
    vendor.blacklist("I/O operation is failed. Details: [Read timed out]");
    let second = subscribe(&world.session, &address, first.state.clone()).await;
    assert!(second.was_lost && second.state != first.state);
    assert_eq!(vendor.subscriptions().len(), 1, "the dead one is deleted");
    vendor.forget_subscriptions();
    let third = subscribe(&world.session, &address, second.state).await;
    assert!(third.was_lost);
    assert_eq!(vendor.subscriptions().len(), 1);
}

/// The answer to the first request is lost, or our state is: what stands there is found by its
/// address and replaced, because its token cannot be read back.
#[tokio::test]
async fn what_was_made_unseen_does_not_pile_up() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let path = "/restapi/v1.0/subscription";
    world.vendor.fail("POST", path, vendors::Fault::LoseAnswer);
    let (fault, state) = refused(&world.session, &address).await;
    assert!(fault.is_passing(), "{fault:?}");
    let vendor = world.vendor.vendor();
    let unseen = vendor.subscriptions();
    assert_eq!(unseen.len(), 1);
    subscribe(&world.session, &address, state).await;
    let now = vendor.subscriptions();
    assert_eq!(now.len(), 1);
    assert_ne!(now, unseen);
}

#[tokio::test]
async fn a_new_secret_gets_a_new_subscription_and_both_are_believed_meanwhile() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["new", "hook-secret"])).await;
    let first = subscribe(&world.session, &address, Value::Null).await;
    let vendor = world.vendor.vendor();
    assert_eq!(vendor.deliver(&json!({"uuid": "1"})).await, [200]);
    let rotating = world.with_secrets(&["new", "hook-secret"]);
    let second = subscribe(&rotating, &address, first.state.clone()).await;
    assert_ne!(second.state, first.state);
    assert!(!second.was_lost, "the old one stood until then");
    assert_eq!(vendor.deliver(&json!({"uuid": "2"})).await, [200]);
}

#[tokio::test]
async fn an_address_that_does_not_answer_as_it_must_is_our_setting() {
    let world = World::new().await;
    for bad in [
        Hook {
            is_away: true,
            ..Hook::new(&["hook-secret"])
        },
        Hook {
            padding: 1_000,
            ..Hook::new(&["hook-secret"])
        },
    ] {
        let (_hook, address) = hook(bad).await;
        let (fault, _) = refused(&world.session, &address).await;
        assert_eq!(fault, Fault::Settings);
    }
    assert!(world.vendor.vendor().subscriptions().is_empty());
}

/// Compensation: a subscription that brings no calls is worth nothing and is not left behind.
#[tokio::test]
async fn without_call_events_the_subscription_is_taken_back() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    world.vendor.vendor().deny("CallControl");
    let (fault, _) = refused(&world.session, &address).await;
    assert_eq!(fault, Fault::Permission);
    assert!(world.vendor.vendor().subscriptions().is_empty());
}

#[tokio::test]
async fn less_important_events_may_be_left_out() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let vendor = world.vendor.vendor();
    vendor.deny("ReadMessages");
    subscribe(&world.session, &address, Value::Null).await;
    assert_eq!(vendor.subscriptions().len(), 1);
    let checks = RingCentral.diagnose(&world.session).await;
    let bad: Vec<&str> = checks
        .iter()
        .filter(|c| !c.ok)
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(bad, ["events"], "{checks:?}");
}

#[tokio::test]
async fn unsubscribing_twice_is_no_error() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let made = subscribe(&world.session, &address, Value::Null).await;
    for _ in 0..2 {
        let gone = RingCentral.unsubscribe(&world.session, &made.state).await;
        gone.unwrap();
    }
    assert!(world.vendor.vendor().subscriptions().is_empty());
    let nothing = RingCentral.unsubscribe(&world.session, &Value::Null).await;
    nothing.unwrap();
}

#[tokio::test]
async fn the_doctor_says_in_one_sentence_what_is_wrong() {
    let world = World::new().await;
    let (_hook, address) = hook(Hook::new(&["hook-secret"])).await;
    let bad = async || {
        let checks = RingCentral.diagnose(&world.session).await;
        for check in &checks {
            assert!(check.detail.ends_with('.'), "{check:?}");
        }
        let bad = checks.into_iter().filter(|check| !check.ok);
        bad.map(|check| check.name).collect::<Vec<_>>()
    };
    assert_eq!(bad().await, ["subscription"]);
    subscribe(&world.session, &address, Value::Null).await;
    assert!(bad().await.is_empty());
    let vendor = world.vendor.vendor();
    vendor.blacklist("Webhook responses with code: [404], reason: [Not Found]");
    assert_eq!(bad().await, ["address"]);
    vendor.deny("CallControl");
    assert_eq!(bad().await, ["permissions", "address"]);
    world.vendor.fail(
        "GET",
        "/restapi/v1.0/account/~/extension/~",
        vendors::Fault::Answer(vendors::Answered::json(
            403,
            json!({"errorCode": "OAU-128", "message": "Access token is expired"}),
        )),
    );
    assert_eq!(bad().await, ["sign-in"]);
}
