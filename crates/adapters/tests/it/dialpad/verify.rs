//! Whose bytes are believed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::json;
use sha2::{Sha256, Sha512};
use switchhook_adapters::dialpad::{Dialpad, sign_header, sign_jwt};
use switchhook_engine::adapter::{Adapter, Inbound, Rejection, Secret};

use crate::fixture::connection;

const PAYLOAD: &[u8] = br#"{"call_id":1,"state":"ringing"}"#;

fn jwt(secret: &str) -> Vec<u8> {
    sign_jwt(PAYLOAD, &Secret::new(secret))
}

fn check(body: &[u8], secrets: &[&str]) -> Result<Vec<u8>, Rejection> {
    let inbound = Inbound::body_only(body);
    Dialpad
        .verify(&inbound, &connection(secrets))
        .map(std::borrow::Cow::into_owned)
}

fn jwt_with(header: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(PAYLOAD)
    );
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}").into_bytes()
}

fn hs256(message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s1").unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn a_good_signature_gives_the_payload() {
    assert_eq!(check(&jwt("s1"), &["s1"]).unwrap(), PAYLOAD);
}

#[test]
fn either_secret_works_while_rotating() {
    assert_eq!(check(&jwt("old"), &["new", "old"]).unwrap(), PAYLOAD);
    assert_eq!(check(&jwt("new"), &["new", "old"]).unwrap(), PAYLOAD);
    assert_eq!(
        check(&jwt("older"), &["new", "old"]),
        Err(Rejection::BadSignature)
    );
}

#[test]
fn without_a_secret_nothing_is_believed() {
    for secrets in [&[][..], &[""], &["  "]] {
        assert!(matches!(
            check(&jwt(""), secrets),
            Err(Rejection::Unsigned(_))
        ));
        assert!(matches!(
            check(PAYLOAD, secrets),
            Err(Rejection::Unsigned(_))
        ));
    }
    assert_eq!(check(&jwt(""), &["", "s1"]), Err(Rejection::BadSignature));
}

#[test]
fn white_space_quotes_padding_and_alphabet_do_not_matter() {
    let plain = String::from_utf8(jwt("s1")).unwrap();
    for body in [
        format!("  {plain}\r\n"),
        format!("\"{plain}\""),
        format!("\n \" {plain} \" \n"),
    ] {
        assert_eq!(check(body.as_bytes(), &["s1"]).unwrap(), PAYLOAD);
    }
    let (signed, _) = plain.rsplit_once('.').unwrap();
    for signature in [
        URL_SAFE.encode(hs256(signed.as_bytes())),
        STANDARD.encode(hs256(signed.as_bytes())),
    ] {
        let body = format!("{signed}.{signature}");
        assert_eq!(check(body.as_bytes(), &["s1"]).unwrap(), PAYLOAD);
    }
}

#[test]
fn the_content_type_decides_nothing() {
    let body = jwt("s1");
    for content_type in [
        "",
        "application/jwt",
        "application/jwt; charset=utf-8",
        "text/plain",
    ] {
        let inbound = Inbound {
            content_type,
            ..Inbound::body_only(&body)
        };
        assert!(
            Dialpad.verify(&inbound, &connection(&["s1"])).is_ok(),
            "{content_type}"
        );
    }
}

#[test]
fn only_hs256_counts_whatever_the_header_says() {
    let none = jwt_with(r#"{"alg":"none"}"#, |_| b"x".to_vec());
    let hs512 = jwt_with(r#"{"alg":"HS512","typ":"JWT"}"#, |message| {
        let mut mac = Hmac::<Sha512>::new_from_slice(b"s1").unwrap();
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    });
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        "not json",
        "",
    ] {
        assert!(
            check(&jwt_with(header, hs256), &["s1"]).is_err(),
            "{header}"
        );
    }
    assert!(check(&none, &["s1"]).is_err());
    assert!(check(&hs512, &["s1"]).is_err());
    // The same header in another spelling is fine.
    let spaced = jwt_with(r#"{ "typ": "JWT", "alg": "HS256" }"#, hs256);
    assert_eq!(check(&spaced, &["s1"]).unwrap(), PAYLOAD);
}

#[test]
fn every_truncation_and_every_flipped_byte_is_refused() {
    let body = jwt("s1");
    for end in 0..body.len() {
        assert!(check(&body[..end], &["s1"]).is_err(), "cut at {end}");
    }
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        // The last character of a base64 text may carry bits that are not used; those must be 0.
        assert!(check(&changed, &["s1"]).is_err(), "changed at {at}");
    }
}

#[test]
fn junk_of_every_size_is_refused() {
    let huge = vec![b'a'; 5_000_000];
    let dots = vec![b'.'; 1_000_000];
    let long_header = [vec![b'e'; 2_000_000], b".e30.".to_vec(), vec![b'a'; 43]].concat();
    let none: [&[u8]; 10] = [
        b"",
        b" ",
        b"\"",
        b"\"\"",
        b".",
        b"..",
        b"a.b.c",
        b"{",
        b"[]",
        &[0xff, 0xfe, 0x00],
    ];
    for body in none.into_iter().chain([&huge[..], &dots, &long_header]) {
        assert!(check(body, &["s1"]).is_err());
    }
}

fn signed_header(name: &str, value: &str, config: Option<&str>) -> Result<(), Rejection> {
    let headers = [(name.to_owned(), value.to_owned())];
    let mut connection = connection(&["new", "s1"]);
    if let Some(header) = config {
        connection
            .config
            .insert("signature_header".to_owned(), json!(header));
    }
    let inbound = Inbound {
        content_type: "application/json",
        headers: &headers,
        ..Inbound::body_only(PAYLOAD)
    };
    Dialpad
        .verify(&inbound, &connection)
        .map(|payload| assert_eq!(payload.as_ref(), PAYLOAD))
}

#[test]
fn a_json_body_signed_in_a_header() {
    let base64 = sign_header(PAYLOAD, &Secret::new("s1"));
    let hex: String = hs256(PAYLOAD)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for value in [&base64, &hex, &hex.to_uppercase(), &format!("sha256={hex}")] {
        for name in ["x-dialpad-signature", "x-signature"] {
            signed_header(name, value, None).unwrap();
        }
        signed_header("x-relay-signature", value, Some("X-Relay-Signature")).unwrap();
    }
    assert!(matches!(
        signed_header("x-else", &base64, None),
        Err(Rejection::Unsigned(_))
    ));
    for bad in [
        "",
        "=",
        "AAAA",
        &base64[1..],
        "é",
        &"0".repeat(64),
        &"z".repeat(64),
    ] {
        assert_eq!(
            signed_header("x-signature", bad, None),
            Err(Rejection::BadSignature),
            "{bad}"
        );
    }
    let spaced = [b" ".as_slice(), PAYLOAD].concat();
    let headers = [("x-signature".to_owned(), base64)];
    let inbound = Inbound {
        headers: &headers,
        ..Inbound::body_only(&spaced)
    };
    assert!(
        Dialpad.verify(&inbound, &connection(&["s1"])).is_err(),
        "the raw bytes are signed"
    );
}

#[test]
fn settings_are_checked() {
    let mut connection = connection(&["s1"]);
    assert!(Dialpad.check_config(&connection).is_ok());
    connection
        .config
        .insert("signature_header".to_owned(), json!("x signature"));
    let fault = Dialpad.check_config(&connection).unwrap_err().to_string();
    assert!(fault.contains("signature_header"), "{fault}");
    connection
        .config
        .insert("signature_header".to_owned(), json!("x-signature"));
    connection
        .config
        .insert("company_id".to_owned(), json!("twelve"));
    assert!(
        Dialpad
            .check_config(&connection)
            .unwrap_err()
            .to_string()
            .contains("company_id")
    );
}

#[test]
fn the_account_is_found_without_trust() {
    let hint = |body: &[u8]| Dialpad.account_hint(&Inbound::body_only(body));
    for (payload, expected) in [
        (
            r#"{"company_id":4800000000000001}"#,
            Some("4800000000000001"),
        ),
        (r#"{"organization_id":"77"}"#, Some("77")),
        (r#"{"org_id":9007199254740993}"#, Some("9007199254740993")),
        (r#"{"company":{"id":5}}"#, Some("5")),
        (r#"{"target":{"office_id":6}}"#, Some("6")),
        (r#"{"company":[],"target":{"office_id":6}}"#, Some("6")),
        (r#"{"company_id":1.5,"target":7}"#, None),
        ("{}", None),
        ("[1]", None),
    ] {
        assert_eq!(hint(payload.as_bytes()).as_deref(), expected, "{payload}");
        let posted = sign_jwt(payload.as_bytes(), &Secret::new("any"));
        assert_eq!(hint(&posted).as_deref(), expected, "{payload} as JWT");
    }
    assert_eq!(hint(b"\xff.\xff.\xff"), None);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(check(&body, &["s1"]).is_err());
        let _ = Dialpad.account_hint(&Inbound::body_only(&body));
    }

    #[test]
    fn any_text_with_dots_is_answered(body in "[\"A-Za-z0-9+/=_. {}-]{0,200}") {
        prop_assert!(check(body.as_bytes(), &["s1"]).is_err());
        let _ = Dialpad.account_hint(&Inbound::body_only(body.as_bytes()));
    }
}
