//! Folding across changesets: finding a call again, joining, settling.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::call::Status;
use switchhook_domain::event::EventType;
use switchhook_domain::fold::{FINAL_AFTER, LOST_AFTER};
use switchhook_domain::signal::{CallFact, Fact, LegFact, LegKind, Party, Signal};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{CallQuery, Store};

use super::world::{Talk, World, at, phone};

/// Later signals with any known key change the same call; the same ones again change nothing.
pub async fn signals_find_their_call_again(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let talk = Talk::new("dialpad:1", "+31612345678", "201", 0);
    let other = Talk::new("dialpad:2", "+31687654321", "202", 0);
    let rings = world.hear(talk.rings()).await;
    let told = [
        EventType::CallRing,
        EventType::ScreenPopOpened,
        EventType::ContactMomentOpened,
    ];
    assert_eq!(rings, told);
    assert!(world.hear(talk.rings()).await.is_empty(), "told twice");
    world.hear(other.rings()).await;
    assert!(
        world
            .hear(talk.answered())
            .await
            .contains(&EventType::CallStarted)
    );
    // A new name of it, and then by that name alone.
    let alias = Talk {
        key: "operator:9".to_owned(),
        ..talk.clone()
    };
    world.hear(vec![alias.linked(&talk)]).await;
    assert!(
        world
            .hear(alias.ends())
            .await
            .contains(&EventType::CallEnded)
    );
    let calls = world.calls().await;
    let statuses: Vec<Status> = calls.iter().map(|call| call.status).collect();
    assert_eq!(calls.len(), 2);
    assert!(statuses.contains(&Status::Ended) && statuses.contains(&Status::Ringing));
    let open = CallQuery {
        open_only: true,
        limit: 10,
        ..CallQuery::default()
    };
    assert_eq!(world.list(open).await.total, 1);
}

/// Two calls that subscribers have heard of turn out to be one.
pub async fn two_calls_become_one(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let first = Talk::new("a", "+31612345678", "201", 0);
    let second = Talk::new("b", "+31612345678", "202", 1_000);
    world.hear(first.rings()).await;
    world.hear(second.rings()).await;
    let before = world.calls().await;
    assert_eq!(before.len(), 2);
    world.hear(vec![first.linked(&second)]).await;
    let after = world.calls().await;
    assert_eq!(after.len(), 1, "the list shows the one that is left");
    let left = &after[0];
    let gone = before.iter().find(|call| call.id != left.id).unwrap();
    let record = store.call(world.app.id, gone.id).await.unwrap().unwrap();
    let record: switchhook_domain::call::Call = serde_json::from_str(&record).unwrap();
    assert_eq!(record.merged_into, Some(left.id));
    // Its key leads to the one that is left, now and after a while.
    world.hear(second.answered()).await;
    world.hear(second.ends()).await;
    let after = world.calls().await;
    assert_eq!(
        (after.len(), after[0].id, after[0].status),
        (1, left.id, Status::Ended)
    );
    assert!(store.snapshot(world.app.id).await.unwrap().calls.is_empty());
}

/// A fragment that nobody has heard of becomes part of a call without a trace.
pub async fn an_unseen_fragment_disappears(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let talk = Talk::new("a", "+31612345678", "201", 0);
    let keys = ["fragment".to_owned()];
    // A leg without an origin, direction or number: not yet a conversation.
    let seen = LegFact::Seen {
        kind: LegKind::External,
        origin: false,
        party: Party::default(),
    };
    assert!(
        world
            .hear(vec![Signal::leg(at(0), &keys, "x", seen)])
            .await
            .is_empty()
    );
    assert!(world.calls().await.is_empty());
    world.hear(talk.rings()).await;
    let fragment = Talk {
        key: "fragment".to_owned(),
        ..talk.clone()
    };
    world.hear(vec![talk.linked(&fragment)]).await;
    let calls = world.calls().await;
    assert_eq!(calls.len(), 1);
    assert!(
        world
            .hear(vec![fragment.linked(&fragment)])
            .await
            .is_empty()
    );
    assert_eq!(world.calls().await.len(), 1);
    world.clock.advance(LOST_AFTER);
    let due = store.due_calls(world.clock.now(), 100).await.unwrap();
    assert_eq!(
        due.iter().map(|due| due.call_id).collect::<Vec<_>>(),
        [calls[0].id]
    );
}

/// After a gap the platform names the legs that are alive; the others are gone.
pub async fn a_snapshot_of_the_platform_ends_what_is_gone(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let stays = Talk::new("stays", "+31612345678", "201", 0);
    let goes = Talk::new("goes", "+31687654321", "202", 0);
    for talk in [&stays, &goes] {
        world.hear(talk.rings()).await;
        world.hear(talk.answered()).await;
        other.hear(talk.rings()).await;
        other.hear(talk.answered()).await;
    }
    let live = ["stays/201".to_owned()].into();
    let fact = Fact::Snapshot {
        live,
        gap_from: Some(at(5_000)),
    };
    // In one changeset with a call that is open only since then.
    let fresh = Talk::new("fresh", "+31612345678", "203", 30_000);
    world.hear(fresh.rings()).await;
    world
        .hear(vec![Signal {
            at: at(20_000),
            keys: Vec::new(),
            fact,
        }])
        .await;
    let open = CallQuery {
        open_only: true,
        limit: 10,
        ..CallQuery::default()
    };
    let ended = world
        .calls()
        .await
        .iter()
        .filter(|call| call.ended_at.is_some())
        .count();
    assert!(ended >= 1, "the leg that was not named is gone");
    let stayed = world.list(open.clone()).await;
    assert!(stayed.calls.iter().any(|call| call.contains("stays/201")));
    assert!(!stayed.calls.iter().any(|call| call.contains("goes/202")));
    assert_eq!(
        other.list(open).await.total,
        2,
        "another app's calls are its own"
    );
}

/// The reaper is told what is due, oldest first, and what it settles is due no more.
pub async fn the_reaper_finds_what_is_due(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let over = Talk::new("over", "+31612345678", "201", 0);
    let stuck = Talk::new("stuck", "+31687654321", "202", 0);
    world.hear(stuck.rings()).await;
    world.clock.advance(SignedDuration::from_secs(1));
    world.hear(over.rings()).await;
    world.hear(over.answered()).await;
    world.hear(over.ends()).await;
    let now = world.clock.now();
    assert!(store.due_calls(now, 10).await.unwrap().is_empty());

    world.clock.advance(FINAL_AFTER);
    let due = store.due_calls(world.clock.now(), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].app_id, world.app.id);
    assert_eq!(due[0].connection_id, world.connection.id);
    assert_eq!(
        (due[0].platform.as_str(), due[0].country.as_str()),
        ("dialpad", "NL")
    );
    // The connection may be gone by then.
    store
        .delete_connection(world.app.id, world.connection.id)
        .await
        .unwrap();
    let mut change = world.nothing();
    let mut input = world.input(Vec::new());
    input.settle = vec![due[0].call_id];
    change.fold = Some(input);
    let events = store.commit(change).await.unwrap().events;
    assert_eq!(super::world::kinds(&events), [EventType::CallFinalized]);
    assert!(
        store
            .due_calls(world.clock.now(), 10)
            .await
            .unwrap()
            .is_empty()
    );

    world.clock.advance(LOST_AFTER);
    let due = store.due_calls(world.clock.now(), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    let mut change = world.nothing();
    let mut input = world.input(Vec::new());
    input.settle = vec![due[0].call_id];
    change.fold = Some(input);
    let events = store.commit(change).await.unwrap().events;
    assert!(super::world::kinds(&events).contains(&EventType::CallMissed));
}

/// NUL characters, very long keys, other scripts: nothing a platform writes makes a commit fail.
pub async fn any_text_is_accepted(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let odd = [
        "\0",
        "a\0b",
        "☎️",
        "\u{10FFFF}",
        "'; DROP TABLE calls; --",
        "\\u0000",
        "%_",
    ];
    let long = "x".repeat(100_000);
    for (n, text) in odd.into_iter().chain([long.as_str()]).enumerate() {
        let keys = [format!("{n}{text}")];
        let party = Party {
            number: Some(phone(text)),
            name: Some(text.to_owned()),
            extension: Some(text.to_owned()),
            user_id: Some(text.to_owned()),
            email: Some(text.to_owned()),
        };
        let seen = LegFact::Seen {
            kind: LegKind::Agent,
            origin: true,
            party: party.clone(),
        };
        let mut change = world.heard(vec![
            Signal::call(at(0), &keys, CallFact::Remote(party)),
            Signal::leg(at(0), &keys, text, seen),
            Signal::leg(at(10), &keys, text, LegFact::Rang),
        ]);
        if let Some(note) = &mut change.notification {
            note.event = Some(text.to_owned());
            note.reason = Some(text.to_owned());
            note.content_type = Some(text.to_owned());
        }
        store.commit(change).await.unwrap();
        // And is found again by the same key.
        world
            .hear(vec![Signal::leg(at(20), &keys, text, LegFact::Answered)])
            .await;
        assert_eq!(world.calls().await.len(), n + 1, "{n}");
        let agent = CallQuery {
            agent: Some(text.to_owned()),
            limit: 10,
            ..CallQuery::default()
        };
        assert_eq!(world.list(agent).await.total, 1, "{n}");
    }
    for call in world.calls().await {
        assert!(store.call(world.app.id, call.id).await.unwrap().is_some());
    }
}
