//! The consumer alone, with a store that is slow, away or stopping.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use switchhook_adapters::simulate::Scenario;
use switchhook_adapters::wildix::Wildix;
use switchhook_domain::Timestamp;
use switchhook_domain::phone::NumberPlan;
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{
    Adapter, ConnectionContext, LinkError, LinkState, NotificationSink, Secret, Taken,
};
use switchhook_testkit::vendors::loopback;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{AWS_SECRET, Moto, call, settings, signature};

/// A store that is away until it is let back, or for ever.
#[derive(Default)]
struct Store {
    away: bool,
    back: Notify,
    asked: AtomicUsize,
    bodies: Mutex<Vec<Value>>,
    up: AtomicUsize,
    stop: CancellationToken,
}

#[async_trait]
impl NotificationSink for Store {
    async fn frame(&self, _bytes: Vec<u8>) {}

    async fn signals(&self, _event: &str, _signals: Vec<Signal>) {}

    async fn deliver(&self, body: &[u8], headers: &[(String, String)]) -> Result<Taken, LinkError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(headers.iter().any(|(name, _)| name == "x-signature"));
        if self.away {
            tokio::select! {
                () = self.back.notified() => {}
                () = self.stop.cancelled() => {
                    return Err(LinkError::Retry("the database is away".to_owned()));
                }
            }
        }
        let body = serde_json::from_slice(body).unwrap();
        self.bodies.lock().unwrap().push(body);
        Ok(Taken::Committed)
    }

    async fn link(&self, state: LinkState) {
        assert_eq!(state, LinkState::Up);
        self.up.fetch_add(1, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn last_heard(&self) -> Option<Timestamp> {
        None
    }
}

fn connection(config: Value) -> Arc<ConnectionContext> {
    let nil = "00000000-0000-0000-0000-000000000000";
    let Value::Object(mut config) = config else {
        panic!("settings are an object")
    };
    config.remove("sqs_secret_access_key");
    let secret = Secret::new(AWS_SECRET);
    Arc::new(ConnectionContext {
        app_id: nil.parse().unwrap(),
        id: nil.parse().unwrap(),
        name: "queue".to_owned(),
        config: config.into_iter().collect::<Map<_, _>>(),
        credentials: BTreeMap::from([("sqs_secret_access_key".to_owned(), secret)]),
        webhook_secrets: Vec::new(),
        numbers: NumberPlan::default(),
        outbound: loopback(),
    })
}

async fn until(what: &str, limit: Duration, done: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Storing takes three times as long as a message stays hidden: nobody else gets to see it.
#[tokio::test(flavor = "multi_thread")]
async fn messages_stay_hidden_while_the_database_is_away() {
    let Some(moto) = Moto::start() else { return };
    let queue = moto.queue("slow").await;
    let step = call(Scenario::Answered, 1).remove(0);
    moto.put(&queue, &step.body, signature(&step)).await;
    let store = Arc::new(Store {
        away: true,
        ..Store::default()
    });
    let connection = connection(settings(&moto, &queue, &json!({})));
    let reading = tokio::spawn({
        let (store, stop) = (store.clone(), store.stop.clone());
        async move { Wildix.connect(connection, store, stop).await }
    });
    let limit = Duration::from_secs(10);
    until("asked", limit, || store.asked.load(Ordering::SeqCst) == 1).await;
    let since = std::time::Instant::now();
    while since.elapsed() < Duration::from_secs(6) {
        let other = moto.take(&queue).await;
        assert!(
            other.is_empty(),
            "another reader got it after {:?}",
            since.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(moto.counts(&queue).await, (0, 1), "it is kept, not deleted");
    store.back.notify_one();
    moto.wait_empty(&queue, limit).await;
    assert_eq!(store.asked.load(Ordering::SeqCst), 1, "stored once");
    assert_eq!(store.up.load(Ordering::SeqCst), 1, "and told to be up");
    store.stop.cancel();
    reading.await.unwrap().unwrap();
}

/// Stopping while the database is away gives the message back at once, not after its time.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_gives_back_what_could_not_be_stored() {
    let Some(moto) = Moto::start() else { return };
    let queue = moto.queue("stop").await;
    let step = call(Scenario::Answered, 1).remove(0);
    moto.put(&queue, &step.body, signature(&step)).await;
    let store = Arc::new(Store {
        away: true,
        ..Store::default()
    });
    let long = json!({ "sqs_visibility_seconds": 600 });
    let connection = connection(settings(&moto, &queue, &long));
    let reading = tokio::spawn({
        let (store, stop) = (store.clone(), store.stop.clone());
        async move { Wildix.connect(connection, store, stop).await }
    });
    let limit = Duration::from_secs(10);
    until("asked", limit, || store.asked.load(Ordering::SeqCst) == 1).await;
    store.stop.cancel();
    let ended = tokio::time::timeout(limit, reading).await.unwrap().unwrap();
    assert!(matches!(ended, Err(LinkError::Retry(_))), "{ended:?}");
    assert_eq!(
        moto.take(&queue).await.len(),
        1,
        "the next reader has it at once"
    );
}

/// The messages of one call are handed over in order, those of several calls side by side.
#[tokio::test(flavor = "multi_thread")]
async fn a_calls_messages_keep_their_order_in_a_fifo_queue() {
    let Some(moto) = Moto::start() else { return };
    let queue = moto.queue("order.fifo").await;
    let calls: Vec<_> = (0..4).map(|seed| call(Scenario::Hold, seed)).collect();
    for nth in 0..calls[0].len() {
        for call in &calls {
            moto.put(&queue, &call[nth].body, signature(&call[nth]))
                .await;
        }
    }
    let store = Arc::new(Store::default());
    let connection = connection(settings(&moto, &queue, &json!({})));
    let reading = tokio::spawn({
        let (store, stop) = (store.clone(), store.stop.clone());
        async move { Wildix.connect(connection, store, stop).await }
    });
    moto.wait_empty(&queue, Duration::from_secs(20)).await;
    store.stop.cancel();
    reading.await.unwrap().unwrap();
    let bodies = store.bodies.lock().unwrap();
    assert_eq!(bodies.len(), calls.len() * calls[0].len(), "each once");
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for body in bodies.iter() {
        let time = body["time"].as_i64().unwrap();
        let before = last.insert(body["id"].as_str().unwrap(), time);
        assert!(before.is_none_or(|before| before <= time), "out of order");
    }
}

/// What is wrong is said in a sentence that names the setting.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let Some(moto) = Moto::start() else { return };
    let queue = moto.queue("there").await;
    let gone = queue.replace("there", "not-there");
    let store = || Arc::new(Store::default());
    let none = connection(settings(&moto, &gone, &json!({})));
    let said = Wildix
        .connect(none, store(), CancellationToken::new())
        .await;
    let Err(LinkError::Misconfigured(said)) = said else {
        panic!("{said:?}")
    };
    assert!(said.contains("sqs_queue_url"), "{said}");
    let nobody = json!({ "sqs_endpoint": "http://127.0.0.1:1" });
    let away = connection(settings(&moto, &queue, &nobody));
    let said = Wildix
        .connect(away, store(), CancellationToken::new())
        .await;
    let Err(LinkError::Retry(said)) = said else {
        panic!("{said:?}")
    };
    assert!(said.contains("cannot be reached"), "{said}");
}
