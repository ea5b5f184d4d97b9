//! API keys: made, found, renamed, replaced, claimed, revoked.

use std::sync::Arc;

use switchhook_domain::id::{AppId, IdMint, KeyId};
use switchhook_engine::ports::Entropy;
use switchhook_engine::rights::{Scope, Scopes};
use switchhook_engine::store::{ApiKey, KeyClaim, KeyProof, KeyUse, Store, StoreError};
use uuid::Uuid;

use super::world::{START, World, app, at};
use crate::clock::SeededEntropy;

/// A key, made that many minutes after the start.
pub fn key(entropy: &SeededEntropy, app_id: AppId, lookup: &str, minutes: i64) -> ApiKey {
    ApiKey {
        id: KeyId(IdMint::new(START, entropy.random()).uuid()),
        app_id,
        name: "CRM".to_owned(),
        lookup: lookup.to_owned(),
        proof: KeyProof::Hash([3; 32]),
        hint: "sh_ab…yz".to_owned(),
        scopes: if minutes % 2 == 0 {
            Scopes::of(&[Scope::CallsRead, Scope::AuditRead])
        } else {
            Scopes::ALL
        },
        created_at: at(minutes * 60_000),
        expires_at: (minutes % 2 == 0).then(|| at(1_000_000_000)),
        revoked_at: None,
        last_used_at: None,
        replaces: None,
    }
}

/// What is stored comes back, in order, and nothing is stored twice.
pub async fn keys_come_and_go(store: Arc<dyn Store>) {
    let entropy = SeededEntropy::new(1);
    let (first, second) = (app(&entropy), app(&entropy));
    store.create_app(&first).await.unwrap();
    store.create_app(&second).await.unwrap();
    let old = key(&entropy, first.id, "aaaaaaaa", 0);
    let new = key(&entropy, first.id, "bbbbbbbb", 1);
    store.create_key(&old).await.unwrap();
    store.create_key(&new).await.unwrap();
    let taken = key(&entropy, second.id, "aaaaaaaa", 3);
    assert_eq!(
        store.create_key(&taken).await,
        Err(StoreError::Conflict("key"))
    );
    let homeless = key(&entropy, AppId(Uuid::from_u128(1)), "cccccccc", 3);
    assert_eq!(
        store.create_key(&homeless).await,
        Err(StoreError::NotFound("app"))
    );
    assert_eq!(
        store.keys(first.id).await.unwrap(),
        [new.clone(), old.clone()]
    );
    let found = store.key_by_lookup("aaaaaaaa").await.unwrap();
    assert_eq!(found, Some(old.clone()));
    assert_eq!(store.key_by_lookup("AAAAAAAA").await.unwrap(), None);
    assert_eq!(
        store.key(first.id, new.id).await.unwrap(),
        Some(new.clone())
    );

    store
        .rename_key(first.id, old.id, "Wallboard")
        .await
        .unwrap();
    store.revoke_key(first.id, old.id, at(5)).await.unwrap();
    store.revoke_key(first.id, old.id, at(9)).await.unwrap();
    let revoked = store.key_by_lookup("aaaaaaaa").await.unwrap().unwrap();
    let wanted = ApiKey {
        name: "Wallboard".to_owned(),
        revoked_at: Some(at(5)),
        ..old
    };
    assert_eq!(revoked, wanted);
    assert_eq!(store.key(first.id, new.id).await.unwrap(), Some(new));
    let nobody = KeyId(Uuid::from_u128(1));
    assert_eq!(store.key(first.id, nobody).await.unwrap(), None);
    let missing = store.revoke_key(first.id, nobody, at(5)).await;
    assert_eq!(missing, Err(StoreError::NotFound("key")));
    let missing = store.rename_key(first.id, nobody, "x").await;
    assert_eq!(missing, Err(StoreError::NotFound("key")));
}

/// The new key and the end of the old one come together, and only once.
pub async fn a_key_is_replaced_once(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let (entropy, app) = (&world.entropy, world.app.id);
    let make = |lookup: &str, minutes, replaces| ApiKey {
        replaces,
        ..key(entropy, app, lookup, minutes)
    };
    let first = make("aaaaaaaa", 1, None);
    store.create_key(&first).await.unwrap();
    let (left, right) = (
        make("bbbbbbbb", 3, Some(first.id)),
        make("cccccccc", 3, Some(first.id)),
    );
    let until = at(10 * 60_000);
    let (a, b) = tokio::join!(
        store.rotate_key(&left, until),
        store.rotate_key(&right, until)
    );
    assert!(
        a == Ok(()) && b == Err(StoreError::Conflict("key"))
            || b == Ok(()) && a == Err(StoreError::Conflict("key")),
        "{a:?} {b:?}"
    );
    let keys = store.keys(app).await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let (new, old) = (&keys[0], &keys[1]);
    assert_eq!(new.replaces, Some(first.id));
    assert_eq!((old.expires_at, old.revoked_at), (Some(until), None));
    assert!(old.works_at(at(600_000 - 1)) && !old.works_at(until));

    // What ends sooner still does; without an overlap it is revoked.
    let third = make("dddddddd", 4, Some(new.id));
    store.rotate_key(&third, third.created_at).await.unwrap();
    let ended = store.key(app, new.id).await.unwrap().unwrap();
    assert_eq!(ended.revoked_at, Some(third.created_at));
    let fourth = make("eeeeeeee", 6, Some(third.id));
    let late = at(2_000_000_000);
    store.rotate_key(&fourth, late).await.unwrap();
    let kept = store.key(app, third.id).await.unwrap().unwrap();
    assert_eq!(kept.expires_at, Some(at(1_000_000_000)));
    // What is revoked is replaced by nothing.
    store.revoke_key(app, fourth.id, at(0)).await.unwrap();
    let fifth = make("ffffffff", 7, Some(fourth.id));
    assert_eq!(
        store.rotate_key(&fifth, late).await,
        Err(StoreError::NotFound("key"))
    );
    let nothing = make("gggggggg", 7, None);
    assert_eq!(
        store.rotate_key(&nothing, late).await,
        Err(StoreError::NotFound("key"))
    );
    assert_eq!(store.keys(app).await.unwrap().len(), 4);
}

/// An imported key has a bcrypt text until it is claimed, by one of those who do it at once.
pub async fn an_imported_key_is_claimed_once(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let (entropy, app) = (&world.entropy, world.app.id);
    let make = |number: i64| ApiKey {
        proof: KeyProof::Bcrypt(format!("$2b$10${number}")),
        hint: String::new(),
        ..key(entropy, app, &format!("?{number}"), number)
    };
    let (first, second, revoked, late) = (make(1), make(3), make(5), make(2));
    for key in [&second, &first, &revoked, &late] {
        store.create_key(key).await.unwrap();
    }
    store.revoke_key(app, revoked.id, at(0)).await.unwrap();
    let waiting = store.unclaimed_keys(at(2_000_000_000), 10).await.unwrap();
    assert_eq!(waiting, [first.clone(), second.clone()]);
    let waiting = store.unclaimed_keys(at(0), 2).await.unwrap();
    assert_eq!(waiting, [first.clone(), late]);

    let claim = |lookup: &str| KeyClaim {
        lookup: lookup.to_owned(),
        hash: [8; 32],
        hint: "raw_0a0a...0a0a".to_owned(),
    };
    let (one, two) = (claim("~one"), claim("~one"));
    let (a, b) = tokio::join!(
        store.claim_key(app, first.id, &one),
        store.claim_key(app, first.id, &two)
    );
    assert!(a.unwrap() ^ b.unwrap(), "one of the two claims it");
    let claimed = store.key_by_lookup("~one").await.unwrap().unwrap();
    let wanted = ApiKey {
        lookup: one.lookup.clone(),
        proof: KeyProof::Hash(one.hash),
        hint: one.hint.clone(),
        ..first
    };
    assert_eq!(claimed, wanted);
    assert_eq!(store.key_by_lookup("?1").await.unwrap(), None);
    let taken = store.claim_key(app, second.id, &one).await;
    assert_eq!(taken, Err(StoreError::Conflict("key")));
    assert!(
        store
            .claim_key(app, second.id, &claim("~two"))
            .await
            .unwrap()
    );
    let nobody = KeyId(Uuid::from_u128(1));
    assert!(!store.claim_key(app, nobody, &claim("~3")).await.unwrap());
}

/// The latest use stays, whoever tells of it.
pub async fn the_last_use_is_kept(store: Arc<dyn Store>) {
    let world = World::new(&store, 1).await;
    let (entropy, app) = (&world.entropy, world.app.id);
    let (a, b) = (key(entropy, app, "a", 1), key(entropy, app, "b", 3));
    store.create_key(&a).await.unwrap();
    store.create_key(&b).await.unwrap();
    let used = |key_id, millis| KeyUse {
        app_id: app,
        key_id,
        at: at(millis),
    };
    let nobody = KeyId(Uuid::from_u128(1));
    store.keys_used(&[]).await.unwrap();
    let uses = [used(a.id, 50), used(nobody, 60), used(b.id, 70)];
    store.keys_used(&uses).await.unwrap();
    store.keys_used(&[used(b.id, 10)]).await.unwrap();
    let last: Vec<_> = store.keys(app).await.unwrap();
    let last: Vec<_> = last.iter().map(|key| key.last_used_at).collect();
    assert_eq!(last, [Some(at(70)), Some(at(50))]);
}
