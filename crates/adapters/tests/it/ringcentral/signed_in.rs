//! Signing in at the stand-in with a code and PKCE, renewing once with each refresh token, and
//! revoking.

use reqwest::Url;
use switchhook_adapters::oauth::HttpTokens;
use switchhook_adapters::ringcentral::RingCentral;
use switchhook_engine::adapter::{Adapter, ConnectionContext, Secret};
use switchhook_engine::command::{Fault, OAuthEndpoints};
use switchhook_engine::oauth::{TokenEndpoint, TokenRequest};
use switchhook_testkit::vendors::loopback;

use super::world::World;

/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://cti.example/auth/ringcentral/callback";

fn endpoints(world: &World) -> OAuthEndpoints {
    let mut context: ConnectionContext = (*world.session.connection).clone();
    let secret = Secret::new("client-secret");
    context
        .credentials
        .insert("client_secret".to_owned(), secret);
    RingCentral.oauth(&context).unwrap()
}

/// The code a person's browser brings back.
fn consent(world: &World, endpoints: &OAuthEndpoints) -> Secret {
    let parameters = [
        ("response_type", "code"),
        ("client_id", endpoints.client_id.as_str()),
        ("redirect_uri", BACK),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let address = HttpTokens(loopback())
        .authorize_url(endpoints, &parameters)
        .unwrap();
    let query: Vec<(String, String)> = Url::parse(&address)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    Secret::new(world.vendor.vendor().consent(&query).unwrap())
}

fn code(code: &Secret, verifier: &str) -> TokenRequest {
    TokenRequest::Code {
        code: code.clone(),
        redirect_uri: BACK.to_owned(),
        verifier: Secret::new(verifier),
    }
}

#[tokio::test]
async fn a_code_with_its_verifier_gives_tokens_that_are_renewed_once_each() {
    let world = World::new().await;
    let endpoints = endpoints(&world);
    let first = consent(&world, &endpoints);
    let granted = HttpTokens(loopback())
        .grant(&endpoints, &code(&first, VERIFIER))
        .await;
    let granted = granted.unwrap();
    let again = HttpTokens(loopback())
        .grant(&endpoints, &code(&first, VERIFIER))
        .await;
    assert_eq!(again.unwrap_err().fault, Fault::Credentials, "used up");

    let refresh_token = granted.refresh_token.unwrap();
    let renew = TokenRequest::Refresh { refresh_token };
    let renewed = HttpTokens(loopback())
        .grant(&endpoints, &renew)
        .await
        .unwrap();
    assert_ne!(renewed.access_token, granted.access_token);
    let again = HttpTokens(loopback()).grant(&endpoints, &renew).await;
    assert_eq!(again.unwrap_err().fault, Fault::Credentials, "used up");
    let (access, refresh) = (&renewed.access_token, renewed.refresh_token.as_ref());
    let revoked = HttpTokens(loopback())
        .revoke(&endpoints, access, refresh)
        .await;
    assert_eq!(revoked, Ok(()));
}

#[tokio::test]
async fn a_code_in_other_hands_is_worth_nothing() {
    let world = World::new().await;
    let endpoints = endpoints(&world);
    let stolen = consent(&world, &endpoints);
    let other = "another verifier of forty-three characters xx";
    let granted = HttpTokens(loopback())
        .grant(&endpoints, &code(&stolen, other))
        .await;
    assert_eq!(granted.unwrap_err().fault, Fault::Credentials);
}
