//! Text messages and presence.

use std::sync::Arc;

use switchhook_domain::event::EventType;
use switchhook_domain::media::{
    Message, MessageDirection, MessageStatus, Presence, PresenceReport,
};
use switchhook_domain::signal::{Fact, Signal};
use switchhook_engine::store::{MessageQuery, Store, StoredMessage};

use super::world::{World, at, connection, phone};

fn message(id: &str, direction: MessageDirection, status: MessageStatus, millis: i64) -> Signal {
    let message = Message {
        external_id: id.to_owned(),
        direction,
        from: phone("+31612345678"),
        to: vec![phone("+31201234567")],
        text: Some("Bel me terug \0 ☎️".to_owned()),
        user_id: None,
        status,
        failure: None,
        sent_at: at(millis),
    };
    Signal {
        at: at(millis),
        keys: Vec::new(),
        fact: Fact::Message(Box::new(message)),
    }
}

/// Told once, delivered once, listed newest first.
pub async fn messages_move_forward(store: Arc<dyn Store>) {
    use MessageDirection::{Inbound, Outbound};
    use MessageStatus::{Delivered, Failed, Pending};
    let mut world = World::new(&store, 1).await;
    let first = message("m-1", Inbound, Delivered, 0);
    assert_eq!(
        world.hear(vec![first.clone()]).await,
        [EventType::MessageReceived]
    );
    assert!(world.hear(vec![first]).await.is_empty());
    let sent = message("m-2", Outbound, Pending, 1_000);
    assert_eq!(world.hear(vec![sent]).await, [EventType::MessageSent]);
    let delivered = message("m-2", Outbound, Delivered, 1_000);
    assert_eq!(
        world.hear(vec![delivered.clone()]).await,
        [EventType::MessageDelivered]
    );
    assert!(world.hear(vec![delivered]).await.is_empty());
    // Two in one notification, and the same id on another connection is another message.
    let two = vec![
        message("m-3", Outbound, Pending, 500),
        message("m-3", Outbound, Failed, 500),
    ];
    assert_eq!(
        world.hear(two).await,
        [EventType::MessageSent, EventType::MessageDelivered]
    );
    let second = connection(&world.entropy, world.app.id, "ringcentral");
    store.create_connection(&second).await.unwrap();
    world.connection = second;
    let again = message("m-1", Inbound, Delivered, 2_000);
    assert_eq!(world.hear(vec![again]).await, [EventType::MessageReceived]);

    let ids = |found: &[StoredMessage]| -> Vec<String> {
        let read = |stored: &StoredMessage| stored.message.external_id.clone();
        found.iter().map(read).collect()
    };
    let query = MessageQuery {
        limit: 3,
        ..MessageQuery::default()
    };
    let (records, total) = store.messages(world.app.id, &query).await.unwrap();
    assert_eq!(
        (ids(&records), total),
        (["m-1", "m-2", "m-3"].map(str::to_owned).to_vec(), 4)
    );
    let query = MessageQuery { offset: 3, ..query };
    let (records, total) = store.messages(world.app.id, &query).await.unwrap();
    assert_eq!((ids(&records), total), (vec!["m-1".to_owned()], 4));

    // By direction and time, and one by one.
    let app = world.app.id;
    let some = |direction, since: Option<i64>, until: Option<i64>| {
        let store = Arc::clone(&store);
        let query = MessageQuery {
            direction,
            since: since.map(at),
            until: until.map(at),
            limit: 10,
            ..MessageQuery::default()
        };
        async move { store.messages(app, &query).await.unwrap() }
    };
    let names = |list: &[&str]| -> Vec<String> { list.iter().map(|t| (*t).to_owned()).collect() };
    let (found, total) = some(Some(Outbound), None, None).await;
    assert_eq!((ids(&found), total), (names(&["m-2", "m-3"]), 2));
    let (found, total) = some(None, Some(500), Some(2_000)).await;
    assert_eq!((ids(&found), total), (names(&["m-2", "m-3"]), 2));
    let (found, total) = some(Some(Inbound), Some(1), Some(2_000)).await;
    assert_eq!((ids(&found), total), (Vec::new(), 0));
    let (all, _) = some(None, None, None).await;
    let others = World::new(&store, 2).await.app.id;
    for one in all {
        assert_eq!(store.message(app, one.id).await.unwrap(), Some(one.clone()));
        assert_eq!(store.message(others, one.id).await.unwrap(), None);
    }
}

/// By sender, by any of the recipients, by the user on our side; each alone and together.
pub async fn messages_are_filtered(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let one = |id: &str, from: &str, to: &[&str], user: Option<&str>, millis| {
        let mut signal = message(
            id,
            MessageDirection::Outbound,
            MessageStatus::Pending,
            millis,
        );
        if let Fact::Message(message) = &mut signal.fact {
            message.from = phone(from);
            message.to = to.iter().map(|number| phone(number)).collect();
            message.user_id = user.map(str::to_owned);
        }
        signal
    };
    let (a, b, c) = ("+31201234567", "+31612345678", "+31687654321");
    world
        .hear(vec![
            one("m-1", a, &[b], Some("7"), 0),
            one("m-2", a, &[c, b], Some("8"), 1),
            one("m-3", b, &[a], Some("7"), 2),
            one("m-4", c, &[], None, 3),
        ])
        .await;
    let text = |text: &str| Some(text.to_owned());
    let none = MessageQuery {
        limit: 10,
        ..MessageQuery::default()
    };
    for (query, wanted) in [
        (
            MessageQuery {
                from_number: text(a),
                ..none.clone()
            },
            &["m-2", "m-1"][..],
        ),
        (
            MessageQuery {
                to_number: text(b),
                ..none.clone()
            },
            &["m-2", "m-1"],
        ),
        (
            MessageQuery {
                to_number: text("31612345678"),
                ..none.clone()
            },
            &[],
        ),
        (
            MessageQuery {
                user_id: text("7"),
                ..none.clone()
            },
            &["m-3", "m-1"],
        ),
        (
            MessageQuery {
                from_number: text(a),
                to_number: text(c),
                user_id: text("8"),
                ..none.clone()
            },
            &["m-2"],
        ),
    ] {
        let (found, total) = store.messages(world.app.id, &query).await.unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|stored| stored.message.external_id.as_str())
            .collect();
        assert_eq!(
            (ids.as_slice(), total),
            (wanted, wanted.len() as u64),
            "{query:?}"
        );
    }
}

/// Told when it changes, by platform time.
pub async fn presence_is_told_when_it_changes(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let report = |extension: &str, presence, millis| Signal {
        at: at(millis),
        keys: Vec::new(),
        fact: Fact::Presence(PresenceReport {
            extension: Some(extension.to_owned()),
            user_id: None,
            email: None,
            presence,
        }),
    };
    let changed = [EventType::PresenceChanged];
    assert_eq!(
        world
            .hear(vec![report("201", Presence::Available, 0)])
            .await,
        changed
    );
    assert!(
        world
            .hear(vec![report("201", Presence::Available, 10)])
            .await
            .is_empty()
    );
    assert_eq!(
        world.hear(vec![report("201", Presence::OnCall, 20)]).await,
        changed
    );
    assert!(
        world
            .hear(vec![report("201", Presence::Offline, 15)])
            .await
            .is_empty(),
        "late"
    );
    assert_eq!(
        world.hear(vec![report("202", Presence::Offline, 15)]).await,
        changed
    );

    // Listed by name, with who said so; nobody else's.
    let (store, app) = (&world.store, world.app.id);
    let (list, total) = store.presence(app, 10, 0).await.unwrap();
    let shown: Vec<_> = list
        .iter()
        .map(|one| {
            let report = &one.report;
            assert_eq!(one.connection_id, world.connection.id);
            assert_eq!(one.platform, "dialpad");
            (report.extension.clone().unwrap(), report.presence, one.at)
        })
        .collect();
    let expected = [
        ("201".to_owned(), Presence::OnCall, at(20)),
        ("202".to_owned(), Presence::Offline, at(15)),
    ];
    assert_eq!((shown.as_slice(), total), (&expected[..], 2));
    let (second, total) = store.presence(app, 1, 1).await.unwrap();
    assert_eq!((&second[..], total), (&list[1..], 2));
    let other = World::new(store, 2).await;
    let nothing = store.presence(other.app.id, 10, 0).await.unwrap();
    assert_eq!(nothing, (Vec::new(), 0));
    let gone = store.delete_connection(app, world.connection.id).await;
    gone.unwrap();
    assert_eq!(store.presence(app, 10, 0).await.unwrap(), (Vec::new(), 0));
}
