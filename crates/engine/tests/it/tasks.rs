//! Tasks and their deadlines: what is told, how often, and what is given up; and the task that
//! comes of a disposition.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use switchhook_domain::call::Call;
use switchhook_domain::id::{AgentId, TaskId};
use switchhook_domain::moment::{Author, MomentText};
use switchhook_domain::task::{
    NewTask, Refusal, Step, Task, TaskAssignee, TaskKind, TaskPriority, TaskSource, TaskStatus,
};
use switchhook_engine::connections::{Connections, Platforms};
use switchhook_engine::intake::Intake;
use switchhook_engine::metrics::Metrics;
use switchhook_engine::ports::{Clock, SystemEntropy};
use switchhook_engine::seal::MasterKey;
use switchhook_engine::store::{
    CallQuery, CustomOutcome, Store, TaskWrite, WorkSettings, WorkStore,
};
use switchhook_engine::tasks::{TaskFault, TaskWish, Tasks, created, of_disposition, overdue};
use switchhook_testkit::clock::TestClock;
use switchhook_testkit::conformance::world::{Talk, World};
use switchhook_testkit::memory::MemoryStore;
use uuid::Uuid;

/// An app whose agents have tasks. It is Sunday noon, UTC; they work from Monday 08:00 to 17:00 in
/// Amsterdam.
struct Office {
    store: Arc<MemoryStore>,
    world: World,
    clock: Arc<TestClock>,
    intake: Intake,
    tasks: Tasks,
}

const MONDAY_AT_FIVE: &str = "2026-11-23T16:00:00Z";
const TUESDAY_AT_FIVE: &str = "2026-11-24T16:00:00Z";
const WEDNESDAY_AT_FIVE: &str = "2026-11-25T16:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn anna() -> TaskAssignee {
    TaskAssignee {
        id: AgentId(Uuid::from_u128(1)),
        name: "Anna".to_owned(),
    }
}

impl Office {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let shared: Arc<dyn Store> = store.clone();
        let world = World::new(&shared, 1).await;
        let key = MasterKey::new([9; 32]);
        let connections = Connections::new(store.clone(), Platforms::new([]), key);
        let clock = Arc::new(TestClock::at(world.clock.now()));
        let intake = Intake::new(
            store.clone(),
            Arc::new(connections),
            clock.clone(),
            Arc::new(SystemEntropy),
            Metrics::register(&mut prometheus_client::registry::Registry::default()),
        );
        Self {
            tasks: Tasks::new(store.clone(), intake.clone()),
            store,
            world,
            clock,
            intake,
        }
    }

    fn new_task(&self, deadline: Option<&str>) -> NewTask {
        NewTask {
            id: self.tasks.new_id(),
            kind: TaskKind::CallBack,
            subject: "Offerte".to_owned(),
            description: None,
            priority: TaskPriority::Normal,
            deadline: deadline.map(time),
            assignee: None,
            queue: None,
            contact: None,
            call_id: None,
            callback: None,
            preferred_from: None,
            preferred_to: None,
            source: TaskSource::Hand,
        }
    }

    async fn make(&self, deadline: Option<&str>) -> TaskId {
        let new = self.new_task(deadline);
        let made = self.tasks.create(self.world.app.id, new, Author::SYSTEM);
        made.await.unwrap().id
    }

    async fn task(&self, id: TaskId) -> Task {
        self.tasks.get(self.world.app.id, id).await.unwrap()
    }

    async fn step(&self, id: TaskId, step: Step) -> Task {
        let app = self.world.app.id;
        let taken = self.tasks.change(app, id, None, step, |scene| {
            Ok(match step {
                Step::Claimed => scene.task.claim(&anna(), scene.at)?,
                Step::Released => scene.task.release(scene.at)?,
                Step::Reopened => {
                    let deadline = scene.settings.hours.deadline(scene.at);
                    scene.task.reopen(Some(deadline), scene.at)?
                }
                other => panic!("{other:?} is not a step of these tests"),
            })
        });
        taken.await.unwrap()
    }

    /// It is then, and two nodes look one after the other. How many tasks were due for both.
    async fn looked_at(&self, at: &str) -> (usize, usize) {
        self.clock.set(time(at));
        let first = overdue::once(&*self.store, &self.intake).await.unwrap();
        let second = overdue::once(&*self.store, &self.intake).await.unwrap();
        (first, second)
    }

    /// What was told of tasks so far: the reasons, `created` for a new one.
    async fn told(&self) -> Vec<String> {
        let events = self.store.events_after(self.world.app.id, 0, 100, &[]);
        let events = events.await.unwrap();
        let told = events.iter().filter_map(|event| {
            let data: Value = serde_json::from_str(event.data.get()).unwrap();
            match event.kind.as_str() {
                "task.created" => Some("created".to_owned()),
                "task.updated" => Some(data["reason"].as_str().unwrap().to_owned()),
                _ => None,
            }
        });
        told.collect()
    }
}

#[tokio::test]
async fn a_deadline_that_passes_is_told_once_and_then_the_task_is_given_up() {
    let office = Office::new().await;
    let id = office.make(Some(MONDAY_AT_FIVE)).await;
    assert_eq!(office.looked_at("2026-11-23T15:59:59Z").await, (0, 0));
    assert_eq!(office.looked_at(MONDAY_AT_FIVE).await, (1, 0));
    assert_eq!(office.told().await, ["created", "overdue"]);
    let task = office.task(id).await;
    assert_eq!((task.status, task.version), (TaskStatus::Open, 2));
    assert_eq!(office.looked_at("2026-11-24T15:59:59Z").await, (0, 0));
    assert_eq!(office.looked_at(TUESDAY_AT_FIVE).await, (1, 0));
    assert_eq!(office.told().await, ["created", "overdue", "expired"]);
    let task = office.task(id).await;
    assert_eq!(task.status, TaskStatus::Expired);
    assert_eq!(task.completed_by, Some(Author::SYSTEM));
    assert_eq!(office.looked_at("2027-11-24T16:00:00Z").await, (0, 0));
    // Opened again it has a deadline ahead, and it all begins anew.
    let task = office.step(id, Step::Reopened).await;
    assert_eq!(task.deadline, Some(time("2027-11-25T16:00:00Z")));
    assert_eq!(office.looked_at("2027-11-25T16:00:00Z").await, (1, 0));
    let told = office.told().await;
    assert_eq!(told[3..], ["reopened", "overdue"]);
}

#[tokio::test]
async fn what_an_agent_has_is_never_given_up() {
    let office = Office::new().await;
    let id = office.make(Some(MONDAY_AT_FIVE)).await;
    office.step(id, Step::Claimed).await;
    assert_eq!(office.looked_at(MONDAY_AT_FIVE).await, (1, 0));
    assert_eq!(office.looked_at("2026-12-31T16:00:00Z").await, (0, 0));
    assert_eq!(office.task(id).await.status, TaskStatus::InProgress);
    // Given back long after, it waits another business day for somebody.
    office.clock.set(time("2027-01-04T10:00:00Z"));
    office.step(id, Step::Released).await;
    assert_eq!(office.looked_at("2027-01-04T16:00:00Z").await, (0, 0));
    assert_eq!(office.looked_at("2027-01-05T16:00:00Z").await, (1, 0));
    assert_eq!(
        office.told().await,
        ["created", "claimed", "overdue", "released", "expired"]
    );
}

#[tokio::test]
async fn nothing_is_given_up_before_it_was_told_however_long_nobody_looked() {
    let office = Office::new().await;
    let id = office.make(Some(MONDAY_AT_FIVE)).await;
    assert_eq!(office.looked_at("2026-12-24T10:00:00Z").await, (1, 0));
    assert_eq!(office.told().await, ["created", "overdue"]);
    assert_eq!(office.task(id).await.status, TaskStatus::Open);
    assert_eq!(office.looked_at("2026-12-25T16:00:00Z").await, (1, 0));
    assert_eq!(office.task(id).await.status, TaskStatus::Expired);
}

#[tokio::test]
async fn a_change_after_the_deadline_tells_first_that_it_has_passed() {
    let office = Office::new().await;
    let id = office.make(Some(MONDAY_AT_FIVE)).await;
    office.clock.set(time("2026-11-23T16:00:01Z"));
    office.step(id, Step::Claimed).await;
    assert_eq!(office.told().await, ["created", "overdue", "claimed"]);
    assert_eq!(office.looked_at("2026-11-23T16:00:06Z").await, (0, 0));
    // What had none has nothing to tell.
    office.make(None).await;
    assert_eq!(office.looked_at("2030-01-01T00:00:00Z").await, (0, 0));
}

#[tokio::test]
async fn other_business_hours_put_a_task_off() {
    let office = Office::new().await;
    let id = office.make(Some(MONDAY_AT_FIVE)).await;
    office.looked_at(MONDAY_AT_FIVE).await;
    let mut settings = WorkSettings::default();
    settings.hours.holidays = vec!["2026-11-24".parse().unwrap()];
    let app = office.world.app.id;
    office
        .store
        .put_work_settings(app, &settings)
        .await
        .unwrap();
    assert_eq!(office.looked_at(TUESDAY_AT_FIVE).await, (1, 0));
    assert_eq!(office.task(id).await.version, 2, "nothing was changed");
    assert_eq!(office.looked_at(WEDNESDAY_AT_FIVE).await, (1, 0));
    assert_eq!(office.task(id).await.status, TaskStatus::Expired);
}

#[tokio::test]
async fn of_two_nodes_one_tells() {
    let office = Office::new().await;
    let id = office.make(Some(MONDAY_AT_FIVE)).await;
    office.clock.set(time(MONDAY_AT_FIVE));
    let looks = (0..8).map(|_| overdue::once(&*office.store, &office.intake));
    for looked in futures_util::future::join_all(looks).await {
        looked.unwrap();
    }
    assert_eq!(office.told().await, ["created", "overdue"]);
    assert_eq!(office.task(id).await.version, 2);
}

#[tokio::test]
async fn of_two_who_claim_one_has_it() {
    let office = Office::new().await;
    let id = office.make(None).await;
    let app = office.world.app.id;
    let claims = (1..=8_u128).map(|number| {
        let agent = TaskAssignee {
            id: AgentId(Uuid::from_u128(number)),
            name: number.to_string(),
        };
        office
            .tasks
            .change(app, id, None, Step::Claimed, move |scene| {
                Ok(scene.task.claim(&agent, scene.at)?)
            })
    });
    let came = futures_util::future::join_all(claims).await;
    assert_eq!(came.iter().filter(|one| one.is_ok()).count(), 1);
    let holder = office.task(id).await.assignee.unwrap();
    for one in came.into_iter().filter_map(Result::err) {
        let told = TaskFault::Refused(Refusal::Claimed(holder.clone()), 2);
        assert_eq!(one, told);
    }
}

#[tokio::test]
async fn who_has_seen_an_older_version_is_told() {
    let office = Office::new().await;
    let id = office.make(None).await;
    office.step(id, Step::Claimed).await;
    let app = office.world.app.id;
    let late = office
        .tasks
        .change(app, id, Some(1), Step::Released, |scene| {
            Ok(scene.task.release(scene.at)?)
        });
    assert_eq!(late.await, Err(TaskFault::Changed(2)));
    let unknown = TaskId(Uuid::from_u128(7));
    let none = office.tasks.get(app, unknown).await;
    assert_eq!(none, Err(TaskFault::NotFound));
}

async fn call(office: &Office) -> Call {
    let talk = Talk::new("a", "+31612345678", "201", 0);
    office.world.hear(talk.rings()).await;
    let query = CallQuery {
        limit: 1,
        ..CallQuery::default()
    };
    let calls = office.store.calls(office.world.app.id, &query);
    let page = calls.await.unwrap();
    serde_json::from_str(&page.calls[0]).unwrap()
}

fn said(outcome: &str) -> MomentText {
    MomentText {
        subject: Some("Offerte".to_owned()),
        outcome: Some(outcome.to_owned()),
        notes: Some("Wil korting".to_owned()),
    }
}

#[tokio::test]
async fn a_disposition_makes_the_task_its_outcome_says() {
    let office = Office::new().await;
    let call = call(&office).await;
    let settings = WorkSettings {
        escalation_queue: Some("Tweede lijn".to_owned()),
        outcomes: vec![CustomOutcome {
            code: "question".to_owned(),
            label: "Vraag".to_owned(),
            task: Some(TaskKind::Question),
        }],
        ..WorkSettings::default()
    };
    let at = office.clock.now();
    let made = |outcome: &str, wish| {
        of_disposition(&call, &said(outcome), wish, &settings, &Author::SYSTEM, at)
    };
    let callback = made("callback", None).unwrap();
    assert_eq!(callback.r#type, TaskKind::CallBack);
    assert_eq!(callback.callback_number.as_deref(), Some("+31612345678"));
    assert_eq!(callback.callback_display.as_deref(), Some("06 12345678"));
    assert_eq!(callback.deadline, Some(time(MONDAY_AT_FIVE)));
    assert_eq!(callback.subject, "Offerte");
    assert_eq!(callback.description.as_deref(), Some("Wil korting"));
    assert_eq!(callback.call_id, Some(call.id));
    assert_eq!(callback.source, TaskSource::Disposition);
    assert_eq!(made("callback", None).unwrap().id, callback.id);
    let escalated = made("escalated", None).unwrap();
    assert_eq!(escalated.r#type, TaskKind::FollowUp);
    assert_eq!(escalated.queue.as_deref(), Some("Tweede lijn"));
    assert_ne!(escalated.id, callback.id);
    assert_eq!(made("question", None).unwrap().r#type, TaskKind::Question);
    assert_eq!(made("resolved", None), None);
    let wish = TaskWish {
        deadline: Some(time(WEDNESDAY_AT_FIVE)),
        priority: Some(TaskPriority::High),
        assignee: Some(anna()),
        ..TaskWish::default()
    };
    let wished = made("resolved", Some(wish)).unwrap();
    assert_eq!(wished.r#type, TaskKind::FollowUp);
    assert_eq!(wished.deadline, Some(time(WEDNESDAY_AT_FIVE)));
    assert_eq!(wished.priority, TaskPriority::High);
    assert_eq!(wished.assignee, Some(anna()));
}

#[tokio::test]
async fn the_same_disposition_makes_one_task() {
    let office = Office::new().await;
    let call = call(&office).await;
    let settings = WorkSettings::default();
    let make = || {
        let at = office.clock.now();
        let said = said("callback");
        let task = of_disposition(&call, &said, None, &settings, &Author::SYSTEM, at);
        created(task.unwrap(), &settings.hours)
    };
    let (first, event): (TaskWrite, _) = make();
    assert_eq!(first.due_at, Some(time(MONDAY_AT_FIVE)));
    assert_eq!(event.call_id, Some(call.id));
    let mut changeset = office.world.nothing();
    changeset.tasks.push(first);
    office.store.commit(changeset).await.unwrap();
    let mut again = office.world.nothing();
    again.tasks.push(make().0);
    let again = office.store.commit(again).await;
    assert!(again.is_err(), "{again:?}");
}

#[tokio::test]
async fn a_step_that_changes_nothing_is_not_told() {
    let office = Office::new().await;
    let id = office.make(None).await;
    let first = office.step(id, Step::Claimed).await;
    office.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(office.step(id, Step::Claimed).await, first);
    assert_eq!(office.told().await, ["created", "claimed"]);
}
