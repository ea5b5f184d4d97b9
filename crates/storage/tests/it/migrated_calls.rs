//! Calls that were there before lists could ask for the app's own agents, or for contacts, are
//! found by them too.

use std::sync::Arc;

use refinery::Target;
use serde_json::Value;
use switchhook_domain::Timestamp;
use switchhook_domain::agent::{Agent, Identity, IdentityKind, MappedBy, Roster};
use switchhook_domain::contact::Contact;
use switchhook_domain::id::{AgentId, AppId, ContactId, IdentityId};
use switchhook_domain::moment::MomentStatus;
use switchhook_engine::store::{CallQuery, Store};
use switchhook_storage::{OpenOptions, open};
use switchhook_testkit::conformance::world::{Talk, World, contact};
use switchhook_testkit::memory::MemoryStore;
use uuid::Uuid;

use crate::backends;
use crate::migrations::{postgres_files, sqlite_files};

/// The version before.
const BEFORE: i32 = 13;
const AGENT: AgentId = AgentId(Uuid::from_u128(77));
/// What a regular expression and a JSON text could trip over.
const CRM: &str = r#"crm "quoted\" {1} é"#;
const CONTACT: ContactId = ContactId(Uuid::from_u128(88));
const APP: Uuid = Uuid::from_u128(1);

fn roster() -> Roster {
    let zero = Timestamp::UNIX_EPOCH;
    let identity = Identity {
        id: IdentityId(Uuid::from_u128(5)),
        platform: None,
        connection_id: None,
        kind: IdentityKind::Extension,
        value: "201".to_owned(),
        by: MappedBy::Hand,
        created_at: zero,
        updated_at: zero,
    };
    Roster::new(vec![Agent {
        id: AGENT,
        name: r#"Anna "crm_user_id":"x" {"#.to_owned(),
        email: None,
        crm_user_id: Some(CRM.to_owned()),
        user_id: None,
        active: true,
        identities: vec![identity],
        created_at: zero,
        updated_at: zero,
    }])
}

/// A record with an agent and one without, and their ids.
async fn records() -> [(Uuid, String); 2] {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let world = World::new(&store, 1).await;
    let jan = Contact {
        id: CONTACT,
        ..contact(&world.entropy, r#"Jan "contact":{"id":"x"#, "+31612345678")
    };
    store.put_contacts(world.app.id, &[jan]).await.unwrap();
    for (key, number, extension) in [
        ("annas", "+31612345678", "201"),
        ("nobodys", "+31687654321", "202"),
    ] {
        let mut change = world.heard(Talk::new(key, number, extension, 0).rings());
        if let Some(fold) = &mut change.fold {
            fold.roster = Some(Arc::new(roster()));
        }
        store.commit(change).await.unwrap();
    }
    let mut found = Vec::new();
    for call in world.calls().await {
        let record = store.call(world.app.id, call.id).await.unwrap().unwrap();
        let mapped = call.agent.is_some_and(|agent| agent.id.is_some());
        found.push((mapped, call.id.0, record));
    }
    found.sort_by_key(|(mapped, ..)| !mapped);
    let mut found = found.into_iter().map(|(_, id, record)| (id, record));
    [found.next().unwrap(), found.next().unwrap()]
}

async fn are_found(url: &str, annas: Uuid) {
    let store = open(url, OpenOptions::default()).await.unwrap();
    let of_agent = CallQuery {
        agent_id: Some(AGENT),
        limit: 10,
        ..CallQuery::default()
    };
    let of_crm = CallQuery {
        crm_user_id: Some(CRM.to_owned()),
        limit: 10,
        ..CallQuery::default()
    };
    let of_contact = CallQuery {
        contact_id: Some(CONTACT),
        limit: 10,
        ..CallQuery::default()
    };
    for query in [of_agent, of_crm, of_contact] {
        let page = store.calls(AppId(APP), &query).await.unwrap();
        assert_eq!(page.calls.len(), 1, "{query:?}");
        let call: Value = serde_json::from_str(&page.calls[0]).unwrap();
        assert_eq!(call["id"], annas.to_string());
    }
    let all = CallQuery {
        limit: 10,
        ..CallQuery::default()
    };
    let all = store.calls(AppId(APP), &all).await.unwrap();
    assert_eq!(all.calls.len(), 2);
    let waiting = CallQuery {
        moment: Some(MomentStatus::DispositionPending),
        limit: 10,
        ..CallQuery::default()
    };
    let waiting = store.calls(AppId(APP), &waiting).await.unwrap();
    assert_eq!(
        waiting.total, 0,
        "nobody is asked about what was over before"
    );
    store.close().await;
}

#[tokio::test]
async fn in_a_sqlite_file() {
    let place = backends::sqlite().await.unwrap();
    let mut conn = rusqlite::Connection::open(place.url.trim_start_matches("sqlite://")).unwrap();
    sqlite_files::migrations::runner()
        .set_target(Target::Version(BEFORE))
        .run(&mut conn)
        .unwrap();
    let app = "INSERT INTO apps (id, name, country, active, epoch, created_at) \
               VALUES (?1, 'Old', 'NL', 1, ?1, 0)";
    conn.execute(app, [APP.as_bytes()]).unwrap();
    let roster = "INSERT INTO rosters VALUES (?1, 1)";
    conn.execute(roster, [APP.as_bytes()]).unwrap();
    let [annas, nobodys] = records().await;
    for (row, (id, record)) in [&annas, &nobodys].into_iter().enumerate() {
        let row = i64::try_from(row).unwrap() + 1;
        let call = "INSERT INTO calls (row, app, id, connection_id, platform, visible, open, \
                    status, sort_at) SELECT ?1, no, ?2, ?2, 'x', 1, 0, 'ended', 0 FROM apps";
        conn.execute(call, rusqlite::params![row, id.as_bytes()])
            .unwrap();
        let body = "INSERT INTO call_bodies VALUES (?1, '{}', ?2)";
        conn.execute(body, rusqlite::params![row, record]).unwrap();
    }
    drop(conn);
    are_found(&place.url, annas.0).await;
}

#[tokio::test]
async fn in_a_postgres_database() {
    let Some(place) = backends::empty_postgres().await else {
        return;
    };
    let mut client = backends::connect(&place.url).await;
    postgres_files::migrations::runner()
        .set_target(Target::Version(BEFORE))
        .run_async(&mut client)
        .await
        .unwrap();
    let scope = format!(
        "SET switchhook.apps = '{APP}'; \
         INSERT INTO apps (id, name, country, active, epoch, created_at) \
         VALUES ('{APP}', 'Old', 'NL', true, '{APP}', now()); \
         INSERT INTO rosters VALUES ('{APP}', 1)"
    );
    client.batch_execute(&scope).await.unwrap();
    let [annas, nobodys] = records().await;
    for (id, record) in [&annas, &nobodys] {
        let call = "INSERT INTO calls (app_id, id, connection_id, platform, visible, open, \
                    status, sort_at) VALUES ($1, $2, $2, 'x', true, false, 'ended', now())";
        client.execute(call, &[&APP, id]).await.unwrap();
        let body = "INSERT INTO call_bodies (app_id, id, state, record) VALUES ($1, $2, '{}', $3)";
        client.execute(body, &[&APP, id, record]).await.unwrap();
    }
    drop(client);
    are_found(&place.url, annas.0).await;
    place.clean().await;
}
