//! What single events say, what they must not be taken for, and that no bytes do harm.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;
use switchhook_adapters::asterisk::Asterisk;
use switchhook_domain::media::Presence;
use switchhook_domain::phone::NumberKind;
use switchhook_domain::signal::{CallFact, Fact, LegFact, LegKind, MAX_KEYS, Signal};
use switchhook_engine::adapter::{Adapter, ConnectionContext, DecodeError, Decoded};

use super::fake;
use crate::fixture;

fn decode(payload: &str) -> Result<Decoded, DecodeError> {
    Asterisk.decode(payload.as_bytes(), &fixture::connection(&[]))
}

fn signals(payload: &str) -> Vec<Signal> {
    decode(payload).unwrap().signals
}

fn event(kind: &str, channel: &str, more: &str) -> String {
    format!(
        r#"{{"type":"{kind}","timestamp":"2026-11-22T11:59:59.500+0000",
        "channel":{channel}{more}}}"#
    )
}

/// A caller's channel on a trunk.
fn caller(number: &str) -> String {
    format!(
        r#"{{"id":"17.1","name":"PJSIP/trunk-00000001","state":"Ring",
        "caller":{{"name":"Jan","number":"{number}"}},
        "dialplan":{{"context":"from-pstn","exten":"+31201234567"}}}}"#
    )
}

#[test]
fn a_stream_is_cut_into_its_events() {
    let ari = b"{\"a\":1}\r\n\n  {\"b\":2}\n{\"c\":3}";
    assert_eq!(Asterisk.split(ari).len(), 3);
    let ami = b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nActionID: 1\r\n\r\n\
        Event: Hold\r\nUniqueid: 1\r\n\r\n\r\nEvent: Unhold\nUniqueid: 1\n\nEvent: Cut off";
    let blocks = Asterisk.split(ami);
    assert_eq!(blocks.len(), 4, "{blocks:?}");
    assert!(
        blocks[0].starts_with(b"Response"),
        "the greeting is no message"
    );
    assert!(blocks[1].starts_with(b"Event: Hold") && blocks[2].starts_with(b"Event: Unhold"));
    assert_eq!(blocks[3], b"Event: Cut off");
    assert!(Asterisk.split(b"").is_empty() && Asterisk.split(b"\r\n\r\n \n").is_empty());
}

#[test]
fn what_is_new_is_passed_over() {
    let novelty =
        r#"{"type":"ChannelTeleported","timestamp":"2026-11-22T11:59:59.5+0000","x":[{}]}"#;
    let decoded = decode(novelty).unwrap();
    assert_eq!(
        (decoded.event.as_str(), decoded.signals.len()),
        ("ChannelTeleported", 0)
    );
    let known = event(
        "ChannelHold",
        &caller("+31612345678"),
        r#","novelty":{"deep":[1,2]}"#,
    );
    assert!(signals(&known).iter().any(|s| is_leg(s, &LegFact::Held)));
    let unknown = "Event: Novelty\r\nTimestamp: 1795312699.5\r\nUniqueid: 1\r\n";
    assert_eq!(decode(unknown).unwrap().signals, []);
}

#[test]
fn a_fault_names_its_field() {
    for (payload, words) in [
        ("{", "not readable"),
        ("[]", "neither an ARI event nor an AMI message"),
        ("\u{1}\u{2}", "neither an ARI event nor an AMI message"),
        (r#"{"timestamp":"2026-11-22T11:59:59.5+0000"}"#, "`type`"),
        (
            r#"{"type":"ChannelHold","timestamp":"yesterday"}"#,
            "`timestamp`",
        ),
        (
            r#"{"type":"ChannelHold","timestamp":"2026-11-22T11:59:59.5+0000"}"#,
            "`channel`",
        ),
        (
            r#"{"type":"ChannelHold","timestamp":"2026-11-22T11:59:59.5+0000",
            "channel":{"name":"PJSIP/1-1"}}"#,
            "`channel.id`",
        ),
        ("Event: Hold\r\nTimestamp: 1795312699.5\r\n", "`Uniqueid`"),
        (
            "Event: Hold\r\nUniqueid: 1\r\nChannel: PJSIP/100-1\r\n",
            "timestampevents=yes",
        ),
        (
            "Event: Hold\r\nUniqueid: 1\r\nChannel: PJSIP/100-1\r\nTimestamp: now\r\n",
            "`Timestamp`",
        ),
    ] {
        let fault = decode(payload).unwrap_err().to_string();
        assert!(fault.contains(words), "{payload}: {fault}");
    }
}

#[test]
fn what_is_no_event_is_no_fault() {
    for text in [
        "Asterisk Call Manager/5.0.4",
        "Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted",
        "Event: FullyBooted\r\nStatus: Fully Booted",
        "Event: CoreShowChannel\r\nActionID: 7\r\nUniqueid: 1\r\nChannel: PJSIP/100-1",
    ] {
        assert_eq!(decode(text).unwrap(), Decoded::default(), "{text}");
    }
}

#[test]
fn parked_callers_are_not_one_conversation() {
    let entered = |kind: &str| {
        let channel = r#"{"id":"17.1","name":"PJSIP/trunk-00000001","state":"Up"}"#;
        let bridge = format!(
            r#","bridge":{{"id":"b1","bridge_type":"{kind}","technology":"{kind}_bridge",
            "channels":["17.1","99.9"]}}"#
        );
        signals(&event("ChannelEnteredBridge", channel, &bridge))
    };
    let parked = entered("holding");
    assert!(
        parked
            .iter()
            .all(|signal| !signal.keys.contains(&"chan:99.9".to_owned()))
    );
    assert!(
        !parked
            .iter()
            .any(|s| matches!(fact(s), Some(LegFact::Joined { .. })))
    );
    let talking = entered("mixing");
    assert!(
        talking
            .iter()
            .all(|signal| signal.keys.contains(&"chan:99.9".to_owned()))
    );
}

#[test]
fn a_conference_stays_within_the_bounds() {
    let ids: Vec<String> = (0..200).map(|n| format!("\"17.{n}\"")).collect();
    let bridge = format!(r#","bridge":{{"id":"b1","channels":[{}]}}"#, ids.join(","));
    let told = signals(&event("ChannelEnteredBridge", &caller("1"), &bridge));
    assert!(told.iter().all(|signal| signal.keys.len() <= MAX_KEYS));
    assert_eq!(told[0].keys[0], "chan:17.1", "its own name comes first");
}

#[test]
fn a_caller_without_a_number_is_withheld_and_not_unknown() {
    for number in ["", "anonymous"] {
        let told = signals(&event("ChannelCreated", &caller(number), ""));
        let kind = told.iter().find_map(|signal| match fact(signal) {
            Some(LegFact::Seen { party, .. }) => party.number.as_ref().map(|n| n.kind),
            _ => None,
        });
        assert_eq!(kind, Some(NumberKind::Withheld), "{number:?}");
    }
}

#[test]
fn the_name_that_originate_puts_on_an_agents_channel_is_not_the_agents() {
    let channel = |name: &str, number: &str| {
        format!(
            r#"{{"id":"c1","name":"PJSIP/100-00000001","state":"Ringing",
            "caller":{{"name":"{name}","number":"{number}"}}}}"#
        )
    };
    let name = |channel: &str| {
        let told = signals(&event("ChannelStateChange", channel, ""));
        told.iter().find_map(|signal| match fact(signal) {
            Some(LegFact::Seen {
                kind: LegKind::Agent,
                party,
                ..
            }) => {
                assert_eq!(party.extension.as_deref(), Some("100"));
                assert_eq!(party.number, None);
                party.name.clone()
            }
            _ => None,
        })
    };
    assert_eq!(name(&channel("Jan de Vries", "+31612345678")), None);
    assert_eq!(
        name(&channel("Agent Ada", "100")).as_deref(),
        Some("Agent Ada")
    );
}

#[test]
fn a_device_out_of_reach_has_nobody_who_hung_up() {
    let request = |state: &str, cause: u8| {
        let channel = format!(r#"{{"id":"c1","name":"PJSIP/100-00000001","state":"{state}"}}"#);
        let told = signals(&event(
            "ChannelHangupRequest",
            &channel,
            &format!(",\"cause\":{cause}"),
        ));
        told.iter().any(|signal| is_leg(signal, &LegFact::HungUp))
    };
    assert!(request("Ringing", 21) && request("Up", 16) && request("Up", 127));
    assert!(!request("Ringing", 17) && !request("Down", 20) && !request("Ringing", 3));
}

#[test]
fn device_states_of_agents_are_presence() {
    let device = |name: &str, state: &str| {
        let text = format!(
            r#"{{"type":"DeviceStateChanged","timestamp":"2026-11-22T11:59:59.500+0000",
            "device_state":{{"name":"{name}","state":"{state}"}}}}"#
        );
        signals(&text)
            .into_iter()
            .find_map(|signal| match signal.fact {
                Fact::Presence(report) => Some((report.extension.unwrap(), report.presence)),
                _ => None,
            })
    };
    let of_ada = |presence| Some(("100".to_owned(), presence));
    assert_eq!(
        device("PJSIP/100", "NOT_INUSE"),
        of_ada(Presence::Available)
    );
    assert_eq!(device("PJSIP/100", "RINGINUSE"), of_ada(Presence::OnCall));
    assert_eq!(device("PJSIP/100", "ONHOLD"), of_ada(Presence::OnCall));
    assert_eq!(
        device("PJSIP/100", "UNAVAILABLE"),
        of_ada(Presence::Offline)
    );
    assert_eq!(device("PJSIP/100", "INVALID"), None);
    assert_eq!(device("PJSIP/trunk", "INUSE"), None);
    assert_eq!(device("Queue:support", "INUSE"), None);
}

#[test]
fn a_queue_is_recognised_with_and_without_its_event() {
    let channel = r#"{"id":"17.1","name":"PJSIP/trunk-00000001","state":"Ring",
        "dialplan":{"app_name":"Queue","app_data":"support,,,,20"}}"#;
    let old = event(
        "ChannelDialplan",
        &caller("1"),
        r#","dialplan_app":"Queue","dialplan_app_data":"support,,,,20""#,
    );
    for text in [event("ChannelStateChange", channel, ""), old] {
        let queue = CallFact::Queue("support".to_owned());
        assert!(
            signals(&text)
                .iter()
                .any(|s| s.fact == Fact::Call(queue.clone())),
            "{text}"
        );
    }
}

#[test]
fn the_settings_decide_who_is_an_agent() {
    let config = json!({"url": "http://pbx", "agent_endpoints": ["trunk"], "trunk_endpoints": []});
    let payload = event("ChannelCreated", &caller("+31612345678"), "");
    let told = Asterisk
        .decode(payload.as_bytes(), &fake::connection(&config))
        .unwrap()
        .signals;
    let agent = |s: &Signal| {
        matches!(
            fact(s),
            Some(LegFact::Seen {
                kind: LegKind::Agent,
                ..
            })
        )
    };
    assert!(told.iter().any(agent));
}

fn fact(signal: &Signal) -> Option<&LegFact> {
    match &signal.fact {
        Fact::Leg { fact, .. } => Some(fact),
        _ => None,
    }
}

fn is_leg(signal: &Signal, wanted: &LegFact) -> bool {
    fact(signal) == Some(wanted)
}

/// Every event of every fixture.
static REAL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let all = fixture::scenarios("asterisk");
    let payloads = all
        .iter()
        .flat_map(|s| fixture::notifications(s, &Asterisk));
    payloads.map(|(_, payload)| payload).collect()
});

/// Whatever is made of the bytes, it keeps to the contract.
fn harmless(payload: &[u8], connection: &ConnectionContext) {
    for part in Asterisk.split(payload) {
        let Ok(decoded) = Asterisk.decode(part, connection) else {
            continue;
        };
        for signal in decoded.signals {
            assert!(signal.keys.len() <= MAX_KEYS);
            let without_call = matches!(signal.fact, Fact::Presence(_));
            assert_eq!(signal.keys.is_empty(), without_call, "{signal:?}");
        }
    }
    let _ = Asterisk.decode(payload, connection);
}

proptest! {
    #[test]
    fn any_bytes_are_harmless(payload in proptest::collection::vec(any::<u8>(), 0..600)) {
        harmless(&payload, &fixture::connection(&[]));
    }

    #[test]
    fn damaged_events_are_harmless(
        pick in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let mut payload = pick.get(&REAL).clone();
        for (at, byte) in edits {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if !keep {
            payload.truncate(cut.index(payload.len()));
        }
        harmless(&payload, &fixture::connection(&[]));
    }
}
