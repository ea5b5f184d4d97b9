//! Forged notifications: what the simulator signs is believed with the right secret, during a
//! rotation also with the old one, and otherwise not.

use switchhook_adapters::registry;
use switchhook_adapters::simulate::{self, CallSeed, Scenario, Step};
use switchhook_engine::adapter::{Adapter, Inbound, Rejection};

use crate::fixture::{SECRET, connection};

const NEW: &str = "the-secret-after-the-rotation";
const OTHER: &str = "the-secret-of-somebody-else";

/// Platforms whose notifications carry a token and no signature over the body, or come over a
/// connection that was signed in once.
const NOT_OVER_THE_BODY: &[(&str, &str)] = &[
    ("asterisk", "frames of a socket that we signed in to"),
    (
        "ringcentral",
        "the vendor sends a token of the subscription",
    ),
    (
        "zammad",
        "the vendor's switches send a token in the address",
    ),
    ("3cx", "the CRM template sends a token"),
    (
        "aircall",
        "the vendor puts a token of the webhook into the body",
    ),
];

fn believed(adapter: &dyn Adapter, step: &Step, secrets: &[&str]) -> Result<(), Rejection> {
    let connection = connection(secrets);
    let inbound = Inbound {
        content_type: step.content_type,
        headers: &step.headers,
        ..Inbound::body_only(&step.body)
    };
    adapter.verify(&inbound, &connection).map(|_| ())
}

/// The first step of a call at every platform whose posts are verified.
fn posts() -> Vec<(&'static dyn Adapter, Step)> {
    let seed = CallSeed::new(5, "2026-11-22T09:00:00Z".parse().unwrap());
    let mut all = Vec::new();
    for platform in simulate::played().filter(|platform| *platform != "asterisk") {
        let adapter = registry().get(platform).unwrap();
        let play = simulate::player(platform).unwrap();
        let steps = play(Scenario::Answered, &seed, SECRET);
        all.push((adapter, steps.first().unwrap().clone()));
    }
    assert!(all.len() > 3);
    all
}

#[test]
fn signed_with_the_secret_is_believed_and_with_another_not() {
    for (adapter, step) in posts() {
        let name = adapter.spec().platform;
        assert_eq!(believed(adapter, &step, &[SECRET]), Ok(()), "{name}");
        assert!(
            believed(adapter, &step, &[OTHER]).is_err(),
            "{name}: another secret"
        );
        assert!(
            believed(adapter, &step, &[]).is_err(),
            "{name}: no secret at all"
        );
    }
}

#[test]
fn during_a_rotation_both_secrets_are_good_and_after_it_the_old_one_is_not() {
    for (adapter, step) in posts() {
        let name = adapter.spec().platform;
        assert_eq!(
            believed(adapter, &step, &[NEW, SECRET]),
            Ok(()),
            "{name}: the old one"
        );
        assert_eq!(
            believed(adapter, &step, &[SECRET, OTHER]),
            Ok(()),
            "{name}: the new one"
        );
        assert!(
            believed(adapter, &step, &[NEW]).is_err(),
            "{name}: after the rotation"
        );
    }
}

#[test]
fn without_its_signature_nothing_is_believed() {
    for (adapter, step) in posts() {
        let name = adapter.spec().platform;
        let connection = connection(&[SECRET]);
        let inbound = Inbound {
            content_type: step.content_type,
            headers: &step.headers,
            ..Inbound::body_only(&step.body)
        };
        let payload = adapter.verify(&inbound, &connection).unwrap().into_owned();
        let wrapped = payload != step.body;
        let bare = Step {
            headers: Vec::new(),
            body: payload,
            ..step.clone()
        };
        if wrapped || !step.headers.is_empty() {
            assert!(believed(adapter, &bare, &[SECRET]).is_err(), "{name}");
        }
        for (name, _) in &step.headers {
            let mut some = step.clone();
            for (header, value) in &mut some.headers {
                if header == name {
                    value.truncate(value.len() / 2);
                }
            }
            let _ = believed(adapter, &some, &[SECRET]);
        }
    }
}

#[test]
fn a_body_that_was_changed_on_the_way_is_not_believed() {
    for (adapter, step) in posts() {
        let name = adapter.spec().platform;
        if NOT_OVER_THE_BODY.iter().any(|(known, _)| *known == name) {
            continue;
        }
        for at in 0..step.body.len() {
            let mut changed = step.clone();
            changed.body[at] ^= 1;
            assert!(
                believed(adapter, &changed, &[SECRET]).is_err(),
                "{name}: byte {at}"
            );
        }
    }
}
