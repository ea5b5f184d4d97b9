//! Who is believed: every scheme with the right secret, the older one, a wrong one and none.

use switchhook_adapters::generic::{self, Generic};
use switchhook_adapters::mapped::{self, Mapped};
use switchhook_adapters::zammad::Zammad;
use switchhook_engine::adapter::{Adapter, Inbound, Rejection, Secret};

use crate::fixture::connection;

const BODY: &[u8] = br#"{"event":"ringing","call_id":"1","at":"2026-11-22T10:00:00Z"}"#;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

/// The payload that is believed, or why it is not.
fn verify(
    adapter: &dyn Adapter,
    body: &[u8],
    headers: &[(&str, &str)],
    query: &[(&str, &str)],
    secrets: &[&str],
) -> Result<String, Rejection> {
    let (headers, query) = (pairs(headers), pairs(query));
    let inbound = Inbound {
        body,
        content_type: "application/json",
        headers: &headers,
        query: &query,
    };
    let payload = adapter.verify(&inbound, &connection(secrets))?;
    Ok(String::from_utf8_lossy(&payload).into_owned())
}

#[test]
fn the_generic_webhook_believes_a_signature_or_the_secret() {
    let signature = generic::sign(BODY, &Secret::new("s3cret"));
    let upper = signature.to_uppercase();
    let prefixed = format!("sha256={signature}");
    let good = String::from_utf8_lossy(BODY).into_owned();
    for headers in [
        ("x-signature", signature.as_str()),
        ("x-signature", upper.as_str()),
        ("x-signature", prefixed.as_str()),
        ("x-pipelinq-signature", signature.as_str()),
        ("authorization", "Bearer s3cret"),
        ("authorization", "bearer s3cret"),
    ] {
        for secrets in [&["s3cret"][..], &["newer", "s3cret"]] {
            assert_eq!(
                verify(&Generic, BODY, &[headers], &[], secrets).unwrap(),
                good
            );
        }
        let wrong = verify(&Generic, BODY, &[headers], &[], &["another"]);
        assert_eq!(wrong, Err(Rejection::BadSignature), "{headers:?}");
        for none in [&[][..], &[""], &["  "]] {
            let unset = verify(&Generic, BODY, &[headers], &[], none);
            assert!(matches!(unset, Err(Rejection::Unsigned(_))), "{headers:?}");
        }
    }
    let in_query = [("secret", "s3cret")];
    assert_eq!(
        verify(&Generic, BODY, &[], &in_query, &["s3cret"]).unwrap(),
        good
    );
    let nothing = verify(&Generic, BODY, &[], &[], &["s3cret"]);
    assert!(matches!(nothing, Err(Rejection::Unsigned(_))));
    let changed = [BODY, b" "].concat();
    let header = [("x-signature", signature.as_str())];
    let changed = verify(&Generic, &changed, &header, &[], &["s3cret"]);
    assert_eq!(changed, Err(Rejection::BadSignature));
}

#[test]
fn an_event_in_the_query_is_believed_with_the_secret_only() {
    let query = [
        ("event", "ringing"),
        ("call_id", "a&b"),
        ("secret", "s3cret"),
    ];
    let payload = verify(&Generic, b"", &[], &query, &["s3cret"]).unwrap();
    assert_eq!(payload, "event=ringing&call_id=a%26b");
    let decoded = Generic
        .decode(payload.as_bytes(), &connection(&[]))
        .unwrap();
    assert_eq!(decoded.event, "ringing");
    let signature = generic::sign(b"", &Secret::new("s3cret"));
    let signed = [("x-signature", signature.as_str())];
    let refused = verify(&Generic, b"", &signed, &query[..2], &["s3cret"]);
    assert!(
        matches!(refused, Err(Rejection::Unsigned(_))),
        "a signature of nothing"
    );
}

#[test]
fn zammad_believes_the_token_wherever_a_pbx_can_put_it() {
    let basic = "Basic dXNlcjpzM2NyZXQ=";
    for (headers, query) in [
        (&[][..], &[("secret", "s3cret")][..]),
        (&[], &[("token", "s3cret")]),
        (&[("authorization", "Bearer s3cret")], &[]),
        (&[("authorization", basic)], &[]),
    ] {
        assert!(verify(&Zammad, b"event=answer", headers, query, &["s3cret"]).is_ok());
        let wrong = verify(&Zammad, b"event=answer", headers, query, &["another"]);
        assert_eq!(wrong, Err(Rejection::BadSignature));
    }
    let none = verify(&Zammad, b"event=answer", &[], &[], &["s3cret"]);
    assert!(matches!(none, Err(Rejection::Unsigned(_))));
}

fn with_signature(section: &str) -> Mapped {
    let text = format!(
        "platform = \"acme\"\ntitle = \"Acme\"\nsummary = \"Acme posts JSON.\"\n\
         [signature]\n{section}\n[call]\nid = \"call_id\"\n[events]\npath = \"event\"\n\
         map = {{ ringing = \"ringing\" }}\n"
    );
    mapped::compile(&text).unwrap_or_else(|faults| panic!("{section}: {faults:?}"))
}

#[test]
fn every_scheme_of_a_mapping_believes_what_it_proves_and_nothing_else() {
    let schemes = [
        "scheme = \"hmac-sha256\"\nheader = \"X-Acme-Signature\"",
        "scheme = \"hmac-sha1\"\nheader = \"x-hub-signature\"\nprefix = \"sha1=\"",
        "scheme = \"hmac-sha256\"\nquery = \"sig\"\nencoding = \"base64\"",
        "scheme = \"hmac-sha256\"\nheader = \"x-sig\"\nsigned = \"{header:x-time}.{body}\"",
        "scheme = \"token\"\nheader = \"x-token\"",
        "scheme = \"token\"\nquery = \"key\"",
        "scheme = \"bearer\"",
        "scheme = \"basic\"",
        "scheme = \"secret-url\"",
    ];
    for scheme in schemes {
        let mapped = with_signature(scheme);
        let proof = mapped.prove(BODY, &Secret::new("s3cret"));
        let inbound = Inbound {
            body: BODY,
            content_type: "application/json",
            headers: &proof.headers,
            query: &proof.query,
        };
        let verify = |secrets: &[&str]| mapped.verify(&inbound, &connection(secrets));
        assert_eq!(verify(&["s3cret"]).unwrap().as_ref(), BODY, "{scheme}");
        assert!(verify(&["newer", "s3cret"]).is_ok(), "{scheme}");
        assert_eq!(
            verify(&["another"]),
            Err(Rejection::BadSignature),
            "{scheme}"
        );
        assert!(
            matches!(verify(&[]), Err(Rejection::Unsigned(_))),
            "{scheme}"
        );
        assert!(
            matches!(verify(&[""]), Err(Rejection::Unsigned(_))),
            "{scheme}"
        );
        let bare = Inbound::body_only(BODY);
        let bare = mapped.verify(&bare, &connection(&["s3cret"]));
        assert!(matches!(bare, Err(Rejection::Unsigned(_))), "{scheme}");
        if scheme.contains("hmac") {
            let other = Inbound {
                body: b"{}",
                ..inbound
            };
            let changed = mapped.verify(&other, &connection(&["s3cret"]));
            assert_eq!(changed, Err(Rejection::BadSignature), "{scheme}");
        }
    }
}

#[test]
fn a_token_in_the_body_is_believed_where_the_mapping_says() {
    let mapped = with_signature("scheme = \"token\"\nfield = \"auth.token\"");
    let check = |body: &str| {
        let inbound = Inbound::body_only(body.as_bytes());
        mapped
            .verify(&inbound, &connection(&["s3cret"]))
            .map(|_| ())
    };
    assert_eq!(check(r#"{"auth":{"token":"s3cret"}}"#), Ok(()));
    assert_eq!(
        check(r#"{"auth":{"token":"other"}}"#),
        Err(Rejection::BadSignature)
    );
    for body in [
        r#"{"token":"s3cret"}"#,
        r#"{"auth":{"token":""}}"#,
        "{}",
        "",
        "[",
    ] {
        assert!(matches!(check(body), Err(Rejection::Unsigned(_))), "{body}");
    }
}
