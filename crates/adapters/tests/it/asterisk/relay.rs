//! Events that are posted to us: which are believed, and what is made of the odd ones.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use switchhook_adapters::asterisk::Asterisk;
use switchhook_domain::signal::{Fact, LegFact, LegKind, Signal, UNDATED};
use switchhook_engine::adapter::{Adapter, ConnectionContext, Inbound, Rejection};

use crate::fixture;

const BODY: &[u8] = br#"{"event":"answered","callId":"c-1"}"#;

fn connection(transport: &str, secrets: &[&str]) -> ConnectionContext {
    let mut connection = fixture::connection(secrets);
    connection
        .config
        .insert("transport".to_owned(), transport.into());
    connection
}

/// Verifies with one header or one query parameter.
fn verify(
    connection: &ConnectionContext,
    header: Option<(&str, &str)>,
    query: Option<(&str, &str)>,
) -> Result<(), Rejection> {
    let own = |pair: Option<(&str, &str)>| -> Vec<(String, String)> {
        let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.into_iter().collect()
    };
    let (headers, query) = (own(header), own(query));
    let inbound = Inbound {
        headers: &headers,
        query: &query,
        ..Inbound::body_only(BODY)
    };
    Asterisk
        .verify(&inbound, connection)
        .map(|payload| assert_eq!(payload.as_ref(), BODY))
}

fn hmac(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(BODY);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_carrier_is_believed_with_either_secret_and_no_other() {
    let relay = connection("webhook", &["s3cret-new", "s3cret-old"]);
    for (secret, believed) in [
        ("s3cret-new", true),
        ("s3cret-old", true),
        ("s3cret", false),
        ("s3cret-new ", false),
        ("", false),
    ] {
        let signature = hmac(secret);
        let prefixed = format!("sha256={}", signature.to_uppercase());
        let bearer = format!("Bearer {secret}");
        let carriers = [
            verify(&relay, None, Some(("signature", secret))),
            verify(&relay, None, Some(("secret", secret))),
            verify(&relay, Some(("x-signature", &signature)), None),
            verify(&relay, Some(("x-pipelinq-signature", &prefixed)), None),
        ];
        for (at, carrier) in carriers.into_iter().enumerate() {
            assert_eq!(carrier.is_ok(), believed, "carrier {at}, {secret:?}");
        }
        let trimmed = believed || secret == "s3cret-new ";
        let carrier = verify(&relay, Some(("authorization", &bearer)), None);
        assert_eq!(carrier.is_ok(), trimmed, "bearer, {secret:?}");
    }
    // pbx:s3cret-old, and pbx:nonsense
    let basic = |text| verify(&relay, Some(("authorization", text)), None);
    assert_eq!(basic("Basic cGJ4OnMzY3JldC1vbGQ="), Ok(()));
    for bad in ["Basic cGJ4Om5vbnNlbnNl", "Basic !", "Basic", "Digest x", ""] {
        assert_eq!(basic(bad), Err(Rejection::BadSignature), "{bad}");
    }
}

#[test]
fn a_better_proof_that_fails_is_not_mended_by_a_worse_one() {
    let relay = connection("webhook", &["s3cret"]);
    let query = Some(("secret", "s3cret"));
    for header in [("x-signature", "00"), ("authorization", "Bearer wrong")] {
        assert_eq!(
            verify(&relay, Some(header), query),
            Err(Rejection::BadSignature)
        );
    }
    assert_eq!(verify(&relay, None, query), Ok(()));
}

#[test]
fn without_secret_or_proof_nothing_is_believed() {
    let unsigned = |connection: &ConnectionContext, query| {
        matches!(verify(connection, None, query), Err(Rejection::Unsigned(_)))
    };
    for secrets in [&[][..], &[""], &["  "]] {
        assert!(unsigned(
            &connection("webhook", secrets),
            Some(("secret", ""))
        ));
    }
    assert!(unsigned(&connection("webhook", &["s3cret"]), None));
    for live in ["ari", "ami"] {
        let live = connection(live, &["s3cret"]);
        assert!(unsigned(&live, Some(("secret", "s3cret"))), "it is live");
    }
    // The handshake of a socket has no body that could be signed.
    let socket = connection("ari_outbound", &["s3cret"]);
    let signature = hmac("s3cret");
    let signed = verify(&socket, Some(("x-signature", &signature)), None);
    assert!(matches!(signed, Err(Rejection::Unsigned(_))));
}

fn decode(body: &Value) -> Result<Vec<Signal>, String> {
    let connection = connection("webhook", &["s3cret"]);
    Asterisk
        .decode(body.to_string().as_bytes(), &connection)
        .map(|decoded| decoded.signals)
        .map_err(|error| error.to_string())
}

#[test]
fn fields_at_fault_are_named() {
    for (body, field) in [
        (json!({"Event": ""}), "`event`"),
        (json!({"Event": "Hangup"}), "`Uniqueid`"),
        (
            json!({"Event": "Hangup", "Uniqueid": "x".repeat(200)}),
            "`Uniqueid`",
        ),
        (
            json!({"Event": "Hangup", "Uniqueid": "1.1", "Duration": "an hour"}),
            "`Duration`",
        ),
        (
            json!({"Event": "Hangup", "Uniqueid": "1.1", "Duration": "1:2:3:4"}),
            "`Duration`",
        ),
        (
            json!({"Event": "Hangup", "Uniqueid": "1.1", "Timestamp": "yesterday"}),
            "`Timestamp`",
        ),
        (
            json!({"event": "recording_ready", "callId": "1", "recording":
                {"url": "https://x.example/1", "expiresAt": "soon"}}),
            "`recording.expiresAt`",
        ),
        (json!({"event": "presence"}), "`State`"),
        (json!({"event": "presence", "State": "INUSE"}), "`Device`"),
    ] {
        let told = decode(&body).unwrap_err();
        assert!(told.contains(field), "{body}: {told}");
    }
    assert_eq!(decode(&json!({"event": "coffee"})), Ok(Vec::new()));
}

#[test]
fn durations_are_read_in_every_spelling() {
    for (text, seconds) in [
        (json!("00:05:27"), 327),
        (json!("5:27"), 327),
        (json!("327"), 327),
        (json!(327), 327),
        (json!(326.6), 327),
    ] {
        let body = json!({"event": "hangup", "Uniqueid": "ast-1", "duration": text});
        let told = decode(&body).unwrap();
        let answered = told.iter().find(|signal| {
            matches!(
                &signal.fact,
                Fact::Leg {
                    fact: LegFact::Answered,
                    ..
                }
            )
        });
        let before = UNDATED.duration_since(answered.unwrap().at);
        assert_eq!(before.as_secs(), seconds, "{text}");
    }
}

#[test]
fn the_end_of_a_dial_attempt_is_not_the_end_of_a_call() {
    let ended = |status: Value| {
        let body = json!({"Event": "DialEnd", "Uniqueid": "1.1", "DialStatus": status});
        let told = decode(&body).unwrap();
        let has = |wanted: fn(&LegFact) -> bool| {
            let mut facts = told.iter();
            facts.any(|s| matches!(&s.fact, Fact::Leg { fact, .. } if wanted(fact)))
        };
        let over = has(|fact| matches!(fact, LegFact::Ended(_)));
        let answered = has(|fact| matches!(fact, LegFact::Answered));
        (over, answered)
    };
    assert_eq!(ended(json!("ANSWER")), (false, true));
    assert_eq!(ended(json!("BUSY")), (false, false));
    assert_eq!(ended(Value::Null), (false, false));
}

#[test]
fn a_trunk_is_the_outside_party_and_a_link_must_be_one() {
    let told = decode(&json!({
        "Event": "Newchannel", "Uniqueid": "1.1", "Linkedid": "1.0",
        "Channel": "PJSIP/trunk-00000001", "CallerIDNum": "+31612345678",
        "RecordingURL": "file:///etc/passwd",
    }));
    let told = told.unwrap();
    assert_eq!(told[0].keys, ["chan:1.1", "linked:1.0"]);
    let outside = |signal: &Signal| {
        matches!(&signal.fact, Fact::Leg { fact: LegFact::Seen { kind: LegKind::External,
            origin: true, party }, .. } if party.number.is_some())
    };
    assert!(told.iter().any(outside));
    let rang = |s: &Signal| {
        matches!(
            s.fact,
            Fact::Leg {
                fact: LegFact::Rang,
                ..
            }
        )
    };
    assert!(!told.iter().any(rang), "a trunk does not ring");
    assert!(!told.iter().any(|s| matches!(s.fact, Fact::Call(_))));
}
