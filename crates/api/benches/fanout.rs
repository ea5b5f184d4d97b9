//! How long it takes until everybody who listens has an event, its wire form made once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first surprise"
)]

use std::sync::Arc;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::registry::Registry;
use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::id::{AppId, IdMint};
use switchhook_engine::hub::Hub;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::ports::{Clock, Entropy, SystemClock, SystemEntropy};
use switchhook_engine::store::{App, Changeset, Store};
use switchhook_testkit::memory::MemoryStore;
use tokio_util::sync::CancellationToken;

fn changeset(app_id: AppId) -> Changeset {
    let at = SystemClock.now();
    let data = serde_json::json!({ "presence": { "extension": "100", "presence": "available" } });
    let data = serde_json::value::to_raw_value(&data).unwrap();
    let kind = EventType::PresenceChanged;
    Changeset {
        app_id,
        at,
        random: SystemEntropy.random(),
        notification: None,
        fold: None,
        tasks: Vec::new(),
        events: vec![EventDraft {
            kind,
            call_id: None,
            at,
            data,
        }],
        link: None,
    }
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("fan-out");
    for listeners in [10_usize, 100, 1000] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let hub = Hub::new(
            store.clone(),
            clock,
            Metrics::register(&mut Registry::default()),
        );
        let stop = CancellationToken::new();
        let mint = IdMint::new(SystemClock.now(), SystemEntropy.random());
        let app = App {
            id: AppId(mint.uuid()),
            name: "bench".to_owned(),
            country: "NL".to_owned(),
            active: true,
            epoch: mint.uuid(),
            created_at: SystemClock.now(),
        };
        let (runs, token) = (hub.clone(), stop.clone());
        runtime.spawn(async move { runs.run(token).await });
        let mut ears = runtime.block_on(async {
            store.create_app(&app).await.unwrap();
            let mut ears = Vec::new();
            for _ in 0..listeners {
                ears.push(hub.listen(app.id).await.unwrap());
            }
            ears
        });
        group.throughput(Throughput::Elements(listeners as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(listeners),
            &(),
            |bencher, ()| {
                bencher.iter(|| {
                    runtime.block_on(async {
                        store.commit(changeset(app.id)).await.unwrap();
                        let mut bytes = 0;
                        for ear in &mut ears {
                            let heard = ear.recv().await.unwrap();
                            let wire = |event: &switchhook_domain::event::Event| {
                                Bytes::copy_from_slice(event.data.get().as_bytes())
                            };
                            bytes += heard.wire(wire).len();
                        }
                        bytes
                    })
                });
            },
        );
        stop.cancel();
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
