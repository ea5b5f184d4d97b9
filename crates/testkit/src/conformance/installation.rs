//! The installation's own keys, and sealing everything anew.

use std::sync::Arc;

use serde_json::json;
use switchhook_engine::adapter::Secret;
use switchhook_engine::connections::place;
use switchhook_engine::keyring::{KeyRing, RingError};
use switchhook_engine::ports::SystemEntropy;
use switchhook_engine::reseal;
use switchhook_engine::seal::MasterKey;
use switchhook_engine::store::{SealedTable, Store};

use super::world::World;

/// Of several that make the key of one name, all get the one that was kept.
pub async fn an_installation_key_is_made_once(store: Arc<dyn Store>) {
    assert_eq!(store.installation_key("a").await.unwrap(), None);
    let (one, two) = tokio::join!(
        store.keep_installation_key("a", "first"),
        store.keep_installation_key("a", "second"),
    );
    let kept = one.unwrap();
    assert_eq!(two.unwrap(), kept);
    assert_eq!(store.installation_key("a").await.unwrap(), Some(kept));
}

/// After a change of master keys everything is sealed anew, and nothing hashed before is lost.
pub async fn everything_is_sealed_anew(store: Arc<dyn Store>) {
    let (old, new) = (MasterKey::new([1; 32]), MasterKey::new([2; 32]));
    let world = World::new(&store, 1).await;
    let (app, id) = (world.app.id, world.connection.id);
    let mut row = world.connection.clone();
    let sealed = |field: &str, text: &str| {
        old.seal(&Secret::new(text), &place(app, id, field), &SystemEntropy)
    };
    let credentials = json!({ "api_key": sealed("api_key", "one") });
    row.credentials = credentials.as_object().unwrap().clone();
    let secrets = ["two", "three"].map(|text| sealed("webhook_secret", text));
    row.webhook_secrets = secrets.to_vec();
    store.update_connection(&row).await.unwrap();

    let unlock = async |current: &MasterKey, previous: Vec<MasterKey>| {
        KeyRing::unlock(&*store, current.clone(), previous, &SystemEntropy).await
    };
    let wrong = unlock(&new, vec![]).await.unwrap_err();
    assert!(matches!(wrong, RingError::OtherKey { .. }), "{wrong}");
    let first = unlock(&old, vec![]).await.unwrap();
    assert_eq!(first.hash("x"), KeyRing::from(old.clone()).hash("x"));
    let wrong = unlock(&new, vec![]).await.unwrap_err();
    assert!(wrong.to_string().contains(old.id()), "{wrong}");

    let both = unlock(&new, vec![old.clone()]).await.unwrap();
    let before = store
        .sealed_after(SealedTable::Connections, None, 10)
        .await
        .unwrap();
    let done = reseal::reseal(&*store, &both, &SystemEntropy, || ()).await;
    let done = done.unwrap();
    assert_eq!((done.resealed, done.stuck.len()), (4, 0));
    assert!(done.sealed.keys().all(|(_, key)| key == new.id()));
    let again = reseal::reseal(&*store, &both, &SystemEntropy, || ()).await;
    assert_eq!(again.unwrap().resealed, 0);
    // Whoever saw the row as it was changes nothing any more.
    assert!(!store.reseal(&before[0], "{}", "[]").await.unwrap());

    let after = unlock(&new, vec![]).await.unwrap();
    assert_eq!(after.hash("x"), first.hash("x"));
    let row = store.connection(app, id).await.unwrap().unwrap();
    let secrets = row.webhook_secrets.iter().map(|sealed| {
        let opened = after.open(sealed, &place(app, id, "webhook_secret"));
        opened.unwrap().expose().to_owned()
    });
    assert_eq!(secrets.collect::<Vec<_>>(), ["two", "three"]);
}
