//! Agents, the tokens of their panels, and calls that say whose they are.

use std::sync::Arc;

use switchhook_domain::agent::{Agent, Identity, IdentityKind, MappedBy, Roster};
use switchhook_domain::id::{AgentId, AgentTokenId, AppId, IdMint, IdentityId, KeyId, UserId};
use switchhook_engine::ports::Entropy;
use switchhook_engine::rights::Scopes;
use switchhook_engine::store::{
    AgentToken, ApiKey, KeyProof, Person, Role, RosterChange, Store, StoreError, StoredRoster,
};
use uuid::Uuid;

use super::world::{START, Talk, World, at};

fn agent(world: &World, name: &str) -> Agent {
    let mint = IdMint::new(START, world.entropy.random());
    Agent {
        id: AgentId(mint.uuid()),
        name: name.to_owned(),
        email: Some(format!("{name}@example.nl")),
        crm_user_id: Some(format!("crm \u{1F600} {name}")),
        user_id: Some(UserId(mint.uuid())),
        active: true,
        identities: vec![Identity {
            id: IdentityId(mint.uuid()),
            platform: Some("dialpad".to_owned()),
            connection_id: Some(world.connection.id),
            kind: IdentityKind::User,
            value: "6004200420042004".to_owned(),
            by: MappedBy::Email,
            created_at: at(1),
            updated_at: at(2),
        }],
        created_at: at(3),
        updated_at: at(4),
    }
}

fn put(agents: &[&Agent]) -> RosterChange {
    RosterChange {
        put: agents.iter().map(|agent| (*agent).clone()).collect(),
        delete: Vec::new(),
    }
}

async fn roster(store: &Arc<dyn Store>, app: AppId) -> StoredRoster {
    let mut roster = store.roster(app).await.unwrap();
    roster.agents.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(store.roster_version(app).await.unwrap(), roster.version);
    roster
}

/// What is stored comes back whole; of two who saw the same version one succeeds; the roster of
/// another app is another roster.
pub async fn a_roster_is_replaced_by_whoever_saw_the_last(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let (us, them) = (world.app.id, other.app.id);
    assert_eq!(roster(&store, us).await, StoredRoster::default());
    let anna = agent(&world, "anna");
    let bram = Agent {
        email: None,
        crm_user_id: None,
        user_id: None,
        active: false,
        identities: Vec::new(),
        ..agent(&world, "bram")
    };
    let (first, second) = (put(&[&anna]), put(&[&bram]));
    let (a, b) = tokio::join!(
        store.change_roster(us, 0, &first),
        store.change_roster(us, 0, &second)
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a != b, "one of two");
    let version = store.roster_version(us).await.unwrap();
    let late = if a { &second } else { &first };
    assert!(store.change_roster(us, version, late).await.unwrap());
    let both = roster(&store, us).await;
    assert_eq!(both.agents, [anna.clone(), bram.clone()]);
    assert_eq!(both.version, version + 1);
    assert!(!store.change_roster(us, version, late).await.unwrap());
    assert_eq!(roster(&store, us).await, both, "no trace");

    // The same ids in another app are other agents.
    let theirs = Agent {
        name: "theirs".to_owned(),
        ..anna.clone()
    };
    assert!(
        store
            .change_roster(them, 0, &put(&[&theirs]))
            .await
            .unwrap()
    );
    assert_eq!(roster(&store, them).await.agents, vec![theirs.clone()]);
    let gone = RosterChange {
        put: vec![Agent {
            name: "anna b".to_owned(),
            identities: Vec::new(),
            updated_at: at(9),
            ..anna.clone()
        }],
        delete: vec![bram.id],
    };
    assert!(store.change_roster(us, both.version, &gone).await.unwrap());
    assert_eq!(roster(&store, us).await.agents, gone.put);
    assert_eq!(roster(&store, them).await.agents, [theirs]);
    let nowhere = AppId(Uuid::from_u128(1));
    let refused = store.change_roster(nowhere, 0, &put(&[&anna])).await;
    assert_eq!(refused, Err(StoreError::NotFound("app")));
}

/// Who mints tokens by hand.
const BOSS: UserId = UserId(Uuid::from_u128(77));

fn boss(world: &World) -> Person {
    Person {
        id: BOSS,
        app_id: world.app.id,
        email: "boss@example.nl".to_owned(),
        name: "Boss".to_owned(),
        role: Role::Supervisor,
        active: true,
        password: None,
        identity: None,
        created_at: at(0),
        joined_at: Some(at(0)),
        last_sign_in_at: None,
    }
}

fn token(n: u8, world: &World, agent: &Agent, key: Option<KeyId>) -> AgentToken {
    AgentToken {
        id: AgentTokenId(Uuid::from_u128(n.into())),
        app_id: world.app.id,
        agent_id: agent.id,
        key_id: key,
        user_id: key.is_none().then_some(BOSS),
        token_hash: [n; 32],
        created_at: at(0),
        expires_at: at(60_000 + i64::from(n)),
    }
}

/// A token ends when the person who minted it is shut out or gone, and is none of another app's.
pub async fn a_token_ends_with_the_person_who_minted_it(store: Arc<dyn Store>) {
    let (world, other) = (World::new(&store, 1).await, World::new(&store, 2).await);
    let (us, anna) = (world.app.id, agent(&world, "anna"));
    assert!(store.change_roster(us, 0, &put(&[&anna])).await.unwrap());
    let (minted, boss) = (token(1, &world, &anna, None), boss(&world));
    store.put_agent_token(&minted, at(0)).await.unwrap();
    let found = async || store.agent_token(&minted.token_hash, at(1)).await.unwrap();
    assert_eq!(found().await, None, "nobody of that id");
    let foreign = Person {
        app_id: other.app.id,
        ..boss.clone()
    };
    store.create_person(&foreign).await.unwrap();
    assert_eq!(found().await, None, "somebody of another app");
    store.delete_person(other.app.id, BOSS).await.unwrap();
    store.create_person(&boss).await.unwrap();
    assert_eq!(found().await.as_ref(), Some(&minted));
    store.delete_person(us, BOSS).await.unwrap();
    assert_eq!(found().await, None, "gone");
    let out = Person {
        active: false,
        ..boss
    };
    store.create_person(&out).await.unwrap();
    assert_eq!(found().await, None, "shut out");
}

/// A token is good until its time, while its agent takes calls and its key works.
pub async fn a_token_ends_with_its_time_its_agent_and_its_key(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let other = World::new(&store, 2).await;
    let (anna, bram) = (agent(&world, "anna"), agent(&world, "bram"));
    let us = world.app.id;
    let change = put(&[&anna, &bram]);
    assert!(store.change_roster(us, 0, &change).await.unwrap());
    let key = ApiKey {
        id: KeyId(Uuid::from_u128(5)),
        app_id: us,
        name: "CRM".to_owned(),
        lookup: "aaaaaaaa".to_owned(),
        proof: KeyProof::Hash([3; 32]),
        scopes: Scopes::ALL,
        hint: "sh_ab…yz".to_owned(),
        created_at: at(0),
        expires_at: Some(at(50_000)),
        revoked_at: None,
        last_used_at: None,
        replaces: None,
    };
    store.create_key(&key).await.unwrap();
    store.create_person(&boss(&world)).await.unwrap();
    let by_key = token(1, &world, &anna, Some(key.id));
    let by_person = token(2, &world, &anna, None);
    let of_bram = token(3, &world, &bram, None);
    for token in [&by_key, &by_person, &of_bram] {
        store.put_agent_token(token, at(0)).await.unwrap();
        let found = store.agent_token(&token.token_hash, at(0)).await.unwrap();
        assert_eq!(found.as_ref(), Some(token));
    }
    let good = async |n: u8, now: i64| {
        store
            .agent_token(&[n; 32], at(now))
            .await
            .unwrap()
            .is_some()
    };
    assert!(!good(9, 0).await);
    assert!(
        good(1, 49_999).await && !good(1, 50_000).await,
        "the key's end"
    );
    assert!(
        good(2, 60_001).await && !good(2, 60_002).await,
        "its own end"
    );
    store.revoke_key(us, key.id, at(1)).await.unwrap();
    assert!(!good(1, 2).await, "the key is revoked");
    assert!(good(2, 2).await);

    let unknown = AgentToken {
        agent_id: AgentId(Uuid::from_u128(1)),
        ..token(4, &world, &anna, None)
    };
    let refused = store.put_agent_token(&unknown, at(0)).await;
    assert_eq!(refused, Err(StoreError::NotFound("agent")));
    let foreign = token(4, &other, &anna, None);
    let refused = store.put_agent_token(&foreign, at(0)).await;
    assert_eq!(refused, Err(StoreError::NotFound("agent")));
    let foreign_key = AgentToken {
        key_id: Some(KeyId(Uuid::from_u128(6))),
        ..token(5, &world, &anna, None)
    };
    store.put_agent_token(&foreign_key, at(0)).await.unwrap();
    assert!(!good(5, 0).await, "a key nobody has");

    let away = Agent {
        active: false,
        ..anna.clone()
    };
    assert!(store.change_roster(us, 1, &put(&[&away])).await.unwrap());
    assert!(!good(2, 2).await, "takes no calls");
    assert!(store.change_roster(us, 2, &put(&[&anna])).await.unwrap());
    assert!(good(2, 2).await);
    assert!(
        !store
            .delete_agent_token(other.app.id, by_person.id)
            .await
            .unwrap()
    );
    assert!(good(2, 2).await);
    assert!(store.delete_agent_token(us, by_person.id).await.unwrap());
    assert!(!store.delete_agent_token(us, by_person.id).await.unwrap());
    assert!(!good(2, 2).await);
    let gone = RosterChange {
        put: Vec::new(),
        delete: vec![bram.id],
    };
    assert!(store.change_roster(us, 3, &gone).await.unwrap());
    assert!(!good(3, 2).await, "the agent is gone");
    assert!(store.change_roster(us, 4, &put(&[&bram])).await.unwrap());
    assert!(!good(3, 2).await, "and the token with them");
    // Those whose time is over are swept out when one is stored.
    let later = AgentToken {
        expires_at: at(200_000),
        ..token(7, &world, &bram, None)
    };
    store.put_agent_token(&later, at(100_000)).await.unwrap();
    assert!(!store.delete_agent_token(us, foreign_key.id).await.unwrap());
}

/// A call that is folded with the roster carries the agent, and keeps it when it is over.
pub async fn a_call_says_whose_it_is(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let mut anna = agent(&world, "anna");
    let talk = Talk::new("a", "0612345678", "201", 0);
    let names = |agent: &Agent| Some(Arc::new(Roster::new(vec![agent.clone()])));
    let hear = async |signals, roster| {
        let mut change = world.heard(signals);
        if let Some(fold) = &mut change.fold {
            fold.roster = roster;
        }
        store.commit(change).await.unwrap();
        let mut calls = world.calls().await;
        calls.remove(0).agent.unwrap_or_default()
    };
    let nobody = hear(talk.rings(), None).await;
    assert_eq!((nobody.id, &nobody.crm_user_id), (None, &None));
    anna.identities[0].kind = IdentityKind::Extension;
    anna.identities[0].value = nobody.extension.clone().unwrap_or_default();
    let found = hear(talk.answered(), names(&anna)).await;
    assert_eq!(found.id, Some(anna.id));
    assert_eq!(found.name.as_deref(), Some("anna"));
    assert_eq!(found.crm_user_id, anna.crm_user_id);
    let kept = hear(talk.ends(), None).await;
    assert_eq!(kept.id, Some(anna.id), "nothing new was said");
    let bram = Agent {
        identities: anna.identities.clone(),
        ..agent(&world, "bram")
    };
    let still = hear(talk.ends(), names(&bram)).await;
    assert_eq!(still.id, Some(anna.id), "they had the extension then");
}
