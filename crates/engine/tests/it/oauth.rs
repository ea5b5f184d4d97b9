//! Tokens: refreshed once, by one task of one node, kept, and given up when nothing else helps.

use std::time::Duration;

use jiff::SignedDuration;
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{CommandError, Fault, Grant};
use switchhook_engine::oauth::SignInState;
use switchhook_engine::store::VendorStore;

use crate::platform::{World, invalid_grant};

fn asked(world: &World) -> Vec<&'static str> {
    world.server.asked.lock().unwrap().clone()
}

#[tokio::test]
async fn two_nodes_with_many_requests_refresh_once() {
    let world = World::new().await;
    let nodes = [world.tokens(), world.tokens()];
    world.sign_in(&nodes[0]).await;
    *world.server.delay.lock().unwrap() = Duration::from_millis(150);
    for round in 2..5 {
        world.clock.advance(SignedDuration::from_mins(59));
        let requests = (0..24).map(|i| {
            let tokens = nodes[i % 2].of(&world.connection);
            tokio::spawn(async move { tokens.token().await.unwrap() })
        });
        for request in requests.collect::<Vec<_>>() {
            let token = request.await.unwrap();
            assert_eq!(token.expose(), format!("access-{round}"));
        }
    }
    assert_eq!(asked(&world), ["code", "refresh", "refresh", "refresh"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_used_it() {
    let world = World::new().await;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    let of = tokens.of(&world.connection);
    let first = of.token().await.unwrap();
    // A token that is refused as soon as it was given does not get better.
    let error = of.renew(&first).await.unwrap_err();
    assert_eq!(error.fault, Fault::Permission);
    world.clock.advance(SignedDuration::from_mins(1));
    let (a, b) = tokio::join!(of.renew(&first), of.renew(&first));
    assert_eq!(
        (a.unwrap().expose(), b.unwrap().expose()),
        ("access-2", "access-2")
    );
    assert_eq!(of.renew(&first).await.unwrap().expose(), "access-2");
    assert_eq!(asked(&world), ["code", "refresh"]);
}

#[tokio::test]
async fn tokens_are_refreshed_before_anybody_needs_them() {
    let world = World::new().await;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    let find = |id| world.connections.get(id);
    world.clock.advance(SignedDuration::from_mins(50));
    assert_eq!(tokens.refresh_ahead(find).await.unwrap(), 0);
    world.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(tokens.refresh_ahead(find).await.unwrap(), 1);
    assert_eq!(tokens.refresh_ahead(find).await.unwrap(), 0);
    assert_eq!(asked(&world), ["code", "refresh"]);
    let status = tokens.status(&world.connection).await.unwrap().unwrap();
    assert_eq!(status.state, SignInState::Good);
}

#[tokio::test]
async fn a_passing_fault_changes_nothing_and_tells_nobody() {
    let world = World::new().await;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    world.clock.advance(SignedDuration::from_mins(61));
    let away = CommandError::new(Fault::Unreachable, "Acme is away.");
    *world.server.fail_next.lock().unwrap() = Some(away);
    let of = tokens.of(&world.connection);
    assert_eq!(of.token().await.unwrap_err().fault, Fault::Unreachable);
    assert_eq!(of.token().await.unwrap().expose(), "access-2");
    assert!(world.told().await.is_empty());
}

#[tokio::test]
async fn a_refused_refresh_is_told_once_until_somebody_signs_in_again() {
    let world = World::new().await;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    world.clock.advance(SignedDuration::from_mins(61));
    *world.server.fail_next.lock().unwrap() = Some(invalid_grant());
    let of = tokens.of(&world.connection);
    for _ in 0..3 {
        let error = of.token().await.unwrap_err();
        assert_eq!(
            (error.fault, error.detail.as_str()),
            (Fault::Credentials, "Sign in again.")
        );
    }
    let status = tokens.status(&world.connection).await.unwrap().unwrap();
    assert_eq!(status.state, SignInState::Failed);
    assert_eq!(status.reason.as_deref(), Some("Sign in again."));
    assert_eq!(asked(&world), ["code", "refresh"], "no use asking again");
    assert_eq!(world.told().await, ["connection.degraded"]);
    world.sign_in(&tokens).await;
    assert_eq!(of.token().await.unwrap().expose(), "access-2");
    assert_eq!(
        world.told().await,
        ["connection.degraded", "connection.restored"]
    );
}

#[tokio::test]
async fn without_a_refresh_token_the_end_is_said_plainly() {
    let world = World::new().await;
    *world.server.without_refresh.lock().unwrap() = true;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    let find = |id| world.connections.get(id);
    world.clock.advance(SignedDuration::from_mins(56));
    tokens.refresh_ahead(find).await.unwrap();
    assert!(world.told().await.is_empty(), "it still works for minutes");
    world.clock.advance(SignedDuration::from_mins(5));
    tokens.refresh_ahead(find).await.unwrap();
    let error = tokens.of(&world.connection).token().await.unwrap_err();
    assert!(error.detail.contains("offline access"), "{error}");
    assert_eq!(world.told().await, ["connection.degraded"]);
}

#[tokio::test]
async fn nobody_signed_in_is_said_and_not_asked() {
    let world = World::new().await;
    let tokens = world.tokens();
    let error = tokens.of(&world.connection).token().await.unwrap_err();
    assert_eq!(error.fault, Fault::Credentials);
    assert!(asked(&world).is_empty());
    let status = tokens.status(&world.connection).await.unwrap().unwrap();
    assert_eq!(status.state, SignInState::Missing);
}

#[tokio::test]
async fn an_assertion_needs_nobody_and_outlives_refresh_tokens() {
    let world = World::with(Grant::Jwt(Secret::new("assertion"))).await;
    let tokens = world.tokens();
    let of = tokens.of(&world.connection);
    assert_eq!(of.token().await.unwrap().expose(), "access-1");
    world.clock.advance(SignedDuration::from_mins(61));
    *world.server.fail_next.lock().unwrap() = Some(invalid_grant());
    assert_eq!(of.token().await.unwrap().expose(), "access-2");
    assert_eq!(asked(&world), ["jwt", "refresh", "jwt"]);
}

#[tokio::test]
async fn disconnecting_revokes_and_forgets_and_says_what_it_could_not() {
    let world = World::new().await;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    assert_eq!(tokens.disconnect(&world.connection).await.unwrap(), None);
    assert_eq!(*world.server.revoked.lock().unwrap(), ["access-1"]);
    let row = &world.connection.row;
    assert_eq!(world.store.tokens(row.app_id, row.id).await.unwrap(), None);
    assert_eq!(
        tokens.disconnect(&world.connection).await.unwrap(),
        None,
        "twice is no error"
    );
    world.sign_in(&tokens).await;
    let away = CommandError::new(Fault::Unreachable, "Acme is away.");
    *world.server.fail_next.lock().unwrap() = Some(away);
    let left = tokens.disconnect(&world.connection).await.unwrap().unwrap();
    assert!(left.ends_with("Acme is away."), "{left}");
    assert_eq!(world.store.tokens(row.app_id, row.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_stored_shows_no_token_and_opens_nowhere_else() {
    let world = World::new().await;
    let tokens = world.tokens();
    world.sign_in(&tokens).await;
    let row = &world.connection.row;
    let mut stored = world
        .store
        .tokens(row.app_id, row.id)
        .await
        .unwrap()
        .unwrap();
    assert!(!stored.sealed.contains("access"));
    stored.sealed = stored.sealed.replace("v1.", "v2.");
    stored.version += 1;
    world
        .store
        .put_tokens(&stored, stored.version - 1)
        .await
        .unwrap();
    let error = tokens.of(&world.connection).token().await.unwrap_err();
    assert!(error.detail.contains("master key"), "{error}");
}
