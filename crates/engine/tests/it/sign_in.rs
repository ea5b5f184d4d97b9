//! Signing in: the state works once, in one browser, for one connection, not for long.

use jiff::SignedDuration;
use switchhook_engine::adapter::Secret;
use switchhook_engine::command::{Fault, Grant};
use switchhook_engine::oauth::sign_in::{LIFE, SignInError};

use crate::platform::World;

const BACK: &str = "https://cti.example/auth/acme/callback";

#[tokio::test]
async fn a_state_works_once_in_the_browser_that_began() {
    let world = World::new().await;
    let tokens = world.tokens();
    let other = world.tokens();
    let begin = || tokens.begin(&world.connection, BACK, None, Some("/".to_owned()));
    let begun = begin().await.unwrap();
    let (_, state) = world.server.agree(&begun.authorize_url);
    assert_eq!(
        other.returned("nonsense", Some(&begun.browser)).await,
        Err(SignInError::UnknownState)
    );
    // Any node may take it up.
    let returned = other.returned(&state, Some(&begun.browser)).await.unwrap();
    assert_eq!(returned.return_to.as_deref(), Some("/"));
    assert_eq!(
        tokens.returned(&state, Some(&begun.browser)).await,
        Err(SignInError::UnknownState)
    );

    for cookie in [
        None,
        Some(Secret::new("another")),
        Some(begun.browser.clone()),
    ] {
        let again = begin().await.unwrap();
        let (_, state) = world.server.agree(&again.authorize_url);
        let refused = tokens.returned(&state, cookie.as_ref()).await;
        assert_eq!(refused, Err(SignInError::OtherBrowser));
        let burnt = tokens.returned(&state, Some(&again.browser)).await;
        assert_eq!(burnt, Err(SignInError::UnknownState));
    }

    let late = begin().await.unwrap();
    let (_, state) = world.server.agree(&late.authorize_url);
    world.clock.advance(LIFE + SignedDuration::from_secs(1));
    assert_eq!(
        tokens.returned(&state, Some(&late.browser)).await,
        Err(SignInError::UnknownState)
    );
}

#[tokio::test]
async fn two_windows_of_one_browser_can_sign_in_at_once() {
    let world = World::new().await;
    let tokens = world.tokens();
    let first = tokens
        .begin(&world.connection, BACK, None, None)
        .await
        .unwrap();
    let second = tokens
        .begin(&world.connection, BACK, Some(&first.browser), None)
        .await
        .unwrap();
    assert_eq!(first.browser, second.browser);
    assert_ne!(first.authorize_url, second.authorize_url);
    for begun in [&first, &second] {
        let (_, state) = world.server.agree(&begun.authorize_url);
        tokens.returned(&state, Some(&first.browser)).await.unwrap();
    }
    // A cookie that is none of ours is replaced, not believed.
    let planted = Secret::new("planted");
    let begun = tokens
        .begin(&world.connection, BACK, Some(&planted), None)
        .await
        .unwrap();
    assert_ne!(begun.browser, planted);
}

#[tokio::test]
async fn a_stolen_code_is_worth_nothing_without_its_verifier() {
    let world = World::new().await;
    let tokens = world.tokens();
    let victim = tokens
        .begin(&world.connection, BACK, None, None)
        .await
        .unwrap();
    let thief = tokens
        .begin(&world.connection, BACK, None, None)
        .await
        .unwrap();
    let (code, _) = world.server.agree(&victim.authorize_url);
    let (_, state) = world.server.agree(&thief.authorize_url);
    let returned = tokens.returned(&state, Some(&thief.browser)).await.unwrap();
    let finished = tokens
        .finish(&world.connection, returned, Secret::new(code))
        .await;
    let Err(SignInError::Platform(error)) = finished else {
        panic!("{finished:?}")
    };
    assert_eq!(error.fault, Fault::Credentials);
    assert!(tokens.of(&world.connection).token().await.is_err());
}

#[tokio::test]
async fn a_connection_nobody_signs_in_for_says_so() {
    let world = World::with(Grant::Jwt(Secret::new("assertion"))).await;
    let begun = world
        .tokens()
        .begin(&world.connection, BACK, None, None)
        .await;
    let Err(SignInError::Platform(error)) = begun else {
        panic!("{begun:?}")
    };
    assert_eq!(error.fault, Fault::Settings);
    assert!(error.detail.contains("client_id"), "{error}");
}
