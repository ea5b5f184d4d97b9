//! Contact moments: what people say of a call is kept with it, all of a changeset or nothing.

use std::sync::Arc;

use serde_json::Value;
use switchhook_domain::call::{Call, ContactView};
use switchhook_domain::contact::Certainty;
use switchhook_domain::event::EventType;
use switchhook_domain::id::{AppId, CallId, ContactId};
use switchhook_domain::moment::{
    Author, AuthorKind, CallDeed, Deed, MomentStatus, MomentText, MomentView,
};
use switchhook_domain::signal::{CallFact, Signal};
use switchhook_engine::store::{CallQuery, Changeset, Store, StoreError, StoreResult, Verdict};
use uuid::Uuid;

use super::tasks;
use super::world::{Talk, World, at, kinds, records};

/// An agent who says something.
fn anna() -> Author {
    Author {
        kind: AuthorKind::Agent,
        id: Some(Uuid::from_u128(7)),
        name: Some("Anna".to_owned()),
    }
}

fn text(subject: &str, outcome: &str) -> MomentText {
    MomentText {
        subject: Some(subject.to_owned()),
        outcome: Some(outcome.to_owned()),
        notes: None,
    }
}

/// A changeset in which Anna does this.
pub(super) fn does(world: &World, call: CallId, seen: Option<u32>, deed: Deed) -> Changeset {
    let mut change = world.nothing();
    let mut input = world.input(Vec::new());
    input.deeds = vec![CallDeed {
        call,
        by: anna(),
        expected: seen,
        deed,
    }];
    change.fold = Some(input);
    change
}

async fn done(world: &World, change: Changeset) -> StoreResult<Vec<EventType>> {
    let committed = world.store.commit(change).await?;
    Ok(kinds(&committed.events))
}

async fn call(world: &World, id: CallId) -> Call {
    let record = world.store.call(world.app.id, id).await.unwrap().unwrap();
    serde_json::from_str(&record).unwrap()
}

async fn moment(world: &World, id: CallId) -> MomentView {
    call(world, id).await.contact_moment.expect("a moment")
}

/// The call of one extension.
async fn call_at(world: &World, extension: &str) -> CallId {
    let calls = world.calls().await;
    let found = calls.iter().find(|call| {
        let mut legs = call.legs.iter();
        legs.any(|leg| leg.extension.as_deref() == Some(extension))
    });
    found.expect("a call").id
}

async fn rang(world: &World, talk: &Talk) -> CallId {
    world.hear(talk.rings()).await;
    call_at(world, &talk.extension).await
}

async fn talked(world: &World, talk: &Talk) -> CallId {
    let id = rang(world, talk).await;
    world.hear(talk.answered()).await;
    world.hear(talk.ends()).await;
    id
}

/// Opened by the call, written on in silence, closed by the disposition, and corrected; no later
/// word of the platform takes any of it back.
pub async fn a_moment_goes_from_the_ring_to_the_disposition(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let talk = Talk::new("a", "+31612345678", "201", 0);
    let told = world.hear(talk.rings()).await;
    assert!(told.contains(&EventType::ContactMomentOpened), "{told:?}");
    let id = call_at(&world, "201").await;
    let first = moment(&world, id).await;
    assert_eq!((first.status, first.version), (MomentStatus::Pending, 0));
    world.hear(talk.answered()).await;
    world.hear(talk.ends()).await;
    let over = moment(&world, id).await;
    assert_eq!(over.status, MomentStatus::DispositionPending);

    let draft = Deed::Draft(text("Invoice \0 \u{1F600}", "resolved"));
    let told = done(&world, does(&world, id, Some(0), draft)).await;
    assert_eq!(told, Ok(Vec::new()), "drafts tell nothing");
    let written = moment(&world, id).await;
    assert_eq!(written.subject.as_deref(), Some("Invoice \0 \u{1F600}"));
    assert_eq!((written.status, written.version), (over.status, 1));
    assert_eq!(written.edited_at, Some(world.clock_now()));

    let task = Some(tasks::task(&world, "Call back").id);
    let complete = Deed::Complete(text("Invoice", "callback"), task);
    let told = done(&world, does(&world, id, Some(1), complete.clone())).await;
    assert_eq!(told, Ok(vec![EventType::ContactMomentCompleted]));
    let closed = moment(&world, id).await;
    assert_eq!(
        (closed.status, closed.version),
        (MomentStatus::Completed, 2)
    );
    assert_eq!(closed.completed_by, Some(anna()));
    assert_eq!(
        (closed.outcome.as_deref(), closed.task_id),
        (Some("callback"), task)
    );
    let log = world.log().await;
    let data: Value = serde_json::from_str(log.last().unwrap().data.get()).unwrap();
    assert_eq!(
        data["contact_moment"],
        serde_json::to_value(&closed).unwrap()
    );
    assert_eq!(data["call"]["id"], id.to_string());

    // Said again by somebody who did not hear the answer, it is no news.
    let told = done(&world, does(&world, id, Some(1), complete)).await;
    assert_eq!(told, Ok(Vec::new()));
    assert_eq!(moment(&world, id).await, closed);
    let corrected = Deed::Complete(text("Invoice 2026", "resolved"), None);
    let told = done(&world, does(&world, id, Some(2), corrected)).await;
    assert_eq!(told, Ok(vec![EventType::CallUpdated]));

    // What the platform says later stands beside it.
    let queue = CallFact::Queue("support".to_owned());
    let mut later = talk.ends();
    later.push(Signal::call(at(1_000), &talk.keys(), queue));
    world.hear(later).await;
    let (record, kept) = (call(&world, id).await, moment(&world, id).await);
    assert_eq!(record.queue.as_deref(), Some("support"));
    assert_eq!(kept.subject.as_deref(), Some("Invoice 2026"));
    assert_eq!(
        (kept.outcome.as_deref(), kept.task_id),
        (Some("resolved"), task)
    );
    assert_eq!((kept.status, kept.version), (MomentStatus::Completed, 3));
}

/// Nothing of a changeset whose deed cannot be done: no task, no event, no notification, no signal,
/// no other deed; and nobody else in its group is troubled.
pub async fn a_refused_deed_leaves_no_trace(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let talk = Talk::new("a", "+31612345678", "201", 0);
    let id = talked(&world, &talk).await;
    let other = talked(&world, &Talk::new("b", "+31687654321", "202", 1_000)).await;
    let draft = |subject: &str| Deed::Draft(text(subject, "resolved"));
    done(&world, does(&world, id, None, draft("first")))
        .await
        .unwrap();
    let log = world.log().await.len();
    let (before, beside) = (moment(&world, id).await, moment(&world, other).await);

    let task = tasks::task(&world, "Never made");
    let mut stale = does(&world, other, None, draft("undone"));
    stale.notification = Some(world.notification(Verdict::Accepted));
    stale.tasks = vec![tasks::write(&task, None)];
    stale.events = vec![tasks::told(&world, EventType::TaskCreated, &task)];
    let input = stale.fold.as_mut().unwrap();
    input.signals = Talk::new("c", "+31611111111", "203", 2_000).rings();
    input.deeds.push(CallDeed {
        call: id,
        by: anna(),
        expected: Some(0),
        deed: draft("second"),
    });
    let third = talked(&world, &Talk::new("d", "+31622222222", "204", 3_000)).await;
    let heard = world.log().await.len();
    let (bad, good) = tokio::join!(
        store.commit(stale),
        store.commit(does(&world, third, Some(0), draft("third"))),
    );
    assert_eq!(bad.unwrap_err(), StoreError::Conflict("contact moment"));
    assert!(good.is_ok());
    assert!(heard > log);
    assert_eq!(world.log().await.len(), heard);
    assert_eq!(moment(&world, id).await, before);
    assert_eq!(moment(&world, other).await, beside);
    assert_eq!(
        moment(&world, third).await.subject.as_deref(),
        Some("third")
    );
    assert_eq!(store.task(world.app.id, task.id).await, Ok(None));
    assert_eq!(world.calls().await.len(), 3);
    let notes = store.notifications(world.app.id, 100, None).await.unwrap();
    assert_eq!(notes.len(), 9);

    // A draft of what is closed; two who close at once.
    let close = |subject: &str| Deed::Complete(text(subject, "resolved"), None);
    let (one, two) = tokio::join!(
        store.commit(does(&world, id, Some(1), close("mine"))),
        store.commit(does(&world, id, Some(1), close("yours"))),
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    let late = done(&world, does(&world, id, None, draft("late"))).await;
    assert_eq!(late, Err(StoreError::Conflict("contact moment")));
}

/// A call that is not there, of another app, of another connection, or part of another one.
pub async fn a_deed_needs_its_call(store: Arc<dyn Store>) {
    let (world, theirs) = (World::new(&store, 1).await, World::new(&store, 2).await);
    let first = Talk::new("a", "+31612345678", "201", 0);
    let second = Talk::new("b", "+31612345678", "202", 1_000);
    let id = rang(&world, &first).await;
    let foreign = talked(&theirs, &Talk::new("c", "+31612345678", "203", 0)).await;
    let gone = rang(&world, &second).await;
    world.hear(vec![first.linked(&second)]).await;
    assert_eq!(call(&world, gone).await.merged_into, Some(id));
    assert_eq!(call(&world, gone).await.contact_moment, None);
    let missing = Err(StoreError::NotFound("call"));
    let unknown = CallId(Uuid::from_u128(1));
    for call in [unknown, foreign, gone] {
        let draft = Deed::Draft(text("x", "resolved"));
        assert_eq!(done(&world, does(&world, call, None, draft)).await, missing);
    }
    assert_eq!(moment(&theirs, foreign).await.version, 0);
    let second = super::world::connection(&world.entropy, world.app.id, "asterisk");
    store.create_connection(&second).await.unwrap();
    let mut change = does(&world, id, None, Deed::Draft(text("x", "resolved")));
    change.fold.as_mut().unwrap().connection_id = second.id;
    assert_eq!(done(&world, change).await, missing);
}

/// Two calls become one: what was said of either is said of the one that is left, and that again
/// after it has been loaded anew.
pub async fn joined_calls_keep_what_was_said(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let first = Talk::new("a", "+31612345678", "201", 0);
    let second = Talk::new("b", "+31612345678", "202", 1_000);
    let left = rang(&world, &first).await;
    let gone = rang(&world, &second).await;
    let notes = MomentText {
        notes: Some("Asked for Bram".to_owned()),
        ..MomentText::default()
    };
    done(&world, does(&world, gone, None, Deed::Draft(notes)))
        .await
        .unwrap();
    let chosen = contact(9);
    let choose = Deed::Contact(Some(chosen.clone()));
    done(&world, does(&world, gone, Some(1), choose))
        .await
        .unwrap();
    world.hear(vec![first.linked(&second)]).await;
    let kept = moment(&world, left).await;
    assert_eq!(kept.notes.as_deref(), Some("Asked for Bram"));
    assert_eq!(kept.version, 2);
    world.hear(first.answered()).await;
    assert_eq!(call(&world, left).await.contact, Some(chosen));
    let close = Deed::Complete(text("One", "resolved"), None);
    let told = done(&world, does(&world, left, Some(2), close)).await;
    assert_eq!(told, Ok(vec![EventType::ContactMomentCompleted]));
}

fn contact(id: u128) -> ContactView {
    ContactView {
        id: ContactId(Uuid::from_u128(id)),
        name: "Jan".to_owned(),
        organisation: None,
        note: None,
        url: None,
        certainty: Certainty::Certain,
        percent: 100,
        why: String::new(),
        total: 1,
    }
}

async fn listed(store: &Arc<dyn Store>, app: AppId, query: CallQuery) -> (Vec<CallId>, u64) {
    let query = CallQuery {
        limit: 100,
        ..query
    };
    let page = store.calls(app, &query).await.unwrap();
    let ids = records(&page).iter().map(|call| call.id).collect();
    (ids, page.total)
}

/// By where the contact moment stands, by its outcome and by the contact; and what waits goes on
/// from a position, whoever it waits for.
pub async fn moments_are_listed(store: Arc<dyn Store>) {
    let (world, theirs) = (World::new(&store, 1).await, World::new(&store, 2).await);
    talked(&theirs, &Talk::new("x", "+31612345678", "201", 0)).await;
    let ringing = rang(&world, &Talk::new("r", "+31612345678", "200", 0)).await;
    let mut waiting = Vec::new();
    for n in 1..=4 {
        let talk = Talk::new(
            &format!("w{n}"),
            "+31612345678",
            &format!("20{n}"),
            n * 1_000,
        );
        waiting.insert(0, talked(&world, &talk).await);
    }
    let missed = Talk::new("m", "+31687654321", "209", 9_000);
    let given_up = rang(&world, &missed).await;
    world.hear(missed.ends()).await;
    let resolved = waiting.remove(1);
    let close = Deed::Complete(text("Done", "resolved"), None);
    done(&world, does(&world, resolved, None, close))
        .await
        .unwrap();
    let choose = Deed::Contact(Some(contact(5)));
    done(&world, does(&world, waiting[1], None, choose))
        .await
        .unwrap();

    let app = world.app.id;
    let with = |status| CallQuery {
        moment: Some(status),
        ..CallQuery::default()
    };
    let waits = || with(MomentStatus::DispositionPending);
    let outcome = |code: &str| CallQuery {
        outcome: Some(code.to_owned()),
        ..CallQuery::default()
    };
    let of = |id| CallQuery {
        contact_id: Some(ContactId(Uuid::from_u128(id))),
        ..CallQuery::default()
    };
    let agent = |extension: &str, query| CallQuery {
        agent: Some(extension.to_owned()),
        ..query
    };
    let caller = CallQuery {
        from_number: Some("+31687654321".to_owned()),
        ..with(MomentStatus::Completed)
    };
    for (query, wanted) in [
        (with(MomentStatus::Pending), vec![ringing]),
        (waits(), waiting.clone()),
        (with(MomentStatus::Completed), vec![given_up, resolved]),
        (caller, vec![given_up]),
        (outcome("resolved"), vec![resolved]),
        (outcome("abandoned"), vec![given_up]),
        (outcome("callback"), vec![]),
        (of(5), vec![waiting[1]]),
        (of(6), vec![]),
        (agent("201", waits()), vec![waiting[2]]),
        (agent("203", waits()), vec![]),
    ] {
        let total = wanted.len() as u64;
        assert_eq!(
            listed(&store, app, query.clone()).await,
            (wanted, total),
            "{query:?}"
        );
        let (foreign, _) = listed(&store, theirs.app.id, query).await;
        assert!(!foreign.iter().any(|id| waiting.contains(id)));
    }
    let mut query = CallQuery {
        limit: 1,
        ..waits()
    };
    let mut found = Vec::new();
    loop {
        let page = world.list(query.clone()).await;
        found.extend(records(&page).iter().map(|call| call.id));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(found, waiting);
}
