//! What is held at vendors.

use std::sync::Arc;

use serde_json::json;
use switchhook_domain::id::ConnectionId;
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{
    OAuthStart, Store, StoreError, StoredMapping, StoredSubscription, StoredTokens,
};
use uuid::Uuid;

use super::world::{World, at, connection};

fn tokens(world: &World, version: u64, millis: i64) -> StoredTokens {
    StoredTokens {
        app_id: world.app.id,
        connection_id: world.connection.id,
        sealed: format!("sealed {version}"),
        expires_at: Some(at(millis)),
        version,
        updated_at: at(millis - 1_000),
        fault: None,
    }
}

fn subscription(world: &World, millis: i64) -> StoredSubscription {
    StoredSubscription {
        app_id: world.app.id,
        connection_id: world.connection.id,
        state: json!({ "hook": "4001", "filters": ["a", "b"], "none": null }),
        due_at: at(millis),
        confirmed_at: None,
        fault: None,
        failures: 0,
    }
}

fn start(world: &World, hash: u8, millis: i64) -> OAuthStart {
    OAuthStart {
        state_hash: [hash; 32],
        app_id: world.app.id,
        connection_id: world.connection.id,
        browser_hash: [hash ^ 0xff; 32],
        sealed_verifier: "sealed".to_owned(),
        redirect_uri: "https://cti.example.com/auth/dialpad/callback".to_owned(),
        return_to: Some("/settings".to_owned()),
        expires_at: at(millis),
    }
}

/// Of several refreshes at once one is stored; the others see that they were late.
pub async fn tokens_are_replaced_by_whoever_saw_the_last(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let (us, id) = (world.app.id, world.connection.id);
    let missing = Err(StoreError::NotFound("connection"));
    assert_eq!(store.tokens(us, id).await.unwrap(), None);
    let first = tokens(&world, 1, 60_000);
    assert!(
        !store.put_tokens(&first, 1).await.unwrap(),
        "there are none"
    );
    assert!(store.put_tokens(&first, 0).await.unwrap());
    assert!(
        !store.put_tokens(&first, 0).await.unwrap(),
        "there are some"
    );
    assert_eq!(store.tokens(us, id).await.unwrap(), Some(first.clone()));

    let mut tries = tokio::task::JoinSet::new();
    for n in 0..12_u32 {
        let store = Arc::clone(&store);
        let new = StoredTokens {
            sealed: format!("by {n}"),
            ..tokens(&world, 2, 120_000)
        };
        tries.spawn(async move { (new.clone(), store.put_tokens(&new, 1).await.unwrap()) });
    }
    let answers = tries.join_all().await;
    let won: Vec<&StoredTokens> = answers.iter().filter(|a| a.1).map(|a| &a.0).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(store.tokens(us, id).await.unwrap().as_ref(), Some(won[0]));

    // Another app's name opens nothing.
    let them = other.app.id;
    assert_eq!(store.tokens(them, id).await.unwrap(), None);
    for expected in [0, 2] {
        let foreign = StoredTokens {
            app_id: them,
            ..tokens(&world, 3, 0)
        };
        assert_eq!(store.put_tokens(&foreign, expected).await, missing);
    }
    store.delete_tokens(them, id).await.unwrap();
    assert_eq!(store.tokens(us, id).await.unwrap().as_ref(), Some(won[0]));

    // Soonest first; a fault, or tokens that last, leave nothing to be refreshed.
    let theirs = tokens(&other, 1, 90_000);
    assert!(store.put_tokens(&theirs, 0).await.unwrap());
    let soon = store.expiring_tokens(at(120_000), 9).await.unwrap();
    assert_eq!(soon, std::slice::from_ref(&theirs));
    let both = store.expiring_tokens(at(120_001), 9).await.unwrap();
    assert_eq!(both, [theirs.clone(), won[0].clone()]);
    assert_eq!(
        store.expiring_tokens(at(120_001), 1).await.unwrap().len(),
        1
    );
    let broken = StoredTokens {
        version: 2,
        fault: Some("Sign in again.".to_owned()),
        ..theirs
    };
    assert!(store.put_tokens(&broken, 1).await.unwrap());
    assert_eq!(
        store.tokens(them, broken.connection_id).await.unwrap(),
        Some(broken)
    );
    let lasting = StoredTokens {
        expires_at: None,
        ..tokens(&world, 3, 0)
    };
    assert!(store.put_tokens(&lasting, 2).await.unwrap());
    assert!(
        store
            .expiring_tokens(at(999_999), 9)
            .await
            .unwrap()
            .is_empty()
    );

    store.delete_tokens(us, id).await.unwrap();
    store.delete_tokens(us, id).await.unwrap();
    assert_eq!(store.tokens(us, id).await.unwrap(), None);
    assert!(store.put_tokens(&first, 0).await.unwrap());
}

/// Stored, replaced, found when due, and nobody else's.
pub async fn subscriptions_come_due(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let (us, id) = (world.app.id, world.connection.id);
    assert_eq!(store.subscription(us, id).await.unwrap(), None);
    let first = subscription(&world, 1_000);
    store.put_subscription(&first).await.unwrap();
    assert_eq!(store.subscription(us, id).await.unwrap(), Some(first));
    let again = StoredSubscription {
        state: json!({}),
        confirmed_at: Some(at(500)),
        fault: Some("The vendor did not answer.".to_owned()),
        failures: 3,
        ..subscription(&world, 2_000)
    };
    store.put_subscription(&again).await.unwrap();
    assert_eq!(
        store.subscription(us, id).await.unwrap(),
        Some(again.clone())
    );
    let theirs = subscription(&other, 1_500);
    store.put_subscription(&theirs).await.unwrap();
    assert!(
        store
            .due_subscriptions(at(1_499), 9)
            .await
            .unwrap()
            .is_empty()
    );
    let due = store.due_subscriptions(at(2_000), 9).await.unwrap();
    assert_eq!(due, [theirs.clone(), again.clone()]);
    assert_eq!(
        store.due_subscriptions(at(2_000), 1).await.unwrap(),
        [theirs]
    );

    let them = other.app.id;
    assert_eq!(store.subscription(them, id).await.unwrap(), None);
    let foreign = StoredSubscription {
        app_id: them,
        ..subscription(&world, 0)
    };
    let refused = store.put_subscription(&foreign).await;
    assert_eq!(refused, Err(StoreError::NotFound("connection")));
    store.delete_subscription(them, id).await.unwrap();
    assert_eq!(store.subscription(us, id).await.unwrap(), Some(again));
    store.delete_subscription(us, id).await.unwrap();
    store.delete_subscription(us, id).await.unwrap();
    assert_eq!(store.subscription(us, id).await.unwrap(), None);
}

/// One owner at a time, until its time is over or it is given back.
pub async fn a_lease_has_one_owner(store: Arc<dyn Store>) {
    let mut tries = tokio::task::JoinSet::new();
    for n in 1..=12_u128 {
        let (store, owner) = (Arc::clone(&store), Uuid::from_u128(n));
        tries.spawn(async move {
            let taken = store.take_lease("refresh", owner, at(0), at(1_000)).await;
            (owner, taken.unwrap())
        });
    }
    let answers = tries.join_all().await;
    let owners: Vec<Uuid> = answers.iter().filter(|a| a.1).map(|a| a.0).collect();
    assert_eq!(owners.len(), 1);
    let (owner, other) = (owners[0], Uuid::from_u128(99));
    let take = |name: &'static str, owner, now, until| {
        let store = Arc::clone(&store);
        async move {
            store
                .take_lease(name, owner, at(now), at(until))
                .await
                .unwrap()
        }
    };
    assert!(take("renew", other, 0, 1_000).await, "another name");
    assert!(!take("refresh", other, 999, 5_000).await);
    assert!(take("refresh", owner, 999, 2_000).await, "prolonged");
    assert!(!take("refresh", other, 1_999, 5_000).await);
    store.release_lease("refresh", other).await.unwrap();
    assert!(!take("refresh", other, 1_999, 5_000).await);
    assert!(
        take("refresh", other, 2_000, 5_000).await,
        "its time was over"
    );
    assert!(!take("refresh", owner, 2_000, 5_000).await);
    store.release_lease("refresh", other).await.unwrap();
    assert!(take("refresh", owner, 2_001, 5_000).await, "given back");
}

/// Once, in time, and whole.
pub async fn a_sign_in_is_taken_once(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let first = start(&world, 1, 1_000);
    store.put_oauth_start(&first, at(0)).await.unwrap();
    let (a, b) = tokio::join!(
        store.take_oauth_start(&[1; 32], at(0)),
        store.take_oauth_start(&[1; 32], at(0))
    );
    let taken: Vec<OAuthStart> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken, [first]);
    let take = |hash: u8, millis| {
        let store = Arc::clone(&store);
        async move {
            store
                .take_oauth_start(&[hash; 32], at(millis))
                .await
                .unwrap()
        }
    };
    assert_eq!(take(1, 0).await, None, "gone for good");
    store
        .put_oauth_start(&start(&world, 2, 1_000), at(0))
        .await
        .unwrap();
    assert_eq!(take(2, 1_000).await, None, "too late");
    assert_eq!(take(2, 0).await, None, "gone for good");
    // Storing one sweeps out those whose time was over, and only those.
    let plain = OAuthStart {
        return_to: None,
        ..start(&other, 4, 2_001)
    };
    store
        .put_oauth_start(&start(&world, 3, 2_000), at(0))
        .await
        .unwrap();
    store.put_oauth_start(&plain, at(0)).await.unwrap();
    store
        .put_oauth_start(&start(&world, 5, 9_000), at(2_000))
        .await
        .unwrap();
    assert_eq!(take(3, 0).await, None, "swept out");
    assert_eq!(take(4, 2_000).await, Some(plain));
    let foreign = OAuthStart {
        app_id: other.app.id,
        ..start(&world, 6, 9_000)
    };
    let refused = store.put_oauth_start(&foreign, at(0)).await;
    assert_eq!(refused, Err(StoreError::NotFound("connection")));
}

/// Tokens, subscription and sign-ins go with their connection; those of others stay.
pub async fn what_is_held_goes_with_its_connection(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let mut second = World::new(&store, 2).await;
    // Two connections of one app.
    second.app = world.app.clone();
    second.connection = connection(&second.entropy, world.app.id, "ringcentral");
    store.create_connection(&second.connection).await.unwrap();
    for (n, world) in [(1, &world), (2, &second)] {
        assert!(store.put_tokens(&tokens(world, 1, 0), 0).await.unwrap());
        store
            .put_subscription(&subscription(world, 0))
            .await
            .unwrap();
        let begun = start(world, n, 9_000);
        store.put_oauth_start(&begun, at(0)).await.unwrap();
    }
    let (app, gone, kept) = (world.app.id, world.connection.id, second.connection.id);
    store.delete_connection(app, gone).await.unwrap();
    assert_eq!(store.tokens(app, gone).await.unwrap(), None);
    assert_eq!(store.subscription(app, gone).await.unwrap(), None);
    assert_eq!(store.take_oauth_start(&[1; 32], at(0)).await.unwrap(), None);
    assert_eq!(store.due_subscriptions(at(9), 9).await.unwrap().len(), 1);
    assert_eq!(store.expiring_tokens(at(9), 9).await.unwrap().len(), 1);
    assert!(store.tokens(app, kept).await.unwrap().is_some());
    assert!(store.subscription(app, kept).await.unwrap().is_some());
    assert!(
        store
            .take_oauth_start(&[2; 32], at(0))
            .await
            .unwrap()
            .is_some()
    );
    let missing = Err(StoreError::NotFound("connection"));
    for id in [gone, ConnectionId(Uuid::from_u128(world.entropy.random()))] {
        let mut lost = tokens(&world, 1, 0);
        lost.connection_id = id;
        assert_eq!(store.put_tokens(&lost, 0).await, missing);
        assert_eq!(store.put_tokens(&lost, 1).await, missing);
    }
}

/// By platform, replaced and deleted.
pub async fn mapping_files_are_kept(store: Arc<dyn Store>) {
    let mapping = |platform: &str, text: &str, millis| StoredMapping {
        platform: platform.to_owned(),
        text: text.to_owned(),
        updated_at: at(millis),
    };
    assert!(store.mappings().await.unwrap().is_empty());
    let tcx = mapping("3cx", "platform = \"3cx\"\n", 0);
    store
        .put_mapping(&mapping("aircall", "a = 1", 0))
        .await
        .unwrap();
    store.put_mapping(&tcx).await.unwrap();
    let aircall = mapping("aircall", "a = 2 # é", 5);
    store.put_mapping(&aircall).await.unwrap();
    assert_eq!(store.mappings().await.unwrap(), [tcx, aircall.clone()]);
    assert!(store.delete_mapping("3cx").await.unwrap());
    assert!(!store.delete_mapping("3cx").await.unwrap());
    assert_eq!(store.mappings().await.unwrap(), [aircall]);
}
