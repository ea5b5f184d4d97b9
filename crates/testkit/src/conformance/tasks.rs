//! Tasks and settings for wrap-up: written with what they came of, found by whoever is to do them.

use std::sync::Arc;

use switchhook_domain::event::{EventDraft, EventType};
use switchhook_domain::id::{AgentId, AppId, CallId, ContactId, IdMint, TaskId};
use switchhook_domain::moment::{Author, AuthorKind};
use switchhook_domain::task::{
    Task, TaskAssignee, TaskContact, TaskKind, TaskPriority, TaskSource, TaskStatus,
};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{
    Assigned, Changeset, CustomOutcome, Store, StoreError, TaskQuery, TaskSort, TaskWrite,
    WorkSettings,
};
use uuid::Uuid;

use super::world::{START, World, at, kinds};

/// A task that nobody has yet.
#[must_use]
pub fn task(world: &World, subject: &str) -> Task {
    Task {
        id: TaskId(IdMint::new(START, world.entropy.random()).uuid()),
        version: 1,
        r#type: TaskKind::FollowUp,
        status: TaskStatus::Open,
        priority: TaskPriority::Normal,
        subject: subject.to_owned(),
        description: None,
        deadline: None,
        assignee: None,
        queue: None,
        contact: None,
        call_id: None,
        callback_number: None,
        callback_display: None,
        preferred_from: None,
        preferred_to: None,
        source: TaskSource::Hand,
        attempts: Vec::new(),
        suggest_close: false,
        created_at: START,
        created_by: Author {
            kind: AuthorKind::Key,
            id: Some(Uuid::from_u128(3)),
            name: Some("Backend \0".to_owned()),
        },
        updated_at: START,
        completed_at: None,
        completed_by: None,
        result: None,
    }
}

/// A task as it is to be written.
#[must_use]
pub fn write(task: &Task, expected: Option<u32>) -> TaskWrite {
    TaskWrite {
        task: task.clone(),
        expected,
        due_at: task.deadline,
    }
}

/// What is told of it.
pub(super) fn told(world: &World, kind: EventType, task: &Task) -> EventDraft {
    let data = serde_json::json!({ "task": task });
    EventDraft {
        kind,
        call_id: task.call_id,
        at: world.clock_now(),
        data: serde_json::value::to_raw_value(&data).unwrap(),
    }
}

fn change(world: &World, writes: Vec<TaskWrite>) -> Changeset {
    let mut change = world.nothing();
    change.tasks = writes;
    change
}

fn next(task: &Task) -> Task {
    let mut next = task.clone();
    next.version += 1;
    next
}

/// Made once, changed by whoever saw the last version, also within one group; whoever did not
/// changes nothing at all.
pub async fn a_task_is_changed_by_whoever_saw_the_last(store: Arc<dyn Store>) {
    let (world, theirs) = (World::new(&store, 1).await, World::new(&store, 2).await);
    let app = world.app.id;
    let mut made = task(&world, "Call back ☎");
    made.call_id = Some(CallId(Uuid::from_u128(8)));
    let mut insert = change(&world, vec![write(&made, None)]);
    insert.events = vec![told(&world, EventType::TaskCreated, &made)];
    let events = store.commit(insert.clone()).await.unwrap().events;
    assert_eq!(kinds(&events), [EventType::TaskCreated]);
    assert_eq!(events[0].call_id, made.call_id);
    assert_eq!(store.task(app, made.id).await, Ok(Some(made.clone())));
    assert_eq!(store.task(theirs.app.id, made.id).await, Ok(None));
    let again = store.commit(insert).await;
    assert_eq!(again.unwrap_err(), StoreError::Conflict("task"));

    let taken = Task {
        status: TaskStatus::InProgress,
        ..next(&made)
    };
    store
        .commit(change(&world, vec![write(&taken, Some(1))]))
        .await
        .unwrap();
    assert_eq!(store.task(app, made.id).await, Ok(Some(taken.clone())));
    // One of two in one changeset is stale: neither is written, nor told.
    let fresh = task(&world, "Fresh");
    let mut stale = change(
        &world,
        vec![write(&fresh, None), write(&next(&made), Some(1))],
    );
    stale.events = vec![told(&world, EventType::TaskCreated, &fresh)];
    let refused = store.commit(stale).await;
    assert_eq!(refused.unwrap_err(), StoreError::Conflict("task"));
    assert_eq!(store.task(app, fresh.id).await, Ok(None));
    assert_eq!(world.log().await.len(), 1);
    // A task of another app is one that is not there.
    let foreign = store
        .commit(change(&theirs, vec![write(&next(&taken), Some(2))]))
        .await;
    assert_eq!(foreign.unwrap_err(), StoreError::Conflict("task"));
    let mut nowhere = change(&world, vec![write(&fresh, None)]);
    nowhere.app_id = AppId(Uuid::from_u128(1));
    let nowhere = store.commit(nowhere).await;
    assert_eq!(nowhere.unwrap_err(), StoreError::NotFound("app"));

    // Two who take it at once: one does.
    let (anna, bram) = (
        next(&taken),
        Task {
            result: Some("Bram".to_owned()),
            ..next(&taken)
        },
    );
    let (one, two) = tokio::join!(
        store.commit(change(&world, vec![write(&anna, Some(2))])),
        store.commit(change(&world, vec![write(&bram, Some(2))])),
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    // Handed over together, one sees what the other has written.
    let (first, second) = (task(&world, "First"), next(&task(&world, "Second")));
    let second = Task {
        id: first.id,
        ..second
    };
    let (one, two) = tokio::join!(
        store.commit(change(&world, vec![write(&first, None)])),
        store.commit(change(&world, vec![write(&second, Some(1))])),
    );
    assert!(one.is_ok() && two.is_ok(), "{two:?}");
    assert_eq!(store.task(app, first.id).await, Ok(Some(second)));
}

async fn found(store: &Arc<dyn Store>, app: AppId, query: TaskQuery) -> (Vec<String>, u64) {
    let query = TaskQuery {
        limit: query.limit.max(50),
        ..query
    };
    let (tasks, total) = store.tasks(app, &query).await.unwrap();
    (tasks.into_iter().map(|task| task.subject).collect(), total)
}

/// Six tasks, of which each differs in something.
fn six(world: &World) -> Vec<Task> {
    let agent = |id| TaskAssignee {
        id: AgentId(Uuid::from_u128(id)),
        name: "Anna".to_owned(),
    };
    let mut all: Vec<Task> = Vec::new();
    for (n, subject) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let mut task = task(world, subject);
        task.created_at = at(i64::try_from(n).unwrap() * 1_000);
        all.push(task);
    }
    all[0].deadline = Some(at(50_000));
    all[0].assignee = Some(agent(1));
    all[1].deadline = Some(at(20_000));
    all[1].queue = Some("invoices".to_owned());
    all[2].deadline = Some(at(20_000));
    all[2].priority = TaskPriority::High;
    all[2].r#type = TaskKind::CallBack;
    all[2].callback_number = Some("+31612345678".to_owned());
    all[3].priority = TaskPriority::Low;
    all[3].status = TaskStatus::InProgress;
    all[3].assignee = Some(agent(2));
    all[3].contact = Some(TaskContact {
        id: ContactId(Uuid::from_u128(5)),
        name: "Jan".to_owned(),
    });
    all[4].call_id = Some(CallId(Uuid::from_u128(6)));
    all[5].deadline = Some(at(10_000));
    all[5].status = TaskStatus::Done;
    all[5].r#type = TaskKind::Question;
    all
}

/// Every condition and both orders; another app has its own.
pub async fn tasks_are_found(store: Arc<dyn Store>) {
    let (world, theirs) = (World::new(&store, 1).await, World::new(&store, 2).await);
    let all = six(&world);
    let writes = all.iter().map(|task| write(task, None)).collect();
    store.commit(change(&world, writes)).await.unwrap();
    let other = write(&task(&theirs, "theirs"), None);
    store.commit(change(&theirs, vec![other])).await.unwrap();
    let app = world.app.id;
    let some = TaskQuery::default;
    let open = || TaskQuery {
        statuses: vec![TaskStatus::Open, TaskStatus::InProgress],
        ..some()
    };
    let newest = |query| TaskQuery {
        sort: TaskSort::Newest,
        ..query
    };
    let assigned = |who| TaskQuery {
        assigned: Some(who),
        ..some()
    };
    let (agent, nobody) = (AgentId(Uuid::from_u128(1)), AgentId(Uuid::from_u128(9)));
    let kind = |kinds: &[TaskKind]| TaskQuery {
        kinds: kinds.to_vec(),
        ..some()
    };
    let text = |text: &str| Some(text.to_owned());
    let due = |millis, query| TaskQuery {
        due_before: Some(at(millis)),
        ..query
    };
    for (query, wanted) in [
        (some(), "fcbaed"),
        (newest(some()), "fedcba"),
        (open(), "cbaed"),
        (newest(open()), "edcba"),
        (
            TaskQuery {
                statuses: vec![TaskStatus::Done],
                ..some()
            },
            "f",
        ),
        (
            TaskQuery {
                statuses: vec![TaskStatus::Expired],
                ..some()
            },
            "",
        ),
        (kind(&[TaskKind::CallBack]), "c"),
        (kind(&[TaskKind::CallBack, TaskKind::Question]), "fc"),
        (assigned(Assigned::To(agent)), "a"),
        (assigned(Assigned::To(nobody)), ""),
        (assigned(Assigned::Nobody), "fcbe"),
        (
            TaskQuery {
                queue: text("invoices"),
                ..open()
            },
            "b",
        ),
        (
            TaskQuery {
                queue: text("invoice"),
                ..some()
            },
            "",
        ),
        (
            TaskQuery {
                number: text("+31612345678"),
                ..some()
            },
            "c",
        ),
        (
            TaskQuery {
                contact_id: Some(ContactId(Uuid::from_u128(5))),
                ..some()
            },
            "d",
        ),
        (
            TaskQuery {
                call_id: Some(CallId(Uuid::from_u128(6))),
                ..some()
            },
            "e",
        ),
        (due(20_000, some()), "f"),
        (due(20_001, open()), "cb"),
        (due(1_000_000, newest(open())), "cba"),
        (
            TaskQuery {
                offset: 2,
                ..open()
            },
            "aed",
        ),
    ] {
        let passed = u64::from(query.offset);
        let (names, total) = found(&store, app, query.clone()).await;
        let wanted: Vec<String> = wanted.chars().map(String::from).collect();
        assert_eq!(names, wanted, "{query:?}");
        assert_eq!(total, names.len() as u64 + passed, "{query:?}");
    }
    let first = TaskQuery { limit: 2, ..open() };
    let (page, total) = store.tasks(app, &first).await.unwrap();
    assert_eq!(
        (page.as_slice(), total),
        (&[all[2].clone(), all[1].clone()][..], 5)
    );
    let (own, total) = found(&store, theirs.app.id, some()).await;
    assert_eq!((own, total), (vec!["theirs".to_owned()], 1));
}

/// Of all apps, the longest due first, until what is due has been dealt with.
pub async fn tasks_come_due(store: Arc<dyn Store>) {
    let (world, theirs) = (World::new(&store, 1).await, World::new(&store, 2).await);
    let mut never = task(&world, "never");
    never.deadline = None;
    let due = |world: &World, subject: &str, millis| Task {
        deadline: Some(at(millis)),
        ..task(world, subject)
    };
    let (soon, later) = (due(&world, "soon", 2_000), due(&world, "later", 9_000));
    let sooner = due(&theirs, "sooner", 1_000);
    let writes = [&never, &later, &soon].map(|task| write(task, None));
    store.commit(change(&world, writes.to_vec())).await.unwrap();
    store
        .commit(change(&theirs, vec![write(&sooner, None)]))
        .await
        .unwrap();
    let now = |millis, limit| store.due_tasks(at(millis), limit);
    assert_eq!(now(999, 10).await, Ok(Vec::new()));
    let (ours, others) = (
        (world.app.id, soon.clone()),
        (theirs.app.id, sooner.clone()),
    );
    assert_eq!(now(2_000, 10).await, Ok(vec![others.clone(), ours.clone()]));
    assert_eq!(now(2_000, 1).await, Ok(vec![others.clone()]));
    let mut dealt = write(&next(&soon), Some(1));
    dealt.due_at = None;
    store.commit(change(&world, vec![dealt])).await.unwrap();
    assert_eq!(now(8_999, 10).await, Ok(vec![others.clone()]));
    assert_eq!(
        now(9_000, 10).await,
        Ok(vec![others, (world.app.id, later)])
    );
}

/// An app that has said nothing has none, and nobody has another's.
pub async fn settings_for_work_are_kept(store: Arc<dyn Store>) {
    let (world, theirs) = (World::new(&store, 1).await, World::new(&store, 2).await);
    assert_eq!(store.work_settings(world.app.id).await, Ok(None));
    let first = WorkSettings::default();
    let second = WorkSettings {
        outcomes: vec![CustomOutcome {
            code: "sold".to_owned(),
            label: "Verkocht \0 ☎".to_owned(),
            task: Some(TaskKind::CallBack),
        }],
        escalation_queue: Some("second line".to_owned()),
        wrap_up_seconds: 0,
        screen_pop_enabled: false,
        ..WorkSettings::default()
    };
    for settings in [&first, &second] {
        store
            .put_work_settings(world.app.id, settings)
            .await
            .unwrap();
        let kept = store.work_settings(world.app.id).await;
        assert_eq!(kept, Ok(Some(settings.clone())));
    }
    assert_eq!(store.work_settings(theirs.app.id).await, Ok(None));
    let unknown = AppId(Uuid::from_u128(1));
    assert_eq!(
        store.put_work_settings(unknown, &first).await,
        Err(StoreError::NotFound("app"))
    );
}
