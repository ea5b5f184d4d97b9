//! What is asked of RingCentral: calls placed and steered, the call log, recordings, sign-in.

use serde_json::json;
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_domain::phone::PhoneNumber;
use switchhook_engine::adapter::{Adapter, Capability, Secret};
use switchhook_engine::command::{
    AgentDevice, CallHandle, ClientAuth, CommandError, Control, Fault, Grant,
};
use switchhook_testkit::vendors::{self, ringcentral::Group};

use super::world::{ADA, World, number, wanted};
use crate::fixture;

fn agent(user_id: Option<&str>, extension: Option<&str>) -> AgentDevice {
    AgentDevice {
        extension: extension.map(str::to_owned),
        user_id: user_id.map(str::to_owned),
        device_id: None,
    }
}

async fn control(world: &World, call: &CallHandle, control: Control) -> Result<(), CommandError> {
    RingCentral.control(&world.session, call, &control).await
}

#[tokio::test]
async fn a_call_is_placed_on_the_telephone_that_is_online_and_names_its_session() {
    let world = World::new().await;
    for who in [agent(Some(ADA), None), agent(None, Some("101"))] {
        for target in ["+31612345678", "102"] {
            let call = wanted(who.clone(), target);
            let placed = RingCentral.originate(&world.session, &call).await;
            let keys = placed.unwrap().keys;
            let sessions = world.vendor.vendor().sessions();
            assert!(sessions.iter().any(|s| s["id"] == *keys[0]), "{keys:?}");
        }
    }
}

#[tokio::test]
async fn ring_out_serves_where_there_is_no_telephone_or_a_number_is_to_be_shown() {
    let world = World::new().await;
    let path = "/restapi/v1.0/account/~/extension/~/ring-out";
    let who = agent(Some(ADA), Some("101"));
    let mut shown = wanted(who.clone(), "+31612345678");
    shown.caller_id = Some("+31201234500".to_owned());
    let placed = RingCentral.originate(&world.session, &shown).await.unwrap();
    assert!(placed.keys.is_empty(), "its answer names no session");
    let asked = world.vendor.asked_of("POST", path);
    assert_eq!(asked[0].json()["callerId"]["phoneNumber"], "+31201234500");
    world.vendor.vendor().unplug(ADA);
    let plain = wanted(who, "+31612345678");
    RingCentral.originate(&world.session, &plain).await.unwrap();
    assert_eq!(world.vendor.asked_of("POST", path).len(), 2);
    let nowhere = wanted(agent(Some(ADA), None), "+31612345678");
    let refused = RingCentral.originate(&world.session, &nowhere).await;
    assert_eq!(refused.unwrap_err().fault, Fault::Device);
}

#[tokio::test]
async fn a_lost_answer_is_uncertain_and_never_asked_twice() {
    let world = World::new().await;
    let path = "/restapi/v1.0/account/~/telephony/call-out";
    world.vendor.fail("POST", path, vendors::Fault::LoseAnswer);
    let call = wanted(agent(Some(ADA), None), "+31612345678");
    let lost = RingCentral.originate(&world.session, &call).await;
    assert_eq!(lost.unwrap_err().fault, Fault::Uncertain);
    assert_eq!(world.vendor.asked_of("POST", path).len(), 1);
    let sip = PhoneNumber::parse("sip:x@evil.example", &world.session.connection.numbers);
    let mut evil = wanted(agent(Some(ADA), None), "+31612345678");
    evil.target = sip;
    let refused = RingCentral.originate(&world.session, &evil).await;
    assert_eq!(refused.unwrap_err().fault, Fault::Target);
    assert_eq!(world.vendor.asked_of("POST", path).len(), 1);
}

#[tokio::test]
async fn a_call_is_steered_from_ringing_to_its_end() {
    let world = World::new().await;
    let (call, session, party) = world.call("Proceeding");
    let state = || {
        let party = world.vendor.vendor().party(&session, &party);
        party["status"]["code"].as_str().unwrap().to_owned()
    };
    for (command, expected) in [
        (Control::Answer, "Answered"),
        (Control::Hold, "Hold"),
        (Control::Resume, "Answered"),
        (Control::Mute { on: true }, "Answered"),
        (Control::Recording { on: true }, "Answered"),
        (Control::Park, "Parked"),
        (Control::HangUp, "Disconnected"),
    ] {
        control(&world, &call, command.clone()).await.unwrap();
        assert_eq!(state(), expected, "{command:?}");
    }
    let party = world.vendor.vendor().party(&session, &party);
    assert_eq!(party["muted"], true);
    assert_eq!(party["recordings"][0]["active"], true);
    let dtmf = Control::Dtmf {
        digits: "1".to_owned(),
    };
    let refused = control(&world, &call, dtmf).await.unwrap_err();
    assert_eq!(refused.fault, Fault::NotSupported);
}

#[tokio::test]
async fn a_ringing_call_is_declined_and_an_answered_one_handed_over() {
    let world = World::new().await;
    let (call, session, party) = world.call("Proceeding");
    control(&world, &call, Control::Reject).await.unwrap();
    let reason = |session: &str, party: &str| {
        let party = world.vendor.vendor().party(session, party);
        party["status"]["reason"].clone()
    };
    assert_eq!(reason(&session, &party), "Rejected");
    for to in ["+31687654321", "102"] {
        let (call, session, party) = world.call("Answered");
        let over = Control::TransferBlind { to: number(to) };
        control(&world, &call, over).await.unwrap();
        assert_eq!(reason(&session, &party), "BlindTransfer");
    }
}

#[tokio::test]
async fn recording_is_paused_and_resumed() {
    let world = World::new().await;
    let (call, session, party) = world.call("Answered");
    let active = || {
        let party = world.vendor.vendor().party(&session, &party);
        party["recordings"][0]["active"].clone()
    };
    let off = control(&world, &call, Control::Recording { on: false }).await;
    assert_eq!(off.unwrap_err().fault, Fault::State, "nothing to pause");
    for on in [true, true, false, true] {
        let wanted = Control::Recording { on };
        control(&world, &call, wanted).await.unwrap();
        assert_eq!(active(), on);
    }
}

/// The wrong state is the platform's to know: 409 comes back as such.
#[tokio::test]
async fn a_command_in_the_wrong_state_says_so() {
    let world = World::new().await;
    let (call, ..) = world.call("Proceeding");
    for command in [Control::Hold, Control::Resume, Control::Park] {
        let refused = control(&world, &call, command.clone()).await.unwrap_err();
        assert_eq!(refused.fault, Fault::State, "{command:?}");
    }
    let (mut gone, ..) = world.call("Answered");
    gone.keys = vec!["s-unknown".to_owned()];
    let refused = control(&world, &gone, Control::HangUp).await.unwrap_err();
    assert_eq!(refused.fault, Fault::Gone);
}

#[tokio::test]
async fn asking_first_holds_and_calls_and_then_joins() {
    let world = World::new().await;
    let (call, session, party) = world.call("Answered");
    let ask = || Control::TransferAttended { to: number("102") };
    control(&world, &call, ask()).await.unwrap();
    let vendor = world.vendor.vendor();
    assert_eq!(vendor.party(&session, &party)["status"]["code"], "Hold");
    let call_out = "/restapi/v1.0/account/~/telephony/call-out";
    assert_eq!(world.vendor.asked_of("POST", call_out).len(), 1);
    // Bob answers: the agent now has two calls.
    let (asking, own) = vendor.session(ADA, "Answered");
    let active = |status: &str| {
        json!({ "direction": "Outbound", "to": "102", "telephonyStatus": status,
            "telephonySessionId": asking, "partyId": own })
    };
    vendor.talks(ADA, active("CallConnected"));
    control(&world, &call, ask()).await.unwrap();
    for (session, party) in [(&session, &party), (&asking, &own)] {
        let status = &vendor.party(session, party)["status"];
        assert_eq!(status["reason"], "AttendedTransfer");
    }
    assert_eq!(world.vendor.asked_of("POST", call_out).len(), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let world = World::new().await;
    let (call, session, party) = world.call("Answered");
    world.vendor.vendor().expire_tokens();
    control(&world, &call, Control::Hold).await.unwrap();
    let party = world.vendor.vendor().party(&session, &party);
    assert_eq!(party["status"]["code"], "Hold");
}

/// One request too many holds the whole group back; each request during the penalty would begin
/// it anew, so none goes out.
#[tokio::test]
async fn after_too_many_requests_nothing_more_goes_out() {
    let world = World::new().await;
    world.vendor.vendor().allow(Group::Heavy, 1);
    let from = "2026-01-10T00:00:00Z".parse().unwrap();
    let to = "2026-01-11T00:00:00Z".parse().unwrap();
    let read = || RingCentral.reconcile(&world.session, from, to);
    read().await.unwrap();
    let refused = read().await.unwrap_err();
    assert_eq!(refused.fault, Fault::RateLimited);
    assert_eq!(refused.retry_after.map(|wait| wait.as_secs()), Some(60));
    let before = world.vendor.asked().len();
    assert_eq!(read().await.unwrap_err().fault, Fault::RateLimited);
    assert_eq!(world.vendor.asked().len(), before);
}

#[tokio::test]
async fn permissions_and_outages_are_told_apart() {
    let world = World::new().await;
    let (call, ..) = world.call("Answered");
    let path = "/restapi/v1.0/account/~/telephony/sessions";
    world.vendor.fail("POST", path, vendors::Fault::Drop);
    let lost = control(&world, &call, Control::Hold).await.unwrap_err();
    assert!(lost.fault.is_passing(), "{lost:?}");
    let broken = vendors::Answered::empty(503);
    world
        .vendor
        .fail("POST", path, vendors::Fault::Answer(broken));
    let down = control(&world, &call, Control::Hold).await.unwrap_err();
    assert_eq!(down.fault, Fault::Platform);
    world.vendor.vendor().deny("CallControl");
    let refused = control(&world, &call, Control::Hold).await.unwrap_err();
    assert_eq!(refused.fault, Fault::Permission);
}

fn record(nth: u32, result: &str) -> serde_json::Value {
    json!({
        "id": format!("log{nth}"), "sessionId": format!("42919000{nth:04}"),
        "telephonySessionId": format!("s-aa{nth}"), "startTime": "2026-01-10T10:00:00.000Z",
        "duration": 40, "durationMs": 40_060, "type": "Voice", "direction": "Inbound",
        "action": "Phone Call", "result": result,
        "to": { "phoneNumber": "+31201234567", "name": "Agent Ada" },
        "from": { "phoneNumber": "+31612345678", "name": "Jan de Vries" },
        "extension": { "id": 400_100_100 },
        "legs": [{ "legType": "Accept", "startTime": "2026-01-10T10:00:05.000Z", "duration": 35,
            "direction": "Inbound", "result": result, "partyId": format!("p-aa{nth}-2"),
            "telephonySessionId": format!("s-aa{nth}"), "extension": { "id": 400_100_100 },
            "to": { "name": "Agent Ada" }, "from": { "phoneNumber": "+31612345678" } }],
    })
}

#[tokio::test]
async fn the_call_log_fills_a_gap() {
    let world = World::new().await;
    let vendor = world.vendor.vendor();
    let mut recorded = record(1, "Accepted");
    recorded["recording"] = json!({ "id": "1662272004", "type": "Automatic", "uri": "https://x",
        "contentUri": "https://media.ringcentral.com/recording/1662272004/content" });
    vendor.log(recorded);
    let mut left = record(2, "Voicemail");
    left["message"] = json!({ "id": "82063400004", "type": "VoiceMail",
        "uri": "https://platform.ringcentral.com/message-store/82063400004" });
    vendor.log(left);
    for (nth, result) in [(3, "Missed"), (4, "Rejected"), (5, "In Progress")] {
        vendor.log(record(nth, result));
    }
    let from = "2026-01-10T09:00:00Z".parse().unwrap();
    let to = "2026-01-10T11:00:00Z".parse().unwrap();
    let signals = RingCentral
        .reconcile(&world.session, from, to)
        .await
        .unwrap();
    let folded = fixture::fold("ringcentral", &[signals]);
    let calls = folded["calls"].as_array().unwrap();
    let status = |nth: usize| calls[nth]["status"].as_str().unwrap();
    let expected = ["ended", "voicemail", "missed", "rejected", "ringing"];
    for (nth, expected) in expected.into_iter().enumerate() {
        assert_eq!(status(nth), expected, "{:#}", calls[nth]);
        assert_eq!(calls[nth]["direction"], "inbound");
        assert_eq!(calls[nth]["from_number"], "+31612345678");
        assert_eq!(calls[nth]["agent"]["user_id"], ADA);
    }
    assert_eq!(calls[0]["duration_seconds"], 35);
    assert_eq!(calls[0]["recordings"][0]["state"], "available");
    assert_eq!(calls[1]["voicemail"]["id"], "82063400004");
    let none = "2026-01-10T09:30:00Z".parse().unwrap();
    let before = RingCentral.reconcile(&world.session, from, none).await;
    assert!(before.unwrap().is_empty());
}

/// The log speaks of a call by the names its events used: a call that was cut off half way gets
/// its end, its voicemail the call, and nothing becomes two.
#[tokio::test]
async fn the_call_log_joins_what_the_events_began() {
    let world = World::new().await;
    let session = "s-aa11bb22cc33dd44ee55ff6677889900";
    let path = fixture::folder("ringcentral/blind-transfer-recorded");
    let all = fixture::notifications(&path, &RingCentral);
    let mut batches = fixture::decode(&RingCentral, &all[..4]);
    let mut logged = record(1, "Accepted");
    logged["telephonySessionId"] = json!(session);
    logged["legs"][0]["telephonySessionId"] = json!(session);
    logged["legs"][0]["partyId"] = json!("p-aa11bb22cc33dd44ee55ff6677889900-2");
    world.vendor.vendor().log(logged);
    let from = "2026-01-10T09:00:00Z".parse().unwrap();
    let to = "2026-01-10T11:00:00Z".parse().unwrap();
    batches.push(
        RingCentral
            .reconcile(&world.session, from, to)
            .await
            .unwrap(),
    );
    let folded = fixture::fold("ringcentral", &batches);
    let calls = folded["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["status"], "ended");
    assert_eq!(calls[0]["ended_at"], "2026-01-10T10:00:40.06Z");
}

#[tokio::test]
async fn many_records_are_read_page_by_page_and_without_the_companys_log_the_users_own() {
    let world = World::new().await;
    let vendor = world.vendor.vendor();
    for nth in 0..251 {
        vendor.log(record(nth, "Missed"));
    }
    vendor.deny("FullCompanyCallLog");
    let from = "2026-01-10T09:00:00Z".parse().unwrap();
    let to = "2026-01-10T11:00:00Z".parse().unwrap();
    let signals = RingCentral
        .reconcile(&world.session, from, to)
        .await
        .unwrap();
    let keys: std::collections::BTreeSet<_> = signals.iter().flat_map(|s| &s.keys).collect();
    assert_eq!(keys.len(), 251);
    let own = "/restapi/v1.0/account/~/extension/~/call-log";
    assert_eq!(world.vendor.asked_of("GET", own).len(), 2);
}

#[tokio::test]
async fn a_recording_is_pending_then_available_then_gone() {
    let world = World::new().await;
    let look = async |known: &Recording| {
        let seen = RingCentral.recheck_recording(&world.session, "1662272004", known);
        seen.await.unwrap().recording
    };
    let pending = look(&Recording::default()).await;
    assert_eq!(pending.state, RecordingState::Pending);
    world.vendor.vendor().keep_recording("1662272004", 40);
    let there = look(&pending).await;
    assert_eq!(there.state, RecordingState::Available);
    assert_eq!(there.duration_ms, Some(40_000));
    assert!(there.url.as_deref().unwrap().starts_with("https://media"));
    let other = RingCentral.recheck_recording(&world.session, "17", &there);
    let gone = other.await.unwrap().recording;
    assert_eq!(gone.state, RecordingState::Gone);
}

/// Both ways of signing in work against the published token endpoint, and a refresh token once.
#[tokio::test]
async fn the_endpoints_are_those_that_ringcentral_has() {
    let world = World::new().await;
    let mut context = (*world.session.connection).clone();
    let public = RingCentral.oauth(&context).unwrap();
    assert_eq!(public.client_auth, ClientAuth::Body);
    assert_eq!(public.grant, Grant::AuthorizationCode);
    let secret = |text: &str| Secret::new(text);
    context
        .credentials
        .insert("client_secret".to_owned(), secret("client-secret"));
    context
        .credentials
        .insert("jwt".to_owned(), secret("eyJ.a.b"));
    let oauth = RingCentral.oauth(&context).unwrap();
    assert_eq!(oauth.client_auth, ClientAuth::Basic);
    assert_eq!(oauth.grant, Grant::Jwt(secret("eyJ.a.b")));
    world.vendor.vendor().accept_jwt("eyJ.a.b");
    let client = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let form = async |pairs: &[(&str, &str)]| {
        let body: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = client.post(&oauth.token_url).body(body.join("&"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.basic_auth("client", Some("client-secret"));
        let answer = answer.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<serde_json::Value>().await.unwrap())
    };
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let (status, tokens) = form(&[("grant_type", grant), ("assertion", "eyJ.a.b")]).await;
    assert_eq!(status, 200, "{tokens}");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let again = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_eq!(form(&again).await.0, 200);
    assert_eq!(form(&again).await.0, 400, "it works once");
}

#[test]
fn a_connection_that_only_listens_says_what_it_lacks() {
    let mut connection = fixture::connection(&["s1"]);
    let lacks = |connection: &_, capability| RingCentral.lacks(capability, connection);
    assert!(RingCentral.oauth(&connection).is_none());
    assert!(!RingCentral.keeps_subscription(&connection));
    assert!(lacks(&connection, Capability::Originate).is_some());
    assert_eq!(lacks(&connection, Capability::Ringing), None);
    connection
        .config
        .insert("client_id".to_owned(), json!("client"));
    assert_eq!(lacks(&connection, Capability::Originate), None);
    assert!(lacks(&connection, Capability::ControlDtmf).is_some());
    assert!(RingCentral.keeps_subscription(&connection));
}
