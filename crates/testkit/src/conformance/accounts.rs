//! People with an account, what works once, and their sessions.

use std::sync::Arc;

use switchhook_domain::id::{AppId, IdMint, UserId};
use switchhook_engine::ports::Entropy;
use switchhook_engine::store::{
    LAST_ADMIN, OneTime, Person, PersonChange, PersonSession, Purpose, Role, Store, StoreError,
};
use uuid::Uuid;

use super::world::{START, app, at};
use crate::clock::SeededEntropy;

fn person(entropy: &SeededEntropy, app_id: AppId, email: &str, role: Role) -> Person {
    Person {
        id: UserId(IdMint::new(START, entropy.random()).uuid()),
        app_id,
        email: email.to_owned(),
        name: "Jan Jansen".to_owned(),
        role,
        active: true,
        password: Some("$argon2id$…".to_owned()),
        identity: None,
        created_at: at(0),
        joined_at: Some(at(1)),
        last_sign_in_at: None,
    }
}

fn session(person: &Person, n: u8, from: i64, until: i64) -> PersonSession {
    PersonSession {
        token_hash: [n; 32],
        app_id: person.app_id,
        user_id: person.id,
        role: person.role,
        started_at: at(from),
        seen_at: at(from),
        expires_at: at(until),
        way: "password".to_owned(),
        address: Some("192.0.2.1".to_owned()),
        browser: None,
    }
}

fn link(purpose: Purpose, n: u8, person: Option<&Person>, until: i64) -> OneTime {
    OneTime {
        token_hash: [n; 32],
        purpose,
        person: person.map(|person| (person.app_id, person.id)),
        expires_at: at(until),
    }
}

/// A server is set up once, whoever else tries at the same moment.
pub async fn a_server_is_set_up_once(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(1);
    assert!(store.is_untouched().await.unwrap());
    for n in 1..=2 {
        let link = link(Purpose::SetUp, n, None, 1_000);
        store.put_one_time(&link, at(0)).await.unwrap();
    }
    let (one, two) = (app(&entropy), app(&entropy));
    let jan = person(&entropy, one.id, "jan@example.nl", Role::Admin);
    let piet = person(&entropy, two.id, "piet@example.nl", Role::Admin);
    let set_up = |hash: u8, app, person| {
        let store = Arc::clone(&store);
        async move {
            store
                .set_up(&[hash; 32], at(999), app, person)
                .await
                .unwrap()
        }
    };
    assert!(!set_up(9, &one, &jan).await, "no such link");
    assert!(
        !store.set_up(&[1; 32], at(1_000), &one, &jan).await.unwrap(),
        "too late"
    );
    assert!(store.is_untouched().await.unwrap());
    let (a, b) = tokio::join!(set_up(1, &one, &jan), set_up(2, &two, &piet));
    assert!(a != b, "one of them");
    assert_eq!(store.apps().await.unwrap().len(), 1);
    assert!(!store.is_untouched().await.unwrap());
    let (app, admin) = if a { (&one, &jan) } else { (&two, &piet) };
    assert_eq!(
        store.person(app.id, admin.id).await.unwrap().as_ref(),
        Some(admin)
    );
    for n in 1..=2 {
        let left = store
            .one_time(Purpose::SetUp, &[n; 32], at(0))
            .await
            .unwrap();
        assert_eq!(left, None, "no link is left");
    }
}

/// People are found by their app only, and an address is one person in it.
pub async fn people_belong_to_their_app(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(2);
    let (one, two) = (app(&entropy), app(&entropy));
    store.create_app(&one).await.unwrap();
    store.create_app(&two).await.unwrap();
    let mut jan = person(&entropy, one.id, "jan@example.nl", Role::Admin);
    jan.identity = Some(("https://id.example".to_owned(), "4711".to_owned()));
    jan.joined_at = None;
    let piet = person(&entropy, one.id, "an@example.nl", Role::Agent);
    let other = person(&entropy, two.id, "jan@example.nl", Role::ReadOnly);
    for person in [&jan, &piet, &other] {
        store.create_person(person).await.unwrap();
    }
    let twin = person(&entropy, one.id, "jan@example.nl", Role::Agent);
    let taken = store.create_person(&twin).await;
    assert_eq!(taken, Err(StoreError::Conflict("e-mail address")));
    let homeless = person(
        &entropy,
        AppId(Uuid::from_u128(1)),
        "x@example.nl",
        Role::Agent,
    );
    let homeless = store.create_person(&homeless).await;
    assert_eq!(homeless, Err(StoreError::NotFound("app")));

    assert_eq!(
        store.person(one.id, jan.id).await.unwrap(),
        Some(jan.clone())
    );
    assert_eq!(store.person(two.id, jan.id).await.unwrap(), None);
    let (page, total) = store.people(one.id, 1, 0).await.unwrap();
    assert_eq!((page, total), (vec![piet.clone()], 2), "by address");
    let (page, total) = store.people(one.id, 10, 1).await.unwrap();
    assert_eq!((page, total), (vec![jan.clone()], 2));
    assert_eq!(store.people(one.id, 10, 9).await.unwrap(), (Vec::new(), 2));
    let same = store.people_by_email("jan@example.nl").await.unwrap();
    assert_eq!(same.len(), 2);
    let found = store.people_by_identity("https://id.example", "4711").await;
    assert_eq!(found.unwrap(), [jan.clone()]);
    let none = store
        .people_by_identity("https://other.example", "4711")
        .await;
    assert!(none.unwrap().is_empty());

    let bind = PersonChange {
        identity: jan.identity.clone(),
        ..PersonChange::default()
    };
    let taken = store.update_person(one.id, piet.id, &bind).await;
    assert_eq!(taken, Err(StoreError::Conflict("identity")));
    let elsewhere = store.update_person(two.id, other.id, &bind).await;
    assert_eq!(elsewhere.unwrap().identity, jan.identity);
    let change = PersonChange {
        name: Some("Other".to_owned()),
        ..PersonChange::default()
    };
    let foreign = store.update_person(two.id, jan.id, &change).await;
    assert_eq!(foreign, Err(StoreError::NotFound("person")));
    let foreign = store.delete_person(two.id, jan.id).await;
    assert_eq!(foreign, Err(StoreError::NotFound("person")));
    store.delete_person(one.id, piet.id).await.unwrap();
    assert_eq!(store.person(one.id, piet.id).await.unwrap(), None);
}

/// An app keeps an administrator, whoever tries to take them away at the same moment.
pub async fn an_app_keeps_an_administrator(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(3);
    let (one, two) = (app(&entropy), app(&entropy));
    store.create_app(&one).await.unwrap();
    store.create_app(&two).await.unwrap();
    let jan = person(&entropy, one.id, "jan@example.nl", Role::Admin);
    let piet = person(&entropy, one.id, "piet@example.nl", Role::Admin);
    let mut invited = person(&entropy, one.id, "open@example.nl", Role::Admin);
    invited.joined_at = None;
    let foreign = person(&entropy, two.id, "boss@example.nl", Role::Admin);
    for person in [&jan, &piet, &invited, &foreign] {
        store.create_person(person).await.unwrap();
    }
    let demoted = PersonChange {
        role: Some(Role::Agent),
        ..PersonChange::default()
    };
    let (a, b) = tokio::join!(
        store.update_person(one.id, jan.id, &demoted),
        store.update_person(one.id, piet.id, &demoted)
    );
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let last = if a.is_ok() { &piet } else { &jan };
    let refused = Err(StoreError::Conflict(LAST_ADMIN));
    assert_eq!(store.delete_person(one.id, last.id).await, refused);
    let off = PersonChange {
        active: Some(false),
        ..PersonChange::default()
    };
    assert!(store.update_person(one.id, last.id, &off).await.is_err());
    let joined = PersonChange {
        joined_at: Some(at(5)),
        ..PersonChange::default()
    };
    let known = store.update_person(one.id, invited.id, &joined).await;
    assert_eq!(known.unwrap().joined_at, Some(at(5)));
    store.delete_person(one.id, last.id).await.unwrap();
}

/// A link works once and in time, and a new one replaces the old.
pub async fn one_time_links_work_once(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(4);
    let one = app(&entropy);
    store.create_app(&one).await.unwrap();
    let mut jan = person(&entropy, one.id, "jan@example.nl", Role::Agent);
    (jan.joined_at, jan.password) = (None, None);
    store.create_person(&jan).await.unwrap();
    for n in 1..=2 {
        let link = link(Purpose::Invitation, n, Some(&jan), 1_000);
        store.put_one_time(&link, at(0)).await.unwrap();
    }
    let reset = link(Purpose::Reset, 3, Some(&jan), 1_000);
    store.put_one_time(&reset, at(0)).await.unwrap();
    let look = |purpose, n: u8, now| {
        let store = Arc::clone(&store);
        async move { store.one_time(purpose, &[n; 32], at(now)).await.unwrap() }
    };
    assert_eq!(look(Purpose::Invitation, 1, 0).await, None, "replaced");
    assert!(look(Purpose::Invitation, 2, 999).await.is_some());
    assert_eq!(look(Purpose::Invitation, 2, 1_000).await, None, "too late");
    assert_eq!(look(Purpose::Reset, 2, 0).await, None, "for something else");
    assert_eq!(look(Purpose::Reset, 3, 0).await, Some(reset));
    let joined = PersonChange {
        password: Some("$new".to_owned()),
        joined_at: Some(at(7)),
        ..PersonChange::default()
    };
    let redeem = |purpose, n: u8| {
        let (store, joined) = (Arc::clone(&store), joined.clone());
        async move {
            store
                .redeem(purpose, &[n; 32], at(500), &joined)
                .await
                .unwrap()
        }
    };
    assert_eq!(redeem(Purpose::Reset, 2).await, None);
    let (a, b) = tokio::join!(
        redeem(Purpose::Invitation, 2),
        redeem(Purpose::Invitation, 2)
    );
    let done: Vec<Person> = [a, b].into_iter().flatten().collect();
    assert_eq!(done.len(), 1, "one of them");
    assert_eq!(
        (&*done[0].email, done[0].joined_at),
        ("jan@example.nl", Some(at(7)))
    );
    assert_eq!(done[0].password.as_deref(), Some("$new"));
    assert_eq!(
        look(Purpose::Reset, 3, 0).await,
        None,
        "a new password ends reset links"
    );

    let reset = link(Purpose::Reset, 4, Some(&jan), 1_000);
    store.put_one_time(&reset, at(0)).await.unwrap();
    let off = PersonChange {
        active: Some(false),
        ..PersonChange::default()
    };
    store.update_person(one.id, jan.id, &off).await.unwrap();
    assert_eq!(redeem(Purpose::Reset, 4).await, None, "shut out");

    let begun = link(Purpose::Oidc, 5, None, 1_000);
    store.put_one_time(&begun, at(0)).await.unwrap();
    let take = || store.take_one_time(Purpose::Oidc, &[5; 32], at(500));
    let (a, b) = tokio::join!(take(), take());
    let taken: Vec<_> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken, [begun], "one of them");
    let late = link(Purpose::Oidc, 6, None, 1_000);
    store.put_one_time(&late, at(0)).await.unwrap();
    let taken = store
        .take_one_time(Purpose::Oidc, &[6; 32], at(1_000))
        .await;
    assert_eq!(taken.unwrap(), None, "too late");
    let nobody = Person {
        id: UserId(Uuid::from_u128(1)),
        ..jan
    };
    let nobody = link(Purpose::Reset, 7, Some(&nobody), 1_000);
    let missing = store.put_one_time(&nobody, at(0)).await;
    assert_eq!(missing, Err(StoreError::NotFound("person")));
}

/// Sessions last while they are used, and end with the right to them.
pub async fn sessions_end_with_the_right_to_them(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(5);
    let (one, two) = (app(&entropy), app(&entropy));
    store.create_app(&one).await.unwrap();
    store.create_app(&two).await.unwrap();
    let boss = person(&entropy, one.id, "boss@example.nl", Role::Admin);
    let jan = person(&entropy, one.id, "jan@example.nl", Role::Agent);
    for person in [&boss, &jan] {
        store.create_person(person).await.unwrap();
    }
    for n in 1..=3 {
        let new = session(&jan, n, i64::from(n), 10_000);
        assert!(store.start_session(&new).await.unwrap());
    }
    let wrong_role = PersonSession {
        role: Role::Admin,
        ..session(&jan, 8, 0, 10_000)
    };
    assert!(!store.start_session(&wrong_role).await.unwrap());
    let elsewhere = PersonSession {
        app_id: two.id,
        ..session(&jan, 8, 0, 10_000)
    };
    assert!(!store.start_session(&elsewhere).await.unwrap());
    let grant = store.session(&[1; 32], at(9_999)).await.unwrap().unwrap();
    assert_eq!((grant.user_id, grant.role), (Some(jan.id), Role::Agent));
    let known = store.person(one.id, jan.id).await.unwrap().unwrap();
    assert_eq!(known.last_sign_in_at, Some(at(3)));
    let list = store.person_sessions(one.id, jan.id, at(0)).await.unwrap();
    let order: Vec<u8> = list.iter().map(|session| session.token_hash[0]).collect();
    assert_eq!(order, [3, 2, 1], "the newest first");
    assert_eq!(list[2], session(&jan, 1, 1, 10_000));
    assert!(
        store
            .person_sessions(two.id, jan.id, at(0))
            .await
            .unwrap()
            .is_empty()
    );
    let over = store
        .person_sessions(one.id, jan.id, at(10_000))
        .await
        .unwrap();
    assert!(over.is_empty());

    // Used: longer, but not for ever; once over it stays over.
    let touch = |n: u8, now, until| {
        let store = Arc::clone(&store);
        async move {
            store
                .touch_session(&[n; 32], at(now), at(until), 15)
                .await
                .unwrap();
        }
    };
    touch(1, 9_000, 12_000).await;
    assert!(store.session(&[1; 32], at(11_999)).await.unwrap().is_some());
    touch(1, 11_000, 99_000).await;
    assert!(store.session(&[1; 32], at(15_000)).await.unwrap().is_some());
    assert!(store.session(&[1; 32], at(15_001)).await.unwrap().is_none());
    touch(1, 16_000, 20_000).await;
    assert!(store.session(&[1; 32], at(16_000)).await.unwrap().is_none());

    assert!(!store.end_session(two.id, jan.id, &[2; 32]).await.unwrap());
    assert!(!store.end_session(one.id, boss.id, &[2; 32]).await.unwrap());
    assert!(store.end_session(one.id, jan.id, &[2; 32]).await.unwrap());
    assert!(!store.end_session(one.id, jan.id, &[2; 32]).await.unwrap());
    let own = session(&boss, 7, 0, 10_000);
    assert!(store.start_session(&own).await.unwrap());
    let kept = PersonChange {
        ends_sessions: true,
        keep: Some([3; 32]),
        ..PersonChange::default()
    };
    store.update_person(one.id, jan.id, &kept).await.unwrap();
    let there = |n: u8| {
        let store = Arc::clone(&store);
        async move { store.session(&[n; 32], at(100)).await.unwrap().is_some() }
    };
    assert!(!there(1).await && there(3).await && there(7).await);
    let name = PersonChange {
        name: Some("Jan".to_owned()),
        role: Some(Role::Agent),
        ..PersonChange::default()
    };
    store.update_person(one.id, jan.id, &name).await.unwrap();
    assert!(there(3).await, "nothing that matters has changed");
    let demoted = PersonChange {
        role: Some(Role::ReadOnly),
        ..PersonChange::default()
    };
    let jan = store.update_person(one.id, jan.id, &demoted).await.unwrap();
    assert!(!there(3).await && there(7).await);
    assert!(
        store
            .start_session(&session(&jan, 4, 50, 10_000))
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .end_sessions(one.id, jan.id, Some([4; 32]))
            .await
            .unwrap(),
        0
    );
    assert_eq!(store.end_sessions(one.id, jan.id, None).await.unwrap(), 1);
    assert!(
        store
            .start_session(&session(&jan, 5, 50, 10_000))
            .await
            .unwrap()
    );
    store.delete_person(one.id, jan.id).await.unwrap();
    assert!(!there(5).await && there(7).await);
    assert!(
        !store
            .start_session(&session(&jan, 6, 50, 10_000))
            .await
            .unwrap()
    );
}
