//! Two apps side by side: whatever the one has, the other does not see, find or change.

use std::sync::Arc;

use switchhook_engine::ports::Clock;
use switchhook_engine::store::{
    ApiKey, CallQuery, ContactQuery, KeyClaim, KeyUse, LinkStatus, MessageQuery, Store, StoreError,
};

use super::world::{Talk, World, at, contact};

/// Every operation, tried with the ids of the other app.
pub async fn a_foreign_id_is_an_unknown_id(store: Arc<dyn Store>) {
    let ours = World::new(&store, 1).await;
    let theirs = World::new(&store, 2).await;
    let talk = Talk::new("same key", "+31612345678", "201", 0);
    ours.hear(talk.rings()).await;
    let call = ours.calls().await[0].id;
    let person = contact(&ours.entropy, "Ours", "+31687654321");
    store
        .put_contacts(ours.app.id, std::slice::from_ref(&person))
        .await
        .unwrap();
    let key = super::keys::key(&ours.entropy, ours.app.id, "ours0000", 0);
    store.create_key(&key).await.unwrap();
    let (us, them) = (ours.app.id, theirs.app.id);
    let connection = ours.connection.id;

    reads_find_nothing(&store, &ours, &theirs, call).await;
    assert_eq!(store.connection(them, connection).await.unwrap(), None);
    let list = store.connections(Some(them)).await.unwrap();
    assert_eq!(list, std::slice::from_ref(&theirs.connection));
    assert_eq!(store.contact(them, person.id).await.unwrap(), None);
    assert!(store.keys(them).await.unwrap().is_empty());
    let unknown = store.revoke_key(them, key.id, at(0)).await;
    assert_eq!(unknown, Err(StoreError::NotFound("key")));
    keys_stay(&store, &theirs, &key).await;
    let mut taken = ours.connection.clone();
    taken.app_id = them;
    let unknown = store.update_connection(&taken).await;
    assert_eq!(unknown, Err(StoreError::NotFound("connection")));
    let unknown = store.delete_connection(them, connection).await;
    assert_eq!(unknown, Err(StoreError::NotFound("connection")));
    let unknown = store.delete_contact(them, person.id).await;
    assert_eq!(unknown, Err(StoreError::NotFound("contact")));

    // A changeset of theirs that names what is ours.
    let mut change = theirs.heard(talk.ends());
    change.notification = None;
    change.fold = Some(ours.input(talk.ends()));
    assert_eq!(
        store.commit(change).await.unwrap_err(),
        StoreError::NotFound("connection")
    );
    let mut change = theirs.nothing();
    change.notification = ours.heard(Vec::new()).notification;
    assert_eq!(
        store.commit(change).await.unwrap_err(),
        StoreError::NotFound("connection")
    );
    let mut change = theirs.nothing();
    let status = LinkStatus {
        up: true,
        reason: None,
        since: ours.clock.now(),
    };
    change.link = Some((connection, status));
    assert_eq!(
        store.commit(change).await.unwrap_err(),
        StoreError::NotFound("connection")
    );
    for input in [ours.input(Vec::new()), theirs.input(Vec::new())] {
        let mut change = theirs.nothing();
        change.fold = Some(switchhook_engine::store::FoldInput {
            settle: vec![call],
            deeds: Vec::new(),
            history: false,
            ..input
        });
        assert!(store.commit(change).await.unwrap().events.is_empty());
    }
    // The same key on their connection is a call of theirs.
    theirs.hear(talk.rings()).await;
    theirs.hear(talk.ends()).await;
    assert_ne!(theirs.calls().await[0].id, call);
    // Contacts of the same id side by side.
    let mut double = person.clone();
    double.name = "Theirs".to_owned();
    store
        .put_contacts(them, std::slice::from_ref(&double))
        .await
        .unwrap();
    assert_eq!(store.contact(us, person.id).await.unwrap(), Some(person));

    let untouched = ours.calls().await;
    assert_eq!(
        (untouched.len(), untouched[0].id, untouched[0].ended_at),
        (1, call, None)
    );
    let untouched = store.connection(us, connection).await.unwrap().unwrap();
    assert_eq!(untouched.link, None);
    assert_eq!(store.key_by_lookup("ours0000").await.unwrap(), Some(key));
    assert_eq!(
        store.log_position(us).await.unwrap().head,
        ours.log().await.len() as u64
    );
}

/// Everything that is done to keys, done to the key of another app.
async fn keys_stay(store: &Arc<dyn Store>, theirs: &World, key: &ApiKey) {
    let them = theirs.app.id;
    assert_eq!(store.key(them, key.id).await.unwrap(), None);
    let unknown = store.rename_key(them, key.id, "theirs").await;
    assert_eq!(unknown, Err(StoreError::NotFound("key")));
    let next = ApiKey {
        replaces: Some(key.id),
        ..super::keys::key(&theirs.entropy, them, "theirs00", 1)
    };
    let unknown = store.rotate_key(&next, at(0)).await;
    assert_eq!(unknown, Err(StoreError::NotFound("key")));
    assert_eq!(store.key_by_lookup("theirs00").await.unwrap(), None);
    let claim = KeyClaim {
        lookup: "~theirs".to_owned(),
        hash: [9; 32],
        hint: String::new(),
    };
    assert!(!store.claim_key(them, key.id, &claim).await.unwrap());
    let used = KeyUse {
        app_id: them,
        key_id: key.id,
        at: at(5),
    };
    store.keys_used(&[used]).await.unwrap();
}

async fn reads_find_nothing(
    store: &Arc<dyn Store>,
    ours: &World,
    theirs: &World,
    call: switchhook_domain::id::CallId,
) {
    let them = theirs.app.id;
    assert_eq!(store.call(them, call).await.unwrap(), None);
    assert!(theirs.calls().await.is_empty());
    for query in [
        CallQuery {
            connection_id: Some(ours.connection.id),
            ..CallQuery::default()
        },
        CallQuery {
            from_number: Some("+31612345678".to_owned()),
            ..CallQuery::default()
        },
        CallQuery {
            open_only: true,
            ..CallQuery::default()
        },
    ] {
        let page = theirs.list(query).await;
        assert_eq!((page.calls.len(), page.total), (0, 0));
    }
    assert!(theirs.log().await.is_empty());
    assert_eq!(store.log_position(them).await.unwrap().head, 0);
    assert!(store.snapshot(them).await.unwrap().calls.is_empty());
    assert!(
        store
            .notifications(them, 10, None)
            .await
            .unwrap()
            .is_empty()
    );
    let query = MessageQuery {
        limit: 10,
        ..MessageQuery::default()
    };
    assert_eq!(store.messages(them, &query).await.unwrap(), (Vec::new(), 0));
    let query = ContactQuery {
        limit: 10,
        ..ContactQuery::default()
    };
    assert_eq!(store.contacts(them, &query).await.unwrap(), (Vec::new(), 0));

    let nobody = switchhook_domain::id::AppId(uuid::Uuid::from_u128(5));
    assert_eq!(store.app(nobody).await.unwrap(), None);
    assert_eq!(
        store.log_position(nobody).await.unwrap_err(),
        StoreError::NotFound("app")
    );
    assert_eq!(
        store.snapshot(nobody).await.unwrap_err(),
        StoreError::NotFound("app")
    );
    assert!(
        store
            .events_after(nobody, 0, 10, &[])
            .await
            .unwrap()
            .is_empty()
    );
    let query = CallQuery {
        limit: 10,
        ..CallQuery::default()
    };
    assert!(store.calls(nobody, &query).await.unwrap().calls.is_empty());
    assert!(store.connections(Some(nobody)).await.unwrap().is_empty());
}
