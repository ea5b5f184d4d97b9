//! RingCentral's WebSocket while nothing is wrong: how it is opened, what is handed on, and that
//! both sides hear enough of one another.

use std::time::Duration;

use serde_json::{Value, json};
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_engine::adapter::Adapter;
use switchhook_testkit::vendors::ringcentral::Terms;

use super::live::Live;
use crate::fixture::{self, connection};

#[tokio::test]
async fn events_come_over_the_socket_as_a_webhook_would_carry_them() {
    let live = Live::up(Terms::default()).await;
    assert_eq!(live.vendor().listening(), 1);
    assert!(
        live.vendor().subscriptions().is_empty(),
        "no webhook is made"
    );
    let body = json!({ "uuid": "868070650491024076", "timestamp": "2026-11-22T12:00:00Z",
        "event": "/restapi/v1.0/account/400100100/telephony/sessions", "ownerId": "400100100",
        "body": { "sequence": 7, "parties": [], "big": 12_756_735_005_u64 } });
    live.vendor().tell(&body).await;
    live.until("it is handed on", |live| live.frames().len() == 1)
        .await;
    let mut heard = live.frames().swap_remove(0);
    let id = heard["subscriptionId"].take();
    assert!(id.as_str().is_some_and(|id| !id.is_empty()));
    heard.as_object_mut().unwrap().remove("subscriptionId");
    assert_eq!(heard, body);
    let asked = live.world.vendor.asked();
    assert_eq!(asked.len(), 1, "one token and nothing else: {asked:?}");
    live.stop().await;
    assert_eq!(live.vendor().misdeeds(), Vec::<String>::new());
    assert!(
        matches!(live.ends().as_slice(), [Ok(())]),
        "{:?}",
        live.ends()
    );
    live.until("the server has noticed", |live| {
        live.vendor().listening() == 0
    })
    .await;
}

/// Every story of the simulator, over the socket and by webhook: the same record.
#[tokio::test]
async fn every_story_ends_in_the_record_it_ends_in_by_webhook() {
    let live = Live::up(Terms::default()).await;
    let context = connection(&["s"]);
    for (nth, scenario) in (0..).zip(Scenario::ALL.iter().copied()) {
        let seed = CallSeed::new(nth, "2026-11-22T12:00:00Z".parse().unwrap());
        let steps = simulate::ringcentral(scenario, &seed, "s");
        assert!(!steps.is_empty());
        let bodies: Vec<Value> = steps
            .iter()
            .map(|step| serde_json::from_slice(&step.body).unwrap())
            .collect();
        let before = live.frames().len();
        for body in &bodies {
            live.vendor().tell(body).await;
        }
        let all = before + bodies.len();
        live.until("all are handed on", |live| live.frames().len() == all)
            .await;
        let decode = |body: &[u8]| RingCentral.decode(body, &context).unwrap().signals;
        let by_webhook: Vec<_> = steps.iter().map(|step| decode(&step.body)).collect();
        let raw = live.raw();
        let by_socket: Vec<_> = raw[before..]
            .iter()
            .map(|raw| decode(raw.as_bytes()))
            .collect();
        assert_eq!(by_socket, by_webhook, "{scenario:?}");
        assert_eq!(
            fixture::fold("ringcentral", &by_socket),
            fixture::fold("ringcentral", &by_webhook)
        );
    }
}

#[tokio::test]
async fn nothing_is_said_before_the_server_has_said_how() {
    let live = Live::up(Terms {
        first_word_after: Duration::from_millis(500),
        ..Terms::default()
    })
    .await;
    assert_eq!(live.vendor().misdeeds(), Vec::<String>::new());
    assert_eq!(
        live.log_reads(),
        [],
        "nothing was ever heard, so there is no gap"
    );
}

/// The server hears us before its patience ends, and its pings are answered.
#[tokio::test]
async fn a_quiet_link_stays_up() {
    let live = Live::up(Terms {
        idle_timeout: 3,
        ping_every: Duration::from_millis(200),
        pong_within: Duration::from_millis(900),
        ..Terms::default()
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    live.tell("late").await;
    live.until("it is heard", |live| live.told() == ["late"])
        .await;
    assert_eq!(live.begun(), ["new"], "it is still the first connection");
    let beats = live.vendor().heartbeats();
    assert!((3..=7).contains(&beats), "{beats} heartbeats");
    assert_eq!(live.vendor().misdeeds(), Vec::<String>::new());
}

#[tokio::test]
async fn a_subscription_that_names_an_end_is_renewed_before() {
    let live = Live::up(Terms {
        expires_in: 2,
        ..Terms::default()
    })
    .await;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    live.tell("late").await;
    live.until("it is heard", |live| live.told() == ["late"])
        .await;
    assert!(
        live.vendor().renewals() >= 2,
        "{}",
        live.vendor().renewals()
    );
    assert_eq!(
        (live.begun(), live.ups() > 1),
        (vec!["new".to_owned()], true)
    );
}

/// One that is gone when it is to be renewed is made anew on the same socket, and what was missed
/// is looked up.
#[tokio::test]
async fn a_subscription_that_cannot_be_renewed_is_made_anew() {
    let live = Live::up(Terms {
        expires_in: 2,
        ..Terms::default()
    })
    .await;
    live.vendor().forget_sessions();
    live.until("there is another", |live| live.vendor().listening() == 1)
        .await;
    live.tell("after").await;
    live.until("it is heard", |live| live.told() == ["after"])
        .await;
    live.until("the log is read", |live| live.log_reads().len() == 1)
        .await;
    assert_eq!(live.begun(), ["new"]);
}

#[tokio::test]
async fn what_is_no_event_of_ours_is_left_out_and_garbage_is_recorded() {
    let live = Live::up(Terms::default()).await;
    for text in [
        r#"[{"type":"ServerNotification","messageId":"9","status":200},
            {"uuid":"theirs","subscriptionId":"another","body":{}}]"#,
        r#"[{"type":"Novelty","messageId":"9"},{"uuid":"new"}]"#,
        r#"[{"type":"ClientRequest","messageId":"unasked","status":500},{}]"#,
        r#"[{"type":"Heartbeat","messageId":"9"}]"#,
        "{not json",
        "[]",
    ] {
        live.vendor().say(text).await;
    }
    live.tell("ours").await;
    live.until("ours is heard", |live| live.told() == ["ours"])
        .await;
    let raw = live.raw();
    assert_eq!(raw[..2], ["{not json", "[]"], "{raw:?}");
    assert_eq!((raw.len(), live.begun().len()), (3, 1));
}

#[test]
fn the_settings_decide_how_events_come() {
    let mut context = connection(&["s"]);
    let is = |context: &_| {
        (
            RingCentral.is_live(context),
            RingCentral.keeps_subscription(context),
        )
    };
    context
        .config
        .insert("transport".to_owned(), json!("websocket"));
    let error = RingCentral.check_config(&context).unwrap_err().to_string();
    assert!(error.contains("client_id"), "{error}");
    assert_eq!(
        is(&context),
        (false, false),
        "without an app there is nobody to sign in"
    );
    context
        .config
        .insert("client_id".to_owned(), json!("client"));
    RingCentral.check_config(&context).unwrap();
    assert_eq!(is(&context), (true, false));
    context
        .config
        .insert("transport".to_owned(), json!("webhook"));
    assert_eq!(is(&context), (false, true));
    context.config.remove("transport");
    assert_eq!(is(&context), (false, true));
}
