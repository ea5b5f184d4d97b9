//! How long it takes to believe and understand one notification of each platform.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Map;
use switchhook_adapters::registry;
use switchhook_adapters::simulate::{self, CallSeed, Scenario};
use switchhook_domain::phone::NumberPlan;
use switchhook_engine::adapter::{ConnectionContext, Inbound, Secret};
use switchhook_engine::outbound::Guard;

const SECRET: &str = "bench-webhook-secret";

fn connection() -> ConnectionContext {
    let nil = "00000000-0000-0000-0000-000000000000";
    ConnectionContext {
        app_id: nil.parse().unwrap(),
        id: nil.parse().unwrap(),
        name: "bench".to_owned(),
        config: Map::new(),
        credentials: BTreeMap::new(),
        webhook_secrets: vec![Secret::new(SECRET)],
        numbers: NumberPlan::default(),
        outbound: Guard::default(),
    }
}

fn benches(criterion: &mut Criterion) {
    let connection = connection();
    let seed = CallSeed::new(1, "2026-11-22T12:00:00Z".parse().unwrap());
    let dialpad = registry().get("dialpad").unwrap();
    let signed = simulate::dialpad(Scenario::Answered, &seed, SECRET)
        .remove(0)
        .body;
    let mut group = criterion.benchmark_group("dialpad");
    group.throughput(Throughput::Bytes(signed.len() as u64));
    group.bench_function("verify", |bencher| {
        let inbound = Inbound::body_only(&signed);
        bencher.iter(|| {
            dialpad
                .verify(black_box(&inbound), &connection)
                .unwrap()
                .len()
        });
    });
    group.bench_function("verify and decode", |bencher| {
        let inbound = Inbound::body_only(&signed);
        bencher.iter(|| {
            let payload = dialpad.verify(black_box(&inbound), &connection).unwrap();
            dialpad.decode(&payload, &connection).unwrap()
        });
    });
    group.finish();

    let asterisk = registry().get("asterisk").unwrap();
    let frames = simulate::asterisk(Scenario::Answered, &seed);
    let bytes: usize = frames.iter().map(|step| step.body.len()).sum();
    let mut group = criterion.benchmark_group("asterisk");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("decode the frames of a call", |bencher| {
        bencher.iter(|| {
            let decode = |step: &simulate::Step| asterisk.decode(&step.body, &connection);
            frames
                .iter()
                .map(|step| decode(step).unwrap().signals.len())
                .sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
