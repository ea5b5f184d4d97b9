//! A live link to the stand-in's gateway, kept as the supervisor keeps it, and a sink that
//! remembers what it was given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_domain::Timestamp;
use switchhook_domain::signal::Signal;
use switchhook_engine::adapter::{Adapter, LinkError, LinkState, NotificationSink, Secret, Taken};
use switchhook_engine::command::Session;
use switchhook_engine::ports::{Clock, SystemClock};
use switchhook_testkit::vendors::ringcentral::{self, Gateway, Terms};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::world::World;

/// How long something may take to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// What the adapter handed over.
#[derive(Default)]
pub(super) struct Sink {
    frames: Mutex<Vec<Value>>,
    raw: Mutex<Vec<String>>,
    signals: Mutex<Vec<Vec<Signal>>>,
    links: Mutex<Vec<LinkState>>,
    /// Why each run of the adapter came to its end.
    ends: Mutex<Vec<Result<(), LinkError>>>,
    left: Mutex<Option<Secret>>,
    last_heard: Option<Timestamp>,
}

#[async_trait]
impl NotificationSink for Sink {
    async fn frame(&self, bytes: Vec<u8>) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.raw.lock().unwrap().push(text);
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        self.frames.lock().unwrap().push(json);
    }

    async fn signals(&self, _event: &str, signals: Vec<Signal>) {
        self.signals.lock().unwrap().push(signals);
    }

    async fn deliver(&self, _: &[u8], _: &[(String, String)]) -> Result<Taken, LinkError> {
        unreachable!("RingCentral has no queue")
    }

    async fn link(&self, state: LinkState) {
        self.links.lock().unwrap().push(state);
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn last_heard(&self) -> Option<Timestamp> {
        self.last_heard
    }

    fn recall(&self) -> Option<Secret> {
        self.left.lock().unwrap().clone()
    }

    fn remember(&self, what: Option<Secret>) {
        *self.left.lock().unwrap() = what;
    }
}

/// A link that is kept up until it is dropped.
pub(super) struct Live {
    pub(super) world: World,
    pub(super) gateway: Option<Gateway>,
    pub(super) sink: Arc<Sink>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Runs the adapter again and again, as the supervisor does, with shorter pauses.
async fn keep(session: Session, sink: Arc<Sink>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let run = RingCentral.connect_signed_in(session.clone(), sink.clone(), stop.clone());
        let ended = run.await;
        sink.ends.lock().unwrap().push(ended);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

impl Live {
    /// A link under these terms, not yet up.
    pub(super) async fn begin(terms: Terms, last_heard: Option<Timestamp>) -> Self {
        let world = World::new().await;
        let gateway = world.vendor.vendor().open_gateway(terms).await.unwrap();
        Self::with(world, Some(gateway), last_heard)
    }

    pub(super) fn with(
        world: World,
        gateway: Option<Gateway>,
        last_heard: Option<Timestamp>,
    ) -> Self {
        world.vendor.vendor().allow(ringcentral::Group::Auth, 100);
        let (stop, sink) = (CancellationToken::new(), Sink::default());
        let sink = Arc::new(Sink { last_heard, ..sink });
        let task = keep(world.by_socket(), sink.clone(), stop.clone());
        let task = tokio::spawn(task);
        Self {
            world,
            gateway,
            sink,
            stop,
            task,
        }
    }

    /// A link that is up.
    pub(super) async fn up(terms: Terms) -> Self {
        let live = Self::begin(terms, None).await;
        live.until("it is up", |live| live.ups() == 1).await;
        live
    }

    pub(super) fn vendor(&self) -> &ringcentral::RingCentral {
        self.world.vendor.vendor()
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let began = std::time::Instant::now();
        while !so(self) {
            assert!(
                began.elapsed() < LIMIT,
                "{what} never came true; ends: {:?}; misdeeds: {:?}; asked: {:?}",
                self.ends(),
                self.vendor().misdeeds(),
                self.asked()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every request, by method and path.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.world.vendor.asked().into_iter();
        asked
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }

    /// Tells an event of that name, now.
    pub(super) async fn tell(&self, name: &str) {
        let at = SystemClock.now().to_string();
        let event = json!({ "uuid": name, "timestamp": at, "ownerId": "400100100",
            "event": "/restapi/v1.0/account/400100100/telephony/sessions", "body": {} });
        self.vendor().tell(&event).await;
    }

    /// The names of the events that were handed on.
    pub(super) fn told(&self) -> Vec<String> {
        let frames = self.sink.frames.lock().unwrap();
        let names = frames.iter().filter_map(|frame| frame["uuid"].as_str());
        names.map(str::to_owned).collect()
    }

    pub(super) fn frames(&self) -> Vec<Value> {
        self.sink.frames.lock().unwrap().clone()
    }

    pub(super) fn raw(&self) -> Vec<String> {
        self.sink.raw.lock().unwrap().clone()
    }

    pub(super) fn signals(&self) -> Vec<Vec<Signal>> {
        self.sink.signals.lock().unwrap().clone()
    }

    /// How often the link came up.
    pub(super) fn ups(&self) -> usize {
        let links = self.sink.links.lock().unwrap();
        links.iter().filter(|l| **l == LinkState::Up).count()
    }

    pub(super) fn ends(&self) -> Vec<Result<(), LinkError>> {
        self.sink.ends.lock().unwrap().clone()
    }

    /// The reason of the first end, which must be one that only a person can put right.
    pub(super) async fn misconfigured(&self) -> String {
        self.until("it ends", |live| !live.ends().is_empty()).await;
        match self.ends().swap_remove(0) {
            Err(LinkError::Misconfigured(reason)) => reason,
            other => panic!("expected a fault of the settings, got {other:?}"),
        }
    }

    /// The reason of the first end, which must be one that passes.
    pub(super) async fn retry(&self) -> String {
        self.until("it ends", |live| !live.ends().is_empty()).await;
        match self.ends().swap_remove(0) {
            Err(LinkError::Retry(reason)) => reason,
            other => panic!("expected a retry, got {other:?}"),
        }
    }

    /// How often the call log was read, and from when.
    pub(super) fn log_reads(&self) -> Vec<Timestamp> {
        let path = "/restapi/v1.0/account/~/call-log";
        let reads = self.world.vendor.asked_of("GET", path).into_iter();
        let from = reads.map(|asked| asked.query("dateFrom").unwrap().parse().unwrap());
        from.collect()
    }

    /// How each connection began.
    pub(super) fn begun(&self) -> Vec<String> {
        let begun = self.vendor().begun().into_iter();
        begun
            .map(|how| how.unwrap_or_else(|| "new".to_owned()))
            .collect()
    }

    /// Stops it, and waits until it has.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.until("it stops", |live| live.task.is_finished()).await;
    }
}
