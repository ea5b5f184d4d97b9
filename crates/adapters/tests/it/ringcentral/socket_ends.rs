//! RingCentral's WebSocket when it breaks or is refused: nothing is lost or told twice where the
//! session goes on, the call log is read where it does not, and the administrator is told what to
//! do. No reason holds a token.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_engine::adapter::{Adapter, LinkError};
use switchhook_engine::ports::{Clock, SystemClock};
use switchhook_testkit::vendors::ringcentral::{Group, Terms};
use switchhook_testkit::vendors::{Answered, Fault};

use super::live::Live;
use super::world::World;

const TOKEN: &str = "/restapi/oauth/wstoken";

fn logged() -> serde_json::Value {
    let start = SystemClock.now() - SignedDuration::from_secs(30);
    json!({ "id": "A1", "sessionId": "429180487016", "telephonySessionId": "s-gap",
        "startTime": start.to_string(), "duration": 20, "type": "Voice", "direction": "Inbound",
        "action": "Phone Call", "result": "Missed", "from": { "phoneNumber": "+31612345000" },
        "to": { "extensionId": "400100100" },
        "legs": [{ "startTime": start.to_string(), "duration": 20, "type": "Voice",
            "direction": "Inbound", "action": "Phone Call", "legType": "Accept",
            "result": "Missed", "master": true, "telephonySessionId": "s-gap",
            "from": { "phoneNumber": "+31612345000" }, "to": { "extensionId": "400100100" },
            "extension": { "id": 400_100_100 } }] })
}

#[tokio::test]
async fn a_break_loses_nothing_and_tells_nothing_twice() {
    let live = Live::up(Terms::default()).await;
    live.tell("before").await;
    live.until("it is heard", |live| live.told() == ["before"])
        .await;
    for (nth, politely) in [(1, false), (2, true)] {
        if politely {
            live.vendor().close_sockets().await;
        } else {
            live.vendor().cut_sockets().await;
        }
        live.until("it breaks", |live| live.vendor().listening() == 0)
            .await;
        for word in ["a", "b", "c"] {
            live.tell(&format!("{nth}{word}")).await;
        }
        live.until("it goes on", |live| live.ups() == nth + 1).await;
        live.tell(&format!("{nth}d")).await;
        let all = 1 + nth * 4;
        live.until("all are heard", |live| live.told().len() == all)
            .await;
    }
    let expected = ["before", "1a", "1b", "1c", "1d", "2a", "2b", "2c", "2d"];
    assert_eq!(live.told(), expected);
    assert_eq!(live.begun(), ["new", "Successful", "Successful"]);
    assert_eq!(live.log_reads(), [], "nothing is missing");
    assert_eq!(live.vendor().misdeeds(), Vec::<String>::new());
}

/// RingCentral does not know the session any more, or not its name: subscribed anew, and the log
/// is read from before the break on.
#[tokio::test]
async fn a_session_that_is_lost_is_begun_anew_and_the_call_log_read() {
    for nameless in [false, true] {
        let live = Live::up(Terms::default()).await;
        live.vendor().cut_sockets().await;
        let broke = SystemClock.now();
        live.until("it breaks", |live| live.vendor().listening() == 0)
            .await;
        if nameless {
            live.vendor().forget_names();
        } else {
            live.vendor().forget_sessions();
        }
        live.vendor().log(logged());
        live.until("the log is told", |live| live.signals().len() == 1)
            .await;
        let signals = live.signals().swap_remove(0);
        assert!(signals.iter().all(|s| s.keys.iter().any(|k| k == "s-gap")));
        live.until("it is up", |live| live.vendor().listening() == 1)
            .await;
        live.tell("after").await;
        live.until("it is heard", |live| live.told() == ["after"])
            .await;
        let begun = live.begun();
        let expected = if nameless {
            vec!["new", "new"]
        } else {
            vec!["new", "Failed"]
        };
        assert_eq!(begun, expected);
        let from = live.log_reads().swap_remove(0);
        let early = broke.duration_since(from);
        assert!(
            (SignedDuration::from_mins(14)..SignedDuration::from_mins(16)).contains(&early),
            "{early}"
        );
        let refused = |end: &Result<_, LinkError>| {
            end.as_ref()
                .is_err_and(|e| e.to_string().ends_with("WSG-400"))
        };
        assert_eq!(live.ends().iter().any(refused), nameless);
    }
}

/// RingCentral writes a call down some time after its end: the log is read once more.
#[tokio::test]
async fn the_log_is_read_again_for_what_was_not_written_down_yet() {
    let heard = SystemClock.now() - SignedDuration::from_secs(40);
    let live = Live::begin(Terms::default(), Some(heard)).await;
    live.until("the log is read", |live| live.log_reads().len() == 1)
        .await;
    live.until("it is up", |live| live.ups() == 1).await;
    assert_eq!(live.signals().len(), 0, "it is empty as yet");
    live.vendor().log(logged());
    // The answer to the first reading is on its way while time stands still.
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(121)).await;
    tokio::time::resume();
    live.until("it is told", |live| live.signals().len() == 1)
        .await;
    assert_eq!((live.log_reads().len(), live.begun().len()), (2, 1));
}

#[tokio::test]
async fn a_session_is_not_gone_on_with_too_late() {
    let live = Live::up(Terms {
        recovery_timeout: 1,
        ..Terms::default()
    })
    .await;
    let vendor = &live.world.vendor;
    for _ in 0..3 {
        vendor.fail("POST", TOKEN, Fault::Drop);
    }
    live.vendor().cut_sockets().await;
    live.until("it is up again", |live| live.ups() == 2).await;
    assert_eq!(live.begun(), ["new", "new"]);
    live.until("the log is read", |live| live.log_reads().len() == 1)
        .await;
}

/// The first connection of a process: what came while it was not running is in the log.
#[tokio::test]
async fn the_log_is_read_from_when_something_was_last_heard() {
    let heard = SystemClock.now() - SignedDuration::from_hours(2);
    let live = Live::begin(Terms::default(), Some(heard)).await;
    live.until("the log is read", |live| live.log_reads().len() == 1)
        .await;
    let from = live.log_reads().swap_remove(0);
    assert_eq!(from, heard - SignedDuration::from_mins(15));
}

/// More was missed than RingCentral keeps: the log has the rest.
#[tokio::test]
async fn a_break_with_too_many_events_is_a_gap() {
    let live = Live::up(Terms {
        recovery_buffer_size: 3,
        ..Terms::default()
    })
    .await;
    live.vendor().cut_sockets().await;
    live.until("it breaks", |live| live.vendor().listening() == 0)
        .await;
    for name in ["1", "2", "3", "4", "5"] {
        live.tell(name).await;
    }
    live.until("it goes on", |live| live.told() == ["3", "4", "5"])
        .await;
    live.until("the log is read", |live| live.log_reads().len() == 1)
        .await;
    assert_eq!(live.begun(), ["new", "Successful"]);
}

/// Once a day RingCentral ends every connection: the next follows at once, and nobody is told of
/// a fault.
#[tokio::test]
async fn the_end_of_the_day_is_no_fault() {
    let live = Live::up(Terms {
        absolute_timeout: 2,
        ..Terms::default()
    })
    .await;
    live.until("it goes on", |live| live.begun().len() == 3)
        .await;
    live.until("it is up", |live| live.vendor().listening() == 1)
        .await;
    live.tell("after").await;
    live.until("it is heard", |live| live.told() == ["after"])
        .await;
    assert!(live.ends().is_empty(), "{:?}", live.ends());
    assert_eq!(live.begun(), ["new", "Successful", "Successful"]);
    assert_eq!(live.log_reads(), []);
}

/// The access token runs out while the link is down: renewed once, and the session of the same
/// sign-in goes on.
#[tokio::test]
async fn a_token_that_ran_out_is_renewed() {
    let live = Live::up(Terms::default()).await;
    live.vendor().expire_tokens();
    live.vendor().cut_sockets().await;
    live.until("it goes on", |live| live.ups() == 2).await;
    assert_eq!(live.begun(), ["new", "Successful"]);
    assert_eq!(
        live.world.vendor.asked_of("POST", TOKEN).len(),
        3,
        "refused once"
    );
}

#[tokio::test]
async fn the_session_of_another_sign_in_is_not_gone_on_with() {
    let live = Live::up(Terms::default()).await;
    live.vendor().sign_in_anew();
    live.vendor().expire_tokens();
    live.vendor().cut_sockets().await;
    live.until("it is up", |live| live.ups() == 2).await;
    assert_eq!(live.begun(), ["new", "Failed"]);
    // Each request shows the old token first.
    live.until("the log is read", |live| !live.log_reads().is_empty())
        .await;
}

#[tokio::test]
async fn a_gateway_that_restarts_is_found_again() {
    let mut live = Live::up(Terms::default()).await;
    drop(live.gateway.take());
    live.until("it is noticed", |live| live.ends().len() >= 2)
        .await;
    live.tell("meanwhile").await;
    let again = live.vendor().open_gateway(Terms::default()).await.unwrap();
    live.gateway = Some(again);
    live.until("it goes on", |live| live.told() == ["meanwhile"])
        .await;
    assert_eq!(live.begun(), ["new", "Successful"]);
    for end in live.ends() {
        let reason = end.unwrap_err().to_string();
        assert!(
            !reason.contains("U0pDM") && !reason.contains("wsc-"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    for (permission, named) in [
        ("WebSocketsSubscription", "WebSocketsSubscription"),
        ("CallControl", "Call Control"),
    ] {
        let world = World::new().await;
        let vendor = world.vendor.vendor();
        vendor.deny(permission);
        let gateway = vendor.open_gateway(Terms::default()).await.unwrap();
        let live = Live::with(world, Some(gateway), None);
        let reason = live.misconfigured().await;
        assert!(reason.contains(named), "{reason}");
        assert_eq!(live.ups(), 0);
        let checks = RingCentral.diagnose(&live.world.by_socket()).await;
        let bad: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
        assert!(
            bad.iter().any(|check| check.detail.contains(named)),
            "{checks:?}"
        );
        assert!(
            checks.iter().all(|check| check.name != "address"),
            "{checks:?}"
        );
    }
}

/// During the minute of penalty nothing is asked, however often the link is tried.
#[tokio::test]
async fn too_many_requests_are_followed_by_none() {
    let world = World::new().await;
    let gateway = world.vendor.vendor().open_gateway(Terms::default()).await;
    let live = Live::with(world, gateway.ok(), None);
    live.vendor().allow(Group::Auth, 0);
    live.until("it was tried", |live| live.ends().len() >= 4)
        .await;
    assert!(live.retry().await.contains("rate limit"));
    assert_eq!(live.world.vendor.asked_of("POST", TOKEN).len(), 1);
}

/// The address of the socket is named by whoever the connection's server is.
#[tokio::test]
async fn a_socket_elsewhere_inside_is_not_called() {
    for (uri, words) in [
        ("ws://169.254.169.254/ws", "kind that is not called"),
        ("ws://[::1]:1/ws", "kind that is not called"),
        ("https://ws.example.com/ws", "did not say where"),
        ("", "did not say where"),
    ] {
        let world = World::new().await;
        let answer = json!({ "ws_access_token": "U0pDM", "uri": uri, "expires_in": 30 });
        let answer = Fault::Answer(Answered::json(200, answer));
        world.vendor.fail("POST", TOKEN, answer);
        let refusal = Live::with(world, None, None).retry().await;
        assert!(refusal.contains(words), "{uri}: {refusal}");
        assert!(!refusal.contains("U0pDM"), "{refusal}");
    }
}

/// What RingCentral says of the end is told with its code and nothing else of it.
#[tokio::test]
async fn an_error_is_told_by_its_code() {
    let live = Live::up(Terms::default()).await;
    let error = r#"[{"type":"Error","messageId":"1","status":500},
        {"errorCode":"WSG-901 <b>","message":"+31612345678"}]"#;
    live.vendor().say(error).await;
    let reason = live.retry().await;
    assert!(reason.ends_with("error WSG-901b"), "{reason}");
    live.until("it goes on", |live| live.ups() == 2).await;
}

/// A link that hears nothing at all is given up: two questions, half a minute each.
#[tokio::test]
async fn a_dead_line_is_left() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/ws", listener.local_addr().unwrap());
    let world = World::new().await;
    let answer = json!({ "ws_access_token": "U0pDM", "uri": uri, "expires_in": 30 });
    let answer = Fault::Answer(Answered::json(200, answer));
    world.vendor.fail("POST", TOKEN, answer);
    let live = Live::with(world, None, None);
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let details = r#"[{"type":"ConnectionDetails","messageId":"1","status":200},
        {"idleTimeout":3,"recoveryTimeout":180}]"#;
    let details = tokio_tungstenite::tungstenite::Message::text(details);
    futures_util::SinkExt::send(&mut socket, details)
        .await
        .unwrap();
    let began = std::time::Instant::now();
    let reason = live.retry().await;
    assert!(
        reason.contains("given up") || reason.contains("in time"),
        "{reason}"
    );
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}
