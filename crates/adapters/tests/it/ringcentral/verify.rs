//! Whose posts are believed, and the question that is answered before any of it.

use proptest::prelude::*;
use serde_json::json;
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_engine::adapter::{Adapter, Decoded, Inbound, Rejection};

use crate::fixture::connection;

const BODY: &[u8] = br#"{"uuid":"1"}"#;

fn check(name: &str, value: &str, secrets: &[&str]) -> Result<(), Rejection> {
    let headers = [(name.to_owned(), value.to_owned())];
    let inbound = Inbound {
        headers: &headers,
        ..Inbound::body_only(BODY)
    };
    let believed = RingCentral.verify(&inbound, &connection(secrets));
    believed.map(|payload| assert_eq!(payload.as_ref(), BODY))
}

#[test]
fn the_token_is_believed_under_every_name_it_has() {
    check("verification-token", "tok-123", &["tok-123"]).unwrap();
    check("validation-token", "tok-123", &["tok-123"]).unwrap();
    check("authorization", "Bearer tok-123", &["tok-123"]).unwrap();
    check("authorization", "bearer  tok-123", &["tok-123"]).unwrap();
    for (name, value) in [
        ("verification-token", "tok-124"),
        ("verification-token", ""),
        ("verification-token", "tok-1234"),
        ("verification-token", "TOK-123"),
        ("validation-token", "tok"),
        ("authorization", "Bearer tok"),
    ] {
        let refused = check(name, value, &["tok-123"]);
        assert_eq!(refused, Err(Rejection::BadSignature), "{name}: {value}");
    }
    for name in ["x-signature", "x-verification-token"] {
        let refused = check(name, "tok-123", &["tok-123"]);
        assert!(matches!(refused, Err(Rejection::Unsigned(_))), "{name}");
    }
    let basic = check("authorization", "Basic tok-123", &["tok-123"]);
    assert!(matches!(basic, Err(Rejection::Unsigned(_))));
}

#[test]
fn either_secret_works_while_rotating_and_none_means_nobody() {
    for secret in ["new", "old"] {
        check("verification-token", secret, &["new", "old"]).unwrap();
    }
    let older = check("verification-token", "older", &["new", "old"]);
    assert_eq!(older, Err(Rejection::BadSignature));
    for secrets in [&[][..], &[""], &["  "]] {
        let refused = check("verification-token", "", secrets);
        assert!(matches!(refused, Err(Rejection::Unsigned(_))));
    }
    let empty = check("verification-token", "", &["", "s1"]);
    assert_eq!(empty, Err(Rejection::BadSignature));
}

fn shake(headers: &[(String, String)], body: &[u8]) -> Option<(u16, String)> {
    let inbound = Inbound {
        headers,
        ..Inbound::body_only(body)
    };
    let reply = RingCentral.handshake(&inbound, &connection(&[]))?;
    assert_eq!(reply.content_type, "application/json");
    assert!(reply.body.is_empty());
    assert_eq!(reply.headers[0].0, "Validation-Token");
    Some((reply.status, reply.headers[0].1.clone()))
}

#[test]
fn the_question_is_echoed_even_before_a_secret_is_known() {
    let header = |value: &str| [("validation-token".to_owned(), value.to_owned())];
    for body in [&b""[..], b"  \r\n"] {
        let echoed = shake(&header("abc-1"), body).unwrap();
        assert_eq!(echoed, (200, "abc-1".to_owned()));
    }
    assert_eq!(
        shake(&header("abc-1"), BODY),
        None,
        "an event is no question"
    );
    assert_eq!(shake(&header(&"x".repeat(257)), b""), None);
    assert_eq!(shake(&header("a\r\nb"), b""), None);
    assert_eq!(shake(&[], b""), None);
}

#[test]
fn the_answer_to_an_event_is_empty() {
    let decoded = Decoded::default();
    let reply = RingCentral.reply(BODY, &decoded, &connection(&[])).unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[test]
fn the_account_is_read_from_path_or_party() {
    let hint = |body: serde_json::Value| {
        let body = body.to_string();
        RingCentral.account_hint(&Inbound::body_only(body.as_bytes()))
    };
    let event = "/restapi/v1.0/account/400100100/telephony/sessions";
    assert_eq!(hint(json!({"event": event})).as_deref(), Some("400100100"));
    let own = "/restapi/v1.0/account/~/telephony/sessions";
    let party = json!({"parties": [{"accountId": "7"}]});
    let by_party = hint(json!({"event": own, "body": party}));
    assert_eq!(by_party.as_deref(), Some("7"));
    assert_eq!(hint(json!({"event": own})), None);
}

#[test]
fn settings_are_checked() {
    let mut connection = connection(&["s1"]);
    assert!(RingCentral.check_config(&connection).is_ok());
    for (name, bad) in [
        ("company_id", json!("twelve")),
        ("routing_extensions", json!(["400100900", "101a"])),
    ] {
        let good = connection.config.insert(name.to_owned(), bad);
        let fault = RingCentral.check_config(&connection).unwrap_err();
        assert!(fault.to_string().contains(name), "{fault}");
        assert!(good.is_none());
        connection.config.remove(name);
    }
    let secret = switchhook_engine::adapter::Secret::new("x");
    connection.credentials.insert("jwt".to_owned(), secret);
    let fault = RingCentral.check_config(&connection).unwrap_err();
    assert!(fault.to_string().contains("client_id"), "{fault}");
}

proptest! {
    #[test]
    fn nothing_foreign_panics(body in any::<Vec<u8>>(), token in ".{0,40}") {
        let headers = [("verification-token".to_owned(), token)];
        let inbound = Inbound { headers: &headers, ..Inbound::body_only(&body) };
        let connection = connection(&["s1"]);
        let _ = RingCentral.handshake(&inbound, &connection);
        let _ = RingCentral.verify(&inbound, &connection);
        let _ = RingCentral.account_hint(&inbound);
        let _ = RingCentral.decode(&body, &connection);
    }
}
