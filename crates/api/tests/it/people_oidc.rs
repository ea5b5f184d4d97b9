//! Signing in at an identity provider, seen from the browser: the provider is a stand-in of the
//! port. The real one is in the server's tests (`real_oidc`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use reqwest::Method;
use switchhook_adapters::dialpad::Dialpad;
use switchhook_domain::Timestamp;
use switchhook_engine::people::PeopleSettings;
use switchhook_engine::people::oidc::{Ask, Identity, IdentityProvider, OidcFault, OidcRules};
use switchhook_engine::rights::Role;

use crate::client::Answer;
use crate::people::{join, post};
use crate::world::{Tenant, World, config};

#[derive(Debug)]
struct Provider(Mutex<Result<Identity, OidcFault>>);

#[async_trait::async_trait]
impl IdentityProvider for Provider {
    async fn authorize_url(&self, ask: &Ask) -> Result<String, OidcFault> {
        let (state, challenge) = (&ask.state, ask.challenge());
        Ok(format!(
            "https://id.example/auth?state={state}&code_challenge={challenge}"
        ))
    }

    async fn identify(&self, code: &str, ask: &Ask, _: Timestamp) -> Result<Identity, OidcFault> {
        assert!(ask.redirect_uri.ends_with("/sign-in/oidc/callback"));
        if code == "good" {
            self.0.lock().unwrap().clone()
        } else {
            Err(OidcFault::Refused)
        }
    }
}

fn jan() -> Identity {
    Identity {
        issuer: "https://id.example".to_owned(),
        subject: "4711".to_owned(),
        email: Some("Jan@example.nl".to_owned()),
        email_verified: true,
        name: Some("Jan Jansen".to_owned()),
        roles: Vec::new(),
    }
}

async fn world(rules: OidcRules) -> (World, Tenant, Arc<Provider>) {
    let provider = Arc::new(Provider(Mutex::new(Ok(jan()))));
    let settings = PeopleSettings {
        passwords: true,
        oidc: Some((provider.clone(), rules)),
    };
    let world = World::with_people(config(), vec![Arc::new(Dialpad)], settings).await;
    let tenant = world.tenant("one").await;
    (world, tenant, provider)
}

/// Begins: the cookie and the state.
async fn begin(world: &World) -> (String, String) {
    let begun = world
        .ask(Method::GET, "/sign-in/oidc")
        .send()
        .await
        .unwrap();
    let begun = Answer::of(begun).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let cookie = begun.header("set-cookie");
    for part in [
        "HttpOnly",
        "SameSite=Lax",
        "Path=/sign-in/oidc",
        "Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let url = begun.header("location");
    let state = url
        .split_once("state=")
        .unwrap()
        .1
        .split('&')
        .next()
        .unwrap();
    (cookie, state.to_owned())
}

/// Comes back: where the browser is led.
async fn back(world: &World, cookie: &str, query: &str) -> (String, Answer) {
    let request = world.ask(Method::GET, &format!("/sign-in/oidc/callback?{query}"));
    let answer = Answer::of(request.header("cookie", cookie).send().await.unwrap()).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(answer.text, "", "nothing of the provider's is shown");
    (answer.header("location").to_owned(), answer)
}

async fn try_it(world: &World) -> String {
    let (cookie, state) = begin(world).await;
    back(world, &cookie, &format!("state={state}&code=good"))
        .await
        .0
}

fn session(answer: &Answer) -> Option<String> {
    let mut cookies = answer.headers.get_all("set-cookie").iter();
    let own = cookies.find(|one| one.to_str().unwrap().starts_with("switchhook_session="));
    Some(own?.to_str().unwrap().split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_verified_address_leads_to_the_account_and_stays_bound_to_the_subject() {
    let (world, tenant, provider) = world(OidcRules::default()).await;
    join(&world, &tenant, "jan@example.nl", "supervisor").await;
    let (cookie, state) = begin(&world).await;
    let (to, answer) = back(&world, &cookie, &format!("state={state}&code=good&iss=x")).await;
    assert_eq!(to, "/");
    let session = session(&answer).unwrap();
    let me = world.ask(Method::GET, "/api/me").header("cookie", session);
    let me = Answer::of(me.send().await.unwrap()).await.body;
    assert_eq!(me["data"]["user"]["email"], "jan@example.nl");
    assert_eq!(me["data"]["role"], "supervisor");
    // The address changed at the provider: the subject counts.
    *provider.0.lock().unwrap() = Ok(Identity {
        email: Some("jan.jansen@elsewhere.example".to_owned()),
        email_verified: false,
        ..jan()
    });
    assert_eq!(try_it(&world).await, "/");
    // Somebody else who has the address now is not let into the account.
    *provider.0.lock().unwrap() = Ok(Identity {
        subject: "666".to_owned(),
        ..jan()
    });
    assert_eq!(try_it(&world).await, "/?sign_in_error=account_taken");
}

#[tokio::test]
async fn what_did_not_begin_here_does_not_end_here() {
    let (world, tenant, _) = world(OidcRules::default()).await;
    join(&world, &tenant, "jan@example.nl", "agent").await;
    let (cookie, state) = begin(&world).await;
    let (other, _) = begin(&world).await;
    let expired = "/?sign_in_error=expired";
    for (cookie, query) in [
        ("x=y", format!("state={state}&code=good")),
        (&*other, format!("state={state}&code=good")),
        (&*cookie, "state=forged&code=good".to_owned()),
        (&*cookie, "code=good".to_owned()),
        (&*cookie, format!("state={state}&state={state}&code=good")),
    ] {
        assert_eq!(back(&world, cookie, &query).await.0, expired, "{query}");
    }
    let good = format!("state={state}&code=good");
    let (a, b) = tokio::join!(back(&world, &cookie, &good), back(&world, &cookie, &good));
    let mut to = [a.0, b.0];
    to.sort();
    assert_eq!(to, ["/", expired], "once");
    let (cookie, state) = begin(&world).await;
    world.clock.advance(SignedDuration::from_mins(10));
    let late = back(&world, &cookie, &format!("state={state}&code=good")).await;
    assert_eq!(late.0, expired);
    let (cookie, state) = begin(&world).await;
    let refused = format!("state={state}&error=access_denied&error_description=<b>");
    let refused = back(&world, &cookie, &refused).await.0;
    assert_eq!(refused, "/?sign_in_error=provider_refused");
}

#[tokio::test]
async fn who_is_not_known_well_enough_stays_outside() {
    let rules = OidcRules {
        domains: vec!["example.nl".to_owned()],
        ..OidcRules::default()
    };
    let (world, tenant, provider) = world(rules).await;
    assert_eq!(try_it(&world).await, "/?sign_in_error=account_unknown");
    join(&world, &tenant, "boss@example.nl", "admin").await;
    let own = join(&world, &tenant, "jan@example.nl", "agent").await;
    let id = own.answer.body["data"]["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let with = |change: fn(&mut Identity)| {
        let mut identity = jan();
        change(&mut identity);
        *provider.0.lock().unwrap() = Ok(identity);
    };
    with(|jan| jan.email_verified = false);
    assert_eq!(try_it(&world).await, "/?sign_in_error=email_unverified");
    with(|jan| jan.email = None);
    assert_eq!(try_it(&world).await, "/?sign_in_error=account_unknown");
    with(|jan| jan.email = Some("jan@example.nl.evil.example".to_owned()));
    assert_eq!(try_it(&world).await, "/?sign_in_error=domain_not_allowed");
    let path = format!("/api/people/{id}");
    let request = world
        .ask(Method::PATCH, &path)
        .header("x-api-key", &tenant.key);
    let off = serde_json::json!({ "active": false });
    request.json(&off).send().await.unwrap();
    with(|_| {});
    assert_eq!(try_it(&world).await, "/?sign_in_error=account_disabled");
    for (fault, word) in [
        (OidcFault::Unreachable, "provider_unreachable"),
        (OidcFault::Token("x"), "token_invalid"),
    ] {
        *provider.0.lock().unwrap() = Err(fault);
        assert_eq!(try_it(&world).await, format!("/?sign_in_error={word}"));
    }
}

#[tokio::test]
async fn accounts_are_made_only_where_the_operator_says_so() {
    // The app has to be named before there is one: made by a first world's rules.
    let (made, tenant, provider) = world(OidcRules::default()).await;
    let rules = OidcRules {
        app: Some(tenant.id.parse().unwrap()),
        auto_create: true,
        default_role: Some(Role::ReadOnly),
        roles: BTreeMap::from([("cti-bosses".to_owned(), Role::Supervisor)]),
        ..OidcRules::default()
    };
    let settings = PeopleSettings {
        passwords: false,
        oidc: Some((provider.clone(), rules)),
    };
    let people = switchhook_engine::people::People::new(
        made.store.clone(),
        made.clock.clone(),
        Arc::new(switchhook_engine::ports::SystemEntropy),
        settings,
    );
    let sign_in = async || {
        let begun = people
            .begin_oidc("http://x/sign-in/oidc/callback")
            .await
            .unwrap();
        let state = begun
            .url
            .split_once("state=")
            .unwrap()
            .1
            .split('&')
            .next()
            .unwrap();
        let to = "http://x/sign-in/oidc/callback";
        let ask = people.take_oidc(&begun.browser, state, to).await.unwrap();
        people.finish_oidc(&ask, "good", &Default::default()).await
    };
    let first = sign_in().await.unwrap();
    assert_eq!(first.person.role, Role::ReadOnly);
    assert_eq!(first.person.email, "jan@example.nl");
    // The provider's groups give roles, and take the sessions of the old one.
    provider.0.lock().unwrap().as_mut().unwrap().roles = vec!["cti-bosses".to_owned()];
    let second = sign_in().await.unwrap();
    assert_eq!(
        (second.person.id, second.person.role),
        (first.person.id, Role::Supervisor)
    );
    assert!(made.gate.session(&first.token).await.unwrap().is_err());
    assert!(made.gate.session(&second.token).await.unwrap().is_ok());
}

#[tokio::test]
async fn passwords_can_be_switched_off() {
    let provider = Arc::new(Provider(Mutex::new(Ok(jan()))));
    let rules = OidcRules {
        name: "Keycloak".to_owned(),
        ..OidcRules::default()
    };
    let settings = PeopleSettings {
        passwords: false,
        oidc: Some((provider, rules)),
    };
    let world = World::with_people(config(), vec![Arc::new(Dialpad)], settings).await;
    let body = serde_json::json!({ "email": "jan@example.nl", "password": "x" });
    let refused = post(&world, "/api/sign-in", &body).await;
    assert_eq!((refused.status, refused.problem()), (403, "passwords_off"));
    let options = world
        .ask(Method::GET, "/api/sign-in/options")
        .send()
        .await
        .unwrap();
    let options = Answer::of(options).await.body;
    assert_eq!(options["data"]["password"], false);
    assert_eq!(options["data"]["oidc"]["name"], "Keycloak");
    assert_eq!(options["data"]["oidc"]["url"], "/sign-in/oidc");
}
