//! Links that sign in: each run has the connection's sign-in and what the run before it left, and
//! one that waits for a person is tried as soon as that person has signed in.

use std::time::Duration;

use switchhook_engine::adapter::LinkError;
use switchhook_engine::command::Fault;

use crate::platform::World;

async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never came true");
}

#[tokio::test]
async fn a_run_goes_on_with_what_the_last_one_left() {
    let world = World::new().await;
    *world.vendor.is_live.lock().unwrap() = true;
    let (links, tokens) = world.links();
    world.sign_in(&tokens).await;
    let end = || LinkError::Retry("the line broke".to_owned());
    let runs = [(Some("session 1"), end()), (None, end())];
    world.vendor.runs.lock().unwrap().extend(runs);
    links.reconcile();
    until("it is up", || {
        let state = links.states().remove(&world.connection.row.id);
        state.is_some_and(|state| state.up)
    })
    .await;
    let found = world.vendor.found.lock().unwrap().clone();
    let token = || Ok("access-1".to_owned());
    let left = |words: Option<&str>| words.map(str::to_owned);
    assert_eq!(
        found,
        [
            (token(), left(None)),
            (token(), left(Some("session 1"))),
            (token(), left(None)),
        ]
    );
    links.close().await;
    assert!(links.states().is_empty());
}

/// A link that only a person can put right is tried each minute; a sign-in ends the wait.
#[tokio::test]
async fn a_sign_in_ends_the_wait() {
    let world = World::new().await;
    *world.vendor.is_live.lock().unwrap() = true;
    let (links, tokens) = world.links();
    links.reconcile();
    let id = world.connection.row.id;
    let is = |up: bool| {
        let state = links.states().remove(&id);
        state.is_some_and(|state| state.up == up)
    };
    until("it is down", || is(false)).await;
    world.sign_in(&tokens).await;
    // Not before the supervisor waits.
    tokio::time::sleep(Duration::from_millis(50)).await;
    links.try_again(id);
    until("it is up", || is(true)).await;
    let found = world.vendor.found.lock().unwrap().clone();
    let expected = [
        (Err(Fault::Credentials), None),
        (Ok("access-1".to_owned()), None),
    ];
    assert_eq!(found, expected);
    links.close().await;
}
