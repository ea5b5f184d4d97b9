//! What is believed: exact bytes, the connection's secrets and nothing else.

use switchhook_adapters::wildix::{Wildix, sign};
use switchhook_engine::adapter::{Adapter, ConnectionContext, Inbound, Rejection, Secret};

use crate::fixture::{SECRET, connection};

const BODY: &[u8] = br#"{"id":"it_w000001_1.0","type":"call:start","time":1,"data":{}}"#;

fn verdict(
    connection: &ConnectionContext,
    body: &[u8],
    header: Option<&str>,
) -> Result<(), Rejection> {
    let header = header.map(|value| ("x-signature".to_owned(), value.to_owned()));
    let headers: Vec<(String, String)> = header.into_iter().collect();
    let inbound = Inbound {
        headers: &headers,
        ..Inbound::body_only(body)
    };
    let believed = Wildix.verify(&inbound, connection)?;
    assert_eq!(believed.as_ref(), body, "the bytes go on as they came");
    Ok(())
}

#[test]
fn a_signature_is_what_openssl_says_it_is() {
    // openssl dgst -sha256 -hmac wildix-test-secret, over these bytes.
    let secret = Secret::new("wildix-test-secret");
    let body = br#"{"a":1}"#;
    let expected = "38ab4e9aa11b5e7ff3636472bb2afb42a9b8b6dc55457ca67730d525691cdadf";
    assert_eq!(sign(body, &secret), expected);
}

#[test]
fn either_of_two_secrets_is_believed_while_one_is_rotated() {
    let both = connection(&["the-newer-secret", SECRET]);
    for secret in ["the-newer-secret", SECRET] {
        let signature = sign(BODY, &Secret::new(secret));
        assert_eq!(verdict(&both, BODY, Some(&signature)), Ok(()));
    }
    let retired = connection(&["the-newer-secret"]);
    let signature = sign(BODY, &Secret::new(SECRET));
    assert_eq!(
        verdict(&retired, BODY, Some(&signature)),
        Err(Rejection::BadSignature)
    );
}

#[test]
fn one_changed_byte_is_not_believed() {
    let signature = sign(BODY, &Secret::new(SECRET));
    let connection = connection(&[SECRET]);
    for at in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[at] ^= 1;
        let verdict = verdict(&connection, &body, Some(&signature));
        assert_eq!(verdict, Err(Rejection::BadSignature));
    }
    let mut longer = BODY.to_vec();
    longer.push(b'\n');
    let verdict = verdict(&connection, &longer, Some(&signature));
    assert_eq!(verdict, Err(Rejection::BadSignature));
}

#[test]
fn anything_but_64_lower_case_hex_digits_is_refused() {
    let connection = connection(&[SECRET]);
    let good = sign(BODY, &Secret::new(SECRET));
    let prefixed = format!("sha256={good}");
    for bad in [
        "",
        "0",
        &good[..63],
        &good.to_uppercase(),
        &prefixed,
        &format!("{good}00"),
        &"é".repeat(32),
    ] {
        assert_eq!(
            verdict(&connection, BODY, Some(bad)),
            Err(Rejection::BadSignature),
            "{bad}"
        );
    }
    assert!(matches!(
        verdict(&connection, BODY, None),
        Err(Rejection::Unsigned(_))
    ));
}

#[test]
fn a_connection_without_a_secret_believes_nothing() {
    for secrets in [&[][..], &[""][..], &["  "][..]] {
        let connection = connection(secrets);
        let signature = sign(
            BODY,
            &Secret::new(secrets.first().copied().unwrap_or_default()),
        );
        assert!(matches!(
            verdict(&connection, BODY, Some(&signature)),
            Err(Rejection::Unsigned(_))
        ));
    }
}

/// On a queue Wildix signs with the AWS secret access key of the integration.
#[test]
fn the_keys_of_the_queue_are_believed_too() {
    for name in ["sqs_secret_access_key", "sqs_signing_key"] {
        let mut connection = connection(&["a-secret-of-ours"]);
        let signature = sign(BODY, &Secret::new("aws-secret"));
        let refused = verdict(&connection, BODY, Some(&signature));
        assert_eq!(refused, Err(Rejection::BadSignature));
        let key = Secret::new("aws-secret");
        connection.credentials.insert(name.to_owned(), key);
        assert_eq!(verdict(&connection, BODY, Some(&signature)), Ok(()));
    }
}
