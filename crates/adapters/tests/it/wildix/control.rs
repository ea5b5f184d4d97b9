//! Placing and steering calls, put to a stand-in of the PBX.

use serde_json::json;
use switchhook_adapters::wildix::Wildix;
use switchhook_engine::adapter::{Adapter, Capability};
use switchhook_engine::command::{Control, Fault, Session};
use switchhook_testkit::vendors::wildix::{SignIn, Wildix as Pbx, refused};
use switchhook_testkit::vendors::{Answered, Fault as Planned, StandIn};

use crate::asking::{call, connected, dial, number, session};

const CUSTOMER: &str = "+31612345021";
const LIST: &str = "/api/v2/call-control/list-calls";
const MAKE: &str = "/api/v2/call-control/make-call";

fn pbx() -> Pbx {
    Pbx::new(SignIn::Token("simple-token".to_owned()), &["100", "101"])
}

fn by_token(url: &str) -> Session {
    let config = json!({ "pbx_url": url });
    session(connected(&config, &[("api_token", "simple-token")])).0
}

#[tokio::test]
async fn a_call_is_placed_on_the_agents_device() {
    let pbx = StandIn::start(pbx()).await.unwrap();
    let made = Wildix
        .originate(&by_token(pbx.url()), &dial(CUSTOMER))
        .await;
    assert!(
        made.unwrap().keys.is_empty(),
        "the events name the call otherwise"
    );
    let calls = pbx.vendor().calls();
    assert_eq!(
        (calls[0].user.as_str(), calls[0].callee.as_str()),
        ("100", CUSTOMER)
    );
    assert_eq!(pbx.asked_of("POST", MAKE).len(), 1, "once");
}

#[tokio::test]
async fn an_application_signs_every_request() {
    let application = SignIn::Application {
        id: "app-7".to_owned(),
        name: "switchhook".to_owned(),
        secret: "app-secret".to_owned(),
    };
    let mut vendor = Pbx::new(application, &["100", "101"]);
    vendor.now = 1_795_341_600;
    let pbx = StandIn::start(vendor).await.unwrap();
    let config = json!({ "pbx_url": pbx.url(), "auth": "s2s", "s2s_app_id": "app-7",
        "s2s_app_name": "switchhook" });
    let (good, _) = session(connected(&config, &[("s2s_secret", "app-secret")]));
    Wildix.originate(&good, &dial(CUSTOMER)).await.unwrap();
    let handle = call("wx:1", CUSTOMER);
    pbx.vendor().add("101", "other@pbx", "101", CUSTOMER);
    let tones = Control::Dtmf {
        digits: "12#".to_owned(),
    };
    let sent = Wildix.control(&good, &handle, &tones);
    sent.await.unwrap();
    let (bad, _) = session(connected(&config, &[("s2s_secret", "another-secret")]));
    let error = Wildix.originate(&bad, &dial(CUSTOMER)).await.unwrap_err();
    assert_eq!(error.fault, Fault::Credentials);
}

/// An old PBX answers 404 to all of call control.
#[tokio::test]
async fn an_old_pbx_is_asked_in_the_old_way() {
    let mut vendor = pbx();
    vendor.has_call_control = false;
    let pbx = StandIn::start(vendor).await.unwrap();
    let session = by_token(pbx.url());
    let mut asked = dial(CUSTOMER);
    asked.caller_id = Some("+31850001200".to_owned());
    Wildix.originate(&session, &asked).await.unwrap();
    let old = pbx.asked_of("POST", "/api/v1/Originate");
    let body = old[0].json();
    assert_eq!(old.len(), 1);
    assert_eq!(body["channel"], "Local/100@users");
    assert_eq!(body["exten"], CUSTOMER);
    assert_eq!(body["callerid"], "+31850001200");
    let handle = call("wx:1", CUSTOMER);
    let held = Wildix.control(&session, &handle, &Control::Hold);
    assert_eq!(held.await.unwrap_err().fault, Fault::NotSupported);
}

#[tokio::test]
async fn every_way_of_steering_reaches_the_agents_call() {
    let pbx = StandIn::start(pbx()).await.unwrap();
    let session = by_token(pbx.url());
    let handle = call("wx:1", CUSTOMER);
    let to = || number("101");
    for (control, path) in [
        (Control::Hold, "hold"),
        (Control::Resume, "unhold"),
        (
            Control::Dtmf {
                digits: "5#".to_owned(),
            },
            "dtmf",
        ),
        (Control::TransferAttended { to: to() }, "attendant-transfer"),
        (Control::TransferBlind { to: to() }, "blind-transfer"),
        (Control::HangUp, "hangup"),
        (Control::Reject, "hangup"),
    ] {
        pbx.vendor().add("100", "ours@pbx", "0612345021", "100");
        pbx.vendor().add("100", "other@pbx", "+31201234567", "100");
        if control == Control::Resume {
            let held = Wildix.control(&session, &handle, &Control::Hold).await;
            held.unwrap();
        }
        let before = pbx.asked().len();
        Wildix.control(&session, &handle, &control).await.unwrap();
        let asked = pbx.asked();
        let last = asked.last().unwrap();
        assert_eq!(
            last.path,
            format!("/api/v2/call-control/{path}"),
            "{control:?}"
        );
        assert_eq!(last.json()["sipCallId"], "ours@pbx", "{control:?}");
        assert_eq!(last.query("user"), Some("100"));
        assert_eq!(asked.len(), before + 2, "listed first, then steered");
        // The next round begins with a list of its own.
        while let Some(call) = pbx.vendor().calls().first() {
            pbx.vendor().remove(&call.id);
        }
    }
}

#[tokio::test]
async fn a_ringing_call_is_answered() {
    let pbx = StandIn::start(pbx()).await.unwrap();
    let session = by_token(pbx.url());
    Wildix.originate(&session, &dial(CUSTOMER)).await.unwrap();
    let mut handle = call("wx:1", CUSTOMER);
    handle.agent.device_id = Some("web-1".to_owned());
    Wildix
        .control(&session, &handle, &Control::Answer)
        .await
        .unwrap();
    assert_eq!(pbx.vendor().calls()[0].state, "TALKING");
    assert_eq!(pbx.asked().last().unwrap().json()["device"], "web-1");
    // It is not ringing any more.
    let again = Wildix.control(&session, &handle, &Control::Answer).await;
    assert_eq!(again.unwrap_err().fault, Fault::State);
}

#[tokio::test]
async fn nothing_is_steered_when_in_doubt() {
    let pbx = StandIn::start(pbx()).await.unwrap();
    let session = by_token(pbx.url());
    let handle = call("wx:1", CUSTOMER);
    let hang_up = || Wildix.control(&session, &handle, &Control::HangUp);
    assert_eq!(hang_up().await.unwrap_err().fault, Fault::Gone);
    pbx.vendor().add("100", "other@pbx", "+31201234567", "100");
    assert_eq!(hang_up().await.unwrap_err().fault, Fault::Gone);
    pbx.vendor().add("100", "one@pbx", CUSTOMER, "100");
    pbx.vendor().add("100", "two@pbx", "100", CUSTOMER);
    assert_eq!(hang_up().await.unwrap_err().fault, Fault::State);
    assert_eq!(pbx.vendor().calls().len(), 3, "nothing was hung up");
    for control in [
        Control::Mute { on: true },
        Control::Park,
        Control::Recording { on: false },
    ] {
        let error = Wildix
            .control(&session, &handle, &control)
            .await
            .unwrap_err();
        assert_eq!(error.fault, Fault::NotSupported);
        assert!(error.detail.ends_with('.'), "{}", error.detail);
    }
}

#[tokio::test]
async fn whose_fault_it_is() {
    let pbx = StandIn::start(pbx()).await.unwrap();
    let session = by_token(pbx.url());
    for (planned, fault) in [
        (
            Planned::Answer(refused(401, "Unauthorized")),
            Fault::Credentials,
        ),
        (
            Planned::Answer(refused(403, "Forbidden")),
            Fault::Permission,
        ),
        (Planned::Answer(refused(400, "Bad Request")), Fault::Target),
        (Planned::Answer(refused(500, "Internal")), Fault::Uncertain),
        (Planned::LoseAnswer, Fault::Uncertain),
        (Planned::Drop, Fault::Uncertain),
        (
            Planned::Answer(Answered::empty(429).with("retry-after", "7")),
            Fault::RateLimited,
        ),
        // Said in the body, under status 200.
        (
            Planned::Answer(Answered::json(
                200,
                json!({"type": "error", "reason": "403 Forbidden", "code": 403}),
            )),
            Fault::Permission,
        ),
    ] {
        pbx.fail("POST", MAKE, planned.clone());
        let before = pbx.asked().len();
        let error = Wildix
            .originate(&session, &dial(CUSTOMER))
            .await
            .unwrap_err();
        assert_eq!(error.fault, fault, "{planned:?}: {error}");
        assert_eq!(
            pbx.asked().len(),
            before + 1,
            "never asked twice: {planned:?}"
        );
    }
    let stranger = {
        let mut asked = dial(CUSTOMER);
        asked.agent.extension = Some("999".to_owned());
        asked
    };
    let error = Wildix.originate(&session, &stranger).await.unwrap_err();
    assert!(
        matches!(error.fault, Fault::Device | Fault::Gone),
        "{error:?}"
    );
    for bad in [None, Some("100@users/n"), Some("1 0"), Some("")] {
        let mut asked = dial(CUSTOMER);
        asked.agent.extension = bad.map(str::to_owned);
        let before = pbx.asked().len();
        let error = Wildix.originate(&session, &asked).await.unwrap_err();
        assert_eq!(error.fault, Fault::Device);
        assert_eq!(pbx.asked().len(), before, "not even asked");
    }
    for target in ["sip:x@evil.example", "100,1", ""] {
        let error = Wildix.originate(&session, &dial(target)).await.unwrap_err();
        assert_eq!(error.fault, Fault::Target, "{target}");
    }
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong() {
    let pbx = StandIn::start(pbx()).await.unwrap();
    let good = Wildix.diagnose(&by_token(pbx.url())).await;
    assert!(good.iter().all(|check| check.ok), "{good:#?}");
    assert_eq!(pbx.asked_of("GET", LIST).len(), 1, "really asked");
    let config = json!({ "pbx_url": pbx.url() });
    let (wrong, _) = session(connected(&config, &[("api_token", "old-token")]));
    let found = Wildix.diagnose(&wrong).await;
    let bad = found.iter().find(|check| !check.ok).unwrap();
    assert_eq!(bad.name, "sign-in");
    assert!(bad.detail.contains("make a new one"), "{}", bad.detail);
    let away = Wildix.diagnose(&by_token("http://127.0.0.1:1")).await;
    assert!(
        away.iter()
            .any(|check| !check.ok && check.detail.contains("cannot be reached"))
    );
    let (no_pbx, _) = session(connected(&json!({}), &[]));
    let found = Wildix.diagnose(&no_pbx).await;
    assert!(
        found.iter().all(|check| check.ok),
        "events alone are fine: {found:#?}"
    );
}

#[test]
fn settings_are_checked_and_what_is_lacking_is_said() {
    for (config, credentials, field) in [
        (
            json!({"pbx_url": "https://x.example?a=b"}),
            &[][..],
            "pbx_url",
        ),
        (json!({"pbx_url": "https://x.example"}), &[], "api_token"),
        (
            json!({"pbx_url": "https://x.example", "auth": "s2s"}),
            &[],
            "s2s_app_id",
        ),
        (
            json!({"sqs_queue_url": "https://sqs.eu-central-1.amazonaws.com/1/q"}),
            &[],
            "sqs_access_key_id",
        ),
        (
            json!({"sqs_queue_url": "https://queue.example/1/q", "sqs_access_key_id": "a"}),
            &[("sqs_secret_access_key", "s")],
            "sqs_region",
        ),
        (json!({"sqs_max_receives": 0}), &[], "sqs_max_receives"),
    ] {
        let fault = Wildix
            .check_config(&connected(&config, credentials))
            .unwrap_err();
        assert!(fault.to_string().contains(field), "{config}: {fault}");
    }
    let config = json!({"sqs_queue_url": "https://sqs.eu-central-1.amazonaws.com/1/q",
        "sqs_access_key_id": "a"});
    let queue = connected(&config, &[("sqs_secret_access_key", "s")]);
    Wildix.check_config(&queue).unwrap();
    assert!(Wildix.is_live(&queue));
    let webhook = connected(&json!({}), &[]);
    assert!(!Wildix.is_live(&webhook));
    let why = Wildix.lacks(Capability::Originate, &webhook).unwrap();
    assert!(why.contains("pbx_url"), "{why}");
    assert!(Wildix.lacks(Capability::Ringing, &webhook).is_none());
    let able = connected(
        &json!({"pbx_url": "https://x.example"}),
        &[("api_token", "t")],
    );
    assert_eq!(Wildix.lacks(Capability::Originate, &able), None);
    assert!(Wildix.lacks(Capability::ControlPark, &able).is_some());
}
