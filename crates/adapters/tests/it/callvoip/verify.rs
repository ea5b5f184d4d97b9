//! What is believed of a relay, and what of the dial plan's webhook.

use serde_json::{Value, json};
use switchhook_adapters::callvoip::{CallVoip, sign};
use switchhook_engine::adapter::{Adapter, ConnectionContext, Inbound, Rejection, Secret};

use crate::fixture::{SECRET, connection};

const EVENT: &[u8] = br#"{"event":"answered","callId":"abc"}"#;
const BLOCK: &[u8] = br#"{"uuid":"u1","dp_id":"d","caller_number":"31612345021",
    "callee_number":"31850001200","event_time":"1795341600000"}"#;

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    of.iter().map(owned).collect()
}

fn verdict(
    connection: &ConnectionContext,
    body: &[u8],
    headers: &[(&str, &str)],
    query: &[(&str, &str)],
) -> Result<Vec<u8>, Rejection> {
    let (headers, query) = (pairs(headers), pairs(query));
    let inbound = Inbound {
        body,
        content_type: "application/json",
        headers: &headers,
        query: &query,
    };
    CallVoip
        .verify(&inbound, connection)
        .map(std::borrow::Cow::into_owned)
}

/// The predecessor's own test values.
#[test]
fn the_signatures_of_the_predecessor_are_believed() {
    for (secret, body, signature) in [
        (
            "secret-shh",
            r#"{"event":"answered","callId":"abc"}"#,
            "2826f89d6d5ea3cd3983af00af09686ad487f1794cbaf5daa7359e1687d16721",
        ),
        (
            "shared-secret-xyz",
            r#"{"event":"answered","callId":"c-1"}"#,
            "ad660601f59f0d81c510f76413e35dea3a450ba04127b94231e745177c0d9953",
        ),
    ] {
        assert_eq!(sign(body.as_bytes(), &Secret::new(secret)), signature);
        for (header, value) in [
            ("x-pipelinq-signature", signature.to_owned()),
            ("x-signature", signature.to_owned()),
            ("x-signature", signature.to_uppercase()),
            ("x-pipelinq-signature", format!("sha256={signature}")),
        ] {
            let believed = verdict(
                &connection(&[secret]),
                body.as_bytes(),
                &[(header, &value)],
                &[],
            );
            assert_eq!(believed.unwrap(), body.as_bytes(), "{header}");
        }
    }
}

#[test]
fn bad_missing_and_rotated_signatures() {
    let both = connection(&["the-newer-secret", SECRET]);
    let good = sign(EVENT, &Secret::new(SECRET));
    assert!(verdict(&both, EVENT, &[("x-signature", &good)], &[]).is_ok());
    let retired = connection(&["the-newer-secret"]);
    let refused = verdict(&retired, EVENT, &[("x-signature", &good)], &[]);
    assert_eq!(refused, Err(Rejection::BadSignature));
    let other = sign(b"{}", &Secret::new(SECRET));
    for bad in ["", "00", &good[..60], &other] {
        let refused = verdict(&both, EVENT, &[("x-signature", bad)], &[]);
        assert_eq!(refused, Err(Rejection::BadSignature), "{bad}");
    }
    assert!(matches!(
        verdict(&both, EVENT, &[], &[]),
        Err(Rejection::Unsigned(_))
    ));
    for none in [connection(&[]), connection(&[" "])] {
        let signature = sign(EVENT, &Secret::new(" "));
        let refused = verdict(
            &none,
            EVENT,
            &[("x-signature", &signature)],
            &[("token", " ")],
        );
        assert!(matches!(refused, Err(Rejection::Unsigned(_))));
    }
}

#[test]
fn header_and_encoding_are_settings() {
    let mut connection = connection(&[SECRET]);
    connection
        .config
        .insert("signature_header".to_owned(), json!("X-Relay-Mac"));
    let hex = sign(EVENT, &Secret::new(SECRET));
    assert!(verdict(&connection, EVENT, &[("x-relay-mac", &hex)], &[]).is_ok());
    connection
        .config
        .insert("signature_encoding".to_owned(), json!("base64"));
    // printf of the body | openssl dgst -sha256 -hmac dialpad-test-secret -binary | base64
    let base64 = "bGKnFxtGrpA+2FqpTDAcOdLM30YZtI4gujHM3ZGZYDI=";
    assert!(verdict(&connection, EVENT, &[("x-relay-mac", base64)], &[]).is_ok());
    let refused = verdict(&connection, EVENT, &[("x-relay-mac", &hex)], &[]);
    assert_eq!(refused, Err(Rejection::BadSignature));
    connection
        .config
        .insert("signature_header".to_owned(), json!("X Relay"));
    let fault = CallVoip.check_config(&connection).unwrap_err();
    assert!(fault.to_string().contains("signature_header"), "{fault}");
}

/// The block of a dial plan cannot sign; its token believes that one event and no other.
#[test]
fn a_token_in_the_address_believes_the_dial_plan_only() {
    let connection = connection(&["the-newer-secret", SECRET]);
    for name in ["token", "secret"] {
        assert!(verdict(&connection, BLOCK, &[], &[(name, SECRET)]).is_ok());
    }
    let refused = verdict(&connection, BLOCK, &[], &[("token", "guess")]);
    assert_eq!(refused, Err(Rejection::BadSignature));
    let refused = verdict(&connection, BLOCK, &[], &[("other", SECRET)]);
    assert!(matches!(refused, Err(Rejection::Unsigned(_))));
    for event in [EVENT, br#"{"uuid":"u""event":"hangup"}"#] {
        let refused = verdict(&connection, event, &[], &[("token", SECRET)]);
        assert!(matches!(refused, Err(Rejection::Unsigned(_))));
    }
    let wrong = ("x-signature", "00");
    let refused = verdict(&connection, BLOCK, &[wrong], &[("token", SECRET)]);
    assert_eq!(
        refused,
        Err(Rejection::BadSignature),
        "a bad signature is not healed by a token"
    );
}

/// A block set to GET carries nothing of the call; what a relay puts into the address is read.
#[test]
fn a_get_is_read_from_its_address() {
    let connection = connection(&[SECRET]);
    let query = [
        ("token", SECRET),
        ("uuid", "u1"),
        ("caller_number", "31612345021"),
        ("event_time", "1795341600000"),
    ];
    let payload = verdict(&connection, b"", &[], &query).unwrap();
    let text: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(text["uuid"], "u1");
    assert!(!String::from_utf8(payload.clone()).unwrap().contains(SECRET));
    assert_eq!(
        CallVoip.decode(&payload, &connection).unwrap().event,
        "dial_plan"
    );
    let bare = verdict(&connection, b"", &[], &[("token", SECRET)]).unwrap();
    let fault = CallVoip.decode(&bare, &connection).unwrap_err().to_string();
    assert!(fault.contains("must use POST"), "{fault}");
}

#[test]
fn the_dial_plan_is_answered_in_plain_text_and_a_relay_is_not() {
    let mut connection = connection(&[SECRET]);
    let decoded = CallVoip.decode(BLOCK, &connection).unwrap();
    let reply = CallVoip.reply(BLOCK, &decoded, &connection).unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]));
    assert!(reply.content_type.starts_with("text/plain"));
    connection
        .config
        .insert("dial_plan_reply".to_owned(), json!("vip"));
    let reply = CallVoip.reply(BLOCK, &decoded, &connection).unwrap();
    assert_eq!(reply.body, b"vip");
    let decoded = CallVoip.decode(EVENT, &connection).unwrap();
    assert_eq!(CallVoip.reply(EVENT, &decoded, &connection), None);
}
