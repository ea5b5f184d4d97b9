//! Dials, and what an app allows to be dialled.

use std::collections::BTreeSet;
use std::sync::Arc;

use switchhook_domain::Timestamp;
use switchhook_domain::id::{AppId, CallId, DialId, IdMint};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{Dial, DialFailure, DialPolicy, DialState, Store, StoreError};
use uuid::Uuid;

use super::world::{START, World, at};

/// A dial of this world, asked for that many milliseconds after the start.
fn dial(world: &World, millis: i64) -> Dial {
    let mint = IdMint::new(START, world.entropy.random());
    Dial {
        id: DialId(mint.uuid()),
        app_id: world.app.id,
        connection_id: world.connection.id,
        call_id: CallId(mint.uuid()),
        idempotency_key: None,
        request_digest: [3; 32],
        agent_extension: Some("201".to_owned()),
        agent_user_id: Some("6004200420042004".to_owned()),
        target: "+31612345678".to_owned(),
        caller_id: Some("+31201234567".to_owned()),
        requested_by: "key 01".to_owned(),
        state: DialState::Requested,
        failure: None,
        platform_keys: Vec::new(),
        requested_at: at(millis),
        placed_at: None,
        settled_at: None,
        due_at: Some(at(millis + 30_000)),
    }
}

async fn create(store: &Arc<dyn Store>, dial: &Dial) {
    assert_eq!(store.create_dial(dial).await.unwrap(), None);
}

/// What is stored comes back; the state moves by compare and set, and nothing else changes.
pub async fn dials_go_their_way(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let (us, them) = (world.app.id, other.app.id);
    let asked = dial(&world, 0);
    create(&store, &asked).await;
    assert_eq!(store.dial(us, asked.id).await.unwrap(), Some(asked.clone()));
    let found = store.dial_of_call(us, asked.call_id).await.unwrap();
    assert_eq!(found, Some(asked.clone()));
    assert_eq!(store.dial(them, asked.id).await.unwrap(), None);
    assert_eq!(store.dial_of_call(them, asked.call_id).await.unwrap(), None);
    let twice = store.create_dial(&asked).await;
    assert_eq!(twice, Err(StoreError::Conflict("dial")));
    let homeless = Dial {
        id: DialId(Uuid::from_u128(7)),
        app_id: AppId(Uuid::from_u128(1)),
        ..asked.clone()
    };
    let refused = store.create_dial(&homeless).await;
    assert_eq!(refused, Err(StoreError::NotFound("app")));

    // Nobody changes it from a state it is not in, nor under another app's name.
    let placed = Dial {
        state: DialState::Placed,
        platform_keys: vec!["call:77".to_owned(), "master:7".to_owned()],
        placed_at: Some(at(900)),
        due_at: Some(at(60_000)),
        ..asked.clone()
    };
    assert!(!store.update_dial(&placed, &[]).await.unwrap());
    let wrong = [DialState::Placed, DialState::Joined];
    assert!(!store.update_dial(&placed, &wrong).await.unwrap());
    let foreign = Dial {
        app_id: them,
        ..placed.clone()
    };
    let requested = [DialState::Requested];
    assert!(!store.update_dial(&foreign, &requested).await.unwrap());
    assert_eq!(store.dial(us, asked.id).await.unwrap(), Some(asked.clone()));
    let rewritten = Dial {
        target: "+4412345".to_owned(),
        requested_by: "somebody else".to_owned(),
        request_digest: [9; 32],
        requested_at: at(5),
        ..placed.clone()
    };
    assert!(store.update_dial(&rewritten, &requested).await.unwrap());
    assert_eq!(
        store.dial(us, asked.id).await.unwrap(),
        Some(placed.clone())
    );

    // Several see the platform's answer at once: one of them settles the dial.
    let settled = |cause: &str| Dial {
        state: DialState::Failed,
        failure: Some(DialFailure {
            cause: cause.to_owned(),
            detail: "Your phone did not answer.".to_owned(),
        }),
        settled_at: Some(at(2_000)),
        due_at: None,
        ..placed.clone()
    };
    let ends = [settled("device_offline"), settled("no_answer")];
    let from = [DialState::Requested, DialState::Placed];
    let (a, b) = tokio::join!(
        store.update_dial(&ends[0], &from),
        store.update_dial(&ends[1], &from)
    );
    let won = [a.unwrap(), b.unwrap()];
    assert!(won[0] != won[1], "{won:?}");
    let last = store.dial(us, asked.id).await.unwrap().unwrap();
    assert_eq!(last, ends[usize::from(won[1])]);
}

/// However many ask at once with the same key, one dial is stored, and all are given that one.
pub async fn one_key_is_one_dial(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let named = |world: &World, key: &str| Dial {
        idempotency_key: Some(key.to_owned()),
        ..dial(world, 0)
    };
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (store, dial) = (Arc::clone(&store), named(&world, "order 66"));
        tries.spawn(async move { (dial.clone(), store.create_dial(&dial).await.unwrap()) });
    }
    let answers = tries.join_all().await;
    let stored: Vec<&Dial> = answers
        .iter()
        .filter(|(_, known)| known.is_none())
        .map(|(dial, _)| dial)
        .collect();
    assert_eq!(stored.len(), 1);
    for (_, known) in &answers {
        assert!(known.as_ref().is_none_or(|known| known == stored[0]));
    }
    // It is given back as it is now, not as it was asked for.
    let placed = Dial {
        state: DialState::Placed,
        placed_at: Some(at(5)),
        ..stored[0].clone()
    };
    let from = [DialState::Requested];
    assert!(store.update_dial(&placed, &from).await.unwrap());
    let again = store.create_dial(&named(&world, "order 66")).await.unwrap();
    assert_eq!(again, Some(placed));
    // Another key, another case of letters, no key at all, another app: other dials.
    create(&store, &named(&world, "order 67")).await;
    create(&store, &named(&world, "Order 66")).await;
    create(&store, &dial(&world, 0)).await;
    create(&store, &dial(&world, 0)).await;
    create(&store, &named(&other, "order 66")).await;
}

/// What the keeper of dials asks for.
pub async fn due_and_recent_dials_are_found(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let (us, them) = (world.app.id, other.app.id);
    let mut first = dial(&world, 0);
    let second = Dial {
        agent_extension: None,
        agent_user_id: Some("201".to_owned()),
        ..dial(&world, 1_000)
    };
    let third = Dial {
        agent_extension: Some("202".to_owned()),
        due_at: Some(at(1_500)),
        ..dial(&world, 2_000)
    };
    let foreign = Dial {
        due_at: Some(at(30_500)),
        ..dial(&other, 3_000)
    };
    for dial in [&first, &second, &third, &foreign] {
        create(&store, dial).await;
    }
    let open = |app: AppId, since: Timestamp| {
        let (store, connection) = (Arc::clone(&store), world.connection.id);
        async move { store.open_dials(app, connection, since).await.unwrap() }
    };
    let newest_first = [third.clone(), second.clone(), first.clone()];
    assert_eq!(open(us, at(0)).await, newest_first);
    assert_eq!(open(us, at(1_000)).await, newest_first[..2]);
    assert!(open(them, at(0)).await.is_empty());
    assert_eq!(store.due_dials(at(1_499), 9).await.unwrap(), []);
    let due = store.due_dials(at(30_500), 9).await.unwrap();
    assert_eq!(due, [third.clone(), first.clone(), foreign.clone()]);
    let soonest = store.due_dials(at(30_500), 1).await.unwrap();
    assert_eq!(soonest, std::slice::from_ref(&third));

    first.state = DialState::Joined;
    first.settled_at = Some(at(4_000));
    first.due_at = None;
    assert!(store.update_dial(&first, &DialState::ALL).await.unwrap());
    assert_eq!(open(us, at(0)).await, newest_first[..2]);
    let due = store.due_dials(at(90_000), 9).await.unwrap();
    assert_eq!(due, [third, foreign, second]);

    // By extension or by user id, whatever became of them.
    let count = |app, agent: &'static str, since| {
        let store = Arc::clone(&store);
        async move { store.dials_since(app, agent, since).await.unwrap() }
    };
    assert_eq!(count(us, "201", at(0)).await, 2);
    assert_eq!(count(us, "201", at(1)).await, 1);
    assert_eq!(count(us, "202", at(0)).await, 1);
    assert_eq!(count(us, "20", at(0)).await, 0);
    assert_eq!(count(them, "201", at(0)).await, 1);

    // A dial outlives its connection.
    store
        .delete_connection(us, world.connection.id)
        .await
        .unwrap();
    assert_eq!(store.dial(us, first.id).await.unwrap(), Some(first));
}

/// What an app allows comes back whole, and is its own.
pub async fn a_policy_is_kept(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    assert_eq!(store.dial_policy(world.app.id).await.unwrap(), None);
    let texts = |list: &[&str]| -> BTreeSet<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    };
    let policy = DialPolicy {
        off: false,
        countries: texts(&["NL", "BE"]),
        allowed_prefixes: texts(&["+4420"]),
        refused_prefixes: texts(&["+31900"]),
        per_agent_per_minute: 4,
        caller_ids: texts(&["+31201234567"]),
        default_caller_id: Some("+31201234567".to_owned()),
    };
    let app = world.app.id;
    store.put_dial_policy(app, &policy).await.unwrap();
    assert_eq!(store.dial_policy(app).await.unwrap(), Some(policy));
    let off = DialPolicy {
        off: true,
        ..DialPolicy::default()
    };
    store.put_dial_policy(app, &off).await.unwrap();
    assert_eq!(store.dial_policy(app).await.unwrap(), Some(off.clone()));
    assert_eq!(store.dial_policy(other.app.id).await.unwrap(), None);
    let nobody = AppId(Uuid::from_u128(1));
    let refused = store.put_dial_policy(nobody, &off).await;
    assert_eq!(refused, Err(StoreError::NotFound("app")));
}
