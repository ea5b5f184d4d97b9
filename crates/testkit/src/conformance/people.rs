//! Apps, sign-in links, sessions.

use std::sync::Arc;

use jiff::SignedDuration;
use switchhook_domain::id::{AgentId, AppId, UserId};
use switchhook_engine::store::{App, Grant, Role, Store, StoreError};
use uuid::Uuid;

use super::world::{START, World, app, at};
use crate::clock::SeededEntropy;

/// What is stored comes back, in order, and nothing is stored twice.
pub async fn apps_come_and_change(store: Arc<dyn Store>) {
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

    let changed = App {
        name: "Renamed".to_owned(),
        country: "BE".to_owned(),
        active: true,
        ..second
    };
    let asked = App {
        epoch: Uuid::from_u128(9),
        created_at: at(9),
        ..changed.clone()
    };
    store.update_app(&asked).await.unwrap();
    assert_eq!(store.app(changed.id).await.unwrap(), Some(changed));
    assert_eq!(store.app(first.id).await.unwrap(), Some(first.clone()));
    let nobody = App {
        id: AppId(Uuid::from_u128(1)),
        ..first
    };
    let missing = store.update_app(&nobody).await;
    assert_eq!(missing, Err(StoreError::NotFound("app")));
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
