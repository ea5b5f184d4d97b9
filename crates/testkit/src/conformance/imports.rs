//! What an import needs of a store: its position is kept, and history is taken in without a word.

use std::sync::Arc;

use switchhook_domain::cause::{Cause, Reason};
use switchhook_domain::signal::{CallFact, Direction, LegFact, LegKind, Party, Signal};
use switchhook_engine::store::{CallQuery, Store};

use super::world::{World, at};

/// A position is there until it is forgotten, for each part of each source by itself.
pub async fn an_import_remembers_its_position(store: Arc<dyn Store>) {
    assert_eq!(store.import_position("old", "calls").await.unwrap(), None);
    for position in ["a", "b"] {
        let put = store.put_import_position("old", "calls", Some(position));
        put.await.unwrap();
    }
    let put = store.put_import_position("old", "messages", Some("c"));
    put.await.unwrap();
    let position = store.import_position("old", "calls").await.unwrap();
    assert_eq!(position.as_deref(), Some("b"));
    assert_eq!(store.import_position("new", "calls").await.unwrap(), None);
    let forget = store.put_import_position("old", "calls", None);
    forget.await.unwrap();
    assert_eq!(store.import_position("old", "calls").await.unwrap(), None);
    let other = store.import_position("old", "messages").await.unwrap();
    assert_eq!(other.as_deref(), Some("c"));
}

/// Of a call that another system recorded nothing is told, not even that it is final; taken over
/// twice it stays one; and when the platform speaks of it again, that is told.
pub async fn history_is_kept_and_not_told(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let keys = ["call:1".to_owned()];
    let seen = LegFact::Seen {
        kind: LegKind::Agent,
        origin: false,
        party: Party::default(),
    };
    let told = [
        Signal::call(at(0), &keys, CallFact::Direction(Direction::Inbound)),
        Signal::leg(at(0), &keys, "1", seen),
        Signal::leg(at(0), &keys, "1", LegFact::Rang),
        Signal::leg(at(4_000), &keys, "1", LegFact::Answered),
        Signal::leg(
            at(9_000),
            &keys,
            "1",
            LegFact::Ended(Cause::reason(Reason::Normal)),
        ),
    ];
    for _ in 0..2 {
        let mut change = world.heard(told.to_vec());
        change.fold.as_mut().unwrap().history = true;
        let committed = store.commit(change).await.unwrap();
        assert_eq!(committed.events.len(), 0);
    }
    let query = CallQuery {
        limit: 10,
        ..CallQuery::default()
    };
    let page = store.calls(world.app.id, &query).await.unwrap();
    assert_eq!(page.total, 1);
    assert!(
        page.calls[0].contains(r#""status":"ended""#),
        "{:?}",
        page.calls
    );
    let due = store.due_calls(at(1_000_000_000), 10).await.unwrap();
    assert_eq!(due, [], "nobody will be told that it is final");
    assert_eq!(store.log_position(world.app.id).await.unwrap().head, 0);

    let said = CallFact::Transcript("Goedemorgen".to_owned());
    let later = world.heard(vec![Signal::call(at(20_000), &keys, said)]);
    let committed = store.commit(later).await.unwrap();
    assert_eq!(committed.events.len(), 1, "what is new is told");
}
