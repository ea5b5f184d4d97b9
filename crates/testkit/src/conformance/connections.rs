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

/// What may change is replaced and the rest stays, what was heard meanwhile included; a connection
/// that is not there, or is of another app, is not found and not touched.
pub async fn a_connection_is_changed(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let theirs = World::new(&store, 2).await;
    let (app, id) = (world.app.id, world.connection.id);
    let heard = world.clock.advance(SignedDuration::from_secs(3));
    let status = LinkStatus {
        up: true,
        reason: None,
        since: heard,
    };
    let mut change = world.nothing();
    change.notification = Some(world.notification(Verdict::Accepted));
    change.link = Some((id, status.clone()));
    store.commit(change).await.unwrap();

    // The row as somebody read it before all that, every member of it changed.
    let mut changed = connection(&world.entropy, app, "asterisk");
    changed.id = id;
    changed.name = "Klantcontact ☎️".to_owned();
    changed.created_at = at(-60_000);
    changed.config.insert("office".to_owned(), Value::Null);
    changed.config.insert("floor".to_owned(), Value::from(3));
    changed
        .credentials
        .insert("password".to_owned(), Value::from("sealed"));
    changed.webhook_secrets = vec!["newer".to_owned(), "sealed".to_owned()];
    store.update_connection(&changed).await.unwrap();
    let wanted = Connection {
        platform: world.connection.platform.clone(),
        hook_id: world.connection.hook_id.clone(),
        created_at: world.connection.created_at,
        link: Some(status),
        last_heard_at: Some(heard),
        ..changed.clone()
    };
    let found = store.connection(app, id).await.unwrap();
    assert_eq!(found, Some(wanted.clone()));
    let by_hook = store.connection_by_hook(&wanted.hook_id).await.unwrap();
    assert_eq!(by_hook, Some(wanted.clone()));
    assert_eq!(
        store.connection_by_hook(&changed.hook_id).await.unwrap(),
        None
    );

    let foreign = Connection {
        app_id: theirs.app.id,
        name: "Taken over".to_owned(),
        ..changed.clone()
    };
    let unknown = Connection {
        id: ConnectionId(Uuid::from_u128(1)),
        ..changed
    };
    for refused in [foreign, unknown] {
        let refused = store.update_connection(&refused).await;
        assert_eq!(refused, Err(StoreError::NotFound("connection")));
    }
    assert_eq!(store.connection(app, id).await.unwrap(), Some(wanted));
    let list = store.connections(Some(theirs.app.id)).await.unwrap();
    assert_eq!(list, [theirs.connection]);
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
