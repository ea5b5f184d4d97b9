//! Contacts, and finding the caller among them.

use std::sync::Arc;

use switchhook_domain::call::Call;
use switchhook_domain::contact::{Certainty, Contact};
use switchhook_domain::id::AppId;
use switchhook_engine::store::{ContactQuery, Store, StoreError};
use uuid::Uuid;

use super::world::{Talk, World, contact, phone};

fn names(found: &(Vec<Contact>, u64)) -> Vec<&str> {
    found
        .0
        .iter()
        .map(|contact| contact.name.as_str())
        .collect()
}

/// By part of a text, by number, in the order of names, page by page.
pub async fn contacts_are_found(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let app = world.app.id;
    let mut anna = contact(&world.entropy, "anna de Vries", "+31612345678");
    anna.organisation = Some("Bakkerij Ørsted".to_owned());
    let mut berend = contact(&world.entropy, "Berend", "+31687654321");
    berend.email = Some("berend@voorbeeld.nl".to_owned());
    berend
        .numbers
        .push(switchhook_domain::contact::ContactNumber {
            number: phone("+31612345678"),
            label: None,
        });
    let cees = contact(&world.entropy, "Cees 100%", "anonymous");
    let all = [cees.clone(), anna.clone(), berend.clone()];
    store.put_contacts(app, &all).await.unwrap();

    let list = async |query: ContactQuery| {
        let query = ContactQuery {
            limit: query.limit.max(1),
            ..query
        };
        store.contacts(app, &query).await.unwrap()
    };
    let text = |text: &str| ContactQuery {
        text: Some(text.to_owned()),
        limit: 10,
        ..ContactQuery::default()
    };
    let everyone = ContactQuery {
        limit: 10,
        ..ContactQuery::default()
    };
    let found = list(everyone.clone()).await;
    assert_eq!(found, (vec![anna.clone(), berend.clone(), cees.clone()], 3));
    let page = list(ContactQuery {
        limit: 1,
        offset: 1,
        ..ContactQuery::default()
    })
    .await;
    assert_eq!((names(&page), page.1), (vec!["Berend"], 3));
    assert_eq!(names(&list(text("VRIES")).await), ["anna de Vries"]);
    assert_eq!(names(&list(text("ørsted")).await), ["anna de Vries"]);
    assert_eq!(names(&list(text(" voorbeeld.NL ")).await), ["Berend"]);
    assert_eq!(names(&list(text("%")).await), ["Cees 100%"], "no wildcard");
    assert_eq!(names(&list(text("_")).await), Vec::<&str>::new());
    let number = Some("+31612345678".to_owned());
    let by_number = ContactQuery {
        number,
        limit: 10,
        ..ContactQuery::default()
    };
    assert_eq!(
        names(&list(by_number.clone()).await),
        ["anna de Vries", "Berend"]
    );
    let both = ContactQuery {
        text: Some("ber".to_owned()),
        ..by_number
    };
    assert_eq!(names(&list(both).await), ["Berend"]);

    let renamed = Contact {
        name: "Zus".to_owned(),
        numbers: Vec::new(),
        ..anna.clone()
    };
    store
        .put_contacts(app, std::slice::from_ref(&renamed))
        .await
        .unwrap();
    assert_eq!(store.contact(app, anna.id).await.unwrap(), Some(renamed));
    assert_eq!(
        names(&list(everyone.clone()).await),
        ["Berend", "Cees 100%", "Zus"]
    );
    let number = Some("+31612345678".to_owned());
    let by_number = ContactQuery {
        number,
        limit: 10,
        ..ContactQuery::default()
    };
    assert_eq!(
        names(&list(by_number).await),
        ["Berend"],
        "the old number is forgotten"
    );

    store.delete_contact(app, berend.id).await.unwrap();
    let gone = store.delete_contact(app, berend.id).await;
    assert_eq!(gone, Err(StoreError::NotFound("contact")));
    assert_eq!(store.contact(app, berend.id).await.unwrap(), None);
    assert_eq!(names(&list(everyone).await), ["Cees 100%", "Zus"]);
    let nobody = AppId(Uuid::from_u128(1));
    assert_eq!(
        store.put_contacts(nobody, &all).await,
        Err(StoreError::NotFound("app"))
    );
}

/// The exact number first; a number that ends alike only when nobody has it; one's own app only.
pub async fn a_caller_is_matched(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let exact = contact(&world.entropy, "Exact", "+31612345678");
    let alike = contact(&world.entropy, "Alike", "+32612345678");
    let shared = contact(&world.entropy, "Shared", "+31687654321");
    let shared_too = contact(&world.entropy, "Shared too", "+31687654321");
    store
        .put_contacts(
            world.app.id,
            &[exact.clone(), alike.clone(), shared, shared_too],
        )
        .await
        .unwrap();
    let call = |world: &World, key: &str, caller: &str| {
        let change = world.heard(Talk::new(key, caller, "201", 0).rings());
        let (store, app) = (Arc::clone(&world.store), world.app.id);
        async move {
            let events = store.commit(change).await.unwrap().events;
            let id = events[0].call_id.unwrap();
            let record = store.call(app, id).await.unwrap().unwrap();
            let pop = events
                .iter()
                .find(|event| event.kind.as_str() == "screen_pop.opened");
            let pop: serde_json::Value = serde_json::from_str(pop.unwrap().data.get()).unwrap();
            let call: Call = serde_json::from_str(&record).unwrap();
            (call, pop["action"].as_str().unwrap().to_owned())
        }
    };
    let (found, action) = call(&world, "a", "+31612345678").await;
    let contact = found.contact.unwrap();
    assert_eq!(
        (contact.id, contact.total, action.as_str()),
        (exact.id, 1, "navigate")
    );
    assert_eq!(contact.certainty, Certainty::Certain);
    let (found, action) = call(&world, "b", "+31687654321").await;
    assert_eq!(
        (found.contact.unwrap().total, action.as_str()),
        (2, "chooser")
    );
    let (found, _) = call(&world, "c", "+44612345678").await;
    assert_eq!(
        found.contact.map(|contact| contact.total),
        Some(2),
        "both end alike"
    );
    let (found, action) = call(&other, "a", "+31612345678").await;
    assert_eq!((found.contact, action.as_str()), (None, "intake"));

    // A contact that comes later is found by the next call, not by one already matched.
    store.delete_contact(world.app.id, exact.id).await.unwrap();
    let (found, _) = call(&world, "d", "+31612345678").await;
    assert_eq!(found.contact.map(|contact| contact.id), Some(alike.id));
}
