//! A small world to test in: an app with a connection, and people who call one another.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use switchhook_domain::call::Call;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::contact::{Contact, ContactNumber};
use switchhook_domain::event::{Event, EventType};
use switchhook_domain::id::{AppId, ConnectionId, ContactId, IdMint, NotificationId};
use switchhook_domain::phone::{NumberPlan, PhoneNumber};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Party, Signal};
use switchhook_engine::ports::{Clock, Entropy};
use switchhook_engine::store::{
    App, CallPage, CallQuery, Changeset, Connection, FoldInput, Notification, Store, Verdict,
};
use uuid::Uuid;

use crate::clock::{SeededEntropy, TestClock};

/// The first moment of every test world.
pub const START: Timestamp = Timestamp::constant(1_795_348_800, 0);

/// That many milliseconds after [`START`].
#[must_use]
pub fn at(millis: i64) -> Timestamp {
    START + SignedDuration::from_millis(millis)
}

/// An app with a connection.
pub struct World {
    /// The store under test.
    pub store: Arc<dyn Store>,
    /// The app.
    pub app: App,
    /// Its connection.
    pub connection: Connection,
    /// What time it is.
    pub clock: TestClock,
    /// Chance.
    pub entropy: SeededEntropy,
}

impl World {
    /// Makes the app and its connection in the store.
    pub async fn new(store: &Arc<dyn Store>, seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let clock = TestClock::at(START);
        let app = app(&entropy);
        store.create_app(&app).await.unwrap();
        let connection = connection(&entropy, app.id, "dialpad");
        store.create_connection(&connection).await.unwrap();
        Self {
            store: Arc::clone(store),
            app,
            connection,
            clock,
            entropy,
        }
    }

    /// What time it is.
    #[must_use]
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A changeset that changes nothing yet.
    pub fn nothing(&self) -> Changeset {
        Changeset {
            app_id: self.app.id,
            at: self.clock.now(),
            random: self.entropy.random(),
            notification: None,
            fold: None,
            tasks: Vec::new(),
            events: Vec::new(),
            link: None,
        }
    }

    /// A notification that was believed, and what it says.
    pub fn heard(&self, signals: Vec<Signal>) -> Changeset {
        let mut change = self.nothing();
        change.notification = Some(self.notification(Verdict::Accepted));
        change.fold = Some(self.input(signals));
        change
    }

    /// What a notification says.
    pub fn input(&self, signals: Vec<Signal>) -> FoldInput {
        FoldInput {
            connection_id: self.connection.id,
            platform: self.connection.platform.as_str().into(),
            country: self.app.country.as_str().into(),
            signals,
            settle: Vec::new(),
            deeds: Vec::new(),
            roster: None,
            history: false,
        }
    }

    /// The raw bytes of a notification.
    pub fn notification(&self, verdict: Verdict) -> Notification {
        let now = self.clock.now();
        let mint = IdMint::new(now, self.entropy.random());
        let rejected = verdict == Verdict::Rejected;
        Notification {
            id: NotificationId(mint.uuid()),
            connection_id: self.connection.id,
            received_at: now,
            verdict,
            reason: rejected.then(|| "the signature does not match".to_owned()),
            event: Some("ringing".to_owned()),
            content_type: Some("application/json".to_owned()),
            digest: [7; 32],
            body: (!rejected).then(|| br#"{"state":"ringing","n":0}"#.to_vec()),
        }
    }

    /// Commits what was heard and returns the kinds of the events it gave.
    pub async fn hear(&self, signals: Vec<Signal>) -> Vec<EventType> {
        let committed = self.store.commit(self.heard(signals)).await.unwrap();
        kinds(&committed.events)
    }

    /// The list of all visible calls.
    pub async fn list(&self, query: CallQuery) -> CallPage {
        let query = CallQuery {
            limit: query.limit.max(1),
            ..query
        };
        self.store.calls(self.app.id, &query).await.unwrap()
    }

    /// All visible calls, newest first.
    pub async fn calls(&self) -> Vec<Call> {
        let query = CallQuery {
            limit: 100,
            ..CallQuery::default()
        };
        records(&self.list(query).await)
    }

    /// The whole log.
    pub async fn log(&self) -> Vec<Arc<Event>> {
        self.store
            .events_after(self.app.id, 0, 100_000, &[])
            .await
            .unwrap()
    }
}

/// An app.
pub fn app(entropy: &SeededEntropy) -> App {
    let mint = IdMint::new(START, entropy.random());
    App {
        id: AppId(mint.uuid()),
        name: format!("App {}", entropy.below(1_000)),
        country: "NL".to_owned(),
        active: true,
        epoch: mint.uuid(),
        created_at: START,
    }
}

/// A connection.
pub fn connection(entropy: &SeededEntropy, app_id: AppId, platform: &str) -> Connection {
    let mint = IdMint::new(START, entropy.random());
    let mut config = Map::new();
    config.insert("office".to_owned(), Value::from("Utrecht"));
    Connection {
        id: ConnectionId(mint.uuid()),
        app_id,
        platform: platform.to_owned(),
        name: "Head office".to_owned(),
        hook_id: format!("hook{:016x}", entropy.next_u64()),
        config,
        credentials: Map::new(),
        webhook_secrets: vec!["sealed".to_owned()],
        created_at: START,
        link: None,
        last_heard_at: None,
    }
}

/// A contact with one number.
pub fn contact(entropy: &SeededEntropy, name: &str, number: &str) -> Contact {
    Contact {
        id: ContactId(IdMint::new(START, entropy.random()).uuid()),
        name: name.to_owned(),
        organisation: None,
        email: None,
        note: None,
        url: None,
        numbers: vec![ContactNumber {
            number: phone(number),
            label: Some("mobile".to_owned()),
        }],
    }
}

/// A number as a Dutch app reads it.
#[must_use]
pub fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text, &NumberPlan::default())
}

/// The kinds of events.
#[must_use]
pub fn kinds(events: &[Arc<Event>]) -> Vec<EventType> {
    events.iter().map(|event| event.kind).collect()
}

/// The records of a page.
#[must_use]
pub fn records(page: &CallPage) -> Vec<Call> {
    page.calls
        .iter()
        .map(|text| serde_json::from_str(text).expect("a record"))
        .collect()
}

/// Everything about an event that can be compared.
#[must_use]
pub fn comparable(event: &Event) -> (u64, Uuid, AppId, EventType, Option<Uuid>, String, String) {
    let times = format!("{} {}", event.at, event.recorded_at);
    let call = event.call_id.map(|id| id.0);
    (
        event.seq,
        event.id.0,
        event.app_id,
        event.kind,
        call,
        times,
        event.data.get().to_owned(),
    )
}

/// One inbound call as a platform tells it.
#[derive(Clone, Debug)]
pub struct Talk {
    /// The platform's name of it.
    pub key: String,
    /// Who calls.
    pub caller: String,
    /// Whose device rings.
    pub extension: String,
    /// When it begins.
    pub begins: Timestamp,
}

impl Talk {
    /// A call that begins that many milliseconds after [`START`].
    #[must_use]
    pub fn new(key: &str, caller: &str, extension: &str, begins: i64) -> Self {
        Self {
            key: key.to_owned(),
            caller: caller.to_owned(),
            extension: extension.to_owned(),
            begins: at(begins),
        }
    }

    /// The same, by other words for its key.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        vec![self.key.clone()]
    }

    fn then(&self, millis: i64) -> Timestamp {
        self.begins + SignedDuration::from_millis(millis)
    }

    fn leg(&self, millis: i64, fact: LegFact) -> Signal {
        let leg = format!("{}/{}", self.key, self.extension);
        Signal::leg(self.then(millis), &self.keys(), &leg, fact)
    }

    /// The caller's number and the direction become known, and a device rings.
    #[must_use]
    pub fn rings(&self) -> Vec<Signal> {
        let keys = self.keys();
        let party = Party {
            number: Some(phone(&self.caller)),
            ..Party::default()
        };
        let agent = Party {
            extension: Some(self.extension.clone()),
            ..Party::default()
        };
        let seen = LegFact::Seen {
            kind: LegKind::Agent,
            origin: false,
            party: agent,
        };
        let inbound = CallFact::Direction(Direction::Inbound);
        vec![
            Signal::call(self.then(0), &keys, CallFact::Started),
            Signal::call(self.then(0), &keys, inbound),
            Signal::call(self.then(0), &keys, CallFact::Remote(party)),
            Signal::call(self.then(0), &keys, CallFact::Line(phone("+31201234567"))),
            self.leg(0, seen),
            self.leg(500, LegFact::Rang),
        ]
    }

    /// Somebody answers.
    #[must_use]
    pub fn answered(&self) -> Vec<Signal> {
        vec![self.leg(4_000, LegFact::Answered)]
    }

    /// It is over.
    #[must_use]
    pub fn ends(&self) -> Vec<Signal> {
        self.ends_after(56_000)
    }

    /// It is over that many milliseconds after the answer.
    #[must_use]
    pub fn ends_after(&self, talked: i64) -> Vec<Signal> {
        let cause = Cause::reason(Reason::Normal);
        vec![
            self.leg(4_000 + talked, LegFact::Ended(cause)),
            Signal::call(
                self.then(4_000 + talked),
                &self.keys(),
                CallFact::Ended { cause, by: None },
            ),
        ]
    }

    /// It and another are one conversation.
    #[must_use]
    pub fn linked(&self, other: &Self) -> Signal {
        let keys = [self.key.clone(), other.key.clone()];
        Signal::call(self.then(100), &keys, CallFact::Linked)
    }
}
