//! The recordings' keeper: what it asks, what it tells, and when it leaves off.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use switchhook_domain::call::Call;
use switchhook_domain::event::EventType;
use switchhook_domain::id::RecordingId;
use switchhook_domain::media::{Recording, RecordingState};
use switchhook_domain::signal::{CallFact, Signal};
use switchhook_engine::adapter::{
    Adapter, AdapterSpec, ConnectionContext, DecodeError, Decoded, Inbound, Rejection,
};
use switchhook_engine::command::{CommandError, Fault, RecordingSeen, Session};
use switchhook_engine::connections::{Connections, Platforms};
use switchhook_engine::intake::Intake;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::ports::{Clock, SystemEntropy};
use switchhook_engine::recordings::Keeper;
use switchhook_engine::seal::MasterKey;
use switchhook_engine::session::Sessions;
use switchhook_engine::store::{MediaStore, Store, StoredRecording};
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::conformance::world::{Talk, World, connection};
use switchhook_testkit::memory::MemoryStore;
use uuid::Uuid;

static SPEC: AdapterSpec = AdapterSpec {
    platform: "reel",
    title: "Reel",
    summary: "For tests.",
    config: &[],
    capabilities: &[],
    lacks: &[],
    transports: &[],
    bad_signature_status: 401,
};

type Answer = Result<RecordingSeen, CommandError>;

/// A platform that says of its recordings what the test wants; by itself that it cannot be asked.
#[derive(Default)]
struct Reel {
    next: Mutex<Vec<Answer>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Adapter for Reel {
    fn spec(&self) -> &'static AdapterSpec {
        &SPEC
    }

    fn verify<'a>(
        &self,
        _inbound: &Inbound<'a>,
        _connection: &ConnectionContext,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        Err(Rejection::BadSignature)
    }

    fn decode(
        &self,
        _payload: &[u8],
        _connection: &ConnectionContext,
    ) -> Result<Decoded, DecodeError> {
        Ok(Decoded::default())
    }

    async fn recheck_recording(
        &self,
        _session: &Session,
        recording_id: &str,
        _known: &Recording,
    ) -> Answer {
        self.asked.lock().unwrap().push(recording_id.to_owned());
        let next = self.next.lock().unwrap().pop();
        next.unwrap_or_else(|| Err(CommandError::not_supported("Reel cannot be asked.")))
    }
}

/// A call with a recording on that platform.
struct Studio {
    store: Arc<MemoryStore>,
    world: World,
    clock: Arc<TestClock>,
    reel: Arc<Reel>,
    connections: Arc<Connections>,
    intake: Intake,
    sessions: Sessions,
    talk: Talk,
}

impl Studio {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let shared: Arc<dyn Store> = store.clone();
        let mut world = World::new(&shared, 1).await;
        world.connection = switchhook_engine::store::Connection {
            webhook_secrets: Vec::new(),
            ..connection(&world.entropy, world.app.id, "reel")
        };
        store.create_connection(&world.connection).await.unwrap();
        let reel = Arc::new(Reel::default());
        let platforms = Platforms::new([reel.clone() as Arc<dyn Adapter>]);
        let key = MasterKey::new([9; 32]);
        let connections = Arc::new(Connections::new(store.clone(), platforms, key));
        connections.refresh().await.unwrap();
        let clock = Arc::new(TestClock::at(world.clock.now()));
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let intake = Intake::new(
            store.clone(),
            connections.clone(),
            clock.clone(),
            Arc::new(SystemEntropy),
            metrics,
        );
        let talk = Talk::new("a", "+31612345678", "201", 0);
        world.hear(talk.rings()).await;
        Self {
            store,
            world,
            sessions: Sessions::new(clock.clone()),
            clock,
            reel,
            connections,
            intake,
            talk,
        }
    }

    /// The platform speaks of the recording by itself, now.
    async fn says(&self, recording: Recording) {
        let now = self.clock.now();
        self.world.clock.set(now);
        let id = "rec-1".to_owned();
        let fact = CallFact::Recording { id, recording };
        let signal = Signal::call(now, &self.talk.keys(), fact);
        self.world.hear(vec![signal]).await;
    }

    fn answers(&self, answer: Answer) {
        self.reel.next.lock().unwrap().push(answer);
    }

    /// How often the platform was asked so far.
    fn asked(&self) -> usize {
        self.reel.asked.lock().unwrap().len()
    }

    /// Goes on by so many minutes and looks.
    async fn after(&self, minutes: i64) -> usize {
        self.clock.advance(SignedDuration::from_mins(minutes));
        self.as_node(1).await
    }

    async fn as_node(&self, node: u128) -> usize {
        let keeper = Keeper {
            store: self.store.as_ref(),
            connections: &self.connections,
            intake: &self.intake,
            sessions: &self.sessions,
            node: Uuid::from_u128(node),
        };
        keeper.once().await.unwrap()
    }

    async fn stored(&self) -> StoredRecording {
        let id = RecordingId::of(self.world.connection.id, "rec-1");
        let found = self.store.recording(self.world.app.id, id).await.unwrap();
        found.unwrap()
    }

    /// Where it stands: entity and record say the same.
    async fn state(&self) -> RecordingState {
        let stored = self.stored().await.record;
        let call = self.store.call(self.world.app.id, stored.call_id).await;
        let call: Call = serde_json::from_str(&call.unwrap().unwrap()).unwrap();
        let view = &call.recordings[0];
        assert_eq!((view.state, &view.url), (stored.state, &stored.known.url));
        assert_eq!(view.expires_at, stored.expires_at);
        stored.state
    }

    async fn told(&self) -> Vec<EventType> {
        self.world
            .log()
            .await
            .iter()
            .map(|event| event.kind)
            .collect()
    }

    fn in_minutes(&self, minutes: i64) -> Timestamp {
        self.clock.now() + SignedDuration::from_mins(minutes)
    }
}

fn link(url: &str, expires_at: Option<Timestamp>) -> Recording {
    Recording {
        state: RecordingState::Available,
        url: Some(format!("https://example.com/{url}")),
        expires_at,
        ..Recording::default()
    }
}

fn seen(recording: Recording) -> Answer {
    Ok(RecordingSeen { recording })
}

#[tokio::test]
async fn a_pending_recording_is_asked_for_until_it_is_ready() {
    let studio = Studio::new().await;
    studio.says(Recording::default()).await;
    assert_eq!((studio.after(4).await, studio.asked()), (0, 0));
    studio.answers(seen(Recording::default()));
    assert_eq!((studio.after(1).await, studio.asked()), (1, 1));
    assert_eq!(studio.state().await, RecordingState::Pending);
    assert_eq!(studio.stored().await.checked_at, Some(studio.clock.now()));
    assert_eq!(studio.after(1).await, 0, "not at once again");
    studio.answers(seen(link("a", None)));
    assert_eq!(studio.after(5).await, 1);
    assert_eq!(studio.state().await, RecordingState::Available);
    let available = |kind: &&EventType| **kind == EventType::RecordingAvailable;
    assert_eq!(studio.told().await.iter().filter(available).count(), 1);
    // Once a day from then on; what is as it was is not told.
    let told = studio.told().await.len();
    assert_eq!(studio.after(23 * 60).await, 0);
    studio.answers(seen(link("a", None)));
    assert_eq!(studio.after(60).await, 1);
    assert_eq!((studio.told().await.len(), studio.asked()), (told, 3));
}

#[tokio::test]
async fn a_link_is_renewed_before_it_runs_out() {
    let studio = Studio::new().await;
    studio.says(link("b", Some(studio.in_minutes(120)))).await;
    assert_eq!(studio.after(109).await, 0);
    studio.answers(seen(link("a", Some(studio.in_minutes(200)))));
    assert_eq!(studio.after(1).await, 1);
    assert_eq!(studio.state().await, RecordingState::Available);
    let url = studio.stored().await.record.known.url;
    assert_eq!(url.as_deref(), Some("https://example.com/a"));
    assert_eq!(studio.after(20).await, 0);
    assert_eq!(studio.state().await, RecordingState::Available);
}

#[tokio::test]
async fn a_link_runs_out_even_if_nobody_can_be_asked() {
    let studio = Studio::new().await;
    studio.says(link("b", Some(studio.in_minutes(60)))).await;
    // Not supported is no error, and asked once.
    assert_eq!((studio.after(50).await, studio.asked()), (1, 1));
    assert_eq!(studio.state().await, RecordingState::Available);
    assert_eq!(studio.stored().await.failures, 0);
    assert_eq!(studio.after(10).await, 1);
    assert_eq!(studio.state().await, RecordingState::Expired);
    assert_eq!(studio.told().await.last(), Some(&EventType::CallUpdated));
    // It is good again as soon as the platform gives another link.
    studio.says(link("a", Some(studio.in_minutes(60)))).await;
    assert_eq!(studio.state().await, RecordingState::Available);
}

#[tokio::test]
async fn failures_are_tried_again_ever_more_slowly() {
    let studio = Studio::new().await;
    studio.says(link("b", Some(studio.in_minutes(30)))).await;
    let away = || CommandError::new(Fault::Unreachable, "Reel is away.");
    studio.answers(Err(away().after(Duration::from_secs(7 * 60))));
    assert_eq!(studio.after(30).await, 1);
    assert_eq!(
        studio.state().await,
        RecordingState::Expired,
        "all the same"
    );
    assert_eq!(studio.stored().await.failures, 1);
    assert_eq!(studio.after(6).await, 0, "the platform said how long");
    studio.answers(Err(away()));
    assert_eq!(studio.after(1).await, 1);
    assert_eq!(studio.stored().await.failures, 2);
    assert_eq!(studio.stored().await.due_at, Some(studio.in_minutes(2)));
    studio.answers(seen(link("a", Some(studio.in_minutes(600)))));
    assert_eq!(studio.after(2).await, 1);
    assert_eq!(studio.state().await, RecordingState::Available);
    assert_eq!(studio.stored().await.failures, 0);

    // In the end it is left as it is.
    studio.says(Recording::default()).await;
    let mut looks = 0;
    for _ in 0..200 {
        studio.answers(Err(away()));
        looks += studio.after(60).await;
    }
    assert!((12..=14).contains(&looks), "{looks}");
    assert_eq!(studio.state().await, RecordingState::Expired);
    assert_eq!(studio.stored().await.due_at, None);
}

#[tokio::test]
async fn what_the_platform_no_longer_has_is_gone() {
    let studio = Studio::new().await;
    // The platform's clock is hours ahead of ours.
    studio.clock.advance(SignedDuration::from_hours(3));
    studio.says(link("b", None)).await;
    studio.clock.advance(SignedDuration::from_hours(-3));
    studio.answers(Err(CommandError::new(
        Fault::Gone,
        "There is no such thing.",
    )));
    assert_eq!(studio.after(28 * 60).await, 1);
    assert_eq!(studio.state().await, RecordingState::Gone);
    assert_eq!(studio.stored().await.due_at, None);
    assert_eq!(studio.after(100 * 60).await, 0);
}

#[tokio::test]
async fn one_node_asks_at_a_time() {
    let studio = Studio::new().await;
    studio.says(Recording::default()).await;
    studio.answers(seen(link("a", None)));
    assert_eq!(studio.after(5).await, 1);
    studio.says(link("b", Some(studio.clock.now()))).await;
    assert_eq!(studio.as_node(2).await, 0, "the other holds the lease");
    studio.clock.advance(SignedDuration::from_mins(3));
    assert_eq!(studio.as_node(2).await, 1);
    assert_eq!(studio.asked(), 1, "a moment ago it was asked");
    assert_eq!(studio.state().await, RecordingState::Expired);
}

#[tokio::test]
async fn a_recording_of_a_deleted_connection_is_left_alone() {
    let studio = Studio::new().await;
    studio.says(Recording::default()).await;
    let (app, id) = (studio.world.app.id, studio.world.connection.id);
    studio.store.delete_connection(app, id).await.unwrap();
    studio.connections.refresh().await.unwrap();
    assert_eq!((studio.after(5).await, studio.asked()), (1, 0));
    assert_eq!(studio.stored().await.due_at, None);
}
