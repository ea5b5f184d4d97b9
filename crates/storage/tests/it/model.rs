//! Random histories, applied to the reference store and to each real one at the same time: every
//! answer must be the same. Ids come from the changesets, so they are the same too.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use switchhook_domain::call::Status;
use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::contact::{Contact, ContactNumber};
use switchhook_domain::event::EventType;
use switchhook_domain::id::{ContactId, IdMint};
use switchhook_domain::media::{
    Message, MessageDirection, MessageStatus, Presence, PresenceReport,
};
use switchhook_domain::signal::{CallFact, Direction, Fact, LegFact, LegKind, Party, Signal};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{
    CallQuery, Changeset, ContactQuery, MessageQuery, Store, StoreResult, Verdict,
};
use switchhook_testkit::clock::{SeededEntropy, TestClock};
use switchhook_testkit::conformance::world::{
    START, World, app, at, comparable, connection, phone,
};
use switchhook_testkit::memory::MemoryStore;

use crate::backends::{self, Place, SCAN_LIMIT};

const NUMBERS: [&str; 4] = ["+31612345678", "+32612345678", "+31201234567", "anonymous"];
const EXTENSIONS: [&str; 3] = ["201", "202", "203"];

/// One step of a history. Small numbers are indexes into small sets, so that steps meet.
#[derive(Clone, Debug)]
enum Step {
    /// Several changesets handed over at once: they share a group.
    Commit(Vec<Change>),
    /// Time passes.
    Wait(u16),
    /// The reaper looks at what is due.
    Settle,
    PutContact {
        id: u8,
        name: String,
        numbers: Vec<u8>,
    },
    DeleteContact(u8),
    Calls {
        app: bool,
        query: CallQuery,
        pages: u8,
    },
    Contacts {
        app: bool,
        text: Option<String>,
        number: Option<u8>,
        offset: u32,
    },
    Messages {
        app: bool,
        offset: u32,
    },
    Events {
        app: bool,
        after: u64,
        limit: u32,
        types: Vec<u8>,
    },
    Prune {
        notifications: u16,
        events: u16,
        limit: u32,
    },
}

#[derive(Clone, Debug)]
struct Change {
    app: bool,
    second_connection: bool,
    verdict: u8,
    signals: Vec<Said>,
}

/// One signal.
#[derive(Clone, Debug)]
struct Said {
    keys: Vec<u8>,
    at: u16,
    leg: u8,
    what: u8,
    number: u8,
}

fn said() -> impl Strategy<Value = Said> {
    (
        prop::collection::vec(0..6_u8, 1..3),
        0..300_u16,
        0..4_u8,
        0..22_u8,
        0..4_u8,
    )
        .prop_map(|(keys, at, leg, what, number)| Said {
            keys,
            at,
            leg,
            what,
            number,
        })
}

fn change() -> impl Strategy<Value = Change> {
    (
        any::<bool>(),
        prop::bool::weighted(0.2),
        0..8_u8,
        prop::collection::vec(said(), 0..6),
    )
        .prop_map(|(app, second_connection, verdict, signals)| Change {
            app,
            second_connection,
            verdict,
            signals,
        })
}

fn query() -> impl Strategy<Value = CallQuery> {
    let numbers = (
        prop::option::weighted(0.2, 0..3_usize),
        prop::option::weighted(0.2, 0..3_usize),
    );
    let others = (
        prop::option::weighted(0.2, 0..7_usize),
        prop::option::weighted(0.1, any::<bool>()),
        prop::option::weighted(0.1, any::<bool>()),
        prop::option::weighted(0.2, 0..3_usize),
    );
    let range = (
        prop::option::weighted(0.2, 0..300_i64),
        prop::option::weighted(0.2, 0..300_i64),
    );
    (
        prop::bool::weighted(0.2),
        numbers,
        others,
        range,
        1..6_u32,
        0..3_u32,
    )
        .prop_map(
            |(
                open_only,
                (from, to),
                (status, direction, platform, agent),
                range,
                limit,
                offset,
            )| {
                CallQuery {
                    open_only,
                    statuses: status.map(|n| Status::ALL[n]).into_iter().collect(),
                    direction: direction.map(|d| {
                        if d {
                            Direction::Inbound
                        } else {
                            Direction::Outbound
                        }
                    }),
                    from_number: from.map(|n| NUMBERS[n].to_owned()),
                    to_number: to.map(|n| NUMBERS[n].to_owned()),
                    platform: platform.map(|p| if p { "dialpad" } else { "asterisk" }.to_owned()),
                    connection_id: None,
                    agent: agent.map(|n| EXTENSIONS[n].to_owned()),
                    since: range.0.map(|s| at(s * 1_000)),
                    until: range.1.map(|s| at(s * 1_000)),
                    limit,
                    offset,
                    after: None,
                }
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let number = prop::option::of(0..3_u8);
    prop_oneof![
        8 => prop::collection::vec(change(), 1..6).prop_map(Step::Commit),
        2 => (0..900_u16).prop_map(Step::Wait),
        1 => Just(Step::Settle),
        1 => (0..6_u8, "[A-Za-zØé ]{1,6}", prop::collection::vec(0..4_u8, 0..3))
            .prop_map(|(id, name, numbers)| Step::PutContact { id, name, numbers }),
        1 => (0..6_u8).prop_map(Step::DeleteContact),
        4 => (any::<bool>(), query(), 1..6_u8)
            .prop_map(|(app, query, pages)| Step::Calls { app, query, pages }),
        1 => (any::<bool>(), prop::option::of("[a-zø]{0,2}"), number, 0..3_u32)
            .prop_map(|(app, text, number, offset)| Step::Contacts { app, text, number, offset }),
        1 => (any::<bool>(), 0..3_u32).prop_map(|(app, offset)| Step::Messages { app, offset }),
        2 => (any::<bool>(), 0..40_u64, 1..20_u32, prop::collection::vec(0..20_u8, 0..3))
            .prop_map(|(app, after, limit, types)| Step::Events { app, after, limit, types }),
        1 => (0..900_u16, 0..900_u16, 0..8_u32).prop_map(|(notifications, events, limit)| {
            Step::Prune { notifications, events, limit }
        }),
    ]
}

impl Said {
    fn signal(&self) -> Signal {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("key-{key}")).collect();
        let when = at(i64::from(self.at) * 1_000);
        let leg = format!("leg-{}", self.leg);
        let number = phone(NUMBERS[usize::from(self.number)]);
        let extension = EXTENSIONS[usize::from(self.leg) % 3].to_owned();
        let cause = Cause::reason(Reason::Normal);
        let party = Party {
            number: Some(number.clone()),
            ..Party::default()
        };
        let agent = Party {
            extension: Some(extension.clone()),
            ..Party::default()
        };
        let call = |fact| Signal::call(when, &keys, fact);
        let of_leg = |fact| Signal::leg(when, &keys, &leg, fact);
        let alone = |fact| Signal {
            at: when,
            keys: Vec::new(),
            fact,
        };
        match self.what {
            0 | 1 => of_leg(LegFact::Seen {
                kind: LegKind::Agent,
                origin: false,
                party: agent,
            }),
            2 => of_leg(LegFact::Seen {
                kind: LegKind::External,
                origin: true,
                party,
            }),
            3 | 4 => of_leg(LegFact::Rang),
            5 | 6 => of_leg(LegFact::Answered),
            7 | 8 => of_leg(LegFact::Ended(cause)),
            9 => of_leg(LegFact::Held),
            10 => of_leg(LegFact::Resumed),
            11 | 12 => call(CallFact::Direction(Direction::Inbound)),
            13 => call(CallFact::Direction(Direction::Outbound)),
            14 | 15 => call(CallFact::Remote(party)),
            16 => call(CallFact::Line(number)),
            17 => call(CallFact::Ended { cause, by: None }),
            18 => call(CallFact::Linked),
            19 => alone(Fact::Snapshot {
                live: [leg].into(),
                gap_from: None,
            }),
            20 => alone(Fact::Message(Box::new(Message {
                external_id: format!("m-{}", self.keys[0]),
                direction: MessageDirection::Outbound,
                from: number,
                to: Vec::new(),
                text: None,
                user_id: None,
                status: [MessageStatus::Pending, MessageStatus::Delivered]
                    [usize::from(self.leg % 2)],
                failure: None,
                sent_at: when,
            }))),
            _ => alone(Fact::Presence(PresenceReport {
                extension: Some(extension),
                user_id: None,
                email: None,
                presence: [Presence::Available, Presence::Offline][usize::from(self.number % 2)],
            })),
        }
    }
}

/// The two stores and what the history has made in both.
struct Pair {
    model: Arc<dyn Store>,
    real: Arc<dyn Store>,
    worlds: [World; 2],
    seconds: [switchhook_engine::store::Connection; 2],
    clock: TestClock,
    entropy: SeededEntropy,
}

macro_rules! same {
    ($pair:expr, $store:ident => $answer:expr, $what:expr) => {{
        let expected = {
            let $store = &$pair.model;
            $answer
        };
        let found = {
            let $store = &$pair.real;
            $answer
        };
        assert_eq!(found, expected, "{:?}", $what);
        found
    }};
}

impl Pair {
    async fn new(real: Arc<dyn Store>) -> Self {
        let model: Arc<dyn Store> = Arc::new(MemoryStore::new(SCAN_LIMIT));
        let mut worlds = Vec::new();
        let mut seconds = Vec::new();
        for seed in [1, 2] {
            let entropy = SeededEntropy::new(seed);
            let app = app(&entropy);
            let first = connection(&entropy, app.id, "dialpad");
            let second = connection(&entropy, app.id, "asterisk");
            for store in [&model, &real] {
                store.create_app(&app).await.unwrap();
                store.create_connection(&first).await.unwrap();
                store.create_connection(&second).await.unwrap();
            }
            let clock = TestClock::at(START);
            let store = Arc::clone(&real);
            worlds.push(World {
                store,
                app,
                connection: first,
                clock,
                entropy,
            });
            seconds.push(second);
        }
        let worlds = worlds.try_into().unwrap_or_else(|_| panic!("two worlds"));
        let seconds = seconds
            .try_into()
            .unwrap_or_else(|_| panic!("two connections"));
        let clock = TestClock::at(START);
        Self {
            model,
            real,
            worlds,
            seconds,
            clock,
            entropy: SeededEntropy::new(9),
        }
    }

    fn changeset(&self, change: &Change) -> Changeset {
        let world = &self.worlds[usize::from(change.app)];
        // A moment of its own for each, so that notifications have an order.
        world
            .clock
            .set(self.clock.advance(SignedDuration::from_millis(1)));
        let mut set = world.nothing();
        let connection = if change.second_connection {
            &self.seconds[usize::from(change.app)]
        } else {
            &world.connection
        };
        set.random = self.entropy.random();
        if change.verdict < 6 {
            let verdict = match change.verdict {
                0 => Verdict::Rejected,
                1 => Verdict::Dead,
                _ => Verdict::Accepted,
            };
            let mut note = world.notification(verdict);
            note.connection_id = connection.id;
            set.notification = Some(note);
        }
        let mut input = world.input(change.signals.iter().map(Said::signal).collect());
        input.connection_id = connection.id;
        input.platform = connection.platform.as_str().into();
        set.fold = Some(input);
        set
    }

    async fn commit(&self, sets: Vec<Changeset>) {
        // The model one after the other; the real one all at once, in the order of the list.
        let mut expected = Vec::new();
        for set in &sets {
            expected.push(told(self.model.commit(set.clone()).await));
        }
        let all = sets.into_iter().map(|set| self.real.commit(set));
        let found: Vec<_> = futures_util::future::join_all(all).await;
        let found: Vec<_> = found.into_iter().map(told).collect();
        // Two apps may be numbered side by side, each in its own order.
        assert_eq!(found, expected);
    }

    async fn run(&self, step: &Step) {
        let app = |second: bool| self.worlds[usize::from(second)].app.id;
        match step {
            Step::Commit(changes) => {
                let sets = changes
                    .iter()
                    .map(|change| self.changeset(change))
                    .collect();
                self.commit(sets).await;
            }
            Step::Wait(seconds) => {
                self.clock
                    .advance(SignedDuration::from_secs(i64::from(*seconds)));
            }
            Step::Settle => self.settle().await,
            Step::PutContact { id, name, numbers } => {
                let contact = contact(*id, name, numbers);
                let (first, one) = (app(false), std::slice::from_ref(&contact));
                drop(same!(self, store => store.put_contacts(first, one).await, step));
            }
            Step::DeleteContact(id) => {
                let id = contact(*id, "", &[]).id;
                drop(same!(self, store => store.delete_contact(app(false), id).await, step));
            }
            Step::Calls {
                app: second,
                query,
                pages,
            } => {
                self.page(app(*second), query, *pages).await;
            }
            Step::Contacts {
                app: second,
                text,
                number,
                offset,
            } => {
                let query = ContactQuery {
                    text: text.clone(),
                    number: number.map(|n| NUMBERS[usize::from(n)].to_owned()),
                    limit: 3,
                    offset: *offset,
                };
                drop(same!(self, store => store.contacts(app(*second), &query).await, step));
            }
            Step::Messages {
                app: second,
                offset,
            } => {
                let query = MessageQuery {
                    limit: 3,
                    offset: *offset,
                };
                drop(same!(self, store => store.messages(app(*second), &query).await, step));
            }
            Step::Events {
                app: second,
                after,
                limit,
                types,
            } => {
                let types: Vec<EventType> = types
                    .iter()
                    .map(|n| EventType::ALL[usize::from(*n)])
                    .collect();
                drop(same!(self, store => store
                    .events_after(app(*second), *after, *limit, &types).await
                    .map(|events| events.iter().map(|e| comparable(e)).collect::<Vec<_>>()), step));
            }
            Step::Prune {
                notifications,
                events,
                limit,
            } => {
                let ago = |n: u16| at(i64::from(n) * 1_000);
                drop(same!(self, store => store
                    .prune(ago(*notifications), ago(*events), *limit).await, step));
            }
        }
    }

    async fn page(&self, app: switchhook_domain::id::AppId, query: &CallQuery, pages: u8) {
        let mut query = query.clone();
        for _ in 0..pages {
            let page = same!(self, store => store.calls(app, &query).await, query).unwrap();
            let Some(next) = page.next else { break };
            query.after = Some(next);
            query.offset = 0;
        }
    }

    async fn settle(&self) {
        let now = self.clock.advance(SignedDuration::from_millis(1));
        let due = same!(self, store => store.due_calls(now, 1_000).await, "due").unwrap();
        for call in due.into_iter().take(5) {
            let world = &self.worlds[usize::from(call.app_id == self.worlds[1].app.id)];
            world.clock.set(now);
            let mut set = world.nothing();
            let mut input = world.input(Vec::new());
            input.connection_id = call.connection_id;
            input.platform = call.platform.as_str().into();
            input.settle = vec![call.call_id];
            set.fold = Some(input);
            self.commit(vec![set]).await;
        }
    }

    /// Everything both have, compared.
    async fn compare(&self) {
        let later = self.clock.advance(SignedDuration::from_hours(10));
        drop(same!(self, store => store.due_calls(later, 10_000).await, "due"));
        drop(same!(self, store => store.connections(None).await, "connections"));
        for world in &self.worlds {
            let app = world.app.id;
            drop(same!(self, store => store.log_position(app).await, "position"));
            drop(same!(self, store => store.snapshot(app).await, "snapshot"));
            drop(
                same!(self, store => store.notifications(app, 10_000, None).await, "notifications"),
            );
            let log = same!(self, store => store
                .events_after(app, 0, 100_000, &[]).await
                .map(|events| events.iter().map(|e| comparable(e)).collect::<Vec<_>>()), "log");
            let query = CallQuery {
                limit: 100,
                ..CallQuery::default()
            };
            drop(same!(self, store => store.calls(app, &query).await, "calls"));
            for id in log.unwrap().iter().filter_map(|event| event.4) {
                let id = switchhook_domain::id::CallId(id);
                drop(same!(self, store => store.call(app, id).await, "call"));
            }
        }
    }
}

fn told(result: StoreResult<switchhook_engine::store::Committed>) -> String {
    let told = result.map(|done| {
        done.events
            .iter()
            .map(|e| comparable(e))
            .collect::<Vec<_>>()
    });
    format!("{told:?}")
}

fn contact(id: u8, name: &str, numbers: &[u8]) -> Contact {
    let number = |n: &u8| ContactNumber {
        number: phone(NUMBERS[usize::from(*n)]),
        label: None,
    };
    Contact {
        id: ContactId(IdMint::new(START, u128::from(id)).uuid()),
        name: name.to_owned(),
        organisation: None,
        email: None,
        note: None,
        url: None,
        numbers: numbers.iter().map(number).collect(),
    }
}

fn check<F>(cases: u32, place: F)
where
    F: AsyncFn() -> Option<Place>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .unwrap();
    let cases = std::env::var("SWITCHHOOK_TEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(cases);
    let config = Config {
        cases,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let history = prop::collection::vec(step(), 1..40);
    let outcome = runner.run(&history, |steps| {
        runtime.block_on(async {
            let Some(place) = place().await else { return };
            let real = place.open().await;
            let pair = Pair::new(Arc::clone(&real)).await;
            for step in &steps {
                pair.run(step).await;
            }
            pair.compare().await;
            real.close().await;
            // And after a restart.
            drop(real);
            let real = place.open().await;
            let pair = Pair { real, ..pair };
            pair.compare().await;
            pair.real.close().await;
            place.clean().await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn sqlite_does_what_the_model_does() {
    check(48, backends::sqlite);
}

#[test]
fn postgres_does_what_the_model_does() {
    check(24, backends::postgres);
}
