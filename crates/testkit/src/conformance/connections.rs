//! Connections.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use switchhook_domain::id::{AppId, ConnectionId};
use switchhook_engine::ports::Clock;
use switchhook_engine::store::{Connection, LinkStatus, Store, StoreError, Verdict};
use uuid::Uuid;

use super::world::{Talk, World, at, connection};

/// What is stored comes back; a deleted connection is gone and its calls stay.
pub async fn connections_come_and_go(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let mut second = connection(&world.entropy, world.app.id, "asterisk");
    second.created_at = at(-5_000);
    second
        .credentials
        .insert("password".to_owned(), Value::from("sealed:☎️"));
    second.link = Some(LinkStatus {
        up: true,
        reason: None,
        since: at(0),
    });
    store.create_connection(&second).await.unwrap();
    let id = second.id;
    let list = store.connections(Some(world.app.id)).await.unwrap();
    assert_eq!(list, [second.clone(), world.connection.clone()]);
    assert_eq!(store.connections(None).await.unwrap(), list);
    assert_eq!(
        store.connection(world.app.id, id).await.unwrap(),
        Some(second.clone())
    );
    let found = store.connection_by_hook(&second.hook_id).await.unwrap();
    assert_eq!(found, Some(second.clone()));
    assert_eq!(store.connection_by_hook("nothing").await.unwrap(), None);

    let conflict = Err(StoreError::Conflict("connection"));
    assert_eq!(store.create_connection(&second).await, conflict);
    let mut same_hook = connection(&world.entropy, world.app.id, "asterisk");
    same_hook.hook_id.clone_from(&second.hook_id);
    assert_eq!(store.create_connection(&same_hook).await, conflict);
    let homeless = connection(&world.entropy, AppId(Uuid::from_u128(1)), "asterisk");
    let refused = store.create_connection(&homeless).await;
    assert_eq!(refused, Err(StoreError::NotFound("app")));

    world
        .hear(Talk::new("a", "+31612345678", "201", 0).rings())
        .await;
    store
        .delete_connection(world.app.id, world.connection.id)
        .await
        .unwrap();
    let gone = store
        .delete_connection(world.app.id, world.connection.id)
        .await;
    assert_eq!(gone, Err(StoreError::NotFound("connection")));
    assert_eq!(store.connections(None).await.unwrap(), [second]);
    assert_eq!(world.calls().await.len(), 1);
    let refused = store
        .commit(world.heard(Talk::new("b", "+31612345678", "201", 0).rings()))
        .await;
    assert_eq!(refused.unwrap_err(), StoreError::NotFound("connection"));
}

/// Accepted notifications move its last sign of life forward; a live link says how it is.
pub async fn a_connection_remembers_when_it_was_heard(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let now = || async {
        let id: ConnectionId = world.connection.id;
        let found: Option<Connection> = store.connection(world.app.id, id).await.unwrap();
        found.unwrap()
    };
    let hear = |verdict| {
        let mut change = world.nothing();
        change.notification = Some(world.notification(verdict));
        change
    };
    store.commit(hear(Verdict::Rejected)).await.unwrap();
    store.commit(hear(Verdict::Dead)).await.unwrap();
    assert_eq!(now().await.last_heard_at, None);
    let heard = world.clock.advance(SignedDuration::from_secs(3));
    store.commit(hear(Verdict::Accepted)).await.unwrap();
    assert_eq!(now().await.last_heard_at, Some(heard));
    world.clock.advance(SignedDuration::from_secs(-2));
    store.commit(hear(Verdict::Accepted)).await.unwrap();
    assert_eq!(now().await.last_heard_at, Some(heard), "never backwards");

    let status = LinkStatus {
        up: false,
        reason: Some("the password is wrong".to_owned()),
        since: world.clock.now(),
    };
    let mut change = world.nothing();
    change.link = Some((world.connection.id, status.clone()));
    store.commit(change).await.unwrap();
    assert_eq!(now().await.link, Some(status));
}
