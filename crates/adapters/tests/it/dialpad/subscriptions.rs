//! Webhook and subscriptions, made and kept at the stand-in.

use serde_json::{Value, json};
use switchhook_adapters::dialpad::Dialpad;
use switchhook_engine::adapter::Adapter;
use switchhook_engine::command::{CommandError, Fault, Subscribed};
use switchhook_testkit::vendors::{Answered, Fault as Wrong};

use super::stand::{Desk, HOOK, wanted};

async fn subscribe(desk: &Desk, state: &Value) -> Subscribed {
    let made = Dialpad.subscribe(&desk.session, &wanted(state)).await;
    made.unwrap_or_else(|half| panic!("{} with {}", half.error, half.state))
}

async fn fails(desk: &Desk, state: &Value) -> (Value, CommandError) {
    let half = Dialpad
        .subscribe(&desk.session, &wanted(state))
        .await
        .unwrap_err();
    (half.state, half.error)
}

fn count(desk: &Desk) -> [usize; 4] {
    let vendor = desk.vendor.vendor();
    let kinds = ["call", "sms", "agent_status"].map(|kind| vendor.subscriptions(kind).len());
    [vendor.webhooks().len(), kinds[0], kinds[1], kinds[2]]
}

fn changes(desk: &Desk) -> usize {
    desk.vendor
        .asked()
        .iter()
        .filter(|asked| asked.method != "GET")
        .count()
}

#[tokio::test]
async fn everything_is_made_once_with_our_secret() {
    let desk = Desk::new().await;
    let first = subscribe(&desk, &Value::Null).await;
    assert!(!first.was_lost && first.expires_at.is_none());
    assert_eq!(count(&desk), [1, 1, 1, 1]);
    let vendor = desk.vendor.vendor();
    let webhook = &vendor.webhooks()[0];
    assert_eq!(webhook["hook_url"], HOOK);
    assert_eq!(webhook["signature"]["secret"], "the hook's secret");
    let calls = &vendor.subscriptions("call")[0];
    let states = calls["call_states"].as_array().unwrap();
    assert!(states.contains(&json!("ringing")) && states.contains(&json!("dispositions")));
    assert_eq!(vendor.subscriptions("sms")[0]["status"], true);
    assert!(
        !first.state.to_string().contains("secret"),
        "{}",
        first.state
    );
    let made = changes(&desk);
    let again = subscribe(&desk, &first.state).await;
    assert_eq!((again.state, again.was_lost), (first.state, false));
    assert_eq!(changes(&desk), made, "nothing was changed");
}

#[tokio::test]
async fn what_others_set_up_by_hand_is_used_and_put_right() {
    let desk = Desk::new().await;
    let post = |path: &str, body: Value| {
        let made = desk.vendor.vendor().by_hand(super::stand::KEY, path, &body);
        assert_eq!(made.status, 200, "{}", made.body);
        made.body["id"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let ours = post("webhooks", json!({ "hook_url": HOOK, "secret": "old" }));
    let double = post("webhooks", json!({ "hook_url": HOOK }));
    let other = post(
        "webhooks",
        json!({ "hook_url": "https://crm.example/hook" }),
    );
    for hook in [ours, double, other] {
        let body = json!({ "endpoint_id": hook, "call_states": ["ringing"], "enabled": false });
        post("subscriptions/call", body);
    }
    let made = subscribe(&desk, &Value::Null).await;
    assert!(!made.was_lost, "nothing of ours was gone");
    assert_eq!(count(&desk), [2, 2, 1, 1]);
    let vendor = desk.vendor.vendor();
    let webhooks = vendor.webhooks();
    let mine = webhooks
        .iter()
        .find(|hook| hook["hook_url"] == HOOK)
        .unwrap();
    assert_eq!(mine["signature"]["secret"], "the hook's secret");
    let calls = vendor.subscriptions("call");
    let mine = calls
        .iter()
        .find(|call| call["webhook"]["id"] == mine["id"])
        .unwrap();
    assert_eq!(mine["enabled"], true);
    assert!(mine["call_states"].as_array().unwrap().len() > 10);
    Dialpad
        .unsubscribe(&desk.session, &made.state)
        .await
        .unwrap();
    assert_eq!(count(&desk), [1, 1, 0, 0], "what is not ours stays");
    Dialpad
        .unsubscribe(&desk.session, &made.state)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_lost_is_made_anew_and_said() {
    let desk = Desk::new().await;
    let first = subscribe(&desk, &Value::Null).await;
    desk.vendor.vendor().forget_subscriptions();
    let second = subscribe(&desk, &first.state).await;
    assert!(second.was_lost);
    assert_eq!(count(&desk), [1, 1, 1, 1]);
    assert!(!subscribe(&desk, &second.state).await.was_lost);
}

#[tokio::test]
async fn whatever_fails_half_way_is_gone_on_with_and_leaves_no_doubles() {
    let steps = [
        "webhooks",
        "subscriptions/call",
        "subscriptions/sms",
        "subscriptions/agent_status",
    ];
    for step in steps {
        for wrong in [
            Wrong::Drop,
            Wrong::LoseAnswer,
            Wrong::Answer(Answered::empty(503)),
        ] {
            let desk = Desk::new().await;
            let what = format!("{step} {wrong:?}");
            desk.vendor.fail("POST", &format!("/api/v2/{step}"), wrong);
            let (state, error) = fails(&desk, &Value::Null).await;
            assert!(error.fault.is_passing(), "{what}: {error}");
            let made = subscribe(&desk, &state).await;
            assert_eq!(count(&desk), [1, 1, 1, 1], "{what}");
            assert!(!made.was_lost, "{what}");
            // Taken back although the state knows of nothing but the address.
            Dialpad.unsubscribe(&desk.session, &state).await.unwrap();
            assert_eq!(count(&desk), [0, 0, 0, 0], "{what}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_no_administrators_gets_calls_and_messages() {
    let desk = Desk::with(&json!({}), &[("api_key", "an agent's key")]).await;
    let made = subscribe(&desk, &Value::Null).await;
    assert_eq!(count(&desk), [1, 1, 1, 0]);
    assert_eq!(made.state.get("agent_status"), None);
    Dialpad
        .unsubscribe(&desk.session, &made.state)
        .await
        .unwrap();
    assert_eq!(count(&desk), [0, 0, 0, 0]);
}

#[tokio::test]
async fn one_target_and_chosen_states_are_asked_for() {
    let config = json!({
        "target_type": "office", "target_id": "4800000000000001",
        "call_states": ["hangup", "ringing"],
    });
    let desk = Desk::with(&config, &[("api_key", super::stand::KEY)]).await;
    let made = subscribe(&desk, &Value::Null).await;
    let calls = &desk.vendor.vendor().subscriptions("call")[0];
    assert_eq!(calls["target_type"], "office");
    assert_eq!(calls["target_id"], "4800000000000001");
    assert_eq!(calls["call_states"], json!(["hangup", "ringing"]));
    let before = changes(&desk);
    subscribe(&desk, &made.state).await;
    assert_eq!(
        changes(&desk),
        before,
        "a target written as text is the same target"
    );
}

#[tokio::test]
async fn a_refused_key_says_what_to_do() {
    let desk = Desk::with(&json!({}), &[("api_key", "revoked")]).await;
    let (_, error) = fails(&desk, &Value::Null).await;
    assert_eq!(error.fault, Fault::Credentials);
    assert!(error.detail.contains("new API key"), "{error}");
    let by_hand = json!({ "subscriptions": "by_hand" });
    let desk = Desk::with(&by_hand, &[("api_key", super::stand::KEY)]).await;
    assert!(!Dialpad.keeps_subscription(&desk.connection.context));
}
