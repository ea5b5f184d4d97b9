//! What events mean one by one: faults that are named, words in any case, who is a person, and
//! calls that were asked for here.

use proptest::prelude::*;
use serde_json::{Value, json};
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_domain::signal::{Fact, LegFact, LegKind};
use switchhook_engine::adapter::{Adapter, Adoption, Decoded};

use crate::fixture::{self, connection};

fn event(party: Value, origin: &str) -> Value {
    let mut event = json!({
        "uuid": "1", "event": "/restapi/v1.0/account/400100100/telephony/sessions",
        "timestamp": "2026-01-10T10:00:00.040Z", "subscriptionId": "s", "ownerId": "400100100",
        "body": { "sequence": 2, "telephonySessionId": "s-aa", "sessionId": "4",
            "eventTime": "2026-01-10T10:00:00.000Z", "origin": { "type": origin } },
    });
    event["body"]["parties"] = Value::Array(vec![party]);
    event
}

fn agent(code: &str) -> Value {
    json!({ "id": "p-aa-2", "extensionId": "400100100", "direction": "Inbound",
        "from": { "phoneNumber": "+31612345678" },
        "to": { "phoneNumber": "+31201234567", "extensionId": "400100100" },
        "status": { "code": code } })
}

fn decode(event: &Value) -> Decoded {
    let bytes = event.to_string();
    RingCentral
        .decode(bytes.as_bytes(), &connection(&["s1"]))
        .unwrap()
}

fn kind(decoded: &Decoded) -> LegKind {
    let seen = decoded
        .signals
        .iter()
        .find_map(|signal| match &signal.fact {
            Fact::Leg {
                fact: LegFact::Seen { kind, .. },
                ..
            } => Some(*kind),
            _ => None,
        });
    seen.unwrap()
}

fn says(decoded: &Decoded, wanted: &LegFact) -> bool {
    let facts = decoded.signals.iter();
    facts
        .filter(|signal| matches!(&signal.fact, Fact::Leg { leg, .. } if leg == "p-aa-2"))
        .any(|signal| matches!(&signal.fact, Fact::Leg { fact, .. } if fact == wanted))
}

#[test]
fn the_field_at_fault_is_named() {
    for (path, value, field) in [
        ("/body/parties/0/status", json!({}), "status"),
        ("/body/parties/0/status/code", json!(7), "code"),
        ("/body/parties/0/direction", Value::Null, "direction"),
        ("/body/parties/0", json!("x"), "parties"),
        ("/body/eventTime", json!("soon"), "eventTime"),
        (
            "/body/telephonySessionId",
            json!(true),
            "telephonySessionId",
        ),
        ("/body", json!("x"), "body"),
    ] {
        let mut broken = event(agent("Setup"), "Call");
        *broken.pointer_mut(path).unwrap() = value;
        let bytes = broken.to_string();
        let fault = RingCentral.decode(bytes.as_bytes(), &connection(&["s1"]));
        let fault = fault.unwrap_err().to_string();
        assert!(fault.contains(field), "{path}: {fault}");
    }
}

/// Every cut of a real notification is an error and never a panic.
#[test]
fn what_is_cut_off_is_not_understood() {
    let whole = event(agent("Answered"), "Call").to_string();
    let connection = connection(&["s1"]);
    for end in 0..whole.len() {
        let cut = &whole.as_bytes()[..end];
        assert!(RingCentral.decode(cut, &connection).is_err(), "{end}");
    }
    assert!(RingCentral.decode(b"{}", &connection).is_err());
    assert!(RingCentral.decode(b"[]", &connection).is_err());
}

#[test]
fn the_case_of_words_does_not_matter() {
    for code in ["answered", "ANSWERED", "Answered"] {
        assert!(says(
            &decode(&event(agent(code), "Call")),
            &LegFact::Answered
        ));
    }
    for code in [
        "VoiceMail",
        "Voicemail",
        "VMScreening",
        "VoiceMailScreening",
    ] {
        let decoded = decode(&event(agent(code), "Call"));
        let reached = decoded.signals.iter().any(|s| {
            let reached = switchhook_domain::signal::CallFact::VoicemailReached;
            s.fact == Fact::Call(reached)
        });
        assert!(reached, "{code}");
    }
}

/// Menus and queues are set up and leave; whoever rings, holds or hands over is a person.
#[test]
fn a_party_shows_by_what_it_does_whether_it_is_a_person() {
    for code in ["Setup", "Disconnected", "FaxReceive", "VoiceMail"] {
        let decoded = decode(&event(agent(code), "Call"));
        assert_eq!(kind(&decoded), LegKind::Routing, "{code}");
    }
    for code in ["Proceeding", "Answered", "Hold", "Parked"] {
        let decoded = decode(&event(agent(code), "Call"));
        assert_eq!(kind(&decoded), LegKind::Agent, "{code}");
    }
    let mut rung = agent("Setup");
    rung["status"]["mobilePickupData"] = json!({ "sid": "1" });
    assert_eq!(kind(&decode(&event(rung, "Call"))), LegKind::Agent);
    let mut missed = agent("Disconnected");
    missed["missedCall"] = json!(true);
    assert_eq!(kind(&decode(&event(missed, "Call"))), LegKind::Agent);
    let mut outside = agent("Proceeding");
    outside.as_object_mut().unwrap().remove("extensionId");
    assert_eq!(kind(&decode(&event(outside, "Call"))), LegKind::External);
    let mut settings = connection(&["s1"]);
    let listed = json!(["400100100"]);
    settings
        .config
        .insert("routing_extensions".to_owned(), listed);
    let bytes = event(agent("Answered"), "Call").to_string();
    let decoded = RingCentral.decode(bytes.as_bytes(), &settings).unwrap();
    assert_eq!(kind(&decoded), LegKind::Routing, "as the settings say");
}

#[test]
fn a_ring_out_is_known_by_who_calls_whom() {
    let initiator = json!({ "id": "p-aa-1", "extensionId": "400100100", "direction": "Inbound",
        "from": { "phoneNumber": "+31612345678" }, "to": { "phoneNumber": "+31201234567" },
        "ringOutRole": "Initiator", "status": { "code": "Proceeding" } });
    let target = json!({ "id": "p-aa-2", "direction": "Inbound",
        "from": { "phoneNumber": "+31201234567", "extensionId": "400100100" },
        "to": { "phoneNumber": "+31612345678" }, "ringOutRole": "Target",
        "status": { "code": "Proceeding" } });
    let expected = Adoption {
        dialled: "+31612345678".to_owned(),
        extension: None,
        user_id: Some("400100100".to_owned()),
    };
    for mut party in [initiator, target] {
        let decoded = decode(&event(party.clone(), "RingOut"));
        assert_eq!(decoded.adoption, Some(expected.clone()));
        party.as_object_mut().unwrap().remove("ringOutRole");
        let decoded = decode(&event(party.clone(), "RingOut"));
        assert_eq!(
            decoded.adoption,
            Some(expected.clone()),
            "by the order alone"
        );
        assert_eq!(decode(&event(party, "Call")).adoption, None);
    }
}

#[test]
fn every_fixture_names_its_event() {
    for scenario in fixture::scenarios("ringcentral") {
        for (name, payload) in fixture::notifications(&scenario, &RingCentral) {
            let decoded = RingCentral.decode(&payload, &connection(&["s1"])).unwrap();
            assert!(
                !decoded.event.is_empty(),
                "{name} of {}",
                scenario.display()
            );
            for signal in &decoded.signals {
                assert!(signal.keys.len() <= switchhook_domain::signal::MAX_KEYS);
            }
        }
    }
}

proptest! {
    /// Members of any shape in the place of known ones never break it.
    #[test]
    fn a_changed_member_never_panics(
        nth in 0_usize..40,
        value in prop_oneof![
            Just(json!(null)), Just(json!(true)), Just(json!(-1.5e300)), Just(json!([])),
            Just(json!([[{}]])), Just(json!({"a": []})), ".{0,20}".prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
        ],
    ) {
        for topic in ["telephony/sessions", "voicemail", "presence", "message-store/instant"] {
            let mut broken = event(agent("Disconnected"), "RingOut");
            let account = "/restapi/v1.0/account/1/extension/2/";
            broken["event"] = json!(format!("{account}{topic}"));
            broken["body"]["id"] = json!("1");
            broken["body"]["direction"] = json!("Inbound");
            broken["body"]["creationTime"] = json!("2026-01-10T10:00:00Z");
            let mut left = nth;
            change(&mut broken, &mut left, &value);
            let bytes = broken.to_string();
            let _ = RingCentral.decode(bytes.as_bytes(), &connection(&["s1"]));
        }
    }
}

/// Puts the value in the place of the nth member met.
fn change(at: &mut Value, left: &mut usize, value: &Value) {
    let members: Vec<&mut Value> = match at {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => return,
    };
    for member in members {
        if *left == 0 {
            *member = value.clone();
            *left = usize::MAX;
            return;
        }
        *left = left.saturating_sub(1);
        change(member, left, value);
    }
}
