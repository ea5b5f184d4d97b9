//! Random histories, applied to the reference store and to each real one at the same time: every
//! answer must be the same. Ids come from the changesets, so they are the same too.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use switchhook_domain::contact::{Contact, ContactNumber};
use switchhook_domain::event::EventType;
use switchhook_domain::id::{AppId, CallId, IdMint, TaskId};
use switchhook_domain::moment::{Author, CallDeed, Deed, MomentText};
use switchhook_domain::task::TaskStatus;
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{
    CallQuery, Changeset, ContactQuery, MessageQuery, RecordingQuery, Store, StoreResult,
    TaskQuery, TaskSort, Verdict, VoicemailQuery,
};
use switchhook_testkit::clock::{SeededEntropy, TestClock};
use switchhook_testkit::conformance::tasks;
use switchhook_testkit::conformance::world::{
    START, World, app, at, comparable, connection, phone, records,
};
use switchhook_testkit::memory::MemoryStore;

use crate::backends::{self, Place, SCAN_LIMIT};
use crate::history::{Change, NUMBERS, OUTCOMES, Said, Step, Word, contact_id, step};

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

    /// A deed, and a task that comes of it.
    async fn says(&self, word: &Word) -> Changeset {
        let world = &self.worlds[usize::from(word.app)];
        let now = self.clock.advance(SignedDuration::from_millis(1));
        world.clock.set(now);
        let mut set = world.nothing();
        set.random = self.entropy.random();
        let query = CallQuery {
            limit: 6,
            ..CallQuery::default()
        };
        let page = self.model.calls(world.app.id, &query).await.unwrap();
        let calls = records(&page);
        let call = calls.get(usize::from(word.call));
        let mut input = world.input(Vec::new());
        input.connection_id = call.map_or(input.connection_id, |call| call.connection_id);
        let text = MomentText {
            subject: Some(format!("Word {}", word.what)),
            outcome: Some(OUTCOMES[usize::from(word.what) % OUTCOMES.len()].to_owned()),
            notes: None,
        };
        let task = word.task.map(|(id, _)| task_id(id));
        let deed = match word.what {
            0..=2 => Deed::Draft(text),
            3..=5 => Deed::Complete(text, task),
            6 => Deed::Contact(call.and_then(|call| call.contact.clone())),
            _ => Deed::WrapUp(Some(now)),
        };
        input.deeds = vec![CallDeed {
            call: call.map_or(CallId(world.app.id.0), |call| call.id),
            by: Author::SYSTEM,
            expected: word.seen,
            deed,
        }];
        set.fold = Some(input);
        set.tasks = word
            .task
            .into_iter()
            .map(|(id, expected)| {
                let mut task = tasks::task(world, "Call back");
                task.id = task_id(id);
                task.version = expected.map_or(1, |seen| seen + 1);
                task.deadline = (id > 1).then_some(now);
                task.status = TaskStatus::ALL[usize::from(word.what) % TaskStatus::ALL.len()];
                task.created_at = at(i64::from(word.what) * 1_000);
                tasks::write(&task, expected)
            })
            .collect();
        set
    }

    /// Messages, recordings, voicemails and presence.
    async fn media(&self, app: AppId, offset: u32, step: &Step) {
        let query = MessageQuery {
            limit: 3,
            offset,
            ..MessageQuery::default()
        };
        drop(same!(self, store => store.messages(app, &query).await, step));
        let query = RecordingQuery {
            limit: 3,
            offset,
            ..RecordingQuery::default()
        };
        drop(same!(self, store => store.recordings(app, &query).await, step));
        let query = VoicemailQuery {
            limit: 3,
            offset,
            ..VoicemailQuery::default()
        };
        drop(same!(self, store => store.voicemails(app, &query).await, step));
        drop(same!(self, store => store.presence(app, 3, offset).await, step));
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
            Step::Say(words) => {
                let mut sets = Vec::new();
                for word in words {
                    sets.push(self.says(word).await);
                }
                self.commit(sets).await;
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
                self.media(app(*second), *offset, step).await;
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
        drop(same!(self, store => store.due_tasks(later, 10_000).await, "due tasks"));
        drop(same!(self, store => store.connections(None).await, "connections"));
        for world in &self.worlds {
            let app = world.app.id;
            drop(same!(self, store => store.log_position(app).await, "position"));
            drop(same!(self, store => store.snapshot(app).await, "snapshot"));
            for (sort, open) in [TaskSort::Deadline, TaskSort::Newest]
                .iter()
                .zip([true, false])
            {
                let query = TaskQuery {
                    statuses: if open {
                        vec![TaskStatus::Open]
                    } else {
                        Vec::new()
                    },
                    sort: *sort,
                    limit: 10,
                    ..TaskQuery::default()
                };
                drop(same!(self, store => store.tasks(app, &query).await, "tasks"));
            }
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

fn task_id(nth: u8) -> TaskId {
    TaskId(IdMint::new(START, u128::from(nth)).uuid())
}

fn contact(id: u8, name: &str, numbers: &[u8]) -> Contact {
    let number = |n: &u8| ContactNumber {
        number: phone(NUMBERS[usize::from(*n)]),
        label: None,
    };
    Contact {
        id: contact_id(id),
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
