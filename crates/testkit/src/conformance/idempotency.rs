//! Requests that came with a key: claimed by one, answered once, forgotten in time.

use std::sync::Arc;

use switchhook_domain::id::AppId;
use switchhook_engine::store::{Claim, KeyedRequest, Store};
use uuid::Uuid;

use super::world::{World, at};

fn request(app: AppId, key: u8, owner: u128) -> KeyedRequest {
    KeyedRequest {
        app,
        id: [key; 32],
        digest: [9; 32],
        owner: Uuid::from_u128(owner),
    }
}

/// Of many that come at once one may carry it out; the others hear that somebody does.
pub async fn a_request_is_claimed_once(store: Arc<dyn Store>) {
    let app = World::new(&store, 1).await.app.id;
    let mut claims = Vec::new();
    for owner in 0..12 {
        let (store, request) = (Arc::clone(&store), request(app, 1, owner));
        claims.push(tokio::spawn(async move {
            let claim = store.claim_request(&request, at(0), at(1_000));
            claim.await.unwrap()
        }));
    }
    let mut mine = 0;
    for claim in claims {
        match claim.await.unwrap() {
            Claim::Yours => mine += 1,
            other => assert_eq!(other, Claim::Busy),
        }
    }
    assert_eq!(mine, 1);
}

/// The answer is given to whoever asks the same again, of this app and of no other, until its
/// time is over.
pub async fn an_answer_is_kept_for_its_app_and_time(store: Arc<dyn Store>) {
    let app = World::new(&store, 1).await.app.id;
    let other = World::new(&store, 2).await.app.id;
    let nobody = AppId(Uuid::nil());
    for (app, answer) in [(app, "one"), (nobody, "of no app")] {
        let first = request(app, 1, 1);
        let claim = store.claim_request(&first, at(0), at(1_000)).await;
        assert_eq!(claim.unwrap(), Claim::Yours);
        let kept = store.keep_answer(&first, answer, at(5_000)).await;
        assert!(kept.unwrap());
    }
    let claim = async |request: &KeyedRequest, now: i64| {
        let claim = store.claim_request(request, at(now), at(now + 1_000));
        claim.await.unwrap()
    };
    let again = request(app, 1, 2);
    assert_eq!(
        claim(&again, 4_999).await,
        Claim::Answered("one".to_owned())
    );
    let changed = KeyedRequest {
        digest: [8; 32],
        ..again.clone()
    };
    assert_eq!(claim(&changed, 4_999).await, Claim::Different);
    let operators = claim(&request(nobody, 1, 2), 0).await;
    assert_eq!(operators, Claim::Answered("of no app".to_owned()));
    // Under the same key another app has nothing, and what it does touches nothing here.
    let foreign = request(other, 1, 3);
    assert_eq!(claim(&foreign, 0).await, Claim::Yours);
    assert!(store.keep_answer(&foreign, "two", at(5_000)).await.unwrap());
    assert_eq!(claim(&again, 0).await, Claim::Answered("one".to_owned()));
    assert_eq!(claim(&request(app, 2, 4), 0).await, Claim::Yours);
    // Over, it is as if it had never been, for any request.
    assert_eq!(claim(&changed, 5_000).await, Claim::Yours);
    assert_eq!(claim(&again, 5_000).await, Claim::Different);
}

/// Whoever lost a claim neither answers nor lets go of it, and an answer is not taken back.
pub async fn a_claim_is_its_owners(store: Arc<dyn Store>) {
    let app = World::new(&store, 1).await.app.id;
    let (late, new) = (request(app, 1, 1), request(app, 1, 2));
    let claim = store.claim_request(&late, at(0), at(1_000)).await;
    assert_eq!(claim.unwrap(), Claim::Yours);
    let claim = store.claim_request(&new, at(999), at(2_000)).await;
    assert_eq!(claim.unwrap(), Claim::Busy);
    let claim = store.claim_request(&new, at(1_000), at(2_000)).await;
    assert_eq!(claim.unwrap(), Claim::Yours, "its owner was gone");
    assert!(!store.keep_answer(&late, "late", at(9_000)).await.unwrap());
    store.release_request(&late).await.unwrap();
    let claim = store.claim_request(&late, at(1_500), at(3_000)).await;
    assert_eq!(claim.unwrap(), Claim::Busy);
    store.release_request(&new).await.unwrap();
    let claim = store.claim_request(&late, at(1_500), at(3_000)).await;
    assert_eq!(claim.unwrap(), Claim::Yours, "it was let go of");
    assert!(store.keep_answer(&late, "done", at(9_000)).await.unwrap());
    store.release_request(&late).await.unwrap();
    assert!(!store.keep_answer(&late, "twice", at(9_000)).await.unwrap());
    let claim = store.claim_request(&new, at(2_000), at(3_000)).await;
    assert_eq!(claim.unwrap(), Claim::Answered("done".to_owned()));
}

/// What is past its time is deleted, so many at a time, and nothing else.
pub async fn requests_are_forgotten(store: Arc<dyn Store>) {
    let app = World::new(&store, 1).await.app.id;
    for key in 0..5 {
        let until = at(i64::from(key) * 1_000);
        let request = request(app, key, 1);
        store.claim_request(&request, at(-1), until).await.unwrap();
    }
    let operators = request(AppId(Uuid::nil()), 9, 1);
    let claim = store.claim_request(&operators, at(-1), at(0)).await;
    assert_eq!(claim.unwrap(), Claim::Yours);
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(store.forget_requests(at(2_000), 3).await.unwrap());
    }
    assert_eq!(gone, [3, 1, 0]);
    for (key, wanted) in [(2, Claim::Yours), (3, Claim::Busy), (4, Claim::Busy)] {
        let again = request(app, key, 2);
        // At a time when none of them was over.
        let claim = store.claim_request(&again, at(-1), at(9_000)).await;
        assert_eq!(claim.unwrap(), wanted, "{key}");
    }
}
