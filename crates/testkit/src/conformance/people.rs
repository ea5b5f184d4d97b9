//! Apps, keys, sign-in links, sessions.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::id::{AgentId, AppId, IdMint, KeyId, UserId};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{ApiKey, App, Grant, Role, Store, StoreError};
use uuid::Uuid;

use super::world::{START, World, app, at};
use crate::clock::SeededEntropy;

fn key(entropy: &SeededEntropy, app_id: AppId, lookup: &str, minutes: i64) -> ApiKey {
    ApiKey {
        id: KeyId(IdMint::new(START, entropy.random()).uuid()),
        app_id,
        name: "CRM".to_owned(),
        lookup: lookup.to_owned(),
        hash: [3; 32],
        hint: "sh_ab…yz".to_owned(),
        created_at: at(minutes * 60_000),
        expires_at: (minutes % 2 == 0).then(|| at(1_000_000_000)),
        revoked_at: None,
    }
}

/// What is stored comes back, in order, and nothing is stored twice.
pub async fn apps_and_keys(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(1);
    store.ping().await.unwrap();
    assert!(store.apps().await.unwrap().is_empty());
    let first = app(&entropy);
    let second = App {
        created_at: at(-60_000),
        active: false,
        ..app(&entropy)
    };
    store.create_app(&first).await.unwrap();
    store.create_app(&second).await.unwrap();
    assert_eq!(
        store.create_app(&first).await,
        Err(StoreError::Conflict("app"))
    );
    assert_eq!(store.apps().await.unwrap(), [second.clone(), first.clone()]);
    assert_eq!(store.app(first.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.app(AppId(Uuid::from_u128(1))).await.unwrap(), None);

    let old = key(&entropy, first.id, "aaaaaaaa", 0);
    let new = key(&entropy, first.id, "bbbbbbbb", 1);
    store.create_key(&old).await.unwrap();
    store.create_key(&new).await.unwrap();
    let taken = key(&entropy, second.id, "aaaaaaaa", 3);
    assert_eq!(
        store.create_key(&taken).await,
        Err(StoreError::Conflict("key"))
    );
    let homeless = key(&entropy, AppId(Uuid::from_u128(1)), "cccccccc", 3);
    assert_eq!(
        store.create_key(&homeless).await,
        Err(StoreError::NotFound("app"))
    );
    assert_eq!(
        store.keys(first.id).await.unwrap(),
        [new.clone(), old.clone()]
    );
    assert_eq!(
        store.key_by_lookup("aaaaaaaa").await.unwrap(),
        Some(old.clone())
    );
    assert_eq!(store.key_by_lookup("AAAAAAAA").await.unwrap(), None);

    store.revoke_key(first.id, old.id, at(5)).await.unwrap();
    store.revoke_key(first.id, old.id, at(9)).await.unwrap();
    let revoked = store.key_by_lookup("aaaaaaaa").await.unwrap().unwrap();
    assert_eq!(
        revoked,
        ApiKey {
            revoked_at: Some(at(5)),
            ..old
        }
    );
    let nobody = KeyId(Uuid::from_u128(1));
    let missing = store.revoke_key(first.id, nobody, at(5)).await;
    assert_eq!(missing, Err(StoreError::NotFound("key")));
}

/// A link opens once and in time, a session until its end.
pub async fn links_work_once_and_sessions_until_they_end(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let grant = |n: u8, role, millis| Grant {
        token_hash: [n; 32],
        app_id: world.app.id,
        role,
        user_id: Some(UserId(Uuid::from_u128(n.into()))),
        agent_id: (n == 2).then(|| AgentId(Uuid::from_u128(7))),
        key_id: None,
        expires_at: at(millis),
    };
    let link = grant(1, Role::Admin, 1_000);
    store.put_sign_in_link(&link).await.unwrap();
    let late = grant(2, Role::Agent, 1_000);
    store.put_sign_in_link(&late).await.unwrap();
    let session = grant(1, Role::Supervisor, 1_500);
    store.put_session(&session).await.unwrap();
    // Two at once: one gets it.
    let (a, b) = tokio::join!(
        store.take_sign_in_link(&[1; 32], at(0)),
        store.take_sign_in_link(&[1; 32], at(0))
    );
    let taken: Vec<Grant> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken, [link]);
    assert_eq!(
        store.take_sign_in_link(&[2; 32], at(1_000)).await.unwrap(),
        None,
        "too late"
    );
    assert_eq!(
        store.take_sign_in_link(&[2; 32], at(0)).await.unwrap(),
        None,
        "gone for good"
    );
    assert_eq!(
        store.take_sign_in_link(&[9; 32], at(0)).await.unwrap(),
        None
    );

    assert_eq!(
        store.session(&[1; 32], at(1_499)).await.unwrap(),
        Some(session.clone())
    );
    assert_eq!(store.session(&[1; 32], at(1_500)).await.unwrap(), None);
    let longer = Grant {
        expires_at: START + SignedDuration::from_hours(1),
        ..session
    };
    store.put_session(&longer).await.unwrap();
    assert_eq!(
        store.session(&[1; 32], at(1_500)).await.unwrap(),
        Some(longer.clone())
    );
    store.delete_session(&[1; 32]).await.unwrap();
    store.delete_session(&[1; 32]).await.unwrap();
    assert_eq!(store.session(&[1; 32], at(0)).await.unwrap(), None);
    let homeless = Grant {
        app_id: AppId(Uuid::from_u128(1)),
        ..longer
    };
    assert_eq!(
        store.put_session(&homeless).await,
        Err(StoreError::NotFound("app"))
    );
    assert_eq!(
        store.put_sign_in_link(&homeless).await,
        Err(StoreError::NotFound("app"))
    );
}
