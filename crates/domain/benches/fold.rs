//! How long the fold of one notification takes, and the derivation of a record from its facts.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first surprise"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use switchhook_domain::Timestamp;
use switchhook_domain::cause::Cause;
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::replay::Replay;
use switchhook_domain::signal::{CallFact, LegFact, LegKind, Party, Signal};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_312_358_000 + ms).unwrap()
}

/// An inbound call with both legs, a hold and an end: one batch for each notification.
fn answered_call() -> Vec<Vec<Signal>> {
    let plan = NumberPlan::default();
    let keys = ["call".to_owned()];
    let number = PhoneNumber::parse("+31612345678", &plan);
    let line = PhoneNumber::parse("+31201234567", &plan);
    let seen = |kind, origin, party| LegFact::Seen {
        kind,
        origin,
        party,
    };
    let caller = Party {
        number: Some(number),
        ..Party::default()
    };
    let agent = Party {
        extension: Some("100".to_owned()),
        ..Party::default()
    };
    let leg = |ms, leg, fact| Signal::leg(at(ms), &keys, leg, fact);
    vec![
        vec![
            leg(0, "trunk", seen(LegKind::External, true, caller)),
            Signal::call(at(0), &keys, CallFact::Line(line)),
        ],
        vec![
            leg(5, "agent", seen(LegKind::Agent, false, agent)),
            leg(5, "agent", LegFact::Rang),
        ],
        vec![leg(4_000, "agent", LegFact::Answered)],
        vec![leg(4_001, "trunk", LegFact::Answered)],
        vec![leg(9_000, "agent", LegFact::Held)],
        vec![leg(15_000, "agent", LegFact::Resumed)],
        vec![leg(60_000, "agent", LegFact::Ended(Cause::q850(16)))],
        vec![leg(60_001, "trunk", LegFact::Ended(Cause::q850(16)))],
    ]
}

fn benches(criterion: &mut Criterion) {
    let call = answered_call();
    criterion.bench_function("fold a call of 8 notifications", |bencher| {
        bencher.iter_batched(
            || Replay::new("asterisk", "NL"),
            |mut replay| {
                for batch in &call {
                    replay.notification(at(70_000), black_box(batch));
                }
                replay
            },
            BatchSize::SmallInput,
        );
    });
    let plan = NumberPlan::default();
    criterion.bench_function("read a national number", |bencher| {
        bencher.iter(|| PhoneNumber::parse(black_box("0612345678"), &plan));
    });
    criterion.bench_function("read an E.164 number", |bencher| {
        bencher.iter(|| PhoneNumber::parse(black_box("+31612345678"), &plan));
    });
    let number = PhoneNumber::parse("+31612345678", &plan);
    criterion.bench_function("format a number for display", |bencher| {
        bencher.iter(|| black_box(&number).display("NL"));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
